"""What a run of a source does: move or delete what has been imported, list the location, and make a job of each file.

    ready files (moved, deleted) → listing (the first LOOKED_AT names behind `position`) → unknown files, in their order
        → fetched into the files bucket → looked at again → registered as a job, once

A file is streamed into a key of its own. Only the job that is registered names the key, so that an attempt that went on
in the dark harms nobody: what it wrote is deleted by the bucket's rule. A large file is fetched over several
invocations, from the last part that S3 has.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from waybill.aws.files import PART_BYTES, UploadGone, Writer
from waybill.encryption import BadKey, split_name
from waybill.encryption_process import Decrypting, DecryptionFailed, DecryptionInterrupted, ForOtherKeys
from waybill.errors import Conflict, DeliveryFailed, EntityDeleted, JobFailed
from waybill.exports.decryption import DecryptionKey, decryption_key
from waybill.exports.destinations import kind_of
from waybill.exports.destinations.base import DeliveredKind
from waybill.exports.destinations.folder import MARK_DIGITS, Fate, Folder, FolderFile
from waybill.ids import derived_uuid, new_uuid
from waybill.imports.options import told
from waybill.imports.register import new_import, register, register_failed
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.audit import DELETE_FILE, FETCH_FILE, MOVE_FILE, Act
from waybill.sources.definition import After, Definition, Order, Run, Source, SourceStatus, is_match, is_usable
from waybill.sources.files import NewFile, mark_of
from waybill.sources.rules import import_options
from waybill.sources.run import (
    end_failed,
    end_undecrypted,
    end_unreachable,
    end_well,
    end_without_right,
    owner_may_import,
)
from waybill.tabular.compressed import Meter
from waybill.telemetry import count, logger
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.aws.table import Action
    from waybill.entities.model import Entity
    from waybill.imports.options import ImportOptions
    from waybill.jobs.audit import Outcome
    from waybill.jobs.model import Job
    from waybill.sources.services import SourceServices

#: Names that one run looks up, and files that it makes jobs of; the next one goes on.
LOOKED_AT, TAKEN_PER_RUN = 10_000, 1_000
LOOKED_UP_AT_ONCE = 100
#: Files that each run tries to decrypt again; the next one goes on behind them.
TRIED_AGAIN = 100
#: Files of which a test asks whether exports have delivered them.
ASKED_FOR = 100
#: A younger file may still be written.
GROWS = timedelta(seconds=60)
MAX_FILE_BYTES = 50 * 1024**3
#: An encrypted file is decrypted by one invocation, which begins it with so much time left.
MAX_ENCRYPTED_BYTES = 2 * 1024**3
DECRYPTION_SECONDS = 600.0
_TOO_SLOW = "The file cannot be fetched and decrypted in the time of one step. Have it sent in several files."
#: An invocation begins no file, and goes on with none, when it has less time left.
RESERVE_SECONDS = 60.0
#: Between two notes of how far a large file is.
NOTED_SECONDS = 60.0
#: Of a file that is left alone, what may be said.
MAX_PROBLEMS = 5
#: What fails for one file only: the others can be fetched. A server that lacks what all need fails at its listing.
_OF_A_FILE = frozenset({"busy", "permission", "not-found", "exists", "taken", "disk-full", "protocol"})
#: Objects in S3 that bear the mark of their entity's export or source.
DELIVERIES = "Deliveries of exports and files that sources have moved"
_NAMESPACE = "a4c8f7b2-0e35-5d0c-8d4f-5b6f2f3f9a07"
_CONTENT_TYPE = "application/octet-stream"


class _OutOfTime(Exception):
    """The next invocation goes on."""


class _NotHeld(Exception):
    """The run has ended, or the source was unscheduled."""


@dataclass
class _Tally:
    """What the run has come to."""

    taken: int
    waiting: int = 0
    passed_over: int = 0
    deliveries: int = 0
    foreign: list[str] = field(default_factory=list)
    interrupted: int = 0
    problems: list[str] = field(default_factory=list)

    def problem(self, name: str, what: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{name}: {what}")

    def summary(self) -> dict[str, Any]:
        told = [f"{DELIVERIES}, which no source fetches: {self.deliveries:,}."] if self.deliveries else []
        message = " ".join(self.problems + told) or None
        return {"taken": self.taken, "waiting": self.waiting, "passedOver": self.passed_over, "message": message}


def fetch(services: SourceServices, run_id: str, remaining_seconds: Callable[[], float]) -> str:
    """Do the work of a run, as far as the time goes.

    Returns:
        "more" when the next call goes on, else "done".
    """
    source = services.sources.find(run_id.partition(".")[0])
    run = None if source is None else source.running
    if source is None or run is None or run.run_id != run_id:
        return "done"
    tally = _Tally(run.taken)
    if source.status is not SourceStatus.SCHEDULED:
        end_well(services, source, run, **tally.summary())
        return "done"
    entity = services.entities.find(source.definition.entity)
    if entity is None or not owner_may_import(services, source):
        end_without_right(services, source, run)
        return "done"
    options, problems = import_options(source.definition.options, entity)
    options = replace(options, recipients=source.definition.recipients, webhooks=source.definition.webhooks)
    if problems:
        where, what = problems[0]
        end_failed(services, run_id, "definition", f"{where} {what}. Unschedule the source and correct its definition.")
        return "done"
    place, location = _place(source.definition), source.definition.location
    try:
        key = decryption_key(services, location, entity.name)
        with place.open_folder(services, location, entity.name) as folder:
            work = _Work(services, source, run, entity, options, folder, key, remaining_seconds, tally)
            position = work.do()
    except _OutOfTime:
        services.sources.note_progress(source.source_id, run_id, tally.taken)
        return "more"
    except _NotHeld:
        end_well(services, source, run, **tally.summary())
    except EntityDeleted:
        end_without_right(services, source, run)
    except DeliveryFailed as error:
        logger.warning("A location cannot be read", extra={"sourceId": source.source_id, "reason": error.reason})
        end_unreachable(services, source, run, error, **tally.summary())
    else:
        if tally.foreign:
            end_undecrypted(services, source, run, tally.foreign, **tally.summary(), position=position)
        else:
            end_well(services, source, run, **tally.summary(), position=position)
    return "done"


def _place(definition: Definition) -> DeliveredKind:
    kind = kind_of(definition.location)
    assert isinstance(kind, DeliveredKind)  # as it was checked  # noqa: S101
    return kind


class _Metered:
    """Writes what is decrypted, as long as it is not far more than any table would be (OpenPGP compresses)."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.read_bytes = 0
        self._meter = Meter()

    def write(self, data: bytes) -> None:
        """
        Raises:
            JobFailed: `compression-error`.
        """
        self._meter.add(len(data), self.read_bytes)
        self.writer.write(data)


