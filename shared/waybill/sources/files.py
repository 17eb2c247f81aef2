"""Files that sources have seen, in the jobs table: each makes one job, and is remembered for KEPT_DAYS.

    SOURCE#{sourceId} / FILE#{mark}             the members of `SeenFile`, expiresAt
    SOURCE#{sourceId} / SEEN#{seenAt}#{mark}    expiresAt; the order of the list
    SOURCE#{sourceId} / AFTER#{mark}            name, sizeBytes, modified, etag?, isReady?, expiresAt: what is to be
                                                moved or deleted once its import has succeeded
                                                (or a relaunch of its whole file has)
    SOURCE#{sourceId} / FETCH                   how far a large file is fetched, expiresAt
    AFTER / {sourceId}                          expiresAt: files of the source are ready to be moved or deleted

A file's mark derives from its name, size, time and ETag, and from where it lies and what it is imported into. The job
and the first three items are put in one transaction: a run that dies at any moment has either made the job and
remembered the file, or neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Item, Key, Table
from waybill.clock import Clock
from waybill.exports.destinations.folder import FolderFile
from waybill.jobs.giving_up import left_unread
from waybill.jobs.model import Job, Status
from waybill.jobs.usual_rows import fetched_file
from waybill.sizes import json_text
from waybill.telemetry import read_each
from waybill.timestamps import from_epoch, parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from waybill.sources.definition import Source

KEPT_DAYS = 400
#: A file that is still there is remembered anew when it is seen within this time before its record expires.
RENEWED = timedelta(days=60)
#: S3 throws the parts of an upload away after a day.
FETCH_KEPT = timedelta(days=1)
#: How often a transaction is sent while it collides with others.
ROUNDS = 3
NEW = Attr("pk").is_missing()
DUPLICATE = "duplicate-file"


@dataclass(frozen=True)
class SeenFile:
    """A file that a source has made a job of.

    Attributes:
        status, outcome, imported, error_code, error_message: of its job, once that has ended; it outlives the job.
        after: what became of the file then: a `folder.Fate`, or None.
        moved_to: its path, if it was moved.
    """

    mark: str
    file: FolderFile
    job_id: str
    seen_at: datetime
    status: str | None = None
    outcome: str | None = None
    imported: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    after: str | None = None
    moved_to: str | None = None


@dataclass(frozen=True)
class NewFile:
    """What the job of a file is made of: the file, which must not have been seen.

    Attributes:
        has_after: whether it is moved or deleted once its import has succeeded.
    """

    source_id: str
    mark: str
    file: FolderFile
    job_id: str
    has_after: bool
    refusal = "This file of the source was imported already."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        kept = {"expiresAt": int((now + timedelta(days=KEPT_DAYS)).timestamp())}
        members = _members(self.file) | kept
        seen_at = rfc3339(now)
        record = {"jobId": self.job_id, "seenAt": seen_at, **members}
        actions = [
            table.put_action({**_keyed(_file_key(self.source_id, self.mark)), **record}, NEW),
            table.put_action({**_keyed((_pk(self.source_id), f"SEEN#{seen_at}#{self.mark}")), **kept}),
        ]
        if self.has_after:
            actions.append(table.put_action({**_keyed(_after_key(self.source_id, self.mark)), **members}))
        return actions


def mark_of(source: Source, place: str, file: FolderFile) -> str:
    """What tells this file from all others.

    Args:
        place: that of the location, as its kind tells it.
    """
    identity = [file.name, file.size_bytes, rfc3339(file.modified), file.etag]
    about = [source.source_id, source.entity_uid, place, *identity]
    return hashlib.sha256(json_text(about).encode()).hexdigest()[:40]


def has_succeeded(job: Job) -> bool:
    """Whether the file of an import is done with: a row at least was imported, or its content was before."""
    return (job.status is Status.COMPLETED and job.imported > 0 and not job.dry_run) or job.error_code == DUPLICATE


class SourceFiles:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def seen(self, source_id: str, marks: Sequence[str]) -> set[str]:
        """Those of the marks whose files have been seen; a request for a hundred of them. Records that would expire
        soon are renewed: what is still there must not be forgotten."""
        items = self._table.get_many([_file_key(source_id, mark) for mark in marks])
        now = self._clock.now()
        for item in items:
            if from_epoch(item["expiresAt"]) - now < RENEWED:
                kept = Change(sets={"expiresAt": int((now + timedelta(days=KEPT_DAYS)).timestamp())})
                with suppress(ConditionFailed):
                    self._table.update((item["pk"], item["sk"]), kept, Attr("pk").exists())
        return {item["sk"].partition("#")[2] for item in items}

    def page(self, source_id: str, limit: int, after: str | None = None) -> tuple[list[SeenFile], str | None]:
        """Up to `limit` files, newest first, after the position `after`, and the last position; None at the end."""
        start = None if after is None else {"pk": _pk(source_id), "sk": f"SEEN#{after}"}
        page = self._table.query(_pk(source_id), prefix="SEEN#", newest_first=True, limit=limit, after=start)
        marks = [item["sk"].rpartition("#")[2] for item in page.items]
        items = self._table.get_many([_file_key(source_id, mark) for mark in marks])
        last = None if page.last is None else page.last["sk"].partition("#")[2]
        return list(read_each("file of a source", items, _from_item)), last

    def note_end(self, job: Job) -> None:
        """Note how the import of a file has ended, and whether the file may be moved or deleted now; also that of a
        relaunch of the whole file, which then is the file's job. Calling it again changes nothing, nor does the end of
        a job that was relaunched since."""
        source_id, mark = fetched_file(job)
        if source_id is None or mark is None:
            return
        sets = {
            "jobId": job.job_id,
            "status": str(job.status),
            "outcome": None if job.outcome is None else str(job.outcome),
            "imported": job.imported,
            "errorCode": job.error_code,
            "errorMessage": job.error_message,
        }
        change = Change(
            sets={name: value for name, value in sets.items() if value is not None},
            removes=[name for name, value in sets.items() if value is None],
        )
        is_latest = Attr("jobId").equals(job.job_id)
        if job.retry_of is not None:
            is_latest |= Attr("jobId").equals(job.retry_of)
        try:
            self._table.update(_file_key(source_id, mark), change, is_latest)
        except ConditionFailed:
            return
        if not has_succeeded(job):
            if not left_unread(job):  # a relaunch may still succeed
                self._table.delete(_after_key(source_id, mark))
            return
        with suppress(ConditionFailed):  # it stays, or is done with
            self._table.update(_after_key(source_id, mark), Change(sets={"isReady": True}), Attr("pk").exists())
            kept = int((self._clock.now() + timedelta(days=KEPT_DAYS)).timestamp())
            self._table.put({**_keyed(("AFTER", source_id)), "expiresAt": kept})

    # What is to be done after an import

    def sources_with_ready(self) -> list[str]:
        """The sources that have files to move or delete, as far as one request tells."""
        return [item["sk"] for item in self._table.query("AFTER", keys_only=True).items]

    def forget_ready(self, source_id: str) -> None:
        """Take a source off that list, before its files are looked at: what becomes ready later puts it there again."""
        self._table.delete(("AFTER", source_id))

    def ready(self, source_id: str) -> Iterator[tuple[str, FolderFile]]:
        """(mark, file) of those to move or delete; a request for each page."""
        for items in self._table.pages(_pk(source_id), prefix="AFTER#", where=Attr("isReady").equals(True)):
            for item in items:
                yield item["sk"].partition("#")[2], _file_from(item)

    def job_of(self, source_id: str, mark: str) -> str | None:
        """The id of a file's job; None when the file is forgotten."""
        item = self._table.get(_file_key(source_id, mark))
        return None if item is None else str(item["jobId"])

    def note_after(
        self, source_id: str, mark: str, fate: str, moved_to: str | None, entry: Sequence[Action] = ()
    ) -> None:
        """Note what became of a file, which is done with.

        Args:
            entry: for the audit trail; a second call adds none.
        """
        sets = {"after": fate, **({} if moved_to is None else {"movedTo": moved_to})}
        there = Attr("pk").exists()
        done = [self._table.delete_action(_after_key(source_id, mark), there), *entry]
        noted = self._table.update_action(_file_key(source_id, mark), Change(sets=sets), there)
        try:
            self._table.transact([*done, noted], rounds=ROUNDS)
        except TransactionCanceled as error:
            if error.retryable:
                raise
            if 0 not in error.failed_conditions:  # the file is forgotten by now
                self._table.transact(done, rounds=ROUNDS)

    # A large file on its way

    def fetching(self, source_id: str, mark: str) -> dict[str, Any] | None:
        """What `keep_fetching` has stored of this file."""
        item = self._table.get((_pk(source_id), "FETCH"))
        return None if item is None or item["mark"] != mark else item["state"]

    def keep_fetching(self, source_id: str, mark: str, state: dict[str, Any]) -> None:
        expires = int((self._clock.now() + FETCH_KEPT).timestamp())
        self._table.put({**_keyed((_pk(source_id), "FETCH")), "mark": mark, "state": state, "expiresAt": expires})

    def end_fetching(self, source_id: str) -> None:
        self._table.delete((_pk(source_id), "FETCH"))


