"""Patterns of string fields: regular expressions that run in linear time on any cell.

The engine is Rust's `regex` through pydantic-core; what it cannot compile (look-around, back-references, oversize) is
refused when the entity is saved. A pattern fits the whole cell, as in XML Schema; `^` and `$` are allowed. `\\d` means
the ASCII digits, and `[a-z-[aeiou]]` subtracts, as in XML Schema.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic_core import SchemaError, SchemaValidator, core_schema

_TOKEN = re.compile(r"\\.|-\[|.", re.DOTALL)
_FIXED_DIGITS = re.compile(r"\^?(?:\\d|\[0-9\])(?:\{([0-9]+)(,?)([0-9]*)\}|(\+))\$?")
_MAX_CHARS = 4_096


class Pattern:
    """One compiled pattern. Raises ValueError with the reason if it is not a linear-time regular expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_CHARS:
            raise ValueError(f"longer than {_MAX_CHARS} characters")
        translated = _translate(text)
        _compile(translated)  # alone first: `a)(b` must not pass inside the group
        whole = rf"\A(?:{translated})\z"
        self._all, self._each = _compile(whole), _compile(whole, none_where_wrong=True)

    def matches(self, cell: str) -> bool:
        return self._all.isinstance_python([cell])

    def match_all(self, cells: Sequence[str]) -> bool:
        return self._all.isinstance_python(cells)

    def failures(self, cells: Sequence[str]) -> list[int]:
        """Positions of the cells that do not match."""
        return [position for position, cell in enumerate(self._each.validate_python(cells)) if cell is None]

    @property
    def digits(self) -> tuple[int, int | None] | None:
        """(fewest, most) when the pattern means only "so many ASCII digits": columns have a shortcut for it."""
        match = _FIXED_DIGITS.fullmatch(self.text)
        if match is None:
            return None
        fewest, comma, most, plus = match.groups()
        if plus:
            return 1, None
        if not comma:
            return int(fewest), int(fewest)
        return int(fewest), int(most) if most else None


def _compile(rust: str, none_where_wrong: bool = False) -> SchemaValidator:
    """A validator of lists of cells."""
    cell: core_schema.CoreSchema = core_schema.str_schema(pattern=rust, regex_engine="rust-regex", strict=True)
    if none_where_wrong:
        cell = core_schema.with_default_schema(cell, default=None, on_error="default")
    try:
        return SchemaValidator(core_schema.list_schema(cell, fail_fast=True))
    except SchemaError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(lines[-1].removeprefix("error: ").removeprefix("SchemaError: ")) from None


def _translate(text: str) -> str:
    r"""XML Schema's reading in Rust's syntax: ASCII `\d`, class subtraction `-[…]` as `--[…]`."""
    out: list[str] = []
    depth = 0
    for part in _TOKEN.findall(text):
        if part == r"\d":
            part = "[0-9]"
        elif part == r"\D":
            part = "[^0-9]"
        elif part == "-[":
            part = "--[" if depth else "-["
            depth += 1
        elif part == "[":
            depth += 1
        elif part == "]" and depth:
            depth -= 1
        out.append(part)
    return "".join(out)
