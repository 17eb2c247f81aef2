"""Pages of a Query or Scan, as DynamoDB sends them → rows of an export file.

    encoder = RowEncoder(entity, definition)
    encoded = encoder.encode(body)

`encoded.data` of one page after the other, of parallel segments too, is the file's content; `file_writer.FileWriter`
writes the file around it.

The body is read by a decoder that is built for the entity, straight into the types that its fields have in DynamoDB.
An attribute of another type (the field had one when it was written; another program wrote it) costs more and becomes
the best text that there is for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import compress
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import Attribute, FieldType
from waybill.entities.fieldtypes.attributes import from_attribute, json_text
from waybill.entities.fieldtypes.export_columns import Cells, ExportLane
from waybill.entities.model import Entity
from waybill.entities.row_compiler import attribute_name
from waybill.entities.schema import parse_schema
from waybill.errors import JobFailed
from waybill.exports.definition import DELETED, Definition
from waybill.exports.formats import FORMATS
from waybill.exports.formats.base import Column
from waybill.exports.formats.cells import CellFormat, CellRefused
from waybill.exports.native_rows import native_rows

_GONE = "_gone"
_SORT_KEY = "_sk"

Item = Mapping[str, Attribute]


class Encoded(NamedTuple):
    """One page's share of the file: the bytes of `rows` rows, made of `items` items. The next page begins after
    `last_key`; None when this is the last."""

    data: bytes
    rows: int
    items: int
    last_key: dict[str, Any] | None


class _Other:
    """Marks an attribute whose type is not its field's."""


_OTHER: Any = _Other()
_NONE: Any = None


class _S(msgspec.Struct, frozen=True, gc=False):
    S: str = _OTHER


class _N(msgspec.Struct, frozen=True, gc=False):
    N: str = _OTHER


class _BOOL(msgspec.Struct, frozen=True, gc=False):
    BOOL: bool = _OTHER


#: Storage letter of a scalar → the shape of its attribute, and the value for an absent attribute.
_SHAPES: dict[str, tuple[type, Any]] = {"S": (_S, _S(_NONE)), "N": (_N, _N(_NONE)), "BOOL": (_BOOL, _BOOL(_NONE))}


