"""Register an import: from an object dropped into S3, or from an upload that a client asks to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from waybill.entities.row_results import RowError
from waybill.errors import Conflict, EntityDeleted, NotFound
from waybill.ids import derived_uuid
from waybill.imports.options import ImportOptions, MetadataError, options_from_metadata
from waybill.imports.policy import schema_options
from waybill.imports.results import write_error_log
from waybill.jobs.items import Drop, Upload
from waybill.jobs.model import Counts, Job, Process, Status, finished

if TYPE_CHECKING:
    from waybill.entities.model import Entity
    from waybill.jobs.services import Services

# Job ids are derived from what they are about, so that an event or a request that comes twice makes one job.
_NAMESPACE = "5f2e9c1a-7f0b-5a55-9d0a-6a2b1f0c3d11"
DROP_PREFIX = "drop/"
# A deletion of the entity that has begun is decided within a request of the API (29 seconds).
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
        _start_if_waiting(services, known)
        return known
    started_by = f"s3:{detail.get('requester', 'unknown')}"
    job = new_import(services, job_id, entity_name, file_name, started_by, source=(bucket, key, etag))
    info = services.files.head(bucket, key)
    if info is None or info.etag != etag:
        return _register_failed(services, job, "source-changed", "The object was overwritten or deleted.")
    ends = services.clock.monotonic() + DELETION_SECONDS
    while True:
        try:
            return _register_drop(services, job, info.metadata, Drop(f"{bucket}/{key}", sequencer))
        except EntityDeleted:  # or not: the deletion may yet be refused
            if services.clock.monotonic() > ends:
                raise
            services.clock.sleep(1.0)


def _register_drop(services: Services, job: Job, metadata: Mapping[str, str], drop: Drop) -> Job:
    try:
        entity = services.entities.get(job.entity)
    except NotFound:
        return _register_failed(services, job, "unknown-entity", "There is no entity of this name.")
    try:
        options = options_from_metadata(metadata, entity.primary_key)
    except MetadataError as error:
        return _register_failed(services, job, "source-error", str(error))
    try:
        return register(services, job, entity, options, drop)
    except EntityDeleted:
        raise
    except Conflict:
        return _register_failed(services, job, "source-changed", "A newer object of this name came first.")


def start_upload(services: Services, upload: Upload, options: ImportOptions) -> Job:
    """Register the import of an uploaded file, once per upload.

    Raises:
        NotFound: the entity is gone.
        Conflict: the file is not there yet, or was imported already.
    """
    if upload.job_id is not None and services.jobs.find(upload.job_id) is not None:
        raise Conflict("This upload was imported already.")
    entity = services.entities.get(upload.entity)
    if upload.entity_uid not in (None, entity.uid):
        raise NotFound("The entity of this upload was deleted.")
    bucket = services.settings.files_bucket
    info = services.files.head(bucket, upload.key)
    if info is None:
        raise Conflict("The file is not uploaded yet. Send it to the form's url first.")
    job_id = derived_uuid(_NAMESPACE, upload.upload_id)
    services.jobs.claim_upload(upload, job_id)
    source = (bucket, upload.key, info.etag)
    job = new_import(services, job_id, upload.entity, upload.file_name, upload.started_by, source=source)
    job = replace(job, started_by_id=upload.started_by_id)
    return register(services, job, entity, options, None)


def new_import(
    services: Services, job_id: str, entity: str, file_name: str, started_by: str, *, source: tuple[str, str, str]
) -> Job:
    """An import that waits, before `register` gives it its entity and options; `source` is (bucket, key, ETag)."""
    bucket, key, etag = source
    return Job(
        job_id=job_id,
        process=Process.IMPORT,
        status=Status.WAITING,
        entity=entity,
        entity_uid="",
        file_name=file_name,
        submitted_at=services.clock.now(),
        started_by=started_by,
        source_bucket=bucket,
        source_key=key,
        source_etag=etag,
    )


def start_next(services: Services, entity_uid: str) -> None:
    """Start the oldest import of an entity that has not ended. Safe to call at any time, any number of times: an
    execution is started once per job, and the next one only when its forerunner has left the queue."""
    while (entry := services.jobs.queue_head(entity_uid)) is not None:
        job = services.jobs.find(entry.partition("#")[2])
        if job is not None and not job.is_terminal:
            services.workflow.start(services.settings.import_state_machine, job.job_id)
            return
        services.jobs.leave_queue(entity_uid, entry)


def register(services: Services, job: Job, entity: Entity, options: ImportOptions, drop: Drop | None) -> Job:
    """Store a new import with its entity's definition, and start it when its turn has come.

    Raises:
        Conflict: `drop` is older than an event already registered for its key.
        EntityDeleted: the entity was, or is being, deleted.
    """
    job = replace(
        job,
        entity_uid=entity.uid,
        mode=options.mode,
        on_error=options.on_error,
        dry_run=options.dry_run,
        options={**options.to_document(), **schema_options(entity.schema)},
    )
    checks = services.entities.still_there(entity.name, entity.uid)
    job, _ = services.jobs.register(job, entity.to_document(), drop, checks)
    _start_if_waiting(services, job)
    return job


def _start_if_waiting(services: Services, job: Job) -> None:
    if job.status is not Status.WAITING:
        return
    if job.dry_run:
        services.workflow.start(services.settings.import_state_machine, job.job_id)
    else:
        start_next(services, job.entity_uid)


def _register_failed(services: Services, job: Job, code: str, message: str) -> Job:
    errors = [RowError.whole(None, code, message)]
    write_error_log(services.files, services.settings.files_bucket, job.job_id, errors)
    failed = finished(
        job,
        Status.FAILED,
        Counts(total=0),
        services.clock.now(),
        services.jobs.retention,
        error_code=code,
        error_message=message,
        has_error_log=True,
    )
    stored, _ = services.jobs.register(failed, {})
    return stored
