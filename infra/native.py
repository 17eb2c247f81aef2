"""`make native`: build the C files of `shared/waybill/native/` as a shared library, whenever their content changes.

Its name does not end in `.so`, because Python would import it as a module.

The compiler is this machine's (`cc`, or `CC=`) or, without one, zig from the PyPI package `ziglang`, installed into
`.venv-zig`. The layer for AWS is always built with zig, which targets Lambda's processor and C library on any machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "shared" / "waybill" / "native" / "native.c"
TARGET = SOURCE.with_name("native.lib")
ZIG_VENV = ROOT / ".venv-zig"
FLAGS = ["-std=c11", "-O3", "-fPIC", "-shared"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=TARGET)
    parser.add_argument("--target", help="zig target, as x86_64-linux-gnu.2.28; default: this machine")
    parser.add_argument("--if-possible", action="store_true", help="succeed even if the library cannot be compiled")
    arguments = parser.parse_args()
    if not arguments.target and is_built(arguments.output):
        return 0
    compiler = None if arguments.target else own_compiler()
    if compiler is None and arguments.if_possible:
        print("no C compiler found: imports will be slower, with the same results", file=sys.stderr)
        return 0
    target = ["-target", arguments.target] if arguments.target else []
    status = build([*(compiler or zig_from_pypi()), *target], arguments.output)
    if status and arguments.if_possible:
        print("continuing without the native library: imports will be slower, with the same results", file=sys.stderr)
        return 0
    return status


def source_hash() -> str:
    """SHA-256 of the C files, as `waybill.native.source_hash`, which cannot be imported where the layer is built."""
    found = hashlib.sha256()
    for path in sorted([*SOURCE.parent.glob("*.c"), *SOURCE.parent.glob("*.h")]):
        found.update(path.read_bytes())
    return found.hexdigest()


def is_built(library: Path) -> bool:
    """Whether the library was built from the current sources, whose hash it contains."""
    return library.exists() and source_hash().encode() in library.read_bytes()


def own_compiler() -> list[str] | None:
    """Return this machine's compiler. `CC=` may include arguments; `CC=no` pretends that there is no compiler."""
    command = shlex.split(os.environ.get("CC") or "cc")
    return command if shutil.which(command[0]) else None


def zig_from_pypi() -> list[str]:
    """Install zig from its hash-locked package, and return the command of its C compiler."""
    python, done = ZIG_VENV / "bin" / "python", ZIG_VENV / ".done"
    lock = ROOT / "requirements" / "zig.txt"
    if not done.exists() or done.read_text() != lock.read_text():
        subprocess.run([sys.executable, "-m", "venv", str(ZIG_VENV)], check=True)  # our own commands  # noqa: S603
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)  # of a lock file  # noqa: S603
        done.write_text(lock.read_text())
    return [str(python), "-m", "ziglang", "cc"]


def build(compiler: list[str], output: Path) -> int:
    unfinished = output.with_name(f"{output.name}.{os.getpid()}")
    command = [*compiler, *FLAGS, f'-DSOURCE="{source_hash()}"', "-o", str(unfinished), str(SOURCE)]
    done = subprocess.run(command, check=False)  # CC is whoever builds's  # noqa: S603
    if done.returncode == 0:
        unfinished.replace(output)  # processes that have loaded the old library keep it
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
