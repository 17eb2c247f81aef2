"""The catalogue's entities in DynamoDB.

ENTITY  / {name}   uid, document (JSON text: a definition comes back exactly as it was given)
DELETED / {uid}    an entity that was deleted; its records still have to be swept
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, DynamoDB, TransactionCanceled, from_attributes, to_attributes
from waybill.entities.model import Entity
from waybill.entities.permissions import entity_not_found
from waybill.errors import Conflict

_Entities = list[Entity]  # inside the class, `list` is the method


class EntityRepository:
    """Each method is one request, `list` one for each megabyte of definitions."""

    def __init__(self, dynamodb: DynamoDB, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def find(self, name: str) -> Entity | None:
        key = to_attributes({"pk": "ENTITY", "sk": name})
        answer = self._dynamodb.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return _from_item(answer["Item"]) if "Item" in answer else None

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

    def put(self, entity: Entity) -> bool:
        """Store the entity in place of the one with its uid, or as a new one.

        Returns:
            Whether it is new.

        Raises:
            Conflict: another call created or replaced the name meanwhile.
        """
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
                            "document": json.dumps(entity.to_document()),
                        }
                    ),
                    "ConditionExpression": "attribute_not_exists(pk) OR uid = :uid",
                    "ExpressionAttributeValues": to_attributes({":uid": entity.uid}),
                    "ReturnValues": "ALL_OLD",
                },
            )
        except ConditionFailed:
            raise _changed(entity) from None
        return "Attributes" not in answer

    def delete(self, entity: Entity) -> None:
        """Take the entity out of the catalogue and note its uid, so that its records can be swept.

        Raises:
            Conflict: it was deleted or created anew meanwhile.
        """
        remove = {
            "TableName": self._table,
            "Key": to_attributes({"pk": "ENTITY", "sk": entity.name}),
            "ConditionExpression": "uid = :uid",
            "ExpressionAttributeValues": to_attributes({":uid": entity.uid}),
        }
        note = {
            "TableName": self._table,
            "Item": to_attributes({"pk": "DELETED", "sk": entity.uid, "name": entity.name}),
        }
        try:
            self._dynamodb.call("TransactWriteItems", {"TransactItems": [{"Delete": remove}, {"Put": note}]})
        except TransactionCanceled as error:
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in error.reasons):
                raise _changed(entity) from None
            raise


def _from_item(item: Mapping[str, Any]) -> Entity:
    return Entity.from_document(json.loads(from_attributes(item)["document"]))


def _changed(entity: Entity) -> Conflict:
    return Conflict(f"The entity {entity.name} was changed by somebody else meanwhile. Read it and try again.")
