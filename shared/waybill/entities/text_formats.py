"""The one rule of each checked form of text: e-mail addresses, URIs, UUIDs, base64.

Whatever checks such a text uses the rule or derives from it: string fields, their fast lanes, the native library (whose
e-mail check is C, held to `is_plain_email` by a property test) and the recipients of reports.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import ascii_letters, digits

# Each grammar fits a whole cell, also one in a frame of NULs (`columns.frame`): hence `(?:\0|\Z)` for the end.
_END = r"(?:\0|\Z)"


def _or_beyond_ascii(characters: str) -> str:
    """A character class of these and of all beyond ASCII; written by what it lacks, because `re` takes 15 ms to compile
    a range up to U+10FFFF."""
    return "[^" + "".join(f"\\x{code:02x}" for code in range(128) if chr(code) not in characters) + "]"


_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_ATOM = _or_beyond_ascii(f"{ascii_letters}{digits}!#$%&'*+/=?^_`{{|}}~-") + "+"
_QUOTED = '"(?:' + _or_beyond_ascii(_PRINTABLE.translate({0x22: None, 0x5C: None})) + r'|\\[\x20-\x7e])*"'
_ALPHANUMERIC = _or_beyond_ascii(f"{ascii_letters}{digits}")
_IN_LABEL = _or_beyond_ascii(f"{ascii_letters}{digits}-")
_LABEL = f"{_ALPHANUMERIC}(?:{_IN_LABEL}{{0,61}}{_ALPHANUMERIC})?"
_TOP_LABEL = f"{_ALPHANUMERIC}{_IN_LABEL}{{0,61}}{_or_beyond_ascii(ascii_letters)}"
# RFC 5321 mailbox with a domain of two labels or more, the last no number; non-ASCII letters as in RFC 6531.
EMAIL = (
    rf"(?=[^\0]{{1,254}}{_END})(?=[^\0]{{1,64}}@)(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})"
    rf"@(?:{_LABEL}\.)+{_TOP_LABEL}"
)
# RFC 3986 `URI`: a scheme is required, reserved characters are allowed where the grammar has them. Without look-ahead,
# so that `automaton.py` reads it too.
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_PATH = rf"(?:{_PCHAR}|/)*"
URI = (
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    r"(?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-fv:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
    rf"(?:/{_PATH})?|{_PATH})(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)
UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # RFC 9562 section 4
# RFC 4648 section 4, with padding.
BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"


@lru_cache(maxsize=1)
def _email() -> re.Pattern[str]:
    return re.compile(EMAIL)


def is_plain_email(text: str) -> bool:
    """Whether a text is an e-mail address in ASCII without a quoted part, as mail services deliver to.

    A dot-atom of up to 64 characters, `@`, a domain name with a dot; no quotes, comments, display names or address
    literals; 254 characters in all.
    """
    return text.isascii() and '"' not in text and "\0" not in text and _email().fullmatch(text) is not None
