"""A step that fails: an outage is waited for, anything else is told after a few attempts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

from tests import builders
from tests.api_builders import Api, load_function
from tests.importing import BAD_ROWS, counts, executions, prepared, rejected_types, rejects, run, start
from tests.integration.test_import_crashes import recovered
from waybill.aws.dynamodb import DynamoDBError
from waybill.bootstrap import Services
from waybill.errors import LeaseHeld, Superseded
from waybill.imports.abandon import abandon_import
from waybill.imports.error_log import error_page
from waybill.imports.finish import finish_import
from waybill.imports.job_files import plan_key
from waybill.imports.load import load_chunk
from waybill.imports.plan_document import read_plan
from waybill.jobs.giving_up import UNEXPLAINED_RETRIES
from waybill.jobs.leases import LEASE_SECONDS, Heartbeat, lease_chunk
from waybill.jobs.model import Job, Status

OUTAGES = [DynamoDBError("NetworkError", "no route", 0, True), LeaseHeld(30.0), Superseded("another attempt")]


class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 128, "arn", "id"

    def get_remaining_time_in_millis(self) -> int:
        return 200_000  # too little for a step to do the next ones at once


Step = Callable[..., dict[str, Any]]


@pytest.fixture
def imports(services: Services, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    services.entities.put(builders.entity())
    app = load_function("import_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    return app


@pytest.fixture
def step(imports: ModuleType) -> Step:
    def run(job: Job, name: str, **event: Any) -> dict[str, Any]:
        result: dict[str, Any] = imports.handler({"jobId": job.job_id, "step": name, **event}, Context())
        return result

    return run


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_an_outage_is_repeated_however_often_it_was(
    services: Services, s3: Any, imports: ModuleType, step: Step, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    monkeypatch.setitem(imports.STEPS, "plan", failing(error))
    for attempt in (0, UNEXPLAINED_RETRIES, 89):
        with pytest.raises(type(error)):
            step(job, "plan", attempt=attempt)
    assert "failure" not in services.jobs.get(job.job_id).options


def test_a_program_error_is_told_after_a_few_attempts(
    services: Services, s3: Any, imports: ModuleType, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    step(job, "plan", attempt=0)
    monkeypatch.setitem(imports.STEPS, "load", failing(KeyError("bug")))
    for attempt in range(UNEXPLAINED_RETRIES):
        with pytest.raises(KeyError):
            step(job, "load", chunk=0, attempt=attempt)
    assert step(job, "load", chunk=0, attempt=UNEXPLAINED_RETRIES)["outcome"] == "given-up"
    assert step(job, "fail", error={"Error": "GivenUp"})["outcome"] == "FAILED"
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "internal-error", (3, 0, 0, 3))


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (DynamoDBError("AccessDeniedException", "User: arn:aws:sts::1:assumed-role/r/f is not authorized to perform: "
                       "dynamodb:BatchWriteItem on resource: arn:aws:dynamodb:us-east-1:1:table/theirs because no "
                       "identity-based policy allows the action", 400), "table/theirs"),
        (DynamoDBError("AccessDeniedException", "KMS key access denied error: User: arn:aws:sts::1:assumed-role/r/f is "
                       "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:1:key/1234-ab", 400),
         "arn:aws:kms:us-east-1:1:key/1234-ab"),
    ],
)  # fmt: skip
def test_a_table_or_key_that_may_not_be_used_is_named(
    services: Services,
    s3: Any,
    imports: ModuleType,
    step: Step,
    error: DynamoDBError,
    names: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    step(job, "plan", attempt=0)
    monkeypatch.setitem(imports.STEPS, "load", failing(error))
    assert step(job, "load", chunk=0, attempt=UNEXPLAINED_RETRIES)["outcome"] == "given-up"
    step(job, "fail", error={"Error": "GivenUp"})
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code) == (Status.FAILED, "internal-error")
    assert all(part in str(job.error_message) for part in (names, "TargetTables", "OtherKmsKeyArns"))
    assert "assumed-role" not in str(job.error_message)


def test_what_outlasts_the_retries_ends_as_timed_out(services: Services, s3: Any, step: Step) -> None:
    planned = start(services, s3, builders.contacts_csv(count=3))
    step(planned, "plan", attempt=0)
    step(planned, "fail", error={"Error": "States.ExceedToleratedFailureThreshold"})
    job = services.jobs.get(planned.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "timed-out", (3, 0, 0, 3))

    unplanned = start(services, s3, builders.contacts_csv(count=2))
    step(unplanned, "fail", error={"Error": "States.TaskFailed"})
    job = services.jobs.get(unplanned.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "timed-out", (0, 0, 0, 0))


def test_the_step_that_ends_a_job_waits_for_an_outage_however_long(
    services: Services, s3: Any, imports: ModuleType, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    monkeypatch.setitem(imports.STEPS, "fail", failing(OUTAGES[0]))
    with pytest.raises(DynamoDBError):
        step(job, "fail", error={"Error": "GivenUp"}, attempt=89)


def unreadable_plan(services: Services, s3: Any, job: Job) -> None:
    s3.put_object(Bucket=services.settings.files_bucket, Key=plan_key(job.job_id), Body=b'{"chunks": []}')


def lost_plan(services: Services, s3: Any, job: Job) -> None:
    s3.delete_object(Bucket=services.settings.files_bucket, Key=plan_key(job.job_id))


def lost_parts(services: Services, s3: Any, job: Job) -> None:
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{job.job_id}/chunks/")


def lost_everything(services: Services, s3: Any, job: Job) -> None:
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{job.job_id}/")


def fail_at_last(step: Step, job: Job) -> None:
    """The step `fail`, as often as it takes."""
    for attempt in range(UNEXPLAINED_RETRIES + 1):
        with suppress(Exception):
            step(job, "fail", error={"Error": "GivenUp"}, attempt=attempt)


@pytest.mark.parametrize(
    ("poison", "lists_rows"),
    [(unreadable_plan, True), (lost_plan, True), (lost_parts, False), (lost_everything, False)],
)
def test_an_import_whose_notes_cannot_be_read_ends_with_what_was_counted_and_lets_the_next_one_run(
    services: Services,
    s3: Any,
    step: Step,
    clock: builders.Clock,
    poison: Callable[[Services, Any, Job], None],
    lists_rows: bool,
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 450)
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)
    rows = [{"contact_id": "bad", "email": "nobody", "spend": "-1"}]
    data = builders.contacts_csv([*rows, *({"contact_id": f"x{n}"} for n in range(60))])
    job = start(services, s3, data, key="drop/contacts/1.csv")
    following = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    chunks = step(job, "plan", attempt=0)["chunks"]
    assert chunks > 3
    for chunk in (0, 2):  # one in between, and all after them, are not loaded
        step(job, "load", chunk=chunk, attempt=0)
    loaded = services.jobs.get(job.job_id).counts
    ends = {chunk: entries[-1].next_row for chunk, entries in services.ledger.entries(job.job_id).items()}
    poison(services, s3, job)
    fail_at_last(step, job)
    ended = services.jobs.get(job.job_id)
    expected = (61, loaded.imported, 1, 60 - loaded.imported)
    assert (ended.status, ended.error_code, counts(ended)) == (Status.FAILED, "internal-error", expected)
    assert f"{loaded.imported} of 61 rows" in str(ended.error_message) and ended.counts.importable == 0
    assert (ended.has_rejects, ended.has_error_log) == (lists_rows, True)
    if lists_rows:
        found = rejected_types(services, ended)
        assert len(rejects(services, ended)) == 1 + 61 - loaded.imported
        assert found.pop(2) == "type-error"
        second = ends[2] - (loaded.imported - (ends[0] - 3))  # where the loaded chunk after the gap begins
        assert sorted(found) == [*range(ends[0], second), *range(ends[2], 63)]
        assert set(found.values()) == {"internal-error"}
        errors, _, _ = error_page(services.files, services.settings.files_bucket, ended, 100, None)
        assert [error["type"] for error in errors[:3]] == ["type-error", "constraint-error", "internal-error"]
    assert following.job_id in executions(services)
    assert counts(run(services, following)) == (2, 2, 0, 0)


@pytest.mark.parametrize("poison", [unreadable_plan, lost_plan])
def test_the_rows_of_an_abandoned_import_are_shown_and_cannot_be_corrected(
    api: Api, poison: Callable[[Services, Any, Job], None], s3: Any
) -> None:
    """The rejects file is Waybill's own, whatever the dialect, the encoding and the labels of the file."""
    services = api.services
    api.put_contacts()
    names = [field["name"] for field in api.services.entities.get("contacts").schema["fields"]]
    columns = {"Schlüssel": "contact_id", "E-Mail": "email"}
    text = builders.contacts_csv(BAD_ROWS, count=3).decode().replace(",", ";")
    for label, name in columns.items():
        text = text.replace(name, label, 1)
    upload = api.upload(data=text.encode("latin-1"))
    options = {"dialect": {"delimiter": ";"}, "encoding": "iso-8859-1", "columns": columns}
    answer = api("POST", "/imports", body={"uploadId": upload, "mode": "insert", **options})
    assert answer.status == 202, answer.json
    job = prepared(services, services.jobs.get(answer.json["jobId"]))
    assert job.counts.total == 8
    load_chunk(services, job.job_id, 0)
    assert services.jobs.get(job.job_id).counts.repeated
    poison(services, s3, job)
    abandon_import(services, job.job_id)
    page = api("GET", f"/jobs/{job.job_id}/rejected-rows")
    assert page.status == 200, page.json
    assert (page.json["labels"], page.json["fields"]) == (names, names)
    rows = [item["rowNumber"] for item in page.json["items"]]
    assert len(rows) == 5 and all(set(item["cells"].values()) == {""} for item in page.json["items"])
    correction = {"rowNumber": rows[0], "cells": {names[0]: "another"}}
    assert api("POST", f"/jobs/{job.job_id}/relaunch", body={"corrections": [correction]}).status == 409


