"""The steps of the import state machine: plan; check and settle, for jobs that need to know the whole file first; load
one chunk; finish; and fail, where one of them failed for good.

Final errors are data (`outcome`); only what is worth a retry is raised. The outcome `more` asks for another invocation,
which goes on where this one ran out of time.
"""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.errors import Superseded
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.settle import check_chunk, settle_import
from waybill.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    job_id, step = event["jobId"], event["step"]
    logger.append_keys(jobId=job_id, step=step, chunk=event.get("chunk"))
    try:
        result = _run(step, job_id, event, context)
    except Superseded as reason:
        logger.info("Step superseded", extra={"reason": str(reason)})
        job = services().jobs.find(job_id)
        if job is not None and not job.is_terminal:
            raise  # the chunk went to another attempt: only its ledger may tell the finish what became of it
        return {"jobId": job_id, "outcome": "superseded"}
    except Exception:
        logger.exception("Step failed")
        raise
    logger.info("Step done", extra=result)
    return result


def _run(step: str, job_id: str, event: dict[str, Any], context: Any) -> dict[str, Any]:
    def remaining_seconds() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    if step == "plan":
        return plan_import(services(), job_id, remaining_seconds)
    if step == "check":
        is_done = check_chunk(services(), job_id, event["chunk"], remaining_seconds)
        return {"jobId": job_id, "outcome": "checked" if is_done else "more"}
    if step == "settle":
        is_done = settle_import(services(), job_id, remaining_seconds)
        return {"jobId": job_id, "outcome": "settled" if is_done else "more"}
    if step == "load":
        entry = load_chunk(services(), job_id, event["chunk"], remaining_seconds)
        return {"jobId": job_id, "chunk": entry.chunk, "outcome": "loaded" if entry.is_last else "more"}
    failure = "internal-error" if step == "fail" else None
    job = finish_import(services(), job_id, failure, remaining_seconds)
    if job is None:
        return {"jobId": job_id, "outcome": "gone"}
    return {"jobId": job_id, "outcome": str(job.status) if job.is_terminal else "more"}
