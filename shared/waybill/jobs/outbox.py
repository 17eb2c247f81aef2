"""Changes of status that are still to be published.

    OUTBOX / {jobId}#{status}                since, job (JSON text), expiresAt
    OUTBOX#FAILED / {due}#{jobId}#{status}   the same, attempts; what could not be published, by its next attempt

An entry is put in the transaction that changes the status, and removed once the change is published: a change may be
published twice, but none is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

from waybill.aws.dynamodb import TransactionCanceled
from waybill.aws.expressions import Attr
from waybill.aws.table import Item, Table
from waybill.clock import Clock, HasTime, no_limit
from waybill.jobs.items import job_from_item, job_item
from waybill.jobs.model import Job
from waybill.sizes import json_text
from waybill.telemetry import entry_failed
from waybill.timestamps import from_epoch, rfc3339

KEPT_SECONDS = 7 * 86_400
LATE_PER_CALL = 1_000
PER_PAGE = 100
MAX_DELAY_SECONDS = 3_600


class Outbox:
    """
    Attributes:
        send: publishes the job's status; False when that must be tried again.
    """

    def __init__(self, table: Table, clock: Clock, send: Callable[[Job], bool]) -> None:
        self._table = table
        self._clock = clock
        self.send = send

    def publish(self, job: Job) -> None:
        """Publish the job's status if it is in the outbox, and remove it."""
        if self._table.get(("OUTBOX", _sort_key(job))) is not None:
            self.publish_new(job)

    def publish_new(self, job: Job) -> None:
        """Publish the job's status, which the caller has just put into the outbox, and remove it."""
        if self.send(job):
            self._table.delete(("OUTBOX", _sort_key(job)))

    def publish_late(self, older_than_seconds: float, has_time: HasTime = no_limit) -> int:
        """Publish entries so old that the process which should have published them has died, and those that failed
        before and are due again; LATE_PER_CALL at most.

        Returns:
            The number of changes published.
        """
        published = 0
        for item in islice(self._late(older_than_seconds), LATE_PER_CALL):
            if not has_time():
                break
            published += self._publish_entry(item)
        return published

    def _late(self, older_than_seconds: float) -> Iterator[Item]:
        now = self._clock.now()
        for items in self._table.pages("OUTBOX", limit=PER_PAGE):
            for item in items:
                # An entry without its time counts as old: publishing it fails, and reports it.
                if (now - from_epoch(item.get("since", 0))).total_seconds() >= older_than_seconds:
                    yield item
        for items in self._table.pages("OUTBOX#FAILED", up_to=rfc3339(now), limit=PER_PAGE):
            yield from items

    def _publish_entry(self, item: Item) -> bool:
        """Publish an entry and remove it; False when it failed and is postponed."""
        try:
            if self.send(job_from_item(json.loads(item["job"]))):
                self._table.delete((item["pk"], item["sk"]))
                return True
        except Exception:  # an entry that cannot be read must not delay the others
            entry_failed("announcements", entry=item["sk"])
        attempts = int(item.get("attempts", 0)) + 1
        due = self._clock.now() + timedelta(seconds=min(60 * 2 ** min(attempts, 16), MAX_DELAY_SECONDS))
        name = item["sk"] if item["pk"] == "OUTBOX" else item["sk"].partition("#")[2]
        later = {**item, "pk": "OUTBOX#FAILED", "sk": f"{rfc3339(due)}#{name}", "attempts": attempts}
        gone = self._table.delete_action((item["pk"], item["sk"]), Attr("pk").exists())
        with suppress(TransactionCanceled):  # published meanwhile
            self._table.transact([self._table.put_action(later), gone])
        return False


def outbox_item(job: Job, now: datetime) -> Item:
    since = int(now.timestamp())
    return {
        "pk": "OUTBOX",
        "sk": _sort_key(job),
        "since": since,
        "job": json_text(job_item(job), default=str),
        "expiresAt": since + KEPT_SECONDS,
    }


def _sort_key(job: Job) -> str:
    return f"{job.job_id}#{job.status}"