class Worker:
    """A worker that has a chunk, and sends heartbeats when it is told to."""

    def __init__(self, services: Services, job: Job, chunk: int) -> None:
        leased = lease_chunk(services, job.job_id, chunk, "worker")
        self.heartbeat = Heartbeat(services, leased, chunk, "worker")


@pytest.fixture
def two_imports(services: Services, s3: Any, step: Step) -> tuple[Job, Job]:
    """One of several chunks that is planned, and the next one of its entity, which waits."""
    object.__setattr__(services.settings, "chunk_bytes", 450)
    job = start(services, s3, builders.contacts_csv(count=60), key="drop/contacts/1.csv")
    following = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    assert step(job, "plan", attempt=0)["chunks"] > 3
    return job, following


def test_an_import_is_abandoned_once_no_worker_can_write_any_more(
    services: Services, s3: Any, step: Step, clock: builders.Clock, two_imports: tuple[Job, Job]
) -> None:
    job, following = two_imports
    workers = [Worker(services, job, chunk) for chunk in (0, 2)]
    began = clock.now()

    def sleep(seconds: float) -> None:
        assert services.jobs.get(job.job_id).status is Status.IN_PROGRESS
        assert following.job_id not in executions(services)
        clock.forward(seconds=seconds)

    clock.on_sleep = sleep
    lost_plan(services, s3, job)
    assert step(job, "fail", error={"Error": "GivenUp"}, attempt=0)["outcome"] == "FAILED"
    assert LEASE_SECONDS <= (clock.now() - began).total_seconds() < LEASE_SECONDS + 1
    assert following.job_id in executions(services)
    for worker in workers:
        with pytest.raises(Superseded):
            worker.heartbeat.send()


