"""Rejects file and error log: exact text, rows in order, nothing lost when rows are put between."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.entities.row_results import RowError
from waybill.imports.digests import DigestFile, partitions_for, repeated_by_partition
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
    assert form.line(5, "type-error", "why", '9,blank-row,"a ""b"", c",1,"x,y"') == b'5,type-error,"why",1,"x,y"\n'
    assert form.line(5, "blank-row", "why", "9,blank-row,because") == b'5,blank-row,"why",\n'


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


@given(st.lists(st.lists(st.integers(0, 40)), max_size=5), st.sampled_from([1, 2, 8]))
def test_repeated_keys_are_found_across_chunks_and_partitions(chunks: list[list[int]], partitions: int) -> None:
    # Spread the small numbers over all bits, as digests are.
    chunks = [[(key * 0x9E3779B97F4A7C15) % 2**64 for key in keys] for keys in chunks]
    files, row, rows_of = [], 2, dict[int, list[int]]()
    for keys in chunks:
        spill = DigestFile(partitions)
        rows = list(range(row, row + len(keys)))
        spill.add(keys, rows)
        row += len(keys)
        for key, number in zip(keys, rows, strict=True):
            rows_of.setdefault(key, []).append(number)
        files.append(spill.to_bytes())
    reads = [lambda start, end, data=data: data[start:end] for data in files]
    found = [number for again in repeated_by_partition(reads, partitions) for number in again]
    assert sorted(found) == sorted(number for rows in rows_of.values() if len(rows) > 1 for number in rows)


@pytest.mark.parametrize(("rows", "partitions"), [(1, 1), (250_000, 1), (250_001, 2), (1_000_001, 8), (10**8, 512)])
def test_partitions_grow_with_the_file(rows: int, partitions: int) -> None:
    assert partitions_for(rows) == partitions
