"""FLT206 and FLT704: the file against the app's tasks; `fleet validate --app` imports it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from fleet.config.model import Fleet
from fleet.rules.consumption_facts import consumed, count
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Finding, KeyPath, Mark
from fleet.rules.globs import covers
from fleet.rules.registry import on_request

_MOST_NAMES = 5


class AppTask(NamedTuple):
    """A task of the app. `queue`: what @task(queue=…) says, which goes before the routes."""

    name: str
    queue: str | None
    where: str
    """File and line: "shop/tasks.py:12"."""
    is_async: bool = False
    """An `async def`."""
    early: bool = False
    """A Celery task that is acknowledged when it begins."""
    routed: bool = False
    """By Celery's router: then no route of the file is needed."""


class AppFailure:
    """Why the `index`th module of `app` could not be imported; `where` is a file and line, if it is known."""

    def __init__(
        self, index: int, module: str, reason: str, where: str | None = None, output: tuple[str, ...] = ()
    ) -> None:
        """`output` are the last lines that it wrote."""
        self.index, self.module, self.reason, self.where, self.output = index, module, reason, where, output


class _Pattern(NamedTuple):
    """One glob of the routes, the tasks that it matches and those that it gets."""

    route: int
    path: KeyPath
    glob: str
    queue: str
    matches: tuple[str, ...]
    gets: tuple[str, ...]


@on_request("FLT206", "routes-do-not-fit-app", "error")
def routes_do_not_fit_app(fleet: Fleet, tasks: Sequence[AppTask]) -> Iterator[Finding]:
    """The app's tasks and the routes do not fit together (`--app`).

    Every task must come to a queue that some group with replicas consumes: by the first route that
    matches its name, or by its own @task(queue="…"). A task that gets nowhere is an error: it can't be
    sent, or it waits forever. A pattern that matches none of the tasks, or only tasks that earlier rules
    take, is a warning: most often a task was renamed, and now runs somewhere else than was meant. Only
    `fleet validate --app` finds this, because it has to import the app.

    Bad, with a task `shop.images.resize` in the app:

        [[routes]]
        task = "shop.image.*"
        queue = "images"

    Good:

        [[routes]]
        task = "shop.images.*"
        queue = "images"
    """
    if not tasks:
        yield Finding(
            ("fleet", "app"),
            "the app has no task: no function in it is decorated with @task",
            help="import the modules with the tasks in it, or name them in `app`",
        )
        return
    patterns = _patterns(fleet, [task.name for task in tasks if task.queue is None])
    by_rule = _by_rule(patterns)
    yield from _not_routed(fleet, [task for task in tasks if task.queue is None and task.name not in by_rule])
    yield from _own_queue_missing(fleet, tasks)
    yield from _not_consumed(fleet, tasks, by_rule)
    yield from _useless_patterns(patterns, tasks)
    yield from _dead_queues(fleet, patterns, {*by_rule.values(), *(task.queue for task in tasks)})


def queues_of(fleet: Fleet, tasks: Sequence[AppTask]) -> dict[str, str | None]:
    """Task → the queue that it comes to."""
    by_rule = _by_rule(_patterns(fleet, [task.name for task in tasks if task.queue is None]))
    return {task.name: task.queue or by_rule.get(task.name) for task in tasks}


def _by_rule(patterns: Sequence[_Pattern]) -> dict[str, str]:
    return {name: pattern.queue for pattern in patterns for name in pattern.gets}


def _patterns(fleet: Fleet, names: Sequence[str]) -> list[_Pattern]:
    waiting, patterns = list(names), list[_Pattern]()
    for index, route in enumerate(fleet.routes):
        for position, glob in enumerate(route.task):
            matches = tuple(name for name in names if fnmatchcase(name, glob))
            gets = tuple(name for name in matches if name in waiting)
            waiting = [name for name in waiting if name not in gets]
            path: KeyPath = ("routes", index, "task", position)
            patterns.append(_Pattern(index, path, glob, route.queue, matches, gets))
    return patterns


def _not_routed(fleet: Fleet, tasks: Sequence[AppTask]) -> Iterator[Finding]:
    if tasks:
        yield Finding(
            ("routes",) if fleet.routes else ("fleet", "app"),
            f"no route takes {listed(tasks)}: sending {'it' if len(tasks) == 1 else 'them'} fails",
            help='add a rule, or a catch-all task = "*" at the end',
            about=(("routes",),),
        )


def _own_queue_missing(fleet: Fleet, tasks: Sequence[AppTask]) -> Iterator[Finding]:
    missing = dict.fromkeys(task.queue for task in tasks if task.queue and task.queue not in fleet.queues)
    for queue in missing:
        near = nearest(str(queue), fleet.queues)
        guess = f'did you mean @task(queue="{near}")? Else ' if near else ""
        yield Finding(
            ("fleet", "app"),
            f"{_said_by(queue, tasks)} of {listed([task for task in tasks if task.queue == queue])}: "
            "no such queue is declared",
            help=f"{guess}declare it with [queues.{queue}]",
        )


def _said_by(queue: str | None, tasks: Sequence[AppTask]) -> str:
    """Who has decided that a task goes there."""
    if any(task.routed for task in tasks if task.queue == queue):
        return f'the queue "{queue}", which Celery\'s router gives,'
    return f'@task(queue="{queue}")'


