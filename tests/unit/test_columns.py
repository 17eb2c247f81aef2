# ruff: noqa: E501 (tables of cases read better on one line)
"""The fast columns say what the plain rule says, and what is written can be read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.entities import columns
from waybill.entities.columns import make_column
from waybill.entities.fields import Field
from waybill.entities.schema import parse_schema

FIELDS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "constraints": {"minLength": 2, "maxLength": 5}},
    {"type": "string", "constraints": {"pattern": "[0-9]{3}"}},
    {"type": "string", "constraints": {"pattern": "^\\d{2,4}$", "maxLength": 3}},
    {"type": "string", "constraints": {"pattern": "[0-9]+"}},
    {"type": "string", "constraints": {"pattern": "[A-Z]{2}-[0-9]{1,3}", "maxLength": 5}},
    {"type": "string", "constraints": {"enum": ["a", "b", ""]}, "missingValues": ["-"]},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uri", "constraints": {"maxLength": 20}},
    {"type": "string", "format": "uuid"},
    {"type": "string", "format": "binary", "missingValues": []},
    {"type": "string", "format": "email", "constraints": {"pattern": ".*com"}},
    {"type": "integer"},
    {"type": "integer", "missingValues": []},
    {"type": "integer", "constraints": {"minimum": -5, "exclusiveMaximum": 100}},
    {"type": "integer", "groupChar": ",", "bareNumber": False},
    {"type": "number"},
    {"type": "number", "constraints": {"minimum": 0, "exclusiveMaximum": "10.5"}},
    {"type": "number", "constraints": {"exclusiveMinimum": 0.1, "maximum": 5}},
    {"type": "number", "decimalChar": ","},
    {"type": "boolean", "constraints": {"required": True}},
    {"type": "date", "constraints": {"minimum": "2000-01-01"}},
    {"type": "date", "format": "%d/%m/%Y"},
    {"type": "date", "format": "any"},
    {"type": "time"},
    {"type": "time", "format": "%H:%M"},
    {"type": "datetime"},
    {"type": "datetime", "constraints": {"minimum": "2024-01-01T00:00:00.5Z", "exclusiveMaximum": "2025-01-01T00:00:00"}},
    {"type": "datetime", "format": "%d/%m/%Y %H:%M:%S"},
    {"type": "datetime", "format": "%Y%m%d%H%M"},
    {"type": "datetime", "format": "%m/%d/%y %I:%M %p"},
    {"type": "year"},
    {"type": "yearmonth"},
    {"type": "duration"},
    {"type": "object"},
    {"type": "array", "constraints": {"minLength": 1}},
    {"type": "list", "itemType": "integer"},
    {"type": "geopoint"},
    {"type": "geojson"},
    {"type": "any", "missingValues": ["", "NA", "null"]},
    {"type": "string", "clean": ["trim", "collapse", "upper"], "missingValues": ["", "NA"]},
    {"type": "string", "clean": ["trim"], "constraints": {"maxLength": 5, "required": True}},
    {"type": "string", "clean": ["collapse", "nfc", "lower"], "values": {"a": "é 1", "x": ""}},
    {"type": "string", "clean": ["trim", "lower"], "values": {"a": "b", "x": "1"}, "default": "b", "constraints": {"enum": ["b", "1"]}},
    {"type": "integer", "clean": ["trim"], "values": {"a": "1", "x": "no"}, "default": "007", "missingValues": ["", "-"]},
    {"type": "date", "clean": ["trim"], "default": "2001-01-01"},
    {"type": "boolean", "clean": ["lower"], "values": {"1": "true", "0": ""}},
    {"type": "number", "decimalChar": ",", "clean": ["trim"], "default": "0,5"},
]  # fmt: skip

CELLS = [
    "", "NA", "-", "null", " ", "a", "b", "abc", "abcdef", 'say "hi"', "back\\slash", "tab\there", "line\nbreak", "ünïcode",
    "\x01", "\x1f", "+" + "9" * 39, "-" + "9" * 39, "0" + "9" * 38, "-1" + "0" * 39,
    "\x7f", "😀", "half\ud800", "nul\0in", "001", "0123", "12345", "٣٤٥", "AB-12", "AB-1234", "ab@example.com", "x@y",
    "ä@exämple.com", "http://a.b/c?d#e", "http://a b", "urn:x:1", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "aGVsbG8=",
    "aGVsbG8", "0", "-0", "+1", "-5", "-6", "99", "100", "1_0", "1 000", " 7", "1.5 ", "1,000", "EUR 12", "9" * 38, "9" * 39, "1" + "0" * 60,
    "0.1", "0.10", "0.1000000000000000055", "10.5", "10.50", "10.499999999999999999999", "-0.0", "0.00", "5.0", "1e3", "1E-200",
    "NaN", "1.", ".5", "1,5", "00.5", "true", "False", "TRUE", "yes", "2024-02-29", "2023-02-29", "1999-12-31", "0000-01-01",
    "29/02/2024", "9/1/2024", "31/02/2024", "12:00:00", "24:00:00", "12:30", "2024-01-26T15:00:00", "2024-01-26T15:00:00Z",
    "2024-01-26T15:00:00.5Z", "2024-01-01T00:00:00.500", "2024-01-26T15:00:00.1234567890Z", "2024-01-26T15:00:00-05:00",
    "2024-02-30T15:00:00Z", "2024-01-26T24:00:00Z", "2024-01-26T15:00:60", "2024-01-26 15:00:00", "2025-01-01T00:00:00",
    "1999-01-26T15:00:00Z", "26/01/2024 15:00:00", "26/01/2024 24:00:00", "31/02/2024 15:00:00", "6/1/2024 15:00:00",
    "202401261500", "202413261500", "01/26/24 03:00 PM", "2024", "024", "20240", "2024-13", "2024-12", "P1D", "PT36H", "P1M",
    " a ", "Abc  d\n", "\xa0a", "x", "X ", "e\u0301 ", "ß", "\u3000", "{}", '{"a": 1}', "[]", "[1, 2]", '{"type": "Point", "coordinates": [1, 2]}', "1,2", "1, 2", "200,1", "26 Jan 2024",
]  # fmt: skip


def make_field(descriptor: dict[str, Any]) -> Field:
    return parse_schema({"fields": [{"name": "f", **descriptor}]}).fields[0]


def plain_rule(field: Field, cell: str) -> tuple[str | None, tuple[Any, ...]]:
    value, problems = field.check(cell)
    if problems or field.read(cell) in field.missing:
        return None, problems
    stored = field.kind.stored(value)
    return (json.dumps(stored, ensure_ascii=False) if field.kind.storage == "S" else stored), ()


def quick_rule(field: Field, cells: list[str], lane: Any) -> list[tuple[str | None, tuple[Any, ...]]]:
    texts, nulls, problems = (lambda found: (found.texts, set(found.nulls), found.problems))(
        lane.convert(lane.cleaned(cells)[0])
    )
    out: list[tuple[str | None, tuple[Any, ...]]] = []
    for position in range(len(cells)):
        found = problems.get(position, ())
        text: str | None = None
        if not found and position not in nulls:
            text = texts[position]
            if field.kind.storage == "S":
                text = json.dumps(json.loads(f'"{text}"'), ensure_ascii=False)
        out.append((text, found))
    return out


@pytest.mark.parametrize("descriptor", FIELDS)
def test_a_lane_says_of_each_cell_alone_what_the_plain_rule_says(descriptor: dict[str, Any]) -> None:
    field = make_field(descriptor)
    for cell in CELLS:
        assert quick_rule(field, [cell], make_column(field)) == [plain_rule(field, cell)], cell


@pytest.mark.parametrize("descriptor", FIELDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_column_says_what_the_plain_rule_says(descriptor: dict[str, Any], data: st.DataObject) -> None:
    field = make_field(descriptor)
    good = [cell for cell in CELLS if not field.check(cell)[1]] or CELLS
    text = st.text(max_size=12) | st.text(alphabet="0123456789-+.eE, /:TZ", max_size=24)
    cell = st.one_of(st.sampled_from(good), st.sampled_from(good), st.sampled_from(CELLS), text)
    lane = make_column(field)
    for _ in range(2):  # again: what a column has seen must not change what it says
        cells = data.draw(st.lists(cell, min_size=1, max_size=12))
        assert quick_rule(field, cells, lane) == [plain_rule(field, cell) for cell in cells]


@pytest.mark.parametrize("descriptor", FIELDS)
@pytest.mark.parametrize("few_cells", [1, 1_000])
def test_cells_seen_before_have_the_same_outcome_again(
    descriptor: dict[str, Any], few_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "FEW_CELLS", few_cells)
    field = make_field(descriptor)
    good = [cell for cell in CELLS if not field.check(cell)[1]] or CELLS
    lane = make_column(field)
    for cells in (good[::2], good[::-2], good[:1] * 3, CELLS, good[:2] * 2):
        assert quick_rule(field, cells, lane) == [plain_rule(field, cell) for cell in cells]


@pytest.mark.parametrize("descriptor", FIELDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_numbers_and_moments_near_the_edge(descriptor: dict[str, Any], data: st.DataObject) -> None:
    field = make_field(descriptor)
    number = st.decimals(allow_nan=False, allow_infinity=False)
    cell = st.one_of(
        number.map(str),
        st.integers().map(str),
        st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds") + data.draw(st.sampled_from(["", "Z"]))),
        st.datetimes().map(
            lambda moment: moment.strftime("%d/%m/") + f"{moment.year:04d}" + moment.strftime(" %H:%M:%S")
        ),
        st.dates().map(str),
    )
    cells = data.draw(st.lists(cell, min_size=1, max_size=8))
    assert quick_rule(field, cells, make_column(field)) == [plain_rule(field, cell) for cell in cells]


@pytest.mark.parametrize("descriptor", FIELDS)
def test_what_an_export_writes_reads_as_the_same_value_and_text(descriptor: dict[str, Any]) -> None:
    field = make_field(descriptor)
    kind = field.kind
    for cell in CELLS:
        value, problems = field.check(cell)
        if problems or field.read(cell) in field.missing:
            continue
        attribute = stored_attribute(field, value)
        written = kind.to_cell(attribute)
        again, problems = field.check(written)
        assert problems == (), (cell, written)
        assert kind.stored(again) == kind.stored(value)
        assert kind.identity(again) == kind.identity(value)
        assert kind.to_cell(stored_attribute(field, again)) == written
        json.dumps(kind.to_json(attribute))


def stored_attribute(field: Field, value: Any) -> dict[str, Any]:
    stored = field.kind.stored(value)
    if field.kind.storage in ("S", "N"):
        return {field.kind.storage: stored}
    if field.kind.storage == "BOOL":
        return {"BOOL": stored == "true"}
    attribute: dict[str, Any] = json.loads(stored)
    return attribute
