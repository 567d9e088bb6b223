"""Redis: new enough, writable, keeps what it is given, has room for the connections, and no foreign keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleet.broker.preflight import Objection, Preflight
from fleet.broker.redis.connect import Server, Wire
from fleet.broker.redis.keys import Keys
from fleet.broker.redis.preflight_rights import missing_rights
from fleet.broker.redis.refusals import NotPermitted
from fleet.spec import BrokerSpec, QueueSpec


def preflight_redis(broker: BrokerSpec, queues: Sequence[QueueSpec], connections: int) -> Preflight:
    """Raises BrokerUnavailable, also for a server that is too old, and for a cluster."""
    wire = Server(broker.url, broker.transport_options).connect_anew()
    try:
        info = wire.about()
        keys = Keys.from_options(broker.transport_options)
        objections = (
            *missing_rights(wire, keys, queues),
            *_foreign_keys(wire, keys, queues),
            *_read_only(info),
            *_evicts(info),
            *_no_room(info, connections),
        )
        return Preflight(f"Redis {info.get('redis_version', '')}".strip(), objections)
    finally:
        wire.close()


def _foreign_keys(wire: Wire, keys: Keys, queues: Sequence[QueueSpec]) -> Iterator[Objection]:
    """A queue is a list of that name."""
    for queue in queues:
        try:
            kind = bytes(wire.call("TYPE", keys.ready(queue.name))).decode()
        except NotPermitted:
            return
        if kind not in ("list", "none"):
            yield Objection(
                f'queue "{queue.name}": the key of that name in Redis is a {kind}, not a list of messages',
                help="another program uses this key: choose another database, or another name",
                queue=queue.name,
            )


def _read_only(info: Mapping[str, str]) -> Iterator[Objection]:
    if info.get("role") == "slave" and info.get("slave_read_only", "1") == "1":
        yield Objection(
            f"this Redis is a read-only replica of {info.get('master_host')}:{info.get('master_port')}",
            help="name the primary, or let sentinel:// find it",
        )


def _evicts(info: Mapping[str, str]) -> Iterator[Objection]:
    """With allkeys-… Redis drops queues when its memory is full; volatile-… touches only what expires."""
    policy = info.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys") and info.get("maxmemory", "0") != "0":
        yield Objection(
            f"this Redis deletes messages when its memory is full: maxmemory-policy is {policy}",
            help="use a Redis of its own for the queues, with maxmemory-policy noeviction",
            refused=False,
        )


def _no_room(info: Mapping[str, str], connections: int) -> Iterator[Objection]:
    limit, present = info.get("maxclients"), info.get("connected_clients")
    if limit is None or present is None:
        return
    room = int(limit) - int(present)
    if room < connections:
        yield Objection(
            f"this Redis has room for {room} more connections, this fleet needs {connections} "
            f"(maxclients {limit}, {present} connected)",
            help="raise maxclients, or start fewer replicas",
        )
