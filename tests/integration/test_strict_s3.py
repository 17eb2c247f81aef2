"""What S3 refuses and moto does not is refused in the tests as well."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests import strict_s3

MIB = 1024 * 1024


@pytest.fixture
def bucket(empty_moto_url: str, s3: Any) -> str:
    s3.create_bucket(Bucket="strict")
    return "strict"


def test_a_key_has_1024_bytes_at_most(bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="ж" * 512, Body=b"x")
    with pytest.raises(ClientError, match="KeyTooLongError"):
        s3.put_object(Bucket=bucket, Key="ж" * 512 + "x", Body=b"x")
    with pytest.raises(ClientError, match="KeyTooLongError"):
        s3.get_object(Bucket=bucket, Key="ж" * 512 + "x")


def test_a_copy_has_5_gib_at_most(bucket: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert strict_s3.COPY_BYTES == 5_368_709_120
    monkeypatch.setattr(strict_s3, "COPY_BYTES", 6 * MIB)
    for name, size in (("small", 6 * MIB), ("large ж", 6 * MIB + 1)):
        s3.put_object(Bucket=bucket, Key=name, Body=b"x" * size)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "small"})
    large = {"Bucket": bucket, "Key": "large ж"}
    with pytest.raises(ClientError, match=r"InvalidRequest.*maximum allowable size"):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=large)
    at = {"Bucket": bucket, "Key": "copy"}
    part = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"], "PartNumber": 1, "CopySource": large}
    with pytest.raises(ClientError, match="InvalidRequest"):
        s3.upload_part_copy(**part)
    s3.upload_part_copy(**part, CopySourceRange=f"bytes=1-{6 * MIB}")
