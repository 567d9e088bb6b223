"""`fleet logs`: what workers and controller have written, merged, and what they go on writing."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from fleet.cli.exits import Exit
from fleet.cli.options import AtLeast, Failure, env_option

_LOOK_EVERY_SECONDS = 0.1


@click.command(short_help="Print the logs of the workers and the controller.")
@click.argument("worker", metavar="[GROUP[/N]]", required=False)
@click.option("-f", "--follow", "follow", is_flag=True, help="Go on printing what is written.")
@click.option("-n", "--lines", "count", type=AtLeast(0), default=100, show_default=True, help="Last lines.")
@click.option("--file", type=click.Path(path_type=Path), help="The fleet.toml to use, as everywhere.")
@env_option
def command(worker: str | None, follow: bool, count: int, file: Path | None, env: str | None) -> int:
    """Print the logs of the workers and the controller.

    GROUP are all workers of a group, GROUP/N is one replica with those before it, `controller` the
    controller.
    """
    from fleet.cli.file.locate import locate
    from fleet.cli.views.log_lines import LogPrinter
    from fleet.log_files import Follower, last_lines, log_files, select, sizes

    _, state = locate(file, env)
    wanted = select(worker)
    if not follow and not log_files(state.logs, wanted):
        raise Failure(
            _nothing(worker, {found.slot for found in log_files(state.logs, select(None))}), Exit.USAGE
        )
    printer = LogPrinter(sys.stdout)
    ends = sizes(state.logs, wanted)
    printer.print(last_lines(state.logs, wanted, count, ends))
    follower = Follower(state.logs, wanted, ends)
    while follow:
        printer.print(follower.read())
        time.sleep(_LOOK_EVERY_SECONDS)
    return Exit.OK


def _nothing(worker: str | None, slots: set[str]) -> str:
    if worker is None or not slots:
        return "there are no logs yet: `fleet up` starts the fleet"
    return f"no logs of {worker!r}; there are: {', '.join(sorted(slots))}"
