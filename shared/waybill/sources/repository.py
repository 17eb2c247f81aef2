"""Sources in the catalogue table, and their moves, each one conditional request.

    SOURCE / {sourceId}                definition, running, lastRun, trouble (JSON text), entity, entityUid, status, …
    DUE-SOURCES / {dueAt}#{sourceId}   attempts?; changed in one transaction with `dueAt` of the source
    SOURCES#{entityUid} / ALL          sources: the ids of an entity's sources, a set; changed in one transaction with
                                       them

Ids grow with time (UUID version 7), so that the newest source comes first without an index. `DUE-SOURCES` lists what
the schedule attends to, by time and without definitions: sources at their next run, and runs that have not ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfoNotFoundError

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change, Condition
from waybill.aws.table import Action, Item, Key, Table
from waybill.entities.repository import is_gone, still_there
from waybill.errors import EntityDeleted, NotFound, PreconditionFailed, TooManyRequests
from waybill.exports.definition import Owner
from waybill.jobs.attempts import attempts_of
from waybill.schedule import next_runs
from waybill.sizes import MAX_SOURCES, json_text
from waybill.sources.definition import Definition, Run, Source, SourceStatus
from waybill.telemetry import entry_failed, read_each
from waybill.timestamps import parse_rfc3339, rfc3339

#: A run whose start was interrupted is resumed by the next minute.
RESUME_AFTER = timedelta(seconds=30)
#: Of an entity that has as many: somebody has to delete some.
SOURCES_RETRY_SECONDS = 3600
DUE_PER_PAGE = 100


class Due(NamedTuple):
    """An entry of `DUE-SOURCES`; `at` is its time as text, `attempts` how often the schedule failed to attend to it."""

    source_id: str
    at: str
    attempts: int = 0


class SourceRepository:
    """Reads and changes sources. A move reads the source and writes it back on condition that nobody else did meanwhile
    (`revision`)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, source_id: str) -> Source:
        """The source.

        Raises:
            NotFound: no source has this id.
        """
        item = self._table.get(_key(source_id))
        if item is None:
            raise source_not_found()
        return _from_item(item)

    def find(self, source_id: str) -> Source | None:
        try:
            return self.get(source_id)
        except NotFound:
            return None

    def page(self, limit: int, after: str | None = None) -> tuple[list[Source], str | None]:
        """Up to `limit` sources, newest first, after the id `after`, and the last id; None at the end."""
        after_key = None if after is None else {"pk": "SOURCE", "sk": after}
        page = self._table.query("SOURCE", newest_first=True, limit=limit, after=after_key)
        sources = list(read_each("source", page.items, _from_item))
        return sources, None if page.last is None else page.last["sk"]

    def has_busy(self, entity_uid: str) -> bool:
        """Whether a source of the entity is scheduled or runs; a request for each megabyte of definitions."""
        is_busy = Attr("status").equals(SourceStatus.SCHEDULED) | Attr("running").exists()
        return any(self._table.pages("SOURCE", where=Attr("entityUid").equals(entity_uid) & is_busy))

    def erase_of_entity(self, entity_uid: str) -> None:
        """Delete the sources of a deleted entity, in any status; a request for each, and for each megabyte of
        definitions."""
        is_its = Attr("entityUid").equals(entity_uid)
        for items in self._table.pages("SOURCE", where=is_its):
            for item in items:
                with suppress(ConditionFailed):  # it has another entity by now
                    self._table.delete((item["pk"], item["sk"]), is_its)
        self._table.delete(_count_key(entity_uid))

    # What the schedule attends to

    def due(self, now: datetime) -> list[Due]:
        """Up to DUE_PER_PAGE sources whose time has come, the longest due first. An entry that names no source is
        reported and removed."""
        page = self._table.query("DUE-SOURCES", up_to=f"{rfc3339(now)}$", limit=DUE_PER_PAGE)  # "$" follows "#"
        found = []
        for item in page.items:
            at, _, source_id = item["sk"].partition("#")
            if source_id:
                found.append(Due(source_id, at, attempts_of(item)))
            else:
                entry_failed("sources", entry=item["sk"])
                self._table.delete((item["pk"], item["sk"]))
        return found

    def postpone(self, due: Due, until: datetime, attempts: int = 0) -> None:
        """Attend to a source later, also to one that cannot be read; nothing changes if it has another time by now.

        Args:
            attempts: how often it has failed.
        """
        later = Due(due.source_id, rfc3339(until), attempts)
        is_current = Attr("dueAt").equals(due.at)
        actions = [
            self._table.update_action(_key(due.source_id), Change(sets={"dueAt": later.at}), is_current),
            self._table.delete_action(_due_key(due)),
            self._table.put_action(_due_item(later)),
        ]
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if error.retryable:
                raise
            is_stale = Attr("pk").is_missing() | ~is_current
            check = self._table.check_action(_key(due.source_id), is_stale)
            with suppress(TransactionCanceled):
                self._table.transact([check, self._table.delete_action(_due_key(due))])

    # Moves of a person

    def add(self, source: Source, entry: Sequence[Action] = ()) -> Source:
        """Store a new source once.

        Args:
            entry: `AuditTrail.entry` of whoever does it; here and in the other moves of a person.

        Returns:
            The source as stored: when an earlier call stored it, perhaps in a later state.

        Raises:
            EntityDeleted
            TooManyRequests: the entity has as many sources as it may have.
        """
        try:
            self._put(source, Attr("pk").is_missing(), checks_entity=True, entry=entry)
        except ConditionFailed:
            return self.get(source.source_id)
        return source

    def edit(
        self,
        source_id: str,
        definition: Definition,
        entity_uid: str,
        etag: str | None = None,
        entry: Sequence[Action] = (),
    ) -> Source:
        """Give a draft another definition.

        Args:
            etag: of the only state in which it may be edited; None for any.

        Raises:
            Conflict: it is no longer a draft, or a run of it has not ended.
            EntityDeleted
            NotFound: it was deleted.
            PreconditionFailed: it has another ETag.
            TooManyRequests: the other entity has as many sources as it may have.
        """

        def change(source: Source) -> Source:
            source.check_allows("edit")
            _check_etag(source, etag)
            same_place = source.definition.location == definition.location
            return replace(
                source,
                definition=definition,
                entity_uid=entity_uid,
                version=source.version + 1,
                position=None,
                trouble=source.trouble if same_place else None,
            )

        return self._move(source_id, change, checks_entity=True, entry=entry)

    def schedule(self, source_id: str, now: datetime, owner: Owner, entry: Sequence[Action] = ()) -> Source:
        """DRAFT → SCHEDULED; runs that were due before now are not caught up.

        Raises:
            Conflict, NotFound
        """

        def change(source: Source) -> Source:
            source.check_allows("activate")
            active = replace(source, status=SourceStatus.SCHEDULED, handled_until=now, owner=owner)
            return replace(active, message=None, paused_at=None)

        return self._move(source_id, change, checks_entity=True, entry=entry)

    def unschedule(self, source_id: str, entry: Sequence[Action] = ()) -> Source:
        """SCHEDULED → DRAFT; a run in progress ends with the file that it is at.

        Raises:
            Conflict, NotFound
        """

        def change(source: Source) -> Source:
            source.check_allows("unschedule")
            return replace(source, status=SourceStatus.DRAFT)

        return self._move(source_id, change, entry=entry)

    def delete(self, source_id: str, etag: str | None = None, entry: Sequence[Action] = ()) -> None:
        """Delete a draft.

        Args:
            etag: of the only state in which it may be deleted; None for any.

        Raises:
            Conflict: it is no longer a draft, or a run of it has not ended.
            NotFound
            PreconditionFailed: it has another ETag.
        """
        source: Source | None = self.get(source_id)
        while source is not None:
            source.check_allows("delete")
            _check_etag(source, etag)
            try:
                self._delete(source, entry)
            except ConditionFailed:
                # It was changed, or deleted: perhaps by this request, whose reply was lost.
                source = self.find(source_id)
            else:
                return

    # Runs

    def claim(self, source_id: str, run: Run, entry: Sequence[Action] = ()) -> Source:
        """Note a run before its execution is started. Again with the same run it changes nothing.

        Raises:
            Conflict: the source is not scheduled, another run has not ended, or the schedule's moment was handled since
                the caller read the source.
            NotFound: it was deleted.
        """

        def change(source: Source) -> Source:
            if source.running is not None and source.running.run_id == run.run_id:
                return source
            source.check_allows("run")
            handled = source.handled_until
            if run.occurrence is not None and handled is not None and run.occurrence <= handled:
                raise source.conflict("run")
            return replace(source, running=run, handled_until=run.occurrence or handled)

        return self._move(source_id, change, entry=entry)

    def count_restart(self, source_id: str, run: Run) -> Source | None:
        """Give the run's next execution a name of its own; None when the run has ended or was restarted meanwhile."""
        source = self.find(source_id)
        if source is None or source.running is None or _name(source.running) != _name(run):
            return None
        return self._replace(source, replace(source, running=replace(run, restarts=run.restarts + 1)), False)

    def note_progress(self, source_id: str, run_id: str, taken: int) -> None:
        """Note how many files a run has made jobs of."""

        def change(source: Source) -> Source:
            if source.running is None or source.running.run_id != run_id:
                return source
            return replace(source, running=replace(source.running, taken=taken))

        with suppress(NotFound):
            self._move(source_id, change)

    def end_run(self, source_id: str, run_id: str, **changes: Any) -> Source | None:
        """Note that a run has ended.

        Args:
            changes: of the source's fields.

        Returns:
            The source; None if it was deleted, or does not hold this run any more.
        """
        source = self.find(source_id)
        if source is None or source.running is None or source.running.run_id != run_id:
            return None

        def change(current: Source) -> Source:
            if current.running is None or current.running.run_id != run_id:
                return current
            pauses = changes.get("status") is SourceStatus.DRAFT
            if pauses and current.status is SourceStatus.DRAFT:  # unscheduled meanwhile
                return replace(current, running=None, last_run=changes["last_run"])
            return replace(current, **changes, running=None)

        try:
            return self._move(source_id, change)
        except NotFound:
            return None

    def note_told(self, source_id: str) -> None:
        """Note that the recipients know of the trouble with the location."""

        def change(source: Source) -> Source:
            return source if source.trouble is None else replace(source, trouble={**source.trouble, "told": True})

        with suppress(NotFound):
            self._move(source_id, change)

    # Parts of requests

    def _move(
        self,
        source_id: str,
        change: Callable[[Source], Source],
        checks_entity: bool = False,
        entry: Sequence[Action] = (),
    ) -> Source:
        while True:
            source = self.get(source_id)
            changed = change(source)
            if changed == source:
                return source
            if (stored := self._replace(source, changed, checks_entity, entry)) is not None:
                return stored

    def _replace(
        self, source: Source, changed: Source, checks_entity: bool, entry: Sequence[Action] = ()
    ) -> Source | None:
        """Store a source as it was changed, and when it is due then; None when another writer was first."""
        changed = replace(changed, revision=source.revision + 1, due_at=_due_at(changed))
        try:
            self._put(changed, Attr("revision").equals(source.revision), checks_entity, source, entry)
        except ConditionFailed:
            # Another writer was first, unless that was this request, whose response was lost.
            found = self.get(source.source_id)
            if found != changed or found.revision != changed.revision:
                return None
        return changed

    def _delete(self, source: Source, entry: Sequence[Action]) -> None:
        where = Attr("revision").equals(source.revision)
        actions = [self._table.delete_action(_key(source.source_id), where), self._count_off(source), *entry]
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if error.retryable:
                raise
            raise ConditionFailed(error.message, None) from None

    def _count(self, source: Source) -> Action:
        has_room = Attr("sources").is_missing() | Attr("sources").has_fewer_than(MAX_SOURCES)
        change = Change(adds={"sources": frozenset([source.source_id])})
        return self._table.update_action(_count_key(source.entity_uid), change, has_room)

    def _count_off(self, source: Source) -> Action:
        change = Change(deletes={"sources": frozenset([source.source_id])})
        return self._table.update_action(_count_key(source.entity_uid), change)

    def _put(
        self,
        source: Source,
        where: Condition | None,
        checks_entity: bool,
        before: Source | None = None,
        entry: Sequence[Action] = (),
    ) -> None:
        """
        Args:
            checks_entity: not when the entity is gone, or going: for what keeps an entity from being deleted.
            before: as it is in the table.

        Raises:
            ConditionFailed: that of the put.
            EntityDeleted
            TooManyRequests: it would be one too many of its entity.
        """
        entity = source.definition.entity
        actions = [self._table.put_action(_to_item(source), where)]
        times = (source.due_at, None if before is None else before.due_at)
        due, due_before = (None if at is None else Due(source.source_id, rfc3339(at)) for at in times)
        if due != due_before:
            actions += [self._table.delete_action(_due_key(due_before))] if due_before else []
            actions += [self._table.put_action(_due_item(due))] if due else []
        count_position = len(actions)
        if before is None or before.entity_uid != source.entity_uid:
            actions.append(self._count(source))
            actions += [self._count_off(before)] if before is not None else []
        actions += entry
        if checks_entity:
            actions += still_there(self._table, entity, source.entity_uid)
        if len(actions) == 1:
            self._table.put(_to_item(source), where)
            return
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if checks_entity and is_gone(error):
                raise EntityDeleted(entity) from None
            if error.retryable:
                raise
            if error.failed_conditions == [count_position]:
                raise too_many_sources(entity) from None
            raise ConditionFailed(error.message, None) from None


