"""`any`: no type is declared; the text of the cell, untouched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..columns import Lane
from .attributes import json_text
from .native_kind import NativeKind
from .text import TextLane, TextType

if TYPE_CHECKING:
    from ..cells import CheckedField


class AnyType(TextType):
    """The standard defines no format for it: a given one is ignored."""

    name: ClassVar[str] = "any"

    def __init__(self, format: str = "default") -> None:
        super().__init__()

    def parse_given(self, given: Any) -> str:
        return given if isinstance(given, str) else json_text(given)

    def lane(self, field: CheckedField) -> Lane:
        return TextLane(field)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        return NativeKind("text")
