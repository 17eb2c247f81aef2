"""JSON Schemas (2020-12) of what requests and answers hold.

A request's schema never refuses what the API takes; the API may refuse more, since some rules need the entity. Members
that are null count as left out, so optional ones may be null.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from routes.exports import PREVIEW_MEMBERS, TEST_MEMBERS
from routes.imports import IMPORT_MEMBERS, LOOK_MEMBERS, MAX_ERRORS, MAX_FILE_NAME, UPLOAD_MEMBERS
from routes.jobs import MAX_DELETED
from waybill.entities import model
from waybill.entities.fieldtypes import TYPES
from waybill.entities.schema import FIELDS_MATCH, MAX_FIELDS
from waybill.errors import DeliveryFailed, JobFailed, WaybillError
from waybill.exports import definition, filter, parse, report, schedule
from waybill.exports.definition import Compression, ExportStatus, ExportType, Format
from waybill.exports.remote import destination
from waybill.imports.policy import MODES, ON_ERROR
from waybill.imports.preview import SHOWN_ROWS
from waybill.jobs.model import Outcome, Process, Status
from waybill.tabular import dialect
from web import ID_PATTERN

Schema = dict[str, Any]

LINE_PATTERN = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u2028\\u2029]*$"
MOMENT = "2026-01-31T09:30:00.000Z"
JOB_ID = "2587c81c-b9fc-4873-ae2f-421b292d2c2b"

CONTACTS: Schema = {
    "title": "Contacts",
    "database": "crm",
    "dataType": "profile",
    "schema": {
        "fields": [
            {"name": "contact_id", "type": "string", "constraints": {"required": True, "maxLength": 40}},
            {"name": "email", "type": "string", "format": "email"},
            {"name": "spend", "type": "number", "constraints": {"minimum": 0}},
            {"name": "joined", "type": "date"},
            {"name": "vip", "type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]},
        ],
        "primaryKey": ["contact_id"],
        "missingValues": ["", "NA"],
        "fieldsMatch": "subset",
    },
    "dialect": {"delimiter": ";"},
    "encoding": "utf-8",
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops", "sales"]},
    "columns": {"E-mail": "email"},
    "refuseDuplicates": False,
}
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


# Building blocks


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def of(kind: str, description: str = "", **keywords: Any) -> Schema:
    return {"type": kind, **({"description": description} if description else {}), **keywords}


def line(longest: int, description: str = "", **keywords: Any) -> Schema:
    """One line of text (`waybill.entities.model.is_line`)."""
    return of("string", description, minLength=1, maxLength=longest, pattern=LINE_PATTERN, **keywords)


def word(words: Iterable[str], description: str = "", **keywords: Any) -> Schema:
    return of("string", description, enum=[str(each) for each in words], **keywords)


def ident(description: str = "") -> Schema:
    return of("string", description, format="uuid", pattern=f"^{ID_PATTERN.pattern}$")


def moment(description: str = "") -> Schema:
    return of("string", description, format="date-time")


def listed(items: Schema, description: str = "", **keywords: Any) -> Schema:
    return of("array", description, items=items, **keywords)


def or_null(schema: Schema) -> Schema:
    if "$ref" in schema or "anyOf" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def taken(
    members: Collection[str], properties: dict[str, Schema], required: Collection[str] = (), **more: Any
) -> Schema:
    """The object that a request holds.

    Args:
        members: what the code that reads the request knows.

    Raises:
        ValueError: `properties` are not those members.
    """
    _check(members, properties)
    return {
        "type": "object",
        "properties": {name: one if name in required else or_null(one) for name, one in properties.items()},
        **({"required": [name for name in properties if name in required]} if required else {}),
        "additionalProperties": False,
        **more,
    }


def given(
    properties: dict[str, Schema], optional: Collection[str] = (), members: Collection[str] | None = None
) -> Schema:
    """The object that an answer holds; later versions may add members."""
    if members is not None:
        _check(members, properties)
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def shown(members: Collection[str], properties: dict[str, Schema], required: Collection[str] = ()) -> Schema:
    """What a request held, as an answer holds it: members that were left out are left out, none is null."""
    return given(properties, set(properties) - set(required), members)


Shape = Callable[[Collection[str], dict[str, Schema], Collection[str]], Schema]  # `taken` or `shown`


def _check(members: Collection[str], properties: Collection[str]) -> None:
    if set(members) != set(properties):
        raise ValueError(f"described and served members differ: {sorted(set(members) ^ set(properties))}")


def page_of(items: Schema, **more: Schema) -> Schema:
    next_token = or_null(of("string", "Give it as `nextToken` to go on; null on the last page."))
    return given({"items": listed(items), "nextToken": next_token, **more})


def subclasses(error: type[WaybillError]) -> list[type[WaybillError]]:
    return [kind for child in error.__subclasses__() for kind in (child, *subclasses(child))]


def problem_codes() -> list[type[WaybillError]]:
    """The errors that a caller can be shown as problem documents, by status."""
    own = [kind for kind in subclasses(WaybillError) if "code" in vars(kind)]
    shown = [kind for kind in own if kind not in (JobFailed, DeliveryFailed)]
    return sorted([WaybillError, *shown], key=lambda kind: kind.status)


# Entities

_CHARACTER = of("string", minLength=1, maxLength=1)
_ROW = of("integer", minimum=1)
_DIALECT: dict[str, Schema] = {
    "delimiter": _CHARACTER,
    "lineTerminator": word(["\n", "\r\n", "\r"]),
    "quoteChar": of("string", maxLength=1),
    "escapeChar": _CHARACTER,
    "doubleQuote": of("boolean"),
    "skipInitialSpace": of("boolean"),
    "header": of("boolean"),
    "headerRows": listed(_ROW, minItems=1),
    "headerJoin": of("string"),
    "commentRows": listed(_ROW),
    "commentChar": of("string", minLength=1),
    "nullSequence": of("string"),
    "sheetName": of("string", minLength=1),
    "sheetNumber": _ROW,
}
_ENCODING = of("string", "A text encoding that Python knows; detected when left out.", examples=["utf-8", "cp1252"])
_COLUMNS = of(
    "object",
    "Header names of files, and the fields that they mean; applied before the header is checked.",
    additionalProperties=of("string"),
)
_NAME = of("string", pattern=f"^{model.NAME_PATTERN.pattern}$", examples=["contacts"])
_GROUPS = listed(line(model.MAX_TEXT), "Names of groups.")

_OF_FIELD = {"description": "A value of the field's type."}
_FIELD = of(
    "object",
    "A field descriptor of Table Schema; properties that the standard does not know are kept.",
    properties={
        "name": of("string", minLength=1, maxLength=255),
        "type": word(TYPES, default="any"),
        "format": of("string", default="default"),
        "title": of("string"),
        "description": of("string"),
        "trueValues": {"description": "Of type `boolean`: a list of texts."},
        "falseValues": {"description": "Of type `boolean`: a list of texts."},
        "constraints": of(
            "object",
            "`required`, `unique`, `minLength`, `maxLength`, `minimum`, `maximum`, `exclusiveMinimum`, "
            "`exclusiveMaximum`, `pattern` (a linear-time regular expression), `enum`, `jsonSchema`.",
            properties={
                "required": of("boolean"),
                "unique": of("boolean"),
                "minLength": of("integer", minimum=0),
                "maxLength": of("integer", minimum=0),
                **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _OF_FIELD),
                "pattern": of("string"),
                "enum": listed({}, minItems=1),
            },
        ),
    },
    required=["name"],
)
_TABLE_SCHEMA = of(
    "object",
    "A Table Schema (Data Package v2, https://datapackage.org/standard/table-schema/). `foreignKeys` are refused; "
    "properties that the standard does not know are kept.",
    properties={
        "fields": listed(_FIELD, minItems=1, maxItems=MAX_FIELDS),
        "primaryKey": {"anyOf": [of("string"), listed(of("string"))]},
        "uniqueKeys": listed({"anyOf": [of("string"), listed(of("string"))]}, minItems=1),
        "missingValues": {
            "anyOf": [
                listed(of("string")),
                listed(of("object", properties={"value": of("string"), "label": of("string")}, required=["value"])),
            ],
            "default": [""],
        },
        "fieldsMatch": {"anyOf": [word(FIELDS_MATCH), listed(word(FIELDS_MATCH))], "default": "exact"},
    },
    required=["fields"],
)
_PERMISSIONS = "Groups by right. Without it only the group admin has any."
_TARGET = "An existing DynamoDB table that holds the records instead of Waybill's own."


def _entity_request() -> Schema:
    return taken(
        model.MEMBERS,
        {
            "name": of("string", "That of the path, or left out."),
            "title": line(model.MAX_TEXT, "The name, when left out."),
            "database": line(model.MAX_TEXT),
            "dataType": word(model.DataType, default="profile"),
            "schema": ref("TableSchema"),
            "dialect": ref("TableDialect"),
            "encoding": _ENCODING,
            "permissions": taken(
                set(model.Right), {str(right): _GROUPS for right in model.Right}, description=_PERMISSIONS
            ),
            "columns": _COLUMNS,
            "refuseDuplicates": of(
                "boolean", "A file whose content was imported before fails as `duplicate-file`.", default=False
            ),
            "target": taken(
                model.TARGET_MEMBERS,
                {"table": of("string"), "modifiedAttribute": of("string", minLength=1, maxLength=model.MAX_TEXT)},
                ["table"],
                description=_TARGET,
            ),
        },
        ["schema"],
        examples=[CONTACTS],
    )


def _entity() -> Schema:
    return given(
        {
            "name": _NAME,
            "title": of("string"),
            "database": or_null(of("string")),
            "dataType": word(model.DataType),
            "schema": ref("TableSchema"),
            "dialect": or_null(ref("TableDialect")),
            "encoding": or_null(_ENCODING),
            "permissions": given({str(right): _GROUPS for right in model.Right}),
            "columns": _COLUMNS,
            "refuseDuplicates": of("boolean"),
            "target": or_null(
                of(
                    "object",
                    _TARGET,
                    properties={"table": of("string"), "modifiedAttribute": or_null(of("string"))},
                    required=["table", "modifiedAttribute"],
                )
            ),
        },
        members=model.MEMBERS,
    )


# Imports and jobs


def _preview_request() -> Schema:
    properties = _import_request()["properties"]
    return {
        "type": "object",
        "properties": {name: properties[name] for name in properties if name in LOOK_MEMBERS},
        "additionalProperties": False,
        "examples": [{"dialect": {"sheetName": "March"}, "columns": {"E-mail": "email"}}],
    }


def _import_preview() -> Schema:
    number = or_null(of("integer", "Columns of the file count from 1.", minimum=1))
    error = given(
        {
            "fieldNumber": number,
            "fieldName": or_null(of("string")),
            "type": of("string", examples=["type-error"]),
            "message": of("string"),
        }
    )
    return given(
        {
            "detected": or_null(of("object", "As in the job; null where the file cannot be read.")),
            "sheets": or_null(listed(of("string"), "Of a workbook; one is chosen by `dialect.sheetName`.")),
            "labels": listed(of("string"), "The header."),
            "fields": listed(or_null(of("string")), "The field that each label stands for."),
            "rows": listed(
                given(
                    {
                        "rowNumber": of("integer", minimum=1),
                        "cells": listed(of("string"), "As the import reads them; long ones end in \u2026."),
                        "errors": listed(error, "Only where the header fits."),
                    }
                ),
                maxItems=SHOWN_ROWS,
            ),
            "headerErrors": listed(error, "All that is wrong with the header."),
            "error": or_null(
                given(
                    {
                        "code": of("string", examples=["missing-label"]),
                        "message": or_null(of("string")),
                        "rowNumber": or_null(of("integer", minimum=1)),
                    }
                )
                | {"description": "Why the import would fail before its first row."}
            ),
            "isWhole": of("boolean", "There is no more of the file than what was looked at."),
        }
    )


def _import_request() -> Schema:
    return taken(
        IMPORT_MEMBERS,
        {
            "uploadId": ident("What `POST /v1/uploads` answered."),
            "mode": word(
                MODES,
                "`upsert` and `insert` write the whole record, `update` the file's columns only; `delete` needs only "
                "the key.",
                default="upsert",
            ),
            "onError": word(
                ON_ERROR,
                "What a row that is rejected does to the import: nothing, stop it after `maxErrors`, or fail it before "
                "anything is written.",
                default="skip",
            ),
            "maxErrors": of(
                "integer", "For `abort`: rejected rows after which it stops.", minimum=1, maximum=MAX_ERRORS, default=1
            ),
            "dryRun": of("boolean", "Check everything, write nothing.", default=False),
            "encoding": _ENCODING,
            "dialect": ref("TableDialect"),
            "columns": _COLUMNS,
            "unescapeFormulas": of(
                "boolean", "Take one leading `'` off cells that an export's formula guard prefixed.", default=False
            ),
        },
        ["uploadId"],
        examples=[{"uploadId": JOB_ID, "mode": "upsert", "onError": "skip", "dryRun": False}],
    )


_COUNTS = given(
    {
        "total": or_null(of("integer", "Rows of the file; null until known.", minimum=0)),
        "processed": of("integer", "Rows handled so far; never falls.", minimum=0),
        "imported": of("integer", "In a dry run: would be imported. For exports: rows written.", minimum=0),
        "rejected": of("integer", minimum=0),
        "unprocessed": of("integer", "0 until the end.", minimum=0),
    }
)
_JOB_ERROR = or_null(
    of(
        "object",
        "Why a job FAILED; `code` is one of those on the page of errors.",
        properties={"code": of("string", examples=["empty-file"]), "message": or_null(of("string"))},
        required=["code", "message"],
    )
)
_ENTITY_SHOWN = of("string", "`(No permission)` when you may no longer view it or add to it.")
_STATUS = word(Status, "WAITING → IN_PROGRESS → COMPLETED or FAILED; WAITING → CANCELED.")


def _detected() -> Schema:
    return given(
        {
            "encoding": or_null(of("string", "null: of a workbook.")),
            "bom": of("boolean", "Whether it begins with a byte order mark."),
            "delimiter": or_null(of("string", "null: not of a text with delimiters.")),
            "headerRow": or_null(of("integer", "null: it has none.", minimum=1)),
            "format": of("string", "Unless it is a text with delimiters.", examples=["xlsx", "jsonl"]),
            "sheet": of("string", "Of a workbook."),
            "compression": of("string", "Of a compressed file.", examples=["gzip"]),
        },
        optional=["format", "sheet", "compression"],
    ) | {
        "description": "What was found out about the file.",
        "examples": [{"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1}],
    }


def _job() -> Schema:
    link = or_null(of("string", format="uri"))
    return given(
        {
            "jobId": ident(),
            "process": word(Process),
            "status": _STATUS,
            "outcome": or_null(word(Outcome, "Of a job that has ended; null of a canceled one.")),
            "entity": _ENTITY_SHOWN,
            "fileName": of("string"),
            "submittedAt": moment(),
            "startedAt": or_null(moment()),
            "completedAt": or_null(moment()),
            "durationSeconds": or_null(of("number", minimum=0)),
            "startedBy": of("string", examples=["alice", "s3:123456789012"]),
            "counts": _COUNTS,
            "numberOfItems": or_null(of("integer", "As `counts.total`.", minimum=0)),
            "message": of("string", examples=["1,200 of 34,033 rows processed"]),
            "error": _JOB_ERROR,
            "allowedActions": listed(word(["cancel", "stop", "delete"])),
            "mode": word(MODES),
            "dryRun": of("boolean"),
            "onError": word(ON_ERROR),
            "detected": or_null(_detected()),
            "rowsPerSecond": or_null(of("number", minimum=0)),
            "remainingSeconds": or_null(of("integer", minimum=0)),
            "queuePosition": or_null(of("integer", "1 is the next one into this entity.", minimum=1)),
            "stopReason": or_null(word(["USER", "MAX_ERRORS"])),
            "duplicateOf": or_null(of("string", "An earlier job that imported the same content.")),
            "exportId": or_null(ident()),
            "windowFrom": or_null(moment("Of an incremental export; null: everything before `windowTo`.")),
            "windowTo": or_null(moment()),
            "retryOf": or_null(ident("The job that this one relaunches.")),
            "expiresAt": or_null(moment("When the job is gone; null while it runs.")),
            "filesExpireAt": or_null(moment()),
            "heartbeatAt": or_null(moment("When a worker last reported progress.")),
            "links": given({"errorLog": link, "rejects": link, "download": link}),
        }
    ) | {
        "examples": [
            {
                "jobId": JOB_ID,
                "process": "import",
                "status": "IN_PROGRESS",
                "outcome": None,
                "entity": "contacts",
                "fileName": "contacts.csv",
                "submittedAt": MOMENT,
                "startedAt": "2026-01-31T09:30:01.000Z",
                "completedAt": None,
                "durationSeconds": None,
                "startedBy": "alice",
                "counts": {"total": 34033, "processed": 1200, "imported": 1180, "rejected": 20, "unprocessed": 0},
                "numberOfItems": 34033,
                "message": "1,200 of 34,033 rows processed",
                "error": None,
                "allowedActions": ["stop"],
                "mode": "upsert",
                "dryRun": False,
                "onError": "skip",
                "detected": {"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
                "rowsPerSecond": 5400,
                "remainingSeconds": 6,
                "queuePosition": None,
                "stopReason": None,
                "duplicateOf": None,
                "exportId": None,
                "windowFrom": None,
                "windowTo": None,
                "retryOf": None,
                "expiresAt": None,
                "filesExpireAt": None,
                "heartbeatAt": "2026-01-31T09:30:01.200Z",
                "links": {"errorLog": None, "rejects": None, "download": None},
            }
        ]
    }


def _report() -> Schema:
    place = of(
        "object",
        "Where the file is.",
        properties={"kind": word(parse.DESTINATION_KINDS), "location": or_null(of("string"))},
        required=["kind", "location"],
    )
    return given(
        {
            "jobId": ident(),
            "exportId": or_null(ident()),
            "name": or_null(of("string", "Of the export.")),
            "entity": _ENTITY_SHOWN,
            "process": word(Process),
            "status": word(Status),
            "outcome": or_null(word(Outcome)),
            "startedAt": or_null(moment()),
            "completedAt": or_null(moment()),
            "durationSeconds": or_null(of("number", minimum=0)),
            "startedBy": of("string"),
            "fileName": of("string"),
            "numberOfItems": or_null(of("integer", minimum=0)),
            "counts": _COUNTS,
            "windowFrom": or_null(moment()),
            "windowTo": or_null(moment()),
            "delivered": or_null(place),
            "bytes": or_null(of("integer", minimum=0)),
            "sha256": or_null(of("string")),
            "error": _JOB_ERROR,
            "relaunchable": of("boolean", "Whether `POST /v1/jobs/{job_id}/relaunch` can help."),
            "definition": ref("ExportWithDefinition"),
        },
        optional=["definition"],
    )


# Exports


def _destinations(shape: Shape) -> list[Schema]:
    limits = destination.MAX_DIRECTORY, destination.MAX_SECRET_ID, destination.MAX_CERTIFICATES
    directory, secret, certificates = limits
    server = {
        "host": of("string", maxLength=255),
        "port": of("integer", minimum=1, maximum=65_535),
        "directory": line(directory),
        "secretId": line(secret, "The secret in Secrets Manager that holds user name and password or key."),
    }
    needed = ["kind", "host", "directory", "secretId"]
    prefix = of("string", maxLength=parse.MAX_PREFIX_BYTES)
    bucket = of("string", "The transfer box, when left out.")
    by_kind = {
        "download": shape({"kind"}, {"kind": _kind("download")}, ["kind"]),
        "s3": shape(parse.S3_MEMBERS, {"kind": _kind("s3"), "bucket": bucket, "prefix": prefix}, ["kind"]),
        "sftp": shape(
            destination.MEMBERS["sftp"],
            {
                "kind": _kind("sftp"),
                **server,
                "hostKey": line(16_384, "The server's public key, or its fingerprint `SHA256:…`."),
            },
            [*needed, "hostKey"],
        ),
        "ftps": shape(
            destination.MEMBERS["ftps"],
            {
                "kind": _kind("ftps"),
                **server,
                "caCertificate": of("string", "Certificates in PEM.", maxLength=certificates),
            },
            needed,
        ),
    }
    if tuple(by_kind) != parse.DESTINATION_KINDS:
        raise ValueError("described and served kinds of destination differ")
    return list(by_kind.values())


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
    "name": line(model.MAX_TEXT),
    "entity": of("string", "Name of the entity; you need the right `export` on it."),
    "type": word(
        ExportType,
        "`CUSTOM` and `INCREMENTAL_CUSTOM` are defined by the group backoffice.",
        default="ONE_SHOT",
    ),
    "fields": listed(of("string"), "All in schema order, when left out.", minItems=1, uniqueItems=True),
    "filter": listed(ref("Condition"), "Conditions that must all hold.", maxItems=filter.MAX_CONDITIONS),
    "format": word(Format, default="csv"),
    "dialect": of(
        "object",
        "A Table Dialect, as far as a writer of CSV follows one: delimiter, quoteChar, lineTerminator, header.",
        properties={
            name: _DIALECT[name] for name in ("delimiter", "quoteChar", "lineTerminator", "header", "doubleQuote")
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
            "error": _JOB_ERROR,
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


# Everything


def components() -> dict[str, Schema]:
    """The named schemas."""
    uri = of("string", format="uri")
    return {
        "Problem": given(
            {
                "type": word(
                    [f"urn:waybill:problem:{kind.code}" for kind in problem_codes()],
                    "What went wrong: a stable name, explained on `/v1/docs`.",
                ),
                "title": of("string", "The type in words."),
                "status": of("integer", minimum=400, maximum=599),
                "detail": of("string", "What happened this time, one sentence."),
                "instance": of("string", "Path of the request."),
                "errors": listed(
                    given({"pointer": of("string", examples=["#/schema/fields/0/type"]), "detail": of("string")}),
                    "One for each wrong member: where it stands (a JSON Pointer as a URI fragment), and what is wrong.",
                ),
                "allowedActions": listed(of("string"), "409: what the state allows instead."),
            },
            optional=["errors", "allowedActions"],
        )
        | {
            "description": "A problem document (RFC 9457).",
            "examples": [
                {
                    "type": "urn:waybill:problem:invalid-request",
                    "title": "The request breaks a rule",
                    "status": 422,
                    "detail": "The import breaks a rule.",
                    "instance": "/v1/imports",
                    "errors": [{"pointer": "#/mode", "detail": "must be one of upsert, insert, update, delete"}],
                }
            ],
        },
        "Health": given({"status": of("string", const="ok")}),
        "AuthConfig": given(
            {"issuer": of("string"), "clientId": of("string"), "region": of("string"), "endpoint": or_null(uri)}
        ),
        "Me": given({"name": of("string"), "subject": of("string"), "groups": listed(of("string"))}),
        "TableSchema": _TABLE_SCHEMA,
        "TableDialect": of(
            "object",
            "A Table Dialect (https://datapackage.org/standard/table-dialect/); properties that the standard does not "
            "know are kept.",
            properties={name: or_null(_DIALECT[name]) for name in _same(dialect.MEMBERS, _DIALECT)},
        ),
        "EntityRequest": _entity_request(),
        "Entity": _entity(),
        "EntityPage": page_of(ref("Entity")),
        "RecordPage": page_of(of("object", "Field → value; null where the record has none.", additionalProperties={})),
        "UploadRequest": taken(
            UPLOAD_MEMBERS,
            {"entity": of("string"), "fileName": line(MAX_FILE_NAME, "For display.")},
            ["entity", "fileName"],
            examples=[{"entity": "contacts", "fileName": "contacts.csv"}],
        ),
        "Upload": given(
            {
                "uploadId": ident("For `POST /v1/imports`."),
                "url": uri | {"description": "Where to send the form (multipart/form-data)."},
                "fields": of("object", "Its fields; the file follows as `file`.", additionalProperties=of("string")),
                "expiresAt": moment("Until when the form can be sent."),
            }
        ),
        "PreviewRequest": _preview_request(),
        "ImportPreview": _import_preview(),
        "ImportRequest": _import_request(),
        "Job": _job(),
        "JobPage": page_of(ref("Job")),
        "JobsToDelete": taken(
            {"jobIds"},
            {"jobIds": listed(of("string"), minItems=1, maxItems=MAX_DELETED)},
            ["jobIds"],
            examples=[{"jobIds": [JOB_ID]}],
        ),
        "Deletion": given(
            {
                "deleted": listed(of("string")),
                "failed": listed(
                    given({"jobId": of("string"), "status": of("integer"), "detail": of("string")}),
                ),
            }
        ),
        "RowErrorPage": page_of(
            given(
                {
                    "rowNumber": or_null(of("integer", "The header is row 1.", minimum=1)),
                    "fieldNumber": or_null(of("integer", minimum=1)),
                    "fieldName": or_null(of("string")),
                    "type": of("string", examples=["type-error"]),
                    "cell": of("string"),
                    "message": of("string"),
                }
            ),
            summary=listed(
                given(
                    {
                        "type": of("string"),
                        "fieldName": or_null(of("string")),
                        "count": of("integer", minimum=1),
                        "sample": or_null(of("string")),
                    }
                ),
                "Errors of the whole job by type and field.",
            ),
        ),
        "Report": _report(),
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
                "destination": {"description": "Where files are delivered.", "anyOf": _destinations(taken)[1:]},
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
        "Copy": taken({"name"}, {"name": line(model.MAX_TEXT)}, ["name"], examples=[{"name": "Another"}]),
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
        "Link": given({"url": uri}),
        "ZilliantImport": given({"importId": ident()}),
        "ZilliantStatus": given(
            {
                "status": word(["RUNNING", "SUCCEEDED", "FAILED"]),
                "startDate": moment(),
                "stopDate": moment("Only once the import has ended."),
                "clientErrorCallingService": of("boolean", "It FAILED for a cause in the request or the file."),
                "entityImportId": ident(),
            },
            optional=["stopDate"],
        )
        | {
            "examples": [
                {
                    "status": "SUCCEEDED",
                    "startDate": "2021-09-28T13:09:25Z",
                    "stopDate": "2021-09-28T13:16:06Z",
                    "clientErrorCallingService": False,
                    "entityImportId": JOB_ID,
                }
            ]
        },
    }


def _same(members: Collection[str], properties: dict[str, Schema]) -> dict[str, Schema]:
    _check(members, properties)
    return properties
