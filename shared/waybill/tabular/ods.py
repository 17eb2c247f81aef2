"""Read sheets of an OpenDocument spreadsheet as streams of rows (OASIS OpenDocument 1.3, part 3).

Cells have their values in attributes, dates and times included. Number formats count in two places only: leading zeros,
which the shown text has, and whether a time is a time of day or elapsed. A repeated row or cell costs nothing before
it is written out. A document type declaration is refused.
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from waybill.errors import JobFailed
from waybill.native import MAX_COLUMNS
from waybill.tabular.records import RECORD_CAP_BYTES
from waybill.tabular.sheets import Digits, NoValue, Parts, Tab, Value, bad_workbook
from waybill.tabular.xlsx_formats import serial_value
from waybill.tabular.xlsx_sheet import MAX_ROWS
from waybill.tabular.xlsx_xml import BROKEN_XML, new_parser

MAX_CONTENT_BYTES = 1024**3
MAX_STYLES_BYTES = 16 * 1024**2
# Cells that are written out of repeated ones.
MAX_REPEATED_CELLS = 10_000_000

_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 "
_STYLE = "urn:oasis:names:tc:opendocument:xmlns:style:1.0 "
_NUMBER = "urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0 "
_EXTENDED = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 "

_TABLE_TAG = re.compile(rb"<(?:[\w.-]+:)?table(?=[\s>])[^>]*>")
_NAME_ATTRIBUTE = re.compile(rb"\s(?:[\w.-]+:)?name\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_STYLE_NAME_ATTRIBUTE = re.compile(rb"\s(?:[\w.-]+:)?style-name\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_DURATION = re.compile(r"(-?)P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:[.,][0-9]+)?)S)?)?")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]+))?)?")
_NUMERAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
_NUMERIC = frozenset({"float", "percentage", "currency"})
# White space that a paragraph states, apart from characters; XML has none of these.
_SPACE, _TAB, _BREAK = "\0", "\1", "\2"
_STATED = str.maketrans({_SPACE: " ", _TAB: "\t", _BREAK: "\n"})

_EXTENDED_VALUE_TYPE = _EXTENDED + "value-type"
_NUMBER_TIME_STYLE = _NUMBER + "time-style"
_NUMBER_TRUNCATE_ON_OVERFLOW = _NUMBER + "truncate-on-overflow"
_OFFICE_ANNOTATION = _OFFICE + "annotation"
_OFFICE_BOOLEAN_VALUE = _OFFICE + "boolean-value"
_OFFICE_DATE_VALUE = _OFFICE + "date-value"
_OFFICE_STRING_VALUE = _OFFICE + "string-value"
_OFFICE_TIME_VALUE = _OFFICE + "time-value"
_OFFICE_VALUE = _OFFICE + "value"
_OFFICE_VALUE_TYPE = _OFFICE + "value-type"
_STYLE_DATA_STYLE_NAME = _STYLE + "data-style-name"
_STYLE_FAMILY = _STYLE + "family"
_STYLE_NAME = _STYLE + "name"
_STYLE_PARENT_STYLE_NAME = _STYLE + "parent-style-name"
_STYLE_STYLE = _STYLE + "style"
_STYLE_TABLE_PROPERTIES = _STYLE + "table-properties"
_TABLE_COVERED_TABLE_CELL = _TABLE + "covered-table-cell"
_TABLE_DEFAULT_CELL_STYLE_NAME = _TABLE + "default-cell-style-name"
_TABLE_DISPLAY = _TABLE + "display"
_TABLE_FORMULA = _TABLE + "formula"
_TABLE_NAME = _TABLE + "name"
_TABLE_NUMBER_COLUMNS_REPEATED = _TABLE + "number-columns-repeated"
_TABLE_NUMBER_ROWS_REPEATED = _TABLE + "number-rows-repeated"
_TABLE_SHAPES = _TABLE + "shapes"
_TABLE_STYLE_NAME = _TABLE + "style-name"
_TABLE_TABLE = _TABLE + "table"
_TABLE_TABLE_CELL = _TABLE + "table-cell"
_TABLE_TABLE_COLUMN = _TABLE + "table-column"
_TABLE_TABLE_ROW = _TABLE + "table-row"
_TABLE_TRACKED_CHANGES = _TABLE + "tracked-changes"
_TEXT_C = _TEXT + "c"
_TEXT_LINE_BREAK = _TEXT + "line-break"
_TEXT_NOTE = _TEXT + "note"
_TEXT_P = _TEXT + "p"
_TEXT_RUBY_TEXT = _TEXT + "ruby-text"
_TEXT_S = _TEXT + "s"
_TEXT_TAB = _TEXT + "tab"
_CELLS = frozenset({_TABLE_TABLE_CELL, _TABLE_COVERED_TABLE_CELL})


class _Table(NamedTuple):
    """A table: where it begins in the content, its name and that of its style."""

    start: int
    name: str
    style: str


class _Styles:
    """The styles that matter: hidden tables, and cells that show times of day."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        self._data_styles: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._clocks: set[str] = set()
        self._family = self._name = ""

    def see(self, name: str, attributes: dict[str, str]) -> None:
        """An element that begins."""
        if name == _STYLE_STYLE:
            self._family, self._name = attributes.get(_STYLE_FAMILY, ""), attributes.get(_STYLE_NAME, "")
            if data_style := attributes.get(_STYLE_DATA_STYLE_NAME):
                self._data_styles[self._name] = data_style
            if parent := attributes.get(_STYLE_PARENT_STYLE_NAME):
                self._parents[self._name] = parent
        elif name == _STYLE_TABLE_PROPERTIES:
            if self._family == "table" and attributes.get(_TABLE_DISPLAY) == "false":
                self.hidden.add(self._name)
        elif name == _NUMBER_TIME_STYLE and attributes.get(_NUMBER_TRUNCATE_ON_OVERFLOW) != "false":
            self._clocks.add(attributes.get(_STYLE_NAME, ""))

    def is_clock(self, style: str) -> bool:
        """Whether cells of this style show times of day, not elapsed time."""
        for _ in range(10):
            if style in self._data_styles:
                return self._data_styles[style] in self._clocks
            style = self._parents.get(style, "")
        return False