class RowEncoder:
    """Turns pages into rows of one export's file. Not safe for concurrent use.

    Args:
        entity: whose records these are; on a target table attributes have the fields' own names.
        definition: fields, format, dialect and formula guard.
        keep: which items are rows; gets an item as DynamoDB attributes by name. All when left out.
        changes: items that `keep` refuses, and tombstones of deleted records, are rows too, with the primary key alone;
            a last column `_deleted` marks them. Without it they are left out.

    A tombstone holds no fields: their values come from the record's key, in its spelling. That is the record's own but
    for times with an offset or a fraction, and durations: of these the key knows the value alone.
    """

    def __init__(
        self,
        entity: Entity,
        definition: Definition,
        *,
        keep: Callable[[Item], bool] | None = None,
        changes: bool = False,
    ) -> None:
        schema = parse_schema(entity.schema)
        names = definition.fields or tuple(field.name for field in schema.fields)
        deleted = (Column(DELETED, None),) if changes else ()
        self.columns: tuple[Column, ...] = (*(Column(name, schema.by_name[name]) for name in names), *deleted)
        format = FORMATS[definition.format]
        self._format = format.cells(definition, self.columns)
        self._own_table = entity.target is None
        self._columns = [
            _Column(
                schema.by_name[name], self._own_table, self._format, definition.escape_formulas, format.fit or _as_it_is
            )
            for name in names
        ]
        self._key = [schema.by_name[name] for name in schema.primary_key]
        self._keep, self._changes = keep, changes
        self._reader = _PageReader(self._columns, self._own_table)
        self._native = native_rows(
            self._format,
            [(column.field, column.attribute, column.is_guarded) for column in self._columns],
            self._format.booleans([False], None).whole()[0] if changes else None,
            _GONE if self._own_table else "",
        )

    @property
    def attributes(self) -> list[str]:
        """The attributes that rows are made of, for a ProjectionExpression; `keep` may need others."""
        needed = [column.attribute for column in self._columns]
        needed += [attribute_name(field, self._own_table) for field in self._key if self._changes]
        own = [_SORT_KEY, _GONE] if self._own_table else []
        return list(dict.fromkeys(needed + own))

    def encode(self, body: bytes) -> Encoded:
        """The rows of one page.

        Args:
            body: the JSON of a Query's or Scan's answer.

        Raises:
            JobFailed: `xlsx-limit`, a text is too long for a cell of a workbook; `parquet-limit`, a column of Parquet
                cannot hold a value.
        """
        page = _Page(body)
        return self._encoded_by_library(page) or self._encoded(page)

    def _encoded_by_library(self, page: _Page) -> Encoded | None:
        if self._native is None:
            return None
        stays = None
        if self._keep is not None:
            leaves = self._leaving(page.items)
            if self._changes and any(leaves):
                return None
            stays = bytes(not leaves_file for leaves_file in leaves)
        written = self._native.write(page.body, stays)
        return None if written is None else Encoded(*written)

    def _encoded(self, page: _Page) -> Encoded:
        values, count, last_key, has_tombstones = self._reader.read(page)
        deleted: list[bool] | None = None
        if self._keep is not None or has_tombstones:
            leaves = self._leaving(page.items)
            if self._changes:
                deleted = leaves
                values = self._with_tombstones(values, page.items, leaves)
            elif any(leaves):
                stays = [not gone for gone in leaves]
                values = [list(compress(column, stays)) for column in values]
                page.items = list(compress(page.items, stays))
        rows = len(values[0])
        if not rows:
            return Encoded(b"", 0, count, last_key)
        cells = [
            self._cells(column, column_values, page)
            for column, column_values in zip(self._columns, values, strict=True)
        ]
        if self._changes:
            cells.append(self._format.booleans(deleted or [False] * rows, None))
        return Encoded(self._format.rows(cells).encode(), rows, count, last_key)

    def _leaving(self, items: Sequence[Item]) -> list[bool]:
        gone = [self._own_table and _GONE in item for item in items]
        keep = self._keep
        if keep is None:
            return gone
        return [is_gone or not keep(item) for is_gone, item in zip(gone, items, strict=True)]

    def _with_tombstones(
        self, values: Sequence[Sequence[Any]], items: Sequence[Item], deleted: Sequence[bool]
    ) -> list[Sequence[Any]]:
        """The columns, with only the key left in rows of deleted records."""
        places = {field.name: place for place, field in enumerate(self._key)}
        found: list[Sequence[Any]] = []
        for column, column_values in zip(self._columns, values, strict=True):
            place = places.get(column.field.name)
            emptied = [None if gone else value for value, gone in zip(column_values, deleted, strict=True)]
            if place is not None:
                for index, gone in enumerate(deleted):
                    if gone:
                        own = column_values[index]
                        emptied[index] = self._key_value(items[index], place) if own is None else own
            found.append(emptied)
        return found

    def _key_value(self, item: Item, place: int) -> Any:
        """A field of the primary key of a tombstone, from the text of its key (`entities.row_compiler.key_text`)."""
        text = item.get(_SORT_KEY, {}).get("S") if self._own_table else None
        if not isinstance(text, str):
            return None
        parts = [text] if len(self._key) == 1 else _key_parts(text)
        return self._key[place].kind.value_of_identity(parts[place]) if len(parts) == len(self._key) else None

    def _cells(self, column: _Column, values: Sequence[Any], page: _Page) -> Cells:
        try:
            return column.cells(values, page)
        except CellRefused:
            item, error = next((item, error) for item in page.items if (error := column.refusal(item)) is not None)
            message = f'The field "{column.field.name}" of the record {self._shown_key(item)} {error.reason}'
            raise JobFailed(error.code, message) from None

    def _shown_key(self, item: Item) -> str:
        attributes = (item.get(attribute_name(field, self._own_table), {}) for field in self._key)
        parts = [str(next(iter(attribute.values()), "")) for attribute in attributes]
        return json.dumps("|".join(parts) or item.get(_SORT_KEY, {}).get("S", ""), ensure_ascii=False)


