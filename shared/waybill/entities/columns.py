"""A block of cells of one column, checked and made DynamoDB text at C speed.

A lane knows a shortcut for the cells of its type. `fast` takes the whole column or gives up; then `suspects` names the
cells that the lane does not vouch for, and those, and only those, go to `Field.check`, which is the rule. A lane may
suspect good cells, but what it vouches for must be what `Field.check` accepts, with the same text: the tests compare
them.

Cells arrive also as one UTF-8 text, each in a frame of two NULs (`data`, see `frame`): one pass over its bytes tells
more than a thousand small calls, and does not wait for memory. A column with a NUL in a cell goes to `Field.check`
altogether.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import compress, repeat
from json.encoder import encode_basestring
from operator import not_
from typing import Any

from .fields import Constraint, Field, Problem
from .fieldtypes.attributes import NUMBER_DIGITS
from .fieldtypes.numbers import IntegerType, NumberType
from .fieldtypes.strings import AnyType, StringType
from .fieldtypes.temporal import DatetimeType
from .patterns import Pattern

CACHED_CELLS = 50_000  # of a column: the days of 137 years
CACHED_BAD_CELLS = 1_000
CACHED_CELL_CHARS = 64  # a cell may be of any length
FEW_CELLS = 1_000
BLOCKS_LEARNT_FROM = 50

_DIGITS = b"0123456789"
_SHAPE = bytes.maketrans(_DIGITS, b"0" * 10)
_HEX_SHAPE = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)
_ESCAPED = bytes(range(1, 32)) + b'"\\'  # what JSON text must escape; NUL parts the cells


@dataclass(slots=True)
class Converted:
    """`texts[i]` belongs between the `opening` and `closing` of the column, unless `i` is null or has problems."""

    texts: Sequence[str]
    nulls: Sequence[int]
    problems: dict[int, tuple[Problem, ...]]


def make_column(field: Field) -> Lane:
    """The quickest lane that knows all of the field's rules."""
    kind = field.kind
    names = {rule.name for rule in field.constraints}
    if names & {"enum", "categories"} or kind.name in ("boolean", "date", "time", "year", "yearmonth", "duration"):
        return CacheLane(field)
    if isinstance(kind, StringType | AnyType):
        return _string_lane(field)
    if isinstance(kind, IntegerType) and kind.plain:
        return IntegerLane(field)
    if isinstance(kind, NumberType):
        return NumberLane(field) if kind.plain and kind.name == "number" else CacheLane(field)
    if isinstance(kind, DatetimeType):
        if kind.format == "default":
            return DatetimeLane(field)
        return PatternDatetimeLane(field) if PatternDatetimeLane.fits(field) else CacheLane(field)
    return Lane(field)


def frame(cells: Sequence[str]) -> bytes:
    """`a`, `bc` as `\\0a\\0\\0bc\\0`. Raises UnicodeEncodeError for half of a UTF-16 pair."""
    return ("\0" + "\0\0".join(cells) + "\0").encode()


def escape(cells: Sequence[str], data: bytes) -> Sequence[str]:
    """The cells as the inside of JSON strings."""
    if len(data.translate(None, _ESCAPED)) == len(data):
        return cells
    return [encode_basestring(cell)[1:-1] for cell in cells]


