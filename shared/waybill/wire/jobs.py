"""Jobs as everybody outside sees them: the resource, the event on the bus, and the summary of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NotRequired, cast

from typing_extensions import TypedDict

from waybill.encryption import EXTENSIONS
from waybill.jobs import model
from waybill.jobs.model import Outcome, Process, Status, message_of, remaining_seconds, rows_per_second
from waybill.timestamps import rfc3339
from waybill.wire.schema import Moment, Natural, NextToken, Ordinal, Schema, Seconds, Uri, Uuid

MODES = ("upsert", "insert", "merge", "update", "delete")
BLANKS = ("clear", "keep")
ON_ERROR = ("skip", "abort", "all-or-nothing")


class JobCounts(TypedDict):
    """Rows by fate. When a job has ended, `total` is the sum of `imported`, `rejected` and `unprocessed`."""

    total: Natural | None
    """Rows of the file; null until known."""
    processed: Natural
    """Rows handled so far; never decreases."""
    imported: Natural
    """In a dry run, rows that would be imported; for exports, rows written."""
    rejected: Natural
    unprocessed: Natural
    """0 until the end."""


class JobError(TypedDict):
    """Why a job FAILED."""

    code: Annotated[str, Schema(examples=["empty-file"])]
    message: str | None


class Run(TypedDict):
    """What every view of a job shows."""

    jobId: Uuid
    status: Annotated[Status, Schema(description="WAITING → IN_PROGRESS → COMPLETED or FAILED; WAITING → CANCELED.")]
    outcome: Outcome | None
    """Null until the job ends, and for a canceled job."""
    startedAt: Moment | None
    completedAt: Moment | None
    fileName: str
    windowFrom: Moment | None
    """Of an incremental export; null means everything before `windowTo`."""
    windowTo: Moment | None
    error: JobError | None


class RunSummary(Run):
    """A summary of a run, kept after its job has expired."""

    durationSeconds: Seconds | None
    numberOfItems: Natural | None
    """As `counts.total`."""


class Work(Run):
    process: Process
    entity: str
    """`(No permission)` when the caller may no longer view it or add to it."""
    startedBy: Annotated[str, Schema(examples=["alice", "s3:123456789012", "source:Partner orders"])]
    counts: JobCounts
    exportId: Uuid | None
    sourceId: Uuid | None
    """The source that fetched the file."""


class JobEvent(Work):
    """The `detail` of the event `Job Status Changed`."""

    submittedAt: Moment
    message: Annotated[str, Schema(examples=["1,200 of 34,033 rows processed"])]


class JobWarning(TypedDict):
    """What a careful person would want to know about a job that went well: each guess and each side effect."""

    code: Annotated[str, Schema(examples=["encoding-guessed"])]
    message: str


class ImportedSheet(TypedDict):
    """One of several sheets of a workbook."""

    name: str
    firstRow: Ordinal
    """The number that its row 1 has in this job: rows are numbered on from the sheet before."""


class Detected(TypedDict):
    """What was found out about a file."""

    encoding: str | None
    """Null for a workbook."""
    bom: bool
    """Whether the file begins with a byte order mark."""
    delimiter: str | None
    """Null unless the file is a text with delimiters."""
    headerRow: Ordinal | None
    """Null for a file without a header."""
    quoteChar: NotRequired[str]
    """Left out where it is the double quote; empty where quoting is turned off."""
    escapeChar: NotRequired[str]
    doubleQuote: NotRequired[bool]
    """Left out where a quote inside quotes is doubled."""
    skipInitialSpace: NotRequired[bool]
    format: NotRequired[Annotated[str, Schema(examples=["xlsx", "jsonl"])]]
    """Left out for a text with delimiters."""
    sheet: NotRequired[str]
    """Of a workbook; several, joined by commas."""
    sheets: NotRequired[list[ImportedSheet]]
    """Where several were imported."""
    compression: NotRequired[Annotated[str, Schema(examples=["gzip"])]]
    """Of a compressed file."""
    entry: NotRequired[Annotated[str, Schema(examples=["orders/march.csv"])]]
    """The path of the file in a zip file."""


class JobEncryption(TypedDict):
    """What a file is encrypted for."""

    kind: Annotated[str, Schema(enum=[*EXTENSIONS])]
    recipients: list[str]
    """The fingerprints of the public keys. A key of age is its own."""


class JobLinks(TypedDict):
    """Absolute addresses of the job's files; null where there is no file, or not for the caller."""

    errorLog: Uri | None
    rejects: Uri | None
    download: Uri | None


