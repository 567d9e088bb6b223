"""Put a worker together and run it to its end. Loaded after monkey-patching."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from fleet import instance
from fleet.clock import time
from fleet.launch_specs import WorkerLaunch
from fleet.worker import stacks, stdio, unpatched
from fleet.worker.answering import Answers
from fleet.worker.app import App, NativeApp, app_spec, open_app, refuse_coroutines
from fleet.worker.connection import BrokerConnection
from fleet.worker.consumer import Consumer
from fleet.worker.context import LoopContext
from fleet.worker.control_client import ControlClient
from fleet.worker.crash import fatal
from fleet.worker.ending_signals import HeardSignals
from fleet.worker.errors import BootFailed
from fleet.worker.forks import give_copies_default_signals
from fleet.worker.health import Health
from fleet.worker.importing import extend_path
from fleet.worker.keepalive import Keepalive
from fleet.worker.log import Log
from fleet.worker.monkey import GREEN
from fleet.worker.orders import Order
from fleet.worker.own_files import seen_by_all
from fleet.worker.pools import Host, make_pool
from fleet.worker.prefetch import Prefetch
from fleet.worker.probes import ProbeFacts, Probes, answer
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings
from fleet.worker.state import Gate
from fleet.worker.stats import Stats
from fleet.worker.watchdog import DRAIN_SIGNALS, HANG_UP, Duties, Watchdog

if TYPE_CHECKING:
    from fleet.broker.link import Link
    from fleet.worker.remote import Remote

_GOODBYE_SECONDS = 2.0


_LAST_SECONDS = 5.0  # for exit handlers, and what else ends with the interpreter


def run(launch: WorkerLaunch, launch_file: str = "") -> int:
    """The exit code. Raises BootFailed when the app can't be imported or the broker's URL makes no sense."""
    os.environ["FLEET_ROUTING"] = seen_by_all(launch.routing_file)  # where tasks that send find the rules
    log = Log(launch.worker, os.environ.get("FLEET_LOG_LEVEL", "info"))
    lifeline = stdio.take_stdin()
    stdio.write_whole_lines(launch_file)
    reactor, gate, settings = Reactor(), Gate(), Settings(launch)
    stats = Stats(launch.worker, launch.revision, state=lambda: gate.state, settings=settings)
    stacks.answer_into_file()
    connection = BrokerConnection(lambda: _make_link(launch, settings), reactor, log, random.random)
    context = LoopContext(
        launch=launch,
        settings=settings,
        connection=connection,
        prefetch=Prefetch(launch.spec),
        reactor=reactor,
        gate=gate,
        stats=stats,
        log=log,
        random=random.random,
    )
    consumer = Consumer(context)
    keepalive = _keepalive(launch, consumer, connection)
    answers = Answers(consumer.workload, stats.statistics, os.getpid())
    watchdog = Watchdog(
        _duties(settings, consumer, keepalive, lifeline, answers),
        ControlClient(launch.control_socket),
        stats,
        log,
    )
    signals = HeardSignals(watchdog.fileno(), (*DRAIN_SIGNALS, HANG_UP))
    signals.hear()
    give_copies_default_signals((*DRAIN_SIGNALS, HANG_UP))
    consumer.hear_again = signals.hear_again
    gate.changed = watchdog.report_now
    consumer.report_by(watchdog.report_at_once)
    if "." in launch.token:
        instance.hold(launch.token)
    if launch.listen:
        _probes(launch, stats, watchdog).start(launch.listen)
    watchdog.start()
    keepalive.start()
    app = _app(launch)
    host = Host(
        launch=launch,
        app=app,
        reactor=reactor,
        log=log,
        done=consumer.done,
        up=consumer.pool_up,
        broken=consumer.pool_broken,
        back=consumer.back,
        loop_lock=consumer.loop_lock,
        random=random.random,
        remote=consumer.remote,
        begins=consumer.begins,
    )
    pool = make_pool(launch.spec.pool, host)
    stats.children = lambda: pool.children
    close_desk = _open_desk(app, consumer.remote) if launch.spec.pool != "prefork" else None
    answers.pool = pool
    try:
        with fatal():
            code, unfinished = consumer.run(pool)
    except BootFailed:
        pool.close()  # else Python waits for its processes
        raise
    watchdog.stop()
    if close_desk is not None:
        close_desk()
    app.stop()
    if unfinished:
        # A thread or green thread that hangs must not keep the process from ending.
        sys.stdout.flush()
        os._exit(code)
    unpatched.start_thread(_end_at_last, (code,))
    return code


def _end_at_last(code: int) -> None:
    """Python waits for threads that tasks have left behind, by asyncio.to_thread() say: not for ever."""
    unpatched.sleep(_LAST_SECONDS)
    os._exit(code)


def _app(launch: WorkerLaunch) -> App:
    """The app; one without any task for prefork, where only the pool processes import it. Raises BootFailed."""
    spec = app_spec(launch)
    if spec.pool == "prefork":
        extend_path(spec.pythonpath)
        return NativeApp(spec, {})
    app = open_app(spec)
    if spec.pool in GREEN:
        refuse_coroutines(spec.pool, spec.queues, _queue_of)
    app.enter(pool_process=False)
    return app


def _queue_of(task: str) -> str | None:
    """Where the routes lead, as far as they can be read."""
    from fleet.tasks.routing import BadFleetFile, routing

    try:
        match = routing().router.match(task)
    except BadFleetFile:
        return None
    return match.queue if match else None


def _open_desk(app: App, remote: Remote | None) -> Callable[[], None] | None:
    """For Celery's remote control, in a thread (a green one in green pools). What closes it."""
    if remote is None:
        return None
    import threading

    from fleet.worker.remote import DirectChannel

    channel = DirectChannel(remote)
    thread = threading.Thread(target=app.serve_desk, args=(channel,), name="fleet-desk", daemon=True)
    thread.start()

    def close() -> None:
        channel.close()
        thread.join(_GOODBYE_SECONDS)

    return close


