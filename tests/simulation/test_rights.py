"""Each role may do what its function does, and nothing else: the calls of simulated operations, compared with the
policies of `template.yaml` in both directions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from infra.local.package import load_template
from tests.simulation.cells import SCENES, Scene, Stage, calm
from tests.simulation.faults import LogEntry
from tests.simulation.people import History
from tests.simulation.world import ADMIN

RESOURCES = load_template()["Resources"]
FUNCTIONS = {
    "api": "ApiFunction",
    "start_import": "StartImportFunction",
    "import_steps": "ImportStepsFunction",
    "export_steps": "ExportStepsFunction",
    "source_steps": "SourceStepsFunction",
    "schedule": "ScheduleFunction",
    "webhooks": "WebhooksFunction",
}
PLACES = {
    "jobs": "JobsTable",
    "records": "RecordsTable",
    "catalog": "CatalogTable",
    "drop-bucket": "DropBucket",
    "files-bucket": "FilesBucket",
    "transfer-bucket": "TransferBucket",
}
#: Requests whose right has another name, with the Service Authorization Reference as the source.
S3_RIGHTS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObjects": "DeleteObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
OTHER_RIGHTS = {
    "stepfunctions": "states",
    "events": "events",
    "lambda": "lambda",
    "sesv2": "ses",
    "secretsmanager": "secretsmanager",
    "cognito-idp": "cognito-idp",
}


class Right(NamedTuple):
    """
    Attributes:
        place: a table, an index, a bucket or `bucket/folder` by logical name; empty for other services.
    """

    action: str
    place: str = ""


#: Rights that no operation below uses, with what does.
RARE = {
    ("ApiFunction", Right("s3:AbortMultipartUpload", "FilesBucket/jobs")): "the deletion of a job whose step has died",
    ("ApiFunction", Right("s3:ListBucket", "DropBucket")): "S3 says of a missing object that it is missing",
    ("ApiFunction", Right("cognito-idp:ListGroups", "")): "a list of the groups that an entity may name",
    ("StartImportFunction", Right("s3:ListBucket", "DropBucket")): "as above",
    ("ImportStepsFunction", Right("s3:ListBucket", "DropBucket")): "as above",
    ("ImportStepsFunction", Right("s3:AbortMultipartUpload", "FilesBucket/jobs")): "a result file of over 5 MB",
    ("ExportStepsFunction", Right("s3:AbortMultipartUpload", "FilesBucket/jobs")): "a file of over 5 MB",
    ("ExportStepsFunction", Right("s3:AbortMultipartUpload", "TransferBucket/*")): "a delivery of over 5 GiB",
    ("ExportStepsFunction", Right("dynamodb:UpdateItem", "CatalogTable")): "counts an export of an earlier version",
    ("SourceStepsFunction", Right("s3:AbortMultipartUpload", "FilesBucket/uploads")): "a large file that has changed",
    ("SourceStepsFunction", Right("s3:AbortMultipartUpload", "TransferBucket/*")): "a move of a large file that failed",
    ("SourceStepsFunction", Right("s3:ListBucket", "FilesBucket")): "S3 says of a missing object that it is missing",
    ("SourceStepsFunction", Right("s3:PutObject", "FilesBucket/jobs")): "the error log of a file that is too large",
    ("ScheduleFunction", Right("s3:DeleteObject", "FilesBucket/uploads")): "deletes an uploaded file that has expired",
    ("ScheduleFunction", Right("s3:AbortMultipartUpload", "FilesBucket/uploads")): "parts of an upload that expired",
    ("ScheduleFunction", Right("dynamodb:UpdateItem", "CatalogTable")): "postpones an export that cannot run",
    ("ScheduleFunction", Right("dynamodb:BatchGetItem", "RecordsTable")): "ends a job that died too often",
    ("ScheduleFunction", Right("s3:GetObject", "FilesBucket/jobs")): "as above, for the job's plan",
    ("ScheduleFunction", Right("s3:GetObject", "FilesBucket/uploads")): "as above, for the rows that were not loaded",
    ("ScheduleFunction", Right("s3:PutObject", "FilesBucket/jobs")): "as above, for its result files",
    ("WebhooksFunction", Right("sqs:SendMessage", "")): "Lambda does, with a minute that found no slot",
    ("ScheduleFunction", Right("s3:AbortMultipartUpload", "FilesBucket/jobs")): "as above, if they are over 5 MB",
}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def place_of(resource: Any) -> str:
    """`JobsTable`, `JobsTable/index/newest`, `FilesBucket/jobs`; empty for what is no table and no bucket."""
    if "Fn::GetAtt" in resource:
        name = str(resource["Fn::GetAtt"][0])
        return name if name in PLACES.values() else ""
    found = re.fullmatch(r"\$\{(\w+)\.Arn\}/(.+)", str(resource.get("Fn::Sub", "")))
    return f"{found[1]}/{found[2].removesuffix('/*')}" if found and found[1] in PLACES.values() else ""


def rights_in(statements: list[dict[str, Any]]) -> Iterator[Right]:
    for statement in statements:
        for resource in listed(statement["Resource"]):
            yield from (Right(action, place_of(resource)) for action in listed(statement["Action"]))


@cache
def own_rights(function: str) -> frozenset[Right]:
    """What the function's own policy allows."""
    properties = RESOURCES[function]["Properties"]
    if "Role" in properties:
        properties = RESOURCES[f"{function}Role"]["Properties"]
    (policy,) = (policy for policy in properties["Policies"] if "Fn::If" not in policy)
    return frozenset(rights_in(policy.get("PolicyDocument", policy)["Statement"]))


