"""What a delivery needs of a partner's server, and what it knows about how to get in. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from waybill.errors import DeliveryFailed


class Remote(Protocol):
    """One open connection, bound to the destination's directory. Names are plain file names in it.

    Every method raises DeliveryFailed. After `timeout` or `connection-lost` the connection is closed and every further
    call fails at once. What `chunks` and `progress` raise passes through unchanged, and closes the connection too.
    """

    # After a cut, a server that writes requests side by side may hold a hole in so many bytes before the file's end.
    unsure_bytes: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def size(self, name: str) -> int | None:
        """Bytes of the file, or None when there is none."""

    def write(self, name: str, offset: int, chunks: Iterable[bytes], progress: Callable[[int], None]) -> None:
        """Write from `offset` on; offset 0 empties the file first. `progress` gets the file's bytes so far."""

    def rename(self, old: str, new: str, replace: bool) -> None:
        """Rename; an existing `new` is replaced or, without `replace`, refused with the reason `exists`."""

    def read(self, name: str, limit: int) -> bytes | None:
        """The content of a small file; None when there is none or it has more than `limit` bytes."""

    def delete(self, name: str) -> None:
        """Delete; a file that is not there is fine."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait: for name and TCP connection, for the whole login, and for each answer after it."""

    connect: float = 10.0
    login: float = 20.0
    request: float = 30.0


DEFAULT_TIMEOUTS = Timeouts()


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
        if not isinstance(secret, Mapping):
            raise DeliveryFailed("secret", "The secret is no JSON object.")
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


def quoted(text: str) -> str:
    """A server's own words, fit for a message: one short printable line."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return f"“{' '.join(line.split())[:160]}”"


def says_disk_full(text: str) -> bool:
    """Whether a server's words mean a full disk or quota, for servers that have no code for it."""
    return any(words in text.lower() for words in ("no space", "quota", "disk full", "disk is full"))
