"""The options of `celery worker`, of every spelling that Celery 3 to 5 took, as one mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_VALUES = {
    "app": "-A --app",
    "broker": "-b --broker",
    "result_backend": "--result-backend",
    "loader": "--loader",
    "config": "--config",
    "workdir": "--workdir",
    "queues": "-Q --queues",
    "exclude_queues": "-X --exclude-queues",
    "include": "-I --include",
    "pool": "-P --pool",
    "pool_start_method": "--pool-start-method",
    "concurrency": "-c --concurrency",
    "hostname": "-n --hostname",
    "optimization": "-O --optimization",
    "autoscale": "--autoscale",
    "prefetch_multiplier": "--prefetch-multiplier",
    "max_tasks": "--max-tasks-per-child --maxtasksperchild",
    "max_memory": "--max-memory-per-child --maxmemperchild",
    "time_limit": "--time-limit",
    "soft_time_limit": "--soft-time-limit",
    "log_level": "-l --loglevel",
    "logfile": "-f --logfile",
    "pidfile": "--pidfile",
    "statedb": "-S --statedb",
    "schedule": "-s --schedule --schedule-filename",
    "scheduler": "--scheduler",
    "heartbeat_interval": "--heartbeat-interval",
    "uid": "--uid",
    "gid": "--gid",
    "umask": "--umask",
    "executable": "--executable",
}
_FLAGS = {
    "task_events": "-E --task-events --events",
    "beat": "-B --beat",
    "without_gossip": "--without-gossip",
    "without_mingle": "--without-mingle",
    "without_heartbeat": "--without-heartbeat",
    "purge": "--purge --discard",
    "detach": "-D --detach",
    "no_color": "-C --no-color",
    "quiet": "-q --quiet",
    "disable_prefetch": "--disable-prefetch",
    "skip_checks": "--skip-checks",
}


def _by_spelling(table: dict[str, str]) -> dict[str, str]:
    return {spelling: key for key, spellings in table.items() for spelling in spellings.split()}


_TAKES_VALUE, _IS_FLAG = _by_spelling(_VALUES), _by_spelling(_FLAGS)


@dataclass
class CeleryOptions:
    """What a command line says: key of _VALUES or _FLAGS → (value, as it was written)."""

    subcommand: str = ""
    given: dict[str, tuple[str, str]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    """Words that belong to no option, after the subcommand."""
    unknown: list[str] = field(default_factory=list)
    """Spellings; their values may be secret."""

    def value(self, key: str) -> str:
        return self.given.get(key, ("", ""))[0]


def spelling_key(spelling: str) -> str | None:
    """The key of an option by its spelling."""
    return _TAKES_VALUE.get(spelling) or _IS_FLAG.get(spelling)


def parse(words: Iterable[str], subcommands: frozenset[str]) -> CeleryOptions:
    """Read the words after `celery`; the last of two equal options counts, as for Celery."""
    options = CeleryOptions()
    for spelling, value, written in tokens(list(words)):
        key = spelling_key(spelling)
        if key:
            options.given[key] = (value, written)
        elif spelling:
            options.unknown.append(spelling)
        elif not options.subcommand and value in subcommands:
            options.subcommand = value
        else:
            options.arguments.append(value)
    return options


def tokens(words: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(spelling or "", value, as written) of each option or free word. `-c:w1 3` has the spelling `-c:w1`."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            yield "", word, word
            continue
        spelling, value, joined = _parted(word)
        option, colon, _ = spelling.partition(":")
        # For single nodes of `celery multi` Celery takes the next word as well, whatever the option.
        takes = option in _TAKES_VALUE or (bool(colon) and option not in _IS_FLAG)
        if takes and not joined:
            value = rest.pop(0) if rest else ""
            yield spelling, value, f"{word} {value}"
        elif not takes and not joined and spelling_key(option) is None:
            yield spelling, "", _with_its_value(word, rest)
        else:
            yield spelling, value, word


def _with_its_value(word: str, rest: list[str]) -> str:
    """An option that Celery does not have (a project's own) as written, with the word after it if that is its value."""
    if rest and not rest[0].startswith("-") and word.startswith("--"):
        return f"{word} {rest.pop(0)}"
    return word


def _parted(word: str) -> tuple[str, str, bool]:
    """Spelling, value, and whether the value stands in the same word: `--x=1`, `-c4`, `-c:w1=3`."""
    if word.startswith("--") or re.match(r"-\w:", word):
        spelling, equals, value = word.partition("=")
        return spelling, value, bool(equals)
    if len(word) > 2 and word[:2] in _TAKES_VALUE:
        return word[:2], word[2:].removeprefix("="), True
    return word, "", False
