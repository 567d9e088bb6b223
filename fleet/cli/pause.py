"""`fleet pause`: take nothing more from the queues of a group, or from one queue."""

from __future__ import annotations

from pathlib import Path

import click

from fleet.cli.options import env_option, file_option, json_option
from fleet.cli.running.commands import duration, for_option, group_or_queue, queue_option, reason_option, tell
from fleet.cli.running.needed import Needed, groups


@click.command(short_help="Let a group, or all groups of a queue, take no more.")
@click.argument("group", cls=Needed, names=groups, metavar="[GROUP]", required=False)
@queue_option
@for_option
@reason_option
@file_option
@env_option
@json_option
def command(
    *,
    group: str | None,
    queue: str | None,
    lasting: str | None,
    reason: str | None,
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Let a group, or all groups for one queue, take no more messages; what runs is finished.

    The workers stay. It holds for workers that start later as well, across restarts, until `fleet resume`
    or until --for is over.
    """
    target = group_or_queue(group, queue, file, env)
    return tell("pause", file, env, as_json, **target, for_seconds=duration(lasting), reason=reason)
