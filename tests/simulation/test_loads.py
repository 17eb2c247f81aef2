"""Large imports among crashes, zombies, a bad network, throttling and the time limit: no trouble changes a count.

A worker of each chunk, sixteen at once, as the state machine runs them; the product's own writers.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests import builders
from tests.simulation.faults import Fault, FaultPlan, Outage
from tests.simulation.oracles import Watch
from tests.simulation.oracles.sheets import SCHEMA
from tests.simulation.oracles.sight import Violation
from tests.simulation.timeline import Timeline
from tests.simulation.world import ADMIN, Answer, Chances, World
from waybill.errors import Superseded
from waybill.imports import digests
from waybill.imports import plan as plan_step
from waybill.jobs import leases
from waybill.jobs.model import ChunkLease, Job, Process, Status

ROWS = 1_500
#: Trouble lasts so long; the import must have ended an hour later.
TROUBLED_SECONDS = 120.0


def file() -> bytes:
    """Every 97th row is bad, and every 89th of the second half has the key of one of the first half."""
    lines = ["id,n,note"]
    for number in range(ROWS):
        key = number - ROWS // 2 if number >= ROWS // 2 and number % 89 == 0 else number
        lines.append(f"key-{key},{'none' if number % 97 == 0 else number},a note that makes row {number} longer")
    return "\n".join([*lines, ""]).encode()


class Load:
    """The import of one file in a troubled world.

    Attributes:
        holders: chunk → the invocation that took its lease last.
        takeovers: leases that passed from one invocation to another.
    """

    def __init__(self, seed: int, plan: FaultPlan, chances: Chances, chunk_bytes: int = 2_000) -> None:
        self.world = World(seed, plan, chances, chunk_bytes=chunk_bytes, block_bytes=chunk_bytes // 5)
        world = self.world
        self.watch = Watch(world.server, world.aws, world.settings, world.timeline.monotonic)
        self.watch.last_fault = plan.last_moment
        self.holders: dict[str, str] = {}
        self.takeovers = 0
        self._see, world.server.on_write = world.server.on_write, self.see

    def run(self) -> None:
        world = self.world
        with world.open():
            world.add_entity("contacts", schema=SCHEMA)
            world.drop("contacts", "a.csv", file())
            world.run(5.0)
            while not self._has_ended() and world.timeline.seconds < 3 * 3_600:
                world.tick()
                world.run(world.timeline.seconds + 60.0)
            world.run(world.timeline.seconds + 120.0)
            self.watch.check_end()

    def _has_ended(self) -> bool:
        jobs = self.world.jobs()
        return bool(jobs) and all(job.is_terminal for job in jobs)

    def stop_at(self, moment: float) -> None:
        """Somebody stops the import at a moment of the run."""

        def stop() -> None:
            (job,) = self.world.jobs()
            self.world.request("POST", f"/v1/jobs/{job.job_id}/stop", None, ADMIN, {}, self._answered)

        self.world.timeline.at(moment, stop)

    def _answered(self, answer: Answer | None) -> None:
        assert answer is not None and answer.status == 200, answer
        self.watch.stops.add(answer.body["jobId"])

    def see(self, table: str, old: Any, new: Any, transaction: int | None) -> None:
        sender = self.world.wire.sender
        invocation = "" if sender is None else sender.name
        loads = re.match(r"import_steps/load/(\d+)#", invocation)
        if loads and table == "jobs" and old and new and "leases" in new:
            self._follow_lease(loads[1], invocation, old, new)
        if loads and table == "records" and not self._stalled(invocation):
            holder = self.holders.get(loads[1])
            if holder != invocation:
                raise Violation("takeover", f"{invocation} writes although {holder} has the chunk")
        self._see(table, old, new, transaction)

    def _follow_lease(self, chunk: str, invocation: str, old: Any, new: Any) -> None:
        before, after = (item.get("leases", {"M": {}})["M"].get(chunk) for item in (old, new))
        if after is not None and (before is None or before["M"]["attempt"] != after["M"]["attempt"]):
            self.takeovers += before is not None
            self.holders[chunk] = invocation

    def _stalled(self, invocation: str) -> bool:
        """Whether the process has stood still between its check and its request, which no check can prevent."""
        return any(entry.fault == Fault.SLOW and entry.invocation == invocation for entry in self.world.log)


def plan(**rates: float) -> FaultPlan:
    return FaultPlan(rates={Fault[name.upper()]: rate for name, rate in rates.items()}, until=TROUBLED_SECONDS)


TROUBLES: dict[str, tuple[FaultPlan, Chances]] = {
    "crashes": (plan(crash_before=0.02, crash_after=0.02), Chances()),
    "zombies": (plan(slow=0.01, late=0.1), Chances(orphaned=0.3)),
    "network": (plan(failing=0.03, late=0.2, lost_reply=0.03, effect_then_failed=0.03), Chances(orphaned=0.5)),
    "throttling": (plan(failing=0.1, unprocessed=0.3), Chances()),
    "short of time": (plan(), Chances(short=0.95)),
    "all": (
        plan(crash_before=0.01, crash_after=0.01, slow=0.005, late=0.02, lost_reply=0.005, unprocessed=0.05),
        Chances(orphaned=0.15, short=0.2),
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_no_trouble_changes_a_count(name: str) -> None:
    load = Load(9, *TROUBLES[name])
    load.run()
    (job,) = load.world.jobs()
    kept = {number for number in range(ROWS) if number % 97}
    repeated = {number for number in kept if number >= ROWS // 2 and number % 89 == 0 and number - ROWS // 2 in kept}
    told = (job.status, job.counts.total, job.counts.imported, job.counts.rejected)
    assert told == (Status.COMPLETED, ROWS, len(kept) - len(repeated), ROWS - len(kept) + len(repeated))
    assert len(load.holders) > 16, "more chunks than workers at once"
    if name in ("crashes", "zombies", "network", "all"):
        assert load.takeovers > 0
    if name == "short of time":
        parts = [item for item in load.world.table("jobs").items() if item["sk"]["S"].startswith("CHUNK#")]
        assert len(parts) > len(load.holders), "chunks are loaded in several parts"


def test_an_outage_while_rows_are_written_loses_none() -> None:
    load = Load(8, FaultPlan(outages=[Outage(1.5, 900.0, frozenset({"dynamodb"}))]), Chances())
    load.run()
    (job,) = load.world.jobs()
    assert job.status is Status.COMPLETED and job.counts.unprocessed == 0


def test_the_finish_reads_each_file_of_keys_by_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests by file, not by file and partition: a large import would need millions of them."""
    windows, partitions = 7, 64
    monkeypatch.setattr(digests, "WINDOW_KEYS", ROWS // windows)
    monkeypatch.setattr(plan_step, "partitions_for", lambda rows: partitions)
    load = Load(9, FaultPlan(), Chances())
    load.run()
    finish = [entry for entry in load.world.log if entry.invocation.startswith("import_steps/finish")]
    gets = [str(entry.detail) for entry in finish if entry.operation == "GetObject"]
    files = len({detail for detail in gets if detail.endswith("keys")})
    details = 1 + (windows + 1) + 4  # counts; windows, the last of which is short; rejects, errors, their indexes
    assert files > 16 and len(gets) <= details * files + 2 * len(load.holders)


# Stop


def stopped_load(seed: int) -> Load:
    """A load by one worker of whose batches the table takes a part, and a Stop while it writes."""
    load = Load(seed, plan(unprocessed=0.8), Chances(), chunk_bytes=100_000)
    load.stop_at(2.3)
    load.run()
    return load


def test_no_row_is_written_later_than_5_seconds_after_a_stop() -> None:
    checks = 0
    for seed in range(5):
        load = stopped_load(seed)
        (job,) = load.world.jobs()
        assert (job.status, job.stop_reason) == (Status.COMPLETED, "USER") and job.counts.unprocessed
        checks += load.watch.checked["nothing_is_written_after_stop"]
    assert checks > 50, "rows are on their way when Stop is accepted"


def test_a_worker_that_asks_too_seldom_whether_to_stop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 8.0)
    with pytest.raises(Violation, match="nothing_is_written_after_stop"):
        for seed in range(3):
            stopped_load(seed)


