"""Try a destination of exports for the API, which has neither the libraries nor the right to read secrets."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.exports.connection_test import try_destination
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    destination = event["destination"]
    where = {name: destination[name] for name in ("kind", "bucket", "host", "port") if name in destination}
    logger.append_keys(startedBy=event["startedBy"], entity=event["entity"], **where)
    result = try_destination(services(), destination)
    logger.info("Destination tried", extra={"code": result["code"]})
    return result
