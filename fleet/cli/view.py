"""`fleet view`: the number of workers that each group needs, for a scaler that asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option

if TYPE_CHECKING:
    from fleet.fleet_state import FleetState

_LISTEN = ":8788"


@click.command(short_help="Answer how many workers each group needs, for KEDA.")
@click.option(
    "--listen",
    envvar="FLEET_LISTEN",
    default=_LISTEN,
    show_default=True,
    metavar="[HOST]:PORT",
    help="Answer /v1/groups/GROUP there, and /live and /ready.",
)
@click.option(
    "--workers",
    "places",
    multiple=True,
    metavar="GROUP=HOST:PORT",
    help="Where workers of GROUP answer; may be given again [default: FLEET-GROUP:8788, a Service of each pod].",
)
@file_option
@env_option
def command(listen: str, places: tuple[str, ...], file: Path | None, env: str | None) -> int:
    """Answer over HTTP how many workers each group with `replicas = { min, max }` needs now.

    By the function that the fleet's own autoscaler uses, from what the broker says of the queues, and the workers
    (`fleet worker --listen`) of themselves. It changes nothing: whoever asks, such as KEDA's metrics-api scaler, does.
    """
    from fleet.cli.file.loading import load_fleet
    from fleet.config.resolve_groups import fleet_state

    fleet = load_fleet(file, env, exit_code=Exit.BAD_CONFIG)
    state = fleet_state(fleet)
    scaling = [group.name for group in state.groups if group.autoscale is not None]
    if not scaling:
        raise Failure("no worker group scales: `replicas = { min = 1, max = 8 }` in one", Exit.BAD_CONFIG)
    return _serve(state, listen, _places(state, scaling, places))


def _places(state: FleetState, scaling: list[str], given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """By group. Raises Failure."""
    from fleet.export.facts import PORT, slug

    found: dict[str, list[str]] = {}
    for each in given:
        group, equals, place = each.partition("=")
        if not equals or group not in scaling or not place.rpartition(":")[2].isdecimal():
            raise Failure(
                f"--workers: expected GROUP=HOST:PORT with one of {', '.join(scaling)}, got {each!r}",
                Exit.USAGE,
            )
        found.setdefault(group, []).append(place)
    named = {name: (f"{slug(state.fleet)}-{slug(name)}:{PORT}",) for name in scaling}
    return named | {name: tuple(several) for name, several in found.items()}


def _serve(state: FleetState, listen: str, places: dict[str, tuple[str, ...]]) -> int:
    import signal
    import threading

    from fleet.broker.open import queue_stats
    from fleet.controller.autoscale.autoscaler import scaled_queues
    from fleet.view.http_answers import make_server
    from fleet.view.scaler import GroupScaler
    from fleet.view.watching import View

    stopped = threading.Event()
    scalers = {group.name: GroupScaler(group) for group in state.groups if group.autoscale is not None}
    asked = scaled_queues(state)

    def say(text: str) -> None:
        click.echo(text, err=True)

    view = View(scalers, places, lambda: queue_stats(asked), say)
    host, _, port = listen.rpartition(":")
    try:
        server = make_server((host.strip("[]"), int(port)), view)
    except (OSError, ValueError, OverflowError) as error:
        raise Failure(f"--listen {listen}: {error}", Exit.USAGE) from None
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopped.set())
    threading.Thread(target=server.serve_forever, name="fleet-view-http", daemon=True).start()
    say(f"answering for {', '.join(sorted(scalers))} at {listen}")
    view.run(stopped)
    server.shutdown()
    return Exit.OK
