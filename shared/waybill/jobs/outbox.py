"""Changes of status that are still to be published.

    OUTBOX / {jobId}#{status}                since, job (JSON text), done, expiresAt
    OUTBOX#FAILED / {due}#{jobId}#{status}   the same, attempts; what could not be published, by its next attempt

An entry is put in the transaction that changes the status, and removed once the change is published: a change may be
published twice, but none is lost. `done` names the parts of it that are published already, the event and each mail: a
part that fails does not repeat the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Item, Table
from waybill.clock import Clock, HasTime, no_limit
from waybill.jobs.attempts import attempts_of, pause_after
from waybill.jobs.items import DEFAULTS, job_from_item, job_item
from waybill.jobs.model import Job
from waybill.sizes import json_text
from waybill.telemetry import entry_failed
from waybill.timestamps import rfc3339

KEPT_SECONDS = 7 * 86_400
LATE_PER_CALL = 1_000
PER_PAGE = 100
MAX_DELAY = timedelta(hours=1)


class Outbox:
    """
    Attributes:
        send: publishes the parts of a job's status that are not in the set, and adds them to it; False when some must
            be tried again.
    """

    def __init__(self, table: Table, clock: Clock, send: Callable[[Job, set[str]], bool]) -> None:
        self._table = table
        self._clock = clock
        self.send = send

    def publish(self, job: Job) -> None:
        """Publish the job's status if it is in the outbox, and remove it."""
        if (item := self._table.get(("OUTBOX", _sort_key(job)))) is not None:
            self._publish(job, _done_of(item))

    def publish_new(self, job: Job) -> None:
        """Publish the job's status, which the caller has just put into the outbox, and remove it."""
        self._publish(job, set())

    def _publish(self, job: Job, done: set[str]) -> None:
        key, before = ("OUTBOX", _sort_key(job)), len(done)
        if self.send(job, done):
            self._table.delete(key)
        elif len(done) > before:
            with suppress(ConditionFailed):  # published, or postponed, meanwhile
                self._table.update(key, Change(sets={"done": sorted(done)}), Attr("pk").exists())

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
            try:
                published += self._publish_entry(item)
            except Exception:  # an entry that cannot be postponed must not delay the others
                entry_failed("announcements", entry=item["sk"])
        return published

    def _late(self, older_than_seconds: float) -> Iterator[Item]:
        now = self._clock.now()
        for items in self._table.pages("OUTBOX", limit=PER_PAGE):
            for item in items:
                since = item.get("since")
                # Old are also an entry without its time, and one from a clock that is further ahead than that.
                if not isinstance(since, int) or abs(now.timestamp() - since) >= older_than_seconds:
                    yield item
        for items in self._table.pages("OUTBOX#FAILED", up_to=rfc3339(now), limit=PER_PAGE):
            yield from items

    def _publish_entry(self, item: Item) -> bool:
        """Publish an entry and remove it; False when it failed and is postponed."""
        done = _done_of(item)
        try:
            if self.send(job_from_item(json.loads(item["job"])), done):
                self._table.delete((item["pk"], item["sk"]))
                return True
        except Exception:  # an entry that cannot be read must not delay the others
            entry_failed("announcements", entry=item["sk"])
        attempts = attempts_of(item) + 1
        due = self._clock.now() + pause_after(attempts, MAX_DELAY)
        name = item["sk"] if item["pk"] == "OUTBOX" else item["sk"].partition("#")[2]
        later = {**item, "pk": "OUTBOX#FAILED", "sk": f"{rfc3339(due)}#{name}", "attempts": attempts}
        later |= {"done": sorted(done)} if done else {}
        gone = self._table.delete_action((item["pk"], item["sk"]), Attr("pk").exists())
        with suppress(TransactionCanceled):  # published meanwhile
            self._table.transact([self._table.put_action(later), gone])
        return False


def _done_of(item: Item) -> set[str]:
    done = item.get("done")
    return {part for part in done if isinstance(part, str)} if isinstance(done, list) else set()


def outbox_item(job: Job, now: datetime) -> Item:
    since = int(now.timestamp())
    return {
        "pk": "OUTBOX",
        "sk": _sort_key(job),
        "since": since,
        "job": json_text(_without_defaults(job_item(job)), default=str),
        "expiresAt": since + KEPT_SECONDS,
    }


def _without_defaults(item: Item) -> Item:
    """What `job_from_item` needs of a stored job: entries are billed by the KB, six times each.

    An empty value need not be a default: the entity of a refused file may have no uid, and a file no rows.
    """
    keys = {"pk", "sk", "listKey", "listSort"}
    return {name: value for name, value in item.items() if name not in keys and value != DEFAULTS.get(name)}


def _sort_key(job: Job) -> str:
    return f"{job.job_id}#{job.status}"
