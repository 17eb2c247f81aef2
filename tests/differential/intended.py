"""Where Waybill and frictionless-py differ on purpose. docs/validation.md explains each one under the same name.

A difference is an error that only one of the two reports. Each predicate below is as narrow as it can be: what none of
them explains fails the tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from tests.differential.verdicts import FAILED, HEADER_ROW, UNKNOWN_TO_FRICTIONLESS, Error, Table
from waybill.entities.schema import Schema, parse_schema

WAYBILL, FRICTIONLESS = "waybill", "frictionless"


@dataclass(frozen=True)
class Verdicts:
    """Both verdicts on one table, and what the predicates ask about it."""

    table: Table
    waybill: frozenset[Error]
    frictionless: frozenset[Error]

    @cached_property
    def schema(self) -> Schema:
        return parse_schema(self.table.schema)

    @cached_property
    def records(self) -> list[list[str]]:
        return self.table.records

    @cached_property
    def labels(self) -> list[str]:
        return [label.strip() for label in self.records[0]] if self.records else []

    @cached_property
    def rejected(self) -> set[int]:
        return {error.row for error in self.waybill}

    @cached_property
    def is_refused(self) -> bool:
        """The job fails before a row is looked at."""
        return any(error.row <= HEADER_ROW or error.type.startswith(FAILED) for error in self.waybill)

    def cells(self, row: int) -> list[str]:
        return self.records[row - 1] if 0 < row <= len(self.records) else []

    def cell(self, row: int, name: str) -> str | None:
        if name not in self.labels:
            return None
        cells, index = self.cells(row), self.labels.index(name)
        return cells[index] if index < len(cells) else None

    def is_missing(self, row: int, name: str) -> bool:
        cell = self.cell(row, name)
        return cell is None or cell in self.schema.by_name[name].missing

    def identity(self, row: int, name: str) -> str | None:
        """What equal values have in common; None for a null; "?" for a cell that Waybill cannot read."""
        if self.is_missing(row, name):
            return None
        field = self.schema.by_name[name]
        value = field.check(self.cell(row, name) or "")[0]
        return "?" if value is None else field.kind.identity(value)

    def same(self, row: int, other: int, names: tuple[str, ...]) -> bool:
        """Whether two rows may have equal values. Frictionless compares null with null in keys."""
        pairs = [(self.identity(row, name), self.identity(other, name)) for name in names]
        return all(one == two or "?" in (one, two) for one, two in pairs)


@dataclass(frozen=True)
class Difference:
    """An error that only `side` reports."""

    side: str
    error: Error
    verdicts: Verdicts

    @property
    def is_ours(self) -> bool:
        return self.side == WAYBILL

    @cached_property
    def descriptor(self) -> Mapping[str, Any]:
        """The field's descriptor; empty where the error is about no field."""
        fields = self.verdicts.table.schema["fields"]
        return next((field for field in fields if field["name"] == self.error.field), {})

    @property
    def type(self) -> str:
        return str(self.descriptor.get("type", "any"))

    @property
    def format(self) -> str:
        return str(self.descriptor.get("format", "default"))

    @property
    def constraints(self) -> Mapping[str, Any]:
        given: Mapping[str, Any] = self.descriptor.get("constraints", {})
        return given

    @cached_property
    def cell(self) -> str:
        return self.verdicts.cell(self.error.row, self.error.field) or ""

    @property
    def is_refused_by_us(self) -> bool:
        """A type error of ours; or a broken constraint of theirs, which such a cell cannot have."""
        return bool(self.descriptor) and self._is_type_error(self.is_ours, self.verdicts.waybill)

    @property
    def is_refused_by_them(self) -> bool:
        return bool(self.descriptor) and self._is_type_error(not self.is_ours, self.verdicts.frictionless)

    def _is_type_error(self, is_of_that_side: bool, errors: frozenset[Error]) -> bool:
        if is_of_that_side:
            return self.error.type == "type-error"
        return self.error.type == "constraint-error" and self.error._replace(type="type-error") in errors

    def items(self) -> Iterator[tuple[str, str]]:
        """(type, text) of the values in the cell: itself, or the items of a list."""
        if self.type == "list":
            for item in self.cell.split(self.descriptor.get("delimiter", ",")):
                yield self.descriptor.get("itemType", "string"), item
        else:
            yield self.type, self.cell


