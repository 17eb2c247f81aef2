"""Pages become the same rows of CSV with the C library as without it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exporting import definition, entity, page, tombstone
from waybill import native
from waybill.entities.model import Entity
from waybill.exports.encoder import Encoded, RowEncoder

EXAMPLES = int(os.environ.get("WAYBILL_EXAMPLES", "100"))
pytestmark = pytest.mark.skipif(native.library() is None, reason="the library was not built")

FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string"},
    {"name": "note", "type": "any", "missingValues": ["'=n/a", ""]},
    {"name": "spend", "type": "number", "decimalChar": ",", "groupChar": "."},
    {"name": "count", "type": "integer"},
    {"name": "vip", "type": "boolean", "trueValues": ["yes, sir"], "falseValues": ["no"]},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "datetime"},
    {"name": "for", "type": "duration"},
    {"name": "month", "type": "yearmonth"},
]
SPECIAL = st.text(st.sampled_from("ab=+@-'\"\\;,|^ \t\r\n\x01\x7f\ufeff\xe9\u20ac\U0001f600"), max_size=6)
STRINGS = st.one_of(SPECIAL, st.text(max_size=6).filter(lambda text: text.isprintable()))
NUMBERS = st.sampled_from(
    ["0", "-0", "7", "-7.5", "0.50", "12.", ".5", "007", "1E+2", "1e3", "", "+1", "-", "9" * 38, "0.001"]
)
ATTRIBUTES = st.one_of(
    STRINGS.map(lambda text: {"S": text}),
    NUMBERS.map(lambda text: {"N": text}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.sampled_from(
        [{"NULL": True}, {"SS": ["a"]}, {"L": [{"S": "]}"}]}, {"M": {"a": {"N": "1"}}}, {}, {"S": "x", "N": "1"}]
    ),
)
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "id": STRINGS.map(lambda text: {"S": text}),
    "note": STRINGS.map(lambda text: {"S": text}),
    "spend": st.sampled_from(["0", "-7.5", "12", "0.001"]).map(lambda text: {"N": text}),
    "count": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda number: {"N": str(number)}),
    "vip": st.booleans().map(lambda value: {"BOOL": value}),
    "day": st.just({"S": "2024-02-29"}),
    "at": st.just({"S": "2024-02-29T12:00:00+02:00"}),
    "for": st.just({"S": "P1DT2H"}),
    "month": st.just({"S": "2024-02"}),
}
DIALECTS: list[dict[str, Any]] = [
    {},
    {"delimiter": ";", "lineTerminator": "\n"},
    {"delimiter": "\t", "quoteChar": "'"},
    {"delimiter": "|"},
]


def made(of: Entity, body: bytes, **options: Any) -> tuple[Encoded | None, Encoded]:
    """The page as the library has it, and as the rule has it."""
    how = {name: options.pop(name) for name in ("keep", "changes") if name in options}
    encoder = RowEncoder(of, definition(**options), **how)
    assert encoder._native is not None
    by_library = encoder._encoded_by_library(_page(body))
    return by_library, encoder._encoded(_page(body))


def _page(body: bytes) -> Any:
    from waybill.exports.encoder import _Page

    return _Page(body)


@st.composite
def items(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Any]]) -> list[dict[str, Any]]:
    """Items that lack some attributes, have others that are no field's, and have them in any order."""
    found = []
    for _ in range(draw(st.integers(0, 5))):
        names = draw(st.lists(st.sampled_from([*values, "_pk", "other"]), unique=True))
        strange = {"_pk": st.just({"S": 'u"#00}'}), "other": ATTRIBUTES}
        found.append({name: draw((values | strange)[name]) for name in names})
    return found


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    items(USUAL),
    st.sampled_from(DIALECTS),
    st.booleans(),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.lists(st.sampled_from([field["name"] for field in FIELDS]), unique=True, min_size=1),
)
def test_what_is_usual_is_written_by_the_library_as_by_the_rule(
    found: list[Any], dialect: dict[str, Any], guards: bool, indent: int | None, ascii: bool, names: list[str]
) -> None:
    of = entity(*FIELDS, target=True, primaryKey="id")
    key = {"id": {"S": 'a"]}'}} if ascii else None
    answer = {"Count": 1, "Items": found, "ScannedCount": 9} | ({} if key is None else {"LastEvaluatedKey": key})
    body = json.dumps(answer, indent=indent, ensure_ascii=ascii).encode()
    by_library, by_rule = made(of, body, dialect=dialect, escape_formulas=guards, fields=tuple(names))
    assert by_library == by_rule
    assert by_rule.last_key == key


