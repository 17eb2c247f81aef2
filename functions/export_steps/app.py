"""The steps of the export state machine: extract (whole, or a part and its assembly), deliver; and fail.

A step whose run has ended, or is gone, answers, whatever it found missing: the state machine repeats a call whose reply
was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from waybill.aws.outages import is_outage
from waybill.bootstrap import Services, services
from waybill.errors import JobFailed, StopRequested, Superseded
from waybill.exports.run import fail_export, fail_run, note_if_over
from waybill.jobs.giving_up import GIVEN_UP, gives_up
from waybill.telemetry import count, logger

# With so much time left the file is delivered by the invocation that made it.
DELIVERY_SECONDS = 300.0


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    job_id, step = event["jobId"], event["step"]
    logger.append_keys(jobId=job_id, step=step)
    try:
        result = _run(services(), step, event, lambda: context.get_remaining_time_in_millis() / 1000)
    except Exception as error:
        if not is_outage(error) and note_if_over(services(), job_id):
            result = {"outcome": "ended"}
        elif isinstance(error, JobFailed):
            fail_run(services(), services().jobs.get(job_id), error.job_code, error.detail)
            result = {"outcome": "ended"}
        elif isinstance(error, Superseded):
            raise  # another attempt is at work
        else:
            logger.exception("Step failed")
            if not gives_up(services(), event, error):
                count({"step": step}, StepRetries=1)
                raise
            if step == "fail":
                fail_export(services(), job_id)
            result = {"outcome": GIVEN_UP}
    logger.info("Step done", extra={"outcome": result["outcome"]})
    return {"jobId": job_id, **result}


def _run(
    services: Services, step: str, event: dict[str, Any], remaining_seconds: Callable[[], float]
) -> dict[str, Any]:
    try:
        return _done(services, step, event, remaining_seconds)
    except StopRequested:
        from waybill.exports.deliver import end_stopped_delivery

        end_stopped_delivery(services, event["jobId"], remaining_seconds)
        return {"outcome": "ended"}


def _done(
    services: Services, step: str, event: dict[str, Any], remaining_seconds: Callable[[], float]
) -> dict[str, Any]:
    """
    Raises:
        StopRequested: somebody has stopped the run.
    """
    job_id = event["jobId"]
    if step == "fail":
        from waybill.exports.deliver import fail_delivery

        fail_delivery(services, job_id, remaining_seconds)
        return {"outcome": "ended"}
    if step != "deliver":
        from waybill.exports.extract import assemble, extract, extract_part

        if step == "extract-part":
            return {"outcome": extract_part(services, job_id, event["part"], remaining_seconds)}
        if step == "assemble":
            assemble(services, job_id, remaining_seconds)
        else:
            result = extract(services, job_id, remaining_seconds)
            if result["outcome"] != "extracted":
                return result
        if remaining_seconds() < DELIVERY_SECONDS:
            return {"outcome": "extracted"}
    from waybill.exports.deliver import deliver

    return deliver(services, job_id, remaining_seconds)
