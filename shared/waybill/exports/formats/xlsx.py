"""Workbooks of Office Open XML (ECMA-376) with one sheet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import Attribute
from waybill.entities.fieldtypes.attributes import are_canonical
from waybill.entities.fieldtypes.export_columns import Cells
from waybill.errors import JobFailed
from waybill.exports.compression import Output, ZipStream
from waybill.exports.formats.base import Column, DelimitedRows, Format, Framing
from waybill.exports.formats.cells import (
    CONTROLS,
    NUMBER,
    Care,
    CellRefused,
    framed,
    join_columns,
    nested_text,
    null_text,
)
from waybill.exports.workbook_parts import (
    DATE_STYLE,
    MAIN,
    SHEET_NAME_CHARS,
    STYLES,
    XML,
    content_types,
    opened_text,
    relations,
    workbook_part,
)
from waybill.tabular.formulas import GUARD_FIRST, guard
from waybill.tabular.xlsx_sheet import MAX_ROWS

if TYPE_CHECKING:
    from waybill.exports.definition import Definition

_LIMIT = "xlsx-limit"
"""Error code of a job whose rows do not fit into a workbook."""
#: What a cell of a workbook holds at most, in UTF-16 units (Excel's specifications and limits).
MAX_CELL_CHARS = 32_767
#: A double keeps any decimal number of so many significant digits.
DOUBLE_DIGITS = 15
_FLAGS = {True: '<c t="b"><v>1</v></c>', False: '<c t="b"><v>0</v></c>'}
_TEXT_OPENING, _TEXT_CLOSING = '<c t="inlineStr"><is><t>', "</t></is></c>"
_EMPTY = "<c/>"
_SHEET_END = b"</sheetData></worksheet>"
_DATE_OPENING = f'<c s="{DATE_STYLE}"><v>'
# Programs disagree on the serial numbers of earlier days (the 1900 leap year of Lotus 1-2-3).
_FIRST_DATE, _DAY_ZERO = date(1900, 3, 1), date(1899, 12, 30)
# Finds more than needs care, because one set of characters is searched for quickly.
_CAREFUL = re.compile("[\0-\x20&<>_\ufffe\uffff]").search


class SheetCells:
    """Rows of a sheet of Office Open XML (ECMA-376 part 1, 18.3.1.73), without numbers: they follow each other.

    Texts are in their cells, so that no table of shared texts is kept in memory. Numbers are numbers where a double
    keeps their digits, and dates are dates where they have a serial number.
    """

    delimited = None

    def __init__(self, definition: Definition, columns: Sequence[Column]) -> None:
        self._labels = [column.label for column in columns]
        self._has_header = definition.header
        anywhere = CONTROLS + "&<>\ufffe\uffff"
        self._care = Care(anywhere, " ", " ")
        self._care_guarded = Care(anywhere, " " + GUARD_FIRST, " ")
        self._dates = _Dates()

    def null(self, field: Field, *, guarded: bool) -> str:
        """An empty cell, unless an import would not read it as null."""
        if not field.missing_values or "" in field.missing:
            return _EMPTY
        return self._cell(null_text(field, guarded))

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

    def booleans(self, values: Sequence[bool], words: Mapping[bool, str] | None) -> Cells:
        return Cells("", [_FLAGS[value] for value in values], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        try:
            return Cells(_DATE_OPENING, [self._dates[value] for value in values], "</v></c>")
        except ValueError:
            return Cells("", [self._date(value, to_cell) for value in values], "")

    def moments(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.texts(values if to_cell is None else [to_cell[value] for value in values], guarded=False)

    def nested(self, attributes: Sequence[Mapping[str, Any]], to_cell: Callable[[Attribute], str]) -> Cells:
        return Cells("", [self._cell(nested_text(attribute, to_cell)) for attribute in attributes], "")

    def rows(self, columns: Sequence[Cells]) -> str:
        parts: list[str | Sequence[str]] = ["<row>"]
        for opening, texts, closing in columns:
            parts += [opening, texts, closing]
        return join_columns([*parts, "</row>"])

    def header(self) -> str:
        return f"<row>{''.join(map(self._cell, self._labels))}</row>" if self._has_header else ""

    def _number(self, text: str, decimal_char: str) -> str:
        if NUMBER.fullmatch(text):
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
    """ISO date → serial number. Raises ValueError for a text without one."""

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
    """A text in XML, with the end of the tag before it.

    Raises:
        CellRefused
    """
    _check_length(text)
    return opened_text(text)


def _check_length(text: str) -> None:
    if len(text) * 2 > MAX_CELL_CHARS:
        chars = len(text.encode("utf-16-le")) // 2
        if chars > MAX_CELL_CHARS:
            limit = f"a cell of a workbook holds {MAX_CELL_CHARS:,}. Export as csv or jsonl."
            raise CellRefused(f"has {chars:,} characters; {limit}", _LIMIT)


def _parts(sheet_name: str) -> dict[str, str]:
    """The parts of a workbook besides its sheet, by path."""
    parts = {
        "xl/workbook.xml": workbook_part(sheet_name),
        "xl/styles.xml": STYLES,
        "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
    }
    return {"[Content_Types].xml": content_types([*parts, "xl/worksheets/sheet1.xml"]), **parts}


class Workbook(Framing):
    """The file around a sheet's rows (see `Framing`)."""

    # A zip file needs a time. A fixed one makes two exports of the same rows the same bytes.
    _NO_TIME = datetime(1980, 1, 1, tzinfo=UTC)

    def __init__(self, output: Output, definition: Definition, columns: Sequence[Column]) -> None:
        self._archive = ZipStream(output, self._NO_TIME)
        self._sheet_name = definition.entity[:SHEET_NAME_CHARS]
        self._rows_left = MAX_ROWS - definition.header

    def begin(self, header: bytes) -> None:
        for path, text in _parts(self._sheet_name).items():
            self._archive.open(path)
            self._archive.write(text.encode())
            self._archive.close()
        self._archive.open("xl/worksheets/sheet1.xml")
        self._archive.write(f'{XML}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
        self._archive.write(header)

    def write(self, data: bytes, rows: int) -> None:
        """
        Raises:
            JobFailed: `xlsx-limit`, the sheet is full.
        """
        self._rows_left -= rows
        if self._rows_left < 0:
            message = f"A sheet of a workbook holds {MAX_ROWS:,} rows, and there are more."
            raise JobFailed(_LIMIT, f"{message} Split the export, or export as csv or jsonl.")
        self._archive.write(data)

    def flush(self) -> None:
        self._archive.flush()

    def most(self, size_bytes: int) -> int:
        return self._archive.most(size_bytes + len(_SHEET_END))

    def end(self) -> None:
        self._archive.write(_SHEET_END)
        self._archive.close()
        self._archive.end()


XLSX = Format(
    name="xlsx",
    extension="xlsx",
    content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    cells=SheetCells,
    framing=Workbook,
    dialect_members=frozenset({"header"}),
    max_rows=MAX_ROWS,
    rows=lambda _: DelimitedRows(b"</row>"),
)
