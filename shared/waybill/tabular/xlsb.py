"""Read sheets of a binary workbook as streams of rows (MS-XLSB).

Its parts are records: a kind and a size of one or two, and of up to four bytes, then the data (2.1.4).
"""

from __future__ import annotations

import posixpath
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from waybill.native import MAX_COLUMNS
from waybill.tabular.sheets import NoValue, Parts, Tab, Value, bad_workbook
from waybill.tabular.xlsx_formats import BUILT_IN, GENERAL, Format, format_of, typed_number
from waybill.tabular.xlsx_sheet import MAX_ROWS
from waybill.tabular.xlsx_texts import Texts
from waybill.tabular.xlsx_xml import relations_in

MAX_PART_BYTES = 16 * 1024**2
MAX_SHARED_TEXT_BYTES = 256 * 1024**2
MAX_SHEET_BYTES = 1024**3
MAX_RECORD_BYTES = 16 * 1024**2

# Kinds of records (2.3.2).
_ROW, _BLANK, _RK, _ERROR, _BOOL, _REAL, _TEXT, _SHARED = range(8)
_FORMULA_TEXT, _FORMULA_NUMBER, _FORMULA_BOOL, _FORMULA_ERROR = range(8, 12)
_SHORT_BLANK, _SHORT_SHARED = 12, 18
_SHARED_ITEM, _NUMBER_FORMAT, _CELL_FORMAT, _RICH_TEXT = 19, 44, 47, 62
_END_SHEET_DATA, _PROPERTIES, _TAB = 146, 153, 156
_BEGIN_CELL_FORMATS, _END_CELL_FORMATS = 617, 618
_LONG_KIND = {12: _BLANK, 13: _RK, 14: _ERROR, 15: _BOOL, 16: _REAL, 17: _TEXT, 18: _SHARED}
ERRORS = {  # MS-XLSB 2.5.97.2, as MS-XLS 2.5.10
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}


