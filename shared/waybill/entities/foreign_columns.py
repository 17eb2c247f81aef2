"""Columns that the C library does not know: it hands out their cells, and takes what the lanes make of them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from waybill import native
from waybill.native import Answers, Span
from waybill.tabular.formulas import unguard

from .row_compiler import FileColumn, Output


class ForeignColumns:
    """The foreign columns of one file, in its order. Not safe for concurrent use: lanes remember cells."""

    def __init__(self, columns: Sequence[FileColumn], own_table: bool, guarded: Container[int] = ()) -> None:
        self.columns = columns
        self._guarded = guarded
        self.positions = [column.index for column in columns]
        self._own_table = own_table

    def answers(self, collected: str, kept: list[object]) -> list[Answers]:
        """What became of the cells, for each column.

        Args:
            collected: the cells as `waybill_collect` writes them: record by record, each with a NUL behind it.
            kept: gets what the answers point to.
        """
        cells = collected.split("\0")
        del cells[-1]
        width = len(self.columns)
        return [self._answered(column, cells[place::width], kept) for place, column in enumerate(self.columns)]

    def _answered(self, column: FileColumn, cells: list[str], kept: list[object]) -> Answers:
        if not cells:
            return Answers(statuses=b"", texts=Span.of(b""), identities=Span.of(b""))
        if column.index in self._guarded:
            cells = list(map(unguard, cells))
        output = Output(column, cells)
        if column.is_key:
            output.find_missing_keys()
        texts, problems = output.texts, output.converted.problems
        statuses = bytearray(len(cells))
        for position in output.blanks:
            statuses[position] |= native.BLANK
        for position in output.nulls:
            statuses[position] |= native.ABSENT
        if problems:
            texts = list(texts)
            for position in problems:
                statuses[position] |= native.DOUBTED
                texts[position] = ""
        identities = _identities(output, statuses, self._own_table) if column.is_compared else ()
        encoded = [bytes(statuses), _ended(texts), _ended(identities)]
        kept += encoded
        return Answers(statuses=encoded[0], texts=Span.of(encoded[1]), identities=Span.of(encoded[2]))


def _identities(output: Output, statuses: bytearray, own_table: bool) -> Sequence[str]:
    """What keys and unique values are made of; `""` for cells that have none."""
    good = [not status & (native.ABSENT | native.DOUBTED) for status in statuses]
    if not all(good):
        output.keep(good)
    if not output.cells:
        return [""] * len(good)
    found = iter(output.key_values(own_table) if output.column.is_key else output.identities())
    return [next(found) if is_good else "" for is_good in good]


def _ended(texts: Sequence[str]) -> bytes:
    """The texts with a NUL behind each."""
    return ("\0".join(texts) + "\0").encode()
