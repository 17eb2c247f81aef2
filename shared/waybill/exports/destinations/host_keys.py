"""The host key that an SFTP server must show. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

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
                raise ValueError("is not a SHA-256 fingerprint: 43 characters of Base64 follow SHA256:")
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


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
