"""Definitions that run on a schedule, exports and sources: how both are kept in the catalogue table.

    {kind} / {id}               the definition and its state; `revision` counts its moves
    {due} / {dueAt}#{id}        attempts?; changed in one transaction with `dueAt` of the definition
    {kind}S#{entityUid} / ALL   the ids of an entity's definitions, a set; changed in one transaction with them

Ids grow with time (UUID version 7), so that the newest comes first without an index. `{due}` lists what the schedule
attends to, by time and without definitions: the next runs, and runs that have not ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar
from zoneinfo import ZoneInfoNotFoundError

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Action, Item, Key, Table
from waybill.entities.repository import is_gone, still_there
from waybill.errors import EntityDeleted, NotFound, PreconditionFailed, TooManyRequests
from waybill.jobs.attempts import attempts_of
from waybill.schedule import next_runs
from waybill.telemetry import entry_failed, read_each
from waybill.timestamps import rfc3339

#: A run whose start was interrupted is resumed by the next minute.
RESUME_AFTER = timedelta(seconds=30)
#: Of an entity that has as many: somebody has to delete some.
RETRY_SECONDS = 3600
DUE_PER_PAGE = 100


class Due(NamedTuple):
    """An entry of the list of what is due; `at` is its time as text, `attempts` how often the schedule failed to attend
    to it."""

    id: str
    at: str
    attempts: int = 0


class Busy(NamedTuple):
    """A definition that keeps its entity from being deleted; `name` is None for one that cannot be read."""

    id: str
    name: str | None
    is_scheduled: bool
    is_running: bool

    @classmethod
    def from_item(cls, item: Item) -> Busy:
        try:
            name = str(json.loads(item["definition"])["name"])
        except (KeyError, TypeError, ValueError):
            name = None
        is_scheduled = item.get("status") == "SCHEDULED"
        return cls(item["sk"], name, is_scheduled, "running" in item or not is_scheduled)


class _Definition(Protocol):
    @property
    def entity(self) -> str: ...


class Scheduled(Protocol):
    """What exports and sources have in common."""

    @property
    def id(self) -> str: ...
    @property
    def definition(self) -> _Definition: ...
    @property
    def entity_uid(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def etag(self) -> str: ...

    def check_allows(self, action: str) -> None: ...


T = TypeVar("T", bound=Scheduled)


class ScheduledRepository(Generic[T]):
    """Reads and changes definitions. A move reads one and writes it back on condition that nobody else did meanwhile.

    Attributes:
        word: what one is called.
        due: the partition of the list of what is due.
        limit: how many an entity may have.
        is_busy: true for those that keep their entity from being deleted.
    """

    word: ClassVar[str]
    due_partition: ClassVar[str]
    limit: ClassVar[int]
    is_busy: ClassVar[Condition]

    def __init__(self, table: Table) -> None:
        self._table = table
        self._kind = self.word.upper()

    # What each kind says

    def to_item(self, one: T) -> Item:
        raise NotImplementedError

    def from_item(self, item: Item) -> T:
        raise NotImplementedError

    def revised(self, one: T, revision: int) -> T:
        """A definition as a move leaves it, with when it is due then."""
        raise NotImplementedError

    def is_counted(self, before: T) -> bool:
        """Whether the set of its entity's ids has it."""
        return True

    # Reads

    def get(self, id: str) -> T:
        """
        Raises:
            NotFound: none has this id.
        """
        found = self.find(id)
        if found is None:
            raise self.not_found()
        return found

    def find(self, id: str) -> T | None:
        item = self._table.get(self._key(id))
        return None if item is None else self.from_item(item)

    def not_found(self) -> NotFound:
        return NotFound(f"There is no {self.word} with this id.")

    def page(self, limit: int, after: str | None = None) -> tuple[list[T], str | None]:
        """Up to `limit` of them, newest first, after the id `after`, and the last id; None at the end."""
        after_key = None if after is None else {"pk": self._kind, "sk": after}
        page = self._table.query(self._kind, newest_first=True, limit=limit, after=after_key)
        found = list(read_each(self.word, page.items, self.from_item))
        return found, None if page.last is None else page.last["sk"]

    def busy(self, entity_uid: str, limit: int) -> list[Busy]:
        """Up to `limit` of the entity that are scheduled or run, those that cannot be read too; a request for each
        megabyte of definitions."""
        pages = self._table.pages(self._kind, where=Attr("entityUid").equals(entity_uid) & self.is_busy)
        return [Busy.from_item(item) for item in islice((item for page in pages for item in page), limit)]

    def erase_of_entity(self, entity_uid: str) -> None:
        """Delete those of a deleted entity, in any status; a request for each, and for each megabyte of definitions."""
        is_its = Attr("entityUid").equals(entity_uid)
        for items in self._table.pages(self._kind, where=is_its):
            for item in items:
                with suppress(ConditionFailed):  # it has another entity by now
                    self._table.delete((item["pk"], item["sk"]), is_its)
        self._table.delete(self._count_key(entity_uid))

    # What the schedule attends to

    def due(self, now: datetime) -> list[Due]:
        """Up to DUE_PER_PAGE of those whose time has come, the longest due first. An entry that names none is reported
        and removed."""
        page = self._table.query(self.due_partition, up_to=f"{rfc3339(now)}$", limit=DUE_PER_PAGE)  # "$" follows "#"
        found = []
        for item in page.items:
            at, _, id = item["sk"].partition("#")
            try:
                if not id:
                    raise ValueError(f"the entry names no {self.word}")
                found.append(Due(id, at, attempts_of(item)))
            except ValueError:
                entry_failed(f"{self.word}s", entry=item["sk"])
                self._table.delete((item["pk"], item["sk"]))
        return found

    def postpone(self, due: Due, until: datetime, attempts: int = 0) -> None:
        """Attend to one later, also to one that cannot be read; nothing changes if it has another time by now.

        Args:
            attempts: how often it has failed.
        """
        later = Due(due.id, rfc3339(until), attempts)
        is_current = Attr("dueAt").equals(due.at)
        actions = [
            self._table.update_action(self._key(due.id), Change(sets={"dueAt": later.at}), is_current),
            self._table.delete_action(self._due_key(due)),
            self._table.put_action(self._due_item(later)),
        ]
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if error.retryable:
                raise
            check = self._table.check_action(self._key(due.id), Attr("pk").is_missing() | ~is_current)
            with suppress(TransactionCanceled):
                self._table.transact([check, self._table.delete_action(self._due_key(due))])

    # Moves

    def add(self, one: T, entry: Sequence[Action] = ()) -> T:
        """Store a new one once.

        Args:
            entry: `AuditTrail.entry` of whoever does it; here and in the other moves of a person.

        Returns:
            It as stored: when an earlier call stored it, perhaps in a later state.

        Raises:
            EntityDeleted
            TooManyRequests: the entity has as many as it may have.
        """
        try:
            self._put(one, Attr("pk").is_missing(), checks_entity=True, entry=entry)
        except ConditionFailed:
            return self.get(one.id)
        return one

    def delete(
        self,
        id: str,
        etag: str | None = None,
        entry: Sequence[Action] = (),
        check: Callable[[T], None] = lambda one: one.check_allows("delete"),
    ) -> None:
        """Delete a draft, or what else may be deleted.

        Args:
            etag: of the only state in which it may be deleted; None for any.
            check: raises Conflict where its state forbids the deletion.

        Raises:
            Conflict: it is no longer a draft, or a run of it has not ended.
            NotFound
            PreconditionFailed: it has another ETag.
        """
        one: T | None = self.get(id)
        while one is not None:
            check(one)
            self.check_etag(one, etag)
            where = Attr("revision").equals(one.revision)
            actions = [self._table.delete_action(self._key(id), where), self._count_off(one), *entry]
            try:
                self._table.transact(actions)
                return
            except TransactionCanceled as error:
                if error.retryable:
                    raise
                # It was changed, or deleted: perhaps by this request, whose reply was lost.
                one = self.find(id)

    def check_etag(self, one: T, etag: str | None) -> None:
        """
        Raises:
            PreconditionFailed: it has another ETag.
        """
        if etag not in (None, one.etag):
            raise PreconditionFailed(f"The {self.word}")

    def is_unchanged(self, one: T) -> list[Action]:
        """A check for another transaction: it is still as it was read."""
        return [self._table.check_action(self._key(one.id), Attr("revision").equals(one.revision))]

    def move(self, id: str, change: Callable[[T], T], checks_entity: bool = False, entry: Sequence[Action] = ()) -> T:
        """Change one, on what it is when it is written.

        Args:
            change: is called again for each state that another writer has made meanwhile; what it raises ends the move.
            checks_entity: not when the entity is gone, or going: for what keeps an entity from being deleted.

        Raises:
            NotFound: it was deleted.
            EntityDeleted
            TooManyRequests: the entity that it has now has as many as it may have.
        """
        while True:
            one = self.get(id)
            changed = change(one)
            if changed == one:
                return one
            if (stored := self.replace(one, changed, checks_entity, entry)) is not None:
                return stored

    def replace(self, one: T, changed: T, checks_entity: bool = False, entry: Sequence[Action] = ()) -> T | None:
        """Store one as it was changed, and when it is due then; None when another writer was first."""
        changed = self.revised(changed, one.revision + 1)
        try:
            self._put(changed, Attr("revision").equals(one.revision), checks_entity, one, entry)
        except ConditionFailed:
            # Another writer was first, unless that was this request, whose response was lost.
            found = self.get(one.id)
            if found != changed or found.revision != changed.revision:
                return None
        return changed

    # Parts of requests

    def _put(
        self,
        one: T,
        where: Condition | None,
        checks_entity: bool,
        before: T | None = None,
        entry: Sequence[Action] = (),
    ) -> None:
        """
        Args:
            before: as it is in the table.

        Raises:
            ConditionFailed: that of the put.
            EntityDeleted
            TooManyRequests: it would be one too many of its entity.
        """
        actions = [self._table.put_action(self.to_item(one), where)]
        times = (one.due_at, None if before is None else before.due_at)
        due, due_before = (None if at is None else Due(one.id, rfc3339(at)) for at in times)
        if due != due_before:
            actions += [self._table.delete_action(self._due_key(due_before))] if due_before else []
            actions += [self._table.put_action(self._due_item(due))] if due else []
        count_position = len(actions)
        if before is None or before.entity_uid != one.entity_uid:
            actions.append(self._count(one, is_limited=True))
            actions += [self._count_off(before)] if before is not None else []
        elif not self.is_counted(before):
            actions.append(self._count(one, is_limited=False))
        actions += entry
        if checks_entity:
            actions += still_there(self._table, one.definition.entity, one.entity_uid)
        if len(actions) == 1:
            self._table.put(self.to_item(one), where)
            return
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if checks_entity and is_gone(error):
                raise EntityDeleted(one.definition.entity) from None
            if error.retryable:
                raise
            if error.failed_conditions == [count_position]:
                raise self._too_many(one.definition.entity) from None
            raise ConditionFailed(error.message, None) from None

    def _too_many(self, entity: str) -> TooManyRequests:
        what = f"{entity} has {self.limit} {self.word}s, which is the most that an entity may have. Delete some first."
        return TooManyRequests(what, RETRY_SECONDS)

    def _count(self, one: T, is_limited: bool) -> Action:
        ids = f"{self.word}s"
        has_room = Attr(ids).is_missing() | Attr(ids).has_fewer_than(self.limit)
        change = Change(adds={ids: frozenset([one.id])})
        return self._table.update_action(self._count_key(one.entity_uid), change, has_room if is_limited else None)

    def _count_off(self, one: T) -> Action:
        change = Change(deletes={f"{self.word}s": frozenset([one.id])})
        return self._table.update_action(self._count_key(one.entity_uid), change)

    def _key(self, id: str) -> Key:
        return self._kind, id

    def _count_key(self, entity_uid: str) -> Key:
        return f"{self._kind}S#{entity_uid}", "ALL"

    def _due_key(self, due: Due) -> Key:
        return self.due_partition, f"{due.at}#{due.id}"

    def _due_item(self, due: Due) -> Item:
        pk, sk = self._due_key(due)
        item = {"pk": pk, "sk": sk}
        return {**item, "attempts": due.attempts} if due.attempts else item


def next_due(schedule: Any, began_at: datetime | None, handled_until: datetime | None) -> datetime | None:
    """When the schedule attends to a definition next: its run, to resume what was interrupted, else its next run.

    Args:
        began_at: of the run that has not ended.
        handled_until: its runs up to then were made; None where it is not scheduled.
    """
    if began_at is not None:
        return began_at + RESUME_AFTER
    if handled_until is None:
        return None
    try:
        return next(iter(next_runs(schedule, handled_until, 1)), None)
    except ZoneInfoNotFoundError:  # it is due at once, and the schedule reports it
        return handled_until
