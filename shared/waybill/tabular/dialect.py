"""The dialect of a table: a Table Dialect (https://datapackage.org/standard/table-dialect/)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MAX_ENTRY_CHARS = 255
MAX_SHEETS = 100
# As a sheet name: every visible worksheet.
EVERY_SHEET = "*"
_LINE_TERMINATORS = ("\n", "\r\n", "\r")


class DialectError(ValueError):
    """A Table Dialect that cannot be used. `problems` lists (member, what is wrong with it)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{member}: {message}" for member, message in problems))
        self.problems = problems


@dataclass(frozen=True)
class Dialect:
    """How characters become cells, and which rows are data.

    Delimiter, quote and escape are one ASCII character each; `quote_char` None means no quoting. `header_rows` are the
    declared ones: None takes the first row that is not a comment, an empty tuple says that there is no header. A
    comment is a line that begins with `comment_char` where a record would begin, whatever quotes it holds, or a row of
    `comment_rows`. A cell equal to `null_sequence` is null. `sheet_names` may be several, or (EVERY_SHEET,), which the
    standard does not know, and neither does it know `entry`: which file of an archive is meant.
    """

    delimiter: str = ","
    quote_char: str | None = '"'
    double_quote: bool = True
    escape_char: str | None = None
    skip_initial_space: bool = False
    header_rows: tuple[int, ...] | None = None
    header_join: str = " "
    comment_char: str | None = None
    comment_rows: tuple[int, ...] = ()
    null_sequence: str | None = None
    json_member: str | None = None
    sheet_names: tuple[str, ...] | None = None
    sheet_number: int | None = None
    entry: str | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any], detected_delimiter: str = ",") -> Dialect:
        """Read a Table Dialect. Members that are unknown, or only concern formats that are not supported, are ignored.

        Raises:
            DialectError: a known member has a value that cannot be used.
        """
        problems = [
            (member, message)
            for member, (is_fine, message) in _RULES.items()
            if document.get(member) is not None and not is_fine(document[member])
        ]
        if problems:
            raise DialectError(problems)
        rows, names = document.get("headerRows"), document.get("sheetName")
        dialect = cls(
            delimiter=_given(document, "delimiter", detected_delimiter),
            # null turns quoting off; an absent member does not.
            quote_char=document.get("quoteChar", '"') or None,
            double_quote=_given(document, "doubleQuote", True),
            escape_char=document.get("escapeChar"),
            skip_initial_space=_given(document, "skipInitialSpace", False),
            header_rows=() if document.get("header") is False else rows if rows is None else tuple(sorted(set(rows))),
            header_join=_given(document, "headerJoin", " "),
            comment_char=document.get("commentChar"),
            comment_rows=tuple(sorted(set(document.get("commentRows") or ()))),
            null_sequence=document.get("nullSequence"),
            json_member=document.get("property"),
            sheet_names=(names,) if isinstance(names, str) else None if names is None else tuple(names),
            sheet_number=document.get("sheetNumber"),
            entry=document.get("entry"),
        )
        problems = dialect.contradictions()
        if problems:
            raise DialectError(problems)
        return dialect

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Dialect:
        """The dialect from the JSON form of its `dataclasses.asdict`, without members of a newer version."""
        document = {name: value for name, value in document.items() if name in cls.__dataclass_fields__}
        tuples = {name: tuple(value) for name, value in document.items() if isinstance(value, list)}
        return cls(**{**document, **tuples})

    def contradictions(self) -> list[tuple[str, str]]:
        """(member, what is wrong with it) of members that cannot be used together."""
        problems = []
        if self.quote_char == self.delimiter:
            problems.append(("quoteChar", "must differ from the delimiter"))
        if self.escape_char is not None and self.escape_char in (self.delimiter, self.quote_char):
            problems.append(("escapeChar", "must differ from delimiter and quote"))
        if self.comment_char and self.comment_char[0] in (self.delimiter, self.quote_char, self.escape_char):
            problems.append(("commentChar", "must not begin with delimiter, quote or escape"))
        if self.skip_initial_space and " " in (self.delimiter, self.quote_char, self.escape_char):
            problems.append(("skipInitialSpace", "cannot be used where delimiter, quote or escape is a space"))
        return problems

    def reader_options(self) -> dict[str, Any]:
        """Arguments for `csv.reader` and `csv.writer`."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote_char,
            "doublequote": self.double_quote,
            "escapechar": self.escape_char,
            "skipinitialspace": self.skip_initial_space,
            "quoting": csv.QUOTE_MINIMAL if self.quote_char else csv.QUOTE_NONE,
        }

    @cached_property
    def _first_marks(self) -> tuple[str, ...]:
        """The texts that mean something where a record begins."""
        marks = [self.comment_char, " " if self.skip_initial_space else None]
        return tuple(mark for mark in marks if mark)

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        """The texts that mean something besides delimiter, line breaks and doubled quotes, anywhere but at the first
        character."""
        marks = [self.escape_char, None if self.double_quote else self.quote_char]
        marks += [line_break + mark for line_break in "\n\r" for mark in self._first_marks]
        if self.skip_initial_space:
            marks.append(self.delimiter + " ")
        return tuple(mark for mark in marks if mark)

    @cached_property
    def _first_mark_bytes(self) -> tuple[bytes, ...]:
        return tuple(mark.encode() for mark in self._first_marks)

    @cached_property
    def _mark_bytes(self) -> tuple[bytes, ...]:
        return tuple(mark.encode() for mark in self._marks)

    def is_plain(self, text: str) -> bool:
        """Whether only delimiters, line breaks and doubled quotes have a meaning in `text`, which begins a record."""
        return not (text.startswith(self._first_marks) or any(mark in text for mark in self._marks))

    def is_plain_bytes(self, data: bytes) -> bool:
        """`is_plain` for bytes of any ASCII-compatible encoding."""
        first = self._first_mark_bytes
        return not (data.startswith(first) or any(mark in data for mark in self._mark_bytes))


def _given(document: Mapping[str, Any], member: str, default: Any) -> Any:
    value = document.get(member)
    return default if value is None else value


def _is_character(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1 and value.isascii() and value not in "\r\n\0"


def _is_row(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _are_rows(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 10_000 and all(map(_is_row, value))


def _are_names(value: list[Any]) -> bool:
    are_texts = all(_is_text(name) and name for name in value)
    return are_texts and 0 < len(value) == len(set(value)) <= MAX_SHEETS


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_CHARACTER = "must be one ASCII character, not a line break"
_ROWS = "must be a list of row numbers, counted from 1"
_FLAG = "must be true or false"
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "delimiter": (_is_character, _CHARACTER),
    "lineTerminator": (
        lambda value: value in _LINE_TERMINATORS,
        "must be a line break: LF, CR or CR LF (all three are recognised, whichever is declared)",
    ),
    "quoteChar": (lambda value: value == "" or _is_character(value), _CHARACTER),
    "escapeChar": (_is_character, _CHARACTER),
    "doubleQuote": (_is_flag, _FLAG),
    "skipInitialSpace": (_is_flag, _FLAG),
    "header": (_is_flag, _FLAG),
    "headerRows": (lambda value: _are_rows(value) and bool(value), _ROWS),
    "headerJoin": (_is_text, "must be a text"),
    "commentRows": (_are_rows, _ROWS),
    "commentChar": (
        lambda value: _is_text(value) and bool(value) and value.isascii() and not set("\r\n\0") & set(value),
        "must be ASCII characters without a line break",
    ),
    "nullSequence": (_is_text, "must be a text"),
    "property": (lambda value: _is_text(value) and bool(value), "must be a text"),
    "sheetName": (
        lambda value: _are_names(value) if isinstance(value, list) else _is_text(value) and bool(value),
        f"must be a text, or a list of up to {MAX_SHEETS} different texts",
    ),
    "sheetNumber": (_is_row, "must be a whole number, 1 or more"),
    "entry": (
        lambda value: _is_text(value) and 0 < len(value) <= MAX_ENTRY_CHARS,
        f"must be the name of a file in an archive, or a pattern, of at most {MAX_ENTRY_CHARS} characters",
    ),
}

MEMBERS = frozenset(_RULES)
"""The properties that are read; a document may hold others."""