class _Page:
    """A page's body, and its items as they are, decoded on first use."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found

    @cached_property
    def items(self) -> list[Item]:
        found: list[Item] = self.document.get("Items", [])
        return found


class _Read(NamedTuple):
    """What a page contains: the values by column, and how many items they are of."""

    values: list[Sequence[Any]]
    item_count: int
    last_key: dict[str, Any] | None
    has_tombstones: bool


class _PageReader:
    """Reads a page into columns of values, by a decoder that is built for the entity.

    A value is None where there is no attribute, and `_OTHER` where it has another type than the field's.
    """

    def __init__(self, columns: Sequence[_Column], own_table: bool) -> None:
        self._columns, self._own_table = columns, own_table
        members: list[tuple[str, Any, Any]] = [("gone", msgspec.Raw, _NONE)] if own_table else []
        names: dict[str, str] = {"gone": _GONE} if own_table else {}
        for number, column in enumerate(columns):
            if _is_plain_name(column.attribute):
                members.append((f"f{number}", *_SHAPES.get(column.letter, (msgspec.Raw, _NONE))))
                names[f"f{number}"] = column.attribute
        item = msgspec.defstruct("Item", members, rename=names, gc=False)
        items: tuple[str, Any, Any] = ("Items", list[item], msgspec.field(default_factory=list))  # type: ignore[valid-type]
        page = msgspec.defstruct("Page", [items, ("LastEvaluatedKey", dict[str, Any] | None, None)], gc=False)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(page).decode
        self._takes = [_take(number, column) for number, column in enumerate(columns)]

    def read(self, page: _Page) -> _Read:
        try:
            found = self._decode(page.body)
        except msgspec.ValidationError:  # something that is no attribute of DynamoDB
            values = [[column.value(item) for item in page.items] for column in self._columns]
            has_tombstones = self._own_table and any(_GONE in item for item in page.items)
            return _Read(list(values), len(page.items), page.document.get("LastEvaluatedKey"), has_tombstones)
        items = found.Items
        has_tombstones = self._own_table and [item.gone for item in items].count(None) < len(items)
        return _Read([take(items, page) for take in self._takes], len(items), found.LastEvaluatedKey, has_tombstones)


def _is_plain_name(attribute: str) -> bool:
    """Whether JSON writes a name as it is: msgspec takes no other names."""
    return json.dumps(attribute, ensure_ascii=False) == f'"{attribute}"'


#: Storage letter of a scalar → what is inside its shapes. A comprehension takes two thirds of a getter's time.
_INSIDE: dict[str, Callable[[Iterable[Any]], Sequence[Any]]] = {
    "S": lambda shapes: [shape.S for shape in shapes],
    "N": lambda shapes: [shape.N for shape in shapes],
    "BOOL": lambda shapes: [shape.BOOL for shape in shapes],
}


def _take(number: int, column: _Column) -> Callable[[Sequence[Any], _Page], Sequence[Any]]:
    """Returns what takes one column's values from the decoded items, or from the page as it is."""
    if not _is_plain_name(column.attribute):
        return lambda _, page: [column.value(item) for item in page.items]
    get, inside = attrgetter(f"f{number}"), _INSIDE.get(column.letter)
    if inside is not None:
        return lambda items, _: inside(map(get, items))
    return lambda items, _: [None if raw is None else column.own(_decoded(raw)) for raw in map(get, items)]


def _decoded(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw)


