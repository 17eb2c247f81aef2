"""Whoever lost a right has lost it for what they set up before: schedules, waiting imports, relaunches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from tests import builders
from tests.api_builders import ADMIN, ALICE, EXPORT, OPS, Api, load_function
from tests.importing import records, run, start
from waybill.bootstrap import Services
from waybill.entities.model import Right
from waybill.entities.permissions import Caller
from waybill.errors import Conflict
from waybill.exports.definition import Export, ExportStatus
from waybill.exports.run import activate, relaunch_export, run_now, tick
from waybill.ids import new_uuid
from waybill.imports.options import ImportOptions
from waybill.imports.plan import plan_import
from waybill.imports.register import new_import, register
from waybill.imports.relaunch import relaunch_import
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.model import Job, Status

PERIODIC = {"type": "PERIODIC_FULL", "schedule": {"time": "02:30", "timezone": "UTC"}, "destination": {"kind": "s3"}}
PERMISSIONS = {Right.EXPORT: ("ops",), Right.IMPORT: ("ops",)}


class Pool:
    """A user pool with the groups ops and admin."""

    def __init__(self, url: str) -> None:
        self.cognito = boto3.client("cognito-idp", endpoint_url=url, region_name="us-east-1")
        self.id = self.cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
        for group in ("ops", "admin"):
            self.cognito.create_group(UserPoolId=self.id, GroupName=group)

    def add(self, name: str, *groups: str) -> tuple[str, str]:
        """A new user: their name and the subject of their tokens."""
        user = self.cognito.admin_create_user(UserPoolId=self.id, Username=name)["User"]
        for group in groups:
            self.cognito.admin_add_user_to_group(UserPoolId=self.id, Username=name, GroupName=group)
        return name, {each["Name"]: each["Value"] for each in user["Attributes"]}["sub"]

    def take_group(self, name: str) -> None:
        self.cognito.admin_remove_user_from_group(UserPoolId=self.id, Username=name, GroupName="ops")

    def disable(self, name: str) -> None:
        self.cognito.admin_disable_user(UserPoolId=self.id, Username=name)

    def delete(self, name: str) -> None:
        self.cognito.admin_delete_user(UserPoolId=self.id, Username=name)

    def replace(self, name: str) -> None:
        """Somebody else of this name is employed."""
        self.delete(name)
        self.add(name, "ops")


LOSSES: list[Callable[[Pool, str], None]] = [Pool.take_group, Pool.disable, Pool.delete, Pool.replace]


@pytest.fixture
def pool(services: Services) -> Pool:
    return Pool(str(services.settings.aws_endpoint_url))


@pytest.fixture
def pooled(services: Services, pool: Pool, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Services of a stack whose tokens come from the pool, with an entity that the group ops imports and exports."""
    pooled = Services(replace(services.settings, user_pool_id=pool.id), clock)
    pooled.dynamodb = services.dynamodb
    pooled.entities.put(builders.entity(permissions=PERMISSIONS))
    return pooled


class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 128, "arn", "id"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def step(pooled: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], dict[str, Any]]:
    """One invocation of the step that begins a run; it also delivers."""
    module = load_function("export_steps")
    monkeypatch.setattr(module, "services", lambda: pooled)
    return lambda job: module.handler({"step": "extract", "jobId": job.job_id}, Context())


def draft(services: Services, **members: Any) -> Export:
    entity = services.entities.get("contacts")
    now = services.clock.now()
    definition = builders.export_definition(**members)
    export = Export(new_uuid(), definition, entity.uid, ExportStatus.DRAFT, now, "alice", "a", "series")
    services.exports.add(export)
    return export


def run_of(services: Services, export: Export) -> Job:
    return services.jobs.get(str(services.exports.get(export.export_id).job_id))


def delivered(services: Services, s3: Any) -> int:
    return int(s3.list_objects_v2(Bucket=services.settings.transfer_bucket)["KeyCount"])


# Exports


