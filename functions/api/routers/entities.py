"""The catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import decode_cursor, encode_cursor, json_response, list_response, no_content, what_fits
from auth import ADMIN, DELETE_ENTITY, ENTITY, IMPORT_INTO, TOKEN, VIEW
from connection_test import check_webhook_secrets
from request import Request
from routing import DELETED, Answer, ApiRouter, ok
from waybill.entities.model import NAME_PATTERN, Entity, check_name
from waybill.entities.permissions import sees_entity
from waybill.errors import Conflict, InvalidRequest, MalformedRequest
from waybill.ids import new_uuid
from waybill.sizes import MAX_ENTITY_BYTES, MAX_RECORD_COUNTS, check_size
from waybill.wire import entities as wire

if TYPE_CHECKING:
    from models.entities import ColumnsRequest, EntityRequest, Paging, RecordQuery, TemplateQuery
    from waybill.entities.records import Keep
    from waybill.entities.schema import Schema
    from waybill.jobs.services import Services

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

router = ApiRouter("Entities")


@router.get("/v1/entities", "List entities", needs=TOKEN, answers=ok("A page of entities, by name.", wire.EntityPage))
def list_entities(request: Request, query: Paging) -> Response[str]:
    after = decode_cursor(query.next_token, NAME_PATTERN)
    entities, last = request.services.entities.page(query.limit, after)
    visible = ((entity.to_resource(), entity.name) for entity in entities if sees_entity(request.caller, entity))
    return list_response(*what_fits(visible, encode_cursor(last)))


@router.get("/v1/entities/<name>", "Get an entity", needs=ENTITY, answers=ok("The entity.", wire.Entity, "ETag"))
def get_entity(entity: Entity) -> Response[str]:
    return json_response(entity.to_resource(), headers={"ETag": f'"{entity.etag}"'})


@router.put(
    "/v1/entities/<name>",
    "Create or replace an entity",
    description="Its definition, with all defaults filled in, has at most 256 KiB as JSON.",
    needs=ADMIN,
    answers={
        201: Answer("The entity is new.", wire.Entity, ("Location", "ETag")),
        200: Answer("It replaces the entity of this name.", wire.Entity, ("ETag",)),
    },
    refusals={
        409: "`primaryKey` cannot change while the entity has records, or a foreign key of another entity names it; or "
        "another request changed the entity, or deleted one that it refers to."
    },
    headers=("If-Match",),
)
def put_entity(request: Request, name: str, body: EntityRequest) -> Response[str]:
    check_name(name)
    services = request.services
    known = request.find_entity(name)
    etag = request.if_match(known.etag if known else None, f"The entity {name}")
    entity = body.to_entity(name, known.uid if known else new_uuid(services.ids))
    check_size("The definition of the entity", entity.to_document(), MAX_ENTITY_BYTES)
    check_webhook_secrets(request, entity.webhooks, entity, body.refusal)
    if entity.target is not None:
        from waybill.entities.targets import check_target

        check_target(services.dynamodb, entity, entity.target)
    if known is not None and known.primary_key != entity.primary_key:
        from waybill.entities.records import has_records

        if has_records(services.dynamodb, services.settings.records_table, known):
            raise Conflict(
                f"{name} has records: its primaryKey cannot change. Export them, delete the entity, and import them "
                "into a new one with the other key."
            )
    if etag is not None or known is None or known.etag != entity.etag:  # else it is there already
        entry = services.audit.entry(request.act, entity=name)
        services.entities.put(entity, etag, _named(services, known, entity), entry)
    headers = {"ETag": f'"{entity.etag}"'}
    if known is None:
        headers["Location"] = f"/v1/entities/{name}"
    return json_response(entity.to_resource(), 201 if known is None else 200, headers)


def _named(services: Services, known: Entity | None, entity: Entity) -> list[Entity]:
    """The other entities that the foreign keys of a definition name.

    Raises:
        InvalidRequest: there is no such entity, or the foreign key is not of its primary key.
        Conflict: a foreign key of another entity would no longer fit.
    """
    names = entity.references
    changes_key = known is not None and _key_types(known) != _key_types(entity)
    if not (names or changes_key or entity.schema.get("foreignKeys")):
        return []
    from waybill.entities.references import check_references, still_fits

    found = services.entities.find_many(names)
    problems = check_references(entity, found)
    if problems:
        raise InvalidRequest("A foreign key does not fit the entity that it names.", problems)
    for other in services.entities.list() if changes_key else ():
        if entity.name in other.references and not still_fits(other, entity):
            raise Conflict(
                f"A foreign key of {other.name} names {entity.name}: its primary key cannot change. Take that foreign "
                f"key out of {other.name} first."
            )
    return list(found.values())


def _key_types(entity: Entity) -> dict[str, str]:
    """Names and types of the fields of the primary key."""
    fields = entity.schema["fields"]
    return {field["name"]: field.get("type", "any") for field in fields if field["name"] in entity.primary_key}


@router.delete(
    "/v1/entities/<name>",
    "Delete an entity with its records and jobs",
    needs=DELETE_ENTITY,
    answers=DELETED,
    refusals={
        409: "Jobs of it have not ended, exports or sources are scheduled or run, or foreign keys of other entities "
        "name it: `detail` names up to five of each, with ids, and says what to do."
    },
    headers=("If-Match",),
    description="Its jobs disappear at once; a background job deletes its records. The name can be used again.",
)
def delete_entity(request: Request, entity: Entity) -> Response[str]:
    from waybill.upkeep.entity_deletion import delete_entity as delete

    delete(request.services, entity, request.if_match(entity.etag, f"The entity {entity.name}"), request.act)
    return no_content()


@router.post(
    "/v1/entities/<name>/columns",
    "Remember header names",
    needs=IMPORT_INTO,
    answers=ok("The entity, with these header names among its columns.", wire.Entity, "ETag"),
    refusals={409: "Others change the entity all the time."},
    description="Later imports read these header names as the fields that they name, as `columns` of the entity says. "
    "A name that means another field already, as the names of fields do, only an admin may give another meaning (422).",
)
def remember_columns(request: Request, entity: Entity, body: ColumnsRequest) -> Response[str]:
    entry = request.services.audit.entry(request.act, entity=entity.name)
    entity = request.services.entities.remember_columns(entity, body.columns, request.caller.is_admin, entry)
    return json_response(entity.to_resource(), headers={"ETag": f'"{entity.etag}"'})


@router.get(
    "/v1/entities/<name>/template",
    "Get an empty file to fill in",
    needs=ENTITY,
    answers={200: Answer("A file with the header.", bytes, ("Content-Disposition",), ("text/csv", XLSX))},
    refusals={409: "Files of the entity have no header, or its encoding cannot write it."},
    description="As CSV in the dialect and encoding of the entity; as a workbook with drop-downs for `enum`, text "
    "format for text, and descriptions as notes.",
)
def get_template(entity: Entity, query: TemplateQuery) -> Response[bytes]:
    from waybill.exports.template import TEMPLATES

    template = TEMPLATES[query.format]
    headers = {"Content-Disposition": f'attachment; filename="{entity.name}.{query.format}"'}
    return Response(200, template.media_type, template.write(entity), {"Cache-Control": "no-store", **headers})


@router.get(
    "/v1/entities/<name>/records",
    "Read records",
    needs=VIEW,
    answers=ok("Records in no particular order.", wire.RecordPage),
    refusals={422: "The filter breaks a rule, as that of an export would."},
    description="A filter is applied after the read: a page ends once some 5,000 records or 10 MB were read, so that "
    "it may be shorter than `limit`, or empty, while `nextToken` is not null. So it is after many deletions. A record "
    "is read by its key with one request, however many there are.",
)
def list_records(request: Request, entity: Entity, query: RecordQuery) -> Response[str]:
    from waybill.entities.records import record_by_key, record_page
    from waybill.entities.schema import parse_schema

    services, schema = request.services, parse_schema(entity.schema)
    table = services.settings.records_table
    keep = _record_filter(query.filter, entity, schema) if query.filter else None
    if query.key is None:
        cursor = decode_cursor(query.next_token)
        items, last = record_page(services.dynamodb, table, entity, schema, query.limit, cursor, keep)
        return list_response(items, encode_cursor(last))
    if query.next_token is not None:
        raise MalformedRequest("nextToken was not issued by this list: a key names one record.")
    record = record_by_key(services.dynamodb, table, entity, schema, _key_cells(query.key, entity), keep)
    return list_response([] if record is None else [record], None)


def _record_filter(text: str, entity: Entity, schema: Schema) -> Keep | None:
    """
    Raises:
        MalformedRequest: it is not JSON.
        InvalidRequest: a condition breaks a rule.
    """
    from waybill.exports.filter import check_filter, compile_filter
    from waybill.validation import Problems

    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedRequest("filter must be a JSON list of conditions.") from None
    problems: Problems = []
    conditions = check_filter(given, schema, problems)
    if problems:
        raise InvalidRequest("The filter breaks a rule.", problems)
    return compile_filter(conditions, schema, own_table=entity.target is None)


def _key_cells(text: str, entity: Entity) -> list[str]:
    """
    Raises:
        MalformedRequest: it is no key of this entity.
    """
    names = entity.primary_key
    if not names:
        raise MalformedRequest(f"{entity.name} has no primaryKey: filter its records instead.")
    if len(names) == 1:
        return [text]
    try:
        cells = json.loads(text)
    except (ValueError, RecursionError):
        cells = None
    if not isinstance(cells, list) or len(cells) != len(names) or not all(isinstance(cell, str) for cell in cells):
        raise MalformedRequest(f"key must be a JSON list of {len(names)} texts: {', '.join(names)}.")
    return cells


@router.get(
    "/v1/entities/<name>/records/count",
    "Count records",
    needs=VIEW,
    answers=ok("How many there are, and whether that is exact.", wire.RecordCount),
    refusals={429: f"The caller has made {MAX_RECORD_COUNTS} counts of records in this minute."},
    description="Reads at most 80 MB: what needs more is estimated, and `precision` says so.",
)
def count_records(request: Request, entity: Entity) -> Response[str]:
    from waybill.entities.records import count_records as count

    request.services.previews.take_record_count(request.caller.subject)
    number, precision = count(request.services.dynamodb, request.services.settings.records_table, entity)
    return json_response({"count": number, "precision": precision})
