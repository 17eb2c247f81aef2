"""What is fuzzed: each target takes bytes that anybody may send, and raises only if Waybill does something wrong.

A reader may refuse its input with its own error, a documented one. Anything else that it raises is a bug, and so is an
answer that contradicts another reading of the same bytes. The targets need nothing but the layer, so that atheris can
instrument them in an environment of its own. Of Parquet only our part is theirs to instrument.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

from answers import decode_cursor
from jws import parse
from waybill.aws.files import Files
from waybill.entities.expected import ExpectedTable
from waybill.entities.header import HeaderMatch, HeaderMismatch, match_header
from waybill.entities.model import Entity
from waybill.entities.schema import Schema, SchemaError, parse_schema
from waybill.errors import JobFailed, MalformedRequest
from waybill.imports.conversion import Conversion, ConversionRequest, ConvertedFile
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import NoSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, Process, Status
from waybill.tabular.compressed import Gunzip, Unzip, chosen_file, open_zip
from waybill.tabular.dialect import Dialect
from waybill.tabular.parquet import Columns, decoded
from waybill.tabular.records import segments
from waybill.tabular.xlsx import XlsxWorkbook

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
SMALL_CHUNK_BYTES, ONE_CHUNK_BYTES = 64, 1 << 30

_SCHEMA = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True, "maxLength": 40}},
        {"name": "n", "type": "number", "bareNumber": False},
        {"name": "i", "type": "integer", "groupChar": ","},
        {"name": "d", "type": "date", "format": "any"},
        {"name": "t", "type": "datetime"},
        {"name": "b", "type": "boolean"},
        {"name": "o", "type": "object"},
        {"name": "l", "type": "list"},
    ],
    "primaryKey": ["id"],
    "missingValues": ["", "NA"],
    "fieldsMatch": "partial",
}
#: What an import may declare about a file, by its first byte: encoding, dialect, name.
_DECLARED: list[tuple[str | None, dict[str, Any], str]] = [
    (None, {}, "a.csv"),
    ("utf-8", {"delimiter": ","}, "a.csv"),
    ("cp1252", {"delimiter": ";", "commentChar": "#"}, "a.csv"),
    ("utf-16", {}, "a.csv"),
    ("shift_jis", {"delimiter": "|", "quoteChar": "'"}, "a.csv"),
    (None, {"header": False}, "a.csv"),
    (None, {"headerRows": [1, 2], "skipInitialSpace": True, "doubleQuote": False, "escapeChar": "\\"}, "a.csv"),
    (None, {}, "a.jsonl"),
]
_ENTITY = Entity(uid="uid", name="e", title="E", schema=_SCHEMA)
_JOB = Job("job", Process.IMPORT, Status.IN_PROGRESS, "e", "uid", "a.csv", NOW, "alice")
_PARSED = parse_schema(_SCHEMA)


def _match(labels: list[str]) -> HeaderMatch:
    return match_header(_PARSED, labels)


class _Memory:
    """The source, and what it is converted to."""

    def __init__(self, data: bytes) -> None:
        self._data, self.converted = data, io.BytesIO()

    def open(self, bucket: str, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> Any:
        return io.BytesIO(self._data[start:end])

    def head(self, bucket: str, key: str) -> Any:
        return None

    def writer(self, bucket: str, key: str, content_type: str = "") -> Any:
        self.converted = _Converted()
        return self.converted


class _Converted(io.BytesIO):
    def close(self) -> None:
        """It is still read."""

    def abort(self) -> None: ...


class _Source(Conversion):
    """Reads the file from memory. Workbooks that a child process reads are left out: it is too slow, and not ours."""

    def __init__(self, data: bytes, chunk_bytes: int, declared: tuple[str | None, dict[str, Any], str]) -> None:
        encoding, dialect, name = declared
        self.memory = _Memory(data)
        request = ConversionRequest(
            version=ObjectVersion("b", "k", None),
            file_name=name,
            target=("b", "t"),
            dialect=dialect,
            encoding=encoding,
            chunk_bytes=chunk_bytes,
            schema=_PARSED,
            renames={},
            match=_match,
            is_whole_record=True,
            expected=ExpectedTable(_PARSED, {}, _match),
        )
        super().__init__(cast(Files, self.memory), request)
        self._data = data

    def _open_file(self) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))  # type: ignore[arg-type]

    def _read_workbook(self, file: Any, kind: str) -> ConvertedFile:
        raise JobFailed("format-error", kind)

    def _read_parquet(self, stream: Any) -> ConvertedFile:
        raise JobFailed("format-error", "parquet")


def file(data: bytes) -> None:
    """A whole file, as an import reads it: in chunks of any size the same rows, each good or rejected once.

    Of a file with several faults any may be told.
    """
    declared = _DECLARED[data[0] % len(_DECLARED)] if data else _DECLARED[0]
    seen = [_rows(data[1:], size, declared) for size in (ONE_CHUNK_BYTES, SMALL_CHUNK_BYTES)]
    assert seen[0] == seen[1], "rows depend on the size of chunks"


def _rows(data: bytes, chunk_bytes: int, declared: tuple[str | None, dict[str, Any], str]) -> Any:
    """The labels, and what became of every row by its number; None for a file that is refused."""
    source = _Source(data, chunk_bytes, declared)
    try:
        found = source.read()
        match = match_header(_PARSED, found.scan.labels)
    except (JobFailed, HeaderMismatch):
        return None
    table = source.memory.converted.getvalue() if found.is_converted else data
    plan = found.plan(ObjectVersion("b", "k", None), 1)
    reader = RowReader(_PARSED, match, plan, _ENTITY, _JOB, "records")
    outcome: dict[int, Any] = {}
    counted = 0
    for chunk in found.scan.chunks:
        row, counted = chunk.first_row, counted + sum(1 for _ in chunk.data_rows())
        for segment in segments(io.BytesIO(table[chunk.start : chunk.end]), found.dialect, chunk.start):
            count = min(segment.records, chunk.first_row + chunk.rows - row)
            if count == 0:  # only blank rows follow
                break
            block = reader.read(segment, row, count, NOW, NoSink.wrapping)
            judged = [*zip(block.rows, block.keys, strict=True)]
            judged += [(number, [error[1:5] for error in errors]) for number, errors in block.errors.items()]  # type: ignore[misc]
            for number, verdict in judged:
                assert number not in outcome, "a row is judged twice"
                outcome[number] = verdict
            row += count
    assert len(outcome) == found.scan.rows == counted, "rows are not those that were counted"
    return found.scan.labels, outcome


def gunzip(data: bytes) -> None:
    """Gzip: refused, or what Python's own module reads."""
    try:
        ours = _whole(Gunzip(io.BytesIO(data)))
    except JobFailed:
        return
    try:
        theirs = gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        theirs = None
    assert ours == theirs, "another content than Python's"


