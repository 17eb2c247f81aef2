"""Each minute: start exports that are due, remove what has expired, recover jobs whose execution has died, import
dropped objects whose event was lost, publish late changes of status, and erase what deleted entities had."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.exports.run import tick
from waybill.telemetry import logger
from waybill.upkeep.announcements import publish_late
from waybill.upkeep.entity_deletion import erase_deleted
from waybill.upkeep.lost_drops import start_lost_drops
from waybill.upkeep.recovery import recover_jobs
from waybill.upkeep.retention import remove_expired


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    duties = {
        "started": tick,
        "removed": remove_expired,
        "recovered": recover_jobs,
        "dropsFound": start_lost_drops,
        "published": publish_late,
        "erased": erase_deleted,
    }
    result, failed = {}, []
    for name, duty in duties.items():
        try:
            result[name] = duty(services())
        except Exception:  # one duty that fails must not keep the others from their minute
            logger.exception("A duty failed", extra={"duty": name})
            failed.append(name)
    logger.info("Minute done", extra=result)
    if failed:
        raise RuntimeError(f"failed: {', '.join(failed)}")
    return result
