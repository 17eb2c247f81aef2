"""What a person does to a job: cancel, stop, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.errors import Superseded
from waybill.exports.run import note_end, stop_run
from waybill.imports.register import start_next
from waybill.jobs.model import Counts, Job, Process, Status, finished
from waybill.upkeep.retention import remove

if TYPE_CHECKING:
    from waybill.aws.table import Action
    from waybill.exports.services import ExportServices
    from waybill.jobs.audit import Act

#: Of a request, which may take 29.
DELETION_SECONDS = 5.0


def cancel_job(services: ExportServices, job: Job, act: Act | None = None) -> Job:
    """WAITING → CANCELED.

    Args:
        act: for the audit trail, of whoever does it; here and below.

    Raises:
        Conflict: the job is not a waiting import.
    """
    if "cancel" not in job.allowed_actions():
        raise job.conflict("canceled")
    ended = finished(job, Status.CANCELED, Counts(total=0), services.clock.now(), services.jobs.retention)
    try:
        stored = services.jobs.finish(ended, Status.WAITING, entry=_entry(services, act, job))
    except Superseded:
        stored = services.jobs.get(job.job_id)
    if stored.status is not Status.CANCELED:
        raise stored.conflict("canceled")
    start_next(services, job.entity_uid)
    return stored


def stop_job(services: ExportServices, job: Job, act: Act | None = None) -> Job:
    """Stop a job in progress. The workers of an import see it within seconds; an export ends at once, or when its
    delivery has cleaned up.

    Raises:
        Conflict: the job is not in progress; every chunk of the import is loaded; the export's file is being delivered.
    """
    if job.status is not Status.IN_PROGRESS:
        raise job.conflict("stopped")
    if job.process is Process.EXPORT:
        return stop_run(services, job, _entry(services, act, job))
    return services.jobs.request_stop(job.job_id, "USER", _entry(services, act, job))


def delete_job(services: ExportServices, job: Job, act: Act | None = None) -> None:
    """Delete an ended job with its files. The job is gone at once; retention completes what fails, dies or takes longer
    here: a large import has left an item for each of its chunks.

    Raises:
        Conflict: the job has not ended.
        Gone, NotFound: it was deleted.
    """
    if not job.is_terminal:
        raise job.conflict("deleted")
    if job.process is Process.EXPORT:
        note_end(services, job)  # an export whose run has no job starts it again
    ends = services.clock.monotonic() + DELETION_SECONDS
    removal = services.jobs.expire(job, _entry(services, act, job))
    remove(services, removal, lambda: services.clock.monotonic() < ends)


def _entry(services: ExportServices, act: Act | None, job: Job) -> list[Action]:
    return services.audit.entry(act, entity=job.entity, jobId=job.job_id, exportId=job.export_id)
