"""How to log in to a partner's server, as a secret in Secrets Manager holds it.

A secret names what it is for: `{"host": "sftp.example.com", "entities": ["orders"], …}`. Whoever may export one entity
could otherwise have the credentials of any partner sent to a server of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from waybill.aws.secrets import SecretUnreadable
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.hosts import is_for_server
from waybill.telemetry import logger

if TYPE_CHECKING:
    from waybill.jobs.services import Services

ALL_ENTITIES = "*"


@dataclass(frozen=True)
class Credentials:
    """A user name with a password, a private key, or both (servers that ask for two factors)."""

    username: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)

    @classmethod
    def from_secret(cls, secret: Mapping[str, Any], needs_password: bool) -> Credentials:
        """Read {"username", "password"} or {"username", "privateKey", "passphrase"?}.

        Raises:
            DeliveryFailed: `secret`; names the member, never its value.
        """
        for member in ("username", "password", "privateKey", "passphrase"):
            value = secret.get(member)
            if value is None:
                continue
            # A key has line breaks; in the other members they would end an FTP command (RFC 959, section 4.1).
            if not isinstance(value, str) or not value or (member != "privateKey" and set("\r\n\0") & set(value)):
                raise DeliveryFailed("secret", f"The secret's member {member} must be text on one line.")
        if "username" not in secret:
            raise DeliveryFailed("secret", "The secret has no member username.")
        if secret.get("password") is None and (needs_password or secret.get("privateKey") is None):
            wanted = "password" if needs_password else "password or privateKey"
            raise DeliveryFailed("secret", f"The secret has no member {wanted}.")
        return cls(secret["username"], secret.get("password"), secret.get("privateKey"), secret.get("passphrase"))


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
