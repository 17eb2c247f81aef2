"""Exports as a data team lives them, on the embedded AWS: scheduled, incremental, delivered, reported."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import time
import urllib.request
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import asyncssh
import pyrage
import pytest

from infra.local.stack import LocalStack
from tests.builders import CONTACTS_SCHEMA, contacts_csv
from tests.e2e.client import Client
from tests.e2e.test_flows import drop, put_contacts, rows_of
from tests.partner_servers import SECRET, certificate, ftps_server, host_key_line, sftp_server
from tests.stack import client_fixture, stack_fixture
from tests.webhook_receivers import receiving

DAILY = {"time": "02:30", "timezone": "Europe/Brussels"}


# A stack of its own that enforces IAM, and whose deliveries may reach servers of this machine.
stack = stack_fixture(scope="module", parameters={"AllowedPrivateHosts": "127.0.0.1, localhost"}, auth=True)
admin = client_fixture("admin", scope="module")
alice = client_fixture("alice", scope="module")


def outcome_of_test(client: Client, entity: str, destination: dict[str, Any]) -> dict[str, Any]:
    answer = client.call("POST", "/exports/test-destination", json={"entity": entity, "destination": destination})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def made(client: Client, entity: str, **members: Any) -> str:
    answer = client.call("POST", "/exports", json={"name": f"{entity} out", "entity": entity, **members})
    assert answer.status_code == 201, answer.text
    export_id: str = answer.json()["exportId"]
    assert client.call("POST", f"/exports/{export_id}/activate").status_code == 200
    return export_id


def ran(client: Client, export_id: str) -> dict[str, Any]:
    answer = client.call("POST", f"/exports/{export_id}/run")
    assert answer.status_code == 202, answer.text
    return client.wait(answer.json()["jobId"])


def imported(stack: LocalStack, client: Client, s3: Any, entity: str, data: bytes, mode: str = "upsert") -> None:
    name = f"{mode}-{hashlib.sha256(data).hexdigest()[:8]}.csv"
    s3.put_object(Bucket=stack.stack["dropBucket"], Key=f"drop/{entity}/{name}", Body=data, Metadata={"mode": mode})
    job = client.wait(client.find_job(entity=entity, q=name)["jobId"])
    assert job["outcome"] == "SUCCESS", job


def delivered(stack: LocalStack, s3: Any, key: str) -> tuple[bytes, dict[str, Any]]:
    """A file of the transfer box and its manifest, which agree."""
    bucket = stack.stack["transferBucket"]
    data: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{key}.manifest.json")["Body"].read())
    assert (manifest["bytes"], manifest["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    return data, manifest


def test_increments_fold_to_the_table_while_imports_go_on(
    stack: LocalStack, admin: Client, alice: Client, s3: Any
) -> None:
    put_contacts(admin, "inc")
    export_id = made(
        alice,
        "inc",
        type="INCREMENTAL",
        schedule=DAILY,
        destination={"kind": "s3", "prefix": "inc"},
        fileName="inc_$yyyyMMdd.csv.gz",
        compression="gzip",
        includeDeleted=True,
        filter=[{"field": "spend", "op": "ge", "value": 5}],
    )
    folded: dict[str, str] = {}
    window_end = None

    def run() -> int:
        nonlocal window_end
        job = ran(alice, export_id)
        assert job["status"] == "COMPLETED" and job["windowFrom"] == window_end
        window_end = job["windowTo"]
        data, manifest = delivered(stack, s3, f"inc/{job['fileName']}")
        rows = rows_of(gzip.decompress(data).decode())
        assert manifest["rows"] == len(rows) == job["numberOfItems"]
        for row in rows:
            if row["_deleted"] == "true":
                folded.pop(row["contact_id"], None)
            else:
                folded[row["contact_id"]] = row["spend"]
        return len(rows)

    imported(stack, admin, s3, "inc", contacts_csv(count=200))
    assert run() == 200
    drop(stack, s3, "inc", contacts_csv({"contact_id": f"n{n}", "spend": "9"} for n in range(30_000)), "big.csv")
    big = admin.find_job(entity="inc", q="big.csv")["jobId"]
    runs = 0
    while admin.get(f"/jobs/{big}")["status"] in ("WAITING", "IN_PROGRESS"):
        run()
        runs += 1
    assert admin.wait(big)["outcome"] == "SUCCESS" and runs
    # One leaves by deletion, one leaves the filter, one comes back with another value.
    imported(stack, admin, s3, "inc", b"contact_id\nc000001\nc000003\n", "delete")
    imported(stack, admin, s3, "inc", b"contact_id,spend\nc000002,4.99\n", "update")
    imported(stack, admin, s3, "inc", contacts_csv([{"contact_id": "c000003", "spend": "8"}]))
    run()
    wanted = {f"c{n:06d}": "7.5" for n in range(200)} | {f"n{n}": "9" for n in range(30_000)} | {"c000003": "8"}
    del wanted["c000001"], wanted["c000002"]
    assert folded == wanted
    assert run() == 0
    runs_listed = alice.get(f"/exports/{export_id}/jobs", limit=100)["items"]
    assert len(runs_listed) == runs + 3 and len({job["fileName"] for job in runs_listed}) == runs + 3


@pytest.mark.parametrize(
    ("format", "compression", "read"),
    [
        ("csv", "zip", lambda data: list(csv.DictReader(io.StringIO(_only_entry(data).decode(), newline="")))),
        ("jsonl", "none", lambda data: [json.loads(line) for line in data.decode().splitlines()]),
        ("xlsx", "none", lambda data: _sheet_rows(data)),
    ],
)
def test_every_format_downloads_and_imports_again(
    stack: LocalStack, admin: Client, alice: Client, s3: Any, format: str, compression: str, read: Any
) -> None:
    entity = f"format-{format}"
    put_contacts(admin, entity)
    imported(stack, admin, s3, entity, contacts_csv([{"contact_id": "=1+1"}, {"contact_id": "007"}], count=50))
    export_id = made(alice, entity, format=format, compression=compression)
    job = alice.wait(alice.get(f"/exports/{export_id}")["jobId"])
    data = alice.follow(f"/jobs/{job['jobId']}/download").content
    rows = read(data)
    assert len(rows) == 52 and {"'=1+1", "007"} <= {row["contact_id"] for row in rows}
    again = f"{entity}-again"
    put_contacts(admin, again)
    upload_id = alice.upload(again, job["fileName"], data)
    started = alice.call("POST", "/imports", json={"uploadId": upload_id, "unescapeFormulas": True})
    assert alice.wait(started.json()["jobId"])["counts"]["imported"] == 52
    second = alice.wait(alice.get(f"/exports/{made(alice, again, format=format, compression=compression)}")["jobId"])
    again_rows = read(alice.follow(f"/jobs/{second['jobId']}/download").content)
    key = "contact_id"
    assert sorted(again_rows, key=lambda row: row[key]) == sorted(rows, key=lambda row: row[key])


def _only_entry(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        [name] = archive.namelist()
        return archive.read(name)


def _sheet_rows(data: bytes) -> list[dict[str, Any]]:
    from python_calamine import load_workbook  # not at import: another test proves that nothing loads it unasked

    header, *rows = load_workbook(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def test_a_full_workbook_replaces_that_of_the_day_in_the_transfer_box(
    stack: LocalStack, admin: Client, alice: Client, s3: Any
) -> None:
    put_contacts(admin, "book")
    imported(stack, admin, s3, "book", contacts_csv([{"contact_id": "=1+1", "joined": "2024-02-29"}], count=20))
    destination = {"kind": "s3", "prefix": "books"}
    assert outcome_of_test(alice, "book", destination)["ok"]
    s3.create_bucket(Bucket="not-listed")  # as DestinationBuckets is empty, IAM refuses it
    assert outcome_of_test(alice, "book", {"kind": "s3", "bucket": "not-listed"})["code"] == "permission"
    export_id = made(alice, "book", type="PERIODIC_FULL", format="xlsx", schedule=DAILY, destination=destination)
    jobs = [ran(alice, export_id) for _ in range(2)]
    assert jobs[0]["fileName"] == jobs[1]["fileName"] and jobs[1]["status"] == "COMPLETED"
    data, manifest = delivered(stack, s3, f"books/{jobs[1]['fileName']}")
    rows = _sheet_rows(data)
    assert (manifest["jobId"], manifest["rows"], len(rows)) == (jobs[1]["jobId"], 21, 21)
    assert {"contact_id": "'=1+1", "joined": date(2024, 2, 29)}.items() <= rows_by_id(rows)["'=1+1"].items()
    answer = alice.call("GET", f"/jobs/{jobs[1]['jobId']}/download")
    assert (answer.status_code, answer.json()["title"]) == (409, "The state forbids it")


def rows_by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["contact_id"]: row for row in rows}


def test_a_one_shot_for_later_is_run_by_the_schedule(stack: LocalStack, admin: Client, alice: Client, s3: Any) -> None:
    put_contacts(admin, "later")
    imported(stack, admin, s3, "later", contacts_csv(count=3))
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    export_id = made(alice, "later", schedule={"at": at})
    assert alice.get(f"/exports/{export_id}")["status"] == "SCHEDULED"
    time.sleep(3)
    schedule = stack.deployed.resources["ScheduleFunction"]
    for _ in range(2):  # a tick that comes twice
        stack.clients("lambda").invoke(FunctionName=schedule, Payload=b"{}")
    [job] = alice.get(f"/exports/{export_id}/jobs")["items"]
    assert alice.wait(job["jobId"])["numberOfItems"] == 3
    assert alice.get(f"/exports/{export_id}")["status"] == "FINISHED"


def test_a_run_asks_the_user_pool_what_its_owner_still_may(
    stack: LocalStack, admin: Client, alice: Client, s3: Any
) -> None:
    put_contacts(admin, "rights")
    imported(stack, admin, s3, "rights", contacts_csv(count=3))
    export_id = made(alice, "rights", type="PERIODIC_FULL", schedule=DAILY, destination={"kind": "s3"})
    assert ran(alice, export_id)["status"] == "COMPLETED"
    cognito = stack.clients("cognito-idp")
    group = {"UserPoolId": stack.deployed.outputs["UserPoolId"], "Username": "alice", "GroupName": "ops"}
    others = {**group, "GroupName": "sales"}
    for each in (group, others):
        cognito.admin_remove_user_from_group(**each)
    try:
        assert ran(alice, export_id)["error"]["code"] == "no-permission", "her token lasts longer than her groups"
    finally:
        for each in (group, others):
            cognito.admin_add_user_to_group(**each)
    export = alice.get(f"/exports/{export_id}")
    assert (export["status"], export["owner"]) == ("DRAFT", "alice")
    assert alice.call("POST", f"/exports/{export_id}/activate").status_code == 200
    assert ran(alice, export_id)["status"] == "COMPLETED"


def mails_sent(stack: LocalStack, count: int) -> list[dict[str, Any]]:
    """All mails, once there are so many: a report follows the end of its job, which is told first."""
    for _ in range(240):
        with urllib.request.urlopen(f"{stack.stack['endpointUrl']}/_ministack/ses/messages") as answer:
            mails = [mail for account in json.load(answer)["messages"].values() for mail in account]
        if len(mails) >= count:
            break
        time.sleep(0.5)
    return mails


def test_a_partner_gets_each_change_once_by_sftp_and_people_their_report(
    stack: LocalStack, admin: Client, alice: Client, s3: Any, tmp_path: Path
) -> None:
    put_contacts(admin, "sftp")
    imported(stack, admin, s3, "sftp", contacts_csv(count=1_000))
    secrets = stack.clients("secretsmanager")
    secret = SECRET | {"host": "127.0.0.1", "entities": ["sftp"]}
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(tmp_path, [host_key]) as server:
        secrets.create_secret(Name="waybill/partner", SecretString=json.dumps(secret | {"password": "wrong"}))
        secrets.create_secret(Name="other/partner", SecretString=json.dumps(secret))
        destination = {
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": server.port,
            "directory": "/",
            "secretId": "waybill/partner",
            "hostKey": host_key_line(host_key),
        }
        assert outcome_of_test(alice, "sftp", destination | {"secretId": "other/partner"})["code"] == "secret"  # by IAM
        body = {"name": "x", "entity": "sftp", "destination": destination | {"secretId": "other/partner"}}
        refused = alice.call("POST", "/exports", json=body)
        assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "#/destination/secretId"
        export_id = made(
            alice,
            "sftp",
            type="INCREMENTAL",
            schedule=DAILY,
            destination=destination,
            recipients=["ops@example.com"],
        )
        assert outcome_of_test(alice, "sftp", destination)["code"] == "auth"
        failed = ran(alice, export_id)
        assert (failed["status"], failed["error"]["code"]) == ("FAILED", "delivery-failed"), failed
        assert failed["error"]["message"].startswith("auth: ") and "wrong" not in failed["error"]["message"]
        assert alice.get(f"/jobs/{failed['jobId']}/report")["relaunchable"]
        secrets.put_secret_value(SecretId="waybill/partner", SecretString=json.dumps(secret))
        assert outcome_of_test(alice, "sftp", destination)["ok"]
        assert not list(tmp_path.iterdir())
        child = alice.call("POST", f"/jobs/{failed['jobId']}/relaunch")
        assert child.status_code == 202, child.text
        job = alice.wait(child.json()["jobId"])
        assert (job["status"], job["retryOf"], job["windowTo"]) == ("COMPLETED", failed["jobId"], failed["windowTo"])
        files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
        assert files == sorted([job["fileName"], f"{job['fileName']}.manifest.json"])
        nothing = ran(alice, export_id)
        assert nothing["numberOfItems"] == 0 and nothing["fileName"] != job["fileName"]
    mails = mails_sent(stack, 3)
    assert [mail["To"] for mail in mails] == [["ops@example.com"]] * 3
    assert sorted("failed" in mail["Subject"].lower() for mail in mails) == [False, False, True], mails


def test_a_partner_gets_a_file_by_ftps_once_its_certificate_is_known(
    stack: LocalStack, admin: Client, alice: Client, s3: Any, tmp_path: Path
) -> None:
    put_contacts(admin, "ftps")
    imported(stack, admin, s3, "ftps", contacts_csv(count=2_000))
    stack.clients("secretsmanager").create_secret(Name="waybill/ftps", SecretString=json.dumps(SECRET))
    (root := tmp_path / "in").mkdir()
    shown = certificate(tmp_path)
    with ftps_server(root, shown) as server:
        place = {"kind": "ftps", "host": "localhost", "port": server.port, "directory": "/", "secretId": "waybill/ftps"}
        body = {"type": "PERIODIC_FULL", "schedule": DAILY, "compression": "gzip", "destination": place}
        export_id = made(alice, "ftps", **body)
        assert outcome_of_test(alice, "ftps", place)["code"] == "certificate"
        assert outcome_of_test(alice, "ftps", place | {"caCertificate": shown.pem})["ok"]
        failed = ran(alice, export_id)
        assert failed["error"]["message"].startswith("certificate: "), failed
        assert not list(root.iterdir())
        assert alice.call("POST", f"/exports/{export_id}/unschedule").status_code == 200
        body |= {"name": "ftps out", "entity": "ftps", "destination": place | {"caCertificate": shown.pem}}
        assert alice.call("PUT", f"/exports/{export_id}", json=body).status_code == 200
        child = alice.call("POST", f"/jobs/{failed['jobId']}/relaunch").json()
        job = alice.wait(child["jobId"])
    assert (job["status"], job["retryOf"]) == ("COMPLETED", failed["jobId"]), job
    data = (root / job["fileName"]).read_bytes()
    manifest = json.loads((root / f"{job['fileName']}.manifest.json").read_bytes())
    assert (manifest["rows"], manifest["sha256"]) == (2_000, hashlib.sha256(data).hexdigest())
    assert len(rows_of(gzip.decompress(data).decode())) == 2_000 and len(list(root.iterdir())) == 2


class Source:
    """A source, active."""

    def __init__(self, client: Client, entity: str, location: dict[str, Any], pattern: str, **members: Any) -> None:
        self._client = client
        self._tested = {"entity": entity, "location": location, "pattern": pattern}
        made = client.call(
            "POST", "/sources", json=self._tested | {"name": "From a partner", "schedule": DAILY} | members
        )
        assert made.status_code == 201, made.text
        self.id: str = made.json()["sourceId"]
        self._path = f"/sources/{self.id}"
        assert client.call("POST", f"{self._path}/activate").status_code == 200

    def test(self) -> dict[str, Any]:
        result: dict[str, Any] = self._client.call("POST", "/sources/test", json=self._tested).json()
        return result

    def run(self) -> dict[str, Any]:
        """The source after a run, once the imports of all files that it has seen have ended."""
        started = self._client.call("POST", f"{self._path}/run")
        assert started.status_code == 200, started.text
        return self.rest()

    def rest(self) -> dict[str, Any]:
        for _ in range(600):
            source: dict[str, Any] = self._client.get(self._path)
            if not source["isRunning"] and all(file["status"] for file in self.files().values()):
                break
            time.sleep(0.2)
        return source

    def files(self) -> dict[str, dict[str, Any]]:
        """The files that it has seen, by name."""
        return {file["name"]: file for file in self._client.get(f"{self._path}/files")["items"]}


def test_a_partners_files_are_fetched_imported_and_moved(
    stack: LocalStack, admin: Client, alice: Client, tmp_path: Path
) -> None:
    """The way back: a source on a partner's server, with the rights of `template.yaml`."""
    put_contacts(admin, "fetched")
    for folder in ("out", "done"):
        (tmp_path / folder).mkdir()
    for name, data in (("a.csv", contacts_csv(count=50)), ("b.csv", b"id\n1\n"), ("c.txt", b"no")):
        (tmp_path / "out" / name).write_bytes(data)
        os.utime(tmp_path / "out" / name, (1_700_000_000, 1_700_000_000))
    secret = SECRET | {"host": "127.0.0.1", "entities": ["fetched"]}
    stack.clients("secretsmanager").create_secret(Name="waybill/fetched", SecretString=json.dumps(secret))
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(tmp_path, [host_key]) as server:
        location = {"kind": "sftp", "host": "127.0.0.1", "port": server.port, "directory": "/out"}
        location |= {"secretId": "waybill/fetched", "hostKey": host_key_line(host_key)}
        source = Source(alice, "fetched", location, "*.csv", after="move", moveTo="/done")
        tested = source.test()
        assert (tested["ok"], [file["name"] for file in tested["files"]]) == (True, ["a.csv", "b.csv"])
        assert source.run()["lastRun"]["code"] is None
        files = source.files()
        assert files["a.csv"]["imported"] == 50 and files["b.csv"]["outcome"] == "FAILED"
        for file in files.values():
            job = alice.get(f"/jobs/{file['jobId']}")
            assert (job["startedBy"], job["sourceId"]) == ("source:From a partner", source.id)
        source.rest()  # the schedule may have begun to move it
        assert source.run()["lastRun"]["code"] is None
        assert source.files()["a.csv"]["after"] == "moved"
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["b.csv", "c.txt"]
    assert [each.name for each in (tmp_path / "done").iterdir()] == ["a.csv"]


