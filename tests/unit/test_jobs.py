"""Statuses, moves, outcomes, retention: the contract's section 4 as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import START
from waybill.errors import Conflict
from waybill.jobs.items import job_from_item, job_item
from waybill.jobs.model import (
    MOVES,
    TERMINAL,
    ChunkLease,
    Counts,
    Job,
    Outcome,
    Process,
    Retention,
    Status,
    check_move,
    finished,
    message_of,
    outcome_of,
    remaining_seconds,
    rows_per_second,
)

RETENTION = Retention(259_200, 3_600, 172_800, 172_800)


def job(status: Status = Status.IN_PROGRESS, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "job_id": "3f0c6c0e-7a53-4d7e-9a43-0a4f2f5c8a11",
        "process": Process.IMPORT,
        "status": status,
        "entity": "contacts",
        "entity_uid": "uid",
        "file_name": "contacts.csv",
        "submitted_at": START,
        "started_by": "alice",
    }
    return Job(**{**values, **changes})


@pytest.mark.parametrize("current", Status)
@pytest.mark.parametrize("new", Status)
def test_only_the_moves_of_the_contract_are_allowed(current: Status, new: Status) -> None:
    allowed = {
        (Status.WAITING, Status.CANCELED),
        (Status.WAITING, Status.IN_PROGRESS),
        (Status.WAITING, Status.FAILED),
        (Status.IN_PROGRESS, Status.COMPLETED),
        (Status.IN_PROGRESS, Status.FAILED),
    }
    if (current, new) in allowed:
        check_move(current, new)
    else:
        with pytest.raises(Conflict):
            check_move(current, new)


def test_a_terminal_status_is_final() -> None:
    assert {status for status, moves in MOVES.items() if not moves} == TERMINAL
    with pytest.raises(Conflict):
        finished(job(status=Status.COMPLETED), Status.FAILED, Counts(3, 3), START, RETENTION)


@pytest.mark.parametrize(
    ("status", "counts", "outcome"),
    [
        (Status.COMPLETED, Counts(3, 3), Outcome.SUCCESS),
        (Status.COMPLETED, Counts(0), Outcome.SUCCESS),
        (Status.COMPLETED, Counts(3, 2, 1), Outcome.PARTIAL_SUCCESS),
        (Status.COMPLETED, Counts(3, 2, 0, 1), Outcome.PARTIAL_SUCCESS),
        (Status.COMPLETED, Counts(3, 0, 3), Outcome.FAILED),
        (Status.COMPLETED, Counts(3, 0, 0, 3), Outcome.FAILED),
        (Status.FAILED, Counts(3, 2, 1), Outcome.FAILED),
        (Status.CANCELED, Counts(0), None),
        (Status.IN_PROGRESS, Counts(3, 1), None),
    ],
)
def test_outcomes(status: Status, counts: Counts, outcome: Outcome | None) -> None:
    assert outcome_of(status, counts) == outcome


@given(
    st.sampled_from([Status.COMPLETED, Status.FAILED]),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 15),
)
def test_a_job_ends_only_when_its_tally_balances(
    status: Status, imported: int, rejected: int, unprocessed: int, total: int
) -> None:
    counts = Counts(total, imported, rejected, unprocessed)
    if total == imported + rejected + unprocessed:
        ended = finished(job(leases={0: ChunkLease("a", 1, 1, 0)}), status, counts, START, RETENTION)
        assert ended.is_terminal and ended.processed == imported + rejected and ended.leases == {}
    else:
        with pytest.raises(ValueError, match="does not balance"):
            finished(job(), status, counts, START, RETENTION)


@pytest.mark.parametrize(
    ("process", "ran", "expires", "files"),
    [
        # an import: three days after submission, or an hour after its end, whichever is later; files 48 hours
        (Process.IMPORT, timedelta(hours=1), timedelta(days=3), timedelta(hours=49)),
        (Process.IMPORT, timedelta(days=2), timedelta(days=3), timedelta(days=3)),
        (Process.IMPORT, timedelta(days=4), timedelta(days=4, hours=1), timedelta(days=4, hours=1)),
        (Process.EXPORT, timedelta(hours=1), timedelta(hours=49), timedelta(hours=49)),
    ],
)
def test_retention(process: Process, ran: timedelta, expires: timedelta, files: timedelta) -> None:
    ended = finished(job(process=process), Status.COMPLETED, Counts(0), START + ran, RETENTION)
    assert ended.expires_at == START + expires
    assert ended.files_expire_at == START + files


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": Status.WAITING}, "Queued, waiting to start"),
        ({}, "Reading the file"),
        ({"counts": Counts(34033, 1180, 20)}, "1,200 of 34,033 rows processed"),
        ({"status": Status.CANCELED}, "Canceled before it started"),
        ({"status": Status.FAILED, "error_code": "empty-file", "error_message": "No rows."}, "empty-file: No rows."),
        ({"status": Status.COMPLETED, "counts": Counts(3, 3)}, "3 rows imported"),
        (
            {"status": Status.COMPLETED, "counts": Counts(9, 3, 4, 2), "stop_reason": "USER"},
            "3 rows imported, 4 rejected because of errors, 2 not processed because the import was stopped",
        ),
        ({"status": Status.COMPLETED, "counts": Counts(3, 3), "dry_run": True}, "3 rows would be imported"),
        ({"status": Status.COMPLETED, "counts": Counts(3, 3), "process": Process.EXPORT}, "3 rows exported"),
    ],
)
def test_messages(changes: dict[str, Any], message: str) -> None:
    assert message_of(job(**changes)) == message


def test_rate_and_time_left_come_from_what_was_done() -> None:
    running = job(started_at=START, counts=Counts(1000, 300, 100), leases={3: ChunkLease("a", 100, 90, 10)})
    now = START + timedelta(seconds=10)
    assert running.processed == 500
    assert rows_per_second(running, now) == 50.0
    assert remaining_seconds(running, now) == 10


moments = st.datetimes(
    min_value=START.replace(tzinfo=None),
    max_value=START.replace(tzinfo=None, year=2030),
    timezones=st.just(START.tzinfo),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


@given(
    st.builds(
        replace,
        st.just(job()),
        status=st.sampled_from(Status),
        outcome=st.none() | st.sampled_from(Outcome),
        started_at=st.none() | moments,
        completed_at=st.none() | moments,
        expires_at=st.none() | moments.map(lambda moment: moment.replace(microsecond=0)),
        counts=st.builds(Counts, st.none() | st.integers(0, 10**9), st.integers(0), st.integers(0), st.integers(0)),
        leases=st.dictionaries(
            st.integers(0, 999),
            st.builds(ChunkLease, st.text("ab", min_size=1), st.integers(0), st.integers(0), st.integers(0)),
            max_size=3,
        ),
        file_name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
        detected=st.none() | st.just({"encoding": "utf-8", "bom": False}),
    )
)
def test_a_job_is_stored_and_read_back_as_it_was(stored: Job) -> None:
    assert job_from_item(job_item(stored)) == stored