class Job(JobEvent, RunSummary):
    """One run of an import or an export."""

    allowedActions: list[Annotated[str, Schema(enum=["cancel", "stop", "undo", "delete"])]]
    """What the caller may do with the job now."""
    mode: Annotated[str, Schema(enum=[*MODES])]
    blanks: Annotated[str, Schema(enum=[*BLANKS])]
    """Of the modes merge and update: whether a missing value clears its field, or keeps it as it stands."""
    dryRun: bool
    keepPrevious: bool
    """Whether it keeps what each record was before it, so that it can be undone."""
    onError: Annotated[str, Schema(enum=[*ON_ERROR])]
    detected: Detected | None
    rowsPerSecond: Seconds | None
    remainingSeconds: Natural | None
    percent: Natural | None
    """How much of an import's file is handled, or of an export's table is read, while it is in progress."""
    queuePosition: Ordinal | None
    """Place in the queue of the entity; 1 is next."""
    stopReason: Annotated[str, Schema(enum=["USER", "MAX_ERRORS"])] | None
    duplicateOf: str | None
    """An earlier job that imported the same content."""
    retryOf: Uuid | None
    """The job that this one relaunches."""
    undoOf: Uuid | None
    """The import that this job undoes; `imported` are then rows undone, and `mode` is that of the import."""
    warnings: list[JobWarning]
    expiresAt: Moment | None
    """When the job expires; null while it runs."""
    filesExpireAt: Moment | None
    heartbeatAt: Moment | None
    """When a worker last reported progress."""
    encryption: JobEncryption | None
    """Of an export's file; null until there is one, and for a file that is not encrypted."""
    links: JobLinks


class JobPage(TypedDict):
    items: list[Job]
    nextToken: NextToken


class Link(TypedDict):
    """A link to a file, valid for five minutes."""

    url: Uri


class FailedDeletion(TypedDict):
    """A job that was not deleted, and why."""

    jobId: str
    status: int
    """The status that `DELETE /v1/jobs/{job_id}` responds with."""
    detail: str


class Deletion(TypedDict):
    """Which jobs were deleted, and why others were not."""

    deleted: list[str]
    failed: list[FailedDeletion]


class RowError(TypedDict):
    """One error of one row."""

    rowNumber: Ordinal | None
    """The header is row 1."""
    fieldNumber: Ordinal | None
    fieldName: str | None
    type: Annotated[str, Schema(examples=["type-error"])]
    cell: str
    message: str


class ErrorCount(TypedDict):
    """How many errors of a type a field has, with one of the cells."""

    type: str
    fieldName: str | None
    count: Ordinal
    sample: str | None


class CellError(TypedDict):
    """One error of a rejected row."""

    fieldNumber: Ordinal | None
    fieldName: str | None
    type: Annotated[str, Schema(examples=["type-error"])]
    cell: str
    message: str


class RejectedRow(TypedDict):
    """A row that was not imported."""

    rowNumber: Ordinal
    """Of the original file."""
    cells: dict[str, str]
    """Texts by label, as they stand in the rejects file. A row that ends before a column has no cell of it."""
    isWhole: bool
    """False where long cells are shown shortened; a correction leaves those that it does not name as they are."""
    errors: list[CellError]
    """By column; up to 200 of them."""


class RejectedRowPage(TypedDict):
    items: list[RejectedRow]
    """With a filter perhaps none, although more follow."""
    nextToken: NextToken
    labels: list[str]
    """Of the file, in their order: what corrections name their cells by."""
    fields: list[str | None]
    """For each label the name of its field, by the entity's definition now; null where it has none."""


