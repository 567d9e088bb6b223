"""When schedules fire, held against a minute-by-minute reading of the clocks of real zones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fleet.schedules.moments import (
    MINUTE,
    SECOND,
    BadCron,
    Timing,
    after,
    check_cron,
    latest,
    shortest_gap,
    upcoming,
)

DAY = 24 * 60 * MINUTE
# Changes at 2:00, 3:00, by half an hour, at midnight, in March and in October, a skipped day, none at all.
ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"),
    *("Asia/Beirut", "Pacific/Apia", "Asia/Kathmandu", "UTC", "Africa/Casablanca", "Antarctica/Troll"),
)
BERLIN = "Europe/Berlin"


def ms(text: str, zone: str = BERLIN, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * SECOND)


def local(moment: int, zone: str) -> datetime:
    return datetime.fromtimestamp(moment / SECOND, UTC).astimezone(ZoneInfo(zone))


def shown(timing: Timing, start: int, count: int) -> list[str]:
    return [
        local(each, timing.timezone).strftime("%d %H:%M %Z")
        for each in islice(upcoming(timing, start), count)
    ]


def changes(zone: str, year: int) -> list[int]:
    """The moments of that year at which the clocks of the zone are changed."""
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    steps = range(start, start + 366 * DAY, 60 * MINUTE)
    hours = [each for each in steps if _offset(each, zone) != _offset(each + 60 * MINUTE, zone)]
    return [
        minute + MINUTE
        for hour in hours
        for minute in range(hour, hour + 60 * MINUTE, MINUTE)
        if _offset(minute, zone) != _offset(minute + MINUTE, zone)
    ]


def _offset(moment: int, zone: str) -> timedelta | None:
    return local(moment, zone).utcoffset()


def expected(minute: int, hour: int, zone: str, start: int, end: int) -> Iterator[int]:
    """By reading the clock each minute: a wall time fires when a day's clock first shows it, or has jumped over it."""
    fired: set[tuple[int, int, int]] = set()
    before = local(start, zone).replace(tzinfo=None)
    for moment in range(start + MINUTE, end, MINUTE):
        shows = local(moment, zone).replace(tzinfo=None)
        passed = before + timedelta(minutes=1)
        while passed <= shows:  # a jump forward passes several at once; one backward none
            day = (passed.year, passed.month, passed.day)
            if (passed.hour, passed.minute) == (hour, minute) and day not in fired:
                fired.add(day)
                yield moment
            passed += timedelta(minutes=1)
        before = shows


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES), st.integers(0, 59), st.integers(0, 23), st.integers(2005, 2030), st.integers(0, 3)
)
@example("Europe/Berlin", 30, 2, 2026, 0)  # skipped
@example("Europe/Berlin", 30, 2, 2026, 1)  # twice
@example("Pacific/Apia", 30, 12, 2011, 1)  # a whole day is skipped
@example("America/Santiago", 30, 0, 2026, 1)  # at midnight
def test_a_time_of_day_fires_once_a_day_whatever_is_done_to_the_clocks(
    zone: str, minute: int, hour: int, year: int, which: int
) -> None:
    found = changes(zone, year)
    middle = found[which % len(found)] if found else ms(f"{year}-05-05", "UTC")
    start, end = middle - 2 * DAY, middle + 2 * DAY
    timing = Timing(cron=f"{minute} {hour} * * *", timezone=zone)
    fires = [each for each in islice(upcoming(timing, start), 10) if each < end]
    assert fires == list(expected(minute, hour, zone, start, end))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(["*", "*/7", "0", "*/30", "15,45"]), st.integers(0, 3))
def test_every_hour_goes_by_time_that_passes(zone: str, minutes: str, which: int) -> None:
    found = changes(zone, 2026)
    assume(found)
    start = found[which % len(found)] - DAY
    wanted = {"*": 1, "*/7": 7, "0": 60, "*/30": 30}.get(minutes)
    fires = list(islice(upcoming(Timing(cron=f"{minutes} * * * *", timezone=zone), start), 400))
    real = [
        each
        for each in range(start + MINUTE, fires[-1] + 1, MINUTE)
        if (local(each, zone).minute % wanted == 0 if wanted else local(each, zone).minute in (15, 45))
    ]
    assert fires == real


cron_fields = st.tuples(
    st.sampled_from(["*", "0", "30", "*/15", "5-10", "59"]),
    st.sampled_from(["*", "0", "2", "3", "*/6", "0-23", "23"]),
    st.sampled_from(["*", "1", "29", "31", "L", "LW", "15-20"]),
    st.sampled_from(["*", "2", "*/3", "jan,oct", "3"]),
    st.sampled_from(["*", "mon-fri", "sun", "5L", "1#2"]),
)


