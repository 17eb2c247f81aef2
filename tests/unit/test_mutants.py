"""The planted bugs of `make mutants` fit the code as it is."""

from __future__ import annotations

import pytest

from tests.builders import ROOT
from tests.planted import MUTANTS
from tests.planted.mutant import Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_changes_the_code_and_leaves_it_readable(mutant: Mutant) -> None:
    text = (ROOT / mutant.path).read_text()
    changed = mutant.applied_to(text)
    assert changed != text
    if mutant.path.endswith(".py"):
        compile(changed, mutant.path, "exec", dont_inherit=True)  # `ast.parse` of Python 3.11 may fail (gh-106905)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_that_are_to_find_it_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).exists() and f"def {name.partition('[')[0]}" in (ROOT / file).read_text()


def test_there_are_at_least_forty_and_their_names_differ() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40
