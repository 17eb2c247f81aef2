"""Rows of a file → requests for DynamoDB, by `native.c`: quickly, for the rows whose every cell it knows to be good.

    native = native_rows(schema, header, dialect)      # None where it does not know a field's rule, or was not built
    block, unverified = native.load(data, records, first_row, …)

The unverified records go to `row_compiler.RowCompiler`, which is the rule.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any, NamedTuple, overload

from waybill import native
from waybill.joined import JoinedTexts
from waybill.native import Column, Span, Word
from waybill.tabular.dialect import Dialect

from .automaton import automaton_of
from .columns import CACHED_BAD_CELLS, CACHED_CELL_CHARS, Lane, make_column
from .fields import Constraint, Field, Problem
from .fieldtypes.numbers import NumberType
from .fieldtypes.strings import FORMATS, PLAIN_URI
from .header import HeaderMatch
from .patterns import Pattern
from .row_compiler import MISSING_KEY, attribute_name
from .row_results import RowBlock
from .schema import Schema

MAX_WORDS = 4_096
MAX_MISSING_VALUES = 16
NO_ROOM = -2
MANY = 2**62  # characters: no limit
_MAX_SCALE = 18
_LEAST = {"minimum": native.HAS_LEAST, "exclusiveMinimum": native.HAS_LEAST | native.OPEN_LEAST}
_GREATEST = {"maximum": native.HAS_MOST, "exclusiveMaximum": native.HAS_MOST | native.OPEN_MOST}
_SHAPES = {
    "uri": PLAIN_URI,
    "uuid": FORMATS["uuid"],
    "binary": FORMATS["binary"],
    "time": "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]",
    "yearmonth": "[0-9]{4}-(?:0[1-9]|1[0-2])",
}


class Unverified(NamedTuple):
    """A record that the library did not approve: its index and place in the data, without its line break; and one of
    its cells (column, place, without quotes), or all of it: `column` is WHOLE. Of a record with several such cells each
    is named, from left to right."""

    record: int
    start: int
    end: int
    column: int
    cell_start: int
    cell_end: int


def native_rows(schema: Schema, header: HeaderMatch, dialect: Dialect, own_table: bool = True) -> NativeRows | None:
    """Returns what loads whole records (shape `put`) of one file; None where only `RowCompiler` can."""
    library = native.library()
    if library is None or schema.unique_sets:
        return None
    columns = [Column(kind=native.IGNORED) for _ in header.labels]
    kept: list[object] = []
    for position, field in header.columns:
        column = _Builder(field, own_table, field.name in schema.primary_key).build(kept)
        if column is None:
            return None
        columns[position] = column
    places = {field.name: position for position, field in header.columns}
    fields = dict(header.columns)
    keys = [places[name] for name in schema.primary_key]
    return NativeRows(library, columns, fields, keys, dialect, own_table, kept)


class NativeRows:
    """See `native_rows`. Not safe for concurrent use: its buffers are used again."""

    def __init__(
        self,
        library: Any,
        columns: list[Column],
        fields: dict[int, Field],
        keys: list[int],
        dialect: Dialect,
        own_table: bool,
        kept: list[object],
    ) -> None:
        self._library = library
        self._own_table = own_table
        self._fields, self._keys = fields, frozenset(keys)
        self._bad: dict[tuple[int, str], tuple[Problem, ...]] = {}
        self._kept = kept  # what the structures point to
        self._cells = (native.Cell * len(columns))()
        self._table = native.Table(
            columns=(Column * len(columns))(*columns),
            width=len(columns),
            delimiter=ord(dialect.delimiter),
            quote=ord(dialect.quote_char or "\0"),
            has_quote=dialect.quote_char is not None,
            is_own=own_table,
            keys=(ctypes.c_uint32 * len(keys))(*keys),
            key_count=len(keys),
        )
        self._constant_bytes = sum(map(_constant_bytes, columns))
        self._buffers: dict[str, ctypes.Array[Any]] = {}

    def load(
        self,
        data: bytes,
        records: int,
        first_row: int,
        *,
        partition: str = "",
        stamps: Mapping[str, str] | None = None,
        before: str = '{"PutRequest":{"Item":{',
        after: str = "}}}",
        key_prefix: str = "",
        wants_texts: bool = True,
    ) -> tuple[RowBlock, list[Unverified]] | None:
        """Checks and renders the first records of a block; None where only a sequential read can tell its records.

        The block has the approved rows, without `raw`; the records that were not approved are listed in file order.

        Args:
            data: UTF-8, whole records whose quotes are structural; the first of them is row `first_row`.
            partition, stamps, before, after: as of `RowCompiler.compile`.
            key_prefix: of the keys of records without a primary key: the number of the row follows, in 12 digits.
            wants_texts: without them checking takes two thirds of the time.
        """
        texts = [f"{quote(name)}:{value}" for name, value in (stamps or {}).items()]
        if self._own_table:
            parts = [f'{before}"_pk":{{"S":{quote(partition)[:-1]}#', '"},"_sk":{"S":"', ",".join(['"}', *texts])]
        else:
            parts = [before, "", ",".join(texts)]
        table = self._table
        encoded = [part.encode() for part in (*parts, after, key_prefix)]
        table.head, table.middle, table.tail, table.end, table.key_prefix = map(Span.of, encoded)
        output = native.Output(cells=self._cells)
        constant = self._constant_bytes + sum(map(len, encoded)) + 6 * (len(key_prefix) + 12) + 3
        if wants_texts:
            output.texts_room = records * constant + 2 * len(data)
            output.texts = self._buffer("texts", output.texts_room)
            output.text_ends = self._buffer("text_ends", records * 4)
        output.keys_room = len(data) + records * (len(encoded[-1]) + 13) + native.MAX_KEY_BYTES
        output.keys = self._buffer("keys", output.keys_room)
        output.unquoted = self._buffer("unquoted", len(data))
        output.rows = self._buffer("rows", records * 8)
        output.key_ends = self._buffer("key_ends", records * 4)
        output.digests = self._buffer("digests", records * 8)
        output.unverified_room = 2 * records + len(self._cells)
        output.unverified = self._buffer("unverified", output.unverified_room * 4 * native.UNVERIFIED_NUMBERS)
        status = self._library.waybill_load_rows(table, data, len(data), records, first_row, output)
        if status == NO_ROOM:  # few texts grow so much: the room for the worst is made only for them
            output.texts_room = records * constant + 12 * len(data)
            output.texts = self._buffer("texts", output.texts_room)
            status = self._library.waybill_load_rows(table, data, len(data), records, first_row, output)
        if status:
            return None
        good = output.good
        block = RowBlock(
            rows=range(first_row, first_row + records) if good == records else _numbers("Q", output.rows, 8 * good),
            texts=JoinedTexts(
                ctypes.string_at(output.texts, output.texts_size), _numbers("I", output.text_ends, 4 * good)
            )
            if wants_texts
            else (),
            keys=_Keys(ctypes.string_at(output.keys, output.keys_size), _numbers("I", output.key_ends, 4 * good)),
            digests=_numbers("Q", output.digests, 8 * good),
        )
        return block, self._unverified(output)

    def _unverified(self, output: native.Output) -> list[Unverified]:
        size = native.UNVERIFIED_NUMBERS
        numbers = _numbers("I", output.unverified, 4 * size * output.unverified_count)
        return list(map(Unverified._make, zip(*(numbers[place::size] for place in range(size)), strict=True)))

    def problems(self, column: int, cell: str) -> tuple[Problem, ...]:
        """What is wrong with an unverified cell, by the rule: bad cells repeat."""
        key = (column, cell)
        found = self._bad.get(key)
        if found is None:
            field = self._fields[column]
            is_keyless = column in self._keys and (cell in field.missing or not cell.strip())
            found = (MISSING_KEY,) if is_keyless else field.check(cell)[1]
            if len(self._bad) >= CACHED_BAD_CELLS:
                self._bad.clear()
            if len(cell) <= CACHED_CELL_CHARS:
                self._bad[key] = found
        return found

    def _buffer(self, name: str, size: int) -> int:
        """The address of a buffer of at least so many bytes."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < size:
            buffer = self._buffers[name] = ctypes.create_string_buffer(size + size // 4 + 1)
        return ctypes.addressof(buffer)


def _numbers(typecode: str, address: int, size_bytes: int) -> array[int]:
    return array(typecode, ctypes.string_at(address, size_bytes))


def _constant_bytes(column: Column) -> int:
    """The most that a column adds to a request beside the text of its cell."""
    longest = max((word.text.size for word in column.words[: column.word_count]), default=0)
    return int(column.opening.size + column.closing.size + 1 + longest)


class _Keys(Sequence[str]):
    """Key texts, decoded when they are asked for: hardly any ever is."""

    def __init__(self, data: bytes, ends: array[int]) -> None:
        self._data, self._ends = data, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        return self._data[self._ends[at - 1] if at else 0 : self._ends[at]].decode()


class _Builder:
    """One field's rule as a `native.Column`."""

    def __init__(self, field: Field, own_table: bool, is_key: bool) -> None:
        self._field = field
        self._lane: Lane = make_column(field)
        self._rules = {rule.name: rule for rule in field.constraints}
        name = quote(attribute_name(field, own_table))
        flags = native.REQUIRED * field.required | native.KEY * is_key
        self._column = Column(
            flags=flags,
            opening=Span.of(f"{name}:{self._lane.opening}".encode()),
            closing=Span.of(self._lane.closing.encode()),
            most=MANY,
        )

    def build(self, kept: list[object]) -> Column | None:
        """None where the rule is not known. `kept` gets what the column points to."""
        missing = [value.encode() for value in self._field.missing_values if value.isprintable()]
        are_known = len(missing) == len(self._field.missing_values) <= MAX_MISSING_VALUES
        if not are_known or not self._choose(kept):
            return None
        column = self._column
        spans = (Span * len(missing))(*map(Span.of, missing))
        column.missing, column.missing_count = spans, len(missing)
        kept += [missing, spans, column]
        return column

    def _choose(self, kept: list[object]) -> bool:
        field, names = self._field, self._rules.keys()
        kind, format = field.kind.name, field.kind.format
        if kind == "boolean" or names & {"enum", "categories"}:
            return self._set_words(kept)
        match kind:
            case "string" | "any":
                return names <= {"minLength", "maxLength", "pattern"} and self._set_text(format, kept)
            case "integer" | "number" if isinstance(field.kind, NumberType):
                self._column.kind = native.INTEGER if kind == "integer" else native.NUMBER
                return field.kind.plain and self._set_bounds(_set_number)
            case "year" if not names:  # four digits, and as a number no zero before them
                self._column.kind, self._column.fewest, self._column.most = native.INTEGER, 4, 4
                self._column.flags |= native.HAS_LEAST
                self._column.least = 1_000
                return True
            case "date" | "datetime" if format == "default":
                self._column.kind = native.DATE if kind == "date" else native.DATETIME
                return self._set_bounds(_set_moment)
            case "time" | "yearmonth" if format == "default" and not names:
                return self._set_automaton(_SHAPES[kind], kept)
        return False

    def _set_words(self, kept: list[object]) -> bool:
        """The cells of an enumeration that the rule finds good."""
        document = self._field.document
        given = [*document.get("constraints", {}).get("enum", ()), *document.get("categories", ())]
        given += [*getattr(self._field.kind, "values", ())]
        cells = {str(entry.get("value") if isinstance(entry, dict) else entry) for entry in given}
        words = []
        for cell in cells - self._field.missing if len(cells) <= MAX_WORDS else ():
            text, problems = self._lane.check(cell)
            if not problems and cell.isprintable():
                words.append((cell.encode(), text.encode()))
        words.sort(key=lambda word: (len(word[0]), word[0]))
        entries = (Word * len(words))(*(Word(Span.of(cell), Span.of(text)) for cell, text in words))
        kept += [words, entries]
        self._column.kind, self._column.words, self._column.word_count = native.WORDS, entries, len(words)
        return bool(words)

    def _set_text(self, format: str, kept: list[object]) -> bool:
        column, rules = self._column, self._rules
        if "minLength" in rules:
            column.fewest = rules["minLength"].limit
        if "maxLength" in rules:
            column.most = rules["maxLength"].limit
        if "pattern" in rules:
            pattern: Pattern = rules["pattern"].limit
            if format != "default" or pattern.digits is None:
                return format == "default" and self._set_automaton(pattern.text, kept)
            fewest, most = pattern.digits
            column.kind, column.fewest = native.DIGITS, max(column.fewest, fewest)
            column.most = min(column.most, MANY if most is None else most)
            return True
        if format == "default":
            column.kind = native.TEXT
        elif format == "email":
            column.kind = native.EMAIL
        else:
            return self._set_automaton(_SHAPES[format], kept)
        return True

    def _set_automaton(self, pattern: str, kept: list[object]) -> bool:
        automaton = automaton_of(pattern)
        if automaton is None:
            return False
        kept.append(automaton)
        self._column.kind = native.AUTOMATON
        self._column.automaton, self._column.accepting = automaton.steps, automaton.accepting
        return True

    def _set_bounds(self, set_bound: Any) -> bool:
        for sides, side in ((_LEAST, "least"), (_GREATEST, "greatest")):
            found = [rule for name, rule in self._rules.items() if name in sides]
            if len(found) > 1 or (found and not set_bound(self._column, side, found[0])):
                return False
            for rule in found:
                self._column.flags |= sides[rule.name]
        return self._rules.keys() <= _LEAST.keys() | _GREATEST.keys()


def _set_number(column: Column, side: str, rule: Constraint) -> bool:
    limit = Decimal(rule.limit)
    scale = max(0, -int(limit.as_tuple().exponent))
    if scale > _MAX_SCALE or abs(limit) >= 10 ** (18 - scale):
        return False
    setattr(column, side, int(limit.scaleb(scale)))
    setattr(column, f"{side}_scale", scale)
    return True


def _set_moment(column: Column, side: str, rule: Constraint) -> bool:
    text, fraction = rule.limit if isinstance(rule.limit, tuple) else (rule.limit, "")
    setattr(column, f"{side}_text", Span.of(text.encode()))
    return not fraction
