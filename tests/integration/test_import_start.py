"""How an import starts: one job for each dropped object, with its options, when its turn has come."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests import builders, workbooks
from tests.importing import (
    all_jobs,
    counts,
    drop_object,
    executions,
    records,
    run,
    start,
)
from waybill.aws.events import NotPublished
from waybill.bootstrap import Services
from waybill.imports.options import ImportOptions
from waybill.imports.plan import plan_import
from waybill.imports.start import start_drop
from waybill.jobs import repository
from waybill.jobs.executions import start_execution
from waybill.jobs.model import Status
from waybill.jobs.queue import queue_key
from waybill.upkeep import recovery
from waybill.upkeep.announcements import publish_late


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def test_a_file_for_no_entity_fails_at_once(services: Services, s3: Any) -> None:
    job = start(services, s3, b"a\n1\n", key="drop/nobody/x.csv")
    assert (job.status, job.error_code, job.file_name) == (Status.FAILED, "unknown-entity", "x.csv")


def test_submitted_is_the_moment_of_registration_also_for_a_caller_that_stalled(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imports take effect in the order of *Submitted*: one that stalled stands behind those registered meanwhile."""
    find = services.entities.get

    def stall(name: str) -> Any:
        clock.forward(seconds=10)
        return find(name)

    event = drop_object(services, s3, builders.contacts_csv(count=1))
    monkeypatch.setattr(services.entities, "get", stall)
    job = start_drop(services, event["detail"])
    assert job is not None and job.submitted_at == builders.START + timedelta(seconds=10)


def test_a_drop_that_others_overtake_all_the_time_waits_until_fewer_do(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/a.csv")
    event = drop_object(services, s3, builders.contacts_csv(count=1), key="drop/contacts/b.csv")
    really = repository.after_newest
    monkeypatch.setattr(repository, "after_newest", lambda table, entity_uid, now: now)
    clock.on_sleep = lambda seconds: monkeypatch.setattr(repository, "after_newest", really)
    job = start_drop(services, event["detail"])
    assert job is not None and job.status is Status.WAITING


@pytest.mark.parametrize("key", ["drop/contacts/", "drop/contacts/folder/", "drop/contacts", "other/contacts/x.csv"])
def test_other_keys_start_nothing(services: Services, s3: Any, key: str) -> None:
    assert start_drop(services, drop_object(services, s3, b"x", key=key)["detail"]) is None


def test_an_event_that_comes_twice_makes_one_job(services: Services, s3: Any) -> None:
    event = drop_object(services, s3, builders.contacts_csv(count=1))
    first = start_drop(services, event["detail"])
    second = start_drop(services, event["detail"])
    assert first is not None and second is not None
    assert first.job_id == second.job_id
    jobs = all_jobs(services)
    assert len(jobs) == 1


def test_events_in_the_wrong_order_import_the_newest_only(services: Services, s3: Any) -> None:
    older = drop_object(services, s3, builders.contacts_csv(count=1))
    newer = drop_object(services, s3, builders.contacts_csv(count=2))
    late = start_drop(services, newer["detail"])
    early = start_drop(services, older["detail"])
    assert late is not None and late.status is Status.WAITING
    assert early is not None and (early.status, early.error_code) == (Status.FAILED, "source-changed")


def test_of_two_events_of_the_same_bytes_the_older_is_too_late(services: Services, s3: Any) -> None:
    first = drop_object(services, s3, builders.contacts_csv(count=1))
    second = drop_object(services, s3, builders.contacts_csv(count=1))
    assert start_drop(services, second["detail"]).status is Status.WAITING  # type: ignore[union-attr]
    assert start_drop(services, first["detail"]).error_code == "source-changed"  # type: ignore[union-attr]


def test_a_file_overwritten_while_it_waits_ends_as_source_changed(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(count=2))
    drop_object(services, s3, b"something else")
    job = run(services, job)
    assert (job.status, job.error_code, job.counts.total) == (Status.FAILED, "source-changed", 0)


def test_imports_of_one_entity_run_in_order_of_submission(services: Services, s3: Any, clock: builders.Clock) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    second = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/2.csv")
    assert executions(services) == {first.job_id}
    run(services, first)
    assert executions(services) == {first.job_id, second.job_id}


def test_an_entry_that_an_ended_import_left_in_the_queue_holds_nobody_up(services: Services, s3: Any) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    run(services, first)
    pk, sk = queue_key(first)
    entry = {"pk": {"S": pk}, "sk": {"S": sk}}
    services.dynamodb.call("PutItem", {"TableName": services.settings.jobs_table, "Item": entry})
    second = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/2.csv")
    assert executions(services) == {first.job_id, second.job_id}


@pytest.mark.parametrize("late", [0, 1, 3600])
def test_an_import_joins_behind_those_that_are_there_however_late_its_clock(
    services: Services, s3: Any, clock: builders.Clock, late: int
) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=-late)
    second = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    third = start(services, s3, builders.contacts_csv(count=3), key="drop/contacts/3.csv")
    assert first.submitted_at < second.submitted_at < third.submitted_at
    assert services.queue.positions(first.entity_uid) == {first.job_id: 1, second.job_id: 1, third.job_id: 2}
    assert executions(services) == {first.job_id}
    for job in (first, second, third):
        assert run(services, job).status is Status.COMPLETED


