"""A run of a source, from its start to its end: who may run, when it is due, how it ends.

    claim (the source holds the run) → start (its execution) → fetch (`sources.fetch`) → end

Each step may be repeated: the next tick of the schedule resumes what was interrupted.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from waybill.aws.mail import MailDelayed, MailRefused
from waybill.clock import HasTime, no_limit
from waybill.entities.model import Right
from waybill.errors import Conflict, DeliveryFailed, NotFound
from waybill.exports.definition import Owner
from waybill.ids import derived_uuid
from waybill.jobs.attempts import pause_after
from waybill.jobs.audit import RUN_SCHEDULE, Act
from waybill.jobs.recipients import may_mail
from waybill.jobs.rights import NO_PERMISSION, still_may
from waybill.jobs.scheduled import Due
from waybill.schedule import latest_due
from waybill.sources.definition import Run, Source, SourceStatus
from waybill.telemetry import count, entry_failed, logger
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.aws.table import Action
    from waybill.sources.services import SourceServices

SCHEDULER = "schedule"
#: Sources that one minute attends to, in pages of `scheduled.DUE_PER_PAGE`.
PAGES_PER_MINUTE = 20
#: Between two looks at a run that has not ended.
MIN_PAUSE, MAX_PAUSE = timedelta(minutes=1), timedelta(minutes=5)
#: After attempts that failed again and again.
MAX_DELAY = timedelta(hours=1)
#: Files that trouble with keys names.
NAMED = 5
_NAMESPACE = "6b1d0c5e-3c1f-5f1a-9b59-0b8c2a7d4e21"


def activate(services: SourceServices, source: Source, owner: Owner, act: Act | None = None) -> Source:
    """DRAFT → SCHEDULED; from now on the source acts for whoever activates it.

    Args:
        act: for the audit trail, of whoever does it; here and below.

    Raises:
        Conflict: it is not a draft.
        NotFound: it, or its entity, is gone.
    """
    entry = _entry(services, act, source)
    return services.sources.schedule(source.source_id, services.clock.now(), owner, entry)


def run_now(services: SourceServices, source: Source, started_by: str, made_id: str, act: Act | None = None) -> Source:
    """Run a scheduled source now, as its schedule would.

    Args:
        made_id: a second call with this id changes nothing.

    Raises:
        Conflict: it is not scheduled, or a run has not ended.
    """
    run = Run(f"{source.source_id}.{made_id}", services.clock.now(), started_by)
    return _claim_and_start(services, source, run, act)


def tick(services: SourceServices, has_time: HasTime = no_limit) -> int:
    """Start the runs that are due, and resume what was interrupted. The schedule calls this each minute.

    Which sources are due is a function of definitions and time (`schedule.latest_due`), and a run's id is a
    function of the source and the moment that it is due: two ticks, even at once, start nothing twice.

    Returns:
        The number of runs started.
    """
    started, attended = 0, set[Due]()
    for _ in range(PAGES_PER_MINUTE):
        due = [entry for entry in services.sources.due(services.clock.now()) if entry not in attended]
        for entry in due:
            if not has_time():
                return started
            attended.add(entry)
            started += _attend(services, entry)
        if not due:
            break
    for source_id in services.source_files.sources_with_ready():
        if not has_time():
            break
        started += _follow_up(services, source_id)
    return started


def _attend(services: SourceServices, due: Due) -> bool:
    """Start the run of a source that is due, or resume its run; returns whether a run was started."""
    now = services.clock.now()
    try:
        source = services.sources.get(due.id)
        if source.running is not None:
            _resume(services, source, source.running)
            pause = min(max(now - source.running.started_at, MIN_PAUSE), MAX_PAUSE)
            _postpone(services, due, now + pause)
        elif moment := due_at(source, now):
            name = f"{source.source_id}.{derived_uuid(_NAMESPACE, source.source_id, moment.isoformat())}"
            run = Run(name, now, SCHEDULER, occurrence=moment)
            _claim_and_start(services, source, run, Act(RUN_SCHEDULE, SCHEDULER))
            return True
        else:  # the clock of the tick before was ahead, or a newer zone database moved the run
            _postpone(services, due, now + MIN_PAUSE)
    except (Conflict, NotFound):  # unscheduled, run or deleted since it was listed
        _postpone(services, due, now + MIN_PAUSE)
    except Exception:  # a source that cannot be started must not delay the others
        entry_failed("sources", sourceId=due.id)
        attempts = due.attempts + 1
        _postpone(services, due, now + pause_after(attempts, MAX_DELAY), attempts)
    return False


def _follow_up(services: SourceServices, source_id: str) -> bool:
    """Start a run that moves or deletes what has been imported; returns whether it was started. A source that runs
    does so by itself, and one that is not scheduled when it is activated again."""
    try:
        source = services.sources.find(source_id)
        if source is None or source.status is not SourceStatus.SCHEDULED:
            services.source_files.forget_ready(source_id)
        elif source.running is None:
            now = services.clock.now()
            name = derived_uuid(_NAMESPACE, source_id, "after", str(source.revision))
            run = Run(f"{source_id}.{name}", now, SCHEDULER, only_after=True)
            _claim_and_start(services, source, run, None)
            return True
    except (Conflict, NotFound):
        return False
    except Exception:
        entry_failed("sources", sourceId=source_id)
    return False


def _postpone(services: SourceServices, due: Due, until: datetime, attempts: int = 0) -> None:
    try:
        services.sources.postpone(due, until, attempts)
    except Exception:  # it stays due, and must not delay the others
        entry_failed("sources", sourceId=due.id)


def due_at(source: Source, now: datetime) -> datetime | None:
    """The latest moment of the schedule that has come and was not handled; None when no run is due."""
    if source.status is not SourceStatus.SCHEDULED or source.handled_until is None:
        return None
    return latest_due(source.definition.schedule, source.handled_until, now)


def _entry(services: SourceServices, act: Act | None, source: Source) -> list[Action]:
    return services.audit.entry(act, entity=source.definition.entity, sourceId=source.source_id)


def _claim_and_start(services: SourceServices, source: Source, run: Run, act: Act | None) -> Source:
    claimed = services.sources.claim(source.source_id, run, _entry(services, act, source))
    if claimed.running is not None and claimed.running.run_id == run.run_id:
        _start(services, claimed.running)
    return claimed


def _start(services: SourceServices, run: Run) -> bool:
    """Start the run's current execution; False when it was started before."""
    return services.workflow.start(services.settings.source_state_machine, run.run_id, run.restarts)


