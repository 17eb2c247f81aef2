"""The catalogue's entities in DynamoDB.

    ENTITY   / {name}   uid, etag, document (JSON text: a definition comes back exactly as it was given)
    DELETING / {uid}    a deletion that has begun: nothing may be started on the entity
    DELETED  / {uid}    an entity that was deleted; its exports and records still have to be swept

Whatever starts something on an entity does so in one transaction with `still_there`, and a deletion looks for what was
started only after its mark stands: one of the two sees the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, DynamoDB, TransactionCanceled, from_attributes, to_attributes
from waybill.entities.model import Entity
from waybill.entities.permissions import entity_not_found
from waybill.errors import Conflict, PreconditionFailed, WaybillError
from waybill.ids import Ids, new_token

# Inside the class, `list` is the method.
_Entities = list[Entity]
_Uids = list[str]
_Marks = list[tuple[str, str, int]]
_Items = list[dict[str, Any]]


class EntityRepository:
    """Each method is one request, `list` one for each megabyte of definitions."""

    def __init__(self, dynamodb: DynamoDB, table: str, ids: Ids) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._ids = ids

    def find(self, name: str) -> Entity | None:
        key = to_attributes({"pk": "ENTITY", "sk": name})
        answer = self._dynamodb.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return _from_item(answer["Item"]) if "Item" in answer else None

    def find_many(self, names: Iterable[str]) -> dict[str, Entity]:
        """Those of the names that there are; one request for a hundred of them."""
        found: dict[str, Entity] = {}
        pending = [to_attributes({"pk": "ENTITY", "sk": name}) for name in sorted(set(names))]
        while pending:
            request = {self._table: {"Keys": pending[:100], "ConsistentRead": True}}
            answer = self._dynamodb.call("BatchGetItem", {"RequestItems": request})
            for item in answer["Responses"].get(self._table, []):
                found[item["sk"]["S"]] = _from_item(item)
            unread = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            pending = unread + pending[100:]
        return found

    def get(self, name: str) -> Entity:
        """The entity.

        Raises:
            NotFound: there is none of this name.
        """
        entity = self.find(name)
        if entity is None:
            raise entity_not_found(name)
        return entity

    def page(self, limit: int, after: str | None = None) -> tuple[_Entities, str | None]:
        """Up to `limit` entities by name, beginning after the name `after`, and the name to go on from."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :entity",
            "ExpressionAttributeValues": to_attributes({":entity": "ENTITY"}),
            "ConsistentRead": True,
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = to_attributes({"pk": "ENTITY", "sk": after})
        answer = self._dynamodb.call("Query", query)
        last = answer.get("LastEvaluatedKey")
        return [_from_item(item) for item in answer["Items"]], None if last is None else str(last["sk"]["S"])

    def list(self) -> _Entities:
        """All of them, by name."""
        entities, after = self.page(1000)
        while after is not None:
            more, after = self.page(1000, after)
            entities += more
        return entities

    def put(self, entity: Entity, etag: str | None = None) -> bool:
        """Store the entity in place of the one with its uid, or as a new one.

        Args:
            etag: of the definition that it may replace; None for any.

        Returns:
            Whether it is new.

        Raises:
            Conflict: another call created or replaced the name meanwhile.
            PreconditionFailed: it has another ETag.
        """
        condition, values = _unchanged(entity, etag)
        if etag is None:
            condition = f"attribute_not_exists(pk) OR {condition}"
        try:
            answer = self._dynamodb.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": to_attributes(
                        {
                            "pk": "ENTITY",
                            "sk": entity.name,
                            "uid": entity.uid,
                            "etag": entity.etag,
                            "document": json.dumps(entity.to_document()),
                        }
                    ),
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": to_attributes(values),
                    "ReturnValues": "ALL_OLD",
                },
            )
        except ConditionFailed:
            raise _changed(entity, etag) from None
        return "Attributes" not in answer

    def still_there(self, name: str, uid: str) -> _Items:
        """Checks for a transaction that starts something on the entity; see `is_gone`."""
        return still_there(self._table, name, uid)

    def mark(self, entity: Entity, now: datetime) -> str:
        """Begin to delete the entity: nothing is started on it from here on.

        Returns:
            The mark, for `delete` or `unmark`.

        Raises:
            Conflict: somebody else is deleting it.
        """
        mark = new_token(self._ids)
        item = {"pk": "DELETING", "sk": entity.uid, "mark": mark, "since": int(now.timestamp())}
        try:
            self._dynamodb.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": to_attributes(item),
                    "ConditionExpression": "attribute_not_exists(pk) OR mark = :mark",  # a reply that was lost
                    "ExpressionAttributeValues": to_attributes({":mark": mark}),
                },
            )
        except ConditionFailed:
            raise Conflict(f"The entity {entity.name} is being deleted. Try again in a minute.") from None
        return mark

    def unmark(self, uid: str, mark: str) -> None:
        """Give a deletion up."""
        try:
            self._dynamodb.call("DeleteItem", self._mark_delete(uid, mark))
        except ConditionFailed:
            return

    def marks(self) -> _Marks:
        """The deletions that have begun: (uid, mark, since when in epoch seconds)."""
        return [(item["sk"], item["mark"], item["since"]) for item in self._items("DELETING")]

    def delete(self, entity: Entity, mark: str, etag: str | None = None) -> None:
        """Take the entity out of the catalogue and note its uid, so that what it had can be swept.

        Raises:
            Conflict: it was deleted or created anew meanwhile, or the mark was taken away.
            PreconditionFailed: it has another ETag.
        """
        condition, values = _unchanged(entity, etag)
        remove = {
            "TableName": self._table,
            "Key": to_attributes({"pk": "ENTITY", "sk": entity.name}),
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_attributes(values),
        }
        note = {
            "TableName": self._table,
            "Item": to_attributes({"pk": "DELETED", "sk": entity.uid, "name": entity.name}),
        }
        try:
            self._dynamodb.call(
                "TransactWriteItems",
                {"TransactItems": [{"Delete": remove}, {"Delete": self._mark_delete(entity.uid, mark)}, {"Put": note}]},
            )
        except TransactionCanceled as error:
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in error.reasons):
                raise _changed(entity, etag) from None
            raise

    def deleted(self) -> _Uids:
        """The uids of deleted entities that have something left to sweep."""
        return [item["sk"] for item in self._items("DELETED")]

    def forget(self, uid: str) -> None:
        """Nothing is left of a deleted entity."""
        key = to_attributes({"pk": "DELETED", "sk": uid})
        self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": key})

    def _items(self, pk: str) -> _Items:
        """The items of a small partition: at most a megabyte of them."""
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_attributes({":pk": pk}),
            "ConsistentRead": True,
        }
        return [from_attributes(item) for item in self._dynamodb.call("Query", query)["Items"]]

    def _mark_delete(self, uid: str, mark: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": to_attributes({"pk": "DELETING", "sk": uid}),
            "ConditionExpression": "mark = :mark",
            "ExpressionAttributeValues": to_attributes({":mark": mark}),
        }


