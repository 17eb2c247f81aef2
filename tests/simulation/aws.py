"""AWS's other services in memory, behind objects that look like boto3's clients: S3, Step Functions, EventBridge,
Lambda, SES, Secrets Manager and Cognito. DynamoDB is in `dynamodb`, because the product speaks to it below boto3.

Every attempt of every request passes `Calls.call`, which logs it and may let it fail. A client repeats what boto3's
does (AWS SDKs and Tools Reference Guide, "Retry behavior") and raises errors of boto3's own classes.

    Aws      what all of them share, and `patched`, which puts them in the place of `waybill.aws.clients.session`
    Client   one service, with a method for each operation that the product uses
    Poison   what fails for good: objects, mails and events
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from unittest.mock import patch

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.simulation.calls import Calls, Process
from tests.simulation.faults import CallFailed, Failure, family
from tests.simulation.statemachine import (
    Execution,
    ExecutionAlreadyExists,
    Executions,
    Invoke,
    Refuse,
    StateError,
)
from tests.simulation.timeline import Task, Timeline
from waybill.entities.permissions import Caller

T = TypeVar("T")
#: The modules of `waybill.aws` that make clients.
USERS = ("files", "workflow", "events", "functions", "mail", "secrets", "user_pool")
MIN_PART_BYTES = 5 * 1024**2
MAX_DELETED_AT_ONCE = 1_000
ENDPOINT = "https://aws.test"
#: Failure → code and status; the others are failures of the connection.
ANSWERS = {
    Failure.INTERNAL: ("InternalError", 500),
    Failure.UNAVAILABLE: ("ServiceUnavailable", 503),
    Failure.THROTTLED: ("ThrottlingException", 400),
}


def _no_functions(name: str, payload: Any, ended: Callable[[Task], object]) -> Task:
    raise client_error("ResourceNotFoundException", 404, "Invoke")


def client_error(
    code: str, status: int, operation: str, kind: type[ClientError] = ClientError, message: str = ""
) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return kind(answer, operation)


@dataclass
class Poison:
    """What fails whenever it is asked for.

    Attributes:
        undeletable, unreadable: S3 keys. Deleting several at once reports the error of that key alone.
        mails: addresses that SES refuses for good.
        events: whether EventBridge refuses an entry.
    """

    undeletable: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    mails: set[str] = field(default_factory=set)
    events: Callable[[Mapping[str, Any]], bool] = lambda entry: False


@dataclass(frozen=True)
class Object:
    data: bytes
    etag: str
    modified: datetime
    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)

    def head(self) -> dict[str, Any]:
        return {
            "ContentLength": len(self.data),
            "ContentType": self.content_type,
            "ETag": f'"{self.etag}"',
            "LastModified": self.modified,
            "Metadata": dict(self.metadata),
        }


@dataclass
class Upload:
    """An upload in parts that has not been completed."""

    key: str
    content_type: str
    metadata: Mapping[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)
    has_checksums: bool = False

    def sha256(self, number: int) -> bytes:
        return hashlib.sha256(self.parts[number]).digest()


class Aws:
    """
    Args:
        invoke_step: invokes the function of a state machine's task.
        seed: decides waits between attempts, and the jitter of state machines.

    Attributes:
        buckets: name → key → object.
        events: the entries that EventBridge has taken, with the time.
        mails: (recipient, subject, text) in their order.
        secrets: name → JSON text.
        users: of the user pool, by name.
        on_created: called with the detail of S3's *Object Created* event.
        on_change: called with bucket, key and the object, or None when it has been deleted.
        invoke: (function name, payload, called at its end) → the task, for Lambda's Invoke.
    """

    page_keys, min_part_bytes = 1_000, MIN_PART_BYTES

    def __init__(
        self, timeline: Timeline, calls: Calls, invoke_step: Invoke, buckets: Iterable[str], seed: int = 0
    ) -> None:
        self.timeline, self.calls = timeline, calls
        self.fraction = random.Random(f"aws {seed}").random
        self.executions = Executions(timeline, invoke_step, self._read_for_map, self.fraction)
        self.poison = Poison()
        self.buckets: dict[str, dict[str, Object]] = {name: {} for name in buckets}
        self.uploads: dict[str, Upload] = {}
        self.checksums: dict[str, str] = {}
        self.events: list[tuple[float, Mapping[str, Any]]] = []
        self.mails: list[tuple[str, str, str]] = []
        self.secrets: dict[str, str] = {}
        self.users: dict[str, Caller] = {}
        self.on_created: Callable[[dict[str, Any]], object] = lambda detail: None
        self.on_change: Callable[[str, str, Object | None], object] = lambda bucket, key, found: None
        self.invoke: Callable[[str, Any, Callable[[Task], object]], Task] = _no_functions
        self._sequence, self._reads = itertools.count(1), itertools.count(1)
        kinds: tuple[type[Client], ...] = (S3, StepFunctions, EventBridge, Lambda, Ses, SecretsManager, Cognito)
        self._clients = {kind.name: kind(self) for kind in kinds}

    def client(self, service: str, **_: Any) -> Any:
        """Takes the place of `Session.client`."""
        return self._clients[service]

    @contextmanager
    def patched(self) -> Iterator[None]:
        """While it lasts, the product's modules get these clients."""
        with ExitStack() as stack:
            for module in USERS:
                stack.enter_context(patch(f"waybill.aws.{module}.session", lambda: self))
            yield

    # Without faults: what the simulator itself and its people do

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        metadata: Mapping[str, str] | None = None,
        content_type: str = "binary/octet-stream",
        etag: str | None = None,
        reason: str = "PutObject",
    ) -> Object:
        modified = self.timeline.now().replace(microsecond=0)
        digest = etag or hashlib.md5(data).hexdigest()  # as S3 does
        found = Object(data, digest, modified, content_type, metadata or {})
        self.buckets[bucket][key] = found
        self.on_change(bucket, key, found)
        self.on_created(
            {
                "bucket": {"name": bucket},
                "object": {
                    "key": key,
                    "size": len(data),
                    "etag": found.etag,
                    "sequencer": f"{next(self._sequence):016X}",
                },
                "requester": "123456789012",
                "reason": reason,
            }
        )
        return found

    def remove(self, bucket: str, key: str) -> None:
        if self.buckets[bucket].pop(key, None) is not None:
            self.on_change(bucket, key, None)

    def _read_for_map(self, bucket: str, key: str, resume: Callable[[bytes], None], refuse: Refuse) -> None:
        """Read the items of a Map, as Step Functions itself does."""

        def read() -> bytes:
            data: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            return data

        def end(task: Task) -> None:
            if task.error is None:
                resume(task.result)
            else:
                refuse(StateError("States.ItemReaderFailed", repr(task.error)))

        self.timeline.start(
            read, on_end=end, name="states", process=Process(f"states/{family(key)}#{next(self._reads)}")
        )


