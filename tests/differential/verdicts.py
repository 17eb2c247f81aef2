"""What Waybill and frictionless-py say about the same file and schema, in one form."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from frictionless import Resource

from tests.builders import START, entity
from tests.scanning import ScannedFile, scan_file
from waybill.entities.header import HeaderMismatch, match_header
from waybill.entities.row_results import FOREIGN_KEY, RowError
from waybill.entities.schema import parse_schema
from waybill.errors import JobFailed
from waybill.imports import foreign_keys
from waybill.imports.foreign_keys import OwnFiles, OwnReferences, References
from waybill.imports.plan_document import ImportPlan
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import NoSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, Process, Status
from waybill.tabular.records import segments

V2 = "https://datapackage.org/profiles/2.0/tableschema.json"
V2_RESOURCE = "https://datapackage.org/profiles/2.0/dataresource.json"
HEADER_ROW = 1
FAILED = "failed: "  # begins the type of what fails a job as a whole, but for labels
SMALL_CHUNK_BYTES = 64  # so that even short files have several chunks and segments

_CSV = {
    "delimiter": ",",
    "lineTerminator": "\r\n",
    "quoteChar": '"',
    "doubleQuote": True,
    "skipInitialSpace": False,
}  # all of it, so that frictionless does not guess
#: No other entity, and no record.
_NOTHING_ELSE: Any = SimpleNamespace(
    entities=SimpleNamespace(find_many=lambda names: {}),
    dynamodb=None,
    settings=SimpleNamespace(records_table="records"),
)
_JOB = Job("job", Process.IMPORT, Status.IN_PROGRESS, "contacts", "uid-contacts", "contacts.csv", START, "alice")

# What the standard has and frictionless-py 5.21 refuses in a schema; it gets the schema without them.
UNKNOWN_TO_FRICTIONLESS = {
    "duration": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "list": {"enum"},
    "object": {"jsonSchema"},
    "array": {"jsonSchema"},
}


class Error(NamedTuple):
    """`field_number` counts columns from 1, 0 for the row as a whole; `field` is "" where there is none."""

    row: int
    field_number: int
    field: str
    type: str


class FrictionlessCrash(Exception):
    """It compares moments with and without an offset, and cannot look up values without a hash."""


@dataclass(frozen=True)
class Table:
    """A schema and a CSV file (UTF-8, comma, double quotes)."""

    schema: Mapping[str, Any]
    data: bytes

    @classmethod
    def of(cls, schema: Mapping[str, Any], rows: list[list[str]], labels: list[str] | None = None) -> Table:
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([field["name"] for field in schema["fields"]] if labels is None else labels)
        for row in rows:
            out.write("\n") if not row else writer.writerow(row)
        return cls(schema, out.getvalue().encode())

    @property
    def records(self) -> list[list[str]]:
        """The header and the rows, as Python's csv module reads them."""
        text = self.data.decode("utf-8-sig", "replace")
        return list(csv.reader(io.StringIO(text, newline="")))


