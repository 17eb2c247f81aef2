"""Dropped objects, uploads and requests that are repeated."""

from __future__ import annotations

from tests.planted.mutant import Mutant

ONCE = (
    Mutant(
        "dropped-object-deleted-without-asking-for-its-owner",
        "A file that was dropped again stays until its own import has expired.",
        "shared/waybill/upkeep/retention.py",
        '    if entry["sourceBucket"] == services.settings.drop_bucket:',
        "    if False:",
        ("tests/integration/test_dropped_objects.py::test_the_end_of_an_older_job_leaves_the_object_to_the_newer_one",),
    ),
    Mutant(
        "object-dropped-meanwhile-is-deleted",
        "A file that is dropped while the one before is being deleted is imported.",
        "shared/waybill/upkeep/retention.py",
        'services.files.delete(bucket, key, entry.get("sourceEtag"), modified)',
        'services.files.delete(bucket, key, entry.get("sourceEtag"))',
        ("tests/integration/test_dropped_objects.py::test_an_object_dropped_between_the_look_and_the_deletion_stays",),
    ),
    Mutant(
        "drop-is-registered-while-its-object-is-deleted",
        "A file that is dropped while the one before is being deleted is imported.",
        "shared/waybill/jobs/drops.py",
        "            table.put_action(item, is_newer & _is_left_alone(now)),",
        "            table.put_action(item, is_newer),",
        ("tests/integration/test_dropped_objects.py::test_a_drop_during_the_deletion_waits_for_its_end",),
    ),
    Mutant(
        "older-event-counts",
        "Of two versions of a dropped file the newer one is imported, in whatever order their events come.",
        "shared/waybill/jobs/drops.py",
        'NEW | Attr("sequencer").is_below(self.order)',
        'NEW | Attr("pk").exists()',
        ("tests/integration/test_import_start.py::test_of_two_events_of_the_same_bytes_the_older_is_too_late",),
    ),
    Mutant(
        "repeated-event-makes-another-job",
        "A dropped file makes one job, however often its event comes.",
        "shared/waybill/imports/start.py",
        "derived_uuid(_NAMESPACE, bucket, key, etag, sequencer)",
        "derived_uuid(_NAMESPACE, bucket, key, etag, sequencer, str(services.ids.fraction()))",
        ("tests/integration/test_import_start.py::test_an_event_that_comes_twice_makes_one_job",),
    ),
    Mutant(
        "late-event-of-a-swept-object-makes-another-job",
        "A dropped file makes one job, also when its event comes after the sweep has found it.",
        "shared/waybill/jobs/drops.py",
        "            table.check_action(_swept_key(self.key, self.etag), is_not_swept),\n",
        "",
        (
            "tests/integration/test_lost_drops.py"
            "::test_the_late_event_of_a_swept_object_finds_its_job_although_a_newer_object_is_there",
            "tests/integration/test_lost_drops.py::test_the_late_event_of_a_swept_object_finds_its_job",
            "tests/integration/test_lost_drops.py"
            "::test_the_sweep_registering_while_an_event_is_handled_makes_no_other_job",
        ),
    ),
    Mutant(
        "deleted-job-is-noted-only-if-a-newer-one-is-there",
        "The event of a deleted job that is repeated makes no other, also when the file is dropped again afterwards.",
        "shared/waybill/upkeep/retention.py",
        "    services.drops.note_gone(dropped, job_id)\n",
        "    if services.drops.owner(dropped) != job_id:\n        services.drops.note_gone(dropped, job_id)\n",
        (
            "tests/integration/test_dropped_objects.py"
            "::test_the_repeated_event_of_a_deleted_job_makes_no_other_although_a_newer_file_was_dropped",
        ),
    ),
    Mutant(
        "deleted-job-of-an-older-drop-is-forgotten",
        "The event of a deleted job that is repeated makes no other, also when the file was dropped again.",
        "shared/waybill/upkeep/retention.py",
        "    services.drops.note_gone(dropped, job_id)\n",
        "",
        (
            "tests/integration/test_dropped_objects.py"
            "::test_the_repeated_event_of_a_deleted_job_makes_no_other_although_a_newer_file_was_dropped",
        ),
    ),
    Mutant(
        "sweep-without-drops",
        "A dropped file whose event was lost is imported within 15 minutes.",
        "functions/schedule/app.py",
        '    "dropsFound": start_lost_drops,\n',
        "",
        ("tests/integration/test_minute.py::test_the_minute_imports_an_object_whose_event_was_lost",),
    ),
    Mutant(
        "relaunch-does-not-take-the-file-over",
        "The file of a relaunched import stays until the relaunch has expired.",
        "shared/waybill/imports/relaunch.py",
        "    if bucket != services.settings.drop_bucket:\n",
        "    if bucket == services.settings.drop_bucket:\n",
        (
            "tests/integration/test_relaunch_whole_file.py"
            "::test_the_file_stays_while_the_child_needs_it_and_goes_with_the_child",
        ),
    ),
    Mutant(
        "upload-makes-a-job-for-each-request",
        "An upload makes one import, however many requests come at once.",
        "shared/waybill/jobs/uploads.py",
        'is_free = Attr("pk").exists() & Attr("jobId").is_missing()',
        'is_free = Attr("pk").exists()',
        ("tests/integration/test_api_imports.py::test_of_parallel_requests_for_one_upload_one_wins",),
    ),
    Mutant(
        "child-with-a-random-id",
        "A relaunch that is repeated after a lost reply makes one child, also when that has ended meanwhile.",
        "functions/api/routers/jobs.py",
        "        request.made_id,\n        corrections=",
        "        corrections=",
        (
            "tests/integration/test_repeated_requests.py"
            "::test_a_relaunch_that_died_before_its_answer_was_kept_finds_its_child_although_it_has_ended",
        ),
    ),
    Mutant(
        "files-are-deleted-while-a-relaunch-waits",
        "The rows that a relaunch is to import stay until it has them.",
        "shared/waybill/upkeep/retention.py",
        'if "exportId" not in entry and services.jobs.has_takers(entry["jobId"]):',
        "if False:",
        ("tests/integration/test_child_source.py::test_files_stay_until_the_relaunch_has_its_rows",),
    ),
    Mutant(
        "corrected-rows-are-taken-again",
        "Rows that were corrected and imported are imported by no later relaunch.",
        "shared/waybill/imports/relaunch.py",
        '{"correctedBy": [*takes.without, child_id]}',
        '{"correctedBy": [child_id]}',
        ("tests/integration/test_corrections.py::test_only_corrected_rows_can_be_taken_and_the_others_later",),
    ),
    Mutant(
        "corrections-of-no-row-pass-in-silence",
        "A correction that belongs to no row ends the relaunch before it writes.",
        "shared/waybill/imports/row_selection.py",
        "        if left:\n",
        "        if False:\n",
        (
            "tests/integration/test_corrections.py"
            "::test_corrections_of_rows_that_were_not_rejected_end_the_job_before_it_writes",
        ),
    ),
    Mutant(
        "two-relaunches-at-once-make-two-children",
        "An import has one relaunch at a time, so that no row is imported twice.",
        "shared/waybill/jobs/origins.py",
        'Attr("pk").exists() & is_unchanged)',
        'Attr("pk").exists())',
        ("tests/integration/test_import_actions.py::test_of_two_relaunches_at_once_one_makes_the_child",),
    ),
    Mutant(
        "attempts-have-different-ids",
        "A request that is repeated with its key, because the first attempt died, has its effect once.",
        "shared/waybill/jobs/idempotency.py",
        'made_id = earlier["madeId"] if earlier else time_ordered_uuid(',
        "made_id = time_ordered_uuid(",
        (
            "tests/integration/test_repeated_requests.py"
            "::test_an_attempt_that_died_before_its_answer_was_kept_has_had_its_effect",
        ),
    ),
    Mutant(
        "refused-repeat-frees-the-key",
        "A request that is refused after its first attempt died does not have its effect twice when it is sent again.",
        "functions/api/idempotency.py",
        " and not claim.is_repeat:",
        ":",
        ("tests/integration/test_repeated_requests.py::test_a_refusal_after_an_attempt_that_died_frees_no_key",),
    ),
    Mutant(
        "key-of-a-request-at-work-is-free",
        "Of two requests with one key, sent at once, one has its effect.",
        "shared/waybill/jobs/idempotency.py",
        '            if earlier["lockedUntil"] > now.timestamp():\n                raise StillRunning()\n',
        "",
        ("tests/integration/test_api_imports.py::test_a_request_at_work_holds_its_key_and_a_dead_one_does_not",),
    ),
    Mutant(
        "busy-queue-loses-a-drop",
        "A file that is dropped while many imports into its entity are being registered is imported.",
        "shared/waybill/imports/start.py",
        "        except (Conflict, Unavailable) as refused:",
        "        except Conflict as refused:",
        ("tests/integration/test_import_start.py::test_a_drop_that_others_overtake_all_the_time_waits_until_fewer_do",),
    ),
    Mutant(
        "busy-queue-is-a-conflict",
        "Nobody is told that an upload was imported, or may not be, when only too many others are at it.",
        "shared/waybill/jobs/repository.py",
        "        raise Unavailable(message, BUSY_RETRY_SECONDS)",
        "        raise Conflict(message)",
        (
            "tests/integration/test_api_imports.py"
            "::test_an_import_that_others_overtake_all_the_time_is_told_when_to_try_again",
        ),
    ),
    Mutant(
        "lost-reply-to-a-stop-is-a-refusal",
        "A Stop whose reply was lost is not refused when it is sent again.",
        "shared/waybill/jobs/repository.py",
        "            if is_stopping or job.stop_reason == reason:\n",
        "            if not job:\n",
        ("tests/integration/test_audit.py::test_what_changes_nothing_leaves_nothing",),
    ),
    Mutant(
        "partial-import-refuses-the-same-file",
        "A file that was imported in part can be sent again, also where duplicates are refused.",
        "shared/waybill/imports/finish.py",
        "    if ended.outcome is Outcome.SUCCESS and not job.dry_run and job.undo_of is None:",
        "    if not job.dry_run:",
        ("tests/integration/test_import_start.py::test_only_what_was_imported_whole_and_in_the_same_mode_is_refused",),
    ),
)
