"""The bodies of requests about sources."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from models.base import Body, Line, Word, allowed_of, checked, entity_of, settings_of
from models.query import Paging as Paging
from models.query import Words
from models.webhooks import TellsWebhooks
from waybill.exports.wire import ScheduleDocument
from waybill.jobs.recipients import MAX_RECIPIENTS, check_recipients
from waybill.sources import wire
from waybill.sources.definition import MAX_PATTERN, After, Definition, Order, SourceStatus
from waybill.validation import MAX_TEXT
from waybill.wire.schema import Email, Schema

_HOURLY: dict[str, Any] = {
    "name": "Partner orders",
    "entity": "contacts",
    "location": {"kind": "s3", "prefix": "out"},
    "pattern": "orders_*.csv*",
    "schedule": {"every": "PT1H", "timezone": "UTC"},
    "after": "leave",
    "order": "name",
    "options": {"mode": "merge", "onError": "skip"},
    "recipients": [],
    "webhooks": [],
}


def _rules() -> ModuleType:
    """Loaded with the first body: a list of sources needs neither schemas nor destinations."""
    from waybill.sources import rules

    return rules


class SourceFilters(Paging):
    """Which sources a list holds."""

    q: str = ""
    """Words that a name contains, whatever their case."""
    status: Annotated[frozenset[SourceStatus], Words(SourceStatus)] = Field(
        default_factory=lambda: frozenset(SourceStatus)
    )
    """One or more, with commas between."""
    entity: str = ""
    """Name of the entity."""


class _Located(Body):
    """What a test and a definition share."""

    entity: str
    """Name of the entity; you need the right `import` on it."""
    location: wire.LocationDocument
    pattern: Annotated[str, Line(MAX_PATTERN)] = "*"
    """The files that are meant, as a shell matches names: `*`, `?`, `[abc]`; without a path."""
    order: Word[Order] = Order.NAME
    """In which order the files of a run are imported."""

    @field_validator("location", mode="wrap")
    @classmethod
    def _is_location(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(_rules().check_location, value, allowed_of(info))

    @field_validator("pattern", mode="wrap")
    @classmethod
    def _is_pattern(cls, value: Any, _: Any) -> Any:
        return checked(_rules().check_pattern, value)


class SourceRequest(_Located, TellsWebhooks):
    """The definition of a source."""

    refusal: ClassVar[str] = "The definition of the source breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [_HOURLY]})

    name: Annotated[str, Line(MAX_TEXT)]
    schedule: ScheduleDocument
    after: Word[After] = After.LEAVE
    """What becomes of a file once its import has ended with at least one row, or as a duplicate."""
    move_to: str | None = Field(None, validate_default=True)
    """For `move`: the directory, on a server relative to that of the location or absolute, or the prefix in the
    bucket."""
    options: wire.OptionsDocument = Field(default_factory=dict)
    """How each file is imported."""
    recipients: Annotated[list[Email], Schema(maxItems=MAX_RECIPIENTS)] = Field(default_factory=list)
    """E-mail addresses that are told once when the location cannot be read, and when the source pauses."""

    @field_validator("schedule", mode="wrap")
    @classmethod
    def _is_schedule(cls, value: Any, _: Any) -> Any:
        return checked(_rules().check_source_schedule, value)

    @field_validator("move_to", mode="wrap")
    @classmethod
    def _is_move_to(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        if "after" not in info.data:
            return None
        return checked(_rules().check_move_to, value, info.data["after"], info.data.get("location", {}))

    @field_validator("options", mode="wrap")
    @classmethod
    def _are_options(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        entity = entity_of(info)
        return {} if entity is None else checked(_rules().check_options, value, entity)

    @field_validator("recipients", mode="wrap")
    @classmethod
    def _are_recipients(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return list(checked(check_recipients, value, settings_of(info).mail_domains))

    def to_definition(self) -> Definition:
        """The definition, with every default filled in."""
        return Definition(
            name=self.name,
            entity=self.entity,
            location=self.location,
            pattern=self.pattern,
            schedule=self.schedule,
            after=self.after,
            move_to=self.move_to,
            order=self.order,
            options=self.options,
            recipients=tuple(self.recipients),
            webhooks=self.told_webhooks(),
        )


class SourceToTest(_Located):
    """A location to test."""

    refusal: ClassVar[str] = "The location breaks a rule."
