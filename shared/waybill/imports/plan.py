"""The plan step: read the file once, check it as a whole, and divide it into chunks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waybill.aws.files import SourceChanged
from waybill.entities.header import HeaderMismatch
from waybill.entities.model import Entity, Right
from waybill.entities.row_results import RowError
from waybill.entities.schema import parse_schema
from waybill.errors import FileUnreadable, JobFailed, NotItsTurn
from waybill.imports.child_source import UNCHANGED, take_source
from waybill.imports.conversion import Conversion, ConvertedFile, Paused
from waybill.imports.deadline import OutOfTime, Remaining, whole_invocation
from waybill.imports.digests import partitions_for
from waybill.imports.job_files import converted_key, plan_key, planning_key
from waybill.imports.job_source import cleared_fields, conversion_request, header_errors, match_labels, source_of
from waybill.imports.plan_document import ImportPlan, is_rejects_file, read_plan
from waybill.imports.policy import FILE_RULES, Policy, rows_warning, stops_unusual
from waybill.imports.register import fail_import
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.executions import hand_back
from waybill.jobs.model import Job
from waybill.jobs.rights import NO_PERMISSION, still_may
from waybill.tabular.scan import HEADER_ROW

if TYPE_CHECKING:
    from waybill.jobs.services import Services

_NEVERTHELESS = "Nothing was written. If the file is right, relaunch this job: it is then imported nevertheless."
_DRY_RUN = (
    "An import of it would be refused. If the file is right, relaunch that import: it is then imported nevertheless."
)


_UNCHANGED = {
    "code": "unchanged-corrections",
    "message": "No corrected row differs from the one that was rejected: the rows were imported as they stood.",
}


def plan_import(services: Services, job_id: str, remaining_seconds: Remaining = whole_invocation) -> dict[str, Any]:
    """Plan a job's file. A file that cannot be imported ends the job here, before any record is written.

    Args:
        remaining_seconds: until the invocation is ended from outside. A file that takes longer, and is not a text that
            is read in place, fails as `too-large`.

    Returns:
        `{"outcome": "planned", "bucket", "planKey", …}`, `{"outcome": "failed"}`, or
        `{"outcome": "waiting"}` while another import of the entity is running, or `{"outcome": "more"}` where the
        source of a relaunch, or the scan of a text, took its time: the next invocation goes on.

    Raises:
        Superseded: the job has ended.
    """
    try:
        job = services.jobs.begin(job_id)
    except NotItsTurn:
        hand_back(services, job_id)
        return {"jobId": job_id, "outcome": "waiting"}
    stored = read_plan(services, job_id) if job.counts.total is not None else None
    if stored is not None:  # a restarted execution goes on with the chunks that the ledger knows
        return {**_planned(services, job, stored), "isResumed": True}
    if not _starter_still_may(services, job):
        who = f"{job.started_by} started this import and"
        if job.acts_for is not None:
            who = f"{job.acts_for[1]}, the owner of the source that fetched this file,"
        message = (
            f"{who} may no longer import into {job.entity}, so nothing was read. Somebody who may can relaunch it."
        )
        return _fail(services, job, [RowError.whole(None, NO_PERMISSION, message)], None)
    try:
        ready = take_source(services, job, remaining_seconds)
    except JobFailed as failure:
        return _fail(services, job, [RowError.whole(failure.row_number, failure.job_code, failure.detail)], None)
    if ready is None:
        return {"jobId": job_id, "outcome": "more"}
    job = ready
    entity = Entity.from_document(services.jobs.definition(job_id))
    schema = parse_schema(entity.schema)
    request, paused = conversion_request(services, job, entity, schema), _paused(services, job)
    conversion = Conversion(services.files, request, remaining_seconds, paused)
    header_row, duplicate_of = HEADER_ROW, None
    try:
        found = _read_file(conversion)
        header_row = found.scan.header_row or HEADER_ROW
        match = match_labels(schema, entity, job, found.scan.labels)
        duplicate_of = _earlier_import(services, job, found.sha256)
        if duplicate_of is not None and entity.refuse_duplicates:
            raise JobFailed("duplicate-file", f"The same content was imported before, by job {duplicate_of}.")
        is_rejects = is_rejects_file(found.scan.labels)
        unusual = None if is_rejects else rows_warning(job, found.scan.rows)
        if unusual is not None and stops_unusual(job):
            raise JobFailed(unusual["code"], f"{unusual['message']} {_DRY_RUN if job.dry_run else _NEVERTHELESS}")
    except Paused as pause:
        services.files.put(
            services.settings.files_bucket,
            planning_key(job_id),
            json.dumps(pause.document).encode(),
            "application/json",
        )
        services.jobs.set_once(job_id, detected=conversion.detected)
        return {"jobId": job_id, "outcome": "more"}
    except HeaderMismatch as mismatch:
        return _fail(services, job, header_errors(mismatch, header_row), conversion.detected)
    except JobFailed as failure:
        error = RowError.whole(failure.row_number, failure.job_code, failure.detail)
        return _fail(services, job, [error], conversion.detected, duplicate_of)
    bucket = services.settings.files_bucket
    if job.undo_of is not None:
        _forget_content(services, job)
    source = ObjectVersion(bucket, converted_key(job_id), None) if found.is_converted else source_of(job)
    compares_keys = schema.primary_key and job.undo_of is None
    plan = found.plan(source, partitions_for(found.scan.rows) if compares_keys else 0)
    services.files.put(bucket, plan_key(job_id), plan.to_json(job_id), "application/json")
    warnings = _warnings(found, duplicate_of, cleared_fields(job, match, found.unnamed))
    warnings += [unusual] if unusual is not None else []
    warnings += [_UNCHANGED] if job.options.get(UNCHANGED) else []
    services.jobs.set_plan(
        job_id,
        found.scan.rows,
        len(plan.chunks),
        found.detected,
        duplicate_of,
        plan.first_row,
        warnings,
        without_options=FILE_RULES if is_rejects else (),
    )
    return _planned(services, job, plan)


def _paused(services: Services, job: Job) -> dict[str, Any] | None:
    """Where an earlier invocation has paused the scan of the job's file."""
    if job.detected is None:  # which is set when it pauses
        return None
    try:
        data = services.files.read(services.settings.files_bucket, planning_key(job.job_id))
    except SourceChanged:
        return None
    found: dict[str, Any] = json.loads(data)
    return found


