"""The HTTP API: one function, one catch-all route, and the routes by resource in `routes/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from problems import problem
from routes import about, entities, exports, imports, jobs, zilliant
from waybill.bootstrap import services
from waybill.errors import MethodNotAllowed, NotFound, WaybillError
from waybill.telemetry import logger
from web import Request, Route, verifier

ROUTES = [*about.ROUTES, *entities.ROUTES, *imports.ROUTES, *jobs.ROUTES, *exports.ROUTES, *zilliant.ROUTES]

app = APIGatewayHttpResolver()


def _serve(route: Route) -> Callable[..., Response[Any]]:
    def serve(**path_parameters: str) -> Response[Any]:
        if path_parameters and _methods(app.current_event.path, exact=True):
            return refuse_route(NotFoundError())  # GET /v1/jobs/delete asks for no job of this name
        request = Request(app.current_event.raw_event, services(), verifier())
        if not route.public:
            _ = request.caller  # raises Unauthorized: no handler runs without a caller
            request.check(route)
        return route.handler(request, **path_parameters)

    return serve


for _route in ROUTES:
    app.route(_route.path, method=_route.method)(_serve(_route))


def refuse(error: WaybillError) -> Response[str]:
    return problem(error, app.current_event.path)


def _methods(path: str, exact: bool = False) -> list[str]:
    """What a path takes; `exact`: when it is a path without parameters."""
    found = {route.method for route in ROUTES if (route.path == path if exact else route.matches(path))}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def refuse_route(error: NotFoundError) -> Response[str]:
    path = app.current_event.path
    allow = _methods(path, exact=True) or _methods(path)
    if allow and app.current_event.http_method not in allow:
        return refuse(MethodNotAllowed(f"This resource takes {', '.join(allow)}.", allow))
    return refuse(NotFound("There is no such resource."))


def fail(error: Exception) -> Response[str]:
    logger.exception("A request failed", path=app.current_event.path)
    return refuse(WaybillError("Something went wrong on our side. Try again later."))


app.exception_handler(WaybillError)(refuse)
app.exception_handler(Exception)(fail)
app.not_found(refuse_route)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0)."""
    called = event["requestContext"]
    if called["http"]["method"] != "HEAD":
        return app.resolve(event, context)
    # As GET, without the content (RFC 9110, section 9.3.2).
    as_get = {**called, "http": {**called["http"], "method": "GET"}}
    return {**app.resolve({**event, "requestContext": as_get}, context), "body": ""}
