"""Alerts: what fires, how often it is told, who is told, and what a dead webhook does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fleet.controller.alerts import alerting as module
from fleet.controller.alerts.alert_state import AlertState
from fleet.controller.alerts.alerting import Alerting
from fleet.controller.alerts.conditions import (
    BROKER_DOWN_SECONDS,
    CRASHES,
    GROWTH_SECONDS,
    NOT_READY_SECONDS,
    REJECTED_SECONDS,
    Conditions,
    Numbers,
    Wrong,
)
from fleet.controller.alerts.notification import NotDelivered, deliver
from fleet.controller.history.history import FleetHistory
from fleet.controller.history.totals import Key
from fleet.controller.log.events import EventLog
from fleet.fleet_state import AlertSettings, FleetState
from fleet.schedules.due import MISSED_SECONDS
from fleet.spec import BrokerSpec, RoutingSpec
from fleet.statedir import StateDir
from fleet.telemetry import FAILED, SUCCEEDED, nothing
from tests.support import eventually

SETTINGS = AlertSettings(waits={"io": 60.0}, no_success={"io": 600.0})
WAITS = Wrong("queue_waits:io", "it waits", "fleet status")


def status(**more: Any) -> dict[str, Any]:
    queue = {"name": "io", "ready": 0, "dead": 0, "oldest_seconds": 0.0, **more.pop("queue", {})}
    group = {
        "name": "http",
        "replicas": {"desired": 2, "ready": 2},
        "workers": [{"recent_crashes": 0}],
        **more.pop("group", {}),
    }
    whole = {"state": "healthy", "broker": {"error": None}, "config": {"rejected": None}, **more}
    return {"schedules": [], **whole, "queues": [queue], "groups": [group]}


def numbers(succeeded: int = 0, failed: int = 0, last_success: float | None = None) -> Numbers:
    counts = nothing()
    counts[SUCCEEDED], counts[FAILED] = succeeded, failed
    key = Key("task", "io", "t")
    return Numbers({key: counts}, {key: counts}, {} if last_success is None else {key: last_success})


def names(
    conditions: Conditions, seen: dict[str, Any], at: float, counted: Numbers | None = None
) -> list[str]:
    found = conditions.look(seen, counted or numbers(last_success=1e9 + at), SETTINGS, at, 1e9 + at)
    assert all(each.summary and each.remedy.startswith("fleet ") for each in found)
    return [each.name for each in found]


def test_a_run_that_is_due_and_not_sent_is_missed_and_sent_again_it_is_not() -> None:
    conditions = Conditions()
    due = datetime.fromtimestamp(1e9, UTC).isoformat()
    seen = status(schedules=[{"name": "nightly", "next_at": due}, {"name": "paused", "next_at": None}])
    assert names(conditions, seen, MISSED_SECONDS) == []
    assert names(conditions, seen, MISSED_SECONDS + 1) == ["schedule_missed:nightly"]


def test_a_healthy_fleet_has_no_alert() -> None:
    assert names(Conditions(), status(), 0.0) == []


@pytest.mark.parametrize(
    ("seen", "name", "after"),
    [
        ({"broker": {"error": "refused"}}, "broker_down", BROKER_DOWN_SECONDS),
        ({"config": {"rejected": {"at": "x"}}}, "config_rejected", REJECTED_SECONDS),
        ({"group": {"replicas": {"desired": 2, "ready": 1}}}, "not_ready:http", NOT_READY_SECONDS),
        ({"group": {"workers": [{"recent_crashes": CRASHES}]}}, "crash_loop:http", 0.0),
        ({"queue": {"ready": 3, "oldest_seconds": 61.0}}, "queue_waits:io", 0.0),
        ({"queue": {"ready": 3, "oldest_seconds": None}}, "queue_waits:io", 61.0),
    ],
)
def test_what_is_wrong_for_long_enough_is_found_and_over_at_once(
    seen: dict[str, Any], name: str, after: float
) -> None:
    conditions = Conditions()
    first = names(conditions, status(**json.loads(json.dumps(seen))), 0.0)
    assert first == ([name] if after == 0.0 else [])
    assert names(conditions, status(**json.loads(json.dumps(seen))), after + 1) == [name]
    assert names(conditions, status(), after + 2) == []
    if after:
        assert names(conditions, status(**seen), after + 3) == [], "it begins anew"


def test_a_queue_whose_age_nobody_knows_gets_on_while_tasks_end() -> None:
    conditions, seen = Conditions(), status(queue={"ready": 3, "oldest_seconds": None})
    for at in range(0, 200, 10):
        assert names(conditions, seen, at, numbers(succeeded=at, last_success=1e9 + at)) == []


def test_dead_letters_fire_while_they_grow() -> None:
    conditions = Conditions()
    assert names(conditions, status(queue={"dead": 7}), 0.0) == []
    assert names(conditions, status(queue={"dead": 9}), 10.0) == ["dead_letters:io"]
    assert names(conditions, status(queue={"dead": 9}), 10.0 + GROWTH_SECONDS + 1) == []


def test_failures_fire_when_they_are_many_and_a_good_part() -> None:
    assert names(Conditions(), status(), 0.0, numbers(20, 10, 1e9)) == ["failures:io"]
    assert names(Conditions(), status(), 0.0, numbers(2000, 10, 1e9)) == []
    assert names(Conditions(), status(), 0.0, numbers(1, 5, 1e9)) == []


def test_silence_fires_where_it_is_asked_for() -> None:
    assert names(Conditions(), status(), 0.0, numbers(1, 0, 1e9 - 601)) == ["no_success:io"]
    conditions = Conditions()
    assert names(conditions, status(), 0.0, numbers()) == []
    assert names(conditions, status(), 601.0, numbers()) == ["no_success:io"]


def test_a_fleet_that_stops_has_no_alert() -> None:
    assert names(Conditions(), status(state="stopping", broker={"error": "x"}), 1e6) == []


def states(ledger: AlertState) -> list[str]:
    return [notice.state for notice in ledger.pending]


def test_an_alert_is_told_once_reminded_of_and_resolved_once() -> None:
    ledger = AlertState()
    for at in (0, 5, 10):
        ledger = ledger.look([WAITS], at, 3600.0)
    assert states(ledger) == ["firing"]
    ledger = AlertState.read(ledger.to_json())  # the controller starts again
    ledger = ledger.look([WAITS], 3600, 3600.0)
    assert states(ledger) == ["firing", "reminder"]
    for at in (3605, 3610, 3615):
        ledger = ledger.look([], at, 3600.0)
    assert states(ledger) == ["firing", "reminder", "resolved"]
    assert len({notice.id for notice in ledger.pending}) == 3
    assert AlertState.read(ledger.to_json()) == ledger


def test_one_look_without_it_resolves_nothing() -> None:
    ledger = AlertState().look([WAITS], 0, 3600.0).look([], 5, 3600.0).look([WAITS], 10, 3600.0)
    assert states(ledger) == ["firing"]


class Hook:
    """A webhook that takes notes; `answers` is its HTTP status."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((dict(self.headers), body))
                self.send_response(hook.answers)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_webhook_gets_the_alert_signed(hook: Hook, tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text(f"{hook.url}\ns3cret\n")
    deliver(AlertSettings(webhook_file=str(file)), {"alert": "a", "state": "firing"}, folder=str(tmp_path))
    [(headers, body)] = hook.got
    assert json.loads(body) == {"alert": "a", "state": "firing"}
    signed = headers["X-Fleet-Timestamp"].encode() + b"." + body
    assert headers["X-Fleet-Signature"] == f"sha256={hmac.new(b's3cret', signed, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("answer", [500, 302])
def test_a_webhook_that_refuses_or_sends_elsewhere_has_not_been_told(
    hook: Hook, tmp_path: Path, answer: int
) -> None:
    file = tmp_path / "hook"
    file.write_text(hook.url)
    hook.answers = answer
    with pytest.raises(NotDelivered, match=str(answer)) as found:
        deliver(AlertSettings(webhook_file=str(file)), {}, folder=str(tmp_path))
    assert hook.url not in str(found.value)


@pytest.mark.parametrize("text", ["", "ftp://x\n", "file:///etc/passwd", "\n"])
def test_what_is_no_url_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "hook"
    file.write_text(text)
    with pytest.raises(NotDelivered, match="first line"):
        deliver(AlertSettings(webhook_file=str(file)), {}, folder=str(tmp_path))


def test_a_command_gets_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    deliver(AlertSettings(command=("sh", "-c", "cat > told")), {"alert": "é"}, folder=str(tmp_path))
    assert json.loads((tmp_path / "told").read_text()) == {"alert": "é"}
    with pytest.raises(NotDelivered, match="ended with 3: no"):
        deliver(AlertSettings(command=("sh", "-c", "echo no >&2; exit 3")), {}, folder=str(tmp_path))
    with pytest.raises(NotDelivered, match="command"):
        deliver(AlertSettings(command=("/does/not/exist",)), {}, folder=str(tmp_path))


def test_a_dead_webhook_holds_up_nothing_and_is_told_when_it_lives_again_also_by_the_next_controller(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AGAIN_SECONDS", (0.05,))
    state = StateDir(tmp_path / ".fleet")
    state.create()
    file = tmp_path / "hook"
    file.write_text(hook.url)
    settings = AlertSettings(webhook_file=str(file), waits={"io": 60.0})
    fleet = FleetState("shop", str(tmp_path), "", 0.0, RoutingSpec(BrokerSpec("x"), (), ()), alerts=settings)
    wrong = status(queue={"ready": 3, "oldest_seconds": 99.0})

    async def now() -> dict[str, Any]:
        return wrong

    def controller() -> Alerting:
        log = EventLog(io.StringIO())
        history = FleetHistory(state, log)
        history.open()
        return Alerting(state.alerts, history, log, lambda: fleet, now)

    async def looks(alerting: Alerting, until: Any) -> None:
        deadline = time.monotonic() + 10
        while not until():
            assert time.monotonic() < deadline
            await alerting.look()
            await asyncio.sleep(0.01)

    async def first() -> None:
        hook.answers = 500
        alerting = controller()
        await looks(alerting, lambda: len(hook.got) >= 2)
        assert list(alerting.ledger.firing) == ["queue_waits:io"]

    async def second() -> None:
        hook.answers = 200
        hook.got.clear()
        alerting = controller()
        await looks(alerting, lambda: hook.got and not alerting.ledger.pending)
        wrong["queues"][0]["oldest_seconds"] = 0.0
        await looks(alerting, lambda: len(hook.got) == 2 and not alerting.ledger.pending)

    asyncio.run(first())
    asyncio.run(second())
    told = [json.loads(body) for _, body in hook.got]
    assert [(each["alert"], each["state"], each["fleet"]) for each in told] == [
        ("queue_waits:io", "firing", "shop"),
        ("queue_waits:io", "resolved", "shop"),
    ]
    eventually(lambda: json.loads(state.alerts.read_text())["pending"] == [])
    assert state.alerts.stat().st_mode & 0o777 == 0o600