class XlsbWorkbook:
    """An open workbook (`waybill.tabular.sheets.Workbook`).

    Raises:
        JobFailed: `format-error`.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._parts = Parts(archive)
        root = self._relations("_rels/.rels", "")
        path = next((path for kind, path in root.values() if kind == "officeDocument"), "xl/workbook.bin")
        folder, name = posixpath.split(path)
        self._related = self._relations(posixpath.join(folder, "_rels", f"{name}.rels"), folder)
        self.tabs = list[Tab]()
        self._tab_paths: list[str] = []
        self._is_1904 = False
        with _damage_told():
            for kind, data in self._records(path, MAX_PART_BYTES):
                if kind == _PROPERTIES:
                    self._is_1904 = bool(data[0] & 1)
                elif kind == _TAB:
                    relation, at = _wide(data, 8)
                    part, target = self._related.get(relation, ("", ""))
                    is_visible = struct.unpack_from("<I", data)[0] == 0
                    self.tabs.append(Tab(_wide(data, at)[0], is_visible, part == "worksheet"))
                    self._tab_paths.append(target)

    def rows(self, tab: int) -> Iterator[tuple[int, list[Value]]]:
        row, cells = 0, list[Value]()
        with _damage_told():
            for kind, data in self._records(self._tab_paths[tab], MAX_SHEET_BYTES):
                if kind == _ROW:
                    if cells:
                        yield row, cells
                    before, row, cells = row, struct.unpack_from("<I", data)[0] + 1, []
                    if not before < row <= MAX_ROWS:
                        raise bad_workbook("its rows are out of order", row)
                elif kind <= _SHORT_SHARED or kind == _RICH_TEXT:
                    if row == 0:
                        raise bad_workbook("a cell has no row")
                    self._add(kind, data, row, cells)
                elif kind == _END_SHEET_DATA:
                    break
        if cells:
            yield row, cells

    def _add(self, kind: int, data: bytes, row: int, cells: list[Value]) -> None:
        if kind >= _SHORT_BLANK and kind != _RICH_TEXT:  # it comes right after the cell before
            kind, data = _LONG_KIND[kind], struct.pack("<I", len(cells)) + data
        column, style = struct.unpack_from("<II", data)
        if not len(cells) <= column < MAX_COLUMNS:
            raise bad_workbook("its cells are out of order", row)
        value = self._value(kind, data, style & 0xFFFFFF)
        cells += [None] * (column - len(cells)) + [value]

    def _value(self, kind: int, data: bytes, style: int) -> Value:
        if kind == _BLANK:
            return None
        if kind == _RK:
            return self._number(_rk(struct.unpack_from("<I", data, 8)[0]), style)
        if kind in (_REAL, _FORMULA_NUMBER):
            return self._number(struct.unpack_from("<d", data, 8)[0], style)
        if kind in (_ERROR, _FORMULA_ERROR):
            return ERRORS.get(data[8], "#UNKNOWN!")
        if kind in (_BOOL, _FORMULA_BOOL):
            return bool(data[8])
        if kind == _SHARED:
            return self._shared(struct.unpack_from("<I", data, 8)[0])
        return _wide(data, 9 if kind == _RICH_TEXT else 8)[0]

    def _number(self, value: float, style: int) -> Value:
        if value != value or abs(value) == float("inf"):
            return NoValue(str(value))
        form = self._formats[style] if style < len(self._formats) else GENERAL
        return typed_number(value, form, self._is_1904)

    def _shared(self, index: int) -> str:
        if index >= len(self._texts):
            raise bad_workbook("a text is missing")
        return self._texts[index]

    @cached_property
    def _formats(self) -> list[Format]:
        codes: dict[int, str] = {}
        formats: list[Format] = []
        is_inside = False
        for kind, data in self._records(self._part_of("styles"), MAX_PART_BYTES):
            if kind == _NUMBER_FORMAT:
                codes[struct.unpack_from("<H", data)[0]] = _wide(data, 2)[0]
            elif kind in (_BEGIN_CELL_FORMATS, _END_CELL_FORMATS):
                is_inside = kind == _BEGIN_CELL_FORMATS
            elif kind == _CELL_FORMAT and is_inside:
                number = struct.unpack_from("<H", data, 2)[0]
                formats.append(format_of(codes.get(number, BUILT_IN.get(number, ""))))
        return formats

    @cached_property
    def _texts(self) -> Texts:
        texts = Texts()
        for kind, data in self._records(self._part_of("sharedStrings"), MAX_SHARED_TEXT_BYTES):
            if kind == _SHARED_ITEM:
                texts.append(_wide(data, 1)[0])
        return texts

    def _relations(self, path: str, folder: str) -> dict[str, tuple[str, str]]:
        data = self._parts.read(path, MAX_PART_BYTES)
        return {} if data is None else relations_in(data, folder)

    def _part_of(self, kind: str) -> str:
        return next((path for one, path in self._related.values() if one == kind), "")

    def _records(self, path: str, max_bytes: int) -> Iterator[tuple[int, bytes]]:
        """(kind, data) of the records of a part; none of one that the workbook does not have."""
        if not path:
            return
        buffer = b""
        for data in self._parts.blocks(path, max_bytes):
            buffer, at = buffer + data, 0
            while (found := _record(buffer, at)) is not None:
                kind, start, at = found
                yield kind, buffer[start:at]
            buffer = buffer[at:]
            if len(buffer) > MAX_RECORD_BYTES:
                raise bad_workbook("a record of it is too long")
        if buffer:
            raise bad_workbook("it is damaged or ends too early")


@contextmanager
def _damage_told() -> Iterator[None]:
    """Turns what records that end too early raise into JobFailed."""
    try:
        yield
    except (struct.error, IndexError, UnicodeDecodeError):
        raise bad_workbook("a record of it is damaged") from None


def _record(buffer: bytes, at: int) -> tuple[int, int, int] | None:
    """(kind, start, end) of the record at a place in the buffer; None where the buffer ends before it does."""
    end = len(buffer)
    if at >= end:
        return None
    kind = buffer[at]
    at += 1
    if kind & 0x80:
        if at >= end:
            return None
        kind = kind & 0x7F | (buffer[at] & 0x7F) << 7
        at += 1
    size = 0
    for shift in (0, 7, 14, 21):
        if at >= end:
            return None
        byte = buffer[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return (kind, at, at + size) if at + size <= end else None


def _wide(data: bytes, at: int) -> tuple[str, int]:
    """A text, and where it ends (2.5.168); the empty one for null."""
    length = struct.unpack_from("<I", data, at)[0]
    if length == 0xFFFFFFFF:
        return "", at + 4
    end = at + 4 + 2 * length
    if end > len(data):
        raise IndexError
    return data[at + 4 : end].decode("utf-16-le"), end


def _rk(number: int) -> float:
    """A number of 30 bits: the upper ones of a double, or a whole number; perhaps a hundredth of it (2.5.123)."""
    if number & 2:
        value = float((number ^ 0x80000000) - 0x80000000 >> 2)
    else:
        (value,) = struct.unpack("<d", struct.pack("<Q", (number & 0xFFFFFFFC) << 32))
    return value / 100 if number & 1 else value
