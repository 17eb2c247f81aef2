"""One request, decoded as far as every route needs it, and the few kinds of answers."""

from __future__ import annotations

import base64
import binascii
import json
import re
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from waybill.bootstrap import Services, services
from waybill.entities.model import NAME_PATTERN, Entity
from waybill.entities.permissions import Caller
from waybill.errors import InvalidRequest, MalformedRequest, PreconditionFailed, TooLarge
from waybill.validation import pointer_token

if TYPE_CHECKING:
    from tokens import TokenVerifier

MAX_BODY_BYTES = 256 * 1024  # a definition has to fit into one DynamoDB item (400 KB)
MAX_DEPTH = 30  # options of a job are stored as they are, and DynamoDB nests 32 levels
DEFAULT_LIMIT, MAX_LIMIT = 20, 100
PAGING = ("limit", "nextToken")
ID_PATTERN = re.compile("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")  # RFC 9562, section 4

_Word = TypeVar("_Word", bound=StrEnum)
_Body = TypeVar("_Body", bound=str | bytes)


class Response(Generic[_Body]):
    """An answer; its constructor is that of Powertools' response."""

    def __init__(
        self,
        status_code: int,
        content_type: str | None = None,
        body: _Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = status_code
        self.body = body
        self.headers = {**({} if content_type is None else {"Content-Type": content_type}), **(headers or {})}

    def to_event(self) -> dict[str, Any]:
        """As an HTTP API takes it from a function (payload format 2.0)."""
        is_base64 = isinstance(self.body, bytes)
        body = base64.b64encode(self.body).decode() if isinstance(self.body, bytes) else self.body or ""
        return {"statusCode": self.status_code, "headers": self.headers, "body": body, "isBase64Encoded": is_base64}


class Request:
    """A request of the HTTP API (payload format 2.0)."""

    def __init__(self, event: Mapping[str, Any], services: Services, verifier: Callable[[], TokenVerifier]) -> None:
        self._event = event
        self._verifier = verifier
        self._entities: dict[str, Entity | None] = {}
        self.services = services
        self.headers: dict[str, str] = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        self.query: dict[str, str] = event.get("queryStringParameters") or {}

    @cached_property
    def caller(self) -> Caller:
        """Whom the token speaks for.

        Raises:
            Unauthorized
        """
        return self._verifier().caller(self.headers.get("authorization"))

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

    def if_match(self, etag: str | None, what: str) -> str | None:
        """Hold the request's `If-Match` against a resource (RFC 9110, section 13.1.1; the comparison is strong).

        Args:
            etag: of the resource as it was read, without quotes; None when there is none.
            what: the resource, to begin a sentence with.

        Returns:
            The ETag that it must still have when it is changed; None when the request does not ask for that.

        Raises:
            PreconditionFailed
        """
        wanted = self.headers.get("if-match")
        if wanted is None:
            return None
        tags = [tag.strip() for tag in wanted.split(",")]
        if etag is None or not ("*" in tags or f'"{etag}"' in tags):
            raise PreconditionFailed(what)
        return None if "*" in tags else etag

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
            self._entities[name] = self.services.entities.find(name) if NAME_PATTERN.fullmatch(name) else None
        return self._entities[name]

    def read_entities(self, names: Iterable[str]) -> None:
        """Read the entities of a page at once, for `find_entity`."""
        new = {name for name in names if name not in self._entities and NAME_PATTERN.fullmatch(name)}
        if new:
            found = self.services.entities.find_many(new)
            self._entities |= {name: found.get(name) for name in new}

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

    @cached_property
    def _words(self) -> list[str]:
        return self.path.split("/")

    def match(self, words: Sequence[str]) -> dict[str, str] | None:
        """The path's parameters by name; None when the path, split at its slashes, is not of this route."""
        if len(words) != len(self._words):
            return None
        parameters = {}
        for expected, word in zip(self._words, words, strict=True):
            if expected.startswith("<") and word:
                parameters[expected[1:-1]] = word
            elif word != expected:
                return None
        return parameters


@cache
def verifier() -> TokenVerifier:
    """The token verifier of this process, with its cache of keys."""
    from tokens import TokenVerifier

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
