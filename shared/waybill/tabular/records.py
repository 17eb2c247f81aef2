"""Cuts a stream of bytes into whole records, exactly as one sequential read does.

The rule for where a record ends is that of Python's `csv` module (RFC 4180, with every line break form): a quote opens
a quoted field only at the start of a field, is literal elsewhere, and line breaks inside quotes do not end a record.
The scan (which counts) and the load (which parses) cut the file with the same function, so that chunks, row numbers and
errors do not depend on where blocks happen to end.

Most blocks hold no quote, or only structural ones: opening after a delimiter or line break, closing before one, doubled
inside. Splitting on the quote then alternates outside and inside text, and counting line breaks of the outside parts
is exact; that costs about a nanosecond a byte. Any other block, and any that holds an escape, a comment or another
mark with which the dialect departs from that, goes through `csv.reader`.

Works on bytes of any ASCII-compatible encoding.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from ctypes import c_size_t
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol

from waybill.native import library
from waybill.tabular.dialect import Dialect

RECORD_CAP_BYTES = 16 * 1024 * 1024
#: Below malloc's threshold for pages of their own (template.yaml): new pages cost more than the cells of a block.
BLOCK_BYTES = 96 * 1024

_FIRST = itemgetter(slice(0, 1))
_LAST = itemgetter(slice(-1, None))
_SENTINEL = "\0end of block\0"

# A buffer may grow to little more than twice the cap before a record is found too long.
csv.field_size_limit(4 * RECORD_CAP_BYTES)


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class UnclosedQuote(ValueError):
    """A quote (or an escaped line break) is still open at the end of the file. `record` counts from 0 within the bytes
    that were cut."""

    def __init__(self, record: int) -> None:
        super().__init__(f"quote still open, record {record}")
        self.record = record


class RecordTooLong(ValueError):
    """A record exceeds RECORD_CAP_BYTES. `record` counts from 0 within the bytes that were cut."""

    def __init__(self, record: int) -> None:
        super().__init__(f"record {record} is longer than {RECORD_CAP_BYTES} bytes")
        self.record = record


@dataclass(frozen=True)
class Segment:
    """Consecutive whole records: `data` begins at a record's first byte, `start` bytes into the file.

    `structural` says that every quote is structural, so that no record has a stray one.
    """

    start: int
    data: bytes
    records: int
    structural: bool


@dataclass(frozen=True)
class Cut:
    """The whole records at the head of a buffer: `end` bytes, `records` of them."""

    end: int
    records: int
    structural: bool


def count_line_breaks(data: bytes, end: int | None = None) -> int:
    """The number of line breaks (LF, CR or CR LF) before `end`."""
    if b"\r" in data:
        return data.count(b"\n", 0, end) + data.count(b"\r", 0, end) - data.count(b"\r\n", 0, end)
    native = library()
    if native is None:
        return data.count(b"\n", 0, end)
    lines: int = native.waybill_count(data, len(data) if end is None else end, ord("\n"))
    return lines


def _last_line_end(data: bytes, final: bool) -> int:
    """Offset just after the last line break; a CR at the very end may be half of a CR LF and waits for more."""
    carriage = data.rfind(b"\r")
    if carriage == len(data) - 1 and not final:
        carriage = data.rfind(b"\r", 0, carriage)
    return max(data.rfind(b"\n"), carriage) + 1


def cut(buffer: bytes, dialect: Dialect, final: bool) -> Cut:
    """Find the whole records at the head of `buffer`, which begins at a record start.

    Args:
        final: the buffer reaches the end of the file, so that a last record needs no line break.

    Raises:
        UnclosedQuote: `final`, and a quote is open at the end.
    """
    if not dialect.is_plain_bytes(buffer):
        return _cut_sequentially(buffer, dialect, final)
    quote = dialect.quote_char.encode() if dialect.quote_char else None
    native = library()
    if native is not None and not final:
        lines = (c_size_t * 2)()
        if native.waybill_cut_lines(buffer, len(buffer), ord(quote or "\r"), lines) == 0:
            return Cut(lines[0], lines[1], True)
    if quote is None or quote not in buffer:
        end = len(buffer) if final else _last_line_end(buffer, final)
        records = count_line_breaks(buffer, end)
        if final and buffer and buffer[-1] not in b"\r\n":
            records += 1
        return Cut(end, records, True)
    if native is not None:
        return _cut_natively(native, buffer, quote, dialect, final)
    parts = buffer.split(quote)
    outside = parts[::2]
    open_at_end = len(parts) % 2 == 0
    before_quotes = outside if open_at_end else outside[:-1]
    edges = {b"", b"\n", b"\r", dialect.delimiter.encode()}
    if not (edges.issuperset(map(_FIRST, outside[1:])) and edges.issuperset(map(_LAST, before_quotes))):
        return _cut_sequentially(buffer, dialect, final)
    if final and not open_at_end:
        records = count_line_breaks(quote.join(outside))
        return Cut(len(buffer), records + (buffer[-1] not in b"\r\n"), True)
    position = len(buffer)
    for index in range(len(parts) - 1, -1, -1):
        position -= len(parts[index])
        if index % 2 == 0:
            end = _last_line_end(parts[index], final or index != len(parts) - 1)
            if end:
                records = count_line_breaks(quote.join([*parts[:index:2], parts[index][:end]]))
                if final:
                    raise UnclosedQuote(records)
                return Cut(position + end, records, True)
        position -= 1
    if final:
        raise UnclosedQuote(0)
    return Cut(0, 0, True)


def _cut_natively(native: Any, buffer: bytes, quote: bytes, dialect: Dialect, final: bool) -> Cut:
    """`cut` for a buffer without marks but with quotes."""
    found = (c_size_t * 3)()
    if native.waybill_cut(buffer, len(buffer), ord(dialect.delimiter), ord(quote), final, found):
        return _cut_sequentially(buffer, dialect, final)
    end, records, is_open = found
    if final and is_open:
        raise UnclosedQuote(records)
    return Cut(end, records, True)


def _cut_sequentially(buffer: bytes, dialect: Dialect, final: bool) -> Cut:
    """`cut` for a buffer with stray quotes or marks, by `csv.reader` itself."""
    # Latin-1 maps bytes to characters one to one; delimiter, quote and line breaks are ASCII.
    lines = [line.decode("latin-1") for line in buffer.splitlines(keepends=True)]
    if lines and not final and lines[-1][-1] != "\n":
        lines.pop()
    whole = len(lines)
    lines.append(_SENTINEL)
    records = end = 0
    for _, taken in read_lines(lines, dialect):
        if end == whole:  # all lines are taken: this row is the sentinel
            break
        if taken > whole:  # the sentinel became part of a quoted field
            if final:
                raise UnclosedQuote(records)
            break
        records, end = records + 1, taken
    return Cut(sum(map(len, lines[:end])), records, False)


class _Lines:
    """Lines for a `csv.reader`, which takes only those that the current record needs."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.position = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.position == len(self._lines):
            raise StopIteration
        self.position += 1
        return self._lines[self.position - 1]


