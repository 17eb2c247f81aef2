"""The stack on this machine: it starts where it may, comes back as it was, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra.local import embedded
from infra.local.cities import write_cities
from infra.local.claim import DEFAULT_PORT, HOST, LocalStackError, claimed, free_port, is_port_free
from infra.local.deploy import Clients
from infra.local.embedded import ROOT, EmbeddedAws
from infra.local.package import zip_folder
from infra.local.stack_file import remove_stack_files, write_stack_files
from tests.e2e.client import Client


def test_the_demo_spoils_a_known_hundredth_in_all_its_ways(tmp_path: Path) -> None:
    cities = write_cities(tmp_path / "a.csv")
    again = write_cities(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert cities == again
    assert cities.rows == cities.spoiled + len(cities.good) >= 20_000
    assert 0.01 <= cities.spoiled / cities.rows <= 0.012
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.reader(file)) == cities.rows + 1


def test_unchanged_code_makes_the_same_zip_file(tmp_path: Path) -> None:
    """Else every start would replace all functions."""
    folder = tmp_path / "code"
    (folder / "inner").mkdir(parents=True)
    (folder / "app.py").write_text("x = 1\n")
    (folder / "inner" / "more.py").write_text("y = 2\n")
    first = zip_folder(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_text("old")
    os.utime(folder / "app.py", (0, 0))
    assert zip_folder(folder) == first
    (folder / "app.py").write_text("x = 2\n")
    assert zip_folder(folder) != first


def test_two_that_install_packages_at_once_install_them_once(tmp_path: Path) -> None:
    """The workers of a test run do; `npm ci` begins by removing what another has half installed."""
    folder, programs = tmp_path / "folder", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (folder / "package-lock.json").write_text("{}")
    (programs / "node").write_text("#!/bin/sh\necho v99.0.0\n")
    (programs / "npm").write_text("#!/bin/sh\nsleep 0.5\nmkdir node_modules && echo installed >>installed\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    script = "import sys, pathlib, infra.local.console as c; c.install_packages(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(folder)]
    at_once = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(3)]
    assert [process.wait(timeout=60) for process in at_once] == [0, 0, 0]
    assert (folder / "installed").read_text() == "installed\n"


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    [phony] = [line.removeprefix(".PHONY: ").split() for line in text.splitlines() if line.startswith(".PHONY:")]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    listing = subprocess.run(["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in listing.splitlines()] == phony


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project elsewhere, so that nobody's own `.waybill/` is touched."""
    for name in ("infra", "shared", "functions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def start_up(checkout: Path, port: int | str, data: str = "none") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "infra.local.up"],
        cwd=checkout,
        env=os.environ | {"PORT": str(port), "DATA": data},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_stack(checkout: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    file = checkout / ".waybill" / "stack.json"
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    stack: dict[str, Any] = json.loads(file.read_text())
    return stack


def sign_in(clients: Clients, stack: dict[str, Any], user: str) -> None:
    cognito = clients("cognito-idp")
    [pool] = cognito.list_user_pools(MaxResults=10)["UserPools"]
    [client] = cognito.list_user_pool_clients(UserPoolId=pool["Id"])["UserPoolClients"]
    answer = cognito.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=client["ClientId"],
        AuthParameters={"USERNAME": user, "PASSWORD": stack["users"][user]},
    )
    assert answer["AuthenticationResult"]["AccessToken"]


@pytest.mark.slow
def test_up_comes_back_with_its_state(checkout: Path, started: list[subprocess.Popen[str]]) -> None:
    port = free_port()
    first = start_up(checkout, port, data="")
    started.append(first)
    stack = wait_for_stack(checkout, first)
    assert stack.keys() == {
        *("apiUrl", "consoleUrl", "endpointUrl", "region", "dropBucket", "filesBucket", "transferBucket"),
        *("jobsTable", "recordsTable", "users"),
    }
    assert stack["users"].keys() == {"admin", "alice", "bob"}
    for name in ("stack.json", f"stack-{port}.json"):
        assert (checkout / ".waybill" / name).stat().st_mode & 0o077 == 0
    with closing(Client(stack, "alice")) as alice:
        job = alice.wait(alice.find_job(entity="cities")["jobId"])
        assert job["outcome"] == "PARTIAL_SUCCESS" and job["counts"]["imported"] > 20_000
    item = {"pk": {"S": "kept"}, "sk": {"S": "kept"}}
    with contextlib.closing(Clients(stack["endpointUrl"])) as clients:
        sign_in(clients, stack, "alice")
        clients("dynamodb").put_item(TableName=stack["jobsTable"], Item=item)
        clients("s3").put_object(Bucket=stack["filesBucket"], Key="kept", Body=b"kept")

    second = start_up(checkout, port)
    _, complaint = second.communicate(timeout=30)
    assert second.returncode == 1
    assert complaint == f"make up: port {port} is in use; choose another one with PORT=\n"
    assert wait_for_stack(checkout, first) == stack, "the one that was refused disturbed the one that runs"

    first.send_signal(signal.SIGTERM)
    while not is_port_free(port):
        time.sleep(0.01)
    again = start_up(checkout, port, data="")  # while the first one saves its state
    started.append(again)
    assert first.wait(timeout=60) == 0
    assert first.communicate()[0].endswith("saving the state\nstopped; the next `make up` continues with this state\n")
    assert wait_for_stack(checkout, again) == stack
    with closing(Client(stack, "alice")) as alice:
        assert [found["jobId"] for found in alice.get("/jobs", entity="cities")["items"]] == [job["jobId"]]
    with contextlib.closing(Clients(stack["endpointUrl"])) as clients:
        sign_in(clients, stack, "alice")
        assert clients("dynamodb").get_item(TableName=stack["jobsTable"], Key=item)["Item"] == item
        assert clients("s3").get_object(Bucket=stack["filesBucket"], Key="kept")["Body"].read() == b"kept"


class Answering:
    """A port that something listens on."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server((HOST, port))
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def test_a_claim_waits_for_a_stack_that_saves_and_refuses_one_that_runs(tmp_path: Path) -> None:
    """The port of a stack is free a second or more before its state is saved."""
    port, waits = free_port(), threading.Event()
    order: list[str] = []

    def second() -> None:
        with claimed(tmp_path, port, waits.set):
            order.append("claimed")

    with claimed(tmp_path, port):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(30)
        order.append("saved")
    thread.join(30)
    assert order == ["saved", "claimed"]
    with closing(Answering()) as taken, pytest.raises(LocalStackError, match="in use"), claimed(tmp_path, taken.port):
        pass


def test_a_busy_port_is_told_before_anything_is_built(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    with closing(Answering()) as taken:
        command = ["make", "up", f"PORT={taken.port}", f"PYTHON={sys.executable}"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and not (tmp_path / ".venv").exists()
    assert done.stderr.startswith(f"make up: port {taken.port} is in use; choose another one with PORT=\n")


def test_each_stack_has_its_own_file_and_the_default_port_the_shared_one(tmp_path: Path) -> None:
    with closing(Answering()) as first, closing(Answering()) as second:
        described = {port: {"endpointUrl": f"http://{HOST}:{port}"} for port in (first.port, second.port, DEFAULT_PORT)}
        shared = tmp_path / "stack.json"
        for port in (first.port, second.port):
            assert json.loads(write_stack_files(tmp_path, port, described[port]).read_text()) == described[port]
            assert json.loads(shared.read_text()) == described[first.port]
        write_stack_files(tmp_path, DEFAULT_PORT, described[DEFAULT_PORT])
        assert json.loads(shared.read_text()) == described[DEFAULT_PORT]
        remove_stack_files(tmp_path, second.port)
        assert {file.name for file in tmp_path.iterdir()} == {
            *("stack.json", f"stack-{first.port}.json", f"stack-{DEFAULT_PORT}.json")
        }
        remove_stack_files(tmp_path, DEFAULT_PORT)
        assert [file.name for file in tmp_path.iterdir()] == [f"stack-{first.port}.json"]


SAVES_SLOWLY = """
import signal, sys, time, pathlib
folder, seconds, message = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print(message, flush=True)
    time.sleep(seconds)
    (folder / "dynamodb.json").write_text("{}")
"""


@pytest.mark.parametrize(
    ("seconds", "message", "limit", "saved"),
    [
        (0.5, "", 30, True),
        (60, "", 0.2, False),
        (0, "Persistence: failed to save dynamodb: no space left", 30, False),
    ],
)
def test_a_state_that_was_not_saved_is_never_called_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, message: str, limit: float, saved: bool
) -> None:
    """Killed half way, as at 1.2 million records after 30 s, or with an error that MiniStack only logs."""
    (tmp_path / "aws").mkdir()
    script = tmp_path / "script.py"
    script.write_text(SAVES_SLOWLY)
    monkeypatch.setattr(
        embedded, "COMMAND", [sys.executable, str(script), str(tmp_path / "aws"), str(seconds), message]
    )
    monkeypatch.setattr(embedded, "SAVE_TIMEOUT_SECONDS", limit)
    monkeypatch.setattr(
        EmbeddedAws, "_wait_until_ready", lambda aws: wait_for_text(tmp_path / "ministack.log", "ready")
    )
    aws = EmbeddedAws(tmp_path, port=free_port(), persist=True)
    if saved:
        aws.stop()
    else:
        with pytest.raises(LocalStackError, match="the state was not saved"):
            aws.stop()
    assert not aws.is_running()


def wait_for_text(file: Path, text: str) -> None:
    while text not in file.read_text():
        time.sleep(0.01)


@pytest.mark.slow
def test_no_server_outlives_an_up_that_was_killed(checkout: Path) -> None:
    port = free_port()
    killed = start_up(checkout, port)
    wait_for_stack(checkout, killed)
    killed.kill()
    killed.communicate()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return
        time.sleep(0.1)
    pytest.fail("the embedded AWS still answers")


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "٤٥٦٦"])
def test_a_port_that_is_none_is_refused_in_one_line(checkout: Path, port: str) -> None:
    refused = start_up(checkout, port)
    _, complaint = refused.communicate(timeout=30)
    assert refused.returncode == 1
    assert complaint == f"make up: PORT={port} is not a port number\n"
