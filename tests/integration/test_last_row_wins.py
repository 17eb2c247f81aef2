"""Of the valid rows of one key the last one wins: also when an import is stopped, or fails, and what it left is
relaunched, and as far as anybody can know when the file goes away before the import has ended."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders
from tests.importing import (
    counts,
    die_in,
    finish,
    listed,
    load_and_finish,
    planned,
    prepared,
    records,
    rejected_types,
    rejects,
    run,
    start,
)
from waybill.bootstrap import Services
from waybill.entities.row_results import RowBlock
from waybill.imports.duplicates import DuplicateSearch
from waybill.imports.error_log import error_page
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.relaunch import relaunch_import
from waybill.imports.row_reader import RowReader
from waybill.jobs.model import Job, Status
from waybill.upkeep.actions import stop_job

ENDS = ["stop", "timed-out"]


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())
    object.__setattr__(services.settings, "chunk_bytes", 450)  # 18 rows each, in the first two chunks


def numbered(keys: list[int], bad: frozenset[int] = frozenset()) -> bytes:
    """A file of rows with these keys, in which each valid row says which row it is."""
    return builders.contacts_csv(
        {"contact_id": f"c{key:06d}", "email": "row0000 example.com" if row in bad else f"row{row:04d}@example.com"}
        for row, key in enumerate(keys, 2)
    )


def standing(services: Services) -> dict[int, int]:
    """Key → row of the file whose record stands in the table."""
    found = {int(key[1:]): item["email"]["S"] for key, item in records(services).items()}
    return {key: int(email.removeprefix("row").partition("@")[0]) for key, email in found.items()}


def last_rows(keys: list[int], bad: frozenset[int] = frozenset()) -> dict[int, int]:
    return {key: row for row, key in enumerate(keys, 2) if row not in bad}


def end(services: Services, job: Job, how: str, clock: builders.Clock) -> Job:
    clock.forward(seconds=60)  # the leases of dead workers are over
    if how != "stop" or services.jobs.get(job.job_id).is_loaded:
        return finish(services, job, None if how == "stop" else how)
    stop_job(services, services.jobs.get(job.job_id))
    return load_and_finish(services, job)


def relaunched(services: Services, job: Job) -> Job:
    """The last of the jobs that import what a job left, until nothing is left that can be imported."""
    while job.counts.importable:
        child = run(services, relaunch_import(services, job, "alice", "alice-id"))
        if child.counts.importable == job.counts.importable:
            return child
        job = child
    return job


# A stopped or failed import, and its relaunch


@pytest.mark.parametrize("how", ENDS)
def test_a_row_left_over_whose_key_a_later_row_imported_is_a_duplicate(
    services: Services, s3: Any, clock: builders.Clock, how: str
) -> None:
    """The later row is in a chunk that was loaded, the earlier one is not: a relaunch must not write it over."""
    keys = [*range(18), *range(5), *range(18, 40)]  # rows 20 to 24, in the second chunk, repeat rows 2 to 6
    job = planned(services, s3, numbered(keys))
    assert (job.chunks or 0) >= 3
    load_chunk(services, job.job_id, 1)
    job = end(services, job, how, clock)
    types = rejected_types(services, job)
    assert {row for row, type in types.items() if type == "duplicate-key"} == {2, 3, 4, 5, 6}
    assert set(types.values()) == {"duplicate-key", "stopped"}
    assert (job.counts.balances(), job.counts.rejected, job.counts.repeated) == (True, 5, 5)
    assert job.counts.unprocessed == len(types) - 5
    [row] = [row for row in rejects(services, job) if row[0] == "4"]
    assert row[2] == "contact_id: Row 22 has the same key and replaces this row." and row[3] == "c000002"
    _, summary, _ = error_page(services.files, services.settings.files_bucket, job, 1, None)
    assert {group["type"]: group["count"] for group in summary} == {
        "duplicate-key": 5,
        "stopped": job.counts.unprocessed,
    }
    relaunched(services, job)
    assert standing(services) == last_rows(keys)


def test_a_later_row_left_over_is_written_by_the_relaunch(services: Services, s3: Any, clock: builders.Clock) -> None:
    keys = [*range(18), *range(5)]
    job = planned(services, s3, numbered(keys))
    load_chunk(services, job.job_id, 0)
    job = end(services, job, "stop", clock)
    assert counts(job) == (23, 18, 0, 5)
    assert counts(relaunched(services, job)) == (5, 5, 0, 0)
    assert standing(services) == last_rows(keys)


def test_a_later_row_that_is_bad_replaces_no_row_left_over(services: Services, s3: Any, clock: builders.Clock) -> None:
    keys = [*range(18), *range(5)]
    bad = frozenset({20, 22})
    job = planned(services, s3, numbered(keys, bad))
    load_chunk(services, job.job_id, 1)
    job = end(services, job, "stop", clock)
    types = rejected_types(services, job)
    assert [types[row] for row in (2, 3, 4, 5)] == ["stopped", "duplicate-key", "stopped", "duplicate-key"]
    relaunched(services, job)
    assert standing(services) == last_rows(keys, bad)


def test_an_import_that_reached_its_limit_of_errors_leaves_no_row_that_a_later_one_replaced(
    services: Services, s3: Any
) -> None:
    keys = [*range(18), *range(5), 50]
    job = planned(services, s3, numbered(keys, frozenset({25})), **{"on-error": "abort"})
    load_chunk(services, job.job_id, 1)
    job = load_and_finish(services, job)
    assert job.stop_reason == "MAX_ERRORS" and job.counts.balances() and job.counts.repeated == 5
    relaunched(services, job)
    assert standing(services) == last_rows(keys, frozenset({25}))


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("mode", ["upsert", "update", "insert"])
def test_where_repeated_keys_were_found_before_the_load_the_rows_left_over_know_them(
    services: Services, s3: Any, clock: builders.Clock, drop: Callable[..., Job], mode: str, how: str
) -> None:
    """The same for imports with a precheck: other modes, and an upsert with unique values."""
    if mode == "upsert":
        schema = {**builders.CONTACTS_SCHEMA, "uniqueKeys": [["email"]]}
        services.entities.put(builders.entity(schema=schema))
    if mode == "update":
        drop(numbered(list(range(40))))
    keys = [*range(18), *range(5), *range(18, 40)]
    job = planned(services, s3, numbered(keys), mode=mode)
    load_chunk(services, job.job_id, 1)
    job = end(services, job, how, clock)
    types = rejected_types(services, job)
    assert {row for row, type in types.items() if type == "duplicate-key"} == {2, 3, 4, 5, 6}
    assert (job.counts.balances(), job.counts.rejected, job.counts.repeated) == (True, 5, 5)
    assert [row[2] for row in rejects(services, job) if row[0] == "4"] == [
        "contact_id: Row 22 has the same key and replaces this row."
    ]
    relaunched(services, job)
    assert standing(services) == last_rows(keys)


def test_the_list_of_the_rest_is_made_in_as_many_invocations_as_it_takes(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 200))
    keys = [*range(20), *range(20)]
    job = planned(services, s3, numbered(keys))
    load_chunk(services, job.job_id, 1)
    stop_job(services, services.jobs.get(job.job_id))
    entries = [load_chunk(services, job.job_id, 0, lambda: 1.0)]
    while not entries[-1].is_last:
        entries.append(load_chunk(services, job.job_id, 0, lambda: 1.0))
    assert len(entries) > 3
    job = finish(services, job)
    assert job.counts.balances()
    relaunched(services, job)
    assert standing(services) == last_rows(keys)


@pytest.mark.parametrize("seed", range(10))
def test_after_the_relaunch_the_table_is_that_of_the_whole_file(
    services: Services, s3: Any, clock: builders.Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeated keys, bad rows, workers that die; the import ends before its end, and so do some of its relaunches."""
    chance = random.Random(seed)
    monkeypatch.setattr("waybill.aws.dynamodb.MAX_BATCH_PUTS", 3)
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, 300))
    keys = [chance.randrange(chance.choice((12, 60))) for _ in range(60)]
    bad = frozenset(row for row in range(2, 62) if chance.random() < 0.1)
    job = planned(services, s3, numbered(keys, bad))
    for _ in range(3):
        chunks = [chunk for chunk in range(job.chunks or 0) if chance.random() < 0.6]
        for chunk in chance.sample(chunks, k=len(chunks)):
            if chance.random() < 0.4:
                die_in(services, job, chunk, monkeypatch, chance.randrange(6))
            else:
                load_chunk(services, job.job_id, chunk)
            clock.forward(seconds=13)
        job = end(services, job, chance.choice(ENDS), clock)
        assert job.counts.balances() and job.counts.imported + len(listed(services, job)) == job.counts.total
        if not job.counts.importable:
            break
        job = prepared(services, relaunch_import(services, job, "alice", "alice-id"))
    else:
        relaunched(services, load_and_finish(services, job))
    assert standing(services) == last_rows(keys, bad)


