"""Webhooks that are to be sent.

    WEBHOOK / {due}#{webhookId}              url, secretId, entity, entityUid, jobId, body, attempts, reason, putAt
    WEBHOOK#DEAD / {givenUpAt}#{webhookId}   the same, expiresAt; those that were given up
    WEBHOOK#SERVER / {host}:{port}           since, expiresAt; receivers whose latest attempt failed, or was slow

An entry is put while the change of status is published (`jobs.outbox`), so that none is lost. Whoever sends one claims
it first: the claim moves it to the time of the next attempt, so that nobody else sends it meanwhile, and an attempt
that dies counts as one that failed. It is removed when the receiver has taken it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any, Self

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Item, Table
from waybill.clock import Clock
from waybill.ids import derived_uuid
from waybill.jobs.attempts import attempts_of
from waybill.jobs.webhooks import Webhook
from waybill.telemetry import read_each
from waybill.timestamps import rfc3339

#: After each attempt that failed: eight attempts in 32 hours (Standard Webhooks, "Deliverability and reliability").
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 840))
MAX_ATTEMPTS = len(PAUSES) + 1
#: A message of which so many attempts cannot be made, because there are too many for its receiver, is given up as well.
MAX_AGE = timedelta(days=3)
DEAD_KEPT = timedelta(days=14)
PER_PAGE = 100
TROUBLE_KEPT = timedelta(days=1)
_DUE, _DEAD, _SERVERS = "WEBHOOK", "WEBHOOK#DEAD", "WEBHOOK#SERVER"
_NAMESPACE = "7d1f2f43-5a3e-5a0b-9c55-1d8f0c3a6b52"


@dataclass(frozen=True)
class Message:
    """One webhook for one address.

    Attributes:
        webhook_id: the same for every attempt, by which a receiver knows a repeat.
        body: the JSON text.
        key: of the entry.
        attempts: those that have begun.
        reason: what the latest one failed for.
        put_at: when it was put, or last redriven.
    """

    webhook_id: str
    webhook: Webhook
    entity: str
    entity_uid: str
    job_id: str
    body: str
    key: tuple[str, str] = ("", "")
    attempts: int = 0
    reason: str = ""
    put_at: str = ""

    @property
    def since(self) -> str:
        """When it was put, or given up: the time in its key."""
        return self.key[1].partition("#")[0]

    @classmethod
    def from_item(cls, item: Item) -> Self:
        return cls(
            webhook_id=item["sk"].partition("#")[2],
            webhook=Webhook(item["url"], item["secretId"]),
            entity=item["entity"],
            entity_uid=item["entityUid"],
            job_id=item["jobId"],
            body=item["body"],
            key=(item["pk"], item["sk"]),
            attempts=attempts_of(item),
            reason=str(item.get("reason", "")),
            put_at=str(item["putAt"]),
        )

    def to_item(self, pk: str, at: str) -> Item:
        return {
            "pk": pk,
            "sk": f"{at}#{self.webhook_id}",
            "url": self.webhook.url,
            "secretId": self.webhook.secret_id,
            "entity": self.entity,
            "entityUid": self.entity_uid,
            "jobId": self.job_id,
            "body": self.body,
            "attempts": self.attempts,
            "reason": self.reason,
            "putAt": self.put_at,
        }


def webhook_id(job_id: str, kind: str, url: str) -> str:
    """The id of what is told of a job to an address; without a dot, which the signed text has between its parts."""
    return f"msg_{derived_uuid(_NAMESPACE, job_id, kind, url)}"


class WebhookQueue:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def add(self, message: Message) -> None:
        """Put a message that is due at once."""
        now = rfc3339(self._clock.now())
        self._table.put(replace(message, put_at=now).to_item(_DUE, now))

    def due(self) -> Iterator[Message]:
        """The messages that are due, oldest first. One that cannot be read is reported and passed over."""
        until = f"{rfc3339(self._clock.now())}#~"  # behind every id
        for items in self._table.pages(_DUE, up_to=until, limit=PER_PAGE):
            yield from read_each("webhook", items, Message.from_item)

    def is_spent(self, message: Message) -> bool:
        """Whether no attempt may follow; the last one has died if it was not given up then."""
        return message.attempts >= MAX_ATTEMPTS or message.put_at < rfc3339(self._clock.now() - MAX_AGE)

    def claim(self, message: Message) -> Message | None:
        """The message, of which an attempt begins; None if somebody else has begun one, or it is gone."""
        pause = PAUSES[min(message.attempts, len(PAUSES) - 1)]
        claimed = replace(message, attempts=message.attempts + 1)
        return self._move(message, claimed, _DUE, rfc3339(self._clock.now() + pause))

    def note_failure(self, message: Message, reason: str) -> None:
        """Keep why an attempt failed; the next one comes by itself."""
        with suppress(ConditionFailed):  # another attempt has begun
            self._table.update(message.key, Change(sets={"reason": reason}), Attr("pk").exists())

    def postpone(self, message: Message, reason: str) -> None:
        """Take back a claim whose attempt may not be made on this day (UTC): the message is due on the next one."""
        tomorrow = self._clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self._move(message, replace(message, attempts=message.attempts - 1, reason=reason), _DUE, rfc3339(tomorrow))

    def troubled(self) -> dict[str, str]:
        """The servers whose latest attempt failed, or was slow, each with when."""
        return {item["sk"]: str(item["since"]) for items in self._table.pages(_SERVERS) for item in items}

    def note_trouble(self, server: str, is_well: bool) -> None:
        """Note how the latest attempt of a server went."""
        if is_well:
            self._table.delete((_SERVERS, server))
            return
        now = self._clock.now()
        kept = {"since": rfc3339(now), "expiresAt": int((now + TROUBLE_KEPT).timestamp())}
        self._table.put({"pk": _SERVERS, "sk": server, **kept})

    def remove(self, message: Message) -> None:
        """Forget a message that was taken, or that nobody wants any more."""
        self._table.delete(message.key)

    def give_up(self, message: Message, reason: str) -> None:
        """Make no further attempt: the message becomes a dead letter."""
        expires = int((self._clock.now() + DEAD_KEPT).timestamp())
        self._move(message, replace(message, reason=reason), _DEAD, rfc3339(self._clock.now()), expiresAt=expires)

    def dead(self, limit: int, after: str | None) -> tuple[list[Message], str | None]:
        """A page of the dead letters, oldest first, and the place at which the next page begins."""
        position = None if after is None else {"pk": _DEAD, "sk": after}
        items, last = self._table.query(_DEAD, limit=limit, after=position, above=self._expired())
        return list(read_each("webhook", items, Message.from_item)), None if last is None else last["sk"]

    def redrive(self, limit: int, entity: str | None = None) -> tuple[int, bool]:
        """Make dead letters due again, `limit` at most.

        Args:
            entity: whose; all when left out.

        Returns:
            How many there were, and whether there are more.
        """
        items = (item for page in self._table.pages(_DEAD, limit=PER_PAGE, above=self._expired()) for item in page)
        letters = read_each("webhook", items, Message.from_item)
        wanted = list(islice((each for each in letters if entity in (None, each.entity)), limit + 1))
        moved = 0
        for letter in wanted[:limit]:
            now = rfc3339(self._clock.now())
            moved += self._move(letter, replace(letter, attempts=0, put_at=now), _DUE, now) is not None
        return moved, len(wanted) > limit

    def _expired(self) -> str:
        """Behind the keys of the dead letters that have expired; DynamoDB removes them within days."""
        return rfc3339(self._clock.now() - DEAD_KEPT)

    def _move(self, message: Message, moved: Message, pk: str, at: str, **members: Any) -> Message | None:
        """Move an entry in one step; None if it is not there any more."""
        item: Mapping[str, Any] = moved.to_item(pk, at) | members
        gone = self._table.delete_action(message.key, Attr("pk").exists())
        try:
            self._table.transact([self._table.put_action(dict(item)), gone])
        except TransactionCanceled:
            return None
        return replace(moved, key=(pk, item["sk"]))
