"""Files on a partner's server, by SFTP and by FTPS: what arrives, and what the user is told when it cannot.

What only one of them does is in test_sftp.py and test_ftps.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests import partner_servers as servers
from tests.partner_servers import (
    HASTY,
    PASSWORD,
    SECRET,
    USER,
    Faults,
    Partner,
    certificate,
    ftps_partner,
    refused,
    sftp_partner,
    write,
)
from waybill.errors import DeliveryFailed
from waybill.exports.destinations.publish import discard
from waybill.hosts import AllowedHosts

MEGABYTE = 1024 * 1024
NAMES = ["contacts.csv", "with space.csv", "žluťoučký kůň 馬.csv", ".hidden.csv", "-rf.csv", "a;b'c\"d$(e).csv"]
GREETINGS = {
    "sftp": [b"", b"SSH-2.0-Slow\r\n", b"SSH-2.0-Sl"],
    "ftps": [b"", b"220 Hello\r\n", b"220-He", b"220 Hello\r\n234 Go on\r\n"],
}
Serve = Callable[..., AbstractContextManager[Partner]]
KINDS = ["sftp", "ftps"]


@pytest.fixture(scope="module")
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(kind: str, tmp_path: Path, host_key: asyncssh.SSHKey, shown: servers.Certificate) -> Serve:
    """Runs a server with the given faults."""
    if kind == "sftp":
        return lambda faults=None, **options: sftp_partner(tmp_path, faults, host_keys=[host_key], **options)
    return lambda faults=None, **options: ftps_partner(tmp_path, faults, shown=shown, **options)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def partner(serve: Serve, faults: Faults) -> Iterator[Partner]:
    with serve(faults) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_a_file_arrives_under_its_name(partner: Partner, name: str) -> None:
    content = os.urandom(300_001)
    with partner.connect() as connection:
        assert connection.size(name) is None
        seen = write(connection, ".part", content)
        assert seen == sorted(seen) and seen[-1] == len(content)
        assert connection.size(".part") == len(content)
        connection.rename(".part", name, replace=False)
        assert connection.read(name, len(content)) == content
        assert connection.read(name, len(content) - 1) is None
        assert connection.read("missing", 10) is None
    assert (partner.folder / name).read_bytes() == content
    assert [path.name for path in partner.folder.iterdir()] == [name]


def test_an_empty_file_is_a_file(partner: Partner) -> None:
    with partner.connect() as connection:
        write(connection, "a", b"longer before")
        assert write(connection, "a", b"") == []
        assert connection.size("a") == 0


def test_writing_resumes_at_an_offset(partner: Partner) -> None:
    content = os.urandom(200_000)
    with partner.connect() as connection:
        write(connection, "a", content[:70_000])
        assert write(connection, "a", content, offset=50_000)[-1] == len(content)
    assert (partner.folder / "a").read_bytes() == content


def test_a_rename_replaces_only_when_asked(serve: Serve) -> None:
    with serve() as partner:
        with partner.connect() as connection:
            write(connection, "old", b"old")
            write(connection, "new", b"new")
            with pytest.raises(DeliveryFailed) as told:
                connection.rename("new", "old", replace=False)
            assert told.value.reason == "exists"
            connection.rename("new", "old", replace=True)
        assert {path.name: path.read_bytes() for path in partner.folder.iterdir()} == {"old": b"new"}


def test_a_server_that_does_not_replace_keeps_its_file(serve: Serve) -> None:
    """As on Windows."""
    with serve(replaces=False) as partner, partner.connect() as connection:
        write(connection, "old", b"old")
        write(connection, "new", b"new")
        with pytest.raises(DeliveryFailed) as told:
            connection.rename("new", "old", replace=True)
        assert told.value.reason == "exists"
        assert connection.read("old", 10) == b"old"


# Python's wrap_socket leaves the socket to the garbage collector when the peer has reset the connection by then.
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <ssl.SSLSocket .*laddr=[^=]*>:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("replaces", [True, False])
@pytest.mark.parametrize("refusal", [*servers.SFTP_REFUSALS, *servers.CUTS])
def test_a_refusal_leaves_the_receiver_with_one_whole_file(
    serve: Serve, faults: Faults, replaces: bool, refusal: str
) -> None:
    """Each change that a delivery asks for is refused, for as long as it is asked for."""
    old, new, name = b"old" * 1000, b"new" * 2000, "contacts.csv"

    with serve(faults, replaces=replaces) as partner:

        def start() -> servers.Kept:
            for path in partner.folder.iterdir():
                path.unlink()
            (partner.folder / name).write_bytes(old)
            (partner.folder / f"{name}.manifest.json").write_bytes(b"[" * 60_000)
            return servers.Kept()

        asked: list[str] = []
        faults.refuses = lambda request: asked.append(request)
        servers.replace(partner.connect, start(), name, new)
        requests = list(dict.fromkeys(asked))
        assert len(requests) >= (4 if replaces else 8)
        for refused_request in requests:
            faults.refuses = lambda request, wanted=refused_request: refusal if request == wanted else None
            state = start()
            for _ in range(2):
                with suppress(DeliveryFailed):
                    servers.replace(partner.connect, state, name, new)
            with suppress(DeliveryFailed), partner.connect() as connection:
                discard(connection, name, servers.JOB, state)
            assert (partner.folder / name).read_bytes() in (old, new), refused_request
            faults.refuses = lambda _: None
            servers.replace(partner.connect, state, name, new)
            assert (partner.folder / name).read_bytes() == new, refused_request
            assert b"contacts.csv" in (partner.folder / f"{name}.manifest.json").read_bytes(), refused_request


def test_a_rename_of_a_missing_file_is_told(partner: Partner) -> None:
    with partner.connect() as connection, pytest.raises(DeliveryFailed) as told:
        connection.rename("no", "new", replace=True)
    assert told.value.reason == "not-found"


def test_deleting_a_missing_file_is_fine(partner: Partner) -> None:
    with partner.connect() as connection:
        write(connection, "a", b"x")
        connection.delete("a")
        connection.delete("a")
        assert connection.size("a") is None


# --- logging in


def test_a_wrong_password_is_refused(partner: Partner) -> None:
    error = refused(partner, "auth", secret=SECRET | {"password": "geheim"})
    assert "geheim" not in str(error) and not error.retry_now and error.relaunchable


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"username": USER},
        {"password": PASSWORD},
        {"username": USER, "password": 7},
        {"username": "two\nlines", "password": PASSWORD},
        {"username": USER, "password": "p\r\nSITE"},
        {"username": USER, "privateKey": "no key"},
    ],
)
def test_a_malformed_secret_connects_to_nobody(partner: Partner, secret: Any) -> None:
    with pytest.raises(DeliveryFailed) as told:
        partner.connect(secret=secret, port=1)
    assert told.value.reason == "secret"


# --- what servers refuse


def test_a_missing_directory_is_told(partner: Partner) -> None:
    error = refused(partner, "not-found", directory="/no/such")
    assert error.relaunchable


def test_a_read_only_directory_is_told(serve: Serve) -> None:
    with (
        serve(Faults(is_read_only=True)) as partner,
        partner.connect() as connection,
        pytest.raises(DeliveryFailed) as told,
    ):
        write(connection, "a", b"x")
    assert told.value.reason == "permission"


def test_a_full_disk_is_told_and_can_be_tidied(partner: Partner, faults: Faults) -> None:
    faults.full_after = MEGABYTE
    with partner.connect() as connection:
        with pytest.raises(DeliveryFailed) as told:
            write(connection, "a", bytes(partner.much))
        assert told.value.reason == "disk-full" and not told.value.retry_now and told.value.relaunchable
        connection.delete("a")
    assert not list(partner.folder.iterdir())


# --- what the network does


def test_nobody_listens(partner: Partner) -> None:
    with servers.silent_server() as port:
        pass
    assert refused(partner, "unreachable", port=port).retry_now


def test_a_private_host_is_refused_unless_allowed(partner: Partner) -> None:
    refused(partner, "host-refused", hosts=AllowedHosts())


@pytest.mark.parametrize(("kind", "greeting"), [(kind, text) for kind in KINDS for text in GREETINGS[kind]])
def test_a_server_that_never_logs_in_times_out(partner: Partner, greeting: bytes) -> None:
    with servers.silent_server(greeting) as port:
        begun = time.monotonic()
        assert refused(partner, "timeout", port=port, timeouts=HASTY).retry_now
        assert time.monotonic() - begun < 5


def test_a_server_of_another_kind_is_told(partner: Partner) -> None:
    with servers.silent_server(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 2000) as port:
        assert not refused(partner, "protocol", port=port, timeouts=HASTY).relaunchable


def test_a_server_that_stops_in_the_middle_times_out(partner: Partner, faults: Faults) -> None:
    faults.stall_after = MEGABYTE
    with partner.connect(HASTY) as connection:
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed) as told:
            write(connection, "a", bytes(partner.much))
        assert told.value.reason == "timeout"
        with pytest.raises(DeliveryFailed) as told:
            connection.size("a")
        assert told.value.reason == "connection-lost"
    assert time.monotonic() - begun < 5


def test_after_a_cut_the_rest_makes_the_same_bytes(partner: Partner, faults: Faults) -> None:
    content = os.urandom(partner.much // 2)
    faults.cut_after = 3 * MEGABYTE
    with partner.connect() as connection, pytest.raises(DeliveryFailed) as told:
        write(connection, "a", content)
    assert told.value.reason == "connection-lost" and told.value.retry_now
    with partner.connect() as connection:
        stored = connection.size("a")
        assert stored is not None and 0 < stored < len(content)
        write(connection, "a", content, offset=max(0, stored - connection.unsure_bytes))
    assert (partner.folder / "a").read_bytes() == content


def test_the_callers_own_failure_passes_through(partner: Partner) -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise OSError("the source broke")

    with partner.connect() as connection, pytest.raises(OSError, match="the source broke"):
        connection.write("a", 0, source(), lambda _: None)


# --- whole deliveries


def test_a_delivery_that_is_cut_arrives_once(partner: Partner, faults: Faults) -> None:
    content = os.urandom(6 * MEGABYTE)
    faults.cut_after = 3 * MEGABYTE
    reasons = servers.deliver(partner.connect, NAMES[2], content)
    assert reasons == ["connection-lost"]
    manifest = b'{"jobId": "0d9a35a1-5f9c", "fileName": ' + json.dumps(NAMES[2]).encode() + b"}"
    found = {path.name: path.read_bytes() for path in partner.folder.iterdir()}
    assert found == {NAMES[2]: content, f"{NAMES[2]}.manifest.json": manifest}


def test_a_large_file_takes_little_memory(partner: Partner) -> None:
    assert servers.growth_of_50_mb(partner.destination()) < 12 * 1024
