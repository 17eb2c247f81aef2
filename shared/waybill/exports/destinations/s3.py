"""A bucket of Amazon S3, perhaps of another account: the file appears whole or not at all.

A run writes only where there is nothing, or where its export has written before: each object bears the export's id, and
S3 compares the object that the run has looked at with the one that it would replace (conditional requests). Another
export, or whoever else writes there at the same moment, loses nothing.

Where a role is assumed for the bucket, the file is sent in parts instead of copied: the role may not read Waybill's
files, and a copy has the rights of one side only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from waybill.aws.bucket import Bucket, BucketAccess, BucketRefused, Entry, Found, KeyTaken
from waybill.aws.outages import is_outage
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.base import Allowed, DeliveredKind, Delivery, Member, StoredFile, Timeouts
from waybill.exports.destinations.folder import Fate, FolderFile, moved_names
from waybill.exports.file_names import MAX_WAITING_FILES, delivered_names, manifest_name, numbered
from waybill.ids import new_uuid
from waybill.validation import is_line

if TYPE_CHECKING:
    from waybill.jobs.services import Services
    from waybill.settings import Settings

MAX_PREFIX_BYTES = 500
PART_BYTES = 16 * 1024**2
RESERVE_SECONDS = 60.0
# General purpose buckets (Amazon S3 User Guide, "Bucket naming rules").
_BUCKET = re.compile(r"(?!xn--|sthree-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_JOB, _EXPORT = "waybill-job", "waybill-export"
"""Metadata of a delivered object and of its manifest: the run that wrote it, and the export."""
_FILE = "waybill-file"
"""Metadata of a file that a source has moved: its mark."""
_RACES = 5
"""How often a delivery looks again because somebody else has written meanwhile."""
_MAX_MANIFEST_BYTES = 1024**2


def _check_bucket(value: object, allowed: Allowed) -> str | None:
    if not isinstance(value, str) or not _BUCKET.fullmatch(value) or ".." in value:
        return "must be the name of a bucket"
    return "is one of Waybill's own buckets" if value in allowed.own_buckets else None


def _check_prefix(value: object, _: Allowed) -> str | None:
    if not isinstance(value, str) or (value and not is_line(value, MAX_PREFIX_BYTES)):
        return f"must be one line of at most {MAX_PREFIX_BYTES} characters"
    if len(value.encode()) > MAX_PREFIX_BYTES or value.startswith("/") or {".", ".."} & set(value.split("/")):
        return "must be a path without a leading /, without . and .. in it"
    return None


class S3(DeliveredKind):
    members: ClassVar[dict[str, Member]] = {
        "bucket": Member(_check_bucket, {"type": "string", "description": "The transfer box, when left out."}),
        "prefix": Member(_check_prefix, {"type": "string", "maxLength": MAX_PREFIX_BYTES}),
    }

    def with_defaults(self, destination: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
        return {"bucket": settings.transfer_bucket, **destination}

    def address(self, destination: Mapping[str, Any], file_name: str = "") -> str:
        parts = [destination.get("bucket") or "", str(destination.get("prefix") or "").strip("/"), file_name]
        return "s3://" + "/".join(part for part in parts if part)

    def deliver(self, delivery: Delivery, remaining_seconds: Callable[[], float]) -> str | None:
        bucket, prefix = _opened(delivery.services, delivery.destination)
        marks = {_JOB: delivery.job.job_id, _EXPORT: str(delivery.job.export_id)}
        with _refusals(waits_for_outages=True):
            for _ in range(_RACES):
                place = _place(delivery, bucket, prefix)
                try:
                    if not _write(delivery, bucket, prefix, place, marks, remaining_seconds):
                        return None
                except KeyTaken:
                    continue
                return place.name
        raise _taken(bucket, prefix + delivery.job.file_name, "is written to by others at the same time")

    def discard(self, delivery: Delivery) -> None:
        upload = delivery.progress.get("upload")
        if upload is not None:
            with suppress(BucketRefused):  # the parts of an upload are no file; S3 deletes them by the bucket's rule
                _opened(delivery.services, delivery.destination)[0].abort_upload(upload["key"], upload["id"])

    def test(
        self,
        services: Services,
        destination: Mapping[str, Any],
        entity: str,
        timeouts: Timeouts,
        begin: Callable[[str], None],
    ) -> str:
        bucket, prefix = _opened(services, destination)
        key = f"{prefix}.waybill-test.{new_uuid(services.ids)}.part"
        with _refusals(waits_for_outages=False):
            begin("read the bucket")
            bucket.find(key)
            begin("begin an upload and abandon it")
            bucket.abandon_upload(key)
        return f"Waybill can write to the bucket {bucket.name}."

    def bound_to(self, destination: Mapping[str, Any]) -> tuple[str, int]:
        return str(destination["bucket"]), 0

    def check_move_to(self, destination: Mapping[str, Any], value: object) -> str | None:
        if (problem := _check_prefix(value, Allowed())) is not None:
            return problem
        is_same = str(value).strip("/") == str(destination.get("prefix") or "").strip("/")
        return "must be another prefix than that of the location" if is_same else None

    def open_folder(
        self, services: Services, destination: Mapping[str, Any], entity: str, timeouts: Timeouts | None = None
    ) -> S3Folder:
        return S3Folder(*_opened(services, destination))


class S3Folder:
    """See `Folder`. Its files are the objects right below the prefix."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        with _refusals(waits_for_outages=True):
            for entry in self._bucket.entries(self._prefix):
                if takes(entry.key.removeprefix(self._prefix)):  # the folder itself may be an object without a name
                    yield self._file(entry)

    def find(self, name: str) -> FolderFile | None:
        with _refusals(waits_for_outages=True):
            entry = self._bucket.entry(self._prefix + name)
        return None if entry is None else self._file(entry)

    def read(self, file: FolderFile, offset: int) -> Iterator[bytes]:
        if offset == file.size_bytes:  # a range of nothing is refused
            return
        try:
            with _refusals(waits_for_outages=True):
                yield from self._bucket.open(self._prefix + file.name, str(file.etag), offset)
        except KeyTaken:  # there is less of it to read than there was: it has changed
            return

    def is_delivery(self, file: FolderFile) -> bool:
        with _refusals(waits_for_outages=True):
            found = self._bucket.find(self._prefix + file.name)
        return found is not None and not {_JOB, _EXPORT, _FILE}.isdisjoint(found.metadata)

    def delete(self, file: FolderFile, mark: str) -> Fate:
        found = self.find(file.name)
        if found is None:
            return Fate.GONE
        if not file.is_same(found) or self.is_delivery(file):
            return Fate.CHANGED
        return self._delete(file)

    def move(self, file: FolderFile, to: str, mark: str) -> tuple[Fate, str | None]:
        found = self.find(file.name)
        folder = f"{to.strip('/')}/" if to.strip("/") else ""
        moved = self._moved(file, folder, mark)
        if found is None:
            return (Fate.GONE, None) if moved is None else (Fate.DONE, moved)
        if not file.is_same(found) or self.is_delivery(file):
            return Fate.CHANGED, None
        if moved is None:
            moved = self._copied(file, folder, mark)
        return (fate := self._delete(file)), moved if fate is Fate.DONE else None

    def _moved(self, file: FolderFile, folder: str, mark: str) -> str | None:
        """Where an earlier call has copied the file to."""
        with _refusals(waits_for_outages=True):
            for key in [folder + name for name in moved_names(file)][:3]:
                found = self._bucket.find(key)
                if found is not None and found.metadata.get(_FILE) == mark:
                    return key
        return None

    def _copied(self, file: FolderFile, folder: str, mark: str) -> str | None:
        bucket = self._bucket
        for key in (folder + name for name in moved_names(file)):
            with _refusals(waits_for_outages=True):
                if bucket.find(key) is not None:
                    continue
                source, marks = self._prefix + file.name, {_FILE: mark}
                try:
                    bucket.copy_from(
                        bucket.name, source, bucket.owner, key, marks, _nothing, source_etag=str(file.etag)
                    )
                except KeyTaken:  # by others, or by this request, whose answer was lost
                    found = bucket.find(key)
                    if found is None or found.metadata.get(_FILE) != mark:
                        continue
                return key
        raise DeliveryFailed("exists", f"{folder} has too many objects of the name {file.name}.")

    def _delete(self, file: FolderFile) -> Fate:
        try:
            with _refusals(waits_for_outages=True):
                self._bucket.delete(self._prefix + file.name, str(file.etag))
        except KeyTaken:
            return Fate.CHANGED
        return Fate.DONE

    def _file(self, entry: Entry) -> FolderFile:
        modified = entry.modified.replace(microsecond=0)  # as HEAD has it
        return FolderFile(entry.key.removeprefix(self._prefix), entry.size_bytes, modified, entry.etag)


