"""How the native library checks a column, in words: `native_rows` makes its structures of this."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

MAX_SCALE = 18


class Bound(NamedTuple):
    """A number (`digits` / 10^`scale`) or a `text` that compares like the cells."""

    digits: int = 0
    scale: int = 0
    text: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class NativeKind:
    """`name` is one of `native.KINDS`, `flags` are some of `native.FLAGS`.

    Attributes:
        fewest, most: characters of a cell, items of a list; None when there is no limit.
        pattern: that the whole cell fits, for kind `automaton`; of strptime, for kind `moment`.
        cells: the candidates for kind `words`; the rule decides which are good.
        least, greatest: bounds of numbers, dates and times.
        point, group: before the fraction, and between groups of digits, of numbers that are `spelled`.
        item, storage, separator: of kind `list`: the kind of the items, their DynamoDB type, and what parts them.
    """

    name: str
    fewest: int = 0
    most: int | None = None
    pattern: str = ""
    cells: Collection[str] = ()
    least: Bound | None = None
    greatest: Bound | None = None
    flags: tuple[str, ...] = ()
    point: str = "."
    group: str = ""
    item: NativeKind | None = None
    storage: str = ""
    separator: str = ""


def bounded(name: str, limits: Mapping[str, Any], bound: Callable[[Any, bool], Bound | None]) -> NativeKind | None:
    """A kind with at most one bound a side; None where `bound(limit, is_open)` is None."""
    sides: dict[str, Bound] = {}
    for constraint, limit in limits.items():
        side = "least" if constraint in ("minimum", "exclusiveMinimum") else "greatest"
        found = bound(limit, constraint.startswith("exclusive"))
        if found is None or side in sides:
            return None
        sides[side] = found
    return NativeKind(name, least=sides.get("least"), greatest=sides.get("greatest"))


_DIRECTIVE = re.compile("%(.)|(.)", re.DOTALL)
_LITERALS = re.compile(r"[ -$&-/:-~]*")  # ASCII but for digits and %


def moment(pattern: str, needed: str, allowed: str, limits: Mapping[str, Any], *parts: str) -> NativeKind | None:
    """A pattern of strptime with one of the `needed` directives, and only `allowed` ones; None for any other."""
    letters = re.findall("%(.)", pattern, re.DOTALL)
    found = set(letters)
    if len(found) < len(letters) or not found <= set(allowed) or len(found & set(needed)) != 1:
        return None
    if not _LITERALS.fullmatch(re.sub("%.", "", pattern, flags=re.DOTALL)):
        return None
    kind = bounded("moment", limits, moment_bound)
    return kind and replace(kind, pattern=pattern, flags=parts)


def moment_bytes(pattern: str) -> bytes:
    """A pattern as the library reads it: literals, and directives with the highest bit set."""
    return bytes(ord(letter) | 0x80 if letter else ord(literal) for letter, literal in _DIRECTIVE.findall(pattern))


def moment_bound(limit: Any, is_open: bool) -> Bound | None:
    """A bound of dates and times: without a fraction of a second."""
    text, fraction = limit if isinstance(limit, tuple) else (limit, "")
    return None if fraction else Bound(text=text, is_open=is_open)


def number_bound(limit: Any, is_open: bool) -> Bound | None:
    """A bound of up to 18 digits."""
    number = Decimal(limit)
    scale = max(0, -int(number.as_tuple().exponent))
    if scale > MAX_SCALE or abs(number) >= 10 ** (18 - scale):
        return None
    return Bound(int(number.scaleb(scale)), scale, is_open=is_open)
