"""`object`, `array`, `list`: stored as DynamoDB maps and lists."""

from __future__ import annotations

from typing import Any, ClassVar

from .attributes import Unreadable, from_attribute, json_text, load_json, to_attribute, to_json
from .base import SIZED, Attribute, FieldType


class JsonType(FieldType):
    """A JSON text. Numbers stay exact; an export writes it compact, names sorted."""

    storage: ClassVar[str] = ""
    constraints: ClassVar[frozenset[str]] = SIZED | {"jsonSchema"}
    units: ClassVar[str] = "items"
    container: ClassVar[type]

    def __init__(self, format: str = "default") -> None:
        if format != "default":
            raise ValueError("format must be default")
        super().__init__(format)

    def parse(self, cell: str) -> Any:
        return self._checked(load_json(cell))

    def parse_given(self, given: Any) -> Any:
        return self.parse(given if isinstance(given, str) else json_text(given))

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, self.container):
            raise ValueError
        to_attribute(value)  # raises what DynamoDB cannot hold
        return value

    def stored(self, value: Any) -> str:
        return to_attribute(value)

    def identity(self, value: Any) -> str:
        return json_text(value)

    def to_json(self, attribute: Attribute) -> Any:
        return to_json(from_attribute(attribute))

    def to_cell(self, attribute: Attribute) -> str:
        return json_text(from_attribute(attribute))


class ObjectType(JsonType):
    """A JSON object."""

    name: ClassVar[str] = "object"
    container: ClassVar[type] = dict
    noun = "a JSON object"


class ArrayType(JsonType):
    """A JSON array."""

    name: ClassVar[str] = "array"
    container: ClassVar[type] = list
    noun = "a JSON array"


class ListType(FieldType):
    """Values of one type between delimiters, each in the default form of the item's type."""

    name: ClassVar[str] = "list"
    noun = "a list"
    storage: ClassVar[str] = ""
    constraints: ClassVar[frozenset[str]] = SIZED
    units: ClassVar[str] = "items"

    def __init__(self, format: str = "default", *, delimiter: str = ",", item: FieldType) -> None:
        if format != "default":
            raise ValueError("format must be default")
        if not delimiter:
            raise ValueError("delimiter must not be empty")
        super().__init__(format)
        self.delimiter, self.item = delimiter, item

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
