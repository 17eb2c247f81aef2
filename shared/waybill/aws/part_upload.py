"""A multipart upload whose parts somebody else sends, to presigned addresses, each bound to its content.

S3 checks each part against the SHA-256 that its address was signed with, and keeps it. The checksum of the whole is
S3's composite one: the SHA-256 of the parts' digests one after the other, and the number of parts (*Checking object
integrity in Amazon S3*). A full-object SHA-256 does not exist for multipart uploads.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from waybill.aws.bucket import complete_upload

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class PartsGone(Exception):
    """S3 does not know the upload: it was completed or aborted."""


class PartsChanged(Exception):
    """A part was sent again since S3 was asked for the parts."""


class Part(NamedTuple):
    """A part that S3 has. `sha256` in base64; `etag` with quotes."""

    number: int
    size_bytes: int
    sha256: str
    etag: str


class PartUpload:
    """The upload of one object in parts. Errors of S3 that are not named here pass through.

    Args:
        upload_id: as `begin` returned it.
    """

    def __init__(self, s3: S3Client, bucket: str, key: str, upload_id: str) -> None:
        self._s3, self._bucket, self._key, self._upload_id = s3, bucket, key, upload_id

    @staticmethod
    def begin(s3: S3Client, bucket: str, key: str) -> str:
        """The id of a new upload. S3 keeps its parts until it is completed or aborted."""
        return s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]

    def presign(self, number: int, size_bytes: int, sha256: str, seconds: int) -> str:
        """An address that takes a PUT of exactly these bytes as a part, for `seconds`. The request needs the header
        `x-amz-checksum-sha256` with the same value, which is signed, as is the length."""
        return self._s3.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self._bucket,
                "Key": self._key,
                "UploadId": self._upload_id,
                "PartNumber": number,
                "ContentLength": size_bytes,
                "ChecksumSHA256": sha256,
            },
            ExpiresIn=seconds,
        )

    def parts(self) -> list[Part]:
        """The parts that S3 has, in order; a request for a thousand of them.

        Raises:
            PartsGone
        """
        found: list[Part] = []
        after = 0
        while True:
            try:
                answer = self._s3.list_parts(
                    Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, PartNumberMarker=after
                )
            except self._s3.exceptions.NoSuchUpload:
                raise PartsGone from None
            for one in answer.get("Parts", []):
                found.append(Part(one["PartNumber"], one["Size"], one.get("ChecksumSHA256", ""), one["ETag"]))
            if not answer.get("IsTruncated"):
                return found
            after = found[-1].number

    def complete(self, parts: Sequence[Part]) -> None:
        """Make the object visible, of all its parts. A repeated call finds that it is.

        Raises:
            PartsChanged
            PartsGone: and there is no such object.
        """
        etags, checksums = [part.etag for part in parts], [part.sha256 for part in parts]
        size = sum(part.size_bytes for part in parts)
        try:
            complete_upload(self._s3, self._bucket, self._key, self._upload_id, etags, size, checksums=checksums)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("InvalidPart", "BadDigest"):  # as S3 says (CompleteMultipartUpload)
                raise PartsChanged from None
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise PartsGone from None
            raise

    def completed(self) -> tuple[int, str | None] | None:
        """(bytes, composite checksum) of the object that the upload has become; None where there is none."""
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=self._key, ChecksumMode="ENABLED")
        except self._s3.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return head["ContentLength"], head.get("ChecksumSHA256")

    def abort(self) -> None:
        """Throw the parts away. No error where they are gone."""
        with suppress(self._s3.exceptions.NoSuchUpload):
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)


def composite(checksums: Sequence[str]) -> str:
    """S3's checksum of an object of parts with these checksums (base64), such as `mZ…=-12`."""
    digests = b"".join(map(base64.b64decode, checksums))
    return f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(checksums)}"
