"""The rooms inside the packages of fleet: which may import which, and none in a circle.

A room is a folder of a package, or a file that lies flat in it. docs/architecture.md has the plan of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

FLEET = ROOT / "fleet"

# What each folder may import of its own package: an arrow that is not here is a decision, not an accident.
MAY_IMPORT: dict[str, dict[str, set[str]]] = {
    "controller": {
        "log": {"atomic_files"},
        "state": {"atomic_files", "log"},
        "history": {"log"},
        "metrics": {"history"},
        "alerts": {"atomic_files", "history", "log"},
        "observed": {"atomic_files", "log"},
        "declared": {"log"},
        "rollout": {"log", "observed", "state"},
        "autoscale": {"log", "observed"},
        "apply": {"atomic_files", "log", "observed", "rollout"},
        "api": {
            *("atomic_files", "autoscale", "declared", "history", "log", "metrics", "observed"),
            *("reconciler", "rollout", "state"),
        },
    },
    "broker": {
        "rabbitmq": {
            *("consumer", "dead_letters", "delivery", "loop_lock", "preflight", "publisher"),
            *("passive_stats", "pulses", "queue_order", "reposting", "stats", "topology", "urls", "waiting"),
        },
        "leased": {
            *("consumer", "dead_letters", "delivery", "notes", "publisher", "queue_order"),
            *("reposting", "stats", "topology", "urls", "waiting"),
        },
        "kombu_transport": {"delivery", "leased", "queue_order", "topology", "waiting"},
        "redis": {
            "delivery",
            "kombu_transport",
            "leased",
            "notes",
            "preflight",
            "pulses",
            "topology",
            "urls",
        },
        "sqlite": {
            *("delivery", "kombu_transport", "leased", "loop_lock", "notes", "preflight", "topology", "urls"),
        },
        "other_kombu": {
            *(
                "consumer",
                "delivery",
                "passive_stats",
                "publisher",
                "queue_order",
                "stats",
                "urls",
                "waiting",
            ),
        },
        "transports": {"redis"},  # an old name
    },
    "scheduler": {"books": set()},
    "dashboard": {},
    "worker": {
        "pools": {
            *(
                "app",
                "coroutines",
                "desk_channel",
                "django_db",
                "errors",
                "execution",
                "failure",
                "forks",
                "headers",
                "limits",
                "log",
                "memory",
                "outcome",
                "private_queues",
            ),
            *("progress", "reactor", "recycling", "stacks", "stdio"),
        },
        # Below `execution`: a thread that runs one task at a time runs a coroutine by it.
        "coroutines": {"forks", "limits"},
    },
    "cli": {
        "file": {"exits", "options"},
        "running": {"exits", "file", "options"},
        "views": {"exits", "file", "options", "running", "wrap"},
        # The screen of `fleet top` shows by the views and asks as the verbs do.
        "screen": {"running", "views", "wrap"},
    },
}

PACKAGES = (*MAY_IMPORT, "supervisor", "tasks")

# The one that is wanted: a zygote becomes a worker by the same door, and a worker may be told to be a zygote.
CIRCLES = {("worker", "__main__", "zygote")}


def names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(node: ast.AST) -> Iterator[str]:
    """What is imported anywhere in it, but for types only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield from names(child)
        yield from imported(child)


def arrows(package: str) -> dict[str, set[str]]:
    """Room → rooms of the same package that it imports."""
    found: dict[str, set[str]] = {}
    for file in (FLEET / package).rglob("*.py"):
        room = file.relative_to(FLEET / package).parts[0].removesuffix(".py")
        inside = found.setdefault(room, set())
        for name in imported(ast.parse(file.read_text())):
            if name.startswith(f"fleet.{package}."):
                inside.add(name.split(".")[2])
        inside.discard(room)
    return found


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """Rooms that import each other in a round, or None."""
    left = {room: set(others) for room, others in graph.items()}
    while ends := [room for room, others in left.items() if not others & left.keys()]:
        for room in ends:
            del left[room]
    return sorted(left) or None


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_of_a_package_import_each_other_in_no_circle(package: str) -> None:
    graph = arrows(package)
    for where, one, other in CIRCLES:
        if where == package:
            graph[one].discard(other)
    assert circle(graph) is None


@pytest.mark.parametrize(
    ("package", "room"), [(package, room) for package in MAY_IMPORT for room in MAY_IMPORT[package]]
)
def test_a_room_imports_only_the_rooms_that_it_may(package: str, room: str) -> None:
    strays = arrows(package)[room] - MAY_IMPORT[package][room]
    assert not strays, f"{package}/{room} must not import {sorted(strays)}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_folder_of_a_package_says_what_it_may_import(package: str) -> None:
    folders = {file.parent.name for file in (FLEET / package).glob("*/*.py")}
    assert folders == MAY_IMPORT[package].keys()


def test_a_circle_of_three_rooms_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c", "d"]
    assert circle({"a": {"b"}, "b": set()}) is None


@pytest.mark.parametrize(
    "page",
    [ROOT / "docs/architecture.md", *sorted((ROOT / "docs/decisions").glob("*.md"))],
    ids=lambda page: page.stem,
)
def test_files_that_a_page_names_by_their_path_exist(page: Path) -> None:
    known = {
        str(file.relative_to(ROOT))
        for top in ("fleet", "tests", "benchmarks", "scripts")
        for file in (ROOT / top).rglob("*.py")
    }
    said = set(re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)+\.py)`", page.read_text()))
    missing = [name for name in said if not any(file == name or file.endswith(f"/{name}") for file in known)]
    assert not missing
