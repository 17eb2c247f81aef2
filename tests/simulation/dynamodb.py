"""DynamoDB in memory, behind its requests in DynamoDB's JSON: conditions, transactions, pages, indexes, time to live.

server = Server(tables_of_template({"JobsTable": "jobs", …}), now=lambda: timeline.seconds)
status, answer = server.handle("GetItem", {"TableName": "jobs", "Key": {…}})

It is strict. What it does not know is an AssertionError; what AWS would refuse is refused.
Source of the rules: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import msgspec

from tests.builders import template
from tests.simulation import expressions
from tests.simulation.expressions import Compiled, InvalidExpression, Item, Value

MAX_ITEM_BYTES = 400 * 1024
MAX_PAGE_BYTES = 1024 * 1024
MAX_ACTIONS = 100
TOKEN_SECONDS = 600.0

Request = dict[str, Any]
Answer = tuple[int, dict[str, Any]]
Key = tuple[str, str]  # values of partition and sort key; the sort key is "" in tables without one
#: Table, old item, new item, and the number of the transaction (None outside of one).
OnWrite = Callable[[str, Item | None, Item | None, int | None], None]

_encode = msgspec.json.Encoder().encode


class Refusal(Exception):
    """What DynamoDB answers instead; `more` are further members of the answer."""

    def __init__(self, code: str, message: str = "", status: int = 400, **more: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.status = code, status
        self.answer = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}


class Schema(NamedTuple):
    """What a table's definition says; names and types (S, N, B) of its keys."""

    keys: tuple[str, ...]
    types: dict[str, str]
    indexes: dict[str, tuple[str, str]]
    ttl: str | None = None


def schema_of(properties: Mapping[str, Any]) -> Schema:
    """The schema in the properties of an AWS::DynamoDB::Table."""
    types = {part["AttributeName"]: part["AttributeType"] for part in properties["AttributeDefinitions"]}
    indexes = {}
    for index in properties.get("GlobalSecondaryIndexes", ()):
        assert index["Projection"]["ProjectionType"] == "KEYS_ONLY", "the simulator knows no other projection"
        indexes[index["IndexName"]] = _key_names(index)
    ttl = properties.get("TimeToLiveSpecification", {}).get("AttributeName")
    return Schema(_key_names(properties), types, indexes, ttl)


