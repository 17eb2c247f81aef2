"""Foreign keys: which rows of a file name records that are not there (contract, section 5).

The prechecks ask the tables, before anything is written, so that the answers are settled however often a part of the
job is repeated. A key without any value names nothing. One that has only a part of its values names no record, because
no primary key lacks one.

A record that a row names in its own entity may also be another row of the file, before or after it. Such rows are left
open by the prechecks, and the deduplication settles them, when it knows all rows of the file (`OwnReferences`):

    jobs/{id}/checks/{chunk}/provided    row and key of each valid row
    jobs/{id}/checks/{chunk}/open        row, number of the foreign key and named key of each open reference
    jobs/{id}/checks/{chunk}/dangling    what was settled: the rows that name no record, with their foreign keys as bits

Keys stand there as digests of a cryptographic hash, 160 bits each: unlike those of `waybill.imports.digests`, they are
equal only for equal keys.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_64_intdigest

from waybill.entities.fieldtypes import FieldType
from waybill.entities.model import SHARDS, Entity, partition
from waybill.entities.references import fits, is_own
from waybill.entities.row_compiler import MAX_KEY_BYTES, RECORD_KEY, key_text
from waybill.entities.schema import ForeignKey, parse_schema
from waybill.imports.existence import comparable, existing
from waybill.imports.modes import mode_of

if TYPE_CHECKING:
    from waybill.aws.dynamodb import DynamoDB
    from waybill.entities.fields import Field
    from waybill.entities.row_results import RowBlock
    from waybill.imports.row_reader import RowReader
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services

OPTION = "foreignKeys"
"""The job option of an import whose rows are checked."""
#: Different keys that the rows of a file may name in its own entity and that are not in the table: some 500 bytes each.
MAX_OPEN_KEYS = 1_000_000
_CACHED_KEYS = 200_000
_DIGEST_BYTES = 20
_PROVIDED = struct.Struct(f"<Q{_DIGEST_BYTES}s")
_OPEN = struct.Struct(f"<QB{_DIGEST_BYTES}s")


class TooManyOpenKeys(Exception):
    """The file names more than MAX_OPEN_KEYS keys of its own entity that are not in the table."""


class Named(NamedTuple):
    """A record that a row names: its key, by which equal ones are recognized, and as DynamoDB takes it (None: no table
    can hold it)."""

    text: str
    key: dict[str, Any] | None


class Found(NamedTuple):
    """Of a block's good rows, those that name no record (`dangling`) and those whose record of their own entity is not
    in the table (`open`): by row, the foreign keys as bits."""

    dangling: dict[int, int]
    open: dict[int, int]


class References:
    """Asks the tables for the records that rows name. Not safe for concurrent use: it remembers keys.

    Raises (while checking):
        DynamoDBError
    """

    def __init__(self, services: Services, reader: RowReader) -> None:
        entity = reader.entity
        others = services.entities.find_many(entity.references)
        self._reader = reader
        self._keys = [
            _Reference(services.dynamodb, services.settings.records_table, reader, key, others, 1 << number)
            for number, key in enumerate(reader.schema.foreign_keys)
            if any(reader.columns_of(key.names))
        ]

    @property
    def has_own(self) -> bool:
        """Whether rows name records of their own entity."""
        return any(reference.is_own for reference in self._keys)

    def check(self, block: RowBlock, before_row: int | None = None) -> Found:
        """Check the good rows of a block, up to a row."""
        rows = [row for row in block.rows if before_row is None or row < before_row]
        raws = [block.raw(row) for row in rows]
        found = Found({}, {})
        for reference in self._keys:
            there = reference.ask(self._reader.cells_of_rows(raws, reference.columns))
            into = found.open if reference.is_own else found.dangling
            for row, (named, is_there) in zip(rows, there, strict=True):
                if not is_there:
                    settled = found.dangling if named is None else into
                    settled[row] = settled.get(row, 0) | reference.bit
        return found

    def named(self, raw: str, bits: int) -> Iterator[tuple[int, str]]:
        """(number of the foreign key, the key that a row names) of these foreign keys of a good row."""
        for reference in self._keys:
            if bits & reference.bit:
                [cells] = self._reader.cells_of_rows([raw], reference.columns)
                named = reference.known(cells)
                if named is not None:
                    yield reference.bit.bit_length() - 1, named.text


class _Reference:
    """One foreign key of a file, and the entity that it names; None where that is gone or has another key by now."""

    def __init__(
        self,
        dynamodb: DynamoDB,
        records_table: str,
        reader: RowReader,
        key: ForeignKey,
        others: Mapping[str, Entity],
        bit: int,
    ) -> None:
        self.key, self.bit = key, bit
        self.is_own = is_own(key, reader.entity)
        entity = reader.entity if self.is_own else others.get(key.resource)
        self._dynamodb = dynamodb
        self._known: dict[tuple[str, ...], tuple[Named | None, bool]] = {}
        by_referenced = dict(zip(key.referenced, reader.columns_of(key.names), strict=True))
        self._is_whole = all(by_referenced.values())
        #: Those that the file has, in the order of the key that they name.
        self.columns = [column for column in by_referenced.values() if column is not None]
        self._entity: Entity | None = None
        if entity is not None and fits(key, reader.schema, parse_schema(entity.schema)):
            self._entity = entity
            ordered = [(name, by_referenced[name]) for name in entity.primary_key]
            self.columns = [column for _, column in ordered if column is not None]
            self._table = records_table if entity.target is None else entity.target.table
            self._attributes = RECORD_KEY if entity.target is None else entity.primary_key

    def ask(self, cells: Sequence[tuple[str, ...]]) -> list[tuple[Named | None, bool]]:
        """For each row's cells: the record that they name (None: none, or not a whole key), and whether all is well."""
        if len(self._known) > _CACHED_KEYS:
            self._known.clear()
        unknown = set(cells).difference(self._known)
        keys: dict[tuple[str, ...], dict[str, Any]] = {}
        for one in unknown:
            named = self.named(one)
            self._known[one] = named, named is None and self._is_null(one)
            if named is not None and named.key is not None:
                keys[one] = named.key
        if keys:
            is_own_table = self._attributes == RECORD_KEY
            there = existing(self._dynamodb, self._table, list(keys.values()), self._attributes, is_own_table)
            for one, key in keys.items():
                self._known[one] = self._known[one][0], comparable(key, self._attributes) in there
        return [self._known[one] for one in cells]

    def known(self, cells: tuple[str, ...]) -> Named | None:
        """As `named`, quickly where the cells were asked for."""
        found = self._known.get(cells)
        return self.named(cells) if found is None else found[0]

    def named(self, cells: tuple[str, ...]) -> Named | None:
        """The record that cells name; None where they have no whole key."""
        values = self._values(cells)
        if not self._is_whole or None in values:
            return None
        if self._entity is None:
            return Named(key_text(list(cells)), None)
        fields = [column.field for column in self.columns]
        if self._entity.target is None:
            text = key_text([field.kind.identity(value) for field, value in zip(fields, values, strict=True)])
            encoded = text.encode()
            shard = xxh3_64_intdigest(encoded) % SHARDS
            key = {"_pk": {"S": partition(self._entity.uid, shard)}, "_sk": {"S": text}}
            return Named(text, key if 0 < len(encoded) <= MAX_KEY_BYTES else None)
        stored = [field.kind.stored(value) for field, value in zip(fields, values, strict=True)]
        kinds = [field.kind.storage for field in fields]
        key = {n: {kind: text} for n, kind, text in zip(self._attributes, kinds, stored, strict=True)}
        is_key = all(0 < len(text.encode()) <= MAX_KEY_BYTES for text in stored)
        texts = [_target_text(field, value) for field, value in zip(fields, values, strict=True)]
        return Named(key_text(texts), key if is_key else None)

    def _values(self, cells: tuple[str, ...]) -> list[Any]:
        return [column.field.check(cell)[0] for column, cell in zip(self.columns, cells, strict=True)]

    def _is_null(self, cells: tuple[str, ...]) -> bool:
        return all(value is None for value in self._values(cells))


