"""An operator asks what is wrong with a deployment, and hands dead letters in again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.dead_letters import redrive
from infra.doctor import CHECKS, examine
from infra.local.stack import LocalStack
from tests.e2e.client import Client

STACK = "waybill"


def whats(stack: LocalStack) -> str:
    return "\n".join(finding.what for finding in examine(stack.clients, STACK))


def test_a_stack_that_is_well_needs_nothing_that_could_not_be_checked(stack: LocalStack) -> None:
    findings = examine(stack.clients, STACK)
    assert [finding.what for finding in findings if finding.what.startswith("Not checked")] == []
    # as this machine is configured
    assert {"Alarms reach nobody.", "The tables and users are not protected against deletion."} <= {
        finding.what for finding in findings
    }
    assert all(finding.do for finding in findings)
    assert [finding.what for finding in examine(stack.clients, "none")] == [
        "There is no stack none in this account and region."
    ]


def test_what_is_wrong_is_found(stack: LocalStack) -> None:
    events, secrets = stack.clients("events"), stack.clients("secretsmanager")
    rule = stack.deployed.resources["ScheduleFunctionEveryMinute"]
    alarm = stack.deployed.resources["JobFailuresAlarm"]
    stack.clients("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    secrets.create_secret(Name="waybill/doctor", SecretString=json.dumps({"username": "u"}))
    events.disable_rule(Name=rule)
    try:
        found = whats(stack)
    finally:
        events.enable_rule(Name=rule)
        secrets.delete_secret(SecretId="waybill/doctor", ForceDeleteWithoutRecovery=True)
        stack.clients("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="test")
    assert "ScheduleFunctionEveryMinute is disabled: nothing is due, recovered or removed." in found
    assert "Alarm: Jobs failed for a reason of the service, not of their files." in found
    assert "The secret waybill/doctor lacks host and entities: deliveries refuse it." in found
    assert "ScheduleFunctionEveryMinute" not in whats(stack)


def test_each_check_says_what_it_is_about() -> None:
    assert all((check.__doc__ or "").startswith("The ") for check in CHECKS)


def test_dead_letters_are_shown_handed_in_once_and_deleted(
    stack: LocalStack, admin: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    admin.put_entity("letters", schema={"fields": [{"name": "id", "type": "string"}], "primaryKey": "id"})
    bucket, key = stack.stack["dropBucket"], "drop/letters/a.csv"
    s3, queues = stack.clients("s3"), stack.clients("sqs")
    s3.put_object(Bucket=bucket, Key=key, Body=b"id\n1\n")
    job = admin.wait(admin.find_job(entity="letters")["jobId"])
    etag = s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    detail: dict[str, Any] = {
        "bucket": {"name": bucket},
        "object": {"key": "drop/letters/gone.csv", "size": 5, "etag": etag, "sequencer": "00"},
        "requester": "111122223333",
    }
    event = {"source": "aws.s3", "detail-type": "Object Created", "time": "2026-01-31T09:00:00Z", "detail": detail}
    drops = stack.deployed.resources["StartImportDeadLetters"]
    minutes = stack.deployed.resources["ScheduleDeadLetters"]
    reason = {"ErrorMessage": {"DataType": "String", "StringValue": "Rate exceeded"}}
    queues.send_message(QueueUrl=drops, MessageBody=json.dumps(event), MessageAttributes=reason)
    queues.send_message(QueueUrl=drops, MessageBody="{}", MessageAttributes=reason)
    queues.send_message(QueueUrl=minutes, MessageBody=json.dumps({"time": "2026-01-31T09:00:00Z"}))

    assert "StartImportDeadLetters holds 2 dead letters." in whats(stack)
    for _ in range(2):  # a look takes nothing
        assert redrive(stack.clients, STACK) == 1
        printed = capsys.readouterr()
        assert f"s3://{bucket}/drop/letters/gone.csv: Rate exceeded: kept" in printed.out
        assert printed.err == "3 dead letters left\n"
    assert redrive(stack.clients, STACK, send=True) == 1
    printed = capsys.readouterr()
    assert "failed again: " in printed.out and printed.err == "2 dead letters left\n"
    assert redrive(stack.clients, STACK, delete=True) == 0
    assert redrive(stack.clients, STACK) == 0
    assert admin.wait(job["jobId"]) == job
