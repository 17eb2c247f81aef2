"""A run of an export, from its start to its end: who may run, which window it takes, how it ends.

    claim (the export holds the run) → register (its job) → start (its execution)
        extract (`exports.extract`) → deliver (`exports.deliver`) → end (the job, then the export)

Each step may be repeated: the next tick of the schedule resumes what was interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from waybill.aws.expressions import Attr, Condition
from waybill.clock import HasTime, no_limit
from waybill.encryption import encrypted_name
from waybill.entities.model import Entity
from waybill.errors import ChecksFailed, Conflict, NotFound, StopRequested, Superseded
from waybill.exports.definition import INCREMENTAL, NO_SERIES, Definition, Export, ExportStatus, Owner, Run, Window
from waybill.exports.destinations import kind_of
from waybill.exports.destinations.base import DeliveredKind, SetAside
from waybill.exports.filter import empty_values
from waybill.exports.report import is_relaunchable
from waybill.exports.repository import run_has_ended
from waybill.ids import derived_uuid, new_uuid
from waybill.jobs.attempts import pause_after
from waybill.jobs.audit import RUN_SCHEDULE, Act
from waybill.jobs.executions import start_execution
from waybill.jobs.giving_up import failure_code, failure_reason, passes
from waybill.jobs.model import Counts, Job, Process, Status, finished
from waybill.jobs.rights import NO_PERMISSION
from waybill.jobs.scheduled import Due
from waybill.schedule import latest_due, zone_of
from waybill.telemetry import entry_failed, logger, measure
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.aws.table import Action
    from waybill.exports.services import ExportServices

SCHEDULER = "schedule"
#: The number of the lease under which the file of a run is delivered.
DELIVERY = -2
DELIVERY_IDLE = Attr(f"leases.{DELIVERY}").is_missing() & Attr("delivery").is_missing()
#: Exports that one minute attends to, in pages of `scheduled.DUE_PER_PAGE`.
PAGES_PER_MINUTE = 20
#: Between two looks at a run that has not ended, whose job `upkeep.recovery` looks after.
MIN_PAUSE, MAX_PAUSE = timedelta(minutes=1), timedelta(minutes=5)
#: After attempts that failed again and again.
MAX_DELAY = timedelta(hours=1)
RUNS_PER_PAGE = 100
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FAILURES = {
    "internal-error": "A step of the export failed repeatedly.",
    "timed-out": "The service could not complete a step of the export for more than an hour. Relaunch the run.",
}
_NAMESPACE = "0d9a35a1-5f9c-5c8e-8d0c-0f7f35a4b2e6"


def activate(
    services: ExportServices, export: Export, started_by: str, started_by_id: str, act: Act | None = None
) -> Export:
    """Schedule a draft, or run it at once: a one-shot export whose time is not in the future.

    Args:
        act: for the audit trail, of whoever does it; here and below.

    Raises:
        Conflict: it is not a draft.
        NotFound: it, or its entity, is gone.
        TooManyRequests: the caller has too many unfinished jobs.
    """
    now, schedule = services.clock.now(), export.definition.schedule
    is_later = schedule is not None and latest_due(schedule, _LONG_AGO, now) is None
    if export.definition.is_periodic or is_later:
        owner = Owner(started_by_id, started_by)
        return services.exports.schedule(export.export_id, now, owner, _entry(services, act, export))
    # The one run of a one-shot export has one id, so that a second activation finds it.
    run = Run(derived_uuid(_NAMESPACE, export.export_id), now, started_by, started_by_id)
    if export.running is None:
        services.unfinished_jobs.check(started_by_id)
    _claim_and_launch(services, export, run, "activate", act)
    return services.exports.get(export.export_id)


def run_now(
    services: ExportServices,
    export: Export,
    started_by: str,
    started_by_id: str,
    run_id: str | None = None,
    act: Act | None = None,
    period: Window | None = None,
) -> Job:
    """Run a scheduled export now, as its schedule would.

    Args:
        run_id: for a caller that may repeat the call: a second one with this id finds the job.
        period: of an incremental export: the run is for this past period, and leaves its series of windows as it is.

    Raises:
        Conflict: it is not scheduled, or a run has not ended.
        TooManyRequests: the caller has too many unfinished jobs.
    """
    run_id = run_id or new_uuid(services.ids)
    if (known := _registered(services, run_id)) is not None:
        return known
    if export.running is None:
        services.unfinished_jobs.check(started_by_id)
    run = Run(run_id, services.clock.now(), started_by, started_by_id, window=period)
    return _claim_and_launch(services, export, run, "run", act)


def relaunch_export(
    services: ExportServices,
    job: Job,
    started_by: str,
    started_by_id: str,
    run_id: str | None = None,
    act: Act | None = None,
) -> Job:
    """Repeat a failed run: the same rows and window, delivered to where the definition says now.

    Args:
        run_id: as for `run_now`.

    Returns:
        The job of the repeat; while an earlier repeat has not ended, that one.

    Raises:
        Conflict: it did not fail, a repeat cannot help, another run of the export has not ended, or a later one has
            delivered what this one should have, or the beginning of its window.
        TooManyRequests: the caller has too many unfinished jobs.
    """
    run_id = run_id or new_uuid(services.ids)
    if (known := _registered(services, run_id)) is not None:
        return known
    if not is_relaunchable(job) or job.export_id is None:
        why = "did not fail" if job.status is not Status.FAILED else f"failed as {job.error_code}: a repeat would too"
        raise Conflict(f"This run {why}.", job.allowed_actions())
    series = str(services.jobs.definition(job.job_id)["series"])  # raises NotFound when there is nothing to repeat
    if (later := later_delivery(services, job)) is not None:
        message = f"Job {later.job_id}, a later run of this export, has delivered what this run should have"
        rest = "." if _covers(later, job) else " in part; the next run has the rest."
        raise Conflict(message + rest, job.allowed_actions())
    window = (job.window_from, job.window_to) if is_increment(job) else None
    run = Run(run_id, services.clock.now(), started_by, started_by_id, retry_of=job.job_id, window=window)
    try:
        export = services.exports.get(job.export_id)
        if has_moved(export, job):
            raise Conflict("The export is of another entity now: this run cannot be repeated.", job.allowed_actions())
        if lacks_owner(export, job):
            raise Conflict("Activate the export first: whoever did may no longer export.", job.allowed_actions())
        if export.running is None or export.running.retry_of != job.job_id:
            services.unfinished_jobs.check(started_by_id)
            return _claim_and_launch(services, export, run, "relaunch", act, series)
        return launch(services, export)
    except NotFound:
        raise Conflict("The export of this run was deleted.", job.allowed_actions()) from None


def has_moved(export: Export, job: Job) -> bool:
    """Whether the export belongs to another entity than when the run began: those who may export that one decide over
    its destination, and no longer those of the run's."""
    return export.entity_uid != job.entity_uid


