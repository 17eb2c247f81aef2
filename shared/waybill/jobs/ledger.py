"""The ledger: what each part of each chunk came to, written once, in one transaction with the job's totals.

    JOB#{jobId} / CHUNK#{chunk}#{part}   the members of `LedgerEntry`

Counts never grow by ADD alone: after a lost reply the retry would count twice. They change only in the transaction that
puts a ledger item which must not exist yet. With a chunk's last part that transaction also counts the chunk as loaded,
which decides whether a Stop comes in time (`JobRepository.request_stop`).

While an attempt works on a chunk, the job's record holds its lease (`leases.{chunk}`), which also carries the progress.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Item, Table
from waybill.clock import Clock
from waybill.errors import LeaseHeld, Superseded
from waybill.jobs.items import job_from_item
from waybill.jobs.model import ChunkLease, Job, Status
from waybill.jobs.repository import CONFLICT_ROUNDS, NEW, RUNNING, JobRepository, record_key
from waybill.timestamps import rfc3339


@dataclass(frozen=True)
class LedgerEntry:
    """What one part of a chunk came to, and which attempt's files hold the details.

    A chunk has one part, or several where an invocation ran out of time: each begins at the row and byte where the one
    before ended. `failure` is a job code where the source could not be read to the chunk's end. `cursor` is where the
    next part of an export's chunk begins. `repeated` and `lost` are as in `Counts`.
    """

    chunk: int
    part: int
    attempt: str
    imported: int
    rejected: int
    unprocessed: int
    errors: int
    next_row: int
    next_byte: int
    is_last: bool
    failure: str | None = None
    cursor: str | None = None
    repeated: int = 0
    lost: int = 0

    @property
    def rows(self) -> int:
        return self.imported + self.rejected + self.unprocessed

    @property
    def left(self) -> int:
        """Rows that are listed as stopped."""
        return self.unprocessed - self.lost


class Ledger:
    """
    Args:
        heartbeats: the same table, through a client whose requests end sooner.
    """

    def __init__(self, table: Table, heartbeats: Table, jobs: JobRepository, clock: Clock) -> None:
        self._table = table
        self._heartbeats = heartbeats
        self._jobs = jobs
        self._clock = clock

    def entries(self, job_id: str, chunk: int | None = None) -> dict[int, list[LedgerEntry]]:
        """The finished parts of every chunk (or of one) by chunk number, in order."""
        entries: dict[int, list[LedgerEntry]] = {}
        prefix = "CHUNK#" if chunk is None else f"CHUNK#{chunk:06d}#"
        for items in self._table.pages(f"JOB#{job_id}", prefix=prefix):
            for entry in map(_from_item, items):
                entries.setdefault(entry.chunk, []).append(entry)
        return entries

    def lease(self, job_id: str, chunk: int, attempt: str, seconds: float) -> Job:
        """Give a chunk to an attempt for a while; each heartbeat prolongs it. Progress so far is kept, so that the
        job's `processed` does not fall while the chunk is read again.

        Raises:
            LeaseHeld: another attempt has it, and its lease is not over.
            Superseded: the job is no longer in progress.
        """
        job = self._jobs.get(job_id)
        old = job.leases.get(chunk)
        now = self._clock.now().timestamp()
        if old is not None and old.attempt != attempt and old.until > now * 1000:
            raise LeaseHeld(old.until / 1000 - now)
        until = int((now + seconds) * 1000)
        if old is None:
            lease = ChunkLease(attempt, until=until)
        else:
            lease = replace(old, attempt=attempt, until=until, attempts=old.attempts + 1)
        path = f"leases.{chunk}"
        is_unchanged = Attr(path).is_missing() if old is None else Attr(path).equals(dataclasses.asdict(old))
        try:
            return self._set_lease(self._table, job_id, chunk, lease, RUNNING & is_unchanged)
        except ConditionFailed:
            if self._jobs.get(job_id).status is Status.IN_PROGRESS:
                raise LeaseHeld(1.0) from None
            raise Superseded(f"job {job_id} is no longer in progress") from None

    def release(self, job_id: str, chunk: int, attempt: str) -> None:
        """End an attempt's lease, so that the next one need not wait it out; none if another attempt has it."""
        with suppress(ConditionFailed):
            self._table.update(record_key(job_id), Change(removes=[f"leases.{chunk}"]), owns(chunk, attempt))

    def heartbeat(self, job_id: str, chunk: int, lease: ChunkLease) -> Job:
        """Report a chunk's progress and learn whether to go on: the answer shows `stop_reason`.

        Raises:
            Superseded: another attempt owns the chunk, or the job has ended.
        """
        try:
            return self._set_lease(self._heartbeats, job_id, chunk, lease, owns(chunk, lease.attempt))
        except ConditionFailed:
            raise _superseded(job_id, chunk) from None

    def commit(self, job_id: str, entry: LedgerEntry, lease: ChunkLease | None = None) -> LedgerEntry:
        """Put a part's ledger item and add it to the totals, both or neither, once; with that the lease ends.

        `unprocessed` rows stay in the ledger only: the job shows them when it has ended.

        Args:
            lease: the attempt's progress. Where an attempt before it may have come further than this part does, that
                stays with the chunk (not leased to anybody): the job's `processed` does not fall, and the next attempt
                knows that rows may be written. An export that reads a table again may find fewer rows there.

        Returns:
            The entry that counts: this one, or the one that an earlier call wrote.

        Raises:
            Superseded: another attempt owns the chunk, or the job has ended.
        """
        path = f"leases.{entry.chunk}"
        ahead = _left_by_others(entry, lease)
        totals = Change(
            sets={} if ahead is None else {path: dataclasses.asdict(ahead)},
            adds={
                "imported": entry.imported,
                "rejected": entry.rejected,
                "repeated": entry.repeated,
                "chunksLoaded": int(entry.is_last),
            },
            removes=[path] if ahead is None else [],
        )
        actions = [
            self._table.put_action(_item(job_id, entry), NEW),
            self._table.update_action(record_key(job_id), totals, owns(entry.chunk, entry.attempt)),
        ]
        # The same token for the same attempt: a lost reply and a retry are one transaction.
        token = hashlib.sha256(f"{job_id}/{entry.chunk}/{entry.part}/{entry.attempt}".encode()).hexdigest()[:36]
        try:
            self._table.transact(actions, token, CONFLICT_ROUNDS)
        except TransactionCanceled as error:
            parts = self.entries(job_id, entry.chunk).get(entry.chunk, [])
            if len(parts) <= entry.part:
                if error.retryable:
                    raise
                raise _superseded(job_id, entry.chunk) from None
            return parts[entry.part]
        return entry

    def _set_lease(self, table: Table, job_id: str, chunk: int, lease: ChunkLease, where: Condition) -> Job:
        sets = {f"leases.{chunk}": dataclasses.asdict(lease), "heartbeatAt": rfc3339(self._clock.now())}
        return job_from_item(table.update(record_key(job_id), Change(sets=sets), where))


