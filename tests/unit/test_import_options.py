"""The options of an import: what each mode needs, and what the metadata of a dropped object may say."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from tests import builders
from waybill.aws.dynamodb import DynamoDB
from waybill.aws.sigv4 import Credentials
from waybill.entities.model import Entity, Target
from waybill.imports.modes import EXISTS, MODES, MODES_IN_WORDS, NOT_FOUND, Mode, Refusal
from waybill.imports.options import ImportOptions, MetadataError, check_mode, options_from_metadata
from waybill.imports.policy import Policy
from waybill.imports.register import with_options
from waybill.imports.target_sink import target_sink
from waybill.jobs.model import Job, Process, Status
from waybill.wire import jobs as wire

KEY = ("contact_id",)


def job_with(options: ImportOptions, entity: Entity | None = None) -> Job:
    job = Job("job", Process.IMPORT, Status.WAITING, "contacts", "", "a.csv", builders.START, "alice")
    return with_options(job, entity or builders.entity(), options)


@pytest.mark.parametrize(
    ("mode", "asks_table", "refusal", "without_key"),
    [
        ("upsert", False, None, True),
        ("insert", True, EXISTS, True),
        ("merge", False, None, True),
        ("update", True, NOT_FOUND, False),
        ("delete", True, NOT_FOUND, False),
    ],
)
def test_a_mode_says_what_it_needs(mode: str, asks_table: bool, refusal: Refusal | None, without_key: bool) -> None:
    policy = Policy.of(job_with(ImportOptions(mode=mode)))
    assert (policy.checks_existence, policy.needs_precheck) == (asks_table, mode != "upsert")
    if refusal is not None:
        assert MODES[mode].refusal == refusal
    problems: list[tuple[str, str]] = []
    assert check_mode(mode, (), "/mode", problems) == mode
    assert problems == ([] if without_key else [("/mode", f"{mode} needs an entity with a primaryKey")])
    assert f"`{mode}` {MODES[mode].effect}" in MODES_IN_WORDS


def test_every_mode_has_its_case_above() -> None:
    assert list(MODES) == ["upsert", "insert", "merge", "update", "delete"]


@pytest.mark.parametrize(
    "options", [ImportOptions(dry_run=True), ImportOptions(on_error="all-or-nothing"), ImportOptions(mode="insert")]
)
def test_what_depends_on_the_whole_file_is_checked_before_anything_is_written(options: ImportOptions) -> None:
    assert Policy.of(job_with(options)).needs_precheck
    assert not Policy.of(job_with(ImportOptions())).needs_precheck


def test_a_unique_field_makes_an_upsert_check_the_whole_file() -> None:
    fields = [{"name": "id"}, {"name": "email", "constraints": {"unique": True}}]
    entity = builders.entity(schema={"fields": fields, "primaryKey": "id"})
    assert Policy.of(job_with(ImportOptions(), entity)).needs_precheck


def test_a_foreign_key_makes_an_import_check_the_whole_file_but_not_a_deletion() -> None:
    keys = [{"fields": "boss", "reference": {"resource": "", "fields": "id"}}]
    schema = {"fields": [{"name": "id"}, {"name": "boss"}], "primaryKey": "id", "foreignKeys": keys}
    upsert, delete = (
        job_with(ImportOptions(mode=mode), builders.entity(schema=schema)) for mode in ("upsert", "delete")
    )
    assert Policy.of(upsert).needs_precheck
    assert [bool(job.options.get("foreignKeys")) for job in (upsert, delete)] == [True, False]


def test_metadata_sets_what_a_request_sets() -> None:
    metadata = {
        "mode": "merge",
        "blanks": "keep",
        "on-error": "abort",
        "max-errors": "007",
        "dry-run": "true",
        "encoding": "latin-1",
        "dialect": '{"delimiter": ";"}',
        "columns": '{"E-mail": "email"}',
        "author": "somebody",
        "recipients": " ops@example.com, Data@Example.com,",
    }
    assert options_from_metadata(metadata, KEY, mail_domains={"example.com"}) == ImportOptions(
        "merge", "abort", 7, True, "latin-1", {"delimiter": ";"}, {"E-mail": "email"}, blanks="keep",
        recipients=("ops@example.com", "Data@Example.com"),
    )  # fmt: skip
    assert options_from_metadata({}, KEY) == ImportOptions()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"mode": "wipe"}, f"mode must be one of {', '.join(MODES)}"),
        ({"mode": "merge", "blanks": "ignore"}, "blanks must be one of clear, keep"),
        ({"blanks": "keep"}, "blanks keep needs the mode merge or update"),
        ({"mode": "delete", "blanks": "keep"}, "blanks keep needs the mode merge or update"),
        ({"on-error": "ignore"}, "on-error must be one of skip, abort, all-or-nothing"),
        ({"max-errors": "0"}, "max-errors must be a whole number from 1 to 2147483647"),
        ({"max-errors": "2147483648"}, "max-errors must be a whole number from 1 to 2147483647"),
        ({"max-errors": "-1"}, "max-errors must be a whole number from 1 to 2147483647"),
        ({"dry-run": "yes"}, "dry-run must be one of false, true"),
        ({"keep-previous": "no"}, "keep-previous must be one of false, true"),
        (
            {"recipients": "ops@example.com"},
            "recipients must be empty: this deployment sends no mail (parameter MailSender)",
        ),
        ({"recipients": "ops"}, "recipients/0 must be an e-mail address, such as ops@example.com"),
        ({"dialect": "{"}, "dialect must be a JSON object"),
        ({"dialect": "[1]"}, "dialect must be an object (a Table Dialect)"),
    ],
)
def test_metadata_that_cannot_be_used_is_named(metadata: dict[str, str], message: str) -> None:
    with pytest.raises(MetadataError) as caught:
        options_from_metadata(metadata, KEY)
    assert str(caught.value) == f"Object metadata: {message}."


def test_what_records_were_cannot_be_kept_of_a_target_table() -> None:
    with pytest.raises(MetadataError, match="keep-previous cannot be true for a target table"):
        options_from_metadata({"keep-previous": "true"}, KEY, has_target=True)
    assert options_from_metadata({"keep-previous": "false"}, KEY, has_target=True).keep_previous is False


def test_metadata_cannot_ask_for_a_mode_that_needs_a_key() -> None:
    with pytest.raises(MetadataError, match="update needs an entity with a primaryKey"):
        options_from_metadata({"mode": "update"}, ())


def test_a_job_gives_its_options_back() -> None:
    options = ImportOptions(
        "update",
        "abort",
        3,
        True,
        "latin-1",
        {"delimiter": ";"},
        {"E-mail": "email"},
        True,
        "keep",
        True,
        ("a@b.example",),
    )
    assert ImportOptions.of(job_with(options)) == options


def test_every_mode_is_a_word_of_the_job_resource() -> None:
    assert tuple(MODES) == wire.MODES


@pytest.mark.parametrize(
    ("requires", "condition"), [("absent", "attribute_not_exists"), ("present", "attribute_exists")]
)
def test_a_put_on_a_target_table_asks_what_its_mode_requires(
    requires: Literal["absent", "present"], condition: str
) -> None:
    dynamodb = DynamoDB("us-east-1", "http://127.0.0.1:9", credentials=lambda: Credentials("AK", "SK"))
    mode = Mode("new", "does something", requires=requires)
    sink = target_sink(mode, dynamodb, Target("theirs"), "id", 1, lambda: None)
    request = json.loads(sink.wrapping.before + '"id":{"S":"1"}' + sink.wrapping.after)
    assert request["ConditionExpression"] == f"{condition}(#key)"
