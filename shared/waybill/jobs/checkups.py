"""When recovery checks next on what has not ended: a job, or the imports of an entity, which take turns.

    CHECKUP / {due}#{jobId}       put when the job is registered; entityUid? of an import that takes turns
    CHECKUP / {due}#{entityUid}   entityUid, attempts?; one entry for all imports of the entity, after the first check

What has not ended has an entry. A check puts the next entry before it removes the one that was due, and puts none when
it finds a job ended, or the queue of an entity empty. An import that joins the queue later brings an entry of its own.
So neither heartbeats nor ends of jobs write here, and of a thousand waiting imports of an entity one is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from waybill.aws.table import Item, Table
from waybill.clock import Clock
from waybill.jobs.attempts import attempts_of, pause_after
from waybill.jobs.model import Job
from waybill.timestamps import rfc3339

#: A job is silent when its last heartbeat, or its registration, is so long ago.
SILENCE = timedelta(seconds=60)
#: Between two checks of a job that is silent although its execution is running.
MAX_PAUSE = timedelta(minutes=5)
#: After checks that failed again and again. Short enough for jobs to end within an hour of an outage.
MAX_DELAY = timedelta(minutes=15)
#: No entry is put further ahead. One that is has its time from a clock that is ahead, and must not wait for it.
FURTHEST = MAX_DELAY + SILENCE
PER_PAGE = 100


class Checkups:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def due(self) -> list[Item]:
        """Up to PER_PAGE entries whose time has come, the longest due first; after the last of them those that a clock
        has put which is far ahead."""
        found = self._table.query("CHECKUP", up_to=rfc3339(self._clock.now()), limit=PER_PAGE).items
        return found or self._table.query("CHECKUP", above=rfc3339(self._clock.now() + FURTHEST), limit=PER_PAGE).items

    def replace(self, done: Sequence[Item], later: Sequence[Item]) -> None:
        """Put the next entries, then remove those that are done; a request for 25 of them."""
        self._table.put_many(later)
        self._table.delete_many([(entry["pk"], entry["sk"]) for entry in done])

    def next_item(self, entry: Item, job: Job, was_restarted: bool) -> Item:
        """The entry that follows this one: when the job may have become silent; the later, the longer it is silent."""
        now, seen = self._clock.now(), job.heartbeat_at or job.submitted_at
        pause = SILENCE if was_restarted else max(now - seen, seen + SILENCE - now)
        return _item(now + min(pause, MAX_PAUSE), subject_of(entry), entity_uid_of(entry))

    def retry_item(self, entry: Item) -> Item:
        """The entry that follows one whose check failed: in two minutes, then in twice the time, up to MAX_DELAY."""
        attempts = attempts_of(entry) + 1
        due = self._clock.now() + pause_after(attempts, MAX_DELAY)
        item = _item(due, subject_of(entry), entity_uid_of(entry))
        return {**item, "attempts": attempts}


def first_item(job: Job) -> Item:
    """The entry of a job that is being registered."""
    return _item(job.submitted_at + SILENCE, job.job_id, job.entity_uid if job.takes_turns else None)


def subject_of(entry: Item) -> str:
    """What an entry is about: the uid of the entity whose imports take turns, or the id of any other job."""
    return entity_uid_of(entry) or str(entry["sk"]).partition("#")[2]


def entity_uid_of(entry: Item) -> str | None:
    """The entity of an entry that is about imports that take turns, else None."""
    uid = entry.get("entityUid")
    return uid if isinstance(uid, str) and uid else None


def _item(due: datetime, name: str, entity_uid: str | None) -> Item:
    item = {"pk": "CHECKUP", "sk": f"{rfc3339(due)}#{name}"}
    return item if entity_uid is None else {**item, "entityUid": entity_uid}