# Heartbeats


@pytest.mark.parametrize(("reply_seconds", "may_send"), [(0.1, True), (1.9, True), (2.1, False), (11.9, False)])
def test_after_a_slow_heartbeat_nothing_is_sent_that_could_outlast_the_lease_or_a_stop(
    reply_seconds: float, may_send: bool
) -> None:
    """A Stop accepted just after the heartbeat was evaluated must not meet a write 5 seconds later."""
    timeline = Timeline()
    now_ms = int(builders.START.timestamp() * 1000)
    job = Job("job", Process.IMPORT, Status.IN_PROGRESS, "e", "uid", "f.csv", builders.START, "alice")
    job = replace(job, leases={0: ChunkLease("attempt", until=now_ms + int(leases.LEASE_SECONDS * 1000))})

    def answer(*_: object) -> Job:
        timeline.sleep(reply_seconds)
        return job

    services: Any = SimpleNamespace(clock=timeline, ledger=SimpleNamespace(heartbeat=answer))
    heartbeat = leases.Heartbeat(services, job, 0, "attempt")
    timeline.sleep(2 * leases.HEARTBEAT_SECONDS)
    with nullcontext() if may_send else pytest.raises(Superseded):
        heartbeat.check()
        assert reply_seconds + leases.WRITE_TIMEOUT_SECONDS <= 5.0


