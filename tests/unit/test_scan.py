"""A scan covers every row once, whatever the chunk size, and refuses what cannot be imported with a documented code."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scanning import ScannedFile, scan_file
from waybill.errors import JobFailed
from waybill.tabular.dialect import Dialect
from waybill.tabular.encodings import HEAD_BYTES
from waybill.tabular.records import RECORD_CAP_BYTES, parse_rows, segments
from waybill.tabular.scan import Chunk, Hashing, Pushback, Scan, WithoutEndMark, read_head, record_text, scan_table

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
        (b"\n\n \n", "empty-file", None),
        (b',,\n"",\n', "empty-file", None),
        (b"\n" * 100_000, "empty-file", None),
        (b"\n" * 100_000 + b"1,2\n", "blank-header", 1),
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


# Chunks


def table(data: bytes, dialect: Dialect | None = None, chunk_bytes: int = 1 << 20, **more: Any) -> Scan:
    return scan_table(io.BytesIO(data), dialect or Dialect(), "utf-8", chunk_bytes, **more)


def test_chunks_follow_each_other_without_gap_or_overlap() -> None:
    """Each is read by itself, from its first byte to its last, so a byte too many is a row twice."""
    data = b"id,n\n" + b"".join(b"%d,abc\n" % number for number in range(1000, 1030))
    found = table(data, chunk_bytes=40, start=3)
    ends = [3 + len(b"id,n\n"), *(chunk.end for chunk in found.chunks)]
    assert [chunk.start for chunk in found.chunks] == ends[:-1] and ends[-1] == 3 + len(data)
    assert [chunk.number for chunk in found.chunks] == list(range(len(found.chunks)))
    assert all(chunk.end - chunk.start >= 40 for chunk in found.chunks[:-1]), "no smaller than asked for"
    assert all(chunk.rows == (chunk.end - chunk.start) // 9 for chunk in found.chunks)
    rows = [chunk.first_row for chunk in found.chunks] + [32]
    assert [chunk.first_row + chunk.rows for chunk in found.chunks] == rows[1:] and rows[0] == 2
    (whole,) = table(data).chunks
    assert whole == Chunk(0, 5, len(data), 2, 30)
    assert len(table(data, chunk_bytes=len(data) - 5).chunks) == 1, "a chunk is full when it has the size"


def test_rows_that_are_comments_are_in_a_chunk_and_not_among_its_rows() -> None:
    dialect = Dialect(comment_char="#", comment_rows=(3, 5, 9))
    data = b"id,n\n#2\n3,x\n4,x\n5,x\n#6,x\n7,x\n#8\n9,x\n,\n"
    found = table(data, dialect)
    assert found.chunks == [Chunk(0, 5, len(data), 2, 6, (2, 3, 5, 6))], "the tail has no row that counts"
    assert found.rows == 2 and list(found.chunks[0].data_rows()) == [4, 7]
    small = table(data, dialect, chunk_bytes=1)
    assert small.rows == 2
    assert [row for chunk in small.chunks for row in chunk.data_rows()] == [4, 7]
    assert sorted(row for chunk in small.chunks for row in chunk.skipped) == [2, 3, 5, 6]


def test_the_rows_of_a_chunk_from_any_of_them_on() -> None:
    chunk = Chunk(1, 10, 90, 5, 4, (6,))
    assert list(chunk.data_rows()) == list(chunk.data_rows(3)) == list(chunk.data_rows(5)) == [5, 7, 8]
    assert list(chunk.data_rows(6)) == list(chunk.data_rows(7)) == [7, 8]
    assert list(chunk.data_rows(9)) == []
    assert list(Chunk(0, 0, 9, 1, 1).data_rows()) == [1]


def test_blank_rows_at_the_end_are_in_no_chunk_and_those_in_between_are() -> None:
    data = b"id\n1\n\n\n4\n\n\n"
    assert table(data).chunks == [Chunk(0, 3, len(data), 2, 4)]
    small = table(data, chunk_bytes=1)
    assert (small.rows, small.chunks[-1].first_row + small.chunks[-1].rows) == (4, 6)
    assert [row for chunk in small.chunks for row in chunk.data_rows()] == [2, 3, 4, 5]


def test_a_file_without_header_begins_with_a_row() -> None:
    found = table(b"1,a\n2,b\n", Dialect(header_rows=()), field_names=["id", "name"])
    assert found == Scan(["id", "name"], "id,name", None, [Chunk(0, 0, 8, 1, 2)])


@pytest.mark.parametrize(
    ("data", "dialect", "expected"),
    [
        (b'"i""d",n\r\n1,a\n', {}, (['i"d', "n"], '"i""d",n', 1)),
        (b"#c\nid,n\n1,a\n", {"comment_char": "#"}, (["id", "n"], "id,n", 2)),
        (b"x\n\nid,n\n1,a\n", {"header_rows": (3,)}, (["id", "n"], "id,n", 3)),
        (b'"id",n\n1,a\n', {}, (["id", "n"], '"id",n', 1)),
        (b"id,n \r\n1,a\n", {}, (["id", "n "], "id,n ", 1)),
        (b"id,X\n1,a\n", {}, (["id", "X"], "id,X", 1)),
        (b"A,\nid,n\n1,a\n", {"header_rows": (1, 2)}, (["A id", "A n"], "A id,A n", 1)),
        (b"A,\n-\nid,n\n1,a\n", {"header_rows": (1, 3), "header_join": ","}, (["A,id", "A,n"], '"A,id","A,n"', 1)),
        (b"#id,n\n1,a\n", {"comment_char": "#", "header_rows": (1,)}, (["#id", "n"], "#id,n", 1)),
    ],
)
def test_the_header_of_a_rejects_file_is_that_of_the_file(
    data: bytes, dialect: dict[str, Any], expected: tuple[list[str], str, int]
) -> None:
    for chunk_bytes in (1, 1 << 20):
        found = table(data, Dialect(**dialect), chunk_bytes)
        assert (found.labels, found.header, found.header_row) == expected
        assert found.rows == 1 and found.chunks[0].end == len(data)
        assert found.chunks[0].start == len(data) - len(b"1,a\n")
        assert found.chunks[0].first_row == data.count(b"\n")


@pytest.mark.parametrize(
    ("code", "data", "message"),
    [
        ("empty-file", b"id\n", "The file has a header but no data rows."),
        ("format-error", b'id,n\n1,a\n2,"b\n3,c\n', "The quote that opens in row 3 is never closed."),
        ("encoding-error", b"id,n\n1,a\n" + b"2,\xff\n", "Row 3 is not valid utf-8."),
        ("encoding-error", b'id,n\n"1\n1",a\n2,\xff\n', "Row 3 is not valid utf-8."),
        ("encoding-error", b'id,n\n1,a\n"2\n\xff",b\n', "Row 3 is not valid utf-8."),
        ("encoding-error", b"id,\xff\n", "Row 1 is not valid utf-8."),
        ("row-too-long", b"id,n\n1," + b"x" * (RECORD_CAP_BYTES + 1) + b"\n", "Row 2 is longer than 16 MiB."),
    ],
)
def test_a_failure_names_the_row(code: str, data: bytes, message: str) -> None:
    for chunk_bytes in (1, 1 << 20) if len(data) < 1000 else (1 << 20,):
        with pytest.raises(JobFailed) as caught:
            table(data, chunk_bytes=chunk_bytes)
        assert (caught.value.job_code, str(caught.value)) == (code, message)
        row = re.search(r"(?i)row (\d)", message)
        assert caught.value.row_number == (row and int(row[1]))


def test_a_file_that_ends_before_its_header_says_so() -> None:
    with pytest.raises(JobFailed, match=r"^The file ends before row 3, where the header should be") as caught:
        table(b"id\n", Dialect(header_rows=(3,)))
    assert caught.value.job_code == "blank-header"
    with pytest.raises(JobFailed, match=r"^The file holds no rows") as caught:
        table(b"", Dialect(header_rows=(3,)))
    assert caught.value.job_code == "empty-file"


def test_a_recoded_file_is_not_valid_in_its_own_encoding() -> None:
    with pytest.raises(JobFailed, match="Row 1 is not valid utf-16"):
        table(b"\xff\n", source_encoding="utf-16")


# Streams


class Trickle:
    """A stream that gives two bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self.asked: list[int] = []

    def read(self, size: int = -1, /) -> bytes:
        self.asked.append(size)
        return self._stream.read(min(size, 2) if size >= 0 else 2)


