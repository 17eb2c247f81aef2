"""Number formats, and the dates and times that they show numbers as (ECMA-376 part 1, 18.8.30 and 18.8.31)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from waybill.tabular.sheets import Value


@dataclass(frozen=True)
class Format:
    """What a number format shows.

    `kind` is `date`, `time` or `elapsed` where it shows a moment or a duration, else empty. `zeros` is the width of a
    format that consists of zeros.
    """

    kind: str = ""
    zeros: int = 0


GENERAL = Format()
BUILT_IN = {  # ECMA-376 part 1, 18.8.30, with the East Asian dates
    **dict.fromkeys([14, 15, 16, 17, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58], "yyyy-mm-dd"),
    22: "yyyy-mm-dd hh:mm",
    **dict.fromkeys([18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56], "hh:mm:ss"),
    46: "[h]:mm:ss",
}
_LITERALS = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)


def format_of(code: str) -> Format:
    """The format of a number format code (18.8.31); only its first section counts."""
    first = _LITERALS.sub("", code).partition(";")[0].lower()
    if not first or "general" in first:
        return GENERAL
    if re.search(r"\[[hms]+\]", first):
        return Format("elapsed")
    if "y" in first or "d" in first or ("m" in first and not re.search("[hs]", first)):
        return Format("date")
    if re.search("[hs]", first):
        return Format("time")
    return Format(zeros=len(first)) if re.fullmatch("0{2,15}", first) else GENERAL


_LAST_SERIAL = 2_958_466  # 10000-01-01
_DAY_MILLISECONDS = 86_400_000


def serial_value(serial: float, kind: str, is_1904: bool) -> Value:
    """A serial number as the moment that its format shows, to the millisecond.

    The 1900 system counts a 29 February 1900 (serial 60), which did not exist, and a day 0: both are returned as text,
    not as dates. A number out of range stays a number.
    """
    if not 0 <= serial < _LAST_SERIAL:
        return serial
    if kind == "elapsed":
        return timedelta(milliseconds=round(serial * _DAY_MILLISECONDS))
    milliseconds = round(serial * _DAY_MILLISECONDS)
    days, rest = divmod(milliseconds, _DAY_MILLISECONDS)
    clock = (datetime.min + timedelta(milliseconds=rest)).time()
    if days == 0 and (kind == "time" or (rest and not is_1904)):
        return clock
    if is_1904:
        days += 1462  # 1904-01-01 is day 1,462 of the 1900 system
    elif days in (0, 60):
        day = "1900-01-00" if days == 0 else "1900-02-29"
        return f"{day}T{clock.isoformat('auto')}" if rest else day
    elif days < 60:
        days += 1
    if days >= _LAST_SERIAL:
        return serial
    return datetime(1899, 12, 30) + timedelta(days=days, milliseconds=rest)


def iso_date(text: str) -> Value:
    """A cell of type `d`: ISO 8601. Text that the standard library cannot read, or with an offset, stays text."""
    try:
        is_time = text[:1] == "T" or text[2:3] == ":"
        value = time.fromisoformat(text) if is_time else datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if value.tzinfo else value
