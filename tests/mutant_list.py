"""The planted bugs of `make mutants`: each undoes one safeguard, and names the tests that must notice it.

A mutant replaces a text that its file has exactly once. When the code changes, change `before` and `after` with it, so
that the same safeguard is undone; a mutant goes only with its safeguard. A new safeguard brings its mutant.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """
    Attributes:
        promise: what users would lose.
        path: of the file, from the project's folder.
        before, after: the text that is replaced, and what replaces it.
        tests: node ids of pytest; at least one of them fails with the bug.
    """

    name: str
    promise: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]

    def applied_to(self, text: str) -> str:
        """The text with the bug.

        Raises:
            ValueError: `before` does not occur in it exactly once.
        """
        if (times := text.count(self.before)) != 1:
            raise ValueError(f"{self.name}: the text to replace occurs {times} times in {self.path}")
        return text.replace(self.before, self.after)


#: Lost executions, and the queue of an entity's imports.
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

#: Dropped objects, uploads and requests that are repeated.
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
        'Attr("pk").exists() & Attr("jobId").is_missing()',
        'Attr("pk").exists()',
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

#: Undo: what records were is kept before they are written, and nothing else is put back.
UNDO = (
    Mutant(
        "own-writes-are-kept-as-what-was-before",
        "A retry of the check never keeps what the import wrote itself as what was before it.",
        "shared/waybill/imports/previous.py",
        'if record.get("_by") == {"S": self._job.job_id}:',
        "if False:",
        ("tests/integration/test_undo.py::test_what_the_import_wrote_itself_is_never_kept_as_what_was_before",),
    ),
    Mutant(
        "previous-is-kept-after-the-write",
        "What a record was is kept before the first write, not while rows are written.",
        "shared/waybill/imports/policy.py",
        "not mode.is_batched or by_schema or keeps,",
        "not mode.is_batched or by_schema,",
        ("tests/integration/test_undo.py::test_an_undo_puts_back_what_was_before_in_every_mode",),
    ),
    Mutant(
        "records-are-kept-by-the-block",
        "Short rows that replace thousands of the largest records do not exhaust the memory of the check.",
        "shared/waybill/imports/previous.py",
        "        last = first + KEYS_PER_BATCH",
        "        last = len(block.rows)",
        ("tests/integration/test_undo.py::test_one_record_at_a_time_is_in_memory_while_they_are_kept",),
    ),
    Mutant(
        "rows-after-a-piece-are-not-kept",
        "A check that ends within a block goes on there.",
        "shared/waybill/imports/previous.py",
        "return presence, end if last >= len(block.rows) else rows[-1] + 1",
        "return presence, end",
        ("tests/integration/test_undo.py::test_one_record_at_a_time_is_in_memory_while_they_are_kept",),
    ),
    Mutant(
        "undo-previews-without-end",
        "The preview of an undo counts as one of the few that a caller makes in a minute.",
        "functions/api/routers/jobs.py",
        "    request.services.previews.take(request.caller.subject)\n    return json_response(preview_undo(",
        "    return json_response(preview_undo(",
        ("tests/integration/test_api_undo.py::test_a_preview_of_an_undo_counts_as_a_preview",),
    ),
    Mutant(
        "undo-preview-of-any-size",
        "The preview of an undo unpacks so many bytes of records, however large they are.",
        "shared/waybill/imports/undo.py",
        "                if share <= 0:",
        "                if False:",
        (
            "tests/integration/test_undo.py::"
            "test_a_preview_has_one_record_at_a_time_in_memory_and_looks_at_fewer_large_ones",
        ),
    ),
    Mutant(
        "undo-ignores-changed-since",
        "A record that was changed after the import stays as it is when the import is undone.",
        "shared/waybill/imports/undo_sink.py",
        '["contains(#by, :undone)",',
        '["attribute_exists(#by) OR contains(#by, :undone)",',
        ("tests/integration/test_undo.py::test_records_that_were_changed_since_stay_and_are_listed_by_their_rows",),
    ),
    Mutant(
        "undo-refuses-its-own-writes",
        "An undo whose worker dies counts the rows that it has undone once it is repeated.",
        "shared/waybill/imports/undo_sink.py",
        '*(f"begins_with(#by, {name})" for name in marks)]',
        '*(f"#by = {name} AND attribute_exists(#no)" for name in marks)]',
        ("tests/integration/test_undo.py::test_an_undo_whose_worker_dies_is_completed_and_counts_each_row_once",),
    ),
    Mutant(
        "undone-twice",
        "An import is undone once.",
        "shared/waybill/imports/undo.py",
        "    if child is not None and not left_undone(child):",
        "    if False:",
        ("tests/integration/test_undo.py::test_an_import_is_undone_once",),
    ),
    Mutant(
        "undo-forgets-the-import-before",
        "Imports are undone one after the other.",
        "shared/waybill/imports/undo_sink.py",
        """origin = f"/{previous['_by']['S'].rpartition('/')[2]}" if "_by" in previous else \"\"""",
        'origin = ""',
        ("tests/integration/test_undo.py::test_imports_can_be_undone_one_after_the_other_back_to_the_beginning",),
    ),
    Mutant(
        "undo-of-rows-that-were-not-imported",
        "Rows that an import rejected or did not come to are left alone when it is undone.",
        "shared/waybill/imports/child_source.py",
        "if not left.has(_place(row, form.dialect.delimiter))]",
        "]",
        ("tests/integration/test_undo.py::test_only_rows_that_were_imported_are_undone",),
    ),
    Mutant(
        "undo-is-relaunched-as-an-import",
        "The relaunch of an undo does not import the rows that it left.",
        "shared/waybill/imports/relaunch.py",
        "    if job.undo_of is not None:",
        "    if False:",
        ("tests/integration/test_undo.py::test_an_undo_cannot_be_relaunched",),
    ),
)

