"""The rows that Waybill rejects, and the (row, field, type) of each error, are those of frictionless-py.

Where they are not, `intended.py` says why, and docs/validation.md explains it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, reject, settings

from tests.differential import strategies
from tests.differential.cases import tables
from tests.differential.intended import INTENDED, Verdicts, explain
from tests.differential.verdicts import FrictionlessCrash, Table, frictionless_errors, waybill_errors

DOCS = Path(__file__).parent.parent.parent / "docs" / "validation.md"
TABLES = tables()


def judge(table: Table) -> Verdicts:
    return Verdicts(table, frozenset(waybill_errors(table)), frozenset(frictionless_errors(table)))


@cache
def explain_case(name: str) -> tuple[frozenset[str], str]:
    names, unexplained = explain(judge(TABLES[name]))
    return frozenset(names), "\n".join(map(str, unexplained))


def agree(table: Table) -> None:
    try:
        _, unexplained = explain(judge(table))
    except FrictionlessCrash:
        reject()
    assert not unexplained, f"{unexplained}\n{table.schema}\n{table.data.decode()}"


@pytest.mark.parametrize("name", TABLES)
def test_the_table_of_cases_agrees(name: str) -> None:
    assert explain_case(name)[1] == ""


def test_every_intended_difference_occurs_in_the_table() -> None:
    assert set().union(*(explain_case(name)[0] for name in TABLES)) == set(INTENDED)


def test_the_docs_explain_every_intended_difference() -> None:
    section = DOCS.read_text().partition("## Where Waybill differs from frictionless-py")[2]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE) == list(INTENDED)


@pytest.mark.parametrize("kind", strategies.TYPES)
def test_columns_of_one_type_agree(kind: str) -> None:
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(strategies.columns(kind))
    def columns_agree(table: Table) -> None:
        agree(table)

    columns_agree()


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(strategies.files())
def test_files_agree(table: Table) -> None:
    agree(table)
