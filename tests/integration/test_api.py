"""The HTTP API over real services: what each route answers, and what it refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api_builders import AUDIENCE, NOW, Issuer, http_event, load_function, make_job
from tests.builders import CONTACTS_SCHEMA, ROOT, Clock
from tests.described import check_answer
from waybill.aws.dynamodb import to_attributes
from waybill.bootstrap import Services
from waybill.entities.model import Entity
from waybill.exports.run import end_run, fail_run
from waybill.jobs.model import Counts, Job, Process, Retention, Status, finished

CONTACTS = {
    "title": "Contacts",
    "database": "crm",
    "schema": CONTACTS_SCHEMA,
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops"]},
}
ADMIN, ALICE, BOB, SALES, OPS = (
    {"name": "admin", "groups": ("admin",)},
    {"name": "alice", "groups": ("ops", "sales")},
    {"name": "bob", "groups": ()},
    {"name": "sally", "groups": ("sales",)},
    {"name": "oscar", "groups": ("ops",)},
)
# fmt: off
JOB_MEMBERS = {
    "jobId", "process", "status", "outcome", "entity", "fileName", "submittedAt", "startedAt", "completedAt",
    "durationSeconds", "startedBy", "counts", "numberOfItems", "message", "error", "allowedActions", "mode",
    "dryRun", "onError", "detected", "rowsPerSecond", "remainingSeconds", "queuePosition", "stopReason",
    "duplicateOf", "exportId", "windowFrom", "windowTo", "retryOf", "expiresAt", "filesExpireAt", "links",
    "heartbeatAt",
}
# fmt: on


class Answer:
    def __init__(self, raw: dict[str, Any]) -> None:
        self.status: int = raw["statusCode"]
        self.headers: dict[str, str] = raw["headers"]
        self.text: str = raw["body"]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def pointers(self) -> list[str]:
        assert self.headers["Content-Type"] == "application/problem+json"
        return [error["pointer"] for error in self.json["errors"]]


class Api:
    """The API function with its services, and a clock that tests can turn."""

    def __init__(self, services: Services, issuer: Issuer, module: Any) -> None:
        self.services = services
        self.issuer = issuer
        self.module = module

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    @property
    def retention(self) -> Retention:
        return self.services.jobs.retention

    def later(self, **delta: float) -> None:
        self.services.clock.forward(**delta)  # type: ignore[attr-defined]

    def __call__(self, method: str, path: str, who: dict[str, Any] | None = ALICE, **request: Any) -> Answer:
        token = None if who is None else self.issuer.token(**who)
        answer = Answer(self.module.handler(http_event(method, f"/v1{path}", token=token, **request), None))
        check_answer(method, f"/v1{path}", answer.status, answer.headers, answer.text)
        return answer

    def put_contacts(self, name: str = "contacts", **changes: Any) -> Entity:
        answer = self("PUT", f"/entities/{name}", ADMIN, body=CONTACTS | changes)
        assert answer.status in (200, 201), answer.text
        return self.services.entities.get(name)

    def add_job(self, **changes: Any) -> Job:
        """A job of the entity `contacts` in the table, as the operations would have left it."""
        entity = self.services.entities.find(changes.get("entity", "contacts"))
        job = make_job(**({"entity_uid": entity.uid if entity else "", "submitted_at": self.now} | changes))
        self.services.jobs.register(job, {})
        return job

    def add_finished(self, counts: Counts | None = None, **changes: Any) -> Job:
        """A completed job with all its files."""
        running = self.add_job(status=Status.IN_PROGRESS, started_at=self.now, **changes)
        counts = counts or Counts(3, 2, 1)
        ended = finished(
            running, Status.COMPLETED, counts, self.now + timedelta(seconds=2), self.services.jobs.retention
        )
        ended = replace(ended, has_error_log=True, has_rejects=True)
        return self.services.jobs.finish(ended, Status.IN_PROGRESS)

    def upload(self, who: dict[str, Any] = ALICE, data: bytes | None = b"contact_id\n1\n") -> str:
        """An upload whose file was sent, unless `data` is None."""
        answer = self("POST", "/uploads", who, body={"entity": "contacts", "fileName": "contacts.csv"})
        assert answer.status == 201, answer.text
        upload_id: str = answer.json["uploadId"]
        if data is not None:
            self.services.files.put(self.services.settings.files_bucket, f"uploads/{upload_id}/source", data)
        return upload_id


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().serving() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def function() -> Any:
    return load_function("api")


@pytest.fixture(scope="module")
def verifiers() -> dict[str, Any]:
    return {}


@pytest.fixture
def api(
    services: Services,
    clock: Clock,
    issuer: Issuer,
    function: Any,
    verifiers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Api]:
    clock.moment = NOW
    settings = replace(
        services.settings,
        oidc_issuer=issuer.url,
        allowed_forwarded_hosts="api.example.com",
        target_tables="mine",
        mail_sender="waybill@example.com",
    )
    api = Api(Services(settings, clock), issuer, function)
    tokens = load_function("api", "tokens")
    verifier = verifiers.setdefault(issuer.url, tokens.TokenVerifier.from_settings(settings))
    monkeypatch.setattr(function, "services", lambda: api.services)
    monkeypatch.setattr(function, "verifier", lambda: verifier)
    yield api
    api.services.dynamodb.close()


# The frame: routes, methods, bodies


def test_public_routes_need_no_token(api: Api) -> None:
    assert api("GET", "/health", None).json == {"status": "ok"}
    settings = api.services.settings
    assert api("GET", "/auth-config", None).json == {
        "issuer": settings.oidc_issuer,
        "clientId": AUDIENCE,
        "region": "us-east-1",
        "endpoint": settings.aws_endpoint_url,
    }


def test_every_other_route_does(api: Api) -> None:
    routes = [route for route in api.module.ROUTES if not route.public]
    assert len(routes) > 30
    for route in routes:
        path = route.path.removeprefix("/v1").replace("<name>", "contacts")
        while "<" in path:
            path = path[: path.index("<")] + str(uuid.uuid4()) + path[path.index(">") + 1 :]
        answer = api(route.method, path, None, body={})
        assert answer.status == 401, route.path
        assert answer.json["type"] == "urn:waybill:problem:unauthorized"


def test_unknown_routes_and_methods(api: Api) -> None:
    answer = api("GET", "/nothing")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert set(answer.json) == {"type", "title", "status", "detail", "instance"}
    assert answer.json["instance"] == "/v1/nothing"
    answer = api("PATCH", "/entities/contacts")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")
    assert api("GET", "/entities/\N{GRINNING FACE}").status == 404
    assert (api("GET", "/jobs/delete").status, api("GET", "/jobs/delete").headers["Allow"]) == (405, "POST")
    answer = api("PUT", f"/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")


def test_every_route_is_found_under_the_first_word_of_its_path(api: Api) -> None:
    folder = ROOT / "functions" / "api" / "routes"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(api.module.MODULES.values()) | {api.module.OTHERWISE} == modules
    for module in modules:
        for route in api.module.routes_of(module):
            word = route.path.split("/")[2]
            assert api.module.MODULES.get(word, api.module.OTHERWISE) == module, route.path


def test_malformed_bodies(api: Api) -> None:
    for body in ("", "{", "[1,]", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000, '{"a": 1e999}'):
        assert api("POST", "/imports", body=body).status == 400, body[:20]


def test_body_that_is_too_large(api: Api) -> None:
    assert api("POST", "/imports", body={"uploadId": "x" * 300_000}).status == 413


def test_base64_body(api: Api) -> None:
    answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"title": "Köntakte"}, base64_body=True)
    assert answer.json["title"] == "Köntakte"


def test_unexpected_errors_say_nothing_internal(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(job_id: str) -> Job:
        raise RuntimeError("secret of the jobs table")

    monkeypatch.setattr(api.services.jobs, "find", explode)
    answer = api("GET", f"/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in logged] == ["A request failed"]
    assert "secret" in str(logged[0].exc_info)


def test_malformed_paging(api: Api) -> None:
    for query in ({"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": "²"}, {"nextToken": "%"}):
        for path in ("/jobs", "/entities", "/exports"):
            assert api("GET", path, query=query).status == 400, (path, query)


def test_addresses_follow_the_request(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()

    def log_of(**headers: str) -> str:
        link: str = api("GET", f"/jobs/{job.job_id}", headers=headers).json["links"]["errorLog"]
        return link.removesuffix(f"/v1/jobs/{job.job_id}/error-log")

    assert log_of() == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5"
    assert log_of(host="a1b2c3d4e5.execute-api.localhost:4566") == "http://a1b2c3d4e5.execute-api.localhost:4566"
    assert log_of(**{"x-forwarded-host": "evil.example"}).startswith("http://127.0.0.1")
    assert log_of(**{"x-forwarded-host": "api.example.com"}).startswith("https://api.example.com")


# The catalogue


def test_entity_is_created_replaced_read_and_listed(api: Api) -> None:
    answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS)
    assert (answer.status, answer.headers["Location"]) == (201, "/v1/entities/contacts")
    uid = api.services.entities.get("contacts").uid
    read = api("GET", "/entities/contacts").json
    assert read["name"] == "contacts"
    assert read["schema"] == CONTACTS_SCHEMA
    assert (read["dataType"], read["refuseDuplicates"], read["target"]) == ("profile", False, None)
    answer = api("PUT", "/entities/contacts", ADMIN, body=read | {"dataType": "repository"})
    assert (answer.status, answer.json["dataType"]) == (200, "repository")
    assert api.services.entities.get("contacts").uid == uid
    api.put_contacts("aardvarks")
    assert [item["name"] for item in api("GET", "/entities").json["items"]] == ["aardvarks", "contacts"]


def test_entities_in_pages(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.put_contacts(name)
    first = api("GET", "/entities", query={"limit": "2"}).json
    second = api("GET", "/entities", query={"limit": "2", "nextToken": first["nextToken"]}).json
    assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["nextToken"] is None


WRONG_ENTITIES: list[tuple[dict[str, Any], str]] = [
    ({"schema": None}, "#/schema"),
    ({"schema": []}, "#/schema"),
    ({"schema": {"fields": [{"name": "a", "type": "nonsense"}]}}, "#/schema/fields/0/type"),
    ({"schema": CONTACTS_SCHEMA | {"primaryKey": ["nobody"]}}, "#/schema/primaryKey/0"),
    ({"title": 1}, "#/title"),
    ({"database": "two\nlines"}, "#/database"),
    ({"dataType": "nonsense"}, "#/dataType"),
    ({"dialect": ";"}, "#/dialect"),
    ({"dialect": {"delimiter": "::"}}, "#/dialect/delimiter"),
    ({"encoding": "utf-9"}, "#/encoding"),
    ({"encoding": "hex"}, "#/encoding"),
    ({"encoding": "utf\0"}, "#/encoding"),
    ({"encoding": 8}, "#/encoding"),
    ({"permissions": {"view": "sales"}}, "#/permissions/view"),
    ({"permissions": {"delete": ["ops"]}}, "#/permissions/delete"),
    ({"columns": {"E-mail": "e_mail"}}, "#/columns/E-mail"),
    ({"columns": {"a/b": 1}}, "#/columns/a~1b"),
    ({"refuseDuplicates": "yes"}, "#/refuseDuplicates"),
    ({"target": {"table": "theirs"}}, "#/target/table"),
    ({"target": {"table": "mine", "modifiedAttribute": ""}}, "#/target/modifiedAttribute"),
    ({"name": "other"}, "#/name"),
    ({"colour": "blue"}, "#/colour"),
]


def test_wrong_definition_names_the_member(api: Api) -> None:
    for change, pointer in WRONG_ENTITIES:
        answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | change)
        assert answer.status == 422
        assert answer.pointers == [pointer]
        assert api("GET", "/entities/contacts", ADMIN).status == 404


def test_wrong_name(api: Api) -> None:
    for name in ("-a", ".", "a b", "a" * 65, "é"):
        assert api("PUT", f"/entities/{name}", ADMIN, body=CONTACTS).status == 422, name


def test_who_may_do_what_with_an_entity(api: Api) -> None:
    api.put_contacts()
    for who, method, path, status in [
        (BOB, "GET", "/entities/contacts", 404),
        (BOB, "DELETE", "/entities/contacts", 404),
        (BOB, "PUT", "/entities/contacts", 403),
        (BOB, "PUT", "/entities/another", 403),
        (ALICE, "PUT", "/entities/contacts", 403),
        (ALICE, "DELETE", "/entities/contacts", 403),
        (OPS, "GET", "/entities/contacts", 200),
        (OPS, "GET", "/entities/contacts/records", 403),
        (BOB, "GET", "/entities/contacts/records", 404),
        (SALES, "GET", "/entities/contacts/records", 200),
        (ADMIN, "GET", "/entities/contacts/records", 200),
        (ADMIN, "GET", "/entities/nobody", 404),
    ]:
        assert api(method, path, who, body=CONTACTS if method == "PUT" else None).status == status, (who, method, path)
    assert api("GET", "/entities", BOB).json == {"items": [], "nextToken": None}


def test_deleting_an_entity_hides_everything_of_it(api: Api) -> None:
    entity = api.put_contacts()
    job = api.add_finished()
    export = api("POST", "/exports", body={"name": "x", "entity": "contacts"}).json
    waiting = api.add_job()
    assert api("DELETE", "/entities/contacts", ADMIN).status == 409
    api("POST", f"/jobs/{waiting.job_id}/cancel")
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204
    assert api("GET", "/entities/contacts", ADMIN).status == 404
    api.put_contacts()
    assert api("GET", f"/jobs/{job.job_id}", ADMIN).status == 404
    assert api("GET", "/jobs", ADMIN).json["items"] == []
    assert api("GET", f"/exports/{export['exportId']}", ADMIN).status == 404
    noted = api.services.dynamodb.call(
        "GetItem", {"TableName": "catalog", "Key": to_attributes({"pk": "DELETED", "sk": entity.uid})}
    )
    assert noted["Item"]["sk"]["S"] == entity.uid
    assert api.services.entities.get("contacts").uid != entity.uid


def test_an_upload_is_for_the_entity_that_it_was_made_for(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404
    api.put_contacts()
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404
    assert api("POST", f"/EntityImport/{upload_id}/import").status == 404


def test_if_match_keeps_one_person_from_undoing_what_another_did(api: Api) -> None:
    api.put_contacts()
    read = api("GET", "/entities/contacts", ADMIN)
    mine = {"headers": {"if-match": read.headers["ETag"]}}
    other = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"title": "Theirs"})
    assert other.headers["ETag"] != read.headers["ETag"]
    for method in ("PUT", "DELETE"):
        refused = api(method, "/entities/contacts", ADMIN, body=CONTACTS, **mine)
        assert (refused.status, refused.json["type"]) == (412, "urn:waybill:problem:precondition-failed")
        assert refused.headers["Content-Type"] == "application/problem+json"
    assert api("GET", "/entities/contacts", ADMIN).json["title"] == "Theirs"
    for tag in ('"x", ' + other.headers["ETag"], "*"):
        assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS, headers={"if-match": tag}).status == 200, tag
        api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"title": "Theirs"})
    weak = {"if-match": f"W/{other.headers['ETag']}"}
    assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS, headers=weak).status == 412
    assert api("PUT", "/entities/new", ADMIN, body=CONTACTS, headers={"if-match": "*"}).status == 412
    assert api("GET", "/entities/new", ADMIN).status == 404
    same = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS, headers={"if-match": other.headers["ETag"]})
    assert same.headers["ETag"] == api("GET", "/entities/contacts").headers["ETag"] == read.headers["ETag"]
    assert api("DELETE", "/entities/contacts", ADMIN, **mine).status == 204


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


def put_records(api: Api, entity: Entity, number: int) -> None:
    for index in range(number):
        item = {
            "_pk": f"{entity.uid}#{index % 64:02x}",
            "_sk": f"c{index:03}",
            "contact_id": f"c{index:03}",
            "spend": 7,
        }
        api.services.dynamodb.call("PutItem", {"TableName": "records", "Item": to_attributes(item)})


def test_records_come_each_once_in_pages(api: Api) -> None:
    entity = api.put_contacts()
    put_records(api, entity, 130)
    seen, token = [], None
    while True:
        query = {"limit": "7"} | ({"nextToken": token} if token else {})
        page = api("GET", "/entities/contacts/records", query=query).json
        assert len(page["items"]) <= 7
        seen += page["items"]
        token = page["nextToken"]
        if token is None:
            break
    assert sorted(record["contact_id"] for record in seen) == [f"c{index:03}" for index in range(130)]
    assert seen[0] == {"contact_id": seen[0]["contact_id"], "email": None, "spend": 7, "joined": None, "vip": None}
    assert api("GET", "/entities/contacts/records", query={"nextToken": "eHg"}).status == 400


def test_entity_with_a_target_table(api: Api) -> None:
    body = CONTACTS | {"target": {"table": "mine", "modifiedAttribute": "modified_at"}}
    missing = api("PUT", "/entities/contacts", ADMIN, body=body)
    assert (missing.status, missing.pointers) == (422, ["#/target/table"])
    key = [{"AttributeName": "contact_id", "KeyType": "HASH"}]
    types = [{"AttributeName": "contact_id", "AttributeType": "S"}]
    table = {"TableName": "mine", "KeySchema": key, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST"}
    api.services.dynamodb.call("CreateTable", table)
    other = api("PUT", "/entities/contacts", ADMIN, body=body | {"schema": CONTACTS_SCHEMA | {"primaryKey": "email"}})
    assert (other.status, other.pointers) == (422, ["#/schema/primaryKey"])
    assert api("PUT", "/entities/contacts", ADMIN, body=body).status == 201
    for number in range(3):
        item = {"contact_id": {"S": f"c{number}"}, "spend": {"N": "7"}, "theirs": {"SS": ["x"]}}
        api.services.dynamodb.call("PutItem", {"TableName": "mine", "Item": item})
    first = api("GET", "/entities/contacts/records", query={"limit": "2"}).json
    rest = api("GET", "/entities/contacts/records", query={"limit": "2", "nextToken": first["nextToken"]}).json
    records = sorted(first["items"] + rest["items"], key=lambda record: record["contact_id"])
    assert [record["contact_id"] for record in records] == ["c0", "c1", "c2"]
    assert records[0] == {"contact_id": "c0", "email": None, "spend": 7, "joined": None, "vip": None}
    assert api("GET", "/entities/contacts/records", query={"nextToken": "eHg"}).status == 400


def test_key_cannot_change_while_there_are_records(api: Api) -> None:
    entity = api.put_contacts()
    other_key = {"schema": CONTACTS_SCHEMA | {"primaryKey": ["email"]}}
    api.put_contacts(**other_key)
    api.put_contacts()
    put_records(api, entity, 1)
    assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | other_key).status == 409
    api.put_contacts(title="the same key")


# Imports


def test_upload_and_import(api: Api) -> None:
    api.put_contacts()
    answer = api("POST", "/uploads", body={"entity": "contacts", "fileName": "März 2026.csv"})
    assert answer.status == 201
    assert set(answer.json) == {"uploadId", "url", "fields", "expiresAt"}
    upload_id = answer.json["uploadId"]
    assert answer.json["fields"]["key"] == f"uploads/{upload_id}/source"
    assert answer.json["expiresAt"] == "2026-03-01T12:15:00.000Z"
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 409

    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"contact_id\n1\n")
    answer = api("POST", "/imports", body={"uploadId": upload_id, "dialect": {"delimiter": ";"}, "encoding": "latin-1"})
    job = answer.json
    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['jobId']}"
    assert answer.headers["Retry-After"].isdigit()
    assert set(job) == JOB_MEMBERS
    assert (job["status"], job["fileName"], job["startedBy"]) == ("WAITING", "März 2026.csv", "alice")
    assert (job["allowedActions"], job["queuePosition"], job["expiresAt"]) == (["cancel"], 1, None)
    assert api.services.jobs.get(job["jobId"]).options == {
        "maxErrors": 1,
        "dialect": {"delimiter": ";"},
        "encoding": "latin-1",
        "unescapeFormulas": False,
    }
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 409


def test_a_look_at_an_upload_before_its_import(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(OPS, None)
    path = f"/uploads/{upload_id}/preview"
    assert api("POST", path, OPS, body={}).status == 409
    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"Id;vip\n1;perhaps\n")
    answer = api("POST", path, OPS, body={"columns": {"Id": "contact_id"}, "mode": "update"})
    assert answer.status == 200
    assert answer.json["labels"] == ["Id", "vip"]
    assert answer.json["fields"] == ["contact_id", "vip"]
    assert [error["fieldName"] for error in answer.json["rows"][0]["errors"]] == ["vip"]
    answer = api("POST", path, OPS, body={"columns": {"Id": "no_field"}, "dryRun": True, "mode": "merge"})
    assert (answer.status, sorted(answer.pointers)) == (422, ["#/columns/Id", "#/dryRun", "#/mode"])
    assert api("POST", path, ALICE, body={}).status == 404
    assert api("POST", "/uploads/x/preview", OPS, body={}).status == 400
    assert api("POST", "/imports", OPS, body={"uploadId": upload_id}).status == 202
    api.later(days=3)
    assert api("POST", path, OPS, body={}).status == 410


WRONG_UPLOADS: list[tuple[Any, list[str]]] = [
    ({}, ["#/entity", "#/fileName"]),
    ({"entity": 1, "fileName": "a.csv"}, ["#/entity"]),
    ({"entity": "contacts", "fileName": ""}, ["#/fileName"]),
    ({"entity": "contacts", "fileName": "a\0.csv"}, ["#/fileName"]),
    ({"entity": "contacts", "fileName": "a.csv", "size": 1}, ["#/size"]),
    ([], ["#"]),
]


def test_wrong_upload(api: Api) -> None:
    api.put_contacts()
    for body, pointers in WRONG_UPLOADS:
        answer = api("POST", "/uploads", body=body)
        assert (answer.status, answer.pointers) == (422, pointers)


def test_who_may_import(api: Api) -> None:
    api.put_contacts()
    body = {"entity": "contacts", "fileName": "a.csv"}
    assert api("POST", "/uploads", BOB, body=body).status == 404
    assert api("POST", "/uploads", SALES, body=body).status == 403
    assert api("POST", "/uploads", OPS, body=body | {"entity": "nobody"}).status == 404
    upload_id = api.upload(OPS)
    assert api("POST", "/imports", ALICE, body={"uploadId": upload_id}).status == 404
    assert api("POST", "/imports", OPS, body={"uploadId": str(uuid.uuid4())}).status == 404
    assert api("POST", "/imports", ADMIN, body={"uploadId": upload_id}).status == 202
    upload_id = api.upload(OPS)
    api.put_contacts(permissions={"view": ["ops"]})
    assert api("POST", "/imports", OPS, body={"uploadId": upload_id}).status == 403


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"mode": "replace"}, "#/mode"),
    ({"onError": "cry"}, "#/onError"),
    ({"onError": ["skip"]}, "#/onError"),
    ({"maxErrors": 0}, "#/maxErrors"),
    ({"maxErrors": True}, "#/maxErrors"),
    ({"maxErrors": 1.5}, "#/maxErrors"),
    ({"dryRun": "true"}, "#/dryRun"),
    ({"encoding": "nonsense"}, "#/encoding"),
    ({"dialect": {"quoteChar": "''"}}, "#/dialect/quoteChar"),
    ({"columns": {"E-mail": "nobody"}}, "#/columns/E-mail"),
    ({"columns": []}, "#/columns"),
    ({"unescapeFormulas": 1}, "#/unescapeFormulas"),
    ({"colour": "blue"}, "#/colour"),
    ({"uploadId": "nonsense"}, "#/uploadId"),
]


def test_wrong_import_options(api: Api) -> None:
    api.put_contacts()
    for options, pointer in WRONG_OPTIONS:
        answer = api("POST", "/imports", body={"uploadId": api.upload()} | options)
        assert (answer.status, answer.pointers) == (422, [pointer])


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"mode": "delete"}, {"mode": "delete"}),
        ({"onError": "abort", "maxErrors": 3}, {"onError": "abort"}),
        ({"dryRun": True}, {"dryRun": True}),
        ({"unescapeFormulas": True}, {"mode": "upsert"}),
    ],
)
def test_import_options_are_shown_in_the_job(api: Api, options: dict[str, Any], shown: dict[str, Any]) -> None:
    api.put_contacts()
    answer = api("POST", "/imports", body={"uploadId": api.upload()} | options)
    assert answer.status == 202
    assert {name: answer.json[name] for name in shown} == shown


def keyed(upload_id: str, key: str = "k-1") -> dict[str, Any]:
    return {"body": {"uploadId": upload_id, "mode": "upsert"}, "headers": {"idempotency-key": key}}


def test_the_same_request_with_its_key_gets_the_same_answer(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(data=None)
    request = keyed(upload_id)
    assert api("POST", "/imports", **request).status == 409  # not yet uploaded: nothing happened, the key is free
    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"contact_id\n1\n")
    first = api("POST", "/imports", **request)
    api.services.jobs.begin(first.json["jobId"])
    api.later(hours=23)
    other_order = request | {"body": '{ "mode": "upsert", "uploadId": "%s" }' % upload_id}  # noqa: UP031
    for again in (api("POST", "/imports", **request), api("POST", "/imports", **other_order)):
        assert (again.status, again.text, again.headers) == (202, first.text, first.headers)
    assert api("POST", "/imports", **keyed(upload_id, "k-2")).status == 409
    assert api("POST", "/imports", **keyed(api.upload())).status == 422
    assert api("POST", "/imports", **(request | {"body": request["body"] | {"dryRun": True}})).status == 422
    assert len(api("GET", "/jobs").json["items"]) == 1
    api.later(hours=1, seconds=1)
    assert api("POST", "/imports", **keyed(api.upload())).status == 202  # the key has expired


def test_a_key_is_its_callers_alone(api: Api) -> None:
    api.put_contacts()
    mine, theirs = (api("POST", "/imports", who, **keyed(api.upload(who))) for who in (ALICE, OPS))
    assert (mine.status, theirs.status) == (202, 202)
    assert mine.json["jobId"] != theirs.json["jobId"]


def test_a_key_that_is_none(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    for key in ("", "a b", "ключ", "x" * 256, "a\nb"):
        assert api("POST", "/imports", **keyed(upload_id, key)).status == 400, key
    assert api("POST", "/imports", **keyed(upload_id, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')).status == 202


def test_a_request_at_work_holds_its_key_and_a_dead_one_does_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    request = keyed(api.upload())
    inner: list[int] = []
    register = api.services.jobs.register

    class Killed(BaseException):
        """The function is gone, in the middle of the request."""

    def die(*given: Any) -> Any:
        inner.append(api("POST", "/imports", **request).status)
        register(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(api.services.jobs, "register", die)
        with pytest.raises(Killed):
            api("POST", "/imports", **request)
    assert inner == [409]
    api.later(seconds=59)
    assert api("POST", "/imports", **request).status == 409
    api.later(seconds=2)
    assert api("POST", "/imports", **(request | {"body": {"uploadId": api.upload()}})).status == 422
    after = api("POST", "/imports", **request)
    assert (after.status, len(api("GET", "/jobs").json["items"])) == (202, 1)
    assert api("POST", "/imports", **request).text == after.text


def test_an_outage_frees_the_key_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    request = keyed(api.upload())

    def fail(*given: Any) -> None:
        raise RuntimeError("outage")

    with monkeypatch.context() as patch:
        patch.setattr(api.services.workflow, "start", fail)  # the job is registered by then
        assert api("POST", "/imports", **request).status == 500
    assert api("POST", "/imports", **request).status == 202
    assert len(api("GET", "/jobs").json["items"]) == 1


def test_a_key_does_no_harm_elsewhere(api: Api) -> None:
    api.put_contacts()
    key = {"headers": {"idempotency-key": "k-1"}}
    body = {"entity": "contacts", "fileName": "a.csv"}
    first, second = (api("POST", "/uploads", body=body, **key) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json["uploadId"] != second.json["uploadId"]


# Jobs


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


def test_unknown_ids(api: Api) -> None:
    unknown = str(uuid.uuid4())
    for method, path in [
        ("GET", "/jobs/{}"),
        ("DELETE", "/jobs/{}"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/stop"),
        ("POST", "/jobs/{}/relaunch"),
        ("GET", "/jobs/{}/errors"),
        ("GET", "/jobs/{}/error-log"),
        ("GET", "/jobs/{}/rejects"),
        ("GET", "/jobs/{}/download"),
        ("GET", "/jobs/{}/report"),
        ("GET", "/exports/{}"),
        ("DELETE", "/exports/{}"),
        ("POST", "/exports/{}/activate"),
        ("GET", "/exports/{}/definition"),
        ("GET", "/exports/{}/jobs"),
        ("GET", "/EntityImport/{}/status"),
        ("POST", "/EntityImport/{}/import"),
    ]:
        assert api(method, path.format(unknown)).status == 404, path
        assert api(method, path.format("not-an-id")).status == 400, path


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


def test_drop_for_an_unknown_entity_is_for_admins(api: Api) -> None:
    api.add_job(entity="nobody", started_by="s3:123", started_by_id=None)
    assert len(api("GET", "/jobs", ADMIN).json["items"]) == 1
    assert api("GET", "/jobs").json["items"] == []


def test_looking_is_not_changing(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    for method, action in [("POST", "/cancel"), ("POST", "/stop"), ("POST", "/relaunch"), ("DELETE", "")]:
        assert api(method, f"/jobs/{job.job_id}{action}", SALES).status == 403


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
    for body in ({}, {"jobIds": []}, {"jobIds": [1]}, {"jobIds": [unknown] * 101}, {"jobIds": [unknown], "all": True}):
        assert api("POST", "/jobs/delete", body=body).status == 422


JOB_ROUTES = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/cancel"),
    ("POST", "/stop"),
    ("POST", "/relaunch"),
    ("GET", "/errors"),
    ("GET", "/error-log"),
    ("GET", "/rejects"),
    ("GET", "/download"),
    ("GET", "/report"),
]


def test_every_route_of_a_job_is_tested_here(api: Api) -> None:
    prefix = "/v1/jobs/<job_id>"
    routes = {(route.method, route.path) for route in api.module.ROUTES if route.path.startswith(prefix)}
    assert routes == {(method, prefix + action) for method, action in JOB_ROUTES}


def test_expired_is_gone_at_once(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()
    api.later(hours=49)  # the files go first
    assert api("GET", f"/jobs/{job.job_id}").json["links"] == {"errorLog": None, "rejects": None, "download": None}
    for file in ("errors", "error-log", "rejects", "download"):
        assert api("GET", f"/jobs/{job.job_id}/{file}").status == 410, file
    assert api("POST", f"/jobs/{job.job_id}/relaunch").status == 410
    assert api("GET", f"/jobs/{job.job_id}/report").status == 200
    api.later(hours=24)
    for who, status in ((ALICE, 410), (BOB, 404)):  # what was never for his eyes has not expired for him either
        for method, action in JOB_ROUTES:
            assert api(method, f"/jobs/{job.job_id}{action}", who).status == status, (method, action)
    failed = api("POST", "/jobs/delete", body={"jobIds": [job.job_id]}).json["failed"]
    assert [entry["status"] for entry in failed] == [410]
    assert api("GET", "/jobs").json["items"] == []
    assert api("GET", f"/EntityImport/{job.job_id}/status").status == 404
    api.services.jobs.delete(job)  # as DynamoDB's TTL does one day
    for method, action in JOB_ROUTES:
        assert api(method, f"/jobs/{job.job_id}{action}").status == 404, (method, action)


def test_expired_uploads(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    api.later(hours=48)
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 410
    assert api("POST", "/imports", OPS, body={"uploadId": upload_id}).status == 404
    assert api("POST", f"/EntityImport/{upload_id}/import").status == 404
    key = to_attributes({"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"})
    api.services.dynamodb.call("DeleteItem", {"TableName": "jobs", "Key": key})
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404


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
        "error": None,
        "relaunchable": True,
    }


# What a request costs


class Counted:
    """The requests to DynamoDB, by operation."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[str] = []
        call = api.services.dynamodb.call

        def count(operation: str, request: Any) -> Any:
            self.requests.append(operation)
            return call(operation, request)

        monkeypatch.setattr(api.services.dynamodb, "call", count)

    def taken(self) -> list[str]:
        taken, self.requests = sorted(self.requests), []
        return taken