#: Rows: written and counted once, by whoever holds the chunk.
ROWS = (
    Mutant(
        "a-bad-cell-of-a-foreign-column-is-good",
        "The C library approves no cell that the rule refuses.",
        "shared/waybill/entities/foreign_columns.py",
        "statuses[position] |= native.DOUBTED",
        "statuses[position] |= native.BLANK",
        ("tests/unit/test_native.py::test_every_kind_of_cell_has_the_outcome_of_the_rule",),
    ),
    Mutant(
        "rows-with-unusual-cells-get-other-numbers",
        "Each row has its own number, and without a primary key its own record.",
        "shared/waybill/imports/row_reader.py",
        "len(rows), 0, numbers=rows, **options",
        "len(rows), rows[0], **options",
        (
            "tests/unit/test_native.py::test_rows_with_unusual_good_cells_are_loaded_in_order_and_with_their_own_numbers",
        ),
    ),
    Mutant(
        "takeover-without-waiting-for-the-lease",
        "One worker at a time writes the rows of a chunk.",
        "shared/waybill/jobs/ledger.py",
        "if old is not None and old.attempt != attempt and old.until > now * 1000:",
        "if old is not None and old.until < 0:",
        ("tests/simulation/test_loads.py::test_no_trouble_changes_a_count[zombies]",),
    ),
    Mutant(
        "superseded-worker-commits",
        "A worker that another one has replaced counts no rows.",
        "shared/waybill/jobs/ledger.py",
        '    return RUNNING & Attr(f"leases.{chunk}.attempt").equals(attempt)',
        "    return RUNNING",
        ("tests/integration/test_job_ledger.py::test_a_worker_that_was_replaced_counts_nothing",),
    ),
    Mutant(
        "counts-outside-the-transaction",
        "Each row counts once, whenever a worker dies.",
        "shared/waybill/jobs/ledger.py",
        "            self._table.transact(actions, token, CONFLICT_ROUNDS)\n",
        "            self._table.transact(actions[1:], token, CONFLICT_ROUNDS)\n"
        "            self._table.transact(actions[:1], None, CONFLICT_ROUNDS)\n",
        (
            "tests/integration/test_import_crashes.py"
            "::test_a_crash_after_any_write_of_a_load_changes_nothing_in_the_end",
        ),
    ),
    Mutant(
        "processed-falls-when-rows-have-become-fewer",
        "`processed` never falls while a job runs, also when an export reads its table again.",
        "shared/waybill/jobs/ledger.py",
        '        return ChunkLease("", processed) if processed > 0 else None\n',
        "        return None\n",
        (
            "tests/unit/test_chunk_ledger.py"
            "::test_processed_does_not_fall_when_a_chunk_has_fewer_rows_than_an_earlier_attempt_has_read",
        ),
    ),
    Mutant(
        "heartbeat-too-seldom",
        "No row is written later than 5 seconds after a Stop was accepted.",
        "shared/waybill/jobs/leases.py",
        "HEARTBEAT_SECONDS = 1.0",
        "HEARTBEAT_SECONDS = 5.0",
        ("tests/simulation/test_loads.py::test_between_heartbeats_no_request_is_sent_that_could_outlast_a_stop",),
    ),
    Mutant(
        "request-may-outlast-the-lease",
        "No request of a worker that was replaced arrives at the table.",
        "shared/waybill/jobs/leases.py",
        "WRITE_TIMEOUT_SECONDS = 3.0",
        "WRITE_TIMEOUT_SECONDS = 30.0",
        (
            "tests/simulation/test_loads.py"
            "::test_after_a_slow_heartbeat_nothing_is_sent_that_could_outlast_the_lease_or_a_stop",
        ),
    ),
    Mutant(
        "late-heartbeat-allows-a-request",
        "No row is written on the word of a heartbeat that was answered late.",
        "shared/waybill/jobs/leases.py",
        "            if self._clock.monotonic() - asked <= MAX_AGE_SECONDS:",
        "            if self._clock.monotonic() - asked <= LEASE_SECONDS:",
        (
            "tests/simulation/test_loads.py"
            "::test_after_a_slow_heartbeat_nothing_is_sent_that_could_outlast_the_lease_or_a_stop",
        ),
    ),
    Mutant(
        "stop-is-not-looked-at",
        "A Stop ends an import within seconds.",
        "shared/waybill/imports/chunk_loader.py",
        "        if self._heartbeat.check().stop_reason is not None:\n",
        "        if self._heartbeat.check().is_terminal:\n",
        ("tests/integration/test_import_actions.py::test_stop_lists_the_rows_that_were_not_written",),
    ),
    Mutant(
        "no-read-back",
        "Rows that stand in the table count as imported, also when their worker died before a Stop.",
        "shared/waybill/imports/chunk_loader.py",
        "        if not may_write or not (asks_rest or known.lost):\n            return known\n",
        "        return known\n",
        ("tests/integration/test_import_ends.py::test_rows_that_a_dead_worker_wrote_count_as_imported",),
    ),
    Mutant(
        "read-back-by-the-mark-alone",
        "Of a repeated key just the row that stands in the table counts as imported.",
        "shared/waybill/imports/read_back.py",
        "        names = (request.keys() | item.keys()) - {self._time}\n",
        '        names = {"_by"}\n',
        ("tests/integration/test_import_ends.py::test_of_a_repeated_key_the_row_that_stands_counts",),
    ),
    Mutant(
        "winners-are-not-written-again",
        "Of the rows of one key the last one is what the table holds, whatever the number of workers.",
        "shared/waybill/imports/finish.py",
        "            winners = [rows[-1].text for rows in groups if sum(not found.is_left for found in rows) > 1]\n",
        "            winners = [rows[-1].text for rows in groups if not rows]\n",
        ("tests/simulation/test_loads.py::test_no_trouble_changes_a_count[all]",),
    ),
    Mutant(
        "winners-bear-an-old-time",
        "Incremental exports of a target table find the rows that the end of an import has written.",
        "shared/waybill/imports/finish.py",
        "writer.write(_stamped(some, reader, services.clock.now()))",
        "writer.write(_stamped(some, reader, _NO_TIME))",
        (
            "tests/integration/test_import_time.py::test_winners_in_a_target_table_bear_the_time_at_which_they_were_written",
        ),
    ),
    Mutant(
        "source-is-read-without-its-etag",
        "A file that is overwritten while it is imported is never mixed with the new one.",
        "shared/waybill/imports/chunks.py",
        "end=chunk.end, etag=source.etag)",
        "end=chunk.end, etag=None)",
        ("tests/integration/test_import_crashes.py::test_a_file_overwritten_between_plan_and_load_is_accounted_for",),
    ),
    Mutant(
        "own-insert-is-exists",
        "An insert that is sent twice because a reply was lost is no `exists`.",
        "shared/waybill/imports/sinks.py",
        "attribute_not_exists(#key) OR attribute_exists(#gone) OR #by = :job",
        "attribute_not_exists(#key) OR attribute_exists(#gone)",
        ("tests/integration/test_import_modes.py::test_an_attempt_that_meets_its_own_writes_counts_them_as_done",),
    ),
    Mutant(
        "own-deletion-is-not-found",
        "A deletion that is sent twice because a reply was lost is no `not-found`.",
        "shared/waybill/imports/sinks.py",
        "attribute_exists(#key) AND (attribute_not_exists(#gone) OR #by = :job)",
        "attribute_exists(#key) AND attribute_not_exists(#gone)",
        ("tests/integration/test_import_modes.py::test_an_attempt_that_meets_its_own_writes_counts_them_as_done",),
    ),
    Mutant(
        "own-insert-into-a-target-table-is-exists",
        "An insert into a target table that is sent twice is no `exists`.",
        "shared/waybill/imports/target_sink.py",
        "        if self._content(ours) == self._content(refusal.item):\n",
        "        if not ours:\n",
        ("tests/integration/test_target_tables.py::test_an_attempt_that_meets_its_own_writes_counts_them_as_done",),
    ),
    Mutant(
        "record-that-grows-too-large-fails-the-job",
        "A row that would make its stored record too large is rejected, and the rest of the file is imported.",
        "shared/waybill/aws/dynamodb.py",
        "                except (ConditionFailed, ItemTooLarge) as refusal:\n",
        "                except ConditionFailed as refusal:\n",
        (
            "tests/integration/test_import_modes.py::test_a_record_that_would_grow_too_large_is_an_error_of_its_row",
            "tests/integration/test_dynamodb_wire.py::test_an_update_that_makes_an_item_too_large_is_refused_alone",
        ),
    ),
    Mutant(
        "record-that-grows-too-large-is-not-found",
        "A row that would make its stored record too large is told so.",
        "shared/waybill/imports/sinks.py",
        "RECORD_TOO_LARGE if isinstance(reasons[row], ItemTooLarge) else self._refusal",
        "self._refusal",
        ("tests/integration/test_import_modes.py::test_a_record_that_would_grow_too_large_is_an_error_of_its_row",),
    ),
    Mutant(
        "tombstone-is-a-record",
        "A record that was deleted can be inserted again, and cannot be updated.",
        "shared/waybill/imports/existence.py",
        "    return {comparable(item, attributes) for item in items if not (own_table and _TOMBSTONE in item)}",
        "    return {comparable(item, attributes) for item in items}",
        ("tests/integration/test_import_modes.py::test_delete_needs_only_the_key_and_leaves_no_record",),
    ),
    Mutant(
        "unprocessed-items-are-dropped",
        "Rows that a throttled table did not take are sent again.",
        "shared/waybill/aws/dynamodb.py",
        'unprocessed = [put for puts in answer.get("UnprocessedItems", {}).values() for put in puts]',
        "unprocessed = []",
        ("tests/unit/test_dynamodb.py::test_only_the_unprocessed_are_sent_again",),
    ),
    Mutant(
        "late-request-is-sent-after-a-stall",
        "A request that a stall kept from being sent is not sent after its time.",
        "shared/waybill/aws/dynamodb.py",
        "                if late in self._not_begun or late.handle.getinfo(pycurl.SIZE_UPLOAD_T) < late.body_bytes:\n",
        "                if late.failures < 0:\n",
        (
            "tests/unit/test_dynamodb.py"
            "::test_a_request_that_the_caller_kept_from_being_sent_is_not_sent_after_its_time",
        ),
    ),
    Mutant(
        "transaction-without-one-token",
        "A transaction whose reply was lost is applied once.",
        "shared/waybill/aws/dynamodb.py",
        '            request = {"ClientRequestToken": new_token(self.ids), **request}\n',
        "            request = {**request}\n",
        ("tests/unit/test_dynamodb.py::test_all_attempts_of_a_transaction_carry_one_token",),
    ),
    Mutant(
        "abort-counts-repeated-keys",
        "Rows that another row of the file replaces do not count for `maxErrors`, in no mode and no dry run.",
        "shared/waybill/imports/chunk_loader.py",
        "job.rejected - job.repeated - (lease.rejected - lease.repeated if lease else 0)",
        "job.rejected - (lease.rejected if lease else 0)",
        ("tests/integration/test_import_modes.py::test_repeated_keys_do_not_count_for_abort",),
    ),
    Mutant(
        "abort-counts-repeated-keys-of-the-chunk",
        "Rows that another row of the file replaces do not count for `maxErrors`, wherever they stand.",
        "shared/waybill/imports/chunk_loader.py",
        "elsewhere - (tally.rejected - tally.repeated))",
        "elsewhere - tally.rejected)",
        ("tests/integration/test_import_modes.py::test_repeated_keys_do_not_count_for_abort",),
    ),
    Mutant(
        "all-or-nothing-writes-good-rows",
        "All-or-nothing writes nothing when one row is bad.",
        "shared/waybill/imports/policy.py",
        'writes=not job.dry_run and not job.options.get("refused"),\n'
        '            refuses_all=bool(job.options.get("refused")),',
        "writes=not job.dry_run,\n            refuses_all=False,",
        ("tests/integration/test_import_modes.py::test_all_or_nothing_writes_nothing_for_one_bad_row",),
    ),
    Mutant(
        "rows-are-numbered-from-the-header",
        "Rows have the numbers that a spreadsheet shows.",
        "shared/waybill/tabular/scan.py",
        "                tally.next_row += records - segment.records\n",
        "",
        ("tests/unit/test_scan.py::test_chunks_hold_the_rows_of_a_sequential_read",),
    ),
    Mutant(
        "bytes-that-do-not-decode-are-let-in",
        "A file in another encoding is refused before anything is written.",
        "shared/waybill/tabular/scan.py",
        "            _check_decodes(segment, encoding, dialect, tally.next_row, source_encoding or encoding)\n",
        "",
        ("tests/unit/test_scan.py::test_a_file_that_cannot_be_imported_says_why_and_where",),
    ),
    Mutant(
        "blank-tail-is-imported",
        "Blank rows after the last filled one do not count.",
        "shared/waybill/tabular/scan.py",
        "    chunks = tally.without_blank_tail()\n",
        "    chunks = tally.chunks\n",
        ("tests/unit/test_scan.py::test_chunks_hold_the_rows_of_a_sequential_read",),
    ),
    Mutant(
        "rows-left-over-are-not-compared",
        "The relaunch of a stopped import writes no older row of a key over a newer one.",
        "shared/waybill/imports/finish.py",
        "    if reads:  # only",
        "    if not reads:  # only",
        (
            "tests/integration/test_last_row_wins.py"
            "::test_a_row_left_over_whose_key_a_later_row_imported_is_a_duplicate",
        ),
    ),
    Mutant(
        "losers-left-over-are-listed-as-stopped",
        "That holds for modes whose repeated keys are found before the load, too.",
        "shared/waybill/imports/chunk_loader.py",
        "            if loser is not None and loser.type == DUPLICATE_KEY:\n",
        "            if loser is not None and loser.type != DUPLICATE_KEY:\n",
        (
            "tests/integration/test_last_row_wins.py"
            "::test_where_repeated_keys_were_found_before_the_load_the_rows_left_over_know_them",
        ),
    ),
    Mutant(
        "rows-that-nobody-can-compare-count",
        "No row counts as imported of which it is not known whether it stands, because the file is gone.",
        "shared/waybill/imports/finish.py",
        "        for unread in search.unread():\n",
        "        for unread in ():\n",
        (
            "tests/integration/test_last_row_wins.py"
            "::test_a_repeated_key_of_a_file_that_is_gone_before_the_finish_does_not_count",
        ),
    ),
    Mutant(
        "rows-without-text-are-relaunched",
        "A relaunch imports no rows whose text is gone.",
        "shared/waybill/imports/row_selection.py",
        "NOT_IMPORTABLE = (DUPLICATE_KEY, SOURCE_CHANGED)",
        "NOT_IMPORTABLE = (DUPLICATE_KEY,)",
        ("tests/integration/test_import_actions.py::test_rows_whose_text_is_gone_are_not_relaunched",),
    ),
    Mutant(
        "throttling-is-waited-for-without-end",
        "A worker whose table takes nothing any more gives up, so that its step is repeated.",
        "shared/waybill/aws/dynamodb.py",
        "        if now - self._progress_at >= self._patience_seconds and connection.failures >= 4:\n",
        "        if now - self._progress_at >= self._patience_seconds and connection.failures >= 999:\n",
        ("tests/unit/test_dynamodb.py::test_an_outage_is_given_up_after_the_patience",),
    ),
    Mutant(
        "pending-rows-are-reported-as-written",
        "What a dead worker reported as written stands in the table.",
        "shared/waybill/imports/chunk_loader.py",
        "        first_pending = min(self._sink.pending(), default=self._handed_in)\n",
        "        first_pending = self._handed_in\n",
        ("tests/integration/test_import_ends.py::test_rows_on_their_way_when_a_worker_dies_do_not_count_as_written",),
    ),
    Mutant(
        "next-part-begins-with-the-chunk",
        "A chunk that takes longer than an invocation goes on where it was.",
        "shared/waybill/imports/chunk_loader.py",
        "    start = _Tally(begin.next_row if begin else chunk.first_row, begin.next_byte if begin else chunk.start)\n",
        "    start = _Tally(begin.next_row if begin else chunk.first_row, chunk.start)\n",
        (
            "tests/integration/test_import_time.py"
            "::test_a_chunk_that_takes_longer_than_an_invocation_goes_on_in_the_next",
        ),
    ),
)

