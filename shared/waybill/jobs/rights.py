"""Whether those for whom a job acts still may, when it begins: it was requested hours or months before.

An export acts for its owner, an import through the API for whoever started it, and one of a source's file for the
source's owner. The import of a dropped object acts for
nobody: write access to the bucket was its permission. Groups are those in the user pool at this moment, or with an
outside issuer those of the last request (`caller_groups`); those of a machine client are in the parameter
MachineClients. Permissions are those of the entity at this moment.

A pool or table that does not answer is an outage, which the step's retries outlast, and never a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.entities.model import Right
from waybill.entities.permissions import Caller, may
from waybill.jobs import machine_clients

if TYPE_CHECKING:
    from waybill.jobs.services import Services

NO_PERMISSION = "no-permission"


def still_may(services: Services, subject: str, name: str, right: Right, entity: str, entity_uid: str) -> bool:
    """Whether a person or a machine client has a right on an entity now; False when the entity is gone.

    Args:
        subject, name: of their tokens.
        entity, entity_uid: the entity's name, and the uid that it must still have.
    """
    found = services.entities.find(entity)
    if found is None or found.uid != entity_uid:
        return False
    if machine_clients.is_machine(subject):
        groups = machine_clients.groups_of(services.settings.machine_clients, subject)
    elif services.settings.user_pool_id:
        groups = services.user_pool.groups(subject, name)
    else:
        groups = services.caller_groups.groups(subject)
    return may(Caller(subject, name, groups), found, right)
