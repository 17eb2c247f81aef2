"""Real SFTP and FTPS servers on this machine, with the faults that partners' servers have.

Each runs in a thread on a free port of 127.0.0.1 and is gone when its `with` block ends. Host names are checked under
the name `localhost`, which deliveries refuse unless it is allowed.
"""

from __future__ import annotations

import asyncio
import datetime
import errno
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.base import Timeouts
from waybill.exports.destinations.connection import ServerConnection
from waybill.exports.destinations.ftps import Ftps
from waybill.exports.destinations.names import TemporaryNames
from waybill.exports.destinations.publish import Publication, Source, publish
from waybill.exports.destinations.server import Server
from waybill.exports.destinations.sftp import Sftp
from waybill.hosts import AllowedHosts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # asyncore, gone from Python 3.12 on, where pyftpdlib brings its own
    from OpenSSL import SSL
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.exceptions import _RetryError
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

HOST = "localhost"
ALLOWED = AllowedHosts.parse(HOST)
USER, PASSWORD = "waybill", "p@ss wörd"
SECRET = {"username": USER, "password": PASSWORD, "host": HOST, "entities": ["*"]}
PATIENT = Timeouts(connect=5, login=10, request=10)
HASTY = Timeouts(connect=0.5, login=0.5, request=0.5)


@dataclass
class Faults:
    """What goes wrong, counted in bytes of file content that the server has taken. A test may mend it."""

    full_after: int | None = None
    stall_after: int | None = None
    cut_after: int | None = None
    leaves_out: int | None = None  # the first write at or behind this offset is not done (SFTP)
    is_read_only: bool = False
    # Gets `rename OLD NEW`, `delete NAME`, `write NAME` or (FTPS) `read NAME`; gives a refusal below, or None.
    refuses: Callable[[str], str | None] = lambda _: None
    taken: int = 0


@dataclass
class Quirks:
    """What servers in the wild do otherwise than OpenSSH does.

    Attributes:
        refuses_posix_rename: as a failure without a reason (SFTP).
        replaces: whether a rename replaces a file, as on Unix, or is refused, as on Windows.
        denies: of SFTP `stat`, `fstat` and `list`; of FTPS the commands that a folder is too secret for.
        lacks: the commands that an FTPS server does not know.
        forbids_dots: names that begin with a dot.
        ignores_case: of names.
        shows_after: looks at a name after which it shows what was done to it; until then it shows what was before.
    """

    refuses_posix_rename: bool = False
    replaces: bool = True
    denies: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    forbids_dots: bool = False
    ignores_case: bool = False
    shows_after: int = 0
    _before: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def note(self, *paths: Any) -> None:
        """Files are about to change."""
        if self.shows_after:
            for path in map(os.fsdecode, paths):
                size = os.path.getsize(path) if os.path.lexists(path) else None
                self._before.setdefault(path, (self.shows_after, size))

    def seen(self, path: Any) -> tuple[bool, int | None]:
        """Whether the server still shows how a file was before, and its size then; None where there was none."""
        looks, size = self._before.pop(os.fsdecode(path), (0, None))
        if looks > 1:
            self._before[os.fsdecode(path)] = (looks - 1, size)
        return looks > 0, size

    def folded(self, path: str) -> str:
        """The path of the file that a name means."""
        folder, name = os.path.split(path)
        if self.ignores_case and os.path.isdir(folder) and not os.path.lexists(path):
            same = [other for other in os.listdir(folder) if other.casefold() == name.casefold()]
            return os.path.join(folder, same[0]) if same else path
        return path


SFTP_REFUSALS: dict[str, asyncssh.SFTPError] = {
    "exists": asyncssh.SFTPFailure("File exists"),
    "permission": asyncssh.SFTPPermissionDenied("Permission denied"),
    "quota": asyncssh.SFTPFailure("Quota exceeded"),
    "name policy": asyncssh.SFTPFailure("File name not allowed"),
    "locked": asyncssh.SFTPFailure("The file is in use by another process"),
}
FTPS_REFUSALS = {
    "exists": "550 File exists.",
    "permission": "550 Permission denied.",
    "quota": "552 Quota exceeded.",
    "name policy": "553 File name not allowed.",
    "locked": "450 File busy.",
}
CUTS = ["cut before", "cut after"]  # the request takes effect


