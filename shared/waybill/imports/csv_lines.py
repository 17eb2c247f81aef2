"""Rows of a sheet, or lines of JSON, as lines of CSV: line n for row n, so that errors name the row of the original."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from waybill.entities.header import HeaderMatch, HeaderMismatch
from waybill.errors import JobFailed
from waybill.imports.cells import json_writer, sheet_writer
from waybill.tabular.dialect import Dialect
from waybill.tabular.labels import LabelReader
from waybill.tabular.sheets import bad_workbook

_STREAM_CHARS = 64 * 1024
_BLANK = "\n"
# Begins the lines that are no rows, of sheets that follow another one: a comment that no text of a cell begins with.
NOT_A_ROW = "\x02\x03\x02\x03"
# Each blank row is rejected, and one cell in the last row of a sheet makes a million of them.
MAX_BLANK_ROWS = 50_000
MAX_BLANK_SHARE = 10
# Parquet stores a repeated value once, and a small file can promise rows without end.
MAX_PARQUET_CHARS = 512 * 1024**2
MAX_PARQUET_RATIO = 1_000


class SheetTable(NamedTuple):
    """A sheet as it is read; of several, the dialect has a `comment_char`."""

    name: str
    dialect: Dialect
    rows: Iterator[tuple[int, list[Any]]]


class SheetLines(NamedTuple):
    """What the lines of a sheet end with: the number of its last row, and its labels, None without a header."""

    last_row: int
    labels: list[str] | None


def sheet_as_csv(
    rows: Iterator[tuple[int, list[Any]]],
    dialect: Dialect,
    field_names: Sequence[str],
    writers_for: Callable[[list[str]], list[Callable[[Any], str]]],
    order_of: Callable[[list[str]], list[int | None]] | None = None,
) -> Generator[str, None, SheetLines]:
    """The rows of a sheet, which may leave some out, as lines of CSV.

    Args:
        order_of: of a sheet whose rows follow those of another: labels → its columns, in the order of the other's. The
            lines up to its header are comments.

    Raises (while iterating):
        JobFailed: `format-error`, it has many blank rows between few others.
    """
    as_shown = sheet_writer(None)
    reader = LabelReader(dialect, field_names)
    line = _line_writer()
    not_a_row = f"{dialect.comment_char}{_BLANK}"
    writers: list[Callable[[Any], str]] | None = None
    order: list[int | None] | None = None
    next_row = 1
    blank_rows = filled_rows = 0
    for number, values in rows:
        width = len(reader.labels) if reader.is_done else 0
        # An empty text behind the last label says no more than an empty cell.
        while values and (values[-1] is None or (values[-1] == "" and len(values) > width)):
            values.pop()
        if not values and reader.is_done:  # as one that is left out: whether it counts depends on what follows
            continue
        filled_rows += bool(values)
        while not reader.is_done and next_row < number:
            reader.take(next_row, [])
            next_row += 1
            yield not_a_row if order_of else _BLANK
        if number > next_row:
            blank_rows += number - next_row
            if blank_rows > MAX_BLANK_ROWS and blank_rows > MAX_BLANK_SHARE * filled_rows:
                reason = f"over {MAX_BLANK_ROWS:,} of its rows are blank, most of them; delete the rows without cells"
                raise bad_workbook(reason, number)
            yield _BLANK * (number - next_row)
        next_row = number + 1
        first = as_shown(values[0]) if values else ""
        if dialect.comment_char and first.startswith(dialect.comment_char):
            if not reader.is_done:
                reader.take(number, [*map(as_shown, values)], is_comment=True)
            yield not_a_row
        elif not reader.is_done:
            cells = [*map(as_shown, values)]
            reader.take(number, cells)
            yield not_a_row if order_of else line(cells)
        else:
            if writers is None:
                writers, order = writers_for(reader.labels), order_of(reader.labels) if order_of else None
            cells = _sheet_cells(values, writers, as_shown)
            if order is not None:
                cells = ["" if at is None else cells[at] for at in order] + cells[len(writers) :]
            yield line(cells)
    return SheetLines(next_row - 1, reader.labels if reader.is_done else None)


def labels_of(rows: Sequence[tuple[int, list[Any]]], dialect: Dialect, field_names: Sequence[str]) -> list[str] | None:
    """The labels of a sheet that begins with these rows; None where the header is further down.

    Raises:
        JobFailed: the header cannot be one.
    """
    lines = sheet_as_csv(iter(rows), dialect, field_names, lambda labels: [str] * len(labels))
    while True:
        try:
            next(lines)
        except StopIteration as end:
            found: SheetLines = end.value
            return found.labels


class SheetsAsCsv:
    """The rows of one sheet or several as lines of CSV, as if they were one sheet with the header of the first.

    `begun` has the number of the first row of each sheet, with its name.
    """

    def __init__(self, field_names: Sequence[str], match: Callable[[list[str]], HeaderMatch]) -> None:
        self._field_names, self._match = field_names, match
        self.begun: list[tuple[int, str]] = []

    def lines(self, sheets: Iterable[SheetTable]) -> Iterator[str]:
        """
        Raises (while iterating):
            JobFailed: a header does not fit, or not that of the first sheet.
            HeaderMismatch: that of the first sheet does not fit.
        """
        first_row = 1
        labels: list[str] | None = None
        for name, dialect, rows in sheets:
            self.begun.append((first_row, name))
            order_of = None if labels is None else partial(self._order, name, labels)
            ended = yield from sheet_as_csv(rows, dialect, self._field_names, self._writers, order_of)
            if labels is None and ended.labels is None:
                return  # the scan says what is missing
            labels = labels or ended.labels
            first_row += ended.last_row

    def _writers(self, labels: list[str]) -> list[Callable[[Any], str]]:
        fields = {column.position: column.field for column in self._match(labels).columns}
        return [sheet_writer(fields.get(position)) for position in range(len(labels))]

    def _order(self, name: str, first_labels: list[str], labels: list[str]) -> list[int | None]:
        try:
            first, own = self._match(first_labels), self._match(labels)
        except HeaderMismatch as mismatch:
            raise JobFailed(
                mismatch.errors[0].type, f'The header of sheet "{name}" does not fit: {mismatch}.'
            ) from None
        fields = {column.field.name: column.position for column in own.columns}
        expected = {column.position: column.field.name for column in first.columns}
        if set(expected.values()) != fields.keys():
            what = f'The header of sheet "{name}" has other fields than that of sheet "{self.begun[0][1]}".'
            raise JobFailed("incorrect-label", f"{what} Sheets that are imported together need the same ones.")
        others = {labels[position]: position for position in reversed(own.ignored)}
        return [
            fields[expected[position]] if position in expected else others.get(label)
            for position, label in enumerate(first_labels)
        ]


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


def parquet_as_csv(
    names: list[str], batches: Iterator[list[list[Any]]], writers: list[Callable[[Any], str]], size: int
) -> Iterator[str]:
    """Batches of columns of Parquet as lines of CSV, behind a header.

    Args:
        size: of the file, in bytes.

    Raises (while iterating):
        JobFailed: `format-error`, it is much larger when it is read than any table, or what the batches raise.
    """
    line = _line_writer()
    yield line(names)
    chars = 0
    for batch in batches:
        columns = [[*map(write, cells)] for write, cells in zip(writers, batch, strict=True)]
        lines = "".join(line(cells) if any(cells) else _BLANK for cells in zip(*columns, strict=True))
        chars += len(lines)
        if chars > MAX_PARQUET_CHARS and chars > MAX_PARQUET_RATIO * size:
            reason = f"its rows are over {MAX_PARQUET_RATIO:,} times as large as the file, more than those of any table"
            raise JobFailed("format-error", f"The Parquet file cannot be read: {reason}.")
        yield lines


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
