"""Secrets in Secrets Manager. Each names what it is for: `{"host": "sftp.example.com", "entities": ["orders"], …}`.

Whoever may export one entity could otherwise have the credentials of any partner sent to a server of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waybill.aws.secrets import SecretUnreadable
from waybill.errors import DeliveryFailed
from waybill.hosts import is_for_server
from waybill.telemetry import logger

if TYPE_CHECKING:
    from waybill.jobs.services import Services

ALL_ENTITIES = "*"


def read_secret(services: Services, secret_id: str, host: str, port: int, entity: str) -> dict[str, Any]:
    """A secret, if it is for this server and this entity.

    Raises:
        DeliveryFailed: `secret`. It says the same, after the same request, of a secret that does not exist, that may
            not be read, and that is for another server or entity: nobody can find out which secrets there are, or
            what for. The log has the reason.
    """
    try:
        secret = services.secrets.get(secret_id)
    except SecretUnreadable as error:
        reason = str(error)
    else:
        lacking = missing_bindings(secret)
        if lacking:
            reason = f"no member {' and '.join(lacking)}"
        elif not is_for_server(secret["host"], host, port):
            reason = "for another host"
        elif not {ALL_ENTITIES, entity} & set(secret["entities"]):
            reason = "for other entities"
        else:
            return secret
    logger.warning("Secret refused", extra={"secretId": secret_id, "reason": reason, "entity": entity})
    what = f"There is no secret {secret_id} whose members host and entities are for {host} and {entity}."
    raise DeliveryFailed("secret", what)


def missing_bindings(secret: Mapping[str, Any]) -> list[str]:
    """The members of a secret that would have to say what it is for and do not: `host`, `entities` or both."""
    host, entities = secret.get("host"), secret.get("entities")
    is_list = isinstance(entities, list) and entities and all(isinstance(name, str) for name in entities)
    return [*([] if isinstance(host, str) and host.strip() else ["host"]), *([] if is_list else ["entities"])]
