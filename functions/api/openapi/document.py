"""Routes, operations and schemas as one OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from auth import NOTHING
from openapi.shapes import components, finished, ref
from problems import CONTENT_TYPE
from routing import Answer, Operation
from waybill.entities.model import NAME_PATTERN
from waybill.errors import DeliveryFailed, JobFailed, WaybillError
from waybill.jobs.idempotency import MAX_KEY
from waybill.wire.about import Problem
from waybill.wire.schema import UUID_PATTERN

Json = dict[str, Any]
VERSION = "1"
PLACEHOLDER_SERVER = "https://api.example.com"

_MEANINGS: dict[str, str] = {
    "malformed-request": "The body is not valid JSON, names a member twice or is nested too deep; an id in the path "
    "is not a UUID; or a query parameter is unknown, given twice or invalid.",
    "unauthorized": "The token is missing, expired, forged or meant for another service. Sign in again.",
    "forbidden": "You may see this, but none of your groups has the right to do it. Ask an administrator.",
    "not-found": "There is nothing at this address, or you may not see it: the response is the same.",
    "method-not-allowed": "The resource exists, but does not support the method. `Allow` lists those that it supports.",
    "conflict": "The current state does not allow it. `allowedActions` lists what it allows; read the resource again.",
    "gone": "The job or its files have expired. Later the response will be 404.",
    "precondition-failed": "Somebody changed the definition after you read it, so that it no longer has the `ETag` of "
    "`If-Match`. Read it again.",
    "too-many-requests": "You have as many unfinished jobs, or made as many previews and connection tests in this "
    "minute, as one caller may (`GET /v1/me` says what is left), or the entity has as many exports or sources as it "
    "may. Send the "
    "request again after `Retry-After` seconds. While all callers together ask too much, the gateway answers 429 "
    "without a problem document.",
    "unavailable": "The identity provider, which is needed to verify your token, or another part of the service "
    "does not respond, or more imports into one entity are being registered at once than it keeps up with. Send the "
    "request again after `Retry-After` seconds.",
    "too-large": "The body is larger than the API accepts. Send files to the form of `POST /v1/uploads`.",
    "invalid-request": "The body is valid JSON, but breaks a rule. `errors` lists each invalid member and the rule; "
    "unknown members are invalid too.",
    "internal-error": "Something went wrong in the service. Try again later; the cause is in its logs.",
}
_HEADERS: dict[str, Json] = {
    "Location": {
        "description": "The address of the resource or file.",
        "schema": dict(type="string", format="uri-reference"),
    },
    "Content-Disposition": {"description": "RFC 6266: the name of the file.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait before the next request.",
        "schema": dict(type="integer", minimum=1),
    },
    "ETag": {
        "description": "Identifies this version of the resource.",
        "schema": dict(type="string", pattern='^"[!#-~]+"$'),
    },
    "Allow": {"description": "The methods that the resource supports.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "RFC 9110, section 11.6.1.", "schema": {"type": "string"}},
}
_REFUSAL_HEADERS = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
_REQUEST_HEADERS: dict[str, Json] = {
    "If-None-Match": {
        "description": "An `ETag` that you already have: while it is current, the response is 304.",
        "schema": {"type": "string"},
    },
    "If-Match": {
        "description": "An `ETag`: if the definition has changed since, the request is refused (412).",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "description": "A key of your choice. The same request with the same key gets the first response again, for a "
        "day. The key with another body is refused with 422; while the first request runs, with 409.",
        "schema": dict(type="string", minLength=1, maxLength=MAX_KEY, pattern="^[!-~]+$"),
    },
}


def _query_parameters(query: type[BaseModel]) -> list[Json]:
    schema = finished(query.model_json_schema())
    return [_query_parameter(name, member) for name, member in schema["properties"].items()]


def _query_parameter(name: str, member: Json) -> Json:
    about = {"description": member.pop("description")} if "description" in member else {}
    listed = {"style": "form", "explode": False} if member.get("type") == "array" else {}
    return {"name": name, "in": "query", **about, "schema": member, **listed}


def _path_parameter(name: str) -> Json:
    schema: Json = {"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$", "examples": ["contacts"]}
    if name.endswith("_id"):
        schema = {"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _problem(description: str, status: int) -> Json:
    return {
        "description": description,
        **_headers(_REFUSAL_HEADERS.get(status, ())),
        "content": {CONTENT_TYPE: {"schema": ref("Problem")}},
    }


def _headers(names: tuple[str, ...]) -> Json:
    if not names:
        return {}
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}


# Schema of what was made → its id, and the parameter of other operations that takes it.
_LINKS = {
    "Job": ("jobId", "job_id"),
    "Export": ("exportId", "export_id"),
    "Upload": ("uploadId", "upload_id"),
    "ZilliantImport": ("importId", "import_id"),
}


def _links(status: int, shape: type | None, operations: Sequence[Operation]) -> Json:
    """Where to go on with what a request has made."""
    name = getattr(shape, "__name__", "")
    if status not in (201, 202) or name not in _LINKS:
        return {}
    member, parameter = _LINKS[name]
    linked = [operation.id for operation in operations if f"<{parameter}>" in operation.path]
    value = {"parameters": {parameter: f"$response.body#/{member}"}}
    return {"links": {name: {"operationId": name, **value} for name in linked}}


def _answer(answer: Answer, names: Mapping[type, str]) -> Json:
    described = {"description": answer.description, **_headers(answer.headers)}
    if answer.shape is not None:
        schema = _PLAIN[answer.shape] if answer.shape in _PLAIN else ref(names[answer.shape])
        if answer.or_else is not None:
            schema = {"anyOf": [schema, ref(names[answer.or_else])]}
        described["content"] = {media_type: {"schema": schema} for media_type in answer.media_types}
    return described


# Bytes have no schema (OpenAPI 3.1, 4.8.14.2).
_PLAIN: dict[type, Json] = {dict: {"type": "object"}, str: {"type": "string"}, bytes: {}}


def _refusals(operation: Operation) -> dict[int, str | None]:
    """Status → what it means here, or None where the shared response says it all."""
    statuses: dict[int, str | None] = {405: None, 500: None}
    if operation.needs is not NOTHING:
        statuses |= {400: None, 401: None, 503: None}
    if "<" in operation.path:
        statuses[404] = None
    if "If-Match" in operation.headers:
        statuses[412] = None
    if operation.needs.forbids:
        statuses[403] = None
    if operation.body is not None or operation.method == "POST":  # also those that take no members
        statuses |= {413: None, 422: None}
    return statuses | dict(operation.refusals)


def _operation(operation: Operation, operations: Sequence[Operation], names: Mapping[type, str]) -> Json:
    parameters = [_path_parameter(name) for name in re.findall("<(.*?)>", operation.path)]
    if operation.query is not None:
        parameters += _query_parameters(operation.query)
    parameters += [{"name": name, "in": "header", **_REQUEST_HEADERS[name]} for name in operation.headers]
    responses = {
        status: _answer(answer, names) | _links(status, answer.shape, operations)
        for status, answer in operation.answers.items()
    }
    for status, description in _refusals(operation).items():
        shared = {"$ref": f"#/components/responses/{status}"}
        responses[status] = shared if description is None else _problem(description, status)
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description}\n\n{operation.needs.who}".strip(),
        "x-needs": operation.needs.word,
    }
    if operation.needs is NOTHING:
        described["security"] = []
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.body.may_be_left_out(),
            "content": {"application/json": {"schema": ref(names[operation.body])}},
        }
    described["responses"] = {str(status): responses[status] for status in sorted(responses)}
    return described


def document(operations: Sequence[Operation]) -> Json:
    """The description of the operations."""
    bodies = {operation.body for operation in operations if operation.body is not None}
    answers = [answer for operation in operations for answer in operation.answers.values()]
    shapes = {shape for answer in answers for shape in (answer.shape, answer.or_else) if shape}
    schemas, names = components(bodies, {*shapes, Problem} - set(_PLAIN))
    schemas["Problem"]["properties"]["type"]["enum"] = [f"urn:waybill:problem:{kind.code}" for kind in problem_codes()]
    paths: dict[str, Json] = {}
    for operation in operations:
        path = operation.path.replace("<", "{").replace(">", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, operations, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Waybill",
            "version": VERSION,
            "summary": "Bulk import and export of records for DynamoDB",
            "description": (
                "JSON uses camelCase, times are RFC 3339 in UTC, durations are seconds, ids are UUIDs. Every refusal "
                "is a problem document (RFC 9457). Unknown members of bodies and unknown query parameters are "
                "refused; a member that is null counts as left out. `GET` routes support `HEAD` too."
            ),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PLACEHOLDER_SERVER}],
        "security": [{"bearer": []}, {"oauth": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": _HEADERS,
            "responses": {str(kind.status): _problem(kind.title, kind.status) for kind in problem_codes()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "`Authorization: Bearer <JWT>`, from the user pool or the configured issuer.",
                },
                "oauth": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": (
                        "Zilliant's form: `Authorization: OAuth <base64 of the token endpoint's whole JSON response>`, "
                        "whose `access_token` is used."
                    ),
                },
            },
        },
        "x-problems": [_explained(kind) for kind in problem_codes()],
    }


def _explained(kind: type[WaybillError]) -> Json:
    return {
        "type": f"urn:waybill:problem:{kind.code}",
        "code": kind.code,
        "title": kind.title,
        "status": kind.status,
        "meaning": _MEANINGS[kind.code],
    }


def subclasses(error: type[WaybillError]) -> list[type[WaybillError]]:
    return [kind for child in error.__subclasses__() for kind in (child, *subclasses(child))]


def problem_codes() -> list[type[WaybillError]]:
    """The errors that a caller can be shown as problem documents, by status."""
    own = [kind for kind in subclasses(WaybillError) if "code" in vars(kind)]
    shown = [kind for kind in own if kind not in (JobFailed, DeliveryFailed)]
    return sorted([WaybillError, *shown], key=lambda kind: kind.status)
