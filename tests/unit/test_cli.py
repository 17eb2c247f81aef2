"""The `waybill` command, run against a service made of the contract's examples on a loopback port."""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import hashlib
import io
import json
import re
import stat
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from waybill_cli import client, output, signin
from waybill_cli.main import main
from waybill_cli.output import Progress, safe
from waybill_cli.profile import profile_path

JOB_ID = "0b0f6f3e-7d5b-4a86-9a36-3c1f6a7d1c11"
OTHER_ID = "1b0f6f3e-7d5b-4a86-9a36-3c1f6a7d1c22"
EXPORT_ID = "7c5f6f3e-7d5b-4a86-9a36-3c1f6a7d1c33"
UPLOAD_ID = "9d5f6f3e-7d5b-4a86-9a36-3c1f6a7d1c44"
USERS = {"admin": "pw-admin", "alice": "pw-alice"}
COUNTS = {"total": 34033, "processed": 1200, "imported": 1180, "rejected": 20, "unprocessed": 0}

Answer = tuple[int, dict[str, str], bytes]


def job(**changes: Any) -> dict[str, Any]:
    """The example of the contract, section 4."""
    document: dict[str, Any] = {
        "jobId": JOB_ID,
        "process": "import",
        "status": "IN_PROGRESS",
        "outcome": None,
        "entity": "contacts",
        "fileName": "contacts.csv",
        "submittedAt": "2026-01-31T09:30:00.125Z",
        "startedAt": "2026-01-31T09:30:01.000Z",
        "completedAt": None,
        "durationSeconds": None,
        "startedBy": "alice",
        "counts": COUNTS,
        "numberOfItems": 34033,
        "message": "1,200 of 34,033 rows processed",
        "error": None,
        "allowedActions": ["stop"],
        "mode": "upsert",
        "dryRun": False,
        "onError": "skip",
        "detected": {"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
        "rowsPerSecond": 5400,
        "remainingSeconds": 6,
        "queuePosition": None,
        "stopReason": None,
        "duplicateOf": None,
        "exportId": None,
        "windowFrom": None,
        "windowTo": None,
        "retryOf": None,
        "expiresAt": None,
        "filesExpireAt": None,
        "links": {"errorLog": None, "rejects": None, "download": None},
    }
    return {**document, **changes}


def waiting(**changes: Any) -> dict[str, Any]:
    counts = {"total": None, "processed": 0, "imported": 0, "rejected": 0, "unprocessed": 0}
    values = {"status": "WAITING", "startedAt": None, "counts": counts, "message": "Queued", "queuePosition": 2}
    return job(**{**values, "allowedActions": ["cancel"], "rowsPerSecond": None, "remainingSeconds": None, **changes})


def partial(**changes: Any) -> dict[str, Any]:
    counts = {"total": 34033, "processed": 34033, "imported": 34013, "rejected": 20, "unprocessed": 0}
    base = f"https://example.com/v1/jobs/{JOB_ID}"
    values: dict[str, Any] = {
        "status": "COMPLETED",
        "outcome": "PARTIAL_SUCCESS",
        "completedAt": "2026-01-31T09:30:07.300Z",
        "durationSeconds": 6.3,
        "counts": counts,
        "message": "34,013 rows imported, 20 rejected because of errors",
        "allowedActions": ["delete"],
        "links": {"errorLog": f"{base}/error-log", "rejects": f"{base}/rejects", "download": None},
    }
    return job(**{**values, **changes})


def failed() -> dict[str, Any]:
    counts = {"total": 0, "processed": 0, "imported": 0, "rejected": 0, "unprocessed": 0}
    error = {"code": "empty-file", "message": "The file has no data rows."}
    values = {"status": "FAILED", "outcome": "FAILED", "counts": counts, "error": error, "durationSeconds": 0.4}
    return job(**values, message="empty-file: The file has no data rows.", allowedActions=["delete"])


def exported() -> dict[str, Any]:
    counts = {"total": 2, "processed": 2, "imported": 2, "rejected": 0, "unprocessed": 0}
    values = {"process": "export", "status": "COMPLETED", "outcome": "SUCCESS", "counts": counts}
    links = {"errorLog": None, "rejects": None, "download": "https://example.com/download"}
    return job(**values, exportId=EXPORT_ID, message="2 rows exported", allowedActions=["delete"], links=links)


def export(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "exportId": EXPORT_ID,
        "name": "Nightly contacts",
        "entity": "contacts",
        "type": "INCREMENTAL",
        "status": "DRAFT",
        "format": "csv",
        "destination": {"kind": "sftp"},
        "jobId": None,
        "lastRun": None,
    }
    return {**values, **changes}


def answer(document: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **named}, json.dumps(document).encode()


def problem(status: int, title: str, detail: str, **members: Any) -> Answer:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return status, {"Content-Type": "application/problem+json"}, json.dumps(document).encode()


class Request:
    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urllib.parse.urlsplit(handler.path)
        self.method, self.path = handler.command, parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(int(self.headers.get("content-length", 0)))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> list[tuple[str, bytes]]:
        """(name, value) of each part of a multipart body, in order."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        return [
            (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
            for part in message.iter_parts()
        ]


Route = Answer | list[Answer] | Callable[[Request], Answer]


class Service:
    """Answers by `METHOD /path`. A list of answers is given one by one, the last one again and again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.sign_ins: list[dict[str, Any]] = []
        self.routes: dict[str, Route] = {
            "GET /v1/auth-config": answer(
                {"issuer": "https://cognito-idp.x/pool", "clientId": "client", "region": "us-east-1", "endpoint": url}
            ),
            "POST /": self._initiate_auth,
        }

    def _initiate_auth(self, request: Request) -> Answer:
        assert request.headers["x-amz-target"] == "AWSCognitoIdentityProviderService.InitiateAuth"
        assert "authorization" not in request.headers
        self.sign_ins.append(request.json)
        parameters = request.json["AuthParameters"]
        if request.json["AuthFlow"] == "REFRESH_TOKEN_AUTH":
            good, user = parameters["REFRESH_TOKEN"].startswith("refresh-"), parameters["REFRESH_TOKEN"][8:]
        else:
            user = parameters["USERNAME"]
            good = USERS.get(user) == parameters["PASSWORD"]
        if not good:
            return answer({"__type": "NotAuthorizedException", "message": "Incorrect username or password."}, 400)
        result = {"AccessToken": f"token-{user}-{len(self.sign_ins)}", "ExpiresIn": 3600}
        if request.json["AuthFlow"] == "USER_PASSWORD_AUTH":
            result["RefreshToken"] = f"refresh-{user}"
        return answer({"AuthenticationResult": result})

    def reply(self, request: Request) -> Answer:
        self.requests.append(request)
        route = self.routes.get(f"{request.method} {request.path}")
        if route is None:
            return problem(404, "Not found", f"There is no {request.method} {request.path}.")
        if isinstance(route, list):
            return route.pop(0) if len(route) > 1 else route[0]
        return route(request) if callable(route) else route

    def sent(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == (method, path)]


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def respond(self) -> None:
            status, headers, body = holder[0].reply(Request(self))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    holder = [Service(f"http://127.0.0.1:{server.server_port}")]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield holder[0]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and configuration, and no long waits."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(signin.TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(client, "BACKOFF_SECONDS", (0.01, 0.01))
    return folder


@pytest.fixture
def stack(service: Service, home: Path) -> Service:
    """The service as a local stack of the working folder."""
    (home / ".waybill").mkdir()
    (home / ".waybill" / "stack.json").write_text(json.dumps({"apiUrl": service.url, "users": USERS}))
    return service


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# -- which Waybill, and as whom


def test_token_prints_a_token_and_nothing_else(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--user", "alice"]) == 0
    assert capsys.readouterr().out == "token-alice-1\n"
    assert stack.sign_ins[0]["AuthFlow"] == "USER_PASSWORD_AUTH"
    assert stack.sign_ins[0]["ClientId"] == "client"


def test_the_stack_is_found_from_a_folder_below_with_admin_as_default(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(home / "a" / "b")
    assert main(["token"]) == 0
    assert capsys.readouterr().out == "token-admin-1\n"


def test_an_unknown_user_of_the_stack_is_a_usage_error(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--user", "carol"]) == 2
    assert "known here: admin, alice" in capsys.readouterr().err


def test_without_any_address_the_ways_to_give_one_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs"]) == 2
    assert "--api-url" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["example.com", "ftp://example.com", "https://", "http://[", "http://x?y=1"])
def test_what_is_no_address_is_a_usage_error(address: str) -> None:
    assert main(["jobs", "--api-url", address]) == 2


def test_login_saves_a_private_profile_that_later_commands_use(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("pw-alice\n"))
    assert main(["login", "--api-url", f"{service.url}/v1/", "--user", "alice", "--password-stdin"]) == 0
    assert stat.S_IMODE(profile_path().stat().st_mode) == 0o600
    saved = profile_path().read_text()
    assert "pw-alice" not in saved and json.loads(saved)["apiUrl"] == service.url
    capsys.readouterr()

    service.routes["GET /v1/me"] = answer({"name": "alice", "subject": "s", "groups": ["ops", "sales"]})
    assert main(["me"]) == 0
    assert service.sent("GET", "/v1/me")[0].headers["authorization"] == "Bearer token-alice-1"
    assert "ops, sales" in capsys.readouterr().out
    assert len(service.sign_ins) == 1


def test_login_with_a_wrong_password_is_refused_and_saves_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("nonsense\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "Incorrect username or password" in capsys.readouterr().err
    assert not profile_path().exists()


def test_login_takes_the_password_of_the_local_stack(stack: Service) -> None:
    assert main(["login", "--user", "alice"]) == 0
    assert json.loads(profile_path().read_text())["user"] == "alice"


def test_login_says_which_challenge_it_cannot_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.routes["POST /"] = answer({"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s"})
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "NEW_PASSWORD_REQUIRED" in capsys.readouterr().err


def test_no_password_is_sent_where_there_is_no_user_pool(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"issuer": "https://login.example.com", "clientId": "c", "region": "us-east-1", "endpoint": None}
    service.routes["GET /v1/auth-config"] = answer(config)
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "WAYBILL_TOKEN" in capsys.readouterr().err


def test_a_token_of_another_issuer_comes_from_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYBILL_TOKEN", "mine")
    service.routes["GET /v1/me"] = answer({"name": "x", "groups": []})
    assert main(["me", "--api-url", service.url]) == 0
    assert service.requests[-1].headers["authorization"] == "Bearer mine"


def write_profile(url: str, *, refresh_token: str | None = "refresh-alice", expires_in: float = 3600) -> None:
    profile_path().parent.mkdir(parents=True)
    profile = {"apiUrl": url, "user": "alice", "token": "old", "refreshToken": refresh_token}
    profile_path().write_text(json.dumps({**profile, "expiresAt": time.time() + expires_in}))


def test_an_expired_token_is_renewed_and_saved(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    write_profile(service.url, expires_in=-1)
    assert main(["token"]) == 0
    assert capsys.readouterr().out == "token-alice-1\n"
    saved = json.loads(profile_path().read_text())
    assert (saved["token"], saved["refreshToken"]) == ("token-alice-1", "refresh-alice")


def test_a_refused_token_is_renewed_once(service: Service) -> None:
    write_profile(service.url)
    refused = problem(401, "A valid token is needed", "The token has expired.")
    service.routes["GET /v1/me"] = [refused, answer({"name": "alice", "groups": []})]
    assert main(["me"]) == 0
    tokens = [request.headers["authorization"] for request in service.sent("GET", "/v1/me")]
    assert tokens == ["Bearer old", "Bearer token-alice-1"]


def test_a_sign_in_that_cannot_be_renewed_says_how_to_sign_in(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    write_profile(service.url, refresh_token="revoked", expires_in=-1)
    assert main(["token"]) == 1
    assert "waybill login --user alice" in capsys.readouterr().err


def test_the_saved_token_goes_to_no_other_address(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    write_profile("https://elsewhere.example.com")
    assert main(["me", "--api-url", service.url]) == 1
    assert "Nobody is signed in" in capsys.readouterr().err
    assert service.requests == []


def test_logout_removes_a_profile_even_when_it_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    profile_path().parent.mkdir(parents=True)
    profile_path().write_text("{")
    assert main(["jobs"]) == 2
    assert "waybill logout" in capsys.readouterr().err
    assert main(["logout"]) == 0
    assert not profile_path().exists()
    assert main(["logout", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.split("\n", 1)[1]) == {"removed": False}


# -- refusals and outages


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


def test_an_address_where_nothing_listens_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_profile("http://127.0.0.1:1")
    assert main(["jobs"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("waybill: Cannot reach http://127.0.0.1:1 (saved in ")
    assert lines[0].endswith("Connection refused")
    assert len(lines) == 2


def test_an_answer_that_is_not_waybills_says_so(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes["GET /v1/me"] = (200, {"Content-Type": "text/html"}, b"<html>")
    assert main(["me"]) == 1
    assert "not one of Waybill's" in capsys.readouterr().err


def test_an_answer_without_the_expected_members_gives_no_stack_trace(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer({"unexpected": True})
    assert main(["job", JOB_ID]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_busy_service_is_asked_again(stack: Service) -> None:
    busy = (503, {"Retry-After": "0"}, b"")
    stack.routes["GET /v1/me"] = [busy, busy, answer({"name": "admin", "groups": []})]
    assert main(["me"]) == 0


def test_what_has_an_effect_is_not_repeated(stack: Service) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/relaunch"] = (503, {}, b"")
    assert main(["relaunch", JOB_ID]) == 1
    assert len(stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch")) == 1


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
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2


# -- import


def offer_upload(service: Service, jobs: list[Answer]) -> None:
    fields = {"key": f"uploads/{UPLOAD_ID}/source", "policy": "p", "x-amz-signature": "s"}
    upload = {"uploadId": UPLOAD_ID, "url": f"{service.url}/files", "fields": fields, "expiresAt": "…"}
    service.routes["POST /v1/uploads"] = answer(upload, 201)
    service.routes["POST /files"] = (204, {}, b"")
    service.routes["POST /v1/imports"] = answer(waiting(), 202, Location=f"/v1/jobs/{JOB_ID}", Retry_After="0")
    service.routes[f"GET /v1/jobs/{JOB_ID}"] = jobs


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
    }


def test_a_watched_import_ends_with_counts_and_what_to_do_next(
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


def test_a_watched_import_that_fails_exits_with_1(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_upload(stack, [answer(failed())])
    (home / "contacts.csv").write_text("a\n")
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "empty-file"


def test_ctrl_c_leaves_the_job_running_and_says_so(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_upload(stack, [answer(job(), Retry_After="1")])
    (home / "contacts.csv").write_text("a\n1\n")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("waybill_cli.watch.time.sleep", sleep)
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch", "--json"]) == 130
    printed = capsys.readouterr()
    assert waits[1] == 1.0  # as the service asked
    assert "the import goes on" in printed.err and f"waybill stop {JOB_ID}" in printed.err
    assert json.loads(printed.out)["status"] == "IN_PROGRESS"
    assert not any(request.path.endswith(("/stop", "/cancel")) for request in stack.requests)


def test_what_s3_refuses_is_shown(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_an_upload_with_a_broken_answer_is_sent_again_from_its_start(stack: Service, home: Path) -> None:
    offer_upload(stack, [])
    stack.routes["POST /files"] = [(503, {}, b""), (204, {}, b"")]
    (home / "c.csv").write_bytes(b"a\n1\n")
    assert main(["import", "c.csv", "--entity", "contacts"]) == 0
    assert [request.form[-1][1] for request in stack.sent("POST", "/files")] == [b"a\n1\n"] * 2


# -- jobs


def test_jobs_goes_on_through_short_pages_up_to_the_limit(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_jobs_all_as_json(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [answer({"items": [job()], "nextToken": "a"}), answer({"items": [partial()], "nextToken": None})]
    stack.routes["GET /v1/jobs"] = pages
    assert main(["--json", "jobs", "--all"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["status"] for item in listed["items"]] == ["IN_PROGRESS", "COMPLETED"]
    assert listed["nextToken"] is None


@pytest.mark.parametrize(
    ("document", "status"), [(job(), 0), (partial(), 0), (failed(), 1), (partial(outcome="FAILED"), 1)]
)
def test_job_tells_by_its_exit_status_whether_the_job_failed(
    stack: Service, capsys: pytest.CaptureFixture[str], document: dict[str, Any], status: int
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(document)
    assert main(["job", JOB_ID]) == status
    assert document["message"] in capsys.readouterr().out


def test_errors_lists_every_page_and_the_summary_and_disarms_cells(
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


def test_errors_as_json_holds_all_and_the_summary(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}/errors"] = answer({"items": [], "nextToken": None, "summary": []})
    assert main(["errors", JOB_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"items": [], "nextToken": None, "summary": []}


def test_cancel_and_stop_show_the_job_as_it_is_now(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/cancel"] = answer(job(status="CANCELED", message="Canceled"))
    assert main(["cancel", JOB_ID]) == 0
    assert "CANCELED" in capsys.readouterr().out
    stack.routes[f"POST /v1/jobs/{JOB_ID}/stop"] = answer(job(message="Stopping"))
    assert main(["stop", JOB_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["message"] == "Stopping"


def test_delete_says_what_could_not_be_deleted(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"deleted": [JOB_ID], "failed": [{"jobId": OTHER_ID, "status": 409, "detail": "It still runs."}]}
    stack.routes["POST /v1/jobs/delete"] = answer(result)
    assert main(["delete", JOB_ID, OTHER_ID]) == 1
    assert stack.requests[-1].json == {"jobIds": [JOB_ID, OTHER_ID]}
    printed = capsys.readouterr()
    assert f"Deleted {JOB_ID}" in printed.out and "It still runs." in printed.err


def test_report(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"outcome": "FAILED", "durationSeconds": 61, "error": {"code": "empty-file"}, "relaunchable": False}
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(document)
    assert main(["report", JOB_ID]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert words == "Status FAILED Error empty-file Duration 1 min 1 s Relaunch does not help"


# -- files


def offer_file(service: Service, path: str, content: bytes, disposition: str) -> None:
    service.routes[f"GET {path}"] = (303, {"Location": f"{service.url}/signed?X-Amz-Signature=s"}, b"")
    service.routes["GET /signed"] = (200, {"Content-Disposition": disposition}, content)


def test_rejects_are_saved_where_o_says(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"_row,_type,_reason,a\r\n2,type-error,x,\xff\r\n"
    offer_file(stack, f"/v1/jobs/{JOB_ID}/rejects", content, 'attachment; filename="contacts.rejects.csv"')
    assert main(["rejects", JOB_ID, "-o", "r.csv", "--json"]) == 0
    assert (home / "r.csv").read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(capsys.readouterr().out) == {"file": "r.csv", "bytes": len(content), "sha256": digest}
    assert "authorization" not in stack.sent("GET", "/signed")[0].headers  # S3 refuses two kinds of credentials


def test_a_download_to_standard_output_is_the_file_and_nothing_else(
    stack: Service, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/error-log", b"a\xff\n", "attachment")
    assert main(["error-log", JOB_ID, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == b"a\xff\n"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=\"caf_.csv\"; filename*=UTF-8''caf%C3%A9.csv", "café.csv"),
        ('attachment; filename="../../evil.csv"', "evil.csv"),
        ("attachment; filename*=UTF-8''..%2F.bashrc", "bashrc"),
        ("", "download"),
    ],
)
def test_a_file_keeps_its_own_name_but_stays_in_the_folder(
    stack: Service, home: Path, disposition: str, name: str
) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/download", b"x", disposition)
    assert main(["download", JOB_ID]) == 0
    assert [path.name for path in home.iterdir() if path.is_file()] == [name]


def test_a_file_that_is_already_there_is_left_alone(stack: Service, home: Path) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/download", b"new", 'attachment; filename="a.csv"')
    (home / "a.csv").write_bytes(b"old")
    assert main(["download", JOB_ID]) == 0
    assert (home / "a.csv").read_bytes() == b"old" and (home / "a-2.csv").read_bytes() == b"new"


def test_a_download_that_breaks_leaves_no_part_of_a_file(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/download", b"", "")
    stack.routes["GET /signed"] = (200, {"Content-Length": "10", "Connection": "close"}, b"short")
    assert main(["download", JOB_ID, "-o", "a.csv"]) == 1
    assert [path.name for path in home.iterdir()] == [".waybill"]
    assert "Cannot reach" in capsys.readouterr().err


def test_a_missing_rejects_file_is_one_clear_line(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejects", JOB_ID]) == 1
    assert capsys.readouterr().err.startswith("waybill: Not found: ")


# -- entities


def test_entities_are_listed_put_and_shown(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = {"fields": [{"name": "contact_id"}, {"name": "email"}], "primaryKey": ["contact_id"]}
    entity = {"name": "contacts", "title": "Contacts", "database": "crm", "dataType": "profile", "schema": schema}
    stack.routes["GET /v1/entities"] = answer({"items": [entity], "nextToken": None})
    stack.routes["GET /v1/entities/contacts"] = answer(entity)
    stack.routes["PUT /v1/entities/contacts"] = answer(entity, 201)
    assert main(["entities"]) == 0
    assert "contact_id, email" in capsys.readouterr().out
    assert main(["entities", "show", "contacts"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown) == entity
    (home / "contacts.json").write_text(shown)
    assert main(["entities", "put", "contacts", "contacts.json"]) == 0
    assert "name" not in stack.requests[-1].json  # what `show` gives can be put back
    assert "Created contacts" in capsys.readouterr().out


def test_an_entity_file_that_is_not_json_is_a_usage_error(stack: Service, home: Path) -> None:
    (home / "e.json").write_text("{")
    assert main(["entities", "put", "contacts", "e.json"]) == 2
    assert main(["entities", "put", "contacts", "missing.json"]) == 2


def test_an_entity_is_deleted_only_with_a_yes(stack: Service) -> None:
    stack.routes["DELETE /v1/entities/contacts"] = (204, {}, b"")
    assert main(["entities", "delete", "contacts"]) == 2
    assert stack.requests == []
    assert main(["entities", "delete", "contacts", "--yes"]) == 0


def test_records(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"contact_id": "007", "vip": True}, {"contact_id": "008", "email": None}]
    stack.routes["GET /v1/entities/contacts/records"] = answer({"items": items, "nextToken": None})
    assert main(["entities", "records", "contacts"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["contact_id", "vip", "email"]


# -- exports


def test_export_runs_watches_and_downloads(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert printed.err.splitlines()[0] == "Export of contacts.csv …"


def test_an_export_that_fails_exits_with_1_and_saves_nothing(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes["POST /v1/exports"] = answer(export(), 201)
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/activate"] = answer(export())  # an answer that names no job yet
    stack.routes[f"GET /v1/exports/{EXPORT_ID}/jobs"] = answer({"items": [job()], "nextToken": None})
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer({**failed(), "process": "export"})
    assert main(["export", "contacts", "-o", "c.csv", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["job"]["status"] == "FAILED" and document["file"] is None
    assert not (home / "c.csv").exists()


def test_an_output_that_cannot_work_is_refused_before_the_export_starts(stack: Service) -> None:
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


def test_exports_test_says_what_to_mend_and_fails(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = export(destination={"kind": "s3", "prefix": "crm"})  # as `exports show` prints it
    (home / "d.json").write_text(json.dumps(shown))
    route = "POST /v1/exports/test-destination"
    stack.routes[route] = answer({"ok": True, "code": None, "detail": "The bucket box lets us write there."})
    assert main(["exports", "test", "d.json"]) == 0
    assert capsys.readouterr().out == "The bucket box lets us write there.\n"
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

    stack.routes[f"DELETE {base}"] = (204, {}, b"")
    assert main(["exports", "delete", EXPORT_ID, OTHER_ID]) == 1
    printed = capsys.readouterr()
    assert f"Deleted {EXPORT_ID}" in printed.out and f"{OTHER_ID} not deleted" in printed.err


def delivered_report(**changes: Any) -> dict[str, Any]:
    place = {"kind": "s3", "location": "s3://transfer/crm/contacts_20260131.csv"}
    document: dict[str, Any] = {"jobId": JOB_ID, "exportId": EXPORT_ID, "name": "Nightly contacts", "process": "export"}
    document |= {"status": "COMPLETED", "outcome": "SUCCESS", "fileName": "contacts_20260131.csv", "delivered": place}
    document |= {"numberOfItems": 2000, "bytes": 161994, "sha256": "ba25", "windowTo": "2026-01-31T09:30:00.000Z"}
    return document | {"relaunchable": False, "definition": {"fileName": "contacts_$yyyyMMdd.csv"}} | changes


def test_the_report_of_an_export_says_where_it_went(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"GET /v1/exports/{EXPORT_ID}"] = answer(export(lastRun={"jobId": JOB_ID}))
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(delivered_report())
    assert main(["exports", "report", EXPORT_ID]) == 0
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["Delivered"] == "s3://transfer/crm/contacts_20260131.csv"
    assert (lines["Rows"], lines["Bytes"], lines["SHA-256"]) == ("2,000", "161,994", "ba25")
    assert (lines["Written"], lines["Relaunch"]) == ("all, to before 2026-01-31 09:30:00Z", "does not help")
    assert main(["exports", "report", EXPORT_ID, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == delivered_report()


def test_the_report_of_a_failed_run_says_how_to_repeat_it(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "delivery-failed", "message": "auth: refused"}
    document = delivered_report(status="FAILED", outcome="FAILED", error=error, delivered=None, relaunchable=True)
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(document)
    assert main(["report", JOB_ID]) == 0
    printed = capsys.readouterr().out
    assert "delivery-failed: auth: refused" in printed and f"waybill relaunch {JOB_ID} --watch" in printed
    assert "Delivered" not in printed


def test_the_report_of_a_paused_export_says_why_it_paused(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    paused = export(lastRun={"jobId": JOB_ID}, message="Paused after 5 failed runs in a row; the last one: auth")
    stack.routes[f"GET /v1/exports/{EXPORT_ID}"] = answer(paused)
    stack.routes[f"GET /v1/jobs/{JOB_ID}/report"] = answer(delivered_report())
    assert main(["exports", "report", EXPORT_ID]) == 0
    printed = capsys.readouterr().err
    assert "Paused after 5 failed runs" in printed and f"waybill exports activate {EXPORT_ID}" in printed


def test_a_run_that_ended_leads_to_its_report(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    links = {"errorLog": None, "rejects": None, "download": None}
    for document in ({**exported(), "links": links}, {**failed(), "process": "export"}):
        stack.routes[f"POST /v1/exports/{EXPORT_ID}/run"] = answer(document, 202)
        main(["exports", "run", EXPORT_ID, "--watch"])
        assert f"waybill report {JOB_ID}" in capsys.readouterr().out


def test_activating_a_scheduled_export_says_when_it_runs_and_has_nothing_to_watch(
    stack: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job that it names is that of an earlier run."""
    scheduled = export(status="SCHEDULED", jobId=OTHER_ID, nextRunAt="2026-02-01T01:30:00.000Z", allowedActions=["run"])
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/activate"] = answer(scheduled)
    assert main(["exports", "activate", EXPORT_ID, "--watch"]) == 0
    printed = capsys.readouterr()
    assert "now SCHEDULED, runs next at 2026-02-01 01:30:00Z" in printed.out
    assert f"waybill exports run {EXPORT_ID} --watch" in printed.out and "nothing to watch" in printed.err
    assert not stack.sent("GET", f"/v1/jobs/{OTHER_ID}")


def test_activating_a_one_shot_leads_to_its_run(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
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

    monkeypatch.setattr("waybill_cli.watch.time.sleep", interrupt)
    assert main(["exports", "run", EXPORT_ID, "--watch"]) == 130
    printed = capsys.readouterr().err
    assert "the export goes on without you" in printed and f"waybill job {JOB_ID} --watch" in printed
    assert [request.method for request in stack.requests if request.path.startswith("/v1/exports")] == ["POST"]


def test_what_the_state_forbids_leads_to_what_it_allows(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    refused = problem(409, "The state forbids it", "It is SCHEDULED.", allowedActions=["unschedule", "edit"])
    stack.routes[f"DELETE /v1/exports/{EXPORT_ID}"] = refused
    assert main(["exports", "delete", EXPORT_ID]) == 1
    assert f"waybill exports unschedule {EXPORT_ID}" in capsys.readouterr().out
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/run"] = refused
    assert main(["exports", "run", EXPORT_ID]) == 1
    assert "allowed now: unschedule, update" in capsys.readouterr().err


def test_what_cannot_be_taken_back_asks_for_confirm(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    errors = [{"pointer": "#/confirm", "detail": "must be true"}]
    stack.routes[f"POST /v1/exports/{EXPORT_ID}/unschedule"] = problem(422, "Breaks a rule", "Not so.", errors=errors)
    assert main(["exports", "unschedule", EXPORT_ID]) == 1
    assert f"Next: waybill exports unschedule {EXPORT_ID} --confirm" in capsys.readouterr().err


def test_a_schedule_without_further_times(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"GET /v1/exports/{EXPORT_ID}/preview-schedule"] = answer({"items": [], "nextToken": None})
    assert main(["exports", "schedule", EXPORT_ID]) == 0
    assert capsys.readouterr().out == "No further runs.\n"


# -- what is shown meanwhile


def test_in_a_terminal_long_work_shows_a_bar_with_rows_rate_and_time_left(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    running = answer(job(), Retry_After="0")
    offer_upload(stack, [running, running, running, running, running, running, answer(partial())])
    (home / "contacts.csv").write_text("a\n1\n")
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch"]) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "Import of contacts.csv" in shown
    assert "1,200 of 34,033 rows, 5,400 rows/s, 6.0 s left" in shown


def test_short_work_shows_nothing_and_long_work_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("Quick"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(output, "SHOW_AFTER_SECONDS", 0.01)
    with Progress("Slow") as progress:
        time.sleep(0.1)
        progress.update_bytes(5, 10)
    assert capsys.readouterr().err == "Slow …\n"


@pytest.mark.parametrize(
    ("text", "shown"), [("plain é 漢", "plain é 漢"), ("a\tb", r"a\tb"), ("\x9b31m", r"\x9b31m"), ("\u202e", r"\u202e")]
)
def test_safe_text_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert safe(text) == shown
