"""An entity that is deleted is gone at once, what it had soon after, and nothing new begins on it meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.api_builders import load_function, make_job
from waybill.aws.dynamodb import to_attributes
from waybill.aws.expressions import Change
from waybill.aws.table import Table
from waybill.bootstrap import Services
from waybill.entities.model import SHARDS, Entity, partition
from waybill.errors import Conflict, EntityDeleted, NotFound
from waybill.exports.definition import Export, ExportStatus
from waybill.exports.run import activate, relaunch_export, run_now
from waybill.ids import new_uuid
from waybill.imports.options import ImportOptions
from waybill.imports.register import new_import, register
from waybill.imports.source_object import ObjectVersion
from waybill.imports.start import start_drop
from waybill.jobs.model import Counts, Job, Process, Status, finished
from waybill.upkeep import entity_deletion
from waybill.upkeep.entity_deletion import MOST_NAMED, delete_entity, erase_deleted
from waybill.upkeep.retention import remove_expired

PERIODIC: dict[str, Any] = {
    "type": "PERIODIC_FULL",
    "schedule": {"time": "02:30", "timezone": "UTC"},
    "destination": {"kind": "s3"},
}
CONTEXT = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")


@pytest.fixture
def contacts(services: Services) -> Entity:
    entity = builders.entity()
    services.entities.put(entity)
    return entity


def put_records(services: Services, entity: Entity, number: int) -> None:
    for index in range(number):
        item = {"_pk": partition(entity.uid, index % SHARDS), "_sk": f"k{index}", "contact_id": f"k{index}"}
        if index % 3 == 0:
            item = {"_pk": item["_pk"], "_sk": item["_sk"], "_gone": 2_000_000_000}  # a tombstone
        services.dynamodb.call("PutItem", {"TableName": "records", "Item": to_attributes(item)})


def draft_of(services: Services, entity: Entity, **members: Any) -> Export:
    definition = builders.export_definition(entity=entity.name, **members)
    now = services.clock.now()
    export = Export(new_uuid(), definition, entity.uid, ExportStatus.DRAFT, now, "alice", "a", "series")
    services.exports.add(export)
    return export


def records_left(services: Services) -> int:
    return int(services.dynamodb.call("Scan", {"TableName": "records", "Select": "COUNT"})["Count"])


def a_new_import(services: Services, entity: Entity, number: int = 0, **options: Any) -> Job:
    source = ObjectVersion("files-bucket", "a", "etag")
    job = new_import(services, f"job-{number}", entity.name, "a.csv", source, "alice")
    return register(services, job, entity, ImportOptions(**options), None)


def test_records_and_exports_go_and_other_entities_keep_theirs(services: Services, contacts: Entity) -> None:
    other = builders.entity("orders")
    services.entities.put(other)
    put_records(services, contacts, 200)
    put_records(services, other, 7)
    draft, others_draft = draft_of(services, contacts), draft_of(services, other)
    delete_entity(services, contacts)
    assert services.entities.find("contacts") is None
    erase_deleted(services)
    assert records_left(services) == 7
    assert services.exports.find(draft.export_id) is None
    assert services.exports.find(others_draft.export_id) is not None
    assert services.entities.deleted() == []
    assert erase_deleted(services) == 0


def test_what_one_minute_leaves_the_next_one_deletes(services: Services, contacts: Entity) -> None:
    put_records(services, contacts, 130)
    delete_entity(services, contacts)
    erased = [erase_deleted(services, builders.time_for(40)) for _ in range(3)]
    assert sum(erased) == 130
    assert erased[0] < 130
    assert services.entities.deleted() == []
    assert records_left(services) == 0


def test_an_entity_with_many_records_does_not_keep_the_others(
    services: Services, contacts: Entity, clock: builders.Clock
) -> None:
    """Each minute begins with another entity."""
    other = builders.entity("orders")
    services.entities.put(other)
    for entity in (contacts, other):
        put_records(services, entity, 130)
        delete_entity(services, entity)
    for _ in range(2):
        erase_deleted(services, builders.time_for(1))
        clock.forward(minutes=1)
    left = services.dynamodb.call("Scan", {"TableName": "records"})["Items"]
    by_entity = Counter(item["_pk"]["S"].partition("#")[0] for item in left)
    assert all(count < 130 for count in by_entity.values())


def test_a_name_that_is_used_again_starts_empty(services: Services, contacts: Entity) -> None:
    put_records(services, contacts, 5)
    delete_entity(services, contacts)
    again = builders.entity(uid="another")
    services.entities.put(again)
    put_records(services, again, 5)
    erase_deleted(services)
    assert records_left(services) == 5
    assert services.entities.get("contacts").uid == "another"


def test_files_of_its_jobs_go_when_their_time_comes(
    services: Services, contacts: Entity, clock: builders.Clock
) -> None:
    job = a_new_import(services, contacts)
    key = f"jobs/{job.job_id}/rejects.csv"
    services.files.put("files-bucket", key, b"x")
    ended = finished(services.jobs.begin(job.job_id), Status.COMPLETED, Counts(0), clock.now(), services.jobs.retention)
    services.jobs.finish(ended, Status.IN_PROGRESS)
    delete_entity(services, contacts)
    erase_deleted(services)
    remove_expired(services)
    assert services.files.head("files-bucket", key) is not None
    clock.forward(hours=49)
    remove_expired(services)
    assert services.files.head("files-bucket", key) is None


@pytest.mark.parametrize("options", [{}, {"dry_run": True}])
def test_an_import_that_has_not_ended_keeps_its_entity(
    services: Services, contacts: Entity, options: dict[str, Any]
) -> None:
    job = a_new_import(services, contacts, **options)
    for _ in range(2):
        with pytest.raises(Conflict):
            delete_entity(services, contacts)
    services.jobs.finish(
        finished(job, Status.CANCELED, Counts(0), services.clock.now(), services.jobs.retention), Status.WAITING
    )
    delete_entity(services, contacts)


def test_the_refusal_names_what_is_in_the_way_and_what_to_do(services: Services, contacts: Entity) -> None:
    refused = f"{contacts.name} cannot be deleted. "
    jobs = [a_new_import(services, contacts, number) for number in range(MOST_NAMED + 1)]
    first = ", ".join(f"{job.job_id} (a.csv, waiting)" for job in jobs[:MOST_NAMED])
    export = activate(services, draft_of(services, contacts, **PERIODIC), "alice", "a")
    running = run_now(services, export, "alice", "a")
    with pytest.raises(Conflict) as caught:
        delete_entity(services, contacts)
    scheduled = (
        f'Exports that are scheduled or run: "{export.definition.name}" ({export.export_id}, scheduled and running).'
    )
    unschedule = "Unschedule them, and wait for the end of their runs."
    assert caught.value.detail == (
        f"{refused}Jobs that have not ended: {first} and others. Cancel or stop them, or wait for their end. "
        f"{scheduled} {unschedule}"
    )
    for job in jobs:
        ended = finished(job, Status.CANCELED, Counts(0), services.clock.now(), services.jobs.retention)
        services.jobs.finish(ended, Status.WAITING)
    with pytest.raises(Conflict, match=rf"Jobs that have not ended: {running.job_id} \(.*, waiting\)\. Cancel"):
        delete_entity(services, contacts)


def test_what_cannot_be_read_is_in_the_way_too(services: Services, contacts: Entity) -> None:
    export = activate(services, draft_of(services, contacts, **PERIODIC), "alice", "a")
    Table(services.dynamodb, services.settings.catalog_table).update(
        ("EXPORT", export.export_id), Change(sets={"definition": "no JSON"})
    )
    with pytest.raises(Conflict, match=rf"a definition that cannot be read \({export.export_id}, scheduled\)"):
        delete_entity(services, contacts)


def test_an_export_that_runs_although_it_is_a_draft_keeps_its_entity(services: Services, contacts: Entity) -> None:
    export = activate(services, draft_of(services, contacts, **PERIODIC), "alice", "a")
    with pytest.raises(Conflict):
        delete_entity(services, contacts)
    run_now(services, export, "alice", "a")
    services.exports.unschedule(export.export_id)
    with pytest.raises(Conflict):
        delete_entity(services, contacts)


def test_nothing_begins_on_an_entity_once_its_deletion_has_begun(services: Services, contacts: Entity) -> None:
    draft = draft_of(services, contacts)
    failed = replace(
        make_job(process=Process.EXPORT, entity_uid=contacts.uid, export_id=draft.export_id),
        status=Status.FAILED,
        error_code="delivery-failed",
        error_message="timeout",
    )
    kept = {"pk": f"JOB#{failed.job_id}", "sk": "DEFINITION", "document": json.dumps({"series": draft.series})}
    table = services.settings.jobs_table
    services.dynamodb.call("PutItem", {"TableName": table, "Item": to_attributes(kept)})
    starts: list[Callable[[], object]] = [
        lambda: a_new_import(services, contacts),
        lambda: activate(services, draft, "alice", "a"),
        lambda: relaunch_export(services, failed, "alice", "a"),
        lambda: draft_of(services, contacts),
        lambda: services.exports.edit(draft.export_id, draft.definition, contacts.uid),
        lambda: services.exports.schedule(draft.export_id, services.clock.now()),
    ]
    mark = services.entities.mark(contacts, services.clock.now())
    for number, begin in enumerate(starts):
        with pytest.raises(EntityDeleted):
            begin()
            pytest.fail(f"number {number} began")
    with pytest.raises(Conflict):
        delete_entity(services, contacts)  # somebody else is at it
    services.entities.delete(contacts, mark)
    for begin in starts:
        with pytest.raises((EntityDeleted, NotFound)):
            begin()
    services.entities.put(builders.entity(uid="another"))  # the name alone is not the entity
    for begin in starts[:1]:
        with pytest.raises(EntityDeleted):
            begin()


def test_what_began_before_the_mark_is_seen_by_the_deletion(
    services: Services, contacts: Entity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import is registered between the caller's look at the entity and the mark."""
    mark = services.entities.mark

    def register_first(*given: Any) -> str:
        a_new_import(services, contacts)
        return mark(*given)

    monkeypatch.setattr(services.entities, "mark", register_first)
    with pytest.raises(Conflict):
        delete_entity(services, contacts)
    monkeypatch.undo()
    assert services.entities.get("contacts").uid == contacts.uid
    a_new_import(services, contacts, 1)  # a deletion that was refused leaves no trace


