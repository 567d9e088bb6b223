"""The core of `fleet top`: what a model looks like, and what a key makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
from fleet.cli.screen.acting import about_letters
from fleet.cli.screen.frame import fitted, frame, last_top
from fleet.cli.screen.keys import asked_later, press
from fleet.cli.screen.listing import chosen
from fleet.cli.screen.model import (
    FAILED,
    GROUPS,
    OVERVIEW,
    PATHS,
    QUEUES,
    SCHEDULES,
    SCREENS,
    TASKS,
    Answered,
    Count,
    Do,
    Fetch,
    Model,
    Question,
    Quit,
)
from fleet.cli.screen.paint import bare, columns, paint, spans
from fleet.cli.screen.polling import Poller, shown

NOW = 1_800_000_000.0
HOSTILE = "x\x1b[2J\x9b\u202e\n"


def worker(name: str, **more: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(
            ("broker_error", "refused", "trouble", "recycle", "absorbed", "runs_alone", "last_exit")
        ),
        "id": name,
        "serial": 1,
        "pid": 7,
        "state": "ready",
        "revision": "r",
        "uptime_seconds": 5.0,
        "concurrency": 4,
        "in_flight": 1,
        "succeeded": 9,
        "failed": 2,
        "retried": 0,
        "rss_bytes": 5e7,
        "restarts": 0,
        "recent_crashes": 0,
        "retry_in_seconds": None,
        "warnings": [],
        "children": [],
        "oldest_in_flight_seconds": 3.0,
        **more,
    }


def group(name: str, *workers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "pool": "threads",
        "concurrency": 4,
        "queues": ["io"],
        "here": True,
        "scaling": None,
        "replicas": {"desired": len(workers), "ready": len(workers)},
        "paused": False,
        "paused_queues": [],
        "override": None,
        "overrides": [],
        "workers": list(workers),
        **more,
    }


def queue(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "ready": 0,
        "unacked": 0,
        "dead": 0,
        "delayed": 0,
        "oldest_seconds": None,
        "consumers": 1,
        **more,
    }


def status(**more: Any) -> dict[str, Any]:
    return {
        "fleet": "shop",
        "state": "healthy",
        "reasons": [],
        "file": "fleet.toml",
        "rollout": None,
        "supervisor": {"pid": 1, "uptime_seconds": 60.0},
        "controller": {"pid": 2, "uptime_seconds": 60.0, "restarts": 0},
        "config": {"revision": "r", "loaded_at": "2027-01-15T08:00:00Z", "rejected": None, "warnings": []},
        "broker": {"error": None, "alarm": None},
        "groups": [group("http", worker("http/0"), worker("http/1")), group("cpu", worker("cpu/0"))],
        "queues": [queue("io", ready=3), queue("cpu", ready=40, dead=2)],
        **more,
    }


def counted(per_second: float, failed: int = 0) -> dict[str, Any]:
    took = {"count": 7, "sum_seconds": 1.0, "buckets": [], "p50": 0.2, "p95": 2.0, "p99": 3.0}
    return {
        "outcomes": {"succeeded": 7, "failed": failed, "retried": 0},
        "per_second": per_second,
        "wall_seconds": 2.0,
        "cpu_seconds": 1.0,
        "duration": took,
        "wait": took,
    }


def task(name: str, per_second: float, failed: int = 0) -> dict[str, Any]:
    both = {"total": counted(per_second, failed), "window": counted(per_second, failed)}
    return {"queue": "io", "task": name, "last_success_at": NOW - 5, **both}


def error(kind: str, first_at: float) -> dict[str, Any]:
    example = {
        "id": "id1",
        "queue": "io",
        "task": "shop.pay",
        "reason": HOSTILE,
        "traceback": "a\n  b\\n\x1bc",
    }
    return {
        "type": kind,
        "place": "/srv/shop/tasks.py:12 in pay",
        "times": 3,
        "example": example,
        "first_at": first_at,
        "last_at": NOW - 60,
    }


ANSWERS: dict[str, Any] = {
    "status": status(),
    "statistics": {
        "window_seconds": 300.0,
        "tasks": [task("shop.pay", 1.0, failed=4), task("shop.mail", 20.0)],
        "queues": [{"queue": "io", "window": counted(21.0)}],
    },
    "errors": {"errors": [error("ValueError", NOW), error("OldError", 5.0)]},
    "alerts": {"firing": [{"alert": "waiting", "summary": "io waits too long", "remedy": "scale http"}]},
    "running": {
        "running": [
            {
                "id": "m1",
                "task": "shop.pay",
                "queue": "io",
                "since": NOW - 90,
                "process": 7,
                "worker": "http/1",
            }
        ]
    },
    "events": {
        "events": [
            {
                "sequence": 9,
                "at": "2027-01-15T08:00:02Z",
                "level": "WARNING",
                "message": "http/0 crashed",
                "audit": None,
            },
            {
                "sequence": 8,
                "at": "2027-01-15T08:00:01Z",
                "level": "INFO",
                "message": "ann: scale http: now 2",
                "audit": {"actor": "ann", "verb": "scale"},
            },
        ]
    },
}


SCHEDULE = {
    "name": "nightly",
    "task": "shop.nightly",
    "when": "0 3 * * *",
    "timezone": "Europe/Berlin",
    "enabled": True,
    "next_at": "2027-01-16T02:00:00.000Z",
    "next": ["2027-01-16T02:00:00.000Z", "2027-01-17T02:00:00.000Z"],
    "next_hours": [18],
    "last": {
        "id": "m1",
        "sent_at": "2027-01-15T02:00:00.003Z",
        "late_seconds": 0.003,
        "outcome": "failed",
        "seconds": 41.0,
    },
    "succeeded_at": None,
    "skipped": 0,
    "paused": None,
}
NEW = {**SCHEDULE, "name": "new", "next_at": None, "next": [], "next_hours": [], "last": None}
ANSWERS["schedules"] = {"at": NOW, "scheduler": None, "schedules": [SCHEDULE, NEW]}


def model(screen: int = OVERVIEW, **more: Any) -> Model:
    known = Answered({name: shown(name, answer) for name, answer in ANSWERS.items()}, at=NOW)
    return replace(Model("fleet.toml", known=known, now=NOW), screen=screen, **more)


def text(shown_model: Model) -> str:
    return "\n".join(bare(line) for line in frame(shown_model))


def typed(start: Model, *keys: str) -> tuple[Model, Any]:
    intent = None
    for key in keys:
        start, intent = press(start, key)
    return start, intent


@pytest.mark.parametrize("screen", range(len(SCREENS)))
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 10), (1, 1)])
def test_a_frame_has_as_many_lines_as_the_terminal_and_no_control_character(
    screen: int, size: tuple[int, int]
) -> None:
    for opened in (model(screen), press(model(screen), "ENTER")[0]):
        fitting = fitted(opened, *size)
        lines = frame(fitting)
        assert len(lines) == fitting.height
        for line in lines:
            painted = list(spans(line, fitting.width))
            assert sum(columns(part) for _, part in painted) <= fitting.width
            assert all(part.isprintable() for _, part in painted)


def test_the_overview_says_reasons_and_remedies_before_the_tables_that_a_small_terminal_cuts() -> None:
    bad = status(
        state="degraded",
        reasons=["queue io is full", "the broker can't be reached"],
        broker={"error": "connection refused", "alarm": None},
        queues=[queue(f"q{number}") for number in range(50)],
    )
    known = replace(model().known, answers={**model().known.answers, "status": bad})
    seen = text(model(known=known))
    for wanted in ("queue io is full", "connection refused", "io waits too long", "scale http"):
        assert wanted in seen
    assert "q49" not in seen
    assert "more lines below (j)" in seen
    assert "q49" in text(typed(model(known=known), "END")[0])


def test_schedules_have_their_last_run_and_a_timeline_of_the_next_day() -> None:
    shown = text(model(SCHEDULES, width=140))
    assert "nightly" in shown
    assert "failed" in shown
    assert "··················|·····" in shown, "NOW is 8 h UTC"
    opened = text(press(model(SCHEDULES, width=140), "ENTER")[0])
    assert "2027-01-16 02:00:00  in 18 h" in opened
    assert "last success: none is known" in opened
    assert "NEXT 24 H" not in text(model(SCHEDULES, width=80))


def test_the_overview_has_new_errors_only_and_the_last_change() -> None:
    seen = text(model())
    assert "shop.pay: ValueError 3 times, tasks.py:12 in pay, 1 min ago" in seen
    assert "OldError" not in seen
    assert "ann: scale http: now 2" in seen


def test_lists_are_filtered_and_sorted() -> None:
    assert text(model(TASKS)).index("shop.pay") < text(model(TASKS)).index("shop.mail")
    by_rate = typed(model(TASKS), "s")[0]
    assert by_rate.notice == "sorted: most a second"
    assert text(by_rate).index("shop.mail") < text(by_rate).index("shop.pay")
    filtered = typed(model(TASKS), "/", "M", "A", "q", "BACKSPACE")[0]
    assert "shop.pay" not in text(filtered)
    assert "shop.pay" not in text(typed(filtered, "ENTER")[0])
    assert "shop.pay" in text(typed(filtered, "ESC")[0])
    assert "nothing matches /q" in text(typed(model(TASKS), "/", "q", "ENTER")[0])


def test_the_chosen_row_stays_the_same_one_when_the_order_changes() -> None:
    second = typed(model(QUEUES), "j")[0]
    assert chosen(second)["name"] == "cpu"  # type: ignore[index]
    assert chosen(typed(second, "s")[0])["name"] == "cpu"  # type: ignore[index]
    assert chosen(typed(second, "UP", "k")[0])["name"] == "io"  # type: ignore[index]


def test_what_is_opened_goes_on_with_what_is_known() -> None:
    opened = typed(model(GROUPS), "j", "j", "ENTER")[0]
    assert "http/1  shop.pay  m1" in text(opened)
    gone = replace(opened.known, answers={**opened.known.answers, "status": status(groups=[])})
    assert "not there any more" in text(replace(opened, known=gone))
    assert "CRASHES" in text(typed(opened, "ESC")[0])


def test_a_traceback_keeps_its_lines_and_shows_what_would_steer_the_terminal() -> None:
    seen = text(typed(model(FAILED), "ENTER")[0])
    assert "  | a\n" in seen
    assert "  |   b\\n\\x1bc" in seen


@pytest.mark.parametrize(
    ("screen", "keys", "path", "arguments"),
    [
        (GROUPS, "Py", "/commands/pause", {"group": "http"}),
        (GROUPS, "jUy", "/commands/resume", {"group": "http"}),
        (GROUPS, "Dy", "/commands/drain", {"group": "http"}),
        (GROUPS, "Ry", "/commands/restart", {"group": "http"}),
        (GROUPS, "jjRy", "/commands/restart", {"group": "http", "replica": 1}),
        (QUEUES, "jPy", "/commands/pause", {"queue": "cpu"}),
        (QUEUES, "jUy", "/commands/resume", {"queue": "cpu"}),
        (OVERVIEW, "Ay", "/reload", {}),
    ],
)
def test_an_act_is_done_only_after_a_yes(
    screen: int, keys: str, path: str, arguments: dict[str, Any]
) -> None:
    asked, intent = typed(model(screen), *keys[:-1])
    assert intent is None
    assert asked.question is not None
    assert "y does it" in text(asked)
    for no in ("n", "q", "ENTER", "ESC", "P"):
        after, intent = press(asked, no)
        assert (after.question, intent) == (None, None)
    assert press(asked, "y")[1] == Do(path, arguments)


def test_scaling_asks_for_the_number() -> None:
    asked, intent = typed(model(GROUPS), "S", "1", "2", "BACKSPACE")
    assert intent is None
    assert bare(frame(fitted(asked, 40, 10))[-1]).startswith("1_ Enter does it: scale http, now 2")
    assert press(asked, "ENTER")[1] == Do("/commands/scale", {"group": "http", "replicas": 1})
    assert press(asked, "y") == (replace(asked, question=None, typed="", notice="nothing was done"), None)
    assert typed(model(GROUPS), "S", "ENTER")[1] == Do("/commands/scale", {"group": "http", "replicas": None})


def dead_letters(**dead: int | None) -> Model:
    known = model().known
    queues = [queue(name, dead=count) for name, count in dead.items()]
    return model(QUEUES, known=replace(known, answers={**known.answers, "status": status(queues=queues)}))


def test_dead_letters_of_the_chosen_queue_or_of_those_marked_are_sent_back() -> None:
    shown_model = dead_letters(io=3, cpu=1200, idle=None)
    assert typed(shown_model, "T", "y")[1] == Do("dead-retry", {"queues": ["io"], "most": 3})
    marked, _ = typed(shown_model, " ", " ", "T")
    assert "* io" in text(marked)
    assert "send 1,203 dead letters of io, cpu back" in text(marked)
    assert press(marked, "y")[1] == Do("dead-retry", {"queues": ["io", "cpu"], "most": 1203})
    assert press(marked, "n")[1] is None
    assert "no dead letters" in typed(shown_model, "j", "j", "T")[0].notice
    assert typed(shown_model, " ", "UP", " ")[0].marked == frozenset()
    assert "by queue (2) or by error (5)" in press(model(TASKS), "T")[0].notice
    assert press(model(FAILED), " ")[0].marked == frozenset()


def test_dead_letters_of_an_error_are_counted_before_it_is_asked() -> None:
    counting, intent = press(model(FAILED), "X")
    assert isinstance(intent, Count)
    assert (intent.verb, intent.arguments["queues"], counting.notice) == ("dead-purge", ["io"], "counting …")
    assert {"task", "error"} < set(intent.arguments)
    asked = about_letters(intent.verb, intent.arguments, 2)
    assert isinstance(asked, Question)
    there = asked_later(counting, asked)
    assert f"type 2 to delete 2 dead letters of {intent.arguments['error']}" in text(fitted(there, 200, 30))
    assert typed(there, "2", "ENTER")[1] == Do("dead-purge", {**intent.arguments, "most": 2})
    assert typed(there, "3", "ENTER")[1] is None
    assert asked_later(model(QUEUES), asked).question is None, "somebody has gone on meanwhile"
    assert "no dead letters are known of" in str(about_letters(intent.verb, intent.arguments, 0))


def test_a_deletion_is_done_only_when_its_count_is_typed() -> None:
    asked = press(dead_letters(io=1203), "X")[0]
    assert "type 1203 to delete 1,203 dead letters of io for ever" in text(asked)
    assert typed(asked, *"1203", "ENTER")[1] == Do("dead-purge", {"queues": ["io"], "most": 1203})
    for keys in (["ENTER"], ["y"], [*"120", "ENTER"], [*"12030", "ENTER"], [*"1203", "ESC"]):
        after, intent = typed(asked, *keys)
        assert (after.question, intent) == (None, None)
        assert after.notice == "nothing was done"


@pytest.mark.parametrize("letter", "TX")
def test_dead_letters_stay_where_nothing_must_be_done(letter: str) -> None:
    for off, why in (
        (replace(dead_letters(io=3), readonly=True), "read-only"),
        (replace(dead_letters(io=3), now=NOW + 30), "does not answer"),
        (dead_letters(io=0), "no dead letters"),
        (dead_letters(io=None), "no dead letters"),
    ):
        after, intent = press(off, letter)
        assert (after.question, intent) == (None, None)
        assert why in after.notice


@pytest.mark.parametrize("letter", "PUSRDA")
def test_a_key_does_nothing_and_says_why_where_it_must_not_act(letter: str) -> None:
    away = replace(model().known, trouble="no controller answers")
    for off, why in (
        (model(GROUPS, readonly=True), "read-only"),
        (model(GROUPS, known=away), "does not answer"),
        (model(GROUPS, now=NOW + 30), "does not answer"),
    ):
        after, intent = press(off, letter)
        assert (after.question, intent) == (None, None)
        assert why in after.notice
    if letter != "A":
        assert press(model(OVERVIEW), letter)[0].question is None
    asked = press(model(GROUPS), letter)[0]
    late = typed(replace(asked, known=away), "ENTER" if letter == "S" else "y")
    assert late[1] is None
    assert "nothing was done" in late[0].notice


def test_a_controller_that_is_away_is_a_banner_with_the_age() -> None:
    away = replace(model().known, trouble="no controller answers")
    seen = text(model(GROUPS, known=away, now=NOW + 12))
    assert "no answer for 12 s, this is as of 08:00:00 UTC; acting is off. no con" in seen
    assert "http/0" in seen
    never = Model("/srv/fleet.toml", known=Answered(trouble="no controller answers"))
    assert "`fleet up` starts it" in text(never)
    assert "asking …" in text(Model("/srv/fleet.toml"))


def test_one_question_that_fails_leaves_the_other_screens() -> None:
    answers = {name: each for name, each in model().known.answers.items() if name != "errors"}
    known = Answered(answers, at=NOW, failures={"errors": "history.db can't be read"})
    assert "can't be told: history.db can't be read" in text(model(FAILED, known=known))
    assert "shop.mail" in text(model(TASKS, known=known))


def test_other_keys_fetch_look_and_end() -> None:
    at = typed(model(GROUPS), "j")[0]
    assert press(at, "i")[1] == Fetch("stack", "http/0")
    assert press(at, "l")[1] == Fetch("log", "http/0")
    assert press(model(GROUPS), "l")[1] == Fetch("log", "http")
    assert press(model(GROUPS), "i")[1] is None
    assert "because the file says so" in text(press(at, "w")[0])
    assert press(at, "p")[1] == Fetch("plan")
    assert isinstance(press(at, "q")[1], Quit)
    assert press(at, "é") == (at, None)
    assert last_top(model()) == 0


def test_wide_characters_take_two_columns() -> None:
    assert list(spans(paint("図書館", "bad") + "x", 5)) == [("31", "図書")]
    assert columns("e\u0301") == 1


class Controller(ApiClient):
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if self.error:
            raise self.error
        return ANSWERS[next(name for name, each in PATHS.items() if each == path)]  # type: ignore[no-any-return]


def test_the_poller_asks_for_the_status_and_in_turn_for_what_is_shown() -> None:
    controller = Controller()
    poller = Poller(controller, lambda: None)
    poller.show(("statistics", "errors"))
    for _ in range(9):
        poller.ask(poller.next())
    first, rest = controller.asked[:3], controller.asked[3:]
    assert first == ["/status", "/statistics", "/errors"]
    assert rest == ["/status", "/errors", "/status", "/statistics", "/status", "/errors"]


def test_the_poller_keeps_what_it_knows_and_says_what_is_wrong() -> None:
    controller = Controller()
    poller = Poller(controller, lambda: None)
    poller.ask("status")
    controller.error = ControllerUnavailable("gone\x1b")
    poller.ask("errors")
    assert poller.known.trouble == "gone\\x1b"
    assert poller.known.answers["status"]["fleet"] == "shop"
    assert poller.next() == "status"
    controller.error = ApiError(503, "no history")
    poller.ask("errors")
    assert poller.known.failures == {"errors": "no history"}
    controller.error = None
    poller.ask("errors")
    poller.ask("status")
    assert (poller.known.trouble, poller.known.failures) == (None, {})
