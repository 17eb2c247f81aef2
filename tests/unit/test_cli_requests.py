"""How `waybill` handles refusals, outages and invalid command lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_service import EXPORT_ID, JOB_ID, Service, answer, export, job, problem, write_profile
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")


def test_a_problem_document_is_shown_with_its_members_and_no_stack_trace(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = [{"pointer": "#/schema/fields/0/type", "detail": "must be a field type"}]
    stack.routes["PUT /v1/entities/contacts"] = problem(422, "The request breaks a rule", "Wrong.", errors=errors)
    (home / "e.json").write_text("{}")
    assert main(["entities", "put", "contacts", "e.json"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "waybill: The request breaks a rule: Wrong."
    assert lines[1] == "  /schema/fields/0/type: must be a field type"
    assert lines[2].startswith("  Next: ")


def test_with_json_a_refusal_is_a_problem_document_on_stdout(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/stop"] = problem(409, "The state forbids it", "x", allowedActions=["cancel"])
    assert main(["stop", JOB_ID, "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["status"] == 409
    assert "allowed now: cancel" in printed.err


def test_an_unreachable_address_gives_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_profile("http://127.0.0.1:1")
    assert main(["jobs"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("waybill: Cannot reach http://127.0.0.1:1 (saved in ")
    assert lines[0].endswith("Connection refused")
    assert len(lines) == 2


def test_a_response_of_another_server_is_recognized(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes["GET /v1/me"] = (200, {"Content-Type": "text/html"}, b"<html>")
    assert main(["me"]) == 1
    assert "does not come from Waybill" in capsys.readouterr().err


def test_a_response_without_the_expected_members_gives_no_stack_trace(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer({"unexpected": True})
    assert main(["job", JOB_ID]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_request_to_a_busy_service_is_repeated(stack: Service) -> None:
    busy = (503, {"Retry-After": "0"}, b"")
    stack.routes["GET /v1/me"] = [busy, busy, answer({"name": "admin", "groups": []})]
    assert main(["me"]) == 0


def test_a_request_with_an_effect_is_not_repeated_without_a_key(stack: Service) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/cancel"] = (503, {}, b"")
    assert main(["cancel", JOB_ID]) == 1
    assert len(stack.sent("POST", f"/v1/jobs/{JOB_ID}/cancel")) == 1


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["relaunch", JOB_ID], f"/v1/jobs/{JOB_ID}/relaunch"),
        (["exports", "run", EXPORT_ID], f"/v1/exports/{EXPORT_ID}/run"),
        (["exports", "activate", EXPORT_ID], f"/v1/exports/{EXPORT_ID}/activate"),
        (["exports", "copy", EXPORT_ID, "--name", "Copy"], f"/v1/exports/{EXPORT_ID}/copy"),
    ],
)
def test_what_makes_something_is_repeated_with_its_key(stack: Service, arguments: list[str], path: str) -> None:
    lost, unfinished = (503, {}, b""), (409, {"Retry-After": "0"}, b"{}")
    stack.routes[f"POST {path}"] = [lost, unfinished, answer(job() | export())]
    assert main(arguments) == 0
    keys = {request.headers["idempotency-key"] for request in stack.sent("POST", path)}
    assert (len(stack.sent("POST", path)), len(keys)) == (3, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["import", "f.csv"],
        ["import", "f.csv", "--entity", "e", "--mode", "merge"],
        ["import", "f.csv", "--entity", "e", "--max-errors", "0"],
        ["import", "f.csv", "--entity", "e", "--dialect", "{"],
        ["import", "f.csv", "--entity", "e", "--columns", "[]"],
        ["export", "e", "--fields", "a,,b"],
        ["jobs", "--limit", "x"],
    ],
)
def test_an_invalid_command_line_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
