"""Reading an entity's records page by page: from Waybill's own table shard after shard, from a target table by scan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from waybill.aws.dynamodb import DynamoDB, DynamoDBError, to_attributes
from waybill.entities.model import SHARDS, Entity, Target, partition
from waybill.entities.targets import refusals_told
from waybill.errors import Conflict, MalformedRequest
from waybill.sizes import PageBytes

if TYPE_CHECKING:
    from waybill.entities.fields import Field
    from waybill.entities.schema import Schema

GOOD_DELETIONS = timedelta(days=30)
"""How far back exports of changes can report deletions."""
TOMBSTONE_SECONDS = 31 * 86_400
"""How long a deletion is kept: longer, so that a run which begins in time still reads all that it needs."""
MAX_QUERIES = 2 * SHARDS
"""Of one request to the API, at most a second or two in all: each shard once, and as many again for tombstones."""
_MAX_KEY_BYTES = 1024  # of a sort key, by DynamoDB
MAX_SCANNED = 1_000
"""The most items, tombstones above all, that one of these queries reads."""


def record_page(
    dynamodb: DynamoDB, table: str, entity: Entity, schema: Schema, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Up to `limit` records (field → JSON value, None where absent), and the cursor to go on from.

    A page is shorter when it is full by bytes, and after MAX_QUERIES requests: most of a table may be tombstones.

    Args:
        table: Waybill's own; an entity with a target table is read from there.
        cursor: `{shard}:{key}`, the last record seen (no key: the shard from its beginning); of a target table the key
            as JSON.

    Raises:
        MalformedRequest: the cursor was not returned by this function.
    """
    if entity.target is not None:
        return _target_page(dynamodb, entity.target, schema, limit, cursor)
    shard, key = _parse_cursor(cursor)
    items: list[dict[str, Any]] = []
    page, scanned = PageBytes(), limit
    for _ in range(MAX_QUERIES):
        if shard == SHARDS:
            return items, None
        query = _shard_query(table, entity, shard) | {"Limit": scanned}
        if key:
            query["ExclusiveStartKey"] = to_attributes({"_pk": partition(entity.uid, shard), "_sk": key})
        answer = dynamodb.call("Query", query)
        for item in answer["Items"]:
            record = _record(schema, item, own_table=True)
            if len(items) == limit or not page.takes(record):
                return items, f"{shard}:{key}"
            items.append(record)
            key = item["_sk"]["S"]
        last = answer.get("LastEvaluatedKey")
        shard, key = (shard + 1, "") if last is None else (shard, last["_sk"]["S"])
        if len(items) == limit:
            break
        if answer["ScannedCount"] > answer["Count"]:
            scanned = min(scanned * 10, MAX_SCANNED)
        elif scanned <= limit:
            scanned = limit - len(items)
    return items, f"{shard}:{key}" if shard < SHARDS else None


def has_records(dynamodb: DynamoDB, table: str, entity: Entity) -> bool:
    """Whether there is any record. In Waybill's own table that costs a request per shard until one is found.

    Raises:
        Conflict: nothing was found among so many tombstones that there may be more.
    """
    if entity.target is not None:
        scan = {"TableName": entity.target.table, "Limit": 1, "ConsistentRead": True}
        with refusals_told():
            return bool(dynamodb.call("Scan", scan)["Items"])
    shard, query = 0, _shard_query(table, entity, 0) | {"Select": "COUNT"}
    for _ in range(MAX_QUERIES):
        answer = dynamodb.call("Query", query)
        if answer["Count"]:
            return True
        if "LastEvaluatedKey" in answer:
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
            continue
        shard += 1
        if shard == SHARDS:
            return False
        query = _shard_query(table, entity, shard) | {"Select": "COUNT"}
    days = TOMBSTONE_SECONDS // 86_400
    raise Conflict(
        f"So many records of {entity.name} were deleted within the last {days} days that Waybill cannot tell whether "
        "there are others. Delete the entity and create it again, or wait until the deletions are forgotten."
    )


def _target_page(
    dynamodb: DynamoDB, target: Target, schema: Schema, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Other programs use a target table too: every item is a record, and attributes without a field are not shown. The
    primary key of the entity is the table's."""
    scan: dict[str, Any] = {"TableName": target.table, "Limit": limit, "ConsistentRead": True}
    if cursor is not None:
        scan["ExclusiveStartKey"] = _target_key(cursor, schema.primary_key)
    try:
        with refusals_told():
            answer = dynamodb.call("Scan", scan)
    except DynamoDBError as error:
        if cursor is None or error.code != "ValidationException":
            raise
        raise MalformedRequest("nextToken was not issued by this list.") from None
    last = answer.get("LastEvaluatedKey")
    page, records = PageBytes(), list[dict[str, Any]]()
    for number, item in enumerate(answer["Items"]):
        record = _record(schema, item, own_table=False)
        if not page.takes(record):
            before = answer["Items"][number - 1]
            last = {name: before[name] for name in schema.primary_key}
            break
        records.append(record)
    return records, None if last is None else json.dumps(last)


def _target_key(cursor: str, names: Sequence[str]) -> dict[str, Any]:
    """The key of an item, as DynamoDB takes it: `{"id": {"S": "…"}}`."""
    try:
        key = json.loads(cursor)
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, dict) or key.keys() != set(names) or not all(map(_is_key_value, key.values())):
        raise MalformedRequest("nextToken was not issued by this list.")
    return key


def _is_key_value(value: object) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((kind, content),) = value.items()
    return kind in ("S", "N", "B") and isinstance(content, str)


def _record(schema: Schema, item: Mapping[str, Any], own_table: bool) -> dict[str, Any]:
    names = ((field, field.attribute if own_table else field.name) for field in schema.fields)
    return {field.name: _value(field, item.get(name)) for field, name in names}


def _value(field: Field, attribute: Mapping[str, Any] | None) -> Any:
    if attribute is None:
        return None
    try:
        return field.kind.to_json(attribute)
    except (KeyError, ValueError):  # written when the field had another type
        return next(iter(attribute.values()))


def _shard_query(table: str, entity: Entity, shard: int) -> dict[str, Any]:
    return {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk",
        "FilterExpression": "attribute_not_exists(#gone)",  # tombstones of deleted records
        "ExpressionAttributeNames": {"#pk": "_pk", "#gone": "_gone"},
        "ExpressionAttributeValues": to_attributes({":pk": partition(entity.uid, shard)}),
        "ConsistentRead": True,
    }


def _parse_cursor(cursor: str | None) -> tuple[int, str]:
    if cursor is None:
        return 0, ""
    shard, colon, key = cursor.partition(":")
    if not colon or shard not in map(str, range(SHARDS)) or len(key.encode()) > _MAX_KEY_BYTES:
        raise MalformedRequest("nextToken was not issued by this list.")
    return int(shard), key
