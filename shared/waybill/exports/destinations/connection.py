"""What a delivery needs of a partner's server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from waybill.exports.destinations.credentials import Credentials
    from waybill.exports.destinations.folder import FolderFile


UNKNOWN_SIZE = -1
"""Of a file that exists, whose size the server does not tell."""


class ServerConnection(Protocol):
    """One open connection, bound to the destination's directory. Names are plain file names in it, or paths from it.

    Every method raises DeliveryFailed. After `timeout` or `connection-lost` the connection is closed and every further
    call fails at once. What `chunks` and `progress` raise passes through unchanged, and closes the connection too.
    """

    # A server that writes requests side by side may leave a hole, after a cut, in so many bytes before the file's end.
    unsure_bytes: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def size(self, name: str) -> int | None:
        """Bytes of the file, or None when it does not exist; UNKNOWN_SIZE where the server tells only that it does."""

    def write(self, name: str, offset: int, chunks: Iterable[bytes], progress: Callable[[int], None]) -> None:
        """Write from `offset` on; offset 0 empties the file first. `progress` gets the file's bytes so far."""

    def rename(self, old: str, new: str, replace: bool) -> None:
        """Rename in one step; never deletes `new` to make room for it.

        Raises:
            DeliveryFailed: `exists` when `new` exists and `replace` is not set, or the server does not replace files.
        """

    def read(self, name: str, limit: int) -> bytes | None:
        """The content of a small file; None when it does not exist or has more than `limit` bytes."""

    def delete(self, name: str) -> None:
        """Delete; a file that does not exist is fine."""

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        """The regular files whose names are taken; to be read to its end before anything else is asked."""

    def find(self, name: str) -> FolderFile | None:
        """A regular file as it is now; None when there is none."""

    def read_from(self, name: str, offset: int) -> Iterator[bytes]:
        """The bytes of a file from `offset` on. Whoever stops before its end closes the connection."""


def quoted(text: str, credentials: Credentials) -> str:
    """A server's own words, fit for a message: one short printable line, without the secrets that it was sent."""
    for secret in (credentials.password, credentials.passphrase):
        text = text.replace(secret, "…") if secret else text
    line = "".join(character if character.isprintable() else " " for character in text)
    return f"“{' '.join(line.split())[:160]}”"


def says_disk_full(text: str) -> bool:
    """Whether a server's words mean a full disk or quota, for servers that have no code for it."""
    return any(words in text.lower() for words in ("no space", "quota", "disk full", "disk is full"))
