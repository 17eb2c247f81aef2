"""Retention: files are deleted here when they expire, records by DynamoDB's TTL (contract, *Retention*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.telemetry import entry_failed

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices


#: What a minute spends on files, so that an outage of S3 leaves time for the other duties.
DELETE_SECONDS = 120.0


def delete_due_files(services: ExportServices) -> int:
    """Delete all that jobs keep in the files bucket, and their sources, once `filesExpireAt` has passed.

    An entry is removed only after its files, so that the next call completes one that died. One that fails is tried
    again later.

    Returns:
        The number of jobs whose files were deleted.
    """
    ends, count = services.clock.monotonic() + DELETE_SECONDS, 0
    while due := services.due_files.page():
        for entry in due:
            if services.clock.monotonic() > ends:
                return count
            try:
                delete_job_files(services, entry)
            except Exception:
                entry_failed("retention", entry=entry["sk"])
                services.due_files.postpone(entry)
            else:
                services.due_files.remove(entry)
                count += 1
    return count


def delete_job_files(services: ExportServices, entry: dict[str, str]) -> None:
    """Delete a job's files.

    Args:
        entry: jobId; for a job with a source also sourceBucket, sourceKey and sourceEtag. The source is deleted only
            if it is still the version that was imported, a dropped one only if no newer job of its key owns it.
    """
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{entry['jobId']}/")
    if "sourceKey" not in entry:
        return
    if entry["sourceBucket"] == services.settings.drop_bucket:
        _delete_dropped(services, entry)
    else:
        services.files.delete(entry["sourceBucket"], entry["sourceKey"], entry.get("sourceEtag"))


def _delete_dropped(services: ExportServices, entry: dict[str, str]) -> None:
    bucket, key, job_id = entry["sourceBucket"], entry["sourceKey"], entry["jobId"]
    dropped = f"{bucket}/{key}"
    modified = services.drops.begin_deletion(dropped, job_id)
    if modified is None:
        return
    try:
        # An object that was dropped since then, whose event is still on its way, has another time.
        services.files.delete(bucket, key, entry.get("sourceEtag"), modified)
    except Exception:
        services.drops.cancel_deletion(dropped, job_id)
        raise
    services.drops.end_deletion(dropped, job_id)
