"""Every fault at every call: each operation runs undisturbed, its log names its calls, and then each call meets each
fault in a run of its own, which must come to the same end.

    Scene    an operation, and what must be there before it
    Stage    a world in which a scene runs, its people and its oracles

    make simulate CELLS=all PAIRS=all                                    all cells, and all pairs of crashes
    python -m tests.simulation.cells SCENE [INVOCATION ORDINAL FAULT]…   the cells of a scene; or tells what one does

A new call of the product stands in the log, so that its cells are run without anybody adding them.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from tests.simulation.faults import CELL_FAULTS, Cell, Fault, FaultPlan, LogEntry, family
from tests.simulation.oracles import Watch
from tests.simulation.oracles.sheets import SCHEMA
from tests.simulation.servers import HOOKS, SIGNING, Servers
from tests.simulation.world import ADMIN, ALICE, Answer, World
from waybill.aws.part_upload import composite
from waybill.entities.permissions import Caller
from waybill.jobs.model import Job, Status
from waybill.jobs.model import Process as Kind
from waybill.timestamps import rfc3339

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
PERMISSIONS = {"view": ["sales"], "import": ["ops"], "export": ["ops"]}
#: After the last fault everything has ended within an hour (`oracles.END_SECONDS`); a queue takes a while longer.
REST_SECONDS = 2 * HOUR
#: The process stands still before the call, for longer than any lease; the call is late.
STALLS = (Fault.SLOW, Fault.LATE)
SEED = 1
BLOCK = 40
ONE_CHUNK = 1_000_000
DAILY = {"time": "02:30", "timezone": "UTC"}
OFTEN = {"every": "PT20M", "timezone": "UTC"}
KEY = "SHA256:" + "A" * 43
SFTP = {"kind": "sftp", "host": "partner.example", "directory": "/in", "secretId": "partner", "hostKey": KEY}
FTPS = {"kind": "ftps", "host": "partner.example", "directory": "/in", "secretId": "partner"}
REPORTS = "ops@example.com"
SECRET = {"username": "waybill", "password": "p", "host": "partner.example", "entities": ["*"]}


def rows(first: int, count: int, *more: str) -> bytes:
    """A CSV of `oracles.SCHEMA`: good rows, then `more` lines."""
    lines = [f"k{number},{number},note {number}" for number in range(first, first + count)]
    return "\n".join(["id,n,note", *lines, *more, ""]).encode()


BAD_FIRST = rows(0, 0, "k,none,not a number", *(f"k{number},{number}," for number in range(60)))
FILE = rows(0, 26, "k3,30,again", "k99,none,not a number", ",5,no key")


#: Folders of a job whose files are deleted at its end, or where that end died, with the job.
TEMPORARY = ("chunks", "checks", "finish", "parts")


class Stage:
    """A world in which a scene runs."""

    def __init__(self, plan: FaultPlan, page_items: int = 1_000, chunk_bytes: int = 200) -> None:
        self.world = World(SEED, plan, mail_sender="us@example.com", chunk_bytes=chunk_bytes, block_bytes=100)
        self.world.server.page_items = page_items
        self.servers = Servers(self.world.calls)
        world = self.world
        now = world.timeline.monotonic
        self.watch = Watch(world.server, world.aws, world.settings, now, self.servers, world.hooks)
        world.aws.secrets |= {"partner": json.dumps(SECRET), "hooks": json.dumps(SIGNING)}
        self.answers: list[tuple[str, int]] = []
        self.requests = self.pending = 0
        self.is_done: Callable[[], bool] = lambda: True  # for scenes whose end is not that of a job
        self.begin = 0  # the first entry of the log that belongs to the scene's operation

    def jobs(self, kind: Kind | None = None) -> list[Job]:
        """The jobs that there are, in the order of their registration."""
        return [s.job for s in self.watch.jobs.values() if not s.is_deleted and kind in (None, s.job.process)]

    def add_entity(self, **changes: Any) -> None:
        self.world.add_entity("contacts", **{"schema": SCHEMA, "permissions": PERMISSIONS, **changes})

    def drop(self, data: bytes = FILE, name: str = "a.csv", **metadata: str) -> None:
        self.world.drop("contacts", name, data, **metadata)

    def imported(self, data: bytes = FILE, **metadata: str) -> Job:
        """Import a file, to the end."""
        self.drop(data, **metadata)
        self.rest()
        return self.jobs()[-1]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        caller: Caller = ALICE,
        then: Callable[[Answer], object] = lambda answer: None,
    ) -> None:
        """Send a request; who gets no answer or an error of the server repeats it, with the same key."""
        self.requests += 1
        self.watch.asked[path.rpartition("/")[2].replace("activate", "run")] += 1  # an activation may run at once
        headers = {"Idempotency-Key": f"key-{self.requests}"} if method == "POST" else {}

        def send(attempt: int) -> None:
            self.world.request(method, path, body, caller, headers, lambda answer: answered(answer, attempt))

        def answered(answer: Answer | None, attempt: int) -> None:
            if answer is not None and answer.status < 500 and not is_unfinished(answer):
                self.answers.append((f"{method} {family(path)}", answer.status))
                then(answer)
            else:
                assert attempt < 60, f"{method} {path} is never answered"
                self.later(5.0, lambda: send(attempt + 1))

        send(0)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        def act() -> None:
            self.pending -= 1
            action()

        self.pending += 1
        self.world.timeline.at(self.world.timeline.seconds + seconds, act)

    def when(self, holds: Callable[[], bool], action: Callable[[], object]) -> None:
        """Act as soon as something holds."""

        def look() -> None:
            if holds():
                action()
            elif not self.jobs() or not all(job.is_terminal for job in self.jobs()):
                self.later(0.02, look)

        look()

    def export_id(self) -> str:
        """The only export."""
        (item,) = self.world.table("catalog").query("EXPORT")
        return str(item["sk"]["S"])

    def note_stop(self, answer: Answer) -> None:
        if answer.status == 200:
            self.watch.stops.add(answer.body["jobId"])

    def tick_later(self) -> None:
        """Duties go on with what they could not do at first, some minutes later."""
        for minutes in (1, 3, 8):
            self.later(minutes * MINUTE, self.world.tick)

    def is_running(self) -> bool:
        """An import is planned and not yet ended."""
        return any(job.status is Status.IN_PROGRESS and job.counts.total is not None for job in self.jobs())

    def export(self, run: bool = False, **members: Any) -> None:
        """Define an export and activate it; with `run` start it as well."""
        body = {"name": "out", "entity": "contacts", "type": "ONE_SHOT", **members}

        def activate(answer: Answer) -> None:
            assert answer.status == 201, answer
            export_id = answer.body["exportId"]
            self.ask("POST", f"/v1/exports/{export_id}/activate", then=start if run else lambda answer: None)

        def start(answer: Answer) -> None:
            assert answer.status == 200, answer
            self.ask("POST", f"/v1/exports/{answer.body['exportId']}/run")

        self.ask("POST", "/v1/exports", body, then=activate)

    def rest(self) -> None:
        """Let time pass, with its ticks, until all has ended."""
        world = self.world
        end = world.timeline.seconds + REST_SECONDS
        world.run(world.timeline.seconds + 10.0)
        while world.timeline.seconds < end and not self.is_at_rest():
            world.tick()
            world.run(world.timeline.seconds + MINUTE)

    def is_at_rest(self) -> bool:
        world = self.world
        is_busy = self.pending or world.timeline.tasks or world.events_on_their_way or not self.is_done()
        return not (is_busy or self.watch.under_way() or world.table("jobs").query("WEBHOOK"))

    def facts(self) -> dict[str, Any]:
        """How the scene ended, without ids and times."""
        jobs = sorted(
            f"{job.process} {job.status} {job.error_code} {job.stop_reason} {job.counts} {job.mode} {job.has_rejects}"
            for job in self.jobs()
        )
        objects = {
            f"{bucket}/{family(key)}"
            for bucket, found in self.world.aws.buckets.items()
            for key in found
            if not any(f"/{folder}/" in key for folder in TEMPORARY)
        }
        records = {
            (key, json.dumps({name: value for name, value in item.items() if name not in ("_at", "_by", "_gone")}))
            for key, item in self.all_records()
        }
        received = {
            (address, name, b"" if name.endswith(".json") else data)  # a manifest has times
            for address, directory in self.servers.directories.items()
            for name, data in directory.received().items()
        }
        exports = len(self.world.table("catalog").query("EXPORT"))
        seen = {"jobs": jobs, "objects": objects, "records": records, "received": received}
        return {**seen, "exports": exports, "told": sorted(self._told())}

    def _told(self) -> Iterator[str]:
        """What each receiver of webhooks knows. A message may come more than once, with one id and one body."""
        for (url, _), posts in self.world.hooks.taken.items():
            bodies = [post.body for post in posts]
            assert len(set(bodies)) == 1, f"{url} got one id with different bodies"
            told = json.loads(bodies[0])
            job = self.watch.jobs[told["data"]["jobId"]].job
            assert told["data"]["status"] == job.status and told["data"]["counts"]["imported"] == job.counts.imported
            yield f"{url} {told['type']} {told['data']['counts']}"

    def all_records(self) -> Iterator[tuple[str, Any]]:
        for partition in self.world.table("records").partitions.values():
            yield from partition.items.items()


def is_unfinished(answer: Answer) -> bool:
    """Whether an earlier attempt of the request may still be at work."""
    return answer.status == 409 and "Retry-After" in answer.headers


@dataclass(frozen=True)
class Scene:
    """An operation, and what must be there before it.

    Attributes:
        prepare: undisturbed.
        act: begins the operation; it ends when the world is at rest.
        is_certain: a fault may delay its end and not change it. A Stop, say, comes earlier or later.
        page_items: of each answer of DynamoDB.
        chunk_bytes: of files; ONE_CHUNK for imports in one invocation.
    """

    name: str
    act: Callable[[Stage], object]
    prepare: Callable[[Stage], object] = lambda stage: None
    is_certain: bool = True
    page_items: int = 1_000
    chunk_bytes: int = 200

    def stage(self, cells: Sequence[Cell] = ()) -> Stage:
        """A world in which it runs, with these faults."""
        return Stage(FaultPlan(cells), self.page_items, self.chunk_bytes)

    def run(self, stage: Stage) -> Stage:
        """
        Raises:
            AssertionError: a promise is broken.
        """
        with stage.world.open(), stage.servers.patched():
            stage.add_entity()
            self.prepare(stage)
            stage.begin, stage.watch.last_fault = len(stage.world.log), stage.world.timeline.seconds
            self.act(stage)
            stage.rest()
            stage.watch.check_end()
        return stage

    def calls(self) -> list[LogEntry]:
        """Those of the operation, undisturbed."""
        stage = calm(self)
        return stage.world.log[stage.begin :]

    def check(self, cells: Sequence[Cell], stage: Stage | None = None) -> Stage:
        """Run the scene with these faults.

        Raises:
            AssertionError: a promise is broken, or the scene ends in another way than undisturbed.
        """
        stage = self.run(stage or self.stage(cells))
        met = sum(bool(entry.fault) for entry in stage.world.log)
        assert met, "the fault was not met: the run is not the undisturbed one"
        if self.is_certain:
            expected, found = calm(self).facts(), stage.facts()
            for what in expected:
                assert found[what] == expected[what], f"{what}: {found[what]}, undisturbed {expected[what]}"
        return stage


@cache
def calm(scene: Scene) -> Stage:
    """The scene undisturbed."""
    stage = scene.run(scene.stage())
    assert not any(entry.fault for entry in stage.world.log)
    return stage


# The operations


def _upload(stage: Stage) -> None:
    def send(answer: Answer) -> None:
        assert answer.status == 201, answer
        stage.world.aws.put(stage.world.settings.files_bucket, answer.body["fields"]["key"], FILE)
        stage.ask("POST", "/v1/imports", {"uploadId": answer.body["uploadId"]})

    stage.ask("POST", "/v1/uploads", {"entity": "contacts", "fileName": "a.csv"}, then=send)


def _begin_in_parts(stage: Stage, then: Callable[[str], object]) -> None:
    """Begin an upload in parts, send what it takes, and go on with its id."""

    def send(answer: Answer) -> None:
        assert answer.status == 201, answer
        upload_id = answer.body["uploadId"]
        place = f"{stage.world.settings.files_bucket}/uploads/{upload_id}/source"
        for upload in stage.world.aws.uploads.values():  # S3 may have begun one twice, of which one is forgotten
            if upload.key == place:
                upload.parts[1] = FILE
        then(upload_id)

    body = {"entity": "contacts", "fileName": "a.csv", "sizeBytes": len(FILE)}
    stage.ask("POST", "/v1/uploads", body, then=send)


def _upload_in_parts(stage: Stage) -> None:
    checksum = composite([base64.b64encode(hashlib.sha256(FILE).digest()).decode()])

    def complete(upload_id: str) -> None:
        def begin(answer: Answer) -> None:
            assert (answer.status, answer.body["isComplete"]) == (200, True), answer
            stage.ask("POST", "/v1/imports", {"uploadId": upload_id})

        stage.ask("POST", f"/v1/uploads/{upload_id}/complete", {"checksum": checksum}, then=begin)

    _begin_in_parts(stage, complete)


def _delete_parts(stage: Stage) -> None:
    """Take an upload back, while an import gives the world something to do. Who repeats it finds it gone."""

    def gone(answer: Answer) -> None:
        assert answer.status in (204, 404), answer

    _begin_in_parts(stage, lambda upload_id: stage.ask("DELETE", f"/v1/uploads/{upload_id}", then=gone))
    stage.drop()


def _stop(stage: Stage, holds: Callable[[Job], bool]) -> None:
    """Stop an import in progress as soon as something holds of it."""

    def stop() -> None:
        stage.ask("POST", f"/v1/jobs/{stage.jobs()[-1].job_id}/stop", then=stage.note_stop)

    stage.drop(rows(0, 60))
    stage.when(lambda: any(job.status is Status.IN_PROGRESS and holds(job) for job in stage.jobs()), stop)


def _stop_the_check(stage: Stage) -> None:
    stage.drop(rows(0, 60), on_error="all-or-nothing")
    stage.when(
        lambda: any("/precheck/" in entry.invocation for entry in stage.world.log[stage.begin :]),
        lambda: stage.ask("POST", f"/v1/jobs/{stage.jobs()[-1].job_id}/stop", then=stage.note_stop),
    )


def _stop_the_export(stage: Stage, holds: Callable[[Job], bool], **members: Any) -> None:
    """Stop an export in progress as soon as something holds of it."""

    def look() -> None:
        runs = stage.jobs(Kind.EXPORT)
        if any(job.status is Status.IN_PROGRESS and holds(job) for job in runs):
            stage.ask("POST", f"/v1/jobs/{runs[-1].job_id}/stop", then=stage.note_stop)
        elif not runs or not runs[-1].is_terminal:
            stage.later(0.005, look)

    stage.export(run="schedule" in members, **members)
    look()


def _stop_the_delivery(destination: dict[str, Any]) -> Callable[[Stage], None]:
    members = {"type": "PERIODIC_FULL", "schedule": DAILY, "destination": destination}
    return partial(_stop_the_export, holds=lambda job: job.extracted is not None, **members)


def _lose_the_event(stage: Stage) -> None:
    """S3's event never comes: the sweep finds the object."""
    deliver, stage.world.aws.on_created = stage.world.aws.on_created, lambda detail: None
    stage.drop()
    stage.world.aws.on_created = deliver
    for minutes in range(1, 18):
        stage.later(minutes * MINUTE, stage.world.tick)