def _nothing() -> None:
    """No progress is noted."""


def _opened(services: Services, destination: Mapping[str, Any]) -> tuple[Bucket, str]:
    """The bucket, and the prefix: empty or ending in a slash."""
    prefix = destination.get("prefix", "")
    prefix += "/" if prefix and not prefix.endswith("/") else ""
    name = destination.get("bucket") or services.settings.transfer_bucket
    return services.files.bucket(name, access_to(services.settings, name)), prefix


def access_to(settings: Settings, bucket: str) -> BucketAccess:
    """How a bucket is reached, by the parameter `ForeignBuckets`. One that is not listed must be this account's."""
    listed = json.loads(settings.foreign_buckets).get(bucket, {})
    return BucketAccess(
        owner=listed.get("owner") or settings.account_id,
        role_arn=listed.get("roleArn"),
        external_id=listed.get("externalId"),
        kms_key_arn=listed.get("kmsKeyArn"),
    )


def _write(
    delivery: Delivery,
    bucket: Bucket,
    prefix: str,
    place: _Place,
    marks: Mapping[str, str],
    remaining_seconds: Callable[[], float],
) -> bool:
    """Write the file and its manifest. False when time ran out, and the next call goes on.

    Raises:
        KeyTaken: somebody else has written there meanwhile.
    """
    settings = delivery.services.settings
    for name, file, before in zip(place.names, delivery.files, place.files, strict=False):
        if before is not None and before.metadata.get(_JOB) == delivery.job.job_id:
            continue  # an earlier attempt completed it
        if delivery.is_set and remaining_seconds() < RESERVE_SECONDS:
            return False
        key = prefix + name
        if not bucket.has_own_role:
            delivery.commit(step="placing")
            source, owner, replaces = settings.files_bucket, settings.account_id, _etag(before)
            bucket.copy_from(source, file.key, owner, key, marks, delivery.heartbeat.send, replaces)
        elif not _send(delivery, file, bucket, key, before, marks, remaining_seconds):
            return False
    content = delivery.manifest(place.name)
    bucket.put(prefix + manifest_name(place.name), content, "application/json", marks, _etag(place.manifest))
    return True


