"""The Status screen: jobs, their files, and what can be done to them."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

from tests.api_builders import (
    ADMIN,
    ALICE,
    BOB,
    EXPORT,
    JOB_MEMBERS,
    NOW,
    OPS,
    SALES,
    Api,
)
from tests.importing import drop_object, run, start
from waybill.aws.expressions import Attr, Change
from waybill.imports.start import start_drop
from waybill.jobs.drops import Drop
from waybill.jobs.model import Process, Status
from waybill.jobs.removals import removal_item


def test_job_has_the_members_of_the_contract(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()
    answer = api("GET", f"/jobs/{job.job_id}")
    shown = answer.json
    base = f"http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5/v1/jobs/{job.job_id}"
    assert set(shown) == JOB_MEMBERS
    assert shown["counts"] == {"total": 3, "processed": 3, "imported": 2, "rejected": 1, "unprocessed": 0}
    assert shown["links"] == {"errorLog": f"{base}/error-log", "rejects": f"{base}/rejects", "download": None}
    assert (shown["status"], shown["outcome"]) == ("COMPLETED", "PARTIAL_SUCCESS")
    assert (shown["submittedAt"], shown["durationSeconds"]) == ("2026-03-01T12:00:00.000Z", 2)
    assert shown["expiresAt"] == "2026-03-04T12:00:00.000Z"
    assert shown["allowedActions"] == ["delete"]
    assert "Retry-After" not in answer.headers


def test_polling_costs_nothing_while_nothing_changes(api: Api) -> None:
    api.put_contacts()
    job = api.add_job(status=Status.IN_PROGRESS, started_at=NOW, heartbeat_at=NOW + timedelta(seconds=1))
    first = api("GET", f"/jobs/{job.job_id}")
    assert first.headers["Retry-After"].isdigit()
    api.later(seconds=1)
    for known in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = api("GET", f"/jobs/{job.job_id}", headers={"if-none-match": known})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", first.headers["ETag"])
    api.services.jobs.request_stop(job.job_id, "USER")
    assert api("GET", f"/jobs/{job.job_id}", headers={"if-none-match": first.headers["ETag"]}).status == 200


def test_a_page_of_jobs_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    known = {"if-none-match": api("GET", "/jobs", query={"process": "import"}).headers["ETag"]}
    again = api("GET", "/jobs", query={"process": "import"}, headers=known)
    assert (again.status, again.text) == (304, "")
    assert api("GET", "/jobs", query={"process": "export"}, headers=known).status == 200
    assert api("POST", f"/jobs/{job.job_id}/cancel").status == 200
    assert api("GET", "/jobs", query={"process": "import"}, headers=known).json["items"][0]["status"] == "CANCELED"


def test_who_sees_which_job(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    path = f"/jobs/{job.job_id}"
    for who, sees in [(ALICE, True), (SALES, True), (ADMIN, True), (OPS, False), (BOB, False)]:
        assert api("GET", path, who).status == (200 if sees else 404), who
        assert len(api("GET", "/jobs", who).json["items"]) == sees, who
    api.put_contacts(permissions={})
    assert api("GET", path).json["entity"] == "(No permission)"
    assert api("GET", "/jobs").json["items"][0]["entity"] == "(No permission)"
    assert api("GET", "/jobs", query={"entity": "contacts"}).json["items"] == []
    assert api("GET", path, ADMIN).json["entity"] == "contacts"


def test_a_refused_file_is_seen_by_those_who_may_import_and_goes_with_the_entity(api: Api, s3: Any) -> None:
    early = start(api.services, s3, b"x", key="drop/contacts/early.csv")
    entity = api.put_contacts()
    refused = start(api.services, s3, b"x", key="drop/contacts/a.csv", mode="nonsense")
    gone = drop_object(api.services, s3, b"x", key="drop/contacts/b.csv")
    s3.delete_object(Bucket="drop-bucket", Key="drop/contacts/b.csv")
    changed = start_drop(api.services, gone["detail"])
    assert changed is not None
    assert [job.error_code for job in (early, refused, changed)] == ["unknown-entity", "source-error", "source-changed"]
    assert (early.entity_uid, refused.entity_uid, changed.entity_uid) == ("", entity.uid, entity.uid)
    for who, seen in ((OPS, 3), (ADMIN, 3), (SALES, 2), (BOB, 0)):
        assert len(api("GET", "/jobs", who).json["items"]) == seen, who
    assert api("GET", f"/jobs/{refused.job_id}", OPS).json["entity"] == "contacts"
    assert api("GET", f"/jobs/{refused.job_id}/errors", OPS).json["items"][0]["type"] == "source-error"
    assert api("GET", f"/jobs/{refused.job_id}", BOB).status == 404
    assert api("DELETE", f"/jobs/{changed.job_id}", OPS).status == 204
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204
    for who in (OPS, SALES):
        assert api("GET", "/jobs", who).json["items"] == []
    api.put_contacts()
    assert [job["jobId"] for job in api("GET", "/jobs", OPS).json["items"]] == [early.job_id]


def test_drop_for_an_unknown_entity_is_for_admins(api: Api) -> None:
    api.add_job(entity="nobody", started_by="s3:123", started_by_id=None)
    assert len(api("GET", "/jobs", ADMIN).json["items"]) == 1
    assert api("GET", "/jobs").json["items"] == []


def test_looking_is_not_changing(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    for method, action in [("POST", "/cancel"), ("POST", "/stop"), ("POST", "/relaunch"), ("DELETE", "")]:
        assert api(method, f"/jobs/{job.job_id}{action}", SALES).status == 403


def test_only_what_would_succeed_is_offered(api: Api, s3: Any) -> None:
    """Actions and the relaunch by the caller's rights, the file by what became of the dropped object."""
    api.put_contacts()
    drop = drop_object(api.services, s3, b"contact_id,email,spend,joined,vip\na,nobody,,,\nb,,,,\n")
    job = start_drop(api.services, drop["detail"])
    assert job is not None
    job = run(api.services, job)
    path = f"/jobs/{job.job_id}"
    for who, actions, is_relaunchable in ((SALES, [], False), (ADMIN, ["delete"], True)):
        for shown in (api("GET", path, who).json, *api("GET", "/jobs", who).json["items"]):
            assert (shown["allowedActions"], shown["links"]["download"] is None) == (actions, False)
        assert api("GET", f"{path}/report", who).json["relaunchable"] is is_relaunchable
        assert api("GET", f"{path}/download", who).status == 303
    newer = drop_object(api.services, s3, b"something else")
    start_drop(api.services, newer["detail"])
    assert [item["links"]["download"] is None for item in api("GET", "/jobs", ADMIN).json["items"]] == [False, True]
    assert api("GET", path, ADMIN).json["links"]["download"] is None
    assert api("GET", f"{path}/download", ADMIN).status == 404
    api.later(hours=49)
    assert api("GET", f"{path}/report", ADMIN).json["relaunchable"] is False
    assert api("POST", f"{path}/relaunch", ADMIN).status == 410


