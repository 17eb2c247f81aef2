"""An entity over an existing table, through the workflows: every mode, read back through the API."""

from __future__ import annotations

from typing import Any

from infra.local.stack import LocalStack
from tests.builders import CONTACTS_SCHEMA, contacts_csv
from tests.e2e.client import Client
from tests.e2e.conftest import TARGET_TABLE
from tests.e2e.test_import_actions import start_upload

KEYS = b"contact_id\n"


def test_every_mode_works_on_a_table_of_theirs(stack: LocalStack, admin: Client) -> None:
    dynamodb = stack.clients("dynamodb")
    dynamodb.create_table(
        TableName=TARGET_TABLE,
        KeySchema=[{"AttributeName": "contact_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "contact_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    target = {"table": TARGET_TABLE, "modifiedAttribute": "modified_at"}
    answer = admin.call("PUT", "/entities/theirs", json={"schema": CONTACTS_SCHEMA, "target": target})
    assert answer.status_code == 201, answer.text

    def run(data: bytes, **options: Any) -> tuple[str, int, int]:
        job = admin.wait(start_upload(admin, "theirs", data, **options)["jobId"])
        return job["outcome"], job["counts"]["imported"], job["counts"]["rejected"]

    assert run(contacts_csv(count=3_000)) == ("SUCCESS", 3_000, 0)
    assert run(contacts_csv(count=3_100), mode="insert") == ("PARTIAL_SUCCESS", 100, 3_000)
    assert run(b"contact_id,spend\nc000001,42\nnobody,1\n", mode="update") == ("PARTIAL_SUCCESS", 1, 1)
    assert run(KEYS + b"c000000\nc003099\nnobody\n", mode="delete") == ("PARTIAL_SUCCESS", 2, 1)
    assert run(contacts_csv(count=1), mode="insert", dryRun=True) == ("SUCCESS", 1, 0)
    items = {item["contact_id"]["S"]: item for item in _all_items(dynamodb)}
    assert len(items) == 3_098 and "c000000" not in items
    assert items["c000001"]["spend"] == {"N": "42"} and items["c000001"]["email"] == {"S": "a@example.com"}
    assert all("modified_at" in item and "_by" not in item for item in items.values())
    page = admin.get("/entities/theirs/records", limit=100)
    assert len(page["items"]) == 100 and page["nextToken"]


def _all_items(dynamodb: Any) -> list[dict[str, Any]]:
    pages = dynamodb.get_paginator("scan").paginate(TableName=TARGET_TABLE)
    return [item for page in pages for item in page["Items"]]
