"""JSON Lines: an object a line, its members typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quote_json
from typing import TYPE_CHECKING, Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import Attribute
from waybill.entities.fieldtypes.attributes import are_canonical, from_attribute, json_text
from waybill.entities.fieldtypes.export_columns import Cells
from waybill.exports.formats.base import Column, Format
from waybill.exports.formats.cells import (
    CONTROLS,
    NUMBER,
    Care,
    framed,
    join_columns,
    nested_text,
)
from waybill.tabular.formulas import GUARD_FIRST, guard

if TYPE_CHECKING:
    from waybill.exports.definition import Definition

_FLAGS = {True: "true", False: "false"}


class JsonCells:
    """JSON Lines: an object a line, its members typed, in the order of the columns."""

    delimited = None

    def __init__(self, definition: Definition, columns: Sequence[Column]) -> None:
        self._names = [f"{',' if number else '{'}{quote_json(column.label)}:" for number, column in enumerate(columns)]
        self._care = Care(CONTROLS + '"\\')
        self._care_guarded = Care(CONTROLS + '"\\', GUARD_FIRST)

    def null(self, field: Field, *, guarded: bool) -> str:
        return "null"

    def texts(self, cells: Sequence[str], *, guarded: bool) -> Cells:
        care = self._care_guarded if guarded else self._care
        if not care.is_needless(cells, framed(cells)):
            cells = care.take(cells, _guarded_json if guarded else _inside_json)
        return Cells('"', cells, '"')

    def numbers(self, cells: Sequence[str], decimal_char: str) -> Cells:
        if are_canonical(cells):
            return Cells("", cells, "")
        return Cells("", [cell if NUMBER.fullmatch(cell) else quote_json(cell) for cell in cells], "")

    def booleans(self, values: Sequence[bool], words: Mapping[bool, str] | None) -> Cells:
        return Cells("", [_FLAGS[value] for value in values], "")

    def dates(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.texts(values if to_cell is None else [to_cell[value] for value in values], guarded=False)

    def moments(self, values: Sequence[str], to_cell: Mapping[str, str] | None) -> Cells:
        return self.dates(values, to_cell)

    def nested(self, attributes: Sequence[Mapping[str, Any]], to_cell: Callable[[Attribute], str]) -> Cells:
        return Cells("", [nested_text(attribute, _json_value) for attribute in attributes], "")

    def rows(self, columns: Sequence[Cells]) -> str:
        parts: list[str | Sequence[str]] = []
        for name, (opening, texts, closing) in zip(self._names, columns, strict=True):
            parts += [name + opening, texts, closing]
        return join_columns([*parts, "}\n"])

    def header(self) -> str:
        return ""


def _inside_json(text: str) -> str:
    return quote_json(text)[1:-1]


def _guarded_json(text: str) -> str:
    return quote_json(guard(text))[1:-1]


def _json_value(attribute: Mapping[str, Any]) -> str:
    return json_text(from_attribute(attribute))


JSONL = Format(
    name="jsonl",
    extension="jsonl",
    content_type="application/jsonl",
    cells=JsonCells,
    dialect_members=frozenset(),
)
