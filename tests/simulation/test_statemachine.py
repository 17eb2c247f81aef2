"""The interpreter of state machines does what Step Functions documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.embedded import ROOT
from tests.simulation.statemachine import (
    TRANSITION_SECONDS,
    Execution,
    ExecutionAlreadyExists,
    Executions,
    Machine,
    Refuse,
    Resume,
    StateError,
)
from tests.simulation.timeline import Timeline

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:test"


class Functions:
    """Answers each invocation with the next of `answers`: a value, a StateError, or None for no answer at all."""

    def __init__(self, timeline: Timeline, *answers: Any) -> None:
        self.timeline, self.answers = timeline, list(answers)
        self.times: list[float] = []
        self.payloads: list[Any] = []

    def __call__(self, name: str, payload: Any, resume: Resume, refuse: Refuse) -> None:
        self.times.append(self.timeline.seconds)
        self.payloads.append(payload)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, StateError):
            refuse(answer)
        elif answer is not None:
            resume(answer)


def run(
    states: dict[str, Any],
    *answers: Any,
    given: Any = None,
    read: Callable[..., None] | None = None,
    fraction: Callable[[], float] = lambda: 1.0,
    **machine: Any,
) -> tuple[Execution, Functions]:
    timeline = Timeline()
    functions = Functions(timeline, *answers)
    executions = Executions(timeline, functions, read or (lambda *_: None), fraction)
    definition = {"StartAt": next(iter(states)), "States": states, **machine}
    executions.machines[ARN] = Machine(ARN, json.dumps(definition))
    execution = executions.start(ARN, "one", json.dumps(given or {}))
    timeline.run()
    return execution, functions


def task(**fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": "work", "End": True, **fields}


def waits(functions: Functions) -> list[float]:
    """Seconds between attempts, without the transitions."""
    pairs = zip(functions.times, functions.times[1:], strict=False)
    return [round(after - before - 2 * TRANSITION_SECONDS, 3) for before, after in pairs]


ERROR = StateError("Boom", "it broke")


@pytest.mark.parametrize(
    ("retrier", "expected"),
    [
        ({}, [1, 2, 4]),  # three attempts, after a second, doubled
        ({"IntervalSeconds": 3, "BackoffRate": 1.5, "MaxAttempts": 4}, [3, 4.5, 6.75, 10.125]),
        ({"IntervalSeconds": 2, "BackoffRate": 2, "MaxAttempts": 6, "MaxDelaySeconds": 10}, [2, 4, 8, 10, 10, 10]),
        ({"IntervalSeconds": 2, "BackoffRate": 2, "MaxAttempts": 3, "JitterStrategy": "FULL"}, [1, 2, 4]),
        ({"MaxAttempts": 0}, []),
        ({"ErrorEquals": ["Other"]}, []),
        ({"ErrorEquals": ["States.TaskFailed"]}, [1, 2, 4]),
    ],
)
def test_retries_come_when_the_guide_says(retrier: dict[str, Any], expected: list[float]) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], **retrier}]
    execution, functions = run({"Work": task(Retry=retry)}, *[ERROR] * 20, fraction=lambda: 0.5)
    assert waits(functions) == expected
    assert (execution.status, execution.error) == ("FAILED", ERROR)


def test_each_retrier_counts_for_itself_and_each_visit_begins_anew() -> None:
    retry = [
        {"ErrorEquals": ["Slow"], "IntervalSeconds": 10, "MaxAttempts": 1},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1},
    ]
    again = {"Type": "Choice", "Choices": [{"Variable": "$.more", "BooleanEquals": True, "Next": "Work"}]}
    states = {
        "Work": task(Retry=retry, Next="Again"),
        "Again": again | {"Default": "Done"},
        "Done": {"Type": "Succeed"},
    }
    del states["Work"]["End"]
    slow = StateError("Slow")
    execution, functions = run(states, slow, ERROR, {"more": True}, slow, ERROR, {"more": False})
    assert waits(functions)[:2] == [10, 1] and waits(functions)[3:] == [10, 1]
    assert execution.status == "SUCCEEDED"


def test_nothing_retries_or_catches_an_error_of_the_runtime() -> None:
    rules = [{"ErrorEquals": ["States.ALL"]}]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Done"}]
    states = {"Work": task(Retry=rules, Catch=catch), "Done": {"Type": "Succeed"}}
    execution, functions = run(states, StateError("States.Runtime"))
    assert execution.status == "FAILED" and len(functions.times) == 1


def test_a_task_that_does_not_answer_times_out_and_its_late_answer_is_ignored() -> None:
    timeline = Timeline()
    answers: list[Resume] = []
    executions = Executions(timeline, lambda name, payload, resume, refuse: answers.append(resume), lambda *_: None)
    work = task(TimeoutSeconds=10, Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Late", "ResultPath": "$.error"}])
    late = {"Type": "Wait", "Seconds": 5, "End": True}
    executions.machines[ARN] = Machine(ARN, json.dumps({"StartAt": "Work", "States": {"Work": work, "Late": late}}))
    execution = executions.start(ARN, "one", "{}")
    timeline.at(12, lambda: answers[0]({"late": True}))
    timeline.run()
    assert execution.output == {"error": {"Error": "States.Timeout", "Cause": ""}}
    assert execution.ended_at is not None and 15 < execution.ended_at < 15.2


def test_a_name_is_used_once_also_after_its_execution_has_died() -> None:
    timeline = Timeline()
    executions = Executions(timeline, lambda *_: None, lambda *_: None)
    executions.machines[ARN] = Machine(ARN, json.dumps({"StartAt": "Work", "States": {"Work": task()}}))
    first = executions.start(ARN, "one", "{}")
    assert executions.start(ARN, "one", "{}") is first  # the same request, repeated
    with pytest.raises(ExecutionAlreadyExists):
        executions.start(ARN, "one", '{"other": 1}')
    timeline.run(until=1)
    executions.stop(first.arn)
    assert first.status == "ABORTED"
    with pytest.raises(ExecutionAlreadyExists):
        executions.start(ARN, "one", "{}")


def test_what_has_been_stopped_invokes_nothing_more() -> None:
    timeline = Timeline()
    functions = Functions(timeline)
    executions = Executions(timeline, functions, lambda *_: None)
    states = {"Wait": {"Type": "Wait", "Seconds": 10, "Next": "Work"}, "Work": task()}
    executions.machines[ARN] = Machine(ARN, json.dumps({"StartAt": "Wait", "States": states}))
    execution = executions.start(ARN, "one", "{}")
    timeline.at(5, lambda: executions.stop(execution.arn))
    timeline.run()
    assert functions.times == [] and execution.path == ["Wait"]


def test_the_machine_has_a_time_limit() -> None:
    execution, _ = run({"Work": task()}, None, TimeoutSeconds=100)
    assert (execution.status, execution.ended_at) == ("TIMED_OUT", 100)


def test_the_items_of_a_map_run_side_by_side_up_to_its_limit() -> None:
    item = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "SecondsPath": "$.n", "End": True}}}
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"n.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index", "of.$": "$.job"},
        "MaxConcurrency": 2,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **item},
        "ResultPath": "$.out",
        "End": True,
    }
    execution, _ = run({"Map": state}, given={"items": [10, 10, 10], "job": "j"})
    assert execution.output["out"] == [{"n": 10, "at": at, "of": "j"} for at in range(3)]
    assert execution.ended_at is not None and 20 < execution.ended_at < 21
    empty, _ = run({"Map": state}, given={"items": [], "job": "j"})
    assert empty.output["out"] == []


@pytest.mark.parametrize(
    ("mode", "error"), [("INLINE", "Boom"), ("DISTRIBUTED", "States.ExceedToleratedFailureThreshold")]
)
def test_an_item_that_fails_fails_the_map_and_the_others_are_given_up(mode: str, error: str) -> None:
    item = {"StartAt": "Work", "States": {"Work": task(Next="More") | {"Next": "More"}, "More": task()}}
    del item["States"]["Work"]["End"]  # type: ignore[index]
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {"ProcessorConfig": {"Mode": mode}, **item},
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Later"}],
        "End": True,
    }
    later = {"Type": "Wait", "Seconds": 50, "End": True}
    execution, functions = run({"Map": state, "Later": later}, ERROR, {}, {}, given={"items": [1, 2]})
    assert execution.output["error"]["Error"] == error
    assert len(functions.times) == 2 or execution.path.count("More") == 0


def test_a_distributed_map_reads_its_items_from_an_object() -> None:
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON", "ItemsPointer": "/a/chunks"},
            "Parameters": {"Bucket.$": "$.bucket", "Key": "k"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Work",
            "States": {"Work": task(Parameters={"chunk.$": "$.n"})},
        },
        "ResultPath": None,
        "End": True,
    }

    def read(bucket: str, key: str, resume: Callable[[bytes], None], refuse: Refuse) -> None:
        assert (bucket, key) == ("b", "k")
        resume(b'{"a": {"chunks": [{"n": 1}, {"n": 2}]}}')

    execution, functions = run({"Map": state}, given={"bucket": "b"}, read=read)
    assert sorted(payload["chunk"] for payload in functions.payloads) == [1, 2]
    assert execution.output == {"bucket": "b"}
    broken, _ = run({"Map": state}, given={"bucket": "b"}, read=lambda b, k, resume, refuse: resume(b"no JSON"))
    assert broken.error is not None and broken.error.error == "States.ItemReaderFailed"


def test_choices_selectors_and_failures() -> None:
    states = {
        "Work": {
            "Type": "Task",
            "Resource": "work",
            "Parameters": {"id.$": "$.id", "retries.$": "$$.State.RetryCount", "who.$": "$$.Execution.Name"},
            "ResultSelector": {"only.$": "$.outcome"},
            "ResultPath": "$.result",
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Next": "Which",
        },
        "Which": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [{"Variable": "$.none", "IsPresent": True}, {"Variable": "$.none", "IsNull": True}],
                    "Next": "Bad",
                },
                {"Not": {"Variable": "$.result.only", "StringEquals": "done"}, "Next": "Bad"},
                {
                    "Or": [{"Variable": "$.id", "NumericGreaterThan": 6}, {"Variable": "$.id", "NumericLessThan": 1}],
                    "Next": "Set",
                },
            ],
            "Default": "Bad",
        },
        "Set": {"Type": "Pass", "Result": {"a": 1}, "ResultPath": "$.set", "Next": "Wait"},
        "Wait": {"Type": "Wait", "SecondsPath": "$.id", "Next": "Bad"},
        "Bad": {"Type": "Fail", "ErrorPath": "$.result.only", "Cause": "because"},
    }
    execution, functions = run(states, ERROR, {"outcome": "done", "more": 1}, given={"id": 7})
    assert functions.payloads[1] == {"id": 7, "retries": 1, "who": "one"}
    assert execution.path == ["Work", "Which", "Set", "Wait", "Bad"]
    assert execution.error is not None and (execution.error.error, execution.error.cause) == ("done", "because")


@pytest.mark.parametrize(
    "state",
    [
        task(HeartbeatSeconds=5),
        task(Retry=[{"ErrorEquals": ["x"], "Interval": 1}]),
        task(Catch=[{"ErrorEquals": ["x"], "Next": "Nowhere"}]),
        {"Type": "Parallel", "Branches": [], "End": True},
        {"Type": "Task", "Resource": "work"},
    ],
)
def test_what_it_does_not_know_it_refuses(state: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        run({"Work": state})


def test_two_states_of_one_name_are_refused_also_within_a_map() -> None:
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Work", "States": {"Work": task()}}
    with pytest.raises(AssertionError, match="one name"):
        run({"Work": {"Type": "Map", "ItemProcessor": processor, "End": True}})


@pytest.mark.parametrize("name", ["import", "export"])
def test_it_knows_the_state_machines_of_the_service(name: str) -> None:
    machine = Machine.read(ARN, ROOT / "infra" / f"{name}.asl.json")
    assert machine.definition["States"]["MarkFailed"]["Type"] == "Task"