def lacks_owner(export: Export, job: Job) -> bool:
    """Whether a run failed because the owner may no longer export, and nobody has activated the export since."""
    is_paused = export.definition.is_periodic and export.status is ExportStatus.DRAFT
    return is_paused and job.error_code == NO_PERMISSION


def is_increment(job: Job) -> bool:
    """Whether a run has a window, also if it failed before the end of that was chosen."""
    return job.window_to is not None or job.export_type in INCREMENTAL


def later_delivery(services: ExportServices, job: Job) -> Job | None:
    """A run of the same export that was submitted after this one and has delivered its rows, or some of its window;
    None when there is none. Reads the runs since then. One for a past period neither takes a run's place nor loses its
    own."""
    if job.is_backfill:
        return None
    cursor: str | None = None
    while True:
        runs, cursor = services.runs.page(str(job.export_id), RUNS_PER_PAGE, cursor)
        later = [run for run in runs if run.submitted_at > job.submitted_at]
        for run in later:
            if run.has_delivered and not run.is_backfill and (_covers(run, job) or _overlaps(run, job)):
                return run
        if cursor is None or len(later) < len(runs):
            return None


def _covers(run: Job, job: Job) -> bool:
    """Whether the window of a later run includes that of an earlier one, as far as they have windows."""
    return job.window_to is None or (run.window_to is not None and run.window_to >= job.window_to)


def _overlaps(run: Job, job: Job) -> bool:
    """Whether two increments share some of their windows. Then the earlier one is not repeated: windows are delivered
    one behind the other, and the next run begins where the last delivered one ended."""
    if run.window_to is None or job.window_to is None:
        return False
    begins_before = run.window_from is None or run.window_from < job.window_to
    return begins_before and (job.window_from is None or job.window_from < run.window_to)


