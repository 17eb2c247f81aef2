"""Relaunch: a child job of the rows that an import rejected or did not process, from its rejects file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from waybill.entities.row_results import DUPLICATE_KEY
from waybill.errors import Conflict, NotFound
from waybill.ids import new_uuid
from waybill.imports.job_files import rejects_key
from waybill.imports.options import ImportOptions
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.imports.register import new_import, register
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, job_prefix
from waybill.tabular.recode import Recoded
from waybill.tabular.records import raw_records, segments

if TYPE_CHECKING:
    from waybill.jobs.services import Services

#: Another row of the file replaces the row, or its text is gone with the file.
_NOT_IMPORTABLE = (DUPLICATE_KEY, "source-changed")


def relaunch_import(services: Services, job: Job, started_by: str, started_by_id: str) -> Job:
    """Start a child job with the rejected and unprocessed rows of an ended import, except those of `_NOT_IMPORTABLE`.

    Raises:
        Conflict: there is nothing left to import.
        NotFound: the entity is gone.
    """
    plan = read_plan(services, job.job_id) if job.is_terminal and job.has_rejects else None
    if plan is None:
        raise Conflict("This job left no rows to import.", job.allowed_actions())
    bucket = services.settings.files_bucket
    if not job.counts.importable:
        message = "This job left only rows that another row of the file replaced, or whose text is gone with the file."
        raise Conflict(message, job.allowed_actions())
    entity = services.entities.get(job.entity)
    if entity.uid != job.entity_uid:
        raise NotFound("The entity of this job was deleted.")
    child_id = new_uuid(services.ids)
    key = f"{job_prefix(child_id)}source"
    form = plan.rejects_format
    if job.counts.repeated or job.counts.lost:
        _copy_importable(services, plan, rejects_key(job.job_id), key)
    else:
        services.files.copy(bucket, rejects_key(job.job_id), key)
    info = services.files.head(bucket, key)
    if info is None:
        message = "The rejects file of this job has expired. Send the rows as a new file."
        raise Conflict(message, job.allowed_actions())
    options = ImportOptions.of(job)
    dialect = {**(options.dialect or {}), "delimiter": form.delimiter, "quoteChar": form.quote_char}
    options = replace(options, encoding=form.encoding, dialect=dialect)
    source = ObjectVersion(bucket, key, info.etag)
    child = new_import(services, child_id, job.entity, job.file_name, source, started_by, started_by_id, job.job_id)
    return register(services, child, entity, options, None)


def _copy_importable(services: Services, plan: ImportPlan, source_key: str, key: str) -> None:
    """Copy a rejects file without the rows that cannot be imported; the type is the second column."""
    bucket, form = services.settings.files_bucket, plan.rejects_format
    mark = "\ufeff".encode(form.encoding) if plan.bom else b""
    left_out = [[type] for type in _NOT_IMPORTABLE]
    output = services.files.writer(bucket, key)
    output.write(mark)
    text = Recoded(services.files.open(bucket, source_key, start=len(mark)), form.encoding)
    for segment in segments(text, plan.dialect):
        rows = raw_records(segment, segment.data.decode(), plan.dialect)
        kept = [row for row in rows if row.split(form.delimiter, 2)[1:2] not in left_out]
        output.write("".join(f"{row}\n" for row in kept).encode(form.encoding))
    output.close()
