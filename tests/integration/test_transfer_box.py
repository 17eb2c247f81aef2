"""An export replaces only what it wrote itself: in the transfer box, and in every other bucket that it delivers to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.client import BaseClient as S3Api

from tests.integration.test_export_runs import PERIODIC, end, enough, export_of, no_wait, put_records  # noqa: F401
from waybill.aws import bucket as buckets
from waybill.aws.bucket import Bucket, Found
from waybill.bootstrap import Services
from waybill.exports import deliver as delivering
from waybill.exports import extract as extraction
from waybill.exports.definition import Export
from waybill.exports.run import activate, relaunch_export, run_now
from waybill.jobs.model import Job, Status

KEY = "out/contacts.csv"
BODY = PERIODIC | {"fileName": "contacts.csv"}
INCREMENTAL = BODY | {"type": "INCREMENTAL"}
TRANSFER = "transfer-bucket"


@pytest.fixture
def objects(services: Services, s3: S3Api) -> Callable[..., dict[str, bytes]]:
    """What is in a bucket, by key."""
    assert services.settings.transfer_bucket == TRANSFER

    def read(bucket: str = TRANSFER) -> dict[str, bytes]:
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    return read


Objects = Callable[..., dict[str, bytes]]


def scheduled(services: Services, **members: Any) -> Export:
    return activate(services, export_of(services, **BODY | members), "alice", "a")


def ran(services: Services, export: Export) -> Job:
    return end(services, run_now(services, services.exports.get(export.export_id), "alice", "a"))


def refused(job: Job) -> str:
    assert (job.status, job.error_code) == (Status.FAILED, "delivery-failed"), job
    message = str(job.error_message)
    assert message.startswith("taken: The object "), message
    return message


@pytest.mark.parametrize("bucket", [TRANSFER, "partners-bucket"])
def test_another_export_replaces_neither_file_nor_manifest(
    services: Services, s3: S3Api, objects: Objects, bucket: str
) -> None:
    """The attack: an export of another entity, or of the same, with the same name."""
    if bucket != TRANSFER:
        s3.create_bucket(Bucket=bucket)
    destination = {"kind": "s3", "bucket": bucket, "prefix": "out"}
    put_records(services, 3)
    victim = scheduled(services, destination=destination)
    assert ran(services, victim).status is Status.COMPLETED
    before = objects(bucket)
    assert set(before) == {KEY, f"{KEY}.manifest.json"}
    for attack in (
        {"destination": destination, "fields": ["email"]},
        {"destination": destination | {"prefix": "out/"}},
        {"destination": destination | {"prefix": ""}, "fileName": "contacts.csv"},
        {"destination": destination, "fileName": "contacts.csv.manifest.json"},
    ):
        job = ran(services, scheduled(services, **attack))
        if attack["destination"]["prefix"] == "":
            assert job.status is Status.COMPLETED  # another key
            continue
        assert f"in the bucket {bucket} was not written by this export. Move it away" in refused(job)
    after = objects(bucket)
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {"contacts.csv", "contacts.csv.manifest.json"}


def test_a_file_whose_manifest_would_be_anothers_file_is_not_written(services: Services, objects: Objects) -> None:
    put_records(services, 1)
    assert ran(services, scheduled(services, fileName="contacts.csv.manifest.json")).status is Status.COMPLETED
    before = objects()
    assert "contacts.csv.manifest.json in the bucket" in refused(ran(services, scheduled(services)))
    assert objects() == before


@pytest.mark.parametrize("metadata", [{}, {"waybill-job": "x"}, {"waybill-export": ""}, {"waybill-export": "another"}])
def test_what_somebody_else_put_there_stays(
    services: Services, s3: S3Api, objects: Objects, metadata: dict[str, str]
) -> None:
    for key in (KEY, f"{KEY}.manifest.json"):
        s3.put_object(Bucket=TRANSFER, Key=key, Body=b"theirs", Metadata=metadata)
        export = scheduled(services)
        refused(ran(services, export))
        assert objects() == {key: b"theirs"}
        # Once it is gone, the relaunch delivers.
        s3.delete_object(Bucket=TRANSFER, Key=key)
        failed = services.runs.page(export.export_id, 10)[0][0]
        child = end(services, relaunch_export(services, failed, "alice", "a"))
        assert child.status is Status.COMPLETED
        for each in objects():
            s3.delete_object(Bucket=TRANSFER, Key=each)


def test_an_export_replaces_its_own_file_whoever_starts_it_and_whatever_it_is_called(
    services: Services, objects: Objects
) -> None:
    export = scheduled(services)
    for count in (1, 2, 3):
        put_records(services, count)
        assert ran(services, export).status is Status.COMPLETED
        assert objects()[KEY].count(b"\r\n") == count + 1
        assert json.loads(objects()[f"{KEY}.manifest.json"])["rows"] == count
    services.exports.unschedule(export.export_id)
    renamed = replace(export.definition, name="Another name", fields=("contact_id",))
    services.exports.edit(export.export_id, renamed, export.entity_uid)
    activate(services, services.exports.get(export.export_id), "bob", "b")
    assert ran(services, export).status is Status.COMPLETED
    assert objects()[KEY].startswith(b"contact_id\r\n")
    # A copy, and one that is made again after it was deleted, are other exports.
    refused(ran(services, scheduled(services)))
    services.exports.unschedule(export.export_id)
    services.exports.delete(export.export_id)
    refused(ran(services, scheduled(services)))


@pytest.mark.parametrize("put_bytes", [0, buckets.PUT_BYTES])
@pytest.mark.parametrize("raced", [KEY, f"{KEY}.manifest.json"])
def test_nothing_is_lost_that_appears_between_the_look_and_the_write(
    services: Services,
    s3: S3Api,
    objects: Objects,
    monkeypatch: pytest.MonkeyPatch,
    raced: str,
    put_bytes: int,
) -> None:
    monkeypatch.setattr(buckets, "PUT_BYTES", put_bytes)  # 0: every file is copied in parts
    find = Bucket.find
    looks: list[str] = []

    def look(self: Bucket, key: str) -> Found | None:
        found = find(self, key)
        looks.append(key)
        if key == raced and looks.count(key) == 1:
            s3.put_object(Bucket=TRANSFER, Key=key, Body=b"theirs")
        return found

    monkeypatch.setattr(Bucket, "find", look)
    put_records(services, 1)
    refused(ran(services, scheduled(services)))
    assert objects()[raced] == b"theirs" and looks.count(raced) == 2
    assert not s3.list_multipart_uploads(Bucket=TRANSFER).get("Uploads")
    # Changes go to the next free name instead.
    s3.delete_object(Bucket=TRANSFER, Key=KEY)
    s3.delete_object(Bucket=TRANSFER, Key=f"{KEY}.manifest.json")
    looks.clear()
    job = ran(services, scheduled(services, **INCREMENTAL))
    assert (job.status, job.file_name) == (Status.COMPLETED, "contacts_2.csv")
    assert objects()[raced] == b"theirs"


def test_what_replaces_the_exports_own_file_meanwhile_stays(
    services: Services, s3: S3Api, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = scheduled(services)
    assert ran(services, export).status is Status.COMPLETED
    find = Bucket.find

    def look(self: Bucket, key: str) -> Found | None:
        found = find(self, key)
        if key == KEY:
            s3.put_object(Bucket=TRANSFER, Key=key, Body=b"theirs")
        return found

    monkeypatch.setattr(Bucket, "find", look)
    refused(ran(services, export))
    assert objects()[KEY] == b"theirs"


def test_a_file_that_is_always_written_to_by_others_ends_the_run(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*_: Any, **__: Any) -> None:
        raise buckets.KeyTaken

    monkeypatch.setattr(Bucket, "put", put)
    assert "is written to by others at the same time" in refused(ran(services, scheduled(services)))


@pytest.mark.parametrize("body", [BODY, INCREMENTAL])
@pytest.mark.parametrize("after", ["file", "manifest"])
def test_an_attempt_that_died_after_its_write_is_repeated(
    services: Services, objects: Objects, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], after: str
) -> None:
    export = activate(services, export_of(services, **body), "alice", "a")
    put = Bucket.put
    deaths = 0

    def dying(self: Bucket, key: str, *arguments: Any) -> None:
        nonlocal deaths
        put(self, key, *arguments)
        if key.endswith(".manifest.json") == (after == "manifest") and not deaths:
            deaths += 1
            raise RuntimeError("killed")

    put_records(services, 2)
    monkeypatch.setattr(Bucket, "put", dying)
    job = run_now(services, export, "alice", "a")
    extraction.extract(services, job.job_id, enough)
    with pytest.raises(RuntimeError, match="killed"):
        delivering.deliver(services, job.job_id, enough)
    services.clock.forward(seconds=13)  # type: ignore[attr-defined]
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.file_name) == (Status.COMPLETED, "contacts.csv")
    assert set(objects()) == {KEY, f"{KEY}.manifest.json"}


def test_files_of_the_version_before_are_still_the_exports_own(services: Services, s3: S3Api, objects: Objects) -> None:
    """They bear the run's id only; the manifest beside them names the export."""
    export = scheduled(services)
    for owner, is_own in ((export.export_id, True), ("another", False), (None, False)):
        s3.put_object(Bucket=TRANSFER, Key=KEY, Body=b"old", Metadata={"waybill-job": "an old run"})
        manifest = b"no JSON" if owner is None else json.dumps({"exportId": owner}).encode()
        s3.put_object(Bucket=TRANSFER, Key=f"{KEY}.manifest.json", Body=manifest)
        job = ran(services, export)
        assert (job.status is Status.COMPLETED) is is_own
        assert (objects()[KEY] != b"old") is is_own


