"""Who owns a dropped object: it goes with the newest job of its key, never with an older one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.importing import Crash, all_jobs, counts, drop_object, run, start
from waybill.aws.files import FileInfo, Files
from waybill.bootstrap import Services
from waybill.errors import Conflict
from waybill.imports.start import start_drop
from waybill.jobs.drops import EVENT_SECONDS, MARK_SECONDS
from waybill.jobs.model import Job, Status
from waybill.jobs.removals import removal_item
from waybill.upkeep.actions import cancel_job, delete_job
from waybill.upkeep.retention import remove_expired

KEY = "drop/contacts/contacts.csv"
FILE = builders.contacts_csv(count=2)


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def is_there(services: Services) -> bool:
    return services.files.head(services.settings.drop_bucket, KEY) is not None


def kept_after_the_deletion(services: Services, clock: builders.Clock) -> int:
    """For how many seconds the record of the newest drop stays, which names no job."""
    items = services.dynamodb.call("Scan", {"TableName": services.settings.jobs_table})["Items"]
    (record,) = (item for item in items if item["pk"]["S"].startswith("DROP#") and item["sk"]["S"] == "LATEST")
    assert "jobId" not in record
    return int(record["expiresAt"]["N"]) - int(clock.now().timestamp())


def store_at(services: Services, monkeypatch: pytest.MonkeyPatch, modified: str) -> None:
    """From now on S3 says of every object that it was stored at this time."""
    head = Files(services.settings.aws_region, services.settings.aws_endpoint_url).head

    def head_then(bucket: str, key: str) -> FileInfo | None:
        found = head(bucket, key)
        return found and replace(found, modified=modified)

    monkeypatch.setattr(services.files, "head", head_then)


def expire(services: Services, clock: builders.Clock, job: Job) -> None:
    clock.forward(hours=49)
    remove_expired(services)


def delete(services: Services, clock: builders.Clock, job: Job) -> None:
    delete_job(services, job)


Ending = Callable[[Services, builders.Clock, Job], None]


@pytest.mark.parametrize("end", [expire, delete])
def test_the_end_of_an_older_job_leaves_the_object_to_the_newer_one(
    services: Services, s3: Any, clock: builders.Clock, end: Ending
) -> None:
    older = run(services, start(services, s3, FILE))
    newer = start(services, s3, FILE)
    end(services, clock, older)
    assert counts(run(services, newer)) == (2, 2, 0, 0)


def test_an_object_that_an_older_job_still_reads_goes_when_that_has_ended(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """The same bytes were dropped twice, and the second job is canceled and deleted while the first one waits."""
    older, newer = start(services, s3, FILE), start(services, s3, FILE)
    delete_job(services, cancel_job(services, newer))
    assert counts(run(services, older)) == (2, 2, 0, 0)
    clock.forward(minutes=5)
    remove_expired(services)
    assert not is_there(services)
    assert services.jobs.find(newer.job_id) is None


@pytest.mark.parametrize("end", [expire, delete])
def test_the_object_and_its_record_go_with_the_newest_job(
    services: Services, s3: Any, clock: builders.Clock, end: Ending
) -> None:
    run(services, start(services, s3, FILE))
    newest = run(services, start(services, s3, FILE))
    end(services, clock, newest)
    assert not is_there(services)
    assert kept_after_the_deletion(services, clock) == EVENT_SECONDS


def test_a_file_that_was_refused_expires_with_its_job(services: Services, s3: Any, clock: builders.Clock) -> None:
    job = start(services, s3, b"x", key="drop/nobody/x.csv")
    expire(services, clock, job)
    assert services.files.head(services.settings.drop_bucket, "drop/nobody/x.csv") is None
    assert kept_after_the_deletion(services, clock) == EVENT_SECONDS


def test_an_object_whose_event_is_on_its_way_stays(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_at(services, monkeypatch, "2026-02-02T02:02:02.000Z")
    older = run(services, start(services, s3, FILE))
    event = drop_object(services, s3, FILE)
    store_at(services, monkeypatch, "2026-02-02T02:02:03.000Z")
    delete_job(services, older)
    newer = start_drop(services, event["detail"])
    assert newer is not None and counts(run(services, newer)) == (2, 2, 0, 0)


def test_a_drop_during_the_deletion_waits_for_its_end(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered in the middle, it would lose its object."""
    store_at(services, monkeypatch, "2026-02-02T02:02:02.000Z")
    older = run(services, start(services, s3, FILE))
    event = drop_object(services, s3, FILE)
    really_delete, clock.on_sleep = services.files.delete, lambda seconds: clock.forward(seconds=seconds)

    def delete_slowly(*arguments: Any) -> None:
        with pytest.raises(Conflict):
            start_drop(services, event["detail"])
        really_delete(*arguments)

    monkeypatch.setattr(services.files, "delete", delete_slowly)
    delete_job(services, older)
    late = start_drop(services, event["detail"])
    assert late is not None and late.error_code == "source-changed"


