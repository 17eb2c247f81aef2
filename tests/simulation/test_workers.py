"""The load step among crashes, zombies, throttling, lost replies and the time limit: the product's own code, in virtual
time. Each row stands for some 5,000, so that a chunk is as long as it would be."""

from __future__ import annotations

import json
import random
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests import builders
from tests.scanning import scan_file
from tests.simulation.loading import (
    Faults,
    Item,
    Killed,
    Store,
    Tables,
    Task,
    Timeline,
    VirtualFile,
    Wire,
    seconds_of_backoff,
)
from waybill.aws.dynamodb import DynamoDBError
from waybill.bootstrap import Services
from waybill.errors import LeaseHeld, Superseded
from waybill.imports import chunk_loader, digests, finish
from waybill.imports.job_files import plan_key, rejects_key
from waybill.imports.load import load_chunk
from waybill.imports.plan_document import ImportPlan
from waybill.imports.sinks import BatchSink
from waybill.imports.source_object import ObjectVersion
from waybill.jobs import leases
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import ChunkLease, Job, Process, Status

CHUNK_BYTES, PIECE_BYTES = 6_711, 960  # 32 MiB divided by 5,000; a block holds 8 rows
# Seconds that an invocation has. With the reserve of the loader a quarter of them is work, so that chunks need parts.
INVOCATION_SECONDS = 50.0
LIMIT_SECONDS = 900.0
KEY_PARTITIONS, KEY_WINDOWS = 64, 7  # 7 requests a key file are those of 100 million rows
MACHINE = json.loads((builders.ROOT / "infra/import.asl.json").read_text())
MAP = MACHINE["States"]["LoadChunks"]
RETRY = MAP["ItemProcessor"]["States"]["Load"]["Retry"][-1]
EXPECTED_ERRORS = (Killed, Superseded, LeaseHeld, DynamoDBError)


