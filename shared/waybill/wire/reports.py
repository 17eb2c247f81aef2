"""The report of a job (contract, section 6)."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from waybill.wire.jobs import RunSummary, Work
from waybill.wire.schema import Natural, Schema

_ExportWithDefinition = Annotated[dict[str, Any], Schema(shape="ExportWithDefinition")]


class JobDelivery(TypedDict):
    """Where the file of an export is."""

    kind: Annotated[str, Schema(shape="DestinationKind")]
    location: str | None


class JobReport(Work, RunSummary):
    """What became of a job, as a mail says it."""

    name: str | None
    """Of the export."""
    delivered: JobDelivery | None
    bytes: Natural | None
    sha256: str | None
    relaunchable: bool
    """Whether `POST /v1/jobs/{job_id}/relaunch` can help."""


class Report(JobReport):
    """What became of a job, in one page."""

    definition: NotRequired[_ExportWithDefinition]
    """What a run of an export ran with."""
