"""When an export runs: its schedule checked, its next times, the run that is due. Pure: no clock.

A schedule is what the definition of an export holds (contract, section 7):

    periodic   {"time": "02:30", "timezone": "Europe/Brussels", "days": ["mon", "tue"]}
    one-shot   None (now), {"at": "2026-01-31T09:30:00Z"}, {"at": "2026-01-31T10:30", "timezone": "Europe/Brussels"}

An export runs on a local day at the first instant at which the local clock shows the wanted time or a later one. So a
time that the clock skips (spring) runs at the next valid minute, be it after midnight; one that it shows twice
(autumn) runs the first time only; and a day that a zone leaves out of its calendar (Pacific/Apia, 30 December 2011)
has no run.

Time zones are those of the system, or of the package `tzdata` where the system has none. Every `datetime` here is
aware; those given back are UTC.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from waybill.timestamps import rfc3339
from waybill.validation import Problems, refuse_unknown

if TYPE_CHECKING:
    from waybill.exports.definition import ExportType

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PERIODIC_MEMBERS = frozenset({"time", "timezone", "days"})
ONE_SHOT_MEMBERS = frozenset({"at", "timezone"})

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
# A weekly run on a day that its zone left out is followed by one a week later.
_LONGEST_PAUSE_DAYS = 15
TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_LOCAL = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{TIME.pattern}(?::[0-5][0-9])?")
_INSTANT = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{TIME.pattern}:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:Z|[+-]{TIME.pattern})"
)
# Names in zone databases that are not time zones of a place.
_NO_ZONES = frozenset({"Factory", "localtime"})


def check_schedule(value: object, kind: ExportType, problems: Problems) -> dict[str, Any] | None:
    """The member `schedule` of a definition, with its defaults filled in. A null member counts as left out.

    Args:
        value: the decoded JSON.
        kind: every type but ONE_SHOT is periodic.
        problems: gets one entry for each wrong member.

    Returns:
        What the other functions of this module take; None for a one-shot that runs at once. Meaningless when problems
        were added.
    """
    periodic = kind != "ONE_SHOT"
    if value is None and not periodic:
        return None
    if not isinstance(value, dict):
        needs = "time and timezone" if periodic else "at"
        problems.append(("/schedule", f"must be an object with {needs}"))
        return None
    given = {member: part for member, part in value.items() if part is not None}
    return _periodic(given, problems) if periodic else _one_shot(given, problems)


def zone_of(schedule: Mapping[str, Any] | None) -> tzinfo:
    """The zone that the schedule's times, and the dates in its file names, are meant in.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: a newer zone database has dropped the name.
    """
    if schedule is None or "timezone" not in schedule:
        return UTC
    return ZoneInfo(schedule["timezone"])


def next_runs(schedule: Mapping[str, Any] | None, after: datetime, count: int) -> list[datetime]:
    """The first `count` times strictly after `after`, ascending; fewer where the schedule, or the calendar, ends."""
    if schedule is None:
        return []
    if "at" in schedule:
        moment = _instant(schedule)
        return [moment] if moment > after else []
    runs: list[datetime] = []
    last = after
    zone = zone_of(schedule)
    for moment in _runs(schedule, zone, _local_date(after, zone, 0), 1):
        if len(runs) >= count:
            break
        if moment > last:
            runs.append(moment)
            last = moment
    return runs


def latest_due(schedule: Mapping[str, Any] | None, after: datetime, now: datetime) -> datetime | None:
    """The latest time t with after < t <= now: the run to start now, or None.

    Whatever was missed since `after`, the time of the last run or of the activation, is caught up by this one run. The
    same `after` gives the same t until the next time comes, so a tick that comes twice may name its run by t.
    """
    if schedule is None:
        return None
    if "at" in schedule:
        moment = _instant(schedule)
        return moment if after < moment <= now else None
    zone = zone_of(schedule)
    # The clock may have been turned back over midnight after it showed tomorrow's time.
    for moment in _runs(schedule, zone, _local_date(now, zone, 1), -1, _LONGEST_PAUSE_DAYS + 2):
        if moment <= now:
            return moment if moment > after else None
    return None


def _runs(
    schedule: Mapping[str, Any], zone: tzinfo, day: date, step: int, days: int | None = None
) -> Iterator[datetime]:
    """The runs of a periodic schedule for `day` and the days after it (`step` 1) or before it (-1)."""
    weekdays = frozenset(DAYS.index(name) for name in schedule["days"])
    wanted = time.fromisoformat(schedule["time"])
    while days is None or days > 0:
        try:
            if day.weekday() in weekdays:
                moment = _first_shown(datetime.combine(day, wanted), zone)
                if not _shown(moment - _MINUTE, zone).date() < day < _shown(moment, zone).date():
                    yield moment
            day += step * _DAY
        except OverflowError:  # the calendar ends
            return
        days = None if days is None else days - 1


def _first_shown(wanted: datetime, zone: tzinfo) -> datetime:
    """The first instant at which the zone's clock shows `wanted` (naive), or else a later whole minute."""
    moment = wanted.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _shown(moment, zone) == wanted:
        return moment
    # The clock jumps over `wanted`: it is short of it at `before`, past it at `moment` (PEP 495, "gap").
    before = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while moment - before > _SECOND:
        middle = before + (moment - before) // 2 // _SECOND * _SECOND
        if _shown(middle, zone) < wanted:
            before = middle
        else:
            moment = middle
    return moment + timedelta(seconds=-_shown(moment, zone).second % 60)


