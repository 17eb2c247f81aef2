"""The records of a JSON text, each as its own text: lines, a sequence (RFC 7464), or the items of an array.

They are cut out of the stream without being parsed, so that a file of any size takes the memory of its longest record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

from waybill.errors import JobFailed
from waybill.tabular.jsonlines import decoded, read_lines, too_long
from waybill.tabular.records import RECORD_CAP_BYTES, Readable

JsonForm = Literal["lines", "sequence", "array"]

_BLOCK_BYTES = 256 * 1024
_FIRST_LINES = 5
_SPACE = b" \t\r\n"
_SPACE_CHARS = 64  # of white space that are looked at together
_SEPARATOR = b"\x1e"
_STRING = rb'"(?:[^"\\]|\\.)*+"'
_FLAT = rb"\{[^{}\[\]\"]*+(?:%s[^{}\[\]\"]*+)*+\}" % _STRING
#: An object without others in it, up to what follows it.
_FLAT_ITEM = re.compile(rb"\s*+%s\s*+(?=[,\]])" % _FLAT, re.DOTALL)
#: Strings, a quote that opens one without an end, and what has a meaning between them.
_TOKEN = re.compile(rb'%s|["{}\[\],]' % _STRING, re.DOTALL)
_NAMED_JSON = (".jsonl", ".ndjson", ".json")


def json_form(head: str, is_whole: bool, file_name: str, member: str | None = None) -> JsonForm | None:
    """How a text holds its JSON; None where it is no JSON.

    Args:
        head: the beginning of the text, or all of it (`is_whole`).
        file_name: its extension decides where the first line is not JSON, or does not end within the head.
        member: the member of an object that has the array, as the dialect's `property` names it.
    """
    text = head.lstrip(" \t\r\n")
    if text.startswith("\x1e"):
        return "sequence" if text.lstrip("\x1e \t\r\n").startswith(("{", "[")) else None
    if not text.startswith(("{", "[")):
        return None
    if member is not None and text.startswith("{"):
        return "array"
    by_name = file_name.lower().removesuffix(".gz").removesuffix(".zip").endswith(_NAMED_JSON)
    inside = text[1:].lstrip(" \t\r\n")
    line, line_break, rest = text.partition("\n")
    if line_break or is_whole:
        value = _parsed(line)
        if isinstance(value, list):
            return "array" if not value or all(isinstance(item, dict | list) for item in value) else "lines"
        if isinstance(value, dict):
            return "lines"
    elif text.startswith(('{"', "[{")):
        return "lines" if text.startswith("{") else "array"
    if text.startswith("["):
        is_array = inside.startswith("{") or (by_name and inside.startswith("["))
        return "array" if is_array else "lines" if by_name else None
    is_bad_line = any(isinstance(_parsed(line), dict) for line in rest.split("\n", _FIRST_LINES)[:_FIRST_LINES])
    return "lines" if by_name or is_bad_line else None


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def json_records(
    stream: Readable, form: JsonForm, encoding: str, member: str | None = None, *, is_cut: bool = False
) -> Iterator[tuple[int, str]]:
    """(number, text) of the records of a UTF-8 stream: of lines, blank ones too, or of the items of an array.

    Args:
        encoding: its name in messages.
        member: as of `json_form`; a name, or names joined by dots.
        is_cut: the stream is the beginning of a text; a record that it cuts off is left out.

    Raises (while iterating):
        JobFailed: `encoding-error`, `row-too-long` or `format-error`, with the row.
    """
    if form == "lines":
        return read_lines(stream, encoding)
    if form == "sequence":
        return _sequence(stream, encoding, is_cut)
    return _Text(stream, encoding, is_cut).items(member)


def _sequence(stream: Readable, encoding: str, is_cut: bool) -> Iterator[tuple[int, str]]:
    carry, number = b"", 0
    while True:
        block = stream.read(_BLOCK_BYTES)
        records = (carry + block).split(_SEPARATOR)
        carry = records.pop() if block or is_cut else b""
        if len(carry) > RECORD_CAP_BYTES:
            raise too_long(number + 1)
        for record in records:
            if record.strip(_SPACE):
                number += 1
                yield number, decoded(record.strip(_SPACE), number, encoding)
        if not block:
            return


class _Text:
    """A JSON text, read from its beginning; `_at` is the place in the buffered part of it."""

    def __init__(self, stream: Readable, encoding: str, is_cut: bool) -> None:
        self._stream, self._encoding, self._is_cut = stream, encoding, is_cut
        self._buffer, self._at, self._row = b"", 0, 0

    def items(self, member: str | None) -> Iterator[tuple[int, str]]:
        """The items of the array that the text is, or of that in a member."""
        try:
            depth = self._find(member) if self._next() == b"{" and member is not None else 0
            yield from self._items(member)
            for _ in range(depth):
                self._skip_members()
            if not self._is_at_end():
                raise self._bad("There is text behind its end")
        except _CutOff:
            if not self._is_cut:
                raise self._bad("It ends too early") from None

    def _items(self, member: str | None) -> Iterator[tuple[int, str]]:
        if self._next() != b"[":
            raise self._bad("It is no array" if member is None else f'Its member "{member}" is no array')
        self._at += 1
        if self._next() == b"]":
            self._at += 1
            return
        while True:
            end = self._item_end()
            item, after = self._buffer[self._at : end].strip(_SPACE), self._buffer[end : end + 1]
            self._row += 1
            yield self._row, decoded(item, self._row, self._encoding)
            self._at = end + 1
            if after == b"]":
                return

    def _item_end(self) -> int:
        """The place of the comma or bracket behind the item that begins here."""
        while True:
            if found := _FLAT_ITEM.match(self._buffer, self._at):
                return found.end()
            depth = 0
            for token in _TOKEN.finditer(self._buffer, self._at):
                mark = token[0]
                if mark == b'"':  # its end is not there yet
                    break
                if mark in b"{[":
                    depth += 1
                elif depth == 0 and mark in b",]":
                    return token.start()
                elif mark in b"}]":
                    depth -= 1
                    if depth < 0:
                        raise self._bad("Its brackets do not match", self._row + 1)
            if len(self._buffer) - self._at > RECORD_CAP_BYTES:
                raise too_long(self._row + 1)
            self._read(len(self._buffer) - self._at)

    def _find(self, member: str) -> int:
        """Go to the value of a member; returns how many objects have to be closed behind it."""
        path = [member]
        depth = 0
        while True:
            self._at += 1  # the brace
            depth += 1
            name = self._member_named(path[0], path[0].partition(".")[0])
            if name == path[0]:
                return depth
            if name is None or self._next() != b"{":
                raise self._bad(f'It has no member "{member}"')
            path = [path[0].partition(".")[2]]

    def _member_named(self, *names: str) -> str | None:
        """Go to the value of the first member that has one of these names."""
        while self._next() == b'"':
            name = json.loads(self._string())
            if self._next() != b":":
                raise self._bad("It is not valid JSON")
            self._at += 1
            self._next()
            if name in names:
                return str(name)
            self._skip_value()
            if self._next() == b",":
                self._at += 1
        return None

    def _skip_members(self) -> None:
        """Go behind the end of an object, of which a value has just been read."""
        if self._next() == b",":
            self._at += 1
            self._member_named()
        if self._next() != b"}":
            raise self._bad("It is not valid JSON")
        self._at += 1

    def _skip_value(self) -> None:
        """Skip a value of any size, up to the comma or brace behind it."""
        depth = 0
        while True:
            for token in _TOKEN.finditer(self._buffer, self._at):
                mark = token[0]
                if mark == b'"':
                    self._at = token.start()
                    break
                if depth == 0 and mark in b",}]":
                    self._at = token.start()
                    return
                depth += (mark in b"{[") - (mark in b"}]")
                self._at = token.end()
            else:
                self._at = len(self._buffer)
            if len(self._buffer) - self._at > RECORD_CAP_BYTES:
                raise self._bad("One of its texts is too long")
            self._read(len(self._buffer) - self._at)

    def _string(self) -> bytes:
        while True:
            token = _TOKEN.match(self._buffer, self._at)
            if token and len(token[0]) > 1:
                self._at = token.end()
                return token[0]
            if len(self._buffer) - self._at > RECORD_CAP_BYTES:
                raise self._bad("One of its texts is too long")
            self._read(_BLOCK_BYTES)

    def _next(self) -> bytes:
        """The next character that is not white space, which it goes to.

        Raises:
            _CutOff: the text has ended.
        """
        while True:
            end = self._at + _SPACE_CHARS
            rest = self._buffer[self._at : end].lstrip(_SPACE)
            self._at = min(end, len(self._buffer)) - len(rest)
            if rest:
                return rest[:1]
            if self._at == len(self._buffer):
                self._read(_BLOCK_BYTES)

    def _is_at_end(self) -> bool:
        try:
            self._next()
        except _CutOff:
            return True
        return False

    def _read(self, size: int) -> None:
        """Read more, at least a block, and forget what is behind.

        Raises:
            _CutOff: the text has ended.
        """
        more = self._stream.read(max(size, _BLOCK_BYTES))
        if not more:
            raise _CutOff
        self._buffer, self._at = self._buffer[self._at :] + more, 0

    def _bad(self, what: str, row: int | None = None) -> JobFailed:
        after = f" after item {self._row:,}" if self._row and row is None else ""
        return JobFailed("format-error", f"The JSON text cannot be read. {what}{after}.", row)


class _CutOff(Exception):
    """The text ends within a value."""
