"""`make deploy`: deploy what `make build` has built to an AWS account, make the first admin, say what to do next.

Account and region are those of the AWS CLI: its environment variables and profiles.

Environment:
    STACK: name of the stack, default waybill; at most 22 characters.
    PARAMETERS: template parameters, as `WorkersPerJob=8 MachineClients={"client-id": ["ops"]}`. A value reaches to the
        next white space that a name and = follow; in quotes, it may contain these, too. Parameters that are not named
        keep the values of the last deployment, or have their defaults in the first.
    ADMIN_EMAIL: address of the first admin. It is asked for if it is missing and the stack has no admin yet.
    YES: 1 deploys without asking whether the changes are wanted, as without a terminal.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from infra.local.package import load_template

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv-sam" / "bin" / "sam"
ADMIN_GROUP = "admin"
WAITING = {"Delay": 5, "MaxAttempts": 360}
LONGEST_STACK_NAME = 22
"""A role's name has 64 characters. The longest one in the template, two hyphens and CloudFormation's suffix take 42."""
PROTECTION = "DeletionProtection"
AFTER_CREATION = "after-creation"
"""Value of PROTECTION in the first deployment, which could not be undone if the tables were protected. It stays in the
stack until the protection is on, so that the next run completes one that was interrupted."""

PARAMETER = re.compile(
    r"""(?P<name>[A-Za-z][A-Za-z0-9]*)=
        (?: (?P<quote>["'])(?P<quoted>.*?)(?P=quote) | (?P<plain>.*?) )
        (?: \s+(?=[A-Za-z][A-Za-z0-9]*=) | $ )""",
    re.DOTALL | re.VERBOSE,
)
"""Name=value, up to the next one or the end of the text."""


class DeployError(Exception):
    """The deployment cannot go on; the message is for the person who deploys."""


def main() -> int:
    """Deploy; 1 after an error, which is printed."""
    try:
        _deploy(os.environ)
    except DeployError as error:
        print(f"make deploy: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"make deploy: {failure_text(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make deploy: interrupted; run it again to go on", file=sys.stderr)
        return 1
    return 0


def region_of(environment: Mapping[str, str]) -> str | None:
    """The region that a user's environment names; boto3 reads AWS_DEFAULT_REGION only."""
    return environment.get("AWS_REGION") or None


def failure_text(error: Exception) -> str:
    """Why AWS cannot be asked or refused, and what to set where that is missing on the user's side."""
    if isinstance(error, NoRegionError):
        return "no region: set AWS_REGION, or AWS_PROFILE to a profile with one"
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return f"AWS answered: {error}"


def _deploy(environment: Mapping[str, str]) -> None:
    stack = environment.get("STACK") or "waybill"
    email = environment.get("ADMIN_EMAIL") or ""
    if email:
        require_address(email)
    parameters = parse_parameters(environment.get("PARAMETERS") or "", load_template()["Parameters"])
    session = boto3.Session(region_name=region_of(environment))
    if session.region_name is None:
        raise NoRegionError
    account = session.client("sts").get_caller_identity()["Account"]
    print(f"stack {stack} in account {account}, region {session.region_name}", flush=True)
    cloudformation = session.client("cloudformation")

    found = describe(cloudformation, stack)
    if found and found["StackStatus"] == "ROLLBACK_COMPLETE":  # its creation failed: it has no resources
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=WAITING)
        found = None
    if found is None:
        require_short(stack)
        parameters.setdefault(PROTECTION, AFTER_CREATION)
    elif parameters_of(found).get(PROTECTION) == AFTER_CREATION:
        print("an earlier run ended before it protected the tables and the user pool: this is done first", flush=True)
        switch_protection_on(cloudformation, found)
    run_sam(stack, session.region_name, parameters, environment)

    found = describe(cloudformation, stack)
    if not found:
        raise DeployError("not deployed: the changes were not wanted")
    values = parameters_of(found)
    if values.get(PROTECTION) == AFTER_CREATION:
        switch_protection_on(cloudformation, found)
    elif values.get(PROTECTION) == "off":
        print(f"the tables and the user pool are not protected against deletion: {PROTECTION}=on protects them")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
    issuer = values.get("OidcIssuer", "")
    admin = None if issuer else first_admin(session.client("cognito-idp"), outputs["UserPoolId"], email)
    print(what_next(stack, outputs, admin, issuer), flush=True)


def parse_parameters(text: str, known: Container[str]) -> dict[str, str]:
    """Return the parameters in the text of PARAMETERS, by name.

    Raises:
        DeployError: something has no name, or one that the template does not know or that was given before.
    """
    text = text.strip()
    parameters: dict[str, str] = {}
    end = 0
    while end < len(text):
        found = PARAMETER.match(text, end)
        if found is None:
            raise DeployError(f"PARAMETERS: {text[end:]} is not Name=value; values with a space before = need quotes")
        name = found["name"]
        if name not in known:
            raise DeployError(f"PARAMETERS: the template has no parameter {name}; values with a name and = need quotes")
        if name in parameters:
            raise DeployError(f"PARAMETERS: {name} is given twice")
        parameters[name] = found["quoted"] if found["quote"] else found["plain"]
        end = found.end()
    return parameters


def describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    """Return the description of a stack; None if there is none, or nothing but changes that were not wanted."""
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if found["StackStatus"] == "REVIEW_IN_PROGRESS" else dict(found)


def parameters_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the parameters in the description of a stack."""
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])}


def resources_of(cloudformation: Any, stack: str) -> dict[str, str]:
    """Return the physical names of a stack's resources, by their logical ones."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }


def run_sam(stack: str, region: str, parameters: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Deploy with the SAM CLI, which shows the changes, and asks whether they are wanted if there is a terminal.

    Raises:
        DeployError: the deployment failed; the SAM CLI has said why.
    """
    command = [str(SAM), "deploy", "--stack-name", stack, "--region", region, "--no-fail-on-empty-changeset"]
    if environment.get("YES") or not sys.stdin.isatty():
        command.append("--no-confirm-changeset")
    with tempfile.TemporaryDirectory() as folder:
        if parameters:
            file = Path(folder) / "parameters.yaml"
            file.write_text(json.dumps({name: quoted_for_sam(value) for name, value in parameters.items()}))
            command += ["--parameter-overrides", f"file://{file}"]
        # Parameters are those of whoever deploys, with their own credentials and without a shell.
        if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603
            raise DeployError("the deployment failed, see above; docs/deploy.md lists the known causes")


def quoted_for_sam(value: str) -> str:
    """Return what the SAM CLI reads as this value in a file of parameters. Its command line could not hold every value.

    It takes the outer quotes away, then a backslash before each space, double and single quote; and does so twice, when
    it reads the file and when it reads its command line (samcli/cli/types.py, `CfnParameterOverridesType.convert` and
    `_unquote_wrapped_quotes`; a test asks this parser).
    """
    for _ in range(2):
        value = '"' + re.sub(r"""\\(?=[ "'])""", r"\\\\", value) + '"'
    return value


def switch_protection_on(cloudformation: Any, found: Mapping[str, Any]) -> None:
    """Protect the tables and the user pool of the stack with this description against deletion."""
    parameters: list[dict[str, Any]] = [
        {"ParameterKey": name, "UsePreviousValue": True} for name in parameters_of(found) if name != PROTECTION
    ]
    cloudformation.update_stack(
        StackName=found["StackName"],
        UsePreviousTemplate=True,
        Parameters=[*parameters, {"ParameterKey": PROTECTION, "ParameterValue": "on"}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName=found["StackName"], WaiterConfig=WAITING)


def first_admin(cognito: Any, pool: str, email: str) -> str | None:
    """Make an admin, to whom Cognito sends an invitation with a temporary password.

    Args:
        cognito: client of the user pools.
        pool: of the stack.
        email: of the admin; if empty, it is asked for unless there is an admin already or nobody to ask.

    Returns:
        The address of the admin; None if none was made.

    Raises:
        DeployError: the address is none.
    """
    if not email:
        has_admin = cognito.list_users_in_group(UserPoolId=pool, GroupName=ADMIN_GROUP, Limit=1)["Users"]
        if has_admin or not sys.stdin.isatty():
            return None
        email = input("E-mail address of the first admin (empty for none): ").strip()
        if not email:
            return None
        require_address(email)
    attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
    try:
        cognito.admin_create_user(
            UserPoolId=pool, Username=email, UserAttributes=attributes, DesiredDeliveryMediums=["EMAIL"]
        )
    except cognito.exceptions.UsernameExistsException:
        print(f"{email} is a user already")
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=ADMIN_GROUP)
    return email


def require_short(stack: str) -> None:
    """Raise DeployError if the name of a new stack is too long."""
    if len(stack) > LONGEST_STACK_NAME:
        raise DeployError(
            f"the name {stack} has {len(stack)} characters, at most {LONGEST_STACK_NAME} are allowed: CloudFormation "
            "would cut it in the names of roles and functions, by which rights are given. Choose a shorter STACK"
        )


def require_address(email: str) -> None:
    """Raise DeployError unless this looks like an e-mail address."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise DeployError(f"{email} is not an e-mail address")


def what_next(stack: str, outputs: Mapping[str, str], admin: str | None, issuer: str) -> str:
    """Return the addresses of a stack, and the first steps with it."""
    pool, api = outputs["UserPoolId"], outputs["ApiUrl"]
    if issuer:
        sign_in = f"sign in with {issuer}; give the first admin the group `{ADMIN_GROUP}` there"
    elif admin:
        sign_in = f"sign in at the console as {admin}, with the temporary password of the mail that Cognito has sent"
    else:
        sign_in = (
            "sign in at the console. Without an admin, run `make deploy ADMIN_EMAIL=…`; more users:\n"
            f"     aws cognito-idp admin-create-user --user-pool-id {pool} --username NAME"
        )
    return f"""
console      {outputs["ConsoleUrl"]}
API          {api}/v1
documents    {outputs["DocsUrl"]}
drop bucket  s3://{outputs["DropBucket"]}/drop/{{entity}}/

Next:
  1. {sign_in}
  2. waybill login --api-url {api}
  3. waybill entities put contacts contacts.json (a Table Schema: docs/validation.md), or add it in the console
  4. waybill import FILE --entity contacts --watch, or
     aws s3 cp FILE s3://{outputs["DropBucket"]}/drop/contacts/
Secrets of deliveries begin with `{stack}/`, unless SecretPrefix says otherwise. docs/deploy.md has the rest:
parameters, upgrades, deletion."""


if __name__ == "__main__":
    sys.exit(main())
