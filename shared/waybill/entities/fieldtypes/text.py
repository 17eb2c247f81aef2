"""What `string` and `any` share: text is stored unchanged."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..columns import Lane, escape, positions_where
from .attributes import Attribute, check_text
from .base import FieldType

if TYPE_CHECKING:
    from ..cells import CheckedField, Problem

_EQUALITY = frozenset({"eq", "ne", "in"})
_PARTS = frozenset({"begins", "contains"})


class TextType(FieldType):
    """Parts of a text and bounds of its order, in filters, need not fit its format."""

    is_text: ClassVar[bool] = True

    def parse(self, cell: str) -> str:
        return check_text(cell)

    def filter_noun(self, op: str) -> str:
        if op in _EQUALITY:
            return self.noun
        return "a text that is not empty" if op in _PARTS else "a text"

    def filter_value(self, given: Any, op: str) -> Any:
        if op in _EQUALITY:
            return super().filter_value(given, op)
        if not isinstance(given, str) or (not given and op in _PARTS):
            raise ValueError
        return check_text(given)

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        return operator.itemgetter("S")  # also text that breaks the field's format


class TextLane(Lane):
    """Strings of any text, with `minLength` and `maxLength`."""

    def __init__(self, field: CheckedField) -> None:
        super().__init__(field)
        limits = {rule.name: rule.limit for rule in field.constraints}
        self.fewest: int = limits.get("minLength", 0)
        self.most: int | None = limits.get("maxLength")
        self.only_problems = self._only_problems()

    def _only_problems(self) -> tuple[Problem, ...]:
        rules, wrong_type = self.field.constraints, (self.field.type_problem,)
        if self.field.format == "default":
            return (rules[0].problem,) if len(rules) == 1 else ()
        return () if rules else wrong_type

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        return escape(cells, data) if self._lengths_fit(cells) else None

    def render(self, cells: Sequence[str], data: bytes, unverified: Sequence[int]) -> Sequence[str]:
        return escape(cells, data)

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        lengths = list(map(len, cells))
        found = list(positions_where(operator.lt, lengths, self.fewest)) if self.fewest else []
        if self.most is not None:
            found += positions_where(operator.gt, lengths, self.most)
        return found

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return cells

    def _lengths_fit(self, cells: Sequence[str]) -> bool:
        if self.most is None and not self.fewest:
            return True
        lengths = set(map(len, cells))
        return min(lengths) >= self.fewest and (self.most is None or max(lengths) <= self.most)