#: How jobs end, and who is told.
ENDS = (
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
        'may_stop = RUNNING & Attr("process").equals(Process.IMPORT) & is_loading',
        'may_stop = RUNNING & Attr("process").equals(Process.IMPORT)',
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

#: Duties of the schedule, and what jobs leave behind.
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
        '        entry_failed("exports", exportId=due.export_id)\n        attempts',
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
        "shared/waybill/exports/repository.py",
        "            actions += [self._table.put_action(_due_item(due))] if due else []\n",
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
        "        if services.active_jobs.has_any_of(entity.uid):\n",
        "        if not entity.uid:\n",
        ("tests/integration/test_entity_deletion.py::test_an_import_that_has_not_ended_keeps_its_entity",),
    ),
)

#: Exports: windows, runs and deliveries.
EXPORTS = (
    Mutant(
        "bucket-of-anybody",
        "A file goes to a bucket only if it belongs to the account that is expected.",
        "shared/waybill/aws/bucket.py",
        'self._at: Any = {"Bucket": name, "ExpectedBucketOwner": access.owner}',
        'self._at: Any = {"Bucket": name}',
        (
            "tests/integration/test_foreign_buckets.py"
            "::test_every_request_names_the_account_that_the_bucket_must_belong_to",
        ),
    ),
    Mutant(
        "role-without-external-id",
        "A role of another account is assumed with the external id that its owner has set.",
        "shared/waybill/aws/clients.py",
        '**({"ExternalId": external_id} if external_id else {})',
        "**({} if external_id else {})",
        ("tests/integration/test_foreign_buckets.py::test_a_file_is_sent_with_the_role_of_the_bucket",),
    ),
    Mutant(
        "horizon-ignores-the-running-import",
        "Increments miss no record that an import was writing meanwhile.",
        "shared/waybill/jobs/repository.py",
        "end = earliest_from(self._clock.now(), horizon) if running is None else running.write_time",
        "end = earliest_from(self._clock.now(), horizon)",
        ("tests/integration/test_export_windows.py::test_a_window_ends_before_the_import_that_is_running",),
    ),
    Mutant(
        "window-ignores-the-horizon",
        "Increments have the records of every import that has ended, also when its clock was ahead.",
        "shared/waybill/jobs/repository.py",
        "end = earliest_from(self._clock.now(), horizon) if running",
        "end = earliest_from(self._clock.now(), None) if running",
        (
            "tests/integration/test_export_windows.py"
            "::test_a_window_covers_an_import_that_has_ended_although_its_clock_was_ahead",
        ),
    ),
    Mutant(
        "window-does-not-move-the-horizon",
        "Increments miss no record, however late the clock of the next import.",
        "shared/waybill/jobs/repository.py",
        "            if running is None:\n                actions.append(",
        "            if running is not None:\n                actions.append(",
        (
            "tests/integration/test_export_windows.py"
            "::test_an_import_that_begins_after_a_window_was_chosen_writes_behind_it_however_late_its_clock",
        ),
    ),
    Mutant(
        "begin-ignores-the-horizon",
        "Increments miss no record, however late the clock of the next import.",
        "shared/waybill/jobs/repository.py",
        "(write_time := earliest_from(now, horizon))",
        "(write_time := now)",
        (
            "tests/integration/test_export_windows.py"
            "::test_an_import_that_begins_after_a_window_was_chosen_writes_behind_it_however_late_its_clock",
        ),
    ),
    Mutant(
        "import-begins-while-a-window-is-chosen",
        "Increments miss no record of an import that begins while their window is chosen.",
        "shared/waybill/jobs/running.py",
        '"writeTime": rfc3339(after)}, is_unchanged)',
        '"writeTime": rfc3339(after)})',
        ("tests/unit/test_job_records.py::test_an_import_that_begins_while_the_window_is_chosen_writes_behind_it",),
    ),
    Mutant(
        "running-import-is-looked-up-before-the-horizon",
        "Increments miss no record of an import that begins while their window is chosen.",
        "shared/waybill/jobs/repository.py",
        "        horizon = self._running.horizon(entity_uid)\n        running = self._running.find(entity_uid)\n",
        "        running = self._running.find(entity_uid)\n        horizon = self._running.horizon(entity_uid)\n",
        ("tests/unit/test_job_records.py::test_an_import_that_begins_between_the_two_looks_writes_behind_the_window",),
    ),
    Mutant(
        "records-bear-the-time-of-the-worker",
        "Increments miss no record, whatever the clocks of workers say.",
        "shared/waybill/imports/row_reader.py",
        "epoch_milliseconds(self._write_time or now)",
        "epoch_milliseconds(now)",
        ("tests/integration/test_import_modes.py::test_all_records_of_an_import_bear_its_write_time",),
    ),
    Mutant(
        "window-moves-before-the-delivery",
        "The rows of a run that failed are in the next increment.",
        "shared/waybill/exports/repository.py",
        "    if job.status is Status.COMPLETED:\n        window_end",
        "    if job.window_to is not None:\n        window_end",
        ("tests/integration/test_export_windows.py::test_the_rows_of_a_run_that_failed_are_in_the_next_one",),
    ),
    Mutant(
        "stalled-relaunch-overlaps",
        "Increments do not overlap, in whatever order failed runs are relaunched, also at once.",
        "shared/waybill/exports/repository.py",
        "            if run.window is not None and export.has_delivered(series, run.window[0]):",
        "            if False:",
        (
            "tests/integration/test_repeated_requests.py"
            "::test_a_relaunch_that_stalls_while_another_one_delivers_the_beginning_of_its_window_is_refused",
        ),
    ),
    Mutant(
        "past-period-moves-the-window",
        "A run for a past period leaves its export's series of windows as it is.",
        "shared/waybill/exports/repository.py",
        "    if job.is_backfill and job.error_code != NO_PERMISSION:\n        return export\n",
        "",
        (
            "tests/integration/test_export_windows.py"
            "::test_failed_runs_for_past_periods_neither_pause_an_export_nor_lose_their_place",
        ),
    ),
    Mutant(
        "past-period-is-still-written",
        "A past period does not end behind what is still written.",
        "shared/waybill/jobs/repository.py",
        "                return end <= running.write_time\n",
        "                return True\n",
        ("tests/integration/test_export_windows.py::test_a_past_period_does_not_end_behind_what_is_still_written",),
    ),
    Mutant(
        "imports-write-into-a-past-period",
        "What begins after a run for a past period writes behind it, however late its clock is.",
        "shared/waybill/jobs/repository.py",
        "                self._table.transact([action], rounds=CONFLICT_ROUNDS)\n            except",
        "                return True\n            except",
        (
            "tests/integration/test_export_windows.py"
            "::test_an_import_that_begins_after_a_run_for_a_past_period_writes_behind_it_however_late_its_clock",
        ),
    ),
    Mutant(
        "relaunches-of-an-earlier-definition-overlap",
        "Increments do not overlap, also those of a definition that was edited since.",
        "shared/waybill/exports/run.py",
        " and (_covers(run, job) or _overlaps(run, job)):",
        " and _covers(run, job):",
        ("tests/integration/test_repeated_requests.py::test_windows_of_an_earlier_definition_do_not_overlap_either",),
    ),
    Mutant(
        "repeat-begins-where-the-new-series-does",
        "A run of an earlier definition is repeated from where it began.",
        "shared/waybill/exports/run.py",
        "    window = (job.window_from, job.window_to) if is_increment(job) else None",
        "    window = None if job.window_to is None else (job.window_from, job.window_to)",
        (
            "tests/integration/test_repeated_requests.py"
            "::test_a_repeat_begins_where_its_run_did_although_its_end_was_not_chosen_and_the_export_starts_over",
        ),
    ),
    Mutant(
        "window-whose-deletions-are-gone",
        "An increment that cannot know all deletions is refused.",
        "shared/waybill/exports/window.py",
        "    if definition.has_changes and is_too_old:\n",
        "    if definition.has_changes and is_too_old and job.window_to is None:\n",
        ("tests/integration/test_export_windows.py::test_a_window_with_deletions_that_are_gone_is_refused",),
    ),
    Mutant(
        "two-runs-of-an-export-at-once",
        "A run of an export waits for the one before.",
        "shared/waybill/exports/repository.py",
        '                raise Conflict("A run of this export is in progress.", export.allowed_actions())\n',
        "                return replace(export, running=run, job_id=run.job_id)\n",
        ("tests/integration/test_export_runs.py::test_a_run_waits_for_the_one_before",),
    ),
    Mutant(
        "run-is-not-handled",
        "Each moment of a schedule makes one run.",
        "shared/waybill/exports/repository.py",
        "handled_until=run.occurrence or export.handled_until,",
        "handled_until=export.handled_until,",
        ("tests/integration/test_export_runs.py::test_ticks_start_each_run_once_and_catch_up_once",),
    ),
    Mutant(
        "last-day-of-a-month-is-the-30th",
        "A schedule on the last day of a month runs on it, however long the month is.",
        "shared/waybill/schedule.py",
        "monthrange(day.year, day.month)[1]",
        "30",
        ("tests/unit/test_schedule.py::test_next_runs",),
    ),
    Mutant(
        "interval-is-counted-in-utc",
        "A schedule at an interval is counted from local midnight.",
        "shared/waybill/schedule.py",
        """    times, zone = _times(schedule), zone_of(schedule)
    for day in""",
        """    times, zone = _times(schedule), UTC if "every" in schedule else zone_of(schedule)
    for day in""",
        ("tests/unit/test_schedule.py::test_next_runs",),
    ),
    Mutant(
        "missed-time-of-spring-is-left-out",
        "A local time that does not exist on a day runs at the next valid minute.",
        "shared/waybill/schedule.py",
        "    if _shown(moment, zone) == wanted:\n        return moment\n",
        "    return moment\n",
        ("tests/unit/test_schedule.py::test_next_runs",),
    ),
    Mutant(
        "increment-covers-a-file-that-was-not-collected",
        "A file of changes takes the next free name, so that none is lost.",
        "shared/waybill/exports/deliver.py",
        "replaces=not definition.is_incremental,",
        "replaces=True,",
        ("tests/integration/test_export_runs.py::test_increments_take_the_next_free_name_and_full_extracts_replace",),
    ),
    Mutant(
        "old-file-is-deleted-first",
        "The receiver has one whole good file at every moment.",
        "shared/waybill/exports/destinations/publish.py",
        "        connection.rename(final_name, backup, replace=False)\n",
        "        connection.delete(final_name)\n",
        ("tests/unit/test_publish.py::test_the_old_file_stays_until_the_new_one_has_its_name",),
    ),
    Mutant(
        "old-file-does-not-get-its-name-back",
        "After a refusal the receiver's old file has its name again.",
        "shared/waybill/exports/destinations/publish.py",
        "            if swaps:\n                _put_back(",
        "            if not swaps:\n                _put_back(",
        ("tests/unit/test_publish.py::test_a_refused_rename_gives_the_old_file_its_name_back_at_once",),
    ),
    Mutant(
        "next-run-leaves-the-old-file-aside",
        "If a run ends while the old file is aside, the next one puts it back.",
        "shared/waybill/exports/deliver.py",
        '    _restore_old_files(delivery, snapshot.get("setAside", []))\n',
        "",
        (
            "tests/integration/test_export_runs.py"
            "::test_an_old_file_that_an_ended_run_left_under_another_name_gets_it_back_by_the_next_run",
        ),
    ),
    Mutant(
        "manifest-before-the-data",
        "A manifest describes a file that exists.",
        "shared/waybill/exports/destinations/publish.py",
        "    for part, final_name in zip(parts, names, strict=True):\n        is_data",
        "    for part, final_name in zip(parts[::-1], names[::-1], strict=True):\n        is_data",
        ("tests/unit/test_publish.py::test_a_delivery_places_data_then_manifest",),
    ),
    Mutant(
        "late-name-counts-as-a-file",
        "On a server that shows late what was done, the receiver's old file is not deleted.",
        "shared/waybill/exports/destinations/publish.py",
        "        place.is_gone(final_name)\n",
        "",
        ("tests/integration/test_quirky_servers.py::test_a_full_extract_replaces_the_one_before",),
    ),
    Mutant(
        "refused-posix-rename-ends-it",
        "A server that refuses each posix-rename gets its files.",
        "shared/waybill/exports/destinations/sftp_connection.py",
        "            self._wait(self._sftp.rename(source, target))\n\n    def read",
        "            raise\n\n    def read",
        ("tests/integration/test_quirky_servers.py::test_a_full_extract_replaces_the_one_before",),
    ),
    Mutant(
        "denied-stat-is-no-file",
        "A file whose stat is denied is not overwritten by changes.",
        "shared/waybill/exports/destinations/sftp_connection.py",
        "            return self._size_without_stat(path)\n",
        "            return None\n",
        ("tests/integration/test_quirky_servers.py::test_changes_never_cover_a_file",),
    ),
    Mutant(
        "without-size-there-is-no-file",
        "A file on a server without SIZE is not overwritten by changes.",
        "shared/waybill/exports/destinations/ftps_connection.py",
        "        return self._size_without_size(name)\n",
        "        return None\n",
        ("tests/integration/test_quirky_servers.py::test_changes_never_cover_a_file",),
    ),
    Mutant(
        "short-file-is-published",
        "A receiver never sees a final name with partial content.",
        "shared/waybill/exports/destinations/publish.py",
        "    _check_size(place, part, source.size_bytes)\n    return True\n",
        "    return True\n",
        ("tests/unit/test_publish.py::test_a_server_that_keeps_less_than_it_took_is_told",),
    ),
    Mutant(
        "part-of-a-replaced-attempt-counts",
        "An attempt that was replaced leaves no trace in the exported file.",
        "shared/waybill/exports/extract.py",
        "parts/{part:04d}/{number:04d}-{attempt}",
        "parts/{part:04d}/{number:04d}",
        (
            "tests/integration/test_export_runs.py::test_a_file_that_a_replaced_attempt_ends_late_is_not_the_one_that_counts",
        ),
    ),
    Mutant(
        "rename-is-sent-twice",
        "A receiver gets each file once, also when the reply to its rename was lost.",
        "shared/waybill/exports/destinations/publish.py",
        "        if not place.is_settled(lambda part=part: connection.size(part) is not None):  # type: ignore[misc]\n"
        "            continue\n",
        "",
        (
            "tests/unit/test_publish.py::test_a_failed_rename_that_may_have_happened_is_not_repeated",
            "tests/unit/test_publish.py::test_broken_anywhere_twice_it_still_arrives_once",
        ),
    ),
)

