"""Rollouts: how they go on, and whether they can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleet.config.model import Fleet, Rollout, format_duration
from fleet.machine import Machine
from fleet.rules.finding import Change, Finding, KeyPath, Mark
from fleet.rules.registry import rule


@rule("FLT701", "rollout-cannot-progress", "error", reads=("rollout.max_surge", "rollout.max_unavailable"))
def rollout_cannot_progress(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`max_surge` and `max_unavailable` are both 0.

    A rollout has to start a new worker before an old one may leave (`max_surge`), or let an old one
    leave before the new one is there (`max_unavailable`). With neither it can't take its first step.

    Bad:

        [rollout]
        max_surge = 0
        max_unavailable = 0

    Good:

        [rollout]
        max_surge = 0
        max_unavailable = 1
    """
    if fleet.rollout.max_surge == 0 and fleet.rollout.max_unavailable == 0:
        yield Finding(
            ("rollout", "max_surge"),
            "no rollout can progress: `max_surge` and `max_unavailable` are both 0",
            label="no worker may be added first",
            related=(Mark(("rollout", "max_unavailable"), "and none may leave first (the default is 0)"),)
            if "max_unavailable" in fleet.rollout.said
            else (),
            help="max_surge = 1 replaces without a gap; max_unavailable = 1 without extra memory",
        )


@rule(
    "FLT702",
    "deadline-before-ready",
    "warning",
    reads=("rollout.progress_deadline", "rollout.min_ready", "workers.pool", "workers.max_age"),
)
def deadline_before_ready(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`min_ready` is as long as the rollout may take, or as a worker lives.

    A new worker counts only after it has been ready for `min_ready`. If the deadline is over by
    then, every rollout fails, however healthy the workers are. Where the worker itself runs the tasks, not a process of
    a prefork pool, `max_age` replaces the worker: before `min_ready` is over no worker ever counts.

    Bad:

        [rollout]
        min_ready = "60s"
        progress_deadline = "30s"

    Good:

        [rollout]
        min_ready = "5s"
        progress_deadline = "2m"
    """
    rollout = fleet.rollout
    if rollout.progress_deadline <= rollout.min_ready:
        yield _over_too_soon(rollout)
    for name, group in fleet.workers.items():
        if group.pool != "prefork" and group.max_age and group.max_age <= rollout.min_ready:
            age, ready = format_duration(group.max_age), format_duration(rollout.min_ready)
            yield Finding(
                ("workers", name, "max_age"),
                f'no rollout of "{name}" ends: a worker is replaced at {age}, and counts only when ready for {ready}',
                related=(Mark(("rollout", "min_ready"), "no worker counts before"),)
                if "min_ready" in rollout.said
                else (),
                help=f"`max_age` far longer than {ready}, such as 12h, or a shorter `min_ready`",
            )


def _over_too_soon(rollout: Rollout) -> Finding:
    ready, deadline = format_duration(rollout.min_ready), format_duration(rollout.progress_deadline)
    is_given = "progress_deadline" in rollout.said
    main, other = ("progress_deadline", "min_ready") if is_given else ("min_ready", "progress_deadline")
    labels = {
        "progress_deadline": "the rollout has failed after this long",
        "min_ready": "no worker counts before",
    }
    return Finding(
        ("rollout", main),
        f"every rollout fails: the deadline of {deadline} is over before a worker has been ready for {ready}",
        label=labels[main],
        related=(Mark(("rollout", other), labels[other]),) if other in rollout.said else (),
        help=f"`progress_deadline` longer than {ready} plus the time the app takes to start, or a shorter `min_ready`",
    )


@rule("FLT707", "watch-matches-nothing", "warning", varies=True, reads=("rollout.watch",))
def watch_matches_nothing(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A pattern under `watch` that matches no file.

    Saving the code should roll it out, and nothing happens: the pattern is relative to the folder of
    fleet.toml, and `**` takes any depth of folders. Only looked at when that folder is here.

    Bad:

        [rollout]
        watch = ["shp/**/*.py"]

    Good:

        [rollout]
        watch = ["shop/**/*.py"]
    """
    for index, pattern in enumerate(fleet.rollout.watch):
        if fleet.folder.is_dir() and not _matches(pattern, fleet.folder):
            yield Finding(
                ("rollout", "watch", index),
                f'"{pattern}" matches no file',
                help='patterns start at the folder of fleet.toml, as in "shop/**/*.py" for all Python files in shop',
            )


@rule("FLT720", "watch-takes-everything", "warning", fix="unsafe", reads=("rollout.watch",))
def watch_takes_everything(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A pattern under `watch` that takes files of every kind.

    A change of any of them replaces all workers, and what is written there all the time (a log, an upload, a database)
    replaces them all the time. Only what the fleet itself writes is left out, and hidden folders. A pattern that ends
    in `**` takes folders before Python 3.13, and so no file at all.

    Bad:

        [rollout]
        watch = ["**/*"]

    Good:

        [rollout]
        watch = ["**/*.py"]
    """
    for index, pattern in enumerate(fleet.rollout.watch):
        folder, _, last = pattern.rpartition("/")
        if last not in ("*", "**", "*.*"):
            continue
        better = "/".join(filter(None, (folder, "**/*.py" if last == "**" else "*.py")))
        path: KeyPath = ("rollout", "watch", index)
        yield Finding(
            path,
            f'"{pattern}" takes files of every kind: a line in a log replaces all workers'
            if last != "**"
            else f'"{pattern}" takes folders, not files',
            help=f'write "{better}"',
            steps=(Change(path, f'"{better}"'),),
        )


def _matches(pattern: str, folder: Path) -> bool:
    from glob import iglob  # Path.glob refuses absolute patterns

    return next(iglob(pattern, root_dir=folder, recursive=True), None) is not None  # noqa: PTH207
