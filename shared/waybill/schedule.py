"""When something runs by itself: a schedule checked, its next times, the run that is due. Pure: no clock.

A schedule is a member of a definition (contract, section 7):

    on weekdays         {"time": "02:30", "timezone": "Europe/Brussels", "days": ["mon", "tue"]}
    on days of a month  {"time": "02:30", "timezone": "Europe/Brussels", "monthDays": [1, 15, -1]}
    at an interval      {"every": "PT15M", "timezone": "Europe/Brussels"}
    once                None (now), {"at": "2026-01-31T09:30:00Z"}, {"at": "2026-01-31T10:30", "timezone": "…"}

The days of a month are counted from its end where they are negative; a month that lacks one has no run for it. An
interval divides a day and is counted from local midnight, so that it stands for a list of local times.

A local time runs on its day at the first instant at which the local clock shows it or a later one. So a time that the
clock skips (spring) runs at the next valid minute, be it after midnight, and several of them run once; one that it
shows twice (autumn) runs the first time only; and a day that a zone leaves out of its calendar (Pacific/Apia,
30 December 2011) has no run.

Time zones are those of the system, or of the package `tzdata` where the system has none. Every `datetime` here is
aware; those given back are UTC.
"""

from __future__ import annotations

import re
import zoneinfo
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from waybill.timestamps import rfc3339
from waybill.validation import Problems, refuse_unknown

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTH_DAYS = frozenset(range(-31, 32)) - {0}
PERIODIC_MEMBERS = frozenset({"time", "timezone", "days", "monthDays"})
INTERVAL_MEMBERS = frozenset({"every", "timezone"})
ONE_SHOT_MEMBERS = frozenset({"at", "timezone"})
MIN_INTERVAL_MINUTES, DAY_MINUTES = 5, 24 * 60

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
EVERY = re.compile(r"(?:P1D|PT(?=[0-9])(?:([0-9]{1,2})H)?(?:([0-9]{1,4})M)?)")
_LOCAL = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{TIME.pattern}(?::[0-5][0-9])?")
_INSTANT = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{TIME.pattern}:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:Z|[+-]{TIME.pattern})"
)
# Names in zone databases that are not time zones of a place.
_NO_ZONES = frozenset({"Factory", "localtime"})


def check_schedule(value: object, periodic: bool, problems: Problems) -> dict[str, Any] | None:
    """The member `schedule` of a definition, with its defaults filled in. A null member counts as left out.

    Args:
        value: the decoded JSON.
        periodic: whether it runs again and again.
        problems: gets one entry for each wrong member.

    Returns:
        What the other functions of this module take; None for what runs at once. Meaningless when problems were added.
    """
    if value is None and not periodic:
        return None
    if not isinstance(value, dict):
        needs = "timezone and either time or every" if periodic else "at"
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
    times, zone = _times(schedule), zone_of(schedule)
    for day in _days(schedule, zone, _local_date(after, zone, 0), 1):
        try:
            while len(runs) < count and (following := _first_behind(day, times, zone, last)) is not None:
                runs.append(following)
                last = following
        except OverflowError:  # the calendar ends
            break
        if len(runs) >= count:
            break
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
    times, zone = _times(schedule), zone_of(schedule)
    # The clock may have been turned back over midnight after it showed tomorrow's time.
    for day in _days(schedule, zone, _local_date(now, zone, 1), -1):
        try:
            position = bisect_right(times, now, key=_instants(day, zone))
            if position:
                moment = _instants(day, zone)(times[position - 1])
                return moment if moment > after else None
        except OverflowError:  # the calendar begins
            return None
    return None


def minutes_of(every: object) -> int | None:
    """The minutes of an interval such as PT15M, PT1H or P1D, if it may be one of a schedule."""
    found = EVERY.fullmatch(every) if isinstance(every, str) else None
    if found is None:
        return None
    minutes = DAY_MINUTES if every == "P1D" else 60 * int(found[1] or 0) + int(found[2] or 0)
    return minutes if minutes >= MIN_INTERVAL_MINUTES and DAY_MINUTES % minutes == 0 else None