@pytest.mark.parametrize("lose", LOSSES)
def test_a_schedule_stops_when_its_owner_may_no_longer_export(
    pooled: Services, pool: Pool, step: Any, s3: Any, clock: builders.Clock, lose: Callable[[Pool, str], None]
) -> None:
    members = PERIODIC | {"type": "INCREMENTAL"}
    export = activate(pooled, draft(pooled, **members), *pool.add("alice", "ops"))
    for days, files in ((1, 2), (2, 2)):  # a file and its manifest, then nothing
        clock.forward(days=1)
        assert tick(pooled) == 1
        step(run_of(pooled, export))
        assert delivered(pooled, s3) == files
        if days == 1:
            window_end = pooled.exports.get(export.export_id).window_end
            lose(pool, "alice")
    failed, paused = run_of(pooled, export), pooled.exports.get(export.export_id)
    assert (failed.status, failed.error_code) == (Status.FAILED, "no-permission")
    assert "alice activated this export" in str(failed.error_message)
    assert (paused.status, paused.message) == (ExportStatus.DRAFT, f"Paused. {failed.error_message}")
    clock.forward(days=1)
    assert tick(pooled) == 0
    # Somebody who may activates it, and it goes on where it ended.
    assert paused.window_end == window_end is not None
    activate(pooled, paused, *pool.add("oscar", "ops"))
    clock.forward(days=1)
    assert tick(pooled) == 1
    step(run_of(pooled, export))
    resumed = run_of(pooled, export)
    assert (resumed.status, resumed.window_from) == (Status.COMPLETED, window_end)


def test_an_export_pauses_when_the_entity_forbids_it(pooled: Services, pool: Pool, step: Any) -> None:
    export = activate(pooled, draft(pooled, **PERIODIC), *pool.add("alice", "ops"))
    job = run_now(pooled, export, "alice", "alice-id")
    entity = pooled.entities.get("contacts")
    pooled.entities.put(replace(entity, permissions={Right.EXPORT: ("sales",)}))
    step(job)
    assert run_of(pooled, export).error_code == "no-permission"
    activate(pooled, pooled.exports.get(export.export_id), *pool.add("root", "admin"))
    step(run_now(pooled, pooled.exports.get(export.export_id), "root", "root-id"))
    assert run_of(pooled, export).status is Status.COMPLETED


def test_a_run_acts_for_the_owner_whoever_starts_it(pooled: Services, pool: Pool, step: Any) -> None:
    export = activate(pooled, draft(pooled, **PERIODIC), *pool.add("alice", "ops"))
    pool.take_group("alice")
    oscar = pool.add("oscar", "ops")
    step(run_now(pooled, export, *oscar))
    failed = run_of(pooled, export)
    assert failed.error_code == "no-permission"
    with pytest.raises(Conflict, match="Activate the export first"):
        relaunch_export(pooled, failed, *oscar)
    activate(pooled, pooled.exports.get(export.export_id), *oscar)
    step(relaunch_export(pooled, failed, *oscar))
    assert run_of(pooled, export).status is Status.COMPLETED


def test_whoever_relaunches_the_run_of_a_one_shot_is_its_owner(pooled: Services, pool: Pool, step: Any) -> None:
    export = activate(pooled, draft(pooled), *pool.add("alice", "ops"))
    pool.take_group("alice")
    step(run_of(pooled, export))
    failed = run_of(pooled, export)
    assert failed.error_code == "no-permission"
    assert pooled.exports.get(export.export_id).status is ExportStatus.FINISHED
    step(relaunch_export(pooled, failed, *pool.add("oscar", "ops")))
    assert run_of(pooled, export).status is Status.COMPLETED


def test_an_export_of_an_earlier_version_acts_for_its_creator(pooled: Services, pool: Pool, step: Any) -> None:
    name, subject = pool.add("alice", "ops")
    export = replace(draft(pooled, **PERIODIC), export_id=new_uuid(), created_by=name, created_by_id=subject)
    pooled.exports.add(export)
    pooled.exports.schedule(export.export_id, pooled.clock.now())
    for expected in (Status.COMPLETED, Status.FAILED):
        step(run_now(pooled, pooled.exports.get(export.export_id), "oscar", "oscar-id"))
        assert run_of(pooled, export).status is expected
        pool.take_group(name)


