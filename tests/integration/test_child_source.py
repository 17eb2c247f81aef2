"""A relaunched import makes its source in its plan step, of files of any size, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests import builders, strict_s3
from tests.importing import BAD_ROWS, Crash, counts, drop_object, live, rejected_types, run, start
from waybill.aws.files import Files
from waybill.bootstrap import Services
from waybill.errors import Conflict
from waybill.imports.deadline import RESERVE_SECONDS
from waybill.imports.finish import finish_import
from waybill.imports.job_files import made_source_prefix, rejects_form_key, rejects_key
from waybill.imports.plan import plan_import
from waybill.imports.relaunch import relaunch_import
from waybill.jobs.leases import LEASE_SECONDS
from waybill.jobs.model import Job, Status, job_prefix
from waybill.upkeep.actions import cancel_job, delete_job
from waybill.upkeep.retention import remove_expired

PART = 5 * 1024**2
MANY = 4_000


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity())


def any_email(services: Services) -> None:
    """What was wrong with rows is right from now on."""
    schema: dict[str, Any] = {**builders.CONTACTS_SCHEMA}
    schema["fields"] = [dict(field) for field in schema["fields"]]
    schema["fields"][1] = {"name": "email", "type": "string"}
    services.entities.put(builders.entity(schema=schema))


def many_bad(drop: Any, services: Services) -> Job:
    """An ended import with many rejected rows, among them one that another row replaces."""
    bad = [{"contact_id": f"b{number}", "email": f"nobody {number} {'x' * 60}"} for number in range(MANY)]
    parent: Job = drop(builders.contacts_csv([*bad, {"contact_id": "c000000"}], count=1))
    assert counts(parent) == (MANY + 2, 1, MANY + 1, 0) and parent.counts.repeated == 1
    any_email(services)
    return parent


def relaunch(services: Services, job: Job) -> Job:
    return relaunch_import(services, services.jobs.get(job.job_id), "alice", "alice-id")


def unread_upload(services: Services, s3: Any, data: bytes) -> Job:
    """An upload's import, which an outage ended before its file was read."""
    from dataclasses import replace

    from waybill.imports.options import ImportOptions
    from waybill.imports.register import new_import, register
    from waybill.imports.source_object import ObjectVersion

    key = "uploads/1/source"
    etag = s3.put_object(Bucket=services.settings.files_bucket, Key=key, Body=data)["ETag"].strip('"')
    source = ObjectVersion(services.settings.files_bucket, key, etag)
    job = new_import(services, "00000000-0000-4000-8000-000000000007", "contacts", "contacts.csv", source, "alice")
    job = register(services, replace(job), services.entities.get("contacts"), ImportOptions(), None)
    services.jobs.begin(job.job_id)
    ended = finish_import(services, job.job_id, "timed-out")
    assert ended is not None
    return ended


