"""What only FTPS servers do: TLS of both connections, certificates, and replies with many meanings."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from tests import partner_servers as servers
from tests.partner_servers import HASTY, Certificate, certificate, ftps_partner, refused, write
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import ftps_connection


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("tls", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def test_data_connections_resume_the_tls_session(tmp_path: Path, shown: Certificate, tls: int) -> None:
    """The server refuses data connections that do not, as many do; several in a row each need it."""
    with ftps_partner(tmp_path, shown=shown, tls=tls) as partner, partner.connect() as connection:
        for number in range(3):
            write(connection, f"a{number}", b"x" * number)
            assert connection.read(f"a{number}", 10) == b"x" * number


def test_a_server_that_misses_the_session_is_told(
    tmp_path: Path, shown: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap = ssl.SSLContext.wrap_socket
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", lambda *args, session=None, **more: wrap(*args, **more))
    with (
        ftps_partner(tmp_path, shown=shown) as partner,
        partner.connect() as connection,
        pytest.raises(DeliveryFailed),
    ):
        write(connection, "a", b"x")


def test_implicit_tls(tmp_path: Path, shown: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with ftps_partner(tmp_path, shown=shown, is_implicit=True) as partner:
        monkeypatch.setattr(ftps_connection, "IMPLICIT_TLS_PORT", partner.port)
        with partner.connect() as connection:
            write(connection, "a", b"x")
            assert connection.read("a", 10) == b"x"
    assert not any(line.startswith("AUTH") for line in partner.asked)


def test_the_address_that_pasv_names_is_ignored(tmp_path: Path, shown: Certificate) -> None:
    with (
        ftps_partner(tmp_path, shown=shown, has_epsv=False, pasv_address="192.0.2.1") as partner,
        partner.connect(HASTY) as connection,
    ):
        write(connection, "a", b"x")
        assert connection.read("a", 10) == b"x"
    assert "PASV" in partner.asked


def test_a_certificate_of_the_given_authority_is_trusted(tmp_path: Path, shown: Certificate) -> None:
    signed = certificate(tmp_path, signed_by=shown)
    with ftps_partner(tmp_path, shown=signed, trusted=shown) as partner, partner.connect() as connection:
        assert connection.size("a") is None


@pytest.mark.parametrize("case", ["untrusted", "unknown to public authorities", "expired", "other name"])
def test_a_wrong_certificate_gets_no_password(tmp_path: Path, shown: Certificate, case: str) -> None:
    trusted = shown
    if case == "untrusted":
        shown = certificate(tmp_path)
    elif case == "expired":
        shown = trusted = certificate(tmp_path, days=-1)
    elif case == "other name":
        shown = trusted = certificate(tmp_path, name="ftp.example.com")
    members = {"caCertificate": None} if case == "unknown to public authorities" else {}
    with ftps_partner(tmp_path, shown=shown, trusted=trusted) as partner:
        error = refused(partner, "certificate", **members)
    assert not error.retry_now and error.relaunchable
    assert not any(line.startswith(("USER", "PASS")) for line in partner.asked)


def test_a_server_without_tls_gets_no_password(tmp_path: Path, shown: Certificate) -> None:
    greeting = b"220 Hello\r\n530 TLS? Never heard of it\r\n"
    with ftps_partner(tmp_path, shown=shown) as partner, servers.silent_server(greeting) as port:
        error = refused(partner, "protocol", port=port, timeouts=HASTY)
    assert not error.relaunchable


@pytest.mark.parametrize(
    ("answer", "command", "reason"),
    [
        ("452 Insufficient storage space", "STOR", "disk-full"),
        ("552 Exceeded storage allocation", "STOR", "disk-full"),
        ("426 No space left on device; transfer aborted.", "STOR", "disk-full"),
        ("550 Quota exceeded", "STOR", "disk-full"),
        ("426 Transfer aborted", "STOR", "busy"),
        ("425 Cannot open data connection", "STOR", "unreachable"),
        ("421 Too many users", "PASS", "connection-lost"),
        ("450 File is in use", "RETR", "busy"),
        ("451 Local error", "RNTO", "busy"),
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
    assert ftps_connection._failure("ftp.example.com", command, answer, answer).reason == reason


@pytest.mark.parametrize("fault", [servers.stall, servers.half_close])
def test_a_dead_control_connection_ends_soon(tmp_path: Path, shown: Certificate, fault: Any) -> None:
    """As when a router forgets a connection that idles while data flow on the other."""
    with (
        ftps_partner(tmp_path, shown=shown) as partner,
        servers.proxy(partner.port, 1_500, fault) as port,
        partner.connect(HASTY, port=port) as connection,
        pytest.raises(DeliveryFailed) as told,
    ):
        for number in range(100):
            write(connection, f"a{number}", b"x")
    assert told.value.reason == ("timeout" if fault is servers.stall else "connection-lost")


def test_the_connection_ends_with_a_goodbye(tmp_path: Path, shown: Certificate) -> None:
    with ftps_partner(tmp_path, shown=shown) as partner, partner.connect():
        pass
    assert partner.asked[-1] == "QUIT"
