"""A client that another maker's generator makes of the API's description works, from entity to exported file."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from infra.local.stack import LocalStack
from tests.e2e.client import TERMINAL, Client

PACKAGE = "generated_waybill"
SCHEMA = {
    "primaryKey": ["id"],
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "spend", "type": "number", "constraints": {"minimum": 0}},
    ],
}
SECONDS = 120


class Generated:
    """The modules of the generated package."""

    def __getattr__(self, name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.{name}")

    def operation(self, name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.api.{name}")


@pytest.fixture(scope="module")
def generated(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """Generated from what the API serves; whatever the generator leaves out is a failure."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yml").write_text("post_hooks: []\n")  # which would format the code
    (folder / "openapi.json").write_bytes(
        httpx.get(f"{stack.stack['apiUrl']}/v1/openapi.json", trust_env=False).content
    )
    options = ["--path", "openapi.json", "--output-path", PACKAGE, "--meta", "none", "--config", "config.yml"]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        yield Generated()
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


@contextmanager
def connected(generated: Generated, stack: LocalStack, token: str) -> Iterator[Any]:
    address = stack.stack["apiUrl"]
    options = {"raise_on_unexpected_status": True, "httpx_args": {"trust_env": False}}
    with generated.client.AuthenticatedClient(base_url=address, token=token, **options) as client:
        yield client


def wait_for(generated: Generated, client: Any, job_id: UUID) -> Any:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        job = generated.operation("jobs.get_job").sync(job_id, client=client)
        if job.status.value in TERMINAL:
            return job
        time.sleep(0.1)
    pytest.fail(f"{job.status}")


def test_a_generated_client_imports_and_exports(generated: Generated, stack: LocalStack, admin: Client) -> None:
    with connected(generated, stack, admin.token_response["AccessToken"]) as client:
        _import_and_export(generated, client)


def _import_and_export(generated: Generated, client: Any) -> None:
    models, operation = generated.models, generated.operation
    request = models.EntityRequest.from_dict({"schema": SCHEMA})
    entity = operation("entities.put_entity").sync("generated", client=client, body=request)
    assert (entity.name, entity.to_dict()["schema"]["primaryKey"]) == ("generated", ["id"])

    upload = operation("imports.create_upload").sync(
        client=client, body=models.UploadRequest(file_name="generated.csv", entity="generated")
    )
    sent = httpx.post(
        upload.url,
        data=upload.fields.to_dict(),
        files={"file": b"id,spend\nC-1,120.50\nC-2,many\nC-3,7\n"},
        trust_env=False,
    )
    assert sent.is_success
    job = operation("imports.create_import").sync(
        client=client, body=models.ImportRequest(upload_id=upload.upload_id), idempotency_key=str(upload.upload_id)
    )
    done = wait_for(generated, client, job.job_id)
    assert (done.outcome.value, done.counts.imported, done.counts.rejected) == ("PARTIAL_SUCCESS", 2, 1)
    [error] = operation("jobs.list_errors").sync(job.job_id, client=client).items
    assert (error.row_number, error.field_name, error.type_) == (3, "spend", "type-error")

    export = operation("exports.create_export").sync(
        client=client, body=models.ExportRequest(name="Generated", entity="generated")
    )
    run = operation("exports.activate_export").sync(export.export_id, client=client)
    assert wait_for(generated, client, run.job_id).outcome.value == "SUCCESS"
    link = operation("jobs.download").sync(run.job_id, client=client, as_=models.DownloadAs.LINK)
    assert httpx.get(link.url, trust_env=False).text.splitlines() == ["id,spend", "C-1,120.5", "C-3,7"]

    page = operation("jobs.list_jobs").sync(client=client, entity="generated", limit=1)
    assert [listed.job_id for listed in page.items] == [run.job_id] and isinstance(page.next_token, str)


def test_refusals_are_problems_of_the_generated_client(generated: Generated, stack: LocalStack) -> None:
    with connected(generated, stack, "none") as client:
        problem = generated.operation("entities.get_entity").sync("generated", client=client)
    assert isinstance(problem, generated.models.Problem) and problem.status == 401
