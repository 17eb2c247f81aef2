"""What it takes to import a file of 100 rows, counted: calls of AWS, invocations, state transitions, write units.

The drop runs through the product's own handlers and state machine in the simulated world, from its event until the job
has ended. Nothing is measured, so that the figures are the same on every machine.

    python -m tests.bench.small_file [MODE]     what is called and written, line by line
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests import builders
from tests.bench.measure import Failed, Result, say
from tests.simulation.dynamodb import item_bytes
from tests.simulation.faults import family
from tests.simulation.world import World
from waybill.jobs.model import Status

if TYPE_CHECKING:
    from tests.bench.imports import Workshop

ROWS = 100
CALLS_GOAL, INVOCATIONS_GOAL = 43, 2
_KILOBYTE = 1024


@dataclass
class Bill:
    """What an import has used, without the writes of its rows.

    Attributes:
        calls: of AWS, by service and operation.
        units: write units of DynamoDB, by the family of what is written.
        invocations: of functions, by name.
        transitions: states entered.
    """

    calls: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    transitions: int = 0


def bill_of(data: bytes, **metadata: str) -> Bill:
    """Drop a file, and count until its job has ended.

    Raises:
        Failed: not every row was imported.
    """
    own = builders.settings("http://127.0.0.1:9")
    world = World(1, chunk_bytes=own.chunk_bytes, write_connections=own.write_connections)
    bill = Bill()
    rows = data.count(b"\n") - 1

    def written(table: str, old: Any, new: Any, transaction: int | None) -> None:
        if table != "records":
            item = new or old
            name = "an item that is not there" if item is None else f"{item['pk']['S']} / {item['sk']['S']}"
            what = "delete" if new is None else "put" if old is None else "update"
            units = _units(max(item_bytes(old or {}), item_bytes(new or {})), transaction is not None)
            bill.units[f"{what} {table} {family(name)}"] += units + _index_entries(old, new)

    with world.open():
        world.add_entity()
        world.server.on_write = written
        world.drop("contacts", "a.csv", data, **metadata)
        world.run(60)
    (job,) = world.jobs()
    if (job.status, job.counts.imported) != (Status.COMPLETED, rows):
        raise Failed(f"{job.status}: {job.counts}")
    log = [entry for entry in world.log if not entry.invocation.startswith("states/")]  # Step Functions' own reads
    for entry in log:
        if entry.operation == "BatchWriteItem" and "records" in entry.detail["RequestItems"]:
            continue
        bill.calls[f"{entry.service} {entry.operation}"] += 1
        if entry.operation == "TransactWriteItems":
            for action in entry.detail["TransactItems"]:
                _count_check(world, bill, action.get("ConditionCheck"))
    for invocation in {entry.invocation for entry in log}:
        bill.invocations[invocation.partition("#")[0]] += 1
    bill.transitions = sum(len(execution.path) for execution in world.aws.executions.all.values())
    return bill


def _units(size: int, in_transaction: bool) -> int:
    """Write units of one item: one for each started KB, twice as many in a transaction."""
    return max(1, math.ceil(size / _KILOBYTE)) * (2 if in_transaction else 1)


def _index_entries(old: Any, new: Any) -> int:
    """Write units of the index `newest`, which holds keys only: one for each entry put or removed."""
    before, after = ((item or {}).get("listSort") for item in (old, new))
    return 0 if before == after else (before is not None) + (after is not None)


def _count_check(world: World, bill: Bill, check: Any) -> None:
    """A condition on an item that a transaction does not write costs as much as a write."""
    if check is not None:
        table = world.table(check["TableName"])
        item = table.get(table.only_key(check["Key"])) or {}
        name = family(f"{check['Key']['pk']['S']} / {check['Key']['sk']['S']}")
        bill.units[f"check {table.name} {name}"] += _units(item_bytes(item), in_transaction=True)


def small_file_benchmarks(shop: Workshop) -> Iterator[Result]:
    say("small-file")
    bill = bill_of(builders.contacts_csv(count=ROWS))
    for name, figure, unit, goal in (
        ("small-file-calls", bill.calls.total(), "calls", CALLS_GOAL),
        ("small-file-invocations", bill.invocations.total(), "invocations", INVOCATIONS_GOAL),
    ):
        yield Result(name, figure, None, "", unit, figure, goal, less_is_better=True)


def main() -> None:
    options = {"mode": sys.argv[1]} if len(sys.argv) > 1 else {}
    bill = bill_of(builders.contacts_csv(count=ROWS), **options)
    for title, counted in (("calls", bill.calls), ("write units", bill.units), ("invocations", bill.invocations)):
        print(f"{counted.total():4} {title}")
        for name, number in sorted(counted.items()):
            print(f"{number:8} {name}")
    print(f"{bill.transitions:4} state transitions")


if __name__ == "__main__":
    main()
