"""`number`, `integer`, `year`: exact decimals, stored as `N` in one spelling (see `attributes.number_text`)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar

from .attributes import NUMBER_TEXT_CHARS, Unreadable, number_json, number_text
from .base import ORDERED, Attribute, FieldType


class NumberType(FieldType):
    """XML Schema decimal with an optional exponent; NaN and INF are refused, DynamoDB cannot hold them. White space
    around it is dropped, as XML Schema does.

    `decimal_char` and `group_char` as in the standard; a group character stands between digits only. With
    `bare_number` false, text around the number is dropped, but for a minus that is not right before the number.
    """

    name: ClassVar[str] = "number"
    storage: ClassVar[str] = "N"
    constraints: ClassVar[frozenset[str]] = ORDERED
    noun = "a number"

    def __init__(
        self, format: str = "default", *, decimal_char: str = ".", group_char: str = "", bare_number: bool = True
    ) -> None:
        if format != "default":
            raise ValueError("format must be default")
        super().__init__(format)
        for given in (decimal_char, group_char):
            if re.search(r"[\d+\-]", given):
                raise ValueError("decimalChar and groupChar must not hold digits or signs")
        if not decimal_char or decimal_char == group_char:
            raise ValueError("decimalChar must not be empty nor equal groupChar")
        self.decimal_char, self.group_char, self.bare_number = decimal_char, group_char, bare_number
        self.plain = decimal_char == "." and not group_char and bare_number
        self._grammar = re.compile(self._wrap(self._core()))

    def _core(self) -> str:
        digits = self._digits()
        point = re.escape(self.decimal_char)
        return rf"[+-]?(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"

    def _digits(self) -> str:
        return rf"[0-9]+(?:{re.escape(self.group_char)}[0-9]+)*" if self.group_char else "[0-9]+"

    def _wrap(self, core: str) -> str:
        return f"({core})" if self.bare_number else rf"[^\d-]*?({core})(?!\s*-\s*\Z)[^\d]*"

    def _plain_text(self, cell: str) -> str:
        if len(cell) > NUMBER_TEXT_CHARS:
            raise Unreadable("too long")
        match = self._grammar.fullmatch(cell.strip())
        if match is None:
            raise ValueError
        text = match[1]
        if self.group_char:
            text = text.replace(self.group_char, "")
        return text.replace(self.decimal_char, ".")

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


class IntegerType(NumberType):
    """Whole numbers; `12.0` is none."""

    name: ClassVar[str] = "integer"
    noun = "an integer"

    def __init__(self, format: str = "default", *, group_char: str = "", bare_number: bool = True) -> None:
        super().__init__(
            format, decimal_char="," if group_char == "." else ".", group_char=group_char, bare_number=bare_number
        )
        self.plain = not group_char and bare_number

    def _core(self) -> str:
        return f"[+-]?{self._digits()}"

    def _plain_text(self, cell: str) -> str:
        if len(cell) > NUMBER_TEXT_CHARS:
            raise Unreadable("too long")
        match = self._grammar.fullmatch(cell.strip())
        if match is None:
            raise ValueError
        return match[1].replace(self.group_char, "") if self.group_char else match[1]

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


class YearType(FieldType):
    """Four digits, `0000` to `9999` (XML Schema gYear without a time zone); stored as a number."""

    name: ClassVar[str] = "year"
    storage: ClassVar[str] = "N"
    constraints: ClassVar[frozenset[str]] = ORDERED

    noun = "a year (YYYY)"

    _GRAMMAR = re.compile("[0-9]{4}")

    def __init__(self, format: str = "default") -> None:
        if format != "default":
            raise ValueError("format must be default")
        super().__init__(format)

    def parse(self, cell: str) -> int:
        if not self._GRAMMAR.fullmatch(cell):
            raise ValueError
        return int(cell)

    def parse_given(self, given: Any) -> int:
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= 9999:
            return given
        if isinstance(given, str):
            return self.parse(given)
        raise ValueError

    def to_json(self, attribute: Attribute) -> int:
        return int(Decimal(attribute["N"]))

    def to_cell(self, attribute: Attribute) -> str:
        return f"{int(Decimal(attribute['N'])):04d}"
