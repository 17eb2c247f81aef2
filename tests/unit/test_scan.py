"""A scan covers every row once, whatever the chunk size, and refuses what cannot be imported with a documented code."""

from __future__ import annotations

import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scanning import ScannedFile, scan_file
from waybill.errors import JobFailed
from waybill.tabular.records import parse_rows, segments

cells = st.text(st.sampled_from('ab,"\n\r é'), max_size=6)
tables = st.lists(st.lists(cells, min_size=1, max_size=4), min_size=1, max_size=12)


def plan(data: bytes, *, encoding: str | None = None, chunk_bytes: int = 1 << 20, **dialect: object) -> ScannedFile:
    return scan_file(io.BytesIO(data), dialect, encoding, chunk_bytes)


def rows_by_chunk(data: bytes, found: ScannedFile) -> dict[int, list[str]]:
    rows: dict[int, list[str]] = {}
    for chunk in found.chunks:
        left = chunk.rows
        number = chunk.first_row
        for segment in segments(io.BytesIO(data[chunk.start : chunk.end]), found.dialect, chunk.start, 16):
            for row in parse_rows(segment, segment.data.decode(found.encoding), found.dialect).cells[:left]:
                assert number not in rows
                rows[number] = row
                number, left = number + 1, left - 1
        assert left == 0
    return rows


@given(tables, st.integers(1, 60), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_chunks_hold_the_rows_of_a_sequential_read(
    table: list[list[str]], chunk_bytes: int, line_break: str, bom: bool
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=line_break, quoting=csv.QUOTE_ALL).writerows([["id", "name"], *table])
    data = (b"\xef\xbb\xbf" if bom else b"") + out.getvalue().encode()
    filled = [number for number, row in enumerate(table, 2) if any(row)]
    if not filled:
        with pytest.raises(JobFailed) as caught:
            plan(data, chunk_bytes=chunk_bytes)
        assert caught.value.job_code == "empty-file"
        return
    found = plan(data, chunk_bytes=chunk_bytes)
    assert found.labels == ["id", "name"]
    assert rows_by_chunk(data, found) == dict(enumerate(table[: filled[-1] - 1], 2))
    assert found.rows == filled[-1] - 1
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.size_bytes == len(data)
    assert found.detected == {"encoding": "utf-8", "bom": bom, "delimiter": ",", "headerRow": 1}


@pytest.mark.parametrize(
    ("data", "code", "row"),
    [
        (b"", "empty-file", None),
        (b"id,name\n", "empty-file", None),
        (b"id,name\n\n\n,\n", "empty-file", None),
        (b"\n1,2\n", "blank-header", 1),
        (b",\n1,2\n", "blank-header", 1),
        (b'id,name\n1,a\n2,"b\n3,c\n', "format-error", 3),
        (b'id,"name\n1,a\n', "format-error", 1),
        ("id,name\n1,\u00e9\n".encode() + b"2,\xff\n", "encoding-error", 3),
        ("id,name\n1,a\n".encode("utf-16"), "encoding-error", None),
        (b"id" + b",x" * 10_000 + b"\n1\n", "format-error", 1),
        (bytes(range(256)) * 8, "encoding-error", None),
    ],
)
def test_a_file_that_cannot_be_imported_says_why_and_where(data: bytes, code: str, row: int | None) -> None:
    with pytest.raises(JobFailed) as caught:
        plan(data)
    assert caught.value.job_code == code
    if row is not None:
        assert caught.value.row_number == row


def test_small_chunks_are_many() -> None:
    found = plan(b"id,name\n" + b"1,abcdefgh\n" * 100, chunk_bytes=50)
    assert len(found.chunks) > 10
    assert {chunk.rows for chunk in found.chunks} <= set(range(1, 12))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected_from_the_header(delimiter: str) -> None:
    data = f'id{delimiter}"a,b;c"{delimiter}name\n1{delimiter}2{delimiter}3\n'.encode()
    assert plan(data).detected["delimiter"] == delimiter


def test_a_declared_delimiter_is_not_guessed_at() -> None:
    found = plan(b"a,b;c\n1,2;3\n", delimiter=";")
    assert found.labels == ["a,b", "c"]


def test_a_declared_encoding_is_used() -> None:
    data = "id,name\n1,Zo\u00eb\n".encode("cp1252")
    assert plan(data, encoding="cp1252").encoding == "cp1252"
    with pytest.raises(JobFailed, match="not valid utf-8"):
        plan(data, encoding="utf-8")
