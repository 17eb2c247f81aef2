"""The rejected rows of an ended import, page by page: each with its cells and its errors, as people correct them.

The rejects file and the error log have the rows in the same order. A page begins at a byte of each and reads on from
there, up to `PAGE_BYTES`: it costs the same wherever it is, and however large the files are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.entities.header import likely_match
from waybill.entities.schema import parse_schema
from waybill.errors import Conflict, MalformedRequest
from waybill.imports.cells import shown_cell
from waybill.imports.error_log import error_item
from waybill.imports.job_files import error_log_key, rejects_key
from waybill.imports.job_source import renames_of
from waybill.imports.rejects import ERROR_LOG_HEADER, REJECTS_COLUMNS
from waybill.imports.rejects_reader import RejectsForm
from waybill.jobs.model import Job
from waybill.sizes import PageBytes
from waybill.tabular.dialect import Dialect
from waybill.tabular.records import RecordTooLong, UnclosedQuote, raw_records, segments

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.entities.model import Entity
    from waybill.jobs.services import Services

#: Of both files, that one page reads: a filter may leave out all of them.
PAGE_BYTES = 4 * 1024**2
#: Characters of a cell and of all cells of a row that are shown.
SHOWN_CELL, SHOWN_ROW = 5_000, 200_000
SHOWN_ERRORS = 200
_PIECE_BYTES = 256 * 1024
_OWN = len(REJECTS_COLUMNS)
_MORE = re.compile(r" \(and ([0-9]+) more\)\Z")


@dataclass(frozen=True)
class Wanted:
    """Which rows: those with an error of this type and of this field; empty for any."""

    type: str = ""
    field_name: str = ""

    def has(self, error: Mapping[str, Any]) -> bool:
        return self.type in ("", error["type"]) and self.field_name in ("", error["fieldName"])


class _LogLine(NamedTuple):
    error: dict[str, Any]
    end: int


def rejected_page(
    services: Services, job: Job, form: RejectsForm, limit: int, cursor: str | None, wanted: Wanted, beside: Any
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of rejected rows, as many as fit into an answer; with a filter perhaps none, although more follow.

    Args:
        form: how the job's rejects file is read.
        cursor: as this function returned it.
        beside: what the answer contains besides the items.

    Returns:
        (items as in `GET /jobs/{id}/rejected-rows`, cursor of the next page).

    Raises:
        MalformedRequest: this function did not return the cursor.
        Conflict: the files are gone, or a row is too long to be shown.
    """
    start, log_start = _positions(cursor) or (form.start, len(ERROR_LOG_HEADER))
    files, bucket = services.files, services.settings.files_bucket
    info, log_info = files.head(bucket, rejects_key(job.job_id)), files.head(bucket, error_log_key(job.job_id))
    if info is None or log_info is None:
        raise Conflict("The files of this job are gone.", job.allowed_actions())
    is_within = form.start <= start <= info.size_bytes and len(ERROR_LOG_HEADER) <= log_start <= log_info.size_bytes
    if not is_within:
        raise _bad_cursor()
    items: list[dict[str, Any]] = []
    if start == info.size_bytes:
        return items, None
    if log_start == log_info.size_bytes:  # each row has a line there
        raise _bad_cursor()
    page, end, log_end = PageBytes(beside), start, log_start
    log = _Log(InPieces(files, bucket, error_log_key(job.job_id), log_start, log_info.size_bytes), log_start)
    rows = form.rows(InPieces(files, bucket, rejects_key(job.job_id), start, info.size_bytes), start)
    try:
        for row in (row for some in rows for row in some):
            cells = next(csv.reader(io.StringIO(row.raw, newline=""), **form.dialect.reader_options()), [])
            if len(cells) < _OWN or not re.fullmatch("[0-9]{1,18}", cells[0]):
                raise _bad_cursor()
            number, type, reason = int(cells[0]), cells[1], cells[2]
            errors = log.errors_of(number, reason)
            if not errors and end == start and cursor is not None:
                raise _bad_cursor()
            errors = errors or [error_item([str(number), "", "", type, "", reason])]
            if any(map(wanted.has, errors)):
                item = _item(number, cells[_OWN:], errors, form)
                if not page.takes(item):
                    break
                items.append(item)
            end, log_end = row.end, log.end
            if len(items) == limit or end - start + log_end - log_start >= PAGE_BYTES:
                break
    except UnclosedQuote:
        raise _bad_cursor() from None
    except RecordTooLong:
        if items:
            return items, f"{end}:{log_end}"
        message = "The next row is too long to be shown. Download the rejects file."
        raise Conflict(message, job.allowed_actions()) from None
    return items, f"{end}:{log_end}" if end < info.size_bytes else None


