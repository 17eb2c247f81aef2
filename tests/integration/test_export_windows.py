"""Incremental exports neither miss nor repeat a change for good: what was delivered folds to the table.

A state machine (hypothesis) interleaves imports, whose writes are applied late, with runs that read the table while
that goes on, fail, and are relaunched. The clocks of all processes differ by up to an hour either way. The code under
test is the product's, on moto; the writes of imports are the test's own, so that they can be as late as an import's may
be.
"""

from __future__ import annotations

import csv
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import builders
from tests.api_builders import make_job
from waybill.aws.dynamodb import to_attributes
from waybill.bootstrap import Services
from waybill.entities.records import TOMBSTONE_SECONDS
from waybill.errors import Conflict
from waybill.exports import extract as extraction
from waybill.exports import pages
from waybill.exports.definition import Export, ExportStatus, ExportType
from waybill.exports.run import end_run, fail_run, later_delivery, relaunch_export, run_now
from waybill.ids import new_uuid
from waybill.jobs.model import Counts, Job, Status, finished
from waybill.timestamps import epoch_milliseconds

SHARDS = 2
# More prove more: WAYBILL_EXAMPLES=100 takes some minutes.
EXAMPLES = int(os.environ.get("WAYBILL_EXAMPLES", "3"))
KEYS = [f"k{number}" for number in range(5)]
SCHEMA = {
    "fields": [
        {"name": "key", "type": "string"},
        {"name": "value", "type": "string"},
        {"name": "on", "type": "boolean"},
    ],
    "primaryKey": "key",
}
# Of a clock, in milliseconds.
skews = st.integers(-3_000, 3_000) | st.integers(-3_600_000, 3_600_000)


def enough() -> float:
    return 900.0


