"""A source file of any format as a table that can be cut: as it stands, or rewritten once to a UTF-8 CSV.

Text in an encoding whose bytes can be cut is read where it is. Anything else (UTF-16, gzip, zip, workbooks, JSON Lines)
streams through the plan's scan into `jobs/{jobId}/source.csv` on the way; row numbers stay those of the original.
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from waybill.entities.header import HeaderMatch
from waybill.entities.schema import Schema
from waybill.errors import JobFailed
from waybill.imports.cells import NULL_SYMBOL, json_writer, sheet_writer
from waybill.imports.deadline import Remaining, Timed, whole_invocation
from waybill.tabular.compressed import Gunzip, Seekable, Unzip, only_file, open_zip
from waybill.tabular.detect import (
    HEAD_BYTES,
    TextFormat,
    container,
    declared_dialect,
    is_json_lines,
    refuse_markup,
    table_dialect,
    text_format,
)
from waybill.tabular.dialect import Dialect
from waybill.tabular.labels import LabelReader
from waybill.tabular.plan import Hashing, Pushback, Scan, read_head, scan_table
from waybill.tabular.recode import Recoded
from waybill.tabular.records import Readable

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.tabular.sheets import SheetRows

_BUFFER_BYTES = 1024 * 1024
_TEXT_CHARS = 64 * 1024
_BLANK = "\n"
_ZIPPED_WORKBOOKS = {"xl/workbook.bin": "xlsb", "content.xml": "ods"}
_MAX_WORKBOOK_PART_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class FileRead:
    """What became of a file. `text_encoding` is that of the bytes that the chunks are ranges of, `encoding` and `bom`
    are the rejects file's."""

    scan: Scan
    dialect: Dialect
    encoding: str
    bom: bool
    text_encoding: str
    format: str
    is_rewritten: bool
    sha256: str
    detected: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What is to be read, and how.

    `version` is (bucket, key, ETag), `target` (bucket, key) of the CSV it may be rewritten to; `match` gives the fields
    of labels, or raises HeaderMismatch; `renames` are field names by label.
    """

    version: tuple[str, str, str | None]
    file_name: str
    target: tuple[str, str]
    dialect: Mapping[str, Any]
    encoding: str | None
    chunk_bytes: int
    schema: Schema
    renames: Mapping[str, str]
    match: Callable[[list[str]], HeaderMatch]
    is_whole_record: bool


def read_file(files: Files, request: Request, remaining_seconds: Remaining = whole_invocation) -> FileRead:
    """Read a file through.

    Raises:
        JobFailed: it cannot be imported.
        HeaderMismatch: the labels of a workbook or of JSON Lines do not fit.
        SourceChanged: it is no longer the version that was asked for.
        OutOfTime: reading it takes too long.
    """
    return Reading(files, request, remaining_seconds).read()


class Reading:
    """Reads one file; what does so for another purpose (`waybill.imports.preview`) takes its table elsewhere."""

    _workbook_seconds: int | None = None  # of CPU time; None: as many as there may be

    def __init__(self, files: Files, request: Request, remaining_seconds: Remaining) -> None:
        self._files, self._request, self._remaining_seconds = files, request, remaining_seconds
        self._fields = [field.name for field in request.schema.fields]

    def read(self) -> FileRead:
        hashing = Hashing(self._open())
        head = read_head(hashing)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        found = self._read_kind(head, Pushback(head, hashing))
        while hashing.read(_BUFFER_BYTES):  # the hash is of the whole file
            pass
        return replace(found, sha256=hashing.hash.hexdigest())

    def _read_kind(self, head: bytes, stream: Readable) -> FileRead:
        """Read a file that begins with `head`."""
        kind = container(head)
        if kind == "text":
            return self._read_text(stream, self._open, None)
        if kind == "gzip":
            return self._read_text(Gunzip(stream), lambda: Gunzip(self._open()), "gzip")
        with self._open_file() as file:
            return self._read_zip(file, head) if kind == "zip" else self._read_workbook(file, "xls")

    def _open_file(self) -> io.BufferedReader:
        return io.BufferedReader(ObjectFile(self._files, self._request.version), _BUFFER_BYTES)

    def _open(self) -> Readable:
        bucket, key, etag = self._request.version
        return Timed(self._files.open(bucket, key, etag=etag), self._remaining_seconds)

    def _read_zip(self, file: Seekable, head: bytes) -> FileRead:
        from waybill.tabular.sheets import bad_workbook, check_part
        from waybill.tabular.xlsx import read_sheet

        try:
            archive = open_zip(file)
        except JobFailed:
            if b"[Content_Types].xml" in head or b"xl/" in head or b"opendocument" in head[:200]:
                raise bad_workbook("it is damaged or ends too early") from None
            raise
        names = {info.filename.lstrip("/").lower() for info in archive.infolist()}
        dialect = declared_dialect(self._request.dialect)
        if "[content_types].xml" in names and "xl/workbook.bin" not in names:
            if not any(name.startswith("xl/") or name.endswith("workbook.xml") for name in names):
                raise JobFailed("format-error", "The file is an Office document, but no workbook.")
            return self._read_sheet(read_sheet(archive, dialect.sheet_name, dialect.sheet_number), dialect, "xlsx")
        for mark, kind in _ZIPPED_WORKBOOKS.items():
            if mark in names and (kind != "ods" or "mimetype" in names):
                for info in archive.infolist():
                    if info.filename.lower().endswith((".xml", ".bin")):
                        check_part(info, _MAX_WORKBOOK_PART_BYTES)
                return self._read_workbook(file, kind)
        return self._read_zipped_text(archive)

    def _read_zipped_text(self, archive: zipfile.ZipFile) -> FileRead:
        info = only_file(archive)
        return self._read_text(Unzip(archive, info), lambda: Unzip(archive, info), "zip")

    def _read_workbook(self, file: Seekable, kind: str) -> FileRead:
        from waybill.tabular import workbooks

        dialect = declared_dialect(self._request.dialect)
        seconds = self._workbook_seconds or workbooks.CPU_SECONDS
        sheet = workbooks.read_sheet(file, dialect.sheet_name, dialect.sheet_number, seconds)
        return self._read_sheet(sheet, dialect, kind)

    def _read_text(self, stream: Readable, again: Callable[[], Readable], compression: str | None) -> FileRead:
        """Read a text from its first byte; `again` opens it once more."""
        head = read_head(stream)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        if compression and container(head) != "text":
            raise JobFailed("compression-error", f"The {compression} file holds another archive or a workbook.")
        form = text_format(head, self._request.encoding)
        text = form.decode(head)
        refuse_markup(text)
        detected: dict[str, Any] = {"compression": compression} if compression else {}
        rest = Pushback(head[len(form.bom) :], stream)
        if is_json_lines(text, len(head) < HEAD_BYTES, self._request.file_name):
            return self._read_json_lines(rest, again, form, detected)
        dialect = table_dialect(self._request.dialect, text)
        if form.is_cuttable and not compression:
            text_encoding = form.encoding
            scan = self._scan(rest, dialect, text_encoding, start=len(form.bom))
        else:
            text_encoding = form.encoding if form.is_cuttable else "utf-8"
            table = rest if form.is_cuttable else Recoded(rest, form.encoding)
            scan = self._rewrite(table, dialect, text_encoding, source_encoding=form.encoding)
        shown = {"encoding": form.encoding, "bom": bool(form.bom), "delimiter": dialect.delimiter}
        return FileRead(
            scan=scan,
            dialect=dialect,
            encoding=form.encoding,
            bom=bool(form.bom),
            text_encoding=text_encoding,
            format="csv",
            is_rewritten=bool(compression) or not form.is_cuttable,
            sha256="",
            detected={**shown, "headerRow": scan.header_row, **detected},
        )

    def _read_sheet(self, sheet: SheetRows, declared: Dialect, kind: str) -> FileRead:
        dialect = _plain_dialect(declared)
        texts = _sheet_lines(sheet.rows, dialect, self._fields, self._sheet_writers)
        scan = self._rewrite(_TextStream(texts), dialect, "utf-8")
        detected = {"format": kind, "sheet": sheet.name, "headerRow": scan.header_row}
        return self._typed(scan, dialect, kind, detected)

    def _sheet_writers(self, labels: list[str]) -> list[Callable[[Any], str]]:
        fields = {column.position: column.field for column in self._request.match(labels).columns}
        return [sheet_writer(fields.get(position)) for position in range(len(labels))]

    def _read_json_lines(
        self, stream: Readable, again: Callable[[], Readable], form: TextFormat, detected: dict[str, Any]
    ) -> FileRead:
        from waybill.tabular import jsonlines

        names, array = jsonlines.find_names(jsonlines.read_lines(_utf8(stream, form), form.encoding))
        declared = declared_dialect(self._request.dialect)
        has_header = array is not None and self._is_header(array)
        if array is None:
            labels = self._json_labels(names)
        else:
            labels = [str(item) for item in array] if has_header else self._fields
        fields = {column.position: column.field for column in self._request.match(labels).columns}
        null = declared.null_sequence
        if null is None and any(not field.missing_values for field in fields.values()):
            null = NULL_SYMBOL
        writers = [json_writer(fields.get(position), null or "") for position in range(len(labels))]
        dialect = Dialect(header_rows=None if has_header else (), null_sequence=null)
        fresh = again()
        read_head(fresh, len(form.bom))
        lines = jsonlines.read_lines(_utf8(fresh, form), form.encoding)
        texts = _json_lines(lines, labels, writers, is_array=array is not None, has_header=has_header)
        scan = self._rewrite(_TextStream(texts), dialect, "utf-8", field_names=labels)
        shown = {"format": "jsonl", "encoding": form.encoding, "bom": bool(form.bom), "headerRow": scan.header_row}
        return self._typed(scan, dialect, "jsonl", {**shown, **detected})

    def _is_header(self, array: Sequence[Any]) -> bool:
        names = {self._request.renames.get(item, item) for item in array if isinstance(item, str)}
        return len(names) == len(array) and names <= set(self._fields)

    def _json_labels(self, names: list[str]) -> list[str]:
        """The names in the file, those of fields first and in their order: in objects it has no meaning.

        Where whole records are written, a field that no object names is null in all, so it is there too, unless it must
        have a value.
        """
        by_field: dict[str, str] = {}
        for name in names:
            by_field.setdefault(self._request.renames.get(name, name), name)
        labels = []
        for field in self._request.schema.fields:
            if field.name in by_field:
                labels.append(by_field[field.name])
            elif (
                self._request.is_whole_record
                and not field.required
                and field.name not in self._request.schema.primary_key
                and not by_field.keys().isdisjoint(self._fields)
                and self._request.renames.get(field.name, field.name) == field.name
            ):
                labels.append(field.name)
        known = set(labels)
        return labels + [name for name in names if name not in known]

    def _typed(self, scan: Scan, dialect: Dialect, kind: str, detected: dict[str, Any]) -> FileRead:
        declared = self._request.encoding
        return FileRead(
            scan=scan,
            dialect=dialect,
            encoding="utf-8",
            # The mark tells a rejects file of UTF-8 from the entity's files of another encoding.
            bom=declared is not None and codecs.lookup(declared).name != "utf-8",
            text_encoding="utf-8",
            format=kind,
            is_rewritten=True,
            sha256="",
            detected={"encoding": None, "bom": False, "delimiter": None, **detected},
        )

    def _scan(self, stream: Readable, dialect: Dialect, encoding: str, **options: Any) -> Scan:
        options.setdefault("field_names", self._fields)
        stream = Timed(stream, self._remaining_seconds)
        return scan_table(stream, dialect, encoding, self._request.chunk_bytes, **options)

    def _rewrite(self, stream: Readable, dialect: Dialect, encoding: str, **options: Any) -> Scan:
        """Scan a stream, and write it to the target on the way."""
        writer = self._files.writer(*self._request.target, f"text/csv; charset={encoding}")
        try:
            scan = self._scan(_Tee(stream, writer.write), dialect, encoding, **options)
            writer.close()
        except BaseException:
            writer.abort()
            raise
        return scan


def _plain_dialect(declared: Dialect) -> Dialect:
    """The dialect of a rewritten sheet: what is declared of its rows, with comma and double quote."""
    if declared.comment_char and declared.comment_char[0] in ',"':
        raise JobFailed("source-error", "The dialect cannot be used: commentChar: begins with a comma or a quote.")
    return Dialect(
        header_rows=declared.header_rows,
        header_join=declared.header_join,
        comment_char=declared.comment_char,
        comment_rows=declared.comment_rows,
        null_sequence=declared.null_sequence,
    )


def _sheet_lines(
    rows: Iterator[tuple[int, list[Any]]],
    dialect: Dialect,
    field_names: Sequence[str],
    writers_for: Callable[[list[str]], list[Callable[[Any], str]]],
) -> Iterator[str]:
    """A sheet's rows as lines of CSV, line n for row n."""
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
    """A sheet has no row ends: cells that are not there are empty."""
    missing = len(writers) - len(values)
    if missing > 0:
        values += [None] * missing
    cells = [write(value) for write, value in zip(writers, values, strict=False)]
    return cells + [as_shown(value) for value in values[len(writers) :]]


