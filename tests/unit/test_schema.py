# ruff: noqa: E501, RUF001 (tables of cases read better on one line)
"""A schema that is accepted keeps its promise; one that cannot be kept is refused with every reason."""

from __future__ import annotations

from typing import Any

import pytest

from waybill.entities.fields import Field
from waybill.entities.schema import SchemaError, parse_schema


def field(**descriptor: Any) -> Field:
    return parse_schema({"fields": [{"name": "f", **descriptor}]}).fields[0]


def problems(document: Any) -> dict[str, str]:
    with pytest.raises(SchemaError) as caught:
        parse_schema(document)
    return dict(caught.value.problems)


ACCEPTED: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "string"}, " Ünïcode ", " Ünïcode "),
    ({"type": "string", "format": "email"}, "a.b+c@example.co.uk", "a.b+c@example.co.uk"),
    ({"type": "string", "format": "email"}, '"a b"@example.com', '"a b"@example.com'),
    ({"type": "string", "format": "uri"}, "https://u:p@example.com:8080/a?b=c%20d#e", "https://u:p@example.com:8080/a?b=c%20d#e"),
    ({"type": "string", "format": "uri"}, "urn:isbn:0451450523", "urn:isbn:0451450523"),
    ({"type": "string", "format": "uri"}, "http://[::1]/", "http://[::1]/"),
    ({"type": "string", "format": "uuid"}, "F47AC10B-58cc-4372-a567-0e02b2c3d479", "F47AC10B-58cc-4372-a567-0e02b2c3d479"),
    ({"type": "string", "format": "binary"}, "aGVsbG8=", "aGVsbG8="),
    ({"type": "integer"}, "0012", "12"),
    ({"type": "integer"}, "+7", "7"),
    ({"type": "integer"}, "-0", "0"),
    ({"type": "integer"}, " 1\u00a0", "1"),
    ({"type": "integer"}, "9" * 38, "9" * 38),
    ({"type": "integer"}, "1" + "0" * 100, "1" + "0" * 100),
    ({"type": "integer", "groupChar": ","}, "1,234,567", "1234567"),
    ({"type": "integer", "groupChar": "."}, "1.234", "1234"),
    ({"type": "integer", "bareNumber": False}, "EUR 95", "95"),
    ({"type": "integer", "bareNumber": False}, "-95%", "-95"),
    ({"type": "integer", "bareNumber": False}, "95 m²", "95"),
    ({"type": "integer", "bareNumber": False}, "($ 95 )", "-95"),
    *[({"type": "number", "bareNumber": False}, cell, "-9.5") for cell in ("-$9.5", "\u2212€ 9.5", "$-9.5", "- 9.5", "9.5-", "9.5\u2212", "9.5- EUR", "9.5 EUR-", "(9.5)", "(9.50 EUR)", "EUR (9.5)", "(9.5) EUR")],
    *[({"type": "number", "decimalChar": ",", "groupChar": " "}, f"10{space}237,65", "10237.65") for space in " \u00a0\u2009\u202f"],
    ({"type": "integer", "groupChar": "\u202f"}, "1 000\u00a0000", "1000000"),
    ({"type": "number"}, "\u22120.5", "-0.5"),
    ({"type": "integer"}, "\u22125", "-5"),
    ({"type": "year", "format": "any"}, "2024", "2024"),
    ({"type": "yearmonth", "format": "any"}, "2024-01", "2024-01"),
    ({"type": "integer", "format": "any"}, "7", "7"),
    ({"type": "number"}, "7.50", "7.5"),
    ({"type": "number"}, "-.5", "-0.5"),
    ({"type": "number"}, "\t1.5 ", "1.5"),
    ({"type": "number"}, "5.", "5"),
    ({"type": "number"}, "-0.00", "0"),
    ({"type": "number"}, "1.5e3", "1500"),
    ({"type": "number"}, "1E-5", "0.00001"),
    ({"type": "number"}, "123456789012345678.901234567890123456789", "123456789012345678.901234567890123456789"[:40]),
    ({"type": "number", "decimalChar": ",", "groupChar": "."}, "1.234,50", "1234.5"),
    ({"type": "number", "bareNumber": False}, "approx. 95.5 km", "95.5"),
    ({"type": "number", "bareNumber": False}, "(EUR) 95.5 km-h (net)", "95.5"),
    ({"type": "boolean"}, "TRUE", "true"),
    ({"type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]}, "no", "false"),
    ({"type": "date"}, "2024-02-29", "2024-02-29"),
    ({"type": "date", "format": "%d/%m/%Y"}, "9/1/2024", "2024-01-09"),
    ({"type": "date", "format": "fmt:%d/%m/%Y"}, "09/01/2024", "2024-01-09"),
    ({"type": "date", "format": "any"}, "26 January 2024", "2024-01-26"),
    ({"type": "date", "format": "any"}, "26/01/2024", "2024-01-26"),
    ({"type": "time"}, "15:00:00", "15:00:00"),
    ({"type": "time", "format": "%H:%M"}, "15:30", "15:30:00"),
    ({"type": "time", "format": "any"}, "3:30 pm", "15:30:00"),
    ({"type": "datetime"}, "2024-01-26T15:00:00", "2024-01-26T15:00:00"),
    ({"type": "datetime"}, "2024-01-26T15:00:00.300-05:00", "2024-01-26T15:00:00.300-05:00"),
    ({"type": "datetime"}, "2024-01-26T15:00:00.123456789Z", "2024-01-26T15:00:00.123456789Z"),
    ({"type": "datetime"}, "2024-01-26T24:00:00.0Z", "2024-01-26T24:00:00.0Z"),
    ({"type": "datetime", "format": "%d/%m/%Y %H:%M:%S"}, "12/11/2018 09:15:32", "2018-11-12T09:15:32"),
    ({"type": "datetime", "format": "%Y-%m-%d %H:%M:%S.%f%z"}, "2018-11-12 09:15:32.500000+0200", "2018-11-12T09:15:32.5+02:00"),
    ({"type": "datetime", "format": "any"}, "Fri, 26 Jan 2024 15:00:00 GMT", "2024-01-26T15:00:00Z"),
    ({"type": "year"}, "2024", "2024"),
    ({"type": "year"}, "0005", "5"),
    ({"type": "yearmonth"}, "2024-01", "2024-01"),
    ({"type": "duration"}, "P1Y2M3DT4H5M6.7S", "P1Y2M3DT4H5M6.7S"),
    ({"type": "duration"}, "-PT1.5S", "-PT1.5S"),
    ({"type": "duration"}, "P2W", "P2W"),
    ({"type": "object"}, '{"b": 1.50, "a": [true, null]}', '{"M":{"a":{"L":[{"BOOL":true},{"NULL":true}]},"b":{"N":"1.5"}}}'),
    ({"type": "array"}, '["x", 2]', '{"L":[{"S":"x"},{"N":"2"}]}'),
    ({"type": "list"}, "a,b", '{"L":[{"S":"a"},{"S":"b"}]}'),
    ({"type": "list", "itemType": "integer", "delimiter": ";"}, "01;2", '{"L":[{"N":"1"},{"N":"2"}]}'),
    ({"type": "list", "itemType": "boolean"}, "true,0", '{"L":[{"BOOL":true},{"BOOL":false}]}'),
    ({"type": "geopoint"}, "90.50, 45.50", '{"L":[{"N":"90.5"},{"N":"45.5"}]}'),
    ({"type": "geopoint", "format": "array"}, "[90.50, 45.50]", '{"L":[{"N":"90.5"},{"N":"45.5"}]}'),
    ({"type": "geopoint", "format": "object"}, '{"lon": 1, "lat": -2}', '{"M":{"lat":{"N":"-2"},"lon":{"N":"1"}}}'),
    ({"type": "geojson"}, '{"type": "Point", "coordinates": [1, 2]}', '{"M":{"coordinates":{"L":[{"N":"1"},{"N":"2"}]},"type":{"S":"Point"}}}'),
    ({"type": "geojson", "format": "topojson"}, '{"type": "Topology", "objects": {}, "arcs": []}', '{"M":{"arcs":{"L":[]},"objects":{"M":{}},"type":{"S":"Topology"}}}'),
    ({"type": "geojson", "format": "topojson"}, '{"type": "Point", "coordinates": [1, 2]}', '{"M":{"coordinates":{"L":[{"N":"1"},{"N":"2"}]},"type":{"S":"Point"}}}'),
    ({"type": "any"}, "007", "007"),
    ({}, "1.0", "1.0"),
]  # fmt: skip


@pytest.mark.parametrize(("descriptor", "cell", "stored"), ACCEPTED)
def test_a_good_cell_is_stored_as_its_type_says(descriptor: dict[str, Any], cell: str, stored: str) -> None:
    if cell.startswith("12345678901234"):  # 38 digits are the most
        cell = stored = cell[:39]
    kind = field(**descriptor).kind
    value, found = field(**descriptor).check(cell)
    assert found == ()
    assert kind.stored(value) == stored


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "string", "format": "email"}, ["a@b", "a b@example.com", "@example.com", "a@example.com ", "a@exa_mple.com", "a..b@example.com", "a@1.2.3.4"]),
    ({"type": "string", "format": "uri"}, ["example.com", "http://a b", "http://a/%zz", "//example.com", "http://é"]),
    ({"type": "string", "format": "uuid"}, ["f47ac10b58cc4372a5670e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d47", "{f47ac10b-58cc-4372-a567-0e02b2c3d479}"]),
    ({"type": "string", "format": "binary"}, ["aGVsbG8", "a-_=", "a b="]),
    ({"type": "string"}, ["half \ud83d"]),
    ({"type": "integer"}, ["1.0", "1e3", "1 0", " ", "1_000", "١٢", "", "--1", "9" * 39, "1,000", "0x1", "１"]),
    ({"type": "integer", "groupChar": ","}, ["1,,2", ",1", "1,"]),
    ({"type": "integer", "bareNumber": False}, ["--95", "95--", "-95-", "(-95)", "+95-", "EUR - 95", "95 - EUR", "95-pack", "\u201395", "95\u2013", "five (95)", "1 2", "٣95", "x"]),
    ({"type": "integer", "bareNumber": False}, ["95,-", "95.-", "95,- €", "95.\u2013", "95½", "95 ½", "95²", "±95", "½95"]),
    ({"type": "number", "decimalChar": ",", "bareNumber": False}, ["95,-", "€ 95,-", "95,- EUR", "95.-", "95½", "± 95"]),
    ({"type": "number"}, ["NaN", "INF", "-INF", "inf", "1.2.3", ".", "1 .5", "1,5", "1e200", "1e-131", "1.5e", "٣", "1_0", "9" * 39]),
    ({"type": "number", "decimalChar": ","}, ["1.5"]),
    ({"type": "boolean"}, ["yes", "tRUE", " true", ""]),
    ({"type": "date"}, ["2024-02-30", "2024-1-5", "20240105", "2024-W01-1", "2024-01-05T00:00:00", "٢٠٢٤-٠١-٠٥", "0000-01-01"]),
    ({"type": "date", "format": "%d/%m/%Y"}, ["31/02/2024", "2024-01-05", "01/02/24", "٠١/٠٢/٢٠٢٤"]),
    ({"type": "date", "format": "any"}, ["05/06/2024", "tomorrow", ""]),
    ({"type": "time"}, ["24:00:00", "15:00", "15:00:60", "15:00:00Z", "15:00:00.5"]),
    ({"type": "datetime"}, ["1700000000", "2024-01-26", "2024-01-26 15:00:00", "2024-01-26T15:00", "2024-01-26T24:00:01", "2024-01-26T24:00:00.5", "2024-01-26T25:00:00", "9999-12-31T24:00:00", "2024-01-26T15:00:00.", "2024-01-26T15:00:00+0500", "2024-01-26T15:00:00+15:00", "0001-01-01T00:00:00+01:00", "2023-02-29T00:00:00Z", "2024-01-26T15:00:00z"]),
    ({"type": "year"}, ["24", "20240", "-200", "+200", "２０２４", ""]),
    ({"type": "yearmonth"}, ["2024-13", "2024-1", "2024", "2024-00"]),
    ({"type": "duration"}, ["P", "PT", "P1YT", "1Y", "P1S", "P1.5Y", "PT1M2H", "P-1Y", ""]),
    ({"type": "object"}, ["[]", "{", '{"a": NaN}', '{"a": 1, "a": 2}', '{"": 1}', '{"a": 1e999}', '"x"', '{"a": "\\ud800"}', "[" * 100_000]),
    ({"type": "array"}, ["{}", "[1,]", "[" * 40 + "]" * 40]),
    ({"type": "list", "itemType": "integer"}, ["1,x", "1,2 3", "1,,2"]),
    ({"type": "geopoint"}, ["200,10", "10,100", "10", "10,20,30", "[10,20]", "a,b"]),
    ({"type": "geopoint", "format": "object"}, ['{"lon": 1}', '{"lon": 1, "lat": 2, "z": 3}', '{"lon": "1", "lat": 2}', "[1, 2]"]),
    ({"type": "geojson"}, ['{"type": "Point"}', '{"type": "Point", "coordinates": ["a", 2]}', '{"type": "X"}', "[]", '{"type": "Polygon", "coordinates": [[[0,0],[1,1],[2,2],[3,3]]]}']),
    ({"type": "geojson", "format": "topojson"}, ['{"type": "Point"}', '{"type": "Topology", "objects": {}}', '{"arcs": []}', '{"type": null}']),
]  # fmt: skip