@dataclass
class Running:
    """A server: its port, and the commands or requests it got."""

    port: int
    asked: list[str] = field(default_factory=list)


@dataclass
class Kept:
    """The state of a delivery."""

    publication: Publication | None = None

    def load(self) -> Publication | None:
        return self.publication

    def save(self, publication: Publication) -> None:
        self.publication = publication


JOB = "0d9a35a1-5f9c"


def replace(
    connect: Callable[[], ServerConnection],
    state: Kept,
    name: str,
    content: bytes,
    names: TemporaryNames = TemporaryNames(),  # noqa: B008  it is frozen
    replaces: bool = True,
) -> str | None:
    """One attempt to deliver a full extract over the one before, or changes beside it."""
    with connect() as connection:
        return publish(
            connection,
            name,
            JOB,
            Source(len(content), lambda offset: iter([content[offset:]])),
            lambda final: json.dumps({"jobId": JOB, "fileName": final}).encode(),
            state,
            replace=replaces,
            remaining_seconds=lambda: 900.0,
            temporary=names,
        )


def deliver(
    connect: Callable[[], ServerConnection], name: str, content: bytes, chunk_bytes: int = 100_000
) -> list[str]:
    """Deliver with as many retries as it takes; the reasons of those that failed."""
    state, failures = Kept(), list[str]()
    source = Source(
        len(content), lambda offset: (content[at : at + chunk_bytes] for at in range(offset, len(content), chunk_bytes))
    )
    while True:
        try:
            with connect() as connection:
                final = publish(
                    connection,
                    name,
                    "0d9a35a1-5f9c",
                    source,
                    lambda final: json.dumps({"jobId": "0d9a35a1-5f9c", "fileName": final}).encode(),
                    state,
                    replace=False,
                    remaining_seconds=lambda: 900.0,
                )
        except DeliveryFailed as error:
            failures.append(error.reason)
            assert error.retry_now and len(failures) < 5
        else:
            assert final == name
            return failures


GROWTH_OF_50_MB = """
import json, resource, sys
sys.path[:0] = sys.argv[2:]
from tests.partner_servers import ALLOWED, PATIENT, SECRET
from waybill.exports.destinations import kind_of

def grown():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

destination = json.loads(sys.argv[1])
with kind_of(destination).connect(destination, SECRET, ALLOWED, PATIENT) as connection:
    connection.write("warm", 0, (bytes(1_000_000) for _ in range(4)), lambda _: None)
    before = grown()
    connection.write("large", 0, (bytes(1_000_000) for _ in range(50)), lambda _: None)
    assert connection.size("large") == 50_000_000
    print(grown() - before)
"""


