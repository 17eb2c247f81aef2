"""Register an import, start it when its turn has come, and end one whose file cannot be imported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from waybill.aws.expressions import Attr
from waybill.entities.row_results import RowError
from waybill.imports.error_log import write_error_log
from waybill.imports.policy import schema_options
from waybill.jobs.executions import start_execution
from waybill.jobs.model import Counts, Job, Process, Status, finished

if TYPE_CHECKING:
    from waybill.entities.model import Entity
    from waybill.imports.options import ImportOptions
    from waybill.imports.source_object import ObjectVersion
    from waybill.jobs.origins import Origin
    from waybill.jobs.services import Services


def new_import(
    services: Services,
    job_id: str,
    entity: str,
    file_name: str,
    source: ObjectVersion,
    started_by: str,
    started_by_id: str | None = None,
    retry_of: str | None = None,
) -> Job:
    """A waiting import, before `register` gives it the entity's uid and the options."""
    return Job(
        job_id=job_id,
        process=Process.IMPORT,
        status=Status.WAITING,
        entity=entity,
        entity_uid="",
        file_name=file_name,
        submitted_at=services.clock.now(),
        started_by=started_by,
        started_by_id=started_by_id,
        source_bucket=source.bucket,
        source_key=source.key,
        source_etag=source.etag,
        retry_of=retry_of,
    )


def with_options(job: Job, entity: Entity, options: ImportOptions) -> Job:
    """The import of a file into this entity, with these options."""
    return replace(
        job,
        entity_uid=entity.uid,
        mode=options.mode,
        on_error=options.on_error,
        dry_run=options.dry_run,
        options={**options.to_document(), **schema_options(entity.schema)},
    )


def register(services: Services, job: Job, entity: Entity, options: ImportOptions, origin: Origin | None) -> Job:
    """Store a new import with its entity's definition, and start it when its turn has come.

    *Submitted* is this moment and not the one at which the caller began: an import whose caller stalled must not stand
    before those that were registered and begun meanwhile.

    Raises:
        Conflict: as for `JobRepository.register`.
        EntityDeleted: the entity was, or is being, deleted.
    """
    checks = services.entities.still_there(entity.name, entity.uid)
    job = replace(with_options(job, entity, options), submitted_at=services.clock.now())
    job, _ = services.jobs.register(job, entity.to_document(), origin, checks)
    start_if_waiting(services, job)
    return job


def start_if_waiting(services: Services, job: Job) -> None:
    """Start a registered import when its turn has come; a dry run does not queue."""
    if job.status is not Status.WAITING:
        return
    if job.takes_turns:
        start_next(services, job.entity_uid)
    else:
        start_execution(services, job)


def start_next(services: Services, entity_uid: str) -> None:
    """Start the oldest waiting import of an entity when none is running.

    Safe to call at any time, any number of times: an execution is started once, and two that are started at once do
    not begin both.
    """
    job = services.queue.head(entity_uid)
    if job is not None and job.status is Status.WAITING and services.running_imports.find(entity_uid) is None:
        start_execution(services, job)


def register_failed(services: Services, job: Job, code: str, message: str, drop: Origin | None = None) -> Job:
    """Store an import that ends before it starts; with `drop` the object is the job's and expires with it. The job
    belongs to the entity of its name, if there is one: who may import there sees why the file failed, and the job goes
    with the entity.

    Raises:
        Conflict: as for `register`.
    """
    entity = services.entities.find(job.entity)
    job = replace(job, entity_uid="" if entity is None else entity.uid, refused=True)
    failed = _failed(services, job, [RowError.whole(None, code, message)])
    stored, _ = services.jobs.register(failed, {}, drop)
    return stored


def fail_import(services: Services, job: Job, errors: list[RowError]) -> Job:
    """End a job whose file cannot be imported: FAILED with nothing counted, and an error log.

    Raises:
        Superseded: the job was begun or planned since it was read.
    """
    total = Attr("total")
    is_unplanned = total.is_missing() if job.counts.total is None else total.equals(job.counts.total)
    stored = services.jobs.finish(_failed(services, job, errors), job.status, is_unplanned)
    start_next(services, job.entity_uid)
    return stored


def _failed(services: Services, job: Job, errors: list[RowError]) -> Job:
    """The job as it ends; its error log is written. The first error is the job's."""
    write_error_log(services.files, services.settings.files_bucket, job.job_id, errors)
    return finished(
        job,
        Status.FAILED,
        Counts(total=0),
        services.clock.now(),
        services.jobs.retention,
        error_code=errors[0].type,
        error_message=errors[0].message,
        has_error_log=True,
    )
