"""The minute's duties: their cost grows with what is due, not with what exists, and none keeps the others waiting."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pycurl
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from tests import builders
from tests.api_builders import load_function, make_job
from tests.importing import all_jobs, drop_object, executions, start, stop_executions
from tests.simulation.dynamodb import Server, template_schemas
from waybill.aws.dynamodb import DynamoDB, network_error, to_attributes
from waybill.aws.expressions import Change
from waybill.bootstrap import Services
from waybill.errors import Conflict
from waybill.exports import repository
from waybill.exports.run import end_run, tick
from waybill.jobs.model import Counts, Job, Status, finished
from waybill.timestamps import rfc3339
from waybill.upkeep.actions import cancel_job
from waybill.upkeep.entity_deletion import delete_entity
from waybill.upkeep.recovery import recover_jobs
from waybill.upkeep.retention import remove_expired

CONTEXT = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")


class Requests:
    """Counts requests to AWS by operation; those to services that hang are not answered in time."""

    def __init__(self, clock: builders.Clock) -> None:
        self.count: Counter[str] = Counter()
        self.hanging: set[str] = set()
        self._clock = clock

    def send(self, service: str, operation: str, seconds: float) -> bool:
        """Whether the request is answered; else it takes this long."""
        self.count[operation] += 1
        if service in self.hanging:
            self._clock.forward(seconds=seconds)
        return service not in self.hanging


@pytest.fixture
def requests(services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The requests of the services. The tables are in memory, because some tests fill them."""
    names = {
        services.settings.jobs_table: "JobsTable",
        services.settings.catalog_table: "CatalogTable",
        services.settings.records_table: "RecordsTable",
    }
    schemas = {name: template_schemas()[logical] for name, logical in names.items()}
    server = Server(schemas, now=lambda: clock.now().timestamp(), page_items=1_000_000)
    requests = Requests(clock)
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)
    clock.is_still = True  # what a minute does must not depend on how busy the machine is
    make_api_call = BaseClient._make_api_call

    def call_once(self: DynamoDB, operation: str, body: bytes) -> tuple[int, bytes]:
        if not requests.send("dynamodb", operation, self.timeout_seconds):
            raise network_error(pycurl.E_OPERATION_TIMEDOUT, "no answer in time")
        status, answer = server.handle(operation, json.loads(body))
        return status, json.dumps(answer).encode()

    def api_call(self: Any, operation: str, arguments: Any) -> Any:
        seconds = self.meta.config.read_timeout * (self.meta.config.retries or {}).get("total_max_attempts", 5)
        if not requests.send(self.meta.service_model.service_name, operation, seconds):
            raise ReadTimeoutError(endpoint_url="https://aws.example")
        return make_api_call(self, operation, arguments)

    monkeypatch.setattr(DynamoDB, "_call_once", call_once)
    monkeypatch.setattr(BaseClient, "_make_api_call", api_call)
    return requests


