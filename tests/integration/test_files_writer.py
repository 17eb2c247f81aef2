"""Objects of any size that S3 takes are written in at most 10,000 parts, and small ones in small parts."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest

from waybill.aws import files as aws_files
from waybill.bootstrap import Services


def test_ten_thousand_parts_hold_five_terabytes() -> None:
    size, parts, largest = 0, 0, 0
    while size < aws_files.MAX_OBJECT_BYTES:
        largest = aws_files.part_bytes(size)
        size, parts = size + largest, parts + 1
    assert parts <= 10_000 and largest <= 5 * 1024**3


def test_parts_stay_small_as_long_as_the_file_does() -> None:
    assert aws_files.part_bytes(6 * 10**9) == aws_files.PART_BYTES
    assert aws_files.part_bytes(12 * 10**9) < 10 * 10**6
    assert aws_files.part_bytes(75 * 10**9) <= 60 * 10**6


def test_parts_that_grow_make_the_same_object(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_files, "PART_BYTES", 1_000)
    monkeypatch.setattr(aws_files, "_PART_SHARE", 4)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    content = os.urandom(50_000)
    bucket = services.settings.files_bucket
    writer = services.files.writer(bucket, "large")
    for start, end in itertools.pairwise(range(0, len(content) + 1, 100)):
        writer.write(content[start:end])
        if start == 25_000:  # another invocation goes on
            writer = services.files.resume_writer(bucket, "large", "application/octet-stream", writer.pause())
    writer.close()
    assert services.files.read(bucket, "large") == content
    assert len(writer.pause()["etags"]) < 25  # 50 without growing


@pytest.mark.parametrize("has_kms_key", [False, True])
@pytest.mark.parametrize("is_ours", [True, False])
def test_an_upload_that_was_completed_although_the_reply_was_lost_is_complete(
    services: Services, monkeypatch: pytest.MonkeyPatch, is_ours: bool, has_kms_key: bool
) -> None:
    """With a KMS key an object's ETag is no digest of its content (Amazon S3 API Reference, *Object*)."""
    monkeypatch.setattr(aws_files, "PART_BYTES", 1_000)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    bucket = services.settings.files_bucket
    writer = services.files.writer(bucket, "large")
    writer.write(b"x" * 1_000)
    writer.write(b"y" * 1_000)
    s3 = services.files._s3
    complete = s3.complete_multipart_upload

    def refuse_the_retry(**request: Any) -> None:
        if is_ours:
            complete(**request)
        else:
            services.files.put(bucket, "large", b"another")
        raise s3.exceptions.NoSuchUpload({"Error": {"Code": "NoSuchUpload"}}, "CompleteMultipartUpload")  # type: ignore[typeddict-item]

    head = s3.head_object

    def with_kms_key(**request: Any) -> dict[str, Any]:
        answer = head(**request)
        parts = answer["ETag"].strip('"').partition("-")[2]
        return {**answer, "ServerSideEncryption": "aws:kms", "ETag": f'"{"0" * 32}{parts and "-"}{parts}"'}

    if has_kms_key:
        monkeypatch.setattr(s3, "head_object", with_kms_key)
    monkeypatch.setattr(s3, "complete_multipart_upload", refuse_the_retry)
    if is_ours:
        writer.close()
        assert services.files.read(bucket, "large") == b"x" * 1_000 + b"y" * 1_000
    else:
        with pytest.raises(s3.exceptions.NoSuchUpload):
            writer.close()
