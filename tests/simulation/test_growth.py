"""What people and the schedule do takes as many calls of AWS with a hundred thousand jobs, definitions and records as
with ten.

docs/performance.md has the figures. `WAYBILL_GROWTH=100000` adds the largest size, which takes minutes to fill.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import builders
from tests.simulation.world import ADMIN, World
from waybill.jobs.model import Status

SIZES = [10, 1_000, *([int(os.environ["WAYBILL_GROWTH"])] if "WAYBILL_GROWTH" in os.environ else [])]
PERFORMANCE = (builders.ROOT / "docs/performance.md").read_text()


def filled(size: int) -> World:
    """A world with so many finished imports, definitions and records."""
    world = World(1)
    with world.open():
        world.add_entity()
        world.drop("contacts", "a.csv", builders.contacts_csv(count=30))
        world.tick_every_minute(900)
        world.run(900)
        (job,) = world.jobs()
        assert job.status is Status.COMPLETED
        for name, old, new in (
            ("jobs", job.job_id, "{0:08x}-0000-4000-8000-{0:012x}"),
            ("catalog", '"contacts"', '"contacts{0:06d}"'),
            ("records", next(_keys(world)), "c{0:08d}"),
        ):
            _copy(world, name, old, new, size - 1)
    return world


def _keys(world: World) -> Iterator[str]:
    return (item["_sk"]["S"] for item in world.table("records").items() if "_sk" in item)


def _copy(world: World, name: str, old: str, new: str, copies: int) -> None:
    """Copies all items of a table that have a text, each time with another one in its place."""
    table = world.table(name)
    texts = [text for text in map(json.dumps, table.items()) if old in text]
    for number in range(copies):
        for text in texts:
            item = json.loads(text.replace(old, new.format(number)))
            table.store(table.key(item), item)
            table.reindex(table.key(item), None, item)


def calls(world: World, work: Callable[[], Any]) -> int:
    before = len(world.log)
    work()
    return len(world.log) - before


def page(world: World, path: str) -> None:
    answer = world.ask("GET", path, caller=ADMIN)
    assert answer.status == 200 and answer.body["items"], answer


def minute(world: World) -> None:
    world.timeline.run(task=world.tick())


def counted(size: int) -> dict[str, int]:
    """The calls of each operation."""
    world = filled(size)
    with world.open():
        job = world.jobs()[-1].job_id
        read = world.ask("GET", f"/v1/jobs/{job}", caller=ADMIN)
        assert read.status == 200, read
        found = {
            "a page of jobs": calls(world, lambda: page(world, "/v1/jobs")),
            "a page of definitions": calls(world, lambda: page(world, "/v1/entities")),
            "a page of records": calls(world, lambda: page(world, "/v1/entities/contacts/records")),
            "reading a job": calls(world, lambda: world.ask("GET", f"/v1/jobs/{job}", caller=ADMIN)),
            "a minute of the schedule": calls(world, lambda: minute(world)),
            "deleting a job": calls(world, lambda: world.ask("DELETE", f"/v1/jobs/{job}", caller=ADMIN)),
            "the minute that removes its files": calls(world, lambda: minute(world)),
        }
        assert world.ask("GET", f"/v1/jobs/{job}", caller=ADMIN).status == 404
        assert not world.errors
    return found


def figures() -> dict[str, list[int]]:
    """The table of docs/performance.md: the calls at 10, 1,000 and 100,000."""
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \|$", PERFORMANCE, re.MULTILINE)
    return {name: list(map(int, numbers)) for name, *numbers in rows}


@pytest.mark.parametrize("size", SIZES)
def test_what_exists_costs_no_calls(size: int) -> None:
    column = {10: 0, 1_000: 1}.get(size, 2)
    assert counted(size) == {name: numbers[column] for name, numbers in figures().items()}
