"""`fleet scale`: another number of workers than the file says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option
from fleet.cli.running.commands import duration, for_option, reason_option, tell
from fleet.cli.running.needed import Needed, groups, listed


def _which(names: Sequence[str]) -> str:
    example = names[0] if names else "http"
    return f"say how many workers which group is to have, as in {example}=4; {listed('groups', names)}"


@click.command(short_help="Give a group another number of workers, until further notice.")
@click.argument("what", cls=Needed, names=groups, sentence=_which, completed_by="=", metavar="GROUP=N")
@click.argument("apart", nargs=-1, metavar="")
@for_option
@reason_option
@file_option
@env_option
@json_option
def command(
    *,
    what: str,
    apart: tuple[str, ...],
    lasting: str | None,
    reason: str | None,
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Give a worker group N workers, whatever the file or the autoscaler says; GROUP=file ends that.

    It holds until it is taken back or until --for is over, across restarts of the controller, and
    `fleet status` and `fleet plan` show it as drift.
    """
    group, found, number = what.partition("=")
    if apart:
        meant = f"{group}={apart[0]}" if not found and apart[0].isdecimal() else "http=4, one group at a time"
        raise Failure(f"{what} {' '.join(apart)}: expected GROUP=N, as in {meant}", Exit.USAGE)
    if not group or not found or not (number == "file" or number.isdecimal()):
        raise Failure(
            f"{what}: expected GROUP=N, as in http=4; GROUP=file goes back to the number in the file",
            Exit.USAGE,
        )
    replicas = None if number == "file" else int(number)
    for_seconds = duration(lasting)
    return tell(
        "scale", file, env, as_json, group=group, replicas=replicas, for_seconds=for_seconds, reason=reason
    )
