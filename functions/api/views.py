"""Jobs as the caller of a request may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import RETRY_AFTER_SECONDS, json_response
from waybill.jobs.model import Job, Process, Status
from waybill.jobs.permissions import entity_shown
from waybill.wire import jobs as wire

if TYPE_CHECKING:
    from request import Request


def job_views(request: Request, jobs: list[Job]) -> list[wire.Job]:
    """Reads each entity, and the queue of each entity with waiting jobs, once."""
    waiting = {job.entity_uid for job in jobs if _is_queued(job)}
    positions = {uid: request.services.queue.positions(uid) for uid in waiting}
    return [_job_view(request, job, positions.get(job.entity_uid, {}).get(job.job_id)) for job in jobs]


def job_view(request: Request, job: Job) -> wire.Job:
    return job_views(request, [job])[0]


def accept(request: Request, job: Job) -> Response[str]:
    """202 for work that has begun: where to ask, and when."""
    headers = {"Location": f"/v1/jobs/{job.job_id}", "Retry-After": RETRY_AFTER_SECONDS}
    return json_response(job_view(request, job), 202, headers)


def _is_queued(job: Job) -> bool:
    return job.status is Status.WAITING and job.process is Process.IMPORT and not job.dry_run


def _job_view(request: Request, job: Job, position: int | None) -> wire.Job:
    return wire.job_resource(
        job,
        entity_shown=entity_shown(request.caller, job, request.find_entity(job.entity)),
        queue_position=position,
        links=_links(request, job),
        now=request.services.clock.now(),
    )


def files_expired(request: Request, job: Job) -> bool:
    return job.files_expire_at is not None and job.files_expire_at <= request.services.clock.now()


def has_download(job: Job) -> bool:
    """A finished one-shot export has its file, an import its source."""
    if job.process is Process.EXPORT:
        return job.has_download and job.export_type in (None, "ONE_SHOT")
    return job.source_key is not None and job.error_code != "source-changed"


def _links(request: Request, job: Job) -> wire.JobLinks:
    base = f"{request.base_url}/v1/jobs/{job.job_id}"
    live = not files_expired(request, job)
    return {
        "errorLog": f"{base}/error-log" if live and job.has_error_log else None,
        "rejects": f"{base}/rejects" if live and job.has_rejects else None,
        "download": f"{base}/download" if live and has_download(job) else None,
    }
