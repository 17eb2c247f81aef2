"""An account with fewer free invocations than workers: waiting for a free one is no error."""

from __future__ import annotations

import time
from typing import Any

from infra.local.stack import LocalStack
from tests.builders import CONTACTS_SCHEMA, contacts_csv
from tests.e2e.client import Client
from tests.e2e.test_import_actions import start_upload
from tests.stack import client_fixture, stack_fixture

ROWS = 6_000
stack = stack_fixture(scope="module", parameters={"ChunkBytes": 20_000, "WorkersPerJob": 8}, concurrency=2)
admin = client_fixture("admin", scope="module")


def ended_job(stack: LocalStack, job_id: str) -> dict[str, Any]:
    """The job's item at its end, asked for without an invocation."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        key = {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}}
        item: dict[str, Any] = stack.clients("dynamodb").get_item(TableName=stack.stack["jobsTable"], Key=key)["Item"]
        if item["status"]["S"] in ("COMPLETED", "FAILED"):
            return item
        time.sleep(0.2)
    raise AssertionError(f"job {job_id} did not end")


def refusals(stack: LocalStack) -> int:
    """How many invocations of steps the account refused."""
    states = stack.clients("stepfunctions")
    machine = stack.deployed.outputs["ImportStateMachineArn"]
    runs = [run["executionArn"] for run in states.list_executions(stateMachineArn=machine)["executions"]]
    maps = [one["mapRunArn"] for run in runs for one in states.list_map_runs(executionArn=run)["mapRuns"]]
    runs += [child["executionArn"] for run in maps for child in states.list_executions(mapRunArn=run)["executions"]]
    events = [event for run in runs for event in states.get_execution_history(executionArn=run)["events"]]
    causes = [str(detail) for event in events for name, detail in event.items() if name.endswith("FailedEventDetails")]
    return sum("Rate Exceeded" in cause or "TooManyRequests" in cause for cause in causes)


def test_an_import_of_more_workers_than_the_account_may_run_counts_each_row_once(
    stack: LocalStack, admin: Client
) -> None:
    admin.put_entity("contacts", schema=CONTACTS_SCHEMA)
    job = ended_job(stack, start_upload(admin, "contacts", contacts_csv(count=ROWS))["jobId"])
    assert (job["status"]["S"], job["imported"]["N"]) == ("COMPLETED", str(ROWS))
    assert refusals(stack) > 0, "the account was never full"
