"""A directory on an SFTP server (draft-ietf-secsh-filexfer-02, version 3; OpenSSH's extensions where it has them).

asyncssh runs on an event loop in a thread of its own, so that keepalives are sent while the caller reads its source.
It uses nothing of this machine: no agent, no `~/.ssh`, no known hosts, no configuration files.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_REGULAR, FX_FAILURE, FXF_CREAT, FXF_READ, FXF_TRUNC, FXF_WRITE

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.base import Timeouts
from waybill.exports.destinations.connection import UNKNOWN_SIZE, quoted, says_disk_full
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.destinations.folder import FolderFile
from waybill.exports.destinations.host_keys import HOST_KEY_TYPES, HostKey
from waybill.hosts import AllowedHosts, connect

asyncssh.set_log_level("WARNING")  # it logs hosts and user names at INFO

_T = TypeVar("_T")

_IN_FLIGHT_BYTES = 2 * 1024 * 1024
_BLOCK_BYTES = 32 * 1024  # every server takes as much in one request (draft, section 3)
_LARGE_BLOCK_BYTES = 255 * 1024  # OpenSSH's limit; larger blocks gain nothing
# Before asyncssh's first choice, ChaCha20: processors have instructions for AES.
_FAST_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
_READ_BYTES = 1024 * 1024  # in requests side by side; slow lines have the time of one request for it
_LISTED_AT_ONCE = 500
_KEEPALIVE_SECONDS = 15
_GOODBYE_SECONDS = 1.0
_LITTLE_SPACE_BYTES = 1024 * 1024
# Errors whose cause the server names; version 3 has one code, FX_FAILURE, for most others.
_REASONS: tuple[tuple[type[asyncssh.SFTPError], str], ...] = (
    (asyncssh.SFTPNoSuchFile, "not-found"),
    (asyncssh.SFTPNoSuchPath, "not-found"),
    (asyncssh.SFTPNotADirectory, "not-found"),
    (asyncssh.SFTPPermissionDenied, "permission"),
    (asyncssh.SFTPWriteProtect, "permission"),
    (asyncssh.SFTPFileAlreadyExists, "exists"),
    (asyncssh.SFTPNoSpaceOnFilesystem, "disk-full"),
    (asyncssh.SFTPQuotaExceeded, "disk-full"),
    (asyncssh.SFTPConnectionLost, "connection-lost"),
    (asyncssh.SFTPNoConnection, "connection-lost"),
)


_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_STAT_DENIED = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPOpUnsupported)


class SftpConnection:
    """See `ServerConnection`."""

    unsure_bytes = _IN_FLIGHT_BYTES

    def __init__(
        self, destination: Mapping[str, Any], credentials: Credentials, allowed: AllowedHosts, timeouts: Timeouts
    ) -> None:
        self._host = str(destination["host"])
        self._port = int(destination["port"])
        self._directory = str(destination["directory"]).rstrip("/")
        self._credentials, self._timeouts = credentials, timeouts
        self._connection: asyncssh.SSHClientConnection | None = None
        keys = _client_keys(credentials)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sftp", daemon=True)
        self._thread.start()
        try:
            host_key = HostKey.parse(str(destination["hostKey"]))
            self._connection = self._log_in(host_key, credentials, keys, allowed)
            with self._answers(""):
                self._sftp = self._wait(self._connection.start_sftp_client())
                # asyncssh assumes 16 KB for servers that do not state a limit.
                self._block_bytes = max(_BLOCK_BYTES, min(self._sftp.limits.max_write_len, _LARGE_BLOCK_BYTES))
                is_missing = self._lacks_directory()
            if is_missing:
                raise DeliveryFailed("not-found", f"{self._host} has no directory {destination['directory']}.")
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def size(self, name: str) -> int | None:
        with self._answers(name):
            return self._size(self._path(name))

    def _size(self, path: str) -> int | None:
        try:
            # Not following links: a dangling one has the name too.
            attributes = self._wait(self._sftp.lstat(path))
        except _MISSING:
            return None
        except _STAT_DENIED:
            return self._size_without_stat(path)
        if attributes.size is None:
            raise DeliveryFailed("protocol", f"{self._host} does not report the size of a file.")
        return attributes.size

    def _size_without_stat(self, path: str) -> int | None:
        """Folders that may only be written to deny stat: the size of a file that is open for writing, or that of the
        list."""
        try:
            file = self._wait(self._sftp.open(path, FXF_WRITE, encoding=None, block_size=0))
        except _MISSING:
            return None
        except (asyncssh.SFTPFailure, *_STAT_DENIED):
            return self._size_in_list(path)
        try:
            size = self._wait(file.stat()).size
        except (asyncssh.SFTPFailure, *_STAT_DENIED):
            return self._size_in_list(path)
        finally:
            self._wait(file.close())
        return UNKNOWN_SIZE if size is None else size

    def _size_in_list(self, path: str) -> int | None:
        try:
            found = self._entry(path)
        except (asyncssh.SFTPFailure, *_STAT_DENIED):
            return UNKNOWN_SIZE  # what does not exist is not denied
        if found is None:
            return None
        return UNKNOWN_SIZE if found.attrs.size is None else found.attrs.size

    def _entry(self, path: str) -> asyncssh.SFTPName | None:
        """A file as the list of its folder shows it."""
        folder, _, name = path.rpartition("/")
        entries = self._wait(self._sftp.readdir(folder or "/"))
        return next((entry for entry in entries if entry.filename == name), None)

    def _lacks_directory(self) -> bool:
        directory = self._directory or "/"
        if self._wait(self._sftp.isdir(directory)):
            return False
        try:
            self._wait(self._sftp.stat(directory))
        except _STAT_DENIED:
            return False  # the first file tells
        except asyncssh.SFTPError:
            return True
        return True

    def write(self, name: str, offset: int, chunks: Iterable[bytes], progress: Callable[[int], None]) -> None:
        flags = FXF_WRITE | (FXF_CREAT | FXF_TRUNC if offset == 0 else 0)
        with self._answers(name):
            # No block size: each block is one request, instead of a further pool of requests.
            upload = _Upload(self._wait(self._sftp.open(self._path(name), flags, encoding=None, block_size=0)), offset)
        try:
            for chunk in chunks:
                for start in range(0, len(chunk), self._block_bytes):
                    block = bytes(chunk[start : start + self._block_bytes])
                    with self._answers(name):
                        done = self._wait(upload.send(block, offset))
                    offset += len(block)
                    if done is not None:
                        progress(done)
            while True:
                with self._answers(name):
                    done = self._wait(upload.oldest())
                if done is None:
                    break
                progress(done)
            with self._answers(name):
                self._wait(upload.close())
        except DeliveryFailed as failure:
            if failure.reason not in ("timeout", "connection-lost"):  # the connection still works
                with suppress(DeliveryFailed), self._answers(name):
                    self._wait(upload.close())
            raise
        except BaseException:  # from `chunks` or `progress`
            self._close()
            raise

    def rename(self, old: str, new: str, replace: bool) -> None:
        with self._answers(new):
            source, target = self._path(old), self._path(new)
            if not replace:
                # Servers differ in what a plain rename does to an existing file, and in how they report it.
                if self._size(target) is not None:
                    raise DeliveryFailed("exists", f"{self._host} has a file {new} already.")
                try:
                    self._wait(self._sftp.rename(source, target))
                except asyncssh.SFTPError as error:
                    is_unclear = isinstance(error, (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection))
                    if not is_unclear and self._size(target) is not None:
                        raise DeliveryFailed("exists", f"{self._host} has a file {new} already.") from None
                    raise
                return
            try:
                self._replace(source, target)
            except (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists) as error:
                if not says_disk_full(error.reason) and self._size(target) is not None:
                    raise DeliveryFailed("exists", f"{self._host} does not replace the file {new}.") from None
                raise

    def _replace(self, source: str, target: str) -> None:
        """Rename by OpenSSH's extension, which replaces; where it does not work, by the plain request, which may. Some
        servers offer the extension and refuse each use of it, as a failure without a reason."""
        try:
            self._wait(self._sftp.posix_rename(source, target))
        except asyncssh.SFTPOpUnsupported:
            self._wait(self._sftp.rename(source, target))
        except (asyncssh.SFTPFailure, asyncssh.SFTPBadMessage) as error:
            if says_disk_full(error.reason) or self._size(target) is not None:
                raise
            self._wait(self._sftp.rename(source, target))

    def read(self, name: str, limit: int) -> bytes | None:
        size = self.size(name)
        if size is None or not 0 <= size <= limit:
            return None
        with self._answers(name):
            return self._wait(_read(self._sftp, self._path(name), limit))

    def delete(self, name: str) -> None:
        with self._answers(name), suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            self._wait(self._sftp.remove(self._path(name)))

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        # As bytes: names need not be UTF-8, and those that are not are taken by nobody.
        listing = self._sftp.scandir((self._directory or "/").encode())
        while True:
            with self._answers(""):
                entries = self._wait(_some(listing, _LISTED_AT_ONCE))
            for entry in entries:
                name = cast(bytes, entry.filename).decode(errors="surrogateescape")
                if takes(name) and entry.attrs.type == FILEXFER_TYPE_REGULAR:
                    yield self._file(name, entry.attrs)
            if len(entries) < _LISTED_AT_ONCE:
                return

    def find(self, name: str) -> FolderFile | None:
        with self._answers(name):
            try:
                attributes = self._wait(self._sftp.lstat(self._path(name)))
            except _MISSING:
                return None
            except _STAT_DENIED:
                entry = self._entry(self._path(name))
                if entry is None:
                    return None
                attributes = entry.attrs
        return self._file(name, attributes) if attributes.type == FILEXFER_TYPE_REGULAR else None

    def _file(self, name: str, attributes: asyncssh.SFTPAttrs) -> FolderFile:
        if attributes.size is None or attributes.mtime is None:
            raise DeliveryFailed("protocol", f"{self._host} does not report the size and the time of a file.")
        return FolderFile(name, attributes.size, datetime.fromtimestamp(attributes.mtime, UTC))

    def read_from(self, name: str, offset: int) -> Iterator[bytes]:
        with self._answers(name):
            file = self._wait(self._sftp.open(self._path(name), FXF_READ, encoding=None))
        while True:
            with self._answers(name):
                block = cast(bytes, self._wait(file.read(_READ_BYTES, offset)))
            if not block:
                break
            offset += len(block)
            yield block
        with self._answers(name):
            self._wait(file.close())

    def _path(self, name: str) -> str:
        return name if name.startswith("/") else f"{self._directory}/{name}"

    def _log_in(
        self, host_key: HostKey, credentials: Credentials, keys: list[asyncssh.SSHKey] | None, allowed: AllowedHosts
    ) -> asyncssh.SSHClientConnection:
        """Connect and log in; no password is sent before the host key is verified.

        A server shows one of its keys, by our order of preference. A fingerprint does not include the key's type, so a
        server that shows another key is asked again, for its other types first, until it repeats itself.
        """
        types = sorted(HOST_KEY_TYPES, key=lambda kind: kind != host_key.type)
        shown: dict[str, str] = {}
        while True:
            sock = connect(self._host, self._port, allowed, self._timeouts.connect)
            sock.setblocking(False)
            guest = _Guest(host_key)
            try:
                with self._answers(""):
                    return self._wait(self._ssh(sock, guest, types, credentials, keys), self._timeouts.login)
            except asyncssh.PermissionDenied:
                raise DeliveryFailed("auth", f"{self._host} refused the user name, password or key.") from None
            except asyncssh.KeyExchangeFailed as error:
                raise DeliveryFailed("protocol", f"{self._host} has no algorithm in common with us.") from error
            except asyncssh.HostKeyNotVerifiable as error:
                if host_key.type is not None or guest.shown_type in shown:
                    keys_shown = " and ".join((shown | {guest.shown_type: guest.shown}).values())
                    what = f"{self._host} shows {keys_shown}, not the host key that the definition names."
                    raise DeliveryFailed("host-key", what) from error
            finally:
                if not guest.is_connected:  # asyncssh does not close it
                    sock.close()
            shown[guest.shown_type] = guest.shown
            types.append(types.pop(types.index(guest.shown_type)))

    async def _ssh(
        self,
        sock: socket.socket,
        guest: _Guest,
        types: list[str],
        credentials: Credentials,
        keys: list[asyncssh.SSHKey] | None,
    ) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            self._host,
            self._port,
            sock=sock,
            config=None,
            client_factory=lambda: guest,
            # A function, because an empty value means ~/.ssh/known_hosts. It knows no hosts: `guest` decides.
            known_hosts=lambda host, address, port: ([], [], []),
            server_host_key_algs=[algorithm for kind in types for algorithm in HOST_KEY_TYPES[kind]],
            x509_trusted_certs=None,
            username=credentials.username,
            password=credentials.password,
            client_keys=keys,
            agent_path=None,
            gss_host=None,
            encryption_algs=_FAST_CIPHERS,
            compression_algs=None,
            login_timeout=0,
            keepalive_interval=_KEEPALIVE_SECONDS,
        )

    def _wait(self, work: Awaitable[_T], seconds: float | None = None) -> _T:
        """Run one request on the loop and wait for its reply.

        Raises:
            TimeoutError: it did not come in time.
        """

        async def limited() -> _T:
            return await asyncio.wait_for(work, seconds or self._timeouts.request)

        return asyncio.run_coroutine_threadsafe(limited(), self._loop).result()

    @contextmanager
    def _answers(self, name: str) -> Iterator[None]:
        """Turn errors into `DeliveryFailed`; `name` is the file in question, if any."""
        if self._loop.is_closed():
            raise DeliveryFailed("connection-lost", f"The connection to {self._host} is closed.")
        try:
            yield
        except asyncssh.SFTPError as error:
            failure = self._failure(error, name)
            if failure.reason == "connection-lost":
                self._close()
            raise failure from None  # a log must not have the words unquoted
        except (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
            raise
        except TimeoutError as error:
            self._close()
            raise DeliveryFailed("timeout", f"{self._host} stopped answering.") from error
        except (asyncssh.ConnectionLost, OSError) as error:
            self._close()
            raise DeliveryFailed("connection-lost", f"The connection to {self._host} broke off.") from error
        except asyncssh.Error as error:  # no SSH, no SFTP subsystem, or nonsense
            self._close()
            said = quoted(error.reason, self._credentials)
            raise DeliveryFailed("protocol", f"{self._host} does not speak SFTP: {said}.") from None

    def _failure(self, error: asyncssh.SFTPError, name: str) -> DeliveryFailed:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), "protocol")
        if reason == "protocol" and (says_disk_full(error.reason) or self._has_no_space(error)):
            reason = "disk-full"
        if reason == "connection-lost":
            return DeliveryFailed(reason, f"The connection to {self._host} broke off.")
        about = f" to {name}" if name else ""
        return DeliveryFailed(reason, f"{self._host} answered {quoted(error.reason, self._credentials)}{about}.")

    def _has_no_space(self, error: asyncssh.SFTPError) -> bool:
        """Ask for the free space: version 3 has no code for a full disk, and OpenSSH says only "Failure"."""
        if error.code != FX_FAILURE:
            return False
        try:
            space = self._wait(self._sftp.statvfs(self._directory or "/"))
        except (asyncssh.Error, OSError):
            return False
        return space.bavail * space.frsize < _LITTLE_SPACE_BYTES

    def _close(self) -> None:
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            with suppress(asyncssh.Error, OSError):
                await asyncio.wait_for(self._connection.wait_closed(), _GOODBYE_SECONDS)
            self._connection.abort()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class _Guest(asyncssh.SSHClient):
    """Tells asyncssh whether the server's host key is the expected one."""

    def __init__(self, host_key: HostKey) -> None:
        self._host_key = host_key
        self.is_connected = False
        self.shown_type = self.shown = ""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.is_connected = True

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown_type = key.get_algorithm()
        self.shown = f"{key.get_fingerprint()} ({self.shown_type})"
        return self._host_key.matches(key.public_data)


