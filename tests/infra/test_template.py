"""What `template.yaml` promises: least privilege, private and encrypted storage, a log and a way out everywhere."""

from __future__ import annotations

import ast
import copy
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from samtranslator.translator.transform import transform

from infra import dead_letters, doctor
from infra.deploy import LONGEST_STACK_NAME
from infra.local.embedded import REGION, ROOT
from infra.local.package import load_template, package
from tests.api_builders import load_function
from waybill.telemetry import NAMESPACE

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]

# Statements that may name all resources, because their actions know none (Service Authorization Reference, *CloudWatch
# Logs*: log delivery; *Step Functions*, "Logging using CloudWatch Logs").
# *Amazon EC2*: AWS Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC".
ANY_RESOURCE = {"LogDelivery", "NetworkInterfaces", "NetworkInterfacesByLambdaOnly"}
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
        for policy in policies_of(role)
    ] + [
        (name, policy["Properties"]["PolicyDocument"])
        for name, policy in of_type(transformed, "AWS::IAM::Policy").items()
    ]
    return [(name, statement) for name, document in documents for statement in document["Statement"]]


def policies_of(role: dict[str, Any]) -> list[dict[str, Any]]:
    """The policies of a role, those that exist on a condition too."""
    policies = role["Properties"].get("Policies", [])
    return [policy["Fn::If"][1] if "Fn::If" in policy else policy for policy in policies]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def is_kept(resource: dict[str, Any]) -> bool:
    """Whether its data outlives the stack, while a first deployment that fails leaves nothing behind."""
    return (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_cfn_lint_has_nothing_to_say() -> None:
    program = Path(sys.prefix) / "bin" / "cfn-lint"
    regions = ("us-east-1", "us-gov-west-1", "us-gov-east-1", "eu-south-2", "ap-southeast-5", "mx-central-1")
    command = [program, "--non-zero-exit-code", "informational", "--regions", *regions, "--", ROOT / "template.yaml"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_nothing_but_the_user_pool_is_missing_in_china() -> None:
    """docs/deploy.md says so; when this fails because AWS has it there now, the sentence goes."""
    program = Path(sys.prefix) / "bin" / "cfn-lint"
    command = [program, "--format", "parseable", "--regions", "cn-north-1", "--", ROOT / "template.yaml"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    assert lines
    assert [line for line in lines if "E3006" not in line or "AWS::Cognito::" not in line] == []


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
        of_objects = [action for action in actions if action.startswith("s3:") and "ListBucket" not in action]
        if not of_objects:
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
    [targets] = (
        properties
        for policy in ("TargetTablesWritePolicy", "TargetTablesRecoveryPolicy")
        if {"Ref": f"{name}Role"} in (properties := RESOURCES[policy]["Properties"])["Roles"]
    )
    assert {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"} <= set(
        targets["PolicyDocument"]["Statement"][0]["Action"]
    )


def test_a_lost_minute_is_no_alarm_and_one_that_is_over_ends_by_itself() -> None:
    """Messages stay in the queue for 14 days: an alarm that counts those that are there would stay on as long."""
    alarm = RESOURCES["ScheduleDeadLettersAlarm"]["Properties"]
    counted = [alarm[name] for name in ("MetricName", "Statistic", "Period", "Threshold", "ComparisonOperator")]
    assert counted == ["NumberOfMessagesSent", "Sum", 300, 2, "GreaterThanThreshold"]
    kept = RESOURCES["StartImportDeadLettersAlarm"]["Properties"]  # each of these is a file that was not imported
    assert (kept["MetricName"], kept["Statistic"], kept["Threshold"]) == ("NumberOfMessagesSent", "Sum", 0)


def test_each_alarm_says_what_is_wrong_and_names_its_section_of_the_runbook() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    anchors = {anchor_of(line) for line in page.splitlines() if line.startswith("#")}
    for name, alarm in of_type(RESOURCES, "AWS::CloudWatch::Alarm").items():
        says, separator, anchor = alarm["Properties"]["AlarmDescription"].partition(": docs/operate.md#")
        assert says and separator and anchor in anchors, name
        assert f"`{name}`" in page, f"operate.md does not say what {name} means"
        assert alarm["Properties"]["AlarmActions"]["Fn::If"][0] == "HasAlarmTopic", name


def anchor_of(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


def written_metrics() -> dict[str, set[bool]]:
    """Metric → whether it is written with no dimension but the service, with others, or both ways."""
    found: dict[str, set[bool]] = {}
    for file in (file for folder in ("shared", "functions") for file in (ROOT / folder).rglob("*.py")):
        text = file.read_text()
        if "waybill.telemetry" not in text and file.name != "telemetry.py":
            continue
        for call in ast.walk(ast.parse(text)):
            name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
            if name in ("count", "measure", "measure_percent"):
                is_alone = isinstance(call.args[0], ast.Dict) and not call.args[0].keys
                for keyword in call.keywords:
                    found.setdefault(str(keyword.arg), set()).add(is_alone)
    return found


def test_alarms_watch_metrics_that_the_code_writes_with_no_dimension_but_the_service() -> None:
    written = written_metrics()
    watched = [
        alarm["Properties"]
        for alarm in of_type(RESOURCES, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["Namespace"] == NAMESPACE
    ]
    assert len(watched) >= 8
    for alarm in watched:
        assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
        assert written[alarm["MetricName"]] == {True}, alarm["MetricName"]


def test_every_metric_is_explained_with_its_dimensions() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    rows = [line.split("|") for line in page.partition("## Metrics")[2].partition("\n## ")[0].splitlines()]
    explained = {name: bool(row[2].strip()) for row in rows if len(row) > 3 for name in re.findall(r"`(\w+)`", row[1])}
    assert explained == {name: False in alone for name, alone in written_metrics().items()}


def test_the_dashboard_is_json_that_names_metrics_of_this_stack() -> None:
    [dashboard] = of_type(RESOURCES, "AWS::CloudWatch::Dashboard").values()
    body = json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])
    assert len(body["widgets"]) > 10
    for widget in body["widgets"]:
        text = json.dumps(widget["properties"]["metrics"])
        assert "${" in text, widget["properties"]["title"]
        assert widget["x"] + widget["width"] <= 24


def test_a_map_that_fails_may_stop_its_child_executions_whichever_form_their_arn_has() -> None:
    """AWS Step Functions Developer Guide, *IAM policies for using Distributed Map states*: `execution:NAME:*`;
    executions that a map run has started are `execution:NAME/LABEL:ID`."""
    policy = RESOURCES["ImportStateMachine"]["Properties"]["Policies"][0]["Statement"]
    (runs,) = (statement for statement in policy if statement["Sid"] == "MapRuns")
    assert set(runs["Action"]) == {"states:DescribeExecution", "states:StopExecution"}
    assert [arn["Fn::Sub"].rpartition("execution:")[2] for arn in runs["Resource"]] == [
        "${AWS::StackName}-import:*",
        "${AWS::StackName}-import/*",
    ]


def test_each_function_has_a_log_that_ends_and_steps_that_may_take_15_minutes() -> None:
    functions = of_type(RESOURCES, "AWS::Serverless::Function")
    assert set(functions) == {
        f"{name}Function"
        for name in (
            *("Api", "Console", "StartImport", "ImportSteps", "ExportSteps", "TestDestination", "Schedule"),
            *("SourceSteps", "Parameters", "Webhooks"),
        )
    }
    for name, function in functions.items():
        group = RESOURCES[function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
        assert (ROOT / function["Properties"]["CodeUri"]).is_dir(), name
    assert functions["ApiFunction"]["Properties"]["Timeout"] < 30  # an HTTP API gives up then
    for name in ("ImportStepsFunction", "ExportStepsFunction", "SourceStepsFunction"):
        assert functions[name]["Properties"]["Timeout"] == 900


def test_what_is_invoked_asynchronously_has_a_dead_letter_queue_with_an_alarm() -> None:
    asynchronous = {
        name: function
        for name, function in of_type(RESOURCES, "AWS::Serverless::Function").items()
        if "Events" in function["Properties"]
    }
    assert set(asynchronous) == {"StartImportFunction", "ScheduleFunction", "WebhooksFunction"}
    watched = [
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in of_type(RESOURCES, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"]["Dimensions"]
        if dimension["Name"] == "QueueName"
    ]
    for name, function in asynchronous.items():
        queue = function["Properties"]["DeadLetterQueue"]["TargetArn"]["Fn::GetAtt"][0]
        assert RESOURCES[queue]["Type"] == "AWS::SQS::Queue", name
        assert queue in watched, name
        for event in function["Properties"]["Events"].values():
            assert event["Properties"]["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] == queue, name


def test_the_doctor_examines_each_function_queue_and_rule_and_the_redrive_each_queue(
    transformed: dict[str, Any],
) -> None:
    asked: list[str] = []
    client = SimpleNamespace(
        get_function_configuration=lambda FunctionName: asked.append(FunctionName) or {},
        get_queue_attributes=lambda QueueUrl, AttributeNames: asked.append(QueueUrl) or {"Attributes": {}},
        describe_rule=lambda Name: asked.append(Name) or {"State": "DISABLED"},
    )
    types = {name: resource["Type"] for name, resource in transformed.items()}
    deployment = doctor.Deployment(lambda service: client, {}, {name: name for name in types}, types)
    checks = {"_functions", "_dead_letters", "_rules"}
    findings = [finding for check in doctor.CHECKS if check.__name__ in checks for finding in check(deployment)]
    queues = of_type(RESOURCES, "AWS::SQS::Queue").keys()
    assert set(asked) == of_type(RESOURCES, "AWS::Serverless::Function").keys() | queues | doctor.RULES.keys()
    assert len(findings) == len(doctor.RULES) == len(of_type(transformed, "AWS::Events::Rule"))
    assert {dead_letters.DROPS, dead_letters.MINUTES} == queues


@pytest.mark.parametrize("name", sorted(of_type(RESOURCES, "AWS::S3::Bucket")))
def test_buckets_are_private_encrypted_and_tls_only(name: str) -> None:
    bucket = RESOURCES[name]
    properties = bucket["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]
    assert "VersioningConfiguration" not in properties
    assert is_kept(bucket)
    rules = properties["LifecycleConfiguration"]["Rules"]
    # Uploads in parts take as long as their files are kept, and writers of the product no day.
    days: Any = {"Ref": "LifecycleDays"} if name == "FilesBucket" else 1
    assert {"DaysAfterInitiation": days} in [rule.get("AbortIncompleteMultipartUpload") for rule in rules]
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
    own_key = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}}
    assert properties["SSESpecification"] == {"Fn::If": ["HasKmsKey", own_key, {"SSEEnabled": True}]}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["HasDeletionProtection", True, False]}
    assert is_kept(table)


def test_users_outlive_the_stack_and_are_protected() -> None:
    pool = RESOURCES["UserPool"]
    assert pool["Properties"]["DeletionProtection"] == {"Fn::If": ["HasDeletionProtection", "ACTIVE", "INACTIVE"]}
    assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "on"
    assert is_kept(pool)


# Properties that name a resource for the whole account and region, or for the world.
PHYSICAL_NAMES = {
    *("FunctionName", "LayerName", "StateMachineName", "LogGroupName", "RoleName", "ManagedPolicyName", "AliasName"),
    *("BucketName", "TableName", "QueueName", "TopicName", "AlarmName", "UserPoolName", "Domain", "DomainName"),
}


def test_two_stacks_in_one_account_have_no_name_and_no_secret_in_common(
    transformed: dict[str, Any], statements: list[tuple[str, dict[str, Any]]]
) -> None:
    named = [
        (logical, value)
        for logical, resource in transformed.items()
        for key, value in resource.get("Properties", {}).items()
        if key in PHYSICAL_NAMES or (key == "Name" and resource["Type"] in ("AWS::Events::Rule", "AWS::Lambda::Alias"))
    ]
    assert len(named) > 10
    own = TEMPLATE["Parameters"]
    for logical, value in named:
        is_of_the_stack = "AWS::StackName" in str(value) or any(f"{{'Ref': '{name}'}}" in str(value) for name in own)
        is_reference = isinstance(value, dict) and not {"Ref", "Fn::GetAtt", "Fn::If"}.isdisjoint(value)
        belongs_to_function = transformed[logical]["Type"] == "AWS::Lambda::Alias"
        assert is_of_the_stack or is_reference or belongs_to_function, (logical, value)
    assert not [output for output in TEMPLATE["Outputs"].values() if "Export" in output]

    own_prefix = {"Fn::If": ["HasSecretPrefix", {"Ref": "SecretPrefix"}, {"Fn::Sub": "${AWS::StackName}/"}]}
    reading = [s["Resource"] for _, s in statements if "secretsmanager:GetSecretValue" in listed(s["Action"])]
    assert len(reading) == 4
    for resource in reading:
        arn, names = resource["Fn::Sub"]
        assert arn.endswith(":secret:${Prefix}*")
        assert names == {"Prefix": own_prefix}
    assert TEMPLATE["Parameters"]["SecretPrefix"]["Default"] == ""


def test_entries_of_the_audit_trail_are_out_of_reach_but_for_those_who_put_them() -> None:
    writers, others = (RESOURCES[name]["Properties"] for name in ("AuditWritersPolicy", "AuditOthersPolicy"))
    roles = [role["Ref"].removesuffix("FunctionRole") for policy in (writers, others) for role in policy["Roles"]]
    assert roles == ["Api", "StartImport", "Schedule", "SourceSteps", "ImportSteps", "ExportSteps", "Webhooks"]
    users = {
        name
        for name, function in of_type(RESOURCES, "AWS::Serverless::Function").items()
        if "JobsTable" in str(function) or "JobsTable" in str(RESOURCES.get(f"{name}Role"))
    }
    assert users == {f"{role}Function" for role in roles}
    writes = {"UpdateItem", "DeleteItem", "BatchWriteItem"}
    for policy, denied in ((writers, writes), (others, writes | {"GetItem", "BatchGetItem", "Query", "PutItem"})):
        [statement] = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"]["ForAnyValue:StringLike"] == {"dynamodb:LeadingKeys": ["AUDIT#*"]}
        assert {action.removeprefix("dynamodb:") for action in statement["Action"]} == denied


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
        ("GET /", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
        ("GET /console", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
        ("GET /console/{proxy+}", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
        ("GET /docs", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
        ("GET /docs/{proxy+}", "{'Fn::Sub': 'integrations/${ConsoleIntegration}'}", "NONE"),
    }
    assert not of_type(transformed, "AWS::ApiGatewayV2::Authorizer")


def version_of(resources: dict[str, Any], function: str) -> tuple[str, dict[str, Any]]:
    """(logical name, resource) of the version that a function is published as."""
    [found] = [
        (name, version)
        for name, version in of_type(resources, "AWS::Lambda::Version").items()
        if version["Properties"]["FunctionName"] == {"Ref": function}
    ]
    return found


def test_the_api_starts_from_a_snapshot_of_a_published_version(transformed: dict[str, Any]) -> None:
    apply_on = transformed["ApiFunction"]["Properties"]["SnapStart"]["ApplyOn"]
    assert apply_on == {"Fn::If": ["HasApiSnapStart", "PublishedVersions", "None"]}
    assert TEMPLATE["Parameters"]["ApiSnapStart"]["Default"] == "on"
    assert TEMPLATE["Conditions"]["HasApiSnapStart"] == {"Fn::Equals": [{"Ref": "ApiSnapStart"}, "on"]}
    function = {"Ref": "ApiFunction"}
    [(alias, properties)] = [
        (name, resource["Properties"])
        for name, resource in of_type(transformed, "AWS::Lambda::Alias").items()
        if resource["Properties"]["FunctionName"] == function
    ]
    version, _ = version_of(transformed, "ApiFunction")
    assert properties["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    uri, name = transformed["ApiIntegration"]["Properties"], transformed["ApiPermission"]["Properties"]
    arn = {"Fn::GetAtt": ["ApiFunction", "Arn"]}
    assert uri["IntegrationUri"] == {"Fn::If": ["HasApiSnapStart", {"Ref": alias}, arn]}
    assert name["FunctionName"] == {"Fn::If": ["HasApiSnapStart", {"Ref": alias}, function]}


def test_an_execution_keeps_the_code_that_it_began_with(transformed: dict[str, Any]) -> None:
    """Step Functions keeps the definition of a running execution, and that names a version, which is never deleted."""
    for kind in ("Import", "Export"):
        name, version = version_of(transformed, f"{kind}StepsFunction")
        assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")
        machine = transformed[f"{kind}StateMachine"]["Properties"]
        assert machine["DefinitionSubstitutions"][f"{kind}StepsFunctionArn"] == {"Ref": name}
        role = transformed[f"{kind}StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        [steps] = [statement for statement in role["Statement"] if statement["Sid"] == "Steps"]
        every_version = {"Fn::Sub": f"${{{kind}StepsFunction.Arn}}:*"}
        assert steps["Resource"] == [{"Fn::GetAtt": [f"{kind}StepsFunction", "Arn"]}, every_version]
        assert "DeletionPolicy" not in transformed[f"{kind}StepsFunction"], "it would outlive the stack"


@pytest.mark.parametrize("function", ["ApiFunction", "ImportStepsFunction", "ExportStepsFunction"])
def test_new_code_publishes_a_version(function: str) -> None:
    """Or callers of a version would go on with the old code or the old layer."""
    one, same, other = (version_of(transformed_with(name), function)[0] for name in ("one", "one", "other"))
    assert one == same != other
    assert RESOURCES["SharedLayer"]["Properties"]["PublishLambdaVersion"] is True


def test_only_versions_that_nobody_calls_any_more_are_deleted(transformed: dict[str, Any]) -> None:
    assert version_of(transformed, "ApiFunction")[1]["DeletionPolicy"] == "Delete"  # its snapshot costs money


def resolved(part: Any, values: dict[str, Any]) -> Any:
    """Part of the template as CloudFormation reads it with these values of the parameters."""
    if isinstance(part, list):
        return [resolved(each, values) for each in part]
    if not isinstance(part, dict):
        return part
    match list(part.items()):
        case [("Ref", str(name))]:
            return values.get(name, part)
        case [("Condition", str(name))]:
            return resolved(TEMPLATE["Conditions"][name], values)
        case [("Fn::If", [condition, then, otherwise])]:
            return resolved(then if resolved({"Condition": condition}, values) else otherwise, values)
        case [("Fn::Equals", [left, right])]:
            return str(resolved(left, values)) == str(resolved(right, values))
        case [("Fn::Not", [condition])]:
            return not resolved(condition, values)
        case [("Fn::And", conditions)]:
            return all(resolved(conditions, values))
        case [("Fn::Select", [index, chosen])]:
            return resolved(chosen, values)[index]
    return {name: resolved(each, values) for name, each in part.items()}


def another_value(parameter: dict[str, Any]) -> Any:
    if "AllowedValues" in parameter:
        return next(value for value in parameter["AllowedValues"] if value != parameter["Default"])
    return parameter["Default"] + 1 if parameter["Type"] == "Number" else f"{parameter['Default']}x"


@pytest.mark.parametrize("function", ["ApiFunction", "ImportStepsFunction", "ExportStepsFunction"])
def test_a_parameter_publishes_a_version_exactly_if_it_configures_the_function(
    transformed: dict[str, Any], function: str
) -> None:
    """CloudFormation replaces a version whose description changes. Unless it does, callers go on with the old
    configuration. It must not change without the function: Lambda publishes nothing then, which fails the deployment.
    So with any two parameters changed, description and configuration are the same, or both differ.
    """
    description = version_of(transformed, function)[1]["Properties"]["Description"]["Fn::GetAtt"]
    revisions = RESOURCES["Parameters"]["Properties"]
    assert description[0] == "Parameters"
    revision = [revisions["Read"], revisions["Own"].get(description[1].removesuffix("Revision"))]
    # The concurrency is the function's, not a version's.
    configuration = transformed[function]["Properties"] | {"ReservedConcurrentExecutions": None}

    defaults = {name: parameter["Default"] for name, parameter in TEMPLATE["Parameters"].items()}
    others = {name: another_value(parameter) for name, parameter in TEMPLATE["Parameters"].items()}
    pairs = set()
    for one, two in itertools.combinations_with_replacement(defaults, 2):
        values = defaults | {name: others[name] for name in (one, two)}
        for name, parameter in TEMPLATE["Parameters"].items():
            if parameter["Type"] == "CommaDelimitedList":
                values[name] = values[name].split(",")
        pairs.add((str(resolved(configuration, values)), str(resolved(revision, values)), (one, two)))
    by_configuration = {configured: (revised, names) for configured, revised, names in pairs}
    by_revision = {revised: (configured, names) for configured, revised, names in pairs}
    for configured, revised, names in pairs:
        same_configuration, same_revision = by_configuration[configured], by_revision[revised]
        assert same_configuration[0] == revised, f"nothing to publish: {names}, {same_configuration[1]}"
        assert same_revision[0] == configured, f"the old version stays in use: {names}, {same_revision[1]}"
    assert len(by_revision) > 100


def test_what_one_function_is_configured_with_changes_the_revision_of_this_function_only() -> None:
    revisions = load_function("parameters").revisions
    before = revisions({"WriteConnections": "7"}, {"Api": {"SnapStart": "on"}, "ExportSteps": {"Subnets": ""}})
    network = revisions({"WriteConnections": "7"}, {"Api": {"SnapStart": "on"}, "ExportSteps": {"Subnets": "subnet-1"}})
    assert {name for name in before if before[name] != network[name]} == {"ExportStepsRevision"}
    read = revisions({"WriteConnections": "8"}, {"Api": {"SnapStart": "on"}, "ExportSteps": {"Subnets": ""}})
    assert {name for name in before if before[name] != read[name]} == {"Revision", "ApiRevision", "ExportStepsRevision"}
    named = {f"{name}Revision" for name in RESOURCES["Parameters"]["Properties"]["Own"]}
    assert before.keys() - {"Revision"} == named


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
    assert function["Environment"]["Variables"].keys() == {"OIDC_ISSUER", "FILES_HOST"}
    assert "Layers" not in function
    role = transformed["ConsoleFunctionRole"]["Properties"]
    assert not role.get("Policies")
    assert len(role["ManagedPolicyArns"]) == 1


def test_the_api_reads_no_secret_but_has_destinations_tested(transformed: dict[str, Any]) -> None:
    def actions(role: str) -> dict[str, set[str]]:
        return {
            statement["Sid"]: set(listed(statement["Action"]))
            for policy in transformed[role]["Properties"]["Policies"]
            if "Fn::If" not in policy
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
    origin = {"Fn::If": ["HasDomainName", {"Fn::Sub": "https://${DomainName}"}, {"Fn::GetAtt": ["Api", "ApiEndpoint"]}]}
    assert (rule["AllowedOrigins"], rule["AllowedMethods"]) == ([origin], ["POST", "PUT"])
    assert all(
        "CorsConfiguration" not in bucket["Properties"]
        for name, bucket in of_type(RESOURCES, "AWS::S3::Bucket").items()
        if name != "FilesBucket"
    )


def test_local_deployment_leaves_out_nothing_but_the_tls_policies_and_queries(transformed: dict[str, Any]) -> None:
    layers = of_type(RESOURCES, "AWS::Serverless::LayerVersion").keys()  # SAM adds a hash to a layer's name
    missing = RESOURCES.keys() - transformed.keys() - layers
    assert {RESOURCES[name]["Type"] for name in missing} == {"AWS::S3::BucketPolicy", "AWS::Logs::QueryDefinition"}


#: Fields of the API's access log, as the template has them.
ACCESS_LOG = {"requestId", "method", "path", "status", "milliseconds", "ip", "error"}


def test_saved_queries_use_fields_of_the_runbook_and_sentences_of_the_code() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    fields = set(re.findall(r"`(\w+)`", page.partition("## Logs")[2].partition("\n## ")[0]))
    code = "".join(file.read_text() for folder in ("shared", "functions") for file in (ROOT / folder).rglob("*.py"))
    queries = of_type(RESOURCES, "AWS::Logs::QueryDefinition")
    assert len(queries) >= 8
    for query in queries.values():
        text, title = query["Properties"]["QueryString"], query["Properties"]["Name"]["Fn::Sub"].partition("/")[2]
        assert f"*{title}*" in page, f"operate.md does not say what {title} is for"
        for sentence in re.findall(r'message = "([^"]+)"', text):
            assert f'"{sentence}"' in code
        shown = {name for line in re.findall(r"^fields (.+)$", text, re.MULTILINE) for name in line.split(", ")}
        assert {name for name in shown if not name.startswith("@")} - fields - ACCESS_LOG == set(), title


def test_every_key_of_a_log_line_is_in_the_runbook() -> None:
    fields = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "operate.md").read_text().partition("## Logs")[2]))
    written = set()
    for file in (file for folder in ("shared", "functions") for file in (ROOT / folder).rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "logger"):
                continue
            for keyword in call.keywords:
                if keyword.arg == "extra":
                    keys = keyword.value.keys if isinstance(keyword.value, ast.Dict) else []
                    written |= {key.value for key in keys if isinstance(key, ast.Constant)}
                elif keyword.arg != "exc_info":
                    written.add(str(keyword.arg))
    assert {"jobId", "duty", "step", "reason"} <= written
    assert written - fields == set()


def test_the_page_on_deploying_tells_each_parameter_and_each_service(transformed: dict[str, Any]) -> None:
    """`docs/deploy.md` is what people choose parameters and grant rights by."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    rows = [line for line in page.partition("## Parameters")[2].partition("\n## ")[0].splitlines() if line[:3] == "| `"]
    wanted = []
    for name, parameter in TEMPLATE["Parameters"].items():
        default = "(empty)" if parameter["Default"] == "" else f"`{parameter['Default']}`"
        wanted.append(f"| `{name}` | {default} | {parameter['Description']} |")
    assert rows == wanted
    permissions = page.partition("## Permissions")[2].partition("\n## ")[0]
    for kind in {resource["Type"].split("::")[1] for resource in transformed.values()} - {"Parameters"}:
        assert f"| {kind.replace('StepFunctions', 'Step Functions')} |" in permissions
    numbers = {2: "two", 3: "three", 4: "four"}
    for kind, what in (
        ("StepFunctions::StateMachine", "state machines"),
        ("DynamoDB::Table", "tables"),
        ("S3::Bucket", "buckets"),
    ):
        assert f"| {numbers[len(of_type(transformed, f'AWS::{kind}'))]} {what}" in permissions
    for service in ("EC2", "KMS"):  # nothing of theirs is created; parameters make the others ask them
        assert f"| {service} |" in permissions
    for deleting in ("`DeleteBucket`", "`DeleteTable`", "`cognito-idp:*UserPool*`"):  # after a failed first deployment
        assert deleting in permissions
    assert f"at most {LONGEST_STACK_NAME} characters" in page


def test_a_stack_name_is_short_enough_for_the_names_that_cloudformation_makes(transformed: dict[str, Any]) -> None:
    """It cuts the stack's name where stack-resource-suffix is too long, and rights for `STACK-*` miss the resource."""
    limited = ("AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Events::Rule")  # their names have at most 64 characters
    longest = max(len(name) for kind in limited for name in of_type(transformed, kind))
    assert len(f"{'s' * LONGEST_STACK_NAME}-{'r' * longest}-{'x' * 13}") == 64
    for function in of_type(RESOURCES, "AWS::Serverless::Function").values():
        own = function["Properties"].get("FunctionName", {"Fn::Sub": ""})["Fn::Sub"]
        assert len(own.replace("${AWS::StackName}", "s" * LONGEST_STACK_NAME)) <= 64


@pytest.mark.parametrize("name", ["Api", "ExportSteps", "SourceSteps", "TestDestination"])
def test_functions_that_read_keys_have_the_libraries_for_that(name: str) -> None:
    assert {"Ref": "EncryptionLayer"} in TEMPLATE["Resources"][f"{name}Function"]["Properties"]["Layers"]