def test_a_dry_run_does_not_wait_for_its_place(services: Services, s3: Any, clock: builders.Clock) -> None:
    start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=-1)
    job = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv", **{"dry-run": "true"})
    assert job.submitted_at == clock.now()


def test_of_two_imports_started_at_once_the_second_waits_until_the_first_has_ended(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """Both executions run, as when the queue is read between two ends."""
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    second = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    start_execution(services, second)
    assert executions(services) == {first.job_id, second.job_id}
    assert plan_import(services, first.job_id)["outcome"] == "planned"
    assert plan_import(services, second.job_id)["outcome"] == "waiting"
    assert services.jobs.get(second.job_id).status is Status.WAITING
    running = services.running_imports.find(first.entity_uid)
    assert running is not None and running.job_id == first.job_id
    clock.forward(seconds=120)
    recovery.recover_jobs(services)
    assert f"{second.job_id}-1" not in executions(services), "the first is running"
    assert run(services, first).status is Status.COMPLETED
    assert f"{second.job_id}-1" in executions(services)
    assert run(services, second).status is Status.COMPLETED
    assert services.running_imports.find(first.entity_uid) is None


def test_the_event_of_a_beginning_is_published_later_when_the_bus_refuses_it(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []
    is_down = True

    def publish(detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        if is_down:
            raise NotPublished
        published.append(detail["status"])

    job = start(services, s3, builders.contacts_csv(count=1))
    monkeypatch.setattr(services.events, "publish", publish)
    plan_import(services, job.job_id)
    is_down = False
    clock.forward(seconds=61)
    publish_late(services)
    publish_late(services)
    assert published == ["IN_PROGRESS"]
    run(services, job)
    assert published == ["IN_PROGRESS", "COMPLETED"]


def test_the_event_of_a_file_whose_entity_does_not_exist_is_published_later(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[tuple[str, str]] = []
    is_down = True

    def publish(detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        if is_down:
            raise NotPublished
        published.append((detail["jobId"], detail["status"]))

    monkeypatch.setattr(services.events, "publish", publish)
    job = start(services, s3, b"a\n1\n", key="drop/nobody/x.csv")
    assert (job.status, job.error_code, job.entity_uid) == (Status.FAILED, "unknown-entity", "")
    is_down = False
    clock.forward(seconds=61)
    assert publish_late(services) == 1
    assert published == [(job.job_id, "FAILED")]


def test_a_dry_run_runs_beside_an_import(services: Services, s3: Any, clock: builders.Clock) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    plan_import(services, first.job_id)
    dry = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv", **{"dry-run": "true"})
    assert run(services, dry).status is Status.COMPLETED
    assert run(services, first).status is Status.COMPLETED


def test_a_dry_run_does_not_wait_for_its_turn(services: Services, s3: Any, clock: builders.Clock) -> None:
    start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    dry = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv", **{"dry-run": "true"})
    assert dry.job_id in executions(services)


@pytest.mark.parametrize(
    "metadata",
    [
        {"mode": "wipe"},
        {"columns": "[1]"},
        {"columns": '{"E-mail": 7}'},
        {"max-errors": "x"},
        {"encoding": "klingon"},
        {"dialect": "{"},
        {"dialect": '{"headerRows": [1.5]}'},
        {"dialect": '{"delimiter": ["a", "b"]}'},
    ],
)
def test_metadata_that_cannot_be_used_fails_the_job(services: Services, s3: Any, metadata: dict[str, str]) -> None:
    job = start(services, s3, builders.contacts_csv(count=1), **metadata)
    assert (job.status, job.error_code) == (Status.FAILED, "source-error")
    assert next(iter(metadata)) in str(job.error_message)


def test_columns_of_the_file_are_mapped_to_fields(services: Services, drop: Any) -> None:
    data = builders.contacts_csv(count=1).replace(b"contact_id", b"Customer No")
    job = drop(data, columns='{"Customer No": "contact_id"}')
    assert counts(job) == (1, 1, 0, 0)


def test_job_ids_and_definitions_survive_a_change_of_the_entity(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(count=1))
    services.entities.put(builders.entity(schema={"fields": [{"name": "x"}]}))
    assert run(services, job).counts.imported == 1
    assert json.dumps(services.jobs.definition(job.job_id)["schema"]) == json.dumps(builders.CONTACTS_SCHEMA)


def test_the_same_content_twice_is_noticed_and_can_be_refused(services: Services, drop: Any) -> None:
    first = drop(builders.contacts_csv(count=2))
    second = drop(builders.contacts_csv(count=2))
    assert (first.duplicate_of, second.duplicate_of) == (None, first.job_id)
    services.entities.put(builders.entity(refuse_duplicates=True))
    third = drop(builders.contacts_csv(count=2))
    assert (third.status, third.error_code) == (Status.FAILED, "duplicate-file")
    assert second.job_id in str(third.error_message)
    assert third.duplicate_of == second.job_id


@pytest.mark.parametrize("first", [{"dry-run": "true"}, {"mode": "insert"}, {"rows": "bad"}], ids=str)
def test_only_what_was_imported_whole_and_in_the_same_mode_is_refused(
    services: Services, drop: Any, first: dict[str, str]
) -> None:
    services.entities.put(builders.entity(refuse_duplicates=True))
    bad = [{"contact_id": "bad", "email": "nobody"}] if first.pop("rows", None) else []
    data = builders.contacts_csv(bad, count=2)
    assert drop(data, **first).counts.imported == 2
    again = drop(data)
    assert (again.error_code, again.duplicate_of, again.counts.imported) == (None, None, 2)


@pytest.mark.parametrize(
    ("data", "detected"),
    [
        (b"\xef\xbb\xbfa;b\n1;2\n", {"encoding": "utf-8", "bom": True, "delimiter": ";", "headerRow": 1}),
        (b'contact_id,email\n"1,2\n', {"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": None}),
        (b'{"a": 1}\n', {"encoding": "utf-8", "bom": False, "delimiter": None, "headerRow": None, "format": "jsonl"}),
        (workbooks.xlsx([workbooks.row(workbooks.text("a"))]),
         {"encoding": None, "bom": False, "delimiter": None, "headerRow": None, "format": "xlsx", "sheet": "Sheet1"}),
    ],
    ids=["header", "quote", "json", "workbook"],
)  # fmt: skip
def test_a_failed_job_shows_what_was_detected(
    services: Services, drop: Any, data: bytes, detected: dict[str, Any]
) -> None:
    job = drop(data)
    assert (job.status, job.detected) == (Status.FAILED, detected)


def test_the_formula_guard_is_taken_off_when_asked_for(services: Services, s3: Any) -> None:
    services.entities.put(
        builders.entity("text", schema={"fields": [{"name": "id"}, {"name": "t"}], "primaryKey": "id"})
    )
    job = start(services, s3, b"id,t\n1,'=1+1\n2,''=x\n3,'plain\n4,=1\n", key="drop/text/a.csv")
    options = ImportOptions(unescape_formulas=True).to_document()
    services.jobs.begin(job.job_id)
    for name, value in options.items():
        services.jobs.set_option(job.job_id, name, value)
    run(services, job)
    assert {key: item["t"]["S"] for key, item in records(services).items()} == {
        "1": "=1+1",
        "2": "'=x",
        "3": "'plain",
        "4": "=1",
    }
