"""`fleet resume`: end a pause or a drain."""

from __future__ import annotations

from pathlib import Path

import click

from fleet.cli.options import env_option, file_option, json_option
from fleet.cli.running.commands import group_or_queue, queue_option, tell
from fleet.cli.running.needed import Needed, groups


@click.command(short_help="End what `fleet pause` or `fleet drain` began.")
@click.argument("group", cls=Needed, names=groups, metavar="[GROUP]", required=False)
@queue_option
@file_option
@env_option
@json_option
def command(group: str | None, queue: str | None, file: Path | None, env: str | None, as_json: bool) -> int:
    """Let a group, or all groups for one queue, go on after `fleet pause` or `fleet drain`."""
    return tell("resume", file, env, as_json, **group_or_queue(group, queue, file, env))