def _pk(source_id: str) -> str:
    return f"SOURCE#{source_id}"


def _file_key(source_id: str, mark: str) -> Key:
    return _pk(source_id), f"FILE#{mark}"


def _after_key(source_id: str, mark: str) -> Key:
    return _pk(source_id), f"AFTER#{mark}"


def _keyed(key: Key) -> Item:
    return {"pk": key[0], "sk": key[1]}


def _members(file: FolderFile) -> Item:
    members = {"name": file.name, "sizeBytes": file.size_bytes, "modified": rfc3339(file.modified), "etag": file.etag}
    return {name: value for name, value in members.items() if value is not None}


def _file_from(item: Item) -> FolderFile:
    return FolderFile(item["name"], item["sizeBytes"], parse_rfc3339(item["modified"]), item.get("etag"))


def _from_item(item: Item) -> SeenFile:
    return SeenFile(
        mark=item["sk"].partition("#")[2],
        file=_file_from(item),
        job_id=item["jobId"],
        seen_at=parse_rfc3339(item["seenAt"]),
        status=item.get("status"),
        outcome=item.get("outcome"),
        imported=item.get("imported"),
        error_code=item.get("errorCode"),
        error_message=item.get("errorMessage"),
        after=item.get("after"),
        moved_to=item.get("movedTo"),
    )
