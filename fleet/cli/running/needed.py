"""Arguments that a command can't do without: where one is missing, the error says what could be given, and the shell
completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Names = Callable[[Path | None, str | None], Sequence[str]]
"""What there is in the fleet of a file and an environment."""

_MOST = 20
_FEW = 5
_GLOB = frozenset("*?[")


class Needed(click.Argument):
    """An argument that is `required` or not; `names` finds what it may be, `sentence` tells these when it is missing.
    The shell is offered them with `completed_by` added; None: it is offered nothing.
    """

    def __init__(
        self,
        *args: Any,
        names: Names,
        sentence: Callable[[Sequence[str]], str] | None = None,
        completed_by: str | None = "",
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self._names, self._sentence, self._ending = names, sentence, completed_by

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            if self._sentence is None or ctx.resilient_parsing:
                raise
            names = self._names(ctx.params.get("file"), ctx.params.get("env"))
            raise Failure(self._sentence(names), Exit.USAGE) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if self._ending is None:
            return []
        # A file that is wrong or missing completes nothing; what is wrong with it is told by the command itself.
        with suppress(Exception):
            names = self._names(ctx.params.get("file"), ctx.params.get("env"))
            fitting = [name for name in names if name.startswith(incomplete) and not _GLOB & {*name}]
            return [CompletionItem(name + self._ending) for name in fitting]
        return []


def listed(what: str, names: Sequence[str]) -> str:
    """`groups: a, b`; of many the first, and how many more there are."""
    shown = ", ".join(names[:_MOST]) or "none"
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{what}: {shown}{more}"


def groups(file: Path | None, env: str | None) -> list[str]:
    """The worker groups of the running fleet; of one that doesn't run, those of the file. Raises Failure."""
    return _running_or_declared(file, env, "groups", "workers")


def queues(file: Path | None, env: str | None) -> list[str]:
    """As `groups`, the queues."""
    return _running_or_declared(file, env, "queues", "queues")


def schedules(file: Path | None, env: str | None) -> list[str]:
    """As `groups`, the schedules; those of a Celery app only while it runs."""
    from fleet.cli.running.schedules import known_schedules

    return [each["name"] for each in known_schedules(file, env)["schedules"]]


def rules(file: Path | None, env: str | None) -> list[str]:
    """The patterns of [[routes]], each once, in the order of the file. Raises Failure."""
    from fleet.cli.file.routing import load_routing

    patterns = [pattern for route in load_routing(file, env).spec.routes for pattern in route.patterns]
    return list(dict.fromkeys(patterns))


def name_a_group(names: Sequence[str]) -> str:
    return f"name a worker group; {listed('there are', names)}"


def name_a_schedule(names: Sequence[str]) -> str:
    none = "there are none: [[schedules]] in fleet.toml declares them"
    return f"name a schedule; {listed('there are', names) if names else none}"


def name_a_message(kind: str, ids: Sequence[str], many: str = "") -> str:
    """`kind` as in "dead"; `many`: how all of them are meant, where a command takes several."""
    wanted = f"name {kind} messages by their ids, or {many}" if many else f"name a {kind} message by its id"
    if not ids:
        return f"{wanted}; there are none"
    return "\n  ".join([f"{wanted}; the first:", *ids[:_FEW]]) + f"\n`fleet {kind} list` shows what they are"


def name_a_task(names: Sequence[str]) -> str:
    rules = listed("[[routes]] has rules for", names)
    return f"name a task as its module does, `shop.tasks.resize` for `def resize` in shop/tasks.py; {rules}"


def _running_or_declared(file: Path | None, env: str | None, told: str, declared: str) -> list[str]:
    from fleet.cli.file.locate import locate
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable

    _, state = locate(file, env)
    try:
        return [each["name"] for each in ApiClient(state.api_socket).get("/status")[told]]
    except (ControllerUnavailable, ApiError):
        from fleet.cli.file.loading import load_fleet

        return list(getattr(load_fleet(file, env), declared))