def _resume(services: SourceServices, source: Source, run: Run) -> None:
    """Start a run's execution that was not started, and another one for one that has died."""
    machine = services.settings.source_state_machine
    if _start(services, run) or services.workflow.is_running(machine, run.run_id, run.restarts):
        return
    restarted = services.sources.count_restart(source.source_id, run)
    if restarted is not None and restarted.running is not None:
        logger.warning("A run of a source is restarted", extra={"sourceId": source.source_id})
        _start(services, restarted.running)


def owner_may_import(services: SourceServices, source: Source) -> bool:
    """Whether the owner still may import into the entity, which must still be the same."""
    owner, entity = source.owner, source.definition.entity
    return owner is not None and still_may(services, *owner, Right.IMPORT, entity, source.entity_uid)


# How a run ends


def end_well(services: SourceServices, source: Source, run: Run, **summary: Any) -> None:
    """The run has looked at the location.

    Args:
        summary: members of `wire.SourceRun`; also `position`, where the next run goes on.
    """
    is_at_end = not run.only_after and summary.get("position", "") is None
    position = summary.pop("position", source.position)
    last_run = source.last_run if run.only_after else _summary(services, run, **summary)
    trouble = source.trouble if _is_of_keys(source.trouble) else None
    if trouble is not None and is_at_end:  # of a folder that several runs look at, one before may have met the files
        trouble = {**trouble, "isFresh": False} if trouble["isFresh"] and source.position is not None else None
    services.sources.end_run(source.source_id, run.run_id, last_run=last_run, trouble=trouble, position=position)
    _count("done", run)


def end_unreachable(services: SourceServices, source: Source, run: Run, error: DeliveryFailed, **summary: Any) -> None:
    """The location could not be read. The next run tries again; the recipients are told once."""
    summary |= {"code": error.reason, "message": error.remedy}
    _end_troubled(services, source, run, error, False, **summary)


def end_undecrypted(services: SourceServices, source: Source, run: Run, names: list[str], **summary: Any) -> None:
    """Files are for other keys than those of the secret, which may be the wrong ones. All others were taken; the next
    run tries these again, and the recipients are told once.

    Args:
        names: of the files, one at least.
        summary: as for `end_well`.
    """
    more = "" if len(names) <= NAMED else f" and {len(names) - NAMED:,} more"
    which = f"Encrypted for other keys than those of the secret: {', '.join(names[:NAMED])}{more}."
    error = DeliveryFailed("secret", f"{which} If the secret has the right key, have them sent anew.")
    told = [error.remedy, *([summary["message"]] if summary["message"] else [])]
    summary |= {"code": error.reason, "message": " ".join(told)}
    _end_troubled(services, source, run, error, True, **summary)


