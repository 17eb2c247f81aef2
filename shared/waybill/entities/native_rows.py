"""Rows of a file → requests for DynamoDB, by the C library: quickly, for the rows whose every cell it knows to be good.

    native = native_rows(schema, header, dialect)      # None where it was not built
    block, unverified = native.load(data, records, first_row, …)

The cells of columns whose rule it does not know go through their lanes, once a block (`foreign_columns`). The
unverified records go to `row_compiler.RowCompiler`, which is the rule.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from itertools import accumulate
from json.encoder import encode_basestring as quote
from typing import Any, NamedTuple, overload

from waybill import native
from waybill.joined import JoinedTexts
from waybill.native import Answers, Column, Span, Word
from waybill.tabular.dialect import Dialect
from waybill.tabular.formulas import unguard

from .automaton import automaton_of
from .cells import Problem
from .cleaning import Cleaning
from .columns import CACHED_BAD_CELLS, CACHED_CELL_CHARS, Lane, make_column
from .fields import Field
from .fieldtypes.native_kind import NativeKind, moment_bytes
from .foreign_columns import ForeignColumns
from .header import HeaderMatch
from .row_compiler import MANY_COLUMNS, MISSING_KEY, FileColumn, Shape, attribute_name, is_keyless
from .row_results import RowBlock
from .schema import Schema
from .updates import Updates

MAX_WORDS = 4_096
MAX_MISSING_VALUES = 16
NO_ROOM = -2
KEY_PART_BYTES = 20  # of a date and time that the file has in fewer
MAX_ASKING = 16  # sets of columns with doubtful cells
MANY = 2**62  # characters: no limit
_ENTRY = struct.Struct("=6I")  # of `native.Unverified`


class _Framing(NamedTuple):
    """As of `NativeRows.load`."""

    partition: str
    stamps: tuple[tuple[str, str], ...]
    before: str
    after: str
    key_prefix: str


class _Room(NamedTuple):
    """For what blocks there is room: of so many records and bytes, and so many bytes of what foreign cells become."""

    records: int = 0
    bytes: int = 0
    foreign_bytes: int = 0
    has_texts: bool = False


class Unverified(NamedTuple):
    """`native.Unverified` as a tuple. Of a record with several such cells each is named, from left to right."""

    record: int
    start: int
    end: int
    column: int
    cell_start: int
    cell_end: int


def native_rows(
    schema: Schema,
    header: HeaderMatch,
    dialect: Dialect,
    own_table: bool = True,
    shape: Shape = "put",
    guarded: Container[int] = (),
    updates: Updates | None = None,
    asked: Container[int] = (),
) -> NativeRows | None:
    """Returns what loads the records of one file; None where only `RowCompiler` can.

    Args:
        guarded: positions of columns whose cells lose the quote of the formula guard.
        updates: of the shape `update`; only in Waybill's own table does the library write its requests.
        asked: positions of columns that are foreign, even if the library knows their rule.
    """
    library = native.library()
    if library is None or (shape == "update" and not (own_table and updates and len(header.columns) < MANY_COLUMNS)):
        return None
    wanted = [column for column in header.columns if shape != "delete" or column.field.name in schema.primary_key]
    if updates is not None and updates.keeps_blanks and any(has_default(column.field) for column in wanted):
        return None  # the library does not tell a default from a cell
    places = {field.name: position for position, field in wanted}
    keys = [places[name] for name in schema.primary_key]
    uniques = [
        [places[name] for name in names] for names in schema.unique_sets if all(name in places for name in names)
    ]
    unique = {position for places in uniques for position in places}
    columns = [Column(kind=native.KINDS.index("ignored")) for _ in header.labels]
    foreign, kept = list[FileColumn](), list[object]()
    for number, (position, field) in enumerate(wanted):
        name = attribute_name(field, own_table) if updates is None else f":{updates.shorts[number]}"
        is_set = {
            "key": position in keys,
            "compared": position in {*keys, *unique},
            "guarded": position in guarded,
            "unwritten": own_table and shape == "delete",
        }
        flags = sum(native.FLAGS[name] for name, is_true in is_set.items() if is_true)
        column = None if position in asked else _column(field, name, flags, kept)
        if column is None:
            lane = FileColumn(position, make_column(field))
            lane.is_key, lane.is_compared = position in keys, position in {*keys, *unique}
            if lane.is_key and position in unique and lane.has_spellings and not own_table:
                return None  # its key and its unique value are different texts
            foreign.append(lane)
            column = _foreign_column(lane.lane, name, flags, kept)
        columns[position] = column
    foreign.sort(key=lambda column: column.index)
    ask = partial(native_rows, schema, header, dialect, own_table, shape, guarded, updates)
    rows = ForeignColumns(foreign, own_table, guarded) if foreign else None
    fields = {position: (field, position in guarded) for position, field in wanted}
    return NativeRows(library, columns, fields, keys, uniques, rows, dialect, own_table, shape, updates, kept, ask)


class NativeRows:
    """See `native_rows`. Not safe for concurrent use: its buffers are used again."""

    def __init__(
        self,
        library: Any,
        columns: list[Column],
        fields: dict[int, tuple[Field, bool]],
        keys: list[int],
        uniques: list[list[int]],
        foreign: ForeignColumns | None,
        dialect: Dialect,
        own_table: bool,
        shape: Shape,
        updates: Updates | None,
        kept: list[object],
        ask: Callable[[Container[int]], NativeRows | None],
    ) -> None:
        self._ask, self._asking = ask, dict[frozenset[int], NativeRows | None]()
        self._library = library
        self._own_table, self._writes_records = own_table, shape == "put"
        self._updates, self._ends = updates, dict[bytes, bytes]()
        self._fields, self._keys = fields, frozenset(keys)
        self._unique_sets = len(uniques)
        self._foreign = foreign
        self._bad: dict[tuple[int, str], tuple[Problem, ...]] = {}
        self._kept = kept  # what the structures point to
        self._cells = (native.Cell * len(columns))()
        flat = [position for positions in uniques for position in positions]
        self._table = native.Table(
            columns=(Column * len(columns))(*columns),
            width=len(columns),
            delimiter=ord(dialect.delimiter),
            quote=ord(dialect.quote_char or "\0"),
            has_quote=dialect.quote_char is not None,
            is_own=own_table,
            names_uneven=shape != "delete",  # where others are read, all columns of such a row are checked
            keys=(ctypes.c_uint32 * len(keys))(*keys),
            key_count=len(keys),
            uniques=(ctypes.c_uint32 * len(flat))(*flat),
            unique_ends=(ctypes.c_size_t * len(uniques))(*accumulate(map(len, uniques))),
            unique_count=len(uniques),
        )
        self._value_bytes = sum(column.longest_value for column in columns)
        self._buffers: dict[str, ctypes.Array[Any]] = {}
        self._output = native.Output(cells=self._cells, answers=(Answers * len(columns))())
        self._framing: _Framing | None = None
        self._room, self._constant, self._prefix_bytes = _Room(), 0, 0

    def asking(self, columns: frozenset[int]) -> NativeRows | None:
        """The same with these columns foreign: for rows whose only doubtful cells are theirs."""
        if columns not in self._asking:
            if len(self._asking) == MAX_ASKING:
                return None
            self._asking[columns] = self._ask(columns.union(self._foreign.positions if self._foreign else ()))
        return self._asking[columns]

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
        numbers: Sequence[int] = (),
    ) -> tuple[RowBlock, list[Unverified]] | None:
        """Checks and renders the first records of a block; None where only a sequential read can find its records.

        The block has the approved rows, without `raw`; the records that were not approved are listed in file order.

        Args:
            data: UTF-8, whole records whose quotes are structural; the first of them is row `first_row`.
            partition, stamps, before, after: as of `RowCompiler.compile`.
            key_prefix: of the keys of records without a primary key: the number of the row follows, in 12 digits.
            numbers: of the rows, where they do not follow `first_row`.
            wants_texts: without them checking takes two thirds of the time.
        """
        if self._updates is not None and not stamps:
            return None
        self._set_framing(_Framing(partition, tuple((stamps or {}).items()), before, after, key_prefix))
        output = self._output
        foreign: list[Answers] = []
        self._make_room(records, len(data), 0, wants_texts)
        if self._foreign is not None:
            found = self._answers(self._foreign, data, records)
            if found is None:
                return None
            foreign = found
            self._make_room(
                records, len(data), sum(one.texts.size + one.identities.size for one in foreign), wants_texts
            )
        output.texts = self._buffer("texts", 0) if wants_texts else None
        given = array("Q", numbers)
        output.numbers = given.buffer_info()[0] if numbers else None
        self._set_answers(foreign)
        if self._updates is not None:
            output.absent = self._buffer("absent", records * len(self._cells))
        status = self._library.waybill_load_rows(self._table, data, len(data), records, first_row, output)
        if status == NO_ROOM:  # few texts grow so much: the room for the worst is made only for them
            output.texts_room += 10 * len(data)
            output.texts = self._buffer("texts", output.texts_room)
            self._set_answers(foreign)
            status = self._library.waybill_load_rows(self._table, data, len(data), records, first_row, output)
        if status:
            return None
        good = output.good
        texts: Sequence[bytes] = ()
        if wants_texts:
            ends: array[int] = _numbers("I", output.text_ends, 4 * good)
            texts = self._updated(JoinedTexts(ctypes.string_at(output.texts, output.texts_size), ends))
        block = RowBlock(
            rows=range(first_row, first_row + records)
            if good == records and not numbers
            else _numbers("Q", output.rows, 8 * good),
            texts=texts,
            keys=_Keys(ctypes.string_at(output.keys, output.keys_size), _numbers("I", output.key_ends, 4 * good)),
            digests=_numbers("Q", output.digests, 8 * good),
            unique=self._unique_digests(output),
        )
        return block, self._unverified(output)

    def _updated(self, texts: JoinedTexts) -> Sequence[bytes]:
        """The requests; the library has ended each as if it had a value for every column, which updates differ in."""
        if self._updates is None:
            return texts
        width = len(self._cells)
        absent = ctypes.string_at(self._output.absent, width * len(texts))
        if 1 not in absent:
            return texts
        found, usual = [], len(self._end_of_update(bytes(width)))
        for place, text in enumerate(texts):
            row = absent[width * place : width * (place + 1)]
            found.append(text[:-usual] + self._end_of_update(row) if 1 in row else text)
        return found

    def _end_of_update(self, absent: bytes) -> bytes:
        """What stands behind the values of a row, by the columns of the file without one."""
        end = self._ends.get(absent)
        if end is None:
            assert self._updates is not None and self._framing is not None  # noqa: S101
            names = tuple(name for name, _ in self._framing.stamps)
            own = bytes(absent[position] for position in self._fields)
            end = self._ends[absent] = f"}}{self._updates.text(names, own)}{self._framing.after}".encode()
        return end

    def _set_framing(self, framing: _Framing) -> None:
        """Sets what stands around the members of each row; that of all blocks of a file is alike."""
        if framing == self._framing:
            return
        self._framing, self._room, self._ends = framing, _Room(), {}
        partition, stamps, before, after, key_prefix = framing
        texts = [f"{quote(name)}:{value}" for name, value in stamps if self._writes_records]
        end = after.encode()
        if self._updates is not None:
            given = ",".join([f'":s{number}":{value}' for number, (_, value) in enumerate(stamps)])
            own = f'{before}"Key":{{"_pk":{{"S":{quote(partition)[:-1]}#'
            parts = [own, '"},"_sk":{"S":"', f'"}}}},"ExpressionAttributeValues":{{{given}']
            end = self._end_of_update(bytes(len(self._cells)))
        elif self._own_table:
            parts = [f'{before}"_pk":{{"S":{quote(partition)[:-1]}#', '"},"_sk":{"S":"', ",".join(['"}', *texts])]
        else:
            parts = [before, "", ",".join(texts)]
        table = self._table
        encoded = [*[part.encode() for part in parts], end, key_prefix.encode()]
        table.head, table.middle, table.tail, table.end, table.key_prefix = map(Span.of, encoded)
        self._constant, self._prefix_bytes = self._library.waybill_constant_bytes(table), len(encoded[-1])

    def _make_room(self, records: int, size: int, foreign_bytes: int, wants_texts: bool) -> None:
        """Makes the buffers large enough for a block; most blocks of a file are of one size."""
        room = self._room
        is_large = records <= room.records and size <= room.bytes and foreign_bytes <= room.foreign_bytes
        if is_large and (room.has_texts or not wants_texts):
            return
        records, size = max(records, room.records), max(size, room.bytes)
        foreign_bytes, has_texts = max(foreign_bytes, room.foreign_bytes), wants_texts or room.has_texts
        self._room = _Room(records, size, foreign_bytes, has_texts)
        output = self._output
        output.scratch = self._buffer("scratch", self._library.waybill_scratch_bytes(self._table, size))
        if has_texts:
            output.texts_room = records * self._constant + 2 * size + foreign_bytes
            self._buffer("texts", output.texts_room)
            output.text_ends = self._buffer("text_ends", records * 4)
        a_key = self._prefix_bytes + 13 + self._value_bytes + KEY_PART_BYTES * len(self._keys)
        output.keys_room = size + foreign_bytes + records * a_key + native.MAX_KEY_BYTES
        output.keys = self._buffer("keys", output.keys_room)
        output.rows = self._buffer("rows", records * 8)
        output.key_ends = self._buffer("key_ends", records * 4)
        output.digests = self._buffer("digests", records * 8)
        output.unique_digests = self._buffer("unique_digests", 8 * records * self._unique_sets)
        output.unique_nulls = self._buffer("unique_nulls", records * self._unique_sets)
        output.unverified_room = 2 * records + len(self._cells)
        output.unverified = self._buffer("unverified", output.unverified_room * ctypes.sizeof(native.Unverified))

    def _answers(self, foreign: ForeignColumns, data: bytes, records: int) -> list[Answers] | None:
        """What the lanes make of the cells of the foreign columns; None where only a sequential read can find them."""
        found = (ctypes.c_size_t * 2)()
        collected = self._buffer("collected", len(data) + records * len(foreign.columns))
        if self._library.waybill_collect(self._table, data, len(data), records, self._output, collected, found):
            return None
        self._answered: list[object] = []
        return foreign.answers(ctypes.string_at(collected, found[0]).decode(), self._answered)

    def _set_answers(self, foreign: list[Answers]) -> None:
        """Sets the answers by column; they are copies, because the library uses them up."""
        if self._foreign is None:
            return
        answers = (Answers * len(self._cells))()
        for column, answer in zip(self._foreign.columns, foreign, strict=True):
            answers[column.index] = answer
        self._output.answers = answers

    def _unique_digests(self, output: native.Output) -> list[Sequence[int | None]]:
        sets = self._unique_sets
        digests: array[int] = _numbers("Q", output.unique_digests, 8 * output.good * sets)
        nulls = ctypes.string_at(output.unique_nulls, output.good * sets)
        found: list[Sequence[int | None]] = []
        for place in range(sets):
            values: Sequence[int | None] = digests[place::sets]
            if 1 in nulls[place::sets]:
                values = [None if is_null else value for value, is_null in zip(values, nulls[place::sets], strict=True)]
            found.append(values)
        return found

    def _unverified(self, output: native.Output) -> list[Unverified]:
        entries = ctypes.string_at(output.unverified, _ENTRY.size * output.unverified_count)
        return list(map(Unverified._make, _ENTRY.iter_unpack(entries)))

    def problems(self, column: int, cell: str) -> tuple[Problem, ...]:
        """What is wrong with an unverified cell, by the rule: bad cells repeat."""
        key = (column, cell)
        found = self._bad.get(key)
        if found is None:
            field, is_guarded = self._fields[column]
            text = unguard(cell) if is_guarded else cell
            found = (MISSING_KEY,) if column in self._keys and is_keyless(field, text) else field.check(text)[1]
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


def _foreign_column(lane: Lane, name: str, flags: int, kept: list[object]) -> Column:
    column = Column(
        kind=native.KINDS.index("foreign"), flags=flags, opening=_opening(lane, name), closing=_closing(lane)
    )
    kept.append(column)
    return column


def _opening(lane: Lane, name: str) -> Span:
    """What stands before a value in the member of this name."""
    return Span.of(f"{quote(name)}:{lane.opening}".encode())


def _closing(lane: Lane) -> Span:
    return Span.of(lane.closing.encode())


def _column(field: Field, name: str, flags: int, kept: list[object]) -> Column | None:
    """A field's rule as a structure, its values in members of this name; None where the library cannot check it.

    `kept` gets what the column points to.
    """
    missing = [value.encode() for value in field.missing_values if value.isprintable()]
    rule = _native_kind(field)
    if flags & native.FLAGS["compared"] and rule is not None and rule.name in ("duration", "list"):
        return None  # equal ones are written in several ways
    if rule is None or not len(missing) == len(field.missing_values) <= MAX_MISSING_VALUES:
        return None
    lane = make_column(field)
    spans = (Span * len(missing))(*map(Span.of, missing))
    cleaning = field.cleaning or Cleaning()
    given = [cleaning.default or "", *cleaning.values.values()]
    if not all(map(_is_plain, given)) or not all(map(str.isprintable, cleaning.values)):
        return None
    values = _words({cell: text.encode() for cell, text in cleaning.values.items()}, kept)
    column = Column(
        kind=native.KINDS.index(rule.name),
        flags=flags
        | native.FLAGS["required"] * field.required
        | sum(native.FLAGS[name] for name in (*cleaning.steps, *rule.flags)),
        opening=_opening(lane, name),
        closing=_closing(lane),
        missing=spans,
        missing_count=len(missing),
        values=values,
        value_count=len(values),
        fallback=Span() if cleaning.default is None else Span.of(cleaning.default.encode()),
        longest_value=max(len(text.encode()) for text in given),
        fewest=rule.fewest,
        most=MANY if rule.most is None else rule.most,
        pattern=Span.of(moment_bytes(rule.pattern) if rule.name == "moment" else b""),
        group=Span.of(rule.group.encode()),
        point=ord(rule.point),
        separator=Span.of(rule.separator.encode()),
    )
    kept += [missing, spans, column]
    _set_bounds(column, rule)
    if rule.item is not None:
        item = _item_column(rule.item, rule.storage, kept)
        column.item = None if item is None else ctypes.addressof(item)
        return None if item is None else column
    if rule.name == "words":
        return column if _set_words(column, field, lane, rule, kept) else None
    return column if rule.name != "automaton" or _set_automaton(column, rule.pattern, kept) else None


def _item_column(rule: NativeKind, storage: str, kept: list[object]) -> Column | None:
    """The items of a list, in the default form of their type and without constraints; None where it is not known."""
    opening, closing = ('{"BOOL":', "}") if storage == "BOOL" else (f'{{"{storage}":"', '"}')
    column = Column(
        kind=native.KINDS.index(rule.name),
        opening=Span.of(opening.encode()),
        closing=Span.of(closing.encode()),
        most=MANY if rule.most is None else rule.most,
    )
    kept.append(column)
    if rule.name == "automaton":
        return column if _set_automaton(column, rule.pattern, kept) else None
    if isinstance(rule.cells, Mapping):  # the values of a boolean
        words = {cell: b"true" if value else b"false" for cell, value in rule.cells.items()}
        column.words, column.word_count = _words(words, kept), len(words)
    return column


def _native_kind(field: Field) -> NativeKind | None:
    limits = {rule.name: rule.limit for rule in field.constraints}
    if not limits.keys() & {"enum", "categories"}:
        return field.kind.native(limits)
    document = field.document
    given = [*document.get("constraints", {}).get("enum", ()), *document.get("categories", ())]
    cells = {str(entry.get("value") if isinstance(entry, dict) else entry) for entry in given}
    own = field.kind.native({})
    return NativeKind("words", cells=cells.union(() if own is None else own.cells))


def _set_bounds(column: Column, rule: NativeKind) -> None:
    least, greatest = rule.least, rule.greatest
    if least is not None:
        column.flags |= native.FLAGS["has_least"] | native.FLAGS["open_least"] * least.is_open
        column.least, column.least_scale, column.least_text = least.digits, least.scale, Span.of(least.text.encode())
    if greatest is not None:
        column.flags |= native.FLAGS["has_most"] | native.FLAGS["open_most"] * greatest.is_open
        column.greatest, column.greatest_scale = greatest.digits, greatest.scale
        column.greatest_text = Span.of(greatest.text.encode())


def _set_words(column: Column, field: Field, lane: Lane, rule: NativeKind, kept: list[object]) -> bool:
    """Sets the cells of an enumeration that the rule accepts; False where there are none, or too many to list."""
    words = {}
    for cell in set(rule.cells) - field.missing if len(rule.cells) <= MAX_WORDS else ():
        text, problems = lane.check(cell)
        if not problems and cell.isprintable():
            words[cell] = text.encode()
    column.words, column.word_count = _words(words, kept), len(words)
    return bool(words)


def _words(texts: Mapping[str, bytes], kept: list[object]) -> ctypes.Array[Word]:
    """Cells and what stands for each, in the library's order."""
    words = sorted(((cell.encode(), text) for cell, text in texts.items()), key=lambda word: (len(word[0]), word[0]))
    entries = (Word * len(words))(*(Word(Span.of(cell), Span.of(text)) for cell, text in words))
    kept += [words, entries]
    return entries


def has_default(field: Field) -> bool:
    """Whether a missing value is read as another text."""
    return field.cleaning is not None and field.cleaning.default is not None


def _is_plain(text: str) -> bool:
    """Whether the text stands in JSON as it is."""
    return text.isprintable() and not {'"', "\\"} & set(text)


def _set_automaton(column: Column, pattern: str, kept: list[object]) -> bool:
    automaton = automaton_of(pattern)
    if automaton is None:
        return False
    kept.append(automaton)
    column.automaton, column.accepting = automaton.steps, automaton.accepting
    return True
