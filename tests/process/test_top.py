"""`fleet top` on a terminal, beside a real fleet on the embedded broker."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fleet.cli.running.api_client import ApiClient
from tests.process.following import Following
from tests.support import eventually
from tests.terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("top")]  # one fleet for all of them

FILE = """\
[fleet]
name = "shop"
app = "work"
[queues.io]
[queues.idle]
[[routes]]
task = "*"
queue = "io"
[workers.http]
queues = ["io"]
pool = "threads"
concurrency = 2
max_retries = 0
[workers.spare]
queues = ["idle"]
pool = "solo"
[rollout]
min_ready = "200ms"
"""
APP = """
import time
from fleet import task

@task
def nap(seconds):
    time.sleep(seconds)

@task
def fail(what):
    raise ValueError("no such image " + what)
"""
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Following]:
    folder = Path(tempfile.mkdtemp(prefix="top"))  # short: it holds sockets
    try:
        with Following(folder, FILE, APP) as running:
            running.settled("http/0", "spare/0", within=60)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_all_screens_show_what_a_real_fleet_does(fleet: Following) -> None:
    fleet.command("send", "work.nap", "30")
    fleet.command("send", "work.fail", f'"{HOSTILE}"'.replace("\x1b", "\\u001b").replace("\x07", "\\u0007"))
    client = ApiClient(fleet.state.api_socket)
    eventually(lambda: client.get("/errors")["errors"], within=40, message="the error is told")
    with Terminal(["top", "--readonly"], fleet.folder) as terminal:
        seen = terminal.sees("work.fail: ValueError once, work.py:11 in fail")
        assert "shop is healthy" in seen
        assert "New errors since the file was loaded" in seen
        terminal.press("2")
        terminal.sees("WAIT P95")
        terminal.press("3j")
        terminal.sees("http/0")
        terminal.press("\r")
        terminal.sees("work.nap")
        terminal.press("i")
        terminal.sees("in nap")
        terminal.press("\x1b")
        terminal.sees("CRASHES")
        terminal.press("l")
        terminal.sees("The latest first")
        terminal.press("4")
        terminal.sees("TOOK P50")
        terminal.press("/fail\r")
        terminal.sees(lambda text: "work.fail" in text and "work.nap" not in text)
        terminal.press("5\r")
        terminal.sees("as in message")
        terminal.sees("\\x1b]0;owned\\x07")
        terminal.press("6")
        terminal.sees("AT (UTC)")
        terminal.press("p")
        terminal.sees("nothing")
        terminal.press("3P")
        terminal.sees("read-only")
        assert terminal.screen.title == ""
        terminal.press("q")
        assert terminal.ended() == 0


def test_an_act_is_asked_done_by_the_controller_and_noted(fleet: Following) -> None:
    with Terminal(["top"], fleet.folder) as terminal:
        terminal.sees("shop is")
        terminal.press("3")
        terminal.sees("spare/0")
        terminal.press("P")
        terminal.sees("pause http: its workers take nothing more?")
        terminal.press("n")
        terminal.sees("nothing was done")
        assert not fleet.group("http")["paused"]
        terminal.press("Py")
        terminal.sees("http takes no more messages")
        eventually(lambda: fleet.group("http")["paused"], within=10)
        terminal.sees("pause by")
        terminal.press("Uy")
        terminal.sees("http goes on")
        terminal.press("S")
        terminal.sees("to how many workers")
        terminal.press("2\r")
        terminal.sees("http now has 2 workers")
        terminal.sees(lambda text: "2/2 ready" in text)
        terminal.press("S\r")
        terminal.sees("as many workers as the file says")
        terminal.press("6")
        terminal.sees("scale http")
        terminal.press("q")
        assert terminal.ended() == 0
    assert not fleet.group("http")["overrides"]


def dead(fleet: Following) -> int:
    return sum(queue["dead"] or 0 for queue in fleet.status()["queues"])


def test_dead_letters_are_sent_back_and_deleted_after_their_count_is_typed(fleet: Following) -> None:
    for number in range(3):
        fleet.command("send", "work.fail", f"no {number}")
    eventually(lambda: dead(fleet) >= 3, within=40, message="they are dead letters")
    count = dead(fleet)
    with Terminal(["top"], fleet.folder) as terminal:
        terminal.sees("shop is")
        terminal.press("2")
        terminal.sees("WAIT P95")
        terminal.press(" T")
        terminal.sees(f"send {count} dead letters of io back")
        terminal.press("y")
        terminal.sees(f"sent back {count} messages")
        eventually(lambda: dead(fleet) == count, within=40, message="they have failed again")
        terminal.sees(lambda text: re.search(rf"\* io .* {count}\b", text))
        terminal.press("5")
        terminal.sees("T retry those")
        terminal.sees("work.fail")
        terminal.press("T")
        terminal.sees(f"send {count} dead letters of ")
        terminal.press("y")
        terminal.sees(f"sent back {count} messages")
        eventually(lambda: dead(fleet) == count, within=40, message="they have failed again")
        terminal.press("2")
        terminal.sees("WAIT P95")
        terminal.press("X")
        terminal.sees(f"type {count} to delete")
        terminal.press(f"{count + 1}\r")
        terminal.sees("nothing was done")
        assert dead(fleet) == count
        terminal.press(f"X{count}\r")
        terminal.sees(f"deleted {count} messages")
        eventually(lambda: dead(fleet) == 0, within=20)
        terminal.press("q")
        assert terminal.ended() == 0
    assert "dead-retry" in fleet.events()
    assert "dead-purge" in fleet.events()


def test_a_worker_is_replaced_and_the_file_applied(fleet: Following) -> None:
    fleet.settled("http/0", "spare/0", within=60)
    before = fleet.by_pid()["spare/0"]
    with Terminal(["top"], fleet.folder) as terminal:
        terminal.sees("shop is")
        terminal.press("3")
        terminal.sees("spare/0")
        terminal.press("/spare/0\r")
        terminal.sees(lambda text: "http/0" not in text and "spare/0" in text)
        terminal.press("R")
        terminal.sees("replace worker spare/0?")
        terminal.press("y")
        terminal.sees("done: the fleet is as the file declares it", within=60)
        eventually(lambda: fleet.by_pid().get("spare/0") not in (None, before), within=30)
        terminal.press("A")
        terminal.sees("apply the file now?")
        terminal.press("y")
        terminal.sees("nothing to do: the fleet is as the file declares it")


def test_while_the_controller_is_silent_the_last_is_shown_with_its_age_and_nothing_is_done(
    fleet: Following,
) -> None:
    controller = fleet.status()["controller"]["pid"]
    with Terminal(["top"], fleet.folder, size=(30, 100)) as terminal:
        terminal.sees("shop is")
        terminal.press("3")
        terminal.sees("spare/0")
        os.kill(controller, signal.SIGSTOP)
        try:
            terminal.sees("acting is off", within=40)
            terminal.sees("spare/0")
            terminal.press("P")
            terminal.sees("nothing can be done just now")
        finally:
            os.kill(controller, signal.SIGCONT)
        terminal.sees(lambda text: "acting is off" not in text, within=40)
        terminal.resize(20, 60)
        terminal.sees(lambda _text: len(terminal.lines[1]) == 60, within=20)


def test_top_is_idle_while_nothing_is_pressed(fleet: Following) -> None:
    """Where machines are shared only CPU time says something."""
    with Terminal(["top"], fleet.folder) as terminal:
        terminal.sees("shop is")
        program = psutil.Process(terminal.process.pid)
        start = sum(program.cpu_times()[:2])
        assert start < 1.0, "it starts in less, on a quiet machine in 0.3 s"
        terminal.sees_for(5.0)
        assert sum(program.cpu_times()[:2]) - start < 0.25, "5 s of looking"


def test_without_a_terminal_to_draw_on_it_is_a_status_or_a_sentence(fleet: Following) -> None:
    ran = fleet.command("top", check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "needs a terminal; `fleet status` prints" in ran.stderr
    with Terminal(["top"], fleet.folder, env={"TERM": "dumb"}) as terminal:
        terminal.sees("WORKERS")  # of `fleet status`


def test_no_colour_is_written_where_none_is_wanted(fleet: Following) -> None:
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with Terminal(["top"], fleet.folder, env=env) as terminal:
            terminal.sees("shop is")
            colours = {cell.fg for line in terminal.screen.buffer.values() for cell in line.values()}
        assert (colours != {"default"}) is coloured


def test_top_waits_for_a_fleet_that_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(FILE)
    with Terminal(["top"], tmp_path) as terminal:
        terminal.sees("`fleet up` starts it")
        terminal.press("3Pq")
        assert terminal.ended() == 0
