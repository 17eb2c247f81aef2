"""A directory on an FTPS server: FTP (RFC 959) over TLS (RFC 4217), with SIZE and REST (RFC 3659) and EPSV (RFC 2428).

Explicit TLS, or implicit TLS on port 990. Both connections are encrypted and verified, and passive.
"""

from __future__ import annotations

import ftplib  # under TLS only, see above  # nosec B402
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from socket import socket
from types import TracebackType
from typing import Any, Self, cast

import certifi

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.base import Timeouts
from waybill.exports.destinations.connection import UNKNOWN_SIZE, quoted, says_disk_full
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.destinations.folder import FolderFile
from waybill.hosts import AllowedHosts, connect

IMPLICIT_TLS_PORT = 990
_BLOCK_BYTES = 256 * 1024
_MAX_LINE_BYTES = 8_192  # of a listing
_MAX_ASKED = 10_000
"""Files of a server without MLSD, each of which is asked for by itself."""
_GOODBYE_SECONDS = 1.0
_SIZE = re.compile(r"[0-9]{1,19}")
_MAX_SIZE = 2**63 - 1
_MLST_FACTS = re.compile(r"^ ?([^ \r\n]*=[^ \r\n]*;) ", re.MULTILINE)
# The two forms of a list that servers have: that of `ls -l`, and that of DOS.
_LIST_UNIX = re.compile(r"-\S+\s+\d+\s+\S+\s+\S+\s+(?P<size>\d+)\s+\S+\s+\S+\s+\S+\s(?P<name>.+)", re.ASCII)
_LIST_DOS = re.compile(r"[\d-]+\s+[\d:]+(?:[AP]M)?\s+(?P<size>\d+)\s(?P<name>.+)", re.ASCII)
# 4yz: the same request may succeed another time (RFC 959, section 4.2.1). Most leave the connection as it is.
_TRANSIENT = {"421": "connection-lost", "425": "unreachable"}
_DENIAL_WORDS = ("denied", "permission", "not allowed", "not permitted", "prohibited")
_MISSING_WORDS = ("no such", "not found", "not exist", "cannot find")


