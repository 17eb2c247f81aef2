"""Requests about the audit trail."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.base import Moment
from models.query import Paging


class AuditFilters(Paging):
    """Which entries a list holds."""

    actor: str = ""
    """Name, or subject of the token, of whoever did it."""
    action: str = ""
    """The `operationId` of this description, `dropFile`, `fetchFile`, `moveFile`, `deleteFile` or `runSchedule`."""
    entity: str = ""
    """Name of the entity."""
    since: Annotated[Moment | None, Field(alias="from")] = None
    """The earliest time."""
    until: Annotated[Moment | None, Field(alias="to")] = None
    """A time that all are before."""
