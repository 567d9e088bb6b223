"""`beat_schedule` as schedules of fleet's: the same moments as Celery's own, and the messages that beat would send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fleet.celery.beat_schedule import BeatSchedule, take
from fleet.celery.inventory import _settings
from fleet.schedules.app_schedules import AppSchedule
from fleet.schedules.moments import latest, upcoming
from fleet.schedules.notes import rule_of, timing_of

BERLIN = ZoneInfo("Europe/Berlin")
APP = """
from datetime import timedelta
from celery import Celery, schedules
from celery.beat import BeatLazyFunc

app = Celery("beat_shop", broker="memory://")
app.conf.timezone = "Europe/Berlin"
app.conf.task_routes = {"beat_shop.routed": {"queue": "images"}}

@app.task
def tick(*args): ...

@app.task(queue="mail", priority=3, time_limit=9)
def own(*args): ...

class Switch(schedules.schedule):
    on = False
    def is_due(self, last_run_at):
        return schedules.schedstate(self.on, 7)

class Broken(Switch):
    def is_due(self, last_run_at):
        raise RuntimeError("no database")

def fails():
    raise KeyError("nothing there")

app.conf.beat_schedule = {
    "cron": {"task": "beat_shop.tick", "schedule": schedules.crontab(minute="*/15", hour="4-6", day_of_week="mon-fri")},
    "both": {"task": "beat_shop.tick", "schedule": schedules.crontab(0, 0, day_of_month="13", day_of_week="fri")},
    "every": {"task": "beat_shop.tick", "schedule": timedelta(minutes=5)},
    "switch": {"task": "beat_shop.tick", "schedule": Switch(1)},
    "broken": {"task": "beat_shop.tick", "schedule": Broken(1)},
    "own": {"task": "beat_shop.own", "schedule": 60, "args": (BeatLazyFunc(max, 2, 7),), "options": {"expires": 30}},
    "routed": {"task": "beat_shop.routed", "schedule": 60, "options": {"countdown": 100}},
    "lazy": {"task": "beat_shop.tick", "schedule": 60, "args": (BeatLazyFunc(fails),)},
    "loop": {"task": "beat_shop.tick", "schedule": schedules.schedule(0)},
    "solar": {"task": "beat_shop.tick", "schedule": schedules.solar("sunset", 52.5, 13.4)},
}
"""


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> BeatSchedule:
    folder = tmp_path_factory.mktemp("beat")
    (folder / "beat_shop.py").write_text(APP)
    return take(("beat_shop:app",), (str(folder),), None, lambda name, text: said.append((name, text)))


said: list[tuple[str, str]] = []


@pytest.fixture
def by_name(taken: BeatSchedule) -> dict[str, AppSchedule]:
    return {each.name: each for each in taken.schedules}


def local(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


def moments(schedule: AppSchedule, start: str, count: int = 4) -> list[str]:
    found = islice(upcoming(timing_of(schedule), local(start), local(start)), count)
    return [datetime.fromtimestamp(each / 1000, BERLIN).strftime("%m-%d %H:%M") for each in found]


def celerys(schedule: Any, start: str, count: int) -> Iterator[str]:
    """By Celery's own arithmetic."""
    at = datetime.fromisoformat(start).replace(tzinfo=BERLIN)
    for _ in range(count):
        schedule.nowfun = lambda at=at: at
        at = (at + schedule.remaining_estimate(at)).astimezone(BERLIN)
        yield at.strftime("%m-%d %H:%M")


def test_a_crontab_has_the_moments_that_celery_has(
    taken: BeatSchedule, by_name: dict[str, AppSchedule]
) -> None:
    schedule = taken.app.conf.beat_schedule["cron"]["schedule"]
    start = "2026-11-27T05:50"
    assert moments(by_name["cron"], start, 6) == list(celerys(schedule, start, 6))


