"""The finish step: write the winners of repeated keys again, join the result files, end the job.

Everything here is derived from the plan and the ledger, so that a finish that died can run again. One that runs out of
time saves its state under `jobs/{id}/finish/`, and the next invocation goes on from there. The terminal status is
written last: it means that the files exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter
from waybill.aws.files import NotDeleted, SourceChanged
from waybill.entities.row_results import RowError
from waybill.ids import new_token
from waybill.imports.chunk_loader import load_leased_chunk
from waybill.imports.chunks import read_rows_again, reader_of
from waybill.imports.deadline import OutOfTime, Remaining, check_time, whole_invocation
from waybill.imports.digests import RangeReader
from waybill.imports.duplicates import DuplicateSearch, Found, earlier_rows
from waybill.imports.job_files import part_prefix
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.imports.policy import Policy
from waybill.imports.register import fail_import, start_next
from waybill.imports.result_files import join_result_files
from waybill.imports.row_reader import RowReader
from waybill.jobs.giving_up import failure_code
from waybill.jobs.leases import FINISH, WRITE_TIMEOUT_SECONDS, Heartbeat, lease_chunk
from waybill.jobs.ledger import LedgerEntry, owns
from waybill.jobs.model import Counts, Job, Outcome, Status, finished, job_prefix

if TYPE_CHECKING:
    from waybill.jobs.services import Services

WINNERS_PER_CHECK = 2_000
# Stamped on rows that are read again; the time of writing replaces it in those that are written.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_MESSAGES = {
    "source-changed": "The file was overwritten or deleted while it was imported.",
    "rejected-rows": "{counts.rejected:,} of {counts.total:,} rows are bad, and all-or-nothing then imports none.",
    "internal-error": "A step of the import failed repeatedly; the rejects file lists the rows that were not imported.",
    "timed-out": "A step of the import failed for more than an hour; the rejects file lists the rows that were not "
    "imported.",
}
_UNPLANNED = {
    "internal-error": "Waybill failed repeatedly to read the file. Nothing was imported; relaunch the import. If it "
    "fails again, give the job's id to your administrator.",
    "timed-out": "Waybill could not read the file for more than an hour. Nothing was imported; relaunch the import.",
}


class _SourceGone(Exception):
    """The file is no longer the one that was planned."""


def finish_import(
    services: Services,
    job_id: str,
    failure: str | None = None,
    remaining_seconds: Remaining = whole_invocation,
) -> Job | None:
    """End an import, as far as the time allows. Safe to run again at any point: it continues where it stopped.

    Args:
        failure: a job code when a step has failed for good, unless the job has noted one (`jobs.giving_up`); the rows
            of chunks that are not loaded are then listed as not processed.
        remaining_seconds: until the invocation is ended from outside.

    Returns:
        The job, still in progress when there is more to do; None when it is gone.
    """
    job = services.jobs.find(job_id)
    if job is None:
        return None
    if not job.is_terminal:
        failure = failure and failure_code(job, failure)
        plan = read_plan(services, job_id)
        if plan is None or job.counts.total is None:
            code = failure or "internal-error"
            return fail_import(services, job, [RowError.whole(None, code, _UNPLANNED[code])])
        try:
            job = _finish_planned(services, job, plan, failure, remaining_seconds)
        except OutOfTime:
            return job
    for details in ("chunks/", "checks/", "finish/"):
        with suppress(NotDeleted):  # retention deletes all files of the job
            services.files.delete_prefix(services.settings.files_bucket, job_prefix(job_id) + details)
    start_next(services, job.entity_uid)
    return job


def _finish_planned(
    services: Services, job: Job, plan: ImportPlan, failure: str | None, remaining_seconds: Remaining
) -> Job:
    """
    Raises:
        OutOfTime: what is done is saved.
    """
    ledger = _complete_ledger(services, job, plan, remaining_seconds)
    attempt = new_token(services.ids)
    job = lease_chunk(services, job.job_id, FINISH, attempt)
    heartbeat = Heartbeat(services, job, FINISH, attempt)

    def tick() -> None:
        heartbeat.check()
        check_time(remaining_seconds)

    policy = Policy.of(job)
    search = None if policy.needs_precheck or not plan.key_partitions else _search(services, job, plan, ledger, tick)
    entries = [entry for chunk in plan.chunks for entry in ledger[chunk.number]]
    try:
        if search is not None and not write_winners(services, job, plan, search, heartbeat, tick):
            failure = "source-changed"
        repeated = sum(1 for _ in search.losers()) if search else 0
        counts = Counts(
            total=job.counts.total,
            imported=sum(entry.imported for entry in entries) - repeated,
            rejected=sum(entry.rejected for entry in entries) + repeated,
            unprocessed=sum(entry.unprocessed for entry in entries),
            repeated=sum(entry.repeated for entry in entries) + repeated,
            lost=sum(entry.lost for entry in entries),
        )
        has_rejects = bool(counts.rejected or counts.unprocessed)
        if has_rejects:
            join_result_files(services, job, plan, entries, search.losers() if search else iter(()), tick)
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
    heartbeat.send()
    if ended.outcome is Outcome.SUCCESS and not job.dry_run:
        services.duplicates.remember(job, plan.sha256)
    return services.jobs.finish(ended, Status.IN_PROGRESS, owns(FINISH, attempt))


def _complete_ledger(
    services: Services, job: Job, plan: ImportPlan, remaining_seconds: Remaining
) -> dict[int, list[LedgerEntry]]:
    """The ledger of all chunks. Rows that no invocation came to are listed as not processed first.

    Raises:
        OutOfTime: the ledger has what was listed so far.
    """
    ledger = services.ledger.entries(job.job_id)
    for chunk in plan.chunks:
        parts = ledger.setdefault(chunk.number, [])
        while not parts or not parts[-1].is_last:
            check_time(remaining_seconds)
            attempt = new_token(services.ids)
            leased = lease_chunk(services, job.job_id, chunk.number, attempt)
            # Again: under the lease, nobody else adds to it.
            parts[:] = services.ledger.entries(job.job_id, chunk.number).get(chunk.number, [])
            if not parts or not parts[-1].is_last:
                part = load_leased_chunk(services, leased, plan, chunk, parts, attempt, remaining_seconds, skip=True)
                parts.append(part)
    return ledger


def _search(
    services: Services,
    job: Job,
    plan: ImportPlan,
    ledger: Mapping[int, Sequence[LedgerEntry]],
    tick: Callable[[], None],
) -> DuplicateSearch:
    """The search for imported rows with equal keys. Rows that were not written do not take part."""
    bucket, reader, form = services.settings.files_bucket, reader_of(services, job, plan), plan.rejects_format

    def key_reader(entry: LedgerEntry) -> RangeReader:
        key = part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt) + "keys"

        def read(start: int, end: int) -> bytes:
            tick()
            return services.files.read(bucket, key, start, end)

        return read

    def read_rows(wanted: frozenset[int], first_chunk: int) -> Iterator[tuple[int, Found]]:
        try:
            again = read_rows_again(services.files, plan, reader, wanted, first_chunk, _NO_TIME, tick)
            for chunk, row, block, at in again:
                raw = block.raw(row)
                place, text = reader.key_place(raw), block.texts[at].decode()
                yield chunk, Found(row, form.row_number(row, raw), block.keys[at], *place, text, raw)
        except SourceChanged:
            raise _SourceGone from None

    reads = [key_reader(entry) for entry in chain.from_iterable(ledger.values()) if entry.imported]
    prefix = f"{job_prefix(job.job_id)}finish/keys/"
    return DuplicateSearch(services.files, bucket, prefix, reads, plan.key_partitions, read_rows)


def write_winners(
    services: Services,
    job: Job,
    plan: ImportPlan,
    search: DuplicateSearch,
    heartbeat: Heartbeat,
    tick: Callable[[], None],
) -> bool:
    """Write the last valid row of each repeated key again.

    Chunks are loaded side by side and requests overtake each other, so nobody knows which row of a key came last.
    Written after everything else, the winners are what the table holds.

    Returns:
        False when the source is gone: then any of the rows of a repeated key may stand, and each of them counts as
        imported.

    Raises:
        OutOfTime: the search can be saved.
    """
    reader = reader_of(services, job, plan)
    try:
        for groups in search.batches():
            winners = [rows[-1].text for rows in groups]
            with BatchWriter(
                services.new_dynamodb(WRITE_TIMEOUT_SECONDS),
                reader.table,
                connections=services.settings.write_connections,
                before_send=heartbeat.check,
            ) as writer:
                while search.written < len(winners):
                    tick()
                    some = winners[search.written : search.written + WINNERS_PER_CHECK]
                    writer.write(_stamped(some, reader, services.clock.now()))
                    writer.flush()
                    search.written += len(some)
            search.done(loser for rows in groups for loser in earlier_rows(rows))
            tick()
    except _SourceGone:
        return False
    return True


def _stamped(texts: Sequence[str], reader: RowReader, now: datetime) -> list[bytes]:
    """The requests with the time at which they are sent, by which incremental exports find records."""
    old, new = reader.stamps(_NO_TIME), reader.stamps(now)
    changes = [(f"{quote(name)}:{old[name]}", f"{quote(name)}:{new[name]}") for name in old if old[name] != new[name]]
    for before, after in changes:
        texts = [text.replace(before, after, 1) for text in texts]
    return [text.encode() for text in texts]
