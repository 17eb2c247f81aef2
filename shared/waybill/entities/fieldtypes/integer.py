"""`integer`: whole numbers, stored as `N`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any, ClassVar

from ..columns import CacheLane, Lane, hold_at_both_ends, positions_where, with_out_of_bounds
from .attributes import NUMBER_DIGITS, Attribute, number_text
from .base import ColumnKind, Property
from .export_columns import ExportLane, TypedColumns, canonical_numbers
from .number import BARE_NUMBER, GROUP_CHAR, NumberType

if TYPE_CHECKING:
    from ..cells import CheckedField

_MAX_EXPONENT = 400


class IntegerType(NumberType):
    """Whole numbers; `12.0` is not one."""

    name: ClassVar[str] = "integer"
    column: ClassVar[ColumnKind] = "integer"
    properties: ClassVar[Mapping[str, Property]] = {"groupChar": GROUP_CHAR, "bareNumber": BARE_NUMBER}
    has_categories: ClassVar[bool] = True
    noun = "an integer"

    def __init__(self, format: str = "default", *, group_char: str = "", bare_number: bool = True) -> None:
        super().__init__(
            format, decimal_char="," if group_char == "." else ".", group_char=group_char, bare_number=bare_number
        )
        self.plain = not group_char and bare_number

    def _core(self) -> str:
        return rf"[+\-\u2212]?{self._digits()}"

    def _checked(self, text: str) -> Any:
        value = super()._checked(text)
        if value != value.to_integral_value():
            raise ValueError
        return int(value)

    def stored(self, value: Any) -> str:
        return str(value)

    def to_cell(self, attribute: Attribute) -> str:
        text = str(attribute["N"])
        return text if text.lstrip("-").isdigit() else number_text(Decimal(text))

    def lane(self, field: CheckedField) -> Lane:
        return IntegerLane(field) if self.plain else CacheLane(field)

    def cell_of_number(self, text: str) -> str:
        return whole_number_text(text)

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        return lambda values: form.numbers(canonical_numbers(values), ".")

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        return lambda attribute: int(attribute["N"])


def whole_number_text(text: str) -> str:
    """`12.0` and `1.2E1` as `12`; what is not a whole number, or is too large to write out, as it is."""
    if text.lstrip("-").isdigit():
        return text
    try:
        value = Decimal(text)
    except ArithmeticError:
        return text
    is_whole = abs(value.adjusted()) <= _MAX_EXPONENT and value == value.to_integral_value()
    return f"{value:.0f}" if is_whole else text


class IntegerLane(Lane):
    """Plain integers of up to 38 digits."""

    may_be_blank = False
    _CELL = re.compile(r"[+-]?[0-9]{1,38}")

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return texts

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if data.translate(None, b"0123456789+-\0"):
            return None
        rules, signed = self.field.constraints, b"-" in data or b"+" in data
        padded = data.count(b"\x000") != data.count(b"\x000\0")  # a cell with a leading zero, other than `0`
        if not (rules or signed or padded):
            lengths = set(map(len, cells))
            return cells if min(lengths) and max(lengths) <= NUMBER_DIGITS else None
        try:
            numbers = list(map(int, cells))
        except ValueError:
            return None
        least, greatest = min(numbers), max(numbers)
        if least <= -(10**NUMBER_DIGITS) or greatest >= 10**NUMBER_DIGITS:
            return None
        if rules and not hold_at_both_ends(rules, numbers):
            return None
        return list(map(str, numbers)) if padded or b"+" in data or b"-0" in data else cells

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        every = range(len(cells))
        odd = compress(every, map(not_, map(str.isdigit, cells))) if data.isascii() else every
        found = {position for position in odd if not self._CELL.fullmatch(cells[position])}
        found.update(positions_where(operator.gt, list(map(len, cells)), NUMBER_DIGITS))
        return with_out_of_bounds(found, self.field.constraints, cells, int)
