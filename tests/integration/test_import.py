"""Imports on moto: from the S3 event to the last file, and through every crash on the way."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from typing import Any

import pytest

from tests import builders
from waybill.bootstrap import Services
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.error_log import error_page
from waybill.imports.finish import finish_import
from waybill.imports.job_files import rejects_key
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.imports.start import start_drop
from waybill.jobs.model import ChunkLease, Job, Outcome, Status


def drop(
    services: Services, s3: Any, data: bytes, key: str = "drop/contacts/contacts.csv", **metadata: str
) -> dict[str, Any]:
    answer = s3.put_object(Bucket=services.settings.drop_bucket, Key=key, Body=data, Metadata=metadata)
    return builders.created_event(services, key, answer["ETag"].strip('"'))


def start(services: Services, s3: Any, data: bytes, **arguments: Any) -> Job:
    job = start_drop(services, drop(services, s3, data, **arguments)["detail"])
    assert job is not None
    return job


def run(services: Services, job: Job) -> Job:
    """What the state machine does."""
    planned = plan_import(services, job.job_id)
    if planned["outcome"] == "planned":
        if planned["needsPrecheck"]:
            for chunk in range(planned["chunks"]):
                precheck_chunk(services, job.job_id, chunk)
            deduplicate_import(services, job.job_id)
        for chunk in range(planned["chunks"]):
            load_chunk(services, job.job_id, chunk)
        finish_import(services, job.job_id)
    return services.jobs.get(job.job_id)


def records(services: Services, *, without: tuple[str, ...] = ("_at", "_by")) -> dict[str, dict[str, Any]]:
    items, request = [], {"TableName": services.settings.records_table}
    while True:
        answer = services.dynamodb.call("Scan", request)
        items += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return {item["_sk"]["S"]: {k: v for k, v in item.items() if k not in without} for item in items}


def rejects(services: Services, job: Job) -> list[list[str]]:
    data = services.files.read(services.settings.files_bucket, rejects_key(job.job_id)).decode()
    return list(csv.reader(io.StringIO(data, newline="")))


def rejected_types(services: Services, job: Job) -> dict[int, str]:
    return {int(row[0]): row[1] for row in rejects(services, job)[1:]}


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


BAD_ROWS = [
    {"contact_id": "bad-email", "email": "nobody"},
    {"contact_id": "bad-spend", "spend": "-1"},
    {"contact_id": ""},
    {"contact_id": "two", "spend": "x", "joined": "31.1.2026"},
    {"contact_id": "c000001", "email": "last@example.com"},
]


def test_a_dropped_file_is_imported_and_its_bad_rows_come_back(services: Services, s3: Any) -> None:
    job = run(services, start(services, s3, builders.contacts_csv(BAD_ROWS, count=3)))
    assert (job.status, job.outcome) == (Status.COMPLETED, Outcome.PARTIAL_SUCCESS)
    assert (job.counts.total, job.counts.imported, job.counts.rejected, job.counts.unprocessed) == (8, 3, 5, 0)
    assert job.started_by == "s3:123456789012"
    stored = records(services)
    assert sorted(stored) == ["c000000", "c000001", "c000002"]
    assert stored["c000001"]["email"] == {"S": "last@example.com"}
    assert stored["c000000"]["spend"] == {"N": "7.5"}
    assert stored["c000000"]["vip"] == {"BOOL": True}
    assert rejects(services, job)[0] == ["_row", "_type", "_reason", "contact_id", "email", "spend", "joined", "vip"]
    assert rejected_types(services, job) == {
        3: "duplicate-key",
        5: "type-error",
        6: "constraint-error",
        7: "missing-key",
        8: "type-error",
    }
    items, summary, cursor = error_page(services.files, services.settings.files_bucket, job, 100, None)
    assert cursor is None
    assert [(item["rowNumber"], item["fieldName"]) for item in items] == [
        (3, None),
        (5, "email"),
        (6, "spend"),
        (7, "contact_id"),
        (8, "spend"),
        (8, "joined"),
    ]
    assert "row 9" in items[0]["message"]
    assert sum(group["count"] for group in summary) == 6


def test_the_rejects_file_imports_again_as_it_is(services: Services, s3: Any) -> None:
    job = run(services, start(services, s3, builders.contacts_csv(BAD_ROWS, count=3)))
    data = services.files.read(services.settings.files_bucket, rejects_key(job.job_id))
    again = run(services, start(services, s3, data, key="drop/contacts/again.csv"))
    assert (again.counts.total, again.counts.imported, again.counts.rejected) == (5, 1, 4)
    assert rejects(services, again)[0][:4] == ["_row", "_type", "_reason", "contact_id"]
    assert [row[3] for row in rejects(services, again)[1:]] == ["bad-email", "bad-spend", "", "two"]


@pytest.mark.parametrize("chunk_bytes", [1, 64, 300, 1 << 20])
def test_the_result_does_not_depend_on_the_chunk_size(
    services: Services, s3: Any, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    rows = [*BAD_ROWS, {"contact_id": "quoted", "email": 'a"b@example.com'}, {"contact_id": "c000002"}]
    data = builders.contacts_csv(rows, count=40) + b'"broken"x,a@example.com,1,2026-01-31,yes\n\nshort,b@example.com\n'
    job = run(services, start(services, s3, data))
    assert (job.counts.total, job.counts.imported, job.counts.rejected) == (50, 40, 10)
    assert rejected_types(services, job) == {
        3: "duplicate-key",
        4: "duplicate-key",
        42: "type-error",
        43: "constraint-error",
        44: "missing-key",
        45: "type-error",
        47: "type-error",
        49: "format-error",
        50: "blank-row",
        51: "missing-cell",
    }
    stored = records(services)
    assert len(stored) == 40
    assert stored["c000001"]["email"] == {"S": "last@example.com"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty-file"),
        (b"contact_id,email,spend,joined,vip\n", "empty-file"),
        (b"contact_id,email,spend,joined,joined\na,,,,\n", "duplicate-label"),
        (b"contact_id,email,spend,joined\na,,,\n", "missing-label"),
        (b'contact_id,email,spend,joined,vip\na,"x,,,\nb,,,,\n', "format-error"),
        ("contact_id,email,spend,joined,vip\na,,,,\n".encode("utf-16")[:-1], "encoding-error"),
        ("contact_id,email,spend,joined,vip\na\u00e9,,,,\n".encode() + b"b,\xff,,,\n", "encoding-error"),
        (b"\n\n", "blank-header"),
    ],
)
def test_a_file_that_cannot_be_imported_fails_with_its_code(
    services: Services, s3: Any, data: bytes, code: str
) -> None:
    job = run(services, start(services, s3, data))
    assert (job.status, job.outcome, job.error_code) == (Status.FAILED, Outcome.FAILED, code)
    assert job.counts.balances() and job.counts.total == 0
    assert not job.has_rejects and job.has_error_log
    items, _, _ = error_page(services.files, services.settings.files_bucket, job, 10, None)
    assert items[0]["type"] == code
    assert records(services) == {}


def test_a_nul_byte_is_an_error_of_its_row(services: Services, s3: Any) -> None:
    job = run(services, start(services, s3, builders.contacts_csv([{"contact_id": "nul\0"}], count=1)))
    assert (job.counts.imported, job.counts.rejected) == (1, 1)
    assert rejected_types(services, job) == {3: "format-error"}


def test_a_file_for_no_entity_fails_at_once(services: Services, s3: Any) -> None:
    job = start(services, s3, b"a\n1\n", key="drop/nobody/x.csv")
    assert (job.status, job.error_code, job.file_name) == (Status.FAILED, "unknown-entity", "x.csv")


@pytest.mark.parametrize("key", ["drop/contacts/", "drop/contacts/folder/", "drop/contacts", "other/contacts/x.csv"])
def test_other_keys_start_nothing(services: Services, s3: Any, key: str) -> None:
    assert start_drop(services, drop(services, s3, b"x", key=key)["detail"]) is None


def test_an_event_that_comes_twice_makes_one_job(services: Services, s3: Any) -> None:
    event = drop(services, s3, builders.contacts_csv(count=1))
    first = start_drop(services, event["detail"])
    second = start_drop(services, event["detail"])
    assert first is not None and second is not None
    assert first.job_id == second.job_id
    jobs, _ = services.jobs.page(100)
    assert len(jobs) == 1


def test_events_in_the_wrong_order_import_the_newest_only(services: Services, s3: Any) -> None:
    older = drop(services, s3, builders.contacts_csv(count=1))
    newer = drop(services, s3, builders.contacts_csv(count=2))
    late = start_drop(services, newer["detail"])
    early = start_drop(services, older["detail"])
    assert late is not None and late.status is Status.WAITING
    assert early is not None and (early.status, early.error_code) == (Status.FAILED, "source-changed")


def test_of_two_events_of_the_same_bytes_the_older_is_too_late(services: Services, s3: Any) -> None:
    first = drop(services, s3, builders.contacts_csv(count=1))
    second = drop(services, s3, builders.contacts_csv(count=1))
    assert start_drop(services, second["detail"]).status is Status.WAITING  # type: ignore[union-attr]
    assert start_drop(services, first["detail"]).error_code == "source-changed"  # type: ignore[union-attr]


def test_a_file_overwritten_while_it_waits_ends_as_source_changed(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(count=2))
    drop(services, s3, b"something else")
    job = run(services, job)
    assert (job.status, job.error_code, job.counts.total) == (Status.FAILED, "source-changed", 0)


def test_a_file_overwritten_between_plan_and_load_is_accounted_for(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    drop(services, s3, b"something else")
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code) == (Status.FAILED, "source-changed")
    assert (job.counts.total, job.counts.imported, job.counts.unprocessed) == (3, 0, 3)
    assert rejects(services, job)[1:] == [
        [str(row), "source-changed", row_reason(services, job), "", "", "", "", ""] for row in (2, 3, 4)
    ]


def row_reason(services: Services, job: Job) -> str:
    return rejects(services, job)[1][2]


def test_imports_of_one_entity_run_in_order_of_submission(services: Services, s3: Any, clock: builders.Clock) -> None:
    first = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/1.csv")
    clock.forward(seconds=1)
    second = start(services, s3, builders.contacts_csv(count=1), key="drop/contacts/2.csv")
    assert executions(services) == {first.job_id}
    run(services, first)
    assert executions(services) == {first.job_id, second.job_id}


def executions(services: Services) -> set[str]:
    import boto3

    client = boto3.client("stepfunctions", endpoint_url=services.settings.aws_endpoint_url, region_name="us-east-1")
    found = client.list_executions(stateMachineArn=services.settings.import_state_machine)["executions"]
    return {execution["name"] for execution in found}


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


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("survived", range(12))
def test_a_crash_after_any_write_of_a_load_changes_nothing_in_the_end(
    services: Services, s3: Any, clock: builders.Clock, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt dies at its n-th request, whichever it is; the retry ends as an undisturbed run does."""
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