INTENDED: dict[str, Callable[[Difference], bool]] = {}


def intended(predicate: Callable[[Difference], bool]) -> Callable[[Difference], bool]:
    INTENDED[predicate.__name__.removeprefix("_").replace("_", "-")] = predicate
    return predicate


def explain(verdicts: Verdicts) -> tuple[set[str], list[tuple[str, Error]]]:
    """(names of the intended differences that occur, differences that none explains)."""
    names: set[str] = set()
    unexplained: list[tuple[str, Error]] = []
    ours, theirs = verdicts.waybill, verdicts.frictionless
    for side, errors in ((WAYBILL, ours - theirs), (FRICTIONLESS, theirs - ours)):
        for error in sorted(errors):
            found = {name for name, holds in INTENDED.items() if holds(Difference(side, error, verdicts))}
            names |= found
            if not found:
                unexplained.append((side, error))
    return names, unexplained


# The file as a whole


@intended
def _failed_job_reads_no_rows(it: Difference) -> bool:
    """A file with a wrong header, an open quote or bytes of another encoding is refused as a whole."""
    return not it.is_ours and it.verdicts.is_refused and it.error.row > HEADER_ROW


@intended
def _job_errors(it: Difference) -> bool:
    """Waybill says what is wrong with a file as a whole in words of its own, with the row where there is one."""
    if it.is_ours:
        return it.error.type.startswith(FAILED)
    types = {error.type for error in it.verdicts.waybill}
    failures = {type.removeprefix(FAILED) for type in types if type.startswith(FAILED)}
    return it.error.type in failures or (bool(failures & {"blank-header", "empty-file"}) and it.error.row <= HEADER_ROW)


@intended
def _label_errors_by_name(it: Difference) -> bool:
    """Where labels match by name, frictionless has one nameless error for labels that stand twice, and calls a blank
    label an extra one."""
    if it.verdicts.schema.fields_match == "exact" or it.error.row > HEADER_ROW:
        return False
    twice = len(set(it.verdicts.labels)) < len(it.verdicts.labels)
    blank = "" in it.verdicts.labels
    if it.is_ours:
        return twice or (blank and it.error.type == "blank-label")
    instead = (twice and it.error.type == "error") or (blank and it.error.type == "extra-label" and not it.error.field)
    return it.verdicts.is_refused and instead


@intended
def _repeated_blank_labels(it: Difference) -> bool:
    """Blank labels of columns that no field needs (`subset`, `partial`) are no reason to refuse a file."""
    return (
        it.verdicts.schema.fields_match in ("subset", "partial")
        and it.verdicts.labels.count("") > 1
        and Error(0, 0, "", "error") in it.verdicts.frictionless
    )


# Rows


@intended
def _blank_rows_at_the_end(it: Difference) -> bool:
    """Blank rows after the last filled one do not count."""
    below = it.verdicts.records[it.error.row - 1 :]
    return not it.is_ours and it.error.row > HEADER_ROW and not any(map(any, below))


@intended
def _stray_quotes(it: Difference) -> bool:
    """A quote inside an unquoted cell, text after a closing quote, or a NUL: the cells of such a row are a guess."""
    if Error(it.error.row, 0, "", "format-error") not in it.verdicts.waybill:
        return False
    return (it.is_ours and it.error.type == "format-error") or not it.is_ours


@intended
def _empty_rows_are_blank(it: Difference) -> bool:
    """A row of empty cells is blank also where "" is no missing value."""
    if Error(it.error.row, 0, "", "blank-row") not in it.verdicts.waybill or any(it.verdicts.cells(it.error.row)):
        return False
    if all("" in field.missing for field in it.verdicts.schema.fields):
        return False
    return (it.is_ours and it.error.type == "blank-row") or not it.is_ours


