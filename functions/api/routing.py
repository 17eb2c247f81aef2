"""How a route is declared, and how it is served: one decorator holds all that the code and the description need.

    @router.get("/v1/jobs/<job_id>", "Get a job", needs=JOB, answers=ok("The job.", Job, "ETag"))
    def get_job(request: Request, job: Job) -> Response[str]: ...

A handler is given, by the names of its parameters: `request`; the parameters of the path; what the check of `needs`
found; `query` and `body`, validated. The types of the latter two are models of `models/`, in the module that bears the
name of the router's: it is loaded with the first request that has one, so that a read of a job loads no pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import Response, Router

from auth import NOTHING, Need
from idempotency import answer_once
from request import Request, check_takes_nothing, uuid_of
from waybill.errors import Forbidden, MalformedRequest
from waybill.sizes import MAX_PREVIEWS, MAX_UNFINISHED_JOBS, MAX_UNFINISHED_UPLOADS

if TYPE_CHECKING:
    from models.base import Body
    from models.query import Query

Handler = Callable[..., Response[Any]]


@dataclass(frozen=True)
class Answer:
    """A successful response.

    Attributes:
        shape: the typed dictionary of its JSON; None where it has no content.
        or_else: that of another form of the answer.
        headers: names of headers that it always has, but for `Retry-After` of a job that has ended.
        media_types: of its content, one of them.
    """

    description: str
    shape: type | None = None
    headers: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    or_else: type | None = None


def ok(description: str, shape: type, *headers: str) -> dict[int, Answer]:
    return {200: Answer(description, shape, headers)}


def accepted(description: str, shape: type) -> dict[int, Answer]:
    """Work that has begun: where to ask, and when."""
    return {202: Answer(description, shape, ("Location", "Retry-After"))}


IDEMPOTENCY_KEY = "Idempotency-Key"
TOO_MANY_PREVIEWS = f"The caller has made {MAX_PREVIEWS} previews and connection tests in this minute."
TOO_MANY_JOBS = f"The caller has {MAX_UNFINISHED_JOBS} jobs that have not ended."
TOO_MANY_UPLOADS = f"The caller has {MAX_UNFINISHED_UPLOADS} unfinished uploads in parts."
DELETED = {204: Answer("It is deleted.")}


@dataclass(frozen=True, eq=False)
class Operation:
    """A route: what it needs, takes and answers.

    Attributes:
        refusals: statuses beyond those that every route of the kind has, and what they mean here.
        headers: headers of the request that it reads. A route with `IDEMPOTENCY_KEY` is answered once for each key.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    id: str
    summary: str
    needs: Need
    answers: Mapping[int, Answer]
    refusals: Mapping[int, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    description: str = ""

    @cached_property
    def body(self) -> type[Body] | None:
        """The model of the body; None where the route takes none."""
        model: type[Body] | None = self._model("body")
        return model

    @cached_property
    def query(self) -> type[Query] | None:
        """The model of the query; None where the route takes none."""
        model: type[Query] | None = self._model("query")
        return model

    def _model(self, parameter: str) -> Any:
        name = self.handler.__annotations__.get(parameter)
        if name is None:
            return None
        models = import_module(self.handler.__module__.replace("routers.", "models."))
        return getattr(models, name)

    @cached_property
    def _wanted(self) -> tuple[str, ...]:
        code = self.handler.__code__
        return tuple(code.co_varnames[: code.co_argcount])

    def answer(self, app: Any, next_middleware: Callable[..., Any]) -> Any:
        """Answer a request that has passed its checks, or repeat the answer that was kept for it.

        Raises:
            WaybillError: the request is refused: 401, then 400, then 404 or 403, then 422.
        """
        request: Request = app.current_event
        request.operation_id = self.id
        try:
            return self._answered(app, request, next_middleware)
        except Forbidden:
            request.note("refused")
            raise

    def _answered(self, app: Any, request: Request, next_middleware: Callable[..., Any]) -> Any:
        values, given = self._checked(request, app.context["_route_args"])

        def work() -> Any:
            app.context["_route_args"] = self._arguments(request, values, given)
            return next_middleware(app)

        key = request.headers.get(IDEMPOTENCY_KEY.lower()) if IDEMPOTENCY_KEY in self.headers else None
        return work() if key is None else answer_once(request, key, given, work)

    def _checked(self, request: Request, path: dict[str, str]) -> tuple[dict[str, Any], Any]:
        """The resources that the request is about, by name, and its body as it was sent."""
        if self.needs is not NOTHING:
            _ = request.caller  # raises Unauthorized
        values: dict[str, Any] = {"query": self._checked_query(request)}
        path = {name: uuid_of(name, value) if name.endswith("_id") else value for name, value in path.items()}
        given = self._given(request)
        found = self.needs.check(request, path, given) if self.needs.check else {}
        return values | {"request": request, **path, **found}, given

    def _arguments(self, request: Request, values: dict[str, Any], given: Any) -> dict[str, Any]:
        """The handler's arguments, the body validated."""
        if self.body is not None:
            values["body"] = self.body.read(given, values)
        elif self.method == "POST" and request.content:
            check_takes_nothing(given)
        return {name: values[name] for name in self._wanted}

    def _checked_query(self, request: Request) -> Query | None:
        if self.query is not None:
            return self.query.read(request.query)
        if self.needs is not NOTHING and request.query:
            raise MalformedRequest("There is an unknown parameter in the query; this resource takes none.")
        return None

    def _given(self, request: Request) -> Any:
        """The body as it was sent; None where the route takes none."""
        if self.method not in ("POST", "PUT"):
            return None
        if not request.content and (self.body is None or self.body.may_be_left_out()):
            return None if self.body is None else {}
        return request.json()


def serve(app: Any, next_middleware: Callable[..., Any]) -> Any:
    """The middleware of every route: nothing is answered before the request has passed its checks."""
    return OPERATIONS[app.context["_route"].func].answer(app, next_middleware)


OPERATIONS: dict[Handler, Operation] = {}


class ApiRouter:
    """The routes of one resource, on a router of Powertools.

    Args:
        tag: the heading of its operations in the description.
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.router = Router()  # type: ignore[no-untyped-call]

    def get(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self.route("GET", path, summary, **more)

    def post(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self.route("POST", path, summary, **more)

    def put(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self.route("PUT", path, summary, **more)

    def delete(self, path: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
        return self.route("DELETE", path, summary, **more)

    def route(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        needs: Need,
        answers: Mapping[int, Answer],
        operation_id: str = "",
        **more: Any,
    ) -> Callable[[Handler], Handler]:
        """Register the decorated function.

        Args:
            path: with `<name>` for the parameters.
            operation_id: the function's name in camel case when left out.
            more: `refusals`, `headers` and `description` of `Operation`.
        """

        def register(handler: Handler) -> Handler:
            id_ = operation_id or re.sub("_([a-z])", lambda found: found[1].upper(), handler.__name__)
            OPERATIONS[handler] = Operation(method, path, handler, self.tag, id_, summary, needs, answers, **more)
            self.router.route(path, method, middlewares=[serve])(handler)
            return handler

        return register
