"""Scans a delimited file once, in order, and divides it into row-aligned chunks.

The whole file is read before anything is written: only then is it known that it decodes, that every quote is closed,
where the last non-blank row is, and how many rows there are. That costs under a nanosecond a byte where no quote is
stray (`waybill.tabular.records`). Pure.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from waybill.errors import JobFailed
from waybill.native import library
from waybill.tabular.dialect import Dialect
from waybill.tabular.encodings import HEAD_BYTES, decode
from waybill.tabular.labels import LabelReader
from waybill.tabular.records import (
    RECORD_CAP_BYTES,
    Readable,
    RecordTooLong,
    Segment,
    UnclosedQuote,
    comment_records,
    last_filled_record,
    read_lines,
    segments,
)

SCAN_BYTES = 96 * 1024  # as for BLOCK_BYTES
HEADER_ROW = 1
PIECE_BYTES = 1024**3
_MAX_END_MARK = 64 * 1024


@dataclass(frozen=True)
class Chunk:
    """Consecutive records: bytes `[start, end)` of the file, `rows` records, the first of which is row `first_row`.

    `skipped` are the numbers of the records that are comments, and not imported.
    """

    number: int
    start: int
    end: int
    first_row: int
    rows: int
    skipped: tuple[int, ...] = ()

    def data_rows(self, first_row: int = 0) -> Iterator[int]:
        """The numbers of the rows to import, from `first_row` on."""
        skipped = frozenset(self.skipped)
        numbers = range(max(first_row, self.first_row), self.first_row + self.rows)
        return (number for number in numbers if number not in skipped)


@dataclass
class _Tally:
    """The state of the scan: the current chunk so far, and the last filled row."""

    chunk_bytes: int
    dialect: Dialect
    chunks: list[Chunk] = field(default_factory=list)
    next_row: int = 1
    last_filled_row: int = 0
    start: int | None = None
    first_row: int = 0
    skipped: list[int] = field(default_factory=list)

    def add(self, segment: Segment) -> None:
        if self.start is None:
            self.start, self.first_row = segment.start, self.next_row
        skipped = self._skipped(segment)
        filled = last_filled_record(segment, self.dialect, {row - self.next_row for row in skipped})
        if filled is not None:
            self.last_filled_row = self.next_row + filled
        self.skipped += skipped
        self.next_row += segment.records
        if segment.start + len(segment.data) - self.start >= self.chunk_bytes:
            self.close(segment.start + len(segment.data))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, as JSON values; some 40 bytes for each chunk of 32 MiB."""
        return {
            "chunks": [[one.start, one.end, one.first_row, one.rows, one.skipped] for one in self.chunks],
            "next_row": self.next_row,
            "last_filled_row": self.last_filled_row,
            "start": self.start,
            "first_row": self.first_row,
            "skipped": self.skipped,
        }

    @classmethod
    def from_json(cls, chunk_bytes: int, dialect: Dialect, stored: Mapping[str, Any]) -> _Tally:
        chunks = [
            Chunk(number, start, end, first_row, rows, tuple(skipped))
            for number, (start, end, first_row, rows, skipped) in enumerate(stored["chunks"])
        ]
        return cls(chunk_bytes, dialect, **{**stored, "chunks": chunks})

    def _skipped(self, segment: Segment) -> list[int]:
        listed, first, behind = self.dialect.comment_rows, self.next_row, self.next_row + segment.records
        by_number = listed[bisect_left(listed, first) : bisect_left(listed, behind)]
        by_text = (first + index for index in comment_records(segment, self.dialect))
        return sorted({*by_number, *by_text})

    def close(self, end: int) -> None:
        if self.start is not None:
            rows = self.next_row - self.first_row
            self.chunks.append(Chunk(len(self.chunks), self.start, end, self.first_row, rows, tuple(self.skipped)))
            self.start, self.skipped = None, []

    def without_blank_tail(self) -> list[Chunk]:
        """The chunks up to the last filled row."""
        kept = [chunk for chunk in self.chunks if chunk.first_row <= self.last_filled_row]
        if kept:
            last = kept[-1]
            rows = min(last.rows, self.last_filled_row - last.first_row + 1)
            skipped = last.skipped[: bisect_left(last.skipped, last.first_row + rows)]
            kept[-1] = Chunk(last.number, last.start, last.end, last.first_row, rows, skipped)
        return kept