def _shown(moment: datetime, zone: tzinfo) -> datetime:
    """What the zone's clock shows, naive."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _local_date(moment: datetime, zone: tzinfo, days: int) -> date:
    try:
        return _shown(moment, zone).date() + days * _DAY
    except OverflowError:
        return moment.date()


def _instant(schedule: Mapping[str, Any]) -> datetime:
    """When a one-shot with a time runs."""
    moment = datetime.fromisoformat(schedule["at"])
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return _first_shown(moment, zone_of(schedule))


def _periodic(given: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    refuse_unknown(given, PERIODIC_MEMBERS, "/schedule", problems)
    clock = given.get("time")
    if not isinstance(clock, str) or not TIME.fullmatch(clock):
        problems.append(("/schedule/time", "is required and must be a time from 00:00 to 23:59"))
    return {"time": clock, "timezone": _zone(given, problems), "days": _days(given.get("days", [*DAYS]), problems)}


def _one_shot(given: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    refuse_unknown(given, ONE_SHOT_MEMBERS, "/schedule", problems)
    at = given.get("at")
    if isinstance(at, str) and _INSTANT.fullmatch(at):
        if "timezone" in given:
            problems.append(("/schedule/timezone", "has no meaning beside a time with an offset"))
        try:
            return {"at": rfc3339(datetime.fromisoformat(at))}
        except (ValueError, OverflowError):
            problems.append(("/schedule/at", "is a time that the calendar lacks"))
            return {}
    if not isinstance(at, str) or not _LOCAL.fullmatch(at):
        message = "is required and must be a time such as 2026-01-31T09:30:00Z, or 2026-01-31T10:30 with a timezone"
        problems.append(("/schedule/at", message))
        if "timezone" in given:
            _zone(given, problems)
        return {}
    schedule = {"at": at, "timezone": _zone(given, problems)}
    try:
        _instant(schedule if schedule["timezone"] else {"at": at})
    except (ValueError, OverflowError):
        problems.append(("/schedule/at", "is a time that the calendar lacks"))
    return schedule


def _zone(given: Mapping[str, Any], problems: Problems) -> str:
    name = given.get("timezone")
    # Looked up in a list, so that a name from outside never becomes a path.
    if not isinstance(name, str) or name not in _zone_names():
        problems.append(("/schedule/timezone", "is required and must be an IANA time zone, such as Europe/Brussels"))
        return ""
    return name


@cache
def _zone_names() -> frozenset[str]:
    """Takes about 25 ms the first time, because it reads every file of the zone database."""
    return frozenset(zoneinfo.available_timezones()) - _NO_ZONES


def _days(value: object, problems: Problems) -> list[str]:
    if not isinstance(value, list) or not value or any(day not in DAYS for day in value):
        problems.append(("/schedule/days", f"must be a list of at least one of {', '.join(DAYS)}"))
        return []
    if len(set(value)) < len(value):
        problems.append(("/schedule/days", "must name each day once"))
    return sorted(set(value), key=DAYS.index)
