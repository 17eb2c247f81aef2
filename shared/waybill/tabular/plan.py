"""Read a delimited file once, in order, and divide it into row-aligned chunks.

The whole file is read before anything is written: only then is it known that it decodes, that no quote is left open,
where the last non-blank row is, and how many rows there are. That costs under a nanosecond a byte where no quote is
stray (`waybill.tabular.records`). Pure: bytes in, a plan out.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waybill.errors import JobFailed
from waybill.tabular.dialect import Dialect, DialectError, detect_delimiter
from waybill.tabular.records import (
    RECORD_CAP_BYTES,
    Readable,
    RecordTooLong,
    Segment,
    UnclosedQuote,
    last_filled_record,
    segments,
)

SCAN_BYTES = 1024 * 1024
HEADER_ROW = 1
_FOREIGN_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows: bytes `[start, end)` of the file, `rows` records, the first of which is row `first_row`."""

    number: int
    start: int
    end: int
    first_row: int
    rows: int


@dataclass(frozen=True)
class FilePlan:
    """What a file holds. `detected` is what the job shows: encoding, bom, delimiter, headerRow."""

    labels: list[str]
    chunks: list[Chunk]
    rows: int
    size_bytes: int
    sha256: str
    encoding: str
    dialect: Dialect
    detected: dict[str, Any]


@dataclass
class _Tally:
    """Where the scan stands: segments gathered for the chunk at work, and the last filled row so far."""

    chunk_bytes: int
    chunks: list[Chunk] = field(default_factory=list)
    next_row: int = HEADER_ROW + 1
    last_filled_row: int = HEADER_ROW
    start: int | None = None
    first_row: int = 0

    def add(self, segment: Segment, dialect: Dialect) -> None:
        if self.start is None:
            self.start, self.first_row = segment.start, self.next_row
        filled = last_filled_record(segment, dialect)
        if filled is not None:
            self.last_filled_row = self.next_row + filled
        self.next_row += segment.records
        if segment.start + len(segment.data) - self.start >= self.chunk_bytes:
            self.close(segment.start + len(segment.data))

    def close(self, end: int) -> None:
        if self.start is not None:
            rows = self.next_row - self.first_row
            self.chunks.append(Chunk(len(self.chunks), self.start, end, self.first_row, rows))
            self.start = None

    def without_blank_tail(self) -> list[Chunk]:
        """The chunks up to the last filled row."""
        kept = [chunk for chunk in self.chunks if chunk.first_row <= self.last_filled_row]
        if kept:
            last = kept[-1]
            rows = min(last.rows, self.last_filled_row - last.first_row + 1)
            kept[-1] = Chunk(last.number, last.start, last.end, last.first_row, rows)
        return kept


class _Hashing:
    """A stream that hashes and counts what passes."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        self.size_bytes += len(data)
        return data


class _Pushback:
    """A stream with some bytes put back in front."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._stream.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


def plan_file(
    stream: Readable, dialect_document: Mapping[str, Any], declared_encoding: str | None, chunk_bytes: int
) -> FilePlan:
    """Plan the import of a file.

    Args:
        stream: the file from its first byte.
        dialect_document: a Table Dialect; what it leaves open is detected.
        declared_encoding: a Python codec name, or None: UTF-8, with or without a byte order mark.
        chunk_bytes: a chunk ends with the first block of records that brings it to this size.

    Raises:
        JobFailed: `empty-file`, `encoding-error`, `format-error`, `blank-header`, `row-too-long` or `source-error`
            (a dialect that cannot be used), with the row where there is one.
    """
    hashing = _Hashing(stream)
    head = hashing.read(SCAN_BYTES)
    if not head:
        raise JobFailed("empty-file", "The file is empty.")
    encoding, bom = _encoding(head, declared_encoding)
    pushed = _Pushback(head[len(bom) :], hashing)
    dialect = _dialect(dialect_document, head[len(bom) :], encoding)
    tally = _Tally(chunk_bytes)
    labels: list[str] | None = None
    try:
        for segment in segments(pushed, dialect, len(bom), min(SCAN_BYTES, max(1, chunk_bytes))):
            _check_decodes(segment, encoding, HEADER_ROW if labels is None else tally.next_row)
            if labels is None:
                labels, segment = _take_header(segment, encoding, dialect)
            if segment.records:
                tally.add(segment, dialect)
    except UnclosedQuote as error:
        row = HEADER_ROW + error.record
        raise JobFailed("format-error", f"The quote that opens in row {row} is never closed.", row) from None
    except RecordTooLong as error:
        row = HEADER_ROW + error.record
        size = RECORD_CAP_BYTES // 2**20
        raise JobFailed("row-too-long", f"Row {row} is longer than {size} MiB.", row) from None
    tally.close(hashing.size_bytes)
    chunks = tally.without_blank_tail()
    if labels is None or not chunks:
        raise JobFailed("empty-file", "The file has a header but no data rows.")
    return FilePlan(
        labels=labels,
        chunks=chunks,
        rows=sum(chunk.rows for chunk in chunks),
        size_bytes=hashing.size_bytes,
        sha256=hashing.hash.hexdigest(),
        encoding=encoding,
        dialect=dialect,
        detected={"encoding": encoding, "bom": bool(bom), "delimiter": dialect.delimiter, "headerRow": HEADER_ROW},
    )


