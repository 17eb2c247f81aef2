"""`make mutants`: plant a bug for each safeguard, and see that the suite finds it.

Each mutant undoes one safeguard in a copy of the project. The tests that are to notice it pass without it and fail with
it; a mutant that they do not notice is a gap in the suite. `tests/unit/test_mutants.py` holds, in every run of the
suite, that each mutant still fits the code.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.planted import MUTANTS
from tests.planted.mutant import Mutant

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("shared", "functions", "cli", "infra", "tests", "template.yaml", "pyproject.toml", "docs", "README.md")
#: A run of tests that takes longer hangs.
TEST_SECONDS = 300.0


class Ending(Enum):
    """How a run of tests ended."""

    PASSED = "MISSED"
    FAILED = "found "
    BROKEN = "BROKEN"


class Verdict(NamedTuple):
    mutant: Mutant
    ending: Ending
    output: str


def run_tests(
    folder: Path, tests: Sequence[str], *, workers: int = 0, timeout_seconds: float | None = None
) -> tuple[Ending, str]:
    """Run tests in a copy of the project: how they end, and what they print. Tests that hang have failed; tests that
    cannot be run at all, because a module no longer loads, have found nothing."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "shared"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        str(workers),
        *tests,
    ]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the workers of its own
        process.communicate()
        return Ending.FAILED, "they hang"
    # The exit codes of pytest: 1 is "tests failed"; 2 and more are errors of collection or usage.
    return {0: Ending.PASSED, 1: Ending.FAILED}.get(process.returncode, Ending.BROKEN), output[-3000:]


@contextmanager
def project_copies(count: int) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="waybill-mutants-") as name:
        folders = [Path(name) / str(number) for number in range(count)]
        for part, folder in product(COPIED, folders):
            folder.mkdir(exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, symlinks=True)  # programs of node find their files by them
            else:
                shutil.copyfile(ROOT / part, folder / part)
        yield folders


def hunt(mutants: Sequence[Mutant], folders: Sequence[Path]) -> list[Verdict]:
    """A verdict for each mutant, as many at once as there are copies; they are printed as they come."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for folder in folders:
        free.put(folder)

    def judge(mutant: Mutant) -> Verdict:
        folder, began = free.get(), time.monotonic()
        text = (file := folder / mutant.path).read_text()
        file.write_text(mutant.applied_to(text))
        ending, output = run_tests(folder, mutant.tests, timeout_seconds=TEST_SECONDS)
        file.write_text(text)
        free.put(folder)
        print(f"{ending.value} {time.monotonic() - began:5.1f} s  {mutant.name}", flush=True)
        return Verdict(mutant, ending, output)

    with ThreadPoolExecutor(len(folders)) as pool:
        return list(pool.map(judge, mutants))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if asked.only in mutant.name]
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    print(f"{len(mutants)} planted bugs; first their {len(tests)} tests without any", flush=True)
    with project_copies(asked.workers) as folders:
        ending, output = run_tests(folders[0], tests, workers=asked.workers)
        if ending is not Ending.PASSED:
            print(f"the tests fail without a planted bug:\n{output}", file=sys.stderr)
            return 1
        verdicts = hunt(mutants, folders)
    left = [verdict for verdict in verdicts if verdict.ending is not Ending.FAILED]
    for mutant, verdict, output in left:
        print(f"{verdict.value} {mutant.name}: {mutant.promise}\n{output}", file=sys.stderr)
    print(f"{len(verdicts) - len(left)} of {len(mutants)} planted bugs are found")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
