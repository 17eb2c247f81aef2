"""Who may see and change which entities (contract, section 6, last paragraph). Pure.

Admins may do everything. Everybody else has the rights that an entity gives to their groups, and sees an entity when
they have any of them. For jobs see `waybill.jobs.permissions`.
"""

from __future__ import annotations

from dataclasses import dataclass

from waybill.entities.model import Entity, Right
from waybill.errors import Forbidden, NotFound

ADMIN = "admin"
BACKOFFICE = "backoffice"


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
        NotFound: the caller may not see it; the same answer as for a name that does not exist.
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
