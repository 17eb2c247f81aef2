"""The jobs that have not ended: recovery looks after them, and they keep their entity from being deleted.

ACTIVE / {jobId}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from waybill.aws.table import Key, Table
from waybill.jobs.model import Job


class ActiveJobs:
    """
    Args:
        find_jobs: the jobs with these ids that exist, in their order.
    """

    def __init__(self, table: Table, find_jobs: Callable[[Sequence[str]], list[Job]]) -> None:
        self._table = table
        self._find_jobs = find_jobs

    def all(self) -> list[Job]:
        """The jobs that have not ended, at most a megabyte of ids; removes entries of others that were left over."""
        ids = [item["sk"] for item in self._table.query("ACTIVE").items]
        jobs = [job for job in self._find_jobs(ids) if not job.is_terminal]
        for job_id in set(ids) - {job.job_id for job in jobs}:
            self._table.delete(active_key(job_id))
        return jobs

    def has_any_of(self, entity_uid: str) -> bool:
        """Whether a job of the entity has not ended. A Query, and a BatchGetItem for each hundred active jobs."""
        return any(
            job.entity_uid == entity_uid and not job.is_terminal
            for items in self._table.pages("ACTIVE")
            for job in self._find_jobs([item["sk"] for item in items])
        )


def active_key(job_id: str) -> Key:
    """The key of a job's entry, which has no other attributes."""
    return "ACTIVE", job_id
