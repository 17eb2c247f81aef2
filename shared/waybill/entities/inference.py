"""A proposal for an entity from the cells of a file: a type only where every cell has it, text when in doubt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from waybill.clock import HasTime, no_limit
from waybill.entities.fields import Field
from waybill.entities.schema import parse_schema

SAMPLES = 5
#: Values of a column are listed where there are so few of them, each of them often.
MOST_VALUES, ROWS_PER_VALUE = 12, 5
#: Distinct values of a column that are kept; a column with more of them has few that are equal.
_MOST_DISTINCT = 200_000
_MISSING = ""
#: Cells that are looked at between two looks at the time.
_LOOKS = 1_000
_WORD_PAIRS = (("yes", "no"), ("y", "n"), ("ja", "nein"), ("oui", "non"), ("ja", "nee"), ("sí", "no"), ("sim", "não"))
_LONGEST_INTEGER = 18
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)").fullmatch
_LEADING_ZERO = re.compile(r"-?0[0-9]+").fullmatch
_POINT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?").fullmatch
_COMMA = re.compile(r"-?[0-9]+(?:,[0-9]+)?").fullmatch
_POINT_GROUPED = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?").fullmatch
_COMMA_GROUPED = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{3})*(?:,[0-9]+)?").fullmatch
#: One mark before three digits divides thousands, or is the decimal mark.
_EITHER = re.compile(r"-?(?:[1-9][0-9]{0,2}[.,][0-9]{3}|[0-9]+)").fullmatch
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_PARTED = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1([0-9]{4}|[0-9]{1,2})").match
_ID_WORDS = re.compile(
    r"(?:^|[_ .-])(?:id|key|code|no|nr|num|number|nummer|uuid|guid|sku|ref|reference)$", re.IGNORECASE
)
_ID_ENDINGS = re.compile(r"(?:Id|ID|Key|Code|Number|Nr|No)$")


@dataclass
class Column:
    """What was seen of a column."""

    label: str
    rows: int = 0
    missing: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Distinct cells, in the order of their first row, and how often each was seen; missing ones are left out."""
    is_complete: bool = True
    """Whether `counts` has all distinct cells."""

    def add(self, cell: str) -> None:
        self.rows += 1
        if cell == _MISSING:
            self.missing += 1
        elif cell in self.counts:
            self.counts[cell] += 1
        elif len(self.counts) < _MOST_DISTINCT:
            self.counts[cell] = 1
        else:
            self.is_complete = False

    def end(self, rows: int) -> None:
        """The file has so many rows: those that ended before this column have no cell in it."""
        self.missing += rows - self.rows
        self.rows = rows

    @property
    def is_unique(self) -> bool:
        return self.is_complete and self.missing == 0 and len(self.counts) == self.rows > 0


class Found(NamedTuple):
    """The members of a field beside its name, and why."""

    members: dict[str, Any]
    why: str


class Proposal(NamedTuple):
    """A definition for `PUT /v1/entities/{name}`, and the reasons: `name, label, type, why, samples` of each field."""

    definition: dict[str, Any]
    fields: list[dict[str, Any]]


def propose(columns: Sequence[Column], is_whole: bool, has_time: HasTime = no_limit) -> Proposal:
    """Propose an entity.

    Args:
        is_whole: whether all rows of the file were seen.
        has_time: columns that are not looked at in time become text.
    """
    names = field_names([column.label for column in columns])
    found = [_type_of(column, has_time) for column in columns]
    fields = [
        {"name": name, **({"title": column.label} if column.label != name else {}), **each.members}
        for name, column, each in zip(names, columns, found, strict=True)
    ]
    schema: dict[str, Any] = {"fields": fields}
    whys = [each.why for each in found]
    key = _key(columns, names, fields)
    if key is not None:
        schema["primaryKey"] = [names[key]]
        fields[key]["constraints"] = {"required": True}
        rows = columns[key].rows
        whys[key] += f"; the key, because {_differing(rows)}" + ("" if is_whole else " in the rows that were read")
    definition: dict[str, Any] = {"schema": schema}
    renamed = {column.label: name for column, name in zip(columns, names, strict=True) if column.label != name}
    if renamed:
        definition["columns"] = renamed
    shown = [
        {
            "name": name,
            "label": column.label,
            "type": members["type"],
            "why": why,
            "samples": list(column.counts)[:SAMPLES],
            "values": _few_values(column),
        }
        for name, column, members, why in zip(names, columns, fields, whys, strict=True)
    ]
    return Proposal(definition, shown)


