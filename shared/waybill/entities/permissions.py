"""Who may see and do what (contract, section 6, last paragraph).

Admins may do everything. Everybody else has the rights that an entity gives to their groups, and sees an entity when
they have any of them. A caller sees their own jobs and those of entities that they may view.
"""

from __future__ import annotations

from dataclasses import dataclass

from waybill.entities.model import Entity, Right
from waybill.errors import Forbidden, NotFound
from waybill.jobs.model import Job, Process

ADMIN = "admin"
BACKOFFICE = "backoffice"
NO_PERMISSION = "(No permission)"


@dataclass(frozen=True)
class Caller:
    """Who a verified token speaks for. `subject` is stable, `name` is what people read."""

    subject: str
    name: str
    groups: frozenset[str] = frozenset()

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.groups

    @property
    def is_backoffice(self) -> bool:
        """May define custom flows."""
        return self.is_admin or BACKOFFICE in self.groups


def may(caller: Caller, entity: Entity, right: Right) -> bool:
    return caller.is_admin or not caller.groups.isdisjoint(entity.permissions.get(right, ()))


def sees_entity(caller: Caller, entity: Entity) -> bool:
    return any(may(caller, entity, right) for right in Right)


def require(caller: Caller, entity: Entity, right: Right) -> Entity:
    """The entity, when the caller has the right.

    Raises:
        NotFound: it is not for the caller's eyes; the same answer as for a name that does not exist.
        Forbidden: the caller sees it, but lacks this right.
    """
    if may(caller, entity, right):
        return entity
    if not sees_entity(caller, entity):
        raise entity_not_found(entity.name)
    raise Forbidden(f"You may not {right} {entity.name}.")


def require_admin(caller: Caller) -> None:
    if not caller.is_admin:
        raise Forbidden("Only the group admin may do this.")


def entity_not_found(name: str) -> NotFound:
    return NotFound(f"There is no entity {name}.")


def owns(caller: Caller, job: Job) -> bool:
    return job.started_by_id is not None and job.started_by_id == caller.subject


def is_hidden(job: Job, entity: Entity | None) -> bool:
    """The job belongs to an entity that was deleted since.

    `entity` is what bears the job's entity name now. A job that never found its entity (`unknown-entity`) has no uid.
    """
    return bool(job.entity_uid) and (entity is None or entity.uid != job.entity_uid)


def sees_job(caller: Caller, job: Job, entity: Entity | None) -> bool:
    if is_hidden(job, entity):
        return False
    return caller.is_admin or owns(caller, job) or _may_on_job(caller, job, entity, Right.VIEW)


def may_change_job(caller: Caller, job: Job, entity: Entity | None) -> bool:
    """May cancel, stop, delete or relaunch it: whoever started it, or could have."""
    right = Right.IMPORT if job.process is Process.IMPORT else Right.EXPORT
    return caller.is_admin or owns(caller, job) or _may_on_job(caller, job, entity, right)


def entity_shown(caller: Caller, job: Job, entity: Entity | None) -> str:
    """The name of the job's entity, or `(No permission)` when the caller may neither view it nor add to it."""
    visible = caller.is_admin or any(_may_on_job(caller, job, entity, right) for right in (Right.VIEW, Right.IMPORT))
    return job.entity if visible else NO_PERMISSION


def _may_on_job(caller: Caller, job: Job, entity: Entity | None, right: Right) -> bool:
    return bool(job.entity_uid) and entity is not None and may(caller, entity, right)
