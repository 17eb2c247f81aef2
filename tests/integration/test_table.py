"""The table class, on moto and on dynalite: repositories read what they wrote, and conditions mean what they say.

dynalite validates requests as AWS does, where moto is more lenient; transactions, which it lacks, are for moto alone.
The requests of all other tests that use moto are validated by it too (`tests.strict_dynamodb`).
"""

from __future__ import annotations

import json
import tracemalloc
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests import builders
from tests.strict_dynamodb import SecondOpinion
from waybill.aws.dynamodb import ConditionFailed, DynamoDBError, TransactionCanceled, from_attributes, to_attributes
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Table, batch_get
from waybill.bootstrap import Services

#: All of them are reserved: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html.
RESERVED = {"status": "new", "name": "x", "total": 1, "process": "IMPORT", "values": [1], "size": {"count": 2}}


@pytest.fixture(params=["moto", "dynalite"])
def table(request: pytest.FixtureRequest, clock: builders.Clock) -> Iterator[Table]:
    if request.param == "moto":
        yield request.getfixturevalue("services").jobs_table
        return
    url = request.getfixturevalue("dynalite_url")
    names = {name: f"{name}-{uuid.uuid4()}" for name in ("jobs_table", "records_table", "catalog_table")}
    wanted = builders.settings(url, **names)
    builders.create_tables(url, wanted)
    services = Services(wanted, clock)
    yield services.jobs_table
    services.dynamodb.close()


def put(table: Table, sort_key: str, **attributes: Any) -> None:
    table.put({"pk": "P", "sk": sort_key, **attributes})


def test_an_item_comes_back_as_it_was_put(table: Table) -> None:
    item = {"pk": "P", "sk": "S", **RESERVED}
    assert table.get(("P", "S")) is None
    assert table.put(item) is None
    assert table.get(("P", "S")) == item
    assert table.put({"pk": "P", "sk": "S"}) == item, "the one that it replaces"
    table.delete(("P", "S"))
    assert table.get(("P", "S")) is None


def test_an_update_sets_defaults_adds_and_removes_whatever_the_names(table: Table) -> None:
    put(table, "S", **RESERVED)
    change = Change(
        sets={"status": "done", "size.count": 3, "size.-1": {"a": 1}},
        defaults={"name": "y", "user": "z"},
        adds={"total": 2, "count": 5},
        removes=["values"],
    )
    changed = table.update(("P", "S"), change, Attr("status").equals("new"))
    assert changed == table.get(("P", "S"))
    assert changed == {
        "pk": "P", "sk": "S", "status": "done", "name": "x", "total": 3, "process": "IMPORT",
        "size": {"count": 3, "-1": {"a": 1}}, "user": "z", "count": 5,
    }  # fmt: skip
    with pytest.raises(ConditionFailed):
        table.update(("P", "S"), change, Attr("status").equals("new"))


CONDITIONS = [
    (Attr("status").equals("new"), True),
    (Attr("size.count").equals(3), False),
    (Attr("size.count").equals(2), True),
    (Attr("status").is_in("old", "new"), True),
    (Attr("status").is_in("old"), False),
    (Attr("total").at_most(1), True),
    (Attr("total").at_most(0), False),
    (Attr("name").exists(), True),
    (Attr("user").exists(), False),
    (Attr("user").is_missing(), True),
    (~Attr("user").is_missing(), False),
    (Attr("name").exists() & Attr("user").exists(), False),
    (Attr("name").exists() | Attr("user").exists(), True),
    # A disjunction holds together within a conjunction, on either side, and within a negation.
    ((Attr("name").exists() | Attr("user").exists()) & Attr("user").exists(), False),
    (Attr("user").exists() & (Attr("user").exists() | Attr("name").exists()), False),
    (~(Attr("name").exists() | Attr("user").exists()), False),
    (~(Attr("name").exists() & Attr("user").exists()), True),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS)
def test_conditions_let_pass_what_they_say(table: Table, condition: Condition, holds: bool) -> None:
    put(table, "S", **RESERVED)
    if holds:
        table.delete(("P", "S"), condition)
        assert table.get(("P", "S")) is None
    else:
        with pytest.raises(ConditionFailed):
            table.put({"pk": "P", "sk": "S"}, condition)
        assert table.get(("P", "S")) == {"pk": "P", "sk": "S", **RESERVED}


