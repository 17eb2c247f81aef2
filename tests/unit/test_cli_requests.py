"""How `waybill` handles refusals, outages and invalid command lines."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.cli_service import (
    EXPORT_ID,
    JOB_ID,
    USERS,
    Answer,
    Request,
    Service,
    answer,
    export,
    job,
    problem,
    write_profile,
)
from tests.gateway import Gateway
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


def test_somebody_who_asked_too_much_is_told_and_waits_as_long_as_the_api_says(
    stack: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("waybill_client.client.time.sleep", waits.append)
    title, detail = "Too many requests", "You have 100 jobs that have not ended."

    def refused(seconds: int) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = problem(429, title, detail)
        return status, headers | {"Retry-After": str(seconds)}, body

    path = f"/v1/jobs/{JOB_ID}/relaunch"
    stack.routes[f"POST {path}"] = [refused(30), refused(1), answer(job())]
    assert main(["relaunch", JOB_ID]) == 0
    told = f"{title}: {detail} Trying again in 30 s."
    assert (waits, told in capsys.readouterr().err) == ([30.0, 1.0], True)

    stack.routes[f"POST {path}"] = refused(3600)
    assert main(["relaunch", JOB_ID]) == 1
    assert len(stack.sent("POST", path)) == 4 and "try again in 60 minutes" in capsys.readouterr().err


def test_a_gateway_that_lets_few_requests_through_is_waited_for(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's gateway says 429 without `Retry-After`, before the API has seen anything: all requests are repeated."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += 60 * seconds  # the pauses of these tests are short

    monkeypatch.setattr("waybill_client.client.time.sleep", sleep)
    stack.routes["GET /v1/me"] = answer({"name": "alice", "groups": []})
    stack.routes[f"POST /v1/jobs/{JOB_ID}/cancel"] = answer(job())
    with Gateway(stack.url, rate=1, now=lambda: now[0]).serving() as gateway:
        use_gateway(home, gateway)
        for command in (["me"], ["cancel", JOB_ID], ["me"]):
            assert main(command) == 0
    assert now[0] > 1.0
    assert len(stack.sent("POST", f"/v1/jobs/{JOB_ID}/cancel")) == 1


def test_a_gateway_that_gives_up_a_slow_answer_is_asked_again_where_that_is_safe(stack: Service, home: Path) -> None:
    """After 30 s (here 1 s) AWS's gateway says 503 while the API goes on: what has an effect is not repeated."""
    is_over = threading.Event()

    def late(_: Request) -> Answer:
        is_over.wait(60)
        return answer(job())

    me = answer({"name": "alice", "groups": []})
    slow: list[Request] = []
    stack.routes["GET /v1/me"] = lambda request: me if slow or slow.append(request) else late(request)
    stack.routes[f"POST /v1/jobs/{JOB_ID}/cancel"] = late
    with Gateway(stack.url, seconds=1.0).serving() as gateway:
        use_gateway(home, gateway)
        assert main(["me"]) == 0
        assert main(["cancel", JOB_ID]) == 1
        is_over.set()
    assert len(stack.sent("POST", f"/v1/jobs/{JOB_ID}/cancel")) == 1


def use_gateway(home: Path, gateway: Gateway) -> None:
    (home / ".waybill" / "stack.json").write_text(json.dumps({"apiUrl": gateway.url, "users": USERS}))


def test_me_says_what_is_left(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    limits = {"unfinishedJobs": {"limit": 100, "left": 97}, "previewsPerMinute": {"limit": 20, "left": 0}}
    stack.routes["GET /v1/me"] = answer({"name": "admin", "groups": [], "limits": limits})
    assert main(["me"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "jobs left 97 of 100" in out and "previews left 0 of 20" in out


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
        ["import", "f.csv", "--entity", "e", "--mode", "blend"],
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


def test_the_address_of_another_local_stack_finds_its_users(
    service: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second stack has its own file beside that of the first."""
    (home / ".waybill").mkdir()
    first = {"apiUrl": "http://127.0.0.1:1", "users": {"admin": "other"}}
    (home / ".waybill" / "stack.json").write_text(json.dumps(first))
    (home / ".waybill" / "stack-4600.json").write_text(json.dumps({"apiUrl": service.url, "users": USERS}))
    service.routes["GET /v1/me"] = answer({"name": "admin", "groups": ["admin"]})
    assert main(["--api-url", service.url, "me"]) == 0
    assert service.sign_ins[0]["AuthParameters"] == {"USERNAME": "admin", "PASSWORD": USERS["admin"]}
