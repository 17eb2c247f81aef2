"""Dates and times of workbooks as text, as a field without a better idea of them takes them."""

from __future__ import annotations

from datetime import datetime, time, timedelta


def moment_text(value: datetime | time | timedelta) -> str:
    """ISO 8601, a midnight as its day; elapsed time as hours, minutes and seconds."""
    if isinstance(value, timedelta):
        sign = "-" if value < timedelta() else ""
        seconds, fraction = seconds_and_fraction(abs(value))
        minutes, second = divmod(seconds, 60)
        return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{fraction}"
    if isinstance(value, time):
        return clock_text(value)
    return value.date().isoformat() if value.time() == time() else datetime_text(value)


def datetime_text(value: datetime) -> str:
    return f"{value.date().isoformat()}T{clock_text(value.time())}"


def clock_text(value: time) -> str:
    text = value.isoformat("milliseconds" if value.microsecond else "seconds")
    return text.rstrip("0") if value.microsecond else text


def seconds_and_fraction(value: timedelta) -> tuple[int, str]:
    """Whole seconds, and the rest to the millisecond as `.5`, or nothing."""
    seconds, rest = divmod(round(value / timedelta(milliseconds=1)), 1000)
    return seconds, f".{rest:03d}".rstrip("0") if rest else ""
