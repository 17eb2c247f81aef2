"""Send webhooks that are due, and test one. What a receiver does fails no job: it is tried again for a day and more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.clock import HasTime, no_limit
from waybill.errors import DeliveryFailed
from waybill.ids import new_uuid
from waybill.jobs.bound_secrets import read_secret
from waybill.jobs.webhook_queue import MAX_ATTEMPTS, Message
from waybill.jobs.webhooks import Webhook
from waybill.sizes import json_text
from waybill.telemetry import count, entry_failed, logger
from waybill.webhooks.signature import headers, keys_of
from waybill.wire.webhooks import test_payload

if TYPE_CHECKING:
    from waybill.webhooks.services import WebhookServices

#: A receiver says that it wants no more (RFC 9110, section 15.5.11; Standard Webhooks).
GONE = 410
#: A person waits for the result of a test.
TEST_SECONDS = 10.0


def send_due(services: WebhookServices, has_time: HasTime = no_limit) -> int:
    """Send the webhooks that are due.

    One failure of a host is enough for this call: its other messages wait for the next one, so that a host that
    answers slowly keeps nobody else waiting for long.

    Returns:
        The number that receivers have taken.
    """
    taken = 0
    failing: set[str] = set()
    for message in services.webhooks.due():
        if not has_time():
            break
        if message.webhook.authority in failing:
            continue
        try:
            is_taken = _send(services, message)
        except Exception:  # one that cannot be sent must not delay the others
            entry_failed("webhooks", webhookId=message.webhook_id)
            continue
        if is_taken:
            taken += 1
        elif is_taken is not None:
            failing.add(message.webhook.authority)
    return taken


def _send(services: WebhookServices, message: Message) -> bool | None:
    """Make one attempt; None when there was none."""
    claimed = services.webhooks.claim(message)
    if claimed is None:
        return None
    entity = services.entities.find(claimed.entity)
    if entity is None or entity.uid != claimed.entity_uid:
        services.webhooks.remove(claimed)  # as all that the entity had
        return None
    if not services.daily_webhooks.take():
        _give_up(services, claimed, "WebhooksPerDay were sent on this day")
        return None
    try:
        answer = post(services, claimed.webhook, claimed.entity, claimed.webhook_id, claimed.body)
    except DeliveryFailed as error:
        reason, is_over = error.reason, False
    else:
        if 200 <= answer < 300:
            services.webhooks.remove(claimed)
            logger.info("Webhook sent", extra={**_about(claimed), "answer": answer})
            count({}, WebhooksSent=1)
            return True
        reason, is_over = f"answer {answer}", answer == GONE
    if is_over or claimed.attempts >= MAX_ATTEMPTS:
        _give_up(services, claimed, reason)
    else:
        logger.warning("Webhook failed and is tried again", extra={**_about(claimed), "reason": reason})
        count({}, WebhookAttemptsFailed=1)
        services.webhooks.note_failure(claimed, reason)
    return False


def _give_up(services: WebhookServices, message: Message, reason: str) -> None:
    services.webhooks.give_up(message, reason)
    logger.error("Webhook given up", extra={**_about(message), "reason": reason})
    count({}, WebhooksGivenUp=1)


def _about(message: Message) -> dict[str, object]:
    about = {"webhookId": message.webhook_id, "host": message.webhook.authority, "jobId": message.job_id}
    return {**about, "entity": message.entity, "attempt": message.attempts}


def post(services: WebhookServices, webhook: Webhook, entity: str, webhook_id: str, body: str, **limits: float) -> int:
    """Sign a body and send it; returns the status of the answer.

    Raises:
        DeliveryFailed: as `WebhookClient.post`; `secret`.
    """
    keys = signing_keys(services, webhook, entity)
    signed = headers(keys, webhook_id, int(services.clock.now().timestamp()), body)
    return services.webhook_client.post(webhook, signed, body, **limits)


def signing_keys(services: WebhookServices, webhook: Webhook, entity: str) -> list[bytes]:
    """The keys in the webhook's secret, if that is for its host and the entity.

    Raises:
        DeliveryFailed: `secret`.
    """
    secret = read_secret(services, webhook.secret_id, webhook.host, webhook.port, entity)
    try:
        return keys_of(secret)
    except ValueError as error:
        raise DeliveryFailed("secret", str(error)) from None


def test_webhook(
    services: WebhookServices, webhook: Webhook, entity: str, only_secret: bool = False
) -> dict[str, object]:
    """Send a test event; or, with `only_secret`, look only whether there is a usable secret.

    Returns:
        `ok`, `code` (None, or why it failed) and `detail`, as a connection test of a destination.
    """
    try:
        if only_secret:
            signing_keys(services, webhook, entity)
            return {"ok": True, "code": None, "detail": "The secret can be used."}
        body = json_text(test_payload(entity, services.clock.now()))
        answer = post(services, webhook, entity, f"msg_{new_uuid(services.ids)}", body, seconds=TEST_SECONDS)
    except DeliveryFailed as error:
        return {"ok": False, "code": error.reason, "detail": error.remedy}
    if 200 <= answer < 300:
        return {"ok": True, "code": None, "detail": f"{webhook.host} took the event and answered {answer}."}
    detail = f"{webhook.host} answered {answer}. Only an answer of 200 to 299 counts; redirects are not followed."
    return {"ok": False, "code": "protocol", "detail": detail}
