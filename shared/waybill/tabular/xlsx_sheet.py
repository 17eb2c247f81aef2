"""The rows of one worksheet (ECMA-376 part 1, 18.3), as they are read."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from waybill.errors import JobFailed
from waybill.native import EMPTY_CELL, MAX_COLUMNS
from waybill.tabular.records import RECORD_CAP_BYTES
from waybill.tabular.sheets import NoValue, Value, bad_workbook
from waybill.tabular.xlsx_formats import GENERAL, Format, iso_date, typed_number, usual_moment
from waybill.tabular.xlsx_native import NativeRows, NativeSheet
from waybill.tabular.xlsx_texts import Texts
from waybill.tabular.xlsx_xml import OwnNames, Splitter, new_parser, unescaped

MAX_ROWS = 1_048_576
# Cells that are left out before others are filled up: one in the last column makes 16,384.
MAX_GAP_CELLS, MAX_GAP_SHARE = 10_000_000, 100


_ATTRIBUTES = r'(?: [\w:.-]+="[^"<&]*")*+'
_CELL = (
    r'<c(?: r="([A-Z]+)[0-9]+")?(?: s="([0-9]+)")?(?: t="([a-zA-Z]+)")?'
    # A formula without a value is for the parser.
    rf"(?:/>|>(?:<f{_ATTRIBUTES}(?:/>|>[^<]*</f>)(?=<v>[^<\s]))?"
    r'(?:<v>([^<&]*)</v>|<is><t(?: xml:space="preserve")?>([^<&]*)</t></is>)?</c>)'
)
_PLAIN_ROW = re.compile(rf"\s*<row({_ATTRIBUTES})>")
_SPLIT_CELLS = re.compile(_CELL).split
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII).fullmatch
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,17}(?:\.[0-9]{1,17})?", re.ASCII).fullmatch
_BOOLEANS: dict[str, Value] = {"1": True, "0": False, "true": True, "false": False}
_NUMBER_TYPE = ord("n")
_ROW_NUMBER = re.compile(r' r="([0-9]+)"').search


class Shortcut:
    """Reads rows in the form that the usual programs write, faster than the parser, and leaves it the others."""

    def __init__(self, parser: SheetParser, native: NativeSheet | None = None) -> None:
        self._parser = parser
        self._native = native
        self._split = Splitter(b"</row>", parser.parser)
        self._is_over = False

    def feed(self, data: bytes, final: bool) -> None:
        for item in self._split.take(data, final, self._read_natively):
            self._read(item)

    def _read_natively(self, rows: bytes, start: int) -> int:
        if self._native is None or self._is_over:
            return start
        found = self._native.read(rows, start, self._parser.gaps_left)
        self._parser.take_rows(found)
        return found.end

    def _read(self, item: str) -> None:
        head = None if self._is_over else _PLAIN_ROW.match(item)
        # The text between cells, then the five groups of a cell, repeatedly.
        parts: list[str | None] = _SPLIT_CELLS(item[head.end() : -len("</row>")]) if head else ["?"]
        if head is None or any(parts[::6]):
            self._split.parse(item)
            # What follows the rows is of another kind, and a declared namespace changes what names mean.
            self._is_over = self._is_over or "</sheetData" in item or "xmlns" in item
        else:
            number = _ROW_NUMBER(head[1])
            self._parser.take_row(int(number[1]) if number else None, parts)


class SheetParser:
    """Parses the part of a sheet, and collects its rows."""

    def __init__(self, formats: list[Format], texts: Texts, is_1904: bool) -> None:
        self.rows: list[tuple[int, list[Value]]] = []
        self._formats, self._texts, self._is_1904 = formats, texts, is_1904
        self._row = self._chars = self._gap_cells = self._gaps_before = self._filled_cells = 0
        self._cells: list[Value] = []
        self._type, self._style = "n", 0
        # The texts of the cell's `v`, of its `is` and of its `f`; None where it has none.
        self._value_parts: list[str] | None = None
        self._inline_parts: list[str] | None = None
        self._formula_parts: list[str] | None = None
        self._parts: list[str] | None = None  # the one of them that is being read
        self._is_guide = False
        self._own = OwnNames()
        self._columns: dict[str, int] = {}
        self._letters = _Letters()
        # The styles that show a number as it is, as sheets name them.
        self._plain_styles: set[str | None] = {str(number) for number, form in enumerate(formats) if form == GENERAL}
        if not formats or formats[0] == GENERAL:
            self._plain_styles.add(None)
        self._plain_numbers = {int(style or 0) for style in self._plain_styles}
        is_moment = () if is_1904 else (Format("date"), Format("time"))
        self._moments = {number for number, form in enumerate(formats) if form in is_moment}
        self._numbers: dict[tuple[str, int], Value] = {}
        self.parser = new_parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = self._own(name)
        if name == "c":
            self._begin_cell(attributes)
        elif name == "v":
            self._parts = self._value_parts = []
        elif name == "f":
            self._parts = self._formula_parts = []
        elif name == "is":
            self._inline_parts = []
        elif name == "t":
            if not self._is_guide:
                self._inline_parts = self._parts = self._inline_parts or []
        elif name == "row":
            self._begin_row(int(attributes["r"]) if "r" in attributes else None)
        elif name == "rPh":
            self._is_guide = True

    def take_row(self, number: int | None, parts: list[str | None]) -> None:
        """A row that was read without the parser: `parts[1::6]` are the letters of its cells, then their styles, types,
        values and inline texts."""
        self._begin_row(number)
        values, plain, texts = self._cells, self._plain_styles, self._texts
        places = parts[1::6]
        in_order = places == self._letters.first(len(places))
        cells = zip(places, parts[2::6], parts[3::6], parts[4::6], parts[5::6], strict=True)
        for place, style, kind, value, inline in cells:
            if not in_order and place is not None:
                self._skip_to(self._place(place))
            if not value:
                values.append(None if inline is None else unescaped(inline))
            elif kind == "s" and value.isdigit() and int(value) < len(texts):
                values.append(texts[int(value)])
            elif kind is None and style in plain and _PLAIN_NUMBER(value):
                values.append(float(value))
            else:
                self._type, self._style = kind or "n", int(style or 0)
                values.append(self._value(value))
        self._end_row()

    @property
    def gaps_left(self) -> int:
        """How many more cells may fill gaps, whatever share of all cells they are."""
        return max(0, MAX_GAP_CELLS - self._gap_cells)

    def take_rows(self, found: NativeRows) -> None:
        """Rows that the C library read."""
        values: list[Value] = [*found.cells.split("\0")]
        plain, moments, plain_number = self._plain_numbers, self._moments, _PLAIN_NUMBER
        for at, kind, style in zip(*found.others, strict=True):
            if kind == EMPTY_CELL:
                values[at] = None
                continue
            text: Any = values[at]
            if kind == _NUMBER_TYPE and style in plain and plain_number(text):
                values[at] = float(text)
                continue
            if kind == _NUMBER_TYPE and style in moments and plain_number(text):
                moment = usual_moment(float(text))
                if moment is not None:
                    values[at] = moment
                    continue
            self._type, self._style = chr(kind), style
            values[at] = self._value(text)
        begin = 0
        for number, end, gaps in zip(*found.rows, strict=True):
            self._begin_row(number or None)
            self._gap_cells += gaps
            self._cells = values[begin:end]
            self._end_row()
            begin = end

    def _begin_row(self, number: int | None) -> None:
        number = self._row + 1 if number is None else number
        if not self._row < number <= MAX_ROWS:
            raise bad_workbook("its rows are out of order", number)
        self._row, self._cells, self._chars = number, [], 0

    def _end_row(self) -> None:
        if len(self._cells) > MAX_COLUMNS:
            raise bad_workbook(f"it has more than {MAX_COLUMNS:,} columns", self._row)
        self._filled_cells += len(self._cells) - self._gap_cells + self._gaps_before
        self._gaps_before = self._gap_cells
        if self._cells:
            self.rows.append((self._row, self._cells))

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        if place is not None:
            self._skip_to(self._place(place.rstrip("0123456789")))
        self._type = attributes.get("t", "n")
        self._value_parts = self._inline_parts = self._formula_parts = None
        self._style = int(attributes.get("s", "0"))

    def _skip_to(self, column: int) -> None:
        gap = column - len(self._cells)
        if gap < 0 or column >= MAX_COLUMNS:
            raise bad_workbook("its cells are out of order", self._row)
        self._gap_cells += gap
        if self._gap_cells > MAX_GAP_CELLS and self._gap_cells > MAX_GAP_SHARE * self._filled_cells:
            raise bad_workbook("hardly any of its columns have cells; delete those without", self._row)
        self._cells += [None] * gap

    def _place(self, letters: str) -> int:
        column = self._columns.get(letters)
        if column is None:
            column = 0
            for letter in letters:
                if not "A" <= letter <= "Z" or column > MAX_COLUMNS:
                    raise bad_workbook("a cell has no place", self._row)
                column = column * 26 + ord(letter) - 64
            column -= 1
            self._columns[letters] = column
        return column

    def _text(self, data: str) -> None:
        if self._parts is not None:
            self._parts.append(data)
            self._chars += len(data)
            if self._chars > RECORD_CAP_BYTES:
                raise JobFailed("row-too-long", f"Row {self._row} is longer than 16 MiB.", self._row)

    def _end(self, name: str) -> None:
        name = self._own(name)
        if name in ("v", "t", "f"):
            self._parts = None
        elif name == "c":
            self._cells.append(self._cell())
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._is_guide = False

    def _cell(self) -> Value:
        """The value of the cell that ends: that of its `v`, or the text of its `is` (ECMA-376 part 1, 18.3.1.4)."""
        inline, value = self._inline_parts, "".join(self._value_parts or ())
        if inline is not None and (self._type == "inlineStr" or not value):
            return unescaped("".join(inline))
        is_saved = self._value_parts is not None if self._type == "str" else bool(value.strip())
        if self._formula_parts is not None and not is_saved:
            return NoValue("=" + "".join(self._formula_parts))
        return self._value(value) if value else None

    def _value(self, text: str) -> Value:
        kind = self._type
        if kind == "s":
            return self._shared(text)
        if kind == "n":
            known = self._numbers.get((text, self._style))
            if known is None:
                known = self._number(text)
                if len(self._numbers) < 10_000:
                    self._numbers[text, self._style] = known
            return known
        if kind == "b":
            return _BOOLEANS.get(text.strip(), NoValue(text))
        if kind == "d":
            return iso_date(text)
        return unescaped(text)  # str, inlineStr, and e: the error's name

    def _shared(self, text: str) -> str:
        index = int(text)
        if not 0 <= index < len(self._texts):
            raise bad_workbook("a text is missing", self._row)
        return self._texts[index]

    def _number(self, text: str) -> Value:
        if not _NUMBER(text):
            return NoValue(text) if text.strip() else None
        value = float(text)
        if not isfinite(value):
            return NoValue(text)
        form = self._formats[self._style] if 0 <= self._style < len(self._formats) else GENERAL
        return typed_number(value, form, self._is_1904)


class _Letters:
    """The letters of the columns: A, B, …, Z, AA, …"""

    def __init__(self) -> None:
        self._all: list[str] = []

    def first(self, count: int) -> list[str]:
        while len(self._all) < min(count, MAX_COLUMNS):
            letters, rest = "", len(self._all) + 1
            while rest:
                rest, digit = divmod(rest - 1, 26)
                letters = chr(65 + digit) + letters
            self._all.append(letters)
        return self._all[:count]
