"""The service itself, and who is asking."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from waybill.wire.schema import Schema, Uri


class Health(TypedDict):
    status: Annotated[str, Schema(const="ok")]


class AuthConfig(TypedDict):
    """What a client needs to sign in when it knows only the address of the API."""

    issuer: str
    clientId: str
    region: str
    endpoint: Uri | None
    """Where the user pool answers; null where that is AWS's own address."""


class Me(TypedDict):
    name: str
    subject: str
    groups: list[str]


class WrongMember(TypedDict):
    pointer: Annotated[str, Schema(examples=["#/schema/fields/0/type"])]
    """Where it stands: a JSON Pointer as a URI fragment."""
    detail: str
    """What is wrong."""


class Problem(TypedDict):
    """A problem document (RFC 9457)."""

    type: str
    """What went wrong: a stable name, explained on `/v1/docs`."""
    title: str
    """The type in words."""
    status: Annotated[int, Schema(minimum=400, maximum=599)]
    detail: str
    """What happened this time, one sentence."""
    instance: str
    """Path of the request."""
    errors: NotRequired[list[WrongMember]]
    """One for each wrong member."""
    allowedActions: NotRequired[list[str]]
    """409: what the state allows instead."""
