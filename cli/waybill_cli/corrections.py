"""Corrections of rejected rows, from a CSV."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waybill_cli.failures import UsageFailure

MAX_CORRECTIONS = 5_000  # in one relaunch
MAX_FILE_BYTES = 64 * 1024**2  # a request takes far less
ROW, TYPE, REASON = "_row", "_type", "_reason"
_NOT_SENT = (ROW, TYPE, REASON)
_DELIMITERS = (",", ";", "\t", "|")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_C1_CONTROLS = re.compile("[\x80-\x9f]")

csv.field_size_limit(MAX_FILE_BYTES)


@dataclass(frozen=True)
class Reading:
    """How an import read its file, and so how its rejects file is written. `quote` None: without quoting."""

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    double_quote: bool = True
    skip_initial_space: bool = False

    @classmethod
    def of(cls, detected: Mapping[str, Any] | None) -> Reading:
        """From `detected` of a job: the rejects file of what is no delimited text is UTF-8 with commas."""
        if not detected or detected.get("delimiter") is None:
            return cls()
        return cls._of(detected, str(detected.get("encoding") or "utf-8"), str(detected["delimiter"]))

    @classmethod
    def declared(cls, dialect: Mapping[str, Any], delimiter: str) -> Reading:
        """From a Table Dialect, and the delimiter where it names none."""
        return cls._of(dialect, "utf-8", dialect.get("delimiter", delimiter))

    @classmethod
    def _of(cls, members: Mapping[str, Any], encoding: str, delimiter: str) -> Reading:
        quote, escape = members.get("quoteChar", '"') or None, members.get("escapeChar") or None
        doubles, skips = members.get("doubleQuote") is not False, members.get("skipInitialSpace") is True
        return cls(encoding, delimiter, quote, escape, doubles, skips)

    @property
    def is_usual(self) -> bool:
        """Whether other programs quote as this file does."""
        return self.quote == '"' and self.escape is None and self.double_quote

    def lines(self, text: str) -> Iterator[list[str]]:
        """
        Raises (also while iterating):
            csv.Error, TypeError, ValueError: the last two for a dialect that cannot be.
        """
        return csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.double_quote,
            skipinitialspace=self.skip_initial_space,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            strict=True,
        )


def read_corrections(
    name: str,
    job: Reading | None = None,
    encoding: str | None = None,
    dialect: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a CSV with a column `_row`, as `POST /jobs/{id}/relaunch` takes them: each of the other columns is a
    cell of the row. An edited rejects file is one; its `_type` and `_reason` are left out.

    A rejects file is read as the job read its source; any other file as CSV with double quotes. Whatever can be read in
    two ways is refused, because a wrong one would be stored.

    Args:
        job: how the job read its source.
        encoding, dialect: of the file, where its user declares them.

    Raises:
        UsageFailure: the file cannot be read, or is no such CSV.
    """
    job = job or Reading()
    text = _text(name, _bytes(name), job, encoding)
    reading = _reading(name, text, job, dialect)
    lines = []
    try:
        for line in reading.lines(text):
            lines.append(line)
            if len(lines) > 2 * MAX_CORRECTIONS + 2:  # half of them may be blank
                break
    except (csv.Error, TypeError, ValueError) as error:
        quotes = f"quotes {reading.quote}" if reading.quote else "no quotes"
        raise UsageFailure(
            f"{name} cannot be read behind record {len(lines):,}, with {_shown(reading.delimiter)} between cells and "
            f"{quotes}: {error}.",
            "correct the file, leave out the row, or say with --dialect how the file is written",
        ) from None
    labels = lines[0] if lines else []
    rows = [line for line in lines[1:] if any(line)]
    wanted = [place for place, label in enumerate(labels) if label not in _NOT_SENT]
    if labels.count(ROW) != 1 or not wanted or not rows:
        raise UsageFailure(f"{name} needs a column {ROW}, columns with corrections, and rows.", "see `waybill fix -h`")
    if repeated := sorted({label for label in labels if label and labels.count(label) > 1}):
        raise UsageFailure(
            f"{name} has more than one column {repeated[0]}, and a row takes one text of each.",
            "leave out all but the one that is meant",
        )
    if len(rows) > MAX_CORRECTIONS:
        raise UsageFailure(
            f"{name} has more than the {MAX_CORRECTIONS:,} rows that one relaunch takes as corrections.",
            "leave out rows that are not corrected, or send parts, with --only-corrected for all but the last",
        )
    if dialect is None and reading is not job and not job.is_usual:
        _check_unquoted(name, job, (line[place] for line in rows for place in wanted if place < len(line)))
    return [_correction(name, labels, wanted, line) for line in rows]


