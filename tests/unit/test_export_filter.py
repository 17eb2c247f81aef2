"""A filter selects the records that it describes; a condition that means nothing for its field is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.entities.fields import Field
from waybill.entities.fieldtypes.attributes import from_attribute, json_text
from waybill.entities.fieldtypes.base import ORDERED
from waybill.entities.schema import Schema, parse_schema
from waybill.errors import InvalidRequest
from waybill.exports.filter import MAX_CHARS, OPS, check_filter, compile_filter, ops_of
from waybill.validation import Problems

# name: (descriptor, cells that differ, some of them equal as values)
FIELDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "string": ({"type": "string"}, ["a", "A", "ab", "abc", "é", "e\u0301", "\U0001f600", "\uffff", " ", "12", "true"]),
    "email": ({"type": "string", "format": "email"}, ["a@example.com", "b@example.com", "B@example.org"]),
    "any": ({"type": "any"}, ["a", "ab", "1", "1.0", "true", "{}"]),
    "_number": ({"type": "number"}, ["1", "1.0", "-1", "0", "-0", "12", "12.5", "1e3", "1e-130", "9" * 38, "-9.9e125"]),
    "comma": ({"type": "number", "decimalChar": ",", "groupChar": "."}, ["1", "1,0", "1.000,5", "12,5", "12"]),
    "integer": ({"type": "integer"}, ["1", "01", "-1", "0", "12", "1" + "0" * 50, "2024"]),
    "bare": ({"type": "integer", "groupChar": ".", "bareNumber": False}, ["1.000 EUR", "1000", "12"]),
    "boolean": ({"type": "boolean"}, ["true", "1", "FALSE"]),
    "vip": ({"type": "boolean", "trueValues": ["yes", "oui"], "falseValues": ["no"]}, ["yes", "oui", "no"]),
    "date": ({"type": "date"}, ["2024-01-31", "2024-02-01", "0001-01-01", "9999-12-31"]),
    "date_dmy": ({"type": "date", "format": "%d/%m/%Y"}, ["31/01/2024", "01/02/2024", "1/2/2024"]),
    "date_any": ({"type": "date", "format": "any"}, ["31 January 2024", "2024-01-31", "1 Feb 2024"]),
    "time": ({"type": "time"}, ["09:30:00", "23:59:59", "00:00:00"]),
    "time_hm": ({"type": "time", "format": "%H:%M"}, ["09:30", "23:59", "9:30"]),
    "time_any": ({"type": "time", "format": "any"}, ["09:30:00", "9:30 am", "09:30:00-05:00", "14:30:00Z"]),
    "datetime": ({"type": "datetime"}, [
        "2024-01-31T09:30:00", "2024-01-31T09:30:00Z", "2024-01-31T04:30:00-05:00", "2024-01-31T09:30:00.500Z",
        "2024-01-31T09:30:00.5", "2024-01-31T24:00:00Z", "2024-02-01T00:00:00Z", "2024-01-31T09:30:00.50000000001Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    ]),
    "datetime_dmy": ({"type": "datetime", "format": "%d/%m/%Y %H:%M"}, ["31/01/2024 09:30", "01/02/2024 00:00"]),
    "datetime_z": ({"type": "datetime", "format": "%Y-%m-%d %H:%M:%S.%f%z"}, [
        "2024-01-31 09:30:00.500000+0000", "2024-01-31 10:30:00.500000+0100", "2024-01-31 10:30:00.500001+0100",
    ]),
    "datetime_any": ({"type": "datetime", "format": "any"}, ["Wed, 31 Jan 2024 09:30:00 GMT", "2024-01-31T09:30:00Z"]),
    "year": ({"type": "year"}, ["2024", "0005", "9999", "0000"]),
    "yearmonth": ({"type": "yearmonth"}, ["2024-01", "2024-12", "0001-01"]),
    "duration": ({"type": "duration"}, ["P1Y", "P12M", "P1M", "P30D", "P31D", "PT24H", "P1D", "-P1D", "P1W", "PT0.5S"]),
    "object": ({"type": "object"}, ['{"a": 1, "b": 2}', '{"b": 2.0, "a": 1}', "{}", '{"a": null}']),
    "array": ({"type": "array"}, ["[1, 2]", "[2, 1.0]", '["1", true, null, [1]]', "[]"]),
    "list": ({"type": "list"}, ["a,b", "b,a", "a", ",", "1"]),
    "list_number": ({"type": "list", "itemType": "number", "delimiter": ";"}, ["1;2", "1.0;2", "3"]),
    "list_datetime": ({"type": "list", "itemType": "datetime"}, ["2024-01-31T09:30:00Z", "2024-01-31T10:30:00+01:00"]),
    "geopoint": ({"type": "geopoint"}, ["4.35, 50.85", "4.350,50.85", "0,0"]),
    "geojson": ({"type": "geojson"}, ['{"type": "Point", "coordinates": [1, 2]}',
                                      '{"coordinates": [1.0, 2], "type": "Point"}']),
}  # fmt: skip
SCHEMA: Schema = parse_schema({"fields": [{"name": name, **given} for name, (given, _) in FIELDS.items()]})
Condition = dict[str, Any]


def stored(field: Field, cell: str) -> dict[str, Any]:
    """The attribute that an import writes for a cell."""
    text = field.kind.stored(field.kind.parse(cell))
    if not field.kind.storage:
        attribute: dict[str, Any] = json.loads(text)
        return attribute
    return {field.kind.storage: text == "true" if field.kind.storage == "BOOL" else text}


def condition(field: str, op: str, value: Any = None) -> Condition:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def holds(given: Condition, item: dict[str, dict[str, Any]]) -> bool:
    problems: Problems = []
    test = compile_filter(check_filter([given], SCHEMA, problems), SCHEMA)
    assert not problems
    assert test is not None
    found = test(item)
    assert type(found) is bool
    return found


def matches(field: str, op: str, value: Any, cell: str) -> bool:
    return holds(condition(field, op, value), {SCHEMA.by_name[field].attribute: stored(SCHEMA.by_name[field], cell)})


@pytest.mark.parametrize(
    ("field", "op", "value", "yes", "no"),
    [
        ("string", "eq", "ab", ["ab"], ["a", "AB", "abc"]),
        ("string", "eq", "é", ["é"], ["e\u0301"]),
        ("string", "ne", "ab", ["a", "AB"], ["ab"]),
        ("string", "in", ["a", "b"], ["a", "b"], ["ab", "c"]),
        ("string", "lt", "b", ["a", "B", "ab", " "], ["b", "ba", "é"]),
        ("string", "gt", "\uffff", ["\U0001f600"], ["\uffff", "é"]),
        ("string", "between", ["a", "b"], ["a", "azz", "b"], ["b ", "A"]),
        ("string", "begins", "ab", ["ab", "abc"], ["a", "xab"]),
        ("string", "contains", "b", ["ab", "abc", "b"], ["a", "B"]),
        ("email", "begins", "a", ["a@example.com"], ["b@example.com"]),
        ("email", "contains", "@example.", ["a@example.com"], ["a@sub.example"]),
        ("email", "lt", "b", ["a@example.com"], ["b@example.com"]),
        ("any", "eq", 1, ["1"], ["1.0", "a"]),
        ("any", "contains", "1", ["1", "x1"], ["a"]),
        ("_number", "eq", 1, ["1", "1.0", "1e0"], ["1.1"]),
        ("_number", "eq", 0.1, ["0.1", "1e-1"], ["0.10000000000000001"]),
        ("_number", "in", [1, "2.50"], ["1.00", "2.5"], ["2"]),
        ("_number", "lt", 9, ["8", "-10"], ["9", "10"]),
        ("_number", "between", [1, 1.5], ["1", "1.5", "1.2"], ["0.9", "1.51"]),
        ("comma", "ge", "1.000,5", ["1.000,5", "1.001"], ["1.000"]),
        ("integer", "gt", 9, ["10", "1" + "0" * 50], ["9", "-10"]),
        ("boolean", "eq", True, ["true", "1"], ["false"]),
        ("vip", "eq", "oui", ["yes", "oui"], ["no"]),
        ("vip", "ne", True, ["no"], ["yes"]),
        ("vip", "in", [True, False], ["yes", "no"], []),
        ("date", "ge", "2024-02-01", ["2024-02-01", "9999-12-31"], ["2024-01-31"]),
        ("date_dmy", "ge", "01/02/2024", ["01/02/2024", "31/12/2024"], ["31/01/2024"]),
        ("date_any", "eq", "31 January 2024", ["2024-01-31"], ["2024-02-01"]),
        ("time", "lt", "09:30:00", ["09:29:59"], ["09:30:00", "10:00:00"]),
        ("time_hm", "lt", "9:30", ["09:29"], ["09:30", "10:00"]),
        ("time_any", "eq", "14:30:00Z", ["09:30:00-05:00"], ["09:30:00"]),
        ("datetime", "eq", "2024-01-31T09:30:00Z", ["2024-01-31T04:30:00-05:00", "2024-01-31T09:30:00.0Z"],
         ["2024-01-31T09:30:00-05:00"]),
        ("datetime", "eq", "2024-01-31T09:30:00Z", ["2024-01-31T09:30:00"], []),
        ("datetime", "gt", "2024-01-31T09:30:00Z", ["2024-01-31T09:30:00.000000001Z", "2024-01-31T05:30:00-05:00"],
         ["2024-01-31T09:30:00Z", "2024-01-31T10:30:00+02:00"]),
        ("datetime", "between", ["2024-01-31T23:00:00Z", "2024-01-31T24:00:00Z"], ["2024-02-01T00:00:00Z"],
         ["2024-02-01T00:00:00.1Z"]),
        ("year", "lt", 2024, ["2023", "0005"], ["2024"]),
        ("year", "eq", "0005", ["0005"], ["0050"]),
        ("yearmonth", "gt", "2023-12", ["2024-01"], ["2023-12"]),
        ("duration", "eq", "P1Y", ["P12M"], ["P365D"]),
        ("duration", "lt", "P1Y", ["P11M", "PT1S", "-P2Y"], ["P12M", "P366D"]),
        ("duration", "in", ["PT24H"], ["P1D"], ["P2D"]),
        ("object", "eq", {"b": 2, "a": 1.0}, ['{"a": 1, "b": 2}'], ['{"a": 1}']),
        ("object", "in", ['{"a": 1}', {}], ['{"a": 1.0}', "{}"], ['{"a": 2}']),
        ("array", "contains", "1", ['["1"]'], ["[1]", '["11"]']),
        ("array", "contains", {"a": 1}, ['[{"a": 1.0}]'], ['["a"]']),
        ("array", "eq", [1, 2], ["[1, 2.0]"], ["[2, 1]"]),
        ("list", "contains", "a", ["a,b", "a"], ["ab", "b"]),
        ("list_number", "contains", 1, ["1.0;2"], ["11;2"]),
        ("list_datetime", "contains", "2024-01-31T09:30:00Z", ["2024-01-31T10:30:00+01:00"], ["2024-01-31T09:30:01Z"]),
        ("list", "eq", ["a", "b"], ["a,b"], ["b,a"]),
        ("list", "eq", "a,b", ["a,b"], ["b,a"]),
        ("geopoint", "eq", "4.35,50.850", ["4.35, 50.85"], ["0,0"]),
        ("geojson", "eq", {"type": "Point", "coordinates": [1, 2]}, ['{"coordinates": [1, 2.0], "type": "Point"}'],
         ['{"coordinates": [2, 1], "type": "Point"}']),
        ("string", "empty", None, [], ["a", " "]),
        ("string", "empty", False, ["a", " "], []),
        ("_number", "empty", False, ["0"], []),
    ],
)  # fmt: skip
def test_what_a_condition_means(field: str, op: str, value: Any, yes: list[str], no: list[str]) -> None:
    assert [cell for cell in yes if not matches(field, op, value, cell)] == []
    assert [cell for cell in no if matches(field, op, value, cell)] == []


ANY_VALUE: dict[str, Callable[[Any], Any]] = {
    "in": lambda value: [value],
    "between": lambda value: [value, value],
    "empty": lambda value: True,
}


def example(field: Field, op: str, cell: str) -> Any:
    """A value for an op, from a cell of the field."""
    if op == "contains" and field.type in ("array", "list"):
        given: Any = "x"
        if field.type == "list":
            given = cell.split(field.kind.delimiter)[0]  # type: ignore[attr-defined]
    else:
        given = cell
    return ANY_VALUE.get(op, lambda value: value)(given)


@pytest.mark.parametrize("name", FIELDS)
def test_null_meets_only_ne_and_empty(name: str) -> None:
    field = SCHEMA.by_name[name]
    for op in ops_of(field.kind):
        given = condition(name, op, example(field, op, FIELDS[name][1][0]))
        for item in ({}, {field.attribute: {"NULL": True}}):
            assert holds(given, item) is (op in ("ne", "empty"))
            assert holds(condition(name, "empty", False), item) is False
    assert holds(condition(name, "empty"), {field.attribute: {"S": ""}})


def test_conditions_are_joined_by_and() -> None:
    item: dict[str, dict[str, Any]] = {"string": {"S": "ab"}, "__number": {"N": "5"}, "boolean": {"BOOL": True}}
    yes = [condition("string", "eq", "ab"), condition("_number", "gt", 4), condition("boolean", "eq", True)]
    for count in range(1, 4):
        test = compile_filter(yes[:count], SCHEMA)
        assert test is not None and test(item) is True
    for position in range(3):
        test = compile_filter([*yes[:position], condition("_number", "gt", 5), *yes[position:]], SCHEMA)
        assert test is not None and test(item) is False


def test_without_conditions_every_record_passes() -> None:
    problems: Problems = []
    assert check_filter(None, SCHEMA, problems) == check_filter([], SCHEMA, problems) == ()
    assert not problems
    assert compile_filter((), SCHEMA) is None


def test_a_checked_filter_can_be_sent_again() -> None:
    given = [condition("vip", "eq", "oui"), condition("string", "empty"), {**condition("any", "empty"), "value": None}]
    problems: Problems = []
    kept = check_filter(given, SCHEMA, problems)
    assert kept == (given[0], *({"field": name, "op": "empty", "value": True} for name in ("string", "any")))
    assert check_filter(list(kept), SCHEMA, problems) == kept
    assert not problems


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, ["/filter"]),
        ("vip", ["/filter"]),
        ([condition("string", "empty")] * 51, ["/filter"]),
        ([condition("string", "eq", "a" * MAX_CHARS)], ["/filter"]),
        ([1, [], None, "a"], ["/filter/0", "/filter/1", "/filter/2", "/filter/3"]),
        ([{}], ["/filter/0/field", "/filter/0/op"]),
        ([condition("string", "empty"), condition("string", "eq")], ["/filter/1/value"]),
        ([{**condition("string", "empty"), "not": True, "a/b": 1}], ["/filter/0/a~1b", "/filter/0/not"]),
        *[([{"field": name, "op": "empty"}], ["/filter/0/field"]) for name in ["strin", "", 1, ["string"], {}, True]],
        *[([condition("string", op, "a")], ["/filter/0/op"])  # type: ignore[arg-type]
          for op in ["EQ", "like", "", "=", ["eq"], {}, 1, True]],
        *[([condition(name, op, value)], ["/filter/0/op"])
          for name, op, value in [
              ("boolean", "lt", True), ("vip", "between", [False, True]), ("boolean", "contains", "t"),
              ("_number", "begins", "1"), ("date", "contains", "2024"), ("any", "lt", "a"),
              ("any", "between", ["a", "b"]),
              ("object", "contains", "a"), ("object", "lt", {}), ("array", "begins", 1), ("list", "gt", "a"),
              ("geopoint", "lt", "0,0"), ("geojson", "contains", "a"), ("year", "begins", "20"),
          ]],
        *[([condition(name, op, value)], ["/filter/0/value"])
          for name, op, value in [
              ("string", "eq", 1), ("string", "eq", True), ("string", "eq", ["a"]), ("string", "lt", 1),
              ("string", "begins", ""), ("string", "begins", 1), ("string", "contains", ["a"]), ("any", "contains", 1),
              ("string", "eq", "\ud800"), ("string", "contains", "\ud800"), ("email", "eq", "a"),
              ("_number", "eq", "one"), ("_number", "eq", True), ("_number", "eq", float("nan")),
              ("_number", "gt", float("inf")), ("_number", "eq", "9" * 39), ("_number", "eq", {}),
              ("integer", "eq", 1.5), ("integer", "eq", "1.0"), ("comma", "eq", "1.5.x"), ("boolean", "eq", 1),
              ("boolean", "eq", "yes"), ("vip", "eq", "true"), ("date", "eq", "2024-02-30"), ("date", "eq", 20240131),
              ("date_dmy", "eq", "2024-01-31"), ("datetime", "lt", "2024-01-31"), ("year", "eq", 10_000),
              ("yearmonth", "eq", "2024"), ("duration", "eq", "1 day"), ("object", "eq", []), ("object", "eq", "{"),
              ("array", "eq", {}), ("list_number", "eq", "1,2"), ("list_number", "contains", "a"),
              ("list_number", "contains", [1]), ("array", "contains", float("nan")), ("geopoint", "eq", "200,0"),
              ("geojson", "eq", {}), ("string", "empty", "yes"), ("string", "empty", 1),
              ("string", "in", []), ("string", "in", "a"), ("string", "in", ["a"] * 101), ("string", "in", {}),
              ("_number", "between", 1), ("_number", "between", [1]), ("_number", "between", [1, 2, 3]),
              ("_number", "between", [2, 1]), ("date_dmy", "between", ["01/02/2024", "31/01/2024"]),
              ("duration", "between", ["P1M", "P30D"]), ("string", "between", ["b", "a"]),
          ]],
        ([condition("_number", "in", [1, "x", None])], ["/filter/0/value/1", "/filter/0/value/2"]),
        ([condition("_number", "between", ["x", None])], ["/filter/0/value/0", "/filter/0/value/1"]),
    ],
    ids=lambda value: json.dumps(value)[:80],
)  # fmt: skip
def test_a_condition_without_a_meaning_is_refused(given: Any, where: list[str]) -> None:
    problems: Problems = []
    check_filter(given, SCHEMA, problems)
    assert sorted(path for path, _ in problems) == where
    assert all(message for _, message in problems)


def test_deep_nesting_is_refused() -> None:
    value: Any = []
    for _ in range(5_000):
        value = [value]
    problems: Problems = []
    check_filter([condition("array", "eq", value)], SCHEMA, problems)
    assert [path for path, _ in problems] == ["/filter"]


def test_a_filter_that_no_longer_fits_the_schema() -> None:
    conditions = [condition("string", "eq", "a")]
    for fields in ([{"name": "other"}], [{"name": "string", "type": "number"}]):
        with pytest.raises(InvalidRequest) as caught:
            compile_filter(conditions, parse_schema({"fields": fields}))
        assert caught.value.problems


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NAMES = st.sampled_from(sorted(FIELDS))


@settings(deadline=None)
@given(
    st.lists(JSON | st.fixed_dictionaries({"field": NAMES | JSON, "op": st.sampled_from(OPS) | JSON, "value": JSON}))
)
def test_every_accepted_filter_compiles(given: Any) -> None:
    problems: Problems = []
    conditions = check_filter(given, SCHEMA, problems)
    if not problems:
        test = compile_filter(json.loads(json.dumps(conditions)), SCHEMA)
        assert test is None or test({}) in (True, False)


# Every type and op against the plain meaning of the words.


def expected(field: Field, op: str, given: Any, attribute: dict[str, Any] | None) -> bool:
    kind = field.kind
    if op == "empty":
        return (attribute in (None, {"NULL": True}, {"S": ""})) is given
    if attribute is None:
        return op == "ne"
    try:
        value = value_of(field, attribute)
    except (ValueError, ArithmeticError):
        return op == "ne"
    if op in ("begins", "contains") and field.type in ("string", "any"):
        return value.startswith(given) if op == "begins" else given in value
    if op == "contains":
        if field.type == "array":
            return json_text(given) in [json_text(part) for part in value]
        item = kind.item  # type: ignore[attr-defined]
        wanted = item.parse_given(given)
        if item.constraints & ORDERED:
            return item.order(wanted) in [item.order(part) for part in value]
        return wanted in value
    wanted = [kind.parse_given(part) for part in (given if op in ("in", "between") else [given])]
    if field.type in ("date", "time", "datetime"):
        value, wanted = kind.order(value), [kind.order(part) for part in wanted]
    if op in ("eq", "ne", "in"):
        if field.type in ("date", "time", "datetime"):
            equal = value in wanted
        else:
            equal = kind.identity(value) in map(kind.identity, wanted)
        return equal is (op != "ne")
    low = wanted[0]
    if op == "between":
        return bool(low <= value <= wanted[1])
    return bool({"lt": value < low, "le": value <= low, "gt": value > low, "ge": value >= low}[op])


def value_of(field: Field, attribute: dict[str, Any]) -> Any:
    """The typed value of an attribute, whoever wrote it. Raises ValueError."""
    ((letter, stored),) = attribute.items()
    if letter == "S" and field.type in ("string", "any"):
        return stored
    try:
        return field.kind.parse(field.kind.to_cell(attribute))
    except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError):
        if letter not in ("S", "N", "BOOL"):
            raise ValueError from None
        return field.kind.parse({True: "true", False: "false"}[stored] if letter == "BOOL" else stored)


@cache
def cells(field: Field) -> st.SearchStrategy[str]:
    """Cells that the field accepts: those of the table above, and others."""
    more: dict[str, st.SearchStrategy[str]] = {
        "string": st.text(max_size=4),
        "any": st.text(max_size=4),
        "number": st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=1).map(
            str
        ),
        "integer": st.integers(-30, 3000).map(str),
        "date": st.dates().map(str),
        "time": st.times().map(lambda time: time.isoformat("seconds")),
        "datetime": st.builds(
            "{:%Y-%m-%dT%H:%M:%S}{}".format,
            st.datetimes(min_value=datetime(1000, 1, 2)),
            st.sampled_from(["", ".5", "Z", "+05:30", "-14:00"]),
        ),
        "year": st.integers(0, 9999).map("{:04d}".format),
        "duration": st.builds("P{}M{}DT{}S".format, st.integers(0, 20), st.integers(0, 700), st.integers(0, 9)),
    }
    known = st.sampled_from(FIELDS[field.name][1])
    return known | more.get(field.type, known).filter(lambda cell: is_cell(field, cell))


def is_cell(field: Field, cell: str) -> bool:
    try:
        field.kind.parse(cell)
    except ValueError:
        return False
    return True


@st.composite
def cases(draw: st.DrawFn) -> tuple[Condition, dict[str, Any] | None]:
    """A condition, and an attribute: of its own field, of another field, null or absent."""
    field = SCHEMA.by_name[draw(NAMES)]
    op = draw(st.sampled_from(ops_of(field.kind)))
    value: Any = draw(cells(field))
    if op == "contains" and field.type == "array":
        value = draw(st.sampled_from([1, 1.0, "1", True, [1], 2]))
    elif op == "contains" and field.type == "list":
        value = draw(st.sampled_from(value.split(field.kind.delimiter)))  # type: ignore[attr-defined]
    elif op in ("begins", "contains"):
        value = value[: draw(st.integers(1, 3))] or "a"
    elif op == "in":
        value = [value, *draw(st.lists(cells(field), max_size=3))]
    elif op == "between":
        value = [value, draw(cells(field))]
    elif op == "empty":
        value = draw(st.booleans())
    writer = draw(st.sampled_from([field, field, field, SCHEMA.by_name[draw(NAMES)]]))
    attribute = draw(
        st.sampled_from([None, {"NULL": True}, {"S": ""}, {"B": "AA=="}, {"SS": ["a", "b"]}, {"N": "NaN"}])
        | cells(writer).map(lambda cell: stored(writer, cell))
        | cells(writer).map(lambda cell: stored(writer, cell))
        | cells(writer).map(lambda cell: stored(writer, cell))
    )
    return condition(field.name, op, value), attribute


@settings(max_examples=1000, deadline=None)
@given(cases())
def test_a_filter_agrees_with_its_plain_meaning(case: tuple[Condition, dict[str, Any] | None]) -> None:
    given, attribute = case
    field = SCHEMA.by_name[given["field"]]
    problems: Problems = []
    kept = check_filter([given], SCHEMA, problems)
    if problems:
        assert given["op"] == "between" and [path for path, _ in problems] == ["/filter/0/value"]
        low, high = map(field.kind.parse_given, given["value"])
        assert not field.kind.order(low) <= field.kind.order(high)
        return
    test = compile_filter(kept, SCHEMA)
    assert test is not None
    item = {"_pk": {"S": "x"}} | ({} if attribute is None else {field.attribute: attribute})
    assert test(item) is expected(field, given["op"], given["value"], attribute)


@pytest.mark.parametrize("name", FIELDS)
def test_every_cell_compares_with_every_other(name: str) -> None:
    """All pairs of the cells above, in each op that the type has."""
    field = SCHEMA.by_name[name]
    for op in set(ops_of(field.kind)) - {"contains", "between", "empty"}:
        for one in FIELDS[name][1]:
            value = [one] if op == "in" else one
            for cell in FIELDS[name][1]:
                assert matches(name, op, value, cell) is expected(field, op, value, stored(field, cell)), (
                    op,
                    one,
                    cell,
                )


def test_the_reference_reads_what_is_stored() -> None:
    """Lists and maps come back as they were written, so that the comparison above compares something."""
    for name, (_, some) in FIELDS.items():
        field = SCHEMA.by_name[name]
        for cell in some:
            assert field.kind.identity(value_of(field, stored(field, cell))) == field.kind.identity(
                field.kind.parse(cell)
            )
    assert from_attribute(stored(SCHEMA.by_name["array"], "[1, 2]")) == [1, 2]
