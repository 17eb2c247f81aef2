"""How the cells of a field are cleaned before they are read: the members `clean`, `values` and `default` of a field.

They belong to Waybill, not to Table Schema; only what a field declares is cleaned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from unicodedata import normalize

_SPACES = re.compile(r"\s+")

#: The steps of `clean`, in the order in which they are taken.
STEPS: dict[str, Callable[[str], str]] = {
    "trim": str.strip,
    "collapse": lambda cell: _SPACES.sub(" ", cell),
    "nfc": lambda cell: normalize("NFC", cell),
    "upper": str.upper,
    "lower": str.lower,
}
MAX_VALUES = 4_096


@dataclass(frozen=True)
class Cleaning:
    """What becomes of a cell before it is read.

    `steps` are names of `STEPS` in their order; `values` are whole cells, as the steps leave them, and what stands for
    each; `default` is the cell that stands for a missing value.
    """

    steps: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None

    def clean(self, cell: str) -> str:
        """The cell after `steps` and `values`; whether it is a missing value is the field's to say."""
        cell = self.stepped(cell)
        return self.values.get(cell, cell)

    def stepped(self, cell: str) -> str:
        for step in self.steps:
            cell = STEPS[step](cell)
        return cell
