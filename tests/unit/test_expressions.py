"""The text of DynamoDB's expressions: placeholders for names and values, and no parentheses that it would refuse."""

from __future__ import annotations

import pytest

from waybill.aws.expressions import Attr, Change, Condition, Placeholders

A, B, C = Attr("a").exists(), Attr("b").exists(), Attr("c").exists()
TEXTS = [
    (A & B & C, "a AND b AND c"),
    (A | B | C, "a OR b OR c"),
    ((A | B) & C, "(a OR b) AND c"),
    (A & (B | C), "a AND (b OR c)"),
    (A & B | C, "a AND b OR c"),
    (~A & B, "NOT a AND b"),
    (~(A | B), "NOT (a OR b)"),
    (~(A & B), "NOT (a AND b)"),
    (~(A | B) & C, "NOT (a OR b) AND c"),
]


@pytest.mark.parametrize(("condition", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_parentheses_stand_where_they_are_needed_and_nowhere_else(condition: Condition, text: str) -> None:
    places = Placeholders()
    rendered = condition.render(places)
    for name, placeholder in places.names.items():
        rendered = rendered.replace(f"attribute_exists({placeholder})", name)
    assert rendered == text


def test_a_name_has_one_placeholder_and_each_value_its_own() -> None:
    places = Placeholders()
    change = Change(sets={"m.x": 1, "status": "x"}, defaults={"m.y": 1}, removes=["m.z"])
    assert change.render(places) == "SET #n0.#n1 = :v0, #n2 = :v1, #n0.#n3 = if_not_exists(#n0.#n3, :v2) REMOVE #n0.#n4"
    assert places.request() == {
        "ExpressionAttributeNames": {"#n0": "m", "#n1": "x", "#n2": "status", "#n3": "y", "#n4": "z"},
        "ExpressionAttributeValues": {":v0": {"N": "1"}, ":v1": {"S": "x"}, ":v2": {"N": "1"}},
    }
    assert Placeholders().request() == {}
