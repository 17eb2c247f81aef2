"""Recover jobs whose execution has died.

An execution of the state machine retries its steps itself. It can still be aborted or lost; then the job is started
again and continues from its plan and ledger. After MAX_RESTARTS it ends as failed, with every row accounted for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.errors import Superseded
from waybill.exports.run import fail_export
from waybill.imports.finish import finish_import
from waybill.imports.register import start_next
from waybill.jobs.model import Process, Status

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

SILENCE_SECONDS = 60
MAX_RESTARTS = 3
# For ending jobs as failed; what is left then is done by the next call that finds the job silent.
MAX_SECONDS = 600.0


def recover_jobs(services: ExportServices) -> int:
    """Start waiting imports whose turn has come, restart jobs whose execution died, and fail those that died too often.

    Returns:
        The number of jobs restarted or failed.
    """
    ends, recovered = services.clock.monotonic() + MAX_SECONDS, 0

    def remaining_seconds() -> float:
        return ends - services.clock.monotonic()

    for job in services.active_jobs.all():
        if job.status is Status.WAITING and job.process is Process.IMPORT and not job.dry_run:
            start_next(services, job.entity_uid)
            continue
        is_import = job.process is Process.IMPORT
        machine = services.settings.import_state_machine if is_import else services.settings.export_state_machine
        seen = job.heartbeat_at or job.submitted_at
        if (services.clock.now() - seen).total_seconds() < SILENCE_SECONDS:
            continue
        if services.workflow.is_running(machine, job.job_id, job.restarts):
            continue
        recovered += 1
        if job.restarts >= MAX_RESTARTS:
            if is_import:
                finish_import(services, job.job_id, "internal-error", remaining_seconds)
            else:
                fail_export(services, job.job_id)
            continue
        try:
            job = services.jobs.count_restart(job)
        except Superseded:
            continue
        services.workflow.start(machine, job.job_id, job.restarts)
    return recovered
