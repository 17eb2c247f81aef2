"""The API that the tests of `waybill` run against: on a loopback port, with routes that each test defines."""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from waybill.jobs.model import Counts, Job, Process, Status
from waybill.wire.jobs import JobLinks, job_resource
from waybill_cli import signin
from waybill_cli.profile import profile_path
from waybill_client import client

JOB_ID = "0b0f6f3e-7d5b-4a86-9a36-3c1f6a7d1c11"
OTHER_ID = "1b0f6f3e-7d5b-4a86-9a36-3c1f6a7d1c22"
EXPORT_ID = "7c5f6f3e-7d5b-4a86-9a36-3c1f6a7d1c33"
UPLOAD_ID = "9d5f6f3e-7d5b-4a86-9a36-3c1f6a7d1c44"
USERS = {"admin": "pw-admin", "alice": "pw-alice"}
Answer = tuple[int, dict[str, str], bytes]


NO_LINKS: JobLinks = {"errorLog": None, "rejects": None, "download": None}
STARTED = datetime(2026, 1, 31, 9, 30, 1, tzinfo=UTC)
RUNNING = Job(
    JOB_ID,
    Process.IMPORT,
    Status.IN_PROGRESS,
    "contacts",
    "uid",
    "contacts.csv",
    STARTED - timedelta(milliseconds=875),
    "alice",
    started_at=STARTED,
    heartbeat_at=STARTED + timedelta(seconds=1200 / 5400),
    counts=Counts(34033, 1180, 20),
    detected={"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
)


def job(**changes: Any) -> dict[str, Any]:
    """The job of the API's documentation, as the API shows it."""
    resource = job_resource(
        RUNNING,
        entity_shown="contacts",
        queue_position=None,
        allowed_actions=RUNNING.allowed_actions(),
        links=NO_LINKS,
        now=STARTED,
    )
    return {**json.loads(json.dumps(resource)), **changes}


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
    """Answers by `METHOD /path`. Of a list, each answer is given once and the last one repeatedly."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.sign_ins: list[dict[str, Any]] = []
        self.grants: list[dict[str, str]] = []
        self.routes: dict[str, Route] = {
            "GET /v1/auth-config": self.auth_config(),
            "GET /metadata": answer(
                {"issuer": "https://cognito-idp.x/pool", **self.issuer_endpoints("token", "authorize")}
            ),
            "POST /": self._initiate_auth,
            "POST /token": self._give_token,
        }

    def auth_config(self, **changes: Any) -> Answer:
        """The answer of `GET /v1/auth-config`."""
        config = {
            "issuer": "https://cognito-idp.x/pool",
            "clientId": "client",
            "region": "us-east-1",
            "endpoint": self.url,
            "metadataUrl": f"{self.url}/metadata",
            "scope": "openid",
            "resource": None,
            "passwordSignIn": True,
        }
        return answer({**config, **changes})

    def issuer_endpoints(self, *names: str) -> dict[str, str]:
        members = {"token": "token_endpoint", "authorize": "authorization_endpoint", "revoke": "revocation_endpoint"}
        members["device"] = "device_authorization_endpoint"
        return {members[name]: f"{self.url}/{name}" for name in names}

    def _give_token(self, request: Request) -> Answer:
        """The issuer's token endpoint. Refresh tokens are rotated: `refresh-alice`, then `refresh-alice+`."""
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        self.grants.append(form)
        lifetime = {"token_type": "Bearer", "expires_in": 3600}
        match form["grant_type"]:
            case "refresh_token" if form["refresh_token"].startswith("refresh-"):
                user = form["refresh_token"].removeprefix("refresh-").rstrip("+")
                tokens = {
                    "access_token": f"token-{user}-r{len(self.grants)}",
                    "refresh_token": form["refresh_token"] + "+",
                }
            case "authorization_code" if form["code"] == "good":
                tokens = {"access_token": "token-carol", "refresh_token": "refresh-carol"}
            case "client_credentials":
                tokens = {"access_token": f"token-program-{len(self.grants)}"}
            case _:
                return answer({"error": "invalid_grant", "error_description": "It has ended."}, 400)
        return answer({**tokens, **lifetime})

    def _initiate_auth(self, request: Request) -> Answer:
        assert request.headers["x-amz-target"] == "AWSCognitoIdentityProviderService.InitiateAuth"
        assert "authorization" not in request.headers
        self.sign_ins.append(request.json)
        parameters = request.json["AuthParameters"]
        user = parameters["USERNAME"]
        if USERS.get(user) != parameters["PASSWORD"]:
            return answer({"__type": "NotAuthorizedException", "message": "Incorrect username or password."}, 400)
        result = {"AccessToken": f"token-{user}-{len(self.sign_ins)}", "ExpiresIn": 3600}
        return answer({"AuthenticationResult": {**result, "RefreshToken": f"refresh-{user}"}})

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


@pytest.fixture
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


def write_profile(url: str, *, refresh_token: str | None = "refresh-alice", expires_in: float = 3600) -> None:
    profile_path().parent.mkdir(parents=True, exist_ok=True)
    profile = {"apiUrl": url, "user": "alice", "token": "old", "refreshToken": refresh_token}
    profile_path().write_text(json.dumps({**profile, "expiresAt": time.time() + expires_in}))


def offer_upload(service: Service, jobs: list[Answer]) -> None:
    fields = {"key": f"uploads/{UPLOAD_ID}/source", "policy": "p", "x-amz-signature": "s"}
    upload = {"uploadId": UPLOAD_ID, "url": f"{service.url}/files", "fields": fields, "expiresAt": "…"}
    service.routes["POST /v1/uploads"] = answer(upload, 201)
    service.routes["POST /files"] = (204, {}, b"")
    service.routes["POST /v1/imports"] = answer(waiting(), 202, Location=f"/v1/jobs/{JOB_ID}", Retry_After="0")
    service.routes[f"GET /v1/jobs/{JOB_ID}"] = jobs


def offer_file(service: Service, path: str, content: bytes, disposition: str) -> None:
    service.routes[f"GET {path}"] = (303, {"Location": f"{service.url}/signed?X-Amz-Signature=s"}, b"")
    service.routes["GET /signed"] = (200, {"Content-Disposition": disposition}, content)
