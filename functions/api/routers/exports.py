"""Export definitions. The caller needs the right `export` on the entity; other definitions do not exist for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import (
    UUID,
    decode_cursor,
    encode_cursor,
    json_response,
    list_response,
    matches,
    no_content,
    what_fits,
)
from auth import (
    CHANGE_EXPORT,
    EDIT_EXPORT,
    EXPORT,
    EXPORT_DEFINITION,
    TAKE_OVER_EXPORT,
    TOKEN,
    entity_of_export,
    export_to_change,
    require_backoffice,
)
from connection_test import ask, check_secret, check_webhook_secrets
from export_views import definition_view, export_view
from request import Request, uuid_of
from routing import DELETED, IDEMPOTENCY_KEY, TOO_MANY_JOBS, TOO_MANY_PREVIEWS, Answer, ApiRouter, accepted, ok
from views import accept, job_views, position_of
from waybill.entities.model import Entity, Right
from waybill.entities.permissions import may
from waybill.errors import Forbidden, InvalidRequest, MalformedRequest, WaybillError
from waybill.exports import wire
from waybill.exports.definition import Definition, Export, ExportStatus, ExportType
from waybill.ids import new_uuid
from waybill.jobs.model import Job
from waybill.jobs.permissions import sees_job
from waybill.sizes import MAX_EXPORT_BYTES, MAX_EXPORTS, MAX_RECORD_COUNTS, check_size
from waybill.timestamps import rfc3339
from waybill.wire.jobs import Job as JobResource
from waybill.wire.jobs import JobPage

if TYPE_CHECKING:
    from models.exports import (
        Backfill,
        Copy,
        DestinationToTest,
        ExportFilters,
        ExportRequest,
        ExportsToDelete,
        ExportToPreview,
        Paging,
        ScheduleToPreview,
        Unscheduling,
    )
    from waybill.aws.table import Action

PREVIEWED_RUNS = 5
_BROKEN = "The definition of the export breaks a rule."
_STATE = {409: "The status does not allow it; `allowedActions` lists what it allows."}
_CUSTOM = {403: "It is a custom flow, which only the back office may change."}
_FITS_NO_MORE = {422: "The definition no longer suits the entity."}
_TOO_MANY = {429: f"The entity has {MAX_EXPORTS} exports."}
_MADE = ("Location", "ETag")

router = ApiRouter("Exports")


@router.get(
    "/v1/exports",
    "List exports",
    needs=TOKEN,
    answers=ok("A page of definitions, newest first.", wire.ExportPage),
    description="The status `FINISHED` also matches periodic exports that have run.",
)
def list_exports(request: Request, query: ExportFilters) -> Response[str]:
    after = decode_cursor(query.next_token, UUID)
    exports, last = request.services.exports.page(query.limit, after)
    request.read_entities(export.definition.entity for export in exports)
    wanted = (export for export in exports if _is_wanted(request, query, export))
    views = ((export_view(request, export), export.export_id) for export in wanted)
    return list_response(*what_fits(views, encode_cursor(last)))


def _is_wanted(request: Request, query: ExportFilters, export: Export) -> bool:
    entity = entity_of_export(request, export)
    return (
        entity is not None
        and export.definition.type in query.type
        and entity.data_type in query.data_type
        and query.database in ("", entity.database)
        and query.entity in ("", entity.name)
        and matches(query.q, (export.definition.name,))
        # The last run of a periodic export counts as finished while the next one is scheduled.
        and (export.status in query.status or (ExportStatus.FINISHED in query.status and export.last_run is not None))
    )


@router.post(
    "/v1/exports",
    "Define an export",
    needs=EXPORT,
    answers={201: Answer("A draft.", wire.Export, _MADE)},
    refusals={
        404: "There is no such entity.",
        409: "The entity is being deleted, or a request with the same key runs.",
    }
    | _TOO_MANY,
    headers=(IDEMPOTENCY_KEY,),
)
def create_export(request: Request, entity: Entity, body: ExportRequest) -> Response[str]:
    return _created(request, _of_caller(request, body, entity), entity)


def _of_caller(request: Request, body: ExportRequest, entity: Entity) -> Definition:
    """
    Raises:
        Forbidden: a custom flow, and the caller is not in the back office.
        InvalidRequest: its secret is not for this.
        TooLarge
        Unavailable
    """
    definition = body.to_definition()
    check_size("The definition of the export", definition.to_document(), MAX_EXPORT_BYTES)
    if definition.is_custom:
        require_backoffice(request)
    check_secret(request, definition.destination, entity, "destination", _BROKEN)
    check_webhook_secrets(request, definition.webhooks, entity, _BROKEN)
    return definition


def _created(request: Request, definition: Definition, entity: Entity) -> Response[str]:
    export = Export(
        export_id=request.made_id,
        definition=definition,
        entity_uid=entity.uid,
        status=ExportStatus.DRAFT,
        created_at=request.services.clock.now(),
        created_by=request.caller.name,
        created_by_id=request.caller.subject,
        series=new_uuid(request.services.ids),
    )
    entry = _entry(request, export.export_id, entity)
    added = request.services.exports.add(export, entry)
    return _shown(request, added, 201, {"Location": f"/v1/exports/{export.export_id}"})


def _entry(request: Request, export_id: str, entity: Entity) -> list[Action]:
    return request.services.audit.entry(request.act, entity=entity.name, exportId=export_id)


def _shown(
    request: Request, export: Export, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[str]:
    return json_response(export_view(request, export), status, {"ETag": f'"{export.etag}"', **(headers or {})})


@router.post(
    "/v1/exports/test-destination",
    "Test a destination",
    needs=EXPORT,
    answers=ok("The result of the test.", wire.DestinationTest),
    refusals={404: "There is no such entity.", 429: TOO_MANY_PREVIEWS},
    description="Connects, logs in, and does what a delivery does with a small file: writes it under a temporary name, "
    "renames it, and deletes it. In a bucket, begins an upload and aborts it. Takes up to 25 seconds.",
)
def test_destination(request: Request, entity: Entity, body: DestinationToTest) -> Response[str]:
    request.services.previews.take(request.caller.subject)
    request.note()
    return json_response(ask(request, body.destination, entity))


@router.post(
    "/v1/exports/preview",
    "Preview an export before it runs",
    needs=EXPORT,
    answers=ok("How many records match, and the first rows.", wire.ExportPreview),
    refusals={
        404: "There is no such entity.",
        429: f"The caller has made {MAX_RECORD_COUNTS} counts of records in this minute.",
    },
    description="Reads at most 80 MB without a filter; with one at most 20,000 records or 10 MB: what needs more is "
    "estimated, or counted so far, and `precision` says so. Nothing is written.",
)
def preview_export(request: Request, entity: Entity, body: ExportToPreview) -> Response[str]:
    from waybill.exports.preview import preview_export as preview

    services = request.services
    services.previews.take_record_count(request.caller.subject)
    return json_response(preview(services.dynamodb, services.settings.records_table, entity, body.to_definition()))


@router.post(
    "/v1/exports/preview-schedule",
    "Preview a schedule before it is saved",
    needs=TOKEN,
    answers=ok("The next five run times.", wire.RunTimes),
)
def preview_any_schedule(request: Request, body: ScheduleToPreview) -> Response[str]:
    return _next_runs(request, body.schedule)


def _next_runs(request: Request, schedule: Mapping[str, Any] | None) -> Response[str]:
    from waybill.schedule import next_runs

    runs = next_runs(schedule, request.services.clock.now(), PREVIEWED_RUNS)
    times: wire.RunTimes = {"items": [rfc3339(moment) for moment in runs], "nextToken": None}
    return json_response(times)


@router.get(
    "/v1/exports/<export_id>",
    "Get an export",
    needs=EXPORT_DEFINITION,
    answers=ok("The export.", wire.Export, "ETag"),
)
def get_export(request: Request, export: Export) -> Response[str]:
    return _shown(request, export)


@router.put(
    "/v1/exports/<export_id>",
    "Edit a draft",
    needs=EDIT_EXPORT,
    answers=ok("The export.", wire.Export, "ETag"),
    refusals=_CUSTOM | _STATE | _TOO_MANY,
    headers=("If-Match",),
)
def put_export(request: Request, export: Export, entity: Entity, body: ExportRequest) -> Response[str]:
    etag = request.if_match(export.etag, "The export")
    definition, entry = _of_caller(request, body, entity), _entry(request, export.export_id, entity)
    edited = request.services.exports.edit(export.export_id, definition, entity.uid, etag, entry)
    return _shown(request, edited)


@router.delete(
    "/v1/exports/<export_id>",
    "Delete a draft",
    needs=CHANGE_EXPORT,
    answers=DELETED,
    refusals=_CUSTOM | _STATE,
    headers=("If-Match",),
)
def delete_export(request: Request, export: Export, entity: Entity) -> Response[str]:
    export.check_allows("delete")
    etag, entry = request.if_match(export.etag, "The export"), _entry(request, export.export_id, entity)
    request.services.exports.delete(export.export_id, etag, entry)
    return no_content()


@router.post(
    "/v1/exports/delete",
    "Delete exports that have finished, and drafts",
    operation_id="deleteExports",
    needs=TOKEN,
    answers=ok("Which exports were deleted, and why others were not.", wire.ExportDeletion),
    description="The jobs of their runs stay until they expire, with their reports and files.",
)
def delete_many(request: Request, body: ExportsToDelete) -> Response[str]:
    deleted: list[str] = []
    failed: list[wire.FailedExportDeletion] = []
    for export_id in dict.fromkeys(body.export_ids):
        try:
            found = export_to_change(request, uuid_of("export_id", export_id))
            entry = _entry(request, found["export"].export_id, found["entity"])
            request.services.exports.delete(found["export"].export_id, None, entry, Export.check_is_over)
        except MalformedRequest:
            failed.append({"exportId": export_id, "status": 404, "detail": "This is not the id of an export."})
        except WaybillError as error:
            if isinstance(error, Forbidden):
                request.note("refused")
            failed.append({"exportId": export_id, "status": error.status, "detail": error.detail})
        else:
            deleted.append(export_id)
    return json_response({"deleted": deleted, "failed": failed})


@router.post(
    "/v1/exports/<export_id>/activate",
    "Activate a draft: schedule it, or run it now",
    needs=CHANGE_EXPORT,
    answers=ok("The export: SCHEDULED, or IN_PROGRESS.", wire.Export, "ETag"),
    refusals=_CUSTOM | _STATE | _FITS_NO_MORE | {429: TOO_MANY_JOBS},
    headers=(IDEMPOTENCY_KEY,),
    operation_id="activateExport",
)
def activate(request: Request, export: Export, entity: Entity) -> Response[str]:
    from waybill.exports import run

    # An earlier call may have been interrupted between the writes of the export and of its job: continue it.
    if export.running is None or request.services.jobs.find(export.running.job_id) is not None:
        if request.is_repeat and export.status is not ExportStatus.DRAFT:
            return _shown(request, export)
        export.check_allows("activate")
    _check_fit(request, export.definition, entity)
    active = run.activate(request.services, export, request.caller.name, request.caller.subject, request.act)
    return _shown(request, active)


def _check_fit(request: Request, definition: Definition, entity: Entity) -> None:
    """The schema may have changed since the definition was saved.

    Raises:
        InvalidRequest: with one problem per member that no longer fits.
    """
    from waybill.exports.destinations.base import Allowed
    from waybill.exports.rules import check_fit

    settings = request.services.settings
    allowed = Allowed.of(settings, request.services.clock.now())
    if problems := check_fit(definition, entity, allowed, settings.mail_domains):
        raise InvalidRequest(_BROKEN, problems)


@router.post(
    "/v1/exports/<export_id>/unschedule",
    "Turn a scheduled export back into a draft",
    needs=TAKE_OVER_EXPORT,
    answers=ok("The export, now a DRAFT.", wire.Export, "ETag"),
    refusals=_CUSTOM | _STATE,
    operation_id="unscheduleExport",
)
def unschedule(request: Request, export: Export, entity: Entity, body: Unscheduling) -> Response[str]:
    export.check_allows("unschedule")
    if export.definition.type is ExportType.INCREMENTAL_CUSTOM and not body.confirm:
        irreversible = "must be true: this turns the custom flow into a standard export for good"
        raise InvalidRequest(body.refusal, [("/confirm", irreversible)])
    entry = _entry(request, export.export_id, entity)
    return _shown(request, request.services.exports.unschedule(export.export_id, entry))


@router.post(
    "/v1/exports/<export_id>/copy",
    "Copy an export",
    needs=TAKE_OVER_EXPORT,
    answers={201: Answer("A draft with the new name.", wire.Export, _MADE)},
    refusals=_CUSTOM | _STATE | _TOO_MANY,
    headers=(IDEMPOTENCY_KEY,),
    operation_id="copyExport",
)
def copy(request: Request, export: Export, entity: Entity, body: Copy) -> Response[str]:
    """The copy of an incremental custom flow is a standard export."""
    export.check_allows("copy")
    kind = export.definition.type
    kind = ExportType.INCREMENTAL if kind is ExportType.INCREMENTAL_CUSTOM else kind
    definition = replace(export.definition, name=body.name, type=kind)
    _check_fit(request, definition, entity)
    check_secret(request, definition.destination, entity, "destination", _BROKEN)
    check_webhook_secrets(request, definition.webhooks, entity, _BROKEN)
    return _created(request, definition, entity)


@router.post(
    "/v1/exports/<export_id>/run",
    "Run a scheduled export now",
    needs=CHANGE_EXPORT,
    answers=accepted("The job.", JobResource),
    refusals=_CUSTOM | _STATE | _FITS_NO_MORE | {429: TOO_MANY_JOBS},
    headers=(IDEMPOTENCY_KEY,),
    description="As its schedule would; an incremental export also for a past period, `{windowFrom, windowTo}`: the "
    "records whose last change lies in it. That leaves its windows as they are.",
)
def run_export(request: Request, export: Export, entity: Entity, body: Backfill) -> Response[str]:
    from waybill.exports import run

    if export.running is None or export.running.job_id != request.made_id:
        export.check_allows("run")
    _check_fit(request, export.definition, entity)
    _check_period(request, export, entity, body)
    period = None if body.window_to is None else (body.window_from, body.window_to)
    caller, made_id, act = request.caller, request.made_id, request.act
    return accept(request, run.run_now(request.services, export, caller.name, caller.subject, made_id, act, period))


def _check_period(request: Request, export: Export, entity: Entity, body: Backfill) -> None:
    """
    Raises:
        InvalidRequest: the export has no windows, or the period has not ended.
    """
    from waybill.exports.window import latest_end

    if body.window_to is None:
        return
    if not export.definition.is_incremental:
        raise InvalidRequest(body.refusal, [("/windowTo", "only incremental exports run for a period")])
    latest = latest_end(entity, request.services.clock.now())
    if body.window_to > latest:
        raise InvalidRequest(body.refusal, [("/windowTo", f"must not be later than {rfc3339(latest)}")])


@router.get(
    "/v1/exports/<export_id>/definition",
    "Get the definition of an export, with all defaults filled in",
    needs=TAKE_OVER_EXPORT,
    answers=ok("The definition.", wire.ExportWithDefinition),
    refusals=_CUSTOM | _STATE,
)
def get_definition(export: Export, entity: Entity) -> Response[str]:
    export.check_allows("definition")
    return json_response(definition_view(export, entity.field_names))


@router.get(
    "/v1/exports/<export_id>/jobs",
    "List the runs of an export",
    needs=EXPORT_DEFINITION,
    answers=ok("A page of jobs, newest first.", JobPage),
)
def list_runs(request: Request, export: Export, query: Paging) -> Response[str]:
    jobs, cursor = request.services.runs.page(export.export_id, query.limit, query.next_token)
    request.read_entities(job.entity for job in jobs)
    views = job_views(request, [job for job in jobs if _sees(request, job)])
    return list_response(*what_fits(((view, position_of(view)) for view in views), cursor))


def _sees(request: Request, job: Job) -> bool:
    entity = request.find_entity(job.entity)
    may_export = entity is not None and entity.uid == job.entity_uid and may(request.caller, entity, Right.EXPORT)
    return may_export or sees_job(request.caller, job, entity)


@router.get(
    "/v1/exports/<export_id>/preview-schedule",
    "Preview the schedule of an export",
    needs=EXPORT_DEFINITION,
    answers=ok("The next five run times.", wire.RunTimes),
)
def preview_schedule(request: Request, export: Export) -> Response[str]:
    """The next five times at which the schedule runs it, or would if it were activated."""
    return _next_runs(request, export.definition.schedule)
