"""Register an import, start it when its turn has come, and end one whose file cannot be imported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from waybill.aws.expressions import Attr
from waybill.entities.row_results import RowError
from waybill.errors import ChecksFailed, EntityDeleted
from waybill.imports.error_log import write_error_log
from waybill.imports.options import told
from waybill.imports.policy import quality_options, schema_options, undo_options
from waybill.jobs.executions import start_execution
from waybill.jobs.model import Counts, Job, Process, Status, finished

if TYPE_CHECKING:
    from waybill.aws.expressions import Condition
    from waybill.aws.table import Action
    from waybill.entities.model import Entity
    from waybill.imports.options import ImportOptions
    from waybill.imports.source_object import ObjectVersion
    from waybill.jobs.audit import Act, Outcome
    from waybill.jobs.origins import Origin
    from waybill.jobs.services import Services


def new_import(
    services: Services,
    job_id: str,
    entity: str,
    file_name: str,
    source: ObjectVersion | None,
    started_by: str,
    started_by_id: str | None = None,
    retry_of: str | None = None,
    undo_of: str | None = None,
) -> Job:
    """A waiting import, before `register` gives it the entity's uid and the options.

    Args:
        source: None where its plan step makes one, in the files bucket.
    """
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
        source_bucket=services.settings.files_bucket if source is None else source.bucket,
        source_key=None if source is None else source.key,
        source_etag=None if source is None else source.etag,
        retry_of=retry_of,
        undo_of=undo_of,
    )


def with_options(job: Job, entity: Entity, options: ImportOptions) -> Job:
    """The import of a file into this entity, with these options."""
    wants_previous = entity.keep_previous if options.keep_previous is None else options.keep_previous
    job = replace(
        job,
        entity_uid=entity.uid,
        mode=options.mode,
        on_error=options.on_error,
        dry_run=options.dry_run,
        keep_previous=wants_previous and job.undo_of is None,
    )
    by_schema = schema_options(entity.schema, options.mode) | undo_options(job, entity.target is not None)
    judged = quality_options(job, entity.quality)
    return replace(
        job, options={**job.options, **options.to_document(), **told(of_entity=entity.webhooks), **by_schema, **judged}
    )


def register(
    services: Services,
    job: Job,
    entity: Entity,
    options: ImportOptions,
    origin: Origin | None,
    act: Act | None = None,
) -> Job:
    """Store a new import with its entity's definition, and start it when its turn has come.

    Args:
        act: for the audit trail, of whoever starts it.

    *Submitted* is this moment and not the one at which the caller began: an import whose caller stalled must not stand
    before those that were registered and begun meanwhile.

    Raises:
        Conflict: as for `JobRepository.register`.
        EntityDeleted: the entity was, or is being, deleted.
    """
    checks = services.entities.still_there(entity.name, entity.uid)
    job = replace(with_options(job, entity, options), submitted_at=services.clock.now())
    try:
        entry = _entry(services, job, act)
        job, _ = services.jobs.register(job, entity.to_document(), origin, checks, entry)
    except ChecksFailed:
        raise EntityDeleted(entity.name) from None
    start_if_waiting(services, job)
    return job


def _entry(services: Services, job: Job, act: Act | None) -> list[Action]:
    outcome: Outcome = "failed" if job.is_terminal else "done"
    return services.audit.entry(
        act, outcome, entity=job.entity, jobId=job.job_id, parentJobId=job.retry_of or job.undo_of
    )


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


def register_failed(
    services: Services, job: Job, code: str, message: str, drop: Origin | None = None, act: Act | None = None
) -> Job:
    """Store an import that ends before it starts; with `drop` the object is the job's and expires with it. The job
    belongs to the entity of its name, if there is one: who may import there sees why the file failed, and the job goes
    with the entity.

    Raises:
        Conflict: as for `register`.
    """
    entity = services.entities.find(job.entity)
    if entity is not None:
        job = replace(job, entity_uid=entity.uid, options=job.options | told(of_entity=entity.webhooks))
    job = replace(job, refused=True)
    error = RowError.whole(None, code, message)
    write_error_log(services.files, services.settings.files_bucket, job.job_id, [error])
    failed = _failed(services, job, error)
    stored, _ = services.jobs.register(failed, {}, drop, entry=_entry(services, failed, act))
    return stored


#: Of a file that could not be read.
NOTHING = Counts(total=0)


def fail_import(
    services: Services,
    job: Job,
    errors: list[RowError],
    counts: Counts = NOTHING,
    *,
    has_rejects: bool = False,
    where: Condition | None = None,
) -> Job:
    """End a job whose file cannot be imported, or not to its end, as FAILED. The first error is the job's.

    Args:
        counts: of its rows.
        has_rejects: the rejects file and the error log are written; else the error log is that of `errors`.
        where: what else must hold.

    Raises:
        Superseded: the job was begun or planned since it was read, rows were counted, or `where` does not hold.
    """
    is_unchanged = Attr("imported").equals(job.counts.imported) & Attr("rejected").equals(job.counts.rejected)
    total = Attr("total")
    is_unchanged &= total.is_missing() if job.counts.total is None else total.equals(job.counts.total)
    if where is not None:
        is_unchanged &= where
    if not has_rejects:
        write_error_log(services.files, services.settings.files_bucket, job.job_id, errors)
    stored = services.jobs.finish(_failed(services, job, errors[0], counts, has_rejects), job.status, is_unchanged)
    start_next(services, job.entity_uid)
    return stored


def _failed(services: Services, job: Job, error: RowError, counts: Counts = NOTHING, has_rejects: bool = False) -> Job:
    """The job as it ends; its error log is written."""
    return finished(
        job,
        Status.FAILED,
        counts,
        services.clock.now(),
        services.jobs.retention,
        error_code=error.type,
        error_message=error.message,
        has_error_log=True,
        has_rejects=has_rejects,
    )
