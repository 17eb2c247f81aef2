"""Undoing an import through the API: when it is offered, what it answers, and who may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.api_builders import ADMIN, ALICE, BOB, Api
from tests.importing import live, run
from waybill.entities.model import Target
from waybill.jobs.model import Job


@pytest.fixture(autouse=True)
def contacts(api: Api) -> None:
    api.put_contacts()


def imported(api: Api, count: int = 3, **options: Any) -> Job:
    body = {"uploadId": api.upload(data=builders.contacts_csv(count=count)), **options}
    answer = api("POST", "/imports", body=body)
    assert answer.status == 202, answer.json
    return ended(api, answer.json["jobId"])


def ended(api: Api, job_id: str) -> Job:
    return run(api.services, api.services.jobs.get(job_id))


def actions(api: Api, job: Job, who: Any = ALICE) -> list[str]:
    [listed] = [each for each in api("GET", "/jobs", who).json["items"] if each["jobId"] == job.job_id]
    shown: list[str] = api("GET", f"/jobs/{job.job_id}", who).json["allowedActions"]
    assert listed["allowedActions"] == shown
    return shown


def test_an_undo_is_offered_while_it_can_be_done(api: Api) -> None:
    job = imported(api, keepPrevious=True)
    path = f"/jobs/{job.job_id}/undo"
    assert api("GET", f"/jobs/{job.job_id}").json["keepPrevious"] is True
    assert actions(api, job) == ["undo", "delete"]
    assert api("GET", path).json == {"total": 3, "checked": 3, "restored": 0, "removed": 3, "changedSince": 0}
    answer = api("POST", path)
    child = answer.json
    assert (answer.status, answer.headers["Location"]) == (202, f"/v1/jobs/{child['jobId']}")
    assert (child["undoOf"], child["retryOf"], child["process"], child["mode"]) == (
        job.job_id,
        None,
        "import",
        "upsert",
    )
    assert actions(api, job) == ["delete"]
    refused = api("POST", path)
    assert (refused.status, refused.json["allowedActions"]) == (409, ["delete"])
    assert api("GET", path).status == 409
    undone = ended(api, child["jobId"])
    assert live(api.services) == set()
    shown = api("GET", f"/jobs/{undone.job_id}").json
    assert (shown["message"], shown["allowedActions"]) == ("3 rows undone", ["delete"])
    assert actions(api, job) == ["delete"]


def test_a_preview_of_an_undo_counts_as_a_preview(api: Api) -> None:
    path = f"/jobs/{imported(api, keepPrevious=True).job_id}/undo"
    api.later(seconds=60 - api.now.timestamp() % 60)
    assert [api("GET", path).status for _ in range(20)] == [200] * 20
    refused = api("GET", path)
    assert (refused.status, refused.json["type"]) == (429, "urn:waybill:problem:too-many-requests")
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    api.later(seconds=wait)
    assert api("GET", path).status == 200


def test_an_undo_that_was_canceled_is_offered_again(api: Api) -> None:
    job = imported(api, keepPrevious=True)
    child = api("POST", f"/jobs/{job.job_id}/undo").json["jobId"]
    assert actions(api, job) == ["delete"]
    assert api("POST", f"/jobs/{child}/cancel").status == 200
    assert actions(api, job) == ["undo", "delete"]


def test_the_records_of_an_undo_are_not_downloaded_as_its_source(api: Api) -> None:
    job = imported(api, keepPrevious=True)
    child = ended(api, api("POST", f"/jobs/{job.job_id}/undo").json["jobId"])
    assert child.source_key is not None
    assert api("GET", f"/jobs/{child.job_id}").json["links"]["download"] is None
    assert api("GET", f"/jobs/{child.job_id}/download").status == 404


def test_an_undo_is_neither_relaunched_nor_corrected(api: Api) -> None:
    job = imported(api, keepPrevious=True)
    imported(api)
    child = ended(api, api("POST", f"/jobs/{job.job_id}/undo").json["jobId"])
    assert child.has_rejects
    path = f"/jobs/{child.job_id}/relaunch"
    corrections = [{"rowNumber": 2, "cells": {"spend": "5"}}]
    assert [api("POST", path).status, api("POST", path, body={"corrections": corrections}).status] == [409, 409]
    assert api("GET", f"/jobs/{child.job_id}/report").json["relaunchable"] is False


def test_only_whoever_may_import_may_undo(api: Api) -> None:
    job = imported(api, keepPrevious=True)
    assert actions(api, job) == ["undo", "delete"]
    path = f"/jobs/{job.job_id}/undo"
    assert [api("POST", path, BOB).status, api("GET", path, BOB).status] == [404, 404]
    api.put_contacts(permissions={"view": ["sales"]})
    assert [api("POST", path).status, api("GET", path).status] == [403, 403]
    assert actions(api, job) == ["delete"]
    assert api("POST", path, ADMIN).status == 202


def test_nothing_can_be_kept_of_a_target_table(api: Api) -> None:
    entity = api.services.entities.get("contacts")
    api.services.entities.put(replace(entity, target=Target("theirs")))
    api.later(seconds=1)
    upload = api.upload()
    answer = api("POST", "/imports", body={"uploadId": upload, "keepPrevious": True})
    assert (answer.status, answer.pointers) == (422, ["#/keepPrevious"])
    assert api("POST", "/imports", body={"uploadId": upload, "keepPrevious": False}).status == 202
