"""One request of the HTTP API, decoded as far as every route needs it."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from waybill.bootstrap import Services
from waybill.entities.model import NAME_PATTERN, Entity
from waybill.entities.permissions import Caller
from waybill.errors import InvalidRequest, MalformedRequest, PreconditionFailed, TooLarge
from waybill.ids import time_ordered_uuid
from waybill.jobs.machine_clients import is_machine
from waybill.wire.schema import UUID_PATTERN

if TYPE_CHECKING:
    from tokens import TokenVerifier
    from waybill.jobs.audit import Act, Outcome

_UUID = re.compile(UUID_PATTERN)
_LOCAL_HOST = re.compile(r"(127\.0\.0\.1|\[::1\]|([A-Za-z0-9-]+\.)*localhost)(:[0-9]{1,5})?")
MAX_BODY_BYTES = 1024 * 1024  # four times the largest definition, whose client may indent it or escape its letters
MAX_DEPTH = 30  # options of a job are stored as they are, and DynamoDB nests 32 levels


class Request(APIGatewayProxyEventV2):
    """A request in payload format 2.0, with the caller and the services that answer it."""

    def __init__(self, event: dict[str, Any], services: Services, verifier: Callable[[], TokenVerifier]) -> None:
        super().__init__(event)
        self.services = services
        self._verifier = verifier
        self._entities: dict[str, Entity | None] = {}
        #: What it is about, as the checks find it: members of an entry of the audit trail (`waybill.jobs.audit`).
        self.about: dict[str, str | None] = {}
        self.operation_id = ""
        #: Whether an earlier attempt with the same `Idempotency-Key` may have had its effect.
        self.is_repeat = False

    @property
    def path(self) -> str:
        """The path without the stage's prefix."""
        stage = str(self["requestContext"]["stage"])
        return self.raw_path if stage == "$default" else self.raw_path.removeprefix(f"/{stage}")

    @cached_property
    def caller(self) -> Caller:
        """The caller whom the token speaks for. The groups that an outside issuer gives them are noted, for jobs that
        begin after the request (`waybill.jobs.rights`).

        Raises:
            Unauthorized: there is no valid token.
        """
        caller = self._verifier().caller(self.headers.get("authorization"))
        if not self.services.settings.user_pool_id and not is_machine(caller.subject):
            self.services.caller_groups.note(caller)
        return caller

    @cached_property
    def act(self) -> Act:
        """What the caller does, for the audit trail."""
        from waybill.jobs.audit import Act

        address = self["requestContext"]["http"]["sourceIp"]
        return Act(self.operation_id, self.caller.name, self.caller.subject, address)

    def note(self, outcome: Outcome = "done") -> None:
        """Put an entry of what changes nothing into the audit trail: a download, or a refusal."""
        self.services.audit.put(self.act, outcome, **self.about)

    @cached_property
    def made_id(self) -> str:
        """The id of what this request makes: time-ordered, and the same in every attempt with one `Idempotency-Key`."""
        services = self.services
        return time_ordered_uuid(int(services.clock.now().timestamp() * 1000), services.ids)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query by name.

        Raises:
            MalformedRequest: a parameter is repeated.
        """
        pairs = urllib.parse.parse_qsl(self.raw_query_string, keep_blank_values=True)
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise MalformedRequest(f"{name} is given more than once in the query.")
        return {**dict(pairs), **(self.get("queryStringParameters") or {})}

    @cached_property
    def content(self) -> bytes:
        """The body's bytes.

        Raises:
            MalformedRequest: it should be Base64 and is not.
            TooLarge: there are more than `MAX_BODY_BYTES`.
        """
        text = self.get("body") or ""
        try:
            data = base64.b64decode(text) if self.get("isBase64Encoded") else text.encode(errors="replace")
        except ValueError:
            raise MalformedRequest("The body is not valid Base64.") from None
        if len(data) > MAX_BODY_BYTES:
            raise TooLarge(f"The body has {len(data):,} bytes; the limit is {MAX_BODY_BYTES:,}.")
        return data

    def json(self) -> Any:
        """The body's value.

        Raises:
            MalformedRequest: it is not JSON (RFC 8259), is nested too deep, or names a member twice (RFC 7493).
            TooLarge: there are more than `MAX_BODY_BYTES`.
        """
        try:
            value = json.loads(self.content, parse_constant=_refuse_constant, object_pairs_hook=_object)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # neither 1e999 nor a lone surrogate
        except (ValueError, RecursionError):
            raise MalformedRequest("The body is not valid JSON.") from None
        if not _is_shallow(value, MAX_DEPTH):
            raise MalformedRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
        return value

    def if_match(self, etag: str | None, what: str) -> str | None:
        """Hold the request's `If-Match` against a resource (RFC 9110, section 13.1.1; the comparison is strong).

        Args:
            etag: of the resource as it was read, without quotes; None when there is none.
            what: the resource, to begin a sentence with.

        Returns:
            The ETag that it must still have when it is changed; None when the request does not ask for that.

        Raises:
            PreconditionFailed: the resource has another ETag.
        """
        wanted = self.headers.get("if-match")
        if wanted is None:
            return None
        tags = [tag.strip() for tag in wanted.split(",")]
        if etag is None or not ("*" in tags or f'"{etag}"' in tags):
            raise PreconditionFailed(what)
        return None if "*" in tags else etag

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
        """The address that the caller used, without `/v1` and without a slash at the end.

        It stands in links, so that no header decides where they lead: the gateway tells under which of its domains it
        was called, and `X-Forwarded-Host` counts if it is listed. On the embedded AWS, whose gateway tells nothing,
        `Host` counts if it is a name of this machine.
        """
        settings = self.services.settings
        context = self["requestContext"]
        host, stage = context["domainName"], context["stage"]
        scheme, path = "https", "" if stage == "$default" else f"/{stage}"
        if settings.aws_endpoint_url:
            endpoint = urllib.parse.urlsplit(settings.aws_endpoint_url)
            named = self.headers.get("host") or ""
            scheme, host = endpoint.scheme, named if _LOCAL_HOST.fullmatch(named) else endpoint.netloc
            if not host.startswith(f"{context['apiId']}."):  # addressed by path, the way of the embedded AWS
                path = f"/_aws/execute-api/{context['apiId']}{path}"
        forwarded = (self.headers.get("x-forwarded-host") or "").strip()
        if forwarded and forwarded in settings.allowed_forwarded_hosts.split(","):
            scheme, host = "https", forwarded
        return f"{scheme}://{host}{path}"


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def uuid_of(name: str, value: str) -> str:
    """An id of the path in its one spelling.

    Raises:
        MalformedRequest: it is not a UUID.
    """
    if not is_uuid(value):
        raise MalformedRequest(f"The {name.replace('_', ' ')} of the path is not a UUID.")
    return value.lower()


def check_takes_nothing(body: Any) -> None:
    """Refuse members in the body of a request that takes none: an option that does not exist must not pass silently.

    Raises:
        InvalidRequest: the body is no object, or has members.
    """
    from waybill.validation import pointer_token

    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.", [("", "must be an object")])
    unknown = [(f"/{pointer_token(name)}", "unknown member") for name, value in body.items() if value is not None]
    if unknown:
        raise InvalidRequest("This request takes no options.", unknown)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is repeated")
    return members


def _is_shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in parts)
