"""Digest files: every repeated key is found, across chunks and partitions."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.imports.digests import DigestFile, partitions_for, repeated_by_partition


@given(st.lists(st.lists(st.integers(0, 40)), max_size=5), st.sampled_from([1, 2, 8]))
def test_repeated_keys_are_found_across_chunks_and_partitions(chunks: list[list[int]], partitions: int) -> None:
    # Spread the small numbers over all bits, as digests are.
    chunks = [[(key * 0x9E3779B97F4A7C15) % 2**64 for key in keys] for keys in chunks]
    files, row, rows_of = [], 2, dict[int, list[int]]()
    for keys in chunks:
        digest_file = DigestFile(partitions)
        rows = list(range(row, row + len(keys)))
        digest_file.add(keys, rows)
        row += len(keys)
        for key, number in zip(keys, rows, strict=True):
            rows_of.setdefault(key, []).append(number)
        files.append(digest_file.take_bytes())
    reads = [lambda start, end, data=data: data[start:end] for data in files]
    found = [rows for groups in repeated_by_partition(reads, partitions) for rows in groups]
    assert sorted(found) == sorted(rows for rows in rows_of.values() if len(rows) > 1)


@pytest.mark.parametrize(("rows", "partitions"), [(1, 1), (250_000, 1), (250_001, 2), (1_000_001, 8), (10**8, 512)])
def test_partitions_grow_with_the_file(rows: int, partitions: int) -> None:
    assert partitions_for(rows) == partitions


def test_rows_without_a_digest_are_left_out() -> None:
    some, all_of_them = DigestFile(1), DigestFile(1)
    some.add([5, None, 7], range(2, 5))
    all_of_them.add(array("Q", [5, 7]), [2, 4])
    assert some.take_bytes() == all_of_them.take_bytes()
