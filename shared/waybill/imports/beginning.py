"""The beginning of a file as an import reads it: of a text a few hundred KB or MB, of a workbook the first rows."""

from __future__ import annotations

import io
import operator
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from waybill.clock import Clock
from waybill.entities.header import HeaderMatch, likely_match
from waybill.entities.model import Entity
from waybill.entities.row_results import RowError
from waybill.entities.schema import parse_schema
from waybill.errors import FileUnreadable, JobFailed
from waybill.imports.conversion import Conversion, ConversionRequest, ConvertedFile
from waybill.imports.deadline import RESERVE_SECONDS, OutOfTime, Remaining, Timed, check_time
from waybill.imports.job_source import conversion_request, renames_of
from waybill.imports.options import ImportOptions
from waybill.imports.register import new_import, with_options
from waybill.imports.row_reader import ROW_CAP_BYTES
from waybill.imports.source_object import ObjectFile, ObjectVersion
from waybill.jobs.model import Job
from waybill.jobs.uploads import Upload
from waybill.tabular.compressed import files_of
from waybill.tabular.dialect import MAX_ENTRY_CHARS, Dialect
from waybill.tabular.encodings import TextFormat
from waybill.tabular.jsontext import JsonForm
from waybill.tabular.recode import Recoded
from waybill.tabular.records import Readable, RecordTooLong, Segment, UnclosedQuote, parse_rows, segments
from waybill.tabular.scan import Pushback, Scan, read_head, scan_table

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.jobs.services import Services
    from waybill.tabular.sheets import Workbook

SECONDS = 12.0  # a request of the API may take 29
_BLOCK_BYTES = 16 * 1024
_FILE_BUFFER_BYTES = 256 * 1024
SHOWN_ENTRIES = 200  # of a zip file
MANY_RECORDS = 1_000  # header rows and comments may come before the first row
_TOO_SLOW = "The file takes too long to read for a preview. An import or a dry run has the time to read it."
_TOO_LONG = "The first rows are too long for a preview. An import or a dry run reads them."


@dataclass(frozen=True)
class Limits:
    """How much of a table is read: bytes of its text, and records."""

    bytes: int
    records: int


@dataclass(frozen=True)
class Beginning:
    """The beginning of a file, or why it cannot be read (`error`)."""

    found: ConvertedFile | None = None
    table: bytes = b""
    detected: dict[str, Any] | None = None
    sheets: list[str] | None = None
    entries: list[str] | None = None
    error: RowError | None = None
    is_whole: bool = True

    @property
    def labels(self) -> list[str]:
        return [] if self.found is None else self.found.scan.labels

    def rows(self) -> Iterator[list[str]]:
        """The cells of its data rows."""
        if self.found is None:
            return
        for segment, row, _, numbers in segments_of(self.found, self.table):
            cells = parse_rows(segment, segment.data.decode(self.found.text_encoding), self.found.dialect).cells
            yield from (cells[number - row] for number in numbers)


class _Cut(Exception):
    """Enough of the table was read."""


class _NothingToShow(Exception):
    """The file may be good, but a preview of it would take too much."""


def read_beginning(
    services: Services,
    upload: Upload,
    entity: Entity,
    options: ImportOptions,
    etag: str,
    limits: Limits,
) -> Beginning:
    """Read the beginning of an uploaded file as an import into the entity would.

    Raises:
        SourceChanged: another file was uploaded in its place.
    """
    job, schema = job_of(services, upload, entity, options, etag), parse_schema(entity.schema)

    def likely(labels: list[str]) -> HeaderMatch:
        return likely_match(schema, labels, renames_of(entity, job))

    request = conversion_request(services, job, entity, schema)
    conversion = _BeginningOnly(services.files, request, likely, services.clock, limits)
    try:
        found = conversion.read()
    except JobFailed as failure:
        error = RowError.whole(failure.row_number, failure.job_code, failure.detail)
        return Beginning(None, b"", conversion.detected, conversion.sheets, conversion.entries, error)
    except FileUnreadable as refused:
        return Beginning(error=RowError.whole(None, "source-error", refused.detail))
    except (_NothingToShow, OutOfTime, TimeoutError) as reason:
        message = str(reason) if isinstance(reason, _NothingToShow) else _TOO_SLOW
        error = RowError.whole(None, "too-large", message)
        return Beginning(None, b"", conversion.detected, conversion.sheets, conversion.entries, error, is_whole=False)
    return Beginning(
        found, conversion.table, found.detected, conversion.sheets, conversion.entries, is_whole=conversion.is_whole
    )


def job_of(services: Services, upload: Upload, entity: Entity, options: ImportOptions, etag: str) -> Job:
    """The import as it would be registered."""
    source = ObjectVersion(services.settings.files_bucket, upload.key, etag)
    job = new_import(services, upload.upload_id, entity.name, upload.file_name, source, upload.started_by)
    return with_options(job, entity, options)


def segments_of(found: ConvertedFile, table: bytes) -> Iterator[tuple[Segment, int, int, list[int]]]:
    """(segment, its first row, how many of its records are rows of the table, the numbers of the data rows)."""
    for chunk in found.scan.chunks:
        row = chunk.first_row
        for segment in segments(io.BytesIO(table[chunk.start : chunk.end]), found.dialect, chunk.start, _BLOCK_BYTES):
            count = min(segment.records, chunk.first_row + chunk.rows - row)
            if count == 0:  # only blank rows follow
                break
            yield segment, row, count, list(takewhile(partial(operator.gt, row + count), chunk.data_rows(row)))
            row += count