def _unschedule(stage: Stage) -> None:
    export_id = stage.export_id()
    stage.ask(
        "POST",
        f"/v1/exports/{export_id}/unschedule",
        {},
        then=lambda answer: stage.ask("POST", f"/v1/exports/{export_id}/activate"),
    )


def _cancel(stage: Stage) -> None:
    def is_waiting() -> bool:
        return len(stage.jobs()) == 2 and stage.jobs()[-1].status is Status.WAITING and stage.is_running()

    stage.drop()
    stage.later(0.3, lambda: stage.drop(rows(10, 5), "b.csv"))
    stage.when(is_waiting, lambda: stage.ask("POST", f"/v1/jobs/{stage.jobs()[-1].job_id}/cancel"))


def _queue(stage: Stage) -> None:
    stage.drop()
    stage.later(0.1, lambda: stage.drop(rows(10, 5), "b.csv"))
    stage.later(0.2, lambda: stage.drop(rows(12, 5), "c.csv", mode="update"))


def _recover(stage: Stage) -> None:
    """An operator stops the execution while chunks are loaded; nobody but recovery goes on."""

    def stop() -> None:
        for execution in stage.world.aws.executions.running():
            stage.world.aws.executions.stop(execution.arn)

    stage.drop(rows(0, 60))
    stage.when(stage.is_running, lambda: stage.later(0.1, stop))


