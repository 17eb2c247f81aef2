"""Retention: remove what ended jobs leave behind (contract, *Retention*).

    `filesExpireAt`   the files of the job, and its source
    `expiresAt`       everything else: definition, ledger, the entry of a run, and the record where TTL left it

Parts of uploads that expire before they are complete are removed in the same way.

A deletion that a person asks for is the same work. `JobRepository.expire` records it as due at once, so that the next
minute completes one that died. Drop records go by TTL (`waybill.jobs.drops`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from waybill.clock import HasTime, no_limit
from waybill.jobs.model import job_prefix
from waybill.telemetry import entry_failed

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices


#: How long after a job needs files no longer they are deleted at the latest.
RELEASED = timedelta(minutes=4)


class _Later(Exception):
    """A job that has not ended needs the files, or the time did not suffice."""


def remove_expired(services: ExportServices, has_time: HasTime = no_limit) -> int:
    """Remove what is due of ended jobs.

    Returns:
        The number of entries that were handled.
    """
    count, handled = 0, set[str]()
    while due := [entry for entry in services.removals.page() if entry["sk"] not in handled]:
        for entry in due:
            if not has_time():
                return count
            handled.add(entry["sk"])
            count += remove(services, entry)
    return count


def remove(services: ExportServices, entry: dict[str, Any], has_time: HasTime = no_limit) -> bool:
    """Remove what is due of one job; False when that failed and is tried again later.

    An entry is completed only after its work, so that the next call completes one that died.

    Args:
        entry: of the job among `Services.removals`.
        has_time: for another part of it; a large import has left many items.
    """
    if "uploadId" in entry:
        return _throw_parts_away(services, entry)
    try:
        if "filesDeleted" not in entry:
            delete_job_files(services, entry, has_time)
        if services.removals.is_record_due(entry) and not services.jobs.delete(entry, has_time):
            raise _Later
        services.removals.complete(entry)
    except Exception as error:
        if isinstance(error, _Later):
            _postpone(services, entry, at_most=RELEASED)
        else:
            entry_failed("retention", entry=entry["sk"])
            _postpone(services, entry)
        return False
    return True


def _throw_parts_away(services: ExportServices, entry: dict[str, Any]) -> bool:
    """Abort an upload in parts that has expired; one that was completed has none."""
    try:
        services.files.abort_uploads(services.settings.files_bucket, entry["sourceKey"])
        services.removals.complete(entry)
    except Exception:
        entry_failed("retention", entry=entry["sk"])
        _postpone(services, entry)
        return False
    return True


def _postpone(services: ExportServices, entry: dict[str, Any], **limit: timedelta) -> None:
    try:
        services.removals.postpone(entry, **limit)
    except Exception:  # it stays due, and must not keep the others
        entry_failed("retention", entry=entry["sk"])


def delete_job_files(services: ExportServices, entry: dict[str, Any], has_time: HasTime = no_limit) -> None:
    """Delete a job's files.

    Args:
        entry: jobId; for a job with a source also sourceBucket, sourceKey and sourceEtag. The source is deleted only
            if it is still the version that was imported, a dropped one only if no newer job of its key owns it.

    Raises:
        _Later: an older job, of the same bytes under the same key, has not ended; a relaunch has not made its source of
            the files yet; or the time did not suffice.
    """
    if "exportId" not in entry and services.jobs.has_takers(entry["jobId"]):
        raise _Later
    bucket, prefix = services.settings.files_bucket, job_prefix(entry["jobId"])
    services.files.abort_uploads(bucket, prefix)  # of steps that died
    if not services.files.delete_prefix(bucket, prefix, has_time=has_time):
        raise _Later
    if "sourceKey" not in entry:
        return
    if entry["sourceBucket"] == services.settings.drop_bucket:
        _delete_dropped(services, entry)
    else:
        services.files.delete(entry["sourceBucket"], entry["sourceKey"], entry.get("sourceEtag"))


def _delete_dropped(services: ExportServices, entry: dict[str, Any]) -> None:
    bucket, key, job_id = entry["sourceBucket"], entry["sourceKey"], entry["jobId"]
    dropped = f"{bucket}/{key}"
    services.drops.note_gone(dropped, job_id)
    modified = services.drops.begin_deletion(dropped, job_id)
    if modified is None:
        return
    try:
        # From here on no new job of the key is registered.
        if services.active_jobs.any_reads(entry.get("entityUid", ""), bucket, key):
            raise _Later
        # An object that was dropped since then, whose event is still on its way, has another time.
        services.files.delete(bucket, key, entry.get("sourceEtag"), modified)
    except Exception:
        services.drops.cancel_deletion(dropped, job_id)
        raise
    services.drops.end_deletion(dropped, job_id)
