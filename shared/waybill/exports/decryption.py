"""The key that decrypts what a source fetches, as a secret in Secrets Manager holds it:

    {"host": "sftp.example.com", "entities": ["orders"], "decryptionKey": "…", "decryptionPassphrase": "…"?}

`host` is that of the server, or the name of the bucket. The secret may be the one that logs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.encryption import BadKey
from waybill.encryption_process import check_private_key
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import kind_of
from waybill.exports.destinations.base import DeliveredKind
from waybill.jobs.bound_secrets import read_secret

if TYPE_CHECKING:
    from waybill.jobs.services import Services


class DecryptionKey(NamedTuple):
    kind: str
    key: str
    passphrase: str | None


def decryption_key(services: Services, location: Mapping[str, Any], entity: str) -> DecryptionKey | None:
    """The key of a checked location; None where files are not encrypted.

    Raises:
        DeliveryFailed: `secret`.
    """
    if "decryption" not in location:
        return None
    kind = kind_of(location)
    assert isinstance(kind, DeliveredKind)  # as it was checked  # noqa: S101
    host, port = kind.bound_to(kind.with_defaults(location, services.settings))
    secret = read_secret(services, location["decryption"]["secretId"], host, port, entity)
    key, passphrase = secret.get("decryptionKey"), secret.get("decryptionPassphrase")
    if not isinstance(key, str) or not key.strip():
        raise DeliveryFailed("secret", "The secret has no member decryptionKey.")
    if passphrase is not None and not isinstance(passphrase, str):
        raise DeliveryFailed("secret", "The secret's member decryptionPassphrase must be text.")
    found = DecryptionKey(location["decryption"]["kind"], key, passphrase)
    try:
        check_private_key(*found)
    except BadKey as error:
        raise DeliveryFailed("secret", f"The decryptionKey of the secret {error}.") from None
    return found
