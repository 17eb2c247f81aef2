"""The runs of each export, in order.

RUNS#{exportId} / {submittedAt}#{jobId}

An entry goes with its job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from waybill.aws.table import Key, Table
from waybill.jobs.cursors import decode_cursor, encode_cursor
from waybill.jobs.model import Job


class Runs:
    """
    Args:
        live_jobs: the jobs with these ids that have not expired, in their order.
    """

    def __init__(self, table: Table, live_jobs: Callable[[Sequence[str]], list[Job]]) -> None:
        self._table = table
        self._live_jobs = live_jobs

    def page(self, export_id: str, limit: int, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """Up to `limit` runs of an export, newest first, and the cursor of the next page. Expired runs are left out, so
        that a page may be shorter.

        Raises:
            MalformedRequest: the cursor was not issued by this list.
        """
        pk = f"RUNS#{export_id}"
        after = None if cursor is None else {"pk": pk, "sk": decode_cursor(cursor)}
        page = self._table.query(pk, newest_first=True, limit=limit, after=after)
        runs = self._live_jobs([item["sk"].partition("#")[2] for item in page.items])
        return runs, None if page.last is None else encode_cursor(page.last["sk"])


def run_key(export_id: str, submitted_at: str, job_id: str) -> Key:
    """The key of a run's entry, which has no other attributes. `submitted_at` is RFC 3339 text."""
    return f"RUNS#{export_id}", f"{submitted_at}#{job_id}"
