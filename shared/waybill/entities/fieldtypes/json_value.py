"""What `object`, `array` and `geojson` share: JSON, stored as DynamoDB maps and lists."""

from __future__ import annotations

from typing import Any, ClassVar

from .attributes import Attribute, from_attribute, json_text, load_json, to_attribute, to_json
from .base import SIZED, FieldType


class JsonType(FieldType):
    """A JSON text. Numbers stay exact; an export writes it compact, names sorted."""

    storage: ClassVar[str] = ""
    constraints: ClassVar[frozenset[str]] = SIZED | {"jsonSchema"}
    units: ClassVar[str] = "items"
    container: ClassVar[type]

    @property
    def letter(self) -> str:
        return "M" if self.container is dict else "L"

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
