"""What is scheduled runs once at each of its local times, whatever the clocks of its zone do."""

from __future__ import annotations

import zoneinfo
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.schedule import DAYS, check_schedule, latest_due, next_runs, zone_of
from waybill.validation import Problems

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def periodic(time: str, timezone: str, *days: str) -> dict[str, Any]:
    problems: Problems = []
    value = {"time": time, "timezone": timezone} | ({"days": list(days)} if days else {})
    schedule = check_schedule(value, True, problems)
    assert schedule is not None and not problems
    return schedule


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def monthly(time: str, timezone: str, *days: int) -> dict[str, Any]:
    return {"time": time, "timezone": timezone, "monthDays": list(days)}


def every(interval: str, timezone: str) -> dict[str, Any]:
    return {"every": interval, "timezone": timezone}


def runs(schedule: dict[str, Any] | None, after: str, count: int) -> list[str]:
    return [moment.strftime("%Y-%m-%dT%H:%M") for moment in next_runs(schedule, utc(after), count)]


# What a definition may say.

EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("INCREMENTAL", {"time": "02:30", "timezone": "Europe/Brussels"},
         {"time": "02:30", "timezone": "Europe/Brussels", "days": EVERY_DAY}),
        ("CUSTOM", {"time": "23:59", "timezone": "UTC", "days": ["sun", "mon"]},
         {"time": "23:59", "timezone": "UTC", "days": ["mon", "sun"]}),
        ("PERIODIC_FULL", {"time": "00:00", "timezone": "Asia/Kathmandu", "days": None},
         {"time": "00:00", "timezone": "Asia/Kathmandu", "days": EVERY_DAY}),
        ("INCREMENTAL", {"time": "02:30", "timezone": "UTC", "monthDays": [-1, 15, -2, 1], "days": None},
         {"time": "02:30", "timezone": "UTC", "monthDays": [1, 15, -2, -1]}),
        *[("INCREMENTAL", {"every": every, "timezone": "UTC", "time": None}, {"every": every, "timezone": "UTC"})
          for every in ["PT5M", "PT15M", "PT1H", "PT1H30M", "PT90M", "PT60M", "PT24H", "PT1440M", "P1D", "PT0H45M"]],
        ("ONE_SHOT", None, None),
        ("ONE_SHOT", {"at": "2026-01-31T09:30:00Z"}, {"at": "2026-01-31T09:30:00.000Z"}),
        ("ONE_SHOT", {"at": "2026-01-31T09:30:00.5+02:00"}, {"at": "2026-01-31T07:30:00.500Z"}),
        ("ONE_SHOT", {"at": "2026-01-31T09:30", "timezone": "Europe/Brussels"},
         {"at": "2026-01-31T09:30", "timezone": "Europe/Brussels"}),
        ("ONE_SHOT", {"at": "2026-01-31T09:30:15", "timezone": "Europe/Brussels"},
         {"at": "2026-01-31T09:30:15", "timezone": "Europe/Brussels"}),
    ],
)  # fmt: skip
def test_accepted(kind: str, given: object, kept: object) -> None:
    problems: Problems = []
    assert check_schedule(given, kind != "ONE_SHOT", problems) == kept
    assert not problems
    assert check_schedule(kept, kind != "ONE_SHOT", problems) == kept, "what GET answered can be put back"
    assert not problems


GOOD = {"time": "02:30", "timezone": "Europe/Brussels"}
AT = {"at": "2026-01-31T09:30", "timezone": "Europe/Brussels"}