@pytest.mark.parametrize("failure", [RuntimeError, Crash])
def test_a_deletion_that_fails_or_dies_does_not_keep_new_drops_waiting(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[BaseException],
) -> None:
    older = run(services, start(services, s3, FILE))

    def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as patch, suppress(Crash):
        patch.setattr(services.files, "delete", fail)
        delete_job(services, older)
    if failure is Crash:
        clock.forward(seconds=MARK_SECONDS)
    newer = start(services, s3, FILE)
    assert newer.status is Status.WAITING
    assert counts(run(services, newer)) == (2, 2, 0, 0)


@pytest.mark.parametrize("end", [expire, delete])
def test_an_event_that_is_repeated_after_its_job_was_deleted_makes_no_other(
    services: Services, s3: Any, clock: builders.Clock, end: Ending
) -> None:
    event = drop_object(services, s3, FILE)
    job = start_drop(services, event["detail"])
    assert job is not None
    end(services, clock, run(services, job))
    services.jobs.delete(removal_item(services.jobs.find(job.job_id) or job))
    drop_object(services, s3, FILE)  # the same bytes again, whose event is on its way
    assert start_drop(services, event["detail"]) is None
    assert all_jobs(services) == []


@pytest.mark.parametrize("newer_bytes", [FILE, b"id,email,age,vip\n5,e@example.com,5,true\n"], ids=["same", "other"])
@pytest.mark.parametrize("order", ["delete, drop", "drop, delete", "delete, drop, delete it", "drop, delete both"])
def test_the_repeated_event_of_a_deleted_job_makes_no_other_although_a_newer_file_was_dropped(
    services: Services, s3: Any, order: str, newer_bytes: bytes
) -> None:
    """The file may have been dropped again before or after the deletion, and the newer job be deleted, too."""
    event = drop_object(services, s3, FILE)["detail"]
    started = start_drop(services, event)
    assert started is not None
    older = run(services, started)
    if order.startswith("delete"):
        delete_job(services, older)
    newer = run(services, start(services, s3, newer_bytes))
    if order.startswith("drop"):
        delete_job(services, older)
    if order.endswith(("it", "both")):
        delete_job(services, newer)
    assert start_drop(services, event) is None
    assert older.job_id not in {job.job_id for job in all_jobs(services)}


@pytest.mark.parametrize("data", [b"something else", FILE], ids=["other bytes", "same bytes"])
def test_an_object_dropped_between_the_look_and_the_deletion_stays(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """S3 compares the content as it deletes. The same bytes are safe when they come before the look at their time."""
    job = run(services, start(services, s3, FILE))
    really_delete, really_head = services.files._s3.delete_object, services.files.head

    def delete_object(Bucket: str, Key: str, IfMatch: str = "") -> None:  # as S3 does; moto ignores the condition
        if IfMatch.strip('"') not in ("", (really_head(Bucket, Key) or job).etag):  # type: ignore[union-attr]
            response = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
            raise services.files._s3.exceptions.ClientError(response, "DeleteObject")
        really_delete(Bucket=Bucket, Key=Key)

    def head(bucket: str, key: str) -> FileInfo | None:
        if data == FILE:
            drop_object(services, s3, data)
            store_at(services, monkeypatch, "2099-01-01T00:00:00.000Z")
            return services.files.head(bucket, key)
        found = really_head(bucket, key)
        drop_object(services, s3, data)
        return found

    monkeypatch.setattr(services.files._s3, "delete_object", delete_object)
    with monkeypatch.context() as patch:
        patch.setattr(services.files, "head", head)
        delete_job(services, job)
    assert s3.get_object(Bucket=services.settings.drop_bucket, Key=KEY)["Body"].read() == data
