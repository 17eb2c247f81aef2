"""The lock files: complete for each other, hashed, and without a word on where packages come from."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from infra.local.embedded import ROOT

FOLDER = ROOT / "requirements"
NAMES = ("layer", "parquet", "local", "dev", "sam", "console", "docs", "mutation", "checkov", "fuzz")


def pins(name: str) -> dict[tuple[str, str], str]:
    """(package, marker) → version."""
    text = (FOLDER / f"{name}.txt").read_text()
    lines = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([\w.+!]+)(?: ; (.*?))? \\$", text, re.M)
    return {(package, marker): version for package, version, marker in lines}


@pytest.mark.parametrize(("inner", "outer"), [("layer", "local"), ("parquet", "local"), ("local", "dev")])
def test_what_runs_is_what_is_tested(inner: str, outer: str) -> None:
    """The functions on AWS, the embedded AWS and the tests have the same version of everything."""
    assert len(pins(inner)) > 10 or inner == "parquet"
    assert pins(inner).items() <= pins(outer).items()


@pytest.mark.parametrize("name", NAMES)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    """They are installed with --no-deps --require-hashes."""
    text = (FOLDER / f"{name}.txt").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(pins(name))
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_packages_of_node_run_no_code_when_they_are_installed() -> None:
    """Also where somebody types `npm ci`; all versions are locked with their hashes."""
    listed = subprocess.run(
        ["git", "ls-files", "*package-lock.json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    locks = [ROOT / line for line in listed.stdout.splitlines()]
    assert len(locks) >= 5
    for lock in locks:
        assert "ignore-scripts=true" in lock.with_name(".npmrc").read_text().splitlines()
        packages = json.loads(lock.read_text())["packages"]
        assert all(package.get("integrity", "").startswith("sha") for name, package in packages.items() if name), lock
