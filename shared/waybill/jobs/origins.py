"""What a job is made of: a dropped object, an upload, another job. Each may make one job, or one at a time.

The origin is bound to the job in the transaction that registers it, on condition that it is free. So of two requests
one wins, a request that is refused binds nothing, and a registration that is sent again because its reply was lost
finds its own job.

    JOB#{jobId} / TAKER#{takerId}   of a job whose files another one makes its source of
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Key, Table

TAKER = "TAKER#"


class Origin(Protocol):
    """Attributes: refusal, the message when the origin is not free."""

    @property
    def refusal(self) -> str: ...

    def actions(self, table: Table, now: datetime) -> list[Action]:
        """Bind the origin to its job; a condition is false when it is not free."""


@dataclass(frozen=True)
class ParentOrigin:
    """A job that another one is made of, such as the import whose rows are relaunched.

    Attributes:
        parent: the key of its record.
        member: of the parent's record: the id of the latest such job.
        before: the value of `member` that was read.
        job_id: the new value.
        files_expire_at: of the parent as it was read, where its files are needed; a deletion changes it.
        sets: other members of the parent's record to set.
    """

    parent: Key
    member: str
    before: str | None
    job_id: str
    files_expire_at: datetime | None = None
    sets: Mapping[str, Any] = field(default_factory=dict)
    refusal = "This job was deleted meanwhile, or another request was first. Read it and try again."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        latest = Attr(self.member)
        is_unchanged = latest.is_missing() if self.before is None else latest.equals(self.before)
        change = Change(sets={self.member: self.job_id, **self.sets})
        if self.files_expire_at is not None:
            is_unchanged &= Attr("filesExpireAt").equals(int(self.files_expire_at.timestamp()))
        return [table.update_action(self.parent, change, Attr("pk").exists() & is_unchanged)]


@dataclass(frozen=True)
class FilesOrigin:
    """The files of an ended job, of which the new job makes its source. They stay until it has done so, or has ended
    (`JobRepository.has_takers`).

    Attributes:
        parents: what else the new job is made of; the one whose files they are is among them.
        owner: the key of its record.
        job_id: the new job.
    """

    parents: Sequence[ParentOrigin]
    owner: Key
    job_id: str
    refusal = ParentOrigin.refusal

    def actions(self, table: Table, now: datetime) -> list[Action]:
        pk, sk = taker_key(self.owner, self.job_id)
        bound = [action for parent in self.parents for action in parent.actions(table, now)]
        return [*bound, table.put_action({"pk": pk, "sk": sk})]


def taker_key(owner: Key, job_id: str) -> Key:
    """The key of the item that holds the files of a job for another."""
    return owner[0], f"{TAKER}{job_id}"
