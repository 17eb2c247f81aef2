"""Moments as text and numbers: RFC 3339 in the API and in items, epoch seconds where DynamoDB's TTL asks for them.

Text and `epoch_milliseconds` cut off what is below a millisecond, both in the same way.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@overload
def rfc3339(moment: datetime) -> str: ...
@overload
def rfc3339(moment: datetime | None) -> str | None: ...
def rfc3339(moment: datetime | None) -> str | None:
    """`2026-01-31T09:30:00.125Z` (RFC 3339, UTC, milliseconds); None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@overload
def parse_rfc3339(text: str) -> datetime: ...
@overload
def parse_rfc3339(text: str | None) -> datetime | None: ...
def parse_rfc3339(text: str | None) -> datetime | None:
    """The inverse of `rfc3339`."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def from_epoch(seconds: float) -> datetime:
    """An aware UTC datetime."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def epoch_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, exactly: a float of seconds may come out one below."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
