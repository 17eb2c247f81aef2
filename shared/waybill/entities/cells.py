"""The rules that a cell is checked against, as far as column lanes use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from .cleaning import Cleaning

TYPE_ERROR = "type-error"
CONSTRAINT_ERROR = "constraint-error"


class Problem(NamedTuple):
    """What is wrong with a cell: Frictionless' error type, and a message for a person: what was expected, and why."""

    type: str
    message: str


class TooComplex(Exception):
    """A value takes too long to check against a constraint; the text is the message for a person."""


Checked = tuple[Any, tuple[Problem, ...]]
"""A cell's value, None for a missing value and for a cell of the wrong type; and what is wrong with it."""


@dataclass(frozen=True)
class Constraint:
    """`limit` is what values compare with, `holds(value)` the test, `problem` what a value that fails it has.

    The test of a `jsonSchema` may raise TooComplex.
    """

    name: str
    limit: Any
    holds: Callable[[Any], bool]

    problem: Problem

    def problem_of(self, value: Any) -> Problem | None:
        """What is wrong with a value; None where nothing is."""
        try:
            return None if self.holds(value) else self.problem
        except TooComplex as error:
            return Problem(CONSTRAINT_ERROR, str(error))


class CheckedField(Protocol):
    """A field of a schema (`fields.Field`), as its lane sees it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Any: ...
    @property
    def format(self) -> str: ...
    @property
    def attribute(self) -> str: ...
    @property
    def missing_values(self) -> tuple[str, ...]: ...
    @property
    def missing(self) -> frozenset[str]: ...
    @property
    def required(self) -> bool: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def required_problem(self) -> Problem: ...
    @property
    def type_problem(self) -> Problem: ...

    @property
    def cleaning(self) -> Cleaning | None: ...

    def read(self, cell: str) -> str:
        """The text that is checked for a cell."""

    def check(self, cell: str) -> Checked:
        """Read one cell as it is in the file."""

    def check_text(self, cell: str) -> Checked:
        """Read a cell's text, cleaned already, as the standard says."""