class OdsWorkbook:
    """An open workbook (`waybill.tabular.sheets.Workbook`).

    Raises:
        JobFailed: `format-error`.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._parts = Parts(archive)
        self._refuse_encrypted()
        self._styles = _Styles()
        self._tables, self._head = self._find_tables()
        if not self._tables:
            raise bad_workbook("it is an OpenDocument file without tables")
        common = self._parts.read("styles.xml", MAX_STYLES_BYTES)
        if common is not None:
            self._see_styles(common, is_whole=True)
        self._see_styles(self._head, is_whole=False)
        self.tabs = [Tab(table.name, table.style not in self._styles.hidden) for table in self._tables]

    def _refuse_encrypted(self) -> None:
        manifest = self._parts.read("META-INF/manifest.xml", MAX_STYLES_BYTES) or b""
        if "encrypted-package" in self._parts or b"encryption-data" in manifest:
            raise bad_workbook("it is protected with a password")

    def rows(self, tab: int) -> Iterator[tuple[int, list[Value]]]:
        """The rows of a table. Those before it are left out, so that it costs no more than it has."""
        parser = _TableParser(self._styles)
        skip = self._tables[tab].start
        try:
            parser.feed(self._head)
            for data in self._parts.blocks("content.xml", MAX_CONTENT_BYTES):
                if skip >= len(data):
                    skip -= len(data)
                    continue
                parser.feed(data[skip:])
                skip = 0
                for row, repeat, values in parser.take():
                    for number in range(row, row + repeat):
                        yield number, list(values)
                if parser.is_over:
                    break
            else:
                raise bad_workbook("it ends too early")
        except BROKEN_XML:
            raise bad_workbook("its XML is broken") from None
        except (ValueError, OverflowError):
            raise bad_workbook("it contains an invalid value") from None
        if parser.name != self._tables[tab].name:
            raise bad_workbook("its tables cannot be told apart")

    def _find_tables(self) -> tuple[list[_Table], bytes]:
        """The tables, and the content before the first one. Only their start tags are searched for: `rows` parses."""
        tables: list[_Table] = []
        head, tail, at = b"", b"", 0
        for data in self._parts.blocks("content.xml", MAX_CONTENT_BYTES):
            block = tail + data
            for found in _TABLE_TAG.finditer(block):
                name, style = _attribute(_NAME_ATTRIBUTE, found[0]), _attribute(_STYLE_NAME_ATTRIBUTE, found[0])
                if not tables:
                    head += block[: found.start()]
                tables.append(_Table(at + found.start(), name, style))
            if tables:
                keep = max(block.rfind(b"<"), 0)
            else:
                keep = max(len(block) - 4096, 0)
                head += block[:keep]
            keep = keep if b">" not in block[keep:] or not tables else len(block)
            tail, at = block[keep:], at + keep
            if len(head) > MAX_STYLES_BYTES or len(tail) > MAX_STYLES_BYTES:
                raise bad_workbook("its styles are too long")
        return tables, head

    def _see_styles(self, data: bytes, *, is_whole: bool) -> None:
        parser = new_parser()
        parser.StartElementHandler = self._styles.see
        try:
            parser.Parse(data, is_whole)
        except (*BROKEN_XML, ValueError):
            raise bad_workbook("its XML is broken") from None


def _attribute(pattern: re.Pattern[bytes], tag: bytes) -> str:
    found = pattern.search(tag)
    return html.unescape((found[1] or found[2] or b"").decode("utf-8", "replace")) if found else ""


class _TableParser:
    """Parses the content up to the end of its first table, and collects the rows of that."""

    def __init__(self, styles: _Styles) -> None:
        self.name = ""
        self.is_over = False
        self._styles = styles
        self._rows: list[tuple[int, int, list[Value]]] = []
        self._depth = self._table_depth = self._row_depth = self._cell_depth = self._skip_depth = 0
        self._row, self._row_repeat, self._repeated_cells, self._chars = 1, 1, 0, 0
        self._row_style = ""
        self._column_styles: list[tuple[int, str]] = []  # (column behind the last one, default style)
        self._cells: list[Value] = []
        self._column = 0
        self._cell: dict[str, str] = {}
        self._paragraphs: list[list[str]] = []
        self._is_text = False
        self._parser = new_parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, data: bytes) -> None:
        if not self.is_over:
            self._parser.Parse(data, False)

    def take(self) -> list[tuple[int, int, list[Value]]]:
        """(row number, how often it is repeated, values) of the rows so far."""
        taken, self._rows = self._rows, []
        return taken

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._skip_depth or self.is_over:
            return
        if self._cell_depth:
            if name == _TEXT_P and self._depth == self._cell_depth + 1:
                self._paragraphs.append([])
                self._is_text = True
            else:
                self._start_in_cell(name, attributes)
        elif self._row_depth:
            if name in _CELLS:
                self._cell_depth, self._cell = self._depth, attributes
                self._paragraphs, self._is_text = [], False
        elif self._table_depth:
            self._start_in_table(name, attributes)
        elif name == _TABLE_TABLE:
            self._table_depth, self.name = self._depth, attributes.get(_TABLE_NAME, "")
        elif name == _TABLE_TRACKED_CHANGES:
            self._skip_depth = self._depth

    def _start_in_table(self, name: str, attributes: dict[str, str]) -> None:
        if name == _TABLE_TABLE_ROW:
            self._row_depth, self._row_style = self._depth, attributes.get(_TABLE_DEFAULT_CELL_STYLE_NAME, "")
            self._row_repeat = _count(attributes.get(_TABLE_NUMBER_ROWS_REPEATED, "1"))
            self._cells, self._column, self._chars = [], 0, 0
        elif name == _TABLE_TABLE_COLUMN:
            behind = self._column_styles[-1][0] if self._column_styles else 0
            repeat = _count(attributes.get(_TABLE_NUMBER_COLUMNS_REPEATED, "1"))
            style = attributes.get(_TABLE_DEFAULT_CELL_STYLE_NAME, "")
            self._column_styles.append((behind + repeat, style))
        elif name == _TABLE_SHAPES:
            self._skip_depth = self._depth

    def _start_in_cell(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == self._cell_depth + 1:  # notes, pictures, tables
            self._skip_depth = self._depth
        elif name == _TEXT_S:
            count = _count(attributes.get(_TEXT_C, "1"))
            self._text(_SPACE * min(count, RECORD_CAP_BYTES + 1))
        elif name == _TEXT_TAB:
            self._text(_TAB)
        elif name == _TEXT_LINE_BREAK:
            self._text(_BREAK)
        elif name in (_TEXT_NOTE, _TEXT_RUBY_TEXT, _OFFICE_ANNOTATION):
            self._skip_depth = self._depth

    def _end(self, name: str) -> None:
        depth = self._depth
        self._depth -= 1
        if self._skip_depth:
            if self._skip_depth == depth:
                self._skip_depth = 0
        elif self._cell_depth:
            if self._cell_depth == depth:
                self._end_cell()
                self._cell_depth = 0
            elif depth == self._cell_depth + 1:
                self._is_text = False
        elif self._row_depth == depth:
            self._end_row()
            self._row_depth = 0
        elif self._table_depth == depth:
            self.is_over = True

    def _text(self, data: str) -> None:
        if self._is_text and not self._skip_depth:
            self._chars += len(data)
            if self._chars > RECORD_CAP_BYTES:
                raise JobFailed("row-too-long", f"Row {self._row} is longer than 16 MiB.", self._row)
            self._paragraphs[-1].append(data)

    def _end_cell(self) -> None:
        value = self._value()
        repeated = self._cell.get(_TABLE_NUMBER_COLUMNS_REPEATED)
        if repeated is None and value is not None and len(self._cells) == self._column < MAX_COLUMNS:
            self._cells.append(value)
            self._column += 1
            return
        repeat = 1 if repeated is None else _count(repeated)
        self._column += repeat
        if self._column > MAX_COLUMNS and value is not None:
            raise bad_workbook(f"it has more than {MAX_COLUMNS:,} columns", self._row)
        if value is not None:
            gap = self._column - repeat - len(self._cells)
            self._repeated(gap + repeat - 1)
            self._cells += [None] * gap + [value] * repeat

    def _repeated(self, cells: int) -> None:
        self._repeated_cells += cells
        if self._repeated_cells > MAX_REPEATED_CELLS:
            raise bad_workbook(f"it repeats cells more than {MAX_REPEATED_CELLS:,} times", self._row)

    def _end_row(self) -> None:
        if self._cells:
            if self._row + self._row_repeat - 1 > MAX_ROWS:
                raise bad_workbook(f"it has more than {MAX_ROWS:,} rows", self._row)
            self._repeated((self._row_repeat - 1) * len(self._cells))
            self._rows.append((self._row, self._row_repeat, self._cells))
        self._row += self._row_repeat

    def _style(self) -> str:
        """The style of the cell: its own, that of its row, or that of its column (ODF 1.3 part 3, 19.617)."""
        own = self._cell.get(_TABLE_STYLE_NAME) or self._row_style
        if own:
            return own
        return next((style for behind, style in self._column_styles if self._column < behind), "")

    def _value(self) -> Value:
        cell = self._cell
        kind = cell.get(_OFFICE_VALUE_TYPE)
        if kind in _NUMERIC:
            return self._number(cell.get(_OFFICE_VALUE, ""))
        if kind == "date":
            return _moment(cell.get(_OFFICE_DATE_VALUE, ""))
        if kind == "time":
            return self._time(cell.get(_OFFICE_TIME_VALUE, ""))
        if kind == "boolean":
            text = cell.get(_OFFICE_BOOLEAN_VALUE, "")
            return {"true": True, "false": False}.get(text, NoValue(text))
        if kind == "string":
            given = cell.get(_OFFICE_STRING_VALUE)
            return self._shown() if given is None or cell.get(_EXTENDED_VALUE_TYPE) == "error" else given
        if _TABLE_FORMULA in cell and not self._paragraphs:
            return NoValue("=" + cell[_TABLE_FORMULA].partition("=")[2])
        return self._shown() if self._paragraphs else None

    def _shown(self) -> str:
        """The text of the paragraphs: runs of white space are one space, but for what is stated (ODF part 3, 6.1.2)."""
        if len(self._paragraphs) == 1 and len(self._paragraphs[0]) == 1:
            text = self._paragraphs[0][0]
            if text.isprintable() and "  " not in text and text[0] != " " != text[-1]:
                return text
        texts = (re.sub("[ \t\r\n]+", " ", "".join(parts)).strip(" ") for parts in self._paragraphs)
        return "\n".join(texts).translate(_STATED)

    def _number(self, text: str) -> Value:
        value = _finite(text)
        if value is None:
            return NoValue(text)
        shown = self._shown()
        if value in (0, 1) and shown == ("TRUE" if value else "FALSE"):  # as LibreOffice stores logical values
            return bool(value)
        if len(shown) > 1 and shown[0] == "0" and shown.isascii() and shown.isdigit() and int(shown) == value:
            digits = Digits(value)
            digits.width = len(shown)
            return digits
        return value

    def _time(self, text: str) -> Value:
        found = _DURATION.fullmatch(text)
        if found is None:
            return NoValue(text)
        sign, days, hours, minutes, seconds = found.groups()
        span = int(days or 0) * 86_400 + int(hours or 0) * 3_600 + int(minutes or 0) * 60
        serial = (span + float((seconds or "0").replace(",", "."))) / 86_400
        kind = "time" if self._styles.is_clock(self._style()) else "elapsed"
        return serial_value(-serial if sign else serial, kind, is_1904=False)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_ROWS):
        raise bad_workbook("it repeats cells or rows beyond any sheet")
    return int(text)


def _finite(text: str) -> float | None:
    if not _NUMERAL(text.strip()):
        return None
    value = float(text)
    return value if abs(value) != float("inf") else None


def _moment(text: str) -> Value:
    """A date, or a date and time, to the millisecond. It names its day, whatever the day 0 of the workbook is."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return NoValue(text)
    day, clock, fraction = found.groups()
    try:
        value = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}")
    except ValueError:
        return NoValue(text)
    return value + timedelta(milliseconds=round(float(f"0.{fraction or 0}") * 1000))
