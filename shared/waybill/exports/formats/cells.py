"""What formats share: columns of cells, and which texts need quoting, escaping or the formula guard. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from waybill.entities.fields import Field
from waybill.entities.fieldtypes.attributes import CANONICAL_NUMBER, from_attribute, json_text
from waybill.entities.fieldtypes.export_columns import Cells, TypedColumns
from waybill.tabular.formulas import guard, unguard

CONTROLS = "".join(map(chr, range(32)))
NUMBER = re.compile(CANONICAL_NUMBER)


class CellRefused(ValueError):
    """A value is not what a cell of the format can hold.

    Attributes:
        reason: the end of a sentence that begins with the field and the record: what it is, and what to do.
        code: the job's error code.
    """

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class Delimited(NamedTuple):
    """How rows of delimited text are written, besides what all dialects share (`csv.py`): `special` are the characters
    for which a cell is quoted; an empty cell is, where `quotes_empty`."""

    delimiter: str
    quote: str
    line_end: str
    special: str
    quotes_empty: bool


class CellFormat(TypedColumns, Protocol):
    """How one format writes cells."""

    @property
    def delimited(self) -> Delimited | None:
        """How the C library may write rows; None where they are no delimited text."""

    def null(self, field: Field, *, guarded: bool) -> str:
        """The whole cell of an absent value: the first of the field's missing values."""

    def rows(self, columns: Sequence[Cells]) -> str:
        """The rows of a page; there is at least one column and one row."""

    def header(self) -> str:
        """The row of names; empty where the format has none."""


class Care:
    """Finds the texts that need care: quoting, escaping or the formula guard.

    Args:
        anywhere: characters that need care anywhere in a text; a line feed always does.
        first, last: characters that need care at the beginning or the end of a text.
    """

    def __init__(self, anywhere: str, first: str = "", last: str = "") -> None:
        self._anywhere = re.compile(f"[\n{re.escape(anywhere)}]").search
        self._first, self._last = frozenset(first), frozenset(last)
        classes = bytearray(b"a" * 256)
        for char in first + last:  # the first byte stands for a character of several
            classes[char.encode()[0]] = ord("e")
        for char in anywhere:
            classes[char.encode()[0]] = ord("x")
        classes[ord("\n")] = ord("n")
        self._classes = bytes(classes)
        self._harmless = bytes(byte for byte in range(256) if classes[byte] == ord("a"))

    def is_needless(self, cells: Sequence[str], data: bytes) -> bool:
        """Whether no text of a column needs care; `data` is `framed(cells)`."""
        if len(data.translate(None, self._harmless)) == len(cells) + 1:
            return True
        classes = data.translate(self._classes)
        return (
            b"x" not in classes
            and classes.count(b"n") == len(cells) + 1
            and b"ne" not in classes
            and b"en" not in classes
        )

    def take(self, cells: Sequence[str], careful: Callable[[str], str]) -> list[str]:
        """The texts, those that may need care through `careful`."""
        first, last, search = self._first, self._last, self._anywhere
        return [careful(cell) if cell[:1] in first or cell[-1:] in last or search(cell) else cell for cell in cells]


def framed(cells: Sequence[str]) -> bytes:
    """The texts in UTF-8, a line feed before and after each. Raises TypeError where one is not a text."""
    return ("\n" + "\n".join(cells) + "\n").encode()


def join_columns(parts: Iterable[str | Sequence[str]]) -> str:
    """The text of the rows: in each row, constants and cells of columns in the order of `parts`."""
    merged: list[str | Sequence[str]] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    endless = (repeat(part) if isinstance(part, str) else part for part in merged)
    return "".join(map("".join, zip(*endless, strict=False)))


def null_text(field: Field, guarded: bool) -> str:
    """What an import reads as null. It needs a guard only where an import would remove its first quote."""
    text = field.missing_values[0] if field.missing_values else ""
    return guard(text) if guarded and unguard(text) != text else text


def nested_text(attribute: Mapping[str, Any], to_cell: Callable[[Mapping[str, Any]], str]) -> str:
    if not isinstance(attribute, dict):
        raise TypeError
    try:
        return to_cell(attribute)
    except (KeyError, TypeError, ValueError):  # a list with items of another type
        return json_text(from_attribute(attribute))
