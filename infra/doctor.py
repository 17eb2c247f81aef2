"""`make doctor`: check a deployment, and say what to do about what is found.

It reads with the credentials of whoever runs it, changes nothing, and prints no data of yours. It exits 1 if it finds
anything that needs doing.

    python -m infra.doctor [--stack waybill]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.check_secrets import faults
from infra.deploy import describe, failure_text, parameters_of, region_of
from waybill.jobs.webhook_queue import DEAD_KEPT, TROUBLE_KEPT

Clients = Callable[[str], Any]
#: An entry of the list of checkups is attended to within the minute that follows its time.
CHECKUPS_LATE = timedelta(minutes=5)
SILENT = timedelta(minutes=30)
#: A webhook that is due is sent within the minute, unless others wait for the same receiver.
WEBHOOKS_LATE = timedelta(minutes=30)
TABLES = ("JobsTable", "RecordsTable", "CatalogTable")
#: What stands still while a rule is disabled.
RULES = {
    "StartImportFunctionDropped": "dropped files are only found by the sweep, within a quarter of an hour",
    "ScheduleFunctionEveryMinute": "nothing is due, recovered or removed",
    "WebhooksFunctionEveryMinute": "no webhooks are sent",
}
MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """Something that needs doing.

    Attributes:
        what: is wrong.
        do: about it.
    """

    what: str
    do: str


@dataclass(frozen=True)
class Deployment:
    """A stack as it is.

    Attributes:
        clients: boto3 clients by service name.
        found: its description by CloudFormation.
        resources: logical name → physical name.
        types: logical name → type of the resource.
    """

    clients: Clients
    found: Mapping[str, Any]
    resources: Mapping[str, str]
    types: Mapping[str, str]

    def of_type(self, kind: str) -> list[str]:
        """The logical names of all resources of a type, so that no check forgets one."""
        return [name for name, type in self.types.items() if type == kind]

    @property
    def parameters(self) -> dict[str, str]:
        return parameters_of(self.found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.doctor", description=__doc__.splitlines()[0])
    parser.add_argument("--stack", default="waybill", help="name of the stack")
    stack = parser.parse_args().stack
    try:
        findings = examine(_client, stack)
    except (BotoCoreError, ClientError) as error:
        print(f"make doctor: {failure_text(error)}", file=sys.stderr)
        return 1
    for finding in findings:
        print(f"- {finding.what}\n  {finding.do}")
    print(f"{len(CHECKS)} checks of the stack {stack}: {len(findings) or 'nothing'} to do", file=sys.stderr)
    return 1 if findings else 0


def examine(clients: Clients, stack: str) -> list[Finding]:
    """Return what is wrong with a stack. A check that lacks a right is a finding, and keeps no other from its turn."""
    cloudformation = clients("cloudformation")
    found = describe(cloudformation, stack)
    if found is None:
        return [Finding(f"There is no stack {stack} in this account and region.", "name another one with STACK=")]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    listed = [each for page in pages for each in page["StackResourceSummaries"]]
    resources = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}
    types = {each["LogicalResourceId"]: each["ResourceType"] for each in listed}
    deployment = Deployment(clients, found, resources, types)
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check(deployment)
        except ClientError as error:
            what = (check.__doc__ or "").rstrip(".").lower()
            findings.append(Finding(f"Not checked: {what} ({error})", "run this with credentials that may read it"))
    return findings


def _stack(deployment: Deployment) -> Iterator[Finding]:
    """The stack's last deployment."""
    status = deployment.found["StackStatus"]
    if not status.endswith("_COMPLETE") or "ROLLBACK" in status:
        yield Finding(f"The stack is {status}.", "see docs/deploy.md, Upgrading: deploy again, or wait until it ends")
    if deployment.parameters.get("DeletionProtection", "on") != "on":
        yield Finding("The tables and users are not protected against deletion.", "deploy with DeletionProtection=on")


def _alarms(deployment: Deployment) -> Iterator[Finding]:
    """The alarms."""
    names = [name for name in deployment.resources if name.endswith("Alarm")]
    if not deployment.parameters.get("AlarmTopicArn"):
        yield Finding("Alarms reach nobody.", "deploy with AlarmTopicArn=, an SNS topic to which somebody subscribes")
    physical = [deployment.resources[name] for name in names]
    for page in deployment.clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=physical):
        for alarm in page["MetricAlarms"]:
            if alarm["StateValue"] == "ALARM":
                says, _, where = alarm.get("AlarmDescription", "").rpartition(": ")
                yield Finding(f"Alarm: {says}.", f"see {where}")