def _end_troubled(
    services: SourceServices, source: Source, run: Run, error: DeliveryFailed, of_keys: bool, **summary: Any
) -> None:
    before, now = source.trouble or {}, rfc3339(services.clock.now())
    if of_keys != _is_of_keys(source.trouble):  # another trouble
        before = {}
    trouble = {"since": before.get("since", now), "code": error.reason, "message": error.remedy}
    trouble |= {"told": before.get("told", False), "ofKeys": of_keys, "isFresh": True}
    position = summary.pop("position", source.position)
    last_run = source.last_run if run.only_after else _summary(services, run, **summary)
    ended = services.sources.end_run(
        source.source_id, run.run_id, last_run=last_run, trouble=trouble, position=position
    )
    _count("undecrypted" if of_keys else "unreachable", run)
    if ended is not None and not trouble["told"]:
        which = "Files" if of_keys else "The location"
        does = "cannot be decrypted" if of_keys else "cannot be read"
        what = f"{which} of the source {source.definition.name} {does} since {trouble['since']}."
        if tell(services, ended, does, f"{what} {error.remedy} Each run tries again."):
            services.sources.note_told(source.source_id)


def _is_of_keys(trouble: Mapping[str, Any] | None) -> bool:
    """Whether the trouble is that files are encrypted for other keys."""
    return trouble is not None and trouble.get("ofKeys", False)


def end_without_right(services: SourceServices, source: Source, run: Run) -> None:
    """The owner may not import any more: the source pauses until somebody who may activates it."""
    owner = "nobody" if source.owner is None else source.owner.name
    what = f"The owner of the source, {owner}, may not import into {source.definition.entity} any more."
    message = f"Paused. {what} Ask somebody who may to activate it."
    ended = services.sources.end_run(
        source.source_id,
        run.run_id,
        last_run=_summary(services, run, code=NO_PERMISSION, message=what),
        status=SourceStatus.DRAFT,
        message=message,
        paused_at=services.clock.now(),
    )
    _count(NO_PERMISSION, run)
    if ended is not None and ended.message == message:
        tell(services, ended, "is paused", message)


def end_failed(
    services: SourceServices,
    run_id: str,
    code: str = "internal-error",
    message: str = "A step of the run failed repeatedly. The next run tries again.",
) -> None:
    """The run could not do its work, for another cause than its location."""
    source = services.sources.find(run_id.partition(".")[0])
    if source is None or source.running is None or source.running.run_id != run_id:
        return
    last_run = _summary(services, source.running, code=code, message=message)
    services.sources.end_run(source.source_id, run_id, last_run=last_run)
    _count("failed", source.running)


def _summary(services: SourceServices, run: Run, **members: Any) -> dict[str, Any]:
    """`wire.SourceRun`."""
    known: dict[str, Any] = {"taken": run.taken, "waiting": 0, "passedOver": 0, "code": None, "message": None}
    times = {"startedAt": rfc3339(run.started_at), "endedAt": rfc3339(services.clock.now())}
    return {**times, "startedBy": run.started_by, **known, **members}


def _count(outcome: str, run: Run) -> None:
    if not run.only_after:
        count({"outcome": outcome}, SourceRuns=1)


def tell(services: SourceServices, source: Source, what: str, text: str) -> bool:
    """Mail the recipients, as far as mail may be sent.

    Returns:
        Whether nobody is left to whom it may be sent later.
    """
    subject = f"Waybill: a source of {source.definition.entity} {what} ({source.source_id[:8]})"
    page = f'<!DOCTYPE html><html lang="en"><body><p>{html.escape(text)}</p></body></html>'
    is_over = True
    for recipient in source.definition.recipients:
        if not may_mail(recipient, services.settings.mail_domains) or not services.daily_mails.take():
            logger.warning("Mails withheld", extra={"sourceId": source.source_id, "mails": 1})
            continue
        try:
            services.mailer.send(recipient, subject, text, page)
        except MailDelayed:
            services.daily_mails.give_back()
            is_over = False
        except MailRefused:
            logger.error("A source's trouble could not be mailed", extra={"sourceId": source.source_id}, exc_info=True)
    return is_over
