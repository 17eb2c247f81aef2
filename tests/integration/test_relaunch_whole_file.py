"""An import that an outage ended before its file was read is relaunched with the whole file."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.api_builders import Api
from tests.importing import counts, drop_object, live, run, start
from waybill.bootstrap import Services
from waybill.errors import Conflict
from waybill.imports.finish import finish_import
from waybill.imports.plan import plan_import
from waybill.imports.relaunch import relaunch_import
from waybill.imports.start import start_drop
from waybill.jobs.model import Job, Status
from waybill.upkeep.actions import delete_job
from waybill.upkeep.retention import remove_expired

KEY = "drop/contacts/contacts.csv"
FILE = builders.contacts_csv(count=3)


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def timed_out(services: Services, s3: Any, **options: str) -> Job:
    """The import of a dropped file, which an outage ended before the file was read."""
    job = start(services, s3, FILE, key=KEY, **options)
    services.jobs.begin(job.job_id)
    ended = finish_import(services, job.job_id, "timed-out")
    assert ended is not None and (ended.error_code, counts(ended)) == ("timed-out", (0, 0, 0, 0))
    return ended


def relaunch(services: Services, job: Job) -> Job:
    return relaunch_import(services, job, "alice", "alice-id")


def is_there(services: Services) -> bool:
    return services.files.head(services.settings.drop_bucket, KEY) is not None


def test_the_whole_file_is_imported_with_the_same_options(services: Services, s3: Any) -> None:
    parent = timed_out(services, s3, mode="insert")
    assert "relaunch the import" in str(parent.error_message)
    child = relaunch(services, parent)
    assert (child.retry_of, child.file_name, child.mode, child.started_by) == (
        parent.job_id, parent.file_name, "insert", "alice",
    )  # fmt: skip
    assert counts(run(services, child)) == (3, 3, 0, 0)
    assert len(live(services)) == 3


def test_the_file_stays_while_the_child_needs_it_and_goes_with_the_child(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    parent = timed_out(services, s3)
    clock.forward(hours=47)
    child = relaunch(services, parent)
    clock.forward(hours=2)
    remove_expired(services)
    delete_job(services, services.jobs.get(parent.job_id))
    assert counts(run(services, child)) == (3, 3, 0, 0)
    clock.forward(hours=49)
    remove_expired(services)
    assert not is_there(services)


@pytest.mark.parametrize("again", ["parent", "child"])
def test_after_a_child_that_times_out_too_either_is_relaunched(services: Services, s3: Any, again: str) -> None:
    parent = timed_out(services, s3)
    child = relaunch(services, parent)
    assert relaunch(services, services.jobs.get(parent.job_id)) == child, "one child at a time"
    services.jobs.begin(child.job_id)
    finish_import(services, child.job_id, "timed-out")
    third = relaunch(services, services.jobs.get(parent.job_id if again == "parent" else child.job_id))
    delete_job(services, services.jobs.get(parent.job_id))
    delete_job(services, services.jobs.get(child.job_id))
    assert counts(run(services, third)) == (3, 3, 0, 0)


def test_a_file_that_changed_is_not_imported_in_its_place(services: Services, s3: Any) -> None:
    parent = timed_out(services, s3)
    s3.put_object(Bucket=services.settings.drop_bucket, Key=KEY, Body=b"other")
    with pytest.raises(Conflict, match="overwritten or deleted"):
        relaunch(services, parent)


def test_a_file_that_was_dropped_again_belongs_to_its_own_import(services: Services, s3: Any) -> None:
    parent = timed_out(services, s3)
    newer = start_drop(services, drop_object(services, s3, FILE, key=KEY)["detail"])
    assert newer is not None
    with pytest.raises(Conflict, match="sent again"):
        relaunch(services, parent)


def test_a_file_that_is_dropped_again_after_the_relaunch_is_the_newer_imports(services: Services, s3: Any) -> None:
    child = relaunch(services, timed_out(services, s3))
    newer = start_drop(services, drop_object(services, s3, FILE, key=KEY)["detail"])
    assert newer is not None
    delete_job(services, run(services, child))
    assert is_there(services)
    assert counts(run(services, newer)) == (3, 3, 0, 0)


@pytest.mark.parametrize("code", ["timed-out", "internal-error"])
def test_the_api_offers_what_would_succeed(api: Api, code: str) -> None:
    """An upload: the child gets a copy, because uploads expire with the job that was made of them."""
    api.put_contacts()
    job_id = api("POST", "/imports", body={"uploadId": api.upload(data=FILE)}).json["jobId"]
    finish_import(api.services, job_id, code)
    assert api("GET", f"/jobs/{job_id}/report").json["relaunchable"]
    answer = api("POST", f"/jobs/{job_id}/relaunch")
    assert (answer.status, answer.json["retryOf"]) == (202, job_id)
    delete_job(api.services, api.services.jobs.get(job_id))
    assert counts(run(api.services, api.services.jobs.get(answer.json["jobId"]))) == (3, 3, 0, 0)


def test_the_api_offers_nothing_that_is_refused(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    job_id = api("POST", "/imports", body={"uploadId": upload_id}).json["jobId"]
    assert not api("GET", f"/jobs/{job_id}/report").json["relaunchable"]
    assert api("POST", f"/jobs/{job_id}/relaunch").status == 409
    finish_import(api.services, job_id, "timed-out")
    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"other")
    assert not api("GET", f"/jobs/{job_id}/report").json["relaunchable"]
    answer = api("POST", f"/jobs/{job_id}/relaunch")
    assert (answer.status, answer.json["detail"]) == (
        409,
        "The file of this job was overwritten or deleted. Send it again.",
    )
    api.later(hours=49)
    assert not api("GET", f"/jobs/{job_id}/report").json["relaunchable"]
    assert api("POST", f"/jobs/{job_id}/relaunch").status == 410


def test_a_file_that_is_wrong_is_not_read_again(services: Services, s3: Any) -> None:
    job = start(services, s3, b"contact_id\n", key=KEY)
    plan_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code) == (Status.FAILED, "empty-file")
    with pytest.raises(Conflict, match="left no rows"):
        relaunch(services, job)
