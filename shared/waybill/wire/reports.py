"""The report of a job (contract, section 6)."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from waybill.wire.jobs import JobEncryption, RunSummary, Work
from waybill.wire.schema import Natural, Schema

_ExportWithDefinition = Annotated[dict[str, Any], Schema(shape="ExportWithDefinition")]


class JobDelivery(TypedDict):
    """Where the file of an export is."""

    kind: Annotated[str, Schema(shape="DestinationKind")]
    location: str | None


class JobReport(Work, RunSummary):
    """The result of a job, as e-mails report it."""

    name: str | None
    """The name of the export; null for callers who may not export the entity."""
    delivered: JobDelivery | None
    """Null, too, for callers who may not see the definition."""
    bytes: Natural | None
    """Of the file, or of all files of a split export."""
    sha256: str | None
    """Of the file; null for an export that is split and delivered: its manifest has that of each file."""
    files: Natural | None
    """How many files of an export that is split and delivered; null for one file."""
    encryption: JobEncryption | None
    """Null for a file that is not encrypted."""
    relaunchable: bool
    """Whether `POST /v1/jobs/{job_id}/relaunch` can help."""


class Report(JobReport):
    """The result of a job."""

    definition: NotRequired[_ExportWithDefinition]
    """The definition that the run of an export ran with."""
