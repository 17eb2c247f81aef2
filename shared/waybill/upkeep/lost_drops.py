"""Find dropped objects whose event was lost, and import them (contract, section 3).

The drop folder is listed, PAGES_PER_MINUTE at most each minute; the next minute goes on where this one stopped. Every
object of a folder of 100,000 is listed every five minutes, so that one without a job is found within 15.

Whether objects have a job costs a BatchGetItem for each hundred of those that were stored since the pass before, which
looked at the older ones. An object that was uploaded in parts is looked at in each pass: its time is that of the
upload's beginning.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from waybill.aws.files import Listed
from waybill.clock import HasTime, no_limit
from waybill.errors import Conflict, Unavailable
from waybill.imports.start import DROP_PREFIX, file_of, start_swept_drop
from waybill.jobs.drop_passes import DropPass
from waybill.jobs.drops import is_of
from waybill.telemetry import entry_failed, logger
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

PAGES_PER_MINUTE = 20
#: The least time from the beginning of one pass to that of the next.
PASS_TIME = timedelta(minutes=4)
#: So long an object waits for its event.
PATIENCE = timedelta(minutes=2)
#: How much later than its time an object may appear in a listing: a slow upload, and clocks that differ.
LATENESS = timedelta(hours=2)


def start_lost_drops(services: ExportServices, has_time: HasTime = no_limit) -> int:
    """Start imports of dropped objects whose event was lost.

    Returns:
        The number of imports.
    """
    state = _current(services)
    if state is None:
        return 0
    started = 0
    for _ in range(PAGES_PER_MINUTE):
        page, more = services.files.page(services.settings.drop_bucket, DROP_PREFIX, state.after)
        lost = _lost(services, page, state.settled_before)
        while lost and has_time():
            found = lost.pop(0)
            is_settled, is_started = _start(services, found)
            started += is_started
            state = replace(state, after=found.key, is_clean=state.is_clean and is_settled)
        if lost:
            break
        state = replace(state, after=page[-1].key if page else state.after, is_over=not more)
        if state.is_over or not has_time():
            break
    services.drop_passes.save(state)
    return started


def _current(services: ExportServices) -> DropPass | None:
    """The pass to go on with; None when it is too early for the next one."""
    now, last = services.clock.now(), services.drop_passes.latest()
    if last is None:
        return DropPass(now)
    if not last.is_over:
        return last
    if timedelta(0) <= now - last.began_at < PASS_TIME:
        return None
    settled = rfc3339(last.began_at - LATENESS) if last.is_clean else last.settled_before
    return DropPass(now, settled_before=settled, revision=last.revision)


def _lost(services: ExportServices, page: list[Listed], settled_before: str) -> list[Listed]:
    """The objects of a page that have no job although their event is late."""
    bucket, patient = services.settings.drop_bucket, rfc3339(services.clock.now() - PATIENCE)
    late = [
        found
        for found in page
        if found.modified <= patient
        and (found.modified >= settled_before or "-" in found.etag)
        and file_of(found.key) is not None
    ]
    latest = services.drops.latest([f"{bucket}/{found.key}" for found in late])
    return [found for found in late if not is_of(latest.get(f"{bucket}/{found.key}"), found.etag, found.modified)]


def _start(services: ExportServices, found: Listed) -> tuple[bool, bool]:
    """Whether the object needs no other look, and whether its import was started."""
    try:
        job = start_swept_drop(services, services.settings.drop_bucket, found)
    except (Conflict, Unavailable):
        return False, False
    except Exception:  # an object that cannot be registered must not keep the others
        entry_failed("lost drops", key=found.key)
        return False, False
    if job is not None:
        logger.info("Import registered without an event", extra={"jobId": job.job_id, "entity": job.entity})
    return True, job is not None
