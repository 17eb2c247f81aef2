"""What each mode, each error policy and a dry run do with good rows and bad ones."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from tests import builders
from tests.importing import (
    BAD_ROWS,
    counts,
    die_in,
    live,
    load_and_finish,
    prepared,
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
from waybill.timestamps import epoch_milliseconds


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


def test_merge_changes_the_columns_of_the_file_and_creates_what_is_not_there(services: Services, drop: Any) -> None:
    drop(builders.contacts_csv(count=3))
    drop(b"contact_id\nc000002\n", mode="delete")
    job = drop(b"contact_id,spend\nc000000,99\nnobody,1\nc000001,\nc000000,98\nc000002,5\n", mode="merge")
    assert counts(job) == (5, 4, 1, 0)
    assert rejected_types(services, job) == {2: "duplicate-key"}
    stored = records(services)
    assert stored["c000000"]["spend"] == {"N": "98"} and stored["c000000"]["email"] == {"S": "a@example.com"}
    assert "spend" not in stored["c000001"] and "email" in stored["c000001"]
    assert live(services) == {"c000000", "c000001", "c000002", "nobody"}
    assert stored["c000002"].keys() - {"_pk", "_sk"} == {"contact_id", "spend"}, (
        "nothing of the deleted record, nor its expiry"
    )


@pytest.mark.parametrize(
    ("mode", "file", "cleared"),
    [
        ("upsert", b"contact_id,spend\nc000000,9\n", True),
        ("upsert", b'{"contact_id": "c000000", "spend": 9}\n', True),
        ("merge", b"contact_id,spend\nc000000,9\n", False),
        ("insert", b"contact_id,spend\nnew,9\n", False),
    ],
)
def test_a_job_tells_that_records_lose_what_its_file_lacks(
    services: Services, drop: Any, mode: str, file: bytes, cleared: bool
) -> None:
    schema = {**builders.entity().schema, "fieldsMatch": "partial"}
    services.entities.put(builders.entity(schema=schema))
    drop(builders.contacts_csv(count=1))
    warnings = {warning["code"]: warning["message"] for warning in drop(file, mode=mode).warnings}
    assert ("fields-cleared" in warnings) is cleared
    if cleared:
        assert "lacks these fields: email" in warnings["fields-cleared"]
    assert ("email" in records(services)["c000000"]) is not cleared


@pytest.mark.parametrize("file", [b"contact_id,spend\nc000000,9\nc2,none\n", b"contact_id,spend\n,9\n"])
def test_a_job_that_wrote_nothing_tells_of_no_lost_values(services: Services, drop: Any, file: bytes) -> None:
    schema = {**builders.entity().schema, "fieldsMatch": "partial"}
    services.entities.put(builders.entity(schema=schema))
    job = drop(file, on_error="all-or-nothing" if b"none" in file else "skip")
    assert job.counts.imported == 0 and "fields-cleared" not in {warning["code"] for warning in job.warnings}


@pytest.mark.parametrize("mode", ["merge", "update"])
def test_blank_cells_can_leave_fields_as_they_stand(services: Services, drop: Any, mode: str) -> None:
    drop(builders.contacts_csv(count=2))
    before = records(services)
    job = drop(b"contact_id,spend,email\nc000000,,new@example.com\nc000001,,\n", mode=mode, blanks="keep")
    assert counts(job) == (2, 2, 0, 0)
    changed = {**before["c000000"], "email": {"S": "new@example.com"}}
    assert records(services) == before | {"c000000": changed}


@pytest.mark.parametrize("mode", ["merge", "update"])
def test_a_default_leaves_fields_as_they_stand_where_blanks_do(services: Services, drop: Any, mode: str) -> None:
    schema = copy.deepcopy(builders.entity().schema)
    next(field for field in schema["fields"] if field["name"] == "email")["default"] = "none@example.com"
    services.entities.put(builders.entity(schema=schema))
    drop(builders.contacts_csv(count=1))
    before = records(services)
    job = drop(b"contact_id,spend,email\nc000000,5,\nnew,6,\n", mode=mode, blanks="keep")
    created = {"new"} if mode == "merge" else set()
    assert counts(job)[:3] == (2, 1 + len(created), 1 - len(created))
    after = records(services)
    assert after["c000000"] == {**before["c000000"], "spend": {"N": "5"}}
    assert {after[key]["email"]["S"] for key in created} == ({"none@example.com"} if created else set())


def test_an_earlier_row_of_a_key_leaves_nothing_in_a_merged_record(services: Services, drop: Any) -> None:
    """Each row speaks of other fields; only the last one counts."""
    job = drop(b"contact_id,spend,email\nx,5,\nx,,a@example.com\n", mode="merge", blanks="keep")
    assert rejected_types(services, job) == {2: "duplicate-key"}
    assert records(services)["x"].keys() - {"_pk", "_sk"} == {"contact_id", "email"}


def test_delete_needs_only_the_key_and_leaves_no_record(services: Services, drop: Any) -> None:
    drop(builders.contacts_csv(count=3))
    job = drop(b"contact_id\nc000000\nc000002\nnobody\nc000000\n", mode="delete")
    assert counts(job) == (4, 2, 2, 0)
    assert rejected_types(services, job) == {2: "duplicate-key", 4: "not-found"}
    assert live(services) == {"c000001"}
    again = drop(b"contact_id\nc000000\n", mode="delete")
    assert rejected_types(services, again) == {2: "not-found"}
    dry = {"dry-run": "true"}
    assert counts(drop(builders.contacts_csv(count=1), mode="insert", **dry)) == (1, 1, 0, 0)
    assert rejected_types(services, drop(b"contact_id,spend\nc000002,1\n", mode="update", **dry)) == {2: "not-found"}
    assert counts(drop(builders.contacts_csv(count=1), mode="insert")) == (1, 1, 0, 0)
    assert live(services) == {"c000000", "c000001"}
    assert rejected_types(services, drop(b"contact_id,spend\nc000002,1\n", mode="update")) == {2: "not-found"}


@pytest.mark.parametrize("mode", ["upsert", "insert", "merge", "update", "delete"])
@pytest.mark.parametrize("late", [timedelta(hours=-2), timedelta(hours=2)])
def test_all_records_of_an_import_bear_its_write_time(
    services: Services, s3: Any, clock: builders.Clock, drop: Any, mode: str, late: timedelta
) -> None:
    """Whatever the clocks of its workers say; also tombstones, and the rows of repeated keys that are written twice."""
    if mode != "insert":
        drop(builders.contacts_csv(count=30))
    clock.forward(seconds=1, microseconds=1999)
    data = builders.contacts_csv([{"contact_id": "c000007"}], count=30)
    job = prepared(services, start(services, s3, data, key="drop/contacts/x.csv", mode=mode))
    assert job.write_time == clock.now().replace(microsecond=1000)
    clock.moment += late
    assert load_and_finish(services, job).counts.imported == 30
    own = [item for item in records(services, without=()).values() if item["_by"]["S"] == job.job_id]
    assert len(own) == 30
    assert {item["_at"]["N"] for item in own} == {str(epoch_milliseconds(job.write_time))}


@pytest.mark.parametrize("mode", ["insert", "merge", "update", "delete"])
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


@pytest.mark.parametrize("on_error", ["skip", "abort"])
@pytest.mark.parametrize("mode", ["merge", "update"])
def test_a_record_that_would_grow_too_large_is_an_error_of_its_row(
    services: Services,
    s3: Any,
    clock: builders.Clock,
    drop: Any,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    on_error: str,
) -> None:
    """Neither the record nor the row is too large. A worker dies before it can say so; the next one says the same."""
    fields = [{"name": name, "type": "string"} for name in ("contact_id", "a", "b")]
    schema = {"fields": fields, "primaryKey": "contact_id", "fieldsMatch": "subset"}
    services.entities.put(builders.entity(schema=schema))
    assert counts(drop(b"contact_id,a,b\nfits,1,\nlarge," + b"x" * 300_000 + b",\nlast,1,\n")) == (3, 3, 0, 0)
    data = b"contact_id,b\nfits,2\nlarge," + b"y" * 200_000 + b"\nlast,2\n"
    options = {"mode": mode, "on-error": on_error, **({"max-errors": "9"} if on_error == "abort" else {})}
    job = prepared(services, start(services, s3, data, key="drop/contacts/x.csv", **options))
    die_in(services, job, 0, monkeypatch, requests=99)
    clock.forward(seconds=60)
    job = load_and_finish(services, job)
    assert (job.status, counts(job)) == (Status.COMPLETED, (3, 2, 1, 0))
    assert rejected_types(services, job) == {3: "record-too-large"}
    stored = records(services)
    assert "b" not in stored["large"] and stored["fits"]["b"] == stored["last"]["b"] == {"S": "2"}


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