def _json_lines(
    lines: Iterator[tuple[int, str]],
    labels: list[str],
    writers: list[Callable[[Any], str]],
    *,
    is_array: bool,
    has_header: bool,
) -> Iterator[str]:
    """Lines of JSON as lines of CSV. One that makes no row becomes a record that is no CSV, so that it is rejected."""
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
                    row.encode()  # half a surrogate pair is no text
                yield row
        except (BadLine, UnicodeEncodeError):
            quoted = text.replace('"', '""')
            yield f'"{quoted}"!{_BLANK}'


def _utf8(stream: Readable, form: TextFormat) -> Readable:
    return stream if form.encoding == "utf-8" else Recoded(stream, form.encoding)


def _line_writer() -> Callable[[Sequence[str]], str]:
    """Writes cells as a line of CSV."""
    plain = csv.writer(_Echo(), lineterminator=_BLANK).writerow
    careful = csv.writer(_Echo(), lineterminator=_BLANK, quoting=csv.QUOTE_ALL).writerow

    def write(cells: Sequence[str]) -> str:
        line: str = plain(cells)  # what `_Echo.write` gives back
        # With lines that end in LF, the csv module leaves a cell with a CR unquoted.
        return careful(cells) if "\r" in line else line

    return write


class _Echo:
    """What `csv.writer` writes to comes back from `writerow`."""

    def write(self, text: str, /) -> Any:
        return text


