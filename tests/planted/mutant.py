"""A planted bug, and how it is planted."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """
    Attributes:
        promise: what users would lose.
        path: of the file, from the project's folder.
        before, after: the text that is replaced, and what replaces it.
        tests: node ids of pytest; at least one of them fails with the bug.
    """

    name: str
    promise: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]

    def applied_to(self, text: str) -> str:
        """The text with the bug.

        Raises:
            ValueError: `before` does not occur in it exactly once.
        """
        if (times := text.count(self.before)) != 1:
            raise ValueError(f"{self.name}: the text to replace occurs {times} times in {self.path}")
        return text.replace(self.before, self.after)
