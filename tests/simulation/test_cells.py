"""No single fault at any call changes how an operation ends, and no two crashes do.

Every kind of call meets every fault on every commit. Of the calls that repeat a kind a share is run, the same one each
time, as of the pairs, so that a commit fails by what it changes; `make simulate CELLS=all PAIRS=all` runs all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.simulation.cells import SCENES, Stage, calm, plan, run_cells, some_pairs
from waybill.jobs.model import Status

SHARE = 83  # a prime, so that the share has every fault in it
PAIRS = 200


def steps(stage: Stage) -> set[str]:
    """The kinds of invocations of a scene's operation."""
    return {entry.invocation.partition("#")[0] for entry in stage.world.log[stage.begin :]}


REACHED: dict[str, Callable[[Stage], object]] = {
    "drop": lambda stage: len([step for step in steps(stage) if "/load/" in step]) > 1,
    "upload": lambda stage: stage.answers[-1] == ("POST /v0/imports", 202),
    "check": lambda stage: "import_steps/deduplicate" in steps(stage),
    "check finds bad rows": lambda stage: stage.jobs()[0].error_code == "rejected-rows",
    "abort": lambda stage: stage.jobs()[0].stop_reason == "MAX_ERRORS",
    "queue": lambda stage: [job.status for job in stage.jobs()] == [Status.COMPLETED] * 3,
    "stop": lambda stage: stage.jobs()[0].stop_reason == "USER" and stage.jobs()[0].counts.unprocessed == 60,
    "stop the check": lambda stage: stage.jobs()[0].stop_reason == "USER",
    "small file": lambda stage: steps(stage) == {"start_import", "import_steps/plan"},
    "check a small file": lambda stage: (
        steps(stage) == {"start_import", "import_steps/plan"} and stage.jobs()[0].error_code == "rejected-rows"
    ),
    "insert a small file": lambda stage: steps(stage) == {"start_import", "import_steps/plan"},
    "stop a small file": lambda stage: (
        len(steps(stage)) == 3 and stage.jobs()[0].stop_reason == "USER" and stage.jobs()[0].counts.unprocessed == 60
    ),
    "lose the event": lambda stage: stage.jobs()[0].status is Status.COMPLETED,
    "tell webhooks": lambda stage: len(stage.facts()["told"]) == 2,
    "tell webhooks of an export": lambda stage: len(stage.facts()["told"]) == 2,
    "unschedule": lambda stage: stage.answers[-1][1] == 200 and "unschedule" in stage.answers[-2][0],
    "cancel": lambda stage: stage.jobs()[-1].status is Status.CANCELED,
    "relaunch": lambda stage: stage.jobs()[-1].retry_of == stage.jobs()[0].job_id,
    "keep": lambda stage: stage.jobs()[-1].can_undo,
    "undo": lambda stage: (
        len([step for step in steps(stage) if "/load/" in step]) > 1
        and stage.jobs()[-1].undo_of is not None
        and stage.jobs()[-1].counts.rejected == 2
    ),
    "undo a small file": lambda stage: stage.jobs()[-1].counts.rejected == 2,
    "undo a deletion": lambda stage: stage.jobs()[-1].counts.imported == 9,
    "stop an undo": lambda stage: stage.jobs()[-1].stop_reason == "USER" and stage.jobs()[-1].counts.unprocessed > 0,
    "correct rows": lambda stage: stage.jobs()[-1].counts.imported == 2,
    "delete a job": lambda stage: not stage.jobs(),
    "delete an entity": lambda stage: not list(stage.all_records()),
    "sweep": lambda stage: not stage.world.aws.buckets[stage.world.settings.drop_bucket],
    "recover": lambda stage: stage.jobs()[0].restarts == 1,
    "recover a waiting import": lambda stage: stage.jobs()[0].restarts == 1,
    "export in 16 parts": lambda stage: len([step for step in steps(stage) if "/extract-part/" in step]) == 16,
    "tick": lambda stage: len(stage.jobs()) == 2,
    "next increment": lambda stage: stage.jobs()[-1].window_from == stage.jobs()[1].window_to is not None,
    "past period": lambda stage: (
        stage.jobs()[-1].window_to == stage.jobs()[1].window_to and stage.jobs()[-1].is_backfill
    ),
    "delete a finished export": lambda stage: not stage.facts()["exports"] and len(stage.jobs()) == 2,
    "deliver to S3": lambda stage: stage.world.aws.mails,
    "stop an export": lambda stage: stage.jobs()[-1].stop_reason == "USER" and stage.jobs()[-1].counts.unprocessed > 0,
    "stop a delivery by SFTP": lambda stage: stage.jobs()[-1].stop_reason == "USER",
    "deliver several files to S3": lambda stage: (
        len(stage.world.aws.buckets[stage.world.settings.transfer_bucket]) == 4
    ),
    "deliver several files by SFTP": lambda stage: len(stage.facts()["received"]) == 4,
    "deliver by SFTP": lambda stage: len(stage.facts()["received"]) == 2,
}


@pytest.mark.parametrize("name", REACHED)
def test_a_scene_reaches_what_it_is_about(name: str) -> None:
    assert REACHED[name](calm(SCENES[name]))


def test_no_fault_at_a_call_changes_how_an_operation_ends() -> None:
    count, failed = run_cells((name, (cell,)) for name, cell in plan(SCENES.values(), SHARE))
    assert not failed, "\n".join(map(str, failed[:5]))
    assert count > 1_500


def test_no_two_crashes_change_how_an_operation_ends() -> None:
    count, failed = run_cells(some_pairs(PAIRS, random.Random(1)))
    assert not failed, "\n".join(map(str, failed[:5]))
    assert count > PAIRS * 0.9
