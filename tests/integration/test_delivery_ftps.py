"""Files on a partner's FTPS server: what arrives, and what the user is told when it cannot."""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from tests import remote_servers as servers
from tests.remote_servers import ALLOWED, HASTY, HOST, PASSWORD, PATIENT, SECRET, Certificate, Faults, Running
from tests.remote_servers import certificate as make_certificate
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import AllowedHosts, Remote, Timeouts, ftps, open_remote

MEGABYTE = 1024 * 1024
NAMES = ["contacts.csv", "with space.csv", "žluťoučký kůň 馬.csv", ".hidden.csv", "-rf.csv", "a;b'c\"d$(e).csv"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.fixture
def server(root: Path, certificate: Certificate, faults: Faults) -> Iterator[Running]:
    with servers.ftps_server(root, certificate, faults) as running:
        yield running


def destination(port: int, trusted: Certificate, **members: Any) -> dict[str, Any]:
    where = {"kind": "ftps", "host": HOST, "port": port, "directory": "/in", "secretId": "s"}
    return where | {"caCertificate": trusted.pem} | members


def opened(port: int, trusted: Certificate, timeouts: Timeouts = PATIENT, **members: Any) -> Remote:
    return open_remote(destination(port, trusted, **members), SECRET, ALLOWED, timeouts)


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
def test_a_file_arrives_under_its_name(server: Running, certificate: Certificate, root: Path, name: str) -> None:
    content = os.urandom(300_001)
    with opened(server.port, certificate) as remote:
        assert remote.size(name) is None
        seen = write(remote, ".part", content)
        assert seen == sorted(seen) and seen[-1] == len(content)
        assert remote.size(".part") == len(content)
        remote.rename(".part", name, replace=False)
        assert remote.read(name, len(content)) == content
        assert remote.read(name, len(content) - 1) is None
        assert remote.read("missing", 10) is None
    assert (root / "in" / name).read_bytes() == content
    assert [path.name for path in (root / "in").iterdir()] == [name]
    assert server.asked[-1] == "QUIT"


@pytest.mark.parametrize("tls", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def test_data_connections_resume_the_tls_session(root: Path, certificate: Certificate, tls: int) -> None:
    """The server refuses data connections that do not, as many do; several in a row each need it."""
    with servers.ftps_server(root, certificate, tls=tls) as running, opened(running.port, certificate) as remote:
        for number in range(3):
            write(remote, f"a{number}", b"x" * number)
            assert remote.read(f"a{number}", 10) == b"x" * number


def test_a_server_that_misses_the_session_is_told(
    server: Running, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap = ssl.SSLContext.wrap_socket
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", lambda *args, session=None, **more: wrap(*args, **more))
    with opened(server.port, certificate) as remote, pytest.raises(DeliveryFailed):
        write(remote, "a", b"x")


def test_implicit_tls(root: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.ftps_server(root, certificate, is_implicit=True) as running:
        monkeypatch.setattr(ftps, "IMPLICIT_TLS_PORT", running.port)
        with opened(running.port, certificate) as remote:
            write(remote, "a", b"x")
            assert remote.read("a", 10) == b"x"
    assert not any(line.startswith("AUTH") for line in running.asked)


def test_the_address_that_pasv_names_is_ignored(root: Path, certificate: Certificate) -> None:
    with (
        servers.ftps_server(root, certificate, has_epsv=False, pasv_address="192.0.2.1") as running,
        opened(running.port, certificate, HASTY) as remote,
    ):
        write(remote, "a", b"x")
        assert remote.read("a", 10) == b"x"
    assert "PASV" in running.asked


def test_an_empty_file_is_a_file(server: Running, certificate: Certificate) -> None:
    with opened(server.port, certificate) as remote:
        write(remote, "a", b"longer before")
        assert write(remote, "a", b"") == []
        assert remote.size("a") == 0


def test_writing_goes_on_where_it_is_told(server: Running, certificate: Certificate, root: Path) -> None:
    content = os.urandom(200_000)
    with opened(server.port, certificate) as remote:
        write(remote, "a", content[:70_000])
        assert write(remote, "a", content, offset=50_000)[-1] == len(content)
    assert (root / "in/a").read_bytes() == content


@pytest.mark.parametrize("replaces", [True, False], ids=["unix", "windows"])
def test_a_rename_replaces_only_when_asked(root: Path, certificate: Certificate, replaces: bool) -> None:
    with (
        servers.ftps_server(root, certificate, replaces=replaces) as running,
        opened(running.port, certificate) as remote,
    ):
        write(remote, "old", b"old")
        write(remote, "new", b"new")
        with pytest.raises(DeliveryFailed) as told:
            remote.rename("new", "old", replace=False)
        assert told.value.reason == "exists"
        remote.rename("new", "old", replace=True)
    assert {path.name: path.read_bytes() for path in (root / "in").iterdir()} == {"old": b"new"}


def test_a_rename_of_what_is_gone_is_told(server: Running, certificate: Certificate) -> None:
    with opened(server.port, certificate) as remote, pytest.raises(DeliveryFailed) as told:
        remote.rename("no", "new", replace=True)
    assert told.value.reason == "not-found"


def test_deleting_what_is_gone_is_fine(server: Running, certificate: Certificate) -> None:
    with opened(server.port, certificate) as remote:
        write(remote, "a", b"x")
        remote.delete("a")
        remote.delete("a")
        assert remote.size("a") is None


# --- who is who


def test_a_wrong_password_is_refused(server: Running, certificate: Certificate) -> None:
    with pytest.raises(DeliveryFailed) as told:
        open_remote(destination(server.port, certificate), SECRET | {"password": "geheim"}, ALLOWED, PATIENT)
    assert told.value.reason == "auth" and "geheim" not in str(told.value) and not told.value.retry_now


@pytest.mark.parametrize("secret", [{"username": "a"}, {"username": "a", "privateKey": "k"}, {"password": "p\r\nSITE"}])
def test_a_malformed_secret_connects_to_nobody(secret: Any, certificate: Certificate) -> None:
    with pytest.raises(DeliveryFailed) as told:
        open_remote(destination(1, certificate), secret, ALLOWED, PATIENT)
    assert told.value.reason == "secret"


def test_a_certificate_of_the_given_authority_is_trusted(root: Path, certificate: Certificate, tmp_path: Path) -> None:
    signed = make_certificate(tmp_path, signed_by=certificate)
    with servers.ftps_server(root, signed) as running, opened(running.port, certificate) as remote:
        assert remote.size("a") is None


@pytest.mark.parametrize("case", ["untrusted", "unknown to public authorities", "expired", "other name"])
def test_a_wrong_certificate_gets_no_password(root: Path, certificate: Certificate, tmp_path: Path, case: str) -> None:
    shown, trusted = certificate, certificate
    if case == "untrusted":
        shown = make_certificate(tmp_path)
    elif case == "expired":
        shown = trusted = make_certificate(tmp_path, days=-1)
    elif case == "other name":
        shown = trusted = make_certificate(tmp_path, name="ftp.example.com")
    members = {"caCertificate": None} if case == "unknown to public authorities" else {}
    with servers.ftps_server(root, shown) as running:
        error = refused("certificate", running.port, trusted, **members)
    assert not error.retry_now and error.relaunchable
    assert not any(line.startswith(("USER", "PASS")) for line in running.asked)


def test_a_server_without_tls_gets_no_password(certificate: Certificate) -> None:
    with servers.silent_server(b"220 Hello\r\n530 TLS? Never heard of it\r\n") as port:
        error = refused("protocol", port, certificate, HASTY)
    assert not error.relaunchable


# --- what servers refuse


def test_a_missing_directory_is_told(server: Running, certificate: Certificate) -> None:
    error = refused("not-found", server.port, certificate, directory="/no/such")
    assert error.relaunchable


def test_a_read_only_directory_is_told(server: Running, root: Path, certificate: Certificate) -> None:
    with (
        servers.ftps_server(root, certificate, Faults(is_read_only=True)) as running,
        opened(running.port, certificate) as remote,
        pytest.raises(DeliveryFailed) as told,
    ):
        write(remote, "a", b"x")
    assert told.value.reason == "permission"


def test_a_full_disk_is_told_and_can_be_tidied(
    server: Running, certificate: Certificate, faults: Faults, root: Path
) -> None:
    faults.full_after = MEGABYTE
    with opened(server.port, certificate) as remote:
        with pytest.raises(DeliveryFailed) as told:
            write(remote, "a", bytes(20 * MEGABYTE))
        assert told.value.reason == "disk-full" and not told.value.retry_now and told.value.relaunchable
        remote.delete("a")
    assert not list((root / "in").iterdir())


@pytest.mark.parametrize(
    ("answer", "command", "reason"),
    [
        ("452 Insufficient storage space", "STOR", "disk-full"),
        ("552 Exceeded storage allocation", "STOR", "disk-full"),
        ("426 No space left on device; transfer aborted.", "STOR", "disk-full"),
        ("550 Quota exceeded", "STOR", "disk-full"),
        ("426 Transfer aborted", "STOR", "connection-lost"),
        ("425 Cannot open data connection", "STOR", "connection-lost"),
        ("421 Too many users", "PASS", "connection-lost"),
        ("451 Local error", "RNTO", "connection-lost"),
        ("530 Not logged in", "STOR", "auth"),
        ("550 Permission denied", "STOR", "permission"),
        ("553 File name not allowed", "RNTO", "permission"),
        ("550 No such file", "RNTO", "not-found"),
        ("550 Access denied", "CWD", "not-found"),
        ("502 Not implemented", "SIZE", "protocol"),
        ("522 Network protocol not supported", "STOR", "protocol"),
    ],
)
def test_what_a_reply_means(answer: str, command: str, reason: str) -> None:
    assert ftps._failure("ftp.example.com", command, answer).reason == reason


# --- what the network does


def test_nobody_listens(certificate: Certificate) -> None:
    with servers.silent_server() as port:
        pass
    assert refused("unreachable", port, certificate).retry_now


def test_a_private_host_is_refused_unless_allowed(server: Running, certificate: Certificate) -> None:
    with pytest.raises(DeliveryFailed) as told:
        open_remote(destination(server.port, certificate), SECRET, AllowedHosts(), PATIENT)
    assert told.value.reason == "host-refused"


@pytest.mark.parametrize(
    "greeting",
    [b"", b"220 Hello\r\n", b"220-He", b"220 Hello\r\n234 Go on\r\n"],
    ids=["nothing", "TLS", "half", "TLS2"],
)
def test_a_server_that_never_logs_in_times_out(certificate: Certificate, greeting: bytes) -> None:
    with servers.silent_server(greeting) as port:
        begun = time.monotonic()
        assert refused("timeout", port, certificate, HASTY).retry_now
        assert time.monotonic() - begun < 5


def test_a_server_of_another_kind_is_told(certificate: Certificate) -> None:
    with servers.silent_server(b"HTTP/1.1 400 Bad Request\r\n") as port:
        assert not refused("protocol", port, certificate, HASTY).relaunchable


def test_a_server_that_stops_in_the_middle_times_out(server: Running, certificate: Certificate, faults: Faults) -> None:
    faults.stall_after = MEGABYTE
    with opened(server.port, certificate, HASTY) as remote:
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed) as told:
            write(remote, "a", bytes(40 * MEGABYTE))
        assert told.value.reason == "timeout"
        with pytest.raises(DeliveryFailed) as told:
            remote.size("a")
        assert told.value.reason == "connection-lost"
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("fault", [servers.stall, servers.half_close])
def test_a_dead_control_connection_ends_soon(server: Running, certificate: Certificate, fault: Any) -> None:
    """As when a router forgets a connection that idles while data flow on the other."""
    with (
        servers.proxy(server.port, 1_500, fault) as port,
        opened(port, certificate, HASTY) as remote,
        pytest.raises(DeliveryFailed) as told,
    ):
        for number in range(100):
            write(remote, f"a{number}", b"x")
    assert told.value.reason == ("timeout" if fault is servers.stall else "connection-lost")


def test_after_a_cut_the_rest_makes_the_same_bytes(
    server: Running, certificate: Certificate, faults: Faults, root: Path
) -> None:
    content = os.urandom(20 * MEGABYTE)
    faults.cut_after = 3 * MEGABYTE
    with opened(server.port, certificate) as remote, pytest.raises(DeliveryFailed) as told:
        write(remote, "a", content)
    assert told.value.reason == "connection-lost" and told.value.retry_now
    with opened(server.port, certificate) as remote:
        stored = remote.size("a")
        assert stored is not None and 0 < stored < len(content)
        write(remote, "a", content, offset=max(0, stored - remote.unsure_bytes))
    assert (root / "in/a").read_bytes() == content


def test_the_callers_own_failure_passes_through(server: Running, certificate: Certificate) -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise OSError("the source broke")

    with opened(server.port, certificate) as remote, pytest.raises(OSError, match="the source broke"):
        remote.write("a", 0, source(), lambda _: None)


# --- whole deliveries


def test_a_delivery_that_is_cut_arrives_once(
    server: Running, certificate: Certificate, faults: Faults, root: Path
) -> None:
    content = os.urandom(6 * MEGABYTE)
    faults.cut_after = 3 * MEGABYTE
    reasons = servers.deliver(lambda: opened(server.port, certificate), NAMES[2], content)
    assert reasons == ["connection-lost"]
    manifest = b'{"jobId": "0d9a35a1-5f9c", "fileName": ' + json.dumps(NAMES[2]).encode() + b"}"
    found = {path.name: path.read_bytes() for path in (root / "in").iterdir()}
    assert found == {NAMES[2]: content, f"{NAMES[2]}.manifest.json": manifest}


def test_a_large_file_takes_little_memory(server: Running, certificate: Certificate) -> None:
    assert servers.growth_of_50_mb(destination(server.port, certificate)) < 12 * 1024
