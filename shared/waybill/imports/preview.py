"""The preview of an import: the first rows of a file, as the import's own readers judge them; nothing is written.

Only the beginning of the file is read: of a text, compressed or not, a MiB to detect what it is and `SHOWN_BYTES` for
its rows; of a workbook what comes before the first rows of the sheet. The time is limited, too.
"""

from __future__ import annotations

import io
import operator
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from waybill.clock import Clock
from waybill.entities.header import HeaderMatch, HeaderMismatch, likely_match
from waybill.entities.model import Entity
from waybill.entities.row_results import RowBlock, RowError
from waybill.entities.schema import Schema, parse_schema
from waybill.errors import FileUnreadable, JobFailed
from waybill.imports.cells import shown_cell
from waybill.imports.conversion import Conversion, ConversionRequest, ConvertedFile
from waybill.imports.deadline import RESERVE_SECONDS, OutOfTime, Remaining, Timed, check_time
from waybill.imports.foreign_keys import OPTION, OwnFiles, OwnReferences, References, has_new_rows
from waybill.imports.job_source import cleared_fields, conversion_request, header_errors, match_labels, renames_of
from waybill.imports.options import ImportOptions
from waybill.imports.plan_document import ImportPlan
from waybill.imports.register import new_import, with_options
from waybill.imports.rejects import told_by_sheet
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import NoSink
from waybill.imports.source_object import ObjectFile, ObjectVersion
from waybill.jobs.model import Job
from waybill.jobs.uploads import Upload
from waybill.sizes import PageBytes
from waybill.tabular.compressed import files_of
from waybill.tabular.dialect import MAX_ENTRY_CHARS, Dialect
from waybill.tabular.encodings import TextFormat
from waybill.tabular.jsontext import JsonForm
from waybill.tabular.recode import Recoded
from waybill.tabular.records import Readable, RecordTooLong, Segment, UnclosedQuote, parse_rows, segments
from waybill.tabular.scan import HEADER_ROW, Pushback, Scan, read_head, scan_table
from waybill.wire.imports import SHOWN_ROWS

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.jobs.services import Services
    from waybill.tabular.sheets import Workbook

SHOWN_BYTES = 512 * 1024
SHOWN_ERRORS = 20  # of one row
SHOWN_CELL = 500  # characters of one cell
SHOWN_ENTRIES = 200  # of a zip file
SECONDS = 12.0  # a request of the API may take 29
_BLOCK_BYTES = 16 * 1024
_FILE_BUFFER_BYTES = 256 * 1024
_MANY_RECORDS = 1_000  # header rows and comments may come before the first row
_TOO_SLOW = "The file takes too long to read for a preview. An import or a dry run has the time to read it."
_TOO_LONG = "The first rows are too long for a preview. An import or a dry run reads them."


@dataclass(frozen=True)
class SeenRow:
    """A row's number in the file, or in the original one of a rejects file, its cells, and what is wrong with them."""

    number: int
    cells: list[str]
    errors: list[RowError]


@dataclass(frozen=True)
class Preview:
    """What a preview shows.

    `fields` holds for each label the name of its field, or None. `error` says why the file or its header cannot be
    imported; `header_errors` lists everything wrong with the header. `is_whole` says that the whole file was read.
    """

    detected: dict[str, Any] | None = None
    sheets: list[str] | None = None
    entries: list[str] | None = None
    labels: list[str] = field(default_factory=list)
    fields: list[str | None] = field(default_factory=list)
    rows: list[SeenRow] = field(default_factory=list)
    header_errors: list[RowError] = field(default_factory=list)
    error: RowError | None = None
    warnings: Mapping[str, str] = field(default_factory=dict)
    is_whole: bool = True

    def to_resource(self) -> dict[str, Any]:
        """The preview as the API answers it, with as many rows as fit into an answer."""
        error = self.error
        shown: dict[str, Any] = {
            "detected": self.detected,
            "sheets": self.sheets,
            "entries": self.entries,
            "labels": self.labels,
            "fields": self.fields,
            "headerErrors": [_as_member(each) for each in self.header_errors],
            "error": error and {"code": error.type, "message": error.message, "rowNumber": error.row_number},
            "warnings": [{"code": code, "message": message} for code, message in self.warnings.items()],
            "isWhole": self.is_whole,
        }
        rows = (
            {"rowNumber": row.number, "cells": row.cells, "errors": [_as_member(each) for each in row.errors]}
            for row in self.rows
        )
        return {**shown, "rows": list(takewhile(PageBytes(shown).takes, rows))}


class _Cut(Exception):
    """Enough of the table was read."""


class _NothingToShow(Exception):
    """The file may be good, but a preview of it would take too much."""


