"""`fleet restart`: replace workers by others just like them, as a rollout does."""

from __future__ import annotations

from pathlib import Path

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, json_option
from fleet.cli.reload import show
from fleet.cli.running.commands import reason_option
from fleet.cli.running.needed import Needed, groups


@click.command(short_help="Replace workers by new ones, without losing a message.")
@click.argument("what", cls=Needed, names=groups, metavar="[GROUP[/N]]", required=False)
@click.option(
    "--controller",
    is_flag=True,
    help="Restart only the controller, so that it loads new code; the workers stay.",
)
@reason_option
@file_option
@env_option
@json_option
def command(
    *,
    what: str | None,
    controller: bool,
    reason: str | None,
    file: Path | None,
    env: str | None,
    as_json: bool,
) -> int:
    """Replace all workers, those of a group, or one; new ones first, and none that works is given up for
    one that doesn't.

    Waits until it is done. Exits 1 when new workers fail: then the old ones go on.
    """
    from fleet.cli.file.locate import locate

    path, state = locate(file, env)
    if controller:
        if what is not None:
            raise Failure("name a GROUP or --controller, not both", Exit.USAGE)
        from fleet.cli.running.restart_controller import restart_controller

        return restart_controller(path, state, as_json)
    return show(path, state, "/commands/restart", as_json, {**_target(what), "reason": reason})


def _target(what: str | None) -> dict[str, object]:
    if what is None:
        return {}
    group, found, number = what.partition("/")
    if not group or (found and not number.isdecimal()):
        raise Failure(f"{what}: expected GROUP or GROUP/N, as in http/0", Exit.USAGE)
    return {"group": group, "replica": int(number)} if found else {"group": group}