def _rules(deployment: Deployment) -> Iterator[Finding]:
    """The rules that start what is dropped and what is due."""
    events = deployment.clients("events")
    for name in deployment.of_type("AWS::Events::Rule"):
        rule = deployment.resources[name]
        if events.describe_rule(Name=rule)["State"] != "ENABLED":
            yield Finding(f"{name} is disabled: {RULES[name]}.", f"enable the rule {rule} in EventBridge")


def _functions(deployment: Deployment) -> Iterator[Finding]:
    """The functions and their versions."""
    functions = deployment.clients("lambda")
    for name in deployment.of_type("AWS::Lambda::Function"):
        state = functions.get_function_configuration(FunctionName=deployment.resources[name])
        if state.get("State", "Active") not in ("Active", "Inactive") or state.get("LastUpdateStatus") == "Failed":
            reason = state.get("StateReason") or state.get("LastUpdateStatusReason") or "no reason given"
            yield Finding(f"{name} cannot run: {reason}", "deploy again; a KMS key or network may have gone")


def _concurrency(deployment: Deployment) -> Iterator[Finding]:
    """The account's concurrent executions."""
    limits = deployment.clients("lambda").get_account_settings()["AccountLimit"]
    slots, workers = limits["ConcurrentExecutions"], int(deployment.parameters.get("WorkersPerJob", "4"))
    if workers * 2 > slots:
        yield Finding(
            f"Two jobs of {workers} workers each need more than the account's {slots} concurrent executions.",
            "ask AWS for more (Service Quotas, Lambda), or deploy with a lower WorkersPerJob",
        )


def _tables(deployment: Deployment) -> Iterator[Finding]:
    """The tables and their backups."""
    dynamodb = deployment.clients("dynamodb")
    targets = [name for name in deployment.parameters.get("TargetTables", "").split(",") if name]
    for name in (*(deployment.resources[table] for table in TABLES), *targets):
        try:
            status = dynamodb.describe_table(TableName=name)["Table"]["TableStatus"]
        except dynamodb.exceptions.ResourceNotFoundException:
            yield Finding(f"The table {name} does not exist.", "correct TargetTables, or create the table")
            continue
        if status not in ("ACTIVE", "UPDATING"):
            yield Finding(f"The table {name} is {status}.", "look at it in AWS; its KMS key may have been disabled")
        elif name not in targets:
            backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
            recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
            if recovery != "ENABLED":
                yield Finding(f"The table {name} cannot be restored to a point in time.", "deploy again")


def _dead_letters(deployment: Deployment) -> Iterator[Finding]:
    """The dead letters."""
    queues = deployment.clients("sqs")
    for name in deployment.of_type("AWS::SQS::Queue"):  # they have no other queues
        attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = queues.get_queue_attributes(QueueUrl=deployment.resources[name], AttributeNames=attributes)
        if letters := sum(map(int, found["Attributes"].values())):
            yield Finding(f"{name} holds {letters} dead letters.", "look at them with `make redrive`")


def _webhooks(deployment: Deployment) -> Iterator[Finding]:
    """The webhooks that wait or were given up, and their receivers."""
    now = datetime.now(UTC)
    if late := sum(_in_key(item) < now - WEBHOOKS_LATE for item in _items(deployment, "WEBHOOK")):
        yield Finding(
            f"Webhooks that have been due for more than half an hour: {late}.",
            "see docs/webhooks.md#when-it-is-not-taken, and the log of WebhooksFunction",
        )
    if given_up := sum(_in_key(item) > now - DEAD_KEPT for item in _items(deployment, "WEBHOOK#DEAD")):
        yield Finding(f"Webhooks that were given up: {given_up}.", "see docs/operate.md#webhooks-are-given-up")
    items = _items(deployment, "WEBHOOK#SERVER")
    servers = [item["sk"]["S"] for item in items if _time(item["since"]["S"]) > now - TROUBLE_KEPT]
    if servers:
        named = ", ".join(servers[:MOST_NAMED]) + (" and others" if len(servers) > MOST_NAMED else "")
        yield Finding(
            f"The latest webhook failed, or took long, at {named}.",
            "have the receiver mended; `waybill webhooks test` tries an address",
        )