def preview_file(services: Services, upload: Upload, entity: Entity, options: ImportOptions, etag: str) -> Preview:
    """Preview an uploaded file with the options of an import.

    Args:
        etag: of the version to read.

    Raises:
        SourceChanged: another file was uploaded in its place.
    """
    source = ObjectVersion(services.settings.files_bucket, upload.key, etag)
    job = new_import(services, upload.upload_id, entity.name, upload.file_name, source, upload.started_by)
    job = with_options(job, entity, options)
    schema = parse_schema(entity.schema)
    request = conversion_request(services, job, entity, schema)

    def likely(labels: list[str]) -> HeaderMatch:
        return likely_match(schema, labels, renames_of(entity, job))

    conversion = _PreviewConversion(services.files, request, likely, services.clock)
    try:
        found = conversion.read()
    except JobFailed as failure:
        error = RowError.whole(failure.row_number, failure.job_code, failure.detail)
        return Preview(conversion.detected, conversion.sheets, conversion.entries, error=error)
    except FileUnreadable as refused:
        return Preview(error=RowError.whole(None, "source-error", refused.detail))
    except (_NothingToShow, OutOfTime, TimeoutError) as reason:
        message = str(reason) if isinstance(reason, _NothingToShow) else _TOO_SLOW
        error = RowError.whole(None, "too-large", message)
        return Preview(conversion.detected, conversion.sheets, conversion.entries, error=error, is_whole=False)
    labels = found.scan.labels
    by_position = {column.position: column.field.name for column in likely(labels).columns}
    errors: list[RowError] = []
    match: HeaderMatch | None = None
    try:
        match = match_labels(schema, entity, job, labels)
    except HeaderMismatch as mismatch:
        errors = header_errors(mismatch, found.scan.header_row or HEADER_ROW)
    return Preview(
        detected=found.detected,
        sheets=conversion.sheets,
        entries=conversion.entries,
        labels=labels,
        fields=[by_position.get(position) for position in range(len(labels))],
        rows=_rows(services, job, entity, schema, found, conversion.table, match, conversion.is_whole),
        header_errors=errors,
        error=errors[0] if errors else None,
        warnings={**found.warnings, **(cleared_fields(job, match, found.unnamed) if match else {})},
        is_whole=conversion.is_whole,
    )


def _rows(
    services: Services,
    job: Job,
    entity: Entity,
    schema: Schema,
    found: ConvertedFile,
    table: bytes,
    match: HeaderMatch | None,
    is_whole: bool,
) -> list[SeenRow]:
    plan = found.plan(ObjectVersion("", "", None), 0)
    reader = RowReader(schema, match, plan, entity, job, services.settings.records_table) if match else None
    references = References(services, reader) if reader and job.options.get(OPTION) else None
    seen: list[tuple[int, list[str]]] = []
    errors: dict[int, list[RowError]] = {}
    own, blocks = OwnFiles(), list[RowBlock]()
    for segment, row, count, numbers in _segments(found, table):
        left = SHOWN_ROWS - len(seen)
        cells = parse_rows(segment, segment.data.decode(found.text_encoding), found.dialect).cells
        seen += [(number, [_shown(cell, plan) for cell in cells[number - row]]) for number in numbers[:left]]
        if reader is not None:
            block = reader.read(segment, row, count, services.clock.now(), NoSink.wrapping)
            if references is not None:
                asked = references.check(block, numbers[left] if left < len(numbers) else None)
                reader.reject_dangling(block, asked.dangling)
                own.add(references, block, asked.open)
                blocks.append(block)
            errors |= block.errors
        if left < len(numbers):
            break
    else:
        if reader is not None and is_whole:  # else a record that is named may be in the rest of the file
            dangling = OwnReferences(own.pieces, has_new_rows(job)).dangling()
            for block in blocks:
                reader.reject_dangling(block, dangling)
                errors |= block.errors
    told = {number: told_by_sheet(errors.get(number, [])[:SHOWN_ERRORS], plan.sheets) for number, _ in seen}
    form = plan.rejects_format  # the first cell of a rejects file is the row's number
    return [SeenRow(form.row_number(number, "".join(cells[:1])), cells, told[number]) for number, cells in seen]


def _segments(found: ConvertedFile, table: bytes) -> Iterator[tuple[Segment, int, int, list[int]]]:
    """(segment, its first row, how many of its records are rows of the table, the numbers of the data rows)."""
    for chunk in found.scan.chunks:
        row = chunk.first_row
        for segment in segments(io.BytesIO(table[chunk.start : chunk.end]), found.dialect, chunk.start, _BLOCK_BYTES):
            count = min(segment.records, chunk.first_row + chunk.rows - row)
            if count == 0:  # only blank rows follow
                break
            yield segment, row, count, list(takewhile(partial(operator.gt, row + count), chunk.data_rows(row)))
            row += count


def _as_member(error: RowError) -> dict[str, Any]:
    return {
        "fieldNumber": error.field_number,
        "fieldName": error.field_name,
        "type": error.type,
        "message": error.message,
    }


def _shown(cell: str, plan: ImportPlan) -> str:
    cell = shown_cell(cell, plan.dialect.null_sequence, plan.may_lack_values)
    return cell if len(cell) <= SHOWN_CELL else cell[: SHOWN_CELL - 1] + "…"


class _PreviewConversion(Conversion):
    """Reads the beginning of a table into `table`, instead of scanning or converting all of it."""

    _workbook_seconds = 6  # of CPU time; the API's function has little more than half a core
    _reads_all = False

    def __init__(
        self, files: Files, request: ConversionRequest, match: Callable[[list[str]], HeaderMatch], clock: Clock
    ) -> None:
        ends = clock.monotonic() + SECONDS
        # Timed streams keep back a reserve, which a preview does not need.
        super().__init__(files, replace(request, match=match), lambda: RESERVE_SECONDS + ends - clock.monotonic())
        self._strict_match = request.match
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
        beginning = read_head(text, SHOWN_BYTES + 1)
        if len(beginning) > SHOWN_BYTES:
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
        beginning = _Beginning(Timed(stream, self._remaining_seconds))
        taken: list[Segment] = []
        records = 0
        try:
            for segment in segments(beginning, dialect, 0, _BLOCK_BYTES):
                taken.append(segment)
                records += segment.records
                if records >= _MANY_RECORDS:
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
        return scan_table(io.BytesIO(self.table), dialect, encoding, SHOWN_BYTES, **{**options, "start": 0})


class _Beginning:
    """Keeps the beginning of a stream.

    Raises (while reading):
        _Cut: the stream is longer.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.data = b""

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if data and len(self.data) >= SHOWN_BYTES:
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
