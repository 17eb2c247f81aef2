"""Compiles the Python files of a folder for Lambda's Python, in place: `python -m infra.bytecode FOLDER --at PATH`.

`sam build` calls it for the layer and for each function. Starting without compiled files takes three times as long, and
only those of the same Python version are read, so a build without them fails.

The compiler is Python of that version, if this machine has it. Otherwise it is Pyodide, the same version of CPython as
WebAssembly, which the npm package `pyodide` contains whole; it runs on the Node that also builds the console.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.console import ConsoleError, install_packages, node_environment
from infra.local.embedded import ROOT

VERSION = (3, 13)
"""Of the functions' runtime. The Pyodide in `infra/compiler/package.json` is CPython of this version."""
PYODIDE = ROOT / "infra" / "compiler"
TAG = f"cpython-{VERSION[0]}{VERSION[1]}"
# Unchecked: unpacking a package changes the times that the default kind compares (PEP 552). The paths are those at
# which Lambda has the files.
COMPILE = """
import compileall, py_compile, sys
assert sys.version_info[:2] == {version}, sys.version
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
done = compileall.compile_dir(
    {folder!r}, quiet=1, force=True, stripdir={folder!r}, prependdir={at!r}, invalidation_mode=mode
)
"""


class CompileError(Exception):
    """The files could not be compiled; the message is for the person who builds."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--at", required=True, help="where Lambda has the folder, as /opt/python")
    parser.add_argument("--pyodide", action="store_true", help="do not look for Python on this machine")
    arguments = parser.parse_args()
    try:
        compile_folder(arguments.folder.resolve(), arguments.at, use_own=not arguments.pyodide)
    except CompileError as error:
        print(f"{arguments.folder}: {error}", file=sys.stderr)
        return 1
    return 0


def compile_folder(folder: Path, at: str, *, use_own: bool = True) -> None:
    """Compile every Python file of a folder into its `__pycache__`.

    Args:
        folder: its own compiled files are replaced.
        at: the folder's path on Lambda, for tracebacks.
        use_own: use this machine's Python of the right version, if there is one.

    Raises:
        CompileError: a file could not be compiled, or there is neither Python of the right version nor Node.
    """
    python = own_python() if use_own else None
    if python:
        code = COMPILE.format(version=VERSION, folder=str(folder), at=at) + "sys.exit(not done)"
        command = [python, "-I", "-S", "-c", code]  # code of this module
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    else:
        done = _with_pyodide(folder, at)
    missing = [str(path) for path in sorted(folder.rglob("*.py")) if not compiled(path).exists()]
    if done.returncode or missing:
        said = (done.stdout + done.stderr).strip()
        raise CompileError(f"not compiled for Python {_dotted()}: {', '.join(missing[:5]) or 'some files'}\n{said}")


def compiled(path: Path) -> Path:
    """Return the path of a file's compiled form."""
    return path.parent / "__pycache__" / f"{path.stem}.{TAG}.pyc"


def own_python() -> str | None:
    """Return this machine's Python of the right version; a program of that name may be a stub that only prints help."""
    if sys.version_info[:2] == VERSION:
        return sys.executable
    found = shutil.which(f"python{_dotted()}")
    check = f"import sys; sys.exit(sys.version_info[:2] != {VERSION})"
    # A Python of whoever builds, with code of this module.
    if found and subprocess.run([found, "-I", "-S", "-c", check], capture_output=True, check=False).returncode == 0:  # noqa: S603
        return found
    return None


def _with_pyodide(folder: Path, at: str) -> subprocess.CompletedProcess[str]:
    code = COMPILE.format(version=VERSION, folder="/folder", at=at)
    try:
        install_packages(PYODIDE)
        command = ["node", str(PYODIDE / "run.mjs"), str(folder), code]
        # The Node of the build, with a script of this folder.
        return subprocess.run(command, env=node_environment(), capture_output=True, text=True, check=False)  # noqa: S603
    except (ConsoleError, OSError) as error:
        raise CompileError(
            f"needs Python {_dotted()}, and this machine has neither that (python{_dotted()} on the PATH) nor Node, "
            f"which could run it: {error}"
        ) from error


def _dotted() -> str:
    return f"{VERSION[0]}.{VERSION[1]}"


if __name__ == "__main__":
    sys.exit(main())
