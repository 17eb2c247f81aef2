"""Exports as JSON (contract, section 7)."""

from __future__ import annotations

from typing import cast

from request import Request
from waybill.exports import wire
from waybill.exports.definition import Export, ExportStatus, ExportType
from waybill.jobs.permissions import HIDDEN_REASON, reason_shown
from waybill.schedule import next_runs
from waybill.timestamps import rfc3339
from waybill.wire.jobs import RunSummary


def export_view(request: Request, export: Export) -> wire.Export:
    """An export's definition and state. Outside the back office, callers see only the state of a custom flow."""
    definition = export.definition
    shown = definition.to_document()
    last_run, message = export.last_run, export.message
    if definition.type is ExportType.CUSTOM and not request.caller.is_backoffice:
        shown = {member: shown[member] for member in ("name", "entity", "type")}
        last_run, message = _without_reasons(last_run, message)
    next_run = None
    if export.status is ExportStatus.SCHEDULED:
        next_run = next(iter(next_runs(definition.schedule, request.services.clock.now(), 1)), None)
    standing: wire.Standing = {
        "exportId": export.export_id,
        "status": export.status,
        "version": export.version,
        "createdAt": rfc3339(export.created_at),
        "createdBy": export.created_by,
        "owner": None if export.owner is None else export.owner.name,
        "allowedActions": _allowed_actions(request, export),
        "jobId": export.job_id,
        "isRunning": export.running is not None,
        "nextRunAt": rfc3339(next_run),
        "windowEnd": rfc3339(export.window_end),
        "lastRun": last_run,
        "message": message,
        "pausedAt": rfc3339(export.paused_at),
    }
    return cast(wire.Export, {**shown, **standing})


def _without_reasons(last_run: RunSummary | None, message: str | None) -> tuple[RunSummary | None, str | None]:
    """The last run, and why the export paused itself, without what may tell of the definition."""
    if last_run is None or last_run["error"] is None:
        return last_run, message
    code, reason = last_run["error"]["code"], last_run["error"]["message"]
    shown = reason_shown(code, reason)
    if message is not None and shown != reason:
        message = f"Paused after failed runs. {HIDDEN_REASON}"
    return {**last_run, "error": {"code": code, "message": shown}}, message


def definition_view(export: Export, all_fields: list[str]) -> wire.ExportWithDefinition:
    """Every parameter, with nothing left to defaults.

    Args:
        all_fields: of the entity.
    """
    document = export.definition.to_document()
    document["fields"] = document["fields"] or all_fields
    return cast(wire.ExportWithDefinition, {"exportId": export.export_id, "version": export.version, **document})


def _allowed_actions(request: Request, export: Export) -> list[str]:
    if not export.definition.is_custom or request.caller.is_backoffice:
        return export.allowed_actions()
    # The back office's flows: others may look at an incremental one, copy it, and make it their own for good.
    own = ("copy", "definition", "unschedule") if export.definition.is_incremental else ()
    return [action for action in export.allowed_actions() if action in own]
