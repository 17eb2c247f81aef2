"""Deliveries to the servers in memory arrive as they do at real ones, whatever breaks on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.calls import Calls, Process
from tests.simulation.faults import CELL_FAULTS, Cell, Fault, FaultPlan, cells
from tests.simulation.servers import Directory, Servers
from tests.simulation.timeline import Killed, Task, Timeline
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.publish import Publication, Source, publish
from waybill.exports.destinations.sftp import Sftp
from waybill.hosts import AllowedHosts

DESTINATION = {"host": "partner.example", "directory": "/in"}
CONTENT = bytes(range(100))


class Kept:
    publication: Publication | None = None

    def load(self) -> Publication | None:
        return self.publication

    def save(self, publication: Publication) -> None:
        self.publication = publication


class Delivery:
    """A delivery that is repeated until it succeeds, each time by a new process."""

    def __init__(self, plan: FaultPlan, **directory: Any) -> None:
        self.timeline = Timeline(1)
        self.calls = Calls(self.timeline, plan, 1)
        self.servers, self.kept = Servers(self.calls), Kept()
        self.directory = self.servers.directory(Sftp(), DESTINATION)
        self.seen: list[dict[str, bytes]] = []
        for name, value in directory.items():
            setattr(self.directory, name, value)
        self.directory.on_change = lambda _: self.seen.append(self.directory.received())

    def attempt(self, number: int) -> BaseException | None:
        ended: list[Task] = []
        self.timeline.start(self._deliver, on_end=ended.append, process=Process(f"deliver#{number}"))
        self.timeline.run()
        return ended[0].error

    def run(self) -> None:
        with self.servers.patched():
            for number in range(4):
                error = self.attempt(number)
                if error is None:
                    return
                assert isinstance(error, DeliveryFailed | Killed)
        raise AssertionError("it never arrives")

    def _deliver(self) -> None:
        source = Source(100, lambda offset: iter([CONTENT[at : at + 40] for at in range(offset, 100, 40)]))
        with Sftp().open(DESTINATION, None, AllowedHosts.parse(""), None) as connection:  # type: ignore[arg-type]
            publish(
                connection,
                "out.csv",
                "0d9a35a1-5f9c",
                source,
                lambda name: b'{"jobId": "0d9a35a1-5f9c"}',
                self.kept,
                replace=True,
                remaining_seconds=lambda: 900.0,
            )


def undisturbed() -> list[Cell]:
    delivery = Delivery(FaultPlan())
    delivery.run()
    return list(cells(delivery.calls.log, CELL_FAULTS))


@pytest.mark.parametrize("replaces", [True, False])
@pytest.mark.parametrize("cell", undisturbed(), ids=str)
def test_a_delivery_survives_a_fault_at_each_call(cell: Cell, replaces: bool) -> None:
    old = {"out.csv": b"the old file", "out.csv.manifest.json": b'{"jobId": "old"}'}
    delivery = Delivery(FaultPlan([cell]), files=dict(old), replaces=replaces)
    delivery.run()
    assert delivery.directory.received()["out.csv"] == CONTENT
    assert not [name for name in delivery.directory.files if name.startswith(".")]
    if replaces:
        assert all(seen["out.csv"] in (CONTENT, old["out.csv"]) for seen in delivery.seen)
    assert any(fault.fault for fault in delivery.calls.log) or cell.fault is Fault.CRASH_BEFORE


def test_a_refusal_is_the_servers_answer() -> None:
    directory = Directory(refuses=lambda request: "disk-full" if request.startswith("write") else None)
    delivery = Delivery(FaultPlan(), refuses=directory.refuses)
    with delivery.servers.patched():
        error = delivery.attempt(0)
    assert isinstance(error, DeliveryFailed) and error.reason == "disk-full"
