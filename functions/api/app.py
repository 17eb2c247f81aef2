"""The HTTP API: one function, one catch-all route, and the routes by resource in `routes/`.

A plain router: Powertools' alone takes longer to load than a whole read of a job here (docs/decisions/).
A resource's module is loaded with the first request for it, so that a job's status needs neither schemas nor exports.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from problems import problem
from waybill.bootstrap import services
from waybill.errors import MethodNotAllowed, NotFound, WaybillError
from web import Request, Response, Route, verifier

# The first word of a path after /v1 → the module in routes/ that answers.
MODULES = {
    "entities": "entities",
    "uploads": "imports",
    "imports": "imports",
    "jobs": "jobs",
    "exports": "exports",
    "EntityImport": "zilliant",
}
OTHERWISE = "about"


@cache
def routes_of(module: str) -> tuple[Route, ...]:
    return tuple(import_module(f"routes.{module}").ROUTES)


def __getattr__(name: str) -> Any:
    """`ROUTES`: all of them, for whoever describes the API."""
    if name != "ROUTES":
        raise AttributeError(name)
    return [route for module in dict.fromkeys((OTHERWISE, *MODULES.values())) for route in routes_of(module)]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0)."""
    stage, path = event["requestContext"]["stage"], event["rawPath"]
    if stage != "$default":
        path = path.removeprefix(f"/{stage}")
    method = event["requestContext"]["http"]["method"]
    if method == "HEAD":  # as GET, without the content (RFC 9110, section 9.3.2)
        return {**_served(event, "GET", path), "body": ""}
    return _served(event, method, path)


def _served(event: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    try:
        return _answer(event, method, path).to_event()
    except WaybillError as error:
        return problem(error, path).to_event()
    except Exception:
        from waybill.telemetry import logger

        logger.exception("A request failed", path=path)
        return problem(WaybillError("Something went wrong on our side. Try again later."), path).to_event()


def _answer(event: dict[str, Any], method: str, path: str) -> Response[Any]:
    words = path.split("/")
    module = MODULES.get(words[2], OTHERWISE) if len(words) > 2 else OTHERWISE
    found = [(route, parameters) for route in routes_of(module) if (parameters := route.match(words)) is not None]
    # GET /v1/jobs/delete asks for no job of this name.
    found = [(route, parameters) for route, parameters in found if not parameters] or found
    for route, parameters in found:
        if route.method == method:
            request = Request(event, services(), verifier)
            if not route.public:
                _ = request.caller  # raises Unauthorized: no handler runs without a caller
                request.check(route)
            return route.handler(request, **parameters)
    if not found:
        raise NotFound("There is no such resource.")
    methods = {route.method for route, _ in found}
    allow = sorted(methods | {"HEAD"} if "GET" in methods else methods)
    raise MethodNotAllowed(f"This resource takes {', '.join(allow)}.", allow)
