"""Mutation testing: small changes to the modules that decide, each of which a test must notice.

    make mutation                                    all modules
    make mutation ONLY=schedule.py           one of them
    make mutation ONLY=schedule.py LINE=77   the mutants of one line, with slow tests too

`operators.py` makes the mutants. A pytest process per module collects the tests of TARGETS once and notes which test
calls which function. Every mutant is then planted in a fork of this process, which runs the tests that call the mutated
function, quickest first, until one fails. A fork that uses far more time than these tests need counts as killed.
"""

from __future__ import annotations

import ast
import copy
import difflib
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutation.plant import Broken, plant

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "shared" / "waybill"
OPERATORS = Path(__file__).with_name("operators.py")
JOBS = 2
GOAL = 0.9
#: CPU seconds of a mutant beside those of its tests, and their factor; and how many times longer it may take by the
#: clock, on a machine that is busy.
SPARE_SECONDS, SLOWER, PATIENCE = 5, 3, 20
#: A test that needs more CPU time is left out, unless for a single line.
TOO_SLOW_SECONDS = 1
MEMORY_BYTES = 3 * 2**30
SURVIVED, KILLED = 0, 1

#: Module → the tests that hold it.
TARGETS = {
    "schedule.py": ["tests/unit/test_schedule.py"],
    "jobs/permissions.py": ["tests/unit/test_permissions.py"],
    "entities/permissions.py": ["tests/unit/test_permissions.py"],
    "tabular/scan.py": [
        "tests/unit/test_scan.py",
        "tests/unit/test_tabular_dialects.py",
        "tests/unit/test_tabular_detect.py",
    ],
    "jobs/model.py": ["tests/unit/test_jobs.py"],
    "jobs/repository.py": ["tests/unit/test_job_records.py", "tests/unit/test_job_queue.py"],
    "jobs/ledger.py": ["tests/unit/test_chunk_ledger.py"],
    "jobs/queue.py": ["tests/unit/test_job_queue.py", "tests/unit/test_job_records.py"],
    "jobs/running.py": ["tests/unit/test_job_queue.py", "tests/unit/test_job_records.py"],
}


class Mutant(NamedTuple):
    """A statement of the module, by its index, with a change in a line."""

    line: int
    index: int
    code: str


class Runner:
    """A plugin of pytest: once the tests are collected, runs them for every mutant instead of once."""

    def __init__(self, target: str, mutants: list[Mutant], too_slow_seconds: float) -> None:
        self.path = PACKAGE / target
        self.source = self.path.read_text()
        self.module = importlib.import_module("waybill." + target.removesuffix(".py").replace("/", "."))
        self.tree = ast.parse(self.source)
        self.mutants = mutants
        self.too_slow_seconds = too_slow_seconds
        self._out = os.fdopen(os.dup(1), "w")
        self.survivors: list[Mutant] = []
        self.failures: list[str] = []
        self.callers: dict[str, set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}

    def tell(self, *lines: str) -> None:
        """Print, although the tests' output is thrown away."""
        print(*lines, sep="\n", file=self._out, flush=True)

    def pytest_configure(self) -> None:
        """Always the same examples; and a failure is enough, it needs no smallest example."""
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutation", derandomize=True, database=None, deadline=None, phases=phases)
        settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failures.append(f"{report.nodeid}\n{report.longreprtext}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        plugins = session.config.pluginmanager
        plugins.unregister(plugins.getplugin("terminalreporter"))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        self._note(session)
        quick = (item for item in session.items if self._seconds(item) < self.too_slow_seconds)
        self.items = sorted(quick, key=self._seconds)
        if not self.failures:
            gc.collect()
            gc.freeze()
            self._run_mutants(session)
        return True

    def _run_mutants(self, session: pytest.Session) -> None:
        running: dict[int, tuple[Mutant, float]] = {}
        waiting = list(reversed(self.mutants))
        while waiting or running:
            while waiting and len(running) < JOBS:
                mutant = waiting.pop()
                pid, seconds = self._begin(session, mutant)
                running[pid] = mutant, time.monotonic() + PATIENCE * seconds
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                mutant, _ = running.pop(pid)
                if status == SURVIVED:
                    self.survivors.append(mutant)
                    self.tell(self.shown(mutant))
                continue
            for pid, (_, deadline) in running.items():
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    def _note(self, session: pytest.Session) -> None:
        """Run all tests, with a note at the beginning of each function. This also fills caches for all mutants."""
        running = ""
        vars(self.module)["__note__"] = lambda function: self.callers[function].add(running)
        for index, statement in enumerate(self.tree.body):
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) and not _is_enum(statement):
                plant(self.module, _with_notes(statement), self.tree.body[index + 1 :])
        for item in session.items:
            running, begun = item.nodeid, time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self.seconds[item.nodeid] = time.process_time() - begun

    def _begin(self, session: pytest.Session, mutant: Mutant) -> tuple[int, float]:
        """Fork for a mutant. Returns the fork's process id, and how much CPU time it may use."""
        function = _function_at(self.tree, mutant.line)
        callers = self.seconds.keys() if function is None else self.callers[function]
        chosen = [item for item in self.items if item.nodeid in callers]
        limit = SPARE_SECONDS + SLOWER * sum(map(self._seconds, chosen))
        pid = os.fork()
        if pid:
            return pid, limit
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            plant(self.module, ast.parse(mutant.code).body[0], self.tree.body[mutant.index + 1 :])
        except Broken:
            os._exit(KILLED)
        except Exception:
            self.tell(traceback.format_exc())
            os._exit(SURVIVED)
        try:
            for item in chosen:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if session.testsfailed:
                    break
        except BaseException:
            os._exit(KILLED)
        os._exit(KILLED if session.testsfailed else SURVIVED)

    def _seconds(self, item: pytest.Item) -> float:
        return self.seconds[item.nodeid]

    def shown(self, mutant: Mutant) -> str:
        """The lines that differ."""
        statement = self.tree.body[mutant.index]
        begin = min([statement.lineno, *(node.lineno for node in getattr(statement, "decorator_list", []))])
        original = self.source.splitlines()[begin - 1 : statement.end_lineno]
        lines = difflib.unified_diff(original, mutant.code.splitlines(), n=0, lineterm="")
        changed = [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
        return "\n".join([f"{self.path.relative_to(ROOT)}:{mutant.line}", *(f"    {line}" for line in changed)])


def _is_enum(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in statement.bases)


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The functions of a module and of its classes, by name."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}": part for part in node.body if isinstance(part, ast.FunctionDef)}
    return found


