"""Virtual time: a clock whose seconds cost nothing, and the tasks that live by it.

A task is a greenlet. Exactly one runs, until it sleeps, so that the seed alone decides the schedule: events of one
moment happen in an order that it draws.

timeline = Timeline(seed=7)
task = timeline.start(work, limit_seconds=900, on_end=lambda task: …)
timeline.at(5.0, task.kill)
timeline.run()
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

from tests.builders import START

#: Moment, tie, number, and what happens then; None once it is canceled.
Event = list[Any]


class Killed(BaseException):
    """The task's process has died. Every call of its clock or of AWS raises this again, so that it has no effect."""


class Task:
    """A process, or a part of the simulator that waits.

    Attributes:
        name: for logs.
        result, error: what `work` returned or raised, once `is_over`.
        process: whatever the starter wants to know the running task by.
        save: called when the task gives way; returns what restores its globals, of which a real process has its own.
    """

    __slots__ = (
        "_end", "_greenlet", "_timeline", "_turn", "error", "is_over", "killed", "name", "process", "result", "save"
    )  # fmt: skip

    def __init__(self, timeline: Timeline, name: str, process: Any) -> None:
        self.name, self.process = name, process
        self.killed = self.is_over = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.save: Callable[[], Callable[[], object]] | None = None
        self._timeline = timeline
        self._turn = 0  # a wake-up counts only if the task has not been woken by something else meanwhile
        self._end: Event | None = None
        self._greenlet: greenlet

    def kill(self) -> None:
        """End the process wherever it is; requests on their way still take effect."""
        if not self.is_over and not self.killed:
            self.killed = True
            self._timeline.wake(self)


class Timeline:
    """A clock (`waybill.clock.Clock`) of virtual seconds.

    Args:
        seed: decides the order of events of one moment.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seconds = 0.0
        self.task: Task | None = None  # the one that runs; None in the actions of `at`
        self._tie = random.Random(seed).random
        self._events: list[Event] = []
        self._count = 0
        self._until = float("inf")
        self._hub = getcurrent()
        self._failure: BaseException | None = None
        self.tasks: set[Task] = set()  # those that are not over

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def clock(self, skew_seconds: float) -> SkewedClock:
        """The clock of a process whose time of day is wrong by so much."""
        return SkewedClock(self, skew_seconds)

    def at(self, moment: float, action: Callable[[], object]) -> Event:
        """Run an action at a moment (virtual seconds; a past one means now). It must not sleep: start a task for that.

        Returns:
            The event, for `cancel`.
        """
        self._count += 1
        event = [moment if moment > self.seconds else self.seconds, self._tie(), self._count, action]
        heapq.heappush(self._events, event)
        return event

    def cancel(self, event: Event) -> None:
        event[3] = None

    def start(
        self,
        work: Callable[[], Any],
        limit_seconds: float = float("inf"),
        on_end: Callable[[Task], object] | None = None,
        *,
        name: str = "",
        process: Any = None,
    ) -> Task:
        """Run `work` as a task, from this moment; at its limit it is killed wherever it is.

        Args:
            on_end: called when it has returned, raised or died.
        """
        task = Task(self, name, process)

        def live() -> None:
            try:
                self.check_alive()
                task.result = work()
            except BaseException as error:
                task.error = error
            task.is_over = True
            if task._end is not None:
                self.cancel(task._end)
            if on_end is not None:
                self.at(self.seconds, lambda: on_end(task))

        task._greenlet = greenlet(live)
        self.tasks.add(task)
        if limit_seconds < float("inf"):
            task._end = self.at(self.seconds + limit_seconds, task.kill)
        self.wake(task)
        return task

    def sleep(self, seconds: float) -> None:
        """Let time pass for the running task; in an action, or outside of `run`, for everybody at once."""
        task = self.task
        if task is None:
            self.seconds += seconds
            return
        if task.killed:
            raise Killed
        wake = self.seconds + seconds if seconds > 0 else self.seconds
        if (not self._events or self._events[0][0] > wake) and wake <= self._until:
            self.seconds = wake  # nobody else has anything to do until then
            return
        turn = task._turn
        self.at(wake, lambda: self._resume(task, turn))
        self._suspend(task)
        if task.killed:
            raise Killed

    def wait(self) -> None:
        """Suspend the running task until `wake`."""
        task = self.task
        assert task is not None, "only a task can wait"
        if task.killed:
            raise Killed
        self._suspend(task)
        if task.killed:
            raise Killed

    def wake(self, task: Task) -> None:
        """Let a suspended task go on, at this moment."""
        turn = task._turn
        self.at(self.seconds, lambda: self._resume(task, turn))

    def check_alive(self) -> None:
        """
        Raises:
            Killed: the running task has been.
        """
        if self.task is not None and self.task.killed:
            raise Killed

    def fail(self, error: BaseException) -> None:
        """End `run` with this error: what an oracle raises, which no handler of the product may catch."""
        if self._failure is None:
            self._failure = error

    def run(self, until: float = float("inf"), task: Task | None = None) -> None:
        """Let everything happen that is due until a moment, until a task is over, or until nothing is left to happen.

        Raises:
            BaseException: what an action raised, or the error of `fail`.
        """
        assert self.task is None, "a task cannot run the timeline"
        self._hub, self._until = getcurrent(), until
        events = self._events
        while events and events[0][0] <= until and self._failure is None:
            moment, _, _, action = heapq.heappop(events)
            if action is None:
                continue
            if moment > self.seconds:
                self.seconds = moment
            action()
            if task is not None and task.is_over:
                break
        if self._failure is not None:
            raise self._failure
        if until < float("inf") and task is None:
            self.seconds = max(self.seconds, until)

    @property
    def next_moment(self) -> float | None:
        """When something happens next; None when nothing will."""
        while self._events and self._events[0][3] is None:
            heapq.heappop(self._events)
        return self._events[0][0] if self._events else None

    def close(self) -> None:
        """Kill every task that still waits, so that none of them ends at the whim of the garbage collector."""
        self._failure, self._until = None, float("inf")
        self._events.clear()
        for task in list(self.tasks):
            task.killed = True
            if task._greenlet:  # has begun
                self._switch(task)
        self._events.clear()
        self.tasks.clear()

    def _suspend(self, task: Task) -> None:
        restore = None if task.save is None else task.save()
        self.task = None
        self._hub.switch()
        self.task = task
        if restore is not None:
            restore()

    def _resume(self, task: Task, turn: int) -> None:
        if task._turn == turn and not task.is_over:
            self._switch(task)

    def _switch(self, task: Task) -> None:
        task._turn += 1
        self.task = task
        task._greenlet.parent = getcurrent()
        task._greenlet.switch()
        self.task = None
        if task.is_over:
            self.tasks.discard(task)


class SkewedClock:
    """The timeline's clock as a machine sees it whose time of day is wrong; its monotonic clock is right."""

    def __init__(self, timeline: Timeline, skew_seconds: float) -> None:
        self._timeline, self._skew = timeline, timedelta(seconds=skew_seconds)
        self.monotonic, self.sleep = timeline.monotonic, timeline.sleep

    def now(self) -> datetime:
        return self._timeline.now() + self._skew
