"""An import is undone: records that still stand as it left them are put back, those that it created are removed."""

from __future__ import annotations

import itertools
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests import builders
from tests.importing import (
    counts,
    die_in,
    finish,
    load_and_finish,
    planned,
    prepared,
    records,
    rejected_types,
    rejects,
    run,
    start,
)
from tests.workbooks import xlsx
from waybill.aws.dynamodb import BatchWriter
from waybill.bootstrap import Services
from waybill.errors import Conflict
from waybill.exports.report import is_relaunchable
from waybill.imports.error_log import error_page
from waybill.imports.plan import plan_import
from waybill.imports.plan_document import read_plan
from waybill.imports.precheck import precheck_chunk
from waybill.imports.previous import LateKeeper, Part, Record, pack, read_parts, unpack, write_parts
from waybill.imports.relaunch import relaunch_import
from waybill.imports.undo import preview_undo, undo_import
from waybill.jobs.leases import LEASE_SECONDS
from waybill.jobs.model import Job, Status
from waybill.upkeep.actions import cancel_job, delete_job, stop_job

SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True}},
        {"name": "name", "type": "string"},
        {"name": "n", "type": "number"},
    ],
    "primaryKey": "id",
    "fieldsMatch": "superset",
}
BEFORE = "id,name,n\na,Ann,1\nb,Bob,2.50\nc,Cid,\n"
KEEP = {"keep_previous": "true"}
_names = itertools.count()


@pytest.fixture(autouse=True)
def contacts(services: Services) -> None:
    services.entities.put(builders.entity(schema=SCHEMA))


def imported(services: Services, s3: Any, text: str | bytes, key: str = "", **metadata: str) -> Job:
    data = text.encode() if isinstance(text, str) else text
    return run(services, start(services, s3, data, key=key or f"drop/contacts/{next(_names)}.csv", **metadata))


def begun(services: Services, job: Job) -> Job:
    """The undo of an import, registered."""
    return undo_import(services, services.jobs.get(job.job_id), "alice", "alice-id")


def undo(services: Services, job: Job) -> Job:
    return run(services, begun(services, job))


def values(services: Services) -> dict[str, dict[str, Any]]:
    """What people see: tombstones are no records."""
    return {key: item for key, item in records(services).items() if "_gone" not in item}


@pytest.mark.parametrize(
    ("mode", "file"),
    [
        ("upsert", "id,name,n\na,Anna,7\nd,Dan,4\n"),
        ("merge", "id,n\na,7\nd,4\n"),
        ("update", "id,n\na,7\nb,\n"),
        ("delete", "id\na\nc\n"),
        ("insert", "id,name,n\nd,Dan,4\ne,Eve,5\n"),
    ],
)
def test_an_undo_puts_back_what_was_before_in_every_mode(services: Services, s3: Any, mode: str, file: str) -> None:
    imported(services, s3, BEFORE)
    before = values(services)
    job = imported(services, s3, file, mode=mode, **({} if mode == "insert" else KEEP))
    assert job.outcome == "SUCCESS" and values(services) != before
    undone = undo(services, job)
    assert (undone.status, undone.outcome, undone.undo_of) == (Status.COMPLETED, "SUCCESS", job.job_id)
    assert counts(undone) == (2, 2, 0, 0)
    assert values(services) == before


def test_records_that_were_changed_since_stay_and_are_listed_by_their_rows(services: Services, s3: Any) -> None:
    imported(services, s3, BEFORE)
    job = imported(services, s3, "id,name,n\nbad,B,x\na,Anna,7\nb,Bert,8\nd,Dan,4\ne,Eve,5\n", **KEEP)
    imported(services, s3, "id,name,n\nb,Since,0\n")
    imported(services, s3, "id\ne\n", mode="delete")
    assert preview_undo(services, services.jobs.get(job.job_id)) == {
        "total": 4, "checked": 4, "restored": 1, "removed": 1, "changedSince": 2,
    }  # fmt: skip
    undone = undo(services, job)
    assert (counts(undone), undone.outcome) == ((4, 2, 2, 0), "PARTIAL_SUCCESS")
    assert rejected_types(services, undone) == {4: "changed-since", 6: "changed-since"}
    header, first, _ = rejects(services, undone)
    assert (header, first[:2], first[3:]) == (
        ["_row", "_type", "_reason", "id", "name", "n"], ["4", "changed-since"], ["b", "Bert", "8"],
    )  # fmt: skip
    found = values(services)
    assert {key: item.get("name", {}).get("S") for key, item in found.items()} == {"a": "Ann", "b": "Since", "c": "Cid"}


