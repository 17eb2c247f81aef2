"""Any interleaving of attempts, zombies, retries and lost replies: a chunk counts once, progress never falls."""

from __future__ import annotations

import urllib.request
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests import builders
from waybill.bootstrap import Services
from waybill.errors import LeaseHeld, Superseded
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import ChunkLease, Counts, Job, Process, Status, finished

CHUNKS, ROWS = 3, 10


def machine_for(url: str) -> type[RuleBasedStateMachine]:
    with urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")):
        pass
    clock = builders.Clock()
    services = Services(builders.settings(url), clock)
    builders.create_resources(url, services.settings)

    def until_ms() -> int:
        return int((clock.now().timestamp() + 10) * 1000)

    class Ledger(RuleBasedStateMachine):
        attempts: Bundle[tuple[int, str]] = Bundle("attempts")

        def __init__(self) -> None:
            super().__init__()
            now = services.clock.now()
            self.job = Job(str(uuid.uuid4()), Process.IMPORT, Status.WAITING, "e", "uid", "f.csv", now, "alice")
            services.jobs.register(self.job, {})
            services.jobs.begin(self.job.job_id)
            services.jobs.set_plan(self.job.job_id, CHUNKS * ROWS, CHUNKS, {})
            self.processed = 0
            self.owners: dict[int, str] = {}
            self.entries: dict[int, LedgerEntry] = {}

        @rule(target=attempts, chunk=st.integers(0, CHUNKS - 1))
        def lease(self, chunk: int) -> tuple[int, str]:
            attempt = uuid.uuid4().hex
            if chunk not in self.entries:
                held = services.jobs.get(self.job.job_id).leases.get(chunk)
                if held is not None and held.until > clock.now().timestamp() * 1000:
                    with pytest.raises(LeaseHeld):
                        services.ledger.lease(self.job.job_id, chunk, attempt, 10)
                    clock.forward(seconds=11)
                services.ledger.lease(self.job.job_id, chunk, attempt, 10)
                self.owners[chunk] = attempt
            return chunk, attempt

        @rule(attempt=attempts, rows=st.integers(0, ROWS))
        def heartbeat(self, attempt: tuple[int, str], rows: int) -> None:
            chunk, token = attempt
            known = services.jobs.get(self.job.job_id).leases.get(chunk)
            rows = max(rows, known.processed if known else 0)
            try:
                services.ledger.heartbeat(self.job.job_id, chunk, ChunkLease(token, rows, rows, 0, until_ms()))
            except Superseded:
                assert self.owners.get(chunk) != token or chunk in self.entries
            else:
                assert self.owners[chunk] == token and chunk not in self.entries

        @rule(attempt=attempts, imported=st.integers(0, ROWS), again=st.booleans())
        def commit(self, attempt: tuple[int, str], imported: int, again: bool) -> None:
            chunk, token = attempt
            entry = LedgerEntry(chunk, 0, token, imported, ROWS - imported, 0, 0, ROWS, 0, True)
            try:
                stored = services.ledger.commit(self.job.job_id, entry)
                if again:  # the reply was lost and the caller asks again
                    assert services.ledger.commit(self.job.job_id, entry) == stored
            except Superseded:
                assert self.owners.get(chunk) != token and chunk not in self.entries
            else:
                expected = self.entries.setdefault(chunk, entry)
                assert stored == expected
                assert chunk in self.entries

        @invariant()
        def counts_are_those_of_the_ledger(self) -> None:
            job = services.jobs.get(self.job.job_id)
            assert job.counts.imported == sum(entry.imported for entry in self.entries.values())
            assert job.counts.rejected == sum(entry.rejected for entry in self.entries.values())
            assert services.ledger.entries(self.job.job_id) == {chunk: [entry] for chunk, entry in self.entries.items()}
            assert self.processed <= job.processed <= CHUNKS * ROWS
            self.processed = job.processed

        def teardown(self) -> None:
            job = services.jobs.get(self.job.job_id)
            imported = sum(entry.imported for entry in self.entries.values())
            rejected = sum(entry.rejected for entry in self.entries.values())
            left = CHUNKS * ROWS - imported - rejected
            counts = Counts(CHUNKS * ROWS, imported, rejected, left)
            end = finished(job, Status.COMPLETED, counts, services.clock.now(), services.jobs.retention)
            later = replace(end, completed_at=services.clock.now() + timedelta(hours=1))
            assert services.jobs.finish(end, Status.IN_PROGRESS) == end
            assert services.jobs.finish(later, Status.IN_PROGRESS) == end, "the first to end a job ends it"
            with pytest.raises(Superseded):
                services.ledger.lease(self.job.job_id, 0, "late", 10)

    return Ledger


def test_chunks_count_once_whatever_happens(moto_url: str) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_for(moto_url),
        settings=settings(
            max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_worker_that_was_replaced_counts_nothing(services: Services, clock: builders.Clock) -> None:
    now = services.clock.now()
    job = Job(str(uuid.uuid4()), Process.IMPORT, Status.WAITING, "e", "uid", "f.csv", now, "alice")
    services.jobs.register(job, {})
    services.jobs.begin(job.job_id)
    services.jobs.set_plan(job.job_id, ROWS, 1, {})
    services.ledger.lease(job.job_id, 0, "first", 10)
    clock.forward(seconds=11)
    services.ledger.lease(job.job_id, 0, "second", 10)
    entry = LedgerEntry(0, 0, "first", ROWS, 0, 0, 0, ROWS, 0, True)
    with pytest.raises(Superseded):
        services.ledger.heartbeat(job.job_id, 0, ChunkLease("first", ROWS, ROWS))
    with pytest.raises(Superseded):
        services.ledger.commit(job.job_id, entry)
    services.ledger.commit(job.job_id, replace(entry, attempt="second"))
    assert services.jobs.get(job.job_id).counts.imported == ROWS


def test_the_statuses_of_a_job_in_the_table(services: Services) -> None:
    now = services.clock.now()
    waiting: dict[str, Any] = {"process": Process.IMPORT, "status": Status.WAITING, "entity": "e", "entity_uid": "uid"}
    job = Job(job_id=str(uuid.uuid4()), file_name="f", submitted_at=now, started_by="alice", **waiting)
    assert services.jobs.register(job, {"a": 1}) == (job, True)
    assert services.jobs.register(job, {"a": 2}) == (job, False)
    assert services.jobs.definition(job.job_id) == {"a": 1}
    canceled = finished(job, Status.CANCELED, Counts(0), now, services.jobs.retention)
    services.jobs.finish(canceled, Status.WAITING)
    with pytest.raises(Superseded):
        services.jobs.begin(job.job_id)
    assert services.queue.positions("uid") == {}
