"""What files are encrypted for, and with what they are decrypted, by age or OpenPGP: the members of definitions, their
public keys, and the names of files. `encryption_process` does the work.

    {"kind": "age", "recipients": ["age1…"]}                                            of a destination
    {"kind": "openpgp", "recipients": ["-----BEGIN PGP PUBLIC KEY BLOCK-----…"]}
    {"kind": "age", "secretId": "waybill/partner"}                                      of a location

pysequoia encrypts for an expired key without a word, so its keys are checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from waybill.validation import Problems, refuse_unknown, secret_id_problem

if TYPE_CHECKING:
    from pysequoia.packet import Packet

AGE, OPENPGP = "age", "openpgp"
EXTENSIONS = {AGE: ".age", OPENPGP: ".pgp"}
"""What is added to the name of an encrypted file."""
_KNOWN_EXTENSIONS = {AGE: (".age",), OPENPGP: (".pgp", ".gpg")}
MAX_KEYS = 20
MAX_KEY_CHARS = 20_000
MAX_SECRET_ID = 2_048
ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_IS_PRIVATE = "is a private key: give the public key that belongs to it. It was not saved"
_PRIVATE = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY")


class BadKey(Exception):
    """A key that cannot be used. The text goes on after the words "the key …"; it never shows the key."""


def check_encryption(value: object, path: str, now: datetime | None) -> Problems:
    """Everything that is wrong with the member `encryption` of a destination, as (JSON Pointer, problem).

    Args:
        path: JSON Pointer of the member.
        now: when the keys must be good; None when that does not matter.
    """
    if not isinstance(value, dict):
        return [(path, "must be an object with kind and recipients")]
    problems: Problems = []
    refuse_unknown(value, {"kind", "recipients"}, path, problems)
    kind, keys = value.get("kind"), value.get("recipients")
    if not isinstance(kind, str) or kind not in EXTENSIONS:
        problems.append((f"{path}/kind", f"must be one of {', '.join(EXTENSIONS)}"))
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        problems.append((f"{path}/recipients", f"must be a list of 1 to {MAX_KEYS} public keys"))
    if problems or not isinstance(keys, list):
        return problems
    known: list[str] = []
    for index, key in enumerate(keys):
        try:
            name = fingerprint(str(kind), key, now)
        except BadKey as error:
            problems.append((f"{path}/recipients/{index}", str(error)))
            continue
        if name in known:
            problems.append((f"{path}/recipients/{index}", f"is the key {name} a second time"))
        known.append(name)
    return problems


def check_decryption(value: object, path: str) -> Problems:
    """Everything that is wrong with the member `decryption` of a location, as (JSON Pointer, problem)."""
    if not isinstance(value, dict):
        return [(path, "must be an object with kind and secretId")]
    problems: Problems = []
    refuse_unknown(value, {"kind", "secretId"}, path, problems)
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in EXTENSIONS:
        problems.append((f"{path}/kind", f"must be one of {', '.join(EXTENSIONS)}"))
    if (problem := secret_id_problem(value.get("secretId"), MAX_SECRET_ID)) is not None:
        problems.append((f"{path}/secretId", problem))
    return problems


def shown(encryption: Mapping[str, Any]) -> dict[str, Any]:
    """What people see of a checked member `encryption`: the kind, and the fingerprints of its keys. A key of age is
    its own fingerprint."""
    kind = encryption["kind"]
    return {"kind": kind, "recipients": [fingerprint(kind, key, None) for key in encryption["recipients"]]}


def encrypted_name(name: str, encryption: Mapping[str, Any] | None) -> str:
    """The name that a file has after it is encrypted: `contacts.csv` → `contacts.csv.age`."""
    if encryption is None or name.lower().endswith(_KNOWN_EXTENSIONS[encryption["kind"]]):
        return name
    return name + EXTENSIONS[encryption["kind"]]


def split_name(name: str) -> tuple[str, str]:
    """A name without the extension of an encrypted file, and that extension."""
    for extension in (extension for some in _KNOWN_EXTENSIONS.values() for extension in some):
        if name.lower().endswith(extension):
            return name[: -len(extension)], name[-len(extension) :]
    return name, ""


def most_encrypted(encryption: Mapping[str, Any], size_bytes: int) -> int:
    """How many bytes so many have at most once they are encrypted: more than age and OpenPGP add for each piece of the
    data and for each key. What OpenPGP adds for a part of a key is smaller than that part and its signature are."""
    keys = sum(max(1_200, len(key)) for key in encryption["recipients"])
    return size_bytes + size_bytes // 256 + 2_048 + keys


def fingerprint(kind: str, key: object, now: datetime | None) -> str:
    """What names a public key.

    Args:
        now: when it must be good; None when that does not matter.

    Raises:
        BadKey: nothing can be encrypted for it.
    """
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_CHARS:
        raise BadKey(f"must be a public key, a text of at most {MAX_KEY_CHARS:,} characters")
    if any(mark in key.upper() for mark in _PRIVATE):
        raise BadKey(_IS_PRIVATE)
    return _age_fingerprint(key) if kind == AGE else _openpgp_fingerprint(key, now)


def _age_fingerprint(key: str) -> str:
    from pyrage import RecipientError
    from pyrage.x25519 import Recipient

    try:
        return str(Recipient.from_str(key))
    except RecipientError:
        is_ssh = key.startswith("ssh-")
        hint = "; SSH keys are not taken" if is_ssh else ""
        raise BadKey(f"is not a public key of age, which begins with age1 and has 62 characters{hint}") from None


def _openpgp_fingerprint(key: str, now: datetime | None) -> str:
    from pysequoia import Cert
    from pysequoia.packet import PacketPile, Tag

    if not key.strip().startswith(ARMOR):
        raise BadKey(f"is not a public key of OpenPGP, as text that begins with {ARMOR}")
    try:
        certificates = Cert.split_bytes(key.encode())
        packets = list(PacketPile.from_bytes(key.encode()))
    except Exception:  # its text holds a trace of the library
        raise BadKey("is damaged, or is not a public key of OpenPGP") from None
    if any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in packets):
        raise BadKey(_IS_PRIVATE)
    if len(certificates) != 1:
        raise BadKey("holds several keys: give each of them as a recipient of its own")
    name = str(certificates[0].fingerprint).upper()
    if certificates[0].is_revoked:
        raise BadKey(f"{name} is revoked")
    _check_usable(name, certificates[0], now)
    return name


def _check_usable(name: str, certificate: Any, now: datetime | None) -> None:
    """
    Raises:
        BadKey: it has expired, or no part of it can encrypt.
    """
    from pysequoia import encrypt
    from pysequoia.packet import PacketPile, Tag

    try:
        ends = [certificate.expiration]
        message = encrypt(b"", [certificate], armor=False)
    except Exception:  # its text holds a trace of the library
        what = "has no part that can encrypt: none is made for it, or those are revoked, or made by methods that are no"
        raise BadKey(f"{name} {what} longer safe (SHA-1, RSA below 2,048 bits)") from None
    packets = list(PacketPile.from_bytes(bytes(certificate)))
    used = [_key_of(packet.body) for packet in PacketPile.from_bytes(message) if packet.tag == Tag.PKESK]
    for key, signatures in _subkeys(packets):
        if key.fingerprint in used or key.key_id in used:
            ends.append(_end_of(key, signatures))
    for end in ends:
        if now is not None and end is not None and end <= now:
            raise BadKey(f"{name} expired at {end:%Y-%m-%dT%H:%M:%SZ}")


def _key_of(body: bytes) -> str:
    """The fingerprint or id of the key that a message is for (RFC 9580, section 5.1)."""
    return body[3 : 2 + body[1]].hex() if body[0] == 6 else body[1:9].hex()


def _subkeys(packets: list[Packet]) -> Iterator[tuple[Packet, list[Packet]]]:
    """The subkeys of a certificate, each with what binds it."""
    from pysequoia.packet import SignatureType, Tag

    key, bindings = None, list[Any]()
    for packet in packets:
        if packet.tag != Tag.Signature:
            if key is not None:
                yield key, bindings
            key, bindings = (packet, []) if packet.tag == Tag.PublicSubkey else (None, [])
        elif packet.signature_type == SignatureType.SubkeyBinding:
            bindings.append(packet)
    if key is not None:
        yield key, bindings


def _end_of(key: Packet, bindings: list[Packet]) -> datetime | None:
    """When a subkey expires, by the newest of its bindings; None for never."""
    made = [binding for binding in bindings if binding.signature_created is not None]
    if not made or key.key_created is None:
        return None
    period = max(made, key=lambda binding: str(binding.signature_created)).key_validity_period
    return None if period is None else key.key_created + period
