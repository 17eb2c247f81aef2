"""An entity: what may be imported and exported, by whom, and how its files look (contract, section 5).

`schema` and `dialect` are kept as the documents that were given, unknown properties included; `waybill.entities.schema`
compiles the former where rows are read. That module is loaded only while a definition is checked: a job's status needs
neither it nor its libraries.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from waybill.errors import InvalidRequest
from waybill.sizes import MAX_UNKNOWN_BYTES, is_larger
from waybill.validation import Problems, pointer_token

SHARDS = 64
"""The partitions of Waybill's own table over which an entity's records are spread."""

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def partition(entity_uid: str, shard: int) -> str:
    """The partition key of an entity's records in one shard."""
    return f"{entity_uid}#{shard:02x}"


class DataType(StrEnum):
    PROFILE = "profile"
    LINKED_DATA = "linked-data"
    REPOSITORY = "repository"
    INTERACTION = "interaction"
    FORM_PARTICIPATION = "form-participation"
    SUBSCRIPTION = "subscription"


class Right(StrEnum):
    """What a permission is for."""

    VIEW = "view"
    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True)
class Target:
    """An existing DynamoDB table that holds the records instead of Waybill's own."""

    table: str
    modified_attribute: str | None = None


MAX_CHANGE = 1_000
"""The most per cent by which a rule may allow the number of rows to differ."""