def growth_of_50_mb(destination: dict[str, Any]) -> int:
    """KiB by which the memory of a process grows that sends 50 MB, after it has sent 4."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-W", "ignore", "-c", GROWTH_OF_50_MB, json.dumps(destination), str(root)]
    done = subprocess.run([*command, str(root / "shared")], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


# --- SFTP


def sftp_server_type(
    root: Path, faults: Faults, asked: list[str], files: list[Any], quirks: Quirks
) -> type[asyncssh.SFTPServer]:
    class Server(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(channel, chroot=os.fsencode(root))

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            asked.append(f"open {path.decode()}")
            self._check_name(path)
            if pflags & asyncssh.FXF_CREAT:
                quirks.note(self.map_path(path))
            if pflags & asyncssh.FXF_WRITE:
                self._perhaps_refuse(f"write {os.path.basename(path).decode()}", lambda: None)
            if faults.is_read_only and pflags & asyncssh.FXF_WRITE:
                raise asyncssh.SFTPPermissionDenied("Permission denied")
            files.append(super().open(path, pflags, attrs))
            return files[-1]

        async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
            faults.taken += len(data)
            if faults.full_after is not None and faults.taken > faults.full_after:
                raise OSError(errno.ENOSPC, "No space left on device")
            if faults.cut_after is not None and faults.taken > faults.cut_after:
                faults.cut_after = None
                self.channel.get_connection().abort()
            if faults.stall_after is not None and faults.taken > faults.stall_after:
                await asyncio.sleep(3600)
            if faults.leaves_out is not None and offset >= faults.leaves_out:
                faults.leaves_out = None
                return len(data)
            return super().write(file_obj, offset, data)

        def rename(self, oldpath: bytes, newpath: bytes) -> None:
            asked.append(f"rename {newpath.decode()}")
            self._check_name(newpath)
            if os.path.lexists(self.map_path(newpath)):
                raise asyncssh.SFTPFailure("Failure")
            quirks.note(self.map_path(oldpath), self.map_path(newpath))
            self._perhaps_refuse(
                _request("rename", oldpath, newpath), lambda: super(Server, self).rename(oldpath, newpath)
            )

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            asked.append(f"posix-rename {newpath.decode()}")
            self._check_name(newpath)
            if quirks.refuses_posix_rename or (not quirks.replaces and os.path.lexists(self.map_path(newpath))):
                raise asyncssh.SFTPFailure("Failure")
            quirks.note(self.map_path(oldpath), self.map_path(newpath))
            self._perhaps_refuse(
                _request("rename", oldpath, newpath), lambda: super(Server, self).posix_rename(oldpath, newpath)
            )

        def map_path(self, path: bytes) -> bytes:
            return os.fsencode(quirks.folded(os.fsdecode(super().map_path(path))))

        def stat(self, path: bytes) -> Any:
            self._check_right("stat")
            return super().stat(path)

        def lstat(self, path: bytes) -> Any:
            self._check_right("stat")
            is_old, size = quirks.seen(self.map_path(path))
            if is_old and size is None:
                raise asyncssh.SFTPNoSuchFile("No such file")
            return asyncssh.SFTPAttrs(size=size) if is_old else super().lstat(path)

        def fstat(self, file_obj: Any) -> Any:
            self._check_right("fstat")
            return super().fstat(file_obj)

        def scandir(self, path: bytes) -> Any:
            self._check_right("list")
            return self._entries(path)

        async def _entries(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            """As the base, but not by `lstat`, which may be denied."""
            for entry in os.scandir(self.map_path(path)):
                attributes = asyncssh.SFTPAttrs.from_local(entry.stat(follow_symlinks=False))
                yield asyncssh.SFTPName(entry.name, attrs=attributes)

        def _check_right(self, right: str) -> None:
            if right in quirks.denies:
                raise asyncssh.SFTPPermissionDenied("Permission denied")

        def _check_name(self, path: bytes) -> None:
            if quirks.forbids_dots and os.path.basename(path).startswith(b"."):
                raise asyncssh.SFTPPermissionDenied("Prohibited file name")

        def remove(self, path: bytes) -> None:
            quirks.note(self.map_path(path))
            self._perhaps_refuse(_request("delete", path), lambda: super(Server, self).remove(path))

        def _perhaps_refuse(self, request: str, act: Callable[[], None]) -> None:
            refusal = faults.refuses(request)
            if refusal in SFTP_REFUSALS:
                raise SFTP_REFUSALS[refusal]
            if refusal != "cut before":
                act()
            if refusal in CUTS:
                self.channel.get_connection().abort()

    return Server


def _request(verb: str, *paths: bytes) -> str:
    return " ".join([verb, *(os.path.basename(path).decode() for path in paths)])


class Login(asyncssh.SSHServer):
    def __init__(self, key: asyncssh.SSHKey | None) -> None:
        self._key = key

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._key is None

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return self._key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and self._key is not None and key.public_data == self._key.public_data


@contextmanager
def sftp_server(
    root: Path,
    host_keys: list[asyncssh.SSHKey],
    faults: Faults | None = None,
    user_key: asyncssh.SSHKey | None = None,
    quirks: Quirks | None = None,
) -> Iterator[Running]:
    """An SFTP server with `root` as its `/`; it wants the password, or `user_key` when that is given."""
    asked: list[str] = []
    files: list[Any] = []
    kind = sftp_server_type(root, faults or Faults(), asked, files, quirks or Quirks())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: Login(user_key), server_host_keys=host_keys, sftp_factory=kind
        )

    async def stop() -> None:
        acceptor.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Running(acceptor.get_port(), asked)
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        for file in files:
            file.close()


def host_key_line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


# --- FTPS


@dataclass(frozen=True)
class Certificate:
    """Paths of a certificate with its key, and the certificate as text."""

    file: Path
    pem: str


def certificate(folder: Path, name: str = HOST, days: int = 1, signed_by: Certificate | None = None) -> Certificate:
    """A certificate for a host name, its own authority unless signed by another; `days` < 0 has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(x509.random_serial_number()))])
    issuer, signer = subject, key
    if signed_by is not None:
        issuer = x509.load_pem_x509_certificate(signed_by.pem.encode()).subject
        signer = serialization.load_pem_private_key(signed_by.file.read_bytes(), None)  # type: ignore[assignment]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=signed_by is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    file = folder / f"{x509.random_serial_number()}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    return Certificate(file, pem.decode())