def _registered(services: ExportServices, run_id: str) -> Job | None:
    """The job of a run that an earlier call registered, started if it was not."""
    job = services.jobs.find(run_id)
    if job is not None and not job.is_terminal:
        start_execution(services, job)
    return job


def tick(services: ExportServices, has_time: HasTime = no_limit) -> int:
    """Start the runs that are due, and resume what was interrupted. The schedule calls this each minute.

    Which exports are due is a function of definitions and time (`schedule.latest_due`), and a run's id is a
    function of the export and the moment that it is due: two ticks, even at once, start nothing twice. What is left
    when the time is over is the first that the next minute attends to.

    Returns:
        The number of runs started.
    """
    started, attended = 0, set[Due]()
    services.exports.index_some()
    for _ in range(PAGES_PER_MINUTE):
        due = [entry for entry in services.exports.due(services.clock.now()) if entry not in attended]
        for entry in due:
            if not has_time():
                return started
            attended.add(entry)
            started += _attend(services, entry)
        if not due:
            break
    return started


def _attend(services: ExportServices, due: Due) -> bool:
    """Start the run of an export that is due, or resume its run; returns whether a run was started."""
    now = services.clock.now()
    try:
        export = services.exports.get(due.id)
        if export.running is not None:
            if _resume(services, export):
                pause = min(max(now - export.running.submitted_at, MIN_PAUSE), MAX_PAUSE)
                _postpone(services, due, now + pause)
        elif moment := due_at(export, now):
            name = f"{export.export_id}/{moment.isoformat()}"
            run = Run(derived_uuid(_NAMESPACE, name), now, SCHEDULER, occurrence=moment)
            measure({}, SecondsLate=(now - moment).total_seconds())
            _claim_and_launch(services, export, run, "schedule", Act(RUN_SCHEDULE, SCHEDULER))
            return True
        else:  # the clock of the tick before was ahead, or a newer zone database moved the run
            _postpone(services, due, now + MIN_PAUSE)
    except (Conflict, NotFound):  # unscheduled, run or deleted since it was listed
        _postpone(services, due, now + MIN_PAUSE)
    except Exception:  # an export that cannot be started must not delay the others
        entry_failed("exports", exportId=due.id)
        attempts = due.attempts + 1
        _postpone(services, due, now + pause_after(attempts, MAX_DELAY), attempts)
    return False


def _postpone(services: ExportServices, due: Due, until: datetime, attempts: int = 0) -> None:
    try:
        services.exports.postpone(due, until, attempts)
    except Exception:  # it stays due, and must not delay the others
        entry_failed("exports", exportId=due.id)


def due_at(export: Export, now: datetime) -> datetime | None:
    """The latest moment of the schedule that has come and was not handled; None when no run is due."""
    schedule, handled = export.definition.schedule, export.handled_until
    if export.status is not ExportStatus.SCHEDULED or not schedule or handled is None:
        return None
    return latest_due(schedule, handled, now)


def _entry(services: ExportServices, act: Act | None, export: Export, run: Run | None = None) -> list[Action]:
    job_id, parent_id = (None, None) if run is None else (run.job_id, run.retry_of)
    entity, export_id = export.definition.entity, export.export_id
    return services.audit.entry(act, entity=entity, exportId=export_id, jobId=job_id, parentJobId=parent_id)


def _claim_and_launch(
    services: ExportServices, export: Export, run: Run, action: str, act: Act | None, series: str = ""
) -> Job:
    """The job of a run that begins. Its entry in the audit trail is that of the claim: whoever dies after that, the
    schedule goes on."""
    entry = _entry(services, act, export, run)
    return launch(services, services.exports.claim(export.export_id, run, action, entry, series))


def launch(services: ExportServices, export: Export) -> Job:
    """Register and start the run that the export holds. A second call finds the same job.

    A caller may stall at any moment. The job is therefore registered on condition that the export is as it was read:
    else a run would be repeated that has ended and whose job is deleted, or one of an export that was unscheduled.

    Raises:
        Conflict: the run has ended, or the export was unscheduled before it began.
        NotFound: the export, or the run that is repeated, was deleted.
    """
    run = export.running
    while run is not None and export.running is not None and export.running.job_id == run.job_id:
        if export.definition.is_periodic and export.status is ExportStatus.DRAFT and run.retry_of is None:
            if (known := _registered(services, run.job_id)) is not None:
                return known
            services.exports.release(export)
            raise Conflict("The export was unscheduled before its run began.", export.allowed_actions())
        job, snapshot = _new_job(services, export, run)
        try:
            job, _ = services.jobs.register(job, snapshot, None, services.exports.is_unchanged(export))
        except ChecksFailed:
            export = services.exports.get(export.export_id)
            continue
        if not job.is_terminal:
            start_execution(services, job)
        return job
    raise run_has_ended(export)


