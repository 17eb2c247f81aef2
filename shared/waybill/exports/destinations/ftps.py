"""A directory on an FTPS server, whose certificate public authorities sign, or those of the definition."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, ClassVar

from waybill.exports.destinations.base import Allowed, Member, Timeouts
from waybill.exports.destinations.connection import ServerConnection
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.destinations.server import Server
from waybill.hosts import AllowedHosts

MAX_CERTIFICATES = 65_536


def _check_certificates(value: object, _: Allowed) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_CERTIFICATES:
        return f"must be certificates in PEM, at most {MAX_CERTIFICATES} characters"
    if "PRIVATE KEY" in value:
        return "must not have a private key in it"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: text that is not ASCII
        return "must be one or more certificates in PEM"
    return None


class Ftps(Server):
    members: ClassVar[dict[str, Member]] = Server.members | {
        "caCertificate": Member(
            _check_certificates,
            {"type": "string", "description": "Certificates in PEM.", "maxLength": MAX_CERTIFICATES},
        )
    }
    scheme = "ftps"
    default_port = 21
    needs_password = True

    def open(
        self, destination: Mapping[str, Any], credentials: Credentials, hosts: AllowedHosts, timeouts: Timeouts
    ) -> ServerConnection:
        from waybill.exports.destinations.ftps_connection import FtpsConnection

        return FtpsConnection(destination, credentials, hosts, timeouts)
