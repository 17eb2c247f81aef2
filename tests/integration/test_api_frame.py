"""What holds for every route of the API: methods, bodies, tokens, addresses, and what a request costs."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from tests.api_builders import (
    ADMIN,
    AUDIENCE,
    CONTACTS,
    EXPORT,
    NOW,
    Api,
    http_event,
    load_function,
)
from tests.builders import ROOT
from waybill.aws.dynamodb import DynamoDBError, TransactionCanceled
from waybill.jobs.model import Job, Status


def test_public_routes_need_no_token(api: Api) -> None:
    assert api("GET", "/health", None).json == {"status": "ok"}
    assert api("GET", "/health", None, query={"x": "1,2"}, raw_query="x=1&x=2").status == 200, (
        "routes without a token ignore parameters"
    )
    settings = api.services.settings
    assert api("GET", "/auth-config", None).json == {
        "issuer": settings.oidc_issuer,
        "clientId": AUDIENCE,
        "region": "us-east-1",
        "endpoint": None,
        "metadataUrl": f"{settings.oidc_issuer}/.well-known/openid-configuration",
        "scope": "openid profile email",
        "resource": None,
        "passwordSignIn": False,
    }


def test_every_other_route_does(api: Api) -> None:
    routes = [route for route in api.module.operations() if route.needs.word != "nothing"]
    assert len(routes) > 30
    for route in routes:
        path = route.path.removeprefix("/v1").replace("<name>", "contacts")
        while "<" in path:
            path = path[: path.index("<")] + str(uuid.uuid4()) + path[path.index(">") + 1 :]
        answer = api(route.method, path, None, body={})
        assert answer.status == 401, route.path
        assert answer.json["type"] == "urn:waybill:problem:unauthorized"


def test_unknown_routes_and_methods(api: Api) -> None:
    answer = api("GET", "/nothing")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert set(answer.json) == {"type", "title", "status", "detail", "instance"}
    assert answer.json["instance"] == "/v1/nothing"
    answer = api("PATCH", "/entities/contacts")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")
    assert api("GET", "/entities/\N{GRINNING FACE}").status == 404
    assert (api("GET", "/jobs/delete").status, api("GET", "/jobs/delete").headers["Allow"]) == (405, "POST")
    answer = api("PUT", f"/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")


RESOLVER = load_function("api", "resolver")


def test_every_route_is_found_under_the_first_word_of_its_path(api: Api) -> None:
    folder = ROOT / "functions" / "api" / "routers"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {
        *RESOLVER.ROUTERS.values(),
        RESOLVER.OTHERWISE,
    }
    for operation in api.module.operations():
        word = operation.path.split("/")[2]
        router = operation.handler.__module__.removeprefix("routers.")
        assert RESOLVER.ROUTERS.get(word, RESOLVER.OTHERWISE) == router, operation.path


def test_a_route_that_names_a_resource_checks_the_right_to_it_before_its_handler(api: Api) -> None:
    """The frame runs the check of `needs`; a handler is given what the check found, not the id alone."""
    ids = {"job_id", "export_id", "upload_id", "import_id"}
    for operation in api.module.operations():
        if "<" in operation.path:
            assert operation.needs.check is not None, operation.id
        assert not ids & set(operation.handler.__annotations__), operation.id


def test_refusals_are_counted_by_status(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert api("GET", "/nothing").status == 404
    assert '"httpStatus":"404"' in capsys.readouterr().out


def test_malformed_bodies(api: Api) -> None:
    for body in ("", "{", "[1,]", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000, '{"a": 1e999}'):
        assert api("POST", "/imports", body=body).status == 400, body[:20]


def test_body_that_is_too_large(api: Api) -> None:
    assert api("POST", "/imports", body={"uploadId": "x" * 1_100_000}).status == 413


def test_base64_body(api: Api) -> None:
    answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"title": "Köntakte"}, base64_body=True)
    assert answer.json["title"] == "Köntakte"


def test_a_body_that_is_not_base64_is_malformed(api: Api) -> None:
    event = http_event("PUT", "/v1/entities/contacts", token=api.issuer.token(**ADMIN), body="{}")
    answer = api.module.handler({**event, "body": "YQ=", "isBase64Encoded": True}, None)
    assert (answer["statusCode"], json.loads(answer["body"])["detail"]) == (400, "The body is not valid Base64.")


def test_unexpected_errors_say_nothing_internal(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(job_id: str) -> Job:
        raise RuntimeError("secret of the jobs table")

    monkeypatch.setattr(api.services.jobs, "find", explode)
    answer = api("GET", f"/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in logged] == ["A request failed"]
    assert "secret" in str(logged[0].exc_info)


@pytest.mark.parametrize(
    "outage",
    [
        TransactionCanceled("collided", [{"Code": "TransactionConflict"}], 400),
        DynamoDBError("InternalServerError", "it failed", 500, retryable=True),
        ConnectionError("reset by peer"),
    ],
)
def test_an_outage_asks_for_another_attempt(api: Api, monkeypatch: pytest.MonkeyPatch, outage: Exception) -> None:
    def out(*given: Any) -> None:
        raise outage

    monkeypatch.setattr(api.services.jobs, "find", out)
    answer = api("GET", f"/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.json["type"]) == (503, "urn:waybill:problem:unavailable")
    assert answer.headers["Retry-After"] == "60"


def test_malformed_paging(api: Api) -> None:
    for query in (
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": "²"},
        {"nextToken": "%"},
        {"nextToken": "A" * 20_000},
    ):
        for path in ("/jobs", "/entities", "/exports"):
            assert api("GET", path, query=query).status == 400, (path, query)


def test_addresses_follow_the_request(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()

    def log_of(**headers: str) -> str:
        link: str = api("GET", f"/jobs/{job.job_id}", headers=headers).json["links"]["errorLog"]
        return link.removesuffix(f"/v1/jobs/{job.job_id}/error-log")

    assert log_of() == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5"
    assert log_of(host="a1b2c3d4e5.execute-api.localhost:4566") == "http://a1b2c3d4e5.execute-api.localhost:4566"
    assert log_of(**{"x-forwarded-host": "evil.example"}).startswith("http://127.0.0.1")
    assert log_of(**{"x-forwarded-host": "api.example.com"}).startswith("https://api.example.com")


def test_links_and_the_description_have_the_domain_that_was_called(api: Api) -> None:
    """A domain of one's own is the one that the gateway names, without a stage in the path."""
    api.put_contacts()
    job = api.add_finished()
    api("GET", f"/jobs/{job.job_id}")  # connects to the endpoint that AWS does not have
    api.services.settings = replace(api.services.settings, aws_endpoint_url=None)
    link = api("GET", f"/jobs/{job.job_id}", domain="waybill.example.com").json["links"]["errorLog"]
    assert link == f"https://waybill.example.com/v1/jobs/{job.job_id}/error-log"
    assert api("GET", "/openapi.json", domain="waybill.example.com").json["servers"] == [
        {"url": "https://waybill.example.com"}
    ]


