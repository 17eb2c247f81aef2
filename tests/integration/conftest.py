"""moto as a server (our own wire is no boto3 to be patched), and the services of one test on it."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from threading import Lock, Thread
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.datastructures import Headers
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from infra.local.claim import free_port
from infra.local.console import install_packages, node_environment
from infra.local.embedded import ROOT
from tests import builders, fast_moto, strict_s3
from tests.api_builders import NOW, Api, Issuer, load_function
from tests.importing import run, start
from tests.strict_dynamodb import SecondOpinion
from waybill.bootstrap import Services
from waybill.jobs.model import Job

fast_moto.install()


class Dispatcher(DomainDispatcherApplication):
    """moto's, which otherwise lists its own folder for each request."""

    get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)


def _size(bucket: str, key: str) -> int | None:
    """Bytes of an object at moto, in this process."""
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
    return None if found is None else found.contentsize


def _with_checksums(environ: dict[str, Any], answer: bytes) -> list[bytes]:
    """What moto answers, and the checksums of parts that it leaves out."""
    if b"<ListPartsResponse" not in answer:
        return [answer]
    bucket = environ["PATH_INFO"].split("/")[1]
    upload_id = urllib.parse.parse_qs(environ["QUERY_STRING"])["uploadId"][0]
    upload = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(bucket).multiparts[upload_id]
    return [strict_s3.with_checksums(answer.decode(), lambda number: upload.parts[number].value).encode()]


class Handler(MotoRequestHandler):
    """Keeps connections and logs nothing: half of its time was for new connections and log lines."""

    protocol_version = "HTTP/1.1"
    one_at_a_time = Lock()  # moto's tables lose an item when two requests make a partition at the same time
    wbufsize = -1
    disable_nagle_algorithm = True
    second_opinion: SecondOpinion

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        is_chunked = environ.get("wsgi.input_terminated", False)
        # Read whole, also where moto does not: the next request begins behind it.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(-1 if is_chunked else length))
        with self.one_at_a_time:
            path = environ["PATH_INFO"].encode("latin-1").decode()
            content = environ["wsgi.input"].getvalue()
            refused = strict_s3.refusal(path, environ["QUERY_STRING"], environ, _size, content)
            if refused is None:
                parts, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
                parts = _with_checksums(environ, b"".join(parts))
                self._ask_again(environ, status)
            else:
                code, message = refused
                parts = [f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()]
                status, headers = "400 Bad Request", Headers({"Content-Type": "application/xml"})
        content = b"".join(parts)
        number, _, reason = status.partition(" ")
        self.send_response(int(number), reason)
        for name, value in headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" and number not in ("204", "304"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _ask_again(self, environ: dict[str, Any], status: str) -> None:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target.startswith("DynamoDB_") and status.startswith("200"):
            environ["wsgi.input"].seek(0)
            self.second_opinion.see(target, environ["wsgi.input"].read())

    def log_request(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def second_opinion(dynalite_url: str) -> SecondOpinion:
    return SecondOpinion(dynalite_url)


@pytest.fixture(scope="session")
def moto_url(second_opinion: SecondOpinion) -> Iterator[str]:
    Handler.second_opinion = second_opinion
    server = make_server("127.0.0.1", 0, Dispatcher(create_backend_app), threaded=True, request_handler=Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def clock() -> builders.Clock:
    return builders.Clock()


@pytest.fixture
def empty_moto_url(moto_url: str) -> str:
    """The server, with nothing on it (moto keeps one state per process)."""
    with urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")):
        return moto_url


@pytest.fixture(scope="session")
def dynalite_url() -> Iterator[str]:
    """A second DynamoDB, whose validation is that of AWS where moto's is more lenient. It has no transactions."""
    folder = ROOT / "tests" / "integration" / "dynalite"
    install_packages(folder)
    port = free_port()
    program = folder / "node_modules" / ".bin" / "dynalite"
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--createTableMs", "0"]
    with subprocess.Popen(command, env=node_environment(), stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


@pytest.fixture
def services(empty_moto_url: str, clock: builders.Clock, second_opinion: SecondOpinion) -> Iterator[Services]:
    """Fresh tables, buckets and state machines on the moto server, and services with a clock that stands still."""
    wanted = builders.settings(empty_moto_url)
    builders.create_resources(empty_moto_url, wanted)
    built = Services(wanted, clock)
    built.caller_groups = builders.TrustingGroups(built.jobs_table, clock, wanted.owner_groups_max_age_days)
    yield built
    built.dynamodb.close()
    refused, second_opinion.refused = second_opinion.refused, []
    assert not refused, "AWS refuses what moto takes"


@pytest.fixture
def s3(moto_url: str):  # type: ignore[no-untyped-def]
    return boto3.client("s3", endpoint_url=moto_url, region_name="us-east-1")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().serving() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def function() -> Any:
    return load_function("api")


@pytest.fixture(scope="module")
def verifiers() -> dict[str, Any]:
    return {}


@pytest.fixture
def api(
    services: Services,
    clock: builders.Clock,
    issuer: Issuer,
    function: Any,
    verifiers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Api]:
    clock.moment = NOW
    settings = replace(
        services.settings,
        oidc_issuer=issuer.url,
        allowed_forwarded_hosts="api.example.com",
        target_tables="mine",
        mail_sender="waybill@example.com",
    )
    api = Api(Services(settings, clock), issuer, function)
    tokens = load_function("api", "tokens")
    verifier = verifiers.setdefault(issuer.url, tokens.TokenVerifier.from_settings(settings))
    monkeypatch.setattr(function, "services", lambda: api.services)
    monkeypatch.setattr(function, "verifier", lambda: verifier)
    yield api
    api.services.dynamodb.close()


@pytest.fixture
def tester(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The function that the API asks, in this process; the events that it got."""
    module = load_function("test_destination")
    monkeypatch.setattr(module, "services", lambda: api.services)
    asked: list[dict[str, Any]] = []

    class Context:
        function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"

    def ask(name: str, event: dict[str, Any]) -> Any:
        assert name == api.services.settings.test_destination_function
        asked.append(json.loads(json.dumps(event)))
        return json.loads(json.dumps(module.handler(asked[-1], Context())))

    monkeypatch.setattr(api.services.functions, "ask", ask)
    return asked


@pytest.fixture
def drop(services: Services, s3: Any, clock: builders.Clock) -> Any:
    """Drops each file under a name of its own, runs its import to the end, and returns the job."""
    numbers = itertools.count()

    def drop_and_run(data: bytes, entity: str = "contacts", **metadata: str) -> Job:
        clock.forward(seconds=1)
        return run(services, start(services, s3, data, key=f"drop/{entity}/{next(numbers)}.csv", **metadata))

    return drop_and_run
