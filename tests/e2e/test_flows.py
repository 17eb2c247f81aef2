"""Whole flows as their users live them, on the embedded AWS."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import LocalStack, local_stack
from tests.builders import CONTACTS_SCHEMA, contacts_csv
from tests.e2e.client import Client

ROWS = 20_000


def put_contacts(admin: Client, name: str) -> None:
    admin.put_entity(
        name, schema=CONTACTS_SCHEMA, permissions={"view": ["sales"], "import": ["ops"], "export": ["ops"]}
    )


def drop(stack: LocalStack, s3: Any, entity: str, data: bytes, name: str = "contacts.csv") -> None:
    s3.put_object(Bucket=stack.stack["dropBucket"], Key=f"drop/{entity}/{name}", Body=data)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def export_rows(client: Client, entity: str) -> list[dict[str, str]]:
    made = client.call("POST", "/exports", json={"name": f"All of {entity}", "entity": entity})
    assert made.status_code == 201, made.text
    started = client.call("POST", f"/exports/{made.json()['exportId']}/activate")
    assert started.status_code == 200, started.text
    job = client.wait(started.json()["jobId"])
    assert job["status"] == "COMPLETED", job
    download = client.follow(f"/jobs/{job['jobId']}/download")
    assert job["fileName"] in download.headers["Content-Disposition"]
    rows = rows_of(download.text)
    assert len(rows) == job["numberOfItems"] == job["counts"]["imported"]
    return rows


def test_a_dropped_file_of_several_chunks_is_accounted_for_and_comes_out_again(
    stack: LocalStack, admin: Client, alice: Client, s3: Any
) -> None:
    put_contacts(admin, "flow-drop")
    bad = [{"contact_id": "x1", "email": "nobody"}, {"contact_id": "", "spend": "-1"}, {"contact_id": "c000007"}]
    drop(stack, s3, "flow-drop", contacts_csv(bad, count=ROWS))
    job = alice.wait(alice.find_job(entity="flow-drop")["jobId"])
    assert job["status"] == "COMPLETED" and job["outcome"] == "PARTIAL_SUCCESS"
    assert job["counts"] == {
        "total": ROWS + 3,
        "processed": ROWS + 3,
        "imported": ROWS,
        "rejected": 3,
        "unprocessed": 0,
    }
    assert job["startedBy"].startswith("s3:")
    assert job["detected"] == {"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1}
    rejects = rows_of(alice.follow(f"/jobs/{job['jobId']}/rejects").text)
    assert [(row["_row"], row["_type"]) for row in rejects] == [
        ("9", "duplicate-key"),
        (str(ROWS + 2), "type-error"),
        (str(ROWS + 3), "missing-key"),
    ]
    log = rows_of(alice.follow(f"/jobs/{job['jobId']}/error-log").text)
    assert [row["rowNumber"] for row in log] == ["9", str(ROWS + 2), str(ROWS + 3), str(ROWS + 3)]
    errors = alice.get(f"/jobs/{job['jobId']}/errors", limit=2)
    assert [item["rowNumber"] for item in errors["items"]] == [9, ROWS + 2] and errors["nextToken"]
    assert sum(group["count"] for group in errors["summary"]) == 4
    exported = export_rows(alice, "flow-drop")
    assert {row["contact_id"] for row in exported} == {f"c{number:06d}" for number in range(ROWS)}
    assert exported[0]["spend"] == "7.5" and exported[0]["vip"] == "yes" and exported[0]["joined"] == "2026-01-31"


def test_an_upload_is_imported_and_read_by_a_zilliant_client(admin: Client, alice: Client) -> None:
    put_contacts(admin, "flow-upload")
    upload_id = alice.upload("flow-upload", "März & co.csv", contacts_csv(count=3))
    started = alice.call("POST", f"/EntityImport/{upload_id}/import")
    assert started.status_code == 201
    import_id = started.json()["importId"]
    assert alice.call("POST", f"/EntityImport/{upload_id}/import").status_code == 409
    job = alice.wait(import_id)
    assert (job["fileName"], job["startedBy"], job["outcome"]) == ("März & co.csv", "alice", "SUCCESS")
    response = json.dumps({"access_token": alice.token_response["AccessToken"], "token_type": "Bearer"})
    oauth = {"Authorization": f"OAuth {base64.b64encode(response.encode()).decode()}"}
    status = alice.call("GET", f"/EntityImport/{import_id}/status", headers=oauth)
    assert status.status_code == 200
    assert set(status.json()) == {"status", "startDate", "stopDate", "clientErrorCallingService", "entityImportId"}
    assert (status.json()["status"], status.json()["clientErrorCallingService"]) == ("SUCCEEDED", False)
    assert alice.get("/entities/flow-upload/records", limit=100)["items"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty-file"),
        (b"contact_id,email,spend,joined,vip\n", "empty-file"),
        (b"contact_id,email,spend,joined,joined\nx,,,,\n", "duplicate-label"),
        (b'contact_id,email,spend,joined,vip\n"x,,,,\ny,,,,\n', "format-error"),
        ("contact_id,email,spend,joined,vip\nx,,,,\n".encode("utf-16")[:-1], "encoding-error"),
        (gzip.compress(b"contact_id,email,spend,joined,vip\nx,,,,\n", mtime=0)[:-9], "compression-error"),
        (bytes(range(256)) * 20, "encoding-error"),
    ],
)
def test_rubbish_ends_as_a_failed_job_with_its_code(
    stack: LocalStack, admin: Client, s3: Any, data: bytes, code: str
) -> None:
    entity = f"rubbish-{hashlib.sha256(data).hexdigest()[:8]}"
    put_contacts(admin, entity)
    drop(stack, s3, entity, data)
    job = admin.wait(admin.find_job(entity=entity)["jobId"])
    assert (job["status"], job["error"]["code"], job["links"]["rejects"]) == ("FAILED", code, None)
    log = rows_of(admin.follow(f"/jobs/{job['jobId']}/error-log").text)
    assert log[0]["type"] == code


def test_an_unknown_entity_is_a_failed_job(stack: LocalStack, admin: Client, s3: Any) -> None:
    drop(stack, s3, "no-such-entity", b"a\n1\n")
    job = admin.find_job(entity="no-such-entity")
    assert (job["status"], job["error"]["code"]) == ("FAILED", "unknown-entity")


def test_a_killed_worker_changes_nothing_in_the_end(stack: LocalStack, admin: Client, s3: Any) -> None:
    """SIGKILL to the processes of the import steps while chunks are loaded; the retries end as if nothing was."""
    bad = [{"contact_id": f"bad{number}", "email": "nobody"} for number in range(50)] + [{"contact_id": "c000003"}]
    data = contacts_csv(bad, count=60_000)
    put_contacts(admin, "undisturbed")
    put_contacts(admin, "disturbed")
    drop(stack, s3, "undisturbed", data)
    calm = admin.wait(admin.find_job(entity="undisturbed")["jobId"])
    drop(stack, s3, "disturbed", data)
    job_id = admin.find_job(entity="disturbed")["jobId"]
    killed = kill_loading_workers(stack, admin, job_id)
    assert killed > 0
    rough = admin.wait(job_id, seconds=240)
    assert rough["counts"] == calm["counts"]
    assert (rough["status"], rough["outcome"]) == (calm["status"], calm["outcome"])
    assert calm["counts"]["imported"] == 60_000
    for part in ("rejects", "error-log"):
        assert admin.follow(f"/jobs/{job_id}/{part}").text == admin.follow(f"/jobs/{calm['jobId']}/{part}").text
    assert sorted(map(str, export_rows(admin, "disturbed"))) == sorted(map(str, export_rows(admin, "undisturbed")))


def kill_loading_workers(stack: LocalStack, admin: Client, job_id: str) -> int:
    """Kill the import-step workers of this stack once rows are on their way; how many there were."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = admin.get(f"/jobs/{job_id}")
        assert job["status"] in ("WAITING", "IN_PROGRESS"), "the job ended before a worker could be killed"
        if job["counts"]["total"] is not None:
            break
        time.sleep(0.02)
    workers = [pid for pid in descendants(stack.aws.pid) if b"ImportSteps" in command_environment(pid)]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    return len(workers)


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    found = set(children)
    return sorted(found | {below for child in found for below in descendants(child)})