@pytest.mark.parametrize(
    ("kind", "given", "where"),
    [
        ("INCREMENTAL", None, ["/schedule"]),
        ("INCREMENTAL", [], ["/schedule"]),
        ("INCREMENTAL", "02:30", ["/schedule"]),
        ("INCREMENTAL", {}, ["/schedule/time", "/schedule/timezone"]),
        ("INCREMENTAL", {"at": "2026-01-31T09:30:00Z"}, ["/schedule/at", "/schedule/time", "/schedule/timezone"]),
        *[("INCREMENTAL", {**GOOD, "time": time}, ["/schedule/time"])
          for time in ["24:00", "2:30", "02:60", "02:30:00", "02:30\n", "٠٢:٣٠", "", 230, None, ["02:30"], True]],
        *[("INCREMENTAL", {**GOOD, "timezone": zone}, ["/schedule/timezone"])
          for zone in ["", "Europe", "europe/brussels", "Europe/Brussels\0", "Europe/Brussels\n", "../Europe/Brussels",
                       "/etc/passwd", "/usr/share/zoneinfo/Europe/Brussels", "Europe/../Europe/Brussels",
                       "posix/Europe/Brussels", "right/Europe/Brussels", "localtime", "Factory", "tzdata.zi", "CEST",
                       "+02:00", "Europe/Brüssel", "a" * 10_000, "\ud800", 1, None, ["UTC"], {"UTC": 1}, True]],
        *[("INCREMENTAL", {**GOOD, "days": days}, ["/schedule/days"])
          for days in [[], "mon", ["Mon"], ["monday"], [0], [["mon"]], [{}], ["mon", "mon"], {"mon": True}, 1, True]],
        *[("INCREMENTAL", {**GOOD, "monthDays": days}, ["/schedule/monthDays"])
          for days in [[], 1, [0], [32], [-32], ["1"], [1.0], [True], [[1]], [1, 1], {"1": True}, True]],
        ("INCREMENTAL", {**GOOD, "days": ["mon"], "monthDays": [1]}, ["/schedule/days"]),
        *[("INCREMENTAL", {"every": every, "timezone": "UTC"}, ["/schedule/every"])
          for every in ["", "PT", "P", "PT4M", "PT7M", "PT25H", "PT48H", "P2D", "P1W", "PT300S", "PT15M0S", "15M", "15",
                        "pt15m", "PT15M\n", "PT-15M", "PT\u0661M", "PT1.5H", "PT0M", "PT0H", "PT9999M", "P1DT1H", 15,
                        True, ["PT15M"], {"PT15M": 1}]],
        ("INCREMENTAL", {"every": "PT15M"}, ["/schedule/timezone"]),
        ("INCREMENTAL", {**GOOD, "every": "PT15M"}, ["/schedule/time"]),
        ("INCREMENTAL", {"every": "PT7M", "days": ["mon"], "monthDays": [1], "x": 1},
         ["/schedule/days", "/schedule/every", "/schedule/monthDays", "/schedule/timezone", "/schedule/x"]),
        ("ONE_SHOT", {"every": "PT15M", "timezone": "UTC"}, ["/schedule/at", "/schedule/every"]),
        ("INCREMENTAL", {**GOOD, "day": ["mon"], "a/b": 1}, ["/schedule/a~1b", "/schedule/day"]),
        ("INCREMENTAL", {"time": 1, "timezone": 1, "days": 1, "x": 1},
         ["/schedule/days", "/schedule/time", "/schedule/timezone", "/schedule/x"]),
        ("ONE_SHOT", {}, ["/schedule/at"]),
        ("ONE_SHOT", [], ["/schedule"]),
        ("ONE_SHOT", "now", ["/schedule"]),
        ("ONE_SHOT", GOOD, ["/schedule/at", "/schedule/time"]),
        *[("ONE_SHOT", {"at": at}, ["/schedule/at"])
          for at in ["2026-01-31", "2026-01-31 09:30:00Z", "2026-02-30T09:30:00Z", "2026-01-31T09:30:60Z",
                     "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00Z\n", "0001-01-01T00:00:00+01:00",
                     "9999-12-31T23:59:59-01:00", "2026-01-31T09:30Z", "20260131T093000Z", "2026-W05-6T09:30:00Z",
                     "", 1769851800, True]],
        ("ONE_SHOT", {"at": "2026-01-31T09:30"}, ["/schedule/timezone"]),
        ("ONE_SHOT", {"at": "2026-01-31T09:30:00Z", "timezone": "Europe/Brussels"}, ["/schedule/timezone"]),
        ("ONE_SHOT", {**AT, "timezone": "../UTC"}, ["/schedule/timezone"]),
        ("ONE_SHOT", {**AT, "at": "soon", "timezone": "../UTC"}, ["/schedule/at", "/schedule/timezone"]),
        ("ONE_SHOT", {**AT, "at": "2026-02-29T09:30"}, ["/schedule/at"]),
        ("ONE_SHOT", {**AT, "at": "0001-01-01T00:00"}, ["/schedule/at"]),
        ("ONE_SHOT", {**AT, "days": ["mon"]}, ["/schedule/days"]),
    ],
)  # fmt: skip
def test_refused_with_one_problem_per_member(kind: str, given: object, where: list[str]) -> None:
    problems: Problems = []
    check_schedule(given, kind != "ONE_SHOT", problems)
    assert sorted(path for path, _ in problems) == where
    assert all(message for _, message in problems)


