"""Which sheets of a workbook an import reads: those that the dialect names, or else the first one that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from waybill.errors import JobFailed
from waybill.tabular.dialect import EVERY_SHEET, MAX_SHEETS, Dialect

if TYPE_CHECKING:
    from waybill.tabular.sheets import Tab, Value, Workbook

SHEET_CHOSEN = "sheet-chosen"
# Rows of a sheet that are looked at, and sheets.
HEAD_ROWS = 20
_MAX_LOOKS = 50
_MAX_NAMED = 5

Head = list[tuple[int, list["Value"]]]


@dataclass(frozen=True)
class SheetChoice:
    """Indexes of the tabs to read, and the warning about it, if there is anything to tell."""

    tabs: list[int]
    warning: str | None = None


def choose_sheets(book: Workbook, dialect: Dialect, fits: Callable[[Head], bool]) -> SheetChoice:
    """Choose the sheets of a workbook.

    A declared name or number counts, whatever is in that sheet. Else it is the first visible worksheet whose header
    fits; where none does, the first visible one with content, so that its header says what is wrong.

    Args:
        fits: whether the first rows of a sheet begin with a header that fits the schema.

    Raises:
        JobFailed: `source-error`, there is no such sheet.
    """
    return _Choosing(book, dialect, fits).choose()


class _Choosing:
    def __init__(self, book: Workbook, dialect: Dialect, fits: Callable[[Head], bool]) -> None:
        self._book, self._dialect, self._fits = book, dialect, fits
        self._worksheets = [index for index, tab in enumerate(book.tabs) if tab.is_worksheet]
        self._last_row = max(HEAD_ROWS, *(dialect.header_rows or (0,)))
        self._heads: dict[int, Head] = {}

    def choose(self) -> SheetChoice:
        names, number = self._dialect.sheet_names, self._dialect.sheet_number
        if names is not None and names != (EVERY_SHEET,):
            return SheetChoice([self._named(name) for name in names])
        if number is not None and names is None:
            if number > len(self._book.tabs):
                raise JobFailed("source-error", f"The workbook has no sheet number {number}.")
            return SheetChoice([self._checked(number - 1)])
        if not self._worksheets:
            raise JobFailed("source-error", "The workbook has no worksheet.")
        if names is not None:
            return self._every()
        return self._first_that_fits()

    def _named(self, name: str) -> int:
        found = [index for index, tab in enumerate(self._book.tabs) if tab.name == name]
        if not found:
            names = self._list(range(len(self._book.tabs)))
            raise JobFailed("source-error", f'The workbook has no sheet named "{name}"; its sheets are {names}.')
        return self._checked(found[0])

    def _checked(self, index: int) -> int:
        if not self._book.tabs[index].is_worksheet:
            raise JobFailed("source-error", f'"{self._book.tabs[index].name}" is no worksheet.')
        return index

    def _first_that_fits(self) -> SheetChoice:
        visible = self._visible()
        fitting = next((index for index in visible[:_MAX_LOOKS] if self._fit(index)), None)
        if fitting is None:
            filled = (index for index in visible[:_MAX_LOOKS] if self._head(index))
            return SheetChoice([next(filled, visible[0])])
        others = [index for index in self._worksheets[:_MAX_LOOKS] if index != fitting and self._fit(index)]
        if fitting == 0 and not others:
            return SheetChoice([fitting])
        message = f'The sheet "{self._tab(fitting).name}" was read: the first visible one whose header fits.'
        if others:
            message += (
                f" The header of {self._list(others)} fits too. `sheetName` in the dialect chooses, also several."
            )
        return SheetChoice([fitting], message)

    def _every(self) -> SheetChoice:
        """Every visible worksheet whose header fits. Others may hold notes; those with content are told."""
        visible = self._visible()
        if len(visible) > MAX_SHEETS:
            raise JobFailed("source-error", f"The workbook has more than {MAX_SHEETS} sheets.")
        fitting = [index for index in visible if self._fit(index)]
        if not fitting:
            return self._first_that_fits()
        others = [index for index in self._worksheets if index not in fitting and self._head(index)]
        warning = None
        if others:
            warning = (
                f"{len(fitting)} of the workbook's sheets were read. {self._list(others)} were left out: hidden, or "
                "with a header that does not fit."
            )
        return SheetChoice(fitting, warning)

    def _visible(self) -> list[int]:
        return [index for index in self._worksheets if self._tab(index).is_visible] or self._worksheets

    def _tab(self, index: int) -> Tab:
        return self._book.tabs[index]

    def _fit(self, index: int) -> bool:
        head = self._head(index)
        return bool(head) and self._fits([(row, list(values)) for row, values in head])

    def _head(self, index: int) -> Head:
        """The first rows of a sheet; none of one that cannot be read."""
        if index not in self._heads:
            try:
                self._heads[index] = list(self._filled(index))
            except JobFailed:
                self._heads[index] = []
        return self._heads[index]

    def _filled(self, index: int) -> Iterator[tuple[int, list[Any]]]:
        rows = takewhile(lambda row: row[0] <= self._last_row, self._book.rows(index))
        return (row for row in rows if any(value not in (None, "") for value in row[1]))

    def _list(self, indexes: Sequence[int]) -> str:
        names = [f'"{self._tab(index).name}"' for index in indexes]
        shown = ", ".join(names[:_MAX_NAMED])
        return f"{shown} and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else shown or "none"
