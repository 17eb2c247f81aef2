"""What people do to running imports: stop, cancel, relaunch, dry runs, modes, on the embedded AWS."""

from __future__ import annotations

import time
from typing import Any

from infra.local.stack import LocalStack
from tests.builders import contacts_csv
from tests.e2e.client import Client
from tests.e2e.test_flows import drop, export_rows, put_contacts, rows_of


def start_upload(client: Client, entity: str, data: bytes, **options: Any) -> dict[str, Any]:
    return start_import(client, client.upload(entity, "contacts.csv", data), **options)


def start_import(client: Client, upload_id: str, **options: Any) -> dict[str, Any]:
    answer = client.call("POST", "/imports", json={"uploadId": upload_id, **options})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['jobId']}"
    job: dict[str, Any] = answer.json()
    return job


def test_stop_ends_within_seconds_and_lists_what_was_not_written(stack: LocalStack, admin: Client, s3: Any) -> None:
    put_contacts(admin, "stopped")
    rows = 60_000
    drop(stack, s3, "stopped", contacts_csv(count=rows))
    job_id = admin.find_job(entity="stopped")["jobId"]
    deadline = time.monotonic() + 60
    while not (job := admin.get(f"/jobs/{job_id}"))["counts"]["processed"]:
        assert time.monotonic() < deadline and job["status"] in ("WAITING", "IN_PROGRESS")
        time.sleep(0.05)
    assert job["allowedActions"] == ["stop"]
    stopped = admin.call("POST", f"/jobs/{job_id}/stop")
    assert stopped.status_code == 200, stopped.text
    job = admin.wait(job_id)
    assert (job["status"], job["stopReason"], job["outcome"]) == ("COMPLETED", "USER", "PARTIAL_SUCCESS")
    counts = job["counts"]
    assert 0 < counts["imported"] < rows and counts["imported"] + counts["unprocessed"] == counts["total"] == rows
    written = {row["contact_id"] for row in export_rows(admin, "stopped")}
    listed = rows_of(admin.follow(f"/jobs/{job_id}/rejects").text)
    assert {row["_type"] for row in listed} == {"stopped"}
    assert len(written) == counts["imported"] and len(listed) == counts["unprocessed"]
    assert written.isdisjoint(row["contact_id"] for row in listed)
    assert admin.call("POST", f"/jobs/{job_id}/stop").status_code == 409
    child = admin.call("POST", f"/jobs/{job_id}/relaunch")
    assert child.status_code == 202 and child.json()["retryOf"] == job_id
    child_job = admin.wait(child.json()["jobId"])
    assert (child_job["outcome"], child_job["counts"]["imported"]) == ("SUCCESS", counts["unprocessed"])
    assert len(export_rows(admin, "stopped")) == rows


def test_imports_wait_for_their_turn_and_a_waiting_one_can_be_canceled(
    stack: LocalStack, admin: Client, alice: Client
) -> None:
    put_contacts(admin, "queue")
    files = (
        contacts_csv(count=40_000),
        contacts_csv([{"contact_id": "second"}]),
        contacts_csv([{"contact_id": "third"}]),
    )
    uploads = [alice.upload("queue", "contacts.csv", data) for data in files]  # first: sending takes long, starting not
    first, second, third = (start_import(alice, upload_id) for upload_id in uploads)
    waiting = alice.get(f"/jobs/{third['jobId']}")
    assert (waiting["status"], waiting["allowedActions"]) == ("WAITING", ["cancel"])
    assert waiting["queuePosition"] == 2
    canceled = alice.call("POST", f"/jobs/{second['jobId']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "CANCELED")
    done = alice.wait(third["jobId"])
    assert done["startedAt"] >= alice.get(f"/jobs/{first['jobId']}")["completedAt"]
    keys = {row["contact_id"] for row in export_rows(alice, "queue")}
    assert "third" in keys and "second" not in keys and len(keys) == 40_001


def test_modes_and_policies_through_the_api(admin: Client, alice: Client) -> None:
    put_contacts(admin, "modes")

    def run(data: bytes, **options: Any) -> dict[str, Any]:
        return alice.wait(start_upload(alice, "modes", data, **options)["jobId"])

    dry = run(contacts_csv([{"contact_id": "x", "email": "nobody"}], count=2), dryRun=True)
    assert (dry["status"], dry["counts"]["imported"], dry["dryRun"]) == ("COMPLETED", 2, True)
    assert alice.get("/entities/modes/records")["items"] == []
    refused = run(contacts_csv([{"contact_id": "x", "email": "nobody"}], count=2), onError="all-or-nothing")
    assert (refused["status"], refused["error"]["code"]) == ("FAILED", "rejected-rows")
    assert refused["counts"]["unprocessed"] == 2
    assert run(contacts_csv(count=5), mode="insert")["counts"]["imported"] == 5
    assert run(contacts_csv(count=6), mode="insert")["counts"] == {
        "total": 6,
        "processed": 6,
        "imported": 1,
        "rejected": 5,
        "unprocessed": 0,
    }
    updated = run(b"contact_id,spend\nc000001,42\nnobody,1\n", mode="update")
    assert (updated["counts"]["imported"], updated["counts"]["rejected"]) == (1, 1)
    deleted = run(b"contact_id\nc000000\n", mode="delete")
    assert deleted["outcome"] == "SUCCESS"
    rows = {row["contact_id"]: row["spend"] for row in export_rows(alice, "modes")}
    assert rows == {"c000001": "42", **{f"c00000{number}": "7.5" for number in range(2, 6)}}
    aborted = run(
        contacts_csv([{"contact_id": "bad", "email": "nobody"}, {"contact_id": "late"}]), onError="abort", maxErrors=1
    )
    assert (aborted["status"], aborted["stopReason"]) == ("COMPLETED", "MAX_ERRORS")
    assert (aborted["counts"]["rejected"], aborted["counts"]["unprocessed"]) == (1, 1)
