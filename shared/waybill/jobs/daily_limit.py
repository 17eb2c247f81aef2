"""How many mails, and how many webhooks, are sent on a day (UTC), so that nobody makes Waybill send any number of them.

MAILS#{day} / SENT      sent, expiresAt
WEBHOOKS#{day} / SENT   sent, expiresAt
"""

from __future__ import annotations

from datetime import timedelta

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Key, Table
from waybill.clock import Clock

_KEPT = timedelta(days=7)


class DailyLimit:
    """
    Args:
        family: MAILS or WEBHOOKS.
        limit: of a day, for all jobs together.
    """

    def __init__(self, table: Table, clock: Clock, family: str, limit: int) -> None:
        self._table = table
        self._clock = clock
        self._family = family
        self._limit = limit

    def take(self) -> bool:
        """Count what is about to be sent; False when the day has none left."""
        if self._limit < 1:
            return False
        expires = int((self._clock.now() + _KEPT).timestamp())
        change = Change(adds={"sent": 1}, sets={"expiresAt": expires})
        has_room = Attr("sent").is_missing() | Attr("sent").is_below(self._limit)
        try:
            self._table.update(self._key(), change, has_room)
        except ConditionFailed:
            return False
        return True

    def give_back(self) -> None:
        """Count off what was not sent after all."""
        self._table.update(self._key(), Change(adds={"sent": -1}))

    def _key(self) -> Key:
        return f"{self._family}#{self._clock.now().date().isoformat()}", "SENT"
