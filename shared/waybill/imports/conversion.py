"""Turns a source file of any kind into a table that can be divided into chunks.

Text in an encoding whose bytes can be cut is scanned where it is. Anything else (UTF-16, gzip, zip, workbooks, JSON
Lines, Parquet) is converted to a UTF-8 CSV at `jobs/{jobId}/source.csv` while it is scanned; row numbers are the
original's.
"""

from __future__ import annotations

import dataclasses
import io
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from waybill.entities.header import REJECTS_LABELS, HeaderMatch, HeaderMismatch
from waybill.entities.schema import Schema
from waybill.errors import JobFailed
from waybill.imports.cells import NULL_SYMBOL, json_writer, parquet_writer, sheet_writer
from waybill.imports.csv_lines import (
    NOT_A_ROW,
    SheetsAsCsv,
    SheetTable,
    TextStream,
    json_lines_as_csv,
    labels_of,
    parquet_as_csv,
)
from waybill.imports.deadline import RESERVE_SECONDS, Remaining, Timed, whole_invocation
from waybill.imports.plan_document import ImportPlan
from waybill.imports.sheet_choice import SHEET_CHOSEN, Head, choose_sheets
from waybill.imports.source_object import ObjectFile, ObjectVersion
from waybill.tabular.compressed import Gunzip, Seekable, Unzip, chosen_file, open_zip
from waybill.tabular.detect import container, refuse_markup
from waybill.tabular.detect_dialect import (
    HEADER_ROW_GUESSED,
    HEADER_ROWS,
    declared_dialect,
    find_header,
    header_row_warning,
    table_dialect,
)
from waybill.tabular.dialect import MAX_ENTRY_CHARS, Dialect
from waybill.tabular.encodings import (
    GUESSED,
    HEAD_BYTES,
    TextFormat,
    guessed_again,
    is_utf8,
    lines_beyond_ascii,
    text_format,
)
from waybill.tabular.jsontext import JsonForm, json_form, json_records
from waybill.tabular.recode import Recoded
from waybill.tabular.records import Readable
from waybill.tabular.scan import (
    PIECE_BYTES,
    Hashing,
    Pushback,
    Resumed,
    Scan,
    ScanPaused,
    WithoutEndMark,
    read_head,
    scan_table,
)

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.tabular.detect_dialect import Expected
    from waybill.tabular.sheets import Workbook

_BUFFER_BYTES = 1024 * 1024
_PAUSE_SECONDS = 30  # before the reserve of timed streams, which ends a scan that cannot pause
_MAX_SHEET_NAME = 255  # in `detected`; Excel allows 31
# A function has 512 MB of /tmp.
MAX_PACKED_WORKBOOK_BYTES = 384 * 1024**2
MAX_PARQUET_BYTES = 384 * 1024**2


@dataclass(frozen=True)
class ConvertedFile:
    """A file that was scanned, and converted where its bytes cannot be cut (`is_converted`).

    `text_encoding` is that of the bytes that the chunks are ranges of; `encoding` and `bom` are the rejects file's.
    `detected` and `warnings` (message by code) are shown in the job. `sha256` is that of the original file, in
    hexadecimal. `sheets` are (number of the first row, name) of the sheets, where there are several. `unnamed` are the
    fields that have a label although no line of JSON Lines names them.
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
    warnings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sheets: tuple[tuple[int, str], ...] = ()
    unnamed: Sequence[str] = ()

    def plan(self, source: ObjectVersion, key_partitions: int) -> ImportPlan:
        """The plan of its import.

        Args:
            source: the object that the chunks are ranges of.
            key_partitions: of the digest files.
        """
        return ImportPlan(
            source=source,
            labels=self.scan.labels,
            header=self.scan.header,
            chunks=self.scan.chunks,
            encoding=self.encoding,
            bom=self.bom,
            sha256=self.sha256,
            dialect=self.dialect,
            key_partitions=key_partitions,
            text_encoding=self.text_encoding,
            format=self.format,
            sheets=self.sheets,
        )


@dataclass(frozen=True)
class ConversionRequest:
    """Which file to read, and how.

    `target` is (bucket, key) of the CSV that it may be converted to. `match` returns the fields of labels, or raises
    HeaderMismatch. `renames` are field names by label. `is_whole_record` says that fields which no line of a JSON Lines
    file names are null, not left as they are. `words` are labels and values that the schema expects in the file;
    `expected` tells whether a header and rows fit, for the detection of their dialect.
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
    expected: Expected
    words: Collection[str] = ()


