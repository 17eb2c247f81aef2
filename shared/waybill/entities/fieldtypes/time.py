"""`time`: a time of the day, stored as ISO 8601 text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar

from .native_kind import NativeKind, moment
from .temporal import Moment, TemporalType, iso_time, read_datetime

_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FITS = re.compile(_TIME).fullmatch


class TimeType(TemporalType):
    """`hh:mm:ss`, `00:00:00` to `23:59:59`; patterns may bring a fraction and an offset."""

    name: ClassVar[str] = "time"
    noun = "a time"
    iso: ClassVar[str] = "hh:mm:ss"

    def _read_iso(self, text: str) -> Moment:
        if self.format == "default":
            if not _FITS(text):
                raise ValueError
            return Moment(text, text, (text, ""))
        moment = read_datetime(f"2000-01-02T{text}")
        return Moment(text, moment.identity[11:], moment.order)

    def _from_datetime(self, value: datetime) -> str:
        return iso_time(value)

    def _to_datetime(self, text: str) -> datetime:
        return datetime.fromisoformat(f"1900-01-01T{text}")

    def _sample(self) -> datetime:
        return datetime(1900, 1, 1, 13, 45, 59, tzinfo=UTC)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        if limits:
            return None
        if self.format == "default":
            return NativeKind("automaton", pattern=_TIME)
        return moment(self.format, "H", "HMS", limits, "with_time")

    def cell_of_moment(self, value: datetime | time | timedelta) -> str:
        text = super().cell_of_moment(value)
        return self.to_cell({"S": text}) if isinstance(value, time) else text
