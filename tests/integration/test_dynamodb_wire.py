"""The wire against a DynamoDB that keeps what it gets (moto): writes, conditions, transactions, paging."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from waybill.aws.dynamodb import (
    BatchWriter,
    ConditionalWriter,
    ConditionFailed,
    DynamoDB,
    DynamoDBError,
    ItemTooLarge,
    TransactionCanceled,
    from_attributes,
    to_attributes,
)
from waybill.aws.sigv4 import Credentials

TABLE = "records"


NEW_TABLE = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
}


def wire(url: str) -> DynamoDB:
    return DynamoDB("us-east-1", url, credentials=lambda: Credentials("testing", "testing"))


@pytest.fixture
def dynamodb(empty_moto_url: str) -> Iterator[DynamoDB]:
    client = wire(empty_moto_url)
    client.call("CreateTable", NEW_TABLE)
    yield client
    client.close()


def test_an_update_that_makes_an_item_too_large_is_refused_alone(dynalite_url: str) -> None:
    """On dynalite: moto adds what a field had to what it gets, and would refuse what is sent again as well."""
    client, table = wire(dynalite_url), "grown"
    client.call("CreateTable", {**NEW_TABLE, "TableName": table})

    def update(sk: str, field: str, size: int) -> bytes:
        request = {
            "TableName": table,
            "Key": to_attributes({"pk": "p", "sk": sk}),
            "UpdateExpression": "SET #f = :f",
            "ExpressionAttributeNames": {"#f": field},
            "ExpressionAttributeValues": {":f": {"S": "x" * size}},
        }
        return json.dumps(request).encode()

    with ConditionalWriter(client, "UpdateItem", connections=2) as writer:
        writer.write([update("large", "a", 350_000), update("small", "a", 1)])
        writer.flush()
        for _ in range(2):  # whatever is sent again has the same answer
            writer.write(
                [update("large", "a", 350_000), update("large", "b", 200_000), update("small", "b", 2)], [1, 2, 3]
            )
            writer.flush()
            assert [(tag, type(reason)) for tag, reason in writer.take_refused()] == [(2, ItemTooLarge)]
    assert writer.acknowledged == 6 and not writer.unacknowledged()
    client.close()


def put_request(item: dict[str, Any]) -> bytes:
    return json.dumps({"PutRequest": {"Item": to_attributes(item)}}, ensure_ascii=False).encode()


def get(dynamodb: DynamoDB, pk: str, sk: str) -> dict[str, Any] | None:
    answer = dynamodb.call(
        "GetItem", {"TableName": TABLE, "Key": to_attributes({"pk": pk, "sk": sk}), "ConsistentRead": True}
    )
    return from_attributes(answer["Item"]) if "Item" in answer else None


def query(dynamodb: DynamoDB, pk: str, limit: int) -> tuple[list[dict[str, Any]], int]:
    """All items of a partition, and the number of pages it took."""
    items: list[dict[str, Any]] = []
    pages, start = 0, None
    while True:
        answer = dynamodb.call(
            "Query",
            {
                "TableName": TABLE,
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": pk}},
                "Limit": limit,
                **({"ExclusiveStartKey": start} if start else {}),
            },
        )
        pages += 1
        items += [from_attributes(item) for item in answer["Items"]]
        start = answer.get("LastEvaluatedKey")
        if not start:
            return items, pages


def test_all_types_of_values_are_kept(dynamodb: DynamoDB) -> None:
    item = {
        "pk": "p", "sk": "Zoë \u2028 \U0001f600", "code": "007", "count": 12, "amount": Decimal("7.25"), "vip": True,
        "none": None, "raw": b"\x00\xff", "tags": {"a", "b"}, "nested": {"list": [1, "x", {"deep": False}]},
    }  # fmt: skip
    dynamodb.call("PutItem", {"TableName": TABLE, "Item": to_attributes(item)})
    assert get(dynamodb, "p", item["sk"]) == item
    assert get(dynamodb, "p", "other") is None


def test_batches_are_written_and_read_back_page_by_page(dynamodb: DynamoDB) -> None:
    rows = [{"pk": "p", "sk": f"{number:04d}", "name": f'Zoë "{number}" \\'} for number in range(260)]
    with BatchWriter(dynamodb, TABLE, connections=4) as writer:
        writer.write([put_request(row) for row in rows])
        writer.flush()
        writer.write([b'{"DeleteRequest":{"Key":{"pk":{"S":"p"},"sk":{"S":"0007"}}}}'])
    items, pages = query(dynamodb, "p", limit=100)
    assert items == [row for row in rows if row["sk"] != "0007"]
    assert pages >= 3
    assert writer.acknowledged == 261


def test_a_later_write_replaces_the_whole_record(dynamodb: DynamoDB) -> None:
    with BatchWriter(dynamodb, TABLE) as writer:
        writer.write([put_request({"pk": "p", "sk": "s", "old": "x"})])
        writer.flush()
        writer.write([put_request({"pk": "p", "sk": "s", "new": "y"})])
    assert get(dynamodb, "p", "s") == {"pk": "p", "sk": "s", "new": "y"}


def test_two_equal_keys_in_one_batch_are_refused(dynamodb: DynamoDB) -> None:
    same = put_request({"pk": "p", "sk": "s"})
    with pytest.raises(DynamoDBError, match="duplicates") as raised, BatchWriter(dynamodb, TABLE) as writer:
        writer.write([same, same], tags=[2, 3])
    assert raised.value.code == "ValidationException"
    assert writer.unacknowledged() == [2, 3]


def test_an_unknown_table_is_said(dynamodb: DynamoDB) -> None:
    with pytest.raises(DynamoDBError) as raised, BatchWriter(dynamodb, "nowhere") as writer:
        writer.write([put_request({"pk": "p", "sk": "s"})])
    assert raised.value.code == "ResourceNotFoundException"
    assert not raised.value.retryable


def test_a_false_condition_shows_the_item_in_the_way(dynamodb: DynamoDB) -> None:
    request = {
        "TableName": TABLE,
        "Item": to_attributes({"pk": "p", "sk": "s", "attempt": "first"}),
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    dynamodb.call("PutItem", request)
    with pytest.raises(ConditionFailed) as raised:
        dynamodb.call("PutItem", request)
    assert raised.value.item is not None
    assert from_attributes(raised.value.item)["attempt"] == "first"


def transaction(value: int) -> dict[str, Any]:
    """The shape of the chunk ledger: an entry written once, and totals that grow with it."""
    return {
        "TransactItems": [
            {
                "Put": {
                    "TableName": TABLE,
                    "Item": to_attributes({"pk": "job", "sk": "chunk-1", "rows": value}),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            {
                "Update": {
                    "TableName": TABLE,
                    "Key": to_attributes({"pk": "job", "sk": "totals"}),
                    "UpdateExpression": "ADD #rows :rows",
                    "ExpressionAttributeNames": {"#rows": "rows"},
                    "ExpressionAttributeValues": to_attributes({":rows": value}),
                }
            },
        ]
    }


def test_a_transaction_is_applied_once_and_says_why_it_was_not(dynamodb: DynamoDB) -> None:
    dynamodb.call("TransactWriteItems", transaction(25))
    with pytest.raises(TransactionCanceled) as raised:
        dynamodb.call("TransactWriteItems", transaction(25))
    assert [reason["Code"] for reason in raised.value.reasons] == ["ConditionalCheckFailed", "None"]
    totals = get(dynamodb, "job", "totals")
    assert totals is not None
    assert totals["rows"] == 25
