"""Exports: definitions, schedules, destinations, and where an export stands."""

from __future__ import annotations

from collections.abc import Collection

from openapi.schemas.blocks import (
    Schema,
    Shape,
    given,
    ident,
    line,
    listed,
    moment,
    of,
    or_null,
    page_of,
    ref,
    shown,
    taken,
    word,
)
from openapi.schemas.entities import DIALECT
from openapi.schemas.jobs import JOB_ERROR
from routes.exports import PREVIEW_MEMBERS, TEST_MEMBERS
from waybill.errors import DeliveryFailed
from waybill.exports import definition, filter, parse, report, schedule
from waybill.exports.compression import Compression
from waybill.exports.definition import ExportStatus, ExportType
from waybill.exports.destinations import DELIVERED, DESTINATIONS
from waybill.exports.formats import FORMATS
from waybill.jobs.model import Outcome, Status
from waybill.validation import MAX_TEXT

NIGHTLY: Schema = {
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
    "escapeFormulas": True,
    "includeDeleted": False,
}


def _destinations(shape: Shape, kinds: Collection[str] = tuple(DESTINATIONS)) -> list[Schema]:
    found = []
    for kind in kinds:
        members = DESTINATIONS[kind].members
        properties = {"kind": _kind(kind), **{name: dict(member.schema) for name, member in members.items()}}
        required = ["kind", *(name for name, member in members.items() if member.required)]
        found.append(shape({"kind", *members}, properties, required))
    return found


def _destination(shape: Shape) -> Schema:
    return {
        "description": "Where the file goes. Files of type ONE_SHOT may stay to be downloaded; others are delivered.",
        "anyOf": _destinations(shape),
    }


def _kind(name: str) -> Schema:
    return of("string", const=name)


def _schedule(shape: Shape) -> Schema:
    zone = of("string", "An IANA time zone.", examples=["Europe/Brussels"])
    periodic = shape(
        schedule.PERIODIC_MEMBERS,
        {
            "time": of("string", pattern=f"^{schedule.TIME.pattern}$", examples=["02:30"]),
            "timezone": zone,
            "days": listed(word(schedule.DAYS), "Every day, when left out.", minItems=1, uniqueItems=True),
        },
        ["time", "timezone"],
    )
    at = of("string", "A time with an offset, or a local one with a `timezone`.", examples=["2026-01-31T10:30"])
    one_shot = shape(schedule.ONE_SHOT_MEMBERS, {"at": at, "timezone": zone}, ["at"])
    return {
        "description": "Of a periodic export: when it runs. Of a one-shot: its time, or left out for at once.",
        "anyOf": [periodic, one_shot],
    }


_MEMBERS_OF_DEFINITION = {
    "name": line(MAX_TEXT),
    "entity": of("string", "Name of the entity; you need the right `export` on it."),
    "type": word(
        ExportType,
        "`CUSTOM` and `INCREMENTAL_CUSTOM` are defined by the group backoffice.",
        default="ONE_SHOT",
    ),
    "fields": listed(of("string"), "All in schema order, when left out.", minItems=1, uniqueItems=True),
    "filter": listed(ref("Condition"), "Conditions that must all hold.", maxItems=filter.MAX_CONDITIONS),
    "format": word(FORMATS, default=parse.DEFAULT_FORMAT),
    "dialect": of(
        "object",
        "A Table Dialect, as far as a writer of CSV follows one: delimiter, quoteChar, lineTerminator, header.",
        properties={
            name: DIALECT[name] for name in ("delimiter", "quoteChar", "lineTerminator", "header", "doubleQuote")
        },
    ),
    "compression": word(Compression, default="none"),
    "fileName": line(
        parse.MAX_FILE_NAME_BYTES,
        "With date patterns of yyyy, MM, dd, HH, mm, ss after a `$`. When left out: `{entity}_$yyyyMMdd.{format}`.",
    ),
    "schedule": ref("Schedule"),
    "destination": ref("Destination"),
    "recipients": listed(of("string", format="email"), "Who gets the report.", maxItems=report.MAX_RECIPIENTS),
    "escapeFormulas": of("boolean", "Prefix `'` to cells that a spreadsheet would run.", default=True),
    "includeDeleted": of(
        "boolean", "Incremental exports: deletions are rows too, in a column `_deleted`.", default=False
    ),
}


