"""One entry that a duty of the schedule cannot handle: the others have their minute, and it is tried again later."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from tests import builders
from tests.importing import all_jobs, run, start, stop_executions
from waybill.aws.dynamodb import TransactionCanceled
from waybill.aws.events import NotPublished
from waybill.aws.expressions import Change
from waybill.aws.files import NotDeleted
from waybill.aws.table import Item
from waybill.bootstrap import Services
from waybill.exports.run import tick
from waybill.jobs import outbox
from waybill.jobs.model import Job
from waybill.jobs.repository import record_key
from waybill.upkeep import entity_deletion, recovery
from waybill.upkeep.announcements import publish_late
from waybill.upkeep.entity_deletion import delete_entity, erase_deleted
from waybill.upkeep.recovery import recover_jobs
from waybill.upkeep.retention import remove_expired

FILE = builders.contacts_csv(count=1)


@pytest.fixture(autouse=True)
def entities(services: Services) -> None:
    for name in ("contacts", "orders"):
        services.entities.put(builders.entity(name))


@pytest.fixture
def refused(services: Services, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Parts of the keys that S3 refuses to delete, one by one within a batch."""
    refused: set[str] = set()
    really = services.files._s3.delete_objects

    def delete_objects(Bucket: str, Delete: Any) -> Any:
        bad = [one["Key"] for one in Delete["Objects"] if any(part in one["Key"] for part in refused)]
        good = [one for one in Delete["Objects"] if one["Key"] not in bad]
        if good:
            really(Bucket=Bucket, Delete={"Objects": good, "Quiet": True})
        return {"Errors": [{"Key": key, "Code": "AccessDenied"} for key in bad]}

    monkeypatch.setattr(services.files._s3, "delete_objects", delete_objects)
    return refused


