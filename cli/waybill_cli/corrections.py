"""Corrections of rejected rows, from a CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from waybill_cli.failures import UsageFailure

MAX_CORRECTIONS = 5_000  # in one relaunch
ROW = "_row"
_NOT_SENT = (ROW, "_type", "_reason")
_DELIMITERS = ",;\t|"


def read_corrections(name: str) -> list[dict[str, Any]]:
    """The rows of a CSV with a column `_row`, as `POST /jobs/{id}/relaunch` takes them: each of the other columns is a
    cell of the row. An edited rejects file is one; its `_type` and `_reason` are left out.

    Raises:
        UsageFailure: the file cannot be read, or is no such CSV.
    """
    try:
        with Path(name).open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=header.count)
            lines = list(csv.reader(file, delimiter=delimiter, strict=True))
    except OSError as error:
        raise UsageFailure(f"Cannot read {name}: {error.strerror}.", "check the file name") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageFailure(f"{name} is no CSV in UTF-8: {error}", "save it as CSV, in UTF-8") from None
    labels = lines[0] if lines else []
    rows = [line for line in lines[1:] if any(line)]
    wanted = [place for place, label in enumerate(labels) if label not in _NOT_SENT]
    if labels.count(ROW) != 1 or not wanted or not rows:
        raise UsageFailure(f"{name} needs a column {ROW}, columns with corrections, and rows.", "see `waybill fix -h`")
    if len(rows) > MAX_CORRECTIONS:
        raise UsageFailure(
            f"{name} has {len(rows):,} rows; one relaunch takes {MAX_CORRECTIONS:,} corrections.",
            "leave out rows that are not corrected, or send parts, with --only-corrected for all but the last",
        )
    return [_correction(name, labels, wanted, line) for line in rows]


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
