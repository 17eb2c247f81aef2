"""`date`: stored as ISO 8601 text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from .attributes import Attribute
from .base import ColumnKind
from .export_columns import ExportLane, TypedColumns
from .native_kind import NativeKind, bounded, moment, moment_bound
from .temporal import Moment, TemporalType

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_REMEMBERED_DATES = 5_000


class DateType(TemporalType):
    """`yyyy-mm-dd`, years 0001 to 9999."""

    name: ClassVar[str] = "date"
    column: ClassVar[ColumnKind] = "date"
    noun = "a date"
    iso: ClassVar[str] = "YYYY-MM-DD"

    def _read_iso(self, text: str) -> Moment:
        if not _DATE.fullmatch(text):
            raise ValueError
        date.fromisoformat(text)  # raises for a day that the calendar lacks
        return Moment(text, text, text)

    def _from_datetime(self, value: datetime) -> str:
        return value.date().isoformat()

    def _to_datetime(self, text: str) -> datetime:
        return datetime.combine(date.fromisoformat(text), time())

    def _sample(self) -> datetime:
        return datetime(2024, 11, 28)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        if self.format == "default":
            return bounded("date", limits, moment_bound)
        return moment(self.format, "Yy", "YymdHMS", limits, "with_date")

    def cell_of_moment(self, value: datetime | time | timedelta) -> str:
        text = super().cell_of_moment(value)
        return self.to_cell({"S": text}) if isinstance(value, datetime) and value.time() == time() else text

    def _own_iso(self, text: str) -> str:
        return text.removesuffix("T00:00:00")

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        texts = None if self.is_iso else self._cached_texts()
        return lambda values: form.dates(values, texts)

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        # Stored is ISO 8601: quicker to read than to write as, and read again from, a pattern.
        key, stored = self.filter_key(op), self if self.is_iso else DateType()
        parse = lru_cache(_REMEMBERED_DATES)(stored.parse)  # the same days come again and again
        return lambda attribute: key(parse(attribute["S"]))