def failing_for(really: Callable[..., Any], is_poison: Callable[..., bool]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if is_poison(*arguments):
            raise RuntimeError("poison")
        return really(*arguments, **named)

    return call


def files_of(services: Services, s3: Any, job: Job) -> list[str]:
    found = s3.list_objects_v2(Bucket=services.settings.files_bucket, Prefix=f"jobs/{job.job_id}/")
    return [one["Key"] for one in found.get("Contents", [])]


def test_what_s3_refuses_within_a_batch_is_a_failure(services: Services, refused: set[str]) -> None:
    for name in ("a", "b", "c"):
        services.files.put("files-bucket", f"jobs/1/{name}", b"x")
    refused.add("jobs/1/b")
    with pytest.raises(NotDeleted, match="1 objects, among them jobs/1/b: AccessDenied"):
        services.files.delete_prefix("files-bucket", "jobs/1/")
    assert services.files.head("files-bucket", "jobs/1/c") is None


def test_files_that_cannot_be_deleted_do_not_keep_those_of_other_jobs(
    services: Services, s3: Any, clock: builders.Clock, refused: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = (run(services, start(services, s3, FILE, key=f"drop/contacts/{name}.csv")) for name in ("a", "b"))
    for job in (bad, good):
        services.files.put(services.settings.files_bucket, f"jobs/{job.job_id}/rejects.csv", b"x")
    refused.add(bad.job_id)
    clock.forward(hours=49)
    assert remove_expired(services) == 1
    assert files_of(services, s3, good) == []
    assert files_of(services, s3, bad) != []
    reported = [record.__dict__["entry"] for record in caplog.records if record.levelname == "ERROR"]
    assert [entry.partition("#")[2] for entry in reported] == [bad.job_id]
    refused.clear()
    assert remove_expired(services) == 0  # its turn is later
    clock.forward(minutes=3)
    assert remove_expired(services) == 1
    assert files_of(services, s3, bad) == []


@pytest.mark.parametrize("poison", ["unreadable", "refused", "fails"])
def test_an_announcement_that_cannot_be_sent_does_not_keep_the_others(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    monkeypatch.setattr(outbox, "LATE_PER_CALL", 1)

    def fail(*_: Any) -> None:
        raise NotPublished("the bus is down")

    with monkeypatch.context() as patch:
        patch.setattr(services.events, "publish", fail)
        jobs = [start(services, s3, FILE, key=f"drop/{name}/x.csv") for name in ("contacts", "orders")]
    bad, good = sorted(jobs, key=lambda job: job.job_id)
    told: list[str] = []

    def publish(kind: str, detail: Any, resources: list[str]) -> None:
        if detail["jobId"] == bad.job_id and poison != "unreadable":
            raise NotPublished if poison == "refused" else RuntimeError
        told.append(detail["jobId"])

    monkeypatch.setattr(services.events, "publish", publish)
    if poison == "unreadable":
        item = services.jobs_table.query("OUTBOX", prefix=bad.job_id).items[0]
        services.jobs_table.put({**item, "job": json.dumps({})})
    clock.forward(minutes=2)
    assert [publish_late(services) for _ in range(2)] == [0, 1]
    assert told == [good.job_id]
    assert publish_late(services) == 0
    [kept] = services.jobs_table.query("OUTBOX#FAILED").items
    assert kept["sk"].partition("#")[2] == f"{bad.job_id}#WAITING"
    assert services.jobs_table.query("OUTBOX").items == []


def test_an_announcement_that_failed_is_sent_once_it_can_be(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise NotPublished("the bus is down")

    with monkeypatch.context() as patch:
        patch.setattr(services.events, "publish", fail)
        start(services, s3, FILE)
        for _ in range(3):
            clock.forward(hours=1, minutes=1)
            assert publish_late(services) == 0
    clock.forward(hours=1, minutes=1)
    monkeypatch.setattr(services.events, "publish", lambda *_: None)
    assert publish_late(services) == 1


def test_a_job_that_cannot_be_recovered_does_not_keep_the_others(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [start(services, s3, FILE, key=f"drop/{name}/x.csv") for name in ("contacts", "orders")]
    stop_executions(services)
    clock.forward(minutes=2)
    first = jobs[0].job_id
    with monkeypatch.context() as patch:
        poisoned = failing_for(recovery.restart_execution, lambda _, job, since: job.job_id == first)
        patch.setattr(recovery, "restart_execution", poisoned)
        assert recover_jobs(services) == 1
    assert [services.jobs.get(job.job_id).restarts for job in jobs] == [0, 1]
    assert recover_jobs(services) == 0  # its turn is later
    clock.forward(minutes=3)
    assert recover_jobs(services) == 1
    assert services.jobs.get(first).restarts == 1


@pytest.mark.parametrize("options", [{}, {"dry-run": "true"}])
def test_a_job_that_cannot_be_read_does_not_keep_the_others(
    services: Services, s3: Any, clock: builders.Clock, options: dict[str, str]
) -> None:
    bad, good = (start(services, s3, FILE, key=f"drop/{name}/x.csv", **options) for name in ("contacts", "orders"))
    item = services.jobs_table.get(record_key(bad.job_id))
    assert item is not None
    services.jobs_table.put({**item, "status": "ODD"})
    stop_executions(services)
    clock.forward(minutes=2)
    assert recover_jobs(services) == 1
    assert services.jobs.get(good.job_id).restarts == 1
    assert [job.job_id for job in all_jobs(services)] == [good.job_id]
    services.jobs_table.put(item)
    clock.forward(minutes=3)
    assert recover_jobs(services) == 1
    assert services.jobs.get(bad.job_id).restarts == 1


def test_an_entity_that_cannot_be_erased_does_not_keep_the_others(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("contacts", "orders"):
        delete_entity(services, services.entities.get(name))
    first = services.entities.deleted()[0]
    with monkeypatch.context() as patch:
        poisoned = failing_for(entity_deletion._erase_records, lambda _, uid, *__: uid == first)
        patch.setattr(entity_deletion, "_erase_records", poisoned)
        erase_deleted(services)
        assert services.entities.deleted() == [first]
    erase_deleted(services)
    assert services.entities.deleted() == []


def test_an_export_that_cannot_be_read_does_not_keep_the_others(services: Services, clock: builders.Clock) -> None:
    bad, good = (builders.scheduled_export(services) for _ in range(2))
    item = services.catalog_table.get(("EXPORT", bad.export_id))
    assert item is not None
    services.catalog_table.put({**item, "definition": "not JSON"})
    assert [export.export_id for export in services.exports.page(10)[0]] == [good.export_id]
    clock.forward(days=1)
    assert tick(services) == 1
    assert services.exports.get(good.export_id).running is not None
    assert tick(services) == 0  # its turn is later
    services.catalog_table.update(("EXPORT", bad.export_id), Change(sets={"definition": item["definition"]}))
    clock.forward(minutes=3)
    assert tick(services) == 1
    assert services.exports.get(bad.export_id).running is not None


def test_an_entity_that_cannot_be_read_does_not_hide_the_others(services: Services) -> None:
    services.catalog_table.put({"pk": "ENTITY", "sk": "contacts", "uid": "u", "document": "not JSON"})
    assert [entity.name for entity in services.entities.page(10)[0]] == ["orders"]
    assert list(services.entities.find_many(["contacts", "orders"])) == ["orders"]


MALFORMED = {
    "DUE": (tick, "catalog", {"sk": "2020-01-01T00:00:00.000Z"}),
    "SWEEP": (remove_expired, "jobs", {"sk": "2020-01-01T00:00:00.000Z#ghost"}),
    "OUTBOX": (publish_late, "jobs", {"sk": "ghost#WAITING"}),
    "DELETING": (erase_deleted, "catalog", {"sk": "ghost"}),
}


def a_due_export(services: Services, s3: Any) -> Callable[[], bool]:
    export = builders.scheduled_export(services)
    return lambda: services.exports.get(export.export_id).running is not None


def expired_files(services: Services, s3: Any) -> Callable[[], bool]:
    job = run(services, start(services, s3, FILE))
    services.files.put(services.settings.files_bucket, f"jobs/{job.job_id}/rejects.csv", b"x")
    return lambda: files_of(services, s3, job) == []


def an_announcement(services: Services, s3: Any) -> Callable[[], bool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.events, "publish", failing_for(print, lambda *_: True))
        start(services, s3, FILE)
    return lambda: services.jobs_table.query("OUTBOX").items == []


def a_stale_mark(services: Services, s3: Any) -> Callable[[], bool]:
    services.entities.mark(services.entities.get("orders"), services.clock.now())
    uid = services.entities.get("orders").uid
    return lambda: uid not in [item["sk"] for item in services.entities.marks()]


@pytest.mark.parametrize(
    ("partition", "other"),
    [("DUE", a_due_export), ("SWEEP", expired_files), ("OUTBOX", an_announcement), ("DELETING", a_stale_mark)],
)
def test_an_entry_that_lacks_members_is_reported_and_does_not_keep_the_others(
    services: Services, s3: Any, clock: builders.Clock, caplog: pytest.LogCaptureFixture, partition: str, other: Any
) -> None:
    is_done = other(services, s3)
    duty, table, entry = MALFORMED[partition]
    for item in (entry, {"sk": f"0{entry['sk']}"}):  # each precedes the good one
        getattr(services, f"{table}_table").put({"pk": partition, **item})
    clock.forward(hours=49)
    caplog.clear()
    duty(services)
    reported = [one for one in caplog.records if one.message == "An entry failed and is tried again later"]
    assert len(reported) == 2
    assert is_done()


#: Values that no duty writes, for any member of an entry.
ODD = ("many", -1, 10**30, Decimal("0.5"), None, True, ["2020-01-01T00:00:00.000Z"], {"jobId": "x"}, b"x", {"x"}, "")


def odd_entries(partition: str, sk: str, /, **members: Any) -> list[Item]:
    """An entry for each odd value of each member; `members` are as they should be. All precede what is really due."""
    return [
        {"pk": partition, "sk": sk.format(f"2020-01-01T00:00:00.{number:03}Z"), **members, member: odd}
        for number, (member, odd) in enumerate(product(members, ODD))
    ]


def a_silent_job(services: Services, s3: Any) -> Callable[[], bool]:
    job = start(services, s3, FILE, key="drop/orders/x.csv")
    stop_executions(services)
    return lambda: services.jobs.get(job.job_id).restarts == 1


A_RECORD = {"recordDue": "2020-01-01T00:00:00.000Z", "jobId": "x", "exportId": "x", "submittedAt": "x"}
A_SOURCE = {"sourceBucket": "drop-bucket", "sourceKey": "drop/x/y", "sourceEtag": "x", "entityUid": "x"}


@pytest.mark.parametrize(
    ("duty", "other", "entries"),
    [
        (tick, a_due_export, odd_entries("DUE", "{}#unread", attempts=0)),
        (
            remove_expired,
            expired_files,
            odd_entries("SWEEP", "{}#x", **A_RECORD, **A_SOURCE, filesDeleted=True, attempts=0),
        ),
        (publish_late, an_announcement, odd_entries("OUTBOX", "!{}#WAITING", since=0, job="{}", attempts=0)),
        (publish_late, an_announcement, odd_entries("OUTBOX#FAILED", "{}#x#WAITING", job="{}", attempts=0)),
        (recover_jobs, a_silent_job, odd_entries("CHECKUP", "{}#unread", entityUid="x", attempts=0)),
        (recover_jobs, a_silent_job, odd_entries("CHECKUP", "{}#unread", attempts=0)),
        (erase_deleted, a_stale_mark, odd_entries("DELETING", "!{}", since=0, mark="x")),
        (erase_deleted, a_stale_mark, odd_entries("DELETED", "!{}", name="x")),
    ],
    ids=["due", "removals", "outbox", "outbox-failed", "checkups-of-entities", "checkups", "marks", "deleted"],
)
def test_an_entry_with_an_odd_value_does_not_keep_the_others(
    services: Services, s3: Any, clock: builders.Clock, duty: Any, other: Any, entries: list[Item]
) -> None:
    is_done = other(services, s3)
    table = services.catalog_table if entries[0]["pk"] in ("DUE", "DELETING", "DELETED") else services.jobs_table
    unread_job = {"pk": "JOB#unread", "sk": "JOB", "status": "ODD"}
    services.jobs_table.put_many([unread_job, {"pk": "RUNNING#x", "sk": "IMPORT", "jobId": 5}])
    services.catalog_table.put({"pk": "EXPORT", "sk": "unread", "definition": "not JSON", "dueAt": "x"})
    table.put_many(entries)
    clock.forward(hours=49)
    duty(services)
    assert is_done()
    clock.forward(hours=1)
    duty(services)  # what was kept of them


def test_an_export_with_an_odd_number_of_attempts_is_attended_to_again(services: Services, clock: Any) -> None:
    export = builders.scheduled_export(services)
    [due] = services.catalog_table.query("DUE").items
    services.catalog_table.put({**due, "attempts": "many"})
    clock.forward(days=1)
    assert tick(services) == 1
    assert services.exports.get(export.export_id).running is not None


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError"])
def test_an_entry_that_cannot_be_postponed_does_not_keep_the_others(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    bad, good = (builders.scheduled_export(services) for _ in range(2))
    services.catalog_table.update(("EXPORT", bad.export_id), Change(sets={"definition": "not JSON"}))
    jobs = [run(services, start(services, s3, FILE, key=f"drop/contacts/{name}.csv")) for name in "ab"]
    for job in jobs:
        services.files.put(services.settings.files_bucket, f"jobs/{job.job_id}/rejects.csv", b"x")
    poison = {bad.export_id, jobs[0].job_id}
    really = services.dynamodb.call

    def call(operation: str, request: Any) -> Any:
        if operation == "TransactWriteItems" and any(name in json.dumps(request) for name in poison):
            raise TransactionCanceled("collision", [{"Code": code}, {"Code": "None"}])
        return really(operation, request)

    monkeypatch.setattr(services.dynamodb, "call", call)
    clock.forward(days=2, hours=1)
    assert tick(services) == 1
    assert services.exports.get(good.export_id).running is not None
    remove_expired(services)
    assert files_of(services, s3, jobs[1]) == []
