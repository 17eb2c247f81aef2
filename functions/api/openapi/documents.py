"""What the description shows of documents that the domain checks as a whole and keeps as they were given."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from waybill.encryption import EXTENSIONS, MAX_KEY_CHARS, MAX_KEYS, MAX_SECRET_ID
from waybill.entities.cleaning import STEPS
from waybill.entities.fieldtypes import TYPES
from waybill.entities.schema import FIELDS_MATCH, MAX_FIELDS, MAX_FOREIGN_KEYS
from waybill.exports.definition import LEAST_BYTES, MAX_SPLIT_BYTES, MAX_SPLIT_ROWS
from waybill.exports.destinations import DELIVERED, DESTINATIONS
from waybill.exports.filter import MAX_VALUES, OPS
from waybill.exports.formats import FORMATS
from waybill.exports.wire import ExportWithDefinition
from waybill.imports.options import MAX_ERRORS
from waybill.schedule import DAYS, EVERY, TIME
from waybill.tabular.dialect import MAX_ENTRY_CHARS, MAX_SHEETS
from waybill.validation import secret_id_schema
from waybill.wire.jobs import BLANKS, MODES, ON_ERROR
from waybill.wire.schema import Natural, Ordinal, Schema, configured

_Character = Annotated[str, Schema(minLength=1, maxLength=1)]
_OneOrMany = str | list[str]
_FieldsMatch = Annotated[str, Schema(enum=list(FIELDS_MATCH))]


@configured(extra="allow")
class Constraints(TypedDict, total=False):
    """Rules for the values of a field; `jsonSchema` is another."""

    required: bool
    unique: bool
    minLength: Natural
    maxLength: Natural
    minimum: Any
    """A value of the field's type."""
    maximum: Any
    """A value of the field's type."""
    exclusiveMinimum: Any
    """A value of the field's type."""
    exclusiveMaximum: Any
    """A value of the field's type."""
    pattern: str
    """A regular expression that is matched in linear time."""
    enum: Annotated[list[Any], Schema(minItems=1)]


@configured(extra="allow")
class FieldDescriptor(TypedDict):
    """A field descriptor of Table Schema; properties that the standard does not know are kept."""

    name: Annotated[str, Schema(minLength=1, maxLength=255)]
    type: NotRequired[Annotated[str, Schema(enum=list(TYPES), default="any")]]
    format: NotRequired[Annotated[str, Schema(default="default")]]
    title: NotRequired[str]
    description: NotRequired[str]
    trueValues: NotRequired[Any]
    """Of type `boolean`: a list of texts."""
    falseValues: NotRequired[Any]
    """Of type `boolean`: a list of texts."""
    clean: NotRequired[list[Annotated[str, Schema(enum=list(STEPS))]]]
    """How its cells are cleaned before they are read, always in this order; of `upper` and `lower` only one."""
    values: NotRequired[dict[str, str]]
    """Whole cells, as `clean` leaves them, and the text that is read in place of each."""
    default: NotRequired[str]
    """The cell that is read in place of a missing value."""
    constraints: NotRequired[Constraints]


@configured(extra="allow")
class MissingValue(TypedDict):
    """A text that stands for null, and what it means."""

    value: str
    label: NotRequired[str]


@configured(extra="allow")
class ForeignKeyReference(TypedDict):
    """`resource` is the name of an entity, or empty for the entity itself; `fields` is its whole primary key."""

    resource: NotRequired[str]
    fields: _OneOrMany


@configured(extra="allow")
class ForeignKey(TypedDict):
    """Fields whose values name a record: a row that names none is rejected as `foreign-key`."""

    fields: _OneOrMany
    reference: ForeignKeyReference


@configured(extra="allow")
class TableSchema(TypedDict):
    """A Table Schema (Data Package v2, https://datapackage.org/standard/table-schema/); properties that the standard
    does not know are kept."""

    fields: Annotated[list[FieldDescriptor], Schema(minItems=1, maxItems=MAX_FIELDS)]
    primaryKey: NotRequired[_OneOrMany]
    uniqueKeys: NotRequired[Annotated[list[_OneOrMany], Schema(minItems=1)]]
    foreignKeys: NotRequired[Annotated[list[ForeignKey], Schema(maxItems=MAX_FOREIGN_KEYS)]]
    missingValues: NotRequired[Annotated[list[str] | list[MissingValue], Schema(default=[""])]]
    fieldsMatch: NotRequired[Annotated[_FieldsMatch | list[_FieldsMatch], Schema(default="exact")]]


