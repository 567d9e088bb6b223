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

from fleet.controller.api import serve
from fleet.controller.brain import Brain
from fleet.controller.codewatch import CodeWatch
from fleet.controller.events import EventLog
from fleet.controller.journal import Journal
from fleet.controller.looks import Looks
from fleet.controller.watch import Watch
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
    brain = Brain(file, env, state, log)
    looks = Looks(brain.consider_file)
    _handle_signals(loop, stopped, hung_up=lambda: looks.begin(force=True))

    def code_changed(names: list[str]) -> None:
        with suppress(RuntimeError):  # the loop was closed in this moment
            loop.call_soon_threadsafe(brain.renew_all, names)

    watch, code = Watch(file, looks.hint), CodeWatch(brain.watched, code_changed)
    brain.considered = code.begin
    watch.start()
    code.start()
    work = [asyncio.ensure_future(brain.run()), asyncio.ensure_future(serve(brain, state.api_socket))]
    await asyncio.wait([*work, asyncio.ensure_future(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    watch.stop()
    code.stop()
    await looks.end()
    brain.workers.close()
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