# A file that goes away

GONE = ["overwritten", "deleted"]


def take_away(s3: Any, job: Job, how: str) -> None:
    if how == "deleted":
        s3.delete_object(Bucket=job.source_bucket, Key=job.source_key)
    else:
        s3.put_object(Bucket=job.source_bucket, Key=job.source_key, Body=b"something else")


def assert_told(services: Services, job: Job, keys: list[int]) -> dict[int, str]:
    """Each row is imported or listed, once; what counts as imported stands, and of every record that does not count all
    rows are listed as rows whose text is gone. Returns the types of the rows that are listed."""
    assert (job.status, job.error_code) == (Status.FAILED, "source-changed") and job.counts.balances()
    listing = rejects(services, job)[1:]
    types = {int(row[0]): row[1] for row in listing}
    assert len(types) == len(listing) == job.counts.rejected + job.counts.unprocessed
    assert job.counts.lost == list(types.values()).count("source-changed")
    assert job.counts.repeated == list(types.values()).count("duplicate-key")
    assert all(not any(row[3:]) for row in listing if row[1] == "source-changed")
    table = standing(services)
    imported = {row: key for row, key in enumerate(keys, 2) if row not in types}
    assert len(set(imported.values())) == len(imported), "a key counts twice"
    assert imported.items() <= {row: key for key, row in table.items()}.items(), "a row counts that does not stand"
    for key in table.keys() - imported.values():
        assert {types[row] for row, other in enumerate(keys, 2) if other == key} == {"source-changed"}
    _, summary, _ = error_page(services.files, services.settings.files_bucket, job, 1, None)
    assert {group["type"]: group["count"] for group in summary} == {
        type: list(types.values()).count(type) for type in types.values()
    }
    return types


