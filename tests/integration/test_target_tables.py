"""Entities whose records live in an existing table: every mode, every retry, reading them back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from tests import builders
from tests.importing import rejected_types, run, start
from waybill.aws.dynamodb import ConditionFailed, DynamoDBError
from waybill.bootstrap import Services
from waybill.entities.model import Target
from waybill.entities.records import has_records, record_page
from waybill.entities.schema import parse_schema
from waybill.entities.targets import check_target
from waybill.errors import InvalidRequest, MalformedRequest, Unavailable
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.finish import finish_import
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.model import Job, Outcome, Status

TABLE = "orders-of-theirs"
SCHEMA = {
    "fields": [
        {"name": "region", "type": "string"},
        {"name": "number", "type": "number"},
        {"name": "_note", "type": "string"},
        {"name": "price", "type": "number"},
        {"name": "tags", "type": "array"},
    ],
    "primaryKey": ["region", "number"],
    "fieldsMatch": "subset",
}
HEADER = "region,number,_note,price,tags\n"
ENTITY = builders.entity("orders", schema=SCHEMA, target=Target(TABLE, "modified_at"))


class Theirs:
    """The table as its owner sees it."""

    def __init__(self, services: Services) -> None:
        client = boto3.resource("dynamodb", endpoint_url=services.settings.aws_endpoint_url, region_name="us-east-1")
        self.table = client.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "region", "KeyType": "HASH"},
                {"AttributeName": "number", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "region", "AttributeType": "S"},
                {"AttributeName": "number", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def items(self, *, without: tuple[str, ...] = ("modified_at",)) -> dict[tuple[str, int], dict[str, Any]]:
        items = self.table.scan(ConsistentRead=True)["Items"]
        return {
            (item["region"], int(item["number"])): {name: item[name] for name in item if name not in without}
            for item in items
        }

    def put(self, region: str, number: int, **values: Any) -> None:
        self.table.put_item(Item={"region": region, "number": number, **values})


@pytest.fixture
def theirs(services: Services) -> Theirs:
    services.entities.put(ENTITY)
    return Theirs(services)


@pytest.fixture
def drop(services: Services, s3: Any, clock: builders.Clock, theirs: Theirs) -> Callable[..., Job]:
    numbers = itertools.count()

    def drop_and_run(rows: str, **metadata: str) -> Job:
        clock.forward(seconds=1)
        data = rows if rows.startswith("region,") else HEADER + rows
        return run(services, start(services, s3, data.encode(), key=f"drop/orders/{next(numbers)}.csv", **metadata))

    return drop_and_run


def counts(job: Job) -> tuple[int | None, int, int, int]:
    return job.counts.total, job.counts.imported, job.counts.rejected, job.counts.unprocessed


def test_upsert_writes_their_key_and_stamps_the_time(services: Services, drop: Any, theirs: Theirs) -> None:
    job = drop('eu,1,first,7.50,"[1, ""a""]"\neu,2,,,\neu,1.0,last,8,\n')
    assert counts(job) == (3, 2, 1, 0)
    assert rejected_types(services, job) == {2: "duplicate-key"}
    assert theirs.items(without=()) == {
        ("eu", 1): {
            "region": "eu",
            "number": 1,
            "_note": "last",
            "price": 8,
            "modified_at": "2026-01-31T09:30:01.000Z",
        },
        ("eu", 2): {"region": "eu", "number": 2, "modified_at": "2026-01-31T09:30:01.000Z"},
    }


def test_insert_refuses_what_is_there(services: Services, drop: Any, theirs: Theirs) -> None:
    theirs.put("eu", 1, price=1, theirs="kept")
    theirs.put("us", 2, _note="same", modified_at="2020")
    job = drop("eu,1.0,new,2,\neu,2,new,,\nus,2,same,,\neu,3,a,,\neu,3,b,,\n", mode="insert")
    assert counts(job) == (5, 2, 3, 0)
    assert rejected_types(services, job) == {2: "exists", 4: "exists", 5: "duplicate-key"}
    assert theirs.items()["eu", 1] == {"region": "eu", "number": 1, "price": 1, "theirs": "kept"}
    assert theirs.items(without=())["eu", 3]["modified_at"] == "2026-01-31T09:30:01.000Z"


def test_update_changes_only_the_columns_of_the_file(services: Services, drop: Any, theirs: Theirs) -> None:
    theirs.put("eu", 1, price=1, _note="note", theirs="kept")
    theirs.put("eu", 2, price=1)
    job = drop("region,number,price\neu,1,99\neu,2,\neu,3,1\n", mode="update")
    assert counts(job) == (3, 2, 1, 0)
    assert rejected_types(services, job) == {4: "not-found"}
    stamp = "2026-01-31T09:30:01.000Z"
    assert theirs.items(without=("region", "number")) == {
        ("eu", 1): {"price": 99, "_note": "note", "theirs": "kept", "modified_at": stamp},
        ("eu", 2): {"modified_at": stamp},
    }


@pytest.mark.parametrize("modified_attribute", ["modified_at", None])
def test_merge_changes_and_creates_and_can_keep_what_is_blank(
    services: Services, drop: Any, theirs: Theirs, modified_attribute: str | None
) -> None:
    entity = services.entities.get("orders")
    services.entities.put(replace(entity, target=Target(TABLE, modified_attribute)))
    theirs.put("eu", 1, price=1, _note="note", theirs="kept")
    theirs.put("eu", 2, price=1)
    job = drop("region,number,price\neu,1,99\neu,2,\neu,3,\neu,4,4\n", mode="merge", blanks="keep")
    stamp = {"modified_at": "2026-01-31T09:30:01.000Z"} if modified_attribute else {}
    expected = {
        ("eu", 1): {"price": 99, "_note": "note", "theirs": "kept", **stamp},
        ("eu", 2): {"price": 1, **stamp},
        ("eu", 4): {"price": 4, **stamp},
    }
    if modified_attribute:
        expected["eu", 3] = stamp
        assert counts(job) == (4, 4, 0, 0)
    else:  # DynamoDB makes no item of an update that sets nothing
        assert rejected_types(services, job) == {3: "constraint-error", 4: "constraint-error"}
    assert theirs.items(without=("region", "number")) == expected
    drop("region,number,price,_note\neu,1,,x\n", mode="merge")
    assert "price" not in theirs.items()["eu", 1]


def test_delete_needs_only_the_key_and_really_deletes(services: Services, drop: Any, theirs: Theirs) -> None:
    for number in (1, 2, 3):
        theirs.put("eu", number, price=number)
    job = drop("region,number\neu,1\neu,3\nus,1\neu,1\n", mode="delete")
    assert counts(job) == (4, 2, 2, 0)
    assert rejected_types(services, job) == {2: "duplicate-key", 4: "not-found"}
    assert set(theirs.items()) == {("eu", 2)}
    assert counts(drop("eu,1,,,\n", mode="insert")) == (1, 1, 0, 0)


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
@pytest.mark.parametrize("mode", ["insert", "merge", "update", "delete"])
def test_an_attempt_that_meets_its_own_writes_counts_them_as_done(
    services: Services, s3: Any, clock: builders.Clock, theirs: Theirs, mode: str, chunk_bytes: int
) -> None:
    """Each chunk is loaded, its commit is lost, the execution is restarted, and each chunk is loaded again."""
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    for number in range(10, 20):
        theirs.put("eu", number)
    rows = HEADER + "".join(f'eu,{number},n,{number}.50,"[1.0, {{""a"": null}}]"\n' for number in range(15))
    job = start(services, s3, rows.encode(), key="drop/orders/x.csv", mode=mode)
    expected = {"insert": (15, 10, 5, 0), "merge": (15, 15, 0, 0)}.get(mode, (15, 5, 10, 0))
    planned = plan_import(services, job.job_id)
    original = services.ledger.commit
    for attempt in range(2):
        for chunk in range(planned["chunks"]):
            precheck_chunk(services, job.job_id, chunk)
        deduplicate_import(services, job.job_id)
        services.ledger.commit = (  # type: ignore[method-assign]
            original if attempt else lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        for chunk in range(planned["chunks"]):
            if attempt:
                load_chunk(services, job.job_id, chunk)
            else:
                with pytest.raises(KeyboardInterrupt):
                    load_chunk(services, job.job_id, chunk)
        clock.forward(seconds=60)
    finish_import(services, job.job_id)
    assert counts(services.jobs.get(job.job_id)) == expected
    assert len(theirs.items()) == {"insert": 20, "merge": 20, "update": 10, "delete": 5}[mode]


@pytest.mark.parametrize("mode", ["merge", "update"])
def test_a_record_that_would_grow_too_large_is_an_error_of_its_row(
    services: Services, drop: Any, theirs: Theirs, mode: str
) -> None:
    theirs.put("eu", 1, price=1)
    theirs.put("eu", 2, of_theirs="x" * 300_000)
    job = drop(f"region,number,_note\neu,1,new\neu,2,{'y' * 200_000}\n", mode=mode)
    assert (job.status, counts(job)) == (Status.COMPLETED, (2, 1, 1, 0))
    assert rejected_types(services, job) == {3: "record-too-large"}
    assert theirs.items()["eu", 1]["_note"] == "new" and "_note" not in theirs.items()["eu", 2]


@pytest.mark.parametrize(("mode", "outcome"), [("insert", "exists"), ("update", "not-found"), ("delete", None)])
def test_what_others_do_between_check_and_write_is_not_overwritten(
    services: Services, s3: Any, theirs: Theirs, mode: str, outcome: str | None
) -> None:
    if mode != "insert":
        theirs.put("eu", 1, price=5)
    job = start(services, s3, f"{HEADER}eu,1,ours,1,\n".encode(), key="drop/orders/x.csv", mode=mode)
    plan_import(services, job.job_id)
    precheck_chunk(services, job.job_id, 0)
    deduplicate_import(services, job.job_id)
    if mode == "insert":
        theirs.put("eu", 1, _note="theirs", price=1)
    else:
        theirs.table.delete_item(Key={"region": "eu", "number": 1})
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (rejected_types(services, job) if job.has_rejects else {}) == ({2: outcome} if outcome else {})
    assert [item["_note"] for item in theirs.items().values()] == (["theirs"] if mode == "insert" else [])


def test_all_or_nothing_and_dry_run_ask_the_table(services: Services, drop: Any, theirs: Theirs) -> None:
    theirs.put("eu", 1, price=1)
    before = theirs.items()
    job = drop("eu,1,,,\neu,2,,,\n", mode="insert", **{"on-error": "all-or-nothing"})
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "rejected-rows", (2, 0, 1, 1))
    assert rejected_types(services, job) == {2: "exists", 3: "stopped"}
    dry = drop("region,number\neu,1\neu,2\n", mode="delete", **{"dry-run": "true"})
    assert (dry.outcome, counts(dry)) == (Outcome.PARTIAL_SUCCESS, (2, 1, 1, 0))
    assert theirs.items() == before
    job = drop("eu,2,,,\neu,3,,,\n", mode="insert", **{"on-error": "all-or-nothing"})
    assert (job.status, counts(job)) == (Status.COMPLETED, (2, 2, 0, 0))


def test_keys_that_the_table_holds_apart_are_two_records(services: Services, drop: Any) -> None:
    """One moment in two time zones is one key of Waybill's own table, but two of theirs."""
    fields = [{"name": "region", "type": "datetime"}, {"name": "number", "type": "integer"}]
    services.entities.put(
        builders.entity("orders", schema={**SCHEMA, "fields": fields}, target=Target(TABLE, "modified_at"))
    )
    job = drop("region,number\n2026-01-31T09:30:00Z,1\n2026-01-31T10:30:00+01:00,1\n2026-01-31T09:30:00Z,1\n")
    assert counts(job) == (3, 2, 1, 0)
    assert rejected_types(services, job) == {2: "duplicate-key"}


