"""How to log in to a partner's server, as a secret in Secrets Manager holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from waybill.aws.secrets import SecretUnreadable
from waybill.errors import DeliveryFailed

if TYPE_CHECKING:
    from waybill.jobs.services import Services


@dataclass(frozen=True)
class Credentials:
    """A user name with a password, a private key, or both (servers that ask for two factors)."""

    username: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)

    @classmethod
    def from_secret(cls, secret: Mapping[str, Any], host: str, needs_password: bool) -> Credentials:
        """Read {"username", "password"} or {"username", "privateKey", "passphrase"?}. A member "host" restricts the
        secret to that server.

        Raises:
            DeliveryFailed: `secret`; names the member, never its value.
        """
        if not isinstance(secret, Mapping):
            raise DeliveryFailed("secret", "The secret is not a JSON object.")
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
        owner = secret.get("host")
        if owner is not None and str(owner).lower() != host.lower():
            raise DeliveryFailed("secret", f"The secret is not for {host}: its member host names another server.")
        return cls(secret["username"], secret.get("password"), secret.get("privateKey"), secret.get("passphrase"))


def read_secret(services: Services, secret_id: str) -> dict[str, Any]:
    """
    Raises:
        DeliveryFailed: `secret`.
    """
    try:
        return services.secrets.get(secret_id)
    except SecretUnreadable as error:
        raise DeliveryFailed("secret", f"The secret {secret_id} cannot be used: {error}.") from None