def _recover_waiting(stage: Stage) -> None:
    """The execution is stopped before it does anything."""

    def stop() -> None:
        for execution in stage.world.aws.executions.running():
            stage.world.aws.executions.stop(execution.arn)

    stage.drop()
    stage.when(lambda: bool(stage.world.aws.executions.running()), stop)


def _delete_entity(stage: Stage) -> None:
    stage.ask("DELETE", "/v1/entities/contacts", caller=ADMIN)
    stage.tick_later()


def _sweep(stage: Stage) -> None:
    """Two days later the files expire."""
    stage.world.run(stage.world.timeline.seconds + 2 * DAY + HOUR)
    stage.watch.last_fault = stage.world.timeline.seconds
    stage.world.tick()
    stage.tick_later()


def _tick(stage: Stage) -> None:
    """It is half past two: a daily export is due."""
    morning = DAY - 7 * HOUR
    stage.world.run(morning + 1.0)
    stage.watch.last_fault = stage.world.timeline.seconds
    stage.world.tick()
    stage.tick_later()


def _prepared_daily(stage: Stage) -> None:
    stage.imported()
    stage.export(type="PERIODIC_FULL", schedule=DAILY, destination={"kind": "s3", "prefix": "in"})
    stage.rest()


def _prepared_one_shot(stage: Stage) -> None:
    stage.imported()
    stage.export()
    stage.rest()


