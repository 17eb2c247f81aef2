"""Rows of CSV, written by the C library straight from a page's JSON.

It takes exports whose every field is stored as it is written: texts, ISO 8601, numbers, booleans. A page with something
unusual in it, an attribute of another type above all, is left to `encoder`, which is the rule.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping, Sequence
from typing import Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes.export_columns import Cells
from waybill.exports.formats.cells import CellFormat, Delimited
from waybill.native import ExportColumn, ExportTable, FoundValue, PageRows, Span, library

_CELL_BYTES = 8
"""The most that a cell has besides twice its text: quotes, guard, delimiter, and a margin."""
_GROWTH = 3
"""Room for the rows of a page, in its sizes: names and types of attributes take more than the quotes of cells."""
_SPARE_ROOM = 128 * 1024


class NativeRows:
    """Writes the rows of one export. Not safe for concurrent use.

    Args:
        fields: the columns, each with its attribute's name, and whether its texts get the formula guard.
        constant: a last cell that all rows have.
        gone: the attribute that marks what is left of a deleted record; empty where there is none.
    """

    def __init__(
        self,
        loaded: Any,
        form: CellFormat,
        dialect: Delimited,
        fields: Sequence[tuple[Field, str, bool]],
        constant: str | None,
        gone: str,
    ) -> None:
        columns = [_column(form, field, attribute, guarded) for field, attribute, guarded in fields]
        if constant is not None:
            columns.append(ExportColumn(absent=_span(constant)))
        special = bytearray(256)
        for char in dialect.special:
            special[ord(char)] = 1
        self._special = bytes(special)
        self._columns = (ExportColumn * len(columns))(*columns)
        longest = max(cell.size for column in columns for cell in (column.absent, column.yes, column.no))
        self._table = ExportTable(
            columns=self._columns,
            width=len(columns),
            gone=_span(gone),
            line_end=_span(dialect.line_end),
            delimiter=ord(dialect.delimiter),
            quote=ord(dialect.quote),
            quotes_empty=dialect.quotes_empty,
            is_special=self._special,
            constant_bytes=len(columns) * (longest + _CELL_BYTES) + len(dialect.line_end),
        )
        self._library_writes = loaded.waybill_page_rows
        self._found = (FoundValue * (len(columns) + 1))()
        self._text = self._scratch = ctypes.create_string_buffer(0)

    def write(self, body: bytes, stays: bytes | None) -> tuple[bytes, int, int, dict[str, Any] | None] | None:
        """(The rows of a page, how many they are, of how many items, the page's last key); None where the rule must
        write them.

        Args:
            stays: a byte for each item, 0 where it is no row; all are rows when None.
        """
        if len(self._scratch) < len(body):
            room = len(body) + _SPARE_ROOM  # pages differ a little in size
            self._scratch = ctypes.create_string_buffer(room)
            self._text = ctypes.create_string_buffer(_GROWTH * room)
        rows = PageRows(
            text=ctypes.addressof(self._text),
            room=len(self._text),
            scratch=ctypes.addressof(self._scratch),
            found=self._found,
        )
        if not self._library_writes(body, len(body), self._table, stays, 0 if stays is None else len(stays), rows):
            return None
        last_key = json.loads(body[rows.key_start : rows.key_end]) if rows.key_end else None
        return ctypes.string_at(rows.text, rows.size), rows.count, rows.items, last_key


def native_rows(
    form: CellFormat, fields: Sequence[tuple[Field, str, bool]], constant: str | None, gone: str
) -> NativeRows | None:
    """What writes these columns; None where the library was not built, or does not write the format, the dialect or
    one of the fields."""
    dialect = form.delimited
    if dialect is None or not f"{dialect.special}{dialect.quote}".isascii():
        return None
    names = [attribute for _, attribute, _ in fields]
    if not all(field.kind.is_written_as_stored for field, _, _ in fields) or not all(map(_is_plain, names)):
        return None
    loaded = library()
    return None if loaded is None else NativeRows(loaded, form, dialect, fields, constant, gone)


def _is_plain(name: str) -> bool:
    """Whether JSON writes a name as it is."""
    return json.dumps(name, ensure_ascii=False) == f'"{name}"'


class _Asked:
    """Notes what a type asks of a format for its column (`TypedColumns`)."""

    point = "."
    words: Mapping[bool, str] | None = None

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        return Cells("", cells, "")

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        self.point = decimal_char
        return Cells("", cells, "")

    def booleans(self, values: Sequence[bool], words: Mapping[bool, str] | None) -> Cells:
        self.words = words
        return Cells("", [], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return Cells("", values, "")

    moments = dates

    def nested(self, attributes: Sequence[Any], to_cell: Any) -> Cells:
        raise NotImplementedError


def _column(form: CellFormat, field: Field, attribute: str, guarded: bool) -> ExportColumn:
    asked = _Asked()
    field.kind.exported(asked, guarded)([])
    yes, no = form.booleans([True, False], asked.words).whole()
    return ExportColumn(
        name=_span(attribute),
        letter=ord(field.kind.letter[0]),
        is_guarded=guarded,
        point=ord(asked.point),
        absent=_span(form.null(field, guarded=guarded)),
        yes=_span(yes),
        no=_span(no),
    )


def _span(text: str) -> Span:
    return Span.of(text.encode())
