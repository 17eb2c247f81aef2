"""Pages → rows: what each attribute becomes, which items are rows, and how deletions show."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exporting import UID, definition, entity, page, rows, stored, tombstone
from waybill.entities.fieldtypes.attributes import are_canonical, number_text
from waybill.errors import JobFailed
from waybill.exports.encoder import RowEncoder

CONTACTS = entity(
    {"name": "id", "type": "string"},
    {"name": "spend", "type": "number"},
    {"name": "joined", "type": "date"},
    {"name": "vip", "type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]},
    primaryKey="id",
    missingValues=["NA", ""],
)
ANNA = stored(CONTACTS, {"id": "anna", "spend": "7.50", "joined": "2024-02-29", "vip": "yes"})
BEN = stored(CONTACTS, {"id": "ben", "spend": None, "joined": None, "vip": None})


def test_each_format_writes_its_own_spelling() -> None:
    assert rows(CONTACTS, [ANNA, BEN]) == "anna,7.5,2024-02-29,yes\r\nben,NA,NA,NA\r\n"
    assert rows(CONTACTS, [ANNA, BEN], "jsonl") == (
        '{"id":"anna","spend":7.5,"joined":"2024-02-29","vip":true}\n'
        '{"id":"ben","spend":null,"joined":null,"vip":null}\n'
    )
    assert rows(CONTACTS, [ANNA, BEN], "xlsx") == (
        '<row><c t="inlineStr"><is><t>anna</t></is></c><c><v>7.5</v></c><c s="1"><v>45351</v></c>'
        '<c t="b"><v>1</v></c></row><row><c t="inlineStr"><is><t>ben</t></is></c><c/><c/><c/></row>'
    )


def test_fields_and_dialect_of_the_definition() -> None:
    members = {"fields": ("vip", "id"), "dialect": {"delimiter": ";", "lineTerminator": "\n"}}
    assert rows(CONTACTS, [ANNA], **members) == "yes;anna\n"
    assert rows(CONTACTS, [ANNA], "jsonl", fields=("vip", "id")) == '{"vip":true,"id":"anna"}\n'


def test_a_page_has_its_number_of_items_and_the_key_to_continue_from() -> None:
    encoder = RowEncoder(CONTACTS, definition())
    key = {"_pk": ANNA["_pk"], "_sk": ANNA["_sk"]}
    encoded = encoder.encode(page([ANNA, BEN], key, indent=2))
    assert (encoded.rows, encoded.items, encoded.last_key) == (2, 2, key)
    assert encoder.encode(page([])) == (b"", 0, 0, None)
    assert encoder.encode(b'{"Count":0,"ScannedCount":7}') == (b"", 0, 0, None)


FOREIGN: list[tuple[dict[str, Any], Any, str, str]] = [
    # field, attribute, CSV, JSON
    ({"type": "string"}, {"N": "12"}, "12", '"12"'),
    ({"type": "string"}, {"BOOL": True}, "true", '"true"'),
    ({"type": "string"}, {"NULL": True}, "", "null"),
    ({"type": "string"}, {"SS": ["b", "a"]}, '"[""a"",""b""]"', '"[\\"a\\",\\"b\\"]"'),
    ({"type": "string"}, {"NS": ["10", "9"]}, '"[9,10]"', '"[9,10]"'),
    ({"type": "string"}, {"B": "AQI="}, "AQI=", '"AQI="'),
    ({"type": "string"}, {"M": {"b": {"N": "1"}, "a": {"L": []}}}, '"{""a"":[],""b"":1}"', '"{\\"a\\":[],\\"b\\":1}"'),
    ({"type": "number"}, {"S": "7.50"}, "7.5", "7.5"),
    ({"type": "number"}, {"S": "seven"}, "seven", '"seven"'),
    ({"type": "number"}, {"S": "=1+1"}, "'=1+1", '"\'=1+1"'),
    ({"type": "number"}, {"N": "1E+2"}, "100", "100"),
    ({"type": "number"}, {"N": "-0"}, "0", "0"),
    ({"type": "number", "decimalChar": ","}, {"N": "0.50"}, '"0,5"', "0.5"),
    ({"type": "integer"}, {"N": "12.5"}, "12.5", "12.5"),
    ({"type": "year"}, {"N": "33"}, "0033", '"0033"'),
    ({"type": "boolean"}, {"S": "true"}, "true", "true"),
    ({"type": "boolean"}, {"N": "1"}, "true", "true"),
    ({"type": "boolean"}, {"S": "maybe"}, "maybe", '"maybe"'),
    ({"type": "date"}, {"N": "2024"}, "2024", '"2024"'),
    ({"type": "date", "format": "%d.%m.%Y"}, {"S": "2024-02-29"}, "29.02.2024", '"29.02.2024"'),
    ({"type": "date", "format": "%d.%m.%Y"}, {"S": "soon"}, "soon", '"soon"'),
    ({"type": "object"}, {"S": '{"b": 1.0, "a": "x"}'}, '"{""a"":""x"",""b"":1}"', '{"a":"x","b":1}'),
    ({"type": "object"}, {"L": [{"S": "x"}]}, '"[""x""]"', '"[\\"x\\"]"'),
    ({"type": "array"}, {"SS": ["b", "a"]}, '"[""a"",""b""]"', '["a","b"]'),
    ({"type": "list"}, {"SS": ["b", "a"]}, '"a,b"', '["a","b"]'),
    ({"type": "list", "itemType": "integer"}, {"L": [{"N": "1"}, {"N": "2"}]}, '"1,2"', "[1,2]"),
    ({"type": "list", "itemType": "integer"}, {"L": [{"S": "x"}, {"NULL": True}]}, '"[""x"",null]"', '["x",null]'),
    ({"type": "geopoint"}, {"L": [{"N": "4.5"}, {"N": "50"}]}, '"4.5,50"', "[4.5,50]"),
    ({"type": "string"}, {"S": 5}, "5", '"5"'),
    ({"type": "string"}, {}, "{}", '"{}"'),
]


@pytest.mark.parametrize(("field", "attribute", "csv", "json_text"), FOREIGN)
def test_an_attribute_of_any_type_has_a_text(field: dict[str, Any], attribute: Any, csv: str, json_text: str) -> None:
    of = entity({"name": "id", "type": "string"}, {"name": "value", **field}, target=True, primaryKey="id")
    items = [{"id": {"S": "k"}, "value": attribute, "other": {"SS": ["x"]}}]
    assert rows(of, items) == f"k,{csv}\r\n"
    assert rows(of, items, "jsonl") == f'{{"id":"k","value":{json_text}}}\n'
    assert rows(of, items, "xlsx").count("<c") == 2


_ATTRIBUTES = st.one_of(
    st.none(),
    st.text(max_size=6).map(lambda text: {"S": text}),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda number: {"N": str(number)}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.sampled_from(
        [{"NULL": True}, {"SS": ["a"]}, {"L": [{"S": "x"}]}, {"M": {"a": {"N": "1"}}}, {"S": "2024-05-01"}]
    ),
)


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(_ATTRIBUTES, min_size=5, max_size=5), max_size=6))
def test_an_item_has_the_same_row_alone_and_among_others(format: str, table: list[list[Any]]) -> None:
    """Whatever a page's other items make of its columns; so fragments can be put together."""
    names = ["text", "number", "flag", "day", "list"]
    kinds = ["string", "number", "boolean", "date", "list"]
    of = entity(*({"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)), target=True)
    items = [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in table]
    assert rows(of, items, format) == "".join(rows(of, [item], format) for item in items)


def test_the_guard_is_for_text_alone_and_can_be_left_out() -> None:
    of = entity({"name": "a", "type": "string"}, {"name": "n", "type": "number"}, {"name": "d", "type": "duration"})
    item = stored(of, {"a": "=1", "n": "-5", "d": "-P1D"})
    assert rows(of, [item]) == "'=1,-5,-P1D\r\n"
    assert rows(of, [item], escape_formulas=False) == "=1,-5,-P1D\r\n"
    assert json.loads(rows(of, [item], "jsonl")) == {"a": "'=1", "n": -5, "d": "-P1D"}


def test_filtered_items_are_left_out() -> None:
    def keep(item: Any) -> bool:
        return "spend" in item

    encoder = RowEncoder(CONTACTS, definition(), keep=keep)
    encoded = encoder.encode(page([ANNA, BEN, ANNA]))
    assert (encoded.data.count(b"anna"), encoded.rows, encoded.items) == (2, 2, 3)
    assert encoder.encode(page([BEN])) == (b"", 0, 1, None)


def test_tombstones_are_left_out_of_full_exports() -> None:
    assert rows(CONTACTS, [tombstone("ben"), ANNA]) == "anna,7.5,2024-02-29,yes\r\n"
    assert rows(CONTACTS, [tombstone("ben")]) == ""


def test_changes_mark_deleted_records_and_those_that_left_the_filter() -> None:
    items = [ANNA, tombstone("carl"), BEN]
    assert rows(CONTACTS, items, changes=True, keep=lambda item: "spend" in item) == (
        "anna,7.5,2024-02-29,yes,false\r\ncarl,NA,NA,NA,true\r\nben,NA,NA,NA,true\r\n"
    )
    assert rows(CONTACTS, [ANNA], changes=True) == "anna,7.5,2024-02-29,yes,false\r\n"
    lines = rows(CONTACTS, items, "jsonl", changes=True).splitlines()
    assert [json.loads(line)["_deleted"] for line in lines] == [False, True, False]
    assert RowEncoder(CONTACTS, definition(), changes=True).columns[-1].label == "_deleted"


KEYS: list[tuple[dict[str, Any], str]] = [
    ({"type": "string"}, "a|b\\c"), ({"type": "string"}, "\\|"), ({"type": "any"}, "x y"), ({"type": "integer"}, "-12"),
    ({"type": "number"}, "12.5"), ({"type": "number", "decimalChar": ","}, "12,5"), ({"type": "year"}, "0033"),
    ({"type": "boolean", "trueValues": ["y"], "falseValues": ["n"]}, "n"), ({"type": "date"}, "2024-02-29"),
    ({"type": "date", "format": "%d/%m/%Y"}, "29/02/2024"), ({"type": "yearmonth"}, "2024-02"),
    ({"type": "datetime"}, "2024-02-29T10:00:00Z"), ({"type": "time"}, "10:00:00"),
    ({"type": "duration"}, "P14MT90061.5S"), ({"type": "duration"}, "-P1M"), ({"type": "duration"}, "PT0S"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "cell"), KEYS)
def test_the_key_of_a_tombstone_is_that_of_the_record(field: dict[str, Any], cell: str) -> None:
    for others in ([], [{"name": "second", "type": "string"}]):
        names = ["first", *(other["name"] for other in others)]
        of = entity({"name": "first", **field}, *others, {"name": "x", "type": "string"}, primaryKey=names)
        record = stored(of, {name: cell if name == "first" else "o|\\" for name in names} | {"x": "there"})
        written = rows(of, [record], changes=True, fields=tuple(names))
        assert written.endswith(",false\r\n")
        gone = rows(of, [tombstone(record["_sk"]["S"])], changes=True, fields=tuple(names))
        assert gone == written.replace("false", "true")


def test_a_key_is_known_by_its_value_where_it_had_several_spellings() -> None:
    of = entity({"name": "at", "type": "datetime"}, primaryKey="at")
    record = stored(of, {"at": "2024-02-29T10:00:00.500+02:00"})
    assert rows(of, [tombstone(record["_sk"]["S"])], changes=True) == "2024-02-29T08:00:00.5Z,true\r\n"
    with_key = tombstone(record["_sk"]["S"]) | {"at": record["at"]}
    assert rows(of, [with_key], changes=True) == "2024-02-29T10:00:00.500+02:00,true\r\n"


def test_a_target_table_has_the_fields_own_names_and_no_tombstones() -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "_gone", "type": "string"}]
    theirs = entity(*fields, target=True, primaryKey="id")
    assert rows(theirs, [{"id": {"S": "1"}, "_gone": {"S": "home"}}]) == "1,home\r\n"
    own = entity(*fields, primaryKey="id")
    assert rows(own, [stored(own, {"id": "1", "_gone": "home"})]) == "1,home\r\n"


def test_the_attributes_that_rows_need() -> None:
    encoder = RowEncoder(CONTACTS, definition(fields=("vip",)), changes=True)
    assert encoder.attributes == ["vip", "id", "_sk", "_gone"]


def test_a_text_too_long_for_a_cell_is_named() -> None:
    of = entity({"name": "id", "type": "string"}, {"name": "note", "type": "string"}, primaryKey="id")
    fits = [stored(of, {"id": "short", "note": "é" * 32_767}), stored(of, {"id": "plain", "note": "x"})]
    assert rows(of, fits, "xlsx").count("<row>") == 2
    for note in ("x" * 32_768, "\n" * 32_768, "🚲" * 16_384, "=" + "x" * 32_767):
        with pytest.raises(
            JobFailed, match=r'The field "note" of the record "long" has 32,76[89] characters'
        ) as failure:
            rows(of, [*fits, stored(of, {"id": "long", "note": note})], "xlsx")
        assert failure.value.job_code == "xlsx-limit"
        assert len(rows(of, [*fits, stored(of, {"id": "long", "note": note})])) > 49_000
    kept = {"id": {"S": "set"}, "note": {"SS": ["x" * 40_000]}, "_pk": {"S": UID}, "_sk": {"S": "set"}}
    with pytest.raises(JobFailed, match='"note" of the record "set"'):
        rows(of, [kept], "xlsx")


def test_names_of_fields_are_any_text() -> None:
    names = ['say "hi"', "a,b", "Straße", "f0", "items", "LastEvaluatedKey", "_pk"]
    of = entity(*({"name": name, "type": "string"} for name in names))
    item = stored(of, {name: str(number) for number, name in enumerate(names)})
    assert rows(of, [item]) == "0,1,2,3,4,5,6\r\n"
    assert list(json.loads(rows(of, [item], "jsonl"))) == names


def is_in_its_one_spelling(text: str) -> bool:
    try:
        return number_text(Decimal(text)) == text
    except (ValueError, ArithmeticError):
        return False


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("0123.-+eE٣ ", max_size=4) | st.integers().map(str) | st.decimals().map(str), max_size=4))
def test_numbers_are_known_by_their_one_spelling(texts: list[str]) -> None:
    short = [text for text in texts if len(text) <= 30]  # of longer ones only the form counts, DynamoDB keeps no such
    assert are_canonical(short) is (bool(short) and all(map(is_in_its_one_spelling, short)))