def _encoding(head: bytes, declared: str | None) -> tuple[str, bytes]:
    """(codec name, byte order mark to skip)."""
    bom = codecs.BOM_UTF8 if head.startswith(codecs.BOM_UTF8) else b""
    encoding = codecs.lookup(declared or "utf-8").name
    if encoding == "utf-8-sig":
        encoding = "utf-8"
    if not is_ascii_compatible(encoding):
        raise JobFailed("encoding-error", f"Files in {encoding} are not read; save the file as UTF-8.")
    for foreign, name in _FOREIGN_BOMS.items():
        if head.startswith(foreign):
            raise JobFailed("encoding-error", f"The file begins with a {name} byte order mark; save it as UTF-8.", 1)
    if head.count(b"\0") > len(head) // 4:
        raise JobFailed("encoding-error", "The file looks like UTF-16 or is not text; save it as UTF-8.", 1)
    return encoding, bom if encoding == "utf-8" else b""


def is_ascii_compatible(encoding: str) -> bool:
    """Whether line breaks, quotes and delimiters are single ASCII bytes, so that bytes can be cut before decoding."""
    sample = '\r\n",;\t|'
    return sample.encode(encoding) == sample.encode("ascii")


def _dialect(document: Mapping[str, Any], head: bytes, encoding: str) -> Dialect:
    first_line = head.partition(b"\n")[0].partition(b"\r")[0].decode(encoding, "replace")
    try:
        return Dialect.from_document(document, detect_delimiter(first_line, document.get("quoteChar") or '"'))
    except DialectError as error:
        raise JobFailed("source-error", f"The dialect cannot be used: {error}.") from None


def _check_decodes(segment: Segment, encoding: str, first_row: int) -> None:
    try:
        segment.data.decode(encoding)
    except UnicodeDecodeError as error:
        row = first_row + _records_before(segment, error.start)
        raise JobFailed("encoding-error", f"Row {row} is not valid {encoding}.", row) from None


def _records_before(segment: Segment, offset: int) -> int:
    """How many records of a segment end before a byte offset in it."""
    text = segment.data[:offset].decode("latin-1") + "\0"
    return sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) - 1


def _take_header(segment: Segment, encoding: str, dialect: Dialect) -> tuple[list[str], Segment]:
    """(labels of the first record, the rest of the segment)."""
    lines = segment.data.splitlines(keepends=True)
    reader = csv.reader((line.decode(encoding) for line in lines), **dialect.reader_options())
    labels = next(reader)
    size = sum(map(len, lines[: reader.line_num]))
    if not any(label.strip() for label in labels):
        raise JobFailed("blank-header", "The first row is blank; it must hold the column names.", HEADER_ROW)
    if any("\0" in label for label in labels):
        raise JobFailed("format-error", "The header holds NUL characters; is this a CSV file?", HEADER_ROW)
    rest = Segment(segment.start + size, segment.data[size:], segment.records - 1, segment.structural)
    return labels, rest
