"""Dropped files: of several events about one S3 key only a newer one may make an import, and the object belongs to it.

    DROP#{sha256 of the key} / LATEST   of the newest event that made a job: sequencer, jobId, modified;
                                        deletingSince? (epoch seconds) while that job's object is being deleted

The same bytes under the same key have the same ETag, so that only this record tells whose object it is.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html, `sequencer`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Key, Table
from waybill.clock import Clock

#: A deletion takes two requests; a mark that is older belongs to one that died.
MARK_SECONDS = 60


@dataclass(frozen=True)
class Drop:
    """One S3 event.

    Attributes:
        key: `{bucket}/{key}` of the object.
        sequencer: orders events of a key (hexadecimal, compared after padding on the left).
        job_id: the job that the event makes.
        modified: `FileInfo.modified` of the object.
    """

    key: str
    sequencer: str
    job_id: str
    modified: str
    refusal = "A newer version of this object is already registered."

    @property
    def order(self) -> str:
        return self.sequencer.rjust(64, "0")

    def action(self, table: Table, now: datetime) -> Action:
        """Notes the event; its condition is false when a newer one was noted, or while the object is being deleted."""
        pk, sk = _key(self.key)
        is_newer = Attr("pk").is_missing() | Attr("sequencer").at_most(self.order)
        died = int(now.timestamp()) - MARK_SECONDS
        is_left_alone = Attr("deletingSince").is_missing() | Attr("deletingSince").at_most(died)
        item = {"pk": pk, "sk": sk, "sequencer": self.order, "jobId": self.job_id, "modified": self.modified}
        return table.put_action(item, is_newer & is_left_alone)


class Drops:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def has_newer(self, drop: Drop) -> bool:
        """Whether a newer event of the key was noted."""
        item = self._table.get(_key(drop.key))
        return item is not None and item["sequencer"] > drop.order

    def begin_deletion(self, key: str, job_id: str) -> str | None:
        """Keep new events of the key waiting while the job's object is deleted, for MARK_SECONDS at most.

        Returns:
            The object's `modified`; None when the object is not the job's.
        """
        mark = Change(sets={"deletingSince": int(self._clock.now().timestamp())})
        try:
            return str(self._table.update(_key(key), mark, Attr("jobId").equals(job_id))["modified"])
        except ConditionFailed:
            return None

    def cancel_deletion(self, key: str, job_id: str) -> None:
        """Let new events in after a deletion that failed."""
        try:
            self._table.update(_key(key), Change(removes=["deletingSince"]), Attr("jobId").equals(job_id))
        except ConditionFailed:
            return

    def end_deletion(self, key: str, job_id: str) -> None:
        """Remove the record of a deleted object, unless it is a newer job's by now."""
        try:
            self._table.delete(_key(key), Attr("jobId").equals(job_id))
        except ConditionFailed:
            return


def _key(key: str) -> Key:
    return f"DROP#{hashlib.sha256(key.encode()).hexdigest()}", "LATEST"