ZONE = "is required and must be an IANA time zone, such as Europe/Brussels"
TIME = "is required and must be a time from 00:00 to 23:59"
LACKS = "is a time that the calendar lacks"


@pytest.mark.parametrize(
    ("kind", "given", "messages"),
    [
        ("INCREMENTAL", None, ["/schedule must be an object with timezone and either time or every"]),
        ("INCREMENTAL", {**GOOD, "every": "PT7M"}, [
            "/schedule/every must be a duration that divides a day, of at least 5 minutes, such as PT15M or PT6H",
            "/schedule/time has no meaning beside every"]),
        ("INCREMENTAL", {**GOOD, "monthDays": [0], "days": ["mon"]}, [
            "/schedule/days has no meaning beside monthDays",
            "/schedule/monthDays must be a list of at least one day, 1 to 31, or -1 (the last) to -31"]),
        ("INCREMENTAL", {**GOOD, "monthDays": [1, 1]}, ["/schedule/monthDays must name each day once"]),
        ("ONE_SHOT", "now", ["/schedule must be an object with at"]),
        ("INCREMENTAL", {"days": []}, [
            f"/schedule/time {TIME}",
            f"/schedule/timezone {ZONE}",
            "/schedule/days must be a list of at least one of mon, tue, wed, thu, fri, sat, sun"]),
        ("INCREMENTAL", {**GOOD, "days": ["mon", "mon"]}, ["/schedule/days must name each day once"]),
        ("ONE_SHOT", {"timezone": "CEST"}, [
            "/schedule/at is required and must be a time such as 2026-01-31T09:30:00Z, or 2026-01-31T10:30 with a "
            "timezone",
            f"/schedule/timezone {ZONE}"]),
        ("ONE_SHOT", {**AT, "at": "2026-01-31T09:30:00Z"},
         ["/schedule/timezone has no meaning beside a time with an offset"]),
        ("ONE_SHOT", {"at": "2026-02-30T09:30:00Z"}, [f"/schedule/at {LACKS}"]),
        ("ONE_SHOT", {**AT, "at": "2026-02-30T09:30"}, [f"/schedule/at {LACKS}"]),
    ],
)  # fmt: skip
def test_a_problem_says_what_is_wanted(kind: str, given: object, messages: list[str]) -> None:
    problems: Problems = []
    check_schedule(given, kind != "ONE_SHOT", problems)
    assert [f"{path} {message}" for path, message in problems] == messages


@pytest.mark.parametrize(
    ("zone", "wanted", "expected"),
    [
        # the local mean time of -00:44:30 ends at 00:00, when the clock shows 00:44:30
        ("Africa/Monrovia", "00:10", "1972-01-07T00:45:00"),
        ("Africa/Monrovia", "00:44", "1972-01-07T00:45:00"),
        ("Africa/Monrovia", "00:45", "1972-01-07T00:45:00"),
        # 02:00 to 03:00 is skipped
        ("Europe/Brussels", "02:00", "2026-03-29T01:00:00"),
        ("Europe/Brussels", "02:59", "2026-03-29T01:00:00"),
        ("Europe/Brussels", "03:00", "2026-03-29T01:00:00"),
        ("Europe/Brussels", "01:59", "2026-03-29T00:59:00"),
        # 02:00 to 02:30 is skipped
        ("Australia/Lord_Howe", "02:15", "2026-10-03T15:30:00"),
    ],
)
def test_a_time_that_the_clock_skips_runs_at_the_next_valid_minute(zone: str, wanted: str, expected: str) -> None:
    moment = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    before = moment - timedelta(hours=3)
    assert next_runs(periodic(wanted, zone), before, 1) == [moment]
    assert latest_due(periodic(wanted, zone), before, moment) == moment
    assert latest_due(periodic(wanted, zone), before, moment - timedelta(seconds=1)) is None