def test_a_drop_that_an_earlier_version_registered_does_not_hide_the_list(api: Api, s3: Any) -> None:
    """Its record has no ETag, so that nobody knows whether the object is still that of the job."""
    api.put_contacts()
    drop = drop_object(api.services, s3, b"contact_id,email,spend,joined,vip\na,,,,\n")
    start_drop(api.services, drop["detail"])
    (latest,) = api.services.drops.latest(["drop-bucket/drop/contacts/contacts.csv"]).values()
    api.services.jobs_table.update((latest["pk"], latest["sk"]), Change(removes=["etag"]), Attr("pk").exists())
    assert [job["links"]["download"] for job in api("GET", "/jobs", ADMIN).json["items"]] == [None]


def test_the_files_of_exports_are_offered_to_those_who_may_export(api: Api) -> None:
    api.put_contacts()
    made = api("POST", "/exports", ADMIN, body=EXPORT).json["exportId"]
    job = api.add_finished(process=Process.EXPORT, export_id=made, export_type="ONE_SHOT", has_download=True)
    assert api("GET", f"/jobs/{job.job_id}").json["links"]["download"] is not None
    api.put_contacts(permissions={"view": ["sales", "ops"], "import": ["ops"]})
    shown = api("GET", f"/jobs/{job.job_id}").json
    assert (shown["links"]["download"], shown["allowedActions"]) == (None, ["delete"])
    assert api("GET", f"/jobs/{job.job_id}/download").status == 403
    api.put_contacts(permissions={"export": ["sales"]})
    assert api("GET", f"/jobs/{job.job_id}").json["entity"] == "contacts"