def _delete_export(stage: Stage) -> None:
    stage.ask("POST", "/v1/exports/delete", {"exportIds": [stage.export_id()]})


def _prepared_increments(stage: Stage) -> None:
    """One window has been delivered; since then records have come, changed and gone."""
    stage.imported()
    where = {"kind": "s3", "prefix": "in"}
    stage.export(
        run=True, type="INCREMENTAL", schedule=DAILY, destination=where, includeDeleted=True, fileName="x_$HHmmss.csv"
    )
    stage.rest()
    stage.imported(rows(20, 10), name="b.csv")
    stage.imported(rows(1, 3), name="c.csv", mode="delete")


def _run_again(stage: Stage) -> None:
    stage.ask("POST", f"/v1/exports/{stage.export_id()}/run")


def _run_for_a_past_period(stage: Stage) -> None:
    """What the first window had, once more."""
    end = stage.jobs()[1].window_to
    assert end is not None
    stage.ask("POST", f"/v1/exports/{stage.export_id()}/run", {"windowTo": rfc3339(end)})


def _change_job(action: str) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        method = "DELETE" if action == "" else "POST"
        stage.ask(method, f"/v1/jobs/{stage.jobs()[0].job_id}{action}")
        if method == "DELETE":
            stage.tick_later()  # what a deletion that died leaves is deleted by the sweep

    return act


