"""Send webhooks that are due, and test one. What a receiver does fails no job: it is tried again for a day and more."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
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
#: An answer that takes as long is one for which others wait.
SLOW_SECONDS = 3.0
LIMIT_REACHED = "WebhooksPerDay were sent on this day"


def send_due(services: WebhookServices, has_time: HasTime = no_limit) -> int:
    """Send the webhooks that are due.

    Servers take turns, a message each. One failure, or one slow answer, of a server is enough for this call; and in the
    next one it comes after those that are well, the longest waiting first. So servers that are slow keep the others
    waiting for one call each, and not for longer.

    Returns:
        The number that receivers have taken.
    """
    waiting = _due_by_server(services, has_time)
    troubled = services.webhooks.troubled()
    well = deque(server for server in waiting if server not in troubled)
    others = deque(sorted(waiting.keys() & troubled.keys(), key=troubled.__getitem__))
    taken = 0
    for turns in (well, others):
        while turns and has_time():
            server = turns.popleft()
            is_taken, may_go_on = _take_turn(services, waiting[server].popleft(), server in troubled)
            taken += is_taken
            if may_go_on and waiting[server]:
                turns.append(server)
    return taken


def _due_by_server(services: WebhookServices, has_time: HasTime) -> dict[str, deque[Message]]:
    """The messages that are due, oldest first; those of which no attempt may follow are given up."""
    waiting: dict[str, deque[Message]] = {}
    for message in services.webhooks.due():
        if not services.webhooks.is_spent(message):
            waiting.setdefault(message.webhook.server, deque()).append(message)
        elif has_time():
            try:
                _give_up(services, message, message.reason or "no attempt came to its end")
            except Exception:  # one that cannot be given up must not delay the others
                entry_failed("webhooks", webhookId=message.webhook_id)
    return waiting


def _take_turn(services: WebhookServices, message: Message, was_troubled: bool) -> tuple[bool, bool]:
    """Send a message; whether it was taken, and whether its server may be sent another one in this call."""
    began = services.clock.monotonic()
    is_taken: bool | None = False
    try:
        is_taken = _send(services, message)
        if is_taken is None:
            return False, True
        is_well = is_taken and services.clock.monotonic() - began < SLOW_SECONDS
        if was_troubled or not is_well:
            services.webhooks.note_trouble(message.webhook.server, is_well)
    except Exception:  # one that cannot be sent must not delay the others
        entry_failed("webhooks", webhookId=message.webhook_id)
        return bool(is_taken), False
    return is_taken, is_well


def _send(services: WebhookServices, message: Message) -> bool | None:
    """Make one attempt; None when there was none."""
    claimed = services.webhooks.claim(message)
    if claimed is None:
        return None
    entity = services.entities.find(claimed.entity)
    if entity is None or entity.uid != claimed.entity_uid:
        services.webhooks.remove(claimed)  # as all that the entity had
        return None
    try:
        keys = signing_keys(services, claimed.webhook, claimed.entity)
        if not services.daily_webhooks.take(claimed.entity_uid):
            _postpone(services, claimed)
            return None
        answer = _post(services, claimed.webhook, keys, claimed.webhook_id, claimed.body)
    except DeliveryFailed as error:
        reason, is_over = error.reason, False
        if reason == "host-refused":  # nothing was sent
            services.daily_webhooks.give_back(claimed.entity_uid)
    except Exception:
        entry_failed("webhooks", webhookId=message.webhook_id)
        reason, is_over = "an error of Waybill", False
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


def _postpone(services: WebhookServices, message: Message) -> None:
    services.webhooks.postpone(message, LIMIT_REACHED)
    logger.warning("Webhook postponed to the next day", extra={**_about(message), "reason": LIMIT_REACHED})
    count({}, WebhooksPostponed=1)


def _give_up(services: WebhookServices, message: Message, reason: str) -> None:
    services.webhooks.give_up(message, reason)
    logger.error("Webhook given up", extra={**_about(message), "reason": reason})
    count({}, WebhooksGivenUp=1)


def _about(message: Message) -> dict[str, object]:
    about = {"webhookId": message.webhook_id, "host": message.webhook.authority, "jobId": message.job_id}
    return {**about, "entity": message.entity, "attempt": message.attempts}


def _post(
    services: WebhookServices, webhook: Webhook, keys: Sequence[bytes], webhook_id: str, body: str, **limits: float
) -> int:
    """Sign a body and send it; returns the status of the answer.

    Raises:
        DeliveryFailed: as `WebhookClient.post`.
    """
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
        keys = signing_keys(services, webhook, entity)
        if only_secret:
            return {"ok": True, "code": None, "detail": "The secret can be used."}
        body = json_text(test_payload(entity, services.clock.now()))
        answer = _post(services, webhook, keys, f"msg_{new_uuid(services.ids)}", body, seconds=TEST_SECONDS)
    except DeliveryFailed as error:
        return {"ok": False, "code": error.reason, "detail": error.remedy}
    if 200 <= answer < 300:
        return {"ok": True, "code": None, "detail": f"{webhook.host} took the event and answered {answer}."}
    detail = f"{webhook.host} answered {answer}. Only an answer of 200 to 299 counts; redirects are not followed."
    return {"ok": False, "code": "protocol", "detail": detail}
