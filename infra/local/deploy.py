"""Create or update the stack on MiniStack, through the same API calls as on AWS."""

from __future__ import annotations

import contextlib
import copy
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.claim import LocalStackError
from infra.local.embedded import REGION
from infra.local.package import Template, load_template, package, suit_policies

STACK_NAME = "waybill"
CODE_BUCKET = "waybill-code"
TEMPLATE_NAME = "template.json"
USERS: dict[str, list[str]] = {"admin": ["admin"], "alice": ["ops", "sales"], "bob": []}
"""The users of the embedded AWS and their groups."""
DEPLOY_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Deployed:
    """Outputs and resources of the deployed stack.

    Attributes:
        outputs: the outputs of the template.
        resources: logical name → physical name of every resource.
    """

    outputs: dict[str, str]
    resources: dict[str, str]


class Clients:
    """Boto3 clients of one MiniStack, created on first use."""

    def __init__(self, endpoint: str) -> None:
        """Store the address; no connection is made yet."""
        self.endpoint = endpoint
        self._session = boto3.Session("test", "test", region_name=REGION)
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return the client of a service, by the service's name in boto3."""
        if service not in self._made:
            # proxies={}: requests to loopback must not go through a proxy that the environment names
            config = Config(proxies={}, signature_version="s3v4" if service == "s3" else None)
            make: Any = self._session.client  # its type is one overload for each service, by literal name
            self._made[service] = make(service, endpoint_url=self.endpoint, config=config)
        return self._made[service]

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._made.values():
            client.close()


def deploy(clients: Clients, parameters: Mapping[str, str | int]) -> Deployed:
    """Create the stack, or update it to the current `template.yaml` and code.

    Args:
        clients: of the MiniStack to deploy to.
        parameters: template parameters that differ from their defaults.

    Raises:
        LocalStackError: the stack could not be created or updated; with the first reason that it gave.
    """
    template = load_template()
    suited = suit_policies(copy.deepcopy(template))
    values = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()} | dict(parameters)
    upload = partial(_upload_code, clients)
    body = json.dumps(package(suited, upload, int(str(values["WorkersPerJob"]))))
    _upload_code(clients, TEMPLATE_NAME, body.encode())
    _create_or_update(clients, [{"ParameterKey": k, "ParameterValue": str(v)} for k, v in parameters.items()])
    cloudformation = clients("cloudformation")
    stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    resources = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
        for resource in page["StackResourceSummaries"]
    }
    _apply_what_is_left_out(clients, template, resources, values)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    _register_console(clients, outputs)
    _verify_sender(clients, str(values["MailSender"]))
    return Deployed(outputs, resources)


