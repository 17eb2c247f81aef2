"""Rows of a file → requests for DynamoDB, a block at a time.

    compiler = RowCompiler(schema, match_header(schema, labels))
    block = compiler.compile(columns, numbers, partition=entity_uid, stamps={"_at": '{"N":"1700000000000"}'})

`block.texts` are the requests of the good rows, `block.errors` says what is wrong with the others.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import compress, repeat
from json.encoder import encode_basestring as quote
from typing import Any, Literal

from xxhash import xxh3_64_intdigest

from .cells import CheckedField, Problem
from .columns import Converted, Lane, escape, frame, make_column
from .fieldtypes import FieldType
from .fieldtypes.attributes import MAX_ITEM_BYTES, attribute_bytes
from .header import REJECTS_LABELS, HeaderMatch
from .model import SHARDS
from .row_results import RowBlock, RowError
from .schema import Schema
from .updates import ABSENT, DEFAULT, VALUE, Updates

MAX_KEY_BYTES = 1_024
#: Of DynamoDB's expressions: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html

MAX_EXPRESSION_BYTES = 4_096
#: The key attributes of Waybill's own table.
RECORD_KEY = ("_pk", "_sk")
MISSING_KEY = Problem("missing-key", "the primary key is missing")
BARE_KEY = Problem(
    "constraint-error",
    "The row has nothing but its key. In a table without a modifiedAttribute a merge needs a value to write.",
)
BLANK_ROW = Problem("blank-row", "The row is blank.")

Shape = Literal["put", "update", "delete"]

_SHARD = [f"{shard:02x}" for shard in range(SHARDS)]
_ONE_CHAR_BYTES = 4  # of UTF-8, at most
MANY_COLUMNS = 400  # an update of fewer has a short expression


def attribute_name(of: CheckedField, own_table: bool = True) -> str:
    """The attribute of a field. Only in Waybill's own table are there names to stay clear of."""
    return of.attribute if own_table else of.name


def is_keyless(field: CheckedField, cell: str) -> bool:
    """Whether a cell of the primary key is null or blank."""
    text = field.read(cell)
    return text in field.missing or not text.strip()


def key_text(identities: Sequence[str]) -> str:
    """The key of a record from its primary key values: one as it is, several joined by `|`."""
    if len(identities) == 1:
        return identities[0]
    return "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in identities)