class Windows(RuleBasedStateMachine):
    services: Services
    clock: builders.Clock
    includes_deleted: bool

    @initialize(has_filter=st.booleans())
    def begin(self, has_filter: bool) -> None:
        self.entity = builders.entity(f"e-{uuid.uuid4().hex[:8]}", uid=str(uuid.uuid4()), schema=SCHEMA)
        self.services.entities.put(self.entity)
        body = {
            "name": "changes",
            "entity": self.entity.name,
            "type": "INCREMENTAL",
            "schedule": {"time": "02:30", "timezone": "UTC"},
            "destination": {"kind": "s3", "prefix": self.entity.name},
            "fileName": "changes.csv",
            "includeDeleted": self.includes_deleted,
            "filter": [{"field": "on", "op": "eq", "value": True}] if has_filter else [],
        }
        definition = builders.export_definition(**body)
        now = self.clock.now()
        export = Export(new_uuid(), definition, self.entity.uid, ExportStatus.DRAFT, now, "a", "a", str(uuid.uuid4()))
        assert export.definition.type is ExportType.INCREMENTAL
        self.services.exports.add(export)
        self.export = self.services.exports.schedule(export.export_id, now)
        self.has_filter = has_filter
        self.table: dict[str, tuple[str, bool] | None] = {}  # what a reader sees; None is a tombstone
        self.received: dict[str, tuple[str, bool]] = {}
        self.importing: Job | None = None
        self.in_flight: list[tuple[str, tuple[str, bool] | None]] = []
        self.failed: list[str] = []
        self.meanwhile: Any = None

    # Imports

    @rule(milliseconds=st.integers(1, 3000))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.forward(milliseconds=milliseconds)

    @precondition(lambda self: self.importing is None)
    @rule(skew=skews)
    def import_begins(self, skew: int) -> None:
        job = make_job(entity=self.entity.name, entity_uid=self.entity.uid, submitted_at=self.clock.now())
        self.services.jobs.register(job, self.entity.to_document())
        with self.skewed(skew):
            self.importing = self.services.jobs.begin(job.job_id)

    @precondition(lambda self: self.importing is not None)
    @rule(key=st.sampled_from(KEYS), value=st.none() | st.tuples(st.sampled_from("abc"), st.booleans()))
    def write_is_sent(self, key: str, value: tuple[str, bool] | None) -> None:
        if any(waiting == key for waiting, _ in self.in_flight):
            return  # an import writes a key once at a time
        self.in_flight.append((key, value))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def write_is_applied(self, data: st.DataObject) -> None:
        key, value = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        assert self.importing is not None and self.importing.write_time is not None
        stamp = epoch_milliseconds(self.importing.write_time)
        item: dict[str, Any] = {"_pk": f"{self.entity.uid}#{KEYS.index(key) % SHARDS:02x}", "_sk": key, "_at": stamp}
        item["_by"] = "job"
        if value is None:
            item["_gone"] = stamp // 1000 + TOMBSTONE_SECONDS
        else:
            item |= {"key": key, "value": value[0], "on": value[1]}
        table = self.services.settings.records_table
        self.services.dynamodb.call("PutItem", {"TableName": table, "Item": to_attributes(item)})
        self.table[key] = value

    @precondition(lambda self: self.importing is not None and not self.in_flight)
    @rule()
    def import_ends(self) -> None:
        assert self.importing is not None
        retention = self.services.jobs.retention
        ended = finished(self.importing, Status.COMPLETED, Counts(0), self.clock.now(), retention)
        self.services.jobs.finish(ended, Status.IN_PROGRESS)
        self.importing = None

    # Exports

    @rule(data=st.data(), skew=skews)
    def export_runs(self, data: st.DataObject, skew: int) -> None:
        self.run(data, run_now(self.services, self.export, "a", "a"), skew)

    @rule(data=st.data(), begin=st.none() | st.integers(1, 5000), end=st.integers(0, 2000), skew=skews)
    def export_runs_for_a_past_period(self, data: st.DataObject, begin: int | None, end: int, skew: int) -> None:
        """Its file has what was written in the period and stands; what the series delivers is not told by it."""
        received, window_end = dict(self.received), self.services.exports.get(self.export.export_id).window_end
        window_to = self.clock.now() - timedelta(milliseconds=end)
        window_from = None if begin is None else window_to - timedelta(milliseconds=begin)
        job = run_now(self.services, self.export, "a", "a", period=(window_from, window_to))
        try:
            self.run(data, job, skew)
        except extraction.JobFailed as error:
            assert (error.job_code == "window-not-over" and self.importing is not None) or skew < 0
            fail_run(self.services, job, error.job_code, str(error))
        self.received = received
        export = self.services.exports.get(self.export.export_id)
        assert (export.window_end, export.status) == (window_end, ExportStatus.SCHEDULED)

    @rule(data=st.data(), is_read=st.booleans(), skew=skews)
    def export_fails(self, data: st.DataObject, is_read: bool, skew: int) -> None:
        job = run_now(self.services, self.export, "a", "a")
        job = self.extract(data, job, skew) if is_read else self.services.jobs.begin(job.job_id)
        self.failed.append(fail_run(self.services, job, "delivery-failed", "timeout").job_id)
        if self.services.exports.get(self.export.export_id).status is ExportStatus.DRAFT:  # it paused itself
            self.services.exports.schedule(self.export.export_id, self.clock.now())

    @precondition(lambda self: self.failed)
    @rule(data=st.data(), skew=skews)
    def failed_run_is_relaunched(self, data: st.DataObject, skew: int) -> None:
        job = self.services.jobs.get(self.failed.pop(data.draw(st.integers(0, len(self.failed) - 1))))
        series = str(self.services.jobs.definition(job.job_id)["series"])
        is_delivered = self.services.exports.get(self.export.export_id).has_delivered(series, job.window_from)
        if is_delivered or later_delivery(self.services, job) is not None:  # the first also by a run of the same moment
            with pytest.raises(Conflict):
                relaunch_export(self.services, job, "a", "a")
            return
        self.run(data, relaunch_export(self.services, job, "a", "a"), skew)

    def extract(self, data: st.DataObject, job: Job, skew: int = 0) -> Job:
        """Extract a run while other things go on."""

        def meanwhile() -> None:
            if not data.draw(st.booleans()):
                return
            if self.importing is None:
                self.import_begins(data.draw(skews))
                return
            for _ in range(data.draw(st.integers(0, 2))):
                value = data.draw(st.none() | st.tuples(st.sampled_from("abc"), st.booleans()))
                self.write_is_sent(data.draw(st.sampled_from(KEYS)), value)
            if self.in_flight:
                self.write_is_applied(data)
            elif data.draw(st.booleans()):
                self.import_ends()

        self.meanwhile = meanwhile
        try:
            with self.skewed(skew):
                assert extraction.extract(self.services, job.job_id, enough)["outcome"] == "extracted"
        finally:
            self.meanwhile = None
        return self.services.jobs.get(job.job_id)

    def run(self, data: st.DataObject, job: Job, skew: int = 0) -> None:
        job = self.extract(data, job, skew)
        assert job.extracted is not None
        count = int(job.extracted["rows"])
        end_run(self.services, job, Status.COMPLETED, Counts(count, count))  # as if it were delivered
        body = self.services.files.read(self.services.settings.files_bucket, job.extracted["key"]).decode()
        rows = list(csv.DictReader(io.StringIO(body, newline="")))
        assert len({row["key"] for row in rows}) == len(rows) == count
        for row in rows:
            if row.get("_deleted") == "true":
                self.received.pop(row["key"], None)
            else:
                self.received[row["key"]] = (row["value"], row["on"] == "true")

    @invariant()
    def one_run_at_a_time(self) -> None:
        if hasattr(self, "export"):
            assert self.services.exports.get(self.export.export_id).running is None

    def teardown(self) -> None:
        """Let everything come to rest: then what was received is the table."""
        if not hasattr(self, "received"):
            return
        while self.in_flight:
            self.write_is_applied(_First())  # type: ignore[arg-type]
        if self.importing is not None:
            self.import_ends()
        self.clock.forward(seconds=5)
        self.run(_First(), run_now(self.services, self.export, "a", "a"))  # type: ignore[arg-type]
        wanted = {
            key: value for key, value in self.table.items() if value is not None and (value[1] or not self.has_filter)
        }
        if self.includes_deleted:
            assert self.received == wanted
        else:  # without deletions: all that is there, and nothing that was never there
            assert {key: value for key, value in self.received.items() if key in wanted} == wanted
        # Nothing more to tell: a window without changes is empty.
        self.clock.forward(seconds=5)
        job = self.extract(_First(), run_now(self.services, self.export, "a", "a"))  # type: ignore[arg-type]
        assert job.extracted is not None and job.extracted["rows"] == 0

    @contextmanager
    def skewed(self, milliseconds: int) -> Iterator[None]:
        """The clock of another machine."""
        self.clock.forward(milliseconds=milliseconds)
        try:
            yield
        finally:
            self.clock.forward(milliseconds=-milliseconds)


