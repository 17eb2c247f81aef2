"""Runs of split exports on moto: the same whole files whatever breaks off, and a manifest of them that comes last."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from typing import Any

import pytest

from tests import builders
from waybill.aws.bucket import Bucket, BucketRefused
from waybill.aws.dynamodb import to_attributes
from waybill.bootstrap import Services
from waybill.entities.model import SHARDS, partition
from waybill.errors import DeliveryFailed
from waybill.exports import deliver as delivering
from waybill.exports import extract as extraction
from waybill.exports.definition import Export, ExportStatus
from waybill.exports.destinations.base import Delivery
from waybill.exports.destinations.s3 import S3
from waybill.exports.manifest import part_of
from waybill.exports.report import report_of_run
from waybill.exports.run import activate, run_now
from waybill.ids import new_uuid
from waybill.jobs.model import Job, Status

DAILY = {
    "type": "PERIODIC_FULL",
    "schedule": {"time": "02:30", "timezone": "UTC"},
    "destination": {"kind": "s3", "prefix": "out"},
    "fileName": "contacts.csv",
}
MANIFEST = "out/contacts.csv.manifest.json"


def enough() -> float:
    return 900.0


@pytest.fixture(autouse=True)
def waits_pass(clock: builders.Clock) -> None:
    """A lease of an attempt that broke off lapses while the next one waits."""
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)


def export_of(services: Services, count: int, **members: Any) -> Export:
    """An activated export of so many contacts."""
    entity = builders.entity()
    services.entities.put(entity)
    put_contacts(services, 0, count)
    now, definition = services.clock.now(), builders.export_definition(**{"fields": ["contact_id"]} | members)
    draft = Export(new_uuid(), definition, entity.uid, ExportStatus.DRAFT, now, "alice", "a", "series")
    services.exports.add(draft)
    return activate(services, draft, "alice", "a")


def put_contacts(services: Services, begin: int, end: int) -> None:
    for number in range(begin, end):
        key = f"c{number:04d}"
        item = {
            "_pk": partition("uid-contacts", number % SHARDS),
            "_sk": key,
            "_at": 1,
            "_by": "job",
            "contact_id": key,
        }
        table = services.settings.records_table
        services.dynamodb.call("PutItem", {"TableName": table, "Item": to_attributes(item)})


def run(services: Services, export: Export) -> Job:
    """The next run, extracted."""
    job = run_now(services, services.exports.get(export.export_id), "alice", "a")
    extraction.extract(services, job.job_id, enough)
    return services.jobs.get(job.job_id)


def delivered(services: Services, job: Job) -> Job:
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    return services.jobs.get(job.job_id)


def received(s3: Any) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket="transfer-bucket").get("Contents", [])
    return {
        each["Key"]: s3.get_object(Bucket="transfer-bucket", Key=each["Key"])["Body"].read()
        for each in sorted(listed, key=lambda each: str(each["Key"]))
    }


def keys_of_set(objects: dict[str, bytes], manifest_key: str = MANIFEST) -> list[str]:
    """The keys of the rows in the files that a manifest lists; asserts that each file is as it says."""
    manifest, rows = json.loads(objects[manifest_key]), []
    for file in manifest["files"]:
        data = objects[f"out/{file['fileName']}"]
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        found = [row["contact_id"] for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
        assert len(found) == file["rows"]
        rows += found
    assert (manifest["rows"], manifest["bytes"]) == (len(rows), sum(file["bytes"] for file in manifest["files"]))
    assert "sha256" not in manifest
    return rows


def test_a_set_is_delivered_with_one_manifest_and_reported(services: Services, s3: Any) -> None:
    export = export_of(services, 25, split={"maxRows": 10}, **DAILY)
    job = delivered(services, run(services, export))
    objects = received(s3)
    assert set(objects) == {*(f"out/contacts_000{number}.csv" for number in (1, 2, 3)), MANIFEST}
    assert sorted(keys_of_set(objects)) == [f"c{number:04d}" for number in range(25)]
    assert (job.status, job.file_name, job.counts.imported) == (Status.COMPLETED, "contacts.csv", 25)
    report = report_of_run(job, services.jobs.definition(job.job_id), services.settings)
    assert (report["files"], report["sha256"], report["bytes"]) == (3, None, json.loads(objects[MANIFEST])["bytes"])
    assert report["delivered"] == {"kind": "s3", "location": f"s3://transfer-bucket/{MANIFEST}"}


def test_a_set_of_fewer_files_leaves_the_others_and_lists_its_own(services: Services, s3: Any) -> None:
    export = export_of(services, 25, split={"maxRows": 10}, **DAILY)
    delivered(services, run(services, export))
    before = received(s3)
    for number in range(12, 25):
        key = {"_pk": partition("uid-contacts", number % SHARDS), "_sk": f"c{number:04d}"}
        services.dynamodb.call("DeleteItem", {"TableName": services.settings.records_table, "Key": to_attributes(key)})
    delivered(services, run(services, export))
    objects = received(s3)
    assert sorted(keys_of_set(objects)) == [f"c{number:04d}" for number in range(12)]
    assert objects["out/contacts_0003.csv"] == before["out/contacts_0003.csv"]
    assert len(json.loads(objects[MANIFEST])["files"]) == 2


@pytest.mark.parametrize("type", ["PERIODIC_FULL", "INCREMENTAL"])
@pytest.mark.parametrize("broken", [1, 2, 3, 4])
def test_a_delivery_that_breaks_off_anywhere_goes_on_with_the_same_set(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch, broken: int, type: str
) -> None:
    """Before a file, or before the manifest; each file that is there is whole."""
    export = export_of(services, 25, **DAILY | {"split": {"maxRows": 10}, "type": type})
    job, count = run(services, export), 0
    put = Bucket.put

    def break_off(bucket: Bucket, *arguments: Any, **options: Any) -> None:
        nonlocal count
        count += 1
        if count == broken:
            raise BucketRefused("unreachable", "It broke off.")
        put(bucket, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "put", break_off)
        assert delivering.deliver(services, job.job_id, enough)["outcome"] == "retry"
    there = received(s3)
    assert list(there) == [f"out/contacts_000{number}.csv" for number in range(1, broken)], "no manifest before its end"
    put_contacts(services, 100, 110)
    assert delivered(services, job).file_name == "contacts.csv"
    objects = received(s3)
    assert there.items() <= objects.items(), "what was there is the same"
    assert sorted(keys_of_set(objects)) == [f"c{number:04d}" for number in range(25)]


def test_a_set_that_fails_in_its_middle_says_how_much_of_it_is_there(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run(services, export_of(services, 25, split={"maxRows": 10}, **DAILY))

    def fail(_: S3, delivery: Delivery, remaining_seconds: Any) -> None:
        delivery.keep(done=2)  # as a delivery to a server notes it
        raise DeliveryFailed("permission", "The server refused contacts_0003.csv.")

    monkeypatch.setattr(S3, "deliver", fail)
    assert delivering.deliver(services, job.job_id, enough)["outcome"] == "ended"
    message = services.jobs.get(job.job_id).error_message
    assert message is not None
    assert message.endswith(" 2 of 3 files have their names; no manifest lists them.")


def test_a_delivery_that_runs_out_of_time_between_files_goes_on(services: Services, s3: Any) -> None:
    job = run(services, export_of(services, 25, split={"maxRows": 10}, **DAILY))
    left = iter([900.0, 900.0, 0.0])
    with_time = lambda: next(left, 0.0)  # noqa: E731
    outcomes = [delivering.deliver(services, job.job_id, with_time)["outcome"]]
    assert outcomes == ["more"] and MANIFEST not in received(s3)
    delivered(services, job)
    assert len(keys_of_set(received(s3))) == 25


def test_sets_of_changes_take_a_free_name_together(services: Services, s3: Any) -> None:
    s3.put_object(Bucket="transfer-bucket", Key="out/contacts_0002.csv", Body=b"theirs")
    export = export_of(services, 25, **DAILY | {"split": {"maxRows": 10}, "type": "INCREMENTAL"})
    assert delivered(services, run(services, export)).file_name == "contacts_2.csv"
    objects = received(s3)
    assert objects["out/contacts_0002.csv"] == b"theirs" and "out/contacts_0001.csv" not in objects
    manifest = "out/contacts_2.csv.manifest.json"
    assert [each["fileName"] for each in json.loads(objects[manifest])["files"]] == [
        f"contacts_2_000{number}.csv" for number in (1, 2, 3)
    ]
    assert len(keys_of_set(objects, manifest)) == 25


def test_a_full_set_does_not_replace_what_others_wrote(services: Services, s3: Any) -> None:
    s3.put_object(Bucket="transfer-bucket", Key="out/contacts_0002.csv", Body=b"theirs")
    job = delivered(services, run(services, export_of(services, 25, split={"maxRows": 10}, **DAILY)))
    assert str(job.error_message).startswith("taken: The object out/contacts_0002.csv in the bucket transfer-bucket")
    assert received(s3) == {"out/contacts_0002.csv": b"theirs"}


def test_an_assembly_that_died_between_two_files_is_made_anew(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = export_of(services, 25, split={"maxRows": 10}, **DAILY)
    job = run_now(services, export, "alice", "a")

    def die(key: str, number: int) -> str:
        if number == 2:
            raise MemoryError
        return part_of(key, number)

    with monkeypatch.context() as patched:
        patched.setattr(extraction, "part_of", die)
        with pytest.raises(MemoryError):
            extraction.extract(services, job.job_id, enough)
    assert services.jobs.get(job.job_id).extracted is None
    services.clock.forward(hours=1)  # the lease of the dead attempt lapses
    extraction.extract(services, job.job_id, enough)
    delivered(services, job)
    assert len(keys_of_set(received(s3))) == 25


@pytest.mark.parametrize("format", ["csv", "xlsx", "jsonl", "parquet"])
def test_a_download_is_one_archive_of_the_files_and_their_manifest(services: Services, format: str) -> None:
    export = export_of(services, 25, split={"maxRows": 10}, format=format)
    job = services.jobs.get(str(export.job_id))
    extraction.extract(services, job.job_id, enough)
    job = delivered(services, job)
    assert job.has_download and job.file_name == f"contacts_20260131.{format}.zip"
    assert job.extracted is not None
    data = services.files.read(services.settings.files_bucket, job.extracted["key"])
    assert job.extracted["sha256"] == hashlib.sha256(data).hexdigest()
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    base = f"contacts_20260131.{format}"
    manifest = json.loads(archive.read(f"{base}.manifest.json"))
    assert manifest["fileName"] == base and [file["rows"] for file in manifest["files"]] == [10, 10, 5]
    assert archive.namelist() == [*(file["fileName"] for file in manifest["files"]), f"{base}.manifest.json"]
    for file in manifest["files"]:
        content = archive.read(file["fileName"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])


def test_a_one_shot_that_is_delivered_in_files_offers_no_download(services: Services, s3: Any) -> None:
    export = export_of(
        services, 5, split={"maxBytes": 1_000}, destination=DAILY["destination"], fileName="contacts.csv"
    )
    job = services.jobs.get(str(export.job_id))
    extraction.extract(services, job.job_id, enough)
    assert not delivered(services, job).has_download
    assert set(received(s3)) == {"out/contacts_0001.csv", MANIFEST}


def test_a_large_table_in_parts_makes_the_same_set(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = export_of(services, 40, split={"maxRows": 15}, **DAILY)
    delivered(services, run(services, export))
    whole = keys_of_set(received(s3))
    monkeypatch.setattr(extraction, "_is_large", lambda *_: True)
    job = run_now(services, services.exports.get(export.export_id), "alice", "a")
    for part in extraction.extract(services, job.job_id, enough)["parts"]:
        extraction.extract_part(services, job.job_id, part, enough)
    extraction.assemble(services, job.job_id, enough)
    delivered(services, job)
    assert keys_of_set(received(s3)) == whole
