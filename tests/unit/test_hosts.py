"""Which hosts a delivery may connect to."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import partner_servers as servers
from waybill.errors import DeliveryFailed
from waybill.hosts import AllowedHosts, connect, is_public, refused_literal, resolve

NOBODY = AllowedHosts()

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # the metadata service
    "169.254.170.2",
    "100.64.0.1",  # carrier-grade NAT
    "100.127.255.255",
    "192.0.2.1",  # documentation
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",  # the metadata service
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::169.254.169.254",  # through NAT64
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:a9fe:a9fe::1",
    "2001:0:102:304:0:0:f5ff:fffe",  # Teredo of 10.0.0.1
    "4000::1",  # not assigned
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "::ffff:8.8.8.8",
]


def answering(*ips: str) -> Any:
    def lookup(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    return lookup


@pytest.mark.parametrize("ip", PRIVATE)
def test_what_only_our_network_reaches_is_refused(ip: str) -> None:
    assert refused_literal(ip, NOBODY)
    with pytest.raises(DeliveryFailed) as told:
        resolve("sftp.example.com", 22, NOBODY, 5, answering(ip))
    assert told.value.reason == "host-refused"
    assert ip not in str(told.value)  # a name that resolves inside tells nothing about the inside


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    assert refused_literal(ip, NOBODY) is None
    assert [address.ip for address in resolve("sftp.example.com", 22, NOBODY, 5, answering(ip))] == [ip]


@given(st.ip_addresses(v=4))
def test_no_address_changes_by_being_embedded(address: ipaddress.IPv4Address) -> None:
    embedded = [
        ipaddress.IPv6Address(0x64FF9B << 96 | int(address)),
        ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80 | 1),
    ]
    assert {is_public(each) for each in embedded} == {is_public(address)}
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
    assert (refused_literal(str(mapped), NOBODY) is None) == is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "ip6-localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "fe80::1%eth0",
        "3232235777",
        "0xA9FEA9FE",
        "0",
    ],
)
def test_every_spelling_of_an_inner_host_is_seen_through(host: str) -> None:
    assert refused_literal(host, NOBODY)


@pytest.mark.parametrize("host", ["sftp.example.com", "0x.example.com", "10.example.com", "localhost.example.com", ""])
def test_names_are_left_to_dns(host: str) -> None:
    assert refused_literal(host, NOBODY) is None


@pytest.mark.parametrize(
    ("setting", "host", "ip"),
    [
        ("sftp.internal", "sftp.internal", "10.1.2.3"),
        ("SFTP.internal.", "sftp.INTERNAL", "10.1.2.3"),
        ("10.1.0.0/16", "sftp.internal", "10.1.2.3"),
        ("10.1.2.3/16", "sftp.internal", "10.1.9.9"),
        (" a.example , 10.1.2.3 ,", "sftp.internal", "10.1.2.3"),
        ("fd00::/8", "sftp.internal", "fd00::5"),
        ("10.0.0.0/8", "sftp.internal", "::ffff:10.1.2.3"),
        ("localhost", "localhost", "127.0.0.1"),
    ],
)
def test_the_operator_allows_hosts(setting: str, host: str, ip: str) -> None:
    allowed = AllowedHosts.parse(setting)
    assert [address.ip for address in resolve(host, 22, allowed, 5, answering(ip))] == [ip]
    assert refused_literal(host, allowed) is None


def test_what_is_allowed_allows_nothing_else() -> None:
    allowed = AllowedHosts.parse("sftp.internal, 10.1.0.0/16")
    for host, ip in (("other.internal", "10.2.0.1"), ("x.sftp.internal", "10.2.0.1"), ("a", "169.254.169.254")):
        with pytest.raises(DeliveryFailed):
            resolve(host, 22, allowed, 5, answering(ip))
    assert AllowedHosts.parse("") == NOBODY
    with pytest.raises(ValueError, match="neither a host name nor a network"):
        AllowedHosts.parse("10.0.0.0/33")


def test_of_several_addresses_the_public_ones_remain() -> None:
    found = resolve("a.example", 22, NOBODY, 5, answering("10.0.0.1", "8.8.8.8", "::1", "8.8.8.8", "1.1.1.1"))
    assert [address.ip for address in found] == ["8.8.8.8", "1.1.1.1"]


def test_the_name_is_resolved_once() -> None:
    """A name that is public when it is checked and private a moment later gains nothing."""
    asked: list[str] = []

    def rebinding(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        return answering("127.0.0.1" if len(asked) == 1 else "169.254.169.254")(host, port)

    with servers.silent_server() as port:
        connect("a.example", port, AllowedHosts.parse("127.0.0.0/8"), 5, rebinding).close()
    assert asked == ["a.example"]


def test_the_next_address_is_tried() -> None:
    with servers.silent_server() as port:
        sock = connect("a.example", port, AllowedHosts.parse("127.0.0.0/8"), 5, answering("127.0.0.9", "127.0.0.1"))
        with sock:
            assert sock.getpeername() == ("127.0.0.1", port)


def test_a_name_that_is_unknown() -> None:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(DeliveryFailed) as told:
        resolve("nowhere.example", 22, NOBODY, 5, lookup)
    assert told.value.reason == "unreachable" and "nowhere.example" in str(told.value)


def test_a_resolver_that_hangs_is_left_behind() -> None:
    end = threading.Event()

    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        end.wait()
        return []

    begun = time.monotonic()
    with pytest.raises(DeliveryFailed) as told:
        resolve("slow.example", 22, NOBODY, 0.1, lookup)
    assert told.value.reason == "timeout" and time.monotonic() - begun < 3
    end.set()


def test_a_connection_that_is_never_made_times_out() -> None:
    with servers.deaf_server() as port:
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed) as told:
            connect("localhost", port, servers.ALLOWED, 0.3, answering("127.0.0.1", "127.0.0.1"))
        assert told.value.reason == "timeout" and time.monotonic() - begun < 3
