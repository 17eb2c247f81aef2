"""Nobody takes the service from the others: what one caller, and one entity, may have at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api_builders import ADMIN, ALICE, BOB, EXPORT, OPS, SALES, Answer, Api
from tests.described import operations
from waybill import sizes
from waybill.errors import TooManyRequests
from waybill.exports import repository
from waybill.ids import new_uuid
from waybill.jobs import quotas
from waybill.jobs.model import Counts, Status, finished
from waybill.upkeep.actions import cancel_job


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (quotas, sizes):
        monkeypatch.setattr(module, "MAX_UNFINISHED_JOBS", 3)
        monkeypatch.setattr(module, "MAX_PREVIEWS", 3)
    monkeypatch.setattr(repository.ExportRepository, "limit", 3)


def left(api: Api, who: dict[str, Any] = ALICE) -> dict[str, int]:
    return {name: limit["left"] for name, limit in api("GET", "/me", who).json["limits"].items()}


def send(api: Api, **options: Any) -> Answer:
    return api("POST", "/imports", body={"uploadId": api.upload(), **options})


def refused(answer: Answer, words: str) -> int:
    """The wait that a refusal names, in seconds."""
    assert (answer.status, answer.json["type"]) == (429, "urn:waybill:problem:too-many-requests"), answer.text
    assert words in answer.json["detail"]
    return int(answer.headers["Retry-After"])


def test_the_limits_are_those_of_the_contract(api: Api) -> None:
    limits = api("GET", "/me").json["limits"]
    kept = api("GET", "/me").json["retention"]
    assert kept == {"importSeconds": 259_200, "exportSeconds": 172_800, "filesSeconds": 172_800}
    assert limits == {"unfinishedJobs": {"limit": 100, "left": 100}, "previewsPerMinute": {"limit": 20, "left": 20}}
    assert repository.ExportRepository.limit == sizes.MAX_EXPORTS == 500
    assert (sizes.MAX_SOURCES, sizes.MAX_EXPORT_BYTES) == (100, 32 * 1024)
    told = {
        operation["responses"]["429"]["description"]
        for _, _, operation in operations()
        if "429" in operation["responses"]
    }
    assert told == {
        "The caller has 100 jobs that have not ended.",
        "The caller has made 20 previews and connection tests in this minute.",
        "The caller has made 20 previews and connection tests in this minute. Or `WebhooksPerDay` requests, or the "
        "entity's quarter of them, were made on this day (UTC).",
        "The caller has 20 unfinished uploads in parts.",
        "The entity has 500 exports.",
        "The entity has 100 sources.",
        "The caller has made 120 checks of corrected rows in this minute.",
        "The caller has made 60 counts of records in this minute.",
    }


def test_a_caller_has_so_many_unfinished_jobs_dry_runs_included(api: Api, few: None) -> None:
    api.put_contacts()
    api.put_contacts("orders")
    jobs = [send(api, dryRun=number == 0) for number in range(3)]
    assert [job.status for job in jobs] == [202] * 3
    assert left(api)["unfinishedJobs"] == 0
    upload_id = api.upload()
    assert refused(api("POST", "/imports", body={"uploadId": upload_id}), "until one of them has ended") == 30
    assert refused(api("POST", f"/EntityImport/{upload_id}/import"), "3 jobs") == 30
    assert len(api("GET", "/jobs").json["items"]) == 3, "the refused ones are no jobs"
    assert left(api, OPS)["unfinishedJobs"] == 3, "others have their own"
    assert api("POST", "/imports", OPS, body={"uploadId": api.upload(OPS)}).status == 202

    assert api("POST", f"/jobs/{jobs[2].json['jobId']}/cancel").status == 200
    assert left(api)["unfinishedJobs"] == 1
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 202, "the refused upload is free"
    cancel_job(api.services, api.services.jobs.get(jobs[1].json["jobId"]))
    assert left(api)["unfinishedJobs"] == 1


def test_runs_of_exports_count_and_are_refused_before_the_export_holds_them(api: Api, few: None) -> None:
    api.put_contacts()
    exports = [api("POST", "/exports", body=EXPORT | {"name": str(number)}).json["exportId"] for number in range(2)]
    assert api("POST", f"/exports/{exports[0]}/activate").status == 200
    assert left(api)["unfinishedJobs"] == 2
    assert [send(api).status for _ in range(2)] == [202, 202]
    assert refused(api("POST", f"/exports/{exports[1]}/activate"), "3 jobs") == 30
    assert api("GET", f"/exports/{exports[1]}").json["status"] == "DRAFT"


def test_a_job_is_counted_once_however_often_it_is_registered_and_ended(api: Api) -> None:
    api.put_contacts()
    job = api.add_job(status=Status.IN_PROGRESS, started_at=api.now, started_by_id="alice-subject")
    api.services.jobs.register(job, {})
    assert left(api)["unfinishedJobs"] == 99
    ended = finished(job, Status.COMPLETED, Counts(3, 3, 0), api.now, api.retention)
    for _ in range(2):
        api.services.jobs.finish(ended, Status.IN_PROGRESS)
    assert left(api)["unfinishedJobs"] == 100
    old = api.add_job(status=Status.IN_PROGRESS, started_at=api.now, started_by_id=None)
    old = replace(old, started_by_id="alice-subject")  # as an earlier version registered it: it was not counted
    api.services.jobs.finish(finished(old, Status.COMPLETED, Counts(3, 3, 0), api.now, api.retention), old.status)
    assert left(api)["unfinishedJobs"] == 100


def test_a_minute_has_so_many_previews(api: Api, few: None) -> None:
    api.put_contacts()
    upload_id = api.upload()
    path = f"/uploads/{upload_id}/preview"
    assert [api("POST", path, body={}).status for _ in range(3)] == [200] * 3
    assert left(api)["previewsPerMinute"] == 0
    wait = refused(api("POST", path, body={}), "3 previews and connection tests in this minute")
    assert 1 <= wait <= 60
    api.later(seconds=wait)
    assert api("POST", path, body={}).status == 200
    assert left(api)["previewsPerMinute"] == 2


def test_connection_tests_count_as_previews(api: Api, few: None, tester: list[Any]) -> None:
    """Each makes a function wait for a stranger's server; many would take all executions of an account."""
    api.put_contacts()
    body = {"entity": "contacts", "destination": {"kind": "s3"}}
    for who in (BOB, SALES):  # who may not test anything uses nothing up
        assert api("POST", "/exports/test-destination", who, body=body).status in (403, 404)
    assert api("POST", f"/uploads/{api.upload()}/preview", body={}).status == 200
    assert [api("POST", "/exports/test-destination", body=body).status for _ in range(2)] == [200] * 2
    assert left(api)["previewsPerMinute"] == 0
    wait = refused(api("POST", "/exports/test-destination", body=body), "connection tests in this minute")
    assert len(tester) == 2, "the refused one asks no server"
    assert api("POST", "/exports/test-destination", OPS, body=body).status == 200, "others have their own"
    api.later(seconds=wait)
    assert api("POST", "/exports/test-destination", body=body).status == 200