def unzip(data: bytes) -> None:
    """A zip with one file: refused, or what Python's own module reads."""
    try:
        archive = open_zip(io.BytesIO(data))
        info = chosen_file(archive)
        ours = _whole(Unzip(archive, info))
    except JobFailed:
        return
    try:
        theirs = archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise AssertionError("read what Python refuses") from error
    assert ours == theirs, "another content than Python's"


_MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORKBOOK = {
    "[Content_Types].xml": b"<Types/>",
    "_rels/.rels": b'<Relationships><Relationship Id="r" Type="%s/officeDocument" Target="xl/workbook.xml"/>'
    b"</Relationships>" % _OFFICE,
    "xl/_rels/workbook.xml.rels": b'<Relationships><Relationship Id="a" Type="%s/worksheet" Target="s.xml"/>'
    b'<Relationship Id="b" Type="%s/styles" Target="y.xml"/>'
    b'<Relationship Id="c" Type="%s/sharedStrings" Target="t.xml"/></Relationships>' % (_OFFICE, _OFFICE, _OFFICE),
    "xl/workbook.xml": b'<workbook xmlns="%s" xmlns:r="%s"><sheets><sheet name="S" r:id="a"/></sheets></workbook>'
    % (_MAIN, _OFFICE),
}


def sheet(data: bytes) -> None:
    """The parts of a workbook, divided by NUL bytes: the sheet, shared texts, styles, the workbook."""
    given = data.split(b"\0", 3)
    names = ("xl/s.xml", "xl/t.xml", "xl/y.xml", "xl/workbook.xml")
    parts = {**_WORKBOOK, "xl/t.xml": b"<sst/>", "xl/y.xml": b"<styleSheet/>", **dict(zip(names, given, strict=False))}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    try:
        book = XlsxWorkbook(open_zip(packed))
        for index, tab in enumerate(book.tabs):
            last = 0
            for number, values in book.rows(index) if tab.is_worksheet else ():
                assert number > last, "rows are out of order"
                assert len(values) <= 16_384
                last = number
    except JobFailed:
        return


def schema(data: bytes) -> None:
    """A Table Schema and, behind a NUL byte, a cell that each of its fields reads."""
    text, _, cell = data.partition(b"\0")
    try:
        document = json.loads(text)
        made: Schema = parse_schema(document)
    except (ValueError, SchemaError, RecursionError):
        return
    for field in made.fields:
        value, problems = field.check(cell.decode("utf-8", "replace"))
        if not problems and value is not None:
            field.kind.identity(value)
            field.kind.stored(value)


def dialect(data: bytes) -> None:
    """A Table Dialect."""
    try:
        document = json.loads(data)
        made = Dialect.from_document(document) if isinstance(document, dict) else None
    except (ValueError, RecursionError):  # DialectError is a ValueError
        return
    assert made is None or Dialect.from_json(json.loads(json.dumps(asdict(made)))) == made


def token(data: bytes) -> None:
    """Tokens that callers send: of a session, and of the next page of a list."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError, RecursionError):
        parse(text)
    with contextlib.suppress(MalformedRequest):
        decode_cursor(text)


def parquet(data: bytes) -> None:
    """What the child process does with Parquet: an error, or columns of as many cells as there are rows."""
    kinds = {"text", "number", "boolean", "moment", "nested", "bytes"}
    try:
        head, *batches = decoded(io.BytesIO(data))
    except Exception:  # the child exits, and the file is refused
        return
    assert isinstance(head, Columns)
    assert len(head.names) == len(head.kinds)
    assert {*head.kinds} <= kinds
    for batch in batches:
        assert len(batch) == len(head.names)
        assert len({len(cells) for cells in batch}) == 1, "columns of different lengths"
        json.dumps(batch)


def _whole(stream: Any) -> bytes:
    return b"".join(iter(lambda: stream.read(1000), b""))


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (file, gunzip, unzip, sheet, parquet, schema, dialect, token)
}