def test_a_pool_that_does_not_answer_refuses_nobody(
    pooled: Services, pool: Pool, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = activate(pooled, draft(pooled, **PERIODIC), *pool.add("alice", "ops"))
    job = run_now(pooled, export, "alice", "alice-id")
    with monkeypatch.context() as outage:

        def fail(*_: Any) -> frozenset[str]:
            raise EndpointConnectionError(endpoint_url="https://cognito.test")

        outage.setattr(pooled.user_pool, "groups", fail)
        for _ in range(9):
            with pytest.raises(EndpointConnectionError):
                step(job)
    step(job)
    assert run_of(pooled, export).status is Status.COMPLETED


def test_the_export_of_a_machine_client_needs_what_the_parameter_gives_it(
    pooled: Services, pool: Pool, step: Any, s3: Any
) -> None:
    export = activate(pooled, draft(pooled, **PERIODIC), "client:nightly", "client:nightly")
    pool.add("client:nightly", "ops")  # a person of that name changes nothing
    for clients, expected in (('{"nightly": ["ops"]}', Status.COMPLETED), ('{"nightly": []}', Status.FAILED)):
        pooled.settings = replace(pooled.settings, machine_clients=clients)
        step(run_now(pooled, pooled.exports.get(export.export_id), "oscar", "oscar-id"))
        assert run_of(pooled, export).status is expected
    assert run_of(pooled, export).error_code == "no-permission"
    activate(pooled, pooled.exports.get(export.export_id), "client:nightly", "client:nightly")
    pooled.settings = replace(pooled.settings, machine_clients="{}")
    step(run_now(pooled, pooled.exports.get(export.export_id), "oscar", "oscar-id"))
    assert run_of(pooled, export).error_code == "no-permission"


def test_a_user_may_be_in_many_groups(pooled: Services, pool: Pool) -> None:
    many = [f"group-{number:02}" for number in range(70)]
    for group in many:
        pool.cognito.create_group(UserPoolId=pool.id, GroupName=group)
    name, subject = pool.add("alice", *many)
    assert pooled.user_pool.groups(subject, name) == set(many)


# Imports


def waiting_import(services: Services, name: str, subject: str, data: bytes) -> Job:
    bucket, key = services.settings.files_bucket, f"uploads/{new_uuid()}/source"
    services.files.put(bucket, key, data)
    info = services.files.head(bucket, key)
    assert info is not None
    source = ObjectVersion(bucket, key, info.etag)
    job = new_import(services, new_uuid(), "contacts", "a.csv", source, name, subject)
    return register(services, job, services.entities.get("contacts"), ImportOptions(), None)


@pytest.mark.parametrize("lose", LOSSES)
def test_a_waiting_import_is_refused_once_its_starter_has_lost_the_right(
    pooled: Services, pool: Pool, s3: Any, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Pool, str], None]
) -> None:
    job = waiting_import(pooled, *pool.add("alice", "ops"), builders.contacts_csv(count=3))
    dropped = start(pooled, s3, builders.contacts_csv(count=5))
    lose(pool, "alice")
    with monkeypatch.context() as unread:
        unread.setattr(pooled.files, "open", lambda *_, **__: pytest.fail("the file was read"))
        assert plan_import(pooled, job.job_id)["outcome"] == "failed"
    failed = pooled.jobs.get(job.job_id)
    assert (failed.status, failed.error_code, failed.counts.total) == (Status.FAILED, "no-permission", 0)
    assert not records(pooled)
    assert run(pooled, dropped).counts.imported == 5, "a dropped file acts for nobody, and its turn has come"
    child = relaunch_import(pooled, failed, *pool.add("oscar", "ops"))
    assert run(pooled, child).counts.imported == 3


def test_a_relaunch_is_refused_once_its_starter_has_lost_the_right(pooled: Services, pool: Pool, s3: Any) -> None:
    parent = run(pooled, start(pooled, s3, builders.contacts_csv([{"contact_id": "x", "spend": "none"}], count=1)))
    child = relaunch_import(pooled, parent, *pool.add("alice", "ops"))
    pool.take_group("alice")
    assert plan_import(pooled, child.job_id)["outcome"] == "failed"
    assert pooled.jobs.get(child.job_id).error_code == "no-permission"