def _send(
    delivery: Delivery,
    file: StoredFile,
    bucket: Bucket,
    key: str,
    before: Found | None,
    marks: Mapping[str, str],
    remaining_seconds: Callable[[], float],
) -> bool:
    """Send the file in parts, going on after those that an earlier call has sent. False when time ran out."""
    size, upload = file.size_bytes, delivery.progress.get("upload") or {}
    sent = bucket.parts(key, upload["id"]) if upload.get("key") == key else None
    if sent is None:
        upload, sent = {"key": key, "id": bucket.begin_upload(key, marks, "application/octet-stream")}, []
        delivery.keep(upload=upload)
    etags, at, part_bytes = [etag for etag, _ in sent], sum(bytes_ for _, bytes_ in sent), _part_bytes(size)
    pending = bytearray()
    for block in delivery.read(file, at) if at < size else ():
        pending += block
        at += len(block)
        if len(pending) < part_bytes and at < size:
            continue
        delivery.check()
        etags.append(bucket.put_part(key, upload["id"], len(etags) + 1, bytes(pending)))
        pending.clear()
        if at < size and remaining_seconds() < RESERVE_SECONDS:
            return False
    if not etags:  # an upload has one part at least
        etags.append(bucket.put_part(key, upload["id"], 1, b""))
    delivery.commit(step="placing")
    bucket.end_upload(key, upload["id"], etags, size, _etag(before))
    return True


