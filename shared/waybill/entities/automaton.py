"""Patterns as tables that a loop of one step a byte can run: deterministic automata over ASCII.

Only for speed: `patterns.Pattern` is the rule. A pattern that is not supported here (Unicode classes, flags, word
boundaries, class operations, more than 255 states) has no automaton and is left to the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MAX_STATES = 255
ASCII = 128
_MAX_NODES = 4_000
_MAX_DEPTH = 30
_EVERY = (1 << ASCII) - 1


def _mask(characters: str) -> int:
    mask = 0
    for character in characters:
        mask |= 1 << ord(character)
    return mask


_DIGITS = _mask("0123456789")
_WORD = _DIGITS | _mask("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = _mask("\t\n\v\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE} | {
    "D": _EVERY & ~_DIGITS,
    "W": _EVERY & ~_WORD,
    "S": _EVERY & ~_SPACE,
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_SPECIAL = frozenset("()[]{}*+?|^$.\\")
_OPERATIONS = ("&&", "--", "~~", "-[")


@dataclass(frozen=True)
class Automaton:
    """`steps[state * 128 + byte]` is the next state: 1 is the start, 0 the failure. `accepting[state]`: 0 or 1."""

    steps: bytes
    accepting: bytes

    def fits(self, text: str) -> bool:
        """Whether the whole of an ASCII text fits."""
        state = 1
        for byte in text.encode("ascii"):
            state = self.steps[state * ASCII + byte]
        return bool(self.accepting[state])


class _Unknown(Exception):
    """The pattern contains something that is not supported here."""


@lru_cache(maxsize=64)
def automaton_of(pattern: str) -> Automaton | None:
    """The automaton of a pattern, which fits whole cells; None where the pattern is not supported."""
    try:
        parser = _PatternParser(pattern)
        return _determined(parser.nodes, parser.parse())
    except _Unknown:
        return None


class _Nodes:
    """A nondeterministic automaton: `free[n]` are the nodes reached without a character, `steps[n]` the step by one."""

    def __init__(self) -> None:
        self.free: list[list[int]] = []
        self.steps: list[tuple[int, int] | None] = []  # (characters, node)

    def new(self) -> int:
        if len(self.free) > _MAX_NODES:
            raise _Unknown
        self.free.append([])
        self.steps.append(None)
        return len(self.free) - 1


class _Characters(NamedTuple):
    mask: int


class _Row(NamedTuple):
    parts: list[_Part]


class _Either(NamedTuple):
    parts: list[_Part]


class _Repeat(NamedTuple):
    part: _Part
    fewest: int
    most: int | None


_Part = _Characters | _Row | _Either | _Repeat


class _PatternParser:
    """Parses a pattern to a tree, then builds its nodes."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = self._depth = 0
        self.nodes = _Nodes()

    def parse(self) -> tuple[int, int]:
        """(first node, last node)."""
        if not self._text.isascii():
            raise _Unknown
        self._take("^")
        tree = self._alternatives()
        self._take("$")
        if self._at < len(self._text):
            raise _Unknown
        return self._build(tree)

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) * found
        return found

    def _next(self) -> str:
        if self._at == len(self._text):
            raise _Unknown
        self._at += 1
        return self._text[self._at - 1]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _alternatives(self) -> _Part:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Unknown
        rows = [self._row()]
        while self._take("|"):
            rows.append(self._row())
        self._depth -= 1
        return _Either(rows) if len(rows) > 1 else rows[0]

    def _row(self) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")", "$"):
            parts.append(self._repeated(self._atom()))
        return _Row(parts)

    def _atom(self) -> _Part:
        mark = self._next()
        if mark == "(":
            if self._take("?") and not self._take(":"):
                raise _Unknown
            part = self._alternatives()
            if not self._take(")"):
                raise _Unknown
            return part
        if mark == "[":
            return _Characters(self._class())
        if mark == ".":
            return _Characters(_EVERY & ~_mask("\n"))
        if mark == "\\":
            return _Characters(self._escape())
        if mark in _SPECIAL:
            raise _Unknown
        return _Characters(_mask(mark))

    def _escape(self) -> int:
        mark = self._next()
        if mark in _CLASSES:
            return _CLASSES[mark]
        if mark in _CONTROLS:
            return _mask(_CONTROLS[mark])
        if mark.isalnum():
            raise _Unknown
        return _mask(mark)

    def _class(self) -> int:
        negated, mask, is_first = self._take("^"), 0, True
        while is_first or self._peek() != "]":
            is_first = False
            if any(self._text.startswith(operation, self._at) for operation in _OPERATIONS):
                raise _Unknown
            low, is_single = self._class_member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high, is_character = self._class_member()
                if not (is_single and is_character) or low > high:
                    raise _Unknown
                low = (high << 1) - low  # all from one to the other
            mask |= low
        self._at += 1
        return _EVERY & ~mask if negated else mask

    def _class_member(self) -> tuple[int, bool]:
        """(the characters, whether it is exactly one)."""
        mark = self._next()
        if mark in "[]":
            raise _Unknown
        if mark != "\\":
            return _mask(mark), True
        is_single = self._peek() not in _CLASSES
        return self._escape(), is_single

    def _repeated(self, part: _Part) -> _Part:
        while (mark := self._peek()) and mark in "*+?{":
            self._at += 1
            fewest, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(mark) or self._counts()
            self._take("?")  # lazy or not, the same texts fit as a whole
            part = _Repeat(part, fewest, most)
        return part

    def _counts(self) -> tuple[int, int | None]:
        end = self._text.find("}", self._at)
        fewest, comma, most = self._text[self._at : end].partition(",") if end > 0 else ("", "", "")
        if not fewest.isdigit() or not (most.isdigit() or not most):
            raise _Unknown
        self._at = end + 1
        if not comma:
            return int(fewest), int(fewest)
        return int(fewest), int(most) if most else None

    def _build(self, part: _Part) -> tuple[int, int]:
        nodes = self.nodes
        first = last = nodes.new()
        match part:
            case _Characters(mask):
                last = nodes.new()
                nodes.steps[first] = (mask, last)
            case _Either(parts):
                last = nodes.new()
                for inner in parts:
                    begin, end = self._build(inner)
                    nodes.free[first].append(begin)
                    nodes.free[end].append(last)
            case _Row(parts):
                for inner in parts:
                    last = self._append(last, inner)
            case _Repeat(inner, fewest, most):
                for _ in range(fewest):
                    last = self._append(last, inner)
                if most is None:
                    begin, end = self._build(inner)
                    after = nodes.new()
                    nodes.free[last] += [begin, after]
                    nodes.free[end] += [begin, after]
                    return first, after
                for _ in range(most - fewest):
                    before, end = last, self._append(last, inner)
                    last = nodes.new()
                    nodes.free[before].append(last)
                    nodes.free[end].append(last)
        return first, last

    def _append(self, last: int, part: _Part) -> int:
        begin, end = self._build(part)
        self.nodes.free[last].append(begin)
        return end


