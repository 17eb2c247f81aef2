"""Changes of status that are still to be published.

    OUTBOX / {jobId}#{status}   since, job (JSON text), attempts?, expiresAt

An entry is put in the transaction that changes the status, and removed once the change is published: a change may be
published twice, but none is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Item, Table
from waybill.clock import Clock
from waybill.jobs.items import job_from_item, job_item
from waybill.jobs.model import Job
from waybill.telemetry import entry_failed
from waybill.timestamps import from_epoch

KEPT_SECONDS = 7 * 86_400
LATE_PER_CALL = 100
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

    def publish_late(self, older_than_seconds: float) -> int:
        """Publish entries so old that the process which should have published them has died, LATE_PER_CALL at most.

        Returns:
            The number of changes published.
        """
        published = tried = 0
        for items in self._table.pages("OUTBOX", limit=LATE_PER_CALL):
            for item in items:
                if (self._clock.now() - from_epoch(item["since"])).total_seconds() < older_than_seconds:
                    continue
                published += self._publish_entry(item)
                tried += 1
                if tried == LATE_PER_CALL:
                    return published
        return published

    def _publish_entry(self, item: Item) -> bool:
        """Publish an entry and remove it; False when it failed and is postponed."""
        try:
            if self.send(job_from_item(json.loads(item["job"]))):
                self._table.delete((item["pk"], item["sk"]))
                return True
        except Exception:  # an entry that cannot be read must not delay the others
            entry_failed("announcements", entry=item["sk"])
        attempts = int(item.get("attempts", 0)) + 1
        delay = min(60 * 2 ** min(attempts, 16), MAX_DELAY_SECONDS)
        later = Change(sets={"since": int(self._clock.now().timestamp()) + delay, "attempts": attempts})
        with suppress(ConditionFailed):  # published meanwhile
            self._table.update((item["pk"], item["sk"]), later, Attr("pk").exists())
        return False


def outbox_item(job: Job, now: datetime) -> Item:
    since = int(now.timestamp())
    return {
        "pk": "OUTBOX",
        "sk": _sort_key(job),
        "since": since,
        "job": json.dumps(job_item(job), default=str),
        "expiresAt": since + KEPT_SECONDS,
    }


def _sort_key(job: Job) -> str:
    return f"{job.job_id}#{job.status}"
