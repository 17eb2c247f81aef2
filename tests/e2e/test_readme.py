"""A newcomer follows the README: its commands work as they stand."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.claim import free_port
from infra.local.embedded import ROOT
from infra.local.stack import LocalStack
from tests.e2e.client import Client

FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = ".venv/bin/waybill"


#: What says where packages come from, on machines where that is not the registries themselves.
KEPT = re.compile(r"(?i)pip_|npm_config_|\w+_proxy$|ssl_cert_|requests_ca_bundle")
BUILT = {"functions/console/static": "console", "functions/console/docs": "docs"}
START_SECONDS = 600


def commands_of(page: Path) -> list[str]:
    """The lines of a page's examples that call the command as a newcomer has it."""
    blocks = "".join(FENCE.findall(page.read_text(encoding="utf-8")))
    return [line for line in blocks.splitlines() if line.startswith(PROGRAM)]


@pytest.fixture
def newcomer(stack: LocalStack, tmp_path: Path) -> Path:
    """A checkout in which `make up` runs."""
    (tmp_path / ".waybill").mkdir()
    (tmp_path / ".waybill" / "stack.json").write_text(json.dumps(stack.stack))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    program = tmp_path / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m waybill_cli "$@"\n')
    program.chmod(0o755)
    return tmp_path


def follow(folder: Path, line: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "cli"), "XDG_CONFIG_HOME": str(folder / "config")}
    words = shlex.split(line, comments=True)
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_commands_of_the_readme_work_as_they_stand(newcomer: Path, admin: Client) -> None:
    lines = commands_of(ROOT / "README.md")
    assert len(lines) >= 6
    printed = {shlex.split(line)[1]: follow(newcomer, line) for line in lines}
    errors = printed["errors"].splitlines()
    assert errors[0].split() == ["ROW", "FIELD", "TYPE", "CELL", "MESSAGE"]
    with (newcomer / "contacts.rejects.csv").open(newline="") as file:
        rejected = {int(row["_row"]): row["_type"] for row in csv.DictReader(file)}
    assert rejected == {
        3: "duplicate-key",
        5: "type-error",
        6: "constraint-error",
        7: "type-error",
        9: "type-error",
        10: "missing-key",
        12: "missing-cell",
        13: "type-error",
    }
    with (newcomer / "contacts-export.csv").open(newline="") as file:
        exported = {row["contact_id"]: row for row in csv.DictReader(file)}
    assert exported.keys() == {"C-001", "C-002", "C-003", "C-007", "C-010", "C-013"}
    assert exported["C-002"]["email"] == "grace.h@example.com"
    assert [export["name"] for export in admin.get("/exports", q="nightly contacts")["items"]] == ["Nightly contacts"]


def test_every_example_is_a_definition_that_the_service_takes(newcomer: Path, admin: Client) -> None:
    """Those that the README does not use, too."""
    follow(newcomer, f"{PROGRAM} entities put contacts examples/contacts.json")
    for file in sorted((newcomer / "examples").glob("*.json")):
        kind = "exports" if "type" in json.loads(file.read_text()) else "sources"
        if file.name != "contacts.json":
            follow(newcomer, f"{PROGRAM} {kind} create examples/{file.name}")


def test_definitions_that_were_applied_need_no_change(newcomer: Path) -> None:
    """The service's defaults are none that a file has to repeat."""
    for kind, file in (("entities", "contacts.json"), ("exports", "nightly.json")):
        (newcomer / "defs" / kind).mkdir(parents=True)
        shutil.copy(newcomer / "examples" / file, newcomer / "defs" / kind / file)
    definition = newcomer / "defs" / "exports" / "nightly.json"
    definition.write_text(definition.read_text().replace("Nightly contacts", "Applied contacts"))
    follow(newcomer, f"{PROGRAM} apply defs --yes --activate")
    assert follow(newcomer, f"{PROGRAM} apply defs --plan").startswith("0 to create, 0 to replace, 0 to activate")
    definition.write_text(definition.read_text().replace("02:30", "03:30"))
    plan = follow(newcomer, f"{PROGRAM} apply defs --yes")
    assert '/schedule/time: "02:30" → "03:30"' in plan and "1 done, 0 refused." in plan
    assert follow(newcomer, f"{PROGRAM} apply defs --plan").startswith("0 to create, 0 to replace, 0 to activate")


@pytest.mark.slow
def test_the_first_commands_work_in_a_clean_clone_with_a_clean_home(tmp_path: Path) -> None:
    """`make up` sets up what it needs in a clone of this commit, with nothing of ours in its environment or home.

    The builds of console and documentation are left out, as if they had been made: other tests make them.
    """
    home, clone = tmp_path / "home", tmp_path / "clone"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    for folder, module in BUILT.items():
        stamp = f"from infra.local import {module}; print({module}.content_hash(), end='')"
        content = subprocess.run([sys.executable, "-c", stamp], cwd=clone, capture_output=True, check=True).stdout
        (clone / folder).mkdir()
        (clone / folder / ".content").write_bytes(content)
    pip_config = Path.home() / ".config" / "pip" / "pip.conf"
    environment = {name: value for name, value in os.environ.items() if KEPT.match(name)}
    environment |= {"PIP_CONFIG_FILE": str(pip_config)} if pip_config.exists() else {}
    environment |= {"PATH": f"{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(home)}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    setup = subprocess.run(
        ["make", "setup", "native"], cwd=clone, env=environment, capture_output=True, text=True, timeout=START_SECONDS
    )
    assert setup.returncode == 0, setup.stdout + setup.stderr
    log, port = tmp_path / "up.log", free_port()  # only now: others look for free ports, too
    with log.open("wb") as output:
        command = ["make", "up", f"PORT={port}", "DATA=none"]
        up = subprocess.Popen(command, cwd=clone, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        described = clone / ".waybill" / "stack.json"
        deadline = time.monotonic() + START_SECONDS
        while not described.exists():
            assert up.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        for line in commands_of(ROOT / "README.md")[:4]:
            words = shlex.split(line, comments=True)
            done = subprocess.run(words, cwd=clone, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert (clone / "contacts.rejects.csv").exists()
    finally:
        os.killpg(up.pid, signal.SIGTERM)
        up.wait(timeout=120)
    assert "saving the state" in log.read_text()
    changed = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True)
    assert changed.stdout.split() == ["??", "contacts.rejects.csv"], "nothing else is left in the checkout"