def test_a_deletion_that_died_blocks_for_minutes_only(
    services: Services, contacts: Entity, clock: builders.Clock
) -> None:
    mark = services.entities.mark(contacts, services.clock.now())
    clock.forward(seconds=entity_deletion.MARK_SECONDS)
    erase_deleted(services)
    with pytest.raises(EntityDeleted):
        a_new_import(services, contacts)
    clock.forward(seconds=1)
    erase_deleted(services)
    a_new_import(services, contacts)
    with pytest.raises(Conflict):  # should it live after all, it has lost its right to delete
        services.entities.delete(contacts, mark)


def test_a_dropped_file_waits_until_the_deletion_is_decided(
    services: Services, contacts: Entity, s3: Any, clock: builders.Clock
) -> None:
    mark = services.entities.mark(contacts, services.clock.now())
    clock.on_sleep = lambda seconds: services.entities.unmark(contacts.uid, mark)
    etag = s3.put_object(Bucket="drop-bucket", Key="drop/contacts/a.csv", Body=b"contact_id\n1\n")["ETag"].strip('"')
    job = start_drop(services, builders.created_event(services, "drop/contacts/a.csv", etag)["detail"])
    assert job is not None and (job.status, job.entity_uid) == (Status.WAITING, contacts.uid)

    services.jobs.finish(
        finished(job, Status.CANCELED, Counts(0), services.clock.now(), services.jobs.retention), Status.WAITING
    )
    mark = services.entities.mark(contacts, services.clock.now())
    clock.on_sleep = lambda seconds: services.entities.delete(contacts, mark)
    event = builders.created_event(services, "drop/contacts/a.csv", etag)
    job = start_drop(services, event["detail"])
    assert job is not None and (job.status, job.error_code) == (Status.FAILED, "unknown-entity")


def test_each_minute_erases(services: Services, contacts: Entity, monkeypatch: pytest.MonkeyPatch) -> None:
    put_records(services, contacts, 3)
    delete_entity(services, contacts)
    module = load_function("schedule")
    monkeypatch.setattr(module, "services", lambda: services)
    context = type("Context", (), dict.fromkeys(CONTEXT, "x"))()
    assert module.handler({}, context)["erased"] == 3
    assert records_left(services) == 0
