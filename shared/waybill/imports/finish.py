"""The finish step: write the winners of repeated keys again, join the result files, end the job.

Of the valid rows of a key the last imported one wins (`write_winners`). What is left for a relaunch comes after it, so
that the table is that of the whole file once everything is relaunched. No row counts as imported of which it is not
known whether it stands.

Everything here is derived from the plan and the ledger, so that a finish that died can run again. One that runs out of
time saves its state under `jobs/{id}/finish/`, and the next invocation goes on from there. The terminal status is
written last: it means that the files exist.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter
from waybill.aws.files import NotDeleted, SourceChanged
from waybill.entities.row_results import DUPLICATE_KEY, SOURCE_CHANGED, RowError
from waybill.errors import FileUnreadable, counted
from waybill.ids import new_token
from waybill.imports.abandon import abandon_import
from waybill.imports.chunk_loader import load_leased_chunk
from waybill.imports.chunks import read_rows_again, reader_of
from waybill.imports.deadline import OutOfTime, Remaining, check_time, whole_invocation
from waybill.imports.digests import RangeReader
from waybill.imports.duplicates import DuplicateSearch, Found, Loser, earlier_rows
from waybill.imports.job_files import part_prefix
from waybill.imports.job_source import FIELDS_CLEARED
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.imports.policy import Policy, quality_warning
from waybill.imports.register import start_next
from waybill.imports.rejects import RejectsIndex
from waybill.imports.result_files import join_result_files
from waybill.imports.row_reader import RowReader
from waybill.jobs.giving_up import INTERNAL_ERROR, failure_code, failure_reason
from waybill.jobs.leases import FINISH, WRITE_TIMEOUT_SECONDS, Heartbeat, lease_chunk
from waybill.jobs.ledger import LedgerEntry, owns
from waybill.jobs.model import Counts, Job, Outcome, Status, finished, job_prefix

if TYPE_CHECKING:
    from waybill.jobs.services import Services

WINNERS_PER_CHECK = 2_000
#: The folders of a job's files that nobody needs once it has ended.
_DETAILS = ("chunks/", "checks/", "finish/")
# Stamped on rows of a target table that are read again; the time of writing replaces it in those that are written.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_MESSAGES = {
    SOURCE_CHANGED: "The file was overwritten or deleted while it was imported.",
    "source-error": "The file could not be read any more while it was imported; the rejects file lists the rows that "
    "were not imported, and the error log says why.",
    "rejected-rows": "{counts.rejected:,} of {rows} bad, and all-or-nothing then imports none.",
    "too-large": "The rows of the file name more than a million records of their own entity that are not in the table. "
    "Import the file in parts, the records that are named first.",
    "internal-error": "A step of the import failed repeatedly; the rejects file lists the rows that were not imported.",
    "timed-out": "A step of the import failed for more than an hour; the rejects file lists the rows that were not "
    "imported.",
}


class _SourceGone(Exception):
    """The file is no longer the one that was planned, or the job is given up because it cannot be read."""


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
        if job.counts.total is None:
            return abandon_import(services, job_id, failure or INTERNAL_ERROR, remaining_seconds)
        if plan is None:  # it was deleted; no outage explains that
            return abandon_import(services, job_id, remaining_seconds=remaining_seconds)
        try:
            job = _finish_planned(services, job, plan, failure, remaining_seconds)
        except OutOfTime:
            return job
    if job.chunks != 1:  # of one chunk they are small, and S3 bills the listing
        with suppress(NotDeleted):  # retention deletes all files of the job
            services.files.delete_prefix(services.settings.files_bucket, job_prefix(job_id), _DETAILS)
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
    entries = [entry for chunk in plan.chunks for entry in ledger[chunk.number]]
    left = _RowsLeft(services, job, entries)
    search = None
    if plan.key_partitions and not policy.needs_precheck:
        losses = (SourceChanged, FileUnreadable) if failure else (SourceChanged,)
        reader = reader_of(services, job, plan)
        search = _search(services, job, plan, reader, entries, left, tick, losses)
    try:
        if search is not None:
            write_winners(services, plan, reader, search, left, heartbeat, tick)
        counts, lost_late = _counts(job, entries, search.losers() if search else ())
        has_rejects = bool(counts.rejected or counts.unprocessed)
        if has_rejects:
            join_result_files(services, job, plan, entries, search.losers() if search else iter(()), tick)
    except OutOfTime:
        if search is not None:
            search.keep()
        raise
    failure = next((entry.failure for entry in entries if entry.failure), failure)  # a part knows the cause
    if lost_late and failure != "source-error":
        failure = SOURCE_CHANGED
    if policy.refuses_all and job.stop_reason != "USER":  # an accepted Stop is kept; either way no row is imported
        failure = "rejected-rows"
    warnings = [each for each in job.warnings if counts.imported or each["code"] != FIELDS_CLEARED]
    warnings += [warning] if (warning := quality_warning(job, counts)) else []
    rows = f"{counted(counts.total or 0)} {'is' if counts.total == 1 else 'are'}"
    ended = finished(
        job,
        Status.FAILED if failure else Status.COMPLETED,
        counts,
        services.clock.now(),
        services.jobs.retention,
        error_code=failure,
        error_message=_MESSAGES[failure].format(counts=counts, rows=rows) + failure_reason(job) if failure else None,
        has_rejects=has_rejects,
        has_error_log=has_rejects,
        warnings=warnings,
        can_undo=policy.keeps_previous and bool(job.options.get("deduplicated")) and counts.imported > 0,
    )
    heartbeat.check()  # what is remembered is no other attempt's
    if ended.outcome is Outcome.SUCCESS and not job.dry_run and job.undo_of is None:
        services.duplicates.remember(job, plan.sha256)
    also = ("can_undo", "warnings") if warnings != job.warnings else ("can_undo",)
    return services.jobs.finish(ended, Status.IN_PROGRESS, owns(FINISH, attempt), also=also)


def _counts(job: Job, entries: Sequence[LedgerEntry], losers: Iterable[Loser]) -> tuple[Counts, int]:
    """(the job's rows by fate, how many of the losers are lost: `_unsettled`)."""
    found = Counter((loser.error.type, loser.is_left) for loser in losers)
    lost = found[SOURCE_CHANGED, False] + found[SOURCE_CHANGED, True]
    left = found[DUPLICATE_KEY, True] + found[SOURCE_CHANGED, True]

    def total(name: str) -> int:
        return sum(getattr(entry, name) for entry in entries)

    counts = Counts(
        total=job.counts.total,
        imported=total("imported") - found.total() + left,
        rejected=total("rejected") + found.total(),
        unprocessed=total("unprocessed") - left,
        repeated=total("repeated") + found.total() - lost,
        lost=total("lost") + lost,
    )
    return counts, lost


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
    reader: RowReader,
    entries: Sequence[LedgerEntry],
    left: _RowsLeft,
    tick: Callable[[], None],
    losses: tuple[type[Exception], ...],
) -> DuplicateSearch:
    """The search for valid rows with equal keys, imported or left over.

    Args:
        losses: what ends the reading of the file for good.
    """
    bucket, form = services.settings.files_bucket, plan.rejects_format

    def key_reader(entry: LedgerEntry, name: str) -> RangeReader:
        key = part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt) + name

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
                yield chunk, Found(row, form.row_number(row, raw), block.keys[at], *place, text, raw, left.has(row))
        except losses:
            raise _SourceGone from None

    reads = [key_reader(entry, "keys") for entry in entries if entry.imported]
    if reads:  # only imported rows replace others
        reads += [key_reader(entry, "left-keys") for entry in entries if entry.left]
    prefix = f"{job_prefix(job.job_id)}finish/keys/"
    return DuplicateSearch(services.files, bucket, prefix, reads, plan.key_partitions, read_rows)


