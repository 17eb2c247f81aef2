"""Webhooks: a test of one, and the messages that were given up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import decode_cursor, encode_cursor, json_response, list_response, what_fits
from auth import ADMIN, TEST_WEBHOOK
from connection_test import test_webhook as ask_for_test
from request import Request
from routing import TOO_MANY_PREVIEWS, ApiRouter, ok
from waybill.entities.model import Entity
from waybill.errors import TooManyRequests
from waybill.wire import webhooks as wire

if TYPE_CHECKING:
    from models.webhooks import Paging, RedriveRequest, WebhookToTest

DAY_SECONDS = 86_400
NO_MORE_TODAY = "`WebhooksPerDay` requests, or the entity's quarter of them, were made on this day (UTC)."
#: Messages that one request makes due again.
REDRIVEN_AT_ONCE = 500
_POSITION = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z#msg_[0-9a-f-]{36}", re.ASCII)

router = ApiRouter("Webhooks")


@router.post(
    "/v1/webhooks/test",
    "Test a webhook",
    needs=TEST_WEBHOOK,
    answers=ok("The result of the test.", wire.WebhookTest),
    refusals={404: "There is no such entity.", 429: f"{TOO_MANY_PREVIEWS} Or {NO_MORE_TODAY}"},
    description="Sends an event of the type `webhook.test`, signed as every message. Takes up to 15 seconds.",
)
def test_webhook(request: Request, entity: Entity, body: WebhookToTest) -> Response[str]:
    request.services.previews.take(request.caller.subject)
    if not request.services.daily_webhooks.take(entity.uid):
        now = request.services.clock.now()
        raise TooManyRequests(f"Nothing was sent: {NO_MORE_TODAY}", DAY_SECONDS - int(now.timestamp()) % DAY_SECONDS)
    request.note()
    return json_response(ask_for_test(request, body.document(), entity))


@router.get(
    "/v1/webhooks/dead-letters",
    "List messages that were given up",
    needs=ADMIN,
    answers=ok("A page of messages, oldest first.", wire.DeadLetterPage),
    description="After eight attempts in 32 hours, an answer of 410, or three days in which they could not be made.",
)
def list_dead_letters(request: Request, query: Paging) -> Response[str]:
    after = decode_cursor(query.next_token, _POSITION)
    letters, last = request.services.webhooks.dead(query.limit, after)
    page = ((wire.dead_letter(letter), letter.key[1]) for letter in letters)
    return list_response(*what_fits(page, encode_cursor(last)))


@router.post(
    "/v1/webhooks/dead-letters/redrive",
    "Send messages again that were given up",
    needs=ADMIN,
    answers=ok("How many are sent again.", wire.Redriven),
    description="With the ids and contents that they have, and eight attempts each.",
)
def redrive_dead_letters(request: Request, body: RedriveRequest) -> Response[str]:
    request.about["entity"] = body.entity
    request.note()
    redriven, is_more = request.services.webhooks.redrive(REDRIVEN_AT_ONCE, body.entity)
    return json_response({"redriven": redriven, "isMore": is_more})
