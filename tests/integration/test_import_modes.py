"""What each mode, each error policy and a dry run do with good rows and bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.importing import (
    BAD_ROWS,
    counts,
    live,
    records,
    rejected_types,
    start,
)
from waybill.bootstrap import Services
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.model import Outcome, Status


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


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


@pytest.mark.parametrize(("chunk_bytes", "block_bytes"), [(64, 64), (1 << 20, 64), (1 << 20, 1 << 20)])
@pytest.mark.parametrize(
    "options", [{}, {"dry-run": "true"}, {"mode": "insert"}, {"mode": "insert", "dry-run": "true"}], ids=str
)
def test_repeated_keys_do_not_count_for_abort(
    services: Services,
    drop: Any,
    options: dict[str, str],
    chunk_bytes: int,
    block_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another row of the file replaces them: in each mode, in a dry run too, also in other chunks and blocks."""
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    monkeypatch.setattr("waybill.tabular.records.segments.__defaults__", (0, block_bytes))
    rows = [{"contact_id": "twice"}] * 5 + [{"contact_id": "bad", "email": "nobody"}] * 2
    job = drop(builders.contacts_csv(rows, count=10), **{"on-error": "abort", "max-errors": "3"}, **options)
    assert (job.stop_reason, counts(job)) == (None, (17, 11, 6, 0))
    job = drop(
        builders.contacts_csv([*rows, rows[-1]], count=10), **{"on-error": "abort", "max-errors": "3"}, **options
    )
    assert job.stop_reason == "MAX_ERRORS"


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
