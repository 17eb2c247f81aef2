"""What `date`, `time` and `datetime` share: they are stored as ISO 8601 text.

In the default format the text is kept as the file has it, offset and fraction included. Values of a strptime pattern
and of `any` become ISO 8601 (`2024-01-26T15:00:00.3-05:00`, a zero offset `Z`); an export writes the pattern again, or
ISO 8601 for `any`. Keys and uniqueness compare instants: `15:00:00-05:00` and `20:00:00Z` are one value. For bounds,
what has no offset counts as UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from .attributes import Attribute, Unreadable
from .base import ORDERED, FieldType
from .export_columns import CachedTexts, ExportLane, TypedColumns

OFFSET = r"Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00)"
_DATETIME = re.compile(
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]+))?({OFFSET})?"
)
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")


class Moment(NamedTuple):
    """A value in time: `text` is stored; `identity` equals that of equal values; `order` is what bounds compare."""

    text: str
    identity: str
    order: Any


class TemporalType(FieldType):
    """What the three share: default format, `any`, or a strptime pattern."""

    formats: ClassVar[tuple[str, ...]] = ()
    constraints: ClassVar[frozenset[str]] = ORDERED
    iso: ClassVar[str]  # how a message shows the default format

    def __init__(self, format: str = "default") -> None:
        super().__init__(format)
        self.is_iso = format in ("default", "any")
        if format not in ("default", "any"):
            _check_pattern(format, self._sample())
            self.noun = f"{self.noun} ({_shown(format)})"
        elif format == "default":
            self.noun = f"{self.noun} ({self.iso})"

    def parse(self, cell: str) -> Moment:
        if self.format == "default":
            return self._read_iso(cell)
        if self.format == "any":
            return self._read_any(cell)
        if _FOREIGN_DIGIT.search(cell):
            raise ValueError
        return self._read_iso(self._from_datetime(datetime.strptime(cell, self.format)))

    def _read_any(self, cell: str) -> Moment:
        try:
            return self._read_iso(cell)
        except ValueError:
            return self._read_iso(self._from_datetime(parse_any(cell)))

    def stored(self, value: Any) -> str:
        return str(value.text)

    def identity(self, value: Any) -> str:
        return str(value.identity)

    def order(self, value: Any) -> Any:
        return value.order

    def to_cell(self, attribute: Attribute) -> str:
        text = str(attribute["S"])
        return text if self.is_iso else _strftime(self._to_datetime(text), self.format)

    def cell_of_iso(self, text: str) -> str:
        """In the field's pattern, if that says all of it; else as it is, which the field refuses."""
        text = self._own_iso(text)
        if self.is_iso:
            return text
        try:
            cell = self.to_cell({"S": text})
            return cell if self.parse(cell).identity == self._read_iso(text).identity else text
        except ValueError:
            return text

    def _own_iso(self, text: str) -> str:
        """A value of a related type as one of this type, where it is the same."""
        return text

    @property
    def is_written_as_stored(self) -> bool:
        return self.is_iso

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        if self.is_iso:
            return super().exported(form, guarded)
        texts = self._cached_texts()
        return lambda values: form.texts([texts[value] for value in values], guarded=False)

    def _cached_texts(self) -> CachedTexts:
        return CachedTexts(lambda text: self.to_cell({"S": text}))

    def _read_iso(self, text: str) -> Moment:
        raise NotImplementedError

    def _from_datetime(self, value: datetime) -> str:
        raise NotImplementedError

    def _to_datetime(self, text: str) -> datetime:
        raise NotImplementedError

    def _sample(self) -> datetime:
        raise NotImplementedError


def read_datetime(text: str, after: timedelta | None = None) -> Moment:
    """`after`: the hour 24 is read as 0, and this much is added."""
    match = _DATETIME.fullmatch(text.replace("T24", "T00", 1) if after else text)
    if match is None:
        raise ValueError
    seconds, fraction, offset = match.groups()
    fraction = (fraction or "").rstrip("0")
    instant = datetime.fromisoformat(seconds)
    shift = after or timedelta()
    if offset and offset != "Z":
        ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
        shift += -ahead if offset[0] == "+" else ahead
    if shift:
        try:
            instant += shift
        except OverflowError:
            raise Unreadable("outside the years 0001 … 9999") from None
    identity = instant.isoformat() + (f".{fraction}" if fraction else "") + ("Z" if offset else "")
    return Moment(text, identity, (instant.isoformat(), fraction))


