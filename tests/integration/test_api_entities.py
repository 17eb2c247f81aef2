"""The catalogue and the records of an entity."""

from __future__ import annotations

from typing import Any

import pytest
from xxhash import xxh3_64_intdigest

from tests.api_builders import (
    ADMIN,
    ALICE,
    BOB,
    CONTACTS,
    OPS,
    SALES,
    Api,
)
from tests.builders import CONTACTS_SCHEMA
from waybill.aws.dynamodb import to_attributes
from waybill.entities.model import Entity, partition
from waybill.entities.row_compiler import key_text


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
    ({"target": {"table": "mine"}, "keepPrevious": True}, "#/keepPrevious"),
    ({"quality": {"action": "stop"}}, "#/quality/maxRejectedPercent"),
    ({"quality": {"maxRejectedPercent": 100}}, "#/quality/maxRejectedPercent"),
    ({"quality": {"maxRejectedPercent": 1.5}}, "#/quality/maxRejectedPercent"),
    ({"quality": {"maxRejectedPercent": 1, "action": "ask"}}, "#/quality/action"),
    ({"quality": {"maxRowsChangePercent": -1}}, "#/quality/maxRowsChangePercent"),
    ({"quality": {"maxRowsChangePercent": 1001}}, "#/quality/maxRowsChangePercent"),
    ({"quality": {"maxRejectedPercent": 1, "most": 1}}, "#/quality/most"),
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


def test_a_deletion_that_may_have_died_says_when_to_try_again(api: Api) -> None:
    entity = api.put_contacts()
    mark = api.services.entities.mark(entity, api.services.clock.now())
    answer = api("DELETE", "/entities/contacts", ADMIN)
    assert answer.status == 409 and answer.headers["Retry-After"].isdigit()
    api.services.entities.unmark(entity.uid, mark)
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204


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
    answer = api("GET", "/entities/contacts/records", query={"nextToken": "eHg"})
    assert (answer.status, answer.json["detail"]) == (400, "nextToken was not issued by this list.")


def test_a_record_is_found_by_its_key_with_one_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    api("PUT", "/entities/pairs", ADMIN, body=CONTACTS | {"schema": PAIRS})
    for name, record in (("contacts", {"contact_id": "c|1"}), ("pairs", {"a": 7, "b": "x|y", "_c": "z"})):
        put_by_key(api, name, record)
    calls: list[str] = []
    call = api.services.dynamodb.call
    monkeypatch.setattr(api.services.dynamodb, "call", lambda name, request: calls.append(name) or call(name, request))
    assert records(api, "contacts", key="c|1")["items"][0]["contact_id"] == "c|1"
    assert calls.count("BatchGetItem") == 1
    assert "Query" not in calls
    assert records(api, "pairs", key='["7.0", "x|y"]') == {
        "items": [{"a": 7, "b": "x|y", "_c": "z"}],
        "nextToken": None,
    }
    for nothing in ("c2", "", "c" * 1025):
        assert records(api, "contacts", key=nothing) == {"items": [], "nextToken": None}
    assert records(api, "pairs", key='["seven", "x|y"]')["items"] == []
    assert (
        records(api, "pairs", key='["7", "x|y"]', filter='[{"field": "_c", "op": "eq", "value": "no"}]')["items"] == []
    )
    for name, key in (("pairs", "7"), ("pairs", '["7"]'), ("pairs", "[7, 8]"), ("keyless", "7")):
        api("PUT", "/entities/keyless", ADMIN, body=CONTACTS | {"schema": {"fields": PAIRS["fields"]}})
        assert api("GET", f"/entities/{name}/records", ADMIN, query={"key": key}).status == 400, key
    assert api("GET", "/entities/contacts/records", query={"key": "c|1", "nextToken": "eHg"}).status == 400


def test_a_deleted_record_is_not_found_by_its_key(api: Api) -> None:
    api.put_contacts()
    put_by_key(api, "contacts", {"contact_id": "c1", "_gone": 9_999_999_999})
    assert records(api, "contacts", key="c1")["items"] == []


