"""Reading an entity's records page by page: from Waybill's own table shard after shard, from a target table by scan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from xxhash import xxh3_64_intdigest

from waybill.aws.dynamodb import DynamoDB, DynamoDBError, to_attributes
from waybill.entities.model import SHARDS, Entity, Target, partition
from waybill.entities.targets import refusals_told
from waybill.errors import Conflict, MalformedRequest, Unavailable
from waybill.sizes import PageBytes, json_text

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
MAX_FILTERED, MAX_FILTERED_BYTES = 5_000, 10_000_000
"""A page of a filtered list ends once it has read so many records, or about so many bytes of their JSON."""
MAX_COUNTED = 80
"""Queries of a count, each of at most 1 MB: every shard once, or some shards of a large entity as a whole."""

Precision = Literal["exact", "approximate", "at-least"]
Keep = Callable[[Mapping[str, Any]], bool]
"""Whether an item, as DynamoDB gives it, is wanted."""


def record_page(
    dynamodb: DynamoDB,
    table: str,
    entity: Entity,
    schema: Schema,
    limit: int,
    cursor: str | None,
    keep: Keep | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Up to `limit` records (field → JSON value, None where absent), and the cursor to go on from.

    A page is shorter when it is full by bytes, after MAX_QUERIES requests (most of a table may be tombstones), and with
    `keep` after MAX_FILTERED records: it may then be empty, and the list still go on.

    Args:
        table: Waybill's own; an entity with a target table is read from there.
        keep: which records are wanted; it is asked after the read. All when left out.
        cursor: `{shard}:{key}`, the last record seen (no key: the shard from its beginning); of a target table the key
            as JSON.

    Raises:
        MalformedRequest: the cursor was not returned by this function.
    """
    if entity.target is not None:
        return _target_page(dynamodb, entity.target, schema, limit, cursor, keep)
    shard, key = _parse_cursor(cursor)
    items: list[dict[str, Any]] = []
    page, scanned, effort = PageBytes(), MAX_SCANNED if keep else limit, _Effort()
    for _ in range(MAX_QUERIES):
        if shard == SHARDS:
            return items, None
        query = _shard_query(table, entity, shard) | {"Limit": scanned}
        if key:
            query["ExclusiveStartKey"] = to_attributes({"_pk": partition(entity.uid, shard), "_sk": key})
        answer = dynamodb.call("Query", query)
        for item in answer["Items"]:
            if keep is not None and not keep(item):
                key = item["_sk"]["S"]
                continue
            record = _record(schema, item, own_table=True)
            if len(items) == limit or not page.takes(record):
                return items, f"{shard}:{key}"
            items.append(record)
            key = item["_sk"]["S"]
        last = answer.get("LastEvaluatedKey")
        shard, key = (shard + 1, "") if last is None else (shard, last["_sk"]["S"])
        if len(items) == limit or (keep and effort.is_enough(answer)):
            break
        if keep:
            continue
        if answer["ScannedCount"] > answer["Count"]:
            scanned = min(scanned * 10, MAX_SCANNED)
        elif scanned <= limit:
            scanned = limit - len(items)
    return items, f"{shard}:{key}" if shard < SHARDS else None


class _Effort:
    """What a page of a filtered list has read so far."""

    def __init__(self) -> None:
        self._records = self._bytes = 0

    def is_enough(self, answer: Mapping[str, Any]) -> bool:
        """Adds an answer. Its bytes are estimated by its first record: to write all of them again costs too much."""
        items = answer["Items"]
        self._records += len(items)
        self._bytes += len(json_text(items[0])) * len(items) if items else 0
        return self._records >= MAX_FILTERED or self._bytes >= MAX_FILTERED_BYTES


def record_by_key(
    dynamodb: DynamoDB, table: str, entity: Entity, schema: Schema, cells: Sequence[str], keep: Keep | None = None
) -> dict[str, Any] | None:
    """The record with this primary key; one request that reads one item.

    Args:
        table: Waybill's own.
        cells: of the fields of the key in their order, each as a file would have it.
        keep: as for `record_page`.

    Returns:
        None also where the cells cannot be a key.
    """
    from waybill.entities.row_compiler import MAX_KEY_BYTES, RECORD_KEY, key_text

    fields = schema.key_fields
    values = [field.check(cell)[0] for field, cell in zip(fields, cells, strict=True)]
    if None in values:
        return None
    if entity.target is None:
        texts = [key_text([field.kind.identity(value) for field, value in zip(fields, values, strict=True)])]
        shard = xxh3_64_intdigest(texts[0].encode()) % SHARDS
        key = dict(zip(RECORD_KEY, ({"S": partition(entity.uid, shard)}, {"S": texts[0]}), strict=True))
    else:
        table = entity.target.table
        texts = [field.kind.stored(value) for field, value in zip(fields, values, strict=True)]
        key = {field.name: {field.kind.storage: text} for field, text in zip(fields, texts, strict=True)}
    if not all(0 < len(text.encode()) <= MAX_KEY_BYTES for text in texts):
        return None
    request = {"RequestItems": {table: {"Keys": [key], "ConsistentRead": True}}}
    with refusals_told():
        answer = dynamodb.call("BatchGetItem", request)
    if answer.get("UnprocessedKeys"):
        raise Unavailable("DynamoDB is too busy to read the record.")
    for item in answer["Responses"].get(table, ()):
        if (entity.target is not None or "_gone" not in item) and (keep is None or keep(item)):
            return _record(schema, item, own_table=entity.target is None)
    return None


def count_records(dynamodb: DynamoDB, table: str, entity: Entity) -> tuple[int, Precision]:
    """How many records there are: at most MAX_COUNTED requests, so that a count is never a scan of a large table.

    Where they do not suffice, the shards that were counted as a whole tell of the others: hashes spread the records
    evenly. If that was not even one, there are at least so many as were counted, 64 times. A target table's number is
    that of DynamoDB, which is up to six hours old.
    """
    if entity.target is not None:
        name = entity.target.table
        with refusals_told():
            answer = dynamodb.call("Scan", {"TableName": name, "Select": "COUNT"})
            if "LastEvaluatedKey" not in answer:
                return answer["Count"], "exact"
            known = dynamodb.call("DescribeTable", {"TableName": name})["Table"].get("ItemCount", 0)
        return (known, "approximate") if known > answer["Count"] else (answer["Count"], "at-least")
    counted = shard = in_shard = 0
    query = _count_query(table, entity, shard)
    for _ in range(MAX_COUNTED):
        answer = dynamodb.call("Query", query)
        in_shard += answer["Count"]
        if "LastEvaluatedKey" in answer:
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
            continue
        counted, in_shard, shard = counted + in_shard, 0, shard + 1
        if shard == SHARDS:
            return counted, "exact"
        query = _count_query(table, entity, shard)
    return (counted * SHARDS // shard, "approximate") if shard else (in_shard * SHARDS, "at-least")


def _count_query(table: str, entity: Entity, shard: int) -> dict[str, Any]:
    return _shard_query(table, entity, shard) | {"Select": "COUNT", "ConsistentRead": False}


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
    dynamodb: DynamoDB, target: Target, schema: Schema, limit: int, cursor: str | None, keep: Keep | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Other programs use a target table too: every item is a record, and attributes without a field are not shown. The
    primary key of the entity is the table's."""
    scanned = MAX_SCANNED if keep else limit
    scan: dict[str, Any] = {"TableName": target.table, "Limit": scanned, "ConsistentRead": True}
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
        if keep is not None and not keep(item):
            continue
        record = _record(schema, item, own_table=False)
        if len(records) == limit or not page.takes(record):
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