def _check_etag(source: Source, etag: str | None) -> None:
    if etag not in (None, source.etag):
        raise PreconditionFailed("The source")


def _name(run: Run) -> tuple[str, int]:
    """What tells one execution from another."""
    return run.run_id, run.restarts


def too_many_sources(entity: str) -> TooManyRequests:
    message = f"{entity} has {MAX_SOURCES} sources, which is the most that an entity may have. Delete some first."
    return TooManyRequests(message, SOURCES_RETRY_SECONDS)


def source_not_found() -> NotFound:
    return NotFound("There is no source with this id.")


def _due_at(source: Source) -> datetime | None:
    """When the schedule attends to a source next: its run, to resume what was interrupted, else its next run."""
    if source.running is not None:
        return source.running.started_at + RESUME_AFTER
    if source.status is not SourceStatus.SCHEDULED or source.handled_until is None:
        return None
    try:
        return next(iter(next_runs(source.definition.schedule, source.handled_until, 1)), None)
    except ZoneInfoNotFoundError:  # it is due at once, and the schedule reports it
        return source.handled_until


def _due_key(due: Due) -> Key:
    return "DUE-SOURCES", f"{due.at}#{due.source_id}"


def _due_item(due: Due) -> Item:
    pk, sk = _due_key(due)
    item = {"pk": pk, "sk": sk}
    return {**item, "attempts": due.attempts} if due.attempts else item


