"""OpenSSH, vsftpd and ProFTPD, as Debian has them, on this machine.

`.ci/servers` unpacks them into `build/servers`; those that are installed are used too. A listener of ours on a free
port of 127.0.0.1 starts a process for each connection, as inetd does: there is no race for a port, nothing is left when
the `with` block ends, and no system service is touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import bcrypt

from tests.partner_servers import HOST, PASSWORD, USER, Certificate, Partner, host_key_line
from waybill.exports.destinations.ftps import Ftps
from waybill.exports.destinations.sftp import Sftp

UNPACKED = Path(__file__).parents[1] / "build/servers"
PROGRAMS = {
    "openssh": ("sshd", "sftp-server"),
    "openssh without stat": ("sshd", "sftp-server"),
    "vsftpd": ("vsftpd",),
    "proftpd ftps": ("proftpd", "mod_tls.so"),
    "proftpd sftp": ("proftpd", "mod_sftp.so"),
}

#: What a listener of a server starts: the arguments, and what is different about its process.
Start = tuple[list[str], dict[str, Any]]


def path_of(program: str) -> str | None:
    """Where a program or a module of ProFTPD is."""
    for root in (UNPACKED, Path("/")):
        for folder in ("usr/sbin", "usr/lib/openssh", "usr/lib/proftpd"):
            if (root / folder / program).exists():
                return str(root / folder / program)
    return None


def missing(server: str) -> list[str]:
    return [program for program in PROGRAMS[server] if path_of(program) is None]


@dataclass
class Daemon:
    """A server's listener, and the processes of its connections."""

    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)


