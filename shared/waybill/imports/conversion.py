"""Turns a source file of any kind into a table that can be divided into chunks.

Text in an encoding whose bytes can be cut is scanned where it is. Anything else (UTF-16, gzip, zip, workbooks, JSON
Lines) is converted to a UTF-8 CSV at `jobs/{jobId}/source.csv` while it is scanned; row numbers are the original's.
"""

from __future__ import annotations

import codecs
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from waybill.entities.header import REJECTS_LABELS, HeaderMatch
from waybill.entities.schema import Schema
from waybill.errors import JobFailed
from waybill.imports.cells import NULL_SYMBOL, json_writer, sheet_writer
from waybill.imports.csv_lines import TextStream, json_lines_as_csv, sheet_as_csv
from waybill.imports.deadline import Remaining, Timed, whole_invocation
from waybill.imports.source_object import ObjectFile, ObjectVersion
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
from waybill.tabular.recode import Recoded
from waybill.tabular.records import Readable
from waybill.tabular.scan import Hashing, Pushback, Scan, read_head, scan_table

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.tabular.sheets import SheetRows

_BUFFER_BYTES = 1024 * 1024
_ZIPPED_WORKBOOKS = {"xl/workbook.bin": "xlsb", "content.xml": "ods"}
_MAX_SHEET_NAME = 255  # in `detected`; Excel allows 31
_MAX_WORKBOOK_PART_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class ConvertedFile:
    """A file that was scanned, and converted where its bytes cannot be cut (`is_converted`).

    `text_encoding` is that of the bytes that the chunks are ranges of; `encoding` and `bom` are the rejects file's.
    `detected` is shown in the job. `sha256` is that of the original file, in hexadecimal.
    """

    scan: Scan
    dialect: Dialect
    encoding: str
    bom: bool
    text_encoding: str
    format: str
    is_converted: bool
    sha256: str
    detected: dict[str, Any]


@dataclass(frozen=True)
class ConversionRequest:
    """Which file to read, and how.

    `target` is (bucket, key) of the CSV that it may be converted to. `match` returns the fields of labels, or raises
    HeaderMismatch. `renames` are field names by label. `is_whole_record` says that fields which no line of a JSON Lines
    file names are null, not left as they are.
    """

    version: ObjectVersion
    file_name: str
    target: tuple[str, str]
    dialect: Mapping[str, Any]
    encoding: str | None
    chunk_bytes: int
    schema: Schema
    renames: Mapping[str, str]
    match: Callable[[list[str]], HeaderMatch]
    is_whole_record: bool


