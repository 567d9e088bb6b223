"""Names and paths that nobody can type, and that files, users and processes can't have."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule

_MOST_BYTES = 255  # of a routing key


@rule(
    "FLT714",
    "unusable-text",
    "error",
    singly=True,
    reads=(
        *("fleet.name", "fleet.state_dir", "fleet.app", "workers.user", "routes.task", "queues.routing_key"),
        *("schedules.task", "schedules.name"),
    ),
)
def unusable_text(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    r"""An empty name or path, or one with characters that can't be seen.

    `user = ""` would leave a group root, `state_dir = ""` would put sockets and logs between the sources. A zero
    byte stops the start; a mark that turns the direction of the text shows a name that it is not.

    Bad:

        [fleet]
        app = "shop.tasks"
        name = ""

    Good:

        [fleet]
        app = "shop.tasks"
        name = "shop"
    """
    for path, text, may_be_empty in _texts(fleet):
        size = len(text.encode("utf-8", "surrogatepass"))
        if any(not character.isprintable() for character in text):
            yield Finding(
                path, f"`{_key(path)}` has a character that can't be seen", help="write it anew, by hand"
            )
        elif not text.strip() and not may_be_empty:
            yield Finding(
                path, f"`{_key(path)}` is empty", help="give it a value, or leave it out for the default"
            )
        elif path[-1] == "routing_key" and size > _MOST_BYTES:
            long = f"this routing key has {size:,} bytes; a broker takes {_MOST_BYTES}"
            yield Finding(path, long, help="shorten it")


def _texts(fleet: Fleet) -> Iterator[tuple[KeyPath, str, bool]]:
    """(path, text, whether it may be empty)."""
    project = fleet.project
    if project.name is not None:
        yield ("fleet", "name"), project.name, False
    yield ("fleet", "state_dir"), project.state_dir, False
    for index, module in enumerate(project.app):
        if module.strip():  # FLT710
            yield ("fleet", "app", index), module, False
    for name, group in fleet.workers.items():
        if group.user is not None:
            yield ("workers", name, "user"), group.user, False
    for number, route in enumerate(fleet.routes):
        for index, pattern in enumerate(route.task):
            yield ("routes", number, "task", index), pattern, False
    for number, schedule in enumerate(fleet.schedules):
        yield ("schedules", number, "task"), schedule.task, False
        if schedule.name is not None:
            yield ("schedules", number, "name"), schedule.name, False
    for name, queue in fleet.queues.items():
        yield ("queues", name, "routing_key"), queue.routing_key or "", True


def _key(path: KeyPath) -> str:
    return next(str(part) for part in reversed(path) if isinstance(part, str))
