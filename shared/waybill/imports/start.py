"""Start an import: of an object dropped into S3, or of an upload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from waybill.errors import Conflict, EntityDeleted, FileUnreadable, NotFound, Unavailable
from waybill.ids import derived_uuid
from waybill.imports.options import ImportOptions, MetadataError, options_from_metadata, recipients_from_metadata
from waybill.imports.register import new_import, register, register_failed, start_if_waiting
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.audit import DROP_FILE, Act
from waybill.jobs.drops import Drop, SweptDrop, is_of
from waybill.jobs.uploads import Upload, UploadOrigin
from waybill.timestamps import parse_rfc3339

if TYPE_CHECKING:
    from waybill.aws.files import FileInfo, Listed
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services

# The id of a drop's job is derived from the object, so that an event that comes twice makes one job.
_NAMESPACE = "5f2e9c1a-7f0b-5a55-9d0a-6a2b1f0c3d11"
DROP_PREFIX = "drop/"
# Longer than a request of the API may take (29 seconds): a deletion of the entity is decided within one.
DELETION_SECONDS = 30.0


def file_of(key: str) -> tuple[str, str] | None:
    """The entity and the file name in the key of a dropped object; None for a key that starts nothing."""
    entity, _, file_name = key.removeprefix(DROP_PREFIX).partition("/")
    return (entity, file_name) if key.startswith(DROP_PREFIX) and file_name and not key.endswith("/") else None


def start_drop(services: Services, detail: Mapping[str, Any], created_at: datetime | None = None) -> Job | None:
    """Register the import of a dropped object.

    Args:
        detail: the `detail` of an EventBridge *Object Created* event (AWS, *Amazon S3 EventBridge events*). Keys are
            not URL-encoded there.
        created_at: the event's `time`; None when it is not known.

    Returns:
        The job, whether this call registered it or an earlier one did; None for a key that starts nothing, and for the
        repeated event of a drop whose job was deleted.
    """
    bucket, dropped = detail["bucket"]["name"], detail["object"]
    key, etag, sequencer = dropped["key"], dropped["etag"].strip('"'), dropped.get("sequencer", "")
    names = file_of(key)
    if names is None:
        return None
    job_id = derived_uuid(_NAMESPACE, bucket, key, etag, sequencer)
    known = services.jobs.find(job_id)
    if known is not None:
        start_if_waiting(services, known)
        return known
    started_by = f"s3:{detail.get('requester', 'unknown')}"
    job = new_import(services, job_id, *names, ObjectVersion(bucket, key, etag), started_by)
    drop = Drop(f"{bucket}/{key}", etag, job_id, sequencer)
    ends = services.clock.monotonic() + DELETION_SECONDS
    while True:
        info, metadata = _look(services, bucket, key)
        if info is None or info.etag != etag:
            message = "The object was overwritten or deleted before its import began. Drop the file again."
            return _registered_before(services, job, drop, message)
        is_current = created_at is not None and created_at >= parse_rfc3339(info.modified)
        drop = replace(drop, modified=info.modified, is_current=is_current)
        try:
            return _register_newest(services, job, metadata, drop)
        except (Conflict, Unavailable) as refused:
            is_of_entity = isinstance(refused, EntityDeleted)
            if not is_of_entity and (services.drops.has_newer(drop) or services.drops.find_job(drop) is not None):
                message = "A newer object with this key was registered first, so this one is not imported."
                return _registered_before(services, job, drop, message)
            # A deletion has begun, of the entity, which may still be refused, or of the object before; or too many
            # imports into the entity are being registered at once.
            if services.clock.monotonic() > ends:
                raise
            services.clock.sleep(1.0)


def start_swept_drop(services: Services, bucket: str, found: Listed) -> Job | None:
    """Register the import of a dropped object whose event was lost or is late. A listing does not say who dropped it.

    Returns:
        The job; None when the object is gone, was overwritten, or was registered meanwhile.

    Raises:
        Conflict: it is being deleted, its entity is, or another call registers it.
        Unavailable: too many imports into the entity are being registered at once.
    """
    names, (info, metadata) = file_of(found.key), _look(services, bucket, found.key)
    if names is None or info is None or (info.etag, info.modified) != (found.etag, found.modified):
        return None
    key = f"{bucket}/{found.key}"
    before = services.drops.latest([key]).get(key)
    if is_of(before, found.etag, found.modified):
        return None
    job_id = derived_uuid(_NAMESPACE, bucket, found.key, found.etag, f"modified {found.modified}")
    source = ObjectVersion(bucket, found.key, found.etag)
    job = new_import(services, job_id, *names, source, "s3:unknown")
    drop = SweptDrop(key, found.etag, job_id, found.modified, before)
    return _register_newest(services, job, metadata, drop)


def _look(
    services: Services, bucket: str, key: str
) -> tuple[FileInfo | Listed | None, Mapping[str, str] | FileUnreadable]:
    """(the object, or None when there is none; its metadata, or why it is unreadable)."""
    try:
        info = services.files.head(bucket, key)
    except FileUnreadable as refused:
        return services.files.find_listed(bucket, key), refused
    return info, {} if info is None else info.metadata


def _registered_before(services: Services, job: Job, drop: Drop, message: str) -> Job | None:
    """The job that the drop made before; where it made none, its import fails as `source-changed` with the message."""
    job_id = services.drops.find_job(drop)
    if job_id is None:
        return register_failed(services, job, "source-changed", message, act=Act(DROP_FILE, job.started_by))
    made = services.jobs.find(job_id)
    if made is not None:
        start_if_waiting(services, made)
    return made


def _register_newest(
    services: Services, job: Job, metadata: Mapping[str, str] | FileUnreadable, drop: Drop | SweptDrop
) -> Job:
    act = Act(DROP_FILE, job.started_by)
    if isinstance(metadata, FileUnreadable):
        return register_failed(services, job, "source-error", metadata.detail, drop, act)
    domains = services.settings.mail_domains
    job = replace(job, options=recipients_from_metadata(metadata, domains))
    try:
        entity = services.entities.get(job.entity)
    except NotFound:
        message = f"There is no entity named {job.entity!r}. Create it, then drop the file again."
        return register_failed(services, job, "unknown-entity", message, drop, act)
    try:
        options = options_from_metadata(metadata, entity.primary_key, entity.target is not None, domains)
    except MetadataError as error:
        return register_failed(services, job, "source-error", str(error), drop, act)
    return register(services, job, entity, options, drop, act)


def start_upload(
    services: Services, upload: Upload, options: ImportOptions, job_id: str, act: Act | None = None
) -> Job:
    """Register the import of an uploaded file, once per upload. A second call with the same id finds the job.

    Args:
        upload: it names its entity, or whoever imports it has named one.
        act: for the audit trail, of whoever starts it.

    Raises:
        NotFound: the entity is gone, or none is named.
        Conflict: the file is not there yet, or was imported already.
    """
    origin = UploadOrigin(upload.upload_id, job_id)
    if upload.job_id is not None:
        own = services.jobs.find(job_id) if upload.job_id == job_id else None
        if own is None:
            again = "Upload the file again to import it once more."
            raise Conflict(f"This upload was imported already, as job {upload.job_id}. {again}")
        start_if_waiting(services, own)
        return own
    if upload.entity is None:
        raise NotFound("Neither the upload nor its import names an entity.")
    entity = services.entities.get(upload.entity)
    if upload.entity_uid not in (None, entity.uid):
        raise NotFound("The entity of this upload was deleted.")
    bucket = services.settings.files_bucket
    info = services.files.head(bucket, upload.key)
    if info is None:
        raise Conflict("The file is not uploaded yet. Send it to the form's url, or complete its parts, first.")
    source = ObjectVersion(bucket, upload.key, info.etag)
    job = new_import(services, job_id, entity.name, upload.file_name, source, upload.started_by, upload.started_by_id)
    return register(services, job, entity, options, origin, act)
