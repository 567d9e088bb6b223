"""A fleet as every target sees it: names that engines allow, variables, files beside it, and its groups."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from fleet.config.model import Fleet, WorkerGroup
from fleet.export.problem import Problem
from fleet.export.written_secrets import (
    is_secret,
    of_left_out,
    secrets_in,
    without_secret_comments,
    without_secret_defaults,
)

APP = "/app"
"""Where images have the code and fleet.toml."""
PORT = 8788
PROBE = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/live', timeout=5)"
"""For `python -c`: slim images have no curl. /live, not `fleet status`, which fails while the broker is away."""
STOP_MARGIN_SECONDS = 10
"""What an engine waits beyond a group's grace period."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([^}]*))?\}")
_LONGEST_NAME = 50  # of 63: engines add their own to it


class Options(NamedTuple):
    """What the file does not say."""

    image: str = "IMAGE"
    env: str | None = None
    memory: int | None = None
    """Bytes for a worker whose group has no `max_memory`."""
    scaler: str = "view"
    schedules: str = "view"
    """Who sends by the clock: "view", "cronjob" or "none"."""


class Variable(NamedTuple):
    """A ${NAME} in the file; None where it has to be set."""

    name: str
    default: str | None


class Unit(NamedTuple):
    """One worker group. `slug` is its name where only small letters, digits and dashes may stand. Seconds, bytes."""

    name: str
    slug: str
    group: WorkerGroup
    concurrency: int
    fewest: int
    most: int
    grace: int
    memory_request: int | None
    memory_limit: int | None
    revision: str
    environment: dict[str, str]

    @property
    def scales(self) -> bool:
        return self.fewest != self.most

    @property
    def millicpus(self) -> int:
        """What a worker requests: a CPU for each process of prefork, a quarter for what mostly waits."""
        return 1000 * self.concurrency if self.group.pool == "prefork" else 250

    @property
    def stop_seconds(self) -> int:
        return self.grace + STOP_MARGIN_SECONDS


class Facts(NamedTuple):
    """The whole."""

    name: str
    slug: str
    fleet: Fleet
    text: str
    options: Options
    variables: tuple[Variable, ...]
    units: tuple[Unit, ...]
    problems: tuple[Problem, ...]
    scheme: str | None
    """Of the broker's URL; None when only the engine will know."""
    has_secrets: bool
    """Whether `text` itself holds some."""

    @property
    def command(self) -> list[str]:
        """Before the group's name."""
        return ["fleet", "worker"]

    @property
    def arguments(self) -> list[str]:
        """After it."""
        return ["--env", self.options.env] if self.options.env else []

    @property
    def needs_secret(self) -> bool:
        return bool(self.variables)

    @property
    def secret_files(self) -> list[tuple[str, str, str]]:
        """(name of the secret, key in it, absolute path in the container) of each file that holds secrets."""
        found = []
        if self.fleet.broker.url_file:
            found.append((f"{self.slug}-broker", "url", inside(self.fleet.broker.url_file)))
        if self.fleet.project.env_file:
            found.append((f"{self.slug}-env-file", "env", inside(self.fleet.project.env_file)))
        return found


def gather(fleet: Fleet, text: str, options: Options) -> Facts:
    """`text` is the file's; what is copied of it has no secrets in its comments."""
    written = fleet.with_variables
    text, left_out = without_secret_defaults(text)
    problems = list(secrets_in(text))
    has_secrets = bool(problems)
    problems += [of_left_out(*each) for each in left_out.items()]
    units = []
    for name in sorted(fleet.workers):
        group = fleet.workers[name]
        problems += _of_group(name, group)
        units.append(_unit(fleet, name, group, options, written))
    problems += _same_names(units)
    return Facts(
        fleet.name,
        slug(fleet.name),
        fleet,
        without_secret_comments(text),
        options,
        tuple(each._replace(default=None) if each.name in left_out else each for each in _variables(written)),
        tuple(units),
        tuple(problems),
        broker_scheme(fleet, written),
        has_secrets,
    )


def slug(name: str) -> str:
    """`name` as a DNS label (RFC 1123)."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if len(made) > _LONGEST_NAME:
        made = f"{made[: _LONGEST_NAME - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return made or "fleet"


def inside(path: str) -> str:
    """Where a file that fleet.toml names lies in the container."""
    return path if Path(path).is_absolute() else str(Path(APP) / path)


def whole_seconds(duration: timedelta) -> int:
    """Rounded up: engines count in whole seconds."""
    return -int(-duration.total_seconds() // 1)


def _unit(
    fleet: Fleet,
    name: str,
    group: WorkerGroup,
    options: Options,
    written: Mapping[tuple[str | int, ...], str],
) -> Unit:
    fewest, most = group.replica_bounds()
    concurrency = group.slots(1)
    request, limit = memory(group, concurrency, options.memory)
    said = {
        key: value
        for key, value in sorted(group.env.items())
        if not _is_variable(("workers", name, "env", key), key, written) and not is_secret(key, value)
    }
    return Unit(
        name,
        slug(name),
        group,
        concurrency,
        fewest,
        most,
        whole_seconds(group.grace_period),
        request,
        limit,
        _revision(fleet, name, group),
        said,
    )


def memory(group: WorkerGroup, concurrency: int, otherwise: int | None) -> tuple[int | None, int | None]:
    """Bytes to ask for, and the most: (None, None) when nobody says."""
    base = 128 * 2**20
    if group.max_memory is None:
        return otherwise, otherwise
    if group.pool == "prefork":
        needed = base + concurrency * group.max_memory * 5 // 4
        return needed, needed
    return group.max_memory, 2 * group.max_memory + 64 * 2**20


_APART = ("replicas", "env")  # how many is no change of a worker; values may be secrets


def _is_variable(path: tuple[str, ...], key: str, written: Mapping[tuple[str | int, ...], str]) -> bool:
    """Whether the value is a variable's, which may be a secret."""
    return path in written or ("defaults", "env", key) in written