@settings(max_examples=150, deadline=None)
@given(cron_fields, st.sampled_from(ZONES), st.integers(0, 2_000_000_000_000), st.integers(0, 400 * DAY))
def test_after_is_strict_and_latest_is_its_inverse(
    fields: tuple[str, ...], zone: str, moment: int, further: int
) -> None:
    timing = Timing(cron=" ".join(fields), timezone=zone)
    first = after(timing, moment)
    if first is None:
        assert latest(timing, moment + further) is None or latest(timing, moment) is not None
        return
    assert first > moment
    assert latest(timing, first) == first
    before = latest(timing, first - 1)
    assert before is None or before <= moment
    second = after(timing, first)
    assert second is None or second > first
    # Wherever one begins between two moments, the next is the same.
    assert after(timing, moment + (first - moment) // 2) == first


@given(st.integers(100, 10 * DAY), st.integers(0, 2_000_000_000_000))
def test_every_counts_from_1970(every: int, moment: int) -> None:
    timing = Timing(every=every)
    following = after(timing, moment)
    assert following is not None
    assert following % every == 0
    assert moment < following <= moment + every
    assert latest(timing, following) == following
    assert latest(timing, following - 1) == following - every
    assert shortest_gap(timing, moment) == every


def test_a_time_that_does_not_exist_fires_once_at_the_next_moment() -> None:
    assert shown(Timing(cron="30 2 * * *", timezone=BERLIN), ms("2026-03-28 00:00"), 3) == [
        "28 02:30 CET",
        "29 03:00 CEST",
        "30 02:30 CEST",
    ]
    # Also where it would have been several times, and with a field for seconds.
    for cron in ("*/10 2 * * *", "*/20 30 2 * * *"):
        fires = shown(Timing(cron=cron, timezone=BERLIN), ms("2026-03-29 00:00"), 2)
        assert fires[0] == "29 03:00 CEST"
        assert fires[1].startswith("30 02:")


def test_a_time_that_exists_twice_fires_the_first_time() -> None:
    timing = Timing(cron="30 2 * * *", timezone=BERLIN)
    assert shown(timing, ms("2026-10-25 00:00"), 2) == ["25 02:30 CEST", "26 02:30 CET"]
    in_the_second_hour = ms("2026-10-25 02:10", fold=1)
    assert shown(timing, in_the_second_hour, 1) == ["26 02:30 CET"]


def test_leap_days_and_ends_of_months() -> None:
    start = ms("2026-11-29 00:00")
    leap = Timing(cron="0 0 29 2 *", timezone=BERLIN)
    assert [local(each, BERLIN).year for each in islice(upcoming(leap, start), 3)] == [2028, 2032, 2036]
    last = Timing(cron="0 0 L * *", timezone=BERLIN)
    assert [local(each, BERLIN).day for each in islice(upcoming(last, start), 4)] == [30, 31, 31, 28]
    thirty_first = Timing(cron="0 0 31 * *", timezone=BERLIN)
    assert [local(each, BERLIN).month for each in islice(upcoming(thirty_first, start), 3)] == [12, 1, 3]


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_what_never_comes_has_no_next_moment(cron: str) -> None:
    check_cron(cron)
    assert after(Timing(cron=cron), 0) is None
    assert latest(Timing(cron=cron), ms("2026-11-29 00:00")) is None


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "got 0"),
        ("0 3 * *", "got 4"),
        ("0 3 * * * * *", "got 7"),
        ("0 24 * * *", "'24' is no hour"),
        ("60 * * * *", "'60' is no minute"),
        ("0 3 * * mo", "'mo' is no weekday"),
        ("0 3 0 * *", "'0' is no day"),
        ("*/0 * * * *", "is no minute"),
        ("@reboot", "got 1"),
    ],
)
def test_a_bad_expression_says_which_field_is_wrong(cron: str, reason: str) -> None:
    with pytest.raises(BadCron, match=reason):
        check_cron(cron)


def test_a_nickname_of_cron_stands_for_its_fields() -> None:
    check_cron("@daily")
    assert after(Timing(cron="@daily", timezone=BERLIN), ms("2026-11-29 12:00")) == ms("2026-11-30 00:00")
    assert after(Timing(cron="@hourly"), ms("2026-11-29 12:10", "UTC")) == ms("2026-11-29 13:00", "UTC")