FOREIGN_HOSTS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""]
FOREIGN_HOSTS += [
    "127.0.0.1:80@evil.example",
    "localhost/evil.example?",
    "evil.example#localhost",
    "evil.example:localhost",
]


def test_no_header_decides_where_links_lead(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a `Host` of one's own, in answers that others are shown from a cache or a log."""
    api.put_contacts()
    job = api.add_finished()
    path = f"/jobs/{job.job_id}"
    endpoint = str(api.services.settings.aws_endpoint_url)
    for host in FOREIGN_HOSTS:
        answer = api("GET", path, headers={"host": host})
        assert answer.json["links"]["errorLog"].startswith(f"{endpoint}/_aws/execute-api/a1b2c3d4e5/v1/"), host
        assert "evil" not in answer.text
    monkeypatch.setattr(api.services, "settings", replace(api.services.settings, aws_endpoint_url=None))
    for host in [*FOREIGN_HOSTS, "localhost", "127.0.0.1:4566"]:
        answer = api("GET", path, headers={"host": host})
        own = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1/"
        assert answer.json["links"]["errorLog"].startswith(own), host


def test_unknown_ids(api: Api) -> None:
    unknown = str(uuid.uuid4())
    for method, path in [
        ("GET", "/jobs/{}"),
        ("DELETE", "/jobs/{}"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/stop"),
        ("POST", "/jobs/{}/relaunch"),
        ("GET", "/jobs/{}/errors"),
        ("GET", "/jobs/{}/error-log"),
        ("GET", "/jobs/{}/rejects"),
        ("GET", "/jobs/{}/download"),
        ("GET", "/jobs/{}/report"),
        ("GET", "/exports/{}"),
        ("DELETE", "/exports/{}"),
        ("POST", "/exports/{}/activate"),
        ("GET", "/exports/{}/definition"),
        ("GET", "/exports/{}/jobs"),
        ("GET", "/EntityImport/{}/status"),
        ("POST", "/EntityImport/{}/import"),
    ]:
        assert api(method, path.format(unknown)).status == 404, path
        assert api(method, path.format("not-an-id")).status == 400, path


class Counted:
    """The requests to DynamoDB, by operation."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[str] = []
        call = api.services.dynamodb.call

        def count(operation: str, request: Any) -> Any:
            self.requests.append(operation)
            return call(operation, request)

        monkeypatch.setattr(api.services.dynamodb, "call", count)

    def taken(self) -> list[str]:
        taken, self.requests = sorted(self.requests), []
        return taken


def test_a_job_is_one_read_beyond_its_entitys_permissions(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    running, ended = api.add_job(status=Status.IN_PROGRESS, started_at=NOW), api.add_finished()
    api("GET", "/me")  # from now on the process knows the noted groups of its caller
    counted = Counted(api, monkeypatch)
    for job in (running, ended):
        answer = api("GET", f"/jobs/{job.job_id}")
        assert (answer.status, counted.taken()) == (200, ["GetItem", "GetItem"])
        tag = {"if-none-match": answer.headers["ETag"]}
        assert (api("GET", f"/jobs/{job.job_id}", headers=tag).status, counted.taken()) == (304, ["GetItem", "GetItem"])
    assert (api("GET", f"/EntityImport/{ended.job_id}/status").status, len(counted.taken())) == (200, 2)
    assert api("GET", f"/jobs/{uuid.uuid4()}").status == 404
    assert counted.taken() == ["GetItem"]


def test_a_page_costs_the_same_whatever_the_history(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("contacts", "orders", "offers"):
        api.put_contacts(name)
    api("GET", "/me")  # from now on the process knows the noted groups of its caller
    counted = Counted(api, monkeypatch)
    for rounds in (1, 8):
        for _ in range(rounds):
            for name in ("contacts", "orders", "offers"):
                api.later(seconds=1)
                api.add_finished(entity=name)
        counted.taken()
        page = api("GET", "/jobs", query={"limit": "3"}).json
        assert counted.taken() == ["BatchGetItem", "BatchGetItem", "Query"]
        if page["nextToken"]:
            api("GET", "/jobs", query={"limit": "3", "nextToken": page["nextToken"]})
            assert counted.taken() == ["BatchGetItem", "BatchGetItem", "Query"]
    for _ in range(5):
        api.later(seconds=1)
        api.add_job()
    counted.taken()
    api("GET", "/jobs", query={"limit": "5"})
    assert counted.taken() == ["BatchGetItem", "BatchGetItem", "Query", "Query"]  # and the queue, for the places in it
    for _ in range(4):
        api("POST", "/exports", body=EXPORT)
    counted.taken()
    api("GET", "/exports", query={"limit": "2"})
    assert counted.taken() == ["BatchGetItem", "Query"]


def test_the_log_leads_from_a_request_to_its_job(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    job_id = str(uuid.uuid4())
    accepted = {"statusCode": 202, "headers": {"Location": f"/v1/jobs/{job_id}"}, "body": ""}
    monkeypatch.setattr(api.module.app, "resolve", lambda event, context: accepted)
    event = http_event("POST", "/v1/imports")
    assert api.module.handler(event, None) == accepted
    [record] = [record for record in caplog.records if record.getMessage() == "Job accepted"]
    assert (record.jobId, record.requestId) == (job_id, event["requestContext"]["requestId"])  # type: ignore[attr-defined]
