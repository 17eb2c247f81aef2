"""Columns of values → the text of rows, as CSV, JSON Lines or a workbook's sheet. Pure.

A format turns a page's column at once: where no text of it needs quoting, escaping or the formula guard, which a pass
or two over its bytes tells, the column is taken as it stands. What rows come to is joined to fragments that follow each
other in a file without anything between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import repeat
from json.encoder import encode_basestring as quote_json
from typing import Any, Protocol

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import FieldType
from waybill.entities.fieldtypes.attributes import CANONICAL_NUMBER, are_canonical, from_attribute, json_text
from waybill.entities.fieldtypes.boolean import BooleanType
from waybill.entities.fieldtypes.export_columns import Cells, TypedColumns
from waybill.exports.definition import Definition, Format
from waybill.tabular.detect import DELIMITERS, RARE_DELIMITERS
from waybill.tabular.formulas import guard, unguard

#: What a cell of a workbook holds at most, in UTF-16 units (Excel's specifications and limits).
MAX_CELL_CHARS = 32_767
#: A double keeps any decimal number of so many significant digits.
DOUBLE_DIGITS = 15
_NUMBER = re.compile(CANONICAL_NUMBER)
_GUARD_FIRST = "'=+@\t\r-"
_CONTROLS = "".join(map(chr, range(32)))


class CellTooLong(ValueError):
    """A text is longer than a cell of the format may be."""

    def __init__(self, chars: int) -> None:
        super().__init__(f"a text of {chars} characters")
        self.chars = chars


class CellFormat(TypedColumns, Protocol):
    """How one format writes."""

    def null(self, field: Field, *, guarded: bool) -> str:
        """The whole cell of an absent value: the first of the field's missing values."""

    def rows(self, columns: Sequence[Cells]) -> str:
        """The rows of a page; there is at least one column and one row."""

    def header(self) -> str:
        """The row of names; empty where the format has none."""


def cell_format(definition: Definition, labels: Sequence[str]) -> CellFormat:
    """The format of a definition's file, for columns of these names."""
    if definition.format is Format.CSV:
        return CsvFormat(definition, labels)
    return JsonFormat(labels) if definition.format is Format.JSONL else SheetFormat(definition, labels)


class _Care:
    """Tells the texts that need care (quoting, escaping, the guard) from those that stand as they are.

    Args:
        anywhere: characters that need it wherever they stand; a line feed does always.
        first, last: characters that need it at the beginning or the end of a text.
    """

    def __init__(self, anywhere: str, first: str = "", last: str = "") -> None:
        self._anywhere = re.compile(f"[\n{re.escape(anywhere)}]").search
        self._first, self._last = frozenset(first), frozenset(last)
        classes = bytearray(b"a" * 256)
        for char in first + last:  # of a character with several bytes the first one tells
            classes[char.encode()[0]] = ord("e")
        for char in anywhere:
            classes[char.encode()[0]] = ord("x")
        classes[ord("\n")] = ord("n")
        self._classes = bytes(classes)
        self._harmless = bytes(byte for byte in range(256) if classes[byte] == ord("a"))

    def is_needless(self, cells: Sequence[str], data: bytes) -> bool:
        """Whether no text of a column needs care; `data` is `framed(cells)`."""
        if len(data.translate(None, self._harmless)) == len(cells) + 1:
            return True
        classes = data.translate(self._classes)
        return (
            b"x" not in classes
            and classes.count(b"n") == len(cells) + 1
            and b"ne" not in classes
            and b"en" not in classes
        )

    def take(self, cells: Sequence[str], careful: Callable[[str], str]) -> list[str]:
        """The texts, those that may need care through `careful`."""
        first, last, search = self._first, self._last, self._anywhere
        return [careful(cell) if cell[:1] in first or cell[-1:] in last or search(cell) else cell for cell in cells]


def framed(cells: Sequence[str]) -> bytes:
    """The texts in UTF-8, a line feed before and behind each. Raises TypeError where one is no text."""
    return ("\n" + "\n".join(cells) + "\n").encode()


def _join(parts: Iterable[str | Sequence[str]]) -> str:
    """Row by row, the constants and the columns one after the other."""
    merged: list[str | Sequence[str]] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    endless = (repeat(part) if isinstance(part, str) else part for part in merged)
    return "".join(map("".join, zip(*endless, strict=False)))


def _null_text(field: Field, guarded: bool) -> str:
    """What an import reads as null. It needs no guard, but must survive that one quote is taken off."""
    text = field.missing_values[0] if field.missing_values else ""
    return guard(text) if guarded and unguard(text) != text else text


def _nested_text(attribute: Mapping[str, Any], to_cell: Callable[[Mapping[str, Any]], str]) -> str:
    if not isinstance(attribute, dict):
        raise TypeError
    try:
        return to_cell(attribute)
    except (KeyError, TypeError, ValueError):  # a list whose items are not of its type
        return json_text(from_attribute(attribute))


def _json_value(attribute: Mapping[str, Any]) -> str:
    return json_text(from_attribute(attribute))