class FtpsConnection:
    """See `ServerConnection`."""

    unsure_bytes = 0  # one stream, written in its order

    def __init__(
        self, destination: Mapping[str, Any], credentials: Credentials, allowed: AllowedHosts, timeouts: Timeouts
    ) -> None:
        self._host = str(destination["host"])
        port = int(destination["port"])
        context = _tls_context(destination.get("caCertificate"))
        self._credentials = credentials
        self._is_open = self._has_size = self._has_mlst = True
        self._ftp = _Control(self._host, context, connect(self._host, port, allowed, timeouts.connect))
        try:
            with self._answers("AUTH TLS"):
                self._ftp.greet(timeouts.login, is_implicit=port == IMPLICIT_TLS_PORT)
            with self._answers("PASS"):
                self._log_in()
                self._ftp.prot_p()
                self._ftp.voidcmd("TYPE I")
                with suppress(ftplib.Error):  # RFC 2640 makes it the default; some servers need the command
                    self._ftp.sendcmd("OPTS UTF8 ON")
            with self._answers("CWD"):
                self._ftp.cwd(str(destination["directory"]))
            self._ftp.limit(timeouts.request)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            with suppress(*ftplib.all_errors):
                self._ftp.limit(_GOODBYE_SECONDS)
                self._ftp.quit()
        self._close()

    def size(self, name: str) -> int | None:
        if self._has_size:
            with self._answers("SIZE"):
                try:
                    return self._ftp.size(name)
                except ftplib.error_perm as error:
                    if _is_unsupported(error):
                        self._has_size = False
                    elif not str(error).startswith("550"):
                        raise
                    elif not _is_denied(error):
                        return None
        return self._size_without_size(name)

    def _size_without_size(self, name: str) -> int | None:
        """Of a server without SIZE, or a folder that it does not look into: from MLST (RFC 3659), else from a list; a
        file is known to be there when it could be renamed."""
        with self._answers("MLST"):
            try:
                size = _facts(self._ftp.sendcmd(f"MLST {name}")).get("size", "")
                return int(size) if _SIZE.fullmatch(size) else UNKNOWN_SIZE
            except ftplib.error_perm as error:
                if not _is_unsupported(error) and not _is_denied(error):
                    return None
        with self._answers("RNFR"):
            try:
                self._ftp.sendcmd(f"RNFR {name}")
            except ftplib.error_perm:
                return None
        return self._size_in_list(name)

    def _size_in_list(self, name: str) -> int:
        folder, _, base = name.rpartition("/")
        for command in (f"LIST -a {folder}".rstrip(), f"LIST {folder}".rstrip()):
            lines: list[str] = []
            with self._answers("LIST"), suppress(ftplib.error_perm):
                self._ftp.retrlines(command, lines.append)
            for line in lines:
                found = _LIST_UNIX.fullmatch(line) or _LIST_DOS.fullmatch(line)
                if found and found["name"] == base:
                    return int(found["size"])
        return UNKNOWN_SIZE

    def write(self, name: str, offset: int, chunks: Iterable[bytes], progress: Callable[[int], None]) -> None:
        # REST and STOR, not APPE: an earlier connection that is still writing then writes the same bytes at the
        # same offsets.
        with self._answers("STOR"):
            data, _ = self._ftp.ntransfercmd(f"STOR {name}", offset or None)
        try:
            for chunk in chunks:
                for start in range(0, len(chunk), _BLOCK_BYTES):
                    block = chunk[start : start + _BLOCK_BYTES]
                    with self._answers("STOR"):
                        self._send(data, block)
                    offset += len(block)
                    progress(offset)
            with self._answers("STOR"):
                _end_tls(data)
                data.close()
                self._ftp.voidresp()
        except DeliveryFailed:
            raise
        except BaseException:  # from `chunks` or `progress`, in the middle of a file
            self._close()
            raise
        finally:
            data.close()

    def rename(self, old: str, new: str, replace: bool) -> None:
        # RFC 959 does not say whether a rename replaces an existing file, and most servers do: check first.
        if not replace and self.size(new) is not None:
            raise DeliveryFailed("exists", f"{self._host} has a file {new} already.")
        with self._answers(f"RNTO {new}"):
            try:
                self._ftp.rename(old, new)
            except ftplib.error_perm as error:
                is_full = self._failure("RNTO", error).reason == "disk-full"
                # 550 has many meanings; as long as the old file has its name, it may be the reason.
                if is_full or self.size(new) is None or self.size(old) is None:
                    raise
                raise DeliveryFailed("exists", f"{self._host} does not replace the file {new}.") from None

    def read(self, name: str, limit: int) -> bytes | None:
        size = self.size(name)
        if size is None or not 0 <= size <= limit:
            return None
        content = bytearray()
        with self._answers("RETR"):
            self._ftp.retrbinary(f"RETR {name}", content.extend)
        return bytes(content)

    def delete(self, name: str) -> None:
        with self._answers("DELE"):
            try:
                self._ftp.delete(name)
            except ftplib.error_perm:
                if self.size(name) is not None:
                    raise

    def files(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        try:
            yield from self._machine_listing(takes)
        except _Unsupported:
            names = [name for line in self._lines("NLST") if takes(name := line.rpartition("/")[2])]
            if len(names) > _MAX_ASKED:
                what = f"{self._host} has no MLSD (RFC 3659), and more than {_MAX_ASKED:,} files that match."
                raise DeliveryFailed("protocol", what) from None
            for name in names:
                if (file := self.find(name)) is not None:
                    yield file

    def _machine_listing(self, takes: Callable[[str], bool]) -> Iterator[FolderFile]:
        """By MLSD (RFC 3659, section 7): facts, a space and the name in each line."""
        for line in self._lines("MLSD"):
            listed, _, name = line.partition(" ")
            facts = _each_fact(listed)
            if facts.get("type") != "file" or not takes(name):
                continue
            if "size" in facts and "modify" in facts:
                with self._answers("MLSD"):
                    file = _file(name, facts)
                if file is not None:
                    yield file
            else:
                what = f"{self._host} does not report the size and the time of a file."
                raise DeliveryFailed("protocol", what)

    def _lines(self, command: str) -> Iterator[str]:
        """The lines of a listing, as they come.

        Raises:
            _Unsupported: the server does not know the command.
        """
        with self._answers(command):
            try:
                data, _ = self._ftp.ntransfercmd(command)
            except ftplib.error_perm as error:
                if str(error)[:3] in ("500", "502", "504"):
                    raise _Unsupported from None
                if str(error).startswith("550") and command == "NLST":  # an empty folder, to some servers
                    return
                raise
            except ftplib.error_temp as error:
                if str(error).startswith("450") and "no files" in str(error).lower():  # as well
                    return
                raise
        is_read = False
        try:
            with data, data.makefile("rb") as lines:
                while True:
                    with self._answers(command):
                        line = lines.readline(_MAX_LINE_BYTES + 1)
                        if len(line) > _MAX_LINE_BYTES:
                            raise ValueError("a line without an end")
                    if not line:
                        break
                    yield line.decode(errors="surrogateescape").rstrip("\r\n")
                _end_tls(data)
            with self._answers(command):
                self._ftp.voidresp()
            is_read = True
        finally:
            if not is_read:
                self._close()

    def find(self, name: str) -> FolderFile | None:
        with self._answers("MLST"):  # first, because it tells the same time as the listing
            try:
                facts = _facts(self._ftp.sendcmd(f"MLST {name}")) if self._has_mlst else {}
            except ftplib.error_perm as error:
                facts = {}
                if _is_unsupported(error):
                    self._has_mlst = False
            if facts.get("type") == "file" and "size" in facts and "modify" in facts:
                return _file(name, facts)
        size = self.size(name)
        if size is None or size > _MAX_SIZE:
            return None
        if size == UNKNOWN_SIZE:
            raise DeliveryFailed("protocol", f"{self._host} does not report the size and the time of a file.")
        with self._answers("MDTM"):
            return FolderFile(name, size, _moment(self._ftp.sendcmd(f"MDTM {name}")[4:].strip()))

    def read_from(self, name: str, offset: int) -> Iterator[bytes]:
        with self._answers("RETR"):
            data, _ = self._ftp.ntransfercmd(f"RETR {name}", offset or None)
        is_read = False
        try:
            with data:
                while True:
                    with self._answers("RETR"):
                        block = data.recv(_BLOCK_BYTES)
                    if not block:
                        break
                    yield block
                _end_tls(data)
            with self._answers("RETR"):
                self._ftp.voidresp()
            is_read = True
        finally:
            if not is_read:
                self._close()

    def _log_in(self) -> None:
        user, password = self._credentials.username, str(self._credentials.password)
        try:
            self._ftp.login(user, password, secure=False)  # TLS is on already
        except (ftplib.error_perm, ftplib.error_reply):  # error_reply: wants an account (RFC 959, ACCT)
            raise DeliveryFailed("auth", f"{self._host} refused the user name or password.") from None

    def _send(self, data: ssl.SSLSocket, block: bytes) -> None:
        """Send a block; when the server ends the data connection, read the reason from the control connection."""
        try:
            data.sendall(block)
        except TimeoutError:
            raise
        except OSError:
            self._ftp.voidresp()
            raise

    @contextmanager
    def _answers(self, command: str) -> Iterator[None]:
        """Turn errors into `DeliveryFailed`; `command` is the request that was sent."""
        if not self._is_open:
            raise DeliveryFailed("connection-lost", f"The connection to {self._host} is closed.")
        try:
            yield
        except (ftplib.error_perm, ftplib.error_temp) as error:
            failure = self._failure(command, error)
            if failure.reason == "connection-lost":
                self._close()
            raise failure from None  # a log must not have the words unquoted
        except ssl.SSLCertVerificationError as error:
            self._close()
            what = f"The certificate of {self._host} is not trusted: {error.verify_message.rstrip('.')}."
            raise DeliveryFailed("certificate", what) from error
        except TimeoutError as error:
            self._close()
            raise DeliveryFailed("timeout", f"{self._host} stopped answering.") from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, EOFError) as error:
            self._close()
            raise DeliveryFailed("connection-lost", f"The connection to {self._host} broke off.") from error
        except ssl.SSLError as error:
            self._close()
            what = f"{self._host} does not speak TLS as expected ({error.reason})."
            raise DeliveryFailed("protocol", what) from error
        except OSError as error:
            self._close()
            raise DeliveryFailed("connection-lost", f"The connection to {self._host} broke off.") from error
        except (ftplib.error_reply, ftplib.error_proto, ValueError) as error:  # ValueError: a size that is no number
            self._close()
            said = quoted(str(error), self._credentials)
            raise DeliveryFailed("protocol", f"{self._host} answered {said} to {command}.") from None

    def _failure(self, command: str, error: ftplib.Error) -> DeliveryFailed:
        return _failure(self._host, command, str(error), quoted(str(error), self._credentials))

    def _close(self) -> None:
        self._is_open = False
        self._ftp.close()


