"""Every dialect, any text, any chunk size: the rows of one sequential read by the csv module."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scanning import ScannedFile, scan_file
from waybill.errors import JobFailed
from waybill.tabular.dialect import Dialect, DialectError
from waybill.tabular.records import (
    UnclosedQuote,
    cell_pattern,
    comment_records,
    last_filled_record,
    parse_columns,
    parse_rows,
    raw_records,
    segments,
)
from waybill.tabular.scan import Scan, record_text, scan_table

FRAGMENTS = [
    "a", "1", ",", ";", '"', '""', "'", "\\", '\\"', "\\,", "\\\n", "\n", "\r\n", "\r", " ", ", ", ', "x"', "#", "\n#",
    "é", '"#', "\n# it's \"so\n", "\\N",
]  # fmt: skip
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)
dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from(",; "),
    quote_char=st.sampled_from(['"', "'", None]),
    double_quote=st.booleans(),
    escape_char=st.sampled_from([None, "\\"]),
    skip_initial_space=st.booleans(),
    comment_char=st.sampled_from([None, "#", "# "]),
).filter(lambda dialect: not (dialect.skip_initial_space and dialect.delimiter == " "))


def sequential(text: str, dialect: Dialect) -> list[list[str] | None] | None:
    """What one `csv.reader` reads, None for a comment line; None when the file ends within a cell."""
    options = {
        "delimiter": dialect.delimiter,
        "quotechar": dialect.quote_char,
        "doublequote": dialect.double_quote,
        "escapechar": dialect.escape_char,
        "skipinitialspace": dialect.skip_initial_space,
        "quoting": csv.QUOTE_MINIMAL if dialect.quote_char else csv.QUOTE_NONE,
    }
    lines = [*io.StringIO(text, newline=""), "end of file"]
    rows: list[list[str] | None] = []
    at = 0

    def taken() -> Any:
        nonlocal at
        while at < len(lines):
            at += 1
            yield lines[at - 1]

    reader = csv.reader(taken(), **options)
    while at < len(lines) - 1:
        if dialect.comment_char and lines[at].startswith(dialect.comment_char):
            at += 1
            rows.append(None)
        else:
            rows.append(next(reader))
    return rows if at == len(lines) - 1 else None


@given(texts, dialects, st.integers(1, 50))
def test_rows_are_those_of_one_sequential_read(text: str, dialect: Dialect, block_bytes: int) -> None:
    expected = sequential(text, dialect)
    try:
        found = list(segments(io.BytesIO(text.encode()), dialect, 0, block_bytes))
    except UnclosedQuote:
        assert expected is None
        return
    assert expected is not None
    rows: list[list[str] | None] = []
    raws: list[str] = []
    for segment in found:
        decoded = segment.data.decode()
        parsed = parse_rows(segment, decoded, dialect)
        assert sorted(parsed.comments) == comment_records(segment, dialect)
        rows += [None if index in parsed.comments else cells for index, cells in enumerate(parsed.cells)]
        raws += raw_records(segment, decoded, dialect)
        filled = [i for i, cells in enumerate(parsed.cells) if any(cells)]
        assert last_filled_record(segment, dialect) == (filled[-1] if filled else None)
        width = len(parsed.cells[0])
        columns = parse_columns(segment, decoded, dialect, width, segment.records) if width else None
        if columns is not None:
            even = [tuple(cells) for cells in parsed.cells if len(cells) == width and any(cells)]
            assert list(zip(*columns.cells, strict=True)) == even
            assert len(columns.others) == segment.records - len(even)
    assert rows == expected
    assert "".join(raws).replace("\r", "").replace("\n", "") == text.replace("\r", "").replace("\n", "")


@given(texts, dialects, st.integers(1, 80), st.sampled_from([None, (2,), (1, 3), ()]), st.sets(st.integers(1, 9)))
def test_a_scan_numbers_rows_as_the_file_does(
    text: str, dialect: Dialect, chunk_bytes: int, header_rows: tuple[int, ...] | None, comments: set[int]
) -> None:
    dialect = replace(dialect, header_rows=header_rows, comment_rows=tuple(sorted(comments)))
    found = scan(text, dialect, chunk_bytes)
    expected = sequential(text, dialect)
    if expected is None or isinstance(found, str):
        assert isinstance(found, str)
        assert expected is not None or found in ("format-error", "blank-header", "empty-file")
        return
    numbered = {row: cells for row, cells in enumerate(expected, 1) if cells is not None and row not in comments}
    header = min(numbered) if header_rows is None else max(header_rows, default=0)
    data = {row: cells for row, cells in numbered.items() if row > header}
    last = max(row for row, cells in data.items() if any(cells))
    assert found.rows == sum(1 for row in data if row <= last)
    read: dict[int, list[str]] = {}
    for chunk in found.chunks:
        row = chunk.first_row
        for segment in segments(io.BytesIO(text.encode()[chunk.start : chunk.end]), dialect, chunk.start, 16):
            for cells in parse_rows(segment, segment.data.decode(), dialect).cells:
                if row in chunk.data_rows():
                    read[row] = cells
                row += 1
    assert read == {row: cells for row, cells in data.items() if row <= last}


def scan(text: str, dialect: Dialect, chunk_bytes: int) -> Scan | str:
    try:
        return scan_table(io.BytesIO(text.encode()), dialect, "utf-8", chunk_bytes, field_names=["a"])
    except JobFailed as error:
        return error.job_code


def plan(data: bytes, **dialect: object) -> ScannedFile:
    return scan_file(io.BytesIO(data), dialect, None, 1 << 20, ["id", "name"])


@pytest.mark.parametrize(
    ("line", "options", "is_stray"),
    [
        ('a,"b \\" c"', {"escape_char": "\\", "double_quote": False}, False),
        ('a,"b "" c"', {"escape_char": "\\", "double_quote": False}, True),
        ('a,"b "" c"', {"escape_char": "\\"}, False),
        ('a,b \\" c', {"escape_char": "\\"}, False),
        ('a,b " \\, c', {"escape_char": "\\"}, True),
        ('a, "b"', {"skip_initial_space": True}, False),
        ('a, "b"', {}, True),
        ('a, "b" ', {"skip_initial_space": True}, True),
        ("a,'b, \"c\"'", {"quote_char": "'"}, False),
        ('5" pipe,x', {"quote_char": None}, False),
    ],
)
def test_stray_quotes_are_found_in_every_dialect(line: str, options: dict[str, Any], is_stray: bool) -> None:
    dialect = Dialect(**options)
    (segment,) = segments(io.BytesIO(f"{line}\n".encode()), dialect)
    assert parse_rows(segment, f"{line}\n", dialect).stray == ({0} if is_stray else set())


@given(st.lists(st.text(st.sampled_from("ab ,;\"'\\\n"), max_size=8), min_size=1, max_size=4), dialects)
def test_a_record_that_is_written_reads_back(cells: list[str], dialect: Dialect) -> None:
    text = record_text(cells, dialect)
    (read,) = csv.reader(io.StringIO(text + "\n", newline=""), **dialect.reader_options()) if text else ([""],)
    assert len(read) == len(cells)
    if dialect.quote_char and (dialect.double_quote or dialect.escape_char):
        assert read == cells
    cell, delimiter = cell_pattern(dialect), re.escape(dialect.delimiter)
    assert re.fullmatch(f"{cell}(?:{delimiter}{cell})*+", text)


@pytest.mark.parametrize(
    ("document", "member"),
    [
        ({"delimiter": "||"}, "delimiter"),
        ({"delimiter": "é"}, "delimiter"),
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": "\n"}, "delimiter"),
        ({"delimiter": 5}, "delimiter"),
        ({"delimiter": '"'}, "quoteChar"),
        ({"quoteChar": "''"}, "quoteChar"),
        ({"escapeChar": ","}, "escapeChar"),
        ({"escapeChar": "ab"}, "escapeChar"),
        ({"lineTerminator": ";"}, "lineTerminator"),
        ({"header": 1}, "header"),
        ({"headerRows": []}, "headerRows"),
        ({"headerRows": [0]}, "headerRows"),
        ({"headerRows": 1}, "headerRows"),
        ({"headerRows": [True]}, "headerRows"),
        ({"headerJoin": 1}, "headerJoin"),
        ({"commentRows": ["1"]}, "commentRows"),
        ({"commentChar": ""}, "commentChar"),
        ({"commentChar": ",x"}, "commentChar"),
        ({"commentChar": "§"}, "commentChar"),
        ({"nullSequence": 0}, "nullSequence"),
        ({"skipInitialSpace": True, "delimiter": " "}, "skipInitialSpace"),
        ({"sheetNumber": 0}, "sheetNumber"),
        ({"sheetName": ""}, "sheetName"),
        ({"property": 1}, "property"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(document: dict[str, Any], member: str) -> None:
    with pytest.raises(DialectError) as caught:
        Dialect.from_document(document)
    assert [name for name, _ in caught.value.problems] == [member]
    with pytest.raises(JobFailed) as failed:
        plan(b"id,name\n1,a\n", **document)
    assert failed.value.job_code == "source-error"


def test_members_of_other_formats_and_unknown_ones_are_ignored() -> None:
    known = Dialect.from_document({"itemType": "array", "table": "t", "x-mine": [1], "$schema": "s"})
    assert known == Dialect()
    assert Dialect.from_json({**known.__dict__, "comment_rows": []}) == known


@pytest.mark.parametrize(
    ("text", "dialect", "labels", "header", "rows", "header_row"),
    [
        ("id,name\n1,a\n", {}, ["id", "name"], "id,name", {2}, 1),
        ("1,a\n2,b\n", {"header": False}, ["id", "name"], "id,name", {1, 2}, None),
        ("x\n\nid;name\n1;a\n", {"headerRows": [3]}, ["id", "name"], "id;name", {4}, 3),
        ("fruit\nid,name\n1,a\n", {"headerRows": [1, 2]}, ["fruit id", "fruit name"], "fruit id,fruit name", {3}, 1),
        (
            "a,,b\nx,y,z\n1,2,3\n",
            {"headerRows": [2, 1], "headerJoin": "-"},
            ["a-x", "a-y", "b-z"],
            "a-x,a-y,b-z",
            {3},
            1,
        ),
        ("#v2\nid,name\n#no\n1,a\n", {"commentChar": "#"}, ["id", "name"], "id,name", {4}, 2),
        ("#id,name\n1,a\n", {"commentChar": "#", "headerRows": [1]}, ["#id", "name"], "#id,name", {2}, 1),
        ("v2\nid,name\n1,a\nsum\n2,b\n", {"commentRows": [1, 4]}, ["id", "name"], "id,name", {3, 5}, 2),
        ("sep=;\nid;name\n1;a\n", {}, ["id", "name"], "id;name", {3}, 2),
        ('"a\nb",name\n1,a\n', {}, ["a\nb", "name"], '"a\nb",name', {2}, 1),
    ],
)
def test_headers_and_comments(
    text: str, dialect: dict[str, Any], labels: list[str], header: str, rows: set[int], header_row: int | None
) -> None:
    found = plan(text.encode(), **dialect)
    assert (found.labels, found.header, found.detected["headerRow"]) == (labels, header, header_row)
    assert {row for chunk in found.chunks for row in chunk.data_rows()} == rows


@pytest.mark.parametrize(
    ("text", "dialect", "code", "row"),
    [
        ("#a\n#b\n", {"commentChar": "#"}, "empty-file", None),
        ("a\nb\n", {"headerRows": [3]}, "blank-header", None),
        ("a\n,\nb\n", {"headerRows": [2]}, "blank-header", 2),
        ("a,b\n#x\n#y\n", {"commentChar": "#"}, "empty-file", None),
        ("a,b\n1,2\\", {"escapeChar": "\\"}, "format-error", 2),
        ("a,b\n1,'2\n", {"quoteChar": "'"}, "format-error", 2),
    ],
)
def test_bad_headers_are_refused(text: str, dialect: dict[str, Any], code: str, row: int | None) -> None:
    with pytest.raises(JobFailed) as caught:
        plan(text.encode(), **dialect)
    assert (caught.value.job_code, caught.value.row_number) == (code, row)


def test_blank_and_comment_rows_at_the_end_do_not_count() -> None:
    found = plan(b"id,name\n1,a\n\n2,b\n\n#end\n,\n", commentChar="#")
    assert found.rows == 3
    assert [(chunk.first_row, chunk.rows, chunk.skipped) for chunk in found.chunks] == [(2, 3, ())]


def test_a_rejects_file_is_read_as_it_was_written() -> None:
    """Although its entity's files have no header, comments, another delimiter and quote."""
    data = b'_row,_type,_reason,id,name\n7,type-error,"id: no, ""really""",x,a\n'
    found = plan(data, header=False, delimiter=";", quoteChar="'", commentRows=[1], commentChar="7")
    assert found.labels == ["_row", "_type", "_reason", "id", "name"]
    assert found.rows == 1
    found = plan(b"_row;_type;_reason;id\n7;type-error;'a';x\n", delimiter=";", quoteChar="'")
    assert (found.dialect.delimiter, found.dialect.quote_char) == (";", "'")
