"""What people do to imports: stop, cancel, relaunch."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.importing import BAD_ROWS, all_jobs, counts, live, records, rejected_types, rejects, run, start
from tests.lost_replies import ALL, lost_replies
from waybill.aws.dynamodb import BatchWriter, DynamoDBError
from waybill.bootstrap import Services
from waybill.errors import Conflict, NotFound
from waybill.exports.report import is_relaunchable
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.error_log import error_page
from waybill.imports.finish import finish_import
from waybill.imports.job_files import rejects_key
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.imports.relaunch import relaunch_import
from waybill.jobs.model import Job, Status, job_prefix
from waybill.upkeep.actions import cancel_job, delete_job, stop_job


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


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
    assert (job.status, job.stop_reason, job.counts.imported) == (Status.COMPLETED, "USER", 0)
    assert job.counts.balances() and records(services) == {}


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
    assert not is_relaunchable(job)


@pytest.mark.parametrize("options", [{}, {"dry-run": "true"}], ids=str)
def test_a_child_job_and_a_rejects_file_sent_again_keep_the_numbers_of_the_original_rows(
    services: Services, drop: Any, options: dict[str, str]
) -> None:
    rows = [{"contact_id": "x", "email": "nobody"}, {"contact_id": "twice", "email": "no"}, {"contact_id": "y"}]
    rows += [{"contact_id": "twice", "email": "no"}, {"contact_id": "", "spend": "1"}]
    parent = drop(builders.contacts_csv(rows, count=3), **options)
    assert rejected_types(services, parent) == {5: "type-error", 6: "type-error", 8: "type-error", 9: "missing-key"}
    schema = {**builders.CONTACTS_SCHEMA, "fields": [dict(field) for field in builders.CONTACTS_SCHEMA["fields"]]}  # type: ignore[attr-defined]
    schema["fields"][1] = {"name": "email", "type": "string"}  # type: ignore[index]
    services.entities.put(builders.entity(schema=schema))
    data = services.files.read(services.settings.files_bucket, rejects_key(parent.job_id))
    relaunched = run(services, relaunch_import(services, parent, "alice", "alice-id"))
    for child in (relaunched, drop(data, **options)):
        assert rejected_types(services, child) == {6: "duplicate-key", 9: "missing-key"}
        items, _, _ = error_page(services.files, services.settings.files_bucket, child, 10, None)
        assert [item["rowNumber"] for item in items] == [6, 9]
        assert "Row 8" in items[0]["message"] and "Row 8" in rejects(services, child)[1][2]


def test_a_null_of_json_lines_stays_a_null_when_its_row_is_imported_again(services: Services, drop: Any) -> None:
    """Also where no text of a cell means null."""

    def put(type_of_n: str) -> None:
        fields = [{"name": "id", "type": "integer", "constraints": {"required": True}}, {"name": "s"}]
        fields += [{"name": "n", "type": type_of_n, "constraints": {"required": type_of_n == "integer"}}]
        schema = {"fields": fields, "primaryKey": "id", "missingValues": []}
        services.entities.put(builders.entity("things", schema=schema))

    put("integer")
    job = drop(b'{"id": 1, "s": null, "n": null}\n{"id": 2, "s": null, "n": "x"}\n', entity="things")
    items, _, _ = error_page(services.files, services.settings.files_bucket, job, 10, None)
    assert [(item["type"], item["cell"]) for item in items] == [("constraint-error", ""), ("type-error", "x")]
    data = services.files.read(services.settings.files_bucket, rejects_key(job.job_id))
    put("string")
    for child in (run(services, relaunch_import(services, job, "alice", "alice-id")), drop(data, entity="things")):
        assert counts(child) == (2, 2, 0, 0)
        assert ["s" in record for record in records(services).values()] == [False, False]
        assert {len(record) for record in records(services).values()} == {3, 4}


@pytest.mark.parametrize("left", [1, 0])
def test_rows_whose_text_is_gone_are_not_relaunched(services: Services, s3: Any, left: int) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 64)
    data = builders.contacts_csv([{"contact_id": "bad", "email": "nobody"}] * left + [{"contact_id": "c"}] * 9)
    job = start(services, s3, data)
    plan_import(services, job.job_id)
    load_chunk(services, job.job_id, 0)
    s3.delete_object(Bucket=job.source_bucket, Key=job.source_key)
    job = run(services, job)
    assert (job.error_code, is_relaunchable(job)) == ("source-changed", left > 0)
    assert job.counts.lost >= job.counts.unprocessed > 0 and job.counts.importable == left
    if left:
        child = run(services, relaunch_import(services, job, "alice", "alice-id"))
        assert rejects(services, child)[1][1] == "type-error" and counts(child) == (1, 0, 1, 0)
    else:
        with pytest.raises(Conflict, match="text is gone"):
            relaunch_import(services, job, "alice", "alice-id")


def relaunchable(services: Services, drop: Any) -> Job:
    """An ended import whose rejected rows are right now that the schema takes any e-mail."""
    parent: Job = drop(builders.contacts_csv(BAD_ROWS, count=3))
    schema = {**builders.CONTACTS_SCHEMA, "fields": [dict(field) for field in builders.CONTACTS_SCHEMA["fields"]]}  # type: ignore[attr-defined]
    schema["fields"][1] = {"name": "email", "type": "string"}  # type: ignore[index]
    services.entities.put(builders.entity(schema=schema))
    return parent


def test_a_second_relaunch_finds_the_child_that_has_not_ended(services: Services, drop: Any) -> None:
    parent = relaunchable(services, drop)
    child = relaunch_import(services, parent, "alice", "alice-id")
    parent = services.jobs.get(parent.job_id)
    assert relaunch_import(services, parent, "bob", "bob-id") == child
    services.jobs.begin(child.job_id)
    assert relaunch_import(services, parent, "bob", "bob-id").job_id == child.job_id


def test_rows_are_relaunched_again_only_from_the_child_that_has_imported_some(services: Services, drop: Any) -> None:
    parent = relaunchable(services, drop)
    child = run(services, relaunch_import(services, parent, "alice", "alice-id"))
    assert child.counts.imported and child.has_rejects
    parent = services.jobs.get(parent.job_id)
    with pytest.raises(Conflict, match=child.job_id):
        relaunch_import(services, parent, "alice", "alice-id")
    grandchild = relaunch_import(services, child, "alice", "alice-id")
    assert grandchild.retry_of == child.job_id


def test_a_relaunch_that_imported_nothing_or_was_deleted_can_be_repeated(services: Services, drop: Any) -> None:
    parent = relaunchable(services, drop)
    canceled = cancel_job(services, relaunch_import(services, parent, "alice", "alice-id"))
    parent = services.jobs.get(parent.job_id)
    child = run(services, relaunch_import(services, parent, "alice", "alice-id"))
    assert (child.counts.imported, canceled.job_id != child.job_id) == (1, True)
    delete_job(services, child)
    parent = services.jobs.get(parent.job_id)
    assert relaunch_import(services, parent, "alice", "alice-id").job_id != child.job_id


def test_of_two_relaunches_at_once_one_makes_the_child(
    services: Services, drop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = relaunchable(services, drop)
    head, others = services.files.head, []

    def head_after_another(bucket: str, key: str) -> Any:
        if not others:
            others.append(None)
            others.append(relaunch_import(services, parent, "bob", "bob-id"))
        return head(bucket, key)

    monkeypatch.setattr(services.files, "head", head_after_another)
    child = relaunch_import(services, parent, "alice", "alice-id", "00000000-0000-4000-8000-000000000001")
    assert child == others[1]
    assert {job.job_id for job in all_jobs(services)} == {parent.job_id, child.job_id}
    loser = f"{job_prefix('00000000-0000-4000-8000-000000000001')}source"
    assert head(services.settings.files_bucket, loser) is None


@pytest.mark.parametrize("meanwhile", ["deleted", "files lost"])
def test_a_relaunch_of_a_job_that_is_deleted_meanwhile_is_refused(
    services: Services, drop: Any, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    really = services.files.head

    def after_deletion(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(services.files, "head", really)
        if meanwhile == "deleted":
            delete_job(services, parent)
        else:
            services.files.delete_prefix(services.settings.files_bucket, job_prefix(parent.job_id))
        return really(*arguments, **named)

    monkeypatch.setattr(services.files, "head", after_deletion)
    with pytest.raises(NotFound if meanwhile == "deleted" else Conflict, match="job"):
        relaunch_import(services, parent, "alice", "alice-id")
    assert all_jobs(services) == ([] if meanwhile == "deleted" else [parent])


def test_a_relaunch_whose_reply_is_lost_makes_one_child(services: Services, drop: Any) -> None:
    parent = relaunchable(services, drop)
    child_id = "00000000-0000-4000-8000-000000000001"
    with lost_replies(services.dynamodb, "TransactWriteItems", ALL), pytest.raises(DynamoDBError):
        relaunch_import(services, parent, "alice", "alice-id", child_id)
    parent = services.jobs.get(parent.job_id)
    assert relaunch_import(services, parent, "alice", "alice-id", child_id).job_id == child_id
    assert relaunch_import(services, parent, "alice", "alice-id").job_id == child_id
    assert run(services, services.jobs.get(child_id)).counts.imported == 1
    assert relaunch_import(services, parent, "alice", "alice-id", child_id).is_terminal  # the first one's answer
