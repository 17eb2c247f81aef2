"""What a deployment does to a stack that is used: on the embedded AWS, through CloudFormation."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.claim import LocalStackError, free_port
from infra.local.deploy import CODE_BUCKET, Clients, Deployed, deploy
from infra.local.embedded import EmbeddedAws
from infra.local.package import load_template, package
from infra.local.stack import LOCAL_PARAMETERS

DAY = 86_400

pytestmark = pytest.mark.slow


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    with contextlib.ExitStack() as at_the_end:
        aws = EmbeddedAws(tmp_path, port=free_port(), persist=False)
        at_the_end.callback(aws.stop)
        yield at_the_end.enter_context(contextlib.closing(Clients(aws.endpoint)))


def steps_called(clients: Clients, deployed: Deployed, kind: str) -> set[str]:
    """The functions that a state machine's definition calls."""
    machine = deployed.resources[f"{kind}StateMachine"]
    definition = clients("stepfunctions").describe_state_machine(stateMachineArn=machine)["definition"]
    return {state["Resource"] for state in json.loads(definition)["States"].values() if state["Type"] == "Task"}


def test_a_running_execution_keeps_its_code_and_its_parameters_through_a_deployment(clients: Clients) -> None:
    """Its definition names a version; the next deployment publishes another one, and both remain."""
    # Python's compiled files differ a little in a process that has compiled them before.
    package(load_template(), lambda name, _: f"s3://bucket/{name}", 1)
    before = deploy(clients, LOCAL_PARAMETERS | {"WriteConnections": 7})
    called_before = {kind: steps_called(clients, before, kind) for kind in ("Import", "Export")}
    again = deploy(clients, LOCAL_PARAMETERS | {"WriteConnections": 7, "LifecycleDays": 9})
    assert {kind: steps_called(clients, again, kind) for kind in ("Import", "Export")} == called_before

    after = deploy(clients, LOCAL_PARAMETERS | {"WriteConnections": 8, "LifecycleDays": 9})
    for kind in ("Import", "Export"):
        [old], [new] = called_before[kind], steps_called(clients, after, kind)
        assert old != new
        for version, connections in ((old, "7"), (new, "8")):
            found = clients("lambda").get_function_configuration(FunctionName=version)
            assert found["Version"].isdigit(), "not $LATEST, which the next deployment changes"
            assert found["Environment"]["Variables"]["WRITE_CONNECTIONS"] == connections


def test_parameters_that_contradict_each_other_are_refused_with_words_and_nothing_is_left_behind(
    clients: Clients,
) -> None:
    refusal = r"Parameters: .*FilesRetentionSeconds=2592000 .* set LifecycleDays to at least 31"
    with pytest.raises(LocalStackError, match=refusal):
        deploy(clients, LOCAL_PARAMETERS | {"FilesRetentionSeconds": 30 * DAY})
    assert clients("dynamodb").list_tables()["TableNames"] == []
    assert [bucket["Name"] for bucket in clients("s3").list_buckets()["Buckets"]] == [CODE_BUCKET]
    assert clients("cognito-idp").list_user_pools(MaxResults=10)["UserPools"] == []


def test_a_stack_refuses_contradicting_parameters_and_stays_as_it_was(clients: Clients) -> None:
    deployed = deploy(clients, LOCAL_PARAMETERS)
    with pytest.raises(LocalStackError, match="set LifecycleDays to at least 31"):
        deploy(clients, LOCAL_PARAMETERS | {"FilesRetentionSeconds": 30 * DAY})
    function = clients("lambda").get_function_configuration(FunctionName=deployed.resources["ScheduleFunction"])
    assert function["Environment"]["Variables"]["FILES_RETENTION_SECONDS"] == str(2 * DAY)
    assert deploy(clients, LOCAL_PARAMETERS | {"FilesRetentionSeconds": 30 * DAY, "LifecycleDays": 31})


def test_protected_tables_and_users_cannot_be_deleted(clients: Clients) -> None:
    deployed = deploy(clients, LOCAL_PARAMETERS | {"DeletionProtection": "on"})
    dynamodb, cognito = clients("dynamodb"), clients("cognito-idp")
    for table in ("JobsTable", "CatalogTable", "RecordsTable"):
        with pytest.raises(dynamodb.exceptions.ClientError, match="protection"):
            dynamodb.delete_table(TableName=deployed.resources[table])
    pool = cognito.describe_user_pool(UserPoolId=deployed.resources["UserPool"])["UserPool"]
    assert pool["DeletionProtection"] == "ACTIVE"