MEMBERS = ("time", "timezone", "days", "monthDays", "every", "at")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["mon", "UTC", "02:30"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=3,
)


@settings(deadline=None)
@given(
    JSON
    | st.fixed_dictionaries({}, optional=dict.fromkeys(["time", "timezone", "days", "monthDays", "every", "at"], JSON)),
    st.booleans(),
)
def test_whatever_is_accepted_can_run(given: Any, periodic: bool) -> None:
    problems: Problems = []
    schedule = check_schedule(given, periodic, problems)
    if not problems:
        next_runs(schedule, utc("2026-01-31T09:30"), 3)
        latest_due(schedule, utc("2026-01-31T09:30"), utc("2026-02-28T09:30"))


# When it runs.


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        # Brussels goes from 02:00 to 03:00 on 29 March 2026 and from 03:00 to 02:00 on 25 October.
        (periodic("02:30", "Europe/Brussels"), "2026-03-28T00:00",
         ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
        (periodic("02:00", "Europe/Brussels"), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        (periodic("03:00", "Europe/Brussels"), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T01:00"]),
        (periodic("01:59", "Europe/Brussels"), "2026-03-28T12:00", ["2026-03-29T00:59", "2026-03-29T23:59"]),
        (periodic("02:30", "Europe/Brussels"), "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # Half an hour on Lord Howe.
        (periodic("02:15", "Australia/Lord_Howe"), "2026-10-03T00:00", ["2026-10-03T15:30", "2026-10-04T15:15"]),
        # The day begins at 01:00 in Beirut.
        (periodic("00:00", "Asia/Beirut"), "2026-03-28T00:00", ["2026-03-28T22:00", "2026-03-29T21:00"]),
        # Pyongyang went from 23:30 on 4 May 2018 to 00:00 on 5 May: the day of the 4th runs in the night.
        (periodic("23:45", "Asia/Pyongyang"), "2018-05-03T16:00", ["2018-05-04T15:00", "2018-05-05T14:45"]),
        # Apia left out Friday, 30 December 2011; Kwajalein Saturday, 21 August 1993.
        (periodic("02:30", "Pacific/Apia"), "2011-12-29T00:00",
         ["2011-12-29T12:30", "2011-12-30T12:30", "2011-12-31T12:30"]),
        (periodic("00:00", "Pacific/Apia"), "2011-12-29T00:00", ["2011-12-29T10:00", "2011-12-30T10:00"]),
        (periodic("02:30", "Pacific/Apia", "fri"), "2011-12-20T00:00", ["2011-12-23T12:30", "2012-01-05T12:30"]),
        (periodic("23:59", "Pacific/Kwajalein"), "1993-08-20T12:00", ["1993-08-21T11:59", "1993-08-22T11:59"]),
        # Kwajalein had most of 30 September 1969 twice.
        (periodic("12:00", "Pacific/Kwajalein"), "1969-09-29T00:00",
         ["1969-09-29T01:00", "1969-09-30T01:00", "1969-10-02T00:00"]),
        # Monrovia went from 00:00:00 to 00:44:30: the next whole minute.
        (periodic("00:30", "Africa/Monrovia"), "1972-01-06T12:00", ["1972-01-07T00:45", "1972-01-08T00:30"]),
        (periodic("12:00", "UTC", "mon", "thu"), "2026-01-31T00:00",
         ["2026-02-02T12:00", "2026-02-05T12:00", "2026-02-09T12:00"]),
        (periodic("12:00", "UTC"), "2026-01-31T12:00", ["2026-02-01T12:00"]),
        (periodic("12:00", "Pacific/Kiritimati"), "9999-12-29T00:00", ["9999-12-29T22:00", "9999-12-30T22:00"]),
        (monthly("12:00", "UTC", 1, 15, -1), "2026-01-31T12:00",
         ["2026-02-01T12:00", "2026-02-15T12:00", "2026-02-28T12:00", "2026-03-01T12:00", "2026-03-15T12:00"]),
        (monthly("12:00", "UTC", -1), "2028-01-31T12:00", ["2028-02-29T12:00", "2028-03-31T12:00"]),
        (monthly("12:00", "UTC", 31), "2026-01-31T12:00", ["2026-03-31T12:00", "2026-05-31T12:00", "2026-07-31T12:00"]),
        (monthly("12:00", "UTC", -31), "2026-01-01T12:00", ["2026-03-01T12:00", "2026-05-01T12:00"]),
        (monthly("12:00", "UTC", 31, -1), "2026-03-30T12:00", ["2026-03-31T12:00", "2026-04-30T12:00"]),
        (monthly("02:30", "Pacific/Apia", 30), "2011-10-31T00:00", ["2011-11-30T12:30", "2012-01-29T12:30"]),
        (monthly("00:00", "Pacific/Kiritimati", -1), "2026-03-01T00:00", ["2026-03-30T10:00", "2026-04-29T10:00"]),
        (every("PT6H", "Europe/Brussels"), "2026-01-31T09:30",
         ["2026-01-31T11:00", "2026-01-31T17:00", "2026-01-31T23:00", "2026-02-01T05:00"]),
        # Local midnight in Kathmandu is 18:15.
        (every("PT15M", "Asia/Kathmandu"), "2026-01-31T18:00", ["2026-01-31T18:15", "2026-01-31T18:30"]),
        (every("PT90M", "Asia/Kathmandu"), "2026-01-31T18:00", ["2026-01-31T18:15", "2026-01-31T19:45"]),
        (every("P1D", "Asia/Kathmandu"), "2026-01-31T18:00", ["2026-01-31T18:15", "2026-02-01T18:15"]),
        # The times of the hour that is skipped run together, those of the hour that comes twice once.
        (every("PT30M", "Europe/Brussels"), "2026-03-29T00:00", ["2026-03-29T00:30", "2026-03-29T01:00",
                                                                  "2026-03-29T01:30", "2026-03-29T02:00"]),
        (every("PT30M", "Europe/Brussels"), "2026-10-24T23:30", ["2026-10-25T00:00", "2026-10-25T00:30",
                                                                  "2026-10-25T02:00", "2026-10-25T02:30"]),
        (every("PT3H", "Pacific/Apia"), "2011-12-30T06:00",
         ["2011-12-30T07:00", "2011-12-30T10:00", "2011-12-30T13:00"]),
        ({"at": "2026-01-31T09:30:00.000Z"}, "2026-01-31T09:29", ["2026-01-31T09:30"]),
        ({"at": "2026-01-31T09:30:00.000Z"}, "2026-01-31T09:30", []),
        ({"at": "2026-03-29T02:30", "timezone": "Europe/Brussels"}, "2026-01-31T09:30", ["2026-03-29T01:00"]),
        ({"at": "2026-10-25T02:30:00", "timezone": "Europe/Brussels"}, "2026-01-31T09:30", ["2026-10-25T00:30"]),
        ({"at": "2011-12-30T12:00", "timezone": "Pacific/Apia"}, "2011-01-31T09:30", ["2011-12-30T10:00"]),
        (None, "2026-01-31T09:30", []),
    ],
)  # fmt: skip
def test_next_runs(schedule: dict[str, Any] | None, after: str, expected: list[str]) -> None:
    count = len(expected) or 5
    assert runs(schedule, after, count) == expected
    if schedule is None or "at" in schedule or after.startswith("9999"):
        assert runs(schedule, after, count + 1) == expected, "there are no more"


def test_a_tick_without_end() -> None:
    """What the minute's schedule sees around an outage of four days: one run before, one to catch up, one after."""
    schedule = periodic("02:30", "Europe/Brussels")
    last, started = utc("2026-03-26T00:00"), []
    outage = (utc("2026-03-27T12:00"), utc("2026-03-31T12:00"))
    now = last
    while now < utc("2026-04-02T00:00"):
        now += MINUTE
        if outage[0] <= now < outage[1]:
            continue
        for _ in range(2):  # each tick comes twice
            due = latest_due(schedule, last, now)
            if due is not None:
                started.append((now, due))
                last = due
    assert [(f"{now:%dT%H:%M}", f"{due:%dT%H:%M}") for now, due in started] == [
        ("26T01:30", "26T01:30"), ("27T01:30", "27T01:30"), ("31T12:00", "31T00:30"), ("01T00:30", "01T00:30"),
    ]  # fmt: skip


def test_one_shot_and_nothing_are_due_once() -> None:
    schedule = {"at": "2026-01-31T09:30:00.000Z"}
    at = utc("2026-01-31T09:30")
    assert latest_due(schedule, at - DAY, at - MINUTE) is None
    assert latest_due(schedule, at - DAY, at) == latest_due(schedule, at - DAY, at + 30 * DAY) == at
    assert latest_due(schedule, at, at + DAY) is None
    assert latest_due(None, at - DAY, at + DAY) is None


def test_a_weekly_run_is_due_after_its_day_was_left_out() -> None:
    schedule = periodic("02:30", "Pacific/Apia", "fri")
    assert latest_due(schedule, utc("2011-12-01T00:00"), utc("2012-01-05T12:29")) == utc("2011-12-23T12:30")
    assert latest_due(schedule, utc("2011-12-23T12:30"), utc("2012-01-05T12:29")) is None


def test_due_before_the_clock_is_turned_back_over_midnight() -> None:
    """St. John's went from 00:01 on 7 November 2010 to 23:01 on the 6th: the run of the 7th stays due on the 6th."""
    schedule = periodic("00:00", "America/St_Johns")
    run = utc("2010-11-07T02:30")
    assert latest_due(schedule, utc("2010-11-06T12:00"), run) == run
    assert latest_due(schedule, utc("2010-11-06T12:00"), run + 10 * MINUTE) == run
    assert latest_due(schedule, run, run + 25 * HOUR - MINUTE) is None, "not again at the second midnight"
    assert next_runs(schedule, run - MINUTE, 2) == [run, run + 25 * HOUR]


def test_zone() -> None:
    assert str(zone_of(periodic("02:30", "Asia/Tokyo"))) == "Asia/Tokyo"
    assert zone_of(None) is zone_of({"at": "2026-01-31T09:30:00.000Z"}) is UTC


# Every zone, ten years of its transitions, against a clock that is watched minute by minute.

FIRST, LAST = utc("2017-01-01T00:00"), utc("2028-01-01T00:00")


# Clocks stayed for weeks in these years, so that this finds every change.
SAMPLES = range(0, (LAST - FIRST) // MINUTE, 4 * 24 * 60)


@cache
def transitions(name: str) -> tuple[tuple[int, int], ...]:
    """(minute since FIRST, minutes ahead of UTC from then on), the first at 0."""
    zone = zoneinfo.ZoneInfo(name)

    def ahead(minute: int) -> int:
        offset = (FIRST + minute * MINUTE).astimezone(zone).utcoffset()
        assert offset is not None and not offset % MINUTE
        return offset // MINUTE

    found = [(0, ahead(0))]
    for start, end in pairwise(SAMPLES):
        if ahead(end) != found[-1][1]:
            minute = start + bisect_left(range(start, end), True, key=lambda at: ahead(at) != found[-1][1])
            found.append((minute, ahead(minute)))
    return tuple(found)


@cache
def zones() -> list[tuple[str, list[str]]]:
    """Zones whose clocks agree, as (one of them, the others)."""
    groups: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for name in sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}):
        groups.setdefault(transitions(name), []).append(name)
    return [(names[0], names[1:]) for names in groups.values()]


class Watched:
    """A local clock over some days: for each minute of UTC what it shows, and the latest that it has shown so far."""

    def __init__(self, name: str, around: int, days: int) -> None:
        self.start, end = max(0, around - days * 24 * 60), around + days * 24 * 60
        self.shown: list[int] = []
        for (minute, ahead), (following, _) in pairwise([*transitions(name), (end, 0)]):
            self.shown += range(max(minute, self.start) + ahead, min(following, end) + ahead)
        self.latest = list(accumulate(self.shown, max))

    def first(self, day: date, hour_minute: int) -> datetime:
        wanted = (datetime.combine(day, datetime.min.time(), UTC) - FIRST) // MINUTE + hour_minute
        return FIRST + (self.start + bisect_left(self.latest, wanted)) * MINUTE


def edges() -> Iterator[tuple[str, int, int, int]]:
    """(zone, minute of the transition, minutes ahead before and after)"""
    for name, _ in zones():
        for (_, before), (minute, after) in pairwise(transitions(name)):
            yield name, minute, before, after


def check_edge(name: str, minute: int, times: list[int]) -> None:
    """Two days around a transition: each day one run, at the first minute that shows the wanted time or a later one."""
    clock = Watched(name, minute, 4)
    zone = zoneinfo.ZoneInfo(name)
    at = FIRST + minute * MINUTE
    middle = at.astimezone(zone).date()
    days = [middle + offset * DAY for offset in range(-2, 3)]
    for wanted in times:
        schedule = periodic_at(name, wanted)
        expected = [clock.first(day, wanted) for day in days]
        assert next_runs(schedule, expected[0] - MINUTE, 5) == expected
        assert all(one < other for one, other in pairwise(expected))
        for day, moment in zip(days, expected, strict=True):
            local = moment.astimezone(zone).replace(tzinfo=None)
            asked = datetime.combine(day, datetime.min.time()) + wanted * MINUTE
            assert local == asked or (local > asked and (moment - MINUTE).astimezone(zone).replace(tzinfo=None) < asked)
        due = latest_due(schedule, expected[0], at + DAY)
        assert due == max((moment for moment in expected[1:] if moment <= at + DAY), default=None)


@cache
def periodic_at(name: str, minute: int) -> dict[str, Any]:
    return periodic(f"{minute // 60:02d}:{minute % 60:02d}", name)


def test_every_transition_of_every_zone() -> None:
    """A tenth of the minutes that the clock skips or repeats, another tenth at the next transition; their borders; and
    some of the rest of the day."""
    count = 0
    for name, minute, before, after in edges():
        first, last = sorted((minute + before, minute + after))
        borders = {first - 1, first, first + 1, last - 1, last, last + 1}
        times = {at % 1440 for at in borders.union(range(first + count % 10, last, 10))} | {0, 1439}
        check_edge(name, minute, sorted(times))
        count += 1
    assert count > 500


def test_every_name_of_every_zone() -> None:
    """Names whose clocks agree: less of each transition."""
    for name, others in zones():
        for other in others:
            changes = transitions(other)
            assert changes == transitions(name)
            for (_, before), (minute, after) in list(pairwise(changes))[-2:]:
                check_edge(other, minute, sorted({(minute + before) % 1440, (minute + (before + after) // 2) % 1440}))


RHYTHMS = st.one_of(
    st.builds(lambda days: {"days": sorted(days, key=DAYS.index)}, st.sets(st.sampled_from(DAYS), min_size=1)),
    st.builds(lambda days: {"monthDays": sorted(days)},
              st.sets(st.integers(1, 31) | st.integers(-31, -1), min_size=1, max_size=12)),
    st.builds(lambda minutes: {"every": f"PT{minutes}M"},
              st.sampled_from([minutes for minutes in range(5, 1441) if 1440 % minutes == 0])),
)  # fmt: skip


def naive_slots(schedule: dict[str, Any], day: date) -> list[int]:
    """The local times of a schedule on a day, in minutes, without regard to clocks."""
    if "every" in schedule:
        return list(range(0, 1440, int(schedule["every"][2:-1])))
    if "monthDays" in schedule:
        month = [day]
        while month[0].day > 1:
            month.insert(0, month[0] - DAY)
        while (month[-1] + DAY).month == day.month:
            month.append(month[-1] + DAY)
        if day not in [month[at - 1 if at > 0 else at] for at in schedule["monthDays"] if abs(at) <= len(month)]:
            return []
    elif f"{day:%a}".lower() not in schedule["days"]:
        return []
    hour, minute = schedule["time"].split(":")
    return [int(hour) * 60 + int(minute)]


@settings(deadline=None, max_examples=300)
@given(RHYTHMS, st.integers(0, 1439), st.data())
def test_every_rhythm_over_every_change_of_clocks(rhythm: dict[str, Any], minute: int, data: st.DataObject) -> None:
    """Against a clock that is watched minute by minute: each local time once, at the first minute that shows it or a
    later one."""
    name, at, _, _ = data.draw(st.sampled_from(list(edges())))
    schedule = {**rhythm, "timezone": name}
    if "every" not in schedule:
        schedule["time"] = f"{minute // 60:02d}:{minute % 60:02d}"
    clock = Watched(name, at, 5)
    middle = (FIRST + at * MINUTE).date()
    days = [middle + offset * DAY for offset in range(-3, 4)]
    wanted = sorted({clock.first(day, slot) for day in days for slot in naive_slots(schedule, day)})
    start, end = clock.first(days[0], 0) - MINUTE, clock.first(days[-1], 0) - MINUTE
    expected = [moment for moment in wanted if start < moment <= end]
    found = next_runs(schedule, start, len(expected) + 1)
    assert found[: len(expected)] == expected
    assert not found[len(expected) :] or found[-1] > end
    now = start + data.draw(st.integers(0, (end - start) // MINUTE)) * MINUTE
    assert latest_due(schedule, start, now) == max((moment for moment in expected if moment <= now), default=None)


ZONES = st.sampled_from(sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}))
MOMENTS = st.datetimes(utc("1970-01-01T00:00").replace(tzinfo=None), utc("2050-01-01T00:00").replace(tzinfo=None)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
SCHEDULES = st.builds(
    lambda zone, minute, days: {**periodic_at(zone, minute), "days": sorted(days, key=DAYS.index)},
    ZONES, st.integers(0, 1439), st.sets(st.sampled_from(DAYS), min_size=1),
)  # fmt: skip
INTERVALS = st.builds(every, st.sampled_from(["PT12H", "PT6H", "P1D", "PT480M"]), ZONES)
MONTHLY = st.builds(
    lambda zone, days: monthly("02:30", zone, *sorted(days)),
    ZONES, st.sets(st.integers(1, 31) | st.integers(-31, -1), min_size=1, max_size=5),
)  # fmt: skip


@settings(deadline=None)
@given(SCHEDULES, MOMENTS, st.integers(1, 30))
def test_runs_ascend_and_keep_to_their_days(schedule: dict[str, Any], after: datetime, count: int) -> None:
    found = next_runs(schedule, after, count)
    assert len(found) == count
    assert all(one < other for one, other in pairwise([after, *found]))
    assert next_runs(schedule, found[0], count - 1) == found[1:]
    zone = zone_of(schedule)
    for moment in found:
        local = moment.astimezone(zone)
        assert moment.tzinfo is UTC and local.second == 0
        if f"{local:%H:%M}" == schedule["time"]:
            assert DAYS[local.weekday()] in schedule["days"]
            assert local.fold == 0
        else:
            assert (moment - MINUTE).astimezone(zone).utcoffset() != local.utcoffset(), "only right after a gap"


@settings(deadline=None)
@given(
    SCHEDULES | INTERVALS | MONTHLY,
    MOMENTS,
    st.timedeltas(timedelta(0), timedelta(days=40)),
    st.lists(st.integers(0, 10**6), max_size=5),
)
def test_due_is_the_latest_of_the_next(
    schedule: dict[str, Any], after: datetime, pause: timedelta, seconds: list[int]
) -> None:
    """However long nobody looked, one run is due; while it is the latest, every tick finds the same one."""
    now = after + pause
    between = [moment for moment in next_runs(schedule, after, 250) if moment <= now]
    due = latest_due(schedule, after, now)
    assert due == (between[-1] if between else None)
    following = next_runs(schedule, now, 1)[0]
    if due is not None:
        assert latest_due(schedule, due, now) is None, "it is caught up once"
    for later in seconds:
        tick = now + min(timedelta(seconds=later), following - now - timedelta(seconds=1))
        if tick >= now:
            assert latest_due(schedule, after, tick) == due
    assert latest_due(schedule, due or after, following) == following
