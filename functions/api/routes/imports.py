"""A file in: the form to send it to, and the import of what was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from routes.entities import entity_with_right
from routes.jobs import accepted
from waybill.entities.model import Entity, Right, check_columns, check_dialect, check_encoding
from waybill.errors import Conflict, Gone, InvalidRequest, MalformedRequest, NotFound, WaybillError
from waybill.ids import new_uuid
from waybill.imports.modes import DEFAULT_MODE
from waybill.imports.options import ImportOptions, check_max_errors, check_mode, check_on_error
from waybill.imports.start import start_upload
from waybill.jobs.idempotency import Claim
from waybill.jobs.model import Job
from waybill.jobs.uploads import Upload
from waybill.timestamps import rfc3339
from waybill.validation import Problems, boolean, is_line, refuse_unknown
from web import ID_PATTERN, Request, Response, Route, json_response, uuid_of

FORM_SECONDS = 900
MAX_FILE_NAME = 255
MAX_KEY = 255
UPLOAD_MEMBERS = frozenset({"entity", "fileName"})
IDEMPOTENCY_KEY = re.compile(f"[\x21-\x7e]{{1,{MAX_KEY}}}")


def create_upload(request: Request) -> Response[str]:
    given = request.json_object()
    problems: Problems = []
    refuse_unknown(given, UPLOAD_MEMBERS, "", problems)
    name, file_name = given.get("entity"), given.get("fileName")
    if not isinstance(name, str):
        problems.append(("/entity", "is required and must be the name of an entity"))
    if not is_line(file_name, MAX_FILE_NAME):
        problems.append(("/fileName", f"is required and must be one line of 1 to {MAX_FILE_NAME} characters"))
    if problems:
        raise InvalidRequest("The upload breaks a rule.", problems)
    entity = entity_with_right(request, str(name), Right.IMPORT)

    services, settings, caller = request.services, request.services.settings, request.caller
    upload_id = new_uuid(services.ids)
    now = services.clock.now()
    upload = Upload(
        upload_id=upload_id,
        entity=entity.name,
        entity_uid=entity.uid,
        file_name=str(file_name),
        started_by=caller.name,
        started_by_id=caller.subject,
        key=f"uploads/{upload_id}/source",
        # Longer than the form: sending a large file may take most of an hour once it has begun.
        expires_at=now + timedelta(seconds=settings.files_retention_seconds),
    )
    services.uploads.add(upload)
    url, fields = services.files.presign_post(
        settings.files_bucket, upload.key, settings.max_upload_bytes, FORM_SECONDS
    )
    form_expires_at = rfc3339(now + timedelta(seconds=FORM_SECONDS))
    return json_response({"uploadId": upload_id, "url": url, "fields": fields, "expiresAt": form_expires_at}, 201)


def own_upload(request: Request, upload_id: str) -> tuple[Upload, Entity]:
    """An upload that the caller may import, and its entity.

    Raises:
        NotFound: there is none, or it is somebody else's.
        Gone: it has expired, and its record is still there.
        Forbidden: the caller may no longer import into the entity.
    """
    upload = request.services.uploads.get(upload_id)
    if upload.started_by_id != request.caller.subject and not request.caller.is_admin:
        raise NotFound("There is no upload with this id, or it has expired.")
    entity = entity_with_right(request, upload.entity, Right.IMPORT)
    if upload.entity_uid not in (None, entity.uid):  # the name was deleted and is used again
        raise NotFound("There is no upload with this id, or it has expired.")
    if upload.expires_at <= request.services.clock.now():
        raise Gone("This upload has expired.")
    return upload, entity


def preview_upload(request: Request, upload_id: str) -> Response[str]:
    """What an import of the upload with these options would make of the beginning of the file; nothing is started."""
    from waybill.aws.files import SourceChanged
    from waybill.imports.preview import preview_file

    upload, entity = own_upload(request, uuid_of(upload_id, "upload id"))
    options = parse_options(request.json_object(), entity, LOOK_MEMBERS)
    services = request.services
    info = services.files.head(services.settings.files_bucket, upload.key)
    if info is None:
        raise Conflict("The file is not uploaded yet. Send it to the form's url first.")
    try:
        return json_response(preview_file(services, upload, entity, options, info.etag).to_resource())
    except SourceChanged:
        raise Conflict("The file was sent anew while it was looked at.") from None


def create_import(request: Request) -> Response[str]:
    given = request.json_object()
    upload_id = _upload_id(given)
    key = request.headers.get("idempotency-key")
    if key is None:
        return accepted(request, _start(request, upload_id, given))
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise MalformedRequest(f"Idempotency-Key has 1 to {MAX_KEY} visible characters of ASCII.")
    keys = request.services.idempotency_keys
    claim = keys.claim(request.caller.subject, key, given)
    if not isinstance(claim, Claim):
        return Response(claim["status"], None, claim["body"], claim["headers"])
    try:
        answer = accepted(request, _start(request, upload_id, given, claim.is_takeover))
    except WaybillError:
        keys.release(claim)
        raise
    except Exception:
        keys.unlock(claim)
        raise
    keys.complete(claim, {"status": answer.status_code, "headers": answer.headers, "body": answer.body})
    return answer


def _start(request: Request, upload_id: str, given: Mapping[str, Any], is_takeover: bool = False) -> Job:
    """
    Args:
        is_takeover: the same request was here before and died: the job of the upload is its.
    """
    upload, entity = own_upload(request, upload_id)
    options = parse_options(given, entity)
    services = request.services
    if is_takeover and upload.job_id is not None and (job := services.jobs.find(upload.job_id)) is not None:
        return job
    return start_upload(services, upload, options)


def _upload_id(given: Mapping[str, Any]) -> str:
    value = given.get("uploadId")
    if not isinstance(value, str) or not ID_PATTERN.fullmatch(value):
        raise InvalidRequest(
            "The import breaks a rule.", [("/uploadId", "is required and must be the id of an upload")]
        )
    return value.lower()


def parse_options(given: Mapping[str, Any], entity: Entity, members: frozenset[str] | None = None) -> ImportOptions:
    """The options of `POST /imports`, or those among them that are named `members`.

    Raises:
        InvalidRequest: with one problem per wrong member.
    """
    problems: Problems = []
    refuse_unknown(given, members or IMPORT_MEMBERS, "", problems)
    columns = given.get("columns")
    options = ImportOptions(
        mode=check_mode(given.get("mode", DEFAULT_MODE), entity.primary_key, "/mode", problems),
        on_error=check_on_error(given.get("onError", "skip"), "/onError", problems),
        max_errors=check_max_errors(given.get("maxErrors", 1), "/maxErrors", problems),
        dry_run=boolean(given, "dryRun", False, problems),
        encoding=check_encoding(given.get("encoding"), "/encoding", problems),
        dialect=check_dialect(given.get("dialect"), "/dialect", problems),
        columns=None if columns is None else check_columns(columns, entity.field_names, "/columns", problems),
        unescape_formulas=boolean(given, "unescapeFormulas", False, problems),
    )
    if problems:
        raise InvalidRequest("The import breaks a rule.", problems)
    return options


IMPORT_MEMBERS = frozenset(
    {
        "uploadId",
        "mode",
        "onError",
        "maxErrors",
        "dryRun",
        "encoding",
        "dialect",
        "columns",
        "unescapeFormulas",
    }
)
# Those that say how a file is read.
LOOK_MEMBERS = frozenset({"mode", "encoding", "dialect", "columns", "unescapeFormulas"})


ROUTES = [
    Route("POST", "/v1/uploads", create_upload, body=True),
    Route("POST", "/v1/uploads/<upload_id>/preview", preview_upload, body=True),
    Route("POST", "/v1/imports", create_import, body=True),
]
