"""What is remembered of settings that a group had before, so that advice is not given again that was followed."""

from __future__ import annotations

import json
from pathlib import Path

from fleet.advice.group_advice import Declared, GroupAdvice, advise
from fleet.advice.lessons import FORGOTTEN_SECONDS, Lessons, read_lessons
from fleet.cli.running import lesson_file
from fleet.statedir import StateDir
from tests.advice.test_group_advice import AROUND, blocked, group

NOW = 1_800_000_000.0
IO = {"q": "io"}


def test_tasks_that_block_green_threads_stay_on_threads_once_that_was_seen() -> None:
    on_green = blocked("gevent", 100, 0.05, is_async=False)
    lessons = on_green.learnt(NOW)
    assert lessons.blocked == {"gevent": NOW}
    on_threads = group("threads", 64, 0.05, 0.0005)
    forgetful = advise(on_threads, Declared("threads", 64, 1, dict(IO)), AROUND)
    assert isinstance(forgetful, GroupAdvice)
    assert forgetful.pool == "gevent"
    assert advise(on_threads._replace(lessons=lessons), Declared("threads", 64, 1, dict(IO)), AROUND) is None


def test_coroutines_that_block_stay_on_threads_too() -> None:
    lessons = blocked("asyncio", 100, 0.1, is_async=True).learnt(NOW)
    found = advise(
        group("prefork", 4, 0.1, 0.0005, is_async=True)._replace(lessons=lessons),
        Declared("prefork", 4, 1, dict(IO)),
        AROUND,
    )
    assert isinstance(found, GroupAdvice)
    assert found.pool == "threads"


def test_a_limit_that_was_found_is_not_grown_beyond() -> None:
    lessons = group("gevent", 200, 0.05, 0.0005, capacity=20).learnt(NOW)
    assert lessons.at_once
    assert 14 <= lessons.at_once <= 32
    right = group("gevent", lessons.at_once, 0.05, 0.0005)
    assert isinstance(advise(right, Declared("gevent", lessons.at_once, 1, dict(IO)), AROUND), GroupAdvice)
    after = advise(right._replace(lessons=lessons), Declared("gevent", lessons.at_once, 1, dict(IO)), AROUND)
    assert after is None
    few = group("gevent", 4, 0.05, 0.0005)._replace(lessons=lessons)
    found = advise(few, Declared("gevent", 4, 1, dict(IO)), AROUND)
    assert isinstance(found, GroupAdvice)
    assert found.concurrency == lessons.at_once


def test_nothing_is_learnt_of_a_group_that_is_well() -> None:
    assert group("gevent", 200, 0.05, 0.0005).learnt(NOW) == Lessons()


def test_what_is_old_or_garbled_is_no_lesson() -> None:
    fresh = {"blocked": {"gevent": NOW - 5}, "knee": [20, NOW - 5]}
    assert read_lessons(fresh, NOW) == Lessons({"gevent": NOW - 5}, (20, NOW - 5))
    assert (
        read_lessons(json.loads(json.dumps(Lessons({"gevent": 1.0}, (20, 1.0)).to_json())), 2.0).at_once == 20
    )
    assert read_lessons(fresh, NOW + FORGOTTEN_SECONDS) == Lessons()
    for odd in (None, [], {"blocked": [], "knee": "20"}, {"blocked": {"gevent": "x"}, "knee": [0, NOW]}):
        assert read_lessons(odd, NOW) == Lessons()


def test_lessons_are_kept_in_the_state_directory(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    assert lesson_file.read(state) == {}
    lesson_file.write(state, {"g": blocked("gevent", 100, 0.05, is_async=False)})
    lesson_file.write(state, {"h": group("gevent", 200, 0.05, 0.0005, capacity=20)})
    found = lesson_file.read(state)
    assert set(found["g"].blocked) == {"gevent"}
    assert found["h"].at_once
    assert state.lessons.stat().st_mode & 0o777 == 0o600
    state.lessons.write_text("{")
    assert lesson_file.read(state) == {}
    lesson_file.write(StateDir(tmp_path / "none"), {"g": blocked("gevent", 100, 0.05, is_async=False)})
