"""`duration`: XML Schema duration (and ISO 8601 weeks), kept as the file has it.

https://www.w3.org/TR/xmlschema-2/#duration
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, ClassVar

from .base import ORDERED, FieldType
from .native_kind import NativeKind
from .typed_cells import seconds_and_fraction

_GRAMMAR = re.compile(
    r"(-)?P(?=[0-9T])(?:([0-9]+)W|(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?)"
)
_IDENTITY = re.compile(r"(-?[0-9]+)M(-?[0-9]+(?:/[0-9]+)?)S")
_CHARS = 100
# The order of durations is partial (a month against 30 days): it holds when it holds from these four months on
# (XML Schema 3.2.6.2).
_STARTS = [(1696, 9), (1697, 2), (1903, 3), (1903, 7)]


@dataclass(frozen=True)
class Duration:
    """`months` and `seconds` have one sign."""

    text: str
    months: int
    seconds: Fraction

    def _spans(self) -> list[Fraction]:
        return [
            (_days(year, month + self.months) - _days(year, month)) * 86_400 + self.seconds for year, month in _STARTS
        ]

    def __lt__(self, other: Duration) -> bool:
        return all(mine < theirs for mine, theirs in zip(self._spans(), other._spans(), strict=True))

    def __le__(self, other: Duration) -> bool:
        return all(mine <= theirs for mine, theirs in zip(self._spans(), other._spans(), strict=True))

    def __gt__(self, other: Duration) -> bool:
        return other < self

    def __ge__(self, other: Duration) -> bool:
        return other <= self


class DurationType(FieldType):
    """`PnYnMnDTnHnMnS` or `PnW`, with an optional minus."""

    name: ClassVar[str] = "duration"
    constraints: ClassVar[frozenset[str]] = ORDERED
    noun = "a duration (like P1DT12H)"

    def parse(self, cell: str) -> Duration:
        match = _GRAMMAR.fullmatch(cell) if len(cell) <= _CHARS else None
        if match is None:
            raise ValueError
        minus, *parts = match.groups()
        weeks, years, months, days, hours, minutes, seconds = (Fraction(part or 0) for part in parts)
        sign = -1 if minus else 1
        span = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
        return Duration(cell, sign * int(years * 12 + months), sign * span)

    def stored(self, value: Any) -> str:
        return str(value.text)

    def identity(self, value: Any) -> str:
        return f"{value.months}M{value.seconds}S"

    def value_of_identity(self, identity: str) -> str:
        """`14M3601/2S` as `P14MT1800.5S`."""
        found = _IDENTITY.fullmatch(identity)
        if found is None:
            return identity
        months, seconds = int(found[1]), Fraction(found[2])
        sign = "-" if months < 0 or seconds < 0 else ""
        months, seconds = abs(months), abs(seconds)
        text = f"P{months}M" if months else "P"
        if seconds or not months:
            with localcontext() as context:
                context.prec = 200
                text += f"T{Decimal(seconds.numerator) / Decimal(seconds.denominator):f}S"
        return sign + text

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        return None if limits else NativeKind("duration")

    def cell_of_moment(self, value: datetime | time | timedelta) -> str:
        if not isinstance(value, timedelta):
            return super().cell_of_moment(value)
        seconds, fraction = seconds_and_fraction(abs(value))
        return f"{'-' if value < timedelta() else ''}PT{seconds}{fraction}S"

    def filter_key(self, op: str) -> Callable[[Any], Any]:
        # Equality and the partial order are each of their own: a year is 12 months, a month no number of days.
        return self.identity if op in ("eq", "ne", "in") else self.order


def _days(year: int, month: int) -> int:
    """Days from a fixed day to the first of a month; `month` may lie outside 1 … 12 (proleptic Gregorian)."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    past = year - 1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    before = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)[month - 1] + (leap and month > 2)
    return past * 365 + past // 4 - past // 100 + past // 400 + before
