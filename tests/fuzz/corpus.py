"""The inputs that fuzzing begins with, `corpus/{target}.txt`: one a line, as a literal of Python's bytes.

They reach what chance alone would take long to find. `make fuzz KEEP=1` adds what reached something new.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")
LONGEST, MOST = 700, 60  # bytes of an input that is kept, and inputs of a target


def inputs(target: str) -> list[bytes]:
    path = FOLDER / f"{target}.txt"
    return [ast.literal_eval(line) for line in path.read_text(encoding="ascii").splitlines()]


def write(target: str, found: Iterable[bytes]) -> None:
    """Replace the inputs of a target, shortest first."""
    lines = sorted({ascii(data) for data in found}, key=lambda line: (len(line), line))
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
