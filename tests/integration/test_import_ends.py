"""How an import ends when it is stopped or given up: a Stop that was accepted is never forgotten, one that comes too
late is refused, and just the rows that stand in the table count as imported."""

from __future__ import annotations

import copy
import itertools
import random
import re
from collections.abc import Callable
from typing import Any

import pycurl
import pytest

from tests import builders
from tests.importing import (
    BAD_ROWS,
    Crash,
    counts,
    die_in,
    finish,
    key_table,
    listed,
    live,
    load_and_finish,
    planned,
    records,
    rejected_types,
    rejects,
    start,
)
from waybill.aws.dynamodb import BatchWriter, network_error
from waybill.bootstrap import Services
from waybill.entities.model import Target
from waybill.errors import Conflict, Superseded
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.leases import FINISH
from waybill.jobs.ledger import owns
from waybill.jobs.model import Counts, Job, Outcome, Status, finished
from waybill.upkeep.actions import stop_job


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def stop(services: Services, job: Job) -> Job:
    return stop_job(services, services.jobs.get(job.job_id))


def written_by(services: Services, job: Job) -> set[str]:
    """Keys of the records, and of the tombstones, that a job wrote."""
    return {key for key, item in records(services, without=()).items() if item["_by"]["S"] == job.job_id}


# Stop


def test_stop_is_refused_once_every_chunk_is_loaded(services: Services, s3: Any) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 200)
    job = planned(services, s3, builders.contacts_csv(count=9))
    assert job.chunks is not None and job.chunks > 1
    for chunk in range(job.chunks):
        assert services.jobs.get(job.job_id).allowed_actions() == ["stop"]
        load_chunk(services, job.job_id, chunk)
    assert services.jobs.get(job.job_id).allowed_actions() == []
    with pytest.raises(Conflict, match="nothing left to stop") as refused:
        stop(services, job)
    assert refused.value.allowed_actions == ()
    ended = finish(services, job)
    assert (ended.status, ended.stop_reason, ended.outcome) == (Status.COMPLETED, None, Outcome.SUCCESS)