class _Upload:
    """The write requests in flight of one file, over at most `_IN_FLIGHT_BYTES` of it. Runs on the loop."""

    def __init__(self, file: asyncssh.SFTPClientFile, offset: int) -> None:
        self._file = file
        self._written = offset  # all bytes before it are written
        self._pending: deque[tuple[asyncio.Task[int], int]] = deque()

    async def send(self, block: bytes, offset: int) -> int | None:
        """Send a block, after waiting for earlier ones when too many are in flight. Returns the same as `oldest`."""
        written = None
        while offset + len(block) - self._written > _IN_FLIGHT_BYTES:
            written = await self.oldest()
        task = asyncio.create_task(self._file.write(block, offset))
        task.add_done_callback(lambda task: task.cancelled() or task.exception())  # only the first failure is raised
        self._pending.append((task, offset + len(block)))
        return written

    async def oldest(self) -> int | None:
        """Wait for the oldest request; None if nothing is in flight. Returns up to where the file is written."""
        if not self._pending:
            return None
        task, end = self._pending.popleft()
        await task
        self._written = end
        return end

    async def close(self) -> None:
        """Wait for the rest, failed or not, and close the file."""
        await asyncio.gather(*(task for task, _ in self._pending), return_exceptions=True)
        self._pending.clear()
        await self._file.close()


async def _some(listing: AsyncIterator[asyncssh.SFTPName], count: int) -> list[asyncssh.SFTPName]:
    """The next entries of a listing; fewer at its end."""
    found: list[asyncssh.SFTPName] = []
    async for entry in listing:
        found.append(entry)
        if len(found) == count:
            break
    return found


async def _read(sftp: asyncssh.SFTPClient, path: str, limit: int) -> bytes:
    async with sftp.open(path, FXF_READ, encoding=None) as file:
        return cast(bytes, await file.read(limit, 0))


def _client_keys(credentials: Credentials) -> list[asyncssh.SSHKey] | None:
    """The secret's private key; None keeps asyncssh from looking for others.

    Raises:
        DeliveryFailed: `secret`.
    """
    if credentials.private_key is None:
        return None
    try:
        return [asyncssh.import_private_key(credentials.private_key, credentials.passphrase)]
    except asyncssh.KeyEncryptionError as error:
        raise DeliveryFailed("secret", "The secret's passphrase does not open its privateKey.") from error
    except (asyncssh.KeyImportError, ValueError) as error:
        raise DeliveryFailed("secret", "The secret's privateKey cannot be read, or needs a passphrase.") from error