def _new_job(services: ExportServices, export: Export, run: Run) -> tuple[Job, dict[str, Any]]:
    """The job of a run, and the snapshot that it works from.

    Raises:
        NotFound: the run that it repeats was deleted.
    """
    definition, entity_uid, series = export.definition, export.entity_uid, export.series
    if run.retry_of is not None:  # the export may have been edited since
        before = services.jobs.definition(run.retry_of)
        definition, series = Definition.from_document(before["export"]), str(before["series"])
        entity_uid = entity_uid if before["entity"] is None else str(before["entity"]["uid"])
        # The destination may have been corrected because it made the delivery fail. That of an export which has moved
        # to another entity since `has_moved` was asked is not for these rows.
        if entity_uid == export.entity_uid and all(
            isinstance(kind_of(each.destination), DeliveredKind) for each in (definition, export.definition)
        ):
            definition = replace(definition, destination=export.definition.destination)
    elif run.window is not None:
        series = NO_SERIES
    is_backfill = series == NO_SERIES
    entity = services.entities.find(definition.entity)
    window_from, window_to = run.window or (export.window_end if definition.is_incremental else None, None)
    job = Job(
        job_id=run.job_id,
        process=Process.EXPORT,
        status=Status.WAITING,
        entity=definition.entity,
        entity_uid=entity_uid,
        file_name=file_name_of(definition, (window_to if is_backfill else run.occurrence) or run.submitted_at),
        submitted_at=run.submitted_at,
        started_by=run.started_by,
        started_by_id=run.started_by_id,
        export_id=export.export_id,
        export_type=definition.type.value,
        window_from=window_from,
        window_to=window_to,
        retry_of=run.retry_of,
        options=({"backfill": True} if is_backfill else {}) | _told(definition),
        warnings=empty_values(definition.filter),
    )
    snapshot: dict[str, Any] = {
        "export": {**definition.to_document(), "exportId": export.export_id, "version": export.version},
        "series": series,
        "entity": None if entity is None or entity.uid != entity_uid else entity.to_document(),
        "setAside": list(export.set_aside),
    }
    return job, snapshot


def _told(definition: Definition) -> dict[str, Any]:
    """The member of a job's options that names whom its end is told, also if the job is deleted before."""
    return {"webhooks": list(definition.webhooks)} if definition.webhooks else {}


def is_archive(definition: Definition) -> bool:
    """Whether the file of a run is a zip file of several: the export is split, and downloaded."""
    return definition.split is not None and not isinstance(kind_of(definition.destination), DeliveredKind)


def file_name_of(definition: Definition, moment: datetime) -> str:
    """The file's name: its date patterns in the zone of the schedule, else in UTC."""
    name = definition.file_name_at(moment.astimezone(zone_of(definition.schedule)))
    name = encrypted_name(name, definition.encryption)
    return f"{name.removesuffix('.zip')}.zip" if is_archive(definition) else name


def end_run(services: ExportServices, job: Job, status: Status, counts: Counts, **changes: Any) -> Job:
    """End a run's job, and note it on its export.

    Args:
        changes: of the job's fields.
    """
    ended = finished(job, status, counts, services.clock.now(), services.jobs.retention, **changes)
    stored = services.jobs.finish(ended, job.status, also=changes)
    note_end(services, stored)
    return stored


#: How often a stopped run is read again because a worker reports progress meanwhile.
_STOP_ROUNDS = 10


def check_not_stopped(job: Job) -> Job:
    """The job, if nobody has stopped it.

    Raises:
        StopRequested
    """
    if job.is_stopped_export:
        raise StopRequested(job.job_id)
    return job


def stop_run(services: ExportServices, job: Job, entry: Sequence[Action] = ()) -> Job:
    """Stop a run: no file of it is delivered or can be downloaded, and an increment's window does not move. It ends at
    once; where a delivery is under way, when that has cleaned up at the receiver.

    Raises:
        Conflict: it is not in progress, or its file is getting its final name.
    """
    job = services.jobs.request_stop(job.job_id, "USER", entry)
    try:
        return end_stopped(services, job.job_id, DELIVERY_IDLE)
    except Superseded:  # the delivery ends it
        return services.jobs.get(job.job_id)


