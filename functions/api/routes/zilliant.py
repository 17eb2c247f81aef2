"""Two routes with Zilliant's names, bodies and status codes, for clients written against its file import."""

from __future__ import annotations

from datetime import datetime

from routes.imports import own_upload
from routes.jobs import visible_job
from waybill.errors import Gone, NotFound
from waybill.imports.options import ImportOptions
from waybill.imports.start import start_upload
from waybill.jobs.model import SERVICE_FAILURES, Job, Process, Status
from web import Request, Response, Route, json_response, uuid_of

_STATUS = {
    Status.WAITING: "RUNNING",
    Status.IN_PROGRESS: "RUNNING",
    Status.COMPLETED: "SUCCEEDED",
    Status.FAILED: "FAILED",
    Status.CANCELED: "FAILED",
}


def start_import(request: Request, upload_id: str) -> Response[str]:
    try:
        upload, _ = own_upload(request, uuid_of(upload_id, "upload id"))
    except Gone as error:
        raise NotFound(error.detail) from None
    job = start_upload(request.services, upload, ImportOptions())
    return json_response({"importId": job.job_id}, 201)


def get_status(request: Request, import_id: str) -> Response[str]:
    try:
        job = visible_job(request, import_id)
    except Gone as error:
        raise NotFound(error.detail) from None
    if job.process is not Process.IMPORT:
        raise NotFound("There is no import with this id.")
    return json_response(status_view(job))


def status_view(job: Job) -> dict[str, str | bool]:
    """The documented body; `stopDate` only once the import has ended."""
    ended = {} if job.completed_at is None else {"stopDate": _whole_seconds(job.completed_at)}
    return {
        "status": _STATUS[job.status],
        "startDate": _whole_seconds(job.started_at or job.submitted_at),
        **ended,
        "clientErrorCallingService": job.status is Status.FAILED and job.error_code not in SERVICE_FAILURES,
        "entityImportId": job.job_id,
    }


def _whole_seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES = [
    Route("POST", "/v1/EntityImport/<upload_id>/import", start_import),
    Route("GET", "/v1/EntityImport/<import_id>/status", get_status),
]
