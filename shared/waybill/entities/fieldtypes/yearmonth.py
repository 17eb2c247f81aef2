"""`yearmonth`: stored as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from .base import ORDERED, FieldType
from .native_kind import NativeKind

_YEARMONTH = "[0-9]{4}-(?:0[1-9]|1[0-2])"
_FITS = re.compile(_YEARMONTH).fullmatch


class YearmonthType(FieldType):
    """`yyyy-mm`."""

    name: ClassVar[str] = "yearmonth"
    constraints: ClassVar[frozenset[str]] = ORDERED
    noun = "a month (YYYY-MM)"

    def parse(self, cell: str) -> str:
        if not _FITS(cell):
            raise ValueError
        return cell

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        return None if limits else NativeKind("automaton", pattern=_YEARMONTH)

    def cell_of_moment(self, value: datetime | time | timedelta) -> str:
        if isinstance(value, datetime) and value == datetime(value.year, value.month, 1):
            return f"{value.year:04d}-{value.month:02d}"
        return super().cell_of_moment(value)
