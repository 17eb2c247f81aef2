"""`boolean`: exactly the texts of `trueValues` and `falseValues`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from .attributes import Attribute
from .base import ColumnKind, FieldType, Property, texts_problem
from .export_columns import ExportLane, TypedColumns
from .native_kind import NativeKind

TRUE_VALUES = ("true", "True", "TRUE", "1")
FALSE_VALUES = ("false", "False", "FALSE", "0")


class BooleanType(FieldType):
    """An export writes the first of `true_values` or `false_values`."""

    name: ClassVar[str] = "boolean"
    column: ClassVar[ColumnKind] = "boolean"
    properties: ClassVar[Mapping[str, Property]] = {
        "trueValues": Property("true_values", texts_problem),
        "falseValues": Property("false_values", texts_problem),
    }
    storage: ClassVar[str] = "BOOL"

    def __init__(
        self,
        format: str = "default",
        *,
        true_values: Sequence[str] = TRUE_VALUES,
        false_values: Sequence[str] = FALSE_VALUES,
    ) -> None:
        super().__init__(format)
        if not true_values or not false_values or set(true_values) & set(false_values):
            raise ValueError("trueValues and falseValues must hold something, and nothing in common")
        self.first = {True: true_values[0], False: false_values[0]}
        self.noun = f"one of: {', '.join([*true_values, *false_values])}"
        self.values = dict.fromkeys(true_values, True) | dict.fromkeys(false_values, False)

    def parse(self, cell: str) -> bool:
        try:
            return self.values[cell]
        except KeyError:
            raise ValueError from None

    def parse_given(self, given: Any) -> bool:
        return given if isinstance(given, bool) else bool(super().parse_given(given))

    def stored(self, value: Any) -> str:
        return "true" if value else "false"

    def attribute_of(self, text: str) -> Attribute:
        return {"BOOL": text == "true" if text in ("true", "false") else self.parse(text)}

    def value_of_identity(self, identity: str) -> bool:
        return identity == "true"

    def to_json(self, attribute: Attribute) -> bool:
        return bool(attribute["BOOL"])

    def to_cell(self, attribute: Attribute) -> str:
        return self.first[bool(attribute["BOOL"])]

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        return NativeKind("words", cells=self.values)

    def cell_of_boolean(self, value: bool, text: str) -> str:
        return self.first[value]

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        return lambda values: form.booleans(values, self.first)

    def filter_key(self, op: str) -> Callable[[Any], Any]:
        return bool

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        return operator.itemgetter("BOOL")
