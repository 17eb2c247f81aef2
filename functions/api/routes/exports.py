"""Export definitions. The caller needs the right `export` on the entity; other definitions do not exist for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from export_views import export_view
from routes.entities import entity_with_right
from routes.jobs import accepted
from views import job_views
from waybill.entities.model import DataType, Entity, Right
from waybill.entities.permissions import may
from waybill.errors import Forbidden, InvalidRequest, MalformedRequest, Unavailable
from waybill.exports.definition import CUSTOM, Definition, Export, ExportStatus, ExportType
from waybill.exports.repository import export_not_found
from waybill.ids import new_uuid, time_ordered_uuid
from waybill.jobs.model import Job
from waybill.jobs.permissions import sees_job
from waybill.timestamps import rfc3339
from waybill.validation import Problems, boolean, refuse_unknown, text
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
    matches,
    no_content,
    uuid_of,
)

PREVIEWED_RUNS = 5
TEST_MEMBERS = frozenset({"entity", "destination"})
PREVIEW_MEMBERS = frozenset({"type", "schedule"})
EXPORT_FILTERS = ("q", "database", "dataType", "type", "status", "entity")


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


def export_to_change(request: Request, export_id: str) -> tuple[Export, Entity]:
    """As `visible_export`.

    Raises:
        Forbidden: it is a custom flow, which the back office alone defines and runs.
    """
    export, entity = visible_export(request, export_id)
    if export.definition.is_custom and not request.caller.is_backoffice:
        raise Forbidden("Custom flows are set up by the back office (group backoffice).")
    return export, entity


def list_exports(request: Request) -> Response[str]:
    types, data_types = request.words("type", ExportType), request.words("dataType", DataType)
    statuses = request.words("status", ExportStatus)
    search, database = request.query.get("q"), request.query.get("database")
    wanted_entity = request.query.get("entity")
    after = decode_cursor(request.next_token)
    if after is not None:
        try:
            after = uuid_of(after, "place")
        except MalformedRequest:
            raise bad_token() from None
    exports, last = request.services.exports.page(request.limit, after)
    request.read_entities(export.definition.entity for export in exports)

    def wanted(export: Export) -> bool:
        entity = _entity_of(request, export)
        return (
            entity is not None
            and export.definition.type in types
            and entity.data_type in data_types
            and (not database or entity.database == database)
            and (not wanted_entity or entity.name == wanted_entity)
            and (not search or matches(search, (export.definition.name,)))
            # The last run of a periodic export counts as finished while the next one is scheduled.
            and (export.status in statuses or (ExportStatus.FINISHED in statuses and export.last_run is not None))
        )

    items = [export_view(request, export) for export in exports if wanted(export)]
    return list_response(items, None if last is None else encode_cursor(last))


def _parse(request: Request, body: object, entity: Entity | None) -> Definition:
    """
    Raises:
        Forbidden: a custom flow, by somebody who is not of the back office.
        InvalidRequest: with one problem per wrong member.
    """
    from waybill.exports.destinations.base import Allowed
    from waybill.exports.parse import parse_definition

    settings = request.services.settings
    definition = parse_definition(body, entity, Allowed.of(settings), sends_mail=bool(settings.mail_sender))
    if definition.type in CUSTOM and not request.caller.is_backoffice:
        raise Forbidden("Custom flows are set up by the back office (group backoffice).")
    return definition


def test_destination(request: Request) -> Response[str]:
    """Whether a file can be delivered there; another function finds out, which may read secrets."""
    from waybill.aws.functions import NoAnswer
    from waybill.exports.destinations.base import Allowed
    from waybill.exports.parse import parse_delivery

    given = request.json_object()
    problems: Problems = []
    refuse_unknown(given, TEST_MEMBERS, "", problems)
    name = given.get("entity")
    if isinstance(name, str):
        entity_with_right(request, name, Right.EXPORT)
    else:
        problems.append(("/entity", "is required and must be the name of an entity"))
    destination = parse_delivery(given.get("destination"), Allowed.of(request.services.settings), problems)
    if problems:
        raise InvalidRequest("There is nothing to test like this.", problems)
    event = {"destination": destination, "entity": name, "startedBy": request.caller.name}
    services = request.services
    try:
        return json_response(services.functions.ask(services.settings.test_destination_function, event))
    except NoAnswer:
        raise Unavailable("The destination cannot be tested just now.") from None


def _definition(request: Request) -> tuple[Definition, Entity]:
    """The definition in the body, and its entity.

    Raises:
        NotFound, Forbidden: about the entity.
        InvalidRequest: with one problem per wrong member.
    """
    body = request.json()
    name = body.get("entity") if isinstance(body, dict) else None
    entity = entity_with_right(request, name, Right.EXPORT) if isinstance(name, str) else None
    definition = _parse(request, body, entity)  # refuses a body without an entity
    return definition, entity_with_right(request, definition.entity, Right.EXPORT)


def create_export(request: Request) -> Response[str]:
    definition, entity = _definition(request)
    return _created(request, definition, entity)


def _created(request: Request, definition: Definition, entity: Entity) -> Response[str]:
    now = request.services.clock.now()
    export = Export(
        export_id=time_ordered_uuid(int(now.timestamp() * 1000), request.services.ids),
        definition=definition,
        entity_uid=entity.uid,
        status=ExportStatus.DRAFT,
        created_at=now,
        created_by=request.caller.name,
        created_by_id=request.caller.subject,
        series=new_uuid(request.services.ids),
    )
    request.services.exports.add(export)
    return _shown(request, export, 201, {"Location": f"/v1/exports/{export.export_id}"})


def _shown(
    request: Request, export: Export, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[str]:
    return json_response(export_view(request, export), status, {"ETag": f'"{export.etag}"', **(headers or {})})


def get_export(request: Request, export_id: str) -> Response[str]:
    export, _ = visible_export(request, export_id)
    return _shown(request, export)


def put_export(request: Request, export_id: str) -> Response[str]:
    export, _ = export_to_change(request, export_id)
    export.check_allows("edit")
    etag = request.if_match(export.etag, "The export")
    definition, entity = _definition(request)
    return _shown(request, request.services.exports.edit(export.export_id, definition, entity.uid, etag))


def delete_export(request: Request, export_id: str) -> Response[str]:
    export, _ = export_to_change(request, export_id)
    export.check_allows("delete")
    request.services.exports.delete(export.export_id, request.if_match(export.etag, "The export"))
    return no_content()


def activate(request: Request, export_id: str) -> Response[str]:
    from waybill.exports import run

    export, entity = export_to_change(request, export_id)
    # An earlier call may have broken off between the export's move and its job's: this one goes on.
    if export.running is None or request.services.jobs.find(export.running.job_id) is not None:
        export.check_allows("activate")
    _parse(request, export.definition.to_document(), entity)  # the schema may have changed since
    active = run.activate(request.services, export, request.caller.name, request.caller.subject)
    return _shown(request, active)


def unschedule(request: Request, export_id: str) -> Response[str]:
    """SCHEDULED → DRAFT; what cannot be taken back has to be confirmed."""
    export, _ = visible_export(request, export_id)
    given = request.json_object() if request.body else {}
    problems: Problems = []
    refuse_unknown(given, {"confirm"}, "", problems)
    confirmed = boolean(given, "confirm", False, problems)
    is_irreversible = export.definition.type is ExportType.INCREMENTAL_CUSTOM
    if not is_irreversible:
        export_to_change(request, export_id)
    export.check_allows("unschedule")
    if is_irreversible and not confirmed and not problems:
        problems.append(("/confirm", "must be true: this turns the custom flow into a standard export for good"))
    if problems:
        raise InvalidRequest("The export is not unscheduled like this.", problems)
    return _shown(request, request.services.exports.unschedule(export.export_id))


def run_export(request: Request, export_id: str) -> Response[str]:
    from waybill.exports import run

    export, entity = export_to_change(request, export_id)
    export.check_allows("run")
    _parse(request, export.definition.to_document(), entity)
    return accepted(request, run.run_now(request.services, export, request.caller.name, request.caller.subject))


def copy(request: Request, export_id: str) -> Response[str]:
    """A draft with another name. That of an incremental custom flow is a standard one."""
    export, entity = visible_export(request, export_id)
    definition = export.definition
    if definition.type is ExportType.INCREMENTAL_CUSTOM:
        definition = replace(definition, type=ExportType.INCREMENTAL)
    else:
        export_to_change(request, export_id)
    given = request.json_object()
    problems: Problems = []
    refuse_unknown(given, {"name"}, "", problems)
    if text(given, "name", problems) is None and not problems:
        problems.append(("/name", "is required"))
    if problems:
        raise InvalidRequest("The copy breaks a rule.", problems)
    export.check_allows("copy")
    return _created(request, _parse(request, {**definition.to_document(), **given}, entity), entity)


def get_definition(request: Request, export_id: str) -> Response[str]:
    """Every parameter, with nothing left to defaults."""
    export, entity = visible_export(request, export_id)
    if export.definition.type is ExportType.CUSTOM:
        export_to_change(request, export_id)
    export.check_allows("definition")
    document: dict[str, Any] = export.definition.to_document()
    document["fields"] = document["fields"] or entity.field_names
    return json_response({"exportId": export.export_id, "version": export.version, **document})


def preview_schedule(request: Request, export_id: str) -> Response[str]:
    """The next five times at which the schedule runs it, or would if it were activated."""
    export, _ = visible_export(request, export_id)
    return _preview(request, export.definition.schedule)


def preview_any_schedule(request: Request) -> Response[str]:
    """The same of a schedule that no export has yet."""
    from waybill.exports.schedule import check_schedule

    given = request.json_object()
    problems: Problems = []
    refuse_unknown(given, PREVIEW_MEMBERS, "", problems)
    try:
        kind = ExportType(given.get("type", ExportType.ONE_SHOT))
    except ValueError:
        raise InvalidRequest(
            "This is no schedule.", [*problems, ("/type", f"must be one of {', '.join(ExportType)}")]
        ) from None
    schedule = check_schedule(given.get("schedule"), kind, problems)
    if problems:
        raise InvalidRequest("This is no schedule.", problems)
    return _preview(request, schedule)


def _preview(request: Request, schedule: Mapping[str, Any] | None) -> Response[str]:
    from waybill.exports.schedule import next_runs

    runs = [] if schedule is None else next_runs(schedule, request.services.clock.now(), PREVIEWED_RUNS)
    return json_response({"items": [rfc3339(moment) for moment in runs], "nextToken": None})


def list_runs(request: Request, export_id: str) -> Response[str]:
    """The export's runs, newest first."""
    export, _ = visible_export(request, export_id)
    jobs, cursor = request.services.runs.page(export.export_id, request.limit, request.next_token)
    request.read_entities(job.entity for job in jobs)
    return list_response(job_views(request, [job for job in jobs if _sees(request, job)]), cursor)