def _correct_rows(stage: Stage) -> None:
    """Two of the rejected rows of FILE: one that is not a number, one without a key."""
    corrections = [{"rowNumber": 29, "cells": {"n": "99"}}, {"rowNumber": 30, "cells": {"id": "k5b"}}]
    body = {"corrections": corrections, "only": "corrected"}
    stage.ask("POST", f"/v1/jobs/{stage.jobs()[0].job_id}/relaunch", body)


def _deliver(destination: dict[str, Any], **members: Any) -> Callable[[Stage], None]:
    members |= {"type": "PERIODIC_FULL", "schedule": DAILY, "destination": destination, "recipients": [REPORTS]}
    return lambda stage: stage.export(run=True, **members)


PARTNERS_FILES = {
    "a.csv": rows(0, 6),
    "b.csv": rows(6, 6, "bad,none,not a number"),
    "c.csv": b"id,unknown\nk1,x\n",  # no import of it can succeed
}


def _source(location: dict[str, Any], **members: Any) -> Callable[[Stage], None]:
    """A partner's files, and a scheduled source of them."""

    def prepare(stage: Stage) -> None:
        for name, data in PARTNERS_FILES.items():
            if location["kind"] == "s3":
                stage.world.aws.put(stage.world.settings.transfer_bucket, f"out/{name}", data)
                stage.watch.partner_files.append((name, data))
            else:
                directory = stage.servers.find(location)
                stage.watch.watch_folder(directory)
                stage.watch.put_file(directory, name, data)
        body = {"name": "in", "entity": "contacts", "location": location, "pattern": "*.csv", "schedule": OFTEN}

        def activate(answer: Answer) -> None:
            assert answer.status == 201, answer
            stage.ask("POST", f"/v1/sources/{answer.body['sourceId']}/activate")

        stage.ask("POST", "/v1/sources", body | members, then=activate)
        stage.rest()
        stage.world.run(stage.world.timeline.seconds + 2 * MINUTE)  # no file may be young

    return prepare


