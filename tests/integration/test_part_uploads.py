"""Uploads in parts: sent in any order, resumed, checked to the end, taken back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api_builders import ADMIN, ALICE, BOB, OPS, Answer, Api
from tests.builders import contacts_csv
from tests.importing import run
from tests.strict_s3 import sha256_of
from waybill import sizes
from waybill.aws.part_upload import PartsGone, PartUpload, composite
from waybill.imports import part_uploads
from waybill.imports.part_uploads import MAX_FILE_BYTES, MAX_PARTS, MIB, PART_BYTES, part_bytes_for
from waybill.jobs import quotas
from waybill.upkeep.retention import remove_expired

PART = 5 * MIB  # the least that S3 takes
HEADER = contacts_csv(count=1).partition(b"\n")[0]
ROW = b"c%06d," + b"x" * 9_000 + b"," * (HEADER.count(b",") - 1) + b"\n"
FILE = HEADER + b"\n" + b"".join(ROW % number for number in range(2 * PART // 9_000 + 2))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_uploads, "PART_BYTES", (PART,))


class Sender:
    """Somebody who sends a file in parts."""

    def __init__(self, api: Api, who: Mapping[str, Any] = ALICE, data: bytes = FILE) -> None:
        self.api, self.who, self.data = api, dict(who), data
        body = {"entity": "contacts", "fileName": "contacts.csv", "sizeBytes": len(data)}
        self.begun = api("POST", "/uploads", self.who, body=body)
        self.upload_id = self.begun.json.get("uploadId", "")

    def part(self, number: int) -> bytes:
        return self.data[(number - 1) * PART : number * PART]

    def ask(self, *numbers: int) -> Answer:
        wanted = [{"partNumber": number, "sha256": sha256_of(self.part(number))} for number in numbers]
        return self.api("POST", f"/uploads/{self.upload_id}/parts", self.who, body={"parts": wanted})

    def send(self, *numbers: int) -> None:
        for address in self.ask(*numbers).json["parts"]:
            part = self.part(address["partNumber"])
            assert httpx.put(address["url"], content=part, headers=address["headers"]).status_code == 200

    def status(self) -> Answer:
        return self.api("GET", f"/uploads/{self.upload_id}", self.who)

    def arrived(self) -> list[int]:
        return [part["partNumber"] for part in self.status().json["parts"]]

    @property
    def checksum(self) -> str:
        return composite([sha256_of(self.part(number)) for number in range(1, -(-len(self.data) // PART) + 1)])

    def complete(self, checksum: str | None = None) -> Answer:
        body = {"checksum": checksum or self.checksum}
        return self.api("POST", f"/uploads/{self.upload_id}/complete", self.who, body=body)

    def delete(self) -> Answer:
        return self.api("DELETE", f"/uploads/{self.upload_id}", self.who)


def test_a_file_is_sent_in_parts_resumed_and_imported(api: Api) -> None:
    api.put_contacts()
    sender = Sender(api)
    assert (sender.begun.status, set(sender.begun.json)) == (201, {"uploadId", "partBytes", "partCount", "expiresAt"})
    assert (sender.begun.json["partBytes"], sender.begun.json["partCount"]) == (PART, 3)
    assert sender.status().json["parts"] == []
    sender.send(3, 1)
    assert api("POST", "/imports", body={"uploadId": sender.upload_id}).status == 409, "a part is missing"
    refused = sender.complete()
    assert (refused.status, "missing: 2" in refused.json["detail"]) == (409, True)

    status = sender.status().json  # after a reload: what has arrived, to be compared with the file
    assert [(part["partNumber"], part["sizeBytes"], part["sha256"]) for part in status["parts"]] == [
        (number, len(sender.part(number)), sha256_of(sender.part(number))) for number in (1, 3)
    ]
    sender.send(2)
    completed = sender.complete()
    assert (completed.status, completed.json["isComplete"], completed.json["sizeBytes"]) == (200, True, len(FILE))
    assert sender.complete().json == completed.json, "it may be repeated"
    assert sender.ask(1).status == 409, "it takes no more parts"
    assert api.services.files.read("files-bucket", f"uploads/{sender.upload_id}/source") == FILE

    job_id = api("POST", "/imports", body={"uploadId": sender.upload_id, "dryRun": True}).json["jobId"]
    job = run(api.services, api.services.jobs.get(job_id))
    assert (job.status, job.counts.total) == ("COMPLETED", FILE.count(b"\n") - 1)
    assert sender.status().json["jobId"] == job_id
    assert sender.delete().status == 409, "the job owns the file"


def test_what_arrives_is_what_was_to_be_sent(api: Api) -> None:
    """S3 compares each part with the checksum that was signed; the whole is compared with the caller's."""
    api.put_contacts()
    sender = Sender(api)
    (address,) = sender.ask(1).json["parts"]
    assert address["headers"] == {"x-amz-checksum-sha256": sha256_of(sender.part(1))}
    signed = re.search("X-Amz-SignedHeaders=([^&]*)", address["url"])
    assert signed is not None
    assert signed[1] == "content-length%3Bhost%3Bx-amz-checksum-sha256"
    assert "X-Amz-Expires=900" in address["url"]
    damaged = b"x" + sender.part(1)[1:]
    assert httpx.put(address["url"], content=damaged, headers=address["headers"]).status_code == 400
    assert sender.arrived() == []

    other = Sender.__new__(Sender)
    other.__dict__ |= sender.__dict__ | {"data": b"x" + FILE[1:]}
    sender.send(2, 3)
    other.send(1)
    refused = sender.complete()
    assert (refused.status, sender.checksum in refused.json["detail"]) == (409, True)
    assert sender.status().json["isComplete"] is False
    sender.send(1)  # a part that is sent again replaces the first
    assert sender.complete().status == 200
    assert other.complete().status == 409, "complete, but another file"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"parts": []}, "#/parts"),
        ({"parts": [{"partNumber": 0, "sha256": sha256_of(b"")}]}, "#/parts/0/partNumber"),
        ({"parts": [{"partNumber": 4, "sha256": sha256_of(b"")}]}, "#/parts/0/partNumber"),
        ({"parts": [{"partNumber": 1, "sha256": "../../../etc"}]}, "#/parts/0/sha256"),
        ({"parts": [{"partNumber": 1, "sha256": "/" * 43 + "="}]}, "#/parts/0/sha256"),
        ({"parts": [{"partNumber": 1, "sha256": sha256_of(b"")}] * 101}, "#/parts"),
    ],
)
def test_parts_that_break_a_rule(api: Api, body: Any, pointer: str) -> None:
    api.put_contacts()
    answer = api("POST", f"/uploads/{Sender(api).upload_id}/parts", body=body)
    assert (answer.status, [error["pointer"] for error in answer.json["errors"]]) == (422, [pointer])