#: Who may see and do what.
PERMISSIONS = (
    Mutant(
        "import-begins-without-asking-for-rights",
        "A waiting import of somebody who has lost the right writes nothing.",
        "shared/waybill/imports/plan.py",
        "    if not _starter_still_may(services, job):\n",
        "    if not job.job_id:\n",
        (
            "tests/integration/test_rights_at_run_time.py"
            "::test_a_waiting_import_is_refused_once_its_starter_has_lost_the_right",
        ),
    ),
    Mutant(
        "run-begins-without-asking-for-rights",
        "An export stops when its owner may no longer export.",
        "shared/waybill/exports/extract.py",
        "    if not still_may(services, owner.subject, owner.name, Right.EXPORT, entity.name, entity.uid):\n",
        "    if not owner.subject:\n",
        ("tests/integration/test_rights_at_run_time.py::test_a_schedule_stops_when_its_owner_may_no_longer_export",),
    ),
    Mutant(
        "refused-file-is-hidden",
        "A file that was refused is seen by those who may import into its entity.",
        "shared/waybill/jobs/permissions.py",
        "    return job.refused and _may_on_job(caller, job, entity, Right.IMPORT)\n",
        "    return False\n",
        (
            "tests/integration/test_api_jobs.py"
            "::test_a_refused_file_is_seen_by_those_who_may_import_and_goes_with_the_entity",
        ),
    ),
    Mutant(
        "looking-is-changing",
        "Who may only view an entity stops and deletes none of its jobs.",
        "shared/waybill/jobs/permissions.py",
        "Right.IMPORT if job.process is Process.IMPORT else Right.EXPORT",
        "Right.VIEW",
        ("tests/integration/test_api_jobs.py::test_looking_is_not_changing",),
    ),
    Mutant(
        "viewers-download-exports",
        "Records leave only with those who may export them.",
        "shared/waybill/jobs/permissions.py",
        "job.process is Process.IMPORT or caller.is_admin or _may_on_job(caller, job, entity, Right.EXPORT)",
        "True",
        ("tests/integration/test_api_jobs.py::test_the_files_of_exports_are_offered_to_those_who_may_export",),
    ),
    Mutant(
        "jobs-of-a-deleted-entity-are-shown",
        "Deleting an entity hides its jobs at once, also when the name is used again.",
        "shared/waybill/jobs/permissions.py",
        "    return bool(job.entity_uid) and (entity is None or entity.uid != job.entity_uid)\n",
        "    return bool(job.entity_uid) and entity is None\n",
        (
            "tests/integration/test_api_jobs.py::test_a_refused_file_is_seen_by_those_who_may_import_and_goes_with_the_entity",
        ),
    ),
)

