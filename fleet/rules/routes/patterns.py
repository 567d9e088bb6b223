"""The patterns of routes: what they match, nothing, too much, the same task twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import meant
from fleet.rules.finding import Drop, Finding, KeyPath, Mark, Move, Step
from fleet.rules.globs import covers, in_both
from fleet.rules.overlaps import Overlaps
from fleet.rules.registry import rule

_WILD = re.compile(r"[*?\[]")


@rule("FLT202", "unreachable-route", "warning", fix="unsafe", reads=("all routes.task",))
def unreachable_route(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A route that never applies: an earlier one takes everything it matches.

    The first route that matches wins, so the more special rule has to stand above the more general
    one. A catch-all (`task = "*"`) belongs at the end.

    Bad:

        [[routes]]
        task = "*"
        queue = "http"

        [[routes]]
        task = "shop.images.*"
        queue = "images"

    Good:

        [[routes]]
        task = "shop.images.*"
        queue = "images"

        [[routes]]
        task = "*"
        queue = "http"
    """
    earlier: Overlaps[tuple[KeyPath, str]] = Overlaps()
    for index, route in enumerate(fleet.routes):
        paths: list[KeyPath] = [("routes", index, "task", position) for position in range(len(route.task))]
        patterns = list(zip(paths, route.task, strict=True))
        lost = [(each, winner) for each in patterns if (winner := _first_to_match(earlier, each[1]))]
        if len(lost) == len(patterns) and len({winner for _, winner in lost}) == 1:
            lost = [
                ((("routes", index, "task"), lost[0][0][1]), lost[0][1])
            ]  # one mistake: it stands too low
        for (path, pattern), winner in lost:
            yield Finding(
                path,
                f'"{pattern}" is never reached: the earlier "{winner[1]}" takes everything it matches',
                label="never reached",
                related=(Mark(winner[0], "matches first"),),
                help="the first rule that matches wins: move this one up, or remove it",
                steps=_mending(path, pattern, winner),
            )
        for each in patterns:
            earlier.add(each[1], each)


def _mending(path: KeyPath, pattern: str, winner: tuple[KeyPath, str]) -> tuple[Step, ...]:
    """A whole rule goes above the one that takes its tasks; a pattern of several, or a copy, goes."""
    if len(path) > len(("routes", 0, "task")):
        return (Drop(path),)
    return (Drop(path[:2]),) if covers(pattern, winner[1]) else (Move(path[:2], winner[0][:2]),)


def _first_to_match(earlier: Overlaps[tuple[KeyPath, str]], pattern: str) -> tuple[KeyPath, str] | None:
    return next((each for each in earlier.candidates(pattern) if covers(each[1], pattern)), None)


@rule("FLT203", "no-catch-all", "warning", reads=("all routes.*",))
def no_catch_all(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """No route for the tasks that match no other one.

    Sending such a task is refused at run time, in whatever program sends it, and the task may be one that
    somebody adds next month. A catch-all at the end (`task = "*"`) has a place for it. Patterns that
    take all tasks of the modules in `app` do as well; and a file that lists nothing but whole names is
    taken at its word: what is not listed is to be refused.

    Bad:

        [[routes]]
        task = "shop.images.*"
        queue = "images"

    Good:

        [[routes]]
        task = "shop.images.*"
        queue = "images"

        [[routes]]
        task = "*"
        queue = "http"
    """
    patterns = [pattern for route in fleet.routes for pattern in route.task]
    if patterns and not any(_WILD.search(pattern) for pattern in patterns):
        return
    index: Overlaps[str] = Overlaps()
    for pattern in patterns:
        index.add(pattern, pattern)
    # A Celery app has a router of its own.
    modules = [f"{module}.*" for module in fleet.project.app if ":" not in module]
    uncovered = [m for m in modules if not any(covers(pattern, m) for pattern in index.candidates(m))]
    if not uncovered or not fleet.queues:
        return
    if fleet.routes:
        path: KeyPath = ("routes", len(fleet.routes) - 1, "task")
        yield Finding(
            path,
            f"no catch-all: a task of {_module(uncovered[0])} that none of these patterns match can't be sent",
            label="the last rule",
            help='end with [[routes]] task = "*" and the queue for all the rest',
        )
    else:
        yield Finding(
            ("queues",),
            "no [[routes]]: tasks that name no queue of their own can't be sent",
            help=f'add [[routes]] with task = "*" and queue = "{next(iter(fleet.queues))}"',
        )


@rule("FLT207", "ambiguous-workload", "warning", reads=("all routes.*", "all queues.workload"))
def ambiguous_workload(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Overlapping patterns send the same task to a CPU queue and to an I/O queue.

    Where two patterns match the same names, and neither is the special case of the other, only the
    order of the rules decides whether such a task runs on processes or on green threads. Somebody who
    sorts the rules moves tasks to the wrong pool without noticing. A special rule above a general one
    is fine, and not reported.

    Bad:

        [[routes]]
        task = "shop.*.resize"
        queue = "images"

        [[routes]]
        task = "shop.http.*"
        queue = "http"

    Good:

        [[routes]]
        task = "shop.images.*"
        queue = "images"

        [[routes]]
        task = "shop.http.*"
        queue = "http"
    """
    # What has the same pattern for the same kind of queue says nothing new.
    earlier: dict[str, Overlaps[_Wild]] = {"cpu": Overlaps(), "io": Overlaps()}
    seen: set[tuple[str, str]] = set()
    for mine in _wild(fleet):
        if (mine.pattern, mine.workload) in seen:
            continue
        seen.add((mine.pattern, mine.workload))
        others = earlier["io" if mine.workload == "cpu" else "cpu"]
        earlier[mine.workload].add(mine.pattern, mine)
        for other in others.candidates(mine.pattern):
            name = in_both(other.pattern, mine.pattern)
            if name and not covers(mine.pattern, other.pattern) and not covers(other.pattern, mine.pattern):
                yield Finding(
                    mine.path,
                    f'"{name}" matches this pattern and an earlier one: only their order sends it to '
                    f'"{other.queue}" ({other.workload}) rather than "{mine.queue}" ({mine.workload})',
                    related=(Mark(other.path, "matches first"),),
                    help="make the patterns disjoint, or put a rule for the tasks of both above them",
                )
                break


class _Wild(NamedTuple):
    """A pattern with wildcards, and where it leads."""

    path: KeyPath
    pattern: str
    queue: str
    workload: str


def _wild(fleet: Fleet) -> Iterator[_Wild]:
    for index, route in enumerate(fleet.routes):
        queue = meant(fleet, route.queue)
        workload = fleet.queues[queue].workload if queue else None
        for position, pattern in enumerate(route.task):
            if queue and workload and _WILD.search(pattern):
                yield _Wild(("routes", index, "task", position), pattern, queue, workload)


def _module(tasks: str) -> str:
    return f'"{tasks.removesuffix(".*")}"'
