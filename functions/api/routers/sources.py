"""Sources. The caller needs the right `import` on the entity; other sources do not exist for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

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
from auth import EDIT_SOURCE, IMPORT, SOURCE, TOKEN, entity_of_source
from connection_test import ask, check_secret, check_webhook_secrets
from request import Request
from routing import DELETED, IDEMPOTENCY_KEY, TOO_MANY_PREVIEWS, Answer, ApiRouter, ok
from waybill.entities.model import Entity
from waybill.errors import InvalidRequest
from waybill.exports.definition import Owner
from waybill.jobs.permissions import sees_job
from waybill.sizes import MAX_EXPORT_BYTES, MAX_SOURCES, check_size
from waybill.sources import wire
from waybill.sources.definition import Definition, Source, SourceStatus
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from models.sources import Paging, SourceFilters, SourceRequest, SourceToTest
    from waybill.aws.table import Action
    from waybill.sources.files import SeenFile

_BROKEN = "The definition of the source breaks a rule."
_STATE = {409: "The status does not allow it; `allowedActions` lists what it allows."}
_FITS_NO_MORE = {422: "The definition no longer suits the entity."}
_TOO_MANY = {429: f"The entity has {MAX_SOURCES} sources."}
_MADE = ("Location", "ETag")
_FILE_POSITION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#[0-9a-f]{40}", re.ASCII)

router = ApiRouter("Sources")


@router.get(
    "/v1/sources",
    "List sources",
    needs=TOKEN,
    answers=ok("A page of sources, newest first.", wire.SourcePage),
)
def list_sources(request: Request, query: SourceFilters) -> Response[str]:
    after = decode_cursor(query.next_token, UUID)
    sources, last = request.services.sources.page(query.limit, after)
    request.read_entities(source.definition.entity for source in sources)
    wanted = (source for source in sources if _is_wanted(request, query, source))
    views = ((source_view(request, source), source.source_id) for source in wanted)
    return list_response(*what_fits(views, encode_cursor(last)))


def _is_wanted(request: Request, query: SourceFilters, source: Source) -> bool:
    entity = entity_of_source(request, source)
    return (
        entity is not None
        and query.entity in ("", entity.name)
        and source.status in query.status
        and matches(query.q, (source.definition.name,))
    )


def source_view(request: Request, source: Source) -> wire.Source:
    """A source's definition and state."""
    next_run = None
    if source.status is SourceStatus.SCHEDULED:
        from waybill.schedule import next_runs

        next_run = next(iter(next_runs(source.definition.schedule, request.services.clock.now(), 1)), None)
    trouble = source.trouble and {name: source.trouble[name] for name in ("since", "code", "message")}
    standing: wire.SourceStanding = {
        "sourceId": source.source_id,
        "status": source.status,
        "version": source.version,
        "createdAt": rfc3339(source.created_at),
        "createdBy": source.created_by,
        "owner": None if source.owner is None else source.owner.name,
        "allowedActions": source.allowed_actions(),
        "isRunning": source.running is not None,
        "nextRunAt": rfc3339(next_run),
        "lastRun": cast(wire.SourceRun | None, source.last_run),
        "unreachable": cast(wire.SourceTrouble | None, trouble),
        "message": source.message,
        "pausedAt": rfc3339(source.paused_at),
    }
    return cast(wire.Source, {**source.definition.to_document(), **standing})


@router.post(
    "/v1/sources",
    "Define a source",
    needs=IMPORT,
    answers={201: Answer("A draft.", wire.Source, _MADE)},
    refusals={
        404: "There is no such entity.",
        409: "The entity is being deleted, or a request with the same key runs.",
    }
    | _TOO_MANY,
    headers=(IDEMPOTENCY_KEY,),
)
def create_source(request: Request, entity: Entity, body: SourceRequest) -> Response[str]:
    source = Source(
        source_id=request.made_id,
        definition=_of_caller(request, body, entity),
        entity_uid=entity.uid,
        status=SourceStatus.DRAFT,
        created_at=request.services.clock.now(),
        created_by=request.caller.name,
        created_by_id=request.caller.subject,
    )
    added = request.services.sources.add(source, _entry(request, source.source_id, entity))
    return _shown(request, added, 201, {"Location": f"/v1/sources/{source.source_id}"})


def _of_caller(request: Request, body: SourceRequest, entity: Entity) -> Definition:
    """
    Raises:
        InvalidRequest: its secret is not for this.
        TooLarge
        Unavailable
    """
    definition = body.to_definition()
    check_size("The definition of the source", definition.to_document(), MAX_EXPORT_BYTES)
    check_secret(request, definition.location, entity, "location", _BROKEN)
    check_webhook_secrets(request, definition.webhooks, entity, _BROKEN)
    return definition


def _entry(request: Request, source_id: str, entity: Entity) -> list[Action]:
    return request.services.audit.entry(request.act, entity=entity.name, sourceId=source_id)


