"""Publish a file and its manifest on a server so that the receiver sees each once, whole, whatever fails on the way.

Both are uploaded under temporary names (a leading dot, `.part`, or what the destination says), checked by size, and
renamed: the data first, the manifest after it, so that a manifest always describes a file that exists. Each step is
saved before it begins:

    uploading → publishing (the renames are under way) → published

The files of a split export are all uploaded first, then renamed one after the other, and the manifest last.

A rename replaces the receiver's old file in one step where the server can do that. Where it refuses, a step `swapping`
follows `publishing`: the old file moves to a hidden backup name, the new one takes the final name, and the backup is
deleted last. After a refusal the old file gets its name back; after a crash, the next call or `discard` goes on from
the files that it finds.

When the reply to a rename is lost, the temporary file shows the result: if it is gone, the rename has happened, even if
the final file is gone too, because the receiver may have collected it. It is never sent a second time. When the server
refuses to rename the data, the delivery is back at `uploading`.

Some servers show what was done only after a while. Where that would matter, a name is looked at again for some seconds
before it counts as gone, or as there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Protocol

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.connection import UNKNOWN_SIZE, ServerConnection
from waybill.exports.destinations.names import TemporaryNames
from waybill.exports.file_names import MAX_WAITING_FILES, delivered_names, manifest_name, numbered
from waybill.jobs.model import UPLOADING

#: Pauses between looks at a server that may show what was done only after a while.
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
# Time reserved for size checks, manifest and renames.
RESERVE_SECONDS = 60.0
_MAX_MANIFEST_BYTES = 1024**2
# The server may or may not have done what it was asked for.
_UNCLEAR = frozenset({"timeout", "connection-lost", "unreachable"})


class Step(StrEnum):
    """The values are stored in jobs."""

    UPLOADING = UPLOADING
    PUBLISHING = "placing"
    SWAPPING = "swapping"
    PUBLISHED = "placed"


@dataclass(frozen=True)
class Publication:
    """How far a delivery is; `name` is the data file's final name, which may still change while `uploading`. `done`:
    how many files of a set have certainly got their final names."""

    step: Step
    name: str
    done: int = 0


class StateStore(Protocol):
    """Where the caller stores how far one delivery is; `save` must be durable when it returns."""

    def load(self) -> Publication | None: ...

    def save(self, publication: Publication) -> None: ...


@dataclass(frozen=True)
class Place:
    """A directory of a receiver: the connection to it, and how it is used.

    Attributes:
        sleep: takes seconds.
    """

    connection: ServerConnection
    names: TemporaryNames
    sleep: Callable[[float], None]

    def is_settled(self, holds: Callable[[], bool]) -> bool:
        """Whether something holds, at once or after a while."""
        for pause in PAUSES_SECONDS:
            if holds():
                return True
            self.sleep(pause)
        return holds()

    def is_gone(self, name: str) -> bool:
        return self.is_settled(lambda: self.connection.size(name) is None)


@dataclass(frozen=True)
class Source:
    """The bytes to deliver, the same each time: `open(offset)` gives them from there on."""

    size_bytes: int
    open: Callable[[int], Iterator[bytes]]


def publish(
    connection: ServerConnection,
    name: str,
    job_id: str,
    source: Source | Sequence[Source],
    manifest: Callable[[str], bytes],
    state: StateStore,
    *,
    replace: bool,
    remaining_seconds: Callable[[], float],
    progress: Callable[[int], None] = lambda _: None,
    reserve_seconds: float = RESERVE_SECONDS,
    temporary: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
    sleep: Callable[[float], None] = lambda _: None,
) -> str | None:
    """Upload and publish the file and its manifest, from wherever an earlier call left off. One call at a time per job.

    Args:
        name: the data file's name, without a path; for a set, what the names of its files are made of.
        source: the file, or the files of a set, which are all uploaded before the first gets its name.
        manifest: gives the manifest, a JSON object with the member `jobId`, for the data file's final name.
        replace: replace a file of that name (full extracts), or take the next free name, `_2`, `_3` … (incremental
            ones, where a file that the receiver has not collected yet must stay).
        remaining_seconds: time left for this call. When it falls below `reserve_seconds`, the call ends.
        progress: gets the bytes that the server has so far; may raise to stop the delivery.
        sleep: takes seconds.

    Returns:
        The data file's final name when all is published; None when time ran out: call again to resume.

    Raises:
        DeliveryFailed: the caller retries while `retry_now`, then calls `discard`.
    """
    sources, files = ([source], None) if isinstance(source, Source) else (source, len(source))
    parts = temporary.parts(name, job_id, files)
    publication = state.load() or Publication(Step.UPLOADING, name)
    place, taken = Place(connection, temporary, sleep), set[str]()

    def move(step: Step, final_name: str, done: int = 0) -> Publication:
        state.save(Publication(step, final_name, done))
        return Publication(step, final_name, done)

    while publication.step is not Step.PUBLISHED:
        if publication.step is Step.UPLOADING:
            final_name, is_ours = _choose_name(connection, name, files, job_id, replace, taken)
            if is_ours:  # the state was lost, or another attempt of this job was first
                _delete_quietly(connection, *parts)
                publication = move(Step.PUBLISHED, final_name)
                continue
            for part, each in zip(parts, sources, strict=False):
                if not _upload(place, part, each, remaining_seconds, reserve_seconds, progress):
                    return None
            content = manifest(final_name)
            connection.write(parts[-1], 0, [content], lambda _: None)
            _check_size(place, parts[-1], len(content))
            publication = move(Step.PUBLISHING, final_name)
        else:
            names = delivered_names(publication.name, files)
            done = publication.done
            try:
                for done in range(publication.done, len(names)):
                    if files is not None and done > publication.done:
                        if remaining_seconds() < reserve_seconds:
                            return None
                        publication = move(publication.step, publication.name, done)
                    _rename(place, publication.step, parts[done], names[done], done < len(names) - 1, job_id, replace)
                if publication.step is Step.SWAPPING:
                    for each_name in names:
                        _delete_backup(connection, temporary.backup(each_name, job_id))
            except _Refused as refusal:
                if refusal.needs_swap:
                    publication = move(Step.SWAPPING, publication.name, done)
                    continue
                is_first = refusal.is_data and done == 0
                if is_first:
                    publication = move(Step.UPLOADING, name)
                if is_first and refusal.cause.reason == "exists" and not replace:
                    taken.add(refusal.name)
                    continue  # the name was taken meanwhile: choose another
                raise refusal.cause from None
            publication = move(Step.PUBLISHED, publication.name)
    return publication.name


class _Refused(Exception):
    """The server refused a rename for certain; what had to move aside has its name back.

    Attributes:
        name: that it did not get.
        is_data: it is the data file that did not get its name.
        needs_swap: an existing file is in the way, which the server does not replace by itself.
    """

    def __init__(self, cause: DeliveryFailed, name: str, is_data: bool, needs_swap: bool) -> None:
        super().__init__(str(cause))
        self.cause, self.name, self.is_data, self.needs_swap = cause, name, is_data, needs_swap


def _rename(place: Place, step: Step, part: str, final_name: str, is_data: bool, job_id: str, replace: bool) -> None:
    """Give one file its final name.

    Raises:
        _Refused: the server refused that.
        DeliveryFailed: it is unclear what happened, or the old file could not get its name back.
    """
    connection, swaps = place.connection, step is Step.SWAPPING
    # A manifest of this name is a leftover: the data file's name was free, so no other run owns it.
    may_replace = replace or not is_data
    backup = place.names.backup(final_name, job_id)
    if not place.is_settled(lambda: connection.size(part) is not None):
        return
    try:
        if swaps:
            _swap(place, part, final_name, backup)
        else:
            connection.rename(part, final_name, may_replace)
    except DeliveryFailed as error:
        if error.reason in _UNCLEAR:
            raise
        if swaps:
            _put_back(place, final_name, backup)
        needs_swap = error.reason == "exists" and may_replace and not swaps
        raise _Refused(error, final_name, is_data, needs_swap) from error


def _swap(place: Place, part: str, final_name: str, backup: str) -> None:
    """Move the old file aside and rename the new one; goes on from wherever an earlier call broke off."""
    connection = place.connection
    has_backup = connection.size(backup) is not None
    # With a backup, the old file has been moved already, unless another one came.
    if connection.size(final_name) is not None and not (has_backup and place.is_gone(final_name)):
        connection.delete(backup)
        connection.rename(final_name, backup, replace=False)
        place.is_gone(final_name)
    connection.rename(part, final_name, replace=False)


def _put_back(place: Place, final_name: str, backup: str) -> None:
    """Give the old file its name back, unless a file has that name already."""
    connection = place.connection
    if not place.is_settled(lambda: connection.size(backup) is not None):
        return
    if place.is_gone(final_name):
        connection.rename(backup, final_name, replace=False)
    else:
        _delete_backup(connection, backup)


def _delete_backup(connection: ServerConnection, backup: str) -> None:
    """Delete a backup; a server that does not let us keeps a hidden file."""
    try:
        connection.delete(backup)
    except DeliveryFailed as error:
        if error.reason in _UNCLEAR:
            raise


def discard(
    connection: ServerConnection,
    name: str,
    job_id: str,
    state: StateStore,
    temporary: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
    sleep: Callable[[float], None] = lambda _: None,
    files: int | None = None,
) -> None:
    """Give old files that were moved aside their names back, and delete what a delivery that failed for good has left.

    A later `publish` starts over. Once all data is published nothing is deleted, so that it can get its manifest.

    Args:
        files: of a set; None for one file.
    """
    parts = temporary.parts(name, job_id, files)
    publication = state.load()
    with suppress(DeliveryFailed):
        if publication is not None and publication.step is Step.SWAPPING:
            _reverse_swap(Place(connection, temporary, sleep), publication.name, parts, job_id, files)
        if publication is not None and publication.step is not Step.UPLOADING:
            if publication.step is Step.PUBLISHED or all(connection.size(part) is None for part in parts[:-1]):
                return
            # Saved before the deletion: a temporary file that is gone would count as published.
            state.save(Publication(Step.UPLOADING, name))
        _delete_quietly(connection, *parts)


def restore(
    connection: ServerConnection,
    name: str,
    job_id: str,
    final_name: str,
    temporary: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
    sleep: Callable[[float], None] = lambda _: None,
    files: int | None = None,
) -> None:
    """As `discard`, for a run that ended while `swapping` when nobody could reach the server.

    Args:
        name: the data file's name, as for `publish`.
        final_name: of the publication.
        files: of a set; None for one file.

    Raises:
        DeliveryFailed: the old file may still have its backup name.
    """
    parts = temporary.parts(name, job_id, files)
    _reverse_swap(Place(connection, temporary, sleep), final_name, parts, job_id, files)
    _delete_quietly(connection, *parts)


def _reverse_swap(place: Place, data: str, parts: Sequence[str], job_id: str, files: int | None) -> None:
    """Give the old files their names back, where the new ones have not got them."""
    for part, final_name in zip(parts, delivered_names(data, files), strict=True):
        backup = place.names.backup(final_name, job_id)
        # Without its temporary file, the new one has the name, or the receiver has collected it.
        if place.connection.size(part) is None:
            _delete_backup(place.connection, backup)
        else:
            _put_back(place, final_name, backup)


_TEST_NAME = "waybill-test"


def test_directory(
    connection: ServerConnection,
    test_id: str,
    begin: Callable[[str], None],
    temporary: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
    sleep: Callable[[float], None] = lambda _: None,
) -> None:
    """Do what a delivery does with a small file, under temporary names only, and delete it again.

    Args:
        test_id: a UUID, so that two tests at once do not meet.
        begin: gets the name of each step before it begins.

    Raises:
        DeliveryFailed: as `publish`. After `timeout` or `connection-lost` the file may remain: call `clean_up_test`.
    """
    content = b"Waybill tests whether it may deliver here.\n"
    part, renamed = temporary.parts(_TEST_NAME, test_id)
    try:
        begin("write a file")
        connection.write(part, 0, [content], lambda _: None)
        begin("check its size")
        _check_size(Place(connection, temporary, sleep), part, len(content))
        begin("rename it")
        connection.rename(part, renamed, replace=True)
        begin("delete it")
        connection.delete(renamed)
    except DeliveryFailed:
        clean_up_test(connection, test_id, temporary)
        raise


def clean_up_test(
    connection: ServerConnection,
    test_id: str,
    temporary: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
) -> None:
    """Delete what a test has left, as far as the server allows."""
    _delete_quietly(connection, *temporary.parts(_TEST_NAME, test_id))


def _choose_name(
    connection: ServerConnection, name: str, files: int | None, job_id: str, replace: bool, taken: Collection[str]
) -> tuple[str, bool]:
    """The final name, and whether this job's files have it already.

    Args:
        taken: names that the server has refused because they exist, although it may not show that.
    """
    for number in count(1):
        candidate = numbered(name, number)
        has_manifest = connection.size(manifest_name(candidate)) is not None
        if has_manifest and _is_of_job(connection, manifest_name(candidate), job_id):
            return candidate, True
        names = delivered_names(candidate, files)[:-1]
        if replace or not (has_manifest or any(each in taken or connection.size(each) is not None for each in names)):
            return candidate, False
        if number == MAX_WAITING_FILES:
            break
    raise DeliveryFailed("exists", f"{MAX_WAITING_FILES} files with names like {name} are waiting in the directory.")


def _is_of_job(connection: ServerConnection, name: str, job_id: str) -> bool:
    try:
        document = json.loads(connection.read(name, _MAX_MANIFEST_BYTES) or b"null")
    except DeliveryFailed as error:
        if error.reason in _UNCLEAR:
            raise
        return False  # the directory may be write-only
    except (ValueError, RecursionError):  # not a manifest of ours
        return False
    return isinstance(document, dict) and document.get("jobId") == job_id


def _upload(
    place: Place,
    part: str,
    source: Source,
    remaining_seconds: Callable[[], float],
    reserve_seconds: float,
    progress: Callable[[int], None],
) -> bool:
    """Upload the rest of the data.

    Returns:
        Whether the server has all of it; False when time ran out.
    """
    connection = place.connection
    stored = connection.size(part)
    offset = 0 if stored is None or stored > source.size_bytes else max(0, stored - connection.unsure_bytes)
    is_late = False

    def chunks() -> Iterator[bytes]:
        nonlocal is_late
        for chunk in source.open(offset):
            yield chunk
            if remaining_seconds() < reserve_seconds:
                is_late = True
                return

    if stored is None or offset < source.size_bytes or stored != source.size_bytes:
        connection.write(part, offset, chunks(), progress)
    if is_late and connection.size(part) != source.size_bytes:
        return False
    _check_size(place, part, source.size_bytes)
    return True


def _check_size(place: Place, part: str, wanted: int) -> None:
    """Where the server tells no sizes, its word that it has all of it counts."""
    if not place.is_settled(lambda: place.connection.size(part) in (wanted, UNKNOWN_SIZE)):
        stored = max(0, place.connection.size(part) or 0)
        raise DeliveryFailed("protocol", f"The server stored {stored} of the {wanted} bytes that it accepted.")


def _delete_quietly(connection: ServerConnection, *names: str) -> None:
    for name in names:
        with suppress(DeliveryFailed):
            connection.delete(name)
