"""The steps of the export state machine: extract; and fail, where it failed for good."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.errors import Superseded
from waybill.exports.run import end_abandoned, extract, fail_export
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    job_id, step = event["jobId"], event["step"]
    logger.append_keys(jobId=job_id, step=step)
    try:
        job = fail_export(services(), job_id) if step == "fail" else extract(services(), job_id)
    except Superseded:
        job = end_abandoned(services(), job_id)
    except Exception:
        logger.exception("Step failed")
        raise
    outcome = "gone" if job is None else str(job.status)
    logger.info("Step done", extra={"outcome": outcome})
    return {"jobId": job_id, "outcome": outcome}