def write_winners(
    services: Services,
    plan: ImportPlan,
    reader: RowReader,
    search: DuplicateSearch,
    left: _RowsLeft,
    heartbeat: Heartbeat,
    tick: Callable[[], None],
) -> None:
    """Write the last of several imported rows of a key again; the earlier ones lose, also those that are left over.

    Chunks are loaded side by side and requests overtake each other, so nobody knows which row of a key came last.
    Written after everything else, the winners are what the table holds. A row that is left over before its winner is
    rejected, because a relaunch would write it over the winner; one after it is left for the relaunch.

    When the file is gone, the winners that are not written yet cannot be, and nobody can tell which of their rows the
    table holds: `_unsettled`.

    Args:
        left: the rows that are listed as stopped.

    Raises:
        OutOfTime: the search can be saved.
    """
    try:
        for batch in search.batches():
            groups = [rows for rows in map(_up_to_winner, batch) if len(rows) > 1]
            # A single imported row stands.
            winners = [rows[-1].text for rows in groups if sum(not found.is_left for found in rows) > 1]
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
        for unread in search.unread():
            left_over = {row for row in sorted(chain.from_iterable(unread)) if left.has(row)}
            search.done(loser for rows in unread for loser in _unsettled(rows, left_over, plan))
            tick()


def _up_to_winner(rows: list[Found]) -> list[Found]:
    """The rows of one key up to the last that was imported."""
    last = max((at for at, found in enumerate(rows) if not found.is_left), default=-1)
    return rows[: last + 1]


