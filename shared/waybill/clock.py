"""The only place that reads the time or sleeps. A test or a simulator passes a clock of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

HasTime = Callable[[], bool]
"""Whether there is time for another piece of work; what is left is done later."""


class Clock(Protocol):
    """Time as the service sees it."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never runs backwards, so it measures durations and deadlines."""

    def sleep(self, seconds: float) -> None:
        """Wait for this long."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


SYSTEM_CLOCK: Clock = SystemClock()


def no_limit() -> bool:
    """A `HasTime` that never runs out."""
    return True