@pytest.mark.parametrize(("descriptor", "cells"), REFUSED)
def test_a_bad_cell_is_a_type_error_that_names_the_type(descriptor: dict[str, Any], cells: list[str]) -> None:
    subject = field(**descriptor, missingValues=[])
    for cell in cells:
        value, found = subject.check(cell)
        assert [problem.type for problem in found] == ["type-error"], cell
        assert found[0].message.startswith(f"not {subject.kind.noun}")
        assert value is None


CONSTRAINED: list[tuple[dict[str, Any], dict[str, Any], list[str], list[str]]] = [
    ({"type": "string"}, {"minLength": 2, "maxLength": 3}, ["ab", "äöü"], ["a", "abcd"]),
    ({"type": "string"}, {"pattern": "a|bc"}, ["a", "bc"], ["ab", "abc", "xbc"]),
    ({"type": "string"}, {"pattern": "^[0-9]{3}$"}, ["012"], ["12", "0123", "٠١٢", "012\n"]),
    ({"type": "string"}, {"pattern": r"\d+"}, ["1"], ["١"]),
    ({"type": "string"}, {"pattern": "[a-z-[aeiou]]+"}, ["xyz"], ["xya"]),
    ({"type": "string"}, {"enum": ["a", "b"]}, ["a"], ["A", "c"]),
    ({"type": "integer"}, {"enum": ["1", 2]}, ["1", "+2", "002"], ["3"]),
    ({"type": "integer"}, {"minimum": 1, "maximum": "5"}, ["1", "5"], ["0", "6"]),
    ({"type": "number"}, {"exclusiveMinimum": 0, "exclusiveMaximum": 0.3}, ["0.29999999999999999999"], ["0", "0.3", "0.30"]),
    ({"type": "date"}, {"minimum": "2024-01-01"}, ["2024-01-01"], ["2023-12-31"]),
    ({"type": "date", "format": "%d/%m/%Y"}, {"minimum": "01/02/2024"}, ["01/02/2024"], ["31/01/2024"]),
    ({"type": "time"}, {"exclusiveMaximum": "12:00:00"}, ["11:59:59"], ["12:00:00"]),
    ({"type": "datetime"}, {"minimum": "2024-01-01T00:00:00Z"}, ["2023-12-31T23:00:00-05:00", "2024-01-01T00:00:00"], ["2024-01-01T00:00:00+01:00"]),
    ({"type": "datetime"}, {"minimum": "2024-01-02T00:00:00", "enum": ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]}, ["2024-01-01T24:00:00"], ["2023-12-31T24:00:00"]),
    ({"type": "datetime"}, {"exclusiveMaximum": "2024-01-01T00:00:00.5Z"}, ["2024-01-01T00:00:00.49Z"], ["2024-01-01T00:00:00.500Z"]),
    ({"type": "year"}, {"minimum": 2000, "maximum": "2010"}, ["2000"], ["1999", "2011"]),
    ({"type": "yearmonth"}, {"maximum": "2024-06"}, ["2024-06"], ["2024-07"]),
    ({"type": "duration"}, {"minimum": "P1M", "maximum": "P1Y"}, ["P1M", "P31D", "P12M"], ["P30D", "P367D"]),
    ({"type": "boolean"}, {"enum": [True]}, ["true", "1"], ["false"]),
    ({"type": "array"}, {"minLength": 1, "maxLength": 2}, ["[1]"], ["[]", "[1,2,3]"]),
    ({"type": "object"}, {"enum": [{"a": 1, "b": 2}]}, ['{"b": 2.0, "a": 1}'], ['{"a": 1}']),
    ({"type": "object"}, {"jsonSchema": {"type": "object", "properties": {"v": {"type": "integer"}}, "required": ["v"]}}, ['{"v": 1}'], ['{"v": "x"}', "{}"]),
    ({"type": "list"}, {"maxLength": 2}, ["a,b"], ["a,b,c"]),
    ({"type": "any"}, {"enum": ["1"]}, ["1"], ["1.0"]),
    ({"type": "geopoint"}, {"enum": ["1,2"]}, ["1.0, 2"], ["2,1"]),
    ({"type": "string", "categories": [{"value": "a", "label": "A"}, {"value": "b"}]}, {}, ["a", "b"], ["A"]),
    ({"type": "integer", "categories": [0, 1]}, {}, ["1"], ["2"]),
]  # fmt: skip


