"""Retention: remove what ended jobs leave behind (contract, *Retention*).

    `filesExpireAt`   the files of the job, and its source
    `expiresAt`       everything else: definition, ledger, the entry of a run, and the record where TTL left it

A deletion that a person asks for is the same work. `JobRepository.expire` records it as due at once, so that the next
minute completes one that died. Drop records go by TTL (`waybill.jobs.drops`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waybill.clock import HasTime, no_limit
from waybill.telemetry import entry_failed

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices


class _StillRead(Exception):
    """The source is that of a job that has not ended."""


def remove_expired(services: ExportServices, has_time: HasTime = no_limit) -> int:
    """Remove what is due of ended jobs.

    Returns:
        The number of entries that were handled.
    """
    count = 0
    while due := services.removals.page():
        for entry in due:
            if not has_time():
                return count
            count += remove(services, entry)
    return count


def remove(services: ExportServices, entry: dict[str, Any]) -> bool:
    """Remove what is due of one job; False when that failed and is tried again later.

    An entry is completed only after its work, so that the next call completes one that died.

    Args:
        entry: of the job among `Services.removals`.
    """
    try:
        if "filesDeleted" not in entry:
            delete_job_files(services, entry)
        if services.removals.is_record_due(entry):
            services.jobs.delete(entry)
    except Exception as error:
        if not isinstance(error, _StillRead):
            entry_failed("retention", entry=entry["sk"])
        services.removals.postpone(entry)
        return False
    services.removals.complete(entry)
    return True


def delete_job_files(services: ExportServices, entry: dict[str, Any]) -> None:
    """Delete a job's files.

    Args:
        entry: jobId; for a job with a source also sourceBucket, sourceKey and sourceEtag. The source is deleted only
            if it is still the version that was imported, a dropped one only if no newer job of its key owns it.

    Raises:
        _StillRead: an older job, of the same bytes under the same key, has not ended.
    """
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{entry['jobId']}/")
    if "sourceKey" not in entry:
        return
    if entry["sourceBucket"] == services.settings.drop_bucket:
        _delete_dropped(services, entry)
    else:
        services.files.delete(entry["sourceBucket"], entry["sourceKey"], entry.get("sourceEtag"))


def _delete_dropped(services: ExportServices, entry: dict[str, Any]) -> None:
    bucket, key, job_id = entry["sourceBucket"], entry["sourceKey"], entry["jobId"]
    dropped = f"{bucket}/{key}"
    modified = services.drops.begin_deletion(dropped, job_id)
    if modified is None:
        return
    try:
        # From here on no new job of the key is registered.
        if services.active_jobs.any_reads(entry.get("entityUid", ""), bucket, key):
            raise _StillRead
        # An object that was dropped since then, whose event is still on its way, has another time.
        services.files.delete(bucket, key, entry.get("sourceEtag"), modified)
    except Exception:
        services.drops.cancel_deletion(dropped, job_id)
        raise
    services.drops.end_deletion(dropped, job_id)
