"""The workflows: AWS accepts them, every state is reached, retries outlast an outage of an hour, every failure ends the
job."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.console import install_packages, node_environment
from infra.local.embedded import ROOT
from infra.local.package import load_template
from waybill.exports.extract import PARTS

MACHINES = {
    name: resource["Properties"]
    for name, resource in load_template()["Resources"].items()
    if resource["Type"] == "AWS::Serverless::StateMachine"
}
LAMBDA_TIMEOUT_SECONDS = 900


def definition_of(name: str) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads((ROOT / MACHINES[name]["DefinitionUri"]).read_text())
    return definition


def flows(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine itself and what its Map states run."""
    yield definition
    for state in definition["States"].values():
        if state["Type"] == "Map":
            yield from flows(state["ItemProcessor"])


def targets(state: dict[str, Any]) -> set[str]:
    rules = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return {rule[key] for rule in rules for key in ("Next", "Default") if key in rule}


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_every_state_is_reached_and_every_target_exists(name: str) -> None:
    for flow in flows(definition_of(name)):
        reached, open_states = set(), {flow["StartAt"]}
        while open_states:
            reached |= open_states
            open_states = set().union(*(targets(flow["States"][state]) for state in open_states)) - reached
        assert reached == set(flow["States"])


@pytest.fixture(scope="module")
def validator() -> list[str]:
    """The command that reads a definition by the grammar of https://states-language.net: neither the embedded AWS nor
    the simulator refuses what AWS would."""
    folder = ROOT / "tests" / "infra" / "asl-validator"
    install_packages(folder)
    return [str(folder / "node_modules" / ".bin" / "asl-validator"), "--json-path"]


def verdict(validator: list[str], path: Path, text: str) -> tuple[int, str]:
    """(0 if the definition is valid, what the validator says of it)."""
    text = text.replace("${Partition}", "aws")
    path.write_text(re.sub(r"\$\{\w+\}", "arn:aws:lambda:us-east-1:123456789012:function:steps", text))
    done = subprocess.run(
        [*validator, str(path)], env=node_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_aws_accepts_the_definition(name: str, validator: list[str], tmp_path: Path) -> None:
    text = (ROOT / MACHINES[name]["DefinitionUri"]).read_text()
    code, said = verdict(validator, tmp_path / "machine.json", text)
    assert code == 0, said


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"MaxConcurrencyPath": "$.plan.workers"', '"MaxConcurrency": "4"'),
        ('"BackoffRate": 2', '"BackoffRate": "2"'),
        ('"LoadGivenUp"', '"PrecheckGivenUp"'),
        ('"$$.State.RetryCount"', '"RetryCount"'),
        ('"ExecutionType": "STANDARD"', '"ExecutionType": "SLOW"'),
        ('"Next": "Finish"', '"Next": "Finnish"'),
    ],
)
def test_the_validator_finds_what_aws_would_refuse(
    right: str, wrong: str, validator: list[str], tmp_path: Path
) -> None:
    text = (ROOT / MACHINES["ImportStateMachine"]["DefinitionUri"]).read_text()
    assert right in text
    code, said = verdict(validator, tmp_path / "machine.json", text.replace(right, wrong))
    assert code == 1, said


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_placeholders_are_exactly_the_substitutions(name: str) -> None:
    text = (ROOT / MACHINES[name]["DefinitionUri"]).read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(MACHINES[name]["DefinitionSubstitutions"])