def test_only_rows_that_were_imported_are_undone(services: Services, s3: Any) -> None:
    """Not those that another row replaced, that were refused, or that were imported later by a relaunch."""
    imported(services, s3, BEFORE)
    before = values(services)
    job = imported(services, s3, "id,name,n\na,Loser,1\na,Anna,7\nz,Zoe,none\nd,Dan,4\n", **KEEP)
    assert counts(job) == (4, 2, 2, 0)
    undone = undo(services, job)
    assert (counts(undone), values(services)) == ((2, 2, 0, 0), before)


def test_imports_can_be_undone_one_after_the_other_back_to_the_beginning(services: Services, s3: Any) -> None:
    states, jobs = [values(services)], []
    for text, mode in [
        (BEFORE, "upsert"), ("id,n\na,9\nd,4\n", "merge"), ("id\na\nb\n", "delete"), ("id,name\na,New\n", "upsert"),
        ("id,name\nb,Also new\n", "insert"),
    ]:  # fmt: skip
        jobs.append(imported(services, s3, text, mode=mode, **KEEP))
        states.append(values(services))
    for job in reversed(jobs):
        states.pop()
        assert undo(services, job).outcome == "SUCCESS"
        assert values(services) == states[-1]
    assert values(services) == {}


def test_an_import_is_undone_once(services: Services, s3: Any) -> None:
    job = imported(services, s3, BEFORE, **KEEP)
    assert services.jobs.get(job.job_id).can_undo
    first = begun(services, job)
    with pytest.raises(Conflict, match="is undone by job"):
        begun(services, job)
    run(services, first)
    with pytest.raises(Conflict, match="was undone by job"):
        begun(services, job)
    with pytest.raises(Conflict, match="An undo cannot be undone"):
        begun(services, first)


def test_the_repeated_request_finds_its_undo(services: Services, s3: Any) -> None:
    job, child_id = imported(services, s3, BEFORE, **KEEP), "00000000-0000-4000-8000-000000000001"
    made = [undo_import(services, services.jobs.get(job.job_id), "alice", "alice-id", child_id) for _ in range(2)]
    assert [child.job_id for child in made] == [child_id, child_id]


def test_an_undo_cannot_be_relaunched(services: Services, s3: Any) -> None:
    """Its rows would be imported."""
    job = imported(services, s3, BEFORE, **KEEP)
    imported(services, s3, "id,name\na,Since\n")
    undone = undo(services, job)
    assert undone.has_rejects and not is_relaunchable(undone)
    with pytest.raises(Conflict, match="cannot be relaunched"):
        relaunch_import(services, undone, "alice", "alice-id")


def test_imports_that_kept_nothing_cannot_be_undone(services: Services, s3: Any, clock: builders.Clock) -> None:
    plain = imported(services, s3, BEFORE)
    dry = imported(services, s3, BEFORE, dry_run="true", **KEEP)
    empty = imported(services, s3, "id,n\nx,none\n", **KEEP)
    for job in (plain, dry, empty):
        with pytest.raises(Conflict):
            begun(services, job)
    expired = imported(services, s3, BEFORE, **KEEP)
    clock.forward(days=2, seconds=1)
    with pytest.raises(Conflict, match="have expired"):
        begun(services, expired)


def test_files_stay_until_the_undo_has_what_it_needs(services: Services, s3: Any) -> None:
    job = imported(services, s3, BEFORE, **KEEP)
    child = begun(services, job)
    assert services.jobs.has_takers(job.job_id)
    plan_import(services, child.job_id)
    assert not services.jobs.has_takers(job.job_id)


def test_an_undo_that_was_canceled_or_deleted_can_be_begun_again(services: Services, s3: Any) -> None:
    job = imported(services, s3, BEFORE, **KEEP)
    cancel_job(services, begun(services, job))
    deleted = undo(services, job)
    assert counts(deleted) == (3, 3, 0, 0)
    delete_job(services, deleted)
    again = undo(services, job)
    assert (counts(again), values(services)) == ((3, 3, 0, 0), {})