@dataclass(frozen=True)
class Quality:
    """What the files of an entity must be like. Files with a larger share of rejected rows, or with a number of rows
    that differs by more from the usual, are told of (`tell`), or their imports stop (`stop`). A rule that is None does
    not hold."""

    max_rejected_percent: int | None = None
    action: str = "tell"
    max_rows_change_percent: int | None = None

    def to_document(self) -> dict[str, Any]:
        return {
            "maxRejectedPercent": self.max_rejected_percent,
            "maxRowsChangePercent": self.max_rows_change_percent,
            "action": self.action,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Quality:
        def percent(member: str) -> int | None:
            value = document.get(member)  # an earlier version had one rule
            return None if value is None else int(value)

        return cls(percent("maxRejectedPercent"), document["action"], percent("maxRowsChangePercent"))

    @property
    def stops_at_share(self) -> bool:
        return self.action == "stop" and self.max_rejected_percent is not None

    def max_rejected(self, rows: int) -> int:
        """So many rejected rows are still within the share, of a file of so many rows."""
        return rows if self.max_rejected_percent is None else rows * self.max_rejected_percent // 100

    def is_usual(self, rows: int, usual: int) -> bool:
        """Whether a file of so many rows differs no more than allowed from the usual number."""
        percent = self.max_rows_change_percent
        return percent is None or abs(rows - usual) * 100 <= usual * percent


@dataclass(frozen=True)
class Entity:
    """One entry of the catalogue.

    `uid` is new at each creation, so that a name that is used again starts empty. `permissions` maps each right to the
    groups that have it. `columns` maps header names of files to field names. `webhooks` are told of the end of each of
    its imports (`jobs.webhooks`).
    """

    uid: str
    name: str
    schema: dict[str, Any]
    title: str
    database: str | None = None
    data_type: DataType = DataType.PROFILE
    dialect: dict[str, Any] | None = None
    encoding: str | None = None
    permissions: dict[Right, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    columns: dict[str, str] = dataclasses.field(default_factory=dict)
    refuse_duplicates: bool = False
    keep_previous: bool = False
    target: Target | None = None
    quality: Quality | None = None
    webhooks: tuple[dict[str, str], ...] = ()

    @property
    def field_names(self) -> list[str]:
        """Names of the fields in schema order."""
        return [field["name"] for field in self.schema["fields"]]

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Names of the key fields; empty when each row is a new record."""
        key = self.schema.get("primaryKey") or []
        return (key,) if isinstance(key, str) else tuple(key)

    @property
    def references(self) -> set[str]:
        """The names of other entities whose records its foreign keys name."""
        keys = self.schema.get("foreignKeys") or []
        return {key["reference"].get("resource") or self.name for key in keys} - {self.name}

    @property
    def etag(self) -> str:
        """Names this definition of this entity (RFC 9110, section 8.8.3), without the quotes."""
        return hashlib.sha256(json.dumps(self.to_document(), sort_keys=True).encode()).hexdigest()[:32]

    def to_resource(self) -> dict[str, Any]:
        """The entity as the API shows it; `PUT` takes the same document back."""
        return {
            "name": self.name,
            "title": self.title,
            "database": self.database,
            "dataType": self.data_type.value,
            "schema": self.schema,
            "dialect": self.dialect,
            "encoding": self.encoding,
            "permissions": {right.value: list(self.permissions.get(right, ())) for right in Right},
            "columns": self.columns,
            "refuseDuplicates": self.refuse_duplicates,
            "keepPrevious": self.keep_previous,
            "quality": None if self.quality is None else self.quality.to_document(),
            "webhooks": list(self.webhooks),
            "target": None
            if self.target is None
            else {"table": self.target.table, "modifiedAttribute": self.target.modified_attribute},
        }

    def to_document(self) -> dict[str, Any]:
        """Everything that `from_document` needs, as JSON values: what is stored, and what a job keeps as its copy."""
        return {"uid": self.uid, **self.to_resource()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Entity:
        target = document["target"]
        return cls(
            uid=document["uid"],
            name=document["name"],
            title=document["title"],
            database=document["database"],
            data_type=DataType(document["dataType"]),
            schema=document["schema"],
            dialect=document["dialect"],
            encoding=document["encoding"],
            permissions={Right(right): tuple(groups) for right, groups in document["permissions"].items()},
            columns=dict(document["columns"]),
            refuse_duplicates=document["refuseDuplicates"],
            keep_previous=document.get("keepPrevious", False),  # an earlier version had none
            quality=Quality.from_document(document["quality"]) if document.get("quality") else None,  # nor this
            webhooks=tuple(document.get("webhooks") or ()),
            target=None if target is None else Target(target["table"], target["modifiedAttribute"]),
        )


def check_name(name: str) -> None:
    """
    Raises:
        InvalidRequest: it cannot be the name of an entity.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidRequest("An entity's name has 1 to 64 of A-Z a-z 0-9 _ . - and begins with a letter or digit.")


def check_encoding(value: object, path: str, problems: Problems) -> str | None:
    """The label of a text encoding (`waybill.tabular.encodings`)."""
    if value is None:
        return None
    from waybill.tabular.encodings import UnknownEncoding, codec_of

    try:
        if not isinstance(value, str):
            raise UnknownEncoding
        codec_of(value)
    except UnknownEncoding:
        problems.append((path, "must be the name of a known text encoding, such as utf-8"))
        return None
    return value


def check_dialect(value: object, path: str, problems: Problems) -> dict[str, Any] | None:
    """A Table Dialect; properties that the standard does not name are kept, up to MAX_UNKNOWN_BYTES."""
    if value is None:
        return None
    if not isinstance(value, dict):
        problems.append((path, "must be an object (a Table Dialect)"))
        return None
    from waybill.tabular.dialect import MEMBERS, Dialect, DialectError

    try:
        Dialect.from_document(value)
    except DialectError as error:
        problems.extend((f"{path}/{member}", message) for member, message in error.problems)
    unknown = {name: member for name, member in value.items() if name not in MEMBERS}
    if is_larger(unknown, MAX_UNKNOWN_BYTES):
        problems.append((path, f"must have at most {MAX_UNKNOWN_BYTES:,} bytes of members that no Table Dialect has"))
    return value


def check_columns(value: object, fields: Collection[str], path: str, problems: Problems) -> dict[str, str]:
    """Header names of files → fields. `fields` is empty when the schema could not be read."""
    if not isinstance(value, dict):
        problems.append((path, "must be an object of header names and field names"))
        return {}
    for header, field in value.items():
        where = f"{path}/{pointer_token(header)}"
        if not header.strip():
            problems.append((where, "must be the name of a column"))
        elif not isinstance(field, str):
            problems.append((where, "must be the name of a field"))
        elif fields and field not in fields:
            problems.append((where, f"the schema has no field {field!r}"))
    return value


def check_schema(value: object, path: str, problems: Problems) -> dict[str, Any]:
    """A Table Schema; properties that the standard does not name are kept."""
    if not isinstance(value, dict):
        problems.append((path, "must be an object (a Table Schema)"))
        return {}
    from waybill.entities.schema import SchemaError, parse_schema

    try:
        parse_schema(value)
    except SchemaError as error:
        problems.extend((f"{path}{member}", message) for member, message in error.problems)
    return value
