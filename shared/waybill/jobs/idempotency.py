"""`Idempotency-Key`: a request that is sent again with its key gets the first one's answer, and no second effect.

    IDEMPOTENCY#{hash of caller and key} / KEY   fingerprint of the request, attempt, lockedUntil, answer, expiresAt

    claim → (the request's work) → complete: the answer is kept, and given again for a day
                                 → release:  the request was refused and had no effect; the key is free again
            (neither: it died)   → once `lockedUntil` has passed, the same request takes over

Source: draft-ietf-httpapi-idempotency-key-header-06, sections 2.6 and 2.7: 422 for a key that was used with another
request, 409 while the first one is being answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from waybill.aws.dynamodb import ConditionFailed, from_attributes
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Key, Table
from waybill.clock import Clock
from waybill.errors import Conflict, InvalidRequest
from waybill.ids import Ids, new_token

MAX_KEY = 255
KEPT = timedelta(days=1)
#: A request to the API ends within 29 seconds.
LOCKED = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """A key that this attempt holds. `is_takeover`: an attempt before it may have had its effect."""

    digest: str
    attempt: str
    is_takeover: bool


class IdempotencyKeys:
    """Keys seen, each with the fingerprint of its request and the answer to it."""

    def __init__(self, table: Table, clock: Clock, ids: Ids) -> None:
        self._table = table
        self._clock = clock
        self._ids = ids

    def find(self, subject: str, key: str, request: object) -> dict[str, Any] | None:
        """The kept answer to this request with this key; None when there is none, or the key is another request's."""
        item = self._table.get(_key(_digest(subject, key)))
        if item is None or "answer" not in item or item["fingerprint"] != _fingerprint(request):
            return None
        if item["expiresAt"] <= self._clock.now().timestamp():
            return None
        kept: dict[str, Any] = json.loads(item["answer"])
        return kept

    def claim(self, subject: str, key: str, request: object) -> Claim | dict[str, Any]:
        """Hold a key for this attempt.

        Args:
            subject: the caller; keys of different callers are different keys.
            request: JSON values; the order of their members does not matter.

        Returns:
            The claim, or the answer when the same request was completed before.

        Raises:
            InvalidRequest: the key was used for another request.
            Conflict: the first request has not been answered yet.
        """
        now = self._clock.now()
        digest, fingerprint = _digest(subject, key), _fingerprint(request)
        attempt = new_token(self._ids)
        pk, sk = _key(digest)
        item = {
            "pk": pk,
            "sk": sk,
            "fingerprint": fingerprint,
            "attempt": attempt,
            "lockedUntil": int((now + LOCKED).timestamp()),
            "expiresAt": int((now + KEPT).timestamp()),
        }
        seconds = int(now.timestamp())
        is_abandoned = (
            Attr("fingerprint").equals(fingerprint) & Attr("lockedUntil").at_most(seconds) & Attr("answer").is_missing()
        )
        is_free = Attr("pk").is_missing() | Attr("expiresAt").at_most(seconds)
        try:
            replaced = self._table.put(item, is_free | Attr("attempt").equals(attempt) | is_abandoned)
        except ConditionFailed as error:
            found = {} if error.item is None else from_attributes(error.item)
        else:
            return Claim(digest, attempt, (replaced or item).get("attempt", attempt) != attempt)
        if found.get("fingerprint", fingerprint) != fingerprint:
            raise InvalidRequest("This Idempotency-Key was used for another request.")
        if "answer" not in found:
            raise Conflict("The first request with this Idempotency-Key is still running. Try again in a minute.")
        kept: dict[str, Any] = json.loads(found["answer"])
        return kept

    def complete(self, claim: Claim, answer: Mapping[str, Any]) -> None:
        """Store the response (JSON values) for repeated requests."""
        self._update(claim, "answer", json.dumps(answer))

    def unlock(self, claim: Claim) -> None:
        """The attempt failed and nobody knows how far it got: the next one need not wait, but it takes over."""
        self._update(claim, "lockedUntil", 0)

    def release(self, claim: Claim) -> None:
        """Forget a key whose request was refused, so that it can be sent again, corrected or not."""
        with suppress(ConditionFailed):  # another attempt took over
            self._table.delete(_key(claim.digest), Attr("attempt").equals(claim.attempt))

    def _update(self, claim: Claim, name: str, value: str | int) -> None:
        with suppress(ConditionFailed):  # another attempt took over
            self._table.update(_key(claim.digest), Change(sets={name: value}), Attr("attempt").equals(claim.attempt))


def _digest(subject: str, key: str) -> str:
    return hashlib.sha256(f"{subject}\n{key}".encode()).hexdigest()


def _fingerprint(request: object) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _key(digest: str) -> Key:
    return f"IDEMPOTENCY#{digest}", "KEY"
