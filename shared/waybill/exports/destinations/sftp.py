"""A directory on an SFTP server, which shows the host key that the definition names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from waybill.exports.destinations.base import Allowed, Member, Timeouts, line_schema
from waybill.exports.destinations.connection import ServerConnection
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.destinations.host_keys import HostKey
from waybill.exports.destinations.server import Server
from waybill.hosts import AllowedHosts
from waybill.validation import is_line

MAX_HOST_KEY = 16_384


def _check_host_key(value: object, _: Allowed) -> str | None:
    if not is_line(value, MAX_HOST_KEY):
        return "must be the server's public host key (`ssh-ed25519 AAAA…`) or its fingerprint (`SHA256:…`)"
    try:
        HostKey.parse(str(value))
    except ValueError as error:
        return str(error)
    return None


class Sftp(Server):
    members: ClassVar[dict[str, Member]] = Server.members | {
        "hostKey": Member(
            _check_host_key,
            line_schema(MAX_HOST_KEY, "The server's public key, or its fingerprint `SHA256:…`."),
            required=True,
        )
    }
    scheme = "sftp"
    default_port = 22
    needs_password = False

    def open(
        self, destination: Mapping[str, Any], credentials: Credentials, hosts: AllowedHosts, timeouts: Timeouts
    ) -> ServerConnection:
        from waybill.exports.destinations.sftp_connection import SftpConnection

        return SftpConnection(destination, credentials, hosts, timeouts)