def test_records_are_read_page_by_page(services: Services, theirs: Theirs) -> None:
    schema = parse_schema(SCHEMA)
    assert not has_records(services.dynamodb, "records", ENTITY)
    for number in range(25):
        theirs.put("eu", number, price=number, unknown={"a"}, _note=f"{number}")
    assert has_records(services.dynamodb, "records", ENTITY)
    seen, cursor = [], None
    while True:
        items, cursor = record_page(services.dynamodb, "records", ENTITY, schema, 10, cursor)
        assert len(items) <= 10
        seen += items
        if cursor is None:
            break
    assert sorted(item["number"] for item in seen) == list(range(25))
    expected = {"region": "eu", "_note": "3", "number": 3, "price": 3, "tags": None}
    assert next(item for item in seen if item["number"] == 3) == expected


CURSORS = ["", "x", "[]", '{"a":1}', "[" * 100_000, '{"region":' * 50_000, '{"region": {"S": "eu"}}']
CURSORS += ['{"region": {"L": []}, "number": {"N": "3"}}', '{"region": {"S": "eu", "N": "1"}, "number": {"N": "3"}}']


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_of_nobodys_is_refused(services: Services, theirs: Theirs, cursor: str) -> None:
    with pytest.raises(MalformedRequest):
        record_page(services.dynamodb, "records", ENTITY, parse_schema(SCHEMA), 10, cursor)