class _First:
    """Draws nothing: no, zero, none."""

    def draw(self, strategy: Any) -> Any:
        return 0 if "integers" in repr(strategy) else False


@pytest.mark.parametrize("includes_deleted", [True, False])
def test_what_was_delivered_folds_to_the_table(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, includes_deleted: bool
) -> None:
    class Machine(Windows):
        pass

    Machine.services, Machine.clock, Machine.includes_deleted = services, clock, includes_deleted
    current: list[Windows] = []
    original_init = Machine.__init__

    def remember(self: Windows) -> None:
        current[:] = [self]
        original_init(self)

    def pause() -> None:
        machine = current[0]
        meanwhile = getattr(machine, "meanwhile", None)
        if meanwhile is not None:
            machine.meanwhile = None  # what happens meanwhile is not interrupted itself
            meanwhile()
            machine.meanwhile = meanwhile

    call_bytes = services.dynamodb.call_bytes
    transact = services.jobs_table.transact

    def read(operation: str, request: dict[str, Any]) -> bytes:
        pause()
        return call_bytes(operation, request)

    def choose(*arguments: Any, **options: Any) -> None:
        pause()
        transact(*arguments, **options)

    monkeypatch.setattr(Machine, "__init__", remember)
    monkeypatch.setattr(pages, "SEGMENTS", SHARDS)
    monkeypatch.setattr(services.dynamodb, "call_bytes", read)
    monkeypatch.setattr(services.jobs_table, "transact", choose)
    monkeypatch.setattr(services.outbox, "send", lambda job, done: True)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            print_blob=False,
        ),
    )


def run_of_changes(services: Services, window_end: datetime | None = None) -> Job:
    """A run of an incremental export whose last window ended there."""
    body = {
        "name": "changes",
        "entity": "contacts",
        "type": "INCREMENTAL",
        "schedule": {"time": "02:30", "timezone": "UTC"},
        "destination": {"kind": "s3"},
        "includeDeleted": True,
    }
    definition, now = builders.export_definition(**body), services.clock.now()
    export = Export(new_uuid(), definition, builders.entity().uid, ExportStatus.DRAFT, now, "a", "a", "s")
    services.exports.add(replace(export, window_end=window_end))
    return run_now(services, services.exports.schedule(export.export_id, now), "a", "a")


def begun_import(services: Services) -> Job:
    job = make_job(entity_uid=builders.entity().uid, submitted_at=services.clock.now())
    services.jobs.register(job, {})
    return services.jobs.begin(job.job_id)


def window_to(services: Services, run: Job) -> datetime:
    extraction.extract(services, run.job_id, enough)
    end = services.jobs.get(run.job_id).window_to
    assert end is not None
    return end


def test_a_window_ends_before_the_import_that_is_running(services: Services, clock: builders.Clock) -> None:
    """Its writes bear one time, also those that are still on their way, and a window does not include its end."""
    services.entities.put(builders.entity())
    write_time = begun_import(services).write_time
    clock.forward(minutes=5)
    assert window_to(services, run_of_changes(services)) == write_time


def test_the_rows_of_a_run_that_failed_are_in_the_next_one(services: Services) -> None:
    services.entities.put(builders.entity())
    run = run_of_changes(services)
    assert window_to(services, run)
    fail_run(services, services.jobs.get(run.job_id), "delivery-failed", "timeout: nobody answered")
    export = services.exports.get(str(run.export_id))
    assert (export.running, export.window_end) == (None, None)


