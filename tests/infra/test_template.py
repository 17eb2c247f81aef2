"""What `template.yaml` promises: least privilege, private and encrypted storage, a log and a way out everywhere."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from samtranslator.translator.transform import transform

from infra.local.embedded import REGION, ROOT
from infra.local.package import load_template, package

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]

# Statements that may name all resources, because their actions know none (Service Authorization Reference, *CloudWatch
# Logs*: log delivery; *Step Functions*, "Logging using CloudWatch Logs").
ANY_RESOURCE = {"LogDelivery"}
# The only managed policy: what SAM gives each function to write its log.
MANAGED_POLICIES = {"AWSLambdaBasicExecutionRole"}


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def transformed_with(bucket: str = "bucket") -> dict[str, Any]:
    """The resources that CloudFormation gets once SAM has had its turn."""
    packaged = package(copy.deepcopy(TEMPLATE), lambda name, content: f"s3://{bucket}/{name}", 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        template = transform(packaged, {}, SimpleNamespace(load=dict))
    resources: dict[str, Any] = template["Resources"]
    return resources


@pytest.fixture(scope="module")
def transformed() -> dict[str, Any]:
    return transformed_with()


@pytest.fixture(scope="module")
def statements(transformed: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(role or policy, statement) of everything that is allowed to anything of ours."""
    documents = [
        (name, policy["PolicyDocument"])
        for name, role in of_type(transformed, "AWS::IAM::Role").items()
        for policy in role["Properties"].get("Policies", [])
    ] + [
        (name, policy["Properties"]["PolicyDocument"])
        for name, policy in of_type(transformed, "AWS::IAM::Policy").items()
    ]
    return [(name, statement) for name, document in documents for statement in document["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_cfn_lint_has_nothing_to_say() -> None:
    program = Path(sys.prefix) / "bin" / "cfn-lint"
    command = [program, "--non-zero-exit-code", "informational", ROOT / "template.yaml"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_no_role_may_do_any_action_or_touch_any_resource(statements: list[tuple[str, dict[str, Any]]]) -> None:
    assert len(statements) > 30
    for name, statement in statements:
        where = f"{name} {statement.get('Sid')}"
        for action in listed(statement["Action"]):
            assert "*" not in action, where
        if statement.get("Sid") not in ANY_RESOURCE:
            assert "*" not in listed(statement["Resource"]), where


def test_object_permissions_are_bound_to_a_prefix(statements: list[tuple[str, dict[str, Any]]]) -> None:
    """A role that may touch objects names a prefix, except in the transfer box and in buckets of a parameter."""
    for name, statement in statements:
        actions = listed(statement["Action"])
        if not any(action.startswith("s3:") for action in actions) or actions == ["s3:ListBucket"]:
            continue
        for resource in listed(statement["Resource"]):
            if "Fn::Split" in resource:
                assert "DestinationBuckets" in str(resource), name
                continue
            bucket, _, key = resource["Fn::Sub"].partition("}/")
            assert bucket == "${TransferBucket.Arn" or key.startswith(("drop/", "uploads/", "jobs/")), name


def test_roles_have_no_managed_policy_but_the_log(transformed: dict[str, Any]) -> None:
    for name, role in of_type(transformed, "AWS::IAM::Role").items():
        attached = role["Properties"].get("ManagedPolicyArns", [])
        assert {str(arn).rpartition("/")[2].rstrip("'\"}]") for arn in attached} <= MANAGED_POLICIES, name


@pytest.mark.parametrize("name", ["ImportStepsFunction", "ScheduleFunction"])
def test_whoever_ends_an_import_may_read_back_and_write_its_records(name: str) -> None:
    policy = RESOURCES[name]["Properties"]["Policies"][0]["Statement"]
    (records,) = (statement for statement in policy if statement["Sid"] == "Records")
    assert {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"} <= set(records["Action"])
    targets = RESOURCES["TargetTablesWritePolicy"]["Properties"]
    assert {"Ref": f"{name}Role"} in targets["Roles"]
    assert {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"} <= set(
        targets["PolicyDocument"]["Statement"][0]["Action"]
    )


def test_each_function_has_a_log_that_ends_and_steps_that_may_take_15_minutes() -> None:
    functions = of_type(RESOURCES, "AWS::Serverless::Function")
    assert set(functions) == {
        f"{name}Function"
        for name in ("Api", "Console", "StartImport", "ImportSteps", "ExportSteps", "TestDestination", "Schedule")
    }
    for name, function in functions.items():
        group = RESOURCES[function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
        assert (ROOT / function["Properties"]["CodeUri"]).is_dir(), name
    assert functions["ApiFunction"]["Properties"]["Timeout"] < 30  # an HTTP API gives up then
    for name in ("ImportStepsFunction", "ExportStepsFunction"):
        assert functions[name]["Properties"]["Timeout"] == 900


def test_what_is_invoked_asynchronously_has_a_dead_letter_queue_with_an_alarm() -> None:
    asynchronous = {
        name: function
        for name, function in of_type(RESOURCES, "AWS::Serverless::Function").items()
        if "Events" in function["Properties"]
    }
    assert set(asynchronous) == {"StartImportFunction", "ScheduleFunction"}
    watched = [
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in of_type(RESOURCES, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"]["Dimensions"]
    ]
    for name, function in asynchronous.items():
        queue = function["Properties"]["DeadLetterQueue"]["TargetArn"]["Fn::GetAtt"][0]
        assert RESOURCES[queue]["Type"] == "AWS::SQS::Queue", name
        assert queue in watched, name
        for event in function["Properties"]["Events"].values():
            assert event["Properties"]["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] == queue, name


@pytest.mark.parametrize("name", sorted(of_type(RESOURCES, "AWS::S3::Bucket")))
def test_buckets_are_private_encrypted_and_tls_only(name: str) -> None:
    bucket = RESOURCES[name]
    properties = bucket["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]
    assert "VersioningConfiguration" not in properties
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert {"DaysAfterInitiation": 1} in [rule.get("AbortIncompleteMultipartUpload") for rule in rules]
    expiring = [rule for rule in rules if "ExpirationInDays" in rule]
    assert len(expiring) == (0 if name == "TransferBucket" else 1)
    [policy] = [
        policy["Properties"]
        for policy in of_type(RESOURCES, "AWS::S3::BucketPolicy").values()
        if policy["Properties"]["Bucket"] == {"Ref": name}
    ]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@pytest.mark.parametrize("name", sorted(of_type(RESOURCES, "AWS::DynamoDB::Table")))
def test_tables_are_on_demand_encrypted_and_recoverable(name: str) -> None:
    table = RESOURCES[name]
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"


def test_jobs_expire_by_ttl() -> None:
    wanted = {"AttributeName": "expiresAt", "Enabled": True}
    assert RESOURCES["JobsTable"]["Properties"]["TimeToLiveSpecification"] == wanted


def test_only_objects_under_drop_start_an_import() -> None:
    pattern = RESOURCES["StartImportFunction"]["Properties"]["Events"]["Dropped"]["Properties"]["Pattern"]
    assert pattern["detail"] == {"bucket": {"name": [{"Ref": "DropBucket"}]}, "object": {"key": [{"prefix": "drop/"}]}}
    notifications = RESOURCES["DropBucket"]["Properties"]["NotificationConfiguration"]
    assert notifications == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_every_request_reaches_the_api_function_which_verifies_tokens_itself(transformed: dict[str, Any]) -> None:
    routes = [route["Properties"] for route in of_type(transformed, "AWS::ApiGatewayV2::Route").values()]
    assert {(route["RouteKey"], str(route["Target"]), route["AuthorizationType"]) for route in routes} == {
        ("$default", "{'Fn::Sub': 'integrations/${ApiIntegration}'}", "NONE"),
        ("GET /console", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
        ("GET /console/{proxy+}", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
    }
    assert not of_type(transformed, "AWS::ApiGatewayV2::Authorizer")


def test_the_api_starts_from_a_snapshot_of_a_published_version(transformed: dict[str, Any]) -> None:
    apply_on = transformed["ApiFunction"]["Properties"]["SnapStart"]["ApplyOn"]
    assert apply_on == {"Fn::If": ["HasApiSnapStart", "PublishedVersions", "None"]}
    assert TEMPLATE["Parameters"]["ApiSnapStart"]["Default"] == "on"
    assert TEMPLATE["Conditions"]["HasApiSnapStart"] == {"Fn::Equals": [{"Ref": "ApiSnapStart"}, "on"]}
    [(alias, properties)] = [(n, r["Properties"]) for n, r in of_type(transformed, "AWS::Lambda::Alias").items()]
    [version] = of_type(transformed, "AWS::Lambda::Version")
    assert properties["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    function = {"Ref": "ApiFunction"}
    uri, name = transformed["ApiIntegration"]["Properties"], transformed["ApiPermission"]["Properties"]
    arn = {"Fn::GetAtt": ["ApiFunction", "Arn"]}
    assert uri["IntegrationUri"] == {"Fn::If": ["HasApiSnapStart", {"Ref": alias}, arn]}
    assert name["FunctionName"] == {"Fn::If": ["HasApiSnapStart", {"Ref": alias}, function]}


def test_new_code_publishes_a_version_and_deletes_the_one_before(transformed: dict[str, Any]) -> None:
    """Or the alias would go on with the old code or the old layer."""
    one, same, other = (of_type(transformed_with(name), "AWS::Lambda::Version") for name in ("one", "one", "other"))
    assert set(one) == set(same) != set(other)
    [version] = one.values()
    assert version["DeletionPolicy"] == "Delete"
    assert RESOURCES["SharedLayer"]["Properties"]["PublishLambdaVersion"] is True


def parameters_in(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["Ref"]} & set(TEMPLATE["Parameters"]) if "Ref" in part else set()
        return own.union(*map(parameters_in, part.values()))
    return set().union(*map(parameters_in, part)) if isinstance(part, list) else set()


def test_a_parameter_with_another_value_publishes_a_version(transformed: dict[str, Any]) -> None:
    """A version is replaced when its description changes, and that is the revision of a machine that names them all."""
    [version] = of_type(transformed, "AWS::Lambda::Version").values()
    revision = {"Fn::GetAtt": ["ImportStateMachine", "StateMachineRevisionId"]}
    assert version["Properties"]["Description"] == {"Fn::If": ["HasApiSnapStart", revision, "off"]}
    machine = RESOURCES["ImportStateMachine"]["Properties"]
    assert "${Parameters}" in (ROOT / machine["DefinitionUri"]).read_text()
    read = parameters_in(TEMPLATE["Globals"]["Function"]["Environment"])
    assert read == parameters_in(machine["DefinitionSubstitutions"]["Parameters"])
    assert len(read) > 10


def test_an_account_of_ten_invocations_can_be_deployed_to_and_two_jobs_leave_some_for_the_api() -> None:
    """Lambda refuses a deployment that reserves any of an account's last ten (`docs/scale.md`, *Small accounts*)."""
    assert 2 * TEMPLATE["Parameters"]["WorkersPerJob"]["Default"] <= 8
    assert TEMPLATE["Parameters"]["ApiReservedConcurrency"]["Default"] == 0
    for name, function in of_type(RESOURCES, "AWS::Serverless::Function").items():
        reserved = function["Properties"].get("ReservedConcurrentExecutions")
        wanted = {"Fn::If": ["HasApiReservedConcurrency", {"Ref": "ApiReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
        assert reserved == (wanted if name == "ApiFunction" else None), name
    is_off = {"Fn::Equals": [{"Ref": "ApiReservedConcurrency"}, 0]}
    assert TEMPLATE["Conditions"]["HasApiReservedConcurrency"] == {"Fn::Not": [is_off]}


def test_the_console_may_do_nothing_but_write_its_log(transformed: dict[str, Any]) -> None:
    function = transformed["ConsoleFunction"]["Properties"]
    assert function["Environment"]["Variables"].keys() == {"USER_POOL_HOST", "FILES_HOST"}
    assert "Layers" not in function
    role = transformed["ConsoleFunctionRole"]["Properties"]
    assert not role.get("Policies")
    assert len(role["ManagedPolicyArns"]) == 1


def test_the_api_reads_no_secret_but_has_destinations_tested(transformed: dict[str, Any]) -> None:
    def actions(role: str) -> dict[str, set[str]]:
        return {
            statement["Sid"]: set(listed(statement["Action"]))
            for policy in transformed[role]["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        }

    api, tester = actions("ApiFunctionRole"), actions("TestDestinationFunctionRole")
    assert api["TestDestinations"] == {"lambda:InvokeFunction"}
    assert not any(action.startswith("secretsmanager:") for allowed in api.values() for action in allowed)
    assert set().union(*tester.values()) == {
        *("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucket"),
        "secretsmanager:GetSecretValue",
    }
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    function = RESOURCES["TestDestinationFunction"]["Properties"]
    assert variables["TEST_DESTINATION_FUNCTION"] == function["FunctionName"]
    assert function["Timeout"] < RESOURCES["ApiFunction"]["Properties"]["Timeout"]


def test_browsers_may_send_files_from_the_console_only() -> None:
    [rule] = RESOURCES["FilesBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert (rule["AllowedOrigins"], rule["AllowedMethods"]) == ([{"Fn::GetAtt": ["Api", "ApiEndpoint"]}], ["POST"])
    assert all(
        "CorsConfiguration" not in bucket["Properties"]
        for name, bucket in of_type(RESOURCES, "AWS::S3::Bucket").items()
        if name != "FilesBucket"
    )


def test_local_deployment_leaves_out_nothing_but_the_tls_policies(transformed: dict[str, Any]) -> None:
    missing = RESOURCES.keys() - transformed.keys() - {"SharedLayer"}  # SAM adds a hash to a layer's name
    assert {RESOURCES[name]["Type"] for name in missing} == {"AWS::S3::BucketPolicy"}
