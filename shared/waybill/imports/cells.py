"""Typed values, from workbooks and JSON Lines, as the cell text that a field's type reads.

What a field cannot hold becomes the text that a person would see, which the field then refuses as `type-error`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from waybill.entities.fields import Field
from waybill.entities.fieldtypes.booleans import BooleanType
from waybill.entities.fieldtypes.nested import ListType
from waybill.entities.fieldtypes.numbers import IntegerType, NumberType, YearType
from waybill.tabular.jsonlines import NumberText, json_text
from waybill.tabular.sheets import Digits

# Carries a JSON null for a field without missing values, unless the dialect has a null sequence.
NULL_SYMBOL = "\u2400"
_MAX_EXPONENT = 400

Writer = Callable[[Any], str]


def sheet_writer(field: Field | None) -> Writer:
    """Workbook values as text for a field (None: a column that is no field). An empty cell is null where the field has
    missing values, else an empty text."""
    empty = "" if field is None or not field.missing_values or "" in field.missing else field.missing_values[0]
    kind = None if field is None else field.kind

    def write(value: Any) -> str:
        if value is None:
            return empty
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return kind.first[value] if isinstance(kind, BooleanType) else str(value).upper()
        if isinstance(value, float):
            return _number(value, field)
        return _moment(value, field)

    return write


def json_writer(field: Field | None, null_sequence: str) -> Writer:
    """JSON values (`waybill.tabular.jsonlines`) as text for a field; null is the first of its missing values."""
    null = null_sequence if field is None or not field.missing_values else field.missing_values[0]
    kind = None if field is None else field.kind

    def write(value: Any) -> str:
        if value is None:
            return null
        if isinstance(value, NumberText):
            return _json_number(value, field)
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return kind.first[value] if isinstance(kind, BooleanType) else str(value).lower()
        if isinstance(value, list) and field is not None:
            return _json_list(value, field)
        return json_text(value)

    return write


def _json_number(text: NumberText, field: Field | None) -> str:
    kind = None if field is None else field.kind
    if isinstance(kind, IntegerType | YearType) and not text.lstrip("-").isdigit():
        # JSON knows no integers: 1.0 and 1e3 are whole numbers too.
        try:
            value = Decimal(text)
        except ArithmeticError:
            return str(text)
        if abs(value.adjusted()) <= _MAX_EXPONENT and value == value.to_integral_value():
            return f"{value:.0f}"
    elif isinstance(kind, NumberType) and kind.decimal_char != ".":
        return text.replace(".", kind.decimal_char)
    return str(text)


def _json_list(value: list[Any], field: Field) -> str:
    kind = field.kind
    if isinstance(kind, ListType):
        booleans = kind.item.first if isinstance(kind.item, BooleanType) else {True: "true", False: "false"}
        items = [booleans[item] if isinstance(item, bool) else item for item in value]
        if items and all(isinstance(item, str) and kind.delimiter not in item for item in items):
            return kind.delimiter.join(items)
    elif field.type == "geopoint" and field.format == "default" and len(value) == 2:
        return ", ".join(map(json_text, value))
    return json_text(value)


def _number(value: float, field: Field | None) -> str:
    """A double as the decimal number that a spreadsheet shows: 15 significant digits, no exponent, no `.0`."""
    if isinstance(value, Digits) and (field is None or field.type in ("string", "any")):
        return f"{int(value):0{value.width}d}"
    text = f"{value:.15g}"
    if "e" in text:
        text = f"{Decimal(text):f}"
    elif text == "-0":
        text = "0"
    kind = None if field is None else field.kind
    if isinstance(kind, NumberType) and kind.decimal_char != "." and not isinstance(kind, IntegerType):
        return text.replace(".", kind.decimal_char)
    return text


def _moment(value: datetime | time | timedelta, field: Field | None) -> str:
    kind = "any" if field is None else field.type
    if isinstance(value, timedelta):
        return _span(value, kind)
    if isinstance(value, time):
        text, fits = _clock(value), kind == "time"
    elif kind == "yearmonth" and value == datetime(value.year, value.month, 1):
        return f"{value.year:04d}-{value.month:02d}"
    elif kind == "datetime":
        text, fits = f"{value.date().isoformat()}T{_clock(value.time())}", True
    elif value.time() == time():
        text, fits = value.date().isoformat(), kind == "date"
    else:
        text, fits = f"{value.date().isoformat()}T{_clock(value.time())}", False
    # The type writes its own pattern, as for an export.
    return field.kind.to_cell({"S": text}) if fits and field is not None else text


def _clock(value: time) -> str:
    text = value.isoformat("milliseconds" if value.microsecond else "seconds")
    return text.rstrip("0") if value.microsecond else text


def _span(value: timedelta, kind: str) -> str:
    """Elapsed time: an ISO 8601 duration for a duration field, else hours, minutes and seconds."""
    milliseconds = round(value / timedelta(milliseconds=1))
    seconds, rest = divmod(milliseconds, 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    if kind == "duration":
        return f"PT{seconds}{fraction}S"
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{fraction}"
