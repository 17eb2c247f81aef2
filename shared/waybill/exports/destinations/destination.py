"""What a definition says about a server: checked without network, and without the libraries that connect."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waybill.exports.destinations.hosts import AllowedHosts, is_host_name, is_ip_address, refused_literal
from waybill.validation import Problems, is_line, refuse_unknown

DEFAULT_PORTS = {"sftp": 22, "ftps": 21}
IMPLICIT_TLS_PORT = 990

MEMBERS = {
    "sftp": {"kind", "host", "port", "directory", "secretId", "hostKey"},
    "ftps": {"kind", "host", "port", "directory", "secretId", "caCertificate"},
}
MAX_DIRECTORY = 1024
MAX_SECRET_ID = 2048  # Secrets Manager, GetSecretValue
MAX_CERTIFICATES = 65_536

# Key type → signature algorithms (RFC 8709, RFC 5656, RFC 8332: RSA keys sign with SHA-2).
HOST_KEY_TYPES = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}


@dataclass(frozen=True)
class HostKey:
    """The host key that a server must show, by its SHA-256; `type` is None when only the fingerprint was given."""

    sha256: bytes
    type: str | None

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """Read an OpenSSH line (`ssh-ed25519 AAAA… comment`) or a fingerprint (`SHA256:…`, as `ssh-keygen -l` shows).

        Raises:
            ValueError: says what is wrong with it.
        """
        if text.startswith("SHA256:"):
            digest = _base64(text.removeprefix("SHA256:").rstrip("=") + "=")
            if len(digest) != hashlib.sha256().digest_size:
                raise ValueError("is no SHA-256 fingerprint: 43 characters of Base64 follow SHA256:")
            return cls(digest, None)
        kind, _, rest = text.strip().partition(" ")
        if kind not in HOST_KEY_TYPES:
            raise ValueError(f"must begin with SHA256: or one of {', '.join(HOST_KEY_TYPES)}")
        key = _base64(rest.split()[0] if rest.split() else "")
        # RFC 4253, section 6.6: the key's data begins with its type, length first.
        name = kind.encode()
        if not key.startswith(len(name).to_bytes(4, "big") + name) or len(key) < len(name) + 4 + 32:
            raise ValueError(f"has no {kind} key after its type")
        return cls(hashlib.sha256(key).digest(), kind)

    def matches(self, key: bytes) -> bool:
        """Whether a key, in the form of RFC 4253, is the one meant."""
        return hmac.compare_digest(hashlib.sha256(key).digest(), self.sha256)


def check_destination(destination: Mapping[str, Any], allowed: AllowedHosts, path: str = "/destination") -> Problems:
    """Everything that is wrong with an `sftp` or `ftps` destination, as (member, what is wrong). No network.

    Args:
        allowed: hosts that are permitted although they are not public.
        path: JSON Pointer of the destination.
    """
    problems: Problems = []
    kind = destination.get("kind")
    if not isinstance(kind, str) or kind not in MEMBERS:
        return [(f"{path}/kind", f"must be one of {', '.join(MEMBERS)}")]
    refuse_unknown(destination, MEMBERS[kind], path, problems)
    checks = {
        "host": _host_problem(destination.get("host"), allowed),
        "port": _port_problem(destination.get("port", DEFAULT_PORTS[kind])),
        "directory": _directory_problem(destination.get("directory")),
        "secretId": _line_problem(destination.get("secretId"), MAX_SECRET_ID),
    }
    if kind == "sftp":
        checks["hostKey"] = _host_key_problem(destination.get("hostKey"))
    elif "caCertificate" in destination:
        checks["caCertificate"] = _certificate_problem(destination["caCertificate"])
    problems.extend((f"{path}/{member}", problem) for member, problem in checks.items() if problem)
    return problems


def _line_problem(value: object, longest: int) -> str | None:
    return None if is_line(value, longest) else f"must be one line of 1 to {longest} characters"


def _host_problem(value: object, allowed: AllowedHosts) -> str | None:
    if not isinstance(value, str):
        return "must be a host name or an IP address"
    refusal = refused_literal(value, allowed)
    if refusal is not None:
        return refusal
    return None if is_host_name(value) or is_ip_address(value) else "must be a host name (RFC 1123) or an IP address"


def _port_problem(value: object) -> str | None:
    is_port = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65_535
    return None if is_port else "must be a number from 1 to 65535"


def _directory_problem(value: object) -> str | None:
    if not isinstance(value, str) or not is_line(value, MAX_DIRECTORY):
        return f"must be one line of 1 to {MAX_DIRECTORY} characters"
    return "must not have .. in it" if ".." in value.replace("\\", "/").split("/") else None


def _host_key_problem(value: object) -> str | None:
    if not is_line(value, 16_384):
        return "must be the server's public host key (`ssh-ed25519 AAAA…`) or its fingerprint (`SHA256:…`)"
    try:
        HostKey.parse(str(value))
    except ValueError as error:
        return str(error)
    return None


def _certificate_problem(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_CERTIFICATES:
        return f"must be certificates in PEM, at most {MAX_CERTIFICATES} characters"
    if "PRIVATE KEY" in value:
        return "must not have a private key in it"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, ValueError):
        return "must be one or more certificates in PEM"
    return None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
