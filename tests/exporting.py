"""Exports without AWS: pages as DynamoDB sends them, files as a run writes them, and their import again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from tests.builders import START
from waybill.aws.files import FileInfo, Files
from waybill.entities.expected import ExpectedTable
from waybill.entities.model import Entity, Target
from waybill.entities.row_compiler import attribute_name, key_text
from waybill.entities.row_results import RowError
from waybill.entities.schema import parse_schema
from waybill.exports.compression import Compression
from waybill.exports.definition import Definition, ExportType
from waybill.exports.encoder import Item, RowEncoder
from waybill.exports.file_writer import FileWriter, Written
from waybill.imports.chunks import chunk_segments
from waybill.imports.conversion import Conversion, ConversionRequest
from waybill.imports.job_source import match_labels
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import BatchSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, Process, Status

JOB_ID = "3f0e8f9a-7c1d-4c59-9a64-3a1f5f0f2f7b"
UID = "7f9c24e5-5a3c-4c8a-9a53-0f6e6f7cbb0a"


def entity(*fields: Mapping[str, Any], target: bool = False, **schema: Any) -> Entity:
    """An entity with these fields; `target`: on a table of its own."""
    table = Target("theirs") if target else None
    return Entity(UID, "things", {"fields": list(fields), **schema}, title="things", target=table)


def definition(format: str = "csv", **members: Any) -> Definition:
    """A definition with the contract's defaults."""
    defaults: dict[str, Any] = {
        "fields": None,
        "dialect": {},
        "escape_formulas": True,
        "compression": "none",
        "file_name": f"things.{format}",
        "destination": {"kind": "download"},
    }
    given = {**defaults, **members}
    given["compression"] = Compression(given["compression"])
    return Definition(
        name="things",
        entity="things",
        type=ExportType.ONE_SHOT,
        filter=(),
        format=format,
        schedule=None,
        recipients=(),
        webhooks=(),
        include_deleted=False,
        **given,
    )


def stored(of: Entity, cells: Mapping[str, str | None]) -> dict[str, Any]:
    """A record as an import of these cells stores it; None for a null."""
    schema = parse_schema(of.schema)
    item: dict[str, Any] = {}
    identities = {}
    for name, cell in cells.items():
        field = schema.by_name[name]
        if cell is None:
            continue
        value = field.kind.parse(cell)
        identities[name] = field.kind.identity(value)
        text, letter = field.kind.stored(value), field.kind.storage
        attribute = json.loads(text) if not letter else {letter: text == "true" if letter == "BOOL" else text}
        item[attribute_name(field, of.target is None)] = attribute
    if of.target is None:
        key = key_text([identities[name] for name in schema.primary_key]) if schema.primary_key else f"{JOB_ID}-1"
        item |= {"_pk": {"S": f"{UID}#00"}, "_sk": {"S": key}, "_at": {"N": "1769851800000"}, "_by": {"S": JOB_ID}}
    return item


def tombstone(key: str) -> dict[str, Any]:
    """The tombstone that a deletion leaves."""
    at = {"_at": {"N": "1769851800000"}, "_by": {"S": JOB_ID}, "_gone": {"N": "1772443800"}}
    return {"_pk": {"S": f"{UID}#00"}, "_sk": {"S": key}, **at}


def page(
    items: Sequence[Mapping[str, Any]], last_key: Mapping[str, Any] | None = None, indent: int | None = None
) -> bytes:
    """The answer of a Query."""
    answer: dict[str, Any] = {"Count": len(items), "Items": items, "ScannedCount": len(items)}
    if last_key is not None:
        answer["LastEvaluatedKey"] = last_key
    return json.dumps(answer, indent=indent).encode()


def rows(of: Entity, items: Sequence[Mapping[str, Any]], format: str = "csv", **members: Any) -> str:
    """The rows of one page as text."""
    options = {name: members.pop(name) for name in ("keep", "changes") if name in members}
    encoder = RowEncoder(of, definition(format, **members), **options)
    return encoder.encode(page(items)).data.decode()


