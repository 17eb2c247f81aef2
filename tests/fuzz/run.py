"""`make fuzz`: look for inputs that break the C library and the readers, until MINUTES (10) are over.

The C library runs under the address and undefined-behaviour sanitizers (`tests/unit/native_fuzz.c`) with other seeds
than those of the tests. Each target of `tests/fuzz/targets.py` is run by atheris, which keeps inputs that reach code
that was not reached before, beginning with the corpus. What breaks something is written to `build/fuzz/`, and its
reproduction is printed; make a test of it. KEEP=1 adds the shortest inputs that reached something new to the corpus.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from infra.native import ROOT, own_compiler
from tests.fuzz import corpus

FOLDER = ROOT / "build" / "fuzz"
TARGETS = ("file", "sheet", "parquet", "schema", "gunzip", "unzip", "dialect", "token")
SLOWEST_SECONDS, MOST_MEGABYTES = 20, 1024  # of one input
FLAGS = ["-g", "-O1", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", '-DSOURCE=""']
ROUNDS = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--only", choices=["native", *TARGETS])
    arguments = parser.parse_args()
    wanted = [arguments.only] if arguments.only else ["native", *TARGETS]
    seconds = max(1, round(arguments.minutes * 60 / len(wanted)))
    FOLDER.mkdir(parents=True, exist_ok=True)
    broken = []
    for target in wanted:
        print(f"{target}: {seconds} seconds", flush=True)
        is_good = fuzz_native(seconds) if target == "native" else fuzz(target, seconds)
        if not is_good:
            broken.append(target)
        elif arguments.keep and target != "native":
            keep(target)
    print(f"broken: {', '.join(broken)}; see above and {FOLDER}" if broken else "nothing broke")
    return 1 if broken else 0


def fuzz_native(seconds: int) -> bool:
    """Whether the C library stayed within its buffers, in both of its builds."""
    compiler = own_compiler()
    if compiler is None:
        print("no C compiler with sanitizers on this machine", file=sys.stderr)
        return True
    programs = []
    for kind in ("-DVECTORS", "-U__SSE2__"):
        programs.append(FOLDER / f"native{kind}")
        source = ROOT / "tests" / "unit" / "native_fuzz.c"
        subprocess.run([*compiler, *FLAGS, kind, "-o", str(programs[-1]), str(source)], check=True)
    seed, ends = time.time_ns() % 2**32, time.monotonic() + seconds
    while time.monotonic() < ends:
        commands = [[str(program), str(seed), str(ROUNDS)] for program in programs]
        runs = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
        if any(run.returncode for run in runs) or runs[0].stdout != runs[1].stdout:
            print(f"seed {seed}: {[run.stdout + run.stderr[-4_000:] for run in runs]}")
            return False
        seed += 1
    return True


def fuzz(target: str, seconds: int) -> bool:
    """Whether nothing broke. New inputs are in `build/fuzz/{target}/`."""
    found, kept = FOLDER / target, seeds(target)
    found.mkdir(exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-artifact_prefix={FOLDER}/{target}-",
        "-max_len=4096",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    return guided(target, *options, str(found), str(kept)) == 0


def keep(target: str) -> None:
    """Add the shortest of the inputs that reached something new to the corpus."""
    known = corpus.inputs(target)
    found = {path.read_bytes() for path in (FOLDER / target).iterdir()} - set(known)
    new = sorted((data for data in found if len(data) <= corpus.LONGEST), key=lambda data: (len(data), data))
    corpus.write(target, [*known, *new[: max(0, corpus.MOST - len(known))]])


def seeds(target: str) -> Path:
    """The corpus as a folder, as libFuzzer wants it."""
    folder = FOLDER / f"{target}.corpus"
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(corpus.inputs(target)):
        (folder / str(number)).write_bytes(data)
    return folder


def guided(target: str, *options: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", target, *options], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
