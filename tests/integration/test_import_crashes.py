"""An import survives crashes, repeated steps and an overwritten file, with every row accounted for."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest

from tests import builders
from tests.importing import (
    BAD_ROWS,
    Crash,
    counts,
    drop_object,
    executions,
    records,
    rejects,
    run,
    start,
    stop_executions,
)
from waybill.bootstrap import Services
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.model import Job, Outcome, Status
from waybill.upkeep import recovery
from waybill.upkeep.actions import stop_job


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def row_reason(services: Services, job: Job) -> str:
    return rejects(services, job)[1][2]


def test_a_file_overwritten_between_plan_and_load_is_accounted_for(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    drop_object(services, s3, b"something else")
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code) == (Status.FAILED, "source-changed")
    assert (job.counts.total, job.counts.imported, job.counts.unprocessed) == (3, 0, 3)
    assert rejects(services, job)[1:] == [
        [str(row), "source-changed", row_reason(services, job), "", "", "", "", ""] for row in (2, 3, 4)
    ]


@pytest.mark.parametrize(("rows", "status"), [(builders.contacts_csv(count=3), "COMPLETED"), (b"", "FAILED")])
def test_a_file_overwritten_between_load_and_finish_fails_where_it_is_needed_again(
    services: Services, s3: Any, rows: bytes, status: str
) -> None:
    """Nobody can tell any more which row of a repeated key came last: the job must not look as if all went well."""
    job = start(services, s3, rows or builders.contacts_csv([{"contact_id": "c000001"}], count=3))
    plan_import(services, job.job_id)
    load_chunk(services, job.job_id, 0)
    drop_object(services, s3, b"something else")
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code) == (status, "source-changed" if status == "FAILED" else None)


def test_a_file_overwritten_before_its_precheck_ends_as_source_changed(services: Services, s3: Any) -> None:
    from waybill.aws.files import SourceChanged

    job = start(services, s3, builders.contacts_csv(count=3), mode="insert")
    plan_import(services, job.job_id)
    s3.put_object(Bucket="drop-bucket", Key="drop/contacts/contacts.csv", Body=b"something else")
    with pytest.raises(SourceChanged):
        precheck_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id, "internal-error")
    ended = services.jobs.get(job.job_id)
    assert (ended.error_code, counts(ended)) == ("source-changed", (3, 0, 0, 3))


def test_every_step_can_be_run_again(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=30))
    plan_import(services, job.job_id)
    plan_import(services, job.job_id)
    first = load_chunk(services, job.job_id, 0)
    assert load_chunk(services, job.job_id, 0) == first
    finish_import(services, job.job_id)
    ended = services.jobs.get(job.job_id)
    finish_import(services, job.job_id)
    assert services.jobs.get(job.job_id) == ended
    assert (ended.counts.imported, ended.counts.rejected) == (30, 5)


@pytest.mark.parametrize("survived", range(16))
def test_a_crash_after_any_write_of_a_load_changes_nothing_in_the_end(
    services: Services, s3: Any, clock: builders.Clock, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt dies at its n-th request; the retry ends as an undisturbed run does."""
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=60))
    plan_import(services, job.job_id)
    left = survived

    def dying(original: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        from waybill.aws.dynamodb import BatchWriter, DynamoDB
        from waybill.aws.files import Files

        patch.setattr(DynamoDB, "call", dying(DynamoDB.call))
        patch.setattr(Files, "put", dying(Files.put))
        patch.setattr(BatchWriter, "_send", dying(BatchWriter._send))
        with contextlib.suppress(Crash):
            load_chunk(services, job.job_id, 0)
    clock.forward(seconds=60)  # the dead attempt's lease is over
    load_chunk(services, job.job_id, 0)
    loaded = services.jobs.get(job.job_id)
    assert (loaded.processed, loaded.is_loaded) == (65, True), "each row counts once while the job runs, too"
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.counts.imported, job.counts.rejected) == (Status.COMPLETED, 60, 5)
    assert len(records(services)) == 60
    assert len(rejects(services, job)) == 6


def test_a_step_that_fails_for_good_ends_the_job_with_every_row_accounted_for(services: Services, s3: Any) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 200)
    job = start(services, s3, builders.contacts_csv(count=20))
    planned = plan_import(services, job.job_id)
    loaded = load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id, "internal-error")
    job = services.jobs.get(job.job_id)
    assert planned["chunks"] > 2
    assert (job.status, job.error_code, job.outcome) == (Status.FAILED, "internal-error", Outcome.FAILED)
    assert (job.counts.total, job.counts.imported) == (20, loaded.imported)
    assert job.counts.unprocessed == 20 - loaded.imported
    assert len(rejects(services, job)) == 1 + job.counts.unprocessed