def _target_text(field: Field, value: Any) -> str:
    """A value as in the key texts of rows for a target table (`row_compiler`): equal attributes, not equal values."""
    if type(field.kind).identity is FieldType.identity:
        return field.kind.identity(value)
    return encode_basestring(field.kind.stored(value))[1:-1]


class OwnFiles:
    """Collects the files `provided` and `open` of a chunk."""

    def __init__(self) -> None:
        self.provided, self.open = bytearray(), bytearray()

    def add(self, references: References, block: RowBlock, open_rows: Mapping[int, int]) -> None:
        """Add the valid rows of a block.

        Args:
            open_rows: as `Found.open`.
        """
        for row, key in zip(block.rows, block.keys, strict=True):
            self.provided += _PROVIDED.pack(row, _digest(key))
            if row in open_rows:
                for number, text in references.named(block.raw(row), open_rows[row]):
                    self.open += _OPEN.pack(row, number, _digest(text))

    def pieces(self, name: str, entry_bytes: int) -> Iterator[bytes]:
        """As `OwnReferences` reads them, where the chunk is the whole file."""
        content = {"provided": self.provided, "open": self.open}[name]
        yield bytes(content[: len(content) // entry_bytes * entry_bytes])


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()


class OwnReferences:
    """Which open references name no other row of the file.

    A row whose record is not there is not imported, so those that name it are not either. What is left is the most that
    can be: rows that name each other are good, and so is one that names itself.

    Args:
        pieces: reads the files of this name of all chunks, in order and in pieces, each of whole entries of a size.
        has_new: whether rows of the file are records although the table does not have them.
    """

    def __init__(self, pieces: Callable[[str, int], Iterator[bytes]], has_new: bool) -> None:
        self._pieces, self._has_new = pieces, has_new

    def dangling(self, lost: Container[int] = ()) -> dict[int, int]:
        """By row, the foreign keys that name no record, as bits.

        Args:
            lost: rows that are not imported for another reason.

        Raises:
            TooManyOpenKeys
        """
        open_rows, providers = set[int](), dict[bytes, list[int]]()
        for _, _, named in self._open():
            providers.setdefault(named, [])
            if len(providers) > MAX_OPEN_KEYS:
                raise TooManyOpenKeys
        if not providers:
            return {}
        for row, key in self._provided():
            if key in providers and row not in lost:
                providers[key].append(row)
                open_rows.add(row)
        self._drop_dangling(providers, open_rows)
        found: dict[int, int] = {}
        for row, number, named in self._open():
            if not providers[named]:
                found[row] = found.get(row, 0) | 1 << number
        return found

    def _drop_dangling(self, providers: dict[bytes, list[int]], rows: set[int]) -> None:
        """Take the rows that name nothing out of `providers`, and then those that name these, and so on."""
        naming: dict[bytes, list[int]] = {}
        for row, _, named in self._open():
            if row in rows:
                naming.setdefault(named, []).append(row)
        of_row = {row: key for key, found in providers.items() for row in found if row in rows}
        gone = [key for key, found in providers.items() if not found]
        while gone:
            for row in naming.pop(gone.pop(), ()):
                key = of_row.pop(row, None)
                if key is not None:
                    providers[key].remove(row)
                    if not providers[key]:
                        gone.append(key)

    def _open(self) -> Iterator[tuple[int, int, bytes]]:
        for piece in self._pieces("open", _OPEN.size):
            yield from _OPEN.iter_unpack(piece)

    def _provided(self) -> Iterator[tuple[int, bytes]]:
        for piece in self._pieces("provided", _PROVIDED.size) if self._has_new else ():
            yield from _PROVIDED.iter_unpack(piece)


def has_new_rows(job: Job) -> bool:
    """Whether rows of a job can be records that the table does not have."""
    return mode_of(job).requires != "present"


def pairs(found: Mapping[int, int]) -> list[list[int]]:
    """Bits by row, as they stand in files."""
    return [[row, found[row]] for row in sorted(found)]


def from_pairs(given: Iterable[Sequence[int]]) -> dict[int, int]:
    return {row: bits for row, bits in given}