def _sees(request: Request, job: Job) -> bool:
    entity = request.find_entity(job.entity)
    may_export = entity is not None and entity.uid == job.entity_uid and may(request.caller, entity, Right.EXPORT)
    return may_export or sees_job(request.caller, job, entity)


ROUTES = [
    Route("GET", "/v1/exports", list_exports, query=EXPORT_FILTERS + PAGING),
    Route("POST", "/v1/exports", create_export, body=True),
    Route("POST", "/v1/exports/test-destination", test_destination, body=True),
    Route("POST", "/v1/exports/preview-schedule", preview_any_schedule, body=True),
    Route("GET", "/v1/exports/<export_id>", get_export),
    Route("PUT", "/v1/exports/<export_id>", put_export, body=True),
    Route("DELETE", "/v1/exports/<export_id>", delete_export),
    Route("POST", "/v1/exports/<export_id>/activate", activate),
    Route("POST", "/v1/exports/<export_id>/unschedule", unschedule, body=True),
    Route("POST", "/v1/exports/<export_id>/copy", copy, body=True),
    Route("POST", "/v1/exports/<export_id>/run", run_export),
    Route("GET", "/v1/exports/<export_id>/definition", get_definition),
    Route("GET", "/v1/exports/<export_id>/jobs", list_runs, query=PAGING),
    Route("GET", "/v1/exports/<export_id>/preview-schedule", preview_schedule),
]