@intended
def _ragged_rows_are_not_blank(it: Difference) -> bool:
    """A row with cells too few or too many is told so, cell by cell, even if all its fields are null."""
    cells = it.verdicts.cells(it.error.row)
    ragged = len(cells) != len(it.verdicts.labels) and any(cells)
    blank = Error(it.error.row, 0, "", "blank-row") in it.verdicts.frictionless
    return ragged and blank and it.error.row in it.verdicts.rejected


@intended
def _missing_cells_once(it: Difference) -> bool:
    """A cell that is not there is `missing-cell`, not `required` as well."""
    missing = Error(it.error.row, it.error.field_number, it.error.field, "missing-cell") in it.verdicts.waybill
    return not it.is_ours and it.error.type == "constraint-error" and missing


# Keys and uniqueness


@intended
def _missing_keys(it: Difference) -> bool:
    """Every null or blank key cell is `missing-key`, and nothing else; frictionless wants one key cell."""
    key = it.verdicts.schema.primary_key
    if it.error.type == "primary-key":
        nothing = all(it.verdicts.identity(it.error.row, name) in (None, "?") for name in key)
        return nothing and it.error.row in it.verdicts.rejected
    if it.error.field not in key or (it.cell.strip() and not it.verdicts.is_missing(it.error.row, it.error.field)):
        return False
    if it.is_ours:
        return it.error.type == "missing-key"
    told = it.error._replace(type="missing-key") in it.verdicts.waybill
    return told and it.error.type in ("constraint-error", "type-error")


@intended
def _last_row_of_a_key_wins(it: Difference) -> bool:
    """Of the valid rows of one key the last is imported and the earlier ones are `duplicate-key`; frictionless reports
    the later ones, as `primary-key`, and counts bad rows."""
    row, names = it.error.row, it.verdicts.schema.primary_key
    if it.is_ours:
        below = range(row + 1, len(it.verdicts.records) + 1)
        return it.error.type == "duplicate-key" and any(it.verdicts.same(row, other, names) for other in below)
    above = [other for other in range(HEADER_ROW + 1, row) if it.verdicts.same(row, other, names)]
    rejected = it.verdicts.rejected
    return it.error.type == "primary-key" and bool(above) and (row in rejected or rejected.issuperset(above))


@intended
def _bad_rows_do_not_count(it: Difference) -> bool:
    """A row that is not imported repeats nothing, and nothing repeats it."""
    row = it.error.row
    if it.error.type != "unique-error":
        return False
    above = [other for other in range(HEADER_ROW + 1, row) if it.verdicts.same(row, other, (it.error.field,))]
    return not it.is_ours and bool(above) and (row in it.verdicts.rejected or it.verdicts.rejected.issuperset(above))


@intended
def _unique_keys(it: Difference) -> bool:
    """frictionless does not know `uniqueKeys`."""
    starts = {names[0] for names in it.verdicts.table.schema.get("uniqueKeys", [])}
    return it.is_ours and it.error.type == "unique-error" and it.error.field in starts


# Cells: what frictionless lacks


@intended
def _constraints_that_frictionless_lacks(it: Difference) -> bool:
    """Bounds of durations, `enum` of lists, `jsonSchema`, `categories`."""
    unknown = UNKNOWN_TO_FRICTIONLESS.get(it.type, set()) & it.constraints.keys()
    return it.is_ours and it.error.type == "constraint-error" and bool(unknown or "categories" in it.descriptor)


@intended
def _group_char_of_integers(it: Difference) -> bool:
    """frictionless does not know `groupChar` of integers."""
    char = it.descriptor.get("groupChar")
    return it.is_refused_by_them and it.type == "integer" and bool(char) and char in it.cell


# Cells: where frictionless takes more than the standard


@intended
def _ascii_digits(it: Difference) -> bool:
    """Only ASCII digits are digits, and `_` is none; Python reads `١٢` and `1_000`."""
    typed = {"number", "integer", "year", "date", "time", "datetime", "yearmonth", "geopoint"}
    odd = re.compile(r"(?![0-9])\d|_")
    return it.is_refused_by_us and any(kind in typed and odd.search(item) for kind, item in it.items())


@intended
def _dynamodb_numbers(it: Difference) -> bool:
    """NaN, INF, more than 38 digits and what is outside 1E-130 … 9.99E+125: DynamoDB cannot hold them."""
    return it.is_refused_by_us and any(
        kind in ("number", "integer", "geopoint") and any(map(_is_no_dynamodb_number, _numbers(it, item)))
        for kind, item in it.items()
    )


