"""The rules of entities about files (docs/entities.md, *Quality of files*): who breaks one is told of, or stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.oracles.sight import Sight
from waybill.jobs.model import Job, Process, Status

MANY, UNUSUAL = "many-rejected", "unusual-rows"
#: An import that begins may have read what is usual so long before: just before another one ended.
BEGINNING_SECONDS = 60.0


def rejected_rows_are_judged(watch: Sight, old: Job | None, new: Job | None) -> None:
    """*Rejected rows*: "Beyond it the job has the warning `many-rejected`", and "with the action `stop` the import also
    stops"; nothing else stops an import that need not abort."""
    if new is None or not _ends(old, new) or new.status is not Status.COMPLETED:
        return
    rule = _rule_of(watch, new)
    percent = rule.get("maxRejectedPercent")
    counted, total = new.counts.rejected - new.counts.repeated, new.counts.total or 0
    exceeds = percent is not None and 100 * counted > percent * total
    told = f"{new.job_id} {new.counts} under {rule}: {new.warnings}, {new.stop_reason}"
    watch.require(_has_warning(new, MANY) == exceeds, rejected_rows_are_judged, told)
    may_stop = percent is not None and rule["action"] == "stop" and new.on_error != "all-or-nothing"
    if exceeds and may_stop:
        watch.require(new.stop_reason is not None, rejected_rows_are_judged, told)
    # A worker that died after it had asked for the stop has rejected rows that nobody reads again.
    if new.stop_reason == "MAX_ERRORS" and new.on_error != "abort":
        watch.require(may_stop, rejected_rows_are_judged, told)


def rows_are_judged_by_the_usual(watch: Sight, old: Job | None, new: Job | None) -> None:
    """*Unusual numbers of rows*: "Usual is the median of the last 10 imports in the same mode from the same source"
    that came to their end, "once there are 3"; each of them counts once, wherever a step died."""
    if new is None or new.process is not Process.IMPORT or not _is_of_a_file(new):
        return
    name, key = rows_are_judged_by_the_usual, (new.entity_uid, new.mode, str(new.source_id or ""))
    totals, last_at = watch.totals[key]
    if new.status is Status.IN_PROGRESS and old is not None and old.status is Status.WAITING:
        known = new.options.get("usual", {}).get("rows", [])
        may_be_late = watch.now() - last_at <= BEGINNING_SECONDS
        allowed = [totals[-10:], *([totals[:-1][-10:]] if may_be_late else [])]
        watch.require(known in allowed, name, f"{new.job_id} begins with {known}, of {totals}")
    if not _ends(old, new):
        return
    parent = watch.jobs.get(str(new.retry_of))
    accepts = parent is not None and (parent.job.error_code == UNUSUAL or parent.accepts_rows)
    watch.jobs[new.job_id].accepts_rows = accepts
    _check_verdict(watch, new, accepts)
    if new.status is Status.COMPLETED and new.stop_reason is None and new.counts.imported and not new.dry_run:
        totals.append(int(new.counts.total or 0))
        watch.totals[key] = totals, watch.now()


def _check_verdict(watch: Sight, job: Job, accepts: bool) -> None:
    rule, sheet = _rule_of(watch, job), watch.source(job)
    percent, known = rule.get("maxRowsChangePercent"), sorted(job.options.get("usual", {}).get("rows", ()))
    rows = len(sheet.rows) if sheet is not None else 0
    is_unusual = False
    if percent is not None and len(known) >= 3 and not accepts:
        usual = known[(len(known) - 1) // 2]
        is_unusual = 100 * abs(rows - usual) > percent * usual
    told = f"{job.job_id} has {rows} rows, usual are {known}, {rule}: {job.status} {job.error_code} {job.warnings}"
    stops = is_unusual and rule["action"] == "stop"
    if job.error_code == UNUSUAL:
        watch.require(stops, rows_are_judged_by_the_usual, told)
        watch.require(not job.counts.total, rows_are_judged_by_the_usual, told)
    if job.status is Status.COMPLETED:
        watch.require(not stops, rows_are_judged_by_the_usual, told)
        watch.require(_has_warning(job, UNUSUAL) == is_unusual, rows_are_judged_by_the_usual, told)


def _ends(old: Job | None, new: Job) -> bool:
    return new.process is Process.IMPORT and new.is_terminal and not (old is not None and old.is_terminal)


def _is_of_a_file(job: Job) -> bool:
    return job.undo_of is None and (job.takes is None or bool(job.takes.get("is_whole")))


def _rule_of(watch: Sight, job: Job) -> Mapping[str, Any]:
    """The rule that the job is judged by, empty where there is none."""
    if job.refused or not _is_of_a_file(job) or watch.is_poisoned(job.job_id):
        return {}
    return watch.definition(job).get("quality") or {}


def _has_warning(job: Job, code: str) -> bool:
    return any(warning["code"] == code for warning in job.warnings)
