"""The catalogue."""

from __future__ import annotations

import uuid

from aws_lambda_powertools.event_handler import Response

from waybill.entities.model import NAME_PATTERN, Entity, Right, parse_entity
from waybill.entities.permissions import entity_not_found, require, require_admin, sees_entity
from waybill.errors import Conflict
from waybill.exports.definition import ExportStatus
from web import (
    PAGING,
    Request,
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
    return json_response(visible_entity(request, name).to_resource())


def put_entity(request: Request, name: str) -> Response[str]:
    require_admin(request.caller)
    services = request.services
    known = request.find_entity(name)
    target_tables = [table for table in services.settings.target_tables.split(",") if table]
    entity = parse_entity(name, known.uid if known else str(uuid.uuid4()), request.json(), target_tables)
    if entity.target is not None:
        from waybill.entities.targets import check_target

        check_target(services.dynamodb, entity, entity.target)
    if known is not None and known.primary_key != entity.primary_key:
        from waybill.entities.records import has_records

        if has_records(services.dynamodb, services.settings.records_table, known):
            raise Conflict(f"{name} has records, so that its primaryKey cannot change.")
    created = services.entities.put(entity)
    headers = {"Location": f"/v1/entities/{name}"} if created else None
    return json_response(entity.to_resource(), 201 if created else 200, headers)


def delete_entity(request: Request, name: str) -> Response[str]:
    entity = visible_entity(request, name)
    require_admin(request.caller)
    if _import_runs(request, entity):
        raise Conflict(f"An import into {name} is waiting or in progress.")
    busy = {ExportStatus.SCHEDULED, ExportStatus.IN_PROGRESS}
    if any(export.status in busy for export in request.services.exports.of_entity(entity.uid)):
        raise Conflict(f"An export of {name} is scheduled or in progress.")
    request.services.entities.delete(entity)
    return no_content()


def _import_runs(request: Request, entity: Entity) -> bool:
    """Whether the entity's queue holds an import that has not ended; entries of ended ones are taken out."""
    jobs = request.services.jobs
    while (entry := jobs.queue_head(entity.uid)) is not None:
        job = jobs.find(entry.partition("#")[2])
        if job is not None and not job.is_terminal:
            return True
        jobs.leave_queue(entity.uid, entry)
    return False


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
