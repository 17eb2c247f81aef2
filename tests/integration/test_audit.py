"""The audit trail: every change, start, stop, download and refusal leaves one entry, and no entry tells too much."""

from __future__ import annotations

import base64
import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests import builders
from tests.api_builders import ADMIN, ALICE, BOB, CONTACTS, EXPORT, OPS, PERIODIC, SALES, Api
from tests.builders import contacts_csv
from tests.described import operations
from tests.importing import BAD_ROWS, Crash, drop_object, run
from tests.integration.test_nothing_stays import time_to_live
from tests.integration.test_who_may_what import PERMISSIONS, World
from waybill.bootstrap import Services
from waybill.exports.run import tick
from waybill.ids import new_token
from waybill.imports.start import start_drop
from waybill.jobs.audit import Act, Wanted
from waybill.wire.audit import AuditEntry, audit_entry

#: Operations that neither change, start or stop anything nor hand out a file, by their ids.
LEAVE_NOTHING = {
    "previewUpload": "judges the first rows of an upload, and stores nothing",
    "inferUpload": "proposes an entity, and stores nothing",
    "createUploadParts": "signs addresses, of an upload whose beginning and end have entries",
    "checkRejectedRows": "judges rows, and stores nothing",
    "previewAnySchedule": "calculates times",
    "previewExport": "reads records, as a list of them does",
}
#: Reads that hand out a file.
DOWNLOADS = {"download", "getErrorLog", "getRejects"}
ADDRESS = "192.0.2.1"  # of `http_event`


def trail(api: Api) -> list[AuditEntry]:
    """The entries, oldest first."""
    items, position = api.services.audit.page(Wanted(), 1_000)
    assert position is None
    return [audit_entry(item) for item in reversed(items)]


def since(api: Api, before: list[AuditEntry]) -> list[AuditEntry]:
    after = trail(api)
    assert all(entry in after for entry in before), "entries never change"
    return [entry for entry in after if entry not in before]


def recorded() -> list[tuple[str, str, str]]:
    """(method, path, id) of each operation that leaves an entry when it succeeds."""
    return [
        (method, path, operation["operationId"])
        for method, path, operation in operations()
        if operation["operationId"] in DOWNLOADS or (method != "GET" and operation["operationId"] not in LEAVE_NOTHING)
    ]


class Recorded(World):
    """As `World`, with something to do for each operation."""

    def request(self, operation_id: str, path: str, caller: dict[str, Any] | None) -> tuple[str, Any]:
        if operation_id == "deleteJobs":
            return path, {"jobIds": [self.job().job_id]}
        if operation_id == "deleteExports":
            return path, {"exportIds": [self.export()]}
        if operation_id == "relaunchJob":
            data = contacts_csv(BAD_ROWS, count=3)
            upload_id = self.api.upload(ADMIN, data)
            job_id = self.api("POST", "/imports", ADMIN, body={"uploadId": upload_id}).json["jobId"]
            assert run(self.api.services, self.api.services.jobs.get(job_id)).has_rejects
            return path.replace("{job_id}", job_id), {}
        if operation_id == "undoJob":
            body = {"uploadId": self.api.upload(ADMIN, contacts_csv(count=3)), "keepPrevious": True}
            job_id = self.api("POST", "/imports", ADMIN, body=body).json["jobId"]
            assert run(self.api.services, self.api.services.jobs.get(job_id)).can_undo
            return path.replace("{job_id}", job_id), {}
        return super().request(operation_id, path, caller)


@pytest.fixture
def world(api: Api, tester: list[Any]) -> Recorded:
    api.put_contacts(permissions=PERMISSIONS)
    api.later(seconds=1)
    return Recorded(api, "contacts")


def test_every_operation_that_changes_something_leaves_one_entry(api: Api, world: Recorded) -> None:
    """A new route belongs into LEAVE_NOTHING, with the reason, or has to leave its entry."""
    wrong = []
    for method, template, operation_id in recorded():
        path, body = world.request(operation_id, template, ADMIN)
        before = trail(api)
        answer = api(method, path.removeprefix("/v1"), ADMIN, body=body)
        assert answer.status < 400, f"{operation_id}: {answer.text}"
        new = since(api, before)
        said = [
            (entry["action"], entry["outcome"], entry["actor"], entry["actorId"], entry["address"]) for entry in new
        ]
        if said != [(operation_id, "done", "admin", "admin-subject", ADDRESS)] or new[0]["entity"] is None:
            wrong.append((operation_id, new))
        api.later(seconds=1)
    assert wrong == []
    assert len(recorded()) > 15


