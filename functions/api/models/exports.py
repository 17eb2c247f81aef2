"""The bodies of requests about exports."""

from __future__ import annotations

from datetime import datetime
from types import ModuleType
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationInfo, WrapValidator, field_validator

from models.base import Body, Line, Moment, Must, Word, allowed_of, broken, checked, entity_of, refuse, settings_of
from models.query import Paging as Paging
from models.query import Words
from models.webhooks import TellsWebhooks
from waybill.entities.model import DataType
from waybill.exports import wire
from waybill.exports.compression import Compression
from waybill.exports.definition import (
    DEFAULT_FORMAT,
    MAX_CONDITIONS,
    MAX_FILE_NAME_BYTES,
    PERIODIC,
    Definition,
    ExportStatus,
    ExportType,
)
from waybill.jobs.recipients import MAX_RECIPIENTS, check_recipients
from waybill.validation import MAX_TEXT
from waybill.wire.schema import Email, Schema

MAX_DELETED = 100

_NIGHTLY: dict[str, Any] = {
    "name": "Nightly contacts",
    "entity": "contacts",
    "type": "INCREMENTAL",
    "fields": ["contact_id", "email"],
    "filter": [{"field": "vip", "op": "eq", "value": True}],
    "format": "csv",
    "dialect": {"delimiter": ";"},
    "compression": "gzip",
    "fileName": "contacts_$yyyyMMdd.csv",
    "schedule": {"time": "02:30", "timezone": "Europe/Brussels", "days": ["mon", "tue"]},
    "destination": {"kind": "s3", "prefix": "in"},
    "recipients": [],
    "webhooks": [],
    "escapeFormulas": True,
    "includeDeleted": False,
}


def _rules() -> ModuleType:
    """Loaded with the first body: a list of exports needs neither schemas nor destinations."""
    from waybill.exports import rules

    return rules


class ExportFilters(Paging):
    """Which exports a list holds."""

    q: str = ""
    """Words that a name contains, whatever their case."""
    database: str = ""
    """Database of the entity."""
    data_type: Annotated[frozenset[DataType], Words(DataType)] = Field(default_factory=lambda: frozenset(DataType))
    """One or more, with commas between."""
    type: Annotated[frozenset[ExportType], Words(ExportType)] = Field(default_factory=lambda: frozenset(ExportType))
    """One or more, with commas between."""
    status: Annotated[frozenset[ExportStatus], Words(ExportStatus)] = Field(
        default_factory=lambda: frozenset(ExportStatus)
    )
    """One or more, with commas between."""
    entity: str = ""
    """Name of the entity."""


def _checked_schedule(value: Any, _: Any, info: ValidationInfo) -> Any:
    # Without a valid type nobody knows what the schedule must hold.
    return checked(_rules().check_schedule, value, info.data["type"] in PERIODIC) if "type" in info.data else None


_Schedule = Annotated[wire.ScheduleDocument | None, WrapValidator(_checked_schedule), Field(validate_default=True)]


class ScheduleToPreview(Body):
    """A schedule that no export has yet."""

    refusal: ClassVar[str] = "The schedule breaks a rule."

    type: Word[ExportType] = ExportType.ONE_SHOT
    """Of the export: all types but ONE_SHOT are periodic."""
    schedule: _Schedule = None


def _checked_fields(value: Any, _: Any, info: ValidationInfo) -> Any:
    return checked(_rules().check_fields, value, entity_of(info))


def _checked_filter(value: Any, _: Any, info: ValidationInfo) -> Any:
    entity = entity_of(info)
    return [] if entity is None else list(checked(_rules().check_conditions, value, entity))


def _checked_format(value: Any, _: Any, info: ValidationInfo) -> Any:
    format, entity = checked(_rules().check_format, value), entity_of(info)
    if entity is not None and "fields" in info.data:
        checked(_rules().check_columns, format, info.data["fields"], entity)
    return format