def read_lines(lines: Sequence[str], dialect: Dialect) -> Iterator[tuple[list[str] | None, int]]:
    """Read records from lines with their line breaks: (cells, or None for a comment; lines taken so far)."""
    comment = dialect.comment_char
    if comment is None:
        reader = csv.reader(lines, **dialect.reader_options())
        for cells in reader:
            yield cells, reader.line_num
        return
    source = _Lines(lines)
    reader = csv.reader(source, **dialect.reader_options())
    while source.position < len(lines):
        if lines[source.position].startswith(comment):
            source.position += 1
            yield None, source.position
        else:
            yield next(reader, []), source.position


def segments(stream: Readable, dialect: Dialect, start: int = 0, block_bytes: int = BLOCK_BYTES) -> Iterator[Segment]:
    """Cut a stream into segments of whole records, each about `block_bytes` long.

    Args:
        stream: positioned at a record start.
        start: the offset of that position in the file, in bytes.

    Raises:
        UnclosedQuote: at the end of the stream; `record` counts all records since `start`.
        RecordTooLong: a record is longer than the cap; `record` likewise.
    """
    carry, done = b"", 0
    while True:
        block = stream.read(block_bytes)
        buffer = carry + block
        final = not block
        if final and not buffer:
            return
        try:
            found = cut(buffer, dialect, final)
        except UnclosedQuote as error:
            raise UnclosedQuote(done + error.record) from None
        if found.end:
            if found.end > RECORD_CAP_BYTES:
                _check_lengths(buffer[: found.end], dialect, done)
            yield Segment(start, buffer[: found.end], found.records, found.structural)
            start, done = start + found.end, done + found.records
        if final:
            return
        carry = buffer[found.end :]
        if len(carry) > RECORD_CAP_BYTES:
            _explain_long_record(stream, carry, dialect, done)
        if len(carry) > block_bytes:
            # For a record much longer than a block, read more at once: each block would scan it all again.
            carry += stream.read(len(carry))