def all_rights(function: str) -> set[Right]:
    """With the policies that several functions share."""
    shared = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::IAM::Policy"]
    statements = [
        statement
        for policy in shared
        if {"Ref": f"{function}Role"} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Sid"] == "Reports"  # the others are for tables and buckets of parameters
    ]
    return {*own_rights(function), *rights_in(statements)}


def needed(entry: LogEntry) -> Iterator[Right]:
    """The rights that a call needs."""
    if entry.service == "dynamodb":
        yield from tables_needed(entry.operation, entry.detail)
    elif entry.service == "s3":
        bucket, _, key = entry.detail.partition("/")
        right, folder = S3_RIGHTS.get(entry.operation, entry.operation), key.partition("/")[0]
        if right.startswith("ListBucket"):
            yield Right(f"s3:{right}", PLACES[bucket])
        else:
            yield Right(f"s3:{right}", f"{PLACES[bucket]}/{'*' if bucket == 'transfer-bucket' else folder}")
    elif entry.service in OTHER_RIGHTS:
        operation = "InvokeFunction" if entry.operation == "Invoke" else entry.operation
        yield Right(f"{OTHER_RIGHTS[entry.service]}:{operation}")


def tables_needed(operation: str, request: Any) -> Iterator[Right]:
    if operation == "TransactWriteItems":
        for action in request["TransactItems"]:
            ((kind, body),) = action.items()
            right = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
            yield Right(f"dynamodb:{right}", PLACES[body["TableName"]])
    elif "RequestItems" in request:
        yield from (Right(f"dynamodb:{operation}", PLACES[table]) for table in request["RequestItems"])
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield Right(f"dynamodb:{operation}", PLACES[request["TableName"]] + index)


def read_everything(stage: Stage) -> None:
    """What screens show."""
    stage.imported()
    for path in ("/entities", "/entities/contacts", "/entities/contacts/records", "/jobs", "/exports", "/me"):
        assert stage.world.ask("GET", f"/v1{path}", caller=ADMIN).status == 200
    entity = stage.world.ask("GET", "/v1/entities/contacts", caller=ADMIN).body
    changed = {"schema": entity["schema"], "permissions": entity["permissions"]}
    assert stage.world.ask("PUT", "/v1/entities/contacts", changed, caller=ADMIN).status == 200


def name_records_of_another_entity(stage: Stage) -> None:
    """A preview and an import of rows that name the records of the entity before."""
    stage.imported()
    world = stage.world
    keys = [{"fields": "note", "reference": {"resource": "contacts", "fields": "id"}}]
    schema = {"fields": [{"name": "id"}, {"name": "note"}], "primaryKey": "id", "foreignKeys": keys}
    assert world.ask("PUT", "/v1/entities/cities", {"schema": schema}, caller=ADMIN).status == 201
    upload = world.ask("POST", "/v1/uploads", {"entity": "cities", "fileName": "c.csv"}, caller=ADMIN).body
    world.aws.put(world.settings.files_bucket, upload["fields"]["key"], b"id,note\n1,k1\n")
    path = f"/v1/uploads/{upload['uploadId']}/preview"
    seen = world.ask("POST", path, {}, caller=ADMIN).body["rows"]
    assert [row["errors"] for row in seen] == [[]]
    world.drop("cities", "c.csv", b"id,note\n1,k1\n")
    stage.rest()
    assert stage.jobs()[-1].counts.imported == 1


