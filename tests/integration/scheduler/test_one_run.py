"""`fleet schedule fire`: one run by a process that ends with it, and never the same one twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.cli import root
from fleet.scheduler.books import open_book
from fleet.scheduler.known import KnownFile
from fleet.scheduler.log import Log
from fleet.scheduler.loop import Plan
from fleet.scheduler.messages import Messages
from fleet.scheduler.one_run import OneRun, moment_of_job
from fleet.schedules.due import run_id
from fleet.schedules.moments import MINUTE
from fleet.schedules.orders import order
from tests.conftest import Broker, make_broker
from tests.integration.scheduler.dying import (
    START,
    Countdown,
    Death,
    Hosts,
    cut,
    held_by,
    minutely,
    mortal,
    wire_of,
)

IN_ONE_STEP = ("redis", "sqlite")


@pytest.fixture(params=["sqlite", "redis", "amqp"])
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


def fire(many: Hosts, moment: int | None) -> str:
    """By a process of its own, as far as the broker can tell."""
    book = open_book(many.fleet, many.routing, identity="schedule@job:1", folder=many.folder)
    book.now = lambda: many.now  # type: ignore[method-assign]
    schedules = {each.name: each for each in many.schedules}
    plan = Plan(many.fleet, schedules, Messages(many.fleet, many.routing, "fleet.toml"))
    one = OneRun(plan, book, Log(), KnownFile(many.folder / "known.json"))
    held = []
    try:
        outcome = one.fire("tick", moment, until=time.monotonic() + 30, pause=lambda _seconds: None)
        held = held_by(book)
        book.close()
    except Death:  # also in the middle of its goodbye
        cut([*held, *held_by(book)])
        raise
    except BaseException:
        book.close()
        raise
    return outcome


def test_a_job_that_dies_at_any_step_and_is_started_again_sends_once(
    broker: Broker, short_folder: Path
) -> None:
    wanted = START + MINUTE
    for at in range(1, 200, 1 if broker.name in IN_ONE_STEP else 3):
        many = Hosts(Broker(broker.name, broker.url), short_folder, (minutely(),), now=wanted + 20_000)
        try:
            killed = False
            try:
                with mortal(Countdown(at), *wire_of(broker.name)):
                    fire(many, wanted)
            except Death:
                killed = True
                assert fire(many, wanted) in ("sent", "already sent")
            assert fire(many, wanted) == "already sent"
            sent = many.sent()
            assert set(sent) == {run_id(many.fleet, "tick", wanted)}, f"killed at step {at}"
            assert len(sent) == 1 or broker.name not in IN_ONE_STEP
            if not killed:
                break
        finally:
            many.close()
    assert 4 < at < 199


def test_a_job_and_a_scheduler_that_stays_share_their_notes(broker: Broker, short_folder: Path) -> None:
    many = Hosts(broker, short_folder, (minutely(overlap="skip"), minutely("tock")))
    try:
        first = many.start()
        many.until_leading(first)
        many.now += MINUTE + 1
        many.step(first)
        first.say_goodbye()
        many.books[0].close()
        assert fire(many, START + MINUTE) == "already sent"
        assert fire(many, START + 2 * MINUTE) == "skipped", "the one before has not ended"
        assert fire(many, START + 2 * MINUTE) == "already sent"
        tocks = [each for each in many.sent() if each == run_id(many.fleet, "tock", START + MINUTE)]
        assert len(tocks) == 1
    finally:
        many.close()


def test_a_job_of_a_paused_schedule_sends_nothing(short_folder: Path) -> None:
    [broker] = make_of("sqlite", short_folder)
    many = Hosts(broker, short_folder, (minutely(),))
    try:
        first = many.start()
        first._carry_out(json.loads(order("pause", "tick", by="me", reason=None, until=None)))
        assert fire(many, START + MINUTE) == "paused"
        assert many.sent() == []
    finally:
        many.close()


def make_of(name: str, folder: Path) -> list[Broker]:
    return [Broker(name, f"sqlite:///{folder}/broker.db")]


def test_the_name_of_a_job_tells_its_moment() -> None:
    minute = START // MINUTE
    assert moment_of_job(f"shop-nightly-{minute}", START + 5) == minute * MINUTE
    assert moment_of_job("by-hand", START) is None
    assert moment_of_job("by-hand-123456", START) is None, "that is no minute of these years"
    assert moment_of_job("", START) is None


def test_the_command_sends_once_and_tells(short_folder: Path) -> None:
    (short_folder / "fleet.toml").write_text(
        '[fleet]\nname = "jobs"\napp = "tasks"\n[queues.q]\n[workers.w]\nqueues = ["q"]\npool = "solo"\n'
        '[[schedules]]\nname = "s"\ntask = "tasks.s"\ncron = "0 3 * * *"\nqueue = "q"\n'
    )

    def said(*arguments: str) -> tuple[int, str]:
        command = ["schedule", "fire", *arguments, "-f", str(short_folder / "fleet.toml")]
        done = CliRunner().invoke(root, command)
        return done.exit_code, done.output

    assert said("s", "--json") == (0, '{"name": "s", "outcome": "sent"}\n')
    assert said("s") == (0, "s: already sent\n")
    code, text = said("t")
    assert code == 78
    assert "there is no schedule 't'; there are: s" in text
