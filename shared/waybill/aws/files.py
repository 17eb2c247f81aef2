"""Files in S3: streamed in, streamed out, presigned. boto3 is loaded on first use."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from waybill.aws.bucket import COPY_PART_BYTES, Bucket, BucketAccess, complete_upload
from waybill.aws.clients import assumed_session, limits, session
from waybill.aws.outages import is_outage
from waybill.aws.part_upload import PartUpload
from waybill.clock import HasTime, no_limit
from waybill.errors import FileUnreadable
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

PART_BYTES = 5 * 1024 * 1024  # S3's least for a part: two writers at once stay small
MAX_OBJECT_BYTES = 5 * 10**12
# An upload has 10,000 parts at most. Those of up to 6.5 GB stay at PART_BYTES; from then on each part is a 1,250th of
# what stands before it (10 MB at 12 GB, 60 MB at 75 GB), so that 10,000 of them hold more than MAX_OBJECT_BYTES.
_PART_SHARE = 1_250
_MAX_NAME_BYTES = 255  # of ext4, APFS and most others
_EXTENSIONS = re.compile(r"(\.[A-Za-z0-9]{1,10}){1,2}\Z")
_KMS_KEY = re.compile(r"arn:[\w-]+:kms:[\w-]+:[0-9]+:key/[\w-]+")


class SourceChanged(Exception):
    """The object is gone, or is no longer the version that was asked for."""


class NotDeleted(Exception):
    """S3 refused to delete an object."""


class UploadGone(Exception):
    """The upload that a writer resumed was completed or aborted: what it wrote must be written anew."""


class ByteStream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class FileInfo:
    """
    Attributes:
        etag: without quotes.
        modified: when S3 stored the object, by its own clock, in whole seconds (RFC 3339).
    """

    size_bytes: int
    etag: str
    metadata: dict[str, str]
    modified: str


class Listed(NamedTuple):
    """An object in a listing; `etag` and `modified` as `FileInfo` has them."""

    key: str
    etag: str
    modified: str


class Files:
    """S3 objects by bucket and key. Errors of S3 that are not named here pass through.

    Requests and presigned addresses go to the bucket's own host in its region, `{bucket}.s3.{region}.{domain}`; with an
    `endpoint_url`, to `{endpoint_url}/{bucket}`.
    """

    def __init__(self, region: str, endpoint_url: str | None = None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._assumed: dict[tuple[str, str | None], S3Client] = {}

    @cached_property
    def _s3(self) -> S3Client:
        return self._client(session())

    def _client(self, session: Session) -> S3Client:
        from botocore.config import Config

        # Version 4 signatures: older presigned URLs outlive their expiry on some endpoints. By default botocore
        # presigns for us-east-1, which serves no region that opened after March 2019, and redirects to the others while
        # a bucket is new; a browser follows no redirect of a preflight.
        style: Literal["path", "virtual"] = "path" if self._endpoint_url else "virtual"
        config = Config(
            signature_version="s3v4",
            retries={"mode": "standard", "max_attempts": 5},
            read_timeout=60,
            s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
        )
        config = config.merge(limits() or config)
        return session.client("s3", region_name=self._region, endpoint_url=self._endpoint_url, config=config)

    def head(self, bucket: str, key: str) -> FileInfo | None:
        """What S3 says of the object; None when there is none.

        Raises:
            FileUnreadable
        """
        try:
            answer = self._s3.head_object(Bucket=bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            if _status(error) == 404:
                return None
            self.get_range(bucket, key, 0, 1, None)  # a refused HEAD has no body, so that only GET says why
            raise
        modified = rfc3339(answer["LastModified"])
        return FileInfo(answer["ContentLength"], answer["ETag"].strip('"'), answer.get("Metadata", {}), modified)

    def open(self, bucket: str, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> Source:
        """A stream over `[start, end)`; a connection that breaks is taken up again where it broke.

        Raises (also while reading):
            SourceChanged: the object is gone, or its ETag is not `etag`.
            FileUnreadable
        """
        return Source(self, bucket, key, start, end, etag)

    def get_range(self, bucket: str, key: str, start: int, end: int | None, etag: str | None) -> ByteStream:
        """One GET of `[start, end)`.

        Raises:
            SourceChanged, FileUnreadable: as for `open`.
        """
        request: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if start or end is not None:
            request["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if etag is not None:
            request["IfMatch"] = etag
        try:
            return self._s3.get_object(**request)["Body"]
        except self._s3.exceptions.ClientError as error:
            if _status(error) in (404, 412):
                raise SourceChanged(key) from None
            reason = None if is_outage(error) else self._why_unreadable(bucket, key, error.response["Error"])
            if reason is None:
                raise
            raise FileUnreadable(reason) from None

    def _why_unreadable(self, bucket: str, key: str, refusal: Any) -> str | None:
        """Why S3 refuses a GET, and what to do; None where the cause is not the object, its key or a policy.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; codes of KMS come as `KMS.{code}`.
        """
        code, found = refusal["Code"], _KMS_KEY.search(refusal.get("Message", ""))
        kms_key = found and found[0]
        if code == "AccessDenied" and kms_key is None:
            with suppress(self._s3.exceptions.ClientError):
                kms_key = self._s3.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId")
        if code == "AccessDenied" and kms_key is not None:
            return (
                f"The file is encrypted with the KMS key {kms_key}, which Waybill may not use. Ask the operator of "
                "Waybill to allow it (OtherKmsKeyArns, and the policy of the key), or encrypt the file with another "
                "key; then send it again."
            )
        if code.startswith("KMS."):
            return (
                f"The KMS key that the file is encrypted with cannot be used ({kms_key or 'unknown'}, "
                f"{code.removeprefix('KMS.')}). Enable the key, or encrypt the file with another one; then send it "
                "again."
            )
        if code in ("AccessDenied", "AllAccessDisabled"):
            return (
                f"S3 does not let Waybill read the file ({code}). Ask the operator of Waybill to correct the policy of "
                "the bucket; then send the file again."
            )
        if code == "InvalidObjectState":
            return "The file is archived. Send it again in a storage class that can be read at once, such as STANDARD."
        if code == "InvalidRequest" and "Server Side Encryption" in refusal.get("Message", ""):
            return "The file is encrypted with a key that only its sender has (SSE-C). Send it again without that key."
        return None

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes `[start, end)` at once."""
        return self.get_range(bucket, key, start, end, None).read()

    def put(
        self, bucket: str, key: str, body: bytes | bytearray, content_type: str = "application/octet-stream"
    ) -> None:
        content: Any = body  # botocore takes both
        self._s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)

    def copy(self, bucket: str, source_key: str, key: str, etag: str) -> None:
        """Copy an object of up to COPY_PART_BYTES within a bucket, on S3's side. `Writer.copy_part` copies larger ones.

        Raises:
            SourceChanged: the object is gone, or its ETag is not `etag`.
        """
        source: CopySourceTypeDef = {"Bucket": bucket, "Key": source_key}
        try:
            self._s3.copy_object(Bucket=bucket, Key=key, CopySource=source, CopySourceIfMatch=f'"{etag}"')
        except self._s3.exceptions.ClientError as error:
            if _status(error) in (404, 412):
                raise SourceChanged(source_key) from None
            raise

    def bucket(self, name: str, access: BucketAccess) -> Bucket:
        """A bucket to deliver to."""
        if access.role_arn is None:
            return Bucket(self._s3, name, access)
        role = access.role_arn, access.external_id
        if role not in self._assumed:  # with the role's credentials, which botocore renews before they expire
            session = assumed_session(*role, self._region, self._endpoint_url)
            self._assumed[role] = self._client(session)
        return Bucket(self._assumed[role], name, access)

    def begin_parts(self, bucket: str, key: str) -> str:
        """Begin an upload whose parts somebody else sends; returns its id, for `in_parts`."""
        return PartUpload.begin(self._s3, bucket, key)

    def in_parts(self, bucket: str, key: str, upload_id: str) -> PartUpload:
        """The upload that `begin_parts` began."""
        return PartUpload(self._s3, bucket, key, upload_id)

    def writer(self, bucket: str, key: str, content_type: str = "application/octet-stream") -> Writer:
        """A writer of an object of any size; nothing is visible before `close`."""
        return Writer(self._s3, bucket, key, content_type)

    def resume_writer(self, bucket: str, key: str, content_type: str, paused: Mapping[str, Any]) -> Writer:
        """The writer that another invocation paused (`Writer.pause`)."""
        writer = self.writer(bucket, key, content_type)
        writer.resume(paused)
        return writer

    def delete(self, bucket: str, key: str, etag: str | None = None, modified: str | None = None) -> None:
        """Delete an object, with `etag` only if its content is still that. No error when it is gone.

        Args:
            modified: of the only object that may be deleted. S3 compares the content in the deletion itself, but the
                time only in a request before.
        """
        if modified is not None:
            try:
                info: FileInfo | Listed | None = self.head(bucket, key)
            except FileUnreadable:
                info = self.find_listed(bucket, key)
            if info is None or info.modified != modified:
                return
        condition: Any = {} if etag is None else {"IfMatch": f'"{etag}"'}
        try:
            self._s3.delete_object(Bucket=bucket, Key=key, **condition)
        except self._s3.exceptions.ClientError as error:
            if _status(error) not in (404, 412):
                raise

    def page(self, bucket: str, prefix: str, after: str | None = None) -> tuple[list[Listed], bool]:
        """Up to 1,000 objects in the order of their keys, and whether more follow. One request.

        Args:
            prefix: of the keys.
            after: the key before the first one.
        """
        start: Any = {} if after is None else {"StartAfter": after}
        answer = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **start)
        found = [
            Listed(one["Key"], one["ETag"].strip('"'), rfc3339(one["LastModified"].replace(microsecond=0)))
            for one in answer.get("Contents", [])
        ]
        return found, answer["IsTruncated"]

    def find_listed(self, bucket: str, key: str) -> Listed | None:
        """The object as the listing has it, also when it is unreadable; None when there is none."""
        found, _ = self.page(bucket, key)  # keys come in order, so that the prefix itself is the first
        return found[0] if found and found[0].key == key else None

    def delete_prefix(
        self, bucket: str, prefix: str, folders: tuple[str, ...] = ("",), has_time: HasTime = no_limit
    ) -> bool:
        """Delete every object whose key begins with `prefix` and one of `folders`, a thousand at a time. S3 bills a
        listing like a write, so that the folders share one.

        Returns:
            Whether the time sufficed for all.

        Raises:
            NotDeleted: S3 refused some of them; the others are deleted.
        """
        errors = []
        wanted = tuple(prefix + folder for folder in folders)
        for keys in self._pages(bucket, prefix):
            if not has_time():
                return False
            objects: Any = [{"Key": key} for key in keys if key.startswith(wanted)]
            if not objects:
                continue
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            errors += answer.get("Errors", [])
        if errors:
            raise NotDeleted(f"{len(errors)} objects, among them {errors[0].get('Key')}: {errors[0].get('Code')}")
        return True

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[str]]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            if keys := [found["Key"] for found in page.get("Contents", [])]:
                yield keys

    def abort_uploads(self, bucket: str, prefix: str) -> None:
        """Abort uploads in parts that writers left unfinished, of all keys that begin with `prefix`."""
        found = self._s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
        for upload in found.get("Uploads", []):
            try:
                self._s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            except self._s3.exceptions.ClientError as error:
                if _status(error) != 404:
                    raise

    def presign_get(self, bucket: str, key: str, file_name: str, seconds: int) -> str:
        """A URL that downloads the object under `file_name` (RFC 6266, any characters) for `seconds`.

        A longer name than file systems take is cut: it is in the address twice, and once encoded doubly, while API
        Gateway passes 10,240 bytes of headers (*Quotas for configuring and running an HTTP API*).
        """
        file_name = _short_name(file_name)
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in file_name)
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{urllib.parse.quote(file_name, safe='')}"
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": bucket, "Key": key, "ResponseContentDisposition": disposition},
            ExpiresIn=seconds,
        )

    def presign_post(self, bucket: str, key: str, max_bytes: int, seconds: int) -> tuple[str, dict[str, str]]:
        """(url, form fields) with which exactly this key can be written once or more, up to `max_bytes`."""
        form = self._s3.generate_presigned_post(
            bucket, key, Conditions=[["content-length-range", 0, max_bytes]], ExpiresIn=seconds
        )
        return form["url"], form["fields"]


