"""How to log in to a partner's server, as a secret in Secrets Manager holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waybill.errors import DeliveryFailed


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