@pytest.mark.parametrize(
    ("change", "target", "pointers"),
    [
        ({}, Target(TABLE, "modified_at"), []),
        ({"primaryKey": ["number", "region"]}, Target(TABLE), []),
        ({"primaryKey": ["region"]}, Target(TABLE), ["/schema/primaryKey"]),
        ({"primaryKey": []}, Target(TABLE), ["/schema/primaryKey"]),
        ({"fields": [{"name": "region", "type": "integer"}, {"name": "number", "type": "string"}]}, Target(TABLE),
         ["/schema/primaryKey/0", "/schema/primaryKey/1"]),
        ({}, Target(TABLE, "price"), ["/target/modifiedAttribute"]),
        ({}, Target("another"), ["/target/table"]),
    ],
)  # fmt: skip
def test_a_definition_must_fit_the_table(
    services: Services, theirs: Theirs, change: dict[str, Any], target: Target, pointers: list[str]
) -> None:
    entity = builders.entity("orders", schema={**SCHEMA, **change}, target=target)
    try:
        check_target(services.dynamodb, entity, target)
        found = []
    except InvalidRequest as error:
        found = [path for path, _ in error.problems]
    assert found == pointers


def test_an_insert_that_meets_another_record_is_refused_by_the_table_itself(services: Services, theirs: Theirs) -> None:
    """The condition that the sink relies on; the answer holds the record that is there."""
    theirs.put("eu", 1, price=5)
    request = {
        "TableName": TABLE,
        "Item": {"region": {"S": "eu"}, "number": {"N": "1"}},
        "ConditionExpression": "attribute_not_exists(#key)",
        "ExpressionAttributeNames": {"#key": "number"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    with pytest.raises(DynamoDBError) as refused:
        services.dynamodb.call("PutItem", request)
    assert isinstance(refused.value, ConditionFailed) and refused.value.item is not None
    assert refused.value.item["price"] == {"N": "5"}


def test_a_table_whose_key_may_not_be_used_is_named_to_whoever_asks(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(operation: str, request: dict[str, Any]) -> Any:
        resource = f"arn:aws:dynamodb:us-east-1:123456789012:table/{request['TableName']}"
        message = f"User: arn:aws:sts::1:assumed-role/r/f is not authorized to perform: {operation} on: {resource}"
        raise DynamoDBError("AccessDeniedException", message, 400)

    monkeypatch.setattr(services.dynamodb, "call", refused)
    target = ENTITY.target
    assert target is not None
    asking: list[Callable[[], object]] = [
        lambda: check_target(services.dynamodb, ENTITY, target),
        lambda: has_records(services.dynamodb, "records", ENTITY),
        lambda: record_page(services.dynamodb, "records", ENTITY, parse_schema(ENTITY.schema), 10, None),
    ]
    for ask in asking:
        with pytest.raises(Unavailable, match=f"table/{TABLE} .*OtherKmsKeyArns"):
            ask()
