"""What the definition of an export must hold, of its entity and of this deployment (contract, section 7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from waybill.encryption import check_encryption, most_encrypted
from waybill.entities.model import Entity
from waybill.entities.schema import parse_schema
from waybill.exports.compression import EXTENSIONS, Compression
from waybill.exports.definition import (
    DATE_PATTERN,
    DEFAULT_FORMAT,
    DELETED,
    INCREMENTAL,
    LEAST_BYTES,
    LEAST_ENCRYPTED_BYTES,
    MAX_FILE_NAME_BYTES,
    MAX_SPLIT_BYTES,
    MAX_SPLIT_NAME_BYTES,
    MAX_SPLIT_ROWS,
    PERIODIC,
    Definition,
    ExportType,
)
from waybill.exports.destinations import DELIVERED, DESTINATIONS, check_destination
from waybill.exports.destinations.base import Allowed
from waybill.exports.filter import check_filter
from waybill.exports.formats import FORMATS
from waybill.jobs.recipients import check_recipients
from waybill.jobs.webhooks import check_webhooks
from waybill.schedule import check_schedule
from waybill.validation import Problems, is_line


def check_fit(
    definition: Definition, entity: Entity, allowed: Allowed, mail_domains: Collection[str] | None
) -> Problems:
    """What no longer suits the entity or this deployment in a definition that was good when it was saved.

    Args:
        mail_domains: as for `check_recipients`; None when recipients do not matter.
    """
    problems: Problems = []
    check_fields(None if definition.fields is None else list(definition.fields), entity, problems)
    check_conditions(list(definition.filter), entity, problems)
    check_schedule(definition.schedule, definition.is_periodic, problems)
    check_export_destination(definition.destination, definition.type, allowed, problems)
    check_webhooks(list(definition.webhooks), allowed.hosts, problems)
    if mail_domains is not None:
        check_recipients(list(definition.recipients), mail_domains, problems)
    check_type(definition.type, entity, problems)
    if definition.include_deleted:
        check_deletions(definition.type, definition.fields, entity, problems)
    check_columns(definition.format, definition.fields, entity, problems)
    return problems


def check_type(kind: ExportType, entity: Entity, problems: Problems) -> ExportType:
    """What an export of changes needs of its entity."""
    if kind in INCREMENTAL and entity.target is not None and entity.target.modified_attribute is None:
        problems.append(("/type", "an incremental export of a target table needs the entity's modifiedAttribute"))
    return kind


def check_deletions(kind: ExportType, fields: Collection[str] | None, entity: Entity, problems: Problems) -> None:
    """What an export that is to have deletions (`includeDeleted`) needs.

    Args:
        fields: of the definition; None means all.
    """
    chosen = fields or entity.field_names
    if kind not in INCREMENTAL:
        problems.append(("/includeDeleted", "must be false: only incremental exports have deletions"))
    elif entity.target is not None:
        problems.append(("/includeDeleted", "must be false: a target table keeps no deletions"))
    elif not entity.primary_key:
        problems.append(("/includeDeleted", "must be false: an entity without primaryKey has no deletions"))
    elif DELETED in chosen:
        problems.append(("/includeDeleted", f"must be false: the entity has a field {DELETED} of its own"))
    elif missing := [name for name in entity.primary_key if name not in chosen]:
        problems.append(("/fields", f"must include the key, which identifies deleted records ({', '.join(missing)})"))


def check_fields(value: object, entity: Entity | None, problems: Problems) -> tuple[str, ...] | None:
    """The member `fields` of a definition. A null member counts as left out."""
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


def check_conditions(value: object, entity: Entity, problems: Problems) -> tuple[dict[str, Any], ...]:
    """The member `filter` of a definition. A null member counts as left out."""
    return check_filter(value, parse_schema(entity.schema), problems)


def check_export_destination(value: object, kind: ExportType, allowed: Allowed, problems: Problems) -> dict[str, Any]:
    """The member `destination` of a definition. A null member counts as left out."""
    if value is None and kind not in PERIODIC:
        return {"kind": "download"}
    if value is None:
        problems.append(("/destination", f"is required: an export of type {kind} is always delivered"))
        return {}
    given = check_delivery(value, allowed, problems, tuple(DESTINATIONS))
    stays = given.get("kind") in [name for name in DESTINATIONS if name not in DELIVERED]
    if stays and kind in PERIODIC:
        problems.append(("/destination/kind", f"an export of type {kind} is always delivered, never downloaded"))
    return given


def check_delivery(
    value: object, allowed: Allowed, problems: Problems, kinds: Collection[str] = DELIVERED
) -> dict[str, Any]:
    """Checks a destination whose kind must be one of `kinds`."""
    if not isinstance(value, dict):
        problems.append(("/destination", "must be an object"))
        return {}
    value = {member: setting for member, setting in value.items() if setting is not None}
    place = {member: setting for member, setting in value.items() if member != "encryption"}
    problems.extend(check_destination(place, allowed, kinds=kinds))
    if "encryption" in value:
        problems.extend(check_encryption(value["encryption"], "/destination/encryption", allowed.now))
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
    "entry",
)


def check_format(value: object, problems: Problems) -> str:
    """The member `format` of a definition."""
    if isinstance(value, str) and value in FORMATS:
        return value
    problems.append(("/format", f"must be one of {', '.join(FORMATS)}"))
    return DEFAULT_FORMAT


def check_columns(format: str, fields: Collection[str] | None, entity: Entity, problems: Problems) -> None:
    """Whether the names of the fields can be those of the format's columns.

    Args:
        fields: of the definition; None means all.
    """
    check = FORMATS[format].labels_problem
    if check is not None and (problem := check(list(fields or entity.field_names))):
        problems.append(("/format", problem))


def check_compression(value: Compression, format: str, problems: Problems) -> Compression:
    """The member `compression` of a definition."""
    if FORMATS[format].compresses_itself and value is not Compression.NONE:
        problems.append(("/compression", f"must be none: {format} compresses itself"))
    return value


def check_split(
    value: object,
    format: str,
    compression: Compression,
    destination: Mapping[str, Any] | None,
    file_name: str | None,
    problems: Problems,
) -> dict[str, int] | None:
    """The member `split` of a definition. A null member counts as left out.

    Args:
        destination: None where there is none yet, as in a preview.
    """
    if value is None:
        return None
    members = {"maxRows": (1, MAX_SPLIT_ROWS), "maxBytes": (LEAST_BYTES, MAX_SPLIT_BYTES)}
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= members.keys():
        problems.append(("/split", "must be an object with either maxRows or maxBytes"))
        return None
    ((member, number),) = value.items()
    (least, greatest), most = members[member], FORMATS[format].max_rows
    if member == "maxBytes" and destination is not None and "encryption" in destination:
        least = max(LEAST_ENCRYPTED_BYTES, 2 * most_encrypted(destination["encryption"], 0))
    if member == "maxRows" and most is not None:
        greatest = most - 1  # with a header, whatever the dialect says
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= greatest:
        problems.append((f"/split/{member}", f"must be a whole number from {least:,} to {greatest:,}"))
    elif member == "maxBytes" and not FORMATS[format].knows_size:
        problems.append((f"/split/{member}", f"cannot be told while a file of {format} is written: use maxRows"))
    stays = destination is not None and destination.get("kind") not in DELIVERED
    if stays and compression is not Compression.NONE:
        problems.append(("/compression", "must be none: the files of a download that is split are in one zip file"))
    if file_name is not None and len(file_name.encode()) > MAX_SPLIT_NAME_BYTES:
        problems.append(("/fileName", f"must have at most {MAX_SPLIT_NAME_BYTES} bytes: files of a set have numbers"))
    return value


def check_dialect(value: object, format: str, problems: Problems) -> dict[str, Any]:
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


def default_file_name(entity: str, format: str, compression: Compression) -> str:
    return f"{entity}_$yyyyMMdd.{FORMATS[format].extension}{EXTENSIONS[compression]}"


def check_file_name(value: object, problems: Problems) -> str:
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