class Lane:
    """The slow lane: every cell goes to `Field.check`. Others override `fast` and `suspects`.

    `may_be_blank`: a good cell may hold nothing but white space, or nothing. `only_problems`: what is wrong with every
    suspect, where the lane's suspects are the bad cells and nothing else can be wrong.
    """

    may_be_blank = True
    only_problems: tuple[Problem, ...] = ()

    def __init__(self, field: Field) -> None:
        self.field = field
        self.kind = field.kind
        self._few: dict[str, str] | None = {}  # the texts of all good cells while they are few; None: they are many
        self._blocks_learnt_from = 0
        self._bad: dict[str, tuple[Problem, ...]] = {}  # bad cells repeat: "n/a", "unknown", 0000-00-00
        # Three NULs in a row: an empty cell beside another one.
        self._missing = [b"\0%b\0" % value.encode() if value else b"\0\0\0" for value in field.missing_values]
        self.opening, self.closing = {
            "S": ('{"S":"', '"}'),
            "N": ('{"N":"', '"}'),
            "BOOL": ('{"BOOL":', "}"),
        }.get(self.kind.storage, ("", ""))

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        """The texts of all cells if the lane vouches for each of them."""
        return None

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        """Positions of all cells that the lane does not vouch for."""
        return range(len(cells))

    def render(self, cells: Sequence[str], data: bytes, suspects: Sequence[int]) -> Sequence[str]:
        """The texts of the cells that are not suspect; at the positions of suspects stands anything."""
        filled = _filled(cells, suspects)
        texts = self.fast(filled, frame(filled))
        return texts if texts is not None else [self.check(cell)[0] for cell in filled]

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        """`FieldType.identity` of good cells. `texts` are theirs from `convert`."""
        return [self.kind.identity(self.kind.parse(cell)) for cell in cells]

    def check(self, cell: str) -> tuple[str, tuple[Problem, ...]]:
        """The rule: text and problems of one cell. The text of a bad or missing cell has no meaning."""
        value, problems = self.field.check(cell)
        return ("" if problems or value is None else self.text(value)), problems

    def text(self, value: Any) -> str:
        stored = self.kind.stored(value)
        return encode_basestring(stored)[1:-1] if self.kind.storage == "S" else stored

    def convert(self, cells: Sequence[str]) -> Converted:
        """Checks one block of the column's cells."""
        if self._few:
            try:
                return Converted(list(map(self._few.__getitem__, cells)), self._nulls_among(cells, self._few), {})
            except KeyError:
                pass
        try:
            data = frame(cells)
        except UnicodeEncodeError:
            return self._convert_each(cells)
        if data.count(0) != 2 * len(cells):
            return self._convert_each(cells)
        nulls = self._nulls(cells, data)
        if len(nulls) == len(cells):
            converted = Converted([""] * len(cells), nulls, {})
        else:
            texts = self.fast(cells, data)  # may do for missing values too: a missing text is a text
            converted = Converted(texts, nulls, {}) if texts is not None else self._convert_suspects(cells, data, nulls)
        if nulls and self.field.required:
            converted.problems.update(dict.fromkeys(nulls, (self.field.required_problem,)))
        if self._few is not None and not converted.problems and len(data) <= CACHED_CELL_CHARS * len(cells):
            self._learn(self._few, cells, converted.texts)
        return converted

    def _learn(self, few: dict[str, str], cells: Sequence[str], texts: Sequence[str]) -> None:
        """Most columns of a file have few different values: soon a block is nothing but known ones."""
        few.update(zip(cells, texts, strict=True))
        self._blocks_learnt_from += 1
        if len(few) > FEW_CELLS or self._blocks_learnt_from == BLOCKS_LEARNT_FROM:
            self._few = None

    def _nulls_among(self, cells: Sequence[str], known: Container[str]) -> Sequence[int]:
        missing = self.field.missing
        if not any(value in known for value in missing):
            return ()
        return [position for position, cell in enumerate(cells) if cell in missing]

    def _nulls(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        for value in self._missing:
            if value in data:
                break
        else:
            if len(cells) > 1:
                return ()
        missing = self.field.missing
        return [position for position, cell in enumerate(cells) if cell in missing]

    def _convert_suspects(self, cells: Sequence[str], data: bytes, nulls: Sequence[int]) -> Converted:
        suspects = self.suspects(cells, data)
        texts = self.render(cells, data, suspects) if len(set(suspects)) < len(cells) else [""] * len(cells)
        if nulls:
            suspects = list(set(suspects).difference(nulls))
        if self.only_problems:
            return Converted(texts, nulls, dict.fromkeys(suspects, self.only_problems))
        problems: dict[int, tuple[Problem, ...]] = {}
        innocent: dict[int, str] = {}
        check, bad = self.check, self._bad
        for position in suspects:
            cell = cells[position]
            if cell in bad:
                problems[position] = bad[cell]
                continue
            text, wrong = check(cell)
            if wrong:
                problems[position] = wrong
                self._keep_bad(cell, wrong)
            else:
                innocent[position] = text
        if innocent:
            texts = list(texts)
            for position, text in innocent.items():
                texts[position] = text
        return Converted(texts, nulls, problems)

    def _keep_bad(self, cell: str, problems: tuple[Problem, ...]) -> None:
        if len(cell) <= CACHED_CELL_CHARS:
            if len(self._bad) >= CACHED_BAD_CELLS:
                self._bad.clear()
            self._bad[cell] = problems

    def _convert_each(self, cells: Sequence[str], nulls: Sequence[int] | None = None) -> Converted:
        if nulls is None:
            missing = self.field.missing
            nulls = [position for position, cell in enumerate(cells) if cell in missing]
        texts = [""] * len(cells)
        problems: dict[int, tuple[Problem, ...]] = {}
        absent = set(nulls)
        if self.field.required:
            problems.update(dict.fromkeys(nulls, (self.field.required_problem,)))
        for position, cell in enumerate(cells):
            if position not in absent:
                texts[position], found = self.check(cell)
                if found:
                    problems[position] = found
        return Converted(texts, nulls, problems)


class CacheLane(Lane):
    """Types with few different values in a file: each one is checked once."""

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._texts = _Texts(self)

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        try:
            return list(map(self._texts.__getitem__, cells))
        except KeyError:
            return None

    def _convert_suspects(self, cells: Sequence[str], data: bytes, nulls: Sequence[int]) -> Converted:
        found: list[str | None] = list(map(self._texts.get, cells))
        problems: dict[int, tuple[Problem, ...]] = {}
        absent, bad = set(nulls), self._bad
        for position in _positions(found, None):
            if position in absent:
                continue
            cell = cells[position]
            if cell in bad:
                found[position], problems[position] = "", bad[cell]
                continue
            found[position], wrong = self.check(cell)
            if wrong:
                problems[position] = wrong
                self._keep_bad(cell, wrong)
        return Converted([text or "" for text in found] if absent else found, nulls, problems)  # type: ignore[arg-type]

    def check(self, cell: str) -> tuple[str, tuple[Problem, ...]]:
        text, problems = super().check(cell)
        if not problems:
            self._texts.keep(cell, text)
        return text, problems


class _Texts(dict[str, str]):
    """Cell → text of good cells; a bad cell is a KeyError."""

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self._lane = lane

    def __missing__(self, cell: str) -> str:
        text, problems = Lane.check(self._lane, cell)
        if problems:
            raise KeyError(cell)
        self.keep(cell, text)
        return text

    def keep(self, cell: str, text: str) -> None:
        if len(self) >= CACHED_CELLS:
            self.clear()
        self[cell] = text


class TextLane(Lane):
    """Strings of any text, with `minLength` and `maxLength`."""

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        limits = {rule.name: rule.limit for rule in field.constraints}
        self.fewest: int = limits.get("minLength", 0)
        self.most: int | None = limits.get("maxLength")
        self.only_problems = self._only_problems()

    def _only_problems(self) -> tuple[Problem, ...]:
        rules, wrong_type = self.field.constraints, (self.field.type_problem,)
        if self.field.format == "default":
            return (rules[0].problem,) if len(rules) == 1 else ()
        return () if rules else wrong_type

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        return escape(cells, data) if self._lengths_fit(cells) else None

    def render(self, cells: Sequence[str], data: bytes, suspects: Sequence[int]) -> Sequence[str]:
        return escape(cells, data)

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        lengths = list(map(len, cells))
        found = list(_where(operator.lt, lengths, self.fewest)) if self.fewest else []
        if self.most is not None:
            found += _where(operator.gt, lengths, self.most)
        return found

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return cells

    def _lengths_fit(self, cells: Sequence[str]) -> bool:
        if self.most is None and not self.fewest:
            return True
        lengths = set(map(len, cells))
        return min(lengths) >= self.fewest and (self.most is None or max(lengths) <= self.most)


class GrammarLane(TextLane):
    """Strings of a format (email, uri, binary): one regular expression runs over the column."""

    def __init__(self, field: Field, grammar: str) -> None:
        super().__init__(field)
        self._run = _run_of(grammar)
        self.may_be_blank = field.format == "binary"

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        return super().fast(cells, data) if self._run.fullmatch(data.decode()) else None

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        return [*super().suspects(cells, data), *_odd_frames(data.decode(), self._run)]


class PatternLane(TextLane):
    """Strings with a `pattern`: one call of the Rust engine a column."""

    def __init__(self, field: Field, pattern: Pattern) -> None:
        super().__init__(field)
        self._pattern = pattern

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        return super().fast(cells, data) if self._pattern.match_all(cells) else None

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        return [*super().suspects(cells, data), *self._pattern.failures(cells)]


class DigitsLane(TextLane):
    """Strings of so many digits (`[0-9]{8}`), the usual account number: two passes over the bytes of the column."""

    def __init__(self, field: Field, digits: tuple[int, int | None]) -> None:
        super().__init__(field)
        self.fewest = max(self.fewest, digits[0])
        self.may_be_blank = not self.fewest
        if digits[1] is not None:
            self.most = digits[1] if self.most is None else min(self.most, digits[1])

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if self.fewest == self.most:
            return cells if data.translate(_SHAPE) == b"\0%b\0" % (b"0" * self.fewest) * len(cells) else None
        return cells if self._lengths_fit(cells) and not data.translate(None, _DIGITS + b"\0") else None

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        if self.fewest == self.most:
            return [position for position, _ in _others(data.translate(_SHAPE), b"0" * self.fewest)]
        shapes = data.translate(_SHAPE)[1:-1].split(b"\0\0")
        odd = [position for position, shape in enumerate(shapes) if shape.strip(b"0")]
        return [*super().suspects(cells, data), *odd]


class UuidLane(TextLane):
    """UUIDs all have one shape."""

    may_be_blank = False
    _CELL = b"00000000-0000-0000-0000-000000000000"

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        fits = data.translate(_HEX_SHAPE) == b"\0%b\0" % self._CELL * len(cells)
        return super().fast(cells, data) if fits else None

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        odd = _others(data.translate(_HEX_SHAPE), self._CELL)
        return [*super().suspects(cells, data), *(position for position, _ in odd)]


class IntegerLane(Lane):
    """Plain integers of up to 38 digits."""

    may_be_blank = False
    _CELL = re.compile(r"[+-]?[0-9]{1,38}")

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return texts

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if data.translate(None, b"0123456789+-\0"):
            return None
        rules, signed = self.field.constraints, b"-" in data or b"+" in data
        padded = data.count(b"\x000") != data.count(b"\x000\0")  # a cell with a leading zero, other than `0`
        if not (rules or signed or padded):
            lengths = set(map(len, cells))
            return cells if min(lengths) and max(lengths) <= NUMBER_DIGITS else None
        try:
            numbers = list(map(int, cells))
        except ValueError:
            return None
        least, greatest = min(numbers), max(numbers)
        if least <= -(10**NUMBER_DIGITS) or greatest >= 10**NUMBER_DIGITS:
            return None
        if rules and not _hold_at_both_ends(rules, numbers):
            return None
        return list(map(str, numbers)) if padded or b"+" in data or b"-0" in data else cells

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        every = range(len(cells))
        doubtful = compress(every, map(not_, map(str.isdigit, cells))) if data.isascii() else every
        found = {position for position in doubtful if not self._CELL.fullmatch(cells[position])}
        found.update(_where(operator.gt, list(map(len, cells)), NUMBER_DIGITS))
        return _with_out_of_bounds(found, self.field.constraints, cells, int)


class NumberLane(Lane):
    """Plain decimals of up to 18 digits on either side of the point; others are rare."""

    may_be_blank = False
    _RUN_OF_CELLS = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._run = _run_of(self._RUN_OF_CELLS)

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return texts

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if not self._run.fullmatch(data.decode()) or not self._within(cells):
            return None
        return self._texts(cells, data)

    def _texts(self, cells: Sequence[str], data: bytes) -> Sequence[str]:
        texts = cells
        if b"." in data and b"0\0" in data:
            texts = [cell.rstrip("0").rstrip(".") if "." in cell else cell for cell in cells]
        if b"-0" in data:
            texts = ["0" if text == "-0" else text for text in texts]
        return texts

    def _within(self, cells: Sequence[str]) -> bool:
        rules = self.field.constraints
        if not rules:
            return True
        # Rounding keeps the order: what is clear of the bound as a double is clear of it.
        doubles = list(map(float, cells))
        ends = min(doubles), max(doubles)
        if all(_COMPARE[rule.name](end, rule.limit) and end != float(rule.limit) for rule in rules for end in ends):
            return True
        return _hold_at_both_ends(rules, list(map(Decimal, cells)))

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        found = set(_odd_frames(data.decode(), self._run))
        if not self.field.constraints or (len(found) < len(cells) and self._within(_filled(cells, found))):
            return sorted(found)
        return _with_out_of_bounds(found, self.field.constraints, cells, Decimal)

    def render(self, cells: Sequence[str], data: bytes, suspects: Sequence[int]) -> Sequence[str]:
        return self._texts(cells, data)


class DatetimeLane(Lane):
    """Default datetimes without an offset or with `Z`: the shape by bytes, the calendar by `fromisoformat`."""

    may_be_blank = False
    _SHAPES = frozenset(
        b"0000-00-00T00:00:00" + fraction + zone
        for fraction in (b"", *(b"." + b"0" * digits for digits in range(1, 10)))
        for zone in (b"", b"Z")
    )

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._usual = b"0000-00-00T00:00:00Z"
        self._asked, self._odd = b"", list[int]()

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        fits = not self._odd_shapes(data, len(cells)) and b"T24" not in data and _are_moments(cells)
        return cells if fits and self._within(cells) else None

    def _within(self, cells: Sequence[str]) -> bool:
        rules = self.field.constraints
        if not rules or not cells:
            return True
        orders = list(map(_order, cells))
        least, greatest = min(orders), max(orders)
        return all(_keeps(rule, least) and _keeps(rule, greatest) for rule in rules)

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        found = set(self._odd_shapes(data, len(cells)))
        if len(found) == len(cells):
            return sorted(found)
        rest = _filled(cells, found) if found else cells
        if b"T24" in data or not _are_moments(rest):
            found.update(_not_moments(cells))
        if not self._within(rest):
            rules = self.field.constraints
            found.update(
                position
                for position, cell in enumerate(cells)
                if position not in found and not all([_keeps(rule, _order(cell)) for rule in rules])
            )
        return sorted(found)

    def render(self, cells: Sequence[str], data: bytes, suspects: Sequence[int]) -> Sequence[str]:
        return cells

    def _odd_shapes(self, data: bytes, cells: int) -> list[int]:
        """Positions of the cells without one of our shapes. `fast` and `suspects` ask the same in turn."""
        if data is self._asked:
            return self._odd
        shapes = data.translate(_SHAPE)
        if shapes == b"\0%b\0" % self._usual * cells:
            return []
        others = _others(shapes, self._usual)
        self._asked, self._odd = data, [position for position, shape in others if shape not in self._SHAPES]
        if len(others) > len(self._odd):
            self._usual = next(shape for _, shape in others if shape in self._SHAPES)
        return self._odd

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        identity, parse = self.kind.identity, self.kind.parse
        return [cell if len(cell) <= 20 and cell[11:13] != "24" else identity(parse(cell)) for cell in cells]


class PatternDatetimeLane(Lane):
    """Datetimes of a pattern with fixed places (`%d/%m/%Y %H:%M:%S`): the parts are put in ISO order by slices."""

    may_be_blank = False

    @classmethod
    def fits(cls, field: Field) -> bool:
        pattern = field.kind.format
        letters = re.findall("%(.)", pattern)
        rest = re.sub("%.", "", pattern)
        return (
            pattern != "any"
            and not field.constraints
            and len(set(letters)) == len(letters)
            and {"Y", "m", "d", "H", "M"} <= set(letters) <= set("YmdHMS")
            and rest.isascii()
            and rest.isprintable()
            and not any(ch.isalnum() or ch in "%\\" for ch in rest)
        )

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        iso = {"Y": (0, 4), "m": (5, 2), "d": (8, 2), "H": (11, 2), "M": (14, 2), "S": (17, 2)}  # place, width
        shape = ""
        self._moves: list[tuple[int, int]] = []  # byte in our frame ← byte in theirs
        for letter, literal in re.findall("%(.)|(.)", field.kind.format):
            if letter:
                place, width = iso[letter]
                self._moves += ((1 + place + step, 1 + len(shape) + step) for step in range(width))
                shape += "0" * width
            shape += literal
        self._shape = shape.encode()

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        if data.translate(_SHAPE) != b"\0%b\0" % self._shape * len(cells):
            return None
        frames = bytearray(b"\x000000-00-00T00:00:00\0" * len(cells))
        ours, theirs = len(frames) // len(cells), len(data) // len(cells)
        for target, source in self._moves:
            frames[target::ours] = data[source::theirs]
        if b"T24" in frames:  # newer Pythons read 24:00:00 as the next midnight
            return None
        texts = frames.decode()[1:-1].split("\0\0")
        return texts if _are_moments(texts) else None

    def suspects(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        found = {position for position, _ in _others(data.translate(_SHAPE), self._shape)}
        if len(found) == len(cells):
            return sorted(found)
        rest = _filled(cells, found)
        if self.fast(rest, frame(rest)) is None:
            found.update(position for position, cell in enumerate(cells) if self.fast([cell], frame([cell])) is None)
        return sorted(found)

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return texts


def _run_of(cell: str) -> re.Pattern[str]:
    """Any number of frames with a cell of this form. Possessive: a frame that fits is never tried another way."""
    return re.compile(rf"(?:\0(?:{cell})\0)*+")


def _odd_frames(data: str, run: re.Pattern[str]) -> list[int]:
    """Positions of the frames that are not of the form."""
    odd: list[int] = []
    position = offset = 0
    while offset < len(data):
        match = run.match(data, offset)
        end = match.end() if match else offset
        position += data.count("\0", offset, end) // 2
        if end == len(data):
            break
        odd.append(position)
        position += 1
        offset = data.index("\0", end + 1) + 1
    return odd


def _with_out_of_bounds(
    found: set[int], rules: Sequence[Constraint], cells: Sequence[str], read: Callable[[str], Any]
) -> list[int]:
    """`found` and the positions of the other cells whose values break a rule."""
    if rules and len(found) < len(cells):
        positions = [position for position in range(len(cells)) if position not in found]
        values = [read(cells[position]) for position in positions]
        if not _hold_at_both_ends(rules, values):
            breaks = [not all([rule.holds(value) for rule in rules]) for value in values]
            found.update(compress(positions, breaks))
    return sorted(found)


def _hold_at_both_ends(rules: Sequence[Constraint], values: Sequence[Any]) -> bool:
    """Bounds that hold for the least and the greatest value hold for all."""
    least, greatest = min(values), max(values)
    return all(rule.holds(least) and rule.holds(greatest) for rule in rules)


def _filled(cells: Sequence[str], suspects: Iterable[int]) -> list[str]:
    """The cells with one that is not suspect in the place of each suspect."""
    doubtful = set(suspects)
    filler = next(cell for position, cell in enumerate(cells) if position not in doubtful)
    filled = list(cells)
    for position in doubtful:
        filled[position] = filler
    return filled


def _others(data: bytes, shape: bytes) -> list[tuple[int, bytes]]:
    """Positions and contents of the frames that hold something else than `shape` (which is not empty)."""
    shapes = data[1:-1].split(b"\0\0")
    return [(position, shapes[position]) for position in _where(operator.ne, shapes, shape)]


def _where(test: Callable[[Any, Any], bool], values: Sequence[Any], other: Any) -> Iterator[int]:
    """Positions of the values for which `test(value, other)` holds. An operator beats a bound method by far."""
    return compress(range(len(values)), map(test, values, repeat(other)))


def _positions(values: list[str | None], wanted: None) -> Iterator[int]:
    position = -1
    try:
        while True:
            position = values.index(wanted, position + 1)
            yield position
    except ValueError:
        return


def _order(cell: str) -> tuple[str, str]:
    """`Moment.order` of a default datetime without an offset or with `Z`."""
    return cell[:19], cell[20:].rstrip("Z").rstrip("0")


def _keeps(rule: Constraint, order: Any) -> bool:
    return bool(_COMPARE[rule.name](order, rule.limit))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}


def _are_moments(cells: Sequence[str]) -> bool:
    """Whether days and times exist, of cells whose shape is right."""
    try:
        list(map(datetime.fromisoformat, cells))
    except ValueError:
        return False
    return True


def _not_moments(cells: Sequence[str]) -> Iterator[int]:
    """Positions of the cells that are no moment."""
    read = datetime.fromisoformat
    for position, cell in enumerate(cells):
        try:
            read(cell)
        except ValueError:
            yield position
        else:
            if cell[11:13] == "24":  # newer Pythons read 24:00:00 as the next midnight
                yield position


def _string_lane(field: Field) -> Lane:
    limits = {rule.name: rule.limit for rule in field.constraints}
    pattern: Pattern | None = limits.get("pattern")
    grammar = field.kind.grammar if isinstance(field.kind, StringType) else ""
    if pattern is not None:
        if grammar:
            return Lane(field)
        return DigitsLane(field, pattern.digits) if pattern.digits else PatternLane(field, pattern)
    if field.format == "uuid":
        return UuidLane(field)
    return GrammarLane(field, grammar) if grammar else TextLane(field)
