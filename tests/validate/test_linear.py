"""Checks take steps in proportion to the file: counted, not timed.

Each file is made of N copies of one mistake under names of their own, then of 2 N. What is counted is every line and
call of Python code while the file is checked; a step over all N for each of N would make that four times as much.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from fleet.config.fix import mend
from fleet.config.load import Loaded, check
from fleet.config.source import Source, from_bytes
from fleet.diagnostics.text import Style, render
from fleet.rules import catalogue
from tests.unit.rules.fixtures import FOLDER, a_machine, ask, body

N = 30
MOST = 2.6  # four is a square; names that get longer and sorting take a little more than twice
LONGEST_MESSAGE = 1_000

HEAD = '[fleet]\napp = "shop.tasks"\n\n'
QUEUE = '[queues.q{i}]\nworkload = "io"\n'
GROUP = '[workers.w{i}]\nqueues = ["q{i}"]\npool = "gevent"\nconcurrency = 100\n'
ROUTE = '[[routes]]\ntask = "shop.t{i}.*"\nqueue = "q{i}"\n'

# Mistakes that meet each other: what is repeated for each i.
FILES = {
    "routes to undeclared queues": QUEUE + GROUP + ROUTE.replace('queue = "q{i}"', 'queue = "qq{i}x"'),
    "mistyped queues of groups": QUEUE + GROUP.replace('"q{i}"', '"q{i}q"'),
    "mistyped keys": QUEUE + GROUP.replace("concurrency", "concurency"),
    "wrong values": QUEUE + GROUP.replace("= 100", '= "many"'),
    "unset variables": QUEUE + GROUP + 'user = "${NOBODY{i}}"\n',
    "suffixes of two kinds": (
        QUEUE + '[queues.c{i}]\nworkload = "cpu"\n'
        '[[routes]]\ntask = "*.a{i}"\nqueue = "q{i}"\n[[routes]]\ntask = "*.b{i}"\nqueue = "c{i}"\n'
    ),
    "middles of two kinds": (
        QUEUE + '[queues.c{i}]\nworkload = "cpu"\n'
        '[[routes]]\ntask = "*.a{i}.*"\nqueue = "q{i}"\n[[routes]]\ntask = "*.b{i}.*"\nqueue = "c{i}"\n'
    ),
    "routes that are never reached": QUEUE + '[[routes]]\ntask = "*"\nqueue = "q{i}"\n',
    "regular expressions": QUEUE + '[[routes]]\ntask = "^a{i}|b$"\nqueue = "q{i}"\n',
    "queues of nobody": QUEUE,
    "chain of dead letters": '[queues.q{i}]\ndead_letter = "q{next}"\n',
    "one exchange, one key": QUEUE + 'exchange = "shop"\nrouting_key = "k"\n',
    "topics": QUEUE + 'exchange = "shop"\nexchange_type = "topic"\nrouting_key = "a.*.k{i}.#"\n',
    "dead-letter keys": QUEUE
    + 'exchange = "e{i}"\narguments = { x-dead-letter-exchange = "e{i}", x-dead-letter-routing-key = "k{i}" }\n',
    "no dead letters": QUEUE + "dead_letter = false\n" + GROUP,
    "processes and memory": (
        '[queues.q{i}]\nworkload = "cpu"\n'
        + GROUP.replace("gevent", "prefork").replace("100", "4")
        + 'max_memory = "8GiB"\n'
    ),
    "root": QUEUE + GROUP + 'user = "root"\n',
    "ignore comments": QUEUE + GROUP.replace("100", "100  # fleet: ignore[FLT999] why"),
    "environments": QUEUE + "[env.e.queues.qx{i}]\nworkload = 'io'\n",
}


def repeated(block: str, number: int, head: str = HEAD) -> str:
    return head + "".join(
        re.sub(r"\{i\}", str(1000 + i), block.replace("{next}", str(1001 + i))) for i in range(number)
    )


def steps(work: Callable[[], Any]) -> int:
    """Lines and calls of Python code, and calls of what is written in C."""
    count = 0

    def on_line(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return on_line

    def on_call(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "c_call"

    before, profile = sys.gettrace(), sys.getprofile()
    sys.settrace(on_line)
    sys.setprofile(on_call)
    try:
        work()
    finally:
        sys.setprofile(profile)
        sys.settrace(before)
    return count


def look(source: Source) -> Loaded:
    return check(source, environ={}, machine=a_machine())


def all_of_it(text: str) -> None:
    loaded = look(from_bytes(text.encode(), Path("fleet.toml")))
    render(loaded.diagnostics, text, "fleet.toml", Style())
    mend(loaded.source, look, unsafe=True)
    for each in loaded.diagnostics:
        assert len(each.message) <= LONGEST_MESSAGE
        assert len(each.related) <= 10


@pytest.mark.parametrize("name", FILES)
def test_mistakes_of_one_kind_cost_in_proportion(name: str) -> None:
    catalogue()
    small, large = (repeated(FILES[name], number) for number in (N, 2 * N))
    all_of_it(small)  # what is loaded and remembered at the first time is not counted
    assert steps(lambda: all_of_it(large)) <= MOST * steps(lambda: all_of_it(small))


def copies(code: str, number: int) -> str:
    """The bad file of a rule many times over, the names of its tables numbered."""
    text = body((FOLDER / code / "bad.toml").read_text(encoding="utf-8"))
    tables = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    once = [table for table in tables if not re.match(r"\[\[?(?:queues|workers|routes)\b", table)]
    many = [table for table in tables if re.match(r"\[\[?(?:queues|workers|routes)\b", table)]
    names = re.findall(r"^\[(?:queues|workers)\.([\w-]+)", text, re.MULTILINE)
    parts = ["".join(once)]
    for index in range(number):
        part = "\n".join(many)
        for name in sorted(set(names), key=len, reverse=True):
            part = re.sub(rf"(\[(?:queues|workers)\.){name}\b", rf"\g<1>{name}{index + 1000}", part)
            part = re.sub(rf'"{re.escape(name)}"', f'"{name}{index + 1000}"', part)
        parts.append(part)
    return "\n".join(parts)


@pytest.mark.parametrize("code", [code for code, rule in catalogue().items() if not rule.on_request])
def test_the_bad_file_of_each_rule_many_times_over_takes_linear_time(code: str) -> None:
    small, large = copies(code, N // 2), copies(code, N)
    if small == large:
        pytest.skip("a mistake that a file has once")

    def work(text: str) -> None:
        loaded = look(from_bytes(text.encode(), FOLDER / code / "bad.toml"))
        render(loaded.diagnostics, text, "fleet.toml", Style())
        assert list(ask("", loaded.draft)) == [] if loaded.draft else True

    work(small)
    assert steps(lambda: work(large)) <= MOST * steps(lambda: work(small))
