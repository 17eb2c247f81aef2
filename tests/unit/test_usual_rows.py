"""How many rows imports usually have: each import counts once, and only what says something about the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.job_tables import JobTables
from waybill.aws.dynamodb import TransactionCanceled
from waybill.entities.model import Quality
from waybill.imports.policy import rows_warning
from waybill.jobs.model import Counts, Job, Process, Status, finished
from waybill.jobs.usual_rows import MAX_IMPORTS, UNUSUAL_ROWS, usual_rows, whole_file_options


@pytest.fixture
def tables() -> JobTables:
    return JobTables()


def end(tables: JobTables, job: Job, rows: int, status: Status = Status.COMPLETED, imported: int | None = None) -> Job:
    imported = rows if imported is None else imported
    counts = Counts(rows, imported, rows - imported)
    return tables.jobs.finish(finished(job, status, counts, tables.clock.now(), tables.jobs.retention), job.status)


def imported(tables: JobTables, *numbers: int, **changes: Any) -> None:
    for rows in numbers:
        end(tables, tables.begun(**changes), rows)


def usual(tables: JobTables, **changes: Any) -> tuple[int, int] | None:
    """What the next import is measured by; it fails, and so changes nothing."""
    job = tables.begun(**changes)
    found = usual_rows(tables.jobs.get(job.job_id))
    end(tables, job, 0, Status.FAILED)
    return found


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ([], None),
        ([10, 20], None),
        ([10, 30, 20], (20, 3)),
        ([40, 10, 30, 20], (20, 4)),
        ([7] * 4 + [1000] * 6 + [8] * 4, (1000, 10)),
        ([7] * 30, (7, 10)),
    ],
)
def test_usual_is_the_median_of_the_last_imports(
    tables: JobTables, before: list[int], found: tuple[int, int] | None
) -> None:
    imported(tables, *before)
    assert usual(tables) == found
    (item,) = (item for item in tables.items() if item["pk"].startswith("USUAL")) if before else [{"rows": []}]
    assert item["rows"] == before[-MAX_IMPORTS:], "it does not grow with the imports"


def test_files_of_other_modes_and_sources_are_other_files(tables: JobTables) -> None:
    imported(tables, 1, 1, 1)
    imported(tables, 2, 2, 2, mode="delete")
    imported(tables, 3, 3, 3, source_id="s")
    imported(tables, 4, 4, 4, entity_uid="other")
    assert usual(tables) == (1, 3)
    assert usual(tables, mode="delete") == (2, 3)
    assert usual(tables, source_id="s") == (3, 3)
    assert usual(tables, source_id="s", mode="delete") is None
    assert usual(tables, entity_uid="other") == (4, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"dry_run": True},
        {"undo_of": "x"},
        {"retry_of": "x", "takes": {"job_id": "x", "key": "k"}},
        {"process": Process.EXPORT, "export_id": "e"},
    ],
    ids=str,
)
def test_what_is_no_import_of_a_file_does_not_count(tables: JobTables, changes: dict[str, Any]) -> None:
    imported(tables, 5, 5, 5)
    imported(tables, *[100] * 5, **changes)
    assert usual(tables) == (5, 3)
    assert usual(tables, dry_run=True) == (5, 3), "a dry run is judged as the import would be"


def test_imports_that_failed_were_stopped_or_imported_nothing_do_not_count(tables: JobTables) -> None:
    imported(tables, 5, 5, 5)
    end(tables, tables.begun(), 100, Status.FAILED)
    end(tables, tables.begun(), 100, imported=0)
    for reason in ("USER", "MAX_ERRORS"):
        job = tables.begun()
        end(tables, tables.jobs.request_stop(job.job_id, reason), 100)
    assert usual(tables) == (5, 3)


def test_a_stop_that_is_accepted_while_an_import_ends_counts_as_one(tables: JobTables) -> None:
    imported(tables, 5, 5, 5)
    job = tables.begun("a")
    tables.memory.meanwhile = lambda: tables.jobs.request_stop("a", "USER")
    assert end(tables, job, 100).stop_reason == "USER"
    assert usual(tables) == (5, 3)


def test_an_end_that_is_stored_twice_counts_once(tables: JobTables) -> None:
    imported(tables, 5, 5)
    job = tables.begun()
    assert usual_rows(job) is None
    for _ in range(3):
        end(tables, job, 5)
    assert usual(tables) == (5, 3)


def test_what_another_import_added_since_the_beginning_stays(tables: JobTables) -> None:
    """An import that reads just before another one ends, and begins just after."""
    imported(tables, 5)
    first = tables.begun()
    second = tables.registered()
    tables.memory.meanwhile = lambda: end(tables, first, 6)
    second = tables.jobs.begin(second.job_id)
    assert second.options["usual"]["rows"] == [5]
    end(tables, second, 7)
    assert usual(tables) == (6, 3)


def test_an_end_that_keeps_failing_is_not_repeated_forever(tables: JobTables) -> None:
    job = tables.begun("a")
    tables.table.put({"pk": "RUNNING#uid", "sk": "IMPORT", "jobId": "b", "startedAt": "2026-01-01T00:00:00.000Z"})
    with pytest.raises(TransactionCanceled):
        end(tables, job, 5)


def test_numbers_are_forgotten_with_the_time_and_with_the_entity(tables: JobTables) -> None:
    imported(tables, 5, 5, 5)
    tables.clock.forward(seconds=timedelta(days=400).total_seconds() + 1)
    assert usual(tables) is None
    imported(tables, 6)
    assert usual(tables) is None, "those that were forgotten do not come back"
    imported(tables, 6, 6)
    assert usual(tables) == (6, 3)
    imported(tables, 7, 7, 7, mode="insert")
    tables.running.forget("uid")
    assert not any(key.startswith("USUAL") for key in tables.all_keys())


def test_an_import_that_an_earlier_version_began_ends_as_before(tables: JobTables) -> None:
    job = tables.begun()
    end(tables, replace(job, options={}), 5)
    assert not any(key.startswith("USUAL") for key in tables.all_keys())


@pytest.mark.parametrize(
    ("rows", "percent", "is_told"),
    [
        *[(50, 50, False), (49, 50, True), (150, 50, False), (151, 50, True), (100, 0, False), (101, 0, True)],
        *[(1, 100, False), (1100, 1000, False), (1101, 1000, True), (1, None, False)],
    ],
)
def test_a_file_may_differ_by_so_much(tables: JobTables, rows: int, percent: int | None, is_told: bool) -> None:
    imported(tables, 100, 100, 100)
    rule = {"quality": Quality(20, "tell", percent).to_document()}
    warning = rows_warning(tables.begun(options=rule), rows)
    has = "1 row" if rows == 1 else f"{rows:,} rows"
    message = (
        f"The file has {has}, but imports like it usually have 100 (the median of the last 3); "
        f"the entity allows a difference of {percent} %."
    )
    assert warning == ({"code": UNUSUAL_ROWS, "message": message} if is_told else None)


def test_only_a_relaunch_of_what_was_refused_for_its_rows_accepts_them(tables: JobTables) -> None:
    imported(tables, 5, 5, 5)
    refused = tables.begun(error_code=UNUSUAL_ROWS)
    died = replace(refused, error_code="timed-out")
    end(tables, refused, 0, Status.FAILED)
    assert usual(tables, options=whole_file_options(died)) == (5, 3)
    accepted = whole_file_options(refused)
    assert usual(tables, options=accepted) is None
    assert usual(tables, options=whole_file_options(replace(died, options=accepted))) is None, "it died, and once more"


def test_a_relaunch_counts_with_the_source_that_fetched_the_file(tables: JobTables) -> None:
    imported(tables, 5, 5, source_id="s")
    child = whole_file_options(tables.begun("x", source_id="s"))
    end(tables, tables.jobs.get("x"), 0, Status.FAILED)
    imported(tables, 8, options=whole_file_options(replace(tables.jobs.get("x"), source_id=None, options=child)))
    assert usual(tables, source_id="s") == (5, 3)
    assert usual(tables) is None
