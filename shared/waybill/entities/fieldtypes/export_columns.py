"""Between field types and export formats: a type hands its column to the format as one of a few kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from .attributes import Attribute, are_canonical, number_text

_CACHED_TEXTS = 50_000


class Cells(NamedTuple):
    """A column of a page: each cell is `opening`, its text and `closing`."""

    opening: str
    texts: Sequence[str]
    closing: str

    def whole(self) -> Sequence[str]:
        if not (self.opening or self.closing):
            return self.texts
        return [f"{self.opening}{text}{self.closing}" for text in self.texts]


ExportLane = Callable[[Sequence[Any]], Cells]


class TypedColumns(Protocol):
    """How an export format writes columns. Each method raises TypeError or KeyError for a value of another type."""

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        """Texts, with the formula guard where asked for."""

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        """Numbers in their canonical text. One in another spelling is written as a text."""

    def booleans(self, values: Sequence[bool], words: Mapping[bool, str] | None) -> Cells:
        """Booleans, in the words of their type (None: `true` and `false`)."""

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        """Dates in ISO 8601; `to_cell` has the text that their type writes, where that is another."""

    def moments(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        """Dates with times in ISO 8601; `to_cell` as of `dates`."""

    def nested(self, attributes: Sequence[Attribute], to_cell: Callable[[Attribute], str]) -> Cells:
        """Maps and lists, as DynamoDB attributes; `to_cell` returns the text that their type writes."""


class CachedTexts(dict[str, str]):
    """Stored text → cell text; the stored one where it is not of the type."""

    def __init__(self, to_cell: Callable[[str], str]) -> None:
        super().__init__()
        self._to_cell = to_cell

    def __missing__(self, text: str) -> str:
        if not isinstance(text, str):
            raise KeyError(text)
        try:
            cell = self._to_cell(text)
        except (ValueError, ArithmeticError):
            cell = text
        if len(self) >= _CACHED_TEXTS:
            self.clear()
        self[text] = cell
        return cell


def canonical_numbers(values: Sequence[str]) -> Sequence[str]:
    """Numbers in their one spelling, which DynamoDB keeps; emulators of it may not."""
    return values if are_canonical(values) else [_canonical_number(value) for value in values]


def _canonical_number(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError
    try:
        return number_text(Decimal(text))
    except (ValueError, ArithmeticError):
        return text
