"""How far the sweep of the drop folder is: a pass lists it from its first key to its last, a part of it each minute.

    DROPPASS / LATEST   beganAt, isOver, isClean, settledBefore, after?, revision

There is one item, which stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr
from waybill.aws.table import Item, Table
from waybill.telemetry import entry_failed
from waybill.timestamps import parse_rfc3339, rfc3339

_KEY = ("DROPPASS", "LATEST")


@dataclass(frozen=True)
class DropPass:
    """
    Attributes:
        is_over: the last key was reached.
        is_clean: each object that was looked at has its job.
        settled_before: objects stored before that time (RFC 3339) had their job when the pass before looked at them.
        after: the last key that was handled; None at the start.
        revision: counts the changes.
    """

    began_at: datetime
    is_over: bool = False
    is_clean: bool = True
    settled_before: str = ""
    after: str | None = None
    revision: int = 0


class DropPasses:
    def __init__(self, table: Table) -> None:
        self._table = table

    def latest(self) -> DropPass | None:
        """The pass that is going on, or else the last one; None before the first, and where it cannot be read: its
        item is reported and removed, and the drop folder listed from the beginning."""
        item = self._table.get(_KEY)
        if item is None:
            return None
        try:
            return _from_item(item)
        except Exception:
            entry_failed("lost drops", entry=_KEY[1])
            self._table.delete(_KEY)
            return None

    def save(self, state: DropPass) -> bool:
        """Save a state that follows on `latest`; False when another call was first, which did the same work."""
        item = {
            "pk": _KEY[0],
            "sk": _KEY[1],
            "beganAt": rfc3339(state.began_at),
            "isOver": state.is_over,
            "isClean": state.is_clean,
            "settledBefore": state.settled_before,
            "after": state.after,
            "revision": state.revision + 1,
        }
        stored = {name: value for name, value in item.items() if value is not None}
        is_next = Attr("revision").equals(state.revision) if state.revision else Attr("pk").is_missing()
        try:
            self._table.put(stored, is_next)
        except ConditionFailed:
            return False
        return True


def _from_item(item: Item) -> DropPass:
    after = item.get("after")
    return DropPass(
        parse_rfc3339(item["beganAt"]),
        item["isOver"],
        item["isClean"],
        str(item["settledBefore"]),
        None if after is None else str(after),
        int(item["revision"]),
    )
