"""The rules of an entity about its files, rejected rows and the number of rows: told or stopped, judged by the file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests import builders
from tests.importing import Crash, all_jobs, counts, load_and_finish, planned, records, run, start
from waybill.bootstrap import Services
from waybill.entities.model import Entity, Quality
from waybill.ids import new_uuid
from waybill.imports.finish import finish_import
from waybill.imports.job_files import rejects_key
from waybill.imports.options import ImportOptions
from waybill.imports.relaunch import relaunch_import
from waybill.imports.start import start_upload
from waybill.imports.undo import undo_import
from waybill.jobs.model import Job, Status
from waybill.jobs.uploads import Upload
from waybill.upkeep.actions import delete_job


def file_with(bad: int, good: int) -> bytes:
    wrong = [{"contact_id": f"b{number}", "spend": "much"} for number in range(bad)]
    return builders.contacts_csv(wrong, count=good)


def rule(services: Services, percent: int | None, action: str, change: int | None = None) -> Entity:
    entity = builders.entity(quality=Quality(percent, action, change))
    services.entities.put(entity)
    return entity


def told(job: Job, code: str = "many-rejected") -> list[str]:
    return [warning["message"] for warning in job.warnings if warning["code"] == code]


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


# The number of rows


def as_usual(services: Services, s3: Any) -> None:
    """Three imports of 10 rows each."""
    for number in range(3):
        assert counts(run(services, start(services, s3, file_with(number, 10 - number)))) == (
            10,
            10 - number,
            number,
            0,
        )


SHORT = (
    "The file has 4 rows, but imports like it usually have 10 (the median of the last 3); "
    "the entity allows a difference of 50 %."
)


def test_a_file_that_was_cut_off_is_told(services: Services, s3: Any) -> None:
    rule(services, None, "tell", 50)
    as_usual(services, s3)
    job = run(services, start(services, s3, file_with(0, 4)))
    assert (counts(job), told(job, "unusual-rows")) == ((4, 4, 0, 0), [SHORT])
    within = run(services, start(services, s3, file_with(0, 5)))
    assert told(within, "unusual-rows") == []


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_file_that_was_cut_off_is_refused_before_a_row_is_written(services: Services, s3: Any, dry_run: str) -> None:
    rule(services, 20, "stop", 50)
    as_usual(services, s3)
    before = records(services)
    job = run(services, start(services, s3, file_with(0, 4), dry_run=dry_run))
    nevertheless = "Nothing was written. If the file is right, relaunch this job: it is then imported nevertheless."
    if job.dry_run:  # whose relaunch would be one, too
        nevertheless = (
            "An import of it would be refused. If the file is right, relaunch that import: it is then imported"
        )
        nevertheless += " nevertheless."
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "unusual-rows", (0, 0, 0, 0))
    assert job.error_message == f"{SHORT} {nevertheless}"
    assert (job.has_error_log, job.detected and job.detected["delimiter"]) == (True, ",")
    assert records(services) == before


@pytest.mark.parametrize("is_upload", [True, False], ids=["upload", "drop"])
def test_the_relaunch_of_a_refused_file_imports_it(services: Services, s3: Any, is_upload: bool) -> None:
    rule(services, 20, "stop", 50)
    as_usual(services, s3)
    refused = run(services, uploaded(services, file_with(0, 4)) if is_upload else start(services, s3, file_with(0, 4)))
    assert refused.error_code == "unusual-rows"
    child = run(services, relaunch_import(services, refused, "alice", "a"))
    assert (child.status, counts(child), child.warnings) == (Status.COMPLETED, (4, 4, 0, 0), [])
    again = run(services, start(services, s3, file_with(0, 3)))
    assert again.error_code == "unusual-rows" and "the last 4" in str(again.error_message), "what was accepted counts"


def test_rows_that_a_job_left_are_not_judged_by_their_number(services: Services, s3: Any) -> None:
    rule(services, None, "stop", 50)
    as_usual(services, s3)
    job = run(services, start(services, s3, file_with(9, 1)))
    child = run(services, relaunch_import(services, job, "alice", "a"))
    assert (child.error_code, counts(child)) == (None, (9, 0, 9, 0))


def test_a_rejects_file_that_is_sent_again_is_neither_judged_nor_usual(services: Services, s3: Any) -> None:
    rule(services, 30, "stop", 50)
    as_usual(services, s3)
    job = run(services, start(services, s3, file_with(2, 8)))
    rejected = services.files.read(services.settings.files_bucket, rejects_key(job.job_id))
    for number, data in enumerate((rejected, rejected.replace(b"much", b"5", 1), rejected.replace(b"much", b"5"))):
        again = run(services, start(services, s3, data, key=f"drop/contacts/r{number}.csv"))
        assert (again.status, again.stop_reason, again.warnings) == (Status.COMPLETED, None, [])
        assert counts(again) == (2, number, 2 - number, 0)
    other = run(services, start(services, s3, file_with(0, 4)))
    assert "usually have 10 (the median of the last 4)" in str(other.error_message)


def test_a_plan_that_dies_after_its_verdict_refuses_the_file_all_the_same(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(services, None, "stop", 50)
    as_usual(services, s3)
    job = start(services, s3, file_with(0, 4))

    def dies(*_: Any, **__: Any) -> Any:
        raise Crash

    for name in ("set_once", "finish"):
        with monkeypatch.context() as patch, pytest.raises(Crash):
            patch.setattr(services.jobs, name, dies)
            run(services, job)
    assert run(services, job).error_code == "unusual-rows"


def test_an_import_whose_end_dies_counts_once(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(services, None, "tell", 50)
    as_usual(services, s3)
    job, finish = planned(services, s3, file_with(0, 10)), services.jobs.finish

    def stored_and_dead(*arguments: Any, **options: Any) -> Any:
        finish(*arguments, **options)
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(services.jobs, "finish", stored_and_dead)
        load_and_finish(services, job)
    clock.forward(seconds=60)
    finish_import(services, job.job_id)
    assert "the last 4" in told(run(services, start(services, s3, file_with(0, 4))), "unusual-rows")[0]


def test_jobs_that_are_deleted_have_been_usual_all_the_same(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity())  # without a rule
    as_usual(services, s3)
    for job in all_jobs(services):
        delete_job(services, job)
    rule(services, None, "tell", 50)
    assert len(told(run(services, uploaded(services, file_with(0, 4))), "unusual-rows")) == 1


def uploaded(services: Services, data: bytes) -> Job:
    upload_id, bucket = new_uuid(services.ids), services.settings.files_bucket
    expires = services.clock.now() + timedelta(hours=1)
    upload = Upload(upload_id, "contacts", "contacts.csv", "alice", "a", f"uploads/{upload_id}", expires)
    services.uploads.add(upload)
    services.files.put(bucket, upload.key, data, "text/csv")
    return start_upload(services, upload, ImportOptions(), new_uuid(services.ids))
