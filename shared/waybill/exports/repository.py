"""Exports in the catalogue table, and their moves, each one conditional request.

    EXPORT / {exportId}          definition, running and lastRun (JSON text), entity, entityUid, status, dueAt?, …
    DUE / {dueAt}#{exportId}     attempts?; changed in one transaction with `dueAt`
    CHECKED / EXPORTS            after: the last export that `index_some` has read
    EXPORTS#{entityUid} / ALL    exports: the ids of an entity's exports, a set; changed in one transaction with them

Ids grow with time (UUID version 7), so that the newest export comes first without an index. `DUE` lists what the
schedule attends to, by time and without definitions: exports at their next run, and runs that have not ended.
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
from waybill.errors import Conflict, EntityDeleted, NotFound, PreconditionFailed, TooManyRequests
from waybill.exports.definition import (
    MAX_SET_ASIDE,
    PAUSE_AFTER,
    Definition,
    Export,
    ExportStatus,
    ExportType,
    Owner,
    Run,
    starts_over,
)
from waybill.ids import Ids, new_uuid
from waybill.jobs.attempts import attempts_of
from waybill.jobs.model import Job, Status
from waybill.jobs.rights import NO_PERMISSION
from waybill.schedule import next_runs
from waybill.sizes import MAX_EXPORTS, json_text
from waybill.telemetry import entry_failed, read_each
from waybill.timestamps import parse_rfc3339, rfc3339
from waybill.wire.jobs import run_summary

#: A run whose start was interrupted is resumed by the next minute.
RESUME_AFTER = timedelta(seconds=30)
#: Of an entity that has as many: somebody has to delete some.
EXPORTS_RETRY_SECONDS = 3600
DUE_PER_PAGE = 100
INDEXED_PER_CALL = 100


class Due(NamedTuple):
    """An entry of `DUE`; `at` is its time as text, `attempts` how often the schedule failed to attend to it."""

    export_id: str
    at: str
    attempts: int = 0


class ExportRepository:
    """Reads and changes exports. A move reads the export and writes it back on condition that nobody else did meanwhile
    (`revision`)."""

    def __init__(self, table: Table, ids: Ids) -> None:
        self._table = table
        self._ids = ids

    def get(self, export_id: str) -> Export:
        """The export.

        Raises:
            NotFound: no export has this id.
        """
        item = self._table.get(_key(export_id))
        if item is None:
            raise export_not_found()
        return _from_item(item)

    def find(self, export_id: str) -> Export | None:
        try:
            return self.get(export_id)
        except NotFound:
            return None

    def page(self, limit: int, after: str | None = None) -> tuple[list[Export], str | None]:
        """Up to `limit` exports, newest first, after the id `after`, and the last id; None at the end."""
        after_key = None if after is None else {"pk": "EXPORT", "sk": after}
        page = self._table.query("EXPORT", newest_first=True, limit=limit, after=after_key)
        exports = list(read_each("export", page.items, _from_item))
        return exports, None if page.last is None else page.last["sk"]

    def has_busy(self, entity_uid: str) -> bool:
        """Whether an export of the entity is scheduled or runs; a request for each megabyte of definitions."""
        is_busy = Attr("status").is_in(ExportStatus.SCHEDULED, ExportStatus.IN_PROGRESS) | Attr("running").exists()
        where = Attr("entityUid").equals(entity_uid) & is_busy
        return any(self._table.pages("EXPORT", where=where))

    def erase_of_entity(self, entity_uid: str) -> None:
        """Delete the exports of a deleted entity, in any status; a request for each, and for each megabyte of
        definitions."""
        is_its = Attr("entityUid").equals(entity_uid)
        for items in self._table.pages("EXPORT", where=is_its):
            for item in items:
                with suppress(ConditionFailed):  # it has another entity by now
                    self._table.delete((item["pk"], item["sk"]), is_its)
        self._table.delete(_count_key(entity_uid))

    # What the schedule attends to

    def due(self, now: datetime) -> list[Due]:
        """Up to DUE_PER_PAGE exports whose time has come, the longest due first. An entry that names no export is
        reported and removed."""
        page = self._table.query("DUE", up_to=f"{rfc3339(now)}$", limit=DUE_PER_PAGE)  # "$" follows "#"
        found = []
        for item in page.items:
            try:
                found.append(_due_from(item))
            except ValueError:
                entry_failed("exports", entry=item["sk"])
                self._table.delete((item["pk"], item["sk"]))
        return found

    def postpone(self, due: Due, until: datetime, attempts: int = 0) -> None:
        """Attend to an export later, also to one that cannot be read; nothing changes if it has another time by now.

        Args:
            attempts: how often it has failed.
        """
        later = Due(due.export_id, rfc3339(until), attempts)
        is_current = Attr("dueAt").equals(due.at)
        actions = [
            self._table.update_action(_key(due.export_id), Change(sets={"dueAt": later.at}), is_current),
            self._table.delete_action(_due_key(due)),
            self._table.put_action(_due_item(later)),
        ]
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if error.retryable:
                raise
            self._remove_stale(due, Attr("pk").is_missing() | ~is_current)

    def _remove_stale(self, due: Due, is_stale: Condition) -> None:
        check = self._table.check_action(_key(due.export_id), is_stale)
        with suppress(TransactionCanceled):
            self._table.transact([check, self._table.delete_action(_due_key(due))])

    def index_some(self) -> None:
        """Put into `DUE`, and count, what belongs there and is not: what an earlier version stored. Each call reads
        INDEXED_PER_CALL exports, and after the last one begins again with the first."""
        position = (self._table.get(("CHECKED", "EXPORTS")) or {}).get("after")
        after = {"pk": "EXPORT", "sk": position} if position and isinstance(position, str) else None
        page = self._table.query("EXPORT", limit=INDEXED_PER_CALL, after=after, consistent=False)
        for item in page.items:
            is_due = "running" in item or item.get("status") == ExportStatus.SCHEDULED
            if "isCounted" in item and ("dueAt" in item or not is_due):
                continue
            try:
                export = self.get(item["sk"])
                self._replace(export, export, checks_entity=False)
            except Exception:
                entry_failed("exports", exportId=item["sk"])
        after_text = "" if page.last is None else page.last["sk"]
        if after_text or after is not None:
            self._table.put({"pk": "CHECKED", "sk": "EXPORTS", "after": after_text})

    def add(self, export: Export, entry: Sequence[Action] = ()) -> Export:
        """Store a new export once.

        Args:
            entry: `AuditTrail.entry` of whoever does it; here and in the other moves of a person.

        Returns:
            The export as stored: when an earlier call stored it, perhaps in a later state.

        Raises:
            EntityDeleted
            TooManyRequests: the entity has as many exports as it may have.
        """
        export = replace(export, is_counted=True)
        try:
            self._put(export, Attr("pk").is_missing(), checks_entity=True, entry=entry)
        except ConditionFailed:
            return self.get(export.export_id)
        return export

    # Moves of a person

    def edit(
        self,
        export_id: str,
        definition: Definition,
        entity_uid: str,
        etag: str | None = None,
        entry: Sequence[Action] = (),
    ) -> Export:
        """Give a draft another definition.

        Args:
            etag: of the only state in which it may be edited; None for any.

        Raises:
            Conflict: it is no longer a draft.
            EntityDeleted
            NotFound: it was deleted.
            PreconditionFailed: it has another ETag.
            TooManyRequests: the other entity has as many exports as it may have.
        """

        def change(export: Export) -> Export:
            export.check_allows("edit")
            _check_etag(export, etag)
            restarts = export.entity_uid != entity_uid or starts_over(export.definition, definition)
            return replace(
                export,
                definition=definition,
                entity_uid=entity_uid,
                version=export.version + 1,
                series=new_uuid(self._ids) if restarts else export.series,
                window_end=None if restarts else export.window_end,
            )

        return self._move(export_id, change, checks_entity=True, entry=entry)

    def schedule(
        self, export_id: str, now: datetime, owner: Owner | None = None, entry: Sequence[Action] = ()
    ) -> Export:
        """DRAFT → SCHEDULED; runs that were due before now are not caught up.

        Args:
            owner: the new one; None leaves it as it is.

        Raises:
            Conflict, NotFound
        """

        def change(export: Export) -> Export:
            export.check_allows("activate")
            active = replace(export, status=ExportStatus.SCHEDULED, handled_until=now, failures=0)
            return replace(active, message=None, paused_at=None, owner=owner or export.owner)

        return self._move(export_id, change, checks_entity=True, entry=entry)

    def unschedule(self, export_id: str, entry: Sequence[Action] = ()) -> Export:
        """SCHEDULED → DRAFT; an incremental custom export becomes a standard one for good. The window is kept.

        Raises:
            Conflict, NotFound
        """

        def change(export: Export) -> Export:
            export.check_allows("unschedule")
            definition = export.definition
            if definition.type is ExportType.INCREMENTAL_CUSTOM:
                definition = replace(definition, type=ExportType.INCREMENTAL)
            return replace(export, status=ExportStatus.DRAFT, definition=definition)

        return self._move(export_id, change, entry=entry)

    def delete(self, export_id: str, etag: str | None = None, entry: Sequence[Action] = ()) -> None:
        """Delete a draft.

        Args:
            etag: of the only state in which it may be deleted; None for any.

        Raises:
            Conflict: it is no longer a draft, or a run of it has not ended.
            NotFound
            PreconditionFailed: it has another ETag.
        """
        export: Export | None = self.get(export_id)
        while export is not None:
            export.check_allows("delete")
            _check_etag(export, etag)
            try:
                self._delete(export, entry)
            except ConditionFailed:
                # It was changed, or deleted: perhaps by this request, whose reply was lost.
                export = self.find(export_id)
            else:
                return

    # Runs

    def claim(self, export_id: str, run: Run, action: str, entry: Sequence[Action] = (), series: str = "") -> Export:
        """Note a run before its job is registered; a one-shot export is then IN_PROGRESS. Again with the same run it
        changes nothing.

        Args:
            action: "activate", "run", "relaunch", or "schedule" for the schedule's own.
            series: of the window that the run repeats.

        Raises:
            Conflict: the state does not allow it, another run has not ended, the schedule's moment was handled since
                the caller read the export, or the window that the run repeats was delivered, in part at least.
            NotFound: it was deleted.
        """

        def change(export: Export) -> Export:
            if export.running is not None:
                if export.running.job_id == run.job_id:
                    return export
                raise Conflict("A run of this export is in progress.", export.allowed_actions())
            if action in ("activate", "run"):
                export.check_allows(action)
            elif action == "schedule" and not _awaits(export, run.occurrence):
                raise export.conflict(action)
            if export.job_id == run.job_id:  # the request was repeated after its run had ended
                raise run_has_ended(export)
            if run.window is not None and export.has_delivered(series, run.window[0]):
                message = "A later run has delivered the beginning of this run's window; the next run has the rest."
                raise Conflict(message, export.allowed_actions())
            status = export.status
            if not export.definition.is_periodic and action != "relaunch":
                status = ExportStatus.IN_PROGRESS
            changes_owner = action == "activate" or (action == "relaunch" and not export.definition.is_periodic)
            return replace(
                export,
                status=status,
                running=run,
                job_id=run.job_id,
                handled_until=run.occurrence or export.handled_until,
                message=None,
                paused_at=None,
                owner=Owner(str(run.started_by_id), run.started_by) if changes_owner else export.owner,
            )

        # What is scheduled keeps its entity from being deleted already.
        return self._move(export_id, change, checks_entity=action in ("activate", "relaunch"), entry=entry)

    def is_unchanged(self, export: Export) -> list[Action]:
        """A check for the transaction that registers a run: the export still holds it, as it was read."""
        return [self._table.check_action(_key(export.export_id), Attr("revision").equals(export.revision))]

    def release(self, export: Export) -> None:
        """Forget a run that the export holds and that can never have a job."""

        def change(current: Export) -> Export:
            return replace(current, running=None) if current.running == export.running else current

        self._move(export.export_id, change)

    def note_end(self, job: Job, series: str, aside: dict[str, Any] | None) -> Export | None:
        """Note that a run has ended: its summary, how far its window was delivered, and whether the export continues.
        Calling it again changes nothing.

        Args:
            job: at its terminal status.
            series: of the windows, as the run began.
            aside: an old file that the run has left under another name, for `Export.set_aside`.

        Returns:
            The export; None if it was deleted, or another run has replaced this one.
        """
        if job.export_id is None:
            return None
        try:
            current = self.get(job.export_id)
            if current.running is None or current.running.job_id != job.job_id:
                return None
            return self._move(job.export_id, lambda export: _after(export, job, series, aside))
        except NotFound:
            return None

    # Parts of requests

    def _move(
        self,
        export_id: str,
        change: Callable[[Export], Export],
        checks_entity: bool = False,
        entry: Sequence[Action] = (),
    ) -> Export:
        while True:
            export = self.get(export_id)
            changed = change(export)
            if changed == export:
                return export
            if (stored := self._replace(export, changed, checks_entity, entry)) is not None:
                return stored

    def _replace(
        self, export: Export, changed: Export, checks_entity: bool, entry: Sequence[Action] = ()
    ) -> Export | None:
        """Store an export as it was changed, and when it is due then; None when another writer was first."""
        changed = replace(changed, revision=export.revision + 1, due_at=_due_at(changed), is_counted=True)
        try:
            self._put(changed, Attr("revision").equals(export.revision), checks_entity, export, entry)
        except ConditionFailed:
            # Another writer was first, unless that was this request, whose response was lost.
            found = self.get(export.export_id)
            if found != changed or found.revision != changed.revision:
                return None
        return changed

    def _delete(self, export: Export, entry: Sequence[Action]) -> None:
        where = Attr("revision").equals(export.revision)
        actions = [self._table.delete_action(_key(export.export_id), where), self._count_off(export), *entry]
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if error.retryable:
                raise
            raise ConditionFailed(error.message, None) from None

    def _count(self, export: Export, is_limited: bool) -> Action:
        has_room = Attr("exports").is_missing() | Attr("exports").has_fewer_than(MAX_EXPORTS)
        change = Change(adds={"exports": frozenset([export.export_id])})
        return self._table.update_action(_count_key(export.entity_uid), change, has_room if is_limited else None)

    def _count_off(self, export: Export) -> Action:
        change = Change(deletes={"exports": frozenset([export.export_id])})
        return self._table.update_action(_count_key(export.entity_uid), change)

    def _put(
        self,
        export: Export,
        where: Condition | None,
        checks_entity: bool,
        before: Export | None = None,
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
        entity = export.definition.entity
        actions = [self._table.put_action(_to_item(export), where)]
        times = (export.due_at, None if before is None else before.due_at)
        due, due_before = (None if at is None else Due(export.export_id, rfc3339(at)) for at in times)
        if due != due_before:
            actions += [self._table.delete_action(_due_key(due_before))] if due_before else []
            actions += [self._table.put_action(_due_item(due))] if due else []
        count_position = len(actions)
        if before is None or before.entity_uid != export.entity_uid:
            actions.append(self._count(export, is_limited=True))
            actions += [self._count_off(before)] if before is not None else []
        elif not before.is_counted:  # an earlier version stored it
            actions.append(self._count(export, is_limited=False))
        actions += entry
        if checks_entity:
            actions += still_there(self._table, entity, export.entity_uid)
        if len(actions) == 1:
            self._table.put(_to_item(export), where)
            return
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if checks_entity and is_gone(error):
                raise EntityDeleted(entity) from None
            if error.retryable:
                raise
            if error.failed_conditions == [count_position]:
                raise too_many_exports(entity) from None
            raise ConditionFailed(error.message, None) from None


def _awaits(export: Export, moment: datetime | None) -> bool:
    """Whether the schedule still has to handle this moment: a tick that stalls may claim it after its run has ended."""
    handled = export.handled_until
    is_handled = handled is not None and moment is not None and moment <= handled
    return export.status is ExportStatus.SCHEDULED and not is_handled


def _check_etag(export: Export, etag: str | None) -> None:
    if etag not in (None, export.etag):
        raise PreconditionFailed("The export")


def _after(export: Export, job: Job, series: str, aside: dict[str, Any] | None) -> Export:
    """The export after the end of its run."""
    if export.running is None or export.running.job_id != job.job_id:
        return export
    restored = (job.delivery or {}).get("restored", [])
    still_aside = [*(each for each in export.set_aside if each["job_id"] not in restored), *([aside] if aside else [])]
    set_aside = tuple(still_aside[-MAX_SET_ASIDE:])
    export = replace(export, running=None, last_run=run_summary(job), set_aside=set_aside)
    if not export.definition.is_periodic:
        # A relaunched run of a draft that was periodic once leaves it a draft.
        return replace(export, status=ExportStatus.FINISHED) if export.status is ExportStatus.IN_PROGRESS else export
    if job.is_backfill and job.error_code != NO_PERMISSION:
        return export
    if job.status is Status.COMPLETED:
        window_end = export.window_end
        # A repeated window moves the end only where it follows on what was delivered.
        follows = job.window_from is None or (window_end is not None and job.window_from <= window_end)
        if series == export.series and job.window_to is not None and follows:
            window_end = job.window_to if window_end is None else max(window_end, job.window_to)
        return replace(export, failures=0, window_end=window_end)
    export = replace(export, failures=export.failures + 1)
    if export.status is not ExportStatus.SCHEDULED:
        return export
    if job.error_code == NO_PERMISSION:
        return _paused(export, job, f"Paused. {job.error_message}")
    if export.failures < PAUSE_AFTER:
        return export
    reason = f"{job.error_code}: {job.error_message}"
    return _paused(export, job, f"Paused after {export.failures} failed runs in a row; the last one: {reason}")


def _paused(export: Export, job: Job, message: str) -> Export:
    return replace(export, status=ExportStatus.DRAFT, message=message, paused_at=job.completed_at)


def run_has_ended(export: Export) -> Conflict:
    return Conflict("The run of this export has ended already.", export.allowed_actions())


def too_many_exports(entity: str) -> TooManyRequests:
    message = f"{entity} has {MAX_EXPORTS} exports, which is the most that an entity may have. Delete some first."
    return TooManyRequests(message, EXPORTS_RETRY_SECONDS)


def export_not_found() -> NotFound:
    return NotFound("There is no export with this id.")


def _due_at(export: Export) -> datetime | None:
    """When the schedule attends to an export next: its run, to resume what was interrupted, else its next run."""
    if export.running is not None:
        return export.running.submitted_at + RESUME_AFTER
    if export.status is not ExportStatus.SCHEDULED or export.handled_until is None:
        return None
    try:
        return next(iter(next_runs(export.definition.schedule, export.handled_until, 1)), None)
    except ZoneInfoNotFoundError:  # it is due at once, and the schedule reports it
        return export.handled_until


def _due_key(due: Due) -> Key:
    return "DUE", f"{due.at}#{due.export_id}"


def _due_item(due: Due) -> Item:
    pk, sk = _due_key(due)
    item = {"pk": pk, "sk": sk}
    return {**item, "attempts": due.attempts} if due.attempts else item


def _due_from(item: Item) -> Due:
    at, _, export_id = item["sk"].partition("#")
    if not export_id:
        raise ValueError("the entry names no export")
    return Due(export_id, at, attempts_of(item))


def _key(export_id: str) -> Key:
    return "EXPORT", export_id


def _count_key(entity_uid: str) -> Key:
    return f"EXPORTS#{entity_uid}", "ALL"


def _to_item(export: Export) -> Item:
    item = {
        "pk": "EXPORT",
        "sk": export.export_id,
        "definition": json_text(export.definition.to_document()),
        "entity": export.definition.entity,
        "entityUid": export.entity_uid,
        "status": export.status.value,
        "createdAt": rfc3339(export.created_at),
        "createdBy": export.created_by,
        "createdById": export.created_by_id,
        "series": export.series,
        "version": export.version,
        "jobId": export.job_id,
        "lastRun": None if export.last_run is None else json_text(export.last_run),
        "running": None if export.running is None else json_text(export.running.to_document()),
        "windowEnd": rfc3339(export.window_end),
        "handledUntil": rfc3339(export.handled_until),
        "failures": export.failures,
        "setAside": json_text(export.set_aside) if export.set_aside else None,
        "message": export.message,
        "pausedAt": rfc3339(export.paused_at),
        "owner": None if export.owner is None else list(export.owner),
        "revision": export.revision,
        "dueAt": rfc3339(export.due_at),
        "isCounted": export.is_counted or None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _from_item(item: Item) -> Export:
    return Export(
        export_id=item["sk"],
        definition=Definition.from_document(json.loads(item["definition"])),
        entity_uid=item["entityUid"],
        status=ExportStatus(item["status"]),
        created_at=datetime.fromisoformat(item["createdAt"]),
        created_by=item["createdBy"],
        created_by_id=item["createdById"],
        series=item["series"],
        version=item["version"],
        job_id=item.get("jobId"),
        last_run=json.loads(item["lastRun"]) if "lastRun" in item else None,
        running=Run.from_document(json.loads(item["running"])) if "running" in item else None,
        window_end=parse_rfc3339(item.get("windowEnd")),
        handled_until=parse_rfc3339(item.get("handledUntil")),
        failures=item["failures"],
        set_aside=tuple(json.loads(item.get("setAside", "[]"))),
        message=item.get("message"),
        paused_at=parse_rfc3339(item.get("pausedAt")),
        owner=Owner(*item["owner"]) if "owner" in item else None,
        revision=item["revision"],
        due_at=parse_rfc3339(item.get("dueAt")),
        is_counted=item.get("isCounted", False),
    )
