"""What a console that stays open costs: a list that has not changed proves so with two small reads, whatever changed in
it shows at once, and eight hours of polling cost less than a cent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from math import ceil
from typing import Any

import pytest

from tests.api_builders import ADMIN, ALICE, BOB, CONTACTS, SALES, Api
from tests.simulation.dynamodb import item_bytes
from waybill.jobs.model import Counts, Job, Status, finished

PAGE = {"limit": "50"}
#: US dollars for a million read units on demand, in us-east-1.
PRICE = 0.125


class Units:
    """Counts the requests to DynamoDB and their read units."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[str] = []
        self.read = 0.0
        self._call = api.services.dynamodb.call
        monkeypatch.setattr(api.services.dynamodb, "call", self._counted)

    def _counted(self, operation: str, request: Any) -> dict[str, Any]:
        answer = self._call(operation, request)
        self.requests.append(operation)
        if operation == "Query":
            size = sum(map(item_bytes, answer["Items"]))
            self.read += max(1, ceil(size / 4096)) * (1 if request["ConsistentRead"] else 0.5)
        elif operation == "GetItem":
            self.read += max(1, ceil(item_bytes(answer.get("Item", {})) / 4096))
        elif operation == "BatchGetItem":
            items = (item for table in answer["Responses"].values() for item in table)
            self.read += sum(max(1, ceil(item_bytes(item) / 4096)) for item in items)
        return answer

    def of(self, work: Callable[[], Any]) -> tuple[list[str], float]:
        self.requests, self.read = [], 0.0
        work()
        return self.requests, self.read


@pytest.fixture
def units(api: Api, monkeypatch: pytest.MonkeyPatch) -> Units:
    return Units(api, monkeypatch)


class Console:
    """Reads the list of jobs as the console does: with the ETag of the time before."""

    def __init__(self, api: Api, who: dict[str, Any] = ALICE, **query: str) -> None:
        self._api, self._who, self._query = api, who, PAGE | query
        self._etag = ""
        self.jobs: list[dict[str, Any]] = []

    def refresh(self) -> int:
        headers = {"if-none-match": self._etag} if self._etag else {}
        answer = self._api("GET", "/jobs", self._who, query=self._query, headers=headers)
        self._etag = answer.headers["ETag"]
        if answer.status == 200:
            self.jobs = answer.json["items"]
        current = self._api("GET", "/jobs", self._who, query=self._query).json["items"]
        assert json.dumps(self.jobs) == json.dumps(current)
        return answer.status


def test_eight_hours_cost_less_than_a_cent(api: Api, units: Units) -> None:
    api.put_contacts()
    for _ in range(50):
        api.add_finished()
    etag = ""

    def refresh() -> None:
        nonlocal etag
        etag = api("GET", "/jobs", query=PAGE, headers={"if-none-match": etag}).headers["ETag"]

    refresh()
    _, whole = units.of(refresh)
    requests, unchanged = units.of(refresh)
    assert requests == ["Query", "GetItem"]
    assert unchanged <= 2
    assert whole >= 50
    refreshes, whole_refreshes = 8 * 3600 / 10, 8 * 60 / 5
    dollars = (refreshes * unchanged + whole_refreshes * whole) * PRICE / 1e6
    assert dollars < 0.002  # the rest of the cent is for the requests themselves


def begin(api: Api, job: Job) -> None:
    api.services.jobs.begin(job.job_id)


def end(api: Api, job: Job) -> None:
    counts = Counts(3, 2, 1)
    ended = finished(job, Status.COMPLETED, counts, api.now + timedelta(seconds=2), api.services.jobs.retention)
    api.services.jobs.finish(ended, job.status)


def delete_contacts(api: Api, job: Job) -> None:
    end(api, job)
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204


CHANGES: list[tuple[str, Callable[[Api, Job], Any]]] = [
    ("a new job", lambda api, job: api.add_job()),
    ("a stop", lambda api, job: api.services.jobs.request_stop(job.job_id, "USER")),
    ("an end", end),
    ("a deletion", lambda api, job: (end(api, job), api("DELETE", f"/jobs/{job.job_id}"))),
    ("no permission", lambda api, job: api.put_contacts(permissions={})),
    ("no entity", delete_contacts),
    ("files that expire", lambda api, job: (end(api, job), api.later(hours=49))),
    ("jobs that expire", lambda api, job: (end(api, job), api.later(days=4))),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
@pytest.mark.parametrize("who", [ALICE, SALES], ids=["own", "others"])
def test_every_change_shows_at_once(api: Api, change: Callable[[Api, Job], Any], who: dict[str, Any]) -> None:
    api.put_contacts()
    api.add_finished()
    job = api.add_job(status=Status.IN_PROGRESS, started_at=api.now, heartbeat_at=api.now)
    console = Console(api, who)
    assert [console.refresh(), console.refresh()] == [200, 304]
    change(api, job)
    assert console.refresh() == 200
    assert console.refresh() == 304


def test_the_progress_of_a_running_job_shows(api: Api, units: Units) -> None:
    api.put_contacts()
    for _ in range(20):
        api.add_finished()
    waiting, also_waiting = api.add_job(), api.add_job()
    console = Console(api)
    assert [console.refresh(), console.refresh()] == [200, 304]
    begin(api, waiting)
    assert console.refresh() == 200
    end(api, api.services.jobs.get(waiting.job_id))
    assert console.refresh() == 200
    assert console.jobs[0]["jobId"] == also_waiting.job_id


def test_a_filter_notices_a_job_that_comes_to_match(api: Api) -> None:
    api.put_contacts()
    job = api.add_job(status=Status.IN_PROGRESS, started_at=api.now, heartbeat_at=api.now)
    console = Console(api, status="COMPLETED")
    assert [console.refresh(), console.refresh(), console.jobs] == [200, 304, []]
    end(api, job)
    assert console.refresh() == 200
    assert [each["jobId"] for each in console.jobs] == [job.job_id]


def test_an_unchanged_page_is_read_again_after_five_minutes(api: Api, units: Units) -> None:
    api.put_contacts()
    api.add_finished()
    etag = api("GET", "/jobs").headers["ETag"]
    api.later(minutes=5)
    assert "BatchGetItem" in units.of(lambda: api("GET", "/jobs", headers={"if-none-match": etag}))[0]


def test_an_etag_is_good_for_its_caller_only(api: Api) -> None:
    api.put_contacts()
    api.add_finished()
    etag = api("GET", "/jobs", ALICE).headers["ETag"]
    for known in (etag, "x", '"a.b.c.d.e"', '"a.b.1.d.zz"'):
        assert api("GET", "/jobs", BOB, headers={"if-none-match": known}).json["items"] == []
    assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"permissions": {}}).status == 200
    assert api("GET", "/jobs", SALES, headers={"if-none-match": etag}).json["items"] == []
