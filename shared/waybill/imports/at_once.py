"""A file of one chunk is imported in the invocation that planned it: the steps that follow the plan, one after the
other, and no map of the state machine.

The steps are those of the state machine, and each does what it does there: it goes on with what is in the ledger, and
its leases, heartbeats and time are its own. What fails here, or has no time, is left to the states that follow the
plan, and so is everything when an earlier invocation has died at it. So each step has all of its state's retries: an
outage at the load does not use up those of the plan, and what two steps together cannot do, each of them may alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from waybill.imports.deadline import Remaining
from waybill.telemetry import logger

#: With less time left, the next step is left to its own state. A chunk (32 MiB) takes a table that keeps up a minute.
LEAST_SECONDS = 300.0

#: Does a step of the job in the event, within the seconds that are left; the answer holds an `outcome`.
Step = Callable[[dict[str, Any], Remaining], dict[str, Any]]


def import_at_once(
    steps: Mapping[str, Step], event: Mapping[str, Any], planned: dict[str, Any], remaining_seconds: Remaining
) -> dict[str, Any]:
    """Load and finish what has just been planned.

    Args:
        event: of the step `plan`.
        planned: its answer.

    Returns:
        The answer of the finish, with which the execution ends; `planned` when the states after the plan are to go on.
    """
    if planned["outcome"] != "planned" or planned["chunks"] > 1 or planned["isResumed"]:
        return planned
    prechecks = ("precheck", "deduplicate") if planned["needsPrecheck"] else ()
    answer = planned
    for step in (*prechecks, "load", "finish"):
        if remaining_seconds() < LEAST_SECONDS:
            return planned
        try:
            answer = steps[step]({**event, "step": step, "chunk": 0}, remaining_seconds)
        except Exception:
            logger.exception("Step failed, its own state repeats it", extra={"failed": step})
            return planned
        if answer["outcome"] == "more":
            return planned
    return answer
