"""Files of ended jobs, by the time at which retention deletes them.

SWEEP / {filesExpireAt}#{jobId}   jobId, sourceBucket?, sourceKey?, sourceEtag?, attempts?
"""

from __future__ import annotations

from datetime import timedelta

from waybill.aws.table import Item, Table
from waybill.clock import Clock
from waybill.jobs.model import Job
from waybill.timestamps import rfc3339

PER_PAGE = 100
MAX_DELAY = timedelta(days=1)


class DueFiles:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def page(self) -> list[Item]:
        """Up to PER_PAGE entries whose time has come, the longest due first."""
        now = rfc3339(self._clock.now())
        return self._table.query("SWEEP", up_to=now, limit=PER_PAGE, consistent=False).items

    def remove(self, entry: Item) -> None:
        """Remove an entry whose files are deleted."""
        self._table.delete((entry["pk"], entry["sk"]))

    def postpone(self, entry: Item) -> None:
        """Make an entry that failed due again in two minutes, then in twice the time, up to MAX_DELAY."""
        attempts = int(entry.get("attempts", 0)) + 1
        due = self._clock.now() + min(timedelta(minutes=2 ** min(attempts, 16)), MAX_DELAY)
        sk = f"{rfc3339(due)}#{entry['sk'].partition('#')[2]}"
        later = self._table.put_action({**entry, "sk": sk, "attempts": attempts})
        self._table.transact([later, self._table.delete_action((entry["pk"], entry["sk"]))])


def due_files_item(job: Job) -> Item:
    """The entry of an ended job."""
    item = {
        "pk": "SWEEP",
        "sk": f"{rfc3339(job.files_expire_at)}#{job.job_id}",
        "jobId": job.job_id,
        "sourceBucket": job.source_bucket,
        "sourceKey": job.source_key,
        "sourceEtag": job.source_etag,
    }
    return {name: value for name, value in item.items() if value is not None}
