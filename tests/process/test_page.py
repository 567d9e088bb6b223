"""The web page in a real Chromium, on a real fleet: what a person sees of it, does with it, and can't do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import free_port
from tests.browser import Browser
from tests.process.following import Following
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("page")]

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\x1b]0;owned\x07\u202e\x9b0m</script>"
APP = """
import time
from fleet import task

@task
def fine(*args):
    pass

@task
def slow(seconds):
    time.sleep(seconds)

@task
def failing(text, secret=None):
    raise RuntimeError(text)
"""
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
queues = ["io", "idle"]
pool = "threads"
concurrency = 2
[defaults]
max_retries = 0
[dashboard]
listen = "127.0.0.1:PORT"
[[schedules]]
name = "hourly"
task = "work.fine"
every = "3h"
[[schedules]]
name = "yearly"
task = "work.fine"
cron = "0 0 1 1 *"
"""
SCREENS = [
    "overview",
    "queues",
    "groups",
    "tasks",
    "failed",
    "delayed",
    "schedules",
    "events",
    "logs",
    "config",
]
HARMLESS = {
    "",
    "all",
    "people",
    "trouble",
    "1h",
    "24h",
    "14d",
    "180d",
    "Clear",
    "Next page",
    "Older",
    "Where is its code?",
}
ONES = ["queues/io", "groups/http", "workers/http/0", "tasks/io%20work.failing"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = Browser()
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def fleet(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Following]:
    """With ten messages that have failed, of which one is hostile, and one with a secret."""
    running = Following(
        tmp_path_factory.mktemp("page"), FILE.replace("PORT", str(free_port())), APP.replace("\n\n", "\n")
    )
    with running:
        for number in range(8):
            running.command("send", "work.failing", f"no {number}")
        running.command("send", "work.failing", json.dumps(HOSTILE), "--kwargs", '{"secret": "hunter2"}')
        running.command("send", "work.fine", "9007199254740993")
        eventually(lambda: dead(running) == 9, within=60, message="nine have failed")
        yield running


def dead(fleet: Following) -> int:
    return sum(queue["dead"] or 0 for queue in fleet.status()["queues"])


def address(fleet: Following) -> str:
    return fleet.command("dashboard").stdout.strip().partition("#")[0]


@pytest.fixture
def visitor(browser: Browser, fleet: Following) -> Browser:
    """Without a token."""
    browser.open("about:blank")
    browser.cdp("Network.clearBrowserCookies")
    browser.size(1280, 900)
    browser.open(address(fleet))
    browser.sees("shop", "header.top")
    return browser


@pytest.fixture
def operator(visitor: Browser, fleet: Following) -> Browser:
    """By the link that `fleet dashboard` prints."""
    visitor.open("about:blank")
    visitor.open(fleet.command("dashboard").stdout.strip())
    visitor.sees("operator", "header.top")
    return visitor


def go(browser: Browser, screen: str) -> None:
    browser.run("location.hash = arguments[0]", f"#/{screen}")
    eventually(
        lambda: browser.run(
            "return document.getElementById('main')?.fleetKey === arguments[0]"
            " && !document.querySelector('[aria-busy]')",
            f"main {screen.partition('/')[0]} {bare(screen)}",
        ),
        within=20,
        message=f"{screen} is there: {browser.text()[:500]}",
    )


def bare(screen: str) -> str:
    return screen.partition("/")[2].replace("%20", " ")


def enabled(browser: Browser, text: str) -> bool:
    return text in buttons(browser)


def buttons(browser: Browser, where: str = "main") -> list[str]:
    """Those that can be pressed."""
    script = """
    return [...document.querySelectorAll(arguments[0] + " button")]
      .filter((each) => !each.disabled).map((each) => each.innerText)"""
    found: list[str] = browser.run(script, where)
    return found


def quiet(browser: Browser) -> list[Any]:
    """What its policy forbade, what failed, and which dialogs hostile texts have opened."""
    found: list[Any] = browser.run("return [...window.violations, ...window.dialogs]")
    return found


def asked_elsewhere(browser: Browser, base: str) -> list[str]:
    names: list[str] = browser.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    return [name for name in names if not name.startswith(base)]


def test_a_visitor_without_a_token_sees_every_screen_and_can_do_nothing(
    visitor: Browser, fleet: Following
) -> None:
    for screen in [*SCREENS, *ONES]:
        go(visitor, screen)
        assert "can't be shown" not in visitor.text("main"), screen
        pressed = {text for text in buttons(visitor) if "RuntimeError" not in text}
        assert pressed <= HARMLESS, (screen, pressed)
    assert quiet(visitor) == []
    assert asked_elsewhere(visitor, address(fleet)) == []


def test_what_is_hostile_is_shown_as_text_and_its_secret_is_not(operator: Browser, fleet: Following) -> None:
    go(operator, "failed")
    text = operator.sees("<img src=x onerror=alert(1)>", "main")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "hunter2" not in text
    assert operator.run("return document.querySelectorAll('main img').length") == 0
    choose(operator, "onerror")
    operator.sees("1 message match", "main")
    operator.click("[aria-label='Dead letters'] a")
    operator.sees("Why it died")
    assert "hunter2" not in operator.text()
    operator.click("button", "Show all of them")
    operator.sees("hunter2")
    assert quiet(operator) == []
    assert "reveal" in fleet.events(), "whoever looks is noted"


def test_a_queue_is_paused_with_a_reason_that_others_see_and_resumed(
    operator: Browser, fleet: Following
) -> None:
    go(operator, "queues/idle")
    operator.click("button", "Pause …")
    operator.fill("dialog [name=reason]", "the bank is away")
    operator.click("dialog button.yes")
    operator.sees("paused", "main .title")
    eventually(lambda: fleet.group("http")["paused_queues"] == ["idle"], message="the fleet knows")
    go(operator, "overview")
    operator.sees("the bank is away", "main")
    go(operator, "queues/idle")
    operator.click("button", "Resume")
    eventually(lambda: not fleet.group("http")["paused_queues"], message="and goes on")
    go(operator, "events")
    operator.sees("web:", "main")


def test_the_rule_that_takes_a_task_is_named(visitor: Browser) -> None:
    go(visitor, "config")
    visitor.fill("[aria-label='Route of a task'] [name=task]", "work.fine")
    visitor.press("\ue007")
    visitor.sees('work.fine goes to queue io, by rule 1: task = "*".', "main")


def test_a_draft_is_tried_with_its_findings_and_its_plan_and_nothing_is_applied(
    operator: Browser, fleet: Following
) -> None:
    go(operator, "config")
    text = fleet.file.read_text()
    operator.fill(
        "[aria-label=Draft] [name=draft]", text.replace("concurrency = 2", "concurrency = 2\nmax_taks = 9")
    )
    operator.click("[aria-label=Draft] button", "Try it")
    said = operator.sees("max_tasks", "[aria-label='What the draft would do']")
    assert "max_taks = 9" in said, "the line"
    operator.fill("[aria-label=Draft] [name=draft]", text.replace("concurrency = 2", "concurrency = 3"))
    operator.click("[aria-label=Draft] button", "Try it")
    said = operator.sees("workers.http.concurrency", "[aria-label='What the draft would do']")
    assert "change http/0" in said
    operator.fill("[aria-label=Draft] [name=draft]", text.replace('"threads"', '"${HOME}"'))
    operator.click("[aria-label=Draft] button", "Try it")
    operator.sees("a draft can't take a variable", "[aria-label='What the draft would do']")
    assert fleet.group("http")["concurrency"] == 2
    assert quiet(operator) == []


def test_what_the_file_would_change_is_shown_before_it_is_applied(
    operator: Browser, fleet: Following
) -> None:
    go(operator, "config")
    operator.sees("Nothing: the fleet is as the file says.", "[aria-label='What the file would change now']")
    before = fleet.file.read_text()
    # A file with a mistake is not applied, so that there is time to look.
    fleet.file.write_text(before + "\n[workers.http2]\n")
    try:
        operator.sees("http2", "[aria-label='What the file would change now']", within=30)
    finally:
        fleet.file.write_text(before)


def test_dead_letters_are_retried_edited_and_deleted(operator: Browser, fleet: Following) -> None:
    count = dead(fleet)
    go(operator, "failed")
    choose(operator, "no 3")
    operator.sees("1 message match", "main")
    operator.click("[aria-label='Dead letters'] a")
    operator.sees("Why it died")
    # Changed so that it fails in another way: it is done again, by its own id.
    operator.click("button", "Edit and retry …")
    operator.fill("dialog [name=args]", '["now 3"]')
    operator.click("dialog button.yes")
    go(operator, "failed")
    operator.sees("now 3", "main", within=30)
    # Arguments that its signature does not take: rejected, and back with the reason.
    choose(operator, "now 3")
    operator.sees("1 message match", "main")
    eventually(lambda: not at_work(operator), within=20, message="nothing is at work")
    operator.click("[aria-label='Dead letters'] a")
    operator.sees("Why it died")
    operator.click("button", "Edit and retry …")
    operator.fill("dialog [name=args]", "[1, 2, 3, 4]")
    operator.click("dialog button.yes")
    go(operator, "failed")
    choose(operator, "can't be called")
    operator.sees("1 message match", "main", within=30)
    operator.sees("work.failing can't be called with these arguments", "main")
    operator.click("button", "Clear")
    operator.sees(f"{count} messages of {count}.", "main")
    # One is deleted, for which its number has to be typed.
    choose(operator, "no 4")
    operator.sees("1 message match", "main")
    eventually(lambda: not at_work(operator), within=20, message="nothing is at work")
    operator.click("button", "Delete …")
    eventually(lambda: operator.text("dialog"), message="it asks")
    assert operator.run("return document.querySelector('dialog button.yes').disabled")
    operator.fill("dialog [name=typed]", "1")
    operator.click("dialog button.yes")
    eventually(lambda: dead(fleet) == count - 1, within=30, message="it is gone")
    operator.click("button", "Clear")
    # All others by one order: they fail again, and are dead letters again.
    eventually(lambda: not at_work(operator), within=20, message="nothing is at work")
    operator.click("button", "Retry …")
    eventually(lambda: operator.text("dialog"), within=20, message="it has counted")
    operator.fill("dialog [name=canary]", "0")
    operator.click("dialog button.yes")
    operator.sees(f"{count - 1} messages sent back of {count - 1}", "[aria-label='At work']", within=30)
    eventually(lambda: dead(fleet) == count - 1, within=60, message="they are back")
    assert quiet(operator) == []


def choose(browser: Browser, text: str) -> None:
    """Those with this in their reason."""
    browser.fill("[aria-label=Filter] [name=text]", text)
    browser.press("\ue007")


def at_work(browser: Browser) -> bool:
    return "Stop" in buttons(browser, "[aria-label='At work']")


def test_the_page_says_when_nobody_answers_and_lets_nobody_act_until_then(
    operator: Browser, fleet: Following
) -> None:
    go(operator, "groups/http")
    eventually(lambda: enabled(operator, "Scale …"), message="it can be scaled")
    pid = fleet.status()["dashboard"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        operator.sees("No connection to the dashboard since", within=30)
        assert not enabled(operator, "Scale …")
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: enabled(operator, "Scale …"), within=30, message="it is there again")
    assert "No connection" not in operator.text()
    controller = fleet.status()["controller"]["pid"]
    os.kill(controller, signal.SIGSTOP)
    try:
        operator.sees("Workers go on without it", within=60)
        assert not enabled(operator, "Scale …")
    finally:
        os.kill(controller, signal.SIGCONT)
    eventually(lambda: enabled(operator, "Scale …"), within=60, message="the controller answers again")


def test_all_of_it_is_reached_with_the_keyboard(operator: Browser) -> None:
    go(operator, "overview")
    operator.run("document.activeElement.blur()")
    operator.press("3")
    operator.sees("Groups", "main h1")
    operator.press("j")
    operator.press("\ue007")
    operator.sees("http", "main h1")
    operator.run("document.activeElement.blur()")
    operator.press("\ue003")
    operator.sees("Groups", "main h1")
    operator.press("/")
    assert operator.run("return document.activeElement.name") == "id"
    operator.press("\ue00c")
    operator.press("?")
    operator.sees("next, previous row", "dialog")
    operator.press("\ue00c")
    eventually(
        lambda: not operator.run("return !!document.querySelector('dialog')"), message="closed by Escape"
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_screen_is_accessible_and_fits_a_telephone(
    operator: Browser, tmp_path: Path, dark: bool
) -> None:
    operator.dark(on=dark)
    operator.size(360, 740)
    problems: dict[str, list[str]] = {}
    for screen in [*SCREENS, *ONES]:
        go(operator, screen)
        assert operator.run("return document.documentElement.scrollWidth <= 360"), (
            f"{screen} is wider than 360"
        )
        if found := operator.serious():
            problems[screen] = found
        operator.screenshot(tmp_path / f"{screen.replace('/', ' ')}.png")
    operator.dark(on=False)
    assert problems == {}


def test_schedules_have_a_timeline_and_are_paused_by_an_operator(operator: Browser, fleet: Following) -> None:
    go(operator, "schedules")
    operator.size(1900, 900)
    text = operator.sees("0 0 1 1 *", "main")
    assert "every 3h" in text

    def bars() -> list[int]:
        """In the timeline of each."""
        cells = operator.run(
            "return [...document.querySelectorAll('main code')].map((each) => each.innerText)"
        )
        return [each.count("|") for each in cells if "·" in each]

    eventually(lambda: bars() in ([8, 0], [8, 1]), within=30, message="eight runs within a day, and none")
    operator.click("main button", "Pause …")
    operator.click("dialog button", "Pause")
    operator.sees("paused by", "main")
    eventually(lambda: [each["paused"] is not None for each in fleet.status()["schedules"]] == [True, False])
    operator.click("main button", "Resume")
    eventually(lambda: not any(each["paused"] for each in fleet.status()["schedules"]), within=20)
    assert quiet(operator) == []
