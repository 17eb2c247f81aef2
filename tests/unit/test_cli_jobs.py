"""`waybill jobs`, `job`, `errors`, `report`, and the actions on jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli_service import JOB_ID, OTHER_ID, Service, answer, failed, job, partial
from waybill_cli.main import main
from waybill_cli.show import progress_text

pytestmark = pytest.mark.usefixtures("home")


def test_jobs_reads_short_pages_up_to_the_limit(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes["GET /v1/jobs"] = [
        answer({"items": [], "nextToken": "a"}),
        answer({"items": [job()], "nextToken": "b"}),
        answer({"items": [partial(jobId=OTHER_ID)], "nextToken": "c"}),
    ]
    assert main(["jobs", "--entity", "contacts", "--status", "in_progress,completed", "--limit", "2"]) == 0
    queries = [request.query for request in stack.sent("GET", "/v1/jobs")]
    assert queries[0] == {"limit": "2", "entity": "contacts", "status": "IN_PROGRESS,COMPLETED"}
    assert (queries[2]["nextToken"], queries[2]["limit"]) == ("b", "1")
    printed = capsys.readouterr()
    assert JOB_ID in printed.out and OTHER_ID in printed.out and "2026-01-31 09:30:00Z" in printed.out
    assert "--all" in printed.err


def test_jobs_all_prints_one_json_list(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [answer({"items": [job()], "nextToken": "a"}), answer({"items": [partial()], "nextToken": None})]
    stack.routes["GET /v1/jobs"] = pages
    assert main(["--json", "jobs", "--all"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["status"] for item in listed["items"]] == ["IN_PROGRESS", "COMPLETED"]
    assert listed["nextToken"] is None


@pytest.mark.parametrize(
    ("document", "status"), [(job(), 0), (partial(), 0), (failed(), 1), (partial(outcome="FAILED"), 1)]
)
def test_the_exit_status_of_job_tells_whether_the_job_failed(
    stack: Service, capsys: pytest.CaptureFixture[str], document: dict[str, Any], status: int
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(document)
    assert main(["job", JOB_ID]) == status
    assert document["message"] in capsys.readouterr().out


def test_errors_lists_every_page_and_the_summary_with_control_characters_escaped(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(number: int, cell: str) -> dict[str, Any]:
        values = {"rowNumber": number, "fieldNumber": 2, "fieldName": "email", "type": "type-error"}
        return {**values, "cell": cell, "message": "not an e-mail address"}

    summary = [{"type": "type-error", "fieldName": "email", "count": 2, "sample": "x"}]
    stack.routes[f"GET /v1/jobs/{JOB_ID}/errors"] = [
        answer({"items": [error(7, "\x1b[2Jx\ny")], "nextToken": "a", "summary": summary}),
        answer({"items": [error(9, "z")], "nextToken": None, "summary": summary}),
    ]
    assert main(["errors", JOB_ID]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ROW", "FIELD", "TYPE", "CELL", "MESSAGE"]
    assert lines[1].startswith("7") and r"\x1b[2Jx\ny" in lines[1]
    assert lines[2].startswith("9")
    assert lines[-1].split() == ["2", "type-error", "email", "x"]


def test_errors_as_json_contain_the_items_and_the_summary(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}/errors"] = answer({"items": [], "nextToken": None, "summary": []})
    assert main(["errors", JOB_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"items": [], "nextToken": None, "summary": []}


def test_cancel_and_stop_show_the_changed_job(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/cancel"] = answer(job(status="CANCELED", message="Canceled"))
    assert main(["cancel", JOB_ID]) == 0
    assert "CANCELED" in capsys.readouterr().out
    stack.routes[f"POST /v1/jobs/{JOB_ID}/stop"] = answer(job(message="Stopping"))
    assert main(["stop", JOB_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["message"] == "Stopping"


def test_delete_lists_jobs_that_could_not_be_deleted(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"deleted": [JOB_ID], "failed": [{"jobId": OTHER_ID, "status": 409, "detail": "It still runs."}]}
    stack.routes["POST /v1/jobs/delete"] = answer(result)
    assert main(["delete", JOB_ID, OTHER_ID]) == 1
    assert stack.requests[-1].json == {"jobIds": [JOB_ID, OTHER_ID]}
    printed = capsys.readouterr()
    assert f"Deleted {JOB_ID}" in printed.out and "It still runs." in printed.err


def test_the_report_of_a_failed_import_gives_its_error_and_duration(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"outcome": "FAILED", "durationSeconds": 61, "error": {"code": "empty-file"}, "relaunchable": False}
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(document)
    assert main(["report", JOB_ID]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert words == "Status FAILED Error empty-file Duration 1 min 1 s Relaunch cannot help"


def test_last_is_the_newest_job_that_the_user_started(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes["GET /v1/me"] = answer({"name": "alice", "groups": []})
    stack.routes["GET /v1/jobs"] = [
        answer({"items": [], "nextToken": "a"}),
        answer({"items": [partial()], "nextToken": "b"}),
    ]
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial())
    assert main(["job", "last"]) == 0
    assert JOB_ID in capsys.readouterr().out
    assert all(request.query["startedBy"] == "alice" for request in stack.sent("GET", "/v1/jobs"))
    stack.routes["GET /v1/jobs"] = answer({"items": [], "nextToken": None})
    assert main(["errors", "last"]) == 2
    assert "alice has started no job" in capsys.readouterr().err


def test_one_row_is_said_in_the_singular(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"total": 1, "processed": 1, "imported": 1, "rejected": 0, "unprocessed": 0}
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial(counts=counts))
    main(["job", JOB_ID])
    assert "1 row, 1 imported, 0 rejected" in capsys.readouterr().out
    assert progress_text(job(counts=counts)).startswith("1 of 1 row,")