class _Unsupported(Exception):
    """The server does not know a command."""


def _facts(answer: str) -> dict[str, str]:
    """The facts that MLST tells of a file (RFC 3659, section 7.2); empty where there are none."""
    found = _MLST_FACTS.search(answer)
    return _each_fact(found[1]) if found else {}


def _each_fact(listed: str) -> dict[str, str]:
    return dict(fact.lower().partition("=")[::2] for fact in listed.split(";") if fact)


def _file(name: str, facts: Mapping[str, str]) -> FolderFile | None:
    """The file of which size and time are told; None for a size that no file has.

    Raises:
        ValueError: the time is none.
    """
    if not _SIZE.fullmatch(facts["size"]) or int(facts["size"]) > _MAX_SIZE:
        return None
    return FolderFile(name, int(facts["size"]), _moment(facts["modify"]))


def _moment(text: str) -> datetime:
    """A time of MDTM and MLSD (RFC 3659, section 2.3): UTC, perhaps with parts of a second.

    Raises:
        ValueError
    """
    whole, _, parts = text.partition(".")
    moment = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment.replace(microsecond=int(parts[:6].ljust(6, "0")) // 1000 * 1000 if parts else 0)


class _Control(ftplib.FTP_TLS):
    """The control connection, and data connections that belong to it."""

    def __init__(self, host: str, context: ssl.SSLContext, sock: socket) -> None:
        super().__init__(context=context)
        self.host, self.sock, self.af = host, sock, sock.family

    def greet(self, timeout_seconds: float, is_implicit: bool) -> None:
        """Start TLS and read the server's greeting, in the order of the port."""
        self.limit(timeout_seconds)
        if is_implicit:
            self.sock = self.context.wrap_socket(cast(socket, self.sock), server_hostname=self.host)
        self._listen()
        self.welcome = self.getresp()
        if not is_implicit:
            self.auth()
            self._listen()

    def limit(self, timeout_seconds: float) -> None:
        self.timeout = timeout_seconds
        cast(socket, self.sock).settimeout(timeout_seconds)

    def makepasv(self) -> tuple[str, int]:
        """Where to open a data connection: always at the host of the control connection.

        EPSV's answer has no address; the one in PASV's is ignored (RFC 2577, section 3: port stealing and bouncing).
        """
        peer = cast(socket, self.sock).getpeername()
        try:
            return str(peer[0]), ftplib.parse229(self.sendcmd("EPSV"), peer)[1]  # over TLS  # noqa: S321
        except ftplib.error_perm:
            return str(peer[0]), ftplib.parse227(self.sendcmd("PASV"))[1]  # over TLS  # noqa: S321

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[ssl.SSLSocket, int | None]:
        """As the base, but resuming the control connection's TLS session.

        Many servers demand it, as the proof that both connections are the same client's (RFC 4217, section 10.2).
        """
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # over TLS  # noqa: S321
        control = cast(ssl.SSLSocket, self.sock)
        try:
            return self.context.wrap_socket(plain, server_hostname=self.host, session=control.session), size
        except BaseException:
            plain.close()
            raise

    def _listen(self) -> None:
        """Read replies from the socket as it is now; what came before TLS is dropped with the old buffer."""
        if self.file is not None:
            self.file.close()
        self.file = cast(socket, self.sock).makefile("r", encoding=self.encoding, errors="replace")


def _tls_context(ca_certificate: str | None) -> ssl.SSLContext:
    if ca_certificate is None:
        context = ssl.create_default_context(cafile=certifi.where())
    else:
        context = ssl.create_default_context(cadata=ca_certificate)
        # The definition's certificate is trusted even if it is a server's own, or does not follow the profile that
        # Python 3.13 enforces (VERIFY_X509_STRICT).
        context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _end_tls(data: ssl.SSLSocket) -> None:
    """End TLS in both directions before the connection is closed.

    Closing at once could reset the connection, because session tickets are unread, and lose the last bytes.
    """
    with suppress(OSError):  # many servers just close; the answer on the control connection counts
        data.unwrap()


def _is_unsupported(error: ftplib.Error) -> bool:
    """Whether the server does not know a command, or not in this form (RFC 959, section 4.2)."""
    return str(error)[:3] in ("500", "501", "502", "503", "504")


def _is_denied(error: ftplib.Error) -> bool:
    return any(words in str(error).lower() for words in _DENIAL_WORDS)


def _failure(host: str, command: str, answer: str, shown: str) -> DeliveryFailed:
    """What an error reply means (RFC 959, section 4.2); 550 has many meanings."""
    code, words = answer[:3], answer.lower()
    said = f"{host} answered {shown} to {command}."
    if code in ("452", "552") or says_disk_full(words):
        return DeliveryFailed("disk-full", said)
    if code in ("430", "530", "532") and command != "AUTH TLS":
        return DeliveryFailed("auth", f"{host} refused the user name or password.")
    if code == "553" or (code == "550" and command != "CWD"):
        is_missing = any(words_ in words for words_ in _MISSING_WORDS)
        return DeliveryFailed("not-found" if is_missing else "permission", said)
    if code == "550":
        return DeliveryFailed("not-found", said)
    return DeliveryFailed(_TRANSIENT.get(code, "busy" if code.startswith("4") else "protocol"), said)
