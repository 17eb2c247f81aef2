"""Which write times a run of an incremental export covers; docs/exports.md has the proof."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from waybill.entities.model import Entity
from waybill.entities.records import GOOD_DELETIONS
from waybill.errors import JobFailed
from waybill.exports.definition import Definition
from waybill.jobs.model import Job
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

LAG_SECONDS = 300
"""How late other writers of a target table may be with what they stamped."""
SKEW_SECONDS = 1.0
"""How far the clocks of two functions may differ (Lambda keeps them to milliseconds)."""


def choose_window(services: ExportServices, job: Job, definition: Definition, entity: Entity) -> Job:
    """Choose the window of write times that an incremental run covers, once.

    Everything stamped before `window_to` has been written when this returns, and stays visible to consistent reads.
    Only imports write Waybill's own table: a window ends before the running import began, so that nothing is in
    flight. A target table has other writers: a window ends LAG_SECONDS ago.

    Raises:
        JobFailed: `window-too-old`, deletions of so long ago are no longer kept.
    """
    if not definition.is_incremental:
        return job
    now = services.clock.now()
    if job.window_to is None:
        if entity.target is not None:
            window_to = now - timedelta(seconds=LAG_SECONDS)
        else:
            # An import that begins after this stamps no earlier time, even if its clock is late.
            services.clock.sleep(SKEW_SECONDS)
            window_to = min(now, _write_horizon(services, entity) or now)
        if job.window_from is not None:
            window_to = max(job.window_from, window_to)
        job = services.jobs.set_once(job.job_id, window_to=window_to)
    is_too_old = job.window_from is not None and job.window_from < now - GOOD_DELETIONS
    if definition.has_changes and is_too_old:
        raise JobFailed(
            "window-too-old",
            "Deletions can be reported for 30 days, and the last delivered window ended on "
            f"{rfc3339(job.window_from)}. "
            "Unschedule the export and change its fields or filter, or turn includeDeleted off and on, to start over.",
        )
    return job


def _write_horizon(services: ExportServices, entity: Entity) -> datetime | None:
    """The time before which no write in flight is stamped; None when no import is running."""
    running = services.running_imports.find(entity.uid)
    return None if running is None else running.started_at - timedelta(seconds=SKEW_SECONDS)
