"""JSON Lines (https://jsonlines.org): an object or an array a line; line 1 is row 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from waybill.errors import JobFailed
from waybill.tabular.labels import MAX_LABELS
from waybill.tabular.records import RECORD_CAP_BYTES, Readable

_BLOCK_BYTES = 256 * 1024


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
            row, size = number + len(lines) + 1, RECORD_CAP_BYTES // 2**20
            raise JobFailed("row-too-long", f"Row {row} is longer than {size} MiB.", row)
        if not block and not lines[-1]:
            lines.pop()
        for line in lines:
            number += 1
            try:
                yield number, line.decode()
            except UnicodeDecodeError:
                raise JobFailed("encoding-error", f"Row {number} is not valid {encoding}.", number) from None
        if not block:
            return


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
        The names in its objects, in order of their first occurrence; and the value of the first line that is not blank,
        where that is an array.

    Raises:
        JobFailed: `format-error`, the file is not JSON Lines, or has too many names; and what `read_lines` raises.
    """
    names: dict[str, None] = {}
    first: list[Any] | None = None
    is_first = True
    for number, text in lines:
        try:
            value = parse_line(text)
        except BadLine:
            if is_first:
                raise JobFailed(
                    "format-error", "The file is JSON, but not JSON Lines: one object or array a line.", number
                ) from None
            continue
        if value is None:
            continue
        if is_first and isinstance(value, list):
            if value and all(isinstance(item, dict | list) for item in value):
                raise JobFailed(
                    "format-error", "The file is one JSON array; write it as JSON Lines, one object a line.", number
                )
            first = value
        is_first = False
        if isinstance(value, dict) and not names.keys() >= value.keys():
            names.update(dict.fromkeys(value))
            if len(names) > MAX_LABELS:
                raise JobFailed("format-error", f"The objects have more than {MAX_LABELS:,} different names.", number)
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
