"""Changes of status that are still to be published.

    OUTBOX / {jobId}#{status}   since, job (JSON text), expiresAt

An entry is put in the transaction that changes the status, and removed once the change is published: a change may be
published twice, but none is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from waybill.aws.table import Item, Table
from waybill.clock import Clock
from waybill.jobs.items import job_from_item, job_item
from waybill.jobs.model import Job
from waybill.timestamps import from_epoch

KEPT_SECONDS = 7 * 86_400
LATE_PER_CALL = 100


class Outbox:
    """
    Attributes:
        send: publishes the job's status, whether it is in the outbox or not; False when that must be tried again.
    """

    def __init__(self, table: Table, clock: Clock, send: Callable[[Job], bool]) -> None:
        self._table = table
        self._clock = clock
        self.send = send

    def publish(self, job: Job) -> None:
        """Publish the job's status if it is in the outbox, and remove it."""
        key = ("OUTBOX", _sort_key(job))
        if self._table.get(key) is not None and self.send(job):
            self._table.delete(key)

    def publish_late(self, older_than_seconds: float) -> int:
        """Publish entries so old that the process which should have published them has died.

        Returns:
            The number of changes, at most LATE_PER_CALL.
        """
        late = 0
        for item in self._table.query("OUTBOX", limit=LATE_PER_CALL).items:
            if (self._clock.now() - from_epoch(item["since"])).total_seconds() >= older_than_seconds:
                self.publish(job_from_item(json.loads(item["job"])))
                late += 1
        return late


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