def _starter_still_may(services: Services, job: Job) -> bool:
    """Whether the person for whom the job acts may still import; True for a dropped object, which acts for nobody."""
    if job.acts_for is not None:
        subject, name = job.acts_for
    elif job.started_by_id is not None:
        subject, name = job.started_by_id, job.started_by
    else:
        return True
    return still_may(services, subject, name, Right.IMPORT, job.entity, job.entity_uid)


def _warnings(found: ConvertedFile, duplicate_of: str | None, cleared: dict[str, str]) -> list[dict[str, str]]:
    warnings = {**found.warnings, **cleared}
    if duplicate_of is not None:
        warnings["duplicate-content"] = f"The same content was imported before, by job {duplicate_of}."
    return [{"code": code, "message": message} for code, message in warnings.items()]


def _planned(services: Services, job: Job, plan: ImportPlan) -> dict[str, Any]:
    return {
        "jobId": job.job_id,
        "outcome": "planned",
        "bucket": services.settings.files_bucket,
        "planKey": plan_key(job.job_id),
        "chunks": len(plan.chunks),
        "isResumed": False,
        "needsPrecheck": Policy.of(job).needs_precheck,
        "workers": services.settings.workers_per_job,
    }


def _fail(
    services: Services,
    job: Job,
    errors: list[RowError],
    detected: dict[str, Any] | None,
    duplicate_of: str | None = None,
) -> dict[str, Any]:
    """End the job; it shows what was found out about the file, which often explains the failure."""
    found: dict[str, Any] = {"detected": detected, "duplicate_of": duplicate_of}
    found = {name: value for name, value in found.items() if value is not None}
    if found:
        job = services.jobs.set_once(job.job_id, **found)
    fail_import(services, job, errors)
    return {"jobId": job.job_id, "outcome": "failed"}


def _read_file(conversion: Conversion) -> ConvertedFile:
    try:
        return conversion.read()
    except SourceChanged:
        raise JobFailed(
            "source-changed", "The file was overwritten or deleted before it was read. Send it again."
        ) from None
    except FileUnreadable as refused:
        raise JobFailed("source-error", refused.detail) from None
    except OutOfTime:
        message = "The file takes longer to read than one step may. Send it in parts, or as plain UTF-8 text."
        raise JobFailed("too-large", message) from None


def _forget_content(services: Services, undo: Job) -> None:
    """The file of an import that is undone can be imported again."""
    plan = read_plan(services, str(undo.undo_of))
    if plan is not None:
        services.duplicates.forget(undo, plan.sha256)


def _earlier_import(services: Services, job: Job, sha256: str) -> str | None:
    """The other job that imported the same bytes before. A relaunch is of bytes that were not imported, and an undo of
    none that anybody sent."""
    earlier = services.duplicates.find(job.entity_uid, job.mode, sha256)
    return None if earlier == job.job_id or job.retry_of is not None or job.undo_of is not None else earlier
