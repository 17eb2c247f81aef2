"""`make doctor` tells of webhooks that nobody takes. Its other checks: tests/e2e/test_doctor.py, on a running stack."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from infra import check_secrets, dead_letters, doctor
from infra.doctor import CHECKS, Deployment


def findings(partitions: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What is said of webhooks, given the items of the jobs table by partition."""

    def paginate(**request: Any) -> list[dict[str, Any]]:
        items = partitions.get(request["ExpressionAttributeValues"][":pk"]["S"], [])
        return [{"Items": items[:1]}, {"Items": items[1:]}]

    client = SimpleNamespace(get_paginator=lambda name: SimpleNamespace(paginate=paginate))
    (check,) = (check for check in CHECKS if check.__name__ == "_webhooks")
    return [finding.what for finding in check(Deployment(lambda service: client, {}, {"JobsTable": "jobs"}, {}))]


def item(ago: timedelta, name: str = "msg_1") -> dict[str, Any]:
    at = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"sk": {"S": f"{at}#{name}"}}


def server(ago: timedelta, name: str) -> dict[str, Any]:
    return {"sk": {"S": name}, "since": {"S": item(ago)["sk"]["S"].partition("#")[0]}}


def test_webhooks_that_wait_or_were_given_up_are_found_with_their_receivers() -> None:
    hour, month = timedelta(hours=1), timedelta(days=30)
    assert findings(
        {
            "WEBHOOK": [item(hour), item(2 * hour), item(timedelta(minutes=1)), item(-hour)],
            "WEBHOOK#DEAD": [item(hour), item(month)],
            "WEBHOOK#SERVER": [server(month, "old:443"), *(server(hour, f"h{number}:443") for number in range(6))],
        }
    ) == [
        "Webhooks that have been due for more than half an hour: 2.",
        "Webhooks that were given up: 1.",
        "The latest webhook failed, or took long, at h0:443, h1:443, h2:443, h3:443, h4:443 and others.",
    ]
    assert findings({}) == []


@pytest.mark.parametrize("module", [doctor, dead_letters, check_secrets])
@pytest.mark.parametrize(
    ("region", "said"), [("", "no region: set AWS_REGION"), ("us-east-1", "no credentials: set AWS_PROFILE")]
)
def test_what_is_missing_to_ask_aws_is_said_with_what_to_set(
    module: Any, region: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["make"])
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_EC2_METADATA_DISABLED"]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    if region:
        monkeypatch.setenv("AWS_REGION", region)
    assert module.main() == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
