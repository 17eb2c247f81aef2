"""Each minute: send the webhooks that are due."""

from __future__ import annotations

from typing import Any

from waybill.aws.clients import limit_requests
from waybill.bootstrap import services
from waybill.telemetry import logger
from waybill.webhooks.send import send_due

#: So that one minute's work seldom overlaps with the next: an attempt that has begun may take 15 seconds and more.
MINUTE_SECONDS = 40.0
REQUEST_SECONDS, REQUEST_ATTEMPTS = 10.0, 2

limit_requests(REQUEST_SECONDS, REQUEST_ATTEMPTS)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    clock = services().clock
    ends = clock.monotonic() + MINUTE_SECONDS
    sent = send_due(services(), lambda: clock.monotonic() < ends)
    return {"sent": sent}