def waybill_errors(table: Table) -> set[Error]:
    """Every error of an import, by the code that imports: plan, header, rows in chunks, keys, uniqueness."""
    schema = parse_schema(table.schema)
    try:
        plan = scan_file(io.BytesIO(table.data), {"delimiter": ","}, "utf-8", SMALL_CHUNK_BYTES)
        match = match_header(schema, plan.labels)
    except JobFailed as failure:
        return {Error(failure.row_number or 0, 0, "", FAILED + failure.job_code)}
    except HeaderMismatch as mismatch:
        return {
            Error(HEADER_ROW, error.field_number or 0, error.field_name or "", error.type) for error in mismatch.errors
        }
    reader = RowReader(schema, match, _import_plan(plan), entity(schema=table.schema), _JOB, "records")
    references, own = References(_NOTHING_ELSE, reader), OwnFiles()
    errors: set[Error] = set()
    dangling: set[int] = set()
    good: list[tuple[int, str, list[int | None]]] = []  # row, key, digests of its unique values
    for chunk in plan.chunks:
        row, left = chunk.first_row, chunk.rows
        for segment in segments(io.BytesIO(table.data[chunk.start : chunk.end]), plan.dialect, 0, SMALL_CHUNK_BYTES):
            count = min(left, segment.records)
            block = reader.read(segment, row, count, START, NoSink.wrapping)
            for _, found in block.rejected():
                errors.update(
                    Error(error.row_number or 0, error.field_number or 0, (error.field_name or "").strip(), error.type)
                    for error in found
                )
            with patch.object(foreign_keys, "existing", return_value=set()):  # the table is empty
                found_references = references.check(block)
            dangling |= found_references.dangling.keys()
            block.reject({row: RowError.whole(row, FOREIGN_KEY, "") for row in found_references.dangling})
            own.add(references, block, found_references.open)
            digests = [[values[index] for values in block.unique] for index in range(len(block.rows))]
            good += zip(block.rows, block.keys, digests, strict=True)
            row, left = row + count, left - count
    dangling |= OwnReferences(own.pieces, has_new=True).dangling().keys()
    errors.update(Error(row, 0, "", FOREIGN_KEY) for row in dangling)
    good = [found for found in good if found[0] not in dangling]
    winners = {key: row for row, key, _ in good}  # the last row of a key
    errors.update(Error(row, 0, "", "duplicate-key") for row, key, _ in good if winners[key] != row)
    good = [found for found in good if winners[found[1]] == found[0]]
    numbers = {column.field.name: column.position + 1 for column in match.columns}
    for index, names in enumerate(reader.unique_sets):
        first: dict[int, int] = {}  # the first row of a value
        for row, _, values in good:
            digest = values[index]
            if digest is not None and first.setdefault(digest, row) != row:
                errors.add(Error(row, numbers[names[0]], names[0], "unique-error"))
        good = [found for found in good if first.get(found[2][index] or 0, found[0]) == found[0]]
    return errors


def _import_plan(plan: ScannedFile) -> ImportPlan:
    return ImportPlan(
        source=ObjectVersion("bucket", "key", None),
        labels=plan.labels,
        header="",
        chunks=plan.chunks,
        encoding=plan.encoding,
        bom=bool(plan.detected["bom"]),
        sha256=plan.sha256,
        dialect=plan.dialect,
        key_partitions=1,
    )


def frictionless_errors(table: Table) -> set[Error]:
    """What `frictionless validate` reports."""
    resource = Resource.from_descriptor(
        {
            "$schema": V2_RESOURCE,
            "name": "table",
            "path": "table.csv",
            "scheme": "buffer",
            "format": "csv",
            "encoding": "utf-8",
            "dialect": {"headerRows": [1], "csv": _CSV},
            "schema": frictionless_schema(table.schema),
        }
    )
    resource.path, resource.data = None, table.data
    try:
        report = resource.validate(limit_errors=1_000_000)
    except TypeError as error:
        raise FrictionlessCrash from error
    errors: set[Error] = set()
    for error in [*report.errors, *report.tasks[0].errors]:
        if error.type.endswith("-label") or error.type.endswith("-header"):
            row = HEADER_ROW
        else:
            row = getattr(error, "row_number", 0)
        # A label that is repeated means its own field, not the one that is expected where it stands.
        name = getattr(error, "label" if error.type == "duplicate-label" else "field_name", None)
        errors.add(Error(row, getattr(error, "field_number", None) or 0, name or "", error.type))
    return errors


def frictionless_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without what frictionless-py refuses."""
    fields = []
    for field in document["fields"]:
        unknown = UNKNOWN_TO_FRICTIONLESS.get(field.get("type", "any"), set())
        constraints = {name: value for name, value in field.get("constraints", {}).items() if name not in unknown}
        fields.append({**field, "constraints": constraints})
    return {"$schema": V2, **document, "fields": fields}
