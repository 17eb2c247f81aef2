"""Deliver one file and its manifest so that the receiver sees each once, whole, whatever breaks on the way.

Both are uploaded under temporary names (a leading dot, `.part`) into the same directory, checked by size, and renamed:
the data first, the manifest after it, so that a manifest always speaks of a file that is there. Each step is noted in
the caller's state before it is done:

    uploading → placing (the renames are under way) → placed

A rename whose answer was lost is told by the temporary file: if it is gone, the rename has happened, even when the
final file is gone too, because the receiver may have taken it. It is never sent a second time. When the
server refused to rename the data, the delivery is back at `uploading`.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Protocol

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.model import Remote

# Time that is kept for size checks, manifest and renames.
RESERVE_SECONDS = 60.0
_MAX_MANIFEST_BYTES = 65_536
_MAX_WAITING_FILES = 1_000
_MAX_PART_STEM_BYTES = 180  # file systems take names of 255 bytes
# The server may have done what it was asked for, although nobody knows.
_UNCLEAR = frozenset({"timeout", "connection-lost", "unreachable"})
_COMPRESSIONS = (".gz", ".zip")


class Step(StrEnum):
    UPLOADING = "uploading"
    PLACING = "placing"
    PLACED = "placed"


@dataclass(frozen=True)
class Placement:
    """How far a delivery is; `name` is the data file's final name, not yet settled while `uploading`."""

    step: Step
    name: str


class StateStore(Protocol):
    """Where the caller keeps the placement of one delivery; `save` must be durable when it returns."""

    def load(self) -> Placement | None: ...

    def save(self, placement: Placement) -> None: ...


@dataclass(frozen=True)
class Source:
    """The bytes to deliver, the same each time: `open(offset)` gives them from there on."""

    size_bytes: int
    open: Callable[[int], Iterator[bytes]]


def manifest_name(name: str) -> str:
    """The final name of a data file's manifest."""
    return f"{name}.manifest.json"


def numbered(name: str, number: int) -> str:
    """`contacts.csv.gz` → `contacts_2.csv.gz`; number 1 is the name itself."""
    if number == 1:
        return name
    stem, extension = os.path.splitext(name)
    if extension.lower() in _COMPRESSIONS:
        stem, inner = os.path.splitext(stem)
        extension = inner + extension
    return f"{stem}_{number}{extension}"


def part_names(name: str, job_id: str) -> tuple[str, str]:
    """The temporary names of data and manifest."""
    stem = name.encode()[:_MAX_PART_STEM_BYTES].decode(errors="ignore")
    return f".{stem}.{job_id[:8]}.part", f".{manifest_name(stem)}.{job_id[:8]}.part"


def place(
    remote: Remote,
    name: str,
    job_id: str,
    source: Source,
    manifest: Callable[[str], bytes],
    state: StateStore,
    *,
    replace: bool,
    remaining_seconds: Callable[[], float],
    progress: Callable[[int], None] = lambda _: None,
    reserve_seconds: float = RESERVE_SECONDS,
) -> str | None:
    """Bring a delivery to its end, from wherever an earlier call left it. One call at a time per job.

    Args:
        name: the data file's name, without a path.
        manifest: gives the manifest, a JSON object with the member `jobId`, for the data file's final name.
        replace: replace a file of that name (full extracts), or take the next free name, `_2`, `_3` … (incremental
            ones, where a file that the receiver has not taken yet must stay).
        remaining_seconds: time left for this call. When it falls below `reserve_seconds`, the call ends.
        progress: gets the bytes that the server has so far; may raise to stop the delivery.

    Returns:
        The data file's final name when all is placed; None when time ran out: call again to go on.

    Raises:
        DeliveryFailed: the caller repeats while `retry_now`, then calls `discard`.
    """
    data_part, manifest_part = part_names(name, job_id)
    placement = state.load() or Placement(Step.UPLOADING, name)

    def move(step: Step, final_name: str) -> Placement:
        state.save(Placement(step, final_name))
        return Placement(step, final_name)

    while placement.step is not Step.PLACED:
        if placement.step is Step.UPLOADING:
            final_name, is_ours = _choose_name(remote, name, job_id, replace)
            if is_ours:  # the state was lost, or another delivery of this job was first
                _delete_quietly(remote, data_part, manifest_part)
                placement = move(Step.PLACED, final_name)
                continue
            if not _upload(remote, data_part, source, remaining_seconds, reserve_seconds, progress):
                return None
            content = manifest(final_name)
            remote.write(manifest_part, 0, [content], lambda _: None)
            _check_size(remote, manifest_part, len(content))
            placement = move(Step.PLACING, final_name)
        else:
            if remote.size(data_part) is not None:
                try:
                    remote.rename(data_part, placement.name, replace)
                except DeliveryFailed as error:
                    if error.reason not in _UNCLEAR:
                        placement = move(Step.UPLOADING, name)
                    if error.reason != "exists" or replace:
                        raise
                    continue  # somebody took the name meanwhile: choose another
            if remote.size(manifest_part) is not None:
                # No other run can own this manifest's name, because the data file's was free: it is a leftover.
                remote.rename(manifest_part, manifest_name(placement.name), replace=True)
            placement = move(Step.PLACED, placement.name)
    return placement.name


