"""Recover jobs whose execution has died.

An execution of the state machine retries its steps itself. It can still be aborted or lost; then the job is started
again and continues from its plan and ledger. After MAX_RESTARTS it ends as failed, with every row accounted for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from waybill.exports.run import fail_export
from waybill.imports.finish import finish_import
from waybill.jobs.executions import ensure_execution, restart_execution
from waybill.jobs.model import Job, Process, Status
from waybill.telemetry import entry_failed

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

SILENCE_SECONDS = 60
MAX_RESTARTS = 3
# For ending jobs as failed; what is left then is done by the next call that finds the job silent.
MAX_SECONDS = 600.0


def recover_jobs(services: ExportServices) -> int:
    """Restart jobs whose execution died, and fail those that died too often. Of the waiting imports of an entity, only
    the next one has an execution.

    Returns:
        The number of jobs restarted or failed.
    """
    ends, recovered = services.clock.monotonic() + MAX_SECONDS, 0
    next_imports: dict[str, str | None] = {}

    def remaining_seconds() -> float:
        return ends - services.clock.monotonic()

    def is_next(job: Job) -> bool:
        if job.entity_uid not in next_imports:
            is_free = services.running_imports.find(job.entity_uid) is None
            head = services.queue.head(job.entity_uid) if is_free else None
            next_imports[job.entity_uid] = None if head is None else head.job_id
        return next_imports[job.entity_uid] == job.job_id

    for job in services.active_jobs.all():
        try:
            if job.status is Status.WAITING and job.takes_turns and not is_next(job):
                continue
            recovered += _recover(services, job, remaining_seconds)
        except Exception:  # a job that cannot be recovered must not keep the others
            entry_failed("recovery", jobId=job.job_id)
    return recovered


def _recover(services: ExportServices, job: Job, remaining_seconds: Callable[[], float]) -> bool:
    """Restart or fail a job if its execution has died; whether it had."""
    seen = job.heartbeat_at or job.submitted_at
    if (services.clock.now() - seen).total_seconds() < SILENCE_SECONDS:
        return False
    if ensure_execution(services, job):
        return False
    if job.restarts < MAX_RESTARTS:
        restart_execution(services, job)
    elif job.process is Process.IMPORT:
        finish_import(services, job.job_id, "internal-error", remaining_seconds)
    else:
        fail_export(services, job.job_id)
    return True
