"""Rows: written and counted once, by whoever holds the chunk."""

from __future__ import annotations

from tests.planted.mutant import Mutant

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
    Mutant(
        "deleted-records-are-found-by-key",
        "A record that was deleted is not read by its key.",
        "shared/waybill/entities/records.py",
        'if (entity.target is not None or "_gone" not in item) and (',
        "if (",
        ("tests/integration/test_api_entities.py::test_a_deleted_record_is_not_found_by_its_key",),
    ),
)
