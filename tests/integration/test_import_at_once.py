"""A file of one chunk is imported in one invocation; what fails there, or has no time, is left to the next states."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests import builders
from tests.api_builders import load_function
from tests.importing import BAD_ROWS, Crash, counts, live, rejected_types, start
from waybill.aws.dynamodb import DynamoDBError
from waybill.bootstrap import Services
from waybill.errors import LeaseHeld, Superseded
from waybill.imports.at_once import LEAST_SECONDS
from waybill.jobs.model import Job, Status
from waybill.upkeep.actions import stop_job


class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 128, "arn", "id"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


Plan = Callable[..., str]


@pytest.fixture
def imports(services: Services, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    services.entities.put(builders.entity())
    app = load_function("import_steps")
    monkeypatch.setattr(app, "services", lambda: services)
    return app


@pytest.fixture
def plan(imports: ModuleType) -> Plan:
    """Calls the step `plan` with so much time, and then the steps that its answer asks for; returns that answer."""

    def call(job: Job, seconds: float = 900.0) -> str:
        answer = imports.handler({"jobId": job.job_id, "step": "plan"}, Context(seconds))
        if answer["outcome"] == "planned":
            prechecks = ["precheck", "deduplicate"] if answer["needsPrecheck"] else []
            for step in (*prechecks, "load", "finish"):
                imports.handler({"jobId": job.job_id, "step": step, "chunk": 0}, Context(seconds))
        return str(answer["outcome"])

    return call


@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_a_small_file_is_imported_by_the_step_that_plans_it(services: Services, s3: Any, plan: Plan, mode: str) -> None:
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=5), mode=mode)
    assert plan(job) == "COMPLETED"
    job = services.jobs.get(job.job_id)
    assert (job.status, counts(job)) == (Status.COMPLETED, (10, 5, 5, 0))
    assert len(rejected_types(services, job)) == 5
    assert len(live(services)) == 5


@pytest.mark.parametrize("step", ["precheck", "deduplicate", "load", "finish"])
@pytest.mark.parametrize(
    "error",
    [DynamoDBError("NetworkError", "no route", 0, True), LeaseHeld(30.0), Superseded("another"), KeyError("bug")],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_is_left_to_the_state_with_retries_of_its_own(
    services: Services,
    s3: Any,
    imports: ModuleType,
    plan: Plan,
    step: str,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=5), mode="insert")
    really, errors = imports.STEPS[step], [error]

    def fail_once(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return really(*arguments)

    monkeypatch.setitem(imports.STEPS, step, fail_once)
    assert plan(job) == "planned"
    assert counts(services.jobs.get(job.job_id)) == (10, 5, 5, 0)


@pytest.mark.parametrize("step", ["precheck", "deduplicate", "load", "finish"])
def test_what_has_no_time_is_left_to_its_own_state(
    services: Services, s3: Any, imports: ModuleType, plan: Plan, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step itself runs out of time and asks for another invocation."""
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=5), mode="insert")
    really, calls = imports.STEPS[step], []

    def ask_for_more(*arguments: Any) -> Any:
        calls.append(arguments)
        return {"outcome": "more"} if len(calls) == 1 else really(*arguments)

    monkeypatch.setitem(imports.STEPS, step, ask_for_more)
    assert plan(job) == "planned"
    assert counts(services.jobs.get(job.job_id)) == (10, 5, 5, 0)


def test_with_little_time_left_the_plan_is_all(services: Services, s3: Any, plan: Plan) -> None:
    job = start(services, s3, builders.contacts_csv(count=5))
    assert plan(job, LEAST_SECONDS - 1) == "planned"
    assert counts(services.jobs.get(job.job_id)) == (5, 5, 0, 0)


@pytest.mark.parametrize("step", ["precheck", "deduplicate", "load", "finish"])
def test_what_an_invocation_died_at_is_left_to_its_own_state(
    services: Services, s3: Any, imports: ModuleType, plan: Plan, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=5), mode="insert")

    def die(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setitem(imports.STEPS, step, die)
        plan(job)
    assert plan(job) == "planned"
    assert counts(services.jobs.get(job.job_id)) == (10, 5, 5, 0)


def test_stop_is_heard(
    services: Services, s3: Any, imports: ModuleType, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it comes between the plan and the load."""
    job = start(services, s3, builders.contacts_csv(count=5))
    really = imports.STEPS["load"]

    def load_after_stop(*arguments: Any) -> Any:
        stop_job(services, services.jobs.get(job.job_id))
        return really(*arguments)

    monkeypatch.setitem(imports.STEPS, "load", load_after_stop)
    assert plan(job) == "COMPLETED"
    job = services.jobs.get(job.job_id)
    assert (job.stop_reason, counts(job), live(services)) == ("USER", (5, 0, 0, 5), set())
