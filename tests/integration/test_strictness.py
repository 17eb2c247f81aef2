"""Whatever is sent, the answer is a problem document that names what is wrong, never a failure of ours."""

from __future__ import annotations

import base64
import json
import unicodedata
import uuid
from typing import Any

import pytest

from tests.api_builders import ADMIN, CONTACTS, EXPORT, OPS, Api

ODD_TEXTS = ["", " ", "\u2028", "a\x00b", "a\nb", "\x7f", "\x85", "a" * 201]
GOOD_TEXTS = ["\N{GRINNING FACE}", "\u202e", unicodedata.normalize("NFD", "Köntakte"), "\u00a0x", "a" * 200]


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("body", ['{"uploadId": "x", "uploadId": "y"}', '{"dialect": {"a": 1, "a": 1}}', "{}garbage"])
def test_bodies_that_two_readers_would_read_differently(api: Api, body: str) -> None:
    assert api("POST", "/imports", body=body).status == 400


@pytest.mark.parametrize("position", [f"2026#{'a' * 3_000}", f"0:{'k' * 2_000}", "64:k", "[" * 9_000, "\x00"])
def test_a_place_in_a_list_that_nobody_was_told(api: Api, position: str) -> None:
    """Whatever DynamoDB would refuse as a key too."""
    api.put_contacts()
    export = api("POST", "/exports", OPS, body=EXPORT).json["exportId"]
    token = base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")
    for path in ("/jobs", "/entities/contacts/records", f"/exports/{export}/jobs"):
        assert api("GET", path, ADMIN, query={"nextToken": token}).status == 400, path


def test_depth(api: Api) -> None:
    api.put_contacts()
    for levels, status in [(31, 400), (28, 202)]:
        body = {"uploadId": api.upload(), "dialect": {"other": nested(levels - 2)}}
        assert api("POST", "/imports", body=body).status == status, levels


def test_properties_that_nobody_reads_may_be_anything(api: Api) -> None:
    """DynamoDB has no floats, 38 digits and no empty names: what is kept as a document never becomes attributes."""
    api.put_contacts(dialect={"x": 1.5, "": [12345678901234567890123456789012345678901]})
    for odd in ({"x": 1.5}, {"": 1}, {"x": 12345678901234567890123456789012345678901}, {"x": "\x00\ud7ff"}):
        assert api("POST", "/imports", body={"uploadId": api.upload(), "dialect": odd}).status == 202, odd
    for row in (2**31, 10**45):
        answer = api("POST", "/imports", body={"uploadId": api.upload(), "dialect": {"headerRows": [row]}})
        assert (answer.status, answer.pointers) == (422, ["#/dialect/headerRows"])


def test_texts_that_are_no_line(api: Api) -> None:
    api.put_contacts()
    for text in ODD_TEXTS:
        for member in ("title", "database"):
            answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {member: text})
            assert (answer.status, answer.pointers) == (422, [f"#/{member}"]), text
        answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"permissions": {"view": [text]}})
        assert (answer.status, answer.pointers) == (422, ["#/permissions/view"]), text
        assert api("POST", "/exports", body=EXPORT | {"name": text}).pointers == ["#/name"], text
    for text in GOOD_TEXTS:
        answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"title": text})
        assert (answer.status, answer.json["title"]) == (200, text)


def test_empty_values_are_no_lists_of_groups(api: Api) -> None:
    for value in ("", 0, False, {}):
        answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"permissions": {"view": value}})
        assert answer.pointers == ["#/permissions/view"], value


def test_headers_without_a_name(api: Api) -> None:
    api.put_contacts()
    for header, pointer in [("", "#/columns/"), (" \t", "#/columns/%20%09")]:
        answer = api("POST", "/imports", body={"uploadId": api.upload(), "columns": {header: "email"}})
        assert (answer.status, answer.pointers) == (422, [pointer])


def test_names_in_other_normal_forms_are_other_names(api: Api) -> None:
    schema = {"fields": [{"name": unicodedata.normalize("NFC", "größe"), "type": "string"}]}
    other = unicodedata.normalize("NFD", "größe")
    api.put_contacts(schema=schema)
    answer = api("POST", "/exports", body={"name": "x", "entity": "contacts", "fields": [other]})
    assert (answer.status, answer.pointers) == (422, ["#/fields/0"])
    answer = api("POST", "/imports", body={"uploadId": api.upload(), "columns": {"x": other}})
    assert (answer.status, answer.pointers) == (422, ["#/columns/x"])


def test_pointers_are_those_of_rfc_6901(api: Api) -> None:
    answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"a/b~c": 1, "": 2, "ü": 3})
    assert answer.pointers == ["#/a~1b~0c", "#/", "#/%C3%BC"]


@pytest.mark.parametrize(
    "query",
    [
        {"statuss": "FAILED"},
        {"limit": "1", "Limit": "1"},
        {"": "x"},
        {"limit": ""},
        {"limit": "1.0"},
        {"limit": "+1"},
        {"limit": "9" * 5_000},
        {"nextToken": "x" * 5_000},
        {"nextToken": "AAAA"},
        {"nextToken": "\ud800"},
        {"nextToken": "ü"},
        {"status": "failed"},
        {"status": ","},
    ],
    ids=lambda query: str(query)[:30],
)
def test_odd_queries(api: Api, query: dict[str, str]) -> None:
    assert api("GET", "/jobs", query=query).status == 400