def still_there(table: str, name: str, uid: str) -> list[dict[str, Any]]:
    """The last actions of a transaction that starts something on an entity: it exists, and nobody deletes it."""
    return [
        {
            "ConditionCheck": {
                "TableName": table,
                "Key": to_attributes({"pk": "ENTITY", "sk": name}),
                "ConditionExpression": "uid = :uid",
                "ExpressionAttributeValues": to_attributes({":uid": uid}),
            }
        },
        {
            "ConditionCheck": {
                "TableName": table,
                "Key": to_attributes({"pk": "DELETING", "sk": uid}),
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]


def is_gone(error: TransactionCanceled, checks: int = 2) -> bool:
    """Whether one of its last actions, `still_there`, canceled the transaction."""
    return any(reason.get("Code") == "ConditionalCheckFailed" for reason in error.reasons[-checks:])


def _from_item(item: Mapping[str, Any]) -> Entity:
    return Entity.from_document(json.loads(from_attributes(item)["document"]))


def _unchanged(entity: Entity, etag: str | None) -> tuple[str, dict[str, str]]:
    """The condition that an entity is still the same, with `etag` also its definition; and the values in it."""
    if etag is None:
        return "uid = :uid", {":uid": entity.uid}
    return "uid = :uid AND etag = :etag", {":uid": entity.uid, ":etag": etag}


def _changed(entity: Entity, etag: str | None) -> WaybillError:
    if etag is not None:
        return PreconditionFailed(f"The entity {entity.name}")
    return Conflict(f"The entity {entity.name} was changed by somebody else meanwhile. Read it and try again.")
