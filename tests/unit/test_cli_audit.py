"""`waybill audit`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli_service import EXPORT_ID, JOB_ID, OTHER_ID, Service, answer, problem
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")


def entry(**changes: Any) -> dict[str, Any]:
    values = {"time": "2026-01-31T09:30:00.125Z", "actor": "alice", "actorId": "a-1", "action": "createImport"}
    about = {"entity": "contacts", "jobId": JOB_ID, "parentJobId": None, "exportId": None, "uploadId": None}
    return {**values, "outcome": "done", "address": "192.0.2.1", **about, **changes}


def test_audit_lists_entries_as_filtered(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    dropped = entry(actor="s3:\x1b[2J", action="dropFile", outcome="failed", jobId=None, address=None)
    relaunched = entry(action="relaunchJob", exportId=EXPORT_ID, parentJobId=OTHER_ID)
    stack.routes["GET /v1/audit"] = [
        answer({"items": [entry()], "nextToken": "a"}),
        answer({"items": [], "nextToken": "b"}),
        answer({"items": [dropped, relaunched], "nextToken": "c"}),
    ]
    times = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-02-01T00:00:00+01:00"]
    filters = ["--actor", "alice", "--action", "createImport", "--entity", "contacts"]
    assert main(["audit", *filters, *times, "--limit", "3"]) == 0
    queries = [request.query for request in stack.sent("GET", "/v1/audit")]
    assert queries[0] == {
        "limit": "3",
        "actor": "alice",
        "action": "createImport",
        "entity": "contacts",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00+01:00",
    }
    assert (queries[2]["nextToken"], queries[2]["limit"]) == ("b", "2")
    printed = capsys.readouterr()
    header, first, second, third = printed.out.splitlines()
    assert header.split() == ["TIME", "ACTOR", "ACTION", "OUTCOME", "ENTITY", "ADDRESS", "ABOUT"]
    assert first.startswith("2026-01-31 09:30:00Z") and first.endswith(f"192.0.2.1  job {JOB_ID}")
    assert r"s3:\x1b[2J" in second and "failed" in second
    assert third.endswith(f"job {JOB_ID}, export {EXPORT_ID}, of job {OTHER_ID}")
    assert "--all" in printed.err


def test_audit_all_prints_one_json_list(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [answer({"items": [entry()], "nextToken": "a"}), answer({"items": [entry()], "nextToken": None})]
    stack.routes["GET /v1/audit"] = pages
    assert main(["--json", "audit", "--all"]) == 0
    assert json.loads(capsys.readouterr().out) == {"items": [entry(), entry()], "nextToken": None}


def test_audit_is_for_admins(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes["GET /v1/audit"] = problem(403, "Not allowed", "Only the group admin may do this.")
    assert main(["audit"]) == 1
    assert "Only the group admin" in capsys.readouterr().err
