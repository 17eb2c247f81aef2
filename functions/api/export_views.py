"""Exports as JSON (contract, section 7)."""

from __future__ import annotations

from typing import cast

from request import Request
from waybill.exports import wire
from waybill.exports.definition import Export, ExportStatus, ExportType
from waybill.exports.schedule import next_runs
from waybill.timestamps import rfc3339


def export_view(request: Request, export: Export) -> wire.Export:
    """An export's definition and state. Outside the back office, callers see only the state of a custom flow."""
    definition = export.definition
    shown = definition.to_document()
    if definition.type is ExportType.CUSTOM and not request.caller.is_backoffice:
        shown = {member: shown[member] for member in ("name", "entity", "type")}
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
        "lastRun": export.last_run,
        "message": export.message,
    }
    return cast(wire.Export, {**shown, **standing})


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