class _Column:
    """One field of the file."""

    def __init__(
        self,
        field: Field,
        own_table: bool,
        form: CellFormat,
        escape_formulas: bool,
        fit: Callable[[Field], Callable[[Cells], Cells] | None],
    ) -> None:
        self.field, self._form = field, form
        self.attribute = attribute_name(field, own_table)
        self._is_text, self._escape_formulas = field.kind.is_text, escape_formulas
        self.is_guarded = guarded = escape_formulas and self._is_text
        self.letter, lane, fitting = field.kind.letter, field.kind.exported(form, guarded), fit(field)
        self._fast: ExportLane = lane if fitting is None else lambda values: fitting(lane(values))
        self._fit = fitting or (lambda cells: cells)
        self._null = form.null(field, guarded=guarded)

    def own(self, attribute: Any) -> Any:
        """The value of an attribute in its column: what is inside it, all of it where it is nested, or `_OTHER`."""
        if not isinstance(attribute, dict) or len(attribute) != 1:
            return _OTHER
        if self.letter not in _SHAPES:
            return attribute if isinstance(attribute.get(self.letter), dict | list) else _OTHER
        value = attribute.get(self.letter, _OTHER)
        return value if isinstance(value, bool if self.letter == "BOOL" else str) else _OTHER

    def value(self, item: Item) -> Any:
        attribute = item.get(self.attribute)
        return None if attribute is None else self.own(attribute)

    def cells(self, values: Sequence[Any], page: _Page) -> Cells:
        """The column's cells; `page` has the items to which the values belong."""
        try:
            return self._fast(values)
        except (TypeError, KeyError):  # some are absent or of another type
            pass
        present = [value for value in values if value is not None and value is not _OTHER]
        written = iter(self._fast(present).whole() if present else ())
        cells = [
            self._null
            if value is None
            else next(written)
            if value is not _OTHER
            else self._foreign_cell(page.items[index][self.attribute])
            for index, value in enumerate(values)
        ]
        return Cells("", cells, "")

    def refusal(self, item: Item) -> CellRefused | None:
        """Why a cell cannot hold the item's value; None where it can."""
        try:
            value = self.value(item)
            if value is _OTHER:
                self._foreign_cell(item[self.attribute])
            elif value is not None:
                self._fast([value])
        except CellRefused as error:
            return error
        return None

    def _foreign_cell(self, attribute: Any) -> str:
        """The best cell for an attribute of another type than the field's."""
        text = _best_text(attribute, self.field.kind)
        if text is None:
            return self._null
        if not self._is_text:
            try:
                return self._fast([self.own(self.field.kind.attribute_of(text))]).whole()[0]
            except (ValueError, TypeError, KeyError, ArithmeticError) as error:
                if isinstance(error, CellRefused):
                    raise
        return self._fit(self._form.texts([text], guarded=self._escape_formulas)).whole()[0]


def _as_it_is(field: Field) -> None:
    """The cells of a format that can hold them all."""


def _best_text(attribute: Any, kind: FieldType) -> str | None:
    """An attribute of any type as text; None for a null."""
    if not isinstance(attribute, dict) or len(attribute) != 1:
        return json.dumps(attribute, ensure_ascii=False)
    ((letter, value),) = attribute.items()
    if letter == "NULL":
        return None
    if letter == "BOOL":
        return "true" if value else "false"
    if letter == "NS":
        value = sorted(value, key=_order)
        attribute = {"L": [{"N": element} for element in value]}
    if letter in ("SS", "NS", "BS"):
        text = kind.cell_of_set(value if letter == "NS" else sorted(value))
        if text is not None:
            return text
    if isinstance(value, str):
        return value
    try:
        return json_text(from_attribute(attribute))
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        return json.dumps(attribute, ensure_ascii=False)


def _order(number: str) -> Decimal:
    try:
        return Decimal(number)
    except ArithmeticError:
        return Decimal(0)


_KEY_PARTS = re.compile(r"((?:[^|\\]|\\.)*)(?:\||\Z)", re.DOTALL)


def _key_parts(text: str) -> list[str]:
    """The identities that `key_text` joined."""
    parts, at = [], 0
    while found := _KEY_PARTS.match(text, at):
        parts.append(re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL))
        at = found.end()
        if found[0] == found[1]:  # not ended by a bar
            break
    return parts
