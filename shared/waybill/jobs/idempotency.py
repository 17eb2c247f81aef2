"""`Idempotency-Key`: a request that is sent again with its key gets the first one's answer, and no second effect.

    IDEMPOTENCY#{hash of caller and key} / KEY   fingerprint of the request, madeId, attempt, lockedUntil, answer,
                                                 expiresAt

    claim → (the request's work) → complete: the answer is kept, and given again for a day
                                 → release:  the first attempt was refused and had no effect; the key is free again
                                 → unlock:   it failed, or refused what an attempt before it may have done
            (none: it died)      → once `lockedUntil` has passed, the same request takes over

An attempt that takes over may find what the one before it made: it bears the id that all attempts share, `made_id`.

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

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Item, Key, Table
from waybill.clock import Clock
from waybill.errors import InvalidRequest, StillRunning
from waybill.ids import Ids, new_token, time_ordered_uuid
from waybill.sizes import json_text

MAX_KEY = 255
KEPT = timedelta(days=1)
#: A request to the API ends within 29 seconds.
LOCKED = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """A key that this attempt holds.

    Attributes:
        made_id: a time-ordered UUID for what the request makes, the same for every attempt.
        is_repeat: an attempt before this one may have had its effect.
    """

    digest: str
    attempt: str
    made_id: str
    is_repeat: bool


class IdempotencyKeys:
    """Keys seen, each with the fingerprint of its request and the answer to it."""

    def __init__(self, table: Table, clock: Clock, ids: Ids) -> None:
        self._table = table
        self._clock = clock
        self._ids = ids

    def claim(self, subject: str, key: str, request: object) -> Claim | dict[str, Any]:
        """Hold a key for this attempt. A read and a write.

        Args:
            subject: the caller; keys of different callers are different keys.
            request: JSON values; the order of their members does not matter.

        Returns:
            The claim, or the answer when the same request was completed before.

        Raises:
            InvalidRequest: the key was used for another request.
            StillRunning: the first request has not been answered yet.
        """
        now = self._clock.now()
        digest, fingerprint = _digest(subject, key), _fingerprint(request)
        found = self._table.get(_key(digest))
        earlier = found if found is not None and found["expiresAt"] > now.timestamp() else None
        if earlier is not None:
            if earlier["fingerprint"] != fingerprint:
                raise InvalidRequest("This Idempotency-Key was used for another request.")
            if "answer" in earlier:
                kept: dict[str, Any] = json.loads(earlier["answer"])
                return kept
            if earlier["lockedUntil"] > now.timestamp():
                raise StillRunning()
        made_id = earlier["madeId"] if earlier else time_ordered_uuid(int(now.timestamp() * 1000), self._ids)
        claim = Claim(digest, new_token(self._ids), made_id, is_repeat=earlier is not None)
        pk, sk = _key(digest)
        item = {
            "pk": pk,
            "sk": sk,
            "fingerprint": fingerprint,
            "madeId": made_id,
            "attempt": claim.attempt,
            "lockedUntil": int((now + LOCKED).timestamp()),
            "expiresAt": int((now + KEPT).timestamp()),
        }
        try:
            # The claim itself passes too: the reply to it may have been lost.
            self._table.put(item, _is_unchanged(found) | Attr("attempt").equals(claim.attempt))
        except ConditionFailed:
            raise StillRunning() from None
        return claim

    def complete(self, claim: Claim, answer: Mapping[str, Any]) -> None:
        """Store the response (JSON values) for repeated requests."""
        self._update(claim, "answer", json_text(answer))

    def unlock(self, claim: Claim) -> None:
        """Nobody knows how far the attempt got, or one before it: the next one need not wait, but it takes over."""
        self._update(claim, "lockedUntil", 0)

    def release(self, claim: Claim) -> None:
        """Forget a key whose first attempt was refused, so that it can be used again, corrected or not."""
        with suppress(ConditionFailed):  # another attempt took over
            self._table.delete(_key(claim.digest), Attr("attempt").equals(claim.attempt))

    def _update(self, claim: Claim, name: str, value: str | int) -> None:
        with suppress(ConditionFailed):  # another attempt took over
            self._table.update(_key(claim.digest), Change(sets={name: value}), Attr("attempt").equals(claim.attempt))


def _is_unchanged(found: Item | None) -> Condition:
    if found is None:
        return Attr("pk").is_missing()
    is_same = Attr("attempt").equals(found["attempt"])
    return is_same if "answer" in found else is_same & Attr("answer").is_missing()


def _digest(subject: str, key: str) -> str:
    return hashlib.sha256(f"{subject}\n{key}".encode()).hexdigest()


def _fingerprint(request: object) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _key(digest: str) -> Key:
    return f"IDEMPOTENCY#{digest}", "KEY"
