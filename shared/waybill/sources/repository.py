"""Sources in the catalogue table, and their moves, each one conditional request.

    SOURCE / {sourceId}                definition, running, lastRun, trouble (JSON text), entity, entityUid, status, …
    DUE-SOURCES / {dueAt}#{sourceId}   attempts?; changed in one transaction with `dueAt` of the source
    SOURCES#{entityUid} / ALL          sources: the ids of an entity's sources, a set; changed in one transaction with
                                       them

What sources have in common with exports is in `waybill.jobs.scheduled`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Item
from waybill.errors import NotFound
from waybill.exports.definition import Owner
from waybill.jobs.scheduled import ScheduledRepository, next_due
from waybill.sizes import MAX_SOURCES, json_text
from waybill.sources.definition import Definition, Run, Source, SourceStatus
from waybill.timestamps import parse_rfc3339, rfc3339


class SourceRepository(ScheduledRepository[Source]):
    """Reads and changes sources."""

    word = "source"
    due_partition = "DUE-SOURCES"
    limit = MAX_SOURCES
    is_busy = Attr("status").equals(SourceStatus.SCHEDULED) | Attr("running").exists()

    def to_item(self, one: Source) -> Item:
        item = {
            "pk": "SOURCE",
            "sk": one.source_id,
            "definition": json_text(one.definition.to_document()),
            "entity": one.definition.entity,
            "entityUid": one.entity_uid,
            "status": one.status.value,
            "createdAt": rfc3339(one.created_at),
            "createdBy": one.created_by,
            "createdById": one.created_by_id,
            "version": one.version,
            "lastRun": _json(one.last_run),
            "running": None if one.running is None else json_text(one.running.to_document()),
            "handledUntil": rfc3339(one.handled_until),
            "position": _json(one.position),
            "trouble": _json(one.trouble),
            "message": one.message,
            "pausedAt": rfc3339(one.paused_at),
            "owner": None if one.owner is None else list(one.owner),
            "revision": one.revision,
            "dueAt": rfc3339(one.due_at),
        }
        return {name: value for name, value in item.items() if value is not None}

    def from_item(self, item: Item) -> Source:
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

    def revised(self, one: Source, revision: int) -> Source:
        return replace(one, revision=revision, due_at=_due_at(one))

    # Moves of a person

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
            self.check_etag(source, etag)
            same_place = source.definition.location == definition.location
            return replace(
                source,
                definition=definition,
                entity_uid=entity_uid,
                version=source.version + 1,
                position=None,
                trouble=source.trouble if same_place else None,
            )

        return self.move(source_id, change, checks_entity=True, entry=entry)

    def schedule(self, source_id: str, now: datetime, owner: Owner, entry: Sequence[Action] = ()) -> Source:
        """DRAFT → SCHEDULED; runs that were due before now are not caught up.

        Raises:
            Conflict, NotFound
        """

        def change(source: Source) -> Source:
            source.check_allows("activate")
            active = replace(source, status=SourceStatus.SCHEDULED, handled_until=now, owner=owner)
            return replace(active, message=None, paused_at=None)

        return self.move(source_id, change, checks_entity=True, entry=entry)

    def unschedule(self, source_id: str, entry: Sequence[Action] = ()) -> Source:
        """SCHEDULED → DRAFT; a run in progress ends with the file that it is at.

        Raises:
            Conflict, NotFound
        """

        def change(source: Source) -> Source:
            source.check_allows("unschedule")
            return replace(source, status=SourceStatus.DRAFT)

        return self.move(source_id, change, entry=entry)

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

        return self.move(source_id, change, entry=entry)

    def count_restart(self, source_id: str, run: Run) -> Source | None:
        """Give the run's next execution a name of its own; None when the run has ended or was restarted meanwhile."""
        source = self.find(source_id)
        if source is None or source.running is None or _name(source.running) != _name(run):
            return None
        return self.replace(source, replace(source, running=replace(run, restarts=run.restarts + 1)))

    def note_progress(self, source_id: str, run_id: str, taken: int) -> None:
        """Note how many files a run has made jobs of."""

        def change(source: Source) -> Source:
            if source.running is None or source.running.run_id != run_id:
                return source
            return replace(source, running=replace(source.running, taken=taken))

        with suppress(NotFound):
            self.move(source_id, change)

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
            return self.move(source_id, change)
        except NotFound:
            return None

    def note_told(self, source_id: str) -> None:
        """Note that the recipients know of the trouble with the location."""

        def change(source: Source) -> Source:
            return source if source.trouble is None else replace(source, trouble={**source.trouble, "told": True})

        with suppress(NotFound):
            self.move(source_id, change)


def _name(run: Run) -> tuple[str, int]:
    """What tells one execution from another."""
    return run.run_id, run.restarts


def _due_at(source: Source) -> datetime | None:
    began_at = None if source.running is None else source.running.started_at
    is_scheduled = source.status is SourceStatus.SCHEDULED
    return next_due(source.definition.schedule, began_at, source.handled_until if is_scheduled else None)


def _json(value: Any) -> str | None:
    return None if value is None else json_text(value)