def test_what_a_partner_gets_encrypted_in_several_files_comes_back_through_a_source(
    stack: LocalStack, admin: Client, alice: Client, s3: Any, tmp_path: Path
) -> None:
    """Both ways with the layer of encryption, and with the rights of `template.yaml`."""
    for entity in ("closed", "opened"):
        put_contacts(admin, entity)
    imported(stack, admin, s3, "closed", contacts_csv(count=250))
    key, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    secret = SECRET | {"host": "127.0.0.1", "entities": ["closed", "opened"], "decryptionKey": str(other)}
    secrets = stack.clients("secretsmanager")
    secrets.create_secret(Name="waybill/closed", SecretString=json.dumps(secret))
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(tmp_path, [host_key]) as server:
        place = {"kind": "sftp", "host": "127.0.0.1", "port": server.port, "directory": "/"}
        place |= {"secretId": "waybill/closed", "hostKey": host_key_line(host_key)}
        encryption = {"kind": "age", "recipients": [str(key.to_public())]}
        body = {"type": "PERIODIC_FULL", "schedule": DAILY, "split": {"maxRows": 100}, "compression": "gzip"}
        job = ran(alice, made(alice, "closed", **body, destination=place | {"encryption": encryption}))
        assert job["status"] == "COMPLETED", job
        manifest = json.loads((tmp_path / f"{job['fileName']}.manifest.json").read_bytes())
        names = [file["fileName"] for file in manifest["files"]]
        contents = []
        for file in manifest["files"]:
            data = (tmp_path / file["fileName"]).read_bytes()
            assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            contents.append(rows_of(gzip.decompress(pyrage.decrypt(data, [key])).decode()))
            os.utime(tmp_path / file["fileName"], (1_700_000_000, 1_700_000_000))
        assert [len(rows) for rows in contents] == [file["rows"] for file in manifest["files"]] == [100, 100, 50]

        location = place | {"decryption": {"kind": "age", "secretId": "waybill/closed"}}
        source = Source(alice, "opened", location, "*_????.csv.gz.age")
        refused = source.run()["lastRun"]
        assert (refused["code"], refused["taken"], refused["waiting"]) == ("secret", 0, 3), refused
        secrets.put_secret_value(
            SecretId="waybill/closed", SecretString=json.dumps(secret | {"decryptionKey": str(key)})
        )
        assert source.run()["lastRun"]["code"] is None
    files = source.files()
    assert [files[name]["imported"] for name in names] == [100, 100, 50]
    assert [alice.get(f"/jobs/{files[name]['jobId']}")["fileName"] for name in names] == [
        name.removesuffix(".age") for name in names
    ]
    again = alice.wait(alice.get(f"/exports/{made(alice, 'opened')}")["jobId"])
    rows = rows_of(alice.follow(f"/jobs/{again['jobId']}/download").text)
    assert rows_by_id(rows) == rows_by_id([row for each in contents for row in each])


