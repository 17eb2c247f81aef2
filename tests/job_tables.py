"""The jobs table in memory, without a server, threads or waiting: thousands of requests a second, each in the open.

The table is the simulator's, which answers as DynamoDB does (`tests/simulation/test_dynamodb.py`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any, cast

from tests.builders import START, Clock
from tests.simulation.dynamodb import Server, template_schemas
from waybill.aws.dynamodb import DynamoDB, decode_answer, from_attributes
from waybill.aws.table import Item, Table
from waybill.ids import SYSTEM_IDS
from waybill.jobs.ledger import Ledger
from waybill.jobs.model import Job, Process, Retention, Status
from waybill.jobs.outbox import Outbox
from waybill.jobs.queue import ImportQueue
from waybill.jobs.repository import JobRepository
from waybill.jobs.running import RunningImports

RETENTION = Retention(259_200, 3_600, 172_800, 172_800)
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem")


class Memory:
    """What a `Table` needs of a client.

    Attributes:
        requests: operation and request, in order.
        meanwhile: called once, before the next write takes effect: what somebody else does.
        refusals: answers of DynamoDB to the next transactions, which are not applied.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.ids = clock, SYSTEM_IDS
        self.server = Server({"jobs": template_schemas()["JobsTable"]}, lambda: clock.now().timestamp())
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.meanwhile: Callable[[], object] | None = None
        self.refusals: list[dict[str, Any]] = []

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.requests.append((operation, request))
        if operation in WRITES and self.meanwhile is not None:
            others, self.meanwhile = self.meanwhile, None
            others()
        if operation == "TransactWriteItems" and self.refusals:
            status, answer = 400, self.refusals.pop(0)
        else:
            status, answer = self.server.handle(operation, json.loads(json.dumps(request)))
        return decode_answer(status, json.dumps(answer).encode())

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.requests]


def collision(actions: int) -> dict[str, Any]:
    """The answer to a transaction that met another one."""
    reasons = [{"Code": "TransactionConflict"}, *([{"Code": "None"}] * (actions - 1))]
    return {"__type": "x#TransactionCanceledException", "message": "", "CancellationReasons": reasons}


class JobTables:
    """What is built on the jobs table, at START.

    Attributes:
        sent: the changes of status that were published.
        can_send: whether publishing succeeds.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.memory = Memory(self.clock)
        self.table = Table(cast(DynamoDB, self.memory), "jobs")
        self.sent: list[Job] = []
        self.can_send = True
        self.outbox = Outbox(self.table, self.clock, self._send)
        self.jobs = JobRepository(self.table, self.outbox, RETENTION, self.clock)
        self.queue = ImportQueue(self.table, self.jobs.find)
        self.running = RunningImports(self.table)
        self.heartbeats = Memory(self.clock)
        self.heartbeats.server = self.memory.server
        self.ledger = Ledger(self.table, Table(cast(DynamoDB, self.heartbeats), "jobs"), self.jobs, self.clock)

    def _send(self, job: Job, done: set[str]) -> bool:
        self.sent.append(job)
        return self.can_send

    def items(self) -> list[Item]:
        return [from_attributes(item) for item in self.memory.server.tables["jobs"].items()]

    def all_keys(self) -> set[str]:
        return {f"{item['pk']} / {item['sk']}" for item in self.items()}

    def item(self, pk: str, sk: str) -> Item:
        """All of an item but its key."""
        (found,) = (item for item in self.items() if (item["pk"], item["sk"]) == (pk, sk))
        return {name: value for name, value in found.items() if name not in ("pk", "sk")}

    def registered(self, job_id: str = "", **changes: Any) -> Job:
        """A job that is registered, a moment after the one before."""
        self.clock.forward(seconds=1)
        job = new_job(job_id, submitted_at=self.clock.now(), **changes)
        return self.jobs.register(job, {"name": job.entity})[0]

    def begun(self, job_id: str = "", **changes: Any) -> Job:
        return self.jobs.begin(self.registered(job_id, **changes).job_id)


def new_job(job_id: str = "", **changes: Any) -> Job:
    values: dict[str, Any] = {
        "job_id": job_id or str(uuid.uuid4()),
        "process": Process.IMPORT,
        "status": Status.WAITING,
        "entity": "contacts",
        "entity_uid": "uid",
        "file_name": "a.csv",
        "submitted_at": START,
        "started_by": "alice",
    }
    return Job(**{**values, **changes})