def _fetch(stage: Stage) -> None:
    """Somebody runs the source; what fails is done by its schedule. It ends when the good files are gone, and
    the bad one was tried."""
    (item,) = stage.world.table("catalog").query("SOURCE")
    location = json.loads(item["definition"]["S"])["location"]
    objects = stage.world.aws.buckets[stage.world.settings.transfer_bucket]

    def left() -> set[str]:
        if location["kind"] == "s3":
            return {key for key in objects if key.startswith("out/")}
        return {f"out/{name}" for name in stage.servers.find(location).files if "/" not in name}

    stage.is_done = lambda: left() == {"out/c.csv"} and len(stage.jobs()) == len(PARTNERS_FILES)
    stage.ask("POST", f"/v1/sources/{item['sk']['S']}/run")


def _some_records(stage: Stage) -> None:
    """Some of those that FILE names; one of them has been deleted."""
    stage.imported(rows(5, 5))
    stage.imported(rows(5, 1), name="c.csv", mode="delete")


def _kept(stage: Stage) -> None:
    """An import that kept what its records were; one of them has been changed since, and one deleted."""
    _some_records(stage)
    stage.imported(name="b.csv", keep_previous="true")
    stage.imported(rows(7, 1), name="d.csv")
    stage.imported(rows(8, 1), name="e.csv", mode="delete")


def _kept_deletion(stage: Stage) -> None:
    stage.imported(rows(0, 20))
    stage.imported(rows(5, 9), name="b.csv", mode="delete", keep_previous="true")


def _undo(stage: Stage) -> None:
    job_id = next(job.job_id for job in stage.jobs() if job.can_undo)
    stage.ask("GET", f"/v1/jobs/{job_id}/undo")
    stage.ask("POST", f"/v1/jobs/{job_id}/undo")


def _stop_the_undo(stage: Stage) -> None:
    def stop(answer: Answer) -> None:
        assert answer.status == 202, answer
        stage.when(
            lambda: any(job.undo_of and job.counts.total is not None for job in stage.jobs()),
            lambda: stage.ask("POST", f"/v1/jobs/{answer.body['jobId']}/stop", then=stage.note_stop),
        )

    stage.ask("POST", f"/v1/jobs/{stage.jobs()[0].job_id}/undo", then=stop)