def test_the_function_of_webhooks_has_the_rights_that_an_attempt_needs(
    stack: LocalStack, admin: Client, s3: Any, tmp_path: Path
) -> None:
    """It reads its queue, the entity and the secret, and connects. It notes that it trusts no certificate of this test;
    what it sends is tested without the embedded AWS (`tests/integration/test_webhooks.py`)."""
    secret = {"host": "localhost", "entities": ["told"], "signingSecrets": ["whsec_" + "A" * 32]}
    stack.clients("secretsmanager").create_secret(Name="waybill/hooks", SecretString=json.dumps(secret))
    with receiving(certificate(tmp_path)) as receiver:
        webhook = {"url": receiver.url, "secretId": "waybill/hooks"}
        admin.put_entity("told", schema=CONTACTS_SCHEMA, webhooks=[webhook])
        test = admin.call("POST", "/webhooks/test", json={"entity": "told", "webhook": webhook})
        assert (test.status_code, test.json()["code"]) == (200, "certificate"), test.text
        imported(stack, admin, s3, "told", contacts_csv(count=3))
        function, table = stack.deployed.resources["WebhooksFunction"], stack.stack["jobsTable"]
        where = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "WEBHOOK"}}}
        for _ in range(50):
            stack.clients("lambda").invoke(FunctionName=function, Payload=b"{}")
            items = stack.clients("dynamodb").query(TableName=table, **where)["Items"]
            if any(item["reason"]["S"] for item in items):
                break
            time.sleep(0.1)
    assert {(item["reason"]["S"], item["url"]["S"]) for item in items} == {("certificate", receiver.url)}