def owns(chunk: int, attempt: str) -> Condition:
    """The job is in progress, and no other attempt has taken the chunk over."""
    return RUNNING & Attr(f"leases.{chunk}.attempt").equals(attempt)


def _superseded(job_id: str, chunk: int) -> Superseded:
    return Superseded(f"chunk {chunk} of job {job_id} belongs to another attempt")


def _left_by_others(entry: LedgerEntry, lease: ChunkLease | None) -> ChunkLease | None:
    """What earlier attempts have done beyond this part; None when that is nothing."""
    if lease is None:
        return None
    processed = lease.processed - entry.imported - entry.rejected
    if entry.is_last:  # its rows have become fewer; nobody's lease keeps `processed` where it was
        return ChunkLease("", processed) if processed > 0 else None
    if processed <= 0:
        return None if lease.attempts == 1 else ChunkLease(entry.attempt, attempts=lease.attempts)
    return ChunkLease(
        entry.attempt,
        processed,
        max(0, lease.imported - entry.imported),
        max(0, lease.rejected - entry.rejected),
        row=lease.row,
        repeated=max(0, lease.repeated - entry.repeated),
        attempts=lease.attempts,
    )


def _item(job_id: str, entry: LedgerEntry) -> Item:
    sort_key = f"CHUNK#{entry.chunk:06d}#{entry.part:04d}"
    return {"pk": f"JOB#{job_id}", "sk": sort_key, **dataclasses.asdict(entry)}


def _from_item(item: Mapping[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        **{field.name: item[field.name] for field in dataclasses.fields(LedgerEntry) if field.name in item}
    )
