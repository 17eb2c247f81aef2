"""The kept inputs, and many that are made of them by chance, break no reader. `make fuzz` looks for longer."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import ROOT
from tests.fuzz import corpus, run

sys.path.insert(0, str(ROOT / "functions" / "api"))

from tests.fuzz.targets import TARGETS

MUTATIONS = int(os.environ.get("WAYBILL_EXAMPLES", "60")) * 10
_PIECES = b'"|\n|\r|,|;|\t|\0|\xff\xfe|\xef\xbb\xbf|{|[|1e999|<|&|-'.split(b"|")


def mutants(kept: list[bytes], count: int) -> Iterator[bytes]:
    """Of the same seed the same: inputs with bytes changed, left out, repeated, or from another input."""
    chance = random.Random(20261129)
    for _ in range(count):
        data = bytearray(chance.choice(kept))
        for _ in range(chance.randint(1, 4)):
            at, other = chance.randint(0, len(data)), chance.choice(kept)
            start = chance.randint(0, len(other))
            match chance.randrange(5):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    data[at : at + chance.randint(1, 8)] = b""
                case 2:
                    data[at:at] = chance.choice(_PIECES)
                case 3:
                    data[at:at] = other[start : start + chance.randint(1, 40)]
                case _:
                    data[at:at] = data[at : at + 20] * chance.randint(1, 20)
        yield bytes(data)


def test_every_target_is_fuzzed_and_has_a_corpus() -> None:
    assert set(run.TARGETS) == set(TARGETS)
    assert {path.stem for path in corpus.FOLDER.iterdir()} == set(TARGETS)
    assert all(len(data) <= corpus.LONGEST for target in TARGETS for data in corpus.inputs(target))


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs_break_nothing(target: str) -> None:
    kept = corpus.inputs(target)
    assert len(kept) > 3
    for data in kept:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_chance_makes_of_them_breaks_nothing(target: str) -> None:
    for data in mutants(corpus.inputs(target), MUTATIONS):
        try:
            TARGETS[target](data)
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise


def test_a_reader_that_breaks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The targets compare: a reader that drops a byte, or a row, does not pass."""
    import waybill.tabular.compressed as compressed

    whole = compressed.Gunzip.read
    monkeypatch.setattr(compressed.Gunzip, "read", lambda self, size=-1: whole(self, size)[1:])
    with pytest.raises(AssertionError, match="another content"):
        for data in corpus.inputs("gunzip"):
            TARGETS["gunzip"](data)


def test_the_corpus_survives_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    corpus.write("file", [b"\0\xff\n'\"", b"a", b"a"])
    assert corpus.inputs("file") == [b"a", b"\0\xff\n'\""]
