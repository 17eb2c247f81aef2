"""Schemathesis against the specification that the API serves: no failure of ours, nothing undescribed, nothing unknown
taken.

All its checks but one: `positive_data_acceptance` asks that whatever fits a schema is taken, and rules such as "a field
of the entity" are in no schema. Each run ends by itself; for a long one, call schemathesis by hand with another seed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from tests.builders import contacts_csv
from tests.described import description
from tests.e2e.client import Client

pytestmark = pytest.mark.slow
SETTINGS = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 410, 412, 413, 422]

[parameters]
"path.name" = {{ dictionary = "entities", probability = 0.6 }}
"body.entity" = {{ dictionary = "entities", probability = 0.8 }}
"path.job_id" = {{ dictionary = "jobs", probability = 0.8 }}
"path.import_id" = {{ dictionary = "jobs", probability = 0.8 }}
"path.export_id" = {{ dictionary = "exports", probability = 0.8 }}
"path.upload_id" = {{ dictionary = "uploads", probability = 0.8 }}
"body.uploadId" = {{ dictionary = "uploads", probability = 0.8 }}

[dictionaries]
entities = {{ values = ["contacts", "orders"] }}
jobs = {{ values = {jobs} }}
exports = {{ values = {exports} }}
uploads = {{ values = {uploads} }}
"""


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
    ("user", "phases", "seconds"), [("admin", "examples,coverage", 45), ("alice", "examples,fuzzing,stateful", 25)]
)
def test_schemathesis_finds_nothing(
    stack: LocalStack, admin: Client, alice: Client, tmp_path: Path, user: str, phases: str, seconds: int
) -> None:
    client = admin if user == "admin" else alice
    (tmp_path / "schemathesis.toml").write_text(SETTINGS.format(**seeds(admin, client)))
    token = client.token_response["AccessToken"]
    command = [
        *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", f"{stack.stack['apiUrl']}/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--phases", phases),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--seed", "1", "--max-time", str(seconds), "--max-examples", "10", "--suppress-health-check", "all"),
        *("--generation-database", "none", "--no-color", "--continue-on-failure"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


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
    assert alice.call("POST", "/uploads", json={"entity": "x" * 300_000}).status_code == 413


def test_servers_hold_the_address_that_was_called(stack: LocalStack, alice: Client) -> None:
    assert alice.get("/openapi.json")["servers"] == [{"url": stack.stack["apiUrl"]}]
