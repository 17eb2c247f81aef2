"""How the native library checks a column, in words: `native_rows` makes its structures of this."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
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
    """`name` is one of `native.KINDS`.

    Attributes:
        fewest, most: characters of a cell; None when there is no limit.
        pattern: that the whole cell fits, for kind `automaton`.
        cells: the candidates for kind `words`; the rule decides which are good.
        least, greatest: bounds of numbers, dates and times.
    """

    name: str
    fewest: int = 0
    most: int | None = None
    pattern: str = ""
    cells: Collection[str] = ()
    least: Bound | None = None
    greatest: Bound | None = None


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


def number_bound(limit: Any, is_open: bool) -> Bound | None:
    """A bound of up to 18 digits."""
    number = Decimal(limit)
    scale = max(0, -int(number.as_tuple().exponent))
    if scale > MAX_SCALE or abs(number) >= 10 ** (18 - scale):
        return None
    return Bound(int(number.scaleb(scale)), scale, is_open=is_open)
