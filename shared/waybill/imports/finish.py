"""The finish step: settle repeated keys, put the files together, end the job.

Everything here is derived from the plan and the ledger, so that a finish that died can be run again. One that runs out
of time keeps what is done under `jobs/{id}/finish/`, and the next invocation goes on there. The terminal status is
written last: it means that the files exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter
from waybill.aws.files import SourceChanged, Writer
from waybill.entities.row_results import RowError
from waybill.ids import new_token
from waybill.imports.deadline import OutOfTime, Remaining, check_time, whole_invocation
from waybill.imports.keys import RangeReader
from waybill.imports.load import load_leased_chunk, part_prefix
from waybill.imports.plan import ImportPlan, fail_import, read_plan
from waybill.imports.policy import Policy
from waybill.imports.repeats import Found, Loser, LoserQueue, Search
from waybill.imports.reports import (
    ERROR_LOG_HEADER,
    RejectsFormat,
    ReportIndex,
    Summary,
    error_log_line,
    insert_rows,
)
from waybill.imports.results import error_log_key, rejects_key, summary_key
from waybill.imports.rows import RowReader
from waybill.imports.settle import DUPLICATE_KEY, earlier_rows
from waybill.imports.source import read_again, row_reader
from waybill.imports.start import start_next
from waybill.jobs.items import LedgerEntry
from waybill.jobs.leases import FINISH, WRITE_TIMEOUT_SECONDS, Pulse, lease_chunk
from waybill.jobs.model import Counts, Job, Status, finished, job_prefix

if TYPE_CHECKING:
    from waybill.jobs.services import Services

PIECE_BYTES = 1024 * 1024
WINNERS_PER_LOOK = 2_000
# Stamped on rows that are read again; those that are written get the time of that.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_MESSAGES = {
    "source-changed": "The file was overwritten or deleted while it was imported.",
    "rejected-rows": "Of {counts.total:,} rows {counts.rejected:,} are bad; all or nothing was asked for.",
    "internal-error": "A step of the import failed repeatedly; relaunch the rows that were not imported.",
}


class _SourceGone(Exception):
    """The file is no longer the one that was planned."""


def finish_import(
    services: Services,
    job_id: str,
    failure: str | None = None,
    remaining_seconds: Remaining = whole_invocation,
) -> Job | None:
    """End an import, as far as the time allows. Safe to run again at any point: it goes on where it stood.

    Args:
        failure: a job code when a step has failed for good; chunks that are not loaded are then listed row by row as
            not processed.
        remaining_seconds: until the invocation is ended from outside.

    Returns:
        The job as it stands, in progress when there is more to do; None when it is gone.
    """
    job = services.jobs.find(job_id)
    if job is None:
        return None
    if not job.is_terminal:
        plan = read_plan(services, job_id)
        if plan is None or job.counts.total is None:
            code = failure or "internal-error"
            return fail_import(services, job, [RowError.whole(None, code, _MESSAGES[code])])
        try:
            job = _finish_planned(services, job, plan, failure, remaining_seconds)
        except OutOfTime:
            return job
    for details in ("chunks/", "checks/", "finish/"):
        services.files.delete_prefix(services.settings.files_bucket, job_prefix(job_id) + details)
    start_next(services, job.entity_uid)
    return job


def _finish_planned(
    services: Services, job: Job, plan: ImportPlan, failure: str | None, remaining_seconds: Remaining
) -> Job:
    """
    Raises:
        OutOfTime: what is done is kept.
    """
    ledger = _complete_ledger(services, job, plan, remaining_seconds)
    attempt = new_token(services.ids)
    job = lease_chunk(services, job.job_id, FINISH, attempt)
    pulse = Pulse(services, job, FINISH, attempt)

    def tick() -> None:
        pulse.check()
        check_time(remaining_seconds)

    policy = Policy.of(job)
    search = None if policy.checks_first or not plan.key_partitions else _search(services, job, plan, ledger, tick)
    entries = [entry for chunk in plan.chunks for entry in ledger[chunk.number]]
    try:
        if search is not None:
            settle_repeated_keys(services, job, plan, search, pulse, tick)
        repeated = sum(1 for _ in search.losers()) if search else 0
        counts = Counts(
            total=job.counts.total,
            imported=sum(entry.imported for entry in entries) - repeated,
            rejected=sum(entry.rejected for entry in entries) + repeated,
            unprocessed=sum(entry.unprocessed for entry in entries),
        )
        has_rejects = bool(counts.rejected or counts.unprocessed)
        if has_rejects:
            _put_files_together(services, job, plan, entries, search.losers() if search else iter(()), tick)
    except OutOfTime:
        if search is not None:
            search.keep()
        raise
    failure = next((entry.failure for entry in entries if entry.failure), failure)  # a part knows the cause
    if policy.refuses_all:
        failure = "rejected-rows"
    ended = finished(
        job,
        Status.FAILED if failure else Status.COMPLETED,
        counts,
        services.clock.now(),
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


def _complete_ledger(
    services: Services, job: Job, plan: ImportPlan, remaining_seconds: Remaining
) -> dict[int, list[LedgerEntry]]:
    """The ledger; what no invocation came to is listed as not processed.

    Raises:
        OutOfTime: the ledger has what was listed.
    """
    ledger = services.jobs.ledger(job.job_id)
    for chunk in plan.chunks:
        parts = ledger.setdefault(chunk.number, [])
        if not parts or not parts[-1].is_last:
            check_time(remaining_seconds)
            attempt = new_token(services.ids)
            leased = lease_chunk(services, job.job_id, chunk.number, attempt)
            parts[:] = services.jobs.ledger(job.job_id, chunk.number).get(chunk.number, [])  # now nobody adds to it
            if not parts or not parts[-1].is_last:
                parts.append(load_leased_chunk(services, leased, plan, chunk, parts, attempt, skip=True))
    return ledger


def _search(
    services: Services,
    job: Job,
    plan: ImportPlan,
    ledger: Mapping[int, Sequence[LedgerEntry]],
    tick: Callable[[], None],
) -> Search:
    """The search for imported rows with equal keys. Of rows that were not written none competes."""
    bucket, reader = services.settings.files_bucket, row_reader(services, job, plan)

    def key_reader(entry: LedgerEntry) -> RangeReader:
        key = part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt) + "keys"

        def read(start: int, end: int) -> bytes:
            tick()
            return services.files.read(bucket, key, start, end)

        return read

    def read_rows(wanted: frozenset[int], first_chunk: int) -> Iterator[tuple[int, Found]]:
        try:
            again = read_again(services.files, plan, reader, wanted, first_chunk, _NO_TIME, tick)
            for chunk, row, block, at in again:
                yield chunk, Found(row, block.keys[at], None, block.texts[at].decode(), block.raw(row))
        except SourceChanged:
            raise _SourceGone from None

    reads = [key_reader(entry) for entry in chain.from_iterable(ledger.values()) if entry.imported]
    prefix = f"{job_prefix(job.job_id)}finish/keys/"
    return Search(services.files, bucket, prefix, reads, plan.key_partitions, read_rows)


def settle_repeated_keys(
    services: Services, job: Job, plan: ImportPlan, search: Search, pulse: Pulse, tick: Callable[[], None]
) -> None:
    """Make the last valid row of each key the one that stands in the table.

    Chunks run side by side and requests overtake each other, so that nothing is known of who wrote last: the winners of
    repeated keys are written again, after everything else.

    Raises:
        OutOfTime: the search can be kept.
    """
    reader = row_reader(services, job, plan)
    try:
        for groups in search.batches():
            winners = [rows[-1].text for rows in groups]
            with BatchWriter(
                services.new_dynamodb(WRITE_TIMEOUT_SECONDS),
                reader.table,
                connections=services.settings.write_connections,
                before_send=pulse.check,
            ) as writer:
                while search.written < len(winners):
                    tick()
                    some = winners[search.written : search.written + WINNERS_PER_LOOK]
                    writer.write(_stamped(some, reader, services.clock.now()))
                    writer.flush()
                    search.written += len(some)
            search.done(loser for rows in groups for loser in earlier_rows(rows))
            tick()
    except _SourceGone:
        pass  # What was written stays; without the source nobody can say more about repeated keys.


def _stamped(texts: Sequence[str], reader: RowReader, now: datetime) -> list[bytes]:
    """Requests with the time at which they are sent: what exports by time of writing go by."""
    old, new = reader.stamps(_NO_TIME), reader.stamps(now)
    changes = [(f"{quote(name)}:{old[name]}", f"{quote(name)}:{new[name]}") for name in old if old[name] != new[name]]
    for before, after in changes:
        texts = [text.replace(before, after, 1) for text in texts]
    return [text.encode() for text in texts]


def _put_files_together(
    services: Services,
    job: Job,
    plan: ImportPlan,
    entries: Sequence[LedgerEntry],
    losers: Iterator[Loser],
    tick: Callable[[], None],
) -> None:
    """Write rejects file, error log and summary from those of the parts.

    Raises:
        OutOfTime: what is written is kept, and where it ends.
    """
    files, bucket, form = services.files, services.settings.files_bucket, plan.rejects_format
    state_key = f"{job_prefix(job.job_id)}finish/files"
    outputs = {
        rejects_key(job.job_id): f"text/csv; charset={plan.encoding}",
        error_log_key(job.job_id): "text/csv; charset=utf-8",
    }
    summary, done = Summary(), 0
    try:
        state = json.loads(files.read(bucket, state_key))
    except SourceChanged:
        rejects, log = (files.writer(bucket, key, kind) for key, kind in outputs.items())
        if plan.bom:
            rejects.write("\ufeff".encode(plan.encoding))
        rejects.write(form.header(plan.header))
        log.write(ERROR_LOG_HEADER)
    else:
        done = state["entries"]
        summary.merge(state["summary"])
        rejects, log = (
            files.resume_writer(bucket, key, kind, paused)
            for (key, kind), paused in zip(outputs.items(), state["outputs"], strict=True)
        )
    rows_done = entries[done - 1].next_row if done else 0
    left = LoserQueue(loser for loser in losers if loser.row >= rows_done)
    try:
        for entry in entries[done:]:
            tick()
            _put_part(services, job, entry, left.before(entry.next_row), form, rejects, log, summary)
            done += 1
    except OutOfTime:
        state = {"entries": done, "summary": summary.groups(), "outputs": [rejects.pause(), log.pause()]}
        files.put(bucket, state_key, json.dumps(state).encode())
        raise
    files.delete(bucket, state_key)  # an upload that is complete cannot be taken up again
    rejects.close()
    log.close()
    files.put(bucket, summary_key(job.job_id), summary.to_json(), "application/json")


def _put_part(
    services: Services,
    job: Job,
    entry: LedgerEntry,
    losers: Sequence[Loser],
    form: RejectsFormat,
    rejects: Writer,
    log: Writer,
    summary: Summary,
) -> None:
    """Write what a part of a chunk rejected, its losers put in where they belong."""
    bucket, prefix = services.settings.files_bucket, part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt)
    index = ReportIndex.from_bytes(b"")
    content: dict[str, Iterator[bytes]] = {"rejects": iter(()), "errors": iter(())}
    if entry.rejected or entry.unprocessed:
        index = ReportIndex.from_bytes(services.files.read(bucket, prefix + "index"))
        summary.merge(json.loads(services.files.read(bucket, prefix + "summary")))
        content = {name: _pieces(services, bucket, prefix + name) for name in content}
    for loser in losers:
        summary.add(loser.error)
    lines = [(loser.row, form.line(loser.row, DUPLICATE_KEY, loser.error.message, loser.raw)) for loser in losers]
    for piece in insert_rows(content["rejects"], index.rows, index.rejects_at, lines):
        rejects.write(piece)
    lines = [(loser.row, error_log_line(loser.error)) for loser in losers]
    for piece in insert_rows(content["errors"], index.rows, index.errors_at, lines):
        log.write(piece)


def _pieces(services: Services, bucket: str, key: str) -> Iterator[bytes]:
    stream = services.files.open(bucket, key)
    return iter(lambda: stream.read(PIECE_BYTES), b"")
