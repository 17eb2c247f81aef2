"""Deliver: send the finished file of a run to its destination, with a manifest beside it, and end the run.

A full extract replaces a file of the same name; a file of changes takes the next free name instead, because one that
was not collected yet would be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from waybill.aws.outages import is_outage
from waybill.errors import DeliveryFailed, StopRequested, Superseded
from waybill.exports.definition import Definition
from waybill.exports.destinations import kind_of
from waybill.exports.destinations.base import DeliveredKind, Delivery, SetAside, StoredFile
from waybill.exports.manifest import kept_files, manifest, part_of
from waybill.exports.run import (
    DELIVERY,
    check_not_stopped,
    end_run,
    end_stopped,
    fail_export,
    fail_run,
    snapshot_of,
)
from waybill.ids import new_token
from waybill.jobs.leases import LenientHeartbeat, lease_chunk
from waybill.jobs.model import Counts, Job, Status
from waybill.telemetry import logger

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

RETRY_SECONDS = (5, 15, 40)
"""Waits between attempts, where another may succeed soon. A person can relaunch a run later."""


def deliver(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
    """Deliver an extracted run and end its job.

    Returns:
        {"outcome": "ended"}, "more" (call again at once), or "retry" (call again in `waitSeconds`).

    Raises:
        StopRequested: somebody has stopped the run, and nothing was sent yet.
        Superseded: the job has ended, or another attempt is running.
    """
    definition, _, snapshot = snapshot_of(services, job_id)
    kind = kind_of(definition.destination)
    if not isinstance(kind, DeliveredKind):
        job = services.jobs.get(job_id)
        if job.is_terminal:
            raise Superseded(f"job {job_id} has ended")
        check_not_stopped(job)
        _complete(services, job, has_download=True)
        return {"outcome": "ended"}
    delivery = _leased(services, job_id, definition, snapshot, remaining_seconds)
    try:
        check_not_stopped(delivery.job)
        _restore_old_files(delivery, snapshot.get("setAside", []))
        name = kind.deliver(delivery, remaining_seconds)
    except StopRequested:
        kind.discard(delivery)
        end_stopped(services, job_id)
        return {"outcome": "ended"}
    except DeliveryFailed as error:
        return _failed(services, kind, delivery, error)
    if name is None:
        return {"outcome": "more"}
    has_download = not definition.is_periodic and not delivery.is_set
    _complete(services, delivery.job, file_name=name, has_download=has_download)
    return {"outcome": "ended"}


def fail_delivery(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> None:
    """End a run whose step failed permanently; a delivery that was under way first cleans up at the receiver."""
    job = services.jobs.find(job_id)
    if job is not None and not job.is_terminal and job.delivery:
        _clean_up(services, job_id, remaining_seconds)
    fail_export(services, job_id)


def end_stopped_delivery(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> None:
    """End a run that was stopped, after cleaning up at the receiver what its delivery has left there."""
    job = services.jobs.find(job_id)
    if job is not None and not job.is_terminal and (job.delivery or DELIVERY in job.leases):
        _clean_up(services, job_id, remaining_seconds)
    end_stopped(services, job_id)


def _clean_up(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> None:
    """As far as it can be done: the run must end all the same, also one whose definition cannot be read."""
    try:
        definition, _, snapshot = snapshot_of(services, job_id)
    except Exception as error:
        if is_outage(error):
            raise
        logger.exception("The definition of a run cannot be read")
        return
    kind = kind_of(definition.destination)
    if isinstance(kind, DeliveredKind):
        try:
            kind.discard(_leased(services, job_id, definition, snapshot, remaining_seconds))
        except Exception:
            logger.exception("Delivery not cleaned up")


def _restore_old_files(delivery: Delivery, set_aside: list[dict[str, Any]]) -> None:
    """Give old files that earlier runs had to leave under another name their names back, as far as possible."""
    restored: list[str] = delivery.progress.get("restored", [])
    for aside in (
        SetAside(**{"entity": delivery.job.entity, **each}) for each in set_aside if each["job_id"] not in restored
    ):
        kind = kind_of(aside.destination)
        try:
            if isinstance(kind, DeliveredKind):
                kind.restore(delivery.services, aside)
        except Exception:  # the next run tries again; this one has a file of its own to deliver
            logger.exception("An old file was not given its name back", extra={"jobId": aside.job_id})
        else:
            restored = [*restored, aside.job_id]
            delivery.keep(restored=restored)


def _leased(
    services: ExportServices,
    job_id: str,
    definition: Definition,
    snapshot: dict[str, Any],
    remaining_seconds: Callable[[], float],
) -> Delivery:
    attempt = new_token(services.ids)
    job = lease_chunk(services, job_id, DELIVERY, attempt, remaining_seconds)
    written, files = job.extracted or {}, kept_files(services, job)
    stored = [StoredFile(part_of(written["key"], number), file["bytes"]) for number, file in enumerate(files, 1)]
    if written and not files:
        stored = [StoredFile(str(written["key"]), int(written["bytes"]))]
    return Delivery(
        services,
        job,
        definition.destination,
        replaces=not definition.is_incremental,
        manifest=partial(manifest, job, definition, snapshot, written, files),
        heartbeat=LenientHeartbeat(services, job, DELIVERY, attempt),
        files=stored,
        is_set=bool(files),
    )


def _complete(services: ExportServices, job: Job, **changes: Any) -> None:
    assert job.extracted is not None  # delivered after it is extracted  # noqa: S101
    rows = int(job.extracted["rows"])
    end_run(services, job, Status.COMPLETED, Counts(rows, rows), **changes)


def _failed(services: ExportServices, kind: DeliveredKind, delivery: Delivery, error: DeliveryFailed) -> dict[str, Any]:
    attempts = int(delivery.progress.get("attempts", 0))
    if error.retry_now and attempts < len(RETRY_SECONDS):
        delivery.keep(attempts=attempts + 1)
        return {"outcome": "retry", "waitSeconds": RETRY_SECONDS[attempts]}
    named = int(delivery.progress.get("done", 0))
    left = f" {named} of {len(delivery.files)} files have their names; no manifest lists them." if named else ""
    kind.discard(delivery)
    fail_run(
        services,
        delivery.job,
        "delivery-failed",
        f"{error.reason}: {error.detail}{left}",
        delivery={**delivery.progress, "reason": error.reason},
    )
    return {"outcome": "ended"}
