"""The one way of every call to AWS in a simulated world: it is logged, takes time, and may meet a fault.

A service that is called one request at a time (the fakes of boto3's clients) uses `Calls.call`; the transport of the
DynamoDB client, which has many in flight, `Calls.decide`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from tests.simulation.faults import UNDISTURBED, CallFailed, Decision, Failure, Fault, FaultPlan, LogEntry
from tests.simulation.timeline import Killed, Timeline

_Answer = TypeVar("_Answer")
#: How long a request that is late is on its way, on average; it takes effect after half of it.
LATE_SECONDS = 3.0


class Process:
    """What a task belongs to: one invocation of a function.

    Attributes:
        invocation: its name in the log.
        calls: how many it has made.
    """

    def __init__(self, invocation: str) -> None:
        self.invocation = invocation
        self.calls = 0


class Calls:
    """
    Args:
        seed: decides latencies and the plan's chances.
    """

    def __init__(self, timeline: Timeline, plan: FaultPlan, seed: int = 0) -> None:
        self.log: list[LogEntry] = []
        self._timeline, self._plan = timeline, plan
        self._latency, self._chance = random.Random(f"latency {seed}"), random.Random(f"fault {seed}")

    def decide(self, service: str, operation: str, detail: Any) -> Decision:
        """Log a call of the running process, and say what is done to it.

        Raises:
            Killed: the process is dead already, or dies here.
        """
        task = self._timeline.task
        if task is None or task.process is None:
            return UNDISTURBED  # the set-up of a test
        if task.killed:
            raise Killed
        process: Process = task.process
        entry = LogEntry(self._timeline.seconds, process.invocation, process.calls, service, operation, detail)
        process.calls += 1
        decision = self._plan.decide(self._chance, entry)
        self.log.append(entry if decision is UNDISTURBED else entry._replace(fault=str(decision.fault)))
        if decision.fault is Fault.CRASH_BEFORE:
            task.kill()
            raise Killed
        return decision

    def latency(self, mean_seconds: float) -> float:
        """How long something takes: anything from half to three halves of its mean."""
        return mean_seconds * (0.5 + self._latency.random())

    def call(
        self,
        service: str,
        operation: str,
        detail: Any,
        effect: Callable[[], _Answer],
        *,
        mean_seconds: float = 0.05,
        timeout_seconds: float = 60.0,
    ) -> _Answer:
        """One attempt of a call. Outside of processes its effect happens at once.

        Args:
            detail: what it is about, without what differs from run to run (see `faults.family`).
            effect: what it does at the server, in the middle of its time; what it raises is the answer.

        Raises:
            CallFailed: a client may try again.
            Killed: the process is dead.
        """
        timeline = self._timeline
        decision = self.decide(service, operation, detail)
        task, fault = timeline.task, decision.fault
        if task is None or task.process is None:
            return effect()
        seconds = self.latency(mean_seconds)
        if fault is Fault.SLOW:
            timeline.sleep(decision.seconds)
        elif fault in (Fault.LATE, Fault.LEFT_BEHIND):
            seconds = self.latency(LATE_SECONDS)
        elif fault is Fault.FAILING:
            timeline.sleep(timeout_seconds if decision.failure is Failure.TIMEOUT else seconds)
            raise CallFailed(decision.failure)
        answers: list[_Answer] = []
        errors: list[Exception] = []

        def happen() -> None:
            try:
                answers.append(effect())
            except AssertionError:
                raise  # an oracle's, or of a fake that does not know the request: it ends the run
            except Exception as error:
                errors.append(error)
            if fault is Fault.CRASH_AFTER:
                task.kill()

        timeline.at(timeline.seconds + seconds / 2, happen)
        if fault is Fault.LEFT_BEHIND:
            task.kill()
        timeline.sleep(timeout_seconds if fault is Fault.LOST_REPLY else seconds)
        if fault is Fault.LOST_REPLY:
            raise CallFailed(Failure.TIMEOUT)
        if fault is Fault.EFFECT_THEN_FAILED:
            raise CallFailed(decision.failure)
        if errors:
            raise errors[0]
        return answers[0]
