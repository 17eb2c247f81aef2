"""What became of the rows of a segment."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TypeVar

from waybill.imports.reports import RowError
from waybill.imports.sinks import RefusedRow

_Value = TypeVar("_Value")


def stopped(row: int) -> RowError:
    """The error of a row that a stopped import did not come to."""
    return RowError(row, None, None, "stopped", None, "The import was stopped before this row.")


@dataclass
class RowBlock:
    """`rows` (numbers), `texts` (requests), `keys` and `digests` run over the good rows, in file order; `unique` holds
    for each unique set of the schema the digests of their values (None where one is null). `errors` has the bad rows by
    number; `raw` gives a row as it stands in the file."""

    raw: Callable[[int], str]
    rows: Sequence[int] = ()
    texts: Sequence[bytes] = ()
    keys: Sequence[str] = ()
    digests: Sequence[int] = ()
    unique: list[list[int | None]] = field(default_factory=list)
    errors: dict[int, list[RowError]] = field(default_factory=dict)
    unprocessed: int = 0

    @property
    def rejected_count(self) -> int:
        return len(self.errors) - self.unprocessed

    def rejected(self) -> Iterator[tuple[str, list[RowError]]]:
        """(row as it stands, its errors) of the bad and the unprocessed rows, in file order."""
        for row in sorted(self.errors):
            yield self.raw(row), self.errors[row]

    def add(self, more: RowBlock) -> None:
        """Take in the rows of another block, none of which is in this one; `raw` must give them already."""
        self.errors |= more.errors
        if not more.rows:
            return
        has_texts = len(self.texts) == len(self.rows)
        rows = [*self.rows, *more.rows]
        order = sorted(range(len(rows)), key=rows.__getitem__)
        self.rows = [rows[place] for place in order]
        self.texts = _in_order([*self.texts, *more.texts], order) if has_texts else ()
        self.keys = _in_order([*self.keys, *more.keys], order)
        self.digests = _in_order([*self.digests, *more.digests], order)

    def reject(self, errors: Mapping[int, RowError]) -> None:
        """Take the rows named out of the good ones."""
        if errors:
            taken = [row for row in self.rows if row in errors]
            self._keep(lambda row: row not in errors)
            self.errors |= {row: [errors[row]] for row in taken}

    def refuse(self, refusal: RefusedRow) -> None:
        """Reject a row that the table did not take; nothing when it is not of this block."""
        self.reject({refusal.row: RowError(refusal.row, None, None, refusal.type, None, refusal.message)})

    def row_of_error(self, count: int) -> int | None:
        """The number behind the `count`-th bad row; None when there are fewer."""
        bad = sorted(self.errors)
        if count <= 0:
            return min([*bad[:1], *self.rows[:1]], default=None)
        return bad[count - 1] + 1 if len(bad) >= count else None

    def stop(self, end_row: int, lost: Container[int] = ()) -> None:
        """Make the rows from `end_row` on unprocessed, and the good ones in `lost`."""
        taken = [row for row in self.rows if row >= end_row or row in lost]
        taken += [row for row in self.errors if row >= end_row]
        self._keep(lambda row: row < end_row and row not in lost)
        self.errors |= {row: [stopped(row)] for row in taken}
        self.unprocessed += len(taken)

    def stop_all(self) -> None:
        """Make the good rows unprocessed; the bad ones stay as they are."""
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