class RowCompiler:
    """Checks one file's rows and renders their requests. Not safe for concurrent use: lanes remember cells.

    Args:
        shape: `put` writes whole records (upsert, insert), `update` the file's columns, `delete` needs the key only
            (other columns are not read).
        own_table: Waybill's records table; else a table of the entity's own, whose key attributes are the fields of
            the primary key.
        creates: an update makes the record where there is none; else it is conditional on the record.
        keeps_blanks: a missing value leaves the field of an update as it stands, and the field's default is only for
            records that lack the field and may be made; else it removes the field, or sets the default.
    """

    def __init__(
        self,
        schema: Schema,
        header: HeaderMatch,
        *,
        shape: Shape = "put",
        own_table: bool = True,
        creates: bool = False,
        keeps_blanks: bool = False,
    ) -> None:
        self.schema = schema
        self.own_table = own_table
        self.shape = shape
        self._creates = creates
        key = set(schema.primary_key)
        wanted = [column for column in header.columns if shape != "delete" or column.field.name in key]
        self._columns = [FileColumn(column.position, make_column(column.field)) for column in wanted]
        #: Of the columns that are read.
        self.positions = [column.position for column in wanted]
        self._others = [index for index in header.ignored if header.labels[index] not in REJECTS_LABELS]
        by_name = {column.lane.field.name: column for column in self._columns}
        self._key = [by_name[name] for name in schema.primary_key]
        self.unique_sets = tuple(names for names in schema.unique_sets if all(name in by_name for name in names))
        self._unique = [[by_name[name] for name in names] for names in self.unique_sets]
        for column in self._columns:
            column.is_key = column in self._key
            column.is_compared = column.is_key or any(column in columns for columns in self._unique)
        self.updates = self._make_updates(keeps_blanks) if shape == "update" else None

    def _make_updates(self, keeps_blanks: bool) -> Updates:
        key_names = [column.lane.field.name for column in self._key]
        return Updates(
            [
                attribute_name(column.lane.field, self.own_table)
                for column in self._columns
                if self.own_table or not column.is_key
            ],
            "_pk" if self.own_table else key_names[0],
            own_table=self.own_table,
            creates=self._creates,
            keeps_blanks=keeps_blanks,
        )

    def compile(
        self,
        columns: Sequence[Sequence[str]],
        numbers: Sequence[int],
        *,
        partition: str = "",
        stamps: Mapping[str, str] | None = None,
        before: str = '{"PutRequest":{"Item":{',
        after: str = "}}}",
        keys: Sequence[str] | None = None,
    ) -> RowBlock:
        """Checks a block of rows, given as columns, and renders the good ones.

        Args:
            columns: the cells as in the file; as many columns as the header has labels, of one length.
            numbers: of the rows, as many.
            partition: the entity's uid (own table only).
            stamps: attribute name → attribute value as JSON, written with every record (`_at`, `_by`).
            before, after: put around each text. The text between is, by shape:
                put: the members of the item;
                delete: the members of the key;
                update: `"Key":…,"ExpressionAttributeValues":…,"ConditionExpression":…,"UpdateExpression":…,
                    "ExpressionAttributeNames":…`, each but the first only where there is anything to say.
            keys: the key texts, one a row, for a schema without a primary key.
        """
        if not numbers:
            return RowBlock(unique=[[] for _ in self._unique])
        block, outputs = self._check(columns, numbers, keys)
        if block.keys:
            texts = self._render(block, outputs, partition, stamps or {}, before, after)
            large = self._large_items(block, texts, before, after) | self._long_updates(block, texts, before, after)
            block.texts = list(map(str.encode, texts))
            block.reject(large | self._bare_keys(block, outputs, stamps or {}))
        return block

    def _check(
        self, columns: Sequence[Sequence[str]], numbers: Sequence[int], keys: Sequence[str] | None
    ) -> tuple[RowBlock, list[Output]]:
        outputs = [Output(column, columns[column.index]) for column in self._columns]
        errors: dict[int, list[RowError]] = {}
        for output in outputs:
            if output.column.is_key:
                output.find_missing_keys()
            if output.converted.problems:
                output.add_errors(errors, numbers)
        for position in self._blank_rows(columns, outputs):
            row = numbers[position]
            errors[row] = [RowError.whole(row, *BLANK_ROW)]
        block = RowBlock(rows=numbers, errors=errors)
        if not self._key:
            if keys is None:
                raise ValueError("rows of a schema without a primary key need keys")
            block.keys = keys
        if errors:
            _keep_good(block, outputs, errors)
        if block.rows:
            self._add_keys(block, outputs)
            by_column = {output.column.index: output for output in outputs}
            block.unique = [
                _unique_digests([by_column[column.index] for column in columns], len(block.rows))
                for columns in self._unique
            ]
        else:
            block.unique = [[] for _ in self._unique]
        return block, outputs

    def _blank_rows(self, columns: Sequence[Sequence[str]], outputs: list[Output]) -> set[int]:
        """Positions of the rows with only missing values in their fields, and nothing at all in the other columns."""
        if self.shape == "delete" or not all(output.blanks for output in outputs):
            return set()
        blank = set(outputs[0].blanks).intersection(*[output.blanks for output in outputs[1:]])
        return {position for position in blank if not any(columns[index][position] for index in self._others)}

    def _add_keys(self, block: RowBlock, outputs: list[Output]) -> None:
        if self._key:
            by_column = {output.column.index: output for output in outputs}
            block.keys = _key_texts([by_column[column.index].key_values(self.own_table) for column in self._key])
        encoded = list(map(str.encode, block.keys))
        if max(map(len, encoded)) > MAX_KEY_BYTES:
            large = {
                row: [self._large_key(row, position, len(key), outputs)]
                for position, (row, key) in enumerate(zip(block.rows, encoded, strict=True))
                if len(key) > MAX_KEY_BYTES
            }
            encoded = [key for key in encoded if len(key) <= MAX_KEY_BYTES]
            block.errors |= large
            _keep_good(block, outputs, large)
        block.digests = list(map(xxh3_64_intdigest, encoded))

    def _large_key(self, row: int, position: int, size_bytes: int, outputs: list[Output]) -> RowError:
        message = f"the record's key has {size_bytes:,} bytes, more than {MAX_KEY_BYTES:,}"
        if len(self._key) != 1:
            return RowError.whole(row, "record-too-large", message)
        column = self._key[0]
        cell = next(output.cells[position] for output in outputs if output.column is column)
        return RowError(row, column.index + 1, column.lane.field.name, "record-too-large", cell, message)

    def _render(
        self,
        block: RowBlock,
        outputs: list[Output],
        partition: str,
        stamps: Mapping[str, str],
        before: str,
        after: str,
    ) -> list[str]:
        if self.shape == "update":
            return [f"{before}{text}{after}" for text in self._update_texts(block, outputs, partition, stamps)]
        parts: list[str | Iterable[str]] = [before]
        comma = ""
        if self.own_table:
            parts += self._own_key(block, partition)
            comma = ","
        if self.shape == "put":
            for name, value in stamps.items():
                parts.append(f"{comma}{quote(name)}:{value}")
                comma = ","
            # Without anything before them, a column that has every value goes first: commas lead the others.
            for output in outputs if comma else sorted(outputs, key=lambda output: bool(output.nulls)):
                parts += output.members(comma, self.own_table)
                comma = ","
        elif not self.own_table:
            for column in self._key:
                output = next(output for output in outputs if output.column is column)
                parts += output.members(comma, self.own_table)
                comma = ","
        parts.append(after)
        texts = _join(parts)
        if outputs and all(output.nulls for output in outputs) and not self.own_table and not stamps:
            texts = [text.replace(f"{before},", before, 1) for text in texts]
        return texts

    def _own_key(self, block: RowBlock, partition: str) -> list[str | Iterable[str]]:
        """`_pk` and `_sk`: partition and sort key of the records table."""
        keys = escape(block.keys, frame(block.keys))
        shards = [_SHARD[digest & 63] for digest in block.digests]
        return [f'"_pk":{{"S":{quote(partition)[:-1]}#', shards, '"},"_sk":{"S":"', keys, '"}']

    def _update_texts(
        self, block: RowBlock, outputs: list[Output], partition: str, stamps: Mapping[str, str]
    ) -> list[str]:
        """One UpdateItem a row: SET the fields with a value, REMOVE those without (or leave them as they stand)."""
        updates = self.updates
        assert updates is not None  # of this shape  # noqa: S101
        if self.own_table:
            key_texts = _join(["{", *self._own_key(block, partition), "}"])
        else:
            parts: list[str | Iterable[str]] = ["{"]
            for number, column in enumerate(self._key):
                output = next(output for output in outputs if output.column is column)
                parts += output.members("," if number else "", False)
            key_texts = _join([*parts, "}"])
        written = [output for output in outputs if self.own_table or not output.column.is_key]
        rows: Iterable[tuple[str, ...]] = repeat(())
        marks: Iterable[tuple[int, ...]] = repeat(())
        if written:
            rows = zip(*[output.attribute_values() for output in written], strict=True)
            marks = zip(*[output.marks(updates, len(block.rows)) for output in written], strict=True)
        stamped = [f'":s{number}":{value}' for number, value in enumerate(stamps.values())]
        names, texts = tuple(stamps), []
        for key, row, mark in zip(key_texts, rows, marks, strict=False):
            columns = zip(updates.shorts, row, mark, strict=True)
            given = stamped + [f'":{short}":{value}' for short, value, holds in columns if holds != ABSENT]
            holders = f',"ExpressionAttributeValues":{{{",".join(given)}}}' if given else ""
            texts.append(f'"Key":{key}{holders}{updates.text(names, bytes(mark))}')
        return texts

    def _bare_keys(self, block: RowBlock, outputs: list[Output], stamps: Mapping[str, str]) -> dict[int, RowError]:
        """Rows that could not make the record where there is none: an update that sets nothing makes no item."""
        if not self._creates or self.own_table or stamps:
            return {}
        bare = set(range(len(block.rows))).intersection(
            *[output.nulls for output in outputs if not output.column.is_key]
        )
        return {block.rows[position]: RowError.whole(block.rows[position], *BARE_KEY) for position in bare}

    def _large_items(self, block: RowBlock, texts: list[str], before: str, after: str) -> dict[int, RowError]:
        """DynamoDB holds items of up to 400 KB; only a text near that is worth counting exactly."""
        around = len(before) + len(after)
        if (max(map(len, texts)) - around) * _ONE_CHAR_BYTES <= MAX_ITEM_BYTES or self.shape == "delete":
            return {}
        large: dict[int, RowError] = {}
        for row, text in zip(block.rows, texts, strict=True):
            if (len(text) - around) * _ONE_CHAR_BYTES > MAX_ITEM_BYTES:
                size = _item_bytes(json.loads(f"{{{text[len(before) : len(text) - len(after)]}}}"), self.shape)
                if size > MAX_ITEM_BYTES:
                    message = f"the record has {size:,} bytes, more than {MAX_ITEM_BYTES:,}"
                    large[row] = RowError.whole(row, "record-too-large", message)
        return large

    def _long_updates(self, block: RowBlock, texts: list[str], before: str, after: str) -> dict[int, RowError]:
        """DynamoDB takes update expressions of up to 4 KB, which is some 500 fields."""
        many = MANY_COLUMNS // 4 if self.updates and self.updates.keeps_blanks else MANY_COLUMNS  # defaults take more
        if self.shape != "update" or len(self._columns) < many:
            return {}
        long: dict[int, RowError] = {}
        for row, text in zip(block.rows, texts, strict=True):
            request = json.loads(f"{{{text[len(before) : len(text) - len(after)]}}}")
            size = len(request.get("UpdateExpression", ""))
            if size > MAX_EXPRESSION_BYTES:
                fields = sum(short[1].isupper() for short in request["ExpressionAttributeNames"])
                message = (
                    f"the row changes {fields:,} fields: an update of so many takes {size:,} bytes, more than "
                    f"{MAX_EXPRESSION_BYTES:,}. Import fewer columns at a time"
                )
                long[row] = RowError.whole(row, "record-too-large", message)
        return long


