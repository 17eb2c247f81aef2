"""How a job's source file is read, and which field each of its columns is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from waybill.entities.expected import ExpectedTable
from waybill.entities.header import HeaderMatch, HeaderMismatch, match_header
from waybill.entities.row_results import RowError
from waybill.imports.conversion import ConversionRequest
from waybill.imports.job_files import converted_key
from waybill.imports.modes import mode_of
from waybill.imports.source_object import ObjectVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waybill.entities.model import Entity
    from waybill.entities.schema import Schema
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services

FIELDS_CLEARED = "fields-cleared"
_SHOWN_FIELDS = 10


def source_of(job: Job) -> ObjectVersion:
    """The object that a job imports."""
    return ObjectVersion(job.source_bucket or "", job.source_key or "", job.source_etag)


def conversion_request(services: Services, job: Job, entity: Entity, schema: Schema) -> ConversionRequest:
    """How to read a job's file. The job's own options come before the entity's."""
    match = partial(match_labels, schema, entity, job)
    return ConversionRequest(
        version=source_of(job),
        file_name=job.file_name or "",
        target=(services.settings.files_bucket, converted_key(job.job_id)),
        dialect={**(entity.dialect or {}), **job.options.get("dialect", {})},
        encoding=job.options.get("encoding") or entity.encoding,
        chunk_bytes=services.settings.chunk_bytes,
        schema=schema,
        renames=renames_of(entity, job),
        match=match,
        is_whole_record=mode_of(job).shape == "put",
        expected=ExpectedTable(schema, renames_of(entity, job), match),
        words=expected_words(entity, job),
    )


def expected_words(entity: Entity, job: Job) -> set[str]:
    """Labels and values that the entity's files may contain: evidence of the encoding of one."""
    words = set(renames_of(entity, job))
    for field in entity.schema["fields"]:
        values = [field["name"], *(field.get("constraints") or {}).get("enum", ())]
        values += [*field.get("trueValues", ()), *field.get("falseValues", ()), *field.get("values", ())]
        words.update(value for value in values if isinstance(value, str))
    return words


def match_labels(schema: Schema, entity: Entity, job: Job, labels: list[str]) -> HeaderMatch:
    """The file's columns as fields.

    Raises:
        HeaderMismatch: the header does not fit the schema.
    """
    return match_header(schema, labels, renames_of(entity, job), required=mode_of(job).labels)


def cleared_fields(job: Job, match: HeaderMatch, unnamed: Sequence[str]) -> dict[str, str]:
    """The warning `fields-cleared`, by its code: whole records replace those that exist, and the file lacks fields.

    Args:
        unnamed: fields that have a label, but no value in any line (`ConvertedFile.unnamed`).
    """
    names = [*(field.name for field in match.absent), *unnamed]
    if not names or not mode_of(job).clears_absent:
        return {}
    shown = ", ".join(names[:_SHOWN_FIELDS])
    shown = f"{shown} and {len(names) - _SHOWN_FIELDS} more" if len(names) > _SHOWN_FIELDS else shown
    may = "would lose" if job.dry_run else "may have lost"
    message = (
        f"The file lacks these fields: {shown}. The mode {job.mode} writes whole records, so those that existed {may} "
        "their values there. The mode merge leaves them as they stand."
    )
    return {FIELDS_CLEARED: message}


def header_errors(mismatch: HeaderMismatch, row: int) -> list[RowError]:
    """What is wrong with the header in this row, as errors of the row."""
    return [error._replace(row_number=row) for error in mismatch.errors]


def renames_of(entity: Entity, job: Job) -> dict[str, str]:
    """Field names by label; the job's own `columns` come before the entity's."""
    return {**entity.columns, **job.options.get("columns", {})}
