"""Exports in the catalogue table, and their moves, each one conditional request.

    EXPORT / {exportId}          definition, running and lastRun (JSON text), entity, entityUid, status, dueAt?, …
    DUE / {dueAt}#{exportId}     attempts?; changed in one transaction with `dueAt`
    CHECKED / EXPORTS            after: the last export that `index_some` has read
    EXPORTS#{entityUid} / ALL    exports: the ids of an entity's exports, a set; changed in one transaction with them

What exports have in common with sources is in `waybill.jobs.scheduled`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Item, Table
from waybill.errors import Conflict, NotFound
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
from waybill.jobs.model import Job, Status
from waybill.jobs.rights import NO_PERMISSION
from waybill.jobs.scheduled import ScheduledRepository, next_due
from waybill.sizes import MAX_EXPORTS, json_text
from waybill.telemetry import entry_failed
from waybill.timestamps import parse_rfc3339, rfc3339
from waybill.wire.jobs import run_summary

INDEXED_PER_CALL = 100


class ExportRepository(ScheduledRepository[Export]):
    """Reads and changes exports."""

    word = "export"
    due_partition = "DUE"
    limit = MAX_EXPORTS
    is_busy = Attr("status").is_in(ExportStatus.SCHEDULED, ExportStatus.IN_PROGRESS) | Attr("running").exists()

    def __init__(self, table: Table, ids: Ids) -> None:
        super().__init__(table)
        self._ids = ids

    def to_item(self, one: Export) -> Item:
        item = {
            "pk": "EXPORT",
            "sk": one.export_id,
            "definition": json_text(one.definition.to_document()),
            "entity": one.definition.entity,
            "entityUid": one.entity_uid,
            "status": one.status.value,
            "createdAt": rfc3339(one.created_at),
            "createdBy": one.created_by,
            "createdById": one.created_by_id,
            "series": one.series,
            "version": one.version,
            "jobId": one.job_id,
            "lastRun": None if one.last_run is None else json_text(one.last_run),
            "running": None if one.running is None else json_text(one.running.to_document()),
            "windowEnd": rfc3339(one.window_end),
            "handledUntil": rfc3339(one.handled_until),
            "failures": one.failures,
            "setAside": json_text(one.set_aside) if one.set_aside else None,
            "message": one.message,
            "pausedAt": rfc3339(one.paused_at),
            "owner": None if one.owner is None else list(one.owner),
            "revision": one.revision,
            "dueAt": rfc3339(one.due_at),
            "isCounted": one.is_counted or None,
        }
        return {name: value for name, value in item.items() if value is not None}

    def from_item(self, item: Item) -> Export:
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

    def revised(self, one: Export, revision: int) -> Export:
        return replace(one, revision=revision, due_at=_due_at(one), is_counted=True)

    def is_counted(self, before: Export) -> bool:
        return before.is_counted  # not what an earlier version stored

    def add(self, one: Export, entry: Sequence[Action] = ()) -> Export:
        return super().add(replace(one, is_counted=True), entry)

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
                self.replace(export, export)
            except Exception:
                entry_failed("exports", exportId=item["sk"])
        after_text = "" if page.last is None else page.last["sk"]
        if after_text or after is not None:
            self._table.put({"pk": "CHECKED", "sk": "EXPORTS", "after": after_text})

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
            self.check_etag(export, etag)
            restarts = export.entity_uid != entity_uid or starts_over(export.definition, definition)
            return replace(
                export,
                definition=definition,
                entity_uid=entity_uid,
                version=export.version + 1,
                series=new_uuid(self._ids) if restarts else export.series,
                window_end=None if restarts else export.window_end,
            )

        return self.move(export_id, change, checks_entity=True, entry=entry)

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

        return self.move(export_id, change, checks_entity=True, entry=entry)

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

        return self.move(export_id, change, entry=entry)

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
                message = f"Job {export.running.job_id}, a run of this export, has not ended: wait for it, or stop it."
                raise Conflict(message, export.allowed_actions())
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
        return self.move(export_id, change, checks_entity=action in ("activate", "relaunch"), entry=entry)

    def release(self, export: Export) -> None:
        """Forget a run that the export holds and that can never have a job."""

        def change(current: Export) -> Export:
            return replace(current, running=None) if current.running == export.running else current

        self.move(export.export_id, change)

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
            return self.move(job.export_id, lambda export: _after(export, job, series, aside))
        except NotFound:
            return None


def _awaits(export: Export, moment: datetime | None) -> bool:
    """Whether the schedule still has to handle this moment: a tick that stalls may claim it after its run has ended."""
    handled = export.handled_until
    is_handled = handled is not None and moment is not None and moment <= handled
    return export.status is ExportStatus.SCHEDULED and not is_handled


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
    if job.is_stopped_export:  # neither delivered nor failed
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


def _due_at(export: Export) -> datetime | None:
    began_at = None if export.running is None else export.running.submitted_at
    is_scheduled = export.status is ExportStatus.SCHEDULED
    return next_due(export.definition.schedule, began_at, export.handled_until if is_scheduled else None)
