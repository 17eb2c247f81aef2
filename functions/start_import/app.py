"""An object was created in the drop bucket: register its import and start it when its turn has come."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source

from waybill.bootstrap import services
from waybill.imports.start import start_drop
from waybill.telemetry import logger
from waybill.timestamps import parse_rfc3339


@logger.inject_lambda_context
@event_source(data_class=EventBridgeEvent)
def handler(event: EventBridgeEvent, context: object) -> dict[str, Any]:
    job = start_drop(services(), event.detail, parse_rfc3339(event.time))
    if job is None:
        return {"jobId": None}
    logger.info("Import registered", extra={"jobId": job.job_id, "entity": job.entity, "jobStatus": job.status})
    return {"jobId": job.job_id}
