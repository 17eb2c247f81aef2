"""The steps of the source state machine: fetch, and fail. An execution bears the id of its run (`jobId`)."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.jobs.giving_up import GIVEN_UP, UNEXPLAINED_RETRIES, passes
from waybill.sources.fetch import fetch
from waybill.sources.run import end_failed
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    run_id, step = event["jobId"], event["step"]
    logger.append_keys(runId=run_id, step=step)
    try:
        if step == "fail":
            end_failed(services(), run_id)
            outcome = "done"
        else:
            outcome = fetch(services(), run_id, lambda: context.get_remaining_time_in_millis() / 1000)
    except Exception as error:
        logger.exception("Step failed")
        if passes(error) or event.get("attempt", 0) < UNEXPLAINED_RETRIES:
            raise
        outcome = GIVEN_UP
    logger.info("Step done", extra={"outcome": outcome})
    return {"jobId": run_id, "outcome": outcome}
