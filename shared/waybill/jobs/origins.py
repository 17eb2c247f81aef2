"""What a job is made of: a dropped object, an upload, another job. Each may make one job, or one at a time.

The origin is bound to the job in the transaction that registers it, on condition that it is free. So of two requests
one wins, a request that is refused binds nothing, and a registration that is sent again because its reply was lost
finds its own job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Key, Table


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
    """

    parent: Key
    member: str
    before: str | None
    job_id: str
    refusal = "This job was deleted meanwhile, or another request was first. Read it and try again."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        latest = Attr(self.member)
        is_unchanged = latest.is_missing() if self.before is None else latest.equals(self.before)
        change = Change(sets={self.member: self.job_id})
        return [table.update_action(self.parent, change, Attr("pk").exists() & is_unchanged)]