def test_a_job_is_one_read_beyond_its_entitys_permissions(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    running, ended = api.add_job(status=Status.IN_PROGRESS, started_at=NOW), api.add_finished()
    counted = Counted(api, monkeypatch)
    for job in (running, ended):
        answer = api("GET", f"/jobs/{job.job_id}")
        assert (answer.status, counted.taken()) == (200, ["GetItem", "GetItem"])
        tag = {"if-none-match": answer.headers["ETag"]}
        assert (api("GET", f"/jobs/{job.job_id}", headers=tag).status, counted.taken()) == (304, ["GetItem", "GetItem"])
    assert (api("GET", f"/EntityImport/{ended.job_id}/status").status, len(counted.taken())) == (200, 2)
    assert api("GET", f"/jobs/{uuid.uuid4()}").status == 404
    assert counted.taken() == ["GetItem"]


def test_a_page_costs_the_same_whatever_the_history(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("contacts", "orders", "offers"):
        api.put_contacts(name)
    counted = Counted(api, monkeypatch)
    for rounds in (1, 8):
        for _ in range(rounds):
            for name in ("contacts", "orders", "offers"):
                api.later(seconds=1)
                api.add_finished(entity=name)
        counted.taken()
        page = api("GET", "/jobs", query={"limit": "3"}).json
        assert counted.taken() == ["BatchGetItem", "BatchGetItem", "Query"]
        if page["nextToken"]:
            api("GET", "/jobs", query={"limit": "3", "nextToken": page["nextToken"]})
            assert counted.taken() == ["BatchGetItem", "BatchGetItem", "Query"]
    for _ in range(5):
        api.later(seconds=1)
        api.add_job()
    counted.taken()
    api("GET", "/jobs", query={"limit": "5"})
    assert counted.taken() == ["BatchGetItem", "BatchGetItem", "Query", "Query"]  # and the queue, for the places in it
    for _ in range(4):
        api("POST", "/exports", body=EXPORT)
    counted.taken()
    api("GET", "/exports", query={"limit": "2"})
    assert counted.taken() == ["BatchGetItem", "Query"]


# Exports

EXPORT = {"name": "All contacts", "entity": "contacts", "fields": ["contact_id", "email"]}
DAILY = {"time": "02:30", "timezone": "Europe/Brussels"}
PERIODIC: dict[str, Any] = {"type": "PERIODIC_FULL", "schedule": DAILY, "destination": {"kind": "s3"}}
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
        "escapeFormulas": True,
        "includeDeleted": False,
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
        "message": None,
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
    ({"type": "PERIODIC_FULL", "schedule": DAILY}, "#/destination"),
    ({"type": "PERIODIC_FULL", "schedule": DAILY, "destination": {"kind": "download"}}, "#/destination/kind"),
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
    assert (answer.status, answer.pointers) == (422, ["#/when", "#/type"])
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


def test_a_relaunch_needs_the_right_of_today(api: Api) -> None:
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
    assert api("POST", f"/jobs/{jobs['CUSTOM']}/relaunch").status == 403
    assert api("POST", f"/jobs/{jobs['CUSTOM']}/relaunch", office).status == 202
    api.put_contacts(permissions={"view": ["sales"]})
    assert api("GET", f"/jobs/{jobs['INCREMENTAL']}").status == 200  # alice's own
    assert api("POST", f"/jobs/{jobs['INCREMENTAL']}/relaunch").status == 403
    api.put_contacts()
    assert api("POST", f"/jobs/{jobs['INCREMENTAL']}/relaunch").status == 202


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


# Zilliant


def test_zilliant_client(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    answer = api("POST", f"/EntityImport/{upload_id}/import")
    import_id = answer.json["importId"]
    assert (answer.status, answer.json) == (201, {"importId": import_id})
    assert api("POST", f"/EntityImport/{upload_id}/import").status == 409
    assert api("GET", f"/EntityImport/{import_id}/status").json == {
        "status": "RUNNING",
        "startDate": "2026-03-01T12:00:00Z",
        "clientErrorCallingService": False,
        "entityImportId": import_id,
    }


@pytest.mark.parametrize(
    ("status", "error_code", "shown", "client_error"),
    [
        (Status.COMPLETED, None, "SUCCEEDED", False),
        (Status.FAILED, "empty-file", "FAILED", True),
        (Status.FAILED, "internal-error", "FAILED", False),
    ],
)
def test_zilliant_statuses(api: Api, status: Status, error_code: str | None, shown: str, client_error: bool) -> None:
    api.put_contacts()
    started = datetime(2026, 3, 1, 12, 0, 5, 999_000, tzinfo=UTC)
    job = api.add_job(status=Status.IN_PROGRESS, started_at=started)
    counts = Counts(1, 1) if status is Status.COMPLETED else Counts(0)
    ended = finished(job, status, counts, started + timedelta(seconds=1), api.retention, error_code=error_code)
    api.services.jobs.finish(ended, Status.IN_PROGRESS)
    assert api("GET", f"/EntityImport/{job.job_id}/status").json == {
        "status": shown,
        "startDate": "2026-03-01T12:00:05Z",
        "stopDate": "2026-03-01T12:00:06Z",
        "clientErrorCallingService": client_error,
        "entityImportId": job.job_id,
    }


def test_zilliant_canceled_import_failed_by_nobodys_fault(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    api("POST", f"/jobs/{job.job_id}/cancel")
    shown = api("GET", f"/EntityImport/{job.job_id}/status").json
    assert (shown["status"], shown["clientErrorCallingService"]) == ("FAILED", False)
    export = api.add_job(process=Process.EXPORT)
    assert api("GET", f"/EntityImport/{export.job_id}/status").status == 404
