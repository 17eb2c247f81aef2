"""Which hosts a delivery may connect to: public ones, and those the operator allows. Looks names up.

A user writes the definition, and the connection is made from inside the operator's network. Without this check a user
could reach what only that network may reach, such as credentials of the metadata service (OWASP, *Server-Side Request
Forgery Prevention*). Deliveries connect to the address that was checked, so a name that resolves differently the next
time gains nothing; host keys and certificates are checked for the name.
"""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from waybill.clock import SYSTEM_CLOCK, Clock
from waybill.errors import DeliveryFailed

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[..., Iterable[tuple[Any, ...]]]

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, section 2.4: all that is assigned so far
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052; what DNS64 answers
# Python's codec is IDNA 2003, which makes other names of these than IDNA 2008: ß becomes ss (UTS 46, section 7).
_NOT_IDNA_2003 = set("ßẞς\u200c\u200d")
_NAMES_OF_THIS_HOST = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True)
class AllowedHosts:
    """Hosts that the operator allows although they are not public: names, and networks in CIDR notation."""

    names: frozenset[str] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def parse(cls, setting: str) -> AllowedHosts:
        """Read a comma list such as `sftp.internal, 10.1.0.0/16, 192.168.7.9`.

        Raises:
            ValueError: an entry is neither a host name nor a network.
        """
        names, networks = set(), []
        for entry in filter(None, (part.strip() for part in setting.split(","))):
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if not is_host_name(_plain(entry)):
                    raise ValueError(f"{entry!r} is neither a host name nor a network") from None
                names.add(_plain(entry))
        return cls(frozenset(names), tuple(networks))

    def has_name(self, host: str) -> bool:
        return _plain(host) in self.names

    def has_address(self, address: IpAddress) -> bool:
        return any(address in network for network in self.networks)


@dataclass(frozen=True)
class Address:
    """A checked address: `family` for a socket, `ip` as text."""

    family: socket.AddressFamily
    ip: str


def is_host_name(host: str) -> bool:
    """Whether it is a host name (RFC 1123, section 2.1), and no resolver reads it as a number."""
    labels = host.split(".")
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not _NUMERIC_LABEL.fullmatch(labels[-1])
    )


def is_ip_address(host: str) -> bool:
    """Whether it is an IP address in its usual spelling, without brackets and zone."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def is_public(address: IpAddress) -> bool:
    """Whether the address is one of the public internet's (IANA special-purpose registries, RFC 6890)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved)
    if address in _NAT64:
        return is_public(_lower_half(address))
    if address.teredo is not None:  # server and client are both reached through it
        return all(map(is_public, address.teredo))
    if address.sixtofour is not None:
        return is_public(address.sixtofour)
    return address in _GLOBAL_UNICAST and address.is_global


def refused_literal(host: str, allowed: AllowedHosts) -> str | None:
    """Why a host as written can be refused without asking DNS, or None.

    It understands every spelling that a resolver understands: `2130706433`, `0x7f.1`, `[::1]`, `LOCALHOST.`.
    """
    plain = _plain(host)
    if allowed.has_name(plain):
        return None
    if plain in _NAMES_OF_THIS_HOST or plain.endswith(".localhost"):  # RFC 6761, section 6.3
        return "is this service's own host"
    address = _literal(plain)
    return None if address is None or _is_permitted(address, allowed) else _refusal(address)


def is_for_server(binding: object, host: str, port: int) -> bool:
    """Whether `binding`, a host as an operator wrote it, perhaps with `:port`, means this host, and this port.

    Case, a dot at the end, the spelling of an address and the script of a name (IDNA) make no difference.
    """
    if not isinstance(binding, str):
        return False
    name, _, digits = binding.strip().rpartition(":")
    if re.fullmatch("[0-9]{1,5}", digits) and (":" not in name or name.endswith("]")) and name:
        return int(digits) == port and is_for_server(name, host, port)
    spelling = _spelling(binding)
    return spelling is not None and spelling == _spelling(host)


def resolve(
    host: str, port: int, allowed: AllowedHosts, timeout_seconds: float, lookup: Lookup = socket.getaddrinfo
) -> list[Address]:
    """The permitted addresses of a host, in the resolver's order; never empty.

    Raises:
        DeliveryFailed: `host-refused`, `unreachable` (unknown name), `timeout`.
    """
    found = _look_up(host, port, timeout_seconds, lookup)
    is_named = allowed.has_name(host)
    permitted: list[Address] = []
    for family, ip in found:
        address = ipaddress.ip_address(ip.partition("%")[0])
        if (is_named or _is_permitted(address, allowed)) and Address(family, ip) not in permitted:
            permitted.append(Address(family, ip))
    if not permitted:
        raise DeliveryFailed("host-refused", f"{host} is not on the public internet.")
    return permitted


def connect(
    host: str,
    port: int,
    allowed: AllowedHosts,
    timeout_seconds: float,
    lookup: Lookup = socket.getaddrinfo,
    clock: Clock = SYSTEM_CLOCK,
) -> socket.socket:
    """A TCP connection to the first permitted address that answers; `timeout_seconds` is for all of it.

    Raises:
        DeliveryFailed: as `resolve`; `unreachable`, `timeout`.
    """
    deadline = clock.monotonic() + timeout_seconds
    addresses = resolve(host, port, allowed, timeout_seconds, lookup)
    failure = DeliveryFailed("timeout", f"{host} does not answer on port {port}.")
    for tried, address in enumerate(addresses):
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(left / (len(addresses) - tried))
            sock.connect((address.ip, port))
            return sock
        except TimeoutError:
            sock.close()
        except OSError as error:
            sock.close()
            why = (error.strerror or "no connection").lower()
            failure = DeliveryFailed("unreachable", f"{host} cannot be reached on port {port}: {why}.")
    raise failure


def _plain(host: str) -> str:
    """Lower case, without brackets and the dot at the end."""
    return host.strip().removeprefix("[").removesuffix("]").removesuffix(".").lower()


def _spelling(host: str) -> str | None:
    """The one spelling of a host by which hosts are compared; None for what can be no host."""
    plain = _plain(host)
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    if _NOT_IDNA_2003 & set(plain):
        return None
    try:
        return plain.encode("idna").decode().lower()
    except UnicodeError:
        return None


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if not all(_NUMERIC_LABEL.fullmatch(label) for label in host.split(".")):
        return None
    try:  # as getaddrinfo does: parts may be left out, octal or hexadecimal
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _is_permitted(address: IpAddress, allowed: AllowedHosts) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return is_public(address) or allowed.has_address(address)


def _refusal(address: IpAddress) -> str:
    return f"is {address}, which is not on the public internet"


def _lower_half(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _look_up(host: str, port: int, timeout_seconds: float, lookup: Lookup) -> list[tuple[socket.AddressFamily, str]]:
    """Ask the resolver, which has no timeout of its own, in a thread that is abandoned when it takes too long."""
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(lookup(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that IDNA cannot encode
            answers.put(error)

    threading.Thread(target=ask, name="look up host", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except queue.Empty:
        raise DeliveryFailed("timeout", f"The name {host} was not resolved in time.") from None
    if isinstance(answer, Exception):
        raise DeliveryFailed("unreachable", f"The name {host} is not known.") from answer
    internet = (socket.AF_INET, socket.AF_INET6)
    return [(family, where[0]) for family, _, _, _, where in answer if family in internet]