_SheetName = Annotated[str, Schema(minLength=1)]
_SheetNames = Annotated[list[_SheetName], Schema(minItems=1, maxItems=MAX_SHEETS, uniqueItems=True)]


@configured(extra="allow")
class TableDialect(TypedDict, total=False):
    """A Table Dialect (https://datapackage.org/standard/table-dialect/); properties that the standard does not know are
    kept."""

    delimiter: _Character | None
    lineTerminator: Literal["\n", "\r\n", "\r"] | None
    quoteChar: Annotated[str, Schema(maxLength=1)] | None
    escapeChar: _Character | None
    doubleQuote: bool | None
    skipInitialSpace: bool | None
    header: bool | None
    headerRows: Annotated[list[Ordinal], Schema(minItems=1)] | None
    headerJoin: str | None
    commentRows: list[Ordinal] | None
    commentChar: Annotated[str, Schema(minLength=1)] | None
    nullSequence: str | None
    property: Annotated[str, Schema(minLength=1)] | None
    """The member of a JSON object that has the array of rows; names of members in members are joined by dots."""
    sheetName: _SheetName | _SheetNames | None
    """Beyond the standard, several sheets may be named, and `*` means every visible worksheet whose header fits."""
    sheetNumber: Ordinal | None
    entry: Annotated[str, Schema(minLength=1, maxLength=MAX_ENTRY_CHARS)] | None
    """Not of the standard: which file of a zip file, by its path or name or a pattern of one."""


_Zone = Annotated[str, Schema(description="An IANA time zone.", examples=["Europe/Brussels"])]
_Value = Annotated[Any, Schema(description=f"One value; `in` a list of up to {MAX_VALUES}, `between` of two.")]


class Condition(TypedDict):
    """A condition on one field of a record."""

    field: str
    op: Annotated[str, Schema(enum=list(OPS))]
    value: NotRequired[_Value]


class PeriodicSchedule(TypedDict):
    """At a time of some days: those of a week or those of a month, else every day."""

    time: Annotated[str, Schema(pattern=f"^{TIME.pattern}$", examples=["02:30"])]
    timezone: _Zone
    days: NotRequired[Annotated[list[Annotated[str, Schema(enum=list(DAYS))]], Schema(minItems=1, uniqueItems=True)]]
    monthDays: NotRequired[Annotated[list[int], Schema(minItems=1, uniqueItems=True, examples=[[1, 15, -1]])]]
    """Days of a month, from its end where negative: -1 is the last one."""


class IntervalSchedule(TypedDict):
    """At an interval, counted from local midnight."""

    every: Annotated[str, Schema(pattern=f"^{EVERY.pattern}$", examples=["PT15M"])]
    """A duration that divides a day, of at least 5 minutes."""
    timezone: _Zone


class OneShotSchedule(TypedDict):
    """When a one-shot export runs."""

    at: Annotated[str, Schema(examples=["2026-01-31T10:30"])]
    """A time with an offset, or a local one with a `timezone`."""
    timezone: NotRequired[_Zone]


Schedule = PeriodicSchedule | IntervalSchedule | OneShotSchedule


@configured(extra="allow")
class WritingDialect(TypedDict, total=False):
    """A Table Dialect, as far as a writer of CSV follows one; properties that the standard does not know are kept."""

    delimiter: Annotated[str, Schema(minLength=1, maxLength=1)]
    quoteChar: Annotated[str, Schema(maxLength=1)]
    lineTerminator: Literal["\n", "\r\n"]
    header: bool
    doubleQuote: bool


class SplitByRows(TypedDict):
    """So many rows in each file at most, without the header."""

    maxRows: Annotated[int, Schema(minimum=1, maximum=MAX_SPLIT_ROWS)]


class SplitByBytes(TypedDict):
    """So many bytes in each file at most, as it is delivered. A row that is larger has a file of its own."""

    maxBytes: Annotated[int, Schema(minimum=LEAST_BYTES, maximum=MAX_SPLIT_BYTES)]


