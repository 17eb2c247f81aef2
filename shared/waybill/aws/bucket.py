"""A bucket that exports are delivered to, or files fetched from, perhaps somebody else's: what S3 refuses comes as one
error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

PUT_BYTES = 8 * 1024**2
"""Files of up to so many bytes are sent in one request; larger ones are copied in parts."""
COPY_PART_BYTES = 512 * 1024**2
_READ_BYTES = 256 * 1024


class BucketRefused(Exception):
    """S3 did not do what was asked. `reason`: not-found, permission, or unreachable (worth another attempt)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class KeyTaken(Exception):
    """The object that was to be replaced is another one by now, or one has appeared where there was none."""


class Found(NamedTuple):
    """An object that is there: its ETag with quotes, and its user metadata."""

    etag: str
    metadata: Mapping[str, str]


class Entry(NamedTuple):
    """An object in a listing: its ETag without quotes, and when S3 stored it (UTC)."""

    key: str
    size_bytes: int
    etag: str
    modified: datetime


@dataclass(frozen=True)
class BucketAccess:
    """How a bucket is reached.

    Attributes:
        owner: the account that it must belong to; S3 refuses every request if it does not.
        role_arn: the role to assume for it, of its owner as a rule; None for the function's own rights.
        external_id: that the role asks for.
        kms_key_arn: the key to encrypt with; None for what the bucket has as its default.
    """

    owner: str
    role_arn: str | None = None
    external_id: str | None = None
    kms_key_arn: str | None = None


