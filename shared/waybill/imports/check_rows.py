"""Checks rows as people correct them, by the import's own rules; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waybill.entities.header import HeaderMismatch
from waybill.entities.row_results import RowError
from waybill.entities.schema import parse_schema
from waybill.errors import Conflict, InvalidRequest, NotFound
from waybill.imports.foreign_keys import OPTION, References
from waybill.imports.job_source import match_labels
from waybill.imports.plan_document import ImportPlan
from waybill.imports.rejects_reader import read_rejects_form
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import NoSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job
from waybill.tabular.dialect import Dialect
from waybill.tabular.records import Segment
from waybill.tabular.scan import record_text

if TYPE_CHECKING:
    from waybill.jobs.services import Services

_SHOWN_ERRORS = 200


def check_rows(services: Services, job: Job, rows: Mapping[int, Mapping[str, str]]) -> list[dict[str, Any]]:
    """What is wrong with rows that a job rejected, as they would be.

    Args:
        rows: all cells by label, by row number; a label that is left out is an empty cell.

    Returns:
        `{"rowNumber", "errors"}` of each row, as in `GET /jobs/{id}/rejected-rows`.

    Raises:
        Conflict: the job left no rows, or the labels of its file no longer fit the entity.
        InvalidRequest: a label is not in the file.
        NotFound: the entity is gone.
    """
    form = read_rejects_form(services, job.job_id) if job.has_rejects else None
    if form is None:
        raise Conflict("This job left no rows.", job.allowed_actions())
    problems = [
        (f"/rows/{index}/cells", f"unknown label: {label}")
        for index, cells in enumerate(rows.values())
        for label in cells
        if label not in form.labels
    ]
    if problems:
        raise InvalidRequest("The file has no such columns.", problems)
    entity = services.entities.get(job.entity)
    if entity.uid != job.entity_uid:
        raise NotFound("The entity of this job was deleted.")
    schema = parse_schema(entity.schema)
    try:
        match = match_labels(schema, entity, job, form.labels)
    except HeaderMismatch as mismatch:
        message = f"The file no longer fits the entity: {mismatch.errors[0].message}"
        raise Conflict(message, job.allowed_actions()) from None
    dialect = Dialect(null_sequence=form.dialect.null_sequence)
    plan = ImportPlan(ObjectVersion("", "", None), form.labels, "", [], "utf-8", False, "", dialect, 0)
    reader = RowReader(schema, match, plan, entity, job, services.settings.records_table)
    # A record of the entity itself that a row names may be another row that was rejected: only the import can tell.
    references = References(services, reader) if job.options.get(OPTION) else None
    items = []
    for number, cells in rows.items():
        line = record_text([cells.get(label, "") for label in form.labels], dialect)
        segment = Segment(0, f"{line}\n".encode(), 1, True)
        block = reader.read(segment, number, 1, services.clock.now(), NoSink.wrapping)
        if references is not None:
            reader.reject_dangling(block, references.check(block).dangling)
        found = block.errors.get(number, [])
        items.append({"rowNumber": number, "errors": [_as_member(error) for error in found[:_SHOWN_ERRORS]]})
    return items


def _as_member(error: RowError) -> dict[str, Any]:
    return {
        "fieldNumber": error.field_number,
        "fieldName": error.field_name,
        "type": error.type,
        "cell": error.cell or "",
        "message": error.message,
    }
