"""A DynamoDB table with a partition key and a sort key, both strings: plain Python values in and out.

jobs = Table(dynamodb, "jobs")
jobs.get(("JOB#1", "JOB"))
jobs.update(("JOB#1", "JOB"), Change(sets={"status": "COMPLETED"}), where=Attr("status").equals("IN_PROGRESS"))
jobs.transact([jobs.put_action(item, where=Attr("pk").is_missing()), catalog.check_action(key, where=…)])
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from waybill.aws.dynamodb import (
    MAX_BATCH_PUTS,
    DynamoDB,
    DynamoDBError,
    TransactionCanceled,
    backoff_seconds,
    from_attributes,
    to_attributes,
)
from waybill.aws.expressions import Change, Condition, Placeholders
from waybill.ids import new_token

KEYS_PER_BATCH = 100
#: How often a throttled table may leave writes of `put_many` and `delete_many` unprocessed.
MAX_THROTTLED_BATCHES = 10
#: How long `batch_get` asks a table that answers none of its keys.
PATIENCE_SECONDS = 60.0
_BETWEEN = re.compile(r"[\s,:]*")

Item = dict[str, Any]
#: Partition key and sort key.
Key = tuple[str, str]
#: One action of a transaction, in DynamoDB's JSON.
Action = dict[str, Any]


class Page(NamedTuple):
    """The items of one answer to a query, and the key of the last one; None when no more follow."""

    items: list[Item]
    last: Item | None


class Table:
    """Each method is one request unless it says otherwise; reads are consistent unless asked not to be.

    Args:
        name: or ARN.
        keys: the names of partition key and sort key.
    """

    def __init__(self, dynamodb: DynamoDB, name: str, keys: Key = ("pk", "sk")) -> None:
        self.name = name
        self._dynamodb = dynamodb
        self._keys = keys

    def get(self, key: Key) -> Item | None:
        """The item, or None."""
        answer = self._dynamodb.call("GetItem", {**self._at(key), "ConsistentRead": True})
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[Key]) -> list[Item]:
        """Those of the items that exist, in the order of the keys; a request for a hundred of them."""
        distinct = [self._at(key)["Key"] for key in dict.fromkeys(keys)]
        items = map(from_attributes, batch_get(self._dynamodb, self.name, distinct))
        found = {(item[self._keys[0]], item[self._keys[1]]): item for item in items}
        return [found[key] for key in keys if key in found]

    def query(
        self,
        partition: str,
        *,
        prefix: str = "",
        up_to: str | None = None,
        above: str | None = None,
        after: Item | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        consistent: bool = True,
        keys_only: bool = False,
        index: tuple[str, Key] | None = None,
        where: Condition | None = None,
    ) -> Page:
        """Items of one partition in the order of their sort keys, at most a megabyte of them.

        Args:
            prefix: of the sort keys.
            up_to: the greatest sort key (without a prefix).
            above: a text that all sort keys follow (without a prefix or `up_to`).
            after: the key of the item before the first one, as `Page.last`.
            limit: the most items.
            keys_only: leave out all other attributes.
            index: name and keys of a global index; its reads are never consistent.
            where: leave out items that do not satisfy it, after they were read.
        """
        partition_key, sort_key = self._keys if index is None else index[1]
        names, values, condition = {"#pk": partition_key}, {":pk": partition}, "#pk = :pk"
        if prefix:
            condition += " AND begins_with(#sk, :prefix)"
            values[":prefix"] = prefix
        elif up_to is not None:
            condition += " AND #sk <= :until"
            values[":until"] = up_to
        elif above is not None:
            condition += " AND #sk > :above"
            values[":above"] = above
        if prefix or keys_only or up_to is not None or above is not None:
            names["#sk"] = sort_key
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_attributes(values),
            "ConsistentRead": consistent and index is None,
            "ScanIndexForward": not newest_first,
        }
        optional = {
            "IndexName": index and index[0],
            "Limit": limit,
            "ProjectionExpression": "#pk, #sk" if keys_only else None,
            "ExclusiveStartKey": after and to_attributes(after),
        }
        request |= {name: value for name, value in optional.items() if value is not None}
        if where is not None:
            places = Placeholders()
            request["FilterExpression"] = where.render(places)
            for member, more in places.request().items():
                request[member] = request[member] | more
        answer = self._dynamodb.call("Query", request)
        last = from_attributes(answer.get("LastEvaluatedKey", {}))
        return Page([from_attributes(item) for item in answer["Items"]], last or None)

    def pages(self, partition: str, **options: Any) -> Iterator[list[Item]]:
        """The items of all pages of a `query`; a request for each page."""
        page = self.query(partition, **options)
        yield page.items
        while page.last is not None:
            page = self.query(partition, **options, after=page.last)
            yield page.items

    def put(self, item: Item, where: Condition | None = None) -> Item | None:
        """Put an item; returns the one that it replaces.

        Raises:
            ConditionFailed: with the item that it met.
        """
        request = {**self._put(item, where), "ReturnValues": "ALL_OLD"}
        if where is not None:
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        answer = self._dynamodb.call("PutItem", request)
        return from_attributes(answer["Attributes"]) if "Attributes" in answer else None

    def update(self, key: Key, change: Change, where: Condition | None = None) -> Item:
        """Change an item, or make it; returns it as it is then.

        Raises:
            ConditionFailed
        """
        answer = self._dynamodb.call("UpdateItem", {**self._update(key, change, where), "ReturnValues": "ALL_NEW"})
        return from_attributes(answer["Attributes"])

    def delete(self, key: Key, where: Condition | None = None) -> None:
        """Delete an item if there is one.

        Raises:
            ConditionFailed
        """
        self._dynamodb.call("DeleteItem", self._at(key, where))

    def put_many(self, items: Sequence[Item]) -> None:
        """Put items with different keys; a request for 25 of them."""
        self._write_many([{"PutRequest": {"Item": to_attributes(item)}} for item in items])

    def delete_many(self, keys: Sequence[Key]) -> None:
        """Delete those of the items that exist; a request for 25 of them."""
        self._write_many([{"DeleteRequest": self._key(key)} for key in dict.fromkeys(keys)])

    def put_action(self, item: Item, where: Condition | None = None) -> Action:
        return {"Put": self._put(item, where)}

    def update_action(self, key: Key, change: Change, where: Condition | None = None) -> Action:
        return {"Update": self._update(key, change, where)}

    def delete_action(self, key: Key, where: Condition | None = None) -> Action:
        return {"Delete": self._at(key, where)}

    def check_action(self, key: Key, where: Condition) -> Action:
        return {"ConditionCheck": self._at(key, where)}

    def transact(self, actions: Sequence[Action], token: str | None = None, rounds: int = 1) -> None:
        """Apply all actions or none of them.

        Args:
            token: of 36 characters at most; a transaction that is sent again with its token is applied once.
            rounds: how often to send it, each time with the client's own retries, while it collides with other writes.
                A collision does not say whether the conditions hold.

        Raises:
            TransactionCanceled: a condition was false; or, `retryable`, it collided all the time.
        """
        request = {"TransactItems": list(actions), "ClientRequestToken": token or new_token(self._dynamodb.ids)}
        for rounds_left in reversed(range(rounds)):
            try:
                self._dynamodb.call("TransactWriteItems", request)
                return
            except TransactionCanceled as error:
                if not (error.retryable and rounds_left):
                    raise

    def _write_many(self, requests: Sequence[dict[str, Any]]) -> None:
        pending, failures = list(requests), 0
        while pending:
            batch = {self.name: pending[:MAX_BATCH_PUTS]}
            answer = self._dynamodb.call("BatchWriteItem", {"RequestItems": batch})
            unwritten = answer.get("UnprocessedItems", {}).get(self.name, [])
            pending = unwritten + pending[MAX_BATCH_PUTS:]
            if unwritten:
                failures += 1
                if failures == MAX_THROTTLED_BATCHES:
                    raise DynamoDBError("UnprocessedItems", f"{len(pending)} writes were not taken", 200, True)
                self._dynamodb.clock.sleep(backoff_seconds(failures, self._dynamodb.ids.fraction()))

    def _key(self, key: Key) -> dict[str, Any]:
        return {"Key": to_attributes(dict(zip(self._keys, key, strict=True)))}

    def _at(self, key: Key, where: Condition | None = None) -> dict[str, Any]:
        return {"TableName": self.name} | self._key(key) | _conditional(where)

    def _put(self, item: Item, where: Condition | None) -> dict[str, Any]:
        return {"TableName": self.name, "Item": to_attributes(item)} | _conditional(where)

    def _update(self, key: Key, change: Change, where: Condition | None) -> dict[str, Any]:
        placeholders = Placeholders()
        update = {"UpdateExpression": change.render(placeholders)}
        return self._at(key) | update | _conditional(where, placeholders)


def _conditional(where: Condition | None, placeholders: Placeholders | None = None) -> dict[str, Any]:
    """The members of a request for its condition, and for all of its placeholders."""
    placeholders = placeholders or Placeholders()
    condition = {} if where is None else {"ConditionExpression": where.render(placeholders)}
    return condition | placeholders.request()


def batch_get(
    dynamodb: DynamoDB,
    table: str,
    keys: Sequence[Mapping[str, Any]],
    attributes: Sequence[str] = (),
    one_by_one: bool = False,
) -> Iterator[dict[str, Any]]:
    """Those items that exist, in any order, read consistently; a request for a hundred of them.

    Args:
        keys: distinct, in DynamoDB's JSON, as the items are.
        attributes: the only ones to read; all when left out.
        one_by_one: make an item only when it is asked for. An answer has up to 16 MB of items, which may be more than a
            gigabyte as Python objects; its text is at most some ten times their size.

    Raises:
        DynamoDBError: retryable, when the table answered nothing at all for PATIENCE_SECONDS; or as `DynamoDB.call`.
    """
    names = {f"#n{number}": name for number, name in enumerate(attributes)}
    projection = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names} if names else {}
    pending, failures, progress_at = list(keys), 0, dynamodb.clock.monotonic()
    while pending:
        asked = pending[:KEYS_PER_BATCH]
        request = {table: {"Keys": asked, "ConsistentRead": True, **projection}}
        if one_by_one:
            unread = yield from _items_of(dynamodb.call_bytes("BatchGetItem", {"RequestItems": request}), table)
        else:
            answer = dynamodb.call("BatchGetItem", {"RequestItems": request})
            yield from answer["Responses"].get(table, [])
            unread = _unread(answer.get("UnprocessedKeys", {}), table)
        is_progress = len(unread) < len(asked)
        pending = unread + pending[KEYS_PER_BATCH:]
        if is_progress:
            failures, progress_at = 0, dynamodb.clock.monotonic()
        elif dynamodb.clock.monotonic() - progress_at >= PATIENCE_SECONDS:
            raise DynamoDBError("UnprocessedKeys", f"{len(unread)} keys were not read", 200, retryable=True)
        if unread:  # a throttled table: full jitter, growing while nothing at all is read
            failures += not is_progress
            dynamodb.clock.sleep(backoff_seconds(failures + 1, dynamodb.ids.fraction()))


def _items_of(answer: bytes, table: str) -> Generator[dict[str, Any], None, list[dict[str, Any]]]:
    """The items of an answer to BatchGetItem for one table; returns the keys that were not read."""
    text, decode, unread = answer.decode(), json.JSONDecoder().raw_decode, list[dict[str, Any]]()
    at = 1
    while text[at := _next(text, at)] != "}":
        member, at = decode(text, at)
        at = _next(text, at)
        if member != "Responses":
            value, at = decode(text, at)
            unread = _unread(value, table) if member == "UnprocessedKeys" else unread
            continue
        at += 1
        while text[at := _next(text, at)] != "}":
            _, at = decode(text, at)
            at = _next(text, at) + 1
            while text[at := _next(text, at)] != "]":
                item, at = decode(text, at)
                yield item
                del item
            at += 1
        at += 1
    return unread


def _next(text: str, at: int) -> int:
    """Where the next token of a JSON text begins."""
    between = _BETWEEN.match(text, at)
    return at if between is None else between.end()


def _unread(unprocessed: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = unprocessed.get(table, {}).get("Keys", [])
    return keys
