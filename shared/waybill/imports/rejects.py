"""The rejects file and the error log: written part by part, joined by the finish, read by the API.

Each part of a chunk writes the lines of both files in their final form, and an index of where each row's lines begin,
so that the finish can insert or replace rows (earlier ones of a repeated key) without parsing anything.

    rejects file   _row,_type,_reason, then the record exactly as it stood, in the source's delimiter and encoding
    error log      rowNumber,fieldNumber,fieldName,type,cell,message      UTF-8 CSV, one line per error

People open the error log in a spreadsheet, so its texts have the formula guard. The rejects file has none: it holds the
records exactly as they stood.
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol

from waybill.entities.row_results import RowError
from waybill.tabular.formulas import GUARD_FIRST, guard

ERROR_LOG_COLUMNS = ("rowNumber", "fieldNumber", "fieldName", "type", "cell", "message")
REJECTS_COLUMNS = ("_row", "_type", "_reason")
CELL_CAP = 1_000
SUMMARY_CAP = 1_000
KINDS_REMEMBERED = 1_000  # of errors


class Output(Protocol):
    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class RejectsFormat:
    """How a rejects file is written: the source's delimiter, quote and encoding.

    `strip_columns` says that the source is itself a rejects file, whose three leading columns are replaced. Its rows
    are shown with the numbers that they have in the original file, their `_row`. `sheets` are (number of the first row,
    name) of the sheets of a workbook, where several are imported.
    """

    delimiter: str
    quote_char: str | None
    encoding: str
    strip_columns: bool = False
    sheets: tuple[tuple[int, str], ...] = ()

    def row_number(self, row: int, raw: str) -> int:
        """The number with which a row is shown to people; a `_row` that is none is passed over.

        Args:
            row: its place in the source.
        """
        if not self.strip_columns:
            return row
        cell = raw.partition(self.delimiter)[0].strip(self.quote_char)
        return int(cell) if re.fullmatch("[1-9][0-9]{0,17}", cell) else row

    @property
    def lost_note(self) -> str:
        """What is added to the message about a row whose text is gone."""
        return PLACE_ONLY if self.strip_columns else ""

    def shown(self, raw: str, errors: Sequence[RowError]) -> list[RowError]:
        """The errors of a row under the number with which it is shown, and told by its sheet."""
        number = self.row_number(errors[0].row_number or 0, raw)
        return told_by_sheet([error._replace(row_number=number) for error in errors], self.sheets)

    def rejected(self, raw: str, errors: Sequence[RowError]) -> bytes:
        """The line of a row with these errors, of which the first names its type."""
        row, _, name, type, _, message = errors[0]
        if self.strip_columns:
            raw = self._leading_columns.sub("", raw, count=1)
        why = self._why(type, name, message, len(errors) - 1)
        return f"{row or 0}{why}{raw}\n".encode(self.encoding, "replace")

    def _why(self, type: str, name: str | None, message: str, more: int) -> str:
        """What is between a row's number and the row; other dialects write it otherwise."""
        return _why(self.delimiter, self.quote_char, type, name, message, more)

    def kept(self, row: int, place: int, record: str, raw: str) -> bytes:
        """The line of a row that was not rejected, with what its record was (`waybill.imports.previous`).

        Args:
            row: its number in the original file.
            place: in the source.
            record: a text without delimiters and quotes.
        """
        if self.strip_columns:
            raw = self._leading_columns.sub("", raw, count=1)
        line = self.delimiter.join((str(row), str(place), record, raw))
        return f"{line}\n".encode(self.encoding, "replace")

    def header(self, raw: str) -> bytes:
        """The first line, from the source's header record."""
        if self.strip_columns:
            raw = self._leading_columns.sub("", raw, count=1)
        return f"{self.delimiter.join(REJECTS_COLUMNS)}{self.delimiter}{raw}\n".encode(self.encoding, "replace")

    @property
    def _leading_columns(self) -> re.Pattern[str]:
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote_char or "\0")
        cell = f"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{delimiter}]*)"
        return re.compile(f"^{cell}{delimiter}{cell}{delimiter}{cell}(?:{delimiter}|$)")


