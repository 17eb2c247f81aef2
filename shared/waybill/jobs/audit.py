"""The audit trail: who changed, started, stopped, downloaded or was refused what (contract, section 6, *Audit*).

    AUDIT#{month} / {time}#{token}   action, actor, outcome, expiresAt; actorId, address, entity, jobId, parentJobId,
                                     exportId, sourceId, uploadId, as far as there are such

An entry is put by the transaction that makes the change, so that there is no change without its entry, and none has
two: a transaction that is sent again is applied once, and one that a repeated request sends fails. A download, a
refusal and the test of a destination change nothing here: their entries are put before they are answered.

Entries hold names and ids, never what is in a file, a record or a definition. Nothing changes them; TTL deletes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from waybill.aws.table import Action, Item, Table
from waybill.clock import Clock
from waybill.ids import Ids, new_token
from waybill.timestamps import from_epoch, parse_rfc3339, rfc3339

#: `failed` is a dropped file that was refused before its import began, or one of a source that was to be moved or
#: deleted and was not there any more, or not the same.
Outcome = Literal["done", "refused", "failed"]

DROP_FILE, RUN_SCHEDULE = "dropFile", "runSchedule"
FETCH_FILE, MOVE_FILE, DELETE_FILE = "fetchFile", "moveFile", "deleteFile"
#: Entries that one call reads in search of those wanted, and with each request.
MAX_READ, PER_REQUEST = 2_000, 500


@dataclass(frozen=True)
class Act:
    """What somebody does.

    Attributes:
        action: the `operationId` of the API's description, or one of the constants above.
        actor: a name, as in *Started by*.
        actor_id: the subject of the token; None where there was none.
        address: the network address that the request came from.
    """

    action: str
    actor: str
    actor_id: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class Wanted:
    """Which entries a reader asks for; an empty text stands for any.

    Attributes:
        actor: the name, or the subject.
        since: the earliest time.
        until: a time that all are before.
    """

    actor: str = ""
    action: str = ""
    entity: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, item: Item) -> bool:
        return (
            self.actor in ("", item["actor"], item.get("actorId"))
            and self.action in ("", item["action"])
            and self.entity in ("", item.get("entity"))
        )

    @property
    def takes_all(self) -> bool:
        return not (self.actor or self.action or self.entity)


class AuditTrail:
    """
    Args:
        days: how long entries stay.
    """

    def __init__(self, table: Table, clock: Clock, ids: Ids, days: int) -> None:
        self._table = table
        self._clock = clock
        self._ids = ids
        self._kept = timedelta(days=days)

    def entry(self, act: Act | None, outcome: Outcome = "done", **about: str | None) -> list[Action]:
        """What a transaction takes besides the change, so that it leaves an entry; nothing where nobody acts.

        Args:
            about: `entity`, `jobId`, `parentJobId`, `exportId`, `sourceId` and `uploadId`, as far as the act has them.
        """
        return [] if act is None else [self._table.put_action(self._item(act, outcome, about))]

    def put(self, act: Act, outcome: Outcome = "done", **about: str | None) -> None:
        """As `entry`, of what changes nothing. One request."""
        self._table.put(self._item(act, outcome, about))

    def page(self, wanted: Wanted, limit: int, after: str | None = None) -> tuple[list[Item], str | None]:
        """Up to `limit` entries, newest first, behind the position `after`; and the position that the next page begins
        behind, None at the end. With a filter a page may be shorter, or empty, though more follow: it reads MAX_READ
        entries, by some requests of PER_REQUEST."""
        now = self._clock.now()
        since = max(now - self._kept, wanted.since or now - self._kept)
        found: list[Item] = []
        position, read = after, 0
        if wanted.until is not None and (after is None or rfc3339(wanted.until) < after):
            position = rfc3339(wanted.until)
        at_once = limit + 1 if wanted.takes_all else PER_REQUEST
        for item in self._newest(position, since, at_once):
            if item["sk"] < rfc3339(since):
                break
            position, read = item["sk"], read + 1
            if wanted.matches(item) and from_epoch(item["expiresAt"]) > now:
                if len(found) == limit:
                    return found, found[-1]["sk"]
                found.append(item)
            if read == MAX_READ:
                return found, position
        return found, None

    def _newest(self, position: str | None, since: datetime, at_once: int) -> Iterator[Item]:
        """The entries behind a position, newest first, of all months down to that of `since`."""
        month = min(_month(self._clock.now()), "9" if position is None else position[:7])
        while month >= _month(since):
            last = {"pk": _pk(month), "sk": position} if position and position.startswith(month) else None
            while True:
                items, last = self._table.query(_pk(month), newest_first=True, limit=at_once, after=last)
                yield from items
                if last is None:
                    break
            month = _month(parse_rfc3339(f"{month}-01T00:00:00.000Z") - timedelta(days=1))

    def _item(self, act: Act, outcome: Outcome, about: dict[str, str | None]) -> Item:
        now = self._clock.now()
        item = {
            "pk": _pk(_month(now)),
            "sk": f"{rfc3339(now)}#{new_token(self._ids)}",
            "action": act.action,
            "actor": act.actor,
            "actorId": act.actor_id,
            "address": act.address,
            "outcome": outcome,
            "expiresAt": int((now + self._kept).timestamp()),
            **about,
        }
        return {name: value for name, value in item.items() if value is not None}


def _month(moment: datetime) -> str:
    return rfc3339(moment)[:7]


def _pk(month: str) -> str:
    return f"AUDIT#{month}"
