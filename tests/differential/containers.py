"""One table of cells as a CSV, as a workbook and as JSON Lines, and what an import says about each."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tests.builders import START, entity
from tests.exporting import MemoryFiles
from tests.workbooks import number, row, text, xlsx
from waybill.entities.expected import ExpectedTable
from waybill.entities.header import match_header
from waybill.entities.schema import parse_schema
from waybill.imports.conversion import Conversion, ConversionRequest
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import BatchSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, Process, Status
from waybill.tabular.records import segments

_JOB = Job("job", Process.IMPORT, Status.IN_PROGRESS, "contacts", "uid-contacts", "table", START, "alice")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?")


class Verdict(NamedTuple):
    """Of one cell: the types of its errors, and its attribute in the record (None: null, or the row is rejected)."""

    errors: tuple[str, ...]
    stored: Any


def schema_of(field: Mapping[str, Any]) -> dict[str, Any]:
    """The field with the name `v`, behind a column that is never blank."""
    return {"fields": [{"name": "n", "type": "string"}, {"name": "v", **field}], "primaryKey": "n"}


def as_csv(cells: Iterable[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([["n", "v"], *([f"k{at}", cell] for at, cell in enumerate(cells))])
    return out.getvalue().encode()


def as_workbook(cells: Iterable[str], *, typed: bool = False) -> bytes:
    """
    Args:
        typed: numbers that a spreadsheet holds exactly are number cells, `true` and `false` logical ones.
    """
    lines = [row(text("n"), text("v"))]
    for at, cell in enumerate(cells):
        written = text(cell)
        if typed and _PLAIN_NUMBER.fullmatch(cell):
            written = number(cell)
        elif typed and cell in ("true", "false"):
            written = f'<c t="b"><v>{int(cell == "true")}</v></c>'
        elif typed and cell == "":
            written = "<c/>"
        lines.append(row(text(f"k{at}"), written))
    return xlsx(lines)


def as_json_lines(cells: Iterable[str], *, typed: bool = False) -> bytes:
    """
    Args:
        typed: what is a JSON number, `true`, `false`, an object or an array is one, and an empty cell is null.
    """
    lines = []
    for at, cell in enumerate(cells):
        value = json_value(cell) if typed else json.dumps(cell)
        lines.append(f'{{"n": "k{at}", "v": {value}}}\n')
    return "".join(lines).encode()


def json_value(cell: str) -> str:
    if cell == "":
        return "null"
    if _NUMBER.fullmatch(cell) or cell in ("true", "false"):
        return cell
    try:
        is_value = isinstance(json.loads(cell), dict | list)
    except (ValueError, RecursionError):
        is_value = False
    return cell if is_value else json.dumps(cell)


def verdicts(data: bytes, name: str, schema_document: Mapping[str, Any], first_row: int = 2) -> list[Verdict]:
    """What an import says about the cells of `v`, row by row.

    Args:
        first_row: the number of the first data row.
    """
    files = MemoryFiles()
    files.objects["drop", name] = data
    schema = parse_schema(schema_document)
    match = partial(match_header, schema)
    request = ConversionRequest(
        version=ObjectVersion("drop", name, None),
        file_name=name,
        target=("files", "source.csv"),
        dialect={"delimiter": ",", "skipInitialSpace": False} if name.endswith(".csv") else {},
        encoding="utf-8",
        chunk_bytes=1 << 20,
        schema=schema,
        renames={},
        match=match,
        is_whole_record=True,
        expected=ExpectedTable(schema, {}, match),
    )
    found = Conversion(files, request).read()
    plan = found.plan(ObjectVersion("", "", None), 1)
    reader = RowReader(schema, match(found.scan.labels), plan, entity(), _JOB, "records")
    table = files.objects["files", "source.csv"] if found.is_converted else data
    said: dict[int, Verdict] = {}
    for chunk in found.scan.chunks:
        at = chunk.first_row
        for segment in segments(io.BytesIO(table[chunk.start : chunk.end]), found.dialect, chunk.start):
            count = min(segment.records, chunk.first_row + chunk.rows - at)
            block = reader.read(segment, at, count, START, BatchSink.wrapping)
            for bad, errors in block.errors.items():
                said[bad] = Verdict(tuple(error.type for error in errors), None)
            for good, written in zip(block.rows, block.texts, strict=True):
                said[good] = Verdict((), json.loads(written)["PutRequest"]["Item"].get("v"))
            at += count
    return [said[row] for row in sorted(said) if row >= first_row]


def differences(
    cells: Sequence[str], one: Sequence[Verdict], other: Sequence[Verdict]
) -> list[tuple[str, Verdict, Verdict]]:
    """(cell, verdict, the other verdict) where the two are not the same."""
    return [found for found in zip(cells, one, other, strict=True) if found[1] != found[2]]