def discard(remote: Remote, name: str, job_id: str, state: StateStore) -> None:
    """Delete what a delivery that failed for good has left, as far as the server lets us.

    A later `place` begins anew. Once the data file is placed nothing is deleted, so that it can get its manifest.
    """
    data_part, manifest_part = part_names(name, job_id)
    placement = state.load()
    with suppress(DeliveryFailed):
        if placement is not None and placement.step is not Step.UPLOADING:
            if placement.step is not Step.PLACING or remote.size(data_part) is None:
                return
            # Said before it is deleted: a temporary file that is gone would count as placed.
            state.save(Placement(Step.UPLOADING, name))
        _delete_quietly(remote, data_part, manifest_part)


_REHEARSAL = "waybill-test"


def rehearse(remote: Remote, test_id: str) -> None:
    """Do with a small file what a delivery does, under temporary names only, and delete it again.

    Args:
        test_id: a UUID; two tests at once do not meet.

    Raises:
        DeliveryFailed: as `place`. After `timeout` or `connection-lost` the file may still be there: `end_rehearsal`.
    """
    content = b"Waybill tests whether it may deliver here.\n"
    part, renamed = part_names(_REHEARSAL, test_id)
    try:
        remote.write(part, 0, [content], lambda _: None)
        _check_size(remote, part, len(content))
        remote.rename(part, renamed, replace=True)
        remote.delete(renamed)
    except DeliveryFailed:
        end_rehearsal(remote, test_id)
        raise


def end_rehearsal(remote: Remote, test_id: str) -> None:
    """Delete what a rehearsal has left, as far as the server lets us."""
    _delete_quietly(remote, *part_names(_REHEARSAL, test_id))


def _choose_name(remote: Remote, name: str, job_id: str, replace: bool) -> tuple[str, bool]:
    """The final name, and whether this job's files are there already."""
    for number in count(1):
        candidate = numbered(name, number)
        has_manifest = remote.size(manifest_name(candidate)) is not None
        if has_manifest and _is_of_job(remote, manifest_name(candidate), job_id):
            return candidate, True
        if replace or not (has_manifest or remote.size(candidate) is not None):
            return candidate, False
        if number == _MAX_WAITING_FILES:
            break
    raise DeliveryFailed("exists", f"{_MAX_WAITING_FILES} files named like {name} wait in the directory.")


def _is_of_job(remote: Remote, name: str, job_id: str) -> bool:
    try:
        document = json.loads(remote.read(name, _MAX_MANIFEST_BYTES) or b"null")
    except DeliveryFailed as error:
        if error.reason in _UNCLEAR:
            raise
        return False  # directories that may be written only
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("jobId") == job_id


def _upload(
    remote: Remote,
    part: str,
    source: Source,
    remaining_seconds: Callable[[], float],
    reserve_seconds: float,
    progress: Callable[[int], None],
) -> bool:
    """Upload what is missing of the data; whether all of it is there."""
    stored = remote.size(part)
    offset = 0 if stored is None or stored > source.size_bytes else max(0, stored - remote.unsure_bytes)
    is_late = False

    def chunks() -> Iterator[bytes]:
        nonlocal is_late
        for chunk in source.open(offset):
            yield chunk
            if remaining_seconds() < reserve_seconds:
                is_late = True
                return

    if stored is None or offset < source.size_bytes or stored != source.size_bytes:
        remote.write(part, offset, chunks(), progress)
    if is_late and remote.size(part) != source.size_bytes:
        return False
    _check_size(remote, part, source.size_bytes)
    return True


def _check_size(remote: Remote, part: str, wanted: int) -> None:
    stored = remote.size(part)
    if stored != wanted:
        raise DeliveryFailed("protocol", f"The server keeps {stored or 0} of the {wanted} bytes that it took.")


def _delete_quietly(remote: Remote, *names: str) -> None:
    for name in names:
        with suppress(DeliveryFailed):
            remote.delete(name)
