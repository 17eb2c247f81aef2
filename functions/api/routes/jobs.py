"""The Status screen: jobs, their files, and what can be done to them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from views import files_expired, has_download, job_view, job_views
from waybill.entities.model import Right
from waybill.entities.permissions import require
from waybill.errors import Conflict, Forbidden, Gone, InvalidRequest, MalformedRequest, NotFound, WaybillError
from waybill.jobs.model import Job, Process, Status
from waybill.jobs.permissions import entity_shown, may_change_job, sees_job
from waybill.validation import Problems, refuse_unknown
from web import (
    PAGING,
    Request,
    Response,
    Route,
    decode_cursor,
    encode_cursor,
    json_response,
    list_response,
    matches,
    no_content,
    see_other,
    uuid_of,
)

RETRY_AFTER_SECONDS = "2"
LINK_SECONDS = 300
MAX_DELETED = 100
JOB_FILTERS = ("process", "status", "entity", "startedBy", "q")


def visible_job(request: Request, job_id: str) -> Job:
    """
    Raises:
        MalformedRequest: not an id.
        NotFound: there is none, or it is not for the caller's eyes.
        Gone: it has expired, and its record is still there.
    """
    job = request.services.jobs.find(uuid_of(job_id, "job id"))
    if job is None or not sees_job(request.caller, job, request.find_entity(job.entity)):
        raise NotFound("There is no job with this id, or it has expired.")
    if job.has_expired(request.services.clock.now()):
        raise Gone("This job has expired.")
    return job


def job_to_change(request: Request, job_id: str) -> Job:
    """As `visible_job`.

    Raises:
        Forbidden: the caller may only look at it.
    """
    job = visible_job(request, job_id)
    if not may_change_job(request.caller, job, request.find_entity(job.entity)):
        raise Forbidden("You may look at this job, but not change it.")
    return job


def accepted(request: Request, job: Job) -> Response[str]:
    """202 for work that has begun: where to ask, and when."""
    headers = {"Location": f"/v1/jobs/{job.job_id}", "Retry-After": RETRY_AFTER_SECONDS}
    return json_response(job_view(request, job), 202, headers)


def list_jobs(request: Request) -> Response[str]:
    processes, statuses = request.words("process", Process), request.words("status", Status)
    entity, started_by, search = (request.query.get(name) for name in ("entity", "startedBy", "q"))
    jobs, next_cursor = request.services.jobs.page(request.limit, request.next_token)
    request.read_entities(job.entity for job in jobs)

    def wanted(job: Job) -> bool:
        found = request.find_entity(job.entity)
        if not sees_job(request.caller, job, found):
            return False
        shown = entity_shown(request.caller, job, found)  # a filter must not find what is not shown
        return (
            job.process in processes
            and job.status in statuses
            and (not entity or shown == entity)
            and (not started_by or job.started_by == started_by)
            and (not search or matches(search, (job.file_name, shown, job.started_by, job.job_id)))
        )

    items = job_views(request, [job for job in jobs if wanted(job)])
    return if_changed(request, {"items": items, "nextToken": next_cursor})


def get_job(request: Request, job_id: str) -> Response[str]:
    job = visible_job(request, job_id)
    return if_changed(request, job_view(request, job), None if job.is_terminal else RETRY_AFTER_SECONDS)


def if_changed(request: Request, resource: dict[str, Any], retry_after: str | None = None) -> Response[str]:
    """The resource with its ETag, or 304 when the caller has it already."""
    body = json.dumps(resource, separators=(",", ":"))
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    # RFC 9110, section 13.1.2: the comparison is weak.
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(304, body="", headers=headers)
    return Response(200, "application/json", body, headers)


def delete_one(request: Request, job_id: str) -> Response[str]:
    from waybill.upkeep.actions import delete_job

    delete_job(request.services, job_to_change(request, job_id))
    return no_content()


def delete_many(request: Request) -> Response[str]:
    """Delete what can be deleted, and say what became of each."""
    from waybill.upkeep.actions import delete_job

    given = request.json_object()
    ids = given.get("jobIds")
    problems: Problems = []
    refuse_unknown(given, {"jobIds"}, "", problems)
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_DELETED or not all(isinstance(i, str) for i in ids):
        problems.append(("/jobIds", f"is required and must be a list of 1 to {MAX_DELETED} job ids"))
    if problems or not isinstance(ids, list):
        raise InvalidRequest("The deletion breaks a rule.", problems)
    deleted, failed = [], []
    for job_id in dict.fromkeys(ids):
        try:
            delete_job(request.services, job_to_change(request, job_id))
        except MalformedRequest:
            failed.append({"jobId": job_id, "status": 404, "detail": "This is not the id of a job."})
        except WaybillError as error:
            failed.append({"jobId": job_id, "status": error.status, "detail": error.detail})
        else:
            deleted.append(job_id)
    return json_response({"deleted": deleted, "failed": failed})


def cancel(request: Request, job_id: str) -> Response[str]:
    from waybill.upkeep.actions import cancel_job

    return json_response(job_view(request, cancel_job(request.services, job_to_change(request, job_id))))


def stop(request: Request, job_id: str) -> Response[str]:
    from waybill.upkeep.actions import stop_job

    return json_response(job_view(request, stop_job(request.services, job_to_change(request, job_id))))


def relaunch(request: Request, job_id: str) -> Response[str]:
    """A child job: of an import with the rows that it left, of an export with its window.

    It begins anew, so that whoever started the first has to have the right for it today.
    """
    job = job_to_change(request, job_id)
    caller, entity = request.caller, request.find_entity(job.entity)
    if entity is not None:
        require(caller, entity, Right.EXPORT if job.process is Process.EXPORT else Right.IMPORT)
    if job.process is Process.EXPORT:
        from waybill.exports.definition import CUSTOM

        if job.export_type in CUSTOM and not caller.is_backoffice:
            raise Forbidden("Custom flows are set up by the back office (group backoffice).")
        from waybill.exports.run import relaunch_export

        return accepted(request, relaunch_export(request.services, job, caller.name, caller.subject))
    from waybill.exports.report import is_relaunchable
    from waybill.imports.relaunch import relaunch_import

    if not is_relaunchable(job):
        raise Conflict("This job left nothing to relaunch.", job.allowed_actions())
    _check_files_live(request, job)
    return accepted(request, relaunch_import(request.services, job, caller.name, caller.subject))


def list_errors(request: Request, job_id: str) -> Response[str]:
    from waybill.imports.error_log import error_page

    job = visible_job(request, job_id)
    _check_files_live(request, job)
    files, bucket = request.services.files, request.services.settings.files_bucket
    items, summary, last = error_page(files, bucket, job, request.limit, decode_cursor(request.next_token))
    return list_response(items, None if last is None else encode_cursor(last), summary=summary)


def get_error_log(request: Request, job_id: str) -> Response[str]:
    from waybill.imports.job_files import error_log_file_name, error_log_key

    job = visible_job(request, job_id)
    return _download(
        request, job, job.has_error_log, "error log", error_log_key(job.job_id), error_log_file_name(job.file_name)
    )


def get_rejects(request: Request, job_id: str) -> Response[str]:
    from waybill.imports.job_files import rejects_file_name, rejects_key

    job = visible_job(request, job_id)
    return _download(
        request, job, job.has_rejects, "rejects file", rejects_key(job.job_id), rejects_file_name(job.file_name)
    )


def get_download(request: Request, job_id: str) -> Response[str]:
    """The file of a finished one-shot export, or the source of an import."""
    job = visible_job(request, job_id)
    if job.process is Process.EXPORT:
        entity = request.find_entity(job.entity)
        if entity is not None:
            require(request.caller, entity, Right.EXPORT)
        if job.export_type not in (None, "ONE_SHOT"):
            raise Conflict("Only one-shot exports can be downloaded; this one was delivered.", job.allowed_actions())
        key = str(job.extracted["key"]) if job.extracted else ""
        return _download(request, job, has_download(job), "file", key, job.file_name)
    file_name = job.file_name.rpartition("/")[2]
    return _download(
        request, job, has_download(job), "file", str(job.source_key), file_name, job.source_bucket, job.source_etag
    )


def _download(
    request: Request,
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
    as_link = request.query.get("as") or None
    if as_link not in (None, "link"):
        raise MalformedRequest("as must be link.")
    _check_files_live(request, job)
    services = request.services
    bucket = bucket or services.settings.files_bucket
    if exists and etag is not None:
        info = services.files.head(bucket, key)
        exists = info is not None and info.etag == etag
    if not exists:
        raise NotFound(f"This job has no {what}.")
    url = services.files.presign_get(bucket, key, file_name, LINK_SECONDS)
    return json_response({"url": url}) if as_link else see_other(url)


def _check_files_live(request: Request, job: Job) -> None:
    if files_expired(request, job):
        raise Gone("The files of this job have expired.")


def get_report(request: Request, job_id: str) -> Response[str]:
    """What became of a job, in one page; of a run of an export also what it ran with."""
    from waybill.exports.report import report_of, report_of_run

    job = visible_job(request, job_id)
    shown = entity_shown(request.caller, job, request.find_entity(job.entity))
    if job.process is Process.IMPORT:
        return json_response(report_of(job, entity_shown=shown))
    services = request.services
    snapshot = services.jobs.definition(job.job_id)
    report = report_of_run(job, snapshot, services.settings, entity_shown=shown)
    if snapshot["export"]["type"] != "CUSTOM" or request.caller.is_backoffice:
        report["definition"] = snapshot["export"]
    return json_response(report)


ROUTES = [
    Route("GET", "/v1/jobs", list_jobs, query=JOB_FILTERS + PAGING),
    Route("POST", "/v1/jobs/delete", delete_many, body=True),
    Route("GET", "/v1/jobs/<job_id>", get_job),
    Route("DELETE", "/v1/jobs/<job_id>", delete_one),
    Route("POST", "/v1/jobs/<job_id>/cancel", cancel),
    Route("POST", "/v1/jobs/<job_id>/stop", stop),
    Route("POST", "/v1/jobs/<job_id>/relaunch", relaunch),
    Route("GET", "/v1/jobs/<job_id>/errors", list_errors, query=PAGING),
    Route("GET", "/v1/jobs/<job_id>/error-log", get_error_log, query=("as",)),
    Route("GET", "/v1/jobs/<job_id>/rejects", get_rejects, query=("as",)),
    Route("GET", "/v1/jobs/<job_id>/download", get_download, query=("as",)),
    Route("GET", "/v1/jobs/<job_id>/report", get_report),
]
