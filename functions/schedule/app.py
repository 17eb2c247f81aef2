"""Each minute: start exports and sources that are due, recover jobs whose execution has died, publish late changes of
status, import dropped objects whose event was lost, remove what has expired, and erase what deleted entities had.

The duties share MINUTE_SECONDS: each gets its part of what is left, and at least LEAST_SECONDS. A duty asks for the
time before each entry, and the next minute continues with what is left over. A request that hangs delays the others by
REQUEST_SECONDS for each attempt, and does not keep them from their work.
"""

from __future__ import annotations

from typing import Any

from waybill.aws.clients import limit_requests
from waybill.bootstrap import services
from waybill.clock import Clock, HasTime
from waybill.exports.run import tick
from waybill.sources.run import tick as tick_sources
from waybill.telemetry import count, logger
from waybill.upkeep.announcements import publish_late
from waybill.upkeep.entity_deletion import erase_deleted
from waybill.upkeep.lost_drops import start_lost_drops
from waybill.upkeep.recovery import recover_jobs
from waybill.upkeep.retention import remove_expired

#: So that one minute's duties seldom overlap with the next.
MINUTE_SECONDS = 50.0
LEAST_SECONDS = 5.0
#: Whatever fails is tried again by a later minute.
REQUEST_SECONDS, REQUEST_ATTEMPTS = 30.0, 2

#: What is urgent comes first; what may take long comes last.
DUTIES = {
    "started": tick,
    "sourcesStarted": tick_sources,
    "recovered": recover_jobs,
    "published": publish_late,
    "dropsFound": start_lost_drops,
    "removed": remove_expired,
    "erased": erase_deleted,
}

limit_requests(REQUEST_SECONDS, REQUEST_ATTEMPTS)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    clock = services().clock
    ends = clock.monotonic() + MINUTE_SECONDS
    result: dict[str, Any] = {}
    failed = []
    for position, (name, duty) in enumerate(DUTIES.items()):
        share = (ends - clock.monotonic()) / (len(DUTIES) - position)
        try:
            result[name] = duty(services(), _time(clock, max(share, LEAST_SECONDS)))
            if result[name]:
                count({"duty": name}, DutyEntries=result[name])
        except Exception:  # one duty that fails must not keep the others from their minute
            logger.exception("A duty failed", extra={"duty": name})
            count({"duty": name}, DutiesFailed=1)
            count({}, DutyErrors=1)
            failed.append(name)
    logger.info("Minute done", extra=result)
    count({}, MinutesDone=1)
    if failed:
        raise RuntimeError(f"failed: {', '.join(failed)}")
    return result


def _time(clock: Clock, seconds: float) -> HasTime:
    ends = clock.monotonic() + seconds
    return lambda: clock.monotonic() < ends