#: What those who may export an entity could do to others: use their credentials, replace their files, send mail.
EXPORTERS = (
    Mutant(
        "a-secret-for-any-host",
        "The credentials of a partner are sent to that partner's server only.",
        "shared/waybill/exports/destinations/credentials.py",
        """elif not is_for_server(secret["host"], host, port):""",
        """elif False:""",
        ("tests/integration/test_secrets.py::test_a_delivery_sends_a_foreign_secret_to_nobody",),
    ),
    Mutant(
        "a-secret-for-any-entity",
        "The credentials of a partner are used for the entities only that they were given for.",
        "shared/waybill/exports/destinations/credentials.py",
        """elif not {ALL_ENTITIES, entity} & set(secret["entities"]):""",
        """elif False:""",
        ("tests/integration/test_secrets.py::test_a_delivery_sends_a_foreign_secret_to_nobody",),
    ),
    Mutant(
        "a-secret-is-not-looked-at-when-saved",
        "A definition with a secret that is for something else is refused when it is saved.",
        "functions/api/routers/exports.py",
        """    _check_secret(request, definition.destination, entity)
    return definition
""",
        """    return definition
""",
        (
            "tests/integration/test_secrets.py"
            "::test_a_foreign_secret_is_refused_in_the_same_words_when_it_is_saved_tested_and_delivered",
        ),
    ),
    Mutant(
        "an-export-replaces-what-others-wrote",
        "An export replaces only objects that it wrote itself.",
        "shared/waybill/exports/destinations/s3.py",
        """        return found.metadata.get(_EXPORT) == delivery.job.export_id
""",
        """        return True
""",
        ("tests/integration/test_transfer_box.py::test_another_export_replaces_neither_file_nor_manifest",),
    ),
    Mutant(
        "a-write-without-its-condition",
        "An object that appears between the look and the write is not replaced.",
        "shared/waybill/aws/bucket.py",
        """    return {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
""",
        """    return {}
""",
        ("tests/integration/test_transfer_box.py::test_nothing_is_lost_that_appears_between_the_look_and_the_write",),
    ),
    Mutant(
        "one-delayed-mail-delays-the-others",
        "Each recipient gets the report although the mail to another one is delayed.",
        "shared/waybill/upkeep/announcements.py",
        "            delayed = error\n            continue\n",
        "            raise\n",
        ("tests/integration/test_mail_limits.py::test_a_delayed_mail_delays_no_other_and_repeats_none",),
    ),
    Mutant(
        "who-has-the-report-is-forgotten",
        "Nobody is mailed a report again because the mail to another one is delayed, nor is the event published again.",
        "shared/waybill/jobs/outbox.py",
        '        later |= {"done": sorted(done)} if done else {}\n',
        "",
        ("tests/integration/test_mail_limits.py::test_a_delayed_mail_delays_no_other_and_repeats_none",),
    ),
    Mutant(
        "first-attempt-is-forgotten",
        "Nobody is mailed a report again because the mail to another one was delayed at first.",
        "shared/waybill/jobs/outbox.py",
        '                self._table.update(key, Change(sets={"done": sorted(done)}), Attr("pk").exists())\n',
        "                pass\n",
        ("tests/integration/test_mail_limits.py::test_a_delayed_mail_delays_no_other_and_repeats_none",),
    ),
    Mutant(
        "mail-to-any-domain",
        "Reports are mailed only to the domains that the operator allows.",
        "shared/waybill/upkeep/announcements.py",
        "waiting.items() if may_mail(address, services.settings.mail_domains)}",
        "waiting.items()}",
        ("tests/integration/test_mail_limits.py::test_what_was_saved_before_is_mailed_to_the_domains_of_today_only",),
    ),
    Mutant(
        "mail-without-a-limit",
        "Nobody makes Waybill send any number of mails.",
        "shared/waybill/jobs/daily_mails.py",
        'has_room = Attr("sent").is_missing() | Attr("sent").is_below(self._limit)',
        'has_room = Attr("sent").is_missing() | Attr("sent").exists()',
        ("tests/integration/test_mail_limits.py::test_a_day_has_so_many_mails",),
    ),
    Mutant(
        "viewers-read-definitions",
        "Whoever may only view an entity is shown nothing of the definitions of its exports.",
        "functions/api/routers/jobs.py",
        "    if not knows_definition(request.caller, job, entity):\n",
        "    if False:\n",
        (
            "tests/integration/test_who_sees_what.py"
            "::test_each_word_of_a_definition_reaches_those_who_may_know_it_and_nobody_else",
        ),
    ),
    Mutant(
        "viewers-read-reasons",
        "Whoever may only view an entity is not told which servers its exports go to.",
        "shared/waybill/jobs/permissions.py",
        "    return message if error_code is None or error_code in _TELLS_NOTHING else HIDDEN_REASON\n",
        "    return message\n",
        ("tests/integration/test_who_sees_what.py::test_what_a_viewer_is_told_of_a_failed_run",),
    ),
    Mutant(
        "links-lead-where-a-header-says",
        "Links lead to the service, whatever a request says in Host.",
        "functions/api/request.py",
        "named if _LOCAL_HOST.fullmatch(named) else endpoint.netloc",
        "named or endpoint.netloc",
        ("tests/integration/test_api_frame.py::test_no_header_decides_where_links_lead",),
    ),
    Mutant(
        "a-run-is-repeated-for-another-entity",
        "The rows of an entity go only where those who may export it say.",
        "shared/waybill/exports/run.py",
        "    return export.entity_uid != job.entity_uid\n",
        "    return False\n",
        (
            "tests/integration/test_api_exports.py"
            "::test_a_run_is_not_repeated_when_its_export_has_moved_to_another_entity",
        ),
    ),
)