def test_a_condition_that_fails_returns_the_item(services: Services) -> None:
    """dynalite knows no `ReturnValuesOnConditionCheckFailure`."""
    put(services.jobs_table, "S", **RESERVED)
    with pytest.raises(ConditionFailed) as failed:
        services.jobs_table.put({"pk": "P", "sk": "S"}, Attr("user").exists())
    assert from_attributes(failed.value.item or {}) == {"pk": "P", "sk": "S", **RESERVED}


@pytest.mark.parametrize("item", [{"sk": ""}, {"sk": "S", "text": "x" * 410_000}], ids=["key", "size"])
def test_what_aws_refuses_is_an_error_that_no_retry_mends(table: Table, item: dict[str, Any]) -> None:
    """Keys of no characters, and items of more than 400 KB."""
    with pytest.raises(DynamoDBError) as refused:
        table.put({"pk": "P", **item})
    assert (refused.value.code, refused.value.retryable) == ("ValidationException", False)


def sort_keys(items: list[dict[str, Any]]) -> list[str]:
    return [item["sk"] for item in items]


def test_queries_page_in_order(table: Table) -> None:
    for number in range(7):
        put(table, f"{'ab'[number % 2]}#{number}", value="x")
    assert sort_keys(table.query("P", prefix="b#").items) == ["b#1", "b#3", "b#5"]
    assert sort_keys(table.query("P", up_to="a#4").items) == ["a#0", "a#2", "a#4"]
    assert table.query("P", prefix="b#", keys_only=True).items[0] == {"pk": "P", "sk": "b#1"}
    first = table.query("P", limit=3, newest_first=True)
    assert sort_keys(first.items) == ["b#5", "b#3", "b#1"]
    assert first.last == {"pk": "P", "sk": "b#1"}
    assert sort_keys(table.query("P", limit=3, newest_first=True, after=first.last).items) == ["a#6", "a#4", "a#2"]
    assert [sort_keys(items) for items in table.pages("P", prefix="a#", limit=3)][:2] == [
        ["a#0", "a#2", "a#4"],
        ["a#6"],
    ]
    assert table.query("nothing").items == [] and table.query("nothing").last is None


def test_many_items_are_read_in_the_order_asked_for(table: Table) -> None:
    for number in range(120):
        put(table, f"{number:03d}")
    wanted = [f"{number:03d}" for number in (*range(119, -1, -1), 7, 500)]
    assert sort_keys(table.get_many([("P", key) for key in wanted])) == wanted[:-1]
    assert table.get_many([]) == []