class Import:
    """One import: its job, its state machine's Map, and the table that it writes."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        seed: int,
        rows: int,
        *,
        crashes: float = 0.0,
        lost_invocations: float = 0.0,
        stalls: float = 0.0,
        slow_requests: float = 0.0,
        rows_per_second: float = 200.0,
        **wire_faults: float,
    ) -> None:
        self.chance = random.Random(seed)
        self.crashes, self.lost_invocations = crashes, lost_invocations
        self.stalls, self.slow_requests = stalls, slow_requests
        self.rows_per_second, self.capacity_free_at = rows_per_second, 0.0
        self.timeline, self.tables = Timeline(), Tables()
        self.faults = Faults(seed, **wire_faults)
        self.file = VirtualFile(rows, bad_every=97, repeat_every=89, piece_bytes=PIECE_BYTES)
        self.store = Store("drop/contacts/a.csv", self.file, self.timeline)
        self.written: dict[str, str] = {}  # key text → request without its time
        self.lands_at: dict[tuple[int, str], float] = {}  # (chunk, attempt) → when its last request is over
        self.tally: dict[str, int] = {"crashed": 0, "lost": 0, "stalled": 0, "takeovers": 0, "parts": 0, "failed": 0}
        self.surprises: list[str] = []
        self.processed = 0
        monkeypatch.setattr(digests, "WINDOW_KEYS", rows // KEY_WINDOWS)
        monkeypatch.setattr(chunk_loader, "BatchSink", lambda *arguments: SimulatedSink(self, *arguments))
        monkeypatch.setattr(finish, "BatchWriter", lambda *arguments, **options: SimulatedWriter(self))
        self._register()

    def services(self) -> Services:
        """Those of one process."""
        services = Services(builders.settings("http://127.0.0.1:9"), self.timeline, self.faults)

        def wire(timeout_seconds: float = 10.0) -> Wire:
            return Wire(self.tables, self.timeline, self.faults, timeout_seconds=timeout_seconds)

        services.__dict__ |= {"dynamodb": wire(), "new_dynamodb": wire, "files": self.store}
        return services

    def _register(self) -> None:
        faults, self.faults = self.faults, Faults()
        services, entity = self.services(), builders.entity()
        self.job = Job(
            "00000000-0000-4000-8000-000000000000", Process.IMPORT, Status.WAITING, entity.name, entity.uid, "a.csv",
            services.clock.now(), "alice", None, "drop-bucket", "drop/contacts/a.csv", "etag",
        )  # fmt: skip
        services.jobs.register(self.job, entity.to_document())
        services.jobs.begin(self.job.job_id)
        planned = scan_file(self.file.stream(), {}, None, CHUNK_BYTES)
        self.plan = ImportPlan(
            ObjectVersion("drop-bucket", "drop/contacts/a.csv", "etag"), planned.labels, planned.header, planned.chunks,
            planned.encoding, False, planned.sha256, planned.dialect, KEY_PARTITIONS,
        )  # fmt: skip
        self.store.put("files-bucket", plan_key(self.job.job_id), self.plan.to_json(self.job.job_id))
        services.jobs.set_plan(self.job.job_id, planned.rows, len(planned.chunks), planned.detected)
        self.tables.on_change, self.faults = self._check_change, faults

    # The state machine's Map

    def run(self) -> None:
        """Load all chunks."""
        waiting = deque(chunk.number for chunk in self.plan.chunks)

        def next_chunk() -> None:
            if waiting:
                self._invoke(waiting.popleft(), seconds_of_backoff(RETRY, self.chance), next_chunk)

        for _ in range(MAP["MaxConcurrency"]):
            next_chunk()
        self.timeline.run()
        assert not self.surprises

    def finish(self) -> Job:
        """The finish step, in one invocation."""
        ended: list[Task] = []
        self.faults = Faults()
        self.timeline.start(lambda: finish.finish_import(self.services(), self.job.job_id), LIMIT_SECONDS, ended.append)
        self.timeline.run()
        if ended[0].error is not None:
            raise ended[0].error
        job: Job = ended[0].result
        return job

    def _invoke(self, chunk: int, waits: Iterator[float], then: Callable[[], None]) -> None:
        started, is_over = self.timeline.seconds, False

        def work() -> LedgerEntry:
            remaining = lambda: started + INVOCATION_SECONDS - self.timeline.seconds  # noqa: E731
            return load_chunk(self.services(), self.job.job_id, chunk, remaining)

        def retry() -> None:
            wait = next(waits, None)
            if wait is None:
                self.tally["failed"] += 1
                then()
            else:
                self.timeline.at(self.timeline.seconds + wait, lambda: self._invoke(chunk, waits, then))

        def ended(task: Task) -> None:
            nonlocal is_over
            if task.error is not None and not isinstance(task.error, EXPECTED_ERRORS):
                self.surprises.append(repr(task.error))
            if is_over:  # its reply is lost, and another worker has been invoked
                return
            is_over = True
            if task.error is not None:
                retry()
            elif task.result.is_last:
                then()
            else:
                self.tally["parts"] += 1
                self._invoke(chunk, seconds_of_backoff(RETRY, self.chance), then)

        def lose() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self.tally["lost"] += 1
                retry()

        limit = INVOCATION_SECONDS
        if self.chance.random() < self.crashes:
            limit = self.chance.uniform(0.0, 15.0)
            self.tally["crashed"] += 1
        self.timeline.start(work, limit, ended)
        if self.chance.random() < self.lost_invocations:
            self.timeline.at(started + self.chance.uniform(0.0, 10.0), lose)

    # What must hold at every moment

    def _check_change(self, old: Item | None, new: Item) -> None:
        if old is None or "leases" not in new:
            return
        for chunk, lease in new["leases"]["M"].items():
            before = old["leases"]["M"].get(chunk)
            if before is None or before["M"]["attempt"] == lease["M"]["attempt"]:
                continue
            attempt = before["M"]["attempt"]["S"]
            now_ms = builders.START.timestamp() * 1000 + self.timeline.seconds * 1000
            assert int(before["M"]["until"]["N"]) <= now_ms, f"chunk {chunk} is held by two attempts"
            over = self.lands_at.get((int(chunk), attempt), 0.0) <= self.timeline.seconds
            assert over, f"chunk {chunk} was taken over while a request of the old attempt was on its way"
            self.tally["takeovers"] += 1
        rows = sum(int(new[name]["N"]) for name in ("imported", "rejected"))
        rows += sum(int(lease["M"]["processed"]["N"]) for lease in new["leases"]["M"].values())
        assert self.processed <= rows <= self.file.rows, f"progress fell from {self.processed} to {rows}"
        self.processed = rows

    # The table that is written

    def put(self, texts: Sequence[bytes]) -> None:
        for text in map(bytes.decode, texts):
            self.written[text.partition('"_sk":{"S":"')[2].partition('"')[0]] = re.sub(r'"_at":{"N":"\d+"},?', "", text)


class SimulatedSink(BatchSink):
    """`BatchSink`, whose requests take virtual time; what was sent arrives even when the sender has died."""

    def __init__(self, run: Import, _: Any, table: str, connections: int, before_send: Callable[[], None]) -> None:
        self._run, self._before_send = run, before_send
        loader: Any = before_send.__self__  # type: ignore[attr-defined]
        self._owner = loader._chunk.number, loader._heartbeat.lease.attempt
        self._last_lands_at = 0.0
        self._sent: list[tuple[float, Sequence[int]]] = []
        self._pace = run.chance.uniform(0.2, 1.2)  # seconds between requests: slow and fast environments

    def write(self, rows: Sequence[int], texts: Sequence[bytes], digests: Sequence[int]) -> None:
        run, timeline = self._run, self._run.timeline
        self._before_send()
        while run.capacity_free_at > timeline.seconds:  # throttled: a pause of full jitter, 5 s at most
            timeline.sleep(min(5.0, (run.capacity_free_at - timeline.seconds) * run.chance.uniform(0.5, 2.0)))
            self._before_send()
        run.capacity_free_at = timeline.seconds + len(texts) / run.rows_per_second
        is_stalled = run.chance.random() < run.stalls
        if is_stalled:  # the machine stalls between the check and the request
            run.tally["stalled"] += 1
            timeline.sleep(run.chance.uniform(5.0, 40.0))
        is_slow = run.chance.random() < run.slow_requests
        lands_at = timeline.seconds + (leases.WRITE_TIMEOUT_SECONDS if is_slow else 0.01)
        timeline.at(lands_at, lambda: run.put(texts))
        self._last_lands_at = max(self._last_lands_at, lands_at)
        self._sent.append((lands_at, rows))
        if not is_stalled:
            run.lands_at[self._owner] = max(run.lands_at.get(self._owner, 0.0), lands_at)
        timeline.sleep(self._pace)

    def pending(self) -> list[int]:
        return [row for lands_at, rows in self._sent if lands_at > self._run.timeline.seconds for row in rows]

    def flush(self) -> None:
        self._run.timeline.sleep(self._last_lands_at - self._run.timeline.seconds + 0.001)

    def close(self) -> None:
        pass


class SimulatedWriter:
    """The finish step's writer."""

    def __init__(self, run: Import) -> None:
        self._run = run

    def write(self, texts: Sequence[str]) -> None:
        self._run.put(texts)

    def flush(self) -> None:
        pass

    def __enter__(self) -> SimulatedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        pass


