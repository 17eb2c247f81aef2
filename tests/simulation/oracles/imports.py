"""Imports: one at a time and in order, and every row of a file imported or listed, exactly once."""

from __future__ import annotations

from collections import Counter

from tests.simulation.oracles.sheets import Sheet, expected_rejects
from tests.simulation.oracles.sight import Item, Sight, writer_of
from waybill.jobs.model import Job, Process, Status

#: A transaction that is retried through an outage may take so long.
REGISTRATION_SECONDS = 60.0


def one_import_runs(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 3: "imports into one entity take effect … one at a time"; dry runs do not count."""
    if new is None or new.status is not Status.IN_PROGRESS or not new.takes_turns:
        return
    running = [
        seen.job.job_id
        for seen in watch.jobs.values()
        if seen.job.status is Status.IN_PROGRESS and seen.job.takes_turns and seen.job.entity_uid == new.entity_uid
    ]
    watch.require(running == [new.job_id], one_import_runs, f"{running} run at once")


def imports_take_effect_in_order(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 3: imports into one entity take effect in the order of *Submitted*, which is that of registration: none
    begins while an earlier one waits, nor after a later one."""
    if new is None or new.status is not Status.IN_PROGRESS or not new.takes_turns:
        return
    if old is not None and old.status is Status.IN_PROGRESS:
        return
    mine = watch.jobs[new.job_id].moves[0][0]
    for seen in watch.jobs.values():
        other, theirs = seen.job, seen.moves[0][0]
        if other.job_id == new.job_id or not other.takes_turns or other.entity_uid != new.entity_uid:
            continue
        is_earlier = other.submitted_at < new.submitted_at
        is_overtaken = other.status is Status.WAITING and is_earlier
        watch.require(not is_overtaken, imports_take_effect_in_order, f"{new.job_id} begins before {other.job_id}")
        is_late = other.started_at is not None and not is_earlier
        watch.require(not is_late, imports_take_effect_in_order, f"{new.job_id} begins after {other.job_id}")
        if other.started_at is not None or other.status is Status.WAITING:
            is_ordered = is_earlier == (theirs < mine) or theirs == mine
            watch.require(
                is_ordered, imports_take_effect_in_order, f"{new.job_id} was registered before {other.job_id}"
            )


def submitted_is_the_registration(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 3: "*Submitted* is when Waybill registered the job", but for what its one transaction takes."""
    if new is None or old is not None or new.process is not Process.IMPORT or watch.skew_seconds > 1.0:
        return
    late = (watch.aws.timeline.now() - new.submitted_at).total_seconds()
    watch.require(
        late <= REGISTRATION_SECONDS, submitted_is_the_registration, f"{new.job_id} was registered {late} s later"
    )


def rejects_are_the_right_ones(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Sections 4 and 5: an import that nobody stopped rejects exactly the rows that its mode and the table refuse."""
    if new is None or not new.is_terminal or (old and old.is_terminal) or new.process is not Process.IMPORT:
        return
    sheet = watch.source(new)
    is_whole = new.status is Status.COMPLETED and new.stop_reason is None
    names_records = watch.names_records
    if is_whole and sheet is not None and new.undo_of is not None:
        _changed_since_are_the_right_ones(watch, new, sheet)
        return
    if not is_whole or sheet is None or (new.dry_run and (new.mode != "upsert" or names_records)):
        return  # what a dry run finds in the table depends on its moment
    rejects = watch.rejects(new)
    found = {} if rejects is None else rejects.types
    before = watch.folds[new.entity_uid].records  # not yet with this job's rows
    expected = expected_rejects(new.mode, sheet, before, names_records)
    watch.require(found == expected, rejects_are_the_right_ones, f"{new.job_id}: {found}, expected {expected}")


def _changed_since_are_the_right_ones(watch: Sight, undo: Job, sheet: Sheet) -> None:
    """Section 4, *Undo*: a record is put back "which still stands as the import left it"; the others are listed."""
    rejects, fold = watch.rejects(undo), watch.folds[undo.entity_uid]
    found = {} if rejects is None else rejects.types
    changed = [row.number for row in sheet.rows if not fold.stands(str(undo.undo_of), row.cells["id"])]
    told = f"{undo.job_id}: {found}, changed since are {changed}"
    watch.require(found == dict.fromkeys(changed, "changed-since"), rejects_are_the_right_ones, told)
    undone = watch.jobs[str(undo.undo_of)].job
    told = f"{undo.job_id} has {len(sheet.rows)} rows, {undone.job_id} imported {undone.counts.imported}"
    watch.require(len(sheet.rows) == undone.counts.imported, rejects_are_the_right_ones, told)


def the_last_row_of_a_key_stays(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 4, *Keys in a file*: "the last wins", also when an import was stopped and the rest is relaunched: what is
    left for a relaunch has no later row that was imported, and no relaunch imports such a row."""
    if new is None or not new.is_terminal or new.process is not Process.IMPORT or (old and old.is_terminal):
        return
    name, sheet, rejects = the_last_row_of_a_key_stays, watch.source(new), watch.rejects(new)
    if not new.counts.total or sheet is None or new.dry_run:
        return
    types = {} if rejects is None else rejects.types
    valid = [row for row in sheet.rows if row.problem(new.mode) is None]
    parent = watch.jobs.get(str(new.retry_of))
    last = {} if parent is None else dict(parent.last_rows)
    for row in valid:
        if row.number not in types:
            is_last = row.number >= last.get(row.cells["id"], 0)
            watch.require(is_last, name, f"{new.job_id} imports row {row.number} over row {last.get(row.cells['id'])}")
            last[row.cells["id"]] = row.number
    for row in valid:
        if types.get(row.number) == "stopped":
            is_last = row.number > last.get(row.cells["id"], 0)
            watch.require(is_last, name, f"{new.job_id} leaves row {row.number} before row {last.get(row.cells['id'])}")
    watch.jobs[new.job_id].last_rows = last


def ended_import_is_exact(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 4: "every row is imported or in the rejects file, exactly once"; "what was written stays and counts as
    imported, also after a crash". The rows that bear the job's mark are the imported ones, and the table is what the
    jobs of its entity make of it, one after the other.

    Where the source is gone, what a dead worker has written cannot be read again, nor which row of a repeated key
    stands: of the keys of the rows that are listed as `source-changed`, any row may stand
    (docs/decisions/2026-11-28-rows-that-stand-are-imported.md, *Limits*).
    """
    if new is None or not new.is_terminal or new.process is not Process.IMPORT or (old and old.is_terminal):
        return
    name, sheet = ended_import_is_exact, watch.source(new)
    if not new.counts.total:
        if new.takes_turns and new.entity_uid:
            watch.require(not watch.marked(new), name, f"{new.job_id} counts no rows and wrote {watch.marked(new)}")
        return
    if watch.has_unreadable_plan(new):
        return
    watch.require(sheet is not None, name, f"nobody has seen the source of {new.job_id}")
    assert sheet is not None
    rejects = watch.rejects(new)
    listed, types = ([], {}) if rejects is None else (rejects.numbers, rejects.types)
    watch.require(len(set(listed)) == len(listed), name, f"{new.job_id} lists a row twice: {listed}")
    watch.require(set(listed) <= set(sheet.numbers), name, f"{new.job_id} lists rows that it has not: {listed}")
    watch.require(
        len(sheet.rows) == new.counts.total, name, f"{new.job_id} counts {new.counts} of {len(sheet.rows)} rows"
    )
    imported = [row for row in sheet.rows if row.number not in set(listed)]
    watch.require(len(imported) == new.counts.imported, name, f"{new.job_id}: {new.counts}, {len(listed)} rows listed")
    keys = {row.cells["id"] for row in imported}
    watch.require(len(keys) == len(imported), name, f"{new.job_id} imported a key twice")
    marked = watch.marked(new)
    if new.dry_run:
        watch.require(not marked, name, f"the dry run {new.job_id} wrote {marked}")
        return
    told = f"{new.job_id} {new.status} {new.counts} ({new.mode}, {new.stop_reason}, {new.error_code})"
    watch.require(keys <= marked, name, f"{told}: told but not written {keys - marked}")
    lost = {row.cells["id"] for row in sheet.rows if types.get(row.number) == "source-changed"}
    watch.require(marked <= keys | lost, name, f"{told}: written but not told {marked - keys - lost}")
    found = Counter(types.values())
    counted = {"duplicate-key": new.counts.repeated, "source-changed": new.counts.lost}
    watch.require(all(found[type] == counted[type] for type in counted), name, f"{told}: listed are {found}")
    fold, live = watch.folds[new.entity_uid], watch.live(new.entity_uid)
    if new.undo_of is None:
        fold.apply(new.mode, sheet.columns, imported, new.blanks, new.job_id)
    else:
        for row in imported:
            fold.undo(new.undo_of, row.cells["id"])
    for key in marked & lost:
        fold.note(new.job_id, key)
        fold.set(key, live.get(key))
    watch.require(live == fold.records, name, f"{told}: the table has {live}, its jobs make {fold.records}")


def nothing_is_written_after_stop(watch: Sight, old: Item | None, new: Item) -> None:
    """Section 4, *Stop*: "no row is written later than 5 s after Stop was accepted (the last row of a repeated key,
    already counted, may be written once more)"."""
    stopped = watch.stopped.get(writer_of(new))
    if stopped is None or watch.stalls or (old is not None and old["_by"] == new["_by"]):
        return
    late = watch.now() - stopped
    watch.require(late <= 5.0, nothing_is_written_after_stop, f"{new['_sk']['S']} is written {late} s after Stop")
