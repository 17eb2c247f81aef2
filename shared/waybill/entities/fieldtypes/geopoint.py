"""`geopoint`: stored as a DynamoDB list or map."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from .attributes import (
    Attribute,
    Unreadable,
    from_attribute,
    is_number,
    json_text,
    load_json,
    number_text,
    to_attribute,
    to_json,
)
from .base import FieldType

_NUMBER = r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*"
_SHOWN = {"default": "longitude, latitude", "array": "[longitude, latitude]", "object": '{"lon": …, "lat": …}'}
_PAIR = re.compile(f"{_NUMBER},{_NUMBER}")


class GeopointType(FieldType):
    """`lon, lat` in degrees, as text (`default`), JSON array or JSON object; the value is (lon, lat)."""

    name: ClassVar[str] = "geopoint"
    formats: ClassVar[tuple[str, ...]] = tuple(_SHOWN)
    storage: ClassVar[str] = ""

    def __init__(self, format: str = "default") -> None:
        super().__init__(format)
        self.noun = f"a point ({_SHOWN[format]})"

    def parse(self, cell: str) -> Any:
        if self.format == "default":
            match = _PAIR.fullmatch(cell) if len(cell) <= 1_000 else None
            if match is None:
                raise ValueError
            return self._checked([Decimal(match[1]), Decimal(match[2])])
        return self._checked(load_json(cell))

    def parse_given(self, given: Any) -> Any:
        if isinstance(given, str):
            return self.parse(given)
        return self._checked(load_json(json_text(given)))

    def _checked(self, value: Any) -> tuple[Decimal, Decimal]:
        if self.format == "object" and isinstance(value, dict):
            if set(value) != {"lon", "lat"}:
                raise ValueError
            value = [value["lon"], value["lat"]]
        elif self.format == "object" or not isinstance(value, list):
            raise ValueError
        if len(value) != 2 or not all(is_number(part) for part in value):
            raise ValueError
        lon, lat = Decimal(value[0]), Decimal(value[1])
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise Unreadable("longitude is -180 … 180, latitude -90 … 90")
        number_text(lon), number_text(lat)  # raises what DynamoDB cannot hold
        return lon, lat

    def stored(self, value: Any) -> str:
        return to_attribute({"lon": value[0], "lat": value[1]} if self.format == "object" else list(value))

    def identity(self, value: Any) -> str:
        return f"{number_text(value[0])},{number_text(value[1])}"

    def to_json(self, attribute: Attribute) -> Any:
        return to_json(from_attribute(attribute))

    def to_cell(self, attribute: Attribute) -> str:
        text = json_text(from_attribute(attribute))
        return text[1:-1] if self.format == "default" else text

    @property
    def letter(self) -> str:
        return "M" if self.format == "object" else "L"

    def cell_of_list(self, values: list[Any], to_json: Callable[[Any], str]) -> str:
        if self.format == "default" and len(values) == 2:
            return ", ".join(map(to_json, values))
        return super().cell_of_list(values, to_json)
