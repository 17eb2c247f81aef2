"""`string` in its five formats, and `any`. The text is never changed."""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import Any, ClassVar

from .attributes import check_text, json_text
from .base import SIZED, Attribute, FieldType

# Each grammar fits a whole cell, also one in a frame of NULs (`columns.frame`): hence `(?:\0|\Z)` for the end.
_END = r"(?:\0|\Z)"


def _or_beyond_ascii(characters: str) -> str:
    """A character class of these and of all beyond ASCII; said by what it lacks, because `re` takes 15 ms for each
    range up to U+10FFFF."""
    return "[^" + "".join(f"\\x{code:02x}" for code in range(128) if chr(code) not in characters) + "]"


_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_ATOM = _or_beyond_ascii(f"{ascii_letters}{digits}!#$%&'*+/=?^_`{{|}}~-") + "+"
_QUOTED = '"(?:' + _or_beyond_ascii(_PRINTABLE.translate({0x22: None, 0x5C: None})) + r'|\\[\x20-\x7e])*"'
_ALPHANUMERIC = _or_beyond_ascii(f"{ascii_letters}{digits}")
_IN_LABEL = _or_beyond_ascii(f"{ascii_letters}{digits}-")
_LABEL = f"{_ALPHANUMERIC}(?:{_IN_LABEL}{{0,61}}{_ALPHANUMERIC})?"
_TOP_LABEL = f"{_ALPHANUMERIC}{_IN_LABEL}{{0,61}}{_or_beyond_ascii(ascii_letters)}"
# RFC 5321 mailbox with a domain of two labels or more, the last no number; non-ASCII letters as in RFC 6531.
_EMAIL = (
    rf"(?=[^\0]{{1,254}}{_END})(?=[^\0]{{1,64}}@)(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})"
    rf"@(?:{_LABEL}\.)+{_TOP_LABEL}"
)
# RFC 3986 `URI`: a scheme is needed, reserved characters stand where the grammar has them.
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_URI = (
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    r"(?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-fv:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?(?=[/?#\0]|\Z))?"
    rf"(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)
# The same language without look-ahead, for `automaton.py`; a path may hold what an authority may.
_PATH = rf"(?:{_PCHAR}|/)*"
PLAIN_URI = (
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    r"(?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-fv:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
    rf"(?:/{_PATH})?|{_PATH})(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # RFC 9562 section 4
# RFC 4648 section 4, with padding.
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"

_NOUNS = {"email": "an email address", "uri": "a URI (like https://example.com/)", "uuid": "a UUID", "binary": "base64"}
FORMATS: dict[str, str] = {"default": "", "email": _EMAIL, "uri": _URI, "uuid": _UUID, "binary": _BASE64}


class StringType(FieldType):
    """Any text; or a checked form of it. Stored as it stands in the file."""

    name: ClassVar[str] = "string"
    constraints: ClassVar[frozenset[str]] = SIZED | {"pattern"}

    def __init__(self, format: str = "default") -> None:
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}")
        super().__init__(format)
        self.grammar = FORMATS[format]
        self.noun = _NOUNS.get(format, self.noun)
        self._fits = re.compile(self.grammar).fullmatch

    def parse(self, cell: str) -> str:
        if self.grammar and not self._fits(cell):
            raise ValueError
        return check_text(cell)


class AnyType(FieldType):
    """No type is declared: the text of the cell, untouched."""

    name: ClassVar[str] = "any"

    def parse(self, cell: str) -> str:
        return check_text(cell)

    def parse_given(self, given: Any) -> str:
        return given if isinstance(given, str) else json_text(given)

    def to_json(self, attribute: Attribute) -> Any:
        return attribute["S"]
