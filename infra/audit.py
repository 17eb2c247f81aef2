"""`make audit`: known vulnerabilities of the packages that requirements/*.txt and package-lock.json name.

pip-audit asks PyPI's advisory data and npm its registry's. Where they cannot be reached, or a program is missing, that
is told and is no failure: the result then says nothing. Not part of the suite, because the answer changes without the
code. Exits 1 if a vulnerability is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.local.console import ConsoleError, node_environment
from infra.native import ROOT

VENV = ROOT / ".venv-audit"
PACKAGES = [
    ROOT / folder
    for folder in (
        "console",
        "infra/compiler",
        "tests/infra/asl-validator",
        "tests/integration/dynalite",
        "tests/oidc-provider",
    )
]
SECONDS = 300


def main() -> int:
    found = [*python_findings(), *node_findings()]
    for line in found:
        print(line)
    print(f"{len(found)} known vulnerabilities.")
    return 1 if found else 0


def python_findings() -> Iterator[str]:
    """A line for each vulnerability of a Python package."""
    program = VENV / "bin" / "pip-audit"
    try:
        if not program.exists():
            _run([sys.executable, "-m", "venv", str(VENV)])
            _run([str(VENV / "bin" / "pip"), "install", "--quiet", "pip-audit"]).check_returncode()
    except (OSError, subprocess.SubprocessError) as error:
        return _unanswered("pip-audit cannot be installed", error)
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        options = ["--requirement", str(lock), "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        answer = _json_of([str(program), *options])
        if answer is None:
            _unanswered(f"requirements/{lock.name} was not audited")
            continue
        skipped = [package["name"] for package in answer["dependencies"] if "skip_reason" in package]
        if skipped:
            _unanswered(f"requirements/{lock.name}: {len(skipped)} packages were not audited")
        for package in answer["dependencies"]:
            for each in package.get("vulns", []):
                fixed = ", ".join(each["fix_versions"]) or "no version yet"
                name = f"{package['name']} {package['version']}"
                yield f"requirements/{lock.name}: {name}: {each['id']}, fixed in {fixed}"


def node_findings() -> Iterator[str]:
    """A line for each Node package with vulnerabilities."""
    for folder in PACKAGES:
        name = folder.relative_to(ROOT)
        try:
            answer = _json_of(["npm", "audit", "--package-lock-only", "--json"], folder, node_environment())
        except ConsoleError as error:
            return _unanswered("Node is not there", error)
        if answer is None or "vulnerabilities" not in answer:
            _unanswered(f"{name} was not audited")
            continue
        for package, each in answer["vulnerabilities"].items():
            yield f"{name}: {package}: {each['severity']}"


def _json_of(command: list[str], folder: Path = ROOT, environment: dict[str, str] | None = None) -> Any:
    """What a program prints, as JSON; None when it prints something else."""
    try:
        return json.loads(_run(command, folder, environment).stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _run(
    command: list[str], folder: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # commands of this module, without a shell  # noqa: S603
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def _unanswered(what: str, error: Exception | None = None) -> None:
    reason = f" ({error})" if error is not None else ": its data cannot be reached"
    print(f"{what}{reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