TROUBLES: dict[str, dict[str, float]] = {
    "crashes": {"crashes": 0.3},
    "zombies": {"lost_invocations": 0.3, "stalls": 0.01, "slow_requests": 0.1},
    "network": {"lost_requests": 0.02, "lost_replies": 0.03, "slow_requests": 0.5, "lost_invocations": 0.3},
    "throttling": {"throttled": 0.1, "rows_per_second": 120.0},
}
ALL_TROUBLES = {
    "crashes": 0.2, "lost_invocations": 0.15, "stalls": 0.01, "slow_requests": 0.02, "throttled": 0.02,
    "lost_requests": 0.002, "lost_replies": 0.002, "rows_per_second": 300.0,
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_one_trouble_changes_no_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Import(monkeypatch, seed=1, rows=2_000, **TROUBLES[name])
    run.run()
    check_result(run)


def test_all_troubles_together_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Import(monkeypatch, seed=2026, rows=6_000, **ALL_TROUBLES)
    run.run()
    check_result(run)


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


def check_result(run: Import) -> None:
    assert run.tally["failed"] == 0, "the state machine's retries suffice"
    rows = run.file.rows
    on_the_way = [owner for owner, moment in run.lands_at.items() if moment > run.timeline.seconds]
    assert not on_the_way, "a request would reach into the finish, or into the entity's next import"
    gets, files = run.store.calls["GET"], sum(name.endswith("keys") for name in run.store.objects)
    ended = run.finish()
    details = 1 + (KEY_WINDOWS + 1) + 4  # counts; windows, the last of which is short; rejects, errors, their indexes
    limit = details * files + 2 * len(run.plan.chunks)
    assert run.store.calls["GET"] - gets <= limit, "requests by file, not by file and partition"

    winners = {run.file.key(row): row for row in range(rows) if not run.file.is_bad(row)}  # the last valid row of a key
    bad = {row for row in range(rows) if run.file.is_bad(row)}
    rejected = sorted(set(range(rows)) - set(winners.values()))
    assert len(rejected) > len(bad) > 0
    assert ended.status is Status.COMPLETED and ended.counts.balances()
    assert (ended.counts.total, ended.counts.imported, ended.counts.unprocessed) == (rows, len(winners), 0)
    lines = run.store.objects[rejects_key(run.job.job_id)].decode().splitlines()[1:]
    assert [int(line.partition(",")[0]) for line in lines] == [row + 2 for row in rejected]
    assert len(run.written) == len(winners)
    for key, row in winners.items():
        assert f"mailbox-of-{row:030d}@" in run.written[f"c{key:038d}"], "a late request changed another row's record"
