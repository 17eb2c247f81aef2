"""The DynamoDB in memory answers as moto does: what the product asks in a simulated run, and a table of expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests import builders
from tests.builders import template
from tests.simulation.dynamodb import Server, template_schemas
from tests.simulation.world import World
from waybill.aws.dynamodb import to_attributes

TABLES = {"JobsTable": "jobs", "RecordsTable": "records", "CatalogTable": "catalog"}


@pytest.fixture
def moto() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        for logical, name in TABLES.items():
            properties = template()["Resources"][logical]["Properties"]
            kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
            client.create_table(TableName=name, **{key: properties[key] for key in kept if key in properties})
        yield client


def ask(moto: Any, operation: str, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """moto's answer: "" or an error's code, and what counts of the content."""
    methods = {
        "GetItem": moto.get_item, "PutItem": moto.put_item, "UpdateItem": moto.update_item,
        "DeleteItem": moto.delete_item, "Query": moto.query, "Scan": moto.scan,
        "BatchGetItem": moto.batch_get_item, "BatchWriteItem": moto.batch_write_item,
        "TransactWriteItems": moto.transact_write_items,
    }  # fmt: skip
    try:
        return "", essence(methods[operation](**request))
    except ClientError as error:
        return error.response["Error"]["Code"], essence(error.response)


def answer(server: Server, operation: str, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    status, found = server.handle(operation, request)
    return "" if status == 200 else found["__type"].rpartition("#")[2], essence(found)


def essence(content: dict[str, Any]) -> dict[str, Any]:
    kept = {name: content[name] for name in ("Item", "Items", "Attributes", "Count", "Responses") if name in content}
    if "CancellationReasons" in content:
        kept["reasons"] = [reason["Code"] for reason in content["CancellationReasons"]]
    for items in kept.get("Responses", {}).values():
        items.sort(key=str)
    return kept


def test_moto_answers_every_request_of_a_simulated_run_the_same(moto: Any) -> None:
    world = World(seed=5)
    asked: list[tuple[str, Any, Any]] = []
    handle = world.server.handle

    def record(operation: str, request: Any) -> Any:
        found = handle(operation, request)
        asked.append((operation, request, found))
        return found

    world.server.handle = record  # type: ignore[method-assign]
    with world.open():
        world.add_entity()
        world.drop("contacts", "a.csv", builders.contacts_csv([{"spend": "none"}], count=40), mode="merge")
        world.drop("contacts", "b.csv", builders.contacts_csv(count=30), mode="update")
        world.drop("contacts", "c.csv", builders.contacts_csv(count=30), on_error="all-or-nothing")
        world.tick_every_minute(200)
        world.timeline.at(6.0, lambda: world.request("GET", "/v1/jobs"))
        world.run(200)
        world.server.expire(builders.START.timestamp() + 10 * 86_400)
    assert len(asked) > 140
    for operation, request, (status, found) in asked:
        code = "" if status == 200 else found["__type"].rpartition("#")[2]
        assert ask(moto, operation, request) == (code, essence(found)), (operation, request)


KEY = to_attributes({"pk": "p", "sk": "s"})
ITEM = {
    "pk": "p", "sk": "s", "n": 5, "text1": "abc", "flag1": True, "none1": None, "tags1": {"a", "b"}, "list1": ["x", 2],
    "map1": {"nest": {"deep": 1}, "text1": "t"}, "due1": "2026-01-31",
}  # fmt: skip
CONDITIONS = [
    "n = :n", "n <> :n", "n < :n", "n <= :n", "n > :six", "n >= :n", "text1 = :n", "text1 <> :n", "gone = :n",
    "gone <> :n", "gone < :n", "n BETWEEN :n AND :six", "text1 BETWEEN :a AND :b", "n IN (:six, :n)", "n IN (:six)",
    "attribute_exists(n)", "attribute_not_exists(n)", "attribute_exists(gone)", "attribute_not_exists(gone)",
    "attribute_exists(map1.nest.deep)", "attribute_not_exists(map1.gone.deep)", "map1.nest.deep = :one",
    "attribute_type(n, :N)", "attribute_type(text1, :N)", "begins_with(text1, :a)", "begins_with(text1, :b)",
    "contains(text1, :b)", "contains(tags1, :a)", "contains(tags1, :zzz)", "contains(list1, :x)",
    "size(text1) = :three", "size(tags1) > :one", "NOT n = :n", "NOT (n = :n OR text1 = :a)",
    "n = :n AND text1 = :a OR flag1 = :true", "n = :n AND (text1 = :a OR flag1 = :true)",
    "NOT attribute_exists(gone) AND n = :n", "none1 = :null", "list1[1] = :two", "list1[0] = :x", "due1 <= :a",
    "#p = :n AND #q.#r.deep = :one", "n = :five",
]  # fmt: skip
VALUES = {
    ":n": 5, ":six": 6, ":one": 1, ":two": 2, ":three": 3, ":a": "a", ":b": "b", ":x": "x", ":zzz": "zzz", ":N": "N",
    ":true": True, ":null": None,
}  # fmt: skip
UPDATES = [
    "SET n = :n", "SET n = n + :one", "SET n = n - :six", "SET fresh = if_not_exists(fresh, :one)",
    "SET n = if_not_exists(n, :one)", "SET n = if_not_exists(gone, :one) + :two", "SET map1.nest.deep = :n, text1 = :b",
    "SET map1.fresh = :n", "SET gone.nest = :n", "SET list1[1] = :x", "SET text1 = gone", "REMOVE n",
    "REMOVE map1.nest", "REMOVE gone, text1", "REMOVE map1.gone", "ADD n :six", "ADD fresh :six", "ADD tags1 :more",
    "DELETE tags1 :more", "SET text1 = :b, map1.nest.deep = :six REMOVE flag1 ADD n :one", "ADD map1.nest.deep :one",
    "SET #q.#r.deep = :one", "SET list1 = list_append(list1, :list)",
]  # fmt: skip


def used(text: str) -> dict[str, Any]:
    """The placeholders of an expression."""
    words = {word.strip("(),[]") for word in text.replace(".", " ").replace("(", " ").split()}
    values = {**VALUES, ":five": 5, ":more": {"b", "c"}, ":list": ["z"]}
    names = {"#p": "n", "#q": "map1", "#r": "nest"}
    request: dict[str, Any] = {
        "ExpressionAttributeValues": to_attributes({name: values[name] for name in words & values.keys()}),
        "ExpressionAttributeNames": {name: names[name] for name in words & names.keys()},
    }
    return {member: content for member, content in request.items() if content}


def servers(moto: Any, item: dict[str, Any]) -> Server:
    server = Server({name: template_schemas()[logical] for logical, name in TABLES.items()}, lambda: 0.0)
    request = {"TableName": "jobs", "Item": to_attributes(item)}
    assert server.handle("PutItem", request)[0] == 200
    moto.put_item(**request)
    return server


def test_conditions_hold_as_they_do_in_moto(moto: Any) -> None:
    server = servers(moto, ITEM)
    held = set()
    for text in CONDITIONS:
        request = {"TableName": "jobs", "Key": KEY, "ConditionExpression": text, **used(text)}
        check = {"TransactItems": [{"ConditionCheck": request}], "ClientRequestToken": text[:36]}
        found = answer(server, "TransactWriteItems", check)
        assert found == ask(moto, "TransactWriteItems", check), text
        held.add(found[0])
    assert held == {"", "TransactionCanceledException"}


def test_updates_leave_what_they_leave_in_moto(moto: Any) -> None:
    for text in UPDATES:
        server = servers(moto, ITEM)
        request = {"TableName": "jobs", "Key": KEY, "UpdateExpression": text, "ReturnValues": "ALL_NEW", **used(text)}
        ours, theirs = answer(server, "UpdateItem", request), ask(moto, "UpdateItem", request)
        for found in (ours, theirs):
            if "tags1" in found[1].get("Attributes", {}):
                found[1]["Attributes"]["tags1"]["SS"].sort()
        assert ours == theirs, text


def test_what_the_server_does_not_understand_is_no_pass(moto: Any) -> None:
    server = servers(moto, ITEM)
    for text in ("n == :n", "unknown(n)", "n = :n AND", "((n = :n))", "n", "n = :n n = :n", "n ! :n"):
        with pytest.raises(AssertionError):
            server.handle("DeleteItem", {"TableName": "jobs", "Key": KEY, "ConditionExpression": text, **used(text)})
    with pytest.raises(AssertionError, match="unused"):
        values = {":n": {"N": "1"}, ":m": {"N": "2"}}
        text = "n = :n"
        request = {"ConditionExpression": text, "ExpressionAttributeValues": values}
        server.handle("DeleteItem", {"TableName": "jobs", "Key": KEY, **request})
    with pytest.raises(AssertionError, match="overlap"):
        server.handle("UpdateItem", {"TableName": "jobs", "Key": KEY, "UpdateExpression": "REMOVE map1, map1.nest"})
    with pytest.raises(AssertionError, match="no CreateTable"):
        server.handle("CreateTable", {})


def test_pages_follow_each_other_and_indexes_show_the_newest(moto: Any) -> None:
    server = servers(moto, ITEM)
    for number in range(7):
        item = {"pk": "list", "sk": f"{number}", "listKey": "k", "listSort": f"t{9 - number // 2}", "other": number}
        server.handle("PutItem", {"TableName": "jobs", "Item": to_attributes(item)})
        moto.put_item(TableName="jobs", Item=to_attributes(item))
    names = {"#pk": "pk"}
    request: dict[str, Any] = {
        "TableName": "jobs",
        "KeyConditionExpression": "#pk = :pk AND sk > :sk",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_attributes({":pk": "list", ":sk": "1"}),
        "Limit": 2,
    }
    for forward in (True, False):
        start: dict[str, Any] = {}
        pages = []
        while True:
            page = {**request, "ScanIndexForward": forward, **start}
            assert answer(server, "Query", page) == ask(moto, "Query", page)
            _, found = server.handle("Query", page)
            pages.append([item["sk"]["S"] for item in found["Items"]])
            if "LastEvaluatedKey" not in found:
                break
            start = {"ExclusiveStartKey": found["LastEvaluatedKey"]}
        assert pages[:2] == ([["2", "3"], ["4", "5"]] if forward else [["6", "5"], ["4", "3"]])
    index = {
        "TableName": "jobs",
        "IndexName": "newest",
        "KeyConditionExpression": "listKey = :k",
        "ExpressionAttributeValues": to_attributes({":k": "k"}),
        "ScanIndexForward": False,
    }
    seen: list[str] = []
    start = {}
    while True:
        _, found = server.handle("Query", {**index, "Limit": 3, **start})
        seen += [item["sk"]["S"] for item in found["Items"]]
        assert all(item.keys() == {"pk", "sk", "listKey", "listSort"} for item in found["Items"])
        if "LastEvaluatedKey" not in found:
            break
        start = {"ExclusiveStartKey": found["LastEvaluatedKey"]}
    assert sorted(seen) == list("0123456") and seen[:2] == ["1", "0"]


def test_a_transaction_holds_its_items_and_its_token_applies_it_once() -> None:
    seconds = [0.0]
    server = Server({name: template_schemas()[logical] for logical, name in TABLES.items()}, lambda: seconds[0])
    add = {"TableName": "jobs", "Key": KEY, "UpdateExpression": "ADD n :one",
           "ExpressionAttributeValues": {":one": {"N": "1"}}}  # fmt: skip
    request = {"TransactItems": [{"Update": add}], "ClientRequestToken": "token"}
    other = {**request, "ClientRequestToken": "other"}
    assert server.hold(request) is None
    collision = server.hold(other)
    assert collision is not None and collision[1]["CancellationReasons"] == [{"Code": "TransactionConflict"}]
    assert server.handle("UpdateItem", add)[1]["__type"].endswith("TransactionConflictException")
    server.release(request)
    for _ in range(2):
        assert server.handle("TransactWriteItems", request)[0] == 200
    assert server.tables["jobs"].get(("p", "s")) == {**KEY, "n": {"N": "1"}}
    changed = {**request, "TransactItems": [{"Delete": {"TableName": "jobs", "Key": KEY}}]}
    assert server.handle("TransactWriteItems", changed)[1]["__type"].endswith("IdempotentParameterMismatchException")
    seconds[0] = 700.0
    server.handle("TransactWriteItems", request)
    assert server.tables["jobs"].get(("p", "s")) == {**KEY, "n": {"N": "2"}}