IMPORTS = [
    Scene("drop", lambda stage: stage.drop()),
    Scene("upload", _upload),
    Scene("upload in parts", _upload_in_parts),
    Scene("delete parts", _delete_parts),
    Scene("check", lambda stage: stage.drop(rows(0, 60), on_error="all-or-nothing")),
    Scene("check finds bad rows", lambda stage: stage.drop(on_error="all-or-nothing")),
    Scene("dry run", lambda stage: stage.drop(dry_run="true")),
    Scene("insert", lambda stage: stage.drop(name="b.csv", mode="insert"), lambda s: s.imported(rows(5, 5))),
    Scene("merge", lambda stage: stage.drop(name="b.csv", mode="merge", blanks="keep"), _some_records),
    Scene("update", lambda stage: stage.drop(name="b.csv", mode="update"), lambda s: s.imported(rows(5, 5))),
    Scene("delete records", lambda stage: stage.drop(name="b.csv", mode="delete"), lambda s: s.imported(rows(5, 9))),
    Scene("abort", lambda stage: stage.drop(BAD_FIRST, on_error="abort"), is_certain=False),
    Scene("queue", _queue, is_certain=False),
    Scene("stop", partial(_stop, holds=lambda job: job.counts.total is not None), is_certain=False),
    Scene("stop midway", partial(_stop, holds=lambda job: job.processed > 0), is_certain=False),
    Scene("stop the check", _stop_the_check, is_certain=False),
    Scene("small file", lambda stage: stage.drop(), chunk_bytes=ONE_CHUNK),
    Scene("check a small file", lambda stage: stage.drop(on_error="all-or-nothing"), chunk_bytes=ONE_CHUNK),
    Scene(
        "insert a small file",
        lambda stage: stage.drop(name="b.csv", mode="insert"),
        lambda stage: stage.imported(rows(5, 5)),
        chunk_bytes=ONE_CHUNK,
    ),
    Scene("stop a small file", partial(_stop, holds=lambda job: True), is_certain=False, chunk_bytes=ONE_CHUNK),
    Scene("cancel", _cancel, is_certain=False),
    Scene("relaunch", _change_job("/relaunch"), lambda stage: stage.imported()),
    Scene("keep", lambda stage: stage.drop(name="b.csv", keep_previous="true"), _some_records),
    Scene("undo", _undo, _kept),
    Scene("undo a small file", _undo, _kept, chunk_bytes=ONE_CHUNK),
    Scene("undo a deletion", _undo, _kept_deletion),
    Scene("stop an undo", _stop_the_undo, lambda s: s.imported(rows(0, 60), keep_previous="true"), is_certain=False),
    Scene("correct rows", _correct_rows, lambda stage: stage.imported()),
    Scene("delete a job", _change_job(""), lambda stage: stage.imported()),
    Scene("delete an entity", _delete_entity, lambda stage: stage.imported()),
    Scene("sweep", _sweep, lambda stage: stage.imported()),
    Scene("lose the event", _lose_the_event),
    Scene("tell webhooks", lambda stage: stage.drop(), lambda stage: stage.add_entity(webhooks=tuple(HOOKS))),
    Scene("recover", _recover),
    Scene("recover a waiting import", _recover_waiting),
]
FROM_S3 = {"kind": "s3", "prefix": "out"}
TEN_ROWS = {"maxRows": 10}
EXPORTS = [
    Scene("export", lambda stage: stage.export(), lambda stage: stage.imported()),
    Scene("export in 16 parts", lambda stage: stage.export(), lambda stage: stage.imported(), page_items=1),
    Scene("tell webhooks of an export", lambda stage: stage.export(webhooks=HOOKS), lambda stage: stage.imported()),
    Scene("tick", _tick, _prepared_daily),
    Scene("next increment", _run_again, _prepared_increments),
    Scene("past period", _run_for_a_past_period, _prepared_increments),
    Scene("unschedule", _unschedule, _prepared_daily),
    Scene("delete a finished export", _delete_export, _prepared_one_shot),
    Scene("deliver to S3", _deliver({"kind": "s3", "prefix": "in"}), lambda stage: stage.imported()),
    Scene("deliver by SFTP", _deliver(SFTP), lambda stage: stage.imported()),
    Scene("deliver by FTPS", _deliver(FTPS), lambda stage: stage.imported()),
    Scene(
        "deliver several files to S3", _deliver({"kind": "s3", "prefix": "in"}, split=TEN_ROWS), lambda s: s.imported()
    ),
    Scene("deliver several files by SFTP", _deliver(SFTP, split=TEN_ROWS), lambda s: s.imported()),
    Scene(
        "stop an export",
        partial(_stop_the_export, holds=lambda job: job.processed > 0),
        lambda stage: stage.imported(),
        is_certain=False,
        page_items=1,
    ),
    Scene("stop a delivery to S3", _stop_the_delivery(FROM_S3), lambda s: s.imported(), is_certain=False),
    Scene("stop a delivery by SFTP", _stop_the_delivery(SFTP), lambda s: s.imported(), is_certain=False),
]
OUT = {"directory": "/out"}
SOURCES = [
    Scene("fetch from S3 and move", _fetch, _source(FROM_S3, after="move", moveTo="done"), chunk_bytes=ONE_CHUNK),
    Scene("fetch by SFTP and delete", _fetch, _source(SFTP | OUT, after="delete"), chunk_bytes=ONE_CHUNK),
    Scene("fetch by FTPS and move", _fetch, _source(FTPS | OUT, after="move", moveTo="/done"), chunk_bytes=ONE_CHUNK),
]
SCENES = {scene.name: scene for scene in (*IMPORTS, *EXPORTS, *SOURCES)}


# Running them


@dataclass(frozen=True)
class Failed:
    """Cells that broke a promise."""

    scene: str
    cells: tuple[Cell, ...]
    message: str

    def __str__(self) -> str:
        words = [self.scene, *(word for cell in self.cells for word in (cell.invocation, cell.ordinal, cell.fault))]
        again = " ".join(f"'{word}'" for word in words)
        return f"{self.message[:500]}\n    python -m tests.simulation.cells {again}"


