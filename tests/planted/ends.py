"""How jobs end, and who is told."""

from __future__ import annotations

from tests.planted.mutant import Mutant

ENDS = (
    Mutant(
        "quality-counts-replaced-rows",
        "Rows that another row of the file replaces are no sign of a bad file.",
        "shared/waybill/imports/policy.py",
        "counts.rejected - counts.repeated, counts.total or 0",
        "counts.rejected, counts.total or 0",
        ("tests/integration/test_import_quality.py::test_rows_that_another_one_replaces_do_not_count",),
    ),
    Mutant(
        "quality-never-stops",
        "A file with too many bad rows stops where the entity says so.",
        "shared/waybill/imports/policy.py",
        "limits.append(quality.max_rejected(job.counts.total) + 1)",
        "limits.append(quality.max_rejected(job.counts.total) + 2)",
        (
            "tests/integration/test_import_quality.py::test_a_file_with_too_many_bad_rows_stops_where_it_exceeds_the_share",
        ),
    ),
    Mutant(
        "finish-puts-the-whole-job",
        "What people and workers changed while an import ended stays.",
        "shared/waybill/jobs/repository.py",
        "self._table.update_action(record_key(job.job_id), change, is_unchanged)",
        "self._table.put_action(item, is_unchanged)",
        ("tests/integration/test_import_ends.py::test_what_changed_since_the_job_was_read_is_not_undone_by_its_end",),
    ),
    Mutant(
        "stop-is-accepted-after-the-last-chunk",
        "A Stop that is accepted takes effect.",
        "shared/waybill/jobs/repository.py",
        "(is_import & is_loading)",
        "is_import",
        ("tests/integration/test_import_ends.py::test_stop_is_refused_once_every_chunk_is_loaded",),
    ),
    Mutant(
        "bad-rows-hide-a-stop",
        "A Stop of an all-or-nothing import that is accepted is kept, also when bad rows were found.",
        "shared/waybill/imports/finish.py",
        '    if policy.refuses_all and job.stop_reason != "USER":',
        "    if policy.refuses_all:",
        ("tests/integration/test_import_ends.py::test_a_stop_after_all_or_nothing_has_found_bad_rows_is_kept",),
    ),
    Mutant(
        "replaced-finish-ends-the-job",
        "A finish that another one has replaced does not end the job.",
        "shared/waybill/imports/finish.py",
        "services.jobs.finish(ended, Status.IN_PROGRESS, owns(FINISH, attempt), also=",
        "services.jobs.finish(ended, Status.IN_PROGRESS, also=",
        (
            "tests/integration/test_import_ends.py::test_a_finish_that_stalls_before_its_last_write_does_not_end_the_job_that_another_one_has",
        ),
    ),
    Mutant(
        "cleanup-before-the-terminal-status",
        "A finish that dies at any moment can run again: what it needs stays until the job has ended.",
        "shared/waybill/imports/finish.py",
        "    heartbeat.check()  # what is remembered",
        '    services.files.delete_prefix(services.settings.files_bucket, job_prefix(job.job_id) + "chunks/")\n'
        "    heartbeat.check()  # what is remembered",
        ("tests/integration/test_import_ends.py::test_a_finish_that_dies_before_its_last_write_runs_again",),
    ),
    Mutant(
        "small-file-ends-without-its-load",
        "A file of one chunk is loaded as any other: each row is imported, or in the rejects file with its reason.",
        "shared/waybill/imports/at_once.py",
        '    for step in (*prechecks, "load", "finish"):\n',
        '    for step in (*prechecks, "finish"):\n',
        ("tests/integration/test_import_at_once.py::test_a_small_file_is_imported_by_the_step_that_plans_it",),
    ),
    Mutant(
        "small-file-shares-the-retries-of-its-plan",
        "Each step has the retries of its own state, so that two outages of an hour end no job.",
        "shared/waybill/imports/at_once.py",
        '            logger.exception("Step failed, its own state repeats it", extra={"failed": step})\n'
        "            return planned\n",
        "            raise\n",
        ("tests/integration/test_import_at_once.py::test_what_fails_is_left_to_the_state_with_retries_of_its_own",),
    ),
    Mutant(
        "small-file-is-left-half-done",
        "What has no time left in the invocation of the plan goes on in the next.",
        "shared/waybill/imports/at_once.py",
        '        if answer["outcome"] == "more":\n            return planned\n',
        "",
        ("tests/integration/test_import_at_once.py::test_what_has_no_time_is_left_to_its_own_state",),
    ),
    Mutant(
        "small-file-is-tried-again-at-once",
        "What an invocation has died at is tried again step by step.",
        "shared/waybill/imports/at_once.py",
        ' or planned["chunks"] > 1 or planned["isResumed"]:',
        ' or planned["chunks"] > 1:',
        ("tests/integration/test_import_at_once.py::test_what_an_invocation_died_at_is_left_to_its_own_state",),
    ),
    Mutant(
        "small-file-ignores-the-time",
        "No step begins with too little time for it.",
        "shared/waybill/imports/at_once.py",
        "        if remaining_seconds() < LEAST_SECONDS:\n",
        "        if remaining_seconds() < 0:\n",
        ("tests/integration/test_import_at_once.py::test_with_little_time_left_the_plan_is_all",),
    ),
    Mutant(
        "unbalanced-tally-ends-a-job",
        "At the end every row is imported, rejected or unprocessed.",
        "shared/waybill/jobs/model.py",
        "    if not counts.balances():\n",
        "    if counts.total is None:\n",
        ("tests/unit/test_jobs.py::test_a_job_ends_only_when_its_tally_balances",),
    ),
    Mutant(
        "ended-job-moves-on",
        "A terminal status is final.",
        "shared/waybill/jobs/model.py",
        "    check_move(job.status, status)\n    if",
        "    if",
        ("tests/unit/test_jobs.py::test_a_terminal_status_is_final",),
    ),
    Mutant(
        "four-attempts-at-the-plan",
        "An outage of an hour ends no job.",
        "infra/import.asl.json",
        '"ResultPath": "$.plan",\n      "Retry": [\n',
        '"ResultPath": "$.plan",\n      "Retry": [\n        {"ErrorEquals": ["States.TaskFailed"], '
        '"IntervalSeconds": 2, "BackoffRate": 2, "MaxDelaySeconds": 120, "MaxAttempts": 4, '
        '"JitterStrategy": "FULL"},\n',
        ("tests/infra/test_state_machines.py::test_the_retries_of_every_step_outlast_an_outage_of_an_hour",),
    ),
    Mutant(
        "outage-is-given-up",
        "An outage ends no job as `internal-error`.",
        "shared/waybill/jobs/giving_up.py",
        "isinstance(error, LeaseHeld | Superseded) or is_outage(error)",
        "isinstance(error, LeaseHeld | Superseded)",
        ("tests/integration/test_giving_up.py::test_an_outage_is_repeated_however_often_it_was",),
    ),
    Mutant(
        "program-error-is-repeated-for-hours",
        "A failure that no outage explains is told within minutes.",
        "shared/waybill/jobs/giving_up.py",
        'event.get("attempt", 0) < UNEXPLAINED_RETRIES',
        'event.get("attempt", 0) < 90',
        ("tests/integration/test_giving_up.py::test_a_program_error_is_told_after_a_few_attempts",),
    ),
    Mutant(
        "abandoned-while-a-worker-writes",
        "The next import of an entity begins once no request of the one before can be on its way.",
        "shared/waybill/imports/abandon.py",
        "    job = _take_leases(services, job, remaining_seconds)\n",
        "",
        ("tests/integration/test_giving_up.py::test_an_import_is_abandoned_once_no_worker_can_write_any_more",),
    ),
    Mutant(
        "event-of-a-refused-file-is-lost",
        "Each change of status is published, also that of a file whose entity does not exist.",
        "shared/waybill/jobs/outbox.py",
        "value != DEFAULTS.get(name)",
        "value",
        (
            "tests/integration/test_import_start.py"
            "::test_the_event_of_a_file_whose_entity_does_not_exist_is_published_later",
        ),
    ),
    Mutant(
        "unread-file-cannot-be-relaunched",
        "An import that timed out before its file was read can be relaunched.",
        "shared/waybill/jobs/giving_up.py",
        "job.error_code in (TIMED_OUT, INTERNAL_ERROR, NO_PERMISSION)",
        "job.error_code in (INTERNAL_ERROR, NO_PERMISSION)",
        ("tests/integration/test_relaunch_whole_file.py::test_the_whole_file_is_imported_with_the_same_options",),
    ),
    Mutant(
        "step-after-the-end-raises",
        "A step of an export that is called again after the end answers as it did.",
        "functions/export_steps/app.py",
        "if not is_outage(error) and note_if_over(services(), job_id):",
        "if False:",
        ("tests/integration/test_repeated_steps.py::test_every_step_answers_after_the_end_and_changes_nothing",),
    ),
    Mutant(
        "beginning-without-the-outbox",
        "Each change of status is published, also when the bus refuses the event at first.",
        "shared/waybill/jobs/repository.py",
        "            self._table.put_action(outbox_item(begun, now)),\n",
        "",
        (
            "tests/integration/test_import_start.py"
            "::test_the_event_of_a_beginning_is_published_later_when_the_bus_refuses_it",
        ),
    ),
    Mutant(
        "refused-event-leaves-the-outbox",
        "Each change of status is published, also when the bus refuses the event at first.",
        "shared/waybill/jobs/outbox.py",
        "        if self.send(job, done):\n            self._table.delete(key)\n",
        "        if self.send(job, done) or True:\n            self._table.delete(key)\n",
        ("tests/integration/test_export_runs.py::test_what_could_not_be_announced_is_announced_later",),
    ),
    Mutant(
        "late-stop-is-not-announced",
        "A Stop that is accepted while the last chunk is counted is in the ended job and in its event.",
        "shared/waybill/jobs/repository.py",
        "        is_unchanged &= reason.is_missing() if job.stop_reason is None else reason.equals(job.stop_reason)\n",
        "",
        ("tests/integration/test_import_ends.py::test_what_changed_since_the_job_was_read_is_not_undone_by_its_end",),
    ),
)
