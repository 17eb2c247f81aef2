"""The catalogue."""

from __future__ import annotations

from waybill.entities.model import NAME_PATTERN, Entity, Right, parse_entity
from waybill.entities.permissions import entity_not_found, require, require_admin, sees_entity
from waybill.errors import Conflict
from waybill.ids import new_uuid
from web import (
    PAGING,
    Request,
    Response,
    Route,
    bad_token,
    decode_cursor,
    encode_cursor,
    json_response,
    list_response,
    no_content,
)


def visible_entity(request: Request, name: str) -> Entity:
    """
    Raises:
        NotFound: there is none, or it is not for the caller's eyes.
    """
    entity = request.find_entity(name)
    if entity is None or not sees_entity(request.caller, entity):
        raise entity_not_found(name)
    return entity


def entity_with_right(request: Request, name: str, right: Right) -> Entity:
    """
    Raises:
        NotFound: there is none, or it is not for the caller's eyes.
        Forbidden: the caller lacks the right.
    """
    return require(request.caller, visible_entity(request, name), right)


def list_entities(request: Request) -> Response[str]:
    after = decode_cursor(request.next_token)
    if after is not None and not NAME_PATTERN.fullmatch(after):
        raise bad_token()
    entities, last = request.services.entities.page(request.limit, after)
    items = [entity.to_resource() for entity in entities if sees_entity(request.caller, entity)]
    return list_response(items, None if last is None else encode_cursor(last))


def get_entity(request: Request, name: str) -> Response[str]:
    entity = visible_entity(request, name)
    return json_response(entity.to_resource(), headers={"ETag": f'"{entity.etag}"'})


def put_entity(request: Request, name: str) -> Response[str]:
    require_admin(request.caller)
    services = request.services
    known = request.find_entity(name)
    etag = request.if_match(known.etag if known else None, f"The entity {name}")
    target_tables = [table for table in services.settings.target_tables.split(",") if table]
    entity = parse_entity(name, known.uid if known else new_uuid(request.services.ids), request.json(), target_tables)
    if entity.target is not None:
        from waybill.entities.targets import check_target

        check_target(services.dynamodb, entity, entity.target)
    if known is not None and known.primary_key != entity.primary_key:
        from waybill.entities.records import has_records

        if has_records(services.dynamodb, services.settings.records_table, known):
            raise Conflict(f"{name} has records, so that its primaryKey cannot change.")
    created = services.entities.put(entity, etag)
    headers = {"ETag": f'"{entity.etag}"'}
    if created:
        headers["Location"] = f"/v1/entities/{name}"
    return json_response(entity.to_resource(), 201 if created else 200, headers)


def delete_entity(request: Request, name: str) -> Response[str]:
    entity = visible_entity(request, name)
    require_admin(request.caller)
    from waybill.upkeep.entity_deletion import delete_entity as delete

    delete(request.services, entity, request.if_match(entity.etag, f"The entity {name}"))
    return no_content()


def list_records(request: Request, name: str) -> Response[str]:
    from waybill.entities.records import record_page
    from waybill.entities.schema import parse_schema

    entity = entity_with_right(request, name, Right.VIEW)
    services = request.services
    items, last = record_page(
        services.dynamodb,
        services.settings.records_table,
        entity,
        parse_schema(entity.schema),
        request.limit,
        decode_cursor(request.next_token),
    )
    return list_response(items, None if last is None else encode_cursor(last))


ROUTES = [
    Route("GET", "/v1/entities", list_entities, query=PAGING),
    Route("GET", "/v1/entities/<name>", get_entity),
    Route("PUT", "/v1/entities/<name>", put_entity, body=True),
    Route("DELETE", "/v1/entities/<name>", delete_entity),
    Route("GET", "/v1/entities/<name>/records", list_records, query=PAGING),
]