def test_newest_first_and_stable_while_jobs_are_added(api: Api) -> None:
    api.put_contacts()
    ids = []
    for _ in range(7):
        api.later(seconds=1)
        ids.append(api.add_job().job_id)
    first = api("GET", "/jobs", query={"limit": "3"}).json
    api.later(seconds=1)
    newest = api.add_job().job_id
    second = api("GET", "/jobs", query={"limit": "3", "nextToken": first["nextToken"]}).json
    third = api("GET", "/jobs", query={"limit": "3", "nextToken": second["nextToken"]}).json
    listed = [job["jobId"] for page in (first, second, third) for job in page["items"]]
    assert listed == ids[::-1]
    assert third["nextToken"] is None
    assert api("GET", "/jobs").json["items"][0]["jobId"] == newest
    assert [job["queuePosition"] for job in first["items"]] == [6, 5, 4]


def test_filters(api: Api) -> None:
    api.put_contacts()
    api.put_contacts("orders")
    waiting = api.add_job(file_name="Spring.csv").job_id
    ended = api.add_finished(entity="orders", started_by="s3:1", started_by_id=None).job_id
    export = api.add_job(process=Process.EXPORT, file_name="contacts_20260301.csv").job_id
    for query, expected in [
        ({}, {waiting, ended, export}),
        ({"process": "export"}, {export}),
        ({"status": "COMPLETED,FAILED"}, {ended}),
        ({"entity": "orders"}, {ended}),
        ({"startedBy": "s3:1"}, {ended}),
        ({"q": "spring"}, {waiting}),
        ({"q": "nothing"}, set()),
    ]:
        found = {job["jobId"] for job in api("GET", "/jobs", query=query).json["items"]}
        assert found == expected, query
    assert api("GET", "/jobs", query={"status": "DONE"}).status == 400
    assert api("GET", "/jobs", query={"process": "both"}).status == 400


def test_filtered_pages_may_be_short_but_go_on(api: Api) -> None:
    api.put_contacts()
    wanted = api.add_job(file_name="wanted.csv").job_id
    for _ in range(3):
        api.later(seconds=1)
        api.add_job()
    first = api("GET", "/jobs", query={"q": "wanted", "limit": "2"}).json
    assert (first["items"], first["nextToken"] is None) == ([], False)
    second = api("GET", "/jobs", query={"q": "wanted", "limit": "2", "nextToken": first["nextToken"]}).json
    assert [job["jobId"] for job in second["items"]] == [wanted]


def test_cancel_stop_and_what_a_status_forbids(api: Api) -> None:
    api.put_contacts()
    waiting = api.add_job()
    assert api("POST", f"/jobs/{waiting.job_id}/stop").json["allowedActions"] == ["cancel"]
    answer = api("POST", f"/jobs/{waiting.job_id}/cancel")
    assert (answer.status, answer.json["status"], answer.json["outcome"]) == (200, "CANCELED", None)
    assert answer.json["counts"] == {"total": 0, "processed": 0, "imported": 0, "rejected": 0, "unprocessed": 0}
    answer = api("POST", f"/jobs/{waiting.job_id}/cancel")
    assert (answer.status, answer.json["allowedActions"]) == (409, ["delete"])

    running = api.add_job(status=Status.IN_PROGRESS, started_at=NOW)
    answer = api("DELETE", f"/jobs/{running.job_id}")
    assert (answer.status, answer.json["allowedActions"]) == (409, ["stop"])
    assert api("POST", f"/jobs/{running.job_id}/cancel").status == 409
    answer = api("POST", f"/jobs/{running.job_id}/stop")
    assert (answer.status, answer.json["stopReason"], answer.json["allowedActions"]) == (200, "USER", [])
    assert api("POST", f"/jobs/{running.job_id}/relaunch").status == 409


def test_delete_takes_the_files_along(api: Api) -> None:
    api.put_contacts()
    files = api.services.files
    files.put("drop-bucket", "drop/contacts/a.csv", b"contact_id\n1\n")
    source = files.head("drop-bucket", "drop/contacts/a.csv")
    assert source is not None
    job = api.add_finished(source_bucket="drop-bucket", source_key="drop/contacts/a.csv", source_etag=source.etag)
    table = api.services.jobs_table
    drop = Drop("drop-bucket/drop/contacts/a.csv", source.etag, job.job_id, "1", source.modified)
    table.transact(drop.actions(table, NOW))
    files.put("files-bucket", f"jobs/{job.job_id}/rejects.csv", b"x")
    assert api("DELETE", f"/jobs/{job.job_id}").status == 204
    assert api("GET", f"/jobs/{job.job_id}").status == 404
    assert files.head("drop-bucket", "drop/contacts/a.csv") is None
    assert files.head("files-bucket", f"jobs/{job.job_id}/rejects.csv") is None


