"""A destination read the other way: the folder that a source fetches files from (contract, section 8).

A file is known by its name, size, time and, where the place tells it, the ETag of its content. Nothing is moved or
deleted that is not that file: a partner may put a new one of the same name at any moment. On a server the file first
gets a name that nobody else uses, and is compared there; S3 compares ETags in the request itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

MARK_DIGITS = 16
"""Of the mark by which a file is named while it is deleted or moved."""


class FolderFile(NamedTuple):
    """A regular file in a folder: `modified` is the place's own time (UTC), `etag` without quotes."""

    name: str
    size_bytes: int
    modified: datetime
    etag: str | None = None

    def is_same(self, other: FolderFile | None) -> bool:
        """Whether another look has shown the same file, whatever its name by then."""
        return other is not None and self._replace(name="") == other._replace(name="")


class Fate(StrEnum):
    """What became of a file that was to be moved or deleted."""

    DONE = "done"
    GONE = "gone"
    CHANGED = "changed"
    """Another file has its name by now, which stays."""


class Folder(Protocol):
    """An open folder. Every method raises DeliveryFailed; what an iterator raises, it raises while it is read."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        """The regular files whose names are taken, in any order; neither folders nor links. However many there are, a
        few hundred are held at a time."""

    def find(self, name: str) -> FolderFile | None:
        """A regular file as it is now; None when there is none."""

    def read(self, file: FolderFile, offset: int) -> Iterator[bytes]:
        """Its bytes from `offset` on, in blocks. Nothing vouches for their number."""

    def is_delivery(self, file: FolderFile) -> bool:
        """Whether an export has delivered it, or a source has moved it, as far as the place can tell: it belongs to
        their entity."""

    def delete(self, file: FolderFile, mark: str) -> Fate:
        """Delete a file, if it still is this one. May be repeated.

        Args:
            mark: of this file alone, of letters and digits.
        """

    def move(self, file: FolderFile, to: str, mark: str) -> tuple[Fate, str | None]:
        """Move a file to another folder, if it still is this one; it never takes the place of another one there. May be
        repeated.

        Returns:
            What became of it, and the path that it has now, if it was moved.
        """


def moved_names(file: FolderFile) -> Iterator[str]:
    """The names that a moved file may take, in order: its own, else one with its time."""
    yield file.name
    stem, dot, extension = file.name.partition(".")
    for number in range(1, 20):
        more = "" if number == 1 else f"-{number}"
        yield f"{stem}_{file.modified:%Y%m%dT%H%M%SZ}{more}{dot}{extension}"
