"""Saving the files that the API returns."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waybill_cli.failures import UsageFailure


@dataclass(frozen=True)
class Downloaded:
    """A downloaded file; `path` is None for standard output."""

    path: Path | None
    size_bytes: int
    sha256: str

    def document(self) -> dict[str, Any]:
        return {"file": None if self.path is None else str(self.path), "bytes": self.size_bytes, "sha256": self.sha256}


def copy(chunks: Iterator[bytes], write: Callable[[bytes], Any], path: Path | None) -> Downloaded:
    """Write the chunks, and take their size and digest."""
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
        write(chunk)
    return Downloaded(path, size_bytes, digest.hexdigest())


def save(chunks: Iterator[bytes], final: Path) -> Downloaded:
    """Write a file that appears under its name once it is complete.

    Raises:
        UsageFailure: it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name[:80]}.", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                downloaded = copy(chunks, file.write, final)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)  # the mode that open() would give
            os.replace(name, final)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise UsageFailure(f"Cannot write {final}: {error.strerror}.") from None
    return downloaded


def final_path(target: Path | None, disposition: str | None) -> Path:
    """The path to save to: `target`, or in that folder the name that the server gives.

    Without a target, an existing file is kept: `contacts.csv` becomes `contacts-2.csv`.
    """
    if target is not None and not target.is_dir():
        return target
    folder = target or Path()
    name = file_name_of(disposition)
    path, number = folder / name, 2
    while target is None and path.exists():
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    return path


def file_name_of(disposition: str | None) -> str:
    """The file name in a Content-Disposition (RFC 6266), without any path that the server puts before it."""
    text = disposition or ""
    extended = re.search(r"filename\*=UTF-8''([^;\s]+)", text, re.IGNORECASE)
    plain = re.search(r'filename="?([^";]*)', text, re.IGNORECASE)
    name = urllib.parse.unquote(extended[1]) if extended else plain[1] if plain else ""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in name if character.isprintable()).lstrip(".")
    return name or "download"
