"""`Idempotency-Key`: a request that is sent again with its key gets the first one's answer, not a second effect.

    IDEMPOTENCY#{hash of caller and key} / KEY   fingerprint of the request, attempt, lockedUntil, answer, expiresAt

    claim → (the request's work) → complete: the answer is kept, and given again for a day
                                 → release:  the request was refused and had no effect; the key is as new
            (neither: it died)   → once `lockedUntil` has passed, the same request takes over

Source: draft-ietf-httpapi-idempotency-key-header-06, sections 2.6 and 2.7: 422 for a key that was used with another
request, 409 while the first one is at work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, DynamoDB, from_attributes, to_attributes
from waybill.clock import Clock
from waybill.errors import Conflict, InvalidRequest
from waybill.ids import Ids, new_token

KEPT = timedelta(days=1)
#: A request to the API ends within 29 seconds, whatever becomes of it.
LOCKED = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """A key that this attempt holds. `is_takeover`: an attempt before it may have had its effect."""

    digest: str
    attempt: str
    is_takeover: bool


class IdempotencyKeys:
    """Keys seen, each with the fingerprint of its request and the answer to it."""

    def __init__(self, dynamodb: DynamoDB, table: str, clock: Clock, ids: Ids) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._ids = ids

    def claim(self, subject: str, key: str, request: object) -> Claim | dict[str, Any]:
        """Hold a key for this attempt.

        Args:
            subject: the caller; keys of different callers are different keys.
            request: JSON values; the same request whatever the order of its members.

        Returns:
            The claim, or the answer when the same request was completed before.

        Raises:
            InvalidRequest: the key was used for another request.
            Conflict: the first request is still at work.
        """
        now = self._clock.now()
        digest = hashlib.sha256(f"{subject}\n{key}".encode()).hexdigest()
        fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        attempt = new_token(self._ids)
        item = {
            **_key(digest),
            "fingerprint": fingerprint,
            "attempt": attempt,
            "lockedUntil": int((now + LOCKED).timestamp()),
            "expiresAt": int((now + KEPT).timestamp()),
        }
        answer = self._put(
            item,
            "attribute_not_exists(pk) OR expiresAt <= :now OR attempt = :attempt"
            " OR (fingerprint = :fingerprint AND lockedUntil <= :now AND attribute_not_exists(answer))",
            {":now": int(now.timestamp()), ":attempt": attempt, ":fingerprint": fingerprint},
        )
        if not isinstance(answer, ConditionFailed):
            return Claim(digest, attempt, answer.get("attempt", attempt) != attempt)
        found = {} if answer.item is None else from_attributes(answer.item)
        if found.get("fingerprint", fingerprint) != fingerprint:
            raise InvalidRequest("This Idempotency-Key was used for another request.")
        if "answer" not in found:
            raise Conflict("The first request with this Idempotency-Key is still at work. Try again in a minute.")
        kept: dict[str, Any] = json.loads(found["answer"])
        return kept

    def complete(self, claim: Claim, answer: Mapping[str, Any]) -> None:
        """Keep the answer (JSON values) for whoever asks again."""
        self._update(claim, "SET answer = :answer", {":answer": json.dumps(answer)})

    def unlock(self, claim: Claim) -> None:
        """The attempt failed and nobody knows how far it got: the next one need not wait, but it takes over."""
        self._update(claim, "SET lockedUntil = :none", {":none": 0})

    def release(self, claim: Claim) -> None:
        """Forget a key whose request was refused, so that it can be sent again, also mended."""
        try:
            self._dynamodb.call(
                "DeleteItem",
                {
                    "TableName": self._table,
                    "Key": to_attributes(_key(claim.digest)),
                    "ConditionExpression": "attempt = :attempt",
                    "ExpressionAttributeValues": to_attributes({":attempt": claim.attempt}),
                },
            )
        except ConditionFailed:
            return  # another attempt took over

    def _put(
        self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any]
    ) -> dict[str, Any] | ConditionFailed:
        try:
            answer = self._dynamodb.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": to_attributes(item),
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": to_attributes(values),
                    "ReturnValues": "ALL_OLD",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                },
            )
        except ConditionFailed as error:
            return error
        return from_attributes(answer.get("Attributes", {}))

    def _update(self, claim: Claim, expression: str, values: Mapping[str, Any]) -> None:
        try:
            self._dynamodb.call(
                "UpdateItem",
                {
                    "TableName": self._table,
                    "Key": to_attributes(_key(claim.digest)),
                    "UpdateExpression": expression,
                    "ConditionExpression": "attempt = :attempt",
                    "ExpressionAttributeValues": to_attributes({**values, ":attempt": claim.attempt}),
                },
            )
        except ConditionFailed:
            return  # another attempt took over


def _key(digest: str) -> dict[str, str]:
    return {"pk": f"IDEMPOTENCY#{digest}", "sk": "KEY"}