#: Rows that name records.
REFERENCES = (
    Mutant(
        "references-are-asked-for-before-the-load",
        "A row that names a record which is not there is rejected.",
        "shared/waybill/imports/policy.py",
        'bool(job.options.get("unique") or job.options.get("foreignKeys"))',
        'bool(job.options.get("unique"))',
        ("tests/integration/test_foreign_keys.py::test_a_row_that_names_no_record_is_rejected_with_its_cell",),
    ),
    Mutant(
        "rejected-rows-are-named",
        "A row that names a rejected row of its file is not imported.",
        "shared/waybill/imports/foreign_keys.py",
        "        self._drop_dangling(providers, open_rows)\n",
        "",
        ("tests/integration/test_foreign_keys.py::test_the_rows_that_are_left_are_the_most_that_can_be",),
    ),
    Mutant(
        "a-replaced-row-is-relaunched",
        "No relaunch imports a row that a later row of its file has replaced, also when its record is there by then.",
        "shared/waybill/imports/duplicates.py",
        "    *earlier, winner = rows[: last + 1]\n",
        "    *earlier, winner = [found for found in rows[: last + 1] if found.row not in dangling] or rows[:1]\n",
        (
            "tests/integration/test_foreign_keys.py"
            "::test_a_row_that_names_nothing_yet_and_is_replaced_is_imported_by_no_relaunch",
        ),
    ),
    Mutant(
        "an-entity-that-others-name-goes",
        "An entity is not deleted while another one refers to it.",
        "shared/waybill/upkeep/entity_deletion.py",
        "        if referring:\n",
        "        if not services:\n",
        ("tests/integration/test_foreign_keys.py::test_an_entity_that_others_name_stays_and_keeps_its_key",),
    ),
    Mutant(
        "an-entity-is-named-while-it-goes",
        "No entity refers to one that is deleted in the same moment.",
        "shared/waybill/entities/repository.py",
        "        checks = [check for other in named for check in self.still_there(other.name, other.uid)]\n",
        "        checks: list[Action] = []\n",
        ("tests/integration/test_foreign_keys.py::test_an_entity_that_is_deleted_meanwhile_is_not_named",),
    ),
)

