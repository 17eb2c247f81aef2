"""Two routes with Zilliant's names, bodies and status codes, for clients written against its file import."""

from __future__ import annotations

from datetime import datetime

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import json_response
from auth import ZILLIANT_JOB, ZILLIANT_UPLOAD
from request import Request
from routing import IDEMPOTENCY_KEY, TOO_MANY_JOBS, Answer, ApiRouter, ok
from waybill.jobs.model import SERVICE_FAILURES, Job, Status
from waybill.jobs.uploads import Upload
from waybill.wire import zilliant as wire

_STATUS = {
    Status.WAITING: "RUNNING",
    Status.IN_PROGRESS: "RUNNING",
    Status.COMPLETED: "SUCCEEDED",
    Status.FAILED: "FAILED",
    Status.CANCELED: "FAILED",
}

router = ApiRouter("Zilliant")


@router.post(
    "/v1/EntityImport/<upload_id>/import",
    "Import the file that was sent, with all defaults",
    operation_id="zilliantImport",
    needs=ZILLIANT_UPLOAD,
    answers={201: Answer("The import is registered.", wire.ZilliantImport)},
    refusals={
        404: "There is no such upload, or it has expired.",
        409: "The file has not been sent yet or was already imported; or a request with the same key is running.",
        429: TOO_MANY_JOBS,
    },
    headers=(IDEMPOTENCY_KEY,),
)
def start_import(request: Request, upload: Upload) -> Response[str]:
    from waybill.imports.options import ImportOptions
    from waybill.imports.start import start_upload

    job = start_upload(request.services, upload, ImportOptions(), request.made_id, request.act)
    return json_response({"importId": job.job_id}, 201)


@router.get(
    "/v1/EntityImport/<import_id>/status",
    "Get the status of an import",
    operation_id="zilliantStatus",
    needs=ZILLIANT_JOB,
    answers=ok("The status.", wire.ZilliantStatus),
)
def get_status(job: Job) -> Response[str]:
    return json_response(status_view(job))


def status_view(job: Job) -> wire.ZilliantStatus:
    """The documented body; `stopDate` only once the import has ended."""
    status: wire.ZilliantStatus = {
        "status": _STATUS[job.status],
        "startDate": _whole_seconds(job.started_at or job.submitted_at),
        "clientErrorCallingService": job.status is Status.FAILED and job.error_code not in SERVICE_FAILURES,
        "entityImportId": job.job_id,
    }
    if job.completed_at is not None:
        status["stopDate"] = _whole_seconds(job.completed_at)
    return status


def _whole_seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
