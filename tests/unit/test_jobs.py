"""Statuses, moves, outcomes, retention: the contract's section 4 as tables."""

from __future__ import annotations

import json
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
    SERVICE_FAILURES,
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
    job_prefix,
    left_undone,
    message_of,
    outcome_of,
    remaining_seconds,
    rows_per_second,
)
from waybill.jobs.outbox import outbox_item
from waybill.sizes import MAX_MESSAGE

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
        with pytest.raises(Conflict, match=rf"^A job that is {current} cannot become {new}\.$"):
            check_move(current, new)


def test_an_end_is_one_of_the_moves_and_takes_what_it_found_along() -> None:
    with pytest.raises(Conflict):
        finished(job(Status.WAITING), Status.COMPLETED, Counts(0), START, RETENTION)
    with pytest.raises(Conflict):
        finished(job(), Status.CANCELED, Counts(0), START, RETENTION)
    ended = finished(job(), Status.FAILED, Counts(0), START, RETENTION, error_code="empty-file")
    assert ended.error_code == "empty-file" and ended.job_id == job().job_id


def test_the_message_of_an_end_fits_into_the_record() -> None:
    """A message may quote a cell of the file, and a job is one item of a table."""

    def message(text: str | None) -> str | None:
        return finished(job(), Status.FAILED, Counts(0), START, RETENTION, error_message=text).error_message

    assert message(None) is None
    assert message("x" * MAX_MESSAGE) == "x" * MAX_MESSAGE
    assert message("x" * (MAX_MESSAGE + 1)) == "x" * (MAX_MESSAGE - 1) + "…"


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
        assert (ended.status, ended.counts, ended.completed_at) == (status, counts, START)
        assert ended.outcome == outcome_of(status, counts)
    else:
        with pytest.raises(ValueError, match=r"^job 3f0c6c0e.* does not balance$"):
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
        ({"counts": Counts(None, 1180, 20)}, "1,200 rows processed"),
        ({"counts": Counts(9000, 1180), "stop_reason": "USER"}, "Stopping; 1,180 of 9,000 rows processed"),
        ({"process": Process.EXPORT}, "Reading the table"),
        ({"process": Process.EXPORT, "counts": Counts(None, 1180)}, "1,180 rows written"),
        ({"process": Process.EXPORT, "counts": Counts(9000, 1180)}, "1,180 of 9,000 rows written"),
        ({"process": Process.EXPORT, "extracted": {"rows": 4321}}, "4,321 rows written, delivering the file"),
        ({"status": Status.CANCELED}, "Canceled before it started"),
        ({"status": Status.FAILED, "error_code": "empty-file", "error_message": "No rows."}, "empty-file: No rows."),
        ({"status": Status.COMPLETED, "counts": Counts(3, 3)}, "3 rows imported"),
        ({"status": Status.COMPLETED, "counts": Counts(1, 1)}, "1 row imported"),
        (
            {"status": Status.COMPLETED, "counts": Counts(9, 3, 4, 2), "stop_reason": "USER"},
            "3 rows imported, 4 rejected because of errors, 2 not processed because the import was stopped",
        ),
        (
            {"status": Status.COMPLETED, "counts": Counts(9000, 3000, 0, 6000), "stop_reason": "MAX_ERRORS"},
            "3,000 rows imported, 6,000 not processed because an error limit was reached",
        ),
        (
            {"status": Status.COMPLETED, "counts": Counts(9000, 3000, 6000)},
            "3,000 rows imported, 6,000 rejected because of errors",
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


def test_no_rate_before_the_first_row_and_none_left_after_the_end() -> None:
    now = START + timedelta(seconds=10)
    assert rows_per_second(job(counts=Counts(1000, 300)), now) is None, "it has not begun"
    assert rows_per_second(job(started_at=START), now) is None, "it has no row"
    begun = job(started_at=START, counts=Counts(1000, 300))
    assert rows_per_second(begun, START) is None and rows_per_second(begun, START - timedelta(seconds=1)) is None
    assert rows_per_second(begun, START + timedelta(seconds=0.5)) == 600.0
    assert rows_per_second(replace(begun, counts=Counts(1000, 1)), START + timedelta(seconds=3)) == 0.3
    over = replace(begun, status=Status.COMPLETED, completed_at=now)
    assert rows_per_second(over, START + timedelta(days=1)) == 30.0, "the rate of an ended job stays"
    assert remaining_seconds(begun, now) == 23
    assert remaining_seconds(over, now) is None
    assert remaining_seconds(job(started_at=START), now) is None
    assert remaining_seconds(replace(begun, counts=Counts(None, 300)), now) is None
    assert remaining_seconds(replace(begun, counts=Counts(200, 300)), now) == 0, "never less than none"


def test_progress_is_that_of_finished_chunks_and_of_those_in_work() -> None:
    leases = {3: ChunkLease("a", 10, 7, 2, repeated=1), 4: ChunkLease("b", 5, 4, 1, repeated=1)}
    running = job(counts=Counts(100, 30, 5, 0, 3), leases=leases)
    assert (running.processed, running.imported, running.rejected, running.repeated) == (50, 41, 8, 5)


def test_rows_that_a_relaunch_imports_are_those_with_a_text_and_a_chance() -> None:
    assert Counts(100, 50, 30, 20, 7, 2).importable == 41
    assert Counts(3, 3).importable == 0


def test_a_job_is_new_without_rows_leases_or_files() -> None:
    new = job()
    assert new.counts == Counts(None, 0, 0, 0, 0, 0) and (new.processed, new.repeated) == (0, 0)
    assert ChunkLease("a") == ChunkLease("a", 0, 0, 0, 0, 0, 0, 1)
    assert Counts(None) == Counts(None, 0, 0, 0, 0, 0)
    assert (new.chunks_loaded, new.restarts, new.mode, new.on_error) == (0, 0, "upsert", "skip")
    flags = (new.refused, new.dry_run, new.keep_previous, new.can_undo)
    assert (*flags, new.has_error_log, new.has_rejects, new.has_download) == (False,) * 7
    assert (new.leases, new.options, new.warnings) == ({}, {}, [])
    known = {"leases", "options", "warnings", "counts", "chunks_loaded", "restarts", "mode", "on_error"}
    known |= {"refused", "dry_run", "keep_previous", "can_undo", "has_error_log", "has_rejects", "has_download"}
    given = {"job_id", "process", "status", "entity", "entity_uid", "file_name", "submitted_at", "started_by"}
    assert all(value is None for name, value in vars(new).items() if name not in known | given)
    assert job_prefix("a") == "jobs/a/"


def test_failures_that_are_the_services_not_the_files() -> None:
    """What a client of Zilliant's API is told is its own fault, or ours."""
    assert {"internal-error", "timed-out", "delivery-failed"} == SERVICE_FAILURES


def test_what_a_status_allows() -> None:
    export = {"process": Process.EXPORT}
    assert job(Status.WAITING).allowed_actions() == ["cancel"]
    assert job(Status.WAITING, **export).allowed_actions() == []
    assert job().allowed_actions() == job(chunks=3, chunks_loaded=2).allowed_actions() == ["stop"]
    assert job(**export).allowed_actions() == ["stop"]
    assert job(**export, extracted={}, delivery={"step": "uploading"}).allowed_actions() == ["stop"]
    for changes in (
        {**export, "delivery": {"step": "placing"}},
        {"stop_reason": "USER"},
        {"chunks": 3, "chunks_loaded": 3},
    ):
        assert job(**changes).allowed_actions() == []
    assert {tuple(job(status).allowed_actions()) for status in TERMINAL} == {("delete",)}


def test_progress_has_a_percentage() -> None:
    run = job(process=Process.EXPORT, options={"parts": 16}, chunks_loaded=3)
    assert run.percent == 18
    assert replace(run, leases={3: ChunkLease("a", row=500), -1: ChunkLease("b", row=900)}).percent == 21
    assert replace(run, options={}).percent is None and replace(run, status=Status.COMPLETED).percent is None
    assert job(counts=Counts(total=8, imported=2)).percent == 25 and job(counts=Counts()).percent is None


def test_imports_that_write_take_turns() -> None:
    assert job().takes_turns
    assert not job(dry_run=True).takes_turns and not job(process=Process.EXPORT).takes_turns
    assert not job(process=Process.EXPORT, dry_run=True).takes_turns


def test_an_import_waits_for_its_turn_only_while_it_waits() -> None:
    assert [job(status).is_queued for status in Status] == [status is Status.WAITING for status in Status]
    assert not job(Status.WAITING, dry_run=True).is_queued


def test_options_that_have_names_of_their_own() -> None:
    assert (job().blanks, job(options={"blanks": "keep"}).blanks) == ("clear", "keep")
    assert (job().is_backfill, job(options={"backfill": True}).is_backfill) == (False, True)
    assert (job().recipients, job(options={"recipients": ["a@example.com"]}).recipients) == ([], ["a@example.com"])


@pytest.mark.parametrize(
    ("status", "counts", "is_left"),
    [
        (Status.COMPLETED, Counts(3, 2, 0, 1), True),
        (Status.COMPLETED, Counts(3, 2, 1, 0), False),
        (Status.COMPLETED, Counts(1, 1, 0, 0), False),
        (Status.CANCELED, Counts(0), True),
        (Status.FAILED, Counts(2, 0, 0, 2), True),
        (Status.IN_PROGRESS, Counts(None), False),
        (Status.WAITING, Counts(0), False),
    ],
)
def test_an_undo_that_was_left_can_be_done_again(status: Status, counts: Counts, is_left: bool) -> None:
    assert left_undone(job(status, counts=counts)) is is_left


def test_undos_speak_of_undoing() -> None:
    undo = {"undo_of": "job"}
    assert message_of(job(Status.COMPLETED, counts=Counts(3, 3, 0, 0), **undo)) == "3 rows undone"
    left = message_of(job(Status.COMPLETED, counts=Counts(4, 3, 1, 0), **undo))
    assert left == "3 rows undone, 1 left because their records have changed since"
    stopped = message_of(job(Status.COMPLETED, counts=Counts(4, 3, 0, 1), stop_reason="USER", **undo))
    assert stopped == "3 rows undone, 1 not processed because the undo was stopped"
    assert message_of(job(Status.COMPLETED, counts=Counts(1, 1, 0, 0))) == "1 row imported"


def test_a_job_has_expired_at_its_time() -> None:
    assert not job().has_expired(START)
    assert job(expires_at=START).has_expired(START)
    assert not job(expires_at=START + timedelta(seconds=1)).has_expired(START)


def test_expiries_are_whole_seconds() -> None:
    """As they are stored, so that readers and retention agree."""
    at = START + timedelta(seconds=0.7)
    for process in Process:
        ended = finished(job(process=process, submitted_at=at), Status.FAILED, Counts(0), at, RETENTION)
        assert ended.expires_at is not None and ended.files_expire_at is not None
        assert ended.expires_at.microsecond == ended.files_expire_at.microsecond == 0
        assert ended.files_expire_at == START + timedelta(days=2)


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
        entity_uid=st.sampled_from(["", "uid"]),
        refused=st.booleans(),
        chunks=st.none() | st.integers(0, 9),
        corrected_by=st.none() | st.just([]),
        error_message=st.none() | st.just(""),
        write_time=st.none() | moments,
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
    assert job_from_item(json.loads(outbox_item(stored, START)["job"])) == stored, "as it is published late"
