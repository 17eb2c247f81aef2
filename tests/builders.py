"""One way to make each thing that tests need."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml

from waybill.bootstrap import Services
from waybill.clock import SYSTEM_CLOCK, HasTime
from waybill.entities.model import Entity
from waybill.exports.compression import Compression
from waybill.exports.definition import PERIODIC, Definition, Export, ExportStatus, Owner
from waybill.exports.rules import default_file_name
from waybill.ids import new_uuid
from waybill.jobs.caller_groups import CallerGroups
from waybill.schedule import check_schedule
from waybill.settings import Settings
from waybill.sources.definition import Definition as SourceDefinition
from waybill.sources.definition import Source, SourceStatus

ROOT = Path(__file__).parent.parent
START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

CONTACTS_SCHEMA = {
    "fields": [
        {"name": "contact_id", "type": "string", "constraints": {"required": True, "maxLength": 40}},
        {"name": "email", "type": "string", "format": "email"},
        {"name": "spend", "type": "number", "constraints": {"minimum": 0}},
        {"name": "joined", "type": "date"},
        {"name": "vip", "type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]},
    ],
    "primaryKey": ["contact_id"],
    "missingValues": ["", "NA"],
}


ALICE = Owner("a", "alice")


class Clock:
    """A clock whose time of day is frozen until a test moves it; deadlines run in real time, unless it `is_still`.

    `on_sleep` takes the place of waiting.
    """

    is_still = False

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment
        self.on_sleep: Callable[[float], object] = SYSTEM_CLOCK.sleep
        self._ahead = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self._ahead if self.is_still else SYSTEM_CLOCK.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        self.on_sleep(seconds)

    def forward(self, **delta: float) -> None:
        """Let time pass: it is later, and deadlines are nearer."""
        self.moment += timedelta(**delta)
        self._ahead += timedelta(**delta).total_seconds()


def time_for(entries: int) -> HasTime:
    """There is time for so many entries of a duty, and then no more."""
    left = iter([True] * entries)
    return lambda: next(left, False)


class TrustingGroups(CallerGroups):
    """Callers who have made no request are admins: most tests start jobs without the API."""

    def groups(self, subject: str) -> frozenset[str]:
        return super().groups(subject) or frozenset({"admin"})


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as their arguments."""


def _argument(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_TemplateLoader.add_multi_constructor("!", _argument)


@cache
def template() -> dict[str, Any]:
    """template.yaml, its intrinsic functions reduced to their arguments."""
    document: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _TemplateLoader)
    return document


def settings(endpoint_url: str | None, **changes: Any) -> Settings:
    """Settings with the template's defaults and short names."""
    defaults = Settings(
        jobs_table="jobs",
        records_table="records",
        catalog_table="catalog",
        drop_bucket="drop-bucket",
        files_bucket="files-bucket",
        transfer_bucket="transfer-bucket",
        import_state_machine="arn:aws:states:us-east-1:123456789012:stateMachine:waybill-import",
        export_state_machine="arn:aws:states:us-east-1:123456789012:stateMachine:waybill-export",
        source_state_machine="arn:aws:states:us-east-1:123456789012:stateMachine:waybill-source",
        test_destination_function="waybill-test-destination",
        oidc_issuer="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_test",
        oidc_audience="test-client",
        oidc_client_id="test-client",
        oidc_scope="openid profile email",
        oidc_resource="",
        user_pool_id="",
        password_sign_in="off",
        machine_clients="",
        owner_groups_max_age_days=30,
        aws_region="us-east-1",
        account_id="123456789012",
        foreign_buckets="{}",
        import_retention_seconds=259_200,
        import_minimum_seconds=3_600,
        export_retention_seconds=172_800,
        files_retention_seconds=172_800,
        audit_retention_days=400,
        chunk_bytes=32 * 1024 * 1024,
        max_upload_bytes=5 * 1024**3,
        max_parts_upload_bytes=500 * 1024**3,
        write_connections=4,
        workers_per_job=4,
        allowed_forwarded_hosts="",
        target_tables="",
        allowed_private_hosts="",
        mail_sender="",
        recipient_domains="",
        mails_per_day=1_000,
        webhooks_per_day=10_000,
        console_url="",
        aws_endpoint_url=endpoint_url,
    )
    return replace(defaults, **changes)


@cache
def _client(service: str, endpoint_url: str, region: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint_url, region_name=region)


def create_tables(endpoint_url: str, wanted: Settings) -> None:
    """The tables of template.yaml, under the names of the settings."""
    resources = template()["Resources"]
    dynamodb = _client("dynamodb", endpoint_url, wanted.aws_region)
    names = {"JobsTable": wanted.jobs_table, "RecordsTable": wanted.records_table, "CatalogTable": wanted.catalog_table}
    for logical_id, name in names.items():
        properties = resources[logical_id]["Properties"]
        kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        created = dynamodb.create_table(TableName=name, **{key: properties[key] for key in kept if key in properties})
        if created["TableDescription"]["TableStatus"] != "ACTIVE":  # moto's tables are at once
            dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def create_resources(endpoint_url: str, wanted: Settings) -> None:
    """The tables of template.yaml, the buckets and state machines, under the names of the settings."""
    create_tables(endpoint_url, wanted)
    s3 = _client("s3", endpoint_url, wanted.aws_region)
    for bucket in (wanted.drop_bucket, wanted.files_bucket, wanted.transfer_bucket):
        s3.create_bucket(Bucket=bucket)
    states = _client("stepfunctions", endpoint_url, wanted.aws_region)
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    for arn in (wanted.import_state_machine, wanted.export_state_machine, wanted.source_state_machine):
        states.create_state_machine(
            name=arn.rpartition(":")[2], definition=definition, roleArn="arn:aws:iam::123456789012:role/states"
        )


