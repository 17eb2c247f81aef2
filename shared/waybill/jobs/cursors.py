"""Cursors of lists: the sort key of the last item seen, so that items added meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii

from waybill.errors import MalformedRequest

_MAX_KEY_BYTES = 1_024  # of a sort key, by DynamoDB


def encode_cursor(sort_key: str) -> str:
    return base64.urlsafe_b64encode(sort_key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The sort key, `{submittedAt}#{jobId}`.

    Raises:
        MalformedRequest: `encode_cursor` did not make it.
    """
    try:
        sort_key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        sort_key = ""
    if "#" not in sort_key or len(sort_key.encode()) > _MAX_KEY_BYTES:
        raise MalformedRequest("nextToken was not issued by this list.")
    return sort_key