@dataclass
class _Work:
    """One invocation's part of a run."""

    services: SourceServices
    source: Source
    run: Run
    entity: Entity
    options: ImportOptions
    folder: Folder
    key: DecryptionKey | None
    remaining_seconds: Callable[[], float]
    tally: _Tally

    def do(self) -> list[str] | None:
        """All of it; returns where the next run begins in the listing.

        Raises:
            _OutOfTime, _NotHeld, DeliveryFailed, EntityDeleted
        """
        self._finish_ready()
        if self.run.only_after:
            return self.source.position
        files, position = self._listed()
        taken_before, last = self.tally.taken, self.source.position
        for at in range(0, len(files), LOOKED_UP_AT_ONCE):
            some = {self._marks(file): file for file in files[at : at + LOOKED_UP_AT_ONCE]}
            seen = self.services.source_files.seen(self.source.source_id, [mark for marks in some for mark in marks])
            for marks, file in some.items():
                if any(mark in seen for mark in marks):
                    continue
                if self.tally.taken >= TAKEN_PER_RUN:
                    return self.source.position
                tries = len(self.tally.foreign) + self.tally.interrupted
                if tries >= TRIED_AGAIN:
                    return last
                try:
                    self._take(marks[0], file)
                except _OutOfTime:
                    if tries and self.tally.taken == taken_before:  # the next invocation would come no further
                        return last
                    raise
                last = sort_key(self.source.definition.order, file)
        return position

    def _check_time(self) -> None:
        if self.remaining_seconds() < RESERVE_SECONDS:
            raise _OutOfTime

    def _marks(self, file: FolderFile) -> tuple[str, ...]:
        """The file's mark, and the one that older code gave it, if that is another: it told spellings of a place
        apart."""
        kind = _place(self.source.definition)
        location = kind.with_defaults(self.source.definition.location, self.services.settings)
        places = dict.fromkeys([kind.place(location), str(kind.address(location))])
        return tuple(mark_of(self.source, place, file) for place in places)

    # Files whose import has succeeded

    def _finish_ready(self) -> None:
        files, source_id = self.services.source_files, self.source.source_id
        files.forget_ready(source_id)
        for mark, file in files.ready(source_id):
            self._check_time()
            try:
                fate, path = self._finished(mark, file)
            except DeliveryFailed as error:
                if error.reason not in _OF_A_FILE:
                    raise
                self.tally.problem(file.name, error.remedy)
            else:
                files.note_after(source_id, mark, fate, path, self._entry_after(mark, fate))

    def _entry_after(self, mark: str, fate: str) -> list[Action]:
        """For the audit trail: that a file was moved or deleted. Where a run has died in between, the file is gone by
        now, perhaps by its own doing: that is told too."""
        if fate == "left":
            return []
        definition, source_id = self.source.definition, self.source.source_id
        act = Act(MOVE_FILE if definition.after is After.MOVE else DELETE_FILE, definition.started_by)
        outcome: Outcome = "done" if fate in ("moved", "deleted") else "failed"
        about = {"entity": definition.entity, "sourceId": source_id}
        job_id = self.services.source_files.job_of(source_id, mark)
        return self.services.audit.entry(act, outcome, **about, jobId=job_id)

    def _finished(self, mark: str, file: FolderFile) -> tuple[str, str | None]:
        """Move or delete a file; what became of it, and the path that it has now."""
        definition = self.source.definition
        if definition.after is After.LEAVE or mark not in self._marks(file):  # the definition is another one by now
            return "left", None
        if definition.after is After.DELETE:
            fate = self.folder.delete(file, mark[:MARK_DIGITS])
            return ("deleted" if fate is Fate.DONE else fate.value), None
        fate, path = self.folder.move(file, str(definition.move_to), mark[:MARK_DIGITS])
        return ("moved" if fate is Fate.DONE else fate.value), path

    # Files that are there

    def _listed(self) -> tuple[list[FolderFile], list[str] | None]:
        """The files that the run looks at, in their order, and where the next run begins."""
        definition, position = self.source.definition, self.source.position
        files = self._behind(position)
        first = heapq.nsmallest(LOOKED_AT + 1, files, key=lambda file: sort_key(definition.order, file))
        if len(first) > LOOKED_AT:
            return first[:LOOKED_AT], sort_key(definition.order, first[LOOKED_AT - 1])
        return first, None

    def _behind(self, position: list[str] | None) -> Iterator[FolderFile]:
        definition = self.source.definition
        for file in self.folder.files(self._takes):
            if position is None or sort_key(definition.order, file) > position:
                yield file

    def _takes(self, name: str) -> bool:
        is_meant = bool(name) and self.source.definition.takes(name)
        if is_meant and not is_usable(name):
            self.tally.passed_over += 1
            return False
        return is_meant

    def _take(self, mark: str, file: FolderFile) -> None:
        """Make a job of a file, unless it has to wait."""
        self._check_time()
        self._check_held()
        if self.services.clock.now() - file.modified < GROWS:
            self.tally.waiting += 1
            return
        try:
            if self.folder.is_delivery(file):  # who may import here need not see what others have exported
                self.tally.passed_over += 1
                self.tally.deliveries += 1
                return
            limit = MAX_FILE_BYTES if self.key is None else MAX_ENCRYPTED_BYTES
            if file.size_bytes > limit:
                fetches = "fetches files" if self.key is None else "decrypts files"
                raise JobFailed(
                    "source-error", f"The file has {file.size_bytes:,} bytes; a source {fetches} of up to {limit:,}."
                )
            copy = self._copied(mark, file) if self.key is None else self._decrypted(file, self.key)
        except ForOtherKeys:
            self.tally.foreign.append(file.name)
            self.tally.waiting += 1
            return
        except DecryptionInterrupted as error:
            self.tally.interrupted += 1
            self.tally.problem(file.name, f"It could not be decrypted: {error}.")
            self.tally.waiting += 1
            return
        except JobFailed as error:
            self._refuse(mark, file, error)
            return
        except DeliveryFailed as error:
            if error.reason not in _OF_A_FILE:
                raise
            self.tally.problem(file.name, error.remedy)
            self.tally.waiting += 1
            return
        if copy is None:
            self.tally.problem(file.name, "It changed while it was fetched, or has not the size that is listed.")
            self.tally.waiting += 1
        else:
            self._register(mark, file, copy)

    def _check_held(self) -> None:
        current = self.services.sources.find(self.source.source_id)
        held = None if current is None else current.running
        if held is None or held.run_id != self.run.run_id:
            raise _NotHeld
        if current is None or current.status is not SourceStatus.SCHEDULED:
            raise _NotHeld

    def _refuse(self, mark: str, file: FolderFile, error: JobFailed) -> None:
        job, origin = self._job(mark, file, None), self._origin(mark, file)
        job = replace(job, options=told(self.options.recipients, self.options.webhooks))
        with suppress(Conflict):  # another attempt was first
            self._note(register_failed(self.services, job, error.job_code, error.detail, origin, self._act()))

    def _register(self, mark: str, file: FolderFile, copy: ObjectVersion) -> None:
        job, origin = self._job(mark, file, copy), self._origin(mark, file)
        try:
            self._note(register(self.services, job, self.entity, self.options, origin, self._act()))
        except EntityDeleted:
            raise
        except Conflict:  # another attempt was first
            return

    def _note(self, job: Job) -> None:
        self.tally.taken += 1
        count({"kind": str(self.source.definition.location["kind"])}, FilesFetched=1)
        logger.info("A file was fetched", extra={"sourceId": self.source.source_id, "jobId": job.job_id})

    def _job(self, mark: str, file: FolderFile, copy: ObjectVersion | None) -> Job:
        definition = self.source.definition
        job_id = derived_uuid(_NAMESPACE, self.source.source_id, mark)
        plain = file.name if self.key is None or copy is None else split_name(file.name)[0]
        name = plain if is_usable(plain) else file.name
        job = new_import(self.services, job_id, definition.entity, name, copy, definition.started_by)
        owner = None if self.source.owner is None else list(self.source.owner)
        return replace(job, source_id=self.source.source_id, source_file=mark, acts_for=owner)

    def _origin(self, mark: str, file: FolderFile) -> NewFile:
        job_id = derived_uuid(_NAMESPACE, self.source.source_id, mark)
        has_after = self.source.definition.after is not After.LEAVE
        return NewFile(self.source.source_id, mark, file, job_id, has_after)

    def _act(self) -> Act:
        return Act(FETCH_FILE, self.source.definition.started_by)

    # Content

    def _copied(self, mark: str, file: FolderFile) -> ObjectVersion | None:
        """Copy a file into the files bucket; None when it is not the listed one, or was not while it was read.

        Raises:
            _OutOfTime: the next call goes on with it.
        """
        files, bucket = self.services.files, self.services.settings.files_bucket
        is_large = file.size_bytes > PART_BYTES
        kept = self.services.source_files.fetching(self.source.source_id, mark) if is_large else None
        key = f"uploads/{new_uuid(self.services.ids)}/source" if kept is None else str(kept["key"])
        writer = files.writer(bucket, key, _CONTENT_TYPE)
        if kept is not None:
            writer.resume(kept["upload"])
        try:
            is_whole = self._written(writer, mark, file, key)
            if is_whole:
                writer.close()
        except UploadGone:  # S3 has thrown the parts away
            self.services.source_files.end_fetching(self.source.source_id)
            raise _OutOfTime from None
        if not is_whole:
            writer.abort()
        if is_large:
            self.services.source_files.end_fetching(self.source.source_id)
        info = files.head(bucket, key) if is_whole else None
        return None if info is None else ObjectVersion(bucket, key, info.etag)

    def _decrypted(self, file: FolderFile, key: DecryptionKey) -> ObjectVersion | None:
        """As `_copied`, of what is in an encrypted file, in one go: a decryption cannot be taken up in the middle.
        Nothing of a file counts before all of it has proved to be what was encrypted.

        Raises:
            JobFailed: `decryption-error`, `compression-error`, or `source-error` for a file that takes too long.
            DeliveryFailed: `secret`, the key cannot be used.
            ForOtherKeys, DecryptionInterrupted: the next run tries again.
            _OutOfTime: the next call has the time that it takes.
        """
        if self.remaining_seconds() < DECRYPTION_SECONDS:
            raise _OutOfTime
        files, bucket = self.services.files, self.services.settings.files_bucket
        path = f"uploads/{new_uuid(self.services.ids)}/source"
        writer = files.writer(bucket, path, _CONTENT_TYPE)
        try:
            failure, read_bytes = self._decrypt(file, key, writer)
            is_same = file.is_same(self.folder.find(file.name))
            if failure is not None and is_same:
                raise failure
            if failure is None and is_same and read_bytes == file.size_bytes:
                writer.close()
                info = files.head(bucket, path)
                return None if info is None else ObjectVersion(bucket, path, info.etag)
        except BadKey as error:
            writer.abort()
            raise DeliveryFailed("secret", f"The decryptionKey of the secret {error}.") from None
        except BaseException:
            writer.abort()
            raise
        writer.abort()
        return None

    def _decrypt(self, file: FolderFile, key: DecryptionKey, writer: Writer) -> tuple[JobFailed | None, int]:
        """Decrypt a file; why that is not possible, and the bytes of it that were read.

        Raises:
            BadKey: the key cannot be used.
            DeliveryFailed, ForOtherKeys, DecryptionInterrupted
        """
        plain = _Metered(writer)
        decrypting = Decrypting(*key, plain, lambda: self.remaining_seconds() - RESERVE_SECONDS)
        try:
            for block in self.folder.read(file, 0):
                plain.read_bytes += len(block)
                decrypting.write(block)
                if self.remaining_seconds() < RESERVE_SECONDS:
                    return JobFailed("source-error", _TOO_SLOW), plain.read_bytes
            decrypting.end()
        except (ForOtherKeys, DecryptionInterrupted):
            raise
        except DecryptionFailed as error:
            if self.remaining_seconds() <= RESERVE_SECONDS:
                return JobFailed("source-error", _TOO_SLOW), plain.read_bytes
            return JobFailed("decryption-error", f"The file cannot be decrypted: {error}."), plain.read_bytes
        except JobFailed as error:
            return error, plain.read_bytes
        finally:
            decrypting.abort()
        return None, plain.read_bytes

    def _written(self, writer: Writer, mark: str, file: FolderFile, key: str) -> bool:
        """Write what is left of a file; whether it is the listed one, before and after."""
        clock = self.services.clock
        noted = clock.monotonic()
        for block in self.folder.read(file, writer.size_bytes):
            writer.write(block)
            if writer.size_bytes > file.size_bytes:
                return False
            if not writer.is_between_parts:
                continue
            is_late = self.remaining_seconds() < RESERVE_SECONDS
            if is_late or clock.monotonic() - noted > NOTED_SECONDS:
                state = {"key": key, "upload": writer.pause()}
                self.services.source_files.keep_fetching(self.source.source_id, mark, state)
                noted = clock.monotonic()
            if is_late:
                raise _OutOfTime
        return writer.size_bytes == file.size_bytes and file.is_same(self.folder.find(file.name))


def sort_key(order: Order, file: FolderFile) -> list[str]:
    """What files are ordered by; no two of a folder have the same."""
    return [file.name] if order is Order.NAME else [rfc3339(file.modified), file.name]


def first_files(folder: Folder, pattern: str, order: str, limit: int, most: int) -> tuple[list[FolderFile], bool]:
    """The first files that match and are no deliveries of exports, in their order, and whether all were looked at.

    Args:
        most: files of the listing that are looked at; of the first of them each is asked for.
    """
    found = list(islice(folder.files(lambda name: is_usable(name) and is_match(pattern, name)), most + 1))
    first = heapq.nsmallest(ASKED_FOR, found[:most], key=lambda file: sort_key(Order(order), file))
    chosen = list(islice((file for file in first if not folder.is_delivery(file)), limit))
    return chosen, len(found) <= most and (len(chosen) == limit or len(found) <= ASKED_FOR)