def test_an_entry_names_what_it_is_about(api: Api, world: Recorded) -> None:
    export_id = world.export(**PERIODIC)
    api.later(seconds=1)
    api("POST", f"/exports/{export_id}/activate", ADMIN)
    api.later(seconds=1)
    job_id = api("POST", f"/exports/{export_id}/run", ADMIN).json["jobId"]
    api.later(seconds=1)
    upload_id = api.upload(ADMIN, contacts_csv(BAD_ROWS, count=3))
    api.later(seconds=1)
    import_id = api("POST", "/imports", ADMIN, body={"uploadId": upload_id}).json["jobId"]
    run(api.services, api.services.jobs.get(import_id))
    api.later(seconds=1)
    child_id = api("POST", f"/jobs/{import_id}/relaunch", ADMIN).json["jobId"]
    api.later(seconds=1)
    api("GET", f"/jobs/{import_id}/rejects", ADMIN)
    about = [
        {name: value for name, value in dict(entry).items() if name.endswith("Id") and value and name != "actorId"}
        for entry in trail(api)
    ]
    assert about == [
        {},
        {"exportId": export_id},
        {"exportId": export_id},
        {"exportId": export_id, "jobId": job_id},
        {"uploadId": upload_id},
        {"jobId": import_id},
        {"jobId": child_id, "parentJobId": import_id},
        {"jobId": import_id},
    ]


def test_what_changes_nothing_leaves_nothing(api: Api, world: Recorded) -> None:
    job = api.add_job()
    assert api("POST", f"/jobs/{job.job_id}/cancel").status == 200
    before = trail(api)
    assert api("POST", f"/jobs/{job.job_id}/cancel").status == 409
    assert (
        api("POST", "/exports", body={"name": "x", "entity": "contacts", "fields": ["none"]}, who=ADMIN).status == 422
    )
    assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"permissions": PERMISSIONS}).status == 200
    assert api("GET", f"/jobs/{job.job_id}/rejects", ADMIN).status == 404
    assert api("GET", f"/jobs/{uuid.uuid4()}").status == 404
    running = world.running()
    assert api("POST", f"/jobs/{running.job_id}/stop", ADMIN).status == 200
    assert api("POST", f"/jobs/{running.job_id}/stop", ADMIN).status == 200, "it stops already"
    assert [entry["action"] for entry in since(api, before)] == ["stopJob"]


def core(services: Services) -> Iterator[tuple[str, str]]:
    """What people change, from the tables."""
    for table in (services.jobs_table, services.catalog_table):
        for item in services.dynamodb.call("Scan", {"TableName": table.name})["Items"]:
            if item["pk"]["S"] in ("EXPORT", "ENTITY", "SOURCE") or item["sk"]["S"] in ("JOB", "UPLOAD"):
                yield f"{item['pk']['S']}/{item['sk']['S']}", json.dumps(item, sort_keys=True)


#: What changes nothing; and what moves letters one by one, after its entry.
NOT_AT_ONCE = ("testDestination", "testSource", "testWebhook", "redriveDeadLetters")
CHANGING = [one for one in recorded() if one[0] != "GET" and one[2] not in NOT_AT_ONCE]


@pytest.mark.parametrize("operation", CHANGING, ids=[one[2] for one in CHANGING])
def test_whoever_dies_leaves_the_change_and_its_entry_or_neither(
    api: Api, world: Recorded, monkeypatch: pytest.MonkeyPatch, operation: tuple[str, str, str]
) -> None:
    """The function dies after each of its writes in turn."""
    method, template, operation_id = operation
    seen = set()
    for moment in itertools.count(1):
        path, body = world.request(operation_id, template, ADMIN)
        before, entries = dict(core(api.services)), trail(api)
        with monkeypatch.context() as patch:
            die_after(moment, api.services, patch)
            try:
                api(method, path.removeprefix("/v1"), ADMIN, body=body)
            except Crash:
                pass
            else:
                break
        new = [entry["action"] for entry in since(api, entries)]
        is_changed = dict(core(api.services)) != before
        assert new == ([operation_id] if is_changed else []), moment
        seen.add(is_changed)
        api.later(minutes=2)
    assert True in seen


def die_after(count: int, services: Services, patch: pytest.MonkeyPatch) -> None:
    writes, send = itertools.count(1), services.dynamodb._call_once

    def dying(operation: str, body: bytes) -> tuple[int, bytes]:
        answer = send(operation, body)
        if operation not in ("GetItem", "Query", "BatchGetItem") and next(writes) == count:
            raise Crash
        return answer

    patch.setattr(services.dynamodb, "_call_once", dying)


