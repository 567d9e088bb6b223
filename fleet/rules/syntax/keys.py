"""Names of keys and tables: unknown, missing, overriding nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleet.rules.finding import Finding, KeyPath, Rename, Step
from fleet.rules.registry import found_by_loader
from fleet.rules.words import dotted, listed


@found_by_loader("FLT003", "unknown-key", "error", fix="safe")
def unknown_key(
    path: KeyPath, known: Sequence[str], guess: str | None, *, is_free: bool, is_table: bool
) -> Finding:
    """A key or table that fleet does not know.

    A mistyped key would silently leave its setting at the default, which is how a fleet ends up with 8
    green threads instead of 500. So every unknown key is an error. The nearest known key is suggested,
    and the rest of the file is checked as if that had been meant.

    Bad:

        [workers.http]
        concurency = 500

    Good:

        [workers.http]
        concurrency = 500
    """
    name, table = str(path[-1]), dotted(path[:-1])
    where = f"in [{table}]" if table else "at the top level"
    steps: tuple[Step, ...] = (Rename(path, guess),) if guess and is_free else ()
    if guess:
        also = "" if is_free else ", which is there already: remove this one"
        advice = f"did you mean `{guess}`{also}?" if is_free else f"did you mean `{guess}`{also}"
    else:
        advice = f"known here: {listed(known, 30)}"
    return Finding(
        path,
        f"unknown {'table' if is_table else 'key'} `{name}` {where}",
        help=advice,
        part="key",
        steps=steps,
        safe=True,
    )


@found_by_loader("FLT005", "missing-key", "error")
def missing_key(path: KeyPath, description: str) -> Finding:
    """A required key is missing.

    A fleet needs `app` in [fleet]; each worker group needs `pool` and `queues` (`pool` may come from
    [defaults]); each route needs `task` and `queue`.

    Bad:

        [workers.http]
        queues = ["http"]

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200
    """
    table, name = dotted(path[:-1]), path[-1]
    example = {
        "app": 'for example: app = "shop.tasks"',
        "fleet": 'begin the file with [fleet], and below it app = "shop.tasks", the module with the tasks',
    }.get(str(name))
    where = "the route" if path[0] == "routes" else f"[{table}]" if table else "the file"
    what = "[fleet]" if path == ("fleet",) else f"`{name}`"
    label = None if path == ("fleet",) else f"{what} is missing"
    advice = example or f"add `{name} = …`. {description}"
    return Finding(path, f"{where} needs {what}", label=label, help=advice)


@found_by_loader("FLT009", "overrides-nothing", "error", fix="safe")
def overrides_nothing(path: KeyPath, declared: Collection[str], guess: str | None) -> Finding:
    """[env.NAME] overrides a group or queue that does not exist.

    An environment changes what is declared; it can't add groups or queues of its own, because then the
    file would no longer show which there are. Mostly this is a typing mistake.

    Bad:

        [env.staging.workers.htpp]
        concurrency = 10

        [workers.http]
        concurrency = 200

    Good:

        [env.staging.workers.http]
        concurrency = 10

        [workers.http]
        concurrency = 200
    """
    noun = "worker group" if path[2] == "workers" else "queue"
    name = str(path[-1])
    advice = f"did you mean `{guess}`?" if guess else f"declare [{path[2]}.{name}], or remove this"
    return Finding(
        path,
        f"[env.{path[1]}] overrides the {noun} `{name}`, which does not exist",
        help=advice,
        notes=(f"declared: {listed(declared)}",) if declared and not guess else (),
        part="key",
        steps=(Rename(path, guess),) if guess else (),
        safe=True,
    )


@found_by_loader("FLT010", "foreign-key", "error", fix="safe")
def foreign_key(
    path: KeyPath,
    tool: str,
    meant: str | None,
    advice: str | None,
    steps: tuple[Step, ...],
    *,
    safe: bool,
) -> Finding:
    """A key from another tool.

    Celery, supervisord, systemd and others name the same things differently, and sometimes count them
    differently: Celery's memory limit is in KiB, supervisord's `numprocs` are fleet's replicas. The rest of
    the file is checked as if fleet's key had been written. As every unknown key it is an error: a
    setting that is not applied is worse than a file that is refused.

    Bad:

        [workers.http]
        numprocs = 2
        worker_concurrency = 500

    Good:

        [workers.http]
        replicas = 2
        concurrency = 500
    """
    name = path[-1]
    message = f"`{name}` comes from {tool}" + (f": here it is `{meant}`" if meant else ", and is no key here")
    return Finding(path, message, help=advice, part="key", steps=steps, safe=safe)
