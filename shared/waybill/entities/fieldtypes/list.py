"""`list`: values of one type between delimiters, stored as a DynamoDB list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from .attributes import Attribute, Unreadable, json_text, to_attribute
from .base import SIZED, FieldType, Property, text_problem
from .boolean import BooleanType
from .date import DateType
from .datetime import DatetimeType
from .integer import IntegerType
from .native_kind import NativeKind
from .number import NumberType
from .string import StringType
from .time import TimeType

_ITEM_TYPES = (StringType, IntegerType, BooleanType, NumberType, DatetimeType, DateType, TimeType)
_ITEMS: dict[str, type[FieldType]] = {kind.name: kind for kind in _ITEM_TYPES}
_FLAGS = {True: "true", False: "false"}


def _item_problem(given: Any) -> str | None:
    return None if isinstance(given, str) and given in _ITEMS else f"must be one of {', '.join(_ITEMS)}"


class ListType(FieldType):
    """Values of one type between delimiters, each in the default form of the item's type."""

    name: ClassVar[str] = "list"
    properties: ClassVar[Mapping[str, Property]] = {
        "delimiter": Property("delimiter", text_problem),
        "itemType": Property("item", _item_problem, lambda name: _ITEMS[name]()),
    }
    has_elements: ClassVar[bool] = True
    noun = "a list"
    storage: ClassVar[str] = ""
    constraints: ClassVar[frozenset[str]] = SIZED
    units: ClassVar[str] = "items"

    def __init__(self, format: str = "default", *, delimiter: str = ",", item: FieldType | None = None) -> None:
        super().__init__(format)
        if not delimiter:
            raise ValueError("delimiter must not be empty")
        self.delimiter, self.item = delimiter, item or StringType()

    @property
    def letter(self) -> str:
        return "L"

    def parse(self, cell: str) -> list[Any]:
        try:
            return [self.item.parse(part) for part in cell.split(self.delimiter)]
        except ValueError:
            raise Unreadable(f'an item (between "{self.delimiter}") is not {self.item.noun}') from None

    def parse_given(self, given: Any) -> Any:
        if isinstance(given, list):
            return [self.item.parse_given(part) for part in given]
        return super().parse_given(given)

    def stored(self, value: Any) -> str:
        return f'{{"L":[{",".join(map(self._item_attribute, value))}]}}'

    def _item_attribute(self, value: Any) -> str:
        stored = self.item.stored(value)
        if self.item.storage == "S":
            return to_attribute(stored)
        return f'{{"N":"{stored}"}}' if self.item.storage == "N" else f'{{"BOOL":{stored}}}'

    def identity(self, value: Any) -> str:
        return json_text([self.item.identity(part) for part in value])

    def to_json(self, attribute: Attribute) -> Any:
        return [self.item.to_json(part) for part in attribute["L"]]

    def to_cell(self, attribute: Attribute) -> str:
        return self.delimiter.join(map(self.item.to_cell, attribute["L"]))

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        item = self.item.native({})
        if item is None:
            return None
        fewest, most = limits.get("minLength", 0), limits.get("maxLength")
        return NativeKind("list", fewest, most, item=item, storage=self.item.storage, separator=self.delimiter)

    def cell_of_list(self, values: list[Any], to_json: Callable[[Any], str]) -> str:
        items = [self.item.cell_of_boolean(item, _FLAGS[item]) if isinstance(item, bool) else item for item in values]
        if items and all(isinstance(item, str) and self.delimiter not in item for item in items):
            return self.delimiter.join(items)
        return super().cell_of_list(values, to_json)

    def cell_of_set(self, members: Sequence[str]) -> str:
        return self.delimiter.join(members)

    def filter_noun(self, op: str) -> str:
        return "an element" if op == "contains" else self.noun

    def filter_value(self, given: Any, op: str) -> Any:
        return self.item.filter_value(given, "eq") if op == "contains" else super().filter_value(given, op)

    def filter_key(self, op: str) -> Callable[[Any], Any]:
        if op != "contains":
            return super().filter_key(op)
        key = self.item.filter_key("eq")
        return lambda value: {key(part) for part in value}

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        key, item = self.filter_key(op), self.item
        return lambda attribute: key([item.parse(item.to_cell(part)) for part in attribute["L"]])