class Bucket:
    """One bucket, by the name that a definition gives it.

    What writes takes `replaces`: the ETag of the object that may be replaced; None when there must be none. S3 compares
    and writes in one step.
    """

    def __init__(self, s3: S3Client, name: str, access: BucketAccess) -> None:
        self._s3, self._access = s3, access
        self.name = name
        self._at: Any = {"Bucket": name, "ExpectedBucketOwner": access.owner}
        self._encrypted: Any = {}
        if access.kms_key_arn:
            self._encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": access.kms_key_arn}

    @property
    def owner(self) -> str:
        """The account that it belongs to."""
        return self._access.owner

    @property
    def has_own_role(self) -> bool:
        """Whether a role is assumed for the bucket. It may not read what Waybill's functions may."""
        return self._access.role_arn is not None

    def find(self, key: str) -> Found | None:
        """An object; None when it does not exist.

        Raises:
            BucketRefused
        """
        with self._refusals():
            try:
                head = self._s3.head_object(**self._at, Key=key)
                return Found(head["ETag"], head["Metadata"])
            except self._s3.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
        with self._refusals():
            self._s3.head_bucket(**self._at)  # a 404 without a body does not say what was not found
        return None

    def read(self, key: str, etag: str, limit: int) -> bytes:
        """The content of an object, up to a limit of bytes.

        Raises:
            BucketRefused
            KeyTaken: it has another ETag by now, or is gone.
        """
        with self._refusals():
            return self._s3.get_object(**self._at, Key=key, IfMatch=etag)["Body"].read(limit)

    def entries(self, folder: str) -> Iterator[Entry]:
        """The objects in a folder, in the order of their keys, without those in folders below it; a request for a
        thousand of them.

        Args:
            folder: empty or ending in a slash.

        Raises:
            BucketRefused
        """
        more: Any = {}
        while True:
            with self._refusals("read"):
                answer = self._s3.list_objects_v2(**self._at, Prefix=folder, Delimiter="/", **more)
            for one in answer.get("Contents", []):
                yield Entry(one["Key"], one["Size"], one["ETag"].strip('"'), one["LastModified"])
            if not answer["IsTruncated"]:
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def entry(self, key: str) -> Entry | None:
        """An object as the listing has it; None when it does not exist.

        Raises:
            BucketRefused
        """
        with self._refusals("read"):
            answer = self._s3.list_objects_v2(**self._at, Prefix=key, MaxKeys=1)  # the key itself comes first
        found = answer.get("Contents", [])
        if not found or found[0]["Key"] != key:
            return None
        return Entry(key, found[0]["Size"], found[0]["ETag"].strip('"'), found[0]["LastModified"])

    def open(self, key: str, etag: str, start: int) -> Iterator[bytes]:
        """The bytes of an object from `start` on, in blocks.

        Raises:
            BucketRefused
            KeyTaken: it has another ETag by now, or is gone.
        """
        with self._refusals("read"):
            body = self._s3.get_object(**self._at, Key=key, IfMatch=f'"{etag}"', Range=f"bytes={start}-")["Body"]
        while True:
            with self._refusals("read"):
                block = body.read(_READ_BYTES)
            if not block:
                return
            yield block

    def delete(self, key: str, etag: str) -> None:
        """Delete an object if it has this ETag. No error when it is gone.

        Raises:
            BucketRefused
            KeyTaken: it has another ETag.
        """
        with self._refusals("delete from"):
            try:
                self._s3.delete_object(**self._at, Key=key, IfMatch=f'"{etag}"')
            except self._s3.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise

    def put(
        self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str], replaces: str | None = None
    ) -> None:
        """
        Raises:
            BucketRefused, KeyTaken
        """
        with self._refusals():
            self._s3.put_object(
                **self._at,
                **self._encrypted,
                Key=key,
                Body=body,
                ContentType=content_type,
                Metadata=dict(metadata),
                **_condition(replaces),
            )

    def abandon_upload(self, key: str) -> None:
        """Begin an upload and abandon it before it has a part, to find out whether it is permitted.

        Raises:
            BucketRefused
        """
        with self._refusals():
            upload = self._s3.create_multipart_upload(**self._at, **self._encrypted, Key=key)["UploadId"]
            self._s3.abort_multipart_upload(**self._at, Key=key, UploadId=upload)

    def begin_upload(self, key: str, metadata: Mapping[str, str], content_type: str) -> str:
        """The id of a new upload, to which parts are sent.

        Raises:
            BucketRefused
        """
        with self._refusals():
            return self._s3.create_multipart_upload(
                **self._at, **self._encrypted, Key=key, Metadata=dict(metadata), ContentType=content_type
            )["UploadId"]

    def parts(self, key: str, upload: str) -> list[tuple[str, int]] | None:
        """(ETag, bytes) of the parts that an upload has, in order; None when S3 does not know the upload.

        Raises:
            BucketRefused
        """
        with self._refusals():
            try:
                pages = self._s3.get_paginator("list_parts").paginate(**self._at, Key=key, UploadId=upload)
                return [(part["ETag"], part["Size"]) for page in pages for part in page.get("Parts", [])]
            except self._s3.exceptions.NoSuchUpload:
                return None

    def put_part(self, key: str, upload: str, number: int, data: bytes) -> str:
        """Send a part of an upload, and return its ETag.

        Raises:
            BucketRefused
        """
        with self._refusals():
            return self._s3.upload_part(**self._at, Key=key, UploadId=upload, PartNumber=number, Body=data)["ETag"]

    def end_upload(
        self, key: str, upload: str, etags: Sequence[str], size_bytes: int, replaces: str | None = None
    ) -> None:
        """Make the object of an upload visible, whole.

        Raises:
            BucketRefused, KeyTaken
        """
        owner, condition = self._access.owner, _condition(replaces)
        with self._refusals():
            complete_upload(self._s3, self.name, key, upload, etags, size_bytes, owner, condition)

    def abort_upload(self, key: str, upload: str) -> None:
        """Throw away the parts of an upload.

        Raises:
            BucketRefused
        """
        with self._refusals(), suppress(self._s3.exceptions.NoSuchUpload):
            self._s3.abort_multipart_upload(**self._at, Key=key, UploadId=upload)

    def copy_from(
        self,
        source_bucket: str,
        source_key: str,
        source_owner: str,
        key: str,
        metadata: Mapping[str, str],
        progress: Callable[[], object],
        replaces: str | None = None,
        source_etag: str | None = None,
    ) -> None:
        """Copy an object of any size into the bucket, large ones on S3's side; it appears whole, or not at all.

        `CopyObject` is not used: not every S3 compares before it writes.

        Args:
            source_owner: the account that the source's bucket must belong to.
            source_etag: of the only version that is to be copied; any when left out.
            progress: called between the parts of a large object; may raise to stop.

        Raises:
            BucketRefused, KeyTaken
        """
        source: CopySourceTypeDef = {"Bucket": source_bucket, "Key": source_key}
        is_it: Any = {} if source_etag is None else {"IfMatch": f'"{source_etag}"'}
        part_is_it: Any = {} if source_etag is None else {"CopySourceIfMatch": f'"{source_etag}"'}
        with self._refusals():
            head = self._s3.head_object(Bucket=source_bucket, Key=source_key, ExpectedBucketOwner=source_owner)
            size, content_type = head["ContentLength"], head["ContentType"]
            if size <= PUT_BYTES:
                of_owner: Any = {"Bucket": source_bucket, "ExpectedBucketOwner": source_owner}
                body = self._s3.get_object(**of_owner, **is_it, Key=source_key)
                self.put(key, body["Body"].read(), content_type, metadata, replaces)
                return
            upload = self.begin_upload(key, metadata, content_type)
            try:
                etags = []
                for number, start in enumerate(range(0, size, COPY_PART_BYTES), 1):
                    progress()
                    copied = self._s3.upload_part_copy(
                        **self._at,
                        Key=key,
                        UploadId=upload,
                        PartNumber=number,
                        CopySource=source,
                        CopySourceRange=f"bytes={start}-{min(size, start + COPY_PART_BYTES) - 1}",
                        ExpectedSourceBucketOwner=source_owner,
                        **part_is_it,
                    )
                    etags.append(copied["CopyPartResult"]["ETag"])
                self.end_upload(key, upload, etags, size, replaces)
            except BaseException:
                self._s3.abort_multipart_upload(**self._at, Key=key, UploadId=upload)
                raise

    @contextmanager
    def _refusals(self, verb: str = "write to") -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        owner = f"bucket {self.name}, which must belong to account {self._access.owner}"
        try:
            yield
        except BotoCoreError as error:
            raise BucketRefused("unreachable", f"S3 could not be reached ({type(error).__name__}).") from error
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if error.operation_name == "AssumeRole" and status in (400, 401, 403):
                role = f"Waybill may not assume the role {self._access.role_arn} for {owner}"
                raise BucketRefused("permission", f"{role} ({code}).") from None
            if code.startswith("KMS.") and status == 400:
                raise BucketRefused("permission", f"The KMS key of {owner}, cannot be used ({code}).") from None
            if status in (409, 412) or code == "NoSuchKey":  # 409: another conditional request is under way
                raise KeyTaken from None
            if status == 404:
                raise BucketRefused("not-found", f"There is no bucket {self.name}.") from None
            if status in (400, 401, 403):
                raise BucketRefused("permission", f"Waybill may not {verb} {owner} ({code}).") from None
            raise BucketRefused("unreachable", f"The bucket {self.name} did not answer ({code}).") from None


