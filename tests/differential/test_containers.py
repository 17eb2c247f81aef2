"""The same cells have the same verdicts and values in a CSV, a workbook and JSON Lines.

What is said of the CSV is compared with frictionless-py (`test_frictionless.py`), and so all of them are. Where a typed
value is judged otherwise than its text, `TYPED` says why, and docs/validation.md explains it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.differential.cases import CELLS
from tests.differential.containers import (
    Verdict,
    as_csv,
    as_json_lines,
    as_workbook,
    differences,
    schema_of,
    verdicts,
)
from tests.differential.test_frictionless import DOCS

#: XML holds no control characters, and its line ends are line feeds.
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b-\x1f]")


def _missing(field: Mapping[str, Any]) -> list[str]:
    given = field.get("missingValues", [""])
    return [one["value"] if isinstance(one, dict) else one for one in given]


Explains = Callable[[Mapping[str, Any], str, Verdict, Verdict], bool]

#: Name → whether it explains the difference (field, cell, verdict on the text, verdict on the typed value).
TYPED: dict[str, Explains] = {
    "whole-numbers-are-integers": lambda field, cell, text, typed: (
        field.get("type") == "integer" and bool(re.fullmatch(r"1\.0|1e3", cell)) and typed.errors == ()
    ),
    "numbers-have-no-spelling": lambda field, cell, text, typed: (
        bool(re.fullmatch(r"[0-9]+\.[0-9]+", cell))
        and typed.errors == ()
        and (typed.stored == {"S": str(float(cell)).removesuffix(".0")} or "decimalChar" in field)
    ),
    "logical-values-have-no-words": lambda field, cell, text, typed: (
        cell in ("true", "false") and "trueValues" in field and typed == Verdict((), {"BOOL": cell == "true"})
    ),
    "empty-cells-are-null": lambda field, cell, text, typed: cell == "" and "" not in _missing(field),
    "lines-that-are-not-json": lambda field, cell, text, typed: (
        cell[:1] == "{" and text.errors == ("type-error",) and typed.errors == ("format-error",)
    ),
    "points-are-arrays": lambda field, cell, text, typed: (
        field.get("type") == "geopoint" and cell[:1] == "[" and typed == Verdict((), {"L": _numbers(cell)})
    ),
}


def _numbers(cell: str) -> list[dict[str, str]]:
    return [{"N": str(part)} for part in json.loads(cell)]


def cases() -> list[tuple[Mapping[str, Any], list[str]]]:
    return [(field, list(dict.fromkeys(cells))) for field, cells in CELLS]


def name_of(case: Any) -> str:
    return json.dumps(case[0])[:60] if isinstance(case, tuple) else ""


@pytest.mark.parametrize("case", cases(), ids=name_of)
def test_text_has_the_same_verdict_in_each_container(case: tuple[Mapping[str, Any], list[str]]) -> None:
    field, cells = case
    schema = schema_of(field)
    of_csv = verdicts(as_csv(cells), "t.csv", schema)
    of_json = verdicts(as_json_lines(cells), "t.jsonl", schema, first_row=1)
    assert differences(cells, of_csv, of_json) == []
    held = [at for at, cell in enumerate(cells) if not NOT_IN_XML.search(cell) and cell != ""]
    texts = [cells[at] for at in held]
    of_workbook = verdicts(as_workbook(texts), "t.xlsx", schema)
    assert differences(texts, verdicts(as_csv(texts), "t.csv", schema), of_workbook) == []


def typed_differences(case: tuple[Mapping[str, Any], list[str]]) -> list[tuple[str, Verdict, Verdict]]:
    field, cells = case
    schema = schema_of(field)
    found = differences(
        cells,
        verdicts(as_csv(cells), "t.csv", schema),
        verdicts(as_json_lines(cells, typed=True), "t.jsonl", schema, first_row=1),
    )
    texts = [cell for cell in cells if not NOT_IN_XML.search(cell)]
    of_csv, of_workbook = (
        verdicts(as_csv(texts), "t.csv", schema),
        verdicts(as_workbook(texts, typed=True), "t.xlsx", schema),
    )
    return found + differences(texts, of_csv, of_workbook)


def test_typed_values_have_the_verdict_of_their_text_or_an_explanation() -> None:
    used, unexplained = set[str](), []
    for case in cases():
        for cell, text, typed in typed_differences(case):
            names = [name for name, explains in TYPED.items() if explains(case[0], cell, text, typed)]
            used.update(names[:1])
            if not names:
                unexplained.append((case[0], cell, text, typed))
    assert unexplained == []
    assert used == TYPED.keys()


def test_the_docs_explain_every_difference_of_typed_values() -> None:
    section = DOCS.read_text().partition("## Workbooks and JSON Lines")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE) == list(TYPED)