#: The audit trail.
AUDIT = (
    Mutant(
        "entry-after-the-change",
        "No change is without its entry in the audit trail.",
        "shared/waybill/jobs/repository.py",
        "                self._table.transact([*actions, *entry], rounds=CONFLICT_ROUNDS)\n",
        "                self._table.transact(actions, rounds=CONFLICT_ROUNDS)\n"
        "                entry and self._table.transact(entry)\n",
        ("tests/integration/test_audit.py::test_whoever_dies_leaves_the_change_and_its_entry_or_neither[cancelJob]",),
    ),
    Mutant(
        "stop-recorded-again",
        "A Stop that is asked for twice is one entry in the audit trail.",
        "shared/waybill/jobs/repository.py",
        ' & is_loading & Attr("stopReason").is_missing()\n',
        " & is_loading\n",
        ("tests/integration/test_audit.py::test_what_changes_nothing_leaves_nothing",),
    ),
)

#: What one caller may ask for.
QUOTAS = (
    Mutant(
        "connection-tests-without-a-limit",
        "A caller tests so many connections in a minute and no more.",
        "functions/api/routers/exports.py",
        "    request.services.previews.take(request.caller.subject)\n    request.note()\n",
        "    request.note()\n",
        ("tests/integration/test_quotas.py::test_connection_tests_count_as_previews",),
    ),
)

#: What stands nowhere but where it belongs.
CANARIES = (
    Mutant(
        "a-log-line-with-a-cell",
        "No log has a cell of a file.",
        "shared/waybill/imports/rejects.py",
        '        group["count"] += count\n',
        '        group["count"] += count\n'
        '        __import__("waybill.telemetry").telemetry.logger.info(f"bad: {sample}")\n',
        ("tests/simulation/test_canaries.py::test_a_canary_stands_where_it_belongs_and_nowhere_else",),
    ),
    Mutant(
        "a-log-line-with-a-recipient",
        "No log has the address of a recipient.",
        "shared/waybill/aws/mail.py",
        "            raise MailRefused(code) from None\n",
        "            raise MailRefused(code) from error\n",
        ("tests/simulation/test_canaries.py::test_a_canary_stands_where_it_belongs_and_nowhere_else",),
    ),
)

