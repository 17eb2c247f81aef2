"""How often a duty of the schedule has failed at one of its entries, and how long it leaves the entry alone.

One entry must not end a duty for all. What a duty reads of an entry where nobody catches what that raises, it reads so
that a missing or odd value does no harm.
"""

from __future__ import annotations

from datetime import timedelta

from waybill.aws.table import Item

#: More than any entry comes to; beyond it, the number is not one that a duty has written.
MOST_ATTEMPTS = 1_000_000


def attempts_of(entry: Item) -> int:
    """How often a duty has failed at the entry; 0 where its `attempts` is not such a number."""
    attempts = entry.get("attempts")
    return attempts if isinstance(attempts, int) and 0 <= attempts <= MOST_ATTEMPTS else 0


def pause_after(attempts: int, most: timedelta) -> timedelta:
    """Two minutes after the first attempt that failed, then twice the time each, up to `most`."""
    return min(timedelta(minutes=2 ** min(attempts, 16)), most)
