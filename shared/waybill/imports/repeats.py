"""Find the rows of a file that share a value, in as many invocations as it takes.

Digests (`waybill.imports.keys`) make rows suspects. Suspects are read again, so many in each pass over the file, and
their values themselves are compared. What a search has come to is kept under its prefix:

    {prefix}state         where it stands; of the batch at work the rows that were read again
    {prefix}losers-0000   what a batch came to: the rows that lose, in file order; and so on
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.aws.files import SourceChanged
from waybill.entities.row_results import RowError
from waybill.imports import keys

if TYPE_CHECKING:
    from waybill.aws.files import Files

_PIECE_BYTES = 1024 * 1024
_BEHIND_ALL = 2**31  # more chunks than any file has
by_row = attrgetter("row")


class Found(NamedTuple):
    """A row that was read again.

    `value` may be that of other rows, too; `field_number` is its field's. `text` (the request for it) and `raw` (the
    row as it stands) are for those who write.
    """

    row: int
    value: str
    field_number: int | None = None
    text: str = ""
    raw: str = ""


class Loser(NamedTuple):
    """A valid row that is not imported, because of another row."""

    error: RowError
    raw: str = ""

    @property
    def row(self) -> int:
        return self.error.row_number or 0


class LoserQueue:
    """Losers in file order, taken piece by piece."""

    def __init__(self, losers: Iterator[Loser]) -> None:
        self._losers = losers
        self._next = next(losers, None)

    def before(self, row: int) -> list[Loser]:
        """Those before a row that were not taken yet."""
        found = []
        while self._next is not None and self._next.row < row:
            found.append(self._next)
            self._next = next(self._losers, None)
        return found


@dataclass
class _State:
    """`batch` is the number of those done, `partition` the next to look through, `suspects` those of the batch at work,
    `chunk` the one from which on they are to be read again (None while they are gathered), `written` what the caller
    has done for the batch."""

    batch: int = 0
    partition: int = 0
    suspects: list[int] = field(default_factory=list)
    chunk: int | None = None
    written: int = 0


class Search:
    """A search for rows that share a value.

    Args:
        bucket, prefix: where it keeps what it has come to.
        reads: one reader for each key file.
        partitions: of the key files.
        read_rows: given rows and a chunk number, the rows in that chunk and behind it, each with its chunk's number.
    """

    def __init__(
        self,
        files: Files,
        bucket: str,
        prefix: str,
        reads: Sequence[keys.RangeReader],
        partitions: int,
        read_rows: Callable[[frozenset[int], int], Iterator[tuple[int, Found]]],
    ) -> None:
        self._files, self._bucket, self._prefix = files, bucket, prefix
        self._partitions, self._read_rows = partitions, read_rows
        self._state, self._found = self._restored()
        self._repeated = keys.repeated_by_partition(reads, partitions, self._state.partition)

    def batches(self) -> Iterator[list[list[Found]]]:
        """For each batch that is not done the rows that share a value, two or more in each list, ascending.

        What comes of a batch goes to `done` before the next is asked for. Whatever is raised on the way, `keep` then
        keeps what is done.
        """
        while self._gather():
            self._read_again()
            groups: dict[str, list[Found]] = {}
            for found in self._found:
                groups.setdefault(found.value, []).append(found)
            yield [rows for rows in groups.values() if len(rows) > 1]

    @property
    def written(self) -> int:
        """How far the caller came with the batch at work."""
        return self._state.written

    @written.setter
    def written(self, count: int) -> None:
        self._state.written = count

    def done(self, losers: Iterable[Loser]) -> None:
        """Keep what the batch came to."""
        lines = ((*loser.error, loser.raw) for loser in sorted(losers, key=by_row))
        self._write(f"losers-{self._state.batch:04d}", lines)
        self._state = _State(self._state.batch + 1, self._state.partition)
        self._found = []
        self.keep()

    def keep(self) -> None:
        """Keep where the search stands, for the next invocation."""
        self._write("state", [asdict(self._state), *self._found])

    def losers(self) -> Iterator[Loser]:
        """Those of all batches that are done, in file order."""
        return heapq.merge(*map(self._batch_losers, range(self._state.batch)), key=by_row)

    def _batch_losers(self, batch: int) -> Iterator[Loser]:
        for *error, raw in self._read(f"losers-{batch:04d}"):
            yield Loser(RowError(*error), raw)

    def _gather(self) -> bool:
        """Look through partitions until there are suspects enough for a pass; False when there are no more."""
        state = self._state
        if state.chunk is None:
            while state.partition < self._partitions and len(state.suspects) < keys.SUSPECTS_PER_PASS:
                state.suspects += next(self._repeated)
                state.partition += 1
            state.chunk = 0
        return bool(state.suspects)

    def _read_again(self) -> None:
        """Read the suspects; those of a chunk count when all of them are there."""
        state, of_chunk = self._state, list[Found]()
        for chunk, found in self._read_rows(frozenset(state.suspects), state.chunk or 0):
            if chunk != state.chunk:
                self._found += of_chunk
                state.chunk, of_chunk = chunk, []
            of_chunk.append(found)
        self._found += of_chunk
        state.chunk = _BEHIND_ALL

    def _restored(self) -> tuple[_State, list[Found]]:
        try:
            state, *found = self._read("state")
        except SourceChanged:
            return _State(), []
        return _State(**state), [Found(*values) for values in found]

    def _write(self, name: str, lines: Iterable[Any]) -> None:
        writer = self._files.writer(self._bucket, self._prefix + name)
        for line in lines:
            writer.write(f"{json.dumps(line)}\n".encode())
        writer.close()

    def _read(self, name: str) -> Iterator[Any]:
        stream, rest = self._files.open(self._bucket, self._prefix + name), b""
        while data := stream.read(_PIECE_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            yield from map(json.loads, lines)