class FileColumn:
    """A column of the file with its lane; `is_compared` when its values make keys or must be unique."""

    __slots__ = ("index", "is_compared", "is_key", "lane")

    def __init__(self, index: int, lane: Lane) -> None:
        self.index, self.lane = index, lane
        self.is_key = self.is_compared = False

    @property
    def has_spellings(self) -> bool:
        """Whether values that are stored differently may be equal."""
        return type(self.lane.kind).identity is not FieldType.identity


class Output:
    """A column's cells of one block: as they came, and, after `keep`, of the good rows only.

    `cells` are as in the file and `read` as they are cleaned; `blanks` are the positions of missing values, also
    where a default stands for them, which `defaulted` are.
    """

    __slots__ = ("blanks", "cells", "column", "converted", "defaulted", "nulls", "read", "texts")

    def __init__(self, column: FileColumn, cells: Sequence[str]) -> None:
        self.column = column
        self.cells = cells
        self.read, replaced = column.lane.cleaned(cells)
        self.converted: Converted = column.lane.convert(self.read)
        self.texts = self.converted.texts
        self.nulls = self.converted.nulls
        self.blanks = self.nulls if replaced is None else replaced
        self.defaulted: Sequence[int] = replaced or ()

    def find_missing_keys(self) -> None:
        """A null or blank key cell is `missing-key`, and nothing else."""
        missing = set(self.nulls)
        if self.column.lane.may_be_blank:
            if any(map(str.isspace, self.read)) or "" in self.read:
                missing.update(position for position, cell in enumerate(self.read) if not cell.strip())
        else:
            missing.update(position for position in self.converted.problems if not self.read[position].strip())
        for position in missing:
            self.converted.problems[position] = (MISSING_KEY,)

    def add_errors(self, errors: dict[int, list[RowError]], numbers: Sequence[int]) -> None:
        number, name, cells = self.column.index + 1, self.column.lane.field.name, self.cells
        new = tuple.__new__  # a third of the time of RowError(…), and bad files have many
        for position, problems in self.converted.problems.items():
            row = numbers[position]
            found = [new(RowError, (row, number, name, type, cells[position], message)) for type, message in problems]
            if row in errors:
                errors[row] += found
            else:
                errors[row] = found

    def keep(self, good: Sequence[bool]) -> None:
        if self.column.is_compared:
            is_cleaned = self.read is not self.cells
            self.cells = tuple(compress(self.cells, good))
            self.read = tuple(compress(self.read, good)) if is_cleaned else self.cells
        self.texts = list(compress(self.texts, good))
        self.nulls, self.defaulted = _places(self.nulls, good), _places(self.defaulted, good)

    def identities(self) -> Sequence[str]:
        """What keys and uniqueness compare; that of a null has no meaning."""
        if not self.nulls:
            return self.column.lane.identities(self.read, self.texts)
        missing = set(self.nulls)
        present = [position not in missing for position in range(len(self.read))]
        found = iter(
            self.column.lane.identities(list(compress(self.read, present)), list(compress(self.texts, present)))
        )
        return [next(found) if is_present else "" for is_present in present]

    def key_values(self, own_table: bool) -> Sequence[str]:
        """What makes records distinct: equal values are one record, but in a target table only equal attributes are."""
        return self.texts if self.column.has_spellings and not own_table else self.identities()

    def members(self, comma: str, own_table: bool) -> list[str | Iterable[str]]:
        """`,"name":{"S":"…"}` as constant parts and a list; a null is left out, comma included."""
        lane = self.column.lane
        opening = f"{comma}{quote(attribute_name(lane.field, own_table))}:{lane.opening}"
        if not self.nulls:
            return [opening, self.texts, lane.closing]
        return [self._without_nulls([f"{opening}{text}{lane.closing}" for text in self.texts])]

    def attribute_values(self) -> Sequence[str]:
        """Whole attribute values as JSON; `""` for a null."""
        lane = self.column.lane
        return self._without_nulls([f"{lane.opening}{text}{lane.closing}" for text in self.texts])

    def marks(self, updates: Updates, rows: int) -> Sequence[int]:
        """What each row has for the column of an update: `VALUE`, `ABSENT` or `DEFAULT`."""
        marks = bytearray([VALUE]) * rows
        for position in self.nulls:
            marks[position] = ABSENT
        if updates.keeps_blanks and not self.column.is_key:  # a record cannot be there with another key
            for position in self.defaulted:
                marks[position] = DEFAULT if updates.creates else ABSENT
        return marks

    def _without_nulls(self, texts: list[str]) -> list[str]:
        for position in self.nulls:
            texts[position] = ""
        return texts