class Conversion:
    """Reads one file. The preview overrides where the table goes (`waybill.imports.preview`).

    `detected` is what was found out about the file so far, also when reading it fails; None before its first bytes.
    """

    _workbook_seconds: int | None = None  # of CPU time; None for the longest allowed

    def __init__(
        self, files: Files, request: ConversionRequest, remaining_seconds: Remaining = whole_invocation
    ) -> None:
        self.detected: dict[str, Any] | None = None
        self._files, self._request, self._remaining_seconds = files, request, remaining_seconds
        self._fields = [field.name for field in request.schema.fields]

    def read(self) -> ConvertedFile:
        """Read the file to its end.

        Raises:
            JobFailed: the file cannot be imported.
            HeaderMismatch: the labels of a workbook or of JSON Lines do not fit the schema.
            SourceChanged: the object is no longer the version of the request.
            OutOfTime: reading the file takes longer than the invocation has.
        """
        hashing = Hashing(self._open())
        head = read_head(hashing)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        found = self._read_kind(head, Pushback(head, hashing))
        self.detected = found.detected
        while hashing.read(_BUFFER_BYTES):  # the hash is of the whole file
            pass
        return replace(found, sha256=hashing.hash.hexdigest())

    def _read_kind(self, head: bytes, stream: Readable) -> ConvertedFile:
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
        version = self._request.version
        return Timed(self._files.open(version.bucket, version.key, etag=version.etag), self._remaining_seconds)

    def _read_zip(self, file: Seekable, head: bytes) -> ConvertedFile:
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
                raise JobFailed("format-error", "The file is an Office document, but not a workbook.")
            return self._read_sheet(read_sheet(archive, dialect.sheet_name, dialect.sheet_number), dialect, "xlsx")
        for mark, kind in _ZIPPED_WORKBOOKS.items():
            if mark in names and (kind != "ods" or "mimetype" in names):
                for info in archive.infolist():
                    if info.filename.lower().endswith((".xml", ".bin")):
                        check_part(info, _MAX_WORKBOOK_PART_BYTES)
                return self._read_workbook(file, kind)
        return self._read_zipped_text(archive)

    def _read_zipped_text(self, archive: zipfile.ZipFile) -> ConvertedFile:
        info = only_file(archive)
        return self._read_text(Unzip(archive, info), lambda: Unzip(archive, info), "zip")

    def _read_workbook(self, file: Seekable, kind: str) -> ConvertedFile:
        from waybill.tabular import workbooks

        dialect = declared_dialect(self._request.dialect)
        seconds = self._workbook_seconds or workbooks.CPU_SECONDS
        sheet = workbooks.read_sheet(file, dialect.sheet_name, dialect.sheet_number, seconds)
        return self._read_sheet(sheet, dialect, kind)

    def _read_text(self, stream: Readable, again: Callable[[], Readable], compression: str | None) -> ConvertedFile:
        """Read a text from its first byte; `again` opens the text once more."""
        head = read_head(stream)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        if compression and container(head) != "text":
            raise JobFailed("compression-error", f"The {compression} file holds another archive or a workbook.")
        form = text_format(head, self._request.encoding)
        text = form.decode(head)
        refuse_markup(text)
        detected: dict[str, Any] = {"compression": compression} if compression else {}
        self._detect(encoding=form.encoding, bom=bool(form.bom), **detected)
        rest = Pushback(head[len(form.bom) :], stream)
        if is_json_lines(text, len(head) < HEAD_BYTES, self._request.file_name):
            return self._read_json_lines(rest, again, form, detected)
        dialect = table_dialect(self._request.dialect, text)
        self._detect(encoding=form.encoding, bom=bool(form.bom), delimiter=dialect.delimiter, **detected)
        if form.is_cuttable and not compression:
            text_encoding = form.encoding
            scan = self._scan(rest, dialect, text_encoding, start=len(form.bom))
        else:
            text_encoding = form.encoding if form.is_cuttable else "utf-8"
            table = rest if form.is_cuttable else Recoded(rest, form.encoding)
            scan = self._convert(table, dialect, text_encoding, source_encoding=form.encoding)
        shown = {"encoding": form.encoding, "bom": bool(form.bom), "delimiter": dialect.delimiter}
        if tuple(scan.labels[:3]) == REJECTS_LABELS and dialect.null_sequence is None and self._has_null_symbol():
            dialect = replace(dialect, null_sequence=NULL_SYMBOL)  # it may hold rows of JSON Lines
        return ConvertedFile(
            scan=scan,
            dialect=dialect,
            encoding=form.encoding,
            bom=bool(form.bom),
            text_encoding=text_encoding,
            format="csv",
            is_converted=bool(compression) or not form.is_cuttable,
            sha256="",
            detected={**shown, "headerRow": scan.header_row, **detected},
        )

    def _has_null_symbol(self) -> bool:
        """Whether a field of the entity has no missing value as which a null of JSON could be written."""
        return any(not field.missing_values for field in self._request.schema.fields)

    def _detect(self, **found: Any) -> None:
        self.detected = {"encoding": None, "bom": False, "delimiter": None, "headerRow": None, **found}

    def _read_sheet(self, sheet: SheetRows, declared: Dialect, kind: str) -> ConvertedFile:
        name = sheet.name[:_MAX_SHEET_NAME]
        self._detect(format=kind, sheet=name)
        dialect = _plain_dialect(declared)
        texts = sheet_as_csv(sheet.rows, dialect, self._fields, self._sheet_writers)
        scan = self._convert(TextStream(texts), dialect, "utf-8")
        detected = {"format": kind, "sheet": name, "headerRow": scan.header_row}
        return self._typed(scan, dialect, kind, detected)

    def _sheet_writers(self, labels: list[str]) -> list[Callable[[Any], str]]:
        fields = {column.position: column.field for column in self._request.match(labels).columns}
        return [sheet_writer(fields.get(position)) for position in range(len(labels))]

    def _read_json_lines(
        self, stream: Readable, again: Callable[[], Readable], form: TextFormat, detected: dict[str, Any]
    ) -> ConvertedFile:
        from waybill.tabular import jsonlines

        self._detect(format="jsonl", encoding=form.encoding, bom=bool(form.bom), **detected)
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
        texts = json_lines_as_csv(lines, labels, writers, is_array=array is not None, has_header=has_header)
        scan = self._convert(TextStream(texts), dialect, "utf-8", field_names=labels)
        shown = {"format": "jsonl", "encoding": form.encoding, "bom": bool(form.bom), "headerRow": scan.header_row}
        return self._typed(scan, dialect, "jsonl", {**shown, **detected})

    def _is_header(self, array: Sequence[Any]) -> bool:
        names = {self._request.renames.get(item, item) for item in array if isinstance(item, str)}
        return len(names) == len(array) and names <= set(self._fields)

    def _json_labels(self, names: list[str]) -> list[str]:
        """The names in the file, those of fields first and in schema order: an object's members have no order.

        Where whole records are written, a field that no object names is null in all of them and gets a label, unless
        the field must have a value.
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

    def _typed(self, scan: Scan, dialect: Dialect, kind: str, detected: dict[str, Any]) -> ConvertedFile:
        declared = self._request.encoding
        return ConvertedFile(
            scan=scan,
            dialect=dialect,
            encoding="utf-8",
            # The byte order mark tells the rejects file, in UTF-8, from the entity's files of another encoding.
            bom=declared is not None and codecs.lookup(declared).name != "utf-8",
            text_encoding="utf-8",
            format=kind,
            is_converted=True,
            sha256="",
            detected={"encoding": None, "bom": False, "delimiter": None, **detected},
        )

    def _scan(self, stream: Readable, dialect: Dialect, encoding: str, **options: Any) -> Scan:
        options.setdefault("field_names", self._fields)
        stream = Timed(stream, self._remaining_seconds)
        return scan_table(stream, dialect, encoding, self._request.chunk_bytes, **options)

    def _convert(self, stream: Readable, dialect: Dialect, encoding: str, **options: Any) -> Scan:
        """Scan a stream, and write it to the target while it passes."""
        writer = self._files.writer(*self._request.target, f"text/csv; charset={encoding}")
        try:
            scan = self._scan(_Tee(stream, writer.write), dialect, encoding, **options)
            writer.close()
        except BaseException:
            writer.abort()
            raise
        return scan


def _plain_dialect(declared: Dialect) -> Dialect:
    """The dialect of a converted sheet: what is declared about rows, with comma and double quote."""
    if declared.comment_char and declared.comment_char[0] in ',"':
        raise JobFailed("source-error", "The dialect cannot be used: commentChar begins with a comma or a quote.")
    return Dialect(
        header_rows=declared.header_rows,
        header_join=declared.header_join,
        comment_char=declared.comment_char,
        comment_rows=declared.comment_rows,
        null_sequence=declared.null_sequence,
    )


def _utf8(stream: Readable, form: TextFormat) -> Readable:
    return stream if form.encoding == "utf-8" else Recoded(stream, form.encoding)


class _Tee:
    """A stream whose bytes are also written elsewhere."""

    def __init__(self, stream: Readable, write: Callable[[bytes], object]) -> None:
        self._stream, self._write = stream, write

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._write(data)
        return data
