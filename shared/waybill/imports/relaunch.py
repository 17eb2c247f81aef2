"""Relaunch: a child job of the rows that an import rejected or did not process, from its rejects file.

An import has one child at a time, so that a request that is repeated imports no row twice. Another child is possible
once the latest one has imported nothing, or was deleted; what it left is otherwise the child's own to relaunch.

An import that an outage or a program error ended before its file was read is relaunched with the whole file. The child
takes a dropped object over, which may be too large to copy, and gets a copy of any other file: either way the file
expires with the child.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from waybill.aws.files import SourceChanged
from waybill.entities.row_results import DUPLICATE_KEY, SOURCE_CHANGED
from waybill.errors import Conflict, NotFound
from waybill.ids import new_uuid
from waybill.imports.job_files import rejects_key
from waybill.imports.options import ImportOptions
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.imports.register import new_import, register, start_if_waiting
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.drops import Handover
from waybill.jobs.giving_up import left_unread
from waybill.jobs.model import Job, job_prefix
from waybill.jobs.origins import Origin, ParentOrigin
from waybill.jobs.repository import record_key
from waybill.tabular.recode import Recoded
from waybill.tabular.records import raw_records, segments

if TYPE_CHECKING:
    from waybill.jobs.services import Services

#: Another row of the file replaces the row, or its text is gone with the file.
_NOT_IMPORTABLE = (DUPLICATE_KEY, SOURCE_CHANGED)


def standing_child(services: Services, job: Job) -> Job | None:
    """The child job that imports the rows of an import, or has imported some of them; None while they are left."""
    child = None if job.relaunched_as is None else services.jobs.find(job.relaunched_as)
    if child is None or child.has_expired(services.clock.now()):
        return None
    has_done_nothing = child.is_terminal and (child.dry_run or not child.counts.imported)
    return None if has_done_nothing else child


def relaunch_import(
    services: Services, job: Job, started_by: str, started_by_id: str, child_id: str | None = None
) -> Job:
    """Start a child job with the rejected and unprocessed rows of an ended import, except those of `_NOT_IMPORTABLE`;
    or with its whole file.

    Args:
        child_id: for a caller that may repeat the call: a second one with this id finds the child.

    Returns:
        The child; while an earlier one has not ended, that one.

    Raises:
        Conflict: there is nothing left to import, or a child has imported some of it.
        Gone: the job has expired, or was deleted, since the caller read it.
        NotFound: as for Gone, or the entity is gone.
    """
    child_id = child_id or new_uuid(services.ids)
    if (known := services.jobs.find(child_id)) is not None:
        start_if_waiting(services, known)
        return known
    if (child := standing_child(services, job)) is not None:
        return _unfinished(services, job, child)
    entity = services.entities.get(job.entity)
    if entity.uid != job.entity_uid:
        raise NotFound("The entity of this job was deleted.")
    origin: Origin = ParentOrigin(record_key(job.job_id), "relaunchedAs", job.relaunched_as, child_id)
    try:
        if left_unread(job):
            owner = whole_file_owner(services, job)
            source, options = _whole_file(services, job, child_id), ImportOptions.of(job)
            if owner is not None:
                origin = Handover(origin, f"{source.bucket}/{source.key}", owner, child_id)
        else:
            source, options = _left_rows(services, job, child_id)
    except SourceChanged:
        services.jobs.get(job.job_id)  # a deleted job takes its files with it: raises Gone or NotFound
        raise Conflict("The files of this job are gone. Send the rows as a new file.", job.allowed_actions()) from None
    child = new_import(services, child_id, job.entity, job.file_name, source, started_by, started_by_id, job.job_id)
    try:
        return register(services, child, entity, options, origin)
    except Conflict:
        services.files.delete_prefix(services.settings.files_bucket, job_prefix(child_id))
        winner = standing_child(services, services.jobs.get(job.job_id))
        if winner is None:
            raise
        return _unfinished(services, job, winner)


def whole_file_owner(services: Services, job: Job) -> str | None:
    """The job that owns the dropped object of an import that `left_unread`, itself or a child of it that did nothing;
    None for any other file.

    Raises:
        Conflict: the file cannot be imported again; the message says why.
    """
    bucket, key = str(job.source_bucket), str(job.source_key)
    info = services.files.head(bucket, key)
    if info is None or info.etag != job.source_etag:
        raise Conflict("The file of this job was overwritten or deleted. Send it again.", job.allowed_actions())
    if bucket != services.settings.drop_bucket:
        return None
    owner = services.drops.owner(f"{bucket}/{key}")
    if owner is None or owner not in (job.job_id, job.relaunched_as):
        raise Conflict("The file of this job was sent again, and belongs to that import.", job.allowed_actions())
    return owner


def _whole_file(services: Services, job: Job, child_id: str) -> ObjectVersion:
    source = ObjectVersion(str(job.source_bucket), str(job.source_key), job.source_etag)
    if source.bucket == services.settings.drop_bucket:
        return source
    services.files.copy(source.bucket, source.key, key := f"{job_prefix(child_id)}source")
    info = services.files.head(source.bucket, key)
    return ObjectVersion(source.bucket, key, None if info is None else info.etag)


def _left_rows(services: Services, job: Job, child_id: str) -> tuple[ObjectVersion, ImportOptions]:
    """A file of the rows that a job left, and the options with which it is read.

    Raises:
        Conflict: there are none.
    """
    plan = read_plan(services, job.job_id) if job.is_terminal and job.has_rejects else None
    if plan is None:
        raise Conflict("This job left no rows to import.", job.allowed_actions())
    bucket = services.settings.files_bucket
    if not job.counts.importable:
        message = "This job left only rows that another row of the file replaced, or whose text is gone with the file."
        raise Conflict(message, job.allowed_actions())
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
    return ObjectVersion(bucket, key, info.etag), replace(options, encoding=form.encoding, dialect=dialect)


def _unfinished(services: Services, job: Job, child: Job) -> Job:
    """
    Raises:
        Conflict: the child has ended.
    """
    if child.is_terminal:
        message = f"This job was relaunched as job {child.job_id}. Relaunch that one for the rows that it left."
        raise Conflict(message, job.allowed_actions())
    start_if_waiting(services, child)
    return child


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
