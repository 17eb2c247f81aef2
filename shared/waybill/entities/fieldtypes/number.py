"""`number`: exact decimals, stored as `N` in one spelling (see `attributes.number_text`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import compress
from typing import TYPE_CHECKING, Any, ClassVar

from ..columns import COMPARE, Lane, hold_at_both_ends, odd_frames, run_of, with_out_of_bounds, with_stand_ins
from .attributes import NUMBER_TEXT_CHARS, Attribute, Unreadable, number_json, number_text
from .base import ORDERED, ColumnKind, FieldType, Property, flag_problem, text_problem
from .export_columns import ExportLane, TypedColumns, canonical_numbers
from .native_kind import NativeKind, bounded, number_bound

if TYPE_CHECKING:
    from ..cells import CheckedField

GROUP_CHAR = Property("group_char", text_problem)
_SPACES = "[ \\u00a0\\u2000-\\u200a\\u202f\\u205f\\u3000]"  # Unicode's category Zs, without that of Ogham
_DASHES = r"\-\u2212\u2010-\u2015\ufe58\ufe63\uff0d"
_CURRENCY = re.compile(rf"[A-Z]{{3}}|[^\w\s{_DASHES}]?")
#: `- EUR`, and `5-`, `5- EUR`, `5 EUR-` behind the number.
_LEADING_MINUS = re.compile(rf"[-\u2212][^{_DASHES}]*")
_TRAILING_MINUS = re.compile(rf"\s*[-\u2212]|[-\u2212]\s[^{_DASHES}]*|[^{_DASHES}]*[^\s{_DASHES}][-\u2212]")
_STRAY_DASH = re.compile(rf"\s*[{_DASHES}].*|.*[{_DASHES}]", re.DOTALL)
#: `5,-` and `5.-` are prices without cents.
_DASH_FOR_ZEROS = re.compile(rf"[.,'\u2019]\s*[{_DASHES}]")
BARE_NUMBER = Property("bare_number", flag_problem)


class NumberType(FieldType):
    """XML Schema decimal with an optional exponent; NaN and INF are refused, DynamoDB cannot hold them. White space
    around it is dropped, as XML Schema does. The minus sign U+2212 is one.

    `decimal_char` and `group_char` as in the standard; a group character is allowed between digits only, and one that
    is a space stands for every space. With `bare_number` false, text around the number is dropped; it may make the
    number negative (`_is_negative`).
    """

    name: ClassVar[str] = "number"
    column: ClassVar[ColumnKind] = "number"
    properties: ClassVar[Mapping[str, Property]] = {
        "decimalChar": Property("decimal_char", text_problem),
        "groupChar": GROUP_CHAR,
        "bareNumber": BARE_NUMBER,
    }
    storage: ClassVar[str] = "N"
    constraints: ClassVar[frozenset[str]] = ORDERED
    noun = "a number"

    def __init__(
        self, format: str = "default", *, decimal_char: str = ".", group_char: str = "", bare_number: bool = True
    ) -> None:
        super().__init__(format)
        for given in (decimal_char, group_char):
            if re.search(r"[\d+\-]", given):
                raise ValueError("decimalChar and groupChar must not hold digits or signs")
        if not decimal_char or decimal_char == group_char:
            raise ValueError("decimalChar must not be empty nor equal groupChar")
        self.decimal_char, self.group_char, self.bare_number = decimal_char, group_char, bare_number
        self.plain = decimal_char == "." and not group_char and bare_number
        self._group = _SPACES if re.fullmatch(_SPACES, group_char) else re.escape(group_char)
        self._grammar = re.compile(self._wrap(self._core()))

    def _core(self) -> str:
        digits = self._digits()
        point = re.escape(self.decimal_char)
        return rf"[+\-\u2212]?(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"

    def _digits(self) -> str:
        return f"[0-9]+(?:{self._group}[0-9]+)*" if self.group_char else "[0-9]+"

    def _wrap(self, core: str) -> str:
        return f"({core})" if self.bare_number else rf"([^\d]*?)({core})([^\d]*)"

    def _plain_text(self, cell: str) -> str:
        if len(cell) > NUMBER_TEXT_CHARS:
            raise Unreadable("too long")
        match = self._grammar.fullmatch(cell.strip())
        if match is None:
            raise ValueError
        if self.bare_number:
            text = match[1]
        else:
            before, text, after = match.groups()
            if any(char.isnumeric() or char == "±" for char in before.rstrip()[-1:] + after.lstrip()[:1]):  # ½, ²
                raise Unreadable("a sign that changes the value stands beside the digits")
            if _DASH_FOR_ZEROS.match(text[-1] + after) or _DASH_FOR_ZEROS.match(after):
                raise Unreadable("a dash behind the point may stand for zeros or for a minus")
            if _is_negative(before, text, after):
                text = "-" + text.lstrip("-\u2212")
        if self.group_char:
            text = re.sub(self._group, "", text)
        return text.replace("\u2212", "-").replace(self.decimal_char, ".")

    def parse(self, cell: str) -> Any:
        return self._checked(self._plain_text(cell))

    def parse_given(self, given: Any) -> Any:
        if isinstance(given, bool) or not isinstance(given, int | float | Decimal | str):
            raise ValueError
        return self.parse(given) if isinstance(given, str) else self._checked(str(given))

    def _checked(self, text: str) -> Any:
        try:
            value = Decimal(text)
        except ArithmeticError:
            raise Unreadable("outside 1E-130 … 9.99E+125") from None
        number_text(value)  # raises what DynamoDB cannot hold
        return value

    def stored(self, value: Any) -> str:
        return number_text(value)

    def to_json(self, attribute: Attribute) -> Any:
        return number_json(attribute["N"])

    def to_cell(self, attribute: Attribute) -> str:
        text = str(attribute["N"])
        if "E" in text or "e" in text or "+" in text:  # another writer's spelling in a target table
            text = number_text(Decimal(text))
        return text if self.decimal_char == "." else text.replace(".", self.decimal_char)

    def lane(self, field: CheckedField) -> Lane:
        return NumberLane(field) if self.plain else super().lane(field)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        kind = bounded(self.name, limits, number_bound)
        if kind is None or self.plain:
            return kind
        if len(self.decimal_char) != 1 or not self.decimal_char.isascii():
            return None
        ways = {"spelled": True, "spaced": self._group == _SPACES, "with_text": not self.bare_number}
        return replace(kind, flags=tuple(compress(ways, ways.values())), point=self.decimal_char, group=self.group_char)

    def cell_of_number(self, text: str) -> str:
        return text.replace(".", self.decimal_char)

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        return lambda values: form.numbers(canonical_numbers(values), self.decimal_char)

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        return lambda attribute: Decimal(attribute["N"])


def _is_negative(before: str, number: str, after: str) -> bool:
    """Whether a number with text around it is negative: `-5 EUR`, `-$5`, `$-5`, `5-`, `5- EUR`, `5 EUR-`, `(5)`,
    `(5 EUR)`, `EUR (5)`.

    Raises:
        Unreadable: it may be negative or not: `5-pack`, `5 - x`, `five (5)`, `(-5)`, and `5` behind a dash.
    """
    before, after = before.strip(), after.rstrip()
    is_enclosed = "(" in before.rpartition(")")[2] and ")" in after.partition("(")[0]
    if is_enclosed:
        left, _, before = before.rpartition("(")
        after, _, right = after.partition(")")
        if not _CURRENCY.fullmatch(left.strip() + right.strip()):
            raise Unreadable("parentheses make it negative only where at most a currency stands around them")
    leads, trails = _LEADING_MINUS.fullmatch(before), _TRAILING_MINUS.fullmatch(after)
    is_odd = (not leads and re.search(f"[{_DASHES}]", before)) or (not trails and _STRAY_DASH.fullmatch(after))
    signs = [is_enclosed, bool(leads), number[0] in "-\u2212", bool(trails)]
    if is_odd or sum(signs) > 1 or (number[0] == "+" and any(signs)):
        raise Unreadable("a minus must stand right before or behind the number, or at an end of the text")
    return any(signs)


class NumberLane(Lane):
    """Plain decimals of up to 18 digits on either side of the point; others are rare."""

    may_be_blank = False
    _RUN_OF_CELLS = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"

    def __init__(self, field: CheckedField) -> None:
        super().__init__(field)
        self._run = run_of(self._RUN_OF_CELLS)

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return texts

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if not self._run.fullmatch(data.decode()) or not self._within(cells):
            return None
        return self._texts(cells, data)

    def _texts(self, cells: Sequence[str], data: bytes) -> Sequence[str]:
        texts = cells
        if b"." in data and b"0\0" in data:
            texts = [cell.rstrip("0").rstrip(".") if "." in cell else cell for cell in cells]
        if b"-0" in data:
            texts = ["0" if text == "-0" else text for text in texts]
        return texts

    def _within(self, cells: Sequence[str]) -> bool:
        rules = self.field.constraints
        if not rules:
            return True
        # Rounding keeps the order: what is clear of the bound as a double is clear of it.
        doubles = list(map(float, cells))
        ends = min(doubles), max(doubles)
        if all(COMPARE[rule.name](end, rule.limit) and end != float(rule.limit) for rule in rules for end in ends):
            return True
        return hold_at_both_ends(rules, list(map(Decimal, cells)))

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        found = set(odd_frames(data.decode(), self._run))
        if not self.field.constraints or (len(found) < len(cells) and self._within(with_stand_ins(cells, found))):
            return sorted(found)
        return with_out_of_bounds(found, self.field.constraints, cells, Decimal)

    def render(self, cells: Sequence[str], data: bytes, unverified: Sequence[int]) -> Sequence[str]:
        return self._texts(cells, data)
