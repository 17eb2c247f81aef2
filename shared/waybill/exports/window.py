"""Which write times a run of an incremental export covers; docs/exports.md has the proof."""

from __future__ import annotations

from datetime import timedelta
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


def choose_window(services: ExportServices, job: Job, definition: Definition, entity: Entity) -> Job:
    """Choose the window of write times that an incremental run covers, once.

    Everything stamped before `window_to` has been written when this returns, and stays visible to consistent reads.
    Only imports write Waybill's own table, and their write times follow each other (`jobs.running`). A target table has
    other writers, of which nothing is known but their clocks: a window ends LAG_SECONDS ago.

    Raises:
        JobFailed: `window-too-old`, deletions of so long ago are no longer kept.
    """
    if not definition.is_incremental:
        return job
    now = services.clock.now()
    if entity.target is None:
        job = services.jobs.set_window_end(job)
    elif job.window_to is None:
        window_to = now - timedelta(seconds=LAG_SECONDS)
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