def test_a_refusal_leaves_one_entry(api: Api) -> None:
    api.put_contacts()
    export_id = api("POST", "/exports", body=EXPORT).json["exportId"]
    job = api.add_finished(started_by="olga", started_by_id="olga-subject")
    api.later(seconds=1)
    before = trail(api)
    refused = [
        ("PUT", "/entities/contacts", BOB, CONTACTS, "putEntity"),
        ("GET", "/entities/contacts/records", OPS, None, "listRecords"),
        ("POST", "/uploads", SALES, {"entity": "contacts", "fileName": "x.csv"}, "createUpload"),
        ("POST", "/exports", SALES, EXPORT, "createExport"),
        ("POST", "/exports", ALICE, EXPORT | PERIODIC | {"type": "CUSTOM"}, "createExport"),
        ("DELETE", f"/jobs/{job.job_id}", SALES, None, "deleteJob"),
        ("POST", "/jobs/delete", SALES, {"jobIds": [job.job_id, str(uuid.uuid4())]}, "deleteJobs"),
        ("GET", "/audit", ALICE, None, "listAudit"),
    ]
    for method, path, who, body, _ in refused:
        assert api(method, path, who, body=body).status == (200 if path == "/jobs/delete" else 403), path
        api.later(seconds=1)
    entries = since(api, before)
    assert [(entry["action"], entry["actor"]) for entry in entries] == [(one[4], one[2]["name"]) for one in refused]
    assert {entry["outcome"] for entry in entries} == {"refused"}
    assert [entry["entity"] for entry in entries] == ["contacts"] * 7 + [None]
    assert [entry["jobId"] for entry in entries] == [None] * 5 + [job.job_id] * 2 + [None]
    # 401 and 404 are no refusals of somebody who sees it.
    assert api("PUT", "/entities/contacts", None, body=CONTACTS).status == 401
    assert api("GET", f"/exports/{export_id}", BOB).status == 404
    assert since(api, before) == entries


def test_dropped_files_leave_one_entry_each(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity())
    events = [
        drop_object(services, s3, contacts_csv(count=1)),
        drop_object(services, s3, b"x", key="drop/nobody/x.csv"),
    ]
    done, failed, *_ = [start_drop(services, event["detail"]) for event in events * 2]  # each event comes again
    assert done and failed
    entries, _ = services.audit.page(Wanted(), 10)
    assert sorted((one["action"], one["outcome"], one["entity"], one["jobId"]) for one in entries) == [
        ("dropFile", "done", "contacts", done.job_id),
        ("dropFile", "failed", "nobody", failed.job_id),
    ]
    assert {one["actor"] for one in entries} == {done.started_by, failed.started_by}


def test_runs_of_schedules_leave_one_entry_each(api: Api) -> None:
    api.put_contacts()
    export_id = api("POST", "/exports", body=EXPORT | PERIODIC).json["exportId"]
    assert api("POST", f"/exports/{export_id}/activate").status == 200
    api.later(days=1)
    assert (tick(api.services), tick(api.services)) == (1, 0)
    [entry] = (entry for entry in trail(api) if entry["action"] == "runSchedule")
    assert entry["jobId"] is not None
    assert (entry["actor"], entry["actorId"], entry["address"]) == ("schedule", None, None)
    assert api.services.jobs.get(entry["jobId"]).export_id == entry["exportId"] == export_id


def fill(api: Api) -> None:
    """Sixty entries, one each five days."""
    for number in range(60):
        name = "alice" if number % 3 else "bob"
        act = Act("createImport" if number % 2 else "stopJob", name, f"{name}-subject", ADDRESS)
        api.services.audit.put(act, entity="contacts" if number % 5 else "orders", jobId=str(uuid.uuid4()))
        api.later(days=5)


def pages(api: Api, **query: str) -> list[dict[str, Any]]:
    found, token = [], ""
    while token is not None:
        more = {"nextToken": token} if token else {}
        page = api("GET", "/audit", ADMIN, query={**query, **more}).json
        assert len(page["items"]) <= int(query.get("limit", 20))
        found += page["items"]
        token = page["nextToken"]
    return found


@pytest.mark.parametrize("limit", ["1", "7", "20", "60", "100"])
def test_pages_hold_each_entry_once_newest_first(api: Api, limit: str) -> None:
    fill(api)
    entries = pages(api, limit=limit)
    assert len(entries) == 60
    assert [entry["time"] for entry in entries] == sorted((entry["time"] for entry in entries), reverse=True)


