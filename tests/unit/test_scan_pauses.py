"""A file that takes several invocations to plan has the plan, and the digest, that one invocation would have found."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.errors import JobFailed
from waybill.tabular import scan as scanning
from waybill.tabular.dialect import Dialect
from waybill.tabular.scan import Hashing, Resumed, Scan, ScanPaused, scan_table

DIALECT = Dialect(comment_char="#")


def scan_in_steps(data: bytes, every: int, chunk_bytes: int = 64, dialect: Dialect = DIALECT) -> tuple[Scan, int]:
    """The scan, by invocations that each take `every` segments; and how many it took."""
    resumed: Resumed | None = None
    for invocation in itertools.count(1):
        segments = itertools.count(1)
        try:
            scan = scan_table(
                io.BytesIO(data),
                dialect,
                "utf-8",
                chunk_bytes,
                resumed=resumed,
                pauses=lambda taken=segments: next(taken) % every == 0,
            )
        except ScanPaused as paused:
            stored = json.loads(json.dumps(paused.tally))
            resumed = Resumed(paused.end, stored, lambda end=paused.end: io.BytesIO(data[end:]))
            continue
        return scan, invocation
    raise AssertionError("unreachable")


CELLS = st.sampled_from(["1", "", "a b", '"quoted, with ""quotes"""', '"two\nlines"', "é" * 40, "#", '5" pipe'])
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), min_size=1, max_size=60)


@given(rows=ROWS, every=st.integers(1, 4), ending=st.sampled_from(["\n", "\r\n"]))
def test_it_is_as_if_it_had_been_one(rows: list[str], every: int, ending: str) -> None:
    data = ending.join(["a,b,c", *rows, ""]).encode()

    def outcome(scan: Callable[[], Scan]) -> Any:
        """What the scan says of the file; where one chunk ends and the next begins may differ."""
        try:
            found = scan()
        except JobFailed as failure:
            return failure.job_code, failure.row_number, failure.detail
        ends = [(chunk.end, chunk.first_row + chunk.rows) for chunk in found.chunks]
        starts = [(chunk.start, chunk.first_row) for chunk in found.chunks]
        assert ends[:-1] == starts[1:], "they follow each other without a gap"
        numbers = [row for chunk in found.chunks for row in chunk.data_rows()]
        return found.labels, found.header, found.header_row, starts[0], ends[-1][1], numbers

    whole = outcome(lambda: scan_table(io.BytesIO(data), DIALECT, "utf-8", 64))
    assert outcome(lambda: scan_in_steps(data, every)[0]) == whole


@pytest.mark.parametrize("wrong", [b'\n1,"never closed\n2,x\n', b"\n1,\xff\n"])
def test_what_is_wrong_behind_a_pause_has_its_row(wrong: bytes) -> None:
    data = b"a,b\n" + b"1,2\n" * 200 + wrong
    with pytest.raises(JobFailed) as at_once:
        scan_table(io.BytesIO(data), DIALECT, "utf-8", 64)
    with pytest.raises(JobFailed) as in_steps:
        scan_in_steps(data, 2)
    assert (in_steps.value.detail, in_steps.value.row_number) == (at_once.value.detail, at_once.value.row_number)
    assert "203" in in_steps.value.detail


def test_what_is_stored_of_500_gib_is_small() -> None:
    """Some 40 bytes a chunk: the state of a pause, and the plan, of 16,000 chunks."""
    chunk = 32 * 1024**2
    tally = scanning._Tally(chunk, Dialect())
    size = 500 * 1024**3
    for start in range(0, size, chunk):
        rows = chunk // 18
        tally.chunks.append(scanning.Chunk(len(tally.chunks), start, start + chunk, tally.next_row, rows))
        tally.next_row += rows
    stored = json.dumps(tally.to_json())
    assert len(tally.chunks) == 16_000
    assert len(stored) < 2 * 1024**2
    assert scanning._Tally.from_json(chunk, Dialect(), json.loads(stored)) == tally
    assert scanning._Tally.from_json(chunk, Dialect(), json.loads(stored)).next_row > 2**32, "counts are no 32 bits"


def test_a_digest_goes_on_from_the_pieces_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "PIECE_BYTES", 100)
    data = bytes(range(250))

    def digest(hashing: Hashing, block: int) -> str:
        while hashing.read(block):
            pass
        return hashing.hexdigest()

    whole = Hashing(io.BytesIO(data))
    expected = hashlib.sha256(b"".join(hashlib.sha256(data[at : at + 100]).digest() for at in (0, 100, 200)))
    assert digest(whole, 7) == expected.hexdigest()
    assert digest(Hashing(io.BytesIO(data)), 250) == expected.hexdigest()
    assert digest(Hashing(io.BytesIO(data[100:]), whole.pieces[:1]), 33) == expected.hexdigest()
    assert digest(Hashing(io.BytesIO(data[:100])), 9) == hashlib.sha256(data[:100]).hexdigest(), "as ever"