@pytest.fixture
def minute(services: Services, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function of the schedule, called with no event."""
    module = load_function("schedule")
    monkeypatch.setattr(module, "services", lambda: services)
    return lambda: module.handler({}, type("Context", (), dict.fromkeys(CONTEXT, "x"))())


def put_all(services: Services, items: Iterable[dict[str, Any]]) -> None:
    for item in items:
        services.dynamodb.call("PutItem", {"TableName": services.settings.jobs_table, "Item": item})


def register_all(services: Services, jobs: Iterable[Job]) -> None:
    """What `JobRepository.register` puts for each job, but for its announcement."""
    puts = (action["Put"]["Item"] for job in jobs for action in services.jobs._registration(job, {}))
    put_all(services, (item for item in puts if item["pk"]["S"] != "OUTBOX"))


def test_a_minute_costs_what_is_due_and_not_what_exists(
    services: Services, clock: builders.Clock, requests: Requests, minute: Any
) -> None:
    """1,000 imports wait in the queues of 50 entities, 3,000 exports of ten are scheduled, of which 100 are due at
    10:00, and the files of 10,000 jobs expire later. docs/scale.md has the figures."""
    for name in ("contacts", *(f"e{number}" for number in range(10))):
        services.entities.put(builders.entity(name))
    now = clock.now()
    waiting = make_job()
    register_all(
        services,
        (
            replace(waiting, job_id=f"job-{number:04d}", entity_uid=f"uid-{number % 50}", submitted_at=now)
            for number in range(1_000)
        ),
    )
    later = rfc3339(now + timedelta(days=1))
    put_all(
        services,
        (to_attributes({"pk": "SWEEP", "sk": f"{later}#{number}", "jobId": f"{number}"}) for number in range(10_000)),
    )
    for number in range(3_000):
        name, time = f"e{number % 10}", "10:00" if number < 100 else "12:00"
        builders.scheduled_export(services, f"uid-{name}", entity=name, schedule={"time": time, "timezone": "UTC"})

    def cost(**delta: int) -> tuple[int, int]:
        """The runs started and the requests sent by a minute, so much later."""
        clock.forward(**delta)
        requests.count.clear()
        started = minute()["started"]
        return started, sum(requests.count.values())

    assert cost(seconds=50) == (0, 17), "nothing is due"
    assert cost(seconds=70) == (0, 218), "each entity is checked once: a query, two reads, a start and an entry"
    assert cost(seconds=60) == (0, 15), "nothing is due again"
    started, requests_sent = cost(minutes=27)
    assert (started, requests_sent < 1_000) == (100, True), "less than ten for each run, and those of the entities"
    cost(minutes=1)
    cost(minutes=1)
    assert cost(minutes=1) == (0, 15), "what runs is checked seldom"


WORK = ("started", "recovered", "published", "removed", "erased")


@pytest.mark.parametrize(
    ("hanging", "done"),
    [
        ((), WORK),
        (("s3",), ("started", "recovered", "published", "erased")),
        (("stepfunctions",), ("published", "removed", "erased")),
        (("events",), ("started", "recovered", "removed", "erased")),
        (("dynamodb",), ()),
        (("dynamodb", "events", "s3", "stepfunctions"), ()),
        (("events", "s3", "stepfunctions"), ("erased",)),
    ],
)
def test_a_service_that_hangs_keeps_nobody_else_waiting(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    requests: Requests,
    minute: Any,
    hanging: tuple[str, ...],
    done: tuple[str, ...],
) -> None:
    for name in ("contacts", "orders", "old"):
        services.entities.put(builders.entity(name))
    delete_entity(services, services.entities.get("old"))
    ended = cancel_job(services, start(services, s3, b"x", key="drop/contacts/a.csv"))
    services.files.put(services.settings.files_bucket, f"jobs/{ended.job_id}/rejects.csv", b"x")
    clock.forward(hours=49)
    requests.hanging = {"events"}
    job = start(services, s3, b"x", key="drop/orders/b.csv")
    requests.hanging = set()
    stop_executions(services)
    export = builders.scheduled_export(services)
    clock.forward(days=1)

    requests.hanging = set(hanging)
    began = clock.monotonic()
    with suppress(RuntimeError):
        minute()
    seconds = clock.monotonic() - began
    requests.hanging = set()

    run = services.exports.get(export.export_id).running
    is_done = {
        "started": run is not None and services.jobs.get(run.job_id).status is Status.WAITING,
        "recovered": services.jobs.get(job.job_id).restarts == 1,
        "published": not services.jobs_table.query("OUTBOX", prefix=job.job_id).items,
        "removed": services.files.head(services.settings.files_bucket, f"jobs/{ended.job_id}/rejects.csv") is None,
        "erased": services.entities.deleted() == [],
    }
    assert {name for name in done if not is_done[name]} == set()
    timeout = builders.template()["Resources"]["ScheduleFunction"]["Properties"]["Timeout"]
    assert seconds < 0.75 * timeout


# Exports that are due


def due_entries(services: Services) -> list[str]:
    """The ids of the exports that the schedule attends to, by time."""
    return [item["sk"].partition("#")[2] for item in services.catalog_table.query("DUE").items]


def test_a_backlog_is_taken_up_by_the_next_minute_the_longest_due_first(
    services: Services, clock: builders.Clock
) -> None:
    services.entities.put(builders.entity())
    times = ("02:32", "02:30", "02:31")
    exports = [builders.scheduled_export(services, schedule={"time": time, "timezone": "UTC"}) for time in times]
    clock.forward(days=1)
    started = []
    for _ in exports:
        assert tick(services, builders.time_for(1)) == 1
        started.append([services.exports.get(export.export_id).running is not None for export in exports])
    assert started == [[False, True, False], [False, True, True], [True, True, True]]
    assert tick(services) == 0


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(hours=1), timedelta(hours=-1)])
def test_two_ticks_at_once_whose_clocks_differ_start_a_run_once(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    """The second tick lists what is due before the first one claims it."""
    services.entities.put(builders.entity())
    export = builders.scheduled_export(services)
    clock.moment = clock.moment.replace(hour=2, minute=30) + timedelta(days=1)
    due = services.exports.due(clock.now())
    assert tick(services) == 1
    monkeypatch.setattr(services.exports, "due", lambda now: due)
    clock.moment += skew
    tick(services, builders.time_for(1))
    monkeypatch.undo()
    assert len(services.runs.page(export.export_id, 10)[0]) == 1
    assert due_entries(services) == [export.export_id], "one entry, of the run"


def test_an_export_leaves_the_list_when_it_is_unscheduled(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    export = builders.scheduled_export(services)
    services.exports.unschedule(export.export_id)
    assert due_entries(services) == []
    services.exports.schedule(export.export_id, clock.now())
    assert due_entries(services) == [export.export_id]
    clock.forward(days=1)
    assert tick(services) == 1
    job = services.runs.page(export.export_id, 1)[0][0]
    end_run(services, services.jobs.begin(job.job_id), Status.COMPLETED, Counts(0))
    [item] = services.catalog_table.query("DUE").items
    assert item["sk"] == f"2026-02-02T02:30:00.000Z#{export.export_id}"


def test_an_entry_that_is_no_longer_true_is_removed(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    export = builders.scheduled_export(services)
    for export_id in (export.export_id, "gone"):
        services.catalog_table.put({"pk": "DUE", "sk": f"{rfc3339(clock.now())}#{export_id}"})
    assert tick(services) == 0
    assert due_entries(services) == [export.export_id]
    assert services.exports.get(export.export_id).running is None


@pytest.mark.parametrize("state", ["scheduled", "running"])
def test_what_an_earlier_version_scheduled_is_taken_up(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Its definitions have no due time; each minute looks through some of them."""
    monkeypatch.setattr(repository, "INDEXED_PER_CALL", 2)
    services.entities.put(builders.entity())
    exports = [builders.scheduled_export(services) for _ in range(5)]
    if state == "running":
        clock.forward(days=1)
        monkeypatch.setattr(services.workflow, "start", lambda *_: False)
        assert tick(services) == 5
    for export in exports:
        services.catalog_table.update(("EXPORT", export.export_id), Change(removes=["dueAt"]))
    for item in services.catalog_table.query("DUE").items:
        services.catalog_table.delete((item["pk"], item["sk"]))
    for _ in range(3):
        tick(services)
    assert sorted(due_entries(services)) == sorted(export.export_id for export in exports)
    clock.forward(days=2)
    assert tick(services) == (5 if state == "scheduled" else 0)


def test_jobs_that_an_earlier_version_registered_are_recovered(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """It listed them as `ACTIVE / {jobId}`, and they keep their entity too."""
    entity = builders.entity()
    services.entities.put(entity)
    job = start(services, s3, b"x")
    table = services.jobs_table
    [item] = table.query("CHECKUP").items
    table.delete((item["pk"], item["sk"]))
    for job_id in (job.job_id, "gone"):
        table.put({"pk": "ACTIVE", "sk": job_id})
    stop_executions(services)
    clock.forward(minutes=2)
    assert recover_jobs(services) == 1
    assert table.query("ACTIVE").items == []
    with pytest.raises(Conflict):
        delete_entity(services, entity)


def test_files_of_jobs_that_an_earlier_version_ended_are_removed(services: Services, clock: builders.Clock) -> None:
    """Its entries say when the files are due, and nothing of the record."""
    services.files.put(services.settings.files_bucket, "jobs/old/rejects.csv", b"x")
    services.jobs_table.put({"pk": "SWEEP", "sk": f"{rfc3339(clock.now())}#old", "jobId": "old"})
    clock.forward(minutes=1)
    assert remove_expired(services) == 1
    assert services.files.head(services.settings.files_bucket, "jobs/old/rejects.csv") is None
    assert services.jobs_table.query("SWEEP").items == []


def test_an_entity_is_checked_until_its_queue_is_empty(services: Services, s3: Any, clock: builders.Clock) -> None:
    """The execution of whichever import has its turn is restarted, also when that of the import before has ended
    without starting it."""
    services.entities.put(builders.entity())
    jobs = []
    for number in range(3):
        jobs.append(start(services, s3, b"x", key=f"drop/contacts/{number}.csv"))
        clock.forward(seconds=1)
    for job in jobs:
        clock.forward(minutes=6)
        recover_jobs(services)
        assert job.job_id in executions(services)
        ended = finished(job, Status.CANCELED, Counts(0), clock.now(), services.jobs.retention)
        services.jobs.finish(ended, Status.WAITING)  # and then its process died
    clock.forward(minutes=6)
    recover_jobs(services)
    assert services.jobs_table.query("CHECKUP").items == []


def test_the_minute_imports_an_object_whose_event_was_lost(
    services: Services, s3: Any, clock: builders.Clock, minute: Any
) -> None:
    services.entities.put(builders.entity())
    drop_object(services, s3, builders.contacts_csv(count=1))
    clock.moment = datetime.now(UTC) + timedelta(minutes=3)  # moto stores objects at the real time
    minute()
    assert [job.file_name for job in all_jobs(services)] == ["contacts.csv"]
