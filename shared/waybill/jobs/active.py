"""The jobs of each entity that have not ended, which keep it, and the objects that they read, from being deleted.

ACTIVE#{entityUid} / {jobId}     of a job that takes no turns

An import that takes turns has none: it stands in its entity's queue until it has ended (`waybill.jobs.queue`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from waybill.aws.table import Key, Table
from waybill.jobs.model import Job
from waybill.jobs.queue import queue_partition, queued_id

PER_PAGE = 10


class ActiveJobs:
    """
    Args:
        find_job: the job with this id, or None.
        find_jobs: those of the jobs with these ids that have a record.
    """

    def __init__(
        self,
        table: Table,
        find_job: Callable[[str], Job | None],
        find_jobs: Callable[[Sequence[str]], list[Job]],
    ) -> None:
        self._table = table
        self._find_job = find_job
        self._find_jobs = find_jobs

    def some_of(self, entity_uid: str, limit: int) -> list[Job]:
        """Up to `limit` jobs of the entity that have not ended; removes entries that were left over. Two Queries and a
        read for each job, and two requests for each entry that was left over."""
        found: list[Job] = []
        for entries in self._pages(entity_uid, PER_PAGE):
            for key, job_id in entries:
                if len(found) == limit:
                    return found
                job = self._find_job(job_id)
                if job is not None and not job.is_terminal:
                    found.append(job)
                else:
                    self._table.delete(key)
        return found

    def any_reads(self, entity_uid: str, bucket: str, key: str) -> bool:
        """Whether the object is the source of a job of the entity that has not ended. Two Queries, and a read for each
        hundred of the jobs."""
        for entries in self._pages(entity_uid, limit=100):
            for job in self._find_jobs([job_id for _, job_id in entries]):
                if not job.is_terminal and (job.source_bucket, job.source_key) == (bucket, key):
                    return True
        return False

    def _pages(self, entity_uid: str, limit: int) -> Iterator[list[tuple[Key, str]]]:
        """The keys of entries with the ids of their jobs, a page at a time."""
        for items in self._table.pages(queue_partition(entity_uid), keys_only=True, limit=limit):
            yield [((item["pk"], item["sk"]), queued_id(item)) for item in items]
        for items in self._table.pages(_partition(entity_uid), keys_only=True, limit=limit):
            yield [((item["pk"], item["sk"]), item["sk"]) for item in items]


def active_key(job: Job) -> Key:
    """The key of a job's entry, which has no other attributes."""
    return _partition(job.entity_uid), job.job_id


def _partition(entity_uid: str) -> str:
    return f"ACTIVE#{entity_uid}"
