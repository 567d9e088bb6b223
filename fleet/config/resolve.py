"""The fleet.toml as checked → the specs of producers and schedulers: absolute paths, secrets read.

What its worker groups are, fleet.config.resolve_groups says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.config.model import Fleet, Queue, Schedule
from fleet.config.source import Unreadable
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec
from fleet.statedir import StateDir
from fleet.working_folder import expanded

if TYPE_CHECKING:
    from fleet.launch_specs import ScheduleSpec


def state_dir(fleet: Fleet) -> StateDir:
    """Where this fleet keeps its files; nothing is created."""
    return StateDir(absolute(fleet, fleet.project.state_dir))


def routing(fleet: Fleet) -> RoutingSpec:
    """All that a producer needs. Raises Unreadable when `url_file` can't be read."""
    return RoutingSpec(
        broker=broker(fleet),
        queues=tuple(queue_spec(name, queue) for name, queue in fleet.queues.items()),
        routes=tuple(RouteSpec(rule.task, rule.queue, rule.priority) for rule in fleet.routes),
    )


def schedules(fleet: Fleet) -> tuple[ScheduleSpec, ...]:
    """What its scheduler goes by."""
    return tuple(schedule_spec(fleet, each) for each in fleet.schedules)


def schedule_spec(fleet: Fleet, schedule: Schedule) -> ScheduleSpec:
    from fleet.launch_specs import ScheduleSpec

    return ScheduleSpec(
        name=schedule.called,
        task=schedule.task,
        cron=schedule.cron,
        every_seconds=None if schedule.every is None else schedule.every.total_seconds(),
        timezone=schedule.timezone or fleet.project.timezone,
        args=tuple(_json(value) for value in schedule.args),
        kwargs={name: _json(value) for name, value in schedule.kwargs.items()},
        queue=schedule.queue,
        priority=schedule.priority,
        expires_seconds=None if schedule.expires is None else schedule.expires.total_seconds(),
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        jitter_seconds=schedule.jitter.total_seconds(),
        enabled=schedule.enabled,
    )


def _json(value: Any) -> Any:
    """TOML's dates and times as texts: the specs are JSON, and so are the messages."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list):
        return [_json(item) for item in value]
    return {name: _json(item) for name, item in value.items()} if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True)
class AppImport:
    """How any worker imports the app: modules, absolute folders to import from, variables of `env_file`."""

    app: tuple[str, ...]
    pythonpath: tuple[str, ...]
    environment: dict[str, str]


def app_import(fleet: Fleet) -> AppImport:
    """Raises Unreadable when `env_file` can't be read."""
    return AppImport(fleet.project.app, pythonpath(fleet), env_file(fleet))


def broker(fleet: Fleet) -> BrokerSpec:
    """How to reach the broker. Raises Unreadable when `url_file` can't be read."""
    table = fleet.broker
    url = _broker_url(fleet)
    return BrokerSpec(
        url=url,
        accept=table.accept,
        heartbeat_seconds=_heartbeat_seconds(url, table.heartbeat.total_seconds()),
        lease_seconds=table.lease.total_seconds(),
        transport_options=dict(table.transport_options),
        max_message_bytes=table.max_message_size,
    )


def _heartbeat_seconds(url: str, otherwise: float) -> float:
    """What the URL says counts: for the thread that sends them while the loop can't, too."""
    if not url.startswith("amqp"):
        return otherwise
    try:
        from fleet.broker_url import amqp_parameters

        said = amqp_parameters.read(url).heartbeat_seconds
    except ValueError:
        return otherwise  # whoever connects says what is wrong
    return otherwise if said is None else said


def _broker_url(fleet: Fleet) -> str:
    if fleet.broker.url_file:
        url = _read(absolute(fleet, fleet.broker.url_file), "broker.url_file").strip()
    elif fleet.broker.url is not None:
        url = fleet.broker.url.strip()  # a secret in a variable often ends with the newline of its file
    else:
        url = f"sqlite:///{state_dir(fleet).root / 'broker.db'}"
    prefix, found, path = url.partition("sqlite:///")
    if prefix or not found or path.startswith(":memory:"):
        return url
    return f"sqlite:///{absolute(fleet, path)}"


def queue_spec(name: str, queue: Queue) -> QueueSpec:
    return QueueSpec(
        name=name,
        exchange=queue.exchange,
        exchange_type=queue.exchange_type,
        routing_key=name if queue.routing_key is None else queue.routing_key,
        durable=queue.durable,
        max_priority=queue.max_priority,
        message_ttl_seconds=queue.message_ttl.total_seconds() if queue.message_ttl else None,
        dead_letter=queue.dead_letter_queue(name),
        arguments=dict(queue.arguments),
    )


def pythonpath(fleet: Fleet) -> tuple[str, ...]:
    return tuple(str(absolute(fleet, folder)) for folder in fleet.project.pythonpath)


def env_file(fleet: Fleet) -> dict[str, str]:
    if not fleet.project.env_file:
        return {}
    from fleet.config.envfile import EnvFileError, parse_env_file

    path = absolute(fleet, fleet.project.env_file)
    try:
        return parse_env_file(_read(path, "fleet.env_file"))
    except EnvFileError as error:
        raise Unreadable(f"fleet.env_file: {path}, {error}") from error


def absolute(fleet: Fleet, path: str) -> Path:
    # normpath rather than resolve(): a symlinked release folder must stay the path that was configured.
    return Path(os.path.normpath(fleet.folder / expanded(path)))


def _read(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise Unreadable(f"{key}: can't read {path}: {reason}") from error
