"""A chunk belongs to one attempt at a time, and its rows count once: each call, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import START
from tests.job_tables import JobTables, collision
from waybill.aws.dynamodb import TransactionCanceled
from waybill.errors import LeaseHeld, Superseded
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import ChunkLease, Counts, Job, Status, finished
from waybill.jobs.repository import CONFLICT_ROUNDS

END_MS = int(START.timestamp() * 1000) + 1_000


@pytest.fixture
def tables() -> JobTables:
    """With a job in progress, `a`, since a second after START."""
    tables = JobTables()
    tables.begun("a")
    tables.jobs.set_plan("a", 30, 3, {})
    return tables


def lease(tables: JobTables, attempt: str = "one", chunk: int = 1) -> ChunkLease:
    return tables.ledger.lease("a", chunk, attempt, 10.5).leases[chunk]


def entry(attempt: str = "one", part: int = 0, **changes: Any) -> LedgerEntry:
    values = {"imported": 7, "rejected": 2, "unprocessed": 1, "errors": 3, "next_row": 12, "next_byte": 99}
    return LedgerEntry(chunk=1, part=part, attempt=attempt, **{**values, "is_last": False, **changes})


def job(tables: JobTables) -> Job:
    return tables.jobs.get("a")


def end(tables: JobTables) -> None:
    counts = Counts(30, 0, 0, 30)
    ended = finished(job(tables), Status.COMPLETED, counts, tables.clock.now(), tables.jobs.retention)
    tables.jobs.finish(ended, Status.IN_PROGRESS)


# Leases


def test_a_lease_lasts_as_long_as_it_was_asked_for(tables: JobTables) -> None:
    tables.clock.forward(seconds=1)
    leased = tables.ledger.lease("a", 1, "one", 10.5)
    assert leased.leases == {1: ChunkLease("one", until=END_MS + 11_500)}
    assert leased == job(tables) and leased.heartbeat_at == tables.clock.now()
    with pytest.raises(LeaseHeld) as caught:
        lease(tables, "two")
    assert caught.value.wait_seconds == pytest.approx(10.5), "so a worker knows how long to wait"
    assert lease(tables, "two", chunk=2).attempts == 1, "another chunk is free"
    tables.clock.forward(seconds=10.5)
    assert lease(tables, "two") == ChunkLease("two", until=END_MS + 22_000, attempts=2)


def test_an_attempt_gets_its_own_lease_again(tables: JobTables) -> None:
    lease(tables)
    tables.clock.forward(seconds=1)
    assert lease(tables) == ChunkLease("one", until=END_MS + 11_500, attempts=2)


def test_progress_stays_with_the_chunk_when_another_attempt_takes_it_over(tables: JobTables) -> None:
    old = replace(lease(tables), processed=5, imported=4, rejected=1, row=9, repeated=1)
    tables.ledger.heartbeat("a", 1, old)
    tables.clock.forward(seconds=11)
    assert lease(tables, "two") == replace(old, attempt="two", until=END_MS + 21_500, attempts=2)
    assert job(tables).processed == 5


def test_of_two_attempts_that_take_a_chunk_at_once_one_has_it(tables: JobTables) -> None:
    tables.memory.meanwhile = lambda: lease(tables, "two")
    with pytest.raises(LeaseHeld) as caught:
        lease(tables, "one")
    assert caught.value.wait_seconds == 1.0
    assert job(tables).leases[1].attempt == "two"
    tables.clock.forward(seconds=11)
    tables.memory.meanwhile = lambda: lease(tables, "three")
    with pytest.raises(LeaseHeld):
        lease(tables, "one")


def test_an_ended_job_leases_nothing(tables: JobTables) -> None:
    end(tables)
    with pytest.raises(Superseded, match=r"^job a is no longer in progress$"):
        lease(tables)


# Heartbeats


def test_a_heartbeat_reports_progress_and_learns_of_a_stop(tables: JobTables) -> None:
    held = lease(tables)
    tables.jobs.request_stop("a", "USER")
    tables.clock.forward(seconds=4)
    tables.memory.requests.clear()
    progress = replace(held, processed=5, imported=4, rejected=1)
    seen = tables.ledger.heartbeat("a", 1, progress)
    assert (seen.stop_reason, seen.leases, seen.heartbeat_at) == ("USER", {1: progress}, tables.clock.now())
    assert tables.memory.requests == [] and len(tables.heartbeats.requests) == 1, "by the client that gives up sooner"


def test_a_heartbeat_of_an_attempt_that_lost_its_chunk_stops_it(tables: JobTables) -> None:
    held = lease(tables)
    tables.clock.forward(seconds=11)
    lease(tables, "two")
    for chunk in (1, 2):
        with pytest.raises(Superseded, match=rf"^chunk {chunk} of job a belongs to another attempt$"):
            tables.ledger.heartbeat("a", chunk, held)
    end(tables)
    with pytest.raises(Superseded):
        tables.ledger.heartbeat("a", 1, replace(held, attempt="two"))


# Parts


def test_a_part_counts_with_its_ledger_item_or_not_at_all(tables: JobTables) -> None:
    held = lease(tables)
    part = entry(repeated=1, lost=1, cursor="c", failure="source-changed")
    assert tables.ledger.commit("a", part, held) == part
    assert job(tables).counts == Counts(30, 7, 2, 0, 1), "unprocessed rows are shown at the end"
    assert (job(tables).leases, job(tables).chunks_loaded) == ({}, 0)
    assert tables.ledger.entries("a") == {1: [part]}
    assert part.rows == 10
    assert entry(unprocessed=5, lost=2).left == 3, "those without a text are not listed as stopped"
    with pytest.raises(Superseded, match=r"^chunk 1 of job a belongs to another attempt$"):
        tables.ledger.commit("a", entry(part=1), held)
    assert job(tables).counts.imported == 7


def test_a_part_says_only_what_happened(tables: JobTables) -> None:
    """No failure, no cursor, no repeated and no lost rows, unless it is told."""
    lease(tables)
    tables.ledger.commit("a", LedgerEntry(1, 0, "one", 7, 2, 1, 3, 12, 99, False))
    (part,) = tables.ledger.entries("a")[1]
    assert (part.failure, part.cursor, part.repeated, part.lost) == (None, None, 0, 0)


def test_the_last_part_counts_the_chunk_as_loaded(tables: JobTables) -> None:
    """Which decides whether a Stop comes in time."""
    for number in range(2):
        tables.ledger.commit("a", entry(part=number, is_last=number == 1), lease(tables))
    assert (job(tables).chunks_loaded, job(tables).counts.imported) == (1, 14)


def test_parts_are_in_order_and_those_of_one_chunk_can_be_had_alone(tables: JobTables) -> None:
    for number in range(11):
        tables.ledger.commit("a", entry(part=number), lease(tables))
    other = replace(entry(), chunk=10)
    lease(tables, chunk=10)
    tables.ledger.commit("a", other)
    parts = [entry(part=number) for number in range(11)]
    assert tables.ledger.entries("a") == {1: parts, 10: [other]}
    assert tables.ledger.entries("a", 10) == {10: [other]}
    assert tables.ledger.entries("a", 1) == {1: parts}
    assert tables.ledger.entries("a", 0) == tables.ledger.entries("other") == {}
    tables.memory.server.page_items = 2
    assert tables.ledger.entries("a")[1] == parts
    assert "JOB#a / CHUNK#000001#0010" in tables.all_keys()


def test_a_part_that_was_counted_is_answered_as_it_was_counted(tables: JobTables) -> None:
    held = lease(tables)
    tables.ledger.commit("a", entry(), held)
    assert tables.ledger.commit("a", entry(), held) == entry(), "the same attempt, whose reply was lost"
    assert tables.ledger.commit("a", entry("late", imported=9)) == entry(), "an attempt that was overtaken"
    lease(tables)
    tables.ledger.commit("a", entry(part=1, imported=1))
    assert tables.ledger.commit("a", entry("late", imported=9)) == entry(), "its own part, not the last one"
    assert job(tables).counts.imported == 8
    lease(tables, "two")
    assert tables.ledger.commit("a", entry("two", imported=9)) == entry(), "one that has the chunk, and asks late"
    assert job(tables).counts.imported == 8


def test_one_attempt_asks_for_one_transaction(tables: JobTables) -> None:
    """A retry after a lost reply carries the token of the first request; another part or attempt has its own."""

    def token(part: LedgerEntry) -> str:
        tables.memory.refusals = [collision(2)] * CONFLICT_ROUNDS
        with pytest.raises(TransactionCanceled):
            tables.ledger.commit("a", part)
        _, request = next(sent for sent in tables.memory.requests[::-1] if sent[0] == "TransactWriteItems")
        found = request["ClientRequestToken"]
        assert isinstance(found, str) and len(found) == 36
        return found

    lease(tables)
    assert token(entry()) == token(entry())
    others = [entry(part=1), entry("two"), replace(entry(), chunk=2), replace(entry(), chunk=11, part=0)]
    assert len({token(entry()), *map(token, others)}) == 5


def test_a_part_that_meets_other_writes_is_sent_again(tables: JobTables) -> None:
    held = lease(tables)
    tables.memory.refusals = [collision(2)] * (CONFLICT_ROUNDS - 1)
    assert tables.ledger.commit("a", entry(), held) == entry()
    tables.memory.refusals = [collision(2)] * CONFLICT_ROUNDS
    with pytest.raises(TransactionCanceled):
        tables.ledger.commit("a", entry(part=1))
    assert tables.ledger.entries("a") == {1: [entry()]}


@pytest.mark.parametrize(
    ("ahead", "left"),
    [
        ({"processed": 9}, None),
        ({"processed": 5}, None),
        ({"processed": 9, "attempts": 2}, ChunkLease("one", attempts=2)),
        ({"processed": 10, "imported": 8, "rejected": 2}, ChunkLease("one", 1, 1, 0, row=40)),
        (
            {"processed": 20, "imported": 12, "rejected": 8, "repeated": 5, "attempts": 3},
            ChunkLease("one", 11, 5, 6, row=40, repeated=4, attempts=3),
        ),
        (
            {"processed": 12, "imported": 0, "rejected": 0, "repeated": 0},
            ChunkLease("one", 3, 0, 0, row=40, repeated=0),
        ),
    ],
)
def test_what_earlier_attempts_did_beyond_a_part_stays_known(
    tables: JobTables, ahead: dict[str, int], left: ChunkLease | None
) -> None:
    """So that `processed` does not fall, and the next attempt knows that rows may be written."""
    held = replace(lease(tables), row=40, **ahead)
    tables.ledger.commit("a", entry(repeated=1), held)
    assert job(tables).leases == ({} if left is None else {1: left})
    assert job(tables).processed == max(held.processed, 9)
    with pytest.raises(Superseded):
        tables.ledger.heartbeat("a", 1, replace(held, attempt="other"))
    assert lease(tables, "next").attempts == (1 if left is None else left.attempts + 1), "it is leased to nobody"


@pytest.mark.parametrize("processed", [0, 8, 9])
def test_nothing_is_left_over_of_a_finished_chunk(tables: JobTables, processed: int) -> None:
    held = replace(lease(tables), processed=processed, attempts=2)
    tables.ledger.commit("a", entry(is_last=True), held)
    assert job(tables).leases == {} and job(tables).processed == 9


def test_processed_does_not_fall_when_a_chunk_has_fewer_rows_than_an_earlier_attempt_has_read(
    tables: JobTables,
) -> None:
    """An export reads the table as it is by then."""
    held = replace(lease(tables), processed=25, imported=20, rejected=5, attempts=2)
    tables.ledger.heartbeat("a", 1, held)
    assert job(tables).processed == 25
    tables.ledger.commit("a", entry(is_last=True), held)
    assert job(tables).processed == 25
    assert (job(tables).imported, job(tables).rejected) == (7, 2), "what counts is what was written"
    with pytest.raises(Superseded):
        tables.ledger.heartbeat("a", 1, held)
    end(tables)
    assert job(tables).leases == {}


def test_a_part_without_known_progress_ends_the_lease(tables: JobTables) -> None:
    tables.ledger.heartbeat("a", 1, replace(lease(tables), processed=25))
    tables.ledger.commit("a", entry())
    assert job(tables).leases == {}