def _check_lengths(data: bytes, dialect: Dialect, done: int) -> None:
    """Raise RecordTooLong for the first record over the cap."""
    text = data.decode("latin-1")
    for index, raw in enumerate(raw_records(Segment(0, data, 0, True), text, dialect)):
        if len(raw) > RECORD_CAP_BYTES:
            raise RecordTooLong(done + index)


def _explain_long_record(stream: Readable, carry: bytes, dialect: Dialect, record: int) -> None:
    """Raise UnclosedQuote where one quote opened and none follows to the end of the file, else RecordTooLong."""
    quote = dialect.quote_char.encode() if dialect.quote_char else b""
    if quote and carry.count(quote) % 2:
        while block := stream.read(1024 * 1024):
            if quote in block:
                raise RecordTooLong(record)
        raise UnclosedQuote(record)
    raise RecordTooLong(record)


@dataclass(frozen=True)
class Rows:
    """The records of a segment as cells. `cells[i]` is empty for a blank line and for a comment; `comments` holds the
    indexes of those, `stray` those of records with a quote inside an unquoted field or text after a closing quote, or
    with a NUL."""

    cells: list[list[str]]
    stray: frozenset[int]
    comments: frozenset[int] = frozenset()


def parse_rows(segment: Segment, text: str, dialect: Dialect) -> Rows:
    """The cells of each record of a segment whose decoded text is `text`."""
    comments: frozenset[int] = frozenset()
    if not dialect.is_plain(text):
        read = [cells for cells, _ in read_lines(_lines(text), dialect)]
        comments = frozenset(i for i, cells in enumerate(read) if cells is None)
        cells = [[] if row is None else row for row in read]
    elif dialect.quote_char is not None and dialect.quote_char in text:
        cells = list(csv.reader(io.StringIO(text, newline=""), **dialect.reader_options()))
    else:
        lines = raw_records(segment, text, dialect)
        cells = [line.split(dialect.delimiter) if line else [] for line in lines]
    stray: set[int] = set()
    if not segment.structural:
        raws = enumerate(raw_records(segment, text, dialect))
        stray.update(i for i, raw in raws if i not in comments and not is_structural(raw, dialect))
    if "\0" in text:
        stray.update(i for i, row in enumerate(cells) if any("\0" in cell for cell in row))
    return Rows(cells, frozenset(stray), comments)


@dataclass(frozen=True)
class Columns:
    """The cells of a segment's even records, those with exactly as many cells as wanted and not all of them empty, by
    column; `others` has the cells of the other records by index."""

    cells: Sequence[Sequence[str]]
    others: dict[int, list[str]]


def parse_columns(segment: Segment, text: str, dialect: Dialect, width: int, count: int) -> Columns | None:
    """The cells of the first `count` records of a segment, by column.

    None for a segment that only `parse_rows` can parse: with stray quotes, NULs, escapes or comments.
    """
    if not segment.structural or "\0" in text or not dialect.is_plain(text):
        return None
    if dialect.quote_char is not None and dialect.quote_char in text:
        rows = list(csv.reader(io.StringIO(text, newline=""), **dialect.reader_options()))
    else:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = text.removesuffix("\n")
        columns = _even_columns(text, dialect.delimiter, width, count) if count == segment.records else None
        if columns is not None:
            return Columns(columns, {})
        rows = [line.split(dialect.delimiter) for line in text.split("\n")]
    del rows[count:]
    others = {index: cells for index, cells in enumerate(rows) if len(cells) != width or not any(cells)}
    even = [cells for index, cells in enumerate(rows) if index not in others] if others else rows
    return Columns(list(zip(*even, strict=True)), others)


def _even_columns(text: str, delimiter: str, width: int, records: int) -> Sequence[Sequence[str]] | None:
    """The columns of lines without quotes that all have `width` cells, none of them blank, else None.

    One replace and one split in C: a marker cell marks where each record ends, and the split is right exactly when
    all the markers fall on every `width + 1`-th place.
    """
    if text.count(delimiter) != records * (width - 1):
        return None
    flat = text.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    flat.append("\n")
    if flat[width :: width + 1].count("\n") != records:
        return None
    columns = [flat[index :: width + 1] for index in range(width)]
    if all("" in column for column in columns) and not all(map(any, zip(*columns, strict=True))):
        return None
    return columns