def export(
    of: Entity,
    pages: Iterable[Sequence[Mapping[str, Any]]],
    format: str = "csv",
    keep: Callable[[Item], bool] | None = None,
    changes: bool = False,
    **members: Any,
) -> tuple[bytes, Written]:
    """A whole file."""
    how = definition(format, **members)
    encoder = RowEncoder(of, how, keep=keep, changes=changes)
    output = io.BytesIO()
    writer = FileWriter(how, encoder.columns, output, moment=START)
    fragments = [encoder.encode(page(items)) for items in pages]
    for encoded in fragments if writer.needs_survey else ():
        writer.survey(encoded.data)
    writer.begin()
    for encoded in fragments:
        writer.write(encoded.data, encoded.rows)
    written = writer.end()
    return output.getvalue(), written


class MemoryFiles(Files):
    """S3 objects in memory."""

    def __init__(self) -> None:
        super().__init__("us-east-1")
        self.objects: dict[tuple[str, str], bytes] = {}

    def head(self, bucket: str, key: str) -> FileInfo | None:
        data = self.objects.get((bucket, key))
        return None if data is None else FileInfo(len(data), "etag", {}, "2026-01-31T09:30:00.000Z")

    def open(self, bucket: str, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> Any:
        return io.BytesIO(self.objects[bucket, key][start:end])

    def writer(self, bucket: str, key: str, content_type: str = "") -> Any:
        files = self.objects

        class Writer(io.BytesIO):
            def close(self) -> None:
                files[bucket, key] = self.getvalue()

            def abort(self) -> None:
                return

        return Writer()


def import_file(
    of: Entity, data: bytes, name: str, *, dialect: Mapping[str, Any] | None = None, unescape_formulas: bool = False
) -> list[dict[str, Any]]:
    """The records that an import of a file writes, in its order. Asserts that no row is rejected."""
    items, errors = read_file(of, data, name, dialect=dialect, unescape_formulas=unescape_formulas)
    assert not errors, next(iter(errors.values()))
    return items


def read_file(
    of: Entity, data: bytes, name: str, *, dialect: Mapping[str, Any] | None = None, unescape_formulas: bool = False
) -> tuple[list[dict[str, Any]], dict[int, list[RowError]]]:
    """The records that an import of a file writes, in its order, and the errors by row number."""
    files = MemoryFiles()
    files.objects["drop", name] = data
    schema = parse_schema(of.schema)
    job = Job(
        job_id=JOB_ID,
        process=Process.IMPORT,
        status=Status.IN_PROGRESS,
        entity=of.name,
        entity_uid=of.uid,
        file_name=name,
        submitted_at=START,
        started_by="alice",
        options={"unescapeFormulas": unescape_formulas},
    )
    match = partial(match_labels, schema, of, job)
    conversion = Conversion(
        files,
        ConversionRequest(
            version=ObjectVersion("drop", name, None),
            file_name=name,
            target=("files", "source.csv"),
            dialect=dialect or {},
            encoding=None,
            chunk_bytes=32 * 1024 * 1024,
            schema=schema,
            renames={},
            match=match,
            is_whole_record=True,
            expected=ExpectedTable(schema, {}, match),
        ),
    )
    found = conversion.read()
    source = ObjectVersion("files", "source.csv", None) if found.is_converted else ObjectVersion("drop", name, None)
    plan = found.plan(source, 1)
    reader = RowReader(schema, match_labels(schema, of, job, plan.labels), plan, of, job, "records")
    items: list[dict[str, Any]] = []
    errors: dict[int, list[RowError]] = {}
    for chunk in plan.chunks:
        for segment, row, count in chunk_segments(files, plan, chunk):
            block = reader.read(segment, row, count, START, BatchSink.wrapping)
            errors |= block.errors
            items += [json.loads(text)["PutRequest"]["Item"] for text in block.texts]
    return items, errors
