"""Delivery to partners' servers: SFTP and FTPS behind one small interface, and the steps that make it exactly once.

    hosts.py        which hosts may be connected to
    destination.py  what a definition says about a server, checked without network
    sftp.py         SFTP (SSH_FXP version 3), on asyncssh
    ftps.py         FTP over TLS (RFC 4217), on the standard library
    place.py        temporary name, size check, rename, manifest; goes on after a crash

The libraries that connect are imported on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waybill.errors import DeliveryFailed
from waybill.exports.destinations.destination import check_destination
from waybill.exports.destinations.hosts import AllowedHosts
from waybill.exports.destinations.model import DEFAULT_TIMEOUTS, Credentials, Remote, Timeouts
from waybill.exports.destinations.place import (
    Placement,
    Source,
    StateStore,
    Step,
    discard,
    end_rehearsal,
    manifest_name,
    place,
    rehearse,
)

__all__ = [
    "DEFAULT_TIMEOUTS",
    "AllowedHosts",
    "DeliveryFailed",
    "Placement",
    "Remote",
    "Source",
    "StateStore",
    "Step",
    "Timeouts",
    "check_destination",
    "discard",
    "end_rehearsal",
    "manifest_name",
    "open_remote",
    "place",
    "rehearse",
]


def open_remote(
    destination: Mapping[str, Any],
    secret: Mapping[str, Any],
    allowed: AllowedHosts,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Remote:
    """Connect, log in and go to the directory.

    Args:
        destination: an `sftp` or `ftps` destination that `check_destination` has nothing against.
        secret: {"username", "password"} or, for SFTP, {"username", "privateKey", "passphrase"?}; with a member "host"
            it is that server's alone.
        allowed: hosts that are permitted although they are not public.

    Raises:
        DeliveryFailed: any reason but `exists`.
    """
    is_sftp = destination["kind"] == "sftp"
    credentials = Credentials.from_secret(secret, needs_password=not is_sftp)
    owner = secret.get("host")
    if owner is not None and str(owner).lower() != str(destination["host"]).lower():
        raise DeliveryFailed("secret", f"The secret is not for {destination['host']}: its member host names another.")
    if is_sftp:
        from waybill.exports.destinations.sftp import SftpRemote

        return SftpRemote(destination, credentials, allowed, timeouts)
    from waybill.exports.destinations.ftps import FtpsRemote

    return FtpsRemote(destination, credentials, allowed, timeouts)