def field_names(labels: Iterable[str]) -> list[str]:
    """Labels as names for fields: letters, digits and `_`, each once. `E-mail Address` becomes `e_mail_address`."""
    names: dict[str, None] = {}
    last: dict[str, int] = {}  # number that a name bears, where several labels are alike
    for number, label in enumerate(labels, 1):
        if re.fullmatch("[A-Za-z][A-Za-z0-9_]*", label) and label not in names:
            names[label] = None
            continue
        plain = unicodedata.normalize("NFKD", label.casefold()).encode("ascii", "ignore").decode()
        name = re.sub("[^a-z0-9]+", "_", plain).strip("_")[:60]
        if not name or not name[0].isalpha():
            name = f"column_{name or number}"
        unique = name
        while unique in names:
            last[name] = last.get(name, 1) + 1
            unique = f"{name}_{last[name]}"
        names[unique] = None
    return list(names)


class _TooLong(Exception):
    """The time is up."""


def _type_of(column: Column, has_time: HasTime) -> Found:
    cells = _Values(column.counts, has_time)
    if not cells:
        return Found({"type": "string"}, "text, because no row has a value")
    if not column.is_complete:
        return Found({"type": "string"}, "text, because there are too many different values to look at all of them")
    doubts: list[str] = []
    try:
        for guess in (_boolean, _whole, _number, _moment, _structured):
            found = guess(cells, doubts)
            if found is not None and cells.hold(found.members):
                return found
        found = _text_format(cells)
    except _TooLong:
        return Found({"type": "string"}, "text, because it takes too long to look at all values")
    return found or Found({"type": "string"}, doubts[0] if doubts else "text")


class _Values(list[str]):
    """The distinct cells of a column."""

    def __init__(self, cells: Iterable[str], has_time: HasTime) -> None:
        super().__init__(cells)
        self._has_time = has_time

    def hold(self, members: Mapping[str, Any]) -> bool:
        """Whether an import would accept every cell.

        Raises:
            _TooLong
        """
        return self.against(members) is None

    def against(self, members: Mapping[str, Any]) -> str | None:
        """The first cell that an import would refuse.

        Raises:
            _TooLong
        """
        check: Callable[[str], Any] = _field(members).check
        for number, cell in enumerate(self):
            if number % _LOOKS == 0 and not self._has_time():
                raise _TooLong
            if check(cell)[1]:
                return cell
        return None


def _field(members: Mapping[str, Any]) -> Field:
    return parse_schema({"fields": [{"name": "a", **members}]}).fields[0]


def _boolean(cells: _Values, doubts: list[str]) -> Found | None:
    folded = {cell.casefold() for cell in cells}
    if folded <= {"true", "false"}:
        pair = ("true", "false")
    elif len(folded) == 2:
        pair = next((pair for pair in _WORD_PAIRS if folded == set(pair)), ("", ""))
    else:
        return None
    if not pair[0]:
        return None
    true = [cell for cell in cells if cell.casefold() == pair[0]] or [pair[0]]
    false = [cell for cell in cells if cell.casefold() == pair[1]] or [pair[1]]
    return Found(
        {"type": "boolean", "trueValues": true, "falseValues": false}, f"every cell is {true[0]!r} or {false[0]!r}"
    )


def _whole(cells: _Values, doubts: list[str]) -> Found | None:
    if all(map(_INTEGER, cells)):
        if max(map(len, cells)) > _LONGEST_INTEGER:
            doubts.append("text, because the digits are too many for a number that is counted with")
            return None
        return Found({"type": "integer"}, "every cell is a whole number")
    zeros = next((cell for cell in cells if _LEADING_ZERO(cell)), None)
    if zeros is not None and all(_INTEGER(cell) or _LEADING_ZERO(cell) for cell in cells):
        doubts.append(f"text, because {zeros!r} would lose its leading zeros as a number")
    return None


def _number(cells: _Values, doubts: list[str]) -> Found | None:
    if doubts or any(_LEADING_ZERO(cell) for cell in cells):
        return None
    if all(map(_EITHER, cells)) and any("," in cell or "." in cell for cell in cells):
        sample = next(cell for cell in cells if "," in cell or "." in cell)
        doubts.append(f"text, because {sample!r} may be thousands or have three decimals")
        return None
    if all(map(_POINT, cells)):
        return Found({"type": "number"}, "every cell is a number with a decimal point")
    if all(map(_COMMA, cells)):
        return Found({"type": "number", "decimalChar": ","}, "every cell is a number with a decimal comma")
    if all(map(_POINT_GROUPED, cells)):
        return Found({"type": "number", "groupChar": ","}, "every cell is a number with thousands divided by commas")
    if all(map(_COMMA_GROUPED, cells)):
        members = {"type": "number", "groupChar": ".", "decimalChar": ","}
        return Found(members, "every cell is a number with thousands divided by points, and a decimal comma")
    return None