def older_file(s3: S3Api, job_id: str) -> None:
    s3.put_object(Bucket=TRANSFER, Key=KEY, Body=b"old", Metadata={"waybill-job": job_id})


def older_manifest(s3: S3Api, export_id: str) -> None:
    manifest = json.dumps({"exportId": export_id}).encode()
    s3.put_object(Bucket=TRANSFER, Key=f"{KEY}.manifest.json", Body=manifest)


def test_either_of_them_is_still_the_exports_own_when_the_consumer_took_the_other(
    services: Services, s3: S3Api, objects: Objects
) -> None:
    export, other = scheduled(services), scheduled(services, destination=PERIODIC["destination"] | {"prefix": "other"})
    run, others_run = ran(services, export), ran(services, other)
    for job_id, is_own in ((run.job_id, True), (others_run.job_id, False), ("unknown", False)):
        for key in objects():
            s3.delete_object(Bucket=TRANSFER, Key=key)
        older_file(s3, job_id)
        assert (ran(services, export).status is Status.COMPLETED) is is_own
        assert (objects()[KEY] != b"old") is is_own
    for export_id, is_own in ((export.export_id, True), (other.export_id, False)):
        for key in objects():
            s3.delete_object(Bucket=TRANSFER, Key=key)
        older_manifest(s3, export_id)
        assert (ran(services, export).status is Status.COMPLETED) is is_own
        assert (KEY in objects()) is is_own


def test_a_run_that_died_between_file_and_manifest_of_the_version_before_is_repeated(
    services: Services, s3: S3Api, objects: Objects
) -> None:
    export = scheduled(services)
    assert ran(services, export).status is Status.COMPLETED
    older_manifest(s3, export.export_id)
    assert ran(services, export).status is Status.COMPLETED
    assert "rows" in json.loads(objects()[f"{KEY}.manifest.json"])