def test_an_entity_without_key_gets_a_record_per_row_and_a_resumed_import_the_same(services: Services, s3: Any) -> None:
    schema = {"fields": [{"name": "a", "type": "integer"}]}
    services.entities.put(builders.entity("log", schema=schema))
    job = start(services, s3, b"a\n1\n1\nx\n2\n", key="drop/log/l.csv")
    plan_import(services, job.job_id)
    job = run(services, job)
    assert (job.counts.imported, job.counts.rejected) == (3, 1)
    assert sorted(records(services)) == [f"{job.job_id}-{row:012d}" for row in (2, 3, 5)]


def test_live_counts_add_up_while_the_job_runs(services: Services, s3: Any, clock: builders.Clock) -> None:
    job = start(services, s3, builders.contacts_csv(count=3))
    plan_import(services, job.job_id)
    services.ledger.lease(job.job_id, 0, "first", 10)
    services.ledger.heartbeat(job.job_id, 0, ChunkLease("first", 2, 2, 0))
    assert services.jobs.get(job.job_id).processed == 2
    clock.forward(seconds=11)
    services.ledger.lease(job.job_id, 0, "second", 10)
    assert services.jobs.get(job.job_id).processed == 2
    clock.forward(seconds=11)
    load_chunk(services, job.job_id, 0)
    assert services.jobs.get(job.job_id).processed == 3


def test_job_ids_and_definitions_survive_a_change_of_the_entity(services: Services, s3: Any) -> None:
    job = start(services, s3, builders.contacts_csv(count=1))
    services.entities.put(builders.entity(schema={"fields": [{"name": "x"}]}))
    assert run(services, job).counts.imported == 1
    assert json.dumps(services.jobs.definition(job.job_id)["schema"]) == json.dumps(builders.CONTACTS_SCHEMA)