class CsvFormat:
    """RFC 4180 in the definition's dialect.

    A cell is quoted where it must be, and where some reader would change it: white space at its ends, a lone CR, what
    looks like a byte order mark. One that is alone in its row is quoted also where it is empty, which would be a blank
    line, and where it holds what may be taken for the delimiter.
    """

    def __init__(self, definition: Definition, labels: Sequence[str]) -> None:
        self._delimiter, self._quote = definition.delimiter, definition.quote_char
        self._line_end = definition.line_terminator
        self._labels = labels
        self._has_header = definition.header
        self._is_single = len(labels) == 1
        anywhere = f"{self._delimiter}{self._quote}\r\n"
        if self._is_single:
            anywhere += "".join(DELIMITERS + RARE_DELIMITERS)
        self._must_quote = re.compile(rf"[{re.escape(anywhere)}]|^[ \t\ufeff]|[ \t]\Z").search
        self._care = _Care(anywhere, " \t\ufeff", " \t")
        self._care_guarded = _Care(anywhere, f" \t\ufeff{_GUARD_FIRST}", " \t")
        self._flags = {True: self._cell("true"), False: self._cell("false")}

    def null(self, field: Field, *, guarded: bool) -> str:
        return self._cell(_null_text(field, guarded))

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        care, data = self._care_guarded if guarded else self._care, framed(cells)
        if self._is_single and "" in cells:
            cells = [self._cell(guard(cell) if guarded else cell) for cell in cells]
        elif not care.is_needless(cells, data):
            cells = care.take(cells, self._guarded_cell if guarded else self._cell)
        return Cells("", cells, "")

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        if decimal_char != ".":
            cells = [cell.replace(".", decimal_char) for cell in cells]
        return self.texts(cells, guarded=False)

    def booleans(self, values: Sequence[bool], kind: BooleanType | None) -> Cells:
        flags = self._flags if kind is None else {value: self._cell(text) for value, text in kind.first.items()}
        return Cells("", [flags[value] for value in values], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.texts(values if to_cell is None else [to_cell[value] for value in values], guarded=False)

    def nested(self, attributes: Sequence[Mapping[str, Any]], kind: FieldType) -> Cells:
        return Cells("", [self._cell(_nested_text(attribute, kind.to_cell)) for attribute in attributes], "")

    def rows(self, columns: Sequence[Cells]) -> str:
        lines = map(self._delimiter.join, zip(*(column.texts for column in columns), strict=True))
        return self._line_end.join(lines) + self._line_end

    def header(self) -> str:
        if not self._has_header:
            return ""
        return self._delimiter.join(map(self._cell, self._labels)) + self._line_end

    def _guarded_cell(self, text: str) -> str:
        return self._cell(guard(text))

    def _cell(self, text: str) -> str:
        if self._must_quote(text) or (self._is_single and not text):
            return f"{self._quote}{text.replace(self._quote, self._quote * 2)}{self._quote}"
        return text


class JsonFormat:
    """JSON Lines: an object a line, its members typed, in the order of the columns."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._names = [f"{',' if number else '{'}{quote_json(label)}:" for number, label in enumerate(labels)]
        self._care = _Care(_CONTROLS + '"\\')
        self._care_guarded = _Care(_CONTROLS + '"\\', _GUARD_FIRST)

    def null(self, field: Field, *, guarded: bool) -> str:
        return "null"

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        care = self._care_guarded if guarded else self._care
        if not care.is_needless(cells, framed(cells)):
            cells = care.take(cells, _guarded_json if guarded else _inside_json)
        return Cells('"', cells, '"')

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        if are_canonical(cells):
            return Cells("", cells, "")
        return Cells("", [cell if _NUMBER.fullmatch(cell) else quote_json(cell) for cell in cells], "")

    def booleans(self, values: Sequence[bool], kind: BooleanType | None) -> Cells:
        return Cells("", [_JSON_FLAGS[value] for value in values], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.texts(values if to_cell is None else [to_cell[value] for value in values], guarded=False)

    def nested(self, attributes: Sequence[Mapping[str, Any]], kind: FieldType) -> Cells:
        return Cells("", [_nested_text(attribute, _json_value) for attribute in attributes], "")

    def rows(self, columns: Sequence[Cells]) -> str:
        parts: list[str | Sequence[str]] = []
        for name, (opening, texts, closing) in zip(self._names, columns, strict=True):
            parts += [name + opening, texts, closing]
        return _join([*parts, "}\n"])

    def header(self) -> str:
        return ""


def _inside_json(text: str) -> str:
    return quote_json(text)[1:-1]


def _guarded_json(text: str) -> str:
    return quote_json(guard(text))[1:-1]


_JSON_FLAGS = {True: "true", False: "false"}
_SHEET_FLAGS = {True: '<c t="b"><v>1</v></c>', False: '<c t="b"><v>0</v></c>'}
_TEXT_OPENING, _TEXT_CLOSING = '<c t="inlineStr"><is><t>', "</t></is></c>"
_EMPTY = "<c/>"
#: The style of dates in `container`'s styles part.
DATE_STYLE = 1
_DATE_OPENING = f'<c s="{DATE_STYLE}"><v>'
# Days before this one have other serial numbers in the 1900 and 1904 systems' first programs.
_FIRST_DATE, _DAY_ZERO = date(1900, 3, 1), date(1899, 12, 30)
# What XML cannot hold, carriage returns that it would change, and text that reads as such an escape itself.
_UNFIT = re.compile("[\0-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_SPACED = re.compile(r"^[ \t]|[ \t]\Z|\n").search
# Conservative, because one set of characters is searched for quickly.
_CAREFUL = re.compile("[\0-\x20&<>_\ufffe\uffff]").search


class SheetFormat:
    """Rows of a sheet of Office Open XML (ECMA-376 part 1, 18.3.1.73), without numbers: they follow each other.

    Texts stand in their cells, so that no table of shared texts is kept; numbers are numbers where a double keeps their
    digits, dates are dates where a serial number does.
    """

    def __init__(self, definition: Definition, labels: Sequence[str]) -> None:
        self._labels = labels
        self._has_header = definition.header
        anywhere = _CONTROLS + "&<>\ufffe\uffff"
        self._care = _Care(anywhere, " ", " ")
        self._care_guarded = _Care(anywhere, " " + _GUARD_FIRST, " ")
        self._dates = _Dates()

    def null(self, field: Field, *, guarded: bool) -> str:
        """An empty cell where that is null, or where there is no better."""
        if not field.missing_values or "" in field.missing:
            return _EMPTY
        return self._cell(_null_text(field, guarded))

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        care, data = self._care_guarded if guarded else self._care, framed(cells)
        if len(data) > MAX_CELL_CHARS and max(map(len, cells)) * 2 >= MAX_CELL_CHARS:
            for cell in cells:
                _check_length(guard(cell) if guarded else cell)
        if care.is_needless(cells, data) and b"_x" not in data:
            return Cells(_TEXT_OPENING, cells, _TEXT_CLOSING)
        if guarded:
            cells = [*map(guard, cells)]
        opened = [_opened(cell) if _CAREFUL(cell) else f">{cell}" for cell in cells]
        return Cells(_TEXT_OPENING[:-1], opened, _TEXT_CLOSING)

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        if are_canonical(cells) and max(map(len, cells), default=0) <= DOUBLE_DIGITS:
            return Cells("<c><v>", cells, "</v></c>")
        return Cells("", [self._number(cell, decimal_char) for cell in cells], "")

    def booleans(self, values: Sequence[bool], kind: BooleanType | None) -> Cells:
        return Cells("", [_SHEET_FLAGS[value] for value in values], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        try:
            return Cells(_DATE_OPENING, [self._dates[value] for value in values], "</v></c>")
        except ValueError:
            return Cells("", [self._date(value, to_cell) for value in values], "")

    def nested(self, attributes: Sequence[Mapping[str, Any]], kind: FieldType) -> Cells:
        return Cells("", [self._cell(_nested_text(attribute, kind.to_cell)) for attribute in attributes], "")

    def rows(self, columns: Sequence[Cells]) -> str:
        parts: list[str | Sequence[str]] = ["<row>"]
        for opening, texts, closing in columns:
            parts += [opening, texts, closing]
        return _join([*parts, "</row>"])

    def header(self) -> str:
        return f"<row>{''.join(map(self._cell, self._labels))}</row>" if self._has_header else ""

    def _number(self, text: str, decimal_char: str) -> str:
        if _NUMBER.fullmatch(text):
            if len(text.replace(".", "").strip("-0")) <= DOUBLE_DIGITS:
                return f"<c><v>{text}</v></c>"
            text = text.replace(".", decimal_char)
        return self._cell(text)

    def _date(self, value: str, to_cell: Mapping[str, str] | None) -> str:
        try:
            return f"{_DATE_OPENING}{self._dates[value]}</v></c>"
        except ValueError:
            return self._cell(value if to_cell is None else to_cell[value])

    def _cell(self, text: str) -> str:
        return f"{_TEXT_OPENING[:-1]}{_opened(text)}{_TEXT_CLOSING}"


class _Dates(dict[str, str]):
    """ISO date → serial number. Raises ValueError for a text that has none."""

    def __missing__(self, text: str) -> str:
        if not isinstance(text, str):
            raise KeyError(text)
        value = date.fromisoformat(text)
        if value < _FIRST_DATE or value.isoformat() != text:
            raise ValueError
        if len(self) > 50_000:
            self.clear()
        serial = self[text] = str((value - _DAY_ZERO).days)
        return serial


def _opened(text: str) -> str:
    """A text in XML, with the end of the tag before it."""
    _check_length(text)
    end = ' xml:space="preserve">' if _SPACED(text) else ">"
    text = _UNFIT.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return end + text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _check_length(text: str) -> None:
    if len(text) * 2 > MAX_CELL_CHARS:
        chars = len(text.encode("utf-16-le")) // 2
        if chars > MAX_CELL_CHARS:
            raise CellTooLong(chars)
