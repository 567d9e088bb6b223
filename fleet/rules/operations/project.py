"""The project that is run: the app's name, its folders, the files beside the file; groups, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from fleet.config.model import Fleet
from fleet.config.toml import to_toml
from fleet.machine import Machine
from fleet.rules.files import absolute, is_file, is_folder
from fleet.rules.finding import Change, Drop, Finding, KeyPath, Mark
from fleet.rules.registry import rule

_NO_MODULE = r"[/\\\s,;*?(){}\[\]]|\.py$|^\.|\.$|\.\.|^$"


@rule("FLT710", "app-is-no-module", "error", fix="unsafe", reads=("fleet.app",))
def app_is_no_module(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`app` names a file, or nothing that can be imported.

    Workers import it by its dotted name, as `import` does: "shop.tasks", not "shop/tasks.py". The folder in which
    Python finds "shop" is what `pythonpath` says, by default that of fleet.toml.

    Bad:

        [fleet]
        app = "shop/tasks.py"

    Good:

        [fleet]
        app = "shop.tasks"
    """
    for index, name in enumerate(fleet.project.app):
        module, colon, attribute = name.partition(":")
        is_object = not colon or re.fullmatch(r"[\w.]+", attribute.strip())
        if is_object and not re.search(_NO_MODULE, module):
            continue
        several = _modules(name)
        if len(several) > 1:
            yield _no_module(fleet, index, "these are several modules in one text", several)
        elif "(" in attribute:
            advice = f'in the module: app = {attribute.strip()}; then "{module.strip()}:app" here'
            yield _no_module(fleet, index, "behind the colon belongs the name of an object", [], advice)
        else:
            yield _no_module(fleet, index, "a module has a dotted name", several)


def _modules(name: str) -> list[str]:
    """What was meant: a path, a line of Python, several in one text; [] where that is no name of a module."""
    name = re.sub(r"\s*:\s*", ":", name)
    line = re.fullmatch(r"(?:from\s+([\w.]+)\s+)?import\s+(.+)", re.sub(r"\s+as\s+\w+", "", name.strip()))
    folder = f"{line[1]}." if line and line[1] else ""
    several = [folder + part for part in re.split(r"[\s,;]+", line[2] if line else name) if part]
    if len(several) > 1 and all(re.fullmatch(r"[\w.:]+", part) for part in several):
        return several
    path, colon, attribute = (folder + line[2] if line else name.strip()).partition(":")
    module = ".".join(part for part in re.split(r"[/\\.]+", re.sub(r"\.py$", "", path.strip())) if part)
    is_name = all(part.isidentifier() for part in module.split("."))
    is_object = re.fullmatch(r"[\w.]*", attribute)
    return [module + (colon + attribute if attribute else "")] if is_name and is_object else []


def _no_module(fleet: Fleet, index: int, reason: str, modules: list[str], advice: str = "") -> Finding:
    path: KeyPath = ("fleet", "app", index)
    toml = to_toml(modules) if len(modules) > 1 else to_toml("".join(modules))
    written, place = (toml.strip("[] "), path) if _is_list(fleet) else (toml, path[:2])
    return Finding(
        place,
        f'"{fleet.project.app[index]}" can\'t be imported: {reason}',
        help=advice or (f"write {written}" if modules else 'such as "shop.tasks"'),
        steps=(Change(place, written),) if modules else (),
    )


def _is_list(fleet: Fleet) -> bool:
    return len(fleet.project.app) > 1


@rule("FLT711", "pythonpath-missing", "warning", varies=True, reads=("fleet.pythonpath",))
def pythonpath_missing(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A folder of `pythonpath` that is not there.

    Python passes over it without a word, and the import of the app fails for want of it. The folder is relative to
    that of fleet.toml; only looked at when that one is here.

    Bad:

        [fleet]
        app = "shop.tasks"
        pythonpath = ["scr"]

    Good:

        [fleet]
        app = "shop.tasks"
        pythonpath = ["."]
    """
    for index, folder in enumerate(fleet.project.pythonpath):
        if fleet.folder.is_dir() and not (is_folder(absolute(fleet, folder)) or _is_archive(fleet, folder)):
            there = "an empty name" if not folder else f'no folder "{folder}"'
            yield Finding(
                ("fleet", "pythonpath", index),
                f"there is {there} here" if folder else "an empty name is no folder",
                help='correct or remove it: paths start at the folder of fleet.toml, which is "."',
            )


def _is_archive(fleet: Fleet, name: str) -> bool:
    return PurePosixPath(name).suffix in (".zip", ".whl", ".egg") and is_file(absolute(fleet, name))


@rule(
    "FLT712",
    "named-twice",
    "warning",
    fix="safe",
    singly=True,
    reads=("fleet.app", "workers.queues", "broker.accept", "fleet.pythonpath", "rollout.watch"),
)
def named_twice(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A name that stands twice in its list.

    The second one does nothing, and mostly another one was meant: a queue that is missing here is consumed by
    nobody.

    Bad:

        [workers.http]
        queues = ["http", "http"]
        pool = "gevent"
        concurrency = 100

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 100
    """
    lists: list[tuple[KeyPath, Sequence[str]]] = [
        (("fleet", "app"), fleet.project.app),
        (("fleet", "pythonpath"), fleet.project.pythonpath),
        (("broker", "accept"), fleet.broker.accept),
        (("rollout", "watch"), fleet.rollout.watch),
        *((("workers", name, "queues"), group.queues) for name, group in fleet.workers.items()),
    ]
    for path, names in lists:
        firsts: dict[str, int] = {}
        for index, name in enumerate(names):
            first = firsts.setdefault(name, index)
            if first != index:
                here = (*path, index)
                yield Finding(
                    here,
                    f'"{name}" stands twice in `{path[-1]}`',
                    related=(Mark((*path, first), "here already"),),
                    help="remove it, or name the one that was meant",
                    steps=(Drop(here),),
                    safe=True,
                )


@rule("FLT713", "no-worker-group", "warning", reads=("workers.", "fleet."))
def no_worker_group(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A file without any worker group.

    `fleet up` would start, and nothing would ever run. A file with queues and routes alone is right for a program
    that only sends: then leave FLT713 out in [lint].

    Bad:

        [fleet]
        app = "shop.tasks"

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 100
    """
    if not fleet.workers:
        yield Finding(
            ("workers",) if "workers" in fleet.said else ("fleet",),
            "there is no worker group: nothing will ever run",
            help='[workers.NAME] with `queues` and `pool`; where a program only sends: [lint] ignore = ["FLT713"]',
        )