def test_a_worker_that_goes_on_is_waited_for_as_long_as_the_invocation_lasts(
    services: Services, s3: Any, step: Step, clock: builders.Clock, two_imports: tuple[Job, Job]
) -> None:
    job, following = two_imports
    worker = Worker(services, job, 0)
    ends = clock.monotonic() + 60

    def sleep(seconds: float) -> None:
        clock.forward(seconds=1)
        worker.heartbeat.check()

    clock.on_sleep = sleep
    lost_plan(services, s3, job)
    with pytest.raises(LeaseHeld):
        finish_import(services, job.job_id, "timed-out", lambda: ends - clock.monotonic())
    assert services.jobs.get(job.job_id).status is Status.IN_PROGRESS
    services.ledger.release(job.job_id, 0, "worker")
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)
    assert step(job, "fail", error={"Error": "GivenUp"}, attempt=1)["outcome"] == "FAILED"
    assert following.job_id in executions(services)


def test_a_worker_that_takes_a_chunk_while_the_rows_are_listed_is_waited_for(
    services: Services,
    s3: Any,
    step: Step,
    clock: builders.Clock,
    two_imports: tuple[Job, Job],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, following = two_imports
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)
    lost_plan(services, s3, job)
    listing = services.files.writer
    with monkeypatch.context() as patch, pytest.raises(Superseded):
        patch.setattr(services.files, "writer", lambda *to: (Worker(services, job, 1), listing(*to))[1])
        step(job, "fail", error={"Error": "GivenUp"}, attempt=0)
    assert services.jobs.get(job.job_id).status is Status.IN_PROGRESS
    assert following.job_id not in executions(services)
    assert step(job, "fail", error={"Error": "GivenUp"}, attempt=1)["outcome"] == "FAILED"
    assert following.job_id in executions(services)