class Hashing:
    """A stream whose bytes are hashed and counted when they are read.

    The state of a hash cannot be stored. So a file of more than PIECE_BYTES is hashed in pieces, from whose digests
    another invocation goes on.

    Args:
        pieces: the digests of those that precede the stream.
    """

    def __init__(self, stream: Readable, pieces: Sequence[bytes] = ()) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.pieces = list(pieces)
        self.size_bytes = len(pieces) * PIECE_BYTES

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        left = memoryview(data)
        while left:
            if (room := (len(self.pieces) + 1) * PIECE_BYTES - self.size_bytes) == 0:
                self.pieces.append(self._hash.digest())
                self._hash = hashlib.sha256()
                continue
            taken, left = left[:room], left[room:]
            self._hash.update(taken)
            self.size_bytes += len(taken)
        return data

    def hexdigest(self) -> str:
        """The SHA-256 of up to PIECE_BYTES; of more, that of the digests of all pieces."""
        if not self.pieces:
            return self._hash.hexdigest()
        return hashlib.sha256(b"".join([*self.pieces, self._hash.digest()])).hexdigest()


class Pushback:
    """A stream with some bytes put back in front."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._stream.read(size)
        if size < 0:
            size = len(self._head)
        data, self._head = self._head[:size], self._head[size:]
        return data


class WithoutEndMark:
    """A text without the mark at its end: Ctrl-Z (1A hexadecimal), with which CP/M and DOS ended texts, once or as
    often as it took to fill a block, and the line breaks in between."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._held = b""

    def read(self, size: int = -1, /) -> bytes:
        while block := self._stream.read(size):
            data = self._held + block
            end = _end_mark(data)
            if len(data) - end > _MAX_END_MARK:  # too much of it to be a mark
                end = len(data)
            data, self._held = data[:end], data[end:]
            if data:
                return data
        return b""


def _end_mark(data: bytes) -> int:
    """Where the mark at the end of a text begins; the size of the text where it has none."""
    if data[-1:] not in (b"\x1a", b"\n", b"\r"):
        return len(data)
    text = data.rstrip(b"\x1a\r\n")
    mark = data.find(b"\x1a", len(text))
    return len(data) if mark < 0 else mark


