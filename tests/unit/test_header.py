"""Labels of a file against the fields, by each `fieldsMatch`."""

from __future__ import annotations

from typing import Any

import pytest

from waybill.entities.header import HeaderMatch, HeaderMismatch, match_header
from waybill.entities.schema import parse_schema
from waybill.imports.modes import MODES


def match(fields_match: str, labels: list[str], *, columns: dict[str, str] | None = None, **more: Any) -> HeaderMatch:
    mode = more.pop("mode", "upsert")
    names = more.pop("names", ["id", "name", "mail"])
    fields = [{"name": name, "constraints": {"required": name == "name"}} for name in names]
    schema = parse_schema({"fields": fields, "primaryKey": "id", "fieldsMatch": fields_match, **more})
    return match_header(schema, labels, columns, required=MODES[mode].labels)


def pairs(found: HeaderMatch) -> list[tuple[int, str]]:
    return [(position, field.name) for position, field in found.columns]


@pytest.mark.parametrize(
    ("fields_match", "labels", "matched"),
    [
        ("exact", ["id", "name", "mail"], [(0, "id"), (1, "name"), (2, "mail")]),
        ("equal", ["mail", "id", "name"], [(0, "mail"), (1, "id"), (2, "name")]),
        ("subset", ["x", "mail", "id", "", "name"], [(1, "mail"), (2, "id"), (4, "name")]),
        ("superset", ["name", "id"], [(0, "name"), (1, "id")]),
        ("partial", ["x", "id", "name"], [(1, "id"), (2, "name")]),
    ],
)
def test_a_fitting_header(fields_match: str, labels: list[str], matched: list[tuple[int, str]]) -> None:
    assert pairs(match(fields_match, labels)) == matched


@pytest.mark.parametrize(
    ("fields_match", "labels", "errors"),
    [
        ("exact", [], [("blank-header", None)]),
        ("exact", ["", " "], [("blank-header", None)]),
        ("exact", ["id", "name"], [("missing-label", 3)]),
        ("exact", ["id", "name", "mail", "x"], [("extra-label", 4)]),
        ("exact", ["id", "nom", "mail"], [("incorrect-label", 2)]),
        ("exact", ["name", "id", "mail"], [("incorrect-label", 1), ("incorrect-label", 2)]),
        ("exact", ["id", "", "mail"], [("blank-label", 2)]),
        ("exact", ["id", "id", "mail"], [("duplicate-label", 2)]),
        ("equal", ["id", "name"], [("missing-label", 3)]),
        ("equal", ["id", "name", "mail", "x"], [("extra-label", 4)]),
        ("equal", ["id", "name", "mail", "mail"], [("duplicate-label", 4)]),
        ("equal", ["id", "name", ""], [("blank-label", 3), ("missing-label", 4)]),
        ("subset", ["id", "name"], [("missing-label", 3)]),
        ("superset", ["id", "name", "x"], [("extra-label", 3)]),
        ("superset", ["id"], [("missing-label", 2)]),
        ("superset", ["name"], [("missing-label", 2)]),
        ("partial", ["x", "y"], [("unmatched-header", None), ("missing-label", 3), ("missing-label", 4)]),
    ],
)
def test_a_header_that_does_not_fit(fields_match: str, labels: list[str], errors: list[tuple[str, int | None]]) -> None:
    with pytest.raises(HeaderMismatch) as caught:
        match(fields_match, labels)
    assert [(error.type, error.field_number) for error in caught.value.errors] == errors


def test_columns_rename_before_the_check() -> None:
    assert pairs(match("exact", ["id", "name", "E-mail"], columns={"E-mail": "mail"})) == [
        (0, "id"), (1, "name"), (2, "mail"),
    ]  # fmt: skip
    with pytest.raises(HeaderMismatch) as caught:
        match("subset", ["id", "name", "mail", "E-mail"], columns={"E-mail": "mail"})
    assert caught.value.errors[0].type == "duplicate-label"


