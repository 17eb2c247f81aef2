"""The workflows: every state is reachable, and every failure ends the job as failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.embedded import ROOT
from infra.local.package import load_template

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


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_placeholders_are_exactly_the_substitutions(name: str) -> None:
    text = (ROOT / MACHINES[name]["DefinitionUri"]).read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(MACHINES[name]["DefinitionSubstitutions"])


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_every_step_is_repeated_whatever_its_error_and_outlasts_its_function(name: str) -> None:
    for flow in flows(definition_of(name)):
        for state in flow["States"].values():
            if state["Type"] == "Task":
                assert state["TimeoutSeconds"] > LAMBDA_TIMEOUT_SECONDS
                # A throttled account is no failing step: it waits much longer.
                errors = [rule["ErrorEquals"] for rule in state["Retry"]]
                assert errors == [["Lambda.TooManyRequestsException"], ["States.ALL"]]
                assert all(rule["JitterStrategy"] == "FULL" and rule["BackoffRate"] > 1 for rule in state["Retry"])


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
                [choice] = flow["States"][state["Next"]]["Choices"]
                assert choice == {"Variable": "$.result.outcome", "StringEquals": "more", "Next": name}
                asked_again.add(state["Parameters"]["step"])
    assert asked_again == {"precheck", "deduplicate", "load", "finish", "fail"}


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