class Client:
    """One service. `attempts` and the waits between them are those of the product's boto3 client."""

    name = ""
    attempts = 5  # legacy mode, and standard mode with `max_attempts: 5`
    timeout_seconds = 60.0

    class exceptions:
        ClientError = ClientError

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def _request(self, operation: str, detail: str, effect: Callable[[], T]) -> T:
        """One request, repeated as boto3 does."""
        for attempt in range(1, self.attempts + 1):
            try:
                return self._aws.calls.call(self.name, operation, detail, effect, timeout_seconds=self.timeout_seconds)
            except CallFailed as failed:
                if attempt == self.attempts:
                    raise _error(failed.failure, operation) from None
            self._aws.timeline.sleep(min(20.0, self._aws.fraction() * 2 ** (attempt - 1)))
        raise AssertionError("unreachable")


def _error(failure: Failure, operation: str) -> Exception:
    """As boto3 raises it."""
    if failure in ANSWERS:
        return client_error(*ANSWERS[failure], operation)
    kind = ReadTimeoutError if failure is Failure.TIMEOUT else EndpointConnectionError
    return kind(endpoint_url=ENDPOINT, error=failure)


class S3(Client):
    name = "s3"

    class exceptions(Client.exceptions):
        NoSuchUpload = type("NoSuchUpload", (ClientError,), {})

    def _bucket(self, name: str, operation: str) -> dict[str, Object]:
        if name not in self._aws.buckets:
            raise client_error("NoSuchBucket", 404, operation)
        return self._aws.buckets[name]

    def _object(self, bucket: str, key: str, operation: str, if_match: str | None = None) -> Object:
        found = self._bucket(bucket, operation).get(key)
        if found is None:
            raise client_error("404" if operation == "HeadObject" else "NoSuchKey", 404, operation)
        if if_match is not None and if_match.strip('"') != found.etag:
            raise client_error("PreconditionFailed", 412, operation)
        return found

    def head_bucket(self, *, Bucket: str, ExpectedBucketOwner: str = "") -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._bucket(Bucket, "HeadBucket")
            return {}

        return self._request("HeadBucket", Bucket, effect)

    def head_object(
        self, *, Bucket: str, Key: str, ExpectedBucketOwner: str = "", ChecksumMode: str = ""
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            found = self._object(Bucket, Key, "HeadObject")
            checksum = self._aws.checksums.get(found.etag) if ChecksumMode else None
            return found.head() | ({"ChecksumSHA256": checksum} if checksum else {})

        return self._request("HeadObject", f"{Bucket}/{Key}", effect)

    def get_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Range: str | None = None,
        IfMatch: str | None = None,
        ExpectedBucketOwner: str = "",
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            found = self._object(Bucket, Key, "GetObject", IfMatch)
            if Key in self._aws.poison.unreadable:
                raise client_error("AccessDenied", 403, "GetObject")
            data = found.data if Range is None else _range(found.data, Range)
            return {**found.head(), "ContentLength": len(data), "Body": io.BytesIO(data)}

        return self._request("GetObject", f"{Bucket}/{Key}", effect)

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes | bytearray,
        ContentType: str = "binary/octet-stream",
        Metadata: Mapping[str, str] | None = None,
        IfNoneMatch: str | None = None,
        IfMatch: str | None = None,
        ExpectedBucketOwner: str = "",
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._check_replaceable(Bucket, Key, "PutObject", IfNoneMatch, IfMatch)
            return {"ETag": f'"{self._aws.put(Bucket, Key, bytes(Body), Metadata, ContentType).etag}"'}

        return self._request("PutObject", f"{Bucket}/{Key}", effect)

    def _check_replaceable(
        self, bucket: str, key: str, operation: str, if_none_match: str | None, if_match: str | None
    ) -> None:
        """Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes"."""
        found = self._bucket(bucket, operation).get(key)
        assert if_none_match in (None, "*")
        if if_match and found is None:
            raise client_error("NoSuchKey", 404, operation)
        if (if_none_match and found) or (if_match and found and if_match.strip('"') != found.etag):
            raise client_error("PreconditionFailed", 412, operation)

    def copy_object(
        self,
        *,
        Bucket: str,
        Key: str,
        CopySource: Mapping[str, str],
        MetadataDirective: str = "COPY",
        Metadata: Mapping[str, str] | None = None,
        ContentType: str | None = None,
        CopySourceIfMatch: str | None = None,
        ExpectedBucketOwner: str = "",
        ExpectedSourceBucketOwner: str = "",
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._bucket(Bucket, "CopyObject")
            source = self._object(CopySource["Bucket"], CopySource["Key"], "CopyObject", CopySourceIfMatch)
            replaces = MetadataDirective == "REPLACE"
            metadata = Metadata if replaces else source.metadata
            kind = (ContentType if replaces else None) or source.content_type
            copied = self._aws.put(Bucket, Key, source.data, metadata, kind, reason="CopyObject")
            return {"CopyObjectResult": {"ETag": f'"{copied.etag}"', "LastModified": copied.modified}}

        return self._request("CopyObject", f"{Bucket}/{Key}", effect)

    def delete_object(
        self, *, Bucket: str, Key: str, IfMatch: str | None = None, ExpectedBucketOwner: str = ""
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._check_deletable(Key, "DeleteObject")
            if IfMatch is not None:
                self._object(Bucket, Key, "DeleteObject", IfMatch)
            self._bucket(Bucket, "DeleteObject")
            self._aws.remove(Bucket, Key)
            return {}

        return self._request("DeleteObject", f"{Bucket}/{Key}", effect)

    def _check_deletable(self, key: str, operation: str) -> None:
        if key in self._aws.poison.undeletable:
            raise client_error("AccessDenied", 403, operation)

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, Any]) -> dict[str, Any]:
        keys = [found["Key"] for found in Delete["Objects"]]
        assert 0 < len(keys) <= MAX_DELETED_AT_ONCE

        def effect() -> dict[str, Any]:
            errors = []
            for key in keys:
                if key in self._aws.poison.undeletable:
                    errors.append({"Key": key, "Code": "AccessDenied", "Message": "Access Denied"})
                else:
                    self._aws.remove(Bucket, key)
            return {"Errors": errors} if errors else {}

        return self._request("DeleteObjects", f"{Bucket}/{keys[0]}", effect)

    def list_objects_v2(
        self,
        *,
        Bucket: str,
        Prefix: str = "",
        Delimiter: str = "",
        ContinuationToken: str = "",
        StartAfter: str = "",
        MaxKeys: int = 1_000,
        ExpectedBucketOwner: str = "",
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            objects = self._bucket(Bucket, "ListObjectsV2")
            after = ContinuationToken or StartAfter
            keys = sorted(key for key in objects if key.startswith(Prefix) and key > after)
            if Delimiter:
                keys = [key for key in keys if Delimiter not in key.removeprefix(Prefix)]
            limit = min(MaxKeys, self._aws.page_keys)
            page = [
                {
                    "Key": key,
                    "ETag": f'"{objects[key].etag}"',
                    "Size": len(objects[key].data),
                    "LastModified": objects[key].modified,
                }
                for key in keys[:limit]
            ]
            answer: dict[str, Any] = {"KeyCount": len(page), "IsTruncated": len(keys) > limit}
            if page:
                answer["Contents"] = page
            if answer["IsTruncated"]:
                answer["NextContinuationToken"] = keys[limit - 1]
            return answer

        return self._request("ListObjectsV2", f"{Bucket}/{Prefix}", effect)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2", operation
        client = self

        class Paginator:
            def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
                request.pop("PaginationConfig", None)
                page = client.list_objects_v2(**request)
                yield page
                while token := page.get("NextContinuationToken"):
                    page = client.list_objects_v2(**request, ContinuationToken=token)
                    yield page

        return Paginator()

    def create_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        ContentType: str = "binary/octet-stream",
        Metadata: Mapping[str, str] | None = None,
        ExpectedBucketOwner: str = "",
        ChecksumAlgorithm: str = "",
    ) -> dict[str, Any]:
        has_checksums = ChecksumAlgorithm == "SHA256"

        def effect() -> dict[str, Any]:
            self._bucket(Bucket, "CreateMultipartUpload")
            upload_id = f"upload-{next(self._aws._sequence)}"
            upload = Upload(f"{Bucket}/{Key}", ContentType, Metadata or {}, has_checksums=has_checksums)
            self._aws.uploads[upload_id] = upload
            return {"UploadId": upload_id}

        return self._request("CreateMultipartUpload", f"{Bucket}/{Key}", effect)

    def _upload(self, upload_id: str, place: str, operation: str) -> Upload:
        upload = self._aws.uploads.get(upload_id)
        if upload is None or upload.key != place:
            raise client_error("NoSuchUpload", 404, operation, self.exceptions.NoSuchUpload)
        return upload

    def upload_part(
        self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes | bytearray
    ) -> dict[str, Any]:
        data, place = bytes(Body), f"{Bucket}/{Key}"

        def effect() -> dict[str, Any]:
            self._upload(UploadId, place, "UploadPart").parts[PartNumber] = data
            return {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}

        return self._request("UploadPart", place, effect)

    def upload_part_copy(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        CopySource: Mapping[str, str],
        CopySourceRange: str,
        ExpectedBucketOwner: str = "",
        ExpectedSourceBucketOwner: str = "",
        CopySourceIfMatch: str | None = None,
    ) -> dict[str, Any]:
        place = f"{Bucket}/{Key}"

        def effect() -> dict[str, Any]:
            source = self._object(CopySource["Bucket"], CopySource["Key"], "UploadPartCopy", CopySourceIfMatch)
            data = _range(source.data, CopySourceRange)
            self._upload(UploadId, place, "UploadPartCopy").parts[PartNumber] = data
            return {"CopyPartResult": {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}}

        return self._request("UploadPartCopy", place, effect)

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        MultipartUpload: Mapping[str, Any],
        IfNoneMatch: str | None = None,
        IfMatch: str | None = None,
        ExpectedBucketOwner: str = "",
    ) -> dict[str, Any]:
        place = f"{Bucket}/{Key}"

        def effect() -> dict[str, Any]:
            upload = self._upload(UploadId, place, "CompleteMultipartUpload")
            self._check_replaceable(Bucket, Key, "CompleteMultipartUpload", IfNoneMatch, IfMatch)
            wanted = MultipartUpload["Parts"]
            numbers = [part["PartNumber"] for part in wanted]
            digests = {number: hashlib.md5(upload.parts[number]) for number in numbers if number in upload.parts}
            if numbers != sorted(set(numbers)) or not numbers:
                raise client_error("InvalidPartOrder", 400, "CompleteMultipartUpload")
            for part in wanted:
                known = digests.get(part["PartNumber"])
                if known is None or known.hexdigest() != part["ETag"].strip('"'):
                    raise client_error("InvalidPart", 400, "CompleteMultipartUpload")
            if any(len(upload.parts[number]) < self._aws.min_part_bytes for number in numbers[:-1]):
                raise client_error("EntityTooSmall", 400, "CompleteMultipartUpload")
            for part in wanted if upload.has_checksums else ():
                known_sha256 = base64.b64encode(upload.sha256(part["PartNumber"])).decode()
                if part.get("ChecksumSHA256") != known_sha256:  # S3 wants them, too
                    raise client_error("InvalidPart", 400, "CompleteMultipartUpload")
            joined = hashlib.md5(b"".join(digests[number].digest() for number in numbers)).hexdigest()
            data = b"".join(upload.parts[number] for number in numbers)
            etag, reason = f"{joined}-{len(numbers)}", "CompleteMultipartUpload"
            if upload.has_checksums:
                composite = hashlib.sha256(b"".join(map(upload.sha256, numbers))).digest()
                self._aws.checksums[etag] = f"{base64.b64encode(composite).decode()}-{len(numbers)}"
            del self._aws.uploads[UploadId]
            self._aws.put(Bucket, Key, data, upload.metadata, upload.content_type, etag, reason)
            return {"ETag": f'"{etag}"'}

        return self._request("CompleteMultipartUpload", place, effect)

    def abort_multipart_upload(
        self, *, Bucket: str, Key: str, UploadId: str, ExpectedBucketOwner: str = ""
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._upload(UploadId, f"{Bucket}/{Key}", "AbortMultipartUpload")
            del self._aws.uploads[UploadId]
            return {}

        return self._request("AbortMultipartUpload", f"{Bucket}/{Key}", effect)

    def list_parts(self, *, Bucket: str, Key: str, UploadId: str, PartNumberMarker: int = 0) -> dict[str, Any]:
        place = f"{Bucket}/{Key}"

        def effect() -> dict[str, Any]:
            upload = self._upload(UploadId, place, "ListParts")
            numbers = [number for number in sorted(upload.parts) if number > PartNumberMarker]
            page = [
                {
                    "PartNumber": number,
                    "Size": len(upload.parts[number]),
                    "ETag": f'"{hashlib.md5(upload.parts[number]).hexdigest()}"',
                    "ChecksumSHA256": base64.b64encode(upload.sha256(number)).decode(),
                }
                for number in numbers[: self._aws.page_keys]
            ]
            return {"Parts": page, "IsTruncated": len(numbers) > len(page)}

        return self._request("ListParts", place, effect)

    def list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._bucket(Bucket, "ListMultipartUploads")
            found = {
                upload_id: upload.key.removeprefix(f"{Bucket}/")
                for upload_id, upload in self._aws.uploads.items()
                if upload.key.startswith(f"{Bucket}/{Prefix}")
            }
            return {"Uploads": [{"Key": key, "UploadId": upload_id} for upload_id, key in found.items()]}

        return self._request("ListMultipartUploads", f"{Bucket}/{Prefix}", effect)

    # Signing asks nobody.

    def generate_presigned_url(self, operation: str, Params: Mapping[str, Any], ExpiresIn: int) -> str:
        return f"https://s3.test/{Params['Bucket']}/{Params['Key']}?X-Amz-Expires={ExpiresIn}"

    def generate_presigned_post(self, bucket: str, key: str, Conditions: Any, ExpiresIn: int) -> dict[str, Any]:
        return {"url": f"https://s3.test/{bucket}", "fields": {"key": key}}


def _range(data: bytes, text: str) -> bytes:
    start, _, end = text.removeprefix("bytes=").partition("-")
    if int(start) >= len(data):
        raise client_error("InvalidRange", 416, "GetObject")
    return data[int(start) : int(end) + 1 if end else None]


class StepFunctions(Client):
    name = "stepfunctions"

    class exceptions(Client.exceptions):
        class ExecutionAlreadyExists(ClientError):
            pass

        class ExecutionDoesNotExist(ClientError):
            pass

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            try:
                execution = self._aws.executions.start(stateMachineArn, name, input)
            except ExecutionAlreadyExists:
                kind = self.exceptions.ExecutionAlreadyExists
                raise client_error("ExecutionAlreadyExists", 400, "StartExecution", kind) from None
            return {"executionArn": execution.arn}

        return self._request("StartExecution", name, effect)

    def _execution(self, arn: str, operation: str) -> Execution:
        if arn not in self._aws.executions.all:
            raise client_error("ExecutionDoesNotExist", 400, operation, self.exceptions.ExecutionDoesNotExist)
        return self._aws.executions.all[arn]

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            execution = self._execution(executionArn, "DescribeExecution")
            return {"executionArn": executionArn, "name": execution.name, "status": execution.status}

        return self._request("DescribeExecution", executionArn.rpartition(":")[2], effect)

    def stop_execution(self, *, executionArn: str, error: str = "", cause: str = "") -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._execution(executionArn, "StopExecution")
            self._aws.executions.stop(executionArn)
            return {}

        return self._request("StopExecution", executionArn.rpartition(":")[2], effect)


class EventBridge(Client):
    name = "events"

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            results: list[dict[str, str]] = []
            for entry in Entries:
                if self._aws.poison.events(entry):
                    results.append({"ErrorCode": "InternalFailure", "ErrorMessage": "refused"})
                else:
                    self._aws.events.append((self._aws.timeline.seconds, entry))
                    results.append({"EventId": str(len(self._aws.events))})
            return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

        return self._request("PutEvents", Entries[0]["DetailType"], effect)


class Lambda(Client):
    name, attempts, timeout_seconds = "lambda", 1, 26.0

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        timeline, waiting = self._aws.timeline, False

        def ended(_: Task) -> None:
            if waiting and caller is not None:
                timeline.wake(caller)

        caller = timeline.task
        task = self._request("Invoke", FunctionName, lambda: self._aws.invoke(FunctionName, json.loads(Payload), ended))
        waiting = not task.is_over
        if waiting:
            timeline.wait()
        answer: dict[str, Any] = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(task.result).encode())}
        return answer | {"FunctionError": "Unhandled"} if task.error is not None else answer


