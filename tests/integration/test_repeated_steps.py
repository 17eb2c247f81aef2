"""Each step of a state machine answers when it is called again: after the end, when the job is gone, and twice at once.

Step Functions repeats a step whose reply was lost, and a call that timed out may still be running.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests import builders
from tests.api_builders import load_function
from tests.importing import BAD_ROWS, drop_object, live
from waybill.aws.files import SourceChanged
from waybill.bootstrap import Services
from waybill.errors import LeaseHeld, Superseded
from waybill.exports.definition import Export, ExportStatus
from waybill.exports.run import activate, run_now
from waybill.ids import new_uuid
from waybill.imports.at_once import LEAST_SECONDS
from waybill.imports.start import start_drop
from waybill.jobs.model import Job, Process, Status
from waybill.upkeep.actions import cancel_job, delete_job, stop_job

IMPORT_STEPS: dict[str, dict[str, Any]] = {
    "plan": {},
    "precheck": {"chunk": 0},
    "deduplicate": {},
    "load": {"chunk": 0},
    "finish": {},
    "fail": {},
}
EXPORT_STEPS: dict[str, dict[str, Any]] = {
    "extract": {},
    "extract-part": {"part": 0},
    "assemble": {},
    "deliver": {},
    "fail": {},
}
STEPS = {Process.IMPORT: IMPORT_STEPS, Process.EXPORT: EXPORT_STEPS}


class Context:
    """What Lambda hands a function. By default a step of an import has too little time to do the next ones at once."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"

    def __init__(self, seconds: float = LEAST_SECONDS - 1) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture(scope="module")
