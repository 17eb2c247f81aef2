"""Requests about jobs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from models.base import Body, Must
from models.query import OneOf, Paging, Query, Words
from waybill.jobs.model import Process, Status

__all__ = ["FileLink", "JobFilters", "JobsToDelete", "Paging"]

MAX_DELETED = 100


class JobFilters(Paging):
    """Which jobs a list holds."""

    process: Annotated[frozenset[Process], Words(Process)] = Field(default_factory=lambda: frozenset(Process))
    """One or more, with commas between."""
    status: Annotated[frozenset[Status], Words(Status)] = Field(default_factory=lambda: frozenset(Status))
    """One or more, with commas between."""
    entity: str = ""
    """Name of the entity."""
    started_by: str = ""
    """Name of whoever started it."""
    q: str = ""
    """Words that a name contains, whatever their case."""


class JobsToDelete(Body):
    """Jobs that have ended."""

    refusal: ClassVar[str] = "The deletion breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"jobIds": ["2587c81c-b9fc-4873-ae2f-421b292d2c2b"]}]})

    job_ids: Annotated[
        list[str],
        Field(min_length=1, max_length=MAX_DELETED),
        Must(f"must be a list of 1 to {MAX_DELETED} job ids"),
    ]


class FileLink(Query):
    """How to get a file."""

    as_: Annotated[str, OneOf(("link",))] = Field("", alias="as")
    """`link`: 200 with the link, for a page in a browser."""
