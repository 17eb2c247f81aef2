"""`waybill import`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import JOB_ID, UPLOAD_ID, Answer, Service, answer, failed, job, offer_upload, partial
from waybill_cli.main import main
from waybill_cli.show import next_steps

pytestmark = pytest.mark.usefixtures("home")


def test_import_sends_the_file_to_the_form_and_starts_the_import(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_upload(stack, [])
    content = b"contact_id,email\r\n" + b"1,a@example.com\r\n" * 20_000
    (home / "contacts.csv").write_bytes(content)
    assert main(["import", "contacts.csv", "--entity", "contacts"]) == 0

    assert stack.sent("POST", "/v1/uploads")[0].json == {"entity": "contacts", "fileName": "contacts.csv"}
    form = stack.sent("POST", "/files")[0]
    assert "authorization" not in form.headers
    assert [name for name, _ in form.form] == ["key", "policy", "x-amz-signature", "file"]  # S3 wants the file last
    assert form.form[-1][1] == content
    started = stack.sent("POST", "/v1/imports")[0]
    assert started.json == {"uploadId": UPLOAD_ID}
    assert started.headers["idempotency-key"]
    out = capsys.readouterr().out
    assert f"waybill job {JOB_ID} --watch" in out and f"waybill cancel {JOB_ID}" in out


def test_import_passes_every_option(stack: Service, home: Path) -> None:
    offer_upload(stack, [])
    (home / "c.csv").write_text("a\n1\n")
    (home / "columns.json").write_text('{"E-mail": "email"}')
    options = ["--mode", "update", "--on-error", "abort", "--max-errors", "5", "--dry-run", "--encoding", "cp1252"]
    options += ["--dialect", '{"delimiter": ";"}', "--columns", "@columns.json", "--unescape-formulas"]
    options += ["--mail", "a@example.com", "--mail", "b@example.com", "--webhook", "https://a.example/?b=c=hooks/a"]
    assert main(["import", "c.csv", "--entity", "contacts", *options]) == 0
    assert stack.sent("POST", "/v1/imports")[0].json == {
        "uploadId": UPLOAD_ID,
        "mode": "update",
        "onError": "abort",
        "maxErrors": 5,
        "dryRun": True,
        "encoding": "cp1252",
        "dialect": {"delimiter": ";"},
        "columns": {"E-mail": "email"},
        "unescapeFormulas": True,
        "recipients": ["a@example.com", "b@example.com"],
        "webhooks": [{"url": "https://a.example/?b=c", "secretId": "hooks/a"}],
    }


def test_a_watched_import_ends_with_its_counts_and_next_steps(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = answer(job(), ETag='"1"', Retry_After="0")
    unchanged: Answer = (304, {"ETag": '"1"', "Retry-After": "0"}, b"")
    offer_upload(stack, [running, unchanged, answer(partial(), ETag='"2"')])
    (home / "contacts.csv").write_text("a\n1\n")
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch"]) == 0
    tags = [request.headers.get("if-none-match") for request in stack.sent("GET", f"/v1/jobs/{JOB_ID}")]
    assert tags == [None, '"1"', '"1"']
    printed = capsys.readouterr()
    assert "COMPLETED (PARTIAL_SUCCESS)" in printed.out
    assert "34,033 rows, 34,013 imported, 20 rejected, 0 unprocessed, in 6.3 s" in printed.out
    assert f"waybill errors {JOB_ID}" in printed.out
    assert f"waybill rejects {JOB_ID} -o contacts.rejects.csv" in printed.out
    assert printed.err == "Import of contacts.csv …\n"  # no terminal: one plain line


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"mode": "merge"}, f"waybill fix {JOB_ID} --rows contacts.rejects.csv  # import them"),
        ({"mode": "delete", "dryRun": True}, f"waybill fix {JOB_ID} --rows contacts.rejects.csv  # check them"),
        ({"undoOf": JOB_ID}, None),
    ],
)
def test_rejected_rows_are_sent_again_with_the_mode_and_options_of_their_job(
    changes: dict[str, Any], hint: str | None
) -> None:
    steps = [f"{command}  # {purpose}" for command, purpose in next_steps(partial(**changes))]
    assert [step.removesuffix(" once they are corrected") for step in steps if "waybill fix" in step] == [hint] * bool(
        hint
    )
    assert not any("waybill import" in step for step in steps), "which would forget the mode"


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_file_refused_for_its_number_of_rows_leads_to_its_relaunch(dry_run: bool) -> None:
    refused = {**failed(), "error": {"code": "unusual-rows", "message": "…"}, "dryRun": dry_run}
    commands = [command for command, _ in next_steps(refused)]
    assert (f"waybill relaunch {JOB_ID}" in commands) != dry_run, "that of a dry run imports nothing"


def test_a_watched_import_that_fails_exits_with_1(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_upload(stack, [answer(failed())])
    (home / "contacts.csv").write_text("a\n")
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "empty-file"


def test_a_header_that_does_not_fit_leads_to_the_columns_that_it_may_mean(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"code": "missing-label", "message": 'There is no label for the field "email"'}
    offer_upload(stack, [answer({**failed(), "error": error})] * 2)
    open_ = {"field": None, "isKnown": False, "why": None}
    proposals = [
        {"field": "contact_id", "isKnown": True, "why": None, "choices": []},
        {"field": "email", "isKnown": False, "why": 'is the field "email" but for case', "choices": []},
        {**open_, "choices": [{"field": "city", "why": "shares words"}]},
        {**open_, "choices": []},
    ]
    labels = ["contact_id", "E-Mail", "Town, city", "vip"]
    preview = {"labels": labels, "proposals": proposals}
    stack.routes[f"POST /v1/uploads/{UPLOAD_ID}/preview"] = answer(preview)
    (home / "c.csv").write_text("a\n")
    options = ["--mode", "merge", "--columns", '{"vip": "is_vip"}', "--watch"]
    assert main(["import", "c.csv", "--entity", "contacts", *options]) == 1
    assert stack.sent("POST", f"/v1/uploads/{UPLOAD_ID}/preview")[0].json == {"mode": "merge"}
    printed = capsys.readouterr()
    assert "'E-Mail' is the field \"email\" but for case" in printed.err
    assert "'Town, city' may mean 'city': it shares words" in printed.err
    assert """--columns '{"vip": "is_vip", "E-Mail": "email"}' --watch""" in printed.out


def test_ctrl_c_leaves_an_import_running_and_says_so(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_upload(stack, [answer(job(), Retry_After="1")])
    (home / "contacts.csv").write_text("a\n1\n")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("waybill_client.client.time.sleep", sleep)
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch", "--json"]) == 130
    printed = capsys.readouterr()
    assert waits[1] == 1.0  # as the service asked
    assert "the import continues" in printed.err and f"waybill stop {JOB_ID}" in printed.err
    assert json.loads(printed.out)["status"] == "IN_PROGRESS"
    assert not any(request.path.endswith(("/stop", "/cancel")) for request in stack.requests)


def test_a_refusal_of_s3_is_shown(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    offer_upload(stack, [])
    xml = b"<Error><Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum</Message></Error>"
    stack.routes["POST /files"] = (400, {"Content-Type": "application/xml"}, xml)
    (home / "c.csv").write_text("a\n1\n")
    assert main(["import", "c.csv", "--entity", "contacts"]) == 1
    assert "EntityTooLarge: Your proposed upload exceeds the maximum" in capsys.readouterr().err
    assert stack.sent("POST", "/v1/imports") == []


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_a_usage_error_before_anything_is_sent(stack: Service, name: str) -> None:
    assert main(["import", name, "--entity", "contacts"]) == 2
    assert stack.requests == []


def test_a_failed_upload_is_sent_again_from_its_start(stack: Service, home: Path) -> None:
    offer_upload(stack, [])
    stack.routes["POST /files"] = [(503, {}, b""), (204, {}, b"")]
    (home / "c.csv").write_bytes(b"a\n1\n")
    assert main(["import", "c.csv", "--entity", "contacts"]) == 0
    assert [request.form[-1][1] for request in stack.sent("POST", "/files")] == [b"a\n1\n"] * 2


def test_standard_input_is_imported_under_the_name_that_is_given(
    stack: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_upload(stack, [answer(partial())])
    for words, name in ((["--name", "orders.csv"], "orders.csv"), ([], "stdin")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\n1\n")))
        assert main(["import", "-", "--entity", "contacts", *words]) == 0
        assert stack.sent("POST", "/v1/uploads")[-1].json["fileName"] == name
        assert stack.sent("POST", "/files")[-1].form[-1] == ("file", b"a\n1\n")
