"""Typed values, from workbooks, JSON Lines and Parquet, as the cell text that a field's type reads.

What a field cannot hold becomes the text that a person would see, which the field then refuses as `type-error`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes import TYPES, FieldType
from waybill.tabular.jsonlines import NumberText, json_text, parse_line
from waybill.tabular.parquet import MOMENT, NESTED, NUMBER
from waybill.tabular.sheets import Digits, NoValue

# Carries a JSON null for a field without missing values, unless the dialect has a null sequence.
NULL_SYMBOL = "\u2400"
# Stands before the text of a workbook's cell that has no value, where the field would take the text for one.
NO_VALUE_MARK = "\u241a"

# Ends what stands for bytes that are no text.
_BYTES = " bytes)"

Writer = Callable[[Any], str]


def sheet_writer(field: Field | None) -> Writer:
    """Workbook values as text for a field (None: a column that is not a field). An empty cell is null where the field
    has missing values, else an empty text."""
    empty = "" if field is None or not field.missing_values or "" in field.missing else field.missing_values[0]
    kind = TYPES["any"]() if field is None else field.kind

    def write(value: Any) -> str:
        if value is None:
            return empty
        if isinstance(value, str):
            return _without_value(value, field) if isinstance(value, NoValue) else value
        if isinstance(value, bool):
            return kind.cell_of_boolean(value, str(value).upper())
        if isinstance(value, float):
            return _number(value, kind)
        return kind.cell_of_moment(value)

    return write


def _without_value(text: NoValue, field: Field | None) -> str:
    """The cell of a value that is none: text that the field refuses, with a mark where needed. The mark also has the
    message say what is wrong with a formula."""
    if field is None or (not text.startswith("=") and any(one.type == "type-error" for one in field.check(text)[1])):
        return str(text)
    return NO_VALUE_MARK + text


def no_value_message(cell: str) -> str | None:
    """What is wrong with a cell that has no value; None for any other cell."""
    if not cell.startswith(NO_VALUE_MARK):
        return None
    if cell.startswith(NO_VALUE_MARK + "="):
        return (
            "The formula has no saved value. Open the workbook in a spreadsheet program, which calculates it, save it "
            "and send it again."
        )
    if cell.endswith(_BYTES):
        return (
            "The cell holds bytes, or a time that no text can show. Write texts as UTF-8, with the logical type STRING."
        )
    return "The cell is marked as a number or a logical value and holds none."


def shown_cell(cell: str, null_sequence: str | None, may_lack_values: bool) -> str:
    """A cell as people see it, without the symbols that stand for a null and before text that is no value."""
    if cell == NULL_SYMBOL == null_sequence:
        return ""
    return cell.removeprefix(NO_VALUE_MARK) if may_lack_values else cell


def json_writer(field: Field | None, null_sequence: str) -> Writer:
    """JSON values (`waybill.tabular.jsonlines`) as text for a field; null is the first of its missing values."""
    null = null_sequence if field is None or not field.missing_values else field.missing_values[0]
    kind = TYPES["any"]() if field is None else field.kind

    def write(value: Any) -> str:
        if value is None:
            return null
        if isinstance(value, NumberText):
            return kind.cell_of_number(str(value))
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return kind.cell_of_boolean(value, str(value).lower())
        return kind.cell_of_list(value, json_text) if isinstance(value, list) else json_text(value)

    return write


def parquet_writer(column: str, field: Field | None, null_sequence: str) -> Writer:
    """Cells of a column of Parquet (`waybill.tabular.parquet`) as text for a field; null as in JSON Lines."""
    as_json, kind = json_writer(field, null_sequence), TYPES["any"]() if field is None else field.kind
    read: dict[str, Callable[[str], Any]] = {NUMBER: NumberText, NESTED: parse_line}
    to_json = read.get(column)

    def write(value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return _without_value(NoValue(f"({value:,}{_BYTES}"), field)
        if value is not None and column == MOMENT:
            return kind.cell_of_iso(value)
        return as_json(value if to_json is None or value is None else to_json(value))

    return write


def _number(value: float, kind: FieldType) -> str:
    """A double as the decimal number that a spreadsheet shows: 15 significant digits, no exponent, no `.0`."""
    if isinstance(value, Digits) and kind.is_text:
        return f"{int(value):0{value.width}d}"
    text = f"{value:.15g}"
    if "e" in text:
        text = f"{Decimal(text):f}"
    return kind.cell_of_number("0" if text == "-0" else text)
