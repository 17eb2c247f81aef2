"""Requests about the audit trail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from models.base import broken
from models.query import Paging

# RFC 3339, section 5.6. A space in place of the plus sign is what a query that does not encode it means.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+ -]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def _moment(text: Any) -> datetime:
    found = _MOMENT.fullmatch(text)
    try:
        if found:
            return datetime.fromisoformat(found[1].upper() + found[2].upper().replace(" ", "+")).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or one before the first
        pass
    raise broken("must be a time of RFC 3339, such as 2026-01-31T09:30:00Z")


_Moment = Annotated[datetime | None, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


class AuditFilters(Paging):
    """Which entries a list holds."""

    actor: str = ""
    """Name, or subject of the token, of whoever did it."""
    action: str = ""
    """The `operationId` of this description, `dropFile` or `runSchedule`."""
    entity: str = ""
    """Name of the entity."""
    since: Annotated[_Moment, Field(alias="from")] = None
    """The earliest time."""
    until: Annotated[_Moment, Field(alias="to")] = None
    """A time that all are before."""
