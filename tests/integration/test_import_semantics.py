"""What an import does with good rows: modes, error policies, dry runs, unique values, stop, relaunch."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests import builders
from tests.integration.test_import import (
    BAD_ROWS,
    executions,
    records,
    rejected_types,
    rejects,
    run,
    start,
)
from waybill.aws.dynamodb import BatchWriter
from waybill.bootstrap import Services
from waybill.errors import Conflict
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.options import ImportOptions
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.imports.relaunch import relaunch_import
from waybill.jobs.model import Job, Outcome, Status
from waybill.upkeep import recovery
from waybill.upkeep.actions import cancel_job, stop_job

HEADER = "contact_id,email,spend,joined,vip\n"


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


@pytest.fixture
def drop(services: Services, s3: Any, clock: builders.Clock) -> Any:
    """Drops a file of its own name and runs its import to the end."""
    numbers = itertools.count()

    def drop_and_run(data: bytes, entity: str = "contacts", **metadata: str) -> Job:
        clock.forward(seconds=1)
        return run(services, start(services, s3, data, key=f"drop/{entity}/{next(numbers)}.csv", **metadata))

    return drop_and_run


def live(services: Services) -> set[str]:
    """Keys of the records that are no tombstones."""
    return {key for key, item in records(services).items() if "_gone" not in item}


def counts(job: Job) -> tuple[int | None, int, int, int]:
    return job.counts.total, job.counts.imported, job.counts.rejected, job.counts.unprocessed


def test_insert_refuses_what_is_there(services: Services, drop: Any) -> None:
    drop(builders.contacts_csv(count=2))
    job = drop(
        builders.contacts_csv([{"contact_id": "new"}, {"contact_id": "new", "spend": "9"}], count=3), mode="insert"
    )
    assert counts(job) == (5, 2, 3, 0)
    assert rejected_types(services, job) == {2: "exists", 3: "exists", 5: "duplicate-key"}
    assert records(services)["new"]["spend"] == {"N": "9"}


def test_update_changes_only_the_columns_of_the_file(services: Services, drop: Any) -> None:
    drop(builders.contacts_csv(count=2))
    job = drop(b"contact_id,spend\nc000000,99\nnobody,1\nc000001,\n", mode="update")
    assert counts(job) == (3, 2, 1, 0)
    assert rejected_types(services, job) == {3: "not-found"}
    stored = records(services)
    assert stored["c000000"]["spend"] == {"N": "99"} and stored["c000000"]["email"] == {"S": "a@example.com"}
    assert "spend" not in stored["c000001"]
    assert "nobody" not in stored


def test_delete_needs_only_the_key_and_leaves_no_record(services: Services, drop: Any) -> None:
    drop(builders.contacts_csv(count=3))
    job = drop(b"contact_id\nc000000\nc000002\nnobody\nc000000\n", mode="delete")
    assert counts(job) == (4, 2, 2, 0)
    assert rejected_types(services, job) == {2: "duplicate-key", 4: "not-found"}
    assert live(services) == {"c000001"}
    again = drop(b"contact_id\nc000000\n", mode="delete")
    assert rejected_types(services, again) == {2: "not-found"}
    assert counts(drop(builders.contacts_csv(count=1), mode="insert")) == (1, 1, 0, 0)
    assert live(services) == {"c000000", "c000001"}
    assert rejected_types(services, drop(b"contact_id,spend\nc000002,1\n", mode="update")) == {2: "not-found"}


@pytest.mark.parametrize("mode", ["insert", "update", "delete"])
def test_an_attempt_that_meets_its_own_writes_counts_them_as_done(
    services: Services, s3: Any, clock: builders.Clock, drop: Any, mode: str
) -> None:
    if mode != "insert":
        drop(builders.contacts_csv(count=30))
    clock.forward(seconds=1)
    job = start(services, s3, builders.contacts_csv(count=30), key="drop/contacts/x.csv", mode=mode)
    planned = plan_import(services, job.job_id)
    assert planned["needsPrecheck"]

    precheck_chunk(services, job.job_id, 0)
    deduplicate_import(services, job.job_id)
    original = services.ledger.commit
    services.ledger.commit = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        load_chunk(services, job.job_id, 0)
    services.ledger.commit = original  # type: ignore[method-assign]
    clock.forward(seconds=60)
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    assert counts(services.jobs.get(job.job_id)) == (30, 30, 0, 0)


def test_abort_stops_at_the_row_that_reaches_the_limit(services: Services, drop: Any) -> None:
    bad = [{"contact_id": f"bad{number}", "email": "nobody"} for number in range(5)]
    data = builders.contacts_csv(bad, count=10) + builders.contacts_csv(count=20).partition(b"\n")[2]
    job = drop(data, **{"on-error": "abort", "max-errors": "2"})
    assert (job.status, job.stop_reason, job.outcome) == (Status.COMPLETED, "MAX_ERRORS", Outcome.PARTIAL_SUCCESS)
    assert counts(job) == (35, 10, 2, 23)
    assert live(services) == {f"c{number:06d}" for number in range(10)}
    types = rejected_types(services, job)
    assert [types[row] for row in range(12, 37)] == ["type-error"] * 2 + ["stopped"] * 23


def test_all_or_nothing_writes_nothing_for_one_bad_row(services: Services, drop: Any) -> None:
    job = drop(builders.contacts_csv(BAD_ROWS, count=3), **{"on-error": "all-or-nothing"})
    assert (job.status, job.error_code, job.outcome) == (Status.FAILED, "rejected-rows", Outcome.FAILED)
    assert counts(job) == (8, 0, 5, 3)
    assert records(services) == {}
    types = rejected_types(services, job)
    assert types[3] == "duplicate-key" and [types[row] for row in (2, 4, 9)] == ["stopped"] * 3
    good = drop(builders.contacts_csv(count=3), **{"on-error": "all-or-nothing"})
    assert (good.status, counts(good)) == (Status.COMPLETED, (3, 3, 0, 0))
    exists = drop(
        builders.contacts_csv([{"contact_id": "new"}], count=1), mode="insert", **{"on-error": "all-or-nothing"}
    )
    assert (exists.error_code, counts(exists)) == ("rejected-rows", (2, 0, 1, 1))
    assert rejected_types(services, exists) == {2: "exists", 3: "stopped"}


@pytest.mark.parametrize(("mode", "expected"), [("upsert", (8, 3, 5, 0)), ("insert", (8, 2, 6, 0))])
def test_a_dry_run_says_what_would_be_and_writes_nothing(
    services: Services, drop: Any, mode: str, expected: tuple[int, ...]
) -> None:
    drop(builders.contacts_csv(count=1))
    before = records(services, without=())
    job = drop(builders.contacts_csv(BAD_ROWS, count=3), mode=mode, **{"dry-run": "true"})
    assert (job.dry_run, job.status) == (True, Status.COMPLETED)
    assert counts(job) == expected
    assert records(services, without=()) == before


def test_a_dry_run_does_not_wait_for_its_turn(services: Services, s3: Any, clock: builders.Clock) -> None:
    start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    dry = start(services, s3, builders.contacts_csv(count=2), key="drop/contacts/2.csv", **{"dry-run": "true"})
    assert dry.job_id in executions(services)


UNIQUE = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "email", "type": "string", "constraints": {"unique": True}},
        {"name": "a", "type": "string"},
        {"name": "b", "type": "number"},
    ],
    "primaryKey": "id",
    "uniqueKeys": [["a", "b"]],
}


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_of_equal_unique_values_the_first_stays(services: Services, drop: Any, chunk_bytes: int) -> None:
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    services.entities.put(builders.entity("unique", schema=UNIQUE))
    rows = [
        "1,x,p,1",  # loses its key to row 7, so that row 3 is the first with its e-mail
        "2,x,q,1",
        "3,x,r,1",  # e-mail of row 3
        "4,,q,1.0",  # a and b of row 3: 1.0 is 1
        "5,,s,",  # nulls are ignored
        "1,y,t,2",
        "6,,s,",
        "7,z,t,2.00",  # a and b of row 7
    ]
    job = drop(f"id,email,a,b\n{chr(10).join(rows)}\n".encode(), entity="unique")
    assert rejected_types(services, job) == {
        2: "duplicate-key",
        4: "unique-error",
        5: "unique-error",
        9: "unique-error",
    }
    assert live(services) == {"1", "2", "5", "6"}
    reasons = {int(row[0]): row[2] for row in rejects(services, job)[1:]}
    assert "row 3" in reasons[4] and "row 3" in reasons[5] and "row 7" in reasons[9]


def test_stop_lists_the_rows_that_were_not_written(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.jobs.leases.HEARTBEAT_SECONDS", 0.0)
    data = builders.contacts_csv([{"contact_id": "bad", "email": "nobody"}], count=2000)
    job = start(services, s3, data)
    plan_import(services, job.job_id)
    sent = 0
    original = BatchWriter._send

    def send(*arguments: Any) -> None:
        nonlocal sent
        original(*arguments)
        sent += 1
        if sent == 7:
            stop_job(services, services.jobs.get(job.job_id))

    monkeypatch.setattr(BatchWriter, "_send", send)
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.stop_reason) == (Status.COMPLETED, "USER")
    assert job.counts.total == 2001 and job.counts.balances()
    assert 0 < job.counts.imported == len(live(services)) < 2000
    assert sent == 7
    listed = {row[3] for row in rejects(services, job)[1:]}
    assert listed | live(services) == {f"c{number:06d}" for number in range(2000)} | {"bad"}
    assert not listed & live(services)


@pytest.mark.parametrize("mode", ["upsert", "insert", "update", "delete"])
@pytest.mark.parametrize("end", ["stop", "fail"])
def test_what_a_dead_attempt_wrote_counts_when_nobody_goes_on(
    services: Services, s3: Any, clock: builders.Clock, drop: Any, mode: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies in the middle, then the import is stopped or given up: progress does not fall, and who is listed as
    stopped was not known to be written."""
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
    assert job.counts.imported == len(written) and written <= set(before)