def plan(scenes: Iterable[Scene], share: int = 1, turn: int = 0) -> Iterator[tuple[str, Cell]]:
    """The cells of the scenes' operations, with the scene's name.

    Calls that do the same (the chunks of a file, the segments of a table, the ticks of the schedule) stand for each
    other: of each family, in each kind of invocation, the first call gets all faults, and stalls too. Of the others
    every `share`-th cell is run; `turn` says which.
    """
    seen: set[tuple[str, str]] = set()
    number = turn
    for scene in scenes:
        for entry in scene.calls():
            kind = family(entry.invocation), entry.family
            is_new = kind not in seen
            seen.add(kind)
            for fault in (*CELL_FAULTS, *STALLS):
                number += fault in CELL_FAULTS
                if is_new or (fault in CELL_FAULTS and number % share == 0):
                    yield scene.name, Cell(entry.invocation, entry.ordinal, fault)


CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)


def pairs_after(scene: Scene, first: Cell) -> list[tuple[str, tuple[Cell, Cell]]]:
    """A crash, and each that can follow it."""
    log = scene.run(scene.stage([first])).world.log
    met = next(position for position, entry in enumerate(log) if entry.fault)
    later = [Cell(entry.invocation, entry.ordinal, crash) for entry in log[met + 1 :] for crash in CRASHES]
    return [(scene.name, (first, second)) for second in later]


def all_pairs(scene: Scene) -> Iterator[tuple[str, tuple[Cell, Cell]]]:
    """Every two crashes of an operation."""
    for entry in scene.calls():
        for crash in CRASHES:
            yield from pairs_after(scene, Cell(entry.invocation, entry.ordinal, crash))


def some_pairs(count: int, dice: random.Random) -> Iterator[tuple[str, tuple[Cell, Cell]]]:
    """So many of all pairs of crashes."""
    for _ in range(count):
        scene = dice.choice(list(SCENES.values()))
        entry = dice.choice(scene.calls())
        followers = pairs_after(scene, Cell(entry.invocation, entry.ordinal, dice.choice(CRASHES)))
        if followers:
            yield dice.choice(followers)


def try_cells(name: str, cells: Sequence[Cell]) -> Failed | None:
    """Run a scene with these faults; None when it keeps all promises."""
    try:
        SCENES[name].check(cells)
    except Exception as error:
        message = str(error) if isinstance(error, AssertionError) else repr(error)
        return Failed(name, tuple(cells), message)
    return None


def run_block(block: Sequence[tuple[str, Sequence[Cell]]]) -> list[Failed]:
    """Those that break a promise."""
    gc.collect()
    gc.freeze()
    return [failed for name, cells in block if (failed := try_cells(name, cells)) is not None]


def run_cells(chosen: Iterable[tuple[str, Sequence[Cell]]]) -> tuple[int, list[Failed]]:
    """Run cells, or pairs of them, on all cores; how many, and those that break a promise."""
    os.environ["PYTHONHASHSEED"] = "0"
    todo = list(chosen)
    blocks = [todo[at : at + BLOCK] for at in range(0, len(todo), BLOCK)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return len(todo), [failed for found in pool.map(run_block, blocks) for failed in found]


def tell(scene: Scene, cells: Sequence[Cell]) -> None:
    """Print what happens in a scene with these faults."""
    stage = scene.stage(cells)
    try:
        scene.check(cells, stage)
    finally:
        for entry in stage.world.log[stage.begin :]:
            print(entry)
        for job in stage.jobs():
            print(job.job_id, job.status, job.error_code, job.counts)
        print(stage.answers)


def run_all(with_pairs: bool = False) -> bool:
    """Run all cells, or all pairs of crashes; whether they keep all promises. Prints what it does."""
    is_good = True
    for scene in SCENES.values():
        started = time.monotonic()
        todo = all_pairs(scene) if with_pairs else ((name, (cell,)) for name, cell in plan([scene]))
        count, failed = run_cells(todo)
        is_good = is_good and not failed
        what = "pairs" if with_pairs else "cells"
        print(f"{scene.name}: {count:,} {what}, {len(failed)} failed, {time.monotonic() - started:.0f} s", flush=True)
        for one in failed[:5]:
            print(f"    {one}", flush=True)
    return is_good


def main(arguments: list[str]) -> None:
    scene, *words = arguments
    parts = [words[at : at + 3] for at in range(0, len(words), 3)]
    if parts:
        tell(SCENES[scene], [Cell(invocation, int(ordinal), Fault(fault)) for invocation, ordinal, fault in parts])
    else:
        count, failed = run_cells((name, (cell,)) for name, cell in plan([SCENES[scene]]))
        print(f"{count} cells, {len(failed)} failed", *failed, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
