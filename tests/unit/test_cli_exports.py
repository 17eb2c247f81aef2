"""`waybill export` and `waybill exports`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import (
    EXPORT_ID,
    JOB_ID,
    OTHER_ID,
    Service,
    answer,
    export,
    exported,
    failed,
    job,
    offer_file,
    problem,
)
from waybill_cli.commands.export_now import matches_text
from waybill_cli.main import main
from waybill_cli.show import progress_text

pytestmark = pytest.mark.usefixtures("home")


def delivered_report(**changes: Any) -> dict[str, Any]:
    place = {"kind": "s3", "location": "s3://transfer/crm/contacts_20260131.csv"}
    document: dict[str, Any] = {"jobId": JOB_ID, "exportId": EXPORT_ID, "name": "Nightly contacts", "process": "export"}
    document |= {"status": "COMPLETED", "outcome": "SUCCESS", "fileName": "contacts_20260131.csv", "delivered": place}
    document |= {"numberOfItems": 2000, "bytes": 161994, "sha256": "ba25", "windowTo": "2026-01-31T09:30:00.000Z"}
    return document | {"relaunchable": False, "definition": {"fileName": "contacts_$yyyyMMdd.csv"}} | changes


def test_export_runs_watches_and_downloads(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warning = {"code": "empty-filter-value", "message": "Condition 1 of the filter compares with the empty text."}
    found = {"count": 2, "precision": "exact", "read": 2, "columns": [], "rows": [], "warnings": [warning]}
    stack.routes["POST /v1/exports/preview"] = answer(found)
    stack.routes["POST /v1/exports"] = answer(export(type="ONE_SHOT"), 201)
    started = answer(export(status="IN_PROGRESS", jobId=JOB_ID))
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/activate"] = started
    running = answer(job(process="export"), Retry_After="0")
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = [running, answer(exported())]
    path = f"/v1/jobs/{JOB_ID}/download"
    offer_file(stack, path, b"contact_id\r\n1\r\n2\r\n", 'attachment; filename="contacts_20260131.csv"')
    assert main(["export", "contacts", "--fields", "contact_id, email", "--filter", '[{"field": "vip"}]']) == 0
    sent = stack.sent("POST", "/v1/exports")[0].json
    assert sent.pop("name").startswith("contacts ")
    assert sent == {
        "entity": "contacts",
        "type": "ONE_SHOT",
        "destination": {"kind": "download"},
        "fields": ["contact_id", "email"],
        "filter": [{"field": "vip"}],
    }
    assert (home / "contacts_20260131.csv").read_bytes() == b"contact_id\r\n1\r\n2\r\n"
    printed = capsys.readouterr()
    assert "2 rows exported" in printed.out and "Saved contacts_20260131.csv" in printed.out
    assert printed.err.splitlines()[:3] == [
        "2 records match",
        "Warning: Condition 1 of the filter compares with the empty text.",
        "Export of contacts.csv …",
    ]
    previewed = stack.sent("POST", "/v1/exports/preview")[0].json
    assert previewed == {"entity": "contacts", "fields": ["contact_id", "email"], "filter": [{"field": "vip"}]}


def test_what_an_export_takes_is_told_as_surely_as_it_is_known() -> None:
    for found, text in (
        ({"count": 0, "precision": "exact", "read": 0}, "No record matches"),
        ({"count": 1, "precision": "exact", "read": 9}, "1 record matches"),
        ({"count": 1_000_000, "precision": "approximate", "read": 1_000_000}, "About 1,000,000 records match"),
        ({"count": 12, "precision": "at-least", "read": 20_000}, "12 of the first 20,000 match"),
        ({"count": 64_000, "precision": "at-least", "read": 64_000}, "At least 64,000 records match"),
    ):
        assert matches_text(found) == text
    running = job(process="export", message="1,200 rows exported", percent=35)
    assert progress_text(running).startswith("1,200 rows exported, 35%")


def test_an_export_runs_where_its_preview_is_refused(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes["POST /v1/exports/preview"] = problem(503, "Unavailable", "The table cannot be read.")
    stack.routes["POST /v1/exports"] = problem(422, "The request breaks a rule", "A field is unknown.")
    assert main(["export", "contacts"]) == 1
    assert "A field is unknown" in capsys.readouterr().err
    stack.routes["POST /v1/exports/preview"] = problem(422, "The request breaks a rule", "The export breaks a rule.")
    del stack.routes["POST /v1/exports"]
    assert main(["export", "contacts"]) == 1


def test_an_export_that_fails_exits_with_1_and_saves_nothing(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes["POST /v1/exports"] = answer(export(), 201)
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/activate"] = answer(export())  # a response without the job
    stack.routes[f"GET /v1/exports/{EXPORT_ID}/jobs"] = answer({"items": [job()], "nextToken": None})
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer({**failed(), "process": "export"})
    assert main(["export", "contacts", "-o", "c.csv", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["job"]["status"] == "FAILED" and document["file"] is None
    assert not (home / "c.csv").exists()


def test_an_invalid_output_is_refused_before_the_export_starts(stack: Service) -> None:
    assert main(["export", "contacts", "-o", "no/such/folder.csv"]) == 2
    assert main(["export", "contacts", "-o", "-", "--json"]) == 2
    assert stack.requests == []


def test_exports_lists_with_filters_before_or_after_the_word_list(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {"jobId": JOB_ID, "outcome": "SUCCESS", "completedAt": "2026-01-31T02:30:09.000Z"}
    stack.routes["GET /v1/exports"] = answer({"items": [export(lastRun=run)], "nextToken": None})
    assert main(["exports", "--status", "draft", "list", "--type", "incremental", "--data-type", "profile"]) == 0
    wanted = {"limit": "20", "status": "DRAFT", "type": "INCREMENTAL", "dataType": "profile"}
    assert stack.requests[-1].query == wanted
    assert "SUCCESS 2026-01-31 02:30:09Z" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "method", "path", "body"),
    [
        (["create", "d.json"], "POST", "", {"name": "n"}),
        (["update", EXPORT_ID, "d.json"], "PUT", f"/{EXPORT_ID}", {"name": "n"}),
        (["copy", EXPORT_ID, "--name", "Copy"], "POST", f"/{EXPORT_ID}/copy", {"name": "Copy"}),
        (["activate", EXPORT_ID], "POST", f"/{EXPORT_ID}/activate", None),
        (["unschedule", EXPORT_ID, "--confirm"], "POST", f"/{EXPORT_ID}/unschedule", {"confirm": True}),
        (["show", EXPORT_ID], "GET", f"/{EXPORT_ID}", None),
        (["definition", EXPORT_ID], "GET", f"/{EXPORT_ID}/definition", None),
    ],
)
def test_each_export_command_calls_its_route(
    stack: Service,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    method: str,
    path: str,
    body: Any,
) -> None:
    (home / "d.json").write_text('{"name": "n"}')
    stack.routes[f"{method} /v1/exports{path}"] = answer(export())
    assert main(["exports", *arguments]) == 0
    assert (json.loads(stack.requests[-1].body) if stack.requests[-1].body else None) == body
    assert EXPORT_ID in capsys.readouterr().out
    assert main(["exports", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exportId"] == EXPORT_ID


def test_exports_test_fails_with_what_to_correct(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = export(destination={"kind": "s3", "prefix": "crm"})  # as `exports show` prints it
    (home / "d.json").write_text(json.dumps(shown))
    route = "POST /v1/exports/test-destination"
    stack.routes[route] = answer({"ok": True, "code": None, "detail": "Waybill can write to the bucket box."})
    assert main(["exports", "test", "d.json"]) == 0
    assert capsys.readouterr().out == "Waybill can write to the bucket box.\n"
    sent = {"entity": "contacts", "destination": {"kind": "s3", "prefix": "crm"}}
    assert json.loads(stack.requests[-1].body) == sent
    stack.routes[route] = answer({"ok": False, "code": "auth", "detail": "Correct the \x1b[31msecret."})
    assert main(["exports", "test", "d.json"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("auth: Correct the") and "\x1b" not in printed
    assert main(["exports", "test", "d.json", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "auth"


def test_exports_run_jobs_schedule_report_and_delete(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    base = f"/v1/exports/{EXPORT_ID}"
    stack.routes[f"POST {base}/run"] = answer(job(process="export"), 202, Retry_After="0")
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(exported())
    assert main(["exports", "run", EXPORT_ID, "--watch"]) == 0
    assert f"waybill download {JOB_ID}" in capsys.readouterr().out

    stack.routes[f"GET {base}/jobs"] = answer({"items": [exported()], "nextToken": None})
    assert main(["exports", "jobs", EXPORT_ID]) == 0
    assert JOB_ID in capsys.readouterr().out

    stack.routes[f"GET {base}/preview-schedule"] = answer({"items": ["2026-02-02T01:30:00Z"]})
    assert main(["exports", "schedule", EXPORT_ID]) == 0
    assert capsys.readouterr().out == "2026-02-02 01:30:00Z\n"

    # the summary of a run outlives its job
    stack.routes[f"GET {base}"] = answer(export(lastRun={"jobId": JOB_ID, "outcome": "SUCCESS", "numberOfItems": 2}))
    assert main(["exports", "report", EXPORT_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "SUCCESS"

    failed = {"exportId": OTHER_ID, "status": 409, "detail": "An export that is SCHEDULED does not allow delete."}
    stack.routes["POST /v1/exports/delete"] = answer({"deleted": [EXPORT_ID], "failed": [failed]})
    assert main(["exports", "delete", EXPORT_ID, OTHER_ID]) == 1
    printed = capsys.readouterr()
    assert f"Deleted {EXPORT_ID}" in printed.out and f"{OTHER_ID} not deleted" in printed.err
    assert f"waybill exports show {OTHER_ID}" in printed.out


def test_the_report_of_an_export_tells_where_it_was_delivered(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"GET /v1/exports/{EXPORT_ID}"] = answer(export(lastRun={"jobId": JOB_ID}))
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(delivered_report())
    assert main(["exports", "report", EXPORT_ID]) == 0
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["Delivered"] == "s3://transfer/crm/contacts_20260131.csv"
    assert (lines["Rows"], lines["Bytes"], lines["SHA-256"]) == ("2,000", "161,994", "ba25")
    assert (lines["Window"], lines["Relaunch"]) == ("written before 2026-01-31 09:30:00Z", "cannot help")
    assert main(["exports", "report", EXPORT_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == delivered_report()


def test_the_report_of_a_failed_run_tells_how_to_repeat_it(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "delivery-failed", "message": "auth: refused"}
    document = delivered_report(status="FAILED", outcome="FAILED", error=error, delivered=None, relaunchable=True)
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(document)
    assert main(["report", JOB_ID]) == 0
    printed = capsys.readouterr().out
    assert "delivery-failed: auth: refused" in printed and f"waybill relaunch {JOB_ID} --watch" in printed
    assert "Delivered" not in printed


def test_the_report_of_a_paused_export_tells_why_it_paused(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    paused = export(lastRun={"jobId": JOB_ID}, message="Paused after 5 failed runs in a row; the last one: auth")
    stack.routes[f"GET /v1/exports/{EXPORT_ID}"] = answer(paused)
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(delivered_report())
    assert main(["exports", "report", EXPORT_ID]) == 0
    printed = capsys.readouterr().err
    assert "Paused after 5 failed runs" in printed and f"waybill exports activate {EXPORT_ID}" in printed


def test_a_finished_run_suggests_its_report(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    links = {"errorLog": None, "rejects": None, "download": None}
    for document in ({**exported(), "links": links}, {**failed(), "process": "export"}):
        stack.routes[f"POST /v1/exports/{EXPORT_ID}/run"] = answer(document, 202)
        main(["exports", "run", EXPORT_ID, "--watch"])
        assert f"waybill report {JOB_ID}" in capsys.readouterr().out


def test_activating_a_scheduled_export_tells_when_it_runs_and_has_nothing_to_watch(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """The response names the job of an earlier run."""
    scheduled = export(status="SCHEDULED", jobId=OTHER_ID, nextRunAt="2026-02-01T01:30:00.000Z", allowedActions=["run"])
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/activate"] = answer(scheduled)
    assert main(["exports", "activate", EXPORT_ID, "--watch"]) == 0
    printed = capsys.readouterr()
    assert "now SCHEDULED, next run 2026-02-01 01:30:00Z" in printed.out
    assert f"waybill exports run {EXPORT_ID} --watch" in printed.out and "nothing to watch" in printed.err
    assert not stack.sent("GET", f"/v1/jobs/{OTHER_ID}")


def test_activating_a_one_shot_export_suggests_following_its_run(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    running = export(status="IN_PROGRESS", type="ONE_SHOT", jobId=JOB_ID)
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/activate"] = answer(running)
    assert main(["exports", "activate", EXPORT_ID]) == 0
    assert f"waybill job {JOB_ID} --watch" in capsys.readouterr().out
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(exported())
    assert main(["exports", "activate", EXPORT_ID, "--watch"]) == 0
    assert f"waybill download {JOB_ID}" in capsys.readouterr().out


def test_ctrl_c_leaves_an_export_running(
    stack: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/run"] = answer(job(process="export"), 202)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("waybill_client.client.time.sleep", interrupt)
    assert main(["exports", "run", EXPORT_ID, "--watch"]) == 130
    printed = capsys.readouterr().err
    assert "the export continues" in printed and f"waybill job {JOB_ID} --watch" in printed
    assert [request.method for request in stack.requests if request.path.startswith("/v1/exports")] == ["POST"]


def test_a_forbidden_action_suggests_the_allowed_ones(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    refused = problem(409, "The state forbids it", "It is SCHEDULED.", allowedActions=["unschedule", "edit"])
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/run"] = refused
    assert main(["exports", "run", EXPORT_ID]) == 1
    assert "allowed now: unschedule, update" in capsys.readouterr().err


def test_an_irreversible_unscheduling_asks_for_confirm(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    errors = [{"pointer": "#/confirm", "detail": "must be true"}]
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/unschedule"] = problem(422, "Breaks a rule", "Not so.", errors=errors)
    assert main(["exports", "unschedule", EXPORT_ID]) == 1
    assert f"Next: waybill exports unschedule {EXPORT_ID} --confirm" in capsys.readouterr().err


def test_a_schedule_without_further_runs_says_so(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"GET /v1/exports/{EXPORT_ID}/preview-schedule"] = answer({"items": [], "nextToken": None})
    assert main(["exports", "schedule", EXPORT_ID]) == 0
    assert capsys.readouterr().out == "No further runs.\n"