def test_white_space_around_a_label_has_no_meaning() -> None:
    assert pairs(match("exact", [" id", "name\t", "mail"])) == [(0, "id"), (1, "name"), (2, "mail")]
    assert pairs(match("subset", ["id", " E-mail ", "name"], columns={"E-mail": "mail"}))[1] == (1, "mail")
    assert pairs(match("exact", ["id", "id "], names=["id", "id "])) == [(0, "id"), (1, "id ")]
    with pytest.raises(HeaderMismatch) as caught:
        match("equal", ["id", "id ", "name", "mail"])
    assert caught.value.errors[0].type == "duplicate-label"


@pytest.mark.parametrize(
    "label",
    [
        "Zo\u00e9 A",
        "Zoe\u0301 A",
        "\ufeffZo\u00e9 A",
        "Zo\u00e9\u200b A",
        "Zo\u00e9\u00a0A",
        "\u200eZo\u00e9\u202fA ",
        "Zo\u00e9 \u00adA",
    ],
)
def test_what_nobody_sees_of_a_label_has_no_meaning(label: str) -> None:
    assert pairs(match("equal", ["id", label], names=["id", "Zo\u00e9 A"])) == [(0, "id"), (1, "Zo\u00e9 A")]
    assert pairs(match("subset", ["id", "name", label], names=["id", "name"], columns={"Zo\u00e9 A": "name2"}))[0] == (
        0,
        "id",
    )
    assert pairs(match("equal", ["id", label], columns={"Zoe\u0301 A": "name"}, names=["id", "name"]))[1] == (1, "name")


def test_names_that_look_the_same_are_told_apart_by_their_characters() -> None:
    names = ["id", "a b", "a\u00a0b"]
    assert pairs(match("equal", ["id", "a\u00a0b", "a b"], names=names)) == [(0, "id"), (1, "a\u00a0b"), (2, "a b")]
    with pytest.raises(HeaderMismatch):
        match("subset", ["id", "a\u2009b"], names=names)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("n\u0430me", 'looks like "name" but has U+0430'),
        ("\u0440rice\u200b", "U+200B"),
        ("na\u200bm", "U+200B"),
        ("nam\u00e9", None),
    ],
)
def test_a_label_that_only_looks_right_shows_its_code_points(label: str, told: str | None) -> None:
    with pytest.raises(HeaderMismatch) as caught:
        match("equal", ["id", label, "mail"])
    message = next(error.message for error in caught.value.errors if error.cell == label)
    assert "U+" not in message if told is None else told in message


def test_a_rejects_file_imports_as_it_is() -> None:
    found = match("exact", ["_row", "_type", "_reason", "id", "name", "mail"])
    assert pairs(found) == [(3, "id"), (4, "name"), (5, "mail")]
    assert found.ignored == (0, 1, 2)
    twice = ["_row", "_type", "_reason"] * 2 + ["id", "name", "mail"]
    assert match("exact", twice).ignored == (0, 1, 2, 3, 4, 5)


def test_a_field_of_a_rejects_name_keeps_its_column() -> None:
    names = ["id", "_type"]
    assert pairs(match("exact", names, names=names)) == [(0, "id"), (1, "_type")]
    found = match("exact", ["_row", "_type", "_reason", *names], names=names)
    assert pairs(found) == [(3, "id"), (4, "_type")]


@pytest.mark.parametrize("fields_match", ["exact", "equal", "subset", "superset", "partial"])
def test_update_and_delete_need_only_the_key(fields_match: str) -> None:
    found = match(fields_match, ["mail", "id"], mode="update")
    assert pairs(found) == [(0, "mail"), (1, "id")]
    assert [field.name for field in found.absent] == ["name"]
    assert pairs(match(fields_match, ["id"], mode="delete")) == [(0, "id")]
    with pytest.raises(HeaderMismatch) as caught:
        match(fields_match, ["mail"], mode="update")
    assert [error.type for error in caught.value.errors] == ["missing-label"]


@pytest.mark.parametrize("fields_match", ["exact", "equal", "subset", "superset", "partial"])
def test_merge_needs_what_a_new_record_must_have(fields_match: str) -> None:
    """It may create the record."""
    found = match(fields_match, ["name", "id"], mode="merge")
    assert pairs(found) == [(0, "name"), (1, "id")]
    assert [field.name for field in found.absent] == ["mail"]
    with pytest.raises(HeaderMismatch) as caught:
        match(fields_match, ["id", "mail"], mode="merge")
    assert [error.type for error in caught.value.errors] == ["missing-label"]
