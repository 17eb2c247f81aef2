"""Delete files when their time has come; the records themselves go by DynamoDB's TTL (contract, *Retention*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices


def sweep(services: ExportServices) -> int:
    """Delete what is due: everything a job keeps in the files bucket, and its source.

    Entries go only after their files are gone, so that a sweep that dies is made up for by the next.

    Returns:
        The number of jobs whose files were deleted.
    """
    swept = 0
    while due := services.jobs.due_files():
        for sort_key, entry in due:
            delete_job_files(services, entry)
            services.jobs.swept(sort_key)
            swept += 1
    return swept


def delete_job_files(services: ExportServices, entry: dict[str, str]) -> None:
    """Delete a job's files.

    Args:
        entry: jobId, and where there is a source sourceBucket, sourceKey, sourceEtag: it goes only while it is still
            the version that was imported.
    """
    services.files.delete_prefix(services.settings.files_bucket, f"jobs/{entry['jobId']}/")
    if "sourceKey" in entry:
        services.files.delete(entry["sourceBucket"], entry["sourceKey"], entry.get("sourceEtag"))
