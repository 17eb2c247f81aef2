"""Export definitions. The caller needs the right `export` on the entity; other definitions do not exist for them."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response

from routes.entities import entity_with_right
from views import job_views
from waybill.entities.model import DataType, Entity, Problems, Right, refuse_unknown, text
from waybill.entities.permissions import may, sees_job
from waybill.errors import InvalidRequest, MalformedRequest
from waybill.exports.definition import (
    Definition,
    Export,
    ExportStatus,
    ExportType,
    entity_name,
    parse_definition,
)
from waybill.exports.repository import export_not_found, new_export_id
from waybill.jobs.model import Job
from web import (
    Request,
    Route,
    bad_token,
    decode_cursor,
    encode_cursor,
    json_response,
    list_response,
    matches,
    no_content,
    uuid_of,
)

_PAGES_READ = 10  # in search of a run, before an empty page is answered


def visible_export(request: Request, export_id: str) -> tuple[Export, Entity]:
    """
    Raises:
        MalformedRequest: not an id.
        NotFound: there is none, or not for the caller's eyes.
    """
    export = request.services.exports.get(uuid_of(export_id, "export id"))
    entity = _entity_of(request, export)
    if entity is None:
        raise export_not_found()
    return export, entity


def _entity_of(request: Request, export: Export) -> Entity | None:
    """The export's entity, if it is still the same and the caller may export it."""
    entity = request.find_entity(export.definition.entity)
    if entity is None or entity.uid != export.entity_uid or not may(request.caller, entity, Right.EXPORT):
        return None
    return entity


def list_exports(request: Request) -> Response[str]:
    types, data_types = request.words("type", ExportType), request.words("dataType", DataType)
    statuses = request.words("status", ExportStatus)
    search, database = request.query.get("q"), request.query.get("database")
    after = decode_cursor(request.next_token)
    if after is not None:
        try:
            after = uuid_of(after, "place")
        except MalformedRequest:
            raise bad_token() from None
    exports, last = request.services.exports.page(request.limit, after)

    def wanted(export: Export) -> bool:
        entity = _entity_of(request, export)
        return (
            entity is not None
            and export.definition.type in types
            and entity.data_type in data_types
            and (not database or entity.database == database)
            and (not search or matches(search, (export.definition.name,)))
            # The last run of a periodic export counts as finished while the next one is scheduled.
            and (export.status in statuses or (ExportStatus.FINISHED in statuses and export.last_run is not None))
        )

    items = [export.to_resource() for export in exports if wanted(export)]
    return list_response(items, None if last is None else encode_cursor(last))


def _definition(request: Request) -> tuple[Definition, Entity]:
    """The definition in the body, and its entity.

    Raises:
        NotFound, Forbidden: about the entity.
        InvalidRequest: with one problem per wrong member.
    """
    body = request.json()
    name = entity_name(body)
    entity = None if name is None else entity_with_right(request, name, Right.EXPORT)
    definition = parse_definition(body, entity)  # refuses a body without an entity
    return definition, entity_with_right(request, definition.entity, Right.EXPORT)


def create_export(request: Request) -> Response[str]:
    definition, entity = _definition(request)
    return _created(request, definition, entity)


def _created(request: Request, definition: Definition, entity: Entity) -> Response[str]:
    now = request.services.clock()
    export = Export(
        export_id=new_export_id(now),
        definition=definition,
        entity_uid=entity.uid,
        status=ExportStatus.DRAFT,
        created_at=now,
        created_by=request.caller.name,
        created_by_id=request.caller.subject,
    )
    request.services.exports.add(export)
    return json_response(export.to_resource(), 201, {"Location": f"/v1/exports/{export.export_id}"})


def get_export(request: Request, export_id: str) -> Response[str]:
    export, _ = visible_export(request, export_id)
    return json_response(export.to_resource())


def put_export(request: Request, export_id: str) -> Response[str]:
    export, _ = visible_export(request, export_id)
    export.check_allows("edit")
    definition, entity = _definition(request)
    return json_response(request.services.exports.replace(export, definition, entity.uid).to_resource())


def delete_export(request: Request, export_id: str) -> Response[str]:
    export, _ = visible_export(request, export_id)
    export.check_allows("delete")
    request.services.exports.delete(export)
    return no_content()


def activate(request: Request, export_id: str) -> Response[str]:
    from waybill.exports.run import start_export

    export, entity = visible_export(request, export_id)
    if not _lost_its_job(request, export):
        export.check_allows("activate")
    parse_definition(export.definition.to_document(), entity)  # the schema may have changed since
    start_export(request.services, export, request.caller.name, request.caller.subject)
    return json_response(request.services.exports.get(export.export_id).to_resource())


def _lost_its_job(request: Request, export: Export) -> bool:
    """An activation ended between the export's move and its job's; `start_export` takes up where it stopped."""
    if export.status is not ExportStatus.IN_PROGRESS or export.job_id is None:
        return False
    return request.services.jobs.find(export.job_id) is None


def copy(request: Request, export_id: str) -> Response[str]:
    """A draft with another name."""
    export, entity = visible_export(request, export_id)
    given = request.json_object()
    problems: Problems = []
    refuse_unknown(given, {"name"}, "", problems)
    if text(given, "name", problems) is None and not problems:
        problems.append(("/name", "is required"))
    if problems:
        raise InvalidRequest("The copy breaks a rule.", problems)
    export.check_allows("copy")
    return _created(request, parse_definition({**export.definition.to_document(), **given}, entity), entity)


def get_definition(request: Request, export_id: str) -> Response[str]:
    """Every parameter, with nothing left to defaults."""
    export, entity = visible_export(request, export_id)
    export.check_allows("definition")
    document: dict[str, Any] = export.definition.to_document()
    document["fields"] = document["fields"] or entity.field_names
    return json_response({"exportId": export.export_id, **document})


def list_runs(request: Request, export_id: str) -> Response[str]:
    """The export's runs, newest first: like every filter this one applies after the read."""
    export, _ = visible_export(request, export_id)
    next_cursor, runs = request.next_token, list[Job]()
    for _ in range(_PAGES_READ):
        jobs, next_cursor = request.services.jobs.page(request.limit, next_cursor)
        runs = [job for job in jobs if job.export_id == export.export_id and _sees(request, job)]
        if runs or next_cursor is None:
            break
    return list_response(job_views(request, runs), next_cursor)


def _sees(request: Request, job: Job) -> bool:
    return sees_job(request.caller, job, request.find_entity(job.entity))


ROUTES = [
    Route("GET", "/v1/exports", list_exports),
    Route("POST", "/v1/exports", create_export),
    Route("GET", "/v1/exports/<export_id>", get_export),
    Route("PUT", "/v1/exports/<export_id>", put_export),
    Route("DELETE", "/v1/exports/<export_id>", delete_export),
    Route("POST", "/v1/exports/<export_id>/activate", activate),
    Route("POST", "/v1/exports/<export_id>/copy", copy),
    Route("GET", "/v1/exports/<export_id>/definition", get_definition),
    Route("GET", "/v1/exports/<export_id>/jobs", list_runs),
]
