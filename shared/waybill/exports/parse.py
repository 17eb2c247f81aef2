"""What a body must be to be a definition of an export; each wrong member is named (contract, section 7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from waybill.entities.model import Entity
from waybill.entities.schema import parse_schema
from waybill.errors import InvalidRequest
from waybill.exports.compression import EXTENSIONS, Compression
from waybill.exports.definition import (
    DATE_PATTERN,
    DELETED,
    INCREMENTAL,
    PERIODIC,
    Definition,
    ExportType,
)
from waybill.exports.destinations import DELIVERED, check_destination
from waybill.exports.destinations.base import Allowed
from waybill.exports.filter import check_filter
from waybill.exports.formats import FORMATS
from waybill.exports.report import check_recipients
from waybill.exports.schedule import check_schedule
from waybill.validation import Problems, boolean, is_line, refuse_unknown, text

_Word = TypeVar("_Word", bound=StrEnum)
DEFAULT_FORMAT = "csv"
MAX_FILE_NAME_BYTES = 200


def parse_definition(body: object, entity: Entity | None, allowed: Allowed, *, sends_mail: bool = False) -> Definition:
    """The definition that the body of `POST /exports` or `PUT /exports/{id}` holds. A null member counts as left out.

    Args:
        body: the decoded JSON.
        entity: the one that `entity_name` found in the body; None when it found none.
        allowed: what the deployment lets exports be delivered to.
        sends_mail: whether the deployment can send reports.

    Raises:
        InvalidRequest: with one problem per wrong member.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("The definition of an export is a JSON object.", [("", "must be an object")])
    given = {member: value for member, value in body.items() if value is not None}
    problems: Problems = []
    refuse_unknown(given, MEMBERS, "", problems)
    if entity is None:
        problems.append(("/entity", "is required and must be the name of an entity"))
    name = text(given, "name", problems)
    if "name" not in given:
        problems.append(("/name", "is required"))
    kind = _one_of(given, "type", ExportType.ONE_SHOT, problems)
    format = given.get("format", DEFAULT_FORMAT)
    if not isinstance(format, str) or format not in FORMATS:
        problems.append(("/format", f"must be one of {', '.join(FORMATS)}"))
        format = DEFAULT_FORMAT
    compression = _one_of(given, "compression", Compression.NONE, problems)
    fields = _fields(given.get("fields"), entity, problems)
    definition = Definition(
        name=name or "",
        entity="" if entity is None else entity.name,
        type=kind,
        fields=fields,
        filter=() if entity is None else check_filter(given.get("filter", []), parse_schema(entity.schema), problems),
        format=format,
        dialect=_dialect(given.get("dialect", {}), format, problems),
        compression=compression,
        file_name=_file_name(given.get("fileName", _default_file_name(entity, format, compression)), problems),
        schedule=check_schedule(given.get("schedule"), kind, problems),
        destination=_destination(given, kind, allowed, problems),
        recipients=tuple(check_recipients(given.get("recipients", []), problems)),
        escape_formulas=boolean(given, "escapeFormulas", True, problems),
        include_deleted=boolean(given, "includeDeleted", False, problems),
    )
    if definition.recipients and not sends_mail:
        problems.append(("/recipients", "must be empty: this deployment sends no mail (parameter MailSender)"))
    if entity is not None:
        _check_changes(definition, entity, problems)
    if problems:
        raise InvalidRequest("The definition of the export breaks a rule.", problems)
    return definition


def entity_name(body: object) -> str | None:
    """The entity that a body names, readable or not otherwise: its permissions come before its rules."""
    name = body.get("entity") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


MEMBERS = frozenset(
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


def _check_changes(definition: Definition, entity: Entity, problems: Problems) -> None:
    """What an export of changes needs of its entity."""
    if definition.type in INCREMENTAL and entity.target is not None and entity.target.modified_attribute is None:
        problems.append(("/type", "an incremental export of a target table needs the entity's modifiedAttribute"))
    if not definition.include_deleted:
        return
    chosen = definition.fields or entity.field_names
    if definition.type not in INCREMENTAL:
        problems.append(("/includeDeleted", "must be false: only incremental exports have deletions"))
    elif entity.target is not None:
        problems.append(("/includeDeleted", "must be false: a target table keeps no deletions"))
    elif not entity.primary_key:
        problems.append(("/includeDeleted", "must be false: an entity without primaryKey has no deletions"))
    elif DELETED in chosen:
        problems.append(("/includeDeleted", f"must be false: the entity has a field {DELETED} of its own"))
    elif missing := [name for name in entity.primary_key if name not in chosen]:
        problems.append(("/fields", f"must hold the key: deletions are told by it ({', '.join(missing)})"))


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


def _destination(given: Mapping[str, Any], kind: ExportType, allowed: Allowed, problems: Problems) -> dict[str, Any]:
    download = {"kind": "download"}
    value = given.get("destination", None if kind in PERIODIC else download)
    if value is None:
        problems.append(("/destination", f"is required: an export of type {kind} is always delivered"))
        return download
    if not isinstance(value, dict):
        problems.append(("/destination", "must be an object"))
        return download
    value = {member: setting for member, setting in value.items() if setting is not None}
    wrong = check_destination(value, allowed)
    problems.extend(wrong)
    if kind in PERIODIC and value.get("kind") not in DELIVERED and "/destination/kind" not in dict(wrong):
        problems.append(("/destination/kind", f"an export of type {kind} is always delivered, never downloaded"))
    return value


def parse_delivery(value: object, allowed: Allowed, problems: Problems) -> dict[str, Any]:
    """A destination by itself, of a kind that files are sent to. What is wrong with it is added to `problems`."""
    if not isinstance(value, dict):
        problems.append(("/destination", "is required and must be an object"))
        return {}
    value = {member: setting for member, setting in value.items() if setting is not None}
    problems.extend(check_destination(value, allowed, kinds=DELIVERED))
    return value


# Properties of a Table Dialect that say how to read a file; a writer that ignored them would not do what was asked.
READING_PROPERTIES = (
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


def _dialect(value: object, format: str, problems: Problems) -> dict[str, Any]:
    """A Table Dialect as far as a CSV writer follows one; properties outside the standard are kept."""
    if not isinstance(value, dict):
        problems.append(("/dialect", "must be an object (a Table Dialect)"))
        return {}
    meaningful = FORMATS[format].dialect_members
    if meaningful is not None:
        problems.extend(
            (f"/dialect/{member}", f"has no meaning for {format}") for member in value if member not in meaningful
        )
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
        (f"/dialect/{member}", "has no meaning for a written file") for member in READING_PROPERTIES if member in value
    )
    return value


def _default_file_name(entity: Entity | None, format: str, compression: Compression) -> str:
    return f"{entity.name if entity else ''}_$yyyyMMdd.{FORMATS[format].extension}{EXTENSIONS[compression]}"


def _file_name(value: object, problems: Problems) -> str:
    if not isinstance(value, str) or not is_line(value, MAX_FILE_NAME_BYTES):
        problems.append(("/fileName", f"must be one line of 1 to {MAX_FILE_NAME_BYTES} characters"))
    elif len(value.encode()) > MAX_FILE_NAME_BYTES:
        problems.append(("/fileName", f"must have at most {MAX_FILE_NAME_BYTES} bytes as UTF-8"))
    elif "/" in value or "\\" in value or value in (".", ".."):
        problems.append(("/fileName", "must be a name without a path"))
    elif "$" in DATE_PATTERN.sub("", value):
        problems.append(("/fileName", "has a $ without a date pattern of yyyy, MM, dd, HH, mm, ss"))
    else:
        return value
    return ""