def test_a_day_of_the_month_and_a_weekday_are_both_wanted(by_name: dict[str, AppSchedule]) -> None:
    assert moments(by_name["both"], "2026-11-14T00:00", 1) == ["08-13 00:00"], "Friday the 13th"
    assert by_name["both"].when == "0 0 13 * fri"


def test_an_interval_counts_from_1970_as_every_does(by_name: dict[str, AppSchedule]) -> None:
    assert moments(by_name["every"], "2026-11-14T00:01", 2) == ["11-14 00:05", "11-14 00:10"]


def test_an_interval_of_nothing_is_no_flood_and_said(by_name: dict[str, AppSchedule]) -> None:
    assert by_name["loop"].every_seconds == 0.1
    assert ("loop", "every 0 s is a loop, not a schedule: it is sent every 0.1 s") in said


def test_a_flood_is_found_before_it_runs(taken: BeatSchedule) -> None:
    """By `fleet validate --app`: FLT717."""
    assert _settings(taken.app)["beat_loops"] == {"loop": 0.0}


def test_a_class_of_the_project_is_asked_now_and_again_when_it_says(
    taken: BeatSchedule, by_name: dict[str, AppSchedule]
) -> None:
    timing, now = timing_of(by_name["switch"]), local("2026-11-14T00:00")
    assert list(upcoming(timing, now - 1000, now)) == [now + 7000]
    kind = type(taken.app.conf.beat_schedule["switch"]["schedule"])
    kind.on = True
    assert list(upcoming(timing, now - 1000, now)) == [now, now + 7000]
    kind.on = False
    assert latest(timing, now) is None
    assert rule_of(by_name["switch"]) == "freq: 1.00 second"


def test_a_class_that_fails_is_asked_again_and_said(by_name: dict[str, AppSchedule]) -> None:
    now = local("2026-11-14T00:00")
    assert list(upcoming(timing_of(by_name["broken"]), now, now)) == [now + 60_000]
    assert ("broken", "its schedule fails: RuntimeError('no database')") in said


def test_solar_fires_once_a_day_at_whole_seconds(by_name: dict[str, AppSchedule]) -> None:
    assert moments(by_name["solar"], "2026-06-20T00:00", 3) == ["06-20 21:32", "06-21 21:33", "06-22 21:33"]
    timing = timing_of(by_name["solar"])
    first, second = islice(upcoming(timing, local("2026-06-20T00:00")), 2)
    assert second - first == pytest.approx(24 * 3600_000, abs=120_000)
    assert latest(timing, second - 1) == pytest.approx(first, abs=2000)


def test_options_of_entry_and_task_and_the_routes_of_the_app_make_the_message(
    by_name: dict[str, AppSchedule],
) -> None:
    make = by_name["own"].make
    assert make is not None
    made = make("id-1")
    assert (made.queue, made.priority, made.delay_seconds) == ("mail", 3, 0.0)
    assert json.loads(made.message.body)[:2] == [[7], {}], "lazy arguments are made when it is sent"
    headers = made.message.headers
    assert (headers["id"], headers["task"], headers["timelimit"]) == ("id-1", "beat_shop.own", [9, None])
    assert headers["celery_beat_task"] is True
    expires = datetime.fromisoformat(headers["expires"]) - datetime.now(BERLIN)
    assert timedelta(seconds=20) < expires <= timedelta(seconds=30)


def test_a_task_of_another_app_goes_by_the_routes_and_a_countdown_is_a_delay(
    by_name: dict[str, AppSchedule],
) -> None:
    make = by_name["routed"].make
    assert make is not None
    made = make("id-2")
    assert made.queue == "images"
    assert 90 < made.delay_seconds <= 100


def test_what_the_projects_code_raises_is_one_kind_of_error(by_name: dict[str, AppSchedule]) -> None:
    make = by_name["lazy"].make
    assert make is not None
    with pytest.raises(ValueError, match="KeyError: 'nothing there'"):
        make("id-3")