class SourceOptions(TypedDict, total=False):
    """How the files of a source are imported; the members are those of `POST /v1/imports`, without `dryRun`."""

    mode: Annotated[str, Schema(enum=[*MODES])] | None
    blanks: Annotated[str, Schema(enum=[*BLANKS])] | None
    onError: Annotated[str, Schema(enum=[*ON_ERROR])] | None
    maxErrors: Annotated[int, Schema(minimum=1, maximum=MAX_ERRORS)] | None
    encoding: str | None
    dialect: Annotated[dict[str, Any], Schema(shape="TableDialect")] | None
    columns: dict[str, str] | None
    unescapeFormulas: bool | None
    keepPrevious: bool | None


def _kind(name: str, **also: Any) -> dict[str, Any]:
    members = DESTINATIONS[name].members
    return {
        "type": "object",
        "description": (sys.modules[type(DESTINATIONS[name]).__module__].__doc__ or "").strip(),
        "properties": {"kind": {"type": "string", "const": name}}
        | {member: dict(known.schema) for member, known in members.items()}
        | also,
        "required": ["kind", *(member for member, known in members.items() if known.required)],
    }


def _any_of(names: Iterable[str], description: str) -> dict[str, Any]:
    return {"description": description, "anyOf": [{"shape": name} for name in names]}


def _destination(kind: str) -> str:
    return f"{kind.title()}Destination"


def _location(kind: str) -> str:
    return f"{kind.title()}Location"


SHAPES: dict[str, Any] = {
    "TableSchema": TableSchema,
    "TableDialect": TableDialect,
    "WritingDialect": WritingDialect,
    "Condition": Condition,
    "PeriodicSchedule": PeriodicSchedule,
    "IntervalSchedule": IntervalSchedule,
    "OneShotSchedule": OneShotSchedule,
    "Schedule": {
        "description": "When the export runs. A one-shot export without a schedule runs at once.",
        "anyOf": [{"shape": name} for name in ("PeriodicSchedule", "IntervalSchedule", "OneShotSchedule")],
    },
    "Encryption": {
        "type": "object",
        "description": "Public keys that the file is encrypted for. Its holders decrypt it with age, or with OpenPGP.",
        "properties": {
            "kind": {"type": "string", "enum": list(EXTENSIONS)},
            "recipients": {
                "type": "array",
                "description": "Of age: `age1…`. Of OpenPGP: armored texts, each of one key.",
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
                "minItems": 1,
                "maxItems": MAX_KEYS,
            },
        },
        "required": ["kind", "recipients"],
    },
    **{_destination(name): _kind(name, encryption={"shape": "Encryption"}) for name in DESTINATIONS},
    "Decryption": {
        "type": "object",
        "description": "What decrypts the files that are fetched.",
        "properties": {
            "kind": {"type": "string", "enum": list(EXTENSIONS)},
            "secretId": secret_id_schema(MAX_SECRET_ID, "The secret in Secrets Manager that holds the private key."),
        },
        "required": ["kind", "secretId"],
    },
    **{_location(name): _kind(name, decryption={"shape": "Decryption"}) for name in DELIVERED},
    "Destination": _any_of(
        map(_destination, DESTINATIONS),
        "Where the file goes. Only exports of type ONE_SHOT can be downloaded; others are delivered.",
    ),
    "SplitByRows": SplitByRows,
    "SplitByBytes": SplitByBytes,
    "Split": {
        "description": "How much one file of an export holds at most.",
        "anyOf": [{"shape": "SplitByRows"}, {"shape": "SplitByBytes"}],
    },
    "Format": {"type": "string", "enum": list(FORMATS)},
    "DestinationKind": {"type": "string", "enum": list(DESTINATIONS)},
    "ExportWithDefinition": ExportWithDefinition,
    "Delivery": _any_of(map(_destination, DELIVERED), "Where files are delivered."),
    "Location": _any_of(
        map(_location, DELIVERED), "Where files are fetched from: what a destination is, read the other way."
    ),
    "SourceOptions": SourceOptions,
}
"""The documents by the names that `Schema(shape=…)` gives them."""
