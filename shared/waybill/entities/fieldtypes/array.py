"""`array`: stored as a DynamoDB list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .attributes import json_text
from .json_value import JsonType


class ArrayType(JsonType):
    """A JSON array."""

    name: ClassVar[str] = "array"
    container: ClassVar[type] = list
    has_elements: ClassVar[bool] = True
    noun = "a JSON array"

    def filter_noun(self, op: str) -> str:
        return "an element" if op == "contains" else self.noun

    def filter_value(self, given: Any, op: str) -> Any:
        return json_text(given) if op == "contains" else super().filter_value(given, op)

    def filter_key(self, op: str) -> Callable[[Any], Any]:
        if op == "contains":
            return lambda value: {json_text(part) for part in value}
        return super().filter_key(op)
