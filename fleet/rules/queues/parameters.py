"""The parameters behind the ? of a RabbitMQ URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, broker_kind, together
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule

if TYPE_CHECKING:
    from fleet.broker_url.amqp_parameters import Fault


@rule("FLT115", "amqp-url-parameter", "warning", varies=True, reads=("broker.url", "broker.heartbeat"))
def amqp_url_parameter(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A parameter of the RabbitMQ URL that fleet can't read, or leaves out.

    fleet honours RabbitMQ's own URI parameters: heartbeat, connection_timeout (milliseconds), channel_max,
    auth_mechanism, cacertfile, certfile, keyfile, verify, server_name_indication; and frame_max. Those of
    other clients (socket_timeout, retry_delay …) mean nothing to it. A value of the wrong kind stops the
    workers, and is an error. What the URL says of the heartbeat counts, and not the key beside it.

    Bad:

        [broker]
        url = "amqp://rabbit.internal/shop?heartbeat=often"

    Good:

        [broker]
        url = "amqp://rabbit.internal/shop?heartbeat=30"

    Source: RabbitMQ documentation, URI Query Parameters.
    """
    url = fleet.broker.url
    if url is None or fleet.broker.url_file or broker_kind(fleet) != AMQP:
        return
    from fleet.broker_url.amqp_parameters import faults

    found = [_finding(fault) for fault in sorted(faults(url), key=lambda fault: fault.harmless)]
    yield from together(fleet, ("broker", "url"), [*found, *_heartbeats(fleet, url)])


def _finding(fault: Fault) -> Finding:
    from fleet.broker_url.amqp_parameters import EXAMPLES, known

    guess = nearest(fault.name, known(), cutoff=0.75) if fault.harmless else None
    return Finding(
        ("broker", "url"),
        fault.text,
        within=fault.where,
        help=f"did you mean {guess}?"
        if guess
        else "remove it"
        if fault.harmless
        else f"such as {EXAMPLES[fault.name]}",
        severity="warning" if fault.harmless else "error",
    )


def _heartbeats(fleet: Fleet, url: str) -> Iterator[Finding]:
    try:
        from fleet.broker_url.amqp_parameters import read

        seconds = read(url).heartbeat_seconds
    except ValueError:
        return
    if seconds is None:
        return
    within = next((text for text in re.findall(r"[?&](heartbeat=[^&;]*)", url)), None)
    if not seconds:
        text = "with heartbeat=0 in the broker URL a dead connection is never noticed"
        yield Finding(
            ("broker", "url"),
            text,
            within=within,
            help="remove it for the default of 30s",
            severity="warning",
        )
    elif "heartbeat" in fleet.broker.said and fleet.broker.heartbeat != timedelta(seconds=seconds):
        yield Finding(
            ("broker", "heartbeat"),
            f"`heartbeat` does nothing: the broker URL says {seconds:g} s, which counts",
            related=(Mark(("broker", "url"), "this counts"),),
            help="say it in one of the two places",
            severity="warning",
        )