class _TextStream:
    """Pieces of text as a stream of UTF-8."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._ready = b""

    def read(self, size: int = -1, /) -> bytes:
        if not self._ready:
            parts, chars = [], 0
            for text in self._texts:
                parts.append(text)
                chars += len(text)
                if chars >= _TEXT_CHARS:
                    break
            self._ready = "".join(parts).encode()
        if size < 0:
            size = len(self._ready)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data


class _Tee:
    """A stream whose bytes are also written elsewhere."""

    def __init__(self, stream: Readable, write: Callable[[bytes], object]) -> None:
        self._stream, self._write = stream, write

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._write(data)
        return data


class ObjectFile(io.RawIOBase):
    """One version of an S3 object as a file with a position. Reads that follow each other are one request."""

    def __init__(self, files: Files, version: tuple[str, str, str | None]) -> None:
        self._files, self._version = files, version
        info = files.head(*version[:2])
        self._size = info.size_bytes if info else 0
        self._position = 0
        self._stream: Readable | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise ValueError("position before the file")
        if position != self._position:
            self._position, self._stream = position, None
        return position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        if self._position >= self._size:
            return 0
        if self._stream is None:
            bucket, key, etag = self._version
            self._stream = self._files.open(bucket, key, start=self._position, etag=etag)
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