def parts_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of more than 5 MiB are copied in parts, as those of more than 512 MiB really are."""
    for module in ("waybill.aws.files", "waybill.imports.child_source"):
        monkeypatch.setattr(f"{module}.COPY_PART_BYTES", PART)
    monkeypatch.setattr(strict_s3, "COPY_BYTES", PART)


def plan_in_turns(services: Services, job: Job) -> int:
    """Make the source of a job in invocations that are over after one step; how many it took."""

    def remaining_seconds() -> float:
        return RESERVE_SECONDS - 1 if services.jobs.get(job.job_id).source_key is None else 900.0

    turns = 1
    while plan_import(services, job.job_id, remaining_seconds)["outcome"] == "more":
        turns += 1
        assert turns < 20
    return turns


def unfinished_uploads(s3: Any, services: Services) -> list[Any]:
    found: list[Any] = s3.list_multipart_uploads(Bucket=services.settings.files_bucket).get("Uploads", [])
    return found


def test_a_request_reads_and_copies_nothing_of_a_file(
    services: Services, drop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = many_bad(drop, services)
    for call in ("read", "open", "get_range", "copy", "put", "writer"):
        monkeypatch.setattr(services.files, call, lambda *_, **__: pytest.fail("the request touches the file"))
    child = relaunch(services, parent)
    assert (child.status, child.source_key) == (Status.WAITING, None)


def test_rows_are_taken_in_as_many_invocations_as_it_needs(services: Services, drop: Any, s3: Any) -> None:
    parent = many_bad(drop, services)
    child = relaunch(services, parent)
    assert plan_in_turns(services, child) >= 3
    child = run(services, child)
    assert counts(child) == (MANY, MANY, 0, 0)
    assert {"b0", f"b{MANY - 1}"} <= live(services)
    assert unfinished_uploads(s3, services) == []


def test_a_large_file_is_copied_in_parts_and_goes_on_where_it_was(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = builders.contacts_csv(count=3) + b"\n" * (3 * PART)
    parent = unread_upload(services, s3, data)
    parts_of(monkeypatch)
    child = relaunch(services, parent)
    assert plan_in_turns(services, child) == 5, "one for each of four parts, and one that completes the upload"
    child = run(services, child)
    assert counts(child) == (3, 3, 0, 0)
    copied = services.files.read(services.settings.files_bucket, str(child.source_key))
    assert hashlib.sha256(copied).digest() == hashlib.sha256(data).digest()
    assert unfinished_uploads(s3, services) == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_copy_that_dies_is_begun_again_and_leaves_no_parts(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    parent = unread_upload(services, s3, builders.contacts_csv(count=3) + b"\n" * (3 * PART))
    parts_of(monkeypatch)
    child = relaunch(services, parent)
    client, copied = services.files._s3, []
    really = client.upload_part_copy

    def dying(**arguments: Any) -> Any:
        copied.append(arguments["PartNumber"])
        if len(copied) == at:
            raise Crash
        return really(**arguments)

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(client, "upload_part_copy", dying)
        plan_import(services, child.job_id)
    assert len(unfinished_uploads(s3, services)) == 1
    services.clock.forward(seconds=LEASE_SECONDS + 1)  # type: ignore[attr-defined]
    assert counts(run(services, child)) == (3, 3, 0, 0)
    assert unfinished_uploads(s3, services) == []


def test_an_upload_that_s3_forgot_is_begun_again(services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = unread_upload(services, s3, builders.contacts_csv(count=3) + b"\n" * (3 * PART))
    parts_of(monkeypatch)
    child = relaunch(services, parent)
    assert plan_import(services, child.job_id, lambda: RESERVE_SECONDS - 1)["outcome"] == "more"
    client, refused = services.files._s3, []
    really = client.upload_part_copy

    def gone_at_first(**arguments: Any) -> Any:
        if not refused:
            refused.append(arguments["UploadId"])
            answer: Any = {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise client.exceptions.ClientError(answer, "UploadPartCopy")
        return really(**arguments)

    monkeypatch.setattr(client, "upload_part_copy", gone_at_first)
    assert counts(run(services, child)) == (3, 3, 0, 0)
    assert unfinished_uploads(s3, services) == []


def test_the_deletion_of_a_job_aborts_what_a_step_left_unfinished(services: Services, drop: Any, s3: Any) -> None:
    job = drop(builders.contacts_csv(count=1))
    s3.create_multipart_upload(Bucket=services.settings.files_bucket, Key=f"{job_prefix(job.job_id)}rejects.csv")
    delete_job(services, job)
    assert unfinished_uploads(s3, services) == []


@pytest.mark.parametrize("how", ["deleted", "expired"])
@pytest.mark.parametrize("end", ["takes its rows", "is canceled"])
def test_files_stay_until_the_relaunch_has_its_rows(
    services: Services, drop: Any, clock: builders.Clock, how: str, end: str
) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    any_email(services)
    child = relaunch(services, parent)
    if how == "deleted":
        delete_job(services, parent)
    else:
        clock.forward(hours=49)
        remove_expired(services)
    key = rejects_key(parent.job_id)
    bucket = services.settings.files_bucket
    assert services.files.head(bucket, key) is not None
    if end == "is canceled":
        cancel_job(services, child)
    else:
        assert counts(run(services, child)) == (4, 1, 3, 0)
    clock.forward(minutes=5)
    remove_expired(services)
    assert services.files.head(bucket, key) is None
    if how == "deleted":
        assert services.jobs.find(parent.job_id) is None


def test_a_relaunch_and_a_deletion_at_once_do_not_both_succeed(
    services: Services, drop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    really = services.jobs.register

    def after_deletion(*arguments: Any) -> Any:
        delete_job(services, parent)
        return really(*arguments)

    monkeypatch.setattr(services.jobs, "register", after_deletion)
    with pytest.raises(Exception, match="job"):
        relaunch(services, parent)
    assert services.jobs.newest(100)[0] == []


def test_rows_that_are_gone_end_the_relaunch_with_the_reason(services: Services, drop: Any) -> None:
    """Nobody but Waybill writes to that bucket; an operator may."""
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    child = relaunch(services, parent)
    services.files.delete(services.settings.files_bucket, rejects_key(parent.job_id))
    child = run(services, child)
    assert (child.status, child.error_code, counts(child)) == (Status.FAILED, "source-changed", (0, 0, 0, 0))
    assert parent.job_id in str(child.error_message)
    with pytest.raises(Conflict, match="Send the rows as a new file"):
        relaunch(services, parent)


def test_a_relaunch_that_timed_out_before_it_had_its_rows_is_relaunched(services: Services, drop: Any) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    any_email(services)
    child = relaunch(services, parent)
    services.jobs.begin(child.job_id)
    finish_import(services, child.job_id, "timed-out")
    third = relaunch(services, child)
    delete_job(services, services.jobs.get(child.job_id))
    delete_job(services, services.jobs.get(parent.job_id))
    assert counts(run(services, third)) == (4, 1, 3, 0)


def test_an_attempt_that_was_overtaken_changes_nothing(
    services: Services, drop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    any_email(services)
    child = relaunch(services, parent)
    really, others = Files.head, []

    def head_after_another(files: Files, bucket: str, key: str) -> Any:
        if key.startswith(made_source_prefix(child.job_id)) and not others:
            others.append(key)
            services.clock.forward(seconds=LEASE_SECONDS + 1)  # type: ignore[attr-defined]
            plan_import(services, child.job_id)
        return really(files, bucket, key)

    monkeypatch.setattr(Files, "head", head_after_another)
    with pytest.raises(Exception, match="ended"):
        plan_import(services, child.job_id)
    assert others[0] != services.jobs.get(child.job_id).source_key
    assert counts(run(services, child)) == (4, 1, 3, 0)


def test_rejects_of_a_job_that_an_earlier_version_ended_are_taken(services: Services, drop: Any) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS, count=3))
    services.files.delete(services.settings.files_bucket, rejects_form_key(parent.job_id))
    child = run(services, relaunch(services, parent))
    types = rejected_types(services, parent)
    assert rejected_types(services, child) == {row: type for row, type in types.items() if type != "duplicate-key"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "gb18030", "iso2022_jp"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_rows_are_taken_in_the_encoding_and_dialect_of_the_file(
    services: Services, s3: Any, encoding: str, delimiter: str
) -> None:
    text = delimiter.join(["contact_id", "email", "spend", "joined", "vip"]) + "\n"
    name = {"cp1252": "é", "iso2022_jp": "日本", "gb18030": "中文"}.get(encoding, "ž")
    for number in range(300):
        text += delimiter.join([f"k{number}", f'"{name}\n{number} ""q"""', "", "", ""]) + "\n"
    text += delimiter.join(["k299", "x@example.com", "", "", ""]) + "\n"
    services.entities.put(builders.entity(encoding=None if encoding in ("utf-8", "utf-16") else encoding))
    key = "drop/contacts/a.csv"
    drop_object(services, s3, text.encode(encoding), key=key)
    parent = run(services, start(services, s3, text.encode(encoding), key=key))
    assert parent.counts.rejected == 300 and not parent.counts.repeated
    services.files.read(services.settings.files_bucket, rejects_key(parent.job_id))
    object.__setattr__(parent.counts, "repeated", 0)
    any_email(services)
    entity = services.entities.get("contacts")
    services.entities.put(builders.entity(schema=entity.schema, encoding=None))
    child = relaunch(services, parent)
    assert counts(run(services, child))[:2] == (300, 300)


