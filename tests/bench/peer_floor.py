"""The lower bound of any importer: `csv.reader` over the file, and prerecorded requests.

The requests are those that Waybill sent for the same file, byte for byte with their signatures, as the null endpoint
recorded them; it sends them one by one over a raw TLS socket, and reads each response only to find its end.
"""

from __future__ import annotations

import argparse
import csv
import os
import socket
import ssl
import struct
from pathlib import Path
from urllib.parse import urlsplit

ANSWER_END = b'{"UnprocessedItems":{}}'
LENGTH = struct.Struct("<I")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--requests", type=Path, required=True, help="recorded: each with its length (uint32) before it"
    )
    parser.add_argument("--endpoint-url", required=True)
    arguments = parser.parse_args()
    address = urlsplit(arguments.endpoint_url)
    with arguments.file.open(encoding="utf-8", newline="") as file:
        for _ in csv.reader(file):
            pass
    trusted = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    with (
        arguments.requests.open("rb") as requests,
        socket.create_connection((address.hostname, address.port)) as plain,
        trusted.wrap_socket(plain, server_hostname=address.hostname) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while length := requests.read(LENGTH.size):
            connection.sendall(requests.read(*LENGTH.unpack(length)))
            answer = b""
            while not answer.endswith(ANSWER_END):
                answer += connection.recv(4096)


if __name__ == "__main__":
    main()
