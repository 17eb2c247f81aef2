"""A file in: the form to send it to, and the import of what was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import json_response
from auth import NEW_UPLOAD, UPLOAD_IN_BODY, UPLOAD_TO_INFER, UPLOAD_TO_PREVIEW
from connection_test import check_webhook_secrets
from request import Request
from routing import IDEMPOTENCY_KEY, TOO_MANY_JOBS, TOO_MANY_PREVIEWS, Answer, ApiRouter, accepted, ok
from views import accept
from waybill.entities.model import Entity
from waybill.errors import Conflict, InvalidRequest
from waybill.ids import new_uuid
from waybill.jobs.uploads import Upload
from waybill.sizes import MAX_ENTITY_BYTES, check_size
from waybill.timestamps import rfc3339
from waybill.wire import imports as wire
from waybill.wire.jobs import Job as WireJob

if TYPE_CHECKING:
    from models.imports import ImportRequest, InferRequest, PreviewRequest, UploadRequest

FORM_SECONDS = 900

router = ApiRouter("Imports")


@router.post(
    "/v1/uploads",
    "Get a form to send a file to",
    needs=NEW_UPLOAD,
    answers={201: Answer("A presigned form, valid for 15 minutes.", wire.Upload)},
    refusals={404: "There is no such entity."},
)
def create_upload(request: Request, entity: Entity | None, body: UploadRequest) -> Response[str]:
    services, settings, caller = request.services, request.services.settings, request.caller
    upload_id = new_uuid(services.ids)
    now = services.clock.now()
    upload = Upload(
        upload_id=upload_id,
        entity=None if entity is None else entity.name,
        entity_uid=None if entity is None else entity.uid,
        file_name=body.file_name,
        started_by=caller.name,
        started_by_id=caller.subject,
        key=f"uploads/{upload_id}/source",
        # Longer than the form: sending a large file may take most of an hour once it has begun.
        expires_at=now + timedelta(seconds=settings.files_retention_seconds),
    )
    services.uploads.add(upload, services.audit.entry(request.act, entity=upload.entity, uploadId=upload_id))
    url, fields = services.files.presign_post(
        settings.files_bucket, upload.key, settings.max_upload_bytes, FORM_SECONDS
    )
    form_expires_at = rfc3339(now + timedelta(seconds=FORM_SECONDS))
    form: wire.Upload = {"uploadId": upload_id, "url": url, "fields": fields, "expiresAt": form_expires_at}
    return json_response(form, 201)


@router.post(
    "/v1/uploads/<upload_id>/preview",
    "Preview the beginning of the file that was sent",
    needs=UPLOAD_TO_PREVIEW,
    answers=ok("How an import with these options would read the beginning of the file.", wire.ImportPreview),
    refusals={404: "There is no such upload.", 409: "The file has not been sent yet.", 410: "The upload has expired."}
    | {429: TOO_MANY_PREVIEWS},
    description="Starts nothing; the upload can be imported afterwards. The same code reads the file as in an import. "
    "For a text file, compressed or not, the first MiB is enough: to preview a large one, send its first two MiB as an "
    "upload of their own. Rows are checked one by one; an import with `dryRun` also compares them with each other "
    "(`duplicate-key`, `unique-error`) and with existing records. With `definition` the rows are judged by an entity "
    "that is not saved.",
)
def preview_upload(request: Request, upload: Upload, entity: Entity | None, body: PreviewRequest) -> Response[str]:
    from waybill.imports.preview import preview_file

    if entity is None:
        entity = _unsaved(request, body)
        upload = replace(upload, entity=entity.name)
    return _read(request, upload, lambda etag: preview_file(request.services, upload, entity, body.options(), etag))


def _unsaved(request: Request, body: PreviewRequest) -> Entity:
    """
    Raises:
        InvalidRequest: its foreign keys do not fit the entities that they name.
        TooLarge
    """
    from waybill.entities.references import check_references

    entity = body.unsaved_entity()
    check_size("The definition of the entity", entity.to_document(), MAX_ENTITY_BYTES)
    problems = check_references(entity, request.services.entities.find_many(entity.references))
    if problems:
        told = [(f"/definition{pointer}", problem) for pointer, problem in problems]
        raise InvalidRequest("A foreign key does not fit the entity that it names.", told)
    return entity


@router.post(
    "/v1/uploads/<upload_id>/infer",
    "Propose an entity for the file that was sent",
    needs=UPLOAD_TO_INFER,
    answers=ok("A proposal for `PUT /v1/entities/{name}`, with the reasons for each field.", wire.Inferred),
    refusals={404: "There is no such upload.", 409: "The file has not been sent yet.", 410: "The upload has expired."}
    | {422: "The file cannot be read, or its header cannot be one.", 429: TOO_MANY_PREVIEWS},
    description="Starts nothing, and creates nothing. The first 100,000 rows are read, or 8 MiB. A field has a type "
    "only if every cell has it, and is text where there is a doubt. To ask about a file that has no entity yet, make "
    "its upload without one.",
)
def infer_upload(request: Request, upload: Upload, body: InferRequest) -> Response[str]:
    from waybill.imports.infer import infer_entity

    return _read(request, upload, lambda etag: infer_entity(request.services, upload, body.options(), etag))


class _Shown(Protocol):
    def to_resource(self) -> dict[str, Any]: ...


def _read(request: Request, upload: Upload, read: Callable[[str], _Shown]) -> Response[str]:
    """What reading the beginning of an upload shows; it counts as one of the caller's previews.

    Args:
        read: is given the ETag of the file.

    Raises:
        Conflict: there is no file yet, or it changes.
        TooManyRequests
    """
    from waybill.aws.files import SourceChanged

    services = request.services
    services.previews.take(request.caller.subject)
    info = services.files.head(services.settings.files_bucket, upload.key)
    if info is None:
        raise Conflict("The file is not uploaded yet. Send it to the form's url first.")
    try:
        return json_response(read(info.etag).to_resource())
    except SourceChanged:
        raise Conflict("The file was sent again while it was read.") from None


@router.post(
    "/v1/imports",
    "Import the file that was sent",
    needs=UPLOAD_IN_BODY,
    answers=accepted("The import is registered.", WireJob),
    refusals={
        404: "There is no such upload.",
        409: "The file has not been sent yet or was already imported; or a request with the same key is running.",
        410: "The upload has expired.",
        429: TOO_MANY_JOBS,
    },
    headers=(IDEMPOTENCY_KEY,),
)
def create_import(request: Request, upload: Upload, entity: Entity, body: ImportRequest) -> Response[str]:
    from waybill.entities.repository import remembering
    from waybill.imports.start import start_upload

    columns, may_replace = (body.columns or {}) if body.remember_columns else {}, request.caller.is_admin
    remembering(entity, columns, may_replace)  # refuses before there is a job
    check_webhook_secrets(request, body.told_webhooks(), entity, body.refusal)
    job = start_upload(request.services, upload, body.options(), request.made_id, request.act)
    if columns:
        entry = request.services.audit.entry(replace(request.act, action="rememberColumns"), entity=entity.name)
        request.services.entities.remember_columns(entity, columns, may_replace, entry)
    return accept(request, job)
