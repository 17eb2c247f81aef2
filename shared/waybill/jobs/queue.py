"""The imports of one entity, in order; one at a time runs, and stands at the head until it has ended.

    QUEUE#{uid} / {submittedAt}#{jobId}
    ORDER#{uid} / LATEST                  submittedAt of the newest, expiresAt

Nobody joins before somebody who is there: the transaction that registers an import requires that its `submittedAt` is
later than the newest one, however slow its caller and however late its clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Item, Key, Table
from waybill.jobs.model import Job
from waybill.timestamps import parse_rfc3339, rfc3339

#: A clock that is late by more than that is not expected.
ORDER_KEPT = timedelta(days=7)


class ImportQueue:
    """
    Args:
        find_job: the job with this id, or None.
    """

    def __init__(self, table: Table, find_job: Callable[[str], Job | None]) -> None:
        self._table = table
        self._find_job = find_job

    def head(self, entity_uid: str) -> Job | None:
        """The oldest import of an entity that has not ended, or None; removes the entries of those that have. Two
        requests, and three for each entry removed."""
        partition = queue_partition(entity_uid)
        while items := self._table.query(partition, limit=1).items:
            job = self._find_job(queued_id(items[0]))
            if job is not None and not job.is_terminal:
                return job
            self._table.delete((partition, items[0]["sk"]))
        return None

    def positions(self, entity_uid: str) -> dict[str, int]:
        """Job id → position among an entity's waiting imports, 1 for the next; the first megabyte of them."""
        items = self._table.query(queue_partition(entity_uid), keys_only=True, consistent=False).items
        return {queued_id(item): max(1, index) for index, item in enumerate(items)}  # the head is running


def queue_key(job: Job) -> Key:
    """The key of an import's entry, which has no other attributes."""
    return queue_partition(job.entity_uid), f"{rfc3339(job.submitted_at)}#{job.job_id}"


def order_action(table: Table, job: Job) -> Action:
    """Notes a job that joins as the newest; the condition is false when a newer one is there."""
    pk, sk = _order_key(job.entity_uid)
    submitted_at = rfc3339(job.submitted_at)
    expires = int((job.submitted_at + ORDER_KEPT).timestamp())
    item = {"pk": pk, "sk": sk, "submittedAt": submitted_at, "expiresAt": expires}
    return table.put_action(item, Attr("pk").is_missing() | Attr("submittedAt").is_below(submitted_at))


def after_newest(table: Table, entity_uid: str, now: datetime) -> datetime:
    """The time at which a job may join: now, or later when the newest one is from a clock that is ahead."""
    item = table.get(_order_key(entity_uid))
    return now if item is None else max(now, parse_rfc3339(item["submittedAt"]) + timedelta(milliseconds=1))


def _order_key(entity_uid: str) -> Key:
    return f"ORDER#{entity_uid}", "LATEST"


def queue_partition(entity_uid: str) -> str:
    """The partition key of the entries of an entity's imports."""
    return f"QUEUE#{entity_uid}"


def queued_id(item: Item) -> str:
    """The id of the import that has an entry."""
    return str(item["sk"]).partition("#")[2]