class Ses(Client):
    name = "sesv2"

    def send_email(self, *, FromEmailAddress: str, Destination: Any, Content: Any) -> dict[str, Any]:
        (recipient,) = Destination["ToAddresses"]

        def effect() -> dict[str, Any]:
            if recipient in self._aws.poison.mails:
                words = f"Email address is not verified. The following identities failed the check: {recipient}"
                raise client_error("MessageRejected", 400, "SendEmail", message=words)
            simple = Content["Simple"]
            self._aws.mails.append((recipient, simple["Subject"]["Data"], simple["Body"]["Text"]["Data"]))
            return {"MessageId": str(len(self._aws.mails))}

        return self._request("SendEmail", recipient, effect)


class SecretsManager(Client):
    name = "secretsmanager"

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            if SecretId not in self._aws.secrets:
                raise client_error("ResourceNotFoundException", 400, "GetSecretValue")
            return {"SecretString": self._aws.secrets[SecretId]}

        return self._request("GetSecretValue", SecretId, effect)


class Cognito(Client):
    name = "cognito-idp"

    class exceptions(Client.exceptions):
        UserNotFoundException = type("UserNotFoundException", (ClientError,), {})

    def _user(self, name: str, operation: str) -> Caller:
        if name not in self._aws.users:
            raise client_error("UserNotFoundException", 400, operation, self.exceptions.UserNotFoundException)
        return self._aws.users[name]

    def admin_get_user(self, *, UserPoolId: str, Username: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            subject = self._user(Username, "AdminGetUser").subject
            return {"Enabled": True, "UserAttributes": [{"Name": "sub", "Value": subject}]}

        return self._request("AdminGetUser", Username, effect)

    def admin_list_groups_for_user(self, *, UserPoolId: str, Username: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            groups = self._user(Username, "AdminListGroupsForUser").groups
            return {"Groups": [{"GroupName": name} for name in sorted(groups)]}

        return self._request("AdminListGroupsForUser", Username, effect)