@contextmanager
def daemon(command: list[str], **options: Any) -> Iterator[Daemon]:
    """Start `command` for each connection, with the connection as its standard input and output."""
    running = Daemon()
    libraries = [str(path) for path in UNPACKED.glob("usr/lib/*-linux-gnu*")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
    listener = socket.create_server(("127.0.0.1", 0))
    running.port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it is over
                return
            with connection:
                process = subprocess.Popen(
                    command,
                    stdin=connection,
                    stdout=connection,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,
                    **options,
                )
                running.processes.append(process)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        kill(running)


def kill(running: Daemon) -> None:
    """Kill the processes of all connections, as a crash of the machine does."""
    for process in running.processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    running.processes.clear()


@dataclass
class RealPartner(Partner):
    """A partner whose server is a daemon.

    Attributes:
        secret: what logs in.
    """

    daemon: Daemon = field(default_factory=Daemon)
    secret: dict[str, Any] = field(default_factory=dict)

    def open(self, **members: Any) -> Any:
        return self.connect(**{"secret": self.secret, **members})


def is_root() -> bool:
    return os.geteuid() == 0


@contextmanager
def openssh(root: Path, shown: Certificate, *, denies: str = "") -> Iterator[RealPartner]:
    """As an ordinary user: started by root, sshd wants a system user of its own, and other rights.

    Args:
        denies: requests of SFTP that the server refuses.
    """
    program, options, user = str(path_of("sshd")), dict[str, Any](), pwd.getpwuid(os.geteuid())
    if is_root():
        user = pwd.getpwnam("daemon")
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    settings = root / "settings"
    settings.mkdir()
    host_key.write_private_key(settings / "host_key")
    user_key.write_public_key(settings / "keys")
    program = shutil.copy(program, settings)
    lines = [
        f"HostKey {settings}/host_key",
        f"AuthorizedKeysFile {settings}/keys",
        "StrictModes no",
        "UsePAM no",
        "PidFile none",
        "PasswordAuthentication no",
        f"Subsystem sftp internal-sftp {f'-P {denies}' if denies else ''}",
    ]
    for keyword, helper in (("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")):  # from 9.8 on
        if (path := path_of(helper)) is not None:
            lines.append(f"{keyword} {shutil.copy(path, settings)}")
    (settings / "config").write_text("\n".join(lines) + "\n")
    (root / "in").mkdir()
    if is_root():
        for path in [root, *root.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
    os.chmod(settings / "host_key", 0o600)
    where = {
        "kind": "sftp",
        "host": HOST,
        "directory": str(root / "in"),
        "secretId": "s",
        "hostKey": host_key_line(host_key),
    }
    secret = {"username": user.pw_name, "privateKey": user_key.export_private_key().decode()}
    with daemon([program, "-i", "-e", "-f", str(settings / "config")], **options) as running:
        yield RealPartner(Sftp(), root / "in", running.port, [], where, 8_000_000, running, secret)


@contextmanager
def vsftpd(root: Path, shown: Certificate) -> Iterator[RealPartner]:
    """With anonymous users, because others are the system's. It demands that TLS sessions are resumed."""
    (root / "in").mkdir()
    settings = {
        "listen": "NO",
        "run_as_launching_user": "YES",
        "seccomp_sandbox": "NO",
        "anonymous_enable": "YES",
        "ftp_username": pwd.getpwuid(os.geteuid()).pw_name,
        "anon_root": root,
        "allow_writeable_chroot": "YES",
        "anon_world_readable_only": "NO",
        "anon_umask": "022",
        "write_enable": "YES",
        "anon_upload_enable": "YES",
        "anon_mkdir_write_enable": "YES",
        "anon_other_write_enable": "YES",
        "secure_email_list_enable": "YES",
        "email_password_file": root / "passwords",
        "ssl_enable": "YES",
        "allow_anon_ssl": "YES",
        "force_anon_logins_ssl": "YES",
        "force_anon_data_ssl": "YES",
        "require_ssl_reuse": "YES",
        "ssl_ciphers": "HIGH",
        "rsa_cert_file": shown.file,
        "rsa_private_key_file": shown.file,
        "pasv_enable": "YES",
        "xferlog_enable": "NO",
    }
    (root / "passwords").write_text("guest\n")
    (root / "vsftpd.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    where = {"kind": "ftps", "host": HOST, "directory": "in", "secretId": "s", "caCertificate": shown.pem}
    with daemon([str(path_of("vsftpd")), str(root / "vsftpd.conf")]) as running:
        secret = {"username": "anonymous", "password": "guest"}
        yield RealPartner(Ftps(), root / "in", running.port, [], where, 40_000_000, running, secret)


@contextmanager
def proftpd(root: Path, shown: Certificate, *, protocol: str) -> Iterator[RealPartner]:
    """
    Args:
        protocol: `sftp` or `ftps`.
    """
    user, group = os.geteuid(), os.getegid()
    (root / "in").mkdir()
    settings = root / "settings"
    settings.mkdir()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (settings / "passwd").write_text(f"{USER}:{hashed}:{user}:{group}::{root}:/bin/sh\n")
    (settings / "group").write_text(f"{USER}:x:{group}:\n")
    host_key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    host_key.write_private_key(settings / "host_key", "pkcs1-pem")
    for path in settings.iterdir():
        path.chmod(0o600)
    program, module = str(path_of("proftpd")), Path(str(path_of(PROGRAMS[f"proftpd {protocol}"][1])))
    lines = [
        "ServerType inetd",
        f"ModulePath {module.parent}",
        f"LoadModule {module.stem}.c",
        f"User {pwd.getpwuid(user).pw_name}",
        f"ScoreboardFile {settings}/scores",
        f"SystemLog {settings}/log",
        "TransferLog none",
        "WtmpLog off",
        "UseReverseDNS off",
        "RootLogin on",
        "RequireValidShell off",
        "AllowOverwrite on",
        "AllowStoreRestart on",
        "AllowRetrieveRestart on",
        "AuthOrder mod_auth_file.c",
        "AuthFileOptions InsecurePerms",
        f"AuthUserFile {settings}/passwd",
        f"AuthGroupFile {settings}/group",
    ]
    where: dict[str, Any] = {"kind": protocol, "host": HOST, "directory": str(root / "in"), "secretId": "s"}
    if protocol == "ftps":
        where["caCertificate"] = shown.pem
        lines += ["TLSEngine on", "TLSRequired on", f"TLSECCertificateFile {shown.file}"]
        lines += [f"TLSECCertificateKeyFile {shown.file}", f"TLSLog {settings}/tls.log"]
    else:
        where["hostKey"] = host_key_line(host_key)
        lines += ["SFTPEngine on", f"SFTPHostKey {settings}/host_key", "SFTPAuthMethods password"]
        lines += [f"SFTPLog {settings}/sftp.log"]
    (settings / "config").write_text("\n".join(lines) + "\n")
    secret = {"username": USER, "password": PASSWORD}
    kind = Ftps() if protocol == "ftps" else Sftp()
    with daemon([program, "-n", "-c", str(settings / "config")]) as running:
        yield RealPartner(kind, root / "in", running.port, [], where, 40_000_000, running, secret)


SERVERS: dict[str, Callable[[Path, Certificate], Any]] = {
    "openssh": openssh,
    "openssh without stat": lambda root, shown: openssh(root, shown, denies="stat,lstat"),
    "vsftpd": vsftpd,
    "proftpd ftps": lambda root, shown: proftpd(root, shown, protocol="ftps"),
    "proftpd sftp": lambda root, shown: proftpd(root, shown, protocol="sftp"),
}