def test_a_stop_accepted_just_before_the_last_chunk_is_counted_is_in_the_ended_job(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, commit = planned(services, s3, builders.contacts_csv(count=3)), services.ledger.commit

    def stop_first(*arguments: Any) -> Any:
        stop(services, job)
        return commit(*arguments)

    monkeypatch.setattr(services.ledger, "commit", stop_first)
    ended = load_and_finish(services, job)
    assert (ended.status, ended.stop_reason, counts(ended)) == (Status.COMPLETED, "USER", (3, 3, 0, 0))


def test_what_changed_since_the_job_was_read_is_not_undone_by_its_end(services: Services, s3: Any) -> None:
    """The end was decided on an older read: a Stop, a restart and an option set meanwhile stay."""
    job = start(services, s3, builders.contacts_csv(count=3))
    read = services.jobs.begin(job.job_id)
    services.jobs.request_stop(job.job_id, "USER")
    services.jobs.count_restart(read)
    services.jobs.set_option(job.job_id, "parts", 7)
    ended = finished(read, Status.FAILED, Counts(0), services.clock.now(), services.jobs.retention, error_code="x")
    announced: list[Job] = []
    services.outbox.send = lambda job, done: announced.append(job) or True
    assert services.jobs.finish(ended, Status.IN_PROGRESS).stop_reason == "USER"
    stored = services.jobs.get(job.job_id)
    assert (stored.status, stored.stop_reason, stored.restarts) == (Status.FAILED, "USER", 1)
    assert stored.options["parts"] == 7
    assert [job.stop_reason for job in announced] == ["USER"]


def test_a_finish_that_was_taken_over_does_not_end_the_job(services: Services, s3: Any, clock: builders.Clock) -> None:
    job = planned(services, s3, builders.contacts_csv(count=3))
    load_chunk(services, job.job_id, 0)
    read = services.ledger.lease(job.job_id, FINISH, "first", 10)
    clock.forward(seconds=11)
    services.ledger.lease(job.job_id, FINISH, "second", 10)
    ended = finished(read, Status.COMPLETED, Counts(3, 3), clock.now(), services.jobs.retention)
    with pytest.raises(Superseded):
        services.jobs.finish(ended, Status.IN_PROGRESS, owns(FINISH, "first"))
    assert services.jobs.get(job.job_id).status is Status.IN_PROGRESS
    assert services.jobs.finish(ended, Status.IN_PROGRESS, owns(FINISH, "second")).is_terminal


def test_a_finish_that_stalls_before_its_last_write_does_not_end_the_job_that_another_one_has(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(services, s3, builders.contacts_csv(count=3))
    load_chunk(services, job.job_id, 0)

    def stall(*_: object) -> None:
        clock.forward(seconds=13)
        services.ledger.lease(job.job_id, FINISH, "second", 10)

    monkeypatch.setattr(services.duplicates, "remember", stall)
    with pytest.raises(Superseded):
        finish(services, job)
    assert services.jobs.get(job.job_id).status is Status.IN_PROGRESS


def test_a_finish_that_dies_before_its_last_write_runs_again(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(services, s3, builders.contacts_csv(BAD_ROWS, count=3))
    load_chunk(services, job.job_id, 0)
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(services.jobs, "finish", lambda *_, **__: (_ for _ in ()).throw(Crash))
        finish(services, job)
    clock.forward(seconds=60)
    ended = finish(services, job)
    assert counts(ended) == (8, 3, 5, 0)
    assert len(listed(services, job)) == 5


def test_a_plan_that_failed_late_does_not_end_a_job_that_another_plan_began(services: Services, s3: Any) -> None:
    from waybill.entities.row_results import RowError
    from waybill.imports.register import fail_import

    job = start(services, s3, builders.contacts_csv(count=3))
    read = services.jobs.begin(job.job_id)
    plan_import(services, job.job_id)
    with pytest.raises(Superseded):
        fail_import(services, read, [RowError.whole(None, "too-large", "It took too long.")])
    assert counts(load_and_finish(services, job)) == (3, 3, 0, 0)


@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_a_stop_while_the_file_is_planned_lists_every_row(services: Services, s3: Any, mode: str) -> None:
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=3), mode=mode)
    services.jobs.begin(job.job_id)
    stop(services, job)
    assert plan_import(services, job.job_id)["outcome"] == "planned"
    assert precheck_chunk(services, job.job_id, 0) and deduplicate_import(services, job.job_id)
    ended = load_and_finish(services, job)
    assert (ended.status, ended.stop_reason, counts(ended)) == (Status.COMPLETED, "USER", (8, 0, 0, 8))
    assert set(rejected_types(services, ended).values()) == {"stopped"}
    assert records(services) == {}


def test_a_stop_while_a_file_is_planned_that_cannot_be_imported_stays_in_the_failed_job(
    services: Services, s3: Any
) -> None:
    job = start(services, s3, b"contact_id,email\n")
    services.jobs.begin(job.job_id)
    stop(services, job)
    assert plan_import(services, job.job_id)["outcome"] == "failed"
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.error_code, failed.stop_reason) == (Status.FAILED, "empty-file", "USER")


def test_a_stop_after_all_or_nothing_has_found_bad_rows_is_kept(services: Services, s3: Any) -> None:
    """The import ends as stopped, as its person was told, and imports nothing."""
    object.__setattr__(services.settings, "chunk_bytes", 200)
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=9), **{"on-error": "all-or-nothing"})
    for chunk in range(plan_import(services, job.job_id)["chunks"]):
        precheck_chunk(services, job.job_id, chunk)
    assert deduplicate_import(services, job.job_id)
    stop(services, job)
    ended = load_and_finish(services, job)
    assert (ended.status, ended.stop_reason, ended.error_code) == (Status.COMPLETED, "USER", None)
    assert (ended.outcome, ended.counts.imported, records(services)) == (Outcome.FAILED, 0, {})
    assert len(listed(services, ended)) == ended.counts.total


@pytest.mark.parametrize("options", [{"mode": "insert"}, {"dry-run": "true"}, {"on-error": "all-or-nothing"}])
@pytest.mark.parametrize("done", ["no precheck", "one precheck", "all prechecks"])
def test_a_stop_during_the_checks_ends_without_checking_the_rest(
    services: Services, s3: Any, options: dict[str, str], done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 200)
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=9), **options)
    chunks = plan_import(services, job.job_id)["chunks"]
    for chunk in range({"no precheck": 0, "one precheck": 1}.get(done, chunks)):
        precheck_chunk(services, job.job_id, chunk)
    stop(services, job)
    monkeypatch.setattr("waybill.imports.precheck.chunk_segments", lambda *_: pytest.fail("the file is read"))
    for chunk in range(chunks):
        assert precheck_chunk(services, job.job_id, chunk)
    assert deduplicate_import(services, job.job_id)
    ended = load_and_finish(services, job)
    assert (ended.status, ended.stop_reason, counts(ended)) == (Status.COMPLETED, "USER", (14, 0, 0, 14))
    assert records(services) == {}


