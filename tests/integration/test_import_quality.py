"""The rule of an entity about the rejected rows of its files: told or stopped, and judged by the whole file."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.importing import Crash, counts, load_and_finish, planned, run, start
from waybill.bootstrap import Services
from waybill.entities.model import Entity, Quality
from waybill.imports.finish import finish_import
from waybill.imports.relaunch import relaunch_import
from waybill.imports.undo import undo_import
from waybill.jobs.model import Job, Status


def file_with(bad: int, good: int) -> bytes:
    wrong = [{"contact_id": f"b{number}", "spend": "much"} for number in range(bad)]
    return builders.contacts_csv(wrong, count=good)


def rule(services: Services, percent: int, action: str) -> Entity:
    entity = builders.entity(quality=Quality(percent, action))
    services.entities.put(entity)
    return entity


def told(job: Job) -> list[str]:
    return [warning["message"] for warning in job.warnings if warning["code"] == "many-rejected"]


@pytest.mark.parametrize(("bad", "is_told"), [(0, False), (4, False), (5, True), (20, True)])
def test_too_many_rejected_rows_are_told(services: Services, s3: Any, bad: int, is_told: bool) -> None:
    rule(services, 20, "tell")
    job = run(services, start(services, s3, file_with(bad, 20 - bad)))
    assert counts(job) == (20, 20 - bad, bad, 0)
    message = f"{bad} of 20 rows were rejected; the entity allows 20 %."
    assert (told(job), job.stop_reason) == ([message] if is_told else [], None)


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_file_with_too_many_bad_rows_stops_where_it_exceeds_the_share(
    services: Services, s3: Any, dry_run: str
) -> None:
    rule(services, 20, "stop")
    job = run(services, start(services, s3, file_with(8, 12), dry_run=dry_run))
    assert (job.status, job.stop_reason, counts(job)) == (Status.COMPLETED, "MAX_ERRORS", (20, 12, 5, 3))
    assert told(job) == ["5 of 20 rows were rejected; the entity allows 20 %."]
    within = run(services, start(services, s3, file_with(4, 16), dry_run=dry_run))
    assert (within.stop_reason, counts(within), told(within)) == (None, (20, 16, 4, 0), [])


def test_the_stricter_limit_of_two_counts(services: Services, s3: Any) -> None:
    rule(services, 20, "stop")
    for max_errors, rejected in (("2", 2), ("7", 5)):
        job = run(services, start(services, s3, file_with(8, 12), on_error="abort", max_errors=max_errors))
        assert (job.stop_reason, job.counts.rejected) == ("MAX_ERRORS", rejected)


def test_all_or_nothing_keeps_its_promise(services: Services, s3: Any) -> None:
    rule(services, 20, "stop")
    job = run(services, start(services, s3, file_with(8, 12), on_error="all-or-nothing"))
    assert (job.error_code, job.stop_reason, counts(job)) == ("rejected-rows", None, (20, 0, 8, 12))
    assert len(told(job)) == 1


@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_rows_that_another_one_replaces_do_not_count(services: Services, s3: Any, mode: str) -> None:
    rule(services, 0, "stop")
    data = builders.contacts_csv([{"contact_id": "same"}] * 3, count=6)
    job = run(services, start(services, s3, data, mode=mode))
    assert (job.stop_reason, told(job), counts(job)) == (None, [], (9, 7, 2, 0))


def test_the_rows_that_a_stopped_import_left_are_imported_by_a_relaunch(services: Services, s3: Any) -> None:
    rule(services, 20, "stop")
    job = run(services, start(services, s3, file_with(8, 12)))
    child = run(services, relaunch_import(services, job, "alice", "a"))
    assert (child.stop_reason, told(child), counts(child)) == (None, [], (8, 0, 8, 0))


def test_an_undo_is_not_judged(services: Services, s3: Any) -> None:
    rule(services, 20, "stop")
    job = run(services, start(services, s3, file_with(0, 3), keep_previous="true"))
    undo = undo_import(services, job, "alice", "a")
    assert "quality" not in undo.options
    assert counts(run(services, undo)) == (3, 3, 0, 0)


def test_a_job_is_judged_by_the_rule_of_its_registration(services: Services, s3: Any) -> None:
    entity = rule(services, 20, "stop")
    job = start(services, s3, file_with(8, 12))
    services.entities.put(builders.entity(uid=entity.uid))
    assert run(services, job).stop_reason == "MAX_ERRORS"


def test_a_finish_that_dies_tells_once(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(services, 20, "tell")
    job = planned(services, s3, file_with(8, 12))

    def dies(*_: Any, **__: Any) -> Any:
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(services.jobs, "finish", dies)
        load_and_finish(services, job)
    assert told(services.jobs.get(job.job_id)) == []
    clock.forward(seconds=60)
    for _ in range(2):
        finish_import(services, job.job_id)
    assert len(told(services.jobs.get(job.job_id))) == 1