def fields_of(form: RejectsForm, job: Job, entity: Entity | None) -> list[str | None]:
    """The name of each label's field, or None."""
    if entity is None:
        return [None] * len(form.labels)
    columns = likely_match(parse_schema(entity.schema), form.labels, renames_of(entity, job)).columns
    by_position = {column.position: column.field.name for column in columns}
    return [by_position.get(position) for position in range(len(form.labels))]


def _positions(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    found = re.fullmatch("([0-9]{1,15}):([0-9]{1,15})", cursor)
    if found is None:
        raise _bad_cursor()
    return int(found[1]), int(found[2])


def _bad_cursor() -> MalformedRequest:
    return MalformedRequest("nextToken was not issued by this list.")


class InPieces:
    """A file from a byte on, a request for each piece: what is not read further leaves no connection open."""

    def __init__(self, files: Files, bucket: str, key: str, start: int, size_bytes: int) -> None:
        self._files, self._bucket, self._key = files, bucket, key
        self._position, self._size = start, size_bytes

    def read(self, size: int = -1, /) -> bytes:
        """The next piece, whatever `size`; empty at the end."""
        if self._position >= self._size:
            return b""
        end = min(self._size, self._position + _PIECE_BYTES)
        data = self._files.read(self._bucket, self._key, self._position, end)
        self._position = end
        return data


class _Log:
    """The error log from one of its lines on; `end` is the byte after the lines that were taken."""

    def __init__(self, stream: Any, start: int) -> None:
        self.end = start
        self._lines = self._read(stream, start)
        self._next = next(self._lines, None)

    def errors_of(self, number: int, reason: str) -> list[dict[str, Any]]:
        """The errors of the next row, which has this number: as many as its reason says, because rows of a rejects file
        that people put together may have the same number."""
        more = _MORE.search(reason)
        count = int(more[1]) + 1 if more else 1
        errors = []
        while count and self._next is not None and self._next.error["rowNumber"] == number:
            errors.append(self._next.error)
            self.end, count = self._next.end, count - 1
            self._next = next(self._lines, None)
        return errors

    @staticmethod
    def _read(stream: Any, end: int) -> Iterator[_LogLine]:
        for segment in segments(stream, Dialect()):
            for raw in raw_records(segment, segment.data.decode("utf-8", "replace"), Dialect()):
                end += len(raw.encode()) + 2
                cells = next(csv.reader(io.StringIO(raw, newline="")), [])
                if len(cells) != 6 or not re.fullmatch("[0-9]{0,18}", cells[0]):
                    raise _bad_cursor()
                yield _LogLine(error_item(cells), end)


def _item(number: int, cells: list[str], errors: list[dict[str, Any]], form: RejectsForm) -> dict[str, Any]:
    shown: dict[str, str] = {}
    left, is_whole = SHOWN_ROW, True
    for label, cell in zip(form.labels, cells, strict=False):
        text = shown_cell(cell, form.dialect.null_sequence, form.may_lack_values)
        most = max(0, min(SHOWN_CELL, left))
        if len(text) > most:
            text, is_whole = text[: max(0, most - 1)] + "…", False
        shown[label] = text
        left -= len(text)
    members = ("fieldNumber", "fieldName", "type", "cell", "message")
    short = [{name: error[name] for name in members} for error in islice(errors, SHOWN_ERRORS)]
    return {"rowNumber": number, "cells": shown, "isWhole": is_whole, "errors": short}
