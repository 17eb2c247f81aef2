"""The execution that works on a job; each restart has a name of its own, because a name is used once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from waybill.errors import Superseded
from waybill.jobs.model import Job, Process, Status

if TYPE_CHECKING:
    from waybill.jobs.services import Services


def start_execution(services: Services, job: Job) -> bool:
    """Start the job's current execution; returns False when it was started before."""
    return services.workflow.start(_machine(services, job), job.job_id, job.restarts)


def ensure_execution(services: Services, job: Job) -> bool:
    """As `start_execution`; returns False when the execution is over although the job has not ended: it has died."""
    machine = _machine(services, job)
    return start_execution(services, job) or services.workflow.is_running(machine, job.job_id, job.restarts)


def restart_execution(services: Services, job: Job, recovering_since: datetime) -> None:
    """Start a new execution for a job whose current one has died, unless another caller does so."""
    try:
        start_execution(services, services.jobs.count_restart(job, recovering_since))
    except Superseded:
        return


def hand_back(services: Services, job_id: str) -> None:
    """Give the next execution of a waiting job a name of its own: the current one is about to end, as it should."""
    job = services.jobs.find(job_id)
    if job is not None and job.status is Status.WAITING:
        with suppress(Superseded):
            services.jobs.count_restart(job)


def _machine(services: Services, job: Job) -> str:
    settings = services.settings
    return settings.import_state_machine if job.process is Process.IMPORT else settings.export_state_machine
