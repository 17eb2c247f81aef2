"""The rows of a file become records or rejects with their reasons, and all are counted, whatever the chunk size."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.importing import (
    BAD_ROWS,
    UNIQUE,
    live,
    records,
    rejected_types,
    rejects,
    run,
    start,
)
from waybill.bootstrap import Services
from waybill.imports.error_log import error_page
from waybill.imports.job_files import rejects_key
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.jobs.model import ChunkLease, Outcome, Status


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


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
        (3, "contact_id"),
        (5, "email"),
        (6, "spend"),
        (7, "contact_id"),
        (8, "spend"),
        (8, "joined"),
    ]
    assert "Row 9" in items[0]["message"]
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
        (b"\n\n", "empty-file"),
        (b"\n\n1\n", "blank-header"),
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


FOOTERS = {
    "fewer cells": (b"Total,,12\n", {4: "missing-cell"}),
    "a note": (b"* preliminary figures\n", {4: "missing-cell"}),
    "after blank rows": (b"\n\nReport of 31.1.2026\n", {4: "blank-row", 5: "blank-row", 6: "missing-cell"}),
    "values that a field does not take": (b"Total,,12,2 rows,\n", {4: "type-error"}),
    "cells that each field takes": (b"Total,,12,,\n", {}),
}


@pytest.mark.parametrize("footer", FOOTERS)
def test_a_row_below_the_table_is_judged_like_any_other(services: Services, s3: Any, footer: str) -> None:
    """As docs/files.md says: only one that fills the fields as a record does is a record."""
    below, expected = FOOTERS[footer]
    job = run(services, start(services, s3, builders.contacts_csv(count=2) + below))
    assert ("Total" in records(services)) == (not expected)
    assert (job.counts.rejected, job.counts.imported) == (len(expected), 2 if expected else 3)
    if expected:
        assert rejected_types(services, job) == expected
        assert job.outcome is Outcome.PARTIAL_SUCCESS


def test_a_nul_byte_is_an_error_of_its_row(services: Services, s3: Any) -> None:
    job = run(services, start(services, s3, builders.contacts_csv([{"contact_id": "nul\0"}], count=1)))
    assert (job.counts.imported, job.counts.rejected) == (1, 1)
    assert rejected_types(services, job) == {3: "format-error"}


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
    assert "Row 3" in reasons[4] and "Row 3" in reasons[5] and "Row 7" in reasons[9]
