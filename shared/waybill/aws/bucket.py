"""A bucket that exports are delivered to, perhaps somebody else's: what S3 refuses comes as one error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

COPY_BYTES = 5 * 1024**3  # the most that one CopyObject takes
COPY_PART_BYTES = 512 * 1024**2


class BucketRefused(Exception):
    """S3 did not do what was asked. `reason`: not-found, permission, or unreachable (worth another attempt)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Bucket:
    """One bucket, by the name that a definition gives it."""

    def __init__(self, s3: S3Client, name: str) -> None:
        self._s3 = s3
        self.name = name

    def metadata(self, key: str) -> dict[str, str] | None:
        """User metadata of an object; None when the object does not exist.

        Raises:
            BucketRefused
        """
        with self._refusals():
            try:
                return self._s3.head_object(Bucket=self.name, Key=key)["Metadata"]
            except self._s3.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
        with self._refusals():
            self._s3.head_bucket(Bucket=self.name)  # a 404 without a body does not say what was not found
        return None

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """
        Raises:
            BucketRefused
        """
        with self._refusals():
            self._s3.put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type)

    def abandon_upload(self, key: str) -> None:
        """Begin an upload and abandon it before it has a part, to find out whether it is permitted.

        Raises:
            BucketRefused
        """
        with self._refusals():
            upload = self._s3.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
            self._s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)

    def copy_from(
        self, source_bucket: str, source_key: str, key: str, metadata: Mapping[str, str], progress: Callable[[], object]
    ) -> None:
        """Copy an object of any size into the bucket, on S3's side; it appears whole, or not at all.

        Args:
            progress: called between the parts of a large object; may raise to stop.

        Raises:
            BucketRefused
        """
        source: CopySourceTypeDef = {"Bucket": source_bucket, "Key": source_key}
        with self._refusals():
            head = self._s3.head_object(Bucket=source_bucket, Key=source_key)
            size, content_type = head["ContentLength"], head["ContentType"]
            if size <= COPY_BYTES:
                self._s3.copy_object(
                    Bucket=self.name,
                    Key=key,
                    CopySource=source,
                    MetadataDirective="REPLACE",
                    Metadata=dict(metadata),
                    ContentType=content_type,
                )
                return
            upload = self._s3.create_multipart_upload(
                Bucket=self.name, Key=key, Metadata=dict(metadata), ContentType=content_type
            )["UploadId"]
            try:
                etags = []
                for number, start in enumerate(range(0, size, COPY_PART_BYTES), 1):
                    progress()
                    copied = self._s3.upload_part_copy(
                        Bucket=self.name,
                        Key=key,
                        UploadId=upload,
                        PartNumber=number,
                        CopySource=source,
                        CopySourceRange=f"bytes={start}-{min(size, start + COPY_PART_BYTES) - 1}",
                    )
                    etags.append(copied["CopyPartResult"]["ETag"])
                complete_upload(self._s3, self.name, key, upload, etags)
            except BaseException:
                self._s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
                raise

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except BotoCoreError as error:
            raise BucketRefused("unreachable", f"S3 could not be reached ({type(error).__name__}).") from error
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:
                raise BucketRefused("not-found", f"There is no bucket {self.name}.") from None
            if status in (400, 401, 403):
                raise BucketRefused("permission", f"Waybill may not write to bucket {self.name} ({code}).") from None
            raise BucketRefused("unreachable", f"The bucket {self.name} did not answer ({code}).") from None


def complete_upload(s3: S3Client, bucket: str, key: str, upload: str, etags: Sequence[str]) -> None:
    """Make the object of a multipart upload visible. S3 forgets an upload that is completed, so that a retry after a
    lost reply is refused; then the object tells.

    Args:
        upload: its id.
        etags: of its parts, in order.
    """
    parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
    try:
        s3.complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
        )
    except s3.exceptions.NoSuchUpload:
        if s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"') != _etag_of(etags):
            raise


def _etag_of(etags: Sequence[str]) -> str:
    """The ETag that S3 gives to an object of these parts."""
    digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"
