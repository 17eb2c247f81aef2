"""How many mails, and how many webhooks, are sent on a day (UTC), so that nobody makes Waybill send any number of them.

MAILS#{day} / SENT      sent, expiresAt
WEBHOOKS#{day} / SENT   sent, expiresAt
WEBHOOKS#{day} / {of}   the same, of one of those who send
"""

from __future__ import annotations

from datetime import timedelta

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Key, Table
from waybill.clock import Clock

_KEPT = timedelta(days=7)
_ALL = "SENT"
#: Each of those who send has so large a part of the day's limit, so that one alone cannot use it up.
SHARE = 4


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

    def take(self, of: str | None = None) -> bool:
        """Count what is about to be sent; False when the day has none left.

        Args:
            of: who sends; the day may then also have none left for them.
        """
        if self._limit < 1 or (of is not None and not self._count(of, max(1, self._limit // SHARE))):
            return False
        if self._count(_ALL, self._limit):
            return True
        if of is not None:
            self._count_off(of)
        return False

    def give_back(self, of: str | None = None) -> None:
        """Count off what was not sent after all."""
        self._count_off(_ALL)
        if of is not None:
            self._count_off(of)

    def _count(self, name: str, limit: int) -> bool:
        expires = int((self._clock.now() + _KEPT).timestamp())
        change = Change(adds={"sent": 1}, sets={"expiresAt": expires})
        has_room = Attr("sent").is_missing() | Attr("sent").is_below(limit)
        try:
            self._table.update(self._key(name), change, has_room)
        except ConditionFailed:
            return False
        return True

    def _count_off(self, name: str) -> None:
        self._table.update(self._key(name), Change(adds={"sent": -1}))

    def _key(self, name: str) -> Key:
        return f"{self._family}#{self._clock.now().date().isoformat()}", name