def imported_upload(stage: Stage) -> None:
    SCENES["upload"].act(stage)
    stage.rest()


def delete_job(stage: Stage) -> None:
    stage.ask("DELETE", f"/v1/jobs/{stage.jobs()[0].job_id}")


MORE = (
    Scene("read everything", read_everything),
    Scene("name records of another entity", name_records_of_another_entity),
    Scene("delete an uploaded import", delete_job, imported_upload),
    Scene("drop for no entity", lambda stage: stage.world.drop("nobody", "a.csv", b"a\n1\n")),
)


@pytest.fixture(scope="module")
def calls() -> dict[str, dict[Right, str]]:
    """Function → each right that it needed, with a call that did: of every scene and of some troubled histories."""
    logs = [entry for scene in (*SCENES.values(), *MORE) for entry in calm(scene).world.log]
    for seed in range(20):
        history = History(seed)
        history.run()
        logs += history.world.log
    found: dict[str, dict[Right, str]] = defaultdict(dict)
    for entry in logs:
        function = FUNCTIONS.get(re.split("[/#]", entry.invocation)[0])
        if function is not None:
            found[function].update({right: str(entry) for right in needed(entry)})
    return found


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_a_function_may_do_what_it_does(function: str, calls: dict[str, dict[Right, str]]) -> None:
    allowed = all_rights(function)
    assert {right: call for right, call in calls[function].items() if right not in allowed} == {}
    assert len(calls[function]) > 5


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_a_function_may_do_nothing_that_it_does_not(function: str, calls: dict[str, dict[Right, str]]) -> None:
    rare = {right for name, right in RARE if name == function}
    assert sorted(own_rights(function) - calls[function].keys() - rare) == []
    assert rare <= own_rights(function), "a reason for a right that it does not have"


#: What functions do on target tables, and not on Waybill's own table of records.
ON_TARGETS_ONLY = {
    "ApiFunction": {"dynamodb:Scan": "a page of records", "dynamodb:DescribeTable": "an entity is saved"},
    "ImportStepsFunction": {"dynamodb:DeleteItem": "mode delete; own records leave a tombstone"},
    "ExportStepsFunction": {"dynamodb:Scan": "an export's pages"},
    "ScheduleFunction": {},
}


def shared_actions(function: str, prefix: str) -> set[str]:
    """What the shared policies whose names begin like this allow a function."""
    return {
        action
        for name, resource in RESOURCES.items()
        if name.startswith(prefix) and {"Ref": f"{function}Role"} in resource["Properties"]["Roles"]
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_a_function_may_do_on_target_tables_what_it_does_on_its_own(function: str) -> None:
    """The simulator has no target tables: what it does on the table of records, compared above, is the measure."""
    own = {right.action for right in own_rights(function) if right.place == "RecordsTable"}
    assert shared_actions(function, "TargetTables") - own == set(ON_TARGETS_ONLY.get(function, {}))


@pytest.mark.parametrize("function", ["ExportStepsFunction", "TestDestinationFunction"])
def test_a_function_may_do_in_destination_buckets_what_it_does_in_the_transfer_box(function: str) -> None:
    own = {right.action for right in own_rights(function) if right.place.startswith("TransferBucket")}
    assert shared_actions(function, "DestinationBuckets") == own


def test_sources_may_do_in_other_buckets_what_they_do_in_the_transfer_box() -> None:
    own = {right.action for right in own_rights("SourceStepsFunction") if right.place.startswith("TransferBucket")}
    assert shared_actions("SourceStepsFunction", "SourceBuckets") == own


def test_no_function_has_rights_on_buckets_and_tables_that_are_not_its_own_except_these() -> None:
    for function in (*FUNCTIONS.values(), "TestDestinationFunction"):
        assert bool(shared_actions(function, "TargetTables")) == (function in ON_TARGETS_ONLY), function
        delivers = function in {"ExportStepsFunction", "TestDestinationFunction"}
        assert bool(shared_actions(function, "DestinationBuckets")) == delivers, function
