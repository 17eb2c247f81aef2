"""What a webhook tells: that a job has ended. Never what is in a row: no cell, no message that may quote one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from typing_extensions import TypedDict

from waybill.jobs import model
from waybill.jobs.model import Status
from waybill.jobs.webhooks import MAX_SECRET_ID, MAX_URL
from waybill.timestamps import rfc3339
from waybill.validation import secret_id_schema
from waybill.wire.jobs import Work, work_of
from waybill.wire.schema import Moment, Natural, NextToken, Schema, Uri, Uuid

if TYPE_CHECKING:
    from waybill.jobs.webhook_queue import Message

TYPES = {Status.COMPLETED: "job.completed", Status.FAILED: "job.failed", Status.CANCELED: "job.canceled"}
TEST = "webhook.test"


class Webhook(TypedDict):
    """An address that is told of the end of a job, by Standard Webhooks."""

    url: Annotated[Uri, Schema(pattern="^https://", maxLength=MAX_URL, examples=["https://hooks.example.com/waybill"])]
    """Shown to whoever sees the definition: what is secret belongs into the secret."""
    secretId: Annotated[str, Schema(**secret_id_schema(MAX_SECRET_ID), examples=["waybill/hooks"])]
    """Name of the secret, for this host and the entity, with which messages are signed."""


class WebhookLinks(TypedDict):
    """Absolute addresses. Whoever opens one needs a token, and the right to see the job."""

    job: Uri
    console: Uri
    errorLog: Uri | None
    rejects: Uri | None


class WebhookError(TypedDict):
    """Why the job FAILED; its message may quote the file, and is left out."""

    code: Annotated[str, Schema(examples=["empty-file"])]


class WebhookJob(Work):
    """The job that has ended."""

    submittedAt: Moment
    mode: str
    dryRun: bool
    stopReason: str | None
    retryOf: str | None
    undoOf: str | None
    warnings: list[str]
    """The codes."""
    links: WebhookLinks


class WebhookPayload(TypedDict):
    """The body of the request."""

    type: Annotated[str, Schema(enum=[*TYPES.values(), TEST])]
    timestamp: Moment
    """When it happened."""
    data: WebhookJob


def job_payload(job: model.Job, console_url: str) -> WebhookPayload:
    """
    Args:
        job: that has ended.
        console_url: of this deployment; the API is beside the console.
    """
    work = work_of(job, job.entity)
    error: WebhookError | None = None if job.error_code is None else {"code": job.error_code}
    console = console_url.removesuffix("/")
    address = f"{console.removesuffix('/console')}/v1/jobs/{job.job_id}"
    data = {
        **work,
        "error": error,
        "submittedAt": rfc3339(job.submitted_at),
        "mode": job.mode,
        "dryRun": job.dry_run,
        "stopReason": job.stop_reason,
        "retryOf": job.retry_of,
        "undoOf": job.undo_of,
        "warnings": [warning["code"] for warning in job.warnings],
        "links": {
            "job": address,
            "console": f"{console}/",
            "errorLog": f"{address}/error-log" if job.has_error_log else None,
            "rejects": f"{address}/rejects" if job.has_rejects else None,
        },
    }
    return {"type": TYPES[job.status], "timestamp": rfc3339(job.completed_at or job.submitted_at), "data": data}  # type: ignore[typeddict-item]


class WebhookTest(TypedDict):
    """Whether a receiver has taken a test event."""

    ok: bool
    code: str | None
    """Null, or the reason that a message would fail for."""
    detail: str
    """What the receiver answered, or what to correct."""


class DeadLetter(TypedDict):
    """A message that was given up."""

    webhookId: str
    url: Uri
    entity: str
    jobId: Uuid
    attempts: Natural
    reason: str
    """Why the last attempt failed."""
    givenUpAt: Moment


class DeadLetterPage(TypedDict):
    """Messages that were given up, oldest first. They are kept for 14 days."""

    items: list[DeadLetter]
    nextToken: NextToken


class Redriven(TypedDict):
    """How many messages are sent again."""

    redriven: Natural
    isMore: bool
    """Whether others are left: ask again."""


def dead_letter(message: Message) -> DeadLetter:
    return {
        "webhookId": message.webhook_id,
        "url": message.webhook.url,
        "entity": message.entity,
        "jobId": message.job_id,
        "attempts": message.attempts,
        "reason": message.reason,
        "givenUpAt": message.since,
    }


def test_payload(entity: str, now: datetime) -> dict[str, object]:
    """What a test sends: nothing has happened."""
    return {"type": TEST, "timestamp": rfc3339(now), "data": {"entity": entity}}