def _items(deployment: Deployment, partition: str) -> Iterator[dict[str, Any]]:
    """The items of a partition of the jobs table."""
    pages = (
        deployment.clients("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=deployment.resources["JobsTable"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
        )
    )
    return (item for page in pages for item in page["Items"])


def _in_key(item: dict[str, Any]) -> datetime:
    """The time at the beginning of an item's sort key."""
    return _time(item["sk"]["S"].partition("#")[0])


def _jobs(deployment: Deployment) -> Iterator[Finding]:
    """The jobs that have not ended."""
    dynamodb, table, now = deployment.clients("dynamodb"), deployment.resources["JobsTable"], datetime.now(UTC)
    entries = list(_items(deployment, "CHECKUP"))
    late = [item for item in entries if _in_key(item) < now - CHECKUPS_LATE]
    if late:
        yield Finding(
            f"{len(late)} of {len(entries)} jobs and queues have not been looked at when it was time.",
            "see docs/operate.md#the-minute-does-not-run",
        )
    for item in entries:
        name = item["sk"]["S"].partition("#")[2]
        if "entityUid" not in item and (silent := _silent_since(dynamodb, table, name)) and silent < now - SILENT:
            yield Finding(
                f"Job {name} shows no sign of life since {silent:%Y-%m-%d %H:%M}Z.",
                "see docs/operate.md#a-job-is-stuck",
            )


def _silent_since(dynamodb: Any, table: str, job_id: str) -> datetime | None:
    """When a job that has not ended last gave a sign of life; None for one that has ended or is gone."""
    key = {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}}
    item = dynamodb.get_item(TableName=table, Key=key).get("Item")
    if item is None or item["status"]["S"] not in ("WAITING", "IN_PROGRESS"):
        return None
    seen = item.get("heartbeatAt") or item["submittedAt"]
    return _time(seen["S"]) if "S" in seen else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _secrets(deployment: Deployment) -> Iterator[Finding]:
    """The secrets of deliveries."""
    prefix = deployment.parameters.get("SecretPrefix") or f"{deployment.found['StackName']}/"
    for name, fault in faults(prefix, deployment.clients("secretsmanager")):
        yield Finding(f"The secret {name} {fault}: deliveries refuse it.", "see docs/security.md#secrets")


def _mail(deployment: Deployment) -> Iterator[Finding]:
    """The sender of mails."""
    sender = deployment.parameters.get("MailSender")
    if not sender:
        return
    mail = deployment.clients("sesv2")
    account = mail.get_account()
    if not account.get("ProductionAccessEnabled", True):
        yield Finding("SES is in its sandbox: it mails verified addresses only.", "ask AWS for production access")
    domain = sender.rpartition("@")[2]
    if not any(_is_verified(mail, identity) for identity in (sender, domain)):
        yield Finding(f"SES may not send as {sender}.", "verify the address or its domain in SES")


def _is_verified(mail: Any, identity: str) -> bool:
    try:
        return bool(mail.get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"])
    except mail.exceptions.NotFoundException:
        return False


def _machines(deployment: Deployment) -> Iterator[Finding]:
    """The versions that executions begin with."""
    machines, functions = deployment.clients("stepfunctions"), deployment.clients("lambda")
    for kind in ("Import", "Export"):
        machine = machines.describe_state_machine(stateMachineArn=deployment.resources[f"{kind}StateMachine"])
        name = deployment.resources[f"{kind}StepsFunction"]
        live = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
        called = {
            part.rpartition(":")[2]
            for part in json.dumps(json.loads(machine["definition"])).split('"')
            if f":function:{name}:" in part
        }
        if called - {live}:
            yield Finding(
                f"New {kind.lower()}s begin with version {', '.join(sorted(called))}, not with {live}.", "deploy again"
            )


CHECKS: tuple[Callable[[Deployment], Iterator[Finding]], ...] = (
    *(_stack, _alarms, _rules, _functions, _machines, _concurrency),
    *(_tables, _dead_letters, _webhooks, _jobs, _secrets, _mail),
)


def _client(service: str) -> Any:
    make: Any = boto3.client  # its type is one overload for each service, by literal name
    return make(service, region_name=region_of(os.environ))


if __name__ == "__main__":
    sys.exit(main())