def test_a_refused_import_that_is_stopped_imports_nothing(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(BAD_ROWS, count=3), **{"on-error": "all-or-nothing"})
    plan_import(services, job.job_id)

    precheck_chunk(services, job.job_id, 0)
    deduplicate_import(services, job.job_id)
    services.ledger.lease(job.job_id, 0, "dead", 0)
    stop_job(services, services.jobs.get(job.job_id))
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.error_code, job.counts.imported, records(services)) == ("rejected-rows", 0, {})


def test_a_file_overwritten_before_its_check_ends_as_source_changed(services: Services, s3: Any) -> None:
    from waybill.aws.files import SourceChanged

    job = start(services, s3, builders.contacts_csv(count=3), mode="insert")
    plan_import(services, job.job_id)
    s3.put_object(Bucket="drop-bucket", Key="drop/contacts/contacts.csv", Body=b"something else")
    with pytest.raises(SourceChanged):
        precheck_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id, "internal-error")
    ended = services.jobs.get(job.job_id)
    assert (ended.error_code, counts(ended)) == ("source-changed", (3, 0, 0, 3))


def test_a_waiting_import_can_be_canceled_and_nothing_else(services: Services, s3: Any, clock: builders.Clock) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    second = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/2.csv")
    with pytest.raises(Conflict):
        stop_job(services, second)
    canceled = cancel_job(services, second)
    assert (canceled.status, canceled.outcome, counts(canceled)) == (Status.CANCELED, None, (0, 0, 0, 0))
    services.jobs.begin(first.job_id)
    with pytest.raises(Conflict):
        cancel_job(services, services.jobs.get(first.job_id))
    with pytest.raises(Conflict):
        cancel_job(services, canceled)