def test_the_head_is_as_long_as_asked_for_however_the_stream_trickles() -> None:
    assert read_head(Trickle(b"abcdefg"), 5) == b"abcde"
    assert read_head(Trickle(b"abc"), 5) == b"abc"
    assert read_head(Trickle(b"abcd"), 4) == b"abcd" and read_head(Trickle(b"abc"), 0) == b""
    assert len(read_head(io.BytesIO(bytes(HEAD_BYTES + 1)))) == HEAD_BYTES


def test_what_was_read_can_be_put_back() -> None:
    stream = Trickle(b"wxyz")
    back = Pushback(b"abcde", stream)
    assert [back.read(2), back.read(3)] == [b"ab", b"cde"] and stream.asked == []
    assert [back.read(9), back.read()] == [b"wx", b"yz"] and stream.asked == [9, -1]
    assert Pushback(b"abc", stream).read() == b"abc" and Pushback(b"abc", stream).read(9) == b"abc"
    assert Pushback(b"abc", stream).read(0) == b""


def test_what_is_read_is_hashed_and_counted() -> None:
    stream = Trickle(b"abc")
    hashing = Hashing(stream)
    assert (hashing.size_bytes, hashing.hexdigest()) == (0, hashlib.sha256(b"").hexdigest())
    assert [hashing.read(2), hashing.read(), hashing.read(7)] == [b"ab", b"c", b""]
    assert (hashing.size_bytes, hashing.hexdigest()) == (3, hashlib.sha256(b"abc").hexdigest())
    assert stream.asked == [2, -1, 7]


