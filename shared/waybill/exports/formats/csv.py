"""CSV (RFC 4180) in the dialect of the definition."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import Attribute
from waybill.entities.fieldtypes.export_columns import Cells
from waybill.exports.formats.base import Column, DelimitedRows, Format
from waybill.exports.formats.cells import Care, Delimited, framed, nested_text, null_text
from waybill.tabular.detect_dialect import DELIMITERS, RARE_DELIMITERS
from waybill.tabular.formulas import GUARD_FIRST, guard

if TYPE_CHECKING:
    from waybill.exports.definition import Definition


class CsvCells:
    """A cell is quoted where it must be, and where a reader would change it: white space at its ends, a lone CR, what
    looks like a byte order mark. The only cell of a row is also quoted where it is empty, which would be a blank line,
    and where it holds what may be taken for the delimiter.
    """

    def __init__(self, definition: Definition, columns: Sequence[Column]) -> None:
        self._delimiter, self._quote = definition.delimiter, definition.quote_char
        self._line_end = definition.line_terminator
        self._labels = [column.label for column in columns]
        self._has_header = definition.header
        self._is_single = len(columns) == 1
        self._special = f"{self._delimiter}{self._quote}\r\n"
        if self._is_single:
            self._special += "".join(DELIMITERS + RARE_DELIMITERS)
        self.delimited: Delimited | None = Delimited(
            self._delimiter, self._quote, self._line_end, self._special, self._is_single
        )
        self._must_quote = re.compile(rf"[{re.escape(self._special)}]|^[ \t\ufeff]|[ \t]\Z").search
        self._care = Care(self._special, " \t\ufeff", " \t")
        self._care_guarded = Care(self._special, f" \t\ufeff{GUARD_FIRST}", " \t")
        self._flags = {True: self._cell("true"), False: self._cell("false")}

    def null(self, field: Field, *, guarded: bool) -> str:
        return self._cell(null_text(field, guarded))

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

    def booleans(self, values: Sequence[bool], words: Mapping[bool, str] | None) -> Cells:
        flags = self._flags if words is None else {value: self._cell(text) for value, text in words.items()}
        return Cells("", [flags[value] for value in values], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.texts(values if to_cell is None else [to_cell[value] for value in values], guarded=False)

    def moments(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.dates(values, to_cell)

    def nested(self, attributes: Sequence[Mapping[str, Any]], to_cell: Callable[[Attribute], str]) -> Cells:
        return Cells("", [self._cell(nested_text(attribute, to_cell)) for attribute in attributes], "")

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


def _rows(definition: Definition) -> DelimitedRows:
    return DelimitedRows(b"\n", definition.quote_char.encode())


CSV = Format(name="csv", extension="csv", content_type="text/csv; charset=utf-8", cells=CsvCells, rows=_rows)
