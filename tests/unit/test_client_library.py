"""The Python library that `waybill` is built on, and the distribution that both are installed from."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.builders import ROOT
from tests.cli_service import JOB_ID, USERS, Service, answer, job, offer_file, offer_upload, partial, problem
from waybill_client import Client, Refused, Unreachable, WaybillError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def client(service: Service) -> Client:
    return Client(f"{service.url}/v1/", "token")


def test_a_program_imports_a_file_and_waits_for_it(service: Service, client: Client, home: Path) -> None:
    offer_upload(service, [answer(job(), ETag='"1"', Retry_After="0"), (304, {}, b""), answer(partial())])
    (home / "contacts.csv").write_text("a\n1\n")
    with client:
        done = client.wait(client.import_file("contacts.csv", "contacts", mode="merge"))
    assert done["status"] == "COMPLETED"
    [started] = service.sent("POST", "/v1/imports")
    assert started.json["mode"] == "merge" and started.headers["idempotency-key"]
    assert {request.headers["authorization"] for request in service.requests if request.path.startswith("/v1")} == {
        "Bearer token"
    }
    assert service.sent("GET", f"/v1/jobs/{JOB_ID}")[-1].headers["if-none-match"] == '"1"'


def test_a_job_that_takes_too_long_is_not_waited_for(service: Service, client: Client) -> None:
    service.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(job(), Retry_After="0")
    with client, pytest.raises(TimeoutError, match="IN_PROGRESS"):
        client.wait(JOB_ID, timeout_seconds=0.1)


def test_lists_are_read_page_by_page(service: Service, client: Client) -> None:
    path = f"/v1/jobs/{JOB_ID}/errors"
    pages = [
        answer({"items": [{"n": 1}, {"n": 2}], "nextToken": "t"}),
        answer({"items": [{"n": 3}], "nextToken": None}),
    ]
    service.routes[f"GET {path}"] = pages
    with client:
        items = client.items("jobs", JOB_ID, "errors", type="type-error")
        assert [item["n"] for item in itertools.islice(items, 2)] == [1, 2]
        assert len(service.sent("GET", path)) == 1, "a page is read when it is needed"
        assert [item["n"] for item in items] == [3]
    assert service.sent("GET", path)[1].query == {"limit": "100", "nextToken": "t", "type": "type-error"}


def test_a_file_appears_once_it_is_complete(service: Service, client: Client, home: Path) -> None:
    offer_file(service, f"/v1/jobs/{JOB_ID}/rejects", b"_row\n2\n", 'attachment; filename="x.csv"')
    with client:
        assert client.download(f"/jobs/{JOB_ID}/rejects", "mine.csv") == 7
        service.routes["GET /signed"] = (403, {}, b"<Error/>")
        with pytest.raises(Refused):
            client.download(f"/jobs/{JOB_ID}/rejects", "other.csv")
    assert [file.name for file in home.iterdir()] == ["mine.csv"]
    assert (home / "mine.csv").read_bytes() == b"_row\n2\n"


def test_errors_say_what_happened(service: Service, client: Client) -> None:
    service.routes["GET /v1/me"] = [problem(503, "Busy", "x"), problem(409, "No", "Not now.", allowedActions=["stop"])]
    with client:
        with pytest.raises(Refused, match=r"No: Not now\.") as refused:
            client.get("/me")
        assert (refused.value.status, refused.value.problem["allowedActions"]) == (409, ["stop"])
        service.routes["GET /v1/me"] = (200, {}, b"<html>")
        with pytest.raises(WaybillError, match="does not come from Waybill"):
            client.get("/me")
    with Client("http://127.0.0.1:1", lambda: "token") as nowhere, pytest.raises(Unreachable, match="refused"):
        nowhere.get("/me")


def closure(names: set[str]) -> set[str]:
    """What packages need, themselves included, without extras and what other platforms need."""
    found: set[str] = set()
    while names - found:
        name = (names - found).pop()
        found.add(name)
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                names = names | {needed.name}
    return found


@pytest.mark.slow
def test_the_distribution_needs_nothing_but_what_it_declares(service: Service, tmp_path: Path) -> None:
    """A fresh environment without the repository; the packages come from this one, so that no registry is asked."""
    source = tmp_path / "cli"
    shutil.copytree(ROOT / "cli", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(source)], check=True, capture_output=True)
    [wheel] = tmp_path.glob("waybill_cli-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "fresh")], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "fresh" / "bin" / "python"), "--quiet"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", str(wheel)], check=True, capture_output=True)
    [packages] = (tmp_path / "fresh").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
        entry_points = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "waybill = waybill_cli.main:main" in entry_points
    assert "waybill_client/py.typed" in names and "waybill_cli/commands/imports.py" in names
    declared = {match for match in re.findall(r"^Requires-Dist: ([A-Za-z0-9._-]+?)[<>=,;\s]", about, re.MULTILINE)}
    assert declared == {"httpx", "rich"}
    for name in closure(declared):
        for file in metadata.files(name) or []:
            origin = Path(str(file.locate()))
            if origin.is_file() and ".." not in file.parts:
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, target)

    missing = subprocess.run([*pip[:-1], "check"], capture_output=True, text=True)
    assert missing.returncode == 0, missing.stdout
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}

    def waybill(*words: str, text: str = "") -> str:
        command = [str(tmp_path / "fresh" / "bin" / "waybill"), *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, input=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert waybill("--version") == "waybill 0.1.0\n"
    completion = tmp_path / "completion"
    completion.write_text(waybill("completion", "bash"))
    assert completed(completion, "waybill entities te") == ["template"]
    assert completed(completion, "waybill import --on-e") == ["--on-error"]
    assert "complete -c waybill" in waybill("completion", "fish") and "bashcompinit" in waybill("completion", "zsh")
    (tmp_path / ".waybill").mkdir()
    (tmp_path / ".waybill" / "stack.json").write_text(json.dumps({"apiUrl": service.url, "users": USERS}))
    offer_upload(service, [answer(partial())])
    assert "20" in waybill("import", "-", "--entity", "contacts", "--watch", text="a\n1\n")
    subprocess.run([str(tmp_path / "fresh" / "bin" / "python"), "-I", "-c", IMPORT_ALL], env=environment, check=True)


def completed(script: Path, line: str) -> list[str]:
    """What bash proposes for the last word of a line."""
    words = line.split()
    ask = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _waybill; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", ask, str(script), *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


IMPORT_ALL = """
import importlib, pkgutil, waybill_cli
for module in pkgutil.walk_packages(waybill_cli.__path__, "waybill_cli."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
