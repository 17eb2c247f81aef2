"""The body of `PUT /entities/{name}`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator, model_validator

from models.base import Body, Line, Must, Word, broken, checked, refuse
from models.query import Paging as Paging
from models.query import Query
from models.webhooks import TellsWebhooks
from waybill.entities.model import (
    MAX_CHANGE,
    DataType,
    Entity,
    Quality,
    Right,
    Target,
    check_columns,
    check_dialect,
    check_encoding,
    check_schema,
)
from waybill.exports.template import TEMPLATES
from waybill.imports.options import NOT_KEPT
from waybill.validation import MAX_TEXT, is_line
from waybill.wire import entities as wire

MAX_FILTER_CHARS = 4_000
_FILTER = '[{"field":"vip","op":"eq","value":true}]'
_CONTACTS: dict[str, Any] = {
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
    "keepPrevious": False,
    "quality": {"maxRejectedPercent": 5, "maxRowsChangePercent": 50, "action": "tell"},
    "webhooks": [],
}


def _template_format(text: str) -> str:
    if text not in TEMPLATES:
        raise broken(f"must be {' or '.join(TEMPLATES)}")
    return text


class TemplateQuery(Query):
    """Which empty file."""

    format: Annotated[str, PlainValidator(_template_format), WithJsonSchema({"enum": list(TEMPLATES)})] = "csv"


def _groups(value: Any) -> Any:
    if not isinstance(value, list) or not all(is_line(group, MAX_TEXT) for group in value):
        raise broken("must be a list of group names")
    return value


_GroupsShape = Annotated[list[Annotated[str, Line(MAX_TEXT)]], Field(description="Names of groups.")]
_Groups = Annotated[list[str], PlainValidator(_groups, json_schema_input_type=_GroupsShape)]


class PermissionsRequest(Body):
    """Groups by right. Without it only the group `admin` has access."""

    view: _Groups = Field(default_factory=list)
    import_: _Groups = Field(default_factory=list, alias="import")
    export: _Groups = Field(default_factory=list)

    def to_permissions(self) -> dict[Right, tuple[str, ...]]:
        given = {Right.VIEW: self.view, Right.IMPORT: self.import_, Right.EXPORT: self.export}
        return {right: tuple(dict.fromkeys(groups)) for right, groups in given.items()}


class TargetRequest(Body):
    """An existing DynamoDB table that holds the records instead of Waybill's own."""

    table: str
    modified_attribute: (
        Annotated[str, Field(min_length=1, max_length=MAX_TEXT), Must("must be the name of an attribute")] | None
    ) = None
    """The attribute in which writers stamp the time of their change; incremental exports need it."""

    @field_validator("table")
    @classmethod
    def _is_allowed(cls, table: str, info: ValidationInfo) -> str:
        tables = (info.context or {})["request"].services.settings.target_tables.split(",")
        if not table or table not in tables:
            refuse([("/target/table", "must be one of the tables that this installation may write to")])
        return table


class QualityRequest(Body):
    """What files must be like; at least one of the rules."""

    max_rejected_percent: Annotated[int, Field(ge=0, le=99), Must("must be a whole number from 0 to 99")] | None = None
    """The share of a file's rows that may be rejected."""
    max_rows_change_percent: (
        Annotated[int, Field(ge=0, le=MAX_CHANGE), Must(f"must be a whole number from 0 to {MAX_CHANGE:,}")] | None
    ) = None
    """How much the number of a file's rows may differ from the usual one: the median of the last 10 imports in the same
    mode from the same source, or from none, once there are 3."""
    action: str = Field("tell", json_schema_extra={"enum": [*wire.QUALITY_ACTIONS]})
    """What happens to a file that breaks a rule. With `tell` the job has the warning `many-rejected` or `unusual-rows`.
    With `stop` the import also stops at the row whose rejection exceeds the share, as `abort` does; a file with an
    unusual number of rows fails as `unusual-rows` before anything is written, unless somebody relaunches that job."""

    @field_validator("action", mode="wrap")
    @classmethod
    def _is_action(cls, value: Any, _: Any) -> Any:
        if value not in wire.QUALITY_ACTIONS:
            refuse([("/quality/action", f"must be one of {', '.join(wire.QUALITY_ACTIONS)}")])
        return value

    @model_validator(mode="after")
    def _has_rule(self) -> QualityRequest:
        if self.max_rejected_percent is None and self.max_rows_change_percent is None:
            refuse([("/quality/maxRejectedPercent", "is required, or maxRowsChangePercent")])
        return self


