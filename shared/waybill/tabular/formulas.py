"""The formula guard: spreadsheets read a cell that begins with = + - @ as a formula (OWASP, *CSV Injection*).

An export puts one quote before such a cell, also where it already begins with quotes. An import that asks for it
removes one quote. The two are exact inverses for any text.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+@\t\r-]")
#: The characters that a text begins with where it may need the guard.
GUARD_FIRST = "'=+@\t\r-"


def guard(cell: str) -> str:
    """The cell, with a quote before it where a spreadsheet would read a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """The cell without the quote that `guard` put before it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
