"""Runs of exports on moto: due once, extracted in parts, delivered, announced, and taken up where they broke off."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pysequoia
import pytest
from botocore.client import BaseClient as S3Api
from botocore.exceptions import ClientError
from pyarrow.parquet import read_table

from tests import builders
from tests.api_builders import load_function
from waybill.aws.bucket import Bucket, BucketRefused
from waybill.aws.dynamodb import DynamoDBError, to_attributes
from waybill.aws.events import NotPublished
from waybill.aws.outages import is_outage
from waybill.bootstrap import Services
from waybill.entities.model import SHARDS, Target, partition
from waybill.errors import Conflict, DeliveryFailed, JobFailed, NotFound, Superseded
from waybill.exports import deliver as delivering
from waybill.exports import extract as extraction
from waybill.exports.definition import PAUSE_AFTER, Export, ExportStatus
from waybill.exports.destinations.base import Delivery, SetAside
from waybill.exports.destinations.s3 import S3
from waybill.exports.destinations.sftp import Sftp
from waybill.exports.report import report_of
from waybill.exports.run import activate, fail_export, fail_run, launch, relaunch_export, run_now, tick
from waybill.ids import new_uuid
from waybill.jobs.giving_up import UNEXPLAINED_RETRIES
from waybill.jobs.leases import LenientHeartbeat
from waybill.jobs.model import Job, Outcome, Process, Status, message_of
from waybill.jobs.removals import removal_item
from waybill.upkeep.actions import delete_job, stop_job
from waybill.upkeep.announcements import publish_late

OPENPGP_KEYS = Path(__file__).parents[1] / "stored" / "openpgp"
PERIODIC = {
    "type": "PERIODIC_FULL",
    "schedule": {"time": "02:30", "timezone": "Europe/Brussels"},
    "destination": {"kind": "s3", "prefix": "out"},
}


def enough() -> float:
    return 900.0


@pytest.fixture(autouse=True)
def no_wait(clock: builders.Clock) -> None:
    clock.on_sleep = lambda seconds: None


@pytest.fixture
def published(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events that reach the bus."""
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(services.events, "publish", lambda kind, detail, resources: events.append({kind: detail}))
    return events


def export_of(services: Services, **members: Any) -> Export:
    entity = services.entities.find("contacts") or builders.entity()
    services.entities.put(entity)
    definition = builders.export_definition(**members)
    now = services.clock.now()
    export = Export(new_uuid(), definition, entity.uid, ExportStatus.DRAFT, now, "alice", "a", "series")
    services.exports.add(export)
    return export


def put_records(services: Services, count: int, **fields: Any) -> None:
    uid = builders.entity().uid
    for number in range(count):
        key = f"c{number:04d}"
        item = {"_pk": partition(uid, number % SHARDS), "_sk": key, "_at": 1, "_by": "job", "contact_id": key, **fields}
        table = services.settings.records_table
        services.dynamodb.call("PutItem", {"TableName": table, "Item": to_attributes(item)})


def end(services: Services, job: Job) -> Job:
    """What the state machine does with a run."""
    outcome = extraction.extract(services, job.job_id, enough)
    if outcome["outcome"] == "split":
        for part in outcome["parts"]:
            while extraction.extract_part(services, job.job_id, part, enough) == "more":
                pass
        extraction.assemble(services, job.job_id, enough)
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    return services.jobs.get(job.job_id)


def keys_of(kind: str) -> tuple[dict[str, Any], str, Callable[[bytes], bytes]]:
    """An encryption for a new key, what names the key, and what decrypts."""
    if kind == "age":
        identity = pyrage.x25519.Identity.generate()
        name = str(identity.to_public())
        return {"kind": kind, "recipients": [name]}, name, lambda data: pyrage.decrypt(data, [identity])
    secret = pysequoia.Tsk.generate("Ann <ann@example.com>")
    key = secret.extract_certificate()
    encryption = {"kind": kind, "recipients": [str(key)]}
    return encryption, key.fingerprint.upper(), lambda data: pysequoia.decrypt(data, secret.decryptor()).bytes or b""


