"""Typed values become the text that their field reads; the field refuses what does not fit, nothing changes it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.entities.fields import Field
from waybill.entities.schema import parse_schema
from waybill.imports.cells import json_writer, sheet_writer
from waybill.tabular.jsonlines import NumberText, parse_line
from waybill.tabular.sheets import Digits


def field(**descriptor: Any) -> Field:
    (only,) = parse_schema({"fields": [{"name": "x", **descriptor}]}).fields
    return only


def digits(value: float, width: int) -> Digits:
    padded = Digits(value)
    padded.width = width
    return padded


@pytest.mark.parametrize(
    ("descriptor", "value", "text"),
    [
        ({"type": "string"}, "007", "007"),
        ({"type": "string"}, None, ""),
        ({"type": "string", "missingValues": ["NA", "-"]}, None, "NA"),
        ({"type": "string", "missingValues": ["NA", ""]}, None, ""),
        ({"type": "string", "missingValues": []}, None, ""),
        ({"type": "string"}, 7.0, "7"),
        ({"type": "string"}, digits(42, 5), "00042"),
        ({"type": "integer"}, digits(42, 5), "42"),
        ({"type": "number"}, 0.1 + 0.2, "0.3"),
        ({"type": "number"}, -0.0, "0"),
        ({"type": "number"}, 1e21, "1000000000000000000000"),
        ({"type": "number"}, 1.5e-7, "0.00000015"),
        ({"type": "number"}, 123456789012345678.0, "123456789012346000"),
        ({"type": "number", "decimalChar": ","}, 1234.5, "1234,5"),
        ({"type": "integer"}, 12.5, "12.5"),
        ({"type": "year"}, 2026.0, "2026"),
        ({"type": "boolean"}, True, "true"),
        ({"type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]}, False, "nein"),
        ({"type": "string"}, True, "TRUE"),
        ({"type": "number"}, "#DIV/0!", "#DIV/0!"),
        ({"type": "date"}, datetime(2026, 1, 31), "2026-01-31"),
        ({"type": "date", "format": "%d/%m/%y"}, datetime(2026, 1, 31), "31/01/26"),
        ({"type": "date", "format": "any"}, datetime(2026, 1, 31), "2026-01-31"),
        ({"type": "date"}, datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),
        ({"type": "datetime"}, datetime(2026, 1, 31), "2026-01-31T00:00:00"),
        ({"type": "datetime"}, datetime(2026, 1, 31, 1, 2, 3, 250000), "2026-01-31T01:02:03.25"),
        ({"type": "datetime", "format": "%Y%m%d %H:%M"}, datetime(2026, 1, 31, 9, 30), "20260131 09:30"),
        ({"type": "time"}, time(9, 30), "09:30:00"),
        ({"type": "time", "format": "%H.%M"}, time(9, 30), "09.30"),
        ({"type": "time"}, datetime(2026, 1, 31, 9, 30), "2026-01-31T09:30:00"),
        ({"type": "datetime"}, time(9, 30), "09:30:00"),
        ({"type": "string"}, datetime(2026, 1, 31), "2026-01-31"),
        ({"type": "string"}, datetime(2026, 1, 31, 9, 30), "2026-01-31T09:30:00"),
        ({"type": "number"}, datetime(2026, 1, 31), "2026-01-31"),
        ({"type": "yearmonth"}, datetime(2026, 1, 1), "2026-01"),
        ({"type": "yearmonth"}, datetime(2026, 1, 2), "2026-01-02"),
        ({"type": "duration"}, timedelta(hours=30, milliseconds=500), "PT108000.5S"),
        ({"type": "string"}, timedelta(hours=30, minutes=5), "30:05:00"),
    ],
)
def test_values_of_workbooks(descriptor: dict[str, Any], value: Any, text: str) -> None:
    assert sheet_writer(field(**descriptor))(value) == text


@pytest.mark.parametrize(
    ("descriptor", "json", "text"),
    [
        ({"type": "string"}, "null", ""),
        ({"type": "string", "missingValues": ["NA", ""]}, "null", "NA"),
        ({"type": "string", "missingValues": []}, "null", "\u2400"),
        ({"type": "string"}, '""', ""),
        ({"type": "string"}, "0.10", "0.10"),
        ({"type": "string"}, "12345678901234567890", "12345678901234567890"),
        ({"type": "number"}, "7.50", "7.50"),
        ({"type": "number", "decimalChar": ","}, "7.50", "7,50"),
        ({"type": "integer"}, "1.0", "1"),
        ({"type": "integer"}, "-2e3", "-2000"),
        ({"type": "integer"}, "1.5", "1.5"),
        ({"type": "integer"}, "1e999999999", "1e999999999"),
        ({"type": "integer"}, "1e99999999999999999999", "1e99999999999999999999"),
        ({"type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]}, "true", "ja"),
        ({"type": "string"}, "true", "true"),
        ({"type": "object"}, '{"b": 1.0, "a": [null, "\\u00e9"]}', '{"b":1.0,"a":[null,"\u00e9"]}'),
        ({"type": "string"}, "[1, 2]", "[1,2]"),
        ({"type": "list", "itemType": "integer", "delimiter": ";"}, "[1, 2]", "1;2"),
        ({"type": "list"}, '["a", "b"]', "a,b"),
        ({"type": "list"}, '["a,b", "c"]', '["a,b","c"]'),
        ({"type": "geopoint"}, "[4.35, 50.85]", "4.35, 50.85"),
        ({"type": "geopoint", "format": "array"}, "[4.35, 50.85]", "[4.35,50.85]"),
    ],
)
def test_values_of_json_lines(descriptor: dict[str, Any], json: str, text: str) -> None:
    parsed = parse_line(f"[{json}]")
    assert isinstance(parsed, list)
    assert json_writer(field(**descriptor), "\u2400")(parsed[0]) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_numbers_reach_the_field_unchanged(number: Any) -> None:
    kind = field(type="number").kind
    assert kind.parse(json_writer(None, "")(NumberText(number))) == number


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100))
def test_doubles_keep_fifteen_digits(number: float) -> None:
    text = sheet_writer(field(type="number"))(number)
    assert "e" not in text
    assert float(text) == float(f"{number:.15g}")
