"""`string` in its five formats, and `any`. The text is never changed."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from .attributes import check_text, json_text
from .base import SIZED, Attribute, FieldType

# Each grammar fits a whole cell, also one in a frame of NULs (`columns.frame`): hence `(?:\0|\Z)` for the end.
_END = r"(?:\0|\Z)"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\u0080-\U0010ffff-]{0,61}[A-Za-z0-9\u0080-\U0010ffff])?"
_QUOTED = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"'
_TOP_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff][A-Za-z0-9\u0080-\U0010ffff-]{0,61}[A-Za-z\u0080-\U0010ffff]"
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
