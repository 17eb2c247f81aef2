"""One request, decoded as far as every route needs it, and the few kinds of answers."""

from __future__ import annotations

import base64
import binascii
import json
import re
import urllib.parse
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, NoReturn, TypeVar

from aws_lambda_powertools.event_handler import Response

from tokens import TokenVerifier
from waybill.bootstrap import Services, services
from waybill.entities.model import Entity, pointer_token
from waybill.entities.permissions import Caller
from waybill.errors import InvalidRequest, MalformedRequest, TooLarge

MAX_BODY_BYTES = 256 * 1024  # a definition has to fit into one DynamoDB item (400 KB)
MAX_DEPTH = 30  # options of a job are stored as they are, and DynamoDB nests 32 levels
DEFAULT_LIMIT, MAX_LIMIT = 20, 100
PAGING = ("limit", "nextToken")
ID_PATTERN = re.compile("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")  # RFC 9562, section 4

_Word = TypeVar("_Word", bound=StrEnum)


class Request:
    """A request of the HTTP API (payload format 2.0)."""

    def __init__(self, event: Mapping[str, Any], services: Services, verifier: TokenVerifier) -> None:
        self._event = event
        self._verifier = verifier
        self._entities: dict[str, Entity | None] = {}
        self.services = services
        self.headers: dict[str, str] = {name.lower(): value for name, value in event.get("headers", {}).items()}
        self.query: dict[str, str] = event.get("queryStringParameters") or {}

    @cached_property
    def caller(self) -> Caller:
        """Whom the token speaks for.

        Raises:
            Unauthorized
        """
        return self._verifier.caller(self.headers.get("authorization"))

    @cached_property
    def body(self) -> bytes:
        """
        Raises:
            TooLarge
        """
        text = self._event.get("body") or ""
        data = base64.b64decode(text) if self._event.get("isBase64Encoded") else text.encode(errors="replace")
        if len(data) > MAX_BODY_BYTES:
            raise TooLarge(f"A body may have {MAX_BODY_BYTES:,} bytes.")
        return data

    def json(self) -> Any:
        """The body.

        Raises:
            MalformedRequest: it is not JSON (RFC 8259), is nested too deep, or names a member twice (RFC 7493).
            TooLarge
        """
        try:
            value = json.loads(self.body, parse_constant=_refuse_constant, object_pairs_hook=_object)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # neither 1e999 nor a lone surrogate
        except (ValueError, RecursionError):
            raise MalformedRequest("The body is not valid JSON.") from None
        if not _is_shallow(value, MAX_DEPTH):
            raise MalformedRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
        return value

    def json_object(self) -> dict[str, Any]:
        """The body's members that are not null.

        Raises:
            MalformedRequest, InvalidRequest, TooLarge
        """
        value = self.json()
        if not isinstance(value, dict):
            raise InvalidRequest("The body must be a JSON object.", [("", "must be an object")])
        return {member: member_value for member, member_value in value.items() if member_value is not None}

    def check(self, route: Route) -> None:
        """Refuse what the route would not read: a misspelt filter or option must not pass silently.

        Raises:
            MalformedRequest: an unknown parameter in the query, or one that stands there twice.
            InvalidRequest: members in the body of a request that takes none.
        """
        names = [name for name, _ in urllib.parse.parse_qsl(self._event.get("rawQueryString", ""), True)]
        for name in {*self.query, *names}:
            if name not in route.query:
                takes = f"only {', '.join(route.query)}" if route.query else "none"
                raise MalformedRequest(f"There is an unknown parameter in the query; this resource takes {takes}.")
            if names.count(name) > 1:
                raise MalformedRequest(f"{name} stands more than once in the query.")
        if route.method == "POST" and not route.body and self.body:
            unknown = [(f"/{pointer_token(member)}", "unknown member") for member in self.json_object()]
            if unknown:
                raise InvalidRequest("This request takes no options.", unknown)

    @property
    def limit(self) -> int:
        """The query's `limit`, else the default."""
        text = self.query.get("limit", str(DEFAULT_LIMIT))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT):
            raise MalformedRequest(f"limit must be a whole number from 1 to {MAX_LIMIT}.")
        return int(text)

    @property
    def next_token(self) -> str | None:
        return self.query.get("nextToken") or None

    def words(self, name: str, kind: type[_Word]) -> frozenset[_Word]:
        """A filter of one or more words with commas between; all of them when the query has none.

        Raises:
            MalformedRequest: a word is unknown.
        """
        if not self.query.get(name):
            return frozenset(kind)
        try:
            return frozenset(kind(word.strip()) for word in self.query[name].split(","))
        except ValueError:
            raise MalformedRequest(f"{name} must be of {', '.join(kind)}.") from None

    def find_entity(self, name: str) -> Entity | None:
        """The entity as it is now; read once per request."""
        if name not in self._entities:
            self._entities[name] = self.services.entities.find(name) if name else None
        return self._entities[name]

    @cached_property
    def base_url(self) -> str:
        """The address that the caller used, without `/v1` and without a slash at the end."""
        settings = self.services.settings
        context = self._event["requestContext"]
        host, stage = self.headers.get("host", context["domainName"]), context["stage"]
        scheme, path = "https", "" if stage == "$default" else f"/{stage}"
        if settings.aws_endpoint_url:
            scheme = urllib.parse.urlsplit(settings.aws_endpoint_url).scheme
            if not host.startswith(f"{context['apiId']}."):  # addressed by path, the way of the embedded AWS
                path = f"/_aws/execute-api/{context['apiId']}{path}"
        forwarded = self.headers.get("x-forwarded-host", "").strip()
        if forwarded and forwarded in settings.allowed_forwarded_hosts.split(","):
            scheme, host = "https", forwarded
        return f"{scheme}://{host}{path}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member stands twice")
    return members


