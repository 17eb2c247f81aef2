"""Whatever a user may give can be stored, also later and by others; what cannot is refused with its size and the limit.

The tables here refuse items of more than 400 KB, as DynamoDB does.
"""

from __future__ import annotations

import json

import pytest

from tests.api_builders import ADMIN, CONTACTS, EXPORT, Api
from tests.builders import CONTACTS_SCHEMA
from tests.importing import run
from waybill.sizes import MAX_ENTITY_BYTES, MAX_EXPORT_BYTES, MAX_MESSAGE, MAX_OPTIONS_BYTES, json_text

LETTERS = ["a", "ж", "中", '"', "\\", "\x01", "🙂"]


def columns_of(letter: str, size: int) -> dict[str, str]:
    """Header names of about `size` bytes as JSON."""
    each = f"{letter * 100}"
    count = size // (len(json_text(each).encode()) + len(json_text("0000:email,")))
    return {f"{number}{each}": "email" for number in range(count)}


@pytest.mark.parametrize("letter", LETTERS)
def test_a_large_entity_can_be_stored_imported_into_and_exported(api: Api, letter: str) -> None:
    """In Cyrillic, 140 KB were a 500."""
    body = CONTACTS | {"columns": columns_of(letter, 220_000)}
    made = api("PUT", "/entities/contacts", ADMIN, body=json_text(body))
    assert made.status == 201, made.text[:200]
    assert api("GET", "/entities/contacts").json["columns"] == body["columns"]
    options = {"columns": columns_of(letter, 50_000)}
    key = {"idempotency-key": "once"}
    body = {"uploadId": api.upload()} | options
    started = api("POST", "/imports", body=json_text(body), headers=key)
    assert started.status == 202, started.text[:200]
    assert api("POST", "/imports", body=json_text(body), headers=key).text == started.text
    condition = {"field": "contact_id", "op": "in", "value": [f"{number}{letter * 40}" for number in range(50)]}
    export = api("POST", "/exports", body=json_text(EXPORT | {"filter": [condition]}), headers={"idempotency-key": "e"})
    assert export.status == 201, export.text[:200]
    assert api("POST", f"/exports/{export.json['exportId']}/activate").status == 200


def test_a_client_may_escape_its_letters(api: Api) -> None:
    body = json.dumps(CONTACTS | {"columns": columns_of("ж", 140_000)})
    assert len(body) > 400_000
    assert api("PUT", "/entities/contacts", ADMIN, body=body).status == 201


@pytest.mark.parametrize("letter", LETTERS)
def test_a_definition_that_is_too_large_is_refused_with_its_size(api: Api, letter: str) -> None:
    body = CONTACTS | {"columns": columns_of(letter, 300_000)}
    answer = api("PUT", "/entities/contacts", ADMIN, body=json_text(body))
    assert answer.status == 413
    assert f"the limit is {MAX_ENTITY_BYTES:,}" in answer.json["detail"]
    assert api("GET", "/entities/contacts", ADMIN).status == 404


def test_an_export_that_is_too_large_is_refused_with_its_size(api: Api) -> None:
    fields = [{"name": f"{'поле' * 5}{number}", "type": "string"} for number in range(1_000)]
    schema = CONTACTS_SCHEMA | {"fields": [*CONTACTS_SCHEMA["fields"], *fields]}
    api.put_contacts(schema=schema)
    names = [field["name"] for field in fields]
    assert api("POST", "/exports", body=EXPORT | {"fields": names[:500]}).status == 201
    draft = api("POST", "/exports", body=EXPORT).json["exportId"]
    for method, path in (("POST", "/exports"), ("PUT", f"/exports/{draft}")):
        answer = api(method, path, body=EXPORT | {"fields": names})
        assert answer.status == 413
        assert f"the limit is {MAX_EXPORT_BYTES:,}" in answer.json["detail"]


def test_options_that_are_too_large_are_refused_with_their_size(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload()
    body = {"uploadId": upload_id, "columns": columns_of("ж", 100_000)}
    answer = api("POST", "/imports", body=json_text(body))
    assert answer.status == 413
    assert f"the limit is {MAX_OPTIONS_BYTES:,}" in answer.json["detail"]
    assert api("POST", "/imports", body={"uploadId": upload_id}).status == 202


def test_a_body_that_is_too_large_is_refused_with_its_size(api: Api) -> None:
    answer = api("PUT", "/entities/contacts", ADMIN, body="x" * 1_100_000)
    assert (answer.status, answer.json["detail"]) == (413, "The body has 1,100,000 bytes; the limit is 1,048,576.")


def test_thousands_of_problems_fit_into_an_answer(api: Api) -> None:
    unknown = {f'"{number}': 1 for number in range(60_000)}
    answer = api("PUT", "/entities/contacts", ADMIN, body=json_text(CONTACTS | unknown))
    assert answer.status == 422
    assert len(answer.pointers) > 10_000


def test_a_file_with_an_endless_label_fails_with_a_short_message(api: Api) -> None:
    api.put_contacts()
    upload_id = api.upload(data=f"contact_id,email,spend,joined,vip,{'ж' * 200_000}\n1\n".encode())
    preview = api("POST", f"/uploads/{upload_id}/preview")
    assert (preview.status, preview.json["error"]["code"]) == (200, "extra-label")
    job_id = api("POST", "/imports", body={"uploadId": upload_id}).json["jobId"]
    run(api.services, api.services.jobs.get(job_id))
    job = api("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["error"]["code"]) == ("FAILED", "extra-label")
    assert len(job["error"]["message"]) == MAX_MESSAGE