def test_only_whoever_began_an_upload_goes_on_with_it(api: Api) -> None:
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    for who in (OPS, BOB):
        stranger = Sender.__new__(Sender)
        stranger.__dict__ |= sender.__dict__ | {"who": who}
        answers = (stranger.status(), stranger.ask(1), stranger.complete(), stranger.delete())
        assert [answer.status for answer in answers] == [404] * 4
    api.put_contacts(permissions={"import": ["others"]})
    assert [sender.ask(1).status, sender.complete().status] == [404, 404], "the right is asked again"
    assert sender.status().status == 200
    assert sender.delete().status == 204, "what is one's own can be taken back"
    assert sender.status().status == 404
    assert api.services.files.head("files-bucket", f"uploads/{sender.upload_id}/source") is None


def test_parts_belong_to_an_upload_that_was_begun_with_a_size(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(data=None)
    body = {"parts": [{"partNumber": 1, "sha256": sha256_of(b"")}]}
    assert api("POST", f"/uploads/{upload_id}/parts", body=body).status == 409
    assert api("POST", f"/uploads/{upload_id}/complete", body={"checksum": composite([sha256_of(b"")])}).status == 409
    status = api("GET", f"/uploads/{upload_id}").json
    assert (status["isComplete"], status["partBytes"], status["parts"]) == (False, None, [])
    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"contact_id\n1\n")
    assert api("GET", f"/uploads/{upload_id}").json["isComplete"] is True
    assert api("DELETE", f"/uploads/{upload_id}").status == 204
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404


