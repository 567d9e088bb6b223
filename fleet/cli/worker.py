"""`fleet worker`: one worker of a group, for an engine that starts, counts and replaces workers itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option
from fleet.cli.running.needed import Needed, groups, name_a_group

_ALL = "`fleet up` starts the workers of all groups, as fleet.toml declares them."


class _Worker(click.Command):
    """Whoever types `fleet worker` with Celery's options looks for something else."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.format_message()}\n{_ALL}", ctx) from error


def _which(names: Sequence[str]) -> str:
    return f"{name_a_group(names)}\n{_ALL}"


@click.command(cls=_Worker, short_help="Run one worker of a group, as a container does.")
@click.argument("group", cls=Needed, names=groups, sentence=_which, metavar="GROUP")
@click.option(
    "--listen",
    metavar="[HOST]:PORT",
    help="Answer /live, /ready and /metrics there [default: $FLEET_LISTEN; as process 1 :8788; else nowhere].",
)
@click.option(
    "--replica", default=0, metavar="N", help="Its number in log lines and `dead list` [default: 0]."
)
@file_option
@env_option
def command(group: str, listen: str | None, replica: int, file: Path | None, env: str | None) -> int:
    """Run one worker of GROUP in the foreground: no supervisor, no controller, no state directory.

    It drains on SIGTERM for the group's grace_period, ends with 0, and goes on while the broker is away. What the file
    says of replicas and rollouts is left to whoever starts it: `fleet export` writes that.
    """
    from fleet.cli.file.loading import load_loaded, show
    from fleet.cli.running import standalone

    loaded = load_loaded(file, env)
    show(loaded)
    if loaded.fleet is None:
        raise Failure(f"{loaded.source.path} has errors, so nothing was started", Exit.BAD_CONFIG)
    if group not in loaded.fleet.workers:
        there = ", ".join(sorted(loaded.fleet.workers)) or "none"
        raise Failure(
            f"no worker group {group!r} in {loaded.source.path}; there are: {there}", Exit.BAD_CONFIG
        )
    standalone.become_worker(loaded.fleet, group, replica, listen)
