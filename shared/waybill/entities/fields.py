"""One field of a schema, and the rule book for one cell.

`Field.check` says, cell by cell, what a field accepts: slow and plain. The fast columns (`columns.py`) must agree with
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .cells import CONSTRAINT_ERROR, TYPE_ERROR, Checked, Constraint, Problem
from .cleaning import Cleaning
from .fieldtypes import FieldType, Unreadable

SHOWN_CHARS = 200  # of a long pattern or list in a message


@dataclass(frozen=True, eq=False)
class Field:
    """A field as `parse_schema` compiled it; `document` is its descriptor, unknown properties included."""

    name: str
    kind: FieldType
    missing_values: tuple[str, ...]
    required: bool
    unique: bool
    constraints: tuple[Constraint, ...]
    document: Mapping[str, Any]
    cleaning: Cleaning | None = None

    @property
    def type(self) -> str:
        return self.kind.name

    @property
    def format(self) -> str:
        return self.kind.format

    @cached_property
    def attribute(self) -> str:
        """Name of the DynamoDB attribute: `_pk`, `_sk`, `_at`, `_by` are ours, so a leading `_` is doubled."""
        return f"_{self.name}" if self.name.startswith("_") else self.name

    @cached_property
    def missing(self) -> frozenset[str]:
        return frozenset(self.missing_values)

    @cached_property
    def required_problem(self) -> Problem:
        return Problem(CONSTRAINT_ERROR, "is required")

    @cached_property
    def type_problem(self) -> Problem:
        return Problem(TYPE_ERROR, f"not {self.kind.noun}")

    def read(self, cell: str) -> str:
        """The text that is checked for a cell: cleaned as declared, the default in the place of a missing value."""
        if self.cleaning is None:
            return cell
        cell = self.cleaning.clean(cell)
        return self.cleaning.default if self.cleaning.default is not None and cell in self.missing else cell

    def check(self, cell: str) -> Checked:
        """Reads one cell as it is in the file."""
        return self.check_text(self.read(cell))

    def check_text(self, cell: str) -> Checked:
        """Reads a cell's text as the standard says: missing values, then the type, then every constraint."""
        if cell in self.missing:
            return None, ((self.required_problem,) if self.required else ())
        try:
            value = self.kind.parse(cell)
        except Unreadable as error:
            return None, (Problem(TYPE_ERROR, f"{self.type_problem.message}: {error}"),)
        except ValueError:  # the standard library's reasons are not worth showing
            return None, (self.type_problem,)
        return value, tuple([problem for rule in self.constraints if (problem := rule.problem_of(value))])


def listed(values: Iterable[Any]) -> str:
    """`a, b, c`, cut where it gets long."""
    text = ""
    for number, value in enumerate(values):
        item = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if len(text) + len(item) > SHOWN_CHARS:
            return f"{text}{', ' if number else ''}…"
        text += f", {item}" if number else item
    return text


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