def _is_shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in parts)


@dataclass(frozen=True)
class Route:
    """A method and a path, with `<name>` for the parts that the handler is given by name."""

    method: str
    path: str
    handler: Callable[..., Response[Any]]
    public: bool = False  # answers without a token
    query: tuple[str, ...] = ()  # the parameters that it reads
    body: bool = False  # takes JSON

    def matches(self, path: str) -> bool:
        pattern, parts = self.path.split("/"), path.split("/")
        return len(pattern) == len(parts) and all(
            bool(part) if expected.startswith("<") else part == expected
            for expected, part in zip(pattern, parts, strict=True)
        )


@cache
def verifier() -> TokenVerifier:
    """The token verifier of this process, with its cache of keys."""
    return TokenVerifier.from_settings(services().settings)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(status, "application/json", json.dumps(body, separators=(",", ":")), headers)


def no_content() -> Response[str]:
    return Response(204, body="")


def see_other(url: str) -> Response[str]:
    return Response(303, body="", headers={"Location": url, "Cache-Control": "no-store"})


def list_response(items: list[dict[str, Any]], next_token: str | None, **more: Any) -> Response[str]:
    return json_response({"items": items, "nextToken": next_token, **more})


def uuid_of(text: str, what: str) -> str:
    """An id of a path in its one spelling.

    Raises:
        MalformedRequest: it is no UUID.
    """
    if not ID_PATTERN.fullmatch(text):
        raise MalformedRequest(f"The {what} of the path is not a UUID.")
    return text.lower()


def encode_cursor(position: str) -> str:
    """A place in a list as an opaque `nextToken`."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(token: str | None) -> str | None:
    """
    Raises:
        MalformedRequest: it is no `nextToken` of ours.
    """
    if token is None:
        return None
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad_token() from None


def bad_token() -> MalformedRequest:
    return MalformedRequest("nextToken is none that this list gave.")


def matches(search: str, texts: Collection[str | None]) -> bool:
    """Whether any text contains the search words, whatever their case."""
    return any(search.casefold() in text.casefold() for text in texts if text)