def _bytes(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageFailure(f"Cannot read {name}: {error.strerror}.", "check the file name") from None
    if len(data) > MAX_FILE_BYTES:
        raise UsageFailure(
            f"{name} is larger than {MAX_FILE_BYTES // 2**20} MiB.",
            "leave out rows that are not corrected; `waybill import` takes a rejects file of any size",
        )
    return data


def _text(name: str, data: bytes, job: Reading, declared: str | None) -> str:
    if declared is not None:
        try:
            return data.decode(declared).removeprefix("\ufeff")
        except LookupError:
            raise UsageFailure(f"{declared} is not the name of a text encoding.", "correct --encoding") from None
        except UnicodeError as error:
            raise UsageFailure(f"{name} is not {declared}: {error}.", "correct --encoding") from None
    encodings = list(dict.fromkeys((job.encoding, "utf-8")))
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            data, encodings = data[len(mark) :], [encoding]
            break
    texts = {encoding: text for encoding in encodings if (text := _decoded(data, encoding)) is not None}
    if not texts:
        raise UsageFailure(
            f"{name} is not {' or '.join(encodings)}, in which job and rejects file are written.",
            "save it in that encoding, or say with --encoding which it has",
        )
    with_rows = {encoding: text for encoding, text in texts.items() if ROW in text.partition("\n")[0]} or texts
    if len(set(with_rows.values())) > 1 and not data.isascii():
        raise UsageFailure(
            f"{name} can be read as {' and as '.join(with_rows)}, with different characters.",
            f"say which with --encoding: {job.encoding} for the rejects file as it was, utf-8 if a program saved it so",
        )
    return next(iter(with_rows.values()))


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (LookupError, UnicodeError):
        return None
    # As the service reads them: a file with these controls is in another encoding.
    return None if encoding.startswith("iso8859") and _C1_CONTROLS.search(text) else text


def _reading(name: str, text: str, job: Reading, dialect: Mapping[str, Any] | None) -> Reading:
    header = re.split("[\r\n]", text, maxsplit=1)[0]
    own = job.delimiter.join(_NOT_SENT)
    delimiters = (job.delimiter, *_DELIMITERS)
    delimiter = next((each for each in delimiters if _has_row(header, each)), ",")
    if dialect is not None:
        return Reading.declared(dialect, delimiter)
    if not header.startswith(own):
        return Reading(delimiter=delimiter)
    if _is_saved_again(text, job):
        raise UsageFailure(
            f"{name} was saved with other quotes than the rejects file had ({job.quote or 'none'}).",
            "edit the rejects file in a text editor, or send only _row and corrected columns, without those quotes",
        )
    return job


def _has_row(header: str, delimiter: str) -> bool:
    return any(cell.strip(" \"'`") == ROW for cell in header.split(delimiter))


def _is_saved_again(text: str, job: Reading) -> bool:
    """Whether the first reason of a rejects file is quoted otherwise than Waybill writes it."""
    delimiter = re.escape(job.delimiter)
    found = re.match(rf"[^\r\n]*(?:\r\n|\r|\n)[0-9]*{delimiter}[a-z-]+{delimiter}([^\r\n]*)", text)
    if job.is_usual or found is None:
        return False
    reason = found[1]
    if job.escape is None and job.double_quote and job.quote is not None:
        return not reason.startswith(job.quote)
    if job.quote == '"':
        return re.match(r'"(?:[^"\\]|\\.)*""', reason) is not None
    return re.match(rf'"(?:[^"]|"")*"(?:{delimiter}|$)', reason) is not None


def _check_unquoted(name: str, job: Reading, cells: Iterator[str]) -> None:
    """
    Raises:
        UsageFailure: a cell has quotes or escapes as in the job's file, so that it may be meant without them.
    """
    for cell in cells:
        is_quoted = job.quote not in (None, '"') and len(cell) > 1 and cell[0] == cell[-1] == job.quote
        if is_quoted or (job.escape is not None and job.escape in cell):
            raise UsageFailure(
                f"{name}: the cell {cell!r} is written as in the file of the job, but {name} is not its rejects file.",
                "take quotes and escapes of the source off, or say with --dialect how the file is written "
                """(--dialect '{"quoteChar": "\\""}' for the cells as they stand)""",
            )


def _shown(delimiter: str) -> str:
    return {"\t": "a tab", " ": "a space"}.get(delimiter, delimiter)


def _correction(name: str, labels: list[str], wanted: list[int], line: list[str]) -> dict[str, Any]:
    number = line[labels.index(ROW)] if labels.index(ROW) < len(line) else ""
    if not (number.isascii() and number.isdigit()):
        raise UsageFailure(f"{name}: {number!r} in the column {ROW} is not the number of a row.", "correct the file")
    if len(line) > len(labels):
        raise UsageFailure(f"{name}: row {number} has more cells than the header.", "correct the file")
    cells = {labels[place]: line[place] for place in wanted if place < len(line)}
    if not cells:
        raise UsageFailure(f"{name}: row {number} has no corrected cell.", "correct the file")
    return {"rowNumber": int(number), "cells": cells}
