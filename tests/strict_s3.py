"""Limits of S3 that moto and other emulators ignore, for each request of the tests that reaches moto.

| rule | answer | source (AWS documentation) |
|---|---|---|
| a key of more than 1,024 bytes of UTF-8 | 400 `KeyTooLongError` | *Naming Amazon S3 objects* |
| a copy, or the copy of a part, of more than 5 GiB | 400 `InvalidRequest` | *CopyObject*, *UploadPartCopy* |

Presigned addresses have moto's host here; `tests/unit/test_regions.py` compares their real hosts with AWS's list.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping

KEY_BYTES = 1_024
#: Tests make it smaller, or they would need files of 5 GiB.
COPY_BYTES = 5 * 1024**3
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def refusal(
    path: str, query: str, headers: Mapping[str, str], size_of: Callable[[str, str], int | None]
) -> tuple[str, str] | None:
    """Code and message of the error with which S3 answers, where moto would do as it is told.

    Args:
        path: `/{bucket}/{key}`, decoded.
        headers: as WSGI names them.
        size_of: bytes of the object of a bucket and key; None where there is none.
    """
    signed = headers.get("HTTP_AUTHORIZATION", "") + urllib.parse.unquote(query)
    if "/s3/aws4_request" not in signed:
        return None
    if len(path.removeprefix("/").partition("/")[2].encode()) > KEY_BYTES:
        return "KeyTooLongError", "Your key is too long"
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
