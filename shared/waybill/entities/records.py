"""Reading an entity's records from Waybill's own table, shard after shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waybill.aws.dynamodb import DynamoDB, to_attributes
from waybill.entities.model import Entity
from waybill.errors import MalformedRequest

if TYPE_CHECKING:
    from waybill.entities.fields import Field
    from waybill.entities.schema import Schema

SHARDS = 64


def record_page(
    dynamodb: DynamoDB, table: str, entity: Entity, schema: Schema, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Up to `limit` records (field → JSON value, None where absent) by shard and key, and the cursor to go on from.

    Args:
        cursor: `{shard}:{key}`, the last record seen (no key: the shard from its beginning).

    Raises:
        MalformedRequest: the cursor is none that this function gave.
    """
    shard, key = _parse_cursor(cursor)
    items: list[dict[str, Any]] = []
    while shard < SHARDS:
        query = _shard_query(table, entity, shard)
        query["Limit"] = limit - len(items)
        if key:
            query["ExclusiveStartKey"] = to_attributes({"_pk": _partition(entity, shard), "_sk": key})
        answer = dynamodb.call("Query", query)
        items += [_record(schema, item) for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        shard, key = (shard + 1, "") if last is None else (shard, last["_sk"]["S"])
        if len(items) == limit and shard < SHARDS:
            return items, f"{shard}:{key}"
    return items, None


def has_records(dynamodb: DynamoDB, table: str, entity: Entity) -> bool:
    """Whether there is any record. Costs a request per shard until one is found."""
    for shard in range(SHARDS):
        query = _shard_query(table, entity, shard) | {"Select": "COUNT"}
        while True:
            answer = dynamodb.call("Query", query)
            if answer["Count"]:
                return True
            if "LastEvaluatedKey" not in answer:
                break
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return False


def _record(schema: Schema, item: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: _value(field, item.get(field.attribute)) for field in schema.fields}


def _value(field: Field, attribute: Mapping[str, Any] | None) -> Any:
    if attribute is None:
        return None
    try:
        return field.kind.to_json(attribute)
    except (KeyError, ValueError):  # written when the field had another type
        return next(iter(attribute.values()))


def _partition(entity: Entity, shard: int) -> str:
    return f"{entity.uid}#{shard:02x}"


def _shard_query(table: str, entity: Entity, shard: int) -> dict[str, Any]:
    return {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk",
        "FilterExpression": "attribute_not_exists(#gone)",  # tombstones of deleted records
        "ExpressionAttributeNames": {"#pk": "_pk", "#gone": "_gone"},
        "ExpressionAttributeValues": to_attributes({":pk": _partition(entity, shard)}),
        "ConsistentRead": True,
    }


def _parse_cursor(cursor: str | None) -> tuple[int, str]:
    if cursor is None:
        return 0, ""
    shard, colon, key = cursor.partition(":")
    if not colon or shard not in map(str, range(SHARDS)):
        raise MalformedRequest("nextToken is none that this list gave.")
    return int(shard), key
