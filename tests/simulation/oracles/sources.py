"""Files that sources fetch: each becomes one job, and none is lost, or taken away before it is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.simulation.oracles.sight import Sight
from waybill.jobs.model import Status


def every_fetched_file_makes_one_job(watch: Sight) -> None:
    """Section 8: "A file … is imported once, also when a run dies at any moment"."""
    jobs = [seen.job for seen in watch.jobs.values() if seen.job.source_id is not None]
    files = Counter((job.source_id, job.source_file) for job in jobs)
    watch.require(max(files.values(), default=0) <= 1, every_fetched_file_makes_one_job, f"{files}")
    contents = Counter(watch.content(job) for job in jobs)
    for name, data in watch.partner_files:
        made = contents[data]
        watch.require(made == 1, every_fetched_file_makes_one_job, f"{made} jobs of the partner's file {name}")


def only_imported_files_go(watch: Sight, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    """Section 8: files are moved or deleted "once its job has ended with at least one row imported"; a partner's file
    that changes its name within the folder is still there."""
    there = {data for name, data in after.items() if "/" not in name}
    for name, data in watch.partner_files:
        if data in there or data not in {left for path, left in before.items() if "/" not in path}:
            continue
        ended = [seen.job for seen in watch.jobs.values() if watch.content(seen.job) == data]
        is_imported = any(job.status is Status.COMPLETED and job.imported for job in ended)
        watch.require(is_imported, only_imported_files_go, f"{name} is gone, and no import of it has succeeded")
