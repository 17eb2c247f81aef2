"""Limits of S3 that moto and other emulators ignore, for each request of the tests that reaches moto.

| rule | answer | source (AWS documentation) |
|---|---|---|
| a key of more than 1,024 bytes of UTF-8 | 400 `KeyTooLongError` | *Naming Amazon S3 objects* |
| a part with another SHA-256 than its header says | 400 `BadDigest` | *UploadPart* |
| a copy, or the copy of a part, of more than 5 GiB | 400 `InvalidRequest` | *CopyObject*, *UploadPartCopy* |

`with_checksums` adds what moto leaves out of its lists of parts.

Presigned addresses have moto's host here; `tests/unit/test_regions.py` compares their real hosts with AWS's list.
"""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.parse
from collections.abc import Callable, Mapping

KEY_BYTES = 1_024
#: Tests make it smaller, or they would need files of 5 GiB.
COPY_BYTES = 5 * 1024**3
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def refusal(
    path: str,
    query: str,
    headers: Mapping[str, str],
    size_of: Callable[[str, str], int | None],
    content: bytes = b"",
) -> tuple[str, str] | None:
    """Code and message of the error with which S3 answers, where moto would do as it is told.

    Args:
        path: `/{bucket}/{key}`, decoded.
        headers: as WSGI names them.
        content: of the request.
        size_of: bytes of the object of a bucket and key; None where there is none.
    """
    signed = headers.get("HTTP_AUTHORIZATION", "") + urllib.parse.unquote(query)
    if "/s3/aws4_request" not in signed:
        return None
    if len(path.removeprefix("/").partition("/")[2].encode()) > KEY_BYTES:
        return "KeyTooLongError", "Your key is too long"
    checksum = headers.get("HTTP_X_AMZ_CHECKSUM_SHA256")
    if checksum is not None and "partNumber=" in query and checksum != sha256_of(content):
        return "BadDigest", "The SHA256 you specified did not match the calculated checksum."
    source = headers.get("HTTP_X_AMZ_COPY_SOURCE")
    if source is None:
        return None
    span = _RANGE.fullmatch(headers.get("HTTP_X_AMZ_COPY_SOURCE_RANGE", ""))
    if span is not None:
        size: int | None = int(span[2]) - int(span[1]) + 1
    else:
        bucket, _, key = urllib.parse.unquote(source.partition("?")[0]).removeprefix("/").partition("/")
        size = size_of(bucket, key)
    if size is not None and size > COPY_BYTES:
        rule = "The specified copy source is larger than the maximum allowable size for a copy source"
        return "InvalidRequest", f"{rule}: {COPY_BYTES}"
    return None


def sha256_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def with_checksums(answer: str, part_of: Callable[[int], bytes]) -> str:
    """The answer to ListParts, with the SHA-256 of each part, which S3 has for an upload that was begun with them.

    Args:
        part_of: the bytes of a part.
    """

    def added(part: re.Match[str]) -> str:
        return f"{part[0]}<ChecksumSHA256>{sha256_of(part_of(int(part[1])))}</ChecksumSHA256>"

    return re.sub(r"<PartNumber>(\d+)</PartNumber>", added, answer)
