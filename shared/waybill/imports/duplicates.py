"""Finds the rows of a file that share a value, in as many invocations as it takes.

Rows with equal digests (`waybill.imports.digests`) may share a value. They are unverified until they are read again, a
batch in each pass over the file, and their values themselves are compared. A search keeps under its prefix:

    {prefix}state         where the search is, and the rows of the current batch that were read again
    {prefix}losers-0000   the rows of the first batch that lose, in file order; and so on for each batch
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.aws.files import SourceChanged
from waybill.entities.row_results import DUPLICATE_KEY, RowError
from waybill.imports import digests

if TYPE_CHECKING:
    from waybill.aws.files import Files

UNIQUE_ERROR = "unique-error"
_PIECE_BYTES = 1024 * 1024
_AFTER_ALL = 2**31  # a chunk number beyond any file's
by_row = attrgetter("row")


class Found(NamedTuple):
    """A row that was read again.

    `number` is that with which it is shown to people. `value` is what is compared; `field_number`, `field_name` and
    `cell` say where it is in the file (`Place`). `text` (the row's request) and `raw` (the row as in the file) are set
    where the caller writes rows. `is_left`: the row was not imported; the rejects of its part list it as stopped.
    """

    row: int
    number: int
    value: str
    field_number: int | None
    field_name: str | None
    cell: str | None
    text: str = ""
    raw: str = ""
    is_left: bool = False

    def error(self, type: str, message: str) -> RowError:
        """The error of losing to another row."""
        return RowError(self.row, self.field_number, self.field_name, type, self.cell, message)


class Loser(NamedTuple):
    """A valid row that is not imported, because of another row. `raw` and `is_left` are as in `Found`."""

    error: RowError
    raw: str = ""
    is_left: bool = False

    @property
    def row(self) -> int:
        return self.error.row_number or 0


class LoserQueue:
    """Hands out losers in file order, up to a row at a time."""

    def __init__(self, losers: Iterator[Loser]) -> None:
        self._losers = losers
        self._next = next(losers, None)

    def before(self, row: int) -> list[Loser]:
        """Returns the losers before a row that were not returned before."""
        found = []
        while self._next is not None and self._next.row < row:
            found.append(self._next)
            self._next = next(self._losers, None)
        return found


@dataclass
class _State:
    """Where a search is.

    `batch` is the number of finished batches and `partition` the next one to search. Of the current batch, `unverified`
    are the rows of each repeated digest, `chunk` is the first chunk in which they have not been read again (None while
    rows are gathered), and `written` is the caller's progress.
    """

    batch: int = 0
    partition: int = 0
    unverified: list[list[int]] = field(default_factory=list)
    chunk: int | None = None
    written: int = 0


class DuplicateSearch:
    """A search for rows that share a value.

    Args:
        bucket, prefix: where the search keeps its state and results.
        reads: one reader for each digest file.
        partitions: of the digest files.
        read_rows: given row numbers and a chunk number, reads the rows in that chunk and all later ones; yields each
            with its chunk's number.
    """

    def __init__(
        self,
        files: Files,
        bucket: str,
        prefix: str,
        reads: Sequence[digests.RangeReader],
        partitions: int,
        read_rows: Callable[[frozenset[int], int], Iterator[tuple[int, Found]]],
    ) -> None:
        self._files, self._bucket, self._prefix = files, bucket, prefix
        self._partitions, self._read_rows = partitions, read_rows
        self._state, self._found = self._restored()
        self._repeated = digests.repeated_by_partition(reads, partitions, self._state.partition)

    def batches(self) -> Iterator[list[list[Found]]]:
        """Yields for each unfinished batch the rows that share a value, two or more in each list, ascending.

        The caller hands the losers of a batch to `done` before it asks for the next batch. When an exception interrupts
        the search, `keep` saves what is done.
        """
        while self._gather():
            self._read_again()
            groups: dict[str, list[Found]] = {}
            for found in self._found:
                groups.setdefault(found.value, []).append(found)
            yield [rows for rows in groups.values() if len(rows) > 1]

    def unread(self) -> Iterator[list[list[int]]]:
        """Yields for each unfinished batch the rows that have equal digests, two or more in each list, ascending. For a
        caller that cannot read them again; otherwise as `batches`."""
        while self._gather():
            yield self._state.unverified

    @property
    def written(self) -> int:
        """The caller's progress in the current batch; 0 when the batch begins."""
        return self._state.written

    @written.setter
    def written(self, count: int) -> None:
        self._state.written = count

    def done(self, losers: Iterable[Loser]) -> None:
        """Finish the current batch: save its losers."""
        lines = ((*loser.error, loser.raw, loser.is_left) for loser in sorted(losers, key=by_row))
        self._write(f"losers-{self._state.batch:04d}", lines)
        self._state = _State(self._state.batch + 1, self._state.partition)
        self._found = []
        self.keep()

    def keep(self) -> None:
        """Save where the search is, for the next invocation."""
        self._write("state", [asdict(self._state), *self._found])

    def losers(self) -> Iterator[Loser]:
        """The losers of all finished batches, in file order."""
        return heapq.merge(*map(self._batch_losers, range(self._state.batch)), key=by_row)

    def _batch_losers(self, batch: int) -> Iterator[Loser]:
        for *error, raw, is_left in self._read(f"losers-{batch:04d}"):
            yield Loser(RowError(*error), raw, is_left)

    def _gather(self) -> bool:
        """Search partitions until a pass has enough unverified rows; False when none are left."""
        state = self._state
        if state.chunk is None:
            rows = sum(map(len, state.unverified))
            while state.partition < self._partitions and rows < digests.UNVERIFIED_PER_PASS:
                groups = next(self._repeated)
                state.unverified += groups
                state.partition += 1
                rows += sum(map(len, groups))
            state.chunk = 0
        return bool(state.unverified)

    def _read_again(self) -> None:
        """Read the unverified rows again; those of a chunk count only once all of them are read."""
        state, of_chunk = self._state, list[Found]()
        for chunk, found in self._read_rows(frozenset(chain.from_iterable(state.unverified)), state.chunk or 0):
            if chunk != state.chunk:
                self._found += of_chunk
                state.chunk, of_chunk = chunk, []
            of_chunk.append(found)
        self._found += of_chunk
        state.chunk = _AFTER_ALL

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


def earlier_rows(rows: Sequence[Found], dangling: Container[int] = ()) -> Iterator[Loser]:
    """The losers among the valid rows of one key: all before the last.

    Args:
        dangling: rows that name no record. They replace no other row; but one that another row replaces must not be
            imported later, when the record is there.
    """
    last = max((at for at, found in enumerate(rows) if found.row not in dangling), default=0)
    *earlier, winner = rows[: last + 1]
    message = f"Row {winner.number} has the same key and replaces this row."
    for found in earlier:
        yield Loser(found.error(DUPLICATE_KEY, message), found.raw, found.is_left)


def later_rows(rows: Sequence[Found], names: Sequence[str], gone: Container[int]) -> Iterator[Loser]:
    """The losers among the valid rows of one unique value: all but the first. Rows in `gone` do not count."""
    left = [found for found in rows if found.row not in gone]
    for found in left[1:]:
        message = f"Row {left[0].number} already has the same value of {', '.join(names)}."
        yield Loser(found.error(UNIQUE_ERROR, message))
