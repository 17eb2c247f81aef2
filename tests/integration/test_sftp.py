"""What only SFTP servers do: host keys, private keys, writes side by side, and failures without a reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests import partner_servers as servers
from tests.partner_servers import HASTY, PASSWORD, SECRET, USER, Faults, Partner, refused, sftp_partner, write
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.credentials import Credentials

MEGABYTE = 1024 * 1024


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
def partner(tmp_path: Path, host_key: asyncssh.SSHKey, faults: Faults) -> Iterator[Partner]:
    with sftp_partner(tmp_path, faults, host_keys=[host_key]) as running:
        yield running


@pytest.mark.parametrize("directory", ["/in", "/in/", "in", "./in", ".", "/"])
def test_directories_are_absolute_or_the_users(partner: Partner, tmp_path: Path, directory: str) -> None:
    with partner.connect(directory=directory) as connection:
        write(connection, "a", b"x")
    assert (tmp_path / directory.strip("/") / "a").read_bytes() == b"x"


def test_a_rename_replaces_on_servers_without_posix_rename(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncssh.sftp.SFTPServerHandler, "_extensions", [])
    with partner.connect() as connection:
        write(connection, "new", b"new")
        connection.rename("new", "fresh", replace=True)
    assert partner.asked[-1] == "rename /in/fresh"
    (partner.folder / "old").write_bytes(b"old")
    servers.replace(partner.connect, servers.Kept(), "old", b"new")
    assert (partner.folder / "old").read_bytes() == b"new"
    assert {path.name for path in partner.folder.iterdir()} == {"old", "old.manifest.json", "fresh"}


@pytest.mark.filterwarnings("ignore:.*bcrypt")  # one round, as a test has no time for more
@pytest.mark.parametrize("passphrase", [None, "open sesame"])
@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_a_private_key_logs_in(
    tmp_path: Path, host_key: asyncssh.SSHKey, other_key: asyncssh.SSHKey, passphrase: str | None, form: str
) -> None:
    text = other_key.export_private_key(form, passphrase, rounds=1).decode()
    secret = {"username": USER, "privateKey": text} | ({"passphrase": passphrase} if passphrase else {})
    with sftp_partner(tmp_path, host_keys=[host_key], user_key=other_key) as partner:
        with partner.connect(secret=secret) as connection:
            assert connection.size("a") is None
        if passphrase:
            for wrong in ({"passphrase": "guess"}, {"passphrase": None}):
                refused(partner, "secret", secret=secret | wrong)
        stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        error = refused(partner, "auth", secret={"username": USER, "privateKey": stranger})
        assert not error.retry_now and error.relaunchable


def test_the_host_key_may_be_a_fingerprint(partner: Partner, host_key: asyncssh.SSHKey) -> None:
    with partner.connect(hostKey=host_key.get_fingerprint()):
        pass


def test_a_fingerprint_may_be_of_any_of_the_servers_keys(tmp_path: Path, host_key: asyncssh.SSHKey) -> None:
    keys = [host_key, asyncssh.generate_private_key("ecdsa-sha2-nistp256"), asyncssh.generate_private_key("ssh-rsa")]
    with sftp_partner(tmp_path, host_keys=keys) as partner:
        for key in keys:
            for given in (servers.host_key_line(key), key.get_fingerprint()):
                with partner.connect(hostKey=given):
                    pass


@pytest.mark.parametrize("form", ["line", "fingerprint", "other type"])
def test_a_wrong_host_key_gets_no_password(
    partner: Partner, host_key: asyncssh.SSHKey, other_key: asyncssh.SSHKey, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(*_: object) -> bool:
        raise AssertionError("the password was sent")

    monkeypatch.setattr(servers.Login, "validate_password", tell)
    given = {
        "line": servers.host_key_line(other_key),
        "fingerprint": other_key.get_fingerprint(),
        "other type": servers.host_key_line(asyncssh.generate_private_key("ecdsa-sha2-nistp256")),
    }[form]
    error = refused(partner, "host-key", hostKey=given)
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
    with sftp_partner(tmp_path, host_keys=[host_key], user_key=other_key) as partner:
        refused(partner, "auth")
        refused(partner, "host-key", hostKey=servers.host_key_line(other_key))


def test_a_file_is_no_directory(partner: Partner, host_key: asyncssh.SSHKey, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused(partner, "not-found", directory="/file")


def test_a_full_disk_is_known_by_its_space_where_the_server_says_only_failure(
    partner: Partner, host_key: asyncssh.SSHKey, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.full_after = 0
    monkeypatch.setattr(asyncssh.SFTPError, "encode", _failure_without_words)
    monkeypatch.setattr(asyncssh.SFTPServer, "statvfs", lambda *_: asyncssh.SFTPVFSAttrs(bsize=4096, frsize=4096))
    with partner.connect() as connection, pytest.raises(DeliveryFailed) as told:
        write(connection, "a", b"x")
    assert told.value.reason == "disk-full"


def _failure_without_words(error: asyncssh.SFTPError, version: int) -> bytes:
    return asyncssh.packet.UInt32(4) + asyncssh.packet.String("Failure") + asyncssh.packet.String("")


@pytest.mark.parametrize("fault", [servers.stall, servers.half_close])
def test_a_dead_network_ends_soon(partner: Partner, host_key: asyncssh.SSHKey, fault: Any) -> None:
    with (
        servers.proxy(partner.port, MEGABYTE, fault) as port,
        partner.connect(HASTY, port=port) as connection,
        pytest.raises(DeliveryFailed) as told,
    ):
        write(connection, "a", bytes(8 * MEGABYTE))
    assert told.value.reason == ("timeout" if fault is servers.stall else "connection-lost")


def test_a_hole_that_a_cut_leaves_is_filled(
    partner: Partner, host_key: asyncssh.SSHKey, faults: Faults, tmp_path: Path
) -> None:
    """As of a server that does writes side by side: its file's size tells nothing about what lies before the end."""
    content = os.urandom(5 * MEGABYTE)
    faults.leaves_out, faults.cut_after = MEGABYTE, 2 * MEGABYTE
    with partner.connect() as connection, pytest.raises(DeliveryFailed):
        write(connection, "a", content)
    found = (partner.folder / "a").read_bytes()
    assert len(found) > MEGABYTE and found != content[: len(found)]
    with partner.connect() as connection:
        write(connection, "a", content, offset=max(0, len(found) - connection.unsure_bytes))
    assert (partner.folder / "a").read_bytes() == content


def test_the_secret_is_not_shown() -> None:
    shown = repr(Credentials.from_secret(SECRET | {"privateKey": "KEY", "passphrase": "PASS"}, needs_password=False))
    assert PASSWORD not in shown and "KEY" not in shown and "PASS" not in shown


def test_a_rename_that_replaces_is_atomic(partner: Partner) -> None:
    with partner.connect() as connection:
        write(connection, "new", b"new")
        connection.rename("new", "old", replace=True)
    assert partner.asked[-1] == "posix-rename /in/old"


def test_a_missing_directory_is_named(partner: Partner) -> None:
    assert "/no/such" in str(refused(partner, "not-found", directory="/no/such"))
