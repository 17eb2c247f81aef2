"""`datetime`: stored as ISO 8601 text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from ..columns import SHAPE, Lane, frame, frames_unlike, keeps, with_stand_ins
from .attributes import Attribute
from .base import ColumnKind
from .export_columns import ExportLane, TypedColumns
from .native_kind import NativeKind, bounded, moment, moment_bound
from .temporal import OFFSET, Moment, TemporalType, iso_time, read_datetime
from .typed_cells import datetime_text

if TYPE_CHECKING:
    from ..cells import CheckedField

_MIDNIGHT = re.compile(rf"T24:00:00(?:\.0+)?(?:{OFFSET})?")
_PLAIN = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]+))?Z?")


class DatetimeType(TemporalType):
    """XML Schema dateTime: `yyyy-mm-ddThh:mm:ss`, a fraction of any length, `Z` or `±hh:mm`. `24:00:00` is the first
    instant of the next day."""

    name: ClassVar[str] = "datetime"
    column: ClassVar[ColumnKind] = "datetime"
    noun = "a date and time"
    iso: ClassVar[str] = "YYYY-MM-DDThh:mm:ss"

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        texts = None if self.is_iso else self._cached_texts()
        return lambda values: form.moments(values, texts)

    def _read_iso(self, text: str) -> Moment:
        if self.format == "default" and _MIDNIGHT.fullmatch(text, 10):
            return read_datetime(text, timedelta(days=1))
        return read_datetime(text)

    def _from_datetime(self, value: datetime) -> str:
        return f"{value.date().isoformat()}T{iso_time(value)}"

    def _to_datetime(self, text: str) -> datetime:
        return datetime.fromisoformat(text)

    def _sample(self) -> datetime:
        return datetime(2024, 11, 28, 13, 45, 59, tzinfo=UTC)

    def lane(self, field: CheckedField) -> Lane:
        if self.format == "default":
            return DatetimeLane(field)
        return PatternDatetimeLane(field) if PatternDatetimeLane.fits(field) else super().lane(field)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        if self.format == "default":
            return bounded("datetime", limits, moment_bound)
        return moment(self.format, "Yy", "YymdHMS", limits, "with_date", "with_time")

    def cell_of_moment(self, value: datetime | time | timedelta) -> str:
        if isinstance(value, datetime):
            return self.to_cell({"S": datetime_text(value)})
        return super().cell_of_moment(value)

    def _own_iso(self, text: str) -> str:
        return f"{text}T00:00:00" if len(text) == len("2024-01-31") else text

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        # Stored is ISO 8601: quicker to read than to write as, and read again from, a pattern.
        key, stored = self.filter_key(op), self if self.is_iso else DatetimeType()

        def read(attribute: Attribute) -> Any:
            text = attribute["S"]
            plain = _PLAIN.fullmatch(text)
            # What `order` returns for UTC, in a quarter of the time.
            return (plain[1], (plain[2] or "").rstrip("0")) if plain else key(stored.parse(text))

        return read


class DatetimeLane(Lane):
    """Default datetimes without an offset or with `Z`: the shape by bytes, the calendar by `fromisoformat`."""

    may_be_blank = False
    _SHAPES = frozenset(
        b"0000-00-00T00:00:00" + fraction + zone
        for fraction in (b"", *(b"." + b"0" * digits for digits in range(1, 10)))
        for zone in (b"", b"Z")
    )

    def __init__(self, field: CheckedField) -> None:
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
        return all(keeps(rule, least) and keeps(rule, greatest) for rule in rules)

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        found = set(self._odd_shapes(data, len(cells)))
        if len(found) == len(cells):
            return sorted(found)
        rest = with_stand_ins(cells, found) if found else cells
        if b"T24" in data or not _are_moments(rest):
            found.update(_not_moments(cells))
        if not self._within(rest):
            rules = self.field.constraints
            found.update(
                position
                for position, cell in enumerate(cells)
                if position not in found and not all([keeps(rule, _order(cell)) for rule in rules])
            )
        return sorted(found)

    def render(self, cells: Sequence[str], data: bytes, unverified: Sequence[int]) -> Sequence[str]:
        return cells

    def _odd_shapes(self, data: bytes, cells: int) -> list[int]:
        """Positions of the cells without one of our shapes. `fast` and `unverified` ask the same in turn."""
        if data is self._asked:
            return self._odd
        shapes = data.translate(SHAPE)
        if shapes == b"\0%b\0" % self._usual * cells:
            return []
        unlike = frames_unlike(shapes, self._usual)
        self._asked, self._odd = data, [position for position, shape in unlike if shape not in self._SHAPES]
        if len(unlike) > len(self._odd):
            self._usual = next(shape for _, shape in unlike if shape in self._SHAPES)
        return self._odd

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        identity, parse = self.kind.identity, self.kind.parse
        return [cell if len(cell) <= 20 and cell[11:13] != "24" else identity(parse(cell)) for cell in cells]


class PatternDatetimeLane(Lane):
    """Datetimes of a pattern with fixed places (`%d/%m/%Y %H:%M:%S`): the parts are put in ISO order by slices."""

    may_be_blank = False

    @classmethod
    def fits(cls, field: CheckedField) -> bool:
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

    def __init__(self, field: CheckedField) -> None:
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
        if data.translate(SHAPE) != b"\0%b\0" % self._shape * len(cells):
            return None
        frames = bytearray(b"\x000000-00-00T00:00:00\0" * len(cells))
        ours, theirs = len(frames) // len(cells), len(data) // len(cells)
        for target, source in self._moves:
            frames[target::ours] = data[source::theirs]
        if b"T24" in frames:  # newer Pythons read 24:00:00 as the next midnight
            return None
        texts = frames.decode()[1:-1].split("\0\0")
        return texts if _are_moments(texts) else None

    def unverified(self, cells: Sequence[str], data: bytes) -> Sequence[int]:
        found = {position for position, _ in frames_unlike(data.translate(SHAPE), self._shape)}
        if len(found) == len(cells):
            return sorted(found)
        rest = with_stand_ins(cells, found)
        if self.fast(rest, frame(rest)) is None:
            found.update(position for position, cell in enumerate(cells) if self.fast([cell], frame([cell])) is None)
        return sorted(found)

    def identities(self, cells: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
        return texts


def _order(cell: str) -> tuple[str, str]:
    """`Moment.order` of a default datetime without an offset or with `Z`."""
    return cell[:19], cell[20:].rstrip("Z").rstrip("0")


def _are_moments(cells: Sequence[str]) -> bool:
    """Whether days and times exist, of cells whose shape is right."""
    try:
        list(map(datetime.fromisoformat, cells))
    except ValueError:
        return False
    return True


def _not_moments(cells: Sequence[str]) -> Iterator[int]:
    """Positions of the cells that are not moments."""
    read = datetime.fromisoformat
    for position, cell in enumerate(cells):
        try:
            read(cell)
        except ValueError:
            yield position
        else:
            if cell[11:13] == "24":  # newer Pythons read 24:00:00 as the next midnight
                yield position
