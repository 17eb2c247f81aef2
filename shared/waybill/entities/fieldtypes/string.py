"""`string` in its five formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..columns import DIGITS, SHAPE, Lane, frames_unlike, odd_frames, run_of
from ..patterns import Pattern
from ..text_formats import BASE64, EMAIL, URI, UUID
from .base import SIZED
from .native_kind import NativeKind
from .text import TextLane, TextType

if TYPE_CHECKING:
    from ..cells import CheckedField

_GRAMMARS = {"email": EMAIL, "uri": URI, "uuid": UUID, "binary": BASE64}
_NOUNS = {"email": "an email address", "uri": "a URI (like https://example.com/)", "uuid": "a UUID", "binary": "base64"}
_HEX_SHAPE = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)


class StringType(TextType):
    """Any text, or a checked form of it. Stored unchanged."""

    name: ClassVar[str] = "string"
    formats: ClassVar[tuple[str, ...]] = ("default", *_GRAMMARS)
    constraints: ClassVar[frozenset[str]] = SIZED | {"pattern"}
    has_categories: ClassVar[bool] = True

    def __init__(self, format: str = "default") -> None:
        super().__init__(format)
        self.grammar = _GRAMMARS.get(format, "")
        self.noun = _NOUNS.get(format, self.noun)
        self._fits = re.compile(self.grammar).fullmatch

    def parse(self, cell: str) -> str:
        if self.grammar and not self._fits(cell):
            raise ValueError
        return super().parse(cell)

    @property
    def is_ordered(self) -> bool:
        return True

    def lane(self, field: CheckedField) -> Lane:
        pattern: Pattern | None = {rule.name: rule.limit for rule in field.constraints}.get("pattern")
        if pattern is not None:
            if self.grammar:
                return Lane(field)
            return DigitsLane(field, pattern.digits) if pattern.digits else PatternLane(field, pattern)
        if self.format == "uuid":
            return UuidLane(field)
        return GrammarLane(field, self.grammar) if self.grammar else TextLane(field)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        fewest, most = limits.get("minLength", 0), limits.get("maxLength")
        pattern: Pattern | None = limits.get("pattern")
        if pattern is not None and self.grammar:
            return None
        if pattern is not None and pattern.digits is not None:
            fewest = max(fewest, pattern.digits[0])
            most = min((limit for limit in (most, pattern.digits[1]) if limit is not None), default=None)
            return NativeKind("digits", fewest, most)
        if self.format == "email":
            return NativeKind("email", fewest, most)
        text = self.grammar if pattern is None else pattern.text
        return NativeKind("automaton" if text else "text", fewest, most, text)


class GrammarLane(TextLane):
    """Strings of a format (email, uri, binary): one regular expression runs over the column."""

    def __init__(self, field: CheckedField, grammar: str) -> None:
        super().__init__(field)
        self._run = run_of(grammar)
        self.may_be_blank = field.format == "binary"

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        return super().fast(cells, data) if self._run.fullmatch(data.decode()) else None

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        return [*super().unverified(cells, data), *odd_frames(data.decode(), self._run)]


class PatternLane(TextLane):
    """Strings with a `pattern`: one call of the Rust engine a column."""

    def __init__(self, field: CheckedField, pattern: Pattern) -> None:
        super().__init__(field)
        self._pattern = pattern

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        return super().fast(cells, data) if self._pattern.match_all(cells) else None

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        return [*super().unverified(cells, data), *self._pattern.failures(cells)]


class DigitsLane(TextLane):
    """Strings of so many digits (`[0-9]{8}`), the usual account number: two passes over the bytes of the column."""

    def __init__(self, field: CheckedField, digits: tuple[int, int | None]) -> None:
        super().__init__(field)
        self.fewest = max(self.fewest, digits[0])
        self.may_be_blank = not self.fewest
        if digits[1] is not None:
            self.most = digits[1] if self.most is None else min(self.most, digits[1])

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if self.fewest == self.most:
            return cells if data.translate(SHAPE) == b"\0%b\0" % (b"0" * self.fewest) * len(cells) else None
        return cells if self._lengths_fit(cells) and not data.translate(None, DIGITS + b"\0") else None

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        if self.fewest == self.most:
            return [position for position, _ in frames_unlike(data.translate(SHAPE), b"0" * self.fewest)]
        shapes = data.translate(SHAPE)[1:-1].split(b"\0\0")
        odd = [position for position, shape in enumerate(shapes) if shape.strip(b"0")]
        return [*super().unverified(cells, data), *odd]


class UuidLane(TextLane):
    """UUIDs all have one shape."""

    may_be_blank = False
    _CELL = b"00000000-0000-0000-0000-000000000000"

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        fits = data.translate(_HEX_SHAPE) == b"\0%b\0" % self._CELL * len(cells)
        return super().fast(cells, data) if fits else None

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        odd = frames_unlike(data.translate(_HEX_SHAPE), self._CELL)
        return [*super().unverified(cells, data), *(position for position, _ in odd)]