@pytest.mark.parametrize("seconds", [0, -0.9, -3, -3600])
def test_an_import_that_begins_after_a_window_was_chosen_writes_behind_it_however_late_its_clock(
    services: Services, clock: builders.Clock, seconds: float
) -> None:
    services.entities.put(builders.entity())
    end = window_to(services, run_of_changes(services))
    clock.forward(seconds=seconds)
    write_time = begun_import(services).write_time
    assert write_time is not None and write_time >= end


def test_a_window_is_chosen_without_waiting(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    before = clock.now()
    assert window_to(services, run_of_changes(services)) == before == clock.now()


def test_a_window_covers_an_import_that_has_ended_although_its_clock_was_ahead(
    services: Services, clock: builders.Clock
) -> None:
    services.entities.put(builders.entity())
    clock.forward(hours=1)
    begun = begun_import(services)
    retention = services.jobs.retention
    services.jobs.finish(finished(begun, Status.COMPLETED, Counts(0), clock.now(), retention), Status.IN_PROGRESS)
    clock.forward(hours=-1)
    assert begun.write_time is not None and window_to(services, run_of_changes(services)) > begun.write_time


@pytest.mark.parametrize(("age", "is_refused"), [(timedelta(days=30, seconds=60), True), (timedelta(days=30), False)])
def test_a_window_with_deletions_that_are_gone_is_refused(
    services: Services, clock: builders.Clock, age: timedelta, is_refused: bool
) -> None:
    assert timedelta(seconds=TOMBSTONE_SECONDS) > timedelta(days=30)
    services.entities.put(builders.entity())
    job = run_of_changes(services, clock.now() - age)
    if not is_refused:
        assert extraction.extract(services, job.job_id, enough)["outcome"] == "extracted"
        return
    with pytest.raises(extraction.JobFailed, match="30 days") as refused:
        extraction.extract(services, job.job_id, enough)
    assert refused.value.job_code == "window-too-old"


def test_a_past_period_does_not_end_behind_what_is_still_written(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    begun_import(services)
    clock.forward(minutes=5)
    run = run_for_a_period(services, clock.now() - timedelta(minutes=4))
    with pytest.raises(extraction.JobFailed) as refused:
        extraction.extract(services, run.job_id, enough)
    assert refused.value.job_code == "window-not-over"


@pytest.mark.parametrize("seconds", [0, -0.9, -3, -3600])
def test_an_import_that_begins_after_a_run_for_a_past_period_writes_behind_it_however_late_its_clock(
    services: Services, clock: builders.Clock, seconds: float
) -> None:
    services.entities.put(builders.entity())
    end = window_to(services, run_for_a_period(services, clock.now()))
    clock.forward(seconds=seconds)
    write_time = begun_import(services).write_time
    assert write_time is not None and write_time >= end


def test_a_past_period_with_deletions_that_are_gone_is_refused(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    run = run_for_a_period(services, clock.now(), clock.now() - timedelta(days=30, seconds=60))
    with pytest.raises(extraction.JobFailed, match=r"the period begins on .* Name a later one") as refused:
        extraction.extract(services, run.job_id, enough)
    assert refused.value.job_code == "window-too-old"


def run_for_a_period(services: Services, end: datetime, begin: datetime | None = None) -> Job:
    first = run_of_changes(services)
    fail_run(services, services.jobs.begin(first.job_id), "delivery-failed", "timeout: nobody answered")
    return run_now(services, services.exports.get(str(first.export_id)), "a", "a", period=(begin, end))


def test_failed_runs_for_past_periods_neither_pause_an_export_nor_lose_their_place(
    services: Services, clock: builders.Clock
) -> None:
    services.entities.put(builders.entity())
    run = run_for_a_period(services, clock.now())
    export_id = str(run.export_id)
    before = services.exports.get(export_id)
    for _ in range(6):
        fail_run(services, services.jobs.begin(run.job_id), "delivery-failed", "timeout: nobody answered")
        run = relaunch_export(services, services.jobs.get(run.job_id), "a", "a")
        assert (run.window_from, run.window_to, run.is_backfill) == (None, clock.now(), True)
    fail_run(services, services.jobs.begin(run.job_id), "delivery-failed", "timeout: nobody answered")
    after = services.exports.get(export_id)
    assert (after.status, after.failures, after.window_end) == (before.status, before.failures, None)

    complete(services, run_now(services, after, "a", "a"))
    repeated = relaunch_export(services, services.jobs.get(run.job_id), "a", "a")
    end = services.exports.get(export_id).window_end
    complete(services, repeated)
    assert services.exports.get(export_id).window_end == end is not None


def complete(services: Services, run: Job) -> None:
    extraction.extract(services, run.job_id, enough)
    end_run(services, services.jobs.get(run.job_id), Status.COMPLETED, Counts(0, 0))
