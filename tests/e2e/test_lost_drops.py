"""An object whose event was lost, on the embedded AWS: its listing, its record, and its event that comes after all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local.embedded import REGION
from infra.local.stack import LocalStack
from tests.builders import CONTACTS_SCHEMA, Clock, contacts_csv
from tests.e2e.client import Client
from waybill.bootstrap import Services
from waybill.settings import Settings
from waybill.upkeep.lost_drops import PASS_TIME, start_lost_drops


@pytest.fixture
def services(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Those of the function that sweeps."""
    schedule = stack.deployed.resources["ScheduleFunction"]
    found = stack.clients("lambda").get_function_configuration(FunctionName=schedule)["Environment"]["Variables"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    environment = {**found, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": stack.stack["endpointUrl"]}
    return Services(Settings.from_env(environment), Clock(datetime.now(UTC)))


def test_an_object_whose_event_was_lost_is_imported_once(
    stack: LocalStack, admin: Client, alice: Client, s3: Any, services: Services
) -> None:
    admin.put_entity(
        "lost", schema=CONTACTS_SCHEMA, permissions={"view": ["sales"], "import": ["ops"], "export": ["ops"]}
    )
    bucket, key = stack.stack["dropBucket"], "drop/lost/contacts.csv"
    notifications = s3.get_bucket_notification_configuration(Bucket=bucket)
    notifications.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    etag = s3.put_object(Bucket=bucket, Key=key, Body=contacts_csv(count=50))["ETag"].strip('"')
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notifications)
    # Behind the object's patience, and behind the pass that the stack itself may just have begun.
    services.clock.moment = datetime.now(UTC) + PASS_TIME + timedelta(minutes=1)  # type: ignore[attr-defined]
    start_lost_drops(services)
    job = alice.wait(alice.find_job(entity="lost")["jobId"])
    assert (job["status"], job["counts"]["imported"], job["startedBy"]) == ("COMPLETED", 50, "s3:unknown")

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": now,
        "detail": {"bucket": {"name": bucket}, "object": {"key": key, "etag": etag, "sequencer": "0A"}},
    }
    start = stack.deployed.resources["StartImportFunction"]
    answer = stack.clients("lambda").invoke(FunctionName=start, Payload=json.dumps(event).encode())["Payload"].read()
    assert json.loads(answer) == {"jobId": job["jobId"]}
    services.clock.forward(minutes=10)  # type: ignore[attr-defined]
    assert start_lost_drops(services) == 0
    assert [one["jobId"] for one in alice.get("/jobs", entity="lost")["items"]] == [job["jobId"]]
