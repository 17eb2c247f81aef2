"""Export definitions, from draft to download."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.api_builders import (
    ADMIN,
    ALICE,
    BOB,
    CONTACTS,
    DAILY,
    EXPORT,
    OPS,
    PERIODIC,
    SALES,
    Api,
)
from waybill.bootstrap import Services
from waybill.exports.run import end_run, fail_run
from waybill.jobs.model import Counts, Status


def test_if_match_holds_also_for_what_changes_during_the_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = api.put_contacts()
    path = f"/exports/{api('POST', '/exports', body=EXPORT).json['exportId']}"
    entities, exports = api.services.entities, api.services.exports
    export = exports.get(path.rpartition("/")[2])
    put, edit = entities.put, exports.edit
    for where, repository, name, method, body in [
        ("/entities/contacts", entities, "put", "PUT", CONTACTS),
        ("/entities/contacts", entities, "delete", "DELETE", None),
        (path, exports, "edit", "PUT", EXPORT),
        (path, exports, "delete", "DELETE", None),
    ]:
        tag = api("GET", where, ADMIN).headers["ETag"]
        change = getattr(repository, name)

        def somebody_first(*given: Any, owner: Any = repository, name: str = method, change: Any = change) -> Any:
            if owner is exports:
                edit(export.export_id, replace(export.definition, name=name), entity.uid)
            else:
                put(replace(entity, title=name))
            return change(*given)

        with monkeypatch.context() as patch:
            patch.setattr(repository, name, somebody_first)
            answer = api(method, where, ADMIN, body=body, headers={"if-match": tag})
        assert answer.status == 412, (method, where)
        assert api("GET", where, ADMIN).headers["ETag"] != tag


def test_if_match_on_exports(api: Api) -> None:
    api.put_contacts()
    created = api("POST", "/exports", body=EXPORT)
    path = f"/exports/{created.json['exportId']}"
    assert api("GET", path).headers["ETag"] == created.headers["ETag"]
    old = {"headers": {"if-match": created.headers["ETag"]}}
    edited = api("PUT", path, body=EXPORT | {"name": "Mine"}, **old)
    assert edited.status == 200
    assert edited.headers["ETag"] == api("GET", path).headers["ETag"] != created.headers["ETag"]
    for method in ("PUT", "DELETE"):
        assert api(method, path, body=EXPORT, **old).status == 412
    assert api("GET", path).json["name"] == "Mine"
    assert api("PUT", path, body=EXPORT).status == 200  # without If-Match as ever
    assert api("DELETE", path, headers={"if-match": api("GET", path).headers["ETag"]}).status == 204


FTPS = {"kind": "ftps", "host": "ftp.example.com", "directory": "/"}

SFTP = {
    "kind": "sftp",
    "host": "sftp.example.com",
    "directory": "/in",
    "secretId": "partner",
    "hostKey": "SHA256:" + 43 * "A",
}


def test_export_from_draft_to_download(api: Api) -> None:
    api.put_contacts()
    answer = api("POST", "/exports", body=EXPORT)
    draft = answer.json
    path = f"/exports/{draft['exportId']}"
    assert (answer.status, answer.headers["Location"]) == (201, f"/v1{path}")
    assert draft == {
        "exportId": draft["exportId"],
        "name": "All contacts",
        "entity": "contacts",
        "type": "ONE_SHOT",
        "fields": ["contact_id", "email"],
        "filter": [],
        "format": "csv",
        "dialect": {},
        "compression": "none",
        "fileName": "contacts_$yyyyMMdd.csv",
        "schedule": None,
        "destination": {"kind": "download"},
        "recipients": [],
        "webhooks": [],
        "escapeFormulas": True,
        "includeDeleted": False,
        "split": None,
        "status": "DRAFT",
        "version": 1,
        "createdAt": "2026-03-01T12:00:00.000Z",
        "createdBy": "alice",
        "allowedActions": ["edit", "delete", "copy", "activate"],
        "jobId": None,
        "isRunning": False,
        "nextRunAt": None,
        "windowEnd": None,
        "lastRun": None,
        "owner": None,
        "message": None,
        "pausedAt": None,
    }
    assert api("GET", f"{path}/definition").status == 409
    edited = api("PUT", path, body=EXPORT | {"dialect": {"delimiter": ";"}, "fields": None}).json
    assert (edited["dialect"], edited["fields"]) == ({"delimiter": ";"}, None)

    active = api("POST", f"{path}/activate")
    assert (active.status, active.json["status"]) == (200, "IN_PROGRESS")
    assert active.json["allowedActions"] == ["definition"]
    assert api("POST", f"{path}/activate").status == 409
    definition = api("GET", f"{path}/definition").json
    assert definition["fields"] == ["contact_id", "email", "spend", "joined", "vip"]
    for method, action in [("PUT", ""), ("DELETE", ""), ("POST", "/copy")]:
        answer = api(method, path + action, body=EXPORT if method == "PUT" else {"name": "x"})
        assert (answer.status, answer.json["allowedActions"]) == (409, ["definition"]), (method, action)

    runs = api("GET", f"{path}/jobs").json["items"]
    assert [run["jobId"] for run in runs] == [active.json["jobId"]]
    assert (runs[0]["process"], runs[0]["fileName"]) == ("export", "contacts_20260301.csv")
    assert api("DELETE", "/entities/contacts", ADMIN).status == 409
    assert api("GET", f"/jobs/{runs[0]['jobId']}/download").status == 404

    job = api.services.jobs.begin(runs[0]["jobId"])
    key = f"jobs/{job.job_id}/export-1"
    job = api.services.jobs.set_once(job.job_id, extracted={"key": key, "rows": 2, "bytes": 9, "sha256": "0"})
    end_run(api.services, job, Status.COMPLETED, Counts(2, 2), has_download=True)
    done = api("GET", path).json
    assert (done["status"], done["allowedActions"]) == ("FINISHED", ["copy", "definition"])
    assert (done["lastRun"]["outcome"], done["lastRun"]["numberOfItems"]) == ("SUCCESS", 2)
    answer = api("GET", f"/jobs/{job.job_id}/download")
    assert (answer.status, f"{key}?" in answer.headers["Location"]) == (303, True)
    assert api("GET", f"/jobs/{job.job_id}/download", SALES).status == 403

    copied = api("POST", f"{path}/copy", body={"name": "Again"})
    assert (copied.status, copied.json["name"], copied.json["status"]) == (201, "Again", "DRAFT")
    assert copied.json["exportId"] != draft["exportId"]
    assert api("POST", f"{path}/copy", body={}).pointers == ["#/name"]
    assert api("DELETE", f"/exports/{copied.json['exportId']}").status == 204
    assert api("GET", f"/exports/{copied.json['exportId']}").status == 404


WRONG_EXPORTS: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "#/name"),
    ({"name": ""}, "#/name"),
    ({"entity": None}, "#/entity"),
    ({"entity": 1}, "#/entity"),
    ({"type": "SOMETIMES"}, "#/type"),
    ({"fields": []}, "#/fields"),
    ({"fields": ["email", "nobody"]}, "#/fields/1"),
    ({"fields": ["email", "email"]}, "#/fields/1"),
    ({"format": "pdf"}, "#/format"),
    ({"compression": "rar"}, "#/compression"),
    ({"dialect": {"delimiter": ""}}, "#/dialect/delimiter"),
    ({"dialect": {"delimiter": '"'}}, "#/dialect/quoteChar"),
    ({"dialect": {"lineTerminator": "\r"}}, "#/dialect/lineTerminator"),
    ({"dialect": {"header": 1}}, "#/dialect/header"),
    ({"dialect": {"commentChar": "#"}}, "#/dialect/commentChar"),
    ({"fileName": "../x.csv"}, "#/fileName"),
    ({"fileName": "x_$day.csv"}, "#/fileName"),
    ({"destination": {"kind": "pigeon"}}, "#/destination/kind"),
    ({"destination": {"kind": "download", "host": "x"}}, "#/destination/host"),
    ({"escapeFormulas": "no"}, "#/escapeFormulas"),
    ({"colour": "blue"}, "#/colour"),
    ({"filter": [{"field": "vip", "op": "eq", "value": "maybe"}]}, "#/filter/0/value"),
    ({"filter": [{"field": "vip", "op": "resembles", "value": True}]}, "#/filter/0/op"),
    ({"filter": [{"field": "nobody", "op": "eq", "value": 1}]}, "#/filter/0/field"),
    ({"schedule": {"at": "tomorrow"}}, "#/schedule/at"),
    ({"recipients": ["ops"]}, "#/recipients/0"),
    ({"includeDeleted": True}, "#/includeDeleted"),
    ({"format": "jsonl", "dialect": {"delimiter": ";"}}, "#/dialect/delimiter"),
    ({"format": "parquet", "dialect": {"header": False}}, "#/dialect/header"),
    ({"format": "parquet", "compression": "gzip"}, "#/compression"),
    ({"type": "PERIODIC_FULL", "schedule": DAILY}, "#/destination"),
    ({"type": "PERIODIC_FULL", "schedule": DAILY, "destination": {"kind": "download"}}, "#/destination/kind"),
    ({"type": "PERIODIC_FULL", "schedule": DAILY, "destination": {"kind": ["s3"]}}, "#/destination/kind"),
    ({"type": "PERIODIC_FULL", "destination": {"kind": "s3"}}, "#/schedule"),
    (PERIODIC | {"schedule": DAILY | {"timezone": "Mars/Olympus"}}, "#/schedule/timezone"),
    (PERIODIC | {"schedule": DAILY | {"time": "25:00"}}, "#/schedule/time"),
    (PERIODIC | {"schedule": DAILY | {"days": ["someday"]}}, "#/schedule/days"),
    (PERIODIC | {"includeDeleted": True}, "#/includeDeleted"),
    (PERIODIC | {"type": "INCREMENTAL", "includeDeleted": True, "fields": ["email"]}, "#/fields"),
    (PERIODIC | {"destination": {"kind": "s3", "bucket": "Not A Bucket"}}, "#/destination/bucket"),
    (PERIODIC | {"destination": {"kind": "s3", "bucket": "files-bucket"}}, "#/destination/bucket"),
    (PERIODIC | {"destination": {"kind": "s3", "prefix": "../x"}}, "#/destination/prefix"),
    (PERIODIC | {"destination": SFTP | {"host": "127.0.0.1"}}, "#/destination/host"),
    (PERIODIC | {"destination": SFTP | {"host": "169.254.169.254"}}, "#/destination/host"),
    (PERIODIC | {"destination": SFTP | {"hostKey": "trust me"}}, "#/destination/hostKey"),
    (PERIODIC | {"destination": SFTP | {"directory": "/in/../.."}}, "#/destination/directory"),
    (PERIODIC | {"destination": FTPS}, "#/destination/secretId"),
]


def test_keys_are_checked_when_they_are_saved_and_a_private_one_leaves_no_trace(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put_contacts()
    identity = pyrage.x25519.Identity.generate()

    def create(*keys: str, kind: str = "age") -> Any:
        destination = {"kind": "download", "encryption": {"kind": kind, "recipients": list(keys)}}
        return api("POST", "/exports", body=EXPORT | {"destination": destination})

    key = str(identity.to_public())
    made = create(key)
    assert (made.status, made.json["destination"]["encryption"]) == (201, {"kind": "age", "recipients": [key]})
    expired = (Path(__file__).parents[1] / "stored" / "openpgp" / "subkey-expires.asc").read_text()
    for refused in (create(key, str(identity)), create(key, expired, kind="openpgp"), create(*[key] * 1_000)):
        assert refused.status == 422 and refused.pointers[0].startswith("#/destination/encryption/recipients")
    assert create(key, str(identity)).json["errors"][0]["detail"].startswith("is a private key")
    tables = (api.services.settings.jobs_table, api.services.settings.catalog_table)
    stored = [api.services.dynamodb.call("Scan", {"TableName": table}) for table in tables]
    seen = json.dumps(stored) + capsys.readouterr().out + create(str(identity)).text
    assert key in seen and str(identity) not in seen


def test_wrong_export_names_the_member(api: Api) -> None:
    api.put_contacts()
    for change, pointer in WRONG_EXPORTS:
        answer = api("POST", "/exports", body=EXPORT | change)
        assert (answer.status, answer.pointers) == (422, [pointer])


def test_reports_need_a_sender(api: Api) -> None:
    api.put_contacts()
    body = EXPORT | {"recipients": ["ops@example.com"]}
    assert api("POST", "/exports", body=body).status == 201
    api.services = Services(replace(api.services.settings, mail_sender=""), api.services.clock)
    assert api("POST", "/exports", body=body).pointers == ["#/recipients"]


def test_a_periodic_export_is_scheduled_run_and_unscheduled(api: Api) -> None:
    api.put_contacts()
    body = EXPORT | PERIODIC | {"type": "INCREMENTAL"}
    path = f"/exports/{api('POST', '/exports', body=body).json['exportId']}"
    preview = api("GET", f"{path}/preview-schedule").json["items"]
    assert preview == [f"2026-03-0{day}T01:30:00.000Z" for day in range(2, 7)]
    body = {"type": PERIODIC["type"], "schedule": PERIODIC["schedule"]}
    assert api("POST", "/exports/preview-schedule", BOB, body=body).json["items"] == preview
    assert api("POST", "/exports/preview-schedule", body={"schedule": None}).json["items"] == []
    answer = api("POST", "/exports/preview-schedule", body={"type": "INCREMENTAL", "schedule": {"time": "25:00"}})
    assert (answer.status, answer.pointers) == (422, ["#/schedule/time", "#/schedule/timezone"])
    answer = api("POST", "/exports/preview-schedule", body={"type": "NEVER", "when": 1})
    assert (answer.status, sorted(answer.pointers)) == (422, ["#/type", "#/when"])
    assert api("POST", f"{path}/run", body={}).status == 409
    active = api("POST", f"{path}/activate").json
    assert (active["status"], active["nextRunAt"], active["jobId"]) == ("SCHEDULED", preview[0], None)
    assert active["allowedActions"] == ["unschedule", "run", "copy", "definition"]
    for method, action in [("PUT", ""), ("DELETE", ""), ("POST", "/activate")]:
        assert api(method, path + action, body=body if method == "PUT" else None).status == 409
    run = api("POST", f"{path}/run")
    assert (run.status, run.json["status"], run.headers["Location"]) == (
        202,
        "WAITING",
        f"/v1/jobs/{run.json['jobId']}",
    )
    again = api("POST", f"{path}/run")
    assert (again.status, again.json["allowedActions"]) == (409, ["unschedule", "copy", "definition"])
    assert [job["jobId"] for job in api("GET", f"{path}/jobs").json["items"]] == [run.json["jobId"]]
    draft = api("POST", f"{path}/unschedule").json
    assert (draft["status"], draft["nextRunAt"], draft["isRunning"]) == ("DRAFT", None, True)
    assert api("DELETE", path).status == 409  # its run has not ended
    job = api.services.jobs.begin(run.json["jobId"])
    fail_run(api.services, job, "delivery-failed", "timeout: nobody answered")
    assert api("GET", f"/jobs/{job.job_id}/download").status == 409
    report = api("GET", f"/jobs/{job.job_id}/report").json
    assert (report["error"]["code"], report["relaunchable"]) == ("delivery-failed", True)
    assert report["definition"]["destination"] == {"kind": "s3"}
    child = api("POST", f"/jobs/{job.job_id}/relaunch")
    assert (child.status, child.json["retryOf"], child.json["exportId"]) == (202, job.job_id, active["exportId"])
    assert len(api("GET", f"{path}/jobs").json["items"]) == 2
    finished_ones = api("GET", "/exports", query={"status": "FINISHED"}).json["items"]
    assert [item["lastRun"]["jobId"] for item in finished_ones] == [job.job_id]


def test_an_incremental_export_runs_for_a_past_period(api: Api) -> None:
    api.put_contacts()
    path = f"/exports/{api('POST', '/exports', body=EXPORT | PERIODIC | {'type': 'INCREMENTAL'}).json['exportId']}"
    export = api("POST", f"{path}/activate").json
    assert (export["status"], export["pausedAt"]) == ("SCHEDULED", None)
    past, later = "2026-01-01T00:00:00.000Z", "2026-01-08T01:00:00+01:00"
    for body, where in [
        ({"windowFrom": past}, "windowTo"),
        ({"windowFrom": later, "windowTo": past}, "windowTo"),
        ({"windowFrom": past, "windowTo": past}, "windowTo"),
        ({"windowTo": "2126-01-01T00:00:00Z"}, "windowTo"),
        ({"windowTo": "2026-01-08"}, "windowTo"),
        ({"windowTo": 1}, "windowTo"),
        ({"windowFrom": "soon", "windowTo": later}, "windowFrom"),
        ({"windowTo": later, "window": 1}, "window"),
    ]:
        refused = api("POST", f"{path}/run", body=body)
        assert (refused.status, [error["pointer"] for error in refused.json["errors"]]) == (422, [f"#/{where}"])
    run = api("POST", f"{path}/run", body={"windowFrom": past, "windowTo": later})
    assert run.status == 202
    assert (run.json["windowFrom"], run.json["windowTo"]) == (past, "2026-01-08T00:00:00.000Z")
    assert run.json["fileName"].endswith("20260108.csv")
    assert api("POST", f"{path}/run", body={"windowTo": later}).status == 409

    full = api("POST", "/exports", body=EXPORT | PERIODIC | {"type": "PERIODIC_FULL"}).json["exportId"]
    assert api("POST", f"/exports/{full}/activate").status == 200
    assert api("POST", f"/exports/{full}/run", body={"windowTo": later}).status == 422
    assert api("POST", f"/exports/{full}/run").status == 202


def test_edits_of_what_is_exported_begin_anew_and_others_do_not(api: Api) -> None:
    api.put_contacts()
    body = EXPORT | PERIODIC | {"type": "INCREMENTAL"}
    path = f"/exports/{api('POST', '/exports', body=body).json['exportId']}"
    export = api.services.exports.get(path.rpartition("/")[2])
    for change, is_anew in [
        ({"name": "Other"}, False),
        ({"format": "jsonl"}, False),
        ({"fields": ["contact_id"]}, True),
        ({"fields": ["contact_id"], "filter": [{"field": "vip", "op": "empty"}]}, True),
        ({"fields": ["contact_id"], "filter": [{"field": "vip", "op": "empty"}], "includeDeleted": True}, True),
    ]:
        edited = api("PUT", path, body=body | change)
        assert edited.status == 200, edited.text
        before, export = export, api.services.exports.get(export.export_id)
        assert (export.series != before.series, export.version) == (is_anew, before.version + 1), change


def test_custom_flows_belong_to_the_back_office(api: Api) -> None:
    api.put_contacts()
    body = EXPORT | PERIODIC
    office = {"name": "carol", "groups": ("backoffice", "ops")}
    for kind in ("CUSTOM", "INCREMENTAL_CUSTOM"):
        assert api("POST", "/exports", body=body | {"type": kind}).status == 403
    custom, incremental = (
        f"/exports/{api('POST', '/exports', office, body=body | {'type': kind}).json['exportId']}"
        for kind in ("CUSTOM", "INCREMENTAL_CUSTOM")
    )
    for path in (custom, incremental):
        assert api("POST", f"{path}/activate").status == 403
        assert api("POST", f"{path}/activate", office).json["status"] == "SCHEDULED"
        for action in ("run", "activate"):
            assert api("POST", f"{path}/{action}").status == 403
    seen = api("GET", custom).json
    assert (seen["type"], seen["status"], seen["allowedActions"]) == ("CUSTOM", "SCHEDULED", [])
    assert not {"fields", "destination", "recipients", "filter"} & set(seen)
    assert api("GET", f"{custom}/definition").status == 403
    assert api("POST", f"{custom}/copy", body={"name": "Mine"}).status == 403
    assert api("POST", f"{custom}/unschedule").status == 403
    assert api("GET", f"{custom}/definition", office).status == 200

    assert api("GET", f"{incremental}/definition").json["destination"] == {"kind": "s3"}
    copied = api("POST", f"{incremental}/copy", body={"name": "Mine"}).json
    assert (copied["type"], copied["status"]) == ("INCREMENTAL", "DRAFT")
    refused = api("POST", f"{incremental}/unschedule")
    assert (refused.status, refused.pointers) == (422, ["#/confirm"])
    turned = api("POST", f"{incremental}/unschedule", body={"confirm": True}).json
    assert (turned["type"], turned["status"]) == ("INCREMENTAL", "DRAFT")
    assert api("PUT", incremental, body=body | {"type": "INCREMENTAL"}).status == 200


def test_reports_and_relaunches_of_custom_flows_belong_to_the_back_office(api: Api) -> None:
    api.put_contacts()
    office = {"name": "carol", "groups": ("backoffice", "ops")}
    jobs = {}
    for kind, who in [("INCREMENTAL", ALICE), ("CUSTOM", office)]:
        made = api("POST", "/exports", who, body=EXPORT | PERIODIC | {"type": kind})
        path = f"/exports/{made.json['exportId']}"
        api("POST", f"{path}/activate", who)
        job = api.services.jobs.begin(api("POST", f"{path}/run", who).json["jobId"])
        fail_run(api.services, job, "delivery-failed", "timeout: nobody answered")
        jobs[kind] = job.job_id
    assert "definition" in api("GET", f"/jobs/{jobs['INCREMENTAL']}/report").json
    assert "definition" not in api("GET", f"/jobs/{jobs['CUSTOM']}/report").json, "the back office's own"
    assert "definition" in api("GET", f"/jobs/{jobs['CUSTOM']}/report", office).json
    assert api("POST", f"/jobs/{jobs['CUSTOM']}/relaunch").status == 403
    assert api("POST", f"/jobs/{jobs['CUSTOM']}/relaunch", office).status == 202
    api.put_contacts(permissions={"view": ["sales"]})
    assert api("GET", f"/jobs/{jobs['INCREMENTAL']}").status == 200  # alice's own
    assert api("POST", f"/jobs/{jobs['INCREMENTAL']}/relaunch").status == 403
    api.put_contacts()
    assert api("POST", f"/jobs/{jobs['INCREMENTAL']}/relaunch").status == 202


def test_a_run_is_not_repeated_when_its_export_has_moved_to_another_entity(api: Api) -> None:
    """Whoever may export the other entity would have the rows of this one sent to a destination of theirs."""
    api.put_contacts()
    api.put_contacts("orders", permissions={"view": ["sales"], "export": ["ops"]})
    path = f"/exports/{api('POST', '/exports', body=EXPORT | PERIODIC).json['exportId']}"
    assert api("POST", f"{path}/activate").status == 200
    job = api.services.jobs.begin(api("POST", f"{path}/run").json["jobId"])
    fail_run(api.services, job, "delivery-failed", "timeout: nobody answered")
    assert api("GET", f"/jobs/{job.job_id}/report").json["relaunchable"]
    assert api("POST", f"{path}/unschedule").status == 200
    moved = EXPORT | PERIODIC | {"entity": "orders", "destination": {"kind": "s3", "prefix": "mine"}}
    assert api("PUT", path, body=moved).status == 200
    assert api("GET", f"/jobs/{job.job_id}/report").json["relaunchable"] is False
    refused = api("POST", f"/jobs/{job.job_id}/relaunch")
    assert refused.status == 409 and "of another entity now" in refused.json["detail"]
    assert api.services.exports.get(path.rpartition("/")[2]).running is None
    assert api("PUT", path, body=EXPORT | PERIODIC).status == 200  # back again
    assert api("POST", f"/jobs/{job.job_id}/relaunch").status == 202


def test_a_run_that_is_repeated_while_its_export_moves_keeps_its_destination(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put_contacts()
    api.put_contacts("orders", permissions={"view": ["sales"], "export": ["ops"]})
    path = f"/exports/{api('POST', '/exports', body=EXPORT | PERIODIC).json['exportId']}"
    assert api("POST", f"{path}/activate").status == 200
    job = api.services.jobs.begin(api("POST", f"{path}/run").json["jobId"])
    fail_run(api.services, job, "delivery-failed", "timeout: nobody answered")
    assert api("POST", f"{path}/unschedule").status == 200
    moved = EXPORT | PERIODIC | {"entity": "orders", "destination": {"kind": "s3", "prefix": "mine"}}
    claim = api.services.exports.claim

    def somebody_first(*given: Any) -> Any:
        assert api("PUT", path, body=moved).status == 200
        return claim(*given)

    monkeypatch.setattr(api.services.exports, "claim", somebody_first)
    child = api("POST", f"/jobs/{job.job_id}/relaunch").json
    definition = api.services.jobs.definition(child["jobId"])["export"]
    assert (definition["entity"], definition["destination"]) == ("contacts", {"kind": "s3"})


def test_finished_exports_and_drafts_are_deleted_together(api: Api) -> None:
    api.put_contacts()
    api.put_contacts("secret", permissions={})
    ids = [api("POST", "/exports", body=EXPORT).json["exportId"] for _ in range(3)]
    draft, finished, running = ids
    scheduled = api("POST", "/exports", body=EXPORT | PERIODIC).json["exportId"]
    hidden = api("POST", "/exports", ADMIN, body={"name": "x", "entity": "secret"}).json["exportId"]
    for export_id in (finished, running, scheduled):
        assert api("POST", f"/exports/{export_id}/activate").status == 200
    job = api.services.jobs.begin(api("GET", f"/exports/{finished}").json["jobId"])
    end_run(api.services, job, Status.COMPLETED, Counts(2, 2), has_download=True)
    refused = api("DELETE", f"/exports/{finished}")  # the contract: drafts only
    assert refused.status == 409
    assert "is finished: POST /v1/exports/delete deletes finished exports." in refused.json["detail"]
    answer = api("POST", "/exports/delete", body={"exportIds": [*ids, scheduled, hidden, "nobody", draft]})
    assert answer.status == 200
    assert answer.json["deleted"] == [draft, finished]
    assert [(one["exportId"], one["status"]) for one in answer.json["failed"]] == [
        (running, 409),
        (scheduled, 409),
        (hidden, 404),
        ("nobody", 404),
    ]
    run, named = api("GET", f"/exports/{running}").json["jobId"], f'The export "{EXPORT["name"]}"'
    assert [one["detail"] for one in answer.json["failed"][:2]] == [
        f"{named} ({running}) is running, as job {run}: wait for its end, or stop it.",
        f"{named} ({scheduled}) is scheduled: unschedule it first.",
    ]
    assert api("GET", f"/exports/{finished}").status == 404
    kept = api("GET", f"/jobs/{job.job_id}").json
    assert (kept["status"], kept["allowedActions"]) == ("COMPLETED", ["delete"])
    assert api("POST", "/exports/delete", body={"exportIds": []}).pointers == ["#/exportIds"]


def test_only_the_back_office_deletes_its_flows(api: Api) -> None:
    api.put_contacts()
    office = {"name": "olga", "groups": ("backoffice", "ops")}
    flow = api("POST", "/exports", office, body=EXPORT | PERIODIC | {"type": "CUSTOM"}).json["exportId"]
    (failed,) = api("POST", "/exports/delete", body={"exportIds": [flow]}).json["failed"]
    assert failed["status"] == 403
    assert api("POST", "/exports/delete", office, body={"exportIds": [flow]}).json["deleted"] == [flow]


def test_who_sees_which_export(api: Api) -> None:
    api.put_contacts()
    assert api("POST", "/exports", SALES, body=EXPORT).status == 403
    assert api("POST", "/exports", BOB, body=EXPORT).status == 404
    export_id = api("POST", "/exports", OPS, body=EXPORT).json["exportId"]
    for who, sees in [(OPS, True), (ALICE, True), (ADMIN, True), (SALES, False), (BOB, False)]:
        assert api("GET", f"/exports/{export_id}", who).status == (200 if sees else 404)
        assert len(api("GET", "/exports", who).json["items"]) == sees


def test_exports_newest_first_with_filters(api: Api) -> None:
    api.put_contacts()
    api.put_contacts("orders", database="shop", dataType="interaction")
    ids = []
    for name, entity in [("One", "contacts"), ("Two", "orders"), ("Three", "contacts")]:
        api.later(seconds=1)
        ids.append(api("POST", "/exports", body={"name": name, "entity": entity}).json["exportId"])
    assert [item["exportId"] for item in api("GET", "/exports").json["items"]] == ids[::-1]
    first = api("GET", "/exports", query={"limit": "2"}).json
    second = api("GET", "/exports", query={"limit": "2", "nextToken": first["nextToken"]}).json
    assert [item["exportId"] for item in first["items"] + second["items"]] == ids[::-1]
    for query, expected in [
        ({"q": "two"}, {"Two"}),
        ({"database": "shop"}, {"Two"}),
        ({"dataType": "profile"}, {"One", "Three"}),
        ({"type": "ONE_SHOT"}, {"One", "Two", "Three"}),
        ({"type": "CUSTOM"}, set()),
        ({"status": "FINISHED"}, set()),
        ({"status": "DRAFT,FINISHED"}, {"One", "Two", "Three"}),
    ]:
        assert {item["name"] for item in api("GET", "/exports", query=query).json["items"]} == expected, query
    assert api("GET", "/exports", query={"dataType": "nonsense"}).status == 400
