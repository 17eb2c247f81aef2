"""What is proposed for the columns of a file: a type only where every cell has it, text when in doubt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.entities.inference import Column, field_names, propose
from waybill.entities.model import check_columns, check_schema
from waybill.entities.schema import parse_schema


def column(label: str, cells: list[str]) -> Column:
    made = Column(label)
    for cell in cells:
        made.add(cell)
    return made


def members(cells: list[str]) -> dict[str, Any]:
    """The proposed field of these cells, without its name."""
    proposal = propose([column("other", ["x", "x"]), column("a", cells)], True)
    field: dict[str, Any] = dict(proposal.definition["schema"]["fields"][1])
    del field["name"]
    field.pop("constraints", None)
    return field


STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-20", "", "0"], {"type": "integer"}),
        (["1", "007"], STRING),
        (["1", "2x"], STRING),
        (["12345678901234567890", "1"], STRING),
        (["1.5", "2"], {"type": "number"}),
        (["1,5", "2"], {"type": "number", "decimalChar": ","}),
        (["1,234.50", "7"], {"type": "number", "groupChar": ","}),
        (["1.234,50", "7"], {"type": "number", "groupChar": ".", "decimalChar": ","}),
        (["1.234.567", "7"], {"type": "number", "groupChar": ".", "decimalChar": ","}),
        (["1,234", "7"], STRING),
        (["1.234", "7"], STRING),
        (["0.125", "7"], {"type": "number"}),
        (["1.234", "7.5"], {"type": "number"}),
        (["2024-02-29", "1999-12-31"], {"type": "date"}),
        (["2024-02-30"], STRING),
        (["31/12/2024", "01/02/2024"], {"type": "date", "format": "%d/%m/%Y"}),
        (["12/31/2024", "01/02/2024"], {"type": "date", "format": "%m/%d/%Y"}),
        (["01/02/2024", "03/04/2024"], STRING),
        (["31/12/2024", "12/31/2024"], STRING),
        (["31.12.24", "01.02.24"], {"type": "date", "format": "%d.%m.%y"}),
        (["2024/12/31"], {"type": "date", "format": "%Y/%m/%d"}),
        (["2024-12-31T10:00:00Z"], {"type": "datetime"}),
        (["2024-12-31 10:00:00"], {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S"}),
        (["31/12/2024 10:00", "01/02/2024 09:30"], {"type": "datetime", "format": "%d/%m/%Y %H:%M"}),
        (["10:30:00", "23:59:59"], {"type": "time"}),
        (["true", "FALSE"], {"type": "boolean", "trueValues": ["true"], "falseValues": ["FALSE"]}),
        (["Ja", "nein", "Ja"], {"type": "boolean", "trueValues": ["Ja"], "falseValues": ["nein"]}),
        (["yes", "yes"], STRING),
        (["0", "1"], {"type": "integer"}),
        (["a@example.com", "b@example.org"], {"type": "string", "format": "email"}),
        (["https://example.com/a"], {"type": "string", "format": "uri"}),
        (['{"a": 1}', "{}"], {"type": "object"}),
        (["[1]", "[]"], {"type": "array"}),
        (["[1]", "[oops"], STRING),
        (["", ""], STRING),
        ([" 1", "2"], STRING),
        (["NaN", "1"], STRING),
        (["1_000"], STRING),
        (["٣"], STRING),
    ],
)
def test_a_type_is_that_of_every_cell(cells: list[str], expected: dict[str, Any]) -> None:
    assert members(cells) == expected


CELLS = st.sampled_from(
    ["1", "1.5", "1,5", "01/02/2024", "31/12/2024", "2024-01-01", "true", "no", "x", "", "10:00", "é"]
)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), st.lists(st.text(max_size=8), min_size=3)
)
def test_what_is_proposed_is_a_schema_that_accepts_every_cell(rows: list[list[str]], labels: list[str]) -> None:
    columns = [column(label, list(cells)) for label, cells in zip(labels, zip(*rows, strict=True), strict=False)]
    definition = propose(columns, False).definition
    problems: list[tuple[str, str]] = []
    check_schema(definition["schema"], "", problems)
    schema = parse_schema(definition["schema"])
    names = {label: name for label, name in definition.get("columns", {}).items() if label.strip()}
    check_columns(names, [field.name for field in schema.fields], "", problems)
    assert not problems
    for field, cells in zip(schema.fields, zip(*rows, strict=True), strict=False):
        assert not [cell for cell in cells if field.check(cell)[1]]


def test_labels_become_names() -> None:
    labels = ["id", "E-mail Address", "Größe (cm)", "2024", "%", "id ", "E-mail: address", "имя"]
    names = ["id", "e_mail_address", "grosse_cm", "column_2024", "column_5", "id_2", "e_mail_address_2", "column_8"]
    assert field_names(labels) == names


def test_names_of_labels_that_are_alike_cost_no_square() -> None:
    names = field_names([f"a{' ' * (n % 7)}-{'.' * (n // 7)}b" for n in range(20_000)])
    assert (names[:3], len(set(names))) == (["a_b", "a_b_2", "a_b_3"], 20_000)
    assert len(set(field_names(["A b", "a_b", "a_b_2", "A-b", "A+b"]))) == 5


@pytest.mark.parametrize(
    ("labels", "rows", "key"),
    [
        (["name", "Customer No"], [["a", "7"], ["a", "8"]], "customer_no"),
        (["name", "city"], [["a", "x"], ["b", "x"]], "name"),
        (["name", "city"], [["a", "x"], ["a", "y"]], None),
        (["name", "mail"], [["a", "a@b.cc"], ["a", "b@b.cc"]], "mail"),
        (["id", "mail"], [["1", "a@b.cc"], ["", "b@b.cc"]], "mail"),
        (["when"], [["2024-01-01"], ["2024-01-02"]], None),
        (["userId"], [["1"], ["2"]], "userId"),
    ],
)
def test_the_key_tells_all_rows_apart(labels: list[str], rows: list[list[str]], key: str | None) -> None:
    columns = [column(label, list(cells)) for label, cells in zip(labels, zip(*rows, strict=True), strict=True)]
    assert propose(columns, True).definition["schema"].get("primaryKey") == (None if key is None else [key])


def test_reasons_name_what_they_rest_on() -> None:
    proposal = propose([column("day", ["01/02/2024", "31/12/2024"]), column("n", ["1,234"])], True)
    day, n = proposal.fields
    assert day["why"] == "every cell is a date, day first, as '31/12/2024' shows"
    assert n["why"] == "text, because '1,234' may be thousands or have three decimals"
    assert day["samples"] == ["01/02/2024", "31/12/2024"]


def test_what_takes_too_long_is_text() -> None:
    """And each guess is compiled once, not for each cell."""
    minutes = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
    days = column("day", [f"{day:02}/12/2003 {time}" for day in range(1, 13) for time in minutes])
    looks = iter([True] * 5)
    found = propose([days, column("n", ["1"])], True, lambda: next(looks, False)).fields
    assert [each["type"] for each in found] == ["string", "string"] and "too long" in found[0]["why"]
    days.add("31/12/2003 10:00")
    assert propose([days], True).fields[0]["why"] == "every cell is a date, day first, as '31/12/2003 10:00' shows"


def test_few_values_are_listed() -> None:
    listed = propose([column("c", ["BE", "NL"] * 10), column("d", ["BE", *["NL"] * 19])], True).fields
    assert [each["values"] for each in listed] == [["BE", "NL"], None]


@pytest.mark.parametrize(("count", "said"), [(1, "its only cell is filled"), (2, "its 2 cells differ")])
def test_why_a_column_is_the_key_is_said_for_one_row_too(count: int, said: str) -> None:
    cells = column("id", [f"k{number}" for number in range(count)])
    assert propose([cells], True).fields[0]["why"].endswith(f"the key, because {said}")
