"""Jobs as the caller of a request may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import RETRY_AFTER_SECONDS, json_response
from auth import may_relaunch
from waybill.jobs.drops import is_live
from waybill.jobs.model import Job, Process, left_undone
from waybill.jobs.permissions import as_seen, entity_shown, has_right_to_download, may_change_job
from waybill.wire import jobs as wire

if TYPE_CHECKING:
    from request import Request


def job_views(request: Request, jobs: list[Job]) -> list[wire.Job]:
    """Jobs with the actions and links that would succeed for the caller. Reads each entity, the queue of each entity
    with waiting jobs, the records of dropped objects, and the jobs that undo others once."""
    waiting = {job.entity_uid for job in jobs if job.is_queued}
    positions = {uid: request.services.queue.positions(uid) for uid in waiting}
    dropped = {job.job_id: key for job in jobs if (key := _dropped_key(request, job)) is not None}
    latest = request.services.drops.latest([*set(dropped.values())]) if dropped else {}

    undos = {undo.job_id: undo for undo in request.services.jobs.live(_undos(request, jobs))}

    def has_source(job: Job) -> bool:
        return job.job_id not in dropped or is_live(latest.get(dropped[job.job_id]), job.source_etag)

    def actions(job: Job) -> list[str]:
        if not may_change_job(request.caller, job, request.find_entity(job.entity)):
            return []
        undone = undos.get(job.undone_as or "")
        can_undo = _may_be_undone(request, job) and (undone is None or left_undone(undone))
        return [*(["undo"] if can_undo else []), *job.allowed_actions()]

    return [
        _job_view(request, job, positions.get(job.entity_uid, {}).get(job.job_id), has_source(job), actions(job))
        for job in jobs
    ]


def _undos(request: Request, jobs: list[Job]) -> list[str]:
    """The ids of the jobs that undo others which could be undone otherwise."""
    return [job.undone_as for job in jobs if job.undone_as is not None and _may_be_undone(request, job)]


def _may_be_undone(request: Request, job: Job) -> bool:
    """Whether there is what an undo needs, and the caller has the right to it."""
    return job.can_undo and not files_expired(request, job) and may_relaunch(request, job)


def _dropped_key(request: Request, job: Job) -> str | None:
    """`{bucket}/{key}` of the dropped object that the job could offer; None when there is none."""
    is_dropped = job.source_bucket == request.services.settings.drop_bucket
    return f"{job.source_bucket}/{job.source_key}" if is_dropped and may_download(request, job) else None


def job_view(request: Request, job: Job) -> wire.Job:
    return job_views(request, [job])[0]


def position_of(view: wire.Job) -> str:
    """Where a job stands in the lists of jobs, as `jobs.cursors` has it."""
    return f"{view['submittedAt']}#{view['jobId']}"


def accept(request: Request, job: Job) -> Response[str]:
    """202 for work that has begun: where to ask, and when."""
    headers = {"Location": f"/v1/jobs/{job.job_id}", "Retry-After": RETRY_AFTER_SECONDS}
    return json_response(job_view(request, job), 202, headers)


def _job_view(
    request: Request, job: Job, position: int | None, has_source: bool, allowed_actions: list[str]
) -> wire.Job:
    entity = request.find_entity(job.entity)
    return wire.job_resource(
        as_seen(request.caller, job, entity),
        entity_shown=entity_shown(request.caller, job, entity),
        queue_position=position,
        allowed_actions=allowed_actions,
        links=_links(request, job, has_source),
        now=request.services.clock.now(),
    )


def files_expired(request: Request, job: Job) -> bool:
    return job.files_expire_at is not None and job.files_expire_at <= request.services.clock.now()


def has_download(job: Job) -> bool:
    """A finished one-shot export has its file, an import its source. That of an undo holds records, not a file."""
    if job.process is Process.EXPORT:
        return job.has_download and job.export_type in (None, "ONE_SHOT")
    return job.source_key is not None and job.undo_of is None and job.error_code != "source-changed"


def may_download(request: Request, job: Job) -> bool:
    """Whether the job has a file to download that has not expired, and the caller the right to it."""
    if files_expired(request, job) or not has_download(job):
        return False
    return has_right_to_download(request.caller, job, request.find_entity(job.entity))


def _links(request: Request, job: Job, has_source: bool) -> wire.JobLinks:
    base = f"{request.base_url}/v1/jobs/{job.job_id}"
    live = not files_expired(request, job)
    return {
        "errorLog": f"{base}/error-log" if live and job.has_error_log else None,
        "rejects": f"{base}/rejects" if live and job.has_rejects else None,
        "download": f"{base}/download" if has_source and may_download(request, job) else None,
    }
