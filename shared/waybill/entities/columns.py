"""A block of cells of one column, checked and made DynamoDB text at C speed.

A lane knows a shortcut for the cells of its type; the lanes are beside their types in `fieldtypes`. `fast` takes the
whole column or gives up; then `unverified` names the cells that the lane does not approve, and only those go to
`Field.check`, which is the rule. A lane may leave good cells unverified, but what it approves must be what
`Field.check` accepts, with the same text: the tests compare them.

Where a field cleans its cells, lanes work on what `cleaned` made of them.

A lane also gets the cells as one UTF-8 text, each in a frame of two NULs (`data`, see `frame`): one pass over its bytes
answers what would take a thousand small calls. A column with a NUL in a cell goes to `Field.check` as a whole.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cells import CheckedField, Constraint, Problem

CACHED_CELLS = 50_000  # of a column: the days of 137 years
CACHED_BAD_CELLS = 1_000
CACHED_CELL_CHARS = 64  # a cell may be of any length
FEW_CELLS = 1_000
BLOCKS_LEARNT_FROM = 50

DIGITS = b"0123456789"
SHAPE = bytes.maketrans(DIGITS, b"0" * 10)  # of a cell: every digit a zero
_ESCAPED = bytes(range(1, 32)) + b'"\\'  # what JSON text must escape; NUL parts the cells


@dataclass(slots=True)
class Converted:
    """`texts[i]` belongs between the `opening` and `closing` of the column, unless `i` is null or has problems."""

    texts: Sequence[str]
    nulls: Sequence[int]
    problems: dict[int, tuple[Problem, ...]]


def make_column(field: CheckedField) -> Lane:
    """The quickest lane that knows all of the field's rules."""
    if any(rule.name in ("enum", "categories") for rule in field.constraints):
        return CacheLane(field)
    lane: Lane = field.kind.lane(field)
    return lane


def frame(cells: Sequence[str]) -> bytes:
    """`a`, `bc` as `\\0a\\0\\0bc\\0`. Raises UnicodeEncodeError for half of a UTF-16 pair."""
    return ("\0" + "\0\0".join(cells) + "\0").encode()


def escape(cells: Sequence[str], data: bytes) -> Sequence[str]:
    """The cells as the inside of JSON strings."""
    if len(data.translate(None, _ESCAPED)) == len(data):
        return cells
    return [encode_basestring(cell)[1:-1] for cell in cells]


class Lane:
    """The slow lane: every cell goes to `Field.check`. Others override `fast` and `unverified`.

    `may_be_blank`: a good cell may be empty or white space. `only_problems`: what is wrong with every unverified cell,
    where those are the bad cells and only one thing can be wrong with them.
    """

    may_be_blank = True
    only_problems: tuple[Problem, ...] = ()

    def __init__(self, field: CheckedField) -> None:
        self.field = field
        self.kind = field.kind
        self._few: dict[str, str] | None = {}  # the texts of all good cells while they are few; None: they are many
        self._blocks_learnt_from = 0
        self._bad: dict[str, tuple[Problem, ...]] = {}  # bad cells repeat: "n/a", "unknown", 0000-00-00
        self._cleaned: dict[str, str] = {}
        # Three NULs in a row: an empty cell beside another one.
        self._missing = [b"\0%b\0" % value.encode() if value else b"\0\0\0" for value in field.missing_values]
        self.opening, self.closing = {
            "S": ('{"S":"', '"}'),
            "N": ('{"N":"', '"}'),
            "BOOL": ('{"BOOL":', "}"),
        }.get(self.kind.storage, ("", ""))

    def cleaned(self, cells: Sequence[str]) -> tuple[Sequence[str], Sequence[int] | None]:
        """(what is read of these cells, the positions of the missing values among them that a default stands for; None
        where the field has no default)."""
        cleaning = self.field.cleaning
        if cleaning is None:
            return cells, None
        known = self._cleaned
        for cell in set(cells).difference(known):
            if len(known) >= CACHED_CELLS:
                known.clear()
            if len(cell) <= CACHED_CELL_CHARS:
                known[cell] = cleaning.clean(cell)
        texts = [known[cell] if cell in known else cleaning.clean(cell) for cell in cells]
        if cleaning.default is None:
            return texts, None
        missing = self.field.missing
        replaced = [position for position, text in enumerate(texts) if text in missing]
        for position in replaced:
            texts[position] = cleaning.default
        return texts, replaced

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        """The texts of all cells if the lane approves each of them."""
        return None

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        """Positions of all cells that the lane does not approve."""
        return range(len(cells))

    def render(self, cells: Sequence[str], data: bytes, unverified: Sequence[int]) -> Sequence[str]:
        """The texts of the approved cells; those at other positions have no meaning."""
        cells = with_stand_ins(cells, unverified)
        texts = self.fast(cells, frame(cells))
        return texts if texts is not None else [self.check(cell)[0] for cell in cells]

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        """`FieldType.identity` of good cells. `texts` are theirs from `convert`."""
        return [self.kind.identity(self.kind.parse(cell)) for cell in cells]

    def check(self, cell: str) -> tuple[str, tuple[Problem, ...]]:
        """The rule: text and problems of one cleaned cell. The text of a bad or missing cell has no meaning."""
        value, problems = self.field.check_text(cell)
        return ("" if problems or value is None else self.text(value)), problems

    def text(self, value: Any) -> str:
        stored = self.kind.stored(value)
        return encode_basestring(stored)[1:-1] if self.kind.storage == "S" else stored

    def convert(self, cells: Sequence[str]) -> Converted:
        """Checks one block of the column's cells, cleaned already."""
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
            converted = (
                Converted(texts, nulls, {}) if texts is not None else self._convert_unverified(cells, data, nulls)
            )
        if nulls and self.field.required:
            converted.problems.update(dict.fromkeys(nulls, (self.field.required_problem,)))
        if self._few is not None and not converted.problems and len(data) <= CACHED_CELL_CHARS * len(cells):
            self._learn(self._few, cells, converted.texts)
        return converted

    def _learn(self, few: dict[str, str], cells: Sequence[str], texts: Sequence[str]) -> None:
        """Most columns of a file have few different values, so that soon every cell of a block is known."""
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

    def _convert_unverified(self, cells: Sequence[str], data: bytes, nulls: Sequence[int]) -> Converted:
        unverified = self.unverified(cells, data)
        texts = self.render(cells, data, unverified) if len(set(unverified)) < len(cells) else [""] * len(cells)
        if nulls:
            unverified = list(set(unverified).difference(nulls))
        if self.only_problems:
            return Converted(texts, nulls, dict.fromkeys(unverified, self.only_problems))
        problems: dict[int, tuple[Problem, ...]] = {}
        approved: dict[int, str] = {}
        check, bad = self.check, self._bad
        for position in unverified:
            cell = cells[position]
            if cell in bad:
                problems[position] = bad[cell]
                continue
            text, wrong = check(cell)
            if wrong:
                problems[position] = wrong
                self._keep_bad(cell, wrong)
            else:
                approved[position] = text
        if approved:
            texts = list(texts)
            for position, text in approved.items():
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

    def __init__(self, field: CheckedField) -> None:
        super().__init__(field)
        self._texts = _Texts(self)

    def fast(self, cells: Sequence[str], data: bytes) -> Sequence[str] | None:
        try:
            return list(map(self._texts.__getitem__, cells))
        except KeyError:
            return None

    def _convert_unverified(self, cells: Sequence[str], data: bytes, nulls: Sequence[int]) -> Converted:
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


