"""Steps that need longer than one invocation go on where they were, with the result of an unhurried run."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders
from tests.importing import (
    BAD_ROWS,
    UNIQUE,
    Crash,
    counts,
    key_table,
    rejected_types,
    rejects,
    run,
    start,
)
from waybill.aws.dynamodb import BatchWriter, DynamoDB
from waybill.aws.files import Files, Writer
from waybill.bootstrap import Services
from waybill.entities.model import Target
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.job_files import error_log_key, rejects_key, summary_key
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.plan_document import read_plan
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.model import Job, Status, job_prefix
from waybill.timestamps import rfc3339


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


@pytest.fixture(autouse=True)
def small_pieces(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks, partitions, windows, batches and parts of a file, from few rows."""
    object.__setattr__(services.settings, "chunk_bytes", 1500)
    monkeypatch.setattr("waybill.imports.digests.KEYS_PER_PARTITION", 20)
    monkeypatch.setattr("waybill.imports.digests.WINDOW_KEYS", 50)
    monkeypatch.setattr("waybill.imports.digests.UNVERIFIED_PER_PASS", 12)
    monkeypatch.setattr("waybill.imports.finish.WINNERS_PER_CHECK", 2)


def checks(count: int) -> Callable[[], float]:
    """Enough time for this many checks of the time left, then none."""
    numbers = itertools.count(1)
    return lambda: 900.0 if next(numbers) <= count else 1.0


def repeating_rows() -> bytes:
    rows = [{"contact_id": f"c{number:06d}", "email": f"again{number}@example.com"} for number in range(0, 90, 3)]
    return builders.contacts_csv([*BAD_ROWS, *rows, *BAD_ROWS, *rows], count=100)


def loaded(services: Services, job: Job) -> Job:
    planned = plan_import(services, job.job_id)
    for chunk in range(planned["chunks"]):
        load_chunk(services, job.job_id, chunk)
    return job


def outputs(services: Services, job: Job) -> list[bytes]:
    bucket = services.settings.files_bucket
    keys = (rejects_key(job.job_id), error_log_key(job.job_id), summary_key(job.job_id))
    return [services.files.read(bucket, key) for key in keys]


def stored(services: Services) -> dict[str, Any]:
    items = services.dynamodb.call("Scan", {"TableName": services.settings.records_table})["Items"]
    return {item["_sk"]["S"]: {name: item[name] for name in item if name != "_by"} for item in items}


