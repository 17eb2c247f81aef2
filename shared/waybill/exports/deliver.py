"""Deliver: the finished file of a run, and a manifest beside it, to where it belongs.

A receiver never sees a final name with partial content: S3 shows whole objects only, servers get temporary names and a
rename (`exports.destinations.place`). A full extract replaces a file of the same
name; a file of changes takes the next free name instead, because one that was not collected yet would be lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waybill.aws.bucket import Bucket, BucketRefused
from waybill.aws.secrets import SecretUnreadable
from waybill.errors import DeliveryFailed
from waybill.exports.definition import DELETED, Definition
from waybill.exports.destinations import (
    DEFAULT_TIMEOUTS,
    AllowedHosts,
    Placement,
    Remote,
    Source,
    Step,
    Timeouts,
    discard,
    manifest_name,
    open_remote,
    place,
)
from waybill.exports.destinations.place import numbered
from waybill.exports.run import end_run, fail_run, snapshot_of
from waybill.ids import new_token
from waybill.jobs.leases import LatePulse, lease_chunk
from waybill.jobs.model import Counts, Job, Status
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

RETRY_SECONDS = (5, 15, 40)
"""Waits between attempts, where another may succeed soon. A person can relaunch a run later."""
_LEASE = -2
_BLOCK_BYTES = 256 * 1024
_MAX_WAITING_FILES = 1_000
_MARK = "waybill-job"
"""Metadata of a delivered object: the run that it is of."""


def deliver(services: ExportServices, job_id: str, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
    """Deliver an extracted run and end its job.

    Returns:
        {"outcome": "ended"}, "more" (call again at once), or "retry" (call again in `waitSeconds`).

    Raises:
        Superseded: the job has ended, or another attempt is at work.
    """
    definition, _, snapshot = snapshot_of(services, job_id)
    if definition.destination["kind"] == "download":
        _complete(services, services.jobs.get(job_id), has_download=True)
        return {"outcome": "ended"}
    attempt = new_token(services.ids)
    job = lease_chunk(services, job_id, _LEASE, attempt, remaining_seconds)
    pulse = LatePulse(services, job, _LEASE, attempt)
    delivery = _Delivery(services, job, definition, snapshot, pulse)
    try:
        if definition.destination["kind"] == "s3":
            name: str | None = delivery.to_bucket()
        else:
            name = delivery.to_server(remaining_seconds)
    except DeliveryFailed as error:
        return _failed(services, delivery, error)
    if name is None:
        return {"outcome": "more"}
    _complete(services, delivery.job, file_name=name, has_download=not definition.is_periodic)
    return {"outcome": "ended"}


def _complete(services: ExportServices, job: Job, **changes: Any) -> None:
    assert job.extracted is not None  # noqa: S101  the step before has seen to it
    rows = int(job.extracted["rows"])
    end_run(services, job, Status.COMPLETED, Counts(rows, rows), **changes)


def _failed(services: ExportServices, delivery: _Delivery, error: DeliveryFailed) -> dict[str, Any]:
    attempts = int((delivery.job.delivery or {}).get("attempts", 0))
    if error.retry_now and attempts < len(RETRY_SECONDS):
        delivery.note(attempts=attempts + 1)
        return {"outcome": "retry", "waitSeconds": RETRY_SECONDS[attempts]}
    delivery.clean_up()
    fail_run(
        services,
        delivery.job,
        "delivery-failed",
        f"{error.reason}: {error.detail}",
        delivery={**(delivery.job.delivery or {}), "reason": error.reason},
    )
    return {"outcome": "ended"}


def bucket_of(services: ExportServices, destination: Mapping[str, Any]) -> tuple[Bucket, str]:
    """The bucket of an `s3` destination, and its prefix, empty or with a slash at its end."""
    prefix = destination.get("prefix", "")
    prefix += "/" if prefix and not prefix.endswith("/") else ""
    return services.files.bucket(destination.get("bucket") or services.settings.transfer_bucket), prefix


def open_server(
    services: ExportServices, destination: Mapping[str, Any], timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> Remote:
    """The directory of an `sftp` or `ftps` destination, with the credentials of its secret.

    Raises:
        DeliveryFailed
    """
    try:
        secret = services.secrets.get(destination["secretId"])
    except SecretUnreadable as error:
        raise DeliveryFailed("secret", f"The secret {destination['secretId']} cannot be used: {error}.") from None
    return open_remote(destination, secret, AllowedHosts.parse(services.settings.allowed_private_hosts), timeouts)


@dataclass
class _Delivery:
    """One attempt at the delivery of a run; it is the store of its own progress."""

    services: ExportServices
    job: Job
    definition: Definition
    snapshot: dict[str, Any]
    pulse: LatePulse

    def note(self, **values: Any) -> None:
        """Keep something of the delivery in the job, for the next attempt."""
        self.pulse.beat()
        self.job = self.services.jobs.set_delivery(self.job.job_id, {**(self.job.delivery or {}), **values})

    # StateStore of `place`

    def load(self) -> Placement | None:
        kept = self.job.delivery or {}
        return Placement(Step(kept["step"]), kept["name"]) if "step" in kept else None

    def save(self, placement: Placement) -> None:
        self.note(step=str(placement.step), name=placement.name)

    @property
    def file(self) -> dict[str, Any]:
        assert self.job.extracted is not None  # noqa: S101
        return self.job.extracted

    def manifest(self, name: str) -> bytes:
        """What the receiver can check the file by."""
        export = self.snapshot["export"]
        document = {
            "jobId": self.job.job_id,
            "exportId": self.job.export_id,
            "name": self.definition.name,
            "entity": self.definition.entity,
            "type": self.definition.type.value,
            "definitionVersion": export["version"],
            "fileName": name,
            "format": self.definition.format.value,
            "compression": self.definition.compression.value,
            "fields": self._columns(),
            "rows": int(self.file["rows"]),
            "bytes": int(self.file["bytes"]),
            "sha256": self.file["sha256"],
            "windowFrom": rfc3339(self.job.window_from),
            "windowTo": rfc3339(self.job.window_to),
            "createdAt": rfc3339(self.job.started_at),
        }
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()

    def _columns(self) -> list[str]:
        schema = self.snapshot["entity"]["schema"]
        names = self.definition.fields or [field["name"] for field in schema["fields"]]
        return [*names, DELETED] if self.definition.has_changes else list(names)

    def to_bucket(self) -> str:
        """Copy the file into a bucket, then put its manifest; both appear whole.

        Returns:
            The file's final name.

        Raises:
            DeliveryFailed
        """
        services = self.services
        bucket, prefix = bucket_of(services, self.definition.destination)
        try:
            name = self._free_name(bucket, prefix)
            bucket.copy_from(
                services.settings.files_bucket,
                self.file["key"],
                prefix + name,
                {_MARK: self.job.job_id},
                self.pulse.beat,
            )
            bucket.put(prefix + manifest_name(name), self.manifest(name), "application/json")
        except BucketRefused as error:
            raise DeliveryFailed(error.reason, error.detail) from None
        return name

    def _free_name(self, bucket: Bucket, prefix: str) -> str:
        """A name that is free, or that this run has taken already; full extracts replace what is there."""
        for number in range(1, _MAX_WAITING_FILES):
            name = numbered(self.job.file_name, number)
            metadata = bucket.metadata(prefix + name)
            if not self.definition.is_incremental or metadata is None or metadata.get(_MARK) == self.job.job_id:
                return name
        raise DeliveryFailed("exists", f"{_MAX_WAITING_FILES:,} files named like {self.job.file_name} are waiting.")

    def to_server(self, remaining_seconds: Callable[[], float]) -> str | None:
        """Upload the file and its manifest to a server.

        Returns:
            The file's final name; None when time ran out.

        Raises:
            DeliveryFailed
        """
        with self._connect() as remote:
            return place(
                remote,
                self.job.file_name,
                self.job.job_id,
                Source(int(self.file["bytes"]), self._open),
                self.manifest,
                self,
                replace=not self.definition.is_incremental,
                remaining_seconds=remaining_seconds,
                progress=self._check,
            )

    def clean_up(self) -> None:
        """Take away what a delivery that failed for good left on a server, where that can be done."""
        if self.definition.destination["kind"] == "s3":
            return
        try:
            with self._connect() as remote:
                discard(remote, self.job.file_name, self.job.job_id, self)
        except DeliveryFailed:
            return

    def _connect(self) -> Remote:
        return open_server(self.services, self.definition.destination)

    def _check(self, _: int) -> None:
        self.pulse.check()

    def _open(self, offset: int) -> Iterator[bytes]:
        source = self.services.files.open(self.services.settings.files_bucket, self.file["key"], start=offset)
        while block := source.read(_BLOCK_BYTES):
            yield block
