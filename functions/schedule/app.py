"""Each minute: delete files whose time has come, and see to jobs that nobody works on."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.jobs.expiry import sweep
from waybill.jobs.revival import revive
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    result = {"swept": sweep(services()), "revived": revive(services())}
    logger.info("Sweep done", extra=result)
    return result
