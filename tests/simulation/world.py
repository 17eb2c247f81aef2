"""Waybill in a simulated world: the product's own handlers, over AWS in memory, in virtual time.

world = World(seed=7)
with world.open():
    world.add_entity()
    world.drop("contacts", "a.csv", builders.contacts_csv(count=30))
    world.tick_every_minute(until=600)
    world.run(600)
assert [job.status for job in world.jobs()] == [Status.COMPLETED]

Every invocation of a function is a process of its own: its clients, its clock, its retries. Only what cannot change is
shared between them (modules, compiled schemas). Replaced are boto3's session, `pycurl`, signatures, the identity
provider, and what functions log.

A seed and a `FaultPlan` decide all that happens. `World.log` tells it again.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

import waybill.aws.dynamodb
import waybill.imports.chunks
import waybill.telemetry
from tests import builders
from tests.api_builders import http_event, load_function
from tests.simulation.aws import Aws
from tests.simulation.calls import Calls, Process
from tests.simulation.dynamodb import Server, Table, template_schemas
from tests.simulation.faults import FaultPlan, LogEntry
from tests.simulation.servers import Hooks
from tests.simulation.statemachine import Machine, Refuse, Resume, StateError
from tests.simulation.timeline import Killed, Task, Timeline
from tests.simulation.wire import Signer, Wire
from waybill.bootstrap import Services
from waybill.clock import Clock
from waybill.entities.model import Entity
from waybill.entities.permissions import Caller
from waybill.jobs.model import Job
from waybill.tabular.records import BLOCK_BYTES, segments

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
START_SECONDS = 0.1  # of an invocation
ASYNC_WAITS = (60.0, 120.0)  # before the retries of an asynchronous invocation (AWS Lambda Developer Guide)
FUNCTIONS = {
    "start_import": "StartImportFunction",
    "import_steps": "ImportStepsFunction",
    "export_steps": "ExportStepsFunction",
    "source_steps": "SourceStepsFunction",
    "schedule": "ScheduleFunction",
    "api": "ApiFunction",
    "test_destination": "TestDestinationFunction",
    "webhooks": "WebhooksFunction",
}
ALICE = Caller("alice-subject", "alice", frozenset({"ops", "sales"}))
ADMIN = Caller("admin-subject", "admin", frozenset({"admin"}))


@cache
def function(name: str) -> ModuleType:
    """The module with the handler of a function."""
    return load_function(name)


@cache
def timeout_seconds(name: str) -> float:
    properties = builders.template()["Resources"][FUNCTIONS[name]]["Properties"]
    return float(properties["Timeout"])


@cache
def machine(arn: str, file: str) -> Machine:
    return Machine.read(arn, builders.ROOT / "infra" / file)


@dataclass(frozen=True)
class Chances:
    """How often the services around the functions do what they may do (0 to 1).

    Attributes:
        doubled, lost, late: events and ticks: twice, never, or minutes late.
        short: invocations with little time, so that steps need several.
        orphaned: steps whose answer is lost: another attempt begins while the first goes on.
        skewed: processes whose time of day is wrong, by up to `skew_seconds` either way.
    """

    doubled: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    short: float = 0.0
    orphaned: float = 0.0
    skewed: float = 0.0
    skew_seconds: float = 3_600.0


class SeededIds:
    """All ids and all chance of the product."""

    def __init__(self, seed: int) -> None:
        source = random.Random(f"ids {seed}")
        self.random_bytes, self.fraction = source.randbytes, source.random


class Invocation(Process):
    """A process of the product: one invocation of one function."""

    def __init__(self, invocation: str, services: Services) -> None:
        super().__init__(invocation)
        self.services = services


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    body: Any
    headers: Mapping[str, str]


class World:
    """
    Args:
        block_bytes: how much of a file steps read at once.
        settings: changes to those of `builders.settings`; files are cut into chunks of a few rows.
    """

    def __init__(
        self,
        seed: int = 0,
        plan: FaultPlan | None = None,
        chances: Chances | None = None,
        block_bytes: int = BLOCK_BYTES,
        **settings: Any,
    ) -> None:
        self.seed, self.block_bytes = seed, block_bytes
        own = {"chunk_bytes": 350, "write_connections": 2, "workers_per_job": 16, "user_pool_id": "us-east-1_test"}
        self.settings = builders.settings("http://127.0.0.1:9", **{**own, **settings})
        self.timeline = Timeline(seed)
        self.calls = Calls(self.timeline, plan or FaultPlan(), seed)
        names = {"JobsTable": "jobs", "RecordsTable": "records", "CatalogTable": "catalog"}
        schemas = {name: template_schemas()[logical] for logical, name in names.items()}
        self.server = Server(schemas, self.timeline.monotonic)
        self.wire = Wire(self.timeline, self.calls, self.server)
        buckets = [self.settings.drop_bucket, self.settings.files_bucket, self.settings.transfer_bucket]
        self.aws = Aws(self.timeline, self.calls, self._invoke_step, buckets, seed)
        for arn, file in (
            (self.settings.import_state_machine, "import.asl.json"),
            (self.settings.export_state_machine, "export.asl.json"),
            (self.settings.source_state_machine, "source.asl.json"),
        ):
            self.aws.executions.machines[arn] = machine(arn, file)
        self.aws.users = {user.name: user for user in (ALICE, ADMIN)}
        self.aws.invoke = self._invoke_function
        self.aws.on_created = self._created
        self.hooks = Hooks(self.calls)
        self.chance = random.Random(f"world {seed}")
        self.chances = chances or Chances()
        #: Entries that a duty could not handle, by duty; unexpected errors of processes; events that were given up.
        self.reported: Counter[str] = Counter()
        self.errors: list[tuple[str, BaseException]] = []
        self.dead_letters: list[tuple[str, Any]] = []
        self.events_on_their_way = self.orphans = 0
        self._ids = SeededIds(seed)
        self._numbers: Counter[str] = Counter()
        self._set_up = Services(self.settings, self.timeline, self._ids)

    @contextmanager
    def open(self) -> Iterator[World]:
        """While it lasts, the product's code runs in this world."""
        level = waybill.telemetry.logger.level
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, ENVIRONMENT))
            stack.enter_context(patch.object(waybill.aws.dynamodb, "pycurl", self.wire.curl()))
            stack.enter_context(patch.object(waybill.aws.dynamodb, "Signer", Signer))
            cut = partial(segments, block_bytes=self.block_bytes)
            stack.enter_context(patch.object(waybill.imports.chunks, "segments", cut))
            stack.enter_context(self.aws.patched())
            for name in FUNCTIONS:
                stack.enter_context(patch.object(function(name), "services", self._services))
            verifier = SimpleNamespace(caller=_caller_of)
            stack.enter_context(patch.object(function("api"), "verifier", lambda: verifier))
            stack.enter_context(patch.object(waybill.telemetry, "_write", self._measured))
            stack.callback(waybill.telemetry.logger.setLevel, level)
            stack.callback(self.timeline.close)
            waybill.telemetry.logger.setLevel("CRITICAL")
            yield self

    def run(self, until: float = float("inf")) -> None:
        """Let virtual time pass, until a moment (seconds since the start)."""
        self.timeline.run(until)

    # What people and partners do

    def add_entity(self, name: str = "contacts", **changes: Any) -> Entity:
        """An entity in the catalogue, at once."""
        permissions = {"view": ["sales"], "import": ["ops"], "export": ["ops"]}
        entity = builders.entity(name, **{"permissions": permissions, **changes})
        return self._set_up.entities.put(entity)

    def drop(self, entity: str, file_name: str, data: bytes, **metadata: str) -> None:
        """Put a file into the drop bucket; S3's event follows."""
        options = {name.replace("_", "-"): value for name, value in metadata.items()}
        self.aws.put(self.settings.drop_bucket, f"drop/{entity}/{file_name}", data, options)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        caller: Caller = ALICE,
        headers: Mapping[str, str] | None = None,
        then: Callable[[Answer | None], object] | None = None,
    ) -> Task:
        """Begin a request to the API.

        Args:
            then: called with the answer; None when the process died before it answered.
        """
        token = json.dumps([caller.subject, caller.name, sorted(caller.groups)])
        event = http_event(method, path, token=token, body=body, headers=dict(headers or {}))

        def ended(task: Task) -> None:
            if then is not None:
                then(None if task.error is not None else _answer(task.result))

        name = f"api/{method} {path.removeprefix('/v1')}"
        return self.invoke("api", event, name, ended)

    def ask(self, method: str, path: str, body: Any = None, caller: Caller = ALICE, **headers: str) -> Answer:
        """Send a request to the API and let time pass until it is answered."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        task = self.request(method, path, body, caller, named)
        self.timeline.run(task=task)
        if task.error is not None:
            raise task.error
        return _answer(task.result)

    # What AWS does

    def tick_every_minute(self, until: float) -> None:
        """EventBridge's schedule."""
        minute = 60.0 * (int(self.timeline.seconds // 60) + 1)
        while minute <= until:
            for delay in self._deliveries(late_seconds=50.0):
                self.timeline.at(minute + delay, self.tick)
            minute += 60.0

    def tick(self) -> Task:
        """One run of the schedule's function, now."""
        event = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
        if self.table("jobs").query("WEBHOOK"):  # without messages that function does nothing
            self.invoke("webhooks", event, "webhooks")
        return self.invoke("schedule", event, "schedule")

    def _created(self, detail: dict[str, Any]) -> None:
        key = detail["object"]["key"]
        if detail["bucket"]["name"] == self.settings.drop_bucket and key.startswith("drop/"):
            event = builders.created_event(self._set_up, key, detail["object"]["etag"])
            event["detail"] |= detail
            for delay in self._deliveries(late_seconds=600.0):
                self.events_on_their_way += 1
                self.timeline.at(self.timeline.seconds + 0.5 + delay, lambda: self.deliver(event))

    def deliver(self, event: dict[str, Any], attempt: int = 0) -> None:
        """Invoke StartImport with an event, asynchronously: two retries, then it is a dead letter."""

        def ended(task: Task) -> None:
            if task.error is not None and attempt < len(ASYNC_WAITS):
                again = self.timeline.seconds + ASYNC_WAITS[attempt]
                self.timeline.at(again, lambda: self.deliver(event, attempt + 1))
                return
            self.events_on_their_way -= 1
            if task.error is not None:
                self.dead_letters.append(("start_import", event))

        self.invoke("start_import", event, "start_import", ended)

    def _deliveries(self, late_seconds: float) -> list[float]:
        """When an event comes: after how many seconds, once for each delivery."""
        chances, random = self.chances, self.chance.random
        if not (chances.lost or chances.doubled or chances.late):
            return [0.0]
        times = 0 if random() < chances.lost else 2 if random() < chances.doubled else 1
        return [self.chance.uniform(0, late_seconds if random() < chances.late else 1.0) for _ in range(times)]

    def invoke(
        self,
        name: str,
        event: Any,
        label: str,
        then: Callable[[Task], object] | None = None,
        limit: float | None = None,
    ) -> Task:
        """Start a process: one invocation of a function.

        Args:
            label: what it is for; its name in the log is this and a number.
            then: called when it is over.
            limit: seconds after which it is ended from outside; that of the template when left out.
        """
        self._numbers[label] += 1
        limit = self._limit(name) if limit is None else limit
        process = Invocation(f"{label}#{self._numbers[label]}", self._new_services())
        ends = self.timeline.seconds + START_SECONDS + limit
        context = LambdaContext(name, lambda: ends - self.timeline.seconds)
        handler = function(name).handler

        def work() -> Any:
            return handler(event, context)

        def ended(task: Task) -> None:
            if task.error is not None and not isinstance(task.error, Killed):
                self.errors.append((process.invocation, task.error))
            if then is not None:
                then(task)

        task = self.timeline.start(work, START_SECONDS + limit, ended, name=process.invocation, process=process)
        if name == "api":
            task.save = _save_request
        return task

    def _limit(self, name: str) -> float:
        """Some invocations have hardly more time than steps keep back for their end."""
        limit = timeout_seconds(name)
        if self.chances.short and limit > 60 and self.chance.random() < self.chances.short:
            return self.chance.uniform(45.0, 46.0)
        return limit

    def _new_services(self) -> Services:
        clock: Clock = self.timeline
        if self.chances.skewed and self.chance.random() < self.chances.skewed:
            clock = self.timeline.clock(self.chance.uniform(-1, 1) * self.chances.skew_seconds)
        services = Services(self.settings, clock, self._ids)
        services.webhook_client = self.hooks  # type: ignore[assignment]
        return services

    def _services(self) -> Services:
        """The services of the running process."""
        task = self.timeline.task
        services: Services = self._set_up if task is None else task.process.services
        return services

    def _invoke_step(self, resource: str, payload: Any, resume: Resume, refuse: Refuse) -> None:
        """A task of a state machine invokes its function."""
        name = {
            "ImportStepsFunctionArn": "import_steps",
            "ExportStepsFunctionArn": "export_steps",
            "SourceStepsFunctionArn": "source_steps",
        }[resource]
        place = payload.get("chunk", payload.get("part", ""))
        label = f"{name}/{payload['step']}" + (f"/{place}" if place != "" else "")

        def ended(task: Task) -> None:
            if task.error is None:
                resume(json.loads(json.dumps(task.result)))
            elif isinstance(task.error, Killed):
                refuse(StateError("Lambda.Unknown", "the process died"))
            else:
                refuse(StateError(type(task.error).__name__, str(task.error)))

        begins = self.timeline.seconds + self.calls.latency(START_SECONDS)
        self.timeline.at(begins, lambda: self.invoke(name, json.loads(json.dumps(payload)), label, ended))
        if self.chances.orphaned and self.chance.random() < self.chances.orphaned:
            self.orphans += 1
            lost = StateError("Lambda.Unknown", "the answer was lost")
            self.timeline.at(begins + self.chance.uniform(0.0, 10.0), lambda: refuse(lost))

    def _invoke_function(self, name: str, event: Any, ended: Callable[[Task], object]) -> Task:
        """A function invokes another one, and waits for its answer."""
        assert name == self.settings.test_destination_function
        return self.invoke("test_destination", event, "test_destination", ended)

    def _measured(self, dimensions: dict[str, str], unit: object, metrics: dict[str, int]) -> None:
        for name, number in metrics.items():
            self.reported[f"{name} {' '.join(dimensions.values())}"] += number

    # What there is

    @property
    def log(self) -> list[LogEntry]:
        return self.calls.log

    @property
    def services(self) -> Services:
        """Services without faults and without time, for tests and oracles."""
        return self._set_up

    def table(self, name: str) -> Table:
        return self.server.tables[name]

    def jobs(self) -> list[Job]:
        """All jobs, in the order of their submission."""
        from waybill.aws.dynamodb import from_attributes
        from waybill.jobs.items import job_from_item

        items = [item for item in self.table("jobs").items() if item["sk"]["S"] == "JOB"]
        return sorted((job_from_item(from_attributes(item)) for item in items), key=lambda job: job.submitted_at)


class LambdaContext:
    """What Lambda tells an invocation about itself."""

    memory_limit_in_mb = 1769
    aws_request_id = "request"

    def __init__(self, name: str, remaining_seconds: Callable[[], float]) -> None:
        self.function_name = name
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        self._remaining_seconds = remaining_seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._remaining_seconds() * 1000)


def _caller_of(authorization: str | None) -> Caller:
    """The tokens of this world name their caller; how tokens are verified is tested elsewhere."""
    subject, name, groups = json.loads((authorization or "").removeprefix("Bearer "))
    return Caller(subject, name, frozenset(groups))


def _answer(result: Mapping[str, Any]) -> Answer:
    body = result.get("body") or ""
    try:
        content = json.loads(body)
    except ValueError:
        content = body
    return Answer(result["statusCode"], content, result.get("headers") or {})


def _save_request() -> Callable[[], None]:
    """Powertools keeps the request in globals: on Lambda a process answers one at a time."""
    app = function("api").app
    event, context, kept = BaseRouter.current_event, BaseRouter.lambda_context, dict(app.context)

    def restore() -> None:
        BaseRouter.current_event, BaseRouter.lambda_context = event, context
        app.context.clear()
        app.context.update(kept)

    return restore
