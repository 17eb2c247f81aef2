"""One target under atheris: `python -m tests.fuzz.guided TARGET [option of libFuzzer | folder | file]…`."""

from __future__ import annotations

import sys

import atheris

if __name__ == "__main__":
    with atheris.instrument_imports(include=["waybill", "jws", "answers", "tests.fuzz.targets"]):
        from tests.fuzz.targets import TARGETS

    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