class Paused(Exception):
    """The invocation's time is nearly over; `document` (JSON values) is what the next one needs to go on."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__("paused")
        self.document = document


class Conversion:
    """Reads one file. Who reads only its beginning overrides where the table goes (`waybill.imports.beginning`).

    `detected` is what was found out about the file so far, also when reading it fails; None before its first bytes.
    """

    _workbook_seconds: int | None = None  # of CPU time; None for the longest allowed
    _reads_all = True  # not just the beginning
    _is_cut = False  # the text that is read is the beginning of one
    _packed: Mapping[str, Any] = MappingProxyType({})  # about the file that holds this one

    def __init__(
        self,
        files: Files,
        request: ConversionRequest,
        remaining_seconds: Remaining = whole_invocation,
        paused: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            paused: of the `Paused` that another invocation raised for this request.
        """
        self.detected: dict[str, Any] | None = None
        self._paused = paused
        self._hashing: Hashing
        self._can_pause = self._reads_all
        self._files, self._request, self._remaining_seconds = files, request, remaining_seconds
        self._fields = [field.name for field in request.schema.fields]
        self._strict_match = request.match

    def read(self) -> ConvertedFile:
        """Read the file to its end.

        Raises:
            JobFailed: the file cannot be imported.
            HeaderMismatch: the labels of a workbook or of JSON Lines do not fit the schema.
            SourceChanged: the object is no longer the version of the request.
            OutOfTime: reading the file takes longer than the invocation has.
            Paused: likewise, and another invocation can go on.
        """
        self._hashing = Hashing(self._open())
        head = read_head(self._hashing)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        try:
            found = self._read_kind(head, Pushback(head, self._hashing))
        except ScanPaused as paused:
            pieces = self._hashing.pieces[: paused.end // PIECE_BYTES]
            document = {"end": paused.end, "tally": paused.tally, "pieces": [piece.hex() for piece in pieces]}
            raise Paused(document) from None
        self.detected = found.detected
        while self._hashing.read(_BUFFER_BYTES):  # the hash is of the whole file
            pass
        return replace(found, sha256=self._hashing.hexdigest())

    def _pausing(self) -> dict[str, Any]:
        """What makes the scan of a text that is read in place go on where an earlier one was paused, and pause."""
        if not self._can_pause:
            return {}
        paused = self._paused
        resumed = None if paused is None else Resumed(paused["end"], paused["tally"], self._reopened)
        return {"resumed": resumed, "pauses": lambda: self._remaining_seconds() < RESERVE_SECONDS + _PAUSE_SECONDS}

    def _reopened(self) -> Readable:
        """The text from where its scan was paused; the piece that this is in is hashed from its beginning."""
        paused, version = self._paused or {}, self._request.version
        pieces = [bytes.fromhex(piece) for piece in paused["pieces"]]
        start = len(pieces) * PIECE_BYTES
        stream = self._files.open(version.bucket, version.key, start=start, etag=version.etag)
        self._hashing = Hashing(Timed(stream, self._remaining_seconds), pieces)
        left = paused["end"] - start
        while left > 0 and (data := self._hashing.read(min(left, _BUFFER_BYTES))):
            left -= len(data)
        return WithoutEndMark(self._hashing)

    def _read_kind(self, head: bytes, stream: Readable) -> ConvertedFile:
        """Read a file that begins with `head`."""
        self._detect()
        kind = container(head)
        if kind == "text":
            return self._read_text(stream, self._open)
        if kind == "gzip":
            return self._read_packed(lambda: Gunzip(self._open()), Gunzip(stream), {"compression": "gzip"})
        if kind == "parquet":
            return self._read_parquet(stream)
        with self._open_file() as file:
            return self._read_zip(file, head) if kind == "zip" else self._read_xls(file)

    def _read_packed(self, opened: Callable[[], Readable], stream: Readable, detected: dict[str, Any]) -> ConvertedFile:
        """Read what is packed into another file: a text, a workbook, or Parquet.

        Args:
            opened: opens it once more.
            detected: about the other file.
        """
        self._packed = detected
        head = read_head(stream)
        kind = container(head) if head else "text"
        stream = Pushback(head, stream)
        if kind == "text":
            return self._read_text(stream, opened)
        if kind == "gzip":
            raise self._holds_archive()
        if kind == "parquet":
            return self._read_parquet(stream)
        with tempfile.TemporaryFile() as file:
            size = 0
            while data := stream.read(_BUFFER_BYTES):
                size += len(data)
                if size > MAX_PACKED_WORKBOOK_BYTES:
                    limit = f"{MAX_PACKED_WORKBOOK_BYTES // 1024**2} MiB"
                    what = f"The compressed file holds a workbook of more than {limit}. Send the workbook as it is."
                    raise JobFailed("compression-error", what)
                file.write(data)
            return self._read_zip(file, head) if kind == "zip" else self._read_xls(file)

    def _holds_archive(self) -> JobFailed:
        return JobFailed("compression-error", f"The {self._packed['compression']} file holds another archive.")

    def _open_file(self) -> io.BufferedReader:
        return io.BufferedReader(ObjectFile(self._files, self._request.version), _BUFFER_BYTES)

    def _open(self) -> Readable:
        version = self._request.version
        return Timed(self._files.open(version.bucket, version.key, etag=version.etag), self._remaining_seconds)

    def _read_zip(self, file: Seekable, head: bytes) -> ConvertedFile:
        from waybill.tabular.ods import OdsWorkbook
        from waybill.tabular.sheets import bad_workbook
        from waybill.tabular.xlsb import XlsbWorkbook
        from waybill.tabular.xlsx import XlsxWorkbook

        try:
            archive = open_zip(file)
        except JobFailed:
            if b"[Content_Types].xml" in head or b"xl/" in head or b"opendocument" in head[:200]:
                raise bad_workbook("it is damaged or ends too early") from None
            raise
        names = {info.filename.replace("\\", "/").lstrip("/").lower() for info in archive.infolist()}
        dialect = declared_dialect(self._request.dialect)
        if "[content_types].xml" in names:
            if any(name.endswith("workbook.bin") for name in names):
                return self._read_sheets(XlsbWorkbook(archive), dialect, "xlsb")
            if not any(name.startswith("xl/") or name.endswith("workbook.xml") for name in names):
                raise JobFailed("format-error", "The file is an Office document, but not a workbook.")
            return self._read_sheets(XlsxWorkbook(archive), dialect, "xlsx")
        if "meta-inf/manifest.xml" in names and not names.isdisjoint(("content.xml", "encrypted-package")):
            return self._read_sheets(OdsWorkbook(archive), dialect, "ods")
        if self._packed:
            raise self._holds_archive()
        info = self._chosen(archive, dialect.entry)
        shown = {"compression": "zip", "entry": info.filename[:MAX_ENTRY_CHARS]}
        return self._read_packed(lambda: self._unzipped(archive, info), self._unzipped(archive, info), shown)

    def _chosen(self, archive: zipfile.ZipFile, entry: str | None) -> zipfile.ZipInfo:
        return chosen_file(archive, entry)

    def _unzipped(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Readable:
        return Timed(Unzip(archive, info), self._remaining_seconds)

    def _read_xls(self, file: Seekable) -> ConvertedFile:
        from waybill.tabular.xls import CPU_SECONDS, XlsWorkbook

        dialect = declared_dialect(self._request.dialect)
        return self._read_sheets(XlsWorkbook(file, self._workbook_seconds or CPU_SECONDS), dialect, "xls")

    def _read_parquet(self, stream: Readable) -> ConvertedFile:
        """Read Parquet. Its header is row 1, as that of a text with the same table is."""
        from waybill.tabular.parquet import CPU_SECONDS, ParquetTable, bad_parquet

        self._detect(format="parquet")
        size = 0
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            while data := stream.read(_BUFFER_BYTES):
                size += len(data)
                if size > MAX_PARQUET_BYTES:
                    limit = f"{MAX_PARQUET_BYTES // 1024**2} MiB"
                    raise bad_parquet(f"it has more than {limit}; write it in several files")
                file.write(data)
            file.flush()
            table = ParquetTable(file.name, self._workbook_seconds or CPU_SECONDS)
            try:
                names, kinds, rows = table.columns
                if not rows:
                    raise JobFailed("empty-file", "The file holds no rows.")
                fields = {column.position: column.field for column in self._request.match(names).columns}
                null = declared_dialect(self._request.dialect).null_sequence
                if null is None and any(not field.missing_values for field in fields.values()):
                    null = NULL_SYMBOL
                writers = [parquet_writer(kind, fields.get(number), null or "") for number, kind in enumerate(kinds)]
                dialect = Dialect(null_sequence=null)
                texts = parquet_as_csv(names, table.batches(), writers, size)
                scan = self._convert(TextStream(texts), dialect, "utf-8", field_names=self._fields)
            finally:
                table.close()
        return self._typed(scan, dialect, "parquet", {"format": "parquet", "headerRow": scan.header_row})

    def _read_text(self, stream: Readable, again: Callable[[], Readable]) -> ConvertedFile:
        """Read a text from its first byte; `again` opens the text once more."""
        head = read_head(stream)
        if not head:
            raise JobFailed("empty-file", "The file is empty.")
        form = text_format(head, self._request.encoding, self._request.words)
        rest = Pushback(head[len(form.bom) :], stream)
        is_sure = bool(form.bom) or self._request.encoding is not None or not self._reads_all
        try:
            return self._read_as(form, head, rest, again)
        except JobFailed as failure:
            if is_sure or failure.job_code != "encoding-error":
                raise
            lines = lines_beyond_ascii(iter(partial(again().read, _BUFFER_BYTES), b""))
            guess = guessed_again(form, lines, self._request.words)
            if guess is None:
                raise
            self._can_pause = False  # another invocation would begin with the first guess
            return self._read_as(guess, head, again(), again)

    def _read_as(self, form: TextFormat, head: bytes, rest: Readable, again: Callable[[], Readable]) -> ConvertedFile:
        """Read a text of this form that begins with `head`, from behind its byte order mark."""
        text = form.decode(head)
        refuse_markup(text)
        self._detect(encoding=form.encoding, bom=bool(form.bom))
        name = self._packed.get("entry", self._request.file_name)
        member = declared_dialect(self._request.dialect).json_member
        if kind := json_form(text, len(head) < HEAD_BYTES, name, member):
            return self._read_json(rest, again, form, kind)
        found = table_dialect(self._request.dialect, text, self._request.expected)
        dialect = found.dialect
        header_row = dialect.header_rows[0] if dialect.header_rows else None
        shown = {"encoding": form.encoding, "bom": bool(form.bom), "delimiter": dialect.delimiter, **_unusual(dialect)}
        self._detect(**shown, headerRow=header_row)
        if form.is_cuttable and not self._packed:
            text_encoding = form.encoding
            options = {"start": len(form.bom), **self._pausing()}
            scan = self._scan(WithoutEndMark(rest), dialect, text_encoding, **options)
        else:
            text_encoding = form.encoding if form.is_cuttable else "utf-8"
            table = rest if form.is_cuttable else Recoded(rest, form.encoding)
            scan = self._convert(WithoutEndMark(table), dialect, text_encoding, source_encoding=form.encoding)
        if tuple(scan.labels[:3]) == REJECTS_LABELS and dialect.null_sequence is None and self._has_null_symbol():
            dialect = replace(dialect, null_sequence=NULL_SYMBOL)  # it may hold rows of JSON Lines
        return ConvertedFile(
            scan=scan,
            dialect=dialect,
            encoding=form.encoding,
            bom=bool(form.bom),
            text_encoding=text_encoding,
            format="csv",
            is_converted=bool(self._packed) or not form.is_cuttable,
            sha256="",
            detected={**shown, "headerRow": scan.header_row, **self._packed},
            warnings={**warnings_of(form), **found.warnings},
        )

    def _has_null_symbol(self) -> bool:
        """Whether a field of the entity has no missing value as which a null of JSON could be written."""
        return any(not field.missing_values for field in self._request.schema.fields)

    def _detect(self, **found: Any) -> None:
        nothing = {"encoding": None, "bom": False, "delimiter": None, "headerRow": None}
        self.detected = {**nothing, **found, **self._packed}

    def _read_sheets(self, book: Workbook, declared: Dialect, kind: str) -> ConvertedFile:
        self._detect(format=kind)
        plain = _plain_dialect(declared)
        choice = choose_sheets(book, declared, partial(self._fits, plain))
        names = [book.tabs[tab].name for tab in choice.tabs]
        shown: dict[str, Any] = {"format": kind, "sheet": ", ".join(names)[:_MAX_SHEET_NAME]}
        self._detect(**shown)
        if len(names) > 1 and plain.comment_char is None:
            plain = replace(plain, comment_char=NOT_A_ROW)
        guesses: list[str] = []
        tables = self._tables(book, choice.tabs, plain, guesses)
        first = next(tables)
        sheets = SheetsAsCsv(self._fields, self._request.match)
        dialect = first.dialect
        scan = self._convert(TextStream(sheets.lines(chain([first], tables))), dialect, "utf-8")
        if len(names) > 1:
            shown["sheets"] = [{"name": name[:_MAX_SHEET_NAME], "firstRow": row} for row, name in sheets.begun]
        found = self._typed(scan, dialect, kind, {**shown, "headerRow": scan.header_row})
        warnings = {} if choice.warning is None else {SHEET_CHOSEN: choice.warning}
        if guesses:
            warnings[HEADER_ROW_GUESSED] = " ".join(guesses)
        return replace(found, warnings=warnings, sheets=tuple(sheets.begun) if len(names) > 1 else ())

    def _tables(self, book: Workbook, tabs: Sequence[int], plain: Dialect, guesses: list[str]) -> Iterator[SheetTable]:
        """The sheets as they are read; what is to be told of the rows of their headers joins `guesses`."""
        for tab in tabs:
            name, rows = book.tabs[tab].name, book.rows(tab)
            head = list(islice(rows, HEADER_ROWS))
            dialect = self._with_header_row(plain, head)
            if dialect is not plain and dialect.header_rows:
                which = f'In sheet "{name}": ' if len(tabs) > 1 else ""
                guesses.append(which + header_row_warning(dialect.header_rows[0]))
            yield SheetTable(name, dialect, chain(head, rows))

    def _with_header_row(self, dialect: Dialect, head: Head) -> Dialect:
        """The dialect of a sheet that begins with these rows, with the row of its header if that is not the first."""
        if dialect.header_rows is not None:
            return dialect
        as_shown = sheet_writer(None)
        labels = {number: [*map(as_shown, _filled(values))] for number, values in head}
        comment = dialect.comment_char
        comments = {
            number
            for number, cells in labels.items()
            if number in dialect.comment_rows or (comment and cells and cells[0].startswith(comment))
        }
        rows = [(number, cells) for number, cells in labels.items() if number not in comments]
        found = find_header(rows, self._request.expected)
        first = next(number for number in count(1) if number not in comments)
        return dialect if found.row in (None, first) else replace(dialect, header_rows=(found.row,))

    def _fits(self, dialect: Dialect, head: Head) -> bool:
        """Whether the first rows of a sheet begin with a header that fits the schema."""
        try:
            labels = labels_of(head, self._with_header_row(dialect, head), self._fields)
            if labels is not None:
                self._strict_match(labels)
        except (JobFailed, HeaderMismatch):
            return False
        return labels is not None

    def _read_json(
        self, stream: Readable, again: Callable[[], Readable], form: TextFormat, kind: JsonForm
    ) -> ConvertedFile:
        from waybill.tabular.jsonlines import find_names

        format = "json" if kind == "array" else "jsonl"
        self._detect(format=format, encoding=form.encoding, bom=bool(form.bom))
        declared = declared_dialect(self._request.dialect)

        def records(text: Readable) -> Iterator[tuple[int, str]]:
            return json_records(_utf8(text, form), kind, form.encoding, declared.json_member, is_cut=self._is_cut)

        names, array = find_names(records(stream))
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
        texts = json_lines_as_csv(records(fresh), labels, writers, is_array=array is not None, has_header=has_header)
        scan = self._convert(TextStream(texts), dialect, "utf-8", field_names=labels)
        shown = {"format": format, "encoding": form.encoding, "bom": bool(form.bom), "headerRow": scan.header_row}
        unnamed = () if array is not None else tuple(label for label in labels if label not in set(names))
        found = self._typed(scan, dialect, "jsonl", shown)
        return replace(found, warnings=warnings_of(form), unnamed=unnamed)

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
            bom=declared is not None and not is_utf8(declared),
            text_encoding="utf-8",
            format=kind,
            is_converted=True,
            sha256="",
            detected={"encoding": None, "bom": False, "delimiter": None, **detected, **self._packed},
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


def _filled(values: list[Any]) -> list[Any]:
    """The cells of a row up to the last that is not empty."""
    last = max((index for index, value in enumerate(values, 1) if value not in (None, "")), default=0)
    return values[:last]


def _unusual(dialect: Dialect) -> dict[str, Any]:
    """What a job shows of a dialect besides its delimiter, where it is not as in most files."""
    shown = {
        "quoteChar": (dialect.quote_char or "") if dialect.quote_char != '"' else None,
        "escapeChar": dialect.escape_char,
        "doubleQuote": None if dialect.double_quote else False,
        "skipInitialSpace": dialect.skip_initial_space or None,
    }
    return {member: value for member, value in shown.items() if value is not None}


def warnings_of(form: TextFormat) -> dict[str, str]:
    """The warnings about the encoding of a text, by their code."""
    return {} if form.guess is None else {GUESSED: form.guess}


def _utf8(stream: Readable, form: TextFormat) -> Readable:
    return WithoutEndMark(stream if form.encoding == "utf-8" else Recoded(stream, form.encoding))


class _Tee:
    """A stream whose bytes are also written elsewhere."""

    def __init__(self, stream: Readable, write: Callable[[bytes], object]) -> None:
        self._stream, self._write = stream, write

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._write(data)
        return data
