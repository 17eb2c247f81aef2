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
    """Where the user pool answers; null where that is AWS's own address, and with an outside issuer."""
    metadataUrl: Uri
    """The issuer's metadata (OpenID Connect Discovery 1.0): where to sign in and to get tokens."""
    scope: str
    """What to ask for when a person signs in."""
    resource: str | None
    """What to send as `resource` (RFC 8707) with each request for a token; null for nothing."""
    passwordSignIn: bool
    """Whether the user pool takes a user name and password of this client (InitiateAuth)."""


class Limit(TypedDict):
    limit: Annotated[int, Schema(minimum=0)]
    left: Annotated[int, Schema(minimum=0)]
    """How many more the caller may have now."""


class Limits(TypedDict):
    """What one caller may have; beyond it the answer is 429."""

    unfinishedJobs: Limit
    """Jobs that the caller has started and that have not ended, dry runs included."""
    previewsPerMinute: Limit
    """Previews and connection tests."""


class Retention(TypedDict):
    """How long this deployment keeps what has ended, in seconds."""

    importSeconds: int
    """The entry of an import, from when it was submitted; at least an hour from its end."""
    exportSeconds: int
    """The entry of an export's run, from its end."""
    filesSeconds: int
    """Files of a job, from its end; never longer than its entry."""


class Me(TypedDict):
    name: str
    subject: str
    groups: list[str]
    limits: Limits
    retention: Retention


class Groups(TypedDict):
    names: list[str]
    isComplete: bool
    """Whether nobody is in another group; an outside issuer alone knows its groups."""


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
