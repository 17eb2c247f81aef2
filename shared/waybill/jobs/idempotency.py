"""`Idempotency-Key`: a request that is sent again with its key gets the first one's result, not a second effect.

    IDEMPOTENCY#{hash of caller and key} / KEY   fingerprint of the request, expiresAt

Source: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from waybill.aws.dynamodb import ConditionFailed, DynamoDB, from_attributes, to_attributes
from waybill.errors import InvalidRequest

KEPT = timedelta(days=1)


class IdempotencyKeys:
    """Keys seen, each with the fingerprint of its request."""

    def __init__(self, dynamodb: DynamoDB, table: str, clock: Callable[[], datetime]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def claim(self, subject: str, key: str, request: bytes) -> bool:
        """Note a key on its first use.

        Returns:
            False when the same caller used it before for the same request.

        Raises:
            InvalidRequest: it was used for another request.
        """
        now = self._clock()
        fingerprint = hashlib.sha256(request).hexdigest()
        item = {**_key(subject, key), "fingerprint": fingerprint, "expiresAt": int((now + KEPT).timestamp())}
        try:
            self._dynamodb.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": to_attributes(item),
                    "ConditionExpression": "attribute_not_exists(pk) OR expiresAt <= :now",
                    "ExpressionAttributeValues": to_attributes({":now": int(now.timestamp())}),
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                },
            )
        except ConditionFailed as error:
            if error.item is not None and from_attributes(error.item)["fingerprint"] != fingerprint:
                raise InvalidRequest("This Idempotency-Key was used for another request.") from None
            return False
        return True

    def release(self, subject: str, key: str) -> None:
        """Forget a key whose request had no effect, so that it can be sent again."""
        self._dynamodb.call("DeleteItem", {"TableName": self._table, "Key": to_attributes(_key(subject, key))})


def _key(subject: str, key: str) -> dict[str, str]:
    digest = hashlib.sha256(f"{subject}\n{key}".encode()).hexdigest()
    return {"pk": f"IDEMPOTENCY#{digest}", "sk": "KEY"}
