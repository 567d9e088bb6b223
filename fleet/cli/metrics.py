"""`fleet metrics`: what Prometheus would be told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.exits import Exit
from fleet.cli.options import Failure, env_option, file_option

if TYPE_CHECKING:
    from fleet.statedir import StateDir


@click.command(short_help="Print the fleet's metrics in the text format of Prometheus.")
@click.option("--openmetrics", is_flag=True, help="In the format of OpenMetrics.")
@click.option("--otlp", is_flag=True, help="Send them to an OpenTelemetry collector, until Ctrl-C.")
@file_option
@env_option
def command(*, openmetrics: bool, otlp: bool, file: Path | None, env: str | None) -> int:
    """Print the fleet's metrics, as the controller's socket tells them (GET /metrics).

    For a textfile collector, and to see what is there. docs/reference/metrics.md says what each means. --otlp goes by
    OpenTelemetry's variables, as OTEL_EXPORTER_OTLP_ENDPOINT, and needs fleet-workers[otel].
    """
    from fleet.cli.file.locate import locate
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
    from fleet.cli.running.commands import unanswered

    path, state = locate(file, env)
    if otlp:
        return _push(path, state, env)
    accept = "application/openmetrics-text" if openmetrics else "text/plain"
    try:
        click.echo(ApiClient(state.api_socket).text("/metrics", accept=accept), nl=False)
    except ControllerUnavailable:
        raise unanswered(path, state) from None
    except ApiError as error:
        raise Failure(f"no metrics of the fleet of {path}: {error}", Exit.FINDINGS) from error
    return Exit.OK


def _push(path: Path, state: StateDir, env: str | None) -> int:
    """For ever; a fleet or a collector that is away is no reason to end."""
    from fleet.broker.urls import scheme
    from fleet.cli.file.routing import load_routing
    from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
    from fleet.otlp import Pusher, interval_seconds

    kind = scheme(load_routing(path, env).spec.broker.url)
    try:
        pusher = Pusher(path.parent.name, {"amqp": "rabbitmq"}.get(kind, kind))
    except ImportError as error:
        raise Failure(f"{error}: pip install 'fleet-workers[otel]'", Exit.USAGE) from error
    while True:
        try:
            if not pusher.push(ApiClient(state.api_socket).text("/metrics", accept="text/plain")):
                click.echo("the collector did not take it", err=True)
        except (ControllerUnavailable, ApiError) as error:
            click.echo(f"no metrics of the fleet of {path}: {error}", err=True)
        time.sleep(interval_seconds())
