"""The few kinds of answers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools.event_handler.api_gateway import Response

from waybill.errors import MalformedRequest
from waybill.sizes import PageBytes, json_text
from waybill.wire.schema import UUID_PATTERN

if TYPE_CHECKING:
    from request import Request

RETRY_AFTER_SECONDS = "2"
UUID = re.compile(UUID_PATTERN)
"""The form of positions in lists by id."""

_Item = TypeVar("_Item")


def json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[str]:
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(status, "application/json", json_text(body), headers)


def list_response(items: Sequence[Mapping[str, Any]], next_token: str | None, **more: Any) -> Response[str]:
    return json_response({"items": items, "nextToken": next_token, **more})


def what_fits(items: Iterable[tuple[_Item, str]], next_token: str | None) -> tuple[list[_Item], str | None]:
    """The first items of a page, as many as fit into an answer, and the token of the page after them.

    Args:
        items: each with the position after it in the list.
        next_token: of the page after all items.
    """
    page, taken, position = PageBytes(), list[_Item](), ""
    for item, after in items:
        if not page.takes(item):
            return taken, encode_cursor(position)
        taken.append(item)
        position = after
    return taken, next_token


def no_content() -> Response[str]:
    return Response(204, body="")


def see_other(url: str) -> Response[str]:
    return Response(303, body="", headers={"Location": url, "Cache-Control": "no-store"})


def if_changed(request: Request, resource: Mapping[str, Any], retry_after: str | None = None) -> Response[str]:
    """The resource with its ETag, or 304 when the caller has it already."""
    body = json_text(resource)
    etag = f'"{content_digest(body)}"'
    headers = revalidated(etag)
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    # RFC 9110, section 13.1.2: the comparison is weak.
    known = [tag.strip().removeprefix("W/") for tag in (request.headers.get("if-none-match") or "").split(",")]
    if etag in known or "*" in known:
        return Response(304, body="", headers=headers)
    return Response(200, "application/json", body, headers)


def not_modified(etag: str) -> Response[str]:
    return Response(304, body="", headers=revalidated(etag))


def revalidated(etag: str) -> dict[str, str]:
    """The headers of an answer that a client may keep, and asks about each time."""
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def content_digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def encode_cursor(position: str | None) -> str | None:
    """A position in a list as an opaque `nextToken`; None stays None."""
    return None if position is None else base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(token: str | None, form: re.Pattern[str] | None = None) -> str | None:
    """The position that `encode_cursor` encoded.

    Args:
        form: of the positions of the list.

    Raises:
        MalformedRequest: the token did not come from this API.
    """
    if token is None:
        return None
    try:
        position = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad_token() from None
    if form is not None and not form.fullmatch(position):
        raise bad_token()
    return position


def bad_token() -> MalformedRequest:
    return MalformedRequest("nextToken was not issued by this list.")


def matches(search: str, texts: Collection[str | None]) -> bool:
    """Whether any text contains the search words, whatever their case; all do where there are none."""
    return not search or any(search.casefold() in text.casefold() for text in texts if text)
