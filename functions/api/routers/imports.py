"""A file in: the form to send it to, and the import of what was sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import json_response
from auth import IMPORT, UPLOAD, UPLOAD_IN_BODY
from request import Request
from routing import IDEMPOTENCY_KEY, TOO_MANY_JOBS, TOO_MANY_PREVIEWS, Answer, ApiRouter, accepted, ok
from views import accept
from waybill.entities.model import Entity
from waybill.errors import Conflict
from waybill.ids import new_uuid
from waybill.jobs.uploads import Upload
from waybill.timestamps import rfc3339
from waybill.wire import imports as wire
from waybill.wire.jobs import Job as WireJob

if TYPE_CHECKING:
    from models.imports import ImportRequest, PreviewRequest, UploadRequest

FORM_SECONDS = 900

router = ApiRouter("Imports")


@router.post(
    "/v1/uploads",
    "Get a form to send a file to",
    needs=IMPORT,
    answers={201: Answer("A presigned form, valid for 15 minutes.", wire.Upload)},
    refusals={404: "There is no such entity."},
)
def create_upload(request: Request, entity: Entity, body: UploadRequest) -> Response[str]:
    services, settings, caller = request.services, request.services.settings, request.caller
    upload_id = new_uuid(services.ids)
    now = services.clock.now()
    upload = Upload(
        upload_id=upload_id,
        entity=entity.name,
        entity_uid=entity.uid,
        file_name=body.file_name,
        started_by=caller.name,
        started_by_id=caller.subject,
        key=f"uploads/{upload_id}/source",
        # Longer than the form: sending a large file may take most of an hour once it has begun.
        expires_at=now + timedelta(seconds=settings.files_retention_seconds),
    )
    services.uploads.add(upload, services.audit.entry(request.act, entity=entity.name, uploadId=upload_id))
    url, fields = services.files.presign_post(
        settings.files_bucket, upload.key, settings.max_upload_bytes, FORM_SECONDS
    )
    form_expires_at = rfc3339(now + timedelta(seconds=FORM_SECONDS))
    form: wire.Upload = {"uploadId": upload_id, "url": url, "fields": fields, "expiresAt": form_expires_at}
    return json_response(form, 201)


@router.post(
    "/v1/uploads/<upload_id>/preview",
    "Preview the beginning of the file that was sent",
    needs=UPLOAD,
    answers=ok("How an import with these options would read the beginning of the file.", wire.ImportPreview),
    refusals={404: "There is no such upload.", 409: "The file has not been sent yet.", 410: "The upload has expired."}
    | {429: TOO_MANY_PREVIEWS},
    description="Starts nothing; the upload can be imported afterwards. The same code reads the file as in an import. "
    "For a text file, compressed or not, the first MiB is enough: to preview a large one, send its first two MiB as an "
    "upload of their own. Rows are checked one by one; an import with `dryRun` also compares them with each other "
    "(`duplicate-key`, `unique-error`) and with existing records.",
)
def preview_upload(request: Request, upload: Upload, entity: Entity, body: PreviewRequest) -> Response[str]:
    from waybill.aws.files import SourceChanged
    from waybill.imports.preview import preview_file

    services = request.services
    services.previews.take(request.caller.subject)
    info = services.files.head(services.settings.files_bucket, upload.key)
    if info is None:
        raise Conflict("The file is not uploaded yet. Send it to the form's url first.")
    try:
        preview = preview_file(services, upload, entity, body.options(), info.etag)
    except SourceChanged:
        raise Conflict("The file was sent again while it was read.") from None
    return json_response(preview.to_resource())


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
def create_import(request: Request, upload: Upload, body: ImportRequest) -> Response[str]:
    from waybill.imports.start import start_upload

    return accept(request, start_upload(request.services, upload, body.options(), request.made_id, request.act))