def run_of(cell: str) -> re.Pattern[str]:
    """Any number of frames with a cell of this form. Possessive: a frame that fits is never tried another way."""
    return re.compile(rf"(?:\0(?:{cell})\0)*+")


def odd_frames(data: str, run: re.Pattern[str]) -> list[int]:
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


def with_out_of_bounds(
    found: set[int], rules: Sequence[Constraint], cells: Sequence[str], read: Callable[[str], Any]
) -> list[int]:
    """`found` and the positions of the other cells whose values break a rule."""
    if rules and len(found) < len(cells):
        positions = [position for position in range(len(cells)) if position not in found]
        values = [read(cells[position]) for position in positions]
        if not hold_at_both_ends(rules, values):
            breaks = [not all([rule.holds(value) for rule in rules]) for value in values]
            found.update(compress(positions, breaks))
    return sorted(found)


def hold_at_both_ends(rules: Sequence[Constraint], values: Sequence[Any]) -> bool:
    """Bounds that hold for the least and the greatest value hold for all."""
    least, greatest = min(values), max(values)
    return all(rule.holds(least) and rule.holds(greatest) for rule in rules)


def with_stand_ins(cells: Sequence[str], unverified: Iterable[int]) -> list[str]:
    """The cells with an approved one in the place of each unverified one."""
    replaced = set(unverified)
    filler = next(cell for position, cell in enumerate(cells) if position not in replaced)
    filled = list(cells)
    for position in replaced:
        filled[position] = filler
    return filled


def frames_unlike(data: bytes, shape: bytes) -> list[tuple[int, bytes]]:
    """Positions and contents of the frames that hold something else than `shape` (which is not empty)."""
    shapes = data[1:-1].split(b"\0\0")
    return [(position, shapes[position]) for position in positions_where(operator.ne, shapes, shape)]


def positions_where(test: Callable[[Any, Any], bool], values: Sequence[Any], other: Any) -> Iterator[int]:
    """Positions of the values for which `test(value, other)` holds. Operators are much faster than bound methods."""
    return compress(range(len(values)), map(test, values, repeat(other)))


def _positions(values: list[str | None], wanted: None) -> Iterator[int]:
    position = -1
    try:
        while True:
            position = values.index(wanted, position + 1)
            yield position
    except ValueError:
        return


def keeps(rule: Constraint, order: Any) -> bool:
    """Whether a bound holds for what `FieldType.order` gave."""
    return bool(COMPARE[rule.name](order, rule.limit))


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}