def test_a_throttled_batch_is_read_to_its_end(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        put(services.jobs_table, str(number), value=number)
    call, pauses = services.dynamodb.call, []

    def throttled(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        body = request["RequestItems"]["jobs"]
        answer = call(operation, {"RequestItems": {"jobs": {**body, "Keys": body["Keys"][:2]}}})
        unread = {**body, "Keys": body["Keys"][2:]}
        return {**answer, "UnprocessedKeys": {"jobs": unread} if unread["Keys"] else {}}

    monkeypatch.setattr(services.dynamodb, "call", throttled)
    services.clock.on_sleep = pauses.append  # type: ignore[attr-defined]
    keys = [to_attributes({"pk": "P", "sk": str(number)}) for number in range(5)]
    items = [from_attributes(item) for item in batch_get(services.dynamodb, "jobs", keys, ["sk", "value"])]
    assert sorted(items, key=str) == [{"sk": str(number), "value": number} for number in range(5)]
    assert len(pauses) == 2


def test_items_of_a_batch_are_made_one_by_one(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 items whose JSON is 20 KB, and which are some 500 KB as objects."""
    keys = [to_attributes({"pk": "P", "sk": f"\u00e4, {number}: ]}}"}) for number in range(40)]
    items = [{**key, "marks": {"L": [{"N": "1"}] * 2_000}, "none": {"L": []}} for key in keys]
    unread = {"jobs": {"Keys": keys[20:], "ConsistentRead": True}}
    answers = [
        json.dumps({"UnprocessedKeys": unread, "Responses": {"jobs": items[:10]}, "ConsumedCapacity": [{}]}).encode(),
        json.dumps({"Responses": {"jobs": items[10:]}, "UnprocessedKeys": {}}, separators=(",", ":")).encode(),
    ]
    asked: list[Any] = []
    size = sum(map(len, answers))

    def call_bytes(operation: str, request: dict[str, Any]) -> bytes:
        asked.append(request["RequestItems"]["jobs"]["Keys"])
        return answers.pop(0)

    monkeypatch.setattr(services.dynamodb, "call_bytes", call_bytes)
    found = batch_get(services.dynamodb, "jobs", keys, one_by_one=True)
    tracemalloc.start()
    try:
        for number in range(40):
            item = next(found)
            assert item == items[number]
            del item
        assert next(found, None) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert asked == [keys, keys[20:]]
    assert peak < 3 * size < 3_000_000


@pytest.mark.parametrize("count", [0, 3])
def test_one_by_one_or_not_a_batch_is_the_same(services: Services, count: int) -> None:
    for number in range(count):
        put(services.jobs_table, str(number), value=number)
    keys = [to_attributes({"pk": "P", "sk": str(number)}) for number in range(5)]
    found = [list(batch_get(services.dynamodb, "jobs", keys, one_by_one=one_by_one)) for one_by_one in (False, True)]
    assert len(found[0]) == count and sorted(found[0], key=str) == sorted(found[1], key=str)


def test_a_batch_that_nobody_answers_is_given_up_for_the_retry_of_the_step(
    services: Services, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.forward(seconds=seconds)

    monkeypatch.setattr(services.dynamodb, "call", throttled)
    clock.on_sleep = sleep
    with pytest.raises(DynamoDBError) as refused:
        list(batch_get(services.dynamodb, "jobs", [to_attributes({"pk": "P", "sk": "1"})]))
    assert refused.value.retryable and refused.value.code == "UnprocessedKeys"
    assert 60 <= sum(pauses) < 70


def test_a_transaction_is_applied_whole_once_or_not_at_all(services: Services) -> None:
    table, catalog = services.jobs_table, services.catalog_table
    put(table, "total", count=1, leases={"3": "mine"})
    put(table, "old")
    catalog.put({"pk": "C", "sk": "S", "uid": "1"})

    def actions(uid: str) -> list[dict[str, Any]]:
        return [
            table.put_action({"pk": "P", "sk": "new"}, Attr("pk").is_missing()),
            table.update_action(("P", "total"), Change(adds={"count": 2}, removes=["leases.3"])),
            table.delete_action(("P", "old")),
            catalog.check_action(("C", "S"), Attr("uid").equals(uid)),
        ]

    with pytest.raises(TransactionCanceled) as canceled:
        table.transact(actions("2"))
    assert canceled.value.failed_conditions == [3]
    assert sort_keys(table.query("P").items) == ["old", "total"]
    table.transact(actions("1"))
    assert table.query("P").items == [{"pk": "P", "sk": "new"}, {"pk": "P", "sk": "total", "count": 3, "leases": {}}]


@pytest.mark.parametrize("operation", ["UpdateItem", "TransactWriteItems"])
def test_a_request_that_only_moto_takes_fails_its_test(
    services: Services, second_opinion: SecondOpinion, operation: str
) -> None:
    """The fixture `services` asks for what dynalite refused."""
    update: dict[str, Any] = {
        "TableName": services.settings.jobs_table,
        "Key": {"pk": {"S": "P"}, "sk": {"S": operation}},
        "UpdateExpression": f"SET status = :status REMOVE of{operation}",  # a reserved word
        "ExpressionAttributeValues": {":status": {"S": "new"}},
    }
    request = update if operation == "UpdateItem" else {"TransactItems": [{"Update": update}]}
    second_opinion.see(f"DynamoDB_20120810.{operation}", json.dumps(request).encode())
    (refused,) = second_opinion.refused
    assert "reserved keyword: status" in refused
    second_opinion.refused.clear()
