"""The dialect of a delimited file: a Table Dialect (https://datapackage.org/standard/table-dialect/)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DELIMITERS = (",", ";", "\t", "|")

_TEXT_MEMBERS = ("delimiter", "quoteChar")
# Members of the standard whose default is the only value read so far.
_FIXED = {"doubleQuote": True, "header": True, "skipInitialSpace": False, "headerRows": [1]}
_ABSENT = ("escapeChar", "commentChar", "commentRows", "nullSequence", "lineTerminator")


class DialectError(ValueError):
    """`problems`: (member, what is wrong with it)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{member}: {message}" for member, message in problems))
        self.problems = problems


@dataclass(frozen=True)
class Dialect:
    """How bytes become cells. Both characters are one ASCII character; `quote_char` None means no quoting."""

    delimiter: str = ","
    quote_char: str | None = '"'

    @classmethod
    def from_document(cls, document: Mapping[str, Any], detected_delimiter: str = ",") -> Dialect:
        """Read a Table Dialect; unknown members are kept out of the way, not refused.

        Raises:
            DialectError: a known member has a value that cannot be used.
        """
        problems: list[tuple[str, str]] = []
        for member in _TEXT_MEMBERS:
            value = document.get(member)
            if value is None:
                continue
            if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\r\n\0":
                problems.append((member, "must be one ASCII character, not a line break"))
        for member, only in _FIXED.items():
            if document.get(member, only) != only:
                problems.append((member, f"only {only!r} is supported"))
        problems += [(member, "is not supported") for member in _ABSENT if document.get(member) is not None]
        if not problems and document.get("delimiter", ",") == document.get("quoteChar", '"'):
            problems.append(("quoteChar", "must differ from the delimiter"))
        if problems:
            raise DialectError(problems)
        quote_char = document.get("quoteChar", '"')
        return cls(delimiter=document.get("delimiter", detected_delimiter), quote_char=quote_char)

    def reader_options(self) -> dict[str, Any]:
        """Arguments for `csv.reader` and `csv.writer`."""
        if self.quote_char is None:
            return {"delimiter": self.delimiter, "quoting": csv.QUOTE_NONE, "quotechar": None}
        return {"delimiter": self.delimiter, "quotechar": self.quote_char}


def detect_delimiter(header: str, quote_char: str = '"') -> str:
    """The delimiter that splits the header record into the most cells, outside quotes; a comma where none does.

    Args:
        header: the text of the first record.
    """
    outside = "".join(header.split(quote_char)[::2])
    best = max(DELIMITERS, key=outside.count)
    return best if outside.count(best) else ","
