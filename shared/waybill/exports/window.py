"""Which write times a run of an incremental export covers; docs/exports.md has the proof."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

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
        JobFailed: `window-too-old`, deletions of so long ago are no longer kept; `window-not-over`, of a period that
            somebody chose.
    """
    if not definition.is_incremental:
        return job
    now = services.clock.now()
    if job.is_backfill:
        _check_period(services, job, entity, now)
    elif entity.target is None:
        job = services.jobs.set_window_end(job)
    elif job.window_to is None:
        window_to = latest_end(entity, now)
        if job.window_from is not None:
            window_to = max(job.window_from, window_to)
        job = services.jobs.set_once(job.job_id, window_to=window_to)
    is_too_old = job.window_from is not None and job.window_from < now - GOOD_DELETIONS
    if definition.has_changes and is_too_old:
        begin = rfc3339(job.window_from)
        if job.is_backfill:
            why = f"Deletions can be reported for 30 days, and the period begins on {begin}. Name a later one."
            raise JobFailed("window-too-old", why)
        raise JobFailed(
            "window-too-old",
            f"Deletions can be reported for 30 days, and the last delivered window ended on {begin}. "
            "Unschedule the export and change its fields or filter, or turn includeDeleted off and on, to start over.",
        )
    return job


def latest_end(entity: Entity, now: datetime) -> datetime:
    """The latest moment behind which a window may end."""
    return now if entity.target is None else now - timedelta(seconds=LAG_SECONDS)


def _check_period(services: ExportServices, job: Job, entity: Entity, now: datetime) -> None:
    """Make sure that nothing is written any more at a time before the end of a period that somebody chose.

    Raises:
        JobFailed: `window-not-over`.
    """
    end = cast("datetime", job.window_to)
    is_over = services.jobs.ends_window(job) if entity.target is None else end <= latest_end(entity, now)
    if not is_over:
        why = f"Records may still be written at times before {rfc3339(end)}: an import that began before then"
        raise JobFailed("window-not-over", f"{why} has not ended. Relaunch the run when it has.")
