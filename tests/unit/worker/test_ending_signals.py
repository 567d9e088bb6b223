"""Whatever a task does to signals in the main thread, its worker hears that it is to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from fleet.worker.ending_signals import HeardSignals

SIGNUM = signal.SIGUSR2


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    before, descriptor = signal.getsignal(SIGNUM), signal.set_wakeup_fd(-1)
    read, write = os.pipe()
    os.set_blocking(write, False)
    yield read, write
    signal.signal(SIGNUM, before)
    signal.set_wakeup_fd(descriptor)
    os.close(read)
    os.close(write)


def hears(read: int) -> bool:
    os.kill(os.getpid(), SIGNUM)
    return os.read(read, 10) == bytes([SIGNUM])


def test_what_a_task_ignores_or_leaves_to_the_kernel_is_heard_again(pipe: tuple[int, int]) -> None:
    read, write = pipe
    signals = HeardSignals(write, (SIGNUM,))
    signals.hear()
    assert signals.hear_again() == []
    for deaf in (signal.SIG_IGN, signal.SIG_DFL):
        signal.signal(SIGNUM, deaf)
        assert signals.hear_again() == ["SIGUSR2"]
        assert hears(read)
    signal.set_wakeup_fd(-1)
    assert signals.hear_again() == ["the wake-up descriptor"]
    assert hears(read)


def test_a_handler_of_a_task_stays(pipe: tuple[int, int]) -> None:
    read, write = pipe
    signals, heard = HeardSignals(write, (SIGNUM,)), []
    signals.hear()
    signal.signal(SIGNUM, lambda signum, _: heard.append(signum))
    assert signals.hear_again() == []
    assert hears(read)
    assert heard == [SIGNUM]