def _shown(
    request: Request, source: Source, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[str]:
    return json_response(source_view(request, source), status, {"ETag": f'"{source.etag}"', **(headers or {})})


@router.post(
    "/v1/sources/test",
    "Test a location, and list what would be fetched",
    needs=IMPORT,
    answers=ok("The result of the test.", wire.SourceTest),
    refusals={404: "There is no such entity.", 429: TOO_MANY_PREVIEWS},
    description="Connects, logs in and lists the folder; nothing is fetched, moved or deleted. `files` holds the first "
    "20 that match. Takes up to 25 seconds.",
)
def test_source(request: Request, entity: Entity, body: SourceToTest) -> Response[str]:
    request.services.previews.take(request.caller.subject)
    request.note()
    listing = {"pattern": body.pattern, "order": body.order.value}
    return json_response(ask(request, body.location, entity, listing=listing))


@router.get(
    "/v1/sources/<source_id>",
    "Get a source",
    needs=SOURCE,
    answers=ok("The source.", wire.Source, "ETag"),
)
def get_source(request: Request, source: Source) -> Response[str]:
    return _shown(request, source)


@router.put(
    "/v1/sources/<source_id>",
    "Edit a draft",
    needs=EDIT_SOURCE,
    answers=ok("The source.", wire.Source, "ETag"),
    refusals=_STATE | _TOO_MANY,
    headers=("If-Match",),
)
def put_source(request: Request, source: Source, entity: Entity, body: SourceRequest) -> Response[str]:
    etag = request.if_match(source.etag, "The source")
    definition, entry = _of_caller(request, body, entity), _entry(request, source.source_id, entity)
    return _shown(request, request.services.sources.edit(source.source_id, definition, entity.uid, etag, entry))


@router.delete(
    "/v1/sources/<source_id>",
    "Delete a draft",
    needs=SOURCE,
    answers=DELETED,
    refusals=_STATE,
    headers=("If-Match",),
)
def delete_source(request: Request, source: Source, entity: Entity) -> Response[str]:
    source.check_allows("delete")
    etag, entry = request.if_match(source.etag, "The source"), _entry(request, source.source_id, entity)
    request.services.sources.delete(source.source_id, etag, entry)
    return no_content()


@router.post(
    "/v1/sources/<source_id>/activate",
    "Activate a draft: its schedule runs it from now on",
    needs=SOURCE,
    answers=ok("The source, now SCHEDULED.", wire.Source, "ETag"),
    refusals=_STATE | _FITS_NO_MORE,
    headers=(IDEMPOTENCY_KEY,),
    operation_id="activateSource",
)
def activate(request: Request, source: Source, entity: Entity) -> Response[str]:
    from waybill.sources import run

    if request.is_repeat and source.status is SourceStatus.SCHEDULED:
        return _shown(request, source)
    source.check_allows("activate")
    _check_fit(request, source.definition, entity)
    owner = Owner(request.caller.subject, request.caller.name)
    return _shown(request, run.activate(request.services, source, owner, request.act))


def _check_fit(request: Request, definition: Definition, entity: Entity) -> None:
    """The schema may have changed since the definition was saved.

    Raises:
        InvalidRequest: with one problem per member that no longer fits.
    """
    from waybill.exports.destinations.base import Allowed
    from waybill.sources.rules import check_fit

    settings = request.services.settings
    if problems := check_fit(definition, entity, Allowed.of(settings), settings.mail_domains):
        raise InvalidRequest(_BROKEN, problems)


@router.post(
    "/v1/sources/<source_id>/unschedule",
    "Turn a scheduled source back into a draft",
    needs=SOURCE,
    answers=ok("The source, now a DRAFT.", wire.Source, "ETag"),
    refusals=_STATE,
    description="A run in progress ends with the file that it is at.",
    operation_id="unscheduleSource",
)
def unschedule(request: Request, source: Source, entity: Entity) -> Response[str]:
    source.check_allows("unschedule")
    entry = _entry(request, source.source_id, entity)
    return _shown(request, request.services.sources.unschedule(source.source_id, entry))


@router.post(
    "/v1/sources/<source_id>/run",
    "Run a scheduled source now",
    needs=SOURCE,
    answers=ok("The source; its run has begun.", wire.Source, "ETag"),
    refusals=_STATE | _FITS_NO_MORE,
    headers=(IDEMPOTENCY_KEY,),
)
def run_source(request: Request, source: Source, entity: Entity) -> Response[str]:
    from waybill.sources import run

    _check_fit(request, source.definition, entity)
    return _shown(request, run.run_now(request.services, source, request.caller.name, request.made_id, request.act))


@router.get(
    "/v1/sources/<source_id>/files",
    "List the files that a source has seen",
    needs=SOURCE,
    answers=ok("A page of files, newest first.", wire.SourceFilePage),
)
def list_files(request: Request, source: Source, query: Paging) -> Response[str]:
    after = decode_cursor(query.next_token, _FILE_POSITION)
    files, last = request.services.source_files.page(source.source_id, query.limit, after)
    seen = _seen_jobs(request, files)
    views = ((file_view(file, knows_job=file.job_id in seen), f"{rfc3339(file.seen_at)}#{file.mark}") for file in files)
    return list_response(*what_fits(views, encode_cursor(last)))


def _seen_jobs(request: Request, files: Sequence[SeenFile]) -> set[str]:
    """Ids of the jobs of these files that are still there and that the caller sees."""
    jobs = request.services.jobs.live([file.job_id for file in files])
    request.read_entities(job.entity for job in jobs)
    return {job.job_id for job in jobs if sees_job(request.caller, job, request.find_entity(job.entity))}


def file_view(seen: SeenFile, *, knows_job: bool) -> wire.SourceFile:
    """
    Args:
        knows_job: whether the caller sees the file's job: its message may hold cells.
    """
    return cast(
        wire.SourceFile,
        {
            "name": seen.file.name,
            "sizeBytes": seen.file.size_bytes,
            "modified": rfc3339(seen.file.modified),
            "seenAt": rfc3339(seen.seen_at),
            "jobId": seen.job_id if knows_job else None,
            "status": seen.status,
            "outcome": seen.outcome,
            "imported": seen.imported,
            "errorCode": seen.error_code,
            "errorMessage": seen.error_message if knows_job else None,
            "after": seen.after,
            "movedTo": seen.moved_to,
        },
    )
