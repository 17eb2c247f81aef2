"""Undo: what records were is kept before they are written, and nothing else is put back."""

from __future__ import annotations

from tests.planted.mutant import Mutant

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