def test_a_minute_has_so_many_counts_of_records(api: Api, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may read 80 MB."""
    monkeypatch.setattr(quotas, "MAX_RECORD_COUNTS", 2)
    api.put_contacts()
    path = "/entities/contacts/records/count"
    assert api("GET", path, BOB).status in (403, 404), "who may not view uses nothing up"
    assert [api("GET", path).status for _ in range(2)] == [200, 200]
    wait = refused(api("GET", path), "2 counts of records in this minute")
    refused(api("POST", "/exports/preview", body={"entity": "contacts"}), "2 counts of records in this minute")
    assert api("GET", path, ADMIN).status == 200, "others have their own"
    api.later(seconds=wait)
    assert api("GET", path).status == 200


def test_an_entity_has_so_many_exports(api: Api, few: None) -> None:
    api.put_contacts()
    api.put_contacts("orders")
    made = [api("POST", "/exports", body=EXPORT) for _ in range(3)]
    first, second = (f"/exports/{answer.json['exportId']}" for answer in made[:2])
    assert refused(api("POST", "/exports", body=EXPORT), "contacts has 3 exports") == 3600
    moved = api("PUT", second, body=EXPORT | {"entity": "orders"})
    assert moved.status == 200, moved.text
    assert api("POST", "/exports", body=EXPORT).status == 201, "one has another entity now"
    assert refused(api("PUT", second, body=EXPORT), "contacts") == 3600
    assert api("DELETE", first).status == 204
    assert api("PUT", second, body=EXPORT).status == 200
    assert [api("POST", "/exports", body=EXPORT | {"entity": "orders"}).status for _ in range(4)] == [201] * 3 + [429]


def test_exports_of_an_earlier_version_are_counted(api: Api, few: None) -> None:
    entity = api.put_contacts()
    made = [api("POST", "/exports", body=EXPORT).json["exportId"] for _ in range(3)]
    table, exports = api.services.catalog_table, api.services.exports
    table.delete((f"EXPORTS#{entity.uid}", "ALL"))
    for export_id in made:
        item = table.get(("EXPORT", export_id))
        assert item is not None
        table.put({name: value for name, value in item.items() if name != "isCounted"})
    for _ in range(2):
        exports.index_some()
    with pytest.raises(TooManyRequests):
        exports.add(replace(exports.get(made[0]), export_id=new_uuid(api.services.ids)))
    exports.erase_of_entity(entity.uid)
    assert table.get((f"EXPORTS#{entity.uid}", "ALL")) is None


def test_a_dialect_has_few_unknown_members(api: Api) -> None:
    api.put_contacts(dialect={"profile": "x" * 1_000})
    upload_id = api.upload()
    many = {"delimiter": ",", "notes": ["x" * 5_000]}
    for method, path, who, body in (
        ("PUT", "/entities/contacts", ADMIN, {"dialect": many}),
        ("POST", "/imports", ALICE, {"uploadId": upload_id, "dialect": many}),
        ("POST", f"/uploads/{upload_id}/preview", ALICE, {"dialect": many}),
    ):
        if method == "PUT":
            body = api("GET", path, who).json | body
            body = {name: value for name, value in body.items() if name not in ("name", "allowedActions")}
        answer = api(method, path, who, body=body)
        assert answer.status == 422 and "#/dialect" in answer.pointers, answer.text
    assert api("POST", "/imports", body={"uploadId": upload_id, "dialect": {"commentRows": [2] * 9_000}}).status == 202
