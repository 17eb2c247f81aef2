"""Powertools' resolver, with routers that are loaded when they are asked for, and 405 for methods that a path lacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Route

from request import Request
from routing import OPERATIONS, Operation
from waybill.errors import MethodNotAllowed, NotFound, WaybillError

# The first word of a path after /v1 → the module in routers/ that answers.
ROUTERS = {
    "entities": "entities",
    "uploads": "imports",
    "imports": "imports",
    "jobs": "jobs",
    "exports": "exports",
    "sources": "sources",
    "audit": "audit",
    "webhooks": "webhooks",
    "EntityImport": "zilliant",
}
OTHERWISE = "about"


class Api(APIGatewayHttpResolver):
    """
    Args:
        request_of: makes a request of an event.
    """

    current_event: Request

    def __init__(self, request_of: Callable[[dict[str, Any]], Request]) -> None:
        super().__init__(serializer=str)
        self._request_of = request_of
        self._load = cache(self._include)

    def _include(self, router: str) -> None:
        self.include_router(import_module(f"routers.{router}").router.router)

    def _to_proxy_event(self, event: dict[str, Any]) -> Request:
        return self._request_of(event)

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = "") -> re.Pattern[str]:
        """A path parameter matches everything between two slashes; the route validates it."""
        return re.compile(re.sub("<(.+?)>", r"(?P<\1>[^/]+)", rule) + r"\Z")

    def _resolve(self) -> Any:
        path = self.current_event.path
        words = path.split("/")
        self._load(ROUTERS.get(words[2], OTHERWISE) if len(words) > 2 else OTHERWISE)
        # GET /v1/jobs/delete asks for no job of this name: a path without parameters comes first.
        for routes in (self._static_routes, self._dynamic_routes):
            found = [(route, match) for route in routes if (match := route.rule.match(path))]
            for route, match in found:
                if route.method == self.current_event.http_method:
                    self.context |= {"_route": route, "_path": path}
                    return self._call_route(route, match.groupdict())
            if found:
                return self._refuse(_other_method({route.method for route, _ in found}))
        return self._refuse(NotFound("There is no such resource."))

    def operations(self) -> list[Operation]:
        """All operations with their models, for whoever describes or tests the API."""
        for router in dict.fromkeys((OTHERWISE, *ROUTERS.values())):
            self._load(router)
        for operation in OPERATIONS.values():
            for model in (operation.body, operation.query):
                if model is not None:
                    model.model_rebuild()  # as its first request would
        return list(OPERATIONS.values())

    def _refuse(self, error: WaybillError) -> Any:
        def refuse() -> NoReturn:
            raise error

        request = self.current_event
        route = Route(request.http_method, request.path, re.compile(""), refuse, cors=False, compress=False)
        self.context |= {"_route": route, "_path": request.path}
        return self._call_route(route, {})


def _other_method(methods: set[str]) -> MethodNotAllowed:
    allow = sorted(methods | {"HEAD"} if "GET" in methods else methods)
    return MethodNotAllowed(f"This resource takes {', '.join(allow)}.", allow)
