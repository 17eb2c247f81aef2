"""frictionless-py reads the same workbooks and JSON as Waybill, and says the same of each cell.

Of cells that are texts it says in both what it says of a CSV, so that `intended.py` explains every difference. Where a
typed value is judged otherwise, `TYPED` says why, and docs/validation.md explains it.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest
from frictionless import Resource

from tests.differential.containers import as_csv, as_json_lines, schema_of, verdicts
from tests.differential.containers import json_value as typed_json
from tests.differential.test_containers import NOT_IN_XML, cases, name_of
from tests.differential.test_frictionless import DOCS
from tests.differential.verdicts import (
    V2_RESOURCE,
    FrictionlessCrash,
    Table,
    frictionless_errors,
    frictionless_schema,
)

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?")
Types = frozenset[str]


class Difference(NamedTuple):
    field: Mapping[str, Any]
    cell: str
    ours: Types
    theirs: Types


#: Name → whether it explains the difference.
TYPED: dict[str, Callable[[Difference], bool]] = {
    "numbers-are-read-as-their-texts": lambda found: (
        bool(NUMBER.fullmatch(found.cell))
        and found.field.get("type", "any") in ("any", "string", "boolean", "date")
        and bool(found.theirs & {"type-error", "constraint-error"})
    ),
    "numbers-keep-all-digits": lambda found: found.field.get("type") == "number" and len(found.cell) > 17,
    "years-have-four-digits": lambda found: found.field.get("type") == "year" and found.ours == {"type-error"},
    "lines-that-are-no-json": lambda found: found.cell[:1] == "{" and found.ours == {"format-error"},
    "forms-of-points": lambda found: (
        found.field.get("type") == "geopoint" and {found.ours, found.theirs} == {frozenset(), Types({"type-error"})}
    ),
}


def workbook(cells: Sequence[str], typed: bool) -> bytes:
    """Written by openpyxl, which frictionless reads with; as `containers.as_workbook`."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["n", "v"])
    for at, text in enumerate(cells, 2):
        sheet.cell(at, 1, f"k{at}")
        cell = sheet.cell(at, 2)
        if typed and NUMBER.fullmatch(text):
            cell.value = float(text) if "." in text else int(text)
        elif typed and text in ("true", "false"):
            cell.value = text == "true"
        else:
            cell.value = text
            cell.data_type = "s"  # also where it looks like a formula or an error
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def theirs(schema: Mapping[str, Any], count: int, **source: Any) -> list[Types]:
    """The types of the errors of each row."""
    with tempfile.TemporaryDirectory() as folder:
        if book := source.pop("book", None):
            (Path(folder) / "t.xlsx").write_bytes(book)
            source = {"path": "t.xlsx"}
        descriptor = {"$schema": V2_RESOURCE, "name": "t", **source, "schema": frictionless_schema(schema)}
        report = Resource.from_descriptor(descriptor, basepath=folder).validate(limit_errors=1_000_000)
    assert not report.errors
    return _by_row([(error.row_number, error.type) for error in report.tasks[0].errors], count)


def _by_row(errors: Sequence[tuple[int, str]], count: int) -> list[Types]:
    return [frozenset(type for row, type in errors if row == at) for at in range(2, count + 2)]


def both(field: Mapping[str, Any], cells: Sequence[str], kind: str, typed: bool) -> tuple[list[Types], list[Types]]:
    """What we and they say of each cell in a workbook or in JSON."""
    schema = schema_of(field)
    if kind == "xlsx":
        book = workbook(cells, typed)
        ours, found = verdicts(book, "t.xlsx", schema), theirs(schema, len(cells), book=book)
    else:
        ours = verdicts(as_json_lines(cells, typed=typed), "t.jsonl", schema, first_row=1)
        values = [json.loads(typed_json(cell)) if typed else cell for cell in cells]
        found = theirs(schema, len(cells), data=[{"n": f"k{at}", "v": value} for at, value in enumerate(values)])
    return [frozenset(verdict.errors) for verdict in ours], found


def of_csv(field: Mapping[str, Any], cells: Sequence[str]) -> list[Types]:
    errors = frictionless_errors(Table(schema_of(field), as_csv(cells)))
    return _by_row([(error.row, error.type) for error in errors], len(cells))


def held(cells: Sequence[str], kind: str) -> list[str]:
    return [cell for cell in cells if cell and (kind == "json" or not NOT_IN_XML.search(cell))]


@pytest.mark.parametrize("kind", ["xlsx", "json"])
@pytest.mark.parametrize("case", cases(), ids=name_of)
def test_frictionless_says_of_a_text_what_it_says_in_a_csv(
    case: tuple[Mapping[str, Any], list[str]], kind: str
) -> None:
    field, cells = case[0], held(case[1], kind)
    try:
        expected = of_csv(field, cells)
    except FrictionlessCrash:
        pytest.skip("frictionless cannot compare these")
    assert both(field, cells, kind, typed=False)[1] == expected


def test_typed_values_are_judged_alike_or_an_explanation_says_why_not() -> None:
    used, unexplained, compared = set[str](), [], 0
    for field, all_cells in cases():
        for kind in ("xlsx", "json"):
            cells = held(all_cells, kind)
            texts = zip(*both(field, cells, kind, typed=False), strict=True)
            for cell, text, ours, found in zip(cells, texts, *both(field, cells, kind, typed=True), strict=True):
                compared += 1
                difference = Difference(field, cell, ours, found)
                if ours == found or (ours, found) == text:  # the latter differ as texts do
                    continue
                names = [name for name, explains in TYPED.items() if explains(difference)]
                used.update(names[:1])
                if not names:
                    unexplained.append((kind, difference))
    assert unexplained == []
    assert used == TYPED.keys() and compared > 1_000


def test_the_docs_explain_every_difference_of_typed_values() -> None:
    section = DOCS.read_text().partition("## Workbooks and JSON in frictionless-py")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE) == list(TYPED)
