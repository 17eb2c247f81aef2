"""Uploads in parts: several at once, each again if it fails, and from where they stopped."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import os
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waybill_client.client import Client, Progressed

#: Larger files are sent in parts.
PARTS_FROM_BYTES = 64 * 1024**2
AT_ONCE = 4
#: Waits before a part is sent again: some three minutes in all.
PAUSES_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 60.0)
_BLOCK_BYTES = 256 * 1024
_REMEMBERED = 50
_NOT_THERE = (403, 404, 409, 410)


class Unfinished:
    """The uploads that this machine has begun, in a file.

    Args:
        path: of the file; None to remember none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def find(self, fingerprint: str) -> str | None:
        """The id of the upload of a file."""
        upload_id = self._read().get(fingerprint)
        return upload_id if isinstance(upload_id, str) else None

    def add(self, fingerprint: str, upload_id: str) -> None:
        """Remember an upload, if the file can be written: without it an upload cannot be resumed, but sent."""
        if self._path is None:
            return
        known = {name: found for name, found in self._read().items() if name != fingerprint} | {fingerprint: upload_id}
        newest = dict(list(known.items())[-_REMEMBERED:])
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
            part.write_text(json.dumps(newest), encoding="utf-8")
            part.replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def send_in_parts(
    client: Client, source: Path, new: dict[str, Any], progressed: Progressed, unfinished: Unfinished
) -> str:
    """Upload a file in parts, and return the id of the upload. One that was begun before is continued: the parts that
    are there are compared with the file, and the others are sent.

    Args:
        new: the body of `POST /uploads` without the size.

    Raises:
        Refused, Unreachable
        OSError: also where the file changes while it is sent.
    """
    status = source.stat()
    known = [client.api_url, new, str(source.resolve()), status.st_size, status.st_mtime_ns]
    fingerprint = hashlib.sha256(json.dumps(known).encode()).hexdigest()
    upload = _begun_before(client, unfinished.find(fingerprint), status.st_size)
    if upload is None:
        upload = client.decode(client.post("/uploads", {**new, "sizeBytes": status.st_size})) | {"parts": []}
        unfinished.add(fingerprint, str(upload["uploadId"]))
    sending = _Sending(client, source, status.st_size, upload, progressed)
    checksum = sending.send()
    after = source.stat()
    if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise _changed(source)
    client.post(_path(upload["uploadId"], "complete"), {"checksum": checksum}, repeatable=True)
    return str(upload["uploadId"])


def _begun_before(client: Client, upload_id: str | None, size_bytes: int) -> dict[str, Any] | None:
    """The upload, if it can be continued."""
    if upload_id is None:
        return None
    try:
        upload = client.get(_path(upload_id))
    except Exception as error:
        if getattr(error, "status", None) in _NOT_THERE:  # expired, or somebody else is signed in
            return None
        raise
    return upload if upload["jobId"] is None and upload["sizeBytes"] == size_bytes else None


def _path(upload_id: str, *rest: str) -> str:
    return "/".join(["/uploads", urllib.parse.quote(str(upload_id), safe=""), *rest])


def _changed(source: Path) -> OSError:
    return OSError(errno.ESTALE, "it has changed while it was sent", str(source))


class _Stopped(Exception):
    """Another part has failed, or the user has interrupted the upload."""


class _Sending:
    """Sends the parts of one file that are not there yet, by AT_ONCE threads."""

    def __init__(
        self, client: Client, source: Path, size_bytes: int, upload: dict[str, Any], progressed: Progressed
    ) -> None:
        self._client, self._source, self._size_bytes, self._progressed = client, source, size_bytes, progressed
        self._upload_id, self._part_bytes = upload["uploadId"], int(upload["partBytes"])
        self._is_complete = bool(upload.get("isComplete"))
        self._there = {part["partNumber"]: part["sha256"] for part in upload["parts"]}
        self._done: dict[int, int] = {}  # bytes of each part
        self._sent = 0
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._stop = threading.Event()

    def send(self) -> str:
        """Send the parts; returns the checksum of the whole.

        Raises:
            Refused, Unreachable, OSError
        """
        numbers = range(1, -(-self._size_bytes // self._part_bytes) + 1)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            sent = [threads.submit(self._send_part, number) for number in numbers]
            try:
                done, _ = wait(sent, return_when=FIRST_EXCEPTION)
                errors = [error for each in done if (error := each.exception()) is not None]
                for error in errors:
                    if not isinstance(error, _Stopped):
                        raise error
            except BaseException:
                self._stop.set()
                threads.shutdown(cancel_futures=True)
                raise
        digests = [each.result() for each in sent]
        whole = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
        return f"{whole}-{len(digests)}"

    def _send_part(self, number: int) -> bytes:
        digest = hashlib.sha256()
        for block in self._blocks(number):
            digest.update(block)
        sha256 = base64.b64encode(digest.digest()).decode()
        size = min(self._part_bytes, self._size_bytes - (number - 1) * self._part_bytes)
        if not self._is_complete and self._there.get(number) != sha256:
            for pause in (*PAUSES_SECONDS, None):
                problem = self._try_part(number, size, sha256)
                if problem is None:
                    break
                if pause is None:
                    raise problem
                self._count(number, 0)
                self._stop.wait(pause)
        self._count(number, size)
        return digest.digest()

    def _try_part(self, number: int, size: int, sha256: str) -> Exception | None:
        """Send a part; returns why it has to be sent again.

        Raises:
            Refused, Unreachable: also after the client's own repetitions.
        """
        path, wanted = _path(self._upload_id, "parts"), {"parts": [{"partNumber": number, "sha256": sha256}]}
        with self._asking:  # one at a time renews an expired token
            self._check_stopped()
            [address] = self._client.decode(self._client.post(path, wanted, repeatable=True))["parts"]
        headers = {**address["headers"], "Content-Length": str(size), "Content-Type": "application/octet-stream"}
        return self._client.put_part(address["url"], self._counted(number), headers)

    def _counted(self, number: int) -> Iterator[bytes]:
        sent = 0
        for block in self._blocks(number):
            yield block
            sent += len(block)
            self._count(number, sent)

    def _blocks(self, number: int) -> Iterator[bytes]:
        left = min(self._part_bytes, self._size_bytes - (number - 1) * self._part_bytes)
        with self._source.open("rb") as file:
            file.seek((number - 1) * self._part_bytes)
            while left > 0:
                self._check_stopped()
                block = file.read(min(left, _BLOCK_BYTES))
                if not block:
                    raise _changed(self._source)
                left -= len(block)
                yield block

    def _count(self, number: int, size: int) -> None:
        with self._lock:
            self._sent += size - self._done.get(number, 0)
            self._done[number] = size
            self._progressed(self._sent, self._size_bytes)

    def _check_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped
