"""Lost executions, and the queue of an entity's imports."""

from __future__ import annotations

from tests.planted.mutant import Mutant

QUEUE = (
    Mutant(
        "restart-under-the-same-name",
        "An import whose execution died is restarted, and its entity's queue goes on.",
        "shared/waybill/jobs/executions.py",
        "services.workflow.start(_machine(services, job), job.job_id, job.restarts)",
        "services.workflow.start(_machine(services, job), job.job_id, 0)",
        ("tests/integration/test_import_crashes.py::test_a_waiting_import_whose_execution_died_is_restarted",),
    ),
    Mutant(
        "restarts-are-counted",
        "Executions that die one after the other do not end a job within minutes.",
        "shared/waybill/upkeep/recovery.py",
        "    if now - since <= PATIENCE:",
        "    if job.restarts < 3:",
        (
            "tests/integration/test_import_crashes.py"
            "::test_executions_that_die_one_after_the_other_within_minutes_end_no_job",
        ),
    ),
    Mutant(
        "jobs-are-never-checked",
        "A job whose execution died is restarted.",
        "shared/waybill/jobs/repository.py",
        "            actions.append(put(first_item(job)))\n",
        "",
        ("tests/integration/test_import_crashes.py::test_a_waiting_import_whose_execution_died_is_restarted",),
    ),
    Mutant(
        "turn-is-not-handed-back",
        "An import whose turn has not come yet begins once it has.",
        "shared/waybill/jobs/executions.py",
        "    if job is not None and job.status is Status.WAITING:",
        "    if job is None:",
        (
            "tests/integration/test_import_start.py"
            "::test_of_two_imports_started_at_once_the_second_waits_until_the_first_has_ended",
        ),
    ),
    Mutant(
        "begin-without-the-claim",
        "Imports into one entity run one at a time.",
        "shared/waybill/jobs/repository.py",
        "                turn.append(claim_action(self._table, begun))\n",
        "",
        (
            "tests/integration/test_import_start.py"
            "::test_of_two_imports_started_at_once_the_second_waits_until_the_first_has_ended",
        ),
    ),
    Mutant(
        "claim-of-another-import-is-overwritten",
        "Imports into one entity run one at a time.",
        "shared/waybill/jobs/running.py",
        '"jobId": job.job_id, **times}, Attr("pk").is_missing())',
        '"jobId": job.job_id, **times})',
        (
            "tests/integration/test_import_start.py"
            "::test_of_two_imports_started_at_once_the_second_waits_until_the_first_has_ended",
        ),
    ),
    Mutant(
        "claim-is-not-released",
        "When an import has ended, the next one of its entity begins.",
        "shared/waybill/jobs/repository.py",
        "if job.takes_turns and expected is Status.IN_PROGRESS:",
        "if job.takes_turns and expected is Status.WAITING:",
        ("tests/integration/test_import_start.py::test_imports_of_one_entity_run_in_order_of_submission",),
    ),
    Mutant(
        "next-import-is-not-started",
        "When an import has ended, the next one of its entity begins at once.",
        "shared/waybill/imports/finish.py",
        "    start_next(services, job.entity_uid)\n    return job",
        "    return job",
        ("tests/integration/test_import_start.py::test_imports_of_one_entity_run_in_order_of_submission",),
    ),
    Mutant(
        "join-before-those-that-are-there",
        "Imports of an entity take effect in the order in which they were registered.",
        "shared/waybill/jobs/queue.py",
        'Attr("pk").is_missing() | Attr("submittedAt").is_below(submitted_at))',
        'Attr("pk").is_missing() | Attr("pk").exists())',
        (
            "tests/integration/test_import_start.py"
            "::test_an_import_joins_behind_those_that_are_there_however_late_its_clock",
        ),
    ),
    Mutant(
        "submitted-when-the-caller-began",
        "*Submitted* is the moment of registration, so that a slow caller does not overtake others.",
        "shared/waybill/imports/register.py",
        "replace(with_options(job, entity, options), submitted_at=services.clock.now())",
        "with_options(job, entity, options)",
        (
            "tests/integration/test_import_start.py"
            "::test_submitted_is_the_moment_of_registration_also_for_a_caller_that_stalled",
        ),
    ),
    Mutant(
        "ended-import-stays-at-the-head",
        "An import that ended while its entry was left over does not hold up its entity's queue.",
        "shared/waybill/jobs/queue.py",
        '            self._table.delete((partition, items[0]["sk"]))\n',
        "            return None\n",
        (
            "tests/integration/test_import_start.py"
            "::test_an_entry_that_an_ended_import_left_in_the_queue_holds_nobody_up",
        ),
    ),
)