def ensure_users(clients: Clients, user_pool_id: str, store: Path) -> dict[str, str]:
    """Create the users and groups that are missing, and return the users' passwords.

    Args:
        clients: of the MiniStack with the user pool.
        user_pool_id: the pool.
        store: file that keeps the passwords from one start to the next, beside the state they belong to.
    """
    if store.exists():
        passwords: dict[str, str] = json.loads(store.read_text())
        return passwords
    cognito = clients("cognito-idp")
    for group in ("ops", "sales"):
        cognito.create_group(UserPoolId=user_pool_id, GroupName=group)
    passwords = {}
    for user, groups in USERS.items():
        passwords[user] = f"{secrets.token_urlsafe(12)}-Aa1"  # the tail satisfies the pool's password policy
        cognito.admin_create_user(UserPoolId=user_pool_id, Username=user, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(
            UserPoolId=user_pool_id, Username=user, Password=passwords[user], Permanent=True
        )
        for group in groups:
            cognito.admin_add_user_to_group(UserPoolId=user_pool_id, Username=user, GroupName=group)
    store.touch(0o600)
    store.write_text(json.dumps(passwords))
    return passwords


def _upload_code(clients: Clients, name: str, content: bytes) -> str:
    s3 = clients("s3")
    try:
        s3.head_bucket(Bucket=CODE_BUCKET)
    except ClientError:
        s3.create_bucket(Bucket=CODE_BUCKET)
    s3.put_object(Bucket=CODE_BUCKET, Key=name, Body=content)
    return f"s3://{CODE_BUCKET}/{name}"


def _create_or_update(clients: Clients, parameters: list[dict[str, str]]) -> None:
    cloudformation = clients("cloudformation")
    arguments = {
        "StackName": STACK_NAME,
        # A request takes 51,200 bytes of a template; from S3 it may have 1 MB, as `sam deploy` does it.
        "TemplateURL": f"{clients.endpoint}/{CODE_BUCKET}/{TEMPLATE_NAME}",
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        cloudformation.create_stack(**arguments)
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**arguments)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return
            raise LocalStackError(f"the stack could not be updated: {error}") from error
    except ClientError as error:
        raise LocalStackError(f"the stack could not be created: {error}") from error
    deadline = time.monotonic() + DEPLOY_TIMEOUT_SECONDS
    status = "…_IN_PROGRESS"
    while status.endswith("_IN_PROGRESS") and time.monotonic() < deadline:
        time.sleep(0.1)
        status = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["StackStatus"]
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise LocalStackError(f"the stack is {status}: {_first_reason(cloudformation)}")


def _first_reason(cloudformation: Any) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    if not failed:
        return "no reason given"
    first = failed[-1]  # events come newest first
    return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason given')}"


def _apply_what_is_left_out(
    clients: Clients, template: Template, resources: dict[str, str], values: Mapping[str, Any]
) -> None:
    """Apply through each service's API the properties that MiniStack's CloudFormation ignores."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                _complete_table(clients("dynamodb"), resources[name], properties)
            case "AWS::S3::Bucket":
                rules = [_lifecycle_rule(rule, values) for rule in properties["LifecycleConfiguration"]["Rules"]]
                clients("s3").put_bucket_lifecycle_configuration(
                    Bucket=resources[name], LifecycleConfiguration={"Rules": rules}
                )


def console_url(endpoint: str, api_id: str) -> str:
    """Where an API of the embedded AWS has the console. The template knows only the address that AWS would give it."""
    return f"{endpoint}/_aws/execute-api/{api_id}/console/"


def _register_console(clients: Clients, outputs: Mapping[str, str]) -> None:
    """Let the managed login return to the console's address on this machine."""
    cognito = clients("cognito-idp")
    client_id = {"UserPoolId": outputs["UserPoolId"], "ClientId": outputs["UserPoolClientId"]}
    client = cognito.describe_user_pool_client(**client_id)["UserPoolClient"]
    address = console_url(clients.endpoint, outputs["ApiId"])
    # MiniStack keeps what an update leaves out; on AWS it would get its default.
    cognito.update_user_pool_client(
        **client_id,
        CallbackURLs=list(dict.fromkeys([*client["CallbackURLs"], f"{address}signed-in"])),
        LogoutURLs=list(dict.fromkeys([*client["LogoutURLs"], address])),
    )


def _verify_sender(clients: Clients, sender: str) -> None:
    """Verify the sender's address, which operators on AWS do once by hand. MiniStack stores the mails."""
    mail = clients("sesv2")
    if sender:
        with contextlib.suppress(mail.exceptions.AlreadyExistsException):
            mail.create_email_identity(EmailIdentity=sender)


def _complete_table(dynamodb: Any, table: str, properties: Mapping[str, Any]) -> None:
    wanted = properties.get("TimeToLiveSpecification")
    now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
    if wanted and now != "ENABLED":  # to enable it twice is an error
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification=properties["PointInTimeRecoverySpecification"]
    )


def _lifecycle_rule(rule: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a lifecycle rule of the template into the form of the S3 API."""
    translated: dict[str, Any] = {
        "ID": rule["Id"],
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
    }
    if "ExpirationInDays" in rule:
        translated["Expiration"] = {"Days": int(values[rule["ExpirationInDays"]["Ref"]])}
    if "AbortIncompleteMultipartUpload" in rule:
        days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        days = int(values[days["Ref"]]) if isinstance(days, dict) else days
        translated["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return translated
