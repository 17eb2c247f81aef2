"""Uploads and imports: options, who may, and Idempotency-Key."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.api_builders import (
    ADMIN,
    ALICE,
    BOB,
    CONTACTS,
    JOB_MEMBERS,
    NOW,
    OPS,
    SALES,
    Answer,
    Api,
)
from tests.lost_replies import ALL, lost_replies
from waybill.aws.dynamodb import to_attributes
from waybill.jobs import repository


def test_an_upload_is_for_the_entity_that_it_was_made_for(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404
    api.put_contacts()
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404
    assert api("POST", f"/uploads/{upload_id}/preview", body={}).status == 404
    assert api("POST", f"/EntityImport/{upload_id}/import").status == 404


def test_upload_and_import(api: Api) -> None:
    api.put_contacts()
    answer = api("POST", "/uploads", body={"entity": "contacts", "fileName": "März 2026.csv"})
    assert answer.status == 201
    assert set(answer.json) == {"uploadId", "url", "fields", "expiresAt"}
    upload_id = answer.json["uploadId"]
    assert answer.json["fields"]["key"] == f"uploads/{upload_id}/source"
    assert answer.json["expiresAt"] == "2026-03-01T12:15:00.000Z"
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 409

    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"contact_id\n1\n")
    answer = api("POST", "/imports", body={"uploadId": upload_id, "dialect": {"delimiter": ";"}, "encoding": "latin-1"})
    job = answer.json
    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['jobId']}"
    assert answer.headers["Retry-After"].isdigit()
    assert set(job) == JOB_MEMBERS
    assert (job["status"], job["fileName"], job["startedBy"]) == ("WAITING", "März 2026.csv", "alice")
    assert (job["allowedActions"], job["queuePosition"], job["expiresAt"]) == (["cancel"], 1, None)
    assert api.services.jobs.get(job["jobId"]).options == {
        "maxErrors": 1,
        "dialect": {"delimiter": ";"},
        "encoding": "latin-1",
        "unescapeFormulas": False,
    }
    repeated = api("POST", "/imports", body={"uploadId": upload_id})
    assert (repeated.status, job["jobId"] in repeated.json["detail"]) == (409, True)


def test_a_look_at_an_upload_before_its_import(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(OPS, None)
    path = f"/uploads/{upload_id}/preview"
    assert api("POST", path, OPS, body={}).status == 409
    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"Id;vip\n1;perhaps\n")
    answer = api("POST", path, OPS, body={"columns": {"Id": "contact_id"}, "mode": "update"})
    assert answer.status == 200
    assert answer.json["labels"] == ["Id", "vip"]
    assert answer.json["fields"] == ["contact_id", "vip"]
    assert [error["fieldName"] for error in answer.json["rows"][0]["errors"]] == ["vip"]
    assert answer.json["warnings"] == []
    answer = api("POST", path, OPS, body={"columns": {"Id": "no_field"}, "dryRun": True, "mode": "blend"})
    assert (answer.status, sorted(answer.pointers)) == (422, ["#/columns/Id", "#/dryRun", "#/mode"])
    assert api("POST", path, ALICE, body={}).status == 404
    assert api("POST", "/uploads/x/preview", OPS, body={}).status == 400
    assert api("POST", "/imports", OPS, body={"uploadId": upload_id}).status == 202
    api.later(days=3)
    assert api("POST", path, OPS, body={}).status == 410


WRONG_UPLOADS: list[tuple[Any, list[str]]] = [
    ({"entity": "contacts"}, ["#/fileName"]),
    ({"entity": 1, "fileName": "a.csv"}, ["#/entity"]),
    ({"entity": "contacts", "fileName": ""}, ["#/fileName"]),
    ({"entity": "contacts", "fileName": "a\0.csv"}, ["#/fileName"]),
    ({"entity": "contacts", "fileName": "a.csv", "size": 1}, ["#/size"]),
    ([], ["#"]),
]


def test_wrong_upload(api: Api) -> None:
    api.put_contacts()
    for body, pointers in WRONG_UPLOADS:
        answer = api("POST", "/uploads", body=body)
        assert (answer.status, answer.pointers) == (422, pointers)


def test_who_may_import(api: Api) -> None:
    api.put_contacts()
    body = {"entity": "contacts", "fileName": "a.csv"}
    assert api("POST", "/uploads", BOB, body=body).status == 404
    assert api("POST", "/uploads", SALES, body=body).status == 403
    assert api("POST", "/uploads", OPS, body=body | {"entity": "nobody"}).status == 404
    upload_id = api.upload(OPS)
    assert api("POST", "/imports", ALICE, body={"uploadId": upload_id}).status == 404
    assert api("POST", "/imports", OPS, body={"uploadId": str(uuid.uuid4())}).status == 404
    assert api("POST", "/imports", ADMIN, body={"uploadId": upload_id}).status == 202
    upload_id = api.upload(OPS)
    api.put_contacts(permissions={"view": ["ops"]})
    assert api("POST", "/imports", OPS, body={"uploadId": upload_id}).status == 403


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"mode": "replace"}, "#/mode"),
    ({"mode": "merge", "blanks": "ignore"}, "#/blanks"),
    ({"mode": "merge", "blanks": ["keep"]}, "#/blanks"),
    ({"blanks": "keep"}, "#/blanks"),
    ({"onError": "cry"}, "#/onError"),
    ({"onError": ["skip"]}, "#/onError"),
    ({"maxErrors": 0}, "#/maxErrors"),
    ({"maxErrors": True}, "#/maxErrors"),
    ({"maxErrors": 1.5}, "#/maxErrors"),
    ({"dryRun": "true"}, "#/dryRun"),
    ({"encoding": "nonsense"}, "#/encoding"),
    ({"dialect": {"quoteChar": "''"}}, "#/dialect/quoteChar"),
    ({"columns": {"E-mail": "nobody"}}, "#/columns/E-mail"),
    ({"columns": []}, "#/columns"),
    ({"unescapeFormulas": 1}, "#/unescapeFormulas"),
    ({"colour": "blue"}, "#/colour"),
    ({"uploadId": "nonsense"}, "#/uploadId"),
]


def test_wrong_import_options(api: Api) -> None:
    api.put_contacts()
    for options, pointer in WRONG_OPTIONS:
        answer = api("POST", "/imports", body={"uploadId": api.upload()} | options)
        assert (answer.status, answer.pointers) == (422, [pointer])


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"mode": "delete"}, {"mode": "delete", "blanks": "clear"}),
        ({"mode": "merge", "blanks": "keep"}, {"mode": "merge", "blanks": "keep"}),
        ({"onError": "abort", "maxErrors": 3}, {"onError": "abort"}),
        ({"dryRun": True}, {"dryRun": True}),
        ({"unescapeFormulas": True}, {"mode": "upsert"}),
    ],
)
def test_import_options_are_shown_in_the_job(api: Api, options: dict[str, Any], shown: dict[str, Any]) -> None:
    api.put_contacts()
    answer = api("POST", "/imports", body={"uploadId": api.upload()} | options)
    assert answer.status == 202
    assert {name: answer.json[name] for name in shown} == shown


def keyed(upload_id: str, key: str = "k-1") -> dict[str, Any]:
    return {"body": {"uploadId": upload_id, "mode": "upsert"}, "headers": {"idempotency-key": key}}


def test_the_same_request_with_its_key_gets_the_same_answer(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(data=None)
    request = keyed(upload_id)
    assert api("POST", "/imports", **request).status == 409  # not yet uploaded: nothing happened, the key is free
    api.services.files.put("files-bucket", f"uploads/{upload_id}/source", b"contact_id\n1\n")
    first = api("POST", "/imports", **request)
    api.services.jobs.begin(first.json["jobId"])
    api.later(hours=23)
    other_order = request | {"body": '{ "mode": "upsert", "uploadId": "%s" }' % upload_id}  # noqa: UP031
    for again in (api("POST", "/imports", **request), api("POST", "/imports", **other_order)):
        assert (again.status, again.text, again.headers) == (202, first.text, first.headers)
    assert api("POST", "/imports", **keyed(upload_id, "k-2")).status == 409
    assert api("POST", "/imports", **keyed(api.upload())).status == 422
    assert api("POST", "/imports", **(request | {"body": request["body"] | {"dryRun": True}})).status == 422
    assert len(api("GET", "/jobs").json["items"]) == 1
    api.later(hours=1, seconds=1)
    assert api("POST", "/imports", **keyed(api.upload())).status == 202  # the key has expired


def test_a_repeated_request_gets_its_answer_though_it_would_be_refused_today(api: Api) -> None:
    api.put_contacts()
    request = keyed(api.upload())
    request["body"]["columns"] = {"E-Mail": "email"}
    first = api("POST", "/imports", **request)
    fields = [field for field in CONTACTS["schema"]["fields"] if field["name"] != "email"]
    api.put_contacts(schema=CONTACTS["schema"] | {"fields": fields}, columns={})
    again = api("POST", "/imports", **request)
    assert (first.status, again.status, again.text) == (202, 202, first.text)
    refused = api("POST", "/imports", **(request | {"headers": {"idempotency-key": "another"}}))
    assert (refused.status, refused.pointers) == (422, ["#/columns/E-Mail"])


def test_a_key_is_its_callers_alone(api: Api) -> None:
    api.put_contacts()
    mine, theirs = (api("POST", "/imports", who, **keyed(api.upload(who))) for who in (ALICE, OPS))
    assert (mine.status, theirs.status) == (202, 202)
    assert mine.json["jobId"] != theirs.json["jobId"]


def test_a_key_that_is_none(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    for key in ("", "a b", "ключ", "x" * 256, "a\nb"):
        assert api("POST", "/imports", **keyed(upload_id, key)).status == 400, key
    assert api("POST", "/imports", **keyed(upload_id, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')).status == 202


@pytest.mark.parametrize("path", ["/imports", "/EntityImport/{}/import"])
def test_an_import_that_others_overtake_all_the_time_is_told_when_to_try_again(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """409 would say that the upload was imported already."""
    api.put_contacts()
    assert api("POST", "/imports", body={"uploadId": api.upload()}).status == 202
    upload_id = api.upload()
    request: dict[str, Any] = {"headers": {"idempotency-key": "k-1"}}
    request |= {"body": {"uploadId": upload_id}} if path == "/imports" else {}
    path = path.format(upload_id)
    with monkeypatch.context() as patch:
        patch.setattr(repository, "after_newest", lambda table, entity_uid, now: now)
        answer = api("POST", path, **request)
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "2"), answer.text
    assert api("POST", path, **request).status in (201, 202)
    assert len(api("GET", "/jobs").json["items"]) == 2


def test_a_request_at_work_holds_its_key_and_a_dead_one_does_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    request = keyed(api.upload())
    inner: list[int] = []
    register = api.services.jobs.register

    class Killed(BaseException):
        """The function is gone, in the middle of the request."""

    def die(*given: Any) -> Any:
        inner.append(api("POST", "/imports", **request).status)
        register(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(api.services.jobs, "register", die)
        with pytest.raises(Killed):
            api("POST", "/imports", **request)
    assert inner == [409]
    api.later(seconds=59)
    assert api("POST", "/imports", **request).status == 409
    api.later(seconds=2)
    assert api("POST", "/imports", **(request | {"body": {"uploadId": api.upload()}})).status == 422
    after = api("POST", "/imports", **request)
    assert (after.status, len(api("GET", "/jobs").json["items"])) == (202, 1)
    assert api("POST", "/imports", **request).text == after.text


def test_an_outage_frees_the_key_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    request = keyed(api.upload())

    def fail(*given: Any) -> None:
        raise RuntimeError("outage")

    with monkeypatch.context() as patch:
        patch.setattr(api.services.workflow, "start", fail)  # the job is registered by then
        assert api("POST", "/imports", **request).status == 500
    assert api("POST", "/imports", **request).status == 202
    assert len(api("GET", "/jobs").json["items"]) == 1


def in_between(monkeypatch: pytest.MonkeyPatch, api: Api, send: Callable[[], Answer], count: int) -> list[Answer]:
    """The answers to `count` requests, each of which has passed its checks before the first one registers its job."""
    answers: list[Answer] = []
    head = api.services.files.head

    def head_and_send(*given: Any) -> Any:
        info = head(*given)
        if len(calls) < count:
            calls.append(None)
            answers.append(send())
        return info

    calls = [None]
    with monkeypatch.context() as patch:
        patch.setattr(api.services.files, "head", head_and_send)
        answers.append(send())
    return answers


@pytest.mark.parametrize("status", [202, 201])
def test_of_parallel_requests_for_one_upload_one_wins(api: Api, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    api.put_contacts()
    upload_id = api.upload()
    modes = itertools.cycle(["upsert", "insert", "update"])

    def send() -> Answer:
        if status == 201:
            return api("POST", f"/EntityImport/{upload_id}/import")
        return api("POST", "/imports", body={"uploadId": upload_id, "mode": next(modes)})

    answers = in_between(monkeypatch, api, send, 20)
    assert Counter(answer.status for answer in answers) == {status: 1, 409: 19}
    (job,) = api("GET", "/jobs").json["items"]
    won = next(answer.json for answer in answers if answer.status == status)
    assert (won.get("jobId") or won["importId"], won.get("mode", job["mode"])) == (job["jobId"], job["mode"])


def test_a_parallel_request_with_the_same_key_waits_for_the_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    request = keyed(api.upload())
    during, first = in_between(monkeypatch, api, lambda: api("POST", "/imports", **request), 2)
    assert (during.status, first.status) == (409, 202)
    assert api("POST", "/imports", **request).text == first.text


def test_a_refused_import_leaves_the_upload_as_it_was(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    assert api("POST", "/imports", body={"uploadId": upload_id, "mode": "replace"}).status == 422
    mark = api.services.entities.mark(api.services.entities.get("contacts"), NOW)
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 409  # a deletion that is then given up
    api.services.entities.unmark(api.services.entities.get("contacts").uid, mark)
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 202


@pytest.mark.parametrize("has_key", [True, False])
def test_a_registration_whose_reply_is_lost_makes_one_job(api: Api, has_key: bool) -> None:
    api.put_contacts()

    def request() -> dict[str, Any]:
        upload_id = api.upload()
        return keyed(upload_id, upload_id) if has_key else {"body": {"uploadId": upload_id}}

    with lost_replies(api.services.dynamodb, "TransactWriteItems"):
        assert api("POST", "/imports", **request()).status == 202
    api.services.clock.forward(seconds=1)  # type: ignore[attr-defined]
    failing = request()
    with lost_replies(api.services.dynamodb, "TransactWriteItems", ALL):
        refused = api("POST", "/imports", **failing)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "60")
    assert len(api("GET", "/jobs").json["items"]) == 2
    again = api("POST", "/imports", **failing)
    assert again.status == (202 if has_key else 409)
    assert len(api("GET", "/jobs").json["items"]) == 2


def test_a_key_does_no_harm_elsewhere(api: Api) -> None:
    api.put_contacts()
    key = {"headers": {"idempotency-key": "k-1"}}
    body = {"entity": "contacts", "fileName": "a.csv"}
    first, second = (api("POST", "/uploads", body=body, **key) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json["uploadId"] != second.json["uploadId"]


def test_expired_uploads(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    api.later(hours=48)
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 410
    assert api("POST", "/imports", OPS, body={"uploadId": upload_id}).status == 404
    assert api("POST", f"/EntityImport/{upload_id}/import").status == 404
    key = to_attributes({"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"})
    api.services.dynamodb.call("DeleteItem", {"TableName": "jobs", "Key": key})
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 404