def _definition() -> dict[str, Schema]:
    """The members of a definition as it is shown: defaults filled in."""
    shown = {name: dict(member) for name, member in _MEMBERS_OF_DEFINITION.items()}
    for name in ("fields", "schedule"):
        shown[name] = or_null(shown[name])
    return shown


def _export() -> Schema:
    last_run = given(
        {
            "jobId": ident(),
            "status": word(Status),
            "outcome": or_null(word(Outcome)),
            "startedAt": or_null(moment()),
            "completedAt": or_null(moment()),
            "durationSeconds": or_null(of("number", minimum=0)),
            "fileName": of("string"),
            "numberOfItems": or_null(of("integer", minimum=0)),
            "windowFrom": or_null(moment()),
            "windowTo": or_null(moment()),
            "error": JOB_ERROR,
        }
    )
    actions = dict.fromkeys(action for allowed in definition.ALLOWED_ACTIONS.values() for action in allowed)
    hidden_of_custom = set(_MEMBERS_OF_DEFINITION) - {"name", "entity", "type"}
    return given(
        {
            "exportId": ident(),
            **_definition(),
            "status": word(ExportStatus),
            "version": of("integer", "Counts the edits.", minimum=1),
            "createdAt": moment(),
            "createdBy": of("string"),
            "allowedActions": listed(word(actions)),
            "jobId": or_null(ident("The latest run.")),
            "isRunning": of("boolean"),
            "nextRunAt": or_null(moment()),
            "windowEnd": or_null(moment("Where the last delivered window ended.")),
            "lastRun": or_null(last_run | {"description": "A summary that outlives its job."}),
            "message": or_null(of("string", "Why the export paused itself.")),
        },
        optional=hidden_of_custom,  # of a custom flow, for those outside the back office
    )


def schemas() -> dict[str, Schema]:
    return {
        "Condition": taken(
            filter.MEMBERS,
            {
                "field": of("string"),
                "op": word(filter.OPS),
                "value": {"description": f"One value; `in` a list of up to {filter.MAX_VALUES}, `between` of two."},
            },
            ["field", "op", "value"],  # never wrapped with null; `empty` needs no value
        )
        | {"required": ["field", "op"]},
        "Schedule": _schedule(shown),
        "Destination": _destination(shown),
        "ScheduleRequest": _schedule(taken),
        "DestinationRequest": _destination(taken),
        "ExportRequest": taken(
            parse.MEMBERS,
            _MEMBERS_OF_DEFINITION | {"schedule": ref("ScheduleRequest"), "destination": ref("DestinationRequest")},
            ["name", "entity"],
            examples=[NIGHTLY],
        ),
        "ExportWithDefinition": given(
            {"exportId": ident(), "version": of("integer", minimum=1), **_definition()},
            members={"exportId", "version", *parse.MEMBERS},
        ),
        "Export": _export(),
        "ExportPage": page_of(ref("Export")),
        "ScheduleToPreview": taken(
            PREVIEW_MEMBERS, {"type": _MEMBERS_OF_DEFINITION["type"], "schedule": ref("ScheduleRequest")}
        ),
        "DestinationToTest": taken(
            TEST_MEMBERS,
            {
                "entity": _MEMBERS_OF_DEFINITION["entity"],
                "destination": {"description": "Where files are delivered.", "anyOf": _destinations(taken, DELIVERED)},
            },
            ["entity", "destination"],
        ),
        "DestinationTest": given(
            {
                "ok": of("boolean", "Whether a file can be delivered there."),
                "code": or_null(word(DeliveryFailed.REASONS, "Why not: the reason that a run would fail for.")),
                "detail": of("string", "What was done, or what to mend."),
            }
        ),
        "Copy": taken({"name"}, {"name": line(MAX_TEXT)}, ["name"], examples=[{"name": "Another"}]),
        "Unscheduling": taken(
            {"confirm"},
            {
                "confirm": of(
                    "boolean", "Needed for INCREMENTAL_CUSTOM, which becomes a standard export for good.", default=False
                )
            },
            examples=[{"confirm": True}],
        ),
        "RunTimes": page_of(moment()),
    }
