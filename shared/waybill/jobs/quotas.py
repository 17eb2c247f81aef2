"""What one caller may have at once: unfinished jobs and uploads in parts, and in a minute previews, as which connection
tests count, checks of corrected rows, and counts of records.

    CALLER#{sha256 of the subject} / JOBS                jobs (a set of ids), expiresAt
    CALLER#{sha256 of the subject} / UPLOADS             uploads (a set of {time of expiry} {id}), expiresAt
    CALLER#{sha256 of the subject} / PREVIEWS#{minute}   count, expiresAt
    CALLER#{sha256 of the subject} / CHECKS#{minute}     count, expiresAt
    CALLER#{sha256 of the subject} / COUNTS#{minute}     count, expiresAt

A job joins the set in the transaction that registers it, and leaves it in the one that ends it; both may be repeated.
Where nobody asked through the API (dropped files, schedules) there is no caller.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from waybill.aws.dynamodb import ConditionFailed
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Key, Table
from waybill.clock import Clock
from waybill.errors import TooManyRequests
from waybill.jobs.caller_groups import caller_partition
from waybill.jobs.model import Job
from waybill.sizes import (
    MAX_CHECKS,
    MAX_PREVIEWS,
    MAX_RECORD_COUNTS,
    MAX_UNFINISHED_JOBS,
    MAX_UNFINISHED_UPLOADS,
)
from waybill.timestamps import rfc3339

#: Of a caller who has too many jobs: one of them may have ended by then.
JOBS_RETRY_SECONDS = 30
#: Longer than any job takes, from the last time that the caller had something to do with one.
_JOBS_KEPT = timedelta(days=7)
_PREVIEWS_KEPT = timedelta(hours=1)
_MINUTE = 60


def too_many_jobs() -> TooManyRequests:
    return TooManyRequests(
        f"You have {MAX_UNFINISHED_JOBS} jobs that have not ended, which is the most that one caller may have. Wait "
        "until one of them has ended, or cancel one.",
        JOBS_RETRY_SECONDS,
    )


class UnfinishedJobs:
    """The jobs of each caller that have not ended."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def join_action(self, job: Job) -> Action | None:
        """Counts a new job; the condition is false when its caller has too many. None where no caller is counted.

        The run of an export is counted in any case: the export holds it already, and `check` was asked before.
        """
        if job.started_by_id is None or job.is_terminal:
            return None
        has_room = Attr("jobs").is_missing() | Attr("jobs").has_fewer_than(MAX_UNFINISHED_JOBS)
        change = Change(adds={"jobs": frozenset([job.job_id])}, sets={"expiresAt": self._expires()})
        where = has_room if job.export_id is None else None
        return self._table.update_action(_jobs_key(job.started_by_id), change, where)

    def leave_action(self, job: Job) -> Action | None:
        """Counts off a job that ends, whether it was counted or not."""
        if job.started_by_id is None:
            return None
        change = Change(deletes={"jobs": frozenset([job.job_id])}, sets={"expiresAt": self._expires()})
        return self._table.update_action(_jobs_key(job.started_by_id), change)

    def check(self, subject: str) -> None:
        """
        Raises:
            TooManyRequests: the caller may not have another job.
        """
        if self.left(subject) == 0:
            raise too_many_jobs()

    def left(self, subject: str) -> int:
        """How many more jobs the caller may have."""
        item = self._table.get(_jobs_key(subject)) or {}
        return max(0, MAX_UNFINISHED_JOBS - len(item.get("jobs", ())))

    def _expires(self) -> int:
        return int((self._clock.now() + _JOBS_KEPT).timestamp())


def too_many_uploads() -> TooManyRequests:
    return TooManyRequests(
        f"You have {MAX_UNFINISHED_UPLOADS} unfinished uploads in parts, which is the most that one caller may have. "
        "Complete one of them, or delete it.",
        JOBS_RETRY_SECONDS,
    )


class UnfinishedUploads:
    """The uploads in parts of each caller that are neither complete nor expired. Nothing ends those that expire: they
    are taken out of the set when the caller begins another one."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def join_action(self, subject: str, upload_id: str, expires_at: datetime) -> Action:
        """Counts a new upload; the condition is false when the caller has too many. A read, and an update where some
        have expired."""
        now = rfc3339(self._clock.now())
        known = (self._table.get(_uploads_key(subject)) or {}).get("uploads", frozenset())
        if expired := frozenset(name for name in known if name < now):
            self._table.update(_uploads_key(subject), Change(deletes={"uploads": expired}))
        has_room = Attr("uploads").is_missing() | Attr("uploads").has_fewer_than(MAX_UNFINISHED_UPLOADS)
        added = frozenset([_upload_name(upload_id, expires_at)])
        change = Change(adds={"uploads": added}, sets={"expiresAt": int((expires_at + _JOBS_KEPT).timestamp())})
        return self._table.update_action(_uploads_key(subject), change, has_room)

    def leave_action(self, subject: str, upload_id: str, expires_at: datetime) -> Action:
        """Counts an upload off, whether it was counted or not.

        Args:
            expires_at: as it joined.
        """
        gone = frozenset([_upload_name(upload_id, expires_at)])
        kept = int((self._clock.now() + _JOBS_KEPT).timestamp())
        return self._table.update_action(
            _uploads_key(subject), Change(deletes={"uploads": gone}, sets={"expiresAt": kept})
        )


class Previews:
    """The previews and connection tests of each caller in a minute of the clock, the checks of corrected rows, and the
    counts of records."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def take(self, subject: str) -> None:
        """Count a preview, or a connection test, that is about to be made.

        Raises:
            TooManyRequests: the minute has none left.
        """
        self._take(subject, "PREVIEWS", MAX_PREVIEWS, "previews and connection tests")

    def take_check(self, subject: str) -> None:
        """Count a check of corrected rows that is about to be made.

        Raises:
            TooManyRequests: the minute has none left.
        """
        self._take(subject, "CHECKS", MAX_CHECKS, "checks of corrected rows")

    def take_record_count(self, subject: str) -> None:
        """Count a count of records that is about to be made.

        Raises:
            TooManyRequests: the minute has none left.
        """
        self._take(subject, "COUNTS", MAX_RECORD_COUNTS, "counts of records")

    def _take(self, subject: str, name: str, limit: int, what: str) -> None:
        now = self._clock.now()
        change = Change(adds={"count": 1}, sets={"expiresAt": int((now + _PREVIEWS_KEPT).timestamp())})
        has_room = Attr("count").is_missing() | Attr("count").is_below(limit)
        try:
            self._table.update(_minute_key(subject, name, now), change, has_room)
        except ConditionFailed:
            wait = math.ceil(_MINUTE - now.timestamp() % _MINUTE)
            message = f"You have made {limit} {what} in this minute, which is the most that one caller may make."
            raise TooManyRequests(message, wait) from None

    def left(self, subject: str) -> int:
        """How many more previews the caller may make in this minute."""
        item = self._table.get(_minute_key(subject, "PREVIEWS", self._clock.now())) or {}
        return max(0, MAX_PREVIEWS - int(item.get("count", 0)))


def _uploads_key(subject: str) -> Key:
    return caller_partition(subject), "UPLOADS"


def _upload_name(upload_id: str, expires_at: datetime) -> str:
    return f"{rfc3339(expires_at.replace(microsecond=0))} {upload_id}"  # the record of the upload has whole seconds


def _jobs_key(subject: str) -> Key:
    return caller_partition(subject), "JOBS"


def _minute_key(subject: str, name: str, now: datetime) -> Key:
    return caller_partition(subject), f"{name}#{int(now.timestamp()) // _MINUTE}"
