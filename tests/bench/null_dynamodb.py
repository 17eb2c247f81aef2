"""A DynamoDB that stores nothing: it answers every BatchWriteItem with "all written".

`DescribeTable` (awswrangler asks for it) tells of a table whose key is that of the benchmarks' first column. `Scan` of
the table `records-N` finds N records, 1 MB a page as DynamoDB counts it: those of the narrow file, over and over.
`GetItem` and `BatchGetItem` find the items of `--answers`, by `{pk}/{sk}`, `Query` its jobs, and `GET` its documents,
by path: an issuer's keys.

It uses TLS with keep-alive, so that a client has the same costs as with AWS, and it counts
the rows that arrive, so that a benchmark can check that none was skipped. Run as a script it prints one JSON line
`{"url", "caBundle"}` and serves until its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import ipaddress
import json
import ssl
import struct
import sys
import zlib
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ALL_WRITTEN = b'{"UnprocessedItems":{}}'
DESCRIPTION = {
    "Table": {
        "TableName": "records",
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "account", "KeyType": "HASH"}, {"AttributeName": "offer", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "account", "AttributeType": "S"},
            {"AttributeName": "offer", "AttributeType": "S"},
        ],
    }
}
HOST = "127.0.0.1"
PAGE_BYTES = 1024 * 1024
SCANNED_RECORDS = 20_000


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Writes a throw-away self-signed certificate for 127.0.0.1; returns the paths of certificate and key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "null-dynamodb")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "null-dynamodb.pem", folder / "null-dynamodb.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def http_response(body: bytes) -> bytes:
    """An HTTP/1.1 answer with the headers that DynamoDB sends."""
    return (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Tue, 01 Jul 2025 00:00:00 GMT\r\n"
        b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"
        b"x-amzn-RequestId: NULLNULLNULLNULLNULLNULLNULLNULLNULLNULLNULLNULLNULL\r\nx-amz-crc32: %d\r\n\r\n%s"
    ) % (len(body), zlib.crc32(body), body)


class Counts:
    """What arrived since the last `GET /counts`, and the file that it is recorded in, if there is one."""

    def __init__(self, record: BinaryIO | None) -> None:
        self.requests = 0
        self.puts = 0
        self._record = record

    def add(self, request: bytes) -> None:
        self.requests += 1
        self.puts += request.count(b'"PutRequest"')
        if self._record is not None:
            self._record.write(struct.pack("<I", len(request)) + request)

    def take(self) -> bytes:
        if self._record is not None:
            self._record.flush()
        taken = json.dumps({"requests": self.requests, "puts": self.puts}).encode()
        self.requests = self.puts = 0
        return taken


class Records:
    """What a Scan finds: records as Waybill stores them, each as JSON."""

    UID = "7f9c24e5-5a3c-4c8a-9a53-0f6e6f7cbb0a"
    JOB_ID = "3f0e8f9a-7c1d-4c59-9a64-3a1f5f0f2f7b"

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._per_page = 0

    def page(self, request: bytes) -> bytes:
        """The answer to a Scan; a key to start from names the number of records before it."""
        if not self._records:
            self._make()
        body = json.loads(request[request.index(b"\r\n\r\n") + 4 :])
        count = int(body["TableName"].rpartition("-")[2])
        first = int(body["ExclusiveStartKey"]["_sk"]["S"]) if "ExclusiveStartKey" in body else 0
        end = min(first + self._per_page, count)
        items = b",".join(self._records[number % len(self._records)] for number in range(first, end))
        last = (
            b',"LastEvaluatedKey":{"_pk":{"S":"%s"},"_sk":{"S":"%d"}}' % (self.UID.encode(), end)
            if end < count
            else b""
        )
        return b'{"Count":%d,"Items":[%s]%s,"ScannedCount":%d}' % (end - first, items, last, end - first)

    def _make(self) -> None:
        from make_files import NARROW, narrow_lines  # beside this script; as a module it serves no scans

        names = [field["name"] for field in NARROW["fields"]]
        sizes = 0
        for line in narrow_lines(SCANNED_RECORDS, 0.0):
            cells = line.rstrip("\n").split(",")
            values = {name: {"S": cell} for name, cell in zip(names, cells, strict=True)}
            values |= {"_pk": {"S": f"{self.UID}#1a"}, "_sk": {"S": f"{cells[0]}|{cells[1]}"}}
            values |= {"_at": {"N": "1769851800000"}, "_by": {"S": self.JOB_ID}}
            sizes += sum(len(name) + len(next(iter(value.values()))) for name, value in values.items())
            self._records.append(json.dumps(values, separators=(",", ":")).encode())
        self._per_page = PAGE_BYTES * len(self._records) // sizes


class Answers:
    """Items by key and documents by path, given beforehand."""

    def __init__(self, file: Path | None) -> None:
        given = {"items": {}, "documents": {}} if file is None else json.loads(file.read_text())
        self._items, self._documents = given["items"], given["documents"]

    def item(self, body: bytes) -> bytes:
        key = json.loads(body)["Key"]
        item = self._items.get(f"{key['pk']['S']}/{key['sk']['S']}")
        return json.dumps({} if item is None else {"Item": item}).encode()

    def query(self) -> bytes:
        """The only page of a list: the keys of all jobs."""
        items = [item for key, item in self._items.items() if key.startswith("JOB#")]
        return json.dumps({"Count": len(items), "Items": items}).encode()

    def batch(self, body: bytes) -> bytes:
        found = {
            table: [self._items[f"{key['pk']['S']}/{key['sk']['S']}"] for key in wanted["Keys"]]
            for table, wanted in json.loads(body)["RequestItems"].items()
        }
        return json.dumps({"Responses": found, "UnprocessedKeys": {}}).encode()

    def document(self, head: bytes) -> bytes:
        return json.dumps(self._documents[head.split(b" ", 2)[1].decode()]).encode()


class NullDynamoDB(asyncio.Protocol):
    """One keep-alive connection; requests need a Content-Length."""

    ANSWER = http_response(ALL_WRITTEN)
    TABLE = http_response(json.dumps(DESCRIPTION).encode())

    def __init__(self, counts: Counts, latency_seconds: float, records: Records, answers: Answers) -> None:
        self.counts = counts
        self.answers = answers
        self.records = records
        self.latency_seconds = latency_seconds
        self.received = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        received = self.received
        received += data
        while (head_end := received.find(b"\r\n\r\n")) >= 0:
            head = bytes(received[:head_end]).lower()
            length = 0
            if (at := head.find(b"\r\ncontent-length:")) >= 0:
                length = int(head[at + 17 :].split(b"\r\n", 1)[0])
            end = head_end + 4 + length
            if len(received) < end:
                return
            if head.startswith(b"get /counts "):
                self.send(http_response(self.counts.take()))
            elif head.startswith(b"get "):
                self.send(http_response(self.answers.document(bytes(received[:head_end]))))
            elif b".getitem" in head:
                self.send(http_response(self.answers.item(bytes(received[head_end + 4 : end]))))
            elif b".batchgetitem" in head:
                self.send(http_response(self.answers.batch(bytes(received[head_end + 4 : end]))))
            elif b".query" in head:
                self.send(http_response(self.answers.query()))
            elif b".describetable" in head:
                self.send(self.TABLE)
            elif b".scan" in head:
                self.send(http_response(self.records.page(bytes(received[:end]))))
            else:
                self.counts.add(bytes(received[:end]))
                if self.latency_seconds:
                    asyncio.get_running_loop().call_later(self.latency_seconds, self.send, self.ANSWER)
                else:
                    self.send(self.ANSWER)
            del received[:end]

    def send(self, answer: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(answer)


async def serve(folder: Path, latency_seconds: float, record: BinaryIO | None, answers: Answers) -> None:
    certificate_file, key_file = make_certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate_file, key_file)
    loop = asyncio.get_running_loop()
    counts, records = Counts(record), Records()
    server = await loop.create_server(lambda: NullDynamoDB(counts, latency_seconds, records, answers), HOST, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"https://{HOST}:{port}", "caBundle": str(certificate_file)}), flush=True)
    # The parent's death closes the pipe, so no server is ever left behind.
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the throw-away certificate is written")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--record", type=Path, help="file to record every request in, preceded by its length (uint32)")
    parser.add_argument("--answers", type=Path, help='file with {"items", "documents"}')
    arguments = parser.parse_args()
    with contextlib.ExitStack() as at_the_end:
        record = at_the_end.enter_context(arguments.record.open("wb")) if arguments.record else None
        at_the_end.enter_context(contextlib.suppress(KeyboardInterrupt))
        asyncio.run(serve(arguments.folder, arguments.latency_ms / 1000, record, Answers(arguments.answers)))


if __name__ == "__main__":
    main()