@settings(max_examples=EXAMPLES, deadline=None)
@given(items(dict.fromkeys(USUAL, ATTRIBUTES)), st.sampled_from(DIALECTS), st.booleans())
def test_the_library_writes_nothing_that_the_rule_would_not(
    found: list[Any], dialect: dict[str, Any], changes: bool
) -> None:
    of = entity(*FIELDS, target=True, primaryKey="id")
    by_library, by_rule = made(of, page(found), dialect=dialect, changes=changes)
    assert by_library in (None, by_rule)


@settings(max_examples=EXAMPLES, deadline=None)
@given(items(USUAL), st.data())
def test_filters_and_marks_of_deleted_records(found: list[Any], data: st.DataObject) -> None:
    of = entity(*FIELDS, target=True, primaryKey="id")
    kept = data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    for changes in (False, True):
        answers = iter([*kept, *kept])
        by_library, by_rule = made(of, page(found), keep=lambda _: next(answers), changes=changes)  # noqa: B023
        assert by_library == by_rule or (by_library is None and changes and not all(kept))


def test_what_is_left_of_a_deleted_record_is_no_row() -> None:
    of = entity({"name": "id", "type": "string"}, primaryKey="id")
    alive = {"_pk": {"S": "u"}, "_sk": {"S": "a"}, "id": {"S": "a"}}
    by_library, by_rule = made(of, page([alive]))
    assert by_library == by_rule == (b"a\r\n", 1, 1, None)
    for keep in (None, lambda _: True):
        by_library, by_rule = made(of, page([alive, tombstone("b")]), keep=keep)
        assert by_rule == (b"a\r\n", 1, 2, None)
        assert by_library in (None, by_rule)


BROKEN = [
    b"",
    b"[]",
    b"{",
    b'{"Items":[{]}',
    b'{"Items":[{"id":{"S":"a"}}',
    b'{"Items":[{"id":{"S":"a"}},]}',
    b'{"Items":[{"id":{"S":"a"}}]} {}',
    b'{"Items":[{"id":{"S":"a"}}],"Items":[]}',
    b'{"Items":[{"id":{"S":"a"},"id":{"S":"b"}}]}',
    b'{"Items":[{"id":{"S":"\\ud83d"}}]}',
    b'{"Items":[{"id":{"S":"\\ude00"}}]}',
    b'{"Items":[{"id":{"S":"\\u12g4"}}]}',
    b'{"Items":[{"id":{"S":"\\x"}}]}',
    b'{"Items":[{"id":{"S":"a\\',
    b'{"Items":[{"id":{"S":"\xff"}}]}',
    b'{"Items":[{"id":{"S":"a\n"}}]}',
    b'{"Items":[{"i\\u0064":{"S":"a"}}]}',
    b'{"Items":null}',
]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_page_of_dynamodb_is_left_to_the_rule(body: bytes) -> None:
    encoder = RowEncoder(entity({"name": "id", "type": "string"}, target=True, primaryKey="id"), definition())
    assert encoder._encoded_by_library(_page(body)) is None


@pytest.mark.parametrize("cut", range(0, 120, 3))
def test_a_page_that_is_cut_off_is_left_to_the_rule(cut: int) -> None:
    of = entity(*FIELDS, target=True, primaryKey="id")
    item = {"id": {"S": "a\u20ac"}, "spend": {"N": "1.5"}, "vip": {"BOOL": True}, "other": {"L": [{"S": "x"}]}}
    encoder = RowEncoder(of, definition())
    assert encoder._encoded_by_library(_page(page([item, item])[:cut])) is None


def test_formats_and_types_that_the_library_does_not_write() -> None:
    text, day = {"name": "id", "type": "string"}, {"name": "day", "type": "date", "format": "%d/%m/%Y"}
    assert RowEncoder(entity(text), definition("jsonl"))._native is None
    assert RowEncoder(entity(text), definition(dialect={"delimiter": "\u20ac"}))._native is None
    for other in (
        day,
        {"name": "year", "type": "year"},
        {"name": "where", "type": "geopoint"},
        {"name": 'n"e', "type": "string"},
    ):
        assert RowEncoder(entity(text, other), definition())._native is None