def functions() -> dict[Process, ModuleType]:
    return {Process.IMPORT: load_function("import_steps"), Process.EXPORT: load_function("export_steps")}


Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(
    services: Services,
    clock: builders.Clock,
    functions: dict[Process, ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    """Calls a step of a job, as the state machine does."""
    services.entities.put(builders.entity())
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)
    for module in functions.values():
        monkeypatch.setattr(module, "services", lambda: services)

    def call(job: Job, step: str) -> dict[str, Any]:
        name, _, is_at_once = step.partition(" ")
        event = {"jobId": job.job_id, "step": name, **STEPS[job.process][name]}
        context = Context(900) if is_at_once or job.process is Process.EXPORT else Context()
        answer: dict[str, Any] = functions[job.process].handler(event, context)
        return answer

    return call


def dropped(services: Services, s3: Any, **metadata: str) -> Job:
    event = drop_object(services, s3, builders.contacts_csv(BAD_ROWS, count=5), **metadata)
    job = start_drop(services, event["detail"])
    assert job is not None
    return job


def export_run(services: Services, **members: Any) -> Job:
    definition = builders.export_definition(**members)
    now = services.clock.now()
    export = Export(new_uuid(), definition, "uid-contacts", ExportStatus.DRAFT, now, "alice", "a", "series")
    services.exports.add(export)
    export = activate(services, export, "alice", "a")
    if export.running is not None:
        return services.jobs.get(export.running.job_id)
    return run_now(services, export, "alice", "a")


def download(services: Services) -> Job:
    return export_run(services)


def delivered(services: Services) -> Job:
    schedule = {"time": "02:30", "timezone": "UTC"}
    destination = {"kind": "s3", "prefix": f"{new_uuid()}/"}  # an export replaces no file of another
    return export_run(services, type="PERIODIC_FULL", schedule=schedule, destination=destination)


def to_the_end(call: Call, job: Job) -> None:
    if job.process is Process.EXPORT:
        call(job, "extract")  # which delivers as well
        return
    planned = call(job, "plan")
    for step in ("precheck", "deduplicate") if planned.get("needsPrecheck") else ():
        call(job, step)
    call(job, "load")
    call(job, "finish")


def completed_import(services: Services, s3: Any, call: Call) -> Job:
    job = dropped(services, s3)
    to_the_end(call, job)
    return job


def insert(services: Services, s3: Any, call: Call) -> Job:
    job = dropped(services, s3, mode="insert")
    to_the_end(call, job)
    return job


def failed_import(services: Services, s3: Any, call: Call) -> Job:
    job = dropped(services, s3)
    call(job, "plan")
    call(job, "fail")
    return job


def unplanned_import(services: Services, s3: Any, call: Call) -> Job:
    job = dropped(services, s3)
    services.jobs.begin(job.job_id)
    call(job, "fail")
    return job


def canceled_import(services: Services, s3: Any, call: Call) -> Job:
    return cancel_job(services, dropped(services, s3))


def stopped_import(services: Services, s3: Any, call: Call) -> Job:
    job = dropped(services, s3)
    call(job, "plan")
    stop_job(services, services.jobs.get(job.job_id))
    call(job, "load")
    call(job, "finish")
    return job


def completed_download(services: Services, s3: Any, call: Call) -> Job:
    job = download(services)
    to_the_end(call, job)
    return job


def completed_delivery(services: Services, s3: Any, call: Call) -> Job:
    job = delivered(services)
    to_the_end(call, job)
    return job


def failed_export(services: Services, s3: Any, call: Call) -> Job:
    job = download(services)
    services.jobs.begin(job.job_id)
    call(job, "fail")
    return job


ENDS = [
    *(completed_import, insert, failed_import, unplanned_import, canceled_import, stopped_import),
    *(completed_download, completed_delivery, failed_export),
]


@pytest.mark.parametrize("since", ["now", "files expired", "expired", "deleted"])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_every_step_answers_after_the_end_and_changes_nothing(
    services: Services, s3: Any, clock: builders.Clock, call: Call, end: Callable[..., Job], since: str
) -> None:
    job = services.jobs.get(end(services, s3, call).job_id)
    assert job.is_terminal
    table = live(services)
    if since == "deleted":
        delete_job(services, job)
    elif since != "now":
        assert job.files_expire_at is not None and job.expires_at is not None
        clock.moment = job.files_expire_at if since == "files expired" else job.expires_at
        services.files.delete_prefix(services.settings.files_bucket, "jobs/")
    for step in STEPS[job.process]:
        answer = call(job, step)
        assert answer["outcome"] not in ("more", "retry", "given-up"), step
        if job.process is Process.EXPORT and step in ("deliver", "fail"):
            assert answer["outcome"] == "ended"
    assert services.jobs.find(job.job_id) == (None if since == "deleted" else job)
    assert live(services) == table


PATHS: dict[str, tuple[Callable[..., Job], list[str]]] = {
    "import": (dropped, ["plan", "load", "finish"]),
    "insert": (lambda *found: dropped(*found, mode="insert"), ["plan", "precheck", "deduplicate", "load", "finish"]),
    "import at once": (dropped, ["plan at once"]),
    "insert at once": (lambda *found: dropped(*found, mode="insert"), ["plan at once"]),
    "failed": (dropped, ["plan", "fail"]),
    "download": (lambda services, _: download(services), ["extract"]),
    "delivery": (lambda services, _: delivered(services), ["extract"]),
}


@pytest.mark.parametrize(("path", "step"), [(name, step) for name, (_, steps) in PATHS.items() for step in steps])
def test_a_step_that_is_called_twice_at_once_answers_or_asks_for_a_repetition(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    step: str,
) -> None:
    """The second call runs from its beginning to its end between two requests of the first, at each place in turn."""
    begin, steps = PATHS[path]
    really, ended = services.dynamodb.call, set()
    for place in itertools.count():
        job = begin(services, s3)
        before, after = steps[: steps.index(step)], steps[steps.index(step) + 1 :]
        for one in before:
            call(job, one)
        requests = itertools.count()

        def request(*arguments: Any, requests: Any = requests, place: int = place, job: Job = job, **named: Any) -> Any:
            if next(requests) == place:
                call(job, step)
            return really(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(services.dynamodb, "call", request)
            try:
                answer = call(job, step)
            except (Superseded, LeaseHeld, SourceChanged):  # repeated by the state machine
                answer = call(job, step)
        if step == "plan at once" and answer["outcome"] == "planned":
            after = PATHS[path.removesuffix(" at once")][1][1:]
        for one in after:
            call(job, one)
        done = services.jobs.get(job.job_id)
        ended.add((done.status, done.error_code, done.counts, done.outcome))
        if next(requests) <= place:
            break
        erase_records(services)
    assert place >= 2 and len(ended) == 1
    assert next(iter(ended))[0] is (Status.FAILED if path == "failed" else Status.COMPLETED)


def erase_records(services: Services) -> None:
    """Empties the table of records."""
    table = services.settings.records_table
    for item in services.dynamodb.call("Scan", {"TableName": table})["Items"]:
        services.dynamodb.call("DeleteItem", {"TableName": table, "Key": {"_pk": item["_pk"], "_sk": item["_sk"]}})