#: Files of Parquet.
PARQUET = (
    Mutant(
        "parquet-numbers-unchecked",
        "A number that its column of Parquet cannot hold is refused with its field and record.",
        "shared/waybill/exports/formats/parquet.py",
        "            if len(whole) > WHOLE_DIGITS or len(decimals) > DECIMALS:\n",
        "            if len(whole) > WHOLE_DIGITS:\n",
        ("tests/unit/test_parquet_export.py::test_what_a_column_cannot_hold_fails_with_field_and_record",),
    ),
    Mutant(
        "parquet-zones-mixed",
        "Times with and without an offset do not become one column of Parquet.",
        "shared/waybill/exports/formats/parquet.py",
        "if self._has_zone.setdefault(index, has_zone) != has_zone:",
        "if self._has_zone.setdefault(index, has_zone) is None:",
        ("tests/unit/test_parquet_export.py::test_times_have_a_zone_where_all_their_values_do",),
    ),
    Mutant(
        "parquet-rows-of-the-last-group",
        "Rows behind the last whole row group are in the file.",
        "shared/waybill/exports/formats/parquet.py",
        "        self._end_row_group()\n        self._writer.close()\n",
        "        self._writer.close()\n",
        ("tests/unit/test_parquet_export.py::test_each_type_has_its_column_and_its_value",),
    ),
    Mutant(
        "parquet-without-a-memory-limit",
        "A small file of Parquet with a huge value does not take the memory of a step.",
        "shared/waybill/tabular/parquet.py",
        "    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))\n",
        "",
        ("tests/unit/test_parquet_import.py::test_a_small_file_with_a_huge_value_is_refused",),
    ),
    Mutant(
        "parquet-bytes-as-text",
        "Bytes of a column of Parquet are not imported as a text.",
        "shared/waybill/imports/cells.py",
        '            return _without_value(NoValue(f"({value:,}{_BYTES}"), field)\n',
        '            return f"({value:,}{_BYTES}"\n',
        ("tests/unit/test_parquet_import.py::test_each_value_is_what_its_type_says",),
    ),
    Mutant(
        "parquet-nanoseconds-lost",
        "Timestamps of the old kind keep their nanoseconds.",
        "shared/waybill/tabular/parquet.py",
        "    return exact if text and exact and text[:19] == exact[:19] else text\n",
        "    return text\n",
        ("tests/unit/test_parquet_import.py::test_timestamps_of_the_old_kind_keep_their_nanoseconds_and_their_years",),
    ),
    Mutant(
        "parquet-zone-lost-in-a-pattern",
        "A time with a zone is not written in a pattern without one.",
        "shared/waybill/entities/fieldtypes/temporal.py",
        "            return cell if self.parse(cell).identity == self._read_iso(text).identity else text\n",
        "            return cell\n",
        ("tests/unit/test_parquet_import.py::test_times_are_written_in_patterns_only_where_these_say_all_of_them",),
    ),
)

#: Files that sources fetch.
SOURCES = (
    Mutant(
        "seen-files-without-a-condition",
        "A file is imported once, also when its job is gone, or two runs have fetched it at once.",
        "shared/waybill/sources/fetch.py",
        "                if mark in seen:\n",
        "                if mark in seen and self.services.jobs.find(self._job(mark, file, None).job_id):\n",
        ("tests/integration/test_sources.py::test_a_file_is_not_imported_again_when_its_job_is_gone",),
    ),
    Mutant(
        "file-seen-whatever-its-time",
        "The same name with other content is another file.",
        "shared/waybill/sources/files.py",
        "identity = [file.name, file.size_bytes, rfc3339(file.modified), file.etag]",
        "identity = [file.name]",
        ("tests/integration/test_sources.py::test_a_changed_file_is_another_file",),
    ),
    Mutant(
        "young-files-are-taken",
        "A file that is still being written waits.",
        "shared/waybill/sources/fetch.py",
        "if self.services.clock.now() - file.modified < GROWS:",
        "if False:",
        ("tests/integration/test_sources.py::test_a_young_file_waits",),
    ),
    Mutant(
        "no-second-look",
        "A file that changes while it is fetched is not imported as it never was.",
        "shared/waybill/sources/fetch.py",
        "return writer.size_bytes == file.size_bytes and file.is_same(self.folder.find(file.name))",
        "return True",
        ("tests/integration/test_sources.py::test_a_file_that_changes_while_it_is_fetched_waits",),
    ),
    Mutant(
        "failed-files-go",
        "A file whose import failed stays where it is.",
        "shared/waybill/sources/files.py",
        "        if not has_succeeded(job):\n",
        "        if False:\n",
        ("tests/integration/test_sources.py::test_files_go_only_once_they_are_imported",),
    ),
    Mutant(
        "dry-runs-take-files-away",
        "A dry run moves and deletes nothing.",
        "shared/waybill/sources/files.py",
        "job.imported > 0 and not job.dry_run)",
        "job.imported > 0)",
        ("tests/integration/test_sources.py::test_a_dry_run_deletes_nothing",),
    ),
    Mutant(
        "whatever-has-the-name-is-deleted",
        "A new file of the same name is not deleted in place of the one that was imported.",
        "shared/waybill/exports/destinations/server.py",
        "        if file.is_same(self.find(path)):\n            return Fate.DONE\n",
        "        return Fate.DONE\n",
        ("tests/simulation/test_folders.py::test_a_file_that_is_replaced_at_the_last_moment_is_not_deleted",),
    ),
    Mutant(
        "hostile-names-are-fetched",
        "A name that is a path, or would end a command, is passed over.",
        "shared/waybill/sources/fetch.py",
        "        if is_meant and not is_usable(name):\n",
        "        if False:\n",
        ("tests/integration/test_sources.py::test_hostile_names_are_passed_over",),
    ),
    Mutant(
        "deliveries-are-fetched",
        "A source does not read what exports of other entities have delivered.",
        "shared/waybill/sources/fetch.py",
        "            if self.folder.is_delivery(file):",
        "            if False:",
        ("tests/integration/test_sources.py::test_what_exports_have_delivered_is_no_file_of_a_source",),
    ),
    Mutant(
        "deliveries-are-deleted",
        "A source does not delete what exports have delivered.",
        "shared/waybill/exports/destinations/s3.py",
        "        if not file.is_same(found) or self.is_delivery(file):\n            return Fate.CHANGED\n",
        "        if not file.is_same(found):\n            return Fate.CHANGED\n",
        ("tests/integration/test_sources.py::test_a_delivery_that_was_fetched_before_stays",),
    ),
    Mutant(
        "imports-of-sources-act-for-nobody",
        "The import of a file that a source has fetched does not begin when the owner has lost the right meanwhile.",
        "shared/waybill/sources/fetch.py",
        "source_file=mark, acts_for=owner)",
        "source_file=mark)",
        ("tests/integration/test_sources.py::test_the_owner_s_right_is_asked_when_an_import_begins",),
    ),
    Mutant(
        "files-show-jobs-to-all",
        "Who may import only does not read in the list of a source's files why imports failed.",
        "functions/api/routers/sources.py",
        "knows_job=file.job_id in seen",
        "knows_job=True",
        ("tests/integration/test_api_sources.py::test_who_may_import_only_does_not_see_the_jobs_of_files",),
    ),
    Mutant(
        "files-go-without-an-entry",
        "The audit trail tells which files of partners were moved and deleted.",
        "shared/waybill/sources/files.py",
        "there), *entry]",
        "there)]",
        ("tests/integration/test_sources.py::test_what_is_moved_or_deleted_is_in_the_audit_trail_once",),
    ),
    Mutant(
        "owner-is-not-asked",
        "A source stops when its owner may not import any more.",
        "shared/waybill/sources/fetch.py",
        "if entity is None or not owner_may_import(services, source):",
        "if entity is None:",
        ("tests/integration/test_sources.py::test_the_owner_s_right_is_asked_at_each_run",),
    ),
)

MUTANTS = (
    *QUEUE,
    *ONCE,
    *ROWS,
    *UNDO,
    *ENDS,
    *UPKEEP,
    *EXPORTS,
    *PERMISSIONS,
    *EXPORTERS,
    *REFERENCES,
    *AUDIT,
    *QUOTAS,
    *CANARIES,
    *PARQUET,
    *SOURCES,
)
