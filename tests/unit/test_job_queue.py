"""The imports of an entity take turns: in the order in which they joined, one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import START
from tests.job_tables import JobTables, new_job
from waybill.aws.dynamodb import TransactionCanceled
from waybill.jobs.model import Counts, Status, finished
from waybill.jobs.queue import after_newest, order_action, queue_key
from waybill.jobs.running import RunningImport, claim_action, release_action

SECOND = timedelta(seconds=1)


@pytest.fixture
def tables() -> JobTables:
    return JobTables()


def test_the_oldest_import_that_has_not_ended_is_the_head(tables: JobTables) -> None:
    """Entries that an end left behind are removed, so that nobody waits behind them."""
    assert tables.queue.head("uid") is None
    jobs = [tables.registered(name) for name in "abc"]
    tables.registered("other", entity_uid="other")
    tables.memory.requests.clear()
    assert tables.queue.head("uid") == jobs[0]
    assert [request.get("Limit") for _, request in tables.memory.requests] == [1, None], "however many are waiting"
    canceled = finished(jobs[0], Status.CANCELED, Counts(0), START, tables.jobs.retention)
    tables.jobs.finish(canceled, Status.WAITING)
    tables.table.put(dict(zip(("pk", "sk"), queue_key(jobs[0]), strict=True)))
    tables.table.delete(("JOB#b", "JOB"))
    assert tables.queue.head("uid") == jobs[2]
    assert list(tables.queue.positions("uid")) == ["c"]
    assert list(tables.queue.positions("other")) == ["other"]


def test_positions_count_the_imports_in_front(tables: JobTables) -> None:
    assert tables.queue.positions("uid") == {}
    for name in "abcd":
        tables.registered(name)
    tables.memory.requests.clear()
    assert tables.queue.positions("uid") == {"a": 1, "b": 1, "c": 2, "d": 3}, "the head is running"
    ((_, request),) = tables.memory.requests
    assert request["ConsistentRead"] is False and "ProjectionExpression" in request, "a list costs half, without items"


def test_an_entry_sorts_by_its_time_to_the_millisecond() -> None:
    job = new_job("a", submitted_at=START + timedelta(milliseconds=5))
    assert queue_key(job) == ("QUEUE#uid", "2026-01-31T09:30:00.005Z#a")


def test_nobody_joins_before_or_at_the_time_of_somebody_who_is_there(tables: JobTables) -> None:
    tables.table.transact([order_action(tables.table, new_job("a"))])
    assert tables.item("ORDER#uid", "LATEST") == {
        "submittedAt": "2026-01-31T09:30:00.000Z",
        "expiresAt": int(START.timestamp()) + 7 * 86_400,
    }
    for seconds in (0, -1):
        with pytest.raises(TransactionCanceled):
            tables.table.transact([order_action(tables.table, new_job("b", submitted_at=START + seconds * SECOND))])
    tables.table.transact([order_action(tables.table, new_job("b", submitted_at=START + SECOND))])
    assert tables.item("ORDER#uid", "LATEST")["submittedAt"] == "2026-01-31T09:30:01.000Z"


def test_a_clock_that_is_late_takes_the_time_behind_the_newest(tables: JobTables) -> None:
    assert after_newest(tables.table, "uid", START) == START
    tables.table.transact([order_action(tables.table, new_job("a"))])
    behind = START + timedelta(milliseconds=1)
    assert after_newest(tables.table, "uid", START - SECOND) == behind
    assert after_newest(tables.table, "uid", START) == behind
    assert after_newest(tables.table, "uid", START + SECOND) == START + SECOND
    assert after_newest(tables.table, "other", START - SECOND) == START - SECOND


def test_the_running_import_is_known_by_its_entity(tables: JobTables) -> None:
    assert tables.running.find("uid") is None and tables.running.find_many(["uid"]) == {}
    begun = tables.begun("a")
    other = tables.begun("b", entity_uid="other")
    assert begun.started_at is not None and other.started_at is not None
    assert begun.write_time is not None and other.write_time is not None
    mine = RunningImport("a", begun.started_at, begun.write_time)
    others = RunningImport("b", other.started_at, other.write_time)
    assert tables.running.find("uid") == mine
    assert tables.running.find_many(["other", "nobody's", "uid"]) == {"uid": mine, "other": others}


def test_an_entity_is_claimed_by_one_import_and_released_by_the_same(tables: JobTables) -> None:
    first, second = (new_job(name, started_at=START, write_time=START) for name in "ab")
    tables.table.transact([claim_action(tables.table, first)])
    for refused in (claim_action(tables.table, second), release_action(tables.table, second)):
        with pytest.raises(TransactionCanceled):
            tables.table.transact([refused])
    assert tables.item("RUNNING#uid", "IMPORT") == {
        "jobId": "a",
        "startedAt": "2026-01-31T09:30:00.000Z",
        "writeTime": "2026-01-31T09:30:00.000Z",
    }
    with pytest.raises(TransactionCanceled):
        tables.table.transact([claim_action(tables.table, first)])
    tables.table.transact([claim_action(tables.table, replace(second, entity_uid="other"))])
    tables.table.transact([release_action(tables.table, first)])
    assert tables.all_keys() == {"RUNNING#other / IMPORT"}
    tables.table.transact([release_action(tables.table, first)])
    tables.table.transact([claim_action(tables.table, second)])
