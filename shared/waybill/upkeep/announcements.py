"""Publish changes of status: an event on the bus, and a report by mail when an export has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from waybill.aws.events import NotPublished
from waybill.aws.mail import MailDelayed, MailRefused
from waybill.errors import NotFound
from waybill.jobs.model import Job, Process, message_of
from waybill.telemetry import logger
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

DETAIL_TYPE = "Job Status Changed"
LATE_SECONDS = 60.0


def publish(services: ExportServices, job: Job) -> bool:
    """Publish a job's status and mail the report of a run that has ended. Neither may fail the job.

    Returns:
        False when it must be tried again. An event or a mail may then go out a second time, but none is lost.
    """
    is_published = True
    steps: list[Callable[[], None]] = [
        lambda: services.events.publish(DETAIL_TYPE, event_detail(job), [f"waybill:job:{job.job_id}"])
    ]
    if job.process is Process.EXPORT and job.is_terminal:
        steps.append(lambda: _mail_report(services, job))
    for step in steps:
        try:
            step()
        except (NotPublished, MailDelayed):
            is_published = False
            fields = {"jobId": job.job_id, "status": str(job.status)}
            logger.warning("A change of status was not published", extra=fields, exc_info=True)
    return is_published


def publish_late(services: ExportServices) -> int:
    """Publish changes whose author died before publishing them; returns their number."""
    return services.outbox.publish_late(LATE_SECONDS)


def event_detail(job: Job) -> dict[str, Any]:
    """The event's `detail`, in the words of the job resource."""
    return {
        "jobId": job.job_id,
        "process": job.process.value,
        "status": job.status.value,
        "outcome": None if job.outcome is None else job.outcome.value,
        "entity": job.entity,
        "fileName": job.file_name,
        "startedBy": job.started_by,
        "submittedAt": rfc3339(job.submitted_at),
        "startedAt": rfc3339(job.started_at),
        "completedAt": rfc3339(job.completed_at),
        "counts": {
            "total": job.counts.total,
            "processed": job.processed,
            "imported": job.imported,
            "rejected": job.rejected,
            "unprocessed": job.counts.unprocessed,
        },
        "message": message_of(job),
        "error": None if job.error_code is None else {"code": job.error_code, "message": job.error_message},
        "exportId": job.export_id,
        "windowFrom": rfc3339(job.window_from),
        "windowTo": rfc3339(job.window_to),
    }


def _mail_report(services: ExportServices, job: Job) -> None:
    try:
        snapshot = services.jobs.definition(job.job_id)
    except NotFound:  # deleted meanwhile: nobody wants its report any more
        return
    recipients = snapshot["export"]["recipients"]
    if not recipients:
        return
    from waybill.exports.report import mail_of, report_of_run
    from waybill.exports.schedule import next_runs

    export = services.exports.find(job.export_id) if job.export_id else None
    next_run = None
    if export is not None and export.status == "SCHEDULED":
        next_run = next(iter(next_runs(export.definition.schedule, services.clock.now(), 1)), None)
    report = report_of_run(job, snapshot, services.settings)
    mail = mail_of(report, console_url=services.settings.console_url or None, next_run=next_run)
    try:
        services.mailer.send(recipients, mail.subject, mail.text, mail.html)
    except MailRefused:
        logger.error("A report could not be mailed", extra={"jobId": job.job_id}, exc_info=True)