def test_a_filter_is_applied_after_a_bounded_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = api.put_contacts()
    put_records(api, entity, 130)
    monkeypatch.setattr("waybill.entities.records.MAX_FILTERED", 20)
    wanted = '[{"field": "contact_id", "op": "ge", "value": "c120"}]'
    seen, token, pages = [], None, []
    while True:
        query = {"filter": wanted, "limit": "2"} | ({"nextToken": token} if token else {})
        page = api("GET", "/entities/contacts/records", query=query).json
        pages.append(len(page["items"]))
        seen += page["items"]
        token = page["nextToken"]
        if token is None:
            break
    assert sorted(record["contact_id"] for record in seen) == [f"c{index}" for index in range(120, 130)]
    assert max(pages) == 2
    assert 0 in pages
    wrong = api("GET", "/entities/contacts/records", query={"filter": '[{"field": "nobody", "op": "eq", "value": 1}]'})
    assert (wrong.status, wrong.pointers) == (422, ["#/filter/0/field"])
    for text in ("{", "[" * 3_000, "[" * 5_000):
        assert api("GET", "/entities/contacts/records", query={"filter": text}).status == 400


def test_records_are_counted_without_a_scan(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = api.put_contacts()
    put_records(api, entity, 130)
    put_by_key(api, "contacts", {"contact_id": "gone", "_gone": 9_999_999_999})
    assert api("GET", "/entities/contacts/records/count").json == {"count": 130, "precision": "exact"}
    monkeypatch.setattr("waybill.entities.records.MAX_COUNTED", 10)  # whole shards of two or three
    counted = api("GET", "/entities/contacts/records/count").json
    assert counted["precision"] == "approximate"
    assert 128 <= counted["count"] <= 3 * 64
    call = api.services.dynamodb.call
    monkeypatch.setattr(
        api.services.dynamodb,
        "call",
        lambda name, request: call(name, request | ({"Limit": 1} if request.get("Select") == "COUNT" else {})),
    )
    monkeypatch.setattr("waybill.entities.records.MAX_COUNTED", 2)
    assert api("GET", "/entities/contacts/records/count").json == {"count": 128, "precision": "at-least"}


PAIRS = {
    "fields": [{"name": "a", "type": "number"}, {"name": "b", "type": "string"}, {"name": "_c", "type": "string"}],
    "primaryKey": ["a", "b"],
}


def records(api: Api, name: str, **query: str) -> Any:
    return api("GET", f"/entities/{name}/records", ADMIN, query=query).json


def put_by_key(api: Api, name: str, record: dict[str, Any]) -> None:
    """Stores a record where an import would put it."""
    entity = api.services.entities.get(name)
    text = key_text([str(record[field]) for field in entity.primary_key])
    shard = xxh3_64_intdigest(text.encode()) % 64
    own = {
        f"_{field}" if field.startswith("_") and field != "_gone" else field: value for field, value in record.items()
    }
    item = to_attributes({"_pk": partition(entity.uid, shard), "_sk": text} | own)
    api.services.dynamodb.call("PutItem", {"TableName": "records", "Item": item})


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
    answer = api("GET", "/entities/contacts/records", query={"nextToken": "eHg"})
    assert (answer.status, answer.json["detail"]) == (400, "nextToken was not issued by this list.")
    assert api("GET", "/entities/contacts/records", query={"key": "c2"}).json["items"] == [records[2]]
    kept, token = list[Any](), ""
    while token is not None:
        query = {"filter": '[{"field": "contact_id", "op": "ne", "value": "c0"}]', "limit": "1"}
        page = api("GET", "/entities/contacts/records", query=query | ({"nextToken": token} if token else {})).json
        kept, token = kept + page["items"], page["nextToken"]
    assert sorted(kept, key=lambda record: record["contact_id"]) == records[1:]
    assert api("GET", "/entities/contacts/records/count").json == {"count": 3, "precision": "exact"}


def test_key_cannot_change_while_there_are_records(api: Api) -> None:
    entity = api.put_contacts()
    other_key = {"schema": CONTACTS_SCHEMA | {"primaryKey": ["email"]}}
    api.put_contacts(**other_key)
    api.put_contacts()
    put_records(api, entity, 1)
    assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | other_key).status == 409
    api.put_contacts(title="the same key")