def _condition(replaces: str | None) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}


def complete_upload(
    s3: S3Client,
    bucket: str,
    key: str,
    upload: str,
    etags: Sequence[str],
    size_bytes: int,
    owner: str | None = None,
    condition: Mapping[str, Any] = MappingProxyType({}),
    checksums: Sequence[str] = (),
) -> None:
    """Make the object of a multipart upload visible. S3 forgets an upload that is completed, so that a retry after a
    lost reply is refused; then the object tells: by its ETag, or where that is no digest, as with a KMS key, by its
    size and the number of its parts.

    Args:
        upload: its id.
        etags: of its parts, in order.
        size_bytes: of the object.
        owner: the account that the bucket must belong to.
        condition: further members of the request, which make it conditional.
        checksums: SHA-256 of the parts (base64), of an upload that was begun with them: S3 wants them again.
    """
    at: Any = {"Bucket": bucket, "Key": key, **({"ExpectedBucketOwner": owner} if owner else {})}
    parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
    for part, checksum in zip(parts, checksums, strict=False):
        part["ChecksumSHA256"] = checksum
    try:
        s3.complete_multipart_upload(
            **at,
            UploadId=upload,
            MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
            **condition,
        )
    except s3.exceptions.NoSuchUpload:
        head = s3.head_object(**at)
        found, wanted = head["ETag"].strip('"'), _etag_of(etags)
        if head.get("ServerSideEncryption", "AES256") != "AES256":
            found, wanted = f"{head['ContentLength']}-{found.rpartition('-')[2]}", f"{size_bytes}-{len(etags)}"
        if found != wanted:
            raise


def _etag_of(etags: Sequence[str]) -> str:
    """The ETag that S3 gives to an object of these parts."""
    digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"
