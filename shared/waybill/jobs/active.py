"""The jobs of each entity that have not ended, which keep it from being deleted.

ACTIVE#{entityUid} / {jobId}
"""

from __future__ import annotations

from collections.abc import Callable

from waybill.aws.table import Key, Table
from waybill.jobs.model import Job

PER_PAGE = 10


class ActiveJobs:
    """
    Args:
        find_job: the job with this id, or None.
    """

    def __init__(self, table: Table, find_job: Callable[[str], Job | None]) -> None:
        self._table = table
        self._find_job = find_job

    def has_any_of(self, entity_uid: str) -> bool:
        """Whether a job of the entity has not ended; removes entries that were left over. A Query and a read, and two
        requests for each entry that was left over."""
        partition = _partition(entity_uid)
        for items in self._table.pages(partition, limit=PER_PAGE):
            for item in items:
                job = self._find_job(item["sk"])
                if job is not None and not job.is_terminal:
                    return True
                self._table.delete((partition, item["sk"]))
        return False


def active_key(job: Job) -> Key:
    """The key of a job's entry, which has no other attributes."""
    return _partition(job.entity_uid), job.job_id


def _partition(entity_uid: str) -> str:
    return f"ACTIVE#{entity_uid}"