@pytest.mark.parametrize("mode", ["upsert", "insert", "update", "delete"])
@pytest.mark.parametrize("end", ["stop", "fail"])
def test_what_a_dead_attempt_wrote_counts_when_nobody_goes_on(
    services: Services, s3: Any, clock: builders.Clock, drop: Any, mode: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies in the middle, then the import is stopped or given up: progress does not fall, and just the rows
    that stand in the table count as imported."""
    monkeypatch.setattr("waybill.jobs.leases.HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    if mode != "upsert":
        drop(builders.contacts_csv([{"contact_id": f"c{number:06d}"} for number in range(0, 300, 10)]))
    clock.forward(seconds=1)
    data = builders.contacts_csv([*BAD_ROWS, {"contact_id": "c000250"}], count=300)
    job = start(services, s3, data, key="drop/contacts/x.csv", mode=mode)
    if plan_import(services, job.job_id)["needsPrecheck"]:
        precheck_chunk(services, job.job_id, 0)
        deduplicate_import(services, job.job_id)
    heartbeat, beats, seen = services.ledger.heartbeat, itertools.count(), 0

    def dying(*arguments: Any) -> Job:
        nonlocal seen
        if next(beats) == {"upsert": 18, "insert": 150}.get(mode, 25):
            raise KeyboardInterrupt
        beaten = heartbeat(*arguments)
        assert beaten.processed >= seen
        seen = beaten.processed
        return beaten

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(services.ledger, "heartbeat", dying)
        load_chunk(services, job.job_id, 0)
    assert 0 < seen < 290
    clock.forward(seconds=60)
    before = {key: item for key, item in records(services, without=()).items() if item["_by"]["S"] == job.job_id}
    if end == "stop":
        stop_job(services, services.jobs.get(job.job_id))
        load_chunk(services, job.job_id, 0)
        assert services.jobs.get(job.job_id).processed >= seen
    finish_import(services, job.job_id, None if end == "stop" else "internal-error")
    job = services.jobs.get(job.job_id)
    assert job.processed >= seen and job.counts.balances() and job.counts.unprocessed > 0
    after = {key: item for key, item in records(services, without=()).items() if item["_by"]["S"] == job.job_id}
    assert {key: item["_at"] for key, item in after.items()} == {key: item["_at"] for key, item in before.items()}
    listed = {int(row[0]) for row in rejects(services, job)[1:]}
    written = {f"c{row - 2:06d}" for row in range(2, 302) if row not in listed}
    assert job.counts.imported == len(written) and written == set(before)


def recovered(services: Services, clock: builders.Clock, minutes: float) -> int:
    """Every execution dies, and some time later the schedule looks."""
    stop_executions(services)
    clock.forward(minutes=minutes)
    return recovery.recover_jobs(services)


def test_a_job_whose_executions_die_is_restarted_for_an_hour_and_then_times_out(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    assert recovery.recover_jobs(services) == 0, "it was at work just now"
    for restart in range(1, 8):
        assert recovered(services, clock, 10) == 1
        assert f"{job.job_id}-{restart}" in executions(services)
        assert services.jobs.get(job.job_id).restarts == restart
    assert recovered(services, clock, 10) == 1
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "timed-out", (3, 0, 0, 3))
    assert len(rejects(services, job)) == 4
    assert recovery.recover_jobs(services) == 0


def test_executions_that_die_one_after_the_other_within_minutes_end_no_job(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    for _ in range(20):
        assert recovered(services, clock, 1.1) == 1
    assert run(services, job).status is Status.COMPLETED


def test_a_job_that_comes_forward_between_its_restarts_is_never_given_up(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """Such as one that takes several days: an execution ends after 24 hours."""
    job = start(services, s3, builders.contacts_csv(count=3))
    for _ in range(5):
        plan_import(services, job.job_id)
        assert recovered(services, clock, 24 * 60) == 1
    assert run(services, job).status is Status.COMPLETED


def test_a_job_whose_last_step_outlasts_its_retries_is_taken_up_again(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """An outage of hours: the execution has failed in its step fail, and nobody has ended the job."""
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    assert recovered(services, clock, 5 * 60) == 1
    assert run(services, job).status is Status.COMPLETED


def test_an_import_that_hands_its_turn_back_is_not_nearer_to_its_end(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    second = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    assert recovered(services, clock, 2) == 1, "the first one's execution"
    for _ in range(5):
        plan_import(services, first.job_id)
        assert plan_import(services, second.job_id)["outcome"] == "waiting"
        clock.forward(hours=2)
    run(services, first)
    assert recovered(services, clock, 2) == 1
    assert run(services, second).status is Status.COMPLETED


def test_a_waiting_import_whose_execution_died_is_restarted(services: Services, s3: Any, clock: builders.Clock) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    second = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    stop_executions(services)
    clock.forward(seconds=61)
    assert recovery.recover_jobs(services) == 1
    assert executions(services) == {first.job_id, f"{first.job_id}-1"}
    assert recovery.recover_jobs(services) == 0, "it is running"
    assert run(services, first).status is Status.COMPLETED
    assert second.job_id in executions(services)


def test_a_waiting_import_whose_executions_always_die_fails_and_the_next_one_runs(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    second = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv")
    for _ in range(5):
        assert recovered(services, clock, 20) == 1
    failed = services.jobs.get(first.job_id)
    assert (failed.status, failed.error_code, counts(failed)) == (Status.FAILED, "timed-out", (0, 0, 0, 0))
    assert second.job_id in executions(services)
    assert run(services, second).status is Status.COMPLETED


def test_a_heartbeat_from_a_fast_clock_delays_no_recovery(services: Services, s3: Any, clock: builders.Clock) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    clock.forward(hours=1)
    plan_import(services, job.job_id)
    clock.forward(hours=-1)
    clock.forward(minutes=2)
    assert recovery.recover_jobs(services) == 0, "its execution is running"
    assert recovered(services, clock, 6) == 1
    assert f"{job.job_id}-1" in executions(services)
    assert run(services, job).status is Status.COMPLETED


def test_a_registration_by_a_fast_clock_delays_no_recovery(services: Services, s3: Any, clock: builders.Clock) -> None:
    clock.forward(hours=1)
    job = start(services, s3, builders.contacts_csv(count=3))
    clock.forward(hours=-1)
    assert recovered(services, clock, 2) == 1
    assert f"{job.job_id}-1" in executions(services)
