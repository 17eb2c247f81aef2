"""Recover jobs whose execution has died.

An execution repeats its steps itself. It can still be stopped, time out after a day, or fail when even its last step
outlasts the retries; then the job is started again and continues from its plan and ledger. An outage may last, so that
restarts are not counted: a job ends as `timed-out`, with every row accounted for, when it has been restarted for
PATIENCE without a heartbeat since.

A heartbeat proves an execution alive only if its time is within SILENCE of now. One from further ahead comes from a
fast clock and proves nothing: recovery then asks for the execution itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from waybill.clock import HasTime, no_limit
from waybill.exports.run import fail_export
from waybill.imports.abandon import abandon_import
from waybill.imports.finish import finish_import
from waybill.jobs.checkups import SILENCE, entity_uid_of, subject_of
from waybill.jobs.executions import ensure_execution, restart_execution
from waybill.jobs.giving_up import TIMED_OUT, passes
from waybill.jobs.model import Job, Process, Status
from waybill.telemetry import entry_failed, measure

if TYPE_CHECKING:
    from waybill.aws.table import Item
    from waybill.exports.services import ExportServices

PATIENCE = timedelta(hours=1)
# For ending jobs as failed; what is left then is done by the next call that finds the job silent.
MAX_SECONDS = 300.0
#: Checks of one minute, in pages of `checkups.PER_PAGE`.
PAGES_PER_MINUTE = 50


def recover_jobs(services: ExportServices, has_time: HasTime = no_limit) -> int:
    """Restart jobs whose execution has died, and fail those whose executions have died for too long. Of the waiting
    imports of an entity, only the next one has an execution.

    Returns:
        The number of jobs restarted or failed.
    """
    ends, recovered = services.clock.monotonic() + MAX_SECONDS, 0

    def remaining_seconds() -> float:
        return ends - services.clock.monotonic()

    services.jobs.adopt_active()
    checked: set[str] = set()
    for _ in range(PAGES_PER_MINUTE):
        entries = services.checkups.due()
        if not entries or not has_time():
            break
        recovered += _check(services, entries, checked, remaining_seconds, has_time)
    return recovered


def _check(
    services: ExportServices,
    entries: Sequence[Item],
    checked: set[str],
    remaining_seconds: Callable[[], float],
    has_time: HasTime,
) -> int:
    """Check on what the entries are about, as far as the time goes.

    Args:
        checked: what has its next entry since this minute began; this call adds to it.

    Returns:
        The number of jobs restarted or failed.
    """
    due = {subject_of(entry): entry for entry in entries if subject_of(entry) not in checked}
    at_work = _jobs_at_work(services, list(due.values()))
    recovered, ended = 0, set()
    later: dict[str, Item] = {}
    for subject, entry in due.items():
        if not has_time():
            break
        try:
            job = at_work.get(subject) or _job_of(services, entry)
            if job is None or job.is_terminal:
                ended.add(subject)
                continue
            _measure_age(services, job)
            was_restarted = _recover(services, job, remaining_seconds)
            recovered += was_restarted
            later[subject] = services.checkups.next_item(entry, job, was_restarted)
        except Exception:  # what cannot be recovered must not keep the others
            entry_failed("recovery", subject=subject)
            later[subject] = services.checkups.retry_item(entry)
    checked.update(later)
    services.checkups.replace(
        [entry for entry in entries if subject_of(entry) in checked | ended], list(later.values())
    )
    return recovered


def _measure_age(services: ExportServices, job: Job) -> None:
    """For how long a job whose turn has come has not begun, or has shown no sign of life; only what is unusual."""
    age = services.clock.now() - (job.heartbeat_at or job.submitted_at)
    if age <= SILENCE:
        return
    if job.status is Status.WAITING:
        measure({}, OldestWaitingSeconds=age.total_seconds())
    else:
        measure({}, OldestSilentSeconds=age.total_seconds())


def _jobs_at_work(services: ExportServices, entries: Sequence[Item]) -> dict[str, Job]:
    """The running imports of entities, and jobs that take no turns, by the subjects of their entries; a request for a
    hundred of each. Those that cannot be read are left out."""
    uids = {uid for uid in map(entity_uid_of, entries) if uid}
    running = {uid: one.job_id for uid, one in services.running_imports.find_many(sorted(uids)).items()}
    ids = running | {subject_of(entry): subject_of(entry) for entry in entries if not entity_uid_of(entry)}
    jobs = {job.job_id: job for job in services.jobs.find_many(list(ids.values()))}
    found = {subject: jobs[job_id] for subject, job_id in ids.items() if job_id in jobs}
    return {subject: job for subject, job in found.items() if subject not in uids or not job.is_terminal}


def _job_of(services: ExportServices, entry: Item) -> Job | None:
    """The import of an entity that has its turn next, or the job itself; None when there is none."""
    uid = entity_uid_of(entry)
    return services.queue.head(uid) if uid else services.jobs.find(subject_of(entry))


def _recover(services: ExportServices, job: Job, remaining_seconds: Callable[[], float]) -> bool:
    """Restart or fail a job if its execution has died; whether it had."""
    now, seen = services.clock.now(), job.heartbeat_at or job.submitted_at
    if abs(now - seen) < SILENCE or ensure_execution(services, job):
        return False
    since = job.recovering_since
    if since is None or since <= seen:
        since = now
    if now - since <= PATIENCE:
        restart_execution(services, job, since)
    elif job.process is Process.IMPORT:
        _end_import(services, job, remaining_seconds)
    else:
        fail_export(services, job.job_id)
    return True


def _end_import(services: ExportServices, job: Job, remaining_seconds: Callable[[], float]) -> None:
    try:
        finish_import(services, job.job_id, TIMED_OUT, remaining_seconds)
    except Exception as error:
        if passes(error):
            raise
        entry_failed("recovery", jobId=job.job_id)
        abandon_import(services, job.job_id, remaining_seconds=remaining_seconds)
