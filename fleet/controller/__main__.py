"""`python -m fleet.controller FILE --state-dir DIR [--env NAME]`: what the supervisor starts first."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet.controller.alerts.alerting import Alerting
from fleet.controller.api import answers
from fleet.controller.api.server import serve
from fleet.controller.declared.code_watch import CodeWatch
from fleet.controller.declared.file_checks import FileChecks
from fleet.controller.declared.file_watch import Watch
from fleet.controller.history.keeping import Keeper
from fleet.controller.log.events import EventLog
from fleet.controller.log.journal import Journal
from fleet.controller.pulse_sender import PulseSender
from fleet.controller.reconciler import Reconciler
from fleet.controller.state.release import await_release, follow_release
from fleet.host_identity import this_host
from fleet.statedir import StateDir


def main() -> int:
    parser = argparse.ArgumentParser(prog="fleet-controller")
    parser.add_argument("file", type=Path)
    parser.add_argument("--env")
    # Not from the file: that may say something else, or nothing that can be read, when this starts again.
    parser.add_argument("--state-dir", type=Path, required=True)
    arguments = parser.parse_args()
    os.umask(0o077)
    state = StateDir(arguments.state_dir)
    with suppress(OSError):  # told later, by the reconciler
        await_release(state)
        follow_release(state)
    state.create()  # it may have been deleted while the fleet runs
    log = EventLog(journal=Journal(state.events))
    logging.basicConfig(level=logging.WARNING, handlers=[log])
    try:
        asyncio.run(control(arguments.file.absolute(), arguments.env, state, log))
    except OSError as error:
        log.error(f"the controller can't go on: {error}")
        return 1
    return 0


async def control(file: Path, env: str | None, state: StateDir, log: EventLog) -> None:
    """Until SIGTERM, or until the supervisor is gone. Raises OSError when it can't start."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    reconciler = Reconciler(file, env, state, log)
    looks = FileChecks(reconciler.consider_file)
    _handle_signals(loop, stopped, hung_up=lambda: looks.begin(force=True))

    def code_changed(names: list[str]) -> None:
        with suppress(RuntimeError):  # the loop was closed in this moment
            loop.call_soon_threadsafe(reconciler.renew_all, names)

    watch, code = Watch(file, looks.hint), CodeWatch(reconciler.watched, code_changed)
    reconciler.considered = code.begin
    watch.start()
    code.start()
    keeper = Keeper(reconciler.history, lambda: answers.status(reconciler))
    reconciler.departed = keeper.departed
    alerting = reconciler.alerting = Alerting(
        state.alerts,
        reconciler.history,
        log,
        lambda: reconciler.declaration.accepted,
        lambda: answers.status(reconciler),
    )
    pulse = PulseSender(
        this_host(state.root),
        lambda: answers.status(reconciler, with_queues=False),
        lambda: reconciler.effective,
    )
    beside = [asyncio.ensure_future(each.run()) for each in (keeper, alerting, pulse)]
    work = [
        asyncio.ensure_future(reconciler.run()),
        asyncio.ensure_future(serve(reconciler, state.api_socket)),
    ]
    await asyncio.wait([*work, asyncio.ensure_future(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    watch.stop()
    code.stop()
    await looks.end()
    for each in beside:
        each.cancel()
    await pulse.end()
    await asyncio.to_thread(reconciler.history.close)
    reconciler.workers.close()
    failed = [task for task in work if task.done()]
    for task in work:
        task.cancel()
    await asyncio.wait(work, timeout=2)
    for task in failed:
        task.result()


def _handle_signals(
    loop: asyncio.AbstractEventLoop, stopped: asyncio.Event, *, hung_up: Callable[[], None]
) -> None:
    parent = os.getppid()

    def hang_up() -> None:
        # Also what the kernel sends when the supervisor has ended (fleet.supervisor.spawn).
        if os.getppid() == parent:
            hung_up()
        else:
            stopped.set()

    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    if os.environ.get("FLEET_SUPERVISED"):
        # Where the kernel sends nothing: our stdin ends with the supervisor.
        loop.add_reader(sys.stdin.fileno(), stopped.set)


if __name__ == "__main__":
    sys.exit(main())
