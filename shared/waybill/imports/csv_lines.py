"""Rows of a sheet, or lines of JSON, as lines of CSV: line n for row n, so that errors name the row of the original."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from waybill.imports.cells import json_writer, sheet_writer
from waybill.tabular.dialect import Dialect
from waybill.tabular.labels import LabelReader

_STREAM_CHARS = 64 * 1024
_BLANK = "\n"


def sheet_as_csv(
    rows: Iterator[tuple[int, list[Any]]],
    dialect: Dialect,
    field_names: Sequence[str],
    writers_for: Callable[[list[str]], list[Callable[[Any], str]]],
) -> Iterator[str]:
    """The rows of a sheet, which may leave some out, as lines of CSV."""
    as_shown = sheet_writer(None)
    reader = LabelReader(dialect, field_names)
    line = _line_writer()
    writers: list[Callable[[Any], str]] | None = None
    next_row = 1
    for number, values in rows:
        while not reader.is_done and next_row < number:
            reader.take(next_row, [])
            next_row += 1
            yield _BLANK
        if number > next_row:
            yield _BLANK * (number - next_row)
        next_row = number + 1
        while values and values[-1] is None:
            values.pop()
        first = as_shown(values[0]) if values else ""
        if dialect.comment_char and first.startswith(dialect.comment_char):
            if not reader.is_done:
                reader.take(number, [*map(as_shown, values)], is_comment=True)
            yield dialect.comment_char + _BLANK
        elif not reader.is_done:
            cells = [*map(as_shown, values)]
            reader.take(number, cells)
            yield line(cells)
        else:
            if writers is None:
                writers = writers_for(reader.labels)
            yield line(_sheet_cells(values, writers, as_shown)) if values else _BLANK


def _sheet_cells(values: list[Any], writers: list[Callable[[Any], str]], as_shown: Callable[[Any], str]) -> list[str]:
    """The cells of a row. A sheet has no row ends: cells that are not there are empty."""
    missing = len(writers) - len(values)
    if missing > 0:
        values += [None] * missing
    cells = [write(value) for write, value in zip(writers, values, strict=False)]
    return cells + [as_shown(value) for value in values[len(writers) :]]


def json_lines_as_csv(
    lines: Iterator[tuple[int, str]],
    labels: list[str],
    writers: list[Callable[[Any], str]],
    *,
    is_array: bool,
    has_header: bool,
) -> Iterator[str]:
    """Lines of JSON as lines of CSV. A line that is not a row gets a stray quote, so that it is rejected."""
    from waybill.tabular.jsonlines import BadLine, parse_line

    line = _line_writer()
    as_shown = json_writer(None, "")
    wants_header = has_header
    for _, text in lines:
        try:
            value = parse_line(text)
            if value is None:
                yield _BLANK
            elif isinstance(value, list) != is_array:
                raise BadLine
            elif wants_header:
                wants_header = False
                yield line(labels)
            else:
                if isinstance(value, list):
                    cells = [write(item) for write, item in zip(writers, value, strict=False)]
                    cells += map(as_shown, value[len(writers) :])
                else:
                    cells = [write(value.get(label)) for write, label in zip(writers, labels, strict=True)]
                row = line(cells)
                if not row.isascii():
                    row.encode()  # raises for half a surrogate pair
                yield row
        except (BadLine, UnicodeEncodeError):
            quoted = text.replace('"', '""')
            yield f'"{quoted}"!{_BLANK}'


def _line_writer() -> Callable[[Sequence[str]], str]:
    """Returns a function that writes cells as a line of CSV."""
    plain = csv.writer(_Echo(), lineterminator=_BLANK).writerow
    careful = csv.writer(_Echo(), lineterminator=_BLANK, quoting=csv.QUOTE_ALL).writerow

    def write(cells: Sequence[str]) -> str:
        line: str = plain(cells)  # what `_Echo.write` returns
        # With lines that end in LF, the csv module leaves a cell with a CR unquoted.
        return careful(cells) if "\r" in line else line

    return write


class _Echo:
    """Returns what a `csv.writer` writes, so that `writerow` returns it."""

    def write(self, text: str, /) -> Any:
        return text


class TextStream:
    """Pieces of text as a stream of bytes in UTF-8."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._ready = b""

    def read(self, size: int = -1, /) -> bytes:
        if not self._ready:
            parts, chars = [], 0
            for text in self._texts:
                parts.append(text)
                chars += len(text)
                if chars >= _STREAM_CHARS:
                    break
            self._ready = "".join(parts).encode()
        if size < 0:
            size = len(self._ready)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data
