"""moto without what makes it slow (`tests.fast_moto`) does and answers what moto itself does."""

from __future__ import annotations

import copy
from typing import Any

import boto3
import moto.dynamodb.models
import pytest
from botocore.exceptions import ClientError
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models import DynamoDBBackend

from tests import builders, fast_moto

ITEM: dict[str, Any] = {
    "pk": {"S": "P"},
    "sk": {"S": "a"},
    "text": {"S": ""},
    "number": {"N": "-1.50"},
    "bytes": {"B": b"\0\xff"},
    "yes": {"BOOL": False},
    "nothing": {"NULL": True},
    "map": {"M": {"list": {"L": [{"N": "1"}, {"B": b"x"}, {"M": {}}]}, "none": {"L": []}}},
    "texts": {"SS": ["b", "a"]},
    "numbers": {"NS": ["2", "1"]},
    "binaries": {"BS": [b"b"]},
}
OTHER = {"pk": {"S": "P"}, "sk": {"S": "b"}, "number": {"N": "1"}}


@pytest.fixture(params=["fast", "moto's own"])
def dynamodb(request: pytest.FixtureRequest, empty_moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param != "fast":
        monkeypatch.setattr(BaseJSONSerializer, "_serialize_type_structure", fast_moto._structure)
        monkeypatch.setattr(DynamoDBBackend, "transact_write_items", fast_moto._transact)
        monkeypatch.setattr(moto.dynamodb.models, "copy", copy)
    builders.create_tables(empty_moto_url, builders.settings(empty_moto_url))
    return boto3.client("dynamodb", endpoint_url=empty_moto_url, region_name="us-east-1")


def test_values_of_every_type_come_back_as_they_were_put(dynamodb: Any) -> None:
    dynamodb.put_item(TableName="jobs", Item=ITEM)
    assert dynamodb.get_item(TableName="jobs", Key={"pk": ITEM["pk"], "sk": ITEM["sk"]})["Item"] == ITEM
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "P"}}}
    assert dynamodb.query(TableName="jobs", **query)["Items"] == [ITEM]
    old = dynamodb.put_item(TableName="jobs", Item={**ITEM, "text": {"S": "new"}}, ReturnValues="ALL_OLD")
    assert old["Attributes"] == ITEM


def test_a_refused_transaction_changes_nothing(dynamodb: Any) -> None:
    """Items of one partition, of a new one, and what an update changes in place."""
    for item in (ITEM, OTHER):
        dynamodb.put_item(TableName="jobs", Item=item)
    before = dynamodb.scan(TableName="jobs")["Items"]
    add = {"UpdateExpression": "ADD #n :one", "ExpressionAttributeNames": {"#n": "number"}}
    values = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
    keys = [{"pk": {"S": "P"}, "sk": item["sk"]} for item in (ITEM, OTHER)]
    writes: list[Any] = [{"Update": {"TableName": "jobs", "Key": key, **add, **values}} for key in keys]
    writes.append({"Put": {"TableName": "jobs", "Item": {"pk": {"S": "P"}, "sk": {"S": "c"}}}})
    writes.append({"Put": {"TableName": "jobs", "Item": {"pk": {"S": "Q"}, "sk": {"S": "a"}}}})
    check = {"Key": {"pk": {"S": "R"}, "sk": {"S": "a"}}, "ConditionExpression": "attribute_exists(pk)"}
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.transact_write_items(TransactItems=[*writes, {"ConditionCheck": {"TableName": "jobs", **check}}])
    assert dynamodb.scan(TableName="jobs")["Items"] == before
    dynamodb.transact_write_items(TransactItems=writes)
    after = {
        (item["pk"]["S"], item["sk"]["S"]): item.get("number") for item in dynamodb.scan(TableName="jobs")["Items"]
    }
    assert after == {("P", "a"): {"N": "-0.50"}, ("P", "b"): {"N": "2"}, ("P", "c"): None, ("Q", "a"): None}