class EntityRequest(TellsWebhooks):
    """The definition of an entity."""

    refusal: ClassVar[str] = "The definition of the entity breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [_CONTACTS]})

    name: str | None = None
    """If given, the name in the path."""
    title: Annotated[str, Line(MAX_TEXT)] | None = None
    """The name when left out."""
    database: Annotated[str, Line(MAX_TEXT)] | None = None
    data_type: Word[DataType] = DataType.PROFILE
    table_schema: Annotated[wire.TableSchemaDocument, Must("must be an object (a Table Schema)")] = Field(
        alias="schema"
    )
    dialect: wire.TableDialectDocument | None = None
    encoding: wire.Encoding | None = None
    """The label of a text encoding, as the WHATWG Encoding Standard knows it; detected when left out."""
    permissions: PermissionsRequest = Field(default_factory=lambda: PermissionsRequest.model_validate({}))
    columns: dict[str, str] = Field(default_factory=dict)
    """Maps header names of files to fields; applied before the header is checked."""
    refuse_duplicates: bool = False
    """Whether a file whose content was imported before, whole and in the same mode, fails with `duplicate-file`."""
    keep_previous: bool = False
    """Whether imports keep what each record was before them, so that they can be undone, where they do not say
    otherwise. It costs about a read unit a row; not for a target table."""
    quality: QualityRequest | None = None
    """What files must be like, not to be told of or stopped. Relaunches of rejected rows are not judged."""
    target: TargetRequest | None = None

    @field_validator("target")
    @classmethod
    def _keeps_nothing(cls, target: TargetRequest | None, info: ValidationInfo) -> TargetRequest | None:
        if target is not None and info.data.get("keep_previous"):
            refuse([("/keepPrevious", NOT_KEPT)])
        return target

    @field_validator("name")
    @classmethod
    def _is_the_paths(cls, name: str | None, info: ValidationInfo) -> str | None:
        of_path = (info.context or {})["name"]
        if name not in (None, of_path):
            refuse([("/name", f"must be {of_path!r}, as in the path")])
        return name

    @field_validator("table_schema", mode="wrap")
    @classmethod
    def _is_table_schema(cls, value: Any, _: Any) -> Any:
        return checked(check_schema, value, "/schema")

    @field_validator("dialect", mode="wrap")
    @classmethod
    def _is_table_dialect(cls, value: Any, _: Any) -> Any:
        return checked(check_dialect, value, "/dialect")

    @field_validator("encoding", mode="wrap")
    @classmethod
    def _is_encoding(cls, value: Any, _: Any) -> Any:
        return checked(check_encoding, value, "/encoding")

    @field_validator("columns", mode="wrap")
    @classmethod
    def _are_columns(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(check_columns, value, _field_names((info.context or {})["body"].get("schema")), "/columns")

    def to_entity(self, name: str, uid: str) -> Entity:
        """
        Args:
            name: from the path.
            uid: of the entity that is replaced, or a new one.
        """
        target, quality = self.target, self.quality
        return Entity(
            uid=uid,
            name=name,
            schema=self.table_schema,
            title=self.title or name,
            database=self.database,
            data_type=self.data_type,
            dialect=self.dialect,
            encoding=self.encoding,
            permissions=self.permissions.to_permissions(),
            columns=self.columns,
            refuse_duplicates=self.refuse_duplicates,
            keep_previous=self.keep_previous,
            quality=None
            if quality is None
            else Quality(quality.max_rejected_percent, quality.action, quality.max_rows_change_percent),
            target=None if target is None else Target(target.table, target.modified_attribute),
            webhooks=self.told_webhooks(),
        )


class RecordQuery(Paging):
    """Which records a list holds."""

    key: str | None = None
    """The key of one record, as a file would have it; of a key of several fields a JSON list of their texts. The page
    has that record, or none."""
    filter: Annotated[str, Field(max_length=MAX_FILTER_CHARS, json_schema_extra={"examples": [_FILTER]})] = ""
    """Conditions that all hold, as a JSON list like the `filter` of an export."""


class ColumnsRequest(Body):
    """Header names of files, and the fields that they mean."""

    refusal: ClassVar[str] = "The columns break a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"columns": {"E-mail": "email"}}]})

    columns: dict[str, str]

    @field_validator("columns", mode="wrap")
    @classmethod
    def _are_columns(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(check_columns, value, (info.context or {})["entity"].field_names, "/columns")


def _field_names(schema: Any) -> list[str]:
    """The names of the fields, as far as they can be told from a schema that may be invalid."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    named = [field.get("name") for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
    return [name for name in named if isinstance(name, str)]
