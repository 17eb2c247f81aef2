"""Publish changes of status: an event on the bus; when a job has ended also a report by mail, a message for each
webhook, and at the source of a file how its import has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from waybill.aws.mail import MailDelayed, MailRefused, MailUnreachable
from waybill.clock import HasTime, no_limit
from waybill.errors import NotFound
from waybill.jobs.model import SERVICE_FAILURES, Job, Process, Status
from waybill.jobs.recipients import may_mail
from waybill.jobs.usual_rows import fetched_file
from waybill.jobs.webhook_queue import Message, webhook_id
from waybill.jobs.webhooks import Webhook
from waybill.sizes import json_text
from waybill.telemetry import count, entry_failed, logger, measure, measure_percent
from waybill.wire.jobs import job_event
from waybill.wire.webhooks import job_payload

if TYPE_CHECKING:
    from waybill.exports.report import Mail
    from waybill.sources.services import SourceServices

DETAIL_TYPE = "Job Status Changed"
EVENT = "event"
DELIVERY_FAILED = "delivery-failed"
LATE_SECONDS = 60.0


def publish(services: SourceServices, job: Job, done: set[str]) -> bool:
    """Publish a job's status; when it has ended, mail its report, put its webhooks into their queue, and note the end
    of an import at the source of its file. None of them may fail the job.

    Args:
        done: parts that earlier attempts have published, which are left out: `event`, and `mail` and `webhook` with a
            recipient's position. Those of this attempt are added.

    Returns:
        False when it must be tried again. What an attempt published that died before it was noted goes out a second
        time, but nothing is lost.
    """
    is_published = True
    steps: list[Callable[[], None]] = [lambda: _publish_event(services, job, done)]
    if job.is_terminal and (job.process is Process.EXPORT or job.recipients or job.webhooks):
        steps.append(lambda: _tell(services, job, done))
    if job.is_terminal and fetched_file(job)[0] is not None:
        steps.append(lambda: services.source_files.note_end(job))
    for step in steps:
        try:
            step()
        except Exception:
            is_published = False
            entry_failed("announcements", jobId=job.job_id, jobStatus=str(job.status))
    if is_published:  # what is published again was not counted before
        _log(job)
        _count(job)
    return is_published


def _log(job: Job) -> None:
    about = {"jobId": job.job_id, "jobProcess": str(job.process), "entity": job.entity, "jobStatus": str(job.status)}
    about |= {"exportId": job.export_id} if job.export_id else {}
    if job.is_terminal:
        rows = {"imported": job.imported, "rejected": job.rejected}
        logger.info("Job ended", extra={**about, **rows, "outcome": job.outcome, "errorCode": job.error_code})
    else:
        logger.info("Job status changed", extra=about)


def _count(job: Job) -> None:
    """Count the change in the service's metrics."""
    process = {"process": str(job.process)}
    if job.status is Status.IN_PROGRESS:
        count(process, JobsStarted=1)
    elif job.is_terminal:
        count(process | {"outcome": str(job.outcome or job.status)}, JobsFinished=1)
        if not job.dry_run:
            count(process, RowsImported=job.imported, RowsRejected=job.rejected)
        _count_rejected_share(job)
        _measure_times(job)
        if job.error_code == DELIVERY_FAILED:
            count({}, DeliveriesFailed=1)
        elif job.error_code in SERVICE_FAILURES:
            count({}, JobsFailedByService=1)
        elif job.delivery:
            count({}, DeliveriesMade=1)


def _count_rejected_share(job: Job) -> None:
    checked = job.imported + job.rejected
    if job.process is Process.IMPORT and checked:
        measure_percent({"process": str(job.process)}, RejectedPercent=100 * job.rejected / checked)


def _measure_times(job: Job) -> None:
    process = {"process": str(job.process)}
    if job.started_at is not None and job.completed_at is not None:
        measure(process, SecondsInQueue=_seconds(job.submitted_at, job.started_at))
        measure(process, SecondsInWork=_seconds(job.started_at, job.completed_at))
    has_delivered = job.has_delivered and not job.is_backfill
    if job.window_to is not None and job.completed_at is not None and has_delivered:
        measure({}, WindowAgeSeconds=_seconds(job.window_to, job.completed_at))


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())  # the two may be of different clocks


def publish_late(services: SourceServices, has_time: HasTime = no_limit) -> int:
    """Publish changes whose author died before publishing them; returns their number."""
    return services.outbox.publish_late(LATE_SECONDS, has_time)