def iso_time(value: datetime) -> str:
    text = value.time().isoformat("seconds")
    if value.microsecond:
        text += f".{value.microsecond:06d}".rstrip("0")
    offset = value.utcoffset()
    if offset is None:
        return text
    if offset % timedelta(minutes=1):
        raise Unreadable("an offset with seconds")
    return text + (value.strftime("%z")[:3] + ":" + value.strftime("%z")[3:] if offset else "Z")


def _strftime(value: datetime, pattern: str) -> str:
    """`strftime` with years of four digits: the C library writes year 5 as `5`, which `strptime` cannot read."""
    year = {"Y": f"{value.year:04d}", "G": f"{value.isocalendar().year:04d}"}
    return value.strftime(re.sub("%(.)", lambda match: year.get(match[1], match[0]), pattern, flags=re.DOTALL))


def _shown(pattern: str) -> str:
    """A strptime pattern as people write it, `DD/MM/YYYY`; as it is where it has a rare directive."""
    if not set(re.findall("%(.)", pattern, re.DOTALL)) <= _SHOWN.keys():
        return pattern
    return re.sub("%(.)", lambda match: _SHOWN[match[1]], pattern)


_SHOWN = {
    "Y": "YYYY", "y": "YY", "m": "MM", "d": "DD", "H": "hh", "I": "hh", "M": "mm", "S": "ss", "p": "AM/PM",
    "b": "Mon", "B": "Month", "z": "±hhmm", "%": "%",
}  # fmt: skip


def _check_pattern(pattern: str, sample: datetime) -> None:
    """Refuses what cannot be written and read back (`%Z`, a bare word, an unknown directive)."""
    problem = "format must be default, any or a strptime pattern that reads what it writes"
    directives = re.findall("%(.)", pattern, re.DOTALL)
    if not directives or "Z" in directives:
        raise ValueError(problem)
    try:
        text = _strftime(sample, pattern)
        again = datetime.strptime(text, pattern)
        if _strftime(again if again.tzinfo else again.replace(tzinfo=UTC), pattern) != text:
            raise ValueError(problem)
    except (ValueError, re.error):
        raise ValueError(problem) from None


_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_ANY_TIME = (
    r"(?:[T ]\s*(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,6}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<offset>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_ANY_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_ANY_DATES = [
    r"(?P<year>[0-9]{4})(?P<sep>[-/.]?)(?P<month>[0-9]{2})(?P=sep)(?P<day>[0-9]{2})",
    r"(?P<first>[0-9]{1,2})(?P<sep>[-/.])(?P<second_part>[0-9]{1,2})(?P=sep)(?P<year>[0-9]{4})",
    rf"{_ANY_WEEKDAY}(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?[ -](?P<name>[A-Za-z]{{3,9}})\.?,?[ -](?P<year>[0-9]{{4}})",
    rf"{_ANY_WEEKDAY}(?P<name>[A-Za-z]{{3,9}})\.? (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,? (?P<year>[0-9]{{4}})",
]
_ANY = [re.compile(day + _ANY_TIME, re.IGNORECASE) for day in _ANY_DATES]
_ANY.append(re.compile(_ANY_TIME.replace("[T ]", "T?", 1), re.IGNORECASE))


def parse_any(cell: str) -> datetime:
    """Format `any`: ISO 8601 and its near relatives, month names, `d/m/y` or `m/d/y` where only one can be meant.

    A time alone belongs to 1 January 1900, as with strptime.

    Raises:
        ValueError: no form fits, or day and month could be swapped.
    """
    for form in _ANY:
        match = form.fullmatch(cell)
        if match and cell:
            return _any_value(match.groupdict())
    raise ValueError


def _any_value(part: dict[str, str | None]) -> datetime:
    year, month, day = int(part.get("year") or 1900), int(part.get("month") or 1), int(part.get("day") or 1)
    if name := part.get("name"):
        month = _MONTHS.get(name[:3].lower(), 0)
    if part.get("first"):
        first, second = int(part["first"] or 0), int(part["second_part"] or 0)
        if first <= 12 and second <= 12 and first != second:
            raise Unreadable("day and month could be swapped")
        day, month = (first, second) if first > 12 else (second, first)
    hour = int(part["hour"] or 0)
    if half := part["half"]:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    microsecond = int((part["fraction"] or "").ljust(6, "0"))
    value = datetime(year, month, day, hour, int(part["minute"] or 0), int(part["second"] or 0), microsecond)
    offset = part["offset"]
    if not offset:
        return value
    return value.replace(tzinfo=UTC if offset[0] not in "+-" else datetime.strptime(offset, "%z").tzinfo)
