"""JSON Lines (https://jsonlines.org): an object or an array a line; line 1 is row 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from waybill.errors import JobFailed
from waybill.tabular.labels import MAX_LABELS
from waybill.tabular.records import RECORD_CAP_BYTES, Readable

_BLOCK_BYTES = 256 * 1024
_NO_LINES = (
    "The file is JSON, but neither JSON Lines, with one object or array a line, nor an array of objects. If an object "
    "has the array in a member, declare its name as `property` in the dialect."
)


class NumberText(str):
    """A JSON number as it is written in the file."""

    __slots__ = ()


class BadLine(ValueError):
    """The line is not a JSON value that can be a row."""


def read_lines(stream: Readable, encoding: str) -> Iterator[tuple[int, str]]:
    """(number, text without line break) of each line of a UTF-8 stream.

    Args:
        encoding: its name in messages.

    Raises:
        JobFailed: `encoding-error` or `row-too-long`, with the row.
    """
    carry, number = b"", 0
    while True:
        block = stream.read(_BLOCK_BYTES)
        lines = (carry + block).split(b"\n")
        carry = lines.pop() if block else b""
        if len(carry) > RECORD_CAP_BYTES:
            raise too_long(number + len(lines) + 1)
        if not block and not lines[-1]:
            lines.pop()
        for line in lines:
            number += 1
            yield number, decoded(line, number, encoding)
        if not block:
            return


def decoded(record: bytes, row: int, encoding: str) -> str:
    """The text of a record in UTF-8; `encoding` is that of the file, for the message.

    Raises:
        JobFailed: `encoding-error`.
    """
    try:
        return record.decode()
    except UnicodeDecodeError:
        raise JobFailed("encoding-error", f"Row {row} is not valid {encoding}.", row) from None


def too_long(row: int) -> JobFailed:
    return JobFailed("row-too-long", f"Row {row} is longer than {RECORD_CAP_BYTES // 2**20} MiB.", row)


def parse_line(text: str) -> dict[str, Any] | list[Any] | None:
    """The value of a line, its numbers as they are written; None for a blank line.

    Raises:
        BadLine: the line is not a JSON (RFC 8259) object or array, or repeats a name.
    """
    if not text or text.isspace():
        return None
    try:
        value = json.loads(
            text, parse_float=NumberText, parse_int=NumberText, parse_constant=_refuse, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        raise BadLine from None
    if not isinstance(value, dict | list):
        raise BadLine
    return value


def json_text(value: Any) -> str:
    """A value of `parse_line` as compact JSON, its members in their order."""
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(name)}:{json_text(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def find_names(lines: Iterator[tuple[int, str]]) -> tuple[list[str], list[Any] | None]:
    """Read a file to its end.

    Returns:
        The names in its objects, in order of their first occurrence; and the value of the first record, where that is
        an array.

    Raises:
        JobFailed: `format-error`, none of it is a record, its arrays begin with what is none, or it has too many names;
            and what the lines raise.
    """
    names: dict[str, None] = {}
    first: list[Any] | None = None
    is_first, first_bad = True, None
    for number, text in lines:
        try:
            value = parse_line(text)
        except BadLine:
            if is_first and first_bad is None and text.strip() == "{":  # an object over several lines
                raise JobFailed("format-error", _NO_LINES, number) from None
            first_bad = first_bad or number
            continue
        if value is None:
            continue
        if is_first and isinstance(value, list):
            if first_bad is not None:
                message = f"Row {first_bad} is no JSON value. It may be the header of the arrays that follow."
                raise JobFailed("format-error", message, first_bad)
            first = value
        is_first = False
        if isinstance(value, dict) and not names.keys() >= value.keys():
            names.update(dict.fromkeys(value))
            if len(names) > MAX_LABELS:
                raise JobFailed("format-error", f"The objects have more than {MAX_LABELS:,} different names.", number)
    if first_bad is not None and is_first:
        raise JobFailed("format-error", _NO_LINES, first_bad)
    if is_first:
        raise JobFailed("empty-file", "The file holds no rows.")
    return list(names), first


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise BadLine
    return value


def _refuse(name: str) -> Any:
    raise BadLine
