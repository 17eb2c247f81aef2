"""How the benchmarks measure: whole processes, their CPU and peak memory as the kernel counted them.

CPU (user + system) and not elapsed time, because then neither the null endpoint's own speed nor another process on the
machine matters much.
"""

from __future__ import annotations

import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from infra.local.package import load_template

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS_PYTHON = Path(os.environ.get("PEERS_PYTHON") or ROOT / ".venv-peers" / "bin" / "python")


@dataclass(frozen=True)
class Result:
    """One line of the table; `ratio` is to be at least `goal`, or at most where less is better."""

    name: str
    ours: float
    peer: float | None
    peer_name: str
    unit: str
    ratio: float
    goal: float
    less_is_better: bool = False

    @property
    def holds(self) -> bool:
        return self.ratio <= self.goal if self.less_is_better else self.ratio >= self.goal

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": round(self.ours, 3),
            "peer": None if self.peer is None else round(self.peer, 3),
            "peerName": self.peer_name,
            "unit": self.unit,
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "holds": self.holds,
        }


@dataclass(frozen=True)
class Usage:
    """Resources that one process used."""

    cpu_seconds: float
    peak_mb: float
    output: str


class Failed(Exception):
    """The measurement is invalid: the process failed, or did not do the work."""


def measure(command: Sequence[str | Path], environment: dict[str, str]) -> Usage:
    """Runs a command to its end.

    Raises:
        Failed: its exit status is not 0.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.NamedTemporaryFile("r") as taken:
        words = [sys.executable, "-S", HERE / "usage.py", taken.name, *command]
        subprocess.run([str(word) for word in words], env=environment, stdout=output, check=True)
        usage = json.load(taken)
        if usage["status"]:
            raise Failed(f"{command} ended with status {usage['status']}")
        output.seek(0)
        return Usage(usage["cpu_seconds"], usage["peak_mb"], output.read())


@dataclass(frozen=True)
class Endpoint:
    """A running null DynamoDB."""

    url: str
    ca_bundle: str

    def puts(self) -> int:
        """How many rows arrived since the last call."""
        trusted = ssl.create_default_context(cafile=self.ca_bundle)
        with urllib.request.urlopen(f"{self.url}/counts", context=trusted) as answer:
            return int(json.load(answer)["puts"])


@contextmanager
def null_dynamodb(folder: Path, *options: str | Path) -> Iterator[Endpoint]:
    """Runs the endpoint in its own process; it ends with ours, because its standard input is our pipe."""
    own = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, str(HERE / "null_dynamodb.py"), str(own), *map(str, options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        try:
            yield Endpoint(started["url"], started["caBundle"])
        finally:
            assert process.stdin is not None
            process.stdin.close()


@dataclass(frozen=True)
class Program:
    """One of the programs beside this file, as a client of the endpoint."""

    endpoint: Endpoint
    script: str
    options: tuple[str | Path, ...] = ()
    python: str | Path = sys.executable

    def run(self, file: Path, puts: int) -> Usage:
        """Runs it on a file.

        Raises:
            Failed: it failed, or not exactly `puts` rows arrived at the endpoint.
        """
        self.endpoint.puts()
        command = [self.python, HERE / self.script, "--endpoint-url", self.endpoint.url, *self.options, file]
        usage = measure(command, self._environment())
        arrived = self.endpoint.puts()
        if arrived != puts:
            raise Failed(f"{self.script}: {arrived} of {puts} rows arrived")
        return usage

    def _environment(self) -> dict[str, str]:
        """Credentials and trust; Waybill itself is found in `shared/`."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT / "shared"),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "AWS_CA_BUNDLE": self.endpoint.ca_bundle,
            "AWS_EC2_METADATA_DISABLED": "true",
            **function_memory_settings(),
        }


@cache
def function_memory_settings() -> dict[str, str]:
    """The template's memory settings for the C library of the functions."""
    variables = load_template()["Globals"]["Function"]["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if name.startswith("MALLOC_")}


@dataclass(frozen=True)
class Task:
    """A program, its input file, and how many rows must arrive."""

    program: Program
    file: Path
    rows: int
    puts: int

    def run(self) -> Usage:
        return self.program.run(self.file, self.puts)

    def cpu_seconds(self, rows: int) -> float:
        return self.run().cpu_seconds


@dataclass(frozen=True)
class ExportTask:
    """A program that scans a table of so many records into a file, and prints the number of rows that it wrote."""

    program: Program
    file: Path
    rows: int

    def run(self) -> Usage:
        """
        Raises:
            Failed: it failed, or wrote another number of rows.
        """
        options = (*self.program.options, "--table", f"records-{self.rows}")
        usage = replace(self.program, options=options).run(self.file, 0)
        written = json.loads(usage.output)["rows"]
        if written != self.rows:
            raise Failed(f"{self.program.script}: {written} of {self.rows} rows written")
        return usage

    def cpu_seconds(self, rows: int) -> float:
        return self.run().cpu_seconds


@dataclass(frozen=True)
class PartTask:
    """A slow program, run on a part of the file and on a short one: the difference gives the cost of a row; the rest
    is start-up, which counts once for the whole file."""

    part: Task | ExportTask
    short: Task | ExportTask

    def cpu_seconds(self, rows: int) -> float:
        """Estimates the resources for `rows` rows."""
        part, short = self.part.run().cpu_seconds, self.short.run().cpu_seconds
        row = (part - short) / (self.part.rows - self.short.rows)
        return short + row * (rows - self.short.rows)


def compare(
    name: str,
    ours: Task | ExportTask,
    peer: Task | PartTask,
    peer_name: str,
    goal: float,
    rounds: int,
    less_is_better: bool = False,
) -> Result:
    """CPU a row, medians of runs in turn; where a peer has a file of its own, per row of that."""
    rows = peer.rows if isinstance(peer, Task) else ours.rows
    turns = []
    for number in range(rounds):
        say(f"{name}: round {number + 1} of {rounds}")
        turns.append((ours.cpu_seconds(ours.rows), peer.cpu_seconds(rows)))
    ours_us = statistics.median(turn[0] for turn in turns) / ours.rows * 1e6
    peer_us = statistics.median(turn[1] for turn in turns) / rows * 1e6
    ratio = ours_us / peer_us if less_is_better else peer_us / ours_us
    return Result(name, ours_us, peer_us, peer_name, "µs CPU/row", ratio, goal, less_is_better)


def peak(name: str, task: Task | ExportTask, goal_mb: float) -> Result:
    """Peak memory of one run."""
    say(name)
    used = task.run().peak_mb
    return Result(name, used, None, "", "MB", used, goal_mb, less_is_better=True)


def say(text: str) -> None:
    """Prints progress: a benchmark may otherwise be silent for a minute."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def table(results: Sequence[Result]) -> str:
    lines = [f"{'name':<26}{'ours':>9}{'peer':>9}  {'unit':<12}{'ratio':>8}  {'goal':<7}{'holds':<7}peer"]
    for result in results:
        peer = "" if result.peer is None else f"{result.peer:.2f}"
        goal = f"{'≤' if result.less_is_better else '≥'} {result.goal:g}"
        lines.append(
            f"{result.name:<26}{result.ours:>9.2f}{peer:>9}  {result.unit:<12}{result.ratio:>8.2f}  {goal:<7}"
            f"{'yes' if result.holds else 'NO':<7}{result.peer_name}"
        )
    return "\n".join(lines)
