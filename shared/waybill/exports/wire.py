"""Exports: their definitions and states."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from waybill.errors import DeliveryFailed
from waybill.exports.compression import Compression
from waybill.exports.definition import ALLOWED_ACTIONS, ExportStatus, ExportType
from waybill.wire.jobs import JobWarning, RunSummary
from waybill.wire.schema import Email, Moment, NextToken, Ordinal, Schema, Uuid, configured
from waybill.wire.webhooks import Webhook

# What the domain checks and keeps as it was given; `shape` names what OpenAPI shows of it.
ConditionDocument = Annotated[dict[str, Any], Schema(shape="Condition")]
ScheduleDocument = Annotated[dict[str, Any], Schema(shape="Schedule")]
DestinationDocument = Annotated[dict[str, Any], Schema(shape="Destination")]
DialectDocument = Annotated[dict[str, Any], Schema(shape="WritingDialect")]
SplitDocument = Annotated[dict[str, int], Schema(shape="Split")]
FormatName = Annotated[str, Schema(shape="Format")]

_Action = Annotated[str, Schema(enum=list(dict.fromkeys(one for some in ALLOWED_ACTIONS.values() for one in some)))]
_Reason = Annotated[str, Schema(enum=list(DeliveryFailed.REASONS))]


class RunTimes(TypedDict):
    """The next times of a schedule."""

    items: list[Moment]
    nextToken: NextToken


class DestinationTest(TypedDict):
    """The result of a connection test."""

    ok: bool
    """Whether a file can be delivered there."""
    code: _Reason | None
    """Why not: the reason that a delivery would fail with."""
    detail: str
    """What was done, or what to correct."""


class ExportPreview(TypedDict):
    """What a run of an export would take now."""

    count: int
    """How many records match."""
    precision: Literal["exact", "approximate", "at-least"]
    """How it was counted. With a filter it is `at-least` where reading ended before the last record; without one, see
    `GET /entities/{name}/records/count`."""
    read: int
    """How many records the filter was applied to; without a filter as `count`."""
    columns: list[str]
    rows: list[list[str]]
    """The first records, each cell as a file of CSV has it."""
    warnings: list[JobWarning]
    """What a run would fail of (`xlsx-limit`, `parquet-limit`), as far as it was seen, and `empty-filter-value`."""


class FailedExportDeletion(TypedDict):
    """An export that was not deleted, and why."""

    exportId: str
    status: int
    """The status that the deletion of this one alone would respond with."""
    detail: str


class ExportDeletion(TypedDict):
    """Which exports were deleted, and why others were not."""

    deleted: list[str]
    failed: list[FailedExportDeletion]


class Definition(TypedDict):
    """What to export and how, with all defaults filled in."""

    name: str
    entity: str
    """Name of the entity; you need the right `export` on it."""
    type: ExportType
    """`CUSTOM` and `INCREMENTAL_CUSTOM` are defined by the group backoffice."""
    fields: list[str] | None
    """Null: all in schema order."""
    filter: list[ConditionDocument]
    """Conditions that a record must meet, all of them."""
    format: FormatName
    dialect: DialectDocument
    compression: Compression
    fileName: str
    """With date patterns of yyyy, MM, dd, HH, mm, ss after a `$`."""
    schedule: ScheduleDocument | None
    destination: DestinationDocument
    recipients: list[Email]
    """E-mail addresses that the report of each run is sent to."""
    webhooks: list[Webhook]
    """Addresses that are told of the end of each run, by Standard Webhooks."""
    escapeFormulas: bool
    """Prefixes `'` to cells that a spreadsheet would execute."""
    includeDeleted: bool
    """Of incremental exports: deletions are rows too, marked in a column `_deleted`."""
    split: SplitDocument | None
    """How much one file holds at most. Null: there is one file."""


class ExportWithDefinition(Definition):
    """A definition with all defaults filled in."""

    exportId: Uuid
    version: Ordinal


class Standing(TypedDict):
    """The state of an export."""

    exportId: Uuid
    status: ExportStatus
    version: Ordinal
    """Grows by one with each edit."""
    createdAt: Moment
    createdBy: str
    owner: str | None
    """Who activated it last: each run needs their right `export`. Null before the first activation."""
    allowedActions: list[_Action]
    jobId: Uuid | None
    """The latest run."""
    isRunning: bool
    nextRunAt: Moment | None
    windowEnd: Moment | None
    """End of the last window that was delivered."""
    lastRun: RunSummary | None
    """A summary of the last run, kept after its job has expired."""
    message: str | None
    """Why the export paused itself."""
    pausedAt: Moment | None
    """Since when it has paused itself."""


def _hides_custom_flows(schema: dict[str, Any]) -> None:
    shown = {*Standing.__annotations__, "name", "entity", "type"}
    schema["required"] = [name for name in schema["required"] if name in shown]


@configured(json_schema_extra=_hides_custom_flows)
class Export(Standing, Definition):
    """A definition and its state. Of a custom flow, callers outside the back office see only its state."""


class ExportPage(TypedDict):
    items: list[Export]
    nextToken: NextToken