def test_filters(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(api)
    everything = pages(api)
    monkeypatch.setattr("waybill.jobs.audit.MAX_READ", 7)  # a page reads at most this many entries
    at = [entry["time"] for entry in everything]

    def check(found: list[dict[str, Any]], wanted: Any) -> None:
        assert found == [entry for entry in everything if wanted(entry)]
        assert 0 < len(found) < 60

    check(pages(api, actor="bob"), lambda entry: entry["actor"] == "bob")
    check(pages(api, actor="bob-subject", limit="3"), lambda entry: entry["actor"] == "bob")
    check(pages(api, action="stopJob"), lambda entry: entry["action"] == "stopJob")
    check(pages(api, entity="orders"), lambda entry: entry["entity"] == "orders")
    both = pages(api, entity="orders", actor="alice", **{"from": at[50], "to": at[5]})
    check(
        both, lambda entry: (entry["entity"], entry["actor"]) == ("orders", "alice") and at[50] <= entry["time"] < at[5]
    )
    check(pages(api, **{"from": at[30]}), lambda entry: entry["time"] >= at[30])
    check(pages(api, to=at[30], limit="4"), lambda entry: entry["time"] < at[30])
    assert pages(api, actor="nobody") == pages(api, to="2000-01-01T00:00:00Z") == []
    assert pages(api, **{"from": "2999-01-01t00:00:00.5+01:00"}) == []


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=", "to=2026-02-30T00:00:00Z", "from=2026-01-31", "nextToken=x", "job=1"]
)
def test_a_query_that_says_nothing_is_refused(api: Api, query: str) -> None:
    assert api("GET", "/audit", ADMIN, raw_query=query).status == 400


@pytest.mark.parametrize("month", ["0001-01", "9999-12"])
def test_a_token_of_another_time_costs_no_more(api: Api, month: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    call = api.services.dynamodb.call
    monkeypatch.setattr(api.services.dynamodb, "call", lambda *request: asked.append(request[0]) or call(*request))
    token = base64.urlsafe_b64encode(f"{month}-01T00:00:00.000Z#{new_token()}".encode()).decode().rstrip("=")
    assert api("GET", "/audit", ADMIN, query={"nextToken": token}).status == 200
    assert asked.count("Query") <= 15


def test_an_entry_stays_for_its_days_and_no_longer(api: Api) -> None:
    api.put_contacts()
    api.later(days=399, hours=23)
    assert len(trail(api)) == 1
    api.later(hours=1)
    assert trail(api) == [], "also while TTL has not deleted it"
    time_to_live(api.services)
    items = api.services.dynamodb.call("Scan", {"TableName": api.services.settings.jobs_table})["Items"]
    assert not [item for item in items if item["pk"]["S"].startswith("AUDIT#")]


CANARY = "canary-7f3a"


def test_entries_hold_no_text_of_files_records_definitions_or_secrets(api: Api, tester: list[Any]) -> None:
    title = {"title": CANARY, "columns": {CANARY: "email"}}
    api.put_contacts(**title)
    answer = api("POST", "/uploads", body={"entity": "contacts", "fileName": f"{CANARY}.csv"})
    upload_id = answer.json["uploadId"]
    data = contacts_csv(BAD_ROWS, count=3) + f"{CANARY},{CANARY},1,2,3\n".encode()
    api.services.files.put(api.services.settings.files_bucket, f"uploads/{upload_id}/source", data)
    key = {"idempotency-key": CANARY}
    job_id = api("POST", "/imports", body={"uploadId": upload_id}, headers=key).json["jobId"]
    run(api.services, api.services.jobs.get(job_id))
    corrections = [{"rowNumber": 2, "cells": {"contact_id": CANARY}}]
    api("POST", f"/jobs/{job_id}/relaunch", body={"corrections": corrections, "only": "corrected"})
    api("GET", f"/jobs/{job_id}/rejects")
    destination = {
        "kind": "sftp",
        "host": f"{CANARY}.example",
        "directory": CANARY,
        "secretId": CANARY,
        "hostKey": "SHA256:" + "A" * 43,
    }
    api("POST", "/exports/test-destination", body={"entity": "contacts", "destination": destination})
    condition = {"field": "contact_id", "op": "eq", "value": CANARY}
    name = {"name": CANARY, "fileName": f"{CANARY}.csv"}
    body = EXPORT | PERIODIC | name | {"filter": [condition], "recipients": [f"{CANARY}@example.com"]}
    made = api("POST", "/exports", body=body)
    assert made.status == 201, made.text
    export_id = made.json["exportId"]
    api("POST", f"/exports/{export_id}/activate")
    api("POST", f"/exports/{export_id}/run")
    api("POST", "/uploads", BOB | {"groups": ("sales",)}, body={"entity": "contacts", "fileName": CANARY})
    token = api.issuer.token(**ALICE)
    entries = trail(api)
    assert len(entries) == 10, [entry["action"] for entry in entries]
    stored = api.services.dynamodb.call("Scan", {"TableName": api.services.settings.jobs_table})["Items"]
    text = json.dumps([item for item in stored if item["pk"]["S"].startswith("AUDIT#")])
    assert CANARY in json.dumps(stored) and CANARY not in text
    assert token[:20] not in text