#: Said of a row whose text is gone, and with it its number in the original file.
PLACE_ONLY = " It is listed by its place in the file that was sent: its number in the original file is gone with it."


def reason_of(name: str | None, message: str, more: int) -> str:
    """The reason of a rejected row: its first error, and how many more it has."""
    reason = f"{message} (and {more} more)" if more else message
    return f"{name}: {reason}" if name else reason


@lru_cache(maxsize=KINDS_REMEMBERED)
def _why(delimiter: str, quote: str | None, type: str, name: str | None, message: str, more: int) -> str:
    """What is between a row's number and the row, its quotes doubled: bad files have many errors of few kinds."""
    reason = reason_of(name, message, more)
    if quote is None:
        reason = re.sub(f"[{re.escape(delimiter)}\r\n]", " ", reason)
    else:
        reason = quote + reason.replace(quote, quote * 2) + quote
    return f"{delimiter}{type}{delimiter}{reason}{delimiter}"


def told_by_sheet(errors: Sequence[RowError], sheets: Sequence[tuple[int, str]]) -> list[RowError]:
    """The errors, with their sheet and the row there in front of their messages, where a job has several sheets."""
    if not sheets:
        return list(errors)
    told = []
    for error in errors:
        first_row, name = sheets[bisect_right(sheets, error.row_number or 0, key=itemgetter(0)) - 1]
        place = f'Sheet "{name}", row {(error.row_number or 0) - first_row + 1}: '
        told.append(error._replace(message=place + error.message))
    return told


_IS_QUOTED = re.compile('[,"\r\n]').search


def _csv_text(text: str) -> str:
    """A text as a cell of the error log, with the formula guard."""
    if text[:1] and text[0] in GUARD_FIRST:
        text = guard(text)
    return '"' + text.replace('"', '""') + '"' if _IS_QUOTED(text) else text


@lru_cache(maxsize=KINDS_REMEMBERED)
def _around_cell(number: int | None, name: str | None, type: str, message: str) -> tuple[str, str]:
    """What is before and behind the cell in a line of the error log."""
    before = f",{'' if number is None else number},{_csv_text(name or '')},{_csv_text(type)},"
    return before, f",{_csv_text(message)}\r\n"


def error_log_line(error: RowError) -> bytes:
    """One line of the error log, with its line break (RFC 4180: CR LF) and the formula guard around its texts."""
    row, number, name, type, cell, message = error
    before, behind = _around_cell(number, name, type, message)
    if cell and len(cell) > CELL_CAP:
        cell = cell[: CELL_CAP - 1] + "\u2026"
    text = _csv_text(cell) if cell else ""
    return f"{'' if row is None else row}{before}{text}{behind}".encode("utf-8", "replace")


ERROR_LOG_HEADER = (",".join(ERROR_LOG_COLUMNS) + "\r\n").encode()


