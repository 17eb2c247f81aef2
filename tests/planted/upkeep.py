"""Duties of the schedule, and what jobs leave behind."""

from __future__ import annotations

from tests.planted.mutant import Mutant

UPKEEP = (
    Mutant(
        "poison-entry-ends-retention",
        "A file that cannot be deleted does not keep those of other jobs.",
        "shared/waybill/upkeep/retention.py",
        '            entry_failed("retention", entry=entry["sk"])\n',
        "            raise\n",
        ("tests/integration/test_poison.py::test_files_that_cannot_be_deleted_do_not_keep_those_of_other_jobs",),
    ),
    Mutant(
        "poison-entry-ends-recovery",
        "A job that cannot be recovered does not keep others from being recovered.",
        "shared/waybill/upkeep/recovery.py",
        '            entry_failed("recovery", subject=subject)\n',
        "            raise\n",
        ("tests/integration/test_poison.py::test_a_job_that_cannot_be_recovered_does_not_keep_the_others",),
    ),
    Mutant(
        "poison-entry-ends-announcements",
        "An event that cannot be sent does not keep the others.",
        "shared/waybill/jobs/outbox.py",
        '            entry_failed("announcements", entry=item["sk"])\n        attempts',
        "            raise\n        attempts",
        ("tests/integration/test_poison.py::test_an_announcement_that_cannot_be_sent_does_not_keep_the_others",),
    ),
    Mutant(
        "poison-export-ends-the-tick",
        "An export that cannot be read does not keep others from being run.",
        "shared/waybill/exports/run.py",
        '        entry_failed("exports", exportId=due.id)\n        attempts',
        "        raise\n        attempts",
        ("tests/integration/test_poison.py::test_an_export_that_cannot_be_read_does_not_keep_the_others",),
    ),
    Mutant(
        "poison-drop-ends-the-sweep",
        "A dropped object that cannot be registered does not keep the others.",
        "shared/waybill/upkeep/lost_drops.py",
        '        entry_failed("lost drops", key=found.key)\n',
        "        raise\n",
        (
            "tests/integration/test_lost_drops.py"
            "::test_an_object_that_cannot_be_registered_keeps_no_other_and_is_tried_again",
        ),
    ),
    Mutant(
        "errors-of-a-batch-deletion-are-ignored",
        "A file that S3 did not delete is deleted later.",
        "shared/waybill/aws/files.py",
        '            errors += answer.get("Errors", [])\n',
        "            del answer\n",
        ("tests/integration/test_poison.py::test_what_s3_refuses_within_a_batch_is_a_failure",),
    ),
    Mutant(
        "definition-is-left-behind",
        "Nothing of an expired job stays, recipients' addresses least of all.",
        "shared/waybill/jobs/repository.py",
        'for item in items if item["sk"] != record[1]])',
        'for item in items if item["sk"] not in (record[1], "DEFINITION")])',
        ("tests/integration/test_nothing_stays.py::test_nothing_of_an_expired_job_stays",),
    ),
    Mutant(
        "deletion-is-completed-before-its-work",
        "The deletion of a job is completed once it is accepted.",
        "shared/waybill/upkeep/retention.py",
        '    try:\n        if "filesDeleted" not in entry:',
        '    services.removals.complete(entry)\n    try:\n        if "filesDeleted" not in entry:',
        (
            "tests/integration/test_nothing_stays.py"
            "::test_a_deletion_that_died_anywhere_is_completed_although_nobody_repeats_it",
        ),
    ),
    Mutant(
        "files-go-before-their-time",
        "The files of a job stay until they expire.",
        "shared/waybill/jobs/removals.py",
        'self._table.query("SWEEP", up_to=now, limit=PER_PAGE, consistent=False)',
        'self._table.query("SWEEP", up_to="9" + now, limit=PER_PAGE, consistent=False)',
        ("tests/integration/test_nothing_stays.py::test_the_files_go_before_the_record",),
    ),
    Mutant(
        "retention-from-the-submission-alone",
        "The record of a long import stays an hour at least after its end.",
        "shared/waybill/jobs/model.py",
        "max(job.submitted_at.timestamp() + self.import_seconds, completed + self.import_minimum_seconds)",
        "job.submitted_at.timestamp() + self.import_seconds",
        ("tests/unit/test_jobs.py::test_retention",),
    ),
    Mutant(
        "due-time-does-not-move-with-the-activation",
        "An export that is activated runs when it is due.",
        "shared/waybill/jobs/scheduled.py",
        "            actions += [self._table.put_action(self._due_item(due))] if due else []\n",
        "",
        ("tests/integration/test_export_runs.py::test_ticks_start_each_run_once_and_catch_up_once",),
    ),
    Mutant(
        "every-job-is-checked-each-minute",
        "A minute costs what is due, not what exists.",
        "shared/waybill/jobs/checkups.py",
        '"CHECKUP", up_to=rfc3339(self._clock.now()), limit=PER_PAGE)',
        '"CHECKUP", limit=PER_PAGE)',
        ("tests/integration/test_minute.py::test_a_minute_costs_what_is_due_and_not_what_exists",),
    ),
    Mutant(
        "job-starts-while-its-entity-is-deleted",
        "Nothing starts on an entity that is being deleted.",
        "shared/waybill/entities/repository.py",
        '        table.check_action(("DELETING", uid), Attr("pk").is_missing()),\n',
        '        table.check_action(("DELETING", uid), Attr("pk").is_missing() | Attr("pk").exists()),\n',
        ("tests/integration/test_entity_deletion.py::test_nothing_begins_on_an_entity_once_its_deletion_has_begun",),
    ),
    Mutant(
        "poison-item-hides-a-list",
        "An item that cannot be read does not hide the others from lists.",
        "shared/waybill/telemetry.py",
        '        except Exception:\n            logger.exception(\n                "A stored item cannot be read"',
        '        except OSError:\n            logger.exception(\n                "A stored item cannot be read"',
        ("tests/integration/test_poison.py::test_an_entity_that_cannot_be_read_does_not_hide_the_others",),
    ),
    Mutant(
        "entity-of-a-running-job-is-deleted",
        "An entity stays while one of its jobs has not ended.",
        "shared/waybill/upkeep/entity_deletion.py",
        "services.active_jobs.some_of(entity.uid, some)",
        "services.active_jobs.some_of(entity.name, some)",
        ("tests/integration/test_entity_deletion.py::test_an_import_that_has_not_ended_keeps_its_entity",),
    ),
)
