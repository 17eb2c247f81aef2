"""Bodies of requests: every problem at once, each with its pointer, also those that need the entity."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests import builders
from tests.api_builders import load_function
from waybill.errors import InvalidRequest, MalformedRequest
from waybill.exports.definition import ExportType
from waybill.exports.formats import FORMATS

exports = load_function("api", "models.exports")
entities = load_function("api", "models.entities")
imports = load_function("api", "models.imports")

AGE = {"kind": "age", "recipients": ["age1j9h8phzv0lkf2mafjgvl0dmlrrrcyx994xwsq4unqye5vmmn8pqqp9xvlx"]}
jobs = load_function("api", "models.jobs")


def context(**settings: Any) -> dict[str, Any]:
    changed = builders.settings(None, **({"mail_sender": "waybill@example.com", "target_tables": "mine"} | settings))
    request = SimpleNamespace(services=SimpleNamespace(settings=changed, clock=builders.Clock()))
    return {"request": request, "entity": builders.entity(), "name": "contacts"}


def problems(model: Any, body: Any, **settings: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        model.read(body, context(**settings))
    found = dict(refused.value.problems)
    assert len(found) == len(refused.value.problems), "a member is refused twice"
    return found


def test_all_problems_of_a_definition_come_at_once() -> None:
    body = {
        "name": "two\nlines",
        "entity": "contacts",
        "type": "PERIODIC_FULL",
        "colour": "blue",
        "fields": ["email", "nobody"],
        "filter": [{"field": "nobody", "op": "eq", "value": 1}, {"field": "email", "op": "eq"}, 3],
        "format": "pdf",
        "dialect": {"delimiter": "::"},
        "compression": 1,
        "fileName": "../x.csv",
        "schedule": {"time": "25:00"},
        "destination": {"kind": "sftp", "host": "127.0.0.1"},
        "recipients": ["ops"],
        "escapeFormulas": "no",
        "includeDeleted": True,
    }
    assert set(problems(exports.ExportRequest, body)) == {
        "/name",
        "/colour",
        "/fields/1",
        "/filter/0/field",
        "/filter/1/value",
        "/filter/2",
        "/format",
        "/dialect/delimiter",
        "/compression",
        "/fileName",
        "/schedule/time",
        "/schedule/timezone",
        "/destination/host",
        "/destination/directory",
        "/destination/secretId",
        "/destination/hostKey",
        "/recipients/0",
        "/escapeFormulas",
        "/includeDeleted",
    }


@pytest.mark.parametrize(
    ("split", "members", "pointers"),
    [
        ({"maxRows": 1}, {}, []),
        ({"maxBytes": 1_000}, {}, []),
        (None, {}, []),
        ({"maxRows": 1_048_575}, {"format": "xlsx"}, []),
        ({"maxRows": 1_048_576}, {"format": "xlsx"}, ["/split/maxRows"]),
        ({"maxRows": 0}, {}, ["/split/maxRows"]),
        ({"maxRows": True}, {}, ["/split/maxRows"]),
        ({"maxRows": "10"}, {}, ["/split/maxRows"]),
        ({"maxRows": 1.5}, {}, ["/split/maxRows"]),
        ({"maxBytes": 999}, {}, ["/split/maxBytes"]),
        ({"maxBytes": 5_000}, {"format": "parquet"}, ["/split/maxBytes"]),
        ({"maxRows": 10}, {"format": "parquet"}, []),
        ({"maxRows": 1, "maxBytes": 5_000}, {}, ["/split"]),
        ({}, {}, ["/split"]),
        ({"rows": 1}, {}, ["/split"]),
        (10, {}, ["/split"]),
        ({"maxRows": 1}, {"compression": "gzip"}, ["/compression"]),
        ({"maxRows": 1}, {"compression": "gzip", "destination": {"kind": "s3"}}, []),
        ({"maxBytes": 99_999}, {"destination": {"kind": "s3", "encryption": AGE}}, ["/split/maxBytes"]),
        ({"maxBytes": 100_000}, {"destination": {"kind": "s3", "encryption": AGE}}, []),
        ({"maxRows": 1}, {"fileName": "a" * 151}, ["/fileName"]),
        (None, {"fileName": "a" * 151, "compression": "gzip"}, []),
    ],
)
def test_the_files_of_a_split_export(split: object, members: dict[str, Any], pointers: list[str]) -> None:
    body = {"name": "x", "entity": "contacts", "split": split, **members}
    assert (list(problems(exports.ExportRequest, body)) if pointers else []) == pointers
    if not pointers:
        assert exports.ExportRequest.read(body, context()).to_definition().split == split


def test_all_problems_of_an_entity_come_at_once() -> None:
    body = {
        "name": "other",
        "title": "",
        "dataType": "nonsense",
        "schema": {"fields": [{"name": "a", "type": "nonsense"}, {"type": "string"}]},
        "dialect": {"delimiter": "::"},
        "encoding": "utf-9",
        "permissions": {"view": "sales", "import": ["ops", 1], "delete": []},
        "columns": {"a/b": 1, "c": "nobody"},
        "target": {"table": "theirs", "modifiedAttribute": "", "more": 1},
    }
    assert set(problems(entities.EntityRequest, body)) == {
        "/name",
        "/title",
        "/dataType",
        "/schema/fields/0/type",
        "/schema/fields/1/name",
        "/dialect/delimiter",
        "/encoding",
        "/permissions/view",
        "/permissions/import",
        "/permissions/delete",
        "/columns/a~1b",
        "/columns/c",
        "/target/table",
        "/target/modifiedAttribute",
        "/target/more",
    }


FILE_NAME_RULE = "must be one line of 1 to 255 characters"
JOB_IDS_RULE = "must be a list of 1 to 100 job ids"
MAX_ERRORS_WRONG = {"/maxErrors": "must be a whole number from 1 to 2147483647"}
UPLOAD = {"uploadId": "2587c81c-b9fc-4873-ae2f-421b292d2c2b"}
NAME_MISSING = "is required and must be one line of 1 to 200 characters"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ([], {"": "must be an object"}),
        ({}, {"/name": NAME_MISSING, "/entity": "is required"}),
        ({"name": None, "entity": 1}, {"/name": NAME_MISSING, "/entity": "must be text"}),
        (
            {"name": "x", "entity": "contacts", "format": "pdf", "escapeFormulas": 0, "a/b": 1},
            {
                "/format": f"must be one of {', '.join(FORMATS)}",
                "/escapeFormulas": "must be true or false",
                "/a~1b": "unknown member",
            },
        ),
    ],
)
def test_problems_are_plain_sentences(body: Any, found: dict[str, str]) -> None:
    assert problems(exports.ExportRequest, body) == found


@pytest.mark.parametrize(
    ("model", "body", "found"),
    [
        (imports.ImportRequest, {"uploadId": "nonsense"}, {"/uploadId": "must be the id of an upload"}),
        (imports.ImportRequest, {"uploadId": 7}, {"/uploadId": "must be the id of an upload"}),
        (imports.ImportRequest, {}, {"/uploadId": "is required and must be the id of an upload"}),
        (imports.ImportRequest, UPLOAD | {"maxErrors": 0}, MAX_ERRORS_WRONG),
        (imports.ImportRequest, UPLOAD | {"maxErrors": 2**31}, MAX_ERRORS_WRONG),
        (imports.ImportRequest, UPLOAD | {"maxErrors": 1.5}, MAX_ERRORS_WRONG),
        (imports.UploadRequest, {"entity": "x"}, {"/fileName": f"is required and {FILE_NAME_RULE}"}),
        (imports.UploadRequest, {"entity": "x", "fileName": ""}, {"/fileName": FILE_NAME_RULE}),
        (jobs.JobsToDelete, {}, {"/jobIds": f"is required and {JOB_IDS_RULE}"}),
        (jobs.JobsToDelete, {"jobIds": []}, {"/jobIds": JOB_IDS_RULE}),
        (jobs.JobsToDelete, {"jobIds": ["x"] * 101}, {"/jobIds": JOB_IDS_RULE}),
        (entities.EntityRequest, {}, {"/schema": "is required and must be an object (a Table Schema)"}),
        (
            entities.EntityRequest,
            {"schema": builders.CONTACTS_SCHEMA, "target": {"table": "mine", "modifiedAttribute": ""}},
            {"/target/modifiedAttribute": "must be the name of an attribute"},
        ),
    ],
)
def test_a_problem_says_what_the_member_must_be(model: Any, body: Any, found: dict[str, str]) -> None:
    assert problems(model, body) == found


def test_a_query_says_what_a_parameter_must_be() -> None:
    with pytest.raises(MalformedRequest, match=r"^as must be link\.$"):
        jobs.FileLink.read({"as": "file"})


def test_a_refused_deletion_is_named_as_one() -> None:
    with pytest.raises(InvalidRequest, match=r"^The deletion breaks a rule\.$"):
        jobs.JobsToDelete.read({})


def test_a_member_that_is_null_counts_as_left_out() -> None:
    wanted = exports.ExportRequest.read({"name": "x", "entity": "contacts"}, context()).to_definition()
    members = ("type", "fields", "filter", "format", "dialect", "fileName", "schedule", "destination", "recipients")
    nulls = {"name": "x", "entity": "contacts"} | dict.fromkeys(members)
    assert exports.ExportRequest.read(nulls, context()).to_definition() == wanted
    bare = entities.EntityRequest.read({"schema": builders.CONTACTS_SCHEMA}, context()).to_entity("contacts", "u")
    nulls = {"schema": builders.CONTACTS_SCHEMA, "title": None, "permissions": {"view": None}, "target": None}
    assert entities.EntityRequest.read(nulls, context()).to_entity("contacts", "u") == bare


def test_texts_are_not_taken_for_other_types() -> None:
    """What a client means as text, number or boolean stays that: nothing is converted."""
    body = {"name": "x", "entity": "contacts", "includeDeleted": "true", "escapeFormulas": 1}
    assert set(problems(exports.ExportRequest, body)) == {"/includeDeleted", "/escapeFormulas"}
    assert set(problems(entities.EntityRequest, {"schema": builders.CONTACTS_SCHEMA, "title": 1})) == {"/title"}


def test_a_schedule_needs_its_type() -> None:
    assert set(problems(exports.ScheduleToPreview, {"type": "NEVER", "schedule": {"at": "x"}})) == {"/type"}
    kind = exports.ScheduleToPreview.read({"schedule": None}, context())
    assert (kind.type, kind.schedule) == (ExportType.ONE_SHOT, None)


def test_reports_need_a_sender() -> None:
    body = {"name": "x", "entity": "contacts", "recipients": ["ops@example.com"]}
    assert set(problems(exports.ExportRequest, body, mail_sender="")) == {"/recipients"}