def _key_names(properties: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(part["AttributeName"] for part in properties["KeySchema"])


@cache
def template_schemas() -> dict[str, Schema]:
    """The tables of template.yaml by their logical names."""
    resources = template()["Resources"]
    return {
        name: schema_of(resource["Properties"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


class _Partition:
    """The items of one partition key, and their sort keys in order."""

    __slots__ = ("items", "order")

    def __init__(self) -> None:
        self.items: dict[Any, Item] = {}
        self.order: list[Any] = []

    def put(self, sort: Any, item: Item) -> None:
        if sort not in self.items:
            insort(self.order, sort)
        self.items[sort] = item

    def delete(self, sort: Any) -> None:
        if self.items.pop(sort, None) is not None:
            del self.order[bisect_left(self.order, sort)]


@dataclass
class Table:
    """Items by partition and sort key, and the entries of its indexes."""

    name: str
    schema: Schema
    partitions: dict[str, _Partition] = field(default_factory=dict)
    indexes: dict[str, dict[str, _Partition]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.indexes = {name: {} for name in self.schema.indexes}
        self._partition_key, self._sort_key = (*self.schema.keys, "")[:2]
        self._types = [self.schema.types[name] for name in self.schema.keys]

    def key(self, item: Item) -> Key:
        """The key of an item or the `Key` of a request.

        Raises:
            Refusal: it lacks one, or it has the wrong type or is empty.
        """
        values = []
        for name, kind in zip(self.schema.keys, self._types, strict=True):
            value = item.get(name, {}).get(kind)
            if value is None:
                raise Refusal("ValidationException", f"Missing the key {name} in the item, or it has another type")
            if value == "":
                raise Refusal("ValidationException", f"The key {name} contains an empty string")
            values.append(value)
        return values[0], values[1] if len(values) == 2 else ""

    def only_key(self, key: Item) -> Key:
        if len(key) != len(self.schema.keys):
            raise Refusal("ValidationException", "The provided key element does not match the schema")
        return self.key(key)

    def get(self, key: Key) -> Item | None:
        partition = self.partitions.get(key[0])
        return None if partition is None else partition.items.get(key[1])

    def items(self) -> Iterator[Item]:
        for partition in self.partitions.values():
            yield from partition.items.values()

    def query(self, partition: str, prefix: str = "") -> list[Item]:
        """The items of a partition whose sort keys begin so, for tests and oracles."""
        found = self.partitions.get(partition)
        return [] if found is None else [found.items[sort] for sort in found.order if sort.startswith(prefix)]

    def store(self, key: Key, item: Item | None) -> None:
        partition = self.partitions.get(key[0])
        if item is None:
            if partition is not None:
                partition.delete(key[1])
                if not partition.items:
                    del self.partitions[key[0]]
            return
        if partition is None:
            partition = self.partitions[key[0]] = _Partition()
        partition.put(key[1], item)

    def reindex(self, key: Key, old: Item | None, new: Item | None) -> None:
        """Let the indexes show an item as it is now."""
        for name, (partition_key, sort_key) in self.schema.indexes.items():
            index = self.indexes[name]
            if old is not None and partition_key in old and sort_key in old:
                index[old[partition_key]["S"]].delete((old[sort_key]["S"], *key))
            if new is not None and partition_key in new and sort_key in new:
                entry = {part: new[part] for part in (*self.schema.keys, partition_key, sort_key)}
                index.setdefault(new[partition_key]["S"], _Partition()).put((new[sort_key]["S"], *key), entry)


class Server:
    """
    Args:
        schemas: of the tables, by name.
        now: seconds, for the age of transactions' tokens.
        page_items: an answer to a query holds at most so many items, so that small tables have pages too.
    """

    def __init__(self, schemas: Mapping[str, Schema], now: Callable[[], float], page_items: int = 1_000) -> None:
        self.tables = {name: Table(name, schema) for name, schema in schemas.items()}
        self.on_write: OnWrite = lambda table, old, new, transaction: None
        self._now, self.page_items = now, page_items
        self._held: set[tuple[str, Key]] = set()
        self._tokens: dict[str, tuple[float, bytes]] = {}
        self._in_progress: set[str] = set()
        self._transactions = 0

    def handle(self, operation: str, request: Request) -> Answer:
        """Status and answer of one request."""
        handler = getattr(self, f"_{operation}", None)
        assert handler is not None, f"the simulator has no {operation}"
        try:
            return 200, handler(request)
        except Refusal as refusal:
            return refusal.status, refusal.answer
        except InvalidExpression as error:
            return 400, Refusal("ValidationException", str(error)).answer

    def expire(self, now: float) -> int:
        """Delete what the tables' time to live has ended (epoch seconds); returns how many items."""
        deleted = 0
        for table in self.tables.values():
            name = table.schema.ttl
            expired = [item for item in table.items() if name in item and float(item[name].get("N", "inf")) < now]
            for item in expired:
                self._write(table, table.key(item), None)
            deleted += len(expired)
        return deleted

    # Transactions hold their items from their arrival to their effect

    def hold(self, request: Request) -> Answer | None:
        """Begin a transaction: its items are held until `release`. Returns the answer where it cannot begin."""
        try:
            if self._is_done(request):
                return None
            keys = self._keys(request)
        except Refusal as refusal:
            return refusal.status, refusal.answer
        if request["ClientRequestToken"] in self._in_progress:
            return 400, Refusal("TransactionInProgressException", "in progress").answer
        if not self._held.isdisjoint(keys):
            codes = ["TransactionConflict" if key in self._held else "None" for key in keys]
            return 400, _canceled([{"Code": code} for code in codes]).answer
        self._held.update(keys)
        self._in_progress.add(request["ClientRequestToken"])
        return None

    def release(self, request: Request) -> None:
        """The end of a transaction that `hold` began."""
        self._held.difference_update(self._keys(request))
        self._in_progress.discard(request["ClientRequestToken"])

    def _keys(self, request: Request) -> list[tuple[str, Key]]:
        bodies = [next(iter(action.values())) for action in request["TransactItems"]]
        return [(body["TableName"], self._key_of(body)) for body in bodies]

    def _key_of(self, body: Request) -> Key:
        table = self._table(body)
        return table.key(body["Item"]) if "Item" in body else table.only_key(body["Key"])

    def _is_done(self, request: Request) -> bool:
        """Whether the transaction of this token was applied.

        Raises:
            Refusal: with other actions.
        """
        done = self._tokens.get(request["ClientRequestToken"])
        if done is None or done[0] + TOKEN_SECONDS < self._now():
            return False
        if done[1] != _encode(request["TransactItems"]):
            raise Refusal("IdempotentParameterMismatchException", "the token was used with other parameters")
        return True

    # Operations

    def _GetItem(self, request: Request) -> dict[str, Any]:
        _known(request, "TableName", "Key", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames")
        table = self._table(request)
        item = table.get(table.only_key(request["Key"]))
        project = _projection(request)
        return {} if item is None else {"Item": project(item)}

    def _BatchGetItem(self, request: Request) -> dict[str, Any]:
        _known(request, "RequestItems")
        responses: dict[str, list[Item]] = {}
        count = 0
        for name, body in request["RequestItems"].items():
            _known(body, "Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames")
            table, project = self._table({"TableName": name}), _projection(body)
            keys = [table.only_key(key) for key in body["Keys"]]
            count += len(keys)
            if len(set(keys)) < len(keys) or not 0 < count <= 100:
                raise Refusal("ValidationException", "Provided list of item keys contains duplicates, or too many")
            found = map(table.get, keys)
            responses[name] = [project(item) for item in found if item is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _PutItem(self, request: Request) -> dict[str, Any]:
        return self._single("Put", request)

    def _UpdateItem(self, request: Request) -> dict[str, Any]:
        return self._single("Update", request)

    def _DeleteItem(self, request: Request) -> dict[str, Any]:
        return self._single("Delete", request)

    def _single(self, kind: str, request: Request) -> dict[str, Any]:
        _known(request, *_WRITE_MEMBERS, "ReturnValues", "ReturnValuesOnConditionCheckFailure")
        table, key = self._table(request), self._key_of(request)
        if (table.name, key) in self._held:
            raise Refusal("TransactionConflictException", "Transaction is ongoing for the item")
        old = table.get(key)
        holds, new = self._outcome(kind, request, table, key, old)
        if not holds:
            more = {} if old is None or not _wants_old(request) else {"Item": old}
            raise Refusal("ConditionalCheckFailedException", "The conditional request failed", **more)
        self._write(table, key, new)
        match request.get("ReturnValues", "NONE"):
            case "ALL_OLD":
                return {} if old is None else {"Attributes": old}
            case "ALL_NEW":
                assert kind == "Update"
                return {"Attributes": new}
            case "NONE":
                return {}
        raise AssertionError(f"ReturnValues {request['ReturnValues']}")

    def _BatchWriteItem(self, request: Request) -> dict[str, Any]:
        _known(request, "RequestItems")
        writes: list[tuple[Table, Key, Item | None]] = []
        for name, requests in request["RequestItems"].items():
            table = self._table({"TableName": name})
            for entry in requests:
                ((kind, body),) = entry.items()
                assert kind in ("PutRequest", "DeleteRequest"), kind
                item = body["Item"] if kind == "PutRequest" else None
                writes.append((table, table.only_key(body["Key"]) if item is None else table.key(item), item))
                if item is not None:
                    _check_size(item)
        distinct = {(table.name, key) for table, key, _ in writes}
        if len(distinct) < len(writes) or not 0 < len(writes) <= 25:
            raise Refusal("ValidationException", "Provided list of item keys contains duplicates, or too many")
        for table, key, item in writes:
            self._write(table, key, item)
        return {"UnprocessedItems": {}}

    def _TransactWriteItems(self, request: Request) -> dict[str, Any]:
        _known(request, "TransactItems", "ClientRequestToken")
        if len(request["ClientRequestToken"]) > 36 or not 0 < len(request["TransactItems"]) <= MAX_ACTIONS:
            raise Refusal("ValidationException", "the token or the number of actions")
        if self._is_done(request):
            return {}
        keys = self._keys(request)
        if len(set(keys)) < len(keys):
            raise Refusal("ValidationException", "Transaction request cannot include multiple operations on one item")
        reasons: list[dict[str, Any]] = []
        writes: list[tuple[Table, Key, Item | None]] = []
        for action, (name, key) in zip(request["TransactItems"], keys, strict=True):
            ((kind, body),) = action.items()
            _known(body, *_WRITE_MEMBERS, "ReturnValuesOnConditionCheckFailure")
            table = self.tables[name]
            old = table.get(key)
            reason: dict[str, Any] = {"Code": "None"}
            try:
                holds, new = self._outcome(kind, body, table, key, old)
            except (InvalidExpression, Refusal) as error:
                reason = {"Code": "ValidationError", "Message": str(error)}
            else:
                if not holds:
                    reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
                    if old is not None and _wants_old(body):
                        reason["Item"] = old
                elif kind != "ConditionCheck":
                    writes.append((table, key, new))
            reasons.append(reason)
        if any(reason["Code"] != "None" for reason in reasons):
            raise _canceled(reasons)
        self._tokens[request["ClientRequestToken"]] = self._now(), _encode(request["TransactItems"])
        self._transactions += 1
        applied = [(table.name, table.get(key), new) for table, key, new in writes]
        for table, key, new in writes:
            self._store(table, key, new)
        for name, old, new in applied:
            self.on_write(name, old, new, self._transactions)
        return {}

    def _Query(self, request: Request) -> dict[str, Any]:
        _known(request, *_READ_MEMBERS, "IndexName", "KeyConditionExpression", "ScanIndexForward")
        table = self._table(request)
        condition = _compiled(request, "KeyConditionExpression", expressions.condition)
        values = request["ExpressionAttributeValues"]
        index = request.get("IndexName")
        keys = table.schema.keys if index is None else table.schema.indexes[index]
        if index is not None and request.get("ConsistentRead"):
            raise Refusal("ValidationException", "Consistent reads are not supported on global secondary indexes")
        partition, (low, high) = _key_range(condition, keys, values)
        found = (table.partitions if index is None else table.indexes[index]).get(partition)
        if found is None:
            return {"Items": [], "Count": 0, "ScannedCount": 0}
        order = found.order
        if index is None:
            first, last = bisect_left(order, low), len(order) if high is None else bisect_left(order, high)
        else:
            first, last = bisect_left(order, (low,)), len(order) if high is None else bisect_left(order, (high,))
        is_forward = request.get("ScanIndexForward", True)
        if (start := request.get("ExclusiveStartKey")) is not None:
            position: Any = _start_position(table, start, index)
            if is_forward:
                first = max(first, bisect_left(order, position) + (position in found.items))
            else:
                last = min(last, bisect_left(order, position))
        chosen = order[first:last] if is_forward else order[first:last][::-1]
        last_names = keys if index is None else (*table.schema.keys, *keys)
        return self._page(request, (found.items[sort] for sort in chosen), last_names)

    def _Scan(self, request: Request) -> dict[str, Any]:
        _known(request, *_READ_MEMBERS, "Segment", "TotalSegments")
        table = self._table(request)
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        assert 0 <= segment < segments
        names = sorted((_hash(name), name) for name in table.partitions if _hash(name) % segments == segment)
        items = [table.partitions[name].items[sort] for _, name in names for sort in table.partitions[name].order]
        if (start := request.get("ExclusiveStartKey")) is not None:
            begin = (_hash(table.only_key(start)[0]), *table.only_key(start))
            items = [item for item in items if (_hash(table.key(item)[0]), *table.key(item)) > begin]
        return self._page(request, items, table.schema.keys)

    def _page(self, request: Request, items: Iterable[Item], key_names: tuple[str, ...]) -> dict[str, Any]:
        limit = min(request.get("Limit", self.page_items), self.page_items)
        if limit < 1:
            raise Refusal("ValidationException", "Limit must be at least 1")
        test = _compiled(request, "FilterExpression", expressions.condition)
        values = request.get("ExpressionAttributeValues", {})
        project = _projection(request)
        found: list[Item] = []
        scanned = size = count = 0
        answer: dict[str, Any] = {}
        for item in items:
            scanned += 1
            size += 0 if scanned < 2 else len(_encode(item))
            if test is None or test.run(item, values):
                count += 1
                found.append(project(item))
            if scanned == limit or size > MAX_PAGE_BYTES:
                answer["LastEvaluatedKey"] = {name: item[name] for name in key_names}
                break
        answer |= {"Count": count, "ScannedCount": scanned}
        return answer if request.get("Select") == "COUNT" else {"Items": found, **answer}

    def _DescribeTable(self, request: Request) -> dict[str, Any]:
        table = self._table(request)
        names = zip(table.schema.keys, ("HASH", "RANGE"), strict=False)
        types = table.schema.types
        return {
            "Table": {
                "TableName": table.name,
                "TableStatus": "ACTIVE",
                "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in names],
                "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in types.items()],
            }
        }

    # Parts of them

    def _table(self, request: Request) -> Table:
        table = self.tables.get(request["TableName"])
        if table is None:
            raise Refusal("ResourceNotFoundException", "Requested resource not found")
        return table

    def _outcome(self, kind: str, body: Request, table: Table, key: Key, old: Item | None) -> tuple[bool, Item | None]:
        """Whether the action's condition holds, and the item after it."""
        condition = _compiled(body, "ConditionExpression", expressions.condition)
        values = body.get("ExpressionAttributeValues", {})
        if condition is not None and not condition.run(old or {}, values):
            return False, None
        if kind == "Put":
            new: Item = body["Item"]
            _check_size(new)
            return True, new
        if kind == "Update":
            change = _compiled(body, "UpdateExpression", expressions.update)
            base = body["Key"] if old is None else old
            if change is None:
                return True, dict(base)
            if any(path[0] in table.schema.keys for path in change.paths):
                raise Refusal("ValidationException", "Cannot update attribute: this attribute is part of the key")
            new = change.run(base, values)
            _check_size(new, "to update ")
            return True, new
        assert kind in ("Delete", "ConditionCheck"), kind
        return True, None

    def _write(self, table: Table, key: Key, new: Item | None) -> None:
        old = self._store(table, key, new)
        if old is not None or new is not None:
            self.on_write(table.name, old, new, None)

    def _store(self, table: Table, key: Key, new: Item | None) -> Item | None:
        old = table.get(key)
        table.store(key, new)
        if table.indexes:
            table.reindex(key, old, new)
        return old


_EXPRESSIONS = ("ConditionExpression", "UpdateExpression", "FilterExpression", "KeyConditionExpression")
_PLACEHOLDERS = ("ExpressionAttributeNames", "ExpressionAttributeValues")
_WRITE_MEMBERS = ("TableName", "Key", "Item", "ConditionExpression", "UpdateExpression", *_PLACEHOLDERS)
_READ_MEMBERS = (
    "TableName", "ConsistentRead", "Limit", "ExclusiveStartKey", "Select", "FilterExpression", "ProjectionExpression",
    *_PLACEHOLDERS,
)  # fmt: skip


def _known(request: Mapping[str, Any], *members: str) -> None:
    for name in request:
        assert name in members, f"the simulator does not know the member {name} of {request}"
    if any(name in request for name in _PLACEHOLDERS):
        _check_placeholders(request)


def _check_placeholders(request: Mapping[str, Any]) -> None:
    """Refuse names and values that no expression uses, and values that are used and not given, as DynamoDB does."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    texts = (*(request.get(name) for name in _EXPRESSIONS), request.get("ProjectionExpression"))
    _check_used(texts, tuple(names.items()), tuple(values))


@cache
def _check_used(texts: tuple[str | None, ...], names: expressions.Names, values: tuple[str, ...]) -> None:
    *conditions, projected = texts
    compiled = []
    for member, text in zip(_EXPRESSIONS, conditions, strict=True):
        if text is not None:
            parse = expressions.update if member == "UpdateExpression" else expressions.condition
            compiled.append(parse(text, names))
    if projected is not None:
        compiled.append(expressions.projection(projected, names))
    used_names = {name for one in compiled for name in one.names}
    used_values = {name for one in compiled for name in one.values}
    assert used_names == {name for name, _ in names}, f"unused or undefined names: {texts} {names}"
    assert used_values == set(values), f"unused or undefined values: {texts} {values}"


def _compiled(request: Mapping[str, Any], member: str, parse: Callable[..., Compiled]) -> Compiled | None:
    text = request.get(member)
    if text is None:
        return None
    names = request.get("ExpressionAttributeNames")
    return parse(text, () if names is None else tuple(names.items()))


def _projection(request: Mapping[str, Any]) -> Callable[[Item], Item]:
    compiled = _compiled(request, "ProjectionExpression", expressions.projection)
    if compiled is None:
        return lambda item: item
    return lambda item: compiled.run(item, {})


def _wants_old(request: Mapping[str, Any]) -> bool:
    return request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"


def _canceled(reasons: list[dict[str, Any]]) -> Refusal:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return Refusal("TransactionCanceledException", message, CancellationReasons=reasons)


def _key_range(
    condition: Compiled | None, keys: tuple[str, ...], values: Mapping[str, Value]
) -> tuple[str, tuple[str, str | None]]:
    """The partition of a key condition, and the half-open range of sort keys."""
    assert condition is not None, "a query has a key condition"
    partition: str | None = None
    low, high = "", None
    for term in expressions.key_condition(condition):
        operator, (_, path), *arguments = term
        (name,) = path
        texts = [values[argument[1]]["S"] for argument in arguments]
        if name == keys[0]:
            assert operator == "=" and partition is None
            partition = texts[0]
            continue
        assert name == keys[1] and low == "" and high is None, f"{name} is no key"
        match operator:
            case "=":
                low, high = texts[0], texts[0] + "\0"
            case "<":
                high = texts[0]
            case "<=":
                high = texts[0] + "\0"
            case ">":
                low = texts[0] + "\0"
            case ">=":
                low = texts[0]
            case "between":
                low, high = texts[0], texts[1] + "\0"
            case "begins_with":
                low, high = texts[0], texts[0] + "\U0010ffff"
            case _:
                raise AssertionError(f"{operator} in a key condition")
    assert partition is not None, "a query names its partition"
    return partition, (low, high)


def _start_position(table: Table, start: Item, index: str | None) -> Any:
    if index is None:
        return table.only_key(start)[1]
    sort_key = table.schema.indexes[index][1]
    return (start[sort_key]["S"], *table.key(start))


def _hash(name: str) -> int:
    return zlib.crc32(name.encode())


def _check_size(item: Item, what: str = "") -> None:
    """
    Args:
        what: DynamoDB has another sentence for updates.

    Raises:
        Refusal: it is larger than DynamoDB's limit.
    """
    if len(_encode(item)) > MAX_ITEM_BYTES // 2 and item_bytes(item) > MAX_ITEM_BYTES:
        raise Refusal("ValidationException", f"Item size {what}has exceeded the maximum allowed size")


def item_bytes(item: Item) -> int:
    """The size by which DynamoDB bills and limits (Developer Guide, *DynamoDB item sizes and formats*)."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Value) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content) // 2 + 2
        case "B":
            return len(content) * 3 // 4
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(member) for name, member in content.items())
        case "L":
            return 3 + sum(1 + _value_bytes(element) for element in content)
        case "SS" | "NS" | "BS":
            return sum(len(element.encode()) for element in content)
    return 1