_Fields = Annotated[Annotated[list[str], Schema(minItems=1, uniqueItems=True)] | None, WrapValidator(_checked_fields)]
_Filter = Annotated[list[wire.ConditionDocument], Schema(maxItems=MAX_CONDITIONS), WrapValidator(_checked_filter)]
_Format = Annotated[wire.FormatName, WrapValidator(_checked_format)]


def _checked_split(value: Any, _: Any, info: ValidationInfo) -> Any:
    given = info.data
    format, compression = given.get("format", DEFAULT_FORMAT), given.get("compression", Compression.NONE)
    destination, file_name = given.get("destination"), given.get("file_name")
    return checked(_rules().check_split, value, format, compression, destination, file_name)


_Split = Annotated[wire.SplitDocument | None, WrapValidator(_checked_split)]


class ExportToPreview(Body):
    """An export that no run has yet."""

    refusal: ClassVar[str] = "The export breaks a rule."
    model_config = ConfigDict(
        json_schema_extra={"examples": [{name: _NIGHTLY[name] for name in ("entity", "fields", "filter", "format")}]}
    )

    entity: str
    """Name of the entity; you need the right `export` on it."""
    fields: _Fields = None
    """All fields in schema order when left out."""
    filter: _Filter = Field(default_factory=list)
    """Conditions that a record must meet, all of them."""
    format: _Format = DEFAULT_FORMAT
    escape_formulas: bool = True
    """Whether `'` is prefixed to cells that a spreadsheet would execute."""
    split: _Split = None
    """How much one file holds at most. When left out, there is one file."""

    def to_definition(self) -> Definition:
        """That of a one-shot export."""
        return ExportRequest.model_construct(name=self.entity, **dict(self)).to_definition()


