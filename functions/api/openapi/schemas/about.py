"""Problems, and what tells of the service and its caller."""

from __future__ import annotations

from openapi.schemas.blocks import Schema, given, listed, of, or_null, uri, word
from waybill.errors import DeliveryFailed, JobFailed, WaybillError


def subclasses(error: type[WaybillError]) -> list[type[WaybillError]]:
    return [kind for child in error.__subclasses__() for kind in (child, *subclasses(child))]


def problem_codes() -> list[type[WaybillError]]:
    """The errors that a caller can be shown as problem documents, by status."""
    own = [kind for kind in subclasses(WaybillError) if "code" in vars(kind)]
    shown = [kind for kind in own if kind not in (JobFailed, DeliveryFailed)]
    return sorted([WaybillError, *shown], key=lambda kind: kind.status)


def schemas() -> dict[str, Schema]:
    return {
        "Problem": given(
            {
                "type": word(
                    [f"urn:waybill:problem:{kind.code}" for kind in problem_codes()],
                    "What went wrong: a stable name, explained on `/v1/docs`.",
                ),
                "title": of("string", "The type in words."),
                "status": of("integer", minimum=400, maximum=599),
                "detail": of("string", "What happened this time, one sentence."),
                "instance": of("string", "Path of the request."),
                "errors": listed(
                    given({"pointer": of("string", examples=["#/schema/fields/0/type"]), "detail": of("string")}),
                    "One for each wrong member: where it stands (a JSON Pointer as a URI fragment), and what is wrong.",
                ),
                "allowedActions": listed(of("string"), "409: what the state allows instead."),
            },
            optional=["errors", "allowedActions"],
        )
        | {
            "description": "A problem document (RFC 9457).",
            "examples": [
                {
                    "type": "urn:waybill:problem:invalid-request",
                    "title": "The request breaks a rule",
                    "status": 422,
                    "detail": "The import breaks a rule.",
                    "instance": "/v1/imports",
                    "errors": [{"pointer": "#/mode", "detail": "must be one of upsert, insert, update, delete"}],
                }
            ],
        },
        "Health": given({"status": of("string", const="ok")}),
        "AuthConfig": given(
            {"issuer": of("string"), "clientId": of("string"), "region": of("string"), "endpoint": or_null(uri())}
        ),
        "Me": given({"name": of("string"), "subject": of("string"), "groups": listed(of("string"))}),
    }
