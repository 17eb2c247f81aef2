"""The preview of an export: how many records it would take, and the first rows as its file would have them.

Reads are bounded. Without a filter records are counted as an entity's are (`entities.records.count_records`), which
takes no more than MAX_COUNTED requests. A filter is applied to what was read: at most MAX_READ records, or about
MAX_READ_BYTES of them. What it finds until then is the least that there is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from waybill.aws.dynamodb import DynamoDB
from waybill.entities.model import Entity
from waybill.entities.records import MAX_COUNTED, Precision, count_records
from waybill.entities.schema import parse_schema
from waybill.entities.targets import refusals_told
from waybill.errors import JobFailed
from waybill.exports import wire
from waybill.exports.definition import DEFAULT_FORMAT, Definition
from waybill.exports.encoder import Item, RowEncoder
from waybill.exports.filter import compile_filter, empty_values
from waybill.exports.formats import FORMATS
from waybill.exports.pages import Extraction, page_request
from waybill.sizes import PageBytes

SAMPLE_ROWS = 10
MAX_READ, MAX_READ_BYTES = 20_000, 10_000_000
_PER_PAGE, _PER_FILTERED_PAGE = 100, 1_000
_WHOLE: tuple[None, None] = (None, None)


@dataclass(frozen=True)
class _Found:
    """The records that match, as far as the table was read.

    Attributes:
        sample: the first of them.
        read: records that were read, of which `matching` match.
    """

    sample: list[Item]
    matching: int
    read: int
    is_complete: bool


def preview_export(dynamodb: DynamoDB, table: str, entity: Entity, definition: Definition) -> wire.ExportPreview:
    """What a run of the definition would take now, if it took all records and not a window of changes.

    Args:
        table: Waybill's own; an entity with a target table is read from there.

    Raises:
        InvalidRequest: the filter does not fit the schema.
        Unavailable: the target table may not be read.
    """
    keep = compile_filter(definition.filter, parse_schema(entity.schema), own_table=entity.target is None)
    run = Extraction(_WHOLE, definition, entity, 1)
    with refusals_told():
        found = _read(dynamodb, table, run, keep)
    precision: Precision = "exact" if found.is_complete else "at-least"
    count, read = found.matching, found.read
    if keep is None and not found.is_complete:
        count, precision = count_records(dynamodb, table, entity)
    columns, rows = _rows(entity, definition, found.sample)
    warnings = [*empty_values(definition.filter), *_limits(entity, definition, found.sample, count)]
    page = PageBytes(warnings)
    return {
        "count": count,
        "precision": precision,
        "read": count if keep is None else read,
        "columns": columns,
        "rows": [row for row in rows if page.takes(row)],
        "warnings": [{"code": each["code"], "message": each["message"]} for each in warnings],
    }


def _read(dynamodb: DynamoDB, table: str, run: Extraction, keep: Callable[[Item], bool] | None) -> _Found:
    """Without `keep` only as much as the sample needs."""
    sample: list[Item] = []
    matching = read = size_bytes = 0
    for body, is_last in _pages(dynamodb, table, run, _PER_PAGE if keep is None else _PER_FILTERED_PAGE):
        items = json.loads(body)["Items"]
        wanted = items if keep is None else [item for item in items if keep(item)]
        sample += wanted[: SAMPLE_ROWS - len(sample)]
        matching, read, size_bytes = matching + len(wanted), read + len(items), size_bytes + len(body)
        has_enough = read >= MAX_READ or size_bytes >= MAX_READ_BYTES or (keep is None and len(sample) == SAMPLE_ROWS)
        if is_last or has_enough:
            return _Found(sample, matching, read, is_last)
    return _Found(sample, matching, read, is_complete=False)


def _pages(dynamodb: DynamoDB, table: str, run: Extraction, limit: int) -> Iterator[tuple[bytes, bool]]:
    """At most MAX_COUNTED pages, each with whether it is the last of the table."""
    segment, key = 0, None
    for _ in range(MAX_COUNTED):
        operation, request = page_request(run, table, segment, key)
        body = dynamodb.call_bytes(operation, request | {"Limit": limit})
        key = json.loads(body).get("LastEvaluatedKey")
        if key is None:
            segment += 1
        yield body, segment == run.segments


def _rows(entity: Entity, definition: Definition, sample: Sequence[Item]) -> tuple[list[str], list[list[str]]]:
    """The labels of the file's columns, and the cells of its rows as CSV has them, guarded only if the file's are."""
    guarded = definition.escape_formulas and FORMATS[definition.format].guards_formulas
    plain = replace(definition, format=DEFAULT_FORMAT, dialect={}, escape_formulas=guarded)
    encoder = RowEncoder(entity, plain)
    text = encoder.encode(_body(sample)).data.decode()
    return [column.label for column in encoder.columns], list(csv.reader(io.StringIO(text, newline="")))


def _limits(entity: Entity, definition: Definition, sample: Sequence[Item], count: int) -> list[dict[str, str]]:
    """Warnings of what the format cannot hold: a run would fail."""
    found = []
    try:
        RowEncoder(entity, definition).encode(_body(sample))
    except JobFailed as failure:
        found.append({"code": failure.job_code, "message": failure.detail})
    most = FORMATS[definition.format].max_rows if definition.split is None else None
    if most is not None and count + definition.header > most:
        message = f"A file of {definition.format} holds {most:,} rows with its header, and there are more."
        found.append(
            {"code": f"{definition.format}-limit", "message": f"{message} Choose another format, or split the export."}
        )
    return found


def _body(items: Sequence[Item]) -> bytes:
    """A page of these items, as DynamoDB sends it."""
    document: dict[str, Any] = {"Items": list(items)}
    return json.dumps(document, ensure_ascii=False).encode()