def _places(positions: Sequence[int], good: Sequence[bool]) -> Sequence[int]:
    """The positions, counted among the good rows alone."""
    if not positions:
        return positions
    wanted = set(positions)
    kept = [position for position, is_good in enumerate(good) if is_good]
    return [new for new, old in enumerate(kept) if old in wanted]


def _keep_good(block: RowBlock, outputs: list[Output], bad: Container[int]) -> None:
    """Leaves out the bad rows (numbers), before there are digests and texts."""
    good = [row not in bad for row in block.rows]
    block.rows = list(compress(block.rows, good))
    block.keys = list(compress(block.keys, good))
    for output in outputs:
        output.keep(good)


def _key_texts(identities: Sequence[Sequence[str]]) -> list[str]:
    if len(identities) == 1:
        return list(identities[0])
    if any("|" in text or "\\" in text for text in map("".join, identities)):
        return list(map(key_text, zip(*identities, strict=True)))
    return list(map("|".join, zip(*identities, strict=True)))


def _unique_digests(outputs: list[Output], rows: int) -> list[int | None]:
    digests: list[int | None] = [
        xxh3_64_intdigest(text.encode()) for text in _key_texts([output.identities() for output in outputs])
    ]
    for output in outputs:
        for position in output.nulls:
            digests[position] = None
    return digests


def _join(parts: Sequence[str | Iterable[str]]) -> list[str]:
    """Row by row, the constants and lists one after the other (`"".join` over `zip` beats any template)."""
    merged: list[str | Iterable[str]] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    # zip stops at the shortest: there is always one list, the key's.
    return list(map("".join, zip(*(repeat(part) if isinstance(part, str) else part for part in merged), strict=False)))


def _item_bytes(request: dict[str, Any], shape: Shape) -> int:
    """Size of the item that a request writes; of an update what it brings (DynamoDB itself knows the rest)."""
    item = request
    if shape == "update":
        names: dict[str, str] = request.get("ExpressionAttributeNames", {})
        written = request.get("ExpressionAttributeValues", {}).items()
        item = {names["#" + short[1:]]: value for short, value in written} | request["Key"]
    return sum(len(name.encode()) + attribute_bytes(value) for name, value in item.items())
