"""Number formats, and the dates and times that they show numbers as (ECMA-376 part 1, 18.8.30 and 18.8.31)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from waybill.tabular.sheets import Digits, Value


@dataclass(frozen=True)
class Format:
    """What a number format shows.

    `kind` is `date`, `time` or `elapsed` where it shows a moment or a duration, else empty. `zeros` is the width of a
    format that consists of zeros. `sections` are those of a format that shows some numbers in another way, each with
    the comparison and the limit that say which; the last one takes the rest.
    """

    kind: str = ""
    zeros: int = 0
    sections: tuple[tuple[str, float, Format], ...] = ()

    def of(self, value: float) -> Format:
        """The section that shows a number."""
        for comparison, limit, section in self.sections:
            if _COMPARISONS[comparison](value, limit):
                return section
        return self


GENERAL = Format()
BUILT_IN = {  # ECMA-376 part 1, 18.8.30, with the East Asian dates
    **dict.fromkeys([14, 15, 16, 17, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58], "yyyy-mm-dd"),
    22: "yyyy-mm-dd hh:mm",
    **dict.fromkeys([18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56], "hh:mm:ss"),
    46: "[h]:mm:ss",
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "<>": operator.ne,
}
_SECTION = re.compile(r'(?:"[^"]*"?|\\.|_.|\*.|\[[^\]]*\]?|[^;])+', re.DOTALL)
_CONDITION = re.compile(r"\[(<=|>=|<>|[=<>])\s*(-?[0-9]+(?:\.[0-9]*)?(?:E[+-]?[0-9]+)?)\]", re.IGNORECASE)
_LITERALS = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]?', re.IGNORECASE | re.DOTALL)


def format_of(code: str) -> Format:
    """The format of a number format code (ECMA-376 part 1, 18.8.31).

    Up to three sections show numbers: positive ones, negative ones and zero, unless they state conditions. A fourth
    one, or a last one with `@`, shows texts.
    """
    codes = _sections_of(code)
    formats = [_section_format(one) for one in codes]
    conditions = [_CONDITION.search(one) for one in codes]
    if not formats or all(form == formats[0] for form in formats):
        return formats[0] if formats else GENERAL
    usual = [(">=", 0.0), ("<", 0.0)] if len(codes) == 2 else [(">", 0.0), ("<", 0.0), ("=", 0.0)]
    if any(conditions) and len(codes) > 1:
        usual = [(">", 0.0), ("<", 0.0)]
    tests = [(found[1], float(found[2])) if found else test for found, test in zip(conditions, usual, strict=False)]
    listed = [(*test, form) for test, form in zip(tests, formats[:-1], strict=False)]  # the last one takes the rest
    return Format(formats[-1].kind, formats[-1].zeros, tuple(listed))


def _sections_of(code: str) -> list[str]:
    """The sections that show numbers; an empty one shows nothing."""
    sections: list[str] = []
    at = 0
    while at <= len(code) and len(sections) < 3:
        found = _SECTION.match(code, at)
        sections.append(found[0] if found else "")
        at += len(sections[-1]) + 1
    return sections[:-1] if len(sections) > 1 and "@" in _LITERALS.sub("", sections[-1]) else sections


def _section_format(code: str) -> Format:
    first = _LITERALS.sub("", code).lower()
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
_FIRST_USUAL = 61
_DAY_0 = datetime(1899, 12, 30)  # of the 1900 system, from day 61 on


def typed_number(value: float, form: Format, is_1904: bool) -> Value:
    """A number as its format shows it: a moment, a number with leading zeros, or itself."""
    form = form.of(value)
    if form.kind:
        return serial_value(value, form.kind, is_1904)
    if form.zeros and value == int(value):
        digits = Digits(value)
        digits.width = form.zeros
        return digits
    return value


def serial_value(serial: float, kind: str, is_1904: bool) -> Value:
    """A serial number as the moment that its format shows, to the millisecond.

    The 1900 system counts a 29 February 1900 (serial 60), which did not exist, and a day 0: both are returned as text,
    not as dates. A number out of range stays a number; only elapsed time may be negative.
    """
    if kind == "elapsed" and abs(serial) < _LAST_SERIAL:
        return timedelta(milliseconds=round(serial * _DAY_MILLISECONDS))
    if not 0 <= serial < _LAST_SERIAL:
        return serial
    milliseconds = round(serial * _DAY_MILLISECONDS)
    days, rest = divmod(milliseconds, _DAY_MILLISECONDS)
    if days == 0 and (kind == "time" or (rest and not is_1904)):
        return _clock(rest)
    if is_1904:
        days += 1462  # 1904-01-01 is day 1,462 of the 1900 system
    elif days in (0, 60):
        day = "1900-01-00" if days == 0 else "1900-02-29"
        return f"{day}T{_clock(rest).isoformat('auto')}" if rest else day
    elif days < 60:
        days += 1
    if days >= _LAST_SERIAL:
        return serial
    return _DAY_0 + timedelta(days, 0, rest * 1000)


def usual_moment(serial: float) -> datetime | None:
    """What `serial_value` returns for the serial number of a date and time of the 1900 system; None for all others."""
    if not _FIRST_USUAL <= serial < _LAST_SERIAL - 1:
        return None
    return _DAY_0 + timedelta(0, 0, 0, round(serial * _DAY_MILLISECONDS))


def _clock(milliseconds: int) -> time:
    return (datetime.min + timedelta(milliseconds=milliseconds)).time()


def iso_date(text: str) -> Value:
    """A cell of type `d`: ISO 8601. Text that the standard library cannot read, or with an offset, stays text."""
    try:
        is_time = text[:1] == "T" or text[2:3] == ":"
        value = time.fromisoformat(text) if is_time else datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if value.tzinfo else value
