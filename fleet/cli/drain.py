"""`fleet drain`: let the workers of a group finish and go."""

from __future__ import annotations

from pathlib import Path

import click

from fleet.cli.options import env_option, file_option, json_option
from fleet.cli.running.commands import duration, for_option, reason_option, tell
from fleet.cli.running.needed import Needed, groups, name_a_group


@click.command(short_help="Let a group finish what it has, and end its workers.")
@click.argument("group", cls=Needed, names=groups, sentence=name_a_group, metavar="GROUP")
@for_option
@reason_option
@file_option
@env_option
@json_option
def command(
    *, group: str, lasting: str | None, reason: str | None, file: Path | None, env: str | None, as_json: bool
) -> int:
    """Let the workers of a group finish what they have and end; none is started until `fleet resume GROUP`.

    It holds until then or until --for is over, across restarts of the controller.
    """
    return tell("drain", file, env, as_json, group=group, for_seconds=duration(lasting), reason=reason)
