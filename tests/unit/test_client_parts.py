"""Uploads in parts by the Python library: several at once, each again if it fails, and from where they stopped."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import UPLOAD_ID, Answer, Request, Service, answer, problem
from waybill_client import Client, Refused, Unreachable, parts

pytestmark = pytest.mark.usefixtures("home")
PART = 1_000
FILE = bytes(range(256)) * 17  # 4,352 bytes: five parts


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class Parts:
    """The service's part of it: keeps what arrives, and refuses what differs from its checksum."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.arrived: dict[int, bytes] = {}
        self.puts: list[int] = []
        self.failing: dict[int, list[Answer | None]] = {}
        self.is_complete, self.job_id = False, None
        service.routes |= {
            "POST /v1/uploads": self.begin,
            f"GET /v1/uploads/{UPLOAD_ID}": self.status,
            f"POST /v1/uploads/{UPLOAD_ID}/parts": self.addresses,
            f"POST /v1/uploads/{UPLOAD_ID}/complete": self.complete,
            **{f"PUT /part/{number}": self.put for number in range(1, 6)},
        }

    def begin(self, request: Request) -> Answer:
        count = -(-request.json["sizeBytes"] // PART)
        return answer({"uploadId": UPLOAD_ID, "partBytes": PART, "partCount": count, "expiresAt": "…"}, 201)

    def status(self, request: Request | None = None) -> Answer:
        there = [
            {"partNumber": number, "sizeBytes": len(data), "sha256": sha256(data)}
            for number, data in sorted(self.arrived.items())
        ]
        return answer(
            {
                "uploadId": UPLOAD_ID,
                "isComplete": self.is_complete,
                "sizeBytes": len(FILE),
                "partBytes": PART,
                "parts": [] if self.is_complete else there,
                "jobId": self.job_id,
            }
        )

    def addresses(self, request: Request) -> Answer:
        wanted = [
            {
                "partNumber": one["partNumber"],
                "url": f"{self.service.url}/part/{one['partNumber']}",
                "headers": {"x-amz-checksum-sha256": one["sha256"]},
            }
            for one in request.json["parts"]
        ]
        return answer({"parts": wanted, "expiresAt": "…"})

    def put(self, request: Request) -> Answer:
        number = int(request.path.rpartition("/")[2])
        self.puts.append(number)
        assert "authorization" not in request.headers, "S3 refuses a second credential"
        if failures := self.failing.get(number):
            failure = failures.pop(0)
            if failure is not None:
                return failure
        if sha256(request.body) != request.headers["x-amz-checksum-sha256"]:
            return 400, {}, b"<Error><Code>BadDigest</Code><Message>differs</Message></Error>"
        self.arrived[number] = request.body
        return 200, {}, b""

    def complete(self, request: Request) -> Answer:
        whole = b"".join(hashlib.sha256(data).digest() for _, data in sorted(self.arrived.items()))
        if request.json["checksum"] != f"{sha256(whole)}-{len(self.arrived)}":
            return problem(409, "The state forbids it", "What has arrived differs.")
        self.is_complete = True
        return self.status()


@pytest.fixture
def remote(service: Service, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr(parts, "PARTS_FROM_BYTES", 2_000)
    monkeypatch.setattr(parts, "PAUSES_SECONDS", (0.0, 0.0))
    return Parts(service)


@pytest.fixture
def source(home: Path) -> Path:
    path = home / "big.csv"
    path.write_bytes(FILE)
    return path


def upload(remote: Parts, source: Path, **more: Any) -> str:
    with Client(remote.service.url, "token") as client:
        return client.upload(source, "contacts", unfinished=source.parent / "state" / "uploads.json", **more)


def test_a_large_file_is_sent_in_parts_with_its_checksums(remote: Parts, source: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert upload(remote, source, progressed=lambda done, total: seen.append((done, total))) == UPLOAD_ID
    assert b"".join(data for _, data in sorted(remote.arrived.items())) == FILE
    assert remote.is_complete
    assert sorted(remote.puts) == [1, 2, 3, 4, 5]
    assert seen[-1] == (len(FILE), len(FILE))
    assert all(0 <= done <= len(FILE) for done, _ in seen)


def test_a_part_that_fails_is_sent_again_and_no_other(remote: Parts, source: Path) -> None:
    expired = 403, {}, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    remote.failing = {2: [(503, {}, b""), expired]}
    upload(remote, source)
    assert remote.is_complete
    assert sorted(remote.puts) == [1, 2, 2, 2, 3, 4, 5]


def test_an_upload_goes_on_where_it_stopped(remote: Parts, source: Path) -> None:
    remote.failing = {4: [(500, {}, b"")] * 3}
    with pytest.raises(Refused):
        upload(remote, source)
    there = set(remote.arrived)
    remote.puts.clear()
    assert upload(remote, source) == UPLOAD_ID
    assert set(remote.puts) == {1, 2, 3, 4, 5} - there
    assert len(remote.service.sent("POST", "/v1/uploads")) == 1
    remote.puts.clear()
    assert upload(remote, source) == UPLOAD_ID, "complete, and not imported yet"
    assert remote.puts == []
    remote.job_id = "8c1e…"
    remote.arrived, remote.is_complete = {}, False
    upload(remote, source)
    assert len(remote.service.sent("POST", "/v1/uploads")) == 2, "an import needs an upload of its own"


def test_parts_of_another_content_are_sent_again(remote: Parts, source: Path) -> None:
    """A file with the name, the size and the time of the one that was begun may still be another."""
    remote.failing = {5: [(500, {}, b"")] * 3}
    with pytest.raises(Refused):
        upload(remote, source)
    known = source.stat()
    changed = b"X" + FILE[1:]
    source.write_bytes(changed)
    os.utime(source, ns=(known.st_atime_ns, known.st_mtime_ns))
    upload(remote, source)
    assert b"".join(data for _, data in sorted(remote.arrived.items())) == changed


def test_an_upload_that_has_expired_begins_anew(remote: Parts, source: Path) -> None:
    remote.failing = {5: [(500, {}, b"")] * 3}
    with pytest.raises(Refused):
        upload(remote, source)
    remote.service.routes[f"GET /v1/uploads/{UPLOAD_ID}"] = problem(410, "Expired", "This upload has expired.")
    upload(remote, source)
    assert len(remote.service.sent("POST", "/v1/uploads")) == 2


def test_an_upload_that_another_client_has_completed_is_told_in_words(remote: Parts, source: Path) -> None:
    gone = b"<Error><Code>NoSuchUpload</Code><Message>The specified upload does not exist.</Message></Error>"
    remote.failing = {2: [(404, {}, gone)]}
    with pytest.raises(Refused, match="This upload was completed or canceled meanwhile"):
        upload(remote, source)


def test_a_damaged_memory_is_none(remote: Parts, source: Path) -> None:
    state = source.parent / "state" / "uploads.json"
    state.parent.mkdir()
    for text in ("{", "[]", '{"a": 1}'):
        state.write_text(text)
        assert upload(remote, source) == UPLOAD_ID


def test_a_file_that_changes_meanwhile_is_not_imported(remote: Parts, source: Path) -> None:
    def grow(done: int, total: int | None) -> None:
        if done == total:
            source.write_bytes(FILE + b"more")

    with pytest.raises(OSError, match="has changed while it was sent"):
        upload(remote, source, progressed=grow)
    assert not remote.is_complete


def test_nobody_is_there(remote: Parts, source: Path) -> None:
    for number in range(1, 6):
        remote.service.routes[f"POST /v1/uploads/{UPLOAD_ID}/parts"] = answer(
            {"parts": [{"partNumber": number, "url": "http://127.0.0.1:9/part", "headers": {}}], "expiresAt": "…"}
        )
    with pytest.raises(Unreachable):
        upload(remote, source)
