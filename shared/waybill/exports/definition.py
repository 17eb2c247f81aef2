"""An export: its definition, its statuses, and what each of them allows (contract, section 7). Pure.

DRAFT ─activate→ SCHEDULED (periodic, or a one-shot with a future time) ─unschedule→ DRAFT
  └────activate→ IN_PROGRESS ──→ FINISHED (one-shot, also when its run failed)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from waybill.entities.model import Entity, Problems, boolean, is_line, refuse_unknown, text
from waybill.errors import Conflict, InvalidRequest
from waybill.jobs.model import Job, rfc3339

_Word = TypeVar("_Word", bound=StrEnum)


class ExportType(StrEnum):
    ONE_SHOT = "ONE_SHOT"
    PERIODIC_FULL = "PERIODIC_FULL"
    INCREMENTAL = "INCREMENTAL"
    CUSTOM = "CUSTOM"
    INCREMENTAL_CUSTOM = "INCREMENTAL_CUSTOM"


class ExportStatus(StrEnum):
    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"


class Compression(StrEnum):
    NONE = "none"
    GZIP = "gzip"
    ZIP = "zip"


# In the words of the API's paths, where there is one.
ALLOWED_ACTIONS: dict[ExportStatus, tuple[str, ...]] = {
    ExportStatus.DRAFT: ("edit", "delete", "copy", "activate"),
    ExportStatus.SCHEDULED: ("unschedule", "run", "copy", "definition"),
    ExportStatus.IN_PROGRESS: ("definition",),
    ExportStatus.FINISHED: ("copy", "definition"),
}

# What runs to its end so far. Everything else that the contract names is refused by `_refuse_unsupported`.
_SUPPORTED_TYPES = frozenset({ExportType.ONE_SHOT})
_SUPPORTED_FORMATS = frozenset({Format.CSV})
_SUPPORTED_COMPRESSIONS = frozenset({Compression.NONE})
_DESTINATION_KINDS = ("download", "s3", "sftp", "ftps")
_SUPPORTED_DESTINATIONS = frozenset({"download"})

_EXTENSIONS = {Compression.NONE: "", Compression.GZIP: ".gz", Compression.ZIP: ".zip"}
_DATE_UNITS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_DATE_PATTERN = re.compile(r"\$((?:yyyy|MM|dd|HH|mm|ss)+)")
_UNIT = re.compile("|".join(_DATE_UNITS))
_MAX_FILE_NAME = 200


@dataclass(frozen=True)
class Definition:
    """What to extract and how to write it; every default is filled in, but `fields` None means all in schema order."""

    name: str
    entity: str
    type: ExportType
    fields: tuple[str, ...] | None
    filter: tuple[dict[str, Any], ...]
    format: Format
    dialect: dict[str, Any]
    compression: Compression
    file_name: str
    schedule: dict[str, Any] | None
    destination: dict[str, Any]
    recipients: tuple[str, ...]
    escape_formulas: bool
    include_deleted: bool

    @property
    def delimiter(self) -> str:
        return str(self.dialect.get("delimiter", ","))

    @property
    def quote_char(self) -> str:
        return str(self.dialect.get("quoteChar", '"'))

    @property
    def line_terminator(self) -> str:
        """CRLF unless asked otherwise (RFC 4180 and Table Dialect agree)."""
        return str(self.dialect.get("lineTerminator", "\r\n"))

    @property
    def header(self) -> bool:
        return bool(self.dialect.get("header", True))

    def file_name_at(self, moment: datetime) -> str:
        """The file name with its date patterns replaced by `moment`, in the time zone that it carries."""
        return _DATE_PATTERN.sub(
            lambda found: _UNIT.sub(lambda unit: moment.strftime(_DATE_UNITS[unit[0]]), found[1]), self.file_name
        )

    def to_document(self) -> dict[str, Any]:
        """The members of the contract's definition, as JSON values."""
        return {
            "name": self.name,
            "entity": self.entity,
            "type": self.type.value,
            "fields": None if self.fields is None else list(self.fields),
            "filter": list(self.filter),
            "format": self.format.value,
            "dialect": self.dialect,
            "compression": self.compression.value,
            "fileName": self.file_name,
            "schedule": self.schedule,
            "destination": self.destination,
            "recipients": list(self.recipients),
            "escapeFormulas": self.escape_formulas,
            "includeDeleted": self.include_deleted,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Definition:
        fields = document["fields"]
        return cls(
            name=document["name"],
            entity=document["entity"],
            type=ExportType(document["type"]),
            fields=None if fields is None else tuple(fields),
            filter=tuple(document["filter"]),
            format=Format(document["format"]),
            dialect=document["dialect"],
            compression=Compression(document["compression"]),
            file_name=document["fileName"],
            schedule=document["schedule"],
            destination=document["destination"],
            recipients=tuple(document["recipients"]),
            escape_formulas=document["escapeFormulas"],
            include_deleted=document["includeDeleted"],
        )


@dataclass(frozen=True)
class Export:
    """A definition and where it stands. `last_run` is a summary that outlives its job; `job_id` the last run's job."""

    export_id: str
    definition: Definition
    entity_uid: str
    status: ExportStatus
    created_at: datetime
    created_by: str
    created_by_id: str
    job_id: str | None = None
    last_run: dict[str, Any] | None = None

    def allowed_actions(self) -> list[str]:
        return list(ALLOWED_ACTIONS[self.status])

    def check_allows(self, action: str) -> None:
        """Raise Conflict, with what is allowed, unless the status allows the action."""
        if action not in ALLOWED_ACTIONS[self.status]:
            raise self.conflict(action)

    def conflict(self, action: str) -> Conflict:
        return Conflict(f"An export that is {self.status} does not allow {action}.", self.allowed_actions())

    def to_resource(self) -> dict[str, Any]:
        """The export as the API shows it."""
        return {
            "exportId": self.export_id,
            **self.definition.to_document(),
            "status": self.status.value,
            "createdAt": rfc3339(self.created_at),
            "createdBy": self.created_by,
            "allowedActions": self.allowed_actions(),
            "jobId": self.job_id,
            "lastRun": self.last_run,
        }


def run_summary(job: Job) -> dict[str, Any]:
    """What stays of a run after its job has expired (Actito's report)."""
    started = job.started_at or job.submitted_at
    return {
        "jobId": job.job_id,
        "status": job.status.value,
        "outcome": None if job.outcome is None else job.outcome.value,
        "startedAt": rfc3339(job.started_at),
        "completedAt": rfc3339(job.completed_at),
        "durationSeconds": None if job.completed_at is None else round((job.completed_at - started).total_seconds(), 3),
        "fileName": job.file_name,
        "numberOfItems": job.counts.total,
        "error": None if job.error_code is None else {"code": job.error_code, "message": job.error_message},
    }


def parse_definition(body: object, entity: Entity | None) -> Definition:
    """The definition that the body of `POST /exports` or `PUT /exports/{id}` holds. A null member counts as left out.

    Args:
        body: the decoded JSON.
        entity: the one that `entity_name` found in the body; None when it found none.

    Raises:
        InvalidRequest: with one problem per wrong member.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("The definition of an export is a JSON object.", [("", "must be an object")])
    given = {member: value for member, value in body.items() if value is not None}
    problems: Problems = []
    refuse_unknown(given, _MEMBERS, "", problems)
    if entity is None:
        problems.append(("/entity", "is required and must be the name of an entity"))
    name = text(given, "name", problems)
    if "name" not in given:
        problems.append(("/name", "is required"))
    kind = _one_of(given, "type", ExportType.ONE_SHOT, problems)
    format = _one_of(given, "format", Format.CSV, problems)
    compression = _one_of(given, "compression", Compression.NONE, problems)
    definition = Definition(
        name=name or "",
        entity="" if entity is None else entity.name,
        type=kind,
        fields=_fields(given.get("fields"), entity, problems),
        filter=tuple(_list(given, "filter", dict, "conditions", problems)),
        format=format,
        dialect=_dialect(given.get("dialect", {}), problems),
        compression=compression,
        file_name=_file_name(
            given.get("fileName", f"{entity.name if entity else ''}_$yyyyMMdd.{format}{_EXTENSIONS[compression]}"),
            problems,
        ),
        schedule=_object(given, "schedule", problems),
        destination=_destination(given, problems),
        recipients=tuple(_list(given, "recipients", str, "e-mail addresses", problems)),
        escape_formulas=boolean(given, "escapeFormulas", True, problems),
        include_deleted=boolean(given, "includeDeleted", False, problems),
    )
    _refuse_unsupported(definition, problems)
    if problems:
        raise InvalidRequest("The definition of the export breaks a rule.", problems)
    return definition


def entity_name(body: object) -> str | None:
    """The entity that a body names, readable or not otherwise: its permissions come before its rules."""
    name = body.get("entity") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


_MEMBERS = frozenset(
    {
        "name",
        "entity",
        "type",
        "fields",
        "filter",
        "format",
        "dialect",
        "compression",
        "fileName",
        "schedule",
        "destination",
        "recipients",
        "escapeFormulas",
        "includeDeleted",
    }
)


def _refuse_unsupported(definition: Definition, problems: Problems) -> None:
    """The one list of what the contract names and no run carries out yet; a line goes when its feature comes."""
    if definition.type not in _SUPPORTED_TYPES:
        problems.append(("/type", f"{definition.type} is not supported yet"))
    if definition.format not in _SUPPORTED_FORMATS:
        problems.append(("/format", f"{definition.format} is not supported yet"))
    if definition.compression not in _SUPPORTED_COMPRESSIONS:
        problems.append(("/compression", f"{definition.compression} is not supported yet"))
    if definition.destination["kind"] not in _SUPPORTED_DESTINATIONS:
        problems.append(("/destination/kind", f"{definition.destination['kind']} is not supported yet"))
    for member, value in (
        ("filter", definition.filter),
        ("schedule", definition.schedule),
        ("recipients", definition.recipients),
        ("includeDeleted", definition.include_deleted),
    ):
        if value:
            problems.append((f"/{member}", "is not supported yet"))


def _one_of(given: Mapping[str, Any], member: str, default: _Word, problems: Problems) -> _Word:
    kind = type(default)
    try:
        return kind(given.get(member, default))
    except ValueError:
        problems.append((f"/{member}", f"must be one of {', '.join(kind)}"))
        return default


def _fields(value: object, entity: Entity | None, problems: Problems) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        problems.append(("/fields", "must be a list of at least one field name"))
        return None
    known = None if entity is None else set(entity.field_names)
    for index, name in enumerate(value):
        if known is not None and name not in known:
            problems.append((f"/fields/{index}", f"the entity has no field {name!r}"))
        elif name in value[:index]:
            problems.append((f"/fields/{index}", f"names {name!r} a second time"))
    return tuple(value)


def _list(given: Mapping[str, Any], member: str, kind: type, what: str, problems: Problems) -> list[Any]:
    value = given.get(member, [])
    if not isinstance(value, list) or not all(isinstance(element, kind) for element in value):
        problems.append((f"/{member}", f"must be a list of {what}"))
        return []
    return value


def _object(given: Mapping[str, Any], member: str, problems: Problems) -> dict[str, Any] | None:
    value = given.get(member)
    if value is not None and not isinstance(value, dict):
        problems.append((f"/{member}", "must be an object"))
        return None
    return value


def _destination(given: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    default = {"kind": "download"}
    value = _object(given, "destination", problems)
    if value is None:
        return default
    kind = value.get("kind")
    if kind not in _DESTINATION_KINDS:
        problems.append(("/destination/kind", f"must be one of {', '.join(_DESTINATION_KINDS)}"))
        return default
    if kind == "download":
        refuse_unknown(value, {"kind"}, "/destination", problems)
    return value


# Properties of a Table Dialect that say how to read a file; a writer that ignored them would not do what was asked.
_READING_PROPERTIES = (
    "headerRows",
    "headerJoin",
    "commentRows",
    "commentChar",
    "escapeChar",
    "nullSequence",
    "skipInitialSpace",
    "property",
    "itemType",
    "itemKeys",
    "sheetNumber",
    "sheetName",
    "table",
)


def _dialect(value: object, problems: Problems) -> dict[str, Any]:
    """A Table Dialect as far as a CSV writer follows one; properties outside the standard are kept."""
    if not isinstance(value, dict):
        problems.append(("/dialect", "must be an object (a Table Dialect)"))
        return {}
    characters = {"delimiter": ",", "quoteChar": '"'} | value
    for member in ("delimiter", "quoteChar"):
        character = characters[member]
        if not isinstance(character, str) or len(character) != 1 or not character.isascii() or character in "\r\n\0":
            problems.append((f"/dialect/{member}", "must be one ASCII character, not a line break"))
    if characters["delimiter"] == characters["quoteChar"]:
        problems.append(("/dialect/quoteChar", "must differ from the delimiter"))
    if value.get("lineTerminator", "\n") not in ("\n", "\r\n"):
        problems.append(("/dialect/lineTerminator", "must be CR LF or LF"))
    if not isinstance(value.get("header", True), bool):
        problems.append(("/dialect/header", "must be true or false"))
    if value.get("doubleQuote", True) is not True:
        problems.append(("/dialect/doubleQuote", "must be true: quotes are doubled"))
    problems.extend(
        (f"/dialect/{member}", "has no meaning for a written file") for member in _READING_PROPERTIES if member in value
    )
    return value


def _file_name(value: object, problems: Problems) -> str:
    if not isinstance(value, str) or not is_line(value, _MAX_FILE_NAME):
        problems.append(("/fileName", f"must be one line of 1 to {_MAX_FILE_NAME} characters"))
    elif "/" in value or "\\" in value or value in (".", ".."):
        problems.append(("/fileName", "must be a name without a path"))
    elif "$" in _DATE_PATTERN.sub("", value):
        problems.append(("/fileName", "has a $ without a date pattern of yyyy, MM, dd, HH, mm, ss"))
    else:
        return value
    return ""
