"""`waybill sources`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import JOB_ID, OTHER_ID, Service, answer, problem
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")
SOURCE_ID = "5c5f6f3e-7d5b-4a86-9a36-3c1f6a7d1c55"
PATH = f"/v1/sources/{SOURCE_ID}"
RUN = {"startedAt": "2026-01-31T09:30:00.000Z", "endedAt": "2026-01-31T09:31:00.000Z", "startedBy": "schedule"}
FILE = {
    "name": "orders\x1b[2J.csv",
    "sizeBytes": 12345,
    "modified": "2026-01-31T09:00:00.000Z",
    "seenAt": "2026-01-31T09:30:00.000Z",
    "jobId": JOB_ID,
    "status": "COMPLETED",
    "outcome": "SUCCESS",
    "imported": 20,
    "errorCode": None,
    "errorMessage": None,
    "after": "moved",
    "movedTo": "/done/orders.csv",
}


def source(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sourceId": SOURCE_ID,
        "name": "Partner orders",
        "entity": "orders",
        "location": {"kind": "sftp"},
        "pattern": "*.csv",
        "status": "DRAFT",
        "isRunning": False,
        "nextRunAt": None,
        "lastRun": None,
        "unreachable": None,
        "message": None,
    }
    return {**values, **changes}


def test_sources_are_listed_with_their_runs(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    ran = source(status="SCHEDULED", lastRun={**RUN, "taken": 3, "code": None}, nextRunAt="2026-01-31T10:30:00.000Z")
    lost = source(sourceId=OTHER_ID, name="Lost", lastRun={**RUN, "taken": 0, "code": "unreachable"}, isRunning=True)
    stack.routes["GET /v1/sources"] = answer({"items": [ran, lost], "nextToken": None})
    assert main(["sources", "--status", "scheduled", "--entity", "orders"]) == 0
    assert stack.sent("GET", "/v1/sources")[0].query["status"] == "SCHEDULED"
    lines = capsys.readouterr().out.splitlines()
    assert "3 taken" in lines[1] and "unreachable" in lines[2] and "running" in lines[2]


def test_a_source_is_created_activated_run_and_unscheduled(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "s.json").write_text('{"name": "Partner orders"}')
    stack.routes["POST /v1/sources"] = answer(source(), 201)
    for action, status in (("activate", "SCHEDULED"), ("run", "SCHEDULED"), ("unschedule", "DRAFT")):
        stack.routes[f"POST {PATH}/{action}"] = answer(source(status=status))
    stack.routes[f"PUT {PATH}"] = answer(source())
    assert main(["sources", "create", "s.json"]) == 0
    assert stack.sent("POST", "/v1/sources")[0].json == {"name": "Partner orders"}
    assert main(["sources", "update", SOURCE_ID, "s.json"]) == 0
    for action in ("activate", "run", "unschedule"):
        assert main(["sources", action, SOURCE_ID]) == 0
    printed = capsys.readouterr().out
    assert "Created" in printed and f"waybill sources activate {SOURCE_ID}" in printed
    assert f"waybill sources files {SOURCE_ID}" in printed


def test_a_test_shows_what_would_be_fetched(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"entity": "orders", "location": {"kind": "s3"}, "pattern": "*.csv", "name": "x", "schedule": {}}
    (home / "s.json").write_text(json.dumps(given))
    result = {"ok": True, "code": None, "detail": "It can be read.", "files": [FILE]}
    failed = {"ok": False, "code": "auth", "detail": "Refused.", "files": []}
    stack.routes["POST /v1/sources/test"] = [answer(result), answer(failed)]
    assert main(["sources", "test", "s.json"]) == 0
    assert stack.sent("POST", "/v1/sources/test")[0].json == {
        "entity": "orders",
        "location": {"kind": "s3"},
        "pattern": "*.csv",
    }
    printed = capsys.readouterr().out
    assert "12,345 bytes" in printed and "\x1b" not in printed
    assert main(["sources", "test", "s.json"]) == 1
    assert "auth: Refused." in capsys.readouterr().out


def test_the_files_that_were_seen_come_with_what_is_wrong(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    trouble = {"since": "2026-01-31T09:00:00.000Z", "code": "auth", "message": "The login is refused."}
    stack.routes[f"GET {PATH}"] = answer(source(unreachable=trouble))
    stack.routes[f"GET {PATH}/files"] = answer({"items": [FILE], "nextToken": None})
    assert main(["sources", "files", SOURCE_ID]) == 0
    printed = capsys.readouterr()
    assert "The login is refused." in printed.err
    assert "SUCCESS" in printed.out and "moved" in printed.out and "\x1b" not in printed.out


def test_only_drafts_are_deleted(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"DELETE {PATH}"] = problem(409, "Conflict", "It is scheduled.", allowedActions=["unschedule", "run"])
    stack.routes[f"DELETE /v1/sources/{OTHER_ID}"] = (204, {}, b"")
    assert main(["sources", "delete", SOURCE_ID, OTHER_ID]) == 1
    assert f"waybill sources unschedule {SOURCE_ID}" in "".join(capsys.readouterr())
