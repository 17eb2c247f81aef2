"""Where files of exports go. Each kind of destination is one module, and one line of `DESTINATIONS`.

    base.py         what a kind declares and does, and what it is handed
    download.py     kept for download
    s3.py           a bucket of S3
    sftp.py         a server that speaks SFTP; sftp_connection.py talks to it, on asyncssh
    ftps.py         a server that speaks FTP over TLS; ftps_connection.py talks to it, on the standard library

What SFTP and FTPS share:

    server.py       a directory on a server: its settings, delivery and connection test
    hosts.py        which hosts may be connected to
    credentials.py  user name with password or key, from a secret
    connection.py   what a connection can do
    publish.py      temporary name, size check, rename, manifest; resumes after a crash

The libraries that connect are imported on first use. To add a kind, see docs/extending.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from waybill.exports.destinations.base import Allowed, DeliveredKind, DestinationKind
from waybill.exports.destinations.download import Download
from waybill.exports.destinations.ftps import Ftps
from waybill.exports.destinations.s3 import S3
from waybill.exports.destinations.sftp import Sftp
from waybill.validation import Problems

DESTINATIONS: dict[str, DestinationKind] = {"download": Download(), "s3": S3(), "sftp": Sftp(), "ftps": Ftps()}
DELIVERED = tuple(name for name, kind in DESTINATIONS.items() if isinstance(kind, DeliveredKind))
"""The kinds that files are sent to."""


def kind_of(destination: Mapping[str, Any]) -> DestinationKind:
    """The kind of a checked destination."""
    return DESTINATIONS[destination["kind"]]


def check_destination(
    destination: Mapping[str, Any],
    allowed: Allowed,
    path: str = "/destination",
    kinds: Collection[str] = tuple(DESTINATIONS),
) -> Problems:
    """Everything that is wrong with a destination, as (JSON Pointer, problem). Connects to nothing.

    Args:
        path: JSON Pointer of the destination.
        kinds: those that it may be of.
    """
    kind = destination.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        return [(f"{path}/kind", f"must be one of {', '.join(kinds)}")]
    return DESTINATIONS[kind].check(destination, allowed, path)
