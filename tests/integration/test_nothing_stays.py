"""Nothing of an expired or deleted job stays behind, also when its deletion dies and nobody repeats it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders
from tests.importing import BAD_ROWS, Crash, all_jobs, run, start
from waybill.bootstrap import Services
from waybill.entities.model import Entity
from waybill.exports.definition import Export, ExportStatus
from waybill.exports.deliver import deliver
from waybill.exports.extract import extract
from waybill.exports.run import activate, run_now
from waybill.ids import new_uuid
from waybill.imports.options import ImportOptions
from waybill.imports.start import start_upload
from waybill.jobs.model import Job, Status
from waybill.jobs.uploads import Upload
from waybill.timestamps import from_epoch
from waybill.upkeep.actions import cancel_job, delete_job
from waybill.upkeep.announcements import publish_late
from waybill.upkeep.lost_drops import start_lost_drops
from waybill.upkeep.recovery import recover_jobs
from waybill.upkeep.retention import remove_expired

#: What outlives jobs by its purpose: digests of contents, the write time after which the next import of an entity
#: begins, how many rows its imports usually have, how far the sweep of the drop folder is, and the audit trail
#: (`test_audit.py`).
OUTLIVES = ("CONTENT#", "HORIZON#", "USUAL#", "DROPPASS", "AUDIT#")


def items(services: Services) -> list[dict[str, Any]]:
    return services.dynamodb.call("Scan", {"TableName": services.settings.jobs_table})["Items"]


def time_to_live(services: Services) -> None:
    """What DynamoDB's TTL does in its own time."""
    for item in items(services):
        if "expiresAt" in item and from_epoch(int(item["expiresAt"]["N"])) <= services.clock.now():
            services.jobs_table.delete((item["pk"]["S"], item["sk"]["S"]))


def duties(services: Services) -> None:
    recover_jobs(services)
    publish_late(services)
    remove_expired(services)
    start_lost_drops(services)


def left(services: Services) -> list[tuple[str, str]]:
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in items(services)]
    return [key for key in keys if not key[0].startswith(OUTLIVES)]


