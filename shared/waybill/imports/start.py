"""Start an import: of an object dropped into S3, or of an upload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waybill.errors import Conflict, EntityDeleted, NotFound
from waybill.ids import derived_uuid
from waybill.imports.options import ImportOptions, MetadataError, options_from_metadata
from waybill.imports.register import new_import, register, register_failed, start_if_waiting
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.drops import Drop
from waybill.jobs.uploads import Upload, UploadOrigin

if TYPE_CHECKING:
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services

# The id of a drop's job is derived from the object, so that an event that comes twice makes one job.
_NAMESPACE = "5f2e9c1a-7f0b-5a55-9d0a-6a2b1f0c3d11"
DROP_PREFIX = "drop/"
# Longer than a request of the API may take (29 seconds): a deletion of the entity is decided within one.
DELETION_SECONDS = 30.0


def start_drop(services: Services, detail: Mapping[str, Any]) -> Job | None:
    """Register the import of a dropped object.

    Args:
        detail: the `detail` of an EventBridge *Object Created* event (AWS, *Amazon S3 EventBridge events*). Keys are
            not URL-encoded there.

    Returns:
        The job, whether this call registered it or an earlier one did; None for a key that starts nothing.
    """
    bucket, dropped = detail["bucket"]["name"], detail["object"]
    key, etag, sequencer = dropped["key"], dropped["etag"].strip('"'), dropped.get("sequencer", "")
    entity_name, _, file_name = key.removeprefix(DROP_PREFIX).partition("/")
    if not key.startswith(DROP_PREFIX) or not file_name or key.endswith("/"):
        return None
    job_id = derived_uuid(_NAMESPACE, bucket, key, etag, sequencer)
    known = services.jobs.find(job_id)
    if known is not None:
        start_if_waiting(services, known)
        return known
    started_by = f"s3:{detail.get('requester', 'unknown')}"
    job = new_import(services, job_id, entity_name, file_name, ObjectVersion(bucket, key, etag), started_by)
    ends = services.clock.monotonic() + DELETION_SECONDS
    while True:
        info = services.files.head(bucket, key)
        if info is None or info.etag != etag:
            message = "The object was overwritten or deleted before its import began. Drop the file again."
            return register_failed(services, job, "source-changed", message)
        try:
            return _register_drop(
                services, job, info.metadata, Drop(f"{bucket}/{key}", sequencer, job_id, info.modified)
            )
        except Conflict:  # a deletion has begun: of the entity, which may still be refused, or of the object before
            if services.clock.monotonic() > ends:
                raise
            services.clock.sleep(1.0)


def _register_drop(services: Services, job: Job, metadata: Mapping[str, str], drop: Drop) -> Job:
    try:
        return _register_newest(services, job, metadata, drop)
    except EntityDeleted:
        raise
    except Conflict:
        if not services.drops.has_newer(drop):
            raise
        message = "A newer object with this key was registered first, so this one is not imported."
        return register_failed(services, job, "source-changed", message)


def _register_newest(services: Services, job: Job, metadata: Mapping[str, str], drop: Drop) -> Job:
    try:
        entity = services.entities.get(job.entity)
    except NotFound:
        message = f"There is no entity named {job.entity!r}. Create it, then drop the file again."
        return register_failed(services, job, "unknown-entity", message, drop)
    try:
        options = options_from_metadata(metadata, entity.primary_key)
    except MetadataError as error:
        return register_failed(services, job, "source-error", str(error), drop)
    return register(services, job, entity, options, drop)


def start_upload(services: Services, upload: Upload, options: ImportOptions, job_id: str) -> Job:
    """Register the import of an uploaded file, once per upload. A second call with the same id finds the job.

    Raises:
        NotFound: the entity is gone.
        Conflict: the file is not there yet, or was imported already.
    """
    origin = UploadOrigin(upload.upload_id, job_id)
    if upload.job_id is not None:
        own = services.jobs.find(job_id) if upload.job_id == job_id else None
        if own is None:
            raise Conflict(origin.refusal)
        start_if_waiting(services, own)
        return own
    entity = services.entities.get(upload.entity)
    if upload.entity_uid not in (None, entity.uid):
        raise NotFound("The entity of this upload was deleted.")
    bucket = services.settings.files_bucket
    info = services.files.head(bucket, upload.key)
    if info is None:
        raise Conflict("The file is not uploaded yet. Send it to the form's url first.")
    source = ObjectVersion(bucket, upload.key, info.etag)
    job = new_import(services, job_id, upload.entity, upload.file_name, source, upload.started_by, upload.started_by_id)
    return register(services, job, entity, options, origin)