def _times(schedule: Mapping[str, Any]) -> Sequence[time]:
    """The local times of a periodic schedule on each of its days, ascending."""
    if "every" not in schedule:
        return (time.fromisoformat(schedule["time"]),)
    minutes = cast("int", minutes_of(schedule["every"]))  # as `check_schedule` kept it
    return [time(*divmod(minute, 60)) for minute in range(0, DAY_MINUTES, minutes)]


def _days(schedule: Mapping[str, Any], zone: tzinfo, day: date, step: int) -> Iterator[date]:
    """The days of a periodic schedule from `day` on, forwards (`step` 1) or backwards (-1)."""
    weekdays = frozenset(DAYS.index(name) for name in schedule.get("days", DAYS))
    month_days = schedule.get("monthDays")
    try:
        while True:
            chosen = day.weekday() in weekdays if month_days is None else _is_among(day, month_days)
            if chosen and not _is_left_out(day, zone):
                yield day
            day += step * _DAY
    except OverflowError:  # the calendar ends, or begins
        return


def _is_among(day: date, month_days: Sequence[int]) -> bool:
    """Whether a day is one of those of a month; -1 is the last one."""
    from_end = day.day - monthrange(day.year, day.month)[1] - 1
    return day.day in month_days or from_end in month_days


def _is_left_out(day: date, zone: tzinfo) -> bool:
    """Whether the zone's clock goes from the day before to the day after."""
    moment = _first_shown(datetime.combine(day, time()), zone)
    return _shown(moment - _MINUTE, zone).date() < day < _shown(moment, zone).date()


def _first_behind(day: date, times: Sequence[time], zone: tzinfo, after: datetime) -> datetime | None:
    """The first run of a day that is later than `after`."""
    instant_of = _instants(day, zone)
    position = bisect_right(times, after, key=instant_of)
    return instant_of(times[position]) if position < len(times) else None


def _instants(day: date, zone: tzinfo) -> Callable[[time], datetime]:
    """When each local time of a day runs: a later time never earlier."""
    return lambda wanted: _first_shown(datetime.combine(day, wanted), zone)


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
    refuse_unknown(given, PERIODIC_MEMBERS | INTERVAL_MEMBERS, "/schedule", problems)
    if "every" in given:
        return _at_intervals(given, problems)
    clock = given.get("time")
    if not isinstance(clock, str) or not TIME.fullmatch(clock):
        problems.append(("/schedule/time", "is required and must be a time from 00:00 to 23:59"))
    schedule: dict[str, Any] = {"time": clock, "timezone": _zone(given, problems)}
    if "monthDays" in given:
        if "days" in given:
            problems.append(("/schedule/days", "has no meaning beside monthDays"))
        return {**schedule, "monthDays": _month_days(given["monthDays"], problems)}
    return {**schedule, "days": _weekdays(given.get("days", [*DAYS]), problems)}


def _at_intervals(given: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    if minutes_of(given["every"]) is None:
        message = "must be a duration that divides a day, of at least 5 minutes, such as PT15M or PT6H"
        problems.append(("/schedule/every", message))
    for member in sorted(PERIODIC_MEMBERS - INTERVAL_MEMBERS):
        if member in given:
            problems.append((f"/schedule/{member}", "has no meaning beside every"))
    return {"every": given["every"], "timezone": _zone(given, problems)}


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


def _weekdays(value: object, problems: Problems) -> list[str]:
    if not isinstance(value, list) or not value or any(day not in DAYS for day in value):
        problems.append(("/schedule/days", f"must be a list of at least one of {', '.join(DAYS)}"))
        return []
    if len(set(value)) < len(value):
        problems.append(("/schedule/days", "must name each day once"))
    return sorted(set(value), key=DAYS.index)


def _month_days(value: object, problems: Problems) -> list[int]:
    """From the first of a month on, those that are counted from its end behind the others."""
    if not isinstance(value, list) or not value or any(type(day) is not int or day not in MONTH_DAYS for day in value):
        message = "must be a list of at least one day, 1 to 31, or -1 (the last) to -31"
        problems.append(("/schedule/monthDays", message))
        return []
    if len(set(value)) < len(value):
        problems.append(("/schedule/monthDays", "must name each day once"))
    return sorted(set(value), key=lambda day: (day < 0, day))
