"""How a job's source file is read, and which field each of its columns is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from waybill.entities.header import HeaderMatch, HeaderMismatch, match_header
from waybill.entities.row_results import RowError
from waybill.imports.conversion import ConversionRequest
from waybill.imports.job_files import converted_key
from waybill.imports.modes import MODES
from waybill.imports.source_object import ObjectVersion

if TYPE_CHECKING:
    from waybill.entities.model import Entity
    from waybill.entities.schema import Schema
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services


def source_of(job: Job) -> ObjectVersion:
    """The object that a job imports."""
    return ObjectVersion(job.source_bucket or "", job.source_key or "", job.source_etag)


def conversion_request(services: Services, job: Job, entity: Entity, schema: Schema) -> ConversionRequest:
    """How to read a job's file. The job's own options come before the entity's."""
    return ConversionRequest(
        version=source_of(job),
        file_name=job.file_name or "",
        target=(services.settings.files_bucket, converted_key(job.job_id)),
        dialect={**(entity.dialect or {}), **job.options.get("dialect", {})},
        encoding=job.options.get("encoding") or entity.encoding,
        chunk_bytes=services.settings.chunk_bytes,
        schema=schema,
        renames=renames_of(entity, job),
        match=partial(match_labels, schema, entity, job),
        is_whole_record=MODES[job.mode].shape == "put",
    )


def match_labels(schema: Schema, entity: Entity, job: Job, labels: list[str]) -> HeaderMatch:
    """The file's columns as fields.

    Raises:
        HeaderMismatch: the header does not fit the schema.
    """
    return match_header(schema, labels, renames_of(entity, job), required=MODES[job.mode].labels)


def header_errors(mismatch: HeaderMismatch, row: int) -> list[RowError]:
    """What is wrong with the header in this row, as errors of the row."""
    return [error._replace(row_number=row) for error in mismatch.errors]


def renames_of(entity: Entity, job: Job) -> dict[str, str]:
    """Field names by label; the job's own `columns` come before the entity's."""
    return {**entity.columns, **job.options.get("columns", {})}
