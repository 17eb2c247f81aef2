"""The finish step: settle repeated keys, put the files together, end the job.

Everything here is derived from the plan and the ledger, so that a finish that died can be run again. The terminal
status is written last: it means that the files exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter
from waybill.aws.files import SourceChanged
from waybill.imports.keys import read_partition, repeated
from waybill.imports.load import chunk_segments, load_leased_chunk, row_reader
from waybill.imports.plan import ImportPlan, fail_import, read_plan
from waybill.imports.reports import (
    ERROR_LOG_HEADER,
    ReportIndex,
    RowError,
    Summary,
    error_log_line,
    insert_rows,
)
from waybill.imports.results import chunk_prefix, error_log_key, job_prefix, rejects_key, summary_key
from waybill.imports.rows import RowReader
from waybill.imports.start import start_next
from waybill.jobs.items import LedgerEntry
from waybill.jobs.model import Counts, Job, Status, finished
from waybill.tabular.plan import Chunk

if TYPE_CHECKING:
    from waybill.bootstrap import Services

PIECE_BYTES = 1024 * 1024
DUPLICATE_KEY = "duplicate-key"
_MESSAGES = {
    "source-changed": "The file was overwritten or deleted while it was imported.",
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
    services.files.delete_prefix(services.settings.files_bucket, f"{job_prefix(job_id)}chunks/")
    start_next(services, job.entity_uid)
    return job


def _finish_planned(services: Services, job: Job, plan: ImportPlan, failure: str | None) -> Job:
    ledger = services.jobs.ledger(job.job_id)
    for chunk in plan.chunks:
        if chunk.number not in ledger:
            attempt = "skipped"
            job = services.jobs.lease_chunk(job.job_id, chunk.number, attempt)
            ledger[chunk.number] = load_leased_chunk(services, job, plan, chunk, attempt, skip=True)
    losers = settle_repeated_keys(services, job, plan, ledger)
    entries = [ledger[chunk.number] for chunk in plan.chunks]
    counts = Counts(
        total=job.counts.total,
        imported=sum(entry.imported for entry in entries) - len(losers),
        rejected=sum(entry.rejected for entry in entries) + len(losers),
        unprocessed=sum(entry.unprocessed for entry in entries),
    )
    has_rejects = bool(counts.rejected or counts.unprocessed)
    if has_rejects:
        _put_files_together(services, job, plan, ledger, losers)
    failure = failure or next((entry.failure for entry in entries if entry.failure), None)
    ended = finished(
        job,
        Status.FAILED if failure else Status.COMPLETED,
        counts,
        services.clock(),
        services.jobs.retention,
        error_code=failure,
        error_message=_MESSAGES[failure] if failure else None,
        has_rejects=has_rejects,
        has_error_log=has_rejects,
    )
    return services.jobs.finish(ended, Status.IN_PROGRESS)


def settle_repeated_keys(
    services: Services, job: Job, plan: ImportPlan, ledger: Mapping[int, LedgerEntry]
) -> list[Loser]:
    """Make the last valid row of each key the one that stands in the table.

    Chunks run side by side and requests overtake each other, so that nothing is known of who wrote last: the winners of
    repeated keys are written again, after everything else.

    Returns:
        The rows that lost, in file order.
    """
    suspects = _suspect_rows(services, job, plan, ledger)
    if not suspects:
        return []
    reader = row_reader(services, job, plan)
    found = []
    for chunk in plan.chunks:
        wanted = [row for row in suspects if chunk.first_row <= row < chunk.first_row + chunk.rows]
        if wanted:
            found += list(_read_again(services, job, plan, chunk, reader, frozenset(wanted)))
    winners = {key: (row, put) for row, _, key, put, _ in found}
    losers = []
    for row, chunk_number, key, _, raw in found:
        winner = winners[key][0]
        if row != winner:
            message = f"The same key stands again in row {winner}, which wins."
            losers.append(Loser(row, chunk_number, raw, RowError(row, None, None, DUPLICATE_KEY, key, message)))
    repeated_keys = {loser.error.cell for loser in losers}
    with BatchWriter(services.dynamodb, reader.table, connections=services.settings.write_connections) as writer:
        writer.write([put for key, (_, put) in winners.items() if key in repeated_keys])
    return losers


def _suspect_rows(services: Services, job: Job, plan: ImportPlan, ledger: Mapping[int, LedgerEntry]) -> list[int]:
    """Rows whose key digest stands more than once in the file, ascending."""
    bucket = services.settings.files_bucket
    rows: list[int] = []
    for partition in range(plan.key_partitions):
        pairs = []
        for entry in ledger.values():
            if entry.imported:
                key = chunk_prefix(job.job_id, entry.chunk, entry.attempt) + "keys"
                read = partial(services.files.read, bucket, key)
                pairs.append(read_partition(read, plan.key_partitions, partition))
        rows += repeated(pairs)
    return sorted(rows)


def _read_again(
    services: Services, job: Job, plan: ImportPlan, chunk: Chunk, reader: RowReader, wanted: frozenset[int]
) -> Iterator[tuple[int, int, str, str, str]]:
    """(row, chunk number, key, put, record as it stands) of the wanted rows of a chunk."""
    next_row, end_row = chunk.first_row, chunk.first_row + chunk.rows
    try:
        for segment in chunk_segments(services.files, plan, chunk):
            count = min(segment.records, end_row - next_row)
            if not wanted.isdisjoint(range(next_row, next_row + count)):
                block = reader.read(segment, next_row, count, services.clock())
                raws = dict(reader.raw_rows(segment, next_row, count))
                for row, key, put in zip(block.rows, block.keys, block.puts, strict=True):
                    if row in wanted:
                        yield row, chunk.number, key, put, raws[row]
            next_row += count
            if next_row == end_row:
                return
    except SourceChanged:
        # What was written stays; without the source nobody can say more about repeated keys.
        return


def _put_files_together(
    services: Services, job: Job, plan: ImportPlan, ledger: Mapping[int, LedgerEntry], losers: Sequence[Loser]
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
    for chunk in plan.chunks:
        entry = ledger[chunk.number]
        prefix = chunk_prefix(job.job_id, chunk.number, entry.attempt)
        mine = [loser for loser in losers if loser.chunk == chunk.number]
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
    rejects.close()
    log.close()
    services.files.put(bucket, summary_key(job.job_id), summary.to_json(), "application/json")


def _pieces(services: Services, bucket: str, key: str) -> Iterator[bytes]:
    stream = services.files.open(bucket, key)
    return iter(lambda: stream.read(PIECE_BYTES), b"")
