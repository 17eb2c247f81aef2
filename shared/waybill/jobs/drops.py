"""Dropped files: each drop makes one job, whether its event comes once, twice, late or never, and the newest owns the
object.

    DROP#{sha256 of the key} / LATEST        of the newest drop that made a job: sequencer, etag, modified, jobId;
                                             deletingSince? (epoch seconds) while the object is being deleted; once it
                                             is deleted expiresAt, and no jobId
    DROP#{sha256 of the key} / SWEPT#{etag}  of the last drop with these bytes that the sweep found: jobId, modified,
                                             expiresAt
    DROP#{sha256 of the key} / GONE#{jobId}  of a drop whose job is deleted, because `LATEST` is a newer one's or may
                                             become so: expiresAt

The same bytes under the same key have the same ETag, so that only `LATEST` tells whose object it is. A relaunch that
imports the object again takes it over (`Handover`).

A drop is known by its event's sequencer. An object whose event was lost has none in a listing; the sweep knows it by
ETag and time of storing (`modified`), and `LATEST` keeps the sequencer of the drop before. Should the event come after
all, `SWEPT` tells its job: an event with this ETag is that of the swept drop, unless the object that is there now was
stored later and the event is not older than that.

Records outlive the object by EVENT_SECONDS: so long may an event be repeated.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html, `sequencer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Action, Item, Key, Table
from waybill.clock import Clock
from waybill.jobs.origins import Origin

#: A deletion takes two requests; a mark that is older belongs to one that died.
MARK_SECONDS = 60
#: EventBridge delivers an event for 24 hours, and Lambda retries it for 6.
EVENT_SECONDS = 30 * 3_600

NEW = Attr("pk").is_missing()


@dataclass(frozen=True)
class Drop:
    """A dropped object as its event tells of it.

    Attributes:
        key: `{bucket}/{key}` of the object.
        etag: without quotes.
        job_id: the job that the drop makes.
        sequencer: orders events of a key (hexadecimal, compared after padding on the left).
        modified: `FileInfo.modified` of the object that is there.
        is_current: whether the event is not older than that object.
    """

    key: str
    etag: str
    job_id: str
    sequencer: str
    modified: str = ""
    is_current: bool = False
    refusal = "This object, or a newer version of it, is already registered."

    @property
    def order(self) -> str:
        return self.sequencer.rjust(64, "0")

    def actions(self, table: Table, now: datetime) -> list[Action]:
        """Notes the event. A condition is false when its drop or a newer one was noted, and while the object is being
        deleted."""
        item = _latest(self, self.order)
        is_newer = NEW | Attr("sequencer").is_below(self.order)
        is_not_swept = NEW | ~Attr("modified").equals(self.modified) if self.is_current else NEW
        return [
            table.put_action(item, is_newer & _is_left_alone(now)),
            table.check_action(_swept_key(self.key, self.etag), is_not_swept),
        ]


@dataclass(frozen=True)
class SweptDrop:
    """A dropped object that the sweep has found, because its event was lost or is late.

    Attributes:
        key, etag, job_id, modified: as `Drop` has them.
        before: `LATEST` of the key as it was read.
    """

    key: str
    etag: str
    job_id: str
    modified: str
    before: Item | None
    refusal = "This object was registered or deleted meanwhile."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        """Notes the drop; the condition is false when another one was noted since, and while the object is deleted."""
        is_unchanged, order = NEW, ""
        if self.before is not None:
            order = str(self.before["sequencer"])
            is_unchanged = Attr("sequencer").equals(order) & Attr("modified").equals(self.before["modified"])
            is_unchanged &= Attr("etag").equals(self.before["etag"])
        pk, sk = _swept_key(self.key, self.etag)
        expires = int(now.timestamp()) + EVENT_SECONDS
        return [
            table.put_action(_latest(self, order), is_unchanged & _is_left_alone(now)),
            table.put_action(
                {"pk": pk, "sk": sk, "jobId": self.job_id, "modified": self.modified, "expiresAt": expires}
            ),
        ]


@dataclass(frozen=True)
class Handover:
    """The object of an import passes to the job that imports it again, and expires with that job.

    Attributes:
        parent: what else the new job is made of.
        key: `{bucket}/{key}` of the object.
        owner: the job whose object it is.
        job_id: the job that takes it over.
    """

    parent: Origin
    key: str
    owner: str
    job_id: str
    refusal = "The file of this job was sent again or is being deleted, or another request was first. Try again."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        """Change the owner; the condition is false for another owner, and while the object is being deleted."""
        is_owned = Attr("jobId").equals(self.owner) & _is_left_alone(now)
        change = Change(sets={"jobId": self.job_id})
        return [*self.parent.actions(table, now), table.update_action(_key(self.key), change, is_owned)]


class Drops:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def latest(self, keys: Sequence[str]) -> dict[str, Item]:
        """`LATEST` of those of the keys that have one; a request for a hundred of them."""
        names = {_key(key)[0]: key for key in keys}
        return {names[item["pk"]]: item for item in self._table.get_many([_key(key) for key in keys])}

    def find_job(self, drop: Drop) -> str | None:
        """The id of the job that was made of an event's drop, also when it was deleted; None when there was none."""
        latest = self._table.get(_key(drop.key))
        if latest is not None and latest["sequencer"] == drop.order:
            return drop.job_id
        swept = self._table.get(_swept_key(drop.key, drop.etag))
        if swept is not None and (not drop.is_current or swept["modified"] == drop.modified):
            return str(swept["jobId"])
        return None if self._table.get(_gone_key(drop.key, drop.job_id)) is None else drop.job_id

    def has_newer(self, drop: Drop) -> bool:
        """Whether a newer event of the key was noted."""
        item = self._table.get(_key(drop.key))
        return item is not None and item["sequencer"] > drop.order

    def owner(self, key: str) -> str | None:
        """The job whose object it is; None when no job is known, or the object is deleted."""
        item = self._table.get(_key(key))
        return None if item is None else item.get("jobId")

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

    def note_gone(self, key: str, job_id: str) -> None:
        """Note that a job is deleted: its event may be repeated, and `LATEST` be of a newer drop by then."""
        pk, sk = _gone_key(key, job_id)
        expires = int(self._clock.now().timestamp()) + EVENT_SECONDS
        self._table.put({"pk": pk, "sk": sk, "expiresAt": expires})

    def end_deletion(self, key: str, job_id: str) -> None:
        """Note that the object is deleted, unless it is a newer job's by now."""
        expires = int(self._clock.now().timestamp()) + EVENT_SECONDS
        change = Change(sets={"expiresAt": expires}, removes=["jobId", "deletingSince"])
        try:
            self._table.update(_key(key), change, Attr("jobId").equals(job_id))
        except ConditionFailed:
            return