def retriers(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(state, rule) of every retry rule."""
    for flow in flows(definition_of(name)):
        for state_name, state in flow["States"].items():
            yield from ((state_name, rule) for rule in state.get("Retry", []))


def waits(rule: dict[str, Any]) -> list[float]:
    """The longest wait before each retry; under full jitter a wait is uniform between 0 and this."""
    assert rule["JitterStrategy"] == "FULL", (
        "many jobs fail at the same moment: they must not come back at the same one"
    )
    longest, first, rate = rule["MaxDelaySeconds"], rule["IntervalSeconds"], rule["BackoffRate"]
    return [min(longest, first * rate**number) for number in range(rule["MaxAttempts"])]


def chance_of_less(rule: dict[str, Any], seconds: float) -> float:
    """An upper bound of the probability that all waits of a rule together are shorter than this (Chernoff)."""

    def exponent(s: float) -> float:
        return s * seconds + sum(math.log(-math.expm1(-s * wait) / (s * wait)) for wait in waits(rule))

    return math.exp(min(exponent(step / (20 * rule["MaxDelaySeconds"])) for step in range(1, 200)))


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_every_step_is_repeated_whatever_its_error_and_outlasts_its_function(name: str) -> None:
    for flow in flows(definition_of(name)):
        for state in flow["States"].values():
            if state["Type"] == "Task":
                assert state["TimeoutSeconds"] > LAMBDA_TIMEOUT_SECONDS
                errors = [rule["ErrorEquals"] for rule in state["Retry"]]
                assert errors == [
                    ["Lambda.TooManyRequestsException"],
                    ["States.Timeout", "Sandbox.Timedout"],
                    ["States.ALL"],
                ]
            if "ItemReader" in state:  # the list of chunks is in S3, which may be down as anything else
                assert [rule["ErrorEquals"] for rule in state["Retry"]] == [["States.ItemReaderFailed"]]


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_retries_of_every_step_outlast_an_outage_of_an_hour(name: str) -> None:
    """All but certainly, with full jitter: once in 10,000 times they may not."""
    for state, rule in retriers(name):
        match rule["ErrorEquals"][0]:
            case "Lambda.TooManyRequestsException":  # a job waits for a free slot as long as its execution may run
                assert chance_of_less(rule, definition_of(name)["TimeoutSeconds"]) < 1e-4, state
            case "States.Timeout":  # each attempt has lasted as long as an invocation may
                assert (1 + rule["MaxAttempts"]) * LAMBDA_TIMEOUT_SECONDS >= 3600, state
            case _:
                assert chance_of_less(rule, 3600) < 1e-4, state


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_after_an_outage_of_an_hour_a_step_goes_on_within_two_minutes(name: str) -> None:
    for state, rule in retriers(name):
        if rule["ErrorEquals"][0] != "Lambda.TooManyRequestsException":
            assert max(waits(rule)) <= 120, state
            assert sum(waits(rule)) <= 3 * 3600, f"{state}: whoever waits for the job is told at last"


def test_the_retries_of_parts_fit_into_the_history_of_their_execution() -> None:
    """Step Functions ends an execution with 25,000 events; an attempt is three, and an inline Map has no history of
    its own."""
    for definition in map(definition_of, MACHINES):
        for state in definition["States"].values():
            if state["Type"] == "Map" and state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "INLINE":
                [task] = [each for each in state["ItemProcessor"]["States"].values() if each["Type"] == "Task"]
                attempts = sum(rule["MaxAttempts"] for rule in task["Retry"])
                assert 3 * attempts * PARTS < 25_000


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_step_that_is_given_up_marks_the_job_failed(name: str) -> None:
    """A step knows how often it was repeated, and says when a further attempt is of no use."""
    definition = definition_of(name)
    for flow in flows(definition):
        for state in flow["States"].values():
            if state["Type"] == "Task" and state["Parameters"]["step"] != "fail":
                assert state["Parameters"]["attempt.$"] == "$$.State.RetryCount"
                choices = flow["States"][state["Next"]]["Choices"]
                [given_up] = [choice for choice in choices if choice.get("StringEquals") == "given-up"]
                assert given_up["Variable"] == f"{state['ResultPath']}.outcome"
                end = flow["States"][given_up["Next"]]
                if flow is definition:
                    assert (end["ResultPath"], end["Next"]) == ("$.error", "MarkFailed")
                else:
                    assert end["Type"] == "Fail"


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_whatever_fails_marks_the_job_failed(name: str) -> None:
    definition = definition_of(name)
    for state_name, state in definition["States"].items():
        if state["Type"] in ("Task", "Map") and state_name != "MarkFailed":
            [catch] = state["Catch"]
            assert catch == {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "MarkFailed"}
    assert definition["States"]["MarkFailed"]["Parameters"]["step"] == "fail"


def test_every_step_but_the_plan_is_asked_again_for_more() -> None:
    asked_again = set()
    for flow in flows(definition_of("ImportStateMachine")):
        for name, state in flow["States"].items():
            if state["Type"] == "Task" and state["Parameters"]["step"] != "plan":
                assert (state["ResultSelector"], state["ResultPath"]) == ({"outcome.$": "$.outcome"}, "$.result")
                choice = flow["States"][state["Next"]]["Choices"][0]
                assert choice == {"Variable": "$.result.outcome", "StringEquals": "more", "Next": name}
                asked_again.add(state["Parameters"]["step"])
    assert asked_again == {"precheck", "deduplicate", "load", "finish", "fail"}


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_map_runs_as_many_items_in_parallel_as_the_parameter_says(name: str) -> None:
    """The step before it puts the setting into the state: what SAM substitutes is a string, which AWS refuses here."""
    maps = [state for state in definition_of(name)["States"].values() if state["Type"] == "Map"]
    paths = {"ImportStateMachine": ["$.plan.workers"] * 2, "ExportStateMachine": ["$.result.workers"]}
    paths["SourceStateMachine"] = []
    assert [state.get("MaxConcurrencyPath") for state in maps] == paths[name]


def test_chunks_are_read_from_s3_and_leave_no_result_in_the_payload() -> None:
    """A state's payload is limited to 256 KiB, a file's chunks are not."""
    maps = [state for state in definition_of("ImportStateMachine")["States"].values() if state["Type"] == "Map"]
    assert maps
    for state in maps:
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSON", "ItemsPointer": "/chunks"}
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        ends = [step for step in state["ItemProcessor"]["States"].values() if step.get("End")]
        assert all(step.get("ResultSelector", step.get("Result")) == {} for step in ends)
        assert state["ResultPath"] is None
