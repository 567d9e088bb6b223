"""The fleet on all hosts, heard through its broker: for `fleet status --everywhere`, also where nothing runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fleet.cli.exits import Exit
from fleet.cli.file.loading import load_fleet
from fleet.cli.options import Failure
from fleet.pulse import EVERY_SECONDS, HostSeen, merged, wrong

_LISTEN_SECONDS = EVERY_SECONDS + 1.5


def everywhere(file: Path | None, env: str | None) -> dict[str, Any]:
    """Hosts by name, and what is wrong with them together. Raises Failure."""
    from fleet.broker.delivery import BrokerUnavailable
    from fleet.broker.open import open_pulses
    from fleet.config.resolve import routing
    from fleet.config.source import Unreadable

    fleet = load_fleet(file, env, exit_code=Exit.BAD_CONFIG)
    try:
        pulses = open_pulses(routing(fleet).broker, fleet.name)
        if pulses is None:
            raise Failure(
                "hosts hear of each other on Redis and RabbitMQ only; `fleet status` shows this one",
                Exit.USAGE,
            )
        heard = pulses.heard()
        if not pulses.remembers:
            time.sleep(_LISTEN_SECONDS)  # until each has spoken
            heard = pulses.heard()
        pulses.close()
    except (BrokerUnavailable, Unreadable) as error:
        raise Failure(f"no host can be heard: {error}", Exit.FINDINGS) from error
    return summary(fleet.name, merged(heard))


def summary(fleet: str, hosts: list[HostSeen]) -> dict[str, Any]:
    reasons = list(wrong(hosts))
    state = "stopped" if not hosts else "degraded" if reasons else "healthy"
    return {"fleet": fleet, "state": state, "reasons": reasons, "hosts": [_host(each) for each in hosts]}


def _host(seen: HostSeen) -> dict[str, Any]:
    pulse = seen.pulse
    return {
        "host": seen.host,
        "id": seen.id,
        "state": "silent" if seen.silent else pulse.state if pulse else None,
        "heard_seconds_ago": round(seen.seconds, 1),
        "revision": pulse.revision if pulse else None,
        "reasons": list(pulse.reasons) if pulse else [],
        "groups": [
            {
                "name": group.name,
                "revision": group.revision,
                "desired": group.desired,
                "ready": group.ready,
                "failed": group.failed,
                "paused": group.paused,
                "singleton": group.singleton,
            }
            for group in (pulse.groups if pulse else ())
        ],
    }
