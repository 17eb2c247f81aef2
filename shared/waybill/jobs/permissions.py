"""Who may see and change which jobs (contract, section 6, last paragraph). Pure.

A caller sees their own jobs and those of entities that they may view; and a file that was refused before it became a
job of its entity (`Job.refused`), if they may import into that entity.
"""

from __future__ import annotations

from waybill.entities.model import Entity, Right
from waybill.entities.permissions import Caller, may
from waybill.jobs.model import Job, Process

NO_PERMISSION = "(No permission)"


def owns(caller: Caller, job: Job) -> bool:
    return job.started_by_id is not None and job.started_by_id == caller.subject


def is_hidden(job: Job, entity: Entity | None) -> bool:
    """Whether the job belongs to an entity that was deleted since.

    Args:
        entity: the one that has the job's entity name now. A job that never found its entity (`unknown-entity`) has no
            uid; it is the only one of which the entity that now has the name may be a later one.
    """
    return bool(job.entity_uid) and (entity is None or entity.uid != job.entity_uid)


def sees_job(caller: Caller, job: Job, entity: Entity | None) -> bool:
    if is_hidden(job, entity):
        return False
    if caller.is_admin or owns(caller, job) or _may_on_job(caller, job, entity, Right.VIEW):
        return True
    return job.refused and _may_on_job(caller, job, entity, Right.IMPORT)


def may_change_job(caller: Caller, job: Job, entity: Entity | None) -> bool:
    """Whether the caller may cancel, stop, delete or relaunch the job: they started it, or could have."""
    right = Right.IMPORT if job.process is Process.IMPORT else Right.EXPORT
    return caller.is_admin or owns(caller, job) or _may_on_job(caller, job, entity, right)


def has_right_to_download(caller: Caller, job: Job, entity: Entity | None) -> bool:
    """Whether a caller who sees the job may have its file: the source of any import, but records only by the right to
    export them."""
    return job.process is Process.IMPORT or caller.is_admin or _may_on_job(caller, job, entity, Right.EXPORT)


def entity_shown(caller: Caller, job: Job, entity: Entity | None) -> str:
    """The name of the job's entity, or `(No permission)` when the caller may neither view it nor add to it, nor, for
    the job of an export, export it."""
    rights = [Right.VIEW, Right.IMPORT, *([Right.EXPORT] if job.process is Process.EXPORT else [])]
    visible = caller.is_admin or any(_may_on_job(caller, job, entity, right) for right in rights)
    return job.entity if visible else NO_PERMISSION


def _may_on_job(caller: Caller, job: Job, entity: Entity | None, right: Right) -> bool:
    is_its_entity = bool(job.entity_uid) or (job.refused and right is Right.IMPORT)
    return is_its_entity and entity is not None and may(caller, entity, right)
