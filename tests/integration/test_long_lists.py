"""Lists whose items are long, or mostly deleted: every page fits into an answer of Lambda and asks a bounded number of
times, and following `nextToken` shows each item once. `Api` refuses answers that are too long."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.api_builders import ADMIN, CONTACTS, EXPORT, Api
from tests.builders import CONTACTS_SCHEMA
from waybill.aws.dynamodb import to_attributes
from waybill.entities import records
from waybill.entities.model import SHARDS, Entity, partition


@pytest.fixture
def queries(api: Api, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests to DynamoDB, counted by operation."""
    count, call = Counter[str](), api.services.dynamodb.call

    def counted(operation: str, request: Any) -> dict[str, Any]:
        count[operation] += 1
        return call(operation, request)

    monkeypatch.setattr(api.services.dynamodb, "call", counted)
    return count


def all_pages(api: Api, path: str, **query: str) -> list[list[dict[str, Any]]]:
    pages, token = [], ""
    while True:
        answer = api("GET", path, ADMIN, query={"limit": "100", **query, **({"nextToken": token} if token else {})})
        assert answer.status == 200, answer.text
        pages.append(answer.json["items"])
        token = answer.json["nextToken"]
        if token is None:
            return pages


def put_items(api: Api, entity: Entity, shard: int, numbers: range, **values: Any) -> None:
    pk = partition(entity.uid, shard)
    items = [{"_pk": pk, "_sk": f"c{number:05}", "contact_id": f"c{number}"} | values for number in numbers]
    for start in range(0, len(items), 25):
        puts = [{"PutRequest": {"Item": to_attributes(item)}} for item in items[start : start + 25]]
        api.services.dynamodb.call("BatchWriteItem", {"RequestItems": {"records": puts}})


@pytest.mark.parametrize("letter", ["a", "ж", '"', "\\", "\x01"])
def test_a_hundred_records_of_a_hundred_kilobytes(api: Api, letter: str) -> None:
    entity = api.put_contacts()
    text = letter * (100_000 // len(letter.encode()))
    put_items(api, entity, 5, range(100), email=text)
    pages = all_pages(api, "/entities/contacts/records")
    assert sorted(int(each["contact_id"][1:]) for page in pages for each in page) == [*range(100)]
    assert all(each["email"] == text for page in pages for each in page)
    assert len(pages) <= 20


def test_long_records_of_a_target_table(api: Api) -> None:
    key = [{"AttributeName": "contact_id", "KeyType": "HASH"}]
    types = [{"AttributeName": "contact_id", "AttributeType": "S"}]
    table = {"TableName": "mine", "KeySchema": key, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST"}
    api.services.dynamodb.call("CreateTable", table)
    api.put_contacts(target={"table": "mine"})
    for number in range(30):
        item = {"contact_id": f"c{number}", "email": "\x01" * 50_000}
        api.services.dynamodb.call("PutItem", {"TableName": "mine", "Item": to_attributes(item)})
    seen = [each["contact_id"] for page in all_pages(api, "/entities/contacts/records") for each in page]
    assert sorted(seen) == sorted(f"c{number}" for number in range(30))


def test_reading_after_a_mass_deletion(api: Api, queries: Counter[str]) -> None:
    entity = api.put_contacts()
    for shard in range(SHARDS):
        put_items(api, entity, shard, range(50), _gone=2_000_000_000)
    put_items(api, entity, 40, range(300, 330))
    queries.clear()
    pages = all_pages(api, "/entities/contacts/records", limit="20")
    assert sorted(each["contact_id"] for page in pages for each in page) == [f"c{number}" for number in range(300, 330)]
    assert queries["Query"] <= 2 * SHARDS


def test_a_page_ends_however_many_records_were_deleted(
    api: Api, queries: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_QUERIES", 10)
    monkeypatch.setattr(records, "MAX_SCANNED", 20)
    entity = api.put_contacts()
    put_items(api, entity, 0, range(600), _gone=2_000_000_000)
    put_items(api, entity, 1, range(3))
    pages, queries_of_pages, token = [], [], ""
    while token is not None:
        queries.clear()
        answer = api(
            "GET", "/entities/contacts/records", query={"limit": "10"} | ({"nextToken": token} if token else {})
        )
        pages.append(answer.json["items"])
        queries_of_pages.append(queries["Query"])
        token = answer.json["nextToken"]
    assert pages[0] == []
    assert max(queries_of_pages) <= 10
    assert [each["contact_id"] for page in pages for each in page] == ["c0", "c1", "c2"]


def test_a_key_is_not_changed_when_it_cannot_be_told_whether_there_are_records(
    api: Api, queries: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_QUERIES", 10)
    api.put_contacts()
    queries.clear()
    body = CONTACTS | {"schema": CONTACTS_SCHEMA | {"primaryKey": ["email"]}}
    answer = api("PUT", "/entities/contacts", ADMIN, body=body)
    assert (answer.status, queries["Query"]) == (409, 10)
    assert "deleted within the last 31 days" in answer.json["detail"]


def test_lists_of_long_definitions(api: Api) -> None:
    api.put_contacts()
    columns = {f'Имя "{number}" {"ж" * 90}': "email" for number in range(900)}
    for number in range(40):
        api.put_contacts(f"e{number:02}", columns=columns)
    names = [each["name"] for page in all_pages(api, "/entities") for each in page]
    assert names == ["contacts", *(f"e{number:02}" for number in range(40))]


def test_lists_of_long_exports(api: Api) -> None:
    api.put_contacts()
    domain = f"{'b' * 60}.example.com"
    object.__setattr__(api.services.settings, "recipient_domains", domain)
    recipients = [f"{'a' * 60}{number}@{domain}" for number in range(50)]
    made = [api("POST", "/exports", ADMIN, body=EXPORT | {"recipients": recipients}).json for _ in range(3)]
    pages = all_pages(api, "/exports")
    assert sorted(each["exportId"] for page in pages for each in page) == sorted(each["exportId"] for each in made)


def test_lists_of_jobs_with_long_messages(api: Api) -> None:
    api.put_contacts()
    jobs = [api.add_finished(file_name='"' * 100_000) for _ in range(16)]
    pages = all_pages(api, "/jobs")
    assert len(pages) > 1
    assert sorted(each["jobId"] for page in pages for each in page) == sorted(job.job_id for job in jobs)


def test_errors_with_long_cells(api: Api) -> None:
    api.put_contacts()
    job = api.add_finished()
    header = "rowNumber,fieldNumber,fieldName,type,cell,message\r\n"
    name, cell = "\x01" * 20_000, "\\" * 20_000
    rows = "".join(f"{row},3,{name},type-error,{cell},no number\r\n" for row in range(2, 102))
    api.services.files.put("files-bucket", f"jobs/{job.job_id}/error-log.csv", (header + rows).encode())
    api.services.files.put("files-bucket", f"jobs/{job.job_id}/summary.json", json.dumps([]).encode())
    pages = all_pages(api, f"/jobs/{job.job_id}/errors")
    assert [each["rowNumber"] for page in pages for each in page] == [*range(2, 102)]
    assert len(pages) > 1
