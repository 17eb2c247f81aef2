"""Requests, tokens and jobs for tests of the HTTP API."""

from __future__ import annotations

import base64
import http.server
import importlib
import json
import sys
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.builders import CONTACTS_SCHEMA, ROOT
from tests.described import check_answer
from tests.loopback import loopback_server
from waybill.bootstrap import Services
from waybill.entities.model import Entity
from waybill.imports.rejects import ERROR_LOG_HEADER
from waybill.imports.rejects_reader import RejectsForm
from waybill.jobs.model import Counts, Job, Process, Retention, Status, finished
from waybill.tabular.dialect import Dialect

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
#: Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAMBDA_ANSWER_BYTES = 6_291_556
AUDIENCE = "test-client"
CONTACTS = {
    "title": "Contacts",
    "database": "crm",
    "schema": CONTACTS_SCHEMA,
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops"]},
}
ADMIN, ALICE, BOB, SALES, OPS = (
    {"name": "admin", "groups": ("admin",)},
    {"name": "alice", "groups": ("ops", "sales")},
    {"name": "bob", "groups": ()},
    {"name": "sally", "groups": ("sales",)},
    {"name": "oscar", "groups": ("ops",)},
)
EXPORT = {"name": "All contacts", "entity": "contacts", "fields": ["contact_id", "email"]}
DAILY = {"time": "02:30", "timezone": "Europe/Brussels"}
SOURCE: dict[str, Any] = {
    "name": "Partner contacts",
    "entity": "contacts",
    "location": {"kind": "s3", "prefix": "out"},
    "schedule": {"every": "PT1H", "timezone": "UTC"},
}
PERIODIC: dict[str, Any] = {"type": "PERIODIC_FULL", "schedule": DAILY, "destination": {"kind": "s3"}}
# fmt: off
JOB_MEMBERS = {
    "jobId", "process", "status", "outcome", "entity", "fileName", "submittedAt", "startedAt", "completedAt",
    "durationSeconds", "startedBy", "counts", "numberOfItems", "message", "error", "allowedActions", "mode", "blanks",
    "dryRun", "keepPrevious", "undoOf", "onError", "detected", "rowsPerSecond", "remainingSeconds", "percent",
    "queuePosition", "stopReason",
    "duplicateOf", "exportId", "sourceId", "windowFrom", "windowTo", "retryOf", "expiresAt", "filesExpireAt", "links",
    "heartbeatAt", "warnings", "encryption",
}
# fmt: on


def make_job(**changes: Any) -> Job:
    """A waiting import of alice's into contacts, unless changed."""
    values: dict[str, Any] = {
        "job_id": str(uuid.uuid4()),
        "process": Process.IMPORT,
        "status": Status.WAITING,
        "entity": "contacts",
        "entity_uid": "",
        "file_name": "contacts.csv",
        "submitted_at": NOW,
        "started_by": "alice",
        "started_by_id": "alice-subject",
    }
    return Job(**(values | changes))


def http_event(
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: Any = None,
    query: dict[str, str] | None = None,
    raw_query: str | None = None,
    headers: dict[str, str] | None = None,
    base64_body: bool = False,
    domain: str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
) -> dict[str, Any]:
    """A request as an HTTP API hands it to a function (payload format 2.0).

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Args:
        body: text as it is; anything else as JSON; None for none.
        query: as the gateway decodes it: the values of a repeated parameter are joined with commas.
        raw_query: as it was sent, where that says more.
        domain: under which the gateway was called.
    """
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urllib.parse.urlencode(query or {}, errors="replace") if raw_query is None else raw_query,
        "headers": {"host": "127.0.0.1:4566", "content-type": "application/json", **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": domain,
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Mar/2026:12:00:00 +0000",
            "timeEpoch": 1772366400000,
        },
        "isBase64Encoded": base64_body,
    }
    if token is not None:
        event["headers"]["authorization"] = f"Bearer {token}"
    if query:
        event["queryStringParameters"] = query
    if text is not None:
        event["body"] = base64.b64encode(text.encode()).decode() if base64_body else text
    return event


def load_function(name: str, module: str = "app") -> ModuleType:
    """A module of a function, loaded as Lambda does: with the function's own folder on the path.

    Its modules are taken out of `sys.modules` again, so that functions do not get each other's.
    """
    folder = ROOT / "functions" / name
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        loaded = importlib.import_module(module)
        getattr(loaded, "operations", list)()  # loads what would be loaded with the first request
    finally:
        sys.path.remove(str(folder))
        for added in set(sys.modules) - known:
            if str(folder) in str(getattr(sys.modules[added], "__file__", "")):
                del sys.modules[added]
    return loaded