def test_a_relaunch_imports_just_the_rows_that_were_left(services: Services, drop: Any, clock: builders.Clock) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    # what was wrong with the rows is now right: the schema takes any e-mail
    schema = {**builders.CONTACTS_SCHEMA, "fields": [dict(field) for field in builders.CONTACTS_SCHEMA["fields"]]}  # type: ignore[attr-defined]
    schema["fields"][1] = {"name": "email", "type": "string"}  # type: ignore[index]
    services.entities.put(builders.entity(schema=schema))
    clock.forward(seconds=1)
    child = relaunch_import(services, parent, "alice", "alice-id")
    assert (child.retry_of, child.file_name, child.started_by) == (parent.job_id, parent.file_name, "alice")
    child = run(services, child)
    assert counts(child) == (4, 1, 3, 0)
    assert "bad-email" in live(services)
    assert "duplicate-key" not in rejected_types(services, child).values()


def test_there_is_nothing_to_relaunch_where_only_repeated_keys_are_left(services: Services, drop: Any) -> None:
    job = drop(builders.contacts_csv([{"contact_id": "c000000"}], count=1))
    assert counts(job) == (2, 1, 1, 0)
    with pytest.raises(Conflict):
        relaunch_import(services, job, "alice", "alice-id")
    with pytest.raises(Conflict):
        relaunch_import(services, drop(builders.contacts_csv(count=7)), "alice", "alice-id")


