"""Tasks that fork, start helpers, read stdin and print: what they see of the process that they run in."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

from fleet import task
from tests.contract.app import write


@task
def note(key: str) -> None:
    write("note", key)


@task
def nap(key: str, seconds: float) -> None:
    time.sleep(seconds)
    write("end", key)


@task
def fork_and(key: str, how: str) -> None:
    """The copy goes on in a way of its own; the original says how it ended."""
    copy = os.fork()
    if copy:
        _, status = os.waitpid(copy, 0)
        write("copy ended", key, code=os.waitstatus_to_exitcode(status))
        return
    write("copy", key)
    if how == "raise":
        raise ValueError("in the copy")
    if how == "exit":
        sys.exit(7)
    if how == "exec":
        os.execv(sys.executable, [sys.executable, "-c", "raise SystemExit(9)"])
    if how == "sleep":
        time.sleep(0.5)  # in a green pool: others may run now
        write("copy slept", key)


@task
def terminate_helper(key: str) -> None:
    helper = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    helper.start()
    helper.terminate()
    helper.join(20)
    code = helper.exitcode
    helper.kill()
    write("helper", key, code=code)


@task
def deafen(key: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)  # as an event loop does that had handlers and closes
    write("deaf", key)


@task
def read_stdin(key: str) -> None:
    tool = subprocess.run(["cat"], capture_output=True, check=True)
    write("read", key, tool=tool.stdout.decode(), own=os.read(0, 100).decode())


@task
def say(key: str, lines: int, width: int) -> None:
    for number in range(lines):
        print(key, number, "x" * width, os.getpid())
    write("said", key)


@task
def freeze_time(key: str) -> None:
    """As a task's own tests or tools do, for as long as it runs and, carelessly, beyond."""
    frozen = time.time()
    time.monotonic = lambda: 1.0
    time.time = lambda: frozen
    write("frozen", key)


@task
def freeze_modules(key: str) -> None:
    """As freezegun does: whatever module has the function under some name gets another one."""
    real = {id(each) for each in (time.monotonic, time.time, time.thread_time)}
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if id(value) in real:
                setattr(module, name, lambda: 1.0)
    write("frozen", key)


@task
def close_streams(key: str) -> None:
    """As a badly written daemonizer does."""
    for fd in (0, 1, 2):
        os.close(fd)
    write("closed", key)
