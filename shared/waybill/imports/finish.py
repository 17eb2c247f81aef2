"""The finish step: settle repeated keys, put the files together, end the job.

Everything here is derived from the plan and the ledger, so that a finish that died can be run again. The terminal
status is written last: it means that the files exist.
"""

from __future__ import annotations

import json
import uuid
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter
from waybill.aws.files import SourceChanged
from waybill.imports.keys import RangeReader, in_batches, repeated_by_partition
from waybill.imports.load import load_leased_chunk, part_prefix
from waybill.imports.plan import ImportPlan, fail_import, read_plan
from waybill.imports.policy import Policy
from waybill.imports.reports import (
    ERROR_LOG_HEADER,
    ReportIndex,
    RowError,
    Summary,
    error_log_line,
    insert_rows,
)
from waybill.imports.results import error_log_key, job_prefix, rejects_key, summary_key
from waybill.imports.settle import DUPLICATE_KEY
from waybill.imports.source import read_again, row_reader
from waybill.imports.start import start_next
from waybill.jobs.items import LedgerEntry
from waybill.jobs.leases import FINISH, WRITE_TIMEOUT_SECONDS, Pulse, lease_chunk
from waybill.jobs.model import Counts, Job, Status, finished

if TYPE_CHECKING:
    from waybill.bootstrap import Services

PIECE_BYTES = 1024 * 1024
by_row = attrgetter("row")
_MESSAGES = {
    "source-changed": "The file was overwritten or deleted while it was imported.",
    "rejected-rows": "Of {counts.total:,} rows {counts.rejected:,} are bad; all or nothing was asked for.",
    "internal-error": "A step of the import failed repeatedly; relaunch the rows that were not imported.",
}


@dataclass(frozen=True)
class Loser:
    """A valid row whose key stands again in a later row, which wins."""

    row: int
    chunk: int
    raw: str
    error: RowError


def finish_import(services: Services, job_id: str, failure: str | None = None) -> Job | None:
    """End an import. Safe to run again at any point.

    Args:
        failure: a job code when a step has failed for good; chunks that are not loaded are then listed row by row as
            not processed.

    Returns:
        The job as it stands; None when it is gone.
    """
    job = services.jobs.find(job_id)
    if job is None:
        return None
    if not job.is_terminal:
        plan = read_plan(services, job_id)
        if plan is None or job.counts.total is None:
            code = failure or "internal-error"
            return fail_import(services, job, [RowError(None, None, None, code, None, _MESSAGES[code])])
        job = _finish_planned(services, job, plan, failure)
    for details in ("chunks/", "checks/"):
        services.files.delete_prefix(services.settings.files_bucket, job_prefix(job_id) + details)
    start_next(services, job.entity_uid)
    return job


def _finish_planned(services: Services, job: Job, plan: ImportPlan, failure: str | None) -> Job:
    ledger = _complete_ledger(services, job, plan)
    attempt = uuid.uuid4().hex
    job = lease_chunk(services, job.job_id, FINISH, attempt)
    pulse = Pulse(services, job, FINISH, attempt)
    policy = Policy.of(job)
    losers = [] if policy.checks_first else settle_repeated_keys(services, job, plan, ledger, pulse)
    entries = [entry for chunk in plan.chunks for entry in ledger[chunk.number]]
    counts = Counts(
        total=job.counts.total,
        imported=sum(entry.imported for entry in entries) - len(losers),
        rejected=sum(entry.rejected for entry in entries) + len(losers),
        unprocessed=sum(entry.unprocessed for entry in entries),
    )
    has_rejects = bool(counts.rejected or counts.unprocessed)
    if has_rejects:
        _put_files_together(services, job, plan, ledger, losers, pulse)
    if policy.refuses_all:
        failure = "rejected-rows"
    failure = failure or next((entry.failure for entry in entries if entry.failure), None)
    ended = finished(
        job,
        Status.FAILED if failure else Status.COMPLETED,
        counts,
        services.clock(),
        services.jobs.retention,
        error_code=failure,
        error_message=_MESSAGES[failure].format(counts=counts) if failure else None,
        has_rejects=has_rejects,
        has_error_log=has_rejects,
    )
    pulse.beat()
    if counts.imported and not job.dry_run and not failure:
        services.jobs.note_content(job, plan.sha256)
    return services.jobs.finish(ended, Status.IN_PROGRESS)


def _complete_ledger(services: Services, job: Job, plan: ImportPlan) -> dict[int, list[LedgerEntry]]:
    """The ledger; what no invocation came to is listed as not processed."""
    ledger = services.jobs.ledger(job.job_id)
    for chunk in plan.chunks:
        parts = ledger.setdefault(chunk.number, [])
        if not parts or not parts[-1].is_last:
            attempt = uuid.uuid4().hex
            leased = lease_chunk(services, job.job_id, chunk.number, attempt)
            parts[:] = services.jobs.ledger(job.job_id, chunk.number).get(chunk.number, [])  # now nobody adds to it
            if not parts or not parts[-1].is_last:
                parts.append(load_leased_chunk(services, leased, plan, chunk, parts, attempt, skip=True))
    return ledger


