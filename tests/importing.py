"""Imports in tests: drop an object, run the steps as the state machine does, read back the results of the rows."""

from __future__ import annotations

import csv
import io
import itertools
from typing import Any

import boto3
import pytest

from tests import builders
from waybill.aws.dynamodb import BatchWriter
from waybill.bootstrap import Services
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.job_files import rejects_key
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.imports.start import start_drop
from waybill.jobs.model import Job, Status


def drop_object(
    services: Services, s3: Any, data: bytes, key: str = "drop/contacts/contacts.csv", **metadata: str
) -> dict[str, Any]:
    answer = s3.put_object(
        Bucket=services.settings.drop_bucket,
        Key=key,
        Body=data,
        Metadata={name.replace("_", "-"): value for name, value in metadata.items()},
    )
    return builders.created_event(services, key, answer["ETag"].strip('"'))


def start(services: Services, s3: Any, data: bytes, **arguments: Any) -> Job:
    job = start_drop(services, drop_object(services, s3, data, **arguments)["detail"])
    assert job is not None
    return job


def run(services: Services, job: Job) -> Job:
    """Runs the steps of an import as the state machine does."""
    job = prepared(services, job)
    return load_and_finish(services, job) if job.status is Status.IN_PROGRESS else job


def planned(services: Services, s3: Any, data: bytes, **options: str) -> Job:
    """An import whose chunks can be loaded."""
    return prepared(services, start(services, s3, data, key="drop/contacts/x.csv", **options))


def prepared(services: Services, job: Job) -> Job:
    """Runs the steps of an import up to the load."""
    plan = plan_import(services, job.job_id)
    if plan.get("needsPrecheck"):  # a file that was refused has no chunks
        for chunk in range(plan["chunks"]):
            precheck_chunk(services, job.job_id, chunk)
        deduplicate_import(services, job.job_id)
    return services.jobs.get(job.job_id)


def load_and_finish(services: Services, job: Job) -> Job:
    for chunk in range(services.jobs.get(job.job_id).chunks or 0):
        load_chunk(services, job.job_id, chunk)
    return finish(services, job)


def finish(services: Services, job: Job, failure: str | None = None) -> Job:
    finish_import(services, job.job_id, failure)
    return services.jobs.get(job.job_id)


def die_in(services: Services, job: Job, chunk: int, monkeypatch: pytest.MonkeyPatch, requests: int) -> None:
    """Load a chunk in a worker that dies after so many requests to the table, at the latest before it commits."""
    sent, send = itertools.count(), BatchWriter._send

    def dying(writer: BatchWriter, *arguments: Any) -> None:
        if next(sent) == requests:
            while writer._in_flight:  # they arrive all the same, and nobody is told
                writer._wait_for_network(1.0)
                writer._collect()
            raise Crash
        send(writer, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(BatchWriter, "_send", dying)
        patch.setattr(services.ledger, "commit", lambda *_: (_ for _ in ()).throw(Crash))
        load_chunk(services, job.job_id, chunk)


def listed(services: Services, job: Job) -> set[int]:
    return {int(row[0]) for row in rejects(services, job)[1:]}


def all_jobs(services: Services) -> list[Job]:
    """All jobs that have not expired, newest first."""
    return services.jobs.live(services.jobs.newest(100)[0])


def executions(services: Services) -> set[str]:
    import boto3

    client = boto3.client("stepfunctions", endpoint_url=services.settings.aws_endpoint_url, region_name="us-east-1")
    found = client.list_executions(stateMachineArn=services.settings.import_state_machine)["executions"]
    return {execution["name"] for execution in found}


def stop_executions(services: Services) -> None:
    import boto3

    client = boto3.client("stepfunctions", endpoint_url=services.settings.aws_endpoint_url, region_name="us-east-1")
    for execution in client.list_executions(stateMachineArn=services.settings.import_state_machine)["executions"]:
        client.stop_execution(executionArn=execution["executionArn"])


def records(services: Services, *, without: tuple[str, ...] = ("_at", "_by")) -> dict[str, dict[str, Any]]:
    # Small pages: moto takes seconds for one of a MiB, and on a busy machine longer than a request may.
    items, request = [], {"TableName": services.settings.records_table, "Limit": 500}
    while True:
        answer = services.dynamodb.call("Scan", request)
        items += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return {item["_sk"]["S"]: {k: v for k, v in item.items() if k not in without} for item in items}


def live(services: Services) -> set[str]:
    """Keys of the records, without tombstones."""
    return {key for key, item in records(services).items() if "_gone" not in item}


def counts(job: Job) -> tuple[int | None, int, int, int]:
    return job.counts.total, job.counts.imported, job.counts.rejected, job.counts.unprocessed


def rejects(services: Services, job: Job) -> list[list[str]]:
    data = services.files.read(services.settings.files_bucket, rejects_key(job.job_id)).decode()
    return list(csv.reader(io.StringIO(data, newline="")))


def rejected_types(services: Services, job: Job) -> dict[int, str]:
    return {int(row[0]): row[1] for row in rejects(services, job)[1:]}


BAD_ROWS = [
    {"contact_id": "bad-email", "email": "nobody"},
    {"contact_id": "bad-spend", "spend": "-1"},
    {"contact_id": ""},
    {"contact_id": "two", "spend": "x", "joined": "31.1.2026"},
    {"contact_id": "c000001", "email": "last@example.com"},
]


class Crash(BaseException):
    """The process has died."""


UNIQUE = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "email", "type": "string", "constraints": {"unique": True}},
        {"name": "a", "type": "string"},
        {"name": "b", "type": "number"},
    ],
    "primaryKey": "id",
    "uniqueKeys": [["a", "b"]],
}


def key_table(name: str, key: str, services: Services) -> Any:
    """A table of somebody else, with a text as its key, as boto3's resource."""
    client = boto3.resource("dynamodb", endpoint_url=services.settings.aws_endpoint_url, region_name="us-east-1")
    return client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
