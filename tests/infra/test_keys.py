"""A key of one's own (parameter `KmsKeyArn`) encrypts everything that is stored; each role may use it as needed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from infra.local.package import load_template

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
KEY = {"Ref": "KmsKeyArn"}
NO_VALUE = {"Ref": "AWS::NoValue"}
CRYPT = {"kms:Decrypt", "kms:GenerateDataKey"}
# role → service → what it does with the key there
OF_DATA = {"s3": CRYPT, "dynamodb": {"kms:Decrypt"}}
ROLES: dict[str, dict[str, set[str]]] = {
    "ApiFunctionRole": OF_DATA,
    "StartImportFunctionRole": OF_DATA | {"sqs": CRYPT},
    "ImportStepsFunctionRole": OF_DATA,
    "ExportStepsFunctionRole": OF_DATA | {"secretsmanager": {"kms:Decrypt"}},
    "SourceStepsFunctionRole": OF_DATA | {"secretsmanager": {"kms:Decrypt"}},
    "ScheduleFunctionRole": OF_DATA | {"sqs": CRYPT},
    "TestDestinationFunctionRole": {"s3": {"kms:GenerateDataKey"}, "secretsmanager": {"kms:Decrypt"}},
    "WebhooksFunctionRole": {"dynamodb": {"kms:Decrypt"}, "secretsmanager": {"kms:Decrypt"}, "sqs": CRYPT},
    "ImportStateMachineRole": {"s3": {"kms:Decrypt"}},
}


def of_type(kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == kind]


def key_statements(condition: str) -> list[tuple[str, dict[str, Any]]]:
    """(role, statement) of the policies that exist on a condition."""
    return [
        (role["Ref"], statement)
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::IAM::Policy" and resource.get("Condition") == condition
        for role in resource["Properties"]["Roles"]
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def services_of(statement: dict[str, Any]) -> list[str]:
    """The services through which a statement lets a key be used."""
    [condition] = statement["Condition"].values()
    values = condition["kms:ViaService"]
    names = [value["Fn::Sub"] for value in (values if isinstance(values, list) else [values])]
    assert all(name.endswith(".${AWS::URLSuffix}") for name in names)
    return [name.partition(".")[0] for name in names]


def test_everything_that_is_stored_is_encrypted_with_the_key() -> None:
    for bucket in of_type("AWS::S3::Bucket"):
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        condition, own, otherwise = rule["Fn::If"]
        assert condition == "HasKmsKey" and own["BucketKeyEnabled"] is True
        assert own["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
        assert otherwise == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    for queue in of_type("AWS::SQS::Queue"):
        assert queue["KmsMasterKeyId"] == {"Fn::If": ["HasKmsKey", KEY, NO_VALUE]}
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", NO_VALUE, True]}
    groups = of_type("AWS::Logs::LogGroup")
    assert len(groups) >= 10
    assert all(group["KmsKeyId"] == {"Fn::If": ["HasKmsKey", KEY, NO_VALUE]} for group in groups)


def test_each_role_may_use_the_key_for_what_it_stores_and_reads_and_for_nothing_else() -> None:
    allowed: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for role, statement in key_statements("HasKmsKey"):
        assert statement["Resource"] == KEY
        for service in services_of(statement):
            allowed[role][service] |= set(statement["Action"])
    assert allowed == ROLES


def test_every_role_that_touches_objects_or_items_is_among_them() -> None:
    for name, resource in RESOURCES.items():
        if not resource["Type"].startswith(("AWS::Serverless::", "AWS::IAM::Role")):
            continue
        policies = [policy for policy in resource["Properties"].get("Policies", []) if "Fn::If" not in policy]
        statements = [each for policy in policies for each in policy.get("PolicyDocument", policy)["Statement"]]
        actions = {action for each in statements for action in each["Action"]}
        kinds, role = {action.partition(":")[0] for action in actions}, f"{name.removesuffix('Role')}Role"
        assert kinds & {"s3", "dynamodb"} <= set(ROLES.get(role, {})), name
        if "s3:PutObject" in actions:
            assert "kms:GenerateDataKey" in ROLES[role]["s3"], name


@pytest.mark.parametrize("parameter", ["KmsKeyArn", "OtherKmsKeyArns"])
def test_no_key_is_the_default(parameter: str) -> None:
    assert TEMPLATE["Parameters"][parameter]["Default"] == ""


def test_other_keys_are_used_through_the_services_of_their_data_only() -> None:
    """Dropped files and target tables are read; deliveries also write."""
    statements = key_statements("HasOtherKmsKeys")
    for role, statement in statements:
        assert statement["Resource"] == {"Ref": "OtherKmsKeyArns"}
        writes = "kms:GenerateDataKey" in statement["Action"]
        assert not writes or role in {
            f"{name}FunctionRole" for name in ("ExportSteps", "TestDestination", "SourceSteps")
        }
        assert set(services_of(statement)) <= {"s3", "dynamodb", "secretsmanager"}
    readers = {role for role, statement in statements if statement["Sid"] == "DroppedFilesAndTargetTables"}
    assert readers == {role for role, services in ROLES.items() if "dynamodb" in services}
