"""`python -m fleet.dashboard LAUNCH_FILE`: what the supervisor keeps alive where the file has `[dashboard]`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from fleet.dashboard.application import application
from fleet.dashboard.bulk import BulkJobs
from fleet.dashboard.gate import RequestGate
from fleet.launch_specs import DashboardLaunch, Exit
from fleet.statedir import StateDir

_SHUTDOWN_SECONDS = 1
_BACKLOG = 128


class _Server(uvicorn.Server):
    """Signals are heard by `_serve`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m fleet.dashboard LAUNCH_FILE\n")
        return 2
    os.umask(0o077)
    try:
        launch = DashboardLaunch.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
        gate, jobs = application(launch, StateDir(Path(launch.state_dir)))
        listener = _listen(launch.listen)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        sys.stderr.write(f"the dashboard can't begin: {error}\n")
        return Exit.BOOT_FAILED
    asyncio.run(_serve(launch, listener, gate, jobs))
    return Exit.OK


async def _serve(launch: DashboardLaunch, listener: socket.socket, gate: RequestGate, jobs: BulkJobs) -> None:
    config = uvicorn.Config(
        gate,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        server_header=False,
        proxy_headers=False,  # whom to believe is said in the file
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = _Server(config)
    loop, parent = asyncio.get_running_loop(), os.getppid()

    def stop() -> None:
        server.should_exit = True

    def hung_up() -> None:
        if os.getppid() != parent:
            stop()  # what the kernel says of the supervisor's death

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    loop.add_signal_handler(signal.SIGHUP, hung_up)
    sys.stdout.write(f"the dashboard listens on {launch.listen}\n")
    sys.stdout.flush()
    await server.serve(sockets=[listener])
    await jobs.end()


def _listen(listen: str) -> socket.socket:
    """Raises OSError, with the address."""
    scheme, _, path = listen.partition(":")
    if scheme == "unix":
        with suppress(FileNotFoundError):
            Path(path).unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        os.umask(0o117)  # the proxy's user may be of our group; nobody else
        try:
            listener.bind(path)
        finally:
            os.umask(0o077)
    else:
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
        except OSError as error:
            raise OSError(f"{listen}: {error.strerror}") from error
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    sys.exit(main())
