"""Fields that are proposed for labels which are no names: with the reason, and only where nothing is ambiguous."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.entities.likeness import propose_columns
from waybill.entities.schema import parse_schema

FIELDS = [
    {"name": "contact_id"},
    {"name": "email", "title": "Electronic mail"},
    {"name": "first_name"},
    {"name": "city"},
    {"name": "naïve"},
]


def proposed(labels: list[str], remembered: dict[str, str] | None = None) -> list[tuple[str | None, bool, list[str]]]:
    found = propose_columns(parse_schema({"fields": FIELDS}), labels, remembered or {})
    return [(each.field, each.is_known, [choice.field for choice in each.choices]) for each in found]


@pytest.mark.parametrize(
    ("label", "field", "why"),
    [
        ("E-Mail", "email", 'is the field "email" but for case, accents and signs'),
        ("ContactId", "contact_id", 'is the field "contact_id" but for case, accents and signs'),
        ("NAIVE", "naïve", 'is the field "naïve" but for case, accents and signs'),
        ("Name, first", "first_name", 'has the words of the field "first_name" in another order'),
        ("electronic  MAIL", "email", 'is the title "Electronic mail" but for case, accents and signs'),
        ("Wohn-Ort", "city", 'is the remembered header "Wohnort" but for case, accents and signs'),
    ],
)
def test_a_likely_field_is_proposed_with_its_reason(label: str, field: str, why: str) -> None:
    [found] = propose_columns(parse_schema({"fields": FIELDS}), [label], {"Wohnort": "city"})
    assert (found.field, found.is_known, found.why, found.choices) == (field, False, why, [])


@pytest.mark.parametrize(
    ("label", "choices"), [("Customer city", ["city"]), ("emial", ["email"]), ("Name", ["first_name"]), ("spend", [])]
)
def test_what_only_resembles_a_field_is_a_choice(label: str, choices: list[str]) -> None:
    assert proposed([label]) == [(None, False, choices)]


def test_what_an_import_takes_by_itself_needs_no_proposal() -> None:
    assert proposed(["email", " city ", "Ort"], {"Ort": "first_name"}) == [
        ("email", True, []),
        ("city", True, []),
        ("first_name", True, []),
    ]


def test_nothing_ambiguous_is_proposed() -> None:
    assert proposed(["E-Mail", "e mail"]) == [(None, False, ["email"])] * 2
    assert proposed(["email", "E-Mail"]) == [("email", True, []), (None, False, [])]
    two = parse_schema({"fields": [{"name": "e_mail"}, {"name": "email"}]})
    [found] = propose_columns(two, ["E-Mail"], {})
    assert (found.field, sorted(each.field for each in found.choices)) == (None, ["e_mail", "email"])
    assert proposed(["_row", "_type", "_reason", "", "—"]) == [(None, False, [])] * 5


_LABEL = st.text("abcABC _-é1", max_size=8)


@given(st.lists(_LABEL, max_size=8), st.lists(_LABEL.filter(str.strip), unique=True, min_size=1))
def test_each_label_has_one_proposal_and_each_field_one_label(labels: list[str], names: list[str]) -> None:
    found = propose_columns(parse_schema({"fields": [{"name": name} for name in names]}), labels, {})
    fields = [each.field for each in found if each.field is not None]
    assert len(found) == len(labels) and len(fields) == len(set(fields)) and set(fields) <= set(names)


def test_many_columns_are_compared_in_time() -> None:
    names = [f"column number {number}" for number in range(1_500)]
    schema = parse_schema({"fields": [{"name": name} for name in names]})
    found = propose_columns(schema, [name.title().replace(" ", "-") for name in names], {})
    assert [each.field for each in found] == names
