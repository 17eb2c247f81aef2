"""A bucket of Amazon S3, perhaps of another account: S3 copies the file, which appears whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from waybill.aws.bucket import Bucket, BucketRefused
from waybill.aws.outages import is_outage
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.base import Allowed, DeliveredKind, Delivery, Member, Timeouts
from waybill.exports.destinations.names import MAX_WAITING_FILES, manifest_name, numbered
from waybill.ids import new_uuid
from waybill.validation import is_line

if TYPE_CHECKING:
    from waybill.jobs.services import Services
    from waybill.settings import Settings

MAX_PREFIX_BYTES = 500
# General purpose buckets (Amazon S3 User Guide, "Bucket naming rules").
_BUCKET = re.compile(r"(?!xn--|sthree-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MARK = "waybill-job"
"""Metadata of a delivered object: the run that delivered it."""


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

    def deliver(self, delivery: Delivery, remaining_seconds: Callable[[], float]) -> str:
        bucket, prefix = _opened(delivery.services, delivery.destination)
        source = delivery.services.settings.files_bucket
        with _refusals(waits_for_outages=True):
            name = _free_name(delivery, bucket, prefix)
            mark = {_MARK: delivery.job.job_id}
            bucket.copy_from(source, delivery.key, prefix + name, mark, delivery.heartbeat.send)
            bucket.put(prefix + manifest_name(name), delivery.manifest(name), "application/json")
        return name

    def test(
        self, services: Services, destination: Mapping[str, Any], timeouts: Timeouts, begin: Callable[[str], None]
    ) -> str:
        bucket, prefix = _opened(services, destination)
        key = f"{prefix}.waybill-test.{new_uuid(services.ids)}.part"
        with _refusals(waits_for_outages=False):
            begin("read the bucket")
            bucket.metadata(key)
            begin("begin an upload and abandon it")
            bucket.abandon_upload(key)
        return f"Waybill can write to the bucket {bucket.name}."


def _opened(services: Services, destination: Mapping[str, Any]) -> tuple[Bucket, str]:
    """The bucket, and the prefix: empty or ending in a slash."""
    prefix = destination.get("prefix", "")
    prefix += "/" if prefix and not prefix.endswith("/") else ""
    return services.files.bucket(destination.get("bucket") or services.settings.transfer_bucket), prefix


def _free_name(delivery: Delivery, bucket: Bucket, prefix: str) -> str:
    """A name that is free, or that an earlier attempt of this run has used."""
    file_name = delivery.job.file_name
    for number in range(1, MAX_WAITING_FILES):
        name = numbered(file_name, number)
        metadata = bucket.metadata(prefix + name)
        if delivery.replaces or metadata is None or metadata.get(_MARK) == delivery.job.job_id:
            return name
    raise DeliveryFailed("exists", f"{MAX_WAITING_FILES:,} files with names like {file_name} are waiting.")


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
