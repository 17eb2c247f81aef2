"""A step that fails: an outage is waited for, anything else is told after a few attempts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests import builders
from tests.api_builders import load_function
from tests.importing import counts, executions, run, start
from tests.integration.test_import_crashes import recovered
from waybill.aws.dynamodb import DynamoDBError
from waybill.bootstrap import Services
from waybill.errors import LeaseHeld, Superseded
from waybill.imports.job_files import plan_key
from waybill.jobs.giving_up import UNEXPLAINED_RETRIES
from waybill.jobs.model import Job, Status

OUTAGES = [DynamoDBError("NetworkError", "no route", 0, True), LeaseHeld(30.0), Superseded("another attempt")]


class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 128, "arn", "id"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


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


def lost_parts(services: Services, s3: Any, job: Job) -> None:
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{job.job_id}/chunks/")


@pytest.mark.parametrize("poison", [unreadable_plan, lost_parts])
def test_an_import_whose_notes_cannot_be_read_ends_and_lets_the_next_one_run(
    services: Services, s3: Any, step: Step, clock: builders.Clock, poison: Callable[[Services, Any, Job], None]
) -> None:
    rows = [{"contact_id": "bad", "email": "nobody"}]
    job = start(services, s3, builders.contacts_csv(rows, count=3), key="drop/contacts/1.csv")
    following = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    step(job, "plan", attempt=0)
    step(job, "load", chunk=0, attempt=0)
    poison(services, s3, job)
    with pytest.raises(Exception):  # noqa: B017  whatever it is
        step(job, "fail", error={"Error": "GivenUp"}, attempt=0)
    clock.forward(minutes=1)
    step(job, "fail", error={"Error": "GivenUp"}, attempt=UNEXPLAINED_RETRIES)
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.error_code, counts(ended)) == (Status.FAILED, "internal-error", (4, 3, 1, 0))
    assert "3 of 4 rows" in str(ended.error_message) and ended.counts.importable == 0
    assert following.job_id in executions(services)
    assert counts(run(services, following)) == (2, 2, 0, 0)


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
