"""Every job: its moves, its counts and files, its end, who is told, and requests that are repeated."""

from __future__ import annotations

import hashlib
from collections import Counter

from tests.simulation.oracles.sight import Delivery, Sight
from waybill.jobs.model import Counts, Job, Process, Status

#: The contract's arrows (section 4), written out once more on purpose.
ARROWS = {
    ("WAITING", "IN_PROGRESS"),
    ("WAITING", "CANCELED"),
    ("WAITING", "FAILED"),
    ("IN_PROGRESS", "COMPLETED"),
    ("IN_PROGRESS", "FAILED"),
}
BEGINNINGS = {"WAITING", "FAILED"}  # a file that is refused at registration never waits
#: Jobs have ended so soon after the last fault, and expired files are gone.
END_SECONDS = 3_600.0
#: An outage of up to this length ends no job.
OUTAGE_SECONDS = 3_600.0


def moves_follow_the_arrows(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 4: "Statuses and the only moves between them"; an ended job keeps its outcome, counts and times."""
    if new is None:
        watch.require(old is not None and old.is_terminal, moves_follow_the_arrows, f"{old} was deleted while it ran")
    elif old is None:
        watch.require(new.status in BEGINNINGS, moves_follow_the_arrows, f"{new.job_id} begins as {new.status}")
    elif old.status != new.status:
        watch.require((old.status, new.status) in ARROWS, moves_follow_the_arrows, f"{old.status} → {new.status}")
    elif old.is_terminal:
        kept = [(job.outcome, job.counts, job.completed_at, job.error_code) for job in (old, new)]
        watch.require(kept[0] == kept[1], moves_follow_the_arrows, f"{new.job_id} changed after its end: {kept}")


def tally_balances(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 4, *Tally*: total = imported + rejected + unprocessed at the end; canceled: all 0; `unprocessed` 0 until
    the end; `processed` never falls while a job runs."""
    if new is None:
        return
    counts = new.counts
    if new.is_terminal:
        watch.require(counts.balances(), tally_balances, f"{new.job_id} {new.status} {counts}")
        if new.status is Status.CANCELED:
            watch.require(counts == Counts(total=0), tally_balances, f"canceled with {counts}")
    else:
        watch.require(counts.unprocessed == 0, tally_balances, f"{new.job_id} {new.status} {counts}")
        if old is not None:
            fallen = f"{new.job_id}: processed {old.processed} → {new.processed}"
            watch.require(new.processed >= old.processed, tally_balances, fallen)


def files_exist(watch: Sight, old: Job | None, new: Job | None) -> None:
    """Section 4: "A terminal status means that its files exist": rejects and error log with all rows, an export's file
    with the digest that the job states."""
    if new is None or not new.is_terminal or (old is not None and old.is_terminal):
        return
    if watch.has_unreadable_plan(new):
        left = new.counts.unprocessed
        watch.require(new.counts.lost == left, files_exist, f"{new.job_id} offers rows for a relaunch: {new.counts}")
        return
    if new.has_error_log:
        log = watch.file(new, "error-log.csv")
        watch.require(log is not None, files_exist, f"{new.job_id} has no error log")
    if new.has_rejects:
        rejects = watch.rejects(new)
        left = new.counts.rejected + new.counts.unprocessed
        watch.require(rejects is not None, files_exist, f"{new.job_id} has no rejects file")
        watch.require(
            rejects is not None and len(rejects.rows) == left, files_exist, f"{new.job_id} lists not {left} rows"
        )
    elif new.process is Process.IMPORT:
        left = new.counts.rejected + new.counts.unprocessed
        watch.require(left == 0, files_exist, f"{new.job_id} lists none of {left} rows")
    if new.has_delivered:
        assert new.extracted is not None
        files = {}
        for name, key, digest in watch.extracted(new):
            found = watch.aws.buckets[watch.settings.files_bucket].get(key)
            watch.require(found is not None, files_exist, f"{new.job_id} has no file {name}")
            assert found is not None
            is_same = digest == hashlib.sha256(found.data).hexdigest()
            watch.require(is_same, files_exist, f"{new.job_id}: another digest of {name}")
            files[name] = found.data
        watch.deliveries.append(Delivery(new, files))


def leases_are_held_once(watch: Sight, old: Job | None, new: Job | None) -> None:
    """A chunk goes to another attempt only when its lease is over; clocks may differ by a second (`jobs.leases`)."""
    if old is None or new is None or watch.skew_seconds > 1.0:
        return
    now = watch.aws.timeline.now().timestamp() * 1000
    for chunk, lease in new.leases.items():
        held = old.leases.get(chunk)
        if held is not None and lease.attempt not in (held.attempt, ""):  # with "", nobody has it
            early = (held.until - now) / 1000 - 2 * watch.skew_seconds
            watch.require(early <= 0.001, leases_are_held_once, f"chunk {chunk} was taken over {early} s too early")


def every_job_has_ended(watch: Sight) -> None:
    """Section 3: "A waiting import never waits for a job that nobody works on"; each job has ended within an hour of
    the last fault, or of its registration."""
    for seen in watch.jobs.values():
        if seen.is_deleted or watch.is_poisoned(seen.job.job_id):
            continue
        watch.require(seen.ended_at is not None, every_job_has_ended, f"{seen.job.job_id} is {seen.job.status}")
        assert seen.ended_at is not None
        late = seen.ended_at - max(watch.last_fault, seen.moves[0][0])
        watch.require(
            late <= END_SECONDS, every_job_has_ended, f"{seen.job.job_id} ended {late} s after the last fault"
        )


def nothing_is_under_way(watch: Sight) -> None:
    """Queues, the list of active jobs, outbox, claims and marks are empty once all jobs have ended."""
    left = watch.under_way()
    watch.require(not left, nothing_is_under_way, f"left: {left}")


def every_move_is_announced(watch: Sight) -> None:
    """Section 7: "Every job's change of status is an event on the bus", at least once, and nothing else is."""
    announced = {(detail["jobId"], detail["status"]) for detail in watch.announced()}
    moves = {
        (seen.job.job_id, str(status))
        for seen in watch.jobs.values()
        for _, status in seen.moves
        if not watch.is_poisoned(seen.job.job_id)
    }
    watch.require(moves <= announced, every_move_is_announced, f"never announced: {sorted(moves - announced)}")
    made_up = {event for event in announced - moves if not watch.is_poisoned(event[0])}
    watch.require(not made_up, every_move_is_announced, f"announced and never made: {sorted(made_up)}")


def repeated_requests_have_one_effect(watch: Sight) -> None:
    """Section 6, `Idempotency-Key`: a request that is repeated because its answer was lost makes nothing twice: there
    are no more imports of uploads, relaunches, undos and runs than people asked for."""
    made: Counter[str] = Counter()
    for job in (seen.job for seen in watch.jobs.values()):
        if job.retry_of is not None:
            made["relaunch"] += 1
        elif job.undo_of is not None:
            made["undo"] += 1
        elif str(job.source_key).startswith("uploads/") and job.source_id is None:
            made["imports"] += 1
        elif job.export_id is not None and job.started_by != "schedule":
            made["run"] += 1
    for what, number in made.items():
        told = f"{number} times {what}, asked for {watch.asked[what]}"
        watch.require(number <= watch.asked[what], repeated_requests_have_one_effect, told)


#: What the start of a job is called in the audit trail.
STARTS = {
    "createImport",
    "dropFile",
    "fetchFile",
    "relaunchJob",
    "undoJob",
    "activateExport",
    "runExport",
    "runSchedule",
}


def every_move_of_a_person_is_recorded(watch: Sight) -> None:
    """Section 6, *Audit*: each start, Stop, cancellation and deletion of a job is one entry, whatever was repeated.

    An accepted deletion is one of now: a function whose clock is behind takes it for one to come, and accepts another.
    """
    entries = Counter((entry["jobId"], entry["action"]) for entry in watch.audit_trail() if "jobId" in entry)
    for job_id, seen in watch.jobs.items():
        starts = {action: entries[job_id, action] for action in STARTS if entries[job_id, action]}
        told = f"{job_id}, started by {seen.job.started_by}, has {starts}"
        watch.require(sum(starts.values()) == 1, every_move_of_a_person_is_recorded, told)
        moves = {
            "cancelJob": seen.job.status is Status.CANCELED,
            "stopJob": job_id in watch.stopped,
            "deleteJob": seen.is_deleted,
        }
        for action, is_made in moves.items():
            number = entries[job_id, action]
            at_most = 3 if watch.skew_seconds else 1
            is_under_way = action == "deleteJob" and 1 <= number <= at_most  # of which retention removes the rest
            told = f"{job_id} has {number} entries of {action}"
            watch.require(number == is_made or is_under_way, every_move_of_a_person_is_recorded, told)


def accepted_stops_are_kept(watch: Sight) -> None:
    """Section 4: a job whose Stop was accepted ends `COMPLETED` with `stopReason: "USER"`; `FAILED` only where it
    could not end as stopped: its file or its corrections cannot be imported or are gone, or an outage outlasted the
    retries."""
    for job_id in watch.stops:
        job = watch.jobs[job_id].job
        if job.is_terminal:
            told = f"{job_id} is {job.status} with {job.stop_reason}, {job.error_code}"
            reason = "USER" if job_id in watch.stopped else "MAX_ERRORS"  # it had been stopped before
            watch.require(job.stop_reason == reason, accepted_stops_are_kept, told)
            is_kept = job.status is Status.COMPLETED or _has_cause(watch, job)
            watch.require(is_kept, accepted_stops_are_kept, told)


def _has_cause(watch: Sight, job: Job) -> bool:
    """Whether the world explains the error of a stopped import that has failed."""
    if job.error_code == "source-changed":
        return not watch.has_source(job)
    if job.error_code == "timed-out":
        moves = watch.jobs[job.job_id].moves
        return moves[-1][0] - moves[0][0] >= OUTAGE_SECONDS
    if job.error_code == "unusual-rows":  # whether it was is judged by `quality`
        return not job.counts.total
    if job.error_code == "too-large":  # a relaunch plans in an invocation that has all of its time
        return watch.has_short_invocations and job.retry_of is None and not job.counts.total
    if job.error_code == "source-error" and (job.takes or {}).get("corrects"):
        return "corrected before" in str(job.error_message) or "did not reject" in str(job.error_message)
    sheet = watch.source(job)
    return sheet is not None and not job.counts.total and not sheet.is_importable
