"""The HTTP API: the routes by resource in `routers/`, and every refusal as a problem document.

A resource's router is loaded with the first request for it, so that a job's status needs neither schemas nor exports.
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Response

from auth import verifier
from problems import problem
from request import Request
from resolver import Api
from waybill.bootstrap import services
from waybill.errors import Unavailable, WaybillError

JOBS = "/v1/jobs/"

app = Api(lambda event: Request(event, services(), verifier))
operations = app.operations


def refuse(error: WaybillError) -> Response[str]:
    from waybill.telemetry import count

    count({"httpStatus": str(error.status)}, Refusals=1)
    return problem(error, app.current_event.path)


def fail(error: Exception) -> Response[str]:
    from waybill.aws.outages import is_outage
    from waybill.telemetry import logger

    request_id = app.current_event.request_context.request_id
    logger.error("A request failed", path=app.current_event.path, requestId=request_id, exc_info=error)
    if is_outage(error):
        return refuse(Unavailable("A service that Waybill needs does not respond. Send the request again in a minute."))
    return refuse(WaybillError("Something went wrong on our side. Try again later."))


# Only Lambda has this module. What is loaded before the snapshot is taken, no start has to load.
with suppress(ImportError):
    from snapshot_restore_py import register_before_snapshot

    register_before_snapshot(operations)

app.exception_handler(WaybillError)(refuse)
app.exception_handler(Exception)(fail)


def _log_job(request: dict[str, Any], answer: dict[str, Any]) -> None:
    """Log which job a request has started: the one line that leads from the id of a request to that of its job."""
    location = answer.get("headers", {}).get("Location", "")
    if answer["statusCode"] == HTTPStatus.ACCEPTED and location.startswith(JOBS):
        from waybill.telemetry import logger

        logger.info("Job accepted", requestId=request.get("requestId"), jobId=location.removeprefix(JOBS))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0)."""
    http = event["requestContext"]["http"]
    if http["method"] != "HEAD":
        answer: dict[str, Any] = app.resolve(event, context)
        _log_job(event["requestContext"], answer)
        return answer
    # As GET, without the content (RFC 9110, section 9.3.2).
    as_get = {**event, "requestContext": {**event["requestContext"], "http": {**http, "method": "GET"}}}
    return {**app.resolve(as_get, context), "body": ""}
