"""The time that an invocation has: what does not end before it must is put down, and taken up by the next."""

from __future__ import annotations

from collections.abc import Callable

from waybill.tabular.records import Readable

# What an invocation keeps back for its last requests and files.
RESERVE_SECONDS = 45.0

Remaining = Callable[[], float]
"""Seconds until the invocation is ended from outside."""


def whole_invocation() -> float:
    return 900.0


class OutOfTime(Exception):
    """The invocation's time is nearly over: what is done is to be kept now."""


def check_time(remaining_seconds: Remaining) -> None:
    """
    Raises:
        OutOfTime: little more than the reserve is left.
    """
    if remaining_seconds() < RESERVE_SECONDS:
        raise OutOfTime


class Timed:
    """A stream that may be read while there is time.

    Raises (while reading):
        OutOfTime
    """

    def __init__(self, stream: Readable, remaining_seconds: Remaining) -> None:
        self._stream, self._remaining_seconds = stream, remaining_seconds

    def read(self, size: int = -1, /) -> bytes:
        check_time(self._remaining_seconds)
        return self._stream.read(size)