def test_a_heartbeat_that_is_answered_late_once_is_sent_again() -> None:
    timeline = Timeline()
    until = int((builders.START.timestamp() + leases.LEASE_SECONDS) * 1000)
    job = Job("job", Process.IMPORT, Status.IN_PROGRESS, "e", "uid", "f.csv", builders.START, "alice")
    replies = iter([(2.5, None), (0.1, "USER")])

    def answer(*_: object) -> Job:
        seconds, reason = next(replies)
        timeline.sleep(seconds)
        return replace(job, stop_reason=reason)

    services: Any = SimpleNamespace(clock=timeline, ledger=SimpleNamespace(heartbeat=answer))
    heartbeat = leases.Heartbeat(services, replace(job, leases={0: ChunkLease("attempt", until=until)}), 0, "attempt")
    timeline.sleep(2 * leases.HEARTBEAT_SECONDS)
    assert heartbeat.check().stop_reason == "USER"


def test_between_heartbeats_no_request_is_sent_that_could_outlast_a_stop() -> None:
    """A worker that asks again and again, and a Stop accepted just after a heartbeat."""
    timeline, asked = Timeline(), [0.0]
    until = int((builders.START.timestamp() + leases.LEASE_SECONDS) * 1000)
    job = Job("job", Process.IMPORT, Status.IN_PROGRESS, "e", "uid", "f.csv", builders.START, "alice")
    job = replace(job, leases={0: ChunkLease("attempt", until=until)})

    def answer(*_: object) -> Job:
        asked.append(timeline.monotonic())
        return job

    services: Any = SimpleNamespace(clock=timeline, ledger=SimpleNamespace(heartbeat=answer))
    heartbeat = leases.Heartbeat(services, job, 0, "attempt")
    for _ in range(200):
        heartbeat.check()
        assert timeline.monotonic() - asked[-1] + leases.WRITE_TIMEOUT_SECONDS <= 5.0
        timeline.sleep(0.1)
    assert len(asked) > 10