def _short_name(file_name: str) -> str:
    """The name in at most 255 bytes of UTF-8; of a longer one the end of the stem is left out, before `.csv.gz`."""
    if len(file_name.encode()) <= _MAX_NAME_BYTES:
        return file_name
    found = _EXTENSIONS.search(file_name)
    extensions = found[0] if found else ""
    stem = file_name.removesuffix(extensions).encode()[: _MAX_NAME_BYTES - len(extensions)]
    return stem.decode(errors="ignore") + extensions


class Source:
    """A readable stream over part of an object; see `Files.open`."""

    def __init__(self, files: Files, bucket: str, key: str, start: int, end: int | None, etag: str | None) -> None:
        self._files, self._bucket, self._key, self._end, self._etag = files, bucket, key, end, etag
        self._position = start
        self._body: ByteStream | None = None

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        for attempts_left in (2, 1, 0):
            if self._end is not None and self._position >= self._end:
                return b""
            try:
                if self._body is None:
                    self._body = self._files.get_range(self._bucket, self._key, self._position, self._end, self._etag)
                data = self._body.read(None if size < 0 else size)  # type: ignore[arg-type]
            except (BotoCoreError, HTTPError, OSError):
                self._body = None
                if not attempts_left:
                    raise
                continue
            self._position += len(data)
            return data
        raise AssertionError("unreachable")