def _numbers(it: Difference, item: str) -> list[str]:
    if it.type == "geopoint":
        return re.findall(r"[0-9.eE+-]+", item)
    text = item.strip()
    if it.descriptor.get("bareNumber") is False:
        text = re.sub(r"(^[^-\d]*)|(\D*$)", "", text)
    text = text.replace(it.descriptor.get("groupChar") or "\0", "")
    return [text.replace(it.descriptor.get("decimalChar", "."), ".")]


def _is_no_dynamodb_number(text: str) -> bool:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return False
    if not value.is_finite():
        return True
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    return len(digits) > 38 or (bool(digits) and not -130 <= value.adjusted() <= 125) or len(text) > 1000


@intended
def _group_char_between_digits(it: Difference) -> bool:
    """A `groupChar` stands between two digits before the decimal point."""
    char = re.escape(it.descriptor.get("groupChar") or "\0")
    point = re.escape(it.descriptor.get("decimalChar", "."))
    misplaced = re.search(rf"(?<![0-9]){char}|{char}(?![0-9])|{point}.*{char}", it.cell)
    return it.is_refused_by_us and it.type in ("number", "integer") and bool(misplaced)


@intended
def _text_around_bare_numbers(it: Difference) -> bool:
    """With `bareNumber: false` frictionless drops signs of a negative number that are not right before it (`95-` and
    `(95)` become 95), and a point before it (`.5` becomes 5). It refuses a sign before other text (`-$95`)."""
    if it.descriptor.get("bareNumber") is not False:
        return False
    point = re.escape(it.descriptor.get("decimalChar", "."))
    signed = re.compile(r"[0-9].*[-\u2212]|\u2212.*[0-9]|\(.*[0-9].*\)", re.DOTALL)
    is_bound = it.error.type == "constraint-error"
    begins_with_point = is_bound and re.match(rf"[^0-9]*{point}[0-9]", it.cell)
    leads = it.is_refused_by_them and re.match(r"\s*[-\u2212]\D*[0-9]", it.cell)
    return bool(begins_with_point or leads) or ((it.is_refused_by_us or is_bound) and bool(signed.search(it.cell)))


@intended
def _minus_signs(it: Difference) -> bool:
    """U+2212, the minus sign of typography, is one for Waybill."""
    return it.is_refused_by_them and it.type in ("number", "integer") and "\u2212" in it.cell


@intended
def _any_space_between_groups(it: Difference) -> bool:
    """A `groupChar` that is a space stands for every space."""
    is_space = (it.descriptor.get("groupChar") or "x").isspace()
    return is_space and it.is_refused_by_them and re.search(r"[0-9]\s[0-9]", it.cell) is not None


_EXACT = {
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "time": re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"),
    "year": re.compile(r"[0-9]{4}"),
    "yearmonth": re.compile(r"[0-9]{4}-[0-9]{2}"),
    "datetime": re.compile(
        r"(?!0001-01-01|9999-12-31)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
        r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?"
    ),
    "duration": re.compile(
        r"-?P(?=[0-9T])([0-9]+W|([0-9]+Y)?([0-9]+M)?([0-9]+D)?"
        r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?)"
    ),
}


@intended
def _exact_forms(it: Difference) -> bool:
    """The default form of dates, times and durations is the standard's, to the letter."""
    return it.is_refused_by_us and it.format == "default" and any(
        kind in _EXACT and not _EXACT[kind].fullmatch(item) for kind, item in it.items()
    )  # fmt: skip


@intended
def _careful_any(it: Difference) -> bool:
    """Format `any` takes what can mean one thing only; dateutil fills gaps with today and swaps day and month."""
    return it.is_refused_by_us and it.type in ("date", "time", "datetime") and it.format == "any"