def _part_bytes(size: int) -> int:
    """How large the parts of a file are: an upload has 10,000 of them at most."""
    return max(PART_BYTES, -(-size // 9_000))


class _Place(NamedTuple):
    """A name that a run may write to, and what is there now.

    Attributes:
        names: of the file or the files of a set, and of the manifest.
        files: what has the names of the files, in order.
    """

    name: str
    names: list[str]
    files: list[Found | None]
    manifest: Found | None


def _place(delivery: Delivery, bucket: Bucket, prefix: str) -> _Place:
    """Where the run may write: for a full extract its one name, else the next free name, or the one that an earlier
    attempt of this run has used.

    Raises:
        DeliveryFailed: `taken`, `exists`.
    """
    file_name = delivery.job.file_name
    for number in range(1, MAX_WAITING_FILES):
        name = numbered(file_name, number)
        names = delivered_names(name, delivery.set_size)
        place = _Place(name, names, [], bucket.find(prefix + names[-1]))
        is_old = delivery.replaces and _is_older_manifest(place, delivery, bucket, prefix)
        has_manifest = is_old or _is_own(place.manifest, delivery)
        for each in names[:-1] if has_manifest or delivery.replaces else ():
            found = bucket.find(prefix + each)
            if not (_is_own(found, delivery) or (delivery.replaces and _is_older_file(found, delivery, is_old))):
                break
            place.files.append(found)
        has_files = len(place.files) == len(delivery.files)
        if has_files and has_manifest:
            return place
        if delivery.replaces:
            key = prefix + (names[-1] if has_files else names[len(place.files)])
            raise _taken(bucket, key, "was not written by this export")
    raise DeliveryFailed("exists", f"{MAX_WAITING_FILES:,} files with names like {file_name} are waiting.")


def _is_own(found: Found | None, delivery: Delivery) -> bool:
    """Whether there is nothing, or what the run may replace."""
    if found is None:
        return True
    if delivery.replaces:
        return found.metadata.get(_EXPORT) == delivery.job.export_id
    return found.metadata.get(_JOB) == delivery.job.job_id


def _is_older_manifest(place: _Place, delivery: Delivery, bucket: Bucket, prefix: str) -> bool:
    """Whether this export wrote the manifest when objects did not bear its id yet: the text has it."""
    manifest = place.manifest
    if manifest is None or manifest.metadata:
        return False
    try:
        written = json.loads(bucket.read(prefix + manifest_name(place.name), manifest.etag, _MAX_MANIFEST_BYTES))
    except (KeyTaken, ValueError, RecursionError):
        return False
    return isinstance(written, dict) and written.get("exportId") == delivery.job.export_id


def _is_older_file(file: Found | None, delivery: Delivery, is_beside_manifest: bool) -> bool:
    """Whether this export wrote the file at that time: its manifest is beside it, or the run is still known."""
    if file is None or _EXPORT in file.metadata or _JOB not in file.metadata:
        return False
    if is_beside_manifest:
        return True
    run = delivery.services.jobs.find(file.metadata[_JOB])
    return run is not None and run.export_id == delivery.job.export_id


def _etag(found: Found | None) -> str | None:
    return None if found is None else found.etag


def _taken(bucket: Bucket, key: str, why: str) -> DeliveryFailed:
    return DeliveryFailed("taken", f"The object {key} in the bucket {bucket.name} {why}.")


@contextmanager
def _refusals(*, waits_for_outages: bool) -> Iterator[None]:
    """
    Args:
        waits_for_outages: lets an outage of S3 through: the state machine repeats the step until it is over.
    """
    try:
        yield
    except BucketRefused as error:
        if waits_for_outages and is_outage(error):
            raise
        raise DeliveryFailed(error.reason, error.detail) from None
