"""Worker groups of the fleet, made from the command lines that were found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from fleet.takeover.celery_words import SUBCOMMANDS
from fleet.takeover.found import FoundCommand, Left
from fleet.takeover.harmless_variables import harmless, unwritten
from fleet.takeover.multi import nodes
from fleet.takeover.options import CeleryOptions, parse
from fleet.takeover.settings import Needless, Setting, Undecided, of_worker

DEFAULT_QUEUE = "celery"
_STAYS = "it stays as it is, beside the fleet"


@dataclass
class TakenGroup:
    """One [workers.NAME], before its name is made unique."""

    name: str
    where: str
    queues: list[str]
    queues_comment: str
    app: str
    broker: str
    found: FoundCommand
    settings: list[Setting] = field(default_factory=list)
    needless: list[Needless] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def same_work(self, other: TakenGroup) -> bool:
        return (self.queues, self.app, _without_name(self)) == (other.queues, other.app, _without_name(other))


def _without_name(group: TakenGroup) -> list[tuple[str, object]]:
    return [(each.key, each.value) for each in group.settings if each.key != "replicas"]


@dataclass(frozen=True)
class FoundBeat:
    """`celery beat`, or a worker's `-B`; `scheduler` is the class that it names, "" for none."""

    where: str
    scheduler: str


_SCHEDULERS = {"django": "django_celery_beat.schedulers:DatabaseScheduler"}


def _beat(found: FoundCommand) -> FoundBeat:
    """By the options of `celery beat`, where -S is not what it is to a worker."""
    words = [word for given in found.words for word in given.split("=", 1)]
    named = [after for word, after in pairwise(words) if word in ("-S", "--scheduler")]
    said = named[-1] if named else ""
    return FoundBeat(found.where, _SCHEDULERS.get(said, said))


def groups_of(found: FoundCommand) -> Iterator[TakenGroup | Left | Needless | FoundBeat]:
    """One for `celery worker`, one or more for `celery multi`; FoundBeat for beat, Left for what is no worker."""
    options = parse(found.words[1:], SUBCOMMANDS)
    if options.subcommand == "worker":
        yield worker(found, options)
        if "beat" in options.given:
            yield FoundBeat(
                found.where, _SCHEDULERS.get(options.value("scheduler"), options.value("scheduler"))
            )
    elif options.subcommand == "multi":
        yield from _multi(found)
    elif options.subcommand == "beat":
        yield _beat(found)
    else:
        yield Needless(f"celery {options.subcommand}", _STAYS)


def default_group(where: str) -> TakenGroup:
    """For a crontab alone: jobs of one machine, one after the other."""
    settings = [
        Setting("pool", "prefork", "each run in a process of its own"),
        Setting("concurrency", 1, "cron has no limit: more, if runs may go on beside each other"),
    ]
    found = FoundCommand((), where)
    return TakenGroup("jobs", where, ["jobs"], "what the clock sends", "", "", found, settings)


def _multi(found: FoundCommand) -> Iterator[TakenGroup | Left | Needless]:
    """Nodes with the same options are one group with so many replicas."""
    started = nodes(found.words)
    if started is None:
        yield Needless("celery multi", "`fleet down` and `fleet restart` do that")
        return
    groups: list[TakenGroup] = []
    for name, words in started.lines:
        group = worker(replace(found, words=words, name=name), parse(words[1:], SUBCOMMANDS))
        twin = next((each for each in groups if each.same_work(group)), None)
        if twin is None:
            groups.append(group)
        else:
            times = 1 + twin.found.replicas
            twin.found = replace(twin.found, replicas=times)
            twin.settings = _with_replicas(twin.settings, times, f"{times} nodes of celery multi")
    if len(groups) == 1 and len(started.lines) > 1:
        groups[0].name = re.sub(r"\d+$", "", groups[0].name) or groups[0].name
    for group in groups:
        group.left += [Left(found.where, stray, "there is no such node") for stray in started.strays]
        started.strays.clear()
        yield group


def worker(found: FoundCommand, options: CeleryOptions) -> TakenGroup:
    queues, comment, strange = _queues(options)
    found = replace(found, folder=options.value("workdir") or found.folder)
    group = TakenGroup(
        _name(options.value("hostname")) or _name(found.name) or "worker",
        found.where,
        queues,
        comment,
        options.value("app") or found.environment.get("CELERY_APP", ""),
        options.value("broker"),
        found,
    )
    for outcome in of_worker(options):
        if isinstance(outcome, Setting):
            group.settings.append(outcome)
        elif isinstance(outcome, Needless):
            group.needless.append(outcome)
        else:
            group.left.append(_left(found, outcome))
    group.left += [Left(found.where, each, "its value is not known from the file") for each in strange]
    if options.arguments:
        # Not the words: they may be the values of options that only the project knows.
        group.left.append(Left(found.where, f"words: {len(options.arguments)}", "no option takes them"))
    _of_the_runner(group, options)
    return group


def _left(found: FoundCommand, outcome: Undecided) -> Left:
    return Left(found.where, outcome.what, outcome.why)


def _queues(options: CeleryOptions) -> tuple[list[str], str, list[str]]:
    """The queues, a comment, and names that hold a variable."""
    value, written = options.given.get("queues", ("", ""))
    names = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    known = [name for name in names if not re.search(r"[$%`]", name)]
    comment = "-Q" if known else "Celery's default queue: task_default_queue of the app names another"
    return known or [DEFAULT_QUEUE], comment, [written] if len(known) < len(names) else []


def _name(text: str) -> str:
    """`images@%h` → images; the parts that differ between instances are left off."""
    text = re.sub(r"%\([^)]*\)\d*\w|%\w|\$\{[^}]*\}|\$\([^)]*\)|\$\w+", "", text.partition("@")[0])
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")


def _of_the_runner(group: TakenGroup, options: CeleryOptions) -> None:
    """Numbers of processes, patience at the end, user and environment: what the options do not say."""
    found = group.found
    if found.replicas != 1:
        group.settings = _with_replicas(group.settings, found.replicas, f"{found.replicas} of them")
    keys = {each.key: each for each in group.settings}
    if found.stop_seconds is not None:
        grace = Setting("grace_period", f"{found.stop_seconds:g}s", "how long its runner waits at the end")
        group.settings.append(grace)
    elif "time_limit" in keys:
        comment = "Celery waits for the last task: no longer than its time limit"
        group.settings.append(Setting("grace_period", keys["time_limit"].value, comment))
    if found.user and "user" not in keys and found.user != "root":
        group.settings.append(Setting("user", found.user, "when `fleet up` is started as root"))
    environment: Mapping[str, object] = harmless(found.environment)
    if options.value("config"):
        environment = {**environment, "CELERY_CONFIG_MODULE": options.value("config")}
    names = unwritten(found.environment)
    if names:
        why = "values may be secret: hand them to `fleet up`, or by [fleet] env_file"
        group.left.append(Left(found.where, f"environment: {', '.join(names)}", why))
    if environment:
        group.settings.append(Setting("env", dict(environment), "environment variables that hold no secret"))


def _with_replicas(settings: list[Setting], times: int, comment: str) -> list[Setting]:
    """`times` of what was there."""
    bounds = next(
        (each for each in settings if each.key == "replicas" and isinstance(each.value, dict)), None
    )
    rest = [each for each in settings if each.key != "replicas"]
    if bounds and isinstance(bounds.value, dict):
        value: object = {key: number * times for key, number in bounds.value.items()}
        return [*rest, Setting("replicas", value, f"{bounds.comment}, {comment}")]
    return [*rest, Setting("replicas", times, comment)]