def _revision(fleet: Fleet, name: str, group: WorkerGroup) -> str:
    """12 hex digits that change when a worker would run otherwise, the same in every folder; no secret goes in."""
    settings = {
        key: repr(getattr(group, field.name)) for key, field in group.fields.items() if key not in _APART
    }
    settings["env"] = repr(sorted(group.env))
    queues = [repr(fleet.queues[queue]) for queue in group.queues if queue in fleet.queues]
    text = json.dumps([fleet.name, name, settings, queues, list(fleet.project.app)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _variables(written: Mapping[tuple[str | int, ...], str]) -> Iterator[Variable]:
    found: dict[str, str | None] = {}
    for text in written.values():
        for name, how, rest in _REFERENCE.findall(text):
            default = rest if how == "-" else None
            found[name] = found[name] if name in found and found[name] is None else default
    return (Variable(name, found[name]) for name in sorted(found))


def _of_group(name: str, group: WorkerGroup) -> Iterator[Problem]:
    path = ("workers", name)
    if group.pool != "solo" and not isinstance(group.concurrency, int):
        said = f'concurrency = "{group.concurrency}"' if group.concurrency else "no `concurrency`"
        yield Problem(
            (*path, "concurrency"),
            f"{said}: in a container without a CPU limit that would be the CPUs of the whole node",
            "concurrency = a number",
        )


def sends_by_clock(fleet: Fleet) -> bool:
    """Whether there may be something to schedule: of a Celery app only the app itself knows."""
    return any(each.enabled for each in fleet.schedules) or (
        fleet.project.has_celery_app and fleet.project.beat
    )


def sent_by_nobody(fleet: Fleet) -> Iterator[Problem]:
    """For an export without a scheduler."""
    if fleet.schedules:
        yield Problem(
            ("schedules",),
            "nothing that is written sends by the clock: `fleet worker` only runs what is sent",
            "`fleet view` with the same file and broker, somewhere",
            "warning",
        )


def notes_are_lost(facts: Facts) -> Iterator[Problem]:
    """Where the broker can't keep what a scheduler remembers: its pod can't either."""
    if facts.fleet.schedules and facts.scheme not in (None, *_REMEMBERING):
        yield Problem(
            ("schedules",),
            f"over {facts.scheme}:// a scheduler remembers its runs in a file, which goes with its container: "
            "what comes due while it is replaced may be sent twice, or not at all",
            "RabbitMQ or Redis",
            "warning",
        )


_REMEMBERING = ("redis", "rediss", "amqp", "amqps", "pyamqp", "sqlite")


def on_one_host_only(facts: Facts) -> Iterator[Problem]:
    """For engines that run workers apart from each other."""
    if facts.scheme == "sqlite":
        yield Problem(
            ("broker", "url") if facts.fleet.broker.url else ("fleet",),
            "the embedded broker is a file of one host: containers need a server",
            'url = "${BROKER_URL}" under [broker], with Redis or RabbitMQ behind it',
        )


def no_memory_limit(unit: Unit) -> Iterator[Problem]:
    """For engines that would let one container take the whole host."""
    if unit.memory_limit is None:
        yield Problem(
            ("workers", unit.name, "max_memory"),
            "a container without a memory limit can take its host with it",
            'max_memory = "512MiB" in the group, or --memory for all groups without it',
        )


def mebibytes(size: int) -> int:
    """Rounded up."""
    return -(-size // 2**20)


def _same_names(units: list[Unit]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for unit in units:
        if unit.slug in seen:
            yield Problem(
                ("workers", unit.name),
                f"groups {seen[unit.slug]!r} and {unit.name!r} would both be called {unit.slug!r}",
                "rename one of them: only small letters, digits and dashes count",
            )
        seen.setdefault(unit.slug, unit.name)


def broker_scheme(fleet: Fleet, written: Mapping[tuple[str | int, ...], str]) -> str | None:
    """Of the broker's URL; "sqlite" for the embedded one, None when only the engine will know."""
    if fleet.broker.url_file:
        return None
    if fleet.broker.url is None:
        return "sqlite"
    text = written.get(("broker", "url"), fleet.broker.url)
    scheme, found, _ = text.partition("://")
    if found and "$" not in scheme:
        return scheme
    reference = _REFERENCE.fullmatch(text)
    if (
        reference
        and reference[2] == "-"
        and "://" in reference[3]
        and not fleet.broker.url.startswith(reference[3])
    ):
        return fleet.broker.url.partition("://")[0]
    return None