def _function_at(tree: ast.Module, line: int) -> str | None:
    """The function whose body or defaults hold a line; None for what is not in a function."""
    return next((name for name, node in _functions(tree).items() if node.lineno <= line <= node.end_lineno), None)


def _with_notes(statement: ast.FunctionDef | ast.ClassDef) -> ast.stmt:
    tree = ast.Module([copy.deepcopy(statement)], [])
    for name, node in _functions(tree).items():
        node.body.insert(0, ast.parse(f"__note__({name!r})").body[0])
    return ast.fix_missing_locations(tree).body[0]


def mutants_of(target: str, python: str) -> list[Mutant]:
    """Made by mutmut's operators, in its own environment; those that are another program."""
    answer = subprocess.run([python, OPERATORS, PACKAGE / target], check=True, stdout=subprocess.PIPE, text=True)
    originals = [ast.dump(statement) for statement in ast.parse((PACKAGE / target).read_text()).body]
    found = dict.fromkeys(Mutant(**json.loads(line)) for line in answer.stdout.splitlines())
    return [mutant for mutant in found if _dumped(mutant.code) not in ("", originals[mutant.index])]


def _dumped(code: str) -> str:
    try:
        return ast.dump(ast.parse(code).body[0])
    except SyntaxError:
        return ""


def run(target: str, python: str, line: str) -> bool:
    """Test one module, and print the survivors. Returns whether enough mutants were killed."""
    mutants = [mutant for mutant in mutants_of(target, python) if not line or mutant.line == int(line)]
    runner = Runner(target, mutants, float("inf") if line else TOO_SLOW_SECONDS)
    begun = time.monotonic()
    options = ["-qq", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "--tb=native"]
    code = pytest.main([*options, *TARGETS[target]], plugins=[runner])
    if code:
        runner.tell(f"{target}: the tests fail without any mutant", *runner.failures)
        return False
    killed = len(mutants) - len(runner.survivors)
    share = killed / max(1, len(mutants))
    seconds = time.monotonic() - begun
    runner.tell(f"{target}: {killed} of {len(mutants)} killed, {share:.1%}, in {seconds:.0f} s")
    return share >= GOAL


def main(python: str, only: str = "", line: str = "") -> int:
    """Each module in a process of its own."""
    if only:
        return 0 if run(only, python, line) else 1
    program = [sys.executable, "-m", "tests.mutation.run", python]
    return max([subprocess.call([*program, f"ONLY={target}"]) for target in TARGETS])


if __name__ == "__main__":
    options = dict(argument.split("=", 1) for argument in sys.argv[2:])
    sys.exit(main(sys.argv[1], options.get("ONLY", ""), options.get("LINE", "")))
