"""What the readers of all kinds of workbooks share: their result, and the parts of those that are zip files."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol

from waybill.errors import JobFailed
from waybill.tabular.compressed import damage_told

BLOCK_BYTES = 64 * 1024
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 4 * 1024**2

_DAMAGED = "The workbook is damaged or ends too early."

Value = str | bool | float | datetime | time | timedelta | None


class NoValue(str):
    """What stands in a cell that has no value: a number that is none, or a formula whose value was never saved. The
    text is the file's, that of a formula with `=` in front."""


class Digits(float):
    """A number that its format shows with leading zeros, `width` digits wide."""

    width = 0


@dataclass(frozen=True)
class Tab:
    """A tab of a workbook. Those that are no worksheets show charts, or run old macros, and have no rows."""

    name: str
    is_visible: bool = True
    is_worksheet: bool = True


class Workbook(Protocol):
    """An open workbook of any kind. `tabs` are in the order in which a spreadsheet program shows them."""

    @property
    def tabs(self) -> Sequence[Tab]: ...

    def rows(self, tab: int) -> Iterator[tuple[int, list[Value]]]:
        """(row number, values by column, None for an empty cell) of the rows that have cells.

        Args:
            tab: the index of a worksheet.

        Raises (also while iterating):
            JobFailed: `format-error`.
        """
        ...


def bad_workbook(reason: str, row: int | None = None) -> JobFailed:
    return JobFailed("format-error", f"The workbook cannot be read: {reason}.", row)


def check_part(info: zipfile.ZipInfo, max_bytes: int) -> None:
    """
    Raises:
        JobFailed: `format-error`, the part is encrypted, or much larger than that of any table.
    """
    if info.flag_bits & 1:
        raise bad_workbook("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise bad_workbook("its compression method is not supported")
    if info.file_size > max_bytes:
        raise bad_workbook(f"{posixpath.basename(info.filename)} has more than {max_bytes // 1024**2:,} MiB")
    if info.file_size > RATIO_COUNTS_FROM_BYTES and info.file_size > MAX_RATIO * info.compress_size:
        raise bad_workbook(f"it decompresses to over {MAX_RATIO} times its size, more than any table does")


class Parts:
    """The parts of a workbook in a zip file, by their names in any case and with slashes (ECMA-376 part 2, 6.2.2).

    Raises:
        JobFailed: `format-error`, a part is there twice, and programs differ in which one they read.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._parts: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            name = info.filename.replace("\\", "/").lstrip("/").lower()
            if name in self._parts and not name.endswith("/"):
                raise bad_workbook(f"its part {name} is there twice")
            self._parts[name] = info

    def __contains__(self, path: str) -> bool:
        return path.lower() in self._parts

    def blocks(self, path: str, max_bytes: int) -> Iterator[bytes]:
        """The content of a part.

        Raises (while iterating):
            JobFailed: `format-error`, there is no such part, it is damaged, or larger than that of any table.
        """
        info = self._parts.get(path.lower())
        if info is None:
            raise bad_workbook("a part of it is missing")
        check_part(info, max_bytes)
        with damage_told(_DAMAGED, "format-error"):
            part = self._archive.open(info)
        while True:
            with damage_told(_DAMAGED, "format-error"):
                data = part.read(BLOCK_BYTES)
            if not data:
                return
            yield data

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """A small part as a whole; None where there is no such part."""
        return b"".join(self.blocks(path, max_bytes)) if path in self else None