def objects(services: Services, s3: Any) -> list[str]:
    buckets = (services.settings.drop_bucket, services.settings.files_bucket)
    return [one["Key"] for bucket in buckets for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def imported(services: Services, s3: Any) -> Job:
    return run(services, start(services, s3, builders.contacts_csv(BAD_ROWS, count=3)))


def refused(services: Services, s3: Any) -> Job:
    return start(services, s3, b"x", key="drop/nobody/x.csv")


def broken(services: Services, s3: Any) -> Job:
    return run(services, start(services, s3, b"no,such,columns\n1,2,3\n", key="drop/contacts/broken.csv"))


def canceled(services: Services, s3: Any) -> Job:
    return cancel_job(services, start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/canceled.csv"))


def dry(services: Services, s3: Any) -> Job:
    file = builders.contacts_csv(count=2)
    return run(services, start(services, s3, file, key="drop/contacts/dry.csv", **{"dry-run": "true"}))


def uploaded(services: Services, s3: Any) -> Job:
    key, now = "uploads/u1/source", services.clock.now()
    upload = Upload("u1", "contacts", "contacts.csv", "alice", "a", key, now)
    services.uploads.add(upload)
    services.files.put(services.settings.files_bucket, key, builders.contacts_csv(count=1))
    claim = services.idempotency_keys.claim("alice", "k", {"uploadId": "u1"})
    job = run(services, start_upload(services, upload, ImportOptions(), new_uuid()))
    services.idempotency_keys.complete(claim, {"jobId": job.job_id})  # type: ignore[arg-type]
    return job


def exported(services: Services, s3: Any) -> Job:
    definition = builders.export_definition(
        type="PERIODIC_FULL",
        schedule={"time": "02:30", "timezone": "UTC"},
        destination={"kind": "s3"},
        recipients=["ops@example.com"],
    )
    export = Export(
        new_uuid(), definition, "uid-contacts", ExportStatus.DRAFT, services.clock.now(), "alice", "a", "series"
    )
    services.exports.add(export)
    job = run_now(services, activate(services, export, "alice", "a"), "alice", "a")
    assert extract(services, job.job_id, lambda: 900.0) == {"outcome": "extracted"}
    assert deliver(services, job.job_id, lambda: 900.0) == {"outcome": "ended"}
    return services.jobs.get(job.job_id)


LIVES = [imported, refused, broken, canceled, dry, uploaded, exported]
Life = Callable[[Services, Any], Job]


@pytest.fixture(autouse=True)
def contacts(services: Services) -> Entity:
    entity = builders.entity()
    services.entities.put(entity)
    return entity


@pytest.mark.parametrize("is_ttl_late", [False, True], ids=["ttl first", "ttl late"])
@pytest.mark.parametrize("live", LIVES, ids=lambda live: live.__name__)
def test_nothing_of_an_expired_job_stays(
    services: Services, s3: Any, clock: builders.Clock, live: Life, is_ttl_late: bool
) -> None:
    job = live(services, s3)
    assert job.is_terminal and job.expires_at is not None
    clock.moment = job.expires_at
    duties(services)  # the files are gone; the record may be
    for _ in range(2):
        clock.forward(minutes=1)
        if not is_ttl_late:
            time_to_live(services)
        duties(services)
    clock.forward(days=8)
    time_to_live(services)
    assert left(services) == []
    assert objects(services, s3) == []


def test_the_files_go_before_the_record(services: Services, s3: Any, clock: builders.Clock) -> None:
    job = imported(services, s3)
    clock.forward(hours=49)
    assert remove_expired(services) == 1
    assert objects(services, s3) == []
    assert services.jobs.get(job.job_id) == job
    assert services.jobs.definition(job.job_id)
    assert remove_expired(services) == 0


@pytest.mark.parametrize("live", [imported, uploaded, exported], ids=lambda live: live.__name__)
def test_a_deletion_that_died_anywhere_is_completed_although_nobody_repeats_it(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, live: Life
) -> None:
    """The process dies before each of its requests in turn, and after each of them."""
    for moment in itertools.count():
        job = live(services, s3)
        with monkeypatch.context() as patch:
            die_at(moment, services, patch)
            try:
                delete_job(services, job)
            except Crash:
                pass
            else:
                break
        if services.jobs.live([job.job_id]):  # it died before the deletion was recorded: nothing has begun
            delete_job(services, job)
        clock.forward(minutes=2)
        duties(services)
        clock.forward(days=8)
        time_to_live(services)
        assert (left(services), objects(services, s3)) == ([], []), moment
    assert moment > 10


def die_at(moment: int, services: Services, patch: pytest.MonkeyPatch) -> None:
    """The process dies before its request number `moment // 2`, or after it, where `moment` is odd."""
    requests = itertools.count()

    def dying(really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            number = next(requests)
            if number == moment / 2:
                raise Crash
            answer = really(*arguments, **named)
            if number == (moment - 1) / 2:
                raise Crash
            return answer

        return call

    patch.setattr(services.dynamodb, "call", dying(services.dynamodb.call))
    for name in ("delete_object", "delete_objects", "head_object"):
        patch.setattr(services.files._s3, name, dying(getattr(services.files._s3, name)))


def test_a_job_whose_deletion_died_is_gone_for_everybody(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = imported(services, s3)

    def die(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(services.files, "delete_prefix", die)
        delete_job(services, job)
    assert all_jobs(services) == []


def test_a_run_that_was_deleted_before_its_export_noted_its_end_is_not_run_again(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waybill.exports import run as runs

    with monkeypatch.context() as patch:
        patch.setattr(runs, "note_end", lambda *_: None)
        job = exported(services, s3)
    delete_job(services, job)
    clock.forward(minutes=5)
    assert runs.tick(services) == 0
    assert services.jobs.find(job.job_id) is None
    assert job.status is Status.COMPLETED


def test_a_deletion_that_takes_longer_than_a_request_may_is_completed_later(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = imported(services, s3)
    monkeypatch.setattr("waybill.upkeep.actions.DELETION_SECONDS", 0.0)
    delete_job(services, job)
    assert all_jobs(services) == [] and services.jobs.find(job.job_id) is not None
    clock.forward(minutes=3)
    remove_expired(services)
    assert services.jobs.find(job.job_id) is None
