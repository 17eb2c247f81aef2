"""What the readers of all kinds of workbooks share: their result, and the checks before they open a part."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from waybill.errors import JobFailed

MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 4 * 1024**2

Value = str | bool | float | datetime | time | timedelta | None


class Digits(float):
    """A number that its format shows with leading zeros, `width` digits wide."""

    width = 0


@dataclass(frozen=True)
class SheetRows:
    """A sheet as it is read.

    `rows` yields (row number, values by column with None for an empty cell) and leaves out rows without cells. `names`
    are those of all sheets of the workbook, in the order of the tabs.
    """

    name: str
    names: list[str]
    rows: Iterator[tuple[int, list[Value]]]


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
