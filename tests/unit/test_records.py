"""Any bytes, any block size: the same records as one sequential read by the csv module."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.tabular.dialect import Dialect
from waybill.tabular.records import (
    RECORD_CAP_BYTES,
    RecordTooLong,
    Segment,
    UnclosedQuote,
    last_filled_record,
    parse_columns,
    parse_rows,
    raw_records,
    segments,
)

COMMA = Dialect()
FRAGMENTS = ["a", "b", ",", '"', '""', "\n", "\r", "\r\n", " ", "é", ',"x"', '"\n"', ",,", '"x\ny",']
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


def sequential(text: str) -> list[list[str]] | None:
    """What `csv.reader` reads; None when a quote is open at the end."""
    lines = list(io.StringIO(text, newline=""))
    rows = list(csv.reader([*lines, "\0end"]))
    closed = len(rows) == 1 + len(list(csv.reader(lines)))
    return rows[:-1] if closed else None


@given(texts, st.integers(1, 50))
def test_segments_hold_the_records_of_one_sequential_read(text: str, block_bytes: int) -> None:
    expected = sequential(text)
    data = text.encode()
    try:
        found = list(segments(io.BytesIO(data), COMMA, 7, block_bytes))
    except UnclosedQuote as error:
        assert expected is None
        opened = list(csv.reader(io.StringIO(text, newline="")))
        assert error.record == len(opened) - 1
        return
    assert expected is not None
    assert b"".join(segment.data for segment in found) == data
    assert [segment.start for segment in found] == [
        7 + sum(len(before.data) for before in found[:index]) for index in range(len(found))
    ]
    rows: list[list[str]] = []
    for segment in found:
        parsed = parse_rows(segment, segment.data.decode(), COMMA)
        assert len(parsed.cells) == segment.records
        rows += [row or [] for row in parsed.cells]
    assert rows == expected


@given(texts, st.integers(1, 50))
def test_raw_records_are_the_bytes_between_line_breaks(text: str, block_bytes: int) -> None:
    try:
        found = list(segments(io.BytesIO(text.encode()), COMMA, 0, block_bytes))
    except UnclosedQuote:
        return
    raws = [raw for segment in found for raw in raw_records(segment, segment.data.decode(), COMMA)]
    expected = sequential(text)
    assert expected is not None
    assert len(raws) == len(expected)
    for raw, row in zip(raws, expected, strict=True):
        assert next(csv.reader(io.StringIO(raw, newline="")), []) == row
    assert "".join(raws).replace("\r", "").replace("\n", "") == text.replace("\r", "").replace("\n", "")


@given(texts, st.integers(1, 50), st.integers(1, 4), st.integers(0, 3))
def test_columns_are_the_even_rows(text: str, block_bytes: int, width: int, left_out: int) -> None:
    try:
        found = list(segments(io.BytesIO(text.encode()), COMMA, 0, block_bytes))
    except UnclosedQuote:
        return
    for segment in found:
        count = max(1, segment.records - left_out)
        parsed = parse_rows(segment, segment.data.decode(), COMMA)
        columns = parse_columns(segment, segment.data.decode(), COMMA, width, count)
        assert (columns is not None) == segment.structural
        if columns is not None:
            rows = dict(enumerate(parsed.cells[:count]))
            even = {index: cells for index, cells in rows.items() if len(cells) == width and any(cells)}
            assert list(zip(*columns.cells, strict=True)) == list(map(tuple, even.values()))
            assert columns.others.keys() == rows.keys() - even.keys()
            assert all(cells == rows[index] or not any(cells + rows[index]) for index, cells in columns.others.items())


@given(texts, st.integers(1, 50))
def test_last_filled_record(text: str, block_bytes: int) -> None:
    try:
        found = list(segments(io.BytesIO(text.encode()), COMMA, 0, block_bytes))
    except UnclosedQuote:
        return
    for segment in found:
        rows = parse_rows(segment, segment.data.decode(), COMMA).cells
        filled = [index for index, row in enumerate(rows) if any(row)]
        assert last_filled_record(segment, COMMA) == (filled[-1] if filled else None)


@pytest.mark.parametrize("data", [b"x\n,", b"x,\n,", b"x\n,,\n", b"x\n\n,"])
def test_a_blank_last_record_needs_no_line_break(data: bytes) -> None:
    records = data.removesuffix(b"\n").count(b"\n") + 1
    assert last_filled_record(Segment(0, data, records, True), COMMA) == 0


@pytest.mark.parametrize(
    ("line", "stray"),
    [
        ('5" pipe,x', True),
        ('"abc"def,x', True),
        ('""abc,x', True),
        ('a,"b" ,c', True),
        ('"a""b",c', False),
        ('"",""', False),
        ('"line\nbreak",x', False),
        ("nul\0,x", True),
    ],
)
def test_stray_quotes_and_nuls_are_found(line: str, stray: bool) -> None:
    data = f'ok,"fine"\n{line}\n"ok",fine\n'.encode()
    (segment,) = segments(io.BytesIO(data), COMMA)
    rows = parse_rows(segment, segment.data.decode(), COMMA)
    assert rows.stray == ({1} if stray else set())
    assert len(rows.cells) == 3


def test_a_record_over_the_cap_is_named() -> None:
    data = b'a,b\n1,"' + b"x" * (RECORD_CAP_BYTES + 10) + b'"\n'
    with pytest.raises(RecordTooLong) as caught:
        list(segments(io.BytesIO(data), COMMA, 0, 1 << 20))
    assert caught.value.record == 1


def test_a_quote_that_never_closes_is_named_whatever_follows() -> None:
    data = b'a,b\n1,2\n3,"x' + b"y\n" * (RECORD_CAP_BYTES)
    with pytest.raises(UnclosedQuote) as caught:
        list(segments(io.BytesIO(data), COMMA, 0, 1 << 20))
    assert caught.value.record == 2