@pytest.mark.parametrize("how", GONE)
@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_of_a_file_that_is_gone_before_the_load_no_row_is_imported(
    services: Services, s3: Any, mode: str, how: str
) -> None:
    keys = [*range(20), *range(20)]
    job = planned(services, s3, numbered(keys), mode=mode)
    take_away(s3, job, how)
    job = load_and_finish(services, job)
    assert set(assert_told(services, job, keys).values()) == {"source-changed"}
    assert standing(services) == {}


@pytest.mark.parametrize("how", GONE)
@pytest.mark.parametrize("loaded", [[0, 1], [1, 0], [1, 0, 2], [2, 1, 0]])
def test_a_repeated_key_of_a_file_that_is_gone_before_the_finish_does_not_count(
    services: Services, s3: Any, how: str, loaded: list[int]
) -> None:
    """Between the load of two chunks, or after that of all; the chunk that is loaded last leaves its rows in the table.
    Nobody can tell any more which row of the key stands, so none of them counts."""
    keys = [*range(18), *range(5), *range(18, 33), 40, 41, 0]
    job = planned(services, s3, numbered(keys))
    assert job.chunks == 3
    for chunk in loaded:
        load_chunk(services, job.job_id, chunk)
    take_away(s3, job, how)
    job = load_and_finish(services, job)
    types = assert_told(services, job, keys)
    assert {2, 3, 4, 5, 6, 20, 21, 22, 23, 24} <= set(types) and 7 not in types
    assert {row[0]: row[2] for row in rejects(services, job)}["4"].startswith(
        "The file was overwritten or deleted before this row and row 22 were compared."
    )


@pytest.mark.parametrize("how", GONE)
def test_a_file_without_repeated_keys_is_not_missed_once_it_is_loaded(services: Services, s3: Any, how: str) -> None:
    job = planned(services, s3, numbered(list(range(40))))
    for chunk in range(job.chunks or 0):
        load_chunk(services, job.job_id, chunk)
    take_away(s3, job, how)
    job = load_and_finish(services, job)
    assert (job.status, counts(job)) == (Status.COMPLETED, (40, 40, 0, 0))