@pytest.mark.parametrize(
    ("cells", "dialect", "text"),
    [
        (["a", "b c", ""], {}, "a,b c,"),
        (["a,b", 'c"d', "e\nf", " g", "h "], {}, '"a,b","c""d","e\nf"," g",h '),
        (['c"d', "e\\f"], {"double_quote": False}, '"c\'d",e\\f'),
        (["c'd"], {"double_quote": False, "quote_char": "'"}, "'c\"d'"),
        (["c'd"], {"quote_char": "'"}, "'c''d'"),
        (['c"d', "e\\f", "g"], {"double_quote": False, "escape_char": "\\"}, '"c\\"d","e\\\\f",g'),
        (["a,b", "c\r\nd", '"', " e"], {"quote_char": None}, 'a b,c  d,", e'),
        (["a,b", "c\nd", "e\\f"], {"quote_char": None, "escape_char": "\\"}, "a\\,b,c d,e\\\\f"),
        (["a b", "c\rd"], {"quote_char": None, "delimiter": " "}, "a_b c_d"),
    ],
)
def test_cells_become_one_record_of_the_dialect(cells: list[str], dialect: dict[str, Any], text: str) -> None:
    assert record_text(cells, Dialect(**dialect)) == text


@given(
    st.text(st.sampled_from("a\n\r\x1a"), max_size=12),
    st.sampled_from(["", "\x1a", "\x1a\r\n", "\x1a\x1a\n\x1a"]),
    st.integers(1, 5),
)
def test_only_the_mark_at_the_end_of_a_text_is_left_out(text: str, mark: str, size: int) -> None:
    stream = WithoutEndMark(io.BytesIO(f"{text}x\n{mark}".encode()))
    assert b"".join(iter(lambda: stream.read(size), b"")) == f"{text}x\n".encode()


def test_a_file_of_end_marks_is_not_held_in_memory() -> None:
    stream = WithoutEndMark(io.BytesIO(b"a\n" + b"\x1a" * 200_000))
    assert len(b"".join(iter(lambda: stream.read(1000), b""))) > 100_000