class ExportRequest(TellsWebhooks):
    """The definition of an export."""

    refusal: ClassVar[str] = "The definition of the export breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [_NIGHTLY]})

    name: Annotated[str, Line(MAX_TEXT)]
    entity: str
    """Name of the entity; you need the right `export` on it."""
    type: Word[ExportType] = ExportType.ONE_SHOT
    """Only the group `backoffice` defines `CUSTOM` and `INCREMENTAL_CUSTOM`."""
    fields: _Fields = None
    """All fields in schema order when left out."""
    filter: _Filter = Field(default_factory=list)
    """Conditions that a record must meet, all of them."""
    format: _Format = DEFAULT_FORMAT
    dialect: wire.DialectDocument = Field(default_factory=dict)
    compression: Word[Compression] = Compression.NONE
    file_name: Annotated[str, Line(MAX_FILE_NAME_BYTES)] | None = None
    """With date patterns of yyyy, MM, dd, HH, mm, ss after a `$`. When left out: `{entity}_$yyyyMMdd.{format}`."""
    schedule: _Schedule = None
    destination: wire.DestinationDocument | None = Field(None, validate_default=True)
    recipients: Annotated[list[Email], Schema(maxItems=MAX_RECIPIENTS)] = Field(default_factory=list)
    """E-mail addresses that the report of each run is sent to."""
    escape_formulas: bool = True
    """Whether `'` is prefixed to cells that a spreadsheet would execute."""
    include_deleted: bool = False
    """Of incremental exports: whether deletions are rows too, marked in a column `_deleted`."""
    split: _Split = None
    """How much one file holds at most: `maxRows` or `maxBytes`. When left out, there is one file. Files of a set are
    delivered as `name_0001.csv`, `name_0002.csv`, and then their manifest; downloaded, they are in one zip file."""

    @field_validator("type")
    @classmethod
    def _suits_entity(cls, kind: ExportType, info: ValidationInfo) -> ExportType:
        entity = entity_of(info)
        return kind if entity is None else checked(_rules().check_type, kind, entity)

    @field_validator("dialect", mode="wrap")
    @classmethod
    def _is_dialect(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(_rules().check_dialect, value, info.data.get("format", DEFAULT_FORMAT))

    @field_validator("compression")
    @classmethod
    def _is_compression(cls, compression: Compression, info: ValidationInfo) -> Any:
        return checked(_rules().check_compression, compression, info.data.get("format", DEFAULT_FORMAT))

    @field_validator("file_name", mode="wrap")
    @classmethod
    def _is_file_name(cls, value: Any, _: Any) -> Any:
        return checked(_rules().check_file_name, value)

    @field_validator("destination", mode="wrap")
    @classmethod
    def _is_destination(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(
            _rules().check_export_destination,
            value,
            info.data.get("type", ExportType.ONE_SHOT),
            allowed_of(info),
        )

    @field_validator("recipients", mode="wrap")
    @classmethod
    def _are_recipients(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return list(checked(check_recipients, value, settings_of(info).mail_domains))

    @field_validator("include_deleted")
    @classmethod
    def _has_deletions(cls, include_deleted: bool, info: ValidationInfo) -> bool:
        entity = entity_of(info)
        if include_deleted and entity is not None and "type" in info.data:
            checked(_rules().check_deletions, info.data["type"], info.data.get("fields"), entity)
        return include_deleted

    def to_definition(self) -> Definition:
        """The definition, with every default filled in."""
        return Definition(
            name=self.name,
            entity=self.entity,
            type=self.type,
            fields=None if self.fields is None else tuple(self.fields),
            filter=tuple(self.filter),
            format=self.format,
            dialect=self.dialect,
            compression=self.compression,
            file_name=self.file_name or _rules().default_file_name(self.entity, self.format, self.compression),
            schedule=self.schedule,
            destination=self.destination or {"kind": "download"},
            recipients=tuple(self.recipients),
            webhooks=self.told_webhooks(),
            escape_formulas=self.escape_formulas,
            include_deleted=self.include_deleted,
            split=self.split,
        )


class DestinationToTest(Body):
    """A destination to test."""

    refusal: ClassVar[str] = "The destination breaks a rule."

    entity: str
    """Name of the entity; you need the right `export` on it."""
    destination: Annotated[dict[str, Any], Schema(shape="Delivery")]
    """Where files are delivered."""

    @field_validator("destination", mode="wrap")
    @classmethod
    def _is_delivery(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(_rules().check_delivery, value, allowed_of(info))


class ExportsToDelete(Body):
    """Drafts, and exports that have finished."""

    refusal: ClassVar[str] = "The deletion breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"exportIds": ["01a20057-077f-7e73-8b3f-9ec9d16eedff"]}]})

    export_ids: Annotated[
        list[str],
        Field(min_length=1, max_length=MAX_DELETED),
        Must(f"must be a list of 1 to {MAX_DELETED} export ids"),
    ]


class Copy(Body):
    """The name of the copy."""

    refusal: ClassVar[str] = "The copy breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Another"}]})

    name: Annotated[str, Line(MAX_TEXT)]


class Backfill(Body):
    """The past period of an incremental export that a run is for; what is due when left out."""

    refusal: ClassVar[str] = "The export cannot be run for this period."
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"windowFrom": "2026-01-01T00:00:00Z", "windowTo": "2026-01-08T00:00:00Z"}]}
    )

    window_from: Moment | None = None
    """The first moment of the period; all before `windowTo` when left out."""
    window_to: Moment | None = Field(None, validate_default=True)
    """The first moment behind the period; not in the future."""

    @field_validator("window_to")
    @classmethod
    def _ends_a_period(cls, window_to: datetime | None, info: ValidationInfo) -> datetime | None:
        window_from = info.data.get("window_from")
        if window_to is None and window_from is not None:
            refuse([("/windowTo", "is required with windowFrom")])
        if window_to is not None and window_from is not None and window_to <= window_from:
            raise broken("must be later than windowFrom")
        return window_to


class Unscheduling(Body):
    """The confirmation that unscheduling may need."""

    refusal: ClassVar[str] = "The export cannot be unscheduled like this."
    model_config = ConfigDict(json_schema_extra={"examples": [{"confirm": True}]})

    confirm: bool = False
    """Required for `INCREMENTAL_CUSTOM`: the export becomes a standard one and stays one."""
