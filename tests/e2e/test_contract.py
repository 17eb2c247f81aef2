"""Requests made from the specification, through a gateway: `tests/integration/test_schemathesis.py` sends the many."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from tests.builders import contacts_csv
from tests.described import description
from tests.e2e.client import Client
from tests.schemathesis import run_schemathesis

pytestmark = pytest.mark.slow


def seeds(admin: Client, client: Client) -> dict[str, list[str]]:
    """Things to ask for, so that requests come further than 404: entities, and ids of the client's own."""
    entity = description()["components"]["schemas"]["EntityRequest"]["examples"][0]
    exports: list[str] = []
    uploads: list[str] = []
    jobs: list[str] = []
    for name in ("contacts", "orders"):  # the first is what the examples are about
        admin.put_entity(name, **entity | {"dialect": {}})
        for kind in ("ONE_SHOT", "PERIODIC_FULL"):
            delivered = {"schedule": {"time": "02:30", "timezone": "UTC"}, "destination": {"kind": "s3"}}
            body = {"name": kind, "entity": name, "type": kind} | (delivered if kind == "PERIODIC_FULL" else {})
            exports.append(client.call("POST", "/exports", json=body).json()["exportId"])
        uploads += [client.upload(name, "contacts.csv", contacts_csv(count=3)) for _ in range(3)]
        broken = client.upload(name, "broken.csv", contacts_csv([{"spend": "a lot"}], count=3))
        jobs.append(client.call("POST", "/imports", json={"uploadId": broken}).json()["jobId"])
    client.call("POST", f"/exports/{exports[1]}/activate")
    for job_id in jobs:
        client.wait(job_id)
    return {"exports": exports, "uploads": uploads, "jobs": jobs}


@pytest.mark.parametrize(
    ("user", "phases", "seconds"), [("admin", "examples", None), ("alice", "fuzzing,stateful", 25)]
)
def test_schemathesis_finds_nothing(
    stack: LocalStack, admin: Client, alice: Client, tmp_path: Path, user: str, phases: str, seconds: int | None
) -> None:
    client = admin if user == "admin" else alice
    token = client.token_response["AccessToken"]
    run_schemathesis(stack.stack["apiUrl"], token, tmp_path, phases=phases, ids=seeds(admin, client), seconds=seconds)


def test_odd_requests_over_http(alice: Client) -> None:
    """What a gateway may decode, join or strip before the function sees it."""
    for path in ("/entities/a%2Fb", "/entities/%2e%2e", "/entities/%00", "/entities/%ff", "/entities/%F0%9F%98%80"):
        answer = alice.call("GET", path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json"), path
    for path in ("/jobs/%7B%7D", "/jobs?limit=1&limit=2", "/jobs?status=FAILED&status=WAITING", "/jobs?stat%75ss=1"):
        answer = alice.call("GET", path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json"), path
    for path, status in [("/me", 200), ("/openapi.json", 200), ("/docs", 200), ("/entities/nobody", 404)]:
        answer = alice.call("HEAD", path)
        assert (answer.status_code, answer.content) == (status, b""), path
    answer = alice.call("DELETE", "/me")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert alice.call("POST", "/uploads", content=b"\xff\xfe{").status_code == 400
    assert alice.call("POST", "/uploads", json={"entity": "x" * 1_100_000}).status_code == 413


def test_servers_hold_the_address_that_was_called(stack: LocalStack, alice: Client) -> None:
    assert alice.get("/openapi.json")["servers"] == [{"url": stack.stack["apiUrl"]}]
