"""Who may see and change which jobs (contract, section 6, last paragraph). Pure.

A caller sees their own jobs and those of entities that they may view; and a file that was refused before it became a
job of its entity (`Job.refused`), if they may import into that entity.

Seeing the job of an export is not seeing its definition: where it is delivered, to whom, and with which filter. That
takes the right to export the entity. What each answer shows to whom is listed in docs/security.md.
"""

from __future__ import annotations

from dataclasses import replace

from waybill.entities.model import Entity, Right
from waybill.entities.permissions import Caller, may
from waybill.jobs.model import Job, Process

NO_PERMISSION = "(No permission)"
HIDDEN_REASON = "Who may see the definition of this export sees the reason."
#: Codes of failures whose messages hold nothing of a definition.
_TELLS_NOTHING = ("internal-error", "no-permission", "timed-out", "unknown-entity", "window-not-over", "window-too-old")


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


def knows_export(caller: Caller, job: Job, entity: Entity | None) -> bool:
    """Whether the caller, who sees the job of an export, may know that export's name and state."""
    return caller.is_admin or _may_on_job(caller, job, entity, Right.EXPORT)


def knows_definition(caller: Caller, job: Job, entity: Entity | None) -> bool:
    """Whether the caller may know the whole definition: that of a custom flow only in the back office."""
    is_open = job.export_type != "CUSTOM" or caller.is_backoffice
    return is_open and knows_export(caller, job, entity)


def as_seen(caller: Caller, job: Job, entity: Entity | None) -> Job:
    """The job with the reason of its failure left out if it may tell of a definition that the caller may not know."""
    hides = job.process is Process.EXPORT and not knows_definition(caller, job, entity)
    return replace(job, error_message=reason_shown(job.error_code, job.error_message)) if hides else job


def reason_shown(error_code: str | None, message: str | None) -> str | None:
    """Why a run failed, for those who may not know the definition of its export."""
    return message if error_code is None or error_code in _TELLS_NOTHING else HIDDEN_REASON


def _may_on_job(caller: Caller, job: Job, entity: Entity | None, right: Right) -> bool:
    is_its_entity = bool(job.entity_uid) or (job.refused and right is Right.IMPORT)
    return is_its_entity and entity is not None and may(caller, entity, right)
