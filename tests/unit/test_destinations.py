"""What the destination of a definition may be, checked without a connection."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests import partner_servers as servers
from waybill.errors import DeliveryFailed
from waybill.exports.destinations import check_destination, kind_of
from waybill.exports.destinations.base import Allowed, DeliveredKind
from waybill.exports.destinations.connection import quoted
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.destinations.host_keys import HostKey
from waybill.hosts import AllowedHosts

NOTHING = Allowed()


def ed25519(content: bytes = b"k" * 32) -> str:
    return (
        "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519" + len(content).to_bytes(4, "big") + content).decode()
    )


FINGERPRINT = "SHA256:" + base64.b64encode(b"f" * 32).decode().rstrip("=")
SFTP = {"kind": "sftp", "host": "sftp.example.com", "directory": "/in", "secretId": "partner", "hostKey": ed25519()}
FTPS = {
    "kind": "ftps",
    "host": "ftp.example.com",
    "directory": "in/contacts",
    "secretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:partner",
}


@pytest.mark.parametrize(
    "destination",
    [
        SFTP,
        SFTP | {"port": 2222, "hostKey": ed25519() + " root@sftp"},
        SFTP | {"hostKey": FINGERPRINT},
        SFTP | {"hostKey": FINGERPRINT + "="},
        SFTP | {"host": "8.8.8.8"},
        SFTP | {"host": "2606:4700:4700::1111"},
        SFTP | {"host": "a-b.xn--bcher-kva.example"},
        SFTP | {"directory": "."},
        SFTP | {"directory": "/with space/žluťoučký/..."},
        FTPS,
        FTPS | {"port": 990},
    ],
)
def test_a_good_destination_has_no_problems(destination: dict[str, Any]) -> None:
    assert check_destination(destination, NOTHING) == []


def test_a_certificate_in_pem_is_good(tmp_path: Any) -> None:
    made = servers.certificate(tmp_path)
    assert check_destination(FTPS | {"caCertificate": made.pem * 2}, NOTHING) == []
    for wrong in (made.file.read_text(), made.pem[:-60], made.pem.replace("M", "N", 1), "", "PEM", "\x0b🏂", 7, None):
        assert [at for at, _ in check_destination(FTPS | {"caCertificate": wrong}, NOTHING)] == [
            "/destination/caCertificate"
        ]


HOSTS = [None, 7, "", " ", "a b", "a_b.example", "-a.example", "a..b", "a" * 64, "x." * 127 + "com", "a/b", "a:22"]
HOSTS += ["sftp://a", "user@a.example", "a.example.", "[2606:4700::1]", "134744072", "8.8.2056", "é.example"]
HOSTS += ["10.0.0.1", "localhost", "0x7f.1", "a\n.example", "2606:4700::1%eth0"]
KEYS = [None, 7, "", "SHA256:", "SHA256:short", "MD5:aa:bb", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!!"]
KEYS += ["ssh-dss AAAA", ed25519().replace("ssh-ed25519 ", "ssh-rsa "), ed25519(b""), ed25519() + "\nmore"]


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("kind", [None, "scp", 7, ["sftp"]]),
        ("host", HOSTS),
        ("port", [0, -1, 65536, "22", 22.0, True, None]),
        ("directory", [None, 7, "", " ", "/a/../b", "..", "a\\..\\b", "/a\nb", "/a\0b", "/" + "a" * 1024]),
        ("secretId", [None, 7, "", "a\nb", "s" * 2049]),
        ("hostKey", KEYS),
    ],
)
def test_each_problem_names_its_member(member: str, values: list[Any]) -> None:
    for value in values:
        assert [at for at, _ in check_destination(SFTP | {member: value}, NOTHING)] == [f"/destination/{member}"], value


def test_all_problems_are_told_at_once() -> None:
    assert dict(check_destination({"kind": "sftp", "hostkey": "x", "caCertificate": "x"}, NOTHING, "/d")).keys() == {
        "/d/hostkey",
        "/d/caCertificate",
        "/d/host",
        "/d/directory",
        "/d/secretId",
        "/d/hostKey",
    }
    assert dict(check_destination({"kind": "ftps", "hostKey": "x"}, NOTHING, "/d")).keys() == {
        "/d/hostKey",
        "/d/host",
        "/d/directory",
        "/d/secretId",
    }


def test_what_the_operator_allows_may_be_named() -> None:
    assert check_destination(SFTP | {"host": "10.0.0.1"}, Allowed(AllowedHosts.parse("10.0.0.0/8"))) == []


def test_a_line_and_its_fingerprint_mean_the_same_key() -> None:
    key = servers.asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    line, fingerprint = HostKey.parse(servers.host_key_line(key)), HostKey.parse(key.get_fingerprint())
    assert line.sha256 == fingerprint.sha256 and line.type == "ecdsa-sha2-nistp256" and fingerprint.type is None
    assert line.matches(key.public_data) and not line.matches(b"another")


def test_checking_needs_none_of_the_libraries_that_connect() -> None:
    import subprocess
    import sys

    code = (
        "import waybill.exports.destinations, sys; assert not {'asyncssh', 'cryptography', 'ftplib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=servers.Path(__file__).parents[2] / "shared")


def test_every_failure_says_what_to_do() -> None:
    for reason, (retry_now, relaunchable, _) in DeliveryFailed.REASONS.items():
        error = DeliveryFailed(reason, "It broke.")
        assert (error.retry_now, error.relaunchable) == (retry_now, relaunchable)
        assert relaunchable or not retry_now
        assert str(error).startswith("It broke. ") and str(error).endswith(".")


def test_the_words_of_a_server_are_shown_without_the_secrets_that_it_was_sent() -> None:
    credentials = Credentials("acme", "pass word", "a key", "phrase")
    assert quoted("421 Too many:\r\n PASS pass word, phrase", credentials) == "“421 Too many: PASS …, …”"
    assert quoted("no secret", Credentials("acme", None, "a key")) == "“no secret”"


@pytest.mark.parametrize(
    ("kind", "spelt", "place"),
    [
        (SFTP, {"directory": "/out"}, "sftp://sftp.example.com/out"),
        (SFTP, {"directory": "/out/", "port": 22}, "sftp://sftp.example.com/out"),
        (SFTP, {"directory": "//out/.//", "host": "SFTP.example.COM"}, "sftp://sftp.example.com/out"),
        (SFTP, {"directory": "out", "port": 2222}, "sftp://sftp.example.com:2222/out"),
        (SFTP, {"directory": "/"}, "sftp://sftp.example.com"),
        (SFTP, {"directory": "."}, "sftp://sftp.example.com"),
        (SFTP, {"directory": ".hidden/a"}, "sftp://sftp.example.com/.hidden/a"),
        (FTPS, {"directory": "out/a", "port": 21}, "ftps://ftp.example.com/out/a"),
        (FTPS, {"directory": "out/a", "port": 990}, "ftps://ftp.example.com:990/out/a"),
    ],
)
def test_a_place_is_the_same_however_it_is_spelt(kind: dict[str, Any], spelt: dict[str, Any], place: str) -> None:
    """A source whose location is only written in another way does not import its files again."""
    delivered = kind_of(kind)
    assert isinstance(delivered, DeliveredKind)
    assert delivered.place(kind | spelt) == place