def test_an_undo_that_was_stopped_is_completed_by_the_next(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.jobs.leases.HEARTBEAT_SECONDS", 0.0)
    rows = 400
    job = imported(services, s3, "id,name\n" + "".join(f"k{row},x\n" for row in range(rows)), **KEEP)
    child = prepared(services, begun(services, job))
    original, sent = BatchWriter._send, itertools.count(1)

    def send(*arguments: Any) -> None:
        original(*arguments)
        if next(sent) == 30:
            stop_job(services, services.jobs.get(child.job_id))

    with monkeypatch.context() as patch:
        patch.setattr(BatchWriter, "_send", send)
        stopped = load_and_finish(services, child)
    assert stopped.stop_reason == "USER" and stopped.counts.balances()
    assert 0 < stopped.counts.imported == rows - len(values(services)) < rows
    assert set(rejected_types(services, stopped).values()) == {"stopped"}
    again = undo(services, job)
    assert (counts(again), values(services)) == ((rows, rows, 0, 0), {})


@pytest.mark.parametrize("requests", [0, 3, 7])
def test_an_undo_whose_worker_dies_is_completed_and_counts_each_row_once(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    imported(services, s3, BEFORE)
    before = values(services)
    job = imported(services, s3, "id,name\n" + "".join(f"k{row},x\n" for row in range(9)) + "a,A\n", **KEEP)
    child = prepared(services, begun(services, job))
    die_in(services, child, 0, monkeypatch, requests)
    clock.forward(seconds=LEASE_SECONDS)
    undone = load_and_finish(services, child)
    assert (counts(undone), values(services)) == ((10, 10, 0, 0), before)


def test_what_the_import_wrote_itself_is_never_kept_as_what_was_before(
    services: Services, s3: Any, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A precheck stands still until the load has written some of its rows."""
    imported(services, s3, BEFORE)
    before = values(services)
    job = planned(services, s3, b"id,name\na,Anna\nb,Bert\nd,Dan\n", **KEEP)
    die_in(services, job, 0, monkeypatch, 1)
    clock.forward(seconds=LEASE_SECONDS)
    get = type(services.jobs).get

    def unprepared(repository: Any, job_id: str) -> Job:
        found: Job = get(repository, job_id)
        found.options.pop("deduplicated", None)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(type(services.jobs), "get", unprepared)
        with pytest.raises(LateKeeper):
            precheck_chunk(services, job.job_id, 0)
    assert load_and_finish(services, job).outcome == "SUCCESS"
    assert undo(services, job).outcome == "SUCCESS"
    assert values(services) == before


def test_rows_are_kept_in_as_many_invocations_as_it_takes(services: Services, s3: Any) -> None:
    rows = "".join(f"k{row:05d},{'x' * 200}\n" for row in range(6_000))
    imported(services, s3, "id,name\nk00000,before\nk05999,before\n")
    before = values(services)
    job = start(services, s3, f"id,name\n{rows}".encode(), key="drop/contacts/large.csv", **KEEP)
    plan_import(services, job.job_id)
    while not precheck_chunk(services, job.job_id, 0, lambda: 1.0):
        pass
    job = run(services, job)
    assert counts(job) == (6_000, 6_000, 0, 0)
    assert len(read_parts(services, job.job_id)) > 1
    preview = preview_undo(services, services.jobs.get(job.job_id))
    assert preview["total"] == 6_000 and 500 < preview["checked"] <= 1_000
    assert preview["restored"] + preview["removed"] == preview["checked"]
    assert counts(undo(services, job)) == (6_000, 6_000, 0, 0)
    assert values(services) == before


class Large(dict[str, Any]):
    """A record that can be watched."""


def test_one_record_at_a_time_is_in_memory_while_they_are_kept(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of one block may replace thousands of the largest records."""
    asked, alive, most = [], list[bool](), 0

    def large(dynamodb: Any, table: str, keys: Any, attributes: Any = (), one_by_one: bool = False) -> Iterator[Large]:
        nonlocal most
        assert one_by_one
        asked.append(len(keys))
        for key in keys:
            record = Large(key, name={"S": "x" * 1_000})
            alive.append(True)
            weakref.finalize(record, alive.pop)
            most = max(most, len(alive))
            yield record
            del record

    monkeypatch.setattr("waybill.imports.previous.batch_get", large)
    job = planned(services, s3, b"id\n" + b"".join(b"k%d\n" % row for row in range(950)), **KEEP)
    assert (asked, most, alive) == ([100] * 9 + [50], 1, [])
    [part] = read_parts(services, job.job_id)
    text = services.files.read(services.settings.files_bucket, part.key).decode()
    assert [line.split(",")[3] for line in text.splitlines()] == [f"k{row}" for row in range(950)]


def enlarge(services: Services, job: Job, fields: Record) -> None:
    """Add fields to each record that an import kept."""
    plan = read_plan(services, job.job_id)
    assert plan is not None
    bucket, parts = services.settings.files_bucket, []
    for part in read_parts(services, job.job_id):
        lines = services.files.read(bucket, part.key).decode().splitlines()
        rows = [line.split(",", 3) for line in lines]
        packed = [pack({**unpack(row[2], plan.dialect), **fields}, plan.dialect) for row in rows]
        text = "".join(f"{row[0]},{row[1]},{cell},{row[3]}\n" for row, cell in zip(rows, packed, strict=True))
        services.files.put(bucket, part.key, text.encode())
        parts.append(Part(part.key, len(text), [0]))
    write_parts(services, job, parts)


def test_a_preview_has_one_record_at_a_time_in_memory_and_looks_at_fewer_large_ones(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 records whose JSON is 20 KB, and which are some 500 KB as objects."""
    imported(services, s3, "id,name\n" + "".join(f"k{row:02d},x\n" for row in range(40)))
    job = imported(services, s3, "id,name\n" + "".join(f"k{row:02d},y\n" for row in range(40)), **KEEP)
    enlarge(services, job, {"marks": {"L": [{"N": "1"}] * 2_000}})
    job = services.jobs.get(job.job_id)
    tracemalloc.start()
    try:
        whole = preview_undo(services, job)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole == {"total": 40, "checked": 40, "restored": 40, "removed": 0, "changedSince": 0}
    assert peak < 4_000_000, f"{peak} bytes"
    monkeypatch.setattr("waybill.imports.undo.PREVIEW_RECORD_BYTES", 100_000)
    some = preview_undo(services, job)
    assert 4 <= some["checked"] <= 6 and some["restored"] == some["checked"] and some["total"] == 40


def test_an_undo_needs_the_file_of_the_import_no_more(services: Services, s3: Any) -> None:
    imported(services, s3, BEFORE)
    before = values(services)
    job = imported(services, s3, "id,name\na,Anna\nd,Dan\n", key="drop/contacts/same.csv", **KEEP)
    s3.put_object(Bucket=services.settings.drop_bucket, Key="drop/contacts/same.csv", Body=b"another")
    assert counts(undo(services, job)) == (2, 2, 0, 0)
    assert values(services) == before


def test_records_of_an_entity_without_a_key_are_removed(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity(schema={name: SCHEMA[name] for name in ("fields", "fieldsMatch")}))
    kept = imported(services, s3, BEFORE)
    before = values(services)
    job = imported(services, s3, "id,name,n\nx,X,1\nbad,B,none\ny,Y,2\n", **KEEP)
    assert len(values(services)) == 5
    assert counts(undo(services, job)) == (2, 2, 0, 0)
    assert values(services) == before
    assert kept.counts.imported == 3


WORKBOOK = xlsx(
    [
        '<row r="1"><c t="inlineStr"><is><t>id</t></is></c><c t="inlineStr"><is><t>name</t></is></c></row>',
        '<row r="2"><c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>Anna, "A"</t></is></c></row>',
        '<row r="3"><c t="inlineStr"><is><t>d</t></is></c></row>',
    ]
)


@pytest.mark.parametrize(
    ("name", "data", "dialect"),
    [
        ("utf16.csv", "id;name\na;Änna\nd;D\n".encode("utf-16"), "{}"),
        ("latin.csv", "id;name\na;\xc4nna\nd;D\n".encode("latin-1"), '{"delimiter": ";"}'),
        ("quotes.csv", b'id,name\na,"An\nna, ""A"""\nd,D\n', "{}"),
        ("plain.csv", b"id/name\na/Anna\nd/D\n", '{"delimiter": "/", "quoteChar": "~"}'),
        ("escapes.csv", b'id,name\na,"An\\"na"\nd,D\n', '{"escapeChar": "\\\\", "doubleQuote": false}'),
        ("comments.csv", b"# a comment\nid,name\na,Anna\n# another\nd,D\n", '{"commentChar": "#"}'),
        ("late.csv", b"title\n\nid,name\na,Anna\nd,D\n", '{"headerRows": [3]}'),
        ("lines.jsonl", b'{"id": "a", "name": null}\n{"id": "d", "name": "D"}\n', "{}"),
        ("book.xlsx", WORKBOOK, "{}"),
    ],
)
def test_rows_of_every_dialect_and_kind_of_file_are_undone(
    services: Services, s3: Any, name: str, data: bytes, dialect: str
) -> None:
    imported(services, s3, BEFORE)
    before = values(services)
    job = imported(services, s3, data, key=f"drop/contacts/{name}", dialect=dialect, **KEEP)
    assert counts(job) == (2, 2, 0, 0)
    row = {"comments.csv": 5, "late.csv": 5, "lines.jsonl": 2}.get(name, 3)
    imported(services, s3, "id,name\nd,Since\n")
    undone = undo(services, job)
    assert counts(undone) == (2, 1, 1, 0)
    items, _, _ = error_page(services.files, services.settings.files_bucket, undone, 10, None)
    assert [(item["rowNumber"], item["type"], item["cell"]) for item in items] == [(row, "changed-since", "d")]
    assert values(services) == before | {"d": values(services)["d"]}


def test_a_file_can_be_imported_again_once_it_is_undone(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity(schema=SCHEMA, refuse_duplicates=True))
    job = imported(services, s3, BEFORE, **KEEP)
    assert imported(services, s3, BEFORE).error_code == "duplicate-file"
    undo(services, job)
    assert imported(services, s3, BEFORE).outcome == "SUCCESS"


def test_the_entity_may_want_it_of_all_imports_and_an_import_may_not(services: Services, s3: Any) -> None:
    services.entities.put(builders.entity(schema=SCHEMA, keep_previous=True))
    assert imported(services, s3, BEFORE).can_undo
    assert not imported(services, s3, BEFORE, keep_previous="false").can_undo


def test_the_undo_of_a_child_and_of_a_rejects_file_names_the_original_rows(services: Services, s3: Any) -> None:
    job = imported(services, s3, "id,name,n\na,A,1\nbad,B,none\nx,X,one\ny,Y,two\n", **KEEP)
    bad = rejects(services, job)
    services.entities.put(builders.entity(schema={**SCHEMA, "fields": [*SCHEMA["fields"][:2], {"name": "n"}]}))
    child = run(services, relaunch_import(services, job, "alice", "alice-id"))
    assert counts(child) == (3, 3, 0, 0) and child.keep_previous
    imported(services, s3, "id,name\nx,Since\n")
    assert rejected_types(services, undo(services, child)) == {4: "changed-since"}
    text = "\n".join(",".join(row) for row in bad).replace("(", "").encode()
    sent = imported(services, s3, text, **KEEP)
    imported(services, s3, "id,name\ny,Since\n")
    assert rejected_types(services, undo(services, sent)) == {5: "changed-since"}


def test_an_undo_fails_when_what_was_kept_is_gone(services: Services, s3: Any) -> None:
    job = imported(services, s3, BEFORE, **KEEP)
    child = begun(services, job)
    for part in read_parts(services, job.job_id):
        services.files.delete(services.settings.files_bucket, part.key)
    failed = run(services, child)
    assert (failed.status, failed.error_code) == (Status.FAILED, "source-changed")
    assert len(values(services)) == 3
    assert finish(services, failed).status is Status.FAILED


def test_an_undo_whose_import_is_deleted_meanwhile_says_so(services: Services, s3: Any) -> None:
    job = imported(services, s3, BEFORE, **KEEP)
    child = begun(services, job)
    delete_job(services, services.jobs.get(job.job_id))
    failed = run(services, child)
    assert (failed.status, failed.error_code, failed.counts.imported) == (Status.FAILED, "source-changed", 0)