class _BeginningOnly(Conversion):
    """Reads the beginning of a table into `table`, instead of scanning or converting all of it."""

    _workbook_seconds = 6  # of CPU time; the API's function has little more than half a core
    _reads_all = False

    def __init__(
        self,
        files: Files,
        request: ConversionRequest,
        match: Callable[[list[str]], HeaderMatch],
        clock: Clock,
        limits: Limits,
    ) -> None:
        ends = clock.monotonic() + SECONDS
        # Timed streams keep back a reserve, which a preview does not need.
        super().__init__(files, replace(request, match=match), lambda: RESERVE_SECONDS + ends - clock.monotonic())
        self._strict_match = request.match
        self._limits = limits
        self.table = b""
        self.sheets: list[str] | None = None
        self.entries: list[str] | None = None
        self.is_whole = True

    def read(self) -> ConvertedFile:
        stream = self._open()
        head = read_head(stream)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        return self._read_kind(head, Pushback(head, stream))

    def _open_file(self) -> io.BufferedReader:
        return _TimedFile(ObjectFile(self._files, self._request.version), self._remaining_seconds)

    def _chosen(self, archive: zipfile.ZipFile, entry: str | None) -> zipfile.ZipInfo:
        files = [path for path in files_of(archive) if len(path) <= MAX_ENTRY_CHARS]
        self.entries = files[:SHOWN_ENTRIES] if len(files) > 1 else None
        return super()._chosen(archive, entry)

    def _read_sheets(self, book: Workbook, declared: Dialect, kind: str) -> ConvertedFile:
        self.sheets = [tab.name for tab in book.tabs if tab.is_worksheet]
        return super()._read_sheets(book, declared, kind)

    def _read_json(
        self, stream: Readable, again: Callable[[], Readable], form: TextFormat, kind: JsonForm
    ) -> ConvertedFile:
        text = stream if form.encoding == "utf-8" else Recoded(stream, form.encoding)
        beginning = read_head(text, self._limits.bytes + 1)
        if len(beginning) > self._limits.bytes:
            self.is_whole = False
            self._is_cut = True
            if kind == "lines":
                beginning = beginning[: beginning.rfind(b"\n") + 1]
        as_utf8 = replace(form, encoding="utf-8", bom=b"")
        try:
            found = super()._read_json(io.BytesIO(beginning), lambda: io.BytesIO(beginning), as_utf8, kind)
        except JobFailed as failure:
            if self._is_cut and failure.job_code == "empty-file":
                raise _NothingToShow(_TOO_LONG) from None
            raise
        return replace(found, detected={**found.detected, "encoding": form.encoding, "bom": bool(form.bom)})

    def _convert(self, stream: Readable, dialect: Dialect, encoding: str, **options: Any) -> Scan:
        return self._scan(stream, dialect, encoding, **options)

    def _scan(self, stream: Readable, dialect: Dialect, encoding: str, **options: Any) -> Scan:
        beginning = _Kept(Timed(stream, self._remaining_seconds), self._limits.bytes)
        taken: list[Segment] = []
        records = 0
        try:
            for segment in segments(beginning, dialect, 0, _BLOCK_BYTES):
                taken.append(segment)
                records += segment.records
                if records >= self._limits.records:
                    raise _Cut
            self.table = beginning.data
        except _Cut:
            self.is_whole = False
            self.table = b"".join(segment.data for segment in taken)
            if not self.table:
                raise _NothingToShow(_TOO_LONG) from None
        except (UnclosedQuote, RecordTooLong):
            self.table = beginning.data  # the scan reports the row
        options.setdefault("field_names", self._fields)
        options["start"] = 0
        try:
            return scan_table(io.BytesIO(self.table), dialect, encoding, self._limits.bytes, **options)
        except JobFailed as failure:
            if self.is_whole or failure.job_code != "empty-file":
                raise
        _check_length(stream, beginning.data[len(self.table) :], records + 1)
        raise _NothingToShow(_TOO_LONG)


def _check_length(stream: Readable, begun: bytes, row: int) -> None:
    """
    Args:
        begun: what was read of the row before, which the stream goes on with.

    Raises:
        JobFailed: `row-too-long`
    """
    while len(begun) <= ROW_CAP_BYTES and (more := stream.read(_BLOCK_BYTES)):
        begun += more
    if len(begun) > ROW_CAP_BYTES and not {b"\n"[0], b"\r"[0]}.intersection(begun[:ROW_CAP_BYTES]):
        raise JobFailed("row-too-long", f"Row {row} is longer than {ROW_CAP_BYTES // 2**20} MiB.", row)


class _Kept:
    """Keeps the beginning of a stream, up to `limit` bytes.

    Raises (while reading):
        _Cut: the stream is longer.
    """

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self.data = b""

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if data and len(self.data) >= self._limit:
            raise _Cut
        self.data += data
        return data


class _TimedFile(io.BufferedReader):
    """A file that can be read until the time is up: a small workbook can take half a minute."""

    def __init__(self, file: ObjectFile, remaining_seconds: Remaining) -> None:
        super().__init__(file, _FILE_BUFFER_BYTES)
        self._remaining_seconds = remaining_seconds

    def read(self, size: int | None = -1, /) -> bytes:
        check_time(self._remaining_seconds)
        return super().read(size)