def data_handler_type(faults: Faults) -> type[TLS_DTPHandler]:
    class Data(TLS_DTPHandler):
        """Demands that the control connection's TLS session is resumed, as vsftpd, ProFTPD and FileZilla do."""

        def handle_ssl_established(self) -> None:
            if not SSL._lib.SSL_session_reused(self.socket._ssl):
                self.cmd_channel.respond("522 SSL connection failed: session reuse required.")
                self.close()

        def recv(self, buffer_size: int) -> bytes:
            if faults.stall_after is not None and faults.taken > faults.stall_after:
                raise _RetryError  # nothing to read yet
            data = super().recv(buffer_size)
            faults.taken += len(data)
            if faults.cut_after is not None and faults.taken > faults.cut_after:
                faults.cut_after = None
                self.cmd_channel.close()
                self.close()
                return b""
            if faults.full_after is not None and faults.taken > faults.full_after:
                self._resp = ("552 Disk is full.", lambda _: None)
                self.close()
                return b""
            return data

    return Data


@contextmanager
def ftps_server(
    root: Path,
    shown: Certificate,
    faults: Faults | None = None,
    *,
    is_implicit: bool = False,
    has_epsv: bool = True,
    pasv_address: str | None = None,
    replaces: bool = True,
    quirks: Quirks | None = None,
    tls: int = SSL.TLS1_3_VERSION,
) -> Iterator[Running]:
    """An FTPS server with `root` as its `/`.

    Args:
        pasv_address: what PASV claims to be the server's address.
        replaces: whether RNTO replaces a file, as on Unix, or refuses, as on Windows.
        tls: the newest version of TLS.
    """
    faults, quirks = faults or Faults(), quirks or Quirks(replaces=replaces)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm="elr" if faults.is_read_only else "elradfmwMT")
    asked: list[str] = []
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(shown.file))
    context.use_privatekey_file(str(shown.file))
    context.set_max_proto_version(tls)

    class Folder(AbstractedFS):
        def ftp2fs(self, ftppath: str) -> Any:
            return quirks.folded(super().ftp2fs(ftppath))

    class Control(TLS_FTPHandler):
        abstracted_fs = Folder
        ssl_context = context
        dtp_handler = data_handler_type(faults)
        tls_control_required = tls_data_required = True
        masquerade_address = pasv_address
        auth_failed_timeout = 0

        def handle(self) -> None:
            if is_implicit:
                self.secure_connection(self.ssl_context)
            else:
                super().handle()

        def handle_ssl_established(self) -> None:
            if is_implicit:
                TLS_FTPHandler.handle(self)

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            asked.append(line)
            if cmd in quirks.denies:
                self.respond("550 Permission denied.")
            elif quirks.forbids_dots and cmd in ("STOR", "RNTO") and os.path.basename(arg).startswith("."):
                self.respond("553 Prohibited file name.")
            else:
                super().pre_process_command(line, cmd, arg)

        def ftp_SIZE(self, path: str) -> Any:
            is_old, size = quirks.seen(path)
            if not is_old:
                return TLS_FTPHandler.ftp_SIZE(self, path)
            self.respond("550 No such file or directory." if size is None else f"213 {size}")
            return None

        def ftp_MLST(self, path: str) -> Any:
            is_old, size = quirks.seen(path)
            if not is_old:
                return TLS_FTPHandler.ftp_MLST(self, path)
            if size is None:
                self.respond("550 No such file or directory.")
            else:
                self.push(f"250-Listing\r\n type=file;size={size}; {path}\r\n")
                self.respond("250 End.")
            return None

        def ftp_RNTO(self, path: str) -> Any:
            request = _request("rename", os.fsencode(self._rnfr), os.fsencode(path))
            quirks.note(self._rnfr, path)
            if not quirks.replaces and os.path.exists(path):
                self._rnfr = None
                self.respond("550 Cannot create a file when that file already exists.")
                return None
            return self._perhaps_refuse(request, lambda: TLS_FTPHandler.ftp_RNTO(self, path))

        def ftp_DELE(self, path: str) -> Any:
            return self._perhaps_refuse(
                _request("delete", os.fsencode(path)), lambda: TLS_FTPHandler.ftp_DELE(self, path)
            )

        def ftp_RETR(self, file: str) -> Any:
            return self._perhaps_refuse(
                _request("read", os.fsencode(file)), lambda: TLS_FTPHandler.ftp_RETR(self, file)
            )

        def ftp_STOR(self, file: str, mode: str = "w") -> Any:
            quirks.note(file)
            return self._perhaps_refuse(
                _request("write", os.fsencode(file)), lambda: TLS_FTPHandler.ftp_STOR(self, file, mode)
            )

        def _perhaps_refuse(self, request: str, act: Callable[[], Any]) -> Any:
            refusal = faults.refuses(request)
            if refusal in FTPS_REFUSALS:
                self.respond(FTPS_REFUSALS[refusal])
                return None
            if refusal == "cut before":
                return self.close()
            done = act()
            if refusal == "cut after":
                self.close()
            return done

    Control.authorizer = authorizer
    lacks = quirks.lacks | (set() if has_epsv else {"EPSV"})
    Control.proto_cmds = {name: rule for name, rule in Control.proto_cmds.items() if name not in lacks}
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), Control, ioloop=loop)
    is_over = threading.Event()

    def serve() -> None:
        while not is_over.is_set():
            server.serve_forever(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Running(server.socket.getsockname()[1], asked)
    finally:
        is_over.set()
        thread.join()


# --- both, as a delivery sees them


@dataclass
class Partner:
    """A partner's server with the directory `/in`, and the destination that delivers there.

    Attributes:
        folder: what the server shows as `/in`.
        asked: the commands or requests that the server got.
        much: bytes that no buffer between us and the server swallows.
    """

    kind: Server
    folder: Path
    port: int
    asked: list[str]
    where: dict[str, Any]
    much: int

    def destination(self, **members: Any) -> dict[str, Any]:
        return self.where | {"port": self.port} | members

    def connect(
        self,
        timeouts: Timeouts = PATIENT,
        secret: Any = SECRET,
        hosts: AllowedHosts = ALLOWED,
        **members: Any,
    ) -> ServerConnection:
        return self.kind.connect(self.destination(**members), secret, hosts, timeouts)


@contextmanager
def sftp_partner(
    root: Path,
    faults: Faults | None = None,
    *,
    host_keys: list[asyncssh.SSHKey],
    user_key: asyncssh.SSHKey | None = None,
    replaces: bool = True,
    quirks: Quirks | None = None,
) -> Iterator[Partner]:
    (root / "in").mkdir(exist_ok=True)
    where = {"kind": "sftp", "host": HOST, "directory": "/in", "secretId": "s", "hostKey": host_key_line(host_keys[0])}
    with sftp_server(root, host_keys, faults, user_key, quirks or Quirks(replaces=replaces)) as running:
        yield Partner(Sftp(), root / "in", running.port, running.asked, where, much=8_000_000)


@contextmanager
def ftps_partner(
    root: Path, faults: Faults | None = None, *, shown: Certificate, trusted: Certificate | None = None, **options: Any
) -> Iterator[Partner]:
    """
    Args:
        options: of `ftps_server`.
    """
    (root / "in").mkdir(exist_ok=True)
    pem = (trusted or shown).pem
    where = {"kind": "ftps", "host": HOST, "directory": "/in", "secretId": "s", "caCertificate": pem}
    with ftps_server(root, shown, faults, **options) as running:
        yield Partner(Ftps(), root / "in", running.port, running.asked, where, much=40_000_000)


def write(connection: ServerConnection, name: str, content: bytes, offset: int = 0) -> list[int]:
    """Write a file's content from `offset` on, in pieces; what `progress` was told."""
    seen: list[int] = []
    pieces = (content[start : start + 100_000] for start in range(offset, len(content), 100_000))
    connection.write(name, offset, pieces, seen.append)
    return seen


def refused(partner: Partner, reason: str, **options: Any) -> DeliveryFailed:
    """Connects, and expects a refusal for this reason, whose message contains no secret."""
    with pytest.raises(DeliveryFailed) as told, partner.connect(**options):
        pass
    assert told.value.reason == reason
    assert PASSWORD not in str(told.value) and "Traceback" not in str(told.value)
    return told.value


# --- the network between


@contextmanager
def silent_server(greeting: bytes = b"") -> Iterator[int]:
    """The port of a server that sends `greeting`, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        guests: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    guest, _ = listener.accept()
                    guests.append(guest)
                    guest.sendall(greeting)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for guest in guests:
                guest.close()


@contextmanager
def deaf_server() -> Iterator[int]:
    """The port of a server whose queue is full: connections to it are never made."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for guest in waiting:
            guest.setblocking(False)
            guest.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for guest in waiting:
                guest.close()


@contextmanager
def proxy(port: int, after_bytes: int, fault: Callable[[socket.socket, socket.socket], bool]) -> Iterator[int]:
    """A relay to `port` that calls `fault(client, server)` once it has passed on so many bytes of the client's.

    `fault` says whether the relay goes on.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def relay(client: socket.socket) -> None:
        left: int | None = after_bytes
        server = socket.create_connection(("127.0.0.1", port))
        with client, server, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not is_over.is_set():
                for ready, _ in selector.select(0.05):
                    source, target = ready.fileobj, ready.data
                    try:
                        data = source.recv(65536)  # type: ignore[union-attr]
                        target.sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                    if source is client and left is not None:
                        left -= len(data)
                        if left <= 0:
                            left = None
                            if not fault(client, server):
                                is_over.wait()
                                return

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=relay, args=(client,), daemon=True))
                threads[-1].start()

    threads = [threading.Thread(target=serve, daemon=True)]
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        listener.close()


def stall(client: socket.socket, server: socket.socket) -> bool:
    """Stop relaying in both directions, and keep both connections open."""
    return False


def half_close(client: socket.socket, server: socket.socket) -> bool:
    """Tell the client that no more data will follow, and leave its sending side open."""
    client.shutdown(socket.SHUT_WR)
    return False
