"""Files that are sent to the service."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from waybill_cli.failures import UsageFailure

#: More than the service reads of a text to propose an entity.
BEGINNING_BYTES = 9 * 1024**2
#: Workbooks and archives (zip, gzip, OLE) end with what tells how to read them: their beginning is of no use.
_PACKED = (b"PK", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")


def check_readable(source: Path) -> None:
    """
    Raises:
        UsageFailure: not a regular file, or one that cannot be read.
    """
    try:
        if source.exists() and not source.is_file():  # the size of a pipe is unknown
            raise UsageFailure(f"{source} is not a regular file.", "save its content to a file first")
        source.open("rb").close()
    except OSError as error:
        raise UsageFailure(f"Cannot read {source}: {error.strerror}.", "check the file name") from None


@contextlib.contextmanager
def beginning_of(source: Path) -> Iterator[Path]:
    """A file of the same name with what the service reads of a text; the file itself, unless it is a long text."""
    check_readable(source)
    with source.open("rb") as file:
        data = file.read(BEGINNING_BYTES + 1)
    if len(data) <= BEGINNING_BYTES or data.startswith(_PACKED):
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / source.name
        path.write_bytes(data[:BEGINNING_BYTES])
        yield path