def test_a_caller_has_so_many_unfinished_uploads(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sizes.MAX_UNFINISHED_UPLOADS == 20
    monkeypatch.setattr(quotas, "MAX_UNFINISHED_UPLOADS", 2)
    api.put_contacts()
    first, second = Sender(api), Sender(api)
    refused = Sender(api).begun
    assert (refused.status, refused.headers["Retry-After"]) == (429, "30")
    assert "2 unfinished uploads" in refused.json["detail"]
    assert Sender(api, OPS).begun.status == 201, "others have their own"
    assert api("POST", "/uploads", body={"entity": "contacts", "fileName": "a.csv"}).status == 201, "forms do not count"
    first.send(1, 2, 3)
    assert first.complete().status == 200
    assert Sender(api).begun.status == 201
    assert second.delete().status == 204
    assert Sender(api).begun.status == 201
    assert Sender(api).begun.status == 429
    api.later(days=3)
    assert Sender(api).begun.status == 201, "what has expired does not count"


def test_parts_of_an_upload_that_is_never_completed_are_thrown_away(api: Api) -> None:
    api.put_contacts()
    left, whole = Sender(api), Sender(api)
    for sender in (left, whole):
        sender.send(1, 2, 3)
    api.later(hours=47)
    assert whole.complete().status == 200
    api.later(hours=2)
    remove_expired(api.services)
    assert left.status().status == 410
    s3 = api.services.files._s3
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="files-bucket")
    assert whole.status().json["isComplete"], "it has two more days to be imported"
    assert api("POST", "/imports", body={"uploadId": whole.upload_id}).status == 202
    assert api.services.removals.page() == []


def test_an_attempt_to_complete_it_may_die_at_any_moment(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)

    def die(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(type(api.services.uploads), "complete", die)
        assert sender.complete().status == 503
    assert sender.status().json["isComplete"], "S3 has the file"
    assert sender.complete(composite([sha256_of(b"another file")])).status == 409
    assert sender.complete().status == 200


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], is_gone: bool = False) -> None:
    """Does something else once, between the look at the parts and the completion.

    Args:
        is_gone: S3 does not know the upload then; moto breaks down where S3 would say so.
    """
    complete, todo = PartUpload.complete, [act]

    def interrupted(upload: PartUpload, parts: Any) -> None:
        if todo:
            todo.pop()()
        if is_gone:
            raise PartsGone
        complete(upload, parts)

    monkeypatch.setattr(PartUpload, "complete", interrupted)


