"""Gzip and zip files as streams, and zip directories that are safe to open.

The sizes that a container states are not trusted: its content is counted while it is read.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Protocol

from waybill.errors import JobFailed
from waybill.tabular.records import Readable

MAX_INFLATED_BYTES = 5 * 1024**3
# Deflate reaches 1,030 to 1; tables stay far below.
MAX_RATIO = 500
RATIO_COUNTS_FROM_BYTES = 64 * 1024**2
MAX_ENTRIES = 2_000
# Writers that append end with an empty member now and then; each costs as much as many bytes.
MAX_EMPTY_MEMBERS = 1_000
MAX_DIRECTORY_BYTES = 1024**2
_BLOCK_BYTES = 64 * 1024
_INFLATED_BLOCK_BYTES = 1024 * 1024
_END_RECORD = struct.Struct("<4s4H2LH")
_ZIP64_END_RECORD = struct.Struct("<4sQ2H2L4Q")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Seekable(Readable, Protocol):
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


class Meter:
    """Compares the size of a container's content with that of the container."""

    def __init__(self, max_bytes: int = MAX_INFLATED_BYTES) -> None:
        self._max_bytes = max_bytes
        self.inflated_bytes = 0

    def add(self, inflated: int, compressed_so_far: int) -> None:
        """
        Raises:
            JobFailed: `compression-error`, the content is larger than that of any table.
        """
        self.inflated_bytes += inflated
        check_size(self.inflated_bytes, compressed_so_far, self._max_bytes)


def check_size(inflated_bytes: int, compressed_bytes: int, max_bytes: int = MAX_INFLATED_BYTES) -> None:
    """
    Raises:
        JobFailed: `compression-error`.
    """
    if inflated_bytes > max_bytes:
        raise JobFailed("compression-error", f"The file holds more than {max_bytes / 1024**3:g} GiB when decompressed.")
    if inflated_bytes > RATIO_COUNTS_FROM_BYTES and inflated_bytes > MAX_RATIO * compressed_bytes:
        raise JobFailed(
            "compression-error", f"The file decompresses to over {MAX_RATIO} times its size, more than any table does."
        )


class Gunzip:
    """The content of a gzip file. The contents of several members are joined (RFC 1952, section 2.2)."""

    def __init__(self, stream: Readable, max_bytes: int = MAX_INFLATED_BYTES) -> None:
        self._stream = stream
        self._meter = Meter(max_bytes)
        self._taken_bytes = 0
        self._inflater = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._ended = False
        self._empty_members = self._member_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """
        Raises:
            JobFailed: `compression-error`.
        """
        limit = min(size, _INFLATED_BLOCK_BYTES) if size > 0 else _INFLATED_BLOCK_BYTES
        while not self._ended:
            if self._inflater.eof and not self._next_member():
                return b""
            if not self._pending:
                self._take()
            try:
                data = self._inflater.decompress(self._pending, limit)
            except zlib.error:
                raise JobFailed("compression-error", "The gzip file is damaged.") from None
            if not (self._pending or data or self._inflater.eof):
                raise JobFailed("compression-error", "The gzip file ends too early.")
            self._pending = self._inflater.unconsumed_tail
            self._member_bytes += len(data)
            if data:
                self._meter.add(len(data), self._taken_bytes)
                return data
        return b""

    def _take(self) -> None:
        self._pending = self._stream.read(_BLOCK_BYTES)
        self._taken_bytes += len(self._pending)

    def _next_member(self) -> bool:
        """Begin the next member; False at the end of the file."""
        self._pending = self._inflater.unused_data
        if not self._pending:
            self._take()
        while self._pending and not self._pending.strip(b"\0"):  # tapes and blocks are padded with zeros
            self._take()
        if not self._pending:
            self._ended = True
            return False
        if not b"\x1f\x8b".startswith(self._pending[:2]) and not self._pending.startswith(b"\x1f\x8b"):
            raise JobFailed("compression-error", "Other bytes follow the end of the gzip file.")
        self._empty_members += not self._member_bytes
        if self._empty_members > MAX_EMPTY_MEMBERS:
            what = f"The gzip file has more than {MAX_EMPTY_MEMBERS:,} members without content."
            raise JobFailed("compression-error", what)
        self._member_bytes = 0
        self._inflater = zlib.decompressobj(wbits=31)
        return True


def open_zip(file: Seekable) -> zipfile.ZipFile:
    """Open a zip file whose directory has a reasonable size.

    Raises:
        JobFailed: `compression-error`.
    """
    with damage_told("The zip file is damaged or ends too early."):
        entries, directory_bytes = _directory(file)
        if entries > MAX_ENTRIES or directory_bytes > MAX_DIRECTORY_BYTES:
            raise JobFailed("compression-error", f"The zip file has {entries:,} entries, more than {MAX_ENTRIES:,}.")
        return zipfile.ZipFile(file)