@pytest.mark.parametrize("how", GONE)
@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("is_interrupted", [False, True])
def test_winners_that_were_written_before_the_file_was_gone_stay(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    how: str,
    batches: int,
    is_interrupted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when the finish takes an invocation for each batch, and the file comes back before the last of them."""
    monkeypatch.setattr("waybill.imports.digests.KEYS_PER_PARTITION", 8)
    monkeypatch.setattr("waybill.imports.digests.UNVERIFIED_PER_PASS", 1)
    keys = [*range(20), *range(20)]
    job = planned(services, s3, data := numbered(keys))
    for chunk in reversed(range(job.chunks or 0)):
        load_chunk(services, job.job_id, chunk)
    done, finished, left = DuplicateSearch.done, list[DuplicateSearch](), list[float]()

    def then_gone(search: DuplicateSearch, losers: Any) -> None:
        done(search, losers)
        finished.append(search)
        if is_interrupted:
            left.append(1.0)
        if len(finished) == batches:
            take_away(s3, job, how)
        if len(finished) == batches + 1:
            s3.put_object(Bucket=job.source_bucket, Key=job.source_key, Body=data)

    monkeypatch.setattr(DuplicateSearch, "done", then_gone)
    while not services.jobs.get(job.job_id).is_terminal:
        finish_import(services, job.job_id, None, lambda: left.pop() if left else 900.0)
        clock.forward(seconds=13)  # the lease of the invocation before
    job = services.jobs.get(job.job_id)
    types = assert_told(services, job, keys)
    assert len(finished) > 3 and set(types.values()) == {"duplicate-key", "source-changed"}
    for row, type in types.items():
        if type == "duplicate-key":
            assert standing(services)[keys[row - 2]] == row + 20, "a winner does not stand"


@pytest.mark.parametrize("how", GONE)
def test_a_file_that_is_gone_in_the_middle_of_a_pass_leaves_no_key_half_decided(
    services: Services, s3: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waybill.imports.finish import read_rows_again

    keys = [*range(20), *range(20), *range(20)]
    job = planned(services, s3, numbered(keys))
    for chunk in range(job.chunks or 0):
        load_chunk(services, job.job_id, chunk)

    def gone_after_a_chunk(*arguments: Any) -> Any:
        for found in read_rows_again(*arguments):
            if found[0] == 1:
                take_away(s3, job, how)
            yield found

    monkeypatch.setattr("waybill.imports.finish.read_rows_again", gone_after_a_chunk)
    job = finish(services, job)
    assert set(assert_told(services, job, keys).values()) == {"source-changed"}


@pytest.mark.parametrize("how", GONE)
def test_a_row_left_over_of_a_file_that_is_gone_is_not_relaunched_over_a_later_one(
    services: Services, s3: Any, clock: builders.Clock, how: str
) -> None:
    keys = [*range(18), *range(5), *range(18, 33), 2, 41]
    job = planned(services, s3, numbered(keys))
    load_chunk(services, job.job_id, 1)
    stop_job(services, services.jobs.get(job.job_id))
    for chunk in range(job.chunks or 0):
        load_chunk(services, job.job_id, chunk)
    take_away(s3, job, how)
    job = finish(services, job)
    types = assert_told(services, job, keys)
    assert job.stop_reason == "USER" and [types[row] for row in range(2, 7)] == ["source-changed"] * 5
    assert not {20, 21, 22, 23, 24} & types.keys() and types[7] == types[40] == "stopped"
    relaunched(services, job)
    assert standing(services) == last_rows(keys)


@pytest.mark.parametrize(
    ("options", "unique"),
    [
        ({}, []),
        ({"mode": "insert"}, []),
        ({"on-error": "all-or-nothing"}, [["email"]]),
        ({"dry-run": "true"}, [["email"]]),
    ],
    ids=str,
)
def test_values_with_equal_digests_are_told_apart(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], unique: list[list[str]]
) -> None:
    """Digests have no secret, so that somebody may choose keys that share one."""
    for name in ("contacts", "orders"):
        schema = {**builders.CONTACTS_SCHEMA, **({"uniqueKeys": unique} if unique else {})}
        services.entities.put(builders.entity(name, schema=schema))
    keys = [1, 2, 3, 2, 4, 1, *range(10, 40), 3]

    def ended(entity: str) -> Job:
        job = start(services, s3, numbered(keys), key=f"drop/{entity}/x.csv", **options)
        return load_and_finish(services, prepared(services, job))

    read = RowReader.read

    def colliding(*arguments: Any) -> RowBlock:
        block = read(*arguments)
        block.digests = [7 for _ in block.digests]
        block.unique = [[value if value is None else 7 for value in values] for values in block.unique]
        return block

    with monkeypatch.context() as patch:
        patch.setattr(RowReader, "read", colliding)
        job = ended("contacts")
    if job.status is Status.COMPLETED and not job.dry_run:
        assert standing(services) == last_rows(keys)
    other = ended("orders")
    assert (job.status, job.counts) == (other.status, other.counts)
    assert rejected_types(services, job) == rejected_types(services, other)
