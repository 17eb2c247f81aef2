"""Retention: files are deleted here when they expire, records by DynamoDB's TTL (contract, *Retention*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices


def delete_due_files(services: ExportServices) -> int:
    """Delete all that jobs keep in the files bucket, and their sources, once `filesExpireAt` has passed.

    An entry is removed only after its files, so that the next call completes one that died.

    Returns:
        The number of jobs whose files were deleted.
    """
    count = 0
    while due := services.due_files.page():
        for entry in due:
            delete_job_files(services, entry)
            services.due_files.remove(entry)
            count += 1
    return count


def delete_job_files(services: ExportServices, entry: dict[str, str]) -> None:
    """Delete a job's files.

    Args:
        entry: jobId; for a job with a source also sourceBucket, sourceKey and sourceEtag. The source is deleted only
            if it is still the version that was imported.
    """
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{entry['jobId']}/")
    if "sourceKey" in entry:
        services.files.delete(entry["sourceBucket"], entry["sourceKey"], entry.get("sourceEtag"))