def rows_in(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


# Due


def test_ticks_start_each_run_once_and_catch_up_once(services: Services, clock: builders.Clock) -> None:
    clock.moment = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    assert (export.status, tick(services)) == (ExportStatus.SCHEDULED, 0)
    clock.moment = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # Brussels skips 02:00 to 03:00 on this day
    assert [tick(services), tick(services)] == [1, 0]
    [job] = services.runs.page(export.export_id, 10)[0]
    assert (job.started_by, job.file_name, job.process) == ("schedule", "contacts_20260329.csv", Process.EXPORT)
    assert end(services, job).status is Status.COMPLETED
    assert tick(services) == 0
    clock.moment = datetime(2026, 4, 3, 12, 0, tzinfo=UTC)  # nobody ticked for days
    assert [tick(services), tick(services)] == [1, 0]
    [caught_up] = services.runs.page(export.export_id, 10)[0]  # the first has expired
    assert caught_up.file_name == "contacts_20260403.csv"


@pytest.mark.parametrize("meanwhile", ["nothing", "deleted", "activated again"])
def test_a_tick_that_stalls_starts_no_run_that_has_ended(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    clock.forward(days=1)
    ended: list[Job] = []
    claim = services.exports.claim

    def stall(*arguments: Any) -> Export:
        with monkeypatch.context() as patch:
            patch.setattr(services.exports, "claim", claim)
            assert tick(services) == 1
        [job] = services.runs.page(export.export_id, 10)[0]
        ended.append(fail_run(services, services.jobs.begin(job.job_id), "delivery-failed", "refused"))
        if meanwhile == "deleted":
            delete_job(services, ended[0])
        elif meanwhile == "activated again":
            services.exports.unschedule(export.export_id)
            activate(services, services.exports.get(export.export_id), "alice", "a")
        return claim(*arguments)

    monkeypatch.setattr(services.exports, "claim", stall)
    assert tick(services) == 0
    after = services.exports.get(export.export_id)
    assert (after.running, after.failures) == (None, 0 if meanwhile == "activated again" else 1)
    assert len(services.runs.page(export.export_id, 10)[0]) == (0 if meanwhile == "deleted" else 1)
    clock.forward(days=1)
    monkeypatch.setattr(services.exports, "claim", claim)
    assert tick(services) == 1, "the next run is not lost"


STARTS: dict[str, Callable[[Services, Export], object]] = {
    "activate": lambda services, export: activate(services, export, "alice", "a"),
    "run": lambda services, export: run_now(services, export, "alice", "a"),
    "tick": lambda services, _: tick(services),
    "relaunch": lambda services, _: relaunch_export(services, newest_run(services), "alice", "a"),
}


def newest_run(services: Services) -> Job:
    [export] = services.exports.page(1)[0]
    return services.runs.page(export.export_id, 1)[0][0]


def end_and_delete(services: Services, export: Export) -> None:
    """Another caller registers the run; it ends, and its job is deleted."""
    job = launch(services, services.exports.get(export.export_id))
    delete_job(services, end(services, job))


def unschedule(services: Services, export: Export) -> None:
    services.exports.unschedule(export.export_id)


def unschedule_and_edit(services: Services, export: Export) -> None:
    unschedule(services, export)
    services.exports.edit(export.export_id, replace(export.definition, name="Edited"), export.entity_uid)


@pytest.mark.parametrize(
    ("start", "meanwhile"),
    [
        *((start, end_and_delete) for start in STARTS),
        *((start, change) for start in ("run", "tick") for change in (unschedule, unschedule_and_edit)),
    ],
)
def test_a_start_that_stalls_before_its_job_is_registered_repeats_no_run(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, start: str, meanwhile: Any
) -> None:
    members = {} if start == "activate" else PERIODIC
    export = export_of(services, **members)
    if start != "activate":
        export = activate(services, export, "alice", "a")
    if start == "relaunch":
        job = run_now(services, export, "alice", "a")
        fail_run(services, services.jobs.begin(job.job_id), "delivery-failed", "timeout: nobody answered")
    if start == "tick":
        clock.forward(days=1)
    register = services.jobs.register

    def stall(*arguments: Any) -> Any:
        monkeypatch.setattr(services.jobs, "register", register)
        meanwhile(services, export)
        return register(*arguments)

    monkeypatch.setattr(services.jobs, "register", stall)
    if start == "tick":
        assert tick(services) == 0
    else:
        with pytest.raises(Conflict, match=r"has ended already|was unscheduled"):
            STARTS[start](services, export)
    after = services.exports.get(export.export_id)
    assert after.running is None
    assert [job.job_id for job in services.runs.page(export.export_id, 10)[0] if not job.is_terminal] == []
    if meanwhile is not end_and_delete:
        again = activate(services, after, "alice", "a")
        assert run_now(services, again, "alice", "a").status is Status.WAITING


def test_a_start_that_stalls_while_its_export_is_changed_runs_the_export_as_it_is(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    register = services.jobs.register

    def stall(*arguments: Any) -> Any:
        monkeypatch.setattr(services.jobs, "register", register)
        unschedule_and_edit(services, export)
        activate(services, services.exports.get(export.export_id), "alice", "a")
        return register(*arguments)

    monkeypatch.setattr(services.jobs, "register", stall)
    job = run_now(services, export, "alice", "a")
    assert services.jobs.definition(job.job_id)["export"]["name"] == "Edited"


def test_a_run_that_is_asked_for_again_after_its_job_was_deleted_is_not_repeated(services: Services) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    run_id = new_uuid()
    delete_job(services, end(services, run_now(services, export, "alice", "a", run_id)))
    with pytest.raises(Conflict, match="has ended already"):
        run_now(services, export, "alice", "a", run_id)


def test_a_run_waits_for_the_one_before(services: Services, clock: builders.Clock) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    job = run_now(services, export, "alice", "a")
    with pytest.raises(Conflict):
        run_now(services, export, "alice", "a")
    clock.forward(days=1)
    assert tick(services) == 0
    end(services, job)
    assert tick(services) == 1


@pytest.mark.parametrize("breaks", ["register", "start"])
def test_a_start_that_broke_off_is_taken_up(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    clock.forward(days=1)

    def die(*_: Any) -> Any:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(services.jobs if breaks == "register" else services.workflow, breaks, die)
        tick(services)
    claimed = services.exports.get(export.export_id).running
    assert claimed is not None
    if breaks == "register":  # a job whose execution was not started is left to `recover_jobs`, as any other
        clock.forward(minutes=2)
        tick(services)
    assert [job.job_id for job in services.runs.page(export.export_id, 10)[0]] == [claimed.job_id]


def test_a_relaunch_whose_original_is_gone_does_not_lock_the_export(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    job = run_now(services, export, "alice", "a")
    failed = fail_run(services, services.jobs.begin(job.job_id), "delivery-failed", "timeout: nobody answered")
    with monkeypatch.context() as patch:
        patch.setattr(services.jobs, "register", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            relaunch_export(services, failed, "alice", "a")
    services.jobs.delete(removal_item(failed))
    with pytest.raises(NotFound):
        relaunch_export(services, failed, "alice", "a")
    assert services.exports.get(export.export_id).running is not None
    clock.forward(minutes=1)
    tick(services)
    assert services.exports.get(export.export_id).running is None
    assert run_now(services, export, "alice", "a").status is Status.WAITING


def test_an_end_that_broke_off_is_taken_up(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    job = run_now(services, export, "alice", "a")
    with monkeypatch.context() as patch:
        patch.setattr(services.exports, "note_end", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            end(services, job)
    assert services.jobs.get(job.job_id).status is Status.COMPLETED
    assert services.exports.get(export.export_id).running is not None
    clock.forward(minutes=1)
    tick(services)
    after = services.exports.get(export.export_id)
    assert after.running is None and after.last_run is not None and after.last_run["outcome"] == "SUCCESS"


def test_one_export_that_cannot_start_does_not_keep_the_others(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = [activate(services, export_of(services, **PERIODIC), "alice", "a") for _ in range(2)]
    clock.forward(days=1)
    register = services.jobs.register

    def refuse_one(job: Job, *rest: Any) -> Any:
        if job.export_id == exports[1].export_id:  # the newest, which comes first
            raise RuntimeError("cannot be started")
        return register(job, *rest)

    monkeypatch.setattr(services.jobs, "register", refuse_one)
    assert tick(services) == 1
    assert len(services.runs.page(exports[0].export_id, 10)[0]) == 1


def test_an_export_pauses_itself_after_repeated_failures(services: Services) -> None:
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    for number in range(PAUSE_AFTER):
        assert services.exports.get(export.export_id).status is ExportStatus.SCHEDULED, number
        job = run_now(services, export, "alice", "a")
        fail_run(services, services.jobs.begin(job.job_id), "delivery-failed", "timeout: nobody answered")
    paused = services.exports.get(export.export_id)
    assert paused.status is ExportStatus.DRAFT
    assert paused.message is not None and paused.message.startswith("Paused after 5 failed runs in a row; the last one")
    again = activate(services, paused, "alice", "a")
    assert (again.status, again.failures, again.message) == (ExportStatus.SCHEDULED, 0, None)


def test_a_one_shot_of_later_waits_for_its_time(services: Services, clock: builders.Clock) -> None:
    at = (clock.now() + timedelta(hours=1)).isoformat()
    export = activate(services, export_of(services, schedule={"at": at}), "alice", "a")
    assert (export.status, tick(services)) == (ExportStatus.SCHEDULED, 0)
    clock.forward(hours=2)
    assert [tick(services), tick(services)] == [1, 0]
    running = services.exports.get(export.export_id)
    assert running.status is ExportStatus.IN_PROGRESS and running.job_id is not None
    end(services, services.jobs.get(running.job_id))
    assert services.exports.get(export.export_id).status is ExportStatus.FINISHED


# Extracted


@pytest.mark.parametrize("page_items", [7, None])
def test_a_large_table_is_extracted_in_parts_and_goes_on_when_time_runs_out(
    services: Services, monkeypatch: pytest.MonkeyPatch, page_items: int | None
) -> None:
    put_records(services, 150)
    monkeypatch.setattr(extraction, "_is_large", lambda *_: True)
    page_request = extraction.page_request

    def small_pages(*arguments: Any) -> Any:
        operation, request = page_request(*arguments)
        return operation, request | ({"Limit": page_items} if page_items else {})

    monkeypatch.setattr(extraction, "page_request", small_pages)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    parts = extraction.extract(services, job.job_id, enough)["parts"]
    assert parts == list(range(16))
    calls = 0
    for part in parts:
        # No time beyond one page a call; and each part is asked for once more than it needs.
        while extraction.extract_part(services, job.job_id, part, lambda: 1.0) == "more":
            calls += 1
        assert extraction.extract_part(services, job.job_id, part, enough) == "extracted"
    assert calls >= 48
    assert services.jobs.get(job.job_id).imported == 150
    extraction.assemble(services, job.job_id, enough)
    first = services.jobs.get(job.job_id).extracted
    assert first is not None
    extraction.assemble(services, job.job_id, enough)
    assert services.jobs.get(job.job_id).extracted == first
    assert extraction.extract(services, job.job_id, enough) == {"outcome": "extracted"}
    ended = end(services, job)
    assert (ended.counts.total, ended.counts.imported) == (150, 150)
    data = services.files.read(services.settings.transfer_bucket, "out/contacts_20260131.csv")
    assert sorted(row["contact_id"] for row in rows_in(data)) == [f"c{number:04d}" for number in range(150)]


def test_parts_of_a_large_table_make_one_file_of_parquet(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    put_records(services, 40)
    monkeypatch.setattr(extraction, "_is_large", lambda *_: True)
    export = export_of(services, **PERIODIC, format="parquet", fileName="contacts_$yyyyMMdd.parquet")
    job = run_now(services, activate(services, export, "alice", "a"), "alice", "a")
    for part in extraction.extract(services, job.job_id, enough)["parts"]:
        assert extraction.extract_part(services, job.job_id, part, enough) == "extracted"
    extraction.assemble(services, job.job_id, enough)
    assert end(services, job).counts.total == 40
    data = services.files.read(services.settings.transfer_bucket, "out/contacts_20260131.parquet")
    assert sorted(read_table(io.BytesIO(data))["contact_id"].to_pylist()) == [f"c{number:04d}" for number in range(40)]


def test_a_format_whose_parts_cannot_be_joined_is_extracted_in_one_go(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_records(services, 3)
    monkeypatch.setattr(extraction, "_is_large", lambda *_: True)
    monkeypatch.setitem(extraction.FORMATS, "csv", replace(extraction.FORMATS["csv"], parts_can_be_joined=False))
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    with pytest.raises(JobFailed) as failed:
        extraction.extract(services, job.job_id, lambda: 1.0)
    assert failed.value.job_code == "too-large"
    services.clock.forward(minutes=1)  # type: ignore[attr-defined]  the lease of the attempt before is over
    assert extraction.extract(services, job.job_id, enough) == {"outcome": "extracted"}
    assert end(services, job).counts.total == 3


def test_a_file_that_takes_too_long_to_put_together_says_so_at_once(services: Services) -> None:
    put_records(services, 3)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    # Late in an invocation the next one puts it together, with all of its time.
    assert extraction.extract(services, job.job_id, lambda: 200.0) == {"outcome": "more"}
    with pytest.raises(JobFailed) as failed:
        extraction.assemble(services, job.job_id, lambda: 50.0)
    assert failed.value.job_code == "too-large"
    services.clock.forward(seconds=13)  # type: ignore[attr-defined]
    assert end(services, job).counts.imported == 3


def test_a_killed_attempt_leaves_no_trace(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    put_records(services, 20)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    pages = 0
    call_bytes = services.dynamodb.call_bytes

    def die_midway(operation: str, request: dict[str, Any]) -> bytes:
        nonlocal pages
        pages += 1
        if pages == 30:
            raise RuntimeError("killed")
        return call_bytes(operation, request)

    monkeypatch.setattr(services.dynamodb, "call_bytes", die_midway)
    with pytest.raises(RuntimeError):
        extraction.extract(services, job.job_id, enough)
    services.clock.forward(seconds=13)  # type: ignore[attr-defined]  # its lease is over
    assert end(services, job).counts.imported == 20


def test_a_file_that_a_replaced_attempt_ends_late_is_not_the_one_that_counts(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_records(services, 20)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    send = LenientHeartbeat.send

    def stall(heartbeat: LenientHeartbeat) -> Job:
        """The first attempt stands still before it ends its file; another one takes over and finds more records."""
        beaten = send(heartbeat)
        monkeypatch.setattr(LenientHeartbeat, "send", send)
        services.clock.forward(seconds=13)  # type: ignore[attr-defined]
        put_records(services, 25)
        assert extraction.extract_part(services, job.job_id, 0, enough) == "extracted"
        return beaten

    monkeypatch.setattr(LenientHeartbeat, "send", stall)
    with suppress(Superseded):
        extraction.extract(services, job.job_id, enough)
    services.clock.forward(seconds=13)  # type: ignore[attr-defined]
    assert end(services, job).counts.imported == 25
    data = services.files.read(services.settings.transfer_bucket, "out/contacts_20260131.csv")
    assert len(rows_in(data)) == 25


def test_an_export_of_nothing_delivers_its_header(services: Services) -> None:
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    ended = end(services, job)
    assert (ended.status, ended.counts.total, str(ended.outcome)) == (Status.COMPLETED, 0, "SUCCESS")
    data = services.files.read(services.settings.transfer_bucket, "out/contacts_20260131.csv")
    assert data == b"contact_id,email,spend,joined,vip\r\n"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"schema": {"fields": builders.CONTACTS_SCHEMA["fields"][:1]}}, "invalid-definition"),
        ({"uid": "another"}, "unknown-entity"),
    ],
)
def test_a_definition_that_its_entity_outgrew_fails_with_its_code(
    services: Services, change: dict[str, Any], code: str
) -> None:
    export = activate(services, export_of(services, fields=["contact_id", "email"], **PERIODIC), "alice", "a")
    if "uid" in change:
        entity = builders.entity()
        services.entities.delete(entity, services.entities.mark(entity, services.clock.now()))
    services.entities.put(builders.entity(**change))
    job = run_now(services, export, "alice", "a")
    with pytest.raises(JobFailed) as failed:
        extraction.extract(services, job.job_id, enough)
    assert failed.value.job_code == code


def test_a_target_table_is_scanned_and_its_window_ends_five_minutes_ago(
    services: Services, clock: builders.Clock, moto_url: str
) -> None:
    services.dynamodb.call(
        "CreateTable",
        {
            "TableName": "mine",
            "AttributeDefinitions": [{"AttributeName": "contact_id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "contact_id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )

    def put(key: str, modified: Any) -> None:
        item = {"contact_id": key} | ({} if modified is None else {"modified": modified})
        services.dynamodb.call("PutItem", {"TableName": "mine", "Item": to_attributes(item)})

    services.entities.put(builders.entity(target=Target("mine", "modified")))
    export = activate(services, export_of(services, **(PERIODIC | {"type": "INCREMENTAL"})), "alice", "a")
    now = int(clock.now().timestamp())
    put("text", "2026-01-31T09:00:00.000Z"), put("seconds", now - 400), put("milliseconds", (now - 400) * 1000)
    put("never", None), put("late-text", "2026-01-31T09:29:00.000Z"), put("late-seconds", now - 60)
    put("late-milliseconds", (now - 60) * 1000)
    first = end(services, run_now(services, export, "alice", "a"))
    assert (first.window_from, first.window_to) == (None, clock.now() - timedelta(seconds=300))

    def keys(name: str) -> set[str]:
        data = services.files.read(services.settings.transfer_bucket, f"out/{name}")
        return {row["contact_id"] for row in rows_in(data)}

    assert keys(first.file_name) == {"text", "seconds", "milliseconds", "never"}
    clock.forward(minutes=10)
    second = end(services, run_now(services, services.exports.get(export.export_id), "alice", "a"))
    assert second.window_from == first.window_to
    assert keys(second.file_name) == {"late-text", "late-seconds", "late-milliseconds"}


# Delivered


def test_increments_take_the_next_free_name_and_full_extracts_replace(services: Services) -> None:
    full = activate(services, export_of(services, **PERIODIC), "alice", "a")
    names = [end(services, run_now(services, full, "alice", "a")).file_name for _ in range(2)]
    assert names == ["contacts_20260131.csv"] * 2
    body = PERIODIC | {"type": "INCREMENTAL", "destination": {"kind": "s3", "prefix": "inc/"}}
    increments = activate(services, export_of(services, **body), "alice", "a")
    names = [end(services, run_now(services, increments, "alice", "a")).file_name for _ in range(3)]
    assert names == ["contacts_20260131.csv", "contacts_20260131_2.csv", "contacts_20260131_3.csv"]


def test_a_manifest_stands_beside_each_file(services: Services) -> None:
    put_records(services, 3, email="a@example.com")
    export = activate(services, export_of(services, fields=["email"], compression="zip", **PERIODIC), "alice", "a")
    job = end(services, run_now(services, export, "alice", "a"))
    bucket = services.settings.transfer_bucket
    data = services.files.read(bucket, "out/contacts_20260131.csv.zip")
    manifest = json.loads(services.files.read(bucket, "out/contacts_20260131.csv.zip.manifest.json"))
    assert manifest == {
        "jobId": job.job_id,
        "exportId": export.export_id,
        "name": "out",
        "entity": "contacts",
        "type": "PERIODIC_FULL",
        "definitionVersion": 1,
        "fileName": "contacts_20260131.csv.zip",
        "format": "csv",
        "compression": "zip",
        "encryption": None,
        "fields": ["email"],
        "rows": 3,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "windowFrom": None,
        "windowTo": None,
        "createdAt": "2026-01-31T09:30:00.000Z",
    }


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_an_encrypted_file_is_delivered_as_its_manifest_says(services: Services, kind: str) -> None:
    put_records(services, 3)
    encryption, name, decrypt = keys_of(kind)
    body = PERIODIC | {"destination": {"kind": "s3", "prefix": "out", "encryption": encryption}}
    export = activate(services, export_of(services, **body), "alice", "a")
    job = end(services, run_now(services, export, "alice", "a"))
    assert job.file_name == "contacts_20260131.csv" + {"age": ".age", "openpgp": ".pgp"}[kind]
    data = services.files.read(services.settings.transfer_bucket, f"out/{job.file_name}")
    assert len(rows_in(decrypt(data))) == 3
    manifest = json.loads(services.files.read(services.settings.transfer_bucket, f"out/{job.file_name}.manifest.json"))
    assert (manifest["bytes"], manifest["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["encryption"] == {"kind": kind, "recipients": [name]}
    assert report_of(job)["encryption"] == manifest["encryption"]


def test_a_file_is_encrypted_once_however_often_its_delivery_is_tried(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_records(services, 3)
    encryption, _, decrypt = keys_of("age")
    body = PERIODIC | {"destination": {"kind": "s3", "prefix": "out", "encryption": encryption}}
    export = activate(services, export_of(services, **body), "alice", "a")
    job = run_now(services, export, "alice", "a")
    extraction.extract(services, job.job_id, enough)
    deliver = S3.deliver

    def break_off(*arguments: Any) -> str | None:
        deliver(*arguments)
        raise DeliveryFailed("connection-lost", "The connection broke off.")

    monkeypatch.setattr(S3, "deliver", break_off)
    assert delivering.deliver(services, job.job_id, enough)["outcome"] == "retry"
    first = services.files.read(services.settings.transfer_bucket, "out/contacts_20260131.csv.age")
    monkeypatch.setattr(S3, "deliver", deliver)
    services.clock.forward(minutes=1)  # type: ignore[attr-defined]  the lease of the attempt before is over
    assert end(services, job).status is Status.COMPLETED
    second = services.files.read(services.settings.transfer_bucket, "out/contacts_20260131.csv.age")
    assert second == first and len(rows_in(decrypt(second))) == 3


def test_a_key_that_has_expired_fails_the_run_and_a_relaunch_takes_the_new_one(services: Services) -> None:
    put_records(services, 3)
    expired = {"kind": "openpgp", "recipients": [(OPENPGP_KEYS / "subkey-expires.asc").read_text()]}
    body = PERIODIC | {"destination": {"kind": "s3", "prefix": "out", "encryption": expired}}
    export = activate(services, export_of(services, **body), "alice", "a")
    job = run_now(services, export, "alice", "a")
    with pytest.raises(JobFailed, match=r"encryption-key: The key \w{40} expired at 2024-01-03T00:00:00Z") as failed:
        extraction.extract(services, job.job_id, enough)
    assert failed.value.job_code == "delivery-failed"
    ended = fail_run(services, services.jobs.get(job.job_id), failed.value.job_code, failed.value.detail)
    draft = services.exports.unschedule(export.export_id)
    good = {"kind": "s3", "prefix": "out", "encryption": keys_of("openpgp")[0]}
    services.exports.edit(export.export_id, replace(draft.definition, destination=good), draft.entity_uid)
    child = relaunch_export(services, ended, "alice", "a")
    assert end(services, child).status is Status.COMPLETED


def test_a_bucket_that_is_not_there_fails_at_once_and_a_relaunch_goes_to_the_corrected_one(services: Services) -> None:
    body = PERIODIC | {"destination": {"kind": "s3", "bucket": "nowhere-at-all"}}
    export = activate(services, export_of(services, **body), "alice", "a")
    job = run_now(services, export, "alice", "a")
    failed = end(services, job)
    assert (failed.status, failed.error_code) == (Status.FAILED, "delivery-failed")
    assert failed.error_message is not None and failed.error_message.startswith("not-found: There is no bucket")
    draft = services.exports.unschedule(export.export_id)
    body["destination"] = {"kind": "s3", "prefix": "corrected"}
    corrected = replace(draft.definition, destination=body["destination"])
    services.exports.edit(export.export_id, corrected, draft.entity_uid)
    child = relaunch_export(services, failed, "alice", "a")
    assert (child.retry_of, child.export_id) == (failed.job_id, export.export_id)
    assert end(services, child).status is Status.COMPLETED
    assert services.files.head(services.settings.transfer_bucket, f"corrected/{child.file_name}") is not None


def test_a_relaunch_leaves_a_draft_a_draft(services: Services) -> None:
    body = PERIODIC | {"destination": {"kind": "s3", "bucket": "nowhere-at-all"}}
    export = activate(services, export_of(services, **body), "alice", "a")
    failed = end(services, run_now(services, export, "alice", "a"))
    draft = services.exports.unschedule(export.export_id)
    one_shot = builders.export_definition(name="once")
    services.exports.edit(export.export_id, one_shot, draft.entity_uid)
    end(services, relaunch_export(services, failed, "alice", "a"))
    after = services.exports.get(export.export_id)
    assert (after.status, after.running) == (ExportStatus.DRAFT, None)


def test_a_relaunch_of_an_earlier_definition_does_not_count_for_the_edited_one(services: Services) -> None:
    """Or the edited export, which begins anew, would begin where the relaunched window ended."""
    put_records(services, 3)
    body = PERIODIC | {"type": "INCREMENTAL", "destination": {"kind": "s3", "bucket": "nowhere-at-all"}}
    export = activate(services, export_of(services, fields=["contact_id"], **body), "alice", "a")
    failed = end(services, run_now(services, export, "alice", "a"))
    draft = services.exports.unschedule(export.export_id)
    assert failed.status is Status.FAILED
    body |= {"name": "out", "entity": "contacts", "destination": {"kind": "s3"}}
    services.exports.edit(export.export_id, builders.export_definition(**body), draft.entity_uid)
    child = end(services, relaunch_export(services, failed, "alice", "a"))
    data = services.files.read(services.settings.transfer_bucket, child.file_name)
    assert list(rows_in(data)[0]) == ["contact_id"]
    services.exports.schedule(export.export_id, services.clock.now())
    first = run_now(services, services.exports.get(export.export_id), "alice", "a")
    assert first.window_from is None and end(services, first).counts.imported == 3


def test_a_delivery_waits_for_an_outage_of_s3(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step fails, so that the state machine repeats it: the run does not end."""
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    extraction.extract(services, job.job_id, enough)
    with monkeypatch.context() as patch:
        patch.setattr(S3Api, "_make_api_call", out_of_service)
        with pytest.raises(BucketRefused) as raised:
            delivering.deliver(services, job.job_id, enough)
    assert is_outage(raised.value)
    services.clock.forward(seconds=13)  # type: ignore[attr-defined]
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    assert services.jobs.get(job.job_id).status is Status.COMPLETED


def out_of_service(*_: Any) -> Any:
    answer: Any = {"Error": {"Code": "ServiceUnavailable"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    raise ClientError(answer, "HeadObject")


def test_a_passing_failure_is_retried_with_pauses_and_then_ends_the_run(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> Any:
        raise BucketRefused("unreachable", "S3 could not be reached.")

    monkeypatch.setattr(Bucket, "copy_from", unreachable)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    extraction.extract(services, job.job_id, enough)
    waits = []
    while (result := delivering.deliver(services, job.job_id, enough))["outcome"] == "retry":
        waits.append(result["waitSeconds"])
        services.clock.forward(seconds=13)  # type: ignore[attr-defined]
    assert (tuple(waits), result) == (delivering.RETRY_SECONDS, {"outcome": "ended"})
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.counts.total) == (Status.FAILED, failed.counts.imported)
    assert fail_export(services, job.job_id) == failed


@pytest.mark.parametrize("breaks", [False, True])
def test_a_step_that_fails_for_good_cleans_up_at_the_receiver_and_ends_the_run(
    services: Services, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    """The old file that the delivery had moved aside gets its name back, or the run ends all the same."""
    discarded: list[dict[str, Any]] = []

    def discard(_: S3, delivery: Delivery) -> None:
        discarded.append(dict(delivery.progress))
        if breaks:
            raise RuntimeError("Broken.")

    monkeypatch.setattr(S3, "discard", discard)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    extraction.extract(services, job.job_id, enough)
    services.jobs.set_delivery(job.job_id, {"step": "swapping", "name": "contacts.csv"})
    for _ in range(2):
        delivering.fail_delivery(services, job.job_id, enough)
    assert discarded == [{"step": "swapping", "name": "contacts.csv"}]
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.error_code) == (Status.FAILED, "timed-out")


@pytest.mark.parametrize("definition", [None, "not JSON", "{}"])
@pytest.mark.parametrize("is_delivering", [False, True])
def test_a_run_whose_definition_cannot_be_read_ends_and_the_next_one_starts(
    services: Services,
    clock: builders.Clock,
    monkeypatch: pytest.MonkeyPatch,
    definition: str | None,
    is_delivering: bool,
) -> None:
    app = load_function("export_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    job = run_now(services, export, "alice", "a")
    services.jobs.begin(job.job_id)
    if is_delivering:
        services.jobs.set_delivery(job.job_id, {"step": "swapping", "name": "contacts.csv"})
    key = (f"JOB#{job.job_id}", "DEFINITION")
    if definition is None:
        services.jobs_table.delete(key)
    else:
        services.jobs_table.put({"pk": key[0], "sk": key[1], "document": definition})
    event = {"jobId": job.job_id, "step": "extract", "attempt": UNEXPLAINED_RETRIES}
    assert app.handler(event, Context())["outcome"] == "given-up"
    event = {"jobId": job.job_id, "step": "fail", "error": {"Error": "GivenUp"}, "attempt": 0}
    assert app.handler(event, Context())["outcome"] == "ended"
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.error_code) == (Status.FAILED, "internal-error")
    assert services.exports.get(export.export_id).running is None
    clock.forward(days=1)
    assert tick(services) == 1


def test_an_old_file_that_an_ended_run_left_under_another_name_gets_it_back_by_the_next_run(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery ends a run without connecting to its destination. What cannot be restored is tried again."""
    restored: list[SetAside] = []
    is_reachable = False

    def restore(_: S3, services: Services, aside: SetAside) -> None:
        if not is_reachable:
            raise DeliveryFailed("timeout", "Nobody answered.")
        restored.append(aside)

    monkeypatch.setattr(S3, "leaves_aside", lambda _, progress: progress.get("step") == "swapping")
    monkeypatch.setattr(S3, "restore", restore)
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    ended = run_now(services, export, "alice", "a")
    extraction.extract(services, ended.job_id, enough)
    services.jobs.set_delivery(ended.job_id, {"step": "swapping", "name": "contacts.csv"})
    fail_export(services, ended.job_id)
    left = []
    for is_reachable in (False, True, True):  # noqa: B007  `restore` reads it
        job = end(services, run_now(services, export, "alice", "a"))
        assert services.jobs.get(job.job_id).status is Status.COMPLETED
        left.append(len(services.exports.get(export.export_id).set_aside))
    assert left == [1, 0, 0]
    destination = export.definition.destination
    assert restored == [SetAside(ended.job_id, destination, ended.file_name, "contacts.csv", "contacts")]


def test_a_server_that_stalls_longer_than_a_lease_is_waited_for(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late heartbeat ends a delivery only when another attempt has taken it over."""
    taken_over = False

    def slow_copy(*arguments: Any) -> None:
        progress = arguments[6]
        services.clock.forward(seconds=30)  # type: ignore[attr-defined]
        if taken_over:
            services.ledger.lease(job.job_id, -2, "another", 12)
        progress()

    monkeypatch.setattr(Bucket, "copy_from", slow_copy)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    assert end(services, job).status is Status.COMPLETED
    taken_over = True
    other = PERIODIC | {"fileName": "other.csv"}
    job = run_now(services, activate(services, export_of(services, **other), "alice", "a"), "alice", "a")
    with pytest.raises((Superseded, DeliveryFailed)) as stopped:
        end(services, job)
    assert stopped.type is Superseded


def test_a_server_that_is_silent_for_longer_than_a_lease_is_retried(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logging in may take 20 s and each answer 30 s, a lease 12."""

    def silent(*_: Any) -> Any:
        real_sleep(1.1)
        raise DeliveryFailed("timeout", "sftp.example.com stopped answering.")

    real_sleep = threading.Event().wait
    monkeypatch.setattr(services.secrets, "get", lambda _: {"host": "sftp.example.com", "entities": ["*"]})
    monkeypatch.setattr(Sftp, "connect", silent)
    server = {"kind": "sftp", "host": "sftp.example.com", "directory": "/in", "secretId": "waybill/partner"}
    body = PERIODIC | {"destination": server | {"hostKey": f"SHA256:{'A' * 43}"}}
    job = run_now(services, activate(services, export_of(services, **body), "alice", "a"), "alice", "a")
    extraction.extract(services, job.job_id, enough)
    monkeypatch.setattr("waybill.jobs.leases.LEASE_SECONDS", 1.0)
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "retry", "waitSeconds": 5}
    monkeypatch.setattr(delivering, "RETRY_SECONDS", ())
    services.clock.forward(seconds=13)  # type: ignore[attr-defined]
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    failed = services.jobs.get(job.job_id)
    assert (failed.error_code, failed.delivery) == ("delivery-failed", {"attempts": 1, "reason": "timeout"})


# Announced


def test_every_change_of_status_is_an_event(services: Services, published: list[dict[str, Any]]) -> None:
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    end(services, job)
    details = [event["Job Status Changed"] for event in published]
    assert [detail["status"] for detail in details] == ["WAITING", "IN_PROGRESS", "COMPLETED"]
    assert {detail["jobId"] for detail in details} == {job.job_id}
    assert (details[-1]["entity"], details[-1]["outcome"], details[-1]["exportId"]) == (
        "contacts",
        "SUCCESS",
        job.export_id,
    )


def test_what_could_not_be_announced_is_announced_later(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise NotPublished("the bus is down")

    with monkeypatch.context() as patch:
        patch.setattr(services.events, "publish", fail)
        job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
        end(services, job)
    told: list[str] = []
    monkeypatch.setattr(services.events, "publish", lambda kind, detail, resources: told.append(detail["status"]))
    assert publish_late(services) == 0  # whoever should do so may still be at it
    clock.forward(minutes=2)
    assert publish_late(services) == 3
    assert sorted(told) == ["COMPLETED", "IN_PROGRESS", "WAITING"]
    assert publish_late(services) == 0


def test_recipients_get_the_report_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    mails: list[tuple[Any, ...]] = []
    monkeypatch.setattr(services, "settings", replace(services.settings, mail_sender="waybill@example.com"))
    monkeypatch.setattr(services.mailer, "send", lambda *mail: mails.append(mail))
    body = PERIODIC | {"recipients": ["ops@example.com", "data@example.com"]}
    job = run_now(services, activate(services, export_of(services, **body), "alice", "a"), "alice", "a")
    end(services, job)
    tick(services)
    assert [recipient for recipient, *_ in mails] == ["ops@example.com", "data@example.com"]
    _, subject, text, html = mails[0]
    assert subject == f"Waybill: export of contacts completed, 0 rows ({job.job_id[:8]})"
    assert "contacts_20260131.csv" in text and "contacts_20260131.csv" in html


# The function


class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 128, "arn", "id"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def test_a_run_waits_for_an_outage_and_tells_a_program_error_after_a_few_attempts(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_function("export_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    event = {"jobId": job.job_id, "step": "extract", "attempt": UNEXPLAINED_RETRIES}
    causes = iter([DynamoDBError("NetworkError", "no route", retryable=True), KeyError("bug")])

    def fail(*_: object) -> None:
        services.jobs.begin(job.job_id)
        raise next(causes)

    monkeypatch.setattr(extraction, "extract", fail)
    with pytest.raises(DynamoDBError):
        app.handler(event, Context())
    assert app.handler(event, Context()) == {"jobId": job.job_id, "outcome": "given-up"}
    app.handler({"jobId": job.job_id, "step": "fail", "error": {"Error": "GivenUp"}}, Context())
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.error_code) == (Status.FAILED, "internal-error")
    assert relaunch_export(services, failed, "alice", "a").retry_of == job.job_id


def test_the_steps_of_the_function(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    put_records(services, 2)
    app = load_function("export_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    # A small export is extracted and delivered by one invocation.
    event = {"step": "extract", "jobId": job.job_id}
    assert app.handler(event, Context()) == {"jobId": job.job_id, "outcome": "ended"}
    assert services.jobs.get(job.job_id).status is Status.COMPLETED
    assert app.handler(event, Context())["outcome"] == "ended"  # invoked again it finds it so

    export = export_of(services, **(PERIODIC | {"type": "INCREMENTAL", "includeDeleted": True}))
    services.exports.delete(export.export_id)
    old = replace(export, window_end=services.clock.now() - timedelta(days=40))
    services.exports.add(old)
    job = run_now(services, activate(services, old, "alice", "a"), "alice", "a")
    assert app.handler({"step": "extract", "jobId": job.job_id}, Context())["outcome"] == "ended"
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.error_code) == (Status.FAILED, "window-too-old")


# Stop


@pytest.mark.parametrize("members", [{}, PERIODIC | {"type": "INCREMENTAL"}])
def test_a_stopped_export_ends_at_once_without_a_file(services: Services, members: dict[str, Any]) -> None:
    put_records(services, 3)
    export = activate(services, export_of(services, **members), "alice", "a")
    job = services.jobs.get(str(export.job_id)) if export.job_id else run_now(services, export, "alice", "a")
    job = services.jobs.begin(job.job_id)
    assert job.allowed_actions() == ["stop"]
    ended = stop_job(services, job)
    assert (ended.status, ended.stop_reason, ended.outcome) == (Status.COMPLETED, "USER", Outcome.FAILED)
    assert not ended.has_download and not ended.has_delivered and ended.allowed_actions() == ["delete"]
    assert services.outbox.publish_late(0) == 0, "its end was announced"
    with pytest.raises(Superseded):
        extraction.extract(services, job.job_id, enough)
    export = services.exports.get(export.export_id)
    assert export.running is None and export.window_end is None and export.failures == 0
    assert export.last_run is not None and export.last_run["outcome"] == "FAILED"
    if members:
        assert end(services, run_now(services, export, "alice", "a")).window_from is None, "nothing is left out"
    with pytest.raises(Conflict, match="is completed and cannot be stopped"):
        stop_job(services, ended)


def test_workers_of_a_stopped_export_end_it_and_what_they_have_read_is_unprocessed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when whoever stopped it died before ending it."""
    put_records(services, 80)
    app = load_function("export_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    job = run_now(services, activate(services, export_of(services, **PERIODIC), "alice", "a"), "alice", "a")
    check, asked = LenientHeartbeat.check, 0

    def stop_midway(heartbeat: LenientHeartbeat) -> Job:
        nonlocal asked
        asked += 1
        if asked == 40:
            services.jobs.request_stop(job.job_id, "USER")
            return heartbeat.send()
        return check(heartbeat)

    monkeypatch.setattr(LenientHeartbeat, "check", stop_midway)
    assert app.handler({"step": "extract", "jobId": job.job_id}, Context())["outcome"] == "ended"
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.stop_reason, ended.extracted) == (Status.COMPLETED, "USER", None)
    assert 0 < ended.counts.unprocessed == ended.counts.total == ended.processed < 80
    assert message_of(ended) == f"The export was stopped after {ended.processed} rows; there is no file"


def test_a_stopped_delivery_cleans_up_and_is_refused_once_the_file_gets_its_name(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_records(services, 2)
    app = load_function("export_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    discarded: list[str] = []
    monkeypatch.setattr(S3, "discard", lambda _, delivery: discarded.append(delivery.job.job_id))
    export = activate(services, export_of(services, **PERIODIC), "alice", "a")
    job = run_now(services, export, "alice", "a")
    extraction.extract(services, job.job_id, enough)

    def stopped_meanwhile(_: S3, delivery: Delivery, remaining: Callable[[], float]) -> str:
        assert not stop_job(services, delivery.job).is_terminal, "the delivery ends it"
        delivery.commit(step="placing")
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(S3, "deliver", stopped_meanwhile)
        assert app.handler({"step": "deliver", "jobId": job.job_id}, Context())["outcome"] == "ended"
    ended = services.jobs.get(job.job_id)
    assert (ended.stop_reason, ended.counts.unprocessed, discarded) == ("USER", 2, [job.job_id])

    job = run_now(services, services.exports.get(export.export_id), "alice", "a")
    extraction.extract(services, job.job_id, enough)
    job = services.jobs.set_delivery(job.job_id, {"step": "placing"}, commits=True)
    assert job.allowed_actions() == []
    with pytest.raises(Conflict, match="being delivered"):
        stop_job(services, job)
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    assert services.jobs.get(job.job_id).has_delivered


def test_a_file_that_was_stopped_as_it_was_ready_is_not_offered(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_records(services, 2)
    app = load_function("export_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    job_id = str(activate(services, export_of(services), "alice", "a").job_id)
    extraction.extract(services, job_id, enough)
    read, seen = services.jobs.get, services.jobs.get(job_id)
    monkeypatch.setattr(services.jobs, "get", lambda job_id: (monkeypatch.setattr(services.jobs, "get", read), seen)[1])
    services.jobs.request_stop(job_id, "USER")
    assert app.handler({"step": "deliver", "jobId": job_id}, Context())["outcome"] == "ended"
    ended = services.jobs.get(job_id)
    assert (ended.stop_reason, ended.has_download, ended.counts.unprocessed) == ("USER", False, 2)


def test_the_owner_of_an_export_is_who_activated_it_last(services: Services) -> None:
    periodic = activate(services, export_of(services, **PERIODIC), "alice", "alice-id")
    assert periodic.owner == ("alice-id", "alice")
    services.exports.unschedule(periodic.export_id)
    activate(services, services.exports.get(periodic.export_id), "bob", "bob-id")
    assert services.exports.get(periodic.export_id).owner == ("bob-id", "bob")
    end(services, run_now(services, services.exports.get(periodic.export_id), "carol", "carol-id"))
    assert services.exports.get(periodic.export_id).owner == ("bob-id", "bob")
    assert activate(services, export_of(services), "alice", "alice-id").owner == ("alice-id", "alice")
