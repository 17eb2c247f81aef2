"""An automaton fits what its pattern matches."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.entities.automaton import automaton_of
from waybill.entities.patterns import Pattern

EXAMPLES = int(os.environ.get("WAYBILL_EXAMPLES", "60"))

PARTS = [
    "a",
    "b",
    "c",
    "[ab]",
    "[^a]",
    "[a-c0-2]",
    r"\d",
    r"\w",
    r"\s",
    r"\D",
    ".",
    "(",
    ")",
    "(?:",
    "|",
    "*",
    "+",
    "?",
]
PARTS += [
    "{2}",
    "{1,3}",
    "{0,}",
    "{2",
    "-",
    "^",
    "$",
    r"\.",
    r"\-",
    "[a-]",
    "[-a]",
    "[\\d_]",
    "[^\\s]",
    "_",
    " ",
    "\\t",
    "}",
]


@settings(max_examples=EXAMPLES * 10, deadline=None)
@given(
    st.lists(st.sampled_from(PARTS), max_size=8).map("".join),
    st.lists(st.text("abc012-. _\t\n}{", max_size=7), min_size=1, max_size=12),
)
def test_an_automaton_fits_what_its_pattern_matches(pattern: str, cells: list[str]) -> None:
    automaton = automaton_of(pattern)
    if automaton is not None:
        assert [automaton.fits(cell) for cell in cells] == [Pattern(pattern).matches(cell) for cell in cells]


@pytest.mark.parametrize("pattern", ["[0-9]{8}", "C[0-9]{9}", r"[A-Z]{2}-\d{1,3}", "(foo|bar)+", "^x?$", ""])
def test_usual_patterns_have_an_automaton(pattern: str) -> None:
    assert automaton_of(pattern) is not None


@pytest.mark.parametrize(
    "pattern", ["(a{1,99}){1,99}", "(" * 2_000 + ")" * 2_000, "[a-z]{500}", r"\p{L}", "é", r"\bx", "(?i)x"]
)
def test_what_no_automaton_can_be_made_of_is_left_to_the_rule(pattern: str) -> None:
    assert automaton_of(pattern) is None
