"""Files on a partner's SFTP server: what arrives, and what the user is told when it cannot."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests import remote_servers as servers
from tests.remote_servers import ALLOWED, HASTY, HOST, PASSWORD, PATIENT, SECRET, USER, Faults, Running, sftp_server
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import AllowedHosts, Remote, Timeouts, open_remote

MEGABYTE = 1024 * 1024
NAMES = ["contacts.csv", "with space.csv", "žluťoučký kůň 馬.csv", ".hidden.csv", "-rf.csv", "a;b'c\"d$(e).csv"]


@pytest.fixture(scope="module")
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def other_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def server(tmp_path: Path, host_key: asyncssh.SSHKey, faults: Faults) -> Iterator[Running]:
    (tmp_path / "in").mkdir()
    with sftp_server(tmp_path, [host_key], faults) as running:
        yield running


def destination(port: int, host_key: asyncssh.SSHKey, **members: Any) -> dict[str, Any]:
    line = servers.host_key_line(host_key)
    return {"kind": "sftp", "host": HOST, "port": port, "directory": "/in", "secretId": "s", "hostKey": line} | members


def opened(port: int, host_key: asyncssh.SSHKey, timeouts: Timeouts = PATIENT, **members: Any) -> Remote:
    return open_remote(destination(port, host_key, **members), SECRET, ALLOWED, timeouts)


def chunks(content: bytes, size: int = 100_000) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def write(remote: Remote, name: str, content: bytes, offset: int = 0) -> list[int]:
    seen: list[int] = []
    remote.write(name, offset, chunks(content[offset:]), seen.append)
    return seen


def refused(reason: str, *args: Any, **members: Any) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as told, opened(*args, **members):
        pass
    assert told.value.reason == reason
    assert PASSWORD not in str(told.value) and "Traceback" not in str(told.value)
    return told.value


@pytest.mark.parametrize("name", NAMES)
def test_a_file_arrives_under_its_name(server: Running, host_key: asyncssh.SSHKey, tmp_path: Path, name: str) -> None:
    content = os.urandom(300_001)
    with opened(server.port, host_key) as remote:
        assert remote.size(name) is None
        seen = write(remote, ".part", content)
        assert seen == sorted(seen) and seen[-1] == len(content)
        assert remote.size(".part") == len(content)
        remote.rename(".part", name, replace=False)
        assert remote.read(name, len(content)) == content
        assert remote.read(name, len(content) - 1) is None
        assert remote.read("missing", 10) is None
    assert (tmp_path / "in" / name).read_bytes() == content
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name]


@pytest.mark.parametrize("directory", ["/in", "/in/", "in", "./in", ".", "/"])
def test_directories_are_absolute_or_the_users(
    server: Running, host_key: asyncssh.SSHKey, tmp_path: Path, directory: str
) -> None:
    with opened(server.port, host_key, directory=directory) as remote:
        write(remote, "a", b"x")
    assert (tmp_path / directory.strip("/") / "a").read_bytes() == b"x"


def test_an_empty_file_is_a_file(server: Running, host_key: asyncssh.SSHKey) -> None:
    with opened(server.port, host_key) as remote:
        write(remote, "a", b"longer before")
        assert write(remote, "a", b"") == []
        assert remote.size("a") == 0


def test_writing_goes_on_where_it_is_told(server: Running, host_key: asyncssh.SSHKey, tmp_path: Path) -> None:
    content = os.urandom(200_000)
    with opened(server.port, host_key) as remote:
        write(remote, "a", content[:70_000])
        assert write(remote, "a", content, offset=50_000)[-1] == len(content)
    assert (tmp_path / "in/a").read_bytes() == content


def test_a_rename_replaces_only_when_asked(server: Running, host_key: asyncssh.SSHKey, tmp_path: Path) -> None:
    with opened(server.port, host_key) as remote:
        write(remote, "old", b"old")
        write(remote, "new", b"new")
        with pytest.raises(DeliveryFailed) as told:
            remote.rename("new", "old", replace=False)
        assert told.value.reason == "exists"
        remote.rename("new", "old", replace=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == {"old": b"new"}
    assert server.asked[-1] == "posix-rename /in/old"  # atomic


def test_a_rename_replaces_on_servers_without_posix_rename(
    server: Running, host_key: asyncssh.SSHKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncssh.sftp.SFTPServerHandler, "_extensions", [])
    with opened(server.port, host_key) as remote:
        for target in ("old", "old", "fresh"):
            write(remote, "new", b"new")
            remote.rename("new", target, replace=True)
    assert {path.name for path in (tmp_path / "in").iterdir()} == {"old", "fresh"}
    assert server.asked[-1] == "rename /in/fresh"


def test_deleting_what_is_gone_is_fine(server: Running, host_key: asyncssh.SSHKey) -> None:
    with opened(server.port, host_key) as remote:
        write(remote, "a", b"x")
        remote.delete("a")
        remote.delete("a")
        assert remote.size("a") is None


# --- who is who


@pytest.mark.filterwarnings("ignore:.*bcrypt")  # one round, as a test has no time for more
@pytest.mark.parametrize("passphrase", [None, "open sesame"])
@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_a_private_key_logs_in(
    tmp_path: Path, host_key: asyncssh.SSHKey, other_key: asyncssh.SSHKey, passphrase: str | None, form: str
) -> None:
    text = other_key.export_private_key(form, passphrase, rounds=1).decode()
    secret = {"username": USER, "privateKey": text} | ({"passphrase": passphrase} if passphrase else {})
    with sftp_server(tmp_path, [host_key], user_key=other_key) as running:
        where = destination(running.port, host_key, directory="/")
        with open_remote(where, secret, ALLOWED, PATIENT) as remote:
            assert remote.size("a") is None
        if passphrase:
            for wrong in ({"passphrase": "guess"}, {"passphrase": None}):
                with pytest.raises(DeliveryFailed) as told:
                    open_remote(where, secret | wrong, ALLOWED, PATIENT)
                assert told.value.reason == "secret"
        stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        with pytest.raises(DeliveryFailed) as told:
            open_remote(where, {"username": USER, "privateKey": stranger}, ALLOWED, PATIENT)
        assert told.value.reason == "auth" and not told.value.retry_now and told.value.relaunchable


def test_a_wrong_password_is_refused(server: Running, host_key: asyncssh.SSHKey) -> None:
    with pytest.raises(DeliveryFailed) as told:
        open_remote(destination(server.port, host_key), SECRET | {"password": "geheim"}, ALLOWED, PATIENT)
    assert told.value.reason == "auth" and "geheim" not in str(told.value)


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"username": USER},
        {"password": PASSWORD},
        {"username": USER, "password": 7},
        {"username": "two\nlines", "password": PASSWORD},
        {"username": USER, "privateKey": "no key"},
        ["list"],
    ],
)
def test_a_malformed_secret_connects_to_nobody(secret: Any, host_key: asyncssh.SSHKey) -> None:
    with pytest.raises(DeliveryFailed) as told:
        open_remote(destination(1, host_key), secret, ALLOWED, PATIENT)
    assert told.value.reason == "secret"


def test_the_host_key_may_be_a_fingerprint(server: Running, host_key: asyncssh.SSHKey) -> None:
    with opened(server.port, host_key, hostKey=host_key.get_fingerprint()):
        pass


def test_a_fingerprint_may_be_of_any_of_the_servers_keys(tmp_path: Path, host_key: asyncssh.SSHKey) -> None:
    keys = [host_key, asyncssh.generate_private_key("ecdsa-sha2-nistp256"), asyncssh.generate_private_key("ssh-rsa")]
    with sftp_server(tmp_path, keys) as running:
        for key in keys:
            with opened(running.port, key, directory="/"):
                pass
            with opened(running.port, key, directory="/", hostKey=key.get_fingerprint()):
                pass


@pytest.mark.parametrize("form", ["line", "fingerprint", "other type"])
def test_a_wrong_host_key_gets_no_password(
    server: Running, host_key: asyncssh.SSHKey, other_key: asyncssh.SSHKey, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(*_: object) -> bool:
        raise AssertionError("the password was sent")

    monkeypatch.setattr(servers.Login, "validate_password", tell)
    given = {
        "line": servers.host_key_line(other_key),
        "fingerprint": other_key.get_fingerprint(),
        "other type": servers.host_key_line(asyncssh.generate_private_key("ecdsa-sha2-nistp256")),
    }[form]
    error = refused("host-key", server.port, host_key, hostKey=given)
    assert host_key.get_fingerprint() in str(error)  # what to compare with the operator's
    assert not error.retry_now


def test_nothing_of_this_machine_is_used(
    tmp_path: Path, host_key: asyncssh.SSHKey, other_key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in ~/.ssh that would be let in, a known host, a configuration and an agent: none of them counts."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    other_key.write_private_key(home / ".ssh/id_ed25519")
    (home / ".ssh/known_hosts").write_text(f"* {servers.host_key_line(host_key)}\n")
    (home / ".ssh/config").write_text("Host *\n  ProxyCommand false\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with sftp_server(tmp_path, [host_key], user_key=other_key) as running:
        refused("auth", running.port, host_key, directory="/")
        refused("host-key", running.port, other_key, directory="/")


# --- what servers refuse


def test_a_missing_directory_is_told(server: Running, host_key: asyncssh.SSHKey) -> None:
    error = refused("not-found", server.port, host_key, directory="/no/such")
    assert "/no/such" in str(error) and error.relaunchable


def test_a_file_is_no_directory(server: Running, host_key: asyncssh.SSHKey, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused("not-found", server.port, host_key, directory="/file")


def test_a_read_only_directory_is_told(server: Running, host_key: asyncssh.SSHKey, faults: Faults) -> None:
    faults.is_read_only = True
    with opened(server.port, host_key) as remote, pytest.raises(DeliveryFailed) as told:
        write(remote, "a", b"x")
    assert told.value.reason == "permission"


def test_a_full_disk_is_told_and_can_be_tidied(
    server: Running, host_key: asyncssh.SSHKey, faults: Faults, tmp_path: Path
) -> None:
    faults.full_after = MEGABYTE
    with opened(server.port, host_key) as remote:
        with pytest.raises(DeliveryFailed) as told:
            write(remote, "a", bytes(6 * MEGABYTE))
        assert told.value.reason == "disk-full" and not told.value.retry_now and told.value.relaunchable
        remote.delete("a")
    assert not list((tmp_path / "in").iterdir())


def test_a_full_disk_is_known_by_its_space_where_the_server_says_only_failure(
    server: Running, host_key: asyncssh.SSHKey, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.full_after = 0
    monkeypatch.setattr(asyncssh.SFTPError, "encode", _failure_without_words)
    monkeypatch.setattr(asyncssh.SFTPServer, "statvfs", lambda *_: asyncssh.SFTPVFSAttrs(bsize=4096, frsize=4096))
    with opened(server.port, host_key) as remote, pytest.raises(DeliveryFailed) as told:
        write(remote, "a", b"x")
    assert told.value.reason == "disk-full"


def _failure_without_words(error: asyncssh.SFTPError, version: int) -> bytes:
    return asyncssh.packet.UInt32(4) + asyncssh.packet.String("Failure") + asyncssh.packet.String("")


# --- what the network does


def test_nobody_listens(host_key: asyncssh.SSHKey) -> None:
    with servers.silent_server() as port:
        pass
    assert refused("unreachable", port, host_key).retry_now


def test_a_private_host_is_refused_unless_allowed(server: Running, host_key: asyncssh.SSHKey) -> None:
    with pytest.raises(DeliveryFailed) as told:
        open_remote(destination(server.port, host_key), SECRET, AllowedHosts(), PATIENT)
    assert told.value.reason == "host-refused"


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-Slow\r\n", b"SSH-2.0-Sl"], ids=["nothing", "greeting", "half"])
def test_a_server_that_never_logs_in_times_out(host_key: asyncssh.SSHKey, greeting: bytes) -> None:
    with servers.silent_server(greeting) as port:
        begun = time.monotonic()
        assert refused("timeout", port, host_key, HASTY).retry_now
        assert time.monotonic() - begun < 5


def test_a_server_of_another_kind_is_told(host_key: asyncssh.SSHKey) -> None:
    with servers.silent_server(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 2000) as port:
        assert not refused("protocol", port, host_key, HASTY).relaunchable


def test_a_server_that_stops_in_the_middle_times_out(
    server: Running, host_key: asyncssh.SSHKey, faults: Faults
) -> None:
    faults.stall_after = MEGABYTE
    with opened(server.port, host_key, HASTY) as remote:
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed) as told:
            write(remote, "a", bytes(8 * MEGABYTE))
        assert told.value.reason == "timeout"
        with pytest.raises(DeliveryFailed) as told:
            remote.size("a")
        assert told.value.reason == "connection-lost"
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("fault", [servers.stall, servers.half_close])
def test_a_dead_network_ends_soon(server: Running, host_key: asyncssh.SSHKey, fault: Any) -> None:
    with (
        servers.proxy(server.port, MEGABYTE, fault) as port,
        opened(port, host_key, HASTY) as remote,
        pytest.raises(DeliveryFailed) as told,
    ):
        write(remote, "a", bytes(8 * MEGABYTE))
    assert told.value.reason == ("timeout" if fault is servers.stall else "connection-lost")


def test_after_a_cut_the_rest_makes_the_same_bytes(
    server: Running, host_key: asyncssh.SSHKey, faults: Faults, tmp_path: Path
) -> None:
    content = os.urandom(5 * MEGABYTE)
    faults.cut_after = 3 * MEGABYTE
    with opened(server.port, host_key) as remote, pytest.raises(DeliveryFailed) as told:
        write(remote, "a", content)
    assert told.value.reason == "connection-lost" and told.value.retry_now
    with opened(server.port, host_key) as remote:
        stored = remote.size("a")
        assert stored is not None and 0 < stored < len(content)
        write(remote, "a", content, offset=max(0, stored - remote.unsure_bytes))
    assert (tmp_path / "in/a").read_bytes() == content


def test_a_hole_that_a_cut_leaves_is_filled(
    server: Running, host_key: asyncssh.SSHKey, faults: Faults, tmp_path: Path
) -> None:
    """As of a server that does writes side by side: its file's size tells nothing about what lies before the end."""
    content = os.urandom(5 * MEGABYTE)
    faults.leaves_out, faults.cut_after = MEGABYTE, 2 * MEGABYTE
    with opened(server.port, host_key) as remote, pytest.raises(DeliveryFailed):
        write(remote, "a", content)
    found = (tmp_path / "in/a").read_bytes()
    assert len(found) > MEGABYTE and found != content[: len(found)]
    with opened(server.port, host_key) as remote:
        write(remote, "a", content, offset=max(0, len(found) - remote.unsure_bytes))
    assert (tmp_path / "in/a").read_bytes() == content


