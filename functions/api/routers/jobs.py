"""The Status screen: jobs, their files, and what can be done to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import (
    RETRY_AFTER_SECONDS,
    content_digest,
    decode_cursor,
    encode_cursor,
    if_changed,
    json_response,
    list_response,
    matches,
    no_content,
    not_modified,
    revalidated,
    see_other,
    what_fits,
)
from auth import CHANGE_JOB, DOWNLOAD, JOB, RELAUNCH_JOB, TOKEN, job_to_change, may_relaunch
from list_tag import UNPROVEN, ListTag, list_digest, new_tag
from request import Request, uuid_of
from routing import DELETED, IDEMPOTENCY_KEY, TOO_MANY_JOBS, TOO_MANY_PREVIEWS, Answer, ApiRouter, accepted, ok
from views import accept, files_expired, has_download, job_view, job_views, position_of
from waybill.errors import Conflict, Forbidden, Gone, InvalidRequest, MalformedRequest, NotFound, WaybillError
from waybill.jobs.model import Job, Process
from waybill.jobs.permissions import as_seen, entity_shown, knows_definition, knows_export, sees_job
from waybill.sizes import MAX_CHECKS, json_text
from waybill.wire import jobs as wire
from waybill.wire.reports import Report

if TYPE_CHECKING:
    from models.jobs import FileLink, JobFilters, JobsToDelete, Paging, RejectedRows, RelaunchRequest, RowsToCheck

LINK_SECONDS = 300
_LINK = {
    200: Answer("The link, for `as=link`.", wire.Link),
    303: Answer("A link to the file, valid for five minutes.", headers=("Location",)),
}
_EXPIRED_JOB = {410: "The job has expired."}
_EXPIRED = {410: "The job or its files have expired."}
_STATE = {409: "The status does not allow it; `allowedActions` lists what it allows."}

router = ApiRouter("Jobs")


@router.get(
    "/v1/jobs",
    "List jobs",
    needs=TOKEN,
    answers={
        200: Answer("A page of jobs, newest first.", wire.JobPage, ("ETag",)),
        304: Answer("The page has not changed since the `ETag` of `If-None-Match`.", headers=("ETag",)),
    },
    headers=("If-None-Match",),
    description="Filters apply after the read: a page may be shorter than `limit` while `nextToken` is not null.",
)
def list_jobs(request: Request, query: JobFilters) -> Response[str]:
    job_ids, next_cursor = request.services.jobs.newest(query.limit, query.next_token)
    known, digest = ListTag.of(request), ""
    if known is not None:
        digest = list_digest(request, job_ids, next_cursor)
        if known.is_current(request, digest, job_ids):
            return not_modified(str(known))
    jobs = request.services.jobs.live(job_ids)
    tag = UNPROVEN if known is None else new_tag(request, digest, job_ids, jobs)
    request.read_entities(job.entity for job in jobs)

    def wanted(job: Job) -> bool:
        found = request.find_entity(job.entity)
        if not sees_job(request.caller, job, found):
            return False
        shown = entity_shown(request.caller, job, found)  # a filter must not find what is not shown
        return (
            job.process in query.process
            and job.status in query.status
            and query.entity in ("", shown)
            and query.started_by in ("", job.started_by)
            and matches(query.q, (job.file_name, shown, job.started_by, job.job_id))
        )

    views = job_views(request, [job for job in jobs if wanted(job)])
    items, next_token = what_fits(((view, position_of(view)) for view in views), next_cursor)
    body = json_text({"items": items, "nextToken": next_token})
    tag = replace(tag, content=content_digest(body))
    if known is not None and known.content == tag.content:
        return not_modified(str(tag))
    return Response(200, "application/json", body, revalidated(str(tag)))


@router.post(
    "/v1/jobs/delete",
    "Delete jobs that have ended",
    operation_id="deleteJobs",
    needs=TOKEN,
    answers=ok("Which jobs were deleted, and why others were not.", wire.Deletion),
)
def delete_many(request: Request, body: JobsToDelete) -> Response[str]:
    from waybill.upkeep.actions import delete_job

    deleted: list[str] = []
    failed: list[wire.FailedDeletion] = []
    for job_id in dict.fromkeys(body.job_ids):
        try:
            delete_job(request.services, job_to_change(request, uuid_of("job_id", job_id)), request.act)
        except MalformedRequest:
            failed.append({"jobId": job_id, "status": 404, "detail": "This is not the id of a job."})
        except WaybillError as error:
            if isinstance(error, Forbidden):
                request.note("refused")
            failed.append({"jobId": job_id, "status": error.status, "detail": error.detail})
        else:
            deleted.append(job_id)
    return json_response({"deleted": deleted, "failed": failed})


@router.get(
    "/v1/jobs/<job_id>",
    "Get a job",
    needs=JOB,
    answers={
        200: Answer("The job, with `Retry-After` until it has ended.", wire.Job, ("ETag", "Retry-After")),
        304: Answer("The job has not changed since the `ETag` of `If-None-Match`.", headers=("ETag", "Retry-After")),
    },
    refusals=_EXPIRED_JOB,
    headers=("If-None-Match",),
)
def get_job(request: Request, job: Job) -> Response[str]:
    return if_changed(request, job_view(request, job), None if job.is_terminal else RETRY_AFTER_SECONDS)


@router.delete(
    "/v1/jobs/<job_id>",
    "Delete a job that has ended, with its files",
    operation_id="deleteJob",
    needs=CHANGE_JOB,
    answers=DELETED,
    refusals=_EXPIRED_JOB | _STATE,
)
def delete_one(request: Request, job: Job) -> Response[str]:
    from waybill.upkeep.actions import delete_job

    delete_job(request.services, job, request.act)
    return no_content()


@router.post(
    "/v1/jobs/<job_id>/cancel",
    "Cancel a waiting import",
    operation_id="cancelJob",
    needs=CHANGE_JOB,
    answers=ok("The job, CANCELED.", wire.Job),
    refusals=_EXPIRED_JOB | _STATE,
)
def cancel(request: Request, job: Job) -> Response[str]:
    from waybill.upkeep.actions import cancel_job

    return json_response(job_view(request, cancel_job(request.services, job, request.act)))


@router.post(
    "/v1/jobs/<job_id>/stop",
    "Stop a job in progress",
    operation_id="stopJob",
    needs=CHANGE_JOB,
    answers=ok(
        "The job. An import ends within seconds, and what it has written stays; an export leaves no file.", wire.Job
    ),
    refusals=_EXPIRED_JOB | _STATE,
)
def stop(request: Request, job: Job) -> Response[str]:
    from waybill.upkeep.actions import stop_job

    return json_response(job_view(request, stop_job(request.services, job, request.act)))


@router.post(
    "/v1/jobs/<job_id>/relaunch",
    "Relaunch a job",
    operation_id="relaunchJob",
    needs=RELAUNCH_JOB,
    answers=accepted(
        "A child job: of an import, for the rows that were not imported; of an export, for the same window.", wire.Job
    ),
    refusals=_EXPIRED
    | {
        409: "There is nothing to relaunch, the job has not ended, or it was relaunched; or a request with the same "
        "key is running.",
        422: "The definition no longer suits the entity; or the corrections name a row twice, or a column that the "
        "file lacks.",
        429: TOO_MANY_JOBS,
    },
    headers=(IDEMPOTENCY_KEY,),
    description="While a child job has not ended, another relaunch answers that one, or 409 where either has "
    "corrections. Rows of corrections that the job did not reject end the child as `source-error`, before it writes.",
)
def relaunch(request: Request, job: Job, body: RelaunchRequest) -> Response[str]:
    caller = request.caller
    if job.process is Process.EXPORT:
        from waybill.exports.run import relaunch_export

        if body.corrections:
            message = "The relaunch of an export takes no corrections."
            raise InvalidRequest(message, [("/corrections", "only rows of an import can be corrected")])
        made_id, act = request.made_id, request.act
        return accept(request, relaunch_export(request.services, job, caller.name, caller.subject, made_id, act))
    from waybill.exports.report import is_relaunchable
    from waybill.imports.relaunch import relaunch_import

    if not is_relaunchable(job) and not (body.corrections and job.has_rejects):
        raise Conflict("This job left nothing to relaunch.", job.allowed_actions())
    _check_files_live(request, job)
    child = relaunch_import(
        request.services,
        job,
        caller.name,
        caller.subject,
        request.made_id,
        corrections=body.by_row(),
        only_corrected=body.only == "corrected",
        act=request.act,
    )
    return accept(request, child)


@router.post(
    "/v1/jobs/<job_id>/undo",
    "Undo an import",
    operation_id="undoJob",
    needs=RELAUNCH_JOB,
    answers=accepted(
        "A child job that puts back the records which still stand as the import left them, and removes those that it "
        "created. The others are in its rejects file, as `changed-since`.",
        wire.Job,
    ),
    refusals=_EXPIRED_JOB
    | {
        409: "What an undo needs was not kept or has expired, or the import is undone already; or a request with the "
        "same key is running.",
        429: TOO_MANY_JOBS,
    },
    headers=(IDEMPOTENCY_KEY,),
    description="Needs an import with `keepPrevious`, or in the mode `insert`. An undo that was canceled, stopped or "
    "failed before its end may be followed by another.",
)
def undo(request: Request, job: Job) -> Response[str]:
    from waybill.imports.undo import undo_import

    caller = request.caller
    return accept(
        request, undo_import(request.services, job, caller.name, caller.subject, request.made_id, request.act)
    )


@router.get(
    "/v1/jobs/<job_id>/undo",
    "Preview the undo of an import",
    operation_id="previewUndo",
    needs=RELAUNCH_JOB,
    answers=ok("What an undo would do to the records as they are now.", wire.UndoPreview),
    refusals=_EXPIRED_JOB | {409: "The import cannot be undone, as for `POST`.", 429: TOO_MANY_PREVIEWS},
    description="Looks at every record of an import of up to 1,000 rows, of a larger one at some places all over its "
    "file, and at fewer where records are very large: `checked` says how many. Changes no record.",
)
def preview_undo(request: Request, job: Job) -> Response[str]:
    from waybill.imports.undo import preview_undo

    request.services.previews.take(request.caller.subject)
    return json_response(preview_undo(request.services, job))


@router.get(
    "/v1/jobs/<job_id>/errors",
    "List the errors of a job",
    needs=JOB,
    answers=ok("A page of errors, by row.", wire.RowErrorPage),
    refusals=_EXPIRED,
)
def list_errors(request: Request, job: Job, query: Paging) -> Response[str]:
    from waybill.imports.error_log import error_page

    _check_files_live(request, job)
    files, bucket = request.services.files, request.services.settings.files_bucket
    items, summary, last = error_page(files, bucket, job, query.limit, decode_cursor(query.next_token))
    return list_response(items, encode_cursor(last), summary=summary)


@router.get(
    "/v1/jobs/<job_id>/rejected-rows",
    "List the rows that were not imported",
    needs=JOB,
    answers=ok(
        "A page of rows, by their order in the file, with what is needed to correct them.", wire.RejectedRowPage
    ),
    refusals=_EXPIRED | {409: "The next row is too long to be shown."},
    description="Errors are those of the error log. A page reads up to 4 MiB of the job's files: with a filter it may "
    "be empty while `nextToken` is not null.",
)
def list_rejected_rows(request: Request, job: Job, query: RejectedRows) -> Response[str]:
    from waybill.imports.rejected_rows import Wanted, fields_of, rejected_page
    from waybill.imports.rejects_reader import read_rejects_form

    _check_files_live(request, job)
    if not job.has_rejects:
        return list_response([], None, labels=[], fields=[])
    form = read_rejects_form(request.services, job.job_id)
    if form is None:
        raise Gone("The files of this job have expired.")
    beside = {"labels": form.labels, "fields": fields_of(form, job, request.find_entity(job.entity))}
    wanted, cursor = Wanted(query.type, query.field_name), decode_cursor(query.next_token)
    items, last = rejected_page(request.services, job, form, query.limit, cursor, wanted, beside)
    return list_response(items, encode_cursor(last), **beside)


@router.post(
    "/v1/jobs/<job_id>/rejected-rows/check",
    "Check rejected rows as they would be corrected",
    operation_id="checkRejectedRows",
    needs=RELAUNCH_JOB,
    answers=ok("What is wrong with each row, as a relaunch would find it.", wire.CheckedRows),
    refusals=_EXPIRED
    | {
        409: "The job left no rows, or its file no longer fits the entity.",
        422: "A label is unknown.",
        429: f"The caller has made {MAX_CHECKS} checks of corrected rows in this minute.",
    },
    description="Rows are checked one by one, as `POST /uploads/{id}/preview` does; nothing is written. Whether a key "
    "is repeated or exists already, only the relaunch finds out.",
)
def check_rejected_rows(request: Request, job: Job, body: RowsToCheck) -> Response[str]:
    from waybill.imports.check_rows import check_rows

    request.services.previews.take_check(request.caller.subject)
    _check_files_live(request, job)
    rows = {row.row_number: row.cells for row in body.rows}
    return json_response({"items": check_rows(request.services, job, rows)})


@router.get("/v1/jobs/<job_id>/error-log", "Download the error log", needs=JOB, answers=_LINK, refusals=_EXPIRED)
def get_error_log(request: Request, job: Job, query: FileLink) -> Response[str]:
    from waybill.imports.job_files import error_log_file_name, error_log_key

    key, name = error_log_key(job.job_id), error_log_file_name(job.file_name)
    return _download(request, query, job, job.has_error_log, "error log", key, name)


@router.get(
    "/v1/jobs/<job_id>/rejects",
    "Download the rows that were not imported",
    needs=JOB,
    answers=_LINK,
    refusals=_EXPIRED,
)
def get_rejects(request: Request, job: Job, query: FileLink) -> Response[str]:
    from waybill.imports.job_files import rejects_file_name, rejects_key

    key, name = rejects_key(job.job_id), rejects_file_name(job.file_name)
    return _download(request, query, job, job.has_rejects, "rejects file", key, name)


@router.get(
    "/v1/jobs/<job_id>/download",
    "Download the file of a one-shot export, or the source of an import",
    operation_id="download",
    needs=DOWNLOAD,
    answers=_LINK,
    refusals=_EXPIRED | {409: "The export was delivered: only one-shot exports can be downloaded."},
)
def get_download(request: Request, job: Job, query: FileLink) -> Response[str]:
    if job.process is Process.EXPORT:
        if job.export_type not in (None, "ONE_SHOT"):
            raise Conflict("Only one-shot exports can be downloaded; this one was delivered.", job.allowed_actions())
        key = str(job.extracted["key"]) if job.extracted else ""
        return _download(request, query, job, has_download(job), "file", key, job.file_name)
    key, name = str(job.source_key), job.file_name.rpartition("/")[2]
    return _download(request, query, job, has_download(job), "file", key, name, job.source_bucket, job.source_etag)


def _download(
    request: Request,
    query: FileLink,
    job: Job,
    exists: bool,
    what: str,
    key: str,
    file_name: str,
    bucket: str | None = None,
    etag: str | None = None,
) -> Response[str]:
    """303 to a link that is minted now; with `?as=link` the link as JSON, for a page that cannot follow a 303 itself.

    Raises:
        Gone: the file has expired.
        NotFound: the job has no such file, or (with `etag`) it was overwritten.
    """
    _check_files_live(request, job)
    services = request.services
    bucket = bucket or services.settings.files_bucket
    if exists and etag is not None:
        info = services.files.head(bucket, key)
        exists = info is not None and info.etag == etag
    if not exists:
        raise NotFound(f"This job has no {what}.")
    request.note()
    url = services.files.presign_get(bucket, key, file_name, LINK_SECONDS)
    return json_response({"url": url}) if query.as_ else see_other(url)


def _check_files_live(request: Request, job: Job) -> None:
    if files_expired(request, job):
        raise Gone("The files of this job have expired.")


@router.get(
    "/v1/jobs/<job_id>/report",
    "Get the report of a job",
    needs=JOB,
    answers=ok("The report; of a run of an export with the definition that it ran with, if you may see that.", Report),
    refusals=_EXPIRED_JOB,
)
def get_report(request: Request, job: Job) -> Response[str]:
    from waybill.exports.report import is_relaunchable, report_of, report_of_run

    entity = request.find_entity(job.entity)
    shown = entity_shown(request.caller, job, entity)
    services = request.services
    if job.process is Process.IMPORT:
        can_help = is_relaunchable(job) and may_relaunch(request, job) and _can_relaunch_import(request, job)
        return json_response(report_of(job, entity_shown=shown, relaunchable=can_help))
    snapshot = services.jobs.definition(job.job_id)
    can_help = is_relaunchable(job) and may_relaunch(request, job)
    can_help = can_help and _can_relaunch_export(request, job, str(snapshot["series"]))
    seen = as_seen(request.caller, job, entity)
    report = report_of_run(seen, snapshot, services.settings, entity_shown=shown, relaunchable=can_help)
    if not knows_export(request.caller, job, entity):
        report["name"] = None
    if not knows_definition(request.caller, job, entity):
        report["delivered"] = None
        return json_response(report)
    return json_response({**report, "definition": snapshot["export"]})


def _can_relaunch_export(request: Request, job: Job, series: str) -> bool:
    """Whether the export is still there and idle, and no later run has delivered what this one should have, nor the
    beginning of its window."""
    from waybill.exports.run import has_moved, is_increment, lacks_owner, later_delivery

    export = request.services.exports.find(str(job.export_id))
    if export is None or export.running is not None or has_moved(export, job) or lacks_owner(export, job):
        return False
    if is_increment(job) and export.has_delivered(series, job.window_from):
        return False
    return later_delivery(request.services, job) is None


def _can_relaunch_import(request: Request, job: Job) -> bool:
    """Whether what the job left is still there, and no child job has it."""
    from waybill.imports.relaunch import standing_child, what_is_left

    if files_expired(request, job) or standing_child(request.services, job) is not None:
        return False
    try:
        what_is_left(request.services, job)
    except (Conflict, NotFound, Gone):
        return False
    return True
