"""The benchmarks: each of ours against its peer, in the same run, as a table and as `.waybill/bench.json`.

A measurement is a whole process, start-up included: its user + system CPU and its peak memory as the kernel counted
them. Ours and the peer take turns, the medians count. CPU and not elapsed time, because then neither the endpoint's own
speed nor another process on the machine matters much; a ratio below its goal ends with exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUTPUT = ROOT / ".waybill" / "bench.json"


@dataclass(frozen=True)
class Result:
    """One line of the table. `ratio` is better when higher, or when lower if `less_is_better`."""

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
    """What one process took."""

    cpu_seconds: float
    peak_mb: float
    output: str


@dataclass(frozen=True)
class Endpoint:
    """A running null DynamoDB."""

    url: str
    ca_bundle: str

    def counts(self) -> dict[str, int]:
        """Requests and puts since the last call."""
        trusted = ssl.create_default_context(cafile=self.ca_bundle)
        with urllib.request.urlopen(f"{self.url}/counts", context=trusted) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts


def measure(command: Sequence[str | Path], environment: dict[str, str]) -> Usage:
    """Runs a command to its end.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([str(part) for part in command], env=environment, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command} ended with status {process.returncode}")
        output.seek(0)
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, output.read())


@contextmanager
def null_dynamodb(folder: Path) -> Iterator[Endpoint]:
    """Runs the endpoint in its own process; it ends with ours, because its standard input is our pipe."""
    command = [sys.executable, str(HERE / "null_dynamodb.py"), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        try:
            yield Endpoint(started["url"], started["caBundle"])
        finally:
            assert process.stdin is not None
            process.stdin.close()


def client_environment(endpoint: Endpoint) -> dict[str, str]:
    """Credentials and trust for a client of the endpoint; ours is found in `shared/`."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT / "shared"),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_CA_BUNDLE": endpoint.ca_bundle,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def make_file(folder: Path, rows: int) -> Path:
    file = folder / f"offers-{rows}.csv"
    subprocess.run([sys.executable, str(HERE / "make_files.py"), str(file), "--rows", str(rows)], check=True)
    return file


class ImportClient:
    """A program that sends a file's rows to the null endpoint, and the proof that it sent them all."""

    def __init__(self, endpoint: Endpoint, script: str, *options: str) -> None:
        self._endpoint = endpoint
        self._command: list[str | Path] = [sys.executable, HERE / script, "--endpoint-url", endpoint.url, *options]
        self._environment = client_environment(endpoint)

    def run(self, file: Path, rows: int) -> Usage:
        """
        Raises:
            RuntimeError: not every row arrived.
        """
        self._endpoint.counts()
        usage = measure([*self._command, file], self._environment)
        arrived = self._endpoint.counts()["puts"]
        if arrived != rows:
            raise RuntimeError(f"{self._command}: {arrived} of {rows} rows arrived")
        return usage


def bench_import(folder: Path, rows: int, rounds: int, wire_only: bool) -> list[Result]:
    """Importing a CSV file against csv.DictReader and boto3's batch_writer: CPU a row, and peak memory."""
    small, file = make_file(folder, 1000), make_file(folder, rows)
    with null_dynamodb(folder) as endpoint:
        ours = ImportClient(endpoint, "ours_import.py", *(["--wire-only"] if wire_only else []))
        peer = ImportClient(endpoint, "peer_batch_writer.py")
        for client in (ours, peer):
            client.run(small, 1000)  # compiles the modules
        turns = [(ours.run(file, rows), peer.run(file, rows)) for _ in range(rounds)]
    ours_us = statistics.median(turn[0].cpu_seconds for turn in turns) / rows * 1e6
    peer_us = statistics.median(turn[1].cpu_seconds for turn in turns) / rows * 1e6
    ours_mb = statistics.median(turn[0].peak_mb for turn in turns)
    speed = Result(
        "import-vs-batch-writer", ours_us, peer_us, "csv.DictReader + boto3 batch_writer", "µs CPU/row",
        peer_us / ours_us, goal=10,
    )  # fmt: skip
    memory = Result("import-peak-mb", ours_mb, None, "", "MB", ours_mb, goal=96, less_is_better=True)
    return [speed, memory]


def print_table(results: list[Result]) -> None:
    print(f"\n{'name':<28}{'ours':>10}{'peer':>10}  {'unit':<12}{'ratio':>8}  {'goal':<8}{'holds':<7}peer")
    for result in results:
        peer = "" if result.peer is None else f"{result.peer:.2f}"
        goal = f"{'≤' if result.less_is_better else '≥'} {result.goal:g}"
        print(
            f"{result.name:<28}{result.ours:>10.2f}{peer:>10}  {result.unit:<12}{result.ratio:>8.2f}  {goal:<8}"
            f"{'yes' if result.holds else 'NO':<7}{result.peer_name}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "--wire-only", action="store_true", help="ours sends ready-made requests (for work on the wire)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as folder:
        results = bench_import(Path(folder), arguments.rows, arguments.rounds, arguments.wire_only)
    print_table(results)
    if not arguments.wire_only:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps([result.to_json() for result in results], indent=2) + "\n")
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
