"""The benchmarks: each of ours against its peer, in the same run, as a table and as `.waybill/bench.json`.

A measurement is a whole process, start-up included (`measure.py`); ours and the peer take turns, the medians count.
Exit status 1 when a measurement failed. A missed goal is not a failure: the table and `holds` show it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.cold_start import cold_start_benchmarks
from tests.bench.exports import export_benchmarks
from tests.bench.imports import Workshop, import_benchmarks
from tests.bench.measure import PEERS_PYTHON, ROOT, Failed, Result, table
from tests.bench.small_file import small_file_benchmarks

PEERS = ("awswrangler", "boto3", "duckdb", "fastexcel", "frictionless", "pyarrow", "python-calamine", "xlsxwriter")
OUTPUT = ROOT / ".waybill" / "bench.json"

# Each yields its results as they come.
GROUPS: dict[str, Callable[[Workshop], Iterator[Result]]] = {
    "import": import_benchmarks,
    "export": export_benchmarks,
    "cold-start": cold_start_benchmarks,
    "small-file": small_file_benchmarks,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", default=[], help=f"some of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--rows", type=int, default=300_000, help="rows of our files; enough to outweigh start-up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    results: list[Result] = []
    failures = 0
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as folder:
        shop = Workshop(Path(folder), arguments.rows, arguments.rounds)
        for name in arguments.groups or GROUPS:
            try:
                results.extend(GROUPS[name](shop))
            except Failed as error:
                failures += 1
                print(f"{name}: {error}", file=sys.stderr)
    print("\n".join(surroundings()))
    print(table(results))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps([result.to_json() for result in results], indent=2) + "\n")
    return 1 if failures else 0


def surroundings() -> list[str]:
    """The machine, how busy it was, and the versions of the peers, a line each."""
    info = Path("/proc/cpuinfo")
    models = re.findall("model name\\s*: (.*)", info.read_text()) if info.exists() else [platform.processor()]
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    script = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    peers = subprocess.run([PEERS_PYTHON, "-c", script, *PEERS], capture_output=True, text=True, check=False)
    return [
        f"machine: {models[0] if models else platform.machine()}, {os.cpu_count()} cores, {platform.platform()}",
        f"load of the last 1, 5 and 15 minutes: {busy}",
        f"Python {platform.python_version()}; peers: {peers.stdout.strip() or 'not installed'}",
    ]


if __name__ == "__main__":
    sys.exit(main())
