"""Requests about jobs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from models.base import Body, Must, refuse
from models.query import OneOf, Paging, Query, Words
from waybill.jobs.model import Process, Status
from waybill.tabular.labels import MAX_LABELS

__all__ = ["FileLink", "JobFilters", "JobsToDelete", "Paging", "RejectedRows", "RelaunchRequest", "RowsToCheck"]

MAX_DELETED = 100
MAX_CORRECTIONS = 5_000
MAX_CHECKED = 200
MAX_ROW = 10**18 - 1


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


class Correction(BaseModel):
    """The corrected cells of a rejected row."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, use_attribute_docstrings=True)

    row_number: Annotated[int, Field(ge=1, le=MAX_ROW), Must("must be the number of a row")]
    """As the errors and the rejects file have it."""
    cells: Annotated[
        dict[str, str],
        Field(min_length=1, max_length=MAX_LABELS),
        Must("must be an object of texts, with at least one"),
    ]
    """Texts by the labels of the file. The other cells of the row stay as they are; with all labels of the file, cells
    beyond the header are left out, too."""


class RelaunchRequest(Body):
    """What to relaunch of an import; a relaunch of an export takes no options."""

    refusal: ClassVar[str] = "The relaunch breaks a rule."
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"corrections": [{"rowNumber": 102, "cells": {"email": "a@b.example"}}], "only": "corrected"}]
        }
    )

    corrections: Annotated[list[Correction], Field(max_length=MAX_CORRECTIONS)] = Field(default_factory=list)
    """Of rejected rows, each at most once."""
    only: Literal["corrected", "all"] = "all"
    """`corrected`: only the rows with corrections; the others can be relaunched later."""

    @field_validator("corrections", mode="after")
    @classmethod
    def _are_of_different_rows(cls, value: list[Correction]) -> list[Correction]:
        seen: dict[int, int] = {}
        problems = []
        for index, correction in enumerate(value):
            first = seen.setdefault(correction.row_number, index)
            if first != index:
                problems.append((f"/corrections/{index}/rowNumber", f"is corrected already, at /corrections/{first}"))
        refuse(problems)
        return value

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if self.only == "corrected" and not self.corrections:
            refuse([("/only", "`corrected` needs corrections")])
        return self

    def by_row(self) -> dict[int, dict[str, str]]:
        return {correction.row_number: correction.cells for correction in self.corrections}


class RowsToCheck(Body):
    """Rejected rows as they would be, to be judged."""

    refusal: ClassVar[str] = "The rows break a rule."
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rows": [{"rowNumber": 102, "cells": {"email": "a@b.example"}}]}]}
    )

    rows: Annotated[list[Correction], Field(min_length=1, max_length=MAX_CHECKED)]
    """Each with all of its cells: a label that is left out is an empty cell."""


class RejectedRows(Paging):
    """Which rejected rows a page holds."""

    type: str = ""
    """Type of an error that a row has."""
    field_name: str = ""
    """Name of a field in which a row has an error; with `type`, one of that type."""


class FileLink(Query):
    """How to get a file."""

    as_: Annotated[str, OneOf(("link",))] = Field("", alias="as")
    """`link`: 200 with the link, for a page in a browser."""