def _key(source_id: str) -> Key:
    return "SOURCE", source_id


def _count_key(entity_uid: str) -> Key:
    return f"SOURCES#{entity_uid}", "ALL"


def _json(value: Any) -> str | None:
    return None if value is None else json_text(value)


def _to_item(source: Source) -> Item:
    item = {
        "pk": "SOURCE",
        "sk": source.source_id,
        "definition": json_text(source.definition.to_document()),
        "entity": source.definition.entity,
        "entityUid": source.entity_uid,
        "status": source.status.value,
        "createdAt": rfc3339(source.created_at),
        "createdBy": source.created_by,
        "createdById": source.created_by_id,
        "version": source.version,
        "lastRun": _json(source.last_run),
        "running": None if source.running is None else json_text(source.running.to_document()),
        "handledUntil": rfc3339(source.handled_until),
        "position": _json(source.position),
        "trouble": _json(source.trouble),
        "message": source.message,
        "pausedAt": rfc3339(source.paused_at),
        "owner": None if source.owner is None else list(source.owner),
        "revision": source.revision,
        "dueAt": rfc3339(source.due_at),
    }
    return {name: value for name, value in item.items() if value is not None}


def _from_item(item: Item) -> Source:
    def read(name: str) -> Any:
        return json.loads(item[name]) if name in item else None

    return Source(
        source_id=item["sk"],
        definition=Definition.from_document(json.loads(item["definition"])),
        entity_uid=item["entityUid"],
        status=SourceStatus(item["status"]),
        created_at=datetime.fromisoformat(item["createdAt"]),
        created_by=item["createdBy"],
        created_by_id=item["createdById"],
        version=item["version"],
        last_run=read("lastRun"),
        running=Run.from_document(read("running")) if "running" in item else None,
        handled_until=parse_rfc3339(item.get("handledUntil")),
        position=read("position"),
        trouble=read("trouble"),
        message=item.get("message"),
        paused_at=parse_rfc3339(item.get("pausedAt")),
        owner=Owner(*item["owner"]) if "owner" in item else None,
        revision=item["revision"],
        due_at=parse_rfc3339(item.get("dueAt")),
    )