def test_delete_many_says_what_became_of_each(api: Api) -> None:
    api.put_contacts()
    ended, waiting, unknown = api.add_finished().job_id, api.add_job().job_id, str(uuid.uuid4())
    answer = api("POST", "/jobs/delete", body={"jobIds": [ended, waiting, unknown, "nonsense", ended]})
    assert (answer.status, answer.json["deleted"]) == (200, [ended])
    assert [(failed["jobId"], failed["status"]) for failed in answer.json["failed"]] == [
        (waiting, 409),
        (unknown, 404),
        ("nonsense", 404),
    ]
    assert all(failed["detail"] for failed in answer.json["failed"])
    assert answer.json["failed"][0]["detail"] == (
        f"Job {waiting} is waiting and cannot be deleted. Cancel it first, or wait for its end."
    )
    for body in ({}, {"jobIds": []}, {"jobIds": [1]}, {"jobIds": [unknown] * 101}, {"jobIds": [unknown], "all": True}):
        assert api("POST", "/jobs/delete", body=body).status == 422


JOB_ROUTES = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/cancel"),
    ("POST", "/stop"),
    ("POST", "/relaunch"),
    ("POST", "/undo"),
    ("GET", "/undo"),
    ("GET", "/errors"),
    ("GET", "/rejected-rows"),
    ("POST", "/rejected-rows/check"),
    ("GET", "/error-log"),
    ("GET", "/rejects"),
    ("GET", "/download"),
    ("GET", "/report"),
]
BODIES = {"/rejected-rows/check": {"rows": [{"rowNumber": 4, "cells": {"contact_id": "c3"}}]}}


def test_every_route_of_a_job_is_tested_here(api: Api) -> None:
    prefix = "/v1/jobs/<job_id>"
    routes = {(route.method, route.path) for route in api.module.operations() if route.path.startswith(prefix)}
    assert routes == {(method, prefix + action) for method, action in JOB_ROUTES}