def _make_link(launch: WorkerLaunch, settings: Settings) -> Link:
    from fleet.broker.consumer import Subscription
    from fleet.broker.import_ahead import import_for
    from fleet.broker.link import Link
    from fleet.broker.urls import scheme

    spec = launch.spec
    if spec.pool != "prefork":  # there tasks run, and may send, in other processes: see pools/forkserver.py
        import fleet.tasks.sending  # noqa: F401

        with suppress(ImportError):  # said by who connects
            import_for(scheme(spec.broker.url), publishes=True)
    held = Prefetch(spec).held
    identity = launch.identity(socket.gethostname(), os.getpid())
    link = Link(
        Subscription(
            spec.broker,
            settings.spec.queues,
            prefetch=held,
            identity=identity,
            dead_letters=spec.dead_letters,
            queue_order=spec.queue_order,
        )
    )
    link.serves_celery = spec.is_celery
    return link


def _keepalive(launch: WorkerLaunch, consumer: Consumer, connection: BrokerConnection) -> Keepalive:
    blocks = launch.spec.pool == "solo"
    stand_in = consumer.stand_in if blocks else None
    keepalive = Keepalive(connection.renew, launch.spec.broker.renew_every_seconds, stand_in=stand_in)
    if blocks:
        consumer.owing = keepalive.attend
    return keepalive


def _duties(
    settings: Settings, consumer: Consumer, keepalive: Keepalive, lifeline: int | None, answers: Answers
) -> Duties:
    def order(order: Order) -> None:
        consumer.order(order)
        keepalive.wake()

    return Duties(
        order=order,
        settings=settings,
        health=Health(settings, random.random),
        longest_overdue=consumer.longest_overdue,
        lifeline=lifeline if os.environ.get("FLEET_SUPERVISED") == "1" else None,
        stuck=consumer.stuck,
        lost=lambda: consumer.lost,
        warnings=consumer.warnings,
        answer=answers.answer,
        held_up=consumer.held_up,
    )


def _probes(launch: WorkerLaunch, stats: Stats, watchdog: Watchdog) -> Probes:
    def facts() -> ProbeFacts:
        return ProbeFacts(
            stats.state(),
            stats.trouble,
            stats.broker_error,
            paused=stats.paused,
            judged_seconds_ago=time.monotonic() - watchdog.judged_at,
        )

    return Probes(lambda path: answer(path, facts, launch.spec.group, stats.report))
