"""The world itself: the product runs in it as it stands, and a seed tells the same story each time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import builders
from tests.simulation.faults import Cell, Fault, FaultPlan, Outage
from tests.simulation.world import Chances, World
from waybill.jobs.model import Status


def story(seed: int, plan: FaultPlan | None = None, chances: Chances | None = None) -> World:
    """A file is dropped, and time passes."""
    world = World(seed, plan, chances)
    with world.open():
        world.add_entity()
        world.drop("contacts", "a.csv", builders.contacts_csv([{"spend": "none"}], count=30))
        world.tick_every_minute(900)
        world.run(900)
    return world


def test_a_dropped_file_is_imported(capsys: pytest.CaptureFixture[str]) -> None:
    world = story(1)
    (job,) = world.jobs()
    assert (job.status, job.counts.imported, job.counts.rejected) == (Status.COMPLETED, 30, 1)
    assert sum("_by" in item for item in world.table("records").items()) == 30
    assert [entry["Detail"] for _, entry in world.aws.events][-1].count("COMPLETED") == 1
    assert len({entry.invocation for entry in world.log if "/load/" in entry.invocation}) > 2, "several chunks"
    assert not world.errors and not world.reported.keys() & {"EntriesFailed"}
    assert capsys.readouterr().out == "", "functions log nothing here"


def test_people_use_the_api() -> None:
    world = World(2)
    with world.open():
        world.add_entity()
        upload = world.ask("POST", "/v1/uploads", {"entity": "contacts", "fileName": "a.csv"})
        assert upload.status == 201, upload
        key = upload.body["fields"]["key"]
        world.aws.put(world.settings.files_bucket, key, builders.contacts_csv(count=20))
        started = world.ask("POST", "/v1/imports", {"uploadId": upload.body["uploadId"]})
        assert started.status == 202, started
        world.run(30)
        answer = world.ask("GET", f"/v1/jobs/{started.body['jobId']}")
    assert answer.body["status"] == "COMPLETED" and answer.body["counts"]["imported"] == 20


def test_requests_that_overlap_do_not_mix() -> None:
    world = World(3)
    answers = {}
    with world.open():
        for name in ("a", "b", "c"):
            world.add_entity(name)
        for name in ("a", "b", "c"):
            world.request("GET", f"/v1/entities/{name}", then=lambda found, name=name: answers.update({name: found}))
        world.run(10)
    assert {name: found.body["name"] for name, found in answers.items()} == {"a": "a", "b": "b", "c": "c"}


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    chances = Chances(doubled=0.3, late=0.3, short=0.3, skewed=0.5)
    plan = FaultPlan(rates={fault: 0.01 for fault in Fault}, until=300.0)
    here = [str(entry) for entry in story(11, plan, chances).log]
    assert here == [str(entry) for entry in story(11, FaultPlan(rates=plan.rates, until=300.0), chances).log]
    assert here != [str(entry) for entry in story(12, FaultPlan(rates=plan.rates, until=300.0), chances).log]
    script = "from tests.simulation.test_world import *; print('\\n'.join(map(str, story(11, FaultPlan(rates="
    script += (
        "{fault: 0.01 for fault in Fault}, until=300.0), Chances(doubled=0.3, late=0.3, short=0.3, skewed=0.5)).log)))"
    )
    path = os.pathsep.join([str(builders.ROOT), str(builders.ROOT / "shared")])
    environment = {**os.environ, "PYTHONHASHSEED": "5", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == here


def test_a_disturbed_run_meets_the_calls_of_the_undisturbed_one_up_to_its_fault() -> None:
    calm = story(4)
    position = len(calm.log) // 3
    entry = calm.log[position]
    world = story(4, FaultPlan([Cell(entry.invocation, entry.ordinal, Fault.CRASH_AFTER)]))
    assert [str(e) for e in world.log[:position]] == [str(e) for e in calm.log[:position]]
    assert world.log[position] == entry._replace(fault="crash after")
    (job,) = world.jobs()
    assert (job.status, job.counts.imported, job.counts.rejected) == (Status.COMPLETED, 30, 1)


def test_an_import_outlasts_an_outage_of_a_minute() -> None:
    world = story(6, FaultPlan(outages=[Outage(1.0, 61.0)]))
    (job,) = world.jobs()
    assert (job.status, job.counts.imported) == (Status.COMPLETED, 30)
