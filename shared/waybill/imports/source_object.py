"""The S3 object that an import reads."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.tabular.records import Readable


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an S3 object; without an ETag any version."""

    bucket: str
    key: str
    etag: str | None


class ObjectFile(io.RawIOBase):
    """One version of an S3 object as a file with a position. Consecutive reads share one request."""

    def __init__(self, files: Files, version: ObjectVersion) -> None:
        self._files, self._version = files, version
        info = files.head(version.bucket, version.key)
        self._size = info.size_bytes if info else 0
        self._position = 0
        self._stream: Readable | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise ValueError("position before the file")
        if position != self._position:
            self._position, self._stream = position, None
        return position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        if self._position >= self._size:
            return 0
        if self._stream is None:
            version = self._version
            self._stream = self._files.open(version.bucket, version.key, start=self._position, etag=version.etag)
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