def entity(name: str = "contacts", **changes: Any) -> Entity:
    """The contract's contacts, or what `changes` make of them."""
    values: dict[str, Any] = {"uid": f"uid-{name}", "name": name, "title": name.title(), "schema": CONTACTS_SCHEMA}
    return Entity(**{**values, **changes})


def contacts_csv(rows: Iterable[Mapping[str, str]] = (), *, count: int = 0) -> bytes:
    """A contacts file: `count` good rows, then `rows`, whose missing cells are filled with good ones."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [field["name"] for field in CONTACTS_SCHEMA["fields"]], lineterminator="\n")  # type: ignore[attr-defined]
    writer.writeheader()
    good = ({"contact_id": f"c{number:06d}", **_GOOD} for number in range(count))
    writer.writerows(itertools.chain(good, ({**_GOOD, **row} for row in rows)))
    return out.getvalue().encode()


_GOOD = {"email": "a@example.com", "spend": "7.50", "joined": "2026-01-31", "vip": "yes"}

_sequence = itertools.count(1)


def created_event(services: Services, key: str, etag: str, sequencer: str | None = None) -> dict[str, Any]:
    """EventBridge's *Object Created* event (AWS, Amazon S3 User Guide, "EventBridge event message structure")."""
    return {
        "version": "0",
        "id": "2d4eba74-fd51-3966-4bfa-b013c9da8ff1",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-01-31T09:30:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{services.settings.drop_bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": services.settings.drop_bucket},
            "object": {
                "key": key,
                "size": 1,
                "etag": etag,
                "sequencer": sequencer or f"00000000{next(_sequence):08X}",
            },
            "request-id": "C3D13FE58DE4C810",
            "requester": "123456789012",
            "source-ip-address": "192.0.2.1",
            "reason": "PutObject",
        },
    }


def export_definition(**members: Any) -> Definition:
    """An export of contacts with the API's defaults; `members` are those of its JSON."""
    defaults: dict[str, Any] = {
        "name": "out",
        "entity": "contacts",
        "type": "ONE_SHOT",
        "fields": None,
        "filter": [],
        "format": "csv",
        "dialect": {},
        "compression": "none",
        "schedule": None,
        "destination": {"kind": "download"},
        "recipients": [],
        "escapeFormulas": True,
        "includeDeleted": False,
    }
    given = defaults | members
    given["schedule"] = check_schedule(given["schedule"], given["type"] in PERIODIC, [])
    form, compression = given["format"], Compression(given["compression"])
    given.setdefault("fileName", default_file_name(given["entity"], form, compression))
    return Definition.from_document(given)


def scheduled_export(services: Services, uid: str = "uid-contacts", **members: Any) -> Export:
    """A full export of contacts that runs each day at 02:30, or what `members` make of it, as a stored export."""
    daily = {"type": "PERIODIC_FULL", "schedule": {"time": "02:30", "timezone": "UTC"}, "destination": {"kind": "s3"}}
    now = services.clock.now()
    definition = export_definition(**daily | members)
    export = Export(new_uuid(), definition, uid, ExportStatus.DRAFT, now, "alice", "a", "series")
    services.exports.add(export)
    return services.exports.schedule(export.export_id, now)


def source_definition(**members: Any) -> SourceDefinition:
    """A source of contacts with the API's defaults, that runs each hour; `members` are those of its JSON."""
    defaults: dict[str, Any] = {
        "name": "Partner contacts",
        "entity": "contacts",
        "location": {"kind": "s3", "prefix": "out"},
        "pattern": "*.csv",
        "schedule": {"every": "PT1H", "timezone": "UTC"},
        "after": "leave",
        "moveTo": None,
        "order": "name",
        "options": {},
        "recipients": [],
    }
    given = defaults | members
    given["schedule"] = check_schedule(given["schedule"], True, [])
    return SourceDefinition.from_document(given)


def scheduled_source(services: Services, owner: Owner = ALICE, **members: Any) -> Source:
    """A source of contacts, stored and activated."""
    source = draft_source(services, **members)
    return services.sources.schedule(source.source_id, services.clock.now(), owner)


def draft_source(services: Services, **members: Any) -> Source:
    now = services.clock.now()
    entity_uid = services.entities.get(members.get("entity", "contacts")).uid
    definition = source_definition(**members)
    source = Source(new_uuid(), definition, entity_uid, SourceStatus.DRAFT, now, "alice", "a")
    return services.sources.add(source)