def read_head(stream: Readable, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a stream, fewer than `size` only where it ends."""
    parts = []
    while size > 0 and (data := stream.read(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


@dataclass(frozen=True)
class Scan:
    """The result of a scan. `header` is the header record as in the file, or several joined to one."""

    labels: list[str]
    header: str
    header_row: int | None
    chunks: list[Chunk]

    @property
    def rows(self) -> int:
        return sum(chunk.rows - len(chunk.skipped) for chunk in self.chunks)


class ScanPaused(Exception):
    """The time did not suffice for the whole table.

    Attributes:
        end: the offset in the file up to which it is scanned, between two records.
        tally: what is known of it, as JSON values.
    """

    def __init__(self, end: int, tally: dict[str, Any]) -> None:
        super().__init__(f"paused after {end} bytes")
        self.end = end
        self.tally = tally


@dataclass(frozen=True)
class Resumed:
    """A scan that was paused. `open` returns the table from `end` on."""

    end: int
    tally: Mapping[str, Any]
    open: Callable[[], Readable]


def _never() -> bool:
    return False


def scan_table(
    stream: Readable,
    dialect: Dialect,
    encoding: str,
    chunk_bytes: int,
    *,
    start: int = 0,
    field_names: Sequence[str] = (),
    source_encoding: str | None = None,
    resumed: Resumed | None = None,
    pauses: Callable[[], bool] = _never,
) -> Scan:
    """Read a table to its end and divide it into chunks.

    Args:
        stream: positioned at the table's first record, `start` bytes into the file.
        encoding: one whose bytes can be cut.
        source_encoding: the name in messages, where the stream was recoded.
        resumed: where an earlier scan was paused. Only the header is read again.
        pauses: whether to pause now; asked behind the header, after each segment.

    Raises:
        ScanPaused
        JobFailed: `empty-file`, `encoding-error`, `format-error`, `blank-header` or `row-too-long`, with the row where
            there is one.
    """
    header = _Header(dialect, field_names)
    tally = _Tally(chunk_bytes, dialect)
    block_bytes = min(SCAN_BYTES, max(1, chunk_bytes))
    end, first_row = start, 1
    found = segments(stream, dialect, start, block_bytes)
    try:
        while (segment := next(found, None)) is not None:
            end = segment.start + len(segment.data)
            _check_decodes(segment, encoding, dialect, tally.next_row, source_encoding or encoding)
            if not header.labels.is_done:
                records = segment.records
                try:
                    segment = header.take(segment, encoding, tally.next_row)
                except JobFailed as failure:
                    rest = chain([segment], found)
                    if failure.job_code == "blank-header" and all(_is_blank(each, dialect) for each in rest):
                        raise JobFailed("empty-file", "The file holds nothing but blanks.") from None
                    raise
                tally.next_row += records - segment.records
            if resumed is not None and header.labels.is_done:
                end, tally = resumed.end, _Tally.from_json(chunk_bytes, dialect, resumed.tally)
                first_row, found = tally.next_row, segments(resumed.open(), dialect, end, block_bytes)
                resumed = None
                continue
            if segment.records:
                tally.add(segment)
            if header.labels.is_done and pauses():
                raise ScanPaused(end, tally.to_json())
    except UnclosedQuote as error:
        row = first_row + error.record
        raise JobFailed("format-error", f"The quote that opens in row {row} is never closed.", row) from None
    except RecordTooLong as error:
        row = first_row + error.record
        size = RECORD_CAP_BYTES // 2**20
        raise JobFailed("row-too-long", f"Row {row} is longer than {size} MiB.", row) from None
    header.labels.end(tally.next_row - 1)
    tally.close(end)
    chunks = tally.without_blank_tail()
    if not chunks:
        raise JobFailed("empty-file", "The file has a header but no data rows.")
    return Scan(header.labels.labels, header.text, header.labels.first_row, chunks)


def _is_blank(segment: Segment, dialect: Dialect) -> bool:
    """Whether all cells of a segment are blank."""
    return not segment.data.strip(f" \t\r\n{dialect.delimiter}{dialect.quote_char or ''}".encode())


class _Header:
    """Takes the header off the first segments of a table."""

    def __init__(self, dialect: Dialect, field_names: Sequence[str]) -> None:
        self._dialect = dialect
        self.labels = LabelReader(dialect, field_names)
        self._raw: str | None = None

    def take(self, segment: Segment, encoding: str, row: int) -> Segment:
        """The rest of the segment, the first record of which is row `row`."""
        lines = segment.data.splitlines(keepends=True)
        texts = [line.decode(encoding) for line in lines]
        taken = records = 0
        for cells, now in read_lines(texts, self._dialect):
            raw = "".join(texts[taken:now]).rstrip("\r\n")
            taken, number, records = now, row + records, records + 1
            known = self.labels.first_row
            if cells is None:
                own = next(read_lines([raw], replace(self._dialect, comment_char=None)))[0]
                self.labels.take(number, own or [], is_comment=True)
            else:
                self.labels.take(number, cells)
            if self.labels.first_row is not None and self.labels.is_done:
                self._raw = raw if known is None else None
            if self.labels.is_done:
                break
        size = sum(map(len, lines[:taken]))
        return Segment(segment.start + size, segment.data[size:], segment.records - records, segment.structural)

    @property
    def text(self) -> str:
        """The header record as in the file; if there are several or none, a new record of the labels."""
        if self._raw is not None:
            return self._raw
        return record_text(self.labels.labels, self._dialect)


def record_text(cells: Sequence[str], dialect: Dialect) -> str:
    """Cells as one record of the dialect; characters that it cannot hold are replaced."""
    delimiter, quote, escape = dialect.delimiter, dialect.quote_char, dialect.escape_char
    marks = {mark for mark in (delimiter, quote, escape) if mark}
    other_quote = '"' if quote == "'" else "'"
    double = quote * 2 if quote and dialect.double_quote else f"{escape}{quote}" if escape else other_quote
    filler = "_" if delimiter == " " else " "
    texts = []
    for cell in cells:
        if quote and (not cell.isprintable() or marks & set(cell) or cell.startswith(" ")):
            if escape:
                cell = cell.replace(escape, escape * 2)
            texts.append(f"{quote}{cell.replace(quote, double)}{quote}")
        else:
            taken = {mark: f"{escape}{mark}" if escape else filler for mark in marks}
            taken |= {"\r": filler, "\n": filler}
            texts.append("".join(taken.get(char, char) for char in cell))
    return delimiter.join(texts)


def _check_decodes(segment: Segment, encoding: str, dialect: Dialect, first_row: int, shown_encoding: str) -> None:
    native = library() if encoding == "utf-8" else None
    if native is not None and native.waybill_is_utf8(segment.data, len(segment.data)):
        return
    try:
        decode(segment.data, encoding)
    except UnicodeDecodeError as error:
        row = first_row + _records_before(segment, error.start, dialect)
        raise JobFailed("encoding-error", f"Row {row} is not valid {shown_encoding}.", row) from None


def _records_before(segment: Segment, offset: int, dialect: Dialect) -> int:
    """How many records of a segment end before a byte offset in it."""
    lines = [line.decode("latin-1") for line in segment.data.splitlines(keepends=True)]
    records, passed, taken = 0, 0, 0
    for _, now in read_lines(lines, dialect):
        passed += sum(map(len, lines[taken:now]))
        if passed > offset:
            break
        taken, records = now, records + 1
    return records