class Issuer:
    """Signs tokens with a throwaway key and serves the public half on loopback."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] | None = None
        self.is_down = False
        self.key_id = "key-1"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.url = ""

    def jwks(self) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def rotate(self) -> None:
        self.key_id += "'"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, name: str = "alice", groups: tuple[str, ...] = (), **claims: Any) -> str:
        """An access token as Cognito makes it; a claim of None is left out."""
        values: dict[str, Any] = {
            "iss": self.url,
            "sub": f"{name}-subject",
            "client_id": AUDIENCE,
            "token_use": "access",
            "username": name,
            "cognito:groups": list(groups),
            "iat": int(time.time()),
            "exp": int(time.time()) + 3600,
        }
        values = {claim: value for claim, value in (values | claims).items() if value is not None}
        return jwt.encode(values, self.key, "RS256", {"kid": self.key_id})

    @contextmanager
    def serving(self) -> Iterator[Issuer]:
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents: dict[str, Any] = {"/.well-known/jwks.json": issuer.jwks(), "/keys": issuer.jwks()}
                if issuer.metadata is not None:
                    documents["/.well-known/openid-configuration"] = issuer.metadata
                body = json.dumps(documents.get(self.path)).encode()
                self.send_response(500 if issuer.is_down else 200 if self.path in documents else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        with loopback_server(Handler) as self.url:
            yield self


class Answer:
    def __init__(self, raw: dict[str, Any]) -> None:
        self.status: int = raw["statusCode"]
        self.headers: dict[str, str] = raw["headers"]
        self.content = base64.b64decode(raw["body"]) if raw.get("isBase64Encoded") else raw["body"].encode()
        self.text: str = "" if raw.get("isBase64Encoded") else raw["body"]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def pointers(self) -> list[str]:
        assert self.headers["Content-Type"] == "application/problem+json"
        return [error["pointer"] for error in self.json["errors"]]


class Api:
    """The API function with its services, and a clock that tests can turn."""

    def __init__(self, services: Services, issuer: Issuer, module: Any) -> None:
        self.services = services
        self.issuer = issuer
        self.module = module

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    @property
    def retention(self) -> Retention:
        return self.services.jobs.retention

    def later(self, **delta: float) -> None:
        self.services.clock.forward(**delta)  # type: ignore[attr-defined]

    def __call__(self, method: str, path: str, who: dict[str, Any] | None = ALICE, **request: Any) -> Answer:
        token = None if who is None else self.issuer.token(**who)
        raw = self.module.handler(http_event(method, f"/v1{path}", token=token, **request), None)
        assert len(json.dumps(raw, ensure_ascii=False).encode()) <= LAMBDA_ANSWER_BYTES
        answer = Answer(raw)
        check_answer(method, f"/v1{path}", answer.status, answer.headers, answer.text)
        return answer

    def put_contacts(self, name: str = "contacts", **changes: Any) -> Entity:
        answer = self("PUT", f"/entities/{name}", ADMIN, body=CONTACTS | changes)
        assert answer.status in (200, 201), answer.text
        return self.services.entities.get(name)

    def add_job(self, **changes: Any) -> Job:
        """A job of the entity `contacts` in the table, as the operations would store it."""
        entity = self.services.entities.find(changes.get("entity", "contacts"))
        job = make_job(**({"entity_uid": entity.uid if entity else "", "submitted_at": self.now} | changes))
        self.services.jobs.register(job, {})
        return job

    def add_finished(self, counts: Counts | None = None, **changes: Any) -> Job:
        """A completed job with all its files."""
        running = self.add_job(status=Status.IN_PROGRESS, started_at=self.now, **changes)
        counts = counts or Counts(3, 2, 1)
        ended = finished(
            running, Status.COMPLETED, counts, self.now + timedelta(seconds=2), self.services.jobs.retention
        )
        ended = replace(ended, has_error_log=True, has_rejects=True)
        self._put_files(ended.job_id)
        return self.services.jobs.finish(ended, Status.IN_PROGRESS)

    def _put_files(self, job_id: str) -> None:
        """One rejected row, the third of its file."""
        labels = [field["name"] for field in CONTACTS_SCHEMA["fields"]]  # type: ignore[attr-defined]
        header = f"_row,_type,_reason,{','.join(labels)}\n"
        form = RejectsForm(Dialect(header_rows=(1,)), "utf-8", False, labels, len(header))
        files = {
            "rejects.csv": f"{header}4,type-error,email: not an e-mail address,c3,nobody,,,\n".encode(),
            "rejects.json": form.to_json(),
            "error-log.csv": ERROR_LOG_HEADER + b"4,2,email,type-error,nobody,not an e-mail address\r\n",
            "summary.json": b"[]",
        }
        for name, data in files.items():
            self.services.files.put(self.services.settings.files_bucket, f"jobs/{job_id}/{name}", data)

    def upload(self, who: dict[str, Any] = ALICE, data: bytes | None = b"contact_id\n1\n") -> str:
        """An upload whose file was sent, unless `data` is None."""
        answer = self("POST", "/uploads", who, body={"entity": "contacts", "fileName": "contacts.csv"})
        assert answer.status == 201, answer.text
        upload_id: str = answer.json["uploadId"]
        if data is not None:
            self.services.files.put(self.services.settings.files_bucket, f"uploads/{upload_id}/source", data)
        return upload_id
