"""What became of rows: the errors of the bad ones, the requests of the good ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import NamedTuple, TypeVar

_Value = TypeVar("_Value")

#: The error of a row that another row of the file replaces.
DUPLICATE_KEY = "duplicate-key"
#: The error of a row that names a record which is not there.
FOREIGN_KEY = "foreign-key"
#: The error of a row whose text is gone with the file; and of a job with such rows.
SOURCE_CHANGED = "source-changed"


class RowError(NamedTuple):
    """One error of one row; the types are the contract's. `field_number` counts the file's columns from 1, None for
    an error of the whole row. `row_number` is None for an error of the file."""

    row_number: int | None
    field_number: int | None
    field_name: str | None
    type: str
    cell: str | None
    message: str

    @classmethod
    def whole(cls, row: int | None, type: str, message: str) -> RowError:
        """The error of a row as a whole, or, without a number, of the file."""
        return cls(row, None, None, type, None, message)


def stopped(row: int) -> RowError:
    """The error of a row that a stopped import did not reach."""
    return RowError.whole(row, "stopped", "The import was stopped before this row.")


def _unknown_record(row: int) -> str:
    raise LookupError(f"The record of row {row} is not available.")


@dataclass
class RowBlock:
    """A block of rows, checked.

    `rows` (numbers), `texts` (requests), `keys` and their xxh3 64-bit `digests` run over the good rows, in file order;
    `unique` holds for each unique set of the schema that the file has the digests of the rows' values (None where one
    is null). `errors` has the bad rows by number, each with its errors from left to right; `raw` returns a row as it
    is in the file.
    """

    raw: Callable[[int], str] = _unknown_record
    rows: Sequence[int] = ()
    texts: Sequence[bytes] = ()
    keys: Sequence[str] = ()
    digests: Sequence[int] = ()
    unique: list[Sequence[int | None]] = field(default_factory=list)
    errors: dict[int, list[RowError]] = field(default_factory=dict)
    unprocessed: int = 0

    @property
    def rejected_count(self) -> int:
        return len(self.errors) - self.unprocessed

    @property
    def repeated(self) -> int:
        """Rejected rows that another row of the file replaces."""
        return sum(errors[0].type == DUPLICATE_KEY for errors in self.errors.values())

    def rejected(self) -> Iterator[tuple[str, list[RowError]]]:
        """(row as it is in the file, its errors) of the bad and the unprocessed rows, in file order."""
        for row in sorted(self.errors):
            yield self.raw(row), self.errors[row]

    def add(self, more: RowBlock) -> None:
        """Adds the rows of another block, none of which is in this one; `raw` must know them already."""
        self.errors |= more.errors
        if not more.rows:
            return
        rows = [*self.rows, *more.rows]
        has_texts = len(self.texts) + len(more.texts) == len(rows)
        order = sorted(range(len(rows)), key=rows.__getitem__)
        self.rows = [rows[place] for place in order]
        self.texts = _in_order([*self.texts, *more.texts], order) if has_texts else ()
        self.keys = _in_order([*self.keys, *more.keys], order)
        self.digests = _in_order([*self.digests, *more.digests], order)
        sets = zip(self.unique, more.unique, strict=True)
        self.unique = [_in_order([*ours, *theirs], order) for ours, theirs in sets]

    def reject(self, errors: Mapping[int, RowError]) -> None:
        """Moves these rows from the good ones to the bad ones; others are ignored."""
        if errors:
            self.reject_all({row: [errors[row]] for row in self.rows if row in errors})

    def reject_all(self, errors: Mapping[int, list[RowError]]) -> None:
        """Moves these rows, all of them good ones, to the bad ones with all their errors."""
        self._keep(lambda row: row not in errors)
        self.errors |= errors

    def row_of_error(self, count: int) -> int | None:
        """The row number after the `count`-th bad row; None when there are fewer. A row that another one of the file
        replaces is not bad."""
        if count <= 0:
            return min([*self.errors, *self.rows[:1]], default=None)
        bad = sorted(row for row, errors in self.errors.items() if errors[0].type != DUPLICATE_KEY)
        return bad[count - 1] + 1 if len(bad) >= count else None

    def stop(self, end_row: int, lost: Container[int] = ()) -> None:
        """Makes the rows from `end_row` on unprocessed, and the good ones in `lost`. Those that another row of the file
        replaces stay rejected: they are not to be imported later."""
        taken = [row for row in self.rows if row >= end_row or row in lost]
        taken += [row for row, errors in self.errors.items() if row >= end_row and errors[0].type != DUPLICATE_KEY]
        self._keep(lambda row: row < end_row and row not in lost)
        self.errors |= {row: [stopped(row)] for row in taken}
        self.unprocessed += len(taken)

    def stop_all(self) -> None:
        """Makes the good rows unprocessed; the bad ones stay as they are."""
        self.errors |= {row: [stopped(row)] for row in self.rows}
        self.unprocessed += len(self.rows)
        self._keep(lambda row: False)

    def _keep(self, wanted: Callable[[int], bool]) -> None:
        good = list(map(wanted, self.rows))
        if all(good):
            return
        self.rows = list(compress(self.rows, good))
        self.texts = list(compress(self.texts, good))
        self.keys = list(compress(self.keys, good))
        self.digests = list(compress(self.digests, good))
        self.unique = [list(compress(values, good)) for values in self.unique]


def _in_order(values: Sequence[_Value], order: Sequence[int]) -> list[_Value]:
    return [values[place] for place in order]