def raw_records(segment: Segment, text: str, dialect: Dialect) -> list[str]:
    """The records as in the file, comments included, without their line breaks."""
    is_quoted = dialect.quote_char is not None and dialect.quote_char in text
    if "\r" not in text and not is_quoted and dialect.is_plain(text):
        return text.removesuffix("\n").split("\n") if text else []
    lines = _lines(text)
    if is_quoted or not dialect.is_plain(text):
        records, first = [], 0
        for _, taken in read_lines(lines, dialect):
            records.append("".join(lines[first:taken]))
            first = taken
        lines = records
    return [_without_line_break(line) for line in lines]


def _lines(text: str) -> list[str]:
    """Physical lines with their line breaks; unlike `str.splitlines`, only LF, CR and CR LF are breaks."""
    return list(io.StringIO(text, newline=""))


def _without_line_break(line: str) -> str:
    if line.endswith("\n"):
        line = line[:-1]
    return line[:-1] if line.endswith("\r") else line


def is_structural(raw: str, dialect: Dialect) -> bool:
    """Whether every quote of one record opens, closes, or is doubled (or escaped) inside a quoted field."""
    if not dialect.quote_char or dialect.quote_char not in raw:
        return True
    if not dialect.is_plain(raw):
        return _structure(dialect).fullmatch(raw) is not None
    parts = raw.split(dialect.quote_char)
    outside = parts[::2]
    if len(parts) % 2 == 0:
        return False
    edges = {"", "\n", "\r", dialect.delimiter}
    return edges.issuperset(map(_FIRST, outside[1:])) and edges.issuperset(map(_LAST, outside[:-1]))


def cell_pattern(dialect: Dialect) -> str:
    """A regular expression for one cell without stray quotes. Possessive, so that no text makes it backtrack."""
    delimiter, quote = re.escape(dialect.delimiter), re.escape(dialect.quote_char or "")
    escape = re.escape(dialect.escape_char or "")
    escaped = rf"|{escape}[\s\S]" if escape else ""
    unquoted = rf"(?:[^{delimiter}{quote}{escape}]{escaped})*+"
    if not quote:
        return unquoted
    doubled = f"|{quote}{quote}" if dialect.double_quote else ""
    space = " *+" if dialect.skip_initial_space else ""
    quoted = rf"{quote}(?:[^{quote}{escape}]{escaped}{doubled})*+{quote}(?={delimiter}|\Z)"
    return f"{space}(?:{quoted}|{unquoted})"


@lru_cache(maxsize=16)
def _structure(dialect: Dialect) -> re.Pattern[str]:
    """Matches a whole record without stray quotes."""
    cell = cell_pattern(dialect)
    return re.compile(f"{cell}(?:{re.escape(dialect.delimiter)}{cell})*+")


def comment_records(segment: Segment, dialect: Dialect) -> list[int]:
    """Indexes of the records of a segment that are comments by their first characters."""
    if dialect.comment_char is None or dialect.is_plain_bytes(segment.data):
        return []
    lines = _lines(segment.data.decode("latin-1"))
    return [index for index, (cells, _) in enumerate(read_lines(lines, dialect)) if cells is None]


def last_filled_record(segment: Segment, dialect: Dialect, skipped: Collection[int] = ()) -> int | None:
    """Index of the last record of a segment, not among `skipped`, with a filled cell; None when all are blank."""
    empty = dialect.delimiter.encode() + b"\r\n"
    kept = segment.data.rstrip(empty)
    if not kept:
        return None
    quote = (dialect.quote_char or "").encode()
    last_line = kept[_last_line_end(kept, True) :]
    if skipped or not dialect.is_plain_bytes(last_line) or (quote and not last_line.strip(quote + empty)):
        # Only the csv rule tells whether a quote, or a space that is skipped, is an empty cell.
        rows = parse_rows(segment, segment.data.decode("latin-1"), dialect).cells
        return max((index for index, row in enumerate(rows) if any(row) and index not in skipped), default=None)
    tail = segment.data[len(kept) :]
    blank_after = count_line_breaks(tail) + (tail[-1:] not in (b"", b"\n", b"\r"))
    return segment.records - 1 - max(0, blank_after - 1)