class CheckedRow(TypedDict):
    """What an import would find wrong with a row, by itself."""

    rowNumber: Ordinal
    errors: list[CellError]


class CheckedRows(TypedDict):
    items: list[CheckedRow]


class UndoPreview(TypedDict):
    """What an undo would do to the records now. `total` rows would be undone, of which `checked` were looked at: all,
    or of a large import, or one of very large records, some. The other numbers are of those."""

    total: Natural
    checked: Natural
    restored: Natural
    """Records that would be put back as they were."""
    removed: Natural
    """Records that the import created, and that would be removed."""
    changedSince: Natural
    """Records that were changed after the import, and would stay as they are."""


class RowErrorPage(TypedDict):
    items: list[RowError]
    nextToken: NextToken
    summary: list[ErrorCount]
    """Errors of the whole job by type and field."""


def run_of(job: model.Job) -> Run:
    return {
        "jobId": job.job_id,
        "status": job.status,
        "outcome": job.outcome,
        "startedAt": rfc3339(job.started_at),
        "completedAt": rfc3339(job.completed_at),
        "fileName": job.file_name,
        "windowFrom": rfc3339(job.window_from),
        "windowTo": rfc3339(job.window_to),
        "error": None if job.error_code is None else {"code": job.error_code, "message": job.error_message},
    }


def run_summary(job: model.Job) -> RunSummary:
    seconds = None
    if job.started_at is not None and job.completed_at is not None:
        seconds = round((job.completed_at - job.started_at).total_seconds(), 3)
    return {**run_of(job), "durationSeconds": seconds, "numberOfItems": job.counts.total}


def work_of(job: model.Job, entity_shown: str) -> Work:
    """
    Args:
        entity_shown: the entity's name as the reader may see it.
    """
    return {
        **run_of(job),
        "process": job.process,
        "entity": entity_shown,
        "startedBy": job.started_by,
        "counts": {
            "total": job.counts.total,
            "processed": job.processed,
            "imported": job.imported,
            "rejected": job.rejected,
            "unprocessed": job.counts.unprocessed if job.is_terminal else 0,
        },
        "exportId": job.export_id,
        "sourceId": job.source_id,
    }


def job_event(job: model.Job, entity_shown: str | None = None) -> JobEvent:
    """
    Args:
        entity_shown: the entity's name as the reader may see it; the job's when left out.
    """
    return {
        **work_of(job, job.entity if entity_shown is None else entity_shown),
        "submittedAt": rfc3339(job.submitted_at),
        "message": message_of(job),
    }


def job_resource(
    job: model.Job,
    *,
    entity_shown: str,
    queue_position: int | None,
    allowed_actions: list[str],
    links: JobLinks,
    now: datetime,
) -> Job:
    """
    Args:
        allowed_actions, links: those that would succeed for the reader.
    """
    # Progress is measured when a worker reported it: between two reports the job and its ETag stay the same.
    measured_at = job.heartbeat_at or now
    return {
        **job_event(job, entity_shown),
        **run_summary(job),
        "allowedActions": allowed_actions,
        "mode": job.mode,
        "blanks": job.blanks,
        "dryRun": job.dry_run,
        "keepPrevious": job.keep_previous,
        "onError": job.on_error,
        "detected": cast(Detected | None, job.detected),
        "rowsPerSecond": rows_per_second(job, measured_at),
        "remainingSeconds": remaining_seconds(job, measured_at),
        "percent": job.percent,
        "queuePosition": queue_position,
        "stopReason": job.stop_reason,
        "duplicateOf": job.duplicate_of,
        "retryOf": job.retry_of,
        "undoOf": job.undo_of,
        "warnings": cast(list[JobWarning], job.warnings),
        "expiresAt": rfc3339(job.expires_at),
        "filesExpireAt": rfc3339(job.files_expire_at),
        "heartbeatAt": rfc3339(job.heartbeat_at),
        "encryption": (job.extracted or {}).get("encryption"),
        "links": links,
    }