class Writer:
    """Write an object as a multipart upload (a plain put where it fits one part)."""

    def __init__(self, s3: S3Client, bucket: str, key: str, content_type: str) -> None:
        self._s3, self._bucket, self._key, self._content_type = s3, bucket, key, content_type
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._etags: list[str] = []
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        self._buffer += data
        self.size_bytes += len(data)
        if len(self._buffer) >= part_bytes(self.size_bytes):
            self._flush()

    @property
    def is_between_parts(self) -> bool:
        """Whether S3 has all that was written: what `pause` gives then is small."""
        return not self._buffer

    def copy_part(self, source_key: str, size_bytes: int, etag: str) -> None:
        """Add the next COPY_PART_BYTES of another object of the bucket, on S3's side; only where nothing else is
        written. What is copied so far is `self.size_bytes`.

        Args:
            size_bytes: of the whole object.
            etag: of the object.

        Raises:
            SourceChanged: the object is gone, or its ETag is not `etag`.
            UploadGone
        """
        start, end = self.size_bytes, min(size_bytes, self.size_bytes + COPY_PART_BYTES)
        try:
            copied = self._s3.upload_part_copy(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload(),
                PartNumber=len(self._etags) + 1,
                CopySource={"Bucket": self._bucket, "Key": source_key},
                CopySourceRange=f"bytes={start}-{end - 1}",
                CopySourceIfMatch=f'"{etag}"',
            )
        except self._s3.exceptions.ClientError as error:
            self._explain(error)
            if _status(error) in (404, 412):
                raise SourceChanged(source_key) from None
            raise
        self._etags.append(copied["CopyPartResult"]["ETag"])
        self.size_bytes = end

    def _upload(self) -> str:
        """The id of the upload, which begins with the first call."""
        if self._upload_id is None:
            answer = self._s3.create_multipart_upload(
                Bucket=self._bucket, Key=self._key, ContentType=self._content_type
            )
            self._upload_id = answer["UploadId"]
        return self._upload_id

    def _flush(self) -> None:
        try:
            part = self._s3.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload(),
                PartNumber=len(self._etags) + 1,
                Body=self._buffer,  # type: ignore[arg-type]  # a bytearray, which botocore takes without a copy
            )
        except self._s3.exceptions.ClientError as error:
            self._explain(error)
            raise
        self._etags.append(part["ETag"])
        self._buffer = bytearray()

    @staticmethod
    def _explain(error: Any) -> None:
        if error.response["Error"]["Code"] == "NoSuchUpload":
            raise UploadGone from None

    def close(self) -> None:
        """Make the object visible, whole."""
        if self._upload_id is None:
            self._s3.put_object(
                Bucket=self._bucket, Key=self._key, Body=bytes(self._buffer), ContentType=self._content_type
            )
            return
        if self._buffer:
            self._flush()
        complete_upload(self._s3, self._bucket, self._key, self._upload_id, self._etags, self.size_bytes)

    def pause(self) -> dict[str, Any]:
        """What `resume` needs, as JSON values; S3 keeps the parts until then."""
        rest = base64.b64encode(self._buffer).decode()
        return {"uploadId": self._upload_id, "etags": self._etags, "rest": rest, "sizeBytes": self.size_bytes}

    def resume(self, paused: Mapping[str, Any]) -> None:
        """Continue where another writer of the same object was paused."""
        self._upload_id, self._etags = paused["uploadId"], list(paused["etags"])
        self._buffer, self.size_bytes = bytearray(base64.b64decode(paused["rest"])), paused["sizeBytes"]

    def abort(self) -> None:
        """Throw away what was written; the bucket's lifecycle rule does so too where this call is never reached."""
        if self._upload_id is not None:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)
            self._upload_id = None


def part_bytes(size_bytes: int) -> int:
    """How large the next part of an upload is to be, after so many bytes."""
    return max(PART_BYTES, size_bytes // _PART_SHARE)


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
