"""Uploads, and the preview of an import."""

from __future__ import annotations

from typing import Annotated, Any

from typing_extensions import TypedDict

from waybill.wire.jobs import Detected, JobWarning
from waybill.wire.schema import Moment, Ordinal, Schema, Uri, Uuid

SHOWN_ROWS = 20
EXAMPLE_SHA256 = "oplo+tLngqqfIECjXwWtuX7Yl56x9XLIyOp4Y34nXzw="


class Upload(TypedDict):
    """A presigned form to send a file to."""

    uploadId: Uuid
    """For `POST /v1/imports`."""
    url: Uri
    """Where to send the form (multipart/form-data)."""
    fields: dict[str, str]
    """Its fields; the file follows as `file`."""
    expiresAt: Moment
    """When the form expires."""


class UploadInParts(TypedDict):
    """An upload whose parts are sent one by one."""

    uploadId: Uuid
    """For `POST /v1/imports`, once it is complete."""
    partBytes: Ordinal
    """The bytes of each part but the last."""
    partCount: Ordinal
    expiresAt: Moment
    """It must be complete by then."""


class UploadPart(TypedDict):
    """A part that has arrived."""

    partNumber: Ordinal
    sizeBytes: Ordinal
    sha256: Annotated[str, Schema(examples=[EXAMPLE_SHA256])]
    """In base64."""


class UploadStatus(TypedDict):
    """How far an upload is."""

    uploadId: Uuid
    entity: str | None
    fileName: str
    isComplete: bool
    """The file has arrived: it can be imported, if it was not already."""
    sizeBytes: Ordinal | None
    """Of the file; null of one that is sent to a form."""
    partBytes: Ordinal | None
    partCount: Ordinal | None
    parts: list[UploadPart]
    """Those that have arrived of an upload in parts that is not complete, in order."""
    jobId: Uuid | None
    """The import that was made of it."""
    expiresAt: Moment
    """An upload in parts must be complete by then, and one that is complete imported."""


class PartAddress(TypedDict):
    """Where to send a part with PUT, and nothing but the part."""

    partNumber: Ordinal
    url: Uri
    headers: dict[str, str]
    """Headers that the request must have."""


class PartAddresses(TypedDict):
    parts: list[PartAddress]
    expiresAt: Moment
    """When the addresses expire."""


class PreviewError(TypedDict):
    """What is wrong with a cell, a row or the header."""

    fieldNumber: Ordinal | None
    """Columns of the file count from 1."""
    fieldName: str | None
    type: Annotated[str, Schema(examples=["type-error"])]
    message: str


class PreviewRow(TypedDict):
    """A row as the import reads it."""

    rowNumber: Ordinal
    cells: list[str]
    """Long ones end in \u2026."""
    errors: list[PreviewError]
    """Present only where the header matches."""


class PreviewFailure(TypedDict):
    """Why the import would fail before its first row."""

    code: Annotated[str, Schema(examples=["missing-label"])]
    message: str | None
    rowNumber: Ordinal | None


class InferredField(TypedDict):
    """A proposed field, and why it is proposed."""

    name: str
    label: str
    """In the header of the file."""
    type: str
    why: str
    samples: list[str]
    values: list[str] | None
    """All values of a column that has few, each of them often."""


class Inferred(TypedDict):
    """A proposal for an entity."""

    definition: dict[str, Any]
    """As `PUT /v1/entities/{name}` takes it."""
    detected: Detected | None
    fields: list[InferredField]
    rows: int
    """How many rows it is taken from."""
    isWhole: bool
    """These are all rows of the file."""


class ColumnChoice(TypedDict):
    field: str
    why: str
    """Completes "the label …"."""


class ColumnProposal(TypedDict):
    """What a label may mean, judged by the names and titles of fields and the header names that are remembered."""

    field: str | None
    """Null where no field is like it, or several are."""
    isKnown: bool
    """An import takes the label so by itself; else its `columns` have to say so."""
    why: str | None
    """Completes "the label …"; null where it is known."""
    choices: list[ColumnChoice]
    """Fields that it may mean, likeliest first."""


class ImportPreview(TypedDict):
    """The beginning of a file as an import would judge it."""

    detected: Detected | None
    sheets: list[str] | None
    """Of a workbook; `dialect.sheetName` chooses one or several."""
    entries: list[str] | None
    """The files of a zip file that holds several; `dialect.entry` chooses one."""
    labels: list[str]
    """The header."""
    fields: list[str | None]
    """The field of each label."""
    proposals: list[ColumnProposal]
    """For each label, whatever `columns` of the request says."""
    rows: Annotated[list[PreviewRow], Schema(maxItems=SHOWN_ROWS)]
    headerErrors: list[PreviewError]
    """Everything that is wrong with the header."""
    error: PreviewFailure | None
    warnings: list[JobWarning]
    """As of the job that an import of the file would make."""
    isWhole: bool
    """The preview has read the whole file."""
