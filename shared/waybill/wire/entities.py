"""Entities and records."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from waybill.entities.model import MAX_CHANGE, NAME_PATTERN, DataType
from waybill.validation import LINE_PATTERN, MAX_TEXT
from waybill.wire.schema import NextToken, Schema
from waybill.wire.webhooks import Webhook

QUALITY_ACTIONS = ("tell", "stop")

EntityName = Annotated[str, Schema(pattern=f"^{NAME_PATTERN.pattern}$", examples=["contacts"])]
Encoding = Annotated[str, Schema(examples=["utf-8", "cp1252"])]
# What the domain checks and keeps as it was given; `shape` names what OpenAPI shows of it.
TableSchemaDocument = Annotated[dict[str, Any], Schema(shape="TableSchema")]
TableDialectDocument = Annotated[dict[str, Any], Schema(shape="TableDialect")]
Groups = Annotated[
    list[Annotated[str, Schema(minLength=1, maxLength=MAX_TEXT, pattern=LINE_PATTERN)]],
    Schema(description="Names of groups."),
]
_Record = Annotated[dict[str, Any], Schema(description="Field → value; null where the record has none.")]

Permissions = TypedDict("Permissions", {"view": Groups, "import": Groups, "export": Groups})
"""Names of groups by right."""


class Target(TypedDict):
    """An existing DynamoDB table that holds the records instead of Waybill's own."""

    table: str
    modifiedAttribute: str | None


class Quality(TypedDict):
    """What files must be like. A rule that is null does not hold."""

    maxRejectedPercent: Annotated[int, Schema(minimum=0, maximum=99)] | None
    """The share of a file's rows that may be rejected."""
    maxRowsChangePercent: Annotated[int, Schema(minimum=0, maximum=MAX_CHANGE)] | None
    """How much the number of a file's rows may differ from the usual one."""
    action: Annotated[str, Schema(enum=[*QUALITY_ACTIONS])]
    """Whether files that break a rule are told of only, with the warning `many-rejected` or `unusual-rows`, or stopped:
    at the row whose rejection exceeds the share, as with `abort`, and before anything is written if the number of rows
    is unusual."""


class Entity(TypedDict):
    """An entry of the catalogue. `PUT` accepts the same document."""

    name: EntityName
    title: str
    database: str | None
    dataType: DataType
    schema: TableSchemaDocument
    dialect: TableDialectDocument | None
    encoding: Encoding | None
    """A text encoding that Python knows; null means that it is detected."""
    permissions: Permissions
    """Groups by right."""
    columns: dict[str, str]
    """Maps header names of files to fields; applied before the header is checked."""
    refuseDuplicates: bool
    """Whether a file whose content was imported before fails with `duplicate-file`."""
    keepPrevious: bool
    """Whether imports keep what each record was before them, to be undone; an import may say otherwise."""
    quality: Quality | None
    """What files must be like, not to be told of or stopped."""
    webhooks: list[Webhook]
    """Addresses that are told of the end of each import into it, by Standard Webhooks."""
    target: Target | None


class EntityPage(TypedDict):
    """A page of the catalogue."""

    items: list[Entity]
    nextToken: NextToken


class RecordPage(TypedDict):
    """A page of records."""

    items: list[_Record]
    nextToken: NextToken


class RecordCount(TypedDict):
    """How many records an entity has."""

    count: int
    precision: Literal["exact", "approximate", "at-least"]
    """How it was counted. A large entity's number is estimated from a part of its records, or is what was found before
    the count ended; that of a target table may be six hours old."""