@intended
def _whole_cell_patterns(it: Difference) -> bool:
    """A pattern is XML Schema's and fits the whole cell; frictionless puts it between `^` and `$`, in Python."""
    pattern = it.constraints.get("pattern")
    if pattern is None or it.error.type != "constraint-error":
        return False
    if "-[" in pattern:
        return True
    whole = re.fullmatch(f"(?:{pattern})", it.cell, re.ASCII) and "\n" not in it.cell
    return it.is_ours and not whole and re.match(f"^{pattern}$", it.cell) is not None


@intended
def _email_addresses(it: Difference) -> bool:
    """An address is a mailbox of RFC 5321 and 6531: any quoted local part, any script, 254 characters at most."""
    if it.type != "string" or it.format != "email" or it.error.type != "type-error":
        return False
    if it.is_ours:
        return len(it.cell) > 254 or not it.cell.isascii()
    return it.cell.startswith('"') or not it.cell.isascii()


@intended
def _whole_uris(it: Difference) -> bool:
    """A URI is checked as a whole (RFC 3986); frictionless looks for the scheme."""
    return it.is_refused_by_us and it.format == "uri" and bool(re.match(r"[^:/?#]+:", it.cell))


@intended
def _one_form_of_uuids(it: Difference) -> bool:
    """A UUID is written 8-4-4-4-12 (RFC 9562)."""
    return it.is_refused_by_us and it.format == "uuid" and not re.fullmatch(r"\w{8}(-\w{4}){3}-\w{12}", it.cell)


@intended
def _strict_base64(it: Difference) -> bool:
    """Base64 is RFC 4648 section 4; frictionless drops other characters before it decodes."""
    strict = r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
    return it.is_refused_by_us and it.format == "binary" and not re.fullmatch(strict, it.cell)


@intended
def _strict_json(it: Difference) -> bool:
    """JSON that has one meaning and that DynamoDB can hold: no NaN, no name twice or empty, 32 levels, its numbers."""
    return it.is_refused_by_us and it.type in ("object", "array", "geojson", "geopoint") and _is_odd_json(it.cell)


def _is_odd_json(text: str) -> bool:
    odd: list[object] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        odd.extend(name for name, _ in members if not name)
        if len(dict(members)) < len(members):
            odd.append(members)
        return dict(members)

    def number(digits: str) -> Decimal:
        if _is_no_dynamodb_number(digits):
            odd.append(digits)
        return Decimal(digits)

    try:
        json.loads(text, parse_constant=odd.append, object_pairs_hook=pairs, parse_int=number, parse_float=number)
    except ValueError:
        return False
    depth = deepest = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return bool(odd) or deepest > 32 or "\\ud" in text.lower()


@intended
def _numbers_of_a_point(it: Difference) -> bool:
    """The two parts of a point are JSON numbers; frictionless takes `"1"` and true."""
    quoted = re.search(r'(:|\[|,)\s*("|true|false)', it.cell)
    return it.is_refused_by_us and it.type == "geopoint" and it.format != "default" and bool(quoted)


@intended
def _geojson_of_the_rfc(it: Difference) -> bool:
    """RFC 7946: rings are closed, an `id` is a text or a number, a box has two numbers or more for each corner, a
    position may have an altitude, coordinates may be empty, `crs` means nothing. TopoJSON has boxes and null
    geometries."""
    if it.type != "geojson" or it.error.type != "type-error":
        return False
    if it.is_ours:
        forms = r'Polygon|"id": *[^"0-9-]|"bbox"|"features": *\[[^{]'
    else:
        forms = r'(\[|, *)-?[0-9.]+, *-?[0-9.]+, *-?[0-9.]+|"coordinates": *\[\]|"crs"|"bbox"|"type": *null'
    return re.search(forms, it.cell) is not None


# Other rows and records


@intended
def _foreign_keys_of_imported_rows(it: Difference) -> bool:
    """A row counts only if it is imported: whoever names a rejected one is rejected, and a rejected row is not checked
    for what it names."""
    if it.error.type != "foreign-key":
        return False
    row, verdicts = it.error.row, it.verdicts
    if not it.is_ours:
        return any(error.row == row for error in verdicts.waybill)
    return any(
        [verdicts.identity(row, name) for name in key.names]
        == [verdicts.identity(other, name) for name in key.referenced]
        for key in verdicts.schema.foreign_keys
        for other in verdicts.rejected - {row}
    )