def settle_repeated_keys(
    services: Services, job: Job, plan: ImportPlan, ledger: Mapping[int, Sequence[LedgerEntry]], pulse: Pulse
) -> list[Loser]:
    """Make the last valid row of each key the one that stands in the table.

    Chunks run side by side and requests overtake each other, so that nothing is known of who wrote last: the winners of
    repeated keys are written again, after everything else. Of rows that were not written none competes.

    Returns:
        The rows that lost, in file order.
    """
    losers: list[Loser] = []
    reader = row_reader(services, job, plan)
    for suspects in in_batches(_suspects(services, job, plan, ledger, pulse)):
        groups: dict[str, list[tuple[int, int, str, str]]] = {}
        try:
            for chunk, row, block, place in read_again(services, plan, reader, suspects, pulse.check):
                groups.setdefault(block.keys[place], []).append((row, chunk, block.texts[place], block.raw(row)))
        except SourceChanged:
            # What was written stays; without the source nobody can say more about repeated keys.
            break
        winners = []
        for key, rows in groups.items():
            *earlier, (winner, _, text, _) = rows
            if earlier:
                winners.append(text)
            message = f"The same key stands again in row {winner}, which wins."
            losers += [
                Loser(row, chunk, raw, RowError(row, None, None, DUPLICATE_KEY, key, message))
                for row, chunk, _, raw in earlier
            ]
        with BatchWriter(
            services.new_dynamodb(WRITE_TIMEOUT_SECONDS),
            reader.table,
            connections=services.settings.write_connections,
            before_send=pulse.check,
        ) as writer:
            writer.write(winners)
        pulse.check()
    return sorted(losers, key=by_row)


def _suspects(
    services: Services, job: Job, plan: ImportPlan, ledger: Mapping[int, Sequence[LedgerEntry]], pulse: Pulse
) -> Iterator[list[int]]:
    """By partition, imported rows whose key digest stands more than once in the file."""

    def reader(entry: LedgerEntry) -> RangeReader:
        key = part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt) + "keys"

        def read(start: int, end: int) -> bytes:
            pulse.check()
            return services.files.read(services.settings.files_bucket, key, start, end)

        return read

    reads = [reader(entry) for entry in chain.from_iterable(ledger.values()) if entry.imported]
    for rows in repeated_by_partition(reads, plan.key_partitions) if plan.key_partitions else ():
        pulse.check()
        yield rows


def _put_files_together(
    services: Services,
    job: Job,
    plan: ImportPlan,
    ledger: Mapping[int, Sequence[LedgerEntry]],
    losers: Sequence[Loser],
    pulse: Pulse,
) -> None:
    bucket, form = services.settings.files_bucket, plan.rejects_format
    rejects = services.files.writer(bucket, rejects_key(job.job_id), f"text/csv; charset={plan.encoding}")
    log = services.files.writer(bucket, error_log_key(job.job_id), "text/csv; charset=utf-8")
    if plan.bom:
        rejects.write("\ufeff".encode(plan.encoding))
    rejects.write(form.header(plan.header))
    log.write(ERROR_LOG_HEADER)
    summary = Summary()
    for loser in losers:
        summary.add(loser.error)
    first_row = 0
    for entry in chain.from_iterable(ledger[chunk.number] for chunk in plan.chunks):
        prefix = part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt)
        mine = losers[bisect_left(losers, first_row, key=by_row) : bisect_left(losers, entry.next_row, key=by_row)]
        first_row = entry.next_row
        index = ReportIndex.from_bytes(b"")
        content: dict[str, Iterator[bytes]] = {"rejects": iter(()), "errors": iter(())}
        if entry.rejected or entry.unprocessed:
            index = ReportIndex.from_bytes(services.files.read(bucket, prefix + "index"))
            summary.merge(json.loads(services.files.read(bucket, prefix + "summary")))
            content = {name: _pieces(services, bucket, prefix + name) for name in content}
        lines = [(loser.row, form.line(loser.row, DUPLICATE_KEY, loser.error.message, loser.raw)) for loser in mine]
        for piece in insert_rows(content["rejects"], index.rows, index.rejects_at, lines):
            rejects.write(piece)
        lines = [(loser.row, error_log_line(loser.error)) for loser in mine]
        for piece in insert_rows(content["errors"], index.rows, index.errors_at, lines):
            log.write(piece)
        pulse.check()
    rejects.close()
    log.close()
    services.files.put(bucket, summary_key(job.job_id), summary.to_json(), "application/json")


def _pieces(services: Services, bucket: str, key: str) -> Iterator[bytes]:
    stream = services.files.open(bucket, key)
    return iter(lambda: stream.read(PIECE_BYTES), b"")
