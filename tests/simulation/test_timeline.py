"""Virtual time: what a task may rely on, and that a seed decides the order of things."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import START
from tests.simulation.timeline import Killed, Task, Timeline


def interleaving(seed: int) -> list[str]:
    timeline, seen = Timeline(seed), list[str]()

    def work(name: str) -> None:
        for step in range(3):
            seen.append(f"{name}{step}")
            timeline.sleep(1)

    for name in "abc":
        timeline.start(lambda name=name: work(name))
    timeline.run()
    assert timeline.seconds == 3
    return seen


def test_a_seed_decides_the_order_of_what_happens_at_one_moment() -> None:
    assert interleaving(1) == interleaving(1)
    assert len({tuple(interleaving(seed)) for seed in range(10)}) > 5
    assert sorted(interleaving(3)) == ["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"]


def test_a_task_is_killed_at_its_limit_wherever_it_is() -> None:
    timeline, ended, seen = Timeline(), list[float](), list[float]()

    def work() -> None:
        try:
            while True:
                timeline.sleep(2)
                seen.append(timeline.seconds)
        finally:
            with pytest.raises(Killed):
                timeline.sleep(1)  # what a dead process would still do has no effect

    task = timeline.start(work, 5, lambda task: ended.append(timeline.seconds))
    timeline.run()
    assert seen == [2, 4] and ended == [5]
    assert isinstance(task.error, Killed)


def test_a_task_that_is_killed_before_it_began_does_nothing() -> None:
    timeline, ended = Timeline(), list[Task]()
    timeline.start(lambda: 1, on_end=ended.append).kill()
    timeline.run()
    assert isinstance(ended[0].error, Killed)


def test_a_task_waits_until_it_is_woken() -> None:
    timeline, ended = Timeline(), list[Task]()

    def work() -> float:
        timeline.wait()
        return timeline.monotonic()

    task = timeline.start(work, 100, ended.append)
    timeline.at(7, lambda: timeline.wake(task))
    timeline.run()
    assert ended[0].result == 7 and timeline.seconds == 7


def test_a_process_whose_clock_is_wrong_measures_durations_well() -> None:
    timeline = Timeline()
    clock = timeline.clock(-3600)
    timeline.sleep(10)
    assert (clock.now() - START).total_seconds() == -3590 and clock.monotonic() == 10


def test_an_error_of_an_oracle_ends_the_run() -> None:
    timeline = Timeline()

    def work() -> Any:
        try:
            timeline.fail(AssertionError("no"))
        except Exception:
            return None
        timeline.sleep(1)

    timeline.start(work)
    timeline.at(2, lambda: pytest.fail("the run goes on"))
    with pytest.raises(AssertionError, match="no"):
        timeline.run()
    timeline.close()