def test_the_callers_own_failure_passes_through(server: Running, host_key: asyncssh.SSHKey) -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise OSError("the source broke")

    with opened(server.port, host_key) as remote, pytest.raises(OSError, match="the source broke"):
        remote.write("a", 0, source(), lambda _: None)


def test_the_secret_is_not_shown(host_key: asyncssh.SSHKey) -> None:
    from waybill.exports.destinations.model import Credentials

    shown = repr(Credentials.from_secret(SECRET | {"privateKey": "KEY", "passphrase": "PASS"}, needs_password=False))
    assert PASSWORD not in shown and "KEY" not in shown and "PASS" not in shown


# --- whole deliveries


def test_a_delivery_that_is_cut_arrives_once(
    server: Running, host_key: asyncssh.SSHKey, faults: Faults, tmp_path: Path
) -> None:
    content = os.urandom(6 * MEGABYTE)
    faults.cut_after = 3 * MEGABYTE
    reasons = servers.deliver(lambda: opened(server.port, host_key), NAMES[2], content)
    assert reasons == ["connection-lost"]
    manifest = b'{"jobId": "0d9a35a1-5f9c", "fileName": ' + json.dumps(NAMES[2]).encode() + b"}"
    found = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    assert found == {NAMES[2]: content, f"{NAMES[2]}.manifest.json": manifest}


def test_a_large_file_takes_little_memory(server: Running, host_key: asyncssh.SSHKey) -> None:
    assert servers.growth_of_50_mb(destination(server.port, host_key)) < 12 * 1024
