"""Checks of JSON documents that collect every problem instead of raising at the first."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

MAX_TEXT = 200
LINE_PATTERN = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u2028\\u2029]*$"
"""What `is_line` takes, as a pattern of JSON Schema; that the line is not blank is beyond it."""
NAME_PATTERN = "^[A-Za-z0-9/_+=.@:-]*$"
"""Names and ARNs of secrets, as Secrets Manager takes them."""
_NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))
_MAX_SECRET_NAME, _ARN = 512, "arn:"
_KEYS = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY")
_SIGNS = "whsec_"
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


def secret_id_problem(value: object, longest: int) -> str | None:
    """What is wrong with a member `secretId`; None if it may name a secret. What is pasted instead of a name is
    told by its form: it is neither looked up nor repeated."""
    if isinstance(value, str) and (any(mark in value.upper() for mark in _KEYS) or value.startswith(_SIGNS)):
        return "holds a key: give the name of the secret that holds it. It was neither saved nor looked up"
    if not isinstance(value, str) or not 0 < len(value) <= longest or not _NAME.match(value):
        return f"must be the name or ARN of a secret: 1 to {longest} letters, digits and characters of /_+=.@:-"
    if len(value) > _MAX_SECRET_NAME and not value.startswith(_ARN):
        return f"must be the name of a secret, of at most {_MAX_SECRET_NAME} characters, or an ARN"
    return None


def secret_id_schema(longest: int, description: str = "") -> dict[str, Any]:
    """The JSON Schema of what `secret_id_problem` takes, as far as one can say it."""
    described = {"description": description} if description else {}
    return {"type": "string", **described, "minLength": 1, "maxLength": longest, "pattern": NAME_PATTERN}