# What stands counts


ENDS = ["stop", "fail"]


def give_up(services: Services, job: Job, end: str, clock: builders.Clock) -> Job:
    """Stop the import, or let its step fail for good, after the dead worker's lease is over."""
    clock.forward(seconds=60)
    if end == "fail":
        return finish(services, job, "internal-error")
    stop(services, job)
    return load_and_finish(services, job)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", ["upsert", "insert", "merge", "update", "delete"])
def test_rows_that_a_dead_worker_wrote_count_as_imported(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    drop: Callable[..., Job],
    mode: str,
    end: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker dies before its first heartbeat: nobody was told what it wrote."""
    if mode in ("update", "delete"):
        drop(builders.contacts_csv(count=300))
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    job = planned(services, s3, builders.contacts_csv(BAD_ROWS[:4], count=300), mode=mode)
    die_in(services, job, 0, monkeypatch, 7 if mode == "upsert" else 150)
    standing = written_by(services, job)
    assert 0 < len(standing) < 300
    job = give_up(services, job, end, clock)
    assert job.counts.balances() and job.counts.imported == len(standing)
    assert written_by(services, job) == standing, "nothing is written once it is given up"
    assert {f"c{row - 2:06d}" for row in range(2, 302) if row not in listed(services, job)} == standing


def test_rows_that_left_a_value_in_place_of_a_default_count_as_imported(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = copy.deepcopy(builders.entity().schema)
    next(field for field in schema["fields"] if field["name"] == "email")["default"] = "none@example.com"
    services.entities.put(builders.entity(schema=schema))
    load_and_finish(services, planned(services, s3, builders.contacts_csv(count=2)))
    data = b"contact_id,spend,email\nc000000,5,\nc000001,6,\nnew,7,\n"
    job = planned(services, s3, data, mode="merge", blanks="keep")
    die_in(services, job, 0, monkeypatch, 99)
    job = give_up(services, job, "fail", clock)
    assert written_by(services, job) == {"c000000", "c000001", "new"}
    assert (job.counts.imported, job.counts.unprocessed) == (3, 0)


@pytest.mark.parametrize("end", ENDS)
def test_rows_on_their_way_when_a_worker_dies_do_not_count_as_written(
    services: Services, s3: Any, clock: builders.Clock, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request never arrives, and heartbeats tell of those after it."""
    monkeypatch.setattr("waybill.jobs.leases.HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    job = planned(services, s3, builders.contacts_csv(count=300))
    sent, send = itertools.count(), BatchWriter._send

    def losing(writer: BatchWriter, *arguments: Any) -> None:
        number = next(sent)
        if number == 12:
            raise Crash
        if number != 1:
            send(writer, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(BatchWriter, "_send", losing)
        load_chunk(services, job.job_id, 0)
    job = give_up(services, job, end, clock)
    standing = written_by(services, job)
    assert job.counts.imported == len(standing) > 0
    assert {f"c{row - 2:06d}" for row in range(2, 302) if row not in listed(services, job)} == standing


@pytest.mark.parametrize("end", ENDS)
def test_chunks_that_nobody_began_are_not_asked_for(
    services: Services, s3: Any, clock: builders.Clock, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 2000)
    job = planned(services, s3, builders.contacts_csv(count=200))
    die_in(services, job, 0, monkeypatch, 1)
    asked, call = [], services.dynamodb.call

    def counted(operation: str, request: Any) -> Any:
        if operation == "BatchGetItem":
            asked.append(request)
        return call(operation, request)

    monkeypatch.setattr(services.dynamodb, "call", counted)
    job = give_up(services, job, end, clock)
    assert job.counts.imported == len(live(services)) == 25
    assert len(asked) == 1


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("landed_last", ["row of chunk 0", "row of chunk 1"])
def test_of_a_repeated_key_the_row_that_stands_counts(
    services: Services, s3: Any, clock: builders.Clock, landed_last: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both chunks hold the key, and `_by` alone would not tell whose row it is."""
    object.__setattr__(services.settings, "chunk_bytes", 450)  # 20 rows in the first chunk
    again = [{"contact_id": f"c{number:06d}", "email": f"again{number}@example.com"} for number in range(10)]
    job = planned(services, s3, builders.contacts_csv(again, count=20))
    assert job.chunks == 2
    first, second = (0, 1) if landed_last == "row of chunk 1" else (1, 0)
    die_in(services, job, first, monkeypatch, 1)
    die_in(services, job, second, monkeypatch, 1)
    before = records(services, without=())
    job = give_up(services, job, end, clock)
    assert job.counts.balances() and job.counts.imported == len(before)
    left = set(range(2, 32)) - listed(services, job)
    assert {f"c{(row - 2) % 20:06d}" for row in left} == set(before)
    for row in left:
        expected = f"again{row - 22}@example.com" if row >= 22 else "a@example.com"
        assert before[f"c{(row - 2) % 20:06d}"]["email"]["S"] == expected
    assert records(services, without=()) == before, "no row is written that was not written before"


@pytest.mark.parametrize("end", ENDS)
def test_an_earlier_row_of_the_chunk_is_a_duplicate_of_the_one_that_stands(
    services: Services, s3: Any, clock: builders.Clock, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = [{"contact_id": f"c{number:06d}", "email": "again@example.com"} for number in range(5)]
    data = builders.contacts_csv(again, count=25) + builders.contacts_csv(count=60).partition(b"\n")[2]
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    job = planned(services, s3, data)
    die_in(services, job, 0, monkeypatch, 3)
    standing = {key: item["email"]["S"] for key, item in records(services).items()}
    job = give_up(services, job, end, clock)
    assert job.counts.balances() and job.counts.imported == len(standing)
    assert {key: item["email"]["S"] for key, item in records(services).items()} == standing
    types = rejected_types(services, job)
    imported = set(range(2, 92)) - set(types)
    assert len(imported) == len(standing)
    assert set(types.values()) <= {"duplicate-key", "stopped"} and "duplicate-key" in types.values()


def test_a_request_whose_reply_was_lost_counts_when_the_import_is_stopped(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker itself stops: it cannot know whether its last requests were applied, so it asks."""
    monkeypatch.setattr("waybill.jobs.leases.HEARTBEAT_SECONDS", 0.0)
    job = planned(services, s3, builders.contacts_csv(count=500))
    take, taken = BatchWriter._take_answer, itertools.count()

    def lose(writer: BatchWriter, connection: Any, error: Any) -> Any:
        number = next(taken)
        if number == 3:
            stop(services, job)
        if number >= 3:
            error = network_error(pycurl.E_OPERATION_TIMEDOUT, "no answer in time")
        return take(writer, connection, error)

    with monkeypatch.context() as patch:
        patch.setattr(BatchWriter, "_take_answer", lose)
        load_chunk(services, job.job_id, 0)
    job = finish(services, job)
    assert (job.status, job.stop_reason) == (Status.COMPLETED, "USER")
    assert job.counts.balances() and job.counts.imported == len(live(services)) > 0
    assert {row[3] for row in rejects(services, job)[1:]}.isdisjoint(live(services))


@pytest.mark.parametrize("end", ENDS)
def test_records_without_a_primary_key_count_as_they_stand(
    services: Services, s3: Any, clock: builders.Clock, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"fields": [{"name": "a", "type": "string"}, {"name": "n", "type": "number"}]}
    services.entities.put(builders.entity(schema=schema))
    job = planned(services, s3, b"a,n\n" + b"".join(b"x,%d.50\n" % number for number in range(100)))
    die_in(services, job, 0, monkeypatch, 2)
    job = give_up(services, job, end, clock)
    assert job.counts.balances() and job.counts.imported == len(records(services)) == 50


def test_a_dry_run_asks_for_nothing(
    services: Services, s3: Any, clock: builders.Clock, drop: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(builders.contacts_csv(count=5))
    job = planned(services, s3, builders.contacts_csv(count=5), **{"dry-run": "true"})
    monkeypatch.setattr(services.ledger, "commit", lambda *_: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        load_chunk(services, job.job_id, 0)
    monkeypatch.undo()
    monkeypatch.setattr(services.dynamodb, "call_bytes", lambda *_: pytest.fail("the table is asked"))
    job = give_up(services, job, "stop", clock)
    assert counts(job) == (5, 0, 0, 5)


def test_a_read_back_that_runs_out_of_time_goes_on_in_the_next_invocation(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    job = planned(services, s3, builders.contacts_csv(count=300))
    die_in(services, job, 0, monkeypatch, 7)
    standing = len(live(services))
    clock.forward(seconds=60)
    stop(services, job)
    entries = [load_chunk(services, job.job_id, 0, lambda: 1.0)]
    while not entries[-1].is_last:
        entries.append(load_chunk(services, job.job_id, 0, lambda: 1.0))
    assert len(entries) > 3
    job = finish(services, job)
    assert job.counts.balances() and job.counts.imported == standing == len(live(services))


def test_a_worker_that_came_further_than_the_next_ones_part_is_asked_for(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker commits a part and dies; that rows may be written beyond it is not forgotten."""
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    job = planned(services, s3, builders.contacts_csv(count=300))
    die_in(services, job, 0, monkeypatch, 7)
    clock.forward(seconds=60)
    assert not load_chunk(services, job.job_id, 0, lambda: 1.0).is_last
    standing = len(live(services))
    stop(services, job)
    job = load_and_finish(services, job)
    assert job.counts.balances() and job.counts.imported == standing == len(live(services)) > 50


ORDERS = {
    "fields": [{"name": "id", "type": "string"}, {"name": "price", "type": "number"}],
    "primaryKey": "id",
    "fieldsMatch": "subset",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", ["upsert", "insert", "merge", "update", "delete"])
def test_in_a_target_table_the_rows_that_stand_count(
    services: Services, s3: Any, clock: builders.Clock, mode: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = key_table("theirs", "id", services)
    services.entities.put(builders.entity(schema=ORDERS, target=Target("theirs", "modified_at")))
    if mode != "insert":
        with table.batch_writer() as batch:
            for number in range(100):
                batch.put_item(Item={"id": f"o{number}", "price": 0, "theirs": "kept"})
    data = b"id,price\n" + b"".join(b"o%d,%d.50\n" % (number, number) for number in range(100))
    job = planned(services, s3, data, mode=mode)
    die_in(services, job, 0, monkeypatch, 2 if mode == "upsert" else 50)
    job = give_up(services, job, end, clock)
    items = {item["id"] for item in table.scan()["Items"] if "modified_at" in item}
    standing = {f"o{number}" for number in range(100)} - {item["id"] for item in table.scan()["Items"]}
    standing = standing if mode == "delete" else items
    assert len(standing) == 50
    assert job.counts.balances() and job.counts.imported == 50
    assert {f"o{row - 2}" for row in range(2, 102) if row not in listed(services, job)} == standing


@pytest.mark.parametrize("seed", range(12))
def test_whatever_died_before_the_end_rejects_and_table_are_the_file(
    services: Services, s3: Any, clock: builders.Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeated keys within and across chunks; workers that die, are repeated, or never begin; then a Stop or the end of
    all retries. Each row says in its record which row it is."""
    chance = random.Random(seed)
    object.__setattr__(services.settings, "chunk_bytes", 450)
    monkeypatch.setattr("waybill.aws.dynamodb.MAX_BATCH_PUTS", 3)
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 300))
    keys = [f"c{chance.randrange(chance.choice((12, 60))):06d}" for _ in range(50)]
    emails = [f"row{row}@example.com" if chance.random() < 0.9 else "bad" for row in range(2, 52)]
    rows = [{"contact_id": key, "email": email} for key, email in zip(keys, emails, strict=True)]
    job = planned(services, s3, builders.contacts_csv(rows))
    sent: set[bytes] = set()
    send = BatchWriter._send

    def noted(writer: BatchWriter, connection: Any, body: bytes) -> None:
        sent.update(re.findall(rb"row\d+@", body))
        send(writer, connection, body)

    monkeypatch.setattr(BatchWriter, "_send", noted)
    chunks = job.chunks or 0
    assert chunks >= 3
    for chunk in chance.choices(range(chunks), k=2 * chunks):
        if chunk in services.ledger.entries(job.job_id):
            continue
        if chance.random() < 0.7:
            die_in(services, job, chunk, monkeypatch, chance.randrange(6))
        else:
            load_chunk(services, job.job_id, chunk)
        clock.forward(seconds=13)
    before = set(sent)
    if services.jobs.get(job.job_id).is_loaded:
        job = finish(services, job)
    else:
        job = give_up(services, job, chance.choice(ENDS), clock)
    assert sent <= before, "a row is written for the first time after the end was decided"
    imported = set(range(2, 52)) - listed(services, job)
    assert job.counts.balances() and job.counts.imported == len(imported)
    table = {key: item["email"]["S"] for key, item in records(services).items()}
    assert table == {keys[row - 2]: emails[row - 2] for row in imported}
    assert len(table) == len(imported), "one row of each key"
