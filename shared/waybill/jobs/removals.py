"""What ended jobs leave behind, by the time at which retention removes it: the files first, then everything else.

    SWEEP / {due}#{jobId}   jobId, recordDue, filesDeleted?, attempts?
                            of a job with a source: sourceBucket, sourceKey, sourceEtag, entityUid;
                            of a run: exportId, submittedAt

Entries of uploads in parts: `waybill.jobs.uploads`.

The entry of a job is put by the transaction that ends it, due at `filesExpireAt`. Once the files are deleted it becomes
due again at `expiresAt` (`recordDue`), to remove the items of the job. It names all that is to be removed, because
DynamoDB's TTL may have deleted the record before. A deletion that a person asks for makes it due at once.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from waybill.aws.dynamodb import TransactionCanceled
from waybill.aws.expressions import Attr
from waybill.aws.table import Item, Key, Table
from waybill.clock import Clock
from waybill.jobs.attempts import attempts_of, pause_after
from waybill.jobs.model import Job
from waybill.timestamps import parse_rfc3339, rfc3339

PER_PAGE = 100
MAX_DELAY = timedelta(days=1)


class Removals:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def page(self) -> list[Item]:
        """Up to PER_PAGE entries whose time has come, the longest due first."""
        now = rfc3339(self._clock.now())
        return self._table.query("SWEEP", up_to=now, limit=PER_PAGE, consistent=False).items

    def is_record_due(self, entry: Item) -> bool:
        """Whether the job's items are to be removed too, not only its files.

        Raises:
            ValueError: the entry does not say when.
        """
        return "recordDue" in entry and parse_rfc3339(str(entry["recordDue"])) <= self._clock.now()

    def complete(self, entry: Item) -> None:
        """Remove an entry whose work is done; one whose job has not expired becomes due again when it does."""
        if self.is_record_due(entry) or "recordDue" not in entry:  # an earlier version left the record to its TTL
            self._table.delete((entry["pk"], entry["sk"]))
        else:
            rest = {name: value for name, value in entry.items() if name != "attempts"}
            self._move(rest, entry["recordDue"], filesDeleted=True)

    def postpone(self, entry: Item, at_most: timedelta = MAX_DELAY) -> None:
        """Make an entry that failed due again in two minutes, then in twice the time, up to `at_most`."""
        attempts = attempts_of(entry) + 1
        due = self._clock.now() + pause_after(attempts, at_most)
        self._move(entry, rfc3339(due), attempts=attempts)

    def _move(self, entry: Item, due: str, **changes: Any) -> None:
        name = entry["sk"].rpartition("#")[2]  # also of an entry that lacks its jobId
        later = self._table.put_action({**entry, "sk": f"{due}#{name}", **changes})
        # When the entry is gone, somebody has asked for the job's deletion, which has an entry of its own.
        gone = self._table.delete_action((entry["pk"], entry["sk"]), Attr("pk").exists())
        with suppress(TransactionCanceled):
            self._table.transact([later, gone])


def removal_item(job: Job) -> Item:
    """The entry of an ended job."""
    pk, sk = removal_key(job, job.files_expire_at)
    item = {
        "pk": pk,
        "sk": sk,
        "jobId": job.job_id,
        "recordDue": rfc3339(job.expires_at),
        "sourceBucket": job.source_bucket,
        "sourceKey": job.source_key,
        "sourceEtag": job.source_etag,
        "entityUid": (job.source_key and job.entity_uid) or None,
        "exportId": job.export_id,
        "submittedAt": job.export_id and rfc3339(job.submitted_at),
    }
    return {name: value for name, value in item.items() if value is not None}


def removal_key(job: Job, due: datetime | None) -> Key:
    """The key of the job's entry when it is due at `due`."""
    return "SWEEP", f"{rfc3339(due)}#{job.job_id}"