def _not_consumed(fleet: Fleet, tasks: Sequence[AppTask], by_rule: dict[str, str]) -> Iterator[Finding]:
    reached = {task.name: task.queue or by_rule.get(task.name) for task in tasks}
    for queue in fleet.queues:
        lost = [task for task in tasks if reached[task.name] == queue]
        if lost and queue not in consumed(fleet):
            rules = [index for index, route in enumerate(fleet.routes) if route.queue == queue]
            yield Finding(
                ("queues", queue),
                f'{listed(lost)} {"goes" if len(lost) == 1 else "go"} to the queue "{queue}", '
                "which no group with replicas consumes",
                help=f'add "{queue}" to the `queues` of a group, or route the tasks elsewhere',
                related=tuple(Mark(("routes", index, "queue"), "led here") for index in rules),
                about=(("queues", queue),),
            )


def _useless_patterns(patterns: Sequence[_Pattern], tasks: Sequence[AppTask]) -> Iterator[Finding]:
    names = [task.name for task in tasks]
    for number, pattern in enumerate(patterns):
        others = [name for name in names if name not in pattern.matches and fnmatchcase(name, pattern.glob)]
        if pattern.gets or others or pattern.glob == "*":
            continue
        if not pattern.matches:
            yield _matches_none(pattern, names)
        elif not any(covers(earlier.glob, pattern.glob) for earlier in patterns[:number]):  # else FLT202
            yield _comes_too_late(pattern, patterns[:number])


def _matches_none(pattern: _Pattern, names: Sequence[str]) -> Finding:
    near = nearest(pattern.glob, names)
    return Finding(
        pattern.path,
        f'"{pattern.glob}" matches none of the {count(len(names), "task")} of the app',
        label="matches nothing",
        help=f'did you mean "{near}"?' if near else "remove it, or was a task renamed?",
        severity="warning",
    )


def _comes_too_late(pattern: _Pattern, earlier: Sequence[_Pattern]) -> Finding:
    winners = [each for each in earlier if set(each.gets) & set(pattern.matches)]
    return Finding(
        pattern.path,
        f'"{pattern.glob}" is never reached: earlier rules take every task that it matches '
        f"({_names(pattern.matches)})",
        label="never reached",
        related=tuple(Mark(each.path, f"takes {_names(each.gets)}") for each in winners),
        help="the first rule that matches wins: move this one up, or remove it",
        severity="warning",
    )


def _dead_queues(fleet: Fleet, patterns: Sequence[_Pattern], reached: set[str | None]) -> Iterator[Finding]:
    """Only those that a catch-all alone leads to: the other rules have been reported already."""
    for queue in fleet.queues:
        leading = [pattern for pattern in patterns if pattern.queue == queue]
        if queue not in reached and leading and all(pattern.glob == "*" for pattern in leading):
            yield Finding(
                ("queues", queue),
                f'queue "{queue}" gets nothing from this app: earlier rules leave no task to its catch-all',
                related=(Mark(leading[0].path, "no task is left for this"),),
                severity="info",
            )


@on_request("FLT704", "app-not-importable", "error")
def app_not_importable(fleet: Fleet, failure: AppFailure) -> Iterator[Finding]:
    """The app can't be imported (`--app`).

    Every worker imports the modules of `app` when it starts. If that fails, no worker of the fleet gets
    ready. The message is the last line of the traceback, with the place in your code that it comes from.
    It is imported in a process of its own, from the folders of `pythonpath`, so whatever the import does
    (exit, crash, hang) is found here as well. Only `fleet validate --app` finds this.

    Bad, without a module `shp`:

        [fleet]
        app = "shp.tasks"

    Good:

        [fleet]
        app = "shop.tasks"
    """
    path = fleet.project.pythonpath
    setting = "" if path == (".",) else f"PYTHONPATH={':'.join(path)} "
    advice = f'to see all of it, in the folder of the file: {setting}python -c "import {failure.module}"'
    if failure.reason.startswith("ModuleNotFoundError"):
        advice = "is it installed where fleet runs, and is its folder in `pythonpath`?"
    yield Finding(
        ("fleet", "app", failure.index),
        f"the app `{failure.module}` can't be imported: {failure.reason}"
        + (f" ({failure.where})" if failure.where else ""),
        help=advice,
        notes=("it wrote:", *(f"  {line}" for line in failure.output)) if failure.output else (),
    )


def is_echo(finding: Finding, asked: Sequence[Finding]) -> bool:
    """Whether what the app said tells the same mistake better: who is lost, not only that somebody may be."""
    about = {path for each in asked if each.code == "FLT206" for path in each.about}
    return (finding.code == "FLT102" and finding.path in about) or (
        finding.code == "FLT203" and ("routes",) in about
    )


def listed(tasks: Sequence[AppTask]) -> str:
    """ "shop.tasks.a (shop/tasks.py:3)", or "3 tasks (a, b, c)"."""
    if len(tasks) == 1:
        return f"the task {tasks[0].name} ({tasks[0].where})"
    return f"{count(len(tasks), 'task')} ({_names([task.name for task in tasks])})"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"