@contextmanager
def damage_told(message: str, code: str = "compression-error") -> Iterator[None]:
    """Turns what `zipfile` and `zlib` raise for broken bytes into JobFailed."""
    try:
        yield
    except zipfile.BadZipFile as error:
        if "Bad CRC" in str(error):
            message = "The content of the zip file does not match its checksum."
        raise JobFailed(code, message) from None
    except (zlib.error, struct.error, EOFError, ValueError, NotImplementedError, IndexError, OverflowError):
        raise JobFailed(code, message) from None


def _directory(file: Seekable) -> tuple[int, int]:
    """(entries, bytes) of the directory, by the record at the end of the file (APPNOTE 4.3.16, 4.3.14)."""
    size = file.seek(0, 2)
    tail_bytes = min(size, 0xFFFF + _END_RECORD.size + _ZIP64_LOCATOR.size)
    file.seek(size - tail_bytes)
    tail = b""
    while len(tail) < tail_bytes and (data := file.read(tail_bytes - len(tail))):
        tail += data
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise zipfile.BadZipFile("no end record")
    entries, directory_bytes = _END_RECORD.unpack_from(tail, at)[4:6]
    if entries == 0xFFFF or directory_bytes == 0xFFFFFFFF:
        locator = at - _ZIP64_LOCATOR.size
        if locator >= 0 and tail[locator : locator + 4] == b"PK\6\7":
            file.seek(_ZIP64_LOCATOR.unpack_from(tail, locator)[2])
            record = file.read(_ZIP64_END_RECORD.size)
            entries, directory_bytes = _ZIP64_END_RECORD.unpack(record)[7:9]
    return entries, directory_bytes


def files_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip file by path, but for what Finder and Explorer add.

    Raises:
        JobFailed: `compression-error`: one is there twice.
    """
    files: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        path = info.filename.replace("\\", "/")
        if path.endswith("/") or _is_added(path):  # `is_dir` fails for a file without a name
            continue
        if path in files:
            raise JobFailed("compression-error", f'The zip file holds "{path}" twice.')
        files[path] = info
    return files


def chosen_file(archive: zipfile.ZipFile, entry: str | None = None) -> zipfile.ZipInfo:
    """The file of a zip file that is meant: the only one, in whatever folder, but for what Finder and Explorer add.

    Args:
        entry: its path, or a pattern (`*`, `?`, `[…]`) of its path or of its name.

    Raises:
        JobFailed: `compression-error`; `source-error` where `entry` names no file, or several.
    """
    files = files_of(archive)
    if entry is None:
        if len(files) > 1:
            what = (
                f"The zip file holds {len(files)} files: {_listed(files)}. Say which one with `entry` in the dialect."
            )
            raise JobFailed("compression-error", what)
        found = list(files)
    else:
        found = [entry] if entry in files else [path for path in files if _fits(path, entry)]
        if len(found) != 1:
            what = f"{len(found)} files that fit" if found else "no file that fits"
            raise JobFailed("source-error", f'The zip file holds {what} "{entry}": {_listed(found or files)}.')
    if not found:
        raise JobFailed("compression-error", "The zip file holds no file.")
    info = files[found[0]]
    _check_entry(info)
    check_size(info.file_size, info.compress_size)
    return info


_MAX_LISTED = 5


def _is_added(path: str) -> bool:
    """Whether a program that packs folders has added a file of its own."""
    folders, name = path.split("/")[:-1], path.rpartition("/")[2]
    return "__MACOSX" in folders or name.startswith("._") or name.lower() in (".ds_store", "thumbs.db", "desktop.ini")


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)


def _listed(paths: Collection[str]) -> str:
    shown = ", ".join(list(paths)[:_MAX_LISTED])
    return f"{shown} and {len(paths) - _MAX_LISTED} more" if len(paths) > _MAX_LISTED else shown or "nothing"


def _check_entry(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 1:
        raise JobFailed("compression-error", "The zip file is encrypted.")
    if info.compress_type not in _METHODS:
        raise JobFailed("compression-error", f"The zip file uses compression method {info.compress_type}; use deflate.")


class Unzip:
    """The content of one entry of a zip file."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._meter = Meter()
        self._compressed_bytes, self._declared_bytes = info.compress_size, info.file_size
        with damage_told("The zip file is damaged."):
            self._entry = archive.open(info)

    def read(self, size: int = -1, /) -> bytes:
        """
        Raises:
            JobFailed: `compression-error`.
        """
        limit = min(size, _INFLATED_BLOCK_BYTES) if size > 0 else _INFLATED_BLOCK_BYTES
        with damage_told("The content of the zip file is damaged."):
            data = self._entry.read(limit)
        self._meter.add(len(data), self._compressed_bytes)
        if not data and self._meter.inflated_bytes != self._declared_bytes:
            raise JobFailed("compression-error", "The content of the zip file does not have the declared size.")
        return data
