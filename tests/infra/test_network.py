"""The customer's network, domain and other accounts' buckets: parameters that change nothing while they are empty."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.local.package import load_template

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
WITH_BUCKETS = {"ExportStepsFunction", "TestDestinationFunction", "SourceStepsFunction"}
CONNECTING = WITH_BUCKETS | {"WebhooksFunction"}


def test_nothing_of_it_is_the_default() -> None:
    parameters = TEMPLATE["Parameters"]
    names = ("DeliverySubnetIds", "DeliverySecurityGroupIds", "DomainName", "DomainCertificateArn", "HostedZoneId")
    assert [parameters[name]["Default"] for name in (*names, "ForeignBucketRoles")] == [""] * 6
    assert parameters["ForeignBuckets"]["Default"] == "{}"


def test_only_the_functions_that_connect_to_partners_are_in_the_network() -> None:
    wanted = {"SubnetIds": {"Ref": "DeliverySubnetIds"}, "SecurityGroupIds": {"Ref": "DeliverySecurityGroupIds"}}
    config = {"Fn::If": ["HasDeliveryNetwork", wanted, {"Ref": "AWS::NoValue"}]}
    found = {name: each["Properties"]["VpcConfig"] for name, each in RESOURCES.items() if "VpcConfig" in str(each)}
    assert found == dict.fromkeys(CONNECTING, config)


@pytest.mark.parametrize("name", sorted(CONNECTING))
def test_rights_to_network_interfaces_exist_with_the_network_only_and_not_for_our_code(name: str) -> None:
    assert RESOURCES[name]["Properties"]["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    role = RESOURCES[f"{name}Role"]["Properties"]
    [(condition, policy, otherwise)] = [each["Fn::If"] for each in role["Policies"] if "Fn::If" in each]
    assert (condition, otherwise) == ("HasDeliveryNetwork", {"Ref": "AWS::NoValue"})
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert allowed["Action"] == denied["Action"]
    assert "lambda:SourceFunctionArn" in denied["Condition"]["ArnLike"]
    others = str([each for each in RESOURCES.values() if each is not RESOURCES[f"{name}Role"]])
    assert others.count("ec2:CreateNetworkInterface") == 2 * (len(CONNECTING) - 1)  # those of the other functions


def test_roles_of_other_accounts_are_assumed_by_deliveries_only() -> None:
    statements = [
        (name, resource.get("Condition"), resource["Properties"]["Roles"], statement)
        for name, resource in RESOURCES.items()
        if resource["Type"] == "AWS::IAM::Policy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        if "sts:AssumeRole" in statement["Action"]
    ]
    [(_, condition, roles, statement)] = statements
    assert condition == "HasForeignBucketRoles"
    assert {role["Ref"] for role in roles} == {f"{name}Role" for name in WITH_BUCKETS}
    assert statement["Resource"] == {"Ref": "ForeignBucketRoles"}


@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ("{}", True),
        ('{"partner-in": {"owner": "111122223333"}}', True),
        ('{"a-b": {"owner": "1", "roleArn": "arn:x", "externalId": "e"}, "c-d": {"kmsKeyArn": "arn:k"}}', True),
        ("", False),
        ("partner-in=111122223333", False),
        ('{"partner-in": "111122223333"}', False),
        ('{"partner-in": {"account": "111122223333"}}', False),
        ('{"partner-in": {"owner": "111122223333",}}', False),
        ('{"partner-in": {"owner": "111122223333"}', False),
    ],
)
def test_a_list_of_foreign_buckets_that_is_no_such_json_is_refused_by_the_deployment(
    text: str, is_accepted: bool
) -> None:
    assert bool(re.fullmatch(TEMPLATE["Parameters"]["ForeignBuckets"]["AllowedPattern"], text)) is is_accepted
    if is_accepted:
        json.loads(text)


def test_the_domain_is_the_one_address_of_api_and_console() -> None:
    """Its mail, its uploads, its sign-in, and the outputs name it; API Gateway's own address is then off."""
    for name in ("ApiDomain", "ApiDomainMapping"):
        assert RESOURCES[name]["Condition"] == "HasDomainName"
    assert RESOURCES["ApiDomainRecords"]["Condition"] == "HasHostedZone"
    assert RESOURCES["Api"]["Properties"]["DisableExecuteApiEndpoint"] == {"Fn::If": ["HasDomainName", True, False]}
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    addresses = [
        variables["CONSOLE_URL"],
        TEMPLATE["Outputs"]["ApiUrl"]["Value"],
        TEMPLATE["Outputs"]["ConsoleUrl"]["Value"],
        *RESOURCES["FilesBucket"]["Properties"]["CorsConfiguration"]["CorsRules"][0]["AllowedOrigins"],
        RESOURCES["UserPoolClient"]["Properties"]["CallbackURLs"][0],
        *RESOURCES["UserPoolClient"]["Properties"]["LogoutURLs"],
    ]
    for address in addresses:
        condition, own, _ = address["Fn::If"]
        assert condition == "HasDomainName" and "https://" in str(own) and "DomainName" in str(own)
