"""Jobs as JSON: exactly the members of the contract's example (section 4), and `heartbeatAt`."""

from __future__ import annotations

from typing import Any

from waybill.entities.model import Entity
from waybill.jobs.model import Job, Process, Status, message_of, remaining_seconds, rows_per_second
from waybill.jobs.permissions import entity_shown
from waybill.timestamps import rfc3339
from web import Request


def job_views(request: Request, jobs: list[Job]) -> list[dict[str, Any]]:
    """The jobs as the caller may see them. Reads each entity, and the queue of each entity with waiting jobs, once."""
    waiting = {job.entity_uid for job in jobs if _is_queued(job)}
    positions = {uid: request.services.queue.positions(uid) for uid in waiting}
    return [
        _job_view(request, job, request.find_entity(job.entity), positions.get(job.entity_uid, {}).get(job.job_id))
        for job in jobs
    ]


def job_view(request: Request, job: Job) -> dict[str, Any]:
    return job_views(request, [job])[0]


def _is_queued(job: Job) -> bool:
    return job.status is Status.WAITING and job.process is Process.IMPORT and not job.dry_run


def _job_view(request: Request, job: Job, entity: Entity | None, position: int | None) -> dict[str, Any]:
    # Progress is measured when a worker reported it: between two reports the job and its ETag stay the same.
    measured_at = job.heartbeat_at or request.services.clock.now()
    return {
        "jobId": job.job_id,
        "process": job.process.value,
        "status": job.status.value,
        "outcome": None if job.outcome is None else job.outcome.value,
        "entity": entity_shown(request.caller, job, entity),
        "fileName": job.file_name,
        "submittedAt": rfc3339(job.submitted_at),
        "startedAt": rfc3339(job.started_at),
        "completedAt": rfc3339(job.completed_at),
        "durationSeconds": duration_seconds(job),
        "startedBy": job.started_by,
        "counts": {
            "total": job.counts.total,
            "processed": job.processed,
            "imported": job.imported,
            "rejected": job.rejected,
            "unprocessed": job.counts.unprocessed if job.is_terminal else 0,
        },
        "numberOfItems": job.counts.total,
        "message": message_of(job),
        "error": error_view(job),
        "allowedActions": job.allowed_actions(),
        "mode": job.mode,
        "dryRun": job.dry_run,
        "onError": job.on_error,
        "detected": job.detected,
        "rowsPerSecond": rows_per_second(job, measured_at),
        "remainingSeconds": remaining_seconds(job, measured_at),
        "queuePosition": position,
        "stopReason": job.stop_reason,
        "duplicateOf": job.duplicate_of,
        "exportId": job.export_id,
        "windowFrom": rfc3339(job.window_from),
        "windowTo": rfc3339(job.window_to),
        "retryOf": job.retry_of,
        "expiresAt": rfc3339(job.expires_at),
        "filesExpireAt": rfc3339(job.files_expire_at),
        "heartbeatAt": rfc3339(job.heartbeat_at),
        "links": links(request, job),
    }


def duration_seconds(job: Job) -> float | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return round((job.completed_at - job.started_at).total_seconds(), 3)


def error_view(job: Job) -> dict[str, Any] | None:
    return None if job.error_code is None else {"code": job.error_code, "message": job.error_message}


def files_expired(request: Request, job: Job) -> bool:
    return job.files_expire_at is not None and job.files_expire_at <= request.services.clock.now()


def has_download(job: Job) -> bool:
    """A finished one-shot export has its file, an import its source."""
    if job.process is Process.EXPORT:
        return job.has_download and job.export_type in (None, "ONE_SHOT")
    return job.source_key is not None and job.error_code != "source-changed"


def links(request: Request, job: Job) -> dict[str, str | None]:
    base = f"{request.base_url}/v1/jobs/{job.job_id}"
    live = not files_expired(request, job)
    return {
        "errorLog": f"{base}/error-log" if live and job.has_error_log else None,
        "rejects": f"{base}/rejects" if live and job.has_rejects else None,
        "download": f"{base}/download" if live and has_download(job) else None,
    }
