"""The state machines live through outages, in virtual time: every step fails for as long as the outage lasts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from infra.local.embedded import ROOT
from tests.simulation.statemachine import Execution, Executions, Machine, Refuse, Resume, StateError
from tests.simulation.timeline import Timeline

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:test"
PLANNED = {"outcome": "planned", "needsPrecheck": True, "bucket": "files", "planKey": "plan.json", "workers": 4}
ANSWERS: dict[str, dict[str, Any]] = {
    "import": {
        "plan": PLANNED,
        "precheck": {"outcome": "prechecked"},
        "deduplicate": {"outcome": "deduplicated"},
        "load": {"outcome": "loaded"},
        "finish": {"outcome": "COMPLETED"},
        "fail": {"outcome": "FAILED"},
    },
    "export": {
        "extract": {"outcome": "split", "parts": [0, 1, 2], "workers": 4},
        "extract-part": {"outcome": "extracted"},
        "assemble": {"outcome": "extracted"},
        "deliver": {"outcome": "ended"},
        "fail": {"outcome": "ended"},
    },
}
STEPS = [(machine, step) for machine, answers in ANSWERS.items() for step in answers if step != "fail"]
HOUR = 3600.0


class World:
    """Runs a machine of `infra`; from the first call of a step on, everything fails for some time.

    Args:
        error: what Step Functions calls the failure; None for a step that gives up.
    """

    def __init__(self, machine: str, step: str, seconds: float, seed: int, error: str | None = "Runtime.HandlerError"):
        self.timeline, self.answers = Timeline(), ANSWERS[machine]
        self.step, self.seconds, self.error = step, seconds, error
        self.began: float | None = None
        self.calls: list[str] = []
        executions = Executions(self.timeline, self.invoke, self.read, random.Random(seed).random)
        executions.machines[ARN] = Machine(ARN, (ROOT / f"infra/{machine}.asl.json").read_text())
        self.execution: Execution = executions.start(ARN, "job", json.dumps({"jobId": "job"}))
        self.timeline.run()
        assert self.execution.ended_at is not None
        self.ended_at: float = self.execution.ended_at

    def is_down(self) -> bool:
        return self.began is not None and self.timeline.seconds < self.began + self.seconds

    def invoke(self, name: str, payload: Any, resume: Resume, refuse: Refuse) -> None:
        step = payload["step"]
        if step == self.step and self.began is None:
            self.began = self.timeline.seconds
        self.calls.append(step)
        if self.is_down() and self.error is None and step != "fail":
            resume({"outcome": "given-up"})
        elif self.is_down() and self.error is not None:
            refuse(StateError(self.error))
        else:
            resume(self.answers[step])

    def read(self, bucket: str, key: str, resume: Any, refuse: Refuse) -> None:
        if self.is_down():
            refuse(StateError("States.ItemReaderFailed"))
        else:
            resume(json.dumps({"chunks": [{"jobId": "job", "chunk": chunk} for chunk in range(3)]}).encode())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("machine", "step"), STEPS)
def test_an_outage_of_an_hour_at_any_step_ends_no_job(machine: str, step: str, seed: int) -> None:
    world = World(machine, step, HOUR, seed)
    assert world.execution.status == "SUCCEEDED"
    assert world.began is not None and "fail" not in world.calls
    assert HOUR < world.ended_at - world.began < HOUR + 10 * 60


class S3Down(World):
    """Nothing but S3 fails, from the end of the plan on."""

    def invoke(self, name: str, payload: Any, resume: Resume, refuse: Refuse) -> None:
        if payload["step"] == "plan":
            self.began = self.timeline.seconds
        self.calls.append(payload["step"])
        resume(self.answers[payload["step"]])


def test_an_outage_of_s3_between_plan_and_load_ends_no_import() -> None:
    """Step Functions itself reads the list of chunks."""
    world = S3Down("import", "plan", HOUR, 0)
    assert (world.execution.status, world.calls.count("plan")) == ("SUCCEEDED", 1)
    assert HOUR < world.ended_at < HOUR + 10 * 60


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("machine", "step"), STEPS)
def test_a_job_whose_step_outlasts_its_retries_is_ended_as_soon_as_the_outage_is_over(
    machine: str, step: str, seed: int
) -> None:
    world = World(machine, step, 2 * HOUR, seed)
    assert (world.execution.status, world.calls[-1]) == ("FAILED", "fail")
    assert world.execution.path[-2:] in (["MarkFailed", "Failed"], ["IsMarkedFailed", "Failed"])
    assert world.began is not None and world.ended_at - world.began < 2 * HOUR + 10 * 60


@pytest.mark.parametrize(("machine", "step"), STEPS)
def test_an_outage_of_a_day_leaves_the_job_to_recovery(machine: str, step: str) -> None:
    """Which starts it again when the outage is over: `tests/integration/test_import_crashes.py`."""
    world = World(machine, step, 24 * HOUR, 0)
    assert (world.execution.status, world.execution.path[-1]) == ("FAILED", "MarkFailed")
    assert world.ended_at < 6 * HOUR


@pytest.mark.parametrize(("machine", "step"), STEPS)
def test_a_step_that_gives_up_ends_its_job_at_once(machine: str, step: str) -> None:
    world = World(machine, step, HOUR, 0, error=None)
    assert (world.execution.status, world.calls[-1]) == ("FAILED", "fail")
    assert world.ended_at < 10


@pytest.mark.parametrize(("machine", "step"), STEPS)
def test_a_job_waits_a_day_for_a_free_slot(machine: str, step: str) -> None:
    world = World(machine, step, 23 * HOUR, 0, error="Lambda.TooManyRequestsException")
    assert world.execution.status == "SUCCEEDED"
