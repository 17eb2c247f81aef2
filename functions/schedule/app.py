"""Each minute: delete files whose time has come."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.jobs.sweep import sweep
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    swept = sweep(services())
    logger.info("Sweep done", extra={"swept": swept})
    return {"swept": swept}
