"""Each minute: start exports that are due, delete what has expired or was deleted, and see to what died on the way."""

from __future__ import annotations

from typing import Any

from waybill.bootstrap import services
from waybill.exports.run import tick
from waybill.telemetry import logger
from waybill.upkeep.announcements import announce_late
from waybill.upkeep.entity_deletion import erase_deleted
from waybill.upkeep.recovery import revive
from waybill.upkeep.retention import sweep


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    duties = {
        "started": tick,
        "swept": sweep,
        "revived": revive,
        "announced": announce_late,
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
