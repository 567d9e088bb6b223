"""`fleet view`: what a cluster has one of: the numbers of workers for a scaler that asks, and the scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option, reason_of

if TYPE_CHECKING:
    from fleet.fleet_state import FleetState
    from fleet.view.scheduler_child import SchedulerChild

_LISTEN = ":8788"


@click.command(short_help="In a cluster: how many workers are needed, and the clock.")
@click.option(
    "--listen",
    envvar="FLEET_LISTEN",
    default=_LISTEN,
    show_default=True,
    metavar="[HOST]:PORT",
    help="Answer /v1/groups/GROUP, /v1/schedules and /metrics there, /live and /ready.",
)
@click.option(
    "--workers",
    "places",
    multiple=True,
    metavar="GROUP=HOST:PORT",
    help="Where workers of GROUP answer; may be given again [default: FLEET-GROUP:8788, a Service of each pod].",
)
@click.option(
    "--schedules/--no-schedules",
    default=True,
    help="Send what [[schedules]] and a Celery app's beat_schedule say [default: do].",
)
@file_option
@env_option
def command(listen: str, places: tuple[str, ...], schedules: bool, file: Path | None, env: str | None) -> int:
    """Answer over HTTP how many workers each group with `replicas = { min, max }` needs now, and send by the clock.

    The number is that of the fleet's own autoscaler, from what the broker says of the queues, and the workers
    (`fleet worker --listen`) of themselves. It changes nothing: whoever asks, such as KEDA's metrics-api scaler, does.
    The schedules' runs are sent by the very scheduler of `fleet up`, each once, however many views there are.
    """
    import tempfile

    from fleet.cli.file.loading import load_loaded, show
    from fleet.cli.running.launch import module_command
    from fleet.config.resolve_groups import fleet_state
    from fleet.view.scheduler_child import SchedulerChild

    loaded = load_loaded(file, env)
    if loaded.fleet is None:
        show(loaded)
        raise Failure(f"{loaded.source.path} has errors: `fleet validate` shows them again", Exit.BAD_CONFIG)
    state = fleet_state(loaded.fleet)
    scaling = [group.name for group in state.groups if group.autoscale is not None]
    has_clock = schedules and bool(state.schedules or state.beat_app)
    if not scaling and not has_clock:
        raise Failure(
            "no worker group scales (`replicas = { min = 1, max = 8 }` in one), and nothing is sent by the clock",
            Exit.BAD_CONFIG,
        )
    with tempfile.TemporaryDirectory(prefix="fleet-view-") as folder:
        command = module_command("fleet.scheduler")
        clock = (
            SchedulerChild(state, str(loaded.source.path), Path(folder), command, _say) if has_clock else None
        )
        return _serve(state, listen, _places(state, scaling, places), clock)


def _places(state: FleetState, scaling: list[str], given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """By group. Raises Failure."""
    from fleet.export.facts import PORT, slug

    found: dict[str, list[str]] = {}
    there = ", ".join(scaling) or "none does"
    for each in given:
        group, equals, place = each.partition("=")
        if not equals or group not in scaling or not place.rpartition(":")[2].isdecimal():
            raise Failure(
                f"--workers: expected GROUP=HOST:PORT with a group that scales ({there}), got {each!r}",
                Exit.USAGE,
            )
        found.setdefault(group, []).append(place)
    named = {name: (f"{slug(state.fleet)}-{slug(name)}:{PORT}",) for name in scaling}
    return named | {name: tuple(several) for name, several in found.items()}


def _serve(
    state: FleetState, listen: str, places: dict[str, tuple[str, ...]], clock: SchedulerChild | None
) -> int:
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
    view = View(scalers, places, lambda: queue_stats(asked), _say, clock)
    host, _, port = listen.rpartition(":")
    try:
        server = make_server((host.strip("[]"), int(port)), view)
    except (OSError, ValueError, OverflowError) as error:
        raise Failure(f"--listen {listen}: {reason_of(error)}", Exit.USAGE) from None
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopped.set())
    threading.Thread(target=server.serve_forever, name="fleet-view-http", daemon=True).start()
    _say(f"answering for {', '.join(sorted(scalers) or ['the schedules'])} at {listen}")
    view.run(stopped)
    server.shutdown()
    return Exit.OK


def _say(text: str) -> None:
    click.echo(text, err=True)
