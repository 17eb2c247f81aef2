"""Rejects file and error log: exact text, rows in order, nothing lost when rows are inserted."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.entities.row_results import RowError
from waybill.imports.error_log import error_item
from waybill.imports.rejects import (
    ChunkRejects,
    RejectsFormat,
    RejectsIndex,
    Summary,
    error_log_line,
    insert_rows,
)


def reject(report: ChunkRejects, row: int, *errors: tuple[int, str, str]) -> None:
    report.reject(
        f"raw{row},x", [RowError(row, number, name, "type-error", "x", message) for number, name, message in errors]
    )


def test_a_rejected_row_stands_once_with_its_first_reason_and_its_own_text() -> None:
    rejects, log = io.BytesIO(), io.BytesIO()
    report = ChunkRejects(RejectsFormat(";", '"', "utf-8"), rejects, log)
    report.reject(
        'a;"b "" c"',
        [
            RowError(7, 1, "id", "type-error", "a", 'not "a" number'),
            RowError(7, 2, "name", "constraint-error", "b", "no"),
        ],
    )
    assert rejects.getvalue() == b'7;type-error;"id: not ""a"" number (and 1 more)";a;"b "" c"\n'
    assert list(csv.reader(io.StringIO(log.getvalue().decode(), newline=""))) == [
        ["7", "1", "id", "type-error", "a", 'not "a" number'],
        ["7", "2", "name", "constraint-error", "b", "no"],
    ]
    assert (report.rows, report.errors) == (1, 2)


def test_a_rejects_file_that_is_rejected_again_keeps_three_leading_columns() -> None:
    form = RejectsFormat(",", '"', "utf-8", strip_columns=True)
    assert form.header("_row,_type,_reason,id,name") == b"_row,_type,_reason,id,name\n"
    assert (
        form.rejected('9,blank-row,"a ""b"", c",1,"x,y"', [RowError.whole(5, "type-error", "why")])
        == b'5,type-error,"why",1,"x,y"\n'
    )
    assert form.rejected("9,blank-row,because", [RowError.whole(5, "blank-row", "why")]) == b'5,blank-row,"why",\n'


@given(
    st.sets(st.integers(2, 60)),
    st.sets(st.integers(2, 60)),
    st.integers(1, 40),
)
def test_inserted_rows_keep_the_file_in_order(rejected: set[int], losers: set[int], piece: int) -> None:
    losers -= rejected
    rejects, log = io.BytesIO(), io.BytesIO()
    report = ChunkRejects(RejectsFormat(",", '"', "utf-8"), rejects, log)
    for row in sorted(rejected):
        reject(report, row, (1, "id", "bad"))
    data = rejects.getvalue()
    pieces = iter([data[start : start + piece] for start in range(0, len(data), piece)])
    index = RejectsIndex.from_bytes(report.index())
    more = [(row, f"{row},lost\n".encode()) for row in sorted(losers)]
    whole = b"".join(insert_rows(pieces, index.rows, index.rejects_at, more)).decode()
    assert [int(line.partition(",")[0]) for line in whole.splitlines()] == sorted(rejected | losers)
    assert all(line.endswith((",lost", ",x")) for line in whole.splitlines())


def test_the_summary_groups_by_type_and_field() -> None:
    summary = Summary()
    for cell in ("a", "b"):
        summary.add(RowError(2, 1, "id", "type-error", cell, ""))
    summary.add(RowError(3, None, None, "blank-row", None, ""))
    merged = Summary()
    merged.merge(summary.groups())
    merged.merge(summary.groups())
    assert merged.groups() == [
        {"type": "type-error", "fieldName": "id", "count": 4, "sample": "a"},
        {"type": "blank-row", "fieldName": None, "count": 2, "sample": None},
    ]


def test_a_very_long_cell_is_shortened_in_the_log() -> None:
    (row,) = csv.reader([error_log_line(RowError(2, 1, "a", "type-error", "x" * 5000, "m")).decode()])
    assert len(row[4]) == 1000 and row[4].endswith("\u2026")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x", '=HYPERLINK("http://x")']
)
def test_nothing_in_an_error_log_is_a_formula(text: str) -> None:
    """The attack: a cell, a header or a message that begins as a formula, opened in a spreadsheet."""
    for error in (
        RowError(2, 1, "id", "type-error", text, "wrong"),
        RowError(2, 1, text, "type-error", "x", "wrong"),
        RowError(1, 1, None, "extra-label", text, text),
        RowError(2, None, text, "duplicate-key", text, text),
    ):
        ((number, place, *texts),) = csv.reader(io.StringIO(error_log_line(error).decode(), newline=""))
        assert (number, place) == (str(error.row_number), "" if error.field_number is None else "1")
        assert not any(re.match("[=+@\t\r-]", each) for each in texts)
        shown = error_item([number, place, *texts])  # as the API shows it, without the guard
        assert (shown["fieldName"], shown["cell"], shown["message"]) == (error.field_name, error.cell, error.message)