def test_a_part_that_is_sent_again_while_it_is_completed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compared is not there any more: nothing is completed that nobody has compared."""
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    other = Sender.__new__(Sender)
    other.__dict__ |= sender.__dict__ | {"data": b"x" + FILE[1:]}
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: other.send(1))
        refused = sender.complete()
    assert (refused.status, "sent again" in refused.json["detail"]) == (409, True)
    assert sender.status().json["isComplete"] is False
    assert sender.complete().status == 409, "it is another file now"
    sender.send(1)
    assert sender.complete().status == 200


def test_two_who_complete_at_once_complete_one_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    with monkeypatch.context() as patch:
        answers: list[Answer] = []
        meanwhile(patch, lambda: answers.append(sender.complete()))
        answers.append(sender.complete())
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert api.services.files.read("files-bucket", f"uploads/{sender.upload_id}/source") == FILE
    assert Sender(api).begun.status == 201


def test_an_upload_that_is_taken_back_while_it_is_completed_leaves_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: sender.delete(), is_gone=True)
        assert sender.complete().status == 410
    assert sender.status().status == 404
    assert api.services.files.head("files-bucket", f"uploads/{sender.upload_id}/source") is None


def test_an_import_in_the_middle_of_a_completion_has_the_whole_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    body = {"uploadId": sender.upload_id, "dryRun": True}
    answers: list[Answer] = []
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: answers.append(api("POST", "/imports", body=body)))
        assert sender.complete().status == 200
    assert answers[0].status == 409, "there is no file yet"
    started = api("POST", "/imports", body=body)
    assert started.status == 202
    assert run(api.services, api.services.jobs.get(started.json["jobId"])).counts.total == FILE.count(b"\n") - 1


@pytest.mark.parametrize("count", [1, 2, 4, 99_999])
def test_a_checksum_of_another_number_of_parts_completes_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Also where an earlier attempt has died after S3 had completed the file."""
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    wrong = f"{sender.checksum.partition('-')[0]}-{count}"
    assert sender.complete(wrong).status == 409

    def die(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(type(api.services.uploads), "complete", die)
        assert sender.complete().status == 503
    assert sender.complete(wrong).status == 409
    assert sender.complete().status == 200


def test_what_has_expired_takes_nothing(api: Api) -> None:
    api.put_contacts()
    sender = Sender(api)
    sender.send(1, 2, 3)
    api.later(hours=49)
    preview = api("POST", f"/uploads/{sender.upload_id}/preview", body={})
    imported = api("POST", "/imports", body={"uploadId": sender.upload_id})
    answers = [sender.ask(1), sender.complete(), sender.status(), preview, imported, sender.delete()]
    assert {answer.status for answer in answers} <= {404, 410}


@pytest.mark.parametrize(
    "name", ["../../jobs/x", "/etc/passwd", 'a"; filename="b.exe', "c%0d%0aSet-Cookie: x", "😀.csv"]
)
def test_the_name_of_a_file_is_for_display_only(api: Api, name: str) -> None:
    api.put_contacts()
    begun = api("POST", "/uploads", body={"entity": "contacts", "fileName": name, "sizeBytes": 9}).json
    status = api("GET", f"/uploads/{begun['uploadId']}").json
    assert status["fileName"] == name
    body = {"parts": [{"partNumber": 1, "sha256": sha256_of(b"123456789")}]}
    (address,) = api("POST", f"/uploads/{begun['uploadId']}/parts", body=body).json["parts"]
    assert urlsplit(address["url"]).path.endswith(f"/uploads/{begun['uploadId']}/source")


@pytest.mark.parametrize("name", ["", " ", "a\r\nb", "a\0", "x" * 2_000, 7])
def test_names_that_are_no_line_are_refused(api: Api, name: Any) -> None:
    api.put_contacts()
    answer = api("POST", "/uploads", body={"entity": "contacts", "fileName": name, "sizeBytes": 9})
    assert (answer.status, answer.pointers) == (422, ["#/fileName"])


def test_how_large_a_file_may_be(api: Api) -> None:
    monkey = pytest.MonkeyPatch()
    monkey.setattr(part_uploads, "PART_BYTES", PART_BYTES)
    try:
        for size in (1, PART_BYTES[0] * MAX_PARTS, PART_BYTES[0] * MAX_PARTS + 1, MAX_FILE_BYTES):
            part = part_bytes_for(size)
            assert -(-size // part) <= 10_000, "S3's most"
            assert 5 * MIB <= part <= 64 * MIB
    finally:
        monkey.undo()
    api.put_contacts()
    body = {"entity": "contacts", "fileName": "a.csv"}
    assert MAX_FILE_BYTES == 500 * 1024**3
    refused = api("POST", "/uploads", body=body | {"sizeBytes": MAX_FILE_BYTES + 1})
    assert (refused.status, "536,870,912,000" in refused.json["detail"]) == (413, True)
    for wrong in (0, -1, 1.5, "9"):
        assert api("POST", "/uploads", body=body | {"sizeBytes": wrong}).status == 422
    assert api("POST", "/uploads", ADMIN, body={"fileName": "a.csv", "sizeBytes": 1}).status == 201
