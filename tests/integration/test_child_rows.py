"""Rows of a child job, and of a rejects file that is sent again, bear the numbers of the original file everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api_builders import Api
from tests.importing import rejects, run
from waybill.jobs.model import Job

SCHEMA = {
    "fields": [{"name": "id", "type": "string"}, {"name": "n", "type": "integer", "constraints": {"unique": True}}],
    "primaryKey": "id",
}
FILE = b"id,n\na,1\nb,x\nc,3\nd,y\nd,z\ne,w\nf,w\n"
NUMBERS = {3: "b", 5: "d", 6: "d", 7: "e", 8: "f"}


def imported(api: Api, data: bytes, **options: Any) -> Job:
    body = {"uploadId": api.upload(data=data), **options}
    answer = api("POST", "/imports", body=body)
    assert answer.status == 202, answer.json
    return ended(api, answer.json["jobId"])


def ended(api: Api, job_id: str) -> Job:
    return run(api.services, api.services.jobs.get(job_id))


def relaunched(api: Api, parent: Job) -> Job:
    return ended(api, api("POST", f"/jobs/{parent.job_id}/relaunch").json["jobId"])


def sent_again(api: Api, parent: Job) -> Job:
    text = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rejects(api.services, parent))
    upload = api.upload(data=text.encode())
    preview = api("POST", f"/uploads/{upload}/preview", body={}).json
    assert [row["rowNumber"] for row in preview["rows"]] == list(NUMBERS)
    return ended(api, api("POST", "/imports", body={"uploadId": upload}).json["jobId"])


@pytest.fixture
def parent(api: Api) -> Job:
    api.put_contacts(schema=SCHEMA)
    return imported(api, FILE)


@pytest.mark.parametrize("again", [relaunched, sent_again])
def test_errors_rejects_and_rejected_rows_of_a_child_have_the_original_numbers(
    api: Api, parent: Job, again: Callable[[Api, Job], Job]
) -> None:
    child = again(api, parent)
    assert {int(row[0]): row[3] for row in rejects(api.services, child)[1:]} == NUMBERS
    errors = api("GET", f"/jobs/{child.job_id}/errors").json["items"]
    assert [error["rowNumber"] for error in errors] == list(NUMBERS)
    rows = api("GET", f"/jobs/{child.job_id}/rejected-rows").json["items"]
    assert {row["rowNumber"]: row["cells"]["id"] for row in rows} == NUMBERS


@pytest.mark.parametrize("again", [relaunched, sent_again])
def test_messages_of_a_child_name_rows_by_their_original_numbers(
    api: Api, parent: Job, again: Callable[[Api, Job], Job]
) -> None:
    """Of rows with equal keys, and with equal unique values."""
    fields = [SCHEMA["fields"][0], {"name": "n", "type": "string", "constraints": {"unique": True}}]
    api.put_contacts(schema={**SCHEMA, "fields": fields})
    child = again(api, parent)
    messages = {
        error["rowNumber"]: error["message"] for error in api("GET", f"/jobs/{child.job_id}/errors").json["items"]
    }
    assert messages == {
        5: "Row 6 has the same key and replaces this row.",
        8: "Row 7 already has the same value of n.",
    }
