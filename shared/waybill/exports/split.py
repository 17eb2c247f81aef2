"""Rows in several files, each complete in itself: at most so many rows or bytes in one.

A file ends with the last row that it has room for, whatever parts the rows were read in. How many bytes a compressed
file will have is known within bounds: when the upper one passes the limit, what the compressor holds back is written,
and the bounds meet. So no file is larger than it may be, unless one row alone is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from waybill.errors import JobFailed
from waybill.exports.definition import Definition
from waybill.exports.file_names import MAX_FILES
from waybill.exports.file_writer import FileWriter, Written
from waybill.exports.formats import FORMATS
from waybill.exports.formats.base import Rows

_TOO_MANY = f"The rows fill more than {MAX_FILES:,} files. Allow more rows or bytes in each file, or filter the export."
# A compressed file that is so full ends, because each look at its size costs some of its compression.
_LEAST_SHARE = 100


def limits_of(definition: Definition) -> Limits:
    """What a file of a split export holds."""
    split: Mapping[str, int] = definition.split or {}
    rows, most = split.get("maxRows"), FORMATS[definition.format].max_rows
    if rows is None and most is not None:
        rows = most - definition.header
    return Limits(rows, split.get("maxBytes"))


class Limits(NamedTuple):
    """What a file holds at most; None for a limit that there is not."""

    rows: int | None
    size_bytes: int | None


class FileSet:
    """Writes rows to as many files as they need, and at least to one.

    Args:
        rows: finds the rows in what is written.
        begin: makes the writer of the file of a number, from 1 on.
        end: gets each file that has ended.
    """

    def __init__(
        self, limits: Limits, rows: Rows, begin: Callable[[int], FileWriter], end: Callable[[Written], None]
    ) -> None:
        self._limits, self._rows = limits, rows
        self._begin, self._end = begin, end
        self._number = 0

    def write(self, blocks: Iterable[bytes]) -> None:
        """Write all rows, and end the last file.

        Args:
            blocks: the bytes of rows, cut anywhere.

        Raises:
            JobFailed: `too-large`, they need more files than a set may have.
        """
        writer = self._next()
        for piece in self._whole_rows(blocks):
            rest = piece
            while rest:
                fits, rest = self._fitting(writer, rest)
                if fits:
                    writer.write(fits, self._rows.count(fits))
                else:
                    self._end(writer.end())
                    writer = self._next()
        self._end(writer.end())

    def _next(self) -> FileWriter:
        self._number += 1
        if self._number > MAX_FILES:
            raise JobFailed("too-large", _TOO_MANY)
        writer = self._begin(self._number)
        writer.begin()
        return writer

    def _whole_rows(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for block in blocks:
            data = rest + block
            end = self._rows.end(data)
            if end:
                yield data[:end]
            rest = data[end:]

    def _fitting(self, writer: FileWriter, rows: bytes) -> tuple[bytes, bytes]:
        """Of whole rows those that the file has room for, and the others."""
        rest = b""
        if self._limits.rows is not None:
            rows, rest = self._rows.cut(rows, self._limits.rows - writer.rows)
        most = self._limits.size_bytes
        if most is None or writer.most(len(rows)) <= most:
            return rows, rest
        writer.flush()
        room = _room(writer, most)
        is_full = writer.rows and not writer.is_exact and room < most // _LEAST_SHARE
        end = 0 if is_full else self._rows.end(rows[:room])
        if end or writer.rows:
            return rows[:end], rows[end:] + rest
        first, others = self._rows.cut(rows, 1)  # alone it is too large, and yet it must be somewhere
        return first, others + rest


def _room(writer: FileWriter, most: int) -> int:
    """How many bytes of rows are sure to fit."""
    room = most - writer.most(0)
    while room > 0 and writer.most(room) > most:
        room = room * 3 // 4
    return max(room, 0)