def end_stopped(services: ExportServices, job_id: str, where: Condition | None = None) -> Job:
    """End a run that was stopped. What it has read counts as unprocessed: there is no file.

    Args:
        where: what must still hold of the job.

    Raises:
        Superseded: `where` does not hold, or workers report progress too often.
    """
    for _ in range(_STOP_ROUNDS):
        job = services.jobs.get(job_id)
        if job.is_terminal:
            note_end(services, job)
            return job
        heartbeat = Attr("heartbeatAt")
        is_as_read = heartbeat.is_missing() if job.heartbeat_at is None else heartbeat.equals(rfc3339(job.heartbeat_at))
        rows = max(job.processed, int(job.extracted["rows"]) if job.extracted else 0)
        counts = Counts(rows, unprocessed=rows)
        ended = finished(job, Status.COMPLETED, counts, services.clock.now(), services.jobs.retention)
        try:
            stored = services.jobs.finish(ended, job.status, is_as_read if where is None else is_as_read & where)
        except Superseded:
            continue
        note_end(services, stored)
        return stored
    raise Superseded(f"job {job_id} is still at work")


def fail_run(services: ExportServices, job: Job, code: str, message: str, **changes: Any) -> Job:
    """End a run as FAILED. It counts the rows in its file, although the file was not delivered."""
    written = int(job.extracted["rows"]) if job.extracted else job.processed
    counts = Counts(written, written)
    return end_run(services, job, Status.FAILED, counts, error_code=code, error_message=message, **changes)


def fail_export(services: ExportServices, job_id: str) -> Job | None:
    """End a run whose step failed permanently."""
    job = services.jobs.find(job_id)
    if job is None:
        return None
    if job.is_terminal:
        note_end(services, job)
        return job
    if job.is_stopped_export:
        return end_stopped(services, job_id)
    code = failure_code(job)
    return fail_run(services, job, code, _FAILURES[code] + failure_reason(job))


def note_if_over(services: ExportServices, job_id: str) -> bool:
    """Whether a run has ended or is gone; its end is noted then, because who ended it may have died."""
    job = services.jobs.find(job_id)
    if job is None:
        return True
    if job.is_terminal:
        note_end(services, job)
    return job.is_terminal


def note_end(services: ExportServices, job: Job) -> None:
    """Note on the export that its run has ended, then announce it. A run whose definition is gone, or cannot be read,
    moves no window."""
    series, aside = "", None
    try:
        snapshot = services.jobs.definition(job.job_id)
        aside = _left_aside(job, snapshot["export"]["destination"])
        series = str(snapshot["series"])
    except NotFound:
        pass
    except Exception as error:
        if passes(error):
            raise
        logger.exception("The definition of a run cannot be read")
    services.exports.note_end(job, series, aside)
    services.outbox.publish(job)


def _left_aside(job: Job, destination: dict[str, Any]) -> dict[str, Any] | None:
    """The old file that a failed run may have left under another name, for `Export.set_aside`."""
    kind, progress = kind_of(destination), job.delivery or {}
    if job.status is not Status.FAILED or not isinstance(kind, DeliveredKind) or not kind.leaves_aside(progress):
        return None
    place = {member: setting for member, setting in destination.items() if member != "encryption"}
    files = (job.extracted or {}).get("files")
    of_set = None if files is None else int(files)
    return dataclasses.asdict(SetAside(job.job_id, place, job.file_name, progress["name"], job.entity, of_set))


def snapshot_of(services: ExportServices, job_id: str) -> tuple[Definition, Entity | None, dict[str, Any]]:
    """What a run was registered with: the definition, the entity (None when it was gone), and the whole snapshot."""
    snapshot = services.jobs.definition(job_id)
    entity = None if snapshot["entity"] is None else Entity.from_document(snapshot["entity"])
    return Definition.from_document(snapshot["export"]), entity, snapshot


def _resume(services: ExportServices, export: Export) -> bool:
    """Resume the run that the export holds: register it if it was not, and note its end if it has ended.

    Returns:
        Whether the run has not ended.
    """
    job = None if export.running is None else services.jobs.find(export.running.job_id)
    if job is None:
        try:
            launch(services, export)
        except NotFound:  # the run that it repeats was deleted meanwhile
            services.exports.release(export)
            return False
    elif job.is_terminal:
        note_end(services, job)
        return False
    return True
