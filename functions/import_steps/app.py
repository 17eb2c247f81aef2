"""The steps of the import state machine: plan; precheck and deduplicate, for jobs that must know the whole file before
they write; load; finish; and fail, where one of them failed for good. A file of one chunk needs no invocation but that
of its plan (`waybill.imports.at_once`).

Final errors are data (`outcome`); only what is worth a retry is raised. The outcome `more` asks for another invocation,
which continues where this one ran out of time; `given-up` asks for the step fail (`waybill.jobs.giving_up`), and where
that gives up, the job has ended without it.

A step whose job has ended, or is gone, answers, whatever it found missing: the state machine repeats a call whose reply
was lost.
"""

from __future__ import annotations

from typing import Any

from waybill.aws.outages import is_outage
from waybill.bootstrap import services
from waybill.errors import FileUnreadable, Superseded
from waybill.imports.abandon import abandon_import
from waybill.imports.at_once import import_at_once
from waybill.imports.deadline import Remaining
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.giving_up import GIVEN_UP, INTERNAL_ERROR, SOURCE_ERROR, TIMED_OUT, gives_up
from waybill.telemetry import count, logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    job_id, step = event["jobId"], event["step"]
    logger.append_keys(jobId=job_id, step=step, chunk=event.get("chunk"))

    def remaining_seconds() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    try:
        result = STEPS[step](event, remaining_seconds)
    except Exception as error:
        if not is_outage(error) and services().jobs.is_over(job_id):
            logger.info("Step superseded", extra={"reason": str(error)})
            return {"jobId": job_id, "outcome": "superseded"}
        if isinstance(error, Superseded):
            raise  # another attempt has the chunk: only its ledger item may tell the finish about it
        logger.exception("Step failed")
        if not gives_up(
            services(), event, error, SOURCE_ERROR if isinstance(error, FileUnreadable) else INTERNAL_ERROR
        ):
            count({"step": step}, StepRetries=1)
            raise
        if step == "fail":
            abandon_import(services(), job_id, remaining_seconds=remaining_seconds)
        result = {"jobId": job_id, "outcome": GIVEN_UP}
    logger.info("Step done", extra=result)
    return result


def _plan(event: dict[str, Any], remaining_seconds: Remaining) -> dict[str, Any]:
    planned = plan_import(services(), event["jobId"], remaining_seconds)
    return import_at_once(STEPS, event, planned, remaining_seconds)


def _precheck(event: dict[str, Any], remaining_seconds: Remaining) -> dict[str, Any]:
    is_done = precheck_chunk(services(), event["jobId"], event["chunk"], remaining_seconds)
    return {"jobId": event["jobId"], "outcome": "prechecked" if is_done else "more"}


def _deduplicate(event: dict[str, Any], remaining_seconds: Remaining) -> dict[str, Any]:
    is_done = deduplicate_import(services(), event["jobId"], remaining_seconds)
    return {"jobId": event["jobId"], "outcome": "deduplicated" if is_done else "more"}


def _load(event: dict[str, Any], remaining_seconds: Remaining) -> dict[str, Any]:
    entry = load_chunk(services(), event["jobId"], event["chunk"], remaining_seconds)
    return {"jobId": event["jobId"], "chunk": entry.chunk, "outcome": "loaded" if entry.is_last else "more"}


def _finish(event: dict[str, Any], remaining_seconds: Remaining) -> dict[str, Any]:
    failure = TIMED_OUT if event["step"] == "fail" else None
    job = finish_import(services(), event["jobId"], failure, remaining_seconds)
    if job is None:
        return {"jobId": event["jobId"], "outcome": "gone"}
    return {"jobId": event["jobId"], "outcome": str(job.status) if job.is_terminal else "more"}


STEPS = {
    "plan": _plan,
    "precheck": _precheck,
    "deduplicate": _deduplicate,
    "load": _load,
    "finish": _finish,
    "fail": _finish,
}