def _publish_event(services: SourceServices, job: Job, done: set[str]) -> None:
    if EVENT not in done:
        services.events.publish(DETAIL_TYPE, job_event(job), [f"waybill:job:{job.job_id}"])
        done.add(EVENT)


def _tell(services: SourceServices, job: Job, done: set[str]) -> None:
    """Tell those whom the definition, or the import, names.

    The webhooks come first, and from the job that the outbox keeps: they are told also if the job has been deleted.

    Raises:
        MailDelayed: as `_mail_report`.
    """
    _queue_webhooks(services, job, done)
    try:
        snapshot = services.jobs.definition(job.job_id)
    except NotFound:  # deleted in the meantime: its report is not wanted
        return
    _mail_report(services, job, snapshot, done)


def _queue_webhooks(services: SourceServices, job: Job, done: set[str]) -> None:
    """Put a message for each address into the queue (`waybill.webhooks.send` sends it)."""
    waiting = {f"webhook {position}": each for position, each in enumerate(job.webhooks)}
    for part, each in waiting.items():
        if part not in done:
            payload = job_payload(job, services.settings.console_url)
            message = Message(
                webhook_id=webhook_id(job.job_id, payload["type"], each["url"]),
                webhook=Webhook.from_document(each),
                entity=job.entity,
                entity_uid=job.entity_uid,
                job_id=job.job_id,
                body=json_text(payload),
            )
            services.webhooks.add(message)
            done.add(part)


def _mail_report(services: SourceServices, job: Job, snapshot: Mapping[str, Any], done: set[str]) -> None:
    """Mail the report to each recipient who is not done with; one whose mail is delayed keeps no other from theirs.

    Raises:
        MailDelayed: SES did not take the mail to somebody now.
    """
    is_export = job.process is Process.EXPORT
    addresses = snapshot["export"]["recipients"] if is_export else job.recipients
    recipients = {f"mail {position}": address for position, address in enumerate(addresses)}
    waiting = {part: address for part, address in recipients.items() if part not in done}
    if not waiting:
        return
    allowed = {part: address for part, address in waiting.items() if may_mail(address, services.settings.mail_domains)}
    if foreign := waiting.keys() - allowed.keys():
        _withheld(job, len(foreign), "their domains are not among RecipientDomains")
        done |= foreign
    mail = _mail_of_run(services, job, snapshot) if is_export else _mail_of_import(services, job)
    _send(services, job, mail, allowed, done)


def _mail_of_import(services: SourceServices, job: Job) -> Mail:
    from waybill.exports.report import mail_of_import

    return mail_of_import(job, console_url=services.settings.console_url or None)


def _mail_of_run(services: SourceServices, job: Job, snapshot: Mapping[str, Any]) -> Mail:
    from waybill.exports.report import mail_of, report_of_run
    from waybill.schedule import next_runs

    export = services.exports.find(job.export_id) if job.export_id else None
    next_run = None
    if export is not None and export.status == "SCHEDULED":
        next_run = next(iter(next_runs(export.definition.schedule, services.clock.now(), 1)), None)
    report = report_of_run(job, snapshot, services.settings)
    return mail_of(report, console_url=services.settings.console_url or None, next_run=next_run)


def _send(services: SourceServices, job: Job, mail: Mail, recipients: Mapping[str, str], done: set[str]) -> None:
    """Send the mail to each recipient, by their parts, of which those that are over are added to `done`.

    Raises:
        MailDelayed: as `_mail_report`.
    """
    delayed: MailDelayed | None = None
    over: set[str] = set()
    for part, recipient in recipients.items():
        if over or not services.daily_mails.take():
            over.add(part)
            continue
        try:
            services.mailer.send(recipient, mail.subject, mail.text, mail.html)
        except MailDelayed as error:
            services.daily_mails.give_back()
            if isinstance(error, MailUnreachable):
                raise
            delayed = error
            continue
        except MailRefused:
            logger.error("A report could not be mailed", extra={"jobId": job.job_id}, exc_info=True)
        done.add(part)
    if over:
        _withheld(job, len(over), "MailsPerDay were sent on this day")
        done |= over
    if delayed is not None:
        raise delayed


def _withheld(job: Job, mails: int, reason: str) -> None:
    logger.warning("Mails withheld", extra={"jobId": job.job_id, "mails": mails, "reason": reason})
    count({"process": str(job.process)}, MailsWithheld=mails)