def command_environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_two_events_make_one_job(stack: LocalStack, admin: Client, s3: Any) -> None:
    put_contacts(admin, "twice")
    drop(stack, s3, "twice", contacts_csv(count=5))
    job = admin.wait(admin.find_job(entity="twice")["jobId"])
    etag = s3.head_object(Bucket=stack.stack["dropBucket"], Key="drop/twice/contacts.csv")["ETag"].strip('"')
    detail = {
        "bucket": {"name": stack.stack["dropBucket"]},
        "object": {"key": "drop/twice/contacts.csv", "etag": etag, "sequencer": "00"},
        "requester": "000000000000",
    }
    client = stack.clients("lambda")
    for _ in range(2):
        answer = client.invoke(
            FunctionName=stack.deployed.resources["StartImportFunction"],
            Payload=json.dumps({"time": "2026-01-01T00:00:00Z", "detail": detail}),
        )
        assert "FunctionError" not in answer
    jobs = admin.get("/jobs", entity="twice", limit=100)["items"]
    assert [found["status"] for found in jobs if found["jobId"] != job["jobId"]] == ["FAILED"]
    assert [found["error"]["code"] for found in jobs if found["jobId"] != job["jobId"]] == ["source-changed"]


def test_who_may_see_what(stack: LocalStack, admin: Client, alice: Client, bob: Client, s3: Any) -> None:
    put_contacts(admin, "private")
    drop(stack, s3, "private", contacts_csv(count=1))
    job_id = admin.wait(admin.find_job(entity="private")["jobId"])["jobId"]
    assert alice.call("GET", f"/jobs/{job_id}").status_code == 200
    assert bob.call("GET", f"/jobs/{job_id}").status_code == 404
    assert bob.call("GET", "/entities/private").status_code == 404
    assert bob.get("/jobs", entity="private")["items"] == []
    assert alice.call("PUT", "/entities/private", json={"schema": CONTACTS_SCHEMA}).status_code == 403
    assert alice.call("GET", f"/jobs/{job_id}", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert alice.call("GET", f"/jobs/{job_id}", headers={"Authorization": ""}).status_code == 401


def test_jobs_and_their_files_expire() -> None:
    """A stack whose retention is seconds: what has expired is gone for readers at once, and its files after a sweep."""
    with local_stack(
        parameters={"ImportRetentionSeconds": 6, "ImportMinimumSeconds": 6, "FilesRetentionSeconds": 3}
    ) as stack:
        s3 = stack.clients("s3")
        with closing(Client(stack.stack, "admin")) as admin:
            put_contacts(admin, "brief")
            drop(stack, s3, "brief", contacts_csv([{"contact_id": "x", "email": "nobody"}], count=2))
            job = admin.wait(admin.find_job(entity="brief")["jobId"])
            assert job["links"]["rejects"] and job["filesExpireAt"] < job["expiresAt"]
            wait_until(lambda: admin.call("GET", f"/jobs/{job['jobId']}/rejects").status_code == 410)
            schedule = stack.deployed.resources["ScheduleFunction"]
            answer = stack.clients("lambda").invoke(FunctionName=schedule, Payload=b"{}")
            assert "FunctionError" not in answer, answer["Payload"].read()
            kept = s3.list_objects_v2(Bucket=stack.stack["filesBucket"], Prefix=f"jobs/{job['jobId']}/")
            assert kept["KeyCount"] == 0, [found["Key"] for found in kept["Contents"]]
            assert s3.list_objects_v2(Bucket=stack.stack["dropBucket"])["KeyCount"] == 0
            wait_until(lambda: admin.call("GET", f"/jobs/{job['jobId']}").status_code in (404, 410))
            assert admin.get("/jobs")["items"] == []


def wait_until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