def test_an_import_that_has_begun_goes_on(pooled: Services, pool: Pool) -> None:
    job = waiting_import(pooled, *pool.add("alice", "ops"), builders.contacts_csv(count=3))
    assert plan_import(pooled, job.job_id)["outcome"] == "planned"
    pool.take_group("alice")
    assert run(pooled, job).counts.imported == 3


# Outside issuers


def test_the_groups_of_an_outside_issuer_are_those_of_the_last_request(
    api: Api, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_function("export_steps")
    monkeypatch.setattr(module, "services", lambda: api.services)
    api.put_contacts()
    created = api("POST", "/exports", body=EXPORT | PERIODIC)
    path = f"/exports/{created.json['exportId']}"
    assert api("POST", f"{path}/activate").json["owner"] == ALICE["name"]

    def run_it(who: dict[str, Any]) -> dict[str, Any]:
        job_id = api("POST", f"{path}/run", who).json["jobId"]
        module.handler({"step": "extract", "jobId": job_id}, Context())
        report: dict[str, Any] = api("GET", f"/jobs/{job_id}/report", who).json
        return report

    assert run_it(OPS)["status"] == "COMPLETED"
    clock.forward(days=30)
    assert run_it(OPS)["status"] == "COMPLETED"
    clock.forward(days=1)
    refused = run_it(OPS)
    assert (refused["error"]["code"], refused["relaunchable"]) == ("no-permission", False)
    assert api("GET", path, OPS).json["allowedActions"] == ["edit", "delete", "copy", "activate"]
    assert api("POST", f"{path}/activate", OPS).json["owner"] == OPS["name"]
    assert api("GET", f"/jobs/{refused['jobId']}/report", OPS).json["relaunchable"]
    api("GET", "/me", OPS | {"groups": ()})  # their groups were taken away
    assert run_it(ALICE)["error"]["code"] == "no-permission"
    assert api("GET", path).json["message"].startswith("Paused. oscar activated this export")


def test_groups_are_written_once_a_day_or_when_they_change(
    api: Api, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts: list[Any] = []
    put = api.services.jobs_table.put
    monkeypatch.setattr(api.services.jobs_table, "put", lambda item, *rest: (puts.append(item), put(item, *rest)))
    for who, written in ((ALICE, 1), (ALICE, 1), (ADMIN, 2), (ALICE, 2), (ALICE | {"groups": ()}, 3)):
        assert api("GET", "/me", who).status == 200
        assert len(puts) == written
    clock.forward(days=1)
    api("GET", "/me", ALICE | {"groups": ()})
    assert len(puts) == 4
    kept = timedelta(days=api.services.settings.owner_groups_max_age_days)
    expires = puts[-1]["expiresAt"] - clock.now().timestamp()
    assert kept.total_seconds() <= expires <= (kept + timedelta(days=1)).total_seconds()


def test_whoever_made_no_request_has_no_groups(services: Services) -> None:
    groups = Services(services.settings, services.clock).caller_groups
    assert groups.groups("alice-subject") == frozenset()
    groups.note(Caller("alice-subject", "alice", frozenset({"ops"})))
    assert groups.groups("alice-subject") == {"ops"}


def test_permissions_can_name_the_groups_of_the_pool_and_of_programs(services: Services, pool: Pool) -> None:
    for number in range(65):  # more than a page
        pool.cognito.create_group(UserPoolId=pool.id, GroupName=f"g{number}")
    names = {"ops", "admin", *(f"g{number}" for number in range(65))}
    assert Services(replace(services.settings, user_pool_id=pool.id), services.clock).user_pool.all_groups() == names


def test_groups_of_an_outside_issuer_are_its_own(api: Api) -> None:
    assert api("GET", "/groups", ADMIN).json == {"names": [], "isComplete": False}
    assert api("GET", "/groups", ALICE).status == 403
