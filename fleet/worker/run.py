"""Put a worker together and run it to its end. Loaded after monkey-patching."""

from __future__ import annotations

import os
import random
import signal
import socket
import stat
import sys
from types import FrameType
from typing import TYPE_CHECKING

from fleet.spec import BrokerSpec, WorkerLaunch
from fleet.worker.app import extend_path, load_app
from fleet.worker.consumer import Consumer
from fleet.worker.control_client import ControlClient
from fleet.worker.crash import fatal
from fleet.worker.deputy import Deputy
from fleet.worker.errors import BootFailed
from fleet.worker.execution import Target
from fleet.worker.health import Health
from fleet.worker.log import Log
from fleet.worker.orders import Order
from fleet.worker.outcome import default_policy
from fleet.worker.pools import Host, make_pool
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings
from fleet.worker.state import Gate
from fleet.worker.tally import Tally
from fleet.worker.uplink import Uplink
from fleet.worker.warden import DRAIN_SIGNALS, HANG_UP, Duties, Warden

if TYPE_CHECKING:
    from fleet.broker.link import Link


def run(launch: WorkerLaunch) -> int:
    """The exit code. Raises BootFailed when the app can't be imported or the broker's URL makes no sense."""
    os.environ["FLEET_ROUTING"] = launch.routing_file  # where tasks that send tasks find the rules
    log = Log(launch.worker, os.environ.get("FLEET_LOG_LEVEL", "info"))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    reactor, gate, settings = Reactor(), Gate(), Settings(launch)
    tally = Tally(launch.worker, launch.revision, state=lambda: gate.state, settings=settings)
    uplink = Uplink(lambda: _make_link(launch), reactor, log, random.random)
    consumer = Consumer(
        launch=launch,
        settings=settings,
        uplink=uplink,
        reactor=reactor,
        gate=gate,
        tally=tally,
        log=log,
        random=random.random,
    )
    deputy = _deputy(launch, consumer, uplink)
    warden = Warden(_duties(settings, consumer, deputy), ControlClient(launch.control_socket), tally, log)
    _hear_signals(warden)
    gate.changed = warden.report_now
    warden.start()
    deputy.start()
    host = Host(
        launch=launch,
        targets=_targets(launch),
        reactor=reactor,
        log=log,
        done=consumer.done,
        up=consumer.pool_up,
        broken=consumer.pool_broken,
        back=consumer.back,
        helm=consumer.helm,
        random=random.random,
    )
    pool = make_pool(launch.spec.pool, host)
    tally.children = lambda: pool.children
    try:
        with fatal():
            code, unfinished = consumer.run(pool)
    except BootFailed:
        pool.close()  # else Python waits for its processes
        raise
    warden.stop()
    if unfinished:
        # A thread or green thread that hangs must not keep the process from ending.
        sys.stdout.flush()
        os._exit(code)
    return code


def _targets(launch: WorkerLaunch) -> dict[str, Target]:
    """The app's tasks; none for prefork, where only the pool processes import it."""
    spec = launch.spec
    if spec.pool == "prefork":
        extend_path(spec.pythonpath)
        return {}
    return load_app(spec.app, spec.pythonpath, default_policy(spec))


def _make_link(launch: WorkerLaunch) -> Link:
    from fleet.broker.link import Link

    spec = launch.spec
    held = Prefetch(spec).held
    identity = launch.identity(socket.gethostname(), os.getpid())
    return Link(spec.broker, spec.queues, prefetch=held, identity=identity)


def _deputy(launch: WorkerLaunch, consumer: Consumer, uplink: Uplink) -> Deputy:
    blocks = launch.spec.pool == "solo"
    stand_in = consumer.stand_in if blocks else None
    deputy = Deputy(uplink.renew, _renew_every(launch.spec.broker), stand_in=stand_in)
    if blocks:
        consumer.owing = deputy.attend
    return deputy


def _duties(settings: Settings, consumer: Consumer, deputy: Deputy) -> Duties:
    supervised = os.environ.get("FLEET_SUPERVISED") == "1"

    def order(order: Order) -> None:
        consumer.order(order)
        deputy.wake()

    return Duties(
        order=order,
        settings=settings,
        health=Health(settings, random.random),
        longest_overdue=consumer.longest_overdue,
        watch_stdin=supervised and _is_pipe(0),
    )


def _renew_every(broker: BrokerSpec) -> float:
    """Often enough for leases, and for heartbeats: a broker gives up after two that are missing."""
    return min(broker.lease_seconds, broker.heartbeat_seconds or broker.lease_seconds) / 3


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _hear_signals(warden: Warden) -> None:
    """A signal only puts its number into the warden's pipe, which the interpreter does by itself."""
    for signum in (*DRAIN_SIGNALS, HANG_UP):
        signal.signal(signum, _nothing)
    signal.set_wakeup_fd(warden.fileno(), warn_on_full_buffer=False)


def _nothing(_signum: int, _frame: FrameType | None) -> None:
    """In place of the default action, which would end the process here and now."""