def _unsettled(rows: Sequence[int], left: Container[int], plan: ImportPlan) -> Iterator[Loser]:
    """The losers among rows with equal digests, when the file is gone: all of which nobody can tell whether they stand.

    Of several imported rows the table holds one, if their keys are equal, and whether they are is in the file only. So
    none of them counts as imported. A single one stands. Rows that are left over before an imported one may be older
    rows of its key, and are not for a relaunch.
    """
    imported = [row for row in rows if row not in left]
    if not imported:
        return
    winner, only = imported[-1], len(imported) == 1
    for row in rows:
        if row > winner or (row == winner and only):
            return
        other = winner if row != winner else imported[-2]
        message = (
            f"The file was overwritten or deleted before this row and row {other} were compared. They seem to have the "
            f"same key, of which the table holds one row.{plan.rejects_format.lost_note}"
        )
        yield Loser(RowError.whole(row, SOURCE_CHANGED, message), plan.empty_row, row in left)


class _RowsLeft:
    """The rows that the parts of a job list as stopped. Quick for rows that are asked for in ascending order.

    Only for valid rows: of a job whose repeated keys were not found before the load, a part has no other valid rows in
    its rejects.
    """

    def __init__(self, services: Services, job: Job, entries: Sequence[LedgerEntry]) -> None:
        self._services, self._job, self._entries = services, job, entries
        self._ends = [entry.next_row for entry in entries]
        self._part, self._listed = -1, RejectsIndex.from_bytes(b"").rows

    def has(self, row: int) -> bool:
        part = bisect_right(self._ends, row)
        if not self._entries[part].left:
            return False
        if part != self._part:
            entry = self._entries[part]
            key = part_prefix(self._job.job_id, entry.chunk, entry.part, entry.attempt) + "index"
            data = self._services.files.read(self._services.settings.files_bucket, key)
            self._part, self._listed = part, RejectsIndex.from_bytes(data).rows
        at = bisect_left(self._listed, row)
        return at < len(self._listed) and self._listed[at] == row


def _stamped(texts: Sequence[str], reader: RowReader, now: datetime) -> list[bytes]:
    """The requests with the time at which they are sent, where the table is a target."""
    old, new = reader.stamps(_NO_TIME), reader.stamps(now)
    changes = [(f"{quote(name)}:{old[name]}", f"{quote(name)}:{new[name]}") for name in old if old[name] != new[name]]
    for before, after in changes:
        texts = [text.replace(before, after, 1) for text in texts]
    return [text.encode() for text in texts]
