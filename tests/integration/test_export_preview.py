"""What an export would take, before it runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api_builders import ALICE, BOB, CONTACTS, EXPORT, SALES, Api
from waybill.aws.dynamodb import to_attributes
from waybill.entities.model import SHARDS, partition
from waybill.exports.encoder import RowEncoder
from waybill.exports.filter import empty_values
from waybill.exports.formats import FORMATS

VIP = {"field": "vip", "op": "eq", "value": True}


@pytest.fixture
def contacts(api: Api) -> Api:
    """70 contacts, each seventh of them a VIP, and one that was deleted."""
    entity = api.put_contacts()
    for index in range(70):
        record = {
            "contact_id": f"c{index:03}",
            "spend": index,
            "vip": index % 7 == 0,
            "email": f"=c{index}@example.com",
        }
        put(api, partition(entity.uid, index % SHARDS), record)
    put(api, partition(entity.uid, 1), {"contact_id": "gone", "_gone": 9_999_999_999})
    return api


def put(api: Api, at: str, record: dict[str, Any]) -> None:
    item = to_attributes({"_pk": at, "_sk": record["contact_id"], **record})
    api.services.dynamodb.call("PutItem", {"TableName": "records", "Item": item})


def preview(api: Api, **members: Any) -> Any:
    answer = api("POST", "/exports/preview", body={"entity": "contacts"} | members)
    assert answer.status == 200, answer.text
    return answer.json


def test_all_records_are_counted_and_the_first_are_shown_as_the_file_has_them(contacts: Api) -> None:
    found = preview(contacts)
    assert (found["count"], found["precision"], found["read"]) == (70, "exact", 70)
    assert found["columns"] == ["contact_id", "email", "spend", "joined", "vip"]
    assert len(found["rows"]) == 10
    assert found["rows"][0] == ["c000", "'=c0@example.com", "0", "", "yes"]
    assert found["warnings"] == []
    chosen = preview(contacts, fields=["vip", "email"], escapeFormulas=False)
    assert (chosen["columns"], chosen["rows"][0]) == (["vip", "email"], ["yes", "=c0@example.com"])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_formula_guard_is_shown_where_the_file_has_it(contacts: Api, name: str) -> None:
    entity = contacts.services.entities.get("contacts")
    made = contacts("POST", "/exports", body=EXPORT | {"format": name, "fields": ["email"]}).json
    definition = contacts.services.exports.get(made["exportId"]).definition
    page = json.dumps({"Items": [{"email": {"S": "=c0@example.com"}}]}).encode()
    is_guarded = b"'=c0@" in RowEncoder(entity, definition).encode(page).data
    assert preview(contacts, format=name, fields=["email"])["rows"][0] == ["'"[:is_guarded] + "=c0@example.com"]


def test_a_filter_is_counted_to_the_end_or_as_far_as_it_was_read(
    contacts: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = preview(contacts, filter=[VIP], fields=["contact_id"])
    assert (found["count"], found["precision"], found["read"]) == (10, "exact", 70)
    assert all(int(row[0][1:]) % 7 == 0 for row in found["rows"])
    none = preview(contacts, filter=[{"field": "spend", "op": "gt", "value": 1e9}])
    assert (none["count"], none["precision"], none["rows"]) == (0, "exact", [])
    for name, most in (("MAX_READ", 30), ("MAX_READ_BYTES", 3_000), ("MAX_COUNTED", 20)):
        with monkeypatch.context() as patch:
            patch.setattr(f"waybill.exports.preview.{name}", most)
            found = preview(contacts, filter=[VIP])
        assert found["precision"] == "at-least", name
        assert 0 < found["count"] < 10
        assert found["read"] < 70


def test_a_target_table_is_previewed(api: Api) -> None:
    key = [{"AttributeName": "contact_id", "KeyType": "HASH"}]
    types = [{"AttributeName": "contact_id", "AttributeType": "S"}]
    table = {"TableName": "mine", "KeySchema": key, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST"}
    api.services.dynamodb.call("CreateTable", table)
    api.put_contacts(target={"table": "mine"})
    for number in range(12):
        item = {"contact_id": {"S": f"c{number}"}, "spend": {"N": str(number)}, "theirs": {"SS": ["x"]}}
        api.services.dynamodb.call("PutItem", {"TableName": "mine", "Item": item})
    assert preview(api)["count"] == 12
    found = preview(api, filter=[{"field": "spend", "op": "lt", "value": 1}])
    assert (found["count"], found["precision"], found["rows"]) == (1, "exact", [["c0", "", "0", "", ""]])


def test_an_empty_value_of_a_filter_is_told(api: Api) -> None:
    """Most people who leave a value empty mean something else; but it may be meant."""
    api.put_contacts()
    nobody: dict[str, Any] = {"field": "contact_id", "value": ""}
    (warning,) = preview(api, filter=[VIP, nobody | {"op": "eq"}])["warnings"]
    assert warning["code"] == "empty-filter-value"
    assert warning["message"].startswith("Condition 2 of the filter compares with the empty text")
    assert len(empty_values([nobody | {"op": "in", "value": ["c1", ""]}])) == 1
    assert empty_values([{"field": "email", "op": "empty", "value": True}, VIP]) == []
    body = {"entity": "contacts", "filter": [{"field": "spend", "op": "lt", "value": ""}]}
    refused = api("POST", "/exports/preview", body=body)
    assert (refused.status, refused.pointers) == (422, ["#/filter/0/value"])


def test_a_run_whose_filter_has_an_empty_value_tells_it_too(api: Api) -> None:
    api.put_contacts()
    condition = {"field": "contact_id", "op": "ne", "value": ""}
    made = api("POST", "/exports", body=EXPORT | {"filter": [condition]}).json
    activated = api("POST", f"/exports/{made['exportId']}/activate").json
    job = api("GET", f"/jobs/{activated['jobId']}").json
    assert [warning["code"] for warning in job["warnings"]] == ["empty-filter-value"]


def test_what_the_format_cannot_hold_is_told(contacts: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = contacts.services.entities.get("contacts")
    put(contacts, partition(entity.uid, 0), {"contact_id": "a", "email": "x" * 200_000})
    assert preview(contacts)["rows"][0][1] == "x" * 200_000
    (warning,) = preview(contacts, format="xlsx")["warnings"]
    assert warning["code"] == "xlsx-limit"
    assert '"email" of the record "a"' in warning["message"]
    monkeypatch.setattr("waybill.exports.preview.count_records", lambda *_: (2_000_000, "approximate"))
    codes = [warning["code"] for warning in preview(contacts, format="xlsx", fields=["contact_id"])["warnings"]]
    assert codes == ["xlsx-limit"]


def test_long_rows_fit_into_an_answer(contacts: Api) -> None:
    entity = contacts.services.entities.get("contacts")
    for number in range(10):
        record = {"contact_id": f"a{number}", "email": '"' * 390_000}
        put(contacts, partition(entity.uid, 0), record)
    assert 1 <= len(preview(contacts, fields=["email"])["rows"]) < 10


def test_only_who_may_export_sees_a_preview(contacts: Api) -> None:
    body = {"entity": "contacts"}
    assert [contacts("POST", "/exports/preview", who, body=body).status for who in (ALICE, SALES, BOB)] == [
        200,
        403,
        404,
    ]
    for wrong, pointer in (
        ({"fields": ["nobody"]}, "#/fields/0"),
        ({"filter": [{"field": "nobody", "op": "eq", "value": 1}]}, "#/filter/0/field"),
        ({"format": "pdf"}, "#/format"),
        ({"name": "An export"}, "#/name"),
    ):
        refused = contacts("POST", "/exports/preview", body=body | wrong)
        assert (refused.status, refused.pointers) == (422, [pointer])
    assert contacts("POST", "/exports/preview", body={"entity": CONTACTS["title"]}).status == 404