def test_parameters_that_stand_twice(api: Api) -> None:
    event_query = "limit=1&limit=2"
    answer = api("GET", "/jobs", query={"limit": "1,2"}, raw_query=event_query)
    assert (answer.status, "more than once" in answer.json["detail"]) == (400, True)
    answer = api("GET", "/jobs", query={"status": "FAILED,WAITING"}, raw_query="status=FAILED&status=WAITING")
    assert answer.status == 400


def test_odd_cursors(api: Api) -> None:
    entity = api.put_contacts()
    job = api.add_finished()
    export_id = api("POST", "/exports", body=EXPORT).json["exportId"]
    api.services.files.put("files-bucket", f"jobs/{job.job_id}/error-log.csv", b"rowNumber,fieldNumber\r\n")
    assert entity
    for path in (
        "/entities",
        "/entities/contacts/records",
        "/jobs",
        f"/jobs/{job.job_id}/errors",
        "/exports",
        f"/exports/{export_id}/jobs",
    ):
        for token in ("%", "=", "AAAA", "_____w", "LTE", "MTIz", "OTk5OTk5OTk5OTk5", "x" * 3_000, "MDo", "NjQ6eA", "ü"):
            answer = api("GET", path, query={"nextToken": token})
            assert answer.status in (200, 400), (path, token)


def test_odd_paths(api: Api) -> None:
    api.put_contacts()
    for name in (
        "a/b",
        "..",
        "a\x00",
        "\N{GRINNING FACE}",
        "cont\u00adacts",
        "CONTACTS",
        "a" * 5_000,
        "%2F",
        " contacts",
    ):
        assert api("GET", f"/entities/{name}").status == 404, name
    for job_id in ("{" + uuid.uuid4().hex + "}--", uuid.uuid4().hex, f"urn:uuid:{uuid.uuid4()}", "1_" * 18, "٣" * 36):
        assert api("GET", f"/jobs/{job_id}").status in (400, 404), job_id
    upper = str(api.add_job().job_id).upper()
    assert api("GET", f"/jobs/{upper}").status == 200
    for path in ("/jobs/", "//jobs", "/jobs//cancel", ""):
        assert api("GET", path).status == 404, path


def test_requests_that_take_no_options_refuse_them(api: Api) -> None:
    api.put_contacts()
    job = api.add_job()
    answer = api("POST", f"/jobs/{job.job_id}/cancel", body={"force": True})
    assert (answer.status, answer.pointers) == (422, ["#/force"])
    assert api("POST", f"/jobs/{job.job_id}/cancel", body="{").status == 400
    assert api("POST", f"/jobs/{job.job_id}/cancel", body="null").status == 422
    assert api("POST", f"/jobs/{job.job_id}/cancel", body={}).status == 200


def test_idempotency_keys(api: Api) -> None:
    api.put_contacts()
    for key, status in [("", 400), ("k" * 256, 400), ("ü\N{GRINNING FACE}", 400), ("k" * 255, 202)]:
        answer = api("POST", "/imports", body={"uploadId": api.upload()}, headers={"idempotency-key": key})
        assert answer.status == status, key


WRONG_TYPES: list[Any] = [0, 1.5, True, "x", [], {}, [[]], [{}], {"a": {}}, "\x00", -1, 10**30, [None], [""]]


@pytest.mark.parametrize("who", [ADMIN, OPS], ids=["admin", "ops"])
def test_any_value_in_any_member(api: Api, who: dict[str, Any]) -> None:
    """Answers are held against the description by `api` itself: a 500 fails."""
    api.put_contacts()
    export_id = api("POST", "/exports", ADMIN, body=EXPORT).json["exportId"]
    upload_id = api.upload(who)
    bodies: list[tuple[str, str, dict[str, Any], list[str]]] = [
        ("PUT", "/entities/another", CONTACTS, ["name", "title", "database", "dataType", "schema", "dialect"]),
        ("PUT", "/entities/another", CONTACTS, ["encoding", "permissions", "columns", "refuseDuplicates", "target"]),
        ("POST", "/uploads", {"entity": "contacts", "fileName": "a.csv"}, ["entity", "fileName"]),
        ("POST", "/imports", {"uploadId": upload_id, "mode": "no"}, ["uploadId", "onError", "maxErrors", "dryRun"]),
        ("POST", "/imports", {"uploadId": upload_id, "mode": "no"}, ["encoding", "dialect", "columns"]),
        ("POST", "/exports", EXPORT, ["name", "entity", "type", "fields", "filter", "format", "dialect"]),
        ("PUT", f"/exports/{export_id}", EXPORT, ["compression", "fileName", "schedule", "destination", "recipients"]),
        ("POST", "/exports", EXPORT | {"type": "INCREMENTAL"}, ["escapeFormulas", "includeDeleted", "schedule"]),
        ("POST", "/jobs/delete", {}, ["jobIds"]),
        ("POST", f"/exports/{export_id}/copy", {}, ["name"]),
        ("POST", f"/exports/{export_id}/unschedule", {}, ["confirm"]),
    ]
    for method, path, good, members in bodies:
        for value in WRONG_TYPES:
            assert api(method, path, who, body=json.dumps(value)).status < 500
            for member in members:
                answer = api(method, path, who, body=good | {member: value})
                assert answer.status < 500, (method, path, member, value)
                if answer.status == 422:
                    assert answer.pointers and all(pointer.startswith("#") for pointer in answer.pointers), answer.text