@pytest.mark.parametrize("generations", [1, 3])
def test_rows_that_a_relaunch_of_the_relaunch_imported_are_not_imported_again(
    services: Services, drop: Any, generations: int
) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS[:1], count=3))
    child = latest = run(services, relaunch(services, parent))
    for _ in range(generations - 1):
        latest = run(services, relaunch(services, latest))
    assert counts(latest) == (1, 0, 1, 0)
    any_email(services)
    last = relaunch(services, latest)
    with pytest.raises(Conflict, match=child.job_id):
        relaunch(services, parent)
    assert counts(run(services, last)) == (1, 1, 0, 0)
    with pytest.raises(Conflict, match=child.job_id):
        relaunch(services, parent)
    delete_job(services, services.jobs.get(last.job_id))
    assert counts(run(services, relaunch(services, parent))) == (1, 1, 0, 0), "as after every relaunch that was deleted"


def test_a_relaunch_that_imported_nothing_is_over_once_its_rows_were_relaunched_from_before(
    services: Services, drop: Any
) -> None:
    parent = drop(builders.contacts_csv(BAD_ROWS[:1], count=3))
    first = run(services, relaunch(services, parent))
    any_email(services)
    second = relaunch(services, parent)
    assert counts(first)[1] == 0 and second.job_id != first.job_id
    with pytest.raises(Conflict, match=f"relaunched as job {second.job_id}"):
        relaunch(services, first)
    assert counts(run(services, second)) == (1, 1, 0, 0)
    with pytest.raises(Conflict, match=f"relaunched as job {second.job_id}"):
        relaunch(services, first)


@pytest.mark.parametrize("at", [0, 150])
def test_a_row_that_its_leading_columns_make_too_long_ends_the_relaunch_with_the_reason(
    services: Services, drop: Any, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The import before took the row: without the columns of a rejects file it was within the limit."""
    bad = [{"contact_id": f"b{number}", "email": "nobody" * (50 if number == at else 1)} for number in range(200)]
    parent = drop(builders.contacts_csv([*bad, {"contact_id": "c000000"}], count=1))
    assert parent.counts.repeated == 1, "its rows are read one by one"
    child = relaunch(services, parent)
    monkeypatch.setattr("waybill.tabular.records.RECORD_CAP_BYTES", 300)
    child = run(services, child)
    assert (child.status, child.error_code, counts(child)) == (Status.FAILED, "row-too-long", (0, 0, 0, 0))
    assert f"Row {at + 3} of the rejects file of job {parent.job_id}" in str(child.error_message)
