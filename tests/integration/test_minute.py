"""The minute's duties: their cost grows with what is due, not with what exists, and none keeps the others waiting."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pycurl
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from tests import builders
from tests.api_builders import load_function, make_job
from tests.importing import start, stop_executions
from tests.simulation.dynamodb import Server, template_schemas
from waybill.aws.dynamodb import DynamoDB, network_error, to_attributes
from waybill.bootstrap import Services
from waybill.jobs.model import Job, Status
from waybill.timestamps import rfc3339
from waybill.upkeep.actions import cancel_job
from waybill.upkeep.entity_deletion import delete_entity

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
    """1,000 imports wait in the queues of 50 entities, 3,000 exports are scheduled, of which 100 are due at 10:00, and
    the files of 10,000 jobs expire later. docs/scale.md has the figures."""
    services.entities.put(builders.entity())
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
        time = "10:00" if number < 100 else "12:00"
        builders.scheduled_export(services, schedule={"time": time, "timezone": "UTC"})

    def cost(**delta: int) -> tuple[int, int]:
        """The runs started and the requests sent by a minute, so much later."""
        clock.forward(**delta)
        requests.count.clear()
        started = minute()["started"]
        return started, sum(requests.count.values())

    assert cost(seconds=50) == (0, 14), "nothing is due"
    assert cost(seconds=70) == (0, 215), "each entity is checked once: a query, two reads, a start and an entry"
    assert cost(seconds=60) == (0, 12), "nothing is due again"
    started, requests_sent = cost(minutes=27)
    assert (started, requests_sent < 1_000) == (100, True), "less than ten for each run, and those of the entities"
    cost(minutes=1)
    cost(minutes=1)
    assert cost(minutes=1) == (0, 12), "what runs is checked seldom"


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
