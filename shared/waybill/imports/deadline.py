"""The time of an invocation. A step that does not end in time saves what is done, and the next invocation goes on."""

from __future__ import annotations

from collections.abc import Callable

from waybill.tabular.records import Readable

# Kept back for the last requests and files of an invocation.
RESERVE_SECONDS = 45.0

Remaining = Callable[[], float]
"""Returns the seconds until the invocation is ended from outside."""


def whole_invocation() -> float:
    return 900.0


class OutOfTime(Exception):
    """The invocation's time is nearly over: save what is done now."""


def check_time(remaining_seconds: Remaining) -> None:
    """
    Raises:
        OutOfTime: little more than the reserve is left.
    """
    if remaining_seconds() < RESERVE_SECONDS:
        raise OutOfTime


class Timed:
    """A stream that checks the time at each read.

    Raises (while reading):
        OutOfTime: little more than the reserve is left.
    """

    def __init__(self, stream: Readable, remaining_seconds: Remaining) -> None:
        self._stream, self._remaining_seconds = stream, remaining_seconds

    def read(self, size: int = -1, /) -> bytes:
        check_time(self._remaining_seconds)
        return self._stream.read(size)