@pytest.mark.parametrize("declared", [{"commentChar": "#"}, {}])
def test_rows_whose_numbers_are_not_certain_are_not_listed(
    services: Services, s3: Any, step: Step, declared: dict[str, str]
) -> None:
    """Comments between the rows; a file whose rows have the numbers of another one."""
    header, *lines = builders.contacts_csv(count=3).decode().splitlines()
    if declared:
        lines.insert(1, "# no row")
    else:
        header, lines = f"_row,_type,_reason,{header}", [f"{n},x,x,{line}" for n, line in enumerate(lines, 7)]
    data = "\n".join([header, *lines, ""]).encode()
    job = start(services, s3, data, dialect=json.dumps(declared))
    step(job, "plan", attempt=0)
    lost_plan(services, s3, job)
    fail_at_last(step, job)
    ended = services.jobs.get(job.job_id)
    assert (counts(ended), ended.has_rejects) == ((3, 0, 0, 3), False)


def test_a_plan_that_is_deleted_while_it_is_read_is_a_plan_that_is_gone(
    services: Services, s3: Any, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    step(job, "plan", attempt=0)
    monkeypatch.setattr(services.files, "head", lambda *_: lost_plan(services, s3, job))
    assert read_plan(services, job.job_id) is not None
    lost_plan(services, s3, job)
    assert read_plan(services, job.job_id) is None


def test_recovery_ends_an_import_whose_notes_cannot_be_read(
    services: Services, s3: Any, step: Step, clock: builders.Clock
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    step(job, "plan", attempt=0)
    unreadable_plan(services, s3, job)
    for _ in range(8):
        recovered(services, clock, 10)
    assert services.jobs.get(job.job_id).status is Status.FAILED


def test_each_failed_attempt_is_logged_with_its_cause(
    services: Services, s3: Any, imports: ModuleType, step: Step, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    monkeypatch.setitem(imports.STEPS, "plan", failing(KeyError("bug")))
    with caplog.at_level(logging.ERROR):
        step(job, "plan", attempt=UNEXPLAINED_RETRIES)
    assert [record.exc_info[0] for record in caplog.records if record.message == "Step failed"] == [KeyError]
