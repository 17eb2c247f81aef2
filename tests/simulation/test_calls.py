"""Faults befall exactly the call that they are meant for, with the effect that their name says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.calls import Calls, Process
from tests.simulation.faults import CallFailed, Cell, Failure, Fault, FaultPlan, Outage, cells, family
from tests.simulation.timeline import Killed, Timeline


def run(plan: FaultPlan) -> tuple[Calls, list[str], Any]:
    """Three calls of one process: the log, their effects, and what became of the process."""
    timeline, effects = Timeline(), list[str]()
    calls = Calls(timeline, plan)

    def work() -> list[str]:
        answers = []
        for number in range(3):
            try:
                answers.append(calls.call("s3", "PutObject", f"jobs/{number}", lambda n=number: _note(effects, n)))
            except CallFailed as failed:
                answers.append(str(failed.failure))
        return answers

    task = timeline.start(work, process=Process("worker#1"))
    timeline.run()
    return calls, effects, task.error or task.result


def _note(effects: list[str], number: int) -> str:
    effects.append(str(number))
    return str(number)


def test_an_undisturbed_run_logs_its_calls() -> None:
    calls, effects, answers = run(FaultPlan())
    assert [(entry.invocation, entry.ordinal) for entry in calls.log] == [("worker#1", n) for n in range(3)]
    assert effects == answers == ["0", "1", "2"]
    assert len(list(cells(calls.log))) == 15


@pytest.mark.parametrize(
    ("fault", "effects", "answers"),
    [
        (Fault.CRASH_BEFORE, ["0"], Killed),
        (Fault.CRASH_AFTER, ["0", "1"], Killed),
        (Fault.FAILING, ["0"], ["0", Failure.INTERNAL, Failure.INTERNAL]),
        (Fault.EFFECT_THEN_FAILED, ["0", "1", "2"], ["0", Failure.INTERNAL, "2"]),
        (Fault.LOST_REPLY, ["0", "1", "2"], ["0", Failure.TIMEOUT, "2"]),
        (Fault.SLOW, ["0", "1", "2"], ["0", "1", "2"]),
        (Fault.LATE, ["0", "1", "2"], ["0", "1", "2"]),
        (Fault.LEFT_BEHIND, ["0", "1"], Killed),
    ],
)
def test_a_fault_befalls_its_call(fault: Fault, effects: list[str], answers: Any) -> None:
    _, seen, answered = run(FaultPlan([Cell("worker#1", 1, fault)]))
    assert seen == effects
    assert isinstance(answered, Killed) if answers is Killed else answered == answers


def test_during_an_outage_every_call_of_its_services_fails() -> None:
    assert run(FaultPlan(outages=[Outage(0, 1, frozenset({"s3"}), Failure.UNAVAILABLE)]))[2] == ["unavailable"] * 3
    assert run(FaultPlan(outages=[Outage(0, 1, frozenset({"dynamodb"}))]))[2] == ["0", "1", "2"]


def test_calls_of_one_family_differ_in_ids_and_numbers() -> None:
    key = {"pk": {"S": "JOB#0199d7f4-0000-7000-8000-000000000001"}, "sk": {"S": "LEDGER#00012"}}
    assert family({"TableName": "jobs", "Key": key}) == "jobs JOB#…/LEDGER#0"
    assert family("jobs/0199d7f4-0000-7000-8000-000000000001/plan.json") == "jobs/…/plan.json"