def test_the_same_content_twice_is_noticed_and_can_be_refused(services: Services, drop: Any) -> None:
    first = drop(builders.contacts_csv(count=2))
    second = drop(builders.contacts_csv(count=2))
    assert (first.duplicate_of, second.duplicate_of) == (None, first.job_id)
    services.entities.put(builders.entity(refuse_duplicates=True))
    third = drop(builders.contacts_csv(count=2))
    assert (third.status, third.error_code) == (Status.FAILED, "duplicate-file")
    assert second.job_id in str(third.error_message)


def test_the_formula_guard_is_taken_off_when_asked_for(services: Services, s3: Any) -> None:
    services.entities.put(
        builders.entity("text", schema={"fields": [{"name": "id"}, {"name": "t"}], "primaryKey": "id"})
    )
    job = start(services, s3, b"id,t\n1,'=1+1\n2,''=x\n3,'plain\n4,=1\n", key="drop/text/a.csv")
    options = ImportOptions(unescape_formulas=True).to_document()
    services.jobs.begin(job.job_id)
    for name, value in options.items():
        services.jobs.set_option(job.job_id, name, value)
    run(services, job)
    assert {key: item["t"]["S"] for key, item in records(services).items()} == {
        "1": "=1+1",
        "2": "'=x",
        "3": "'plain",
        "4": "=1",
    }


@pytest.mark.parametrize("survives", [1, 3, 5])
def test_a_chunk_that_takes_longer_than_an_invocation_goes_on_in_the_next(
    services: Services, s3: Any, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.tabular.records.BLOCK_BYTES", 1000)
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 1000))
    job = start(services, s3, builders.contacts_csv([*BAD_ROWS], count=300))
    plan_import(services, job.job_id)
    invocations = 0
    while True:
        invocations += 1
        calls = itertools.count()
        entry = load_chunk(services, job.job_id, 0, lambda calls=calls: 900.0 if next(calls) < survives else 1.0)
        if entry.is_last:
            break
        assert services.jobs.get(job.job_id).status is Status.IN_PROGRESS
    assert invocations > 2
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert counts(job) == (305, 300, 5, 0)
    assert sorted(rejected_types(services, job).items()) == [
        (3, "duplicate-key"),
        (302, "type-error"),
        (303, "constraint-error"),
        (304, "missing-key"),
        (305, "type-error"),
    ]


def test_a_job_that_nobody_works_on_is_started_anew_and_ends_after_its_attempts(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    assert recovery.recover_jobs(services) == 0, "it was at work just now"
    for restart in range(1, recovery.MAX_RESTARTS + 1):
        clock.forward(seconds=61 * restart)
        stop_executions(services)
        assert recovery.recover_jobs(services) == 1
        assert f"{job.job_id}-{restart}" in executions(services)
        assert services.jobs.get(job.job_id).restarts == restart
    clock.forward(seconds=600)
    stop_executions(services)
    assert recovery.recover_jobs(services) == 1
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "internal-error", (3, 0, 0, 3))
    assert len(rejects(services, job)) == 4
    assert recovery.recover_jobs(services) == 0


def stop_executions(services: Services) -> None:
    import boto3

    client = boto3.client("stepfunctions", endpoint_url=services.settings.aws_endpoint_url, region_name="us-east-1")
    for execution in client.list_executions(stateMachineArn=services.settings.import_state_machine)["executions"]:
        client.stop_execution(executionArn=execution["executionArn"])


@pytest.mark.parametrize(
    "metadata",
    [
        {"mode": "wipe"},
        {"columns": "[1]"},
        {"columns": '{"E-mail": 7}'},
        {"max-errors": "x"},
        {"encoding": "klingon"},
        {"dialect": "{"},
        {"dialect": '{"headerRows": [1.5]}'},
        {"dialect": '{"delimiter": ["a", "b"]}'},
    ],
)
def test_metadata_that_cannot_be_used_fails_the_job(services: Services, s3: Any, metadata: dict[str, str]) -> None:
    job = start(services, s3, builders.contacts_csv(count=1), **metadata)
    assert (job.status, job.error_code) == (Status.FAILED, "source-error")
    assert next(iter(metadata)) in str(job.error_message)


def test_columns_of_the_file_are_mapped_to_fields(services: Services, drop: Any) -> None:
    data = builders.contacts_csv(count=1).replace(b"contact_id", b"Customer No")
    job = drop(data, columns='{"Customer No": "contact_id"}')
    assert counts(job) == (1, 1, 0, 0)