_CLOCKS = ("", "%H:%M:%S", "%H:%M")


def _moment(cells: _Values, doubts: list[str]) -> Found | None:
    """Dates, dates with times, and times; the order of day and month is that of the whole column."""
    first = cells[0]
    if all(map(_ISO_DATE, cells)) and cells.hold({"type": "date"}):
        return Found({"type": "date"}, "every cell is a date as of ISO 8601")
    for type_, format_, what in (
        ("datetime", "default", "every cell is a date and time as of RFC 3339"),
        ("datetime", "%Y-%m-%d %H:%M:%S", "every cell is a date and time, without a zone"),
        ("datetime", "%Y-%m-%dT%H:%M:%S", "every cell is a date and time, without a zone"),
        ("datetime", "%Y-%m-%d %H:%M", "every cell is a date and time, without a zone"),
        ("time", "default", "every cell is a time of day"),
        ("time", "%H:%M", "every cell is a time of day"),
    ):
        members = {"type": type_} if format_ == "default" else {"type": type_, "format": format_}
        if cells.hold(members):
            return Found(members, what)
    parted = _PARTED(first)
    if parted is None:
        return None
    mark, year = parted[1], "%Y" if len(parted[2]) == 4 else "%y"
    if first[4:5] == mark:
        orders = {f"%Y{mark}%m{mark}%d": "year first"}
    else:
        orders = {f"%d{mark}%m{mark}{year}": "day first", f"%m{mark}%d{mark}{year}": "month first"}
    fitting = {
        f"{order} {clock}".strip(): words
        for order, words in orders.items()
        for clock in _CLOCKS
        if cells.hold(_dated(f"{order} {clock}".strip()))
    }
    if len(fitting) > 1:
        doubts.append(f"text, because {first!r} may have the day or the month first, and no cell tells which")
        return None
    for format_, words in fitting.items():
        telling = cells.against(_dated(_swapped(format_))) or first
        return Found(_dated(format_), f"every cell is a date, {words}, as {telling!r} shows")
    return None


def _dated(format_: str) -> dict[str, str]:
    return {"type": "datetime" if "%H" in format_ else "date", "format": format_}


def _swapped(format_: str) -> str:
    return format_.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")


def _structured(cells: _Values, doubts: list[str]) -> Found | None:
    for type_, opening in (("object", "{"), ("array", "[")):
        if all(cell.startswith(opening) for cell in cells):
            return Found({"type": type_}, f"every cell is a JSON {type_}")
    return None


def _text_format(cells: _Values) -> Found | None:
    for format_, sign, words in (("email", "@", "an e-mail address"), ("uri", "://", "a URI"), ("uuid", "-", "a UUID")):
        members = {"type": "string", "format": format_}
        if sign in cells[0] and all(sign in cell for cell in cells) and cells.hold(members):
            return Found(members, f"every cell is {words}")
    return None


def _few_values(column: Column) -> list[str] | None:
    """All values of a column that has few, each of them often; None for others."""
    few = len(column.counts) <= MOST_VALUES and min(column.counts.values(), default=0) >= 2
    return list(column.counts) if few and len(column.counts) * ROWS_PER_VALUE <= column.rows else None


def _key(columns: Sequence[Column], names: Sequence[str], fields: Sequence[Mapping[str, Any]]) -> int | None:
    """The column that tells records apart: one that is called so, else the first one, if its cells differ."""
    unique = [
        number
        for number, column in enumerate(columns)
        if column.is_unique and fields[number]["type"] in ("string", "integer") and _fit_keys(column)
    ]
    called = [number for number in unique if _is_id(columns[number].label) or _is_id(names[number])]
    mail = [number for number in unique if fields[number].get("format") == "email"]
    return next(iter(called or [number for number in unique if number == 0] or mail), None)


def _fit_keys(column: Column) -> bool:
    """Whether the cells are short enough for keys of DynamoDB, whose sort keys have 1,024 bytes."""
    return max(map(len, column.counts)) * 4 <= 1_000 or max(len(cell.encode()) for cell in column.counts) <= 1_000


def _is_id(label: str) -> bool:
    return bool(_ID_WORDS.search(label.strip()) or _ID_ENDINGS.search(label.strip()))


def _differing(cells: int) -> str:
    return "its only cell is filled" if cells == 1 else f"its {cells:,} cells differ"
