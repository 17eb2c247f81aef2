"""Each move of a job is one conditional request: what it changes, what it leaves, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.builders import START
from tests.job_tables import JobTables, collision, new_job
from waybill.aws.dynamodb import TransactionCanceled, to_attributes
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Table
from waybill.errors import (
    ChecksFailed,
    Conflict,
    Gone,
    MalformedRequest,
    NotFound,
    NotItsTurn,
    StopRequested,
    Superseded,
    Unavailable,
)
from waybill.jobs.corrections import CorrectedOrigin
from waybill.jobs.model import Counts, Job, Process, Status, finished
from waybill.jobs.origins import FilesOrigin
from waybill.jobs.repository import CONFLICT_ROUNDS, record_key

SECOND = timedelta(seconds=1)


@pytest.fixture
def tables() -> JobTables:
    return JobTables()


def at(seconds: float) -> str:
    return (START + seconds * SECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ended(tables: JobTables, job: Job, status: Status = Status.COMPLETED, **changes: Any) -> Job:
    counts = Counts(3, 2, 1) if status is Status.COMPLETED else Counts(0)
    return finished(job, status, counts, tables.clock.now(), tables.jobs.retention, **changes)


def finish(tables: JobTables, job: Job, status: Status = Status.COMPLETED) -> Job:
    return tables.jobs.finish(ended(tables, job, status), job.status)


# Reading


def test_a_job_is_found_until_its_record_is_gone_and_read_until_it_expires(tables: JobTables) -> None:
    job = tables.registered("a")
    assert tables.jobs.find("a") == tables.jobs.get("a") == job
    assert tables.jobs.find("other") is None
    with pytest.raises(NotFound, match=r"^There is no job with this id, or it has expired\.$"):
        tables.jobs.get("other")
    finish(tables, job, Status.CANCELED)
    tables.clock.forward(days=3)
    assert tables.jobs.find("a") is not None
    with pytest.raises(Gone, match=r"^This job has expired\.$"):
        tables.jobs.get("a")


def test_a_job_is_over_when_it_has_ended_or_is_gone(tables: JobTables) -> None:
    job = tables.registered("a")
    assert not tables.jobs.is_over("a")
    finish(tables, job, Status.CANCELED)
    assert tables.jobs.is_over("a") and tables.jobs.is_over("never was")


def test_a_record_that_cannot_be_read_hides_no_other(tables: JobTables) -> None:
    for name in "ab":
        tables.registered(name)
    tables.table.put({"pk": "JOB#c", "sk": "JOB", "status": "NONSENSE"})
    assert [job.job_id for job in tables.jobs.find_many(["b", "c", "missing", "a"])] == ["b", "a"]


def test_lists_leave_out_expired_jobs(tables: JobTables) -> None:
    finish(tables, tables.registered("a"), Status.CANCELED)
    tables.clock.forward(days=2)
    tables.registered("b")
    assert [job.job_id for job in tables.jobs.live(["a", "b"])] == ["a", "b"]
    tables.clock.forward(days=1)
    assert [job.job_id for job in tables.jobs.live(["a", "b"])] == ["b"]


def test_pages_go_from_the_newest_job_to_the_oldest_without_gaps(tables: JobTables) -> None:
    for name in "abcde":
        tables.registered(name)
    seen, cursor = [], None
    for size in (2, 2, 1):
        job_ids, cursor = tables.jobs.newest(2, cursor)
        if 0 < len(seen) < 4:
            _, query = next(sent for sent in tables.memory.requests[::-1] if sent[0] == "Query")
            start = {"listKey": "JOB", "listSort": f"{at(4)}#d", "pk": "JOB#d", "sk": "JOB"}
            assert query["ExclusiveStartKey"] == to_attributes(start), "the whole key, as DynamoDB wants it"
        assert len(job_ids) == size
        seen += job_ids
        tables.registered()  # newer ones shift nothing
    assert seen == ["e", "d", "c", "b", "a"] and cursor is None
    with pytest.raises(MalformedRequest):
        tables.jobs.newest(2, "bm9uc2Vuc2U")


def test_a_job_keeps_the_definition_that_it_was_registered_with(tables: JobTables) -> None:
    job = tables.registered("a")
    assert tables.jobs.register(job, {"name": "another"}) == (job, False)
    assert tables.jobs.definition("a") == {"name": "contacts"}
    with pytest.raises(NotFound, match=r"^The definition of this job is gone\.$"):
        tables.jobs.definition("other")


# Registering


def test_a_waiting_import_has_everything_that_finds_it_again(tables: JobTables) -> None:
    tables.can_send = False
    job = tables.registered("a")
    assert tables.all_keys() == {
        "JOB#a / JOB",
        "JOB#a / DEFINITION",
        f"QUEUE#uid / {at(1)}#a",
        "ORDER#uid / LATEST",
        f"CHECKUP / {at(61)}#a",
        "OUTBOX / a#WAITING",
    }
    assert json.loads(tables.item("JOB#a", "DEFINITION")["document"]) == {"name": "contacts"}
    assert tables.sent == [job], "everybody learns of it"


def test_a_change_that_was_published_leaves_the_outbox(tables: JobTables) -> None:
    tables.registered("a")
    assert "OUTBOX / a#WAITING" not in tables.all_keys()


def test_runs_and_dry_runs_do_not_wait_in_a_queue(tables: JobTables) -> None:
    tables.registered("dry", dry_run=True)
    tables.registered("run", process=Process.EXPORT, export_id="nightly")
    families = {key.partition("#")[0] for key in tables.all_keys()}
    assert families.isdisjoint({"QUEUE", "ORDER"})
    assert f"RUNS#nightly / {at(2)}#run" in tables.all_keys()
    assert {"ACTIVE#uid / dry", "ACTIVE#uid / run", f"CHECKUP / {at(61)}#dry"} <= tables.all_keys()


def test_a_job_that_failed_at_once_is_registered_with_its_removal_and_is_not_active(tables: JobTables) -> None:
    """A refused file is shown, and goes when it expires."""
    failed = ended(tables, new_job("a", refused=True), Status.FAILED, error_code="unknown-entity")
    assert tables.jobs.register(failed, {}) == (failed, True)
    assert tables.all_keys() == {"JOB#a / JOB", "JOB#a / DEFINITION", f"SWEEP / {at(48 * 3600)}#a"}


def test_an_import_joins_behind_those_that_are_there_however_late_its_clock(tables: JobTables) -> None:
    tables.registered("a")
    late, is_new = tables.jobs.register(new_job("b", submitted_at=START - 3600 * SECOND), {})
    assert is_new and late.submitted_at == START + SECOND + timedelta(milliseconds=1)
    assert tables.jobs.get("b") == late
    assert list(tables.queue.positions("uid")) == ["a", "b"]
    equal, _ = tables.jobs.register(new_job("c", submitted_at=late.submitted_at), {})
    assert equal.submitted_at > late.submitted_at
    other, _ = tables.jobs.register(new_job("d", entity_uid="other", submitted_at=START), {})
    assert other.submitted_at == START, "another entity's imports have an order of their own"


def test_an_import_that_others_overtake_all_the_time_is_told_when_to_try_again(tables: JobTables) -> None:
    """No conflict: the state allows it."""
    rounds = []

    def overtake() -> None:
        rounds.append(1)
        tables.table.put({"pk": "ORDER#uid", "sk": "LATEST", "submittedAt": at(1000 + len(rounds))})
        tables.memory.meanwhile = overtake

    tables.memory.meanwhile = overtake
    message = r"^Many imports into contacts are being registered at once\. Try again in a moment\.$"
    with pytest.raises(Unavailable, match=message) as raised:
        tables.jobs.register(new_job("a"), {})
    assert (raised.value.status, raised.value.retry_after_seconds) == (503, 2)
    assert len(rounds) == CONFLICT_ROUNDS and "JOB#a / JOB" not in tables.all_keys()


@dataclass(frozen=True)
class Once:
    """An origin that may make one job."""

    refusal: str = "It was taken."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        item = {"pk": "ORIGIN", "sk": "ONE", "since": int(now.timestamp())}
        return [table.put_action(item, Attr("pk").is_missing())]


def test_one_origin_makes_one_job(tables: JobTables) -> None:
    for process in Process:
        tables.table.delete(("ORIGIN", "ONE"))
        first = new_job(f"first-{process}", process=process)
        assert tables.jobs.register(first, {}, Once()) == (replace(first, submitted_at=START), True)
        assert tables.item("ORIGIN", "ONE") == {"since": int(START.timestamp())}
        second = new_job(f"second-{process}", process=process, submitted_at=START + SECOND)
        with pytest.raises(Conflict, match=r"^It was taken\.$"):
            tables.jobs.register(second, {}, Once())
        assert tables.jobs.find(second.job_id) is None
        assert tables.jobs.register(first, {}, Once())[1] is False, "a repeated request finds its own job"


def test_an_import_whose_origin_is_taken_is_not_taken_for_one_that_is_overtaken(tables: JobTables) -> None:
    tables.jobs.register(new_job("a"), {}, Once())
    with pytest.raises(Conflict, match="It was taken"):
        tables.jobs.register(new_job("b"), {}, Once())


def test_no_job_is_stored_whose_check_is_false(tables: JobTables) -> None:
    check = tables.table.check_action(("ENTITY", "uid"), Attr("pk").exists())
    for origin in (None, Once()):
        with pytest.raises(ChecksFailed):
            tables.jobs.register(new_job("a"), {}, origin, [check])
    assert tables.items() == [] and tables.sent == []
    tables.table.put({"pk": "ENTITY", "sk": "uid"})
    assert tables.jobs.register(new_job("a"), {}, None, [check])[1]


def test_a_registration_that_meets_another_is_sent_again(tables: JobTables) -> None:
    tables.memory.refusals = [collision(7)] * (CONFLICT_ROUNDS - 1)
    assert tables.jobs.register(new_job("a"), {})[1]
    tables.memory.refusals = [collision(7)] * CONFLICT_ROUNDS
    with pytest.raises(TransactionCanceled) as caught:
        tables.jobs.register(new_job("b"), {}, Once())
    assert caught.value.retryable, "it is repeated as in an outage, and no origin is said to be taken"


def test_a_condition_that_nobody_explains_is_an_error(tables: JobTables) -> None:
    run = new_job("a", process=Process.EXPORT)
    reasons = [{"Code": "ConditionalCheckFailed"}, {"Code": "None"}]
    canceled = {"__type": "x#TransactionCanceledException", "message": "", "CancellationReasons": reasons}
    tables.memory.refusals = [canceled]
    with pytest.raises(TransactionCanceled):
        tables.jobs.register(run, {})


def test_jobs_of_an_earlier_version_become_active_as_those_of_this_one(tables: JobTables) -> None:
    jobs = [tables.registered("a"), tables.registered("b", dry_run=True), tables.registered("over", dry_run=True)]
    finish(tables, jobs[2], Status.CANCELED)
    for job in jobs:
        tables.table.put({"pk": "ACTIVE", "sk": job.job_id})
        tables.table.delete(("ACTIVE#uid", job.job_id))
    checkups = [f"{at(second)}#{name}" for second, name in ((61, "a"), (62, "b"), (63, "over"))]
    tables.table.delete_many([("CHECKUP", sort) for sort in checkups])
    tables.memory.requests.clear()
    tables.jobs.adopt_active()
    assert tables.memory.requests[0][1]["Limit"] == 100, "some at each call, so that a minute is never full of it"
    active = {key for key in tables.all_keys() if key.startswith(("ACTIVE", "CHECKUP"))}
    assert active == {"ACTIVE#uid / b", f"CHECKUP / {at(61)}#a", f"CHECKUP / {at(62)}#b"}


def test_a_registration_that_is_repeated_changes_nothing(tables: JobTables) -> None:
    """A run has no queue whose order would refuse it."""
    run = new_job("run", process=Process.EXPORT)
    assert tables.jobs.register(run, {"version": 1}) == (run, True)
    begun = tables.jobs.begin("run")
    assert tables.jobs.register(run, {"version": 2}) == (begun, False)
    assert tables.jobs.get("run") == begun and tables.jobs.definition("run") == {"version": 1}


# Beginning


def test_a_job_begins_once_and_claims_its_entity(tables: JobTables) -> None:
    job = tables.registered("a")
    tables.clock.forward(seconds=9)
    now = tables.clock.now()
    tables.memory.requests.clear()
    begun = tables.jobs.begin("a")
    assert tables.memory.operations() == ["GetItem", "BatchGetItem", "TransactWriteItems", "DeleteItem"]
    usual = {"usual": {"rows": [], "after": None}}
    times = {"started_at": now, "heartbeat_at": now, "write_time": now}
    assert begun == replace(job, status=Status.IN_PROGRESS, options=usual, **times)
    assert tables.jobs.get("a") == begun
    assert tables.item("RUNNING#uid", "IMPORT") == {"jobId": "a", "startedAt": at(10), "writeTime": at(10)}
    assert tables.sent == [job, begun] and not any(key.startswith("OUTBOX") for key in tables.all_keys())


def test_a_job_that_begins_again_goes_on_and_tells_what_was_not_told(tables: JobTables) -> None:
    tables.registered("a")
    tables.can_send = False
    begun = tables.jobs.begin("a")
    tables.clock.forward(seconds=5)
    tables.can_send = True
    again = tables.jobs.begin("a")
    assert again == replace(begun, heartbeat_at=tables.clock.now()), "it started when it started"
    assert tables.sent[-1].status is Status.IN_PROGRESS
    assert "OUTBOX / a#IN_PROGRESS" not in tables.all_keys()
    told = len(tables.sent)
    tables.memory.requests.clear()
    tables.jobs.begin("a")
    assert len(tables.sent) == told, "and only once"
    assert tables.memory.operations() == ["GetItem", "UpdateItem", "GetItem"]


def test_two_that_begin_the_same_job_both_go_on(tables: JobTables) -> None:
    tables.registered("a")
    tables.memory.meanwhile = lambda: tables.jobs.begin("a")
    assert tables.jobs.begin("a").status is Status.IN_PROGRESS


def test_one_import_of_an_entity_runs_at_a_time(tables: JobTables) -> None:
    tables.begun("a")
    tables.registered("b")
    with pytest.raises(NotItsTurn, match=r"^job b waits for another import of its entity$"):
        tables.jobs.begin("b")
    assert tables.jobs.get("b").status is Status.WAITING and "OUTBOX / b#IN_PROGRESS" not in tables.all_keys()
    assert tables.begun("dry", dry_run=True).status is Status.IN_PROGRESS, "a dry run writes nothing"
    assert tables.begun("run", process=Process.EXPORT).status is Status.IN_PROGRESS
    assert tables.begun("else", entity_uid="other").status is Status.IN_PROGRESS
    finish(tables, tables.jobs.get("a"))
    assert tables.jobs.begin("b").status is Status.IN_PROGRESS


def test_a_job_that_has_ended_or_is_gone_does_not_begin(tables: JobTables) -> None:
    finish(tables, tables.registered("a"), Status.CANCELED)
    for name in ("a", "gone"):
        with pytest.raises(Superseded, match=f"^job {name} has ended$"):
            tables.jobs.begin(name)
    job = tables.registered("b")
    tables.memory.meanwhile = lambda: finish(tables, job, Status.CANCELED)
    with pytest.raises(Superseded):
        tables.jobs.begin("b")


def test_a_begin_that_meets_another_transaction_is_sent_again(tables: JobTables) -> None:
    tables.registered("a")
    tables.memory.refusals = [collision(3)] * CONFLICT_ROUNDS
    with pytest.raises(TransactionCanceled):
        tables.jobs.begin("a")
    tables.memory.refusals = [collision(3)] * (CONFLICT_ROUNDS - 1)
    assert tables.jobs.begin("a").status is Status.IN_PROGRESS


# Write times and windows

HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)


def test_the_records_of_an_import_bear_a_later_time_than_those_of_the_one_before(tables: JobTables) -> None:
    """Whatever the clocks of the two say."""
    tables.clock.forward(seconds=3600)
    first = tables.begun("a")
    finish(tables, first)
    tables.clock.forward(seconds=-3600)
    second = tables.begun("b")
    assert first.write_time is not None and second.write_time == first.write_time + MILLISECOND
    assert second.started_at == tables.clock.now(), "what people see is its own clock's"
    finish(tables, second)
    tables.clock.forward(seconds=7200)
    third = tables.begun("c")
    assert third.write_time == tables.clock.now()
    assert tables.begun("else", entity_uid="other").write_time == tables.clock.now()


def test_dry_runs_and_exports_have_no_write_time(tables: JobTables) -> None:
    assert tables.begun("dry", dry_run=True).write_time is None
    assert tables.begun("run", process=Process.EXPORT).write_time is None
    assert not any(key.startswith("HORIZON") for key in tables.all_keys())


def window(tables: JobTables, job_id: str, **changes: Any) -> datetime:
    """Where the window of a new run ends."""
    run = tables.begun(job_id, process=Process.EXPORT, export_id="export", **changes)
    end = tables.jobs.set_window_end(run).window_to
    assert end is not None and tables.jobs.get(job_id).window_to == end
    return end


def test_a_window_ends_now_and_an_import_that_begins_later_writes_behind_it(tables: JobTables) -> None:
    end = window(tables, "run")
    assert end == tables.clock.now()
    tables.clock.forward(seconds=-3600)
    begun = tables.begun("a")
    assert begun.write_time == end, "a window does not include its last moment"


def test_a_window_ends_where_the_running_import_writes(tables: JobTables) -> None:
    begun = tables.begun("a")
    tables.clock.forward(seconds=3600)
    tables.memory.requests.clear()
    assert window(tables, "run") == begun.write_time
    tables.clock.forward(seconds=-7200)
    assert window(tables, "late") == begun.write_time


def test_a_window_covers_every_import_that_has_ended(tables: JobTables) -> None:
    """Also one whose clock was ahead, so that its records do not come an hour late."""
    tables.clock.forward(seconds=3600)
    begun = tables.begun("a")
    finish(tables, begun)
    tables.clock.forward(seconds=-3600)
    assert begun.write_time is not None and window(tables, "run") == begun.write_time + MILLISECOND


def test_a_window_never_ends_before_it_begins(tables: JobTables) -> None:
    assert window(tables, "run", window_from=START + HOUR) == START + HOUR
    tables.clock.forward(seconds=60)
    assert tables.begun("a").write_time == START + HOUR


def test_an_import_that_begins_while_the_window_is_chosen_writes_behind_it(tables: JobTables) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    tables.registered("a")
    tables.clock.forward(seconds=5)

    def begin_by_a_late_clock() -> None:
        tables.clock.forward(seconds=-3)
        tables.jobs.begin("a")
        tables.clock.forward(seconds=3)

    tables.memory.meanwhile = begin_by_a_late_clock
    end = tables.jobs.set_window_end(run).window_to
    assert end == tables.jobs.get("a").write_time


def test_an_import_that_runs_while_the_window_is_chosen_is_covered(tables: JobTables) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    tables.registered("a")
    tables.memory.meanwhile = lambda: finish(tables, tables.jobs.begin("a"))
    end, write_time = tables.jobs.set_window_end(run).window_to, tables.jobs.get("a").write_time
    assert end is not None and write_time is not None and end > write_time


def test_an_import_that_begins_between_the_two_looks_writes_behind_the_window(
    tables: JobTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    tables.registered("a")
    call = tables.memory.call

    def begin_then(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answer = call(operation, request)
        if operation == "GetItem" and request["Key"]["pk"]["S"].startswith(("HORIZON", "RUNNING")):
            monkeypatch.undo()
            tables.jobs.begin("a")
        return answer

    monkeypatch.setattr(tables.memory, "call", begin_then)
    end, write_time = tables.jobs.set_window_end(run).window_to, tables.jobs.get("a").write_time
    assert end is not None and write_time is not None and end <= write_time


def test_a_window_that_is_chosen_while_an_import_begins_ends_before_its_writes(tables: JobTables) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    tables.registered("a")
    tables.clock.forward(seconds=5)

    def choose() -> None:
        tables.clock.forward(seconds=60)
        tables.jobs.set_window_end(run)
        tables.clock.forward(seconds=-60)

    tables.memory.meanwhile = choose
    assert tables.jobs.begin("a").write_time == tables.jobs.get("run").window_to


def test_the_end_of_a_window_is_chosen_once(tables: JobTables) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    tables.memory.meanwhile = lambda: tables.jobs.set_window_end(run)
    first = tables.jobs.set_window_end(run)
    tables.clock.forward(seconds=60)
    assert tables.jobs.set_window_end(run) == first == tables.jobs.set_window_end(first)


def test_a_run_that_has_ended_chooses_no_window_and_leaves_nothing_behind(tables: JobTables) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    finish(tables, run)
    with pytest.raises(Superseded, match=r"^job run has ended$"):
        tables.jobs.set_window_end(run)
    assert not any(key.startswith("HORIZON") for key in tables.all_keys())


def test_a_window_that_meets_another_transaction_is_chosen_again(tables: JobTables) -> None:
    run = tables.begun("run", process=Process.EXPORT)
    tables.memory.refusals = [collision(2)] * CONFLICT_ROUNDS
    with pytest.raises(TransactionCanceled):
        tables.jobs.set_window_end(run)
    assert tables.jobs.set_window_end(run).window_to == tables.clock.now()


def test_an_import_that_an_earlier_version_began_counts_from_its_start(tables: JobTables) -> None:
    begun = tables.begun("a")
    tables.table.put({"pk": "RUNNING#uid", "sk": "IMPORT", "jobId": "a", "startedAt": at(1)})
    tables.table.delete(("HORIZON#uid", "NEXT"))
    tables.clock.forward(seconds=60)
    assert window(tables, "run") == begun.started_at


def test_nothing_is_known_of_the_times_of_an_entity_that_is_gone(tables: JobTables) -> None:
    finish(tables, tables.begun("a"))
    tables.running.forget("uid")
    assert tables.running.horizon("uid") is None


# While it runs


def test_what_steps_note_is_in_the_job_and_nothing_else_changes(tables: JobTables) -> None:
    job = tables.begun("a")
    planned = tables.jobs.set_plan("a", 30, 3, {"encoding": "utf-8"}, "earlier")
    assert planned == replace(job, counts=Counts(30), chunks=3, detected={"encoding": "utf-8"}, duplicate_of="earlier")
    tables.clock.forward(seconds=7)
    delivered = tables.jobs.set_delivery("a", {"step": "upload"})
    assert delivered == replace(planned, delivery={"step": "upload"}, heartbeat_at=tables.clock.now())
    chosen = tables.jobs.set_option("a", "marks", 1)
    assert chosen == replace(delivered, options={**job.options, "marks": 1})
    assert tables.jobs.set_option("a", "marks", 2).options["marks"] == 2
    assert tables.jobs.set_option_once("a", "marks", 3).options["marks"] == 2
    assert tables.jobs.set_option_once("a", "more", 3).options == {**job.options, "marks": 2, "more": 3}


def test_what_is_set_once_stays_as_the_first_attempt_set_it(tables: JobTables) -> None:
    tables.begun("a")
    first = tables.jobs.set_once("a", window_to=START, extracted={"rows": 1})
    assert (first.window_to, first.extracted) == (START, {"rows": 1})
    assert tables.jobs.set_once("a", window_to=START + SECOND, extracted={"rows": 2}) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda tables: tables.jobs.set_plan("a", 1, 1, {}),
        lambda tables: tables.jobs.set_once("a", window_to=START),
        lambda tables: tables.jobs.set_delivery("a", {}),
        lambda tables: tables.jobs.set_option("a", "marks", 1),
        lambda tables: tables.jobs.set_option_once("a", "marks", 1),
    ],
)
def test_an_ended_job_is_not_changed(tables: JobTables, change: Callable[[JobTables], Job]) -> None:
    over = finish(tables, tables.begun("a"))
    with pytest.raises(Superseded, match=r"^job a has ended$"):
        change(tables)
    assert tables.jobs.find("a") == over


# Stop


def test_the_first_reason_to_stop_stays(tables: JobTables) -> None:
    tables.begun("a")
    assert tables.jobs.request_stop("a", "USER").stop_reason == "USER"
    assert tables.jobs.request_stop("a", "MAX_ERRORS").stop_reason == "USER"
    tables.jobs.set_plan("a", 30, 3, {})
    assert tables.jobs.request_stop("a", "USER").stop_reason == "USER"


@pytest.mark.parametrize(("loaded", "is_accepted"), [(None, True), (2, True), (3, False)])
def test_a_stop_is_refused_once_every_chunk_is_loaded(tables: JobTables, loaded: int | None, is_accepted: bool) -> None:
    tables.begun("a")
    if loaded is not None:
        tables.jobs.set_plan("a", 30, 3, {})
        tables.table.update(record_key("a"), Change(sets={"chunksLoaded": loaded}))
    if is_accepted:
        assert tables.jobs.request_stop("a", "USER").stop_reason == "USER"
        return
    with pytest.raises(Conflict, match=r"^Every row of this import is processed; there is nothing left to stop\.$"):
        tables.jobs.request_stop("a", "USER")
    assert tables.jobs.get("a").stop_reason is None


def test_only_a_running_job_is_stopped(tables: JobTables) -> None:
    tables.registered("a")
    with pytest.raises(Conflict, match=r"^Job a is waiting and cannot be stopped\. Cancel it instead\.$") as caught:
        tables.jobs.request_stop("a", "USER")
    assert caught.value.allowed_actions == ("cancel",), "the answer says what can be done instead"
    tables.begun("run", process=Process.EXPORT)
    tables.jobs.set_delivery("run", {"step": "placing"}, commits=True)
    with pytest.raises(Conflict, match="The file of this export is being delivered"):
        tables.jobs.request_stop("run", "USER")
    tables.jobs.set_delivery("run", {"step": "uploading"})
    assert tables.jobs.request_stop("run", "USER").stop_reason == "USER"
    with pytest.raises(StopRequested):
        tables.jobs.set_delivery("run", {"step": "placing"}, commits=True)
    with pytest.raises(NotFound):
        tables.jobs.request_stop("gone", "USER")


def test_a_stop_whose_reply_was_lost_is_answered_again_after_the_end(tables: JobTables) -> None:
    tables.begun("a")
    stopped = finish(tables, tables.jobs.request_stop("a", "USER"))
    assert tables.jobs.request_stop("a", "USER") == stopped
    with pytest.raises(Conflict, match="is completed and cannot be stopped"):
        tables.jobs.request_stop("a", "MAX_ERRORS")


# Restarts


def test_restarts_are_counted_once_with_the_time_since_when(tables: JobTables) -> None:
    job = tables.begun("a")
    first = tables.jobs.count_restart(job, START)
    assert first == replace(job, restarts=1, recovering_since=START)
    assert tables.jobs.count_restart(job, START) == first, "whose reply was lost"
    second = tables.jobs.count_restart(first)
    assert second == replace(job, restarts=2), "an execution that ends as it should ends the recovery"
    with pytest.raises(Superseded, match=r"^job a has ended, or is being recovered already$"):
        tables.jobs.count_restart(job, START)
    waiting = tables.registered("b")
    assert tables.jobs.count_restart(waiting).restarts == 1


def test_an_ended_job_is_not_restarted(tables: JobTables) -> None:
    job = tables.begun("a")
    restarted = tables.jobs.count_restart(job)
    finish(tables, restarted)
    for known in (job, restarted, replace(job, job_id="gone")):
        with pytest.raises(Superseded):
            tables.jobs.count_restart(known)


# Ending


def test_an_end_is_one_step_with_everything_that_follows_from_it(tables: JobTables) -> None:
    job = tables.begun("a")
    tables.jobs.set_plan("a", 9, 1, {"encoding": "utf-8"})
    tables.ledger.lease("a", 0, "attempt", 10)
    tables.clock.forward(seconds=9)
    files = {"has_rejects": True, "has_error_log": True}
    why = {"error_code": "code", "error_message": "Why."}
    counts, retention = Counts(9, 2, 3, 4, 1, 2), tables.jobs.retention
    end = finished(job, Status.FAILED, counts, tables.clock.now(), retention, **files, **why)
    told = len(tables.sent)
    stored = tables.jobs.finish(end, Status.IN_PROGRESS)
    assert stored == end and tables.sent[told:] == [end]
    assert tables.jobs.get("a") == replace(
        end, chunks=1, detected={"encoding": "utf-8"}, heartbeat_at=START + SECOND
    ), "what others set stays"
    files_due = end.files_expire_at
    assert files_due is not None
    assert tables.all_keys() == {
        "JOB#a / JOB",
        "JOB#a / DEFINITION",
        "ORDER#uid / LATEST",
        "HORIZON#uid / NEXT",
        f"CHECKUP / {at(61)}#a",
        f"SWEEP / {files_due.isoformat(timespec='milliseconds')[:-6]}Z#a",
    }


def test_an_end_sets_what_it_is_asked_to_set_and_no_more(tables: JobTables) -> None:
    job = tables.begun("run", process=Process.EXPORT)
    told = len(tables.sent)
    end = ended(tables, job, has_download=True, window_to=START, file_name="b.csv")
    tables.jobs.finish(end, Status.IN_PROGRESS, also=["has_download", "window_to"])
    assert tables.jobs.get("run") == replace(end, file_name="a.csv")
    assert len(tables.sent) == told and "OUTBOX / run#COMPLETED" in tables.all_keys(), "its definition is told first"


def test_the_first_to_end_a_job_ends_it(tables: JobTables) -> None:
    job = tables.begun("a")
    end = finish(tables, job)
    told = len(tables.sent)
    other = ended(tables, job, Status.FAILED, error_code="internal-error")
    assert tables.jobs.finish(other, Status.IN_PROGRESS) == end
    assert tables.jobs.get("a") == end and len(tables.sent) == told


def test_a_cancel_comes_before_the_beginning_or_not_at_all(tables: JobTables) -> None:
    job = tables.registered("a")
    tables.jobs.begin("a")
    with pytest.raises(Superseded, match=r"^job a was changed meanwhile$"):
        tables.jobs.finish(ended(tables, job, Status.CANCELED), Status.WAITING)
    assert "RUNNING#uid / IMPORT" in tables.all_keys()
    assert tables.jobs.get("a").status is Status.IN_PROGRESS


def test_a_further_condition_of_an_end_does_not_replace_the_others(tables: JobTables) -> None:
    waiting = tables.registered("a")
    tables.jobs.begin("a")
    with pytest.raises(Superseded):
        tables.jobs.finish(ended(tables, waiting, Status.CANCELED), Status.WAITING, Attr("chunks").is_missing())
    assert tables.jobs.get("a").status is Status.IN_PROGRESS


def test_what_does_not_take_turns_ends_beside_the_running_import(tables: JobTables) -> None:
    tables.begun("a")
    assert finish(tables, tables.begun("dry", dry_run=True)).is_terminal
    assert finish(tables, tables.begun("run", process=Process.EXPORT)).is_terminal
    assert tables.item("RUNNING#uid", "IMPORT")["jobId"] == "a"


def test_the_end_of_a_waiting_import_leaves_the_running_one_alone(tables: JobTables) -> None:
    tables.begun("a")
    finish(tables, tables.registered("b"), Status.CANCELED)
    assert tables.item("RUNNING#uid", "IMPORT")["jobId"] == "a"
    assert list(tables.queue.positions("uid")) == ["a"]


def test_a_stop_that_comes_while_the_end_is_written_is_kept(tables: JobTables) -> None:
    job = tables.begun("a")
    tables.memory.meanwhile = lambda: tables.jobs.request_stop("a", "USER")
    stored = finish(tables, job)
    assert stored.stop_reason == tables.jobs.get("a").stop_reason == tables.sent[-1].stop_reason == "USER"
    assert stored.status is Status.COMPLETED


def test_an_end_that_relied_on_what_changed_is_refused(tables: JobTables) -> None:
    job = tables.jobs.request_stop(tables.begun("a").job_id, "USER")
    with pytest.raises(Superseded):
        tables.jobs.finish(ended(tables, job), Status.IN_PROGRESS, Attr("chunks").exists())
    assert tables.jobs.get("a") == job
    assert tables.jobs.finish(ended(tables, job), Status.IN_PROGRESS, Attr("chunks").is_missing()).is_terminal


def test_an_end_that_cannot_be_written_is_an_error(tables: JobTables) -> None:
    job = tables.begun("a")
    with pytest.raises(TransactionCanceled):
        tables.jobs.finish(ended(tables, replace(job, job_id="gone")), Status.IN_PROGRESS)
    tables.memory.refusals = [collision(6)] * CONFLICT_ROUNDS
    with pytest.raises(TransactionCanceled) as caught:
        finish(tables, job)
    assert caught.value.retryable
    tables.memory.refusals = [collision(6)] * (CONFLICT_ROUNDS - 1)
    assert finish(tables, job).is_terminal


# Deleting


def test_a_person_makes_an_ended_job_expire_at_once(tables: JobTables) -> None:
    job = finish(tables, tables.begun("a", source_bucket="drop", source_key="a.csv"))
    tables.clock.forward(seconds=60.5)
    entry = tables.jobs.expire(job)
    due = at(61)
    assert entry == {
        "pk": "SWEEP", "sk": f"{due}#a", "jobId": "a", "recordDue": due, "sourceBucket": "drop", "sourceKey": "a.csv",
        "entityUid": "uid",
    }  # fmt: skip
    assert [item for item in tables.items() if item["pk"] == "SWEEP"] == [entry], "its other entry is gone"
    expired = tables.jobs.find("a")
    assert expired is not None and expired.expires_at == expired.files_expire_at == START + 61 * SECOND
    assert tables.jobs.expire(expired) == entry, "again, it is the same entry"
    assert [item for item in tables.items() if item["pk"] == "SWEEP"] == [entry]


def test_only_an_ended_job_is_deleted(tables: JobTables) -> None:
    job = tables.begun("a")
    with pytest.raises(
        Conflict, match=r"^Job a is in progress and cannot be deleted\. Stop it first, or wait for its end\.$"
    ) as caught:
        tables.jobs.expire(replace(ended(tables, job)))
    assert caught.value.allowed_actions == ("stop",)
    with pytest.raises(NotFound):
        tables.jobs.expire(ended(tables, replace(job, job_id="gone")))
    over = finish(tables, job)
    tables.memory.refusals = [collision(3)] * CONFLICT_ROUNDS
    with pytest.raises(TransactionCanceled):
        tables.jobs.expire(over)
    tables.memory.refusals = [collision(3)] * (CONFLICT_ROUNDS - 1)
    assert tables.jobs.expire(over)


def test_nothing_of_a_deleted_job_stays_and_nothing_of_others_goes(tables: JobTables) -> None:
    other = tables.registered("b", process=Process.EXPORT, export_id="nightly")
    others = tables.all_keys()
    job = tables.registered("a", process=Process.EXPORT, export_id="nightly")
    tables.table.put({"pk": "JOB#a", "sk": "CHUNK#000000#0000"})
    over = finish(tables, tables.jobs.begin("a"))
    assert over.submitted_at == job.submitted_at
    entry = tables.jobs.expire(over)
    tables.outbox.publish(over)
    tables.memory.requests.clear()
    tables.jobs.delete(entry)
    requests = list(tables.memory.requests)
    left = {f"CHECKUP / {at(62)}#a", f"{entry['pk']} / {entry['sk']}"}
    assert tables.all_keys() - others == left, "which recovery and retention remove"
    assert others <= tables.all_keys() and tables.jobs.get("b") == other
    operation, request = requests[-1]
    assert (operation, request["Key"]["sk"]) == ("DeleteItem", {"S": "JOB"}), "the record goes last"
    batches = [request for operation, request in requests if operation == "BatchWriteItem"]
    assert "'S': 'JOB'" not in str(batches)
    tables.jobs.delete(entry)
    finish(tables, tables.begun("c"))
    tables.jobs.delete({"jobId": "c"})
    assert tables.jobs.find("c") is None


# Files of which others make their source


def takes_files(tables: JobTables, job_id: str, owner: str, **takes: Any) -> Job:
    """A job that is to make its source of the files of another."""
    job = new_job(job_id, entity_uid=job_id, submitted_at=tables.clock.now(), takes={"job_id": owner, **takes})
    return tables.jobs.register(job, {}, FilesOrigin([], record_key(owner), job_id))[0]


NO_SOURCE = Attr("sourceKey").is_missing()


def test_files_have_takers_until_their_source_is_made_or_they_have_ended(tables: JobTables) -> None:
    finish(tables, tables.begun("owner"))
    assert not tables.jobs.has_takers("owner")
    takes_files(tables, "child", "owner")
    assert tables.jobs.has_takers("owner") and not tables.jobs.has_takers("child")
    tables.jobs.begin("child")
    read_as = {"encoding": "utf-8", "headerRow": 1}
    made = tables.jobs.set_source("child", "jobs/child/source", "etag", read_as, 7, NO_SOURCE)
    assert (made.source_key, made.source_etag) == ("jobs/child/source", "etag")
    assert (made.options, made.takes) == (read_as, {"job_id": "owner", "importable": 7})
    assert not tables.jobs.has_takers("owner")
    with pytest.raises(Superseded):
        tables.jobs.set_source("child", "jobs/child/again", "etag", {}, 7, NO_SOURCE)
    takes_files(tables, "late", "owner")
    assert tables.jobs.has_takers("owner")
    finish(tables, tables.jobs.get("late"), Status.CANCELED)
    assert not tables.jobs.has_takers("owner")


def test_a_relaunch_of_corrected_rows_has_the_takers_without_them(tables: JobTables) -> None:
    for job_id in ("owner", "others"):
        finish(tables, tables.begun(job_id))
    corrected = takes_files(tables, "corrected", "owner", only_corrected=True)
    finish(tables, tables.jobs.begin("corrected"))
    whole = takes_files(tables, "whole", "others")
    finish(tables, tables.jobs.begin("whole"))
    assert not tables.jobs.has_takers(corrected.job_id)
    takes_files(tables, "another", "owner", without=["something else"])
    assert not tables.jobs.has_takers("corrected")
    takes_files(tables, "rest", "owner", without=["corrected"])
    takes_files(tables, "rest of others", "others", without=["whole"])
    assert tables.jobs.has_takers("corrected")
    assert not tables.jobs.has_takers(whole.job_id), "it has taken all rows"
    assert not tables.jobs.has_takers("nobody")


def test_the_corrections_of_a_relaunch_come_back(tables: JobTables) -> None:
    corrections = {5: {"email": "a@example.com"}, 12: {"vip": "yes", "email": ""}}
    job = new_job("child", submitted_at=tables.clock.now())
    tables.jobs.register(job, {}, CorrectedOrigin(FilesOrigin([], record_key("owner"), "child"), corrections, "child"))
    assert tables.jobs.corrections("child") == corrections
    assert tables.jobs.corrections("owner") == {}


# Windows of past periods


def window_run(tables: JobTables, seconds: float) -> Job:
    run = tables.begun("run", process=Process.EXPORT)
    return replace(run, window_to=START + seconds * SECOND)


def test_a_window_may_end_before_all_that_is_written_from_now_on(tables: JobTables) -> None:
    assert tables.jobs.ends_window(window_run(tables, 0))
    tables.registered("a", entity_uid="other")
    tables.registered("b")
    assert tables.jobs.begin("b").write_time == tables.clock.now(), "its clock is not late"


def test_an_import_by_a_late_clock_writes_behind_the_window(tables: JobTables) -> None:
    run = window_run(tables, 30)
    tables.clock.forward(seconds=60)
    assert tables.jobs.ends_window(run)
    assert tables.jobs.ends_window(run), "and so it remains"
    tables.registered("a")
    tables.clock.forward(seconds=-50)
    assert tables.jobs.begin("a").write_time == START + 30 * SECOND


def test_a_window_cannot_end_in_the_future_or_behind_what_an_import_writes(tables: JobTables) -> None:
    run = window_run(tables, 30)
    assert not tables.jobs.ends_window(run)
    tables.clock.forward(seconds=20)
    begun = tables.begun("a")
    assert begun.write_time is not None and begun.write_time < run.window_to
    tables.clock.forward(seconds=60)
    assert not tables.jobs.ends_window(run), "what it writes belongs into the window"
    assert tables.jobs.ends_window(replace(run, window_to=begun.write_time))
    finish(tables, begun)
    assert tables.jobs.ends_window(run)


def test_an_import_that_begins_meanwhile_is_looked_at_again(tables: JobTables) -> None:
    run = window_run(tables, 10)
    tables.registered("a")
    tables.clock.forward(seconds=20)

    def begin_by_a_late_clock() -> None:
        tables.clock.forward(seconds=-15)
        tables.jobs.begin("a")
        tables.clock.forward(seconds=15)

    tables.memory.meanwhile = begin_by_a_late_clock
    assert not tables.jobs.ends_window(run)
