"""Sources over the HTTP API, from draft to the files that they have seen."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests import importing
from tests.api_builders import ADMIN, ALICE, BOB, CONTACTS, OPS, SALES, SOURCE, Api
from waybill.sources.fetch import fetch

SFTP = {
    "kind": "sftp",
    "host": "sftp.example.com",
    "directory": "/out",
    "secretId": "partner",
    "hostKey": "SHA256:" + 43 * "A",
}


def created(api: Api, **members: Any) -> dict[str, Any]:
    answer = api("POST", "/sources", body=SOURCE | members)
    assert answer.status == 201, answer.text
    source: dict[str, Any] = answer.json
    api.later(seconds=1)
    return source


def test_a_source_from_draft_to_the_files_that_it_has_seen(api: Api, s3: Any, clock: Any) -> None:
    api.put_contacts()
    answer = api("POST", "/sources", body=SOURCE)
    draft, path = answer.json, f"/sources/{answer.json['sourceId']}"
    assert (answer.status, answer.headers["Location"]) == (201, f"/v1{path}")
    assert draft == {
        **SOURCE,
        "sourceId": draft["sourceId"],
        "pattern": "*",
        "after": "leave",
        "moveTo": None,
        "order": "name",
        "options": {},
        "recipients": [],
        "webhooks": [],
        "status": "DRAFT",
        "version": 1,
        "createdAt": "2026-03-01T12:00:00.000Z",
        "createdBy": "alice",
        "owner": None,
        "allowedActions": ["edit", "delete", "activate"],
        "isRunning": False,
        "nextRunAt": None,
        "lastRun": None,
        "unreachable": None,
        "message": None,
        "pausedAt": None,
    }
    edited = api("PUT", path, body=SOURCE | {"options": {"mode": "merge", "blanks": "keep"}, "pattern": "a*.csv"})
    assert (edited.status, edited.json["version"]) == (200, 2)
    assert api("POST", f"{path}/run").status == 409
    active = api("POST", f"{path}/activate")
    assert (active.json["status"], active.json["owner"]) == ("SCHEDULED", "alice")
    assert active.json["nextRunAt"] == "2026-03-01T13:00:00.000Z"
    for method, action in (("PUT", ""), ("DELETE", ""), ("POST", "/activate")):
        refused = api(method, f"{path}{action}", body=SOURCE if method == "PUT" else None)
        assert (refused.status, refused.json["allowedActions"]) == (409, ["unschedule", "run"]), action
        assert refused.json["detail"].startswith(f'The source "{SOURCE["name"]}" ({draft["sourceId"]}) is scheduled: ')
    assert api("DELETE", "/entities/contacts", ADMIN).status == 409

    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=b"contact_id,email\nc1,c1@example.com\n")
    entries = api("GET", "/audit", ADMIN, query={"limit": "100"}).json["items"]
    done = {entry["action"] for entry in entries if entry["sourceId"] == draft["sourceId"]}
    assert done == {"createSource", "putSource", "activateSource"}
    clock.moment = clock.moment.replace(year=2099)
    started = api("POST", f"{path}/run", headers={"idempotency-key": "once"})
    assert (started.status, started.json["isRunning"]) == (200, True)
    assert api("POST", f"{path}/run", headers={"idempotency-key": "once"}).json == started.json
    assert api("POST", f"{path}/run").status == 409
    run = api.services.sources.get(draft["sourceId"]).running
    assert run is not None
    assert fetch(api.services, run.run_id, lambda: 900.0) == "done"

    source = api("GET", path).json
    assert (source["isRunning"], source["lastRun"]["taken"], source["lastRun"]["startedBy"]) == (False, 1, "alice")
    [file] = api("GET", f"{path}/files").json["items"]
    job = api("GET", f"/jobs/{file['jobId']}").json
    assert (file["name"], file["status"], job["sourceId"]) == ("a.csv", None, draft["sourceId"])
    assert (job["startedBy"], job["mode"], job["blanks"]) == ("source:Partner contacts", "merge", "keep")
    importing.run(api.services, api.services.jobs.get(file["jobId"]))
    [file] = api("GET", f"{path}/files").json["items"]
    assert (file["status"], file["outcome"], file["imported"]) == ("COMPLETED", "SUCCESS", 1)
    entries = api("GET", "/audit", ADMIN, query={"limit": "100"}).json["items"]
    assert sorted(entry["action"] for entry in entries) == ["fetchFile", "runSource"]

    assert api("POST", f"{path}/unschedule").json["status"] == "DRAFT"
    assert api("DELETE", path).status == 204
    assert api("GET", path).status == 404


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "#/name"),
    ({"location": None}, "#/location"),
    ({"location": {"kind": "download"}}, "#/location/kind"),
    ({"location": {"kind": "s3", "bucket": "files-bucket"}}, "#/location/bucket"),
    ({"location": {"kind": "s3", "prefix": "../x"}}, "#/location/prefix"),
    ({"location": SFTP | {"host": "169.254.169.254"}}, "#/location/host"),
    ({"location": SFTP | {"directory": "/out/../etc"}}, "#/location/directory"),
    ({"location": SFTP | {"hostKey": None}}, "#/location/hostKey"),
    ({"pattern": "in/*.csv"}, "#/pattern"),
    ({"pattern": "in\\*.csv"}, "#/pattern"),
    ({"pattern": ""}, "#/pattern"),
    ({"schedule": None}, "#/schedule"),
    ({"schedule": {"at": "2099-01-01T00:00:00Z"}}, "#/schedule/at"),
    ({"schedule": {"every": "PT7M", "timezone": "UTC"}}, "#/schedule/every"),
    ({"after": "burn"}, "#/after"),
    ({"after": "move"}, "#/moveTo"),
    ({"after": "move", "moveTo": "out/"}, "#/moveTo"),
    ({"after": "move", "moveTo": "../done"}, "#/moveTo"),
    *(
        ({"location": SFTP | {"directory": "/out/a"}, "after": "move", "moveTo": to}, "#/moveTo")
        for to in ("/out/a/.", "/out//a", "/out/./a/", ".", "./")
    ),
    ({"moveTo": "done"}, "#/moveTo"),
    ({"order": "size"}, "#/order"),
    ({"options": {"mode": "sometimes"}}, "#/options/mode"),
    ({"options": {"mode": "upsert", "blanks": "keep"}}, "#/options/blanks"),
    ({"options": {"onError": "weep"}}, "#/options/onError"),
    ({"options": {"maxErrors": 0}}, "#/options/maxErrors"),
    ({"options": {"dryRun": True}}, "#/options/dryRun"),
    ({"options": {"dryRun": False}}, "#/options/dryRun"),
    ({"options": {"keepPrevious": 1}}, "#/options/keepPrevious"),
    ({"options": {"columns": {"E-mail": "nobody"}}}, "#/options/columns/E-mail"),
    ({"options": {"dialect": {"delimiter": ""}}}, "#/options/dialect/delimiter"),
    ({"options": {"colour": "blue"}}, "#/options/colour"),
    ({"recipients": ["ops"]}, "#/recipients/0"),
    ({"colour": "blue"}, "#/colour"),
]


@pytest.mark.parametrize(("members", "pointer"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_named(api: Api, members: dict[str, Any], pointer: str) -> None:
    if api.services.entities.find("contacts") is None:
        api.put_contacts()
    answer = api("POST", "/sources", body=SOURCE | members)
    assert (answer.status, pointer in answer.pointers) == (422, True), answer.text


def test_a_secret_that_is_not_for_this_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    asked: list[dict[str, Any]] = []

    def ask(name: str, event: dict[str, Any]) -> dict[str, Any]:
        asked.append(event)
        return {"ok": False, "code": "secret", "detail": "There is no such secret."}

    monkeypatch.setattr(api.services.functions, "ask", ask)
    answer = api("POST", "/sources", body=SOURCE | {"location": SFTP})
    assert (answer.status, answer.pointers) == (422, ["#/location/secretId"])
    assert asked == [{"destination": SFTP, "only": "secret", "entity": "contacts", "startedBy": "alice"}]
    location = {"kind": "s3", "decryption": {"kind": "age", "secretId": "waybill/key"}}
    answer = api("POST", "/sources", body=SOURCE | {"location": location})
    assert (answer.status, answer.pointers) == (422, ["#/location/decryption/secretId"])
    assert (asked[1]["destination"], asked[1]["only"]) == (location, "decryption")


def test_a_test_lists_what_would_be_fetched(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    listed = {"name": "a.csv", "sizeBytes": 3, "modified": "2026-01-31T09:30:00.000Z"}
    result = {"ok": True, "code": None, "detail": "It can be read.", "files": [listed]}
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(api.services.functions, "ask", lambda name, event: asked.append(event) or result)
    body = {"entity": "contacts", "location": {"kind": "s3"}, "pattern": "*.csv", "order": "modified"}
    answer = api("POST", "/sources/test", body=body)
    assert (answer.status, answer.json) == (200, result)
    assert asked[0]["listing"] == {"pattern": "*.csv", "order": "modified"}
    for _ in range(19):
        api("POST", "/sources/test", body=body)
    assert api("POST", "/sources/test", body=body).status == 429


def test_sources_of_entities_that_one_may_not_import_into_do_not_exist(api: Api) -> None:
    api.put_contacts(permissions={"view": ["sales"], "import": ["ops"], "export": ["ops", "sales"]})
    source = created(api)
    path = f"/sources/{source['sourceId']}"
    for who in (SALES, BOB):
        assert api("GET", "/sources", who).json["items"] == []
        assert [api("GET", where, who).status for where in (path, f"{path}/files")] == [404, 404]
        assert api("POST", f"{path}/activate", who).status == 404
    assert api("POST", "/sources", SALES, body=SOURCE).status == 403
    assert [item["sourceId"] for item in api("GET", "/sources", ALICE).json["items"]] == [source["sourceId"]]


def test_the_list_is_filtered_and_paged(api: Api) -> None:
    api.put_contacts()
    api.put_contacts("orders", schema=CONTACTS["schema"])
    ids = [created(api, name=f"Source {number}")["sourceId"] for number in range(3)]
    created(api, entity="orders", name="Orders")
    api("POST", f"/sources/{ids[0]}/activate")

    def names(**query: str) -> list[str]:
        return [item["name"] for item in api("GET", "/sources", query=query).json["items"]]

    assert names(entity="orders") == ["Orders"]
    assert names(status="SCHEDULED") == ["Source 0"]
    assert names(q="source") == ["Source 2", "Source 1", "Source 0"]
    page = api("GET", "/sources", query={"limit": "2"}).json
    rest = api("GET", "/sources", query={"limit": "2", "nextToken": page["nextToken"]}).json
    assert [item["name"] for item in page["items"] + rest["items"]] == ["Orders", "Source 2", "Source 1", "Source 0"]
    assert api("GET", "/sources", query={"status": "LOST"}).status == 400


def token_of(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


POSITION = "2026-03-01T12:00:00.000Z#" + 40 * "a"


@pytest.mark.parametrize(
    "position",
    ["a" * 3000, "\0", "é", POSITION + "\n", POSITION[:-1], POSITION.upper(), POSITION.replace("1", "\u0661")],
    ids=repr,
)
def test_a_token_of_files_that_was_not_issued_is_refused(api: Api, position: str) -> None:
    api.put_contacts()
    path = f"/sources/{created(api)['sourceId']}/files"
    assert api("GET", path, query={"nextToken": token_of(POSITION)}).json == {"items": [], "nextToken": None}
    answer = api("GET", path, query={"nextToken": token_of(position)})
    assert (answer.status, "nextToken" in answer.json["detail"]) == (400, True), answer.text


def test_files_are_listed_page_by_page(api: Api, s3: Any, clock: Any) -> None:
    api.put_contacts()
    path = f"/sources/{created(api)['sourceId']}"
    api("POST", f"{path}/activate")
    for name in "abc":
        s3.put_object(Bucket="transfer-bucket", Key=f"out/{name}.csv", Body=b"contact_id,email\n")
    clock.moment = clock.moment.replace(year=2099)
    api("POST", f"{path}/run")
    running = api.services.sources.get(path.rpartition("/")[2]).running
    assert running is not None
    fetch(api.services, running.run_id, lambda: 900.0)
    names, query = [], {"limit": "2"}
    while True:
        page = api("GET", f"{path}/files", query=query).json
        names.append(sorted(file["name"] for file in page["items"]))
        if page["nextToken"] is None:
            break
        query["nextToken"] = page["nextToken"]
    assert [len(some) for some in names] == [2, 1]
    assert sorted(name for some in names for name in some) == ["a.csv", "b.csv", "c.csv"]


def test_who_may_import_only_does_not_see_the_jobs_of_files(api: Api, s3: Any, clock: Any) -> None:
    api.put_contacts(permissions={"view": ["sales"], "import": ["ops", "sales"], "export": []})
    path = f"/sources/{created(api)['sourceId']}"
    api("POST", f"{path}/activate")
    s3.put_object(Bucket="transfer-bucket", Key="out/a.csv", Body=b"nobody,knows\n1,2\n")
    clock.moment = clock.moment.replace(year=2099)
    api("POST", f"{path}/run")
    running = api.services.sources.get(path.rpartition("/")[2]).running
    assert running is not None
    fetch(api.services, running.run_id, lambda: 900.0)
    [job] = importing.all_jobs(api.services)
    importing.run(api.services, job)

    def shown(who: dict[str, Any]) -> tuple[Any, ...]:
        [file] = api("GET", f"{path}/files", who).json["items"]
        assert (file["name"], file["status"], file["errorCode"]) == ("a.csv", "FAILED", "missing-label")
        return file["jobId"], bool(file["errorMessage"]), api("GET", f"/jobs/{job.job_id}", who).status

    assert shown(OPS) == (None, False, 404)
    assert shown(SALES) == shown(ADMIN) == (job.job_id, True, 200)


def test_if_match_on_sources(api: Api) -> None:
    api.put_contacts()
    answer = api("POST", "/sources", body=SOURCE)
    path, old = f"/sources/{answer.json['sourceId']}", {"headers": {"if-match": answer.headers["ETag"]}}
    assert api("PUT", path, body=SOURCE | {"name": "Mine"}, **old).status == 200
    assert api("PUT", path, body=SOURCE, **old).status == 412
    assert api("DELETE", path, **old).status == 412
    assert api("DELETE", path, headers={"if-match": api("GET", path).headers["ETag"]}).status == 204