def is_live(latest: Item | None, etag: str | None) -> bool:
    """Whether the object with this ETag is still there, as far as `LATEST` of its key tells."""
    return latest is not None and latest.get("jobId") is not None and latest.get("etag") == etag


def is_of(latest: Item | None, etag: str, modified: str) -> bool:
    """Whether `LATEST` is of this object."""
    return latest is not None and (latest.get("etag"), latest.get("modified")) == (etag, modified)


def _latest(drop: Drop | SweptDrop, order: str) -> Item:
    pk, sk = _key(drop.key)
    return {"pk": pk, "sk": sk, "sequencer": order, "etag": drop.etag, "modified": drop.modified, "jobId": drop.job_id}


def _is_left_alone(now: datetime) -> Condition:
    """The object is not being deleted."""
    died = int(now.timestamp()) - MARK_SECONDS
    return Attr("deletingSince").is_missing() | Attr("deletingSince").at_most(died)


def _key(key: str) -> Key:
    return f"DROP#{hashlib.sha256(key.encode()).hexdigest()}", "LATEST"


def _swept_key(key: str, etag: str) -> Key:
    return _key(key)[0], f"SWEPT#{etag}"


def _gone_key(key: str, job_id: str) -> Key:
    return _key(key)[0], f"GONE#{job_id}"