def _determined(nodes: _Nodes, ends: tuple[int, int]) -> Automaton:
    """The subset construction; characters that no step tells apart are one letter."""
    first, last = ends
    masks = {step[0] for step in nodes.steps if step}
    letters = [_EVERY]
    for mask in masks:
        letters = [part for letter in letters for part in (letter & mask, letter & ~mask) if part]

    def closed(found: set[int]) -> frozenset[int]:
        pending = list(found)
        while pending:
            for node in nodes.free[pending.pop()]:
                if node not in found:
                    found.add(node)
                    pending.append(node)
        return frozenset(node for node in found if nodes.steps[node] or node == last)

    numbers = {frozenset[int](): 0, (start := closed({first})): 1}
    pending, rows = [start], {0: [0] * ASCII}
    while pending:
        state = pending.pop()
        row = rows[numbers[state]] = [0] * ASCII
        steps = [step for node in state if (step := nodes.steps[node])]
        for letter in letters:
            target = closed({node for mask, node in steps if mask & letter})
            if target not in numbers:
                if len(numbers) > MAX_STATES:
                    raise _Unknown
                numbers[target] = len(numbers)
                pending.append(target)
            for character in range(ASCII):
                if letter >> character & 1:
                    row[character] = numbers[target]
    accepting = {number: last in state for state, number in numbers.items()}
    return Automaton(
        b"".join(bytes(rows[number]) for number in range(len(numbers))),
        bytes(accepting[number] for number in range(len(numbers))),
    )
