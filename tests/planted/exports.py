"""Exports: windows, runs and deliveries."""

from __future__ import annotations

from tests.planted.mutant import Mutant

SETS = ("tests/integration/test_split_exports.py",)

EXPORTS = (
    Mutant(
        "a-file-gets-its-name-after-a-stop",
        "An export whose Stop was accepted delivers nothing.",
        "shared/waybill/jobs/repository.py",
        'self._change_running(job_id, change, RUNNING & Attr("stopReason").is_missing())',
        "self._change_running(job_id, change)",
        ("tests/unit/test_job_records.py::test_only_a_running_job_is_stopped",),
    ),
    Mutant(
        "a-stopped-run-moves-the-window",
        "The increment after a stopped one has all that the stopped one would have had.",
        "shared/waybill/exports/repository.py",
        "    if job.is_stopped_export:  # neither",
        "    if not job.is_stopped_export and job.is_backfill:  # neither",
        ("tests/integration/test_export_runs.py::test_a_stopped_export_ends_at_once_without_a_file",),
    ),
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
        "                raise Conflict(message, export.allowed_actions())\n            if action in",
        "                return replace(export, running=run, job_id=run.job_id)\n            if action in",
        ("tests/integration/test_export_runs.py::test_a_run_waits_for_the_one_before",),
    ),
    Mutant(
        "run-is-not-handled",
        "Each moment of a schedule makes one run.",
        "shared/waybill/exports/repository.py",
        "handled_until=run.occurrence or export.handled_until,",
        "handled_until=export.handled_until,",
        ("tests/integration/test_minute.py::test_an_export_leaves_the_list_when_it_is_unscheduled",),
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
        "        if swaps:\n            _put_back(",
        "        if not swaps:\n            _put_back(",
        ("tests/unit/test_publish.py::test_a_refused_rename_gives_the_old_file_its_name_back_at_once",),
    ),
    Mutant(
        "next-run-leaves-the-old-file-aside",
        "If a run ends while the old file is aside, the next one puts it back.",
        "shared/waybill/exports/deliver.py",
        '        _restore_old_files(delivery, snapshot.get("setAside", []))\n',
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
        "for done in range(publication.done, len(names)):",
        "for done in reversed(range(publication.done, len(names))):",
        (
            "tests/unit/test_publish.py::test_a_delivery_places_data_then_manifest",
            "tests/unit/test_publish.py::test_a_set_is_uploaded_whole_before_its_first_file_has_its_name_and_its_manifest_comes_last",
        ),
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
        ("tests/integration/test_quirky_servers.py::test_changes_never_cover_a_file",),
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
        "    if not place.is_settled(lambda: connection.size(part) is not None):\n        return\n",
        "",
        (
            "tests/unit/test_publish.py::test_a_failed_rename_that_may_have_happened_is_not_repeated",
            "tests/unit/test_publish.py::test_broken_anywhere_twice_it_still_arrives_once",
        ),
    ),
    Mutant(
        "a-file-of-an-earlier-set-stays",
        "Every file of a set that a run delivers is its own.",
        "shared/waybill/exports/destinations/s3.py",
        "before is not None and before.metadata.get(_JOB) == delivery.job.job_id:",
        "before is not None and before.metadata.get(_EXPORT) == delivery.job.export_id:",
        SETS,
    ),
    Mutant(
        "a-set-begins-anew-in-each-block",
        "A file of a set has at most the rows that its definition says.",
        "shared/waybill/exports/split.py",
        "self._rows.cut(rows, self._limits.rows - writer.rows)",
        "self._rows.cut(rows, self._limits.rows)",
        SETS,
    ),
)
