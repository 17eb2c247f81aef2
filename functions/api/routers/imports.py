"""A file in: the form to send it to, or its parts, and the import of what was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import json_response, no_content
from auth import NEW_UPLOAD, OWN_UPLOAD, UPLOAD_IN_BODY, UPLOAD_TO_INFER, UPLOAD_TO_PREVIEW, UPLOAD_TO_SEND
from connection_test import check_webhook_secrets
from request import Request
from routing import (
    DELETED,
    IDEMPOTENCY_KEY,
    TOO_MANY_JOBS,
    TOO_MANY_PREVIEWS,
    TOO_MANY_UPLOADS,
    Answer,
    ApiRouter,
    accepted,
    ok,
)
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
    from models.imports import (
        CompleteUploadRequest,
        ImportRequest,
        InferRequest,
        PartsRequest,
        PreviewRequest,
        UploadRequest,
    )

FORM_SECONDS = 900

router = ApiRouter("Imports")


@router.post(
    "/v1/uploads",
    "Get a form to send a file to",
    needs=NEW_UPLOAD,
    answers={
        201: Answer(
            "A presigned form, valid for 15 minutes; with `sizeBytes` what the parts are.",
            wire.Upload,
            or_else=wire.UploadInParts,
        )
    },
    refusals={404: "There is no such entity.", 429: TOO_MANY_UPLOADS},
    description="A form takes 5 GiB at most, in one request. With `sizeBytes` the file is sent in parts, 500 GiB at "
    "most, several at once and each again if it fails: `POST /v1/uploads/{upload_id}/parts` gives their addresses, "
    "`GET /v1/uploads/{upload_id}` tells which have arrived, `POST /v1/uploads/{upload_id}/complete` ends it.",
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
    entry = services.audit.entry(request.act, entity=upload.entity, uploadId=upload_id)
    if body.size_bytes is not None:
        from waybill.imports.part_uploads import begin_parts

        upload = begin_parts(services, upload, body.size_bytes, entry)
        begun: wire.UploadInParts = {
            "uploadId": upload_id,
            "partBytes": upload.part_bytes or 0,
            "partCount": upload.parts,
            "expiresAt": rfc3339(upload.expires_at),
        }
        return json_response(begun, 201)
    services.uploads.add(upload, entry)
    url, fields = services.files.presign_post(
        settings.files_bucket, upload.key, settings.max_upload_bytes, FORM_SECONDS
    )
    form_expires_at = rfc3339(now + timedelta(seconds=FORM_SECONDS))
    form: wire.Upload = {"uploadId": upload_id, "url": url, "fields": fields, "expiresAt": form_expires_at}
    return json_response(form, 201)


@router.get(
    "/v1/uploads/<upload_id>",
    "Get how far an upload is",
    needs=OWN_UPLOAD,
    answers=ok("The upload, with the parts that have arrived.", wire.UploadStatus),
    refusals={404: "There is no such upload.", 410: "The upload has expired."},
)
def get_upload(request: Request, upload: Upload) -> Response[str]:
    return json_response(_status_of(request, upload))


def _status_of(request: Request, upload: Upload) -> wire.UploadStatus:
    """
    Raises:
        Gone: S3 has thrown the parts away.
    """
    from waybill.imports.part_uploads import parts_of

    services, is_in_parts = request.services, upload.multipart_id is not None
    if is_in_parts:
        parts = parts_of(services, upload)
    else:
        parts = [] if services.files.head(services.settings.files_bucket, upload.key) is None else None
    return {
        "uploadId": upload.upload_id,
        "entity": upload.entity,
        "fileName": upload.file_name,
        "isComplete": parts is None,
        "sizeBytes": upload.size_bytes,
        "partBytes": upload.part_bytes,
        "partCount": upload.parts if is_in_parts else None,
        "parts": [
            {"partNumber": part.number, "sizeBytes": part.size_bytes, "sha256": part.sha256} for part in parts or ()
        ],
        "jobId": upload.job_id,
        "expiresAt": rfc3339(upload.expires_at),
    }


@router.delete(
    "/v1/uploads/<upload_id>",
    "Delete an upload that was not imported",
    needs=OWN_UPLOAD,
    answers=DELETED,
    refusals={404: "There is no such upload.", 409: "It was imported.", 410: "The upload has expired."},
)
def delete_upload(request: Request, upload: Upload) -> Response[str]:
    from waybill.imports import part_uploads

    part_uploads.delete_upload(request.services, upload, request.act)
    return no_content()


@router.post(
    "/v1/uploads/<upload_id>/parts",
    "Get addresses to send parts to",
    needs=UPLOAD_TO_SEND,
    answers=ok("An address for each part, valid for 15 minutes.", wire.PartAddresses),
    refusals={404: "There is no such upload.", 409: "It is complete, or not one in parts.", 410: "It has expired."},
    description="Each address takes a PUT of exactly the bytes that it was made for, with the headers of the answer; "
    "S3 refuses others. A part that is sent again replaces the first.",
)
def create_upload_parts(request: Request, upload: Upload, body: PartsRequest) -> Response[str]:
    from waybill.imports.part_uploads import PART_SECONDS, presign_parts

    services = request.services
    now = services.clock.now()
    urls = presign_parts(services, upload, [(part.part_number, part.sha256) for part in body.parts])
    addresses: wire.PartAddresses = {
        "parts": [
            {"partNumber": part.part_number, "url": url, "headers": {"x-amz-checksum-sha256": part.sha256}}
            for part, url in zip(body.parts, urls, strict=True)
        ],
        "expiresAt": rfc3339(now + timedelta(seconds=PART_SECONDS)),
    }
    return json_response(addresses)


@router.post(
    "/v1/uploads/<upload_id>/complete",
    "Complete an upload in parts",
    needs=UPLOAD_TO_SEND,
    answers=ok("The upload, which can be imported.", wire.UploadStatus),
    refusals={
        404: "There is no such upload.",
        409: "Parts are missing; what has arrived is not the file of the checksum; or it is not an upload in parts.",
        410: "The upload has expired, or its parts were thrown away.",
    },
    description="Compares what has arrived with the file of the caller. May be repeated.",
)
def complete_upload(request: Request, upload: Upload, body: CompleteUploadRequest) -> Response[str]:
    from waybill.imports.part_uploads import complete_parts

    complete_parts(request.services, upload, body.checksum, request.act)
    return json_response(_status_of(request, request.services.uploads.get(upload.upload_id)))


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
        raise Conflict("The file is not uploaded yet. Send it to the form's url, or complete its parts, first.")
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

    remembers = body.remember_columns and not body.dry_run  # a dry run changes nothing
    columns, may_replace = (body.columns or {}) if remembers else {}, request.caller.is_admin
    remembering(entity, columns, may_replace)  # refuses before there is a job
    check_webhook_secrets(request, body.told_webhooks(), entity, body.refusal)
    job = start_upload(request.services, upload, body.options(), request.made_id, request.act)
    if columns:
        entry = request.services.audit.entry(replace(request.act, action="rememberColumns"), entity=entity.name)
        request.services.entities.remember_columns(entity, columns, may_replace, entry)
    return accept(request, job)