@pytest.mark.parametrize(("descriptor", "constraints", "good", "bad"), CONSTRAINED)
def test_constraints_hold_for_values_not_for_spellings(
    descriptor: dict[str, Any], constraints: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    subject = field(**descriptor, constraints=constraints)
    for cell in good:
        assert subject.check(cell)[1] == (), cell
    for cell in bad:
        found = subject.check(cell)[1]
        assert found and all(problem.type == "constraint-error" for problem in found), cell
        assert all(problem.message.startswith(("must ", "does not fit")) for problem in found)


MESSAGES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "integer"}, "1.0", "not an integer"),
    ({"type": "integer"}, "9" * 39, "not an integer: more than 38 digits"),
    ({"type": "number", "decimalChar": ","}, "1.5", "not a number"),
    ({"type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]}, "maybe", "not one of: yes, no"),
    ({"type": "date"}, "x", "not a date (YYYY-MM-DD)"),
    ({"type": "date", "format": "%d/%m/%Y"}, "x", "not a date (DD/MM/YYYY)"),
    ({"type": "date", "format": "%Y-%j"}, "x", "not a date (%Y-%j)"),
    ({"type": "date", "format": "any"}, "05/06/2024", "not a date: day and month could be swapped"),
    ({"type": "time"}, "x", "not a time (hh:mm:ss)"),
    ({"type": "datetime"}, "x", "not a date and time (YYYY-MM-DDThh:mm:ss)"),
    ({"type": "yearmonth"}, "x", "not a month (YYYY-MM)"),
    ({"type": "year"}, "x", "not a year (YYYY)"),
    ({"type": "duration"}, "x", "not a duration (like P1DT12H)"),
    ({"type": "string", "format": "email"}, "x", "not an email address"),
    ({"type": "object"}, "[]", "not a JSON object"),
    ({"type": "object"}, "{", "not a JSON object: not valid JSON"),
    ({"type": "list", "itemType": "integer"}, "1,x", 'not a list: an item (between ",") is not an integer'),
    ({"type": "geopoint"}, "x", "not a point (longitude, latitude)"),
    ({"type": "geojson"}, "{}", "not a GeoJSON object"),
    ({"type": "integer", "constraints": {"maximum": 90}}, "91", "must be at most 90"),
    ({"type": "date", "constraints": {"minimum": "2024-01-01"}}, "2023-12-31", "must be at least 2024-01-01"),
    ({"type": "number", "constraints": {"exclusiveMinimum": 0}}, "0", "must be more than 0"),
    ({"type": "number", "constraints": {"exclusiveMaximum": 1}}, "1", "must be less than 1"),
    ({"type": "string", "constraints": {"minLength": 2}}, "x", "must have at least 2 characters"),
    ({"type": "string", "constraints": {"maxLength": 1}}, "xy", "must have at most 1 character"),
    ({"type": "array", "constraints": {"minLength": 2}}, "[]", "must have at least 2 items"),
    ({"type": "string", "constraints": {"pattern": "[A-Z]{2}"}}, "x", "must match [A-Z]{2}"),
    ({"type": "string", "constraints": {"enum": ["a", "b", "c"]}}, "x", "must be one of: a, b, c"),
    ({"type": "boolean", "constraints": {"enum": [True]}}, "0", "must be one of: true"),
    ({"type": "string", "constraints": {"enum": ["a" * 150, "b" * 150]}}, "x", f"must be one of: {'a' * 150}, …"),
    ({"type": "string", "constraints": {"required": True}}, "", "is required"),
]  # fmt: skip


@pytest.mark.parametrize(("descriptor", "cell", "message"), MESSAGES)
def test_messages_say_what_was_expected(descriptor: dict[str, Any], cell: str, message: str) -> None:
    assert [problem.message for problem in field(**descriptor).check(cell)[1]] == [message]


def test_every_broken_constraint_of_a_cell_is_listed() -> None:
    subject = field(type="string", constraints={"minLength": 3, "pattern": "[0-9]+", "enum": ["123"]})
    assert [problem.message for problem in subject.check("a")[1]] == [
        "must have at least 3 characters",
        "must match [0-9]+",
        "must be one of: 123",
    ]


def test_a_null_breaks_required_and_nothing_else() -> None:
    subject = field(type="integer", constraints={"required": True, "minimum": 5}, missingValues=["", "NA"])
    assert [problem.message for problem in subject.check("NA")[1]] == ["is required"]
    assert field(type="integer").check("") == (None, ())


def test_missing_values_of_a_field_replace_those_of_the_schema() -> None:
    schema = parse_schema(
        {
            "fields": [{"name": "a"}, {"name": "b", "missingValues": [{"value": "-", "label": "none"}]}],
            "missingValues": ["", "NA"],
        }
    )
    assert schema.fields[0].missing_values == ("", "NA")
    assert schema.fields[1].missing_values == ("-",)
    assert field(missingValues=[]).check("") == ("", ())


def test_unknown_properties_are_kept() -> None:
    document = {"fields": [{"name": "a", "x-colour": "red"}], "x-owner": {"team": 1}, "$schema": "https://example.com"}
    schema = parse_schema(document)
    assert schema.document == document
    assert schema.fields[0].document["x-colour"] == "red"


@pytest.mark.parametrize(
    ("members", "cell", "value"),
    [
        ({"clean": ["trim"]}, "\u00a0 a  b\t", "a  b"),
        ({"clean": ["collapse"]}, " a \u2003 b\n", " a b "),
        ({"clean": ["nfc"]}, "Zoe\u0308", "Zoë"),
        ({"clean": ["upper", "collapse", "trim"]}, "  straße  1 ", "STRASSE 1"),
        ({"clean": ["lower", "trim"], "values": {"m": "male"}}, " M", "male"),
        ({"values": {"M": "male"}}, "M ", "M "),
        ({"values": {"-": ""}}, "-", None),
        ({"values": {"-": ""}, "default": "none"}, "-", "none"),
        ({"clean": ["trim"], "default": "none"}, "  ", "none"),
        ({"missingValues": ["NA"], "default": ""}, "NA", ""),
        ({"type": "integer", "values": {"one": "1"}, "default": "0"}, "one", 1),
        ({"type": "integer", "default": "0", "constraints": {"required": True}}, "", 0),
    ],
)
def test_cells_are_cleaned_as_the_field_declares(members: dict[str, Any], cell: str, value: Any) -> None:
    assert field(**members).check(cell) == (value, ())


def test_keys_and_unique_sets() -> None:
    schema = parse_schema(
        {
            "fields": [{"name": "a"}, {"name": "b", "constraints": {"unique": True}}, {"name": "c"}],
            "primaryKey": "a",
            "uniqueKeys": [["b"], ["a", "c"]],
        }
    )
    assert schema.primary_key == ("a",)
    assert schema.unique_sets == (("b",), ("a", "c"))


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({}, "/fields"),
        ({"fields": []}, "/fields"),
        ({"fields": [{"name": f"f{n}"} for n in range(2_001)]}, "/fields"),
        ({"fields": ["a"]}, "/fields/0"),
        ({"fields": [{"type": "string"}]}, "/fields/0/name"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "/fields/1/name"),
        ({"fields": [{"name": "a", "type": "text"}]}, "/fields/0/type"),
        ({"fields": [{"name": "a", "title": 1}]}, "/fields/0/title"),
        ({"fields": [{"name": "a", "type": "string", "format": "phone"}]}, "/fields/0/format"),
        ({"fields": [{"name": "a", "type": "date", "format": "dd/mm/yyyy"}]}, "/fields/0/format"),
        ({"fields": [{"name": "a", "type": "datetime", "format": "%d/%m/%Y %Z"}]}, "/fields/0/format"),
        ({"fields": [{"name": "a", "type": "date", "format": "%Q"}]}, "/fields/0/format"),
        ({"fields": [{"name": "a", "type": "number", "decimalChar": 1}]}, "/fields/0/decimalChar"),
        ({"fields": [{"name": "a", "type": "number", "decimalChar": ",", "groupChar": ","}]}, "/fields/0"),
        ({"fields": [{"name": "a", "type": "integer", "bareNumber": "no"}]}, "/fields/0/bareNumber"),
        ({"fields": [{"name": "a", "type": "boolean", "trueValues": "yes"}]}, "/fields/0/trueValues"),
        ({"fields": [{"name": "a", "type": "boolean", "trueValues": ["0"]}]}, "/fields/0"),
        ({"fields": [{"name": "a", "type": "list", "itemType": "object"}]}, "/fields/0/itemType"),
        ({"fields": [{"name": "a", "constraints": []}]}, "/fields/0/constraints"),
        ({"fields": [{"name": "a", "constraints": {"required": "yes"}}]}, "/fields/0/constraints/required"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"minLength": 1}}]}, "/fields/0/constraints/minLength"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"minLength": -1}}]}, "/fields/0/constraints/minLength"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"minimum": 1}}]}, "/fields/0/constraints/minimum"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"minimum": "x"}}]}, "/fields/0/constraints/minimum"),
        ({"fields": [{"name": "a", "type": "number", "constraints": {"maximum": float("nan")}}]}, "/fields/0/constraints/maximum"),
        ({"fields": [{"name": "a", "type": "number", "constraints": {"maximum": True}}]}, "/fields/0/constraints/maximum"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"enum": []}}]}, "/fields/0/constraints/enum"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"enum": [1, "x"]}}]}, "/fields/0/constraints/enum/1"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"pattern": "(?=a)b"}}]}, "/fields/0/constraints/pattern"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"pattern": r"(a)\1"}}]}, "/fields/0/constraints/pattern"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"pattern": "a)(b"}}]}, "/fields/0/constraints/pattern"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"pattern": "(a{1000}){1000}"}}]}, "/fields/0/constraints/pattern"),
        ({"fields": [{"name": "a", "type": "string", "constraints": {"pattern": 5}}]}, "/fields/0/constraints/pattern"),
        ({"fields": [{"name": "a", "type": "object", "constraints": {"jsonSchema": {"unevaluatedItems": False}}}]}, "/fields/0/constraints/jsonSchema"),
        ({"fields": [{"name": "a", "clean": "trim"}]}, "/fields/0/clean"),
        ({"fields": [{"name": "a", "clean": ["strip"]}]}, "/fields/0/clean"),
        ({"fields": [{"name": "a", "clean": ["upper", "lower"]}]}, "/fields/0/clean"),
        ({"fields": [{"name": "a", "values": {"M": 1}}]}, "/fields/0/values"),
        ({"fields": [{"name": "a", "clean": ["lower"], "values": {"M/F": "both"}}]}, "/fields/0/values/M~1F"),
        ({"fields": [{"name": "a", "type": "integer", "default": "many"}]}, "/fields/0/default"),
        ({"fields": [{"name": "a", "default": 1}]}, "/fields/0/default"),
        ({"fields": [{"name": "a", "default": ""}]}, "/fields/0/default"),
        ({"fields": [{"name": "a"}], "missingValues": "NA"}, "/missingValues"),
        ({"fields": [{"name": "a"}], "missingValues": [{"label": "x"}]}, "/missingValues"),
        ({"fields": [{"name": "a", "missingValues": [1]}]}, "/fields/0/missingValues"),
        ({"fields": [{"name": "a"}], "primaryKey": "b"}, "/primaryKey"),
        ({"fields": [{"name": "a"}], "primaryKey": ["a", "b"]}, "/primaryKey/1"),
        ({"fields": [{"name": "a", "type": "object"}], "primaryKey": ["a"]}, "/primaryKey/0"),
        ({"fields": [{"name": "a"}], "uniqueKeys": []}, "/uniqueKeys"),
        ({"fields": [{"name": "a"}], "uniqueKeys": [["x"]]}, "/uniqueKeys/0/0"),
        ({"fields": [{"name": "a"}], "fieldsMatch": "loose"}, "/fieldsMatch"),
        ({"fields": [{"name": "a"}], "foreignKeys": [{"fields": "a", "reference": {}}]}, "/foreignKeys/0/reference/fields"),
        ({"fields": [{"name": "a"}], "foreignKeys": {"fields": "a"}}, "/foreignKeys"),
        ({"fields": [{"name": "a", "type": "list"}], "foreignKeys": [{"fields": "a", "reference": {"fields": "a"}}]}, "/foreignKeys/0/fields/0"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_kept_is_refused_with_its_place(document: Any, path: str) -> None:
    assert path in problems(document)


def test_all_problems_are_listed_at_once() -> None:
    found = problems({"fields": [{"name": "a", "type": "x"}, {"name": "b", "format": 3}], "primaryKey": "z"})
    assert list(found) == ["/fields/0/type", "/fields/1/format", "/primaryKey"]


def test_a_pattern_cannot_stall_the_import() -> None:
    subject = field(type="string", constraints={"pattern": "(a+)+b"})
    assert subject.check("a" * 50_000)[1]


def test_references_that_double_at_each_level_are_checked_at_once() -> None:
    doubling = {f"level{n}": {"allOf": [{"$ref": f"#/$defs/level{n + 1}"}] * 2} for n in range(60)}
    tree = {"oneOf": [{"type": "integer"}, *({"type": "array", "items": {"$ref": "#"}, "minItems": n} for n in (0, 9))]}
    nested = "[" * 30 + "1" + "]" * 30
    for schema in (
        {"$ref": "#/$defs/level0", "$defs": {**doubling, "level60": {"type": "array"}}},
        {"items": {"$ref": "#/$defs/level0"}, "$defs": {**doubling, "level60": {"type": ["array", "integer"]}}},
        tree,
    ):
        assert field(type="array", constraints={"jsonSchema": schema}).check(nested)[1] == ()


def test_a_cell_that_takes_too_many_steps_is_a_row_error() -> None:
    """Not a wrong "does not fit", and no minutes of work: neither schema nor cell is large."""
    subject = field(type="array", constraints={"jsonSchema": {"items": {"anyOf": [{"const": n} for n in range(500)]}}})
    value, found = subject.check(f"[{','.join(['499'] * 3_000)}]")
    message = "takes too many steps to check against the JSON schema of the field"
    assert found == (("constraint-error", message),) and len(value) == 3_000
    assert subject.check("[499, 0]")[1] == ()


def test_names_of_a_schema_cost_what_stands_in_the_cell() -> None:
    """Thousands of names in each of thousands of objects would be minutes of work."""
    many = [f"p{n}" for n in range(5_000)]
    for keywords in (
        {"properties": {name: {"type": "integer"} for name in many}},
        {"dependentRequired": {name: ["n"] for name in many}},
    ):
        subject = field(type="array", constraints={"jsonSchema": {"items": keywords}})
        assert subject.check(f"[{','.join(['{}'] * 100_000)}]")[1] == ()
        assert "does not fit" in subject.check('[{"p7":"x"}]')[1][0].message
    subject = field(type="array", constraints={"jsonSchema": {"items": {"required": ["a"] * 100_000}}})
    assert subject.check("[" + ",".join(['{"a":1}'] * 10_000) + "]")[1] == ()


def test_large_cells_of_ordinary_schemas_are_checked_whole() -> None:
    person = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}, "s": {"enum": ["a", "b"]}}}
    schema = {"items": {**person, "required": ["n"], "additionalProperties": False}, "uniqueItems": True}
    subject = field(type="array", constraints={"jsonSchema": schema})
    people = [f'{{"n":{n},"s":"a"}}' for n in range(5_000)]
    assert subject.check(f"[{','.join(people)}]")[1] == ()
    assert "does not fit" in subject.check(f"[{','.join([*people, '{}'])}]")[1][0].message
