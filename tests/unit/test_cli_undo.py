"""`waybill undo`: what it would do, and the child that does it."""

from __future__ import annotations

import json

import pytest

from tests.cli_service import JOB_ID, OTHER_ID, Service, answer, job, partial
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")
PREVIEW = {"total": 5_000, "checked": 1_000, "restored": 700, "removed": 290, "changedSince": 10}


def test_undo_prints_the_child_and_is_sent_once(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/undo"] = answer(job(jobId=OTHER_ID, undoOf=JOB_ID), 202)
    assert main(["--json", "undo", JOB_ID]) == 0
    assert json.loads(capsys.readouterr().out)["undoOf"] == JOB_ID
    [request] = stack.sent("POST", f"/v1/jobs/{JOB_ID}/undo")
    assert request.headers["idempotency-key"]


def test_undo_watches_the_child(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/undo"] = answer(job(jobId=OTHER_ID), 202)
    stack.routes[f"GET /v1/jobs/{OTHER_ID}"] = answer(partial(jobId=OTHER_ID))
    assert main(["undo", JOB_ID, "--watch"]) == 0
    assert "34,013" in capsys.readouterr().out


def test_the_preview_tells_what_would_be_done_and_starts_nothing(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}/undo"] = answer(PREVIEW)
    assert main(["undo", JOB_ID, "--preview"]) == 0
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("5,000", "1,000", "700", "290 that", "10 that"))
    assert main(["--json", "undo", JOB_ID, "--preview"]) == 0
    assert json.loads(capsys.readouterr().out) == PREVIEW
    assert stack.sent("POST", f"/v1/jobs/{JOB_ID}/undo") == []
