"""Routes, operations and schemas as one OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from openapi.operations import OPERATIONS, WHO, Answer, Needs, Operation
from openapi.schemas import components
from openapi.schemas.about import problem_codes
from openapi.schemas.blocks import Schema, ident, listed, of, ref, word
from problems import CONTENT_TYPE
from routes.imports import MAX_KEY
from waybill.entities.model import NAME_PATTERN, DataType
from waybill.errors import WaybillError
from waybill.exports.definition import ExportStatus, ExportType
from waybill.jobs.model import Process, Status
from web import DEFAULT_LIMIT, MAX_LIMIT, Route

VERSION = "1"
PLACEHOLDER_SERVER = "https://api.example.com"

_MEANINGS: dict[str, str] = {
    "malformed-request": "The body is no JSON, names a member twice or is nested too deep; an id of the path is "
    "no UUID; or a parameter of the query is unknown, stands twice or has a value that it cannot have.",
    "unauthorized": "There is no token, or it is expired, forged, or meant for another service. Sign in again.",
    "forbidden": "You can see this, but your groups lack the right to do it. Ask an administrator.",
    "not-found": "There is nothing here, or it is not for your eyes: the two are answered alike.",
    "method-not-allowed": "The resource is there, but takes other methods: `Allow` lists them.",
    "conflict": "The state forbids it. `allowedActions` says what it allows instead; read the resource, then decide.",
    "gone": "The job or its files have expired; soon they will be not found.",
    "precondition-failed": "The definition is no longer the one of `If-Match`: somebody changed it. Read it again.",
    "unavailable": "The identity provider does not answer, so that nobody can tell who you are; or a part of this "
    "service that the request needs. Try again later.",
    "too-large": "The body has more bytes than the API takes. Files go to the form of `POST /v1/uploads`.",
    "invalid-request": "The body is well-formed, but breaks a rule. `errors` names each wrong member and the rule; "
    "unknown members are wrong too.",
    "internal-error": "Something went wrong on our side. Try again later; the logs have the cause.",
}
_HEADERS: dict[str, Schema] = {
    "Location": {"description": "Where to go on.", "schema": of("string", format="uri-reference")},
    "RetryAfter": {"description": "Seconds to wait before asking again.", "schema": of("integer", minimum=1)},
    "ETag": {
        "description": "Stays the same while the resource does.",
        "schema": of("string", pattern='^"[!#-~]+"$'),
    },
    "Allow": {"description": "The methods that the resource takes.", "schema": of("string")},
    "WWWAuthenticate": {"description": "RFC 9110, section 11.6.1.", "schema": of("string")},
}
_WIRE_NAMES = {"RetryAfter": "Retry-After", "WWWAuthenticate": "WWW-Authenticate"}
_REFUSAL_HEADERS = {401: ("WWWAuthenticate",), 405: ("Allow",)}
_REQUEST_HEADERS: dict[str, Schema] = {
    "If-None-Match": {
        "description": "An `ETag` that is known already: when it still holds, the answer is 304.",
        "schema": of("string"),
    },
    "If-Match": {
        "description": "An `ETag`: the request is refused (412) when the definition is not that one any more.",
        "schema": of("string"),
    },
    "Idempotency-Key": {
        "description": "Of your choice: the same request sent again with it gets the first one's answer. Kept for a "
        "day. Another body with it is 422, the same one while the first is at work 409.",
        "schema": of("string", minLength=1, maxLength=MAX_KEY, pattern="^[!-~]+$"),
    },
}


def _words(kind: type[StrEnum]) -> Schema:
    # Empty is as left out: forms send it so.
    return {
        "description": "One or more, with commas between.",
        "schema": listed(word([*kind, ""])),
        "style": "form",
        "explode": False,
    }


def _query_parameter(name: str, route: Route) -> Schema:
    """A parameter of the query. `status` and `type` mean something else for jobs and for exports."""
    of_jobs = route.path.startswith("/v1/jobs")
    known: dict[str, Schema] = {
        "limit": {
            "description": "Length of a page.",
            "schema": of("integer", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT),
        },
        "nextToken": {"description": "Of the page before.", "schema": of("string")},
        "q": {"description": "Words that a name contains, whatever their case.", "schema": of("string")},
        "process": _words(Process),
        "status": _words(Status if of_jobs else ExportStatus),
        "type": _words(ExportType),
        "dataType": _words(DataType),
        "entity": {"description": "Name of the entity.", "schema": of("string")},
        "database": {"description": "Database of the entity.", "schema": of("string")},
        "as": {"description": "`link`: 200 with the link, for a page in a browser.", "schema": word(["link", ""])},
        "startedBy": {"description": "Name of whoever started it.", "schema": of("string")},
    }
    return {"name": name, "in": "query", **known[name]}


def _path_parameter(name: str) -> Schema:
    schema = (
        ident() if name.endswith("_id") else of("string", pattern=f"^{NAME_PATTERN.pattern}$", examples=["contacts"])
    )
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _problem(description: str, status: int) -> Schema:
    return {
        "description": description,
        **_headers(_REFUSAL_HEADERS.get(status, ())),
        "content": {CONTENT_TYPE: {"schema": ref("Problem")}},
    }


def _headers(names: tuple[str, ...]) -> Schema:
    if not names:
        return {}
    return {"headers": {_WIRE_NAMES.get(name, name): {"$ref": f"#/components/headers/{name}"} for name in names}}


# Schema of what was made → its id, and the parameter of other operations that takes it.
_LINKS = {
    "Job": ("jobId", "job_id"),
    "Export": ("exportId", "export_id"),
    "Upload": ("uploadId", "upload_id"),
    "ZilliantImport": ("importId", "import_id"),
}


def _links(status: int, schema: str | None, routes: list[Route]) -> Schema:
    """Where to go on with what a request has made."""
    if status not in (201, 202) or schema not in _LINKS:
        return {}
    member, parameter = _LINKS[schema]
    linked = [OPERATIONS[route.handler].id for route in routes if f"<{parameter}>" in route.path]
    value = {"parameters": {parameter: f"$response.body#/{member}"}}
    return {"links": {name: {"operationId": name, **value} for name in linked}}


def _answer(answer: Answer) -> Schema:
    described = {"description": answer.description, **_headers(answer.headers)}
    if answer.schema is not None:
        schema = ref(answer.schema) if answer.schema else of("string" if "text" in answer.media_type else "object")
        described["content"] = {answer.media_type: {"schema": schema}}
    return described


def _refusals(route: Route, operation: Operation) -> dict[int, str | None]:
    """Status → what it means here, or None where the shared response says it all."""
    statuses: dict[int, str | None] = {405: None, 500: None}
    if not route.public:
        statuses |= {400: None, 401: None, 503: None}
    if "<" in route.path:
        statuses[404] = None
    if "If-Match" in operation.headers:
        statuses[412] = None
    if operation.forbids:
        statuses[403] = None
    if route.body or route.method == "POST":  # also those that take no members
        statuses |= {413: None, 422: None}
    return statuses | operation.refusals


def _operation(route: Route, operation: Operation, routes: list[Route]) -> Schema:
    if route.body != (operation.request is not None):
        raise ValueError(f"{operation.id}: route and operation differ about the body")
    parameters = [_path_parameter(name) for name in re.findall("<(.*?)>", route.path)]
    parameters += [_query_parameter(name, route) for name in route.query]
    parameters += [{"name": name, "in": "header", **_REQUEST_HEADERS[name]} for name in operation.headers]
    responses = {
        status: _answer(answer) | _links(status, answer.schema, routes) for status, answer in operation.answers.items()
    }
    for status, description in _refusals(route, operation).items():
        shared = {"$ref": f"#/components/responses/{status}"}
        responses[status] = shared if description is None else _problem(description, status)
    described: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description}\n\n{WHO[operation.needs]}".strip(),
        "x-needs": operation.needs.value,
    }
    if route.public:
        described["security"] = []
    if parameters:
        described["parameters"] = parameters
    if operation.request is not None:
        described["requestBody"] = {
            "required": operation.request_required,
            "content": {"application/json": {"schema": ref(operation.request)}},
        }
    described["responses"] = {str(status): responses[status] for status in sorted(responses)}
    return described


def path_of(route: Route) -> str:
    return route.path.replace("<", "{").replace(">", "}")


def document(routes: list[Route]) -> dict[str, Any]:
    """The description of the routes.

    Raises:
        ValueError: routes and operations are not those of each other.
    """
    served = {route.handler for route in routes}
    if served != set(OPERATIONS):
        names = sorted(handler.__qualname__ for handler in served ^ set(OPERATIONS))
        raise ValueError(f"a route without description, or the other way round: {', '.join(names)}")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(path_of(route), {})[route.method.lower()] = _operation(
            route, OPERATIONS[route.handler], routes
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Waybill",
            "version": VERSION,
            "summary": "Bulk import and export of records for DynamoDB",
            "description": (
                "JSON uses camelCase, times are RFC 3339 in UTC, durations are seconds, ids are UUIDs. Every refusal "
                "is a problem document (RFC 9457). Unknown members of bodies and unknown parameters of queries are "
                "refused; a member that is null counts as left out. `GET` routes answer `HEAD` too."
            ),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PLACEHOLDER_SERVER}],
        "security": [{"bearer": []}, {"oauth": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in OPERATIONS.values())],
        "paths": paths,
        "components": {
            "schemas": components(),
            "headers": _HEADERS,
            "responses": {str(kind.status): _problem(kind.title, kind.status) for kind in problem_codes()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "`Authorization: Bearer <JWT>` of the user pool, or of the configured issuer.",
                },
                "oauth": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": (
                        "Zilliant's form: `Authorization: OAuth <base64 of the token endpoint's whole JSON answer>`, "
                        "whose `access_token` is used."
                    ),
                },
            },
        },
        "x-problems": [_explained(kind) for kind in problem_codes()],
    }


def _explained(kind: type[WaybillError]) -> Schema:
    return {
        "type": f"urn:waybill:problem:{kind.code}",
        "code": kind.code,
        "title": kind.title,
        "status": kind.status,
        "meaning": _MEANINGS[kind.code],
    }


__all__ = ["PLACEHOLDER_SERVER", "Needs", "document", "path_of"]
