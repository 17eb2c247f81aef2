"""The preview of an import: the first rows of a file, as the import's own readers judge them; nothing is written.

Only the beginning of the file is read: of a text, compressed or not, a MiB to detect what it is and `SHOWN_BYTES` for
its rows; of a workbook what comes before the first rows of the sheet. The time is limited, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from waybill.entities.header import HeaderMatch, HeaderMismatch, likely_match
from waybill.entities.likeness import Proposal, propose_columns
from waybill.entities.model import Entity
from waybill.entities.row_results import RowBlock, RowError
from waybill.entities.schema import Schema, parse_schema
from waybill.imports.beginning import MANY_RECORDS, Limits, job_of, read_beginning, segments_of
from waybill.imports.cells import shown_cell
from waybill.imports.conversion import ConvertedFile
from waybill.imports.foreign_keys import OPTION, OwnFiles, OwnReferences, References, has_new_rows
from waybill.imports.job_source import cleared_fields, header_errors, match_labels, renames_of
from waybill.imports.options import ImportOptions
from waybill.imports.plan_document import ImportPlan
from waybill.imports.rejects import told_by_sheet
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import NoSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job
from waybill.jobs.uploads import Upload
from waybill.sizes import PageBytes
from waybill.tabular.records import parse_rows
from waybill.tabular.scan import HEADER_ROW
from waybill.wire.imports import SHOWN_ROWS

if TYPE_CHECKING:
    from waybill.jobs.services import Services

SHOWN_BYTES = 512 * 1024
SHOWN_ERRORS = 20  # of one row
SHOWN_CELL = 500  # characters of one cell


@dataclass(frozen=True)
class SeenRow:
    """A row's number in the file, or in the original one of a rejects file, its cells, and what is wrong with them."""

    number: int
    cells: list[str]
    errors: list[RowError]


@dataclass(frozen=True)
class Preview:
    """What a preview shows.

    `fields` holds for each label the name of its field, or None; `proposals` what each may mean, whatever the options
    say. `error` says why the file or its header cannot be
    imported; `header_errors` lists everything wrong with the header. `is_whole` says that the whole file was read.
    """

    detected: dict[str, Any] | None = None
    sheets: list[str] | None = None
    entries: list[str] | None = None
    labels: list[str] = field(default_factory=list)
    fields: list[str | None] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
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
            "proposals": [
                {
                    "field": each.field,
                    "isKnown": each.is_known,
                    "why": each.why,
                    "choices": [{"field": choice.field, "why": choice.why} for choice in each.choices],
                }
                for each in self.proposals
            ],
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


def preview_file(services: Services, upload: Upload, entity: Entity, options: ImportOptions, etag: str) -> Preview:
    """Preview an uploaded file with the options of an import.

    Args:
        etag: of the version to read.

    Raises:
        SourceChanged: another file was uploaded in its place.
    """
    job, schema = job_of(services, upload, entity, options, etag), parse_schema(entity.schema)
    begun = read_beginning(services, upload, entity, options, etag, Limits(SHOWN_BYTES, MANY_RECORDS))
    found = begun.found
    if found is None:
        return Preview(begun.detected, begun.sheets, begun.entries, error=begun.error, is_whole=begun.is_whole)
    labels = found.scan.labels
    likely = likely_match(schema, labels, renames_of(entity, job))
    by_position = {column.position: column.field.name for column in likely.columns}
    errors: list[RowError] = []
    match: HeaderMatch | None = None
    try:
        match = match_labels(schema, entity, job, labels)
    except HeaderMismatch as mismatch:
        errors = header_errors(mismatch, found.scan.header_row or HEADER_ROW)
    return Preview(
        detected=found.detected,
        sheets=begun.sheets,
        entries=begun.entries,
        labels=labels,
        fields=[by_position.get(position) for position in range(len(labels))],
        proposals=propose_columns(schema, labels, entity.columns),
        rows=_rows(services, job, entity, schema, found, begun.table, match, begun.is_whole),
        header_errors=errors,
        error=errors[0] if errors else None,
        warnings={**found.warnings, **(cleared_fields(job, match, found.unnamed) if match else {})},
        is_whole=begun.is_whole,
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
    for segment, row, count, numbers in segments_of(found, table):
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
