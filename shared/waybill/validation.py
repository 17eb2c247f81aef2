"""Checks of JSON documents that collect every problem instead of raising at the first."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

MAX_TEXT = 200
LINE_PATTERN = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u2028\\u2029]*$"
"""What `is_line` takes, as a pattern of JSON Schema; that the line is not blank is beyond it."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Problems = list[tuple[str, str]]
"""(JSON Pointer of the member, what is wrong with it)"""


def refuse_unknown(given: Mapping[str, Any], known: Collection[str], path: str, problems: Problems) -> None:
    """Add one problem for each unknown member: a misspelt option must not pass silently."""
    problems.extend((f"{path}/{pointer_token(member)}", "unknown member") for member in given if member not in known)


def pointer_token(member: str) -> str:
    """A member name as one token of a JSON Pointer (RFC 6901, section 3)."""
    return member.replace("~", "~0").replace("/", "~1")


def is_line(value: object, longest: int) -> bool:
    """Whether the value is text that is not blank, without control characters and line breaks."""
    return isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= longest and not _CONTROL.search(value)
