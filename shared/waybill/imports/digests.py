"""Digest files: the digests of a chunk's keys, in which later steps find keys that are repeated in the file.

A digest file holds, for each of P partitions (by the digest's low bits), the 64-bit digests of the chunk's valid rows
and their row numbers. P grows with the file, so that one partition of all chunks together fits in memory.

Equal digests are not equal keys: among a billion keys two have the same 64 bits by chance in one file of forty, and
whoever wants to can make such keys, because xxh3 has no secret. Rows with equal digests are unverified until their keys
themselves are compared (`waybill.imports.duplicates`), and nothing is rejected as a repeated key without that.

    uint32 count[P] | per partition: uint64 digest[count], uint64 row[count]      (little-endian)
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from ctypes import addressof, c_char
from itertools import accumulate, chain
from typing import Any, Protocol

from waybill import native

KEYS_PER_PARTITION = 250_000
# Digests held at once during a search, 16 bytes each; and rows that are read again in one pass.
WINDOW_KEYS = 16_000_000
UNVERIFIED_PER_PASS = 500_000
_HEADER_SIZE = 4
_PAIR_SIZE = 16
# Large enough for the allocator to give a segment back to the system.
_SEGMENT_PAIRS = 32_768


class RangeReader(Protocol):
    """Reads the bytes `[start, end)` of one digest file."""

    def __call__(self, start: int, end: int) -> bytes: ...


def partitions_for(rows: int) -> int:
    """A power of two such that a partition of the whole file holds about KEYS_PER_PARTITION keys."""
    return 1 << max(0, (rows - 1) // KEYS_PER_PARTITION).bit_length()


class DigestFile:
    """Collects a chunk's digests for its digest file.

    They are held in segments, each of which is given back as soon as it stands in the file's bytes: all of them held
    twice would set the peak of an import's memory.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._segments: list[tuple[array[int], array[int]]] = []

    def add(self, digests: Sequence[int | None], rows: Sequence[int]) -> None:
        """Add the digests and the row numbers of valid rows, in file order; those without a digest are left out."""
        given: Iterable[int] = digests if isinstance(digests, array) else [one for one in digests if one is not None]
        if not isinstance(digests, array) and None in digests:
            rows = [row for digest, row in zip(digests, rows, strict=True) if digest is not None]
        if not self._segments or len(self._segments[-1][0]) >= _SEGMENT_PAIRS:
            self._segments.append((array("Q"), array("Q")))
        held_digests, held_rows = self._segments[-1]
        held_digests.extend(given)
        held_rows.extend(rows)

    def take_bytes(self) -> bytes | bytearray:
        """The digest file's content; nothing is held afterwards."""
        segments, self._segments = self._segments[::-1], []
        library = native.library()
        if library is not None and self._partitions > 1:  # behind a single count its numbers would not be aligned
            return self._partitioned_natively(library, segments)
        parts = [(array("Q"), array("Q")) for _ in range(self._partitions)]
        while segments:
            for digest, row in zip(*segments.pop(), strict=True):
                digests, rows = parts[digest & (self._partitions - 1)]
                digests.append(digest)
                rows.append(row)
        counts = array("I", [len(digests) for digests, _ in parts])
        return b"".join(map(_little_endian, [counts, *chain.from_iterable(parts)]))

    def _partitioned_natively(self, library: Any, segments: list[tuple[array[int], array[int]]]) -> bytearray:
        partitions, pairs = self._partitions, sum(len(digests) for digests, _ in segments)
        counts = array("Q", bytes(8 * partitions))
        for digests, _ in segments:
            library.waybill_partition_sizes(digests.buffer_info()[0], len(digests), partitions, counts.buffer_info()[0])
        places = array("Q", [0, *accumulate(2 * count for count in counts)])
        content = bytearray(partitions * _HEADER_SIZE + pairs * _PAIR_SIZE)
        address = addressof(c_char.from_buffer(content)) + partitions * _HEADER_SIZE
        while segments:
            digests, rows = segments.pop()
            library.waybill_partition(
                digests.buffer_info()[0],
                rows.buffer_info()[0],
                len(digests),
                partitions,
                counts.buffer_info()[0],
                places.buffer_info()[0],
                address,
            )
        content[: partitions * _HEADER_SIZE] = array("I", counts).tobytes()
        return content


def repeated_by_partition(reads: Sequence[RangeReader], partitions: int, first: int = 0) -> Iterator[list[list[int]]]:
    """Yields for each partition, from `first` on, the rows of each digest that is repeated among all files, ascending.

    Partitions follow each other in a file, so that one request a file reads as many as fit into memory.
    """
    counts = [_from_little_endian("I", read(0, partitions * _HEADER_SIZE)) for read in reads]
    step = max(1, partitions * WINDOW_KEYS // max(1, sum(map(sum, counts))))
    for begin in range(first, partitions, step):
        stop = min(begin + step, partitions)
        files = [_read_partitions(read, count, begin, stop) for read, count in zip(reads, counts, strict=True)]
        for index in range(stop - begin):
            yield repeated(file[index] for file in files)


def _read_partitions(
    read: RangeReader, counts: array[int], first: int, stop: int
) -> list[tuple[array[int], array[int]]]:
    """(digests, rows) of each of the partitions `[first, stop)` of a digest file."""
    at = len(counts) * _HEADER_SIZE + sum(counts[:first]) * _PAIR_SIZE
    size = sum(counts[first:stop]) * _PAIR_SIZE
    data = memoryview(read(at, at + size) if size else b"")
    parts, at = [], 0
    for count in counts[first:stop]:
        middle, end = at + count * 8, at + count * 16
        parts.append((_from_little_endian("Q", data[at:middle]), _from_little_endian("Q", data[middle:end])))
        at = end
    return parts


def repeated(chunks: Iterable[tuple[array[int], array[int]]]) -> list[list[int]]:
    """The rows of each digest that is repeated among all chunks, ascending."""
    pairs = list(chunks)
    digests = array("Q")
    for chunk_digests, _ in pairs:
        digests.extend(chunk_digests)
    if not _has_repeats(digests):
        return []
    seen: set[int] = set()
    again: set[int] = set()
    for digest in digests:
        if digest in seen:
            again.add(digest)
        seen.add(digest)
    groups: dict[int, list[int]] = {digest: [] for digest in again}
    for chunk_digests, rows in pairs:
        for digest, row in zip(chunk_digests, rows, strict=True):
            if digest in again:
                groups[digest].append(row)
    return [sorted(rows) for rows in groups.values()]


def _has_repeats(digests: array[int]) -> bool:
    library = native.library()
    if library is None or not digests:
        return len(set(digests)) < len(digests)
    slots = 1 << (2 * len(digests) - 1).bit_length()
    seen = array("Q", bytes(8 * slots))
    return bool(library.waybill_repeats(digests.buffer_info()[0], len(digests), seen.buffer_info()[0], slots))


def _little_endian(values: array[int]) -> memoryview:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return memoryview(values)


def _from_little_endian(typecode: str, data: bytes | memoryview) -> array[int]:
    values: array[int] = array(typecode)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