def test_expired_is_gone_at_once(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()
    api.later(hours=49)  # the files go first
    assert api("GET", f"/jobs/{job.job_id}").json["links"] == {"errorLog": None, "rejects": None, "download": None}
    for file in ("errors", "rejected-rows", "error-log", "rejects", "download"):
        assert api("GET", f"/jobs/{job.job_id}/{file}").status == 410, file
    assert api("POST", f"/jobs/{job.job_id}/relaunch").status == 410
    assert api("GET", f"/jobs/{job.job_id}/report").status == 200
    api.later(hours=24)
    for who, status in ((ALICE, 410), (BOB, 404)):  # what was never for his eyes has not expired for him either
        for method, action in JOB_ROUTES:
            answer = api(method, f"/jobs/{job.job_id}{action}", who, body=BODIES.get(action))
            assert answer.status == status, (method, action)
    failed = api("POST", "/jobs/delete", body={"jobIds": [job.job_id]}).json["failed"]
    assert [entry["status"] for entry in failed] == [410]
    assert api("GET", "/jobs").json["items"] == []
    assert api("GET", f"/EntityImport/{job.job_id}/status").status == 404
    api.services.jobs.delete(removal_item(job))  # as DynamoDB's TTL does one day
    for method, action in JOB_ROUTES:
        assert api(method, f"/jobs/{job.job_id}{action}", body=BODIES.get(action)).status == 404, (method, action)


def test_pages_stay_stable_while_jobs_come_and_go(api: Api) -> None:
    """Each job that stays through it all is listed once, also when the one that a page ended with is gone."""
    api.put_contacts()
    ids = []
    for _ in range(9):
        api.later(seconds=1)
        ids.append(api.add_finished().job_id)
    api.later(seconds=10)
    listed, token = [], None
    while True:
        page = api("GET", "/jobs", query={"limit": "3"} | ({"nextToken": token} if token else {})).json
        listed += [job["jobId"] for job in page["items"]]
        token = page["nextToken"]
        if token is None:
            break
        deleted = [page["items"][-1]["jobId"], page["items"][0]["jobId"]]
        assert api("POST", "/jobs/delete", body={"jobIds": deleted}).json["deleted"] == deleted
        api.later(seconds=1)
        api.add_job()
    assert listed == ids[::-1]
    export = api("POST", "/exports", body=EXPORT).json["exportId"]
    runs = []
    for _ in range(4):
        api.later(seconds=1)
        runs.append(api.add_finished(process=Process.EXPORT, export_id=export).job_id)
    first = api("GET", f"/exports/{export}/jobs", query={"limit": "2"}).json
    api("DELETE", f"/jobs/{first['items'][-1]['jobId']}")
    second = api("GET", f"/exports/{export}/jobs", query={"limit": "2", "nextToken": first["nextToken"]}).json
    assert [job["jobId"] for job in first["items"] + second["items"]] == runs[::-1]


def test_files_are_links_minted_now(api: Api) -> None:
    api.put_contacts()
    files = api.services.files
    files.put("files-bucket", "uploads/u/source", b"contact_id\n1\n")
    source = files.head("files-bucket", "uploads/u/source")
    assert source is not None
    job = api.add_finished(
        file_name="2026/März.csv",
        source_bucket="files-bucket",
        source_key="uploads/u/source",
        source_etag=source.etag,
    )
    for name, key, file_name in [
        ("error-log", f"jobs/{job.job_id}/error-log.csv", "M%C3%A4rz.errors.csv"),
        ("rejects", f"jobs/{job.job_id}/rejects.csv", "M%C3%A4rz.rejects.csv"),
        ("download", "uploads/u/source", "M%C3%A4rz.csv"),
    ]:
        answer = api("GET", f"/jobs/{job.job_id}/{name}")
        location = answer.headers["Location"]
        assert (answer.status, answer.headers["Cache-Control"]) == (303, "no-store"), name
        assert f"/files-bucket/{key}?" in location
        assert file_name in location.replace("%25", "%")
        assert "X-Amz-Expires=300" in location
        link = api("GET", f"/jobs/{job.job_id}/{name}", query={"as": "link"})
        assert (link.status, link.json["url"].partition("?")[0]) == (200, location.partition("?")[0]), name
    files.put("files-bucket", "uploads/u/source", b"something else")
    assert api("GET", f"/jobs/{job.job_id}/download").status == 404


def test_files_that_a_job_does_not_have(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    for name in ("error-log", "rejects", "download"):
        assert api("GET", f"/jobs/{job.job_id}/{name}").status == 404
    answer = api("GET", f"/jobs/{job.job_id}/errors")
    assert (answer.status, answer.json) == (200, {"items": [], "nextToken": None, "summary": []})


def test_errors_in_pages(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()
    header = "rowNumber,fieldNumber,fieldName,type,cell,message\r\n"
    rows = "".join(f'{row},3,spend,type-error,"a{row}\r\nb",no number\r\n' for row in range(2, 7))
    summary = [{"type": "type-error", "fieldName": "spend", "count": 5, "sample": "a2"}]
    api.services.files.put("files-bucket", f"jobs/{job.job_id}/error-log.csv", (header + rows).encode())
    api.services.files.put("files-bucket", f"jobs/{job.job_id}/summary.json", json.dumps(summary).encode())
    seen, token = [], None
    for _ in range(3):
        query = {"limit": "2"} | ({"nextToken": token} if token else {})
        page = api("GET", f"/jobs/{job.job_id}/errors", query=query).json
        assert page["summary"] == summary
        seen += page["items"]
        token = page["nextToken"]
    assert token is None
    assert [item["rowNumber"] for item in seen] == [2, 3, 4, 5, 6]
    assert set(seen[0]) == {"rowNumber", "fieldNumber", "fieldName", "type", "cell", "message"}


def test_report(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()
    assert api("GET", f"/jobs/{job.job_id}/report").json == {
        "jobId": job.job_id,
        "exportId": None,
        "sourceId": None,
        "name": None,
        "entity": "contacts",
        "process": "import",
        "status": "COMPLETED",
        "outcome": "PARTIAL_SUCCESS",
        "startedAt": "2026-03-01T12:00:00.000Z",
        "completedAt": "2026-03-01T12:00:02.000Z",
        "durationSeconds": 2,
        "startedBy": "alice",
        "fileName": "contacts.csv",
        "numberOfItems": 3,
        "counts": {"total": 3, "processed": 3, "imported": 2, "rejected": 1, "unprocessed": 0},
        "windowFrom": None,
        "windowTo": None,
        "delivered": None,
        "bytes": None,
        "sha256": None,
        "files": None,
        "encryption": None,
        "error": None,
        "relaunchable": True,
    }