class Summary:
    """Errors grouped by type and field, each group with its count and a sample; at most SUMMARY_CAP groups."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str | None], dict[str, Any]] = {}

    def add(self, error: RowError, count: int = 1) -> None:
        """Count an error so many times; -1 takes back one that was counted."""
        self._add(error.type, error.field_name, count, error.cell)

    def _add(self, type: str, field_name: str | None, count: int, sample: str | None) -> None:
        key = (type, field_name)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= SUMMARY_CAP:
                return
            short = sample if sample is None or len(sample) <= CELL_CAP else sample[:CELL_CAP]
            group = self._groups[key] = {"type": type, "fieldName": field_name, "count": 0, "sample": short}
        group["count"] += count

    def merge(self, groups: Iterable[Mapping[str, Any]]) -> None:
        for group in groups:
            self._add(group["type"], group["fieldName"], group["count"], group["sample"])

    def groups(self) -> list[dict[str, Any]]:
        """Most frequent first."""
        found = [group for group in self._groups.values() if group["count"] > 0]
        return sorted(found, key=lambda group: -int(group["count"]))

    def to_json(self) -> bytes:
        return json.dumps(self.groups(), ensure_ascii=False).encode("utf-8", "replace")


@dataclass
class ChunkRejects:
    """Writes one part's share of the two files."""

    format: RejectsFormat
    rejects: Output
    error_log: Output
    summary: Summary = field(default_factory=Summary)
    errors: int = 0
    _rows: array[int] = field(default_factory=lambda: array("Q"))
    _rejects_at: array[int] = field(default_factory=lambda: array("Q"))
    _errors_at: array[int] = field(default_factory=lambda: array("Q"))
    _rejects_size: int = 0
    _errors_size: int = 0

    def reject(self, raw: str, errors: Sequence[RowError]) -> None:
        """Add one row; see `reject_all`."""
        self.reject_all([(raw, errors)])

    def reject_all(self, rows: Iterable[tuple[str, Sequence[RowError]]]) -> None:
        """Add rows as in the file with their errors, in ascending order of row numbers, also from call to call.

        The errors of a row are in field order; the first names the row's type.
        """
        rejects, log, add, rejected = [], [], self.summary._add, self.format.rejected
        has_other_numbers = bool(self.format.strip_columns or self.format.sheets)
        add_row, add_reject, add_error = self._rows.append, self._rejects_at.append, self._errors_at.append
        for raw, errors in rows:
            add_row(errors[0].row_number or 0)
            if has_other_numbers:
                errors = self.format.shown(raw, errors)
            line = rejected(raw, errors)
            rejects.append(line)
            add_reject(self._rejects_size)
            add_error(self._errors_size)
            self._rejects_size += len(line)
            for error in errors:
                line = error_log_line(error)
                log.append(line)
                self._errors_size += len(line)
                add(error.type, error.field_name, 1, error.cell)
            self.errors += len(errors)
        if rejects:
            self.rejects.write(b"".join(rejects))
            self.error_log.write(b"".join(log))

    @property
    def rows(self) -> int:
        return len(self._rows)

    def index(self) -> bytes:
        return b"".join(_little_endian(values) for values in (self._rows, self._rejects_at, self._errors_at))


@dataclass(frozen=True)
class RejectsIndex:
    """Where the lines of each rejected row begin, in the two files of one part."""

    rows: array[int]
    rejects_at: array[int]
    errors_at: array[int]

    @classmethod
    def from_bytes(cls, data: bytes) -> RejectsIndex:
        count = len(data) // 24
        parts = []
        for part in range(3):
            values: array[int] = array("Q")
            values.frombytes(data[part * count * 8 : (part + 1) * count * 8])
            if sys.byteorder == "big":
                values.byteswap()
            parts.append(values)
        return cls(*parts)


def insert_rows(
    content: Iterator[bytes], rows: array[int], offsets: array[int], more: Sequence[tuple[int, bytes]]
) -> Iterator[bytes]:
    """Yields a part's file with the lines of more rows inserted by row number, in place of those that the file has.

    Args:
        content: the file, in pieces.
        rows, offsets: its index, ascending.
        more: (row number, lines), ascending.
    """
    pieces = _Pieces(content)
    for row, lines in more:
        at = bisect_left(rows, row)
        yield from pieces.until(_offset(offsets, at))
        if at < len(rows) and rows[at] == row:
            for _ in pieces.until(_offset(offsets, at + 1)):
                pass
        yield lines
    yield from pieces.until(None)


def _offset(offsets: array[int], at: int) -> int | None:
    """Where the lines of a row begin; None behind the last row."""
    return offsets[at] if at < len(offsets) else None


class _Pieces:
    """Cuts a file that comes in pieces at given places."""

    def __init__(self, content: Iterator[bytes]) -> None:
        self._content = content
        self._position, self._pending = 0, b""

    def until(self, stop: int | None) -> Iterator[bytes]:
        """Yields what follows, up to the byte `stop`; None for all of it."""
        while stop is None or self._position + len(self._pending) < stop:
            yield self._pending
            self._position += len(self._pending)
            self._pending = next(self._content, b"")
            if not self._pending:
                return
        size = stop - self._position
        yield self._pending[:size]
        self._position, self._pending = stop, self._pending[size:]


def _little_endian(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()
