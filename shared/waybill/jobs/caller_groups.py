"""The groups of callers whose tokens an outside issuer signs: those of their last request, as nobody else tells them.

    CALLER#{sha256 of the subject} / GROUPS   groups, day, expiresAt

`day` is that of the last request. The item is written when it or the groups have changed, so at most once a day while
the groups stay as they are; a process reads it again after REMEMBERED.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta

from waybill.aws.table import Item, Key, Table
from waybill.clock import Clock
from waybill.entities.permissions import Caller

REMEMBERED = timedelta(minutes=5)
MAX_REMEMBERED = 1_000


class CallerGroups:
    """
    Args:
        max_age_days: for so many days after a caller's last request their groups count.
    """

    def __init__(self, table: Table, clock: Clock, max_age_days: int) -> None:
        self._table = table
        self._clock = clock
        self._max_age = timedelta(days=max_age_days)
        self._remembered: dict[str, tuple[Item, datetime]] = {}

    def note(self, caller: Caller) -> None:
        """Keep the groups of a caller who makes a request. A read, unless this process knows the item, and a write if
        there is something new."""
        pk, sk = _key(caller.subject)
        now = self._clock.now()
        day = now.date()
        expires = datetime.combine(day + self._max_age + timedelta(days=1), time(), UTC)
        groups = sorted(caller.groups)
        item = {"pk": pk, "sk": sk, "groups": groups, "day": day.isoformat(), "expiresAt": int(expires.timestamp())}
        known, since = self._remembered.get(pk, (None, now))
        if known == item and now - since < REMEMBERED:
            return
        if self._table.get((pk, sk)) != item:
            self._table.put(item)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[pk] = item, now

    def groups(self, subject: str) -> frozenset[str]:
        """The groups that count now; none when the last request is too long ago."""
        item = self._table.get(_key(subject))
        if item is None or self._clock.now().date() - date.fromisoformat(item["day"]) > self._max_age:
            return frozenset()
        return frozenset(item["groups"])


def caller_partition(subject: str) -> str:
    """The partition key of what is kept of a caller."""
    return f"CALLER#{hashlib.sha256(subject.encode()).hexdigest()}"


def _key(subject: str) -> Key:
    return caller_partition(subject), "GROUPS"
