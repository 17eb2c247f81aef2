"""Entities: Table Schemas and Table Dialects, permissions, records."""

from __future__ import annotations

from openapi.schemas.blocks import Schema, given, line, listed, of, or_null, page_of, ref, same, taken, word
from waybill.entities import model
from waybill.entities.fieldtypes import TYPES
from waybill.entities.schema import FIELDS_MATCH, MAX_FIELDS
from waybill.tabular import dialect
from waybill.validation import MAX_TEXT

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

_CHARACTER = of("string", minLength=1, maxLength=1)
_ROW = of("integer", minimum=1)
DIALECT: dict[str, Schema] = {
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
ENCODING = of("string", "A text encoding that Python knows; detected when left out.", examples=["utf-8", "cp1252"])
COLUMNS = of(
    "object",
    "Header names of files, and the fields that they mean; applied before the header is checked.",
    additionalProperties=of("string"),
)
_NAME = of("string", pattern=f"^{model.NAME_PATTERN.pattern}$", examples=["contacts"])
_GROUPS = listed(line(MAX_TEXT), "Names of groups.")

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
            "title": line(MAX_TEXT, "The name, when left out."),
            "database": line(MAX_TEXT),
            "dataType": word(model.DataType, default="profile"),
            "schema": ref("TableSchema"),
            "dialect": ref("TableDialect"),
            "encoding": ENCODING,
            "permissions": taken(
                set(model.Right), {str(right): _GROUPS for right in model.Right}, description=_PERMISSIONS
            ),
            "columns": COLUMNS,
            "refuseDuplicates": of(
                "boolean", "A file whose content was imported before fails as `duplicate-file`.", default=False
            ),
            "target": taken(
                model.TARGET_MEMBERS,
                {"table": of("string"), "modifiedAttribute": of("string", minLength=1, maxLength=MAX_TEXT)},
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
            "encoding": or_null(ENCODING),
            "permissions": given({str(right): _GROUPS for right in model.Right}),
            "columns": COLUMNS,
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


def schemas() -> dict[str, Schema]:
    return {
        "TableSchema": _TABLE_SCHEMA,
        "TableDialect": of(
            "object",
            "A Table Dialect (https://datapackage.org/standard/table-dialect/); properties that the standard does not "
            "know are kept.",
            properties={name: or_null(DIALECT[name]) for name in same(dialect.MEMBERS, DIALECT)},
        ),
        "EntityRequest": _entity_request(),
        "Entity": _entity(),
        "EntityPage": page_of(ref("Entity")),
        "RecordPage": page_of(of("object", "Field → value; null where the record has none.", additionalProperties={})),
    }