def test_a_finish_that_runs_out_of_time_goes_on_where_it_was(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.aws.files.PART_BYTES", 200)  # of several parts, as files of many megabytes are
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    unhurried = run(services, start(services, s3, repeating_rows()))
    expected, records = outputs(services, unhurried), stored(services)
    assert unhurried.counts.rejected > 60 and unhurried.counts.imported == 100

    job = loaded(services, start(services, s3, repeating_rows(), key="drop/contacts/again.csv"))
    gets = _count_gets(monkeypatch)
    invocations = 0
    while not services.jobs.get(job.job_id).is_terminal:
        finish_import(services, job.job_id, remaining_seconds=checks(16))
        invocations += 1
        clock.forward(seconds=13)  # the lease of the invocation before
        assert invocations < 60
    assert invocations > 5
    hurried = services.jobs.get(job.job_id)
    assert hurried.counts == unhurried.counts
    assert outputs(services, job) == expected
    assert {key: item | {"_at": None} for key, item in stored(services).items()} == {
        key: item | {"_at": None} for key, item in records.items()
    }
    assert not _keys_under(services, s3, f"{job_prefix(job.job_id)}finish/")
    reread = [count for key, count in gets.items() if key.endswith(("rejects", "errors", "index", "summary"))]
    assert max(reread) == 1, "what is put together is not read again"


def test_winners_in_a_target_table_bear_the_time_at_which_they_were_written(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    """Incremental exports would miss records with the time of an earlier invocation."""
    table = key_table("theirs", "contact_id", services)
    services.entities.put(builders.entity(target=Target("theirs", "modified_at")))
    job = loaded(services, start(services, s3, repeating_rows()))
    loaded_at = clock.now()
    while not services.jobs.get(job.job_id).is_terminal:
        clock.forward(seconds=900)
        finish_import(services, job.job_id, remaining_seconds=checks(16))
    winners = [item for item in table.scan()["Items"] if item["email"].startswith("again")]
    assert len(winners) == 30
    assert all(item["modified_at"] > rfc3339(loaded_at) for item in winners)


@pytest.mark.parametrize("survived", range(1, 40, 6))
def test_a_finish_that_dies_after_a_pause_ends_as_an_unhurried_one(
    services: Services, s3: Any, clock: builders.Clock, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = loaded(services, start(services, s3, repeating_rows()))
    finish_import(services, job.job_id, remaining_seconds=checks(40))
    left = survived

    def dying(original: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash
            return original(*arguments, **options)

        return call

    clock.forward(seconds=60)
    with monkeypatch.context() as patch, pytest.raises(Crash):
        for owner, name in (
            (DynamoDB, "call"),
            (Files, "put"),
            (Files, "read"),
            (BatchWriter, "_send"),
            (Writer, "close"),
        ):
            patch.setattr(owner, name, dying(getattr(owner, name)))
        finish_import(services, job.job_id)
        raise Crash
    clock.forward(seconds=60)
    finish_import(services, job.job_id)
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.counts.imported) == (Status.COMPLETED, 100)
    assert len(rejects(services, ended)) == 1 + ended.counts.rejected
    assert len(stored(services)) == 100


def test_a_failed_job_lists_its_rows_in_as_many_invocations_as_it_takes(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 400)
    job = start(services, s3, builders.contacts_csv(count=60))
    chunks = plan_import(services, job.job_id)["chunks"]
    invocations = 0
    while not services.jobs.get(job.job_id).is_terminal:
        finish_import(services, job.job_id, "internal-error", checks(2 + invocations))
        clock.forward(seconds=13)
        invocations += 1
    ended = services.jobs.get(job.job_id)
    assert chunks > 3 and invocations > 2
    assert (ended.status, ended.counts.unprocessed, len(rejects(services, ended))) == (Status.FAILED, 60, 61)


@pytest.mark.parametrize("metadata", [{}, {"mode": "insert"}, {"on-error": "all-or-nothing"}])
def test_precheck_and_deduplication_go_on_where_they_were(
    services: Services, s3: Any, clock: builders.Clock, metadata: dict[str, str]
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 300)
    services.entities.put(builders.entity("unique", schema=UNIQUE))
    rows = "".join(f"{number % 70},m{number % 50}@x,p{number % 30},{number % 4}\n" for number in range(120))
    data = f"id,email,a,b\n0,first@x,,\nx,,,\n{rows}".encode()
    seeded = run(services, start(services, s3, b"id,email,a,b\n3,,,\n69,,,\n", key="drop/unique/0.csv"))
    assert seeded.counts.imported == 2
    clock.forward(seconds=1)
    unhurried = run(services, start(services, s3, data, key="drop/unique/1.csv", **{**metadata, "dry-run": "true"}))
    clock.forward(seconds=1)
    job = start(services, s3, data, key="drop/unique/2.csv", **{**metadata, "dry-run": "true"})
    planned = plan_import(services, job.job_id)
    invocations = 0
    for chunk in range(planned["chunks"]):
        while not precheck_chunk(services, job.job_id, chunk, checks(0)):
            invocations += 1
    assert (invocations > 2) is (metadata.get("mode") == "insert")
    while not deduplicate_import(services, job.job_id, checks(16)):
        invocations += 1
    assert invocations > 3
    for chunk in range(planned["chunks"]):
        load_chunk(services, job.job_id, chunk)
    finish_import(services, job.job_id)
    ended = services.jobs.get(job.job_id)
    assert ended.counts == unhurried.counts
    assert outputs(services, job) == outputs(services, unhurried)


def pausing(count: int) -> Callable[[], float]:
    """As `checks`; then there is time to pause, and none to go on."""
    numbers = itertools.count(1)
    return lambda: 900.0 if next(numbers) <= count else 60.0


@pytest.mark.parametrize("metadata", [{}, {"mode": "insert", "on-error": "all-or-nothing"}])
def test_a_plan_goes_on_in_the_next_invocation(
    services: Services, s3: Any, metadata: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("waybill.tabular.scan", "waybill.imports.conversion"):
        monkeypatch.setattr(f"{module}.PIECE_BYTES", 4_000)
    data = builders.contacts_csv(BAD_ROWS, count=600) + b'"x",\r\n' + repeating_rows().partition(b"\n")[2]
    unhurried = start(services, s3, data, key="drop/contacts/1.csv", **metadata, **{"dry-run": "true"})
    expected = run(services, unhurried)
    job = start(services, s3, data, key="drop/contacts/2.csv", **metadata, **{"dry-run": "true"})
    invocations = 1
    while (planned := plan_import(services, job.job_id, pausing(12)))["outcome"] == "more":
        invocations += 1
        assert services.jobs.get(job.job_id).detected is not None
    assert invocations > 5
    ended = run(services, job)
    assert planned["chunks"] > 10
    assert (ended.counts, ended.detected) == (expected.counts, expected.detected)
    assert ended.options.get("firstRow") == expected.options.get("firstRow") == 2
    assert outputs(services, job) == outputs(services, unhurried)
    plans = [read_plan(services, each.job_id) for each in (unhurried, job)]
    assert all(plan is not None for plan in plans)
    assert len({plan.sha256 for plan in plans if plan is not None}) == 1, "a repeated file is noticed all the same"


def test_a_file_that_changes_between_two_invocations_of_the_plan(services: Services, s3: Any) -> None:
    data = builders.contacts_csv(count=600)
    job = start(services, s3, data, key="drop/contacts/1.csv")
    assert plan_import(services, job.job_id, pausing(12))["outcome"] == "more"
    s3.put_object(Bucket=services.settings.drop_bucket, Key="drop/contacts/1.csv", Body=data + b"c9999,,,,\n")
    assert plan_import(services, job.job_id)["outcome"] == "failed"
    assert services.jobs.get(job.job_id).error_code == "source-changed"


@pytest.mark.parametrize("encoding", ["utf-16", "gzip"])
def test_a_file_that_takes_too_long_to_read_fails_with_a_code(services: Services, s3: Any, encoding: str) -> None:
    text = builders.contacts_csv(count=200)
    data = gzip.compress(text) if encoding == "gzip" else text.decode().encode(encoding)
    job = start(services, s3, data)
    assert plan_import(services, job.job_id, checks(4)) == {"jobId": job.job_id, "outcome": "failed"}
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.error_code, ended.counts.total) == (Status.FAILED, "too-large", 0)
    assert not _keys_under(services, s3, f"{job_prefix(job.job_id)}source")


def _count_gets(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    gets: Counter[str] = Counter()
    original = Files.get_range

    def get_range(files: Files, bucket: str, key: str, start: int, *rest: Any) -> Any:
        if start == 0:
            gets[key] += 1
        return original(files, bucket, key, start, *rest)

    monkeypatch.setattr(Files, "get_range", get_range)
    return gets


def _keys_under(services: Services, s3: Any, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket=services.settings.files_bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


@pytest.mark.parametrize("survives", [1, 3, 5])
def test_a_chunk_that_takes_longer_than_an_invocation_goes_on_in_the_next(
    services: Services, s3: Any, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(services.settings, "chunk_bytes", 1 << 20)
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
