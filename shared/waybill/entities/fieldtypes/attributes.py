"""JSON values and numbers as DynamoDB attribute values.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any

NUMBER_DIGITS = 38
MAX_MAGNITUDE = 125  # 9.99…E+125
MIN_MAGNITUDE = -130  # 1E-130
NUMBER_TEXT_CHARS = 1_000  # longer texts are refused unread, which keeps conversions cheap
NESTING_LEVELS = 32
MAX_ITEM_BYTES = 400 * 1024


Attribute = Mapping[str, Any]
"""A DynamoDB attribute value as its JSON protocol writes it: `{"S": "Aa"}`, `{"N": "12"}`, `{"L": [...]}`."""

CANONICAL_NUMBER = r"(?:-?(?:[1-9][0-9]*+|0(?=\.))(?:\.[0-9]*[1-9])?|0)"
_CANONICAL_NUMBERS = re.compile(rf"(?:{CANONICAL_NUMBER}\n)*+")


class Unreadable(ValueError):
    """Why a cell cannot be read, in words for the person who sent the file."""


_SURROGATE = re.compile("[\ud800-\udfff]")


def check_text(text: str) -> str:
    """Refuses halves of UTF-16 pairs: no UTF-8 can carry them (they come from `\\ud800` in JSON)."""
    if not text.isascii() and _SURROGATE.search(text):
        raise Unreadable("text that is not valid Unicode")
    return text


def number_text(value: Decimal) -> str:
    """The one spelling of a number: no exponent, no `+`, no needless zeros, never `-0`.

    Raises:
        Unreadable: DynamoDB cannot hold it (38 significant digits, 1E-130 … 9.99E+125).
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise Unreadable("not a finite number")
    significant = "".join(map(str, digits)).lstrip("0")
    trimmed = significant.rstrip("0")
    if not trimmed:
        return "0"
    if len(trimmed) > NUMBER_DIGITS:
        raise Unreadable(f"more than {NUMBER_DIGITS} digits")
    if not MIN_MAGNITUDE <= exponent + len(significant) - 1 <= MAX_MAGNITUDE:
        raise Unreadable("outside 1E-130 … 9.99E+125")
    exponent += len(significant) - len(trimmed)
    if exponent >= 0:
        text = trimmed + "0" * exponent
    elif len(trimmed) > -exponent:
        text = f"{trimmed[:exponent]}.{trimmed[exponent:]}"
    else:
        text = "0." + trimmed.rjust(-exponent, "0")
    return f"-{text}" if sign else text


def are_canonical(texts: Sequence[str]) -> bool:
    """Whether all are numbers in their one spelling (`number_text`)."""
    lines = "\n".join(texts) + "\n"
    if lines[0] in "123456789":  # integers without a sign, zeros apart, in a third of the time
        data = lines.encode()
        if not data.translate(None, b"0123456789\n") and b"\n0" not in data and b"\n\n" not in data:
            return True
    return _CANONICAL_NUMBERS.fullmatch(lines) is not None


def number_json(text: str) -> int | float | str:
    """A stored number for a JSON answer; as text where a double would change it (long digits never change)."""
    value = Decimal(text)
    plain = number_text(value)
    if "." not in plain:
        return int(plain)
    double = float(plain)
    return double if Decimal(repr(double)) == value else plain


def is_number(value: Any) -> bool:
    """Whether an exact JSON value is a number."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def load_json(text: str) -> Any:
    """Strict JSON: numbers exact (int, Decimal), no NaN, no name twice.

    Raises:
        Unreadable: it is not JSON, or DynamoDB cannot hold it.
    """
    try:
        return json.loads(
            check_text(text), parse_float=_decimal, parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_pairs
        )
    except RecursionError:
        raise Unreadable(f"more than {NESTING_LEVELS} nested levels") from None
    except json.JSONDecodeError:
        raise Unreadable("not valid JSON") from None


def to_attribute(value: Any, level: int = 1) -> str:
    """A JSON value as the JSON text of a DynamoDB attribute value. Raises Unreadable beyond DynamoDB's limits."""
    if value is None:
        return '{"NULL":true}'
    if value is True:
        return '{"BOOL":true}'
    if value is False:
        return '{"BOOL":false}'
    if isinstance(value, str):
        return f'{{"S":{quote(check_text(value))}}}'
    if isinstance(value, int | Decimal):
        return f'{{"N":"{number_text(Decimal(value))}"}}'
    if level > NESTING_LEVELS:
        raise Unreadable(f"more than {NESTING_LEVELS} nested levels")
    if isinstance(value, Mapping):
        if "" in value:
            raise Unreadable("an empty name")
        members = (f"{quote(check_text(name))}:{to_attribute(value[name], level + 1)}" for name in sorted(value))
        return f'{{"M":{{{",".join(members)}}}}}'
    return f'{{"L":[{",".join(to_attribute(item, level + 1) for item in value)}]}}'


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """A DynamoDB attribute value as the JSON value it holds, numbers exact (int, Decimal)."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        number = Decimal(value)
        return int(number) if number == number.to_integral_value() else number
    if kind == "M":
        return {name: from_attribute(value[name]) for name in sorted(value)}
    if kind == "L":
        return [from_attribute(item) for item in value]
    if kind == "NULL":
        return None
    if kind in ("SS", "NS"):  # another writer's sets in a target table
        return sorted(value)
    return value


def to_json(value: Any) -> Any:
    """An exact JSON value for a JSON answer: see `number_json`."""
    if isinstance(value, Decimal):
        return number_json(str(value))
    if isinstance(value, dict):
        return {name: to_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value


def json_text(value: Any) -> str:
    """An exact JSON value as compact text, names sorted: DynamoDB keeps no order of names."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quote(name)}:{json_text(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    return number_text(Decimal(value))


def attribute_bytes(attribute: Mapping[str, Any]) -> int:
    """What an attribute value adds to the size of its item.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    ((kind, value),) = attribute.items()
    if kind == "S":
        return len(str(value).encode())
    if kind == "N":
        digits = value.lstrip("-").replace(".", "").strip("0")
        return (len(digits) + 1) // 2 + (2 if value.startswith("-") else 1)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + attribute_bytes(member) for name, member in value.items())
    if kind == "L":
        return 3 + sum(1 + attribute_bytes(item) for item in value)
    return 1


def _decimal(text: str) -> Decimal:
    if len(text) > NUMBER_TEXT_CHARS:
        raise Unreadable(f"more than {NUMBER_DIGITS} digits")
    try:
        return Decimal(text)
    except ArithmeticError:
        raise Unreadable("outside 1E-130 … 9.99E+125") from None


def _integer(text: str) -> int:
    if len(text) > NUMBER_TEXT_CHARS:
        raise Unreadable(f"more than {NUMBER_DIGITS} digits")
    return int(text)


def _refuse(constant: str) -> Any:
    raise Unreadable(f"{constant} is not JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unreadable("a name twice in one object")
    return members
